//! From text to tokens: a tokenizer, its digest, and the rows that it has already encoded.

use super::ModelError;
use super::trunk::Packed;
use crate::core::context::Interrupt;
use crate::core::digest::Digest;
use crate::core::explain::first_line;
use crate::data::Data;
use rayon::prelude::*;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use tokenizers::Tokenizer;

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
}

struct Known {
    data: Digest,
    max_tokens: usize,
    keep: Keep,
    packed: Arc<Packed>,
}

/// The most tokens that one encoder keeps: chosen, 64 MB.
const MAX_KEPT: usize = 16 << 20;
/// Rows between two looks at the interrupt: chosen, a few milliseconds of work.
const ROWS_PER_LOOK: usize = 512;

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
        let mut tokenizer = Tokenizer::from_bytes(json).map_err(|error| ModelError::Tokenizer(first_line(&*error)))?;
        // Rows are packed, never padded, and the limit is the model's, not the file's.
        tokenizer.with_padding(None);
        tokenizer.with_truncation(None).map_err(|error| ModelError::Tokenizer(first_line(&*error)))?;
        let encoder = Arc::new(Encoder { tokenizer, digest, known: Mutex::new(Vec::new()) });
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
        let encoding =
            self.tokenizer.encode_fast(text, true).map_err(|error| ModelError::Tokenizer(first_line(&*error)))?;
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

    /// The tokens of every row of `data` in its order, and how many rows were cut to `max_tokens`.
    pub fn encode_data(
        &self,
        data: &Data,
        max_tokens: usize,
        keep: Keep,
        interrupt: &Interrupt,
    ) -> Result<(Arc<Packed>, usize), ModelError> {
        if let Some(packed) = self.remembered(data.digest(), max_tokens, keep) {
            return Ok((packed, 0));
        }
        let mut packed = Packed { tokens: Vec::new(), offsets: vec![0] };
        let mut n_cut = 0;
        let rows: Vec<_> = data.rows().collect();
        for some in rows.chunks(ROWS_PER_LOOK) {
            interrupt.check()?;
            let encoded: Result<Vec<_>, ModelError> =
                some.par_iter().map(|row| self.encode(&row.text, max_tokens, keep)).collect();
            for (row, (tokens, cut)) in some.iter().zip(encoded?) {
                if tokens.is_empty() {
                    return Err(ModelError::EmptyRow { id: row.id.clone() });
                }
                packed.tokens.extend(tokens);
                packed.offsets.push(packed.tokens.len());
                n_cut += usize::from(cut);
            }
        }
        let packed = Arc::new(packed);
        self.remember(Known { data: data.digest(), max_tokens, keep, packed: packed.clone() });
        Ok((packed, n_cut))
    }

    fn remembered(&self, data: Digest, max_tokens: usize, keep: Keep) -> Option<Arc<Packed>> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let found = known.iter().find(|k| k.data == data && k.max_tokens == max_tokens && k.keep == keep);
        found.map(|k| k.packed.clone())
    }

    /// Keeps what was encoded; the oldest goes first.
    fn remember(&self, fresh: Known) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.push(fresh);
        while known.iter().map(|k| k.packed.tokens.len() + k.packed.offsets.len()).sum::<usize>() > MAX_KEPT {
            known.remove(0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::words;
    use super::*;

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
