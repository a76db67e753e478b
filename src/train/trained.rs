//! What models were trained on, where the split of those rows can be drawn again: a row that is a train row in one draw and a
//! test row in another must not be predicted as a test row by a model that has seen it.

use super::TrainError;
use crate::core::context::Context;
use crate::core::digest::Digest;
use crate::data::{Data, Split};
use crate::models::Model;
use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, PoisonError};

/// By the digests of models that this session trained: the rows, in all trainings of a model and of what it came from.
#[derive(Default)]
struct TrainedOn(Mutex<HashMap<Digest, Vec<Data>>>);

/// Notes that `model` came from `from` by a training on `data`.
pub(super) fn note(ctx: &Context, from: &Model, model: &Model, data: &Data) {
    let state = ctx.state::<TrainedOn>();
    let mut held = state.0.lock().unwrap_or_else(PoisonError::into_inner);
    let mut rows = held.get(&from.inner.digest).cloned().unwrap_or_default();
    if data.draw().is_some() {
        rows.push(data.clone());
    }
    if !rows.is_empty() {
        held.insert(model.inner.digest, rows);
    }
}

/// Fails if test rows of `data` are rows that `model` was trained on, under another draw of the split.
pub(super) fn refuse_seen(ctx: &Context, model: &Model, data: &Data) -> Result<(), TrainError> {
    let Some(draw) = data.draw() else { return Ok(()) };
    let state = ctx.state::<TrainedOn>();
    let held = state.0.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(trained) = held.get(&model.inner.digest) else { return Ok(()) };
    let redrawn = |rows: &&Data| rows.draw() == Some(draw) && rows.source().digest != data.source().digest;
    let seen: HashSet<&str> = trained.iter().filter(redrawn).flat_map(Data::rows).map(|row| row.id.as_str()).collect();
    if seen.is_empty() {
        return Ok(());
    }
    let test = || data.rows().filter(|row| row.split != Split::Train);
    let met: Vec<&str> = test().map(|row| row.id.as_str()).filter(|id| seen.contains(id)).collect();
    let Some(first) = met.first() else { return Ok(()) };
    Err(TrainError::SeenRows {
        model: model.inner.name.clone(),
        data: data.name().to_owned(),
        n: met.len(),
        n_test: test().count(),
        id: (*first).to_owned(),
    })
}
