//! Products of a weight with few columns, as generation needs them: a token or a few for each sequence.
//!
//! Each output is a dot product of a row of the weight and a token's features, both contiguous: sixteen sums along the
//! features, then the sum of those. The weight is read once, in order, as fast as memory gives it. How many tokens are
//! computed together changes no bit of any of them, which no other product here promises: they choose between kernels
//! by the number of columns.

use super::gelu::gelu_in_place;
use super::matmul::Onto;
use super::pages;
use super::panel::{Cols, PANEL, from_tokens, to_tokens};
use super::simd::{LANES, Simd, dispatch};
use super::tasks::{Raw, tasks};
use std::cell::Cell;

/// Rows of a task. Arbitrary: some ten microseconds of reading.
const ROWS: usize = 64;

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
    pages::grow(&mut tokens, depth * cols.n);
    pages::grow(&mut outputs, rows * cols.n + LANES);
    pages::grow(&mut panels, cols.len(rows));
    to_tokens(false, x, depth, cols, &mut tokens);
    dots(par, w, rows, depth, &tokens, cols.n, &mut outputs);
    from_tokens(false, &outputs, rows, cols, &mut panels);
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
