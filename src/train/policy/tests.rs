//! Trainings against PyTorch's, the policy gradient against the exact one, and what a training leaves.

use super::*;
use crate::core::explain::Explain;
use crate::domains::policy::{Features, Grid, Judge, Labels, responses};
use crate::domains::preference::loss::{Needs, OfPair, PairBatch, PairLoss, PairLossError, PairValue, logistic};
use crate::domains::preference::loss::{mean_over_pairs, of_margin};
use serde_json::Value;
use std::sync::Arc;

/// `−ln σ(βΔ)`, or `−ln π` of the chosen response where `beta` is 0.
struct Simple {
    beta: f64,
}

impl PairLoss for Simple {
    fn name(&self) -> String {
        "simple".to_owned()
    }

    fn show(&self) -> String {
        format!("simple {:?}", self.beta)
    }

    fn needs(&self) -> Needs {
        Needs::default()
    }

    fn step(&self, batch: &PairBatch) -> Result<PairValue, PairLossError> {
        mean_over_pairs(self, batch, |pair| match self.beta {
            0.0 => OfPair { value: -pair.chosen, by_chosen: -1.0, by_rejected: 0.0, pull: 1.0 },
            beta => of_margin(beta, logistic(beta * pair.delta())),
        })
    }
}

fn reference() -> Value {
    serde_json::from_str(include_str!("../../../tests/reference/policies.json")).expect("JSON")
}

fn numbers(value: &Value) -> Vec<f64> {
    match value.as_array() {
        Some(items) => items.iter().flat_map(numbers).collect(),
        None => vec![value.as_f64().expect("a number")],
    }
}

fn grid(value: &Value) -> Grid {
    Grid::new(2, 5, numbers(value), "a table").expect("a table")
}

fn pairs(known: &Value) -> Pairs {
    let mut pairs = Pairs::none(Digest::of_bytes(b"pairs"));
    for pair in known["pairs"].as_array().expect("pairs") {
        let of = numbers(pair);
        pairs.push(of[0] as usize, (of[1] as usize, of[2] as usize, of[3]));
    }
    pairs.weights = known["pairs"].as_array().expect("pairs").iter().map(|pair| numbers(pair)[4]).collect();
    pairs
}

/// Three epochs of Adam with PyTorch's autograd: `tests/reference/policies.py`.
#[test]
fn a_training_on_pairs_is_pytorchs() {
    let known = reference();
    let (policy, reference) = (Policy::tabular(grid(&known["logits"])), Policy::tabular(grid(&known["others"])));
    let table = responses(2, 5, 3, 0).expect("a table");
    let names = ["f0", "f1", "f2"].map(str::to_owned);
    let mut features = Features::of_frame(&table, &names).expect("features");
    features.values = numbers(&known["features"]);
    let linear = Policy::log_linear(Arc::new(features), vec![0.0; 3], Some(&policy)).expect("weights");
    let recipe = PairRecipe { epochs: 3, batch: 2, lr: 0.1, order: Order::Given, every: 4, ..PairRecipe::default() };
    let ctx = Context::for_tests();
    for (name, policy, beta) in [("dpo", &policy, 0.5), ("best_of_2", &policy, 0.0), ("log_linear", &linear, 0.5)] {
        let found =
            finetune_on_pairs(policy, &reference, &pairs(&known), &Simple { beta }, &recipe, &ctx).expect("trains");
        let want = &known["trained"][name];
        for (got, want) in found.logprobs().iter().zip(numbers(&want["logprobs"])) {
            assert!((got - want).abs() < 1e-9, "{name}: {got} {want}");
        }
        let trained = found.trained().expect("what it left");
        let steps: Vec<usize> = trained.checkpoints.iter().map(|(step, _)| *step).collect();
        assert_eq!(steps, [4, 8, 9]);
        for (got, want) in trained.curve.floats("loss").expect("losses").iter().zip(numbers(&want["losses"])) {
            assert!((got - want).abs() < 1e-9, "{name}: {got} {want}");
        }
        assert_eq!(trained.curve.floats("n_pairs").expect("counts")[8], 18.0);
    }
}

fn laboratory() -> (Policy, Policy, Judge) {
    let mut random = Random::new(0, "test");
    let mut drawn = |scale: f64| {
        let values = (0..2 * 6).map(|_| scale * random.normal()).collect();
        Grid::new(2, 6, values, "a table").expect("finite")
    };
    (Policy::tabular(drawn(1.0)), Policy::tabular(drawn(1.0)), Judge::scalar(drawn(1.0)))
}

/// One step of gradient descent from many samples moves as the exact gradient of E r − β KL does. 100 000 samples, and tolerances of
/// five standard errors.
#[test]
fn the_policy_gradient_is_the_exact_one() {
    let ctx = Context::for_tests();
    let (policy, reference, judge) = laboratory();
    let beta = 0.3;
    let value = |policy: &Policy| {
        policy.expected_reward(&judge).expect("rewards") - beta * policy.kl(&reference).expect("one shape")
    };
    let x = policy.parameters();
    let exact: Vec<f64> = (0..x.len())
        .map(|idx| {
            let moved = |by: f64| {
                let mut x = x.clone();
                x[idx] += by;
                value(&policy.with_parameters(x, policy.digest()).expect("finite"))
            };
            (moved(1e-5) - moved(-1e-5)) / 2e-5
        })
        .collect();
    for (baseline, tolerance) in [(Baseline::Others, 0.01), (Baseline::None, 0.02)] {
        let recipe = ReinforceRecipe {
            steps: 1,
            batch: 20_000,
            n_samples: 5,
            beta,
            baseline,
            lr: 1.0,
            optimizer: PolicyOptimizer::Sgd,
            ..ReinforceRecipe::default()
        };
        let found = reinforce(&policy, &reference, &judge, &recipe, &ctx).expect("trains");
        // Logits are known up to a constant of the prompt.
        let moved: Vec<f64> = found.logprobs().iter().zip(&x).map(|(new, old)| new - old).collect();
        for (moved, exact) in moved.chunks(6).zip(exact.chunks(6)) {
            let shift = moved.iter().zip(exact).map(|(got, want)| got - want).sum::<f64>() / 6.0;
            for (got, want) in moved.iter().zip(exact) {
                assert!((got - shift - want).abs() < tolerance, "{baseline:?}: {got} {want}");
            }
        }
    }
}

#[test]
fn online_training_approaches_the_optimum_of_rlhf() {
    let ctx = Context::for_tests();
    let (reference, _, judge) = laboratory();
    let best = reference.optimum(&judge, 0.5).expect("beta");
    let recipe = ReinforceRecipe { steps: 600, batch: 32, beta: 0.5, lr: 0.02, ..ReinforceRecipe::default() };
    let rloo = reinforce(&reference, &reference, &judge, &recipe, &ctx).expect("trains");
    let ppo = ReinforceRecipe { updates: 4, ..recipe };
    let ppo = reinforce(&reference, &reference, &judge, &ppo, &ctx).expect("trains");
    let recipe = SampledRecipe { steps: 600, lr: 0.02, ..SampledRecipe::default() };
    let dpo = |judge, labels, recipe: &SampledRecipe| {
        finetune_sampled(&reference, &reference, judge, None, labels, &Simple { beta: 0.5 }, recipe, &ctx)
            .expect("trains")
    };
    let dpo = dpo(&judge, Labels::Soft, &recipe);
    for (name, found) in [("RLOO", rloo), ("PPO", ppo), ("DPO", dpo)] {
        let apart = found.total_variation(&best).expect("one shape");
        let before = reference.total_variation(&best).expect("one shape");
        assert!(apart < 0.1 && before > 0.3, "{name}: {apart} of {before}");
    }
}

#[test]
fn a_stream_trains_again_to_the_same_policy_and_the_store_answers_repeats() {
    let folder = tempfile::tempdir().expect("a folder");
    let ctx = super::super::checkpoint::testing::lab_in(folder.path());
    let (reference, other, judge) = laboratory();
    let loss = Simple { beta: 0.5 };
    let recipe = SampledRecipe { steps: 20, batch: 8, every: 5, refresh: 3, seed: 1, ..SampledRecipe::default() };
    let online = |ctx: &Context, sampler| {
        finetune_sampled(&reference, &reference, &judge, sampler, Labels::Drawn, &loss, &recipe, ctx).expect("trains")
    };
    let first = online(&Context::for_tests(), None);
    let bits = |policy: &Policy| policy.logprobs().iter().map(|x| x.to_bits()).collect::<Vec<_>>();
    for _ in 0..2 {
        let again = online(&ctx, None);
        assert_eq!(bits(&again), bits(&first), "computed, then looked up");
        let (one, two) = (first.trained().expect("left"), again.trained().expect("left"));
        assert_eq!(one.checkpoints.len(), 4);
        let streams = (one.stream.as_ref().expect("drawn"), two.stream.as_ref().expect("drawn"));
        assert!(streams.0.table().equals(streams.1.table()) && streams.0.height() == 160);
        assert!(one.curve.table().equals(two.curve.table()) && one.curve.digest() == two.curve.digest());
    }
    // The same pairs in the same order, given.
    let stream = first.trained().and_then(|trained| trained.stream.clone()).expect("drawn");
    let given = PairRecipe { batch: 8, order: Order::Given, ..PairRecipe::default() };
    let read = Pairs::of_frame(&stream).expect("pairs");
    let offline = finetune_on_pairs(&reference, &reference, &read, &loss, &given, &ctx).expect("trains");
    assert_eq!(bits(&offline), bits(&first));
    // A sampler of its own draws other pairs.
    assert_ne!(bits(&online(&ctx, Some(&other))), bits(&first));
}

#[test]
fn every_option_is_in_the_derivation_and_bad_ones_are_refused() {
    let ctx = Context::for_tests();
    let (policy, reference, judge) = laboratory();
    let loss = Simple { beta: 0.5 };
    let base = SampledRecipe { steps: 3, batch: 4, ..SampledRecipe::default() };
    let made = |recipe: &SampledRecipe| {
        finetune_sampled(&policy, &reference, &judge, None, Labels::Drawn, &loss, recipe, &ctx)
            .map(|made| made.digest())
    };
    let plain = made(&base).expect("trains");
    for (name, _, changed) in base.variants() {
        assert_ne!(made(&changed).expect("trains"), plain, "{name}");
    }
    let given = pairs(&self::reference());
    let offline = |recipe: &PairRecipe| {
        finetune_on_pairs(&policy, &reference, &given, &loss, recipe, &ctx).map(|made| made.digest())
    };
    let base_pairs = PairRecipe { batch: 4, ..PairRecipe::default() };
    let plain = offline(&base_pairs).expect("trains");
    for (name, _, changed) in base_pairs.variants() {
        // An epoch of six pairs is two steps, which another option says.
        let same = name == "steps" && changed.steps == Some(2);
        assert_eq!(offline(&changed).expect("trains") == plain, same, "{name}");
    }
    let gradient =
        |recipe: &ReinforceRecipe| reinforce(&policy, &reference, &judge, recipe, &ctx).map(|made| made.digest());
    let base_gradient = ReinforceRecipe { steps: 3, ..ReinforceRecipe::default() };
    let plain = gradient(&base_gradient).expect("trains");
    for (name, _, changed) in base_gradient.variants() {
        assert_ne!(gradient(&changed).expect("trains"), plain, "{name}");
    }
    let wrong = SampledRecipe { batch: 0, ..base.clone() };
    let error = made(&wrong).expect_err("no batch");
    assert_eq!(
        (error.code(), error.to_string().as_str()),
        ("policy/range", "`batch` must be from 1 to 1000000, got `0`")
    );
    let wide = PairRecipe { lr: 1e6, optimizer: PolicyOptimizer::Sgd, steps: Some(200), ..PairRecipe::default() };

    let far = finetune_on_pairs(&policy, &reference, &given, &Simple { beta: 0.0 }, &wide, &ctx);
    // Steps of a million stay numbers, or are said to diverge: nothing panics.
    assert!(far.is_ok() || far.is_err_and(|error| error.code() == "policy/diverged"));
}

/// Rankings of three with plain gradient descent and PyTorch's autograd: `tests/reference/rankings.py`; of two, DPO on pairs to the bit.
#[test]
fn a_training_on_rankings_is_pytorchs_and_of_two_that_on_pairs() {
    let known: Value = serde_json::from_str(include_str!("../../../tests/reference/rankings.json")).expect("JSON");
    let rankings = |rows: &[(usize, Vec<usize>)]| crate::domains::policy::Rankings {
        prompts: rows.iter().map(|(prompt, _)| *prompt).collect(),
        responses: rows.iter().flat_map(|(_, order)| order.clone()).collect(),
        k: rows[0].1.len(),
        weights: vec![1.0; rows.len()],
        digest: Digest::of_bytes(b"rankings"),
    };
    let rows: Vec<(usize, Vec<usize>)> = known["rankings"]
        .as_array()
        .expect("rankings")
        .iter()
        .map(|row| {
            (row[0].as_u64().expect("a prompt") as usize, numbers(&row[1]).iter().map(|y| *y as usize).collect())
        })
        .collect();
    let logits = [[0.0, 0.5, -0.5, 0.25, 0.0], [0.1, 0.0, 0.0, -0.3, 0.4]].concat();
    let reference = Policy::tabular(Grid::new(2, 5, logits, "logits").expect("a grid"));
    let start = Policy::uniform(2, 5).expect("a policy");
    let ctx = Context::for_tests();
    let recipe = PairRecipe {
        steps: Some(4),
        batch: 2,
        lr: 0.5,
        optimizer: PolicyOptimizer::Sgd,
        order: Order::Given,
        ..PairRecipe::default()
    };
    let found = finetune_on_rankings(&start, &reference, &rankings(&rows), 0.5, &recipe, &ctx).expect("trained");
    let curve = found.trained().expect("a training").curve.floats("loss").expect("losses");
    curve.iter().zip(numbers(&known["curve"])).for_each(|(got, want)| assert!((got - want).abs() < 1e-12));
    let got: Vec<f64> = (0..2).flat_map(|prompt| found.row(prompt).to_vec()).collect();
    got.iter().zip(numbers(&known["logprobs"])).for_each(|(got, want)| assert!((got - want).abs() < 1e-12));

    let two: Vec<(usize, Vec<usize>)> = rows.iter().map(|(prompt, order)| (*prompt, order[..2].to_vec())).collect();
    let mut pairs = Pairs::none(Digest::of_bytes(b"pairs"));
    two.iter().for_each(|(prompt, order)| pairs.push(*prompt, (order[0], order[1], 1.0)));
    let recipe = PairRecipe { order: Order::Shuffled, steps: Some(30), optimizer: PolicyOptimizer::Adam, ..recipe };
    let ranked = finetune_on_rankings(&start, &reference, &rankings(&two), 0.3, &recipe, &ctx).expect("trained");
    let paired = finetune_on_pairs(&start, &reference, &pairs, &Simple { beta: 0.3 }, &recipe, &ctx).expect("trained");
    assert_eq!(ranked.parameters(), paired.parameters());
    let curve = |policy: &Policy, name: &str| policy.trained().expect("left").curve.floats(name).expect("numbers");
    for name in crate::domains::preference::measured::NAMES {
        for (one, other) in curve(&ranked, name).iter().zip(curve(&paired, name)) {
            assert!((one - other).abs() < 1e-6, "{name}: {one} {other}");
        }
    }
    let none = finetune_on_rankings(&start, &reference, &rankings(&two), -1.0, &recipe, &ctx).expect_err("refused");
    assert_eq!(none.to_string(), "`beta` must be from 0.000000001 to 1000000000, got `-1`");
}

/// What a step measures is what the policy before it, which was kept, says of the step's pairs: by the formulas of DPO and of Kish.
#[test]
fn a_curve_tells_of_the_pairs_before_each_step() {
    let ctx = Context::for_tests();
    let (policy, reference, _) = laboratory();
    let mut all = Pairs::none(Digest::of_bytes(b"pairs"));
    for (chosen, rejected, p) in [(0, 1, 1.0), (2, 5, 0.75), (3, 3, 1.0)] {
        all.push(0, (chosen, rejected, p));
    }
    all.weights = vec![1.0, 3.0, 0.5];
    let beta = 0.7;
    let recipe = PairRecipe { epochs: 4, batch: 3, every: 1, lr: 0.3, order: Order::Given, ..PairRecipe::default() };
    let found = finetune_on_pairs(&policy, &reference, &all, &Simple { beta }, &recipe, &ctx).expect("trains");
    let trained = found.trained().expect("left");
    let before = std::iter::once(&policy).chain(trained.checkpoints.iter().map(|(_, kept)| kept));
    let column = |name: &str| trained.curve.floats(name).expect("numbers");
    let mean = |values: &[f64]| values.iter().sum::<f64>() / 3.0;
    for (step, own) in before.take(4).enumerate() {
        let of = |policy: &Policy, which: &[usize]| which.iter().map(|y| policy.logprob(0, *y)).collect::<Vec<f64>>();
        let (chosen, rejected) = (of(own, &all.chosen), of(own, &all.rejected));
        let (other, less) = (of(&reference, &all.chosen), of(&reference, &all.rejected));
        let deltas: Vec<f64> = (0..3).map(|at| chosen[at] - other[at] - rejected[at] + less[at]).collect();
        // p σ(−βΔ) − (1 − p) σ(βΔ) = p − σ(βΔ).
        let pulls: Vec<f64> = (0..3).map(|at| all.preferences[at] - 1.0 / (1.0 + (-beta * deltas[at]).exp())).collect();
        let sd = |values: &[f64]| {
            let m = mean(values);
            (values.iter().map(|x| (x - m) * (x - m)).sum::<f64>() / 3.0).sqrt()
        };
        let right = deltas.iter().map(|delta| {
            if *delta > 0.0 {
                1.0
            } else if *delta == 0.0 {
                0.5
            } else {
                0.0
            }
        });
        let want = [
            ("chosen", mean(&chosen)),
            ("rejected", mean(&rejected)),
            ("margin", mean(&deltas)),
            ("accuracy", mean(&right.collect::<Vec<f64>>())),
            ("weight", mean(&pulls)),
            ("margin_sd", sd(&deltas)),
            ("weight_sd", sd(&pulls)),
            ("counted", (pulls[0] + 3.0 * pulls[1] + 0.5 * pulls[2]) / 4.5),
            ("effective", 4.5 * 4.5 / (3.0 * 10.25)),
        ];
        for (name, want) in want {
            let got = column(name)[step];
            assert!((got - want).abs() < 1e-5, "step {step}, {name}: {got} {want}");
        }
        let single = pair_weights(own, &reference, &all, &Simple { beta }).expect("pairs");
        for (got, want) in single.floats("weight").expect("numbers").iter().zip(&pulls) {
            assert!((got - want).abs() < 1e-12, "step {step}: {got} {want}");
        }
        let slopes = single.floats("by_chosen").expect("numbers");
        assert!((slopes[1] + 3.0 / 4.5 * beta * pulls[1]).abs() < 1e-12, "{slopes:?}");
    }
}

/// A training that an earlier program stored has no numbers beside it: they are computed, and the training keeps its bits.
#[test]
fn what_the_store_lacks_of_a_curve_is_computed_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let (reference, _, judge) = laboratory();
    let recipe = SampledRecipe { steps: 20, batch: 8, seed: 1, ..SampledRecipe::default() };
    let online = || {
        let (ctx, loss) = (super::super::checkpoint::testing::lab_in(folder.path()), Simple { beta: 0.5 });
        let heard = super::super::checkpoint::testing::heard(&ctx);
        let found = finetune_sampled(&reference, &reference, &judge, None, Labels::Drawn, &loss, &recipe, &ctx)
            .expect("trains");
        let told = super::super::checkpoint::testing::curves_and_warnings(&heard, "policy::curve");
        assert_eq!((told.0.len(), told.1), (1, Vec::new()));
        found
    };
    let first = online();
    let store = crate::store::Store::at(folder.path());
    let of_curve = store
        .results()
        .expect("listed")
        .into_iter()
        .filter(|listed| listed.manifest.as_ref().is_ok_and(|manifest| manifest.operation == "policy::curve"));
    let keys: Vec<String> = of_curve.map(|listed| listed.key.to_hex()).collect();
    assert_eq!(keys.len(), 1);
    let mut n_gone = 0;
    for part in std::fs::read_dir(folder.path().join("keys")).expect("keys").flatten() {
        for file in std::fs::read_dir(part.path()).expect("a part").flatten() {
            if file.file_name().to_string_lossy().starts_with(&keys[0]) {
                std::fs::remove_file(file.path()).expect("gone");
                n_gone += 1;
            }
        }
    }
    assert_eq!(n_gone, 1);
    let again = online();
    assert_eq!(again.parameters(), first.parameters());
    let curve = |policy: &Policy| policy.trained().expect("left").curve.clone();
    assert!(curve(&again).table().equals(curve(&first).table()));
}

#[test]
fn a_policy_gradient_tells_of_its_samples() {
    let (policy, reference, judge) = laboratory();
    let recipe = ReinforceRecipe { steps: 1, batch: 20_000, n_samples: 2, lr: 0.0, ..ReinforceRecipe::default() };
    let found = reinforce(&policy, &reference, &judge, &recipe, &Context::for_tests()).expect("trains");
    let curve = &found.trained().expect("left").curve;
    let of = |name: &str| curve.floats(name).expect("numbers")[0];
    // Means over 40 000 samples, within five standard errors and more.
    assert!((of("log_ratio") - policy.kl(&reference).expect("one shape")).abs() < 0.05, "{}", of("log_ratio"));
    assert!((of("logprob") + policy.entropy()).abs() < 0.03, "{}", of("logprob"));
    assert_eq!(of("clipped"), 0.0);
    assert!(of("advantage") > 0.0);
}
