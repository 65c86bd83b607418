//! Sums of the Internet protocols (RFC 1071, RFC 1624), and the CRC of SCTP (RFC 9260 appendix A).

/// A sum of 16-bit words, not yet folded.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sum(u64);

impl Sum {
    /// With the words of `bytes`; an odd last byte is the upper half of a word.
    pub(super) fn add(self, bytes: &[u8]) -> Self {
        let (words, rest) = bytes.as_chunks::<2>();
        let sum = words.iter().map(|word| u64::from(u16::from_be_bytes(*word))).sum::<u64>();
        Self(self.0 + sum + rest.first().map_or(0, |last| u64::from(*last) << 8))
    }

    /// With a number, in words.
    pub(super) fn number(self, number: u32) -> Self {
        self.add(&number.to_be_bytes())
    }

    fn folded(self) -> u16 {
        let mut sum = self.0;
        while sum >> 16 != 0 {
            sum = (sum & 0xffff) + (sum >> 16);
        }
        sum as u16
    }
}

/// A checksum that is about to become wrong: where it stands, and what was summed up before.
#[derive(Clone, Copy, Debug)]
pub(super) struct Before {
    at: usize,
    old: u16,
    sum: Sum,
}

/// Notes the checksum at `at` of `data` before that is changed; `pseudo` is what is summed up with it. `None` where the
/// checksum was not kept.
pub(super) fn before(data: &[u8], at: usize, pseudo: Sum) -> Option<Before> {
    let old = super::u16_at(data, at)?;
    Some(Before { at, old, sum: summed(data, at, pseudo) })
}

impl Before {
    /// Makes it right again after `data` was changed; `whole` if that is everything it is the sum of.
    pub(super) fn mend(self, data: &mut [u8], pseudo: Sum, whole: bool) {
        let sum = summed(data, self.at, pseudo);
        let new = if whole {
            !sum.folded()
        } else {
            // RFC 1624, equation 3: ~(~HC + ~m + m').
            !Sum(u64::from(!self.old) + u64::from(!self.sum.folded()) + u64::from(sum.folded())).folded()
        };
        self.put(data, new);
    }

    /// The same for UDP, where 0 says that there is none (RFC 768).
    pub(super) fn mend_udp(self, data: &mut [u8], pseudo: Sum, whole: bool) {
        if self.old == 0 {
            return;
        }
        self.mend(data, pseudo, whole);
        if super::u16_at(data, self.at) == Some(0) {
            self.put(data, 0xffff);
        }
    }

    fn put(self, data: &mut [u8], sum: u16) {
        if let Some(place) = data.get_mut(self.at..).and_then(<[u8]>::first_chunk_mut) {
            *place = sum.to_be_bytes();
        }
    }
}

/// Everything but the checksum itself, which stands at an even place.
fn summed(data: &[u8], at: usize, pseudo: Sum) -> Sum {
    let (before, after) = (data.get(..at).unwrap_or_default(), data.get(at + 2..).unwrap_or_default());
    pseudo.add(before).add(after)
}

/// CRC-32C, least significant bit first.
pub(super) fn crc32c(parts: [&[u8]; 3]) -> u32 {
    let bytes = parts.into_iter().flatten();
    !bytes.fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| crc >> 1 ^ (0x82f6_3b78 & (crc & 1).wrapping_neg()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_crc_is_that_of_rfc_3720() {
        assert_eq!(crc32c([&[0; 32], &[], &[]]), 0x8a91_36aa);
        assert_eq!(crc32c([b"1234", b"56789", &[]]), 0xe306_9283);
    }

    #[test]
    fn an_update_gives_what_a_new_sum_gives() {
        let mut data = *b"\x45\x00\x00\x1c\x00\x00\x00\x00\x40\x11\x00\x00\x0a\x00\x00\x01\x0a\x00\x00\x02";
        before(&data, 10, Sum::default()).unwrap().mend(&mut data, Sum::default(), true);
        let noted = before(&data, 10, Sum::default()).unwrap();
        data[12..16].copy_from_slice(&[192, 0, 2, 77]);
        let (mut whole, mut part) = (data, data);
        noted.mend(&mut whole, Sum::default(), true);
        noted.mend(&mut part, Sum::default(), false);
        assert_eq!(whole, part);
    }
}
