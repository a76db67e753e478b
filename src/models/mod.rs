//! Models: architecture, parameters, head, tokenizer. Immutable; training returns a new one.

pub mod adapter;
pub mod arch;
pub mod candle;
mod chat;
mod checkpoint;
mod coverage;
mod encoder;
mod error;
mod export;
pub mod families;
pub mod generation;
mod gguf;
mod head;
mod hf;
mod ladder;
pub mod onnx;
pub mod sampling;
mod speed;
pub mod trunk;
mod untrained;

pub use chat::Chat;
pub use checkpoint::{Files, Format, Precision, VERSION as CHECKPOINT_VERSION};
pub use coverage::Coverage;
pub use encoder::{Encoded, Encoder, Keep};
pub use error::ModelError;
pub use head::{Head, HeadKind};
pub use hf::HfFiles;
pub use ladder::{LADDERS, concept_ladder, ladder, world_ladder};
pub use speed::flops_per_second;
pub use untrained::{Blueprint, Family, Size, initial, unpretrained, untrained};

use crate::core::context::Context;
use crate::core::digest::Digest;
use crate::data::{Data, InputKind};
use crate::frames::Frame;
use arch::{Arch, Layout, Params};
use std::sync::Arc;
use trunk::Packed;

/// A model. Cheap to clone; the trunk's parameters are shared until training replaces them.
#[derive(Clone)]
pub struct Model {
    pub inner: Arc<ModelInner>,
}

/// What a model is made of.
#[derive(Clone)]
pub struct ModelInner {
    /// Such as `world-3` or `all-MiniLM-L6-v2[..2]`.
    pub name: String,
    pub arch: Arch,
    pub params: Arc<Params>,
    pub head: Option<Arc<Head>>,
    pub encoder: Arc<Encoder>,
    /// How conversations are written for it, where its tokenizer says so.
    pub chat: Option<Arc<Chat>>,
    /// The longest row in tokens: at most the architecture's context. Longer rows are cut.
    pub max_tokens: usize,
    /// The derivation key: how this model came to be.
    pub digest: Digest,
    /// One line for a person: `world-0, finetuned on 800 rows of world/subject`.
    pub lineage: String,
    /// The last training's loss and settled options, empty for a model that was not trained here.
    pub recipe: String,
    /// What the last training's evaluations on held-out rows found, if it was watched. Files do not keep it.
    pub validation: Option<Frame>,
    /// What was measured of the steps of the last training, if it measures more than its loss. Files do not keep it.
    pub curves: Option<Frame>,
    /// The update of low rank that the last training merged into the trunk, if it was one. Own files do not keep it.
    pub adapter: Option<Arc<adapter::Adapter>>,
    /// Tokens that pretraining read, repeats counted, where that is known. Files do not keep it; the shipped ladder's manifest does.
    pub pretrained_tokens: Option<u64>,
}

impl Model {
    /// A model without a head. `values` holds the trunk's parameters in the order of [`Arch::layout`]; `digest` says how
    /// they came to be.
    pub fn new(
        name: impl Into<String>,
        arch: Arch,
        values: Vec<f32>,
        encoder: Arc<Encoder>,
        digest: Digest,
        lineage: impl Into<String>,
    ) -> Result<Model, ModelError> {
        let name = name.into();
        arch.check()?;
        let layout = arch.layout();
        if values.len() != layout.n_params {
            return Err(ModelError::ParamCount { name, n_values: values.len(), n_params: layout.n_params });
        }
        if encoder.n_tokens() > arch.vocab() {
            return Err(ModelError::Vocabulary { name, n_tokens: encoder.n_tokens(), vocab: arch.vocab() });
        }
        let max_tokens = arch.context();
        let params = Arc::new(Params { layout, values });
        let lineage = lineage.into();
        Ok(Model {
            inner: Arc::new(ModelInner {
                name,
                arch,
                params,
                head: None,
                encoder,
                chat: None,
                max_tokens,
                digest,
                lineage,
                recipe: String::new(),
                validation: None,
                curves: None,
                adapter: None,
                pretrained_tokens: None,
            }),
        })
    }

    /// The same model with some parts replaced by `change`, which must state a new digest.
    #[must_use]
    pub fn with(&self, change: impl FnOnce(&mut ModelInner)) -> Model {
        let mut inner = ModelInner::clone(&self.inner);
        change(&mut inner);
        Model { inner: Arc::new(inner) }
    }

    /// Numbers in the trunk and, where there is one, the head.
    pub fn n_params(&self) -> usize {
        self.inner.params.values.len() + self.inner.head.as_ref().map_or(0, |head| head.weight.len())
    }

    /// The head's classes, if the model has a head; 1 of a head that scores.
    pub fn n_classes(&self) -> Option<usize> {
        self.inner.head.as_ref().map(|head| head.n_classes)
    }

    /// The tokens of every row, as [`Model::encoded`] gives them.
    pub fn encode(&self, data: &Data, ctx: &Context) -> Result<Arc<Packed>, ModelError> {
        Ok(self.encoded(data, ctx)?.packed)
    }

    /// The tokens of every row: of text, of tokens as they are, of prompts with each continuation. Rows longer than the
    /// model's `max_tokens` are cut, and the context is told once for a data set how many: a causal model keeps a row's end, because it is read
    /// at the last token; a BERT its beginning, but of a prompt with a continuation the end. Features are refused.
    pub fn encoded(&self, data: &Data, ctx: &Context) -> Result<Encoded, ModelError> {
        let (name, n_rows) = (&self.inner.name, data.len());
        if data.input() == InputKind::Features {
            let (name, data) = (name.clone(), data.name().to_owned());
            return Err(ModelError::Input { name, data, held: InputKind::Features.name() });
        }
        self.check_coverage(data, ctx)?;
        let keep = if self.inner.arch.is_causal() { Keep::End } else { Keep::Start };
        let max_tokens = self.inner.max_tokens;
        let encoded = self.inner.encoder.encode_data(data, max_tokens, keep, &ctx.interrupt)?;
        let Encoded { n_cut, n_alike, .. } = encoded;
        if n_cut > 0 {
            self.warn_of_cuts(data, n_cut, n_rows, ctx);
        }
        if n_alike > 0 {
            ctx.warn(format!(
                "in {n_alike} of {n_rows} rows `{name}` reads the same tokens for every continuation (cut, or unknown words): \
                 nothing can be learned from them"
            ));
        }
        Ok(encoded)
    }

    /// The first `layers` blocks of a BERT as a model of its own, without head.
    pub fn first_layers(&self, layers: usize) -> Result<Model, ModelError> {
        let inner = &self.inner;
        let Arch::Bert(config) = &inner.arch else {
            return Err(ModelError::LayersOfCausal { name: inner.name.clone() });
        };
        if layers == 0 || layers > config.n_layers {
            return Err(ModelError::Layers { name: inner.name.clone(), asked: layers, n_layers: config.n_layers });
        }
        if layers == config.n_layers {
            return Ok(self.clone());
        }
        let arch = Arch::Bert(arch::BertConfig { n_layers: layers, ..config.clone() });
        // Blocks lie one after the other behind the embeddings, so the first ones are a prefix of the buffer.
        let layout: Layout = arch.layout();
        let values = inner.params.values.iter().take(layout.n_params).copied().collect();
        let digest = Digest::of("model/first_layers", 1).digest("model", inner.digest).int("layers", layers as i64);
        let name = format!("{}[..{layers}]", inner.name);
        let lineage = format!("{}, first {layers} of {} layers", inner.lineage, config.n_layers);
        let cut = Model::new(name, arch, values, inner.encoder.clone(), digest.finish(), lineage)?;
        Ok(cut.with(|cut| cut.max_tokens = inner.max_tokens))
    }

    /// The same model reading at most `max_tokens` tokens of a row.
    pub fn with_max_tokens(&self, max_tokens: usize) -> Result<Model, ModelError> {
        let inner = &self.inner;
        if max_tokens == 0 || max_tokens > inner.arch.context() {
            let (name, context) = (inner.name.clone(), inner.arch.context());
            return Err(ModelError::MaxTokens { name, asked: max_tokens, context });
        }
        if max_tokens == inner.max_tokens {
            return Ok(self.clone());
        }
        let digest =
            Digest::of("model/max_tokens", 1).digest("model", inner.digest).int("max_tokens", max_tokens as i64);
        Ok(self.with(|changed| {
            changed.max_tokens = max_tokens;
            changed.digest = digest.finish();
        }))
    }

    /// The text of a conversation, as the model's chat template writes it: messages with `role` and `content`, and with
    /// `generate` the beginning of the assistant's next turn. Another `template` takes the place of the model's own.
    pub fn chat(
        &self,
        messages: &[serde_json::Map<String, serde_json::Value>],
        generate: bool,
        template: Option<&str>,
    ) -> Result<String, ModelError> {
        let own = self.inner.chat.as_deref();
        match template.map(|template| Chat::with(template, own)).transpose()?.as_ref().or(own) {
            Some(chat) => chat.render(messages, generate),
            None => Err(ModelError::NoChat { name: self.inner.name.clone() }),
        }
    }

    /// One line: name, shape, parameters, lineage.
    pub fn show(&self) -> String {
        let inner = &self.inner;
        let head = match &inner.head {
            None => "no head".to_owned(),
            Some(head) if head.kind == HeadKind::Scalar => "head that scores".to_owned(),
            Some(head) => format!("head of {} classes", head.n_classes),
        };
        let n_layers = inner.arch.n_layers();
        let shape = format!("{n_layers} layer{} × width {}", if n_layers == 1 { "" } else { "s" }, inner.arch.width());
        format!(
            "Model {}: {}, {shape}, {} parameters, {head}; {}",
            inner.name,
            inner.arch.kind(),
            thousands(self.n_params()),
            inner.lineage
        )
    }
}

/// 22713216 as `22 713 216`.
fn thousands(n: usize) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (idx, digit) in digits.chars().enumerate() {
        if idx > 0 && (digits.len() - idx).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
pub(crate) mod testing {
    use super::arch::{
        Activation, BertConfig, CausalConfig, Changes, LlamaConfig, ModernConfig, NeoxConfig, Pooling, QkNorm, Rope,
    };
    pub(crate) use super::hf::tests::{drawn, drawn_model};
    use super::*;
    use crate::core::random::Random;
    use tokenizers::models::wordlevel::WordLevel;
    use tokenizers::pre_tokenizers::whitespace::WhitespaceSplit;

    /// Rows `r0`, `r1`, … of which nothing is asked, all on one side.
    pub fn rows(inputs: Vec<crate::data::Input>, split: crate::data::Split) -> Data {
        use crate::data::{Row, Source, Target};
        let row = |(idx, input)| Row {
            id: format!("r{idx}").into(),
            input,
            group: format!("g{idx}").into(),
            split,
            difficulty: f32::NAN,
        };
        let rows = inputs.into_iter().enumerate().map(row).collect();
        Data::new(Arc::new(Source::with_target("toy", rows, Target::None).expect("valid")))
    }

    /// A prompt with continuations.
    pub fn prompt(text: &str, continuations: &[&str]) -> crate::data::Input {
        let continuations = continuations.iter().map(|text| (*text).to_owned()).collect();
        crate::data::Input::Prompt(Box::new(crate::data::Prompt { text: text.to_owned(), continuations }))
    }

    /// A tokenizer that knows these words (ids from 1) and `[UNK]` (0).
    pub fn words(words: &[&str]) -> Arc<Encoder> {
        let vocab = std::iter::once("[UNK]").chain(words.iter().copied());
        let vocab = vocab.enumerate().map(|(id, word)| (word.to_owned(), id as u32)).collect();
        let model = WordLevel::builder().vocab(vocab).unk_token("[UNK]".to_owned()).build().expect("valid");
        let mut tokenizer = tokenizers::Tokenizer::new(model);
        tokenizer.with_pre_tokenizer(Some(WhitespaceSplit));
        Encoder::new(&tokenizer).expect("valid")
    }

    /// A randomly initialised causal model over the words `w0`…`w19` and `.`.
    pub fn tiny(seed: u64) -> Model {
        let (vocab, context, width, n_layers, n_heads, inner) = (22, 16, 16, 2, 2, 32);
        let (activation, norm_eps) = (Activation::GeluTanh, 1e-5);
        let config = CausalConfig { vocab, context, width, n_layers, n_heads, inner, activation, norm_eps };
        random_model(seed, "tiny", Arch::Causal(config))
    }

    /// The same words read by a small bidirectional encoder.
    pub fn tiny_bert(seed: u64) -> Model {
        let (vocab, context, width, n_layers, n_heads, inner) = (22, 16, 16, 2, 2, 32);
        let (activation, norm_eps, n_token_types, relative) = (Activation::GeluErf, 1e-12, 2, false);
        let pooling = Pooling::Mean;
        let config = BertConfig {
            vocab,
            context,
            width,
            n_layers,
            n_heads,
            inner,
            n_token_types,
            activation,
            norm_eps,
            relative,
            pooling,
        };
        random_model(seed, "tiny-bert", Arch::Bert(config))
    }

    /// The same, whose scores depend on distance.
    pub fn tiny_mpnet(seed: u64) -> Model {
        let Arch::Bert(config) = tiny_bert(0).inner.arch.clone() else { panic!("a BERT") };
        random_model(seed, "tiny-mpnet", Arch::Bert(BertConfig { n_token_types: 0, relative: true, ..config }))
    }

    /// A causal decoder of the other kind, with fewer heads of keys and what reads next tokens apart.
    pub fn tiny_llama(seed: u64) -> Model {
        let (vocab, context, width, n_layers, n_heads, n_kv_heads, inner) = (22, 16, 16, 2, 2, 1, 24);
        let (norm_eps, rope) = (1e-5, Rope { theta: 1e4, scaling: None });
        let (qkv_bias, tied, changes) = (true, false, Changes::default());
        let config = LlamaConfig {
            vocab,
            context,
            width,
            n_layers,
            n_heads,
            n_kv_heads,
            inner,
            norm_eps,
            rope,
            qkv_bias,
            tied,
            changes,
        };
        random_model(seed, "tiny-llama", Arch::Llama(config))
    }

    /// Small models of the families that changed Llama's block, and of GPT-NeoX; an encoder that is read at its first token.
    pub fn tiny_others(seed: u64) -> Vec<Model> {
        let Arch::Llama(llama) = tiny_llama(0).inner.arch.clone() else { panic!("a Llama") };
        let Arch::Bert(bert) = tiny_bert(0).inner.arch.clone() else { panic!("a BERT") };
        let changed = |changes| Arch::Llama(LlamaConfig { changes, qkv_bias: false, ..llama.clone() });
        let neox = NeoxConfig {
            vocab: llama.vocab,
            context: llama.context,
            width: 16,
            n_layers: 2,
            n_heads: 2,
            inner: 32,
            activation: Activation::GeluErf,
            norm_eps: 1e-5,
            rope: llama.rope,
            n_turned: 4,
            parallel: true,
            tied: false,
            headless: false,
        };
        let modern = ModernConfig {
            vocab: llama.vocab,
            context: llama.context,
            width: 16,
            n_layers: 3,
            n_heads: 2,
            inner: 24,
            activation: Activation::GeluErf,
            norm_eps: 1e-5,
            theta: 1e5,
            local_theta: 1e4,
            global_every: 2,
            window: 3,
            pooling: Pooling::Mean,
        };
        let archs = [
            ("tiny-qwen3", changed(Changes { head: Some(6), qk_norm: QkNorm::Heads, ..Changes::default() })),
            ("tiny-olmo2", changed(Changes { norm_after: true, qk_norm: QkNorm::Whole, ..Changes::default() })),
            ("tiny-mistral", changed(Changes { window: Some(5), ..Changes::default() })),
            ("tiny-neox", Arch::Neox(neox)),
            ("tiny-first", Arch::Bert(BertConfig { pooling: Pooling::First, ..bert })),
            ("tiny-modern", Arch::Modern(modern)),
        ];
        archs.into_iter().map(|(name, arch)| random_model(seed, name, arch)).collect()
    }

    fn random_model(seed: u64, name: &str, arch: Arch) -> Model {
        let list: Vec<String> = (0..20).map(|i| format!("w{i}")).chain([".".to_owned()]).collect();
        let list: Vec<&str> = list.iter().map(String::as_str).collect();
        let mut random = Random::new(seed, "test model");
        let layout = arch.layout();
        let mut values = vec![0.0; layout.n_params];
        for entry in &layout.entries {
            let size: usize = entry.shape.iter().product();
            let gain =
                entry.name.ends_with("norm.weight") || entry.name.contains("norm1.w") || entry.name.contains("norm2.w");
            for value in &mut values[entry.offset..entry.offset + size] {
                *value = if gain { 1.0 } else { 0.1 * random.normal() as f32 };
            }
        }
        let digest = Digest::of("test model", 1).int("seed", seed as i64).text("arch", &format!("{arch:?}")).finish();
        Model::new(name, arch, values, words(&list), digest, "random numbers").expect("valid")
    }
}

#[cfg(test)]
mod tests {
    use super::testing::*;
    use super::*;

    #[test]
    fn a_model_prints_what_a_person_wants_to_know() {
        let model = tiny(0);
        let n = thousands(model.n_params());
        assert_eq!(
            model.show(),
            format!("Model tiny: causal, 2 layers × width 16, {n} parameters, no head; random numbers")
        );
        assert_eq!(thousands(22_713_216), "22 713 216");
        assert_eq!(thousands(12), "12");
    }

    #[test]
    fn parameters_and_limits_must_fit() {
        let inner = tiny(0).inner;
        let short = Model::new("x", inner.arch.clone(), vec![0.0; 3], inner.encoder.clone(), inner.digest, "");
        assert!(matches!(short, Err(ModelError::ParamCount { .. })));
        let many: Vec<String> = (0..40).map(|i| format!("x{i}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        let wide = Model::new("x", inner.arch.clone(), inner.params.values.clone(), words(&many), inner.digest, "");
        assert!(matches!(wide, Err(ModelError::Vocabulary { .. })));
        assert!(tiny(0).with_max_tokens(17).is_err() && tiny(0).with_max_tokens(0).is_err());
        assert!(tiny(0).first_layers(1).is_err(), "only a BERT is cut");
    }
}
