//! Pairs that a judge labels: `judge::pairs`, `judge::relabel`.

use crate::bind::prelude::*;
use crate::domains::policy::{Judge, Labels, PairOptions, Pairs, Policy, draw_pairs};
use crate::frames::Frame;

options! {
    /// Options of `judge::pairs`.
    pub struct PairsOptions {
        /// How many pairs.
        n: usize = 1000,
        /// "drawn", "soft" or "sure"; left out, "drawn".
        labels: Option<Labels> = None,
        /// What the second response is drawn from; left out, the sampler.
        other: Option<Policy> = None,
        /// Whether two equal responses are drawn again.
        distinct: bool = true,
        /// Of the draws.
        seed: Option<u64> = None,
    }
}

options! {
    /// Options of `judge::relabel`.
    pub struct RelabelOptions {
        /// "drawn", "soft" or "sure"; left out, "drawn".
        labels: Option<Labels> = None,
        /// Of the draws.
        seed: Option<u64> = None,
    }
}

/// The records.
pub fn functions() -> Vec<Function> {
    vec![
        Function::new("judge", "pairs", pairs)
            .about("Finite pairs: responses drawn from a sampler, labelled by a judge.")
            .details(
                "Each pair is of a prompt drawn with the same chance. `labels`: \"drawn\" lets the winner be drawn with the judge's p and says that it is \
                 preferred for sure; \"soft\" puts the likelier first and keeps p as `preference`; \"sure\" puts the likelier first, for sure.",
            )
            .param::<Judge>("judge", "the judge that labels")
            .param::<Policy>("sampler", "what responses are drawn from, independently")
            .options::<PairsOptions>()
            .returns("Frame: `prompt`, `chosen`, `rejected`, `preference` (the probability that the chosen one is preferred)")
            .also_method::<Judge>()
            .example("judge::scalar([[0, 1000]]).pairs(policy::uniform(1, 2), #{ n: 3, seed: 0 }).column(\"chosen\")", "[1, 1, 1]")
            .fails("judge::scalar([[0, 1]]).pairs(policy::uniform(1, 2), #{ n: 0 })", "`n` must be from 1 to 5000000, got `0`"),
        Function::new("judge", "relabel", relabel)
            .about("The same pairs as another judge labels them.")
            .param::<Judge>("judge", "the judge that labels")
            .param::<Frame>("pairs", "`prompt`, `chosen`, `rejected`")
            .options::<RelabelOptions>()
            .returns("Frame: pairs")
            .also_method::<Judge>()
            .example(
                "let pairs = frame::of(#{ prompt: [0, 0], chosen: [0, 1], rejected: [1, 0] });\n\
                 judge::scalar([[0, 1]]).relabel(pairs, #{ labels: \"sure\" }).column(\"chosen\")",
                "[1, 1]",
            )
            .fails(
                "judge::scalar([[0, 1]]).relabel(frame::of(#{ prompt: [3], chosen: [0], rejected: [1] }))",
                "pair 0 names the prompt 3, the policy has 1 of them",
            ),
    ]
}

fn pairs(call: &mut Call) -> Answer {
    let (judge, sampler, options): (Judge, Policy, PairsOptions) = (call.arg(0)?, call.arg(1)?, call.options()?);
    let seed = call.seed(options.seed.unwrap_or_default());
    let labels = options.labels.unwrap_or(Labels::Drawn);
    let how = PairOptions { n: options.n, labels, distinct: options.distinct, seed };
    Ok(Dynamic::from(draw_pairs(&judge, &sampler, options.other.as_ref(), how)?.frame()?))
}

fn relabel(call: &mut Call) -> Answer {
    let (judge, frame, options): (Judge, Frame, RelabelOptions) = (call.arg(0)?, call.arg(1)?, call.options()?);
    let seed = call.seed(options.seed.unwrap_or_default());
    let pairs = Pairs::of_frame(&frame)?.relabelled(&judge, options.labels.unwrap_or(Labels::Drawn), seed)?;
    Ok(Dynamic::from(pairs.frame()?.made_from(&frame)))
}
