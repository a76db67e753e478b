//! What is exact of policies: `kl`, `total_variation`, `entropy`, `compare`, `expected_reward`, `win_rate`.

use crate::bind::prelude::*;
use crate::domains::policy::{Compared, Judge, Policy};
use crate::frames::{Frame, FrameError};
use polars::prelude::{Column, DataFrame};

/// The records.
pub fn functions() -> Vec<Function> {
    vec![
        Function::new("policy", "kl", kl)
            .about("The exact KL divergence from another policy: Σ π ln π/π′, the mean over prompts, in nats.")
            .param::<Policy>("policy", "π, whose responses are averaged over")
            .param::<Policy>("other", "π′, such as the reference")
            .returns("float: at least 0")
            .also_method::<Policy>()
            .example("policy::uniform(2, 4).kl(policy::uniform(2, 4))", "0.0")
            .example("let p = policy::tabular([[50, 0]]); (p.kl(policy::uniform(1, 2)) - (2.0).ln()).abs() < 1e-12", "true")
            .fails("policy::uniform(2, 4).kl(policy::uniform(2, 5))", "`policy` has 2 prompts of 4 responses, `other` has 2 of 5"),
        Function::new("policy", "total_variation", total_variation)
            .about("The total variation between two policies: ½ Σ |π − π′|, the mean over prompts.")
            .param::<Policy>("policy", "π")
            .param::<Policy>("other", "π′")
            .returns("float: 0 for equal policies to 1 for policies without a common response")
            .also_method::<Policy>()
            .example("policy::tabular([[100, 0, 0]]).total_variation(policy::tabular([[0, 100, 0]]))", "1.0")
            .fails("policy::total_variation(policy::uniform(1, 2), 3)", "must be a Policy"),
        Function::new("policy", "entropy", |call| Ok(Dynamic::from(call.arg::<Policy>(0)?.entropy())))
            .about("The entropy of a policy: −Σ π ln π, the mean over prompts, in nats.")
            .param::<Policy>("policy", "π")
            .returns("float: 0 to the logarithm of the number of responses")
            .also_method::<Policy>()
            .example("policy::tabular([[0, 1000]]).entropy()", "0.0")
            .fails("policy::entropy(3)", "must be a Policy"),
        Function::new("policy", "compare", compare)
            .about("Compares two policies prompt by prompt.")
            .param::<Policy>("policy", "π")
            .param::<Policy>("other", "π′")
            .returns("Frame: `prompt`, `kl` (π ‖ π′), `reverse_kl` (π′ ‖ π), `total_variation`, `entropy` of π")
            .also_method::<Policy>()
            .example("policy::uniform(2, 4).compare(policy::uniform(2, 4)).column(\"reverse_kl\")", "[0.0, 0.0]")
            .fails("policy::compare(policy::uniform(1, 2), policy::uniform(2, 2))", "`other` has 2 of 2"),
        Function::new("policy", "expected_reward", expected_reward)
            .about("The reward that a policy's responses have on average, exactly, the mean over prompts.")
            .param::<Policy>("policy", "π")
            .param::<Judge>("judge", "with rewards")
            .returns("float: E r")
            .also_method::<Policy>()
            .example("policy::uniform(1, 2).expected_reward(judge::scalar([[1, 2]]))", "1.5")
            .fails(
                "policy::uniform(1, 2).expected_reward(judge::pairwise([[[0.5, 1], [0, 0.5]]]))",
                "`expected_reward` needs rewards, and this judge compares pairs",
            ),
        Function::new("policy", "win_rate", win_rate)
            .about("How often a judge prefers a policy's response to another policy's, exactly.")
            .details(
                "Σ π(y) π′(y′) p(y ≻ y′) over all pairs, the mean over prompts; a response against itself counts ½. Up to 2 000 responses \
                 a prompt; with `judge.hard()` on rewards, which sorts, up to all. Beyond: `policy::estimate_win_rate`.",
            )
            .param::<Policy>("policy", "π")
            .param::<Policy>("other", "π′, such as a baseline")
            .param::<Judge>("judge", "of the same prompts and responses")
            .returns("float: 0 to 1, ½ for equal policies")
            .also_method::<Policy>()
            .example("let p = policy::tabular([[0, 1, 2]]); (p.win_rate(p, judge::scalar([[0, 3, 1]])) - 0.5).abs() < 1e-12", "true")
            .fails(
                "policy::uniform(1, 3000).win_rate(policy::uniform(1, 3000), judge::scalar(policy::responses(#{ n_prompts: 1, n_responses: 3000, n_features: 1, seed: 0 }), #{ column: \"f0\" }))",
                "`win_rate` is exact up to 2000 responses a prompt, got 3000",
            ),
    ]
}

fn two(call: &Call) -> Result<(Policy, Policy), Fault> {
    Ok((call.arg(0)?, call.arg(1)?))
}

fn kl(call: &mut Call) -> Answer {
    let (policy, other) = two(call)?;
    Ok(Dynamic::from(policy.kl(&other)?))
}

fn total_variation(call: &mut Call) -> Answer {
    let (policy, other) = two(call)?;
    Ok(Dynamic::from(policy.total_variation(&other)?))
}

fn compare(call: &mut Call) -> Answer {
    let (policy, other) = two(call)?;
    let found = policy.compared(&other)?;
    let of = |value: fn(&Compared) -> f64| found.iter().map(value).collect::<Vec<f64>>();
    let columns = vec![
        Column::new("prompt".into(), (0..found.len() as i64).collect::<Vec<_>>()),
        Column::new("kl".into(), of(|found| found.kl)),
        Column::new("reverse_kl".into(), of(|found| found.reverse_kl)),
        Column::new("total_variation".into(), of(|found| found.total_variation)),
        Column::new("entropy".into(), of(|found| found.entropy)),
    ];
    let table = DataFrame::new(found.len(), columns).map_err(FrameError::from)?;
    let digest = Digest::of("policy/compare", 1).digest("policy", policy.digest()).digest("other", other.digest());
    Ok(Dynamic::from(Frame::derived(table, digest.finish())))
}

fn expected_reward(call: &mut Call) -> Answer {
    let (policy, judge): (Policy, Judge) = (call.arg(0)?, call.arg(1)?);
    Ok(Dynamic::from(policy.expected_reward(&judge)?))
}

fn win_rate(call: &mut Call) -> Answer {
    let ((policy, other), judge): (_, Judge) = (two(call)?, call.arg(2)?);
    Ok(Dynamic::from(policy.win_rate(&other, &judge, &call.ctx().interrupt)?))
}
