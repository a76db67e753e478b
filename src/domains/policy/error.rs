//! What can go wrong with enumerable policies and their judges.

use super::{MAX_PAIRWISE, MAX_RESPONSES, MAX_VALUES};
use crate::core::context::Interrupted;
use crate::core::explain::Explain;
use crate::frames::FrameError;
use crate::stats::MetricError;
use crate::store::StoreError;

/// An error of this folder.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    #[error(
        "{n_prompts} prompts of {n_responses} responses are no table of a policy: 1 to {MAX_VALUES} numbers in all, 2 to {MAX_RESPONSES} responses a prompt"
    )]
    Size { n_prompts: usize, n_responses: usize },
    #[error("prompt {prompt} has {got} responses, prompt 0 has {expected}")]
    Ragged { prompt: usize, got: usize, expected: usize },
    #[error("`{of}` of prompt {prompt}, response {response} is `{value}`, which is no finite number")]
    NotFinite { of: String, prompt: usize, response: usize, value: f64 },
    #[error("`{column}` holds `{value}` in row {row}: prompts and responses are numbered from 0")]
    Index { column: &'static str, row: usize, value: f64 },
    #[error("prompt {prompt}, response {response} has {n} rows, expected one")]
    Rows { prompt: usize, response: usize, n: usize },
    #[error(
        "`{one}` has {one_prompts} prompts of {one_responses} responses, `{other}` has {other_prompts} of {other_responses}"
    )]
    Shape {
        one: &'static str,
        one_prompts: usize,
        one_responses: usize,
        other: &'static str,
        other_prompts: usize,
        other_responses: usize,
    },
    #[error("`{what}` needs rewards, and this judge compares pairs")]
    Pairwise { what: &'static str },
    #[error("`{what}` is exact up to {MAX_PAIRWISE} responses a prompt, got {n_responses}")]
    TooMany { what: &'static str, n_responses: usize },
    #[error(
        "a pairwise judge of {n_prompts} prompts and {n_responses} responses would hold {n} numbers, at most {most}"
    )]
    TooManyPairs { n_prompts: usize, n_responses: usize, n: usize, most: usize },
    #[error("`{of}` must be a probability, got `{value}` for responses {first} and {second} of prompt {prompt}")]
    NotProbability { of: &'static str, prompt: usize, first: usize, second: usize, value: f64 },
    #[error("`{option}` must be {must}, got `{got}`")]
    Range { option: &'static str, must: String, got: String },
    #[error("pair {row} names the {what} {value}, the policy has {n} of them")]
    OutOfPolicy { row: usize, what: &'static str, value: usize, n: usize },
    #[error("pair {row} has the preference `{value}`, which is no probability")]
    Preference { row: usize, value: f64 },
    #[error("pair {row} has the weight `{value}`: a weight is a finite number of at least 0")]
    Weight { row: usize, value: f64 },
    #[error("there are no pairs")]
    NoPairs,
    #[error("features must be 1 to {most} columns, got {got}")]
    FeatureCount { got: usize, most: usize },
    #[error("there are {got} weights for {n} features")]
    WeightCount { got: usize, n: usize },
    #[error(
        "{what} did not converge: after {steps} steps the gradient is {gradient:.3e}, the tolerance {tolerance:.3e}"
    )]
    NotConverged { what: &'static str, steps: usize, gradient: f64, tolerance: f64 },
    #[error("the loss has no minimum: {why}")]
    Unbounded { why: String },
    #[error("training diverged at step {step}: the loss is {loss}")]
    Diverged { step: usize, loss: f64 },
    #[error("{0}")]
    Loss(String),
    #[error(transparent)]
    Frame(#[from] FrameError),
    #[error(transparent)]
    Metric(#[from] MetricError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("interrupted")]
    Interrupted,
}

impl From<Interrupted> for PolicyError {
    fn from(_: Interrupted) -> Self {
        PolicyError::Interrupted
    }
}

impl Explain for PolicyError {
    fn code(&self) -> &'static str {
        match self {
            PolicyError::Size { .. } => "policy/size",
            PolicyError::Ragged { .. } => "policy/ragged",
            PolicyError::NotFinite { .. } => "policy/not-finite",
            PolicyError::Index { .. } => "policy/index",
            PolicyError::Rows { .. } => "policy/rows",
            PolicyError::Shape { .. } => "policy/shape",
            PolicyError::Pairwise { .. } => "policy/pairwise",
            PolicyError::TooMany { .. } => "policy/too-many",
            PolicyError::TooManyPairs { .. } => "policy/too-many-pairs",
            PolicyError::NotProbability { .. } => "policy/probability",
            PolicyError::Range { .. } => "policy/range",
            PolicyError::OutOfPolicy { .. } => "policy/pair-index",
            PolicyError::Preference { .. } => "policy/preference",
            PolicyError::Weight { .. } => "policy/weight",
            PolicyError::NoPairs => "policy/no-pairs",
            PolicyError::FeatureCount { .. } => "policy/features",
            PolicyError::WeightCount { .. } => "policy/weights",
            PolicyError::NotConverged { .. } => "policy/not-converged",
            PolicyError::Unbounded { .. } => "policy/unbounded",
            PolicyError::Diverged { .. } => "policy/diverged",
            PolicyError::Loss(_) => "policy/loss",
            PolicyError::Frame(error) => error.code(),
            PolicyError::Metric(error) => error.code(),
            PolicyError::Store(error) => error.code(),
            PolicyError::Interrupted => "run/interrupted",
        }
    }

    fn hint(&self) -> Option<String> {
        let said = match self {
            PolicyError::Rows { .. } | PolicyError::Index { .. } => {
                "a table has a row for every response of every prompt: columns `prompt` and `response`, numbered from 0"
            }
            PolicyError::Pairwise { .. } => {
                "judge.expected(sampler) makes rewards of it: the mean preference over what a sampler says"
            }
            PolicyError::TooMany { what: "win_rate", .. } => "policy.estimate_win_rate(other, judge, #{ n: 10000 })",
            PolicyError::NotConverged { .. } => "raise `max_steps` or `tolerance`",
            PolicyError::Unbounded { .. } => {
                "`policy.identification(pairs)` says what the pairs determine; `preference::ipo` has a minimum, and so have soft preferences"
            }
            PolicyError::Diverged { .. } => "lower `lr`",
            PolicyError::Frame(error) => return error.hint(),
            PolicyError::Metric(error) => return error.hint(),
            PolicyError::Store(error) => return error.hint(),
            _ => return None,
        };
        Some(said.to_owned())
    }

    fn is_interruption(&self) -> bool {
        match self {
            PolicyError::Interrupted => true,
            PolicyError::Frame(error) => error.is_interruption(),
            PolicyError::Metric(error) => error.is_interruption(),
            PolicyError::Store(error) => error.is_interruption(),
            _ => false,
        }
    }
}
