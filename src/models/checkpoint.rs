//! Checkpoints: a folder with `config.json`, `model.safetensors` and `tokenizer.json`, or the same as bytes.

use super::adapter::{ADAPTER_CONFIG, ADAPTER_WEIGHTS};
use super::arch::{
    Activation, Arch, BertConfig, CausalConfig, Changes, LlamaConfig, ModernConfig, NeoxConfig, Pooling, QkNorm, Rope,
    Scaling,
};
use super::hf::hf_files;
use super::{Chat, Encoder, Head, HeadKind, Model, ModelError};
use crate::core::context::{AccessError, Context, plain};
use crate::core::digest::Digest;
use half::{bf16, f16};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How numbers are stored. Training and labelling always compute in 32 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precision {
    F32,
    /// Half the size; numbers are rounded to 11 bits.
    F16,
}

/// Which program a folder is written for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// This one: the architecture as it is here, the head whatever it is, name and lineage.
    Own,
    /// transformers, and sentence-transformers.
    Transformers,
    /// PEFT: the update of low rank of the last training alone.
    Peft,
}

/// A checkpoint's three files.
#[derive(Debug, Clone, PartialEq)]
pub struct Files {
    pub config: Vec<u8>,
    pub weights: Vec<u8>,
    pub tokenizer: Vec<u8>,
}

/// The names of the three files in a folder.
pub const CONFIG: &str = "config.json";
pub const WEIGHTS: &str = "model.safetensors";
pub const TOKENIZER: &str = "tokenizer.json";

/// The version of our own format.
pub const VERSION: u32 = 1;

/// The most bytes of one file that is read: arbitrary, far above any model that trains here.
const MAX_FILE: u64 = 8 << 30;

/// `config.json` of our own checkpoints.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Config {
    /// Always `w2s`: tells our own folders from others.
    format: String,
    version: u32,
    name: String,
    lineage: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    recipe: String,
    architecture: String,
    vocab: usize,
    context: usize,
    width: usize,
    n_layers: usize,
    n_heads: usize,
    inner: usize,
    /// That of a gated feed-forward layer is `silu`.
    activation: String,
    norm_eps: f32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    llama: Option<Llama>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    neox: Option<Neox>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    modern: Option<Modern>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    n_token_types: Option<usize>,
    /// `first` of an encoder that is read at its first token; nothing of one that is read at the mean.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pooling: Option<String>,
    max_tokens: usize,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    n_classes: Option<usize>,
    /// `scalar` of a head that scores; nothing of one that classifies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    head: Option<String>,
    /// What the head's classes are called; checkpoints from before names were kept have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    classes: Option<Vec<String>>,
    /// How conversations are written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    chat: Option<Chat>,
}

/// What `config.json` calls a head that scores.
const SCALAR: &str = "scalar";
/// What it calls features that are the first token's.
const FIRST: &str = "first";

/// What only a Llama has.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Llama {
    n_kv_heads: usize,
    rope_theta: f32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rope_scaling: Option<RopeScaling>,
    qkv_bias: bool,
    tied: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    head: Option<usize>,
    /// `heads` or `whole` where queries and keys have norms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    qk_norm: Option<String>,
    #[serde(default, skip_serializing_if = "is_false")]
    norm_after: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    window: Option<usize>,
    #[serde(default, skip_serializing_if = "is_false")]
    headless: bool,
}

/// What only a GPT-NeoX has.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Neox {
    n_turned: usize,
    rope_theta: f32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rope_scaling: Option<RopeScaling>,
    parallel: bool,
    tied: bool,
    #[serde(default, skip_serializing_if = "is_false")]
    headless: bool,
}

/// What only a ModernBERT has.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Modern {
    theta: f32,
    local_theta: f32,
    global_every: usize,
    window: usize,
}

fn is_false(value: &bool) -> bool {
    !value
}

/// How a Llama's turns are slowed down.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
enum RopeScaling {
    Linear { factor: f32 },
    Llama3 { factor: f32, low: f32, high: f32, original: usize },
}

impl Model {
    /// The model as three files.
    pub fn to_bytes(&self, precision: Precision) -> Result<Files, ModelError> {
        let inner = &self.inner;
        let layout = &inner.params.layout;
        let mut held: Vec<(&str, Vec<usize>, &[f32])> = Vec::new();
        for entry in &layout.entries {
            let size: usize = entry.shape.iter().product();
            let values = inner.params.values.get(entry.offset..entry.offset + size).unwrap_or_default();
            held.push((&entry.name, entry.shape.clone(), values));
        }
        if let Some(head) = &inner.head {
            held.push(("head.weight", vec![head.n_classes, inner.arch.width()], &head.weight));
        }
        let weights = weights_file(held, precision)?;
        let config = serde_json::to_vec_pretty(&self.config()).map_err(|error| file(CONFIG, &error.to_string()))?;
        Ok(Files { config, weights, tokenizer: self.tokenizer_file()? })
    }

    /// The model's `tokenizer.json`.
    pub(super) fn tokenizer_file(&self) -> Result<Vec<u8>, ModelError> {
        let json = self.inner.encoder.tokenizer().to_string(false);
        json.map(String::into_bytes).map_err(|error| file(TOKENIZER, &error.to_string()))
    }

    /// A model from the three files that [`Model::to_bytes`] made. `name` replaces the stored one. The digest is that of
    /// the content: a file can claim any history, so none is believed.
    pub fn from_bytes(
        name: Option<&str>,
        config: &[u8],
        weights: &[u8],
        tokenizer: &[u8],
    ) -> Result<Model, ModelError> {
        let read: Config = serde_json::from_slice(config).map_err(|error| file(CONFIG, &error.to_string()))?;
        if read.format != "w2s" || read.version != VERSION {
            let got = format!("format `{}` version {}, expected `w2s` version {VERSION}", read.format, read.version);
            return Err(file(CONFIG, &got));
        }
        let arch = read.arch()?;
        arch.check()?;
        let digest = Digest::of("model/content", 1)
            .bytes("config", config)
            .bytes("weights", weights)
            .bytes("tokenizer", tokenizer)
            .finish();
        let stored = SafeTensors::deserialize(weights).map_err(|error| file(WEIGHTS, &error.to_string()))?;
        let layout = arch.layout();
        let mut values = vec![0.0; layout.n_params];
        for entry in &layout.entries {
            let size: usize = entry.shape.iter().product();
            let slot = values.get_mut(entry.offset..entry.offset + size).unwrap_or_default();
            slot.copy_from_slice(&tensor(WEIGHTS, &stored, &entry.name, &entry.shape)?);
        }
        let kind = match read.head.as_deref() {
            None => HeadKind::Class,
            Some(SCALAR) => HeadKind::Scalar,
            Some(other) => {
                return Err(file(CONFIG, &format!("`head` must be \"{SCALAR}\" or left out, got `{other}`")));
            }
        };
        let fits = |n: usize| if kind == HeadKind::Scalar { n == 1 } else { (2..=1 << 16).contains(&n) };
        let head = match read.n_classes {
            None => None,
            Some(n_classes) if fits(n_classes) => {
                let weight = tensor(WEIGHTS, &stored, "head.weight", &[n_classes, arch.width()])?;
                let classes = read.classes.map(|names| checked(names, n_classes)).transpose()?;
                Some(Arc::new(Head { weight, n_classes, kind, classes }))
            }
            Some(n_classes) if kind == HeadKind::Scalar => {
                return Err(file(CONFIG, &format!("`n_classes` of a head that scores must be 1, got `{n_classes}`")));
            }
            Some(n_classes) => {
                return Err(file(CONFIG, &format!("`n_classes` must be from 2 to 65536, got `{n_classes}`")));
            }
        };
        let expected = layout.entries.len() + usize::from(head.is_some());
        if stored.len() != expected {
            return Err(file(WEIGHTS, &format!("it holds {} tensors, the architecture has {expected}", stored.len())));
        }
        let encoder = Encoder::from_json(tokenizer)?;
        let model = Model::new(name.unwrap_or(&read.name), arch, values, encoder, digest, read.lineage)?;
        if let Some(chat) = &read.chat {
            chat.check()?;
        }
        let model = model.with(|model| {
            model.head = head;
            model.chat = read.chat.map(Arc::new);
            model.recipe = read.recipe;
        });
        Ok(model.with_max_tokens(read.max_tokens)?.with(|model| model.digest = digest))
    }

    /// Reads a folder that [`Model::save`] wrote, or a checkpoint with Hugging Face names. `folder` was granted by
    /// the context's access rules.
    #[allow(clippy::disallowed_methods)] // A loader: paths come from `ctx.access.readable`.
    pub fn load(folder: &Path, ctx: &Context) -> Result<Model, ModelError> {
        let read = |name: &str| Model::read_file(folder, name, ctx);
        if !folder.join(CONFIG).exists() && folder.join(ADAPTER_CONFIG).exists() {
            return Err(ModelError::NoBase {
                folder: folder.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            });
        }
        let config = read(CONFIG)?;
        ctx.interrupt.check()?;
        // Only a foreign configuration names its kind so.
        let keys: serde_json::Value =
            serde_json::from_slice(&config).map_err(|error| file(CONFIG, &error.to_string()))?;
        if keys.get("model_type").is_none() {
            return Model::from_bytes(None, &config, &read(WEIGHTS)?, &read(TOKENIZER)?);
        }
        let name = folder.file_name().map_or_else(|| "checkpoint".to_owned(), |name| name.display().to_string());
        Model::from_hf(&name, &hf_files(read)?)
    }

    /// An adapter's folder as PEFT writes it, merged into this model.
    pub fn load_adapter(&self, folder: &Path, ctx: &Context) -> Result<Model, ModelError> {
        let name = folder.file_name().map_or_else(|| "adapter".to_owned(), |name| name.display().to_string());
        if !folder.join(ADAPTER_CONFIG).exists() {
            return Err(ModelError::IdleBase { folder: name });
        }
        let [config, weights] = [ADAPTER_CONFIG, ADAPTER_WEIGHTS].map(|file| Model::read_file(folder, file, ctx));
        self.with_adapter(&name, &config?, &weights?)
    }

    /// A file of a folder.
    fn read_file(folder: &Path, name: &str, ctx: &Context) -> Result<Vec<u8>, ModelError> {
        // Each file is asked for by itself: a link in the folder may lead outside.
        let asked = folder.join(name).display().to_string();
        let path = ctx.access.readable(&asked).map_err(|error| match error {
            AccessError::Path { .. } => ModelError::NoFile { file: asked.clone() },
            other => other.into(),
        })?;
        let size = std::fs::metadata(&path).map_err(|error| file(name, &plain(&error)))?.len();
        if size > MAX_FILE {
            return Err(file(name, &format!("it has {size} bytes, at most {MAX_FILE} are read")));
        }
        let bytes = std::fs::read(&path).map_err(|error| file(name, &plain(&error)))?;
        ctx.note_read(&path, &bytes);
        Ok(bytes)
    }

    /// Writes the model into the folder `asked`, which is made if only its last part is missing; a relative one starts at the
    /// run's folder. Each file appears whole or not at all. A plan writes nothing.
    pub fn save(&self, asked: &Path, format: Format, precision: Precision, ctx: &Context) -> Result<(), ModelError> {
        if ctx.writes_nothing() {
            return Ok(());
        }
        let files = match format {
            Format::Own => {
                let Files { config, weights, tokenizer } = self.to_bytes(precision)?;
                vec![(TOKENIZER.to_owned(), tokenizer), (WEIGHTS.to_owned(), weights), (CONFIG.to_owned(), config)]
            }
            Format::Transformers => self.to_transformers(precision)?,
            Format::Peft => {
                let files = self.to_peft(precision)?;
                if self.inner.head.is_some() && !self.inner.arch.is_causal() {
                    ctx.warn(format!(
                        "the head of `{}` is not in `{}`: transformers' classes of encoders have no place for it, and the adapter is the trunk's",
                        self.inner.name,
                        asked.display()
                    ));
                }
                files
            }
        };
        let folder = made(ctx.output_folder(&asked.to_string_lossy())?)?;
        let mut written = Vec::new();
        for (name, bytes) in files {
            let place = folder.join(&name);
            if let Some(below) = place.parent().filter(|below| *below != folder) {
                made(below.to_path_buf())?;
            }
            let path = ctx.access.writable(&place)?;
            ctx.spend(&asked.join(&name).to_string_lossy(), bytes.len())?;
            crate::core::files::write(&path, &bytes)
                .map_err(|error| file(&name, &format!("could not be written: {}", plain(&error))))?;
            written.push(path);
        }
        ctx.note_written("model", &asked.display().to_string(), written);
        Ok(())
    }

    fn config(&self) -> Config {
        let inner = &self.inner;
        let (mut llama, mut neox, mut modern, mut n_token_types) = (None, None, None, None);
        let pooling = inner.arch.pooling().filter(|pooling| *pooling == Pooling::First).map(|_| FIRST.to_owned());
        let (activation, norm_eps) = match &inner.arch {
            Arch::Causal(c) => (name_of(c.activation), c.norm_eps),
            Arch::Bert(c) => {
                n_token_types = Some(c.n_token_types);
                (name_of(c.activation), c.norm_eps)
            }
            Arch::Llama(c) => {
                llama = Some(Llama::of(c));
                ("silu", c.norm_eps)
            }
            Arch::Neox(c) => {
                neox = Some(Neox::of(c));
                (name_of(c.activation), c.norm_eps)
            }
            Arch::Modern(c) => {
                let &ModernConfig { theta, local_theta, global_every, window, .. } = c;
                modern = Some(Modern { theta, local_theta, global_every, window });
                (name_of(c.activation), c.norm_eps)
            }
        };
        Config {
            format: "w2s".to_owned(),
            version: VERSION,
            name: inner.name.clone(),
            lineage: inner.lineage.clone(),
            recipe: inner.recipe.clone(),
            architecture: inner.arch.kind().to_owned(),
            vocab: inner.arch.vocab(),
            context: inner.arch.context(),
            width: inner.arch.width(),
            n_layers: inner.arch.n_layers(),
            n_heads: inner.arch.n_heads(),
            inner: inner.arch.inner(),
            activation: activation.to_owned(),
            norm_eps,
            llama,
            neox,
            modern,
            n_token_types,
            pooling,
            max_tokens: inner.max_tokens,
            n_classes: self.n_classes(),
            head: inner.head.as_ref().filter(|head| head.kind == HeadKind::Scalar).map(|_| SCALAR.to_owned()),
            classes: self.classes().map(<[String]>::to_vec),
            chat: inner.chat.as_deref().cloned(),
        }
    }
}

fn name_of(activation: Activation) -> &'static str {
    match activation {
        Activation::GeluErf => "gelu_erf",
        Activation::GeluTanh => "gelu_tanh",
    }
}

impl Llama {
    fn of(config: &LlamaConfig) -> Llama {
        let &LlamaConfig { n_kv_heads, rope, qkv_bias, tied, changes, .. } = config;
        let Changes { head, qk_norm, norm_after, window, headless } = changes;
        let qk_norm = match qk_norm {
            QkNorm::None => None,
            QkNorm::Heads => Some("heads".to_owned()),
            QkNorm::Whole => Some("whole".to_owned()),
        };
        let (rope_theta, rope_scaling) = (rope.theta, rope.scaling.map(RopeScaling::of));
        Llama { n_kv_heads, rope_theta, rope_scaling, qkv_bias, tied, head, qk_norm, norm_after, window, headless }
    }

    fn changes(&self) -> Result<Changes, ModelError> {
        let qk_norm = match self.qk_norm.as_deref() {
            None => QkNorm::None,
            Some("heads") => QkNorm::Heads,
            Some("whole") => QkNorm::Whole,
            Some(other) => return Err(file(CONFIG, &format!("`qk_norm` must be heads or whole, got `{other}`"))),
        };
        let &Llama { head, norm_after, window, headless, .. } = self;
        Ok(Changes { head, qk_norm, norm_after, window, headless })
    }
}

impl Neox {
    fn of(config: &NeoxConfig) -> Neox {
        let &NeoxConfig { rope, n_turned, parallel, tied, headless, .. } = config;
        let (rope_theta, rope_scaling) = (rope.theta, rope.scaling.map(RopeScaling::of));
        Neox { n_turned, rope_theta, rope_scaling, parallel, tied, headless }
    }
}

impl RopeScaling {
    fn of(scaling: Scaling) -> RopeScaling {
        match scaling {
            Scaling::Linear { factor } => RopeScaling::Linear { factor },
            Scaling::Llama3 { factor, low, high, original } => RopeScaling::Llama3 { factor, low, high, original },
        }
    }
}

/// The turns that a file describes.
fn rope(theta: f32, scaling: Option<&RopeScaling>) -> Rope {
    let scaling = scaling.map(|scaling| match *scaling {
        RopeScaling::Linear { factor } => Scaling::Linear { factor },
        RopeScaling::Llama3 { factor, low, high, original } => Scaling::Llama3 { factor, low, high, original },
    });
    Rope { theta, scaling }
}

impl Config {
    fn arch(&self) -> Result<Arch, ModelError> {
        if self.architecture == "llama" {
            return self.llama();
        }
        let activation = match self.activation.as_str() {
            "gelu_erf" => Activation::GeluErf,
            "gelu_tanh" => Activation::GeluTanh,
            other => return Err(file(CONFIG, &format!("`activation` must be gelu_erf or gelu_tanh, got `{other}`"))),
        };
        let Config { vocab, context, width, n_layers, n_heads, inner, norm_eps, .. } = *self;
        match self.architecture.as_str() {
            "causal" => {
                Ok(Arch::Causal(CausalConfig { vocab, context, width, n_layers, n_heads, inner, activation, norm_eps }))
            }
            "neox" => {
                let own = self.neox.as_ref().ok_or_else(|| file(CONFIG, "missing field `neox`"))?;
                let Neox { n_turned, parallel, tied, headless, .. } = *own;
                Ok(Arch::Neox(NeoxConfig {
                    vocab,
                    context,
                    width,
                    n_layers,
                    n_heads,
                    inner,
                    activation,
                    norm_eps,
                    rope: rope(own.rope_theta, own.rope_scaling.as_ref()),
                    n_turned,
                    parallel,
                    tied,
                    headless,
                }))
            }
            "modernbert" => {
                let own = self.modern.as_ref().ok_or_else(|| file(CONFIG, "missing field `modern`"))?;
                let Modern { theta, local_theta, global_every, window } = *own;
                Ok(Arch::Modern(ModernConfig {
                    vocab,
                    context,
                    width,
                    n_layers,
                    n_heads,
                    inner,
                    activation,
                    norm_eps,
                    theta,
                    local_theta,
                    global_every,
                    window,
                    pooling: self.pooling()?,
                }))
            }
            kind @ ("bert" | "mpnet") => {
                let relative = kind == "mpnet";
                let n_token_types = self.n_token_types.unwrap_or(if relative { 0 } else { 2 });
                let pooling = self.pooling()?;
                Ok(Arch::Bert(BertConfig {
                    vocab,
                    context,
                    width,
                    n_layers,
                    n_heads,
                    inner,
                    activation,
                    norm_eps,
                    n_token_types,
                    relative,
                    pooling,
                }))
            }
            other => {
                let reason =
                    format!("`architecture` must be causal, bert, mpnet, modernbert, llama or neox, got `{other}`");
                Err(file(CONFIG, &reason))
            }
        }
    }

    fn pooling(&self) -> Result<Pooling, ModelError> {
        match self.pooling.as_deref() {
            None => Ok(Pooling::Mean),
            Some(FIRST) => Ok(Pooling::First),
            Some(other) => Err(file(CONFIG, &format!("`pooling` must be \"{FIRST}\" or left out, got `{other}`"))),
        }
    }

    fn llama(&self) -> Result<Arch, ModelError> {
        if self.activation != "silu" {
            return Err(file(CONFIG, &format!("`activation` of a llama must be silu, got `{}`", self.activation)));
        }
        let own = self.llama.as_ref().ok_or_else(|| file(CONFIG, "missing field `llama`"))?;
        let Config { vocab, context, width, n_layers, n_heads, inner, norm_eps, .. } = *self;
        let Llama { n_kv_heads, qkv_bias, tied, .. } = *own;
        Ok(Arch::Llama(LlamaConfig {
            vocab,
            context,
            width,
            n_layers,
            n_heads,
            n_kv_heads,
            inner,
            norm_eps,
            rope: rope(own.rope_theta, own.rope_scaling.as_ref()),
            qkv_bias,
            tied,
            changes: own.changes()?,
        }))
    }
}

/// The folder, which is made if it is not there.
#[allow(clippy::disallowed_methods)] // A writer of artefacts: paths come from `ctx.output_folder`.
fn made(folder: PathBuf) -> Result<PathBuf, ModelError> {
    if !folder.is_dir() {
        std::fs::create_dir(&folder).map_err(|error| file(&folder.display().to_string(), &plain(&error)))?;
    }
    Ok(folder)
}

/// Class names as a file has them: one for each class, no two alike.
fn checked(names: Vec<String>, n_classes: usize) -> Result<Arc<[String]>, ModelError> {
    let distinct: BTreeSet<&String> = names.iter().collect();
    if names.len() != n_classes || distinct.len() != n_classes {
        return Err(file(CONFIG, &format!("`classes` must be {n_classes} different names, got {}", names.join(", "))));
    }
    Ok(names.into())
}

fn file(name: &str, reason: &str) -> ModelError {
    ModelError::File { file: name.to_owned(), reason: reason.to_owned() }
}

fn packed(values: &[f32], precision: Precision) -> Vec<u8> {
    match precision {
        Precision::F32 => values.iter().flat_map(|v| v.to_le_bytes()).collect(),
        Precision::F16 => values.iter().flat_map(|v| f16::from_f32(*v).to_le_bytes()).collect(),
    }
}

/// Tensors as a safetensors file.
pub(super) fn weights_file<'a>(
    tensors: impl IntoIterator<Item = (&'a str, Vec<usize>, &'a [f32])>,
    precision: Precision,
) -> Result<Vec<u8>, ModelError> {
    let dtype = if precision == Precision::F16 { Dtype::F16 } else { Dtype::F32 };
    let held: Vec<_> = tensors.into_iter().map(|(name, shape, v)| (name, shape, packed(v, precision))).collect();
    let broken = |error: &dyn std::fmt::Display| file(WEIGHTS, &error.to_string());
    let views: Result<Vec<_>, _> = held
        .iter()
        .map(|(name, shape, bytes)| TensorView::new(dtype, shape.clone(), bytes).map(|view| (*name, view)))
        .collect();
    safetensors::serialize(views.map_err(|error| broken(&error))?, None).map_err(|error| broken(&error))
}

/// One tensor as 32-bit floats; its shape must be `shape` and every number finite.
pub(super) fn tensor(path: &str, stored: &SafeTensors, name: &str, shape: &[usize]) -> Result<Vec<f32>, ModelError> {
    let view = stored.tensor(name).map_err(|_| file(path, &format!("the tensor `{name}` is missing")))?;
    if view.shape() != shape {
        return Err(file(path, &format!("the tensor `{name}` has shape {:?}, expected {shape:?}", view.shape())));
    }
    let bytes = view.data();
    let two = |pair: &[u8]| [pair.first().copied().unwrap_or(0), pair.get(1).copied().unwrap_or(0)];
    let values: Vec<f32> = match view.dtype() {
        Dtype::F64 => {
            bytes.chunks_exact(8).map(|b| f64::from_le_bytes(b.try_into().unwrap_or_default()) as f32).collect()
        }
        Dtype::F32 => bytes.chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap_or_default())).collect(),
        Dtype::F16 => bytes.chunks_exact(2).map(|b| f16::from_le_bytes(two(b)).to_f32()).collect(),
        Dtype::BF16 => bytes.chunks_exact(2).map(|b| bf16::from_le_bytes(two(b)).to_f32()).collect(),
        other => {
            return Err(file(path, &format!("the tensor `{name}` holds {other:?}, expected F64, F32, F16 or BF16")));
        }
    };
    match values.iter().all(|value| value.is_finite()) {
        true => Ok(values),
        false => Err(file(path, &format!("the tensor `{name}` holds NaN or infinity"))),
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{tiny, tiny_bert, tiny_llama, tiny_mpnet, tiny_others};
    use super::*;
    use crate::core::context::{Access, Memo, Settings};

    #[test]
    fn a_model_survives_its_files() {
        let model = tiny(3).with(|m| m.head = Some(Arc::new(Head::new(vec![0.25; 32], &["no".into(), "yes".into()]))));
        let files = model.to_bytes(Precision::F32).expect("serialises");
        let back = Model::from_bytes(None, &files.config, &files.weights, &files.tokenizer).expect("reads");
        assert_eq!(back.inner.params.values, model.inner.params.values);
        assert_eq!(back.inner.head.as_ref().map(|h| h.weight.clone()), Some(vec![0.25; 32]));
        assert_eq!(
            (&back.inner.name, &back.inner.lineage, &back.inner.arch),
            (&model.inner.name, &model.inner.lineage, &model.inner.arch)
        );
        assert_eq!(back.classes(), Some(&["no".to_owned(), "yes".to_owned()][..]));
        assert_eq!(back.to_bytes(Precision::F32).expect("serialises"), files);
        let config = String::from_utf8(files.config.clone()).expect("text");
        let odd = config.replace("\"yes\"", "\"no\"").into_bytes();
        let error = Model::from_bytes(None, &odd, &files.weights, &files.tokenizer).err().expect("a name twice");
        assert!(error.to_string().contains("`classes` must be 2 different names"), "{error}");
        let half = model.to_bytes(Precision::F16).expect("serialises");
        assert!(half.weights.len() < files.weights.len() * 2 / 3);
        let back = Model::from_bytes(Some("mine"), &half.config, &half.weights, &half.tokenizer).expect("reads");
        assert_eq!(back.inner.name, "mine");
        for (h, f) in back.inner.params.values.iter().zip(&model.inner.params.values) {
            assert!((h - f).abs() <= f.abs() / 1024.0 + 1e-7, "{h} {f}");
        }
    }

    #[test]
    fn every_architecture_survives_its_files() {
        for model in [tiny(3), tiny_bert(3), tiny_mpnet(3), tiny_llama(3)].into_iter().chain(tiny_others(3)) {
            let files = model.to_bytes(Precision::F32).expect("serialises");
            let back = Model::from_bytes(None, &files.config, &files.weights, &files.tokenizer).expect("reads");
            assert_eq!((&back.inner.arch, &back.inner.params.values), (&model.inner.arch, &model.inner.params.values));
        }
    }

    #[test]
    fn broken_files_are_named() {
        let files = tiny(3).to_bytes(Precision::F32).expect("serialises");
        let fails = |config: &[u8], weights: &[u8], tokenizer: &[u8]| {
            Model::from_bytes(None, config, weights, tokenizer).err().expect("broken").to_string()
        };
        let swap = |from: &str, to: &str| {
            String::from_utf8(files.config.clone()).expect("text").replace(from, to).into_bytes()
        };
        assert!(fails(b"{", &files.weights, &files.tokenizer).contains("`config.json`"));
        assert!(fails(&files.config, &files.weights[..100], &files.tokenizer).contains("`model.safetensors`"));
        assert!(fails(&files.config, &files.weights, b"{}").contains("tokenizer"));
        assert!(
            fails(&swap("\"width\": 16", "\"width\": 1000000000"), &files.weights, &files.tokenizer)
                .contains("`width`")
        );
        assert!(fails(&swap("\"width\": 16", "\"width\": 18"), &files.weights, &files.tokenizer).contains("has shape"));
        assert!(
            fails(&swap("\"n_layers\": 2", "\"n_layers\": 3"), &files.weights, &files.tokenizer).contains("missing")
        );
        assert!(
            fails(&swap("\"n_layers\": 2", "\"n_layers\": 1"), &files.weights, &files.tokenizer).contains("tensors")
        );
        assert!(fails(&swap("\"vocab\": 22", "\"vocab\": 0"), &files.weights, &files.tokenizer).contains("`vocab`"));
        assert!(
            fails(&swap("\"norm_eps\": ", "\"norm_eps\": -"), &files.weights, &files.tokenizer).contains("`norm_eps`")
        );
    }

    #[test]
    fn a_folder_is_written_and_read_only_where_granted() {
        let dir = tempfile::tempdir().expect("a folder");
        let settings = Settings {
            seed_offset: 0,
            world: 2,
            n_threads: 1,
            device: "cpu".into(),
            store: dir.path().into(),
            bucket: None,
            memo: Memo::Off,
            checkpoint: None,
            run_dir: None,
        };
        let granted = vec![dir.path().to_path_buf()];
        let access = Access { read: granted.clone(), write: granted, project: dir.path().into(), ..Access::default() };
        let ctx = Context::new(settings, access);
        tiny(1).save(Path::new("one"), Format::Own, Precision::F32, &ctx).expect("saves");
        let back = Model::load(Path::new("one"), &ctx).expect("loads");
        assert_eq!(back.inner.params.values, tiny(1).inner.params.values);
        assert!(matches!(Model::load(Path::new("/etc"), &ctx), Err(ModelError::Access(_))));
        assert!(matches!(
            tiny(1).save(Path::new("/nowhere/x"), Format::Own, Precision::F32, &ctx),
            Err(ModelError::Access(_))
        ));
        assert!(Model::load(Path::new("two"), &ctx).is_err());
    }
}
