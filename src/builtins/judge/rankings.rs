//! Rankings that a judge draws, and how likely it holds them: `judge::rankings`, `judge::ranking_logprobs`.

use crate::bind::prelude::*;
use crate::domains::policy::{Judge, Policy, RankingOptions, Rankings, draw_rankings};
use crate::frames::{Frame, FrameError};
use polars::prelude::Column;

options! {
    /// Options of `judge::rankings`.
    pub struct RankingsOptions {
        /// How many rankings.
        n: usize = 1000,
        /// Different responses of each.
        k: usize = 4,
        /// Of the draws.
        seed: Option<u64> = None,
    }
}

/// The records.
pub fn functions() -> Vec<Function> {
    vec![
        Function::new("judge", "rankings", rankings)
            .about("Finite rankings: several different responses of a prompt drawn from a sampler, ordered by a judge.")
            .details(
                "Plackett and Luce's model of a judge with rewards: the first place is drawn with probabilities ∝ e^r, the second likewise of what is \
                 left, and so on; of two responses it is Bradley and Terry's. A judge who is `hard` puts the best of what is left first. Each ranking is of a \
                 prompt drawn with the same chance; a response that is in it already is drawn again.",
            )
            .source("Luce 1959; Plackett 1975")
            .param::<Judge>("judge", "whose rewards order")
            .param::<Policy>("sampler", "what responses are drawn from")
            .options::<RankingsOptions>()
            .returns("Frame: `prompt`, and responses from the best on, `rank1`, `rank2`, …")
            .also_method::<Judge>()
            .example(
                "judge::scalar([[0, 2000, 1000]]).rankings(policy::uniform(1, 3), #{ n: 2, k: 3, seed: 0 }).column(\"rank2\")",
                "[2, 2]",
            )
            .fails(
                "judge::scalar([[0, 1]]).rankings(policy::uniform(1, 2), #{ k: 3 })",
                "`k` must be from 2 to 2, no more than a prompt has responses, got `3`",
            )
            .fails("judge::pairwise([[[0.5, 1], [0, 0.5]]]).rankings(policy::uniform(1, 2))", "`rankings` needs rewards"),
        Function::new("judge", "ranking_logprobs", logprobs)
            .about("How likely a judge holds each ranking: rankings with a column `logprob`, in nats.")
            .details("Its sum is the log-likelihood of the rankings. −∞ of what a `hard` judge excludes.")
            .source("Luce 1959; Plackett 1975")
            .param::<Judge>("judge", "whose rewards")
            .param::<Frame>("rankings", "`prompt`, `rank1`, `rank2`, …")
            .returns("Frame: the same with `logprob`")
            .also_method::<Judge>()
            .example(
                "let rankings = frame::of(#{ prompt: [0], rank1: [1], rank2: [0] });\n\
                 let golden = judge::scalar([[0, 1]]);\n\
                 (golden.ranking_logprobs(rankings).column(\"logprob\")[0].exp() - golden.preference(0, 1, 0)).abs() < 1e-15",
                "true",
            )
            .fails(
                "judge::scalar([[0, 1]]).ranking_logprobs(frame::of(#{ prompt: [0], rank1: [1], rank2: [2] }))",
                "ranking 0 names the response 2, the policy has 2 of them",
            )
            .fails(
                "judge::scalar([[0, 1]]).ranking_logprobs(frame::of(#{ prompt: [0], chosen: [1] }))",
                "the frame has no columns `rank1` and `rank2`",
            ),
    ]
}

fn rankings(call: &mut Call) -> Answer {
    let (judge, sampler, options): (Judge, Policy, RankingsOptions) = (call.arg(0)?, call.arg(1)?, call.options()?);
    let seed = call.seed(options.seed.unwrap_or_default());
    let how = RankingOptions { n: options.n, k: options.k, seed };
    Ok(Dynamic::from(draw_rankings(&judge, &sampler, how)?.frame()?))
}

fn logprobs(call: &mut Call) -> Answer {
    let (judge, frame): (Judge, Frame) = (call.arg(0)?, call.arg(1)?);
    let found = Rankings::of_frame(&frame)?.logprobs(&judge)?;
    let mut table = frame.table().clone();
    table.with_column(Column::new("logprob".into(), found)).map_err(FrameError::from)?;
    let digest =
        Digest::of("judge/ranking_logprobs", 1).digest("judge", judge.digest()).digest("rankings", frame.digest());
    Ok(Dynamic::from(Frame::derived(table, digest.finish()).made_from(&frame)))
}
