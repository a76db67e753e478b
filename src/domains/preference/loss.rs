//! Losses of preference learning: from the log-probabilities of two continuations to a number and its gradient by both.
//!
//! A loss sees one batch of pairs: what the policy and, where the loss has one, a reference give the chosen and the rejected
//! continuation, in double precision. Whose policy that is (a language model's, a table's) is not its business. Built-in losses
//! have hand-written gradients, a file each in `builtins/preference`; a closure of a script has the same standing. What lives
//! here: the batch, the trait, and the means over pairs that built-in losses are made of.
//!
//! A pair may have a soft preference p, the probability that `chosen` is the better one. Every loss is then
//! `p · ℓ(chosen, rejected) + (1 − p) · ℓ(rejected, chosen)`, the expectation of the loss over a drawn label.

use crate::core::context::Interrupted;
use crate::core::digest::Digest;
use crate::core::explain::explained;
use crate::core::math::{exp, ln};

/// One batch of pairs as a loss sees it. Slices have one number for each pair; those that may be left out are empty then.
#[derive(Debug, Clone, Copy, Default)]
pub struct PairBatch<'a> {
    /// `log π(y_w)`: the sum over the tokens of the chosen continuation.
    pub chosen: &'a [f64],
    /// `log π(y_l)`.
    pub rejected: &'a [f64],
    /// `log π_ref(y_w)`; empty where there is no reference.
    pub reference_chosen: &'a [f64],
    pub reference_rejected: &'a [f64],
    /// Lengths in tokens; empty where every continuation is one token.
    pub n_chosen: &'a [f64],
    pub n_rejected: &'a [f64],
    /// The probability that `chosen` is the better one; empty: 1.
    pub preference: &'a [f64],
    /// How much each pair counts, at least 0; empty: all alike.
    pub weights: &'a [f64],
    /// The sum of the log-probabilities of the prompt's tokens but its first, and how many those are; empty where there are none.
    pub prompt: &'a [f64],
    pub n_prompt: &'a [f64],
    /// The mean of `log π/π_ref` over mismatched prompts and continuations, an estimate of the KL divergence that no gradient flows
    /// through; NaN where it was not computed.
    pub kl: f64,
    /// What the loss asked to be told of the step before ([`PairValue::carry`]); empty in the first.
    pub carried: &'a [f64],
    /// The ids of the pairs; may be empty.
    pub rows: &'a [&'a str],
    /// Optimiser steps done before this one, all of them, and passes over the data that are complete.
    pub step: usize,
    pub steps: usize,
    pub epoch: usize,
}

/// A pair of a batch.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pair {
    /// `log π` of both.
    pub chosen: f64,
    pub rejected: f64,
    /// `log π_ref` of both; 0 where there is no reference.
    pub reference_chosen: f64,
    pub reference_rejected: f64,
    /// Tokens of both.
    pub n_chosen: f64,
    pub n_rejected: f64,
}

/// What a loss says of a pair: the loss, its derivatives by `log π` of the chosen and of the rejected continuation, and how much the
/// pair pulls ([`PairValue::pull`]).
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct OfPair {
    pub value: f64,
    pub by_chosen: f64,
    pub by_rejected: f64,
    pub pull: f64,
}

/// What a loss answers for a batch.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct PairValue {
    /// The mean loss, weighted where the pairs are.
    pub value: f64,
    /// Its gradient by `log π` of the chosen and of the rejected continuations; the mean's 1/n is in it.
    pub by_chosen: Vec<f64>,
    pub by_rejected: Vec<f64>,
    /// Its gradient by `log π` of the prompts; empty where the loss does not look at them.
    pub by_prompt: Vec<f64>,
    /// The implicit weight of each pair, without the mean's 1/n: `−dℓ/dm` by the loss's own margin m. Of DPO m = βΔ, and the weight is
    /// `σ(−βΔ)`, how wrong the implicit reward is.
    pub pull: Vec<f64>,
    /// What the loss wants to be told in the next step; empty for most.
    pub carry: Vec<f64>,
}

/// What a loss needs to be told beside both log-probabilities.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Needs {
    /// Log-probabilities of a reference.
    pub reference: bool,
    /// An estimate of the KL divergence to it.
    pub kl: bool,
    /// Log-probabilities of the prompts' tokens.
    pub prompt: bool,
}

explained! {
    /// Why a loss could not be made or computed.
    #[derive(Debug, Clone, PartialEq, thiserror::Error)]
    pub enum PairLossError {
        #[error("option `{option}` of `{name}` must be {must}, got `{got}`")]
        #[code("loss/option")]
        Option { name: &'static str, option: &'static str, must: &'static str, got: String },
        #[error("`{what}` has {got} numbers, `chosen` has {n_pairs}")]
        #[code("loss/shape")]
        Shape { what: &'static str, got: usize, n_pairs: usize },
        #[error("a batch has at least one pair")]
        #[code("loss/shape")]
        Empty,
        #[error("`{what}` of pair {pair} is `{got}`, not {must}")]
        #[code("loss/number")]
        Number { what: &'static str, pair: usize, got: f64, must: &'static str },
        #[error("`{name}` compares with a reference, and the batch has no `reference_chosen` and `reference_rejected`")]
        #[code("loss/reference")]
        #[hint("without a reference: preference::simpo(), preference::orpo(), preference::best_of_2()")]
        NoReference { name: String },
        #[error("`{name}` needs an estimate of the KL divergence, and the batch has no `kl`")]
        #[code("loss/reference")]
        NoKl { name: String },
        #[error("all weights of the batch are 0")]
        #[code("loss/number")]
        Weightless,
        /// A loss written in the script failed; the layer that called it holds the error with its position.
        #[error("{0}")]
        #[code("loss/script")]
        Script(text: String),
    }
    from { Interrupted(Interrupted) }
}

/// A loss of preference learning.
pub trait PairLoss {
    /// The field's name for it, such as `dpo`.
    fn name(&self) -> String;

    /// The call that makes it, with every option filled in: `preference::dpo(#{beta: 0.1})`.
    fn show(&self) -> String;

    /// What it computes, as a key: name and options of a built-in, source and captured values of a closure.
    fn digest(&self) -> Digest {
        Digest::of("preference/loss", 1).text("call", &self.show()).finish()
    }

    /// Why what was trained with it must not be looked up or kept: something in it has no digest.
    fn untraceable(&self) -> Option<String> {
        None
    }

    /// What it needs to be told.
    fn needs(&self) -> Needs;

    /// The mean loss of a batch with its gradient; a pure function of the batch, in which is what the step before gave to carry, so that a
    /// training that was ended can go on anywhere.
    fn step(&self, batch: &PairBatch) -> Result<PairValue, PairLossError>;
}

impl PairBatch<'_> {
    /// How many pairs.
    pub fn n_pairs(&self) -> usize {
        self.chosen.len()
    }

    /// Whether there is a reference.
    pub fn has_reference(&self) -> bool {
        !self.reference_chosen.is_empty()
    }

    /// The probability that the chosen continuation of a pair is the better one.
    pub fn preference(&self, pair: usize) -> f64 {
        self.preference.get(pair).copied().unwrap_or(1.0)
    }

    /// How much a pair counts.
    pub fn weight(&self, pair: usize) -> f64 {
        self.weights.get(pair).copied().unwrap_or(1.0)
    }

    /// How much all pairs count together.
    pub fn total_weight(&self) -> f64 {
        (0..self.n_pairs()).map(|pair| self.weight(pair)).sum()
    }

    /// One pair.
    pub fn pair(&self, pair: usize) -> Pair {
        let of = |numbers: &[f64], otherwise| numbers.get(pair).copied().unwrap_or(otherwise);
        Pair {
            chosen: of(self.chosen, f64::NAN),
            rejected: of(self.rejected, f64::NAN),
            reference_chosen: of(self.reference_chosen, 0.0),
            reference_rejected: of(self.reference_rejected, 0.0),
            n_chosen: of(self.n_chosen, 1.0),
            n_rejected: of(self.n_rejected, 1.0),
        }
    }

    /// Checks that every column has a number for each pair, and numbers that can be: finite log-probabilities, lengths of at least 1,
    /// preferences from 0 to 1, weights of at least 0 that are not all 0; and that `loss` has what it needs.
    pub fn check(&self, loss: &dyn PairLoss) -> Result<(), PairLossError> {
        let n_pairs = self.n_pairs();
        if n_pairs == 0 {
            return Err(PairLossError::Empty);
        }
        let any = f64::NEG_INFINITY..=f64::INFINITY;
        let (number, length) = ("a finite number", "at least 1");
        let columns: [(&'static str, &[f64], bool, _, &'static str); 10] = [
            ("chosen", self.chosen, false, any.clone(), number),
            ("rejected", self.rejected, false, any.clone(), number),
            ("reference_chosen", self.reference_chosen, !self.reference_rejected.is_empty(), any.clone(), number),
            ("reference_rejected", self.reference_rejected, self.has_reference(), any.clone(), number),
            ("n_chosen", self.n_chosen, !self.n_rejected.is_empty(), 1.0..=f64::INFINITY, length),
            ("n_rejected", self.n_rejected, !self.n_chosen.is_empty(), 1.0..=f64::INFINITY, length),
            ("preference", self.preference, false, 0.0..=1.0, "from 0 to 1"),
            ("weights", self.weights, false, 0.0..=f64::INFINITY, "at least 0"),
            ("prompt", self.prompt, !self.n_prompt.is_empty(), any, number),
            ("n_prompt", self.n_prompt, !self.prompt.is_empty(), 0.0..=f64::INFINITY, "at least 0"),
        ];
        for (what, numbers, is_needed, range, must) in columns {
            let may_lack = !matches!(what, "chosen" | "rejected") && !is_needed;
            if numbers.len() != n_pairs && !(numbers.is_empty() && may_lack) {
                return Err(PairLossError::Shape { what, got: numbers.len(), n_pairs });
            }
            let fits = |number: &f64| number.is_finite() && range.contains(number);
            if let Some((pair, got)) = numbers.iter().enumerate().find(|(_, number)| !fits(number)) {
                return Err(PairLossError::Number { what, pair, got: *got, must });
            }
        }
        if self.total_weight() <= 0.0 {
            return Err(PairLossError::Weightless);
        }
        let needs = loss.needs();
        if needs.reference && !self.has_reference() {
            return Err(PairLossError::NoReference { name: loss.name() });
        }
        if needs.kl && !self.kl.is_finite() {
            return Err(PairLossError::NoKl { name: loss.name() });
        }
        Ok(())
    }
}

impl Pair {
    /// The same pair with the other continuation chosen.
    #[must_use]
    pub fn swapped(&self) -> Pair {
        Pair {
            chosen: self.rejected,
            rejected: self.chosen,
            reference_chosen: self.reference_rejected,
            reference_rejected: self.reference_chosen,
            n_chosen: self.n_rejected,
            n_rejected: self.n_chosen,
        }
    }

    /// `log π/π_ref` of the chosen and of the rejected continuation; without a reference `log π`.
    pub fn log_ratios(&self) -> [f64; 2] {
        [self.chosen - self.reference_chosen, self.rejected - self.reference_rejected]
    }

    /// Δ: by how much the log-ratio of the chosen continuation is above that of the rejected one.
    pub fn delta(&self) -> f64 {
        let [chosen, rejected] = self.log_ratios();
        chosen - rejected
    }

    /// Δ̄: the same of log-ratios divided by the numbers of tokens.
    pub fn mean_delta(&self) -> f64 {
        let [chosen, rejected] = self.log_ratios();
        chosen / self.n_chosen - rejected / self.n_rejected
    }
}

/// The mean over the pairs of a loss that looks at each by itself: `of` answers for a pair whose first continuation is the better
/// one. With a soft preference both orders are asked and mixed.
pub fn mean_over_pairs(
    loss: &dyn PairLoss,
    batch: &PairBatch,
    of: impl Fn(&Pair) -> OfPair,
) -> Result<PairValue, PairLossError> {
    batch.check(loss)?;
    let total = batch.total_weight();
    let mut found = PairValue::default();
    for idx in 0..batch.n_pairs() {
        let pair = batch.pair(idx);
        let both = mixed(batch.preference(idx), || of(&pair), || of(&pair.swapped()));
        let share = batch.weight(idx) / total;
        found.value += share * both.value;
        found.by_chosen.push(share * both.by_chosen);
        found.by_rejected.push(share * both.by_rejected);
        found.pull.push(both.pull);
    }
    Ok(found)
}

/// `p` of what is said of a pair and `1 − p` of what is said of it the other way round; nothing is asked whose share is 0, as it may
/// be infinite.
fn mixed(p: f64, forwards: impl Fn() -> OfPair, backwards: impl Fn() -> OfPair) -> OfPair {
    let mut both = OfPair::default();
    if p > 0.0 {
        let OfPair { value, by_chosen, by_rejected, pull } = forwards();
        both = OfPair { value: p * value, by_chosen: p * by_chosen, by_rejected: p * by_rejected, pull: p * pull };
    }
    if p < 1.0 {
        let (q, other) = (1.0 - p, backwards());
        both.value += q * other.value;
        both.by_chosen += q * other.by_rejected;
        both.by_rejected += q * other.by_chosen;
        both.pull -= q * other.pull;
    }
    both
}

/// A loss of the margin `scale · Δ + shift` alone, from its value and its derivative there.
pub fn of_margin(scale: f64, [value, slope]: [f64; 2]) -> OfPair {
    OfPair { value, by_chosen: scale * slope, by_rejected: -scale * slope, pull: -slope }
}

/// The same of a margin `scale · Δ̄ + shift`.
pub fn of_mean_margin(scale: f64, pair: &Pair, [value, slope]: [f64; 2]) -> OfPair {
    OfPair {
        value,
        by_chosen: scale * slope / pair.n_chosen,
        by_rejected: -scale * slope / pair.n_rejected,
        pull: -slope,
    }
}

/// `−log σ(x)` and its derivative `−σ(−x)`; exact for any finite x.
pub fn logistic(x: f64) -> [f64; 2] {
    let tail = exp(-x.abs());
    [(-x).max(0.0) + ln_1p(tail), -sigmoid(-x)]
}

/// `σ(x)`, exact where it is tiny.
pub fn sigmoid(x: f64) -> f64 {
    let tail = exp(-x.abs());
    if x >= 0.0 { 1.0 / (1.0 + tail) } else { tail / (1.0 + tail) }
}

/// `ln(1 + x)` for x from −1 up, exact near 0: `ln` of the rounded sum, corrected by what was rounded away (Kahan; as in Goldberg
/// 1991, theorem 4).
pub fn ln_1p(x: f64) -> f64 {
    let sum = 1.0 + x;
    if sum == 1.0 { x } else { ln(sum) * (x / (sum - 1.0)) }
}

/// Refuses an option outside of a range, and NaN.
pub fn in_range(
    name: &'static str,
    option: &'static str,
    value: f64,
    fits: bool,
    must: &'static str,
) -> Result<(), PairLossError> {
    if fits && value.is_finite() {
        return Ok(());
    }
    Err(PairLossError::Option { name, option, must, got: value.to_string() })
}

/// Refuses a `beta` that is not a finite number above 0.
pub fn check_beta(name: &'static str, beta: f64) -> Result<(), PairLossError> {
    in_range(name, "beta", beta, beta > 0.0, "a finite number above 0")
}

#[cfg(test)]
mod tests;
