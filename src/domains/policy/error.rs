//! What can go wrong with enumerable policies and their judges.

use super::{MAX_PAIRWISE, MAX_RESPONSES, MAX_VALUES};
use crate::core::context::Interrupted;
use crate::core::explain::explained;
use crate::frames::FrameError;
use crate::stats::MetricError;
use crate::store::StoreError;

explained! {
    /// An error of this folder.
    #[derive(Debug, thiserror::Error)]
    pub enum PolicyError {
        #[error(
            "a policy cannot have {n_prompts} prompts of {n_responses} responses: 1 to {MAX_VALUES} numbers in all, 2 to {MAX_RESPONSES} responses a prompt"
        )]
        #[code("policy/size")]
        Size { n_prompts: usize, n_responses: usize },
        #[error("prompt {prompt} has {got} responses, prompt 0 has {expected}")]
        #[code("policy/ragged")]
        Ragged { prompt: usize, got: usize, expected: usize },
        #[error("`{of}` of prompt {prompt}, response {response} is `{value}`, which is not a finite number")]
        #[code("policy/not-finite")]
        NotFinite { of: String, prompt: usize, response: usize, value: f64 },
        #[error("`{column}` holds `{value}` in row {row}: prompts and responses are numbered from 0")]
        #[code("policy/index")]
        #[hint(
            "a table has a row for every response of every prompt: columns `prompt` and `response`, numbered from 0"
        )]
        Index { column: &'static str, row: usize, value: f64 },
        #[error("prompt {prompt}, response {response} has {n} rows, expected one")]
        #[code("policy/rows")]
        #[hint(
            "a table has a row for every response of every prompt: columns `prompt` and `response`, numbered from 0"
        )]
        Rows { prompt: usize, response: usize, n: usize },
        #[error(
            "`{one}` has {one_prompts} prompts of {one_responses} responses, `{other}` has {other_prompts} of {other_responses}"
        )]
        #[code("policy/shape")]
        Shape {
            one: &'static str,
            one_prompts: usize,
            one_responses: usize,
            other: &'static str,
            other_prompts: usize,
            other_responses: usize,
        },
        #[error("`{what}` needs rewards, and this judge compares pairs")]
        #[code("policy/pairwise")]
        #[hint("judge.expected(sampler) makes rewards of it: the mean preference over what a sampler says")]
        Pairwise { what: &'static str },
        #[error("`{what}` is exact up to {MAX_PAIRWISE} responses a prompt, got {n_responses}")]
        #[code("policy/too-many")]
        #[hint((*what == "win_rate").then_some("policy.estimate_win_rate(other, judge, #{ n: 10000 })"))]
        TooMany { what: &'static str, n_responses: usize },
        #[error(
            "a pairwise judge of {n_prompts} prompts and {n_responses} responses would hold {n} numbers, at most {most}"
        )]
        #[code("policy/too-many-pairs")]
        TooManyPairs { n_prompts: usize, n_responses: usize, n: usize, most: usize },
        #[error("`{of}` must be a probability, got `{value}` for responses {first} and {second} of prompt {prompt}")]
        #[code("policy/probability")]
        NotProbability { of: &'static str, prompt: usize, first: usize, second: usize, value: f64 },
        #[error("`{option}` must be {must}, got `{got}`")]
        #[code("policy/range")]
        Range { option: &'static str, must: String, got: String },
        #[error("pair {row} names the {what} {value}, the policy has {n} of them")]
        #[code("policy/pair-index")]
        OutOfPolicy { row: usize, what: &'static str, value: usize, n: usize },
        #[error("pair {row} has the preference `{value}`, which is not a probability")]
        #[code("policy/preference")]
        Preference { row: usize, value: f64 },
        #[error("pair {row} has the weight `{value}`: a weight is a finite number of at least 0")]
        #[code("policy/weight")]
        Weight { row: usize, value: f64 },
        #[error("{why}")]
        #[code("policy/rankings")]
        #[hint("a ranking is a row with `prompt` and the responses from the best on, `rank1`, `rank2`, …: judge.rankings(sampler, #{{ k: 4 }})")]
        Rankings { why: String },
        #[error("there are no pairs")]
        #[code("policy/no-pairs")]
        NoPairs,
        #[error("features must be 1 to {most} columns, got {got}")]
        #[code("policy/features")]
        FeatureCount { got: usize, most: usize },
        #[error("there are {got} weights for {n} features")]
        #[code("policy/weights")]
        WeightCount { got: usize, n: usize },
        #[error(
            "{what} did not converge: after {steps} steps the gradient is {gradient:.3e}, the tolerance {tolerance:.3e}"
        )]
        #[code("policy/not-converged")]
        #[hint("raise `max_steps` or `tolerance`")]
        NotConverged { what: &'static str, steps: usize, gradient: f64, tolerance: f64 },
        #[error("the loss has no minimum: {why}")]
        #[code("policy/unbounded")]
        #[hint(
            "`policy.identification(pairs)` says what the pairs determine; `preference::ipo` has a minimum, and so have soft preferences"
        )]
        Unbounded { why: String },
        #[error("training diverged at step {step}: the loss is {loss}")]
        #[code("policy/diverged")]
        #[hint("lower `lr`")]
        Diverged { step: usize, loss: f64 },
        #[error("{0}")]
        #[code("policy/loss")]
        Loss(text: String),
    }
    from { Frame(FrameError), Metric(MetricError), Store(StoreError), Interrupted(Interrupted) }
}
