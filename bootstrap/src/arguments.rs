//! What the command line says, without memory of its own: words stay where the kernel has put them.

use core::{
    ffi::{CStr, c_char},
    net::SocketAddr,
    str::FromStr,
};

use crate::{error::Error, fetch::Fetch, files::Place, receive::Receive, run::Run, system, unpack::Digest};

const USAGE: &str = "usage: stage receive DIR ARCH SHA256 SIZE | stage run DIR ARCH SHA256 -- ARGS... | \
                     stage fetch ADDRESS:PORT DIR ARCH SHA256 -- ARGS...";

/// Letters in the name of an architecture.
pub(crate) const LONGEST_ARCHITECTURE: usize = 32;

/// The command line and the environment.
pub(crate) struct Words {
    count: usize,
    /// `count` C strings, then a null.
    arguments: *mut *const c_char,
    environment: *const *const c_char,
}

impl Words {
    /// # Safety
    /// `stack` is what the kernel gives a new process, and nobody else uses it.
    pub(crate) unsafe fn from_stack(stack: *mut usize) -> Self {
        // SAFETY: argc is there, and behind it as many pointers and a null, then the environment.
        unsafe {
            let count = *stack;
            let arguments = stack.add(1).cast::<*const c_char>();
            Self { count, arguments, environment: arguments.add(count + 1) }
        }
    }

    /// The word at `index`; 0 is the program's own name.
    fn get(&self, index: usize) -> Result<&'static CStr, Error> {
        if index >= self.count {
            return Err(Error::Usage(USAGE));
        }
        // SAFETY: it is one of the `count` C strings, and they live as long as the process.
        Ok(unsafe { CStr::from_ptr(*self.arguments.add(index)) })
    }

    fn text(&self, index: usize) -> Result<&'static str, Error> {
        self.get(index)?.to_str().map_err(|_| Error::Usage("an argument is not UTF-8"))
    }

    fn number<T: FromStr>(&self, index: usize, problem: &'static str) -> Result<T, Error> {
        self.text(index)?.parse().map_err(|_| Error::Usage(problem))
    }

    fn separator(&self, index: usize) -> Result<usize, Error> {
        if self.text(index)? == "--" { Ok(index) } else { Err(Error::Usage(USAGE)) }
    }

    /// Becomes `program` with the words behind the one at `separator`; comes back only if that did not work.
    pub(crate) fn execute(self, program: &CStr, separator: usize) -> Error {
        // SAFETY: the separator is one of the words (it was read by `get`); its place takes the program's name, so that
        // the array from there on is what execve wants.
        let errno = unsafe {
            let arguments = self.arguments.add(separator);
            *arguments = program.as_ptr();
            system::execute(program, arguments, self.environment)
        };
        Error::system("run", program, errno)
    }
}

/// What is to be done.
pub(crate) enum Command {
    Receive(Receive),
    Run(Run),
    Fetch(Fetch),
}

impl Command {
    /// Reads the whole command line.
    pub(crate) fn parse(words: &Words) -> Result<Self, Error> {
        match words.text(1)? {
            "receive" => {
                let (place, digest) = target(words, 2)?;
                Ok(Self::Receive(Receive { place, digest, size: words.number(5, "SIZE is not a number of bytes")? }))
            }
            "run" => {
                let (place, digest) = target(words, 2)?;
                Ok(Self::Run(Run { place, digest, separator: words.separator(5)? }))
            }
            "fetch" => {
                let server: SocketAddr = words.number(2, "the server is not ADDRESS:PORT (no names, IPv6 in [])")?;
                let (place, digest) = target(words, 3)?;
                Ok(Self::Fetch(Fetch { server, place, digest, separator: words.separator(6)? }))
            }
            _ => Err(Error::Usage(USAGE)),
        }
    }
}

/// `DIR ARCH SHA256` from the word at `index` on.
fn target(words: &Words, index: usize) -> Result<(Place, Digest), Error> {
    let architecture = words.text(index + 1)?;
    let is_word = architecture.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if !is_word || !(1..=LONGEST_ARCHITECTURE).contains(&architecture.len()) {
        return Err(Error::Usage("ARCH is not 1 to 32 letters, digits and _"));
    }
    let place = Place { directory: words.text(index)?, architecture };
    Ok((place, words.number(index + 2, "SHA256 is not 64 hexadecimal digits")?))
}
