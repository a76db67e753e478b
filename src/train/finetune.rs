//! Finetuning: a pretrained trunk, a head, rows with labels, a loss; a new model.

use super::carried::RowsKept;
use super::device::{OnDevice, Over};
use super::head::{first_head, n_outputs};
use super::job::{HeldOut, Job, Learner, Own, Pass, Probe, Whole};
use super::labels::{Labels, joined};
use super::lora::{Adapted, Adapters};
use super::objective::Labelled;
use super::predict::{Features, asked_head, forward_work, push_row};
use super::several::Several;
use super::training::Course;
use super::validation::{Evaluation, Watch, WatchKind, Watched, settled};
use super::{Batches, HeadStart, Loss, Plan, Recipe, TrainError};
use crate::core::context::Context;
use crate::core::digest::Digest;
use crate::core::random::Random;
use crate::data::{Data, Split};
use crate::frames::Frame;
use crate::kernels::optim::AdamWOptions;
use crate::kernels::pages;
use crate::models::arch::Params;
use crate::models::candle;
use crate::models::trunk;
use crate::models::{Head, HeadKind, Model};
use crate::store::memo::{Content, Done, Operation, Partial, Step, perform_named};
use std::sync::Arc;

/// A new model: `model` trained on `data` with `labels`, joined by id.
///
/// Refuses data with test rows, rows without a label, labels of another number of classes or of other names; the same names
/// in another order are brought into that of `data`. Labels of rows that are not in `data` are left out. A probability row that sums to 1 only within rounding is scaled to sum to 1. Where labels have
/// a column `weight`, the loss is the weighted mean over a batch's rows; rows of weight 0 are left out. The same arguments
/// give the same bits on any number of threads.
pub fn finetune(
    model: &Model,
    data: &Data,
    labels: &Frame,
    loss: &dyn Loss,
    recipe: &Recipe,
    ctx: &Context,
) -> Result<Model, TrainError> {
    finetune_watched(model, data, labels, loss, recipe, &Watched::default(), ctx)
}

/// As [`finetune`], evaluated on held-out rows now and then; what is best there may be the new model.
pub fn finetune_watched(
    model: &Model,
    data: &Data,
    labels: &Frame,
    loss: &dyn Loss,
    recipe: &Recipe,
    watched: &Watched,
    ctx: &Context,
) -> Result<Model, TrainError> {
    refuse_test_rows(data)?;
    let kind = asked_head(data)?;
    let labels = &labels.in_classes(data.classes(), ("`labels`", "`data`"))?;
    let read = Labels::read(data, labels)?;
    let plan = recipe.plan(model, read.rows.len())?;
    let n_classes = data.classes().len();
    let settled_loss = loss.settled(&trained_labels(&read, n_classes), n_classes);
    let loss = settled_loss.as_deref().unwrap_or(loss);
    let in_order = |rows: &Data, labels: &Frame| {
        joined(rows, &labels.in_classes(data.classes(), ("the labels of held-out rows", "`data`"))?)
    };
    let watches = settled(watched, data, plan.steps, &in_order)?;
    let mut model = model.with_max_tokens(plan.max_tokens)?;
    // Whether or not the store answers: what a run's record warns of must not depend on it.
    model.check_coverage(data, ctx)?;
    let can_keep = model.inner.head.as_ref().is_some_and(|head| head.kind == kind);
    if plan.recipe.head == HeadStart::Keep && can_keep {
        model = model.in_classes(data.classes(), data.name())?;
    }
    let model = &model;
    let head = first_head(model, kind, n_classes, &plan.recipe)?;
    let adapters = plan.recipe.lora.map(|lora| Adapters::new(&model.inner.params.layout, lora));
    let (adapters, plan, watches) = (adapters.as_ref(), &plan, watches.as_slice());
    let work =
        Finetuning { model, data, labels, read: &read, loss, plan, head: &head, kind, adapters, n_classes, watches };
    let (trained, digest) = perform_named(&work, ctx)?;
    if let Some(kept) = trained.kept {
        kept.warn(&loss.show(), ctx);
    }
    work.model_of(trained, digest)
}

/// The epsilon of Adam's denominator (Kingma and Ba 2015; PyTorch's default).
const EPS: f64 = 1e-8;

/// A finetuning before it is computed.
struct Finetuning<'a> {
    model: &'a Model,
    data: &'a Data,
    labels: &'a Frame,
    /// What `labels` say of the rows of `data`.
    read: &'a Labels,
    loss: &'a dyn Loss,
    plan: &'a Plan,
    /// The head that it starts from.
    head: &'a [f32],
    kind: HeadKind,
    /// Where a trunk is adapted and not trained itself.
    adapters: Option<&'a Adapters>,
    n_classes: usize,
    watches: &'a [Watch],
}

/// What a finetuning changes: a head, and
struct Trained {
    /// the trunk's parameters or its adapters; nothing where the trunk is frozen.
    trunk: Vec<f32>,
    head: Vec<f32>,
    /// What held-out rows said, and after how many steps the model was as it is.
    evaluations: Vec<Evaluation>,
    step: usize,
    /// Of a loss that leaves rows out: how many it learned from.
    kept: Option<RowsKept>,
}

/// The labels of the rows that are trained on, row-major.
fn trained_labels(read: &Labels, n_classes: usize) -> Vec<f32> {
    let of = |row: &u32| read.labels.get(*row as usize * n_classes..(*row as usize + 1) * n_classes);
    read.rows.iter().filter_map(of).flatten().copied().collect()
}

impl Finetuning<'_> {
    /// What was not asked for is not in it: what was trained before there was such an option keeps its name.
    fn digest(&self) -> Digest {
        let digest = Digest::of("finetune", 2)
            .digest("model", self.model.inner.digest)
            .digest("data", self.data.digest())
            .digest("labels", self.labels.digest())
            .digest("loss", self.loss.digest())
            .text("plan", &self.plan.show());
        // The labels' own digest has the weights; that they are heeded is said here.
        let digest = if self.read.is_weighted() { digest.text("weights", "column") } else { digest };
        let watched = self.watches.iter().fold(digest, |digest, watch| {
            let inputs = watch.inputs().into_iter();
            inputs.fold(digest, |digest, (name, input)| digest.digest(name, input)).text("watch", &watch.show())
        });
        watched.finish()
    }

    /// Every settled option, as the record has it.
    fn options(&self) -> String {
        let mut options = format!("{}, {}", self.loss.show(), self.plan.tell());
        if self.read.is_weighted() {
            options.push_str(&format!(", weights of {} rows", self.read.rows.len()));
        }
        self.watches.iter().for_each(|watch| options.push_str(&format!(", {}", watch.show())));
        options
    }

    /// What stopped it, for a person; an oracle is named whenever the model depends on it.
    fn stop(&self) -> String {
        let followed = self.watches.iter().filter(|watch| watch.is_followed());
        let said = followed.map(|watch| {
            let oracle = if watch.kind == WatchKind::Oracle { "oracle " } else { "" };
            format!(", with {oracle}early stopping on {} rows of {}", watch.data.len(), watch.data.name())
        });
        said.collect()
    }

    /// The new model, called `digest`.
    fn model_of(&self, trained: Trained, digest: Digest) -> Result<Model, TrainError> {
        let (inner, data, loss) = (&self.model.inner, self.data, self.loss);
        let probes = self.plan.recipe.linear_probe;
        let how = if probes { "probed" } else { "finetuned" };
        let mut recipe = self.options();
        if let Some(adapters) = self.adapters {
            recipe.push_str(&format!(", {} adapter parameters", adapters.n));
        }
        if let Some(kept) = trained.kept {
            recipe.push_str(&format!(", {}", kept.tell()));
        }
        let (n_rows, stop) = (self.read.rows.len(), self.stop());
        let lineage = format!("{}, {how} on {n_rows} rows of {} by {}{stop}", inner.lineage, data.name(), loss.name());
        let validation = match self.watches {
            [] => None,
            _ => {
                recipe.push_str(&format!(", the model of step {}", trained.step));
                Some(Evaluation::frame(&trained.evaluations, trained.step, digest)?)
            }
        };
        Ok(self.model.with(|changed| {
            let values = match self.adapters {
                Some(adapters) => {
                    let mut merged = inner.params.values.clone();
                    adapters.apply(&inner.params.values, &trained.trunk, &mut merged);
                    merged
                }
                None => trained.trunk,
            };
            if !probes {
                changed.params = Arc::new(Params { layout: inner.params.layout.clone(), values });
            }
            changed.head = Some(Arc::new(match self.kind {
                HeadKind::Class => Head::new(trained.head, data.classes()),
                HeadKind::Scalar => Head::scalar(trained.head),
            }));
            changed.digest = digest;
            changed.lineage = lineage;
            changed.recipe = recipe;
            changed.validation = validation;
        }))
    }
}

impl Operation for Finetuning<'_> {
    type Value = Trained;
    type Error = TrainError;

    fn step(&self) -> Step {
        let share = (self.plan.steps * self.plan.batch) as f64 / self.data.len().max(1) as f64;
        let passes = if self.plan.recipe.linear_probe { 1.0 } else { 3.0 * share };
        let mut inputs = vec![
            ("model", self.model.inner.digest),
            ("data", self.data.digest()),
            ("labels", self.labels.digest()),
            ("loss", self.loss.digest()),
        ];
        inputs.extend(self.watches.iter().flat_map(Watch::inputs));
        Step {
            operation: "finetune",
            what: format!("{} on {} rows of {}", self.model.inner.name, self.data.len(), self.data.name()),
            digest: self.digest(),
            inputs,
            options: self.options(),
            work: passes * forward_work(self.model, self.data.n_bytes()),
            untraceable: self.loss.untraceable(),
        }
    }

    fn compute(&self, ctx: &Context, partial: &Partial) -> Result<Done<Trained>, TrainError> {
        let &Finetuning { plan, n_classes, loss, read, .. } = self;
        let recipe = &plan.recipe;
        let (packed, held_out) = self.packed(ctx)?;
        let inner = &self.model.inner;
        let (arch, base, layout) = (&inner.arch, &inner.params.values, &inner.params.layout);
        trunk::check(arch, base, &packed)?;
        let n_sequences = self.data.n_sequences();
        let length = |row: &u32| {
            let first = *row as usize * n_sequences;
            (first..first + n_sequences).map(|sequence| packed.row(sequence).len() as u32).sum()
        };
        let batches = Batches::new(read.rows.iter().map(length).collect(), plan.batch, recipe.bucket, recipe.seed);
        let first = self.first_trunk();
        let n_trunk = first.len();
        let params = pages::joined(&[&first, self.head]);
        let [beta1, beta2] = recipe.betas;
        let options = AdamWOptions { beta1, beta2, eps: EPS, weight_decay: recipe.weight_decay };
        let dropout = (recipe.dropout > 0.0).then_some((recipe.dropout, recipe.seed));
        let ids: Vec<&str> = self.data.rows().map(|row| row.id.as_str()).collect();
        let mut objective = Labelled::new(loss, &read.labels, &read.weights, &ids, n_classes);
        let lr_at = |step| plan.lr_at(step);
        let course = Course {
            what: format!("{} {}", if recipe.linear_probe { "probe" } else { "finetune" }, inner.name),
            of: self.digest(),
            steps: plan.steps,
            lr: plan.lr,
            lr_at: &lr_at,
            clip: recipe.clip,
            ema: recipe.ema,
            kept_at: &[],
            watches: self.watches,
            ctx,
            partial,
        };
        let run = |learner: &mut dyn Learner| {
            let learner = &mut Several::new(learner, n_sequences);
            let (objective, held_out, buffers) = (&mut objective, &held_out[..], Default::default());
            let mut job = Job { learner, objective, plan, batches, rows: &read.rows, held_out, ctx, buffers };
            // Nothing is drawn between steps: order and dropout have streams of their own.
            course.run(&mut job, Random::new(recipe.seed, "finetune"))
        };
        let pass = || Pass::new(arch, &packed, self.head.len(), recipe.recompute).dropping(dropout);
        let mut ran = match (candle::device(&ctx.settings.device)?, self.adapters) {
            (None, _) if recipe.linear_probe => {
                let all = self.features(ctx)?;
                run(&mut Own::new(Probe::new(&all, arch.width(), self.head.len()), params, options))?
            }
            (None, Some(adapters)) => {
                run(&mut Own::new(Adapted::new(pass(), adapters, base, self.head.len()), params, options))?
            }
            (None, None) => run(&mut Own::new(Whole { pass: pass(), layout }, params, options))?,
            (Some(on), _) if recipe.linear_probe => {
                let all = self.features(ctx)?;
                run(&mut OnDevice::probe(&all, arch.width(), &params, options, &on, &ctx.interrupt)?)?
            }
            (Some(on), adapters) => {
                let over = Over { arch, layout, packed: &packed, base, adapters, recompute: recipe.recompute };
                let learner = OnDevice::over(over, &params, self.n_outputs(), options, &on, &ctx.interrupt)?;
                run(&mut learner.dropping(dropout))?
            }
        };
        let head = ran.params.split_off(n_trunk);
        let (evaluations, step, kept) = (ran.evaluations, ran.step, ran.carried.kept);
        let value = Trained { trunk: ran.params, head, evaluations, step, kept };
        Ok(Done { value, curve: ran.curve })
    }

    fn pack(&self, trained: &Trained) -> Content {
        let content = match trained.trunk.as_slice() {
            [] => Content::default(),
            trunk => Content::default().tensor(self.trunk_name(), &[trunk.len()], trunk.to_vec()),
        };
        let mut content =
            content.tensor("head", &[self.n_outputs(), self.model.inner.arch.width()], trained.head.clone());
        if !self.watches.is_empty() {
            content.facts.insert("evaluations".to_owned(), Evaluation::list_to_json(&trained.evaluations));
            content.facts.insert("step".to_owned(), trained.step.into());
        }
        if let Some(kept) = trained.kept {
            content.facts.insert("kept".to_owned(), kept.to_json());
        }
        content
    }

    fn unpack(&self, mut content: Content) -> Result<Trained, String> {
        let trunk = match self.n_trunk() {
            0 => Vec::new(),
            n => content.take(self.trunk_name(), &[n])?,
        };
        let head = content.take("head", &[self.n_outputs(), self.model.inner.arch.width()])?;
        let (mut evaluations, mut step) = (Vec::new(), self.plan.steps);
        if !self.watches.is_empty() {
            let held = content.facts.get("evaluations").and_then(Evaluation::list_from_json);
            evaluations = held.ok_or("it has no evaluations")?;
            let held = content.facts.get("step").and_then(serde_json::Value::as_u64);
            step = held.ok_or("it does not say which step's model it holds")? as usize;
        }
        let kept = match content.facts.get("kept") {
            Some(held) => Some(RowsKept::from_json(held).ok_or("what it says of kept rows cannot be read")?),
            None => None,
        };
        Ok(Trained { trunk, head, evaluations, step, kept })
    }

    fn stand_in(&self) -> Trained {
        let head = vec![0.0; self.head.len()];
        Trained { trunk: self.first_trunk(), head, evaluations: Vec::new(), step: self.plan.steps, kept: None }
    }
}

impl Finetuning<'_> {
    /// What the head gives for each sequence.
    fn n_outputs(&self) -> usize {
        n_outputs(self.kind, self.n_classes)
    }

    /// The tokens of all rows: those that are trained on, and behind them the held-out rows of each watch.
    fn packed(&self, ctx: &Context) -> Result<(Arc<trunk::Packed>, Vec<HeldOut<'_>>), TrainError> {
        let mut packed = self.model.encode(self.data, ctx)?;
        let mut held_out = Vec::new();
        for watch in self.watches {
            let more = self.model.encode(&watch.data, ctx)?;
            let all = Arc::make_mut(&mut packed);
            let n = self.data.n_sequences();
            let start = (all.n_rows() / n) as u32;
            (0..more.n_rows()).for_each(|row| push_row(all, &more, row));
            held_out.push((start..(all.n_rows() / n) as u32, watch));
        }
        Ok((packed, held_out))
    }

    /// The features of all rows in the same order, row-major `[n_rows, width]`.
    fn features(&self, ctx: &Context) -> Result<Vec<f32>, TrainError> {
        let mut all = Vec::new();
        for data in std::iter::once(self.data).chain(self.watches.iter().map(|watch| &watch.data)) {
            let packed = self.model.encode(data, ctx)?;
            all.extend(Features { model: self.model, data, packed: &packed }.find(ctx)?);
        }
        Ok(all)
    }

    /// Numbers that are trained besides the head.
    fn n_trunk(&self) -> usize {
        match self.adapters {
            _ if self.plan.recipe.linear_probe => 0,
            Some(adapters) => adapters.n,
            None => self.model.inner.params.values.len(),
        }
    }

    /// What they are called in the store.
    fn trunk_name(&self) -> &'static str {
        if self.adapters.is_some() { "adapters" } else { "trunk" }
    }

    /// Where they start.
    fn first_trunk(&self) -> Vec<f32> {
        match self.adapters {
            _ if self.plan.recipe.linear_probe => Vec::new(),
            Some(adapters) => adapters.initial(self.plan.recipe.seed),
            None => self.model.inner.params.values.clone(),
        }
    }
}

pub(super) fn refuse_test_rows(data: &Data) -> Result<(), TrainError> {
    if data.is_empty() {
        return Err(TrainError::NoRows { of: "data" });
    }
    let mut test_rows = data.rows().filter(|row| row.split != Split::Train);
    let Some(first) = test_rows.next() else { return Ok(()) };
    Err(TrainError::TestRows {
        data: data.name().to_owned(),
        n_test: 1 + test_rows.count(),
        n_rows: data.len(),
        id: first.id.clone(),
    })
}

#[cfg(test)]
pub(super) mod tests {
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
            rows.push(Row { id: id.clone(), input: text.into(), group: id, split, difficulty: f32::NAN });
            classes.push(usize::from(yes));
        }
        let ids: Vec<String> = rows.iter().map(|row| row.id.clone()).collect();
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
        assert!(fails(&tiny(0), &["w7", "zz"]).ends_with("\"zz\" is no token of `tiny`"));
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
        assert!(fails(&data.train(), &three, &recipe()).contains("3 classes apart, `data` has 2"));
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
        let predicted = |model| {
            predict(model, &data, Precision::F32, &ctx).expect("predicts").probabilities().expect("reads").values
        };
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
        assert!(matches!(error, TrainError::Interrupted | TrainError::Model(crate::models::ModelError::Interrupted)));
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
            let options =
                ["precision fp32", "precision bf16", "hard true, precision fp32", "hard true, precision bf16"];
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
                let recipe =
                    Recipe { steps: Some(3), batch: Some(16), accumulate, lr: Some(1e-3), ..Recipe::default() };
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
}
