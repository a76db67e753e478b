//! `PreferenceLoss.apply` and `PreferenceLoss.weights`

use super::PreferenceLoss;
use crate::autograd::{Axis, Tensor};
use crate::bind::accepted;
use crate::bind::prelude::*;
use crate::domains::preference::loss::{PairBatch, PairValue};

/// What a batch may have: the columns that are read, and what else a loss of one's own is given.
const KEYS: [&str; 16] = [
    "chosen",
    "rejected",
    "reference_chosen",
    "reference_rejected",
    "n_chosen",
    "n_rejected",
    "preference",
    "weights",
    "prompt",
    "n_prompt",
    "kl",
    "rows",
    "step",
    "steps",
    "epoch",
    "progress",
];

/// The record of `apply`.
pub fn function() -> Function {
    Function::method::<PreferenceLoss>("apply", run)
        .about("The loss of one batch of pairs as a tensor, so that a loss of one's own can be made of built-in ones.")
        .details(
            "The same number and gradient as when the loss is given to a training: [1, 1]. `batch` is what a loss of one's own gets, each \
             a tensor [n, 1] or an array of n numbers: `chosen` and `rejected`, log-probabilities in nats, summed over tokens; \
             `reference_chosen` and `reference_rejected`, the reference's; `n_chosen` and `n_rejected`, lengths in tokens (left \
             out: 1); `preference`, the probability that `chosen` is the better one (1); `weights` (1); for ORPO `prompt` and `n_prompt`, the sum of \
             the log-probabilities of the prompts' tokens and their number; for KTO the number `kl`. `rows`, `step`, `steps`, `epoch` and `progress` may be there \
             and are not read. Gradients flow to `chosen`, `rejected` and `prompt` where they are tensors.",
        )
        .param::<Map>("batch", "columns with a number per pair")
        .returns("Tensor: 1 × 1")
        .example(
            "let dpo = preference::dpo(#{ beta: 1.0 });\n\
             dpo.apply(#{ chosen: [-1.0], rejected: [-2.0], reference_chosen: [-1.5], reference_rejected: [-1.5] })",
            "Tensor 0.313262",
        )
        .example(
            "let rank = preference::hinge(#{ beta: 1.0 });\n\
             let mine = |batch| rank.apply(batch) - batch.chosen.mean() * 0.1;\n\
             let c = tensor::of([[-1.0]]);\n\
             mine.call(#{ chosen: c, rejected: tensor::of([[-1.5]]), reference_chosen: c, reference_rejected: c })",
            "Tensor 0.6",
        )
        .fails(
            "preference::dpo().apply(#{ chosen: [-1.0], rejected: [-2.0] })",
            "`dpo` compares with a reference, and the batch has no `reference_chosen`",
        )
        .fails("preference::simpo().apply(#{ chosen: [-1.0], rejected: [-2.0, -3.0] })", "`rejected` has 2 numbers, `chosen` has 1")
        .fails("preference::simpo().apply(#{ chosen: [-1.0], rejcted: [-2.0] })", "has no option `rejcted`")
}

/// The record of `weights`.
pub fn weights() -> Function {
    Function::method::<PreferenceLoss>("weights", run_weights)
        .about("How much each pair of a batch pulls: the loss's implicit weights.")
        .details(
            "The negative derivative of a pair's loss by the loss's own margin, without the mean's 1/n: of DPO `σ(−βΔ)`, 1 where the implicit \
             reward is wrong without doubt, ½ at the reference, 0 where the pair is learnt. Each loss says what its weight is. `batch` is as in \
             `apply`.",
        )
        .param::<Map>("batch", "columns with a number per pair")
        .returns("Tensor: a row per pair")
        .example(
            "let flat = [-1.0, -1.0];\n\
             preference::dpo(#{ beta: 1.0 }).weights(#{ chosen: [-1.0, -1.0], rejected: [-1.0, -3.0], reference_chosen: flat, reference_rejected: flat })",
            "Tensor 2×1 [[0.5], [0.119203]]",
        )
        .fails("preference::simpo().weights(#{ chosen: [], rejected: [] })", "a batch has at least one pair")
}

fn run(call: &mut Call) -> Answer {
    let read = Read::of(call, "apply")?;
    let found = read.ask(call)?;
    let mut sum = Tensor::scalar(found.value)?;
    for (name, slope) in [("chosen", found.by_chosen), ("rejected", found.by_rejected), ("prompt", found.by_prompt)] {
        if let (Some(tensor), false) = (read.tensor(name), slope.is_empty()) {
            // z − z is 0, and its slope is the one that is wanted.
            sum = sum.add(&tensor.sub(&tensor.detach())?.mul(&Tensor::new(slope, 1)?)?.sum(Axis::All)?)?;
        }
    }
    Ok(Dynamic::from(sum))
}

fn run_weights(call: &mut Call) -> Answer {
    let found = Read::of(call, "weights")?.ask(call)?;
    Ok(Dynamic::from(Tensor::new(found.pull, 1)?))
}

/// A batch as a script gave it.
struct Read {
    columns: Vec<(&'static str, Vec<f64>)>,
    /// Columns that are tensors.
    tensors: Vec<(&'static str, Tensor)>,
    kl: f64,
}

impl Read {
    fn of(call: &Call, method: &str) -> Result<Read, Fault> {
        let what = format!("PreferenceLoss.{method}");
        let given: Map = call.arg(0)?;
        let given = accepted(&what, &given, &KEYS)?;
        let mut read = Read { columns: Vec::new(), tensors: Vec::new(), kl: f64::NAN };
        for name in KEYS.into_iter().take(10) {
            let Some(value) = given.get(name).filter(|value| !value.is_unit()) else { continue };
            if let Some(tensor) = value.clone().try_cast::<Tensor>() {
                let [rows, columns] = tensor.shape();
                if columns > 1 {
                    let why = format!("`{name}` must be a column, one number for each pair, got {rows} × {columns}");
                    return Err(Fault::new("loss/shape", why));
                }
                read.columns.push((name, tensor.values()?));
                read.tensors.push((name, tensor));
            } else {
                read.columns.push((name, crate::bind::read_option(&what, name, value)?));
            }
        }
        if let Some(value) = given.get("kl").filter(|value| !value.is_unit()) {
            read.kl = crate::bind::read_option(&what, "kl", value)?;
        }
        Ok(read)
    }

    fn tensor(&self, name: &str) -> Option<&Tensor> {
        self.tensors.iter().find(|(own, _)| *own == name).map(|(_, tensor)| tensor)
    }

    fn column(&self, name: &str) -> &[f64] {
        self.columns.iter().find(|(own, _)| *own == name).map_or(&[], |(_, numbers)| numbers)
    }

    fn ask(&self, call: &Call) -> Result<PairValue, Fault> {
        let PreferenceLoss(loss) = call.receiver()?;
        Ok(loss.step(&PairBatch {
            chosen: self.column("chosen"),
            rejected: self.column("rejected"),
            reference_chosen: self.column("reference_chosen"),
            reference_rejected: self.column("reference_rejected"),
            n_chosen: self.column("n_chosen"),
            n_rejected: self.column("n_rejected"),
            preference: self.column("preference"),
            weights: self.column("weights"),
            prompt: self.column("prompt"),
            n_prompt: self.column("n_prompt"),
            kl: self.kl,
            ..PairBatch::default()
        })?)
    }
}
