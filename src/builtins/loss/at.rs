//! What a loss written in the script is told of its batch: where the training is, and which rows these are.

use crate::autograd::Tensor;
use crate::bind::prelude::*;
use crate::train::LossBatch;
use std::sync::Arc;

/// A lesson that collects something at both steps of a training.
macro_rules! shown {
    ($what:literal) => {
        concat!(
            "let rows = data::of([#{ text: \"good dog\", label: \"yes\" }, #{ text: \"bad dog\", label: \"no\" }], #{ test_share: 0.0 });\n",
            "let seen = [];\n",
            "let watch = |logits, weak, at| { seen.push(",
            $what,
            "); logits.cross_entropy(weak) };\n",
            "model::untrained(rows).finetune(rows, rows.truth(\"example\"), #{ loss: watch, steps: 2 });\n",
            "seen",
        )
    };
}

/// A batch as a loss's third parameter.
#[derive(Clone)]
pub struct Batch {
    inner: Arc<Inner>,
}

struct Inner {
    step: usize,
    steps: usize,
    progress: f64,
    epoch: usize,
    rows: Vec<String>,
    weights: Tensor,
}

impl Batch {
    pub fn of(batch: &LossBatch) -> Result<Batch, Fault> {
        let at = &batch.at;
        let weights = Tensor::new((0..batch.n_rows()).map(|row| batch.weight(row)).collect(), 1)?;
        let rows = at.rows.iter().map(|id| (*id).to_owned()).collect();
        let (step, steps, progress, epoch) = (at.step, at.steps, at.progress(), at.epoch);
        Ok(Batch { inner: Arc::new(Inner { step, steps, progress, epoch, rows, weights }) })
    }

    /// Steps done, all steps, epochs done.
    pub fn counts(&self) -> [usize; 3] {
        [self.inner.step, self.inner.steps, self.inner.epoch]
    }

    pub fn weights(&self) -> &Tensor {
        &self.inner.weights
    }
}

impl Value for Batch {
    const NAME: &'static str = "Batch";
    const ABOUT: &'static str =
        "What a loss written in the script is told of its batch: where the training is, and its rows.";

    fn show(&self) -> String {
        let Inner { step, steps, epoch, rows, .. } = &*self.inner;
        format!("batch of {} rows, step {step} of {steps}, epoch {epoch}", rows.len())
    }

    fn same(&self, other: &Self) -> bool {
        let (one, two) = (&*self.inner, &*other.inner);
        (one.step, one.steps, one.epoch, &one.rows) == (two.step, two.steps, two.epoch, &two.rows)
            && one.weights.values().ok() == two.weights.values().ok()
    }

    fn digest(&self, trace: &mut Trace) -> Digest {
        let Inner { step, steps, epoch, rows, weights, .. } = &*self.inner;
        let counts = Digest::of("loss/batch", 1).int("step", *step as i64).int("steps", *steps as i64);
        let counts = counts.int("epoch", *epoch as i64).digest("weights", Value::digest(weights, trace));
        rows.iter().fold(counts, |builder, id| builder.text("row", id)).finish()
    }
}

/// The records.
pub fn functions() -> Vec<Function> {
    let number = |name, run: fn(&mut Call) -> Answer| Function::getter::<Batch>(name, run);
    vec![
        number("step", |call| Ok(Dynamic::from(call.receiver::<Batch>()?.inner.step as INT)))
            .about("Completed steps of the training, from 0.")
            .returns("integer")
            .example(shown!("at.step"), "[0, 1]"),
        number("steps", |call| Ok(Dynamic::from(call.receiver::<Batch>()?.inner.steps as INT)))
            .about("Steps of the whole training. `at.step / at.steps` is a division of integers, 0: the share is `at.progress`.")
            .returns("integer")
            .example(shown!("at.steps"), "[2, 2]"),
        number("progress", |call| Ok(Dynamic::from(call.receiver::<Batch>()?.inner.progress)))
            .about("The share of the steps that are done: 0 at the first one.")
            .returns("float")
            .example(shown!("at.progress"), "[0.0, 0.5]"),
        number("epoch", |call| Ok(Dynamic::from(call.receiver::<Batch>()?.inner.epoch as INT)))
            .about("Completed passes over the rows, from 0.")
            .returns("integer")
            .example(shown!("at.epoch"), "[0, 1]"),
        Function::getter::<Batch>("rows", |call| {
            let rows =
                call.receiver::<Batch>()?.inner.rows.iter().map(|id| Dynamic::from(id.clone())).collect::<Array>();
            Ok(rows.into())
        })
        .about("The ids of the batch's rows, in their order in `logits`.")
        .returns("array of string")
        .example(shown!("at.rows.len()"), "[2, 2]"),
        Function::getter::<Batch>("weights", |call| Ok(Dynamic::from(call.receiver::<Batch>()?.inner.weights.clone())))
            .about("The weights of the batch's rows, [rows, 1]: 1 where the labels have none.")
            .returns("Tensor")
            .example(shown!("at.weights.shape"), "[[2, 1], [2, 1]]"),
    ]
}
