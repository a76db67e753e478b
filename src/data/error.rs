//! What can be wrong with data.

use crate::core::context::{AccessError, Interrupted};
use crate::core::explain::Explain;
use crate::frames::FrameError;
use crate::store::StoreError;

/// Why a data set cannot be made, read, divided or looked into.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    #[error("{what}")]
    Split { what: String, hint: String },
    #[error("`{name}` has no {what}")]
    NoRows { name: String, what: String },
    #[error("{}", one_class(.name, .class))]
    OneClass { name: String, class: Option<String> },
    #[error("{n} {what}, at most {most} are possible")]
    TooMany { what: String, n: usize, most: usize },
    #[error("the class `{class}` is listed twice")]
    RepeatedClass { class: String },
    #[error("the id `{id}` occurs twice: rows {first} and {second}")]
    RepeatedId { id: String, first: usize, second: usize },
    #[error("row {row}: `{field}` has {bytes} bytes, at most {most} are possible")]
    TooLong { row: usize, field: &'static str, bytes: usize, most: usize },
    #[error("row {row} holds {got}, row 1 {held}")]
    MixedInputs { row: usize, got: String, held: String },
    #[error("row {row} has no {what}")]
    EmptyInput { row: usize, what: &'static str },
    #[error("row {row}: feature {at} is `{value}`, which is no finite number")]
    Feature { row: usize, at: usize, value: f32 },
    #[error("`{name}` has classes, which are of whole rows, and {n} continuations a row")]
    ClassesOfContinuations { name: String, n: usize },
    #[error("a preference is between continuations, and rows of `{name}` hold {held}")]
    NoContinuations { name: String, held: &'static str },
    #[error("row {row}: its {at} continuation is the same as an earlier one")]
    EqualContinuations { row: usize, at: String },
    #[error("row {row}: `{values}` are no probabilities of its continuations")]
    Preference { row: usize, values: String },
    #[error("row {row} prefers no continuation: {values}")]
    NoPreference { row: usize, values: String },
    #[error("`{name}` asks for no classes: {asked} needs them")]
    NoClasses { name: String, asked: &'static str },
    #[error("give one of `{first}` and `{second}`")]
    OneOf { first: &'static str, second: &'static str },
    #[error("row {row}: the difficulty `{value}` is not between 0 and 1")]
    Difficulty { row: usize, value: f32 },
    #[error(
        "the group `{group}` has train rows and test rows: row {first} is a {first_split} row, row {second} a {second_split} row"
    )]
    GroupCrosses { group: String, first: usize, first_split: &'static str, second: usize, second_split: &'static str },
    #[error("the truth of `{name}` has {n_truth} rows, the data has {n_rows}")]
    TruthLength { name: String, n_truth: usize, n_rows: usize },
    #[error("row {row} has the class index `{class}`, there are {n_classes} classes")]
    ClassRange { row: usize, class: usize, n_classes: usize },
    #[error("`{name}` has no truth")]
    NoTruth { name: String },
    #[error("truth is read for a purpose, and none was given")]
    NoPurpose,
    #[error("a share must be above 0 and finite, got `{share}`")]
    Share { share: f64 },
    #[error("the shares sum to {sum}, at most 1 is possible")]
    Shares { sum: f64 },
    #[error("{n_groups} groups cannot fill {n_parts} parts")]
    TooFewGroups { n_groups: usize, n_parts: usize },
    #[error("`n` is {asked}, `{name}` has {n_rows} rows")]
    TooFewRows { name: String, asked: usize, n_rows: usize },
    #[error("a sample of no rows was asked for")]
    EmptySample,
    #[error("a balanced sample of {asked} rows needs {needed} of the class `{class}`, `{name}` has {held}")]
    TooFewOfClass { name: String, asked: usize, class: String, needed: usize, held: usize },
    /// Says less than `TooFewOfClass`: the caller chose the rows, and the class would be their truth.
    #[error("these rows of `{name}` cannot give {asked} that are balanced by class")]
    Unbalanced { name: String, asked: usize },
    #[error(
        "test rows of `{name}` that were chosen one by one are not balanced by class: `{by}` would tell their classes"
    )]
    ChosenTestRows { name: String, by: String },
    #[error("`{by}` would read the classes of {n} vault rows of `{name}`, which are scored and never read")]
    Vault { name: String, by: String, n: usize },
    #[error("a vault of {asked} rows does not fit into the {n_test} test rows of `{name}`")]
    VaultSize { name: String, asked: String, n_test: usize },
    #[error("`{name}` has no row with the id `{id}`")]
    UnknownId { name: String, id: String },
    #[error("the id `{id}` was asked for twice")]
    AskedTwice { id: String },
    #[error("`{left}` and `{right}` are different data sets")]
    OtherSource { left: String, right: String },
    #[error("row {row} is in both")]
    Overlap { row: String },
    #[error("there is no row {idx}, `{name}` has {n_rows}")]
    RowRange { name: String, idx: usize, n_rows: usize },
    #[error("{place}: {what}")]
    Malformed { place: String, what: String, hint: Option<String> },
    #[error("there is no column `{column}`")]
    NoColumn { column: String, columns: String },
    #[error("`{path}`: {reason}")]
    File { path: String, reason: String, hint: Option<String> },
    #[error("the test share must be at least 0 and below 1, got `{share}`")]
    TestShare { share: f64 },
    #[error("a test share of `{share}` leaves one side of {n_groups} groups without rows")]
    NoSide { share: f64, n_groups: usize },
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Frame(#[from] FrameError),
    #[error(transparent)]
    Access(#[from] AccessError),
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
}

fn one_class(name: &str, class: &Option<String>) -> String {
    match class {
        Some(class) => format!("`{name}` has only one class, `{class}`: there is nothing to tell apart"),
        None => format!("`{name}` names no classes"),
    }
}

impl Explain for DataError {
    fn code(&self) -> &'static str {
        match self {
            DataError::Split { .. } => "data/split",
            DataError::NoRows { .. } => "data/no-rows",
            DataError::OneClass { .. } => "data/one-class",
            DataError::TooMany { .. } | DataError::TooLong { .. } => "data/too-large",
            DataError::RepeatedClass { .. } => "data/repeated-class",
            DataError::RepeatedId { .. } => "data/repeated-id",
            DataError::MixedInputs { .. } => "data/mixed-inputs",
            DataError::EmptyInput { .. } => "data/empty-input",
            DataError::Feature { .. } => "data/feature",
            DataError::ClassesOfContinuations { .. } | DataError::NoContinuations { .. } => "data/continuations",
            DataError::EqualContinuations { .. } => "data/equal-continuations",
            DataError::Preference { .. } | DataError::NoPreference { .. } => "data/preference",
            DataError::NoClasses { .. } => "data/no-classes",
            DataError::OneOf { .. } => "data/one-of",
            DataError::Difficulty { .. } => "data/difficulty",
            DataError::GroupCrosses { .. } => "data/group-crosses-splits",
            DataError::TruthLength { .. } => "data/truth-length",
            DataError::ClassRange { .. } => "data/class-range",
            DataError::NoTruth { .. } => "data/no-truth",
            DataError::NoPurpose => "data/no-purpose",
            DataError::Share { .. } | DataError::Shares { .. } | DataError::TestShare { .. } => "data/shares",
            DataError::TooFewGroups { .. } | DataError::NoSide { .. } => "data/too-few-groups",
            DataError::TooFewRows { .. } | DataError::EmptySample => "data/sample-size",
            DataError::TooFewOfClass { .. } | DataError::Unbalanced { .. } => "data/unbalanced",
            DataError::ChosenTestRows { .. } | DataError::Vault { .. } => "data/sealed",
            DataError::VaultSize { .. } => "data/vault",
            DataError::UnknownId { .. } => "data/unknown-id",
            DataError::AskedTwice { .. } => "data/repeated-id",
            DataError::OtherSource { .. } => "data/other-source",
            DataError::Overlap { .. } => "data/overlap",
            DataError::RowRange { .. } => "data/row-range",
            DataError::Malformed { .. } => "data/malformed",
            DataError::NoColumn { .. } => "data/no-column",
            DataError::File { .. } => "data/file",
            DataError::Store(error) => error.code(),
            DataError::Frame(error) => error.code(),
            DataError::Access(error) => error.code(),
            DataError::Interrupted(_) => "run/interrupted",
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            DataError::Split { hint, .. } => Some(hint.clone()),
            DataError::OneClass { class: None, .. } => Some("name them: #{ classes: [\"no\", \"yes\"] }".into()),
            DataError::RepeatedId { .. } => Some("leave out `id` to number the rows".into()),
            DataError::MixedInputs { .. } => Some("rows of one data set hold one kind of input, of one size".into()),
            DataError::EmptyInput { row, .. } => Some(format!("leave out row {row}, or give it something to read")),
            DataError::Feature { .. } => Some("replace missing values before loading".into()),
            DataError::ClassesOfContinuations { .. } => {
                Some("say which one is preferred, #{ preference: \"…\" }, or load a row for each continuation".into())
            }
            DataError::NoContinuations { .. } => {
                Some("such as #{ prompt: \"…\", continuations: [\"…\", \"…\"] }".into())
            }
            DataError::EqualContinuations { .. } | DataError::NoPreference { .. } => {
                Some("leave the row out: nothing can be learned from it".into())
            }
            DataError::Preference { .. } => {
                Some("one for each continuation, summing to 1, such as [0.25, 0.75]".into())
            }
            DataError::OneOf { .. } => Some("leave one of the two out".into()),
            DataError::GroupCrosses { .. } => Some("rows of one group belong on one side of every split".into()),
            DataError::NoTruth { .. } => Some("name its column when loading: #{ label: \"…\" }".into()),
            DataError::NoPurpose => Some("say what for: data.truth(\"ceiling\")".into()),
            DataError::Shares { .. } => Some("such as data.split([0.5, 0.5], 0)".into()),
            DataError::TooFewOfClass { .. } | DataError::Unbalanced { .. } => {
                Some("take fewer rows, or do not balance: data.sample(n, seed, #{ balanced: false })".into())
            }
            DataError::Vault { .. } => Some(
                "`metric::vault(predictions, task)` scores them; `task.train` and `task.test` are without them".into(),
            ),
            DataError::VaultSize { .. } => Some(
                "a share of the test rows between 0 and 1, or fewer rows than there are test rows: #{ vault: 0.25 }"
                    .into(),
            ),
            DataError::ChosenTestRows { .. } => Some(
                "draw without a look at classes, #{ balanced: false }, or from the whole test split, which is recorded"
                    .into(),
            ),
            DataError::NoSide { .. } => Some("all rows for training: #{ test_share: 0.0 }".into()),
            DataError::Malformed { hint, .. } | DataError::File { hint, .. } => hint.clone(),
            DataError::NoColumn { columns, .. } => Some(format!("columns: {columns}")),
            DataError::Store(error) => error.hint(),
            DataError::Frame(error) => error.hint(),
            DataError::Access(error) => error.hint(),
            _ => None,
        }
    }

    fn is_interruption(&self) -> bool {
        match self {
            DataError::Interrupted(_) => true,
            DataError::Store(error) => error.is_interruption(),
            DataError::Frame(error) => error.is_interruption(),
            _ => false,
        }
    }
}
