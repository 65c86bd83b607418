//! The one kernel function (kfunc) that the programs can use: `bpf_cast_to_kern_ctx` (Linux 6.2, kernel/bpf/helpers.c).
//!
//! A kfunc is called by its number in the running kernel's BTF, which no object file can know. The object therefore holds a
//! call of a helper that does not exist, in code that is dead unless `NETNS_SOURCE` is 3, and user space replaces it in the
//! bytes of the object before loading. Owns the shape of that instruction, nothing else.

/// Helper number of the placeholder; far above those that exist.
pub const PLACEHOLDER: i32 = 0x6b66_0001;

/// Opcode of BPF_JMP | BPF_CALL (RFC 9669 section 4.3).
const CALL: u8 = 0x85;
/// `src_reg` 2 in the upper half of the second byte: BPF_PSEUDO_KFUNC_CALL.
const PSEUDO_KFUNC: u8 = 0x20;

/// Replaces every placeholder in the bytes of the object by a call of the kfunc with this BTF id (of vmlinux). Returns how
/// many there were.
pub fn patch(object: &mut [u8], btf_id: u32) -> usize {
    let placeholder = call(0, PLACEHOLDER as u32);
    let replacement = call(PSEUDO_KFUNC, btf_id);
    let mut patched = 0;
    let mut at = 0;
    while let Some(instruction) = object.get_mut(at..at + 8) {
        if instruction == placeholder {
            instruction.copy_from_slice(&replacement);
            patched += 1;
            at += 8;
        } else {
            at += 1;
        }
    }
    patched
}

/// A call instruction: opcode, registers, offset 0, immediate (little-endian object).
const fn call(registers: u8, immediate: u32) -> [u8; 8] {
    let [a, b, c, d] = immediate.to_le_bytes();
    [CALL, registers, 0, 0, a, b, c, d]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_placeholder_is_replaced() {
        let mut object = [call(0, 5), call(0, PLACEHOLDER as u32), call(0x10, PLACEHOLDER as u32)].concat();
        object.insert(0, 0x85);
        assert_eq!(patch(&mut object, 0x1234), 1);
        assert_eq!(object[9..17], [0x85, 0x20, 0, 0, 0x34, 0x12, 0, 0]);
        assert_eq!(object[1..9], call(0, 5));
        assert_eq!(object[17..], call(0x10, PLACEHOLDER as u32));
        assert_eq!(patch(&mut object, 1), 0, "nothing is left to replace");
    }
}
