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
        Shell::Kubectl => return kubectl(),
    };
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut cli::command(), "oc-netobserv", &mut script);
    write_stdout(&script)
}

/// The script that kubectl runs for `kubectl netobserv`; as `oc_complete-netobserv` the same for oc.
const KUBECTL: &str = "\
#!/bin/sh
# kubectl_complete-netobserv: put it beside kubectl-netobserv in the PATH. For oc, link it as oc_complete-netobserv.
exec kubectl-netobserv __complete \"$@\"
";

fn kubectl() -> Outcome {
    write_stdout(KUBECTL.as_bytes())
}
