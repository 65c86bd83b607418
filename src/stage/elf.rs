//! Whether a file runs on a node in any image: an ELF executable for Linux on that processor, without a dynamic linker.
//! Reads as much of the header as that takes (ELF-64, System V ABI chapter 4 and 5).

/// `e_machine` of a supported processor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Machine(u16);

impl Machine {
    /// By its name in Kubernetes.
    pub(super) fn of(architecture: &str) -> Option<Self> {
        match architecture {
            "amd64" => Some(Self(62)),
            "arm64" => Some(Self(183)),
            _ => None,
        }
    }
}

/// Asks for a dynamic linker.
const PT_INTERP: u32 = 3;

/// Says what is wrong with it.
pub(super) fn check(file: &[u8], machine: Machine) -> Result<(), &'static str> {
    // Magic, 64 bits, little-endian.
    if !file.starts_with(b"\x7fELF\x02\x01") {
        return Err("it is no Linux executable");
    }
    if number(file, 18, 2) != Some(u64::from(machine.0)) {
        return Err("it is for another processor");
    }
    match is_dynamic(file) {
        Some(false) => Ok(()),
        Some(true) => Err("it needs shared libraries, which the images there do not have; link it statically"),
        None => Err("it is cut off"),
    }
}

fn is_dynamic(file: &[u8]) -> Option<bool> {
    let (table, size, count) = (number(file, 32, 8)?, number(file, 54, 2)?, number(file, 56, 2)?);
    for index in 0..count {
        let at = usize::try_from(table.checked_add(index * size)?).ok()?;
        if number(file, at, 4)? == u64::from(PT_INTERP) {
            return Some(true);
        }
    }
    Some(false)
}

/// A little-endian number of that many bytes.
fn number(file: &[u8], at: usize, bytes: usize) -> Option<u64> {
    let bytes = file.get(at..at.checked_add(bytes)?)?;
    Some(bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(machine: u16, program_type: u32) -> Vec<u8> {
        let mut file = vec![0; 64 + 56];
        file[..6].copy_from_slice(b"\x7fELF\x02\x01");
        file[18..20].copy_from_slice(&machine.to_le_bytes());
        file[32] = 64;
        file[54] = 56;
        file[56] = 1;
        file[64..68].copy_from_slice(&program_type.to_le_bytes());
        file
    }

    #[test]
    fn only_static_executables_of_the_machine_pass() {
        let amd64 = Machine::of("amd64").unwrap();
        assert_eq!(check(&header(62, 1), amd64), Ok(()));
        assert_eq!(check(&header(183, 1), amd64), Err("it is for another processor"));
        assert!(check(&header(62, PT_INTERP), amd64).unwrap_err().contains("statically"));
        assert_eq!(check(&header(62, 1)[..64], amd64), Err("it is cut off"));
        assert_eq!(check(b"MZ\x90", amd64), Err("it is no Linux executable"));
    }
}
