//! Files of a capture that are not wanted: the question, and the removal.

use std::{
    fs,
    io::{Write as _, stderr, stdin},
    path::Path,
};

use collector::Summary;

use crate::report;

/// `Save the capture?` until the answer is one; no answer at all keeps it.
pub(crate) fn ask() -> bool {
    loop {
        let _ = write!(stderr(), "Save the capture? [yes/no] ").and_then(|()| stderr().flush());
        let mut line = String::new();
        match stdin().read_line(&mut line) {
            Ok(0) | Err(_) => {
                report::plain("");
                return true;
            }
            Ok(_) => {}
        }
        if let Some(keep) = answer(&line) {
            return keep;
        }
    }
}

fn answer(line: &str) -> Option<bool> {
    match line.trim().to_ascii_lowercase().as_str() {
        "y" | "yes" => Some(true),
        "n" | "no" => Some(false),
        _ => None,
    }
}

/// Removes the files of this capture, and the directories they were in if those are empty now.
pub(crate) fn remove(summary: &Summary, output_dir: Option<&Path>) {
    let paths = summary.files.iter().map(|file| file.path.as_path()).chain(summary.path.as_deref());
    for path in paths {
        // What cannot be removed stays; a directory that is not empty is not ours to remove.
        let _ = fs::remove_file(path);
        let _ = path.parent().map(fs::remove_dir);
    }
    let _ = output_dir.map(fs::remove_dir);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_yes_or_no() {
        assert_eq!(
            (answer(" Yes\n"), answer("y"), answer("NO"), answer("n\n")),
            (Some(true), Some(true), Some(false), Some(false))
        );
        assert_eq!((answer("\n"), answer("perhaps")), (None, None));
    }
}
