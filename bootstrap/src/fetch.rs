//! `stage fetch`: gets the compressed executable from a server, then becomes it.
//!
//! Plain TCP: nothing that comes is trusted before its SHA-256 is the one on the command line. Protocol: `GET ARCH\n`;
//! the answer is `<decimal length>\n` and that many bytes; `0\n` means not there yet.

use core::net::SocketAddr;

use rustix::{
    fd::OwnedFd,
    io::Errno,
    net::{
        AddressFamily, SocketFlags, SocketType,
        sockopt::{Timeout, set_socket_timeout},
    },
};

use crate::{
    arguments::{LONGEST_ARCHITECTURE, Words},
    error::Error,
    files::{NewFile, Path, Place, read},
    report,
    run::{is_there, sleep},
    unpack::{Digest, Unpacker},
};

/// Milliseconds before asking again: the first time, the longest, and after the wrong executable.
const SOON: i64 = 100;
const LATER: i64 = 1000;
const MUCH_LATER: i64 = 5000;
/// Seconds without any progress after which a connection is given up.
const CONNECTING: core::time::Duration = core::time::Duration::from_secs(3);
const SILENCE: core::time::Duration = core::time::Duration::from_secs(20);

/// What to get from where.
pub(crate) struct Fetch {
    pub(crate) server: SocketAddr,
    pub(crate) place: Place,
    pub(crate) digest: Digest,
    /// The word before the program's arguments.
    pub(crate) separator: usize,
}

impl Fetch {
    /// Comes back only if something failed here; the server is asked for ever.
    pub(crate) fn run(&self, words: Words) -> Result<(), Error> {
        let program = self.place.program()?;
        if !is_there(&program, self.digest)? {
            self.insist(&program)?;
        }
        Err(words.execute(program.as_c_str(), self.separator))
    }

    fn insist(&self, program: &Path) -> Result<(), Error> {
        let mut said = None;
        let mut pause = SOON;
        loop {
            let error = match self.fetch(program) {
                Ok(()) => return Ok(()),
                Err(error) if error.is_remote() => error,
                Err(error) => return Err(error),
            };
            // Once each time it changes, so that the log stays short.
            if said.as_ref() != Some(&error) {
                report::line(&format_args!("{}: {error}; trying again", self.server));
            }
            pause = if matches!(error, Error::Digest { .. }) { MUCH_LATER } else { LATER.min(pause * 3 / 2) };
            said = Some(error);
            sleep(pause);
        }
    }

    fn fetch(&self, program: &Path) -> Result<(), Error> {
        let mut connection = self.connect()?;
        let wanted = connection.ask(self.place.architecture)?;
        if wanted == 0 {
            return Err(Error::NotYet(self.place.architecture));
        }
        let mut file = NewFile::create(program, 0o755)?;
        let mut unpacker = Unpacker::new();
        let mut buffer = [0; 64 * 1024];
        let mut found = 0;
        while found < wanted {
            let room = buffer.len().min(usize::try_from(wanted - found).unwrap_or(usize::MAX));
            let length = connection.read(&mut buffer[..room])?;
            if length == 0 {
                return Err(Error::Short { found, wanted });
            }
            found += length as u64;
            unpacker.feed(&buffer[..length], &mut |bytes| file.write(bytes))?;
        }
        unpacker.finish(self.digest)?;
        file.publish()
    }

    fn connect(&self) -> Result<Connection, Error> {
        let failed = |errno| Error::Stream("connect", errno);
        let family = if self.server.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
        let socket =
            rustix::net::socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC, None).map_err(failed)?;
        // The one for sending also limits connect (socket(7)).
        set_socket_timeout(&socket, Timeout::Send, Some(CONNECTING)).map_err(failed)?;
        set_socket_timeout(&socket, Timeout::Recv, Some(SILENCE)).map_err(failed)?;
        rustix::net::connect(&socket, &self.server).map_err(failed)?;
        Ok(Connection(socket))
    }
}

struct Connection(OwnedFd);

impl Connection {
    /// Sends the request; how many bytes the answer has.
    fn ask(&mut self, architecture: &str) -> Result<u64, Error> {
        // In one piece: a server may take what it gets first for all.
        let mut request = [0; 4 + LONGEST_ARCHITECTURE + 1];
        let mut length = 0;
        for byte in b"GET ".iter().chain(architecture.as_bytes()).chain(b"\n") {
            request[length] = *byte;
            length += 1;
        }
        self.send(&request[..length]).map_err(|errno| Error::Stream("send", errno))?;
        self.answer()
    }

    /// The number that the answer begins with.
    fn answer(&mut self) -> Result<u64, Error> {
        let mut length: u64 = 0;
        let mut digits = 0;
        loop {
            let mut byte = [0];
            if self.read(&mut byte)? == 0 {
                return Err(Error::Damaged("the answer has no length"));
            }
            match byte[0] {
                b'\n' if digits > 0 => return Ok(length),
                digit @ b'0'..=b'9' if digits < 12 => length = length * 10 + u64::from(digit - b'0'),
                _ => return Err(Error::Damaged("the answer does not begin with a length")),
            }
            digits += 1;
        }
    }

    fn send(&mut self, mut bytes: &[u8]) -> Result<(), Errno> {
        while !bytes.is_empty() {
            bytes = &bytes[rustix::net::send(&self.0, bytes, rustix::net::SendFlags::NOSIGNAL)?..];
        }
        Ok(())
    }

    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Error> {
        read(&self.0, buffer).map_err(|errno| Error::Stream("read", errno))
    }
}
