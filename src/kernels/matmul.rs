//! Matrix products over panels: a linear layer, its transpose, and the gradient of its weight.
//!
//! One kernel does all three: a tile of rows × up to four vectors of columns stays in registers while the inner
//! dimension runs. The left operand is read by broadcast through two strides (so neither weights nor gradients are ever
//! packed), the right one is a panel. Each output is summed along the inner dimension in order, whoever computes it.

use super::Precision;
use super::gelu::{Activation, gelu_in_place};
use super::pages;
use super::panel::{Cols, PANEL, transpose, transpose_panels};
use super::simd::{LANES, Simd, dispatch};
use super::strip::{self, Lines, Part, Ready, Shape, strips};
use super::tasks::{Raw, tasks};
use std::cell::Cell;

/// Inner steps between visits to the output. Arbitrary: a panel's slice of 128 × 64 floats stays in a first-level cache.
const DEPTH: usize = 128;
/// Rows of a task. Arbitrary: a multiple of every tile height in use; its part of a weight stays in a second-level cache.
const ROWS: usize = 96;
/// Panels of a task: rows of the left operand are reused over them from cache.
const GROUP: usize = 4;

/// One product `c = a·b (+ bias) (+ residual)` with up to 64 columns.
#[derive(Clone, Copy)]
pub(crate) struct Tile {
    /// Element `(i, k)` lies at `a[i * a_rows + k * a_cols]`.
    pub a: *const f32,
    pub a_rows: usize,
    pub a_cols: usize,
    /// `[depth, columns]`, readable to whole vectors.
    pub b: *const f32,
    pub b_stride: usize,
    pub c: *mut f32,
    pub c_stride: usize,
    /// One value for each row, or null.
    pub bias: *const f32,
    /// Laid out as `c` (and possibly `c` itself, to accumulate), or null.
    pub residual: *const f32,
    pub rows: usize,
    pub depth: usize,
    /// Columns of `c` to write; the last vector may be partial.
    pub cols: usize,
}

#[inline(always)]
#[allow(clippy::needless_range_loop)] // Plain indices are what keeps the sums in registers.
unsafe fn tile<S: Simd, const M: usize, const N: usize>(t: &Tile, row: usize, col: usize) {
    unsafe {
        let zero = S::splat(0.0);
        let mut acc = [[zero; N]; M];
        let a = t.a.add(row * t.a_rows);
        let b = t.b.add(col);
        let rows: [*const f32; M] = std::array::from_fn(|m| a.add(m * t.a_rows));
        for m in 0..M {
            for n in 0..N {
                S::prefetch(t.c.wrapping_add((row + m) * t.c_stride + col + n * LANES));
            }
        }
        let mut at = 0;
        for k in 0..t.depth {
            let line = b.add(k * t.b_stride);
            let right: [S::V; N] = std::array::from_fn(|n| S::load(line.add(n * LANES)));
            for m in 0..M {
                let left = S::splat(*rows[m].add(at));
                for n in 0..N {
                    acc[m][n] = S::fma(left, right[n], acc[m][n]);
                }
            }
            at += t.a_cols;
        }
        let partial = col + N * LANES > t.cols;
        for m in 0..M {
            let offset = (row + m) * t.c_stride + col;
            for n in 0..N {
                let mut value = acc[m][n];
                let place = offset + n * LANES;
                let valid = if partial { t.cols.saturating_sub(col + n * LANES) } else { LANES };
                if !t.bias.is_null() {
                    value = S::add(value, S::splat(*t.bias.add(row + m)));
                }
                if valid >= LANES {
                    if !t.residual.is_null() {
                        value = S::add(value, S::load(t.residual.add(place)));
                    }
                    S::store(t.c.add(place), value);
                } else {
                    if !t.residual.is_null() {
                        value = S::add(value, S::load_n(t.residual.add(place), valid));
                    }
                    S::store_n(t.c.add(place), valid, value);
                }
            }
        }
    }
}

/// All rows of one group of columns: tiles of `M` rows, then 4, 2, 1.
#[inline(always)]
unsafe fn sweep<S: Simd, const M: usize, const N: usize>(t: &Tile, col: usize) {
    let mut row = 0;
    unsafe {
        while row + M <= t.rows {
            tile::<S, M, N>(t, row, col);
            row += M;
        }
        while row + 4 <= t.rows {
            tile::<S, 4, N>(t, row, col);
            row += 4;
        }
        if row + 2 <= t.rows {
            tile::<S, 2, N>(t, row, col);
            row += 2;
        }
        if row < t.rows {
            tile::<S, 1, N>(t, row, col);
        }
    }
}

#[inline(always)]
unsafe fn block_any<S: Simd>(t: Tile) {
    unsafe {
        if S::COLS == 1 {
            for col in (0..t.cols).step_by(LANES) {
                sweep::<S, 6, 1>(&t, col);
            }
        } else {
            match t.cols.div_ceil(LANES) {
                4 => sweep::<S, 6, 4>(&t, 0),
                3 => sweep::<S, 8, 3>(&t, 0),
                2 => sweep::<S, 8, 2>(&t, 0),
                _ => sweep::<S, 12, 1>(&t, 0),
            }
        }
    }
}

dispatch! {
    /// # Safety
    /// The pointers and strides of `t` must be valid for its shape; `cols` is at most 64.
    block = block_any(t: Tile)
}

/// The left operand of [`product`]: `rows × depth`, element `(i, k)` at `values[i * row_stride + k * col_stride]`.
#[derive(Clone, Copy)]
pub(crate) struct Left<'a> {
    pub values: &'a [f32],
    pub rows: usize,
    pub depth: usize,
    pub row_stride: usize,
    pub col_stride: usize,
    pub precision: Precision,
    /// The same in the same precision, packed before.
    pub ready: Option<&'a Ready>,
}

impl<'a> Left<'a> {
    /// A row-major weight `[rows, depth]`.
    pub(crate) fn weight(values: &'a [f32], rows: usize, depth: usize) -> Self {
        Left { values, rows, depth, row_stride: depth, col_stride: 1, precision: Precision::F32, ready: None }
    }

    /// The transpose of a row-major weight `[depth, rows]`.
    pub(crate) fn transposed(values: &'a [f32], rows: usize, depth: usize) -> Self {
        Left { values, rows, depth, row_stride: 1, col_stride: rows, precision: Precision::F32, ready: None }
    }
}

/// What a product adds to.
#[derive(Clone, Copy)]
pub(crate) enum Onto<'a> {
    Nothing,
    /// A bias, one value for each row.
    Bias(&'a [f32]),
    /// A bias, if there is one; the activation of the sum is the output.
    Bent(Option<&'a [f32]>, Activation),
    /// A bias and a matrix laid out as the output.
    BiasAnd(&'a [f32], &'a [f32]),
    /// A matrix laid out as the output.
    And(&'a [f32]),
    /// The output's old values.
    Itself,
}

/// Copies rows `row..` and columns `from..` of a transposed weight to `part`, row-major with stride [`DEPTH`].
unsafe fn turn(left: &Left, row: usize, n_rows: usize, from: usize, n_deep: usize, part: *mut f32) {
    let start = row + from * left.col_stride;
    // Whole vectors are read: after the weight's last line there may not be that much.
    let whole = start + (n_deep - 1) * left.col_stride + n_rows.next_multiple_of(LANES) <= left.values.len();
    let n_whole = if whole { n_deep } else { n_deep - 1 };
    unsafe {
        transpose(left.values.as_ptr().add(start), left.col_stride, n_whole, n_rows, part, DEPTH);
        for i in (0..n_rows).filter(|_| !whole) {
            *part.add(i * DEPTH + n_whole) = left.values[start + n_whole * left.col_stride + i];
        }
    }
}

/// The whole of a transposed weight as row-major `[rows, depth]`; `rows` is a multiple of 16.
fn turn_all(par: bool, left: &Left, to: &mut [f32]) {
    let (rows, depth) = (left.rows, left.depth);
    assert!(left.values.len() >= rows * depth && to.len() >= rows * depth && rows.is_multiple_of(LANES));
    let to = Raw::new(to);
    tasks(par, rows.div_ceil(PANEL), |task| {
        let (row, n) = (task * PANEL, PANEL.min(rows - task * PANEL));
        // Safety: lengths were checked above; each task writes its own rows, and reads whole vectors of the weight's.
        unsafe { transpose(left.values.as_ptr().add(row), left.col_stride, depth, n, to.at(row * depth), depth) };
    });
}

thread_local! {
    /// This thread's copy of a turned weight; taken while a product uses it.
    static TURNED: Cell<Vec<f32>> = const { Cell::new(Vec::new()) };
    /// This thread's copy of a part of a weight; taken while a task uses it.
    static PART: Cell<Vec<f32>> = const { Cell::new(Vec::new()) };
}

/// `y = left · x`, plus what `onto` says: `x` has `left.depth` rows, `y` has `left.rows`, both in panels over `cols`.
pub(crate) fn product(par: bool, left: Left, x: &[f32], cols: Cols, onto: Onto, y: &mut [f32]) {
    let Left { rows, depth, .. } = left;
    assert!(left.values.len() >= rows * depth && x.len() >= cols.len(depth) && y.len() >= cols.len(rows));
    let (bias, residual) = match onto {
        Onto::Nothing | Onto::Itself => (None, None),
        Onto::Bias(bias) => (Some(bias), None),
        Onto::Bent(bias, _) => (bias, None),
        Onto::BiasAnd(bias, residual) => (Some(bias), Some(residual)),
        Onto::And(residual) => (None, Some(residual)),
    };
    assert!(bias.is_none_or(|bias| bias.len() >= rows) && residual.is_none_or(|r| r.len() >= cols.len(rows)));
    let suits = strip::suits(rows, depth, cols.n);
    if suits && !strip::packs_both() && left.row_stride == 1 && rows.is_multiple_of(LANES) {
        // Turned as a whole, so that its strips are packed from rows.
        let mut turned = TURNED.take();
        pages::grow(&mut turned, rows * depth);
        turn_all(par, &left, &mut turned);
        product(par, Left { precision: left.precision, ..Left::weight(&turned, rows, depth) }, x, cols, onto, y);
        TURNED.set(turned);
        return;
    }
    let activation = if let Onto::Bent(_, activation) = onto { Some(activation) } else { None };
    let packs = left.ready.is_some() || suits && (left.col_stride == 1 || strip::packs_both() && left.row_stride == 1);
    if let Some(activation) = activation.filter(|_| !(packs && strip::packs_both())) {
        product(par, left, x, cols, bias.map_or(Onto::Nothing, Onto::Bias), y);
        gelu_in_place(par, activation, &mut y[..cols.len(rows)]);
        return;
    }
    let y = Raw::new(y);
    // Where the part of panel `p` from `row` on is computed from inner step `from` on.
    let part_of = |row: usize, p: usize, from: usize| {
        let width = cols.width(p);
        let place = p * PANEL * rows + row * width;
        // Safety: lengths were checked above; each task writes its own rows of its own panels.
        unsafe {
            let c = y.at(place);
            Tile {
                a: std::ptr::null(),
                a_rows: 0,
                a_cols: 0,
                b: x.as_ptr().add(p * PANEL * depth + from * width),
                b_stride: width,
                c,
                c_stride: width,
                bias: bias.filter(|_| from == 0).map_or(std::ptr::null(), |bias| bias.as_ptr().add(row)),
                residual: match (residual, onto) {
                    _ if from > 0 => c,
                    (Some(residual), _) => residual.as_ptr().add(place),
                    (None, Onto::Itself) => c,
                    (None, _) => std::ptr::null(),
                },
                rows: 0,
                depth: 0,
                cols: width,
            }
        }
    };
    if packs {
        let shape = Shape { rows, depth, columns: cols.padded(), activation };
        // Safety: as above; rows of the left operand are `depth` floats long.
        unsafe {
            let at =
                |row: usize, k: usize| left.values.as_ptr().wrapping_add(row * left.row_stride + k * left.col_stride);
            let rows = Lines { at, along: left.col_stride == 1 };
            let columns =
                Lines { at: |col: usize, k: usize| x.as_ptr().wrapping_add(cols.at(depth, k, col)), along: false };
            let tile =
                |part: Part, p| Tile { rows: part.n_lines, depth: part.n_deep, ..part_of(part.line, p, part.from) };
            strips(par, left.precision, shape, rows, columns, left.ready, tile);
        }
        return;
    }
    let n_chunks = rows.div_ceil(ROWS);
    tasks(par, n_chunks * cols.n_panels().div_ceil(GROUP), |task| {
        let (row, group) = (task % n_chunks * ROWS, task / n_chunks * GROUP);
        let n_rows = (rows - row).min(ROWS);
        // Columns of a transposed weight lie far apart in memory; a copy of this task's part keeps them in few cache lines.
        let copied = left.row_stride == 1 && rows > ROWS;
        let mut part = if copied { PART.take() } else { Vec::new() };
        if copied && part.is_empty() {
            part.resize(ROWS * DEPTH, 0.0);
        }
        for from in (0..depth).step_by(DEPTH) {
            let n_deep = (depth - from).min(DEPTH);
            // Safety: `left` was checked above.
            let (mut a, mut a_rows, mut a_cols) = (
                unsafe { left.values.as_ptr().add(row * left.row_stride + from * left.col_stride) },
                left.row_stride,
                left.col_stride,
            );
            if copied {
                // Safety: `part` holds `ROWS` rows of `DEPTH`.
                unsafe { turn(&left, row, n_rows, from, n_deep, part.as_mut_ptr()) };
                (a, a_rows, a_cols) = (part.as_ptr(), DEPTH, 1);
            }
            for p in group..(group + GROUP).min(cols.n_panels()) {
                // Safety: as above.
                unsafe { block(Tile { a, a_rows, a_cols, rows: n_rows, depth: n_deep, ..part_of(row, p, from) }) };
            }
        }
        if copied {
            PART.set(part);
        }
    });
}

/// Adds the gradients of a linear layer: `dw[o, i] += Σ_t dy[o, t] x[i, t]` and `db[o] += Σ_t dy[o, t]`. With `set`, `dw`
/// is set instead, whatever it held.
///
/// `dy` has `rows` features in panels over `cols`, `x`, the layer's input, `depth`; `turned` is memory to work in.
#[allow(clippy::too_many_arguments)]
pub(crate) fn weight_gradient(
    par: bool,
    dy: &[f32],
    rows: usize,
    x: &[f32],
    depth: usize,
    cols: Cols,
    set: bool,
    dw: &mut [f32],
    db: Option<&mut [f32]>,
    turned: &mut Vec<f32>,
) {
    let features = Cols { n: depth };
    assert!(dy.len() >= cols.len(rows) && x.len() >= cols.len(depth) && dw.len() >= rows * depth);
    assert!(db.as_ref().is_none_or(|db| db.len() >= rows));
    let suits = strip::suits(rows, cols.n, depth);
    if !(suits && strip::packs_both()) {
        pages::grow(turned, features.len(cols.n));
        transpose_panels(par, x, depth, cols, turned);
    }
    let x_tokens = &turned[..];
    let (dw, db) = (Raw::new(dw), db.map(Raw::new));
    let n_chunks = rows.div_ceil(ROWS);
    if suits {
        let shape = Shape { rows, depth: cols.n, columns: depth, activation: None };
        // Safety: lengths were checked above; each task writes its own rows and columns of the weight.
        unsafe {
            strips(
                par,
                Precision::F32,
                shape,
                Lines { at: |row, token| dy.as_ptr().wrapping_add(cols.at(rows, row, token)), along: true },
                Lines { at: |feature, token| x.as_ptr().wrapping_add(cols.at(depth, feature, token)), along: true },
                None,
                |part, fp| {
                    let width = features.width(fp);
                    let c = dw.at(part.line * depth + fp * PANEL);
                    Tile {
                        a: std::ptr::null(),
                        a_rows: 0,
                        a_cols: 0,
                        b: x_tokens.as_ptr().wrapping_add(fp * PANEL * cols.n + part.from * width),
                        b_stride: width,
                        c,
                        c_stride: depth,
                        bias: std::ptr::null(),
                        residual: if set && part.from == 0 { std::ptr::null() } else { c },
                        rows: part.n_lines,
                        depth: part.n_deep,
                        cols: features.valid(fp),
                    }
                },
            );
        }
        if let Some(db) = db {
            tasks(par, n_chunks, |chunk| {
                let row = chunk * ROWS;
                // Safety: each task sums its own rows.
                unsafe { row_sums(dy.as_ptr(), rows, cols, row, (rows - row).min(ROWS), db.at(row)) };
            });
        }
        return;
    }
    tasks(par, n_chunks * features.n_panels().div_ceil(GROUP), |task| {
        let (row, group) = (task % n_chunks * ROWS, task / n_chunks * GROUP);
        let n_rows = (rows - row).min(ROWS);
        for fp in group..(group + GROUP).min(features.n_panels()) {
            let width = features.width(fp);
            for p in 0..cols.n_panels() {
                // Safety: lengths were checked above; each task writes its own rows and columns of the weight.
                unsafe {
                    let c = dw.at(row * depth + fp * PANEL);
                    block(Tile {
                        a: dy.as_ptr().add(p * PANEL * rows + row * cols.width(p)),
                        a_rows: cols.width(p),
                        a_cols: 1,
                        b: x_tokens.as_ptr().add(fp * PANEL * cols.n + p * PANEL * width),
                        b_stride: width,
                        c,
                        c_stride: depth,
                        bias: std::ptr::null(),
                        residual: if set && p == 0 { std::ptr::null() } else { c },
                        rows: n_rows,
                        depth: cols.valid(p),
                        cols: features.valid(fp),
                    });
                }
            }
        }
        if let (0, Some(db)) = (group, db) {
            // Safety: as above; only the tasks of the first features sum the bias, each its own rows.
            unsafe { row_sums(dy.as_ptr(), rows, cols, row, n_rows, db.at(row)) };
        }
    });
}

#[inline(always)]
unsafe fn row_sums_any<S: Simd>(x: *const f32, rows: usize, cols: Cols, row: usize, n_rows: usize, sums: *mut f32) {
    unsafe {
        for i in 0..n_rows {
            let mut sum = S::splat(0.0);
            for p in 0..cols.n_panels() {
                let width = cols.width(p);
                let line = x.add(p * PANEL * rows + (row + i) * width);
                for v in (0..width).step_by(LANES) {
                    sum = S::add(sum, S::load(line.add(v)));
                }
            }
            *sums.add(i) += S::sum(sum);
        }
    }
}

dispatch! {
    /// Adds the sums of rows `row..row + n_rows` to `sums`.
    row_sums = row_sums_any(x: *const f32, rows: usize, cols: Cols, row: usize, n_rows: usize, sums: *mut f32)
}

#[cfg(test)]
mod tests {
    use super::super::panel::{from_tokens, to_tokens};
    use super::*;
    use crate::core::random::Random;

    fn normal(n: usize, seed: u64) -> Vec<f32> {
        let mut random = Random::new(seed, "matmul");
        (0..n).map(|_| random.normal() as f32).collect()
    }

    fn panels(x: &[f32], rows: usize, cols: Cols) -> Vec<f32> {
        let mut padded = x.to_vec();
        padded.extend([0.0; LANES]);
        let mut to = vec![f32::NAN; cols.len(rows)];
        from_tokens(false, &padded, rows, cols, &mut to);
        to
    }

    #[test]
    fn products_equal_the_definition_for_all_shapes() {
        for (out, depth, n) in [
            (1, 1, 1),
            (7, 5, 3),
            (24, 8, 17),
            (48, 16, 33),
            (96, 24, 70),
            (13, 300, 129),
            (200, 101, 30),
            (40, 203, 129),
            (16, 40, 64),
            (125, 131, 150),
            (144, 400, 200),
            (160, 850, 131),
        ] {
            let cols = Cols { n };
            let (w, x, bias) = (normal(out * depth, 1), normal(n * depth, 2), normal(out, 3));
            let mut y = vec![f32::NAN; cols.len(out)];
            product(false, Left::weight(&w, out, depth), &panels(&x, depth, cols), cols, Onto::Bias(&bias), &mut y);
            let mut tokens = vec![0.0; n * out];
            to_tokens(false, &y, out, cols, &mut tokens);
            for t in 0..n {
                for o in 0..out {
                    let exact: f64 = (0..depth).map(|k| w[o * depth + k] as f64 * x[t * depth + k] as f64).sum();
                    let got = tokens[t * out + o] as f64;
                    assert!(
                        (got - exact - bias[o] as f64).abs() < 2e-5 * depth as f64,
                        "{out}x{depth}x{n}: {got} {exact}"
                    );
                }
            }

            // The transpose: dx = wᵀ·dy, onto itself.
            let dy = normal(n * out, 4);
            let mut dx = panels(&x, depth, cols);
            product(true, Left::transposed(&w, depth, out), &panels(&dy, out, cols), cols, Onto::Itself, &mut dx);
            let mut tokens = vec![0.0; n * depth];
            to_tokens(false, &dx, depth, cols, &mut tokens);
            for t in 0..n {
                for k in 0..depth {
                    let exact: f64 = (0..out).map(|o| w[o * depth + k] as f64 * dy[t * out + o] as f64).sum();
                    let got = tokens[t * depth + k] as f64 - x[t * depth + k] as f64;
                    assert!((got - exact).abs() < 2e-5 * (out + 1) as f64, "{out}x{depth}x{n}: {got} {exact}");
                }
            }

            let x_panels = panels(&x, depth, cols);
            let (mut dw, mut db) = (vec![1.0; out * depth], vec![2.0; out]);
            let (dy_panels, turned) = (panels(&dy, out, cols), &mut Vec::new());
            weight_gradient(false, &dy_panels, out, &x_panels, depth, cols, false, &mut dw, Some(&mut db), turned);
            for o in 0..out {
                for k in 0..depth {
                    let exact: f64 = (0..n).map(|t| dy[t * out + o] as f64 * x[t * depth + k] as f64).sum();
                    assert!(
                        (dw[o * depth + k] as f64 - 1.0 - exact).abs() < 2e-5 * (n + 1) as f64,
                        "{out}x{depth}x{n}"
                    );
                }
                let exact: f64 = (0..n).map(|t| dy[t * out + o] as f64).sum();
                assert!((db[o] as f64 - 2.0 - exact).abs() < 2e-5 * (n + 1) as f64, "{out}x{depth}x{n}");
            }
        }
    }

    /// Each instruction set gives the same product up to rounding; runs those that this processor has.
    #[test]
    fn large_products_are_as_exact_as_a_chain_of_fused_sums_whoever_computes_them() {
        let (out, depth, n) = (96, 1024, 200);
        let cols = Cols { n };
        let (w, x) = (normal(out * depth, 7), normal(n * depth, 8));
        let run = |par: bool| {
            let mut y = vec![f32::NAN; cols.len(out)];
            product(par, Left::weight(&w, out, depth), &panels(&x, depth, cols), cols, Onto::Nothing, &mut y);
            let mut tokens = vec![0.0; n * out];
            to_tokens(false, &y, out, cols, &mut tokens);
            tokens
        };
        let alone = run(false);
        for n_threads in [2, 3] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(n_threads).build().unwrap();
            assert!(pool.install(|| run(true)) == alone, "{n_threads} threads");
        }
        let (mut ours, mut chain) = (0.0, 0.0);
        for (t, o) in (0..n).flat_map(|t| (0..out).map(move |o| (t, o))) {
            let pairs = || w[o * depth..][..depth].iter().zip(&x[t * depth..][..depth]);
            let exact: f64 = pairs().map(|(a, b)| *a as f64 * *b as f64).sum();
            let fused = pairs().fold(0.0f32, |sum, (a, b)| a.mul_add(*b, sum));
            ours += (alone[t * out + o] as f64 - exact).powi(2);
            chain += (fused as f64 - exact).powi(2);
        }
        assert!(ours < 1.1 * chain, "{} {}", ours.sqrt(), chain.sqrt());
    }

    #[test]
    fn instruction_sets_agree() {
        let (a, b) = (normal(13 * 20, 5), normal(20 * 64, 6));
        let run = |with: unsafe fn(Tile)| {
            let mut c = vec![1.0; 13 * 50];
            let residual = c.as_ptr();
            let tile = Tile {
                a: a.as_ptr(),
                a_rows: 20,
                a_cols: 1,
                b: b.as_ptr(),
                b_stride: 64,
                c: c.as_mut_ptr(),
                c_stride: 50,
                bias: a.as_ptr(),
                residual,
                rows: 13,
                depth: 20,
                cols: 50,
            };
            // Safety: the buffers above have these shapes.
            unsafe { with(tile) };
            c
        };
        let plain = run(block_any::<super::super::simd::Plain>);
        let close = |other: Vec<f32>| plain.iter().zip(&other).all(|(a, b)| (a - b).abs() < 1e-4);
        assert!(close(run(block)));
        #[cfg(target_arch = "x86_64")]
        if std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma") {
            assert!(close(run(block_any::<super::super::simd::Avx2>)));
        }
        #[cfg(target_arch = "x86_64")]
        if std::arch::is_x86_feature_detected!("avx512f") {
            assert!(close(run(block_any::<super::super::simd::Avx512>)));
        }
    }
}
