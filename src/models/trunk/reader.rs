//! Reading: features of many rows without a way back. Weights are made ready once, rows go through in batches of some
//! hundred tokens, each on one thread from the first block to the last, so that a core works in its own caches. A reader that
//! speaks reads a few tokens of each row at a time, behind those that the row's [`Cache`] remembers.
#![allow(clippy::indexing_slicing)] // Ranges come from the map and the batch, both checked at the trunk's door.

use super::cache::{Cache, Past};
use super::map::{Feed, Layer, Map, Pair};
use super::places::Places;
use super::residual::{add, pool};
use super::shard::Trunk;
use super::{Packed, check, embed};
use crate::core::context::{Interrupt, Interrupted};
use crate::kernels::Precision;
use crate::kernels::attention::relative::{Bias, Distances};
use crate::kernels::attention::{self, Part, Rows, Softmax};
use crate::kernels::dots::dots_of_many;
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
/// Tokens of a batch, at least and at most. Arbitrary: fewer do not pay for reading the weights, more keep an interrupt waiting.
const TOKENS: [usize; 2] = [256, 2048];
/// The part of a batch by which it may be longer or shorter, so that it ends well: arbitrary.
const SWAY: usize = 12;
/// Batches below which a big model's operations split their work too: arbitrary.
const FEW: usize = 8;

/// A trunk that only reads.
pub struct Reader<'a> {
    arch: &'a Arch,
    map: Map,
    params: &'a [f32],
    blocks: Vec<Block<'a>>,
    purpose: For,
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

/// How a reader's weights lie, which follows from what it is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum For {
    /// Features of each row: the last block of a causal trunk goes on with the rows' last tokens alone.
    Features,
    /// States of all tokens.
    States,
    /// A few tokens of each row at a time, of whose bits none depends on those beside it.
    Speech,
}

/// What a pass ends with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// [`super::features`].
    Features,
    /// States of all tokens after so many blocks; after the last one of a causal trunk behind the final norm.
    States(usize),
    /// Final states of each row's last token.
    Last,
}

/// What a batch is computed in.
#[derive(Default)]
pub struct Desk {
    offsets: Vec<usize>,
    /// How many tokens each row had before; empty for none.
    starts: Vec<usize>,
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
        let bent = if map.is_gated() { cols.len(map.inner) } else { 0 };
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

impl Desk {
    /// Makes ready for rows that end at these places.
    fn take(&mut self, offsets: impl Iterator<Item = usize>) {
        self.offsets.clear();
        self.offsets.extend(offsets);
        self.last.clear();
        self.last.extend(self.offsets.iter().skip(1).map(|end| end - 1));
        self.starts.clear();
    }
}

impl<'a> Reader<'a> {
    /// Makes the weights of a trunk ready to give features.
    pub fn new(arch: &'a Arch, params: &'a [f32], precision: Precision) -> Self {
        Reader::made(arch, params, precision, For::Features)
    }

    /// Makes them ready to give the states of all tokens: [`Reader::states`].
    pub fn of_tokens(arch: &'a Arch, params: &'a [f32], precision: Precision) -> Self {
        Reader::made(arch, params, precision, For::States)
    }

    /// Makes them ready to go on with rows: [`Reader::extend`]. The weights are read where they lie and take no memory.
    pub fn speaking(arch: &'a Arch, params: &'a [f32]) -> Self {
        Reader::made(arch, params, Precision::F32, For::Speech)
    }

    fn made(arch: &'a Arch, params: &'a [f32], precision: Precision, purpose: For) -> Self {
        let map = Map::new(arch);
        let mut shelf = Shelf::default();
        let mut weight = |range: &Range<usize>, rows: usize, depth: usize| {
            let values = params.get(range.clone()).unwrap_or_default();
            if purpose == For::Speech {
                return Prepared::by_dots(values, rows, depth);
            }
            Prepared::new(values, rows, depth, precision, &mut shelf)
        };
        let (width, q_width, inner, n_layers) = (map.width, map.q_width(), map.inner, map.layers.len());
        // Parameters of another architecture are refused by `check` before anything is read.
        let layers = if params.len() == map.n_params { &map.layers[..] } else { &[] };
        let blocks = layers
            .iter()
            .enumerate()
            .map(|(idx, layer)| {
                let pooled = map.causal && purpose == For::Features && idx + 1 == n_layers;
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
        Reader { arch, map, params, blocks, purpose }
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
        if self.purpose != For::Features || check(self.arch, self.params, batch).is_err() {
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
            self.read(par, batch, rows, &mut desk, End::Features, features, interrupt)?;
            free().push(desk);
            done(n);
            Ok(())
        };
        parts.into_par_iter().with_max_len(1).try_for_each(read)?;
        Ok(features)
    }

    /// What `each` makes of the states of every token after the first `n_layers` blocks (row-major `[tokens, width]`; after
    /// all blocks of a causal trunk behind its final norm), batch by batch of whole rows, in order. `None` for a batch that
    /// [`check`] refuses or a trunk with fewer blocks.
    pub fn states<T: Send>(
        &self,
        batch: &Packed,
        n_layers: usize,
        interrupt: &Interrupt,
        each: &(dyn Fn(Range<usize>, &[f32]) -> T + Sync),
    ) -> Result<Option<Vec<T>>, Interrupted> {
        let fits = self.purpose == For::States && n_layers <= self.map.layers.len();
        if !fits || check(self.arch, self.params, batch).is_err() {
            return Ok(None);
        }
        let parts = self.cut(batch);
        let par = parts.len() < FEW && self.map.is_big();
        let desks: Mutex<Vec<(Desk, Vec<f32>)>> = Mutex::default();
        let read = |rows: Range<usize>| {
            let _flush = FlushDenormals::new();
            let free = || desks.lock().unwrap_or_else(PoisonError::into_inner);
            let (mut desk, mut states) = free().pop().unwrap_or_default();
            let n = (batch.offsets[rows.end] - batch.offsets[rows.start]) * self.map.width;
            pages::grow(&mut states, n);
            self.read(par, batch, rows.clone(), &mut desk, End::States(n_layers), &mut states[..n], interrupt)?;
            let made = each(rows, &states[..n]);
            free().push((desk, states));
            Ok(made)
        };
        parts.into_par_iter().with_max_len(1).map(read).collect::<Result<Vec<T>, Interrupted>>().map(Some)
    }

    /// Reads each row of `batch` behind what its cache remembers, which then has these tokens too: the final states of each
    /// row's last token, row-major `[n_rows, width]`. `None` for a batch that [`check`] refuses, for rows without a cache or
    /// beyond its capacity, and from a trunk that is not causal. A row's states do not depend on the rows beside it.
    pub fn extend(
        &self,
        par: bool,
        batch: &Packed,
        caches: &mut [&mut Cache],
        desk: &mut Desk,
        interrupt: &Interrupt,
    ) -> Result<Option<Vec<f32>>, Interrupted> {
        let (map, n_rows) = (&self.map, batch.n_rows());
        let has_room = |(row, cache): (&[u32], &&mut Cache)| {
            cache.len() + row.len() <= cache.capacity().min(self.arch.context())
                && cache.layers.len() == map.layers.len()
        };
        let fits = self.purpose == For::Speech && map.causal && caches.len() == n_rows;
        if !fits || check(self.arch, self.params, batch).is_err() || !batch.rows().zip(caches.iter()).all(has_room) {
            return Ok(None);
        }
        let mut states = vec![0.0; n_rows * map.width];
        desk.take(batch.offsets.iter().copied());
        desk.starts.extend(caches.iter().map(|cache| cache.len()));
        self.pass(par, &batch.tokens, desk, Some(caches), End::Last, &mut states, interrupt)?;
        for (row, cache) in batch.rows().zip(caches.iter_mut()) {
            cache.len += row.len();
        }
        Ok(Some(states))
    }

    /// Next-token logits that follow from final states (row-major `[n, width]`), row-major `[n, vocab]`, into `logits`. None of
    /// a row's depends on the rows beside it.
    pub fn next_logits(&self, states: &[f32], logits: &mut Vec<f32>) {
        let Map { vocab, width, .. } = self.map;
        let n = states.len() / width.max(1);
        pages::grow(logits, n * vocab);
        logits.truncate(n * vocab);
        let weight = self.params.get(self.map.unembed.clone()).unwrap_or_default();
        if weight.len() < vocab * width {
            logits.fill(f32::NAN);
            return;
        }
        dots_of_many(self.map.is_big(), weight, vocab, width, states, n, logits);
    }

    /// Whether a pass over few tokens is worth the pool's threads; else passes are worth being spread over them.
    pub fn is_big(&self) -> bool {
        self.map.is_big()
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

    /// What the pass of rows `rows` ends with, row-major.
    #[allow(clippy::too_many_arguments)]
    fn read(
        &self,
        par: bool,
        batch: &Packed,
        rows: Range<usize>,
        desk: &mut Desk,
        end: End,
        out: &mut [f32],
        interrupt: &Interrupt,
    ) -> Result<(), Interrupted> {
        let (first, behind) = (batch.offsets[rows.start], batch.offsets[rows.end]);
        desk.take(batch.offsets[rows.start..=rows.end].iter().map(|offset| offset - first));
        self.pass(par, &batch.tokens[first..behind], desk, None, end, out, interrupt)
    }

    /// The rows that the desk was made ready for through the trunk.
    #[allow(clippy::too_many_arguments)]
    fn pass(
        &self,
        par: bool,
        tokens: &[u32],
        desk: &mut Desk,
        caches: Option<&mut [&mut Cache]>,
        end: End,
        out: &mut [f32],
        interrupt: &Interrupt,
    ) -> Result<(), Interrupted> {
        let Desk { offsets, starts, last, memory, stats, softmax, distances, places, rstd } = desk;
        let (map, width, n_rows) = (&self.map, self.map.width, last.len());
        let (cols, columns) = (Cols { n: offsets[n_rows] }, Cols { n: n_rows });
        let trunk = Trunk { map, params: self.params };
        let mut room = Room::new(memory, map, cols, columns);

        let before = |row: usize| starts.get(row).copied().unwrap_or(0);
        let ends = offsets.windows(2).enumerate().map(|(row, ends)| before(row) + ends[1] - ends[0]);
        let longest = ends.max().unwrap_or(0);
        distances.unroll(&self.params[map.relative.clone()], map.n_heads, longest);
        places.lay(par, map, offsets, starts, longest);
        embed::sum(false, trunk, tokens, offsets, starts, room.tokens);
        if map.causal {
            from_tokens(par, room.tokens, width, cols, room.x);
        } else {
            from_tokens(par, room.tokens, width, cols, room.mid);
            trunk.norm(&map.norm).forward(par, room.mid, cols, stats, room.x);
        }
        let mut past = caches.map(|caches| Past { starts, caches });
        let n_layers = if let End::States(n_layers) = end { n_layers } else { map.layers.len() };
        for (layer, block) in map.layers.iter().zip(&self.blocks).take(n_layers) {
            interrupt.check()?;
            let (bias, past) = (distances.bias(), past.as_mut());
            block.read(par, trunk, layer, offsets, last, &mut room, stats, softmax, bias, places, past, rstd);
        }

        match end {
            End::States(n) => {
                let last = map.last_norm().filter(|_| n == map.layers.len());
                let states = ended(par, trunk, last, room.x, cols, stats, room.normed);
                to_tokens(par, states, width, cols, out);
            }
            End::Features if !map.causal => {
                let states = ended(par, trunk, map.last_norm(), room.x, cols, stats, room.normed);
                to_tokens(par, states, width, cols, room.tokens);
                pool(map.pooling, room.tokens, width, offsets, out);
            }
            End::Features | End::Last => {
                // A pooled last block has picked them already.
                if end == End::Last || map.layers.is_empty() {
                    gather(room.x, width, cols, last, &mut room.mid[..columns.len(width)]);
                    std::mem::swap(&mut room.x, &mut room.mid);
                }
                trunk.norm(&map.norm).forward(par, room.x, columns, stats, room.normed);
                to_tokens(par, room.normed, width, columns, out);
            }
        }
        Ok(())
    }
}

/// `x` behind the norm, which is laid into `normed`; `x` itself where there is none.
fn ended<'x>(
    par: bool,
    trunk: Trunk,
    norm: Option<&Pair>,
    x: &'x [f32],
    cols: Cols,
    stats: &mut Stats,
    normed: &'x mut [f32],
) -> &'x [f32] {
    let Some(norm) = norm else { return x };
    trunk.norm(norm).forward(par, x, cols, stats, normed);
    normed
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
        past: Option<&mut Past>,
        rstd: &mut Vec<f32>,
    ) {
        let map = trunk.map;
        let (width, q_width, pooled) = (map.width, map.q_width(), self.queries.is_some());
        let cols = Cols { n: offsets[last.len()] };
        let columns = if pooled { Cols { n: last.len() } } else { cols };
        let (kv, n_qkv) = (map.kv(), map.n_qkv());
        let Room { x, normed, mid, o, picked, q, qkv, up, bent, .. } = room;
        let (o, mid) = (&mut o[..columns.len(q_width)], &mut mid[..columns.len(width)]);

        let norm_before = map.pre && !map.norm_after && !layer.norm1.weight.is_empty();
        if norm_before {
            trunk.norm(&layer.norm1).forward(par, x, cols, stats, normed);
        }
        let fed = if norm_before { &**normed } else { &**x };
        let (&Map { causal, n_heads, n_kv_heads, .. }, window) = (map, map.window_of(layer.nth));
        let rows = Rows { offsets, last_only: pooled, causal, window, n_heads, n_kv_heads, width: q_width, bias };
        if let Some(queries) = &self.queries {
            gather(fed, width, cols, last, picked);
            let [own, shared] = trunk.onto_split(&layer.qkv, q_width);
            queries.times(par, picked, columns, own, q);
            self.qkv.times(par, fed, cols, shared, qkv);
            trunk.norm_heads(par, &layer.q_norm, q, &Place::all(q_width), columns, rstd, None);
            trunk.norm_heads(par, &layer.k_norm, qkv, &Place { rows: 2 * kv, features: 0..kv }, cols, rstd, None);
            places.turn_last(par, map, q, columns, false);
            places.turn(par, map, layer.nth, qkv, 2 * kv, 0..kv, cols, false);
            let q = Part { values: q, rows: q_width, first: 0 };
            let [k, v] = [0, kv].map(|first| Part { values: qkv, rows: 2 * kv, first });
            attention::forward(par, rows, q, k, v, softmax, o);
        } else {
            self.qkv.times(par, fed, cols, trunk.onto(&layer.qkv), qkv);
            let [queries, keys] = [0..q_width, q_width..q_width + kv].map(|features| Place { rows: n_qkv, features });
            trunk.norm_heads(par, &layer.q_norm, qkv, &queries, cols, rstd, None);
            trunk.norm_heads(par, &layer.k_norm, qkv, &keys, cols, rstd, None);
            places.turn(par, map, layer.nth, qkv, n_qkv, 0..q_width + kv, cols, false);
            let [q, k, v] = [0, q_width, q_width + kv].map(|first| Part { values: qkv, rows: n_qkv, first });
            match past {
                None => attention::forward(par, rows, q, k, v, softmax, o),
                Some(past) => past.attend(par, map, layer.nth, offsets, q, k, v, o),
            }
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
            let norm = if map.pre { &layer.norm2 } else { &layer.norm1 };
            trunk.norm(norm).forward(par, if map.parallel { residual } else { mid }, columns, stats, normed);
        }
        let up = &mut up[..columns.len(map.n_up())];
        let up = match map.feed {
            Feed::Bent(activation) => {
                self.up.times(par, normed, columns, trunk.onto_bent(&layer.up, activation), up);
                up
            }
            Feed::Gated(kind) => {
                self.up.times(par, normed, columns, trunk.onto(&layer.up), up);
                let bent = &mut bent[..columns.len(map.inner)];
                gate(par, kind, up, map.inner, columns, bent);
                bent
            }
        };
        if map.norm_after {
            self.down.times(par, up, columns, trunk.onto(&layer.down), mid);
            trunk.norm(&layer.norm2).forward(par, mid, columns, stats, x);
            add((par, columns.len(width)), normed, x);
        } else if map.pre {
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
