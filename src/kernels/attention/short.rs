//! Attention over short rows that lie within one panel: all heads of a row in one go, keys and values read where they lie.
//!
//! What is computed, and in which order it is summed, is what [`super::forward`] does for rows of any length.

use super::super::simd::{LANES, Simd, dispatch};
use super::relative::biased_any;
use super::{Scores, softmax_any};

/// The most queries of a short row: two vectors.
pub(super) const MOST: usize = 2 * LANES;
/// Rows of a tile of scores or outputs. Arbitrary: with two vectors of columns as many sums as hide each other's latency.
const ROWS: usize = 8;

/// One row of a batch, head after head.
#[derive(Clone, Copy)]
pub(crate) struct Short {
    /// First query, feature 0 of head 0, and floats between its features; the outputs lie as the queries do.
    pub q: *const f32,
    pub out: *mut f32,
    pub q_stride: usize,
    /// First key and first value, as for the queries.
    pub k: *const f32,
    pub v: *const f32,
    pub kv_stride: usize,
    /// Features of a head.
    pub head: usize,
    pub n_heads: usize,
    /// Heads of queries for each head of keys and values.
    pub group: usize,
    pub n_queries: usize,
    pub scale: f32,
    /// Working memory: `head` and, rounded up to 8, `n_keys` rows of up to 32 floats.
    pub scratch: *mut f32,
    /// Of the first head; the scores themselves lie in `scratch`.
    pub scores: Scores,
    /// Floats between the statistics of two heads.
    pub stats_stride: usize,
    /// Floats between what the scores of two heads get for their distance.
    pub bias_stride: usize,
}

/// `Σ_k a[row, k] · b[k, ..]` for up to eight rows from `row` on, along `depth`; rows past `n_rows` repeat the last one.
#[inline(always)]
#[allow(clippy::too_many_arguments)]
#[allow(clippy::needless_range_loop)] // Plain indices are what keeps the sums in registers.
unsafe fn sums<S: Simd, const N: usize>(
    a: *const f32,
    a_rows: usize,
    a_cols: usize,
    row: usize,
    n_rows: usize,
    b: *const f32,
    depth: usize,
) -> [[S::V; N]; ROWS] {
    unsafe {
        let mut acc = [[S::splat(0.0); N]; ROWS];
        let rows: [*const f32; ROWS] = std::array::from_fn(|m| a.add((row + m).min(n_rows - 1) * a_rows));
        for k in 0..depth {
            let right: [S::V; N] = std::array::from_fn(|n| S::load(b.add((k * N + n) * LANES)));
            for m in 0..ROWS {
                let left = S::splat(*rows[m].add(k * a_cols));
                for n in 0..N {
                    acc[m][n] = S::fma(left, right[n], acc[m][n]);
                }
            }
        }
        acc
    }
}

#[inline(always)]
unsafe fn row<S: Simd, const N: usize>(t: &Short) {
    let width = N * LANES;
    let keys = t.scores.keys;
    let valid = |n: usize| t.n_queries.saturating_sub(n * LANES).min(LANES);
    unsafe {
        let (queries, s) = (t.scratch, t.scratch.add(t.head * width));
        let scale = S::splat(t.scale);
        for h in 0..t.n_heads {
            let (first, first_kv) = (h * t.head, h / t.group * t.head);
            for d in 0..t.head {
                for n in 0..N {
                    let query = S::load_n(t.q.add((first + d) * t.q_stride + n * LANES), valid(n));
                    S::store(queries.add(d * width + n * LANES), S::mul(query, scale));
                }
            }
            for key in (0..keys).step_by(ROWS) {
                let k = t.k.add(first_kv * t.kv_stride);
                let found = sums::<S, N>(k, 1, t.kv_stride, key, keys, queries, t.head);
                for (m, found) in found.iter().enumerate() {
                    for (n, found) in found.iter().enumerate() {
                        S::store(s.add((key + m) * width + n * LANES), *found);
                    }
                }
            }
            let stats = h * t.stats_stride;
            let (greatest, reciprocal) = (t.scores.greatest.add(stats), t.scores.reciprocal.add(stats));
            let mut scores = Scores { s, width, greatest, reciprocal, ..t.scores };
            if !scores.bias.is_null() {
                scores.bias = scores.bias.add(h * t.bias_stride);
                biased_any::<S>(scores);
            }
            softmax_any::<S>(scores);
            let by: [S::V; N] = std::array::from_fn(|n| S::load(reciprocal.add(n * LANES)));
            for d in (0..t.head).step_by(ROWS) {
                let v = t.v.add(first_kv * t.kv_stride);
                let found = sums::<S, N>(v, t.kv_stride, 1, d, t.head, s, keys);
                for (m, found) in found.iter().enumerate().take(t.head - d) {
                    let to = t.out.add((first + d + m) * t.q_stride);
                    for n in 0..N {
                        S::store_n(to.add(n * LANES), valid(n), S::mul(found[n], by[n]));
                    }
                }
            }
        }
    }
}

#[inline(always)]
unsafe fn short_any<S: Simd>(t: Short) {
    unsafe {
        if t.n_queries <= LANES {
            row::<S, 1>(&t);
        } else {
            row::<S, 2>(&t);
        }
    }
}

dispatch! {
    /// # Safety
    /// Pointers and strides are valid for the shape; at most [`MOST`] queries, whose keys, values and outputs lie side by
    /// side; statistics have room for whole vectors.
    short = short_any(t: Short)
}
