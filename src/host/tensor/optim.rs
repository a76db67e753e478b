//! AdamW over one flat buffer: one pass over parameters, gradients and moments, with global-norm clipping.

use rayon::prelude::*;
use std::ops::Range;

/// Elements per task. Chosen: three buffers of it fit a second-level cache; fixed, so that sums never depend on threads.
const CHUNK: usize = 16_384;

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
}

/// What one chunk needs to know.
#[derive(Clone, Copy)]
struct Step {
    scale: f32,
    beta1: f32,
    beta2: f32,
    /// `lr / (1 - beta1^t)`.
    rate: f32,
    /// `1 / sqrt(1 - beta2^t)`.
    correction: f32,
    eps: f32,
}

impl AdamW {
    /// An optimiser for `n` parameters.
    pub fn new(n: usize, options: AdamWOptions) -> Self {
        AdamW { options, first: vec![0.0; n], second: vec![0.0; n], n_steps: 0 }
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
        let norm = norm(grads);
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
        };
        if weight_decay != 0.0 {
            let kept = (1.0 - lr * weight_decay) as f32;
            for range in decayed {
                for param in params.get_mut(range.clone()).unwrap_or_default() {
                    *param *= kept;
                }
            }
        }
        let chunks = params.par_chunks_mut(CHUNK).zip(grads.par_chunks(CHUNK));
        let moments = self.first.par_chunks_mut(CHUNK).zip(self.second.par_chunks_mut(CHUNK));
        chunks.zip(moments).for_each(|((params, grads), (first, second))| adam(step, params, grads, first, second));
        norm
    }

    /// How many steps were taken.
    pub fn n_steps(&self) -> usize {
        self.n_steps.max(0) as usize
    }
}

/// The 2-norm of a buffer, summed in a fixed order.
pub fn norm(values: &[f32]) -> f64 {
    let partial: Vec<f64> = values.par_chunks(CHUNK).map(sum_of_squares).collect();
    partial.iter().sum::<f64>().sqrt()
}

fn sum_of_squares(values: &[f32]) -> f64 {
    // Eight sums side by side, so that the loop vectorises; their order is fixed.
    let mut sums = [0.0f64; 8];
    let (whole, rest) = values.as_chunks::<8>();
    for eight in whole {
        for (sum, &value) in sums.iter_mut().zip(eight) {
            *sum += value as f64 * value as f64;
        }
    }
    for (sum, &value) in sums.iter_mut().zip(rest) {
        *sum += value as f64 * value as f64;
    }
    sums.iter().sum()
}

fn adam(step: Step, params: &mut [f32], grads: &[f32], first: &mut [f32], second: &mut [f32]) {
    let Step { scale, beta1, beta2, rate, correction, eps } = step;
    for (((param, &grad), first), second) in params.iter_mut().zip(grads).zip(first).zip(second) {
        let grad = grad * scale;
        *first = beta1 * *first + (1.0 - beta1) * grad;
        *second = beta2 * *second + (1.0 - beta2) * grad * grad;
        *param -= rate * *first / (second.sqrt() * correction + eps);
    }
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
            adam.step(&mut params, &grads, 0.1, None, &[0..37]);
        }
        for (got, want) in params.iter().zip(&expected) {
            assert!((*got as f64 - want).abs() < 1e-5, "{got} {want}");
        }
    }

    #[test]
    fn decay_stays_in_its_region_and_clipping_scales() {
        let mut params = vec![1.0f32; 4];
        let options = AdamWOptions { weight_decay: 0.5, ..AdamWOptions::default() };
        AdamW::new(4, options).step(&mut params, &[0.0; 4], 0.1, None, &[1..3]);
        assert_eq!(params, [1.0, 0.95, 0.95, 1.0]);

        // Adam's first step does not depend on the scale of the gradient, its moments do.
        let mut adam = AdamW::new(2, AdamWOptions::default());
        let norm = adam.step(&mut [0.0; 2], &[3.0, 4.0], 0.1, Some(1.0), &[]);
        assert!((norm - 5.0).abs() < 1e-12);
        assert!((adam.first[0] - 0.06).abs() < 1e-7 && (adam.first[1] - 0.08).abs() < 1e-7);
    }

    #[test]
    fn a_gradient_that_is_not_finite_changes_nothing() {
        let mut params = vec![1.0f32; 2];
        let norm = AdamW::new(2, AdamWOptions::default()).step(&mut params, &[f32::NAN, 1.0], 0.1, Some(1.0), &[]);
        assert!(norm.is_nan());
        assert_eq!(params, [1.0, 1.0]);
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
                (0..3).for_each(|_| drop(adam.step(&mut params, &grads, 0.01, Some(1.0), &[])));
                params.iter().map(|p| p.to_bits()).collect::<Vec<_>>()
            })
        };
        assert_eq!(run(1), run(2));
        assert_eq!(run(1), run(3));
    }
}
