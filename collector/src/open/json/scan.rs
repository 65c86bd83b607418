//! Finds the objects in a stream of JSON without reading what is in them.

use std::io::{self, Read};

/// Longest object; ours are a few thousand bytes.
const MAX_OBJECT: usize = 1 << 20;

/// Bytes asked for at once.
const CHUNK: usize = 1 << 18;

/// What comes next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found<'a> {
    /// A whole object.
    Object(&'a [u8]),
    /// Nothing more.
    End,
    /// The stream ends within an object, after this many bytes of it.
    Torn(u64),
    /// At this offset is something that does not belong there, or an object too long to be a record.
    Strange(u64),
}

/// A stream of objects, in an array or not, separated by commas or white space.
#[derive(Debug)]
pub(super) struct Scanner<R> {
    input: R,
    buffer: Vec<u8>,
    /// Where in `buffer` to go on.
    position: usize,
    /// Offset of `buffer[0]` in the stream.
    base: u64,
    last_end: u64,
    /// The array has been closed.
    closed: bool,
    /// An array has been opened.
    open: bool,
    torn: bool,
    strange: Option<u64>,
}

impl<R: Read> Scanner<R> {
    pub(super) fn new(input: R) -> Self {
        Self {
            input,
            buffer: Vec::new(),
            position: 0,
            base: 0,
            last_end: 0,
            closed: false,
            open: false,
            torn: false,
            strange: None,
        }
    }

    /// Offset of the end of the last whole object; 0 before the first.
    pub(super) fn last_end(&self) -> u64 {
        self.last_end
    }

    /// Whether the stream ended within an object or an array.
    pub(super) fn is_torn(&self) -> bool {
        self.torn
    }

    /// Says once more what was strange, from now on.
    pub(super) fn give_up(&mut self) {
        self.strange = self.strange.or(Some(self.base + self.position as u64));
    }

    /// The next object. After [`Found::End`], [`Found::Torn`] and [`Found::Strange`] it is the same again.
    pub(super) fn next(&mut self) -> io::Result<Found<'_>> {
        if let Some(offset) = self.strange {
            return Ok(Found::Strange(offset));
        }
        loop {
            match self.buffer.get(self.position).copied() {
                None if self.fill()? => {}
                None => {
                    self.torn = self.open && !self.closed;
                    return Ok(Found::End);
                }
                Some(b' ' | b'\t' | b'\r' | b'\n') => self.position += 1,
                Some(b',') if !self.closed => self.position += 1,
                Some(b'[') if self.last_end == 0 && !self.open => self.array(),
                Some(b']') if self.open && !self.closed => {
                    self.closed = true;
                    self.position += 1;
                }
                Some(b'{') if !self.closed => return self.object(),
                Some(_) => {
                    self.give_up();
                    return Ok(Found::Strange(self.base + self.position as u64));
                }
            }
        }
    }

    fn array(&mut self) {
        self.open = true;
        self.position += 1;
    }

    fn object(&mut self) -> io::Result<Found<'_>> {
        let (mut depth, mut in_string, mut escaped, mut length) = (0_u32, false, false, 0);
        loop {
            let Some(byte) = self.buffer.get(self.position + length).copied() else {
                if length > MAX_OBJECT {
                    self.give_up();
                    return Ok(Found::Strange(self.base + self.position as u64));
                }
                if !self.fill()? {
                    self.torn = true;
                    return Ok(Found::Torn(length as u64));
                }
                continue;
            };
            length += 1;
            match byte {
                _ if escaped => escaped = false,
                b'\\' if in_string => escaped = true,
                b'"' => in_string = !in_string,
                b'{' | b'[' if !in_string => depth += 1,
                b'}' | b']' if !in_string => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                break;
            }
        }
        let start = self.position;
        self.position += length;
        self.last_end = self.base + self.position as u64;
        Ok(Found::Object(&self.buffer[start..self.position]))
    }

    /// Reads more behind what is not yet taken; false at the end of the stream.
    fn fill(&mut self) -> io::Result<bool> {
        self.buffer.drain(..self.position);
        self.base += self.position as u64;
        self.position = 0;
        let read = self.input.by_ref().take(CHUNK as u64).read_to_end(&mut self.buffer)?;
        Ok(read > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scan(text: &str) -> (Vec<String>, String) {
        let mut scanner = Scanner::new(text.as_bytes());
        let mut objects = Vec::new();
        loop {
            match scanner.next().unwrap() {
                Found::Object(text) => objects.push(String::from_utf8_lossy(text).into_owned()),
                end => {
                    let end = format!("{end:?}");
                    return (objects, format!("{end} {}", scanner.is_torn()));
                }
            }
        }
    }

    #[test]
    fn arrays_lines_and_pretty_text_are_the_same() {
        let objects = [r#"{"a":"}]\"{"}"#, r#"{"b":{"c":[1,2]}}"#];
        for text in [
            format!("[\n{},\n{}\n]\n", objects[0], objects[1]),
            format!("{}\n{}\n", objects[0], objects[1]),
            format!("{},\n{},\n", objects[0], objects[1]),
            format!(" [ {} , {} ] ", objects[0], objects[1]),
        ] {
            assert_eq!(scan(&text), (objects.map(str::to_owned).to_vec(), "End false".to_owned()), "{text}");
        }
    }

    #[test]
    fn a_cut_end_is_told_from_a_strange_one() {
        assert_eq!(scan(r#"[{"a":1},{"b":"#).1, "Torn(5) true");
        assert_eq!(scan(r#"[{"a":1},"#).1, "End true");
        assert_eq!(scan(r#"[{"a":1}] x"#).1, "Strange(10) false");
        assert_eq!(scan(r#"[{"a":1}] {"b":2}"#).1, "Strange(10) false");
        assert_eq!(scan("[[{}]]").1, "Strange(1) false");
        assert_eq!(scan("{}}").1, "Strange(2) false");
    }
}
