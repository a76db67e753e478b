//! `policy::optimise`

use crate::bind::prelude::*;
use crate::domains::policy::optimise::{Objective, OptimiseOptions, Source, optimise};
use crate::domains::policy::{Judge, Pairs, Policy};
use crate::frames::Frame;

options! {
    /// Options of `policy::optimise`.
    pub struct OptimiseSettings {
        /// "rlhf", "dpo" or "ipo"; left out, "rlhf" with a judge and "dpo" with pairs.
        objective: Option<Objective> = None,
        /// What a nat of KL costs (τ in IPO's paper).
        beta: f64 = 0.1,
        /// π_ref; left out, the policy that is trained.
        reference: Option<Policy> = None,
        /// From which both responses of a population's pairs are drawn; left out, the reference.
        sampler: Option<Policy> = None,
        /// Of what another step would gain, ½ gᵀDg: where optimisation ends.
        tolerance: f64 = 1e-14,
        /// Where it fails instead.
        max_steps: usize = 2000,
    }
}

/// The record.
pub fn functions() -> Vec<Function> {
    vec![Function::new("policy", "optimise", run)
        .about("The best policy under an objective of preference learning, to convergence: on the population of all pairs, or on finite ones.")
        .details(
            "With h = ln π/π_ref and Δ = h(y) − h(y′). RLHF: maximise E r − β KL(π ‖ π_ref). DPO: minimise E[−p ln σ(βΔ) − (1 − p) ln σ(−βΔ)]. \
             IPO: minimise E[p (Δ − c)² + (1 − p) (Δ + c)²] with c = 1/2β. With a judge the mean is over y and y′ drawn independently \
             from `sampler`, each prompt with the same weight, up to 2 000 responses a prompt; with pairs it is over them, by weight. \
             The method is L-BFGS from a diagonal, which for RLHF on a tabular policy is the natural gradient. \
             A tabular policy is refused where DPO's best margin on the pairs is infinite (`policy::identification`). \
             ΨPO is RLHF with the judge `judge.expected(sampler, #{ psi: … })`.",
        )
        .source("Rafailov et al. 2023, arXiv 2305.18290; Azar et al. 2023, arXiv 2310.12036; Nocedal and Wright 2006")
        .param::<Policy>("policy", "what training starts from; the answer has its form")
        .param_typed("on", "Judge|Frame", "a judge of the population, or pairs: `prompt`, `chosen`, `rejected`, `preference`, `weight`")
        .options::<OptimiseSettings>()
        .returns("Policy: of the same form")
        .also_method::<Policy>()
        .example(
            "let reference = policy::tabular([[1, 0, 0], [0, 0, 1]]);\n\
             let golden = judge::scalar([[0, 1, 0.5], [1, 0, 0]]);\n\
             let found = reference.optimise(golden, #{ objective: \"dpo\", beta: 0.5, sampler: policy::uniform(2, 3) });\n\
             found.total_variation(reference.optimum(golden, #{ beta: 0.5 })) < 1e-6",
            "true",
        )
        .example(
            "let pairs = frame::of(#{ prompt: [0, 0], chosen: [0, 1], rejected: [1, 0], weight: [3, 1] });\n\
             let found = policy::uniform(1, 2).optimise(pairs, #{ beta: 1.0 });\n\
             (found.probabilities().column(\"probability\")[0] - 0.75).abs() < 1e-6",
            "true",
        )
        .fails(
            "policy::uniform(1, 2).optimise(frame::of(#{ prompt: [0], chosen: [0], rejected: [1] }))",
            "the loss has no minimum: the pairs of prompt 0 compare response 0 with others of which one side was always preferred",
        )
        .fails("policy::uniform(1, 2).optimise(judge::scalar([[0, 1]]), #{ objective: \"ppo\" })", "must be \"rlhf\", \"dpo\" or \"ipo\", got `ppo`")]
}

fn run(call: &mut Call) -> Answer {
    let (policy, on): (Policy, Dynamic) = (call.arg(0)?, call.arg(1)?);
    let options: OptimiseSettings = call.options()?;
    let reference = options.reference.unwrap_or_else(|| policy.clone());
    let sampler = options.sampler.unwrap_or_else(|| reference.clone());
    let settings = |usual| OptimiseOptions {
        objective: options.objective.unwrap_or(usual),
        beta: options.beta,
        tolerance: options.tolerance,
        max_steps: options.max_steps,
    };
    let ctx = call.ctx();
    if let Some(judge) = on.clone().try_cast::<Judge>() {
        let source = Source::Population { judge: &judge, sampler: &sampler };
        return Ok(Dynamic::from(optimise(&policy, &reference, source, settings(Objective::Rlhf), ctx)?));
    }
    let Some(frame) = on.clone().try_cast::<Frame>() else {
        let got = crate::bind::describe(&on);
        return Err(call.misfit("`on`", &Mismatch(format!("must be one of Judge, Frame, got {got}"))));
    };
    let pairs = Pairs::of_frame(&frame)?;
    Ok(Dynamic::from(optimise(&policy, &reference, Source::Pairs(&pairs), settings(Objective::Dpo), ctx)?))
}
