//! Wireshark's personal folders: as it tells them itself, else where its documentation says that they are.

use std::{
    env, io,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use super::find;
use crate::error::Error;

/// Longest wait for an answer of tshark; its first start on a machine is slow.
const PATIENCE: Duration = Duration::from_secs(20);

/// Time between two looks at it.
const POLL: Duration = Duration::from_millis(10);

/// Where things go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Folders {
    /// Preferences and profiles.
    pub(super) config: PathBuf,
    /// Scripts.
    pub(super) lua: PathBuf,
    /// Sources of captures.
    pub(super) extcap: PathBuf,
    /// The program that told; `None` if none is here.
    pub(super) told_by: Option<PathBuf>,
    /// It can keep the interfaces apart where a packet was seen, and takes the preference for it.
    pub(super) separates_interfaces: bool,
}

impl Folders {
    /// Asks, or assumes.
    ///
    /// # Errors
    /// There is no home directory.
    pub(super) fn find() -> Result<Self, Error> {
        let found = Self::quick()?;
        let preferences = found.told_by.as_deref().and_then(|teller| ask(teller, "defaultprefs")).unwrap_or_default();
        let separates_interfaces = preferences.contains("protocols.conversation_deinterlacing_key");
        Ok(Self { separates_interfaces, ..found })
    }

    /// The same without asking for preferences.
    pub(super) fn quick() -> Result<Self, Error> {
        let defaults = Self::defaults()?;
        let Some(teller) = find::teller() else { return Ok(defaults) };
        let Some(told) = ask(&teller, "folders") else { return Ok(defaults) };
        Ok(Self { told_by: Some(teller), ..defaults.told(&told) })
    }

    /// What `-G folders` tells, over what it does not.
    pub(super) fn told(self, text: &str) -> Self {
        let folder = |label: &str| {
            let value =
                |line: &str| line.strip_prefix(label)?.trim_start().strip_prefix(':').map(str::trim).map(PathBuf::from);
            text.lines().find_map(value).filter(|path| path.is_absolute())
        };
        let config = folder("Personal configuration").unwrap_or(self.config);
        Self {
            lua: folder("Personal Lua Plugins").unwrap_or(self.lua),
            // Those up to 4.0 have it below the configuration, and do not tell.
            extcap: folder("Personal Extcap path").unwrap_or_else(|| config.join("extcap")),
            config,
            ..self
        }
    }

    /// Wireshark 4.4's, without anybody to ask (User's Guide, appendix "Files and Folders").
    fn defaults() -> Result<Self, Error> {
        let home = env::home_dir().filter(|home| home.is_absolute());
        let home = home.ok_or_else(|| Error::failed("there is no home directory, and so no folders of Wireshark"))?;
        let config = if cfg!(windows) {
            env::var_os("APPDATA").map_or_else(|| home.join("AppData\\Roaming"), PathBuf::from).join("Wireshark")
        } else {
            let xdg = env::var_os("XDG_CONFIG_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
            xdg.unwrap_or_else(|| home.join(".config")).join("wireshark")
        };
        let lib = home.join(".local/lib/wireshark");
        let [lua, extcap] =
            ["plugins", "extcap"].map(|name| if cfg!(windows) { config.join(name) } else { lib.join(name) });
        Ok(Self { config, lua, extcap, told_by: None, separates_interfaces: false })
    }

    /// Where the folders were found.
    pub(super) fn words(&self) -> String {
        match &self.told_by {
            Some(program) => format!("folders as {} tells them", program.display()),
            None => "no Wireshark is here to ask: its usual folders".to_owned(),
        }
    }
}

/// What `-G what` prints; `None` if it does not answer.
fn ask(program: &Path, what: &str) -> Option<String> {
    let mut command = Command::new(program);
    command.args(["-G", what]).stdin(Stdio::null()).stderr(Stdio::null()).stdout(Stdio::piped());
    let mut child = command.spawn().ok()?;
    let mut stdout = child.stdout.take()?;
    // A thread reads, because a pipe that is full would keep it from ending.
    let reader = thread::spawn(move || io::read_to_string(&mut stdout));
    let is_good = wait(&mut child);
    let text = reader.join().ok()?.ok()?;
    is_good.then_some(text)
}

/// Whether it ended well, and in time.
fn wait(child: &mut Child) -> bool {
    let start = Instant::now();
    while start.elapsed() < PATIENCE {
        match child.try_wait() {
            Ok(Some(status)) => return status.success(),
            Ok(None) => thread::sleep(POLL),
            Err(_) => return false,
        }
    }
    // It is ours, and it hangs.
    let _ = child.kill().and_then(|()| child.wait());
    false
}
