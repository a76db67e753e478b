//! What a loss makes of single pairs at a model as it is: nothing is trained.

use super::pairs::{Pairs, Reference};
use super::{TrainError, ready_for_pairs};
use crate::core::context::Context;
use crate::data::Data;
use crate::domains::preference::loss::{Needs, PairBatch, PairLoss};
use crate::domains::preference::measured::of_each;
use crate::frames::{Frame, FrameError};
use crate::models::{Model, candle};
use crate::train::labels::Labels;
use polars::prelude::{Column, DataFrame};

/// A row for each pair of `data` that `labels` name: `id`, `chosen` (which continuation that is, 0 or 1), and what
/// [`of_each`] says of it. All pairs are one batch, the first of a training. Refuses what
/// [`super::finetune_preferences`] refuses of data, labels and reference; test rows are read. Pairs whose continuations are the same tokens are left
/// out, and the context is warned of them.
pub fn pair_weights(
    model: &Model,
    data: &Data,
    labels: &Frame,
    loss: &dyn PairLoss,
    reference: Option<&Model>,
    max_tokens: Option<usize>,
    ctx: &Context,
) -> Result<Frame, TrainError> {
    let (model, reference) = ready_for_pairs(model, data, loss, reference, max_tokens)?;
    let labels = labels.in_classes(data.classes(), ("`labels`", "`data`"))?;
    let pairs = Pairs::of(&model, data, &Labels::read(data, &labels)?, ctx)?;
    if pairs.n_alike > 0 {
        ctx.warn(pairs.alike_text());
    }
    let device = candle::device(&ctx.settings.device)?;
    let (asked, needs) = (loss.needs(), |reference| Needs { reference, prompt: false, ..loss.needs() });
    let own = Reference::of(&model, data, &pairs, needs(true), device.as_ref(), ctx)?;
    let other = Reference::of(&reference, data, &pairs, needs(asked.reference), device.as_ref(), ctx)?;
    let of = |read: &Reference, which: fn(&super::pairs::Pair) -> usize| -> Vec<f64> {
        if read.logprobs.is_empty() {
            return Vec::new();
        }
        pairs.all.iter().map(|pair| read.of_sequence(which(pair))).collect()
    };
    let length = |sequence: usize| (pairs.packed.row(sequence).len() - pairs.start(sequence)) as f64;
    let column = |number: &dyn Fn(&super::pairs::Pair) -> f64| pairs.all.iter().map(number).collect::<Vec<f64>>();
    let n = pairs.all.len();
    let ids: Vec<&str> = data.rows().map(|row| row.id.as_str()).collect();
    let rows: Vec<&str> = (0..n as u32).filter_map(|at| ids.get(pairs.row(at)?).copied()).collect();
    // What a loss of whole texts says of the prompt's tokens moves no weight: their number counts, not their likelihood.
    let prompt = if asked.prompt { column(&|pair| pairs.start(pair.chosen) as f64 - 1.0) } else { Vec::new() };
    let batch = PairBatch {
        chosen: &of(&own, |pair| pair.chosen),
        rejected: &of(&own, |pair| pair.rejected),
        reference_chosen: &of(&other, |pair| pair.chosen),
        reference_rejected: &of(&other, |pair| pair.rejected),
        n_chosen: &column(&|pair| length(pair.chosen)),
        n_rejected: &column(&|pair| length(pair.rejected)),
        preference: &column(&|pair| pair.preference),
        weights: &if pairs.is_weighted { column(&|pair| pair.weight) } else { Vec::new() },
        prompt: &vec![0.0; prompt.len()],
        n_prompt: &prompt,
        kl: mismatched(&own, &other),
        rows: &rows,
        steps: 1,
        ..PairBatch::default()
    };
    let found = loss.step(&batch)?;
    for got in [found.by_chosen.len(), found.by_rejected.len()] {
        if got != n {
            return Err(TrainError::GradientShape { got, expected: n });
        }
    }
    let places: Vec<i64> = pairs.all.iter().map(|pair| (pair.chosen % 2) as i64).collect();
    let mut columns = vec![Column::new("id".into(), &rows), Column::new("chosen".into(), places)];
    columns.extend(of_each(&batch, &found));
    let table = DataFrame::new(n, columns).map_err(FrameError::from)?;
    Ok(Frame::tidy(table)?.made_from(&labels))
}

/// The mean log-ratio of prompts with other prompts' continuations, of both sequences of each row; NaN where it was not read.
fn mismatched(own: &Reference, other: &Reference) -> f64 {
    let (Some(own), Some(other)) = (&own.mismatched, &other.mismatched) else { return f64::NAN };
    let sum = |numbers: &[f64]| numbers.iter().sum::<f64>();
    (sum(&own.logprobs) - sum(&other.logprobs)) / own.logprobs.len().max(1) as f64
}
