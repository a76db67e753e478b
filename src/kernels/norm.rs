//! Layer norm and RMS norm over panels: a token per lane, features down the rows.

pub(crate) mod groups;
mod rms;

use super::panel::{Cols, PANEL};
use super::simd::{LANES, Simd, dispatch};
use super::tasks::{Raw, tasks};

/// Mean and reciprocal standard deviation of each token, `cols.padded()` values each; of RMS norm the reciprocal root of
/// the mean square alone.
#[derive(Debug, Default)]
pub(crate) struct Stats {
    pub mean: Vec<f32>,
    pub rstd: Vec<f32>,
}

impl Stats {
    /// Makes room for the tokens of `cols`.
    pub(crate) fn reserve(&mut self, cols: Cols) {
        if self.mean.len() < cols.padded() {
            self.mean.resize(cols.padded(), 0.0);
            self.rstd.resize(cols.padded(), 0.0);
        }
    }
}

/// The pointers of one panel.
#[derive(Clone, Copy)]
pub(crate) struct Panel {
    rows: usize,
    width: usize,
    x: *const f32,
    mean: *mut f32,
    rstd: *mut f32,
    weight: *const f32,
    bias: *const f32,
}

#[inline(always)]
unsafe fn forward_any<S: Simd>(panel: Panel, eps: f32, y: *mut f32) {
    let Panel { rows, width, x, mean, rstd, weight, bias } = panel;
    unsafe {
        for v in (0..width).step_by(LANES) {
            let at = |row: usize| x.add(row * width + v);
            let share = S::splat(1.0 / rows as f32);
            // Two sums side by side hide the latency of the addition.
            let (mut even, mut odd) = (S::splat(0.0), S::splat(0.0));
            for row in (0..rows).step_by(2) {
                even = S::add(even, S::load(at(row)));
                if row + 1 < rows {
                    odd = S::add(odd, S::load(at(row + 1)));
                }
            }
            let centre = S::mul(S::add(even, odd), share);
            let (mut even, mut odd) = (S::splat(0.0), S::splat(0.0));
            for row in (0..rows).step_by(2) {
                let off = S::sub(S::load(at(row)), centre);
                even = S::fma(off, off, even);
                if row + 1 < rows {
                    let off = S::sub(S::load(at(row + 1)), centre);
                    odd = S::fma(off, off, odd);
                }
            }
            let variance = S::fma(S::add(even, odd), share, S::splat(eps));
            let scale = S::div(S::splat(1.0), S::sqrt(variance));
            S::store(mean.add(v), centre);
            S::store(rstd.add(v), scale);
            for row in 0..rows {
                let unit = S::mul(S::sub(S::load(at(row)), centre), scale);
                S::store(y.add(row * width + v), S::fma(unit, S::splat(*weight.add(row)), S::splat(*bias.add(row))));
            }
        }
    }
}

dispatch! {
    forward = forward_any(panel: Panel, eps: f32, y: *mut f32)
}

#[inline(always)]
unsafe fn again_any<S: Simd>(panel: Panel, y: *mut f32) {
    let Panel { rows, width, x, mean, rstd, weight, bias } = panel;
    unsafe {
        for v in (0..width).step_by(LANES) {
            let (centre, scale) = (S::load(mean.add(v)), S::load(rstd.add(v)));
            for row in 0..rows {
                let unit = S::mul(S::sub(S::load(x.add(row * width + v)), centre), scale);
                S::store(y.add(row * width + v), S::fma(unit, S::splat(*weight.add(row)), S::splat(*bias.add(row))));
            }
        }
    }
}

dispatch! {
    /// The output once more from saved statistics: the same bits as the first time.
    again = again_any(panel: Panel, y: *mut f32)
}

#[inline(always)]
unsafe fn backward_any<S: Simd>(panel: Panel, dy: *const f32, onto: bool, dx: *mut f32) {
    let Panel { rows, width, x, mean, rstd, weight, .. } = panel;
    unsafe {
        for v in (0..width).step_by(LANES) {
            let (centre, scale) = (S::load(mean.add(v)), S::load(rstd.add(v)));
            let share = S::splat(1.0 / rows as f32);
            let (mut sum, mut along) = (S::splat(0.0), S::splat(0.0));
            for row in 0..rows {
                let at = row * width + v;
                let d = S::mul(S::load(dy.add(at)), S::splat(*weight.add(row)));
                sum = S::add(sum, d);
                along = S::fma(d, S::sub(S::load(x.add(at)), centre), along);
            }
            let sum = S::mul(sum, share);
            // The component along the normalised input, per unit of (x - mean).
            let along = S::mul(S::mul(along, share), S::mul(scale, scale));
            for row in 0..rows {
                let at = row * width + v;
                let d = S::mul(S::load(dy.add(at)), S::splat(*weight.add(row)));
                let off = S::sub(S::load(x.add(at)), centre);
                let d = S::mul(S::sub(S::sub(d, sum), S::mul(off, along)), scale);
                let d = if onto { S::add(d, S::load(dx.add(at))) } else { d };
                S::store(dx.add(at), d);
            }
        }
    }
}

dispatch! {
    /// `dx = …` or `dx += …`; `dx` may be `dy` when it does not add.
    backward = backward_any(panel: Panel, dy: *const f32, onto: bool, dx: *mut f32)
}

#[inline(always)]
#[allow(clippy::too_many_arguments)]
unsafe fn sums_any<S: Simd>(
    panel: Panel,
    cols: Cols,
    dy: *const f32,
    row: usize,
    n_rows: usize,
    dw: *mut f32,
    db: *mut f32,
) {
    unsafe {
        for i in row..row + n_rows {
            let (mut weight, mut bias) = (S::splat(0.0), S::splat(0.0));
            for p in 0..cols.n_panels() {
                let width = cols.width(p);
                let line = p * PANEL * panel.rows + i * width;
                for v in (0..width).step_by(LANES) {
                    let token = p * PANEL + v;
                    let off = S::sub(S::load(panel.x.add(line + v)), S::load(panel.mean.add(token)));
                    let d = S::load(dy.add(line + v));
                    weight = S::fma(d, S::mul(off, S::load(panel.rstd.add(token))), weight);
                    bias = S::add(bias, d);
                }
            }
            *dw.add(i) += S::sum(weight);
            *db.add(i) += S::sum(bias);
        }
    }
}

dispatch! {
    sums = sums_any(panel: Panel, cols: Cols, dy: *const f32, row: usize, n_rows: usize, dw: *mut f32, db: *mut f32)
}

/// A norm's parameters.
#[derive(Clone, Copy)]
pub(crate) struct Norm<'a> {
    pub weight: &'a [f32],
    /// Empty for RMS norm, which knows none; zeros for a layer norm that has none.
    pub bias: &'a [f32],
    pub eps: f32,
}

impl Norm<'_> {
    fn is_rms(&self) -> bool {
        self.bias.is_empty()
    }

    fn panel(&self, rows: usize, cols: Cols, p: usize, x: &[f32], mean: Raw, rstd: Raw) -> Panel {
        // Safety: the callers below check all lengths; each panel has its own tokens.
        unsafe {
            Panel {
                rows,
                width: cols.width(p),
                x: x.as_ptr().add(p * PANEL * rows),
                mean: mean.at(p * PANEL),
                rstd: rstd.at(p * PANEL),
                weight: self.weight.as_ptr(),
                bias: self.bias.as_ptr(),
            }
        }
    }

    fn check(&self, x: &[f32], cols: Cols, stats: &Stats) -> usize {
        let rows = self.weight.len();
        assert!((self.bias.len() == rows || self.is_rms()) && x.len() >= cols.len(rows));
        assert!(stats.mean.len() >= cols.padded() && stats.rstd.len() >= cols.padded());
        rows
    }

    /// `y = (x - mean) / sqrt(variance + eps) · weight + bias`, or `y = x / sqrt(mean square + eps) · weight`, keeping the
    /// statistics.
    pub(crate) fn forward(&self, par: bool, x: &[f32], cols: Cols, stats: &mut Stats, y: &mut [f32]) {
        stats.reserve(cols);
        let rows = self.check(x, cols, stats);
        assert!(y.len() >= cols.len(rows));
        let (mean, rstd, y) = (Raw::new(&mut stats.mean), Raw::new(&mut stats.rstd), Raw::new(y));
        // Safety: lengths were checked above; tasks write their own panels.
        tasks(par, cols.n_panels(), |p| unsafe {
            let (panel, y) = (self.panel(rows, cols, p, x, mean, rstd), y.at(p * PANEL * rows));
            if self.is_rms() { rms::forward(panel, self.eps, y) } else { forward(panel, self.eps, y) }
        });
    }

    /// The same output once more, from the statistics that [`Norm::forward`] kept.
    pub(crate) fn again(&self, par: bool, x: &[f32], cols: Cols, stats: &mut Stats, y: &mut [f32]) {
        let rows = self.check(x, cols, stats);
        assert!(y.len() >= cols.len(rows));
        let (mean, rstd, y) = (Raw::new(&mut stats.mean), Raw::new(&mut stats.rstd), Raw::new(y));
        // Safety: lengths were checked above; tasks write their own panels.
        tasks(par, cols.n_panels(), |p| unsafe {
            let (panel, y) = (self.panel(rows, cols, p, x, mean, rstd), y.at(p * PANEL * rows));
            if self.is_rms() { rms::again(panel, y) } else { again(panel, y) }
        });
    }

    /// Adds the parameters' gradients to `dw` and `db` (empty for a norm that has no bias); then `dx = …`, or `dx += …` if `onto`.
    #[allow(clippy::too_many_arguments)]
    pub(crate) fn backward(
        &self,
        par: bool,
        x: &[f32],
        cols: Cols,
        stats: &mut Stats,
        dy: &[f32],
        dw: &mut [f32],
        db: &mut [f32],
        onto: bool,
        dx: &mut [f32],
    ) {
        let rows = self.check(x, cols, stats);
        assert!(
            dy.len() >= cols.len(rows)
                && dx.len() >= cols.len(rows)
                && dw.len() >= rows
                && (db.is_empty() || db.len() >= self.bias.len())
        );
        let mut unused = vec![0.0; if db.is_empty() { self.bias.len() } else { 0 }];
        let db = if db.is_empty() { &mut unused[..] } else { db };
        let (mean, rstd) = (Raw::new(&mut stats.mean), Raw::new(&mut stats.rstd));
        let (dw, db, dx) = (Raw::new(dw), Raw::new(db), Raw::new(dx));
        tasks(par, rows.div_ceil(LANES), |task| {
            let row = task * LANES;
            let first = self.panel(rows, cols, 0, x, mean, rstd);
            // Safety: lengths were checked above; tasks write their own features.
            let (dy, n) = (dy.as_ptr(), (rows - row).min(LANES));
            if self.is_rms() {
                unsafe { rms::sums(first, cols, dy, row, n, dw.at(0)) };
            } else {
                unsafe { sums(first, cols, dy, row, n, dw.at(0), db.at(0)) };
            }
        });
        // Safety: lengths were checked above; tasks write their own panels.
        tasks(par, cols.n_panels(), |p| unsafe {
            let panel = self.panel(rows, cols, p, x, mean, rstd);
            let (dy, dx) = (dy.as_ptr().add(p * PANEL * rows), dx.at(p * PANEL * rows));
            if self.is_rms() { rms::backward(panel, dy, onto, dx) } else { backward(panel, dy, onto, dx) }
        });
    }
}
