//! BLAKE3 at memory speed: a large input is cut into subtrees that all threads hash. The result is the ordinary BLAKE3
//! hash, for any number of threads.

use blake3::hazmat::{ChainingValue, HasherExt, Mode, left_subtree_len, merge_subtrees_non_root, merge_subtrees_root};
use blake3::{Hash, Hasher};

/// Bytes that one thread hashes without sharing: chosen, long against the handing over of work.
const ALONE: usize = 1 << 18;

/// The BLAKE3 hash of `bytes`.
pub fn hash(bytes: &[u8]) -> Hash {
    let Some((left, right)) = halves(bytes) else { return blake3::hash(bytes) };
    let (one, other) = rayon::join(|| subtree(left, 0), || subtree(right, left.len()));
    merge_subtrees_root(&one, &other, Mode::Hash)
}

/// The chaining value of the subtree over `bytes`, which begin at `offset` of the whole input.
fn subtree(bytes: &[u8], offset: usize) -> ChainingValue {
    let Some((left, right)) = halves(bytes) else {
        return Hasher::new().set_input_offset(offset as u64).update(bytes).finalize_non_root();
    };
    let (one, other) = rayon::join(|| subtree(left, offset), || subtree(right, offset + left.len()));
    merge_subtrees_non_root(&one, &other, Mode::Hash)
}

/// Left and right of BLAKE3's tree, where that is worth two threads.
fn halves(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    if bytes.len() <= ALONE {
        return None;
    }
    bytes.split_at_checked(usize::try_from(left_subtree_len(bytes.len() as u64)).ok()?)
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
