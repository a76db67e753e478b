//! Judges made from judges: `hard`, `scaled`, `intransitive`, `expected`.

use crate::autograd::Tensor;
use crate::bind::prelude::*;
use crate::bind::read_choice;
use crate::domains::policy::{Grid, Judge, MAX_PAIRWISE, Policy, PolicyError, Psi};

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
        /// "identity", "log_odds" or a closure `|p|` over a tensor of probabilities; left out, "identity".
        psi: Option<AnyPsi> = None,
    }
}

/// What an option `psi` can be.
#[derive(Clone)]
pub enum AnyPsi {
    Named(Psi),
    Closure(FnPtr),
}

impl std::fmt::Debug for AnyPsi {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            AnyPsi::Named(psi) => f.write_str(psi.name()),
            AnyPsi::Closure(_) => f.write_str("closure"),
        }
    }
}

impl FromDynamic for AnyPsi {
    fn type_name() -> String {
        "string|function".to_owned()
    }

    fn from_dynamic(value: &Dynamic) -> Result<Self, Mismatch> {
        match value.clone().try_cast::<FnPtr>() {
            Some(closure) => Ok(AnyPsi::Closure(closure)),
            None => read_choice(value).map(AnyPsi::Named),
        }
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
            .about("A judge whose preferences may be cyclic: a normal number is added to the log-odds of every pair.")
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
                 for this sampler. A closure gets the probabilities p(y ≻ y′) of a prompt as a tensor, a row for each y, and returns a tensor of the same shape. `\"log_odds\"` is ln p/(1 − p): of rewards r it gives r(y) − E r, hence the optimum of RLHF and DPO. Up to 2 000 responses, but \
                 where rewards make it a sum.",
            )
            .source("Azar et al. 2023, arXiv 2310.12036, eq. 6")
            .param::<Judge>("judge", "whose preferences")
            .param::<Policy>("sampler", "μ, from which the other response is drawn")
            .options::<ExpectedOptions>()
            .returns("Judge: by rewards")
            .also_method::<Judge>()
            .example("judge::scalar([[0, 2]]).expected(policy::uniform(1, 2), #{ psi: \"log_odds\" }).rewards().column(\"reward\")", "[-1.0, 1.0]")
            .example(
                "let golden = judge::scalar([[0, 2]]);\n\
                 let rewards = |psi| golden.expected(policy::uniform(1, 2), #{ psi: psi }).rewards().column(\"reward\");\n\
                 rewards.call(|p| p * 1.0) == rewards.call(\"identity\")",
                "true",
            )
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
    match options.psi.unwrap_or(AnyPsi::Named(Psi::Identity)) {
        AnyPsi::Named(psi) => Ok(Dynamic::from(judge.expected(&sampler, psi, &call.ctx().interrupt)?)),
        AnyPsi::Closure(psi) => by_closure(call, &judge, &sampler, &psi),
    }
}

/// E ψ(p) for a ψ of the script. The rewards are called by their content, so that the closure needs no digest.
fn by_closure(call: &Call, judge: &Judge, sampler: &Policy, psi: &FnPtr) -> Answer {
    judge.check_shape(sampler)?;
    let n = judge.n_responses;
    if n > MAX_PAIRWISE {
        return Err(PolicyError::TooMany { what: "expected", n_responses: n }.into());
    }
    let mut rewards = Vec::with_capacity(judge.n_prompts * n);
    for prompt in 0..judge.n_prompts {
        call.ctx().interrupt.check()?;
        let all = (0..n).flat_map(|first| judge.preferences(prompt, first)).collect();
        let answer = call.call_back(psi, vec![Dynamic::from(Tensor::new(all, n)?)])?;
        let found = answer.clone().try_cast::<Tensor>().filter(|found| found.shape() == [n, n]);
        let Some(found) = found else {
            let got = crate::bind::describe(&answer);
            let why = format!("`psi` must return a tensor of {n} × {n}, as it was given, got {got}");
            return Err(Fault::new("policy/psi", why).hint("|p| (p / (1.0 - p)).log()"));
        };
        let weights = sampler.probabilities(prompt);
        let mean = |row: &[f64]| row.iter().zip(&weights).map(|(value, weight)| value * weight).sum::<f64>();
        rewards.extend(found.values()?.chunks(n).map(mean));
    }
    Ok(Dynamic::from(Judge::scalar(Grid::new(judge.n_prompts, n, rewards, "psi")?)))
}
