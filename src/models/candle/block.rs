//! What a trunk is made of, from the embeddings to the last norm. An architecture that differs in a norm, an activation,
//! its positions or a bias of attention differs in one of these functions.

use super::padded::once;
use super::{Padded, Trunk, rounded};
use crate::core::math;
use crate::kernels::attention::relative::bucket;
use crate::models::arch::{Activation, Arch, QkNorm};
use crate::models::trunk::Site;
use candle_core::{D, Device, Result, Tensor};
use candle_nn::ops::{layer_norm_slow, softmax};

impl Trunk {
    /// The sum of the embeddings, `[n_rows, n_positions, width]`: what the first block reads.
    pub(super) fn embedded(&self, batch: &Padded) -> Result<Tensor> {
        batch.dropped(Site::Embeddings, self.summed(batch)?)
    }

    fn summed(&self, batch: &Padded) -> Result<Tensor> {
        let x = self.tensor("embed.token")?.index_select(&batch.tokens, 0)?;
        let x = x.reshape((batch.n_rows, batch.n_positions, self.arch.width()))?;
        match self.arch {
            Arch::Llama(_) | Arch::Neox(_) => return Ok(x),
            Arch::Modern(_) => return self.norm("embed.norm", &x),
            Arch::Causal(_) | Arch::Bert(_) => (),
        }
        let x = x.broadcast_add(&self.tensor("embed.position")?.narrow(0, 0, batch.n_positions)?)?;
        match self.arch {
            Arch::Causal(_) | Arch::Llama(_) | Arch::Neox(_) | Arch::Modern(_) => Ok(x),
            Arch::Bert(ref config) if config.n_token_types == 0 => self.norm("embed.norm", &x),
            Arch::Bert(_) => {
                let x = x.broadcast_add(&self.tensor("embed.type")?.narrow(0, 0, 1)?)?;
                self.norm("embed.norm", &x)
            }
        }
    }

    /// Block `idx` of `x`, `[n_rows, n_positions, width]`.
    pub(super) fn block(&self, idx: usize, x: &Tensor, batch: &Padded) -> Result<Tensor> {
        let (norm1, norm2) = (format!("{idx}.norm1"), format!("{idx}.norm2"));
        let attention = |x: &Tensor| batch.dropped(Site::Attention(idx), self.attention(idx, x, batch)?);
        let feed_forward = |x: &Tensor| batch.dropped(Site::FeedForward(idx), self.feed_forward(idx, x)?);
        match &self.arch {
            Arch::Llama(config) if config.changes.norm_after => {
                let attended = self.norm(&norm1, &self.attention(idx, x, batch)?)?;
                let x = (x + batch.dropped(Site::Attention(idx), attended)?)?;
                let fed = self.norm(&norm2, &self.feed_forward(idx, &x)?)?;
                &x + batch.dropped(Site::FeedForward(idx), fed)?
            }
            Arch::Neox(config) if config.parallel => {
                let beside = feed_forward(&self.norm(&norm2, x)?)?;
                (x + attention(&self.norm(&norm1, x)?)?)? + beside
            }
            Arch::Modern(_) if idx == 0 => {
                let x = (x + attention(x)?)?;
                &x + feed_forward(&self.norm(&norm2, &x)?)?
            }
            Arch::Causal(_) | Arch::Llama(_) | Arch::Neox(_) | Arch::Modern(_) => {
                let x = (x + attention(&self.norm(&norm1, x)?)?)?;
                &x + feed_forward(&self.norm(&norm2, &x)?)?
            }
            Arch::Bert(_) => {
                let x = self.norm(&norm1, &(x + attention(x)?)?)?;
                self.norm(&norm2, &(&x + feed_forward(&x)?)?)
            }
        }
    }

    /// What follows the last block.
    pub(super) fn ended(&self, x: &Tensor) -> Result<Tensor> {
        match self.arch {
            Arch::Causal(_) | Arch::Llama(_) | Arch::Neox(_) | Arch::Modern(_) => self.norm("norm", x),
            Arch::Bert(_) => Ok(x.clone()),
        }
    }

    fn norm(&self, name: &str, x: &Tensor) -> Result<Tensor> {
        let eps = match &self.arch {
            Arch::Causal(c) => c.norm_eps,
            Arch::Bert(c) => c.norm_eps,
            Arch::Neox(c) => c.norm_eps,
            Arch::Llama(c) => return rms_norm(x, self.tensor(&format!("{name}.weight"))?, c.norm_eps),
            Arch::Modern(c) => {
                let weight = self.tensor(&format!("{name}.weight"))?;
                return layer_norm_slow(x, weight, &weight.zeros_like()?, c.norm_eps);
            }
        };
        layer_norm_slow(x, self.tensor(&format!("{name}.weight"))?, self.tensor(&format!("{name}.bias"))?, eps)
    }

    /// `x · weightᵀ + bias` of `[n_rows, n_positions, n_in]`, as one matrix product; without a bias where there is none.
    fn linear(&self, name: &str, x: &Tensor) -> Result<Tensor> {
        let weight = self.tensor(&format!("{name}.weight"))?;
        let (n_rows, n_positions, n_in) = x.dims3()?;
        let x = rounded(&x.reshape((n_rows * n_positions, n_in))?, self.precision)?;
        let y = x.matmul(&weight.t()?)?;
        let y = match self.tensors.get(&format!("{name}.bias")) {
            Some(bias) => y.broadcast_add(bias)?,
            None => y,
        };
        y.reshape((n_rows, n_positions, weight.dim(0)?))
    }

    fn feed_forward(&self, idx: usize, x: &Tensor) -> Result<Tensor> {
        let bent = self.activated(&self.linear(&format!("{idx}.up"), x)?)?;
        self.linear(&format!("{idx}.down"), &bent)
    }

    fn activated(&self, x: &Tensor) -> Result<Tensor> {
        let activation = match &self.arch {
            Arch::Causal(c) => c.activation,
            Arch::Bert(c) => c.activation,
            Arch::Neox(c) => c.activation,
            Arch::Llama(c) => {
                let (gate, up) = (x.narrow(D::Minus1, 0, c.inner)?, x.narrow(D::Minus1, c.inner, c.inner)?);
                return gate.silu()? * up;
            }
            Arch::Modern(c) => {
                let (gate, up) = (x.narrow(D::Minus1, 0, c.inner)?, x.narrow(D::Minus1, c.inner, c.inner)?);
                return bent(c.activation, &gate)? * up;
            }
        };
        bent(activation, x)
    }

    fn attention(&self, idx: usize, x: &Tensor, batch: &Padded) -> Result<Tensor> {
        let (n_rows, n_positions, width) = x.dims3()?;
        let n_heads = self.arch.n_heads();
        let (n_kv_heads, per_head) = match &self.arch {
            Arch::Llama(c) => (c.n_kv_heads, c.head()),
            _ => (n_heads, width / n_heads.max(1)),
        };
        let qkv = self.linear(&format!("{idx}.qkv"), x)?;
        // `[n_rows, n_heads, n_positions, per_head]`.
        let part = |first: usize, n: usize| {
            let part = qkv.narrow(D::Minus1, first * per_head, n * per_head)?;
            part.reshape((n_rows, n_positions, n, per_head))?.transpose(1, 2)?.contiguous()
        };
        let q = self.normed(idx, "q_norm", part(0, n_heads)?)?;
        let k = self.normed(idx, "k_norm", part(n_heads, n_kv_heads)?)?;
        let (q, k) = (self.turned(idx, q, batch)?, of_each(self.turned(idx, k, batch)?, n_heads)?);
        let v = of_each(part(n_heads + n_kv_heads, n_kv_heads)?, n_heads)?;
        let scores = (q.matmul(&k.t()?)? * (per_head as f64).sqrt().recip())?;
        let shares = softmax(&scores.broadcast_add(&self.attention_bias(idx, batch)?)?, D::Minus1)?;
        let o = shares.matmul(&v)?.transpose(1, 2)?.reshape((n_rows, n_positions, n_heads * per_head))?;
        self.linear(&format!("{idx}.out"), &o)
    }

    /// Queries or keys, `[n_rows, n_heads, n_positions, per_head]`, after their norm where they have one.
    fn normed(&self, idx: usize, name: &str, x: Tensor) -> Result<Tensor> {
        let Arch::Llama(config) = &self.arch else { return Ok(x) };
        let gains = || self.tensor(&format!("{idx}.{name}.weight"));
        match config.changes.qk_norm {
            QkNorm::None => Ok(x),
            QkNorm::Heads => rms_norm(&x, gains()?, config.norm_eps),
            QkNorm::Whole => {
                let (n_rows, n_heads, n, head) = x.dims4()?;
                let whole = x.transpose(1, 2)?.reshape((n_rows, n, n_heads * head))?;
                let normed = rms_norm(&whole, gains()?, config.norm_eps)?;
                normed.reshape((n_rows, n, n_heads, head))?.transpose(1, 2)?.contiguous()
            }
        }
    }

    /// Queries or keys, `[n_rows, n_heads, n_positions, per_head]`, turned by their positions where these are rotary.
    fn turned(&self, idx: usize, x: Tensor, batch: &Padded) -> Result<Tensor> {
        let (_, _, n, head) = x.dims4()?;
        let (rope, n_turned) = match &self.arch {
            Arch::Llama(config) => (config.rope, head),
            Arch::Neox(config) => (config.rope, config.n_turned),
            Arch::Modern(config) => (config.rope(config.is_local(idx)), head),
            Arch::Causal(_) | Arch::Bert(_) => return Ok(x),
        };
        let half = n_turned / 2;
        let tables = || {
            let angles = (0..n * half).map(|at| f64::from(rope.angle(n_turned, at % half, at / half)));
            let angles: Vec<f64> = angles.collect();
            // Made in double precision, which the devices need not have.
            let table = |of: fn(f64) -> f64| {
                let values = angles.iter().map(|angle| of(*angle)).collect::<Vec<f64>>();
                Tensor::from_vec(values, (n, half), &Device::Cpu)?.to_dtype(x.dtype())?.to_device(x.device())
            };
            Ok([table(math::cos)?, table(math::sin)?])
        };
        let is_local = matches!(&self.arch, Arch::Modern(config) if config.is_local(idx));
        let [cos, sin] = once(if is_local { &batch.local_turns } else { &batch.turns }, tables)?;
        let (a, b) = (x.narrow(D::Minus1, 0, half)?, x.narrow(D::Minus1, half, half)?);
        let first = (a.broadcast_mul(&cos)? - b.broadcast_mul(&sin)?)?;
        let second = (b.broadcast_mul(&cos)? + a.broadcast_mul(&sin)?)?;
        if n_turned == head {
            return Tensor::cat(&[first, second], D::Minus1);
        }
        Tensor::cat(&[first, second, x.narrow(D::Minus1, n_turned, head - n_turned)?], D::Minus1)
    }

    /// What is added to attention's scores, broadcast to `[n_rows, n_heads, n_positions, n_positions]`.
    fn attention_bias(&self, idx: usize, batch: &Padded) -> Result<Tensor> {
        match &self.arch {
            Arch::Bert(config) if config.relative => {
                let (n, table) = (batch.n_positions, self.tensor("embed.relative")?);
                let buckets = once(&batch.buckets, || {
                    let buckets: Vec<u32> = (0..n * n).map(|at| bucket(at / n, at % n) as u32).collect();
                    Tensor::from_vec(buckets, n * n, table.device())
                })?;
                let of_pairs = table.index_select(&buckets, 0)?;
                let of_heads = of_pairs.reshape((1, n, n, config.n_heads))?.permute((0, 3, 1, 2))?;
                batch.mask.broadcast_add(&of_heads)
            }
            Arch::Llama(config) => match config.changes.window {
                None => Ok(batch.mask.clone()),
                Some(window) => hidden_beyond(batch, |query, key| query >= key + window),
            },
            // Padding sees itself: a query without any key would be NaN, and so would everything that it is multiplied with.
            Arch::Modern(config) if config.is_local(idx) => once(&batch.window, || {
                let (n, window) = (batch.n_positions, config.window);
                let hidden = batch.lengths.iter().flat_map(|length| {
                    (0..n * n).map(move |at| {
                        let (query, key) = (at / n, at % n);
                        let is_hidden = query.abs_diff(key) > window || key >= *length && key != query;
                        if is_hidden { f32::NEG_INFINITY } else { 0.0 }
                    })
                });
                let hidden = Tensor::from_vec(hidden.collect::<Vec<f32>>(), (batch.n_rows, 1, n, n), &Device::Cpu)?;
                hidden.to_dtype(batch.mask.dtype())?.to_device(batch.mask.device())
            }),
            _ => Ok(batch.mask.clone()),
        }
    }
}

/// The batch's mask without the keys that are too far from a query.
fn hidden_beyond(batch: &Padded, is_far: impl Fn(usize, usize) -> bool) -> Result<Tensor> {
    let n = batch.n_positions;
    let hidden = once(&batch.window, || {
        let hidden = (0..n * n).map(|at| if is_far(at / n, at % n) { f32::NEG_INFINITY } else { 0.0 });
        let hidden = Tensor::from_vec(hidden.collect::<Vec<f32>>(), (n, n), &Device::Cpu)?;
        hidden.to_dtype(batch.mask.dtype())?.to_device(batch.mask.device())
    })?;
    batch.mask.broadcast_add(&hidden)
}

fn bent(activation: Activation, x: &Tensor) -> Result<Tensor> {
    match activation {
        Activation::GeluErf => x.gelu_erf(),
        Activation::GeluTanh => x.gelu(),
    }
}

/// `x / sqrt(mean square + eps) · gains` of the last dimension.
fn rms_norm(x: &Tensor, gains: &Tensor, eps: f32) -> Result<Tensor> {
    let square = x.sqr()?.mean_keepdim(D::Minus1)?;
    x.broadcast_div(&(square + f64::from(eps))?.sqrt()?)?.broadcast_mul(gains)
}

/// Keys or values, `[n_rows, n_kv_heads, n_positions, per_head]`, each head as often as queries have heads for it.
fn of_each(x: Tensor, n_heads: usize) -> Result<Tensor> {
    let (n_rows, n_kv_heads, n, head) = x.dims4()?;
    if n_kv_heads == n_heads {
        return Ok(x);
    }
    let group = n_heads / n_kv_heads.max(1);
    let copies = vec![x.unsqueeze(2)?; group];
    Tensor::cat(&copies, 2)?.reshape((n_rows, n_heads, n, head))
}
