//! Policies made from policies: `optimum`, `best_of`, `tempered`, `mixed`.

use crate::bind::prelude::*;
use crate::domains::policy::{Judge, Policy};

options! {
    /// Options of `policy::optimum`.
    pub struct OptimumOptions {
        /// What a nat of KL costs.
        beta: f64 = 0.1,
    }
}

/// The records.
pub fn functions() -> Vec<Function> {
    vec![
        Function::new("policy", "optimum", optimum)
            .about("The policy with the largest expected reward minus β times the KL to this one: π e^{r/β} / Z, in closed form.")
            .details(
                "The optimum of RLHF, and of DPO where preferences are Bradley and Terry's with these rewards. That of ΨPO has the \
                 rewards `judge.expected(sampler, #{ psi: … })`: with `\"identity\"` it is IPO's.",
            )
            .source("Rafailov et al. 2023, arXiv 2305.18290, eq. 4; Azar et al. 2023, arXiv 2310.12036, eq. 7")
            .param::<Policy>("policy", "the reference")
            .param::<Judge>("judge", "with rewards")
            .options::<OptimumOptions>()
            .returns("Policy: tabular")
            .also_method::<Policy>()
            .example(
                "policy::uniform(1, 2).optimum(judge::scalar([[1, 0]]), #{ beta: 0.5 }).total_variation(policy::tabular([[2, 0]]))",
                "0.0",
            )
            .fails("policy::uniform(1, 2).optimum(judge::scalar([[1, 0]]), #{ beta: 0 })", "`beta` must be a positive number, got `0`"),
        Function::new("policy", "best_of", best_of)
            .about("Best-of-n, exactly: the distribution of the draw with the largest reward among `n` from a policy.")
            .details(
                "F(y)ⁿ − F⁻(y)ⁿ, where F is the chance of a reward as large as that of y or smaller, F⁻ of a smaller one; among equal \
                 rewards the shares are those of the policy. Its KL to the policy is at most ln n − (n − 1)/n, its win rate against it by \
                 `judge.hard()` at most n/(n + 1): both are reached only where no response has much probability.",
            )
            .source("Beirami et al. 2024, arXiv 2401.01879")
            .param::<Policy>("policy", "what is drawn from")
            .param::<Judge>("judge", "with rewards")
            .param::<usize>("n", "how many draws")
            .returns("Policy: tabular")
            .also_method::<Policy>()
            .example(
                "let best = policy::uniform(1, 4).best_of(judge::scalar([[0, 1, 2, 3]]), 2);\n\
                 best.total_variation(policy::tabular([[(1.0).ln(), (3.0).ln(), (5.0).ln(), (7.0).ln()]])) < 1e-12",
                "true",
            )
            .fails("policy::uniform(1, 4).best_of(judge::scalar([[0, 1, 2, 3]]), 0)", "`n` must be from 1 to 1000000, got `0`"),
        Function::new("policy", "tempered", tempered)
            .about("A policy at another temperature: π^(1/t), normalised.")
            .param::<Policy>("policy", "π")
            .param::<f64>("temperature", "t: below 1 sharper, above 1 flatter")
            .returns("Policy: tabular")
            .also_method::<Policy>()
            .example("policy::tabular([[2, 0]]).tempered(2.0).total_variation(policy::tabular([[1, 0]])) < 1e-12", "true")
            .fails("policy::tabular([[2, 0]]).tempered(0.0)", "`temperature` must be a positive number, got `0`"),
        Function::new("policy", "mixed", mixed)
            .about("A mixture of two policies: (1 − share) · π + share · π′.")
            .param::<Policy>("policy", "π")
            .param::<Policy>("other", "π′")
            .param::<f64>("share", "of the other, 0 to 1")
            .returns("Policy: tabular")
            .also_method::<Policy>()
            .example("policy::tabular([[100, 0]]).mixed(policy::tabular([[0, 100]]), 0.5).total_variation(policy::uniform(1, 2)) < 1e-12", "true")
            .fails("policy::uniform(1, 2).mixed(policy::uniform(1, 2), 2.0)", "`share` must be from 0 to 1, got `2`"),
    ]
}

fn optimum(call: &mut Call) -> Answer {
    let (policy, judge, options): (Policy, Judge, OptimumOptions) = (call.arg(0)?, call.arg(1)?, call.options()?);
    Ok(Dynamic::from(policy.optimum(&judge, options.beta)?))
}

fn best_of(call: &mut Call) -> Answer {
    let (policy, judge): (Policy, Judge) = (call.arg(0)?, call.arg(1)?);
    Ok(Dynamic::from(policy.best_of(&judge, call.arg(2)?)?))
}

fn tempered(call: &mut Call) -> Answer {
    let policy: Policy = call.arg(0)?;
    Ok(Dynamic::from(policy.tempered(call.arg(1)?)?))
}

fn mixed(call: &mut Call) -> Answer {
    let (policy, other): (Policy, Policy) = (call.arg(0)?, call.arg(1)?);
    Ok(Dynamic::from(policy.mixed(&other, call.arg(2)?)?))
}
