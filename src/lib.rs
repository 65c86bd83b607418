//! `oc-netobserv`: the command line, local mode, messages and exit codes.
//!
//! [`main`] is the whole program: words are put into one form ([`argv`]), parsed ([`cli`]), resolved into a [`plan`]
//! that nothing has been touched for, then run ([`local`], [`view`]). Must not know kernel details or widgets.

pub mod argv;
mod capture;
pub mod cli;
mod cluster;
mod completion;
mod convert;
pub mod error;
mod extcap;
mod keylog;
mod local;
mod log;
pub mod marks;
pub mod plan;
pub mod pod;
pub mod report;
pub mod stage;
pub mod surroundings;
mod version;
mod view;
mod wireshark;

use std::{
    ffi::OsString,
    io::{ErrorKind, Write as _, stdout},
    process::ExitCode,
};

use clap::{ArgMatches, FromArgMatches as _};
use flow::config::Mode;

use crate::{
    cli::{Cli, Command},
    error::{Error, Outcome, exit},
    report::{ColourChoice, Report},
};

/// What every command is given besides its arguments.
#[derive(Clone, Debug)]
struct Context {
    /// Where messages go.
    report: Report,
    /// `--color`.
    colour: ColourChoice,
    /// The command as typed, for the files; what is secret is not in it.
    typed: Vec<String>,
}

/// Runs the command that `words` (the first one is the program's name) ask for.
pub fn main(words: impl IntoIterator<Item = OsString>) -> ExitCode {
    let words: Vec<String> = words.into_iter().map(|word| word.to_string_lossy().into_owned()).collect();
    if let Some(typed) = completion::asked(&words) {
        return ExitCode::from(completion::answer(typed).unwrap_or(exit::FAILED));
    }
    if let Some(call) = extcap::asked(&words) {
        return ExitCode::from(extcap::answer(call));
    }
    ExitCode::from(match parse(words) {
        Ok(parsed) => run(parsed),
        Err(error) => {
            // Help and version are no failures and go to standard output; a reader that has gone is none either.
            let _ = error.print();
            if error.use_stderr() { exit::USAGE } else { exit::DONE }
        }
    })
}

struct Parsed {
    cli: Cli,
    matches: ArgMatches,
    typed: Vec<String>,
}

fn parse(typed: Vec<String>) -> Result<Parsed, clap::Error> {
    let name = typed.first().map_or("", String::as_str);
    let command = cli::command().bin_name(invoked_as(name));
    let words = argv::normalize(typed.iter().skip(1).cloned().collect(), &command);
    let matches = command.try_get_matches_from([vec![name.to_owned()], words].concat())?;
    let cli = Cli::from_arg_matches(&matches)?;
    Ok(Parsed { cli, matches, typed })
}

/// kubectl runs a plugin by its file's name; the usage line shows what people typed.
fn invoked_as(program: &str) -> &'static str {
    let is_kubectl = program.rsplit('/').next().is_some_and(|name| name.starts_with("kubectl-"));
    if is_kubectl { "kubectl netobserv" } else { "oc-netobserv" }
}

fn run(parsed: Parsed) -> u8 {
    let colour = surroundings::colour(parsed.cli.global);
    let context = Context { report: Report::new(colour), colour, typed: argv::without_secrets(parsed.typed) };
    log::start(parsed.cli.global);
    let groups = parsed.matches.subcommand().map(|(_, matches)| matches);
    dispatch(parsed.cli.command, groups, &context).unwrap_or_else(|error| {
        context.report.error(&error);
        error.exit_code()
    })
}

fn dispatch(command: Command, matches: Option<&ArgMatches>, context: &Context) -> Outcome {
    let groups = || matches.map(cli::groups).unwrap_or_default();
    match command {
        Command::Flows(args) if args.objects.explain == Some(true) => {
            explain(&plan::explain(Mode::Flows, &args.language, &args.objects)?)
        }
        Command::Packets(args) if args.objects.explain == Some(true) => {
            explain(&plan::explain(Mode::Packets, &args.language, &args.objects)?)
        }
        Command::Flows(args) if plan::is_local(&args.capture) => {
            local::run(&plan::flows(&args, &groups(), &surroundings::look())?, context)
        }
        Command::Packets(args) if plan::is_local(&args.capture) => {
            local::run(&plan::packets(&args, &groups(), &surroundings::look())?, context)
        }
        Command::Flows(args) => {
            let request = plan::cluster::flows(&args, &groups(), &surroundings::look())?;
            capture::run(&request, &args.kube, context)
        }
        Command::Packets(args) => {
            let request = plan::cluster::packets(&args, &groups(), &surroundings::look())?;
            capture::run(&request, &args.kube, context)
        }
        Command::View(args) => view::run(&args, &groups(), context),
        Command::Convert(args) => convert::run(&args, context),
        Command::Wireshark(args) => wireshark::run(args),
        Command::Version => version::print(),
        Command::Completion { shell } => completion::print(shell),
        Command::Metrics(_) => unbuilt("metrics"),
        Command::Attach(args) => capture::attach(&args, context),
        Command::Follow(args) => capture::follow(&args, context),
        Command::Stop(args) => capture::stop(&args, context),
        Command::Copy(args) => capture::copy(&args, context),
        Command::Cleanup(args) => capture::cleanup(&args, context),
        Command::Pod { command } => pod::run(&command),
    }
}

/// On standard output: it is what was asked for.
fn explain(text: &str) -> Outcome {
    match writeln!(stdout(), "{text}") {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(Error::failed(error)),
        _ => Ok(exit::DONE),
    }
}

fn unbuilt(command: &str) -> Outcome {
    Err(Error::failed(format!("{command}: not built yet")))
}
