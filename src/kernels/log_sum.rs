//! The logarithm of a sum of exponentials, which turns a vocabulary's logits into log-probabilities, and a draw by their exponentials.

use super::simd::{LANES, Simd, dispatch};
use crate::core::math::ln;
use std::cell::Cell;

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

/// Numbers whose exponentials are summed together where one is drawn. Arbitrary: four vectors.
const BLOCK: usize = 4 * LANES;
/// What single precision may be wrong by in a share of the whole, generously: exponentials are right to 3e-7, those of `x / temperature` to
/// 2e-7 times how far `x` is from the greatest, a dozen in the mean at most, and sums of a block to 1e-6.
const DOUBT: f64 = 1e-5;

#[inline(always)]
unsafe fn weights_any<S: Simd>(x: *const f32, n: usize, most: f32, cold: f32, to: *mut f32, sums: *mut f32) {
    unsafe {
        let (greatest, cold) = (S::splat(most), S::splat(cold));
        for (block, at) in (0..n).step_by(BLOCK).enumerate() {
            let mut total = S::splat(0.0);
            for at in (at..n.min(at + BLOCK)).step_by(LANES) {
                let left = (n - at).min(LANES);
                let e = S::exp(S::mul(S::sub(S::load_n(x.add(at), left), greatest), cold));
                if left == LANES {
                    S::store(to.add(at), e);
                    total = S::add(total, e);
                } else {
                    // Lanes past the end hold a zero's exponential, which is not wanted.
                    S::store_n(to.add(at), left, e);
                    total = S::add(total, S::load_n(to.add(at), left));
                }
            }
            *sums.add(block) = S::sum(total);
        }
    }
}

dispatch! {
    weights = weights_any(x: *const f32, n: usize, most: f32, cold: f32, to: *mut f32, sums: *mut f32)
}

thread_local! {
    /// Exponentials of this thread's numbers, and their sums by block; taken while one is drawn.
    static WEIGHTS: Cell<[Vec<f32>; 2]> = const { Cell::new([const { Vec::new() }; 2]) };
}

/// The first place up to which `exp(x / temperature)` have more than the share `draw` of their sum; `None` where single precision
/// cannot tell. What is NaN has no share: callers look for it.
pub(crate) fn drawn(x: &[f32], temperature: f64, draw: f64) -> Option<u32> {
    let mut greatest = f32::NAN;
    // Safety: as many floats are read as there are.
    unsafe { most(x.as_ptr(), x.len(), &mut greatest) };
    let [mut held, mut sums] = WEIGHTS.take();
    super::pages::grow(&mut held, x.len());
    super::pages::grow(&mut sums, x.len().div_ceil(BLOCK));
    let cold = (1.0 / temperature) as f32;
    // Safety: there is room for each number, and for the sum of each block.
    unsafe { weights(x.as_ptr(), x.len(), greatest, cold, held.as_mut_ptr(), sums.as_mut_ptr()) };
    let found = place(held.get(..x.len())?, sums.get(..x.len().div_ceil(BLOCK))?, draw);
    WEIGHTS.set([held, sums]);
    found
}

/// Where the share `draw` of all weights is passed, if that is beyond doubt.
fn place(weights: &[f32], sums: &[f32], draw: f64) -> Option<u32> {
    let total: f64 = sums.iter().map(|sum| f64::from(*sum)).sum();
    let (target, doubt) = (draw * total, DOUBT * total);
    let mut before = 0.0;
    for (block, sum) in sums.iter().enumerate() {
        if before + f64::from(*sum) <= target {
            before += f64::from(*sum);
            continue;
        }
        for (at, weight) in weights.iter().enumerate().skip(block * BLOCK).take(BLOCK) {
            let behind = before + f64::from(*weight);
            if behind > target {
                let is_sure = target - before > doubt && behind - target > doubt;
                return is_sure.then_some(at as u32);
            }
            before = behind;
        }
        return None;
    }
    None
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
