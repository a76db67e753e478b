//! Rankings of several continuations: as a training reads them, and its steps by Plackett and Luce's likelihood.

use super::super::batches::Batches;
use super::super::carried::Carried;
use super::super::causal::Engine;
use super::super::device::Scribe;
use super::super::labels::WEIGHTS;
use super::super::predict::{clear, push_row};
use super::super::training::Training;
use super::super::weights::Weights;
use super::curves::Curves;
use super::pairs::{Pairs, Reference};
use super::{TrainError, Work};
use crate::core::context::Context;
use crate::core::random::Random;
use crate::data::Data;
use crate::domains::preference::measured::Sums;
use crate::domains::preference::ranking::{measured, plackett_luce};
use crate::frames::Frame;
use crate::models::Model;
use crate::models::arch::Arch;
use std::collections::{BTreeSet, HashMap};

/// The most places that are looked for: arbitrary.
const MAX_PLACES: usize = 1000;

/// A ranking of a row's sequences.
pub(super) struct Ranking {
    /// By their numbers, the best first.
    order: Vec<usize>,
    weight: f64,
}

/// The rankings of a data set.
pub(super) struct Rankings {
    pub sequences: Pairs,
    /// Those that are trained on.
    pub all: Vec<Ranking>,
    pub is_weighted: bool,
    /// How many were left out because two of their sequences are the same tokens.
    pub n_alike: usize,
}

impl Rankings {
    /// Of the rows of `data`, by what the frame says of them: `id`, `rank1`, `rank2`, … (places of continuations from 0, the best first), and
    /// `weight` where they do not all count alike. Refuses continuations of which no token is predicted.
    pub fn of(model: &Model, data: &Data, frame: &Frame, ctx: &Context) -> Result<Rankings, TrainError> {
        let wrong = |why: String| TrainError::Rankings { why };
        let n = data.n_sequences();
        let name = |place: usize| format!("rank{place}");
        let has = |column: &str| frame.columns().iter().any(|own| own == column);
        let k = (1..=MAX_PLACES).take_while(|place| has(&name(*place))).count();
        if k < 2 {
            return Err(wrong("the frame has no columns `rank1` and `rank2`".to_owned()));
        }
        let columns = (1..=k).map(|place| frame.floats(&name(place))).collect::<Result<Vec<_>, _>>()?;
        let is_weighted = has("weight");
        let weights = if is_weighted { frame.floats("weight")? } else { Vec::new() };
        let ids = frame.ids()?;
        let by_id: HashMap<&str, usize> = ids.iter().enumerate().map(|(at, id)| (id.as_str(), at)).collect();
        let sequences = Pairs::unpaired(model, data, ctx)?;
        let mut rankings = Rankings { sequences, all: Vec::new(), is_weighted, n_alike: 0 };
        for (row, id) in data.rows().map(|row| row.id.as_str()).enumerate() {
            let Some(at) = by_id.get(id).copied() else {
                return Err(wrong(format!("the row `{id}` of `{}` has none", data.name())));
            };
            let mut order = Vec::with_capacity(k);
            for (place, column) in columns.iter().enumerate() {
                let got = column.get(at).copied().unwrap_or(f64::NAN);
                if !(got >= 0.0 && got < n as f64 && got.fract() == 0.0) {
                    let column = name(place + 1);
                    return Err(wrong(format!(
                        "`{column}` of the row `{id}` is `{got}`, and it has the continuations 0 to {}",
                        n - 1
                    )));
                }
                order.push(n * row + got as usize);
            }
            if order.iter().collect::<BTreeSet<_>>().len() < k {
                return Err(wrong(format!("the ranking of the row `{id}` names a continuation twice")));
            }
            let weight = weights.get(at).copied().unwrap_or(1.0);
            if weight != 0.0 && !WEIGHTS.contains(&weight) {
                return Err(TrainError::Weight { id: id.to_owned(), got: weight });
            }
            let texts = |sequence: &usize| rankings.sequences.packed.row(*sequence);
            if order.iter().any(|at| texts(at).len() <= rankings.sequences.start(*at)) {
                return Err(TrainError::NothingPredicted { id: id.to_owned(), n_rows: data.len() });
            }
            if order.iter().map(texts).collect::<BTreeSet<_>>().len() < k {
                rankings.n_alike += 1;
            } else if weight != 0.0 {
                rankings.all.push(Ranking { order, weight });
            }
        }
        match rankings.all.is_empty() {
            true => Err(wrong("all of them weigh nothing, or have continuations that are the same tokens".to_owned())),
            false => Ok(rankings),
        }
    }

    /// Tokens of each.
    pub fn lengths(&self) -> Vec<u32> {
        let length =
            |ranking: &Ranking| ranking.order.iter().map(|at| self.sequences.packed.row(*at).len() as u32).sum();
        self.all.iter().map(length).collect()
    }
}

/// Steps on rankings.
pub(super) struct OnRankings<'a> {
    pub arch: &'a Arch,
    pub engine: Engine<'a, Scribe<'a>>,
    pub rankings: &'a Rankings,
    pub reference: &'a Reference,
    pub beta: f64,
    pub batches: Batches,
    pub curves: Curves,
    pub steps: usize,
    pub lr: f64,
    pub work: Work,
}

impl OnRankings<'_> {
    /// Fills the batch with the sequences of these rankings, each from the best on.
    fn lay(&mut self, drawn: &[u32]) {
        let Work { batch, counted, slopes } = &mut self.work;
        clear(batch);
        counted.clear();
        for sequence in drawn.iter().filter_map(|at| self.rankings.all.get(*at as usize)).flat_map(|one| &one.order) {
            push_row(batch, &self.rankings.sequences.packed, *sequence);
            let start = self.rankings.sequences.start(*sequence);
            counted.extend((0..self.rankings.sequences.packed.row(*sequence).len()).map(|place| place >= start));
        }
        slopes.clear();
        slopes.resize(batch.tokens.len(), 0.0);
    }
}

impl Training for OnRankings<'_> {
    fn weights(&mut self) -> &mut dyn Weights {
        self.engine.weights()
    }

    fn skip(&mut self, n_done: usize) -> Result<(), TrainError> {
        (0..n_done).for_each(|_| _ = self.batches.draw());
        Ok(())
    }

    fn gradient(&mut self, step: usize, _random: &mut Random) -> Result<f64, TrainError> {
        let drawn = self.batches.draw().0.to_vec();
        self.engine.prepare()?;
        self.lay(&drawn);
        let logprobs = self.engine.logprobs(self.arch, &self.work.batch, &self.work.counted)?;
        super::check_finite(&logprobs, step, self.steps, self.lr)?;
        let ranked = || drawn.iter().filter_map(|at| self.rankings.all.get(*at as usize));
        let total: f64 = ranked().map(|one| one.weight).sum();
        let (mut value, mut sums, mut nth) = (0.0, Sums::default(), 0);
        let Work { batch, slopes, .. } = &mut self.work;
        for Ranking { order, weight } in ranked() {
            // The tokens of each continuation in the batch.
            let places: Vec<std::ops::Range<usize>> = order
                .iter()
                .enumerate()
                .map(|(place, sequence)| {
                    let begin = batch.offsets.get(nth + place).copied().unwrap_or(0);
                    let n = self.rankings.sequences.packed.row(*sequence).len();
                    begin + self.rankings.sequences.start(*sequence)..begin + n
                })
                .collect();
            nth += order.len();
            let sum = |at: &std::ops::Range<usize>| logprobs.get(at.clone()).unwrap_or_default().iter().sum::<f64>();
            let own: Vec<f64> = places.iter().map(sum).collect();
            let ratios: Vec<f64> =
                own.iter().zip(order).map(|(own, at)| own - self.reference.of_sequence(*at)).collect();
            let (loss, by_ratio) = plackett_luce(self.beta, &ratios);
            let share = weight / total;
            value += share * loss;
            sums.add(&measured(&own, &ratios, &by_ratio, self.beta, loss, *weight));
            for (at, slope) in places.into_iter().zip(by_ratio) {
                slopes.get_mut(at).unwrap_or_default().fill((share * slope) as f32);
            }
        }
        if !value.is_finite() {
            // The loop says so; there is no way back from here.
            return Ok(value);
        }
        self.curves.note(step + 1, self.work.batch.tokens.len(), &sums);
        let Work { batch, counted, slopes } = &self.work;
        self.engine.backward(self.arch, batch, counted, slopes)?;
        Ok(value)
    }

    fn carried(&self) -> Carried {
        Carried { measured: self.curves.held().to_vec(), ..Carried::default() }
    }

    fn take_up(&mut self, carried: Carried) {
        self.curves.take_up(carried.measured);
    }
}
