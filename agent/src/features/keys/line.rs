//! Secrets as lines of a key log (draft-ietf-tls-keylogfile section 2).

use std::{fmt::Write as _, sync::Arc};

use agent_common::keys::{
    KEY_CLIENT_EARLY, KEY_CLIENT_HANDSHAKE, KEY_CLIENT_TRAFFIC, KEY_MASTER, KEY_SERVER_HANDSHAKE, KEY_SERVER_TRAFFIC,
    KeyEvent,
};

/// The line of one secret, without its end; `None` of what is none.
pub(super) fn of(event: &KeyEvent) -> Option<Arc<str>> {
    let label = match event.kind {
        KEY_MASTER => "CLIENT_RANDOM",
        KEY_CLIENT_EARLY => "CLIENT_EARLY_TRAFFIC_SECRET",
        KEY_CLIENT_HANDSHAKE => "CLIENT_HANDSHAKE_TRAFFIC_SECRET",
        KEY_SERVER_HANDSHAKE => "SERVER_HANDSHAKE_TRAFFIC_SECRET",
        KEY_CLIENT_TRAFFIC => "CLIENT_TRAFFIC_SECRET_0",
        KEY_SERVER_TRAFFIC => "SERVER_TRAFFIC_SECRET_0",
        _ => return None,
    };
    let secret = event.secret.get(..usize::from(event.len)).filter(|secret| !secret.is_empty())?;
    let mut line = String::with_capacity(label.len() + 2 + 2 * (event.random.len() + secret.len()));
    line.push_str(label);
    for bytes in [&event.random[..], secret] {
        line.push(' ');
        for byte in bytes {
            // Writing into a string does not fail.
            let _ = write!(line, "{byte:02x}");
        }
    }
    Some(line.into())
}

#[cfg(test)]
mod tests {
    use agent_common::keys::{RANDOM, SECRET};

    use super::*;

    fn event(kind: u8, len: u8) -> KeyEvent {
        let mut secret = [0; SECRET];
        secret[..usize::from(len).min(SECRET)].fill(0x5a);
        KeyEvent { time_ns: 1, pid: 2, kind, len, pad: [0; 2], random: [0x0f; RANDOM], secret }
    }

    #[test]
    fn a_line_has_label_random_and_the_secret_at_its_length() {
        let random = "0f".repeat(32);
        let line = of(&event(KEY_SERVER_TRAFFIC, 32)).unwrap();
        assert_eq!(&*line, format!("SERVER_TRAFFIC_SECRET_0 {random} {}", "5a".repeat(32)));
        let line = of(&event(KEY_MASTER, 48)).unwrap();
        assert_eq!(&*line, format!("CLIENT_RANDOM {random} {}", "5a".repeat(48)));
    }

    #[test]
    fn what_no_program_tells_is_no_line() {
        assert!(of(&event(0, 32)).is_none() && of(&event(7, 32)).is_none());
        assert!(of(&event(KEY_MASTER, 0)).is_none() && of(&event(KEY_MASTER, 49)).is_none());
    }
}
