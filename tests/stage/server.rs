//! A server of executables that answers as a test wants it to.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

/// What one connection gets.
#[derive(Clone)]
pub(crate) enum Answer {
    /// The protocol's "not there yet".
    NotYet,
    /// Nothing.
    Close,
    /// Something that is not the protocol.
    Text(&'static str),
    /// The length of all, but only so many bytes.
    Cut(Vec<u8>, usize),
    /// All.
    Whole(Vec<u8>),
}

/// A server; each connection takes the next answer, the last one again and again.
pub(crate) struct Server {
    /// As the stage takes it.
    pub(crate) address: String,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Server {
    pub(crate) fn start(address: &str, answers: Vec<Answer>) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&requests);
        thread::spawn(move || {
            for (number, connection) in listener.incoming().enumerate() {
                let answer = &answers[number.min(answers.len() - 1)];
                serve(connection.unwrap(), answer, &seen);
            }
        });
        Self { address, requests }
    }

    /// What was asked, in order.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

#[expect(clippy::needless_pass_by_value, reason = "a connection ends with its thread")]
fn serve(connection: TcpStream, answer: &Answer, requests: &Mutex<Vec<String>>) {
    let mut line = String::new();
    BufReader::new(&connection).read_line(&mut line).unwrap();
    requests.lock().unwrap().push(line);
    let bytes = match answer {
        Answer::NotYet => b"0\n".to_vec(),
        Answer::Close => Vec::new(),
        Answer::Text(text) => text.as_bytes().to_vec(),
        Answer::Cut(bytes, length) => [format!("{}\n", bytes.len()).as_bytes(), &bytes[..*length]].concat(),
        Answer::Whole(bytes) => [format!("{}\n", bytes.len()).as_bytes(), bytes].concat(),
    };
    // A client that was ended does not read on.
    let _ = (&connection).write_all(&bytes);
}
