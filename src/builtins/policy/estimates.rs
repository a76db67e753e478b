//! What samples say: `sample`, `estimate_kl`, `estimate_reward`, `estimate_win_rate`.

use crate::bind::prelude::*;
use crate::domains::policy::{self, Judge, KlEstimator, Policy};

options! {
    /// Options of `policy::sample`.
    pub struct SampleOptions {
        /// How many of each prompt.
        n_samples: usize = 1,
        /// Of the draws.
        seed: Option<u64> = None,
    }
}

options! {
    /// Options of the estimates.
    pub struct EstimateOptions {
        /// How many samples, each of a prompt drawn with the same chance.
        n: usize = 1000,
        /// Of the draws.
        seed: Option<u64> = None,
    }
}

options! {
    /// Options of `policy::estimate_kl`.
    pub struct KlOptions {
        /// "k1", "k2" or "k3"; left out, "k1".
        estimator: Option<KlEstimator> = None,
        /// How many samples, each of a prompt drawn with the same chance.
        n: usize = 1000,
        /// Of the draws.
        seed: Option<u64> = None,
    }
}

/// The records.
pub fn functions() -> Vec<Function> {
    vec![
        Function::new("policy", "sample", sample)
            .about("Responses drawn from a policy.")
            .param::<Policy>("policy", "what is drawn from")
            .options::<SampleOptions>()
            .returns("Frame: `prompt`, `sample` from 0, `response`, `logprob` in nats")
            .also_method::<Policy>()
            .example("policy::tabular([[0, 1000], [1000, 0]]).sample(#{ n_samples: 2, seed: 0 }).column(\"response\")", "[1, 1, 0, 0]")
            .fails("policy::uniform(1, 2).sample(#{ n_samples: 0 })", "`n_samples` must be from 1 to 20000000, got `0`"),
        Function::new("policy", "estimate_kl", estimate_kl)
            .about("The KL from another policy as samples estimate it, with a 95 % interval.")
            .details(
                "With ρ = π′(y)/π(y) and y drawn from π: k1 is −ln ρ, k2 is ½ (ln ρ)², k3 is ρ − 1 − ln ρ. k1 and k3 have the KL as their mean; \
                 k2 has not, by more the larger the KL is. `policy::kl` is the number itself.",
            )
            .source("Schulman 2020, Approximating KL divergence")
            .param::<Policy>("policy", "π, which is drawn from")
            .param::<Policy>("other", "π′")
            .options::<KlOptions>()
            .returns("Estimate: in nats")
            .also_method::<Policy>()
            .example("policy::uniform(1, 4).estimate_kl(policy::uniform(1, 4), #{ estimator: \"k3\", n: 10, seed: 0 }).value", "0.0")
            .fails("policy::uniform(1, 4).estimate_kl(policy::uniform(1, 4), #{ estimator: \"k4\" })", "must be \"k1\", \"k2\" or \"k3\", got `k4`"),
        Function::new("policy", "estimate_reward", estimate_reward)
            .about("The expected reward as samples estimate it, with a 95 % interval.")
            .param::<Policy>("policy", "what is drawn from")
            .param::<Judge>("judge", "with rewards")
            .options::<EstimateOptions>()
            .returns("Estimate: of the mean reward")
            .also_method::<Policy>()
            .example("policy::tabular([[0, 1000]]).estimate_reward(judge::scalar([[0, 3]]), #{ n: 10, seed: 0 }).value", "3.0")
            .fails("policy::uniform(1, 2).estimate_reward(judge::scalar([[0, 3]]), #{ n: 1 })", "`n` must be from 2 to 20000000, got `1`"),
        Function::new("policy", "estimate_win_rate", estimate_win_rate)
            .about("The win rate against another policy as samples estimate it, with a 95 % interval.")
            .details("The mean of p(y ≻ y′) over pairs of samples: the judge's probability, which varies less than a drawn verdict.")
            .param::<Policy>("policy", "π")
            .param::<Policy>("other", "π′")
            .param::<Judge>("judge", "of the same prompts and responses")
            .options::<EstimateOptions>()
            .returns("Estimate: of the win rate")
            .also_method::<Policy>()
            .example(
                "let n = 100000;\n\
                 let golden = judge::scalar(policy::responses(#{ n_prompts: 1, n_responses: n, n_features: 1, seed: 0 }), #{ column: \"f0\" });\n\
                 policy::uniform(1, n).estimate_win_rate(policy::uniform(1, n), golden, #{ n: 2000, seed: 0 }).low < 0.5",
                "true",
            )
            .fails("policy::estimate_win_rate(policy::uniform(1, 2), policy::uniform(2, 2), judge::scalar([[0, 1]]))", "`other` has 2 of 2"),
    ]
}

fn sample(call: &mut Call) -> Answer {
    let (policy, options): (Policy, SampleOptions) = (call.arg(0)?, call.options()?);
    let seed = call.seed(options.seed.unwrap_or_default());
    Ok(Dynamic::from(policy::sample(&policy, options.n_samples, seed)?))
}

fn estimate_kl(call: &mut Call) -> Answer {
    let (policy, other, options): (Policy, Policy, KlOptions) = (call.arg(0)?, call.arg(1)?, call.options()?);
    let (how, seed) = (options.estimator.unwrap_or(KlEstimator::K1), call.seed(options.seed.unwrap_or_default()));
    Ok(Dynamic::from(policy::estimate_kl(&policy, &other, how, options.n, seed)?))
}

fn estimate_reward(call: &mut Call) -> Answer {
    let (policy, judge, options): (Policy, Judge, EstimateOptions) = (call.arg(0)?, call.arg(1)?, call.options()?);
    let seed = call.seed(options.seed.unwrap_or_default());
    Ok(Dynamic::from(policy::estimate_reward(&policy, &judge, options.n, seed)?))
}

fn estimate_win_rate(call: &mut Call) -> Answer {
    let (policy, other, judge): (Policy, Policy, Judge) = (call.arg(0)?, call.arg(1)?, call.arg(2)?);
    let options: EstimateOptions = call.options()?;
    let seed = call.seed(options.seed.unwrap_or_default());
    Ok(Dynamic::from(policy::estimate_win_rate(&policy, &other, &judge, options.n, seed)?))
}
