//! Losses: from logits and weak labels to a number and its gradient by the logits.
//!
//! A loss sees one batch of logits and weak soft labels and answers the mean loss with `dL/dlogits`; what lies below the
//! logits is the engine's. Built-in losses have hand-written gradients; a loss that a script wrote reaches the training
//! loop through the same [`Loss`] trait. Targets that a loss makes from the model's own predictions (hard predictions,
//! products) are constants: no gradient flows through them unless a loss says otherwise.

mod cross_entropy;
mod ramp;

pub use cross_entropy::CrossEntropy;
pub use ramp::Ramp;

use crate::core::context::Interrupted;
use crate::core::digest::Digest;
use crate::core::explain::explained;
use crate::core::math::{exp, ln};

/// Where training stands when a loss is asked.
#[derive(Debug, Clone, Copy, Default)]
pub struct At<'a> {
    /// Optimiser steps done before this one: 0 at the first batch.
    pub step: usize,
    /// All optimiser steps of this training.
    pub steps: usize,
    /// Passes over the data that are complete.
    pub epoch: usize,
    /// The ids of the batch's rows, in the order of the logits.
    pub rows: &'a [&'a str],
    /// How much each of them counts, above 0; empty where all count alike.
    pub weights: &'a [f64],
    /// The logits of the latest rows before this batch, row-major, the last one last: as many as the loss asks for
    /// ([`Loss::n_earlier`]), fewer at the beginning of a training.
    pub earlier: &'a [f32],
}

impl At<'_> {
    /// The share of training that is done, 0 at the first step and below 1 at the last.
    pub fn progress(&self) -> f64 {
        if self.steps == 0 { 0.0 } else { self.step as f64 / self.steps as f64 }
    }

    /// A linear ramp from 0 to 1 over the first `share` of the steps; 1 from the start where `share` is 0.
    pub fn ramp(&self, share: f64) -> f64 {
        if share <= 0.0 { 1.0 } else { (self.progress() / share).min(1.0) }
    }
}

/// One batch as a loss sees it.
#[derive(Debug, Clone, Copy)]
pub struct LossBatch<'a> {
    /// Row-major `[n_rows, n_classes]`.
    pub logits: &'a [f32],
    /// Row-major `[n_rows, n_classes]`; each row sums to 1.
    pub weak: &'a [f32],
    pub n_classes: usize,
    pub at: At<'a>,
}

impl LossBatch<'_> {
    /// How many rows.
    pub fn n_rows(&self) -> usize {
        self.logits.len().checked_div(self.n_classes).unwrap_or(0)
    }

    /// How much a row counts.
    pub fn weight(&self, row: usize) -> f64 {
        self.at.weights.get(row).copied().unwrap_or(1.0)
    }

    /// How much all rows count together: how many there are, where all count alike.
    pub fn total_weight(&self) -> f64 {
        if self.at.weights.is_empty() { self.n_rows() as f64 } else { self.at.weights.iter().sum() }
    }

    /// Logits and weak labels row by row.
    pub fn rows(&self) -> impl Iterator<Item = (&[f32], &[f32])> {
        self.logits.chunks_exact(self.n_classes.max(1)).zip(self.weak.chunks_exact(self.n_classes.max(1)))
    }
}

/// What a loss answers.
#[derive(Debug, Clone, PartialEq)]
pub struct LossValue {
    /// The mean loss of the batch, weighted where its rows are, in nats where the loss is a cross-entropy.
    pub value: f64,
    /// `dL/dlogits`, row-major `[n_rows, n_classes]`; the mean's 1/n is in it.
    pub gradient: Vec<f32>,
}

explained! {
    /// Why a loss could not be made or computed.
    #[derive(Debug, Clone, PartialEq, thiserror::Error)]
    pub enum LossError {
        #[error("the loss `{name}` is binary, the labels have {n_classes} classes")]
        #[code("loss/binary")]
        #[hint("for more classes: loss::cross_entropy(), loss::bootstrap_hard(), loss::adapt_conf()")]
        Binary { name: &'static str, n_classes: usize },
        #[error("option `{option}` of `{name}` must be {must}, got `{got}`")]
        #[code("loss/option")]
        Option { name: &'static str, option: &'static str, must: &'static str, got: String },
        #[error(
            "`{option}` of `{name}` depends on the labels of all rows that are trained on, which are not known here"
        )]
        #[code("loss/unsettled")]
        #[hint("give the loss to `finetune` itself: #{{ loss: … }}")]
        Unsettled { name: &'static str, option: &'static str },
        #[error("the loss got {logits} logits and {weak} weak labels for {n_classes} classes")]
        #[code("loss/shape")]
        Shape { logits: usize, weak: usize, n_classes: usize },
        #[error("the loss got {n_weights} weights for {n_rows} rows")]
        #[code("loss/shape")]
        Weights { n_weights: usize, n_rows: usize },
        /// A loss written in the script failed; the layer that called it holds the error with its position.
        #[error("{0}")]
        #[code("loss/script")]
        Script(text: String),
    }
    from { Interrupted(Interrupted) }
}

/// A loss as the training loop calls it.
pub trait Loss {
    /// The field's name for it, such as `cross_entropy`.
    fn name(&self) -> String;

    /// The call that makes it, with every option filled in: `loss::confidence(#{form: "p", alpha_max: 0.5})`.
    fn show(&self) -> String;

    /// What it computes, as a key: name and options of a built-in, source and captured values of a closure.
    fn digest(&self) -> Digest {
        Digest::of("loss", 1).text("call", &self.show()).finish()
    }

    /// Why what was trained with it must not be looked up or kept: something in it has no digest.
    fn untraceable(&self) -> Option<String> {
        None
    }

    /// The same loss with those options filled in that depend on the weak labels of all rows that are trained on, row-major
    /// `[n_rows, n_classes]`; `None` where none does.
    fn settled(&self, _weak: &[f32], _n_classes: usize) -> Option<Box<dyn Loss>> {
        None
    }

    /// How many rows before a batch it looks at, in [`At::earlier`].
    fn n_earlier(&self) -> usize {
        0
    }

    /// How many rows of a batch it learns from; `None` of a loss that leaves none out.
    fn n_kept(&self, _batch: &LossBatch) -> Option<usize> {
        None
    }

    /// The mean loss of a batch and its gradient by the logits; a pure function of the batch, so that a training that was
    /// ended can go on anywhere.
    fn step(&self, batch: &LossBatch) -> Result<LossValue, LossError>;
}

/// Checks that logits and labels have whole rows and equal shapes.
pub fn check(batch: &LossBatch) -> Result<(), LossError> {
    let (logits, weak, n_classes) = (batch.logits.len(), batch.weak.len(), batch.n_classes);
    let n_weights = batch.at.weights.len();
    if n_weights != 0 && n_weights != batch.n_rows() {
        return Err(LossError::Weights { n_weights, n_rows: batch.n_rows() });
    }
    if n_classes < 2 || logits == 0 || logits != weak || logits % n_classes != 0 {
        return Err(LossError::Shape { logits, weak, n_classes });
    }
    Ok(())
}

/// Refuses an option outside `[least, most]`, and NaN.
pub fn in_range(
    name: &'static str,
    option: &'static str,
    value: f64,
    range: std::ops::RangeInclusive<f64>,
    must: &'static str,
) -> Result<(), LossError> {
    if range.contains(&value) { Ok(()) } else { Err(LossError::Option { name, option, must, got: value.to_string() }) }
}

/// log softmax of one row, written to `out`. Exact for logits of any finite size.
pub fn log_softmax(logits: &[f32], out: &mut Vec<f64>) {
    out.clear();
    let most = logits.iter().fold(f64::NEG_INFINITY, |most, z| most.max(f64::from(*z)));
    let total: f64 = logits.iter().map(|z| exp(f64::from(*z) - most)).sum();
    let log_total = ln(total);
    out.extend(logits.iter().map(|z| f64::from(*z) - most - log_total));
}

/// `x · log y` with `0 · −∞ = 0`.
pub fn times_log(x: f64, log_y: f64) -> f64 {
    if x == 0.0 { 0.0 } else { x * log_y }
}

/// The class with the highest logit; the first of ties.
pub fn argmax(values: &[f32]) -> usize {
    let mut best = 0;
    let mut most = f32::NEG_INFINITY;
    for (class, value) in values.iter().enumerate() {
        if *value > most {
            (best, most) = (class, *value);
        }
    }
    best
}

/// Sums a loss over rows: `row` gets log-probabilities and weak labels of one row, writes `dL/dlogits` of that row (not
/// yet divided by n) and answers the row's loss. The mean is taken over the rows; where they have weights, it is
/// `Σ weight · loss / Σ weight`.
pub fn mean_over_rows(
    batch: &LossBatch,
    mut row: impl FnMut(usize, &[f64], &[f32], &mut [f64]) -> f64,
) -> Result<LossValue, LossError> {
    check(batch)?;
    let n = batch.total_weight();
    let mut value = 0.0;
    let mut gradient = Vec::with_capacity(batch.logits.len());
    let mut log_p = Vec::with_capacity(batch.n_classes);
    let mut slope = vec![0.0; batch.n_classes];
    for (idx, (logits, weak)) in batch.rows().enumerate() {
        log_softmax(logits, &mut log_p);
        slope.fill(0.0);
        let weight = batch.weight(idx);
        value += weight * row(idx, &log_p, weak, &mut slope);
        gradient.extend(slope.iter().map(|s| (weight * s / n) as f32));
    }
    Ok(LossValue { value: value / n, gradient })
}

/// Soft-label cross-entropy of one row against the constant `target(class)`; adds `p · Σt − t` to `slope`.
pub fn cross_entropy_row(log_p: &[f64], target: impl Fn(usize) -> f64, slope: &mut [f64]) -> f64 {
    let total: f64 = (0..log_p.len()).map(&target).sum();
    let mut value = 0.0;
    for (class, (lp, s)) in log_p.iter().zip(slope).enumerate() {
        let t = target(class);
        value -= times_log(t, *lp);
        *s += exp(*lp) * total - t;
    }
    value
}

#[cfg(test)]
pub(crate) mod testing {
    use super::*;

    /// Three binary rows: plain, confident, tied.
    pub const LOGITS: [f32; 6] = [0.5, -0.25, -1.5, 2.0, 0.125, 0.125];
    pub const WEAK: [f32; 6] = [0.75, 0.25, 0.5, 0.5, 0.0, 1.0];

    pub fn batch<'a>(logits: &'a [f32], weak: &'a [f32], n_classes: usize, step: usize) -> LossBatch<'a> {
        LossBatch { logits, weak, n_classes, at: At { step, steps: 10, ..At::default() } }
    }

    pub fn close(got: f64, want: f64) {
        assert!((got - want).abs() < 2e-6, "got {got}, want {want}");
    }

    /// Checks value and gradient against a reference (five decimals or more).
    pub fn reference(loss: &dyn Loss, step: usize, value: f64, gradient: &[f64]) {
        let got = loss.step(&batch(&LOGITS, &WEAK, 2, step)).expect("computes");
        close(got.value, value);
        assert_eq!(got.gradient.len(), gradient.len());
        for (g, w) in got.gradient.iter().zip(gradient) {
            close(f64::from(*g), *w);
        }
    }

    /// Central differences of `value(logits)` against `gradient`, in f64 by Richardson-free steps of 2^-8.
    pub fn finite_differences(n_classes: usize, logits: &[f32], gradient: &[f32], value: impl Fn(&[f32]) -> f64) {
        let step = 1.0 / 256.0;
        assert_eq!(logits.len() % n_classes, 0);
        for (idx, slope) in gradient.iter().enumerate() {
            let at = |shift: f32| {
                let mut moved = logits.to_vec();
                moved[idx] += shift;
                value(&moved)
            };
            // Fourth-order: the error is about step^4, far below the tolerance.
            let numeric =
                (8.0 * (at(step) - at(-step)) - (at(2.0 * step) - at(-2.0 * step))) / (12.0 * f64::from(step));
            assert!((numeric - f64::from(*slope)).abs() < 1e-6, "logit {idx}: numeric {numeric}, analytic {slope}");
        }
    }

    /// Logits of three classes, away from ties.
    pub const LOGITS3: [f32; 9] = [0.5, -0.25, 1.25, -1.5, 2.0, 0.0, 0.375, 0.125, -0.75];
    pub const WEAK3: [f32; 9] = [0.5, 0.25, 0.25, 0.0, 0.0, 1.0, 0.125, 0.625, 0.25];

    /// Finite differences for a loss whose own targets are differentiated through, at two and three classes.
    pub fn differentiates(loss: &dyn Loss) {
        for (n_classes, logits, weak) in [(2, &LOGITS[..], &WEAK[..]), (3, &LOGITS3[..], &WEAK3[..])] {
            let got = loss.step(&batch(logits, weak, n_classes, 9)).expect("computes");
            finite_differences(n_classes, logits, &got.gradient, |moved| {
                loss.step(&batch(moved, weak, n_classes, 9)).expect("computes").value
            });
        }
    }

    /// Finite, and zero-sum per row (a loss of the softmax alone does not see a shift), at enormous logits.
    pub fn survives_extremes(loss: &dyn Loss) {
        let logits = [1000.0, -1000.0, -3.0e4, 3.0e4, 0.0, 0.0];
        let weak = [0.0, 1.0, 1.0, 0.0, 0.5, 0.5];
        let got = loss.step(&batch(&logits, &weak, 2, 9)).expect("computes");
        assert!(got.value.is_finite(), "value {}", got.value);
        assert!(got.gradient.iter().all(|g| g.is_finite()), "{:?}", got.gradient);
        for row in got.gradient.chunks(2) {
            assert!((row[0] + row[1]).abs() < 1e-6, "{row:?}");
        }
    }

    #[test]
    fn shapes_that_do_not_fit_are_refused() {
        let bad = [
            batch(&LOGITS, &WEAK[..4], 2, 0),
            batch(&LOGITS[..5], &WEAK[..5], 2, 0),
            batch(&[], &[], 2, 0),
            batch(&LOGITS, &WEAK, 1, 0),
        ];
        for batch in bad {
            assert!(matches!(CrossEntropy.step(&batch), Err(LossError::Shape { .. })));
        }
    }

    #[test]
    fn the_ramp_is_continuous_at_its_joint() {
        let at = |step| At { step, steps: 100, ..At::default() }.ramp(0.2);
        assert_eq!(at(0), 0.0);
        close(at(10), 0.5);
        close(at(19), 0.95);
        assert_eq!(at(20), 1.0);
        assert_eq!(at(99), 1.0);
        assert_eq!(At { step: 0, steps: 5, ..At::default() }.ramp(0.0), 1.0);
    }

    /// Every built-in loss, with options under which all of its terms count.
    fn all() -> Vec<Box<dyn Loss>> {
        use crate::builtins::loss::adapt_conf::{AdaptConf, AdaptConfOptions};
        use crate::builtins::loss::cace::{Cace, CaceOptions};
        use crate::builtins::loss::confidence::{Confidence, ConfidenceOptions};
        use crate::builtins::loss::entropy::{Entropy, EntropyOptions};
        use crate::builtins::loss::{
            bootstrap_hard::BootstrapHard, bootstrap_soft::BootstrapSoft, gce::Gce, product::Product,
            reverse_kl::ReverseKl, symmetric::Symmetric, window::Window,
        };
        let confidence = |form: &str| {
            let options = ConfidenceOptions { form: form.to_owned(), ..ConfidenceOptions::default() };
            Box::new(Confidence::new(&options).expect("valid"))
        };
        let adapt_conf = |sign: &str, labels: &str| {
            let (sign, labels) = (sign.to_owned(), labels.to_owned());
            let options = AdaptConfOptions { temperature: 2.0, sign, labels, ..AdaptConfOptions::default() };
            Box::new(AdaptConf::new(&options).expect("valid"))
        };
        let e = EntropyOptions { form: "e".to_owned(), warmup_steps: Some(5), ..EntropyOptions::default() };
        let penalty = EntropyOptions { temperature: 2.0, ..EntropyOptions::default() };
        vec![
            Box::new(CrossEntropy),
            confidence("p"),
            confidence("r"),
            confidence("e"),
            Box::new(Product::new(1.0, 1.0).expect("valid")),
            Box::new(Entropy::new(&penalty).expect("valid")),
            Box::new(Entropy::new(&e).expect("valid")),
            Box::new(Window::new(Some(0.2)).expect("valid")),
            Box::new(ReverseKl::new(1e-4).expect("valid")),
            Box::new(Symmetric::new(0.1, 1.0, -4.0).expect("valid")),
            adapt_conf("published", "hard"),
            adapt_conf("reversed", "soft"),
            Box::new(Cace::new(&CaceOptions::default()).expect("valid")),
            Box::new(Gce::new(0.7).expect("valid")),
            Box::new(BootstrapHard::new(0.8).expect("valid")),
            Box::new(BootstrapSoft::new(0.95).expect("valid")),
        ]
    }

    /// A row of weight 2 is two rows, whichever the loss; equal weights change nothing.
    #[test]
    fn a_weight_is_how_often_a_row_counts() {
        for loss in all() {
            let at = At { step: 9, steps: 10, ..At::default() };
            let ask = |logits: &[f32], weak: &[f32], weights: &[f64]| {
                let batch = LossBatch { logits, weak, n_classes: 2, at: At { weights, ..at } };
                loss.step(&batch).expect("computes")
            };
            let plain = ask(&LOGITS, &WEAK, &[]);
            let even = ask(&LOGITS, &WEAK, &[0.25; 3]);
            close(even.value, plain.value);
            even.gradient.iter().zip(&plain.gradient).for_each(|(g, w)| close(f64::from(*g), f64::from(*w)));
            // Confidence's threshold is of the batch's rows, however much they count: it is not a sum over rows.
            if loss.name() == "confidence" {
                continue;
            }
            let twice = |values: &[f32]| [values, &values[..2]].concat();
            let (weighted, doubled) = (ask(&LOGITS, &WEAK, &[2.0, 1.0, 1.0]), ask(&twice(&LOGITS), &twice(&WEAK), &[]));
            close(weighted.value, doubled.value);
            for (at, got) in weighted.gradient.iter().enumerate() {
                let copies =
                    if at < 2 { doubled.gradient[at] + doubled.gradient[6 + at] } else { doubled.gradient[at] };
                close(f64::from(*got), f64::from(copies));
            }
        }
        let at = At { weights: &[1.0], ..At::default() };
        let wrong = CrossEntropy.step(&LossBatch { logits: &LOGITS, weak: &WEAK, n_classes: 2, at });
        assert!(matches!(wrong, Err(LossError::Weights { n_weights: 1, n_rows: 3 })));
    }
}
