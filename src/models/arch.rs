//! Architectures as data: what shapes a trunk has, and where each tensor lies in its flat parameter buffer.

use super::ModelError;
use crate::kernels::attention::relative;
pub use crate::kernels::gelu::Activation;
pub use crate::kernels::rotary::{Rope, Scaling};

/// The most parameters of one trunk: arbitrary, 8 GB of 32-bit numbers.
const MAX_PARAMS: usize = 2 << 30;

/// The longest context: arbitrary.
pub const MAX_CONTEXT: usize = 1 << 16;
/// The most token types: arbitrary.
const MAX_TOKEN_TYPES: usize = 1 << 10;
/// The most features of a head: arbitrary, above any published model.
const MAX_HEAD: usize = 1 << 10;

/// A pre-norm causal decoder as GPT-2: learned positions, fused qkv, biases everywhere, final layer norm, unembedding
/// tied to the token embedding.
#[derive(Debug, Clone, PartialEq)]
pub struct CausalConfig {
    pub vocab: usize,
    pub context: usize,
    pub width: usize,
    pub n_layers: usize,
    pub n_heads: usize,
    /// Feed-forward width, usually `4 * width`.
    pub inner: usize,
    pub activation: Activation,
    pub norm_eps: f32,
}

/// A post-norm bidirectional encoder as BERT: word + position + token-type embeddings and a layer norm, then blocks. With
/// `relative` and no token types it is MPNet.
#[derive(Debug, Clone, PartialEq)]
pub struct BertConfig {
    pub vocab: usize,
    pub context: usize,
    pub width: usize,
    pub n_layers: usize,
    pub n_heads: usize,
    pub inner: usize,
    pub activation: Activation,
    pub norm_eps: f32,
    /// 0 for none.
    pub n_token_types: usize,
    /// Whether each head adds to its scores a number for the distance between query and key, from a table of T5's buckets
    /// that all layers share.
    pub relative: bool,
    pub pooling: Pooling,
}

/// What an encoder's features are made of, as its checkpoint was trained to be read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Pooling {
    /// The mean over the row's tokens, special ones included (sentence-transformers).
    #[default]
    Mean,
    /// The first token's state, `[CLS]` or `<s>`.
    First,
}

/// A pre-norm causal decoder as Llama: rotary positions, RMS norms, a SiLU-gated feed-forward layer, no biases (Qwen2:
/// those of queries, keys and values), possibly fewer heads of keys and values than of queries.
#[derive(Debug, Clone, PartialEq)]
pub struct LlamaConfig {
    pub vocab: usize,
    pub context: usize,
    pub width: usize,
    pub n_layers: usize,
    pub n_heads: usize,
    /// Heads of keys and values; a divisor of `n_heads`.
    pub n_kv_heads: usize,
    pub inner: usize,
    pub norm_eps: f32,
    pub rope: Rope,
    /// Whether queries, keys and values have a bias.
    pub qkv_bias: bool,
    /// Whether next tokens are read by the token embedding; else by a matrix of their own.
    pub tied: bool,
    pub changes: Changes,
}

/// What later families changed in Llama's block; the default changes nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Changes {
    /// Features of a head where they are not `width / n_heads` (Qwen3).
    pub head: Option<usize>,
    pub qk_norm: QkNorm,
    /// Whether the norms follow attention and the feed-forward layer, before the residual is added, instead of going before
    /// them (OLMo-2).
    pub norm_after: bool,
    /// How many tokens a query sees, its own included, where it does not see all before it (Mistral).
    pub window: Option<usize>,
    /// Whether the checkpoint has no matrix that next tokens could be read by: it classifies, and cannot predict tokens.
    pub headless: bool,
}

/// RMS norms of queries and keys, before they are turned by their positions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum QkNorm {
    #[default]
    None,
    /// Each head by itself, all by the same gains (Qwen3).
    Heads,
    /// The features of all heads together (OLMo-2).
    Whole,
}

/// A pre-norm causal decoder as GPT-NeoX (Pythia): rotary positions that turn a part of each head, layer norms and biases,
/// attention and the feed-forward layer side by side.
#[derive(Debug, Clone, PartialEq)]
pub struct NeoxConfig {
    pub vocab: usize,
    pub context: usize,
    pub width: usize,
    pub n_layers: usize,
    pub n_heads: usize,
    pub inner: usize,
    pub activation: Activation,
    pub norm_eps: f32,
    pub rope: Rope,
    /// How many of a head's features turn with its position: the first ones, an even number.
    pub n_turned: usize,
    /// Whether both halves of a block read the block's input (`x + attention(norm1 x) + feed(norm2 x)`), or the second one
    /// what the first gave.
    pub parallel: bool,
    /// Whether next tokens are read by the token embedding; else by a matrix of their own.
    pub tied: bool,
    /// As [`Changes::headless`].
    pub headless: bool,
}

/// A pre-norm bidirectional encoder as ModernBERT: rotary positions, a GELU-gated feed-forward layer, layer norms, none of it with a
/// bias. The first block has no norm before its attention, which reads what the embedding's norm gives. Some blocks see whole
/// rows, the others a window, and these turn by another angle.
#[derive(Debug, Clone, PartialEq)]
pub struct ModernConfig {
    pub vocab: usize,
    pub context: usize,
    pub width: usize,
    pub n_layers: usize,
    pub n_heads: usize,
    pub inner: usize,
    pub activation: Activation,
    pub norm_eps: f32,
    /// Of the blocks that see whole rows, and of those that do not.
    pub theta: f32,
    pub local_theta: f32,
    /// Every so many-th block sees whole rows, from the first on.
    pub global_every: usize,
    /// How many tokens to either side a query of the other blocks sees.
    pub window: usize,
    pub pooling: Pooling,
}

/// What a trunk computes.
#[derive(Debug, Clone, PartialEq)]
pub enum Arch {
    /// Features are read at the last token, after the final layer norm.
    Causal(CausalConfig),
    /// Features are what [`Pooling`] says, not normalised.
    Bert(BertConfig),
    /// Features are read at the last token, after the final norm.
    Llama(LlamaConfig),
    /// Features are read at the last token, after the final norm.
    Neox(NeoxConfig),
    /// Features are what [`Pooling`] says, after the final norm.
    Modern(ModernConfig),
}

/// One named tensor in the flat buffer.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    pub name: String,
    /// Row-major. Linear weights are `[out, in]` as in PyTorch.
    pub shape: Vec<usize>,
    pub offset: usize,
}

/// Where each tensor of an architecture lies.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Layout {
    pub entries: Vec<Entry>,
    pub n_params: usize,
}

/// A trunk's parameters in one flat buffer.
#[derive(Debug, Clone)]
pub struct Params {
    pub layout: Layout,
    pub values: Vec<f32>,
}

impl Layout {
    fn push(&mut self, name: impl Into<String>, shape: &[usize]) {
        self.entries.push(Entry { name: name.into(), shape: shape.to_vec(), offset: self.n_params });
        self.n_params += shape.iter().product::<usize>();
    }

    fn linear(&mut self, name: &str, n_out: usize, n_in: usize, bias: bool) {
        self.push(format!("{name}.weight"), &[n_out, n_in]);
        if bias {
            self.push(format!("{name}.bias"), &[n_out]);
        }
    }

    fn norm(&mut self, name: &str, width: usize, bias: bool) {
        self.push(format!("{name}.weight"), &[width]);
        if bias {
            self.push(format!("{name}.bias"), &[width]);
        }
    }

    /// The tensor called `name`.
    pub fn find(&self, name: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.name == name)
    }
}

impl LlamaConfig {
    /// Features of a head.
    pub fn head(&self) -> usize {
        self.changes.head.unwrap_or(self.width / self.n_heads.max(1))
    }

    /// Features of all heads' queries.
    pub fn q_width(&self) -> usize {
        self.n_heads * self.head()
    }

    /// Features of all heads' keys, and of their values.
    pub fn kv_width(&self) -> usize {
        self.n_kv_heads * self.head()
    }

    /// How many gains the norms of queries and of keys have, where there are such norms.
    pub fn qk_norms(&self) -> Option<[usize; 2]> {
        match self.changes.qk_norm {
            QkNorm::None => None,
            QkNorm::Heads => Some([self.head(); 2]),
            QkNorm::Whole => Some([self.q_width(), self.kv_width()]),
        }
    }

    /// What no other architecture has; sizes and `n_heads` were checked.
    fn check(&self) -> Result<(), ModelError> {
        if self.n_kv_heads == 0 || !self.n_heads.is_multiple_of(self.n_kv_heads) {
            let must = format!("a divisor of the {} heads", self.n_heads);
            return Err(ModelError::Arch { field: "n_kv_heads", must, got: self.n_kv_heads.to_string() });
        }
        if self.changes.head.is_none() && !self.width.is_multiple_of(self.n_heads) {
            let must = format!("a divisor of the width {}", self.width);
            return Err(ModelError::Arch { field: "n_heads", must, got: self.n_heads.to_string() });
        }
        if self.head() == 0 || self.head() > MAX_HEAD {
            let must = format!("from 2 to {MAX_HEAD}");
            return Err(ModelError::Arch { field: "features of a head", must, got: self.head().to_string() });
        }
        if !self.head().is_multiple_of(2) {
            let must = "such that a head's features make pairs, which turn together".to_owned();
            let got = format!("{}: {} features a head", self.n_heads, self.head());
            return Err(ModelError::Arch { field: "n_heads", must, got });
        }
        if self.changes.window == Some(0) {
            let must = "at least 1".to_owned();
            return Err(ModelError::Arch { field: "sliding window", must, got: "0".to_owned() });
        }
        self.rope.check()
    }
}

impl NeoxConfig {
    /// Features of a head.
    pub fn head(&self) -> usize {
        self.width / self.n_heads.max(1)
    }

    /// What no other architecture has; sizes and `n_heads` were checked.
    fn check(&self) -> Result<(), ModelError> {
        if self.n_turned == 0 || !self.n_turned.is_multiple_of(2) || self.n_turned > self.head() {
            let must = format!("even, from 2 to the {} features of a head", self.head());
            return Err(ModelError::Arch { field: "n_turned", must, got: self.n_turned.to_string() });
        }
        self.rope.check()
    }
}

impl ModernConfig {
    /// Features of a head.
    pub fn head(&self) -> usize {
        self.width / self.n_heads.max(1)
    }

    /// Whether a block sees a window alone.
    pub fn is_local(&self, nth: usize) -> bool {
        nth.checked_rem(self.global_every) != Some(0)
    }

    /// The turns of a block.
    pub fn rope(&self, is_local: bool) -> Rope {
        Rope { theta: if is_local { self.local_theta } else { self.theta }, scaling: None }
    }

    /// What no other architecture has; sizes and `n_heads` were checked.
    fn check(&self) -> Result<(), ModelError> {
        if !self.head().is_multiple_of(2) {
            let must = "such that a head's features make pairs, which turn together".to_owned();
            let got = format!("{}: {} features a head", self.n_heads, self.head());
            return Err(ModelError::Arch { field: "n_heads", must, got });
        }
        for (field, got) in [("global_every", self.global_every), ("window", self.window)] {
            if got == 0 || got > MAX_CONTEXT {
                return Err(ModelError::Arch { field, must: format!("from 1 to {MAX_CONTEXT}"), got: got.to_string() });
            }
        }
        self.rope(false).check()?;
        self.rope(true).check()
    }
}

impl Rope {
    /// Refuses numbers that cannot be meant. The limits are arbitrary.
    fn check(&self) -> Result<(), ModelError> {
        let within = |field, must: &str, got: f32, ok: bool| match ok {
            true => Ok(()),
            false => Err(ModelError::Arch { field, must: must.to_owned(), got: got.to_string() }),
        };
        let factor = |factor: f32| within("rope factor", "from 1 to 1000", factor, (1.0..=1e3).contains(&factor));
        within("rope theta", "from 1 to 1e12", self.theta, (1.0..=1e12).contains(&self.theta))?;
        match self.scaling {
            None => Ok(()),
            Some(Scaling::Linear { factor: by }) => factor(by),
            Some(Scaling::Llama3 { factor: by, low, high, original }) => {
                factor(by)?;
                let ok = low > 0.0 && low < high && high < 1e6;
                within("rope high_freq_factor", "above low_freq_factor, which is above 0", high, ok)?;
                let ok = original > 0 && original <= 1 << 20;
                within("rope original_max_position_embeddings", "from 1 to 1048576", original as f32, ok)
            }
        }
    }
}

impl Arch {
    /// Width of the features.
    pub fn width(&self) -> usize {
        match self {
            Arch::Causal(config) => config.width,
            Arch::Bert(config) => config.width,
            Arch::Llama(config) => config.width,
            Arch::Neox(config) => config.width,
            Arch::Modern(config) => config.width,
        }
    }

    /// The longest row in tokens.
    pub fn context(&self) -> usize {
        match self {
            Arch::Causal(config) => config.context,
            Arch::Bert(config) => config.context,
            Arch::Llama(config) => config.context,
            Arch::Neox(config) => config.context,
            Arch::Modern(config) => config.context,
        }
    }

    /// How many tokens have an embedding.
    pub fn vocab(&self) -> usize {
        match self {
            Arch::Causal(config) => config.vocab,
            Arch::Bert(config) => config.vocab,
            Arch::Llama(config) => config.vocab,
            Arch::Neox(config) => config.vocab,
            Arch::Modern(config) => config.vocab,
        }
    }

    /// How many blocks.
    pub fn n_layers(&self) -> usize {
        match self {
            Arch::Causal(config) => config.n_layers,
            Arch::Bert(config) => config.n_layers,
            Arch::Llama(config) => config.n_layers,
            Arch::Neox(config) => config.n_layers,
            Arch::Modern(config) => config.n_layers,
        }
    }

    /// Features between a feed-forward layer's two halves.
    pub fn inner(&self) -> usize {
        match self {
            Arch::Causal(config) => config.inner,
            Arch::Bert(config) => config.inner,
            Arch::Llama(config) => config.inner,
            Arch::Neox(config) => config.inner,
            Arch::Modern(config) => config.inner,
        }
    }

    /// What an encoder's features are made of; none of a causal trunk's.
    pub fn pooling(&self) -> Option<Pooling> {
        match self {
            Arch::Bert(config) => Some(config.pooling),
            Arch::Modern(config) => Some(config.pooling),
            Arch::Causal(_) | Arch::Llama(_) | Arch::Neox(_) => None,
        }
    }

    /// How many heads of attention.
    pub fn n_heads(&self) -> usize {
        match self {
            Arch::Causal(config) => config.n_heads,
            Arch::Bert(config) => config.n_heads,
            Arch::Llama(config) => config.n_heads,
            Arch::Neox(config) => config.n_heads,
            Arch::Modern(config) => config.n_heads,
        }
    }

    /// Whether tokens see only those before them, so that the next one can be predicted.
    pub fn is_causal(&self) -> bool {
        !matches!(self, Arch::Bert(_) | Arch::Modern(_))
    }

    /// Whether next tokens can be read: a causal trunk with what reads them.
    pub fn predicts_tokens(&self) -> bool {
        match self {
            Arch::Causal(_) => true,
            Arch::Bert(_) | Arch::Modern(_) => false,
            Arch::Llama(config) => !config.changes.headless,
            Arch::Neox(config) => !config.headless,
        }
    }

    /// `causal`, `bert`, `mpnet`, `llama`, `neox` or `modernbert`.
    pub fn kind(&self) -> &'static str {
        match self {
            Arch::Causal(_) => "causal",
            Arch::Bert(config) if config.relative => "mpnet",
            Arch::Bert(_) => "bert",
            Arch::Llama(_) => "llama",
            Arch::Neox(_) => "neox",
            Arch::Modern(_) => "modernbert",
        }
    }

    /// Refuses sizes that cannot be meant, before anything of that size is made. The limits are arbitrary.
    pub fn check(&self) -> Result<(), ModelError> {
        let n_heads = self.n_heads();
        let (norm_eps, n_token_types) = match self {
            Arch::Causal(c) => (c.norm_eps, 0),
            Arch::Bert(c) => (c.norm_eps, c.n_token_types),
            Arch::Llama(c) => (c.norm_eps, 0),
            Arch::Neox(c) => (c.norm_eps, 0),
            Arch::Modern(c) => (c.norm_eps, 0),
        };
        let sizes = [
            ("vocab", self.vocab(), 1 << 20),
            ("context", self.context(), MAX_CONTEXT),
            ("width", self.width(), 1 << 14),
            ("n_layers", self.n_layers(), 1 << 8),
            ("n_heads", n_heads, 1 << 10),
            ("inner", self.inner(), 1 << 16),
        ];
        for (field, got, most) in sizes {
            if got == 0 || got > most {
                return Err(ModelError::Arch { field, must: format!("from 1 to {most}"), got: got.to_string() });
            }
        }
        if n_token_types > MAX_TOKEN_TYPES {
            let must = format!("at most {MAX_TOKEN_TYPES}");
            return Err(ModelError::Arch { field: "n_token_types", must, got: n_token_types.to_string() });
        }
        if !matches!(self, Arch::Llama(_)) && !self.width().is_multiple_of(n_heads) {
            let must = format!("a divisor of the width {}", self.width());
            return Err(ModelError::Arch { field: "n_heads", must, got: n_heads.to_string() });
        }
        match self {
            Arch::Llama(config) => config.check()?,
            Arch::Neox(config) => config.check()?,
            Arch::Modern(config) => config.check()?,
            Arch::Causal(_) | Arch::Bert(_) => (),
        }
        if !(norm_eps > 0.0 && norm_eps < 1.0) {
            let must = "above 0 and below 1".to_owned();
            return Err(ModelError::Arch { field: "norm_eps", must, got: norm_eps.to_string() });
        }
        let n_params = self.layout().n_params;
        if n_params > MAX_PARAMS {
            let must = format!("small enough for {MAX_PARAMS} parameters");
            return Err(ModelError::Arch { field: "width", must, got: format!("{n_params} parameters") });
        }
        Ok(())
    }

    /// The tensors in their order: embeddings first, then block by block.
    ///
    /// Names: `embed.token`, `embed.position`, (`embed.type`, `embed.relative`, `embed.norm.*`), then per layer `{i}.` with `norm1.*`,
    /// `qkv.*` (`[3·width, width]`: q, k, v), `out.*`, `norm2.*`, `up.*`, `down.*`; a causal trunk ends in `norm.*`. A Llama
    /// has no positions, `embed.out` if it is not tied, the gate's rows before those of `up` in one matrix, and few biases;
    /// with norms of queries and keys `q_norm.weight` and `k_norm.weight` follow `qkv`. A NeoX has neither positions nor a
    /// gate.
    pub fn layout(&self) -> Layout {
        let mut layout = Layout::default();
        let (n_layers, width, inner) = (self.n_layers(), self.width(), self.inner());
        match self {
            Arch::Causal(config) => {
                layout.push("embed.token", &[config.vocab, config.width]);
                layout.push("embed.position", &[config.context, config.width]);
            }
            Arch::Bert(config) => {
                layout.push("embed.token", &[config.vocab, config.width]);
                layout.push("embed.position", &[config.context, config.width]);
                if config.n_token_types > 0 {
                    layout.push("embed.type", &[config.n_token_types, config.width]);
                }
                if config.relative {
                    layout.push("embed.relative", &[relative::BUCKETS, config.n_heads]);
                }
                layout.norm("embed.norm", config.width, true);
            }
            Arch::Llama(config) => {
                layout.push("embed.token", &[config.vocab, config.width]);
                if !config.tied {
                    layout.push("embed.out", &[config.vocab, config.width]);
                }
            }
            Arch::Neox(config) => {
                layout.push("embed.token", &[config.vocab, config.width]);
                if !config.tied {
                    layout.push("embed.out", &[config.vocab, config.width]);
                }
            }
            Arch::Modern(config) => {
                layout.push("embed.token", &[config.vocab, config.width]);
                layout.norm("embed.norm", config.width, false);
            }
        }
        let (n_qkv, n_up, qkv_bias, biases) = match self {
            Arch::Llama(config) => (config.q_width() + 2 * config.kv_width(), 2 * inner, config.qkv_bias, false),
            Arch::Modern(_) => (3 * width, 2 * inner, false, false),
            _ => (3 * width, inner, true, true),
        };
        let (q_width, qk_norms) = match self {
            Arch::Llama(config) => (config.q_width(), config.qk_norms()),
            _ => (width, None),
        };
        for idx in 0..n_layers {
            if !(idx == 0 && matches!(self, Arch::Modern(_))) {
                layout.norm(&format!("{idx}.norm1"), width, biases);
            }
            layout.linear(&format!("{idx}.qkv"), n_qkv, width, qkv_bias);
            if let Some([q, k]) = qk_norms {
                layout.norm(&format!("{idx}.q_norm"), q, false);
                layout.norm(&format!("{idx}.k_norm"), k, false);
            }
            layout.linear(&format!("{idx}.out"), width, q_width, biases);
            layout.norm(&format!("{idx}.norm2"), width, biases);
            layout.linear(&format!("{idx}.up"), n_up, width, biases);
            layout.linear(&format!("{idx}.down"), width, inner, biases);
        }
        if self.is_causal() || matches!(self, Arch::Modern(_)) {
            layout.norm("norm", width, biases);
        }
        layout
    }
}
