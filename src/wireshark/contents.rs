//! What is installed: the dissector and the profile, as they are in `wireshark/`, in this executable.

use std::path::PathBuf;

use super::folders::Folders;

/// Name of the profile.
pub(crate) const PROFILE: &str = "netobserv";

/// Name of the source of captures.
const SOURCE: &str = if cfg!(windows) { "oc-netobserv.exe" } else { "oc-netobserv" };

const DISSECTOR: &str = include_str!("../../wireshark/k8s.lua");
const PREFERENCES: &str = include_str!("../../wireshark/profile/preferences");
const COLOURS: &str = include_str!("../../wireshark/profile/colorfilters");
const BUTTONS: &str = include_str!("../../wireshark/profile/dfilter_buttons");

/// What releases know that can keep several places of one packet apart (4.4 and newer); older ones warn of it.
const SEPARATED: &str = "\
# A packet seen at several interfaces is not sent again: conversations are those of one interface.
protocols.conversation_deinterlacing_key: .MI
";

/// Something to install.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) path: PathBuf,
    pub(super) what: What,
}

/// What it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// A file of this content.
    Text(String),
    /// This executable, under another name.
    Executable,
}

impl Folders {
    /// Everything.
    pub(super) fn wanted(&self) -> Vec<Wanted> {
        let profile = self.profile();
        let preferences =
            if self.separates_interfaces { format!("{PREFERENCES}{SEPARATED}") } else { PREFERENCES.to_owned() };
        let text = |path: PathBuf, text: &str| Wanted { path, what: What::Text(text.to_owned()) };
        vec![
            text(self.lua.join("k8s.lua"), DISSECTOR),
            text(profile.join("preferences"), &preferences),
            text(profile.join("colorfilters"), COLOURS),
            text(profile.join("dfilter_buttons"), BUTTONS),
            Wanted { path: self.extcap.join(SOURCE), what: What::Executable },
        ]
    }

    /// Where the profile is.
    pub(super) fn profile(&self) -> PathBuf {
        self.config.join("profiles").join(PROFILE)
    }
}
