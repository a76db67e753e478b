//! What can be wrong with a model.

use crate::core::context::{AccessError, Interrupted};
use crate::core::explain::{Explain, listed};
use crate::store::StoreError;

/// An error of this room.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ModelError {
    #[error("the model `{name}` has {n_values} numbers, its architecture needs {n_params}")]
    ParamCount { name: String, n_values: usize, n_params: usize },
    #[error("the tokenizer of `{name}` has {n_tokens} tokens, the architecture {vocab}")]
    Vocabulary { name: String, n_tokens: usize, vocab: usize },
    #[error("`{field}` of the architecture must be {must}, got `{got}`")]
    Arch { field: &'static str, must: String, got: String },
    #[error("`architecture` must be causal, bert, mpnet or llama, got `{got}`")]
    Family { got: String },
    #[error("the tokenizer failed: {0}")]
    Tokenizer(String),
    #[error(
        "{share} % of the tokens of `{data}` are unknown to the tokenizer of `{name}`: it reads them all as the same"
    )]
    UnknownTokens { name: String, data: String, share: u32 },
    #[error("row `{id}` has no tokens")]
    EmptyRow { id: String },
    #[error("the model `{name}` reads text, tokens and prompts, and rows of `{data}` hold {held}")]
    Input { name: String, data: String, held: &'static str },
    #[error("row `{id}` has the token {token}, and the model's tokenizer has {n_tokens} tokens")]
    Token { id: String, token: u32, n_tokens: usize },
    #[error("the model `{name}` has a head that {has}, and `{data}` asks for {asks}")]
    OtherHead { name: String, data: String, has: &'static str, asks: &'static str },
    #[error("`{data}` asks for {asks}, which no head of a model answers")]
    NothingAsked { data: String, asks: &'static str },
    #[error("a new model's words are those of the rows' texts, and rows of `{data}` hold {held}")]
    NoWords { data: String, held: &'static str },
    #[error("the model `{name}` has {has}: it gives no scores")]
    NoScores { name: String, has: &'static str },
    #[error("the model `{name}` has no head: it cannot classify")]
    NoHead { name: String },
    #[error("the model `{name}` tells {n_classes} classes apart, the data has {n_data}")]
    Classes { name: String, n_classes: usize, n_data: usize },
    #[error("`{name}` was trained on the classes {}, `{data}` has {}", listed(.ours), listed(.theirs))]
    OtherClasses { name: String, ours: Vec<String>, data: String, theirs: Vec<String> },
    #[error("`layers` must be from 1 to {n_layers} for `{name}`, got `{asked}`")]
    Layers { name: String, asked: usize, n_layers: usize },
    #[error(
        "`{name}` is a causal model, of which the first layers alone are no model: its last norm belongs to the last layer"
    )]
    LayersOfCausal { name: String },
    #[error("`max_tokens` must be from 1 to {context} for `{name}`, got `{asked}`")]
    MaxTokens { name: String, asked: usize, context: usize },
    #[error("the model file `{file}` cannot be used: {reason}")]
    File { file: String, reason: String },
    #[error("the model file `{file}` is not there")]
    NoFile { file: String },
    #[error(
        "the checkpoint has no `model.safetensors`; `{file}` is a pickle, which is never read: it could run any program"
    )]
    Pickle { file: String },
    #[error("{what} cannot be written as transformers reads it: {reason}")]
    NotWritten { what: String, reason: String },
    #[error("`{name}` has no chat template")]
    NoChat { name: String },
    #[error("the chat template fails: {reason}")]
    Chat { reason: String },
    #[error("there is no ladder `{name}`")]
    NoLadder { name: String, known: Vec<String> },
    #[error("the generated world has no version `{version}`")]
    NoWorld { version: usize, newest: usize },
    #[error("the ladder `world` of version {version} was not pretrained with the seed `{seed}`")]
    NoPretrainingSeed { version: usize, seed: usize, n_seeds: usize },
    #[error("models cannot compute on `{name}`: this build of w2s has no support for it")]
    NotBuilt { name: String, feature: &'static str },
    #[error("models cannot compute on `{name}`: {reason}")]
    Device { name: String, reason: String },
    #[error("the engine failed: {0}")]
    Engine(String),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Access(#[from] AccessError),
    #[error("interrupted")]
    Interrupted,
}

impl From<Interrupted> for ModelError {
    fn from(_: Interrupted) -> Self {
        ModelError::Interrupted
    }
}

impl Explain for ModelError {
    fn code(&self) -> &'static str {
        match self {
            ModelError::ParamCount { .. } => "model/parameters",
            ModelError::Vocabulary { .. } => "model/vocabulary",
            ModelError::Arch { .. } | ModelError::Family { .. } => "model/architecture",
            ModelError::Tokenizer(_) => "model/tokenizer",
            ModelError::UnknownTokens { .. } => "model/unknown-tokens",
            ModelError::EmptyRow { .. } => "model/empty-row",
            ModelError::Input { .. } | ModelError::NoWords { .. } => "model/input",
            ModelError::Token { .. } => "model/token",
            ModelError::OtherHead { .. } | ModelError::NothingAsked { .. } => "model/other-head",
            ModelError::NoHead { .. } | ModelError::NoScores { .. } => "model/no-head",
            ModelError::Classes { .. } => "model/classes",
            ModelError::OtherClasses { .. } => "model/other-classes",
            ModelError::Layers { .. } | ModelError::LayersOfCausal { .. } => "model/layers",
            ModelError::MaxTokens { .. } => "model/max-tokens",
            ModelError::File { .. } | ModelError::NoFile { .. } | ModelError::Pickle { .. } => "model/file",
            ModelError::NotWritten { .. } => "model/not-written",
            ModelError::NoChat { .. } | ModelError::Chat { .. } => "model/chat",
            ModelError::NoLadder { .. } => "model/no-ladder",
            ModelError::NoWorld { .. } => "world/version",
            ModelError::NoPretrainingSeed { .. } => "model/pretraining-seed",
            ModelError::NotBuilt { .. } | ModelError::Device { .. } => "model/device",
            ModelError::Engine(_) => "model/engine",
            ModelError::Store(error) => error.code(),
            ModelError::Access(error) => error.code(),
            ModelError::Interrupted => "run/interrupted",
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            ModelError::UnknownTokens { .. } => Some(
                "a model learns of a text only what its tokenizer knows: take one that was pretrained on this language \
                 (`w2s fetch minilm`, then model::load(\"minilm\")), or model::untrained(data), whose words are those of the data"
                    .to_owned(),
            ),
            ModelError::EmptyRow { id } => Some(format!("leave out row `{id}`, or give it a text")),
            ModelError::Input { .. } => Some("give rows a text, or the tokens of this model's tokenizer".to_owned()),
            ModelError::Token { .. } => Some("tokens are those of the model's own tokenizer, from 0".to_owned()),
            ModelError::OtherHead { .. } => {
                Some("finetune a model on data of this kind first: model.finetune(data, labels)".to_owned())
            }
            ModelError::NothingAsked { .. } => {
                Some("name classes, #{ classes: [\"no\", \"yes\"] }, or load continuations".to_owned())
            }
            ModelError::NoScores { .. } => {
                Some("finetune it on preferences first: data with `chosen` and `rejected`".to_owned())
            }
            ModelError::NoHead { .. } => Some("finetune it first: model.finetune(data, labels)".to_owned()),
            ModelError::OtherClasses { ours, .. } => {
                let names: Vec<String> = ours.iter().take(20).map(|name| format!("{name:?}")).collect();
                Some(format!(
                    "where they mean the same classes, load the data under these names: #{{ classes: [{}] }}",
                    names.join(", ")
                ))
            }
            ModelError::Pickle { .. } => Some(
                "convert it once in Python: AutoModel.from_pretrained(folder).save_pretrained(folder, safe_serialization=True)"
                    .to_owned(),
            ),
            ModelError::NoChat { .. } => {
                Some("load a model that was trained on conversations, whose tokenizer_config.json has one".to_owned())
            }
            ModelError::NotWritten { .. } => Some("save it in the program's own format: model.save(path)".to_owned()),
            ModelError::NoLadder { known, .. } if known.is_empty() => Some("this build carries no ladder".to_owned()),
            ModelError::NotBuilt { feature, .. } => {
                Some(format!("build it so: cargo build --release --features {feature}; or leave --device out"))
            }
            ModelError::Device { .. } => Some("leave --device out to compute on the CPU".to_owned()),
            ModelError::Engine(text) if text.to_lowercase().replace('_', " ").contains("out of memory") => {
                Some("make batches smaller, or train with accumulate: 4 or recompute: true".to_owned())
            }
            ModelError::NoLadder { known, .. } => Some(format!("ladders: {}", known.join(", "))),
            ModelError::NoWorld { newest, .. } => Some(format!("versions: 1 to {newest}")),
            ModelError::NoPretrainingSeed { n_seeds: 1, .. } => Some("it has one seed: 0".to_owned()),
            ModelError::NoPretrainingSeed { n_seeds, .. } => Some(format!("its seeds: 0 to {}", n_seeds - 1)),
            ModelError::Store(error) => error.hint(),
            ModelError::Access(error) => error.hint(),
            _ => None,
        }
    }

    fn is_interruption(&self) -> bool {
        matches!(self, ModelError::Interrupted | ModelError::Store(StoreError::Interrupted))
    }
}
