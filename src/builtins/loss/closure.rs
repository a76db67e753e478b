//! A loss that a script wrote: a closure over tensors, called at every step.

use super::at::Batch;
use crate::autograd::Tensor;
use crate::bind::prelude::*;
use crate::core::context::Interrupted;
use crate::train::{Loss, LossBatch, LossError, LossValue};
use std::cell::RefCell;

/// A closure `|logits, weak, at|` as the training loop sees it.
pub struct ClosureLoss<'a, 'c> {
    call: &'a Call<'c>,
    closure: FnPtr,
    digest: Digest,
    untraceable: Option<String>,
    /// What the closure raised: the host cannot carry it, so it waits here.
    fault: RefCell<Option<Fault>>,
}

impl<'a, 'c> ClosureLoss<'a, 'c> {
    /// The closure, to be called within `call`. Fails unless it takes three parameters.
    pub fn new(call: &'a Call<'c>, closure: FnPtr) -> Result<Self, Fault> {
        if let Some(taken) = call.other_arity(&closure, 3) {
            let what = format!("a loss takes three parameters, this function takes {taken}");
            return Err(Fault::new("loss/closure", what).hint("|logits, weak, at| logits.cross_entropy(weak)"));
        }
        let mut trace = Trace::new(call.context);
        let made = Digest::of("loss/closure", 3).digest("closure", trace.closure(&closure));
        // What it draws without a seed of its own moves with the session's.
        let digest = made.int("seed", call.ctx().seed(None) as i64).finish();
        let untraceable = trace.untraceable().map(|why| format!("of the loss, {why}"));
        Ok(ClosureLoss { call, closure, digest, untraceable, fault: RefCell::new(None) })
    }

    /// What the closure raised, if it did.
    pub fn fault(&self) -> Option<Fault> {
        self.fault.borrow_mut().take()
    }

    fn ask(&self, batch: &LossBatch) -> Result<LossValue, Fault> {
        let wide = |values: &[f32]| values.iter().map(|value| f64::from(*value)).collect();
        let logits = Tensor::variable(wide(batch.logits), batch.n_classes)?;
        let weak = Tensor::new(wide(batch.weak), batch.n_classes)?;
        let args = vec![Dynamic::from(logits.clone()), Dynamic::from(weak), Dynamic::from(Batch::of(batch)?)];
        let answer = self.call.call_back(&self.closure, args)?;
        let Some(loss) = answer.clone().try_cast::<Tensor>() else {
            return Err(misfit(&format!("it returned {}", crate::bind::describe(&answer))));
        };
        let [rows, columns] = loss.shape();
        if rows * columns != 1 {
            return Err(
                misfit(&format!("it returned one of {rows} × {columns}")).hint("`.mean()` makes one number of it")
            );
        }
        let value = loss.one()?;
        let Some(gradient) = loss.gradient(&logits)? else {
            let why = "what it returned does not depend on them";
            return Err(misfit(why).hint("`.detach()`, `.hard()`, comparisons and `.median()` cut the gradient"));
        };
        Ok(LossValue { value, gradient: gradient.into_iter().map(|slope| slope as f32).collect() })
    }
}

impl Loss for ClosureLoss<'_, '_> {
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

    fn step(&self, batch: &LossBatch) -> Result<LossValue, LossError> {
        self.ask(batch).map_err(|fault| {
            let interrupted = fault.interruption;
            let text = fault.message.clone();
            *self.fault.borrow_mut() = Some(fault);
            if interrupted { Interrupted.into() } else { LossError::Script(text) }
        })
    }
}

fn misfit(why: &str) -> Fault {
    let must = "the loss must return a tensor with one element that depends on `logits`";
    Fault::new("loss/closure", format!("{must}: {why}"))
}
