//! What pairs say of a policy, and a policy of pairs: `identification`, `margins`, `pair_weights`.

use crate::bind::prelude::*;
use crate::builtins::loss::AnyLoss;
use crate::builtins::preference::PreferenceLoss;
use crate::builtins::preference::dpo::Dpo;
use crate::domains::policy::identify::identify;
use crate::domains::policy::{Pairs, Policy};
use crate::domains::preference::loss::PairLoss;
use crate::frames::{Frame, FrameError};
use crate::train::policy;
use polars::prelude::{Column, DataFrame};

options! {
    /// Options of `policy::pair_weights`.
    pub struct PairWeightsOptions {
        /// `preference::…` or a closure `|batch|` over tensors; left out, `preference::dpo()`.
        loss: Option<AnyLoss<PreferenceLoss>> = None,
        /// π_ref; left out, the policy itself.
        reference: Option<Policy> = None,
    }
}

/// The records.
pub fn functions() -> Vec<Function> {
    vec![
        Function::new("policy", "identification", identification)
            .about("What finite pairs determine of a tabular policy, response by response.")
            .details(
                "The comparisons of a prompt make a graph. A response `in no pair` is moved by the normaliser alone; between two parts that no chain \
                 of comparisons connects nothing is determined. Within a part DPO, like any maximum of Bradley and Terry's likelihood, has a \
                 best policy exactly where each response is reached from each other by \"was preferred to\" (`determined`); where one side was \
                 always preferred its best margin is infinite (`unbounded`), while IPO's is finite.",
            )
            .source("Zermelo 1929; Ford 1957")
            .param::<Policy>("policy", "whose prompts and responses the pairs name")
            .param::<Frame>("pairs", "`prompt`, `chosen`, `rejected`, and `preference` and `weight` where they are not 1")
            .returns("Frame: `prompt`, `response`, `n_pairs`, `part` (its first response), `status`")
            .also_method::<Policy>()
            .example(
                "let pairs = frame::of(#{ prompt: [0, 0, 0], chosen: [0, 1, 2], rejected: [1, 0, 3] });\n\
                 policy::uniform(1, 5).identification(pairs).column(\"status\")",
                "[\"determined\", \"determined\", \"unbounded\", \"unbounded\", \"in no pair\"]",
            )
            .fails(
                "policy::uniform(1, 2).identification(frame::of(#{ prompt: [0], chosen: [0], rejected: [2] }))",
                "pair 0 names the response 2, the policy has 2 of them",
            ),
        Function::new("policy", "margins", margins)
            .about("A policy's log-probabilities of each pair, and the implicit reward's margin over a reference.")
            .details(
                "`margin` is ln π/π_ref of the chosen response minus that of the rejected one: β times it is the difference of DPO's implicit rewards, and \
                 the pair is classified right where it is positive.",
            )
            .source("Rafailov et al. 2023, arXiv 2305.18290")
            .param::<Policy>("policy", "π")
            .param::<Policy>("reference", "π_ref")
            .param::<Frame>("pairs", "`prompt`, `chosen`, `rejected`")
            .returns("Frame: a row for each pair with `logprob_chosen`, `logprob_rejected`, `margin`, in nats")
            .also_method::<Policy>()
            .example(
                "let pairs = frame::of(#{ prompt: [0], chosen: [0], rejected: [1] });\n\
                 policy::tabular([[2, 0]]).margins(policy::uniform(1, 2), pairs).column(\"margin\")",
                "[2.0]",
            )
            .fails(
                "policy::uniform(1, 2).margins(policy::uniform(1, 2), frame::of(#{ prompt: [1], chosen: [0], rejected: [1] }))",
                "pair 0 names the prompt 1, the policy has 1 of them",
            ),
        Function::new("policy", "pair_weights", pair_weights)
            .about("How much a loss makes of each pair at a policy as it is: the loss's implicit weight, and its slopes.")
            .details(
                "`weight` is −dℓ/dm by the loss's own margin m, without the mean's 1/n: of DPO σ(−βΔ), 1 where the implicit reward is wrong without doubt, ½ at the \
                 reference, 0 where the pair is learnt. `given` is the column `weight` of the pairs, 1 without it. What a pair does to the policy is \
                 `by_chosen` and `by_rejected`, the slopes of the loss of all pairs by its two log-probabilities: the given weight's share of all times β times the implicit weight, with DPO. \
                 All pairs are one batch, the first of a training. The means of a training's steps are in its `curve`.",
            )
            .source("Rafailov et al. 2023, arXiv 2305.18290, section 4")
            .param::<Policy>("policy", "π")
            .param::<Frame>("pairs", "`prompt`, `chosen`, `rejected`, and `preference` and `weight` where they are not 1")
            .options::<PairWeightsOptions>()
            .returns("Frame: a row for each pair with `prompt`, `chosen`, `rejected`, `logprob_chosen`, `logprob_rejected`, `margin`, `preference`, `given`, `weight`, `by_chosen`, `by_rejected`")
            .also_method::<Policy>()
            .example(
                "let pairs = frame::of(#{ prompt: [0, 0], chosen: [0, 1], rejected: [1, 2], weight: [3.0, 1.0] });\n\
                 let found = policy::tabular([[2, 0, 0]]).pair_weights(pairs, #{ loss: preference::dpo(#{ beta: 1.0 }), reference: policy::uniform(1, 3) });\n\
                 [found.column(\"weight\")[0] == 1.0 / (1.0 + (2.0).exp()), found.column(\"weight\")[1], found.column(\"by_chosen\")[1]]",
                "[true, 0.5, -0.125]",
            )
            .fails(
                "policy::uniform(1, 2).pair_weights(frame::of(#{ prompt: [0], chosen: [0], rejected: [2] }))",
                "pair 0 names the response 2, the policy has 2 of them",
            ),
    ]
}

fn pair_weights(call: &mut Call) -> Answer {
    let (own, frame, options): (Policy, Frame, PairWeightsOptions) = (call.arg(0)?, call.arg(1)?, call.options()?);
    let pairs = Pairs::of_frame(&frame)?;
    let reference = options.reference.unwrap_or_else(|| own.clone());
    let ask = |loss: &dyn PairLoss| policy::pair_weights(&own, &reference, &pairs, loss);
    let found = match options.loss {
        None => ask(&Dpo::new(0.1)?)?,
        Some(loss) => loss.train(call, ask)?,
    };
    Ok(Dynamic::from(found.made_from(&frame)))
}

fn identification(call: &mut Call) -> Answer {
    let (policy, frame): (Policy, Frame) = (call.arg(0)?, call.arg(1)?);
    let pairs = Pairs::of_frame(&frame)?;
    let n = policy.n_responses;
    let found = identify(&pairs, policy.n_prompts, n)?;
    let columns = vec![
        Column::new("prompt".into(), (0..found.len()).map(|at| (at / n) as i64).collect::<Vec<_>>()),
        Column::new("response".into(), (0..found.len()).map(|at| (at % n) as i64).collect::<Vec<_>>()),
        Column::new("n_pairs".into(), found.iter().map(|found| found.n_pairs as i64).collect::<Vec<_>>()),
        Column::new("part".into(), found.iter().map(|found| found.part as i64).collect::<Vec<_>>()),
        Column::new("status".into(), found.iter().map(|found| found.status.name()).collect::<Vec<_>>()),
    ];
    let table = DataFrame::new(found.len(), columns).map_err(FrameError::from)?;
    let digest = Digest::of("policy/identification", 1).digest("pairs", pairs.digest);
    let digest = digest.int("prompts", policy.n_prompts as i64).int("responses", n as i64).finish();
    Ok(Dynamic::from(Frame::derived(table, digest).made_from(&frame)))
}

fn margins(call: &mut Call) -> Answer {
    let (policy, reference, frame): (Policy, Policy, Frame) = (call.arg(0)?, call.arg(1)?, call.arg(2)?);
    policy.check_shape("policy", &reference, "reference")?;
    let pairs = Pairs::of_frame(&frame)?;
    pairs.check(policy.n_prompts, policy.n_responses)?;
    let of = |policy: &Policy, rejected: bool| {
        let one = |(prompt, chosen, other)| policy.logprob(prompt, if rejected { other } else { chosen });
        pairs.places().map(one).collect::<Vec<f64>>()
    };
    let (chosen, rejected) = (of(&policy, false), of(&policy, true));
    let (ref_chosen, ref_rejected) = (of(&reference, false), of(&reference, true));
    let margin = |((w, l), (rw, rl)): ((&f64, &f64), (&f64, &f64))| (w - l) - (rw - rl);
    let margins: Vec<f64> =
        chosen.iter().zip(&rejected).zip(ref_chosen.iter().zip(&ref_rejected)).map(margin).collect();
    let n = margins.len();
    let columns = vec![
        Column::new("logprob_chosen".into(), chosen),
        Column::new("logprob_rejected".into(), rejected),
        Column::new("margin".into(), margins),
    ];
    let table = DataFrame::new(n, columns).map_err(FrameError::from)?;
    let digest = Digest::of("policy/margins", 1).digest("policy", policy.digest());
    let digest = digest.digest("reference", reference.digest()).digest("pairs", pairs.digest).finish();
    Ok(Dynamic::from(Frame::derived(table, digest).made_from(&frame)))
}
