//! Every tensor operation: its gradient by finite differences, or the proof that it is a constant.

use std::collections::BTreeSet;
use std::sync::Arc;
use w2s::autograd::{Axis, Tensor};
use w2s::bind::{Kind, Registry};
use w2s::core::context::Context;
use w2s::lang::Session;

/// Every operation through which a gradient flows, by the path of its record, with a call of the variable `t` (3 × 2,
/// away from ties and kinks) and the constant `o` (3 × 2, positive).
const DIFFERENTIABLE: &[(&str, &str)] = &[
    ("Tensor +", "t + o"),
    ("Tensor +", "o + t"),
    ("Tensor +", "t + t * t"),
    ("Tensor +", "t + o.column(0)"),
    ("Tensor +", "t.column(0) + o"),
    ("Tensor +", "2 + t"),
    ("Tensor +", "0.5 + t"),
    ("Tensor -", "t - o"),
    ("Tensor -", "o - t.row(1)"),
    ("Tensor -", "1 - t"),
    ("Tensor -", "0.5 - t"),
    ("Tensor -", "-t"),
    ("Tensor *", "t * o"),
    ("Tensor *", "t * t"),
    ("Tensor *", "t.sum() * o"),
    ("Tensor *", "3 * t"),
    ("Tensor *", "0.5 * t"),
    ("Tensor /", "t / o"),
    ("Tensor /", "o / (t * t + 1)"),
    ("Tensor /", "1 / (t * t + 1)"),
    ("Tensor /", "0.5 / (t * t + 1)"),
    ("Tensor.maximum", "t.maximum(0.1)"),
    ("Tensor.maximum", "t.maximum(o)"),
    ("Tensor.minimum", "t.minimum(0.1)"),
    ("Tensor.exp", "t.exp()"),
    ("Tensor.log", "(t * t + 0.5).log()"),
    ("Tensor.sqrt", "(t * t + 0.5).sqrt()"),
    ("Tensor.abs", "t.abs()"),
    ("Tensor.tanh", "t.tanh()"),
    ("Tensor.sigmoid", "t.sigmoid()"),
    ("Tensor.log_sigmoid", "t.log_sigmoid()"),
    ("Tensor.relu", "t.relu()"),
    ("Tensor.pow", "t.pow(3)"),
    ("Tensor.pow", "t.pow(2) + t.pow(1) + t.pow(0)"),
    ("Tensor.pow", "o.pow(0.5) * t.abs().pow(1.5)"),
    ("Tensor.clamp", "t.clamp(-0.5, 1.0)"),
    ("Tensor.sum", "t.sum() * o"),
    ("Tensor.sum", "t.sum(0) * o"),
    ("Tensor.sum", "t.sum(1) * o"),
    ("Tensor.mean", "t.mean() * o"),
    ("Tensor.mean", "t.mean(0) * o"),
    ("Tensor.mean", "t.mean(1) * o"),
    ("Tensor.max", "t.max() * o"),
    ("Tensor.max", "t.max(0) * o"),
    ("Tensor.max", "t.max(1) * o"),
    ("Tensor.min", "t.min() * o"),
    ("Tensor.min", "t.min(1) * o"),
    ("Tensor.softmax", "t.softmax()"),
    ("Tensor.log_softmax", "t.log_softmax()"),
    ("Tensor.cross_entropy", "t.cross_entropy(o)"),
    ("Tensor.cross_entropy", "t.cross_entropy(t.softmax())"),
    ("Tensor.cross_entropy_rows", "t.cross_entropy_rows(o)"),
    ("Tensor.entropy", "t.entropy()"),
    ("Tensor.entropy_rows", "t.entropy_rows()"),
    ("Tensor.kl", "t.kl(o)"),
    ("Tensor.kl", "o.kl(t.softmax())"),
    ("Tensor.kl_rows", "t.kl_rows(o)"),
    ("Tensor.transpose", "t.transpose() * o.transpose()"),
    ("Tensor.column", "t.column(1)"),
    ("Tensor.column", "t.column(-1) * o"),
    ("Tensor.row", "t.row(1)"),
    ("tensor::where", "tensor::where(o.greater(0.4), t, t * t)"),
    ("tensor::where", "tensor::where(t.greater(0.1), t, 0)"),
];

/// Operations whose answer is a constant, or no tensor.
const CONSTANT: &[(&str, &str)] = &[
    ("tensor::of", "tensor::of([1, 2])"),
    ("tensor::full", "tensor::full(3, 2, 0.5)"),
    ("tensor::one_hot", "tensor::one_hot([0, 1, 1], 2)"),
    ("Tensor.detach", "t.detach()"),
    ("Tensor.hard", "t.hard()"),
    ("Tensor.argmax", "t.argmax()"),
    ("Tensor.median", "t.median()"),
    ("Tensor.quantile", "t.quantile(0.3)"),
    ("Tensor.greater", "t.greater(0.1)"),
    ("Tensor.greater_equal", "t.greater_equal(0.1)"),
    ("Tensor.less", "t.less(0.1)"),
    ("Tensor.less_equal", "t.less_equal(0.1)"),
    ("Tensor.to_array", ""),
    ("Tensor.to_float", ""),
    ("Tensor.shape", ""),
];

const T: [f64; 6] = [0.7, -0.4, 1.3, 0.2, -1.1, 0.45];
const O: [f64; 6] = [0.5, 0.5, 0.25, 0.75, 0.9, 0.1];

/// The value of `code` times fixed weights, summed, and its gradient by `t`.
fn weighted(session: &mut Session, code: &str, t: &[f64]) -> (f64, Option<Vec<f64>>) {
    let variable = Tensor::variable(t.to_vec(), 2).expect("valid");
    session.scope.clear();
    session.scope.push("t", variable.clone());
    session.scope.push("o", Tensor::new(O.to_vec(), 2).expect("valid"));
    let found = session.eval(code).unwrap_or_else(|error| panic!("{code}: {error}")).cast::<Tensor>();
    let [rows, columns] = found.shape();
    let weights = (0..rows * columns).map(|i| 0.3 + 0.17 * i as f64).collect();
    let weights = Tensor::new(weights, columns).expect("valid");
    let sum = found.mul(&weights).expect("fits").sum(Axis::All).expect("sums");
    (sum.one().expect("one number"), sum.gradient(&variable).expect("differentiates"))
}

#[test]
fn every_gradient_agrees_with_finite_differences() {
    let mut session = Session::new(Arc::new(Context::for_tests()));
    for (_, code) in DIFFERENTIABLE {
        let (_, gradient) = weighted(&mut session, code, &T);
        let gradient = gradient.unwrap_or_else(|| panic!("{code} cuts the gradient"));
        for (idx, analytic) in gradient.iter().enumerate() {
            let mut at = |shift: f64| {
                let mut moved = T;
                moved[idx] += shift;
                weighted(&mut session, code, &moved).0
            };
            let h = 1e-4;
            let numeric = (8.0 * (at(h) - at(-h)) - (at(2.0 * h) - at(-2.0 * h))) / (12.0 * h);
            assert!((numeric - analytic).abs() < 1e-8, "{code}, number {idx}: numeric {numeric}, analytic {analytic}");
        }
    }
}

#[test]
fn constants_carry_no_gradient() {
    let mut session = Session::new(Arc::new(Context::for_tests()));
    for (_, code) in CONSTANT.iter().filter(|(_, code)| !code.is_empty()) {
        assert_eq!(weighted(&mut session, code, &T).1, None, "{code}");
    }
}

#[test]
fn every_operation_is_in_one_of_the_tables() {
    let mut registry = Registry::default();
    w2s::builtins::tensor::register(&mut registry);
    let there: BTreeSet<String> = registry.functions.iter().map(|function| function.path()).collect();
    let listed: BTreeSet<String> = DIFFERENTIABLE.iter().chain(CONSTANT).map(|(path, _)| (*path).to_owned()).collect();
    assert_eq!(there, listed);
    let differentiable: BTreeSet<&str> = DIFFERENTIABLE.iter().map(|(path, _)| *path).collect();
    assert!(CONSTANT.iter().all(|(path, _)| !differentiable.contains(path)));
    for function in &registry.functions {
        assert!(!function.examples.is_empty(), "{} has no example", function.path());
        assert!(function.kind == Kind::Getter || !function.returns.is_empty());
    }
}
