//! Somebody with rights of his own: a service account with a kubeconfig, and what one command told him.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{kubectl, kubectl_with};

/// A user without any rights but those that everybody has, until a role is bound to him. Gone when it is dropped.
#[derive(Debug)]
pub struct Person {
    namespace: String,
    directory: TempDir,
    bindings: Vec<String>,
}

/// What one command came to.
#[derive(Debug)]
pub struct Told {
    /// Exit code; `None` after a signal.
    pub code: Option<i32>,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
    /// How long it took.
    pub took: Duration,
}

impl Person {
    /// Somebody called `name`.
    pub fn new(name: &str) -> Result<Self> {
        let namespace = format!("people-{name}-{}", std::process::id());
        kubectl(["create", "namespace", &namespace])?;
        let person = Self { namespace, directory: TempDir::new()?, bindings: Vec::new() };
        kubectl(["-n", &person.namespace, "create", "serviceaccount", "user"])?;
        let token = kubectl(["-n", &person.namespace, "create", "token", "user", "--duration=2h"])?;
        person.write(token.trim())?;
        Ok(person)
    }

    /// His kubeconfig with this token in it.
    pub fn write(&self, token: &str) -> Result<()> {
        let mut config = kubeconfig()?;
        config["users"][0]["user"] = json!({ "token": token });
        Ok(fs::write(self.kubeconfig(), config.to_string())?)
    }

    /// Where it is.
    pub fn kubeconfig(&self) -> PathBuf {
        self.directory.path().join("kubeconfig")
    }

    /// A directory that lives as long as he does.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// What the API server calls him.
    pub fn identity(&self) -> String {
        format!("system:serviceaccount:{}:user", self.namespace)
    }

    /// Gives him a cluster role.
    pub fn bind(&mut self, role: &str) -> Result<()> {
        let name = format!("{}-{role}", self.namespace);
        let account = format!("--serviceaccount={}:user", self.namespace);
        kubectl(["create", "clusterrolebinding", &name, &format!("--clusterrole={role}"), &account])?;
        self.bindings.push(name);
        Ok(())
    }

    /// Runs one of our commands as him, in his directory; `input` is on its standard input.
    pub fn runs(&self, program: &str, arguments: &str, input: &str) -> Result<Told> {
        let mut command = Command::new(crate::capture::program(program));
        command.args(arguments.split_whitespace()).env("KUBECONFIG", self.kubeconfig());
        told(command.current_dir(self.directory()), input)
    }
}

impl Drop for Person {
    fn drop(&mut self) {
        for binding in &self.bindings {
            let _ = kubectl(["delete", "clusterrolebinding", binding, "--ignore-not-found"]);
        }
        let _ = kubectl(["delete", "namespace", &self.namespace, "--wait=false", "--ignore-not-found"]);
    }
}

/// Runs a command to its end.
pub fn told(command: &mut Command, input: &str) -> Result<Told> {
    let start = Instant::now();
    command.env("NO_COLOR", "1").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn()?;
    // A command that does not read ends nothing here.
    let _ = child.stdin.take().context("stdin")?.write_all(input.as_bytes());
    let output = child.wait_with_output()?;
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Ok(Told { code: output.status.code(), out: text(output.stdout), err: text(output.stderr), took: start.elapsed() })
}

/// The kubeconfig of the tests, with everything in it.
pub fn kubeconfig() -> Result<Value> {
    Ok(serde_json::from_str(&kubectl(["config", "view", "--raw", "--minify", "--flatten", "-o", "json"])?)?)
}

/// Objects that are deleted when this is dropped.
#[derive(Debug)]
pub struct Applied(String);

impl Applied {
    /// Applies YAML.
    pub fn new(yaml: &str) -> Result<Self> {
        let applied = Self(yaml.to_owned());
        kubectl_with(["apply", "--validate=false", "-f", "-"], yaml)?;
        Ok(applied)
    }

    /// The same for a policy of admission, which API servers learn a moment later.
    pub fn policy(yaml: &str, is_effective: impl Fn() -> bool) -> Result<Self> {
        let applied = Self::new(yaml)?;
        super::wait("the policy", Duration::from_secs(30), || Ok(is_effective()))?;
        thread::sleep(Duration::from_millis(500));
        Ok(applied)
    }
}

impl Drop for Applied {
    fn drop(&mut self) {
        let _ = kubectl_with(["delete", "--ignore-not-found", "--wait=false", "-f", "-"], &self.0);
    }
}
