//! Scoring: what a scalar head says of each sequence, before anything is compared.

use super::predict::{forward_work, outputs};
use super::{TrainError, trained};
use crate::core::context::Context;
use crate::core::digest::Digest;
use crate::core::random::Random;
use crate::data::Data;
use crate::frames::{Frame, FrameError};
use crate::kernels::Precision;
use crate::models::{Head, HeadKind, Model, ModelError};
use crate::store::memo::{Content, Done, Operation, Partial, Step, perform};
use polars::prelude::{Column, DataFrame};

/// Scores: a frame with `id`, `continuation` (0 for the first, or for the row itself) and `score`. Test rows may be scored.
pub fn score(model: &Model, data: &Data, precision: Precision, ctx: &Context) -> Result<Frame, TrainError> {
    trained::refuse_seen(ctx, model, data)?;
    let scoring = Scoring { model, data, precision };
    scoring.head()?;
    if data.is_empty() {
        return Err(TrainError::NoRows { of: "data" });
    }
    model.check_coverage(data, ctx)?;
    let scores = perform(&scoring, ctx)?;
    let n = data.n_sequences();
    let ids: Vec<&str> = data.rows().flat_map(|row| std::iter::repeat_n(row.id.as_str(), n)).collect();
    let continuations: Vec<i64> = (0..data.len()).flat_map(|_| 0..n as i64).collect();
    let columns = vec![
        Column::new("id".into(), ids),
        Column::new("continuation".into(), continuations),
        Column::new("score".into(), scores.iter().map(|score| f64::from(*score)).collect::<Vec<_>>()),
    ];
    let table = DataFrame::new(scores.len(), columns).map_err(FrameError::from)?;
    Ok(Frame::derived(table, scoring.digest()))
}

/// The scores of a model on data.
struct Scoring<'a> {
    model: &'a Model,
    data: &'a Data,
    precision: Precision,
}

impl Scoring<'_> {
    /// The model's scalar head.
    fn head(&self) -> Result<&Head, ModelError> {
        let name = || self.model.inner.name.clone();
        let head =
            self.model.inner.head.as_ref().ok_or_else(|| ModelError::NoScores { name: name(), has: "no head" })?;
        match head.kind {
            HeadKind::Scalar => Ok(head),
            HeadKind::Class => Err(ModelError::NoScores { name: name(), has: "a head that classifies" }),
        }
    }

    fn digest(&self) -> Digest {
        let (model, data) = (self.model.inner.digest, self.data.digest());
        Digest::of("score", 1)
            .digest("model", model)
            .digest("data", data)
            .text("precision", self.precision.name())
            .finish()
    }

    fn shape(&self) -> [usize; 2] {
        [self.data.len(), self.data.n_sequences()]
    }
}

/// The value is the scores, row-major `[n_rows, n_sequences]`.
impl Operation for Scoring<'_> {
    type Value = Vec<f32>;
    type Error = TrainError;

    fn step(&self) -> Step {
        Step {
            operation: "score",
            what: format!("{} rows of {} with {}", self.data.len(), self.data.name(), self.model.inner.name),
            digest: self.digest(),
            inputs: vec![("model", self.model.inner.digest), ("data", self.data.digest())],
            options: format!("precision {}", self.precision.name()),
            work: forward_work(self.model, self.data.n_bytes()),
            untraceable: None,
        }
    }

    fn compute(&self, ctx: &Context, _partial: &Partial) -> Result<Done<Vec<f32>>, TrainError> {
        let value = outputs(self.model, self.head()?, self.data, self.precision, ctx)?;
        Ok(Done { value, curve: Vec::new() })
    }

    fn pack(&self, value: &Vec<f32>) -> Content {
        Content::default().tensor("scores", &self.shape(), value.clone())
    }

    fn unpack(&self, mut content: Content) -> Result<Vec<f32>, String> {
        content.take("scores", &self.shape())
    }

    fn stand_in(&self) -> Vec<f32> {
        let mut random = Random::new(0, &self.digest().to_hex());
        (0..self.shape().iter().product()).map(|_| random.normal() as f32).collect()
    }
}
