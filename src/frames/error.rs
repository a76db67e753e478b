//! What can be wrong with a frame or with what is asked of it.

use crate::core::context::{AccessError, Interrupted};
use crate::core::explain::{Explain, listed, nearest};
use polars::prelude::PolarsError;

/// An error of this room.
#[derive(Debug, Clone, thiserror::Error)]
pub enum FrameError {
    #[error("there is no column `{column}`")]
    NoColumn { column: String, columns: Vec<String> },
    #[error("column `{column}` must hold {expected}, but holds {got}")]
    WrongKind { column: String, expected: &'static str, got: String },
    #[error("column `{column}` holds {holds}, which a frame cannot hold")]
    Nested { column: String, holds: String },
    #[error("column `{column}` is null in row {row}")]
    Null { column: String, row: usize },
    #[error("id `{id}` occurs twice, in rows {first} and {second}")]
    DuplicateId { id: String, first: usize, second: usize },
    #[error("column `{column}` at id `{id}` is no probability: `{value}`")]
    NotProbability { column: String, id: String, value: f64 },
    #[error("probabilities at id `{id}` sum to `{sum}`, not to 1")]
    RowSum { id: String, sum: f64 },
    #[error("{n_missing} rows are missing among the {n_rows} that were given, the first with id `{id}`")]
    UnknownId { id: String, n_missing: usize, n_rows: usize },
    #[error("class `{class}` is not among the {n_classes} classes")]
    Class { class: i64, n_classes: usize },
    #[error("a frame of probabilities has 2 to {most} classes, not {n_classes}")]
    ClassCount { n_classes: usize, most: usize },
    #[error("the classes of {ours} are {}, those of {theirs} are {}", listed(.our_names), listed(.their_names))]
    OtherClasses { ours: String, our_names: Vec<String>, theirs: String, their_names: Vec<String> },
    #[error("{n_names} class names were given, the frame has probabilities of {n_classes} classes")]
    NameCount { n_names: usize, n_classes: usize },
    #[error("the class name `{name}` is empty or occurs twice")]
    ClassName { name: String },
    #[error("the frame has no column of classes that names could be for")]
    NoClassColumn { columns: Vec<String> },
    #[error("column `{column}` follows the classes and cannot be brought into another order of them")]
    Unordered { column: String },
    #[error("a contradiction at the row `{id}`: its `{column}` is {class}, its largest probability p{largest}")]
    Contradiction { column: String, id: String, class: i64, largest: usize },
    #[error("there are no probabilities: column{} {} {} missing", if .missing.len() == 1 { "" } else { "s" }, listed(.missing), if .missing.len() == 1 { "is" } else { "are" })]
    NoProbabilities { missing: Vec<String>, hint: String },
    #[error("{n_values} probabilities do not make {n_rows} rows of {n_classes} classes")]
    Shape { n_values: usize, n_rows: usize, n_classes: usize },
    #[error("{0}")]
    Expression(String),
    #[error("two columns would be called `{column}`")]
    TwoColumns { column: String },
    #[error("column `{column}` cannot be named so")]
    ColumnName { column: String },
    #[error("the columns differ in length: `{column}` has {got} rows, the others have {expected}")]
    Heights { column: String, got: usize, expected: usize },
    #[error("`{verb}` would give {n_rows} rows; a frame has at most {most}")]
    TooManyRows { verb: &'static str, n_rows: u128, most: usize },
    #[error("row `{row}` does not exist: the frame has {height} rows")]
    NoRow { row: i64, height: usize },
    #[error("column `{column}` is {left} on the left and {right} on the right")]
    KindMismatch { column: String, left: String, right: String },
    #[error("{0}")]
    Refused(String),
    #[error("{0}")]
    Polars(String),
    #[error("`{path}`: {reason}")]
    File { path: String, reason: String },
    #[error(transparent)]
    Access(#[from] AccessError),
    #[error("interrupted")]
    Interrupted,
}

impl From<Interrupted> for FrameError {
    fn from(_: Interrupted) -> Self {
        FrameError::Interrupted
    }
}

impl From<PolarsError> for FrameError {
    /// polars' own words, first line only, lower case at the start.
    fn from(error: PolarsError) -> Self {
        let text = error.to_string();
        let line = text.lines().next().unwrap_or("polars failed").trim_end_matches('.');
        let mut letters = line.chars();
        let first: String = letters.next().map(|letter| letter.to_lowercase().collect()).unwrap_or_default();
        FrameError::Polars(format!("{first}{}", letters.as_str()))
    }
}

impl Explain for FrameError {
    fn code(&self) -> &'static str {
        match self {
            FrameError::NoColumn { .. } => "frame/no-column",
            FrameError::WrongKind { .. } => "frame/wrong-kind",
            FrameError::Nested { .. } => "frame/nested",
            FrameError::Null { .. } => "frame/null",
            FrameError::DuplicateId { .. } => "frame/duplicate-id",
            FrameError::NotProbability { .. } => "frame/not-a-probability",
            FrameError::RowSum { .. } => "frame/row-sum",
            FrameError::UnknownId { .. } => "frame/unknown-id",
            FrameError::Class { .. } => "frame/class",
            FrameError::ClassCount { .. } => "frame/class-count",
            FrameError::OtherClasses { .. } => "frame/other-classes",
            FrameError::NameCount { .. } | FrameError::ClassName { .. } => "frame/class-names",
            FrameError::NoClassColumn { .. } => "frame/no-class-column",
            FrameError::Unordered { .. } => "frame/unordered",
            FrameError::Contradiction { .. } => "frame/contradiction",
            FrameError::NoProbabilities { .. } => "frame/no-probabilities",
            FrameError::Shape { .. } => "frame/shape",
            FrameError::Expression(_) => "frame/expression",
            FrameError::TwoColumns { .. } => "frame/two-columns",
            FrameError::ColumnName { .. } => "frame/column-name",
            FrameError::Heights { .. } => "frame/heights",
            FrameError::TooManyRows { .. } => "frame/too-many-rows",
            FrameError::NoRow { .. } => "frame/no-row",
            FrameError::KindMismatch { .. } => "frame/kind-mismatch",
            FrameError::Refused(_) => "frame/refused",
            FrameError::Polars(_) => "frame/polars",
            FrameError::File { .. } => "frame/file",
            FrameError::Access(error) => error.code(),
            FrameError::Interrupted => "run/interrupted",
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            FrameError::NoColumn { column, columns } => {
                let all = if columns.is_empty() { "there are none".to_owned() } else { columns.join(", ") };
                Some(match nearest(column, columns.iter().map(String::as_str)) {
                    Some(near) => format!("did you mean `{near}`? columns: {all}"),
                    None => format!("columns: {all}"),
                })
            }
            FrameError::Nested { .. } => Some("aggregate it, such as `.mean()` or `.count()`".to_owned()),
            FrameError::OtherClasses { their_names, .. } => {
                let names: Vec<String> = their_names.iter().take(20).map(|name| format!("{name:?}")).collect();
                Some(format!(
                    "where they mean the same classes in the same order, say so: frame.with_classes([{}])",
                    names.join(", ")
                ))
            }
            FrameError::NameCount { .. } | FrameError::ClassName { .. } => Some(
                "a name for each class, in the order of p0, p1, …: frame.with_classes([\"no\", \"yes\"])".to_owned(),
            ),
            FrameError::NoClassColumn { columns } => Some(format!(
                "class columns are p0, p1, …, and the integers `label` and `prediction`; there are: {}",
                columns.join(", ")
            )),
            FrameError::Unordered { column } => {
                Some(format!("leave it out with `.drop(\"{column}\")`, or keep a column for every class"))
            }
            FrameError::Contradiction { column, .. } => Some(format!(
                "change p0, p1, … and `{column}` together, or leave the class out: frame.drop(\"{column}\")"
            )),
            FrameError::NoProbabilities { hint, .. } => Some(hint.clone()),
            FrameError::WrongKind { column, expected: "string", .. } => {
                Some(format!("make it text: frame.with_columns(col({column:?}).cast(\"string\"))"))
            }
            FrameError::KindMismatch { column, left, right } if left == "string" || right == "string" => {
                Some(format!("make both text: frame.with_columns(col({column:?}).cast(\"string\"))"))
            }
            FrameError::TwoColumns { .. } => Some("name one with `.alias(\"…\")` or `rename`".to_owned()),
            FrameError::Access(error) => error.hint(),
            _ => None,
        }
    }

    fn is_interruption(&self) -> bool {
        matches!(self, FrameError::Interrupted)
    }
}
