//! Offsets of members of kernel structures, from the type information that the kernel gives of itself
//! (Documentation/bpf/btf.rst). Every access is bounds-checked: whatever the bytes, nothing panics.

/// Type information in memory.
#[derive(Debug)]
pub(crate) struct Btf {
    data: Vec<u8>,
    /// Where each type stands; the id is the index.
    types: Vec<u32>,
    strings: usize,
}

const MAGIC: u16 = 0xeb9f;
/// Anonymous members nest; a chain longer than this is no kernel's.
const DEEPEST: u32 = 16;

mod kind {
    pub(super) const INT: u32 = 1;
    pub(super) const ARRAY: u32 = 3;
    pub(super) const STRUCT: u32 = 4;
    pub(super) const UNION: u32 = 5;
    pub(super) const ENUM: u32 = 6;
    pub(super) const TYPEDEF: u32 = 8;
    pub(super) const VOLATILE: u32 = 9;
    pub(super) const CONST: u32 = 10;
    pub(super) const RESTRICT: u32 = 11;
    pub(super) const FUNC: u32 = 12;
    pub(super) const FUNC_PROTO: u32 = 13;
    pub(super) const VAR: u32 = 14;
    pub(super) const DATASEC: u32 = 15;
    pub(super) const DECL_TAG: u32 = 17;
    pub(super) const TYPE_TAG: u32 = 18;
    pub(super) const ENUM64: u32 = 19;
}

impl Btf {
    /// Of the running kernel.
    pub(crate) fn of_kernel() -> Option<Self> {
        Self::parse(std::fs::read("/sys/kernel/btf/vmlinux").ok()?)
    }

    /// Reads the table of types; `None` when it is none, or in the other byte order.
    pub(crate) fn parse(data: Vec<u8>) -> Option<Self> {
        if word16(&data, 0)? != MAGIC {
            return None;
        }
        let header = word(&data, 4)? as usize;
        let start = header.checked_add(word(&data, 8)? as usize)?;
        let end = start.checked_add(word(&data, 12)? as usize)?;
        let strings = header.checked_add(word(&data, 16)? as usize)?;
        let types = type_positions(&data, start, end)?;
        Some(Self { data, types, strings })
    }

    /// Offset in bytes of a member given by its path, for example `("net_device", "nd_net.net")`.
    pub(crate) fn offset(&self, structure: &str, path: &str) -> Option<u32> {
        (1..self.types.len() as u32)
            .filter(|id| self.kind(*id) == Some(kind::STRUCT) && self.name_is(*id, structure))
            .find_map(|id| self.offset_in(id, path))
    }

    /// The id of a function, by which programs call those that the kernel lets them call (kfuncs).
    pub(crate) fn function(&self, name: &str) -> Option<u32> {
        (1..self.types.len() as u32).find(|id| self.kind(*id) == Some(kind::FUNC) && self.name_is(*id, name))
    }

    /// How many arguments a tracepoint has (`typedef void (*btf_trace_<name>)(void *, ...)`).
    pub(crate) fn arguments(&self, tracepoint: &str) -> Option<u32> {
        let name = format!("btf_trace_{tracepoint}");
        let mut ids = 1..self.types.len() as u32;
        let id = ids.find(|id| self.kind(*id) == Some(kind::TYPEDEF) && self.name_is(*id, &name))?;
        let pointer = self.target(id)?;
        let function = self.target(pointer).filter(|id| self.kind(*id) == Some(kind::FUNC_PROTO))?;
        // The first one is the kernel's own.
        (word(&self.data, *self.types.get(function as usize)? as usize + 4)? & 0xffff).checked_sub(1)
    }

    /// Names and values of an enumeration. Types of a module are described on top of those of its kernel, which is `base`.
    pub(crate) fn enumeration(&self, name: &str, base: Option<&Self>) -> Option<Vec<(String, u32)>> {
        let mut positions = self.types.iter().skip(1).map(|at| *at as usize);
        let is_it = |at: &usize| {
            let kind = word(&self.data, *at + 4).map(|info| (info >> 24) & 0x1f);
            kind == Some(kind::ENUM)
                && word(&self.data, *at).and_then(|name| self.text(name, base)) == Some(name.as_bytes())
        };
        let at = positions.find(is_it)?;
        let count = (word(&self.data, at + 4)? & 0xffff) as usize;
        let value = |index| {
            let entry = at + 12 + 8 * index;
            let name = self.text(word(&self.data, entry)?, base)?;
            Some((String::from_utf8_lossy(name).into_owned(), word(&self.data, entry + 4)?))
        };
        (0..count).map(value).collect()
    }

    /// What a pointer or typedef stands for.
    fn target(&self, id: u32) -> Option<u32> {
        word(&self.data, *self.types.get(id as usize)? as usize + 8)
    }

    /// A string of a module: positions go on from those of its kernel.
    fn text<'a>(&'a self, at: u32, base: Option<&'a Self>) -> Option<&'a [u8]> {
        match base {
            None => self.string(at),
            Some(base) if at < base.strings_len() => base.string(at),
            Some(base) => self.string(at - base.strings_len()),
        }
    }

    /// Bytes of the table of strings.
    fn strings_len(&self) -> u32 {
        word(&self.data, 20).unwrap_or(0)
    }

    fn offset_in(&self, mut id: u32, path: &str) -> Option<u32> {
        let mut bits = 0u32;
        for name in path.split('.') {
            let (offset, member) = self.member(self.without_modifiers(id)?, name, 0)?;
            bits = bits.checked_add(offset)?;
            id = member;
        }
        Some(bits / 8)
    }

    /// Offset in bits and type of a member, also of those in anonymous structures and unions.
    fn member(&self, id: u32, name: &str, depth: u32) -> Option<(u32, u32)> {
        let at = *self.types.get(id as usize)? as usize;
        let info = word(&self.data, at + 4)?;
        if depth > DEEPEST || !matches!(self.kind(id)?, kind::STRUCT | kind::UNION) {
            return None;
        }
        // With the flag set the upper eight bits are the size of a bit field.
        let mask = if info >> 31 == 1 { 0x00ff_ffff } else { u32::MAX };
        for index in 0..(info & 0xffff) as usize {
            let entry = at + 12 + 12 * index;
            let (member, offset) = (word(&self.data, entry + 4)?, word(&self.data, entry + 8)? & mask);
            let member_name = self.string(word(&self.data, entry)?)?;
            if member_name == name.as_bytes() {
                return Some((offset, member));
            }
            if member_name.is_empty()
                && let Some((inner, found)) =
                    self.without_modifiers(member).and_then(|inner| self.member(inner, name, depth + 1))
            {
                return Some((offset.checked_add(inner)?, found));
            }
        }
        None
    }

    fn kind(&self, id: u32) -> Option<u32> {
        Some((word(&self.data, *self.types.get(id as usize)? as usize + 4)? >> 24) & 0x1f)
    }

    fn name_is(&self, id: u32, name: &str) -> bool {
        let at = self.types.get(id as usize).and_then(|at| word(&self.data, *at as usize));
        at.and_then(|at| self.string(at)) == Some(name.as_bytes())
    }

    fn string(&self, at: u32) -> Option<&[u8]> {
        let rest = self.data.get(self.strings.checked_add(at as usize)?..)?;
        rest.split(|byte| *byte == 0).next()
    }

    fn without_modifiers(&self, mut id: u32) -> Option<u32> {
        for _ in 0..DEEPEST {
            match self.kind(id)? {
                kind::TYPEDEF | kind::VOLATILE | kind::CONST | kind::RESTRICT | kind::TYPE_TAG => {
                    id = word(&self.data, *self.types.get(id as usize)? as usize + 8)?;
                }
                _ => return Some(id),
            }
        }
        None
    }
}

fn type_positions(data: &[u8], start: usize, end: usize) -> Option<Vec<u32>> {
    // Type 0 is void: it stands nowhere, and no member lookup succeeds in it.
    let mut types = vec![u32::MAX];
    let mut at = start;
    while at < end {
        let info = word(data, at + 4)?;
        let entries = (info & 0xffff) as usize;
        types.push(at as u32);
        at += 12
            + match (info >> 24) & 0x1f {
                kind::INT | kind::VAR | kind::DECL_TAG => 4,
                kind::ARRAY => 12,
                kind::STRUCT | kind::UNION | kind::DATASEC | kind::ENUM64 => 12 * entries,
                kind::ENUM | kind::FUNC_PROTO => 8 * entries,
                _ => 0,
            };
    }
    Some(types)
}

fn word(data: &[u8], at: usize) -> Option<u32> {
    data.get(at..at.checked_add(4)?)?.try_into().ok().map(u32::from_ne_bytes)
}

fn word16(data: &[u8], at: usize) -> Option<u16> {
    data.get(at..at + 2)?.try_into().ok().map(u16::from_ne_bytes)
}

/// Type information for tests, put together word by word.
#[cfg(test)]
pub(crate) mod made {
    use super::{Btf, MAGIC, kind};

    /// One enumeration.
    pub(crate) fn enumeration(name: &str, values: &[(&str, u32)]) -> Vec<u8> {
        described(name, values, 0)
    }

    /// One enumeration of a module of `kernel`.
    pub(crate) fn module(kernel: &Btf, name: &str, values: &[(&str, u32)]) -> Vec<u8> {
        described(name, values, kernel.strings_len())
    }

    fn described(name: &str, values: &[(&str, u32)], from: u32) -> Vec<u8> {
        let mut strings = b"\0".to_vec();
        let mut place = |text: &str| {
            let at = from + strings.len() as u32;
            strings.extend(text.bytes().chain([0]));
            at
        };
        let mut types = vec![place(name), kind::ENUM << 24 | values.len() as u32, 4];
        types.extend(values.iter().flat_map(|(name, value)| [place(name), *value]));
        let size = types.len() as u32 * 4;
        let head = [u32::from(MAGIC) | 1 << 16, 24, 0, size, size, strings.len() as u32];
        head.iter().chain(&types).flat_map(|word| word.to_ne_bytes()).chain(strings.iter().copied()).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// `struct outer { u32 pad; struct { volatile struct inner in; }; }; struct inner { u32 a; u32 b; }`
    fn sample() -> Vec<u8> {
        let strings = b"\0outer\0in\0inner\0b\0";
        let types: Vec<u32> = [
            [1, (kind::STRUCT << 24) | 1, 12, 0, 2, 32].as_slice(), // 1: outer, anonymous member at bit 32
            &[0, (kind::STRUCT << 24) | 1, 8, 7, 3, 0],             // 2: anonymous, `in` at bit 0
            &[0, kind::VOLATILE << 24, 4],                          // 3
            &[10, (kind::STRUCT << 24) | 1, 8, 16, 0, 32],          // 4: inner, `b` at bit 32
        ]
        .concat();
        let head =
            [u32::from(MAGIC) | 1 << 16, 24, 0, types.len() as u32 * 4, types.len() as u32 * 4, strings.len() as u32];
        let words = head.iter().chain(&types).flat_map(|word| word.to_ne_bytes());
        words.chain(strings.iter().copied()).collect()
    }

    #[test]
    fn members_are_found_through_anonymous_structures_and_modifiers() {
        let btf = Btf::parse(sample()).unwrap();
        assert_eq!(btf.offset("outer", "in.b"), Some(8));
        assert_eq!(btf.offset("outer", "in"), Some(4));
        assert_eq!(btf.offset("outer", "b"), None);
        assert_eq!(btf.offset("none", "b"), None);
    }

    #[test]
    fn the_running_kernel_tells_where_its_members_are() {
        let Some(btf) = Btf::of_kernel() else {
            eprintln!("SKIP the_running_kernel_tells_where_its_members_are: no /sys/kernel/btf/vmlinux");
            return;
        };
        assert_eq!(btf.offset("list_head", "prev"), Some(8));
        assert!(btf.offset("sk_buff", "dev").is_some_and(|offset| offset > 0));
        assert!(btf.offset("net_device", "nd_net.net").is_some_and(|offset| offset > 0));
        assert!(btf.offset("net", "net_cookie").is_some_and(|offset| offset > 0));
        assert!(btf.arguments("kfree_skb").is_some_and(|count| (2..=4).contains(&count)));
        assert_eq!(btf.arguments("no_such_tracepoint"), None);
    }

    proptest! {
        #[test]
        fn damaged_bytes_never_panic(at in 0usize..200, byte: u8, cut in 0usize..200) {
            let mut data = sample();
            let length = data.len();
            data[at % length] = byte;
            data.truncate(length - cut % length);
            if let Some(btf) = Btf::parse(data) {
                btf.offset("outer", "in.b");
                btf.offset("inner", "b");
                btf.function("in");
                btf.enumeration("outer", None);
                btf.arguments("outer");
            }
        }
    }
}
