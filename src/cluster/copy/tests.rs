use std::{
    fs,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
};

use super::*;
use crate::{
    cluster::exec::fake::{End, Played, target},
    pod::files,
};

/// A pod with a file of noise and one of text.
fn there() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("flow")).unwrap();
    let mut state = 1_u32;
    let mut noise = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    fs::write(dir.path().join("flow/a.db"), (0..500_000).map(|_| noise()).collect::<Vec<u8>>()).unwrap();
    fs::write(dir.path().join("flow/a.json"), "[]\n".repeat(100_000)).unwrap();
    dir
}

/// What `pod files` and `pod read` do there; the first `cuts` readings break after 200,000 bytes.
async fn source(dir: &Path, cuts: u32) -> (Source, Arc<Mutex<Vec<String>>>) {
    let dir = dir.to_owned();
    let left = AtomicU32::new(cuts);
    let asked = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&asked);
    let target = target(move |words, _| {
        log.lock().unwrap().push(words.join(" "));
        let mut stdout = Vec::new();
        if words[1] == "files" {
            serde_json::to_writer(&mut stdout, &files::list(&dir).unwrap()).unwrap();
            return Played { stdout, end: End::Code(0) };
        }
        files::read(&dir, &words[2], words[4].parse().unwrap(), true, &mut stdout).unwrap();
        let is_cut = stdout.len() > 200_000 && left.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1)).is_ok();
        if is_cut {
            stdout.truncate(200_000);
        }
        let end = if is_cut { End::Cut } else { End::Code(0) };
        Played { stdout, end }
    })
    .await;
    (Source { target, command: vec!["pod".into()], options: Vec::new() }, asked)
}

fn same(there: &Path, here: &Path, name: &str) {
    assert!(fs::read(there.join(name)).unwrap() == fs::read(here.join(name)).unwrap(), "{name}");
}

#[tokio::test]
async fn files_come_home_whole_over_a_connection_that_breaks() {
    let (there, here) = (there(), tempfile::tempdir().unwrap());
    let (source, asked) = source(there.path(), 2).await;
    let copied = copy(&source, here.path()).await.unwrap();
    assert!(copied.is_all() && copied.files.len() == 2);
    same(there.path(), here.path(), "flow/a.db");
    same(there.path(), here.path(), "flow/a.json");
    assert_eq!(fs::read_dir(here.path().join("flow")).unwrap().count(), 2, "no .part is left");
    let asked = asked.lock().unwrap();
    let from: Vec<u64> = asked[1..4].iter().map(|words| words.split(' ').nth(4).unwrap().parse().unwrap()).collect();
    assert!(from[0] == 0 && from[0] < from[1] && from[1] < from[2], "resumed, not begun again: {from:?}");
}

#[tokio::test]
async fn what_is_here_is_not_asked_for_again() {
    let (there, here) = (there(), tempfile::tempdir().unwrap());
    let (source, asked) = source(there.path(), 0).await;
    copy(&source, here.path()).await.unwrap();
    let again = copy(&source, here.path()).await.unwrap();
    assert!(again.files.iter().all(|file| file.was_here) && again.travelled == 0);
    assert_eq!(asked.lock().unwrap().len(), 4);
}

#[tokio::test]
async fn the_rest_of_another_file_is_not_built_upon() {
    let (there, here) = (there(), tempfile::tempdir().unwrap());
    fs::create_dir(here.path().join("flow")).unwrap();
    fs::write(here.path().join("flow/a.db.part"), [0; 1000]).unwrap();
    let (source, _) = source(there.path(), 0).await;
    copy(&source, here.path()).await.unwrap();
    same(there.path(), here.path(), "flow/a.db");
}

#[tokio::test]
async fn a_file_that_is_not_what_was_announced_does_not_get_its_name() {
    let here = tempfile::tempdir().unwrap();
    let played = |listing: &'static str, bytes: &'static [u8]| {
        move |words: &[String], _: &[u8]| {
            let mut deflated = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
            std::io::Write::write_all(&mut deflated, bytes).unwrap();
            let stdout = if words[1] == "files" { listing.into() } else { deflated.finish().unwrap() };
            Played { stdout, end: End::Code(0) }
        }
    };
    let wrong = r#"{"files":[{"path":"a.db","size":3,"sha256":"00"}]}"#;
    for (bytes, expected) in [(&b"abc"[..], "SHA-256"), (b"ab", "2 bytes came"), (b"abcd", "more bytes came")] {
        let source =
            Source { target: target(played(wrong, bytes)).await, command: vec!["pod".into()], options: vec![] };
        let error = copy(&source, here.path()).await.unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
        assert!(!here.path().join("a.db").exists());
        let _ = fs::remove_file(here.path().join("a.db.part"));
    }
    let outside = r#"{"files":[{"path":"../a.db","size":3,"sha256":"00"}]}"#;
    let source = Source { target: target(played(outside, b"")).await, command: vec!["pod".into()], options: vec![] };
    assert!(matches!(copy(&source, here.path()).await, Err(CopyError::Name(_))));
}

#[tokio::test]
async fn what_is_still_written_stays_there_and_is_named() {
    let (there, here) = (there(), tempfile::tempdir().unwrap());
    let writer = fs::File::options().append(true).open(there.path().join("flow/a.db")).unwrap();
    writer.lock().unwrap();
    let (source, _) = source(there.path(), 0).await;
    let copied = copy(&source, here.path()).await.unwrap();
    assert_eq!((copied.is_all(), copied.open, copied.files.len()), (false, vec!["flow/a.db".to_owned()], 1));
}
