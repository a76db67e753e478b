//! Labelling: logits, predictions and labels of a model with a head.

use super::TrainError;
use crate::host::data::Data;
use crate::host::digest::Digest;
use crate::host::frame::Frame;
use crate::host::lab::{Event, Lab};
use crate::host::model::trunk::{self, Packed, Tape};
use crate::host::model::{Head, Model, ModelError};

/// Tokens that go through the trunk at once: chosen, so that buffers stay small and an interrupt is seen in time.
/// Fixed, because sums may depend on it.
const TOKENS_PER_PASS: usize = 2048;

/// Features of every row, row-major `[n_rows, width]`.
pub(super) fn features(model: &Model, packed: &Packed, lab: &Lab) -> Result<Vec<f32>, TrainError> {
    let inner = &model.inner;
    let params = &inner.params.values;
    trunk::check(&inner.arch, params, packed)?;
    let mut tape = Tape::new();
    let mut found = Vec::with_capacity(packed.n_rows() * inner.arch.width());
    let mut part = Packed { tokens: Vec::new(), offsets: vec![0] };
    let n_rows = packed.n_rows();
    let what = format!("label with {}", inner.name);
    // Short jobs are not worth a progress bar.
    let told = packed.tokens.len() > 16 * TOKENS_PER_PASS;
    let bar = told.then(|| Bar::start(lab, what, n_rows as u64));
    for row in 0..n_rows {
        push_row(&mut part, packed, row);
        if part.tokens.len() >= TOKENS_PER_PASS || row + 1 == n_rows {
            lab.interrupt.check()?;
            found.extend(trunk::features(&inner.arch, params, &part, &mut tape));
            clear(&mut part);
            if let Some(bar) = &bar {
                bar.progress(row as u64 + 1, String::new);
            }
        }
    }
    Ok(found)
}

/// Appends row `row` of `from` to `to`.
pub(super) fn push_row(to: &mut Packed, from: &Packed, row: usize) {
    let bounds = from.offsets.get(row).zip(from.offsets.get(row + 1));
    let tokens = bounds.and_then(|(start, end)| from.tokens.get(*start..*end)).unwrap_or_default();
    to.tokens.extend_from_slice(tokens);
    to.offsets.push(to.tokens.len());
}

/// Empties a batch and keeps its memory.
pub(super) fn clear(packed: &mut Packed) {
    packed.tokens.clear();
    packed.offsets.clear();
    packed.offsets.push(0);
}

/// `features · weightᵀ`, row-major `[n_rows, n_classes]`, into `out`.
pub(super) fn head_forward(features: &[f32], weight: &[f32], width: usize, out: &mut Vec<f32>) {
    out.clear();
    for row in features.chunks_exact(width.max(1)) {
        for class in weight.chunks_exact(width.max(1)) {
            out.push(row.iter().zip(class).map(|(x, w)| x * w).sum());
        }
    }
}

/// Logits of every row, row-major `[n_rows, n_classes]`.
pub fn logits(model: &Model, data: &Data, lab: &Lab) -> Result<(Vec<f32>, usize), TrainError> {
    let head = head_for(model, data)?;
    if data.is_empty() {
        return Err(TrainError::NoRows);
    }
    let packed = model.encode(data, lab)?;
    let features = features(model, &packed, lab)?;
    let mut logits = Vec::with_capacity(data.len() * head.n_classes);
    head_forward(&features, &head.weight, model.inner.arch.width(), &mut logits);
    Ok((logits, head.n_classes))
}

fn head_for<'a>(model: &'a Model, data: &Data) -> Result<&'a Head, TrainError> {
    let name = || model.inner.name.clone();
    let head = model.inner.head.as_ref().ok_or_else(|| ModelError::NoHead { name: name() })?;
    let n_data = data.classes().len();
    if head.n_classes != n_data {
        return Err(ModelError::Classes { name: name(), n_classes: head.n_classes, n_data }.into());
    }
    Ok(head)
}

/// Predictions: a frame with `id`, `p0`, `p1`, … and `prediction`. Test rows may be predicted.
pub fn predict(model: &Model, data: &Data, lab: &Lab) -> Result<Frame, TrainError> {
    let started = std::time::Instant::now();
    let (probabilities, n_classes) = probabilities(model, data, lab)?;
    let frame = Frame::predictions(data.rows().map(|row| row.id.as_str()), &probabilities, n_classes)?;
    let digest = Digest::of("predict", 1).digest("model", model.inner.digest).digest("data", data.digest()).finish();
    told(lab, "predict", digest, started);
    Ok(Frame::derived(frame.table().clone(), digest))
}

/// Labels: a frame with `id`, `p0`, `p1`, … and `label`; soft as the model predicts, or hard: 1 for the likeliest class.
pub fn label(model: &Model, data: &Data, hard: bool, lab: &Lab) -> Result<Frame, TrainError> {
    let started = std::time::Instant::now();
    let (probabilities, n_classes) = probabilities(model, data, lab)?;
    let ids = data.rows().map(|row| row.id.as_str());
    let frame = if hard {
        let classes: Vec<usize> = probabilities.chunks_exact(n_classes).map(crate::host::frame::argmax).collect();
        Frame::hard_labels(ids, &classes, n_classes)?
    } else {
        Frame::labels(ids, &probabilities, n_classes)?
    };
    let digest = Digest::of("label", 1)
        .digest("model", model.inner.digest)
        .digest("data", data.digest())
        .int("hard", i64::from(hard))
        .finish();
    told(lab, "label", digest, started);
    Ok(Frame::derived(frame.table().clone(), digest))
}

fn told(lab: &Lab, name: &str, digest: Digest, started: std::time::Instant) {
    let seconds = started.elapsed().as_secs_f64();
    lab.tell(Event::Operation { name: name.to_owned(), digest: digest.to_hex(), seconds });
}

/// Softmax of the logits, computed in double precision.
fn probabilities(model: &Model, data: &Data, lab: &Lab) -> Result<(Vec<f32>, usize), TrainError> {
    let (logits, n_classes) = logits(model, data, lab)?;
    let mut probabilities = Vec::with_capacity(logits.len());
    for row in logits.chunks_exact(n_classes) {
        let most = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let total: f64 = row.iter().map(|z| f64::from(z - most).exp()).sum();
        probabilities.extend(row.iter().map(|z| (f64::from(z - most).exp() / total) as f32));
    }
    Ok((probabilities, n_classes))
}

/// A progress bar that ends when it is dropped, well or not.
pub(super) struct Bar<'a> {
    lab: &'a Lab,
    what: String,
}

impl<'a> Bar<'a> {
    pub(super) fn start(lab: &'a Lab, what: String, total: u64) -> Bar<'a> {
        lab.tell(Event::Started { what: what.clone(), total });
        Bar { lab, what }
    }

    pub(super) fn progress(&self, done: u64, note: impl FnOnce() -> String) {
        self.lab.tell(Event::Progress { what: self.what.clone(), done, note: note() });
    }
}

impl Drop for Bar<'_> {
    fn drop(&mut self) {
        self.lab.tell(Event::Ended { what: std::mem::take(&mut self.what) });
    }
}
