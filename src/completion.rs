//! `completion SHELL`.

use crate::{
    cli::{self, Shell},
    error::Outcome,
    version::write_stdout,
};

/// Writes what makes the shell complete our commands and options.
pub(crate) fn print(shell: Shell) -> Outcome {
    let shell = match shell {
        Shell::Bash => clap_complete::Shell::Bash,
        Shell::Zsh => clap_complete::Shell::Zsh,
        Shell::Fish => clap_complete::Shell::Fish,
    };
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut cli::command(), "oc-netobserv", &mut script);
    write_stdout(&script)
}
