//! The bytes between a socket and the core.
//!
//! Loops own a large one per thread and lend it to one session after the other.

/// A fixed piece of memory with the unread bytes somewhere inside.
#[derive(Debug, Default)]
pub struct Buffer {
    memory: Vec<u8>,
    start: usize,
    end: usize,
}

impl Buffer {
    /// Room for `capacity` bytes.
    pub fn with_capacity(capacity: usize) -> Self {
        // Zeroed memory comes from the kernel page by page, as it is first touched.
        Self { memory: vec![0; capacity], start: 0, end: 0 }
    }

    /// Room for nothing, without an allocation.
    pub fn empty() -> Self {
        Self::default()
    }

    /// How many bytes fit in all.
    pub fn capacity(&self) -> usize {
        self.memory.len()
    }

    /// The unread bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.memory[self.start..self.end]
    }

    /// The unread bytes, for whoever turns them into others.
    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.memory[self.start..self.end]
    }

    /// Where the next bytes go; unread ones move to the front first. Empty if there is no room.
    pub fn space(&mut self) -> &mut [u8] {
        // Little is left unread when more is wanted: a piece of a head or of a chunk line.
        if self.start > 0 {
            self.memory.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        &mut self.memory[self.end..]
    }

    /// `count` bytes were written to the front of the space.
    pub fn filled(&mut self, count: usize) {
        assert!(count <= self.memory.len() - self.end, "more bytes than space");
        self.end += count;
    }

    /// The first `count` unread bytes are done with.
    pub fn consume(&mut self, count: usize) {
        assert!(count <= self.end - self.start, "more bytes than there are");
        self.start += count;
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        }
    }

    /// Forgets the unread bytes.
    pub fn clear(&mut self) {
        (self.start, self.end) = (0, 0);
    }

    /// Adds bytes that must fit.
    pub(crate) fn extend(&mut self, bytes: &[u8]) {
        self.space()[..bytes.len()].copy_from_slice(bytes);
        self.filled(bytes.len());
    }
}

/// Full of these bytes, with room for no others.
impl From<&[u8]> for Buffer {
    fn from(bytes: &[u8]) -> Self {
        Self { memory: bytes.to_vec(), start: 0, end: bytes.len() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stream() {
        // Bytes come out in the order in which they went in, at every split of fills and takes.
        for (fill, take) in [(1, 1), (3, 2), (5, 5), (7, 3), (8, 1)] {
            let mut buffer = Buffer::with_capacity(8);
            let (mut written, mut read) = (0_u8, 0_u8);
            while read < 200 {
                let space = buffer.space();
                let count = fill.min(space.len());
                for slot in &mut space[..count] {
                    *slot = written;
                    written = written.wrapping_add(1);
                }
                buffer.filled(count);
                let count = take.min(buffer.bytes().len());
                for byte in &buffer.bytes()[..count] {
                    assert_eq!(*byte, read);
                    read = read.wrapping_add(1);
                }
                buffer.consume(count);
            }
        }
    }

    #[test]
    fn empty() {
        // An empty buffer has no memory, no bytes and no space.
        let mut buffer = Buffer::empty();
        assert_eq!((buffer.capacity(), buffer.bytes(), buffer.memory.capacity()), (0, &[][..], 0));
        assert!(buffer.space().is_empty());
        buffer.consume(0);
    }

    #[test]
    fn whole_space() {
        // Once everything is consumed the whole capacity is free again.
        let mut buffer = Buffer::with_capacity(10);
        buffer.extend(b"0123456789");
        assert!(buffer.space().is_empty());
        buffer.consume(4);
        assert_eq!(buffer.space().len(), 4);
        buffer.consume(6);
        assert_eq!(buffer.space().len(), 10);
    }

    #[test]
    #[should_panic(expected = "more bytes than there are")]
    fn overrun() {
        // Nobody consumes bytes that never came.
        Buffer::with_capacity(10).consume(1);
    }
}
