//! Randomly initialised models: the baseline of no pretraining, and models for data of one's own.

use super::arch::{Activation, Arch, BertConfig, CausalConfig, Changes, LlamaConfig, Pooling, Rope};
use super::{Encoder, Model, ModelError, thousands};
use crate::core::digest::Digest;
use crate::core::random::Random;
use crate::data::{Data, InputKind};
use std::collections::HashMap;
use std::sync::Arc;
use tokenizers::models::wordlevel::WordLevel;
use tokenizers::pre_tokenizers::whitespace::Whitespace;

/// The size of a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    pub width: usize,
    pub n_layers: usize,
    pub n_heads: usize,
    /// The longest row in tokens.
    pub context: usize,
}

/// What a model made here is built like.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Family {
    /// As GPT-2.
    #[default]
    Causal,
    Bert,
    Mpnet,
    Llama,
}

impl Family {
    /// Every family, by the name that scripts use.
    pub const ALL: [(&str, Family); 4] =
        [("causal", Family::Causal), ("bert", Family::Bert), ("mpnet", Family::Mpnet), ("llama", Family::Llama)];

    /// The family called `name`.
    pub fn parse(name: &str) -> Result<Family, ModelError> {
        let found = Family::ALL.into_iter().find(|(known, _)| *known == name);
        found.map(|(_, family)| family).ok_or_else(|| ModelError::Family { got: name.to_owned() })
    }

    /// The architecture of this family and a size, with the proportions of its published models: a feed-forward width of
    /// four times the width, in a gated layer of 8/3 of it (Touvron et al. 2023), which are as many parameters.
    fn arch(self, vocab: usize, size: Size) -> Arch {
        let Size { width, n_layers, n_heads, context } = size;
        let inner = width.saturating_mul(4);
        match self {
            Family::Causal => {
                let (activation, norm_eps) = (Activation::GeluTanh, 1e-5);
                Arch::Causal(CausalConfig { vocab, context, width, n_layers, n_heads, inner, activation, norm_eps })
            }
            Family::Bert | Family::Mpnet => {
                let relative = self == Family::Mpnet;
                let (norm_eps, n_token_types) = if relative { (1e-5, 0) } else { (1e-12, 2) };
                Arch::Bert(BertConfig {
                    vocab,
                    context,
                    width,
                    n_layers,
                    n_heads,
                    inner,
                    activation: Activation::GeluErf,
                    norm_eps,
                    n_token_types,
                    relative,
                    pooling: Pooling::Mean,
                })
            }
            Family::Llama => Arch::Llama(LlamaConfig {
                vocab,
                context,
                width,
                n_layers,
                n_heads,
                n_kv_heads: n_heads,
                inner: width.saturating_mul(8).div_ceil(3),
                norm_eps: 1e-5,
                rope: Rope { theta: 10_000.0, scaling: None },
                qkv_bias: false,
                tied: true,
                changes: Changes::default(),
            }),
        }
    }
}

/// What is to be made: a size alone is that of a causal model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Blueprint {
    pub family: Family,
    pub size: Size,
}

impl From<Size> for Blueprint {
    fn from(size: Size) -> Self {
        Blueprint { family: Family::Causal, size }
    }
}

impl Blueprint {
    /// The architecture, for a vocabulary of so many tokens.
    pub fn arch(self, vocab: usize) -> Arch {
        self.family.arch(vocab, self.size)
    }
}

/// The most words of a tokenizer made from texts: arbitrary. Rarer ones become `[UNK]`.
const MAX_WORDS: usize = 1 << 16;
/// The most parameters and the longest context of a model made here: arbitrary, so that it is made within a second and
/// its attention fits memory.
const MAX_PARAMS: usize = 1 << 25;
const MAX_CONTEXT: usize = 1 << 11;
/// Standard deviation of the initial weights (GPT-2).
const DEVIATION: f64 = 0.02;

/// A model with random parameters that reads the words (and punctuation marks) of `data`'s texts.
pub fn untrained(data: &Data, made: impl Into<Blueprint>, seed: u64) -> Result<Model, ModelError> {
    let made = made.into();
    let encoder = word_encoder(data)?;
    let Size { width, n_layers, context, .. } = made.size;
    let arch = made.arch(encoder.n_tokens());
    if context > MAX_CONTEXT {
        let must = format!("at most {MAX_CONTEXT} for a model made here");
        return Err(ModelError::Arch { field: "context", must, got: context.to_string() });
    }
    arch.check()?;
    let n_params = arch.layout().n_params;
    if n_params > MAX_PARAMS {
        let (words, most) = (thousands(arch.vocab()), thousands(MAX_PARAMS));
        let must = format!("small enough, with `layers` and {words} words, for {most} parameters");
        return Err(ModelError::Arch {
            field: "width",
            must,
            got: format!("{width}: {} parameters", thousands(n_params)),
        });
    }
    let mut digest = Digest::of("model/untrained", 1)
        .digest("tokenizer", encoder.digest())
        .text("size", &format!("{:?}", made.size))
        .int("seed", seed as i64);
    // Named where another is asked for: what was made before there was a choice keeps its name.
    if made.family != Family::Causal {
        digest = digest.text("architecture", arch.kind());
    }
    let values = initial(&arch, &mut Random::new(seed, "initial parameters"));
    Model::new(
        format!("untrained-{width}x{n_layers}"),
        arch,
        values,
        encoder,
        digest.finish(),
        format!("random parameters of seed {seed}"),
    )
}

/// A model with another one's architecture, tokenizer and limit, and random parameters in place of its own.
pub fn unpretrained(model: &Model, seed: u64) -> Result<Model, ModelError> {
    let inner = &model.inner;
    let digest = Digest::of("model/unpretrained", 1)
        .digest("tokenizer", inner.encoder.digest())
        .text("architecture", &format!("{:?}", inner.arch))
        .int("max_tokens", inner.max_tokens as i64)
        .int("seed", seed as i64)
        .finish();
    let values = initial(&inner.arch, &mut Random::new(seed, "initial parameters"));
    let name = format!("unpretrained-{}", inner.name);
    let lineage = format!("random parameters of seed {seed}, built as {}", inner.name);
    let made = Model::new(name, inner.arch.clone(), values, inner.encoder.clone(), digest, lineage)?;
    Ok(made.with(|made| made.max_tokens = inner.max_tokens))
}

/// GPT-2's initial parameters: normal weights, those that end a residual branch smaller by √(2 · layers), gains 1, biases 0.
pub fn initial(arch: &Arch, random: &mut Random) -> Vec<f32> {
    let layout = arch.layout();
    let residual = DEVIATION / (2.0 * arch.n_layers() as f64).sqrt();
    let mut values = Vec::with_capacity(layout.n_params);
    for entry in &layout.entries {
        let n: usize = entry.shape.iter().product();
        let is_matrix = entry.shape.len() > 1;
        let ends_branch = entry.name.ends_with("out.weight") || entry.name.ends_with("down.weight");
        let deviation = if ends_branch { residual } else { DEVIATION };
        let gain = if entry.name.ends_with("weight") { 1.0 } else { 0.0 };
        values.extend((0..n).map(|_| if is_matrix { (deviation * random.normal()) as f32 } else { gain }));
    }
    values
}

/// A tokenizer of whole words: the most frequent ones, ties in the order of the alphabet.
fn word_encoder(data: &Data) -> Result<Arc<Encoder>, ModelError> {
    let mut counts: HashMap<&str, usize> = HashMap::new();
    for text in data.rows().flat_map(|row| row.input.texts()) {
        for word in split_words(text) {
            *counts.entry(word).or_default() += 1;
        }
    }
    if counts.is_empty() && matches!(data.input(), InputKind::Tokens | InputKind::Features) {
        return Err(ModelError::NoWords { data: data.name().to_owned(), held: data.input().name() });
    }
    let mut ranked: Vec<(&str, usize)> = counts.into_iter().collect();
    ranked.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
    let words = std::iter::once("[UNK]").chain(ranked.iter().map(|(word, _)| *word).filter(|word| *word != "[UNK]"));
    let vocab = words.take(MAX_WORDS).enumerate().map(|(id, word)| (word.to_owned(), id as u32)).collect();
    let failed = |error: &dyn std::fmt::Display| ModelError::Tokenizer(error.to_string().to_lowercase());
    let model = WordLevel::builder().vocab(vocab).unk_token("[UNK]".to_owned()).build();
    let mut tokenizer = tokenizers::Tokenizer::new(model.map_err(|error| failed(&error))?);
    tokenizer.with_pre_tokenizer(Some(Whitespace {}));
    Encoder::new(&tokenizer)
}

/// Runs of letters, digits and underscores, and runs of other marks: as the `Whitespace` pre-tokenizer splits.
fn split_words(text: &str) -> impl Iterator<Item = &str> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    text.split_whitespace().flat_map(move |part| {
        let mut rest = part;
        std::iter::from_fn(move || {
            let first = rest.chars().next()?;
            let end = rest.find(|c: char| is_word(c) != is_word(first)).unwrap_or(rest.len());
            let (word, after) = rest.split_at(end);
            rest = after;
            Some(word)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Row, Source, Split};
    use crate::models::Keep;

    fn data(texts: &[&str]) -> Data {
        let row = |(idx, text): (usize, &&str)| Row {
            id: format!("r{idx}").into(),
            input: (*text).into(),
            group: format!("r{idx}").into(),
            split: Split::Train,
            difficulty: f32::NAN,
        };
        let rows = texts.iter().enumerate().map(row).collect();
        Data::new(Arc::new(Source::new("toy", rows, vec!["a".into(), "b".into()], None).expect("valid")))
    }

    #[test]
    fn its_words_are_those_of_the_texts() {
        let size = Size { width: 8, n_layers: 1, n_heads: 2, context: 8 };
        let model = untrained(&data(&["the dog.", "the cat!? on"]), size, 3).expect("valid");
        let encoder = &model.inner.encoder;
        assert_eq!(encoder.n_tokens(), 7, "[UNK], the, and one each of . dog cat !? on");
        let (ids, _) = encoder.encode("the cat.", 8, Keep::End).expect("encodes");
        assert!(ids.iter().all(|id| *id != 0) && ids.len() == 3, "{ids:?}");
        assert_eq!(encoder.encode("zebra", 8, Keep::End).expect("encodes").0, [0]);
    }

    #[test]
    fn words_come_from_prompts_and_continuations_and_from_nothing_else() {
        use crate::data::{Input, Prompt, Target};
        let size = Size { width: 8, n_layers: 1, n_heads: 2, context: 8 };
        let made = |input| {
            let row = Row { id: "r".into(), input, group: "r".into(), split: Split::Train, difficulty: f32::NAN };
            untrained(
                &Data::new(Arc::new(Source::with_target("toy", vec![row], Target::None).expect("valid"))),
                size,
                0,
            )
        };
        let prompt = Prompt { text: "the dog".into(), continuations: vec![" barks".into(), " sings".into()] };
        assert_eq!(made(Input::Prompt(Box::new(prompt))).expect("valid").inner.encoder.n_tokens(), 5);
        let refused = made(Input::Tokens([1].into())).err().expect("no words").to_string();
        assert_eq!(refused, "a new model's words are those of the rows' texts, and rows of `toy` hold tokens");
    }

    #[test]
    fn a_seed_fixes_the_parameters() {
        let size = Size { width: 8, n_layers: 2, n_heads: 2, context: 8 };
        let make = |seed| untrained(&data(&["a b"]), size, seed).expect("valid").inner;
        assert_eq!(make(1).params.values, make(1).params.values);
        assert_ne!(make(1).params.values, make(2).params.values);
        assert_ne!(make(1).digest, make(2).digest);
        assert!(untrained(&data(&["a b"]), Size { width: 4096, ..size }, 0).is_err(), "too large");
        assert!(untrained(&data(&["a b"]), Size { context: 4096, ..size }, 0).is_err(), "too long");
        let wide = Size { width: 9, ..size };
        assert!(untrained(&data(&["a b"]), wide, 0).is_err(), "nine is not a multiple of two heads");
    }

    #[test]
    fn an_unpretrained_model_is_built_as_another_one() {
        let size = Size { width: 8, n_layers: 2, n_heads: 2, context: 8 };
        let model = untrained(&data(&["a b"]), size, 1).expect("valid").with_max_tokens(5).expect("shorter");
        let made = unpretrained(&model, 2).expect("valid");
        assert_eq!((made.inner.arch.clone(), made.inner.max_tokens), (model.inner.arch.clone(), 5));
        assert_eq!(made.inner.encoder.digest(), model.inner.encoder.digest());
        assert!(made.inner.head.is_none() && made.inner.params.values != model.inner.params.values);
        assert_eq!(made.inner.digest, unpretrained(&model, 2).expect("valid").inner.digest);
        assert_ne!(made.inner.digest, unpretrained(&model, 3).expect("valid").inner.digest);
    }

    #[test]
    fn every_family_can_be_made_and_has_a_digest_of_its_own() {
        let size = Size { width: 8, n_layers: 2, n_heads: 2, context: 8 };
        let make = |(name, family): (&str, Family)| {
            assert_eq!(Family::parse(name).expect("known"), family);
            let inner = untrained(&data(&["a b"]), Blueprint { family, size }, 1).expect("valid").inner;
            assert_eq!(inner.arch.kind(), name);
            inner.digest.to_hex()
        };
        let digests: std::collections::BTreeSet<String> = Family::ALL.into_iter().map(make).collect();
        assert_eq!(digests.len(), 4);
        assert!(Family::parse("rnn").is_err());
    }
}
