//! Hidden states as an operation: what a model makes of rows or tokens after some of its blocks.

use super::options::choice;
use super::predict::{Bar, forward_work};
use super::{Choice, TrainError};
use crate::core::context::Context;
use crate::core::digest::Digest;
use crate::core::random::Random;
use crate::data::Data;
use crate::frames::{Frame, FrameError};
use crate::kernels::Precision;
use crate::models::trunk::{Packed, Reader, check};
use crate::models::{Model, ModelError, candle};
use crate::store::memo::{Content, Done, Operation, Partial, Step, perform};
use polars::prelude::{Column, DataFrame};
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

/// Tokens from which reading is long enough for a progress bar. Arbitrary, half a second of a small model.
const LONG: usize = 1 << 14;

choice! {
    /// How a sequence's tokens become one vector.
    pub enum Pool {
        /// The last token's.
        Last = "last",
        /// The mean over all tokens.
        Mean = "mean",
        /// They do not: a vector for each token.
        None = "none",
    }
}

/// Hidden states after the first `layer` blocks, of all of them where it is left out: a frame with `id`, (`continuation`,)
/// (`position`, `token`,) `x0`, `x1`, …. `pool` left out is what the model's heads read: the last token of a causal
/// model, the mean of a BERT.
pub fn hidden_states(
    model: &Model,
    data: &Data,
    layer: Option<usize>,
    pool: Option<Pool>,
    ctx: &Context,
) -> Result<Frame, TrainError> {
    let arch = &model.inner.arch;
    if data.is_empty() {
        return Err(TrainError::NoRows { of: "data" });
    }
    if candle::device(&ctx.settings.device)?.is_some() {
        return Err(TrainError::CpuOnly { asked: "give hidden states", device: ctx.settings.device.clone() });
    }
    let layer = layer.unwrap_or(arch.n_layers());
    if layer > arch.n_layers() {
        let must = format!("from 0 (the embeddings) to {}", arch.n_layers());
        return Err(TrainError::Range { option: "layer", must, got: layer.to_string() });
    }
    let pool = pool.unwrap_or(if arch.is_causal() { Pool::Last } else { Pool::Mean });
    let packed = model.encode(data, ctx)?;
    let work = HiddenStates { model, data, packed: &packed, layer, pool };
    let values = perform(&work, ctx)?;
    work.frame(&values)
}

/// Hidden states before they are computed.
struct HiddenStates<'a> {
    model: &'a Model,
    data: &'a Data,
    packed: &'a Arc<Packed>,
    layer: usize,
    pool: Pool,
}

impl HiddenStates<'_> {
    fn digest(&self) -> Digest {
        let (model, data) = (self.model.inner.digest, self.data.digest());
        Digest::of("hidden_states", 1)
            .digest("model", model)
            .digest("data", data)
            .int("layer", self.layer as i64)
            .text("pool", self.pool.name())
            .finish()
    }

    /// Vectors, and numbers in each.
    fn shape(&self) -> [usize; 2] {
        let n = if self.pool == Pool::None { self.packed.tokens.len() } else { self.packed.n_rows() };
        [n, self.model.inner.arch.width()]
    }

    /// Vectors of some rows, from the states of all their tokens.
    fn pooled(&self, rows: Range<usize>, states: &[f32]) -> Vec<f32> {
        let width = self.model.inner.arch.width();
        let mut left = states;
        let mut found = Vec::new();
        for row in rows {
            let n = self.packed.row(row).len();
            let (own, rest) = left.split_at_checked(n * width).unwrap_or_default();
            left = rest;
            match self.pool {
                Pool::None => found.extend_from_slice(own),
                Pool::Last => found.extend_from_slice(own.get((n - 1) * width..).unwrap_or_default()),
                Pool::Mean => {
                    let mut sums = vec![0.0f32; width];
                    for state in own.chunks_exact(width.max(1)) {
                        sums.iter_mut().zip(state).for_each(|(sum, x)| *sum += x);
                    }
                    found.extend(sums.iter().map(|sum| sum / n as f32));
                }
            }
        }
        found
    }

    fn frame(&self, values: &[f32]) -> Result<Frame, TrainError> {
        let ([n, width], n_sequences) = (self.shape(), self.data.n_sequences());
        let copies = |sequence: usize| if self.pool == Pool::None { self.packed.row(sequence).len() } else { 1 };
        let sequences: Vec<usize> =
            (0..self.packed.n_rows()).flat_map(|sequence| std::iter::repeat_n(sequence, copies(sequence))).collect();
        let row_ids: Vec<&str> = self.data.rows().map(|row| row.id.as_str()).collect();
        let id = |sequence: &usize| row_ids.get(sequence / n_sequences).copied().unwrap_or_default();
        let mut columns = vec![Column::new("id".into(), sequences.iter().map(id).collect::<Vec<_>>())];
        if n_sequences > 1 {
            let continuation = |sequence: &usize| (sequence % n_sequences) as i64;
            columns.push(Column::new("continuation".into(), sequences.iter().map(continuation).collect::<Vec<_>>()));
        }
        if self.pool == Pool::None {
            let places = self.packed.rows().flat_map(|row| 0..row.len() as i64).collect::<Vec<_>>();
            columns.push(Column::new("position".into(), places));
            let tokens = self.packed.tokens.iter().map(|token| i64::from(*token)).collect::<Vec<_>>();
            columns.push(Column::new("token".into(), tokens));
        }
        for feature in 0..width {
            let column: Vec<f64> = values.iter().skip(feature).step_by(width).map(|x| f64::from(*x)).collect();
            columns.push(Column::new(format!("x{feature}").into(), column));
        }
        let table = DataFrame::new(n, columns).map_err(FrameError::from)?;
        Ok(Frame::derived(table, self.digest()))
    }
}

/// The value is the vectors, row-major.
impl Operation for HiddenStates<'_> {
    type Value = Vec<f32>;
    type Error = TrainError;

    fn step(&self) -> Step {
        Step {
            operation: "hidden_states",
            what: format!("{} on {} rows of {}", self.model.inner.name, self.data.len(), self.data.name()),
            digest: self.digest(),
            inputs: vec![("model", self.model.inner.digest), ("data", self.data.digest())],
            options: format!("layer {}, pool {}", self.layer, self.pool.name()),
            work: forward_work(self.model, self.data.n_bytes()),
            untraceable: None,
        }
    }

    fn compute(&self, ctx: &Context, _partial: &Partial) -> Result<Done<Vec<f32>>, TrainError> {
        let inner = &self.model.inner;
        check(&inner.arch, &inner.params.values, self.packed)?;
        let told = self.packed.tokens.len() > LONG;
        let bar = told.then(|| Bar::start(ctx, format!("read with {}", inner.name), self.packed.n_rows() as u64));
        let so_far = Mutex::new(0);
        let reader = Reader::of_tokens(&inner.arch, &inner.params.values, Precision::F32);
        let each = |rows: Range<usize>, states: &[f32]| {
            if let Some(bar) = &bar {
                // Told under the lock, so that numbers rise.
                let mut so_far = so_far.lock().unwrap_or_else(PoisonError::into_inner);
                *so_far += rows.len() as u64;
                bar.progress(*so_far, String::new);
            }
            self.pooled(rows, states)
        };
        let found = reader.states(self.packed, self.layer, &ctx.interrupt, &each)?;
        let found = found.ok_or_else(|| ModelError::Engine("the rows could not be read".to_owned()))?;
        Ok(Done { value: found.concat(), curve: Vec::new() })
    }

    fn pack(&self, value: &Vec<f32>) -> Content {
        Content::default().tensor("states", &self.shape(), value.clone())
    }

    fn unpack(&self, mut content: Content) -> Result<Vec<f32>, String> {
        content.take("states", &self.shape())
    }

    fn stand_in(&self) -> Vec<f32> {
        let [n, width] = self.shape();
        let mut random = Random::new(0, &self.digest().to_hex());
        (0..n * width).map(|_| random.uniform() as f32).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Split;
    use crate::models::testing::{rows, tiny, tiny_bert, tiny_llama, tiny_mpnet};
    use crate::models::trunk::{Tape, features, token_states};

    fn matrix(frame: &Frame, width: usize) -> Vec<f32> {
        let columns: Vec<Vec<f64>> = (0..width).map(|at| frame.floats(&format!("x{at}")).expect("numbers")).collect();
        (0..frame.height()).flat_map(|row| columns.iter().map(move |column| column[row] as f32)).collect()
    }

    fn apart(a: &[f32], b: &[f32]) -> f32 {
        assert_eq!(a.len(), b.len());
        a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
    }

    /// Against the passes that training has.
    #[test]
    fn the_last_layer_is_what_heads_read_and_states_are_those_of_the_trunk() {
        let texts = ["w1 w2 w3", "w4", "w5 . w6 w7 w8"].map(Into::into).to_vec();
        let (ctx, rows) = (Context::for_tests(), rows(texts, Split::Test));
        for model in [tiny(0), tiny_llama(0), tiny_bert(0), tiny_mpnet(0)] {
            let (arch, params, width) = (&model.inner.arch, &model.inner.params.values, model.inner.arch.width());
            let packed = model.encode(&rows, &ctx).expect("encodes");
            let states = |layer, pool| hidden_states(&model, &rows, layer, pool, &ctx).expect("read");
            let pooled = matrix(&states(None, None), width);
            assert!(apart(&pooled, &features(arch, params, &packed, &mut Tape::new())) < 1e-5, "{}", arch.kind());
            let all = states(None, Some(Pool::None));
            assert!(apart(&matrix(&all, width), &token_states(arch, params, &packed, &mut Tape::new())) < 1e-5);
            assert_eq!(all.columns()[..4], ["id", "position", "token", "x0"]);
            assert_eq!(all.strings("id").expect("ids")[2..5], ["r0", "r1", "r2"]);
            // Before the blocks lies what the embeddings sum to.
            let first = matrix(&states(Some(0), Some(Pool::None)), width);
            let token = packed.tokens[0] as usize;
            if arch.kind() == "llama" {
                assert_eq!(first[..width], params[token * width..(token + 1) * width]);
            }
            let mean = matrix(&states(Some(1), Some(Pool::Mean)), width);
            let each = matrix(&states(Some(1), Some(Pool::None)), width);
            let by_hand: Vec<f32> =
                (0..width).map(|at| (0..3).map(|token| each[token * width + at]).sum::<f32>() / 3.0).collect();
            assert!(apart(&mean[..width], &by_hand) < 1e-6);
            assert!(apart(&each, &matrix(&all, width)) > 1e-2, "layers differ");
        }
        let error = hidden_states(&tiny(0), &rows, Some(3), None, &ctx).err().expect("two layers").to_string();
        assert_eq!(error, "`layer` must be from 0 (the embeddings) to 2, got `3`");
    }
}
