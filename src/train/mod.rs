//! Training and labelling: losses, schedules, the finetuning loop, predictions.
//!
//! The loop asks a [`Loss`] for `dL/dlogits` and hands everything below the logits to an engine: the own kernels
//! ([`crate::models::trunk`]), or candle on other devices ([`crate::models::candle`]). It draws from one seed, joins rows to labels by id, and refuses test rows.

mod batches;
mod checkpoint;
mod device;
mod error;
mod finetune;
mod job;
mod lora;
mod loss;
mod plan;
mod predict;
mod pretrain;
mod schedule;
mod score;
mod several;
mod weights;

pub use batches::Batches;
pub use error::TrainError;
pub use finetune::finetune;
pub use lora::Lora;
pub use loss::{
    AdaptConf, At, BootstrapHard, BootstrapSoft, Confidence, ConfidenceForm, CrossEntropy, Entropy, Gce, Loss,
    LossBatch, LossError, LossValue, Product, ReverseKl, Symmetric, Window,
};
pub use plan::{HeadStart, Optimizer, Plan, Recipe};
pub use predict::{label, logits, predict};
pub use pretrain::{PretrainError, PretrainOptions, derivation, language_loss, pretrain};
pub use schedule::Schedule;
pub use score::score;
