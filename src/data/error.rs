//! What can be wrong with data.

use crate::core::context::{AccessError, Interrupted};
use crate::core::explain::explained;
use crate::frames::FrameError;
use crate::store::StoreError;

explained! {
    /// Why a data set cannot be made, read, divided or looked into.
    #[derive(Debug, Clone, thiserror::Error)]
    #[non_exhaustive]
    pub enum DataError {
        #[error("{what}")]
        #[code("data/split")]
        #[hint(hint.clone())]
        Split { what: String, hint: String },
        #[error("`{name}` has no {what}")]
        #[code("data/no-rows")]
        NoRows { name: String, what: String },
        #[error("{}", one_class(.name, .class))]
        #[code("data/one-class")]
        #[hint(class.is_none().then_some("name them: #{ classes: [\"no\", \"yes\"] }"))]
        OneClass { name: String, class: Option<String> },
        #[error("{n} {what}, at most {most} are possible")]
        #[code("data/too-large")]
        TooMany { what: String, n: usize, most: usize },
        #[error("the class `{class}` is listed twice")]
        #[code("data/repeated-class")]
        RepeatedClass { class: String },
        #[error("the id `{id}` occurs twice: rows {first} and {second}")]
        #[code("data/repeated-id")]
        #[hint("leave out `id` to number the rows")]
        RepeatedId { id: String, first: usize, second: usize },
        #[error("row {row}: `{field}` has {bytes} bytes, at most {most} are possible")]
        #[code("data/too-large")]
        TooLong { row: usize, field: &'static str, bytes: usize, most: usize },
        #[error("row {row} holds {got}, row 1 {held}")]
        #[code("data/mixed-inputs")]
        #[hint("rows of one data set hold one kind of input, of one size")]
        MixedInputs { row: usize, got: String, held: String },
        #[error("row {row} has no {what}")]
        #[code("data/empty-input")]
        #[hint("leave out row {row}, or give it something to read")]
        EmptyInput { row: usize, what: &'static str },
        #[error("row {row}: feature {at} is `{value}`, which is not a finite number")]
        #[code("data/feature")]
        #[hint("replace missing values before loading")]
        Feature { row: usize, at: usize, value: f32 },
        #[error("`{name}` has classes, which belong to whole rows, but {n} continuations per row")]
        #[code("data/continuations")]
        #[hint("say which one is preferred, #{{ preference: \"…\" }}, or load a row for each continuation")]
        ClassesOfContinuations { name: String, n: usize },
        #[error("a preference is between continuations, and rows of `{name}` hold {held}")]
        #[code("data/continuations")]
        #[hint("such as #{{ prompt: \"…\", continuations: [\"…\", \"…\"] }}")]
        NoContinuations { name: String, held: &'static str },
        #[error("row {row}: its {at} continuation is the same as an earlier one")]
        #[code("data/equal-continuations")]
        #[hint("leave the row out: it carries no training signal")]
        EqualContinuations { row: usize, at: String },
        #[error("row {row}: `{values}` are not probabilities of its continuations")]
        #[code("data/preference")]
        #[hint("one for each continuation, summing to 1, such as [0.25, 0.75]")]
        Preference { row: usize, values: String },
        #[error("row {row} prefers no continuation: {values}")]
        #[code("data/preference")]
        #[hint("leave the row out: it carries no training signal")]
        NoPreference { row: usize, values: String },
        #[error("`{name}` has no classes, which {asked} needs")]
        #[code("data/no-classes")]
        NoClasses { name: String, asked: &'static str },
        #[error("give one of `{first}` and `{second}`")]
        #[code("data/one-of")]
        #[hint("leave one of the two out")]
        OneOf { first: &'static str, second: &'static str },
        #[error("row {row}: the difficulty `{value}` is not between 0 and 1")]
        #[code("data/difficulty")]
        Difficulty { row: usize, value: f32 },
        #[error(
            "the group `{group}` has train rows and test rows: row {first} is a {first_split} row, row {second} a {second_split} row"
        )]
        #[code("data/group-crosses-splits")]
        #[hint("rows of one group belong on one side of every split")]
        GroupCrosses { group: String, first: usize, first_split: &'static str, second: usize, second_split: &'static str },
        #[error("the truth of `{name}` has {n_truth} rows, the data has {n_rows}")]
        #[code("data/truth-length")]
        TruthLength { name: String, n_truth: usize, n_rows: usize },
        #[error("row {row} has the class index `{class}`, there are {n_classes} classes")]
        #[code("data/class-range")]
        ClassRange { row: usize, class: usize, n_classes: usize },
        #[error("`{name}` has no truth")]
        #[code("data/no-truth")]
        #[hint("name its column when loading: #{{ label: \"…\" }}")]
        NoTruth { name: String },
        #[error("reading truth needs a purpose, and none was given")]
        #[code("data/no-purpose")]
        #[hint("say what for: data.truth(\"ceiling\")")]
        NoPurpose,
        #[error("a share must be above 0 and finite, got `{share}`")]
        #[code("data/shares")]
        Share { share: f64 },
        #[error("the shares sum to {sum}, at most 1 is possible")]
        #[code("data/shares")]
        #[hint("such as data.split([0.5, 0.5], 0)")]
        Shares { sum: f64 },
        #[error("{n_groups} groups cannot fill {n_parts} parts")]
        #[code("data/too-few-groups")]
        TooFewGroups { n_groups: usize, n_parts: usize },
        #[error("`n` is {asked}, `{name}` has {n_rows} rows")]
        #[code("data/sample-size")]
        TooFewRows { name: String, asked: usize, n_rows: usize },
        #[error("a sample of no rows was asked for")]
        #[code("data/sample-size")]
        EmptySample,
        #[error("a balanced sample of {asked} rows needs {needed} of the class `{class}`, `{name}` has {held}")]
        #[code("data/unbalanced")]
        #[hint("take fewer rows, or do not balance: data.sample(n, seed, #{{ balanced: false }})")]
        TooFewOfClass { name: String, asked: usize, class: String, needed: usize, held: usize },
        /// Says less than `TooFewOfClass`: the caller chose the rows, and the class would be their truth.
        #[error("these rows of `{name}` cannot give {asked} that are balanced by class")]
        #[code("data/unbalanced")]
        #[hint("take fewer rows, or do not balance: data.sample(n, seed, #{{ balanced: false }})")]
        Unbalanced { name: String, asked: usize },
        #[error(
            "test rows of `{name}` that were chosen one by one are not balanced by class: `{by}` would reveal their classes"
        )]
        #[code("data/sealed")]
        #[hint(
            "draw without a look at classes, #{{ balanced: false }}, or from the whole test split, which is recorded"
        )]
        ChosenTestRows { name: String, by: String },
        #[error("`{by}` would read the classes of {n} vault rows of `{name}`, which are scored and never read")]
        #[code("data/sealed")]
        #[hint("`metric::vault(predictions, task)` scores them; `task.train` and `task.test` are without them")]
        Vault { name: String, by: String, n: usize },
        #[error("a vault of {asked} rows does not fit into the {n_test} test rows of `{name}`")]
        #[code("data/vault")]
        #[hint("a share of the test rows between 0 and 1, or fewer rows than there are test rows: #{{ vault: 0.25 }}")]
        VaultSize { name: String, asked: String, n_test: usize },
        #[error("`{name}` has no row with the id `{id}`")]
        #[code("data/unknown-id")]
        UnknownId { name: String, id: String },
        #[error("the id `{id}` was asked for twice")]
        #[code("data/repeated-id")]
        AskedTwice { id: String },
        #[error("`{left}` and `{right}` are different data sets")]
        #[code("data/other-source")]
        OtherSource { left: String, right: String },
        #[error("row {row} is in both")]
        #[code("data/overlap")]
        Overlap { row: String },
        #[error("there is no row {idx}, `{name}` has {n_rows}")]
        #[code("data/row-range")]
        RowRange { name: String, idx: usize, n_rows: usize },
        #[error("{place}: {what}")]
        #[code("data/malformed")]
        #[hint(hint.clone())]
        Malformed { place: String, what: String, hint: Option<String> },
        #[error("there is no column `{column}`")]
        #[code("data/no-column")]
        #[hint("columns: {columns}")]
        NoColumn { column: String, columns: String },
        #[error("`{path}`: {reason}")]
        #[code("data/file")]
        #[hint(hint.clone())]
        File { path: String, reason: String, hint: Option<String> },
        #[error("the test share must be at least 0 and below 1, got `{share}`")]
        #[code("data/shares")]
        TestShare { share: f64 },
        #[error("a test share of `{share}` leaves one side of {n_groups} groups without rows")]
        #[code("data/too-few-groups")]
        #[hint("all rows for training: #{{ test_share: 0.0 }}")]
        NoSide { share: f64, n_groups: usize },
    }
    from { Store(StoreError), Frame(FrameError), Access(AccessError), Interrupted(Interrupted) }
}

fn one_class(name: &str, class: &Option<String>) -> String {
    match class {
        Some(class) => format!("`{name}` has only one class, `{class}`: a classifier needs at least two"),
        None => format!("`{name}` names no classes"),
    }
}
