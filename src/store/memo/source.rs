//! Where a content is read from: a file, whose bytes go straight into the memory of arrays, or bytes that are there already.

use crate::store::hash::Input;
use blake3::Hasher;
use std::fs::File;
use std::io::{Error, ErrorKind, Result};
use std::mem::MaybeUninit;

/// Gives any of its bytes, to several threads at once.
pub(super) trait Source: Sync {
    /// Fills the memory with the bytes from `at` on and answers them; `UnexpectedEof` where there are too few. The memory
    /// need not be cleared, which would cost about as much as reading into it does.
    fn fill<'m>(&self, memory: &'m mut [MaybeUninit<u8>], at: u64) -> Result<&'m [u8]>;
}

impl Source for [u8] {
    fn fill<'m>(&self, memory: &'m mut [MaybeUninit<u8>], at: u64) -> Result<&'m [u8]> {
        let from = usize::try_from(at).ok().and_then(|at| self.get(at..)?.get(..memory.len()));
        Ok(memory.write_copy_of_slice(from.ok_or(ErrorKind::UnexpectedEof)?))
    }
}

impl Source for File {
    fn fill<'m>(&self, memory: &'m mut [MaybeUninit<u8>], at: u64) -> Result<&'m [u8]> {
        let mut n_read = 0;
        while let Some(rest) = memory.get_mut(n_read..).filter(|rest| !rest.is_empty()) {
            match read_at(self, rest, at + n_read as u64) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(n) => n_read += n,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        // SAFETY: the system wrote all of it.
        Ok(unsafe { memory.assume_init_ref() })
    }
}

/// Reads some of the bytes from `at` on; how many. So many bytes of the memory are written to.
#[cfg(unix)]
fn read_at(file: &File, memory: &mut [MaybeUninit<u8>], at: u64) -> Result<usize> {
    use std::os::fd::AsRawFd;
    let at = libc::off_t::try_from(at).map_err(|_| ErrorKind::UnexpectedEof)?;
    // SAFETY: the system writes at most as many bytes as there are, into memory that is ours.
    let n = unsafe { libc::pread(file.as_raw_fd(), memory.as_mut_ptr().cast(), memory.len(), at) };
    usize::try_from(n).map_err(|_| Error::last_os_error())
}

/// Reads some of the bytes from `at` on; how many. So many bytes of the memory are written to.
#[cfg(windows)]
fn read_at(file: &File, memory: &mut [MaybeUninit<u8>], at: u64) -> Result<usize> {
    memory.fill(MaybeUninit::new(0));
    // SAFETY: all of it was just written.
    std::os::windows::fs::FileExt::seek_read(file, unsafe { memory.assume_init_mut() }, at)
}

/// The first `n_bytes` bytes.
pub(super) fn read(from: &(impl Source + ?Sized), n_bytes: usize) -> Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(n_bytes);
    let n_read = from.fill(bytes.spare_capacity_mut().get_mut(..n_bytes).unwrap_or_default(), 0)?.len();
    // SAFETY: there is room for as many, and all were read.
    unsafe { bytes.set_len(n_read) };
    Ok(bytes)
}

/// Bytes one after the other: known ones, and ones that are read into their place when they are hashed.
pub(super) struct Pieces<'m, S: ?Sized> {
    from: &'m S,
    pieces: Vec<Piece<'m>>,
}

enum Piece<'m> {
    Known(&'m [u8]),
    /// To be filled with the source's bytes from there on.
    Awaited(&'m mut [MaybeUninit<u8>], u64),
}

impl<'m, S: ?Sized> Pieces<'m, S> {
    /// None yet.
    pub(super) fn of(from: &'m S) -> Self {
        Pieces { from, pieces: Vec::new() }
    }

    /// Adds known bytes.
    pub(super) fn known(&mut self, bytes: &'m [u8]) {
        self.pieces.push(Piece::Known(bytes));
    }

    /// Adds memory that is filled with the source's bytes from `at` on when it is hashed.
    pub(super) fn awaited(&mut self, memory: &'m mut [MaybeUninit<u8>], at: u64) {
        self.pieces.push(Piece::Awaited(memory, at));
    }
}

impl Piece<'_> {
    fn n_bytes(&self) -> usize {
        match self {
            Piece::Known(bytes) => bytes.len(),
            Piece::Awaited(memory, _) => memory.len(),
        }
    }
}

impl<S: Source + ?Sized> Input for Pieces<'_, S> {
    type Error = Error;

    fn n_bytes(&self) -> usize {
        self.pieces.iter().map(Piece::n_bytes).sum()
    }

    fn split_at(self, n_bytes: usize) -> (Self, Self) {
        let (mut left, mut right) = (Pieces::of(self.from), Pieces::of(self.from));
        let mut open = n_bytes;
        for piece in self.pieces {
            let n_left = open.min(piece.n_bytes());
            open -= n_left;
            let (one, other) = match piece {
                Piece::Known(bytes) => {
                    let (one, other) = bytes.split_at(n_left);
                    (Piece::Known(one), Piece::Known(other))
                }
                Piece::Awaited(memory, at) => {
                    let (one, other) = memory.split_at_mut(n_left);
                    (Piece::Awaited(one, at), Piece::Awaited(other, at + n_left as u64))
                }
            };
            left.pieces.extend(Some(one).filter(|one| one.n_bytes() > 0));
            right.pieces.extend(Some(other).filter(|other| other.n_bytes() > 0));
        }
        (left, right)
    }

    fn feed(self, hasher: &mut Hasher) -> Result<()> {
        for piece in self.pieces {
            hasher.update(match piece {
                Piece::Known(bytes) => bytes,
                Piece::Awaited(memory, at) => self.from.fill(memory, at)?,
            });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::hash::hash_of;
    use std::io::Write;

    #[test]
    fn pieces_are_read_into_their_places_and_hashed_wherever_they_are_cut() {
        let bytes: Vec<u8> = (0..1_500_000u32).map(|at| (at * 31 % 251) as u8).collect();
        let mut file = tempfile::tempfile().expect("a file");
        file.write_all(&bytes).expect("written");
        fn check<S: Source + ?Sized>(from: &S, bytes: &[u8], cuts: &[usize]) {
            let mut memory = vec![MaybeUninit::new(0u8); bytes.len()];
            let mut pieces = Pieces::of(from);
            let (known, mut rest) = memory.split_at_mut(cuts[0]);
            pieces.known(&bytes[..known.len()]);
            let mut at = known.len();
            for n_bytes in cuts[1..].iter().copied().chain([rest.len() - cuts[1..].iter().sum::<usize>()]) {
                let (memory, later) = rest.split_at_mut(n_bytes);
                pieces.awaited(memory, at as u64);
                (rest, at) = (later, at + n_bytes);
            }
            assert_eq!(hash_of(pieces).expect("whole"), blake3::hash(bytes), "{cuts:?}");
            // SAFETY: all of it was written when it was made.
            assert!(unsafe { memory[cuts[0]..].assume_init_ref() } == &bytes[cuts[0]..], "{cuts:?}");
        }
        for n_bytes in [100_000, 300_000, bytes.len()] {
            for cuts in [&[0][..], &[1], &[4099, 0, 7], &[0, 65_536, 3, 20_000], &[100_000]] {
                check(&file, &bytes[..n_bytes], cuts);
                check(&bytes[..], &bytes[..n_bytes], cuts);
            }
        }
        let mut memory = [MaybeUninit::uninit(); 8];
        for at in [bytes.len() as u64 - 7, u64::MAX] {
            assert!(file.fill(&mut memory, at).is_err() && bytes.fill(&mut memory, at).is_err());
        }
    }
}
