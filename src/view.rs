//! `view FILE`: a saved capture in the table, or as lines; the same rules as while capturing. Needs no rights.

use std::{
    io::{self, IsTerminal as _},
    path::Path,
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

use collector::{
    Format, Sieve,
    lines::{self, PrintError},
    open::{self, OpenError},
    tui,
};
use flow::{Batch, Stop, rules::Options, show::escape};

use crate::{
    Context,
    cli::{ObjectArgs, ViewArgs},
    error::{Error, Outcome, exit},
    local::Signals,
    log::Aside,
    plan::{self, rules_in_words},
    version::VERSION,
};

mod filter;

use filter::Filter;

/// Shows the file until the user has seen enough, or to its end.
pub(crate) fn run(args: &ViewArgs, groups: &[Options], context: &Context) -> Outcome {
    let rules = flow::rules::parse(groups, 0).map_err(Error::usage)?;
    let language = plan::wanted::filter(&args.language, &ObjectArgs::default())?;
    let unknown = |object: &&&flow::filter::Object| {
        matches!(object.kind, flow::filter::ObjectKind::Selector | flow::filter::ObjectKind::Container)
    };
    if let Some(object) = language.needs_objects().iter().find(unknown) {
        let text = format!("{}: labels and containers are known only while a capture runs", escape(&object.name));
        return Err(
            Error::usage(text).hint("names of pods, workloads, services, namespaces and nodes stand in the file")
        );
    }
    let what = what(args, groups, &language);
    let mut sieve = Sieve::new(language, None);
    let opened = open::open(&args.file).map_err(Error::failed)?;
    for notice in &opened.notices {
        context.report.notice(notice);
    }
    let stop = Stop::default();
    Signals::watch(stop.clone()).map_err(|error| Error::failed(format!("cannot watch signals: {error}")))?;
    let mut filter = Filter::new(rules);
    let mode = opened.mode;
    let batches = opened.map(move |batch| {
        batch.map(|batch| {
            let mut batch = filter.apply(batch);
            sieve.apply(&mut batch);
            batch
        })
    });
    match plan::lines(args.output, io::stdout().is_terminal()) {
        Some(format) => print(batches, format, &stop),
        None => table(batches, tui::TableSetup { what, ..setup(mode, context) }, &stop),
    }
}

fn what(args: &ViewArgs, groups: &[Options], language: &flow::Filter) -> String {
    let file = args.file.display();
    let words = plan::with_filter(rules_in_words(groups), false, language);
    if groups.iter().all(Vec::is_empty) && language.is_empty() { file.to_string() } else { format!("{file}: {words}") }
}

fn setup(mode: flow::config::Mode, context: &Context) -> tui::TableSetup {
    let export = writes();
    tui::TableSetup { colour: context.colour.on(true), export, ..tui::TableSetup::new(mode, tui::Source::File) }
}

/// Packets of the table go to `output` here, as those of a capture would.
#[cfg(target_os = "linux")]
#[expect(clippy::unnecessary_wraps, reason = "elsewhere there is none")]
fn writes() -> Option<tui::Export> {
    let exporter = collector::Exporter::of_file(VERSION, Path::new(plan::DEFAULT_DIR));
    Some(Box::new(move |rows, opened| crate::local::recorder::write(&exporter, rows, opened)))
}

#[cfg(not(target_os = "linux"))]
fn writes() -> Option<tui::Export> {
    None
}

fn print(batches: impl Iterator<Item = Result<Batch, OpenError>>, format: Format, stop: &Stop) -> Outcome {
    let mut out = io::BufWriter::new(io::stdout().lock());
    match lines::print(batches, format, &mut out, stop) {
        Ok(()) => Ok(exit::DONE),
        Err(PrintError::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(exit::DONE),
        Err(error) => Err(Error::failed(error)),
    }
}

/// Batches read ahead of the table.
const AHEAD: usize = 4;

fn table(
    batches: impl Iterator<Item = Result<Batch, OpenError>> + Send + 'static,
    setup: tui::TableSetup,
    stop: &Stop,
) -> Outcome {
    let _aside = Aside::begin(None).map_err(|error| Error::failed(format!("cannot log: {error}")))?;
    let (sender, receiver) = mpsc::sync_channel(AHEAD);
    // Not joined: a reader that waits for a slow disk must not hold up the end; what it found by then is asked for.
    let reader = thread::spawn(move || read(batches, &sender));
    tui::run(receiver, setup, stop.clone()).map_err(Error::failed)?;
    // The receiver is gone, so the reader ends with the batch that it is at.
    let patience = (0..20).take_while(|_| !reader.is_finished());
    patience.for_each(|_| thread::sleep(Duration::from_millis(10)));
    match reader.is_finished().then(|| reader.join()) {
        Some(Ok(Err(error))) => Err(Error::failed(error)),
        _ => Ok(exit::DONE),
    }
}

fn read(
    batches: impl Iterator<Item = Result<Batch, OpenError>>,
    sender: &mpsc::SyncSender<Arc<Batch>>,
) -> Result<(), OpenError> {
    for batch in batches {
        if sender.send(Arc::new(batch?)).is_err() {
            break;
        }
    }
    Ok(())
}
