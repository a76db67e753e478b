//! Reading: features of many rows without a way back. Weights are made ready once, rows go through in batches of some
//! hundred tokens, each on one thread from the first block to the last, so that a core works in its own caches.
#![allow(clippy::indexing_slicing)] // Ranges come from the map and the batch, both checked at the trunk's door.

use super::map::{Feed, Layer, Map};
use super::places::Places;
use super::residual::{add, pool};
use super::shard::Trunk;
use super::{Packed, check, embed};
use crate::core::context::{Interrupt, Interrupted};
use crate::kernels::Precision;
use crate::kernels::attention::relative::{Bias, Distances};
use crate::kernels::attention::{self, Part, Rows, Softmax};
use crate::kernels::gate::gate;
use crate::kernels::norm::Stats;
use crate::kernels::norm::groups::Place;
use crate::kernels::pages;
use crate::kernels::panel::{Cols, from_tokens, gather, to_tokens, zero_padding};
use crate::kernels::prepared::{Prepared, Shelf};
use crate::kernels::simd::{FlushDenormals, LANES};
use crate::models::arch::Arch;
use rayon::prelude::*;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

/// Floats of a batch's widest activation. Chosen (LOG.md: from 256 to 512 tokens of MiniLM make no difference): a second-level cache.
const BATCH: usize = 1 << 19;
/// Tokens of a batch, at least and at most. Chosen: fewer do not pay for reading the weights, more keep an interrupt waiting.
const TOKENS: [usize; 2] = [256, 2048];
/// The part of a batch by which it may be longer or shorter, so that it ends well: chosen.
const SWAY: usize = 12;
/// Batches below which a big model's operations split their work too: chosen.
const FEW: usize = 8;

/// A trunk that only reads.
pub struct Reader<'a> {
    arch: &'a Arch,
    map: Map,
    params: &'a [f32],
    blocks: Vec<Block<'a>>,
}

/// A block's weights.
struct Block<'a> {
    /// In a pooled block (a causal trunk's last) the queries' alone, which are those of the rows' last tokens.
    queries: Option<Prepared<'a>>,
    /// Queries, keys and values; in a pooled block keys and values.
    qkv: Prepared<'a>,
    out: Prepared<'a>,
    up: Prepared<'a>,
    down: Prepared<'a>,
}

/// What a batch is computed in.
#[derive(Default)]
struct Desk {
    offsets: Vec<usize>,
    /// Each row's last token.
    last: Vec<usize>,
    memory: Vec<f32>,
    stats: Stats,
    softmax: Softmax,
    distances: Distances,
    places: Places,
    /// Reciprocal roots of queries' or keys' norms.
    rstd: Vec<f32>,
}

/// A desk's memory, laid out for one batch.
struct Room<'m> {
    tokens: &'m mut [f32],
    x: &'m mut [f32],
    normed: &'m mut [f32],
    mid: &'m mut [f32],
    o: &'m mut [f32],
    picked: &'m mut [f32],
    q: &'m mut [f32],
    qkv: &'m mut [f32],
    up: &'m mut [f32],
    /// What a gate lets through.
    bent: &'m mut [f32],
}

impl<'m> Room<'m> {
    /// For these columns, and one for each row.
    fn new(memory: &'m mut Vec<f32>, map: &Map, cols: Cols, rows: Cols) -> Room<'m> {
        let (all, each) = (cols.len(map.width), rows.len(map.width));
        let (attended, queries) = (cols.len(map.q_width()), rows.len(map.q_width()));
        let states = [map.width * cols.n + LANES, all, all, all, attended, each, queries, cols.len(map.n_qkv())];
        let bent = if map.feed == Feed::Gated { cols.len(map.inner) } else { 0 };
        let sizes = states.into_iter().chain([cols.len(map.n_up()), bent]).map(|n| n.next_multiple_of(LANES));
        // One piece, which is then worth large pages.
        pages::grow(memory, sizes.clone().sum());
        let mut rest = &mut memory[..];
        let mut parts = sizes.map(|n| {
            let (part, behind) = std::mem::take(&mut rest).split_at_mut(n);
            rest = behind;
            part
        });
        let mut next = || parts.next().unwrap_or_default();
        Room {
            tokens: next(),
            x: next(),
            normed: next(),
            mid: next(),
            o: next(),
            picked: next(),
            q: next(),
            qkv: next(),
            up: next(),
            bent: next(),
        }
    }
}

impl<'a> Reader<'a> {
    /// Makes the weights of a trunk ready.
    pub fn new(arch: &'a Arch, params: &'a [f32], precision: Precision) -> Self {
        let map = Map::new(arch);
        let mut shelf = Shelf::default();
        let mut weight = |range: &Range<usize>, rows: usize, depth: usize| {
            Prepared::new(params.get(range.clone()).unwrap_or_default(), rows, depth, precision, &mut shelf)
        };
        let (width, q_width, inner, n_layers) = (map.width, map.q_width(), map.inner, map.layers.len());
        // Parameters of another architecture are refused by `check` before anything is read.
        let layers = if params.len() == map.n_params { &map.layers[..] } else { &[] };
        let blocks = layers
            .iter()
            .enumerate()
            .map(|(idx, layer)| {
                let pooled = map.causal && idx + 1 == n_layers;
                let all = &layer.qkv.weight;
                let n_queries = if pooled { q_width } else { 0 };
                let rest = all.start + n_queries * width..all.end;
                Block {
                    queries: pooled.then(|| weight(&(all.start..rest.start), q_width, width)),
                    qkv: weight(&rest, map.n_qkv() - n_queries, width),
                    out: weight(&layer.out.weight, width, q_width),
                    up: weight(&layer.up.weight, map.n_up(), width),
                    down: weight(&layer.down.weight, width, inner),
                }
            })
            .collect();
        Reader { arch, map, params, blocks }
    }

    /// Features of every row, as [`super::features`] gives them; NaN for a batch that [`check`] refuses. `done` hears how
    /// many rows were read since it was called last.
    pub fn features(
        &self,
        batch: &Packed,
        interrupt: &Interrupt,
        done: &(dyn Fn(usize) + Sync),
    ) -> Result<Vec<f32>, Interrupted> {
        let width = self.map.width;
        if check(self.arch, self.params, batch).is_err() {
            return Ok(vec![f32::NAN; batch.n_rows() * width]);
        }
        let mut features = vec![0.0; batch.n_rows() * width];
        let mut parts = Vec::new();
        let mut left = &mut features[..];
        for rows in self.cut(batch) {
            let (own, rest) = left.split_at_mut(rows.len() * width);
            parts.push((rows, own));
            left = rest;
        }
        let par = parts.len() < FEW && self.map.is_big();
        let desks: Mutex<Vec<Desk>> = Mutex::default();
        let read = |(rows, features): (Range<usize>, &mut [f32])| {
            let _flush = FlushDenormals::new();
            let free = || desks.lock().unwrap_or_else(PoisonError::into_inner);
            let mut desk = free().pop().unwrap_or_default();
            let n = rows.len();
            self.read(par, batch, rows, &mut desk, features, interrupt)?;
            free().push(desk);
            done(n);
            Ok(())
        };
        parts.into_par_iter().with_max_len(1).try_for_each(read)?;
        Ok(features)
    }

    /// Batches of whole rows with about as many tokens each, where they can be made to end with a whole vector of them.
    fn cut(&self, batch: &Packed) -> Vec<Range<usize>> {
        let [least, most] = TOKENS;
        let (offsets, n_tokens) = (&batch.offsets, batch.tokens.len());
        let per_batch = (BATCH / self.map.n_up().max(1)).clamp(least, most);
        let n_batches = n_tokens.div_ceil(per_batch);
        let sway = per_batch / SWAY;
        let (mut start, mut batches) = (0, Vec::with_capacity(n_batches));
        for idx in 1..=n_batches {
            let share = n_tokens * idx / n_batches;
            let from = offsets.partition_point(|at| *at < share.saturating_sub(sway)).max(start + 1);
            let near = (from..offsets.len()).take_while(|end| idx < n_batches && offsets[*end] <= share + sway);
            let lost = |end: &usize| (offsets[start] as isize - offsets[*end] as isize).rem_euclid(LANES as isize);
            let best = near.min_by_key(|end| (lost(end), offsets[*end].abs_diff(share)));
            let end = best.unwrap_or_else(|| offsets.partition_point(|at| *at < share));
            if end > start {
                batches.push(start..end);
            }
            start = end;
        }
        batches
    }

    /// Features of rows `rows`, row-major.
    fn read(
        &self,
        par: bool,
        batch: &Packed,
        rows: Range<usize>,
        desk: &mut Desk,
        features: &mut [f32],
        interrupt: &Interrupt,
    ) -> Result<(), Interrupted> {
        let first = batch.offsets[rows.start];
        desk.offsets.clear();
        desk.offsets.extend(batch.offsets[rows.start..=rows.end].iter().map(|offset| offset - first));
        desk.last.clear();
        desk.last.extend(desk.offsets[1..].iter().map(|end| end - 1));
        let (map, width, n_rows) = (&self.map, self.map.width, rows.len());
        let (cols, columns) = (Cols { n: desk.offsets[n_rows] }, Cols { n: n_rows });
        let trunk = Trunk { map, params: self.params };
        let Desk { offsets, last, memory, stats, softmax, distances, places, rstd } = desk;
        let mut room = Room::new(memory, map, cols, columns);

        let longest = offsets.windows(2).map(|row| row[1] - row[0]).max().unwrap_or(0);
        distances.unroll(&self.params[map.relative.clone()], map.n_heads, longest);
        places.lay(par, map, offsets, longest);
        embed::sum(false, trunk, &batch.tokens[first..first + cols.n], offsets, room.tokens);
        if map.causal {
            from_tokens(par, room.tokens, width, cols, room.x);
        } else {
            from_tokens(par, room.tokens, width, cols, room.mid);
            trunk.norm(&map.norm).forward(par, room.mid, cols, stats, room.x);
        }
        for (layer, block) in map.layers.iter().zip(&self.blocks) {
            interrupt.check()?;
            block.read(par, trunk, layer, offsets, last, &mut room, stats, softmax, distances.bias(), places, rstd);
        }

        if map.causal {
            if map.layers.is_empty() {
                gather(room.x, width, cols, last, &mut room.mid[..columns.len(width)]);
                std::mem::swap(&mut room.x, &mut room.mid);
            }
            trunk.norm(&map.norm).forward(par, room.x, columns, stats, room.normed);
            to_tokens(par, room.normed, width, columns, features);
            return Ok(());
        }
        to_tokens(par, room.x, width, cols, room.tokens);
        pool(map.pooling, room.tokens, width, offsets, features);
        Ok(())
    }
}

impl Block<'_> {
    /// `room.x` through the block; if it is pooled, only the rows' last tokens go on after attention.
    #[allow(clippy::too_many_arguments)]
    fn read(
        &self,
        par: bool,
        trunk: Trunk,
        layer: &Layer,
        offsets: &[usize],
        last: &[usize],
        room: &mut Room,
        stats: &mut Stats,
        softmax: &mut Softmax,
        bias: Option<Bias>,
        places: &Places,
        rstd: &mut Vec<f32>,
    ) {
        let map = trunk.map;
        let (width, q_width, pooled) = (map.width, map.q_width(), self.queries.is_some());
        let cols = Cols { n: offsets[last.len()] };
        let columns = if pooled { Cols { n: last.len() } } else { cols };
        let (kv, n_qkv) = (map.kv(), map.n_qkv());
        let Room { x, normed, mid, o, picked, q, qkv, up, bent, .. } = room;
        let (o, mid) = (&mut o[..columns.len(q_width)], &mut mid[..columns.len(width)]);

        let norm_before = map.causal && !map.norm_after;
        if norm_before {
            trunk.norm(&layer.norm1).forward(par, x, cols, stats, normed);
        }
        let fed = if norm_before { &**normed } else { &**x };
        let Map { causal, window, n_heads, n_kv_heads, .. } = *map;
        let rows = Rows { offsets, last_only: pooled, causal, window, n_heads, n_kv_heads, width: q_width, bias };
        if let Some(queries) = &self.queries {
            gather(fed, width, cols, last, picked);
            let [own, shared] = trunk.onto_split(&layer.qkv, q_width);
            queries.times(par, picked, columns, own, q);
            self.qkv.times(par, fed, cols, shared, qkv);
            trunk.norm_heads(par, &layer.q_norm, q, &Place::all(q_width), columns, rstd, None);
            trunk.norm_heads(par, &layer.k_norm, qkv, &Place { rows: 2 * kv, features: 0..kv }, cols, rstd, None);
            places.turn_last(par, map, q, columns, false);
            places.turn(par, map, qkv, 2 * kv, 0..kv, cols, false);
            let q = Part { values: q, rows: q_width, first: 0 };
            let [k, v] = [0, kv].map(|first| Part { values: qkv, rows: 2 * kv, first });
            attention::forward(par, rows, q, k, v, softmax, o);
        } else {
            self.qkv.times(par, fed, cols, trunk.onto(&layer.qkv), qkv);
            let [queries, keys] = [0..q_width, q_width..q_width + kv].map(|features| Place { rows: n_qkv, features });
            trunk.norm_heads(par, &layer.q_norm, qkv, &queries, cols, rstd, None);
            trunk.norm_heads(par, &layer.k_norm, qkv, &keys, cols, rstd, None);
            places.turn(par, map, qkv, n_qkv, 0..q_width + kv, cols, false);
            let [q, k, v] = [0, q_width, q_width + kv].map(|first| Part { values: qkv, rows: n_qkv, first });
            attention::forward(par, rows, q, k, v, softmax, o);
        }
        zero_padding(q_width, columns, o);

        if pooled {
            gather(x, width, cols, last, picked);
        }
        let residual = if pooled { &**picked } else { &**x };
        if map.norm_after {
            // The block's input is not needed any more once `normed` has the stream after attention.
            self.out.times(par, o, columns, trunk.onto(&layer.out), mid);
            trunk.norm(&layer.norm1).forward(par, mid, columns, stats, normed);
            add((par, columns.len(width)), residual, normed);
        } else {
            self.out.times(par, o, columns, trunk.onto_and(&layer.out, residual), mid);
            let norm = if map.causal { &layer.norm2 } else { &layer.norm1 };
            trunk.norm(norm).forward(par, if map.parallel { residual } else { mid }, columns, stats, normed);
        }
        let up = &mut up[..columns.len(map.n_up())];
        let up = match map.feed {
            Feed::Bent(activation) => {
                self.up.times(par, normed, columns, trunk.onto_bent(&layer.up, activation), up);
                up
            }
            Feed::Gated => {
                self.up.times(par, normed, columns, trunk.onto(&layer.up), up);
                let bent = &mut bent[..columns.len(map.inner)];
                gate(par, up, map.inner, columns, bent);
                bent
            }
        };
        if map.norm_after {
            self.down.times(par, up, columns, trunk.onto(&layer.down), mid);
            trunk.norm(&layer.norm2).forward(par, mid, columns, stats, x);
            add((par, columns.len(width)), normed, x);
        } else if map.causal {
            self.down.times(par, up, columns, trunk.onto_and(&layer.down, mid), x);
        } else {
            self.down.times(par, up, columns, trunk.onto_and(&layer.down, normed), mid);
            trunk.norm(&layer.norm2).forward(par, mid, columns, stats, x);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::random::Random;
    use crate::models::testing::tiny_bert;

    /// Rows of so many tokens, cut into batches.
    fn cut(lengths: &[usize]) -> (Packed, Vec<Range<usize>>) {
        let tokens = vec![1; 4000];
        let batch = Packed::new(lengths.iter().map(|n| &tokens[..*n]));
        let model = tiny_bert(0);
        let ranges = Reader::new(&model.inner.arch, &model.inner.params.values, Precision::F32).cut(&batch);
        (batch, ranges)
    }

    #[test]
    fn batches_hold_every_row_once_and_end_with_whole_vectors_where_they_can() {
        let mut random = Random::new(0, "cut");
        let short: Vec<usize> = (0..2000).map(|_| 8 + random.below(16)).collect();
        for lengths in [vec![1], vec![5, 3], vec![4000, 1, 1, 4000], vec![3000; 5], vec![16; 900], short.clone()] {
            let (batch, ranges) = cut(&lengths);
            let rows: Vec<usize> = ranges.iter().cloned().flatten().collect();
            assert_eq!(rows, (0..batch.n_rows()).collect::<Vec<_>>());
            let longest = lengths.iter().max().expect("some row");
            for rows in ranges {
                let n = batch.offsets[rows.end] - batch.offsets[rows.start];
                assert!(!rows.is_empty() && n <= TOKENS[1] * 5 / 4 + longest, "{rows:?} has {n} tokens");
            }
        }
        let (batch, ranges) = cut(&short);
        let n = |rows: &Range<usize>| batch.offsets[rows.end] - batch.offsets[rows.start];
        let lost: usize = ranges.iter().map(|rows| n(rows).next_multiple_of(LANES) - n(rows)).sum();
        // Ends as they come lose seven and a half tokens of a batch.
        assert!(ranges.len() > 10 && lost < 2 * ranges.len(), "{lost} tokens lost in {} batches", ranges.len());
        assert!(ranges.iter().all(|rows| n(rows) <= TOKENS[1] * 5 / 4));
    }
}
