//! A policy: log-probabilities for every response of every prompt, and the parameters that they come from.

use super::{PolicyError, per_prompt};
use crate::core::digest::Digest;
use crate::core::math::{exp, ln};
use crate::core::random::Random;
use crate::frames::Frame;
use polars::prelude::{Column, DataFrame};
use std::sync::Arc;

/// The most responses of a prompt.
pub const MAX_RESPONSES: usize = 1_000_000;

/// The most numbers of a table: 160 MB.
pub const MAX_VALUES: usize = 20_000_000;

/// The most numbers of all features together: 400 MB.
const MAX_FEATURE_VALUES: usize = 50_000_000;

/// The most features. Arbitrary.
const MAX_FEATURES: usize = 10_000;

/// A number for every response of every prompt, row-major `[n_prompts, n_responses]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Grid {
    pub n_prompts: usize,
    pub n_responses: usize,
    pub values: Vec<f64>,
}

impl Grid {
    /// Checks the size and that every number is finite; `of` names them in errors.
    pub fn new(n_prompts: usize, n_responses: usize, values: Vec<f64>, of: &str) -> Result<Grid, PolicyError> {
        check_size(n_prompts, n_responses)?;
        if values.len() != n_prompts * n_responses {
            return Err(PolicyError::Size { n_prompts, n_responses });
        }
        match values.iter().position(|value| !value.is_finite()) {
            Some(at) => Err(PolicyError::NotFinite {
                of: of.to_owned(),
                prompt: at / n_responses,
                response: at % n_responses,
                value: values.get(at).copied().unwrap_or(f64::NAN),
            }),
            None => Ok(Grid { n_prompts, n_responses, values }),
        }
    }

    /// From a list for each prompt.
    pub fn of_rows(rows: &[Vec<f64>], of: &str) -> Result<Grid, PolicyError> {
        let expected = rows.first().map_or(0, Vec::len);
        if let Some((prompt, row)) = rows.iter().enumerate().find(|(_, row)| row.len() != expected) {
            return Err(PolicyError::Ragged { prompt, got: row.len(), expected });
        }
        Grid::new(rows.len(), expected, rows.concat(), of)
    }

    /// From a frame with `prompt`, `response` and the named column, in any order of rows.
    pub fn of_frame(frame: &Frame, column: &str) -> Result<Grid, PolicyError> {
        let places = Places::of(frame)?;
        let values = places.put(&frame.floats(column)?);
        Grid::new(places.n_prompts, places.n_responses, values, column)
    }

    /// The numbers of one prompt.
    pub fn row(&self, prompt: usize) -> &[f64] {
        row(&self.values, prompt, self.n_responses)
    }

    /// As a frame: `prompt`, `response` and the named columns, in order.
    pub fn frame(
        n_prompts: usize,
        n_responses: usize,
        columns: Vec<(String, Vec<f64>)>,
    ) -> Result<DataFrame, PolicyError> {
        let n = n_prompts * n_responses;
        let mut held = vec![
            Column::new("prompt".into(), (0..n).map(|at| (at / n_responses) as i64).collect::<Vec<_>>()),
            Column::new("response".into(), (0..n).map(|at| (at % n_responses) as i64).collect::<Vec<_>>()),
        ];
        held.extend(columns.into_iter().map(|(name, values)| Column::new(name.into(), values)));
        Ok(DataFrame::new(n, held).map_err(crate::frames::FrameError::from)?)
    }
}

fn check_size(n_prompts: usize, n_responses: usize) -> Result<(), PolicyError> {
    let n = n_prompts.checked_mul(n_responses).filter(|n| (1..=MAX_VALUES).contains(n));
    let fits = n.is_some() && (2..=MAX_RESPONSES).contains(&n_responses);
    if fits { Ok(()) } else { Err(PolicyError::Size { n_prompts, n_responses }) }
}

fn row(values: &[f64], prompt: usize, n: usize) -> &[f64] {
    values.get(prompt * n..(prompt + 1) * n).unwrap_or_default()
}

/// Where the rows of a frame belong: every response of every prompt has exactly one.
struct Places {
    n_prompts: usize,
    n_responses: usize,
    /// For each row of the frame, its place.
    at: Vec<usize>,
}

impl Places {
    fn of(frame: &Frame) -> Result<Places, PolicyError> {
        let prompts = indices(frame, "prompt")?;
        let responses = indices(frame, "response")?;
        let count = |values: &[usize]| values.iter().max().map_or(0, |most| most + 1);
        let (n_prompts, n_responses) = (count(&prompts), count(&responses));
        check_size(n_prompts, n_responses)?;
        let at: Vec<usize> =
            prompts.iter().zip(&responses).map(|(prompt, response)| prompt * n_responses + response).collect();
        let mut seen = vec![0usize; n_prompts * n_responses];
        for place in &at {
            if let Some(n) = seen.get_mut(*place) {
                *n += 1;
            }
        }
        match seen.iter().position(|n| *n != 1) {
            Some(place) => Err(PolicyError::Rows {
                prompt: place / n_responses,
                response: place % n_responses,
                n: seen.get(place).copied().unwrap_or(0),
            }),
            None => Ok(Places { n_prompts, n_responses, at }),
        }
    }

    fn put(&self, values: &[f64]) -> Vec<f64> {
        let mut placed = vec![0.0; self.at.len()];
        for (place, value) in self.at.iter().zip(values) {
            if let Some(slot) = placed.get_mut(*place) {
                *slot = *value;
            }
        }
        placed
    }
}

/// A column of numbers from 0, as they count prompts or responses.
pub(super) fn indices(frame: &Frame, column: &'static str) -> Result<Vec<usize>, PolicyError> {
    let whole = |(row, value): (usize, &f64)| {
        let fits = *value >= 0.0 && *value < MAX_VALUES as f64 && value.fract() == 0.0;
        if fits { Ok(*value as usize) } else { Err(PolicyError::Index { column, row, value: *value }) }
    };
    frame.floats(column)?.iter().enumerate().map(whole).collect()
}

/// Features of every response of every prompt.
#[derive(Debug, PartialEq)]
pub struct Features {
    pub names: Vec<String>,
    /// Row-major `[n_prompts · n_responses, n_features]`.
    pub values: Vec<f64>,
    pub n_prompts: usize,
    pub n_responses: usize,
    pub digest: Digest,
}

impl Features {
    /// The named columns of a frame with `prompt` and `response`; without names all others.
    pub fn of_frame(frame: &Frame, names: &[String]) -> Result<Features, PolicyError> {
        let places = Places::of(frame)?;
        let others = || frame.columns().into_iter().filter(|name| name != "prompt" && name != "response").collect();
        let names: Vec<String> = if names.is_empty() { others() } else { names.to_vec() };
        let (n, k) = (places.at.len(), names.len());
        if !(1..=MAX_FEATURES).contains(&k) || n.saturating_mul(k) > MAX_FEATURE_VALUES {
            return Err(PolicyError::FeatureCount { got: k, most: MAX_FEATURES.min(MAX_FEATURE_VALUES / n.max(1)) });
        }
        let mut values = vec![0.0; n * k];
        for (idx, name) in names.iter().enumerate() {
            let column = Grid::new(places.n_prompts, places.n_responses, places.put(&frame.floats(name)?), name)?;
            for (slot, value) in values.iter_mut().skip(idx).step_by(k).zip(column.values) {
                *slot = value;
            }
        }
        let digest = Digest::of("policy/features", 1)
            .int("prompts", places.n_prompts as i64)
            .int("responses", places.n_responses as i64)
            .bytes("values", &bytes_of(&values))
            .finish();
        Ok(Features { names, values, n_prompts: places.n_prompts, n_responses: places.n_responses, digest })
    }

    /// How many.
    pub fn n(&self) -> usize {
        self.names.len()
    }

    /// Σ weight · feature for every response of every prompt.
    pub fn dot(&self, weights: &[f64]) -> Vec<f64> {
        let sum = |features: &[f64]| features.iter().zip(weights).map(|(x, w)| x * w).sum::<f64>();
        let of_prompt = |prompt| {
            let features = row(&self.values, prompt, self.n_responses * self.n());
            features.chunks(self.n()).map(sum).collect::<Vec<f64>>()
        };
        per_prompt(self.n_prompts, of_prompt).concat()
    }

    /// The gradient by the weights from the gradient by each response's logit.
    pub fn pulled_back(&self, by_logit: &[f64]) -> Vec<f64> {
        let k = self.n();
        let of_prompt = |prompt| {
            let mut sums = vec![0.0; k];
            let slopes = row(by_logit, prompt, self.n_responses);
            let features = row(&self.values, prompt, self.n_responses * k);
            for (slope, features) in slopes.iter().zip(features.chunks(k)) {
                if *slope != 0.0 {
                    sums.iter_mut().zip(features).for_each(|(sum, x)| *sum += slope * x);
                }
            }
            sums
        };
        let mut total = vec![0.0; k];
        for part in per_prompt(self.n_prompts, of_prompt) {
            total.iter_mut().zip(part).for_each(|(sum, x)| *sum += x);
        }
        total
    }
}

/// The bits of numbers, for digests.
pub(super) fn bytes_of(values: &[f64]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_bits().to_le_bytes()).collect()
}

/// What a policy's log-probabilities come from, and what training changes.
#[derive(Debug, Clone, PartialEq)]
pub enum Form {
    /// A logit for every response of every prompt.
    Tabular,
    /// π(y | x) ∝ exp(offset(x, y) + w · φ(x, y)).
    LogLinear { features: Arc<Features>, weights: Arc<Vec<f64>>, offset: Option<Arc<Vec<f64>>> },
}

/// A distribution over the responses of every prompt. Immutable and cheap to clone.
#[derive(Clone)]
pub struct Policy {
    pub n_prompts: usize,
    pub n_responses: usize,
    pub form: Form,
    /// ln π(y | x), row-major `[n_prompts, n_responses]`.
    logprobs: Arc<Vec<f64>>,
    digest: Digest,
    /// Of a policy that was trained step by step.
    trained: Option<Arc<Trained>>,
}

/// What a training left beside its last policy.
pub struct Trained {
    /// Policies on the way, the last among them, with the steps after which they were kept.
    pub checkpoints: Vec<(usize, Policy)>,
    /// The pairs that it drew by itself, in order, with the step that saw them.
    pub stream: Option<Frame>,
    /// `step`, `loss`, `n_pairs` (those seen until then), and what else was measured of each step.
    pub curve: Frame,
}

impl std::fmt::Debug for Policy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "policy {}", self.digest.short())
    }
}

impl Policy {
    /// Softmax of logits, for each prompt by itself.
    pub fn tabular(logits: Grid) -> Policy {
        let digest = Digest::of("policy/tabular", 1)
            .int("responses", logits.n_responses as i64)
            .bytes("logits", &bytes_of(&logits.values))
            .finish();
        Policy::derived(logits, digest)
    }

    /// The same, made by an operation that `digest` names.
    pub fn derived(logits: Grid, digest: Digest) -> Policy {
        let Grid { n_prompts, n_responses, values } = logits;
        let logprobs = Arc::new(log_softmax(&values, n_prompts, n_responses));
        Policy { n_prompts, n_responses, form: Form::Tabular, logprobs, digest, trained: None }
    }

    /// The same probability for all.
    pub fn uniform(n_prompts: usize, n_responses: usize) -> Result<Policy, PolicyError> {
        check_size(n_prompts, n_responses)?;
        Ok(Policy::tabular(Grid { n_prompts, n_responses, values: vec![0.0; n_prompts * n_responses] }))
    }

    /// π ∝ offset · exp(w · φ), where the offset is a policy or constant.
    pub fn log_linear(
        features: Arc<Features>,
        weights: Vec<f64>,
        offset: Option<&Policy>,
    ) -> Result<Policy, PolicyError> {
        if weights.len() != features.n() {
            return Err(PolicyError::WeightCount { got: weights.len(), n: features.n() });
        }
        if let Some(other) = offset {
            same_shape(
                ("features", features.n_prompts, features.n_responses),
                ("offset", other.n_prompts, other.n_responses),
            )?;
        }
        let made = Digest::of("policy/log_linear", 1).digest("features", features.digest);
        let made = made.bytes("weights", &bytes_of(&weights));
        let digest = offset.map_or(made.clone(), |offset| made.digest("offset", offset.digest)).finish();
        Policy::log_linear_of(features, weights, offset.map(|policy| policy.logprobs.clone()), digest)
    }

    fn log_linear_of(
        features: Arc<Features>,
        weights: Vec<f64>,
        offset: Option<Arc<Vec<f64>>>,
        digest: Digest,
    ) -> Result<Policy, PolicyError> {
        let mut logits = features.dot(&weights);
        if let Some(offset) = &offset {
            logits.iter_mut().zip(offset.iter()).for_each(|(logit, own)| *logit += own);
        }
        let Grid { n_prompts, n_responses, values } =
            Grid::new(features.n_prompts, features.n_responses, logits, "the logit")?;
        let logprobs = Arc::new(log_softmax(&values, n_prompts, n_responses));
        let form = Form::LogLinear { features, weights: Arc::new(weights), offset };
        Ok(Policy { n_prompts, n_responses, form, logprobs, digest, trained: None })
    }

    /// What training changes: logits, or the features' weights.
    pub fn parameters(&self) -> Vec<f64> {
        match &self.form {
            Form::Tabular => self.logprobs.to_vec(),
            Form::LogLinear { weights, .. } => weights.to_vec(),
        }
    }

    /// How many numbers training changes.
    pub fn n_parameters(&self) -> usize {
        match &self.form {
            Form::Tabular => self.logprobs.len(),
            Form::LogLinear { weights, .. } => weights.len(),
        }
    }

    /// A policy of the same form with other parameters, made by an operation that `digest` names.
    pub fn with_parameters(&self, parameters: Vec<f64>, digest: Digest) -> Result<Policy, PolicyError> {
        match &self.form {
            Form::Tabular => {
                Ok(Policy::derived(Grid::new(self.n_prompts, self.n_responses, parameters, "the logit")?, digest))
            }
            Form::LogLinear { features, offset, .. } => {
                Policy::log_linear_of(features.clone(), parameters, offset.clone(), digest)
            }
        }
    }

    /// The gradient by the parameters from the gradient by every logit.
    pub fn pulled_back(&self, by_logit: Vec<f64>) -> Vec<f64> {
        match &self.form {
            Form::Tabular => by_logit,
            Form::LogLinear { features, .. } => features.pulled_back(&by_logit),
        }
    }

    /// ln π(y | x) of every response of one prompt.
    pub fn row(&self, prompt: usize) -> &[f64] {
        row(&self.logprobs, prompt, self.n_responses)
    }

    /// ln π(y | x).
    pub fn logprob(&self, prompt: usize, response: usize) -> f64 {
        self.row(prompt).get(response).copied().unwrap_or(f64::NAN)
    }

    /// π(y | x) of every response of one prompt.
    pub fn probabilities(&self, prompt: usize) -> Vec<f64> {
        self.row(prompt).iter().map(|logprob| exp(*logprob)).collect()
    }

    /// All log-probabilities, row-major.
    pub fn logprobs(&self) -> &[f64] {
        &self.logprobs
    }

    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// What its training left, if it was trained step by step.
    pub fn trained(&self) -> Option<&Trained> {
        self.trained.as_deref()
    }

    /// The same policy with what its training left.
    #[must_use]
    pub fn with_training(self, trained: Trained) -> Policy {
        Policy { trained: Some(Arc::new(trained)), ..self }
    }

    /// Tabular, with the logits that `of` makes of a prompt's log-probabilities; `digest` names how.
    pub fn mapped(
        &self,
        digest: Digest,
        of: impl Fn(usize, &[f64]) -> Vec<f64> + Sync + Send,
    ) -> Result<Policy, PolicyError> {
        let values = per_prompt(self.n_prompts, |prompt| of(prompt, self.row(prompt))).concat();
        Ok(Policy::derived(Grid::new(self.n_prompts, self.n_responses, values, "the logit")?, digest))
    }

    /// π^(1/t), normalised.
    pub fn tempered(&self, temperature: f64) -> Result<Policy, PolicyError> {
        if !(temperature > 0.0 && temperature.is_finite()) {
            return Err(range("temperature", "a positive number", temperature));
        }
        let digest = Digest::of("policy/tempered", 1).digest("policy", self.digest).float("temperature", temperature);
        self.mapped(digest.finish(), |_, logprobs| logprobs.iter().map(|logprob| logprob / temperature).collect())
    }

    /// (1 − share) · π + share · other.
    pub fn mixed(&self, other: &Policy, share: f64) -> Result<Policy, PolicyError> {
        self.check_shape("policy", other, "other")?;
        if !(0.0..=1.0).contains(&share) {
            return Err(range("share", "from 0 to 1", share));
        }
        let digest = Digest::of("policy/mixed", 1).digest("policy", self.digest).digest("other", other.digest);
        self.mapped(digest.float("share", share).finish(), |prompt, logprobs| {
            let both = logprobs.iter().zip(other.row(prompt));
            both.map(|(own, other)| {
                let most = own.max(*other);
                most + ln((1.0 - share) * exp(own - most) + share * exp(other - most))
            })
            .collect()
        })
    }

    /// Refuses another policy of another shape.
    pub fn check_shape(&self, one: &'static str, other: &Policy, name: &'static str) -> Result<(), PolicyError> {
        same_shape((one, self.n_prompts, self.n_responses), (name, other.n_prompts, other.n_responses))
    }
}

/// Refuses two shapes that differ: name, prompts and responses of each.
pub(super) fn same_shape(
    one: (&'static str, usize, usize),
    other: (&'static str, usize, usize),
) -> Result<(), PolicyError> {
    if (one.1, one.2) == (other.1, other.2) {
        return Ok(());
    }
    Err(PolicyError::Shape {
        one: one.0,
        one_prompts: one.1,
        one_responses: one.2,
        other: other.0,
        other_prompts: other.1,
        other_responses: other.2,
    })
}

/// The error for an option outside its range.
pub(super) fn range(option: &'static str, must: &str, got: impl std::fmt::Display) -> PolicyError {
    PolicyError::Range { option, must: must.to_owned(), got: got.to_string() }
}

/// ln Σ e^x.
pub(super) fn log_sum(values: &[f64]) -> f64 {
    let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if most.is_infinite() { most } else { most + ln(values.iter().map(|value| exp(value - most)).sum()) }
}

fn log_softmax(logits: &[f64], n_prompts: usize, n_responses: usize) -> Vec<f64> {
    let of_prompt = |prompt| {
        let logits = row(logits, prompt, n_responses);
        let total = log_sum(logits);
        logits.iter().map(|logit| logit - total).collect::<Vec<f64>>()
    };
    per_prompt(n_prompts, of_prompt).concat()
}

/// A frame of responses with drawn features: `prompt`, `response`, `f0`, `f1`, …, standard normal.
pub fn responses(n_prompts: usize, n_responses: usize, n_features: usize, seed: u64) -> Result<Frame, PolicyError> {
    check_size(n_prompts, n_responses)?;
    let n = n_prompts * n_responses;
    if n_features > MAX_FEATURES || n.saturating_mul(n_features) > MAX_FEATURE_VALUES {
        return Err(PolicyError::FeatureCount { got: n_features, most: MAX_FEATURES.min(MAX_FEATURE_VALUES / n) });
    }
    let column = |idx: usize| {
        let mut random = Random::new(seed, &format!("policy/responses f{idx}"));
        (format!("f{idx}"), (0..n).map(|_| random.normal()).collect::<Vec<f64>>())
    };
    let table = Grid::frame(n_prompts, n_responses, (0..n_features).map(column).collect())?;
    let digest = Digest::of("policy/responses", 1)
        .int("prompts", n_prompts as i64)
        .int("responses", n_responses as i64)
        .int("features", n_features as i64)
        .int("seed", seed as i64);
    Ok(Frame::derived(table, digest.finish()))
}
