//! Judges made from judges: `hard`, `scaled`, `intransitive`, `expected`.

use crate::bind::prelude::*;
use crate::domains::policy::{Judge, Policy, Psi};

options! {
    /// Options of `judge::intransitive`.
    pub struct IntransitiveOptions {
        /// The standard deviation of what is added to the log-odds.
        scale: f64 = 1.0,
        /// Of the draws.
        seed: Option<u64> = None,
    }
}

options! {
    /// Options of `judge::expected`.
    pub struct ExpectedOptions {
        /// "identity" or "log_odds"; left out, "identity".
        psi: Option<Psi> = None,
    }
}

/// The records.
pub fn functions() -> Vec<Function> {
    vec![
        Function::new("judge", "hard", |call| Ok(Dynamic::from(call.arg::<Judge>(0)?.hard())))
            .about("The same judge, who prefers the likelier response for sure; of two equal ones each with ½.")
            .param::<Judge>("judge", "whose order counts")
            .returns("Judge")
            .also_method::<Judge>()
            .example("judge::scalar([[0.1, 0]]).hard().preference(0, 0, 1)", "1.0")
            .fails("judge::hard(1)", "must be a Judge"),
        Function::new("judge", "scaled", scaled)
            .about("A judge with its rewards times a factor: above 1 surer, below 1 less sure, below 0 of the opposite opinion.")
            .param::<Judge>("judge", "with rewards")
            .param::<f64>("factor", "of the rewards")
            .returns("Judge")
            .also_method::<Judge>()
            .example("judge::scalar([[1, 0]]).scaled(2.0).rewards().column(\"reward\")", "[2.0, 0.0]")
            .fails("judge::scalar([[1, 0]]).scaled(1.0 / 0.0)", "`factor` must be a finite number, got `inf`"),
        Function::new("judge", "intransitive", intransitive)
            .about("A judge whose preferences may run in circles: to the log-odds of every pair a normal number is added.")
            .details(
                "log-odds(y ≻ y′) = those of the judge + scale · ε(y, y′), with ε(y′, y) = −ε(y, y′). No rewards have such \
                 preferences, which is what separates IPO from DPO. Up to 2 000 responses.",
            )
            .param::<Judge>("judge", "what is added to")
            .options::<IntransitiveOptions>()
            .returns("Judge: pair by pair")
            .also_method::<Judge>()
            .example("judge::scalar([[1, 0, 2]]).intransitive(#{ scale: 2.0, seed: 0 })", "Judge: 1 prompts of 3 responses, pair by pair")
            .fails("judge::scalar([[1, 0]]).intransitive(#{ scale: -1.0 })", "`scale` must be from 0 to 100, got `-1`"),
        Function::new("judge", "expected", expected)
            .about("Rewards made from preferences: E ψ(p(y ≻ y′)) over y′ from a sampler.")
            .details(
                "ΨPO is RLHF with these rewards: `reference.optimum(judge.expected(sampler, #{ psi: \"identity\" }), #{ beta: τ })` is IPO's optimum \
                 for this sampler. `\"log_odds\"` is ln p/(1 − p): of rewards r it gives r(y) − E r, hence the optimum of RLHF and DPO. Up to 2 000 responses, but \
                 where rewards make it a sum.",
            )
            .source("Azar et al. 2023, arXiv 2310.12036, eq. 6")
            .param::<Judge>("judge", "whose preferences")
            .param::<Policy>("sampler", "μ, from which the other response is drawn")
            .options::<ExpectedOptions>()
            .returns("Judge: by rewards")
            .also_method::<Judge>()
            .example("judge::scalar([[0, 2]]).expected(policy::uniform(1, 2), #{ psi: \"log_odds\" }).rewards().column(\"reward\")", "[-1.0, 1.0]")
            .fails("judge::scalar([[0, 2]]).expected(policy::uniform(1, 2), #{ psi: \"log\" })", "must be \"identity\" or \"log_odds\", got `log`"),
    ]
}

fn scaled(call: &mut Call) -> Answer {
    let judge: Judge = call.arg(0)?;
    Ok(Dynamic::from(judge.scaled(call.arg(1)?)?))
}

fn intransitive(call: &mut Call) -> Answer {
    let (judge, options): (Judge, IntransitiveOptions) = (call.arg(0)?, call.options()?);
    let seed = call.seed(options.seed.unwrap_or_default());
    Ok(Dynamic::from(judge.intransitive(options.scale, seed)?))
}

fn expected(call: &mut Call) -> Answer {
    let (judge, sampler, options): (Judge, Policy, ExpectedOptions) = (call.arg(0)?, call.arg(1)?, call.options()?);
    let psi = options.psi.unwrap_or(Psi::Identity);
    Ok(Dynamic::from(judge.expected(&sampler, psi, &call.ctx().interrupt)?))
}
