//! Attention over a row's past: keys and values of its earlier tokens are kept, and only new tokens ask.
//!
//! Keys lie in blocks of sixteen, a key per lane, so that scores need no sum across lanes; values lie token after token.
//! A query's sums run over its own row's keys in order, so what stands beside it, or how its row was cut into passes,
//! changes no bit.

use super::super::panel::Cols;
use super::super::simd::{LANES, Simd, dispatch};
use super::super::tasks::{Raw, tasks};
use super::{IOTA, MASKED, Part, with_scratch};

/// Keys and values of one layer for one row.
#[derive(Debug, Clone)]
pub(crate) struct KeysValues {
    n_heads: usize,
    head: usize,
    /// Blocks of sixteen tokens that there is room for.
    n_blocks: usize,
    /// `[heads, blocks, head, 16]`.
    keys: Vec<f32>,
    /// `[heads, 16 · blocks, head rounded up to 16]`.
    values: Vec<f32>,
}

impl KeysValues {
    /// Room for `capacity` tokens of `n_heads` heads of `head` features.
    pub(crate) fn new(n_heads: usize, head: usize, capacity: usize) -> Self {
        let n_blocks = capacity.div_ceil(LANES);
        let (keys, values) = (n_heads * n_blocks * LANES * head, n_heads * n_blocks * LANES * padded(head));
        // Zeroed pages take memory once something is written there.
        KeysValues { n_heads, head, n_blocks, keys: vec![0.0; keys], values: vec![0.0; values] }
    }

    /// Bytes when full.
    pub(crate) fn n_bytes(&self) -> usize {
        size_of_val(&*self.keys) + size_of_val(&*self.values)
    }

    /// Takes over the first `n` tokens of another row of the same kind.
    pub(crate) fn copy_from(&mut self, other: &KeysValues, n: usize) {
        let (blocks, wide) = (n.div_ceil(LANES), padded(self.head));
        for h in 0..self.n_heads {
            let at = |of: &KeysValues| h * of.n_blocks * LANES;
            let (to, from) = (at(self) * self.head, at(other) * self.head);
            let n_keys = blocks * LANES * self.head;
            self.keys[to..to + n_keys].copy_from_slice(&other.keys[from..from + n_keys]);
            let (to, from) = (at(self) * wide, at(other) * wide);
            self.values[to..to + n * wide].copy_from_slice(&other.values[from..from + n * wide]);
        }
    }

    /// Keeps column `token` of `k` and `v` as the row's token `place`.
    pub(crate) fn put(&mut self, place: usize, k: Part, v: Part, cols: Cols, token: usize) {
        let (head, wide) = (self.head, padded(self.head));
        for h in 0..self.n_heads {
            let block = ((h * self.n_blocks) + place / LANES) * LANES * head + place % LANES;
            let row = (h * self.n_blocks * LANES + place) * wide;
            for i in 0..head {
                self.keys[block + i * LANES] = k.values[cols.at(k.rows, k.first + h * head + i, token)];
                self.values[row + i] = v.values[cols.at(v.rows, v.first + h * head + i, token)];
            }
        }
    }
}

/// Features of a head in whole vectors.
fn padded(head: usize) -> usize {
    head.next_multiple_of(LANES)
}

/// One query of one head.
#[derive(Clone, Copy)]
pub(crate) struct Query {
    /// Scaled, `[head]`.
    q: *const f32,
    keys: *const f32,
    values: *const f32,
    n_keys: usize,
    /// The first key that it sees.
    from: usize,
    head: usize,
    /// Room for `n_keys` rounded up to whole vectors.
    scores: *mut f32,
    /// `[head rounded up]`.
    out: *mut f32,
}

#[inline(always)]
unsafe fn attend_any<S: Simd>(query: Query) {
    let Query { q, keys, values, n_keys, from, head, scores, out } = query;
    // Whole vectors: what lies before the first key gets no weight.
    let first = from / LANES * LANES;
    unsafe {
        let mut most = S::splat(MASKED);
        for at in (first..n_keys).step_by(LANES) {
            let block = keys.add(at * head);
            // Two sums side by side hide the latency of the addition.
            let (mut even, mut odd) = (S::splat(0.0), S::splat(0.0));
            for i in (0..head).step_by(2) {
                even = S::fma(S::splat(*q.add(i)), S::load(block.add(i * LANES)), even);
                if i + 1 < head {
                    odd = S::fma(S::splat(*q.add(i + 1)), S::load(block.add((i + 1) * LANES)), odd);
                }
            }
            let n_left = S::splat((n_keys - at) as f32);
            let mut score = S::select_lt(S::load(IOTA.as_ptr()), n_left, S::add(even, odd), S::splat(MASKED));
            if at < from {
                score = S::select_lt(S::load(IOTA.as_ptr()), S::splat((from - at) as f32), S::splat(MASKED), score);
            }
            S::store(scores.add(at), score);
            most = S::max(score, most);
        }
        let greatest = S::splat(S::to_array(most).into_iter().fold(MASKED, f32::max));
        let mut sum = S::splat(0.0);
        for at in (first..n_keys).step_by(LANES) {
            let e = S::exp(S::sub(S::load(scores.add(at)), greatest));
            S::store(scores.add(at), e);
            sum = S::add(sum, e);
        }
        let share = S::splat(1.0 / S::sum(sum));
        let wide = head.next_multiple_of(LANES);
        for v in (0..wide).step_by(LANES) {
            let (mut even, mut odd) = (S::splat(0.0), S::splat(0.0));
            for key in (first..n_keys).step_by(2) {
                even = S::fma(S::splat(*scores.add(key)), S::load(values.add(key * wide + v)), even);
                if key + 1 < n_keys {
                    odd = S::fma(S::splat(*scores.add(key + 1)), S::load(values.add((key + 1) * wide + v)), odd);
                }
            }
            S::store(out.add(v), S::mul(S::add(even, odd), share));
        }
    }
}

dispatch! {
    attend = attend_any(query: Query)
}

/// New tokens of several rows.
#[derive(Clone, Copy)]
pub(crate) struct Fresh<'a> {
    /// Row `r` has the new tokens `offsets[r]..offsets[r + 1]`.
    pub offsets: &'a [usize],
    /// How many tokens each row had before.
    pub starts: &'a [usize],
    pub n_heads: usize,
    /// Features of all heads' queries.
    pub width: usize,
    /// How many tokens a query sees, its own included, if not all before it.
    pub window: Option<usize>,
}

/// `out = softmax(qᵀk / sqrt(head)) v`, head by head: each new token over its row's tokens up to itself, which `past` has.
pub(crate) fn forward(par: bool, fresh: Fresh, q: Part, past: &[&KeysValues], out: &mut [f32]) {
    let Fresh { offsets, starts, n_heads, width, window } = fresh;
    let (n_rows, head) = (past.len(), width / n_heads);
    let cols = Cols { n: offsets[n_rows] };
    assert!(q.first + width <= q.rows && q.values.len() >= cols.len(q.rows) && out.len() >= cols.len(width));
    let (scale, wide) = (1.0 / (head as f32).sqrt(), padded(head));
    let out = Raw::new(out);
    tasks(par, n_rows * n_heads, |task| {
        let (r, h) = (task / n_heads, task % n_heads);
        let (own, n_new) = (past[r], offsets[r + 1] - offsets[r]);
        let most = (starts[r] + n_new).next_multiple_of(LANES);
        assert!(most <= own.n_blocks * LANES && own.head == head && n_heads.is_multiple_of(own.n_heads));
        let kv = h / (n_heads / own.n_heads) * own.n_blocks * LANES;
        with_scratch(2 * wide + most, |scratch| {
            // Safety: scratch holds query, output and scores one after another; tasks write their own row and head.
            unsafe {
                let (query, attended, scores) = (scratch, scratch.add(wide), scratch.add(2 * wide));
                for new in 0..n_new {
                    let token = offsets[r] + new;
                    for i in 0..head {
                        *query.add(i) = scale * q.values[cols.at(q.rows, q.first + h * head + i, token)];
                    }
                    let n_keys = starts[r] + new + 1;
                    attend(Query {
                        q: query,
                        keys: own.keys.as_ptr().add(kv * head),
                        values: own.values.as_ptr().add(kv * wide),
                        n_keys,
                        from: window.map_or(0, |window| n_keys.saturating_sub(window)),
                        head,
                        scores,
                        out: attended,
                    });
                    for i in 0..head {
                        *out.at(cols.at(width, h * head + i, token)) = *attended.add(i);
                    }
                }
            }
        });
    });
}

#[cfg(test)]
mod tests {
    use super::super::super::panel::from_tokens;
    use super::super::{Rows, Softmax};
    use super::*;
    use crate::core::random::Random;

    /// Heads of more and of fewer features than a vector, in one pass and in several, against attention without a past.
    #[test]
    fn a_past_gives_what_the_whole_row_gives() {
        let mut random = Random::new(0, "cached");
        for (head, n_heads, n_kv, window) in [
            (8, 4, 4, None),
            (20, 4, 2, None),
            (3, 2, 1, Some(5)),
            (32, 2, 2, Some(1)),
            (8, 2, 2, Some(20)),
            (8, 2, 2, None),
        ] {
            let lengths = [37, 5, 18];
            let (width, kv) = (n_heads * head, n_kv * head);
            let rows = width + 2 * kv;
            let offsets: Vec<usize> = [0]
                .into_iter()
                .chain(lengths.iter().scan(0, |at, n| {
                    *at += n;
                    Some(*at)
                }))
                .collect();
            let cols = Cols { n: offsets[3] };
            let tokens: Vec<f32> = (0..rows * cols.n + LANES).map(|_| random.normal() as f32).collect();
            let mut qkv = vec![0.0; cols.len(rows)];
            from_tokens(false, &tokens, rows, cols, &mut qkv);
            let part = |first| Part { values: &qkv, rows, first };
            let mut whole = vec![0.0; cols.len(width)];
            let all = Rows {
                offsets: &offsets,
                last_only: false,
                causal: true,
                window,
                n_heads,
                n_kv_heads: n_kv,
                width,
                bias: None,
            };
            super::super::forward(
                false,
                all,
                part(0),
                part(width),
                part(width + kv),
                &mut Softmax::default(),
                &mut whole,
            );

            // Each row by itself, `pass` tokens at a time.
            let passes = |pass: usize, par| {
                let mut found = Vec::new();
                for r in 0..3 {
                    let mut past = KeysValues::new(n_kv, head, lengths[r]);
                    for start in (0..lengths[r]).step_by(pass) {
                        let n = pass.min(lengths[r] - start);
                        let mut some = vec![0.0; Cols { n }.len(rows)];
                        let from = (offsets[r] + start) * rows;
                        from_tokens(false, &tokens[from..from + n * rows + LANES], rows, Cols { n }, &mut some);
                        let part = |first| Part { values: &some, rows, first };
                        for token in 0..n {
                            past.put(start + token, part(width), part(width + kv), Cols { n }, token);
                        }
                        let mut out = vec![0.0; Cols { n }.len(width)];
                        let fresh = Fresh { offsets: &[0, n], starts: &[start], n_heads, width, window };
                        forward(par, fresh, part(0), &[&past], &mut out);
                        for token in 0..n {
                            found.extend((0..width).map(|i| out[Cols { n }.at(width, i, token)]));
                        }
                    }
                }
                found
            };
            let one = passes(1, false);
            let expected: Vec<f32> = (0..cols.n)
                .flat_map(|t| (0..width).map(move |i| (i, t)))
                .map(|(i, t)| whole[cols.at(width, i, t)])
                .collect();
            let apart = one.iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(apart < 2e-6, "{apart} with {n_heads} heads of {head}");
            assert!(one == passes(4, false) && one == passes(100, true), "cuts and threads change no bit");

            let (mut full, mut copy) = (KeysValues::new(n_kv, head, 40), KeysValues::new(n_kv, head, 20));
            (0..18).for_each(|token| full.put(token, part(width), part(width + kv), cols, token));
            copy.copy_from(&full, 18);
            let attended = |past: &KeysValues| {
                let mut out = vec![0.0; Cols { n: 1 }.len(width)];
                let some = vec![0.25; Cols { n: 1 }.len(rows)];
                let fresh = Fresh { offsets: &[0, 1], starts: &[17], n_heads, width, window: None };
                forward(false, fresh, Part { values: &some, rows, first: 0 }, &[past], &mut out);
                out
            };
            assert!(attended(&full) == attended(&copy));
        }
    }
}
