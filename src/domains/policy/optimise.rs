//! The best policy under an objective of preference learning: on the whole population of pairs, or on finite ones.
//!
//! With h = ln π/π_ref and Δ = h(y) − h(y′):
//!
//! - RLHF: maximise E_π r − β KL(π ‖ π_ref).
//! - DPO (Rafailov et al. 2023): minimise E[−p ln σ(βΔ) − (1 − p) ln σ(−βΔ)].
//! - IPO (Azar et al. 2023): minimise E[p (Δ − c)² + (1 − p) (Δ + c)²] with c = 1 / 2β.
//!
//! The population draws y and y′ independently from the sampler; each prompt has the same weight. Responses are whole, so sums
//! and means over tokens are the same.

use super::identify::{Status, identify};
use super::minimise::{Problem, Until, minimise};
use super::table::range;
use super::{Form, Judge, MAX_PAIRWISE, Pairs, Policy, PolicyError, log_sigmoid, mean, per_prompt, sigmoid};
use crate::core::context::Context;
use crate::core::digest::Digest;
use crate::core::math::{exp, ln};
use crate::core::random::Random;
use crate::store::memo::{Content, Done, Operation, Partial, Step, perform};

/// What is optimised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Objective {
    Rlhf,
    Dpo,
    Ipo,
}

impl Objective {
    /// As scripts call it.
    pub const fn name(self) -> &'static str {
        match self {
            Objective::Rlhf => "rlhf",
            Objective::Dpo => "dpo",
            Objective::Ipo => "ipo",
        }
    }
}

/// How to optimise.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OptimiseOptions {
    pub objective: Objective,
    pub beta: f64,
    /// Of what another step would gain.
    pub tolerance: f64,
    pub max_steps: usize,
}

/// What is preferred to what.
#[derive(Clone, Copy)]
pub enum Source<'a> {
    /// All pairs, drawn from the sampler.
    Population { judge: &'a Judge, sampler: &'a Policy },
    /// These.
    Pairs(&'a Pairs),
}

/// The policy of this one's form that is best, from this one on. The store answers what was computed before.
pub fn optimise(
    policy: &Policy,
    reference: &Policy,
    source: Source,
    options: OptimiseOptions,
    ctx: &Context,
) -> Result<Policy, PolicyError> {
    policy.check_shape("policy", reference, "reference")?;
    for (name, value) in [("beta", options.beta), ("tolerance", options.tolerance)] {
        if !(value > 0.0 && value.is_finite()) {
            return Err(range(name, "a positive number", value));
        }
    }
    match source {
        Source::Population { judge, sampler } => {
            judge.check_shape(policy)?;
            policy.check_shape("policy", sampler, "sampler")?;
            match options.objective {
                Objective::Rlhf => {
                    judge.rewards("optimise")?;
                }
                _ if policy.n_responses > MAX_PAIRWISE => {
                    return Err(PolicyError::TooMany { what: "optimise", n_responses: policy.n_responses });
                }
                _ => {}
            }
        }
        Source::Pairs(pairs) => {
            if options.objective == Objective::Rlhf {
                return Err(range("objective", "\"dpo\" or \"ipo\" on pairs, which have no rewards", "rlhf"));
            }
            check_bounded(policy, pairs, options.objective)?;
        }
    }
    let optimisation = Optimisation { policy, reference, source, options };
    let parameters = perform(&optimisation, ctx)?;
    policy.with_parameters(parameters, optimisation.digest())
}

/// Refuses pairs on which DPO's best margin is infinite.
fn check_bounded(policy: &Policy, pairs: &Pairs, objective: Objective) -> Result<(), PolicyError> {
    let found = identify(pairs, policy.n_prompts, policy.n_responses)?;
    if objective == Objective::Ipo || policy.form != Form::Tabular {
        return Ok(());
    }
    match found.iter().position(|found| found.status == Status::Unbounded) {
        None => Ok(()),
        Some(at) => Err(PolicyError::Unbounded {
            why: format!(
                "the pairs of prompt {} compare response {} with others of which one side was always preferred, so that DPO's best margin is infinite",
                at / policy.n_responses,
                at % policy.n_responses
            ),
        }),
    }
}

struct Optimisation<'a> {
    policy: &'a Policy,
    reference: &'a Policy,
    source: Source<'a>,
    options: OptimiseOptions,
}

impl Optimisation<'_> {
    fn inputs(&self) -> Vec<(&'static str, Digest)> {
        let mut inputs = vec![("policy", self.policy.digest()), ("reference", self.reference.digest())];
        match self.source {
            Source::Population { judge, sampler } => {
                inputs.push(("judge", judge.digest()));
                if self.options.objective != Objective::Rlhf {
                    inputs.push(("sampler", sampler.digest()));
                }
            }
            Source::Pairs(pairs) => inputs.push(("pairs", pairs.digest)),
        }
        inputs
    }

    fn digest(&self) -> Digest {
        let OptimiseOptions { objective, beta, tolerance, max_steps } = self.options;
        let made = self
            .inputs()
            .into_iter()
            .fold(Digest::of("policy/optimise", 1), |made, (name, digest)| made.digest(name, digest));
        let made = made.text("objective", objective.name()).float("beta", beta).float("tolerance", tolerance);
        made.int("max_steps", max_steps as i64).finish()
    }
}

impl Operation for Optimisation<'_> {
    type Value = Vec<f64>;
    type Error = PolicyError;

    fn step(&self) -> Step {
        let OptimiseOptions { objective, beta, tolerance, max_steps } = self.options;
        let (n_prompts, n_responses) = (self.policy.n_prompts as f64, self.policy.n_responses as f64);
        let pairs = match self.source {
            Source::Population { .. } if objective != Objective::Rlhf => n_prompts * n_responses * n_responses,
            Source::Population { .. } => n_prompts * n_responses,
            Source::Pairs(pairs) => pairs.len() as f64 + n_prompts * n_responses,
        };
        Step {
            operation: "policy::optimise",
            what: format!("{} of {n_prompts} prompts with {n_responses} responses", objective.name()),
            digest: self.digest(),
            inputs: self.inputs(),
            options: format!(
                "objective {}, beta {beta:?}, tolerance {tolerance:?}, max_steps {max_steps}",
                objective.name()
            ),
            // Some twenty evaluations of some forty operations.
            work: 800.0 * pairs,
            untraceable: None,
        }
    }

    fn compute(&self, ctx: &Context, _: &Partial) -> Result<Done<Vec<f64>>, PolicyError> {
        let OptimiseOptions { objective, beta, tolerance, max_steps } = self.options;
        let until = Until { tolerance, max_steps };
        let start = self.policy.parameters();
        let found = match self.source {
            Source::Population { judge, .. } if objective == Objective::Rlhf => {
                let problem = Rlhf { policy: self.policy, reference: self.reference, judge, beta };
                minimise(&problem, start, until, &ctx.interrupt)?
            }
            Source::Population { judge, sampler } => {
                let problem = Population::new(self.policy, self.reference, judge, sampler, (objective, beta));
                minimise(&problem, start, until, &ctx.interrupt)?
            }
            Source::Pairs(pairs) => {
                let problem =
                    OnPairs { policy: self.policy, reference: self.reference, pairs, objective, beta, l2: 0.0 };
                minimise(&problem, start, until, &ctx.interrupt)?
            }
        };
        Ok(Done { value: found.x, curve: vec![(found.steps as u64, found.value)] })
    }

    fn pack(&self, value: &Vec<f64>) -> Content {
        Content::default().tensor("parameters", &[value.len(), 3], packed(value))
    }

    fn unpack(&self, mut content: Content) -> Result<Vec<f64>, String> {
        content.take("parameters", &[self.policy.n_parameters(), 3]).map(|values| unpacked(&values))
    }

    fn stand_in(&self) -> Vec<f64> {
        let mut random = Random::new(0, &self.digest().to_hex());
        (0..self.policy.n_parameters()).map(|_| 1e-3 * random.normal()).collect()
    }
}

/// The smallest σσ′ that an approximate Hessian has, of at most 1/4. Arbitrary.
const FLATTEST: f64 = 0.01;

/// Numbers in double precision as three 32-bit floats each, whole numbers below 2^22.
pub fn packed(values: &[f64]) -> Vec<f32> {
    let parts = |value: &f64| {
        let bits = value.to_bits();
        [bits >> 42, (bits >> 21) & 0x1f_ffff, bits & 0x1f_ffff].map(|part| part as f32)
    };
    values.iter().flat_map(parts).collect()
}

/// What [`packed`] made.
pub fn unpacked(values: &[f32]) -> Vec<f64> {
    let (triples, _) = values.as_chunks::<3>();
    let whole = |[high, middle, low]: &[f32; 3]| {
        f64::from_bits(((*high as u64) << 42) | ((*middle as u64) << 21) | *low as u64)
    };
    triples.iter().map(whole).collect()
}

/// The logits of a policy's form at other parameters, and ln π.
fn at(policy: &Policy, x: &[f64]) -> Result<Policy, PolicyError> {
    policy.with_parameters(x.to_vec(), policy.digest())
}

/// β KL(π ‖ π_ref) − E_π r.
struct Rlhf<'a> {
    policy: &'a Policy,
    reference: &'a Policy,
    judge: &'a Judge,
    beta: f64,
}

impl Problem for Rlhf<'_> {
    fn name(&self) -> &'static str {
        "RLHF"
    }

    fn at(&self, x: &[f64]) -> Result<(f64, Vec<f64>), PolicyError> {
        let policy = at(self.policy, x)?;
        let rewards = self.judge.rewards("optimise")?;
        let n = policy.n_prompts as f64;
        let of_prompt = |prompt| {
            let own = policy.row(prompt);
            let both = own.iter().zip(self.reference.row(prompt)).zip(rewards.row(prompt));
            // What a response is worth: reward minus β times the log-ratio.
            let worth: Vec<f64> = both.map(|((own, reference), r)| r - self.beta * (own - reference)).collect();
            let value: f64 = own.iter().zip(&worth).map(|(own, worth)| exp(*own) * worth).sum();
            let slopes = own.iter().zip(&worth).map(|(own, worth)| -exp(*own) * (worth - value) / n);
            (-value, slopes.collect::<Vec<f64>>())
        };
        collected(&policy, per_prompt(policy.n_prompts, of_prompt))
    }

    /// The Hessian at the optimum is β (diag π − ππᵀ): the step of its inverse is that of the natural gradient.
    fn diagonal(&self, x: &[f64]) -> Option<Vec<f64>> {
        let policy = at(self.policy, x).ok().filter(|policy| policy.form == Form::Tabular)?;
        let n = policy.n_prompts as f64;
        Some(policy.logprobs().iter().map(|logprob| n / (self.beta * exp(*logprob)).max(1e-290)).collect())
    }
}

/// The mean value over prompts, and the gradient by the parameters.
fn collected(policy: &Policy, parts: Vec<(f64, Vec<f64>)>) -> Result<(f64, Vec<f64>), PolicyError> {
    let (values, slopes): (Vec<f64>, Vec<Vec<f64>>) = parts.into_iter().unzip();
    Ok((mean(&values), policy.pulled_back(slopes.concat())))
}

/// DPO or IPO over all pairs.
struct Population<'a> {
    policy: &'a Policy,
    reference: &'a Policy,
    objective: Objective,
    beta: f64,
    prompts: Vec<PromptPairs>,
}

/// All pairs of a prompt.
struct PromptPairs {
    /// The sampler's probabilities.
    weights: Vec<f64>,
    /// p(y ≻ y′), row-major.
    preferences: Vec<f64>,
}

impl<'a> Population<'a> {
    fn new(
        policy: &'a Policy,
        reference: &'a Policy,
        judge: &Judge,
        sampler: &Policy,
        (objective, beta): (Objective, f64),
    ) -> Population<'a> {
        let of_prompt = |prompt| PromptPairs {
            weights: sampler.probabilities(prompt),
            preferences: (0..judge.n_responses).flat_map(|first| judge.preferences(prompt, first)).collect(),
        };
        let prompts = per_prompt(policy.n_prompts, of_prompt);
        Population { policy, reference, objective, beta, prompts }
    }

    fn dpo(&self, pairs: &PromptPairs, h: &[f64]) -> (f64, Vec<f64>) {
        let (n, beta) = (h.len(), self.beta);
        let mut slopes = vec![0.0; n];
        let mut value = 0.0;
        for (first, ((own, weight), row)) in h.iter().zip(&pairs.weights).zip(pairs.preferences.chunks(n)).enumerate() {
            // Twice each unordered pair; a response against itself costs ln 2 whatever the policy.
            value += weight * weight * std::f64::consts::LN_2;
            let rest = first + 1;
            let others = h.iter().zip(&pairs.weights).zip(row).skip(rest);
            let mut own_slope = 0.0;
            for (((other, other_weight), p), slope) in others.zip(slopes.iter_mut().skip(rest)) {
                let margin = beta * (own - other);
                // ln(1 + e^−|m|) serves both −ln σ(m) and −ln σ(−m).
                let small = exp(-margin.abs());
                let tail = ln(1.0 + small);
                let wins = if margin >= 0.0 { 1.0 / (1.0 + small) } else { small / (1.0 + small) };
                let both = 2.0 * weight * other_weight;
                value += both * (tail + if margin >= 0.0 { (1.0 - p) * margin } else { -p * margin });
                let step = both * beta * (wins - p);
                own_slope += step;
                *slope -= step;
            }
            if let Some(slope) = slopes.get_mut(first) {
                *slope += own_slope;
            }
        }
        (value, slopes)
    }

    fn ipo(&self, pairs: &PromptPairs, h: &[f64]) -> (f64, Vec<f64>) {
        let (n, c) = (h.len(), 0.5 / self.beta);
        let mut slopes = vec![0.0; n];
        let mut value = 0.0;
        for (first, ((own, weight), row)) in h.iter().zip(&pairs.weights).zip(pairs.preferences.chunks(n)).enumerate() {
            let mut own_slope = 0.0;
            for ((other, other_weight), p) in h.iter().zip(&pairs.weights).zip(row) {
                let (both, margin) = (weight * other_weight, own - other);
                value += both * (p * (margin - c).powi(2) + (1.0 - p) * (margin + c).powi(2));
                own_slope += 4.0 * both * (margin - c * (2.0 * p - 1.0));
            }
            if let Some(slope) = slopes.get_mut(first) {
                *slope = own_slope;
            }
        }
        (value, slopes)
    }

    fn log_ratios(&self, policy: &Policy, prompt: usize) -> Vec<f64> {
        policy.row(prompt).iter().zip(self.reference.row(prompt)).map(|(own, reference)| own - reference).collect()
    }
}

impl Problem for Population<'_> {
    fn name(&self) -> &'static str {
        if self.objective == Objective::Dpo { "DPO on the population" } else { "IPO on the population" }
    }

    fn at(&self, x: &[f64]) -> Result<(f64, Vec<f64>), PolicyError> {
        let policy = at(self.policy, x)?;
        let n = policy.n_prompts as f64;
        let of_prompt = |prompt: usize| {
            let Some(pairs) = self.prompts.get(prompt) else { return (0.0, Vec::new()) };
            let h = self.log_ratios(&policy, prompt);
            let (value, slopes) =
                if self.objective == Objective::Dpo { self.dpo(pairs, &h) } else { self.ipo(pairs, &h) };
            (value, slopes.into_iter().map(|slope| slope / n).collect::<Vec<f64>>())
        };
        collected(&policy, per_prompt(policy.n_prompts, of_prompt))
    }

    fn diagonal(&self, x: &[f64]) -> Option<Vec<f64>> {
        let policy = at(self.policy, x).ok().filter(|policy| policy.form == Form::Tabular)?;
        let (n, beta) = (policy.n_prompts as f64, self.beta);
        let of_prompt = |prompt: usize| {
            let Some(pairs) = self.prompts.get(prompt) else { return Vec::new() };
            let h = self.log_ratios(&policy, prompt);
            // Far from the optimum σσ′ vanishes, and a step of its inverse would never come back: a floor bounds the step.
            let curvature = |margin: f64| match self.objective {
                Objective::Dpo => {
                    let wins = sigmoid(beta * margin);
                    2.0 * beta * beta * (wins * (1.0 - wins)).max(FLATTEST)
                }
                _ => 4.0,
            };
            // Some 64 of the others tell the size of the curvature, which is all that is asked.
            let stride = (h.len() / 64).max(1);
            let others: Vec<(f64, f64)> =
                h.iter().copied().zip(pairs.weights.iter().copied()).step_by(stride).collect();
            let total: f64 = others.iter().map(|(_, weight)| weight).sum();
            let own = |(own, weight): (&f64, &f64)| {
                let mean = others.iter().map(|(other, w)| w * curvature(own - other)).sum::<f64>() / total;
                n / (weight * mean).max(1e-290)
            };
            h.iter().zip(&pairs.weights).map(own).collect()
        };
        Some(per_prompt(policy.n_prompts, of_prompt).concat())
    }
}

/// DPO or IPO on finite pairs, and the square of the parameters.
pub(super) struct OnPairs<'a> {
    pub policy: &'a Policy,
    pub reference: &'a Policy,
    pub pairs: &'a Pairs,
    pub objective: Objective,
    pub beta: f64,
    pub l2: f64,
}

impl OnPairs<'_> {
    /// ln π/π_ref of the chosen response minus that of the rejected one. The normaliser cancels.
    fn margin(&self, policy: &Policy, (prompt, chosen, rejected): (usize, usize, usize)) -> f64 {
        let of = |policy: &Policy| policy.logprob(prompt, chosen) - policy.logprob(prompt, rejected);
        of(policy) - of(self.reference)
    }

    /// Value, slope and curvature of one pair.
    fn one(&self, margin: f64, p: f64) -> (f64, f64, f64) {
        let beta = self.beta;
        if self.objective == Objective::Dpo {
            let (m, wins) = (beta * margin, sigmoid(beta * margin));
            return (
                -p * log_sigmoid(m) - (1.0 - p) * log_sigmoid(-m),
                beta * (wins - p),
                beta * beta * (wins * (1.0 - wins)).max(FLATTEST),
            );
        }
        let c = 0.5 / beta;
        (p * (margin - c).powi(2) + (1.0 - p) * (margin + c).powi(2), 2.0 * (margin - c * (2.0 * p - 1.0)), 2.0)
    }

    fn total(&self) -> f64 {
        self.pairs.weights.iter().sum::<f64>().max(f64::MIN_POSITIVE)
    }
}

impl Problem for OnPairs<'_> {
    fn name(&self) -> &'static str {
        if self.objective == Objective::Dpo { "DPO on the pairs" } else { "IPO on the pairs" }
    }

    fn at(&self, x: &[f64]) -> Result<(f64, Vec<f64>), PolicyError> {
        let policy = at(self.policy, x)?;
        let (mut value, mut slopes) = (0.0, vec![0.0; policy.logprobs().len()]);
        let total = self.total();
        let judged = self.pairs.preferences.iter().zip(&self.pairs.weights);
        for (place, (p, weight)) in self.pairs.places().zip(judged) {
            let (loss, slope, _) = self.one(self.margin(&policy, place), *p);
            value += weight / total * loss;
            let (prompt, chosen, rejected) = place;
            for (response, step) in [(chosen, slope), (rejected, -slope)] {
                if let Some(slot) = slopes.get_mut(prompt * policy.n_responses + response) {
                    *slot += weight / total * step;
                }
            }
        }
        let mut slopes = policy.pulled_back(slopes);
        if self.l2 > 0.0 {
            value += 0.5 * self.l2 * x.iter().map(|x| x * x).sum::<f64>();
            slopes.iter_mut().zip(x).for_each(|(slope, x)| *slope += self.l2 * x);
        }
        Ok((value, slopes))
    }

    fn diagonal(&self, x: &[f64]) -> Option<Vec<f64>> {
        let policy = at(self.policy, x).ok().filter(|policy| policy.form == Form::Tabular)?;
        let mut curvature = vec![0.0; policy.logprobs().len()];
        let total = self.total();
        let judged = self.pairs.preferences.iter().zip(&self.pairs.weights);
        for ((prompt, chosen, rejected), (p, weight)) in self.pairs.places().zip(judged) {
            let (_, _, bend) = self.one(self.margin(&policy, (prompt, chosen, rejected)), *p);
            for response in [chosen, rejected] {
                if let Some(slot) = curvature.get_mut(prompt * policy.n_responses + response) {
                    *slot += weight / total * bend;
                }
            }
        }
        // What no pair moves has no slope: any scale will do.
        Some(curvature.into_iter().map(|bend| 1.0 / (bend + self.l2).max(1e-12)).collect())
    }
}

/// The problems, for tests.
#[cfg(test)]
pub(super) mod testing {
    use super::*;

    pub fn population<'a>(
        policy: &'a Policy,
        reference: &'a Policy,
        judge: &Judge,
        sampler: &Policy,
        how: (Objective, f64),
    ) -> Box<dyn Problem + 'a> {
        Box::new(Population::new(policy, reference, judge, sampler, how))
    }

    pub fn rlhf<'a>(policy: &'a Policy, reference: &'a Policy, judge: &'a Judge, beta: f64) -> Box<dyn Problem + 'a> {
        Box::new(Rlhf { policy, reference, judge, beta })
    }
}
