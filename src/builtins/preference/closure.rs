//! A loss on pairs that a script wrote: what its closure is given, and what of its answer a training takes.

use super::PreferenceLoss;
use crate::autograd::Tensor;
use crate::bind::prelude::*;
use crate::builtins::loss::{ClosureLoss, Form, Kind, NAME};
use crate::domains::preference::loss::{Needs, PairBatch, PairLoss, PairLossError, PairValue};

impl Kind for PreferenceLoss {
    type Host<'h> = dyn PairLoss + 'h;
    /// A closure `|batch|`.
    const FORM: &'static Form = &Form {
        derivation: || Digest::of("preference/closure", 1),
        n_parameters: 1,
        takes: "a preference loss takes one parameter",
        hint: "|batch| -((batch.chosen - batch.rejected) * 0.1).log_sigmoid().mean()",
        depends_on: "`batch.chosen` or `batch.rejected`",
    };

    fn host(&self) -> &Self::Host<'_> {
        &*self.0
    }

    fn closure<'l>(loss: &'l ClosureLoss) -> &'l Self::Host<'l> {
        loss
    }
}

impl PairLoss for ClosureLoss<'_, '_> {
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

    fn needs(&self) -> Needs {
        Needs { reference: true, ..Needs::default() }
    }

    fn step(&self, batch: &PairBatch) -> Result<PairValue, PairLossError> {
        self.carried(on_pairs(self, batch), PairLossError::Script)
    }
}

fn on_pairs(loss: &ClosureLoss, batch: &PairBatch) -> Result<PairValue, Fault> {
    batch.check(loss)?;
    let chosen = Tensor::variable(batch.chosen.to_vec(), 1)?;
    let rejected = Tensor::variable(batch.rejected.to_vec(), 1)?;
    let map = batch_map(batch, &chosen, &rejected)?;
    let (value, slopes) = loss.ask(vec![map.into()], [&chosen, &rejected])?;
    let n = batch.n_pairs();
    let [by_chosen, by_rejected] = slopes.map(|slope| slope.unwrap_or_else(|| vec![0.0; n]));
    // No margin of its own is known: the pull is that along the difference of both log-probabilities, without the mean's 1/n.
    let pull = by_chosen.iter().zip(&by_rejected).map(|(w, l)| 0.5 * (l - w) * n as f64).collect();
    Ok(PairValue { value, by_chosen, by_rejected, pull, ..PairValue::default() })
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
