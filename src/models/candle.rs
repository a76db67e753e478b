//! The same trunks from candle's differentiable operations, on any device that candle computes on and in any float type.
//!
//! A batch is padded to its longest row and masked, so that every operation works on all rows at once. Only operations
//! whose gradients agree with finite differences are used: `softmax`, `log_softmax`, `layer_norm_slow`, `gelu`,
//! `gelu_erf`, `silu`, matrix products, `index_select`, `gather`, `narrow`, `cat`. (candle's `softmax_last_dim` and its fused
//! norms cut the gradient without an error.) The own kernels are tested against this in double precision.

mod block;
mod device;
mod leaves;
mod padded;
mod reading;
mod tape;

pub use device::device;
#[cfg(test)]
pub use device::present;
pub use leaves::{LeafShape, Leaves, values};
pub use padded::Padded;
pub use reading::read;
pub use tape::{Kept, Tape};

use super::ModelError;
use super::arch::{Arch, BertConfig, ModernConfig, Pooling};
use super::trunk::Packed;
use crate::kernels::Precision;
use candle_core::{D, DType, Device, Result, Tensor};
use candle_nn::ops::log_softmax;
use std::collections::BTreeMap;

/// A trunk whose parameters are candle tensors on one device.
#[derive(Debug, Clone)]
pub struct Trunk {
    arch: Arch,
    /// By the names of [`Arch::layout`].
    tensors: BTreeMap<String, Tensor>,
    /// What the operands of products with weights are rounded to.
    precision: Precision,
}

impl From<candle_core::Error> for ModelError {
    fn from(error: candle_core::Error) -> Self {
        ModelError::Engine(device::plain(&error))
    }
}

impl Trunk {
    /// The trunk with these tensors, in the order of [`Arch::layout`]: plain ones, variables, or what was made of
    /// variables.
    pub fn new(arch: &Arch, tensors: impl IntoIterator<Item = Tensor>) -> Self {
        let names = arch.layout().entries.into_iter();
        let tensors = names.zip(tensors).map(|(entry, tensor)| (entry.name, tensor)).collect();
        Trunk { arch: arch.clone(), tensors, precision: Precision::F32 }
    }

    /// The same with matrix products in this precision. It is for reading: weights are rounded once.
    pub fn in_precision(mut self, precision: Precision) -> Result<Self> {
        self.precision = precision;
        for (name, tensor) in &mut self.tensors {
            if tensor.rank() == 2 && !name.starts_with("embed.") {
                *tensor = rounded(tensor, precision)?;
            }
        }
        Ok(self)
    }

    /// The batch as this trunk reads it.
    pub fn padded(&self, batch: &Packed) -> Result<Padded> {
        let embed = self.tensor("embed.token")?;
        Padded::new(batch, self.arch.is_causal(), embed.dtype(), embed.device())
    }

    /// Final hidden states of all positions, `[n_rows, n_positions, width]`; those of padding mean nothing.
    pub fn states(&self, batch: &Padded) -> Result<Tensor> {
        let mut x = self.embedded(batch)?;
        for idx in 0..self.arch.n_layers() {
            x = self.block(idx, &x, batch)?;
        }
        self.ended(&x)
    }

    /// Features, `[n_rows, width]`: the last token of a causal trunk, the mean over the tokens of a BERT or its first.
    pub fn features(&self, batch: &Padded) -> Result<Tensor> {
        self.pooled(&self.states(batch)?, batch)
    }

    /// Features from final hidden states.
    pub fn pooled(&self, states: &Tensor, batch: &Padded) -> Result<Tensor> {
        match self.arch {
            Arch::Causal(_) | Arch::Llama(_) | Arch::Neox(_) => batch.last_tokens(states),
            Arch::Bert(BertConfig { pooling, .. }) | Arch::Modern(ModernConfig { pooling, .. }) => match pooling {
                Pooling::Mean => batch.means(states),
                Pooling::First => batch.first_tokens(states),
            },
        }
    }

    /// Final hidden states of all tokens, row after row without padding, `[n_tokens, width]`.
    pub fn token_states(&self, batch: &Padded) -> Result<Tensor> {
        batch.tokens_of(&self.states(batch)?)
    }

    /// Next-token logits at each row's last position, `[n_rows, vocab]`.
    pub fn lm_logits(&self, batch: &Padded) -> Result<Tensor> {
        self.features(batch)?.matmul(&self.unembedding()?.t()?)
    }

    /// Mean next-token cross-entropy (nats) over all positions that have a next token.
    pub fn lm_loss(&self, batch: &Padded) -> Result<Tensor> {
        self.next_token_loss(&self.states(batch)?, batch)
    }

    /// The same from final hidden states.
    pub fn next_token_loss(&self, states: &Tensor, batch: &Padded) -> Result<Tensor> {
        self.next_token_logprobs(states, batch)?.mean_all()?.neg()
    }

    /// The log-probability of each token that has one before it, row after row, `[n, 1]`, from final hidden states.
    pub fn next_token_logprobs(&self, states: &Tensor, batch: &Padded) -> Result<Tensor> {
        let (states, next) = batch.predicting(states)?;
        let logits = states.matmul(&self.unembedding()?.t()?)?;
        log_softmax(&logits, D::Minus1)?.gather(&next, 1)
    }

    /// What next tokens are read by, `[vocab, width]`.
    fn unembedding(&self) -> Result<&Tensor> {
        let apart = match &self.arch {
            Arch::Llama(config) => !config.tied,
            Arch::Neox(config) => !config.tied,
            Arch::Causal(_) | Arch::Bert(_) | Arch::Modern(_) => false,
        };
        self.tensor(if apart { "embed.out" } else { "embed.token" })
    }

    /// The parameter called `name`.
    fn tensor(&self, name: &str) -> Result<&Tensor> {
        match self.tensors.get(name) {
            Some(tensor) => Ok(tensor),
            None => candle_core::bail!("the trunk has no tensor `{name}`"),
        }
    }
}

/// Each number rounded, and kept in the type it had.
fn rounded(tensor: &Tensor, precision: Precision) -> Result<Tensor> {
    match precision {
        Precision::F32 => Ok(tensor.clone()),
        Precision::Bf16 => tensor.to_dtype(DType::BF16)?.to_dtype(tensor.dtype()),
    }
}

/// The tensors of an architecture's flat parameters on a device, in its layout's order.
pub fn tensors(arch: &Arch, params: &[f32], device: &Device) -> Result<Vec<Tensor>> {
    let layout = arch.layout();
    let tensor = |entry: &super::arch::Entry| {
        let n = entry.shape.iter().product::<usize>();
        match params.get(entry.offset..entry.offset + n) {
            Some(values) => Tensor::from_slice(values, entry.shape.as_slice(), device),
            None => candle_core::bail!("{} parameters given, {} expected", params.len(), layout.n_params),
        }
    };
    layout.entries.iter().map(tensor).collect()
}

#[cfg(test)]
pub mod testing {
    use super::*;
    use crate::models::trunk::Dropout;
    use candle_core::Var;

    /// A trunk over variables: what other engines are held against.
    pub struct Reference {
        trunk: Trunk,
        vars: Vec<Var>,
    }

    impl Reference {
        /// The trunk with these flat parameters, computed in `dtype` on `device`.
        pub fn new(arch: &Arch, params: &[f32], dtype: DType, device: &Device) -> Result<Self> {
            let tensors = tensors(arch, params, device)?;
            let vars = tensors.iter().map(|tensor| Var::from_tensor(&tensor.to_dtype(dtype)?));
            let vars = vars.collect::<Result<Vec<_>>>()?;
            let trunk = Trunk::new(arch, vars.iter().map(|var| var.as_tensor().clone()));
            Ok(Reference { trunk, vars })
        }

        /// As [`Trunk::token_states`].
        pub fn token_states(&self, batch: &Packed) -> Result<Tensor> {
            self.trunk.token_states(&self.trunk.padded(batch)?)
        }

        /// As [`Trunk::features`].
        pub fn features(&self, batch: &Packed) -> Result<Tensor> {
            self.trunk.features(&self.trunk.padded(batch)?)
        }

        /// The same, dropping.
        pub fn features_dropping(&self, batch: &Packed, dropout: &Dropout) -> Result<Tensor> {
            self.trunk.features(&self.trunk.padded(batch)?.dropping(Some(dropout.clone())))
        }

        /// As [`Trunk::lm_logits`].
        pub fn lm_logits(&self, batch: &Packed) -> Result<Tensor> {
            self.trunk.lm_logits(&self.trunk.padded(batch)?)
        }

        /// As [`Trunk::lm_loss`].
        pub fn lm_loss(&self, batch: &Packed) -> Result<Tensor> {
            self.trunk.lm_loss(&self.trunk.padded(batch)?)
        }

        /// Gradients of a scalar made from this trunk, flat in the layout's order; 0 where the scalar does not depend.
        pub fn gradients(&self, scalar: &Tensor) -> Result<Vec<f64>> {
            let store = scalar.backward()?;
            let mut flat = Vec::new();
            for var in &self.vars {
                match store.get(var) {
                    Some(gradient) => flat.extend(gradient.flatten_all()?.to_dtype(DType::F64)?.to_vec1::<f64>()?),
                    None => flat.extend(std::iter::repeat_n(0.0, var.elem_count())),
                }
            }
            Ok(flat)
        }
    }
}

#[cfg(test)]
mod tests;
