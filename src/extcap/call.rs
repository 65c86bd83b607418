//! What Wireshark asks for, by its words (extcap(4), `doc/extcap_example.py`, `extcap.c` of Wireshark).

use std::path::PathBuf;

use super::options;
use crate::error::Error;

/// One call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Call {
    pub(super) wanted: Wanted,
    /// `--extcap-interface`
    pub(super) interface: Option<String>,
    /// `--extcap-capture-filter`: what was typed as capture filter.
    pub(super) filter: Option<String>,
    /// Our own options with their values; flags have none.
    pub(super) options: Vec<(String, Option<String>)>,
}

/// What is to be answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// `--extcap-version` alone.
    Version,
    /// `--extcap-interfaces`
    Interfaces,
    /// `--extcap-dlts`
    LinkTypes,
    /// `--extcap-config`
    Config,
    /// `--extcap-config --extcap-reload-option OPTION`
    Reload(String),
    /// `--extcap-capture-filter EXPR` without a capture: is it one?
    Check(String),
    /// `--capture --fifo PATH`
    Capture {
        /// Where the packets go.
        fifo: PathBuf,
    },
}

impl Call {
    /// Understands `words`; each option as `--key value` or `--key=value`.
    pub(super) fn parse(words: &[String]) -> Result<Self, Error> {
        let mut seen = Seen::default();
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let (key, value) =
                word.split_once('=').map_or((word.as_str(), None), |(key, value)| (key, Some(value.to_owned())));
            seen.take(key, || value.or_else(|| words.next().cloned()))?;
        }
        seen.call()
    }

    /// Values given for one of our options.
    pub(super) fn values<'a>(&'a self, option: &'a str) -> impl Iterator<Item = &'a str> {
        let named = self.options.iter().filter(move |(key, _)| key == option);
        named.filter_map(|(_, value)| value.as_deref()).filter(|value| !value.is_empty())
    }
}

#[derive(Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a word of Wireshark's, and any may come with any")]
struct Seen {
    version: bool,
    interfaces: bool,
    link_types: bool,
    config: bool,
    capture: bool,
    reload: Option<String>,
    fifo: Option<PathBuf>,
    interface: Option<String>,
    filter: Option<String>,
    options: Vec<(String, Option<String>)>,
}

impl Seen {
    fn take(&mut self, key: &str, value: impl FnOnce() -> Option<String>) -> Result<(), Error> {
        let needed = |value: Option<String>| value.ok_or_else(|| Error::usage(format!("{key}: needs a value")));
        match key {
            "--extcap-interfaces" => self.interfaces = true,
            "--extcap-dlts" => self.link_types = true,
            "--extcap-config" => self.config = true,
            "--capture" => self.capture = true,
            // Always `--extcap-version=4.4`; a word after it is another one.
            "--extcap-version" => self.version = true,
            "--extcap-interface" => self.interface = Some(needed(value())?),
            "--extcap-reload-option" => self.reload = Some(needed(value())?),
            "--extcap-capture-filter" => self.filter = Some(needed(value())?),
            "--fifo" => self.fifo = Some(needed(value())?.into()),
            // Toolbars, of which we have none.
            "--extcap-control-in" | "--extcap-control-out" => drop(needed(value())?),
            _ => match options::find(key) {
                Some(option) if option.is_flag() => self.options.push((key.to_owned(), None)),
                Some(_) => self.options.push((key.to_owned(), Some(needed(value())?))),
                None => return Err(Error::usage(format!("{}: no option of this source", flow::show::escape(key)))),
            },
        }
        Ok(())
    }

    fn call(self) -> Result<Call, Error> {
        let wanted = match (self.reload, self.fifo, &self.filter) {
            _ if self.interfaces => Wanted::Interfaces,
            _ if self.link_types => Wanted::LinkTypes,
            (Some(option), ..) if self.config => Wanted::Reload(option),
            _ if self.config => Wanted::Config,
            (_, Some(fifo), _) if self.capture => Wanted::Capture { fifo },
            _ if self.capture => return Err(Error::usage("--capture: needs --fifo")),
            (.., Some(filter)) => Wanted::Check(filter.clone()),
            _ if self.version => Wanted::Version,
            _ => return Err(Error::usage("none of the questions that Wireshark asks of a source of captures")),
        };
        Ok(Call { wanted, interface: self.interface, filter: self.filter, options: self.options })
    }
}
