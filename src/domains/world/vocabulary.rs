//! Tokens: one per word, as a `tokenizers` file.

use super::lexicon::Lexicon;
use super::options::WorldError;
use serde_json::{Map, Value, json};
use std::sync::Arc;
use tokenizers::Tokenizer;

/// The words at their tokens, and the tokenizer that reads them.
#[derive(Clone)]
pub struct Vocabulary {
    texts: Vec<String>,
    json: String,
    tokenizer: Arc<Tokenizer>,
}

impl Vocabulary {
    /// The vocabulary of a lexicon.
    pub fn new(lexicon: &Lexicon) -> Result<Vocabulary, WorldError> {
        let texts: Vec<String> = lexicon.texts().map(str::to_owned).collect();
        let json = tokenizer_json(&texts);
        let tokenizer = Tokenizer::from_bytes(json.as_bytes())
            .map_err(|error| WorldError::Tokenizer { reason: error.to_string() })?;
        // In the form in which a checkpoint stores it, so that equal vocabularies are equal bytes.
        let json = tokenizer.to_string(false).map_err(|error| WorldError::Tokenizer { reason: error.to_string() })?;
        Ok(Vocabulary { texts, json, tokenizer: Arc::new(tokenizer) })
    }

    /// How many tokens.
    pub fn len(&self) -> usize {
        self.texts.len()
    }

    /// Whether there is no token.
    pub fn is_empty(&self) -> bool {
        self.texts.is_empty()
    }

    /// The tokenizer: words split at white space, one token each; an unknown word is `<unk>`.
    pub fn tokenizer(&self) -> &Arc<Tokenizer> {
        &self.tokenizer
    }

    /// The tokenizer's file, `tokenizer.json`.
    pub fn json(&self) -> &str {
        &self.json
    }

    /// The tokens' words with a space between.
    pub fn text(&self, tokens: &[u32]) -> String {
        let words: Vec<&str> =
            tokens.iter().map(|token| self.texts.get(*token as usize).map_or("<unk>", String::as_str)).collect();
        words.join(" ")
    }
}

/// A word-level tokenizer's file, with the words in token order so that equal worlds give equal bytes.
fn tokenizer_json(texts: &[String]) -> String {
    let vocab: Map<String, Value> =
        texts.iter().enumerate().map(|(token, text)| (text.clone(), json!(token))).collect();
    let file = json!({
        "version": "1.0",
        "truncation": null,
        "padding": null,
        "added_tokens": [],
        "normalizer": null,
        "pre_tokenizer": { "type": "WhitespaceSplit" },
        "post_processor": null,
        "decoder": null,
        "model": { "type": "WordLevel", "vocab": vocab, "unk_token": "<unk>" },
    });
    file.to_string()
}
