//! Finetuning: bits, joins by id, interruption, probes, adapters.

use super::super::checkpoint::testing::{curves_and_warnings, first_done, heard, lab_in, on, state_file, stop_at};
use super::super::predict::features;
use super::super::{CrossEntropy, Lora, LossBatch, LossError, LossValue, label, predict};
use super::*;
use crate::core::random::Random;
use crate::data::{Row, Source};
use crate::kernels::Precision;
use crate::models::testing::{tiny, tiny_bert};
use crate::store::memo::perform;

/// Rows of four words and a full stop; the class is whether `w0` is among them.
pub fn task(n: usize, n_test: usize) -> (Data, Frame) {
    let mut random = Random::new(9, "task");
    let (mut rows, mut classes) = (Vec::new(), Vec::new());
    for idx in 0..n {
        let yes = idx % 2 == 0;
        let mut words: Vec<String> = (0..4).map(|_| format!("w{}", 1 + random.below(19))).collect();
        if yes {
            let at = random.below(4);
            words[at] = "w0".to_owned();
        }
        let split = if idx + n_test >= n { Split::Test } else { Split::Train };
        let (id, text) = (format!("r{idx}"), format!("{} .", words.join(" ")));
        rows.push(Row { id: id.as_str().into(), input: text.into(), group: id.into(), split, difficulty: f32::NAN });
        classes.push(usize::from(yes));
    }
    let ids: Vec<String> = rows.iter().map(|row| row.id.to_string()).collect();
    let truth = classes.iter().map(|class| *class as u16).collect();
    let source = Source::new("toy", rows, vec!["no".into(), "yes".into()], Some(truth)).expect("valid");
    (Data::new(Arc::new(source)), Frame::hard_labels(&ids, &classes, 2).expect("valid"))
}

fn recipe() -> Recipe {
    Recipe { epochs: Some(8), lr: Some(1e-2), ..Recipe::default() }
}

fn accuracy(model: &Model, data: &Data, truth: &Frame) -> f64 {
    let predictions = predict(model, data, Precision::F32, &Context::for_tests())
        .expect("predicts")
        .classes("prediction")
        .expect("there");
    let truth =
        truth.classes("label").expect("there").gathered(predictions.ids.iter().map(String::as_str)).expect("known");
    let right = predictions.values.iter().zip(&truth).filter(|(p, t)| p == t).count();
    right as f64 / truth.len() as f64
}

fn bits(model: &Model) -> Vec<u32> {
    let head = &model.inner.head.as_ref().expect("a head").weight;
    model.inner.params.values.iter().chain(head).map(|v| v.to_bits()).collect()
}

#[test]
fn it_learns_and_says_where_it_comes_from() {
    let (data, labels) = task(400, 200);
    let model = tiny(0);
    let ctx = Context::for_tests();
    let trained = finetune(&model, &data.train(), &labels, &CrossEntropy, &recipe(), &ctx).expect("trains");
    let got = accuracy(&trained, &data.test(), &labels);
    assert!(got > 0.9, "accuracy {got}");
    assert_eq!(trained.inner.lineage, "random numbers, finetuned on 200 rows of toy by cross_entropy");
    assert!(trained.inner.recipe.contains("steps 104") && trained.inner.recipe.contains("lr 0.01"));
    assert_ne!(trained.inner.digest, model.inner.digest);
}

#[test]
fn equal_seeds_give_equal_bits_on_any_number_of_threads() {
    let (data, labels) = task(60, 0);
    let run = |n_threads, seed| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(n_threads).build().expect("a pool");
        let recipe = Recipe { epochs: Some(2), seed, ..Recipe::default() };
        let train = || finetune(&tiny(0), &data, &labels, &CrossEntropy, &recipe, &Context::for_tests());
        pool.install(train).expect("trains")
    };
    let (one, two, other) = (run(1, 0), run(2, 0), run(2, 1));
    assert_eq!(bits(&one), bits(&two));
    assert_eq!(one.inner.digest, two.inner.digest);
    assert_ne!(bits(&one), bits(&other));
    assert_ne!(one.inner.digest, other.inner.digest);
}

#[test]
fn labels_are_joined_by_id_not_by_order() {
    let (data, labels) = task(60, 0);
    let read = labels.classes("label").expect("there");
    let ids: Vec<&String> = read.ids.iter().rev().collect();
    let classes: Vec<usize> = read.values.iter().rev().copied().collect();
    let reversed = Frame::hard_labels(&ids, &classes, 2).expect("valid");
    let run = |labels: &Frame| {
        let recipe = Recipe { epochs: Some(1), ..Recipe::default() };
        finetune(&tiny(0), &data, labels, &CrossEntropy, &recipe, &Context::for_tests()).expect("trains")
    };
    assert_eq!(bits(&run(&labels)), bits(&run(&reversed)));
}

/// A head of next tokens says, before anything is learned, what the language model says of them.
#[test]
fn a_head_of_tokens_begins_with_the_models_own_answer() {
    use crate::models::testing::{tiny_bert, tiny_llama};
    use crate::models::trunk::{Tape, lm_logits};
    let (data, labels) = task(20, 0);
    let ctx = Context::for_tests();
    let tokens = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    let started = |model: &Model, list: &[&str]| {
        let still = Recipe { head_tokens: tokens(list), lr: Some(0.0), steps: Some(1), ..Recipe::default() };
        finetune(model, &data, &labels, &CrossEntropy, &still, &ctx)
    };
    for model in [tiny(0), tiny_llama(0)] {
        let inner = &model.inner;
        let trained = started(&model, &["w7", "w3"]).expect("trains");
        let ours = super::super::logits(&trained, &data, Precision::F32, &ctx).expect("reads").0;
        let packed = model.encode(&data, &ctx).expect("encodes");
        let all = lm_logits(&inner.arch, &inner.params.values, &packed, &mut Tape::new());
        for (ours, all) in ours.chunks_exact(2).zip(all.chunks_exact(inner.arch.vocab())) {
            // Words are numbered from 1.
            assert!((ours[0] - all[8]).abs() < 1e-5 && (ours[1] - all[4]).abs() < 1e-5);
        }
    }
    let fails = |model: &Model, list: &[&str]| started(model, list).err().expect("refused").to_string();
    assert_eq!(
        fails(&tiny(0), &["w7"]),
        "no head can start from `head_tokens`: 1 tokens were given, and the data asks for 2 classes"
    );
    assert!(fails(&tiny(0), &["w7", "w1 w2"]).ends_with("\"w1 w2\" is 2 tokens of `tiny`, not one"));
    assert!(fails(&tiny(0), &["w7", "zz"]).ends_with("\"zz\" is not a token of `tiny`"));
    assert!(fails(&tiny_bert(0), &["w7", "w1"]).contains("predicts no next token"));
    let both = Recipe { head: HeadStart::Keep, head_tokens: tokens(&["w7", "w3"]), ..Recipe::default() };
    assert!(finetune(&tiny(0), &data, &labels, &CrossEntropy, &both, &ctx).is_err());
}

#[test]
fn a_probe_leaves_the_trunk_alone() {
    let (data, labels) = task(60, 0);
    let recipe = Recipe { linear_probe: true, epochs: Some(5), lr: Some(0.05), ..Recipe::default() };
    let model = tiny(0);
    let probed = finetune(&model, &data, &labels, &CrossEntropy, &recipe, &Context::for_tests()).expect("trains");
    assert!(Arc::ptr_eq(&probed.inner.params, &model.inner.params));
    let head = probed.inner.head.as_ref().expect("a head");
    assert!(head.weight.iter().any(|w| *w != 0.0));
    assert!(probed.inner.lineage.contains("probed"));
    let kept = Recipe { head: HeadStart::Keep, steps: Some(1), epochs: None, lr: Some(0.0), ..recipe };
    let again = finetune(&probed, &data, &labels, &CrossEntropy, &kept, &Context::for_tests()).expect("trains");
    assert_eq!(again.inner.head.as_ref().expect("a head").weight, head.weight);
}

#[test]
fn long_features_are_kept_for_the_next_probe() {
    let (data, labels) = task(40, 0);
    let folder = tempfile::tempdir().expect("a folder");
    let ctx = lab_in(folder.path());
    let recipe = |seed| Recipe { linear_probe: true, steps: Some(5), seed, ..Recipe::default() };
    let model = tiny(0);
    let packed = model.encode(&data, &ctx).expect("encodes");
    let work = Features { model: &model, data: &data, packed: &packed };
    let straight = features(&model, &packed, Precision::F32, &ctx).expect("computes");
    let events = heard(&ctx);
    assert_eq!(work.find(&ctx).expect("computed"), straight);
    finetune(&model, &data, &labels, &CrossEntropy, &recipe(0), &ctx).expect("trains");
    let told = |name: &str| curves_and_warnings(&events, name).0.len();
    assert_eq!((told("features"), told("finetune")), (0, 1), "short work is done again");
    assert_eq!(perform(&work, &ctx).expect("computed"), straight);
    assert_eq!(perform(&work, &ctx).expect("stored"), straight);
    assert_eq!(told("features"), 2);
}

#[test]
fn rows_and_labels_that_do_not_fit_are_refused() {
    let (data, labels) = task(20, 5);
    let ctx = Context::for_tests();
    let fails = |data: &Data, labels: &Frame, recipe: &Recipe| {
        finetune(&tiny(0), data, labels, &CrossEntropy, recipe, &ctx).err().expect("refused").to_string()
    };
    let message = fails(&data, &labels, &recipe());
    assert_eq!(message, "`toy` has 5 test rows among its 20, the first with id `r15`: training on them is refused");
    let few = Frame::hard_labels(["r0", "r1"], &[0, 1], 2).expect("valid");
    let message = fails(&data.train(), &few, &recipe());
    assert!(
        message.contains("13 of 15 rows of `data` have no label among the 2 of `labels`, the first with id `r2`"),
        "{message}"
    );
    let three = Frame::hard_labels(data.rows().map(|r| &r.id), &[2; 20], 3).expect("valid");
    assert!(fails(&data.train(), &three, &recipe()).contains("has 3 classes, `data` has 2"));
    let keep = Recipe { head: HeadStart::Keep, ..recipe() };
    assert!(fails(&data.train(), &labels, &keep).contains("no head"));
}

/// Cross entropy times a number that its digest does not cover.
struct Hidden(f32);

impl Loss for Hidden {
    fn name(&self) -> String {
        "hidden".to_owned()
    }
    fn show(&self) -> String {
        "hidden".to_owned()
    }
    fn untraceable(&self) -> Option<String> {
        Some("it reads a file".to_owned())
    }
    fn step(&self, batch: &LossBatch) -> Result<LossValue, LossError> {
        let plain = CrossEntropy.step(batch)?;
        Ok(LossValue { gradient: plain.gradient.iter().map(|slope| slope * self.0).collect(), ..plain })
    }
}

#[test]
fn what_a_model_with_an_untraceable_loss_predicts_is_its_own() {
    let (data, labels) = task(40, 0);
    let folder = tempfile::tempdir().expect("a folder");
    let ctx = lab_in(folder.path());
    let train = |scale| finetune(&tiny(0), &data, &labels, &Hidden(scale), &recipe(), &ctx).expect("trains");
    let (one, other, again) = (train(1.0), train(-1.0), train(1.0));
    assert_ne!(one.inner.digest, other.inner.digest);
    assert_eq!(one.inner.digest, again.inner.digest, "equal bits, equal names");
    let predicted =
        |model| predict(model, &data, Precision::F32, &ctx).expect("predicts").probabilities().expect("reads").values;
    assert_ne!(predicted(&one), predicted(&other));
    assert_eq!(predicted(&one), predicted(&again));
}

struct Breaks(usize);

impl Loss for Breaks {
    fn name(&self) -> String {
        "breaks".to_owned()
    }
    fn show(&self) -> String {
        "breaks".to_owned()
    }
    fn step(&self, batch: &LossBatch) -> Result<LossValue, LossError> {
        let value = if batch.at.step == self.0 { f64::NAN } else { 1.0 };
        assert_eq!(batch.at.rows.len(), batch.n_rows());
        Ok(LossValue { value, gradient: vec![0.0; batch.logits.len()] })
    }
}

#[test]
fn divergence_names_the_step_and_ctrl_c_stops() {
    let (data, labels) = task(60, 0);
    let ctx = Context::for_tests();
    let error = finetune(&tiny(0), &data, &labels, &Breaks(2), &recipe(), &ctx).err().expect("diverges");
    assert_eq!(error.to_string(), "training diverged at step 3 of 32: the loss is not finite (lr 0.01)");
    ctx.interrupt.raise();
    let error = finetune(&tiny(0), &data, &labels, &CrossEntropy, &recipe(), &ctx).err().expect("stops");
    assert!(matches!(error, TrainError::Interrupted(_) | TrainError::Model(crate::models::ModelError::Interrupted(_))));
}

#[test]
fn labels_are_soft_or_hard_and_join_by_id() {
    let (data, labels) = task(40, 0);
    let ctx = Context::for_tests();
    let model = finetune(&tiny(0), &data, &labels, &CrossEntropy, &recipe(), &ctx).expect("trains");
    let shuffled = data.shuffle(4);
    let (one, two) = (
        label(&model, &data, false, Precision::F32, &ctx).expect("labels"),
        label(&model, &shuffled, false, Precision::F32, &ctx).expect("labels"),
    );
    let (one, two) = (one.probabilities().expect("reads"), two.probabilities().expect("reads"));
    assert_ne!(one.ids, two.ids);
    let back = two.gathered(one.ids.iter().map(String::as_str)).expect("known");
    for (a, b) in one.values.iter().zip(&back) {
        assert!((a - b).abs() < 1e-5);
    }
    let hard = label(&model, &data, true, Precision::F32, &ctx).expect("labels").probabilities().expect("reads");
    assert!(hard.values.iter().all(|p| *p == 0.0 || *p == 1.0));
    let bare = predict(&tiny(0), &data, Precision::F32, &ctx).err().expect("no head");
    assert_eq!(bare.to_string(), "the model `tiny` has no head: it cannot classify");
}

#[test]
fn rounded_products_are_asked_for_and_named() {
    let (data, labels) = task(40, 0);
    let ctx = Context::for_tests();
    let told = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let sink = told.clone();
    ctx.listen(move |event| {
        if let crate::core::context::Event::Operation { operation, .. } = event {
            sink.lock().expect("whole").push(operation.options);
        }
    });
    for model in [tiny(0), tiny_bert(0)] {
        let model = finetune(&model, &data, &labels, &CrossEntropy, &recipe(), &ctx).expect("trains");
        told.lock().expect("whole").clear();
        let ask = |precision| predict(&model, &data, precision, &ctx).expect("predicts");
        let (fine, coarse) = (ask(Precision::F32), ask(Precision::Bf16));
        assert_ne!(fine.digest(), coarse.digest());
        assert_ne!(
            label(&model, &data, true, Precision::F32, &ctx).expect("labels").digest(),
            label(&model, &data, true, Precision::Bf16, &ctx).expect("labels").digest()
        );
        let options = ["precision fp32", "precision bf16", "hard true, precision fp32", "hard true, precision bf16"];
        assert_eq!(*told.lock().expect("whole"), options);
        let values = |frame: &Frame| frame.probabilities().expect("reads").values;
        let (fine, coarse) = (values(&fine), values(&coarse));
        let apart = fine.iter().zip(&coarse).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(apart > 0.0 && apart < 0.02, "{apart}");
    }
}

/// Every kind of training.
fn kinds() -> Vec<(&'static str, Model, Recipe)> {
    let plain = Recipe { epochs: Some(4), batch: Some(8), weight_decay: 0.1, bucket: 2, ..Recipe::default() };
    vec![
        ("causal", tiny(0), plain.clone()),
        ("bert", tiny_bert(0), plain.clone()),
        ("probe", tiny(0), Recipe { linear_probe: true, ..plain.clone() }),
        ("lora", tiny_bert(1), Recipe { lora: Some(Lora { rank: 2, alpha: 4.0 }), ..plain.clone() }),
        ("accumulate", tiny(0), Recipe { accumulate: 3, ..plain.clone() }),
        ("dropout", tiny(0), Recipe { dropout: 0.2, ..plain.clone() }),
        (
            "dropout of adapters",
            tiny_bert(0),
            Recipe { dropout: 0.1, lora: Some(Lora { rank: 2, alpha: 4.0 }), ..plain.clone() },
        ),
        ("average", tiny_bert(0), Recipe { ema: 0.9, ..plain }),
    ]
}

#[test]
fn a_training_that_was_interrupted_goes_on_to_the_same_bits() {
    let (data, labels) = task(40, 0);
    for (kind, model, recipe) in kinds() {
        let run =
            |ctx: &Context, threads| on(threads, || finetune(&model, &data, &labels, &CrossEntropy, &recipe, ctx));
        let at_once = tempfile::tempdir().expect("a folder");
        let ctx = lab_in(at_once.path());
        let events = heard(&ctx);
        let whole = bits(&run(&ctx, 1).expect("trains"));
        let (curve, _) = curves_and_warnings(&events, "finetune");
        assert_eq!(curve[0].len(), 20, "{kind}");
        for ends in [vec![1], vec![7], vec![19], vec![3, 4, 15]] {
            let last = ends.last().copied();
            let folder = tempfile::tempdir().expect("a folder");
            for (nth, end) in ends.iter().enumerate() {
                let ctx = lab_in(folder.path());
                stop_at(&ctx, *end);
                let error = run(&ctx, 1 + nth % 2).err().expect("stops");
                assert!(crate::core::explain::Explain::is_interruption(&error), "{kind}: {error}");
            }
            let ctx = lab_in(folder.path());
            let events = heard(&ctx);
            assert_eq!(bits(&run(&ctx, 2).expect("goes on")), whole, "{kind}, ended at {ends:?}");
            assert!(first_done(&events) > last, "{kind}: it went on, it did not begin anew");
            assert_eq!(curves_and_warnings(&events, "finetune"), (curve.clone(), Vec::new()), "{kind}");
            assert!(state_file(folder.path()).is_none(), "{kind}: what is done needs no state");
        }
    }
}

/// A loss that fails at a step as if the process ended there: nothing is saved then.
struct Ends(usize);

impl Loss for Ends {
    fn name(&self) -> String {
        CrossEntropy.name()
    }
    fn show(&self) -> String {
        CrossEntropy.show()
    }
    fn step(&self, batch: &LossBatch) -> Result<LossValue, LossError> {
        if batch.at.step == self.0 { Err(LossError::Script("ended".to_owned())) } else { CrossEntropy.step(batch) }
    }
}

#[test]
fn a_state_that_cannot_be_trusted_is_named_and_not_used() {
    let (data, labels) = task(40, 0);
    let model = tiny(0);
    let recipe = |seed| Recipe { steps: Some(20), seed, ..Recipe::default() };
    let run = |loss: &dyn Loss, seed, ctx: &Context| finetune(&model, &data, &labels, loss, &recipe(seed), ctx);
    let left_at = |step: usize, seed: u64| {
        let folder = tempfile::tempdir().expect("a folder");
        run(&Ends(step), seed, &lab_in(folder.path())).err().expect("ends");
        let path = state_file(folder.path()).expect("a state");
        let bytes = std::fs::read(&path).expect("read");
        (folder, path, bytes)
    };
    let whole = bits(&run(&CrossEntropy, 0, &Context::for_tests()).expect("trains"));
    let (_other, _, foreign) = left_at(5, 1);
    // A content that is whole, with the hash that a state of this training would have.
    let sealed = |content: &[u8], key: &str| {
        let sum = blake3::Hasher::new().update(key.as_bytes()).update(content).finalize();
        [content, sum.as_bytes()].concat()
    };
    // Facts are text of the header: a number is changed there.
    let edited = |bytes: &[u8], from: &str, to: &str, key: &str| {
        let mut changed = bytes[..bytes.len() - 32].to_vec();
        let at = changed.windows(from.len()).position(|part| part == from.as_bytes()).expect("the fact");
        changed[at..at + to.len()].copy_from_slice(to.as_bytes());
        sealed(&changed, key)
    };
    type Damage<'a> = (&'a str, Box<dyn Fn(&[u8], &str) -> Vec<u8> + 'a>);
    let damages: Vec<Damage> = vec![
        ("is damaged", Box::new(|bytes, _| bytes[..bytes.len() / 2].to_vec())),
        ("is damaged", Box::new(|bytes, _| [&bytes[..bytes.len() - 1], &[bytes[bytes.len() - 1] ^ 1]].concat())),
        ("is damaged", Box::new(|bytes, _| bytes[..7].to_vec())),
        ("is damaged", Box::new(|_, _| foreign.clone())),
        ("another training", Box::new(|_, key| sealed(&foreign[..foreign.len() - 32], key))),
        ("another version", Box::new(|bytes, key| edited(bytes, r#"\"format\":1"#, r#"\"format\":0"#, key))),
        ("step 25", Box::new(|bytes, key| edited(bytes, r#"\"step\":12"#, r#"\"step\":25"#, key))),
    ];
    for (says, damage) in damages {
        let (folder, path, bytes) = left_at(12, 0);
        let key = path.file_stem().expect("a name").to_string_lossy().into_owned();
        std::fs::write(&path, damage(&bytes, &key)).expect("damaged");
        let ctx = lab_in(folder.path());
        let events = heard(&ctx);
        assert_eq!(bits(&run(&CrossEntropy, 0, &ctx).expect("trains")), whole, "{says}");
        let (_, warnings) = curves_and_warnings(&events, "finetune");
        assert!(matches!(warnings.as_slice(), [one] if one.contains(says)), "{says}: {warnings:?}");
        assert_eq!(first_done(&events), Some(1), "{says}");
    }
    let (folder, ..) = left_at(12, 0);
    let ctx = lab_in(folder.path());
    let events = heard(&ctx);
    assert_eq!(bits(&run(&CrossEntropy, 0, &ctx).expect("goes on")), whole);
    assert_eq!(first_done(&events), Some(13), "unharmed it is used");
}

#[test]
fn what_takes_a_moment_is_not_saved() {
    let (data, labels) = task(40, 0);
    let folder = tempfile::tempdir().expect("a folder");
    let mut ctx = lab_in(folder.path());
    ctx.settings.checkpoint = None;
    stop_at(&ctx, 20);
    let stopped = finetune(&tiny(0), &data, &labels, &CrossEntropy, &recipe(), &ctx);
    assert!(stopped.is_err() && state_file(folder.path()).is_none());
}

#[test]
fn parts_of_a_batch_give_the_gradient_of_the_whole() {
    let (data, labels) = task(60, 0);
    let loss = crate::builtins::loss::confidence::Confidence::new(&Default::default());
    let loss = loss.expect("valid");
    for model in [tiny(0), tiny_bert(0)] {
        let run = |accumulate| {
            // Adam divides by the gradient's size: few steps keep rounding from growing.
            let recipe = Recipe { steps: Some(3), batch: Some(16), accumulate, lr: Some(1e-3), ..Recipe::default() };
            finetune(&model, &data, &labels, &loss, &recipe, &Context::for_tests()).expect("trains")
        };
        let one = run(1);
        assert!(!one.inner.recipe.contains("accumulate"));
        for parts in [2, 3, 16, 40] {
            let several = run(parts);
            assert!(several.inner.recipe.contains(&format!("accumulate {parts}")));
            assert_ne!(several.inner.digest, one.inner.digest);
            let far = one.inner.params.values.iter().zip(&several.inner.params.values);
            let far = far.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(far < 1e-4, "{parts} parts: {far}");
        }
    }
}

#[test]
fn adapters_learn_and_leave_the_rest_alone() {
    let (data, labels) = task(400, 200);
    let model = tiny(0);
    let recipe = Recipe { lora: Some(Lora { rank: 4, alpha: 4.0 }), lr: Some(2e-2), ..recipe() };
    let folder = tempfile::tempdir().expect("a folder");
    let ctx = lab_in(folder.path());
    let train = || finetune(&model, &data.train(), &labels, &CrossEntropy, &recipe, &ctx).expect("trains");
    let trained = train();
    let got = accuracy(&trained, &data.test(), &labels);
    assert!(got > 0.8, "accuracy {got}");
    assert!(
        trained.inner.recipe.ends_with("lora rank 4 alpha 4.0, 1536 adapter parameters"),
        "{}",
        trained.inner.recipe
    );
    let (before, after) = (&model.inner.params, &trained.inner.params);
    for entry in &before.layout.entries {
        let place = entry.offset..entry.offset + entry.shape.iter().product::<usize>();
        let is_adapted = entry.shape.len() == 2 && !entry.name.starts_with("embed.");
        assert_eq!(before.values[place.clone()] != after.values[place], is_adapted, "{}", entry.name);
    }
    assert_eq!(bits(&train()), bits(&trained), "the store gives the same model");
    assert_ne!(
        trained.inner.digest,
        finetune(&model, &data.train(), &labels, &CrossEntropy, &Recipe { lora: None, ..recipe.clone() }, &ctx)
            .expect("trains")
            .inner
            .digest
    );
}
