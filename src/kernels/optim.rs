//! AdamW over one flat buffer: one pass over parameters, gradients and moments, with global-norm clipping.

use super::pages;
use super::simd::{FlushDenormals, LANES, Simd, dispatch};
use super::tasks::{Raw, tasks};
use rayon::prelude::*;
use std::ops::Range;

/// Elements per task. Arbitrary: three buffers of it fit a second-level cache; fixed, so that sums never depend on threads.
const CHUNK: usize = 16_384;
/// Up to so many parameters stay on the calling thread. Arbitrary: handing over costs more than they do.
const ALONE: usize = 32 * CHUNK;

/// Parameters that are passed over together while nothing ever moved them: the rows of an embedding whose tokens no batch
/// has named. Arbitrary: four lines of the cache; divides a chunk.
const BLOCK: usize = 64;

/// Hyperparameters of AdamW that stay the same from step to step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdamWOptions {
    pub beta1: f64,
    pub beta2: f64,
    pub eps: f64,
    /// Decoupled decay: a parameter in a decayed region loses `lr · weight_decay` of itself at each step.
    pub weight_decay: f64,
}

impl Default for AdamWOptions {
    /// PyTorch's defaults for the moments, no decay.
    fn default() -> Self {
        AdamWOptions { beta1: 0.9, beta2: 0.999, eps: 1e-8, weight_decay: 0.0 }
    }
}

/// Adam with decoupled weight decay (Loshchilov and Hutter 2019), as `torch.optim.AdamW`.
#[derive(Debug, Clone)]
pub struct AdamW {
    options: AdamWOptions,
    first: Vec<f32>,
    second: Vec<f32>,
    n_steps: i32,
    /// For each [`BLOCK`], whether a gradient in it was ever other than zero. Where none was, both moments are zero, and a
    /// step without decay changes nothing.
    moved: Vec<bool>,
}

/// Whether any of these numbers is not zero.
fn any(values: &[f32]) -> bool {
    values.iter().fold(0, |bits, value| bits | value.to_bits() << 1) != 0
}

/// What one chunk needs to know.
#[derive(Clone, Copy)]
pub(crate) struct Step {
    scale: f32,
    beta1: f32,
    beta2: f32,
    /// `lr / (1 - beta1^t)`.
    rate: f32,
    /// `1 / sqrt(1 - beta2^t)`.
    correction: f32,
    eps: f32,
    /// What decay leaves of a parameter.
    kept: f32,
}

impl AdamW {
    /// An optimiser for `n` parameters.
    pub fn new(n: usize, options: AdamWOptions) -> Self {
        AdamW {
            options,
            first: pages::zeros(n),
            second: pages::zeros(n),
            n_steps: 0,
            moved: vec![false; n.div_ceil(BLOCK)],
        }
    }

    /// One step. Gradients whose global 2-norm is above `clip` are scaled down to it (`grads` itself is left as it is).
    /// Weight decay acts on `decayed`, sorted ranges of the buffer. Gives the norm before clipping; if that is not
    /// finite, nothing is changed, and the caller should say so. The three buffers have equal lengths.
    pub fn step(
        &mut self,
        params: &mut [f32],
        grads: &[f32],
        lr: f64,
        clip: Option<f64>,
        decayed: &[Range<usize>],
    ) -> f64 {
        let _flush = FlushDenormals::new();
        let norm = norm(grads, &mut self.moved);
        if !norm.is_finite() || params.len() != grads.len() || params.len() != self.first.len() {
            return f64::NAN;
        }
        let AdamWOptions { beta1, beta2, eps, weight_decay } = self.options;
        self.n_steps = self.n_steps.saturating_add(1);
        let step = Step {
            scale: clip.filter(|&most| norm > most).map_or(1.0, |most| most / norm) as f32,
            beta1: beta1 as f32,
            beta2: beta2 as f32,
            rate: (lr / (1.0 - beta1.powi(self.n_steps))) as f32,
            correction: (1.0 / (1.0 - beta2.powi(self.n_steps)).sqrt()) as f32,
            eps: eps as f32,
            kept: 1.0,
        };
        let kept = if weight_decay == 0.0 { 1.0 } else { (1.0 - lr * weight_decay) as f32 };
        let (n, moved) = (params.len(), &self.moved);
        let (params, first, second) = (Raw::new(params), Raw::new(&mut self.first), Raw::new(&mut self.second));
        tasks(n > ALONE, n.div_ceil(CHUNK), |task| {
            let (mut at, end) = (task * CHUNK, n.min((task + 1) * CHUNK));
            while at < end {
                // Up to where decay begins or ends.
                let range = decayed.get(decayed.partition_point(|range| range.end <= at));
                let (until, kept) = match range {
                    Some(range) if range.start <= at => (range.end.min(end), kept),
                    Some(range) => (range.start.min(end), 1.0),
                    None => (end, 1.0),
                };
                let still = |at: usize| kept == 1.0 && moved.get(at / BLOCK) == Some(&false);
                // Up to where blocks that nothing moved begin or end.
                let mut next = (at / BLOCK + 1) * BLOCK;
                while next < until && still(next) == still(at) {
                    next += BLOCK;
                }
                let until = next.min(until);
                if still(at) {
                    at = until;
                    continue;
                }
                let step = Step { kept, ..step };
                // Safety: the four buffers have `n` elements; tasks write their own chunks.
                unsafe {
                    adam(step, until - at, params.at(at), grads.as_ptr().add(at), first.at(at), second.at(at));
                }
                at = until;
            }
        });
        norm
    }

    /// The first and second moments: with the number of steps all that it remembers.
    pub fn moments(&self) -> [&[f32]; 2] {
        [&self.first, &self.second]
    }

    /// The optimiser as it was after `n_steps` with these moments; it keeps its options.
    #[must_use]
    pub fn resumed(self, n_steps: usize, first: Vec<f32>, second: Vec<f32>) -> Self {
        let moved =
            first.chunks(BLOCK).zip(second.chunks(BLOCK)).map(|(first, second)| any(first) || any(second)).collect();
        AdamW { options: self.options, first, second, n_steps: i32::try_from(n_steps).unwrap_or(i32::MAX), moved }
    }

    /// How many steps were taken.
    pub fn n_steps(&self) -> usize {
        self.n_steps.max(0) as usize
    }
}

/// The 2-norm of a buffer, summed in a fixed order. Marks the blocks that hold anything but zeros in `moved`.
fn norm(values: &[f32], moved: &mut [bool]) -> f64 {
    let partial = |(chunk, moved): (&[f32], &mut [bool])| {
        for (block, moved) in chunk.chunks(BLOCK).zip(moved) {
            *moved = *moved || any(block);
        }
        let mut sum = 0.0;
        // Safety: the slice is as long as it says.
        unsafe { sum_of_squares(chunk.as_ptr(), chunk.len(), &mut sum) };
        sum
    };
    let partial: Vec<f64> = if values.len() > ALONE {
        values.par_chunks(CHUNK).zip(moved.par_chunks_mut(CHUNK / BLOCK)).map(partial).collect()
    } else {
        values.chunks(CHUNK).zip(moved.chunks_mut(CHUNK / BLOCK)).map(partial).collect()
    };
    partial.iter().sum::<f64>().sqrt()
}

/// Floats whose squares are summed in single precision before they go on in double. Arbitrary: it costs no digit that
/// clipping could feel.
const RUN: usize = 16 * LANES;

#[inline(always)]
unsafe fn sum_of_squares_any<S: Simd>(values: *const f32, n: usize, total: &mut f64) {
    unsafe {
        let greatest = {
            let mut most = S::splat(0.0);
            for at in (0..n).step_by(LANES) {
                let value = S::load_n(values.add(at), n - at);
                most = S::max(most, S::max(value, S::sub(S::splat(0.0), value)));
            }
            S::to_array(most).into_iter().fold(0.0f32, f32::max)
        };
        // Squares of values beyond this would overflow; they are rare enough for one value at a time.
        if greatest > 1e15 {
            *total = (0..n).map(|at| (*values.add(at) as f64).powi(2)).sum();
            return;
        }
        let mut sum = 0.0;
        for start in (0..n).step_by(RUN) {
            let end = (start + RUN).min(n);
            let mut squares = S::splat(0.0);
            for at in (start..end).step_by(LANES) {
                let value = S::load_n(values.add(at), end - at);
                squares = S::fma(value, value, squares);
            }
            sum += S::sum(squares) as f64;
        }
        *total = sum;
    }
}

dispatch! {
    sum_of_squares = sum_of_squares_any(values: *const f32, n: usize, total: &mut f64)
}

#[inline(always)]
unsafe fn adam_any<S: Simd>(
    step: Step,
    n: usize,
    params: *mut f32,
    grads: *const f32,
    first: *mut f32,
    second: *mut f32,
) {
    unsafe {
        let (beta1, beta2) = (S::splat(step.beta1), S::splat(step.beta2));
        let (rest1, rest2) = (S::splat(1.0 - step.beta1), S::splat(1.0 - step.beta2));
        for at in (0..n).step_by(LANES) {
            let left = n - at;
            let grad = S::mul(S::load_n(grads.add(at), left), S::splat(step.scale));
            let mean = S::fma(rest1, grad, S::mul(beta1, S::load_n(first.add(at), left)));
            let square = S::fma(S::mul(rest2, grad), grad, S::mul(beta2, S::load_n(second.add(at), left)));
            // A square below the smallest normal number has a root far below eps.
            let normal = S::max(square, S::splat(1e-37));
            let root = S::mul(normal, S::reciprocal_sqrt(normal));
            let spread = S::fma(root, S::splat(step.correction), S::splat(step.eps));
            let change = S::mul(S::splat(step.rate), S::mul(mean, S::reciprocal(spread)));
            let param = S::mul(S::load_n(params.add(at), left), S::splat(step.kept));
            S::store_n(params.add(at), left, S::sub(param, change));
            S::store_n(first.add(at), left, mean);
            S::store_n(second.add(at), left, square);
        }
    }
}

dispatch! {
    /// One chunk of `n` parameters.
    adam = adam_any(step: Step, n: usize, params: *mut f32, grads: *const f32, first: *mut f32, second: *mut f32)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reference: `torch.optim.AdamW([p], lr=0.1, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.01)` written out in f64.
    fn written_out(params: &mut [f64], steps: &[Vec<f64>], lr: f64, decay: f64) {
        let (mut m, mut v) = (vec![0.0; params.len()], vec![0.0; params.len()]);
        for (t, grads) in steps.iter().enumerate() {
            let t = t as i32 + 1;
            for i in 0..params.len() {
                params[i] -= lr * decay * params[i];
                m[i] = 0.9 * m[i] + 0.1 * grads[i];
                v[i] = 0.999 * v[i] + 0.001 * grads[i] * grads[i];
                let (m_hat, v_hat) = (m[i] / (1.0 - 0.9f64.powi(t)), v[i] / (1.0 - 0.999f64.powi(t)));
                params[i] -= lr * m_hat / (v_hat.sqrt() + 1e-8);
            }
        }
    }

    #[test]
    fn steps_equal_the_formula() {
        let steps: Vec<Vec<f64>> =
            (0..5).map(|t| (0..37).map(|i| ((i * 7 + t * 3) % 11) as f64 - 5.0).collect()).collect();
        let mut expected: Vec<f64> = (0..37).map(|i| i as f64 / 10.0 - 2.0).collect();
        let mut params: Vec<f32> = expected.iter().map(|&p| p as f32).collect();
        written_out(&mut expected, &steps, 0.1, 0.01);
        let mut adam = AdamW::new(37, AdamWOptions { weight_decay: 0.01, ..AdamWOptions::default() });
        for grads in &steps {
            let grads: Vec<f32> = grads.iter().map(|&g| g as f32).collect();
            adam.step(&mut params, &grads, 0.1, None, std::slice::from_ref(&(0..37)));
        }
        for (got, want) in params.iter().zip(&expected) {
            assert!((*got as f64 - want).abs() < 1e-5, "{got} {want}");
        }
    }

    #[test]
    fn decay_stays_in_its_region_and_clipping_scales() {
        let mut params = vec![1.0f32; 4];
        let options = AdamWOptions { weight_decay: 0.5, ..AdamWOptions::default() };
        AdamW::new(4, options).step(&mut params, &[0.0; 4], 0.1, None, std::slice::from_ref(&(1..3)));
        assert_eq!(params, [1.0, 0.95, 0.95, 1.0]);

        // Adam's first step does not depend on the scale of the gradient, its moments do.
        let mut adam = AdamW::new(2, AdamWOptions::default());
        let norm = adam.step(&mut [0.0; 2], &[3.0, 4.0], 0.1, Some(1.0), &[]);
        assert!((norm - 5.0).abs() < 1e-12);
        assert!((adam.first[0] - 0.06).abs() < 1e-7 && (adam.first[1] - 0.08).abs() < 1e-7);
    }

    #[test]
    fn the_norm_is_exact_enough_at_every_size() {
        for (n, scale) in [(1, 1.0f32), (17, 1e-12), (40_001, 3.0), (300, 1e30), (100_000, 1e-3)] {
            let values: Vec<f32> = (0..n).map(|i| ((i * 31 % 97) as f32 - 48.0) * scale).collect();
            let exact = values.iter().map(|&v| (v as f64).powi(2)).sum::<f64>().sqrt();
            let found = norm(&values, &mut vec![false; values.len().div_ceil(BLOCK)]);
            assert!((found - exact).abs() <= 1e-6 * exact, "{n} {scale}: {found} {exact}");
        }
        assert!(norm(&[1.0, f32::NAN, 2.0], &mut [false]).is_nan());
        assert!(norm(&[f32::INFINITY; 40], &mut [false]).is_infinite());
    }

    #[test]
    fn a_gradient_that_is_not_finite_changes_nothing() {
        let mut params = vec![1.0f32; 2];
        let norm = AdamW::new(2, AdamWOptions::default()).step(&mut params, &[f32::NAN, 1.0], 0.1, Some(1.0), &[]);
        assert!(norm.is_nan());
        assert_eq!(params, [1.0, 1.0]);
    }

    #[test]
    fn what_nothing_moved_is_passed_over_without_a_trace() {
        let n = CHUNK + 5 * BLOCK + 7;
        let decayed = [3 * BLOCK + 5..4 * BLOCK + 9, CHUNK + 4 * BLOCK..CHUNK + 4 * BLOCK + 1];
        // The same gradients, once with every block taken for moved.
        let run = |touched: bool| {
            let mut params: Vec<f32> = (0..n).map(|i| i as f32 / 100.0 - 3.0).collect();
            let mut adam = AdamW::new(n, AdamWOptions { weight_decay: 0.1, ..AdamWOptions::default() });
            if touched {
                adam.moved.fill(true);
            }
            for step in 0..4 {
                let mut grads = vec![0.0f32; n];
                grads[2 * BLOCK + 1] = 0.5;
                grads[CHUNK + BLOCK * step] = -1.0;
                adam.step(&mut params, &grads, 0.01, Some(1.0), &decayed);
                if step == 1 {
                    let [first, second] = adam.moments().map(<[f32]>::to_vec);
                    adam = adam.resumed(2, first, second);
                }
            }
            let still = adam.moved.iter().filter(|moved| !**moved).count();
            (params.iter().map(|p| p.to_bits()).collect::<Vec<_>>(), still)
        };
        let ((sparse, still), (dense, _)) = (run(false), run(true));
        assert!(still > CHUNK / BLOCK - 3, "{still}");
        assert!(sparse == dense);
        assert_ne!(
            f32::from_bits(sparse[3 * BLOCK + 6]),
            (3 * BLOCK + 6) as f32 / 100.0 - 3.0,
            "decay acts all the same"
        );
    }

    #[test]
    fn bits_do_not_depend_on_threads() {
        let run = |n_threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(n_threads).build().expect("a pool");
            pool.install(|| {
                let n = 3 * CHUNK + 17;
                let grads: Vec<f32> = (0..n).map(|i| ((i * 31 % 97) as f32 - 48.0) / 9.0).collect();
                let mut params = vec![0.5f32; n];
                let mut adam = AdamW::new(n, AdamWOptions::default());
                for _ in 0..3 {
                    adam.step(&mut params, &grads, 0.01, Some(1.0), &[]);
                }
                params.iter().map(|p| p.to_bits()).collect::<Vec<_>>()
            })
        };
        assert_eq!(run(1), run(2));
        assert_eq!(run(1), run(3));
    }
}
