//! Many streams that come in turns: their bytes are kept until several streams have some, then
//! all of these are hashed at once.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::Md5;
use crate::block::BLOCK;
use crate::lanes::{self, LANES, Lane};

/// Bytes are kept in pieces of this size, which are used again: 32 KiB
const PIECE: usize = 32 << 10;

/// What a piece is longer than that: pieces that lie one behind the other in memory then begin at
/// different places of their pages, else 16 streams compete for the 8 lines of one cache set (7 %).
const STAGGER: usize = 320;

/// The most pieces in all: 4 MiB, or 256 KiB for each of [`LANES`] streams
const MOST: usize = 128;

/// The most pieces for each open stream, if they are few: 256 KiB
const SHARE: usize = 8;

/// A place where streams meet, mostly that of one thread. At most 4 MiB wait in it to be hashed,
/// and at most 256 KiB for each of its streams. Clones are the same place.
#[derive(Clone, Default)]
pub struct Together {
    inner: Arc<Mutex<Inner>>,
}

impl Together {
    /// A place without streams
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Begins an MD5 that goes with the others of this place.
    #[must_use]
    pub fn begin(&self) -> Shared {
        let id = self.lock().open();
        Shared { home: self.clone(), id }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A running MD5 whose bytes are hashed together with those of others. Dropped, it leaves no
/// trace.
pub struct Shared {
    home: Together,
    id: usize,
}

impl Shared {
    /// Takes the next bytes: mostly by keeping a copy of them.
    pub fn update(&mut self, data: &[u8]) {
        self.home.lock().update(self.id, data);
    }

    /// The digest. Whatever others have waiting goes along, as far as this one's bytes reach: who
    /// has several streams to finish updates all of them first.
    #[must_use]
    pub fn finish(self) -> [u8; 16] {
        self.home.lock().finish(self.id)
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.home.lock().close(self.id);
    }
}

#[derive(Default)]
struct Inner {
    /// By their numbers
    streams: Vec<Stream>,
    /// Numbers that are not in use
    free: Vec<usize>,
    /// The streams that have pieces
    waiting: Vec<usize>,
    /// How many pieces they have
    pieces: usize,
    spare: Vec<Piece>,
}

/// While it has pieces, `md5` holds no bytes back, and the first piece has at least one block.
#[derive(Default)]
struct Stream {
    md5: Md5,
    pieces: VecDeque<Piece>,
}

/// Bytes from `done` to `filled` are to be hashed.
struct Piece {
    bytes: Box<[u8]>,
    done: usize,
    filled: usize,
}

impl Piece {
    fn new() -> Self {
        Self { bytes: vec![0; PIECE + STAGGER].into(), done: 0, filled: 0 }
    }

    fn waiting(&self) -> &[u8] {
        &self.bytes[self.done..self.filled]
    }

    /// Takes what fits; gives the rest.
    fn fill<'d>(&mut self, data: &'d [u8]) -> &'d [u8] {
        let (fits, rest) = data.split_at(data.len().min(PIECE - self.filled));
        self.bytes[self.filled..self.filled + fits.len()].copy_from_slice(fits);
        self.filled += fits.len();
        rest
    }
}

impl Stream {
    /// How many blocks of its first piece can be hashed
    fn blocks(&self) -> usize {
        self.pieces.front().map_or(0, |piece| piece.waiting().len() / BLOCK)
    }

    /// Bytes that wait
    fn waiting(&self) -> usize {
        self.pieces.iter().map(|piece| piece.waiting().len()).sum()
    }
}

impl Inner {
    fn open(&mut self) -> usize {
        self.free.pop().unwrap_or_else(|| {
            self.streams.push(Stream::default());
            self.streams.len() - 1
        })
    }

    fn close(&mut self, id: usize) {
        let stream = std::mem::take(&mut self.streams[id]);
        if !stream.pieces.is_empty() {
            self.waiting.retain(|&other| other != id);
            stream.pieces.into_iter().for_each(|piece| self.give_back(piece));
        }
        self.free.push(id);
    }

    fn update(&mut self, id: usize, mut data: &[u8]) {
        let stream = &mut self.streams[id];
        if stream.pieces.is_empty() {
            // Up to the end of a block that has begun, and all if there is no whole one.
            let held = stream.md5.held();
            let begun = if held == 0 { 0 } else { data.len().min(BLOCK - held) };
            let alone = if data.len() - begun < BLOCK { data.len() } else { begun };
            stream.md5.update(&data[..alone]);
            data = &data[alone..];
        }
        if let Some(last) = stream.pieces.back_mut() {
            data = last.fill(data);
        }
        while !data.is_empty() {
            if self.pieces >= self.most() {
                self.relieve();
                // Nothing may be left of the stream, and the rest be less than a block.
                return self.update(id, data);
            }
            let mut piece = self.spare.pop().unwrap_or_else(Piece::new);
            self.pieces += 1;
            data = piece.fill(data);
            let stream = &mut self.streams[id];
            if stream.pieces.is_empty() {
                self.waiting.push(id);
            }
            stream.pieces.push_back(piece);
        }
    }

    fn finish(&mut self, id: usize) -> [u8; 16] {
        while !self.streams[id].pieces.is_empty() {
            let mut chosen = self.longest(LANES - 1, Some(id));
            chosen.push(id);
            self.hash(&chosen);
        }
        std::mem::take(&mut self.streams[id].md5).finish()
    }

    /// The most pieces for those who are here
    fn most(&self) -> usize {
        ((self.streams.len() - self.free.len()) * SHARE).min(MOST)
    }

    /// Hashes until half of the pieces are free.
    fn relieve(&mut self) {
        let enough = self.most() / 2;
        while self.pieces > enough {
            let chosen = self.longest(LANES, None);
            self.hash(&chosen);
        }
    }

    /// Those who have most, without one of them
    fn longest(&self, most: usize, without: Option<usize>) -> Vec<usize> {
        let others = self.waiting.iter().copied().filter(|&id| Some(id) != without);
        let mut found: Vec<(usize, usize)> =
            others.map(|id| (self.streams[id].waiting(), id)).collect();
        if found.len() > most {
            found.select_nth_unstable_by(most, |one, other| other.cmp(one));
            found.truncate(most);
        }
        found.into_iter().map(|(_, id)| id).collect()
    }

    /// Hashes what these have, as far as the one with the least goes. Pieces begin and end
    /// elsewhere in each stream, and who would choose anew at each end would do little else.
    fn hash(&mut self, chosen: &[usize]) {
        let mut taken: Vec<Stream> =
            chosen.iter().map(|&id| std::mem::take(&mut self.streams[id])).collect();
        loop {
            let blocks = taken.iter().map(Stream::blocks).min().unwrap_or(0);
            if blocks == 0 {
                break;
            }
            let bytes = blocks * BLOCK;
            let lanes = taken.iter_mut().filter_map(|stream| {
                let piece = stream.pieces.front()?;
                let (blocks, _) = piece.waiting()[..bytes].as_chunks();
                Some(Lane { state: &mut stream.md5.state, blocks })
            });
            lanes::compress(&mut lanes.collect::<Vec<_>>());
            for stream in &mut taken {
                stream.md5.advanced(bytes);
                self.advance(stream, bytes);
            }
        }
        for (&id, stream) in chosen.iter().zip(taken) {
            if stream.pieces.is_empty() {
                self.waiting.retain(|&other| other != id);
            }
            self.streams[id] = stream;
        }
    }

    /// The first bytes are hashed. What is left at the end, if it is no block, goes on its own.
    fn advance(&mut self, stream: &mut Stream, bytes: usize) {
        if let Some(piece) = stream.pieces.front_mut() {
            piece.done += bytes;
        }
        // Only the last piece can end within a block.
        while stream.blocks() == 0
            && let Some(piece) = stream.pieces.pop_front()
        {
            stream.md5.update(piece.waiting());
            self.give_back(piece);
        }
    }

    fn give_back(&mut self, mut piece: Piece) {
        (piece.done, piece.filled) = (0, 0);
        self.pieces -= 1;
        self.spare.push(piece);
    }
}
