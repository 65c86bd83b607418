//! A source of captures for Wireshark (extcap(4)): the executable, linked into Wireshark's folder, answers what Wireshark
//! asks of it, and captures into Wireshark's pipe.
//!
//! Whatever is on standard error Wireshark shows as a failure: there is one sentence if something failed, else nothing.

use std::io::{Write as _, stdout};

use crate::{
    error::{Error, Outcome, exit},
    report,
};

mod call;
mod capture;
mod interfaces;
mod options;
#[cfg(test)]
mod tests;
mod values;

use call::{Call, Wanted};
use interfaces::Source;

/// The words after the program's name, if Wireshark calls.
pub(crate) fn asked(words: &[String]) -> Option<&[String]> {
    let words = words.get(1..)?;
    words.iter().any(|word| word.starts_with("--extcap-")).then_some(words)
}

/// Answers; the exit code.
pub(crate) fn answer(words: &[String]) -> u8 {
    run(words).unwrap_or_else(|error| {
        let hint = error.hint.as_ref().map(|hint| format!(" ({hint})")).unwrap_or_default();
        report::plain(&format!("{}{hint}", error.message));
        error.exit_code()
    })
}

fn run(words: &[String]) -> Outcome {
    let call = Call::parse(words)?;
    match &call.wanted {
        Wanted::Version => print(&interfaces::version()),
        Wanted::Interfaces => print(&interfaces::list()),
        Wanted::LinkTypes => source(&call).and_then(|_| print(interfaces::LINK_TYPES)),
        Wanted::Config => {
            let source = source(&call)?;
            print(&options::config(&source, &values::quick(&source)))
        }
        Wanted::Reload(option) => {
            let source = source(&call)?;
            print(&options::reload(option, &values::patient(&source, &call)))
        }
        // What is on standard output is what is wrong with the filter.
        Wanted::Check(filter) => {
            print(&flow::Filter::parse(filter).err().map(|error| error.to_string()).unwrap_or_default())
        }
        Wanted::Capture { fifo } => capture::run(&source(&call)?, &call, fifo),
    }
}

fn source(call: &Call) -> Result<Source, Error> {
    let name = call.interface.as_deref().ok_or_else(|| Error::usage("--extcap-interface: which one is not said"))?;
    Source::of(name)
}

fn print(text: &str) -> Outcome {
    let written = stdout().write_all(text.as_bytes()).and_then(|()| stdout().flush());
    written.map(|()| exit::DONE).map_err(|error| Error::failed(format!("cannot answer: {error}")))
}
