//! The scalar head: its gradients, the likelihood that it is trained by, and what swapping or shifting scores may change.

use super::super::checkpoint::testing::{curves_and_warnings, heard};
use super::super::device::{OnDevice, Over};
use super::super::job::{Hold, Learner, Own, Pass, Whole};
use super::super::{CrossEntropy, HeadStart, Lora, Loss, LossBatch, Recipe, finetune, label, logits, predict, score};
use super::Several;
use crate::core::context::{Access, Context};
use crate::core::random::Random;
use crate::data::tests::{prompt, rows};
use crate::data::{Data, Input, Row, Source, Target};
use crate::frames::Frame;
use crate::kernels::Precision;
use crate::kernels::optim::AdamWOptions;
use crate::models::testing::{tiny, tiny_bert, tiny_llama, tiny_mpnet};
use crate::models::{HeadKind, Model};
use std::sync::Arc;

/// Prompts of three words with continuations of two or three; the one with `w0` is preferred. `swapped`: in the other order.
fn pairs(n: usize, swapped: bool) -> (Data, Frame) {
    let mut random = Random::new(5, "pairs");
    let (mut inputs, mut truth) = (Vec::new(), Vec::new());
    for idx in 0..n {
        let mut words = |n: usize| (0..n).map(|_| format!("w{}", 1 + random.below(19))).collect::<Vec<_>>().join(" ");
        let text = words(3);
        let mut continuations = vec![format!(" {} w0 .", words(1)), format!(" {} .", words(2))];
        let chosen = idx % 2;
        if (chosen == 1) != swapped {
            continuations.swap(0, 1);
        }
        let first = u8::from((chosen == 0) != swapped);
        truth.extend([f32::from(first), f32::from(1 - first)]);
        let continuations: Vec<&str> = continuations.iter().map(String::as_str).collect();
        inputs.push(prompt(&text, &continuations));
    }
    let target = Target::Preference { truth: Some(truth) };
    let data = Data::new(Arc::new(Source::with_target("pairs", rows(inputs), target).expect("valid")));
    let labels = data.truth(&Context::for_tests(), "test", "a test").expect("known");
    (data, labels)
}

fn on_device(device: &str) -> Context {
    let mut settings = Context::for_tests().settings;
    settings.device = device.to_owned();
    Context::new(settings, Access::default())
}

fn recipe() -> Recipe {
    Recipe { epochs: Some(8), batch: Some(8), lr: Some(1e-2), ..Recipe::default() }
}

fn trained(model: &Model, recipe: &Recipe, device: &str) -> Model {
    let (data, labels) = pairs(80, false);
    finetune(model, &data, &labels, &CrossEntropy, recipe, &on_device(device)).expect("trains")
}

fn scores(model: &Model, data: &Data) -> Vec<f64> {
    score(model, data, Precision::F32, &Context::for_tests()).expect("scores").floats("score").expect("numbers")
}

/// The loss of all rows and its gradient, through the learner that training uses. Adam's first moment after one step from
/// zero is `(1 − β₁)` times the gradient.
fn loss_and_gradient(learner: &mut dyn Learner, data: &Data, weak: &[f32]) -> (f64, Vec<f32>) {
    let rows: Vec<u32> = (0..data.len() as u32).collect();
    let mut several = Several::new(learner, data.n_sequences());
    several.prepare(Some(0)).expect("ready");
    let mut logits = Vec::new();
    several.logits(&rows, Hold::First, &mut logits).expect("logits");
    let batch = LossBatch { logits: &logits, weak, n_classes: 2, at: Default::default() };
    let found = CrossEntropy.step(&batch).expect("a loss");
    several.gradient(&found.gradient).expect("a gradient");
    several.weights().step(0.0, None).expect("a step");
    let [first, _] = several.weights().moments().expect("moments");
    let scale = 1.0 - AdamWOptions::default().beta1 as f32;
    (found.value, first.iter().map(|m| m / scale).collect())
}

#[test]
fn gradients_of_the_scalar_head_are_those_of_finite_differences() {
    let (data, _) = pairs(6, false);
    let weak: Vec<f32> = [0.9, 0.1, 0.25, 0.75, 1.0, 0.0].repeat(2);
    let device = candle_core::Device::Cpu;
    for model in [tiny(1), tiny_bert(1), tiny_llama(1)] {
        let ctx = Context::for_tests();
        let packed = model.encode(&data, &ctx).expect("encodes");
        assert_eq!(packed.n_rows(), 12);
        let (arch, layout) = (&model.inner.arch, &model.inner.params.layout);
        let mut random = Random::new(2, "head");
        let head: Vec<f32> = (0..arch.width()).map(|_| random.normal() as f32).collect();
        let params = [&model.inner.params.values[..], &head].concat();
        let own = |params: Vec<f32>| {
            let pass = Pass::new(arch, &packed, head.len(), false);
            let mut learner = Own::new(Whole { pass, layout }, params, AdamWOptions::default());
            loss_and_gradient(&mut learner, &data, &weak)
        };
        let (_, gradient) = own(params.clone());
        let over = Over { arch, layout, packed: &packed, base: &[], adapters: None, recompute: false };
        let mut learner =
            OnDevice::over(over, &params, 1, AdamWOptions::default(), &device, &ctx.interrupt).expect("fits");
        let (_, on_candle) = loss_and_gradient(&mut learner, &data, &weak);
        assert_eq!(gradient.len(), on_candle.len());
        // Numbers of the head, and some of every kind of the trunk's, the largest gradient among them.
        let largest =
            (0..layout.n_params).max_by(|a, b| gradient[*a].abs().total_cmp(&gradient[*b].abs())).expect("some");
        let of_trunk = layout.entries.iter().map(|entry| entry.offset + entry.shape.iter().product::<usize>() / 2);
        let of_head = layout.n_params..layout.n_params + head.len();
        for at in of_trunk.chain([largest]).chain(of_head) {
            let step = 1e-2;
            let moved = |by: f32| {
                let mut moved = params.clone();
                moved[at] += by;
                own(moved).0
            };
            let slope = (moved(step) - moved(-step)) / f64::from(2.0 * step);
            let off = |found: f32| (slope - f64::from(found)).abs() / (1e-3 + slope.abs());
            let name = &model.inner.name;
            assert!(
                off(gradient[at]) < 0.05 || (slope - f64::from(gradient[at])).abs() < 2e-4,
                "{name} {at}: {slope} {}",
                gradient[at]
            );
            assert!(
                off(on_candle[at]) < 0.05 || (slope - f64::from(on_candle[at])).abs() < 2e-4,
                "{name} {at}: {slope} {}",
                on_candle[at]
            );
        }
        let head_slope = gradient[layout.n_params..].iter().map(|g| g.abs()).fold(0.0, f32::max);
        assert!(head_slope > 1e-2 && gradient[largest].abs() > 1e-2, "something is tested");
        let apart = gradient.iter().zip(&on_candle).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(apart < 1e-5, "{apart}");
    }
}

/// Reference: Bradley and Terry's negative log likelihood, in double precision by Python's `math`.
///
/// ```python
/// import math
/// sigma = lambda x: 1 / (1 + math.exp(-x))
/// r = [[.5, -.25], [-1.5, 2.], [.125, .125], [3., 0.]]; p = [[1., 0.], [1., 0.], [.25, .75], [.9, .1]]
/// sum(-(b[0] * math.log(sigma(a[0] - a[1])) + b[1] * math.log(sigma(a[1] - a[0]))) for a, b in zip(r, p)) / 4
/// [(sigma(a[0] - a[1]) - b[0]) / 4 for a, b in zip(r, p)]
/// ```
#[test]
fn cross_entropy_on_scores_is_the_likelihood_of_bradley_and_terry() {
    let scores = [0.5, -0.25, -1.5, 2.0, 0.125, 0.125, 3.0, 0.0];
    let weak = [1.0, 0.0, 1.0, 0.0, 0.25, 0.75, 0.9, 0.1];
    let ask = |logits: &[f32], weak: &[f32]| {
        CrossEntropy.step(&LossBatch { logits, weak, n_classes: 2, at: Default::default() }).expect("a loss")
    };
    let found = ask(&scores, &weak);
    assert!((found.value - 1.239_588_989_130_301_8).abs() < 1e-7, "{}", found.value);
    for (row, expected) in found.gradient.chunks(2).zip([
        -0.080_205_325_206_151_76,
        -0.242_671_942_312_160_9,
        0.0625,
        0.013_143_531_705_608_336,
    ]) {
        assert!((f64::from(row[0]) - expected).abs() < 1e-7 && row[1] == -row[0], "{row:?} {expected}");
    }
    // The same number added to both scores of a row changes nothing beyond rounding; these sums are exact.
    for shift in [0.5f32, -8.0, 1024.0] {
        let shifted = scores.map(|score| score + shift);
        assert_eq!(ask(&shifted, &weak), found);
    }
    // A sure and right preference costs nothing, a sure and wrong one its margin.
    let extreme = |label: [f32; 2]| ask(&[200.0, -200.0], &label).value;
    assert_eq!(extreme([1.0, 0.0]), 0.0);
    assert!((extreme([0.0, 1.0]) - 400.0).abs() < 1e-4);
}

#[test]
fn preferences_are_learned_and_predicted() {
    let (data, labels) = pairs(80, false);
    for model in [tiny(0), tiny_bert(0), tiny_mpnet(0), tiny_llama(0)] {
        let student = trained(&model, &recipe(), "cpu");
        let head = student.inner.head.as_ref().expect("a head");
        assert_eq!((head.kind, head.n_classes, head.weight.len()), (HeadKind::Scalar, 1, 16));
        let ctx = Context::for_tests();
        let predicted = predict(&student, &data, Precision::F32, &ctx).expect("predicts");
        let (found, truth) = (predicted.classes("prediction").expect("there"), labels.classes("label").expect("there"));
        let right = found.values.iter().zip(&truth.values).filter(|(a, b)| a == b).count();
        assert!(right > 72, "{}: {right} of 80", model.inner.name);
        let scores = scores(&student, &data);
        assert_eq!(scores.len(), 160);
        for (row, p) in scores.chunks(2).zip(predicted.floats("p1").expect("numbers")) {
            assert!((1.0 / (1.0 + (row[0] - row[1]).exp()) - p).abs() < 1e-6);
        }
        let (z, n) = logits(&student, &data, Precision::F32, &ctx).expect("logits");
        assert_eq!((n, z.iter().map(|z| f64::from(*z)).collect::<Vec<_>>()), (2, scores));
        // It survives its files.
        let files = student.to_bytes(crate::models::Precision::F32).expect("serialises");
        let back = Model::from_bytes(None, &files.config, &files.weights, &files.tokenizer).expect("reads");
        assert_eq!(self::scores(&back, &data), self::scores(&student, &data));
        assert!(back.show().contains("head that scores"), "{}", back.show());
    }
}

#[test]
fn every_way_of_training_takes_a_scalar_head_on_every_engine() {
    let plain = Recipe { epochs: Some(2), batch: Some(8), lr: Some(3e-3), ..Recipe::default() };
    let lora = Some(Lora { rank: 3, alpha: 6.0 });
    let recipes = [
        plain.clone(),
        Recipe { accumulate: 3, bucket: 2, ..plain.clone() },
        Recipe { recompute: true, ..plain.clone() },
        Recipe { lora, ..plain.clone() },
        Recipe { linear_probe: true, lr: Some(0.05), ..plain.clone() },
    ];
    let numbers = |model: &Model| {
        let head = model.inner.head.iter().flat_map(|head| head.weight.iter());
        model.inner.params.values.iter().chain(head).copied().collect::<Vec<f32>>()
    };
    for model in [tiny(0), tiny_bert(0)] {
        for recipe in &recipes {
            let [own, other] = ["cpu", "candle"].map(|device| numbers(&trained(&model, recipe, device)));
            assert_eq!(own.len(), model.inner.params.values.len() + 16);
            let apart = own.iter().zip(&other).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(apart < 2e-4, "{recipe:?}: {apart}");
            assert!(own.iter().rev().take(16).any(|w| w.abs() > 1e-4), "{recipe:?}: the head was trained");
        }
    }
}

#[test]
fn swapping_the_continuations_negates_every_margin_bit_for_bit() {
    let ((data, _), (swapped, _)) = (pairs(80, false), pairs(80, true));
    let margins = |model: &Model, data: &Data| {
        let scores = scores(model, data);
        scores.chunks(2).map(|row| row[0] - row[1]).collect::<Vec<f64>>()
    };
    for model in [tiny(0), tiny_bert(0), tiny_llama(0)] {
        let student = trained(&model, &recipe(), "cpu");
        let (one, two) = (margins(&student, &data), margins(&student, &swapped));
        assert!(one.iter().any(|margin| margin.abs() > 0.5));
        assert!(one.iter().zip(&two).all(|(a, b)| a.to_bits() == (-b).to_bits()), "{}", model.inner.name);
        let ctx = Context::for_tests();
        let p =
            |data: &Data, column| label(&student, data, false, Precision::F32, &ctx).expect("labels").floats(column);
        assert_eq!(p(&data, "p0").expect("numbers"), p(&swapped, "p1").expect("numbers"));
    }
}

#[test]
fn heads_answer_only_what_they_were_trained_for() {
    let (data, labels) = pairs(20, false);
    let (texts, of_texts) = super::super::finetune::tests::task(20, 0);
    let ctx = Context::for_tests();
    let once = Recipe { steps: Some(1), ..Recipe::default() };
    let scalar = finetune(&tiny(0), &data, &labels, &CrossEntropy, &once, &ctx).expect("trains");
    let class = finetune(&tiny(0), &texts, &of_texts, &CrossEntropy, &once, &ctx).expect("trains");
    let why =
        |model: &Model, data: &Data| predict(model, data, Precision::F32, &ctx).err().expect("refused").to_string();
    assert_eq!(why(&scalar, &texts), "the model `tiny` has a head that scores, and `toy` asks for classes");
    assert_eq!(why(&class, &data), "the model `tiny` has a head that classifies, and `pairs` asks for preferences");
    assert!(
        score(&class, &data, Precision::F32, &ctx).is_err() && score(&tiny(0), &data, Precision::F32, &ctx).is_err()
    );
    assert_eq!(scores(&scalar, &texts).len(), 20, "a score for each text");
    let keep = Recipe { head: HeadStart::Keep, ..once.clone() };
    let kept = |model: &Model| finetune(model, &data, &labels, &CrossEntropy, &keep, &ctx);
    assert!(kept(&scalar).is_ok());
    let refused = kept(&class).err().expect("refused").to_string();
    assert_eq!(refused, "`head` is \"keep\", but the model's head classifies, and the data asks for preferences");
    let none =
        Data::new(Arc::new(Source::with_target("bare", data.source().rows.clone(), Target::None).expect("valid")));
    let refused = finetune(&tiny(0), &none, &labels, &CrossEntropy, &once, &ctx).err().expect("refused").to_string();
    assert_eq!(refused, "`bare` asks for nothing, which no head of a model answers");
    assert_eq!(scores(&scalar, &none), scores(&scalar, &data), "scores need no question");
    let features = Row { input: Input::Features([1.0, 2.0].into()), ..data.rows().next().expect("a row").clone() };
    let classes = Target::Classes { names: vec!["no".into(), "yes".into()], truth: None };
    let features = Data::new(Arc::new(Source::with_target("numbers", vec![features], classes).expect("valid")));
    assert_eq!(
        why(&class, &features),
        "the model `tiny` reads text, tokens and prompts, and rows of `numbers` hold features"
    );
}

#[test]
fn what_a_model_cannot_tell_apart_is_said() {
    let (data, labels) = pairs(20, false);
    let ctx = Context::for_tests();
    let told = heard(&ctx);
    let short = tiny(0).with_max_tokens(1).expect("short");
    finetune(&short, &data, &labels, &CrossEntropy, &Recipe { steps: Some(1), ..Recipe::default() }, &ctx)
        .expect("trains");
    let (_, warnings) = curves_and_warnings(&told, "finetune");
    assert!(warnings.iter().any(|said| said.contains("cut to their last 1 tokens")), "{warnings:?}");
    assert!(
        warnings.iter().any(|said| said.starts_with("in 20 of 20 rows `tiny` reads the same tokens")),
        "{warnings:?}"
    );
}
