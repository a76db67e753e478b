//! How activations lie in memory: features are rows, tokens are columns, in panels of up to 64 tokens.
//!
//! A matrix of `rows` features and `n` tokens is a run of panels, each row-major `[rows, w]` with `w = 64` but for the
//! last, whose `w` is what remains, rounded up to 16. A linear layer thus finds its input already packed for the matrix
//! kernel; norms, softmax and activations run down the rows with a token per lane, whatever the width of the model is.
//! Lanes past the last token hold finite values in activations and zeros in gradients.

use super::simd::{LANES, Simd, dispatch};
use super::tasks::{Raw, tasks};

/// Tokens in a whole panel: four vectors.
pub(crate) const PANEL: usize = 4 * LANES;

/// The columns of a matrix in panels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Cols {
    /// Tokens.
    pub n: usize,
}

impl Cols {
    /// Columns in memory: tokens rounded up to whole vectors.
    pub(crate) fn padded(self) -> usize {
        self.n.next_multiple_of(LANES)
    }

    pub(crate) fn n_panels(self) -> usize {
        self.n.div_ceil(PANEL)
    }

    /// Columns of panel `p` in memory.
    pub(crate) fn width(self, p: usize) -> usize {
        (self.padded() - p * PANEL).min(PANEL)
    }

    /// Tokens of panel `p`.
    pub(crate) fn valid(self, p: usize) -> usize {
        (self.n - p * PANEL).min(PANEL)
    }

    /// Floats that a matrix of `rows` features takes.
    pub(crate) fn len(self, rows: usize) -> usize {
        rows * self.padded()
    }

    /// Index of `(row, token)` in a matrix of `rows` features.
    pub(crate) fn at(self, rows: usize, row: usize, token: usize) -> usize {
        let p = token / PANEL;
        p * PANEL * rows + row * self.width(p) + token % PANEL
    }
}

#[inline(always)]
#[allow(clippy::too_many_arguments)]
unsafe fn transpose_any<S: Simd>(
    from: *const f32,
    stride: usize,
    rows: usize,
    cols: usize,
    to: *mut f32,
    to_stride: usize,
) {
    for row in (0..rows).step_by(LANES) {
        for col in (0..cols).step_by(LANES) {
            let (n_rows, n_cols) = ((rows - row).min(LANES), (cols - col).min(LANES));
            unsafe {
                S::transpose(
                    from.add(row * stride + col),
                    stride,
                    n_rows,
                    to.add(col * to_stride + row),
                    to_stride,
                    n_cols,
                )
            };
        }
    }
}

dispatch! {
    /// Transposes `[rows, cols]` into `[cols, rows]`.
    ///
    /// # Safety
    /// Every source row can be read up to `cols` rounded up to 16.
    transpose = transpose_any(from: *const f32, stride: usize, rows: usize, cols: usize, to: *mut f32, to_stride: usize)
}

/// `x` (`rows` features in panels over `cols`) as panels over features: `[n, w]` for each 64 features. This is how the
/// gradient of a weight reads the layer's input.
pub(crate) fn transpose_panels(par: bool, x: &[f32], rows: usize, cols: Cols, to: &mut [f32]) {
    let features = Cols { n: rows };
    assert!(x.len() >= cols.len(rows) && to.len() >= features.len(cols.n));
    let to = Raw::new(to);
    tasks(par, cols.n_panels(), |p| {
        for fp in 0..features.n_panels() {
            // Safety: lengths were checked above; panel `p` writes only the rows of its own tokens.
            unsafe {
                let from = x.as_ptr().add(cols.at(rows, fp * PANEL, p * PANEL));
                let width = features.width(fp);
                let to = to.at(fp * PANEL * cols.n + p * PANEL * width);
                transpose(from, cols.width(p), features.valid(fp), cols.valid(p), to, width);
            }
        }
    });
}

/// `x` as row-major `[n, rows]`.
pub(crate) fn to_tokens(par: bool, x: &[f32], rows: usize, cols: Cols, to: &mut [f32]) {
    assert!(x.len() >= cols.len(rows) && to.len() >= rows * cols.n);
    let to = Raw::new(to);
    tasks(par, cols.n_panels(), |p| {
        // Safety: lengths were checked above; panel `p` writes only the rows of its own tokens.
        unsafe {
            let from = x.as_ptr().add(p * PANEL * rows);
            transpose(from, cols.width(p), rows, cols.valid(p), to.at(p * PANEL * rows), rows);
        }
    });
}

/// Row-major `[n, rows]` as panels; lanes past the last token become zero.
///
/// `x` must be readable for 16 floats past its last row's last vector: it holds `rows * n + 16` floats.
pub(crate) fn from_tokens(par: bool, x: &[f32], rows: usize, cols: Cols, to: &mut [f32]) {
    assert!(x.len() >= rows * cols.n + LANES && to.len() >= cols.len(rows));
    let raw = Raw::new(to);
    tasks(par, cols.n_panels(), |p| {
        // Safety: lengths were checked above; each task writes its own panel.
        unsafe {
            let from = x.as_ptr().add(p * PANEL * rows);
            transpose(from, rows, cols.valid(p), rows, raw.at(p * PANEL * rows), cols.width(p));
        }
    });
    zero_padding(rows, cols, to);
}

/// Zeroes the lanes past the last token.
pub(crate) fn zero_padding(rows: usize, cols: Cols, x: &mut [f32]) {
    if cols.n == cols.padded() {
        return;
    }
    let p = cols.n_panels() - 1;
    for row in x[p * PANEL * rows..cols.len(rows)].chunks_exact_mut(cols.width(p)) {
        row[cols.valid(p)..].fill(0.0);
    }
}

/// Copies token `from[i]` of `x` to column `i` of `to`, for all `i`; lanes past the last become zero.
pub(crate) fn gather(x: &[f32], rows: usize, cols: Cols, from: &[usize], to: &mut [f32]) {
    let picked = Cols { n: from.len() };
    for (column, &token) in from.iter().enumerate() {
        let p = token / PANEL;
        let source = &x[p * PANEL * rows..];
        let width = cols.width(p);
        let q = column / PANEL;
        let target = &mut to[q * PANEL * rows..];
        let target_width = picked.width(q);
        for row in 0..rows {
            target[row * target_width + column % PANEL] = source[row * width + token % PANEL];
        }
    }
    zero_padding(rows, picked, to);
}

/// Adds column `i` of `x` to token `into[i]` of `to`, for all `i`.
pub(crate) fn scatter_add(x: &[f32], rows: usize, into: &[usize], cols: Cols, to: &mut [f32]) {
    let picked = Cols { n: into.len() };
    for (column, &token) in into.iter().enumerate() {
        let (p, q) = (token / PANEL, column / PANEL);
        let (width, source_width) = (cols.width(p), picked.width(q));
        let source = &x[q * PANEL * rows..];
        let target = &mut to[p * PANEL * rows..];
        for row in 0..rows {
            target[row * width + token % PANEL] += source[row * source_width + column % PANEL];
        }
    }
}
