//! From inputs to tokens: a tokenizer, its digest, and the rows that it has already encoded.

mod stranger;

use super::trunk::Packed;
use super::{Coverage, ModelError};
use crate::core::context::Interrupt;
use crate::core::digest::Digest;
use crate::core::explain::first_line;
use crate::core::guard::guarded;
use crate::data::{Data, Input, InputKind};
use rayon::prelude::*;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use tokenizers::{Encoding, Tokenizer};

/// Which end of a row that is longer than the model's limit is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// The beginning, as BERT's tokenizers truncate; special tokens at the end stay.
    Start,
    /// The end: a causal trunk is read at the row's last token, and that must be the text's last.
    End,
}

/// A tokenizer as models share it. Encoded data is kept, because every model of a ladder reads the same rows.
pub struct Encoder {
    tokenizer: Tokenizer,
    digest: Digest,
    known: Mutex<Vec<Known>>,
    /// Of data sets that were looked at, what is known of their text.
    pub(super) covered: Mutex<Vec<((Digest, usize), Coverage)>>,
}

struct Known {
    data: Digest,
    max_tokens: usize,
    keep: Keep,
    encoded: Encoded,
}

/// The tokens of the rows of a data set. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Encoded {
    /// A sequence for each row; of prompts one for each continuation, row after row.
    pub packed: Arc<Packed>,
    /// In each sequence of a prompt the place of the first token with something of the continuation; empty for other inputs.
    pub starts: Arc<[u32]>,
    /// Rows of which a sequence was cut to the most tokens.
    pub n_cut: usize,
    /// Rows whose continuations are the same tokens, after unknown words and cuts: a model cannot tell them apart.
    pub n_alike: usize,
}

/// One sequence of a row.
struct Sequence {
    tokens: Vec<u32>,
    start: u32,
    is_cut: bool,
}

/// The most tokens that one encoder keeps: arbitrary, 64 MB.
const MAX_KEPT: usize = 16 << 20;
/// Rows between two looks at the interrupt: arbitrary, a few milliseconds of work.
const ROWS_PER_LOOK: usize = 512;

/// What the tokenizers library answers. A panic of it is an error: whatever a stranger's file holds, it is the file's fault.
fn library<T>(work: impl FnOnce() -> tokenizers::Result<T>) -> Result<T, ModelError> {
    match guarded(work) {
        Ok(answer) => {
            answer.map_err(|error| ModelError::Tokenizer(format!("`tokenizer.json`: {}", first_line(&*error))))
        }
        Err(said) => {
            let why = format!("`tokenizer.json` holds what its library does not expect: {}", first_line(&said));
            Err(ModelError::Tokenizer(why))
        }
    }
}

impl Encoder {
    /// Reads a `tokenizer.json`. The same file gives the same encoder as long as one is alive.
    pub fn from_json(json: &[u8]) -> Result<Arc<Encoder>, ModelError> {
        static ALIVE: Mutex<Vec<Weak<Encoder>>> = Mutex::new(Vec::new());
        let digest = Digest::of_bytes(json);
        let mut alive = ALIVE.lock().unwrap_or_else(PoisonError::into_inner);
        alive.retain(|weak| weak.strong_count() > 0);
        if let Some(encoder) = alive.iter().filter_map(Weak::upgrade).find(|encoder| encoder.digest == digest) {
            return Ok(encoder);
        }
        stranger::check(json).map_err(|why| ModelError::Tokenizer(format!("`tokenizer.json`: {why}")))?;
        let tokenizer = library(|| {
            let mut tokenizer = Tokenizer::from_bytes(json)?;
            // Rows are packed, never padded, and the limit is the model's, not the file's.
            tokenizer.with_padding(None);
            tokenizer.with_truncation(None)?;
            Ok(tokenizer)
        })?;
        let encoder = Arc::new(Encoder { tokenizer, digest, known: Mutex::default(), covered: Mutex::default() });
        alive.push(Arc::downgrade(&encoder));
        Ok(encoder)
    }

    /// Shares a tokenizer that was built in memory.
    pub fn new(tokenizer: &Tokenizer) -> Result<Arc<Encoder>, ModelError> {
        let json = tokenizer.to_string(false).map_err(|error| ModelError::Tokenizer(first_line(&*error)))?;
        Encoder::from_json(json.as_bytes())
    }

    /// The tokenizer itself, without padding or truncation.
    pub fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }

    /// The digest of the tokenizer's file.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// How many tokens there are: one more than the highest id.
    pub fn n_tokens(&self) -> usize {
        self.tokenizer.get_vocab(true).into_values().max().map_or(0, |most| most as usize + 1)
    }

    /// One text's tokens, special ones included, at most `max_tokens` of them; whether it was cut.
    pub fn encode(&self, text: &str, max_tokens: usize, keep: Keep) -> Result<(Vec<u32>, bool), ModelError> {
        let encoding = library(|| self.tokenizer.encode_fast(text, true))?;
        let ids = encoding.get_ids();
        let excess = ids.len().saturating_sub(max_tokens);
        if excess == 0 {
            return Ok((ids.to_vec(), false));
        }
        let cut = match keep {
            Keep::End => ids.iter().skip(excess).copied().collect(),
            Keep::Start => {
                let special = encoding.get_special_tokens_mask();
                let n_last = special.iter().rev().take_while(|flag| **flag == 1).count().min(max_tokens);
                let head = ids.iter().take(max_tokens - n_last);
                head.chain(ids.iter().skip(ids.len() - n_last)).copied().collect()
            }
        };
        Ok((cut, true))
    }

    /// A continuation's tokens behind its prompt's, encoded as one text. What is cut off is the prompt's beginning, never the
    /// continuation's end; `keep` says whether special tokens at the beginning stay.
    fn continued(
        &self,
        prompt: &str,
        continuation: &str,
        max_tokens: usize,
        keep: Keep,
    ) -> Result<Sequence, ModelError> {
        let text = format!("{prompt}{continuation}");
        let encoding: Encoding = library(|| self.tokenizer.encode(text, true))?;
        let (ids, special) = (encoding.get_ids(), encoding.get_special_tokens_mask());
        let begins = |(offsets, special): (&(usize, usize), &u32)| *special == 0 && offsets.1 > prompt.len();
        let start = encoding.get_offsets().iter().zip(special).position(begins).unwrap_or(ids.len());
        let excess = ids.len().saturating_sub(max_tokens);
        let n_first = match keep {
            Keep::Start => special.iter().take_while(|flag| **flag == 1).count().min(max_tokens),
            Keep::End => 0,
        };
        let (first, rest) = ids.split_at_checked(n_first).unwrap_or((ids, &[]));
        let tokens = first.iter().chain(rest.iter().skip(excess)).copied().collect();
        let start = start.saturating_sub(excess).max(n_first.min(start)) as u32;
        Ok(Sequence { tokens, start, is_cut: excess > 0 })
    }

    /// The sequences of a row.
    fn sequences(&self, input: &Input, max_tokens: usize, keep: Keep) -> Result<Vec<Sequence>, ModelError> {
        let whole = |(tokens, is_cut)| vec![Sequence { tokens, start: 0, is_cut }];
        match input {
            Input::Text(text) => self.encode(text, max_tokens, keep).map(whole),
            Input::Tokens(tokens) => {
                let excess = tokens.len().saturating_sub(max_tokens);
                let skipped = if keep == Keep::End { excess } else { 0 };
                Ok(whole((tokens.iter().skip(skipped).take(max_tokens).copied().collect(), excess > 0)))
            }
            Input::Prompt(prompt) => {
                let continuations = prompt.continuations.iter();
                continuations.map(|text| self.continued(&prompt.text, text, max_tokens, keep)).collect()
            }
            Input::Features(_) => Ok(Vec::new()),
        }
    }

    /// The tokens of every row of `data` in its order. What was encoded before counts no cuts again.
    pub fn encode_data(
        &self,
        data: &Data,
        max_tokens: usize,
        keep: Keep,
        interrupt: &Interrupt,
    ) -> Result<Encoded, ModelError> {
        if let Some(encoded) = self.remembered(data.digest(), max_tokens, keep) {
            return Ok(Encoded { n_cut: 0, n_alike: 0, ..encoded });
        }
        let mut packed = Packed { tokens: Vec::new(), offsets: vec![0] };
        let (mut starts, mut n_cut, mut n_alike) = (Vec::new(), 0, 0);
        let of_prompts = data.input() == InputKind::Prompt;
        let n_tokens = if data.input() == InputKind::Tokens { self.n_tokens() } else { 0 };
        let rows: Vec<_> = data.rows().collect();
        for some in rows.chunks(ROWS_PER_LOOK) {
            interrupt.check()?;
            let encoded: Result<Vec<_>, ModelError> =
                some.par_iter().map(|row| self.sequences(&row.input, max_tokens, keep)).collect();
            for (row, sequences) in some.iter().zip(encoded?) {
                if sequences.is_empty() || sequences.iter().any(|sequence| sequence.tokens.is_empty()) {
                    return Err(ModelError::EmptyRow { id: row.id.to_string() });
                }
                if let Input::Tokens(tokens) = &row.input
                    && let Some(token) = tokens.iter().copied().find(|token| *token as usize >= n_tokens)
                {
                    return Err(ModelError::Token { id: row.id.to_string(), token, n_tokens });
                }
                n_cut += usize::from(sequences.iter().any(|sequence| sequence.is_cut));
                let alike = sequences.windows(2).all(|pair| matches!(pair, [a, b] if a.tokens == b.tokens));
                n_alike += usize::from(sequences.len() > 1 && alike);
                for sequence in sequences {
                    packed.tokens.extend(sequence.tokens);
                    packed.offsets.push(packed.tokens.len());
                    starts.extend(of_prompts.then_some(sequence.start));
                }
            }
        }
        let encoded = Encoded { packed: Arc::new(packed), starts: starts.into(), n_cut, n_alike };
        self.remember(Known { data: data.digest(), max_tokens, keep, encoded: encoded.clone() });
        Ok(encoded)
    }

    fn remembered(&self, data: Digest, max_tokens: usize, keep: Keep) -> Option<Encoded> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let found = known.iter().find(|k| k.data == data && k.max_tokens == max_tokens && k.keep == keep);
        found.map(|k| k.encoded.clone())
    }

    /// Keeps what was encoded; the oldest goes first.
    fn remember(&self, fresh: Known) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.push(fresh);
        let size =
            |encoded: &Encoded| encoded.packed.tokens.len() + encoded.packed.offsets.len() + encoded.starts.len();
        while known.iter().map(|k| size(&k.encoded)).sum::<usize>() > MAX_KEPT {
            known.remove(0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::words;
    use super::*;
    use crate::data::tests::{prompt, rows};
    use crate::data::{Source, Target};

    fn data(inputs: Vec<Input>) -> Data {
        Data::new(Arc::new(Source::with_target("toy", rows(inputs), Target::None).expect("valid")))
    }

    fn encoded(encoder: &Encoder, data: &Data, max: usize, keep: Keep) -> Encoded {
        encoder.encode_data(data, max, keep, &Interrupt::default()).expect("encodes")
    }

    #[test]
    fn a_prompt_is_a_sequence_for_each_continuation_and_says_where_it_starts() {
        let encoder = words(&["a", "b", "c", "d", "."]);
        let pairs = data(vec![prompt("a b", &[" c .", " d"]), prompt("", &["a", "zzz"]), prompt("c", &[" x", " y"])]);
        let found = encoded(&encoder, &pairs, 9, Keep::End);
        let rows: Vec<&[u32]> = found.packed.rows().collect();
        assert_eq!(rows, [&[1, 2, 3, 5][..], &[1, 2, 4], &[1], &[0], &[3, 0], &[3, 0]]);
        assert_eq!(*found.starts, [2, 2, 0, 0, 1, 1]);
        assert_eq!((found.n_cut, found.n_alike), (0, 1), "both continuations of the last row are unknown words");
        let short = encoded(&encoder, &pairs, 2, Keep::End);
        assert_eq!(short.packed.rows().collect::<Vec<_>>(), [&[3, 5][..], &[2, 4], &[1], &[0], &[3, 0], &[3, 0]]);
        assert_eq!((&*short.starts, short.n_cut), (&[0, 1, 0, 0, 1, 1][..], 1));
        let again = encoded(&encoder, &pairs, 2, Keep::End);
        assert_eq!((again.n_cut, again.n_alike, again.packed), (0, 0, short.packed), "said once");
    }

    #[test]
    fn special_tokens_stay_around_a_prompt_that_is_cut() {
        use tokenizers::processors::bert::BertProcessing;
        let mut tokenizer = words(&["a", "b", "c", "[CLS]", "[SEP]"]).tokenizer().clone();
        tokenizer.with_post_processor(Some(BertProcessing::new(("[SEP]".into(), 5), ("[CLS]".into(), 4))));
        let encoder = Encoder::new(&tokenizer).expect("valid");
        let rows = data(vec![prompt("a b", &[" c"])]);
        let whole = encoded(&encoder, &rows, 9, Keep::Start);
        assert_eq!((whole.packed.tokens.as_slice(), &*whole.starts), (&[4, 1, 2, 3, 5][..], &[3][..]));
        let cut = encoded(&encoder, &rows, 4, Keep::Start);
        assert_eq!((cut.packed.tokens.as_slice(), &*cut.starts), (&[4, 2, 3, 5][..], &[2][..]));
    }

    #[test]
    fn tokens_are_read_as_they_are_and_must_be_known() {
        let encoder = words(&["a", "b", "c"]);
        let rows = data(vec![Input::Tokens([3, 1, 2].into()), Input::Tokens([2].into())]);
        let found = encoded(&encoder, &rows, 2, Keep::End);
        assert_eq!(found.packed.rows().collect::<Vec<_>>(), [&[1, 2][..], &[2]]);
        assert_eq!((found.n_cut, found.starts.len()), (1, 0));
        assert_eq!(encoded(&encoder, &rows, 2, Keep::Start).packed.tokens, [3, 1, 2]);
        let unknown = data(vec![Input::Tokens([4].into())]);
        let error =
            encoder.encode_data(&unknown, 9, Keep::End, &Interrupt::default()).expect_err("unknown").to_string();
        assert_eq!(error, "row `r0` has the token 4, and the model's tokenizer has 4 tokens");
    }

    #[test]
    fn the_kept_end_is_the_one_that_is_read() {
        let encoder = words(&["a", "b", "c", "d", "."]);
        let ids = |text, max, keep| encoder.encode(text, max, keep).expect("encodes");
        assert_eq!(ids("a b c .", 9, Keep::End), (vec![1, 2, 3, 5], false));
        assert_eq!(ids("a b c .", 2, Keep::End), (vec![3, 5], true));
        assert_eq!(ids("a b c .", 2, Keep::Start), (vec![1, 2], true));
        assert_eq!(ids("a zzz", 9, Keep::End), (vec![1, 0], false), "unknown words have a token of their own");
    }

    #[test]
    fn one_file_is_one_encoder_while_it_lives() {
        let one = words(&["x", "y"]);
        let again = Encoder::new(one.tokenizer()).expect("valid");
        assert!(Arc::ptr_eq(&one, &again));
        assert_eq!(one.n_tokens(), 3);
        assert!(Encoder::from_json(b"{}").is_err());
    }
}
