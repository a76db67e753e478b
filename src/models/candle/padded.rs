//! A batch padded to its longest row, with what keeps padding out of every result.

use crate::models::trunk::{Dropout, Packed, Site};
use candle_core::{DType, Device, Result, Tensor};
use std::sync::OnceLock;

/// Rows of tokens on a device, each filled up to the longest with token 0.
#[derive(Debug, Clone)]
pub struct Padded {
    pub n_rows: usize,
    /// Tokens of the longest row.
    pub n_positions: usize,
    /// Row-major `[n_rows · n_positions]`.
    pub(super) tokens: Tensor,
    /// Added to attention's scores: −∞ where a query must not look. `[n_positions, n_positions]` in a causal trunk,
    /// whose queries never see the padding behind them, else `[n_rows, 1, 1, n_positions]`.
    pub(super) mask: Tensor,
    pub(super) lengths: Vec<usize>,
    /// What passes drop.
    dropout: Option<Dropout>,
    packed: Packed,
    dtype: DType,
    device: Device,
    /// The bucket of each pair of positions, where scores depend on their distance.
    pub(super) buckets: OnceLock<Tensor>,
    /// What keeps queries from keys outside their window, `[n_positions, n_positions]`; of rows that see to both sides with what keeps
    /// them from padding, `[n_rows, 1, n_positions, n_positions]`.
    pub(super) window: OnceLock<Tensor>,
    /// Cosines and sines of the positions' angles, where these turn queries and keys.
    pub(super) turns: OnceLock<[Tensor; 2]>,
    /// The same in blocks that see a window alone, where they turn otherwise.
    pub(super) local_turns: OnceLock<[Tensor; 2]>,
}

/// What `place` holds, made by the first who asks.
pub(super) fn once<T: Clone>(place: &OnceLock<T>, make: impl FnOnce() -> Result<T>) -> Result<T> {
    match place.get() {
        Some(made) => Ok(made.clone()),
        None => make().map(|made| place.get_or_init(|| made).clone()),
    }
}

impl Padded {
    /// Pads a batch for a trunk in `dtype` on `device`. Rows must not be empty.
    pub fn new(batch: &Packed, causal: bool, dtype: DType, device: &Device) -> Result<Self> {
        let lengths: Vec<usize> = batch.rows().map(<[u32]>::len).collect();
        let n_rows = lengths.len();
        let n_positions = lengths.iter().copied().max().unwrap_or(0);
        let mut tokens = Vec::with_capacity(n_rows * n_positions);
        for row in batch.rows() {
            tokens.extend_from_slice(row);
            tokens.resize(tokens.len().next_multiple_of(n_positions.max(1)), 0);
        }
        let hidden = |is_hidden: bool| if is_hidden { f32::NEG_INFINITY } else { 0.0 };
        let mask = if causal {
            let mask = (0..n_positions * n_positions).map(|at| hidden(at % n_positions > at / n_positions));
            Tensor::from_vec(mask.collect::<Vec<_>>(), (n_positions, n_positions), device)?
        } else {
            let mask = lengths.iter().flat_map(|length| (0..n_positions).map(move |at| hidden(at >= *length)));
            Tensor::from_vec(mask.collect::<Vec<_>>(), (n_rows, 1, 1, n_positions), device)?
        };
        let n_tokens = tokens.len();
        Ok(Padded {
            n_rows,
            n_positions,
            tokens: Tensor::from_vec(tokens, n_tokens, device)?,
            mask: mask.to_dtype(dtype)?,
            lengths,
            dropout: None,
            packed: batch.clone(),
            dtype,
            device: device.clone(),
            buckets: OnceLock::new(),
            window: OnceLock::new(),
            turns: OnceLock::new(),
            local_turns: OnceLock::new(),
        })
    }

    /// Where its rows begin and end without padding.
    pub fn offsets(&self) -> &[usize] {
        &self.packed.offsets
    }

    /// Where it lies.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// The same batch, of which passes drop this.
    pub fn dropping(self, dropout: Option<Dropout>) -> Self {
        Padded { dropout, ..self }
    }

    /// `x`, `[n_rows, n_positions, width]`, without what is dropped at a site; padding stays as it is.
    pub(super) fn dropped(&self, site: Site, x: Tensor) -> Result<Tensor> {
        let Some(dropout) = &self.dropout else { return Ok(x) };
        let width = x.dim(2)?;
        let mut factors = Vec::with_capacity(self.n_rows * self.n_positions * width);
        for (row, length) in self.lengths.iter().enumerate() {
            dropout.factors(site, row, 0..*length, width, &mut factors);
            factors.resize((row + 1) * self.n_positions * width, 1.0);
        }
        let factors = Tensor::from_vec(factors, x.shape(), &self.device)?;
        x * factors.to_dtype(self.dtype)?
    }

    /// Of `[n_rows, n_positions, width]` each row's last token, `[n_rows, width]`.
    pub(super) fn last_tokens(&self, states: &Tensor) -> Result<Tensor> {
        let ends = self.lengths.iter().enumerate();
        self.picked(states, ends.map(|(row, length)| self.at(row, length.saturating_sub(1))).collect())
    }

    /// Of `[n_rows, n_positions, width]` each row's first token, `[n_rows, width]`.
    pub(super) fn first_tokens(&self, states: &Tensor) -> Result<Tensor> {
        self.picked(states, (0..self.n_rows).map(|row| self.at(row, 0)).collect())
    }

    /// Of `[n_rows, n_positions, width]` the mean over each row's tokens, `[n_rows, width]`.
    pub(super) fn means(&self, states: &Tensor) -> Result<Tensor> {
        let share = |length: usize, at: usize| if at < length { 1.0 / length as f64 } else { 0.0 };
        let shares = self.lengths.iter().flat_map(|length| (0..self.n_positions).map(move |at| share(*length, at)));
        let shape = (self.n_rows, 1, self.n_positions);
        // Made in double precision, which the devices need not have.
        let shares = Tensor::from_vec(shares.collect::<Vec<f64>>(), shape, &Device::Cpu)?;
        shares.to_dtype(self.dtype)?.to_device(&self.device)?.matmul(states)?.squeeze(1)
    }

    /// Of `[n_rows, n_positions, width]` all tokens' without padding, `[n_tokens, width]`.
    pub(super) fn tokens_of(&self, states: &Tensor) -> Result<Tensor> {
        self.picked(states, self.places(0))
    }

    /// The states of all positions that have a next token, `[n, width]`, and that token, `[n, 1]`.
    pub(super) fn predicting(&self, states: &Tensor) -> Result<(Tensor, Tensor)> {
        let next = self.packed.rows().flat_map(|row| row.get(1..).unwrap_or_default());
        let next: Vec<u32> = next.copied().collect();
        let n = next.len();
        Ok((self.picked(states, self.places(1))?, Tensor::from_vec(next, (n, 1), &self.device)?))
    }

    /// The places of every row's tokens but its `n_left` last.
    fn places(&self, n_left: usize) -> Vec<u32> {
        let rows = self.lengths.iter().enumerate();
        rows.flat_map(|(row, length)| (0..length.saturating_sub(n_left)).map(move |at| self.at(row, at))).collect()
    }

    fn at(&self, row: usize, position: usize) -> u32 {
        (row * self.n_positions + position) as u32
    }

    fn picked(&self, states: &Tensor, places: Vec<u32>) -> Result<Tensor> {
        let n = places.len();
        states.flatten_to(1)?.index_select(&Tensor::from_vec(places, n, &self.device)?, 0)
    }
}
