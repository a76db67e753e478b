//! BLAKE3 at memory speed: a large input is cut into subtrees that all threads hash. The result is the ordinary BLAKE3
//! hash, for any number of threads.

use blake3::hazmat::{ChainingValue, HasherExt, Mode, left_subtree_len, merge_subtrees_non_root, merge_subtrees_root};
use blake3::{Hash, Hasher};
use std::convert::Infallible;

/// Bytes that one thread hashes without sharing: long against the handing over of work, and small enough to be still
/// in a core's second-level cache when they were just read.
const ALONE: usize = 1 << 18;

/// Bytes to be hashed, which may have to be brought first.
pub trait Input: Sized + Send {
    type Error: Send;

    fn n_bytes(&self) -> usize;

    /// The first `n_bytes` bytes, and the others.
    fn split_at(self, n_bytes: usize) -> (Self, Self);

    /// Gives all bytes to the hasher.
    fn feed(self, hasher: &mut Hasher) -> Result<(), Self::Error>;
}

impl Input for &[u8] {
    type Error = Infallible;

    fn n_bytes(&self) -> usize {
        self.len()
    }

    fn split_at(self, n_bytes: usize) -> (Self, Self) {
        self.split_at_checked(n_bytes).unwrap_or((self, &[]))
    }

    fn feed(self, hasher: &mut Hasher) -> Result<(), Infallible> {
        hasher.update(self);
        Ok(())
    }
}

/// The BLAKE3 hash of `bytes`.
pub fn hash(bytes: &[u8]) -> Hash {
    let Ok(hash) = hash_of(bytes);
    hash
}

/// The BLAKE3 hash of an input.
pub fn hash_of<I: Input>(input: I) -> Result<Hash, I::Error> {
    let n_bytes = input.n_bytes();
    if n_bytes <= ALONE {
        let mut hasher = Hasher::new();
        input.feed(&mut hasher)?;
        return Ok(hasher.finalize());
    }
    let (one, other) = halves(input, n_bytes, 0)?;
    Ok(merge_subtrees_root(&one, &other, Mode::Hash))
}

/// The chaining value of the subtree over an input that begins at `offset` of the whole one.
fn subtree<I: Input>(input: I, offset: u64) -> Result<ChainingValue, I::Error> {
    let n_bytes = input.n_bytes();
    if n_bytes <= ALONE {
        let mut hasher = Hasher::new();
        input.feed(hasher.set_input_offset(offset))?;
        return Ok(hasher.finalize_non_root());
    }
    let (one, other) = halves(input, n_bytes, offset)?;
    Ok(merge_subtrees_non_root(&one, &other, Mode::Hash))
}

/// Left and right of BLAKE3's tree.
fn halves<I: Input>(input: I, n_bytes: usize, offset: u64) -> Result<(ChainingValue, ChainingValue), I::Error> {
    let n_left = left_subtree_len(n_bytes as u64);
    let (left, right) = input.split_at(n_left as usize);
    let (one, other) = rayon::join(|| subtree(left, offset), || subtree(right, offset + n_left));
    Ok((one?, other?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_ordinary_hash() {
        let bytes: Vec<u8> = (0..5 * ALONE + 1234).map(|at| (at * 31 % 251) as u8).collect();
        for n_bytes in [0, 1, 1024, 1025, ALONE, ALONE + 1, 2 * ALONE, 3 * ALONE + 7, bytes.len()] {
            assert_eq!(hash(&bytes[..n_bytes]), blake3::hash(&bytes[..n_bytes]), "{n_bytes} bytes");
        }
    }
}
