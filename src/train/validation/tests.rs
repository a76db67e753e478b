//! What is evaluated, what is kept, when training ends, and that none of it depends on interruptions or on the engine.

use super::super::checkpoint::testing::{curves_and_warnings, heard, lab_in, on, state_file, stop_at};
use super::super::finetune::tests::task;
use super::super::{CrossEntropy, Lora, Recipe, Schedule, Warmup, finetune, finetune_watched, logits};
use super::*;
use crate::builtins::metric::by_name;
use crate::core::context::{Access, Context};
use crate::core::explain::Explain;
use crate::kernels::Precision;
use crate::models::Model;
use crate::models::testing::{tiny, tiny_bert};

/// A rate that stays, so that a shorter training is the beginning of a longer one.
fn steady(steps: usize) -> Recipe {
    let (schedule, warmup) = (Schedule::Constant, Warmup::Share(0.0));
    Recipe { steps: Some(steps), batch: Some(8), lr: Some(1e-2), schedule, warmup, ..Recipe::default() }
}

/// Rows to train on, rows to hold out, test rows, and the labels of all.
fn parts() -> (Data, Data, Data, Frame) {
    let (data, labels) = task(120, 40);
    let train = data.train();
    let held_out = train.filter(train.rows().skip(40).map(|row| row.id.as_str())).expect("known");
    (train.head(40), held_out, data.test(), labels)
}

fn every(every: usize) -> WatchOptions {
    WatchOptions { every: Some(every), ..WatchOptions::default() }
}

fn honest(data: &Data, labels: &Frame, options: WatchOptions) -> Watched {
    let validation = Some(Validation { data: data.clone(), labels: labels.clone(), options });
    Watched { validation, oracle: None }
}

fn oracle(data: &Data, options: WatchOptions) -> Watched {
    let truth = data.truth(&Context::for_tests(), "test", "oracle early stopping").expect("there");
    Watched { validation: None, oracle: Some(OracleValidation { data: data.clone(), truth, options }) }
}

fn bits(model: &Model) -> Vec<u32> {
    let head = &model.inner.head.as_ref().expect("a head").weight;
    model.inner.params.values.iter().chain(head).map(|v| v.to_bits()).collect()
}

fn column(model: &Model, name: &str) -> Vec<f64> {
    model.inner.validation.as_ref().expect("watched").floats(name).expect("numbers")
}

/// The steps of the rows whose `kept` is true.
fn kept(model: &Model) -> Vec<f64> {
    let frame = model.inner.validation.as_ref().expect("watched");
    let kept = frame.table().column("kept").expect("there").bool().expect("true or false").clone();
    column(model, "step").into_iter().zip(kept.iter()).filter(|(_, kept)| *kept == Some(true)).map(|(s, _)| s).collect()
}

fn train(recipe: &Recipe, watched: &Watched, ctx: &Context) -> Result<Model, TrainError> {
    let (data, _, _, labels) = parts();
    finetune_watched(&tiny(0), &data, &labels, &CrossEntropy, recipe, watched, ctx)
}

#[test]
fn a_watch_that_is_not_followed_changes_nothing_and_says_what_predictions_say() {
    let (data, held_out, _, labels) = parts();
    let ctx = Context::for_tests();
    let plain = finetune(&tiny(0), &data, &labels, &CrossEntropy, &steady(12), &ctx).expect("trains");
    assert!(plain.inner.validation.is_none());
    let options = WatchOptions { keep: Some(Keep::Last), ..every(5) };
    let watched = train(&steady(12), &honest(&held_out, &labels, options), &ctx).expect("trains");
    assert_eq!(bits(&watched), bits(&plain));
    assert_ne!(watched.inner.digest, plain.inner.digest);
    assert_eq!(column(&watched, "step"), [5.0, 10.0, 12.0]);
    assert_eq!(kept(&watched), [12.0]);
    let said = "validation on 40 rows of toy (every 5, metric accuracy, keep last), the model of step 12";
    assert!(watched.inner.recipe.ends_with(said), "{}", watched.inner.recipe);
    assert_eq!(watched.inner.lineage, plain.inner.lineage);
    // The last evaluation is that of the model: what the metrics of its predictions are.
    let predicted = super::super::predict(&watched, &held_out, Precision::F32, &ctx).expect("predicts");
    let truth = held_out.truth(&ctx, "test", "test").expect("there");
    let scored = Scored::new(&predicted, &truth).expect("they meet");
    for (name, metric) in [("accuracy", "accuracy"), ("auroc", "auroc"), ("loss", "log_loss")] {
        let (got, want) =
            (column(&watched, name)[2], by_name(metric).and_then(|metric| metric.value(&scored)).expect("defined"));
        assert!((got - want).abs() < 1e-5, "{name}: {got} {want}");
    }
}

#[test]
fn the_best_is_the_model_as_it_was_then_and_the_earlier_of_ties() {
    let (data, held_out, _, labels) = parts();
    let ctx = Context::for_tests();
    // Labels that have little to do with the task, so that more steps are not better.
    let classes: Vec<usize> = (0..40).map(|row| row / 3 % 2).collect();
    let odd = Frame::hard_labels(held_out.rows().map(|row| &row.id), &classes, 2).expect("valid");
    let mut places = Vec::new();
    for metric in [WatchMetric::Accuracy, WatchMetric::Auroc, WatchMetric::Loss] {
        let options = WatchOptions { metric, ..every(2) };
        // A rate that is too high: it goes up and down.
        let recipe = |steps| Recipe { lr: Some(5e-2), ..steady(steps) };
        let best = train(&recipe(24), &honest(&held_out, &odd, options), &ctx).expect("trains");
        let mut values = column(&best, metric.name());
        if metric == WatchMetric::Loss {
            values.iter_mut().for_each(|loss| *loss = -*loss);
        }
        let first = argmax(&values);
        let step = 2 * (first + 1);
        assert_eq!(kept(&best), [step as f64], "{values:?}");
        places.push(first);
        let short = finetune(&tiny(0), &data, &labels, &CrossEntropy, &recipe(step), &ctx).expect("trains");
        assert_eq!(bits(&best), bits(&short), "{metric:?}");
        assert!(best.inner.lineage.ends_with("by cross_entropy, with early stopping on 40 rows of toy"));
    }
    assert!(places.iter().any(|place| (1..11).contains(place)), "{places:?}: the first and the last are no test");
}

#[test]
fn patience_ends_a_training() {
    let (_, held_out, _, labels) = parts();
    let folder = tempfile::tempdir().expect("a folder");
    let ctx = lab_in(folder.path());
    let events = heard(&ctx);
    let recipe = Recipe { lr: Some(0.0), ..steady(60) };
    let options = WatchOptions { patience: Some(3), ..every(4) };
    let model = train(&recipe, &honest(&held_out, &labels, options.clone()), &ctx).expect("trains");
    // Nothing moves, so that the first is the best.
    assert_eq!(column(&model, "step"), [4.0, 8.0, 12.0, 16.0]);
    assert_eq!(kept(&model), [4.0]);
    let (curves, warnings) = curves_and_warnings(&events, "finetune");
    assert_eq!((curves[0].last().map(|(step, _)| *step), warnings), (Some(16), Vec::new()));
    let last = WatchOptions { keep: Some(Keep::Last), ..options };
    assert_eq!(kept(&train(&recipe, &honest(&held_out, &labels, last), &ctx).expect("trains")), [16.0]);
}

#[test]
fn an_oracle_sees_test_rows_and_is_named() {
    let (_, held_out, test, labels) = parts();
    let ctx = Context::for_tests();
    let model = train(&steady(8), &oracle(&test, every(4)), &ctx).expect("trains");
    assert!(model.inner.lineage.ends_with(", with oracle early stopping on 40 rows of toy"), "{}", model.inner.lineage);
    assert!(model.inner.recipe.contains("oracle_validation on 40 rows of toy"), "{}", model.inner.recipe);
    let both = |of_honest, of_oracle| Watched {
        validation: honest(&held_out, &labels, WatchOptions { keep: of_honest, ..every(4) }).validation,
        oracle: oracle(&test, WatchOptions { keep: of_oracle, ..every(2) }).oracle,
    };
    let run = |of_honest, of_oracle| train(&steady(8), &both(of_honest, of_oracle), &ctx);
    // Who asks is followed, and of two who do not the honest one.
    let model = run(None, None).expect("trains");
    assert_eq!(column(&model, "step"), [2.0, 4.0, 4.0, 6.0, 8.0, 8.0]);
    assert!(model.inner.lineage.ends_with("with early stopping on 40 rows of toy"), "{}", model.inner.lineage);
    assert!(model.inner.recipe.contains("oracle_validation"));
    let model = run(None, Some(Keep::Best)).expect("trains");
    assert!(model.inner.lineage.ends_with("with oracle early stopping on 40 rows of toy"));
    let model = run(Some(Keep::Last), Some(Keep::Last)).expect("trains");
    assert!(!model.inner.lineage.contains("stopping") && kept(&model) == [8.0, 8.0]);
    let error = run(Some(Keep::Best), Some(Keep::Best)).err().expect("refused");
    assert_eq!(error.to_string(), "`validation` and `oracle_validation` both ask for `keep: \"best\"`");
}

#[test]
fn rows_and_labels_that_do_not_fit_are_refused() {
    let (data, held_out, test, labels) = parts();
    let ctx = Context::for_tests();
    let fails = |watched: &Watched| train(&steady(4), watched, &ctx).err().expect("refused").to_string();
    let plain = WatchOptions::default;
    assert!(fails(&honest(&test, &labels, plain())).contains("`validation` has 40 test rows, the first with id `r80`"));
    assert!(fails(&honest(&data.head(3), &labels, plain())).contains("shares 3 rows with the training data"));
    assert!(fails(&oracle(&data.head(2), plain())).contains("`oracle_validation` shares 2 rows"));
    assert!(fails(&honest(&held_out.head(0), &labels, plain())).contains("`validation` has no rows"));
    let few = Frame::hard_labels(["r41"], &[0], 2).expect("valid");
    assert!(fails(&honest(&held_out, &few, plain())).contains("have no label"));
    let one_class = Frame::hard_labels(held_out.rows().map(|row| &row.id), &[1; 40], 2).expect("valid");
    let by_auroc = WatchOptions { metric: WatchMetric::Auroc, ..plain() };
    let error = fails(&honest(&held_out, &one_class, by_auroc));
    assert_eq!(error, "`auroc` of `validation` is not defined: no label of its 40 rows is class 0");
    let mut table = labels.table().clone();
    table.with_column(Column::new("weight".into(), vec![1.0; 120])).expect("as many rows");
    assert!(fails(&honest(&held_out, &Frame::new(table), plain())).contains("column `weight`"));
    assert!(fails(&honest(&held_out, &labels, every(0))).contains("`every` must be from 1"));
    // Where it is not what is gone by, one class leaves a gap.
    let model = train(&steady(4), &honest(&held_out, &one_class, plain()), &ctx).expect("trains");
    let frame = model.inner.validation.as_ref().expect("watched");
    assert_eq!(frame.table().column("auroc").expect("there").null_count(), frame.height());
}

#[test]
fn every_option_of_a_watch_is_in_the_derivation() {
    let (_, held_out, test, labels) = parts();
    let digest = |watched: &Watched| train(&steady(4), watched, &Context::for_tests()).expect("trains").inner.digest;
    let plain = digest(&honest(&held_out, &labels, every(1)));
    let variants = every(1).variants();
    assert_eq!(variants.len(), 4);
    for (name, _, changed) in variants {
        // `best` is what is settled where nothing is said.
        let changed = if name == "keep" { WatchOptions { keep: Some(Keep::Last), ..changed } } else { changed };
        assert_ne!(digest(&honest(&held_out, &labels, changed)), plain, "`{name}`");
    }
    assert_ne!(digest(&honest(&held_out.head(20), &labels, every(1))), plain);
    let turned = Frame::hard_labels(held_out.rows().map(|row| &row.id), &[0, 1].repeat(20), 2).expect("valid");
    assert_ne!(digest(&honest(&held_out, &turned, every(1))), plain);
    assert_ne!(digest(&oracle(&test, every(1))), digest(&oracle(&test.head(20), every(1))));
}

#[test]
fn a_watched_training_that_was_interrupted_goes_on_to_the_same_model_and_frame() {
    let (data, held_out, test, labels) = parts();
    let plain = Recipe { lr: Some(5e-2), ..steady(20) };
    let kinds: Vec<(&str, Model, Recipe)> = vec![
        ("whole", tiny(0), plain.clone()),
        ("average", tiny(0), Recipe { ema: 0.9, dropout: 0.1, ..plain.clone() }),
        ("probe", tiny(0), Recipe { linear_probe: true, ..plain.clone() }),
        ("adapters", tiny_bert(0), Recipe { lora: Some(Lora { rank: 2, alpha: 2.0 }), ..plain }),
    ];
    let watched = Watched { oracle: oracle(&test, every(5)).oracle, ..honest(&held_out, &labels, every(3)) };
    for (kind, model, recipe) in kinds {
        let run = |ctx: &Context, threads| {
            on(threads, || finetune_watched(&model, &data, &labels, &CrossEntropy, &recipe, &watched, ctx))
        };
        let at_once = tempfile::tempdir().expect("a folder");
        let ctx = lab_in(at_once.path());
        let whole = run(&ctx, 1).expect("trains");
        let (found, stored) = (frame_text(&whole), run(&ctx, 1).expect("stored"));
        assert_eq!((bits(&stored), frame_text(&stored)), (bits(&whole), found.clone()), "{kind}: as it was stored");
        // The frame's best is the model's: evaluated again it is what it was.
        let (z, _) = logits(&whole, &held_out, Precision::F32, &ctx).expect("reads");
        let best = kept(&whole)[0] as usize;
        let digest = labels.digest();
        let watch = Watch {
            kind: WatchKind::Validation,
            data: held_out.clone(),
            labels: super::super::labels::joined(&held_out, &labels).expect("they fit"),
            labels_digest: digest,
            options: every(3),
        };
        let row = column(&whole, "step").iter().position(|step| *step == best as f64).expect("kept");
        assert!((watch.found(best, &z).loss - column(&whole, "loss")[row]).abs() < 1e-5, "{kind}");
        for ends in [vec![3], vec![7, 15], vec![19]] {
            let folder = tempfile::tempdir().expect("a folder");
            for end in &ends {
                let ctx = lab_in(folder.path());
                stop_at(&ctx, *end);
                assert!(run(&ctx, 2).err().expect("stops").is_interruption(), "{kind}");
            }
            let again = run(&lab_in(folder.path()), 2).expect("goes on");
            assert_eq!(bits(&again), bits(&whole), "{kind}, ended at {ends:?}");
            assert_eq!(frame_text(&again), found, "{kind}, ended at {ends:?}");
            assert!(state_file(folder.path()).is_none());
        }
    }
}

/// Every number of a frame to the bit.
fn frame_text(model: &Model) -> Vec<String> {
    let auroc = |x: f64| format!("{:x}", x.to_bits());
    let names = ["step", "loss", "accuracy", "auroc"];
    names.iter().flat_map(|name| column(model, name).into_iter().map(auroc)).collect()
}

#[test]
fn candle_finds_what_the_own_kernels_find() {
    let (_, held_out, _, labels) = parts();
    let watched = honest(&held_out, &labels, WatchOptions { metric: WatchMetric::Loss, ..every(2) });
    for recipe in
        [steady(8), Recipe { ema: 0.8, dropout: 0.1, ..steady(8) }, Recipe { linear_probe: true, ..steady(8) }]
    {
        let run = |device: &str| {
            let mut settings = Context::for_tests().settings;
            settings.device = device.to_owned();
            train(&recipe, &watched, &Context::new(settings, Access::default())).expect("trains")
        };
        let (own, other) = (run("cpu"), run("candle"));
        assert_eq!(kept(&own), kept(&other));
        for name in ["loss", "auroc"] {
            for (a, b) in column(&own, name).iter().zip(column(&other, name)) {
                assert!((a - b).abs() < 1e-3, "{name}: {a} {b}");
            }
        }
    }
}
