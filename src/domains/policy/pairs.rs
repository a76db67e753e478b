//! Pairs of responses with a preference: drawn from a policy, labelled by a judge, read from and written to frames.

use super::table::{MAX_VALUES, indices, range};
use super::{Drawn, Judge, Policy, PolicyError};
use crate::core::digest::Digest;
use crate::core::random::Random;
use crate::frames::{Frame, FrameError};
use polars::prelude::{Column, DataFrame};

/// What a judge's preference p becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Labels {
    /// The winner is drawn with p, and the pair says that it is preferred for sure.
    Drawn,
    /// The likelier response is chosen, and the pair keeps p.
    Soft,
    /// The likelier response is chosen for sure; of two that are equal the first.
    Sure,
}

impl Labels {
    /// As scripts call it.
    pub const fn name(self) -> &'static str {
        match self {
            Labels::Drawn => "drawn",
            Labels::Soft => "soft",
            Labels::Sure => "sure",
        }
    }

    /// Chosen, rejected and the preference for the chosen one.
    pub fn label(self, first: usize, second: usize, p: f64, random: &mut Random) -> (usize, usize, f64) {
        let first_wins = match self {
            Labels::Drawn => random.uniform() < p,
            Labels::Soft | Labels::Sure => p >= 0.5,
        };
        let (chosen, rejected) = if first_wins { (first, second) } else { (second, first) };
        (chosen, rejected, if self == Labels::Soft { p.max(1.0 - p) } else { 1.0 })
    }
}

/// Pairs in order.
#[derive(Debug, Clone, PartialEq)]
pub struct Pairs {
    pub prompts: Vec<usize>,
    pub chosen: Vec<usize>,
    pub rejected: Vec<usize>,
    /// The probability that the chosen response is preferred.
    pub preferences: Vec<f64>,
    /// How much each counts.
    pub weights: Vec<f64>,
    pub digest: Digest,
}

impl Pairs {
    /// Reads `prompt`, `chosen`, `rejected`, and `preference` and `weight` where the frame has them (1 where not).
    pub fn of_frame(frame: &Frame) -> Result<Pairs, PolicyError> {
        let n = frame.height();
        let optional = |name: &str| match frame.column(name) {
            Ok(_) => frame.floats(name),
            Err(_) => Ok(vec![1.0; n]),
        };
        let (preferences, weights) = (optional("preference")?, optional("weight")?);
        if let Some(row) = preferences.iter().position(|p| !(0.0..=1.0).contains(p)) {
            return Err(PolicyError::Preference { row, value: preferences.get(row).copied().unwrap_or(f64::NAN) });
        }
        if let Some(row) = weights.iter().position(|w| !(*w >= 0.0 && w.is_finite())) {
            return Err(PolicyError::Weight { row, value: weights.get(row).copied().unwrap_or(f64::NAN) });
        }
        let (prompts, chosen, rejected) =
            (indices(frame, "prompt")?, indices(frame, "chosen")?, indices(frame, "rejected")?);
        Ok(Pairs { prompts, chosen, rejected, preferences, weights, digest: frame.digest() })
    }

    /// As [`Pairs::of_frame`] reads them.
    pub fn frame(&self) -> Result<Frame, PolicyError> {
        Ok(Frame::derived(self.table(Vec::new())?, self.digest))
    }

    /// The columns, and others before them.
    pub fn table(&self, mut columns: Vec<Column>) -> Result<DataFrame, PolicyError> {
        let ints = |values: &[usize]| values.iter().map(|value| *value as i64).collect::<Vec<_>>();
        columns.extend([
            Column::new("prompt".into(), ints(&self.prompts)),
            Column::new("chosen".into(), ints(&self.chosen)),
            Column::new("rejected".into(), ints(&self.rejected)),
            Column::new("preference".into(), self.preferences.clone()),
        ]);
        if self.weights.iter().any(|weight| *weight != 1.0) {
            columns.push(Column::new("weight".into(), self.weights.clone()));
        }
        Ok(DataFrame::new(self.len(), columns).map_err(FrameError::from)?)
    }

    pub fn len(&self) -> usize {
        self.prompts.len()
    }

    pub fn is_empty(&self) -> bool {
        self.prompts.is_empty()
    }

    /// Prompt, chosen and rejected of every pair.
    pub fn places(&self) -> impl Iterator<Item = (usize, usize, usize)> + '_ {
        let responses = self.chosen.iter().zip(&self.rejected);
        self.prompts.iter().zip(responses).map(|(prompt, (chosen, rejected))| (*prompt, *chosen, *rejected))
    }

    /// Refuses no pairs, and pairs of prompts or responses that there are not.
    pub fn check(&self, n_prompts: usize, n_responses: usize) -> Result<(), PolicyError> {
        if self.is_empty() {
            return Err(PolicyError::NoPairs);
        }
        for (row, (prompt, chosen, rejected)) in self.places().enumerate() {
            for (what, value, n) in
                [("prompt", prompt, n_prompts), ("response", chosen, n_responses), ("response", rejected, n_responses)]
            {
                if value >= n {
                    return Err(PolicyError::OutOfPolicy { row, what, value, n });
                }
            }
        }
        Ok(())
    }

    /// The same pairs as a judge labels them.
    pub fn relabelled(&self, judge: &Judge, labels: Labels, seed: u64) -> Result<Pairs, PolicyError> {
        self.check(judge.n_prompts, judge.n_responses)?;
        let mut random = Random::new(seed, "judge/relabel");
        let digest = Digest::of("judge/relabel", 1)
            .digest("judge", judge.digest())
            .digest("pairs", self.digest)
            .text("labels", labels.name())
            .int("seed", seed as i64)
            .finish();
        let mut made = Pairs { digest, ..self.clone() };
        for (at, (prompt, first, second)) in self.places().enumerate() {
            let p = judge.preference(prompt, first, second);
            made.set(at, labels.label(first, second, p, &mut random));
        }
        Ok(made)
    }

    fn set(&mut self, at: usize, (chosen, rejected, preference): (usize, usize, f64)) {
        let places = (self.chosen.get_mut(at), self.rejected.get_mut(at), self.preferences.get_mut(at));
        if let (Some(one), Some(other), Some(p)) = places {
            (*one, *other, *p) = (chosen, rejected, preference);
        }
    }

    /// Adds one of weight 1.
    pub fn push(&mut self, prompt: usize, (chosen, rejected, preference): (usize, usize, f64)) {
        self.prompts.push(prompt);
        self.chosen.push(chosen);
        self.rejected.push(rejected);
        self.preferences.push(preference);
        self.weights.push(1.0);
    }

    /// None yet, to be made by what `digest` names.
    pub fn none(digest: Digest) -> Pairs {
        let (prompts, chosen, rejected, preferences, weights) = Default::default();
        Pairs { prompts, chosen, rejected, preferences, weights, digest }
    }
}

/// How pairs are drawn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PairOptions {
    pub n: usize,
    pub labels: Labels,
    /// Whether two equal responses are drawn again.
    pub distinct: bool,
    pub seed: u64,
}

/// How often two equal responses are drawn again before the pair is refused. Arbitrary.
const MAX_TRIES: usize = 10_000;

/// Pairs of responses drawn independently, the second from `other` where there is one; each of a prompt drawn with the same
/// chance, labelled by the judge.
pub fn draw_pairs(
    judge: &Judge,
    sampler: &Policy,
    other: Option<&Policy>,
    options: PairOptions,
) -> Result<Pairs, PolicyError> {
    judge.check_shape(sampler)?;
    let PairOptions { n, labels, distinct, seed } = options;
    if !(1..=MAX_VALUES / 4).contains(&n) {
        return Err(range("n", &format!("from 1 to {}", MAX_VALUES / 4), n));
    }
    let made = Digest::of("judge/pairs", 1).digest("judge", judge.digest()).digest("sampler", sampler.digest());
    let made = other.map_or(made.clone(), |other| made.digest("other", other.digest()));
    let made = made.int("n", n as i64).text("labels", labels.name()).int("distinct", i64::from(distinct));
    if let Some(other) = other {
        sampler.check_shape("sampler", other, "other")?;
    }
    let firsts = Drawn::of(sampler);
    let other = other.map(Drawn::of);
    let seconds = other.as_ref().unwrap_or(&firsts);
    let mut random = Random::new(seed, "judge/pairs");
    let mut pairs = Pairs::none(made.int("seed", seed as i64).finish());
    for _ in 0..n {
        let prompt = firsts.prompt(&mut random);
        let (first, second) = two(&firsts, seconds, prompt, distinct, &mut random)?;
        let p = judge.preference(prompt, first, second);
        pairs.push(prompt, labels.label(first, second, p, &mut random));
    }
    Ok(pairs)
}

/// Two responses of a prompt.
pub(crate) fn two(
    firsts: &Drawn,
    seconds: &Drawn,
    prompt: usize,
    distinct: bool,
    random: &mut Random,
) -> Result<(usize, usize), PolicyError> {
    for _ in 0..MAX_TRIES {
        let (first, second) = (firsts.draw(prompt, random), seconds.draw(prompt, random));
        if !distinct || first != second {
            return Ok((first, second));
        }
    }
    let why = format!("false: of prompt {prompt} the same response was drawn twice, {MAX_TRIES} times in a row");
    Err(PolicyError::Range { option: "distinct", must: why, got: "true".to_owned() })
}
