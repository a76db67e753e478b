//! Gated feed-forward: of one product's two halves, the first opens the second, `silu(g) · u` or `gelu(g) · u` (Shazeer 2020).

use super::gelu::{Activation, value_and_slope};
use super::panel::{Cols, PANEL};
use super::simd::{LANES, Simd, dispatch};
use super::tasks::{Raw, tasks};

/// What a gate makes of its half.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Gate {
    Silu,
    Gelu(Activation),
}

const SILU: u8 = 0;
const GELU_ERF: u8 = 1;
const GELU_TANH: u8 = 2;

/// A gate's value and slope.
#[inline(always)]
unsafe fn opened<S: Simd, const KIND: u8>(x: S::V) -> (S::V, S::V) {
    unsafe {
        match KIND {
            SILU => {
                let (silu, open) = silu::<S>(x);
                // silu' = σ + silu · (1 - σ)
                (silu, S::fma(silu, S::sub(S::splat(1.0), open), open))
            }
            GELU_ERF => value_and_slope::<S, true>(x),
            _ => value_and_slope::<S, false>(x),
        }
    }
}

/// Of each half `n` floats, a multiple of 16: the gate from `gate` on, what it opens from `gate + n` on.
#[inline(always)]
unsafe fn forward_any<S: Simd>(kind: Gate, gate: *const f32, n: usize, y: *mut f32) {
    unsafe {
        match kind {
            Gate::Silu => forward_of::<S, SILU>(gate, n, y),
            Gate::Gelu(Activation::GeluErf) => forward_of::<S, GELU_ERF>(gate, n, y),
            Gate::Gelu(Activation::GeluTanh) => forward_of::<S, GELU_TANH>(gate, n, y),
        }
    }
}

#[inline(always)]
unsafe fn forward_of<S: Simd, const KIND: u8>(gate: *const f32, n: usize, y: *mut f32) {
    unsafe {
        for at in (0..n).step_by(LANES) {
            let (g, u) = (S::load(gate.add(at)), S::load(gate.add(n + at)));
            S::store(y.add(at), S::mul(opened::<S, KIND>(g).0, u));
        }
    }
}

/// `x · σ(x)` and `σ(x) = 1 / (1 + e^-x)`. Beyond 60 the sigmoid is 0 or 1 in every digit of the result.
#[inline(always)]
unsafe fn silu<S: Simd>(x: S::V) -> (S::V, S::V) {
    unsafe {
        let least = S::max(x, S::splat(-60.0));
        let negated = S::min(S::max(S::sub(S::splat(0.0), x), S::splat(-60.0)), S::splat(60.0));
        let sigmoid = S::div(S::splat(1.0), S::add(S::splat(1.0), S::exp(negated)));
        (S::mul(least, sigmoid), sigmoid)
    }
}

dispatch! {
    /// `y = silu(g) · u`, or by the gate that `kind` says.
    forward = forward_any(kind: Gate, gate: *const f32, n: usize, y: *mut f32)
}

#[inline(always)]
unsafe fn backward_any<S: Simd>(kind: Gate, gate: *const f32, n: usize, d: *mut f32, d_gate: *mut f32) {
    unsafe {
        match kind {
            Gate::Silu => backward_of::<S, SILU>(gate, n, d, d_gate),
            Gate::Gelu(Activation::GeluErf) => backward_of::<S, GELU_ERF>(gate, n, d, d_gate),
            Gate::Gelu(Activation::GeluTanh) => backward_of::<S, GELU_TANH>(gate, n, d, d_gate),
        }
    }
}

#[inline(always)]
unsafe fn backward_of<S: Simd, const KIND: u8>(gate: *const f32, n: usize, d: *mut f32, d_gate: *mut f32) {
    unsafe {
        for at in (0..n).step_by(LANES) {
            let (g, u, d_y) = (S::load(gate.add(at)), S::load(gate.add(n + at)), S::load(d.add(at)));
            let (value, slope) = opened::<S, KIND>(g);
            S::store(d.add(at), S::mul(value, u));
            S::store(d_gate.add(at), S::mul(S::mul(d_y, u), slope));
            S::store(d_gate.add(n + at), S::mul(d_y, value));
        }
    }
}

dispatch! {
    /// From the gradient in `d`, the gradients of both halves into `d_gate`, and the value again into `d`.
    backward = backward_any(kind: Gate, gate: *const f32, n: usize, d: *mut f32, d_gate: *mut f32)
}

/// `y = silu(g) · u` (or another gate's), `inner` features, of `x`, which has the `inner` features of `g` and behind them those of `u`; all in
/// panels over `cols`.
pub(crate) fn gate(par: bool, kind: Gate, x: &[f32], inner: usize, cols: Cols, y: &mut [f32]) {
    assert!(x.len() >= cols.len(2 * inner) && y.len() >= cols.len(inner));
    let y = Raw::new(y);
    // Safety: lengths were checked above; tasks write their own panels.
    tasks(par, cols.n_panels(), |p| unsafe {
        let gate = x.as_ptr().add(p * PANEL * 2 * inner);
        forward(kind, gate, inner * cols.width(p), y.at(p * PANEL * inner));
    });
}

/// From the input `x` of [`gate`] and the gradient `d` of its value, the gradient of `x` into `d_x`; `d` becomes the value.
pub(crate) fn gate_gradient(
    par: bool,
    kind: Gate,
    x: &[f32],
    inner: usize,
    cols: Cols,
    d: &mut [f32],
    d_x: &mut [f32],
) {
    assert!(x.len() >= cols.len(2 * inner) && d.len() >= cols.len(inner) && d_x.len() >= cols.len(2 * inner));
    let (d, d_x) = (Raw::new(d), Raw::new(d_x));
    // Safety: lengths were checked above; tasks write their own panels.
    tasks(par, cols.n_panels(), |p| unsafe {
        let gate = x.as_ptr().add(p * PANEL * 2 * inner);
        backward(kind, gate, inner * cols.width(p), d.at(p * PANEL * inner), d_x.at(p * PANEL * 2 * inner));
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The gates in double precision: `x · σ(x)`, `x · Φ(x)` by the error function, and its approximation by tanh.
    fn exact(kind: Gate, x: f64) -> f64 {
        match kind {
            Gate::Silu => x / (1.0 + (-x).exp()),
            Gate::Gelu(Activation::GeluErf) => 0.5 * x * (1.0 + libm::erf(x / 2f64.sqrt())),
            Gate::Gelu(Activation::GeluTanh) => {
                0.5 * x * (1.0 + ((2.0 / std::f64::consts::PI).sqrt() * (x + 0.044715 * x.powi(3))).tanh())
            }
        }
    }

    #[test]
    fn values_and_slopes_equal_the_definition() {
        let (inner, cols) = (3, Cols { n: 70 });
        let at = |row: usize, token: usize, rows: usize| cols.at(rows, row, token);
        let (mut x, mut d) = (vec![0.0; cols.len(2 * inner)], vec![0.0; cols.len(inner)]);
        for token in 0..cols.n {
            for row in 0..inner {
                x[at(row, token, 2 * inner)] = (token as f32 - 35.0) / 4.0 + row as f32;
                x[at(inner + row, token, 2 * inner)] = 1.5 - row as f32;
                d[at(row, token, inner)] = 0.5 + row as f32;
            }
        }
        let kinds = [Gate::Silu, Gate::Gelu(Activation::GeluErf), Gate::Gelu(Activation::GeluTanh)];
        for (kind, par) in kinds.into_iter().flat_map(|kind| [(kind, false), (kind, true)]) {
            let silu = |x: f64| exact(kind, x);
            let (mut y, mut again, mut d_x) = (vec![f32::NAN; d.len()], d.clone(), vec![f32::NAN; x.len()]);
            gate(par, kind, &x, inner, cols, &mut y);
            gate_gradient(par, kind, &x, inner, cols, &mut again, &mut d_x);
            assert_eq!(y, again);
            for token in 0..cols.n {
                for row in 0..inner {
                    let (g, u) = (at(row, token, 2 * inner), at(inner + row, token, 2 * inner));
                    let (value, d) = (at(row, token, inner), f64::from(d[at(row, token, inner)]));
                    let (gf, uf) = (f64::from(x[g]), f64::from(x[u]));
                    let slope = (silu(gf + 1e-5) - silu(gf - 1e-5)) / 2e-5;
                    for (got, expected) in [(y[value], silu(gf) * uf), (d_x[g], d * uf * slope), (d_x[u], d * silu(gf))]
                    {
                        assert!((f64::from(got) - expected).abs() < 3e-6 * (1.0 + expected.abs()), "{got} {expected}");
                    }
                }
            }
        }
    }

    #[test]
    fn huge_inputs_stay_finite() {
        let mut x = vec![0.0; 2 * LANES];
        x[..4].copy_from_slice(&[-1e30, -1e3, 1e3, 1e6]);
        x[LANES..].fill(2.0);
        let (mut d, mut d_x) = (vec![1.0; LANES], vec![0.0; 2 * LANES]);
        gate_gradient(false, Gate::Silu, &x, 1, Cols { n: LANES }, &mut d, &mut d_x);
        assert!(d.iter().chain(&d_x).all(|v| v.is_finite()), "{d:?} {d_x:?}");
        assert!(d[0].abs() < 1e-10 && d[1].abs() < 1e-10, "{d:?}");
        assert_eq!((d[3], d_x[3]), (2e6, 2.0));
    }
}
