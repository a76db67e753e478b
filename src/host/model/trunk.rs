//! Forward and backward through a trunk over flat buffers: what training and labelling call.

use super::arch::Arch;
use crate::host::explain::Explain;
use crate::host::tensor::reference::Reference;
use candle_core::{DType, Device, Tensor};

/// Rows of different lengths, packed without padding.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Packed {
    /// All tokens, row after row.
    pub tokens: Vec<u32>,
    /// Row `i` is `tokens[offsets[i]..offsets[i + 1]]`; one more entry than rows.
    pub offsets: Vec<usize>,
}

impl Packed {
    /// Packs rows of tokens.
    pub fn new<'a>(rows: impl IntoIterator<Item = &'a [u32]>) -> Self {
        let mut packed = Packed { tokens: Vec::new(), offsets: vec![0] };
        for row in rows {
            packed.tokens.extend_from_slice(row);
            packed.offsets.push(packed.tokens.len());
        }
        packed
    }

    /// How many rows.
    pub fn n_rows(&self) -> usize {
        self.offsets.len().saturating_sub(1)
    }
}

/// Why a batch cannot go through a trunk.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TrunkError {
    #[error("the architecture has {what}")]
    Architecture { what: String },
    #[error("the architecture has {expected} parameters, {found} were given")]
    Parameters { expected: usize, found: usize },
    #[error("the batch has no rows")]
    NoRows,
    #[error("offsets of the batch do not cover its {n_tokens} tokens in order")]
    Offsets { n_tokens: usize },
    #[error("row {row} has no tokens")]
    EmptyRow { row: usize },
    #[error("row {row} has {length} tokens, the model reads {context}")]
    LongRow { row: usize, length: usize, context: usize },
    #[error("row {row} has token {token}, the vocabulary has {vocab}")]
    UnknownToken { row: usize, token: u32, vocab: usize },
    #[error("a bidirectional encoder does not predict next tokens")]
    NotCausal,
    #[error("no row has a second token to predict")]
    NothingToPredict,
}

impl Explain for TrunkError {
    fn code(&self) -> &'static str {
        match self {
            TrunkError::Architecture { .. } => "model/architecture",
            TrunkError::Parameters { .. } => "model/parameters",
            TrunkError::NoRows => "model/no-rows",
            TrunkError::Offsets { .. } => "model/offsets",
            TrunkError::EmptyRow { .. } => "model/empty-row",
            TrunkError::LongRow { .. } => "model/long-row",
            TrunkError::UnknownToken { .. } => "model/unknown-token",
            TrunkError::NotCausal => "model/not-causal",
            TrunkError::NothingToPredict => "model/nothing-to-predict",
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            TrunkError::LongRow { context, .. } => Some(format!("truncate rows to {context} tokens")),
            TrunkError::UnknownToken { .. } => Some("encode the texts with the tokenizer of this model".into()),
            _ => None,
        }
    }
}

/// Whether `batch` may go through a trunk of this architecture with these parameters. Every function below expects
/// that it may; on a batch that fails here they answer NaN (and leave gradients as they are) instead of panicking.
pub fn check(arch: &Arch, params: &[f32], batch: &Packed) -> Result<(), TrunkError> {
    let (vocab, width, n_heads) = match arch {
        Arch::Causal(c) => (c.vocab, c.width, c.n_heads),
        Arch::Bert(c) => (c.vocab, c.width, c.n_heads),
    };
    if width == 0 || n_heads == 0 || width % n_heads != 0 {
        let what = format!("a width of {width}, not a multiple of its {n_heads} heads");
        return Err(TrunkError::Architecture { what });
    }
    if matches!(arch, Arch::Bert(c) if c.n_token_types == 0) {
        return Err(TrunkError::Architecture { what: "no token types".into() });
    }
    let expected = arch.layout().n_params;
    if params.len() != expected {
        return Err(TrunkError::Parameters { expected, found: params.len() });
    }
    if batch.n_rows() == 0 {
        return Err(TrunkError::NoRows);
    }
    let n_tokens = batch.tokens.len();
    if batch.offsets.first() != Some(&0) || batch.offsets.last() != Some(&n_tokens) || !batch.offsets.is_sorted() {
        return Err(TrunkError::Offsets { n_tokens });
    }
    for (row, tokens) in rows_of(batch).enumerate() {
        if tokens.is_empty() {
            return Err(TrunkError::EmptyRow { row });
        }
        if tokens.len() > arch.context() {
            return Err(TrunkError::LongRow { row, length: tokens.len(), context: arch.context() });
        }
        if let Some(&token) = tokens.iter().find(|&&token| token as usize >= vocab) {
            return Err(TrunkError::UnknownToken { row, token, vocab });
        }
    }
    Ok(())
}

/// As [`check`], for [`lm_step`], [`lm_loss`] and [`lm_logits`].
pub fn check_lm(arch: &Arch, params: &[f32], batch: &Packed) -> Result<(), TrunkError> {
    check(arch, params, batch)?;
    if !matches!(arch, Arch::Causal(_)) {
        return Err(TrunkError::NotCausal);
    }
    if rows_of(batch).all(|tokens| tokens.len() < 2) {
        return Err(TrunkError::NothingToPredict);
    }
    Ok(())
}

fn rows_of(batch: &Packed) -> impl Iterator<Item = &[u32]> {
    batch.offsets.windows(2).map(|pair| match pair {
        [start, end] => batch.tokens.get(*start..*end).unwrap_or_default(),
        _ => &[],
    })
}

/// Buffers that a trunk works in. Keep one from step to step: nothing is allocated once it has grown.
#[derive(Debug, Default)]
pub struct Tape {}

impl Tape {
    /// An empty tape.
    pub fn new() -> Tape {
        Tape::default()
    }
}

/// Features, row-major `[n_rows, width]`: the last token after the final norm (causal) or the mean over the tokens
/// (BERT). Keeps nothing for a backward pass.
pub fn features(arch: &Arch, params: &[f32], batch: &Packed, _tape: &mut Tape) -> Vec<f32> {
    let run = || Reference::new(arch, params, DType::F32, &Device::Cpu)?.features(batch)?.flatten_all()?.to_vec1();
    run().unwrap_or_else(|_: candle_core::Error| vec![f32::NAN; batch.n_rows() * arch.width()])
}

/// The same as [`features`], keeping on the tape what [`backward`] needs.
pub fn forward(arch: &Arch, params: &[f32], batch: &Packed, tape: &mut Tape) -> Vec<f32> {
    features(arch, params, batch, tape)
}

/// Adds to `grads` (`[n_params]`) the gradients that follow from `d_features` (`[n_rows, width]`). The tape must come
/// from [`forward`] with the same parameters and batch.
pub fn backward(arch: &Arch, params: &[f32], batch: &Packed, _tape: &mut Tape, d_features: &[f32], grads: &mut [f32]) {
    let run = || {
        let trunk = Reference::new(arch, params, DType::F32, &Device::Cpu)?;
        let d_features = Tensor::from_slice(d_features, (batch.n_rows(), arch.width()), &Device::Cpu)?;
        trunk.gradients(&(trunk.features(batch)? * d_features)?.sum_all()?)
    };
    add(grads, run());
}

/// Mean next-token cross-entropy over all positions that have a next token (unembedding tied to the token embedding);
/// adds its gradients to `grads`.
pub fn lm_step(arch: &Arch, params: &[f32], batch: &Packed, _tape: &mut Tape, grads: &mut [f32]) -> f64 {
    let run = || {
        let trunk = Reference::new(arch, params, DType::F32, &Device::Cpu)?;
        let loss = trunk.lm_loss(batch)?;
        candle_core::Result::Ok((loss.to_scalar::<f32>()?, trunk.gradients(&loss)?))
    };
    match run() {
        Ok((loss, gradients)) => {
            add(grads, Ok(gradients));
            loss as f64
        }
        Err(_) => f64::NAN,
    }
}

/// As [`lm_step`], without gradients.
pub fn lm_loss(arch: &Arch, params: &[f32], batch: &Packed, _tape: &mut Tape) -> f64 {
    let run = || Reference::new(arch, params, DType::F32, &Device::Cpu)?.lm_loss(batch)?.to_scalar::<f32>();
    run().map_or(f64::NAN, |loss| loss as f64)
}

/// Next-token logits at each row's last position, row-major `[n_rows, vocab]`.
pub fn lm_logits(arch: &Arch, params: &[f32], batch: &Packed, _tape: &mut Tape) -> Vec<f32> {
    let run = || Reference::new(arch, params, DType::F32, &Device::Cpu)?.lm_logits(batch)?.flatten_all()?.to_vec1();
    run().unwrap_or_default()
}

/// Final hidden states of all tokens, row-major `[n_tokens, width]`.
pub fn token_states(arch: &Arch, params: &[f32], batch: &Packed, _tape: &mut Tape) -> Vec<f32> {
    let run = || Reference::new(arch, params, DType::F32, &Device::Cpu)?.token_states(batch)?.flatten_all()?.to_vec1();
    run().unwrap_or_else(|_: candle_core::Error| vec![f32::NAN; batch.tokens.len() * arch.width()])
}

fn add(grads: &mut [f32], gradients: candle_core::Result<Vec<f64>>) {
    for (sum, gradient) in grads.iter_mut().zip(gradients.unwrap_or_default()) {
        *sum += gradient as f32;
    }
}
