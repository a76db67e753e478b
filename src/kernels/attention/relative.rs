//! Scores that depend on distance: each head adds a learned number for how far the key lies from the query (T5, MPNet).
//!
//! Distances share buckets: each of its own while small, ever more to a bucket farther out. For the kernels a head's
//! numbers are unrolled into a line by distance, so that the queries in a vector read theirs side by side.
#![allow(clippy::indexing_slicing)] // Lines and tables are laid out here; the trunk's door checks the parameters.

use super::super::simd::{LANES, Simd, dispatch};
use super::{Rows, Scores};

/// Buckets of distances, half of them for keys behind the query (Raffel et al. 2020, and MPNet's code).
pub(crate) const BUCKETS: usize = 32;
/// Buckets of either direction.
const HALF: usize = BUCKETS / 2;
/// Distances below this one have a bucket of their own.
const EXACT: usize = HALF / 2;
/// From this distance on all share the last bucket of their direction (the same sources).
const FARTHEST: usize = 128;

/// The bucket of a key at `key` for a query at `query`, both counted from the row's first token.
pub(crate) fn bucket(query: usize, key: usize) -> usize {
    let distance = query.abs_diff(key);
    let side = if key > query { HALF } else { 0 };
    if distance < EXACT {
        return side + distance;
    }
    // Bucket EXACT + i begins where (distance / EXACT)^EXACT reaches (FARTHEST / EXACT)^i: with these numbers, where
    // (distance / 8)² reaches 2^i. The published code takes logarithms, and the whole part agrees.
    let square = distance.min(FARTHEST) * distance.min(FARTHEST);
    let doublings = (square / (EXACT * EXACT)).ilog2() as usize;
    side + (EXACT + doublings).min(HALF - 1)
}

/// Unrolled lines of all heads for rows up to some length.
#[derive(Debug, Default)]
pub(crate) struct Distances {
    values: Vec<f32>,
    n_heads: usize,
    /// The longest row.
    reach: usize,
}

/// The lines as attention reads them.
#[derive(Clone, Copy)]
pub(crate) struct Bias<'a> {
    values: &'a [f32],
    reach: usize,
}

/// Floats of a line for rows up to `reach` tokens: queries past the row's last one fill a vector.
pub(super) fn line(reach: usize) -> usize {
    2 * reach + LANES - 1
}

impl Distances {
    /// Unrolls `table`, row-major `[BUCKETS, n_heads]`, for rows up to `reach` tokens. An empty table leaves nothing.
    pub(crate) fn unroll(&mut self, table: &[f32], n_heads: usize, reach: usize) {
        self.values.clear();
        (self.n_heads, self.reach) = (n_heads, reach);
        if table.is_empty() {
            return;
        }
        for head in 0..n_heads {
            let at = |place: usize| table[bucket(place, reach - 1) * n_heads + head];
            self.values.extend((0..line(reach)).map(|place| if place + 1 < 2 * reach { at(place) } else { 0.0 }));
        }
    }

    /// The lines; `None` where scores do not depend on distance.
    pub(crate) fn bias(&self) -> Option<Bias<'_>> {
        (!self.values.is_empty()).then_some(Bias { values: &self.values, reach: self.reach })
    }

    /// Floats of the lines.
    pub(crate) fn len(&self) -> usize {
        self.values.len()
    }

    /// Adds to `d_table`, row-major `[BUCKETS, n_heads]`, what follows from `d_lines`, the gradient of the lines.
    pub(crate) fn gradient(&self, d_lines: &[f32], d_table: &mut [f32]) {
        for (head, d_line) in d_lines.chunks_exact(line(self.reach)).enumerate() {
            for (place, d) in d_line.iter().enumerate().take(2 * self.reach - 1) {
                d_table[bucket(place, self.reach - 1) * self.n_heads + head] += d;
            }
        }
    }
}

impl Bias<'_> {
    /// Floats between two heads' lines.
    pub(super) fn stride(&self) -> usize {
        line(self.reach)
    }

    /// The number of head `head` for the query at `query` and the key at 0; that of the next query is behind it, that of
    /// the next key before it.
    pub(super) fn at(&self, head: usize, query: usize) -> *const f32 {
        self.values[head * self.stride() + self.reach - 1 + query..].as_ptr()
    }

    /// Adds the lines of each row's own, rows one after another, to those of all rows.
    pub(super) fn sum(&self, rows: &Rows, own: &[f32], sums: &mut [f32]) {
        for (head, sums) in sums.chunks_exact_mut(self.stride()).enumerate() {
            for (r, row) in rows.offsets.windows(2).enumerate() {
                let n = row[1] - row[0];
                let own = &own[rows.line_at(r) + head * line(n)..][..2 * n - 1];
                sums[self.reach - n..].iter_mut().zip(own).for_each(|(sum, own)| *sum += own);
            }
        }
    }

    /// The longest row.
    pub(super) fn reach(&self) -> usize {
        self.reach
    }
}

#[inline(always)]
pub(super) unsafe fn biased_any<S: Simd>(b: Scores) {
    unsafe {
        for key in 0..b.keys {
            for v in (0..b.width).step_by(LANES) {
                let score = b.s.add(key * b.width + v);
                S::store(score, S::add(S::load(score), S::load(b.bias.add(v).sub(key))));
            }
        }
    }
}

dispatch! {
    /// Adds to each score what its distance adds.
    biased = biased_any(b: Scores)
}

#[inline(always)]
unsafe fn along_any<S: Simd>(ds: *const f32, keys: usize, width: usize, sums: *mut f32) {
    unsafe {
        for key in 0..keys {
            for v in (0..width).step_by(LANES) {
                let sum = sums.add(v).sub(key);
                S::store(sum, S::add(S::load(sum), S::load(ds.add(key * width + v))));
            }
        }
    }
}

dispatch! {
    /// Adds the scores' gradients (`[keys, width]`) of equal distance to that distance's sum; `sums` is that of the first
    /// query and key 0.
    along = along_any(ds: *const f32, keys: usize, width: usize, sums: *mut f32)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// transformers 5.23, `MPNetEncoder.relative_position_bucket(key - query)` for all distances below 600: the
    /// distances where the bucket changes, and that bucket.
    const BEHIND: [(usize, usize); 16] = [
        (0, 0),
        (1, 1),
        (2, 2),
        (3, 3),
        (4, 4),
        (5, 5),
        (6, 6),
        (7, 7),
        (8, 8),
        (12, 9),
        (16, 10),
        (23, 11),
        (32, 12),
        (46, 13),
        (64, 14),
        (91, 15),
    ];

    #[test]
    fn buckets_are_the_published_ones() {
        for distance in 0..600 {
            let expected = BEHIND.iter().rfind(|(from, _)| *from <= distance).expect("from 0 on").1;
            assert_eq!(bucket(distance + 3, 3), expected, "{distance} before the query");
            let behind = if distance == 0 { 0 } else { expected + 16 };
            assert_eq!(bucket(3, distance + 3), behind, "{distance} behind the query");
        }
    }

    #[test]
    fn a_line_has_each_distance_in_its_place() {
        let table: Vec<f32> = (0..2 * BUCKETS).map(|at| at as f32).collect();
        let mut distances = Distances::default();
        distances.unroll(&table, 2, 50);
        let bias = distances.bias().expect("there is a table");
        for (head, query, key) in [(0, 0, 49), (1, 49, 0), (1, 7, 7), (0, 30, 12)] {
            // Safety: both lie in a row of at most 50 tokens.
            let got = unsafe { *bias.at(head, query).sub(key) };
            assert_eq!(got, table[bucket(query, key) * 2 + head]);
        }
        let mut counts = vec![0.0; table.len()];
        distances.gradient(&vec![1.0; distances.len()], &mut counts);
        assert_eq!(counts.iter().sum::<f32>(), 2.0 * 99.0);
        assert_eq!((counts[0], counts[2 * 15], counts[2 * 16]), (1.0, 0.0, 0.0), "distance 0, and none of 91");
        distances.unroll(&[], 2, 50);
        assert!(distances.bias().is_none());
    }
}
