//! `model::finetune`

use super::predict::warn_of_indices;
use crate::bind::accepted;
use crate::bind::prelude::*;
use crate::builtins::data::{note_use, readings_in, readings_of};
use crate::builtins::loss::{self, AnyLoss};
use crate::data::Data;
use crate::frames::{Frame, read_by_index};
use crate::models::Model;
use crate::train::{
    self, CrossEntropy, HeadStart, Keep, Lora, Loss, Optimizer, OracleValidation, Recipe, Schedule, Validation, Warmup,
    WatchMetric, WatchOptions, Watched,
};
use crate::{choices, settings};

train::finetune_options!(settings);
train::watch_options!(settings);
choices!(Schedule, Optimizer, HeadStart, WatchMetric, Keep);

impl FromDynamic for Warmup {
    fn type_name() -> String {
        f64::type_name()
    }
    fn from_dynamic(value: &Dynamic) -> Result<Self, Mismatch> {
        f64::from_dynamic(value).map(Warmup::Share)
    }
}

impl FromDynamic for Lora {
    fn type_name() -> String {
        Map::type_name()
    }
    fn from_dynamic(value: &Dynamic) -> Result<Self, Mismatch> {
        let read = LoraOptions::from_map("lora", &Map::from_dynamic(value)?);
        let LoraOptions { rank, alpha } = read.map_err(|fault| {
            let hint = fault.hint.map(|hint| format!(" ({hint})")).unwrap_or_default();
            Mismatch(format!("does not fit: {}{hint}", fault.message))
        })?;
        Ok(Lora { rank, alpha: alpha.unwrap_or(rank as f64) })
    }
}

options! {
    /// Options of `model::finetune`.
    pub struct FinetuneOptions {
        /// `loss::…` or a closure `|logits, weak, at|` over tensors; left out, `loss::cross_entropy()`.
        loss: Option<AnyLoss<loss::Loss>> = None,
        /// Evaluate now and then on held-out rows with weak labels: `#{ data, labels, every, metric, keep, patience }`.
        validation: Option<Map> = None,
        /// Evaluate on rows whose truth is read, test rows too: `#{ data, every, metric, keep, patience }`. A model that depends on it says so.
        oracle_validation: Option<Map> = None,
    }
    with recipe: Recipe
}

options! {
    /// The option `lora` of `model::finetune`.
    pub struct LoraOptions {
        /// Of each update.
        rank: usize = 8,
        /// Updates are scaled by `alpha / rank`; left out, `rank`.
        alpha: Option<f64> = None,
    }
}

/// The record.
pub fn function() -> Function {
    Function::new("model", "finetune", run)
        .about("A new model: this one trained on rows and labels, with a head that starts at zero.")
        .details(
            "Rows and labels are joined by id; every row needs a label, labels of other rows are left out. Data with a test \
             row is refused. Classes are joined by name: labels whose names are those of the data in another order are brought in \
             line, other names are refused, labels without names are read by index, with a warning. A column `weight` of the labels says how much each row counts (0, or from 1e-9 to 1e9): the loss is \
             Σ weight · loss / Σ weight over a batch, rows of weight 0 are left out, and a closure gets `at.weights` (a row per row) and decides \
             itself. Learning rate: linear warm-up, then the schedule. The defaults suit the \
             shipped ladder; for larger models Burns et al. take batches of 32 and 2 epochs. `model.recipe` tells every \
             settled number. `lora` is Hu et al.'s, on all weight matrices of the blocks: it saves the optimiser's memory \
             and most of the store's, not time, and the new model has the updates merged in. A closure loss gets the logits and the weak labels as tensors, a row per row, and `at` with \
             `step`, `steps`, `progress`, `epoch`, `rows` (the ids) and `weights`, and returns one number that depends on the logits. \
             `validation` and `oracle_validation` evaluate after every `every` steps (left out, a tenth of all) and the last: the \
             cross-entropy against the (soft) labels, and accuracy and AUROC against their likeliest class. By `metric` (\"accuracy\", \"auroc\" or \
             \"loss\") the new model is that of the best evaluation, of ties the earliest (`keep: \"best\"`), or of the last step (\"last\"); after \
             `patience` evaluations without a better one training ends. With both, the one that asks for `keep: \"best\"` is followed, or else \
             `validation`, and the other is watched. `model.validation` is what they found. \
             `head_tokens` starts the head from the rows by which the model reads these next tokens (Burns et al. take \"0\" and \"1\"): with a \
             row that ends in the question, training begins at the model's zero-shot answer. \
             `dropout` is that of GPT-2 and BERT, where they have it in their hidden layers, drawn anew for each row and step; \
             `ema` averages what is trained, and evaluations see the average. Neither is in a prediction.",
        )
        .source(
            "Burns et al. 2023, arXiv 2312.09390; the zero head of openai/weak-to-strong; Hu et al. 2021, arXiv 2106.09685; \
             Srivastava et al. 2014 (dropout); the warm-up of `ema` is that of TensorFlow's ExponentialMovingAverage",
        )
        .param::<Model>("model", "the pretrained model")
        .param::<Data>("data", "rows to train on, without test rows")
        .param::<Frame>("labels", "`id` and a probability per class, as `label` and `data.truth` give them")
        .options::<FinetuneOptions>()
        .returns("Model")
        .also_method::<Model>()
        .example(
            "let rows = data::of([#{ text: \"good dog\", label: \"yes\" }, #{ text: \"bad dog\", label: \"no\" }], #{ test_share: 0.0 });\n\
             let student = model::untrained(rows).finetune(rows, rows.truth(\"example\"), #{ epochs: 5, seed: 0 });\n\
             student.n_classes",
            "2",
        )
        .example(
            "let rows = data::of([#{ text: \"good dog\", label: \"yes\" }, #{ text: \"bad dog\", label: \"no\" }], #{ test_share: 0.0 });\n\
             let mine = |logits, weak, at| logits.cross_entropy(weak * 0.5 + logits.softmax().detach() * 0.5);\n\
             model::finetune(model::untrained(rows), rows, rows.truth(\"example\"), #{ loss: mine, steps: 3 }).n_classes",
            "2",
        )
        .example(
            "let rows = data::of([#{ text: \"good dog\", label: \"yes\" }, #{ text: \"bad dog\", label: \"no\" }], #{ test_share: 0.0 });\n\
             let labels = rows.truth(\"example\").with_columns((col(\"label\") + 1).alias(\"weight\"));\n\
             let student = model::untrained(rows).finetune(rows, labels, #{ steps: 3, dropout: 0.1, ema: 0.9, seed: 0 });\n\
             [student.recipe.contains(\"dropout 0.1, ema 0.9\"), student.recipe.contains(\"weights of 2 rows\")]",
            "[true, true]",
        )
        .example(
            "let rows = data::of([#{ text: \"good dog\", label: \"yes\" }, #{ text: \"bad dog\", label: \"no\" }, \
             #{ text: \"good cat\", label: \"yes\" }, #{ text: \"bad cat\", label: \"no\" }], #{ test_share: 0.0 });\n\
             let halves = rows.halves(0);\n\
             let held_out = #{ data: halves[1], labels: halves[1].truth(\"example\"), every: 2, patience: 3 };\n\
             let student = model::untrained(rows).finetune(halves[0], halves[0].truth(\"example\"), #{ steps: 4, validation: held_out });\n\
             student.validation.column(\"step\")",
            "[2, 4]",
        )
        .example(
            "let rows = data::of([#{ text: \"good dog\", label: \"yes\" }, #{ text: \"bad dog\", label: \"no\" }, \
             #{ text: \"good cat\", label: \"yes\" }, #{ text: \"bad cat\", label: \"no\" }], #{ test_share: 0.0 });\n\
             let halves = rows.halves(0);\n\
             let cheat = #{ data: halves[1], metric: \"loss\" };\n\
             let student = model::untrained(rows).finetune(halves[0], halves[0].truth(\"example\"), #{ steps: 4, oracle_validation: cheat });\n\
             student.lineage.contains(\"oracle early stopping\")",
            "true",
        )
        .fails(
            "let rows = data::of([#{ text: \"good dog\", label: \"yes\" }, #{ text: \"bad dog\", label: \"no\" }], #{ test_share: 0.0 });\n\
             model::untrained(rows).finetune(rows, rows.truth(\"example\"), #{ loss: |logits, weak, at| 1.0 })",
            "the loss must return a tensor with one element that depends on `logits`",
        )
        .fails(
            "let rows = data::of([#{ text: \"good dog\", label: \"yes\" }, #{ text: \"bad dog\", label: \"no\" }], #{ test_share: 0.0 });\n\
             model::untrained(rows).finetune(rows, rows.truth(\"example\"), #{ schedule: \"cosin\" })",
            "must be \"cosine\", \"linear\" or \"constant\", got `cosin`",
        )
        .fails(
            "let rows = data::of([#{ text: \"good dog\", label: \"yes\" }, #{ text: \"bad dog\", label: \"no\" }], #{ test_share: 0.0 });\n\
             model::untrained(rows).finetune(rows, rows.truth(\"example\"), #{ dropout: 1.0 })",
            "`dropout` must be from 0 to below 1, got `1`",
        )
        .fails(
            "let rows = data::of([#{ text: \"good dog\", label: \"yes\" }, #{ text: \"bad dog\", label: \"no\" }], #{ test_share: 0.0 });\n\
             let truth = rows.truth(\"example\");\n\
             model::untrained(rows).finetune(rows, truth, #{ validation: #{ data: rows, labels: truth } })",
            "`validation` shares 2 rows with the training data",
        )
        .fails(
            "let rows = data::of([#{ text: \"good dog\", label: \"yes\" }, #{ text: \"bad dog\", label: \"no\" }], #{ test_share: 0.0 });\n\
             model::untrained(rows).finetune(rows, rows.truth(\"example\"), #{ oracle_validation: #{ labels: 1 } })",
            "has no option `labels`",
        )
        .fails(
            "let rows = data::of([#{ text: \"good dog\", label: \"yes\" }, #{ text: \"bad dog\", label: \"no\" }], #{ test_share: 0.0 });\n\
             let labels = rows.truth(\"example\").with_columns(lit(-1).alias(\"weight\"));\n\
             model::untrained(rows).finetune(rows, labels)",
            "a weight must be 0, or from 1e-9 to 1e9",
        )
        .fails(
            "let rows = data::of([#{ text: \"good dog\", label: \"yes\" }, #{ text: \"bad dog\", label: \"no\" }], #{ test_share: 0.0 });\n\
             model::untrained(rows).finetune(rows, rows.truth(\"example\").with_classes([\"neg\", \"pos\"]))",
            "the classes of `labels` are `neg`, `pos`, those of `data` are `no`, `yes`",
        )
        .fails(
            "let rows = data::of([#{ text: \"good dog\", label: \"yes\" }, #{ text: \"bad dog\", label: \"no\" }], #{ test_share: 0.0 });\n\
             model::untrained(rows).finetune(rows, rows.truth(\"example\").select([\"id\", \"label\"]))",
            "there are no probabilities: columns `p0`, `p1` are missing",
        )
}

fn run(call: &mut Call) -> Answer {
    let (model, data): (Model, Data) = (call.arg(0)?, call.arg(1)?);
    let labels: Frame = call.arg(2)?;
    let options: FinetuneOptions = call.options()?;
    let recipe = Recipe { seed: call.seed(options.recipe.seed), ..options.recipe };
    if let Some(note) = read_by_index("`labels`", &labels, data.classes()) {
        call.ctx().warn(note);
    }
    if recipe.head == HeadStart::Keep {
        warn_of_indices(call, &model, &data);
    }
    let ctx = call.ctx();
    let validation = options.validation.as_ref().map(validation).transpose()?;
    let oracle = options.oracle_validation.as_ref().map(|map| oracle(call, map)).transpose()?;
    let watched = Watched { validation, oracle };
    let train = |loss: &dyn Loss| train::finetune_watched(&model, &data, &labels, loss, &recipe, &watched, ctx);
    let mut readings = readings_of(&labels);
    readings.extend(watched.validation.iter().flat_map(|validation| readings_of(&validation.labels)));
    readings.extend(watched.oracle.iter().flat_map(|oracle| readings_of(&oracle.truth)));
    readings.extend(options.loss.as_ref().and_then(AnyLoss::closure).iter().flat_map(readings_in));
    let trained = match options.loss {
        None => train(&CrossEntropy)?,
        Some(loss) => loss.train(call, train)?,
    };
    note_use(call, readings, &trained.inner.digest.to_hex());
    Ok(Dynamic::from(trained))
}

/// A part of an option that must be there.
fn part<T: FromDynamic>(of: &str, name: &str, map: &Map, hint: &str) -> Result<T, Fault> {
    match map.get(name).filter(|value| !value.is_unit()) {
        Some(value) => crate::bind::read_option(&format!("model::finetune(…, #{{ {of} }})"), name, value),
        None => {
            Err(Fault::new("call/option-missing", format!("`{of}` of `model::finetune` needs `{name}`")).hint(hint))
        }
    }
}

/// When to evaluate: what an option has besides its rows.
fn watch(of: &str, rows: &[&'static str], map: &Map) -> Result<WatchOptions, Fault> {
    let what = format!("model::finetune(…, #{{ {of} }})");
    let map = &*accepted(&what, map, &[rows, &WatchOptions::names()].concat())?;
    WatchOptions::read(&what, map)
}

fn validation(map: &Map) -> Result<Validation, Fault> {
    let (of, hint) = ("validation", "validation: #{ data: rows, labels: supervisor.label(rows) }");
    let options = watch(of, &["data", "labels"], map)?;
    Ok(Validation { data: part(of, "data", map, hint)?, labels: part(of, "labels", map, hint)?, options })
}

/// The truth is read whether or not the store answers: the model depends on it.
fn oracle(call: &Call, map: &Map) -> Result<OracleValidation, Fault> {
    let (of, hint) = ("oracle_validation", "oracle_validation: #{ data: rows }");
    let options = watch(of, &["data"], map)?;
    let data: Data = part(of, "data", map, hint)?;
    let truth = data.truth(call.ctx(), "model::finetune", "oracle early stopping")?;
    Ok(OracleValidation { data, truth, options })
}
