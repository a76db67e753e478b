//! Every loss on pairs against `tests/reference/preference_losses.json`, which `preference_losses.py` beside it made with TRL's own
//! code where TRL has the loss; by finite differences; and by what holds of all of them.

use super::*;
use crate::autograd::Tensor;
use crate::domains::preference::loss::{Needs, PairBatch, PairValue};
use serde_json::Value as Json;

const REFERENCE: &str = include_str!("../../../tests/reference/preference_losses.json");

fn numbers(case: &Json, name: &str) -> Vec<f64> {
    case[name].as_array().expect("numbers").iter().map(|number| number.as_f64().expect("a number")).collect()
}

fn engine() -> rhai::Engine {
    let mut registry = Registry::default();
    register(&mut registry);
    crate::builtins::tensor::register(&mut registry);
    crate::bind::trace::steady_names();
    let mut engine = rhai::Engine::new();
    registry.install(&mut engine, &Arc::new(crate::core::context::Context::for_tests()));
    engine
}

/// The columns of the reference's batch.
struct Columns {
    all: Vec<Vec<f64>>,
    kl: f64,
}

const NAMES: [&str; 8] =
    ["chosen", "rejected", "reference_chosen", "reference_rejected", "n_chosen", "n_rejected", "prompt", "n_prompt"];

impl Columns {
    fn read(batch: &Json) -> Columns {
        let all = NAMES.iter().map(|name| numbers(batch, name)).collect();
        Columns { all, kl: batch["kl"].as_f64().expect("a number") }
    }

    fn batch(&self) -> PairBatch<'_> {
        let [chosen, rejected, reference_chosen, reference_rejected, n_chosen, n_rejected, prompt, n_prompt] =
            [0, 1, 2, 3, 4, 5, 6, 7].map(|idx| &*self.all[idx]);
        PairBatch {
            chosen,
            rejected,
            reference_chosen,
            reference_rejected,
            n_chosen,
            n_rejected,
            prompt,
            n_prompt,
            kl: self.kl,
            ..PairBatch::default()
        }
    }
}

fn reference() -> Json {
    serde_json::from_str(REFERENCE).expect("JSON")
}

fn close(got: f64, want: f64, what: &str) {
    assert!((got - want).abs() <= 1e-12 * want.abs() + 1e-14, "{what}: {got:e} instead of {want:e}");
}

#[test]
fn every_loss_and_its_gradients_are_those_of_the_reference() {
    let engine = engine();
    let reference = reference();
    let columns = Columns::read(&reference["batch"]);
    let mut named = std::collections::BTreeSet::new();
    for case in reference["cases"].as_array().expect("cases") {
        let call = case["call"].as_str().expect("a call");
        let PreferenceLoss(loss) = engine.eval(call).unwrap_or_else(|error| panic!("{call}: {error}"));
        named.insert(loss.name());
        let got = loss.step(&columns.batch()).expect("computes");
        close(got.value, case["value"].as_f64().expect("a number"), call);
        let n = got.by_chosen.len();
        let by_prompt = if got.by_prompt.is_empty() { vec![0.0; n] } else { got.by_prompt.clone() };
        for (got, name) in [(&got.by_chosen, "chosen"), (&got.by_rejected, "rejected"), (&by_prompt, "prompt")] {
            let want = numbers(case, name);
            assert_eq!(got.len(), want.len(), "{call}: {name}");
            got.iter().zip(want).for_each(|(got, want)| close(*got, want, &format!("{call}: by {name}")));
        }
    }
    let built =
        ["bco_pair", "best_of_2", "cdpo", "dpo", "hinge", "ipo", "kto", "orpo", "robust", "simpo"].map(str::to_owned);
    assert_eq!(named.into_iter().collect::<Vec<_>>(), built, "each of them");
}

/// Every call of the reference, which has each loss and form.
fn all() -> Vec<PreferenceLoss> {
    let engine = engine();
    let reference = reference();
    let calls = reference["cases"].as_array().expect("cases").iter().map(|case| case["call"].as_str().expect("a call"));
    calls.map(|call| engine.eval(call).expect("a loss")).collect()
}

/// Three pairs where no hinge is near, with soft preferences and weights.
fn soft(chosen: &[f64], rejected: &[f64], prompt: &[f64], loss: &dyn PairLoss) -> PairValue {
    loss.step(&PairBatch {
        chosen,
        rejected,
        reference_chosen: &[-4.0, -3.0, -9.5],
        reference_rejected: &[-3.5, -3.25, -8.0],
        n_chosen: &[3.0, 2.0, 7.0],
        n_rejected: &[2.0, 5.0, 7.0],
        preference: &[0.75, 1.0, 0.125],
        weights: &[0.5, 2.0, 1.25],
        prompt,
        n_prompt: &[4.0, 1.0, 0.0],
        kl: 0.25,
        ..PairBatch::default()
    })
    .expect("computes")
}

#[test]
fn gradients_are_right_with_soft_preferences_and_weights() {
    let columns = [vec![-3.0, -4.5, -11.0], vec![-3.75, -2.5, -9.0], vec![-5.0, -2.0, 0.0]];
    for PreferenceLoss(loss) in all() {
        let got = soft(&columns[0], &columns[1], &columns[2], &*loss);
        let slopes = [got.by_chosen, got.by_rejected, got.by_prompt];
        for (which, slopes) in slopes.iter().enumerate() {
            for (pair, slope) in slopes.iter().enumerate() {
                let at = |by: f64| {
                    let mut moved = columns.clone();
                    moved[which][pair] += by;
                    soft(&moved[0], &moved[1], &moved[2], &*loss).value
                };
                // Fourth order: the error is about step⁴.
                let step = 1.0 / 1024.0;
                let numeric = (8.0 * (at(step) - at(-step)) - (at(2.0 * step) - at(-2.0 * step))) / (12.0 * step);
                let told = format!("{}: column {which}, pair {pair}: {numeric} against {slope}", loss.show());
                assert!((numeric - slope).abs() < 1e-9 * (1.0 + slope.abs()), "{told}");
            }
        }
    }
}

/// A soft preference is the expectation over drawn labels; p = 0 is the pair the other way round.
#[test]
fn a_soft_preference_mixes_both_orders() {
    let reference = reference();
    let columns = Columns::read(&reference["batch"]);
    let batch = columns.batch();
    let n = batch.n_pairs();
    for PreferenceLoss(loss) in all() {
        // The likelihood over all tokens of a batch is a ratio of sums, not a mean over pairs.
        if loss.show().contains("sequence") {
            continue;
        }
        let ask = |batch: &PairBatch, p: f64| {
            let preference = vec![p; n];
            loss.step(&PairBatch { preference: &preference, ..*batch }).expect("computes")
        };
        let other = PairBatch {
            chosen: batch.rejected,
            rejected: batch.chosen,
            reference_chosen: batch.reference_rejected,
            reference_rejected: batch.reference_chosen,
            n_chosen: batch.n_rejected,
            n_rejected: batch.n_chosen,
            ..batch
        };
        let (yes, no, mixed) = (ask(&batch, 1.0), ask(&other, 1.0), ask(&batch, 0.75));
        assert_eq!(ask(&batch, 0.0).value, no.value, "{}", loss.show());
        assert_eq!(ask(&batch, 0.0).by_chosen, no.by_rejected);
        close(mixed.value, 0.75 * yes.value + 0.25 * no.value, &loss.show());
        for pair in 0..n {
            close(mixed.pull[pair], 0.75 * yes.pull[pair] - 0.25 * no.pull[pair], &loss.show());
        }
        // A weight of 2 is a pair that is there twice.
        let weights: Vec<f64> = (0..n).map(|idx| if idx == 1 { 2.0 } else { 1.0 }).collect();
        let weighted = loss.step(&PairBatch { weights: &weights, ..batch }).expect("computes");
        let twice = |column: &[f64]| [column, &column[1..2]].concat();
        let doubled: Vec<Vec<f64>> = columns.all.iter().map(|column| twice(column)).collect();
        let doubled = Columns { all: doubled, kl: columns.kl };
        close(weighted.value, loss.step(&doubled.batch()).expect("computes").value, &loss.show());
    }
}

/// The weight of DPO is σ(−βΔ), and where a loss is one of a margin β·Δ its gradient is β times the weight.
#[test]
fn weights_are_the_slope_by_the_margin() {
    let columns = Columns::read(&reference()["batch"]);
    let batch = columns.batch();
    let n = batch.n_pairs() as f64;
    for (PreferenceLoss(loss), beta) in all().into_iter().zip([0.1, 1.5]) {
        let got = loss.step(&batch).expect("computes");
        for pair in 0..batch.n_pairs() {
            let delta = batch.pair(pair).delta();
            close(got.pull[pair], 1.0 / (1.0 + (beta * delta).exp()), "σ(−βΔ)");
            close(got.by_chosen[pair], -beta * got.pull[pair] / n, "the gradient");
        }
    }
}

#[test]
fn enormous_log_ratios_stay_finite() {
    let (far, flat) = ([-1e5, -1.0, -1e-9], [-1.0, -1.0, -1.0]);
    for PreferenceLoss(loss) in all() {
        for (chosen, rejected) in [(far, flat), (flat, far)] {
            let batch = PairBatch {
                chosen: &chosen,
                rejected: &rejected,
                reference_chosen: &flat,
                reference_rejected: &flat,
                kl: 1e6,
                ..PairBatch::default()
            };
            let got = loss.step(&batch).unwrap_or_else(|error| panic!("{}: {error}", loss.show()));
            let all = got.by_chosen.iter().chain(&got.by_rejected).chain(&got.pull);
            assert!(
                got.value.is_finite() && all.into_iter().all(|slope| slope.is_finite()),
                "{}: {got:?}",
                loss.show()
            );
        }
    }
}

#[test]
fn bad_batches_are_refused_with_column_and_pair() {
    let dpo = dpo::Dpo::new(0.1).expect("valid");
    let one: &[f64] = &[-1.0];
    let good = PairBatch {
        chosen: one,
        rejected: one,
        reference_chosen: one,
        reference_rejected: one,
        ..PairBatch::default()
    };
    let why = |batch: PairBatch| dpo.step(&batch).expect_err("refused").to_string();
    assert_eq!(why(PairBatch { rejected: &[], ..good }), "`rejected` has 0 numbers, `chosen` has 1");
    assert_eq!(why(PairBatch { chosen: &[f64::NAN], ..good }), "`chosen` of pair 0 is `NaN`, not a finite number");
    assert_eq!(
        why(PairBatch { reference_chosen: &[f64::NEG_INFINITY], ..good }),
        "`reference_chosen` of pair 0 is `-inf`, not a finite number"
    );
    assert_eq!(why(PairBatch { reference_chosen: &[], ..good }), "`reference_chosen` has 0 numbers, `chosen` has 1");
    assert_eq!(why(PairBatch { n_chosen: &[2.0], ..good }), "`n_rejected` has 0 numbers, `chosen` has 1");
    assert_eq!(why(PairBatch { preference: &[1.5], ..good }), "`preference` of pair 0 is `1.5`, not from 0 to 1");
    assert_eq!(why(PairBatch { weights: &[0.0], ..good }), "all weights of the batch are 0");
    assert!(
        why(PairBatch { reference_chosen: &[], reference_rejected: &[], ..good }).contains("compares with a reference")
    );
    assert_eq!(why(PairBatch::default()), "a batch has at least one pair");
    let kto = kto::Kto::new(0.1, 1.0, 1.0).expect("valid");
    let no_kl = kto.step(&PairBatch { kl: f64::NAN, ..good }).expect_err("refused").to_string();
    assert_eq!(no_kl, "`kto` needs an estimate of the KL divergence, and the batch has no `kl`");
    assert_eq!(kto.needs(), Needs { reference: true, kl: true, prompt: false });
    let orpo = orpo::Orpo::new(0.1, "response").expect("valid");
    assert!(orpo.step(&PairBatch { chosen: &[0.0], ..good }).expect_err("refused").to_string().contains("not below 0"));
}

/// A loss that is applied in a script has the number and the gradient of the loss.
#[test]
fn a_loss_that_is_applied_is_the_loss() {
    let engine = engine();
    let columns = Columns::read(&reference()["batch"]);
    let mut scope = rhai::Scope::new();
    let tensors: Vec<Tensor> =
        columns.all.iter().map(|column| Tensor::variable(column.clone(), 1).expect("a tensor")).collect();
    for (name, tensor) in NAMES.iter().zip(&tensors) {
        scope.push(*name, tensor.clone());
    }
    let fields: Vec<String> = NAMES.iter().map(|name| format!("{name}: {name}")).collect();
    for call in ["preference::dpo()", "preference::orpo()", "preference::kto()"] {
        let source = format!("{call}.apply(#{{ {}, kl: {} }})", fields.join(", "), columns.kl);
        let applied = engine.eval_with_scope::<Tensor>(&mut scope, &source).unwrap_or_else(|error| panic!("{error}"));
        let PreferenceLoss(loss) = engine.eval(call).expect("a loss");
        let want = loss.step(&columns.batch()).expect("computes");
        assert_eq!(applied.one().expect("one"), want.value);
        let slope = |of: usize| applied.gradient(&tensors[of]).expect("differentiable").unwrap_or_default();
        assert_eq!((slope(0), slope(1), slope(6)), (want.by_chosen, want.by_rejected, want.by_prompt), "{call}");
    }
}
