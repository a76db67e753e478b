//! What a model reads of a row: text, tokens, a prompt with continuations, or features.

use super::{DataError, MAX_CLASSES, MAX_TEXT, Row, Text};

/// The input of one row. All rows of a data set have one kind, and as many continuations or features as each other.
#[derive(Debug, Clone, PartialEq)]
pub enum Input {
    /// Shared with whatever else holds the same text, such as the row's group.
    Text(Text),
    /// Token ids of the model's own tokenizer, read as they are.
    Tokens(Box<[u32]>),
    Prompt(Box<Prompt>),
    /// A vector of numbers, as another program computed them.
    Features(Box<[f32]>),
}

/// A beginning and one or several ways to go on. A model reads each as one sequence: the prompt and, directly behind it,
/// the continuation.
#[derive(Debug, Clone, PartialEq)]
pub struct Prompt {
    /// May be empty.
    pub text: String,
    /// At least one; none is empty.
    pub continuations: Vec<String>,
}

/// The kinds of input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InputKind {
    Text,
    Tokens,
    Prompt,
    Features,
}

impl InputKind {
    /// As scripts call it.
    pub fn name(self) -> &'static str {
        match self {
            InputKind::Text => "text",
            InputKind::Tokens => "tokens",
            InputKind::Prompt => "prompt",
            InputKind::Features => "features",
        }
    }
}

/// The most numbers of a row's features: arbitrary, beyond the width of any model whose activations they would be.
pub const MAX_FEATURES: usize = 1 << 16;

/// Bytes that a token stands for in estimates of work: a guess for English text.
const BYTES_PER_TOKEN: usize = 5;

impl Input {
    /// Which kind.
    pub fn kind(&self) -> InputKind {
        match self {
            Input::Text(_) => InputKind::Text,
            Input::Tokens(_) => InputKind::Tokens,
            Input::Prompt(_) => InputKind::Prompt,
            Input::Features(_) => InputKind::Features,
        }
    }

    /// The sequences that a model reads: one for each continuation of a prompt, else one.
    pub fn n_sequences(&self) -> usize {
        match self {
            Input::Prompt(prompt) => prompt.continuations.len(),
            _ => 1,
        }
    }

    /// Every text in it: the prompt first, then its continuations.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        let (first, rest): (Option<&str>, &[String]) = match self {
            Input::Text(text) => (Some(text), &[]),
            Input::Prompt(prompt) => (Some(&prompt.text), &prompt.continuations),
            Input::Tokens(_) | Input::Features(_) => (None, &[]),
        };
        first.into_iter().chain(rest.iter().map(String::as_str))
    }

    /// About how many bytes of text a model reads, over all sequences: for estimates of work.
    pub fn n_bytes(&self) -> usize {
        match self {
            Input::Text(text) => text.len(),
            Input::Tokens(tokens) => BYTES_PER_TOKEN * tokens.len(),
            Input::Prompt(prompt) => prompt.continuations.iter().map(|text| prompt.text.len() + text.len()).sum(),
            Input::Features(_) => 0,
        }
    }

    /// Its kind and size in words, for errors: `2 continuations`.
    fn shape(&self) -> String {
        match self {
            Input::Prompt(prompt) => format!("{} continuations", prompt.continuations.len()),
            Input::Features(features) => format!("{} features", features.len()),
            other => other.kind().name().to_owned(),
        }
    }

    /// Whether rows of one data set may hold both.
    fn fits(&self, other: &Input) -> bool {
        match (self, other) {
            (Input::Features(one), Input::Features(two)) => one.len() == two.len(),
            _ => self.kind() == other.kind() && self.n_sequences() == other.n_sequences(),
        }
    }
}

impl From<String> for Input {
    fn from(text: String) -> Self {
        Input::Text(text.into())
    }
}

impl From<&str> for Input {
    fn from(text: &str) -> Self {
        Input::Text(text.into())
    }
}

/// Checks the inputs of a data set: one kind and shape, nothing empty, nothing beyond the limits, no feature without value.
pub(super) fn check(rows: &[Row]) -> Result<(), DataError> {
    let Some(first) = rows.first() else { return Ok(()) };
    for (idx, row) in rows.iter().enumerate() {
        if !row.input.fits(&first.input) {
            let (got, held) = (row.input.shape(), first.input.shape());
            return Err(DataError::MixedInputs { row: idx + 1, got, held });
        }
        match &row.input {
            Input::Text(text) => limit(idx, "text", text.len(), MAX_TEXT)?,
            Input::Tokens(tokens) => {
                empty(idx, "tokens", tokens.is_empty())?;
                limit(idx, "tokens", size_of_val(&**tokens), MAX_TEXT)?;
            }
            Input::Prompt(prompt) => {
                limit(idx, "prompt", prompt.text.len(), MAX_TEXT)?;
                empty(idx, "continuation", prompt.continuations.is_empty())?;
                if prompt.continuations.len() > MAX_CLASSES {
                    let n = prompt.continuations.len();
                    return Err(DataError::TooMany { what: "continuations".into(), n, most: MAX_CLASSES });
                }
                for text in &prompt.continuations {
                    empty(idx, "text in a continuation", text.trim().is_empty())?;
                    limit(idx, "continuation", text.len(), MAX_TEXT)?;
                }
            }
            Input::Features(features) => {
                empty(idx, "features", features.is_empty())?;
                if features.len() > MAX_FEATURES {
                    return Err(DataError::TooMany { what: "features".into(), n: features.len(), most: MAX_FEATURES });
                }
                if let Some(at) = features.iter().position(|value| !value.is_finite()) {
                    let value = features.get(at).copied().unwrap_or(f32::NAN);
                    return Err(DataError::Feature { row: idx + 1, at, value });
                }
            }
        }
    }
    Ok(())
}

fn limit(idx: usize, field: &'static str, bytes: usize, most: usize) -> Result<(), DataError> {
    if bytes > most { Err(DataError::TooLong { row: idx + 1, field, bytes, most }) } else { Ok(()) }
}

fn empty(idx: usize, what: &'static str, is_empty: bool) -> Result<(), DataError> {
    if is_empty { Err(DataError::EmptyInput { row: idx + 1, what }) } else { Ok(()) }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::data::{Source, Split, Target};

    /// A prompt with continuations.
    pub(crate) fn prompt(text: &str, continuations: &[&str]) -> Input {
        let continuations = continuations.iter().map(|text| (*text).to_owned()).collect();
        Input::Prompt(Box::new(Prompt { text: text.to_owned(), continuations }))
    }

    /// Training rows `r0`, `r1`, … with these inputs, each a group of its own.
    pub(crate) fn rows(inputs: Vec<Input>) -> Vec<Row> {
        let row = |(idx, input)| Row {
            id: format!("r{idx}").into(),
            input,
            group: format!("g{idx}").into(),
            split: Split::Train,
            difficulty: f32::NAN,
        };
        inputs.into_iter().enumerate().map(row).collect()
    }

    fn why(inputs: Vec<Input>) -> String {
        Source::with_target("toy", rows(inputs), Target::None).map(|_| ()).expect_err("invalid").to_string()
    }

    #[test]
    fn a_row_is_no_larger_for_the_kinds_that_it_might_hold() {
        assert_eq!(size_of::<Input>(), size_of::<String>());
    }

    #[test]
    fn rows_of_a_data_set_hold_one_kind_of_one_size() {
        let features = |values: &[f32]| Input::Features(values.into());
        assert_eq!(why(vec!["a".into(), Input::Tokens([1].into())]), "row 2 holds tokens, row 1 text");
        assert_eq!(
            why(vec![prompt("p", &["a", "b"]), prompt("p", &["a"])]),
            "row 2 holds 1 continuations, row 1 2 continuations"
        );
        assert_eq!(why(vec![features(&[1.0, 2.0]), features(&[1.0])]), "row 2 holds 1 features, row 1 2 features");
        assert_eq!(why(vec![features(&[1.0, f32::NAN])]), "row 1: feature 1 is `NaN`, which is not a finite number");
        assert_eq!(why(vec![features(&[])]), "row 1 has no features");
        assert_eq!(why(vec![Input::Tokens([].into())]), "row 1 has no tokens");
        assert_eq!(why(vec![prompt("p", &["a", " "])]), "row 1 has no text in a continuation");
        assert_eq!(why(vec![prompt("p", &[])]), "row 1 has no continuation");
        let long = "x".repeat(MAX_TEXT + 1);
        assert!(why(vec![prompt("p", &["a", &long])]).contains("`continuation` has"));
        assert!(why(vec![features(&vec![0.0; MAX_FEATURES + 1])]).contains("65537 features"));
    }

    #[test]
    fn texts_and_sizes_are_those_of_what_a_model_reads() {
        let input = prompt("ab", &["c", "de"]);
        assert_eq!(input.texts().collect::<Vec<_>>(), ["ab", "c", "de"]);
        assert_eq!((input.n_sequences(), input.n_bytes()), (2, 7));
        assert_eq!(Input::Tokens([1, 2].into()).n_bytes(), 10);
        assert_eq!(Input::Features([1.0].into()).texts().count(), 0);
    }
}
