//! Products of a weight with few columns, as generation needs them: a token or a few for each sequence.
//!
//! Each output is a dot product of a row of the weight and a token's features, both contiguous: sixteen sums along the
//! features, then the sum of those. The weight is read once, in order, as fast as memory gives it. How many tokens are
//! computed together changes no bit of any of them, which no other product here promises: they choose between kernels
//! by the number of columns.
//!
//! Where the sums are short and tokens many, most of the time would go into summing sixteen lanes for each output. There a
//! token stands in each lane, and the sixteen sums of an output are sixteen vectors ([`lanes`]): the same additions in the same order.

use super::gelu::gelu_in_place;
use super::matmul::Onto;
use super::pages;
use super::panel::{Cols, PANEL, from_tokens, to_tokens, transpose, zero_padding};
use super::simd::{LANES, Simd, dispatch};
use super::tasks::{Raw, tasks};
use std::cell::Cell;

/// Rows of a task. Arbitrary: some ten microseconds of reading.
const ROWS: usize = 64;

/// Numbers of a sum, at most, and tokens, at least, for which a token stands in each lane. Arbitrary, by counting operations: from some 256 numbers on
/// a sum across lanes costs less than what it sums, and below half a vector of tokens most lanes are idle.
const SHORT: usize = 256;
const MANY: usize = LANES / 2;

/// Rows of a weight times tokens.
#[derive(Clone, Copy)]
pub(crate) struct Part {
    /// Row-major `[rows, depth]`.
    w: *const f32,
    rows: usize,
    depth: usize,
    /// Row-major `[n, depth]`.
    x: *const f32,
    n: usize,
    /// Output `(token, row)` is at `token * stride + row`.
    y: *mut f32,
    stride: usize,
}

#[inline(always)]
#[allow(clippy::needless_range_loop)] // Plain indices are what keeps the sums in registers.
unsafe fn tile<S: Simd, const M: usize, const N: usize>(p: &Part, row: usize, token: usize) {
    unsafe {
        let w: [*const f32; M] = std::array::from_fn(|m| p.w.add((row + m) * p.depth));
        let x: [*const f32; N] = std::array::from_fn(|n| p.x.add((token + n) * p.depth));
        let mut sums = [[S::splat(0.0); N]; M];
        let whole = p.depth / LANES * LANES;
        for k in (0..whole).step_by(LANES) {
            let left: [S::V; M] = std::array::from_fn(|m| S::load(w[m].add(k)));
            for n in 0..N {
                let right = S::load(x[n].add(k));
                for m in 0..M {
                    sums[m][n] = S::fma(left[m], right, sums[m][n]);
                }
            }
        }
        let rest = p.depth - whole;
        if rest > 0 {
            let left: [S::V; M] = std::array::from_fn(|m| S::load_n(w[m].add(whole), rest));
            for n in 0..N {
                let right = S::load_n(x[n].add(whole), rest);
                for m in 0..M {
                    sums[m][n] = S::fma(left[m], right, sums[m][n]);
                }
            }
        }
        for m in 0..M {
            for n in 0..N {
                *p.y.add((token + n) * p.stride + row + m) = S::sum(sums[m][n]);
            }
        }
    }
}

/// `M` rows with all tokens.
#[inline(always)]
unsafe fn line<S: Simd, const M: usize, const N: usize>(p: &Part, row: usize) {
    unsafe {
        let mut token = 0;
        while token + N <= p.n {
            tile::<S, M, N>(p, row, token);
            token += N;
        }
        while token + 2 <= p.n {
            tile::<S, M, 2>(p, row, token);
            token += 2;
        }
        if token < p.n {
            tile::<S, M, 1>(p, row, token);
        }
    }
}

#[inline(always)]
unsafe fn part_any<S: Simd>(p: Part) {
    unsafe {
        let mut row = 0;
        while row + 4 <= p.rows {
            // As many sums as registers hold beside their operands.
            if S::COLS == 1 {
                line::<S, 4, 2>(&p, row)
            } else {
                line::<S, 4, 6>(&p, row)
            }
            row += 4;
        }
        while row < p.rows {
            line::<S, 1, 6>(&p, row);
            row += 1;
        }
    }
}

dispatch! {
    part = part_any(p: Part)
}

/// `y[t, o] = Σ_k x[t, k] w[o, k]`: `w` row-major `[rows, depth]`, `x` `[n, depth]`, `y` `[n, rows]`.
pub(crate) fn dots(par: bool, w: &[f32], rows: usize, depth: usize, x: &[f32], n: usize, y: &mut [f32]) {
    assert!(w.len() >= rows * depth && x.len() >= n * depth && y.len() >= n * rows);
    let y = Raw::new(y);
    tasks(par, rows.div_ceil(ROWS), |task| {
        let row = task * ROWS;
        // Safety: lengths were checked above; each task writes its own rows' outputs.
        unsafe {
            part(Part {
                w: w.as_ptr().add(row * depth),
                rows: (rows - row).min(ROWS),
                depth,
                x: x.as_ptr(),
                n,
                y: y.at(row),
                stride: rows,
            });
        }
    });
}

/// Rows of a weight times a panel of tokens.
#[derive(Clone, Copy)]
pub(crate) struct Lanes {
    /// Row-major `[rows, depth]`.
    w: *const f32,
    rows: usize,
    depth: usize,
    /// `[depth, width]`, a token per lane.
    x: *const f32,
    /// Of the panel in memory: whole vectors.
    width: usize,
    /// `[rows, width]`.
    y: *mut f32,
}

/// The sum of four of an output's sixteen sums, `i`, `i + 8`, `i + 4` and `i + 12`, of sixteen tokens: as many as stay in registers.
#[inline(always)]
unsafe fn four<S: Simd>(p: &Lanes, w: *const f32, x: *const f32, i: usize) -> S::V {
    let mut sums = [unsafe { S::splat(0.0) }; 4];
    let places = [i, i + 8, i + 4, i + 12];
    unsafe {
        let mut at = 0;
        while at + LANES <= p.depth {
            for (sum, i) in sums.iter_mut().zip(places) {
                *sum = S::fma(S::splat(*w.add(at + i)), S::load(x.add((at + i) * p.width)), *sum);
            }
            at += LANES;
        }
        for (sum, i) in sums.iter_mut().zip(places) {
            if at + i < p.depth {
                *sum = S::fma(S::splat(*w.add(at + i)), S::load(x.add((at + i) * p.width)), *sum);
            }
        }
        S::add(S::add(sums[0], sums[1]), S::add(sums[2], sums[3]))
    }
}

#[inline(always)]
unsafe fn lanes_any<S: Simd>(p: Lanes) {
    for row in 0..p.rows {
        for v in (0..p.width).step_by(LANES) {
            unsafe {
                let (w, x) = (p.w.add(row * p.depth), p.x.add(v));
                // Folded as `Simd::sum` folds lanes: 8, 4, 2, 1.
                let even = S::add(four::<S>(&p, w, x, 0), four::<S>(&p, w, x, 2));
                let odd = S::add(four::<S>(&p, w, x, 1), four::<S>(&p, w, x, 3));
                S::store(p.y.add(row * p.width + v), S::add(even, odd));
            }
        }
    }
}

dispatch! {
    /// A product with a token in each lane.
    lanes = lanes_any(p: Lanes)
}

/// As [`dots`], which it is for long sums and for few tokens; the same bits for short sums and many.
pub(crate) fn dots_of_many(par: bool, w: &[f32], rows: usize, depth: usize, x: &[f32], n: usize, y: &mut [f32]) {
    if depth > SHORT || n < MANY {
        return dots(par, w, rows, depth, x, n, y);
    }
    assert!(w.len() >= rows * depth && x.len() >= n * depth && y.len() >= n * rows);
    let cols = Cols { n };
    let [mut tokens, outputs, mut panels] = SCRATCH.take();
    // The last vector of a row is read whole.
    pages::grow(&mut tokens, n * depth + LANES);
    tokens[..n * depth].copy_from_slice(&x[..n * depth]);
    pages::grow(&mut panels, cols.len(depth));
    from_tokens(false, &tokens, depth, cols, &mut panels);
    let x = &panels[..cols.len(depth)];
    let y = Raw::new(y);
    tasks(par, rows.div_ceil(ROWS), |task| {
        let row = task * ROWS;
        let n_rows = (rows - row).min(ROWS);
        let mut block = [0.0f32; ROWS * PANEL];
        for p in 0..cols.n_panels() {
            let width = cols.width(p);
            // Safety: lengths were checked above; the block has room for a panel of so many rows, and each task writes its own
            // rows' outputs.
            unsafe {
                let (w, x) = (w.as_ptr().add(row * depth), x.as_ptr().add(p * PANEL * depth));
                lanes(Lanes { w, rows: n_rows, depth, x, width, y: block.as_mut_ptr() });
                transpose(block.as_ptr(), width, n_rows, cols.valid(p), y.at(p * PANEL * rows + row), rows);
            }
        }
    });
    SCRATCH.set([tokens, outputs, panels]);
}

/// The same in panels.
fn in_lanes(par: bool, w: &[f32], rows: usize, depth: usize, x: &[f32], cols: Cols, y: &mut [f32]) {
    assert!(w.len() >= rows * depth && x.len() >= cols.len(depth) && y.len() >= cols.len(rows));
    {
        let y = Raw::new(y);
        tasks(par, cols.n_panels(), |p| {
            // Safety: lengths were checked above; each task writes its own panel.
            unsafe {
                let (x, y) = (x.as_ptr().add(p * PANEL * depth), y.at(p * PANEL * rows));
                lanes(Lanes { w: w.as_ptr(), rows, depth, x, width: cols.width(p), y });
            }
        });
    }
    zero_padding(rows, cols, y);
}

thread_local! {
    /// This thread's operands, token by token, and sums in panels; taken while a product uses them.
    static SCRATCH: Cell<[Vec<f32>; 3]> = const { Cell::new([const { Vec::new() }; 3]) };
}

/// As [`super::matmul::product`], by dot products.
#[allow(clippy::too_many_arguments)]
pub(crate) fn product_by_dots(
    par: bool,
    w: &[f32],
    rows: usize,
    depth: usize,
    x: &[f32],
    cols: Cols,
    onto: Onto,
    y: &mut [f32],
) {
    let [mut tokens, mut outputs, mut panels] = SCRATCH.take();
    pages::grow(&mut panels, cols.len(rows));
    if depth <= SHORT && cols.n >= MANY {
        in_lanes(par, w, rows, depth, x, cols, &mut panels[..cols.len(rows)]);
    } else {
        pages::grow(&mut tokens, depth * cols.n);
        pages::grow(&mut outputs, rows * cols.n + LANES);
        to_tokens(false, x, depth, cols, &mut tokens);
        dots(par, w, rows, depth, &tokens, cols.n, &mut outputs);
        from_tokens(false, &outputs, rows, cols, &mut panels);
    }
    add(&panels[..cols.len(rows)], rows, cols, onto, &mut y[..cols.len(rows)]);
    SCRATCH.set([tokens, outputs, panels]);
}

/// `sums` plus what `onto` says, into `y`.
fn add(sums: &[f32], rows: usize, cols: Cols, onto: Onto, y: &mut [f32]) {
    let (bias, residual) = match onto {
        Onto::Nothing | Onto::Itself => (None, None),
        Onto::Bias(bias) => (Some(bias), None),
        Onto::Bent(bias, _) => (bias, None),
        Onto::BiasAnd(bias, residual) => (Some(bias), Some(residual)),
        Onto::And(residual) => (None, Some(residual)),
    };
    for p in 0..cols.n_panels() {
        let width = cols.width(p);
        for row in 0..rows {
            let from = p * PANEL * rows + row * width;
            let range = from..from + width;
            let bias = bias.map_or(0.0, |bias| bias[row]);
            let to = y[range.clone()].iter_mut().zip(&sums[range.clone()]);
            match (residual, onto) {
                (Some(residual), _) => to.zip(&residual[range]).for_each(|((y, sum), r)| *y = sum + bias + r),
                (None, Onto::Itself) => to.for_each(|(y, sum)| *y += sum),
                (None, _) => to.for_each(|(y, sum)| *y = sum + bias),
            }
        }
    }
    if let Onto::Bent(_, activation) = onto {
        gelu_in_place(false, activation, y);
    }
}

#[cfg(test)]
mod tests {
    use super::super::gelu::Activation;
    use super::super::matmul::{Left, product};
    use super::*;
    use crate::core::random::Random;

    fn normal(n: usize, seed: u64) -> Vec<f32> {
        let mut random = Random::new(seed, "dots");
        (0..n).map(|_| random.normal() as f32).collect()
    }

    #[test]
    fn each_output_is_the_dot_product_whatever_stands_beside_it() {
        for (rows, depth) in [(1, 1), (7, 5), (66, 16), (65, 40), (130, 129)] {
            let (w, x) = (normal(rows * depth, 1), normal(13 * depth, 2));
            let all = |n: usize, x: &[f32], par| {
                let mut y = vec![f32::NAN; n * rows];
                dots(par, &w, rows, depth, x, n, &mut y);
                y
            };
            let y = all(13, &x, false);
            for (at, y) in y.iter().enumerate() {
                let (t, o) = (at / rows, at % rows);
                let pairs = w[o * depth..][..depth].iter().zip(&x[t * depth..][..depth]);
                let exact: f64 = pairs.map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
                assert!(
                    (f64::from(*y) - exact).abs() < 3e-6 * (depth as f64).sqrt().max(1.0) * 3.0,
                    "{rows} × {depth}"
                );
            }
            assert!(all(13, &x, true) == y, "threads");
            for n in [1, 2, 3, 5, 8] {
                assert!(all(n, &x, false) == y[..n * rows], "{n} tokens of {rows} × {depth}");
            }
            let alone = all(1, &x[6 * depth..7 * depth], false);
            assert!(alone == y[6 * rows..7 * rows], "a token alone");
        }
    }

    /// A token in each lane: the same bits as a token alone, for whole and broken vectors of tokens and of features.
    #[test]
    fn a_token_in_each_lane_gives_the_same_bits() {
        for (rows, depth) in [(1, 1), (7, 5), (66, 16), (65, 40), (130, 129), (33, 256)] {
            let n = 70;
            let (w, x) = (normal(rows * depth, 1), normal(n * depth + LANES, 2));
            let mut alone = vec![f32::NAN; n * rows];
            for (x, y) in x.chunks_exact(depth).zip(alone.chunks_exact_mut(rows)) {
                dots(false, &w, rows, depth, x, 1, y);
            }
            for n in [1, 7, 8, 15, 16, 17, 64, 70] {
                let cols = Cols { n };
                let mut panels = vec![0.0; cols.len(depth)];
                from_tokens(false, &x[..n * depth + LANES], depth, cols, &mut panels);
                for par in [false, true] {
                    let mut y = vec![f32::NAN; n * rows];
                    dots_of_many(par, &w, rows, depth, &x, n, &mut y);
                    assert!(y == alone[..n * rows], "{n} tokens of {rows} × {depth}");
                    let (mut kept, mut tokens) = (vec![0.5; cols.len(rows)], vec![0.0; n * rows]);
                    product_by_dots(par, &w, rows, depth, &panels, cols, Onto::Nothing, &mut kept);
                    to_tokens(false, &kept, rows, cols, &mut tokens);
                    assert!(tokens == alone[..n * rows], "{n} tokens in panels of {rows} × {depth}");
                }
            }
        }
    }

    #[test]
    fn in_panels_it_is_the_product() {
        let (rows, depth, n) = (37, 21, 19);
        let cols = Cols { n };
        let (w, bias) = (normal(rows * depth, 1), normal(rows, 3));
        let (mut x, mut residual) = (vec![0.0; cols.len(depth)], vec![0.0; cols.len(rows)]);
        from_tokens(false, &normal(depth * n + LANES, 2), depth, cols, &mut x);
        from_tokens(false, &normal(rows * n + LANES, 4), rows, cols, &mut residual);
        let ontos = [
            Onto::Nothing,
            Onto::Bias(&bias),
            Onto::Bent(Some(&bias), Activation::GeluTanh),
            Onto::BiasAnd(&bias, &residual),
            Onto::And(&residual),
            Onto::Itself,
        ];
        for onto in ontos {
            let (mut ours, mut theirs) = (vec![0.5; cols.len(rows)], vec![0.5; cols.len(rows)]);
            product_by_dots(false, &w, rows, depth, &x, cols, onto, &mut ours);
            product(false, Left::weight(&w, rows, depth), &x, cols, onto, &mut theirs);
            let tokens = |y: &[f32]| {
                let mut tokens = vec![0.0; rows * n];
                to_tokens(false, y, rows, cols, &mut tokens);
                tokens
            };
            let apart = tokens(&ours).iter().zip(tokens(&theirs)).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(apart < 1e-5, "{apart}");
        }
    }
}
