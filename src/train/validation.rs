//! Evaluation during training, on rows that it does not train on: an honest watch on weak labels, an oracle's on the truth.
//!
//! What a row's label is for accuracy and AUROC is the likeliest class of its (soft) label, the first of ties; the loss is the
//! cross-entropy against the soft label, whatever the training's own loss is.

use super::options::{Says, choice, declare, derived_text};
use super::{Choice, TrainError};
use crate::core::digest::Digest;
use crate::core::math::{exp, ln};
use crate::data::Data;
use crate::frames::{Frame, FrameError, argmax};
use crate::stats::scores::Scored;
use polars::prelude::{Column, DataFrame};
use serde_json::{Value, json};

choice! {
    /// Whose labels a watch holds the model against.
    pub enum WatchKind {
        /// Labels that were given: weak ones, in an honest experiment.
        Validation = "validation",
        /// The sealed truth.
        Oracle = "oracle",
    }
}

choice! {
    /// What a watch goes by.
    pub enum WatchMetric {
        /// The share of rows whose predicted class is the label's likeliest.
        Accuracy = "accuracy",
        /// The area under the ROC curve for the label's likeliest class.
        Auroc = "auroc",
        /// The cross-entropy against the soft label: lower is better.
        Loss = "loss",
    }
}

choice! {
    /// Which of a training's models is the new one.
    pub enum Keep {
        /// That of the best evaluation; of ties the earliest.
        Best = "best",
        /// That of the last step.
        Last = "last",
    }
}

/// The options of a watch, for a macro that makes something of them.
macro_rules! watch_options {
    ($make:path) => {
        $make! {
            /// When to evaluate on held-out rows, and what follows from it.
            WatchOptions {
                /// Steps between two evaluations, and the last step's; left out, a tenth of all.
                every: Option<usize> = None, [1..=10_000_000], Always;
                /// What is best: "accuracy", "auroc" or "loss".
                metric: WatchMetric = WatchMetric::Accuracy, [], Always;
                /// The new model: that of the "best" evaluation, of ties the earliest, or of the "last" step; left out, the best, but of two
                /// watches the one that asks for it, or else `validation`.
                keep: Option<Keep> = None, [], Always;
                /// Evaluations in a row that bring nothing better, after which training ends; left out, it does not.
                patience: Option<usize> = None, [1..=10_000_000], Always;
            }
        }
    };
}
pub(crate) use watch_options;

watch_options!(declare);

/// Held-out rows and their labels.
#[derive(Clone)]
pub struct Validation {
    pub data: Data,
    pub labels: Frame,
    pub options: WatchOptions,
}

/// Rows whose truth is read: test rows may be among them, and the model says so.
#[derive(Clone)]
pub struct OracleValidation {
    pub data: Data,
    /// The truth, read for the purpose that the record is to have.
    pub truth: Frame,
    pub options: WatchOptions,
}

/// What a training is watched by.
#[derive(Clone, Default)]
pub struct Watched {
    pub validation: Option<Validation>,
    pub oracle: Option<OracleValidation>,
}

/// A watch, everything settled.
pub(super) struct Watch {
    pub kind: WatchKind,
    pub data: Data,
    /// Row-major `[n_rows, n_classes]`.
    pub labels: Vec<f32>,
    labels_digest: Digest,
    options: WatchOptions,
}

/// The name of the option that a watch is given as.
fn option_of(kind: WatchKind) -> &'static str {
    match kind {
        WatchKind::Validation => "validation",
        WatchKind::Oracle => "oracle_validation",
    }
}

/// Labels of a watch's rows, checked as those of the training are.
type Join<'j> = &'j dyn Fn(&Data, &Frame) -> Result<Vec<f32>, TrainError>;

/// The watches of a training of `steps` steps on `data`, checked and settled.
pub(super) fn settled(watched: &Watched, data: &Data, steps: usize, joined: Join) -> Result<Vec<Watch>, TrainError> {
    use WatchKind::{Oracle, Validation as Honest};
    let honest = watched.validation.as_ref().map(|given| (Honest, &given.data, &given.labels, &given.options));
    let oracle = watched.oracle.as_ref().map(|given| (Oracle, &given.data, &given.truth, &given.options));
    let given: Vec<_> = honest.into_iter().chain(oracle).collect();
    let asks = |keep: Keep| given.iter().filter(|(.., options)| options.keep == Some(keep)).count();
    if asks(Keep::Best) > 1 {
        return Err(TrainError::TwoBest);
    }
    let mut followed = asks(Keep::Best) > 0;
    let mut watches = Vec::new();
    for (kind, rows, labels, options) in given {
        options.check()?;
        refuse_training_rows(kind, rows, data)?;
        if kind == Honest {
            refuse_test_rows(rows)?;
            if labels.columns().iter().any(|column| column == "weight") {
                return Err(TrainError::ValidationWeights);
            }
        }
        let keep = options.keep.unwrap_or(if followed { Keep::Last } else { Keep::Best });
        followed |= keep == Keep::Best;
        let every = options.every.unwrap_or(steps / 10).max(1);
        let options = WatchOptions { every: Some(every), keep: Some(keep), ..options.clone() };
        let (digest, labels) = (labels.digest(), joined(rows, labels)?);
        let watch = Watch { kind, data: rows.clone(), labels, labels_digest: digest, options };
        watch.refuse_undefined()?;
        watches.push(watch);
    }
    Ok(watches)
}

/// Rows are the same where their data sets are called alike and their ids are.
fn refuse_training_rows(kind: WatchKind, rows: &Data, data: &Data) -> Result<(), TrainError> {
    let option = option_of(kind);
    if rows.is_empty() {
        return Err(TrainError::NoRows { of: option });
    }
    if rows.n_classes() != data.n_classes() {
        return Err(TrainError::Classes { n_labels: rows.n_classes(), n_data: data.n_classes() });
    }
    if rows.name() != data.name() {
        return Ok(());
    }
    let known: std::collections::HashSet<&str> = data.rows().map(|row| row.id.as_str()).collect();
    let mut both = rows.rows().filter(|row| known.contains(row.id.as_str()));
    match both.next() {
        Some(first) => Err(TrainError::NotHeldOut { option, n: 1 + both.count(), id: first.id.to_string() }),
        None => Ok(()),
    }
}

fn refuse_test_rows(rows: &Data) -> Result<(), TrainError> {
    let mut test_rows = rows.rows().filter(|row| row.split != crate::data::Split::Train);
    match test_rows.next() {
        Some(first) => Err(TrainError::ValidationTestRows { n_test: 1 + test_rows.count(), id: first.id.to_string() }),
        None => Ok(()),
    }
}

impl Watch {
    /// Whether it is time after `step` steps.
    pub fn is_due(&self, step: usize, steps: usize) -> bool {
        step > 0 && (step.is_multiple_of(self.options.every.unwrap_or(1).max(1)) || step == steps)
    }

    /// Whether the new model is that of its best evaluation.
    pub fn keeps_best(&self) -> bool {
        self.options.keep == Some(Keep::Best)
    }

    /// Whether what training gives depends on it.
    pub fn is_followed(&self) -> bool {
        self.keeps_best() || self.options.patience.is_some()
    }

    /// The first of its best evaluations.
    pub fn best<'e>(&self, all: &'e [Evaluation]) -> Option<&'e Evaluation> {
        let mut best: Option<&Evaluation> = None;
        for found in self.own(all) {
            if best.is_none_or(|best| self.score(found) > self.score(best)) {
                best = Some(found);
            }
        }
        best
    }

    /// Whether as many evaluations as its patience followed the best one.
    pub fn is_out_of_patience(&self, all: &[Evaluation]) -> bool {
        let Some((patience, best)) = self.options.patience.zip(self.best(all)) else { return false };
        self.own(all).filter(|found| found.step > best.step).count() >= patience
    }

    fn own<'e>(&self, all: &'e [Evaluation]) -> impl Iterator<Item = &'e Evaluation> {
        let kind = self.kind;
        all.iter().filter(move |found| found.kind == kind)
    }

    fn score(&self, found: &Evaluation) -> f64 {
        match self.options.metric {
            WatchMetric::Accuracy => found.accuracy,
            WatchMetric::Auroc => found.auroc.unwrap_or(f64::NEG_INFINITY),
            WatchMetric::Loss => -found.loss,
        }
    }

    /// What the logits of its rows come to.
    pub fn found(&self, step: usize, logits: &[f32]) -> Evaluation {
        let n_classes = self.data.n_classes();
        let (mut loss, mut probabilities) = (0.0, Vec::with_capacity(logits.len()));
        for (logits, label) in logits.chunks_exact(n_classes).zip(self.labels.chunks_exact(n_classes)) {
            let most = logits.iter().fold(f64::NEG_INFINITY, |most, z| most.max(f64::from(*z)));
            let total: f64 = logits.iter().map(|z| exp(f64::from(*z) - most)).sum();
            probabilities.extend(logits.iter().map(|z| exp(f64::from(*z) - most) / total));
            let log_total = most + ln(total);
            // A class without weight adds nothing, however small its probability is.
            let terms = logits.iter().zip(label).filter(|(_, w)| **w > 0.0);
            loss += terms.map(|(z, w)| f64::from(*w) * (log_total - f64::from(*z))).sum::<f64>();
        }
        let predicted: Vec<usize> = logits.chunks_exact(n_classes).map(argmax).collect();
        let truth = self.classes();
        let n_rows = truth.len() as f64;
        let accuracy = predicted.iter().zip(&truth).filter(|(a, b)| a == b).count() as f64 / n_rows;
        let auroc =
            Scored { ids: Vec::new(), probabilities: Ok(probabilities), n_classes, predicted, truth }.auroc().ok();
        Evaluation { step, kind: self.kind, loss: loss / n_rows, accuracy, auroc }
    }

    /// The likeliest class of each label.
    fn classes(&self) -> Vec<usize> {
        self.labels.chunks_exact(self.data.n_classes().max(1)).map(argmax).collect()
    }

    /// Refuses to go by an AUROC over labels that lack a class.
    fn refuse_undefined(&self) -> Result<(), TrainError> {
        if self.options.metric != WatchMetric::Auroc {
            return Ok(());
        }
        let classes = self.classes();
        match (0..self.data.n_classes()).find(|class| !classes.contains(class)) {
            Some(class) => {
                let why = format!("no label of its {} rows is class {class}", classes.len());
                Err(TrainError::NoAuroc { option: option_of(self.kind), why })
            }
            None => Ok(()),
        }
    }

    /// The inputs that it adds to a derivation, by name.
    pub fn inputs(&self) -> Vec<(&'static str, Digest)> {
        match self.kind {
            WatchKind::Validation => {
                vec![("validation", self.data.digest()), ("validation_labels", self.labels_digest)]
            }
            WatchKind::Oracle => vec![("oracle_validation", self.data.digest())],
        }
    }

    /// Everything that was settled.
    pub fn show(&self) -> String {
        let (rows, set) = (self.data.len(), self.data.name());
        let options: Vec<_> =
            self.options.told().into_iter().filter(|o| !(o.name == "patience" && o.is_default)).collect();
        debug_assert!(options.iter().all(|option| option.says == Says::Always));
        format!("{} on {rows} rows of {set} ({})", option_of(self.kind), derived_text(&options))
    }
}

/// What the model came to on held-out rows after so many steps.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Evaluation {
    pub step: usize,
    pub kind: WatchKind,
    pub loss: f64,
    pub accuracy: f64,
    /// None where the labels have one class.
    pub auroc: Option<f64>,
}

impl Evaluation {
    /// As facts of a content have them: numbers by their bits, which JSON gives back.
    pub fn list_to_json(all: &[Evaluation]) -> Value {
        let one = |e: &Evaluation| {
            json!([e.kind.name(), e.step, e.loss.to_bits(), e.accuracy.to_bits(), e.auroc.map(f64::to_bits)])
        };
        all.iter().map(one).collect()
    }

    /// What [`Evaluation::list_to_json`] made.
    pub fn list_from_json(held: &Value) -> Option<Vec<Evaluation>> {
        let one = |held: &Value| {
            let number = |at: usize| held.get(at)?.as_u64().map(f64::from_bits);
            Some(Evaluation {
                kind: WatchKind::parse(held.get(0)?.as_str()?)?,
                step: held.get(1)?.as_u64()? as usize,
                loss: number(2)?,
                accuracy: number(3)?,
                auroc: if held.get(4)?.is_null() { None } else { Some(number(4)?) },
            })
        };
        held.as_array()?.iter().map(one).collect()
    }

    /// A frame: `step`, `watch`, `loss`, `accuracy`, `auroc` (null where undefined), `kept` for the step of the new model.
    pub fn frame(all: &[Evaluation], kept: usize, model: Digest) -> Result<Frame, FrameError> {
        let columns = vec![
            Column::new("step".into(), all.iter().map(|e| e.step as i64).collect::<Vec<_>>()),
            Column::new("watch".into(), all.iter().map(|e| e.kind.name()).collect::<Vec<_>>()),
            Column::new("loss".into(), all.iter().map(|e| e.loss).collect::<Vec<_>>()),
            Column::new("accuracy".into(), all.iter().map(|e| e.accuracy).collect::<Vec<_>>()),
            Column::new("auroc".into(), all.iter().map(|e| e.auroc).collect::<Vec<_>>()),
            Column::new("kept".into(), all.iter().map(|e| e.step == kept).collect::<Vec<_>>()),
        ];
        let table = DataFrame::new(all.len(), columns)?;
        Ok(Frame::derived(table, Digest::of("model/validation", 1).digest("model", model).finish()))
    }
}

#[cfg(test)]
mod tests;
