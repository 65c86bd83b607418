//! Taking everything out of a hash map that no program writes to any more; reading one that programs go on writing to.

use std::{
    io,
    os::fd::{AsRawFd as _, BorrowedFd},
};

use super::{Attributes, Pod, bpf};

const LOOKUP: i32 = 1;
const DELETE: i32 = 3;
const GET_NEXT_KEY: i32 = 4;
const LOOKUP_BATCH: i32 = 24;
const LOOKUP_AND_DELETE_BATCH: i32 = 25;
/// `ENOTSUPP` of the kernel, which libc does not name.
const ENOTSUPP: i32 = 524;

#[repr(C)]
#[derive(Clone, Copy, Default)]
struct BatchAttributes {
    in_batch: u64,
    out_batch: u64,
    keys: u64,
    values: u64,
    count: u32,
    map_fd: u32,
    elem_flags: u64,
    flags: u64,
}
// SAFETY: integers without padding; the pointers are set in `Drain::batch` to buffers of the size that is passed.
unsafe impl Attributes for BatchAttributes {}

#[repr(C)]
#[derive(Clone, Copy, Default)]
struct ElementAttributes {
    map_fd: u32,
    pad: u32,
    key: u64,
    value: u64,
    flags: u64,
}
// SAFETY: integers without padding; the pointers are set in `Drain::one` to a key and a value.
unsafe impl Attributes for ElementAttributes {}

/// Buffers for draining maps with keys `K` and values `V`; kept between drains.
#[derive(Debug)]
pub(crate) struct Drain<K, V> {
    keys: Vec<K>,
    values: Vec<V>,
    by_key: bool,
}

impl<K: Pod, V: Pod> Drain<K, V> {
    /// Entries taken with one system call, to begin with; grows when a bucket of the map does not fit.
    const ENTRIES: usize = 4096;

    pub(crate) fn new() -> Self {
        const { assert!(size_of::<V>().is_multiple_of(8), "the kernel rounds values up to 8 bytes") };
        Self { keys: vec![K::zeroed(); Self::ENTRIES], values: vec![V::zeroed(); Self::ENTRIES], by_key: false }
    }

    /// Takes out every entry and hands it to `each`; how many there were.
    pub(crate) fn all(&mut self, map: BorrowedFd<'_>, mut each: impl FnMut(&K, &V)) -> io::Result<usize> {
        if !self.by_key {
            match self.by_batches(LOOKUP_AND_DELETE_BATCH, map, &mut each) {
                // The kernel has no batches for this kind of map: one by one, then, and from now on.
                Err(error) if matches!(error.raw_os_error(), Some(libc::EINVAL | ENOTSUPP)) => self.by_key = true,
                result => return result,
            }
        }
        one_by_one(map, &mut each)
    }

    /// Hands every entry to `each` and leaves it where it is, while programs add, change and remove entries. One that is there all
    /// the time is handed over; a value may be half of before and half of after a change, 8 bytes at a time.
    pub(crate) fn look(&mut self, map: BorrowedFd<'_>, mut each: impl FnMut(&K, &V)) -> io::Result<usize> {
        self.by_batches(LOOKUP_BATCH, map, &mut each)
    }

    fn by_batches(&mut self, command: i32, map: BorrowedFd<'_>, each: &mut impl FnMut(&K, &V)) -> io::Result<usize> {
        let mut cursor = [0u64; 2];
        let mut first = true;
        let mut total = 0;
        loop {
            let (count, result) = self.batch(command, map, &mut cursor, first);
            let count = count.min(self.keys.len());
            match result {
                Err(error) if error.raw_os_error() == Some(libc::ENOSPC) => {
                    self.grow();
                    continue;
                }
                Err(error) if error.raw_os_error() != Some(libc::ENOENT) => return Err(error),
                _ => {}
            }
            self.keys[..count].iter().zip(&self.values[..count]).for_each(|(key, value)| each(key, value));
            total += count;
            if result.is_err() {
                return Ok(total);
            }
            first = false;
        }
    }

    /// One system call; an error of ENOENT means that these were the last.
    fn batch(
        &mut self,
        command: i32,
        map: BorrowedFd<'_>,
        cursor: &mut [u64; 2],
        first: bool,
    ) -> (usize, io::Result<i32>) {
        let cursor = cursor.as_mut_ptr() as u64;
        let mut attributes = BatchAttributes {
            in_batch: if first { 0 } else { cursor },
            out_batch: cursor,
            keys: self.keys.as_mut_ptr() as u64,
            values: self.values.as_mut_ptr() as u64,
            count: self.keys.len() as u32,
            map_fd: map.as_raw_fd() as u32,
            ..BatchAttributes::default()
        };
        let result = bpf(command, &mut attributes);
        (attributes.count as usize, result)
    }

    fn grow(&mut self) {
        let entries = self.keys.len() * 2;
        self.keys.resize(entries, K::zeroed());
        self.values.resize(entries, V::zeroed());
    }
}

/// What `Drain::all` falls back to.
fn one_by_one<K: Pod, V: Pod>(map: BorrowedFd<'_>, each: &mut impl FnMut(&K, &V)) -> io::Result<usize> {
    let mut total = 0;
    let mut key = K::zeroed();
    let mut value = V::zeroed();
    // Every found key is deleted at once, so the first key is always the next one.
    while element(GET_NEXT_KEY, map, None::<&mut K>, Some(&mut key))? {
        if element(LOOKUP, map, Some(&mut key), Some(&mut value))? {
            each(&key, &value);
            total += 1;
        }
        element(DELETE, map, Some(&mut key), None::<&mut V>)?;
    }
    Ok(total)
}

/// Removes one entry; false when there was none.
pub(crate) fn remove<K: Pod>(map: BorrowedFd<'_>, mut key: K) -> io::Result<bool> {
    element(DELETE, map, Some(&mut key), None::<&mut K>)
}

/// A command on one element; false when there is none.
fn element<K: Pod, T: Pod>(
    command: i32,
    map: BorrowedFd<'_>,
    key: Option<&mut K>,
    to: Option<&mut T>,
) -> io::Result<bool> {
    let mut attributes = ElementAttributes {
        map_fd: map.as_raw_fd() as u32,
        key: key.map_or(0, |key| std::ptr::from_mut(key) as u64),
        value: to.map_or(0, |to| std::ptr::from_mut(to) as u64),
        ..ElementAttributes::default()
    };
    match bpf(command, &mut attributes) {
        Ok(_) => Ok(true),
        Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::{
        os::fd::{AsFd as _, FromRawFd as _, OwnedFd},
        time::Instant,
    };

    use super::{
        super::grace::{CreateAttributes, can_create_maps},
        *,
    };

    const HASH: u32 = 1;
    const NO_PREALLOC: u32 = 1;
    const UPDATE: i32 = 2;

    /// A hash map from numbers to eight times that number.
    fn map(entries: u64) -> OwnedFd {
        let mut attributes = CreateAttributes {
            map_type: HASH,
            key_size: 8,
            value_size: 64,
            max_entries: entries as u32,
            map_flags: NO_PREALLOC,
            inner_map_fd: 0,
        };
        let fd = bpf(0, &mut attributes).unwrap();
        // SAFETY: the kernel just made this descriptor for us.
        let map = unsafe { OwnedFd::from_raw_fd(fd) };
        for mut key in 0..entries {
            let mut value = Value([key; 8]);
            assert!(element(UPDATE, map.as_fd(), Some(&mut key), Some(&mut value)).unwrap());
        }
        map
    }

    #[derive(Clone, Copy)]
    #[repr(transparent)]
    struct Value([u64; 8]);
    // SAFETY: integers.
    unsafe impl Pod for Value {}

    #[test]
    fn kernel_a_map_is_emptied_by_batches_and_by_keys() {
        if can_create_maps().is_err() {
            eprintln!("SKIP kernel_a_map_is_emptied_by_batches_and_by_keys: needs root");
            return;
        }
        for by_key in [false, true] {
            let map = map(50_000);
            let mut drain = Drain::<u64, Value>::new();
            drain.by_key = by_key;
            let mut keys = Vec::new();
            let begun = Instant::now();
            let count = drain.all(map.as_fd(), |key, value| {
                assert_eq!(value.0, [*key; 8]);
                keys.push(*key);
            });
            println!("50000 entries in {:?}, by key: {by_key}", begun.elapsed());
            keys.sort_unstable();
            assert!(count.unwrap() == 50_000 && keys.into_iter().eq(0..50_000));
            assert_eq!(drain.all(map.as_fd(), |_, _| {}).unwrap(), 0);
        }
    }

    #[test]
    fn kernel_a_map_is_read_and_keeps_its_entries() {
        if can_create_maps().is_err() {
            eprintln!("SKIP kernel_a_map_is_read_and_keeps_its_entries: needs root");
            return;
        }
        let map = map(5_000);
        let mut drain = Drain::<u64, Value>::new();
        assert!(remove(map.as_fd(), 7u64).unwrap() && !remove(map.as_fd(), 7u64).unwrap());
        for _ in 0..2 {
            let mut keys = Vec::new();
            assert_eq!(drain.look(map.as_fd(), |key, _| keys.push(*key)).unwrap(), 4_999);
            keys.sort_unstable();
            assert!(keys.into_iter().eq((0..5_000).filter(|key| *key != 7)));
        }
    }

    #[test]
    fn kernel_buffers_grow_when_a_bucket_does_not_fit() {
        if can_create_maps().is_err() {
            eprintln!("SKIP kernel_buffers_grow_when_a_bucket_does_not_fit: needs root");
            return;
        }
        let map = map(10_000);
        let mut drain = Drain::<u64, Value>::new();
        drain.keys.truncate(1);
        drain.values.truncate(1);
        assert_eq!(drain.all(map.as_fd(), |_, _| {}).unwrap(), 10_000);
        assert!(drain.keys.len() > 1 && !drain.by_key);
    }
}
