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
    gradients: Option<(&mut [f32], &mut [f32])>,
) -> f64 {
    let mut total = 0.0;
    let gradients = gradients.map(|(d_embed, dx)| (Some(d_embed), dx));
    let head = Head { par, embed, width };
    head.pass(x, cols, targets, |_| scale, scratch, gradients, |_, entropy| total += entropy);
    total
}

/// The log-probability (nats) of each of `targets`, as [`next_token`] computes them.
pub(crate) fn logprobs(head: Head, x: &[f32], cols: Cols, targets: &[u32], scratch: &mut Scratch, found: &mut [f64]) {
    head.pass(
        x,
        cols,
        targets,
        |_| 0.0,
        scratch,
        None,
        |token, entropy| {
            if let Some(place) = found.get_mut(token) {
                *place = -entropy;
            }
        },
    );
}

/// The gradient of [`logprobs`] for a loss that has `slopes` by them: sets `dx`, and adds to `d_embed` where it is wanted.
#[allow(clippy::too_many_arguments)]
pub(crate) fn logprobs_gradient(
    head: Head,
    x: &[f32],
    cols: Cols,
    targets: &[u32],
    slopes: &[f32],
    scratch: &mut Scratch,
    d_embed: Option<&mut [f32]>,
    dx: &mut [f32],
) {
    head.pass(x, cols, targets, |token| -slopes[token], scratch, Some((d_embed, dx)), |_, _| {});
}

/// What reads next tokens, `[vocab, width]`, and whether its products split their work.
#[derive(Clone, Copy)]
pub(crate) struct Head<'a> {
    pub par: bool,
    pub embed: &'a [f32],
    pub width: usize,
}

impl Head<'_> {
    /// Panel by panel: the cross-entropy of each target is told with its token's number, and gradients are for the sum of the
    /// cross-entropies, each times its token's `scale`.
    #[allow(clippy::too_many_arguments)]
    fn pass(
        self,
        x: &[f32],
        cols: Cols,
        targets: &[u32],
        scale: impl Fn(usize) -> f32,
        scratch: &mut Scratch,
        mut gradients: Option<(Option<&mut [f32]>, &mut [f32])>,
        mut tell: impl FnMut(usize, f64),
    ) {
        let Head { par, embed, width } = self;
        let vocab = embed.len() / width;
        assert!(targets.len() == cols.n && x.len() >= cols.len(width) && vocab > 0);
        scratch.logits.resize(scratch.logits.len().max(vocab * PANEL), 0.0);
        scratch.sums.resize(3 * PANEL, 0.0);
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
                    scales[lane] = scale(p * PANEL + lane);
                    target_logits[lane] = logits[target as usize * columns + lane];
                }
            }
            let (raw, raw_most, raw_sums) = (Raw::new(logits), Raw::new(most), Raw::new(sums));
            tasks(par, columns / LANES, |v| {
                let at = v * LANES;
                // Safety: `logits` has `vocab` rows of `columns` floats; each task has its own sixteen columns.
                unsafe {
                    softmax(raw.at(at), vocab, columns, scales.as_ptr().add(at), raw_most.at(at), raw_sums.at(at));
                };
            });
            for (lane, &target) in targets.iter().enumerate() {
                if target != NO_TARGET {
                    let entropy = crate::core::math::ln(sums[lane] as f64) + (most[lane] - target_logits[lane]) as f64;
                    tell(p * PANEL + lane, entropy);
                    logits[target as usize * columns + lane] -= scales[lane];
                }
            }
            if let Some((d_embed, dx)) = &mut gradients {
                let dx = &mut dx[p * PANEL * width..][..panel.len(width)];
                product(par, Left::transposed(embed, width, vocab), logits, panel, Onto::Nothing, dx);
                if let Some(d_embed) = d_embed {
                    weight_gradient(par, logits, vocab, x, width, panel, false, d_embed, None, &mut scratch.tokens);
                }
            }
        }
    }
}
