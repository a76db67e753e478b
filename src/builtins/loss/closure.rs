//! A loss that a script wrote: a closure over tensors, called at every step. What a kind of loss gives its closure is a [`Form`]; the
//! losses on pairs have theirs in `builtins::preference`.

use super::at::Batch;
use crate::autograd::Tensor;
use crate::bind::prelude::*;
use crate::core::context::Interrupted;
use crate::core::digest::DigestBuilder;
use crate::train::{Loss, LossBatch, LossError, LossValue};
use std::cell::RefCell;

/// What closures of one kind of loss take and answer.
pub struct Form {
    /// The beginning of the derivation's digest.
    pub derivation: fn() -> DigestBuilder,
    pub n_parameters: usize,
    /// Of a closure with other parameters: what it is that takes them.
    pub takes: &'static str,
    /// Such a closure.
    pub hint: &'static str,
    /// What the answer must depend on.
    pub depends_on: &'static str,
}

/// A closure `|logits, weak, at|`.
const ON_LOGITS: Form = Form {
    derivation: || Digest::of("loss/closure", 3),
    n_parameters: 3,
    takes: "a loss takes three parameters",
    hint: "|logits, weak, at| logits.cross_entropy(weak)",
    depends_on: "`logits`",
};

/// A closure as a training sees it.
pub struct ClosureLoss<'a, 'c> {
    call: &'a Call<'c>,
    closure: FnPtr,
    form: &'static Form,
    digest: Digest,
    untraceable: Option<String>,
    /// What the closure raised: the host cannot carry it, so it waits here.
    fault: RefCell<Option<Fault>>,
}

impl<'a, 'c> ClosureLoss<'a, 'c> {
    /// The closure, to be called within `call`. Fails unless it takes the parameters of its form.
    pub fn of_form(call: &'a Call<'c>, closure: FnPtr, form: &'static Form) -> Result<Self, Fault> {
        if let Some(taken) = call.other_arity(&closure, form.n_parameters) {
            let what = format!("{}, this function takes {taken}", form.takes);
            return Err(Fault::new("loss/closure", what).hint(form.hint));
        }
        let mut trace = Trace::new(call.context);
        let made = (form.derivation)().digest("closure", trace.closure(&closure));
        // What it draws without a seed of its own moves with the session's.
        let digest = made.int("seed", call.ctx().seed(None) as i64).finish();
        let untraceable = trace.untraceable().map(|why| format!("of the loss, {why}"));
        Ok(ClosureLoss { call, closure, form, digest, untraceable, fault: RefCell::new(None) })
    }

    /// What the closure raised, if it did.
    pub fn fault(&self) -> Option<Fault> {
        self.fault.borrow_mut().take()
    }

    /// The number that the closure answers, and its slopes by these tensors: none where it does not depend on one of them. Fails where it
    /// depends on none.
    pub fn ask<const N: usize>(&self, args: Vec<Dynamic>, by: [&Tensor; N]) -> Result<(f64, Slopes<N>), Fault> {
        let answer = self.call.call_back(&self.closure, args)?;
        let Some(loss) = answer.clone().try_cast::<Tensor>() else {
            return Err(self.misfit(&format!("it returned {}", crate::bind::describe(&answer))));
        };
        let [rows, columns] = loss.shape();
        if rows * columns != 1 {
            let what = format!("it returned one of {rows} × {columns}");
            return Err(self.misfit(&what).hint("`.mean()` makes one number of it"));
        }
        let value = loss.one()?;
        let mut slopes = [const { None }; N];
        for (slope, tensor) in slopes.iter_mut().zip(by) {
            *slope = loss.gradient(tensor)?;
        }
        if slopes.iter().all(Option::is_none) {
            let why = "what it returned does not depend on them";
            let hint = "`.detach()`, `.hard()`, comparisons and `.median()` cut the gradient";
            return Err(self.misfit(why).hint(hint));
        }
        Ok((value, slopes))
    }

    /// The answer as the host carries it; a fault waits here for the call that began the training.
    pub fn carried<T, E: From<Interrupted>>(
        &self,
        answer: Result<T, Fault>,
        failed: impl FnOnce(String) -> E,
    ) -> Result<T, E> {
        answer.map_err(|fault| {
            let error = if fault.interruption { Interrupted.into() } else { failed(fault.message.clone()) };
            *self.fault.borrow_mut() = Some(fault);
            error
        })
    }

    /// As a model's recipe names it.
    pub fn text(&self) -> String {
        format!("{NAME} ({})", self.digest.short())
    }

    /// The derivation's digest, and why it does not name all that the closure does, if so.
    pub fn derivation(&self) -> (Digest, Option<String>) {
        (self.digest, self.untraceable.clone())
    }

    fn misfit(&self, why: &str) -> Fault {
        let must = "the loss must return a tensor with one element that depends on";
        Fault::new("loss/closure", format!("{must} {}: {why}", self.form.depends_on))
    }
}

/// The gradient by each of several tensors.
pub type Slopes<const N: usize> = [Option<Vec<f64>>; N];

/// What every loss of a script is called.
pub const NAME: &str = "a loss of the script";

impl Loss for ClosureLoss<'_, '_> {
    fn name(&self) -> String {
        NAME.to_owned()
    }

    fn show(&self) -> String {
        self.text()
    }

    fn digest(&self) -> Digest {
        self.derivation().0
    }

    fn untraceable(&self) -> Option<String> {
        self.derivation().1
    }

    fn step(&self, batch: &LossBatch) -> Result<LossValue, LossError> {
        self.carried(on_logits(self, batch), LossError::Script)
    }
}

fn on_logits(loss: &ClosureLoss, batch: &LossBatch) -> Result<LossValue, Fault> {
    let wide = |values: &[f32]| values.iter().map(|value| f64::from(*value)).collect();
    let logits = Tensor::variable(wide(batch.logits), batch.n_classes)?;
    let weak = Tensor::new(wide(batch.weak), batch.n_classes)?;
    let args = vec![Dynamic::from(logits.clone()), Dynamic::from(weak), Dynamic::from(Batch::of(batch)?)];
    let (value, [gradient]) = loss.ask(args, [&logits])?;
    let gradient = gradient.unwrap_or_default().into_iter().map(|slope| slope as f32).collect();
    Ok(LossValue { value, gradient })
}

/// What an option `loss` can be: a built-in of this kind, or a closure over tensors.
#[derive(Clone)]
pub enum AnyLoss<L> {
    Built(L),
    Closure(FnPtr),
}

/// Built-in losses of one kind, as a training takes them.
pub trait Kind: Value + Clone {
    /// What a training on such a loss takes.
    type Host<'h>: ?Sized;
    /// What closures of this kind take.
    const FORM: &'static Form;
    fn host(&self) -> &Self::Host<'_>;
    fn closure<'l>(loss: &'l ClosureLoss) -> &'l Self::Host<'l>;
}

impl Kind for super::Loss {
    type Host<'h> = dyn Loss + 'h;
    const FORM: &'static Form = &ON_LOGITS;

    fn host(&self) -> &Self::Host<'_> {
        &*self.0
    }

    fn closure<'l>(loss: &'l ClosureLoss) -> &'l Self::Host<'l> {
        loss
    }
}

impl<L: Kind> AnyLoss<L> {
    /// What a training by this loss gives; of a fault that the closure raised the fault itself.
    pub fn train<T, E>(
        self,
        call: &Call,
        train: impl for<'h> FnOnce(&'h L::Host<'h>) -> Result<T, E>,
    ) -> Result<T, Fault>
    where
        Fault: From<E>,
    {
        match self {
            AnyLoss::Built(loss) => Ok(train(loss.host())?),
            AnyLoss::Closure(closure) => {
                let loss = ClosureLoss::of_form(call, closure, L::FORM)?;
                let trained = train(L::closure(&loss));
                trained.map_err(|error| loss.fault().unwrap_or_else(|| error.into()))
            }
        }
    }

    /// The closure, where it is one.
    pub fn closure(&self) -> Option<Dynamic> {
        match self {
            AnyLoss::Built(_) => None,
            AnyLoss::Closure(closure) => Some(Dynamic::from(closure.clone())),
        }
    }
}

impl<L: Value> std::fmt::Debug for AnyLoss<L> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            AnyLoss::Built(loss) => f.write_str(&loss.show()),
            AnyLoss::Closure(_) => f.write_str("closure"),
        }
    }
}

impl<L: Value + Clone> FromDynamic for AnyLoss<L> {
    fn type_name() -> String {
        format!("{}|function", L::NAME)
    }

    fn from_dynamic(value: &Dynamic) -> Result<Self, Mismatch> {
        if let Some(loss) = value.clone().try_cast::<L>() {
            return Ok(AnyLoss::Built(loss));
        }
        match value.clone().try_cast::<FnPtr>() {
            Some(closure) => Ok(AnyLoss::Closure(closure)),
            None => Err(Self::mismatch(value)),
        }
    }
}
