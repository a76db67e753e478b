//! Training and labelling: losses, schedules, the finetuning loop, predictions.
//!
//! There is one loop ([`training`]); what finds the gradient of its steps is a `Training`. On labelled rows it asks a [`Loss`] for `dL/dlogits` and hands everything below the logits to an engine: the own kernels
//! ([`crate::models::trunk`]), or candle on other devices ([`crate::models::candle`]). It draws from one seed, joins rows to labels by id, and refuses test rows.

mod batches;
mod beside;
mod carried;
mod causal;
mod checkpoint;
mod classify;
mod device;
mod error;
mod finetune;
mod generate;
mod generative;
mod head;
mod hidden;
mod job;
mod labels;
mod likelihood;
mod lora;
pub mod loss;
mod objective;
mod options;
mod plan;
pub mod policy;
mod predict;
mod preferences;
mod pretrain;
mod schedule;
mod score;
mod several;
mod trained;
mod training;
mod validation;
mod weights;

pub use batches::Batches;
pub use classify::{Classifier, Distance, Similarity, classify, linear, overlap};
pub use error::TrainError;
pub use finetune::{finetune, finetune_watched};
pub(crate) use generate::generate_options;
pub use generate::{GenerateOptions, GenerateShown, generate};
pub(crate) use generative::generative_options;
pub use generative::{GenerativeRecipe, LossOn, finetune_generative};
pub use hidden::{Pool, hidden_states};
pub use likelihood::{Normalize, choose, logprobs, next_tokens, perplexity, token_logprobs};
pub use lora::Lora;
pub use loss::{At, CrossEntropy, Loss, LossBatch, LossError, LossValue};
pub use options::{Choice, Limits, Setting};
pub(crate) use plan::finetune_options;
pub use plan::{HeadStart, Optimizer, Plan, Recipe, Warmup};
pub use policy::{Baseline, Order, PairRecipe, PolicyOptimizer, ReinforceRecipe, SampledRecipe};
pub use predict::{label, logits, predict};
pub(crate) use preferences::preference_options;
pub use preferences::{PreferenceRecipe, finetune_preferences, finetune_rankings, pair_weights};
pub(crate) use pretrain::pretrain_options;
pub use pretrain::{PretrainOptions, derivation, language_loss, pretrain};
pub use schedule::Schedule;
pub use score::score;
pub(crate) use validation::watch_options;
pub use validation::{Keep, OracleValidation, Validation, WatchMetric, WatchOptions, Watched};
