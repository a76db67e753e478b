//! Every built-in loss against `tests/reference/losses.json`, which `losses.py` beside it made.

use super::*;
use crate::train::{At, LossBatch};
use serde_json::Value as Json;

const REFERENCE: &str = include_str!("../../../tests/reference/losses.json");

fn numbers(case: &Json, name: &str) -> Vec<f64> {
    case[name].as_array().expect("numbers").iter().map(|number| number.as_f64().expect("a number")).collect()
}

fn singles(case: &Json, name: &str) -> Vec<f32> {
    numbers(case, name).into_iter().map(|number| number as f32).collect()
}

fn engine() -> rhai::Engine {
    let mut registry = Registry::default();
    register(&mut registry);
    crate::bind::trace::steady_names();
    let mut engine = rhai::Engine::new();
    registry.install(&mut engine, &Arc::new(crate::core::context::Context::for_tests()));
    engine
}

#[test]
fn every_loss_and_its_gradient_are_those_of_the_reference() {
    let engine = engine();
    let cases: Vec<Json> = serde_json::from_str(REFERENCE).expect("JSON");
    let mut named = std::collections::BTreeSet::new();
    for case in &cases {
        let call = case["call"].as_str().expect("a call");
        let Loss(loss) = engine.eval::<Loss>(call).unwrap_or_else(|error| panic!("{call}: {error}"));
        named.insert(loss.name());
        let (logits, weak, earlier) = (singles(case, "logits"), singles(case, "weak"), singles(case, "earlier"));
        let n_classes = case["n_classes"].as_u64().expect("classes") as usize;
        let number = |name: &str| case[name].as_u64().expect("a number") as usize;
        let at = At { step: number("step"), steps: number("steps"), earlier: &earlier, ..At::default() };
        let got = loss.step(&LossBatch { logits: &logits, weak: &weak, n_classes, at }).expect("computes");
        let (value, gradient) = (case["value"].as_f64().expect("a number"), numbers(case, "gradient"));
        // Balanced labels are rounded to singles.
        let [of_value, of_slope] = if call.contains("balance") { [1e-7, 2e-8] } else { [1e-9, 1e-9] };
        assert!((got.value - value).abs() < of_value, "{call}: {} instead of {value}", got.value);
        assert_eq!(got.gradient.len(), gradient.len());
        for (got, want) in got.gradient.iter().zip(gradient) {
            // Singles: half of a last place, and a little for what cancels.
            assert!((f64::from(*got) - want).abs() < 6e-8 * want.abs() + of_slope, "{call}: {got} instead of {want}");
        }
    }
    let built: Vec<&str> = ["adapt_conf", "bootstrap_hard", "bootstrap_soft", "cace", "confidence", "cross_entropy"]
        .into_iter()
        .chain(["entropy", "gce", "product", "reverse_kl", "symmetric", "window"])
        .collect();
    assert_eq!(named.iter().map(String::as_str).collect::<Vec<_>>(), built, "each of them");
}

/// A closure that calls a built-in gets what the built-in gives.
#[test]
fn a_loss_that_is_applied_is_the_loss() {
    use crate::autograd::Tensor;
    let engine = engine();
    let z = Tensor::variable(vec![0.0, 40.0, 0.0, 60.0, 0.5, -0.25], 2).expect("a tensor");
    let w = Tensor::new(vec![0.75, 0.25, 0.5, 0.5, 0.0, 1.0], 2).expect("a tensor");
    let mut scope = rhai::Scope::new();
    scope.push("z", z.clone()).push("w", w);
    let at = "#{ step: 3, steps: 10, epoch: 0, weights: () }";
    let applied = engine
        .eval_with_scope::<Tensor>(&mut scope, &format!("loss::confidence(#{{ warmup: 0.0 }}).apply(z, w, {at})"))
        .unwrap_or_else(|error| panic!("{error}"));
    let Loss(loss) = engine.eval::<Loss>("loss::confidence(#{ warmup: 0.0 })").expect("a loss");
    let at = At { step: 3, steps: 10, ..At::default() };
    let (logits, weak) = ([0.0, 40.0, 0.0, 60.0, 0.5, -0.25], [0.75, 0.25, 0.5, 0.5, 0.0, 1.0]);
    let want = loss.step(&LossBatch { logits: &logits, weak: &weak, n_classes: 2, at }).expect("computes");
    assert_eq!(applied.one().expect("one"), want.value);
    let gradient = applied.gradient(&z).expect("differentiable").expect("depends on it");
    assert_eq!(gradient.iter().map(|g| *g as f32).collect::<Vec<_>>(), want.gradient);
}
