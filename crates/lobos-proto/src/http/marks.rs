//! Which header names may be there, told by a few bits: a request is asked for sixty names and has
//! a dozen.

use httparse::Header;

/// Which names may be among some headers.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Marks {
    /// One of 64 bits for each name.
    names: u64,
    /// The bits of more than one of them.
    pub(super) twice: u64,
    /// One of 64 bits for how each name that begins with `x-amz-` goes on.
    prefixes: u64,
}

impl Marks {
    pub(super) fn of(headers: &[Header<'_>]) -> Self {
        headers.iter().fold(Self::default(), |Self { names, twice, prefixes }, header| {
            let (name, begins) = (header.name.as_bytes(), mark_of_prefix(header.name.as_bytes()));
            let mark = mark(name);
            Self { names: names | mark, twice: twice | (names & mark), prefixes: prefixes | begins }
        })
    }

    #[inline(always)]
    pub(super) fn may_have(self, name: &str) -> bool {
        self.names & mark(name.as_bytes()) != 0
    }

    /// Whether a name may begin so; `prefix` is longer than `x-amz-` by three bytes or more.
    #[inline(always)]
    pub(super) fn may_begin(self, prefix: &str) -> bool {
        self.prefixes & mark_of_prefix(prefix.as_bytes()) != 0
    }
}

/// One of 64 bits for a name, in upper or lower case.
#[inline(always)]
pub(super) const fn mark(name: &[u8]) -> u64 {
    if name.is_empty() {
        return 1;
    }
    let last = name.len() - 1;
    let [first, middle, last] = [name[0], name[last / 2], name[last]];
    let sum = 5 * lower(first) + 11 * lower(last) + lower(middle);
    1 << ((name.len() + sum) % 64)
}

/// One of 64 bits for what follows the six bytes of `x-amz-`; none for a name too short for that.
#[inline(always)]
const fn mark_of_prefix(name: &[u8]) -> u64 {
    if name.len() < 9 || name[1] != b'-' || name[5] != b'-' {
        return 0;
    }
    1 << ((lower(name[6]) + 5 * lower(name[8])) % 64)
}

#[inline(always)]
const fn lower(byte: u8) -> usize {
    (byte | 0x20) as usize
}
