//! What a policy says of itself: its sizes, its probabilities, its weights.

use crate::bind::prelude::*;
use crate::core::digest::Digest;
use crate::core::math::exp;
use crate::domains::policy::{Form, Grid, Policy, PolicyError};
use crate::frames::{Frame, FrameError};
use polars::prelude::{Column, DataFrame};

/// The records.
pub fn functions() -> Vec<Function> {
    vec![
        Function::getter::<Policy>("n_prompts", |call| Ok(Dynamic::from(call.receiver::<Policy>()?.n_prompts as INT)))
            .about("How many prompts the policy answers.")
            .returns("integer")
            .example("policy::uniform(2, 4).n_prompts", "2"),
        Function::getter::<Policy>("n_responses", |call| {
            Ok(Dynamic::from(call.receiver::<Policy>()?.n_responses as INT))
        })
        .about("How many responses every prompt has.")
        .returns("integer")
        .example("policy::uniform(2, 4).n_responses", "4"),
        Function::getter::<Policy>("weights", weights)
            .about("The weights of a log-linear policy's features; `()` of a tabular one.")
            .returns("array of float or (): the weights")
            .example("policy::uniform(2, 4).weights == ()", "true")
            .example(
                "policy::log_linear(policy::responses(#{ n_features: 2, seed: 0 }), #{ weights: [1, 2] }).weights",
                "[1.0, 2.0]",
            ),
        Function::new("policy", "probabilities", probabilities)
            .about("The probability of every response of every prompt.")
            .param::<Policy>("policy", "the policy")
            .returns("Frame: `prompt`, `response`, `probability`, `logprob` in nats")
            .also_method::<Policy>()
            .example("policy::tabular([[0, 0]]).probabilities().column(\"probability\")", "[0.5, 0.5]")
            .fails("policy::probabilities(1)", "must be a Policy"),
        Function::new("policy", "top", top)
            .about("The likeliest responses of every prompt.")
            .details("Of responses with the same probability the one with the lower number comes first.")
            .param::<Policy>("policy", "the policy")
            .param::<usize>("k", "how many of each prompt")
            .returns("Frame: `prompt`, `rank` from 1, `response`, `probability`")
            .also_method::<Policy>()
            .example("policy::tabular([[0, 2, 1]]).top(2).column(\"response\")", "[1, 2]")
            .fails("policy::uniform(1, 3).top(4)", "`k` must be from 1 to 3, got `4`"),
    ]
}

fn weights(call: &mut Call) -> Answer {
    let policy: Policy = call.receiver()?;
    Ok(match &policy.form {
        Form::Tabular => Dynamic::UNIT,
        Form::LogLinear { weights, .. } => weights.iter().map(|w| Dynamic::from(*w)).collect::<Array>().into(),
    })
}

fn probabilities(call: &mut Call) -> Answer {
    let policy: Policy = call.arg(0)?;
    let values = policy.logprobs().iter().map(|logprob| exp(*logprob)).collect();
    let columns = vec![("probability".to_owned(), values), ("logprob".to_owned(), policy.logprobs().to_vec())];
    let table = Grid::frame(policy.n_prompts, policy.n_responses, columns)?;
    let digest = Digest::of("policy/probabilities", 1).digest("policy", policy.digest()).finish();
    Ok(Dynamic::from(Frame::derived(table, digest)))
}

fn top(call: &mut Call) -> Answer {
    let (policy, k): (Policy, usize) = (call.arg(0)?, call.arg(1)?);
    if !(1..=policy.n_responses).contains(&k) {
        let must = format!("from 1 to {}", policy.n_responses);
        return Err(PolicyError::Range { option: "k", must, got: k.to_string() }.into());
    }
    let (mut prompts, mut ranks, mut responses, mut values) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for prompt in 0..policy.n_prompts {
        let mut order: Vec<(usize, f64)> = policy.row(prompt).iter().copied().enumerate().collect();
        order.sort_by(|one, other| other.1.total_cmp(&one.1).then(one.0.cmp(&other.0)));
        for (rank, (response, logprob)) in order.into_iter().take(k).enumerate() {
            prompts.push(prompt as i64);
            ranks.push(rank as i64 + 1);
            responses.push(response as i64);
            values.push(exp(logprob));
        }
    }
    let columns = vec![
        Column::new("prompt".into(), prompts),
        Column::new("rank".into(), ranks),
        Column::new("response".into(), responses),
        Column::new("probability".into(), values),
    ];
    let table = DataFrame::new(policy.n_prompts * k, columns).map_err(FrameError::from)?;
    let digest = Digest::of("policy/top", 1).digest("policy", policy.digest()).int("k", k as i64).finish();
    Ok(Dynamic::from(Frame::derived(table, digest)))
}
