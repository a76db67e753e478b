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
use super::{Batches, HeadStart, Loss, Plan, Recipe, TrainError, trained};
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
    let given = model;
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
    let new = work.model_of(trained, digest)?;
    trained::note(ctx, given, &new, data);
    Ok(new)
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
            let (values, adapter) = match self.adapters {
                Some(adapters) => {
                    let mut merged = inner.params.values.clone();
                    adapters.apply(&inner.params.values, &trained.trunk, &mut merged);
                    (merged, Some(adapters.kept(trained.trunk, &inner.name)))
                }
                None => (trained.trunk, None),
            };
            changed.adapter = adapter;
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
            changed.curves = None;
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
            Some(held) => Some(RowsKept::from_json(held).ok_or("its count of kept rows cannot be read")?),
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
        id: first.id.to_string(),
    })
}

#[cfg(test)]
pub(super) mod tests;
