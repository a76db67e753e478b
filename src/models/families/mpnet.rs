//! MPNet: a BERT without token types whose attention adds a number for the distance between query and key.
//!
//! It counts positions from 2, after that of padding: the first two rows of its table are left out.

use super::bert::{Config, name_of, reader, stacked};
use super::{Family, Stored, from_config, must};
use crate::kernels::attention::relative::BUCKETS;
use crate::models::ModelError;
use crate::models::arch::{Arch, BertConfig};

pub const FAMILY: Family = Family { model_type: "mpnet", arch, values };

/// Rows of the position embeddings before that of a row's first token: padding is 1, and counting goes on from there.
const POSITIONS_BEFORE: usize = 2;

fn arch(config: &[u8]) -> Result<Arch, ModelError> {
    let config: Config = from_config(config)?;
    let buckets = config.relative_attention_num_buckets.unwrap_or(BUCKETS);
    if buckets != BUCKETS {
        return Err(must("relative_attention_num_buckets", &BUCKETS.to_string(), buckets));
    }
    let encoder = config.encoder()?;
    let context = encoder.context.saturating_sub(POSITIONS_BEFORE);
    Ok(Arch::Bert(BertConfig { context, relative: true, ..encoder }))
}

fn values(arch: &Arch, stored: &Stored) -> Result<Vec<f32>, ModelError> {
    let read = reader(stored, "mpnet");
    let mut values = Vec::new();
    for entry in &arch.layout().entries {
        match (entry.name.split_once(".qkv."), entry.name.as_str()) {
            (Some((layer, kind)), _) => {
                let part = |part| format!("encoder.layer.{layer}.attention.attn.{part}.{kind}");
                values.extend(stacked(&read, ["q", "k", "v"].map(part), &entry.shape)?);
            }
            (None, "embed.relative") => {
                values.extend(read("encoder.relative_attention_bias.weight", &entry.shape)?);
            }
            (None, name @ "embed.position") => {
                let mut shape = entry.shape.clone();
                shape.iter_mut().take(1).for_each(|rows| *rows += POSITIONS_BEFORE);
                let skipped = POSITIONS_BEFORE * shape.last().copied().unwrap_or(0);
                values.extend(read(&name_of(name), &shape)?.into_iter().skip(skipped));
            }
            (None, name) => {
                let own = name_of(name)
                    .replace("attention.output.dense", "attention.attn.o")
                    .replace("attention.output.LayerNorm", "attention.LayerNorm");
                values.extend(read(&own, &entry.shape)?);
            }
        }
    }
    Ok(values)
}
