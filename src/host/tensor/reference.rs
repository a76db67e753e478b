//! The same trunks from candle's own differentiable operations: slow, obvious, on any device and in any float type.
//!
//! The engine is tested against it. Only operations whose gradients agree with finite differences are used: `softmax`,
//! `layer_norm_slow`, `gelu`, `gelu_erf`, matrix products, `index_select`, `narrow`, `cat`. (candle's `softmax_last_dim`
//! and its fused layer norm cut the gradient without an error.)

use crate::host::model::arch::{Activation, Arch, Layout};
use crate::host::model::trunk::Packed;
use candle_core::{D, DType, Device, Result, Tensor, Var};
use candle_nn::ops::{layer_norm_slow, log_softmax, softmax};

/// A trunk whose parameters are candle variables.
pub struct Reference {
    arch: Arch,
    layout: Layout,
    vars: Vec<Var>,
}

/// What the two architectures share.
struct Shape {
    width: usize,
    n_layers: usize,
    n_heads: usize,
    activation: Activation,
    norm_eps: f32,
}

impl Reference {
    /// The trunk with these flat parameters, computed in `dtype` on `device`.
    pub fn new(arch: &Arch, params: &[f32], dtype: DType, device: &Device) -> Result<Self> {
        let layout = arch.layout();
        let mut vars = Vec::with_capacity(layout.entries.len());
        for entry in &layout.entries {
            let n = entry.shape.iter().product::<usize>();
            let Some(values) = params.get(entry.offset..entry.offset + n) else {
                candle_core::bail!("{} parameters given, {} expected", params.len(), layout.n_params);
            };
            vars.push(Var::from_tensor(&Tensor::from_slice(values, entry.shape.as_slice(), device)?.to_dtype(dtype)?)?);
        }
        Ok(Reference { arch: arch.clone(), layout, vars })
    }

    /// Final hidden states of all tokens, `[n_tokens, width]`.
    pub fn token_states(&self, batch: &Packed) -> Result<Tensor> {
        Tensor::cat(&self.rows(batch)?, 0)
    }

    /// Features, `[n_rows, width]`: the last token of a causal trunk, the mean over the tokens of a BERT.
    pub fn features(&self, batch: &Packed) -> Result<Tensor> {
        let rows = self.rows(batch)?.into_iter().map(|row| match self.arch {
            Arch::Causal(_) => row.narrow(0, row.dim(0)?.saturating_sub(1), 1),
            Arch::Bert(_) => row.mean_keepdim(0),
        });
        Tensor::cat(&rows.collect::<Result<Vec<_>>>()?, 0)
    }

    /// Next-token logits at each row's last position, `[n_rows, vocab]`.
    pub fn lm_logits(&self, batch: &Packed) -> Result<Tensor> {
        self.features(batch)?.matmul(&self.var("embed.token")?.t()?)
    }

    /// Mean next-token cross-entropy over all positions that have a next token.
    pub fn lm_loss(&self, batch: &Packed) -> Result<Tensor> {
        let unembed = self.var("embed.token")?.t()?;
        let mut terms = Vec::new();
        for (states, row) in self.rows(batch)?.iter().zip(rows_of(batch)) {
            let n = row.len().saturating_sub(1);
            if n == 0 {
                continue;
            }
            let log_p = log_softmax(&states.narrow(0, 0, n)?.matmul(&unembed)?, D::Minus1)?;
            let next = Tensor::from_slice(row.get(1..).unwrap_or_default(), (n, 1), states.device())?;
            terms.push(log_p.gather(&next, 1)?);
        }
        Tensor::cat(&terms, 0)?.mean_all()?.neg()
    }

    /// Gradients of a scalar made from this trunk, flat in the layout's order; 0 where the scalar does not depend.
    pub fn gradients(&self, scalar: &Tensor) -> Result<Vec<f64>> {
        let store = scalar.backward()?;
        let mut flat = Vec::with_capacity(self.layout.n_params);
        for var in &self.vars {
            match store.get(var) {
                Some(gradient) => flat.extend(gradient.flatten_all()?.to_dtype(DType::F64)?.to_vec1::<f64>()?),
                None => flat.extend(std::iter::repeat_n(0.0, var.elem_count())),
            }
        }
        Ok(flat)
    }

    fn var(&self, name: &str) -> Result<&Tensor> {
        match self.layout.entries.iter().zip(&self.vars).find(|(entry, _)| entry.name == name) {
            Some((_, var)) => Ok(var.as_tensor()),
            None => candle_core::bail!("the trunk has no tensor `{name}`"),
        }
    }

    fn rows(&self, batch: &Packed) -> Result<Vec<Tensor>> {
        rows_of(batch).map(|row| self.row(row)).collect()
    }

    fn row(&self, tokens: &[u32]) -> Result<Tensor> {
        let shape = self.shape();
        let device = self.var("embed.token")?.device();
        let ids = Tensor::from_slice(tokens, tokens.len(), device)?;
        let x = self.var("embed.token")?.index_select(&ids, 0)?;
        let x = (x + self.var("embed.position")?.narrow(0, 0, tokens.len())?)?;
        match self.arch {
            Arch::Causal(_) => {
                let mut x = x;
                for idx in 0..shape.n_layers {
                    let attended = self.attention(idx, &self.norm(&format!("{idx}.norm1"), &x)?, true)?;
                    x = (x + attended)?;
                    let fed = self.feed_forward(idx, &self.norm(&format!("{idx}.norm2"), &x)?)?;
                    x = (x + fed)?;
                }
                self.norm("norm", &x)
            }
            Arch::Bert(_) => {
                let x = x.broadcast_add(&self.var("embed.type")?.narrow(0, 0, 1)?)?;
                let mut x = self.norm("embed.norm", &x)?;
                for idx in 0..shape.n_layers {
                    let attended = self.attention(idx, &x, false)?;
                    x = self.norm(&format!("{idx}.norm1"), &(x + attended)?)?;
                    let fed = self.feed_forward(idx, &x)?;
                    x = self.norm(&format!("{idx}.norm2"), &(x + fed)?)?;
                }
                Ok(x)
            }
        }
    }

    fn norm(&self, name: &str, x: &Tensor) -> Result<Tensor> {
        let (weight, bias) = (self.var(&format!("{name}.weight"))?, self.var(&format!("{name}.bias"))?);
        layer_norm_slow(x, weight, bias, self.shape().norm_eps)
    }

    fn linear(&self, name: &str, x: &Tensor) -> Result<Tensor> {
        let weight = self.var(&format!("{name}.weight"))?;
        x.matmul(&weight.t()?)?.broadcast_add(self.var(&format!("{name}.bias"))?)
    }

    fn feed_forward(&self, idx: usize, x: &Tensor) -> Result<Tensor> {
        let up = self.linear(&format!("{idx}.up"), x)?;
        let bent = match self.shape().activation {
            Activation::GeluErf => up.gelu_erf()?,
            Activation::GeluTanh => up.gelu()?,
        };
        self.linear(&format!("{idx}.down"), &bent)
    }

    fn attention(&self, idx: usize, x: &Tensor, causal: bool) -> Result<Tensor> {
        let shape = self.shape();
        let (n, head) = (x.dim(0)?, shape.width / shape.n_heads);
        let qkv = self.linear(&format!("{idx}.qkv"), x)?;
        let mut heads = Vec::with_capacity(shape.n_heads);
        for h in 0..shape.n_heads {
            let part = |third: usize| qkv.narrow(1, third * shape.width + h * head, head);
            let scores = (part(0)?.matmul(&part(1)?.t()?)? / (head as f64).sqrt())?;
            let scores = if causal {
                let mask = (0..n * n).map(|at| if at % n > at / n { f32::NEG_INFINITY } else { 0.0 });
                let mask = Tensor::from_vec(mask.collect::<Vec<_>>(), (n, n), x.device())?.to_dtype(x.dtype())?;
                (scores + mask)?
            } else {
                scores
            };
            heads.push(softmax(&scores, D::Minus1)?.matmul(&part(2)?)?);
        }
        self.linear(&format!("{idx}.out"), &Tensor::cat(&heads, 1)?)
    }

    fn shape(&self) -> Shape {
        match &self.arch {
            Arch::Causal(c) => Shape {
                width: c.width,
                n_layers: c.n_layers,
                n_heads: c.n_heads,
                activation: c.activation,
                norm_eps: c.norm_eps,
            },
            Arch::Bert(c) => Shape {
                width: c.width,
                n_layers: c.n_layers,
                n_heads: c.n_heads,
                activation: c.activation,
                norm_eps: c.norm_eps,
            },
        }
    }
}

fn rows_of(batch: &Packed) -> impl Iterator<Item = &[u32]> {
    batch.offsets.windows(2).map(|pair| match pair {
        [start, end] => batch.tokens.get(*start..*end).unwrap_or_default(),
        _ => &[],
    })
}
