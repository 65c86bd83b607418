//! Which functions of OpenSSL a file has, and where: ELF files of anybody, read by a library that checks every bound.

use std::{fs::File, io, path::Path};

use object::{
    LittleEndian, Object as _, ObjectSection as _, ObjectSegment as _, ReadCache, StringTable, elf::Sym64,
    pod::slice_from_bytes,
};

/// Functions and the programs that watch them, of OpenSSL 3.
const OPENSSL_3: &[(&str, &[&str])] = &[
    ("EVP_DigestUpdate", &["keys_digest"]),
    ("EVP_MD_CTX_copy_ex", &["keys_copy"]),
    ("EVP_KDF_derive", &["keys_derived", "keys_kdf"]),
];
/// The same of OpenSSL 1.1.1.
const OPENSSL_1: &[(&str, &[&str])] = &[
    ("EVP_DigestUpdate", &["keys_digest"]),
    ("EVP_MD_CTX_copy_ex", &["keys_copy"]),
    ("EVP_PKEY_CTX_ctrl", &["keys_ctrl"]),
    ("EVP_PKEY_derive", &["keys_derived", "keys_pkey"]),
];
/// Sections of symbols and of their names: what is exported, else all there are.
const SYMBOLS: [(&str, &str); 2] = [(".dynsym", ".dynstr"), (".symtab", ".strtab")];
/// Longest section that is read, bytes: the largest programs have a few hundred thousand symbols.
const MOST: u64 = 64 << 20;

/// A function to watch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Point {
    /// Name of the program.
    pub(super) program: &'static str,
    /// Offset in the file.
    pub(super) offset: u64,
}

/// A file that derives secrets as OpenSSL does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Library {
    /// What it is, for users.
    pub(super) kind: &'static str,
    /// What is watched, in the order of attaching: what a program needs to have seen is attached before it.
    pub(super) points: Vec<Point>,
}

/// What a file has; `None` when it is not OpenSSL's, or no executable.
///
/// # Errors
/// The file cannot be opened.
pub(super) fn inspect(path: &Path) -> io::Result<Option<Library>> {
    let file = File::open(path)?;
    if !file.metadata()?.is_file() {
        return Ok(None);
    }
    let cache = ReadCache::new(file);
    let parsed = object::File::parse(&cache).ok();
    // Both kinds of processors on which agents run.
    Ok(parsed.filter(|file| file.is_64() && file.is_little_endian()).as_ref().and_then(library))
}

fn library<'a>(file: &impl object::Object<'a>) -> Option<Library> {
    SYMBOLS.iter().find_map(|(symbols, names)| {
        let found = functions(file, symbols, names)?;
        let points = |functions: &[(&str, &[&'static str])]| points(file, functions, &found);
        points(OPENSSL_3)
            .map(|points| Library { kind: "OpenSSL 3", points })
            .or_else(|| points(OPENSSL_1).map(|points| Library { kind: "OpenSSL 1.1.1", points }))
    })
}

/// The functions among the symbols of a section, with their addresses.
fn functions<'a>(file: &impl object::Object<'a>, symbols: &str, names: &str) -> Option<Vec<(&'static str, u64)>> {
    let data = |name: &str| file.section_by_name(name).filter(|section| section.size() <= MOST)?.data().ok();
    let (symbols, names) = (data(symbols)?, data(names)?);
    let (symbols, _) =
        slice_from_bytes::<Sym64<LittleEndian>>(symbols, symbols.len() / size_of::<Sym64<LittleEndian>>()).ok()?;
    let names = StringTable::new(names, 0, names.len() as u64);
    let mut found: Vec<(&str, u64)> = Vec::new();
    for symbol in symbols {
        let address = symbol.st_value.get(LittleEndian);
        // A symbol that is only wanted here has no address.
        if address != 0
            && let Ok(name) = names.get(symbol.st_name.get(LittleEndian))
            && let Some(known) = known(name)
            && !found.iter().any(|(other, _)| *other == known)
        {
            found.push((known, address));
        }
    }
    Some(found)
}

fn known(name: &[u8]) -> Option<&'static str> {
    let names = OPENSSL_3.iter().chain(OPENSSL_1).map(|(name, _)| *name);
    name.starts_with(b"EVP_").then_some(names).into_iter().flatten().find(|known| known.as_bytes() == name)
}

/// All of these functions, or none.
fn points<'a>(
    file: &impl object::Object<'a>,
    functions: &[(&str, &[&'static str])],
    found: &[(&str, u64)],
) -> Option<Vec<Point>> {
    let mut points = Vec::new();
    for (function, programs) in functions {
        let (_, address) = found.iter().find(|(name, _)| name == function)?;
        let offset = offset(file, *address)?;
        points.extend(programs.iter().map(|program| Point { program, offset }));
    }
    Some(points)
}

/// Where in the file an address is loaded from.
fn offset<'a>(file: &impl object::Object<'a>, address: u64) -> Option<u64> {
    file.segments().find_map(|segment| {
        let within = address.checked_sub(segment.address())?;
        let (start, size) = segment.file_range();
        (within < size).then(|| start.checked_add(within))?
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_no_library_has_no_functions() {
        assert_eq!(inspect(&std::env::current_exe().unwrap()).unwrap(), None);
        assert_eq!(inspect(Path::new("/proc/self/maps")).unwrap(), None);
        assert_eq!(inspect(Path::new("/dev/null")).unwrap(), None);
        assert!(inspect(Path::new("/nowhere")).is_err());
    }

    #[test]
    fn a_symbol_lies_where_its_segment_is_loaded_from() {
        // Of the files that every machine has, the C library exports functions too: the same rule, checked by its bytes.
        let Some(libcrypto) =
            ["/usr/lib/x86_64-linux-gnu/libcrypto.so.3", "/usr/lib/libcrypto.so.3", "/usr/lib64/libcrypto.so.3"]
                .iter()
                .find(|path| Path::new(path).exists())
        else {
            eprintln!("SKIP a_symbol_lies_where_its_segment_is_loaded_from: no OpenSSL 3 here");
            return;
        };
        let library = inspect(Path::new(libcrypto)).unwrap().unwrap();
        assert_eq!(library.kind, "OpenSSL 3");
        let programs: Vec<_> = library.points.iter().map(|point| point.program).collect();
        assert_eq!(programs, ["keys_digest", "keys_copy", "keys_derived", "keys_kdf"]);
        assert!(library.points.iter().all(|point| point.offset > 0));
    }
}
