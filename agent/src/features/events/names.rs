//! What cookies of Open vSwitch stand for: asked of the database on a thread of its own, remembered for a while.

use std::{
    collections::HashMap,
    path::Path,
    sync::mpsc::{Receiver, SyncSender, sync_channel},
    thread,
    time::{Duration, Instant},
};

use flow::NetworkEvent;

use super::ovsdb::{Client, Cookie};

/// Where OVN's database is on a node whose OVN has one of its own.
pub(super) const SOCKET: &str = "/var/run/ovn/ovnnb_db.sock";
/// An answer is asked for anew after so long: policies change.
const VALID: Duration = Duration::from_mins(1);
/// Most answers remembered.
const MOST: usize = 4096;
/// Questions on their way; the others are asked later.
const WAITING: usize = 64;
/// A database that does not answer is left alone for so long.
const REST: Duration = Duration::from_secs(10);

type Answer = (Cookie, Option<NetworkEvent>);

/// Names of cookies.
pub(super) struct Names {
    known: HashMap<Cookie, Known>,
    asked: SyncSender<Cookie>,
    answers: Receiver<Answer>,
}

struct Known {
    event: Option<NetworkEvent>,
    asked: Instant,
}

impl Names {
    /// Names from the database behind a socket, which may come later. The thread ends when this is dropped.
    pub(super) fn start(socket: &Path) -> std::io::Result<Self> {
        let (asked, questions) = sync_channel(WAITING);
        let (sender, answers) = sync_channel(WAITING);
        let socket = socket.to_owned();
        thread::Builder::new().name("ovn-names".to_owned()).spawn(move || answer(&socket, &questions, &sender))?;
        Ok(Self { known: HashMap::new(), asked, answers })
    }

    /// Takes over what was answered.
    pub(super) fn collect(&mut self) {
        for (cookie, event) in self.answers.try_iter() {
            if let Some(known) = self.known.get_mut(&cookie) {
                known.event = event;
            }
        }
    }

    /// Asks what a cookie stands for, if that is not known, or was asked long ago.
    pub(super) fn ask(&mut self, cookie: Cookie, now: Instant) {
        let is_due = self.known.get(&cookie).is_none_or(|known| now.duration_since(known.asked) >= VALID);
        if !is_due || self.asked.try_send(cookie).is_err() {
            return;
        }
        if self.known.len() >= MOST {
            self.known.clear();
        }
        self.known.entry(cookie).and_modify(|known| known.asked = now).or_insert(Known { event: None, asked: now });
    }

    /// What it stands for, as far as that is known.
    pub(super) fn get(&self, cookie: Cookie) -> Option<&NetworkEvent> {
        self.known.get(&cookie)?.event.as_ref()
    }
}

/// Answers until nobody asks any more.
fn answer(socket: &Path, questions: &Receiver<Cookie>, answers: &SyncSender<Answer>) {
    let mut client: Option<Client> = None;
    let mut rest_until = Instant::now();
    for cookie in questions {
        if client.is_none() && Instant::now() >= rest_until {
            client = Client::connect(socket).ok();
            rest_until = Instant::now() + REST;
        }
        let event = client.as_mut().map(|client| client.event(cookie));
        let event = match event {
            Some(Ok(event)) => event,
            // Not there, or confused: the number is shown.
            Some(Err(_)) => {
                client = None;
                None
            }
            None => None,
        };
        if answers.send((cookie, event)).is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::ovsdb::tests::fake, *};

    #[test]
    fn what_was_asked_is_known_soon_and_not_asked_again_at_once() {
        let directory = std::env::temp_dir();
        let socket = directory.join(format!("oc-netobserv-names-{}.sock", std::process::id()));
        let server = fake(&socket, 1);
        let mut names = Names::start(&socket).unwrap();
        let cookie = Cookie { domain: 2 << 24 | 5, point: 1234 };
        let end = Instant::now() + Duration::from_secs(5);
        while names.get(cookie).is_none() {
            assert!(Instant::now() < end, "no answer");
            names.ask(cookie, Instant::now());
            names.collect();
            thread::sleep(Duration::from_millis(5));
        }
        assert_eq!(&*names.get(cookie).unwrap().name, "allow-web");
        drop(names);
        assert_eq!(server.join().unwrap(), 2, "one question takes two selections");
    }

    #[test]
    fn without_a_database_nothing_is_known_and_nobody_waits() {
        let mut names = Names::start(Path::new("/nowhere/at.sock")).unwrap();
        let cookie = Cookie { domain: 2 << 24, point: 1 };
        for _ in 0..1000 {
            names.ask(cookie, Instant::now());
            names.collect();
        }
        assert_eq!(names.get(cookie), None);
    }
}
