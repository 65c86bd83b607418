//! Type-length-value attributes: reading and writing.

/// Bits of the type that say how the value is made.
const FLAGS: u16 = 0xc000;
const NESTED: u16 = 0x8000;

/// The native-endian word at `at`.
pub(crate) fn word(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at.checked_add(4)?)?.try_into().ok().map(u32::from_ne_bytes)
}

/// A text that ends at its first NUL, or at its end.
pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes.split(|byte| *byte == 0).next().unwrap_or_default()).into_owned()
}

/// Goes through attributes; ends at the first that does not fit.
#[derive(Clone, Debug)]
pub(crate) struct Attributes<'a>(pub(crate) &'a [u8]);

impl<'a> Attributes<'a> {
    /// The first attribute of a type.
    pub(crate) fn find(mut self, wanted: u16) -> Option<&'a [u8]> {
        self.find_map(|(kind, value)| (kind == wanted).then_some(value))
    }
}

impl<'a> Iterator for Attributes<'a> {
    type Item = (u16, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let length = u16::from_ne_bytes([*self.0.first()?, *self.0.get(1)?]) as usize;
        let kind = u16::from_ne_bytes([*self.0.get(2)?, *self.0.get(3)?]) & !FLAGS;
        let value = self.0.get(4..length)?;
        self.0 = self.0.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, value))
    }
}

/// A message body being written.
#[derive(Clone, Debug, Default)]
pub(crate) struct Body(pub(crate) Vec<u8>);

impl Body {
    /// Appends an attribute.
    pub(crate) fn attribute(mut self, kind: u16, value: &[u8]) -> Self {
        self.0.extend(((4 + value.len()) as u16).to_ne_bytes());
        self.0.extend(kind.to_ne_bytes());
        self.0.extend(value);
        self.0.resize(self.0.len().next_multiple_of(4), 0);
        self
    }

    /// Appends a text, closed by a NUL.
    pub(crate) fn text(self, kind: u16, value: &str) -> Self {
        self.attribute(kind, &[value.as_bytes(), &[0]].concat())
    }

    /// Appends attributes as the value of one.
    pub(crate) fn nested(self, kind: u16, inner: &Self) -> Self {
        self.attribute(kind | NESTED, &inner.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_read_back_as_written() {
        let body = Body::default().text(3, "eth0").nested(18, &Body::default().text(1, "veth"));
        let mut attributes = Attributes(&body.0);
        assert_eq!(attributes.next().map(|(kind, value)| (kind, text(value))), Some((3, "eth0".to_owned())));
        let (kind, inner) = attributes.next().unwrap();
        assert_eq!((kind, Attributes(inner).find(1).map(text)), (18, Some("veth".to_owned())));
        assert_eq!(attributes.next(), None);
    }

    #[test]
    fn an_attribute_longer_than_its_message_ends_it() {
        assert_eq!(Attributes(&[200, 0, 1, 0, 5]).next(), None);
        assert_eq!(Attributes(&[2, 0, 1, 0]).next(), None);
    }
}
