//! Finetuning: a pretrained trunk, a head, rows with labels, a loss; a new model.

use super::predict::{Bar, clear, features, forward_work, head_forward, push_row};
use super::{At, Batches, HeadStart, Loss, LossBatch, LossValue, Plan, Recipe, TrainError};
use crate::host::data::{Data, Split};
use crate::host::digest::Digest;
use crate::host::frame::{Frame, Probabilities};
use crate::host::lab::Lab;
use crate::host::model::arch::{Layout, Params};
use crate::host::model::trunk::{self, Packed, Tape};
use crate::host::model::{Head, Model};
use crate::host::store::memo::{Content, Done, Operation, Partial, Step, perform};
use crate::host::tensor::optim::{AdamW, AdamWOptions};
use std::ops::Range;
use std::sync::Arc;

/// The epsilon of Adam's denominator (Kingma and Ba 2015; PyTorch's default).
const EPS: f64 = 1e-8;

/// A new model: `model` trained on `data` with `labels`, joined by id.
///
/// Refuses data with test rows, rows without a label, and labels of another number of classes. Labels of rows that are
/// not in `data` are left out. A probability row that sums to 1 only within rounding is scaled to sum to 1. The same
/// arguments give the same bits on any number of threads.
pub fn finetune(
    model: &Model,
    data: &Data,
    labels: &Frame,
    loss: &dyn Loss,
    recipe: &Recipe,
    lab: &Lab,
) -> Result<Model, TrainError> {
    refuse_test_rows(data)?;
    let weak = joined(data, labels)?;
    let plan = recipe.plan(model, data.len())?;
    let model = &model.with_max_tokens(plan.max_tokens)?;
    let n_classes = data.classes().len();
    let head = first_head(model, n_classes, plan.head)?;
    let work = Finetuning { model, data, labels, loss, plan: &plan, weak: &weak, head: &head, n_classes };
    Ok(work.model_of(perform(&work, lab)?))
}

/// A finetuning before it is computed.
struct Finetuning<'a> {
    model: &'a Model,
    data: &'a Data,
    labels: &'a Frame,
    loss: &'a dyn Loss,
    plan: &'a Plan,
    weak: &'a [f32],
    /// The head that it starts from.
    head: &'a [f32],
    n_classes: usize,
}

/// What a finetuning changes.
struct Trained {
    /// The trunk's parameters; none where the trunk is frozen.
    params: Option<Vec<f32>>,
    head: Vec<f32>,
}

impl Finetuning<'_> {
    fn digest(&self) -> Digest {
        Digest::of("finetune", 1)
            .digest("model", self.model.inner.digest)
            .digest("data", self.data.digest())
            .digest("labels", self.labels.digest())
            .digest("loss", self.loss.digest())
            .text("plan", &self.plan.show())
            .finish()
    }

    /// The new model.
    fn model_of(&self, trained: Trained) -> Model {
        let (inner, data, loss) = (&self.model.inner, self.data, self.loss);
        let how = if self.plan.linear_probe { "probed" } else { "finetuned" };
        let lineage = format!("{}, {how} on {} rows of {} by {}", inner.lineage, data.len(), data.name(), loss.name());
        self.model.with(|changed| {
            if let Some(values) = trained.params {
                changed.params = Arc::new(Params { layout: inner.params.layout.clone(), values });
            }
            changed.head = Some(Arc::new(Head { weight: trained.head, n_classes: self.n_classes }));
            changed.digest = self.digest();
            changed.lineage = lineage;
            changed.recipe = format!("{}, {}", loss.show(), self.plan.show());
        })
    }
}

impl Operation for Finetuning<'_> {
    type Value = Trained;
    type Error = TrainError;

    fn step(&self) -> Step {
        let bytes: usize = self.data.rows().map(|row| row.text.len()).sum();
        let share = (self.plan.steps * self.plan.batch) as f64 / self.data.len().max(1) as f64;
        let passes = if self.plan.linear_probe { 1.0 } else { 3.0 * share };
        Step {
            operation: "finetune",
            what: format!("{} on {} rows of {}", self.model.inner.name, self.data.len(), self.data.name()),
            digest: self.digest(),
            inputs: vec![
                ("model", self.model.inner.digest),
                ("data", self.data.digest()),
                ("labels", self.labels.digest()),
                ("loss", self.loss.digest()),
            ],
            options: format!("{}, {}", self.loss.show(), self.plan.show()),
            work: passes * forward_work(self.model, bytes),
            untraceable: self.loss.untraceable(),
        }
    }

    fn compute(&self, lab: &Lab, _partial: &Partial) -> Result<Done<Trained>, TrainError> {
        let packed = self.model.encode(self.data, lab)?;
        trunk::check(&self.model.inner.arch, &self.model.inner.params.values, &packed)?;
        let ids: Vec<&str> = self.data.rows().map(|row| row.id.as_str()).collect();
        let &Finetuning { model, plan, weak, n_classes, loss, .. } = self;
        let job = Job { model, plan, packed: &packed, weak, ids: &ids, n_classes, loss, lab };
        let head = self.head.to_vec();
        let (params, head) = if plan.linear_probe { (None, job.probe(head)?) } else { job.whole(head)? };
        Ok(Done { value: Trained { params, head }, curve: Vec::new() })
    }

    fn pack(&self, trained: &Trained) -> Content {
        let content = match &trained.params {
            Some(params) => Content::default().tensor("trunk", &[params.len()], params.clone()),
            None => Content::default(),
        };
        content.tensor("head", &[self.n_classes, self.model.inner.arch.width()], trained.head.clone())
    }

    fn unpack(&self, mut content: Content) -> Result<Trained, String> {
        let n_trunk = self.model.inner.params.values.len();
        let params = (!self.plan.linear_probe).then(|| content.take("trunk", &[n_trunk])).transpose()?;
        let head = content.take("head", &[self.n_classes, self.model.inner.arch.width()])?;
        Ok(Trained { params, head })
    }

    fn stand_in(&self) -> Trained {
        Trained { params: None, head: vec![0.0; self.head.len()] }
    }
}

fn refuse_test_rows(data: &Data) -> Result<(), TrainError> {
    if data.is_empty() {
        return Err(TrainError::NoRows);
    }
    let mut test_rows = data.rows().filter(|row| row.split == Split::Test);
    let Some(first) = test_rows.next() else { return Ok(()) };
    Err(TrainError::TestRows {
        data: data.name().to_owned(),
        n_test: 1 + test_rows.count(),
        n_rows: data.len(),
        id: first.id.clone(),
    })
}

/// The labels in the order of the data's rows, row-major `[n_rows, n_classes]`; each row sums to 1.
fn joined(data: &Data, labels: &Frame) -> Result<Vec<f32>, TrainError> {
    let read: Probabilities = labels.probabilities()?;
    let n_data = data.classes().len();
    if read.n_classes != n_data {
        return Err(TrainError::Classes { n_labels: read.n_classes, n_data });
    }
    refuse_contradiction(&read, labels)?;
    let known: std::collections::HashSet<&str> = read.ids.iter().map(String::as_str).collect();
    let mut missing = data.rows().filter(|row| !known.contains(row.id.as_str()));
    if let Some(first) = missing.next() {
        return Err(TrainError::MissingLabels {
            id: first.id.clone(),
            n_missing: 1 + missing.count(),
            n_rows: data.len(),
            n_labels: read.ids.len(),
        });
    }
    let mut weak = read.gathered(data.rows().map(|row| row.id.as_str()))?;
    for row in weak.chunks_exact_mut(n_data) {
        let total: f32 = row.iter().sum();
        row.iter_mut().for_each(|w| *w /= total);
    }
    Ok(weak)
}

/// Refuses a class in `label` that is not among the row's likeliest: whoever edits one and not the other means something
/// else than what training would read.
fn refuse_contradiction(read: &Probabilities, labels: &Frame) -> Result<(), TrainError> {
    let Ok(classes) = labels.classes("label") else { return Ok(()) };
    for ((id, row), label) in read.ids.iter().zip(read.values.chunks_exact(read.n_classes)).zip(&classes.values) {
        let largest = crate::host::frame::argmax(row);
        if row.get(*label) != row.get(largest) {
            return Err(TrainError::Contradiction { id: id.clone(), label: *label, largest });
        }
    }
    Ok(())
}

fn first_head(model: &Model, n_classes: usize, start: HeadStart) -> Result<Vec<f32>, TrainError> {
    match (start, &model.inner.head) {
        (HeadStart::Zero, _) => Ok(vec![0.0; n_classes * model.inner.arch.width()]),
        (HeadStart::Keep, Some(head)) if head.n_classes == n_classes => Ok(head.weight.clone()),
        (HeadStart::Keep, Some(head)) => {
            let why = format!("the model's head has {} classes, the data {n_classes}", head.n_classes);
            Err(TrainError::KeepHead { why })
        }
        (HeadStart::Keep, None) => Err(TrainError::KeepHead { why: "the model has no head".to_owned() }),
    }
}

/// One training, everything settled.
struct Job<'a> {
    model: &'a Model,
    plan: &'a Plan,
    packed: &'a Packed,
    weak: &'a [f32],
    ids: &'a [&'a str],
    n_classes: usize,
    loss: &'a dyn Loss,
    lab: &'a Lab,
}

/// The rows of one step.
#[derive(Default)]
struct Rows<'a> {
    weak: Vec<f32>,
    ids: Vec<&'a str>,
}

impl<'a> Job<'a> {
    /// Trains trunk and head; the trunk's parameters and the head.
    fn whole(&self, head: Vec<f32>) -> Result<(Option<Vec<f32>>, Vec<f32>), TrainError> {
        let arch = &self.model.inner.arch;
        let (layout, width) = (&self.model.inner.params.layout, arch.width());
        let n_trunk = layout.n_params;
        // One buffer, the head behind the trunk, so that one norm clips and one pass updates both.
        let mut params: Vec<f32> = self.model.inner.params.values.iter().chain(&head).copied().collect();
        let mut grads = vec![0.0f32; params.len()];
        let mut adam = self.optimizer(params.len());
        let decayed = decayed(layout, params.len());
        let mut batches = self.batches();
        let (mut tape, mut batch, mut rows) = (Tape::new(), Packed::default(), Rows::default());
        let (mut logits, mut d_features) = (Vec::new(), Vec::new());
        let bar = self.bar();
        for step in 0..self.plan.steps {
            self.lab.interrupt.check()?;
            let (chosen, epoch) = batches.draw();
            clear(&mut batch);
            chosen.iter().for_each(|row| push_row(&mut batch, self.packed, *row as usize));
            self.gather(chosen, &mut rows);
            let (trunk_params, head) = params.split_at(n_trunk);
            let features = trunk::forward(arch, trunk_params, &batch, &mut tape);
            head_forward(&features, head, width, &mut logits);
            let found = self.ask(step, epoch, &logits, &rows)?;
            grads.fill(0.0);
            let (trunk_grads, head_grads) = grads.split_at_mut(n_trunk);
            head_backward(&features, head, &found.gradient, width, head_grads, &mut d_features);
            trunk::backward(arch, trunk_params, &batch, &mut tape, &d_features, trunk_grads);
            self.update(&mut adam, step, &mut params, &grads, &decayed)?;
            self.progress(&bar, step, &found);
        }
        let head = params.split_off(n_trunk);
        Ok((Some(params), head))
    }

    /// Trains the head on features that are computed once.
    fn probe(&self, mut head: Vec<f32>) -> Result<Vec<f32>, TrainError> {
        let width = self.model.inner.arch.width();
        let all = features(self.model, self.packed, self.lab)?;
        let mut grads = vec![0.0f32; head.len()];
        let mut adam = self.optimizer(head.len());
        let whole: Vec<Range<usize>> = std::iter::once(0..head.len()).collect();
        let mut batches = self.batches();
        let (mut rows, mut features, mut logits) = (Rows::default(), Vec::new(), Vec::new());
        let bar = self.bar();
        for step in 0..self.plan.steps {
            self.lab.interrupt.check()?;
            let (chosen, epoch) = batches.draw();
            features.clear();
            for row in chosen {
                let start = *row as usize * width;
                features.extend_from_slice(all.get(start..start + width).unwrap_or_default());
            }
            self.gather(chosen, &mut rows);
            head_forward(&features, &head, width, &mut logits);
            let found = self.ask(step, epoch, &logits, &rows)?;
            grads.fill(0.0);
            head_gradient(&features, &found.gradient, self.n_classes, width, &mut grads);
            self.update(&mut adam, step, &mut head, &grads, &whole)?;
            self.progress(&bar, step, &found);
        }
        Ok(head)
    }

    fn optimizer(&self, n: usize) -> AdamW {
        let [beta1, beta2] = self.plan.betas;
        AdamW::new(n, AdamWOptions { beta1, beta2, eps: EPS, weight_decay: self.plan.weight_decay })
    }

    fn batches(&self) -> Batches {
        let lengths = self.packed.offsets.windows(2).map(|pair| match pair {
            [start, end] => (end - start) as u32,
            _ => 0,
        });
        Batches::new(lengths.collect(), self.plan.batch, self.plan.bucket, self.plan.seed)
    }

    fn gather(&self, chosen: &[u32], rows: &mut Rows<'a>) {
        rows.weak.clear();
        rows.ids.clear();
        for row in chosen {
            let start = *row as usize * self.n_classes;
            rows.weak.extend_from_slice(self.weak.get(start..start + self.n_classes).unwrap_or_default());
            rows.ids.extend(self.ids.get(*row as usize));
        }
    }

    /// Asks the loss; refuses numbers that are not finite.
    fn ask(&self, step: usize, epoch: usize, logits: &[f32], rows: &Rows) -> Result<LossValue, TrainError> {
        if !logits.iter().all(|z| z.is_finite()) {
            return Err(self.diverged(step, "model's output"));
        }
        let at = At { step, steps: self.plan.steps, epoch, rows: &rows.ids };
        let found = self.loss.step(&LossBatch { logits, weak: &rows.weak, n_classes: self.n_classes, at })?;
        if found.gradient.len() != logits.len() {
            return Err(TrainError::GradientShape { got: found.gradient.len(), expected: logits.len() });
        }
        if !found.value.is_finite() {
            return Err(self.diverged(step, "loss"));
        }
        Ok(found)
    }

    fn update(
        &self,
        adam: &mut AdamW,
        step: usize,
        params: &mut [f32],
        grads: &[f32],
        decayed: &[Range<usize>],
    ) -> Result<(), TrainError> {
        let clip = (self.plan.clip > 0.0).then_some(self.plan.clip);
        let norm = adam.step(params, grads, self.plan.lr_at(step), clip, decayed);
        if norm.is_finite() { Ok(()) } else { Err(self.diverged(step, "gradient")) }
    }

    fn diverged(&self, step: usize, what: &'static str) -> TrainError {
        TrainError::Diverged { step: step + 1, steps: self.plan.steps, what, lr: self.plan.lr }
    }

    fn bar(&self) -> Bar<'a> {
        let verb = if self.plan.linear_probe { "probe" } else { "finetune" };
        Bar::start(self.lab, format!("{verb} {}", self.model.inner.name), self.plan.steps as u64)
    }

    /// Tells about every fiftieth of the way: often enough for an eye, too seldom to cost anything.
    fn progress(&self, bar: &Bar, step: usize, found: &LossValue) {
        let stride = (self.plan.steps / 50).max(1);
        if (step + 1).is_multiple_of(stride) || step + 1 == self.plan.steps {
            bar.progress(step as u64 + 1, || format!("loss {:.3}", found.value));
        }
    }
}

/// Where weight decay acts: weight matrices and the head; not biases, gains or embeddings of positions.
fn decayed(layout: &Layout, n_all: usize) -> Vec<Range<usize>> {
    let matrices = layout.entries.iter().filter(|entry| entry.shape.len() > 1);
    let ranges = matrices.map(|entry| entry.offset..entry.offset + entry.shape.iter().product::<usize>());
    ranges.chain(std::iter::once(layout.n_params..n_all)).collect()
}

/// Gradient of the head: `d_logitsᵀ · features`, added to `grads`.
fn head_gradient(features: &[f32], d_logits: &[f32], n_classes: usize, width: usize, grads: &mut [f32]) {
    for (row, d_row) in features.chunks_exact(width).zip(d_logits.chunks_exact(n_classes)) {
        for (class, d) in grads.chunks_exact_mut(width).zip(d_row) {
            class.iter_mut().zip(row).for_each(|(g, x)| *g += d * x);
        }
    }
}

/// Gradients of the head (added to `grads`) and of the features (written to `d_features`).
fn head_backward(
    features: &[f32],
    head: &[f32],
    d_logits: &[f32],
    width: usize,
    grads: &mut [f32],
    d_features: &mut Vec<f32>,
) {
    let n_classes = head.len() / width.max(1);
    head_gradient(features, d_logits, n_classes, width, grads);
    d_features.clear();
    d_features.resize(features.len(), 0.0);
    for (d_feature, d_row) in d_features.chunks_exact_mut(width).zip(d_logits.chunks_exact(n_classes)) {
        for (class, d) in head.chunks_exact(width).zip(d_row) {
            d_feature.iter_mut().zip(class).for_each(|(f, w)| *f += d * w);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{CrossEntropy, LossError, label, predict};
    use super::*;
    use crate::host::data::{Row, Source};
    use crate::host::model::testing::tiny;
    use crate::host::random::Random;

    /// Rows of four words and a full stop; the class is whether `w0` is among them.
    fn task(n: usize, n_test: usize) -> (Data, Frame) {
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
            rows.push(Row { id: id.clone(), text, group: id, split, difficulty: f32::NAN });
            classes.push(usize::from(yes));
        }
        let ids: Vec<String> = rows.iter().map(|row| row.id.clone()).collect();
        let truth = classes.iter().map(|class| *class as u16).collect();
        let source = Source::new("toy", rows, vec!["no".into(), "yes".into()], Some(truth)).expect("valid");
        (Data::new(Arc::new(source)), Frame::hard_labels(&ids, &classes, 2).expect("valid"))
    }

    #[test]
    fn labels_that_contradict_themselves_are_refused() {
        let (data, truth) = task(8, 0);
        let classes = truth.classes("label").expect("labels").values;
        let flipped: Vec<i64> = classes.iter().map(|class| 1 - *class as i64).collect();
        let column = polars::prelude::Column::new("label".into(), flipped);
        let mut table = truth.table().clone();
        table.with_column(column).expect("as many rows");
        let error = joined(&data, &Frame::new(table.clone())).expect_err("label against probabilities").to_string();
        assert!(error.contains("`r0`: its `label` is 0, its largest probability p1"), "{error}");
        assert!(joined(&data, &Frame::new(table.drop("label").expect("there"))).is_ok());
        assert!(joined(&data, &truth).is_ok());
    }

    fn recipe() -> Recipe {
        Recipe { epochs: Some(8), lr: Some(1e-2), ..Recipe::default() }
    }

    fn accuracy(model: &Model, data: &Data, truth: &Frame) -> f64 {
        let predictions =
            predict(model, data, &Lab::for_tests()).expect("predicts").classes("prediction").expect("there");
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
        let lab = Lab::for_tests();
        let trained = finetune(&model, &data.train(), &labels, &CrossEntropy, &recipe(), &lab).expect("trains");
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
            let train = || finetune(&tiny(0), &data, &labels, &CrossEntropy, &recipe, &Lab::for_tests());
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
            finetune(&tiny(0), &data, labels, &CrossEntropy, &recipe, &Lab::for_tests()).expect("trains")
        };
        assert_eq!(bits(&run(&labels)), bits(&run(&reversed)));
    }

    #[test]
    fn a_probe_leaves_the_trunk_alone() {
        let (data, labels) = task(60, 0);
        let recipe = Recipe { linear_probe: true, epochs: Some(5), lr: Some(0.05), ..Recipe::default() };
        let model = tiny(0);
        let probed = finetune(&model, &data, &labels, &CrossEntropy, &recipe, &Lab::for_tests()).expect("trains");
        assert!(Arc::ptr_eq(&probed.inner.params, &model.inner.params));
        let head = probed.inner.head.as_ref().expect("a head");
        assert!(head.weight.iter().any(|w| *w != 0.0));
        assert!(probed.inner.lineage.contains("probed"));
        let kept = Recipe { head: HeadStart::Keep, steps: Some(1), epochs: None, lr: Some(0.0), ..recipe };
        let again = finetune(&probed, &data, &labels, &CrossEntropy, &kept, &Lab::for_tests()).expect("trains");
        assert_eq!(again.inner.head.as_ref().expect("a head").weight, head.weight);
    }

    #[test]
    fn rows_and_labels_that_do_not_fit_are_refused() {
        let (data, labels) = task(20, 5);
        let lab = Lab::for_tests();
        let fails = |data: &Data, labels: &Frame, recipe: &Recipe| {
            finetune(&tiny(0), data, labels, &CrossEntropy, recipe, &lab).err().expect("refused").to_string()
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
        let lab = Lab::for_tests();
        let error = finetune(&tiny(0), &data, &labels, &Breaks(2), &recipe(), &lab).err().expect("diverges");
        assert_eq!(error.to_string(), "training diverged at step 3 of 32: the loss is not finite (lr 0.01)");
        lab.interrupt.raise();
        let error = finetune(&tiny(0), &data, &labels, &CrossEntropy, &recipe(), &lab).err().expect("stops");
        assert!(matches!(
            error,
            TrainError::Interrupted | TrainError::Model(crate::host::model::ModelError::Interrupted)
        ));
    }

    #[test]
    fn labels_are_soft_or_hard_and_join_by_id() {
        let (data, labels) = task(40, 0);
        let lab = Lab::for_tests();
        let model = finetune(&tiny(0), &data, &labels, &CrossEntropy, &recipe(), &lab).expect("trains");
        let shuffled = data.shuffle(4);
        let (one, two) = (
            label(&model, &data, false, &lab).expect("labels"),
            label(&model, &shuffled, false, &lab).expect("labels"),
        );
        let (one, two) = (one.probabilities().expect("reads"), two.probabilities().expect("reads"));
        assert_ne!(one.ids, two.ids);
        let back = two.gathered(one.ids.iter().map(String::as_str)).expect("known");
        for (a, b) in one.values.iter().zip(&back) {
            assert!((a - b).abs() < 1e-5);
        }
        let hard = label(&model, &data, true, &lab).expect("labels").probabilities().expect("reads");
        assert!(hard.values.iter().all(|p| *p == 0.0 || *p == 1.0));
        let bare = predict(&tiny(0), &data, &lab).err().expect("no head");
        assert_eq!(bare.to_string(), "the model `tiny` has no head: it cannot classify");
    }
}
