//! Reading: features of many rows without a way back. Weights are made ready once, rows go through in batches of some
//! hundred tokens, each on one thread from the first block to the last, so that a core works in its own caches.
#![allow(clippy::indexing_slicing)] // Ranges come from the map and the batch, both checked at the trunk's door.

use super::kept::room;
use super::map::{Map, Pair};
use super::shard::Trunk;
use super::{Packed, check, embed};
use crate::host::lab::{Interrupt, Interrupted};
use crate::host::model::arch::Arch;
use crate::host::tensor::Precision;
use crate::host::tensor::attention::{self, Part, Rows, Softmax};
use crate::host::tensor::gelu::gelu_in_place;
use crate::host::tensor::matmul::Onto;
use crate::host::tensor::norm::Stats;
use crate::host::tensor::panel::{Cols, from_tokens, gather, to_tokens, zero_padding};
use crate::host::tensor::prepared::Prepared;
use crate::host::tensor::simd::{FlushDenormals, LANES};
use rayon::prelude::*;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

/// Floats of a batch's widest activation. Chosen by measuring (LOG.md): most of a second-level cache.
const BATCH: usize = 1 << 19;
/// Tokens of a batch, at least and at most. Chosen: fewer do not pay for reading the weights, more keep an interrupt waiting.
const TOKENS: [usize; 2] = [256, 2048];
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
    tokens: Vec<f32>,
    x: Vec<f32>,
    normed: Vec<f32>,
    picked: Vec<f32>,
    q: Vec<f32>,
    qkv: Vec<f32>,
    o: Vec<f32>,
    mid: Vec<f32>,
    up: Vec<f32>,
    stats: Stats,
    softmax: Softmax,
}

impl<'a> Reader<'a> {
    /// Makes the weights of a trunk ready. `None` if the parameters are not those of this architecture.
    pub fn new(arch: &'a Arch, params: &'a [f32], precision: Precision) -> Self {
        let map = Map::new(arch);
        let weight = |range: &Range<usize>, rows: usize, depth: usize| {
            Prepared::new(params.get(range.clone()).unwrap_or_default(), rows, depth, precision)
        };
        let (width, inner, n_layers) = (map.width, map.inner, map.layers.len());
        // Parameters of another architecture are refused by `check` before anything is read.
        let layers = if params.len() == map.n_params { &map.layers[..] } else { &[] };
        let blocks = layers
            .iter()
            .enumerate()
            .map(|(idx, layer)| {
                let pooled = map.causal && idx + 1 == n_layers;
                let all = &layer.qkv.weight;
                let n_queries = if pooled { width } else { 0 };
                let rest = all.start + n_queries * width..all.end;
                Block {
                    queries: pooled.then(|| weight(&(all.start..rest.start), width, width)),
                    qkv: weight(&rest, 3 * width - n_queries, width),
                    out: weight(&layer.out.weight, width, width),
                    up: weight(&layer.up.weight, inner, width),
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

    /// Batches of whole rows with about as many tokens each.
    fn cut(&self, batch: &Packed) -> Vec<Range<usize>> {
        let [least, most] = TOKENS;
        let n_tokens = batch.tokens.len();
        let per_batch = (BATCH / self.map.inner.max(1)).clamp(least, most);
        let n_batches = n_tokens.div_ceil(per_batch);
        let ends = (1..=n_batches).map(|idx| batch.offsets.partition_point(|at| *at < n_tokens * idx / n_batches));
        let mut start = 0;
        ends.filter_map(|end| {
            let rows = start..end;
            start = end.max(start);
            (!rows.is_empty()).then_some(rows)
        })
        .collect()
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
        let cols = Cols { n: desk.offsets[n_rows] };
        let trunk = Trunk { map, params: self.params };

        let sum = room(&mut desk.tokens, width * cols.n + LANES);
        embed::sum(false, trunk, &batch.tokens[first..first + cols.n], &desk.offsets, sum);
        let x = room(&mut desk.x, cols.len(width));
        if map.causal {
            from_tokens(par, sum, width, cols, x);
        } else {
            let mid = room(&mut desk.mid, cols.len(width));
            from_tokens(par, sum, width, cols, mid);
            trunk.norm(&map.norm).forward(par, mid, cols, &mut desk.stats, x);
        }
        for (layer, block) in map.layers.iter().zip(&self.blocks) {
            interrupt.check()?;
            self.block(
                par,
                trunk,
                [&layer.norm1, &layer.norm2],
                [&layer.qkv, &layer.out, &layer.up, &layer.down],
                block,
                desk,
            );
        }

        if map.causal {
            let columns = Cols { n: n_rows };
            if map.layers.is_empty() {
                gather(&desk.x, width, cols, &desk.last, room(&mut desk.mid, columns.len(width)));
                std::mem::swap(&mut desk.x, &mut desk.mid);
            }
            let normed = room(&mut desk.normed, columns.len(width));
            trunk.norm(&map.norm).forward(par, &desk.x, columns, &mut desk.stats, normed);
            to_tokens(par, normed, width, columns, features);
            return Ok(());
        }
        let states = room(&mut desk.tokens, width * cols.n);
        to_tokens(par, &desk.x, width, cols, states);
        super::shard::mean_of_tokens(states, width, &desk.offsets, features);
        Ok(())
    }

    /// `desk.x` through a block.
    fn block(&self, par: bool, trunk: Trunk, norms: [&Pair; 2], pairs: [&Pair; 4], block: &Block, desk: &mut Desk) {
        let map = trunk.map;
        let (width, inner) = (map.width, map.inner);
        let [qkv_bias, out_bias, up_bias, down_bias] = pairs.map(|pair| trunk.bias(pair));
        let Desk { offsets, last, x, normed, picked, q, qkv, o, mid, up, stats, softmax, .. } = desk;
        let n_rows = last.len();
        let cols = Cols { n: offsets[n_rows] };
        let pooled = block.queries.is_some();
        let columns = if pooled { Cols { n: n_rows } } else { cols };

        let fed = if map.causal {
            let normed = room(normed, cols.len(width));
            trunk.norm(norms[0]).forward(par, x, cols, stats, normed);
            &*normed
        } else {
            &x[..]
        };
        let rows = Rows { offsets, last_only: pooled, causal: map.causal, n_heads: map.n_heads, width };
        let out = room(o, columns.len(width));
        if let Some(queries) = &block.queries {
            let picked = room(picked, columns.len(width));
            gather(fed, width, cols, last, picked);
            let (own, shared) = qkv_bias.split_at(width);
            let q = room(q, columns.len(width));
            queries.times(par, picked, columns, Onto::Bias(own), q);
            let kv = room(qkv, cols.len(2 * width));
            block.qkv.times(par, fed, cols, Onto::Bias(shared), kv);
            let q = Part { values: q, rows: width, first: 0 };
            let [k, v] = [0, width].map(|first| Part { values: kv, rows: 2 * width, first });
            attention::forward(par, rows, q, k, v, softmax, out);
        } else {
            let qkv = room(qkv, cols.len(3 * width));
            block.qkv.times(par, fed, cols, Onto::Bias(qkv_bias), qkv);
            let [q, k, v] = [0, width, 2 * width].map(|first| Part { values: qkv, rows: 3 * width, first });
            attention::forward(par, rows, q, k, v, softmax, out);
        }
        zero_padding(width, columns, out);

        let residual = if pooled {
            let picked = room(picked, columns.len(width));
            gather(x, width, cols, last, picked);
            &*picked
        } else {
            &x[..]
        };
        let mid = room(mid, columns.len(width));
        block.out.times(par, out, columns, Onto::BiasAnd(out_bias, residual), mid);
        let normed = room(normed, columns.len(width));
        trunk.norm(norms[usize::from(map.causal)]).forward(par, mid, columns, stats, normed);
        let up = room(up, columns.len(inner));
        block.up.times(par, normed, columns, Onto::Bias(up_bias), up);
        gelu_in_place(par, map.activation, up);
        let x = room(x, columns.len(width));
        if map.causal {
            block.down.times(par, up, columns, Onto::BiasAnd(down_bias, mid), x);
        } else {
            block.down.times(par, up, columns, Onto::BiasAnd(down_bias, normed), mid);
            trunk.norm(norms[1]).forward(par, mid, columns, stats, x);
        }
    }
}
