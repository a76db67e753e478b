//! Dropout (Srivastava et al. 2014): in training some activations are set to zero and the others grow to make up for it.
//!
//! What is dropped is a function of the seed, the step, the row's number among all rows, the site, the token's place in its
//! row and the feature, and of nothing else: not of threads, shards, the rows beside it or the engine. So a block that is
//! computed again drops the same, and so does a training that goes on.
#![allow(clippy::indexing_slicing)] // Ranges come from the map and the batch, both checked at the trunk's door.

use crate::core::random::Random;
use crate::kernels::panel::{Cols, PANEL};
use crate::kernels::tasks::{Raw, tasks};
use std::ops::Range;

/// What the passes of one step drop.
#[derive(Debug, Clone, PartialEq)]
pub struct Dropout {
    /// Draws below it drop.
    threshold: u32,
    /// What the others are multiplied by.
    scale: f32,
    seed: u64,
    step: usize,
    /// The number among all rows of each of the batch's rows.
    rows: Vec<u32>,
}

/// Where a trunk drops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Site {
    /// The sum of the embeddings; in a BERT after its norm.
    Embeddings,
    /// What attention of a block adds to the residual stream.
    Attention(usize),
    /// What the feed-forward layer of a block adds.
    FeedForward(usize),
}

impl Site {
    /// A number of its own.
    fn number(self) -> usize {
        match self {
            Site::Embeddings => 0,
            Site::Attention(block) => 1 + 2 * block,
            Site::FeedForward(block) => 2 + 2 * block,
        }
    }
}

impl Dropout {
    /// Drops the share `rate` (from 0 to below 1) at a step of the training with this seed, of a batch whose rows have these
    /// numbers among all rows.
    pub fn new(rate: f64, seed: u64, step: usize, rows: &[u32]) -> Dropout {
        let threshold = (rate * 2f64.powi(32)).round().min(f64::from(u32::MAX)) as u32;
        Dropout { threshold, scale: (1.0 / (1.0 - rate)) as f32, seed, step, rows: rows.to_vec() }
    }

    /// The same for some of the batch's rows.
    pub(super) fn of_rows(&self, rows: Range<usize>) -> Dropout {
        Dropout { rows: self.rows.get(rows).unwrap_or_default().to_vec(), ..self.clone() }
    }

    /// Appends the factors of some tokens of a row of the batch, row-major `[n_tokens, width]`.
    pub fn factors(&self, site: Site, row: usize, tokens: Range<usize>, width: usize, to: &mut Vec<f32>) {
        let number = self.rows.get(row).map_or(row, |number| *number as usize);
        let mut random = Random::new(self.seed, &format!("dropout {} {number} {}", self.step, site.number()));
        random.seek((tokens.start * width) as u128);
        let factor = |draw: u32| if draw < self.threshold { 0.0 } else { self.scale };
        to.extend((0..tokens.len() * width).map(|_| factor(random.bits())));
    }
}

/// What is dropped at one site of a shard.
#[derive(Clone, Copy)]
pub(super) struct Drops<'a> {
    pub dropout: &'a Dropout,
    pub site: Site,
    /// The shard's rows: where each begins, and one entry more.
    pub offsets: &'a [usize],
    /// Whether columns are the rows' last tokens, not all of them.
    pub pooled: bool,
}

impl Drops<'_> {
    /// Multiplies `x` (`width` features in panels over `cols`) by the factors.
    pub(super) fn apply(self, par: bool, width: usize, cols: Cols, x: &mut [f32]) {
        assert!(x.len() >= cols.len(width));
        let x = Raw::new(x);
        tasks(par, cols.n_panels(), |p| {
            let n = cols.valid(p);
            let factors = self.factors(p * PANEL..p * PANEL + n, width);
            let panel = cols.width(p);
            for feature in 0..width {
                // Safety: the length was checked above; each task has its own panel.
                let lanes = unsafe { std::slice::from_raw_parts_mut(x.at(p * PANEL * width + feature * panel), n) };
                let factors = factors.iter().skip(feature).step_by(width);
                lanes.iter_mut().zip(factors).for_each(|(x, factor)| *x *= factor);
            }
        });
    }

    /// The factors of some columns, row-major `[n, width]`.
    fn factors(self, columns: Range<usize>, width: usize) -> Vec<f32> {
        let mut factors = Vec::with_capacity(columns.len() * width);
        let mut at = columns.start;
        while at < columns.end {
            let (row, tokens) = if self.pooled {
                let last = self.offsets[at + 1] - self.offsets[at] - 1;
                (at, last..last + 1)
            } else {
                let row = self.offsets.partition_point(|&offset| offset <= at) - 1;
                let (start, end) = (self.offsets[row], self.offsets[row + 1].min(columns.end));
                (row, at - start..end - start)
            };
            at += tokens.len();
            self.dropout.factors(self.site, row, tokens, width, &mut factors);
        }
        factors
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn factors(dropout: &Dropout, site: Site, row: usize, tokens: Range<usize>) -> Vec<f32> {
        let mut factors = Vec::new();
        dropout.factors(site, row, tokens, 7, &mut factors);
        factors
    }

    #[test]
    fn a_share_is_dropped_and_the_mean_stays() {
        for rate in [0.1, 0.5, 0.9] {
            let dropout = Dropout::new(rate, 3, 5, &[8]);
            let factors = factors(&dropout, Site::Embeddings, 0, 0..20_000);
            let zeros = factors.iter().filter(|factor| **factor == 0.0).count() as f64 / factors.len() as f64;
            let mean = factors.iter().map(|factor| f64::from(*factor)).sum::<f64>() / factors.len() as f64;
            // Four standard deviations of a share of 140 000 draws.
            assert!((zeros - rate).abs() < 4.0 * (rate * (1.0 - rate) / 140_000.0).sqrt(), "{zeros}");
            assert!((mean - 1.0).abs() < 0.04, "{mean}");
        }
        assert!(factors(&Dropout::new(0.0, 3, 5, &[8]), Site::Embeddings, 0, 0..50).iter().all(|f| *f == 1.0));
    }

    #[test]
    fn what_is_dropped_depends_on_seed_step_row_site_and_place_alone() {
        let all = |seed, step, number, site| factors(&Dropout::new(0.5, seed, step, &[9, number]), site, 1, 0..12);
        let plain = all(3, 5, 8, Site::Attention(1));
        assert_eq!(plain, all(3, 5, 8, Site::Attention(1)));
        for other in [
            all(4, 5, 8, Site::Attention(1)),
            all(3, 6, 8, Site::Attention(1)),
            all(3, 5, 7, Site::Attention(1)),
            all(3, 5, 8, Site::FeedForward(1)),
            all(3, 5, 8, Site::Embeddings),
        ] {
            assert_ne!(plain, other);
        }
        // A row keeps its factors wherever it stands in a batch, and a part of it has its part of them.
        let alone = Dropout::new(0.5, 3, 5, &[8]);
        assert_eq!(factors(&alone, Site::Attention(1), 0, 0..12), plain);
        assert_eq!(factors(&alone, Site::Attention(1), 0, 5..9), plain[35..63]);
    }
}
