//! Softmax attention over ragged rows: a task per (row, head), queries in lanes, keys down the rows.
//!
//! Nothing of size keys × queries outlives a task: the backward pass computes the probabilities again from queries, keys
//! and two saved numbers per query (the greatest score and the reciprocal of the sum).

pub(crate) mod cached;
pub(crate) mod relative;
mod short;

use super::matmul::{Tile, block};
use super::panel::{Cols, PANEL, transpose};
use super::simd::{LANES, Simd, dispatch};
use super::tasks::{Raw, tasks};
use relative::{Bias, along, biased};
use std::cell::{Cell, RefCell};
use std::ptr::null;

/// A batch's rows as attention sees them.
#[derive(Clone, Copy)]
pub(crate) struct Rows<'a> {
    /// Row `r` has the key tokens `offsets[r]..offsets[r + 1]`.
    pub offsets: &'a [usize],
    /// Whether each row has one query, its last token (column `r` of the queries), or one for each token.
    pub last_only: bool,
    /// Whether a query sees only tokens up to its own.
    pub causal: bool,
    /// How many tokens a query sees, its own included, where it does not see all: of a causal row those up to its own, else
    /// as many on either side.
    pub window: Option<usize>,
    pub n_heads: usize,
    /// Heads of keys and values, each for as many heads of queries, which lie side by side.
    pub n_kv_heads: usize,
    /// Features of all heads' queries.
    pub width: usize,
    /// What a score gets for its distance, for rows as long as the longest of these.
    pub bias: Option<Bias<'a>>,
}

/// A matrix in panels of which attention uses `width` features from `first`.
#[derive(Clone, Copy)]
pub(crate) struct Part<'a> {
    pub values: &'a [f32],
    pub rows: usize,
    pub first: usize,
}

impl Part<'_> {
    /// The first feature of a token.
    fn at(&self, cols: Cols, token: usize) -> *const f32 {
        self.values[cols.at(self.rows, self.first, token)..].as_ptr()
    }
}

impl Rows<'_> {
    fn n_rows(&self) -> usize {
        self.offsets.len() - 1
    }

    /// Columns of the keys and values.
    fn keys(&self) -> Cols {
        Cols { n: self.offsets[self.n_rows()] }
    }

    /// Columns of the queries and outputs.
    pub(crate) fn queries(&self) -> Cols {
        if self.last_only { Cols { n: self.n_rows() } } else { self.keys() }
    }

    /// (first key token, keys, first query column, queries) of a row.
    fn row(&self, r: usize) -> (usize, usize, usize, usize) {
        let (start, end) = (self.offsets[r], self.offsets[r + 1]);
        if self.last_only { (start, end - start, r, 1) } else { (start, end - start, start, end - start) }
    }

    /// Features of a head.
    fn head(&self) -> usize {
        self.width / self.n_heads
    }

    /// Heads of queries for each head of keys.
    fn group(&self) -> usize {
        self.n_heads / self.n_kv_heads
    }

    fn check(&self, part: Part, n_heads: usize, cols: Cols) {
        assert!(part.first + n_heads * self.head() <= part.rows && part.values.len() >= cols.len(part.rows));
        assert!(self.width.is_multiple_of(self.n_heads) && self.n_heads.is_multiple_of(self.n_kv_heads));
        assert!(self.bias.is_none_or(|bias| self.offsets.windows(2).all(|row| row[1] - row[0] <= bias.reach())));
    }

    /// What the scores of a head get, from the row's query `query` on; null if they get nothing.
    fn bias_at(&self, head: usize, query: usize) -> *const f32 {
        self.bias.map_or(null(), |bias| bias.at(head, query))
    }

    /// Where a row's own lines of a backward pass begin: one for each head, each [`relative::line`] long.
    fn line_at(&self, r: usize) -> usize {
        self.n_heads * (2 * self.offsets[r] + r * (LANES - 1))
    }
}

thread_local! {
    /// Working memory of this thread's tasks; they never nest.
    static SCRATCH: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) };
}

/// Runs `work` with `n` floats of this thread's working memory, contents arbitrary but finite or zero.
fn with_scratch(n: usize, work: impl FnOnce(*mut f32)) {
    SCRATCH.with_borrow_mut(|scratch| {
        if scratch.len() < n + LANES {
            scratch.resize(n + LANES, 0.0);
        }
        // From a whole cache line on, so that no vector lies across two.
        let start = scratch.as_ptr().align_offset(4 * LANES).min(LANES);
        work(scratch[start..].as_mut_ptr());
    });
}

#[inline(always)]
unsafe fn copy_any<S: Simd>(
    from: *const f32,
    from_stride: usize,
    to: *mut f32,
    to_stride: usize,
    rows: usize,
    n: usize,
    scale: f32,
) {
    unsafe {
        let scale = S::splat(scale);
        for row in 0..rows {
            let (from, to) = (from.add(row * from_stride), to.add(row * to_stride));
            let whole = n / LANES * LANES;
            for v in (0..whole).step_by(LANES) {
                S::store(to.add(v), S::mul(S::load(from.add(v)), scale));
            }
            if whole < n {
                S::store_n(to.add(whole), n - whole, S::mul(S::load_n(from.add(whole), n - whole), scale));
            }
        }
    }
}

dispatch! {
    copy = copy_any(from: *const f32, from_stride: usize, to: *mut f32, to_stride: usize, rows: usize, n: usize, scale: f32)
}

/// Copies tokens `start..start + n` of features `first..first + head` into `[head, stride]`, times `scale`; zeros after.
#[allow(clippy::too_many_arguments)]
unsafe fn collect(
    part: Part,
    first: usize,
    head: usize,
    cols: Cols,
    start: usize,
    n: usize,
    to: *mut f32,
    stride: usize,
    scale: f32,
) {
    unsafe {
        let mut token = start;
        while token < start + n {
            let take = (PANEL - token % PANEL).min(start + n - token);
            let from = part.values.as_ptr().add(cols.at(part.rows, part.first + first, token));
            copy(from, cols.width(token / PANEL), to.add(token - start), stride, head, take, scale);
            token += take;
        }
        if n < stride {
            for row in 0..head {
                std::slice::from_raw_parts_mut(to.add(row * stride + n), stride - n).fill(0.0);
            }
        }
    }
}

/// The way back: `[head, stride]` into tokens `start..start + n` of features `first..`, times `scale`.
#[allow(clippy::too_many_arguments)]
unsafe fn spread(
    from: *const f32,
    stride: usize,
    to: Raw,
    rows: usize,
    first: usize,
    head: usize,
    cols: Cols,
    start: usize,
    n: usize,
    scale: f32,
) {
    unsafe {
        let mut token = start;
        while token < start + n {
            let take = (PANEL - token % PANEL).min(start + n - token);
            let target = to.at(cols.at(rows, first, token));
            copy(from.add(token - start), stride, target, cols.width(token / PANEL), head, take, scale);
            token += take;
        }
    }
}

/// One block of up to 64 queries against their keys.
#[derive(Clone, Copy)]
pub(crate) struct Scores {
    /// `[keys, width]`.
    s: *mut f32,
    width: usize,
    keys: usize,
    /// The last key that the first query sees: its position in the row if the mask is causal; beyond every key if all are seen.
    position: usize,
    /// The first query's position, and how many keys before its own a query sees ([`ALL`] for every one).
    query: usize,
    behind: usize,
    /// What a score gets for its distance: that of the first query and key 0, or null.
    bias: *const f32,
    /// Saved for each query: greatest score, reciprocal of the sum of exponentials.
    greatest: *mut f32,
    reciprocal: *mut f32,
}

/// Lane numbers.
const IOTA: [f32; LANES] = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 11.0, 12.0, 13.0, 14.0, 15.0];
/// A score that no key survives, finite so that differences of scores are.
const MASKED: f32 = -1e30;

/// A window of all keys.
const ALL: usize = usize::MAX;

/// Scores of one key, masked where a query does not see it: it lies too far behind the key, or before it.
#[inline(always)]
unsafe fn masked<S: Simd>(b: &Scores, key: usize, v: usize) -> S::V {
    unsafe {
        let mut score = S::load(b.s.add(key * b.width + v));
        if b.behind != ALL && key + b.behind < b.query + v + LANES - 1 {
            // The last lane that still sees the key; it may lie before the vector.
            let last = S::splat((key + b.behind) as f32 - (b.query + v) as f32);
            score = S::select_lt(last, S::load(IOTA.as_ptr()), S::splat(MASKED), score);
        }
        if key <= b.position + v {
            return score;
        }
        let before = S::splat((key - b.position) as f32 - v as f32);
        S::select_lt(S::load(IOTA.as_ptr()), before, S::splat(MASKED), score)
    }
}

#[inline(always)]
unsafe fn softmax_any<S: Simd>(b: Scores) {
    unsafe {
        for v in (0..b.width).step_by(LANES) {
            let mut most = S::splat(MASKED);
            for key in 0..b.keys {
                most = S::max(masked::<S>(&b, key, v), most);
            }
            let mut sum = S::splat(0.0);
            for key in 0..b.keys {
                let e = S::exp(S::sub(masked::<S>(&b, key, v), most));
                S::store(b.s.add(key * b.width + v), e);
                sum = S::add(sum, e);
            }
            S::store(b.greatest.add(v), most);
            S::store(b.reciprocal.add(v), S::div(S::splat(1.0), sum));
        }
    }
}

dispatch! {
    /// Scores into exponentials (not yet divided by their sum), keeping what [`probabilities`] needs.
    softmax = softmax_any(b: Scores)
}

#[inline(always)]
unsafe fn probabilities_any<S: Simd>(b: Scores) {
    unsafe {
        for v in (0..b.width).step_by(LANES) {
            let (most, reciprocal) = (S::load(b.greatest.add(v)), S::load(b.reciprocal.add(v)));
            for key in 0..b.keys {
                let e = S::exp(S::sub(masked::<S>(&b, key, v), most));
                S::store(b.s.add(key * b.width + v), S::mul(e, reciprocal));
            }
        }
    }
}

dispatch! {
    /// Scores into probabilities, from what [`softmax`] kept.
    probabilities = probabilities_any(b: Scores)
}

#[inline(always)]
unsafe fn scale_columns_any<S: Simd>(x: *mut f32, stride: usize, rows: usize, width: usize, by: *const f32) {
    unsafe {
        for v in (0..width).step_by(LANES) {
            let by = S::load(by.add(v));
            for row in 0..rows {
                S::store(x.add(row * stride + v), S::mul(S::load(x.add(row * stride + v)), by));
            }
        }
    }
}

dispatch! {
    scale_columns = scale_columns_any(x: *mut f32, stride: usize, rows: usize, width: usize, by: *const f32)
}

#[inline(always)]
unsafe fn score_gradient_any<S: Simd>(p: *const f32, dp: *mut f32, keys: usize, width: usize) {
    unsafe {
        for v in (0..width).step_by(LANES) {
            let mut mean = S::splat(0.0);
            for key in 0..keys {
                let at = key * width + v;
                mean = S::fma(S::load(p.add(at)), S::load(dp.add(at)), mean);
            }
            for key in 0..keys {
                let at = key * width + v;
                S::store(dp.add(at), S::mul(S::load(p.add(at)), S::sub(S::load(dp.add(at)), mean)));
            }
        }
    }
}

dispatch! {
    /// `dp` (gradient of the probabilities) into the gradient of the scores: `p ∘ (dp - Σ p dp)`.
    score_gradient = score_gradient_any(p: *const f32, dp: *mut f32, keys: usize, width: usize)
}

/// What the backward pass needs of the softmax: two numbers per head and query.
#[derive(Debug, Default)]
pub(crate) struct Softmax {
    pub greatest: Vec<f32>,
    pub reciprocal: Vec<f32>,
}

/// Floats for the statistics of one row and head: whole vectors, so that tasks never share one.
fn stats_stride(n_queries: usize) -> usize {
    n_queries.next_multiple_of(LANES)
}

/// Where the statistics of (row, head) begin.
fn stats_at(rows: &Rows, r: usize, h: usize) -> usize {
    let (_, _, query, n_queries) = rows.row(r);
    // Padding adds at most 15 floats to each row.
    rows.n_heads * (query + r * (LANES - 1)) + h * stats_stride(n_queries)
}

/// `out = softmax(qᵀk / sqrt(head)) v`, head by head.
pub(crate) fn forward(par: bool, rows: Rows, q: Part, k: Part, v: Part, saved: &mut Softmax, out: &mut [f32]) {
    let (keys, queries) = (rows.keys(), rows.queries());
    rows.check(q, rows.n_heads, queries);
    rows.check(k, rows.n_kv_heads, keys);
    rows.check(v, rows.n_kv_heads, keys);
    assert!(out.len() >= queries.len(rows.width));
    let n_stats = rows.n_heads * (queries.n + rows.n_rows() * (LANES - 1));
    if saved.greatest.len() < n_stats {
        saved.greatest.resize(n_stats, 0.0);
        saved.reciprocal.resize(n_stats, 0.0);
    }
    let (head, group) = (rows.head(), rows.group());
    let scale = 1.0 / (head as f32).sqrt();
    let (out, greatest, reciprocal) = (Raw::new(out), Raw::new(&mut saved.greatest), Raw::new(&mut saved.reciprocal));
    let is_short = |r: usize| {
        let (key, n_keys, query, n_queries) = rows.row(r);
        let within = |first: usize, n: usize| first % PANEL + n <= PANEL;
        n_queries <= short::MOST && within(key, n_keys) && within(query, n_queries)
    };
    let n_short = (0..rows.n_rows()).filter(|r| is_short(*r)).count();
    tasks(par, if n_short > 0 { rows.n_rows() } else { 0 }, |r| {
        if !is_short(r) {
            return;
        }
        let (key, n_keys, query, n_queries) = rows.row(r);
        let (width, stats) = (n_queries.next_multiple_of(LANES), stats_at(&rows, r, 0));
        with_scratch(width * (head + n_keys.next_multiple_of(8)), |scratch| {
            // Safety: the row's tokens lie within one panel; tasks write their own row.
            unsafe {
                short::short(short::Short {
                    q: q.at(queries, query),
                    q_stride: queries.width(query / PANEL),
                    k: k.at(keys, key),
                    v: v.at(keys, key),
                    kv_stride: keys.width(key / PANEL),
                    out: out.at(queries.at(rows.width, 0, query)),
                    head,
                    n_heads: rows.n_heads,
                    group,
                    n_queries,
                    scale,
                    scratch,
                    scores: scores(&rows, 0, 0, n_keys, n_queries, scratch, greatest.at(stats), reciprocal.at(stats)),
                    stats_stride: stats_stride(n_queries),
                    bias_stride: rows.bias.map_or(0, |bias| bias.stride()),
                });
            }
        });
    });
    if n_short == rows.n_rows() {
        return;
    }
    tasks(par, rows.n_rows() * rows.n_heads, |task| {
        let (r, h) = (task / rows.n_heads, task % rows.n_heads);
        let kv = h / group;
        if is_short(r) {
            return;
        }
        let (key, n_keys, query, n_queries) = rows.row(r);
        let (stride, q_stride) = (n_keys.next_multiple_of(LANES), n_queries.next_multiple_of(LANES));
        let size = head * (2 * q_stride + 2 * stride) + n_keys * PANEL;
        with_scratch(size, |scratch| {
            // Safety: scratch holds the five matrices one after another; tasks write their own row and head.
            unsafe {
                let (qs, os) = (scratch, scratch.add(head * q_stride));
                let (ks, vs) = (os.add(head * q_stride), os.add(head * (q_stride + stride)));
                let s = vs.add(head * stride);
                collect(q, h * head, head, queries, query, n_queries, qs, q_stride, scale);
                collect(k, kv * head, head, keys, key, n_keys, ks, stride, 1.0);
                collect(v, kv * head, head, keys, key, n_keys, vs, stride, 1.0);
                let stats = stats_at(&rows, r, h);
                for from in (0..n_queries).step_by(PANEL) {
                    let b = scores(
                        &rows,
                        h,
                        from,
                        n_keys,
                        n_queries,
                        s,
                        greatest.at(stats + from),
                        reciprocal.at(stats + from),
                    );
                    b.compute(ks, stride, qs.add(from), q_stride, head);
                    softmax(b);
                    block(Tile {
                        a: vs,
                        a_rows: stride,
                        a_cols: 1,
                        b: s,
                        b_stride: b.width,
                        c: os.add(from),
                        c_stride: q_stride,
                        bias: null(),
                        residual: null(),
                        rows: head,
                        depth: b.keys,
                        cols: b.width,
                    });
                    scale_columns(os.add(from), q_stride, head, b.width, b.reciprocal);
                }
                spread(os, q_stride, out, rows.width, h * head, head, queries, query, n_queries, 1.0);
            }
        });
    });
}

/// The block of head `head`'s queries that starts at `from`.
#[allow(clippy::too_many_arguments)]
unsafe fn scores(
    rows: &Rows,
    head: usize,
    from: usize,
    n_keys: usize,
    n_queries: usize,
    s: *mut f32,
    greatest: *mut f32,
    reciprocal: *mut f32,
) -> Scores {
    let width = (n_queries.next_multiple_of(LANES) - from).min(PANEL);
    let query = n_keys - n_queries + from;
    let behind = rows.window.map_or(ALL, |window| window.saturating_sub(1).min(n_keys));
    let (keys, position) = match (rows.causal, behind) {
        (true, _) => ((query + width).min(n_keys), query),
        (false, ALL) => (n_keys, n_keys),
        (false, ahead) => ((query + width + ahead).min(n_keys), query + ahead),
    };
    Scores { s, width, keys, position, query, behind, bias: rows.bias_at(head, query), greatest, reciprocal }
}

impl Scores {
    /// Makes the scores: keys, `head` rows of `stride`, times queries, `head` rows of `q_stride`, and what they get for their
    /// distance. Gives the product.
    unsafe fn compute(
        self,
        keys: *const f32,
        stride: usize,
        queries: *const f32,
        q_stride: usize,
        head: usize,
    ) -> Tile {
        let tile = Tile {
            a: keys,
            a_rows: 1,
            a_cols: stride,
            b: queries,
            b_stride: q_stride,
            c: self.s,
            c_stride: self.width,
            bias: null(),
            residual: null(),
            rows: self.keys,
            depth: head,
            cols: self.width,
        };
        // Safety: the operands are as the caller promises.
        unsafe {
            block(tile);
            if !self.bias.is_null() {
                biased(self);
            }
        }
        tile
    }
}

/// Where gradients of queries, keys and values go: rows of the buffer and the first feature.
#[derive(Clone, Copy)]
pub(crate) struct Into<'a> {
    pub values: Raw<'a>,
    pub rows: usize,
    pub first: usize,
}

thread_local! {
    /// Lines of rows of their own; taken while a backward pass uses them.
    static LINES: Cell<Vec<f32>> = const { Cell::new(Vec::new()) };
}

/// Gradients of queries, keys and values from `d_out`. They are set, not added to; that of `rows.bias` is added to
/// `d_lines`, laid out as its lines are (and empty where there is none).
#[allow(clippy::too_many_arguments)]
pub(crate) fn backward(
    par: bool,
    rows: Rows,
    q: Part,
    k: Part,
    v: Part,
    saved: &mut Softmax,
    d_out: &[f32],
    dq: Into,
    dk: Into,
    dv: Into,
    d_lines: &mut [f32],
) {
    let (keys, queries) = (rows.keys(), rows.queries());
    rows.check(q, rows.n_heads, queries);
    rows.check(k, rows.n_kv_heads, keys);
    rows.check(v, rows.n_kv_heads, keys);
    let d_out = Part { values: d_out, rows: rows.width, first: 0 };
    rows.check(d_out, rows.n_heads, queries);
    let (head, group) = (rows.head(), rows.group());
    let scale = 1.0 / (head as f32).sqrt();
    let (greatest, reciprocal) = (Raw::new(&mut saved.greatest), Raw::new(&mut saved.reciprocal));
    let mut lines = LINES.take();
    lines.clear();
    lines.resize(if rows.bias.is_some() { rows.line_at(rows.n_rows()) } else { 0 }, 0.0);
    let own_lines = Raw::new(&mut lines);
    tasks(par, rows.n_rows() * rows.n_kv_heads, |task| {
        let (r, kv) = (task / rows.n_kv_heads, task % rows.n_kv_heads);
        let (key, n_keys, query, n_queries) = rows.row(r);
        let (stride, q_stride) = (n_keys.next_multiple_of(LANES), n_queries.next_multiple_of(LANES));
        let size = head * (3 * q_stride + 4 * stride) + 3 * stride * PANEL;
        with_scratch(size, |scratch| {
            let mut next = scratch;
            let mut take = |n: usize| {
                let here = next;
                // Safety: the sizes taken below sum to `size`.
                next = unsafe { next.add(n) };
                here
            };
            let (qs, dos, dqs) = (take(head * q_stride), take(head * q_stride), take(head * q_stride));
            let (ks, vs, dks, dvs) =
                (take(head * stride), take(head * stride), take(head * stride), take(head * stride));
            let (s, ds, turned) = (take(stride * PANEL), take(stride * PANEL), take(stride * PANEL));
            // Safety: as in `forward`.
            unsafe {
                collect(k, kv * head, head, keys, key, n_keys, ks, stride, 1.0);
                collect(v, kv * head, head, keys, key, n_keys, vs, stride, 1.0);
                std::slice::from_raw_parts_mut(dks, 2 * head * stride).fill(0.0);
                for h in kv * group..(kv + 1) * group {
                    collect(q, h * head, head, queries, query, n_queries, qs, q_stride, scale);
                    collect(d_out, h * head, head, queries, query, n_queries, dos, q_stride, 1.0);
                    let stats = stats_at(&rows, r, h);
                    for from in (0..n_queries).step_by(PANEL) {
                        let b = scores(
                            &rows,
                            h,
                            from,
                            n_keys,
                            n_queries,
                            s,
                            greatest.at(stats + from),
                            reciprocal.at(stats + from),
                        );
                        let tile = b.compute(ks, stride, qs.add(from), q_stride, head);
                        probabilities(b);
                        block(Tile { a: vs, b: dos.add(from), c: ds, ..tile });
                        // dv[d, j] += Σ_i do[d, i] p[j, i]
                        accumulate(s, &b, turned, dos.add(from), q_stride, n_queries - from, dvs, stride, head);
                        score_gradient(s, ds, b.keys, b.width);
                        if !b.bias.is_null() {
                            let place = rows.line_at(r) + h * relative::line(n_keys);
                            along(ds, b.keys, b.width, own_lines.at(place + n_keys - 1 + n_keys - n_queries + from));
                        }
                        // dk[d, j] += Σ_i q[d, i] ds[j, i]
                        accumulate(ds, &b, turned, qs.add(from), q_stride, n_queries - from, dks, stride, head);
                        block(Tile {
                            a: ks,
                            a_rows: stride,
                            a_cols: 1,
                            b: ds,
                            b_stride: b.width,
                            c: dqs.add(from),
                            c_stride: q_stride,
                            bias: null(),
                            residual: null(),
                            rows: head,
                            depth: b.keys,
                            cols: b.width,
                        });
                    }
                    spread(
                        dqs,
                        q_stride,
                        dq.values,
                        dq.rows,
                        dq.first + h * head,
                        head,
                        queries,
                        query,
                        n_queries,
                        scale,
                    );
                }
                spread(dks, stride, dk.values, dk.rows, dk.first + kv * head, head, keys, key, n_keys, 1.0);
                spread(dvs, stride, dv.values, dv.rows, dv.first + kv * head, head, keys, key, n_keys, 1.0);
            }
        });
    });
    if let Some(bias) = rows.bias {
        bias.sum(&rows, &lines, d_lines);
    }
    LINES.set(lines);
}

/// `sum[d, j] += Σ_i left[d, i] m[j, i]` over the queries of a block; `m` is turned first so that keys lie along lanes.
#[allow(clippy::too_many_arguments)]
unsafe fn accumulate(
    m: *const f32,
    b: &Scores,
    turned: *mut f32,
    left: *const f32,
    left_stride: usize,
    n_left: usize,
    sum: *mut f32,
    stride: usize,
    head: usize,
) {
    let depth = b.width.min(n_left);
    unsafe {
        transpose(m, b.width, b.keys, depth, turned, stride);
        for key in (0..b.keys).step_by(PANEL) {
            let cols = (b.keys - key).min(PANEL);
            block(Tile {
                a: left,
                a_rows: left_stride,
                a_cols: 1,
                b: turned.add(key),
                b_stride: stride,
                c: sum.add(key),
                c_stride: stride,
                bias: null(),
                residual: sum.add(key),
                rows: head,
                depth,
                cols,
            });
        }
    }
}
