//! What can be wrong with a model.

use crate::core::context::{AccessError, Interrupted};
use crate::core::explain::{explained, listed};
use crate::store::StoreError;

explained! {
    /// An error of this room.
    #[derive(Debug, Clone, thiserror::Error)]
    pub enum ModelError {
        #[error("the model `{name}` has {n_values} numbers, its architecture needs {n_params}")]
        #[code("model/parameters")]
        ParamCount { name: String, n_values: usize, n_params: usize },
        #[error("the tokenizer of `{name}` has {n_tokens} tokens, the architecture {vocab}")]
        #[code("model/vocabulary")]
        Vocabulary { name: String, n_tokens: usize, vocab: usize },
        #[error("`{field}` of the architecture must be {must}, got `{got}`")]
        #[code("model/architecture")]
        Arch { field: &'static str, must: String, got: String },
        #[error("`architecture` must be causal, bert, mpnet or llama, got `{got}`")]
        #[code("model/architecture")]
        Family { got: String },
        #[error("the tokenizer failed: {0}")]
        #[code("model/tokenizer")]
        Tokenizer(text: String),
        #[error(
            "{share} % of the tokens of `{data}` are unknown to the tokenizer of `{name}`: it reads them all as the same"
        )]
        #[code("model/unknown-tokens")]
        #[hint("a model learns of a text only what its tokenizer knows: take one that was pretrained on this language \
                 (`w2s fetch minilm`, then model::load(\"minilm\")), or model::untrained(data), whose words are those of the data")]
        UnknownTokens { name: String, data: String, share: u32 },
        #[error("row `{id}` has no tokens")]
        #[code("model/empty-row")]
        #[hint("leave out row `{id}`, or give it a text")]
        EmptyRow { id: String },
        #[error("the model `{name}` reads text, tokens and prompts, and rows of `{data}` hold {held}")]
        #[code("model/input")]
        #[hint("give rows a text, or the tokens of this model's tokenizer")]
        Input { name: String, data: String, held: &'static str },
        #[error("row `{id}` has the token {token}, and the model's tokenizer has {n_tokens} tokens")]
        #[code("model/token")]
        #[hint("tokens are those of the model's own tokenizer, from 0")]
        Token { id: String, token: u32, n_tokens: usize },
        #[error("the model `{name}` has a head that {has}, and `{data}` asks for {asks}")]
        #[code("model/other-head")]
        #[hint("finetune a model on data of this kind first: model.finetune(data, labels)")]
        OtherHead { name: String, data: String, has: &'static str, asks: &'static str },
        #[error("`{data}` asks for {asks}, which no head of a model answers")]
        #[code("model/other-head")]
        #[hint("name classes, #{{ classes: [\"no\", \"yes\"] }}, or load continuations")]
        NothingAsked { data: String, asks: &'static str },
        #[error("a new model's words are those of the rows' texts, and rows of `{data}` hold {held}")]
        #[code("model/input")]
        NoWords { data: String, held: &'static str },
        #[error("the model `{name}` has {has}: it gives no scores")]
        #[code("model/no-head")]
        #[hint("finetune it on preferences first: data with `chosen` and `rejected`")]
        NoScores { name: String, has: &'static str },
        #[error("the model `{name}` has no head: it cannot classify")]
        #[code("model/no-head")]
        #[hint("finetune it first: model.finetune(data, labels)")]
        NoHead { name: String },
        #[error("the model `{name}` has {n_classes} classes, the data has {n_data}")]
        #[code("model/classes")]
        Classes { name: String, n_classes: usize, n_data: usize },
        #[error("`{name}` was trained on the classes {}, `{data}` has {}", listed(.ours), listed(.theirs))]
        #[code("model/other-classes")]
        #[hint(format!(
            "where they mean the same classes, load the data under these names: #{{ classes: [{}] }}",
            ours.iter().take(20).map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", ")
        ))]
        OtherClasses { name: String, ours: Vec<String>, data: String, theirs: Vec<String> },
        #[error("`layers` must be from 1 to {n_layers} for `{name}`, got `{asked}`")]
        #[code("model/layers")]
        Layers { name: String, asked: usize, n_layers: usize },
        #[error(
            "`{name}` is a causal model, and its first layers alone do not make a model: the last norm belongs to the last layer"
        )]
        #[code("model/layers")]
        LayersOfCausal { name: String },
        #[error("`max_tokens` must be from 1 to {context} for `{name}`, got `{asked}`")]
        #[code("model/max-tokens")]
        MaxTokens { name: String, asked: usize, context: usize },
        #[error("the model file `{file}` cannot be used: {reason}")]
        #[code("model/file")]
        File { file: String, reason: String },
        #[error("the model file `{file}` is not there")]
        #[code("model/file")]
        NoFile { file: String },
        #[error(
            "the checkpoint has no `model.safetensors`; `{file}` is a pickle, which is never read: it could run any program"
        )]
        #[code("model/file")]
        #[hint(
            "convert it once in Python: AutoModel.from_pretrained(folder).save_pretrained(folder, safe_serialization=True)"
        )]
        Pickle { file: String },
        #[error("{what} cannot be written as transformers reads it: {reason}")]
        #[code("model/not-written")]
        #[hint("save it in the program's own format: model.save(path)")]
        NotWritten { what: String, reason: String },
        #[error("`{name}` has no adapter: {reason}")]
        #[code("model/no-adapter")]
        #[hint("finetune it with `lora: #{{ rank: 8 }}` and save what comes of that; a whole model is saved by model.save(path)")]
        NoAdapter { name: String, reason: String },
        #[error("`{folder}` holds an adapter, which is an update of another model")]
        #[code("model/adapter-base")]
        #[hint("say of which: model::load(\"{folder}\", #{{ base: model::load(\"…\") }})")]
        NoBase { folder: String },
        #[error("`base` is of adapters, and `{folder}` has no `adapter_config.json`")]
        #[code("model/adapter-base")]
        #[hint("leave `base` out to load a whole model")]
        IdleBase { folder: String },
        #[error("`{name}` has no chat template")]
        #[code("model/chat")]
        #[hint("load a model that was trained on conversations, whose tokenizer_config.json has one")]
        NoChat { name: String },
        #[error("the chat template fails: {reason}")]
        #[code("model/chat")]
        Chat { reason: String },
        #[error("there is no ladder `{name}`")]
        #[code("model/no-ladder")]
        #[hint(if known.is_empty() {
            "this build carries no ladder".to_owned()
        } else {
            format!("ladders: {}", known.join(", "))
        })]
        NoLadder { name: String, known: Vec<String> },
        #[error("the generated world has no version `{version}`")]
        #[code("world/version")]
        #[hint("versions: 1 to {newest}")]
        NoWorld { version: usize, newest: usize },
        #[error("the ladder {ladder} was not pretrained with the seed `{seed}`")]
        #[code("model/pretraining-seed")]
        #[hint(if *n_seeds == 1 {
            "it has one seed: 0".to_owned()
        } else {
            format!("its seeds: 0 to {}", n_seeds - 1)
        })]
        NoPretrainingSeed { ladder: String, seed: usize, n_seeds: usize },
        #[error("models cannot compute on `{name}`: this build of w2s has no support for it")]
        #[code("model/device")]
        #[hint("build it so: cargo build --release --features {feature}; or leave --device out")]
        NotBuilt { name: String, feature: &'static str },
        #[error("models cannot compute on `{name}`: {reason}")]
        #[code("model/device")]
        #[hint("leave --device out to compute on the CPU")]
        Device { name: String, reason: String },
        #[error("the engine failed: {0}")]
        #[code("model/engine")]
        #[hint(
            is_out_of_memory(text).then_some("make batches smaller, or train with accumulate: 4 or recompute: true")
        )]
        Engine(text: String),
    }
    from { Store(StoreError), Access(AccessError), Interrupted(Interrupted) }
}

fn is_out_of_memory(text: &str) -> bool {
    text.to_lowercase().replace('_', " ").contains("out of memory")
}
