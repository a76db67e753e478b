//! Low-rank adapters (Hu et al. 2021, arXiv 2106.09685): of each weight matrix of the blocks only an update of low rank
//! is trained, `W + (alpha / rank) · B · A`.
//!
//! The effective weights are made before each step and the gradient of the whole matrix is taken, so that a step costs
//! what full finetuning does, and `4 · rank / n_tokens` of it more; what is saved is the optimiser's memory, and in the
//! store everything but the adapters.

use super::job::{Pass, Passes};
use crate::core::random::Random;
use crate::models::adapter::{self, Adapter, Site, WORTH_SHARING, merge};
use crate::models::arch::Layout;
use crate::models::candle::LeafShape;
use crate::models::trunk::Keep;
use candle_core::Tensor;
use rayon::prelude::*;
use std::ops::Range;
use std::sync::Arc;

/// The size of the adapters.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Lora {
    pub rank: usize,
    /// The update is scaled by `alpha / rank`.
    pub alpha: f64,
}

/// Where the adapters of one trunk lie.
#[derive(Debug, Clone)]
pub(super) struct Adapters {
    lora: Lora,
    sites: Vec<Site>,
    /// Numbers in all adapters.
    pub n: usize,
}

impl Adapters {
    /// Adapters of all weight matrices of the blocks; embeddings are left alone.
    pub fn new(layout: &Layout, lora: Lora) -> Adapters {
        let (sites, n) = adapter::sites(layout, lora.rank);
        Adapters { lora, sites, n }
    }

    /// These factors beside the model that they were merged into: `base` is the name of the one before.
    pub fn kept(&self, values: Vec<f32>, base: &str) -> Arc<Adapter> {
        let Lora { rank, alpha } = self.lora;
        Arc::new(Adapter { rank, alpha, values, base: base.to_owned() })
    }

    /// The first values: `B` is zero, so that the update is; `A` is normal with the variance that the authors' code draws
    /// from (`loralib`: uniform within `1 / √n_in`).
    pub fn initial(&self, seed: u64) -> Vec<f32> {
        let mut random = Random::new(seed, "lora");
        let mut values = vec![0.0; self.n];
        for site in &self.sites {
            let deviation = 1.0 / (3.0 * site.n_in as f64).sqrt();
            let a = values.get_mut(site.factors..site.factors + self.lora.rank * site.n_in).unwrap_or_default();
            a.iter_mut().for_each(|value| *value = (deviation * random.normal()) as f32);
        }
        values
    }

    /// Writes the effective weights into `trunk`, which holds the parameters of `base` outside the adapted matrices.
    pub fn apply(&self, base: &[f32], adapters: &[f32], trunk: &mut [f32]) {
        let scale = self.scale();
        for site in &self.sites {
            let Some(factors) = self.factors(site, adapters) else { continue };
            let place = site.weight..site.weight + site.n_out * site.n_in;
            if let (Some(from), Some(to)) = (base.get(place.clone()), trunk.get_mut(place)) {
                merge(scale, from, factors, site.n_in, to);
            }
        }
    }

    /// Adds to `grads` (`[n]`) the adapters' gradients that follow from those of the effective weights.
    pub fn gradient(&self, adapters: &[f32], d_trunk: &[f32], grads: &mut [f32]) {
        let (scale, rank) = (self.scale(), self.lora.rank);
        for site in &self.sites {
            let place = site.weight..site.weight + site.n_out * site.n_in;
            let own = site.factors..site.factors + rank * (site.n_in + site.n_out);
            let (Some((a, b)), Some(d_weight), Some(own)) =
                (self.factors(site, adapters), d_trunk.get(place), grads.get_mut(own))
            else {
                continue;
            };
            let (d_a, d_b) = own.split_at_mut(rank * site.n_in);
            // dB = scale · dW · Aᵀ, a row of B for a row of dW.
            let row_of_b = |(d_b, d_row): (&mut [f32], &[f32])| {
                for (d_b, a) in d_b.iter_mut().zip(a.chunks_exact(site.n_in)) {
                    *d_b += scale * dot(d_row, a);
                }
            };
            // dA = scale · Bᵀ · dW, a row of A from all rows of dW, in order.
            let row_of_a = |(r, d_a): (usize, &mut [f32])| {
                for (d_row, b) in d_weight.chunks_exact(site.n_in).zip(b.chunks_exact(rank)) {
                    let factor = scale * b.get(r).copied().unwrap_or(0.0);
                    d_a.iter_mut().zip(d_row).for_each(|(d_a, d)| *d_a += factor * d);
                }
            };
            if d_weight.len() < WORTH_SHARING {
                d_b.chunks_exact_mut(rank).zip(d_weight.chunks_exact(site.n_in)).for_each(row_of_b);
                d_a.chunks_exact_mut(site.n_in).enumerate().for_each(row_of_a);
            } else {
                d_b.par_chunks_exact_mut(rank).zip(d_weight.par_chunks_exact(site.n_in)).for_each(row_of_b);
                d_a.par_chunks_exact_mut(site.n_in).enumerate().for_each(row_of_a);
            }
        }
    }

    /// The factors as tensors: `A` and `B` of each matrix in turn.
    pub fn leaves(&self) -> Vec<LeafShape> {
        let leaf = |n_rows, n_columns| LeafShape { shape: vec![n_rows, n_columns], decays: true };
        let rank = self.lora.rank;
        self.sites.iter().flat_map(|site| [leaf(rank, site.n_in), leaf(site.n_out, rank)]).collect()
    }

    /// The effective tensors of a trunk, from those of `base` in the layout's order and the factors as [`Adapters::leaves`]
    /// has them.
    pub fn effective(&self, layout: &Layout, base: &[Tensor], factors: &[Tensor]) -> candle_core::Result<Vec<Tensor>> {
        let mut trunk = base.to_vec();
        for (site, factors) in self.sites.iter().zip(factors.chunks_exact(2)) {
            let at = layout.entries.iter().position(|entry| entry.offset == site.weight);
            if let (Some(weight), [a, b]) = (at.and_then(|at| trunk.get_mut(at)), factors) {
                *weight = (&*weight + (b.matmul(a)? * f64::from(self.scale()))?)?;
            }
        }
        Ok(trunk)
    }

    fn scale(&self) -> f32 {
        (self.lora.alpha / self.lora.rank as f64) as f32
    }

    fn factors<'a>(&self, site: &Site, adapters: &'a [f32]) -> Option<(&'a [f32], &'a [f32])> {
        let (n_a, n_b) = (self.lora.rank * site.n_in, self.lora.rank * site.n_out);
        adapters.get(site.factors..site.factors + n_a + n_b)?.split_at_checked(n_a)
    }
}

/// Lanes of a sum: arbitrary, so that the compiler vectorises it; fixed, because they decide its rounding.
const LANES: usize = 16;

fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut lanes = [0.0f32; LANES];
    let (a, b) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let rest: f32 = a.remainder().iter().zip(b.remainder()).map(|(x, y)| x * y).sum();
    for (a, b) in a.zip(b) {
        lanes.iter_mut().zip(a.iter().zip(b)).for_each(|(lane, (x, y))| *lane += x * y);
    }
    lanes.iter().sum::<f32>() + rest
}

/// Adapters and a head, on a trunk that stays.
pub(super) struct Adapted<'a> {
    pass: Pass<'a>,
    adapters: &'a Adapters,
    base: &'a [f32],
    /// The effective weights of this step, and their gradients.
    trunk: Vec<f32>,
    d_trunk: Vec<f32>,
    n_head: usize,
}

impl<'a> Adapted<'a> {
    /// On these trunk parameters.
    pub fn new(pass: Pass<'a>, adapters: &'a Adapters, base: &'a [f32], n_head: usize) -> Self {
        Adapted { pass, adapters, base, trunk: base.to_vec(), d_trunk: vec![0.0; base.len()], n_head }
    }
}

/// The parameters are the adapters and behind them the head.
impl Passes for Adapted<'_> {
    fn prepare(&mut self, params: &[f32], step: Option<usize>) {
        self.pass.step = step;
        self.adapters.apply(self.base, params, &mut self.trunk);
    }

    fn logits(&mut self, params: &[f32], rows: &[u32], keep: Keep, logits: &mut Vec<f32>) {
        let head = params.get(self.adapters.n..).unwrap_or_default();
        // The gradient of the effective weights is needed for one part of a batch at a time.
        let keep = match keep {
            Keep::Nothing => Keep::Nothing,
            Keep::Apart => Keep::In(&mut self.d_trunk),
            Keep::In(grads) => {
                grads.fill(0.0);
                Keep::In(&mut self.d_trunk)
            }
        };
        self.pass.logits(&self.trunk, head, rows, keep, logits);
    }

    fn gradient(&mut self, params: &[f32], d_logits: &[f32], grads: &mut [f32]) {
        let (adapters, head) = params.split_at(self.adapters.n);
        let (grads, head_grads) = grads.split_at_mut(self.adapters.n);
        self.pass.gradient(&self.trunk, head, d_logits, &mut self.d_trunk, head_grads);
        self.adapters.gradient(adapters, &self.d_trunk, grads);
    }

    fn decayed(&self) -> Vec<Range<usize>> {
        std::iter::once(0..self.adapters.n + self.n_head).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::testing::tiny;

    /// Any numbers, none alike.
    fn numbers(n: usize, seed: u64) -> Vec<f32> {
        let mut random = Random::new(seed, "numbers");
        (0..n).map(|_| random.normal() as f32).collect()
    }

    #[test]
    fn the_update_is_the_scaled_product_and_starts_at_nothing() {
        let model = tiny(0);
        let base = &model.inner.params.values;
        let layout = &model.inner.params.layout;
        let adapters = Adapters::new(layout, Lora { rank: 3, alpha: 6.0 });
        // Two blocks of qkv 48 × 16, out 16 × 16, up 32 × 16, down 16 × 32.
        assert_eq!(adapters.n, 2 * 3 * ((48 + 16) + (16 + 16) + (32 + 16) + (16 + 32)));
        let mut trunk = base.clone();
        adapters.apply(base, &adapters.initial(0), &mut trunk);
        assert_eq!(&trunk, base);
        assert_ne!(adapters.initial(0), adapters.initial(1));
        let values = numbers(adapters.n, 1);
        adapters.apply(base, &values, &mut trunk);
        let entry = layout.find("0.qkv.weight").expect("there");
        let (a, b) = values.split_at(3 * 16);
        for (o, i) in [(0, 0), (47, 15), (20, 3)] {
            let product: f32 = (0..3).map(|r| b[o * 3 + r] * a[r * 16 + i]).sum();
            let at = entry.offset + o * 16 + i;
            assert!((trunk[at] - base[at] - 2.0 * product).abs() < 1e-5);
        }
        for entry in layout.entries.iter().filter(|e| e.shape.len() < 2 || e.name.starts_with("embed.")) {
            let place = entry.offset..entry.offset + entry.shape.iter().product::<usize>();
            assert_eq!(trunk[place.clone()], base[place], "{} stays", entry.name);
        }
    }

    // A function linear in the weights, L = Σ C · W', has dL/dW' = C; differences of L by each adapter are then exact but
    // for rounding.
    #[test]
    fn its_gradient_is_right() {
        let model = tiny(0);
        let base = &model.inner.params.values;
        let adapters = Adapters::new(&model.inner.params.layout, Lora { rank: 2, alpha: 5.0 });
        let (values, slopes) = (numbers(adapters.n, 2), numbers(base.len(), 3));
        let mut grads = vec![1.0; adapters.n];
        adapters.gradient(&values, &slopes, &mut grads);
        let loss = |values: &[f32]| -> f64 {
            let mut trunk = base.clone();
            adapters.apply(base, values, &mut trunk);
            trunk.iter().zip(&slopes).map(|(w, c)| f64::from(*w) * f64::from(*c)).sum()
        };
        for at in (0..adapters.n).step_by(7) {
            let moved = |by: f32| {
                let mut values = values.clone();
                values[at] += by;
                loss(&values)
            };
            let numeric = (moved(0.25) - moved(-0.25)) / 0.5;
            let got = f64::from(grads[at]) - 1.0;
            assert!((numeric - got).abs() < 1e-3 * (1.0 + got.abs()), "{at}: numeric {numeric}, analytic {got}");
        }
    }

    #[test]
    fn big_matrices_give_the_same_on_any_number_of_threads() {
        use crate::models::arch::{Activation, Arch, CausalConfig};
        let (vocab, context, n_layers, n_heads) = (8, 4, 1, 2);
        let (width, inner) = (160, 640);
        let activation = Activation::GeluTanh;
        let norm_eps = 1e-5;
        let arch = Arch::Causal(CausalConfig { vocab, context, width, n_layers, n_heads, inner, activation, norm_eps });
        let layout = arch.layout();
        let adapters = Adapters::new(&layout, Lora { rank: 4, alpha: 4.0 });
        let (base, values) = (numbers(layout.n_params, 1), numbers(adapters.n, 2));
        let run = |n_threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(n_threads).build().expect("a pool");
            pool.install(|| {
                let (mut trunk, mut grads) = (base.clone(), vec![0.0; adapters.n]);
                adapters.apply(&base, &values, &mut trunk);
                adapters.gradient(&values, &trunk, &mut grads);
                (trunk, grads)
            })
        };
        assert_eq!(run(1), run(3));
    }
}
