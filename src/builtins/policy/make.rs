//! Making policies: `policy::tabular`, `policy::uniform`, `policy::log_linear`, `policy::responses`.

use super::Given;
use crate::bind::prelude::*;
use crate::domains::policy::{Features, Policy, responses};
use crate::frames::Frame;
use std::sync::Arc;

options! {
    /// Options of `policy::tabular`.
    pub struct TabularOptions {
        /// The frame's column that holds the logits.
        column: String = "logit".to_owned(),
    }
}

options! {
    /// Options of `policy::log_linear`.
    pub struct LogLinearOptions {
        /// The columns that are features; left out, all but `prompt` and `response`.
        features: Vec<String> = vec![],
        /// A weight for every feature; left out, zeros.
        weights: Option<Vec<f64>> = None,
        /// The policy at weights of zero; left out, the uniform one.
        offset: Option<Policy> = None,
    }
}

options! {
    /// Options of `policy::responses`.
    pub struct ResponsesOptions {
        /// How many prompts.
        n_prompts: usize = 3,
        /// How many responses each.
        n_responses: usize = 100,
        /// How many features `f0`, `f1`, … of every response.
        n_features: usize = 0,
        /// Of the features.
        seed: Option<u64> = None,
    }
}

/// The records.
pub fn functions() -> Vec<Function> {
    vec![
        Function::new("policy", "tabular", tabular)
            .about("A policy with a free logit for every response of every prompt.")
            .details(
                "π(y | x) is the softmax of the prompt's logits. Prompts and responses are numbered from 0; every prompt has the same \
                 number of responses, 2 to 1 000 000, and there are 20 000 000 logits at most.",
            )
            .param::<Given>("logits", "an array for each prompt, or a frame with `prompt`, `response` and a column of logits")
            .options::<TabularOptions>()
            .returns("Policy")
            .example("policy::tabular([[0, 1, 0], [2, 0, 0]])", "Policy: 2 prompts of 3 responses, tabular")
            .example(
                "let table = policy::responses(#{ n_prompts: 2, n_responses: 4, n_features: 1, seed: 0 });\n\
                 policy::tabular(table, #{ column: \"f0\" }).n_responses",
                "4",
            )
            .fails("policy::tabular([[0, 1], [1]])", "prompt 1 has 1 responses, prompt 0 has 2")
            .fails(
                "policy::tabular(frame::of(#{ prompt: [0, 0], response: [0, 0], logit: [1, 2] }))",
                "a policy cannot have 1 prompts of 1 responses",
            ),
        Function::new("policy", "uniform", uniform)
            .about("The policy that gives every response the same probability.")
            .param::<usize>("n_prompts", "how many prompts")
            .param::<usize>("n_responses", "how many responses each, at least 2")
            .returns("Policy")
            .example("policy::uniform(2, 4).entropy() == (4.0).ln()", "true")
            .fails("policy::uniform(2, 1)", "a policy cannot have"),
        Function::new("policy", "log_linear", log_linear)
            .about("A policy whose logits are a weighted sum of features, so that training on one response moves those like it.")
            .details("π(y | x) ∝ π₀(y | x) · exp(w · φ(x, y)), where π₀ is `offset`. Training changes w, which all prompts share.")
            .param::<Frame>("responses", "`prompt`, `response` and a column for every feature")
            .options::<LogLinearOptions>()
            .returns("Policy")
            .example(
                "let table = policy::responses(#{ n_prompts: 2, n_responses: 5, n_features: 3, seed: 0 });\n\
                 policy::log_linear(table)",
                "Policy: 2 prompts of 5 responses, log-linear in 3 features",
            )
            .example(
                "let table = frame::of(#{ prompt: [0, 0], response: [0, 1], x: [1.0, 0.0] });\n\
                 policy::log_linear(table, #{ weights: [2.0] }).total_variation(policy::tabular([[2, 0]]))",
                "0.0",
            )
            .fails(
                "policy::log_linear(policy::responses(#{ n_features: 2, seed: 0 }), #{ weights: [1.0] })",
                "there are 1 weights for 2 features",
            ),
        Function::new("policy", "responses", draw)
            .about("A frame of responses to make policies and judges of, with drawn features.")
            .details("A row for every response of every prompt: `prompt`, `response`, and `f0`, `f1`, …, independent standard normal numbers.")
            .options::<ResponsesOptions>()
            .returns("Frame: the responses")
            .example("policy::responses(#{ n_prompts: 2, n_responses: 3, n_features: 2, seed: 0 }).columns", "[\"prompt\", \"response\", \"f0\", \"f1\"]")
            .fails("policy::responses(#{ n_responses: 2000000 })", "a policy cannot have"),
    ]
}

fn tabular(call: &mut Call) -> Answer {
    let (given, options): (Given, TabularOptions) = (call.arg(0)?, call.options()?);
    Ok(Dynamic::from(Policy::tabular(given.grid(&options.column)?)))
}

fn uniform(call: &mut Call) -> Answer {
    Ok(Dynamic::from(Policy::uniform(call.arg(0)?, call.arg(1)?)?))
}

fn log_linear(call: &mut Call) -> Answer {
    let (frame, options): (Frame, LogLinearOptions) = (call.arg(0)?, call.options()?);
    let features = Arc::new(Features::of_frame(&frame, &options.features)?);
    let weights = options.weights.unwrap_or_else(|| vec![0.0; features.n()]);
    Ok(Dynamic::from(Policy::log_linear(features, weights, options.offset.as_ref())?))
}

fn draw(call: &mut Call) -> Answer {
    let options: ResponsesOptions = call.options()?;
    let seed = call.seed(options.seed.unwrap_or_default());
    Ok(Dynamic::from(responses(options.n_prompts, options.n_responses, options.n_features, seed)?))
}
