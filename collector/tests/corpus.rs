//! What fuzzing has found worth keeping (`fuzz/corpus/file`): each file is read, converted, anonymised and aggregated. None may
//! panic, and none takes more memory than its size allows for.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    fs,
    path::Path,
    sync::atomic::{AtomicUsize, Ordering},
};

/// Counts what is allocated.
struct Counting;

static NOW: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

// SAFETY: all calls go to the system's allocator as they come; counting touches no memory of theirs.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let now = NOW.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        PEAK.fetch_max(now, Ordering::Relaxed);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        NOW.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Buffers of readers and writers, which do not depend on what is in a file.
const BUFFERS: usize = 64 << 20;

#[test]
fn the_corpus_is_survived_in_bounded_memory() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus/file");
    let out = tempfile::tempfile().unwrap();
    let mut count = 0;
    for entry in fs::read_dir(&directory).unwrap() {
        let path = entry.unwrap().path();
        let bytes = fs::read(&path).unwrap();
        out.set_len(0).unwrap();
        PEAK.store(NOW.load(Ordering::Relaxed), Ordering::Relaxed);
        let before = NOW.load(Ordering::Relaxed);
        collector::open::fuzz(&bytes);
        collector::convert::fuzz(&bytes, &out);
        let peak = PEAK.load(Ordering::Relaxed) - before;
        assert!(peak < BUFFERS + 200 * bytes.len(), "{}: {peak} bytes for {}", path.display(), bytes.len());
        count += 1;
    }
    assert!(count >= 20, "only {count} files in {}", directory.display());
}
