//! RMS norm of some features of a matrix in groups that lie side by side and share their gains: queries or keys, where a
//! group is a head (Qwen3, as Henry et al. 2020 proposed) or all heads together (OLMo-2).
#![allow(clippy::indexing_slicing)] // Lengths are checked at the door of each function.

use super::super::panel::{Cols, PANEL};
use super::super::simd::{LANES, Simd, dispatch};
use super::super::tasks::{Raw, tasks};
use super::{Panel, rms};
use std::ops::Range;

/// The norm's parameters: `gains.len()` features make a group.
#[derive(Clone, Copy)]
pub(crate) struct Groups<'a> {
    pub gains: &'a [f32],
    pub eps: f32,
}

/// Some features of a matrix in panels: `features` of its `rows`.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub rows: usize,
    pub features: Range<usize>,
}

impl Place {
    /// All of `rows` features.
    pub(crate) fn all(rows: usize) -> Place {
        Place { rows, features: 0..rows }
    }
}

/// Copies features of `x` into `to`, which holds them alone.
pub(crate) fn copy(par: bool, x: &[f32], from: &Place, cols: Cols, to: &mut [f32]) {
    let n = from.features.len();
    assert!(from.features.end <= from.rows && x.len() >= cols.len(from.rows) && to.len() >= cols.len(n));
    let to = Raw::new(to);
    tasks(par, cols.n_panels(), |p| {
        let width = cols.width(p);
        let source = &x[p * PANEL * from.rows + from.features.start * width..][..n * width];
        // Safety: the length was checked above; tasks write their own panels.
        unsafe { std::slice::from_raw_parts_mut(to.at(p * PANEL * n), n * width) }.copy_from_slice(source);
    });
}

impl Groups<'_> {
    fn check(&self, place: &Place, cols: Cols, n: usize) -> usize {
        let size = self.gains.len();
        assert!(place.features.end <= place.rows && n >= cols.len(place.rows));
        assert!(size > 0 && place.features.len().is_multiple_of(size));
        place.features.len() / size
    }

    /// `x = x / sqrt(mean square + eps) · gain` in each group, keeping in `rstd` the reciprocal roots, `cols.padded()` for
    /// each group.
    pub(crate) fn forward(&self, par: bool, x: &mut [f32], place: &Place, cols: Cols, rstd: &mut Vec<f32>) {
        let (size, n_groups) = (self.gains.len(), self.check(place, cols, x.len()));
        rstd.resize(n_groups * cols.padded(), 0.0);
        let (x, rstd, gains) = (Raw::new(x), Raw::new(rstd), self.gains);
        // Safety: lengths were checked above; tasks write their own panels, each vector after it was read.
        tasks(par, cols.n_panels(), |p| unsafe {
            let width = cols.width(p);
            for group in 0..n_groups {
                let x = x.at(p * PANEL * place.rows + (place.features.start + group * size) * width);
                let rstd = rstd.at(group * cols.padded() + p * PANEL);
                rms::forward(panel(x, size, width, rstd, gains), self.eps, x);
            }
        });
    }

    /// From the gradient `d` of the value at `place` that of the input, in its place; adds that of the gains to `d_gains`.
    /// `raw` holds the input alone, `rstd` what [`Groups::forward`] kept.
    #[allow(clippy::too_many_arguments)]
    pub(crate) fn backward(
        &self,
        par: bool,
        raw: &[f32],
        d: &mut [f32],
        place: &Place,
        cols: Cols,
        rstd: &mut [f32],
        d_gains: &mut [f32],
    ) {
        let (size, n_groups) = (self.gains.len(), self.check(place, cols, d.len()));
        let n = place.features.len();
        assert!(raw.len() >= cols.len(n) && rstd.len() >= n_groups * cols.padded() && d_gains.len() == size);
        let sources = Sources {
            raw: raw.as_ptr(),
            n,
            d: d.as_ptr(),
            rows: place.rows,
            first: place.features.start,
            rstd: rstd.as_ptr(),
            size,
            n_groups,
        };
        let (d, rstd, d_gains) = (Raw::new(d), Raw::new(rstd), Raw::new(d_gains));
        // Safety: lengths were checked above; tasks write their own gains.
        tasks(par, size.div_ceil(LANES), |task| unsafe {
            let first = task * LANES;
            sums(sources, cols, first, (size - first).min(LANES), d_gains.at(0));
        });
        let gains = self.gains;
        // Safety: lengths were checked above; tasks write their own panels.
        tasks(par, cols.n_panels(), |p| unsafe {
            let width = cols.width(p);
            for group in 0..n_groups {
                let x = raw.as_ptr().add(p * PANEL * n + group * size * width);
                let d = d.at(p * PANEL * place.rows + (place.features.start + group * size) * width);
                let rstd = rstd.at(group * cols.padded() + p * PANEL);
                rms::backward(panel(x, size, width, rstd, gains), d, false, d);
            }
        });
    }
}

/// One group of one panel.
fn panel(x: *const f32, rows: usize, width: usize, rstd: *mut f32, gains: &[f32]) -> Panel {
    // RMS norm has neither mean nor bias.
    Panel { rows, width, x, mean: rstd, rstd, weight: gains.as_ptr(), bias: gains.as_ptr() }
}

/// What the gradient of the gains is summed from.
#[derive(Clone, Copy)]
pub(crate) struct Sources {
    /// The input, `n` features.
    raw: *const f32,
    n: usize,
    /// The gradient of the value, features `first..first + n` of `rows`.
    d: *const f32,
    rows: usize,
    first: usize,
    rstd: *const f32,
    size: usize,
    n_groups: usize,
}

// Safety: tasks only read through it.
unsafe impl Sync for Sources {}

#[inline(always)]
unsafe fn sums_any<S: Simd>(from: Sources, cols: Cols, first: usize, n: usize, d_gains: *mut f32) {
    unsafe {
        for feature in first..first + n {
            let mut sum = S::splat(0.0);
            for group in 0..from.n_groups {
                let row = group * from.size + feature;
                for p in 0..cols.n_panels() {
                    let width = cols.width(p);
                    let raw = from.raw.add(p * PANEL * from.n + row * width);
                    let d = from.d.add(p * PANEL * from.rows + (from.first + row) * width);
                    let rstd = from.rstd.add(group * cols.padded() + p * PANEL);
                    for v in (0..width).step_by(LANES) {
                        let unit = S::mul(S::load(raw.add(v)), S::load(rstd.add(v)));
                        sum = S::fma(S::load(d.add(v)), unit, sum);
                    }
                }
            }
            *d_gains.add(feature) += S::sum(sum);
        }
    }
}

dispatch! {
    sums = sums_any(from: Sources, cols: Cols, first: usize, n: usize, d_gains: *mut f32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::random::Random;

    fn normal(n: usize, seed: u64) -> Vec<f32> {
        let mut random = Random::new(seed, "groups");
        (0..n).map(|_| random.normal() as f32).collect()
    }

    #[test]
    fn values_and_gradients_equal_the_definition_and_other_features_stay() {
        let eps = 1e-3f64;
        for (size, n_groups, first, rows, n) in
            [(6, 3, 0, 18, 3), (4, 2, 5, 20, 70), (16, 1, 2, 19, 33), (2, 4, 1, 9, 130)]
        {
            let cols = Cols { n };
            let place = Place { rows, features: first..first + size * n_groups };
            let gains = normal(size, 1);
            let norm = Groups { gains: &gains, eps: eps as f32 };
            let (mut x, mut d) = (vec![0.0; cols.len(rows)], vec![0.0; cols.len(rows)]);
            let (xs, ds) = (normal(rows * n, 2), normal(rows * n, 3));
            for (at, (token, row)) in (0..n).flat_map(|token| (0..rows).map(move |row| (token, row))).enumerate() {
                (x[cols.at(rows, row, token)], d[cols.at(rows, row, token)]) = (xs[at], ds[at]);
            }
            let (mut raw, mut rstd, mut y) = (vec![0.0; cols.len(size * n_groups)], Vec::new(), x.clone());
            copy(true, &x, &place, cols, &mut raw);
            norm.forward(true, &mut y, &place, cols, &mut rstd);
            let (mut d_x, mut d_gains) = (d.clone(), vec![0.5; size]);
            norm.backward(true, &raw, &mut d_x, &place, cols, &mut rstd, &mut d_gains);
            let mut expected_gains = vec![0.5; size];
            for token in 0..n {
                let at = |row: usize| cols.at(rows, row, token);
                for row in (0..rows).filter(|row| !place.features.contains(row)) {
                    assert_eq!((y[at(row)], d_x[at(row)]), (x[at(row)], d[at(row)]), "feature {row} is not a group's");
                }
                for group in 0..n_groups {
                    let row = |i: usize| at(first + group * size + i);
                    let wide: Vec<f64> = (0..size).map(|i| f64::from(x[row(i)])).collect();
                    let value = |wide: &[f64]| -> Vec<f64> {
                        let root = (wide.iter().map(|x| x * x).sum::<f64>() / size as f64 + eps).sqrt();
                        wide.iter().zip(&gains).map(|(x, gain)| x / root * f64::from(*gain)).collect()
                    };
                    let along = |wide: &[f64]| -> f64 {
                        value(wide).iter().enumerate().map(|(i, y)| y * f64::from(d[row(i)])).sum()
                    };
                    for (i, expected) in value(&wide).into_iter().enumerate() {
                        assert!((f64::from(y[row(i)]) - expected).abs() < 1e-5, "{size} {n}");
                        expected_gains[i] += expected / f64::from(gains[i]) * f64::from(d[row(i)]);
                        let moved = |by: f64| {
                            let mut moved = wide.clone();
                            moved[i] += by;
                            along(&moved)
                        };
                        let slope = (moved(1e-6) - moved(-1e-6)) / 2e-6;
                        let got = f64::from(d_x[row(i)]);
                        assert!((got - slope).abs() < 1e-4 * (1.0 + slope.abs()), "{size} {n}: {got} {slope}");
                    }
                }
            }
            for (got, expected) in d_gains.iter().zip(&expected_gains) {
                assert!((f64::from(*got) - expected).abs() < 1e-4 * (n as f64 + expected.abs()), "{got} {expected}");
            }
        }
    }
}
