//! The logarithm of a sum of exponentials: what turns a vocabulary's logits into log-probabilities.

use super::simd::{LANES, Simd, dispatch};
use crate::core::math::ln;

/// Numbers that are summed in single precision before the sum goes on in double. Arbitrary.
const CHUNK: usize = 64 * LANES;

#[inline(always)]
unsafe fn most_any<S: Simd>(x: *const f32, n: usize, most: *mut f32) {
    unsafe {
        let mut greatest = S::splat(f32::MIN);
        let whole = n / LANES * LANES;
        for at in (0..whole).step_by(LANES) {
            greatest = S::max(S::load(x.add(at)), greatest);
        }
        let mut found = S::to_array(greatest).into_iter().fold(f32::MIN, f32::max);
        for at in whole..n {
            found = found.max(*x.add(at));
        }
        *most = found;
    }
}

dispatch! {
    most = most_any(x: *const f32, n: usize, most: *mut f32)
}

#[inline(always)]
unsafe fn sum_any<S: Simd>(x: *const f32, n: usize, most: f32, sum: *mut f32) {
    unsafe {
        let (mut total, greatest) = (S::splat(0.0), S::splat(most));
        let whole = n / LANES * LANES;
        for at in (0..whole).step_by(LANES) {
            total = S::add(total, S::exp(S::sub(S::load(x.add(at)), greatest)));
        }
        *sum = S::sum(total);
        if whole < n {
            // Lanes past the end hold a zero, whose exponential is not wanted.
            let rest = S::exp(S::sub(S::load_n(x.add(whole), n - whole), greatest));
            *sum += S::to_array(rest).into_iter().take(n - whole).sum::<f32>();
        }
    }
}

dispatch! {
    sum_of_exponentials = sum_any(x: *const f32, n: usize, most: f32, sum: *mut f32)
}

/// `ln Σ exp(x)`; NaN where a number is, or where there is none.
pub(crate) fn log_sum_exp(x: &[f32]) -> f64 {
    if x.is_empty() || x.iter().any(|x| x.is_nan()) {
        return f64::NAN;
    }
    let mut greatest = 0.0;
    // Safety: as many floats are read as there are.
    unsafe { most(x.as_ptr(), x.len(), &mut greatest) };
    let mut total = 0.0;
    for chunk in x.chunks(CHUNK) {
        let mut sum = 0.0;
        // Safety: as above.
        unsafe { sum_of_exponentials(chunk.as_ptr(), chunk.len(), greatest, &mut sum) };
        total += f64::from(sum);
    }
    f64::from(greatest) + ln(total)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::math::exp;
    use crate::core::random::Random;

    #[test]
    fn it_is_the_sum_in_double_precision() {
        let mut random = Random::new(0, "log sum");
        for (n, spread) in [(1, 1.0), (15, 3.0), (16, 3.0), (1025, 5.0), (50_000, 10.0)] {
            let x: Vec<f32> = (0..n).map(|_| (spread * random.normal()) as f32 - 40.0).collect();
            let most = x.iter().copied().fold(f32::MIN, f32::max);
            let exact = f64::from(most) + ln(x.iter().map(|x| exp(f64::from(x - most))).sum::<f64>());
            assert!((log_sum_exp(&x) - exact).abs() < 1e-6, "{n}: {} and {exact}", log_sum_exp(&x));
        }
        assert!((log_sum_exp(&[1e30, 0.0]) - f64::from(1e30f32)).abs() < 1e23);
        assert!(log_sum_exp(&[0.0, f32::NAN]).is_nan() && log_sum_exp(&[]).is_nan());
    }
}
