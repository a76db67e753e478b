//! What can be wrong with a frame or with what is asked of it.

use crate::core::context::{AccessError, Interrupted};
use crate::core::explain::{explained, listed, nearest};
use polars::prelude::PolarsError;

explained! {
    /// An error of this room.
    #[derive(Debug, Clone, thiserror::Error)]
    pub enum FrameError {
        #[error("there is no column `{column}`")]
        #[code("frame/no-column")]
        #[hint(columns_there(column, columns))]
        NoColumn { column: String, columns: Vec<String> },
        #[error("column `{column}` must hold {expected}, but holds {got}")]
        #[code("frame/wrong-kind")]
        #[hint((*expected == "string").then(|| as_text(column)))]
        WrongKind { column: String, expected: &'static str, got: String },
        #[error("column `{column}` holds {holds}, which a frame cannot hold")]
        #[code("frame/nested")]
        #[hint("aggregate it, such as `.mean()` or `.count()`")]
        Nested { column: String, holds: String },
        #[error("column `{column}` has the type `{dtype}`, which a frame cannot hold")]
        #[code("frame/unheld")]
        #[hint(if others.is_empty() {
            "no column of the file can be held".to_owned()
        } else {
            format!("name the columns that are needed: #{{ columns: [{}] }}", quoted(others, 8))
        })]
        Unheld { column: String, dtype: String, others: Vec<String> },
        #[error("there are no features: no column `x0`")]
        #[code("frame/no-features")]
        #[hint(format!("`model.features(data)` gives columns x0, x1, …; there are: {}", columns.join(", ")))]
        NoFeatures { columns: Vec<String> },
        #[error("column `{column}` holds `{holds}`: features are lists or arrays of numbers")]
        #[code("frame/not-features")]
        NotFeatures { column: String, holds: String },
        #[error("column `{column}` has {got} numbers in row {row}, in the first row {expected}: features have one length")]
        #[code("frame/ragged")]
        Ragged { column: String, row: usize, got: usize, expected: usize },
        #[error("{place}: {what}")]
        #[code("frame/malformed")]
        #[hint(hint.clone())]
        Malformed { place: String, what: String, hint: Option<String> },
        #[error("column `{column}` is null in row {row}")]
        #[code("frame/null")]
        Null { column: String, row: usize },
        #[error("id `{id}` occurs twice, in rows {first} and {second}")]
        #[code("frame/duplicate-id")]
        DuplicateId { id: String, first: usize, second: usize },
        #[error("column `{column}` at id `{id}` is not a probability: `{value}`")]
        #[code("frame/not-a-probability")]
        NotProbability { column: String, id: String, value: f64 },
        #[error("probabilities at id `{id}` sum to `{sum}`, not to 1")]
        #[code("frame/row-sum")]
        RowSum { id: String, sum: f64 },
        #[error("{n_missing} rows are missing among the {n_rows} that were given, the first with id `{id}`")]
        #[code("frame/unknown-id")]
        UnknownId { id: String, n_missing: usize, n_rows: usize },
        #[error("class `{class}` is not among the {n_classes} classes")]
        #[code("frame/class")]
        Class { class: i64, n_classes: usize },
        #[error("a frame of probabilities has 2 to {most} classes, not {n_classes}")]
        #[code("frame/class-count")]
        ClassCount { n_classes: usize, most: usize },
        #[error("the classes of {ours} are {}, those of {theirs} are {}", listed(.our_names), listed(.their_names))]
        #[code("frame/other-classes")]
        #[hint(format!(
            "where they mean the same classes in the same order, say so: frame.with_classes([{}])",
            quoted(their_names, 20)
        ))]
        OtherClasses { ours: String, our_names: Vec<String>, theirs: String, their_names: Vec<String> },
        #[error("{n_names} class names were given, the frame has probabilities of {n_classes} classes")]
        #[code("frame/class-names")]
        #[hint("a name for each class, in the order of p0, p1, …: frame.with_classes([\"no\", \"yes\"])")]
        NameCount { n_names: usize, n_classes: usize },
        #[error("the class name `{name}` is empty or occurs twice")]
        #[code("frame/class-names")]
        #[hint("a name for each class, in the order of p0, p1, …: frame.with_classes([\"no\", \"yes\"])")]
        ClassName { name: String },
        #[error("the frame has no column of classes that names could be for")]
        #[code("frame/no-class-column")]
        #[hint(format!(
            "class columns are p0, p1, …, and the integers `label` and `prediction`; there are: {}",
            columns.join(", ")
        ))]
        NoClassColumn { columns: Vec<String> },
        #[error("column `{column}` follows the classes and cannot be brought into another order of them")]
        #[code("frame/unordered")]
        #[hint("leave it out with `.drop(\"{column}\")`, or keep a column for every class")]
        Unordered { column: String },
        #[error("a contradiction at the row `{id}`: its `{column}` is {class}, its largest probability p{largest}")]
        #[code("frame/contradiction")]
        #[hint("change p0, p1, … and `{column}` together, or leave the class out: frame.drop(\"{column}\")")]
        Contradiction { column: String, id: String, class: i64, largest: usize },
        #[error(
            "there are no probabilities: column{} {} {} missing", if .missing.len() == 1 { "" } else { "s" }, listed(.missing), if .missing.len() == 1 { "is" } else { "are" }
        )]
        #[code("frame/no-probabilities")]
        #[hint(hint.clone())]
        NoProbabilities { missing: Vec<String>, hint: String },
        #[error("{n_values} probabilities do not make {n_rows} rows of {n_classes} classes")]
        #[code("frame/shape")]
        Shape { n_values: usize, n_rows: usize, n_classes: usize },
        #[error("{0}")]
        #[code("frame/expression")]
        Expression(text: String),
        #[error("two columns would be called `{column}`")]
        #[code("frame/two-columns")]
        #[hint("name one with `.alias(\"…\")` or `rename`")]
        TwoColumns { column: String },
        #[error("a column cannot be named `{column}`")]
        #[code("frame/column-name")]
        ColumnName { column: String },
        #[error("the columns differ in length: `{column}` has {got} rows, the others have {expected}")]
        #[code("frame/heights")]
        Heights { column: String, got: usize, expected: usize },
        #[error("`{verb}` would give {n_rows} rows; a frame has at most {most}")]
        #[code("frame/too-many-rows")]
        TooManyRows { verb: &'static str, n_rows: u128, most: usize },
        #[error("row `{row}` does not exist: the frame has {height} rows")]
        #[code("frame/no-row")]
        NoRow { row: i64, height: usize },
        #[error("column `{column}` is {left} on the left and {right} on the right")]
        #[code("frame/kind-mismatch")]
        #[hint((left == "string" || right == "string")
            .then(|| format!("make both text: frame.with_columns(col({column:?}).cast(\"string\"))")))]
        KindMismatch { column: String, left: String, right: String },
        #[error("{0}")]
        #[code("frame/refused")]
        Refused(text: String),
        #[error("{0}")]
        #[code("frame/polars")]
        Polars(text: String),
        #[error("`{path}`: {reason}")]
        #[code("frame/file")]
        File { path: String, reason: String },
    }
    from { Access(AccessError), Interrupted(Interrupted) }
}

/// The columns that there are, and which of them was meant.
fn columns_there(column: &str, columns: &[String]) -> String {
    let all = if columns.is_empty() { "there are none".to_owned() } else { columns.join(", ") };
    match nearest(column, columns.iter().map(String::as_str)) {
        Some(near) => format!("did you mean `{near}`? columns: {all}"),
        None => format!("columns: {all}"),
    }
}

/// Up to `most` names as a script writes them.
fn quoted(names: &[String], most: usize) -> String {
    names.iter().take(most).map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", ")
}

fn as_text(column: &str) -> String {
    format!("make it text: frame.with_columns(col({column:?}).cast(\"string\"))")
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
