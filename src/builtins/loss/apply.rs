//! `Loss.apply`

use super::Loss;
use super::at::Batch;
use crate::autograd::{Axis, Tensor};
use crate::bind::prelude::*;
use crate::train::{At, LossBatch};

/// The record.
pub fn function() -> Function {
    Function::method::<Loss>("apply", run)
        .about("The loss of one batch as a tensor, so that a loss of one's own can be made of built-in ones.")
        .details(
            "The same number and the same gradient by the logits as when the loss is given to `finetune`: [1, 1], in nats where the loss \
             is a cross-entropy. `at` is what a loss of one's own gets: `step`, `steps`, `epoch` and `weights` are read, and a key that \
             is not there counts as 0, or as weights of 1. Gradients flow to `logits` alone. A loss that looks at earlier batches or at \
             the labels of all rows has neither here and is refused; which rows a window kept is not counted.",
        )
        .param::<Tensor>("logits", "[n, classes]")
        .param::<Tensor>("weak", "[n, classes], each row sums to 1")
        .param::<Map>("at", "the training's step and epoch")
        .returns("Tensor: 1 × 1")
        .example(
            "let z = tensor::of([[0, 2], [1, 0]]);\n\
             let w = tensor::of([[0.5, 0.5], [1, 0]]);\n\
             loss::cross_entropy().apply(z, w, #{}).to_float() == z.cross_entropy(w).to_float()",
            "true",
        )
        .example(
            "let confident = loss::confidence(#{ warmup: 0.0 });\n\
             let robust = loss::gce();\n\
             let rows = world::language().task(\"era\", #{ n_train: 60, n_test: 10 }).train;\n\
             let mine = |logits, weak, at| confident.apply(logits, weak, at) * 0.5 + robust.apply(logits, weak, at) * 0.5;\n\
             model::untrained(rows).finetune(rows, rows.truth(\"example\"), #{ loss: mine, steps: 3 }).n_classes",
            "2",
        )
        .fails(
            "loss::confidence(#{ form: \"e\" }).apply(tensor::of([[0, 2]]), tensor::of([[0.5, 0.5]]), #{})",
            "looks at earlier batches, which are not known here",
        )
        .fails(
            "loss::gce().apply(tensor::of([[0, 2]]), tensor::of([[0.5, 0.5], [0.5, 0.5]]), #{})",
            "the loss got 2 logits and 4 weak labels for 2 classes",
        )
}

fn run(call: &mut Call) -> Answer {
    let Loss(loss) = call.receiver()?;
    let (logits, weak, at): (Tensor, Tensor, Dynamic) = (call.arg(0)?, call.arg(1)?, call.arg(2)?);
    if loss.n_earlier() > 0 {
        let what = format!("`{}` looks at earlier batches, which are not known here", loss.show());
        return Err(Fault::new("loss/unsettled", what).hint("give the loss to `finetune` itself: #{ loss: … }"));
    }
    let narrow = |tensor: &Tensor| -> Result<Vec<f32>, Fault> {
        Ok(tensor.values()?.into_iter().map(|value| value as f32).collect())
    };
    let ([step, steps, epoch], weights) = where_it_is(&at)?;
    let at = At { step, steps, epoch, weights: &weights, ..At::default() };
    let (given, labels, [_, n_classes]) = (narrow(&logits)?, narrow(&weak)?, logits.shape());
    let found = loss.step(&LossBatch { logits: &given, weak: &labels, n_classes, at })?;
    let slope = Tensor::new(found.gradient.into_iter().map(f64::from).collect(), n_classes)?;
    // A number with this gradient: z − z is 0, and its slope is the one that is wanted.
    let moved = logits.sub(&logits.detach())?.mul(&slope)?.sum(Axis::All)?;
    Ok(Dynamic::from(moved.add(&Tensor::scalar(found.value)?)?))
}

/// Steps done, all steps, epochs done, and weights of rows: of the batch that a loss is told of, or of a map with some of them.
fn where_it_is(at: &Dynamic) -> Result<([usize; 3], Vec<f64>), Fault> {
    if let Some(batch) = at.clone().try_cast::<Batch>() {
        return Ok((batch.counts(), batch.weights().values()?));
    }
    let at = Map::from_dynamic(at).map_err(|why| Fault::new("loss/at", format!("`at` {}", why.0)))?;
    let known = ["step", "steps", "epoch", "weights", "progress", "rows"];
    if let Some(other) = at.keys().find(|name| !known.contains(&name.as_str())) {
        let fault = Fault::new("loss/at", format!("`at` has no field `{other}`"));
        return Err(fault.hint(format!("fields: {}", known.join(", "))));
    }
    let weights = match at.get("weights") {
        Some(given) if !given.is_unit() => crate::bind::read_option::<Tensor>("at", "weights", given)?.values()?,
        _ => Vec::new(),
    };
    let number = |name: &str| match at.get(name) {
        Some(given) => crate::bind::read_option::<usize>("at", name, given),
        None => Ok(0),
    };
    Ok(([number("step")?, number("steps")?, number("epoch")?], weights))
}
