//! `model::finetune`

use super::predict::warn_of_indices;
use crate::bind::prelude::*;
use crate::builtins::loss::{AnyLoss, ClosureLoss};
use crate::data::Data;
use crate::frames::{Frame, read_by_index};
use crate::models::Model;
use crate::train::{self, CrossEntropy, HeadStart, Lora, Optimizer, Recipe, Schedule};

options! {
    /// Options of `model::finetune`.
    pub struct FinetuneOptions {
        /// `loss::…` or a closure `|logits, weak, at|` over tensors; left out, `loss::cross_entropy()`.
        loss: Option<AnyLoss> = None,
        /// Passes over the data; left out, as many as see 1 800 rows, from 3 to 6, and 200 for a linear probe.
        epochs: Option<usize> = None,
        /// Optimiser steps, instead of epochs.
        steps: Option<usize> = None,
        /// Rows per step; left out, 16, and 128 for a linear probe.
        batch: Option<usize> = None,
        /// Peak learning rate; left out, by width: below 32 5e-3, below 128 3e-3, up to 1024 5e-5, above 1e-5; a linear probe 0.1 below 128, else 1e-3.
        lr: Option<f64> = None,
        /// "cosine", "linear" or "constant", after the warm-up.
        schedule: String = "cosine".to_owned(),
        /// The share of the steps on which the learning rate rises.
        warmup: f64 = 0.1,
        /// "adamw" or "adam".
        optimizer: String = "adamw".to_owned(),
        /// Decoupled decay of weight matrices.
        weight_decay: f64 = 0.0,
        /// Gradients are scaled down to this global norm; 0 for no clipping.
        clip: f64 = 1.0,
        /// Adam's β₁ and β₂.
        betas: Vec<f64> = vec![0.9, 0.999],
        /// Freeze the trunk and train the head alone, on features that are computed once.
        linear_probe: bool = false,
        /// Freeze the trunk and train updates of low rank of its weight matrices, and the head: `#{ rank: 8, alpha: 8 }`, the
        /// defaults; `alpha` left out equals `rank`.
        lora: Option<Map> = None,
        /// Send each batch through the model in so many parts: less memory, the same gradient but for rounding, a third more time.
        accumulate: usize = 1,
        /// Keep of each block its input alone and compute the block again for its gradient: of what a batch takes in memory the
        /// inputs and one block remain, the same bits, a third more time.
        recompute: bool = false,
        /// Where the head starts: "zero", or "keep" for the one that the model has.
        head: String = "zero".to_owned(),
        /// Rows longer than this are cut (a causal model keeps their end, a BERT their beginning); left out, the model's limit.
        max_tokens: Option<usize> = None,
        /// Cut batches from pools of this many batches sorted by length; 1: batches as drawn.
        bucket: usize = 1,
        /// Draws the order of the rows; left out, the session's.
        seed: Option<u64> = None,
    }
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
             line, other names are refused, labels without names are read by index, with a warning. There is no dropout. Learning rate: linear warm-up, then the schedule. The defaults suit the \
             shipped ladder; for larger models Burns et al. take batches of 32 and 2 epochs. `model.recipe` tells every \
             settled number. `lora` is Hu et al.'s, on all weight matrices of the blocks: it saves the optimiser's memory \
             and most of the store's, not time, and the new model has the updates merged in. A closure loss gets the logits and the weak labels as tensors, a row per row, and `at` with \
             `step`, `steps`, `progress`, `epoch` and `rows` (the ids), and returns one number that depends on the logits.",
        )
        .source("Burns et al. 2023, arXiv 2312.09390; the zero head of openai/weak-to-strong; Hu et al. 2021, arXiv 2106.09685")
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
        .fails(
            "let rows = data::of([#{ text: \"good dog\", label: \"yes\" }, #{ text: \"bad dog\", label: \"no\" }], #{ test_share: 0.0 });\n\
             model::untrained(rows).finetune(rows, rows.truth(\"example\"), #{ loss: |logits, weak, at| 1.0 })",
            "the loss must return a tensor with one element that depends on `logits`",
        )
        .fails(
            "let rows = data::of([#{ text: \"good dog\", label: \"yes\" }, #{ text: \"bad dog\", label: \"no\" }], #{ test_share: 0.0 });\n\
             model::untrained(rows).finetune(rows, rows.truth(\"example\"), #{ schedule: \"cosin\" })",
            "`schedule` must be",
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
    let recipe = recipe(call, &options)?;
    if let Some(note) = read_by_index("`labels`", &labels, data.classes()) {
        call.ctx().warn(note);
    }
    if options.head == "keep" {
        warn_of_indices(call, &model, &data);
    }
    let ctx = call.ctx();
    let trained = match options.loss {
        None => train::finetune(&model, &data, &labels, &CrossEntropy, &recipe, ctx)?,
        Some(AnyLoss::Built(loss)) => train::finetune(&model, &data, &labels, &*loss.0, &recipe, ctx)?,
        Some(AnyLoss::Closure(closure)) => {
            let loss = ClosureLoss::new(call, closure)?;
            let trained = train::finetune(&model, &data, &labels, &loss, &recipe, ctx);
            trained.map_err(|error| loss.fault().unwrap_or_else(|| error.into()))?
        }
    };
    Ok(Dynamic::from(trained))
}

fn recipe(call: &Call, options: &FinetuneOptions) -> Result<Recipe, Fault> {
    let one_of = |option: &str, names: &str, got: &str| {
        Fault::new("train/option", format!("`{option}` must be {names}, got `{got}`"))
    };
    let schedule = Schedule::parse(&options.schedule);
    let schedule =
        schedule.ok_or_else(|| one_of("schedule", "\"cosine\", \"linear\" or \"constant\"", &options.schedule))?;
    let optimizer = match options.optimizer.as_str() {
        "adam" => Optimizer::Adam,
        "adamw" => Optimizer::AdamW,
        other => return Err(one_of("optimizer", "\"adamw\" or \"adam\"", other)),
    };
    let head = match options.head.as_str() {
        "zero" => HeadStart::Zero,
        "keep" => HeadStart::Keep,
        other => return Err(one_of("head", "\"zero\" or \"keep\"", other)),
    };
    let Ok(betas) = <[f64; 2]>::try_from(options.betas.clone()) else {
        return Err(one_of("betas", "two numbers", &format!("{:?}", options.betas)));
    };
    let lora =
        options.lora.as_ref().map(|map| LoraOptions::from_map("model::finetune(…, #{ lora })", map)).transpose()?;
    let lora = lora.map(|LoraOptions { rank, alpha }| Lora { rank, alpha: alpha.unwrap_or(rank as f64) });
    Ok(Recipe {
        epochs: options.epochs,
        steps: options.steps,
        batch: options.batch,
        lr: options.lr,
        schedule,
        warmup: options.warmup,
        weight_decay: options.weight_decay,
        clip: options.clip,
        betas,
        optimizer,
        linear_probe: options.linear_probe,
        lora,
        accumulate: options.accumulate,
        recompute: options.recompute,
        head,
        bucket: options.bucket,
        max_tokens: options.max_tokens,
        seed: call.ctx().seed(options.seed),
    })
}
