//! What can go wrong in training and labelling.

use super::LossError;
use crate::core::context::Interrupted;
use crate::core::explain::Explain;
use crate::data::DataError;
use crate::domains::preference::loss::PairLossError;
use crate::frames::FrameError;
use crate::models::ModelError;
use crate::models::trunk::TrunkError;
use crate::store::StoreError;

/// An error of this room.
#[derive(Debug, Clone, thiserror::Error)]
pub enum TrainError {
    #[error(
        "`{data}` has {n_test} test rows among its {n_rows}, the first with id `{id}`: training on them is refused"
    )]
    TestRows { data: String, n_test: usize, n_rows: usize, id: String },
    #[error("`{of}` has no rows")]
    NoRows { of: &'static str },
    #[error(
        "{n_missing} of {n_rows} rows of `data` have no label among the {n_labels} of `labels`, the first with id `{id}`"
    )]
    MissingLabels { id: String, n_missing: usize, n_rows: usize, n_labels: usize },
    #[error(
        "`labels` contradicts itself at the row `{id}`: its `label` is {label}, its largest probability p{largest}"
    )]
    Contradiction { id: String, label: usize, largest: usize },
    #[error("`labels` tells {n_labels} classes apart, `data` has {n_data}")]
    Classes { n_labels: usize, n_data: usize },
    #[error("`labels` weighs the row `{id}` with {got}: a weight is 0, or from 1e-9 to 1e9")]
    Weight { id: String, got: f64 },
    #[error("`labels` weighs every one of the {n_rows} rows of `data` with 0: nothing is left to train on")]
    NoWeight { n_rows: usize },
    #[error("`{option}` must be {must}, got `{got}`")]
    Range { option: &'static str, must: String, got: String },
    #[error("the checkpoint `{step}` is not among the steps `1` to `{steps}`")]
    Checkpoint { step: usize, steps: usize },
    #[error("the model `{model}` reads another vocabulary than this world's")]
    OtherWords { model: String },
    #[error("`{option}` shares {n} rows with the training data, the first with id `{id}`: it must hold others")]
    NotHeldOut { option: &'static str, n: usize, id: String },
    #[error("`validation` has {n_test} test rows, the first with id `{id}`: an honest stop must not see them")]
    ValidationTestRows { n_test: usize, id: String },
    #[error("the labels of `validation` have a column `weight`, which is about training")]
    ValidationWeights,
    #[error("`validation` and `oracle_validation` both ask for `keep: \"best\"`")]
    TwoBest,
    #[error("`auroc` of `{option}` is not defined: {why}")]
    NoAuroc { option: &'static str, why: String },
    #[error("give one of `epochs` and `steps`, got {epochs} epochs and {steps} steps")]
    EpochsAndSteps { epochs: usize, steps: usize },
    #[error("{epochs} epochs of {n_rows} rows are {steps} steps, at most {most} are taken")]
    TooManySteps { epochs: usize, n_rows: usize, steps: usize, most: usize },
    #[error("the optimizer `adam` has no weight decay, got `weight_decay` `{weight_decay}`")]
    AdamDecay { weight_decay: f64 },
    #[error("`{option}` is about training the trunk, and `linear_probe` freezes it")]
    Frozen { option: &'static str },
    #[error("`head` is \"keep\", but {why}")]
    KeepHead { why: String },
    #[error("no head can start from `head_tokens`: {why}")]
    HeadTokens { why: String },
    #[error("training diverged at step {step} of {steps}: the {what} is not finite (lr {lr:?})")]
    Diverged { step: usize, steps: usize, what: &'static str, lr: f64 },
    #[error("`{model}` is a bidirectional encoder: it does not predict next tokens, so it cannot {asked}")]
    Speechless { model: String, asked: &'static str },
    #[error("models {asked} on the CPU alone, not on `{device}`")]
    CpuOnly { asked: &'static str, device: String },
    #[error("the prompt `{id}` has no tokens: there is nothing to continue")]
    EmptyPrompt { id: String },
    #[error(
        "the prompt `{id}` has {n_tokens} tokens, and `{model}` reads {max_tokens}: that leaves no room to continue it"
    )]
    LongPrompt { id: String, n_tokens: usize, model: String, max_tokens: usize },
    #[error("`stop` has {stop:?}, which the tokenizer of `{model}` never writes")]
    Stop { stop: String, model: String },
    #[error("{}", nothing_predicted(.id, .n_rows))]
    NothingPredicted { id: String, n_rows: usize },
    #[error("`{data}` has one continuation a row: there is nothing to choose from")]
    OneContinuation { data: String },
    #[error("`{data}` has {n} continuations a row: a preference loss compares two of one prompt")]
    NotPairs { data: String, n: usize },
    #[error("the loss `{loss}` has no reference, and `reference` is given")]
    IdleReference { loss: String },
    #[error("`{reference}` reads other tokens than `{model}`: it cannot be its reference")]
    OtherTokens { model: String, reference: String },
    #[error(
        "in every one of the {n_rows} pairs, the first with id `{id}`, both continuations are the same tokens: there is nothing to learn"
    )]
    AllAlike { n_rows: usize, id: String },
    #[error("all pairs have the same prompt: the estimate of the KL divergence needs continuations of another one")]
    OnePrompt,
    #[error("the loss gave {got} gradients for {expected} logits")]
    GradientShape { got: usize, expected: usize },
    #[error(transparent)]
    Labels(#[from] FrameError),
    #[error(transparent)]
    Truth(#[from] DataError),
    #[error(transparent)]
    Model(#[from] ModelError),
    #[error(transparent)]
    Trunk(#[from] TrunkError),
    #[error(transparent)]
    Loss(#[from] LossError),
    #[error(transparent)]
    PairLoss(#[from] PairLossError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("interrupted")]
    Interrupted,
}

fn nothing_predicted(id: &str, n_rows: &usize) -> String {
    format!("no token of the row `{id}` has one before it that it could be predicted from (of {n_rows} rows)")
}

impl From<Interrupted> for TrainError {
    fn from(_: Interrupted) -> Self {
        TrainError::Interrupted
    }
}

impl Explain for TrainError {
    fn code(&self) -> &'static str {
        match self {
            TrainError::TestRows { .. } => "train/test-rows",
            TrainError::NoRows { .. } => "train/no-rows",
            TrainError::MissingLabels { .. } => "train/missing-labels",
            TrainError::Contradiction { .. } => "train/contradiction",
            TrainError::Classes { .. } => "train/classes",
            TrainError::Weight { .. } | TrainError::NoWeight { .. } => "train/weight",
            TrainError::Checkpoint { .. } => "pretrain/checkpoint",
            TrainError::OtherWords { .. } => "pretrain/other-words",
            TrainError::NotHeldOut { .. }
            | TrainError::ValidationTestRows { .. }
            | TrainError::ValidationWeights
            | TrainError::NoAuroc { .. } => "train/validation",
            TrainError::Truth(error) => error.code(),
            TrainError::Range { .. }
            | TrainError::TwoBest
            | TrainError::EpochsAndSteps { .. }
            | TrainError::TooManySteps { .. }
            | TrainError::AdamDecay { .. }
            | TrainError::Frozen { .. }
            | TrainError::KeepHead { .. }
            | TrainError::HeadTokens { .. } => "train/option",
            TrainError::Speechless { .. } => "model/not-causal",
            TrainError::CpuOnly { .. } => "model/device",
            TrainError::EmptyPrompt { .. } | TrainError::LongPrompt { .. } => "generate/prompt",
            TrainError::Stop { .. } => "generate/stop",
            TrainError::NothingPredicted { .. } => "model/nothing-to-predict",
            TrainError::OneContinuation { .. } | TrainError::NotPairs { .. } => "model/input",
            TrainError::IdleReference { .. } | TrainError::OtherTokens { .. } | TrainError::OnePrompt => {
                "train/reference"
            }
            TrainError::AllAlike { .. } => "train/alike",
            TrainError::Diverged { .. } => "train/diverged",
            TrainError::GradientShape { .. } => "train/gradient-shape",
            TrainError::Labels(error) => error.code(),
            TrainError::Model(error) => error.code(),
            TrainError::Trunk(error) => error.code(),
            TrainError::Loss(error) => error.code(),
            TrainError::PairLoss(error) => error.code(),
            TrainError::Store(error) => error.code(),
            TrainError::Interrupted => "run/interrupted",
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            TrainError::TestRows { .. } => Some("use the train side: data.train".to_owned()),
            TrainError::MissingLabels { .. } => {
                Some("label these rows too, or train on the labelled ones alone: data.filter(labels)".to_owned())
            }
            TrainError::Contradiction { .. } => {
                Some("training reads p0, p1, …: change those, and drop `label` or change it with them".to_owned())
            }
            TrainError::AdamDecay { .. } => Some("optimizer: \"adamw\"".to_owned()),
            TrainError::Frozen { .. } => Some("leave one of the two out".to_owned()),
            TrainError::NotHeldOut { .. } => Some("split off rows first: let parts = data.split(…)".to_owned()),
            TrainError::ValidationTestRows { .. } => {
                Some("for a stop that looks at the truth of test rows, and says so: oracle_validation".to_owned())
            }
            TrainError::ValidationWeights => Some("labels.drop(\"weight\")".to_owned()),
            TrainError::TwoBest => Some("one of them is followed, the other with keep: \"last\" is watched".to_owned()),
            TrainError::NoAuroc { .. } => Some("metric: \"accuracy\" or \"loss\"".to_owned()),
            TrainError::Speechless { .. } => {
                Some("causal models speak: those of model::ladder(\"world\"), or a Llama".to_owned())
            }
            TrainError::CpuOnly { .. } => Some("leave --device out".to_owned()),
            TrainError::EmptyPrompt { id } => Some(format!("give the prompt `{id}` a text")),
            TrainError::LongPrompt { max_tokens, .. } => Some(format!("shorten it to less than {max_tokens} tokens")),
            TrainError::Stop { .. } => {
                Some("name a text that the model can write, or stop at max_new_tokens".to_owned())
            }
            TrainError::OneContinuation { .. } => {
                Some("give each row `continuations`, an array of two texts or more".to_owned())
            }
            TrainError::Truth(error) => error.hint(),
            TrainError::HeadTokens { .. } => {
                Some("name one token for each class: model.next_tokens(\"…\") shows some".to_owned())
            }
            TrainError::KeepHead { .. } => Some("leave `head` out: it starts at zero".to_owned()),
            TrainError::Diverged { lr, .. } => Some(format!("try a lower rate, such as lr: {:e}", lr / 10.0)),
            TrainError::Labels(error) => error.hint(),
            TrainError::Model(error) => error.hint(),
            TrainError::Trunk(error) => error.hint(),
            TrainError::Loss(error) => error.hint(),
            TrainError::PairLoss(error) => error.hint(),
            TrainError::NotPairs { .. } => {
                Some("rows with `prompt`, `chosen` and `rejected`, or with `prompt` and two `continuations`".to_owned())
            }
            TrainError::IdleReference { .. } => Some("leave `reference` out".to_owned()),
            TrainError::OtherTokens { .. } => Some("take a model with the same tokenizer".to_owned()),
            TrainError::AllAlike { .. } => Some("raise `max_tokens` if the continuations were cut".to_owned()),
            TrainError::OnePrompt => Some("preference::dpo() asks for no such estimate".to_owned()),
            TrainError::Store(error) => error.hint(),
            _ => None,
        }
    }

    fn is_interruption(&self) -> bool {
        match self {
            TrainError::Interrupted => true,
            TrainError::Labels(error) => error.is_interruption(),
            TrainError::Model(error) => error.is_interruption(),
            TrainError::Loss(error) => error.is_interruption(),
            TrainError::PairLoss(error) => error.is_interruption(),
            TrainError::Store(error) => error.is_interruption(),
            _ => false,
        }
    }
}
