//! Labelling: logits, predictions and labels of a model with a head.

use super::{TrainError, trained};
use crate::core::context::{Context, Event};
use crate::core::digest::Digest;
use crate::core::math::exp;
use crate::core::random::Random;
use crate::data::{Data, TargetKind};
use crate::frames::Frame;
use crate::kernels::Precision;
use crate::models::candle;
use crate::models::trunk::{self, Packed, Reader};
use crate::models::{Head, HeadKind, Model, ModelError};
use crate::store::memo::{Content, Done, Operation, Partial, Step, perform};
use std::sync::{Mutex, PoisonError};

/// Tokens from which work is long enough for a progress bar: arbitrary, half a second of the slowest model.
const LONG: usize = 1 << 15;

/// Features of every row, row-major `[n_rows, width]`.
pub(super) fn features(
    model: &Model,
    packed: &Packed,
    precision: Precision,
    ctx: &Context,
) -> Result<Vec<f32>, TrainError> {
    let inner = &model.inner;
    let params = &inner.params.values;
    trunk::check(&inner.arch, params, packed)?;
    let n_rows = packed.n_rows() as u64;
    let told = packed.tokens.len() > LONG;
    let bar = told.then(|| Bar::start(ctx, format!("label with {}", inner.name), n_rows));
    let so_far = Mutex::new(0);
    let done = |n_rows: usize| {
        if let Some(bar) = &bar {
            // Told under the lock, so that numbers rise.
            let mut so_far = so_far.lock().unwrap_or_else(PoisonError::into_inner);
            *so_far += n_rows as u64;
            bar.progress(*so_far, String::new);
        }
    };
    match candle::device(&ctx.settings.device)? {
        None => Ok(Reader::new(&inner.arch, params, precision).features(packed, &ctx.interrupt, &done)?),
        Some(on) => Ok(candle::read(&inner.arch, params, precision, packed, &on, &ctx.interrupt, &done)?),
    }
}

/// Appends row `row` of `from` to `to`.
pub(super) fn push_row(to: &mut Packed, from: &Packed, row: usize) {
    to.tokens.extend_from_slice(from.row(row));
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

/// Logits of every row, row-major `[n_rows, n_classes]`; the trunk's matrix products in `precision`.
pub fn logits(
    model: &Model,
    data: &Data,
    precision: Precision,
    ctx: &Context,
) -> Result<(Vec<f32>, usize), TrainError> {
    let head = head_for(model, data)?;
    Ok((outputs(model, head, data, precision, ctx)?, data.n_classes()))
}

/// What the head gives for every sequence of every row, row-major.
pub(super) fn outputs(
    model: &Model,
    head: &Head,
    data: &Data,
    precision: Precision,
    ctx: &Context,
) -> Result<Vec<f32>, TrainError> {
    if data.is_empty() {
        return Err(TrainError::NoRows { of: "data" });
    }
    let packed = model.encode(data, ctx)?;
    let features = features(model, &packed, precision, ctx)?;
    let mut outputs = Vec::with_capacity(packed.n_rows() * head.n_classes);
    head_forward(&features, &head.weight, model.inner.arch.width(), &mut outputs);
    Ok(outputs)
}

/// The model's head, which must be of the kind that the data asks for and have its number of classes.
fn head_for<'a>(model: &'a Model, data: &Data) -> Result<&'a Head, TrainError> {
    let head = head_of_kind(model, data)?;
    let n_data = data.classes().len();
    if head.kind == HeadKind::Class && head.n_classes != n_data {
        let name = model.inner.name.clone();
        return Err(ModelError::Classes { name, n_classes: head.n_classes, n_data }.into());
    }
    Ok(head)
}

/// The model's head, which must be of the kind that the data asks for.
fn head_of_kind<'a>(model: &'a Model, data: &Data) -> Result<&'a Head, ModelError> {
    let name = || model.inner.name.clone();
    let kind = asked_head(data)?;
    let head = model.inner.head.as_ref().ok_or_else(|| ModelError::NoHead { name: name() })?;
    if head.kind != kind {
        let (has, asks) = match kind {
            HeadKind::Scalar => ("classifies", "preferences"),
            HeadKind::Class => ("scores", "classes"),
        };
        return Err(ModelError::OtherHead { name: name(), data: data.name().to_owned(), has, asks });
    }
    Ok(head)
}

/// The kind of head that answers what the data asks.
pub(super) fn asked_head(data: &Data) -> Result<HeadKind, ModelError> {
    match data.target() {
        TargetKind::Preference => Ok(HeadKind::Scalar),
        TargetKind::Classes => Ok(HeadKind::Class),
        kind => Err(ModelError::NothingAsked { data: data.name().to_owned(), asks: kind.asks() }),
    }
}

/// Predictions: a frame with `id`, `p0`, `p1`, … and `prediction`, in the order of the data's classes. Test rows may be predicted.
pub fn predict(model: &Model, data: &Data, precision: Precision, ctx: &Context) -> Result<Frame, TrainError> {
    trained::refuse_seen(ctx, model, data)?;
    let model = &in_order(model, data)?;
    answer(&Prediction { model, data, kind: Kind::Predict, precision }, ctx)
}

/// Labels: a frame with `id`, `p0`, `p1`, … and `label`; soft as the model predicts, or hard: 1 for the likeliest class.
pub fn label(model: &Model, data: &Data, hard: bool, precision: Precision, ctx: &Context) -> Result<Frame, TrainError> {
    trained::refuse_seen(ctx, model, data)?;
    let kind = if hard { Kind::HardLabel } else { Kind::SoftLabel };
    let model = &in_order(model, data)?;
    answer(&Prediction { model, data, kind, precision }, ctx)
}

/// The model with its classes in the order of the data's, if its head answers what the data asks.
fn in_order(model: &Model, data: &Data) -> Result<Model, TrainError> {
    head_of_kind(model, data)?;
    Ok(model.in_classes(data.classes(), data.name())?)
}

fn answer(prediction: &Prediction, ctx: &Context) -> Result<Frame, TrainError> {
    head_for(prediction.model, prediction.data)?;
    if prediction.data.is_empty() {
        return Err(TrainError::NoRows { of: "data" });
    }
    prediction.model.check_coverage(prediction.data, ctx)?;
    prediction.frame(&perform(prediction, ctx)?, prediction.data.n_classes())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Predict,
    SoftLabel,
    HardLabel,
}

/// Probabilities of a model on data, as predictions or labels.
struct Prediction<'a> {
    model: &'a Model,
    data: &'a Data,
    kind: Kind,
    precision: Precision,
}

impl Prediction<'_> {
    /// The digest of the frame.
    fn digest(&self) -> Digest {
        let (model, data) = (self.model.inner.digest, self.data.digest());
        let started = match self.kind {
            Kind::Predict => Digest::of("predict", 3),
            Kind::SoftLabel => Digest::of("label", 3).int("hard", 0),
            Kind::HardLabel => Digest::of("label", 3).int("hard", 1),
        };
        started.digest("model", model).digest("data", data).text("precision", self.precision.name()).finish()
    }

    /// The frame, from probabilities row by row.
    fn frame(&self, probabilities: &[f32], n_classes: usize) -> Result<Frame, TrainError> {
        let ids = self.data.rows().map(|row| row.id.as_str());
        let frame = match self.kind {
            Kind::Predict => Frame::predictions(ids, probabilities, n_classes)?,
            Kind::SoftLabel => Frame::labels(ids, probabilities, n_classes)?,
            Kind::HardLabel => {
                let rows = probabilities.chunks_exact(n_classes.max(1));
                let classes: Vec<usize> = rows.map(crate::frames::argmax).collect();
                Frame::hard_labels(ids, &classes, n_classes)?
            }
        };
        Ok(Frame::derived(frame.table().clone(), self.digest()).named(self.data.classes()))
    }

    fn shape(&self) -> [usize; 2] {
        [self.data.len(), self.data.n_classes()]
    }
}

/// The value is the probabilities, row-major `[n_rows, n_classes]`.
impl Operation for Prediction<'_> {
    type Value = Vec<f32>;
    type Error = TrainError;

    fn step(&self) -> Step {
        Step {
            operation: if self.kind == Kind::Predict { "predict" } else { "label" },
            what: format!("{} rows of {} with {}", self.data.len(), self.data.name(), self.model.inner.name),
            digest: self.digest(),
            inputs: vec![("model", self.model.inner.digest), ("data", self.data.digest())],
            options: match self.kind {
                Kind::Predict => format!("precision {}", self.precision.name()),
                kind => format!("hard {}, precision {}", kind == Kind::HardLabel, self.precision.name()),
            },
            work: forward_work(self.model, self.data.n_bytes()),
            untraceable: None,
        }
    }

    fn compute(&self, ctx: &Context, _partial: &Partial) -> Result<Done<Vec<f32>>, TrainError> {
        let (values, _) = probabilities(self, ctx)?;
        Ok(Done { value: values, curve: Vec::new() })
    }

    fn pack(&self, value: &Vec<f32>) -> Content {
        Content::default().tensor("probabilities", &self.shape(), value.clone())
    }

    fn unpack(&self, mut content: Content) -> Result<Vec<f32>, String> {
        let values = content.take("probabilities", &self.shape())?;
        match values.iter().find(|p| !(0.0..=1.0).contains(*p)) {
            Some(p) => Err(format!("it has the probability {p}")),
            None => Ok(values),
        }
    }

    fn stand_in(&self) -> Vec<f32> {
        let [n_rows, n_classes] = self.shape();
        let mut random = Random::new(0, &self.digest().to_hex());
        let mut values = Vec::with_capacity(n_rows * n_classes);
        for _ in 0..n_rows {
            let row: Vec<f32> = (0..n_classes).map(|_| random.uniform() as f32 + 1e-3).collect();
            let total: f32 = row.iter().sum();
            values.extend(row.iter().map(|p| p / total));
        }
        values
    }
}

/// Features that a head is trained on: every probe of one model on one set of rows reads the same.
pub(super) struct Features<'a> {
    pub model: &'a Model,
    pub data: &'a Data,
    pub packed: &'a Packed,
}

/// The least work that is worth a file in the store: arbitrary, a fraction of a second.
const WORTH_KEEPING: f64 = 1e10;

impl Features<'_> {
    /// The features, row-major `[n_rows, width]`; looked up where computing them is long work.
    pub fn find(&self, ctx: &Context) -> Result<Vec<f32>, TrainError> {
        if self.step().work < WORTH_KEEPING { self.now(ctx) } else { perform(self, ctx) }
    }

    fn now(&self, ctx: &Context) -> Result<Vec<f32>, TrainError> {
        features(self.model, self.packed, Precision::F32, ctx)
    }

    fn shape(&self) -> [usize; 2] {
        [self.packed.n_rows(), self.model.inner.arch.width()]
    }
}

impl Operation for Features<'_> {
    type Value = Vec<f32>;
    type Error = TrainError;

    fn step(&self) -> Step {
        let (model, data) = (self.model.inner.digest, self.data.digest());
        Step {
            operation: "features",
            what: format!("{} on {} rows of {}", self.model.inner.name, self.data.len(), self.data.name()),
            digest: Digest::of("features", 2).digest("model", model).digest("data", data).finish(),
            inputs: vec![("model", model), ("data", data)],
            options: String::new(),
            work: 2.0 * self.model.n_params() as f64 * self.packed.tokens.len() as f64,
            untraceable: None,
        }
    }

    fn compute(&self, ctx: &Context, _partial: &Partial) -> Result<Done<Vec<f32>>, TrainError> {
        Ok(Done { value: self.now(ctx)?, curve: Vec::new() })
    }

    fn pack(&self, value: &Vec<f32>) -> Content {
        Content::default().tensor("features", &self.shape(), value.clone())
    }

    fn unpack(&self, mut content: Content) -> Result<Vec<f32>, String> {
        content.take("features", &self.shape())
    }

    fn stand_in(&self) -> Vec<f32> {
        let [n_rows, width] = self.shape();
        vec![0.0; n_rows * width]
    }
}

/// Floating-point operations of a forward pass over rows of `bytes` bytes in all: two for each parameter of the blocks and
/// each token, at five bytes a token (chosen; enough for an estimate).
pub(super) fn forward_work(model: &Model, bytes: usize) -> f64 {
    2.0 * model.n_params() as f64 * (bytes as f64 / 5.0)
}

/// Softmax of the logits, computed in double precision.
fn probabilities(of: &Prediction, ctx: &Context) -> Result<(Vec<f32>, usize), TrainError> {
    let (logits, n_classes) = logits(of.model, of.data, of.precision, ctx)?;
    let mut probabilities = Vec::with_capacity(logits.len());
    for row in logits.chunks_exact(n_classes) {
        let most = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let total: f64 = row.iter().map(|z| exp(f64::from(z - most))).sum();
        probabilities.extend(row.iter().map(|z| (exp(f64::from(z - most)) / total) as f32));
    }
    Ok((probabilities, n_classes))
}

/// A progress bar that ends when it is dropped, well or not.
pub(super) struct Bar<'a> {
    ctx: &'a Context,
    what: String,
}

impl<'a> Bar<'a> {
    pub(super) fn start(ctx: &'a Context, what: String, total: u64) -> Bar<'a> {
        ctx.tell(Event::Started { what: what.clone(), total });
        Bar { ctx, what }
    }

    pub(super) fn progress(&self, done: u64, note: impl FnOnce() -> String) {
        self.ctx.tell(Event::Progress { what: self.what.clone(), done, note: note() });
    }
}

impl Drop for Bar<'_> {
    fn drop(&mut self) {
        self.ctx.tell(Event::Ended { what: std::mem::take(&mut self.what) });
    }
}
