//! Trainings and labels by candle's operations against those of the own kernels: on the CPU, and where the build knows a
//! graphics processor and the machine has one, there as well.

use super::super::checkpoint::testing::{first_done, heard, lab_in, on, state_file, stop_at};
use super::super::finetune::tests::task;
use super::super::job::{Hold, Learner};
use super::super::{
    CrossEntropy, HeadStart, Lora, PretrainOptions, Recipe, finetune, label, language_loss, logits, predict, pretrain,
};
use super::{Held, OnDevice, Over};
use crate::core::context::{Access, Context, Event, Found};
use crate::domains::world::{World, WorldOptions};
use crate::frames::Frame;
use crate::kernels::Precision;
use crate::kernels::optim::AdamWOptions;
use crate::models::candle::present;
use crate::models::testing::{tiny, tiny_bert, tiny_llama, tiny_mpnet};
use crate::models::{Model, Size};
use std::sync::atomic::{AtomicU32, Ordering};

/// A context on a device, without a store.
fn lab_on(device: &str) -> Context {
    lab_like(Context::for_tests(), device)
}

fn lab_like(ctx: Context, device: &str) -> Context {
    let mut settings = ctx.settings;
    settings.device = device.to_owned();
    Context::new(settings, Access::default())
}

/// Everything that was trained.
fn numbers(model: &Model) -> Vec<f32> {
    let head = model.inner.head.iter().flat_map(|head| head.weight.iter());
    model.inner.params.values.iter().chain(head).copied().collect()
}

fn greatest_difference(one: &[f32], other: &[f32]) -> f32 {
    assert_eq!(one.len(), other.len());
    one.iter().zip(other).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

#[test]
fn every_option_of_finetuning_comes_to_what_the_own_kernels_come_to() {
    let (data, labels) = task(48, 0);
    let plain = Recipe { epochs: Some(2), lr: Some(3e-3), batch: Some(8), ..Recipe::default() };
    let lora = Some(Lora { rank: 3, alpha: 6.0 });
    let recipes = [
        ("plain", plain.clone()),
        ("decay and clipping", Recipe { weight_decay: 0.1, clip: 0.1, ..plain.clone() }),
        ("no clipping", Recipe { clip: 0.0, ..plain.clone() }),
        ("accumulation", Recipe { accumulate: 3, ..plain.clone() }),
        ("recomputation", Recipe { recompute: true, ..plain.clone() }),
        ("adapters", Recipe { lora, ..plain.clone() }),
        ("adapters in parts", Recipe { lora, accumulate: 2, recompute: true, weight_decay: 0.05, ..plain.clone() }),
        ("dropout", Recipe { dropout: 0.2, ..plain.clone() }),
        ("dropout in parts", Recipe { dropout: 0.2, lora, accumulate: 2, recompute: true, ..plain.clone() }),
        ("an average", Recipe { ema: 0.9, ..plain.clone() }),
        ("a head alone", Recipe { linear_probe: true, lr: Some(0.05), ..plain.clone() }),
    ];
    for model in [tiny(0), tiny_bert(0), tiny_mpnet(0), tiny_llama(0)] {
        for (what, recipe) in &recipes {
            let train = |device| finetune(&model, &data, &labels, &CrossEntropy, recipe, &lab_on(device)).expect(what);
            let own = train("cpu");
            let moved =
                greatest_difference(&numbers(&own)[..model.inner.params.values.len()], &model.inner.params.values);
            assert!(moved > 1e-3 || *what == "a head alone", "{what}: {moved}");
            for (device, _) in present() {
                let other = train(device);
                assert_eq!(own.inner.digest, other.inner.digest, "a derivation names no device");
                let apart = greatest_difference(&numbers(&own), &numbers(&other));
                assert!(apart < 2e-4, "{} {what} on {device}: {apart} apart", model.inner.name);
                // A head that is kept goes on from where it was.
                let steps = Some(1);
                let again = Recipe { head: HeadStart::Keep, steps, epochs: None, lr: Some(0.0), ..recipe.clone() };
                let kept = finetune(&other, &data, &labels, &CrossEntropy, &again, &lab_on(device)).expect(what);
                assert_eq!(numbers(&kept).last(), numbers(&other).last(), "{what}");
            }
        }
    }
}

#[test]
fn predictions_and_labels_are_those_of_the_own_kernels() {
    let (data, labels) = task(60, 0);
    for model in [tiny(0), tiny_bert(0), tiny_mpnet(0), tiny_llama(0)] {
        let recipe = Recipe { epochs: Some(4), lr: Some(1e-2), ..Recipe::default() };
        let model = finetune(&model, &data, &labels, &CrossEntropy, &recipe, &lab_on("cpu")).expect("trains");
        for precision in [Precision::F32, Precision::Bf16] {
            let found = |device| logits(&model, &data, precision, &lab_on(device)).expect("reads").0;
            for (device, _) in present() {
                let apart = greatest_difference(&found("cpu"), &found(device));
                assert!(apart < 1e-4, "{} in {} on {device}: {apart}", model.inner.name, precision.name());
            }
        }
        let fine = logits(&model, &data, Precision::F32, &lab_on("candle")).expect("reads").0;
        let coarse = logits(&model, &data, Precision::Bf16, &lab_on("candle")).expect("reads").0;
        assert!(greatest_difference(&fine, &coarse) > 1e-4, "operands were rounded");
        let hard = |device| {
            let frame = label(&model, &data, true, Precision::F32, &lab_on(device)).expect("labels");
            frame.classes("label").expect("there").values
        };
        assert_eq!(hard("cpu"), hard("candle"));
        let soft = |frame: Frame| frame.probabilities().expect("there").values;
        let own = soft(predict(&model, &data, Precision::F32, &lab_on("cpu")).expect("predicts"));
        let other = soft(predict(&model, &data, Precision::F32, &lab_on("candle")).expect("predicts"));
        assert!(greatest_difference(&own, &other) < 1e-5);
    }
}

const TINY: Size = Size { width: 8, n_layers: 2, n_heads: 2, context: 32 };

fn world() -> World {
    let options = WorldOptions { n_nouns: 40, n_adjectives: 40, n_verbs: 40, ..WorldOptions::default() };
    World::new(options).expect("a world")
}

fn few(steps: usize, checkpoints: Vec<usize>) -> PretrainOptions {
    PretrainOptions { steps, batch: 8, tokens: 32, lr: 3e-3, checkpoints, ..PretrainOptions::default() }
}

#[test]
fn pretraining_and_its_loss_come_to_what_the_own_kernels_come_to() {
    let world = world();
    let run = |device| pretrain(&lab_on(device), "tiny", TINY, &world, &few(12, vec![4])).expect("pretrains");
    let own = run("cpu");
    for (device, _) in present() {
        let other = run(device);
        assert_eq!((own.len(), other.len()), (2, 2));
        for (own, other) in own.iter().zip(&other) {
            let apart = greatest_difference(&own.inner.params.values, &other.inner.params.values);
            assert!(apart < 5e-4, "{device}: {apart} apart");
            let loss = |device| language_loss(&lab_on(device), own, &world, 40, 0).expect("a loss");
            assert!((loss("cpu") - loss(device)).abs() < 1e-5, "{device}");
        }
    }
    assert!(greatest_difference(&own[0].inner.params.values, &own[1].inner.params.values) > 1e-3);
}

/// What is promised of `candle`: the same machine gives the same bits.
#[test]
fn the_same_machine_gives_the_same_bits() {
    let (data, labels) = task(40, 0);
    let run = |n_threads, seed| {
        let recipe = Recipe { epochs: Some(2), batch: Some(8), seed, ..Recipe::default() };
        let train = || finetune(&tiny_bert(0), &data, &labels, &CrossEntropy, &recipe, &lab_on("candle"));
        let bits = |model: &Model| numbers(model).iter().map(|v| v.to_bits()).collect::<Vec<_>>();
        on(n_threads, || bits(&train().expect("trains")))
    };
    assert_eq!(run(2, 0), run(2, 0));
    assert_eq!(run(2, 0), run(1, 0), "at this size, whatever the threads");
    assert_ne!(run(2, 0), run(2, 1));
}

#[test]
fn trainings_that_were_ended_go_on_to_the_same_bits() {
    let (data, labels) = task(40, 0);
    let world = world();
    let lora = Some(Lora { rank: 2, alpha: 2.0 });
    let recipe = |lora| Recipe { steps: Some(40), batch: Some(8), weight_decay: 0.01, lora, ..Recipe::default() };
    let finetuned = |lora| {
        let (data, labels) = (&data, &labels);
        move |ctx: &Context| {
            let found = finetune(&tiny(0), data, labels, &CrossEntropy, &recipe(lora), ctx);
            found.map(|model| numbers(&model)).map_err(|error| crate::core::explain::Explain::is_interruption(&error))
        }
    };
    let (whole, adapted) = (finetuned(None), finetuned(lora));
    let pretrained = |ctx: &Context| {
        let found = pretrain(ctx, "tiny", TINY, &world, &few(40, vec![5, 25]));
        let flat = |models: Vec<Model>| models.iter().flat_map(numbers).collect::<Vec<_>>();
        found.map(flat).map_err(|error| crate::core::explain::Explain::is_interruption(&error))
    };
    type Run<'a> = &'a dyn Fn(&Context) -> Result<Vec<f32>, bool>;
    let runs: [(&str, Run); 3] = [("whole", &whole), ("adapted", &adapted), ("pretrained", &pretrained)];
    for (what, run) in runs {
        let straight = run(&lab_on("candle")).expect(what);
        let folder = tempfile::tempdir().expect("a folder");
        for end in [10, 30] {
            let ctx = lab_like(lab_in(folder.path()), "candle");
            stop_at(&ctx, end);
            assert!(run(&ctx).expect_err(what), "{what}: stopped");
            assert!(state_file(folder.path()).is_some(), "{what}");
        }
        let ctx = lab_like(lab_in(folder.path()), "candle");
        let events = heard(&ctx);
        assert!(run(&ctx).expect(what) == straight, "{what}");
        assert!(first_done(&events) > Some(30), "{what}: it went on, it did not begin anew");
    }
}

/// Stopped in the middle of steps, not only between them.
#[test]
fn a_training_that_is_stopped_anywhere_goes_on_to_the_same_bits() {
    let world = world();
    let options = PretrainOptions { batch: 32, ..few(30, vec![7]) };
    let run = |ctx: &Context| {
        let found = pretrain(ctx, "tiny", TINY, &world, &options);
        found.map(|models| models.iter().flat_map(numbers).collect::<Vec<_>>())
    };
    let started = std::time::Instant::now();
    let straight = run(&lab_on("candle")).expect("pretrains");
    let step = started.elapsed() / 30;
    let folder = tempfile::tempdir().expect("a folder");
    for stop in 1..=200_u32 {
        let ctx = lab_like(lab_in(folder.path()), "candle");
        let (interrupt, told) = (ctx.interrupt.clone(), AtomicU32::new(0));
        // After one to four steps: first between two of them, later within one.
        ctx.listen(move |event| {
            let is_step = matches!(event, Event::Progress { .. });
            if !is_step || told.fetch_add(1, Ordering::SeqCst) != stop % 4 {
                return;
            }
            if stop <= 4 {
                return interrupt.raise();
            }
            let (interrupt, after) = (interrupt.clone(), step * (stop % 5) / 5);
            std::thread::spawn(move || {
                std::thread::sleep(after);
                interrupt.raise();
            });
        });
        let found = run(&ctx);
        if let Ok(found) = found {
            assert!(stop > 3, "it was stopped a few times");
            assert!(found == straight);
            return;
        }
    }
    panic!("it never came to its end");
}

#[test]
fn recomputation_keeps_no_stage() {
    let (model, (data, _)) = (tiny(0), task(8, 0));
    let packed = model.encode(&data, &lab_on("candle")).expect("encodes");
    let (arch, layout) = (&model.inner.arch, &model.inner.params.layout);
    let params = [&model.inner.params.values[..], &[0.0; 32]].concat();
    let (device, interrupt) = (candle_core::Device::Cpu, crate::core::context::Interrupt::default());
    for recompute in [false, true] {
        let over = Over { arch, layout, packed: &packed, base: &[], adapters: None, recompute };
        let options = AdamWOptions::default();
        let mut learner = OnDevice::over(over, &params, 2, options, &device, &interrupt).expect("they fit");
        learner.logits(&[0, 1, 2], Hold::First, &mut Vec::new()).expect("logits");
        let Some(Held::Pass(_, tape)) = &learner.held else { panic!("a pass was held") };
        assert_eq!(tape.n_outputs() == 0, recompute);
    }
}

#[test]
fn a_result_of_another_device_is_not_taken() {
    let (data, labels) = task(24, 0);
    let folder = tempfile::tempdir().expect("a folder");
    let recipe = Recipe { steps: Some(2), ..Recipe::default() };
    let run = |device: &str| {
        let ctx = lab_like(lab_in(folder.path()), device);
        let events = heard(&ctx);
        let model = finetune(&tiny(0), &data, &labels, &CrossEntropy, &recipe, &ctx).expect("trains");
        predict(&model, &data, Precision::F32, &ctx).expect("predicts");
        let found = |event: &Event| match event {
            Event::Operation { found, operation, .. } => {
                Some((matches!(found, Found::Computed), operation.key.clone()))
            }
            _ => None,
        };
        let found: Vec<_> = events.lock().expect("whole").iter().filter_map(found).collect();
        found
    };
    let (own, other) = (run("cpu"), run("candle"));
    assert!(own.len() == 2 && own.iter().chain(&other).all(|(computed, _)| *computed));
    assert!(own.iter().all(|(_, key)| other.iter().all(|(_, of_other)| key != of_other)));
    assert!(run("cpu").iter().chain(&run("candle")).all(|(computed, _)| !*computed), "each finds its own");
}

#[test]
fn a_device_that_is_not_there_is_refused_before_anything_is_computed() {
    let (data, labels) = task(24, 0);
    let ctx = lab_on("quantum");
    let refused = finetune(&tiny(0), &data, &labels, &CrossEntropy, &Recipe::default(), &ctx);
    let message = refused.err().expect("refused").to_string();
    assert_eq!(message, "models cannot compute on `quantum`: there is no such device");
    assert!(pretrain(&ctx, "tiny", TINY, &world(), &few(2, vec![])).is_err());
}
