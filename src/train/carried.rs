//! What a loss carries from step to step, which a saved state has to hold: the latest rows' logits, how many rows it kept.

use crate::core::context::Context;
use serde_json::{Value, json};

/// What is carried to the next step.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Carried {
    /// Logits of the latest rows, row-major, of a loss that looks at them.
    pub earlier: Vec<f32>,
    /// Of a loss that leaves rows out.
    pub kept: Option<RowsKept>,
    /// What was measured of the steps, where a training measures more than its loss.
    pub measured: Vec<f64>,
    /// What a loss on pairs asked to be told in the next step.
    pub loss: Vec<f64>,
}

/// How many rows a loss learned from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct RowsKept {
    pub n_rows: u64,
    pub n_kept: u64,
    pub n_steps: u64,
    /// Steps in which it kept none.
    pub n_empty: u64,
}

impl Carried {
    /// Adds the logits of a batch; the latest `most` rows of `n_classes` remain.
    pub fn look_at(&mut self, logits: &[f32], n_classes: usize, most: usize) {
        self.earlier.extend_from_slice(logits);
        let n_over = self.earlier.len().saturating_sub(most * n_classes);
        self.earlier.drain(..n_over);
    }

    /// Adds a step that learned from `n_kept` of `n_rows`.
    pub fn count(&mut self, n_kept: usize, n_rows: usize) {
        let kept = self.kept.get_or_insert_default();
        kept.n_rows += n_rows as u64;
        kept.n_kept += n_kept as u64;
        kept.n_steps += 1;
        kept.n_empty += u64::from(n_kept == 0);
    }

    /// As a saved state holds it, to the bit.
    pub fn to_json(&self) -> Value {
        let bits: Vec<u32> = self.earlier.iter().map(|z| z.to_bits()).collect();
        let of = |numbers: &[f64]| numbers.iter().map(|number| number.to_bits()).collect::<Vec<u64>>();
        let (measured, loss) = (of(&self.measured), of(&self.loss));
        json!({ "earlier": bits, "kept": self.kept.map(RowsKept::to_json), "measured": measured, "loss": loss })
    }

    /// Of a saved state; nothing was carried before there was anything to carry.
    pub fn from_json(held: Option<&Value>) -> Option<Carried> {
        let Some(held) = held else { return Some(Carried::default()) };
        let bits = held.get("earlier")?.as_array()?.iter();
        let number = |bits: &Value| Some(f32::from_bits(u32::try_from(bits.as_u64()?).ok()?));
        let earlier = bits.map(number).collect::<Option<_>>()?;
        let kept = match held.get("kept")? {
            Value::Null => None,
            kept => Some(RowsKept::from_json(kept)?),
        };
        let numbers = |name: &str| match held.get(name) {
            None => Some(Vec::new()),
            Some(held) => held.as_array()?.iter().map(|bits| bits.as_u64().map(f64::from_bits)).collect(),
        };
        Some(Carried { earlier, kept, measured: numbers("measured")?, loss: numbers("loss")? })
    }
}

impl RowsKept {
    pub fn to_json(self) -> Value {
        json!([self.n_rows, self.n_kept, self.n_steps, self.n_empty])
    }

    pub fn from_json(held: &Value) -> Option<RowsKept> {
        let at = |idx: usize| held.get(idx)?.as_u64();
        Some(RowsKept { n_rows: at(0)?, n_kept: at(1)?, n_steps: at(2)?, n_empty: at(3)? })
    }

    /// For a model's recipe: what its loss learned from.
    pub fn tell(self) -> String {
        let RowsKept { n_rows, n_kept, n_steps, n_empty } = self;
        format!("its loss kept {n_kept} of {n_rows} rows, none in {n_empty} of {n_steps} steps")
    }

    /// Warns of steps that learned from no row.
    pub fn warn(self, loss: &str, ctx: &Context) {
        if self.n_kept == 0 {
            ctx.warn(format!("`{loss}` kept none of the {} rows: the training learned nothing", self.n_rows));
        } else if self.n_empty > 0 {
            ctx.warn(format!(
                "`{loss}` kept no row in {} of {} steps, and {} of {} rows in all: those steps learned nothing",
                self.n_empty, self.n_steps, self.n_kept, self.n_rows
            ));
        }
    }
}

#[cfg(test)]
mod tests;
