//! RoBERTa: a BERT with one token type whose positions are counted from behind that of padding, which is 1 unless
//! `config.json` says otherwise. Once read it is a BERT, and is written as one.

use super::bert::{Config, pieces};
use super::{Family, Stored, from_config, must};
use crate::models::ModelError;
use crate::models::arch::{Arch, BertConfig};

pub const FAMILY: Family = Family {
    model_type: "roberta",
    prefix: "roberta.",
    arch,
    pieces: |arch| pieces(arch, POSITIONS_BEFORE),
    config: |_| None,
    classes: ["RobertaModel", "", ""],
};

/// Rows of the position embeddings before that of a row's first token.
const POSITIONS_BEFORE: usize = 2;

fn arch(config: &[u8], _: &Stored) -> Result<Arch, ModelError> {
    let config: Config = from_config(config)?;
    if let Some(padding) = config.pad_token_id.filter(|padding| padding + 1 != POSITIONS_BEFORE) {
        return Err(must("pad_token_id", "1", padding));
    }
    Ok(Arch::Bert(BertConfig { n_token_types: config.token_types()?, ..config.encoder(POSITIONS_BEFORE)? }))
}
