//! Pairs as a training on preferences reads them, and what a reference says of them.

use super::super::labels::Labels;
use super::super::likelihood::sequence_logprobs;
use super::TrainError;
use super::engine::read_on;
use crate::core::context::Context;
use crate::data::{Data, Input, Prompt, Row, Source, Target};
use crate::domains::preference::loss::Needs;
use crate::models::trunk::Packed;
use crate::models::{Encoded, Model};
use candle_core::Device;
use std::sync::Arc;

/// A pair of sequences, by their numbers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Pair {
    /// The likelier better one; of equals the first.
    pub chosen: usize,
    pub rejected: usize,
    /// The probability that it is the better one, at least ½.
    pub preference: f64,
    pub weight: f64,
}

/// The pairs of a data set.
pub(super) struct Pairs {
    /// Two sequences for each row of the data.
    pub packed: Arc<Packed>,
    starts: Arc<[u32]>,
    /// Those that are trained on.
    pub all: Vec<Pair>,
    pub is_weighted: bool,
    /// How many were left out because both sequences are the same tokens, and the first of them.
    pub n_alike: usize,
    first_alike: String,
    n_rows: usize,
}

impl Pairs {
    /// Of the rows of `data`, by what `labels` say of them. Refuses continuations of which no token is predicted.
    pub fn of(model: &Model, data: &Data, labels: &Labels, ctx: &Context) -> Result<Pairs, TrainError> {
        let Encoded { packed, starts, .. } = model.encoded(data, ctx)?;
        let ids: Vec<&str> = data.rows().map(|row| row.id.as_str()).collect();
        let id = |row: usize| ids.get(row).map(|id| (*id).to_owned()).unwrap_or_default();
        let mut pairs = Pairs {
            packed,
            starts,
            all: Vec::new(),
            is_weighted: labels.is_weighted(),
            n_alike: 0,
            first_alike: String::new(),
            n_rows: data.len(),
        };
        for row in labels.rows.iter().map(|row| *row as usize) {
            let (first, second) = (2 * row, 2 * row + 1);
            if [first, second].iter().any(|at| pairs.packed.row(*at).len() <= pairs.start(*at)) {
                return Err(TrainError::NothingPredicted { id: id(row), n_rows: data.len() });
            }
            if pairs.packed.row(first) == pairs.packed.row(second) {
                if pairs.n_alike == 0 {
                    pairs.first_alike = id(row);
                }
                pairs.n_alike += 1;
                continue;
            }
            let of = |at: usize| labels.labels.get(at).map_or(f64::NAN, |p| f64::from(*p));
            let weight = labels.weights.get(row).copied().unwrap_or(1.0);
            pairs.all.push(if of(second) > of(first) {
                Pair { chosen: second, rejected: first, preference: of(second), weight }
            } else {
                Pair { chosen: first, rejected: second, preference: of(first), weight }
            });
        }
        if pairs.all.is_empty() {
            return Err(TrainError::AllAlike { n_rows: data.len(), id: pairs.first_alike });
        }
        Ok(pairs)
    }

    /// The sequences of rows without pairs of them: of rankings.
    pub fn unpaired(model: &Model, data: &Data, ctx: &Context) -> Result<Pairs, TrainError> {
        let Encoded { packed, starts, .. } = model.encoded(data, ctx)?;
        let (all, first_alike, n_rows) = (Vec::new(), String::new(), data.len());
        Ok(Pairs { packed, starts, all, is_weighted: false, n_alike: 0, first_alike, n_rows })
    }

    /// Pairs of tokens, the chosen sequence of each before the rejected one.
    #[cfg(test)]
    pub fn of_tokens(sequences: &[Vec<u32>], starts: &[u32]) -> Pairs {
        let pair = |at: usize| Pair { chosen: 2 * at, rejected: 2 * at + 1, preference: 1.0, weight: 1.0 };
        Pairs {
            packed: Arc::new(Packed::new(sequences.iter().map(Vec::as_slice))),
            starts: starts.into(),
            all: (0..sequences.len() / 2).map(pair).collect(),
            is_weighted: false,
            n_alike: 0,
            first_alike: String::new(),
            n_rows: sequences.len() / 2,
        }
    }

    /// The place of the first token of a sequence that belongs to the continuation and is predicted.
    pub fn start(&self, sequence: usize) -> usize {
        first_predicted(&self.starts, sequence)
    }

    /// The row of the data that a pair is of.
    pub fn row(&self, pair: u32) -> Option<usize> {
        self.all.get(pair as usize).map(|pair| pair.chosen / 2)
    }

    /// Tokens of each pair.
    pub fn lengths(&self) -> Vec<u32> {
        let length = |sequence: usize| self.packed.row(sequence).len() as u32;
        self.all.iter().map(|pair| length(pair.chosen) + length(pair.rejected)).collect()
    }

    /// What a person is told of pairs that were left out.
    pub fn alike_text(&self) -> String {
        let Pairs { n_alike, first_alike, n_rows, .. } = self;
        format!(
            "{n_alike} of {n_rows} pairs are left out, the first with id `{first_alike}`: both continuations are the same tokens \
             (equal texts, unknown words, or cut to `max_tokens`), so a preference between them teaches nothing"
        )
    }
}

fn first_predicted(starts: &[u32], sequence: usize) -> usize {
    starts.get(sequence).map_or(1, |start| (*start as usize).max(1))
}

/// What the reference says: log-probabilities of continuations, summed over their tokens.
#[derive(Default)]
pub(super) struct Reference {
    /// Of each sequence; empty where the loss has no reference.
    pub logprobs: Vec<f64>,
    /// Where the loss asks for an estimate of the KL divergence.
    pub mismatched: Option<Mismatched>,
}

/// Prompts with another prompt's continuations.
pub(super) struct Mismatched {
    pub packed: Arc<Packed>,
    starts: Arc<[u32]>,
    /// The reference's, of each sequence.
    pub logprobs: Vec<f64>,
}

impl Mismatched {
    /// As [`Pairs::start`].
    pub fn start(&self, sequence: usize) -> usize {
        first_predicted(&self.starts, sequence)
    }
}

impl Reference {
    /// As much as the loss needs.
    pub fn of(
        model: &Model,
        data: &Data,
        pairs: &Pairs,
        needs: Needs,
        device: Option<&Device>,
        ctx: &Context,
    ) -> Result<Reference, TrainError> {
        let mut reference = Reference::default();
        if needs.reference {
            let encoded = Encoded { packed: pairs.packed.clone(), starts: pairs.starts.clone(), n_cut: 0, n_alike: 0 };
            reference.logprobs = logprobs(model, data, &encoded, device, ctx)?;
        }
        if needs.kl {
            let other = mismatched(data)?;
            let encoded = model.encoded(&other, ctx)?;
            let logprobs = logprobs(model, &other, &encoded, device, ctx)?;
            let Encoded { packed, starts, .. } = encoded;
            reference.mismatched = Some(Mismatched { packed, starts, logprobs });
        }
        Ok(reference)
    }

    /// Of a sequence.
    pub fn of_sequence(&self, sequence: usize) -> f64 {
        self.logprobs.get(sequence).copied().unwrap_or(f64::NAN)
    }
}

/// The log-probability of each sequence's continuation: on the CPU looked up in the store first, on a device computed there.
fn logprobs(
    model: &Model,
    data: &Data,
    encoded: &Encoded,
    device: Option<&Device>,
    ctx: &Context,
) -> Result<Vec<f64>, TrainError> {
    let Some(device) = device else { return sequence_logprobs(model, data, ctx) };
    let first = |sequence: usize| first_predicted(&encoded.starts, sequence);
    read_on(model, &encoded.packed, &first, device, ctx)
}

/// The rows with the continuations of the next row of another prompt, the last ones those of the first.
fn mismatched(data: &Data) -> Result<Data, TrainError> {
    let prompts: Vec<(&Row, &Prompt)> = data
        .rows()
        .filter_map(|row| match &row.input {
            Input::Prompt(prompt) => Some((row, &**prompt)),
            _ => None,
        })
        .collect();
    let n = prompts.len();
    // The next row of another prompt, found from the back, twice round so that the first rows stand behind the last ones.
    let mut next: Vec<Option<usize>> = vec![None; n];
    let mut behind: Option<usize> = None;
    for at in (0..2 * n).rev() {
        let (own, following) = (at % n, (at + 1) % n);
        if at + 1 < 2 * n {
            let differs = |one: usize, other: usize| match (prompts.get(one), prompts.get(other)) {
                (Some((_, one)), Some((_, other))) => one.text != other.text,
                _ => false,
            };
            behind = if differs(own, following) { Some(following) } else { behind };
        }
        if let (true, Some(place)) = (at < n, next.get_mut(own)) {
            *place = behind;
        }
    }
    let rows = prompts.iter().zip(&next).map(|((row, prompt), next)| {
        let (_, other) = next.and_then(|next| prompts.get(next)).ok_or(TrainError::OnePrompt)?;
        let continuations = other.continuations.clone();
        let input = Input::Prompt(Box::new(Prompt { text: prompt.text.clone(), continuations }));
        Ok(Row { input, ..(*row).clone() })
    });
    let rows = rows.collect::<Result<Vec<Row>, TrainError>>()?;
    let name = format!("{} (continuations of other prompts)", data.name());
    Ok(Data::new(Arc::new(Source::with_target(name, rows, Target::None)?)))
}
