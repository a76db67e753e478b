//! The kernels of RMS norm (Zhang and Sennrich 2019): no mean is taken off, and nothing is added.

use super::super::panel::{Cols, PANEL};
use super::super::simd::{LANES, Simd, dispatch};
use super::Panel;

#[inline(always)]
unsafe fn forward_any<S: Simd>(panel: Panel, eps: f32, y: *mut f32) {
    let Panel { rows, width, x, rstd, weight, .. } = panel;
    unsafe {
        for v in (0..width).step_by(LANES) {
            let at = |row: usize| x.add(row * width + v);
            // Two sums side by side hide the latency of the addition.
            let (mut even, mut odd) = (S::splat(0.0), S::splat(0.0));
            for row in (0..rows).step_by(2) {
                let value = S::load(at(row));
                even = S::fma(value, value, even);
                if row + 1 < rows {
                    let value = S::load(at(row + 1));
                    odd = S::fma(value, value, odd);
                }
            }
            let square = S::fma(S::add(even, odd), S::splat(1.0 / rows as f32), S::splat(eps));
            let scale = S::div(S::splat(1.0), S::sqrt(square));
            S::store(rstd.add(v), scale);
            for row in 0..rows {
                let unit = S::mul(S::load(at(row)), scale);
                S::store(y.add(row * width + v), S::mul(unit, S::splat(*weight.add(row))));
            }
        }
    }
}

dispatch! {
    forward = forward_any(panel: Panel, eps: f32, y: *mut f32)
}

#[inline(always)]
unsafe fn again_any<S: Simd>(panel: Panel, y: *mut f32) {
    let Panel { rows, width, x, rstd, weight, .. } = panel;
    unsafe {
        for v in (0..width).step_by(LANES) {
            let scale = S::load(rstd.add(v));
            for row in 0..rows {
                let unit = S::mul(S::load(x.add(row * width + v)), scale);
                S::store(y.add(row * width + v), S::mul(unit, S::splat(*weight.add(row))));
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
    let Panel { rows, width, x, rstd, weight, .. } = panel;
    unsafe {
        for v in (0..width).step_by(LANES) {
            let scale = S::load(rstd.add(v));
            let mut along = S::splat(0.0);
            for row in 0..rows {
                let at = row * width + v;
                along = S::fma(S::mul(S::load(dy.add(at)), S::splat(*weight.add(row))), S::load(x.add(at)), along);
            }
            // The component along the input, per unit of it.
            let along = S::mul(S::mul(along, S::splat(1.0 / rows as f32)), S::mul(scale, scale));
            for row in 0..rows {
                let at = row * width + v;
                let d = S::mul(S::load(dy.add(at)), S::splat(*weight.add(row)));
                let d = S::mul(S::sub(d, S::mul(S::load(x.add(at)), along)), scale);
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
unsafe fn sums_any<S: Simd>(panel: Panel, cols: Cols, dy: *const f32, row: usize, n_rows: usize, dw: *mut f32) {
    unsafe {
        for i in row..row + n_rows {
            let mut weight = S::splat(0.0);
            for p in 0..cols.n_panels() {
                let width = cols.width(p);
                let line = p * PANEL * panel.rows + i * width;
                for v in (0..width).step_by(LANES) {
                    let unit = S::mul(S::load(panel.x.add(line + v)), S::load(panel.rstd.add(p * PANEL + v)));
                    weight = S::fma(S::load(dy.add(line + v)), unit, weight);
                }
            }
            *dw.add(i) += S::sum(weight);
        }
    }
}

dispatch! {
    sums = sums_any(panel: Panel, cols: Cols, dy: *const f32, row: usize, n_rows: usize, dw: *mut f32)
}

#[cfg(test)]
mod tests {
    use super::super::super::panel::{from_tokens, to_tokens};
    use super::super::{Norm, Stats};
    use super::*;
    use crate::core::random::Random;

    fn normal(n: usize, seed: u64) -> Vec<f32> {
        let mut random = Random::new(seed, "rms");
        (0..n).map(|_| random.normal() as f32).collect()
    }

    fn panels(tokens: &[f32], rows: usize, cols: Cols) -> Vec<f32> {
        let (mut padded, mut x) = (tokens.to_vec(), vec![0.0; cols.len(rows)]);
        padded.resize(tokens.len() + LANES, 0.0);
        from_tokens(false, &padded, rows, cols, &mut x);
        x
    }

    fn tokens(x: &[f32], rows: usize, cols: Cols) -> Vec<f32> {
        let mut tokens = vec![0.0; rows * cols.n];
        to_tokens(false, x, rows, cols, &mut tokens);
        tokens
    }

    /// `x · w / sqrt(mean(x²) + eps)` of one token, and the scalar product with `d`.
    fn exact(x: &[f64], w: &[f32], d: &[f32], eps: f64) -> (Vec<f64>, f64) {
        let scale = 1.0 / (x.iter().map(|x| x * x).sum::<f64>() / x.len() as f64 + eps).sqrt();
        let y: Vec<f64> = x.iter().zip(w).map(|(x, w)| x * scale * f64::from(*w)).collect();
        let along = y.iter().zip(d).map(|(y, d)| y * f64::from(*d)).sum();
        (y, along)
    }

    #[test]
    fn values_and_gradients_equal_the_definition() {
        let eps = 1e-5;
        for (rows, n) in [(1, 1), (7, 3), (24, 16), (33, 65), (16, 130)] {
            let cols = Cols { n };
            let (x, d, weight) = (normal(rows * n, 1), normal(rows * n, 2), normal(rows, 3));
            let norm = Norm { weight: &weight, bias: &[], eps };
            let (panel, mut stats) = (panels(&x, rows, cols), Stats::default());
            let (mut y, mut again) = (vec![0.0; panel.len()], vec![0.0; panel.len()]);
            norm.forward(false, &panel, cols, &mut stats, &mut y);
            norm.again(true, &panel, cols, &mut stats, &mut again);
            assert_eq!(y, again);
            let (mut dx, mut dw) = (vec![1.0; panel.len()], vec![0.5; rows]);
            norm.backward(true, &panel, cols, &mut stats, &panels(&d, rows, cols), &mut dw, &mut [], true, &mut dx);
            let (y, dx) = (tokens(&y, rows, cols), tokens(&dx, rows, cols));
            let mut sums = vec![0.5; rows];
            for token in 0..n {
                let part = token * rows..(token + 1) * rows;
                let wide: Vec<f64> = x[part.clone()].iter().map(|x| f64::from(*x)).collect();
                let d = &d[part.clone()];
                let (expected, _) = exact(&wide, &weight, d, f64::from(eps));
                for (row, expected) in expected.iter().enumerate() {
                    assert!((f64::from(y[token * rows + row]) - expected).abs() < 2e-6, "{rows} {n}");
                    sums[row] += expected * f64::from(d[row]) / f64::from(weight[row]);
                    let moved = |by: f64| {
                        let mut moved = wide.clone();
                        moved[row] += by;
                        exact(&moved, &weight, d, f64::from(eps)).1
                    };
                    let slope = (moved(1e-6) - moved(-1e-6)) / 2e-6;
                    let got = f64::from(dx[token * rows + row]) - 1.0;
                    assert!((got - slope).abs() < 2e-5 * (1.0 + slope.abs()), "{rows} {n}: {got} {slope}");
                }
            }
            for (got, expected) in dw.iter().zip(&sums) {
                assert!((f64::from(*got) - expected).abs() < 1e-5 * (n as f64 + expected.abs()), "{rows} {n}");
            }
        }
    }
}
