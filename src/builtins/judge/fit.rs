//! `judge::fit`

use crate::bind::prelude::*;
use crate::domains::policy::{self, Features, FitOptions, Of, Pairs};
use crate::frames::Frame;
use std::sync::Arc;

/// A frame as an option.
#[derive(Clone)]
pub struct Responses(Frame);

impl std::fmt::Debug for Responses {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "frame {}", self.0.digest().short())
    }
}

impl FromDynamic for Responses {
    fn type_name() -> String {
        Frame::type_name()
    }

    fn from_dynamic(value: &Dynamic) -> Result<Self, Mismatch> {
        Frame::from_dynamic(value).map(Responses)
    }
}

options! {
    /// Options of `judge::fit`.
    pub struct FitSettings {
        /// Responses with the features that rewards are a weighted sum of; left out, a reward of its own for every response.
        responses: Option<Responses> = None,
        /// The columns that are features; left out, all but `prompt` and `response`.
        features: Vec<String> = vec![],
        /// How many prompts, where there are no `responses`; left out, as many as the pairs name.
        n_prompts: Option<usize> = None,
        /// How many responses, likewise.
        n_responses: Option<usize> = None,
        /// The penalty ½ · l2 · Σ w², beside the mean loss of a pair.
        l2: f64 = 1e-3,
        /// Of what another step would gain: where fitting ends.
        tolerance: f64 = 1e-12,
        /// Where it fails instead.
        max_steps: usize = 2000,
    }
}

/// The record.
pub fn function() -> Function {
    Function::new("judge", "fit", run)
        .about("A reward model: rewards fitted to finite pairs by Bradley and Terry's likelihood.")
        .details(
            "Minimises the mean over pairs, by weight, of −p ln σ(r_w − r_l) − (1 − p) ln σ(r_l − r_w), plus ½ · l2 · Σ w² over the rewards, or over the \
             weights of features. Fewer features or fewer pairs make a weaker proxy of the judge who labelled them.",
        )
        .source("Bradley and Terry 1952")
        .param::<Frame>("pairs", "`prompt`, `chosen`, `rejected`, and `preference` and `weight` where they are not 1")
        .options::<FitSettings>()
        .returns("Judge: by rewards")
        .example(
            "let golden = judge::scalar([[0, 1, 2]]);\n\
             let proxy = judge::fit(golden.pairs(policy::uniform(1, 3), #{ n: 20000, labels: \"soft\", seed: 0 }), #{ l2: 0.0 });\n\
             (proxy.preference(0, 2, 0) - golden.preference(0, 2, 0)).abs() < 1e-5",
            "true",
        )
        .fails(
            "judge::fit(frame::of(#{ prompt: [0], chosen: [0], rejected: [1] }), #{ l2: 0.0 })",
            "the loss has no minimum: responses were always preferred to those that they were compared with",
        )
}

fn run(call: &mut Call) -> Answer {
    let (frame, options): (Frame, FitSettings) = (call.arg(0)?, call.options()?);
    let pairs = Pairs::of_frame(&frame)?;
    let of = match &options.responses {
        Some(responses) => Of::Features(Arc::new(Features::of_frame(&responses.0, &options.features)?)),
        None => {
            let most = |values: &[usize]| values.iter().max().map_or(0, |most| most + 1);
            let n_prompts = options.n_prompts.unwrap_or_else(|| most(&pairs.prompts));
            let n_responses = most(&pairs.chosen).max(most(&pairs.rejected));
            Of::Table(n_prompts, options.n_responses.unwrap_or(n_responses))
        }
    };
    let settings = FitOptions { l2: options.l2, tolerance: options.tolerance, max_steps: options.max_steps };
    Ok(Dynamic::from(policy::fit(&pairs, of, settings, &call.ctx().interrupt)?))
}
