//! The language-model head: tied unembedding, softmax and cross-entropy over the vocabulary, panel by panel.
//!
//! Logits of 64 tokens at a time, vocabulary down the rows, so that they stay in a second-level cache between the
//! products and nothing of size tokens × vocabulary is kept.

use super::matmul::{Left, Onto, product, weight_gradient};
use super::panel::{Cols, PANEL};
use super::simd::{LANES, Simd, dispatch};
use super::tasks::{Raw, tasks};

/// A position without a next token: it adds nothing to the loss or the gradients.
pub(crate) const NO_TARGET: u32 = u32::MAX;

/// Working memory of the head.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    logits: Vec<f32>,
    tokens: Vec<f32>,
    sums: Vec<f32>,
}

#[inline(always)]
unsafe fn softmax_any<S: Simd>(
    logits: *mut f32,
    vocab: usize,
    width: usize,
    scale: *const f32,
    most: *mut f32,
    sums: *mut f32,
) {
    unsafe {
        let mut even = S::load(logits);
        let mut odd = even;
        for row in (0..vocab).step_by(2) {
            even = S::max(S::load(logits.add(row * width)), even);
            if row + 1 < vocab {
                odd = S::max(S::load(logits.add((row + 1) * width)), odd);
            }
        }
        let greatest = S::max(even, odd);
        let mut sum = S::splat(0.0);
        for row in 0..vocab {
            let at = logits.add(row * width);
            let e = S::exp(S::sub(S::load(at), greatest));
            S::store(at, e);
            sum = S::add(sum, e);
        }
        S::store(most, greatest);
        S::store(sums, sum);
        let factor = S::div(S::load(scale), sum);
        for row in 0..vocab {
            let at = logits.add(row * width);
            S::store(at, S::mul(S::load(at), factor));
        }
    }
}

dispatch! {
    /// Sixteen columns of logits into `scale · softmax`, keeping each column's maximum and sum of exponentials.
    softmax = softmax_any(logits: *mut f32, vocab: usize, width: usize, scale: *const f32, most: *mut f32, sums: *mut f32)
}

/// The sum of the cross-entropies (nats) of `targets` under `softmax(embed · x)`: `embed` is `[vocab, width]`, `x` has
/// `width` features in panels over `cols`.
///
/// With `gradients` (`d_embed`, `dx`) it adds to the first and sets the second, for the loss times `scale`.
#[allow(clippy::too_many_arguments)]
pub(crate) fn next_token(
    par: bool,
    embed: &[f32],
    width: usize,
    x: &[f32],
    cols: Cols,
    targets: &[u32],
    scale: f32,
    scratch: &mut Scratch,
    mut gradients: Option<(&mut [f32], &mut [f32])>,
) -> f64 {
    let vocab = embed.len() / width;
    assert!(targets.len() == cols.n && x.len() >= cols.len(width) && vocab > 0);
    scratch.logits.resize(scratch.logits.len().max(vocab * PANEL), 0.0);
    scratch.sums.resize(3 * PANEL, 0.0);
    let mut total = 0.0;
    for p in 0..cols.n_panels() {
        let panel = Cols { n: cols.valid(p) };
        let columns = panel.padded();
        let x = &x[p * PANEL * width..][..panel.len(width)];
        let logits = &mut scratch.logits[..panel.len(vocab)];
        product(par, Left::weight(embed, vocab, width), x, panel, Onto::Nothing, logits);

        let targets = &targets[p * PANEL..][..panel.n];
        let (scales, rest) = scratch.sums.split_at_mut(PANEL);
        let (most, sums) = rest.split_at_mut(PANEL);
        let mut target_logits = [0.0f32; PANEL];
        scales.fill(0.0);
        for (lane, &target) in targets.iter().enumerate() {
            if target != NO_TARGET {
                scales[lane] = scale;
                target_logits[lane] = logits[target as usize * columns + lane];
            }
        }
        let (raw, raw_most, raw_sums) = (Raw::new(logits), Raw::new(most), Raw::new(sums));
        tasks(par, columns / LANES, |v| {
            let at = v * LANES;
            // Safety: `logits` has `vocab` rows of `columns` floats; each task has its own sixteen columns.
            unsafe { softmax(raw.at(at), vocab, columns, scales.as_ptr().add(at), raw_most.at(at), raw_sums.at(at)) };
        });
        for (lane, &target) in targets.iter().enumerate() {
            if target != NO_TARGET {
                total += crate::core::math::ln(sums[lane] as f64) + (most[lane] - target_logits[lane]) as f64;
                logits[target as usize * columns + lane] -= scale;
            }
        }
        if let Some((d_embed, dx)) = &mut gradients {
            let dx = &mut dx[p * PANEL * width..][..panel.len(width)];
            product(par, Left::transposed(embed, width, vocab), logits, panel, Onto::Nothing, dx);
            weight_gradient(par, logits, vocab, x, width, panel, false, d_embed, None, &mut scratch.tokens);
        }
    }
    total
}
