//! SHA-256 of files, so that a copy can be told from the original.

use std::{fmt::Write as _, fs::File, io, io::Read as _, path::Path};

use sha2::{Digest as _, Sha256};

/// 64 hexadecimal digits.
pub(crate) fn of_file(path: &Path) -> io::Result<String> {
    let (mut file, mut hash) = (File::open(path)?, Sha256::new());
    let mut buffer = vec![0; 256 << 10];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(digits(&hash.finalize())),
            count => hash.update(&buffer[..count]),
        }
    }
}

/// The same of bytes.
pub(crate) fn of(bytes: &[u8]) -> String {
    digits(&Sha256::digest(bytes))
}

fn digits(hash: &[u8]) -> String {
    hash.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_the_hash_of_its_bytes() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        std::fs::write(&path, "abc").unwrap();
        // FIPS 180-2, appendix B.1.
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!((of_file(&path).unwrap().as_str(), of(b"abc").as_str()), (expected, expected));
    }
}
