//! How the parser reads a frame: two traits, so that the same code runs over a byte slice on the host and over direct
//! packet access in the kernel. Knows no protocol.

/// A frame that can be read at any offset.
pub trait Packet {
    /// The `N` bytes at `offset`, or `None` when the frame ends before them.
    ///
    /// One call is one bounds check: ask once for a whole header, not once for each field.
    fn header<const N: usize>(&self, offset: usize) -> Option<impl Header>;

    /// The same offset. In the kernel it also makes the verifier forget what it knows of the number, so that the paths
    /// through a chain of headers do not multiply.
    #[inline(always)]
    fn forget(&self, offset: usize) -> usize {
        offset
    }
}

/// Bytes known to be there. Positions are constants, so that each field is one load in the kernel.
pub trait Header {
    /// `L` bytes at `AT`, in the order of the wire.
    fn bytes<const AT: usize, const L: usize>(&self) -> [u8; L];

    /// The byte at `AT`.
    #[inline(always)]
    fn byte<const AT: usize>(&self) -> u8 {
        let [byte] = self.bytes::<AT, 1>();
        byte
    }

    /// The big-endian 16-bit number at `AT`.
    #[inline(always)]
    fn be16<const AT: usize>(&self) -> u16 {
        u16::from_be_bytes(self.bytes::<AT, 2>())
    }

    /// The big-endian 32-bit number at `AT`.
    #[inline(always)]
    fn be32<const AT: usize>(&self) -> u32 {
        u32::from_be_bytes(self.bytes::<AT, 4>())
    }
}

impl<const N: usize> Header for &[u8; N] {
    #[inline(always)]
    fn bytes<const AT: usize, const L: usize>(&self) -> [u8; L] {
        const { assert!(AT + L <= N, "the field lies within the header") };
        core::array::from_fn(|index| self[AT + index])
    }
}

impl Packet for [u8] {
    #[inline]
    fn header<const N: usize>(&self, offset: usize) -> Option<impl Header> {
        self.get(offset..)?.first_chunk::<N>()
    }
}
