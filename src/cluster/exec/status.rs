//! The last message of a command: a `metav1.Status` that tells its exit code, or why there is none.

use kube::core::{Status, response::StatusSummary};

use super::error::ExecError;

/// The exit code in a status message.
pub(super) fn judge(json: &[u8]) -> Result<i32, ExecError> {
    let status: Status = serde_json::from_slice(json)
        .map_err(|error| ExecError::Lost { why: format!("the server's last message is unreadable: {error}") })?;
    if status.status == Some(StatusSummary::Success) {
        return Ok(0);
    }
    exit_code(&status).ok_or_else(|| ExecError::from_status(&status))
}

/// `reason: NonZeroExitCode` comes with a cause `ExitCode` whose message is the number.
fn exit_code(status: &Status) -> Option<i32> {
    let causes = &status.details.as_ref()?.causes;
    causes.iter().find(|cause| cause.reason == "ExitCode")?.message.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn success_is_zero() {
        assert_eq!(judge(br#"{"metadata":{},"status":"Success"}"#).unwrap(), 0);
    }

    #[test]
    fn a_failed_command_has_its_code() {
        let json = br#"{"metadata":{},"status":"Failure","message":"command terminated with non-zero exit code",
            "reason":"NonZeroExitCode","details":{"causes":[{"reason":"ExitCode","message":"42"}]}}"#;
        assert_eq!(judge(json).unwrap(), 42);
    }

    #[test]
    fn a_container_that_ends_at_this_moment_is_not_running_whatever_the_words() {
        for words in [
            "failed to create exec \\\"f8\\\": ttrpc: closed",
            "failed to create exec \\\"f8\\\": cannot exec in a stopped state",
            "failed to start exec \\\"e7\\\": OCI runtime exec failed: exec failed: cannot exec in a stopped container",
            "failed to create exec \\\"f8\\\": task 12 not found: not found",
        ] {
            let json = format!(r#"{{"status":"Failure","message":"failed to exec in container: {words}"}}"#);
            assert!(matches!(judge(json.as_bytes()), Err(ExecError::NotRunning { .. })), "{words}");
        }
    }

    #[test]
    fn a_command_that_never_ran_has_none() {
        let json = br#"{"status":"Failure","message":"Internal error occurred: error executing command in container",
            "reason":"InternalError","code":500}"#;
        assert!(matches!(judge(json).unwrap_err(), ExecError::Start { .. }));
        assert!(matches!(judge(b"{").unwrap_err(), ExecError::Lost { .. }));
    }
}
