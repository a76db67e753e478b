//! A loss on pairs that a script wrote: a closure over tensors, called at every step.

use crate::autograd::Tensor;
use crate::bind::prelude::*;
use crate::core::context::Interrupted;
use crate::domains::preference::loss::{Needs, PairBatch, PairLoss, PairLossError, PairValue};
use std::cell::RefCell;

/// A closure `|batch|` as a training sees it.
pub struct ClosurePairLoss<'a, 'c> {
    call: &'a Call<'c>,
    closure: FnPtr,
    digest: Digest,
    untraceable: Option<String>,
    /// What the closure raised: the host cannot carry it, so it waits here.
    fault: RefCell<Option<Fault>>,
}

impl<'a, 'c> ClosurePairLoss<'a, 'c> {
    /// The closure, to be called within `call`. Fails unless it takes one parameter.
    pub fn new(call: &'a Call<'c>, closure: FnPtr) -> Result<Self, Fault> {
        if let Some(taken) = call.other_arity(&closure, 1) {
            let what = format!("a preference loss takes one parameter, this function takes {taken}");
            let hint = "|batch| -((batch.chosen - batch.rejected) * 0.1).log_sigmoid().mean()";
            return Err(Fault::new("loss/closure", what).hint(hint));
        }
        let mut trace = Trace::new(call.context);
        let made = Digest::of("preference/closure", 1).digest("closure", trace.closure(&closure));
        // What it draws without a seed of its own moves with the session's.
        let digest = made.int("seed", call.ctx().seed(None) as i64).finish();
        let untraceable = trace.untraceable().map(|why| format!("of the loss, {why}"));
        Ok(ClosurePairLoss { call, closure, digest, untraceable, fault: RefCell::new(None) })
    }

    /// What the closure raised, if it did.
    pub fn fault(&self) -> Option<Fault> {
        self.fault.borrow_mut().take()
    }

    fn ask(&self, batch: &PairBatch) -> Result<PairValue, Fault> {
        batch.check(self)?;
        let chosen = Tensor::variable(batch.chosen.to_vec(), 1)?;
        let rejected = Tensor::variable(batch.rejected.to_vec(), 1)?;
        let map = batch_map(batch, &chosen, &rejected)?;
        let answer = self.call.call_back(&self.closure, vec![map.into()])?;
        let Some(loss) = answer.clone().try_cast::<Tensor>() else {
            return Err(misfit(&format!("it returned {}", crate::bind::describe(&answer))));
        };
        let [rows, columns] = loss.shape();
        if rows * columns != 1 {
            return Err(
                misfit(&format!("it returned one of {rows} × {columns}")).hint("`.mean()` makes one number of it")
            );
        }
        let (value, by_chosen, by_rejected) = (loss.one()?, loss.gradient(&chosen)?, loss.gradient(&rejected)?);
        if by_chosen.is_none() && by_rejected.is_none() {
            let why = "what it returned does not depend on them";
            return Err(misfit(why).hint("`.detach()`, `.hard()`, comparisons and `.median()` cut the gradient"));
        }
        let n = batch.n_pairs();
        let (by_chosen, by_rejected) =
            (by_chosen.unwrap_or_else(|| vec![0.0; n]), by_rejected.unwrap_or_else(|| vec![0.0; n]));
        // No margin of its own is known: the pull is that along the difference of both log-probabilities, without the mean's 1/n.
        let pull = by_chosen.iter().zip(&by_rejected).map(|(w, l)| 0.5 * (l - w) * n as f64).collect();
        Ok(PairValue { value, by_chosen, by_rejected, by_prompt: Vec::new(), pull })
    }
}

impl PairLoss for ClosurePairLoss<'_, '_> {
    fn name(&self) -> String {
        "a loss of the script".to_owned()
    }

    fn show(&self) -> String {
        format!("a loss of the script ({})", self.digest.short())
    }

    fn digest(&self) -> Digest {
        self.digest
    }

    fn untraceable(&self) -> Option<String> {
        self.untraceable.clone()
    }

    fn needs(&self) -> Needs {
        Needs { reference: true, ..Needs::default() }
    }

    fn step(&self, batch: &PairBatch) -> Result<PairValue, PairLossError> {
        self.ask(batch).map_err(|fault| {
            let interrupted = fault.interruption;
            let text = fault.message.clone();
            *self.fault.borrow_mut() = Some(fault);
            if interrupted { Interrupted.into() } else { PairLossError::Script(text) }
        })
    }
}

fn misfit(why: &str) -> Fault {
    let must = "the loss must return a tensor with one element that depends on `batch.chosen` or `batch.rejected`";
    Fault::new("loss/closure", format!("{must}: {why}"))
}

/// What the closure gets: columns of a row per pair, and where the training stands.
fn batch_map(batch: &PairBatch, chosen: &Tensor, rejected: &Tensor) -> Result<Map, Fault> {
    let n = batch.n_pairs();
    let column = |numbers: &[f64], otherwise: f64| {
        Tensor::new(if numbers.is_empty() { vec![otherwise; n] } else { numbers.to_vec() }, 1)
    };
    let rows: Array = batch.rows.iter().map(|id| Dynamic::from(ImmutableString::from(*id))).collect();
    let progress = if batch.steps == 0 { 0.0 } else { batch.step as f64 / batch.steps as f64 };
    let mut map = Map::new();
    map.insert("chosen".into(), Dynamic::from(chosen.clone()));
    map.insert("rejected".into(), Dynamic::from(rejected.clone()));
    map.insert("reference_chosen".into(), Dynamic::from(column(batch.reference_chosen, 0.0)?));
    map.insert("reference_rejected".into(), Dynamic::from(column(batch.reference_rejected, 0.0)?));
    map.insert("n_chosen".into(), Dynamic::from(column(batch.n_chosen, 1.0)?));
    map.insert("n_rejected".into(), Dynamic::from(column(batch.n_rejected, 1.0)?));
    map.insert("preference".into(), Dynamic::from(column(batch.preference, 1.0)?));
    map.insert("weights".into(), Dynamic::from(column(batch.weights, 1.0)?));
    map.insert("step".into(), Dynamic::from(batch.step as INT));
    map.insert("steps".into(), Dynamic::from(batch.steps as INT));
    map.insert("progress".into(), Dynamic::from(progress));
    map.insert("epoch".into(), Dynamic::from(batch.epoch as INT));
    map.insert("rows".into(), rows.into());
    Ok(map)
}
