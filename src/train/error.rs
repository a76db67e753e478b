//! What can go wrong in training and labelling.

use super::LossError;
use crate::core::context::Interrupted;
use crate::core::explain::Explain;
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
    #[error("`data` has no rows")]
    NoRows,
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
    #[error("`{option}` must be from 1 to {most}, got `{got}`")]
    Count { option: &'static str, got: usize, most: usize },
    #[error("`{option}` must be from {least} to {most}, got `{got}`")]
    Number { option: &'static str, got: f64, least: f64, most: f64 },
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
    #[error("training diverged at step {step} of {steps}: the {what} is not finite (lr {lr:?})")]
    Diverged { step: usize, steps: usize, what: &'static str, lr: f64 },
    #[error("the loss gave {got} gradients for {expected} logits")]
    GradientShape { got: usize, expected: usize },
    #[error(transparent)]
    Labels(#[from] FrameError),
    #[error(transparent)]
    Model(#[from] ModelError),
    #[error(transparent)]
    Trunk(#[from] TrunkError),
    #[error(transparent)]
    Loss(#[from] LossError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("interrupted")]
    Interrupted,
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
            TrainError::NoRows => "train/no-rows",
            TrainError::MissingLabels { .. } => "train/missing-labels",
            TrainError::Contradiction { .. } => "train/contradiction",
            TrainError::Classes { .. } => "train/classes",
            TrainError::Count { .. }
            | TrainError::Number { .. }
            | TrainError::EpochsAndSteps { .. }
            | TrainError::TooManySteps { .. }
            | TrainError::AdamDecay { .. }
            | TrainError::Frozen { .. }
            | TrainError::KeepHead { .. } => "train/option",
            TrainError::Diverged { .. } => "train/diverged",
            TrainError::GradientShape { .. } => "train/gradient-shape",
            TrainError::Labels(error) => error.code(),
            TrainError::Model(error) => error.code(),
            TrainError::Trunk(error) => error.code(),
            TrainError::Loss(error) => error.code(),
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
            TrainError::KeepHead { .. } => Some("leave `head` out: it starts at zero".to_owned()),
            TrainError::Diverged { lr, .. } => Some(format!("try a lower rate, such as lr: {:e}", lr / 10.0)),
            TrainError::Labels(error) => error.hint(),
            TrainError::Model(error) => error.hint(),
            TrainError::Trunk(error) => error.hint(),
            TrainError::Loss(error) => error.hint(),
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
            TrainError::Store(error) => error.is_interruption(),
            _ => false,
        }
    }
}
