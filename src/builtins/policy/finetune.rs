//! Training a policy step by step: `finetune`, `finetune_online`, `reinforce`; and what a training left.

use crate::bind::prelude::*;
use crate::builtins::loss::AnyLoss;
use crate::builtins::preference::PreferenceLoss;
use crate::builtins::preference::dpo::Dpo;
use crate::core::random::Random;
use crate::domains::policy::{Judge, Labels, Pairs, Policy, PolicyError, Rankings, Trained};
use crate::domains::preference::loss::PairLoss;
use crate::frames::Frame;
use crate::train::policy::{self, pairs_options, reinforce_options, sampled_options};
use crate::train::{Baseline, Order, PairRecipe, PolicyOptimizer, ReinforceRecipe, SampledRecipe};
use crate::{choices, settings};

pairs_options!(settings);
sampled_options!(settings);
reinforce_options!(settings);
choices!(PolicyOptimizer, Order, Baseline);

options! {
    /// Options of `policy::finetune`.
    pub struct FinetuneOptions {
        /// `preference::…` or a closure `|batch|` over tensors; left out, `preference::dpo()`.
        loss: Option<AnyLoss<PreferenceLoss>> = None,
        /// π_ref; left out, the policy that is trained.
        reference: Option<Policy> = None,
    }
    with recipe: PairRecipe
}

options! {
    /// Options of `policy::finetune_rankings`.
    pub struct RankedOptions {
        /// How sharply log-ratios count: the price of a nat of KL in RLHF.
        beta: f64 = 0.1,
        /// π_ref; left out, the policy that is trained.
        reference: Option<Policy> = None,
    }
    with recipe: PairRecipe
}

options! {
    /// Options of `policy::finetune_online`.
    pub struct OnlineOptions {
        /// `preference::…` or a closure `|batch|` over tensors; left out, `preference::dpo()`.
        loss: Option<AnyLoss<PreferenceLoss>> = None,
        /// π_ref; left out, the policy that is trained.
        reference: Option<Policy> = None,
        /// What pairs are drawn from; left out, the policy as it is at each refresh.
        sampler: Option<Policy> = None,
        /// "drawn", "soft" or "sure"; left out, "drawn".
        labels: Option<Labels> = None,
    }
    with recipe: SampledRecipe
}

options! {
    /// Options of `policy::reinforce`.
    pub struct ReinforceOptions {
        /// π_ref; left out, the policy that is trained.
        reference: Option<Policy> = None,
    }
    with recipe: ReinforceRecipe
}

options! {
    /// Options of `policy::shuffled`.
    pub struct ShuffledOptions {
        /// Pairs of a block, within which the order is drawn; left out, all.
        window: Option<usize> = None,
        /// Of the order.
        seed: Option<u64> = None,
    }
}

/// The records.
pub fn functions() -> Vec<Function> {
    vec![
        Function::new("policy", "finetune", finetune)
            .about("A new policy: this one trained on given pairs, offline.")
            .details(
                "Each step takes the next `batch` of the epoch's order and moves the parameters against the loss's gradient. Responses are whole: lengths are 1, \
                 so that sums and means over tokens agree; where a loss needs an estimate of the KL it gets the exact one of the batch's prompts. \
                 The new policy's `checkpoints` are the policies on the way, its `curve` what was measured of every step.",
            )
            .param::<Policy>("policy", "what is trained; the answer has its form")
            .param::<Frame>("pairs", "`prompt`, `chosen`, `rejected`, and `preference` and `weight` where they are not 1")
            .options::<FinetuneOptions>()
            .returns("Policy: of the same form")
            .also_method::<Policy>()
            .example(
                "let start = policy::uniform(1, 3);\n\
                 let pairs = judge::scalar([[0, 1, 2]]).pairs(start, #{ n: 200, seed: 0 });\n\
                 let found = start.finetune(pairs, #{ loss: preference::ipo(), epochs: 5, lr: 0.05, every: 10, seed: 0 });\n\
                 [found.checkpoints.len(), found.margins(start, pairs).select(col(\"margin\").mean()).item() > 0.0]",
                "[2, true]",
            )
            .fails(
                "policy::uniform(1, 3).finetune(frame::of(#{ prompt: [0], chosen: [3], rejected: [0] }))",
                "pair 0 names the response 3, the policy has 3 of them",
            )
            .fails(
                "policy::uniform(1, 3).finetune(frame::of(#{ prompt: [0], chosen: [1], rejected: [0] }), #{ epochs: 2, steps: 3 })",
                "`epochs` must be left out where `steps` is given, got `2`",
            ),
        Function::new("policy", "finetune_rankings", finetune_rankings)
            .about("A new policy: this one trained by DPO on given rankings of several responses, offline.")
            .details(
                "The mean over rankings, by `weight`, of −ln p(order) by Plackett and Luce's model with the scores β ln π/π_ref. Of rankings of two it is `finetune` \
                 with `preference::dpo`, to the bit. Steps, `checkpoints` and `curve` are as there. The loss alone is `preference::plackett_luce`.",
            )
            .source("Rafailov et al. 2023, arXiv 2305.18290, appendix A.3")
            .param::<Policy>("policy", "what is trained; the answer has its form")
            .param::<Frame>("rankings", "`prompt`, responses from the best on, `rank1`, `rank2`, …, and `weight` where they do not all count alike")
            .options::<RankedOptions>()
            .returns("Policy: of the same form")
            .also_method::<Policy>()
            .example(
                "let start = policy::uniform(1, 4);\n\
                 let golden = judge::scalar([[0, 1, 2, 3]]);\n\
                 let found = start.finetune_rankings(golden.rankings(start, #{ n: 200, k: 3, seed: 0 }), #{ epochs: 5, lr: 0.05, seed: 0 });\n\
                 found.expected_reward(golden) > 1.8",
                "true",
            )
            .fails(
                "policy::uniform(1, 3).finetune_rankings(frame::of(#{ prompt: [0], rank1: [0], rank2: [3] }))",
                "ranking 0 names the response 3, the policy has 3 of them",
            )
            .fails(
                "policy::uniform(1, 3).finetune_rankings(frame::of(#{ prompt: [0], rank1: [0], rank2: [1] }), #{ beta: 0.0 })",
                "`beta` must be from 0.000000001 to 1000000000, got `0`",
            ),
        Function::new("policy", "finetune_online", finetune_online)
            .about("A new policy: this one trained on pairs that are drawn and labelled while it learns.")
            .details(
                "Every step draws `batch` pairs, each of a prompt drawn with the same chance and of two responses of the policy as it was at the last \
                 refresh (every `refresh` steps), and the judge labels them. With a `sampler` they are drawn from that instead: fresh pairs, but not on-policy. \
                 The new policy's `stream` is all pairs in order, to be trained on again: `reference.finetune(run.stream, #{ order: \"given\" })`.",
            )
            .source("Guo et al. 2024, arXiv 2402.04792; Tang et al. 2024, arXiv 2405.08448")
            .param::<Policy>("policy", "what is trained; the answer has its form")
            .param::<Judge>("judge", "the judge that labels")
            .options::<OnlineOptions>()
            .returns("Policy: of the same form")
            .also_method::<Policy>()
            .example(
                "let golden = judge::scalar([[0, 1, 2]]);\n\
                 let found = policy::uniform(1, 3).finetune_online(golden, #{ steps: 20, batch: 16, lr: 0.05, seed: 0 });\n\
                 [found.stream.height, found.expected_reward(golden) > 1.2]",
                "[320, true]",
            )
            .fails("policy::uniform(1, 3).finetune_online(judge::scalar([[0, 1]]))", "`judge` has 1 of 2"),
        Function::new("policy", "reinforce", reinforce)
            .about("A new policy: this one trained by policy gradient for a judge's rewards, with a price on KL.")
            .details(
                "A sample is worth r − β ln π/π_ref, less the mean of its prompt's other samples (RLOO) or nothing (REINFORCE). With \
                 `updates` above 1 the same samples serve several steps by the ratio to the policy that drew them, clipped as in PPO. Of a judge without rewards \
                 a sample's reward is its mean preference over the prompt's other samples. There is no value model: a response is one action.",
            )
            .source("Ahmadian et al. 2024, arXiv 2402.14740; Schulman et al. 2017, arXiv 1707.06347")
            .param::<Policy>("policy", "what is trained; the answer has its form")
            .param::<Judge>("judge", "whose rewards")
            .options::<ReinforceOptions>()
            .returns("Policy: of the same form")
            .also_method::<Policy>()
            .example(
                "let golden = judge::scalar([[0, 1, 2]]);\n\
                 policy::uniform(1, 3).reinforce(golden, #{ steps: 30, lr: 0.05, seed: 0 }).expected_reward(golden) > 1.2",
                "true",
            )
            .fails(
                "policy::uniform(1, 3).reinforce(judge::scalar([[0, 1, 2]]), #{ n_samples: 1 })",
                "`n_samples` must be at least 2: a sample is compared with the others of its prompt",
            ),
        Function::new("policy", "shuffled", shuffled)
            .about("Shuffles pairs within blocks: blocks of one row keep the order, one block of all rows is a full shuffle.")
            .details("The frame is cut into blocks of `window` rows, and each is shuffled by itself: 1 changes nothing, all rows are a full shuffle.")
            .param::<Frame>("pairs", "such as a run's `stream`")
            .options::<ShuffledOptions>()
            .returns("Frame: the same rows")
            .example("policy::shuffled(frame::of(#{ a: [1, 2, 3] }), #{ window: 1, seed: 0 }).column(\"a\")", "[1, 2, 3]")
            .example("policy::shuffled(frame::of(#{ a: [1, 2, 3] }), #{ seed: 0 }).column(\"a\").len()", "3")
            .fails("policy::shuffled(frame::of(#{ a: [1] }), #{ window: 0 })", "`window` must be at least 1, got `0`"),
        Function::getter::<Policy>("checkpoints", checkpoints)
            .about("The policies that a training kept, the last among them: `#{ step, policy }` each. Empty of one that was not trained step by step.")
            .returns("array of object map: `step` and `policy`")
            .example("policy::uniform(1, 2).checkpoints", "[]"),
        Function::getter::<Policy>("stream", |call| of_training(call, |trained| trained.stream.clone().map(Dynamic::from)))
            .about("The pairs that a training drew by itself, in order; `()` where it drew none.")
            .returns("Frame or (): `step`, `prompt`, `chosen`, `rejected`, `preference`")
            .example("policy::uniform(1, 2).stream == ()", "true"),
        Function::getter::<Policy>("curve", |call| of_training(call, |trained| Some(Dynamic::from(trained.curve.clone()))))
            .about("What was measured of every step of a training; `()` where there was none.")
            .details(
                "Of pairs (and of rankings, as of pairs of the first response and the mean of the others): `chosen` and `rejected`, the mean log π of a \
                 batch before the step, in nats; `margin`, the mean Δ of log π/π_ref; `accuracy`, the share with Δ > 0, of Δ = 0 one half (where a policy is still its reference, rounding decides); `weight`, the mean of the \
                 loss's implicit weight (of DPO σ(−βΔ), of single pairs `policy::pair_weights`); `margin_sd` and `weight_sd`, their standard deviations over the pairs; `counted`, the mean \
                 weight with each pair counted by its given `weight`; `effective`, (Σ w)² / (n Σ w²) of the given weights. Of `reinforce`: the means over samples of `logprob` and \
                 `log_ratio` (log π/π_ref), the mean size of the `advantage`, and the share that is `clipped`. Numbers beside the loss are kept in single precision.",
            )
            .returns("Frame or (): `step`, `loss`, `n_pairs` (pairs, or samples, seen until then), and what else was measured")
            .example("policy::uniform(1, 2).curve == ()", "true"),
    ]
}

/// Runs a training with a loss that may be a closure.
fn with_loss(
    call: &Call,
    loss: Option<AnyLoss<PreferenceLoss>>,
    train: impl Fn(&dyn PairLoss) -> Result<Policy, PolicyError>,
) -> Answer {
    let trained = match loss {
        None => train(&Dpo::new(0.1)?)?,
        Some(loss) => loss.train(call, train)?,
    };
    Ok(Dynamic::from(trained))
}

fn finetune(call: &mut Call) -> Answer {
    let (policy, frame, options): (Policy, Frame, FinetuneOptions) = (call.arg(0)?, call.arg(1)?, call.options()?);
    let recipe = PairRecipe { seed: call.seed(options.recipe.seed), ..options.recipe };
    let pairs = Pairs::of_frame(&frame)?;
    let reference = options.reference.unwrap_or_else(|| policy.clone());
    let ctx = call.ctx();
    with_loss(call, options.loss, |loss| policy::finetune_on_pairs(&policy, &reference, &pairs, loss, &recipe, ctx))
}

fn finetune_rankings(call: &mut Call) -> Answer {
    let (policy, frame, options): (Policy, Frame, RankedOptions) = (call.arg(0)?, call.arg(1)?, call.options()?);
    let recipe = PairRecipe { seed: call.seed(options.recipe.seed), ..options.recipe };
    let rankings = Rankings::of_frame(&frame)?;
    let reference = options.reference.unwrap_or_else(|| policy.clone());
    let trained = policy::finetune_on_rankings(&policy, &reference, &rankings, options.beta, &recipe, call.ctx())?;
    Ok(Dynamic::from(trained))
}

fn finetune_online(call: &mut Call) -> Answer {
    let (policy, judge, options): (Policy, Judge, OnlineOptions) = (call.arg(0)?, call.arg(1)?, call.options()?);
    let recipe = SampledRecipe { seed: call.seed(options.recipe.seed), ..options.recipe };
    let reference = options.reference.unwrap_or_else(|| policy.clone());
    let (labels, sampler, ctx) = (options.labels.unwrap_or(Labels::Drawn), options.sampler, call.ctx());
    with_loss(call, options.loss, |loss| {
        policy::finetune_sampled(&policy, &reference, &judge, sampler.as_ref(), labels, loss, &recipe, ctx)
    })
}

fn reinforce(call: &mut Call) -> Answer {
    let (policy, judge, options): (Policy, Judge, ReinforceOptions) = (call.arg(0)?, call.arg(1)?, call.options()?);
    let recipe = ReinforceRecipe { seed: call.seed(options.recipe.seed), ..options.recipe };
    let reference = options.reference.unwrap_or_else(|| policy.clone());
    Ok(Dynamic::from(policy::reinforce(&policy, &reference, &judge, &recipe, call.ctx())?))
}

fn shuffled(call: &mut Call) -> Answer {
    let (frame, options): (Frame, ShuffledOptions) = (call.arg(0)?, call.options()?);
    let seed = call.seed(options.seed.unwrap_or_default());
    let window = options.window.unwrap_or_else(|| frame.height().max(1));
    if window == 0 {
        let must = "at least 1".to_owned();
        return Err(PolicyError::Range { option: "window", must, got: "0".to_owned() }.into());
    }
    let mut random = Random::new(seed, "policy/shuffled");
    let mut places: Vec<usize> = (0..frame.height()).collect();
    places.chunks_mut(window).for_each(|block| random.shuffle(block));
    Ok(Dynamic::from(frame.rows_at(&places)?))
}

fn checkpoints(call: &mut Call) -> Answer {
    let policy: Policy = call.receiver()?;
    let Some(trained) = policy.trained() else { return Ok(Array::new().into()) };
    let one = |(step, policy): &(usize, Policy)| {
        let mut map = Map::new();
        map.insert("step".into(), Dynamic::from(*step as INT));
        map.insert("policy".into(), Dynamic::from(policy.clone()));
        Dynamic::from(map)
    };
    Ok(trained.checkpoints.iter().map(one).collect::<Array>().into())
}

fn of_training(call: &mut Call, part: impl Fn(&Trained) -> Option<Dynamic>) -> Answer {
    let policy: Policy = call.receiver()?;
    Ok(policy.trained().and_then(part).unwrap_or(Dynamic::UNIT))
}
