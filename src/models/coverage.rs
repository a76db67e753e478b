//! How much of a data set's text a model reads: tokens that its tokenizer does not know, rows that are longer than its limit.
//!
//! Looked at once for a data set, over rows spread evenly over it, whatever part of it is read.

use super::{Encoder, Model, ModelError};
use crate::core::context::Context;
use crate::core::explain::first_line;
use crate::data::{Data, Input, InputKind, Source};
use rayon::prelude::*;
use std::sync::PoisonError;
use tokenizers::models::ModelWrapper;

/// What was found in the rows that were looked at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Coverage {
    pub n_checked: usize,
    /// Tokens of the text, special ones left out.
    pub n_tokens: usize,
    pub n_unknown: usize,
    /// Rows that are cut.
    pub n_cut: usize,
}

/// Rows that are looked at: arbitrary, some hundredths of a second, and a share of 5 % of them is known to within one percent.
const MAX_CHECKED: usize = 2000;

/// The share of unknown tokens that a warning tells of, and the one that is refused. Arbitrary; English text on the world's
/// ladder is above the second: 88 to 91 % in three files of this repository, 68 % where points and commas stand apart.
const TOLD: f64 = 0.05;
const REFUSED: f64 = 0.6;

impl Coverage {
    /// Unknown tokens among all.
    pub fn unknown_share(&self) -> f64 {
        if self.n_tokens == 0 { 0.0 } else { self.n_unknown as f64 / self.n_tokens as f64 }
    }

    fn and(self, other: Coverage) -> Coverage {
        Coverage {
            n_checked: self.n_checked + other.n_checked,
            n_tokens: self.n_tokens + other.n_tokens,
            n_unknown: self.n_unknown + other.n_unknown,
            n_cut: self.n_cut + other.n_cut,
        }
    }
}

impl Model {
    /// What this model reads of the data set that `data` is a part of.
    pub fn coverage(&self, data: &Data) -> Result<Coverage, ModelError> {
        self.inner.encoder.coverage(data.source(), self.inner.max_tokens)
    }

    /// Warns that rows are cut: once for a data set, whatever part of it is read.
    pub(super) fn warn_of_cuts(&self, data: &Data, n_cut: usize, n_rows: usize, ctx: &Context) {
        let (name, most) = (&self.inner.name, self.inner.max_tokens);
        let key = format!("cut rows {} {most} {}", self.inner.encoder.digest(), data.source().digest);
        let keeps_end = self.inner.arch.is_causal() || data.input() == InputKind::Prompt;
        let (data, end) = (data.name(), if keeps_end { "last" } else { "first" });
        let text = format!(
            "{n_cut} of {n_rows} rows of `{data}` are longer than `{name}` reads: cut to their {end} {most} tokens"
        );
        ctx.warn_once(&key, text);
    }

    /// Refuses a data set of which most tokens are unknown, and warns once where many are, and where rows are cut.
    pub fn check_coverage(&self, data: &Data, ctx: &Context) -> Result<Coverage, ModelError> {
        let found = self.coverage(data)?;
        let share = found.unknown_share();
        let (model, name) = (&self.inner.name, data.name());
        if share >= REFUSED {
            let (model, data) = (model.clone(), name.to_owned());
            return Err(ModelError::UnknownTokens { name: model, data, share: (100.0 * share).round() as u32 });
        }
        if share > TOLD {
            let key = format!("unknown tokens {} {}", self.inner.encoder.digest(), data.source().digest);
            ctx.warn_once(
                &key,
                format!(
                    "{:.0} % of the tokens of `{name}` are unknown to the tokenizer of `{model}`, which reads them all as the same \
                     ({} of {} in {} rows)",
                    100.0 * share,
                    found.n_unknown,
                    found.n_tokens,
                    found.n_checked
                ),
            );
        }
        if found.n_cut > 0 {
            self.warn_of_cuts(data, found.n_cut, found.n_checked, ctx);
        }
        Ok(found)
    }
}

impl Encoder {
    /// As [`Model::coverage`], found once for each data set and limit.
    fn coverage(&self, source: &Source, max_tokens: usize) -> Result<Coverage, ModelError> {
        let key = (source.digest, max_tokens);
        let known = self.covered.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, found)) = known.iter().find(|(known, _)| *known == key) {
            return Ok(*found);
        }
        drop(known);
        let unknown = self.unknown();
        let every = source.rows.len().div_ceil(MAX_CHECKED).max(1);
        let rows: Vec<_> = source.rows.iter().step_by(every).collect();
        let found: Result<Vec<Coverage>, ModelError> =
            rows.par_iter().map(|row| self.coverage_of(&row.input, unknown, max_tokens)).collect();
        let found = found?.into_iter().fold(Coverage::default(), Coverage::and);
        self.covered.lock().unwrap_or_else(PoisonError::into_inner).push((key, found));
        Ok(found)
    }

    fn coverage_of(&self, input: &Input, unknown: Option<u32>, max_tokens: usize) -> Result<Coverage, ModelError> {
        let texts: Vec<String> = match input {
            Input::Text(text) => vec![text.to_string()],
            Input::Prompt(prompt) => {
                prompt.continuations.iter().map(|continuation| format!("{}{continuation}", prompt.text)).collect()
            }
            Input::Tokens(tokens) => {
                let is_cut = tokens.len() > max_tokens;
                return Ok(Coverage { n_checked: 1, n_tokens: tokens.len(), n_cut: usize::from(is_cut), n_unknown: 0 });
            }
            Input::Features(_) => return Ok(Coverage::default()),
        };
        let mut found = Coverage { n_checked: 1, ..Coverage::default() };
        let mut is_cut = false;
        for text in texts {
            let encoding = self.tokenizer().encode_fast(text, true);
            let encoding = encoding.map_err(|error| ModelError::Tokenizer(first_line(&*error)))?;
            let words =
                encoding.get_ids().iter().zip(encoding.get_special_tokens_mask()).filter(|(_, mask)| **mask == 0);
            for (id, _) in words {
                found.n_tokens += 1;
                found.n_unknown += usize::from(Some(*id) == unknown);
            }
            is_cut |= encoding.get_ids().len() > max_tokens;
        }
        found.n_cut = usize::from(is_cut);
        Ok(found)
    }

    /// The token that stands for every word that the tokenizer does not know; some know every byte and have none.
    fn unknown(&self) -> Option<u32> {
        let name = match self.tokenizer().get_model() {
            ModelWrapper::WordLevel(model) => Some(model.unk_token.as_str()),
            ModelWrapper::WordPiece(model) => Some(model.unk_token.as_str()),
            ModelWrapper::BPE(model) => model.unk_token.as_deref(),
            // Its own number is not to be had; this is what SentencePiece calls it.
            ModelWrapper::Unigram(_) => Some("<unk>"),
        };
        name.and_then(|name| self.tokenizer().token_to_id(name))
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{tiny, words};
    use super::*;
    use crate::core::context::Event;
    use crate::data::Target;
    use crate::data::tests::{prompt, rows};
    use std::sync::{Arc, Mutex};

    fn data(inputs: Vec<Input>) -> Data {
        Data::new(Arc::new(Source::with_target("toy", rows(inputs), Target::None).expect("valid")))
    }

    #[test]
    fn unknown_tokens_and_cut_rows_are_counted_in_every_input() {
        let encoder = words(&["a", "b"]);
        let of = |inputs| encoder.coverage(data(inputs).source(), 3).expect("encodes");
        let texts = of(vec!["a b c".into(), "a x y z".into()]);
        assert_eq!(texts, Coverage { n_checked: 2, n_tokens: 7, n_unknown: 4, n_cut: 1 });
        let pairs = of(vec![prompt("a", &[" b", " q q q"])]);
        assert_eq!(pairs, Coverage { n_checked: 1, n_tokens: 6, n_unknown: 3, n_cut: 1 });
        assert_eq!(of(vec![Input::Tokens([1, 0].into())]).n_unknown, 0);
        let many = of((0..5000).map(|row| if row % 2 == 0 { "a".into() } else { "?".into() }).collect());
        assert!((1000..=MAX_CHECKED).contains(&many.n_checked), "{many:?}");
        assert!((many.unknown_share() - 0.5).abs() < 0.03, "evenly spread: {many:?}");
    }

    #[test]
    fn a_model_that_knows_few_words_says_so_once_and_one_that_knows_none_is_refused() {
        let ctx = Context::for_tests();
        let told = Arc::new(Mutex::new(Vec::new()));
        let sink = told.clone();
        ctx.listen(move |event| {
            if let Event::Warning { text } = event {
                sink.lock().expect("whole").push(text);
            }
        });
        let model = tiny(0);
        let some = data(vec!["w1 w2 w3 .".into(), "w1 what .".into(), "w5 w6 w7".into()]);
        for part in [&some, &some.head(1), &some] {
            let _ = model.encoded(part, &ctx).expect("encodes");
        }
        let told = told.lock().expect("whole").clone();
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].contains("10 % of the tokens of `toy` are unknown to the tokenizer of `tiny`"), "{told:?}");
        let none = data(vec!["a film to see".into(), "a film to miss .".into()]);
        let error = model.encoded(&none, &ctx).expect_err("nothing is known").to_string();
        assert!(error.contains("89 % of the tokens of `toy` are unknown"), "{error}");
    }
}
