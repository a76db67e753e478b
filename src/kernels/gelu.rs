//! GELU, exact and by tanh, and its derivative.

use super::simd::{LANES, Simd, dispatch};
use super::tasks::{Raw, tasks};

/// The nonlinearity of a feed-forward layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    /// `x·Φ(x)` with the error function (BERT).
    GeluErf,
    /// The tanh approximation (GPT-2).
    GeluTanh,
}

/// Floats of a task. Arbitrary: some ten microseconds of work.
const CHUNK: usize = 32_768;

/// `(g, g')` where `g = x·Φ(x)` or its tanh approximation (Hendrycks and Gimpel 2016).
#[inline(always)]
#[allow(clippy::excessive_precision)] // Constants as their sources print them.
pub(super) unsafe fn value_and_slope<S: Simd, const ERF: bool>(x: S::V) -> (S::V, S::V) {
    unsafe {
        let one = S::splat(1.0);
        if ERF {
            // erfc(z) = t·exp(-z² + p(t)), t = 1 / (1 + z/2), to 1.2e-7 relative for all z >= 0 (Numerical Recipes, `erfcc`).
            let z = S::mul(S::max(x, S::sub(S::splat(0.0), x)), S::splat(std::f32::consts::FRAC_1_SQRT_2));
            let t = S::div(one, S::fma(z, S::splat(0.5), one));
            let mut p = S::splat(0.170_872_77);
            for coefficient in [
                -0.822_152_2,
                1.488_515_9,
                -1.135_204,
                0.278_868_07,
                -0.186_288_06,
                0.096_784_18,
                0.374_091_96,
                1.000_023_7,
                -1.265_512_2,
            ] {
                p = S::fma(p, t, S::splat(coefficient));
            }
            let square = S::mul(z, z);
            let half_erfc = S::mul(S::mul(S::splat(0.5), t), S::exp(S::sub(p, square)));
            let phi = S::select_lt(x, S::splat(0.0), half_erfc, S::sub(one, half_erfc));
            // 1 / sqrt(2π)
            let density = S::mul(S::splat(0.398_942_3), S::exp(S::sub(S::splat(0.0), square)));
            (S::mul(x, phi), S::fma(x, density, phi))
        } else {
            // 0.5·(1 + tanh u) = σ(2u) with u = sqrt(2/π)·(x + 0.044715 x³).
            let square = S::mul(x, x);
            let two_u = S::mul(x, S::fma(square, S::splat(0.071_354_81), S::splat(1.595_769_1)));
            let slope = S::fma(square, S::splat(0.214_064_44), S::splat(1.595_769_1));
            // Beyond 60 the sigmoid is 0 or 1 in every digit of the result.
            let negated = S::min(S::max(S::sub(S::splat(0.0), two_u), S::splat(-60.0)), S::splat(60.0));
            let sigmoid = S::div(one, S::add(one, S::exp(negated)));
            let value = S::mul(x, sigmoid);
            (value, S::fma(S::mul(value, S::sub(one, sigmoid)), slope, sigmoid))
        }
    }
}

/// `gelu(x)` of a vector.
#[inline(always)]
pub(super) unsafe fn bent<S: Simd>(activation: Activation, x: S::V) -> S::V {
    unsafe {
        match activation {
            Activation::GeluErf => value_and_slope::<S, true>(x).0,
            Activation::GeluTanh => value_and_slope::<S, false>(x).0,
        }
    }
}

#[inline(always)]
unsafe fn forward_any<S: Simd>(activation: Activation, x: *const f32, y: *mut f32, n: usize) {
    unsafe {
        match activation {
            Activation::GeluErf => {
                for at in (0..n).step_by(LANES) {
                    S::store(y.add(at), value_and_slope::<S, true>(S::load(x.add(at))).0);
                }
            }
            Activation::GeluTanh => {
                for at in (0..n).step_by(LANES) {
                    S::store(y.add(at), value_and_slope::<S, false>(S::load(x.add(at))).0);
                }
            }
        }
    }
}

dispatch! {
    /// `y = gelu(x)` for `n` floats, a multiple of 16.
    forward = forward_any(activation: Activation, x: *const f32, y: *mut f32, n: usize)
}

#[inline(always)]
unsafe fn backward_some<S: Simd, const ERF: bool>(x: *const f32, y: *mut f32, d: *mut f32, n: usize) {
    unsafe {
        for at in (0..n).step_by(LANES) {
            let (value, slope) = value_and_slope::<S, ERF>(S::load(x.add(at)));
            S::store(y.add(at), value);
            S::store(d.add(at), S::mul(S::load(d.add(at)), slope));
        }
    }
}

#[inline(always)]
unsafe fn backward_any<S: Simd>(activation: Activation, x: *const f32, y: *mut f32, d: *mut f32, n: usize) {
    unsafe {
        match activation {
            Activation::GeluErf => backward_some::<S, true>(x, y, d, n),
            Activation::GeluTanh => backward_some::<S, false>(x, y, d, n),
        }
    }
}

dispatch! {
    /// `y = gelu(x)` and `d *= gelu'(x)` for `n` floats, a multiple of 16.
    backward = backward_any(activation: Activation, x: *const f32, y: *mut f32, d: *mut f32, n: usize)
}

/// `x = gelu(x)`; the length is a multiple of 16.
pub(crate) fn gelu_in_place(par: bool, activation: Activation, x: &mut [f32]) {
    let n = x.len();
    assert!(n.is_multiple_of(LANES));
    let x = Raw::new(x);
    tasks(par, n.div_ceil(CHUNK), |task| {
        let at = task * CHUNK;
        // Safety: the length was checked above; tasks write their own chunks, each vector after it was read.
        unsafe { forward(activation, x.at(at), x.at(at), (n - at).min(CHUNK)) };
    });
}

/// `y = gelu(x)`; the lengths are equal multiples of 16.
pub(crate) fn gelu(par: bool, activation: Activation, x: &[f32], y: &mut [f32]) {
    let n = x.len();
    assert!(n == y.len() && n.is_multiple_of(LANES));
    let y = Raw::new(y);
    tasks(par, n.div_ceil(CHUNK), |task| {
        let at = task * CHUNK;
        // Safety: lengths were checked above; tasks write their own chunks.
        unsafe { forward(activation, x.as_ptr().add(at), y.at(at), (n - at).min(CHUNK)) };
    });
}

/// From the input `x`, the value again into `y`, and `d` (the gradient of the value) turned into the gradient of `x`.
pub(crate) fn gelu_gradient(par: bool, activation: Activation, x: &[f32], y: &mut [f32], d: &mut [f32]) {
    let n = x.len();
    assert!(n == y.len() && n == d.len() && n.is_multiple_of(LANES));
    let (y, d) = (Raw::new(y), Raw::new(d));
    tasks(par, n.div_ceil(CHUNK), |task| {
        let at = task * CHUNK;
        // Safety: lengths were checked above; tasks write their own chunks.
        unsafe { backward(activation, x.as_ptr().add(at), y.at(at), d.at(at), (n - at).min(CHUNK)) };
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn both(activation: Activation, xs: &[f32]) -> (Vec<f32>, Vec<f32>) {
        let mut x = xs.to_vec();
        x.resize(xs.len().next_multiple_of(LANES), 0.0);
        let (mut y, mut d) = (vec![0.0; x.len()], vec![1.0; x.len()]);
        gelu_gradient(false, activation, &x, &mut y, &mut d);
        let mut again = vec![0.0; x.len()];
        gelu(false, activation, &x, &mut again);
        assert_eq!(y, again);
        (y, d)
    }

    fn exact(activation: Activation, x: f64) -> f64 {
        match activation {
            Activation::GeluErf => 0.5 * x * statrs::function::erf::erfc(-x / 2f64.sqrt()),
            Activation::GeluTanh => {
                0.5 * x * (1.0 + ((2.0 / std::f64::consts::PI).sqrt() * (x + 0.044715 * x.powi(3))).tanh())
            }
        }
    }

    #[test]
    fn values_and_slopes_equal_the_definition() {
        let xs: Vec<f32> = (-800..=800).map(|i| i as f32 / 100.0).collect();
        for activation in [Activation::GeluErf, Activation::GeluTanh] {
            let (y, d) = both(activation, &xs);
            for (i, &x) in xs.iter().enumerate() {
                let x = x as f64;
                let (value, h) = (exact(activation, x), 1e-5);
                let slope = (exact(activation, x + h) - exact(activation, x - h)) / (2.0 * h);
                assert!((y[i] as f64 - value).abs() < 1e-6 * x.abs().max(0.1), "{activation:?} {x}: {} {value}", y[i]);
                assert!((d[i] as f64 - slope).abs() < 2e-6 * x.abs().max(1.0), "{activation:?} {x}: {} {slope}", d[i]);
            }
        }
    }

    #[test]
    fn huge_inputs_stay_finite() {
        for activation in [Activation::GeluErf, Activation::GeluTanh] {
            let (y, d) = both(activation, &[-1e6, -1e3, -30.0, 30.0, 1e3, 1e6]);
            assert!(y.iter().chain(&d).all(|v| v.is_finite()), "{activation:?} {y:?} {d:?}");
            assert_eq!(y[5], 1e6);
            assert!(y[0].abs() < 1e-10 && (d[5] - 1.0).abs() < 1e-6 && d[0].abs() < 1e-6, "{activation:?} {y:?} {d:?}");
        }
    }
}
