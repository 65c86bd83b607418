//! `convert IN... OUT`: a saved capture as another file, all or some of it, with or without who it was. Needs no rights.

use std::{
    fs,
    io::IsTerminal as _,
    path::{Path, PathBuf},
};

use collector::{
    AnonymizeKey,
    convert::{Conversion, Converted, Input, Output, Progress, Target, convert},
};
use flow::{Stop, show::escape};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::{
    Context,
    cli::{AnonymizeArgs, ConvertArgs, ObjectArgs, To},
    error::{Error, Outcome, exit},
    local::Signals,
    plan,
    report::{Report, plain},
};

/// Converts, and says what came of it.
pub(crate) fn run(args: &ConvertArgs, context: &Context) -> Outcome {
    let conversion = conversion(args, context)?;
    if conversion.anonymize.as_ref().is_some_and(|(_, keep_payload)| *keep_payload) {
        context.report.notice("--keep-payload: what applications sent stays, with the names and addresses in it");
    }
    let stop = Stop::default();
    Signals::watch(stop.clone()).map_err(|error| Error::failed(format!("cannot watch signals: {error}")))?;
    let bar = bar();
    let result = convert(&conversion, &stop, &mut |progress| show(&bar, progress));
    bar.finish_and_clear();
    let converted = result.map_err(|error| {
        let wrong = error.is_usage();
        let hint = matches!(error, collector::convert::ConvertError::Exists(_)).then_some("--force replaces it");
        let error = if wrong { Error::usage(error) } else { Error::failed(error) };
        match hint {
            Some(hint) => error.hint(hint),
            None => error,
        }
    })?;
    Ok(report(&conversion, &converted, context.report))
}

fn conversion(args: &ConvertArgs, context: &Context) -> Result<Conversion, Error> {
    let filter = plan::wanted::filter(&args.language, &ObjectArgs::default())?;
    let unknown = |object: &&&flow::filter::Object| {
        matches!(object.kind, flow::filter::ObjectKind::Selector | flow::filter::ObjectKind::Container)
    };
    if let Some(object) = filter.needs_objects().iter().find(unknown) {
        let text = format!("{}: labels and containers are known only while a capture runs", escape(&object.name));
        return Err(
            Error::usage(text).hint("names of pods, workloads, services, namespaces and nodes stand in the file")
        );
    }
    let (output, target, inputs) = files(args)?;
    if let (Some(from), Some(to)) = (args.from_time, args.to_time)
        && from >= to
    {
        return Err(Error::usage("--to-time: is not after --from-time, so nothing would be left"));
    }
    Ok(Conversion {
        inputs,
        output,
        target,
        filter,
        from_ns: args.from_time,
        to_ns: args.to_time,
        dedup: args.dedup == Some(true),
        strip_secrets: args.strip_secrets == Some(true),
        interval: args.cache_active_timeout,
        anonymize: anonymize(&args.anonymize)?,
        command: context.typed.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    })
}

fn is_standard(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// The last is written, the others are read.
fn files(args: &ConvertArgs) -> Result<(Output, Target, Vec<Input>), Error> {
    let Some((last, inputs)) = args.files.split_last() else { return Err(Error::usage("nothing to convert")) };
    if inputs.iter().filter(|input| is_standard(input)).count() > 1 {
        return Err(Error::usage("-: standard input can be read once only"));
    }
    let target = target(args.to, last)?;
    let output = if is_standard(last) {
        if target == Target::Pcapng && std::io::stdout().is_terminal() {
            return Err(Error::usage("-: pcapng is not for a terminal; send it into a file or a program"));
        }
        Output::Stdout
    } else {
        Output::File { path: last.clone(), replace: args.force == Some(true) }
    };
    let input = |path: &PathBuf| if is_standard(path) { Input::Stdin } else { Input::File(path.clone()) };
    Ok((output, target, inputs.iter().map(input).collect()))
}

/// As `--to` says, else as the extension does.
fn target(to: Option<To>, path: &Path) -> Result<Target, Error> {
    if let Some(to) = to {
        return Ok(match to {
            To::Json => Target::Json,
            To::Db => Target::Sqlite,
            To::Pcapng => Target::Pcapng,
        });
    }
    let shown = path.display();
    let extension = path.extension().map(|extension| extension.to_string_lossy().to_ascii_lowercase());
    match extension.as_deref() {
        Some("json") => Ok(Target::Json),
        Some("db" | "sqlite" | "sqlite3") => Ok(Target::Sqlite),
        Some("pcapng" | "ntar") => Ok(Target::Pcapng),
        Some("pcap" | "cap") => {
            Err(Error::usage(format!("{shown}: pcap is read, not written, as it has no room for names"))
                .hint("the extension .pcapng, which all of today's tools read"))
        }
        _ if is_standard(path) => {
            Err(Error::usage("-: what is to be written does not show").hint("--to json or --to pcapng"))
        }
        _ => Err(Error::usage(format!(
            "{shown}: its extension does not say what to write; known are .pcapng, .json and .db"
        ))
        .hint("--to json, --to db or --to pcapng")),
    }
}

fn anonymize(args: &AnonymizeArgs) -> Result<Option<(AnonymizeKey, bool)>, Error> {
    if args.anonymize != Some(true) {
        return Ok(None);
    }
    let key = match &args.anonymize_key {
        None => {
            let mut random = [0; 32];
            getrandom::fill(&mut random).map_err(|error| Error::failed(format!("no random numbers: {error}")))?;
            AnonymizeKey::of(&random)
        }
        Some(key) if key.is_empty() => {
            return Err(Error::usage("--anonymize-key \"\": is empty; it is a file, or any text that only you know"));
        }
        Some(key) if Path::new(key).is_file() => {
            let content = fs::read(key).map_err(|error| Error::failed(format!("--anonymize-key {key}: {error}")))?;
            if content.is_empty() {
                return Err(Error::usage(format!("--anonymize-key {key}: the file is empty")));
            }
            AnonymizeKey::of(&content)
        }
        Some(key) => AnonymizeKey::of(key.as_bytes()),
    };
    Ok(Some((key, args.keep_payload == Some(true))))
}

/// In a terminal, for what takes more than a moment.
fn bar() -> ProgressBar {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(4));
    bar.set_style(ProgressStyle::default_spinner());
    bar
}

const KNOWN: &str = "{wide_bar} {bytes:>10} / {total_bytes:<10} {binary_bytes_per_sec:>12} {msg}";

fn show(bar: &ProgressBar, Progress { read, total, items }: Progress) {
    if bar.is_hidden() {
        return;
    }
    if total > 0 && bar.length() != Some(total) {
        bar.set_length(total);
        if let Ok(style) = ProgressStyle::with_template(KNOWN) {
            bar.set_style(style);
        }
    }
    bar.set_position(read);
    bar.set_message(items.to_string());
}

/// What was found, and what there is now; what could not be read decides the exit code.
fn report(conversion: &Conversion, converted: &Converted, report: Report) -> u8 {
    for notice in &converted.notices {
        report.notice(notice);
    }
    if converted.interrupted {
        report.notice("interrupted; nothing was written");
        return exit::INTERRUPTED;
    }
    if let Output::File { path, .. } = &conversion.output {
        let what = if conversion.target == Target::Pcapng { "packet" } else { "record" };
        let plural = if converted.written == 1 { "" } else { "s" };
        let copies = match converted.copies {
            0 => String::new(),
            1 => ", 1 copy left out".to_owned(),
            copies => format!(", {copies} copies left out"),
        };
        plain(&format!("{} {what}{plural} written to {}{copies}", converted.written, path.display()));
    }
    if converted.incomplete { exit::INCOMPLETE } else { exit::DONE }
}
