//! `completion SHELL`, and what kubectl and oc ask for when somebody presses Tab after `kubectl netobserv`.
//!
//! kubectl runs `kubectl_complete-netobserv` from the PATH with the words typed so far, of which the last may be empty, and
//! reads one candidate a line and a last line `:N`, cobra's directive to the shell.

use std::fmt::Write as _;

use crate::{
    cli::{self, Shell},
    error::Outcome,
    version::write_stdout,
};

mod live;
mod words;

use words::{Candidate, Wanted};

/// Writes what makes the shell complete our commands and options.
pub(crate) fn print(shell: Shell) -> Outcome {
    let shell = match shell {
        Shell::Bash => clap_complete::Shell::Bash,
        Shell::Zsh => clap_complete::Shell::Zsh,
        Shell::Fish => clap_complete::Shell::Fish,
        Shell::Kubectl => return write_stdout(KUBECTL.as_bytes()),
    };
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut cli::command(), "oc-netobserv", &mut script);
    write_stdout(&script)
}

/// The script of the name that kubectl looks for; as `oc_complete-netobserv` the same for oc. A link of either name to the
/// executable does as well.
const KUBECTL: &str = "\
#!/bin/sh
# kubectl_complete-netobserv: belongs into the PATH beside kubectl-netobserv; oc looks for oc_complete-netobserv.
exec kubectl-netobserv __complete \"$@\"
";

/// The words to complete, if that is what this process was started for: by its name, or by the word `__complete`.
pub(crate) fn asked(words: &[String]) -> Option<&[String]> {
    let (program, rest) = words.split_first()?;
    let name = program.rsplit(['/', '\\']).next().unwrap_or(program);
    if name.starts_with("kubectl_complete-") || name.starts_with("oc_complete-") {
        return Some(rest);
    }
    rest.split_first().filter(|(word, _)| *word == "__complete").map(|(_, typed)| typed)
}

/// No completion of file names.
const NO_FILES: u8 = 4;
/// Neither that nor a space after the candidate, because it has no value yet.
const NO_SPACE: u8 = 2;
/// Whatever the shell does by itself: file names.
const FILES: u8 = 0;

/// Answers with candidates and directive. Never fails: a shell that completes has nowhere to show an error.
pub(crate) fn answer(typed: &[String]) -> Outcome {
    let (candidates, directive) = match words::wanted(typed) {
        Wanted::Files => (Vec::new(), FILES),
        Wanted::Words(candidates) => {
            let is_open = !candidates.is_empty() && candidates.iter().all(|candidate| candidate.word.ends_with('='));
            (candidates, if is_open { NO_FILES | NO_SPACE } else { NO_FILES })
        }
        Wanted::Live { kind, prefix, before } => (live::candidates(kind, typed, &prefix, &before), NO_FILES),
    };
    write_stdout(text(&candidates, directive).as_bytes())
}

fn text(candidates: &[Candidate], directive: u8) -> String {
    let mut text = String::new();
    for Candidate { word, help } in candidates {
        let _ = if help.is_empty() { writeln!(text, "{word}") } else { writeln!(text, "{word}\t{help}") };
    }
    let _ = writeln!(text, ":{directive}");
    text
}

#[cfg(test)]
mod tests;
