//! One shard of a batch: its forward and backward pass, and the buffers between them.
#![allow(clippy::indexing_slicing)] // Ranges come from the map and the batch, both checked at the trunk's door.

mod tokens;

use super::dropout::{Dropout, Site};
use super::embed;
use super::kept::{Kept, Saved, room};
use super::map::{Feed, Layer, Map, Pair};
use super::places::Places;
use super::residual::{add, add_to, added, drops, gradient_of_added, pool, pool_gradient, some, zero};
use crate::kernels::attention::relative::{Bias, Distances};
use crate::kernels::attention::{self, Into, Part, Rows};
use crate::kernels::entropy::{self, NO_TARGET};
use crate::kernels::gate::{gate, gate_gradient};
use crate::kernels::gelu::{gelu, gelu_gradient};
use crate::kernels::matmul::{Left, Onto, product, weight_gradient};
use crate::kernels::norm::groups::{self, Groups, Place};
use crate::kernels::norm::{Norm, Stats};
use crate::kernels::panel::{Cols, from_tokens, gather, scatter_add, to_tokens, zero_padding};
use crate::kernels::simd::LANES;
use crate::kernels::tasks::Raw;
use crate::models::arch::Activation;
use std::ops::Range;

/// Rows of a batch that go through the trunk together.
#[derive(Debug, Default)]
pub(super) struct Shard {
    /// How it computes.
    how: How,
    /// What it drops.
    pub dropout: Option<Dropout>,
    /// The first row of the batch that is this shard's, and the first token.
    pub first_row: usize,
    pub first_token: usize,
    offsets: Vec<usize>,
    /// Each row's last token.
    last: Vec<usize>,
    /// Of each block, or of the one that is computed again.
    saved: Vec<Saved>,
    /// What scores get for their distance, and its gradient from all blocks.
    distances: Distances,
    d_distances: Vec<f32>,
    places: Places,
    /// The blocks' inputs, when they are computed again.
    inputs: Vec<Vec<f32>>,
    /// Input and statistics of the norm outside the blocks: the last (causal) or the embedding's (BERT).
    outer: Vec<f32>,
    outer_stats: Stats,
    /// The same of the last norm where the embedding has one too (ModernBERT).
    ended: Vec<f32>,
    ended_stats: Stats,
    /// The final states, or features, in panels.
    y: Vec<f32>,
    /// The same, row-major.
    pub rows: Vec<f32>,
    /// The gradient on its way down.
    d: Vec<f32>,
    /// Gradients of this shard alone when there are several.
    pub grads: Vec<f32>,
    work: Work,
    head: entropy::Scratch,
}

/// How a shard computes.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct How {
    /// Whether operations split their work over the pool.
    pub par: bool,
    /// Whether a block's forward pass is made again for its backward pass, from `inputs`; `saved` then has one entry.
    pub recompute: bool,
    /// Whether the forward pass keeps what it can where gradients will be: see [`super::kept`].
    pub lent: bool,
    /// Whether gradients are set instead of added to.
    pub set: bool,
}

/// Working memory that no pass leaves anything in, but for the gradient of the embeddings.
#[derive(Debug, Default)]
struct Work {
    a: Vec<f32>,
    b: Vec<f32>,
    c: Vec<f32>,
    inner: Vec<f32>,
    d_inner: Vec<f32>,
    tokens: Vec<f32>,
    /// The gradient of what was added to the residual stream, where some of that was dropped.
    dropped: Vec<f32>,
}

/// Parameters of a trunk and where they lie.
#[derive(Clone, Copy)]
pub(super) struct Trunk<'a> {
    pub map: &'a Map,
    pub params: &'a [f32],
}

impl<'a> Trunk<'a> {
    pub(super) fn norm(&self, pair: &Pair) -> Norm<'a> {
        let bias = if pair.bias.is_empty() { &self.map.zeros } else { &self.params[pair.bias.clone()] };
        Norm { weight: &self.params[pair.weight.clone()], bias, eps: self.map.eps }
    }

    /// A product that adds the pair's bias, if it has one.
    pub(super) fn onto(&self, pair: &Pair) -> Onto<'a> {
        if pair.bias.is_empty() { Onto::Nothing } else { Onto::Bias(self.bias(pair)) }
    }

    /// As [`Trunk::onto`], the activation of the sum.
    pub(super) fn onto_bent(&self, pair: &Pair, activation: Activation) -> Onto<'a> {
        Onto::Bent((!pair.bias.is_empty()).then(|| self.bias(pair)), activation)
    }

    /// A product that adds the pair's bias, if it has one, and `residual`.
    pub(super) fn onto_and<'b>(&self, pair: &Pair, residual: &'b [f32]) -> Onto<'b>
    where
        'a: 'b,
    {
        if pair.bias.is_empty() { Onto::And(residual) } else { Onto::BiasAnd(self.bias(pair), residual) }
    }

    /// As [`Trunk::onto`], for the first `n` rows of the pair and for the rest.
    pub(super) fn onto_split(&self, pair: &Pair, n: usize) -> [Onto<'a>; 2] {
        if pair.bias.is_empty() {
            return [Onto::Nothing; 2];
        }
        let (own, rest) = self.bias(pair).split_at(n);
        [Onto::Bias(own), Onto::Bias(rest)]
    }

    /// Normalises queries or keys at `place` of `x`, if they have gains, keeping in `raw` what they were.
    #[allow(clippy::too_many_arguments)]
    pub(super) fn norm_heads(
        &self,
        par: bool,
        gains: &Range<usize>,
        x: &mut [f32],
        place: &Place,
        cols: Cols,
        rstd: &mut Vec<f32>,
        raw: Option<&mut [f32]>,
    ) {
        if gains.is_empty() {
            return;
        }
        if let Some(raw) = raw {
            groups::copy(par, x, place, cols, raw);
        }
        self.groups(gains).forward(par, x, place, cols, rstd);
    }

    fn groups(&self, gains: &Range<usize>) -> Groups<'a> {
        Groups { gains: &self.params[gains.clone()], eps: self.map.eps }
    }

    pub(super) fn weight(&self, pair: &Pair) -> &'a [f32] {
        &self.params[pair.weight.clone()]
    }

    /// The weight of a layer that gives the stream's features from `depth` of its own.
    pub(super) fn left(&self, pair: &Pair, depth: usize) -> Left<'a> {
        Left::weight(self.weight(pair), self.map.width, depth)
    }

    fn bias(&self, pair: &Pair) -> &'a [f32] {
        &self.params[pair.bias.clone()]
    }
}

/// Gradients, flat, of the parameters from `from` on. Before the backward pass reaches them they are memory to work in.
pub(super) struct Grads<'a> {
    pub values: &'a mut [f32],
    pub from: usize,
}

impl Grads<'_> {
    /// No gradients at all.
    pub(super) fn none() -> Self {
        Grads { values: &mut [], from: 0 }
    }

    /// A pair's weight and bias; they lie side by side.
    fn pair(&mut self, pair: &Pair) -> (&mut [f32], &mut [f32]) {
        let both = &mut self.values[pair.weight.start - self.from..pair.bias.end - self.from];
        both.split_at_mut(pair.weight.len())
    }

    /// The gradients of a range of parameters.
    fn range(&mut self, range: &Range<usize>) -> &mut [f32] {
        &mut self.values[range.start - self.from..range.end - self.from]
    }

    /// The memory before parameter `end`, from `start` on; nothing if there are no gradients.
    fn free(&mut self, start: usize, end: usize) -> &mut [f32] {
        self.values.get_mut(start.saturating_sub(self.from)..end - self.from).unwrap_or_default()
    }
}

/// What a forward pass is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Want {
    /// One vector for each row.
    Features,
    /// One vector for each token.
    States,
}

impl Shard {
    /// Takes rows `rows` of a batch with these offsets.
    pub(super) fn take(&mut self, how: How, offsets: &[usize], rows: std::ops::Range<usize>) {
        self.how = how;
        self.first_row = rows.start;
        self.first_token = offsets[rows.start];
        self.offsets.clear();
        self.offsets.extend(offsets[rows.start..=rows.end].iter().map(|offset| offset - self.first_token));
        self.last.clear();
        self.last.extend(self.offsets[1..].iter().map(|end| end - 1));
    }

    /// Floats kept between the passes.
    #[cfg(test)]
    pub(super) fn n_kept(&self) -> usize {
        let inputs = self.inputs.iter().map(Vec::len).sum::<usize>();
        inputs + self.saved.iter().map(|saved| saved.x.len() + saved.own.len()).sum::<usize>()
    }

    /// Whether this shard's operations split their work over the pool.
    pub(super) fn par(&self) -> bool {
        self.how.par
    }

    /// After a backward pass: the gradient of the summed embeddings, row-major `[tokens, width]`.
    pub(super) fn d_tokens(&self, width: usize) -> &[f32] {
        self.work.tokens.get(..width * self.cols().n).unwrap_or_default()
    }

    /// The first token of each row, and one more entry.
    pub(super) fn offsets(&self) -> &[usize] {
        &self.offsets
    }

    pub(super) fn n_rows(&self) -> usize {
        self.last.len()
    }

    /// This shard's tokens.
    pub(super) fn cols(&self) -> Cols {
        Cols { n: self.offsets[self.n_rows()] }
    }

    /// The forward pass. Leaves the result in `self.rows`, row-major: `[n_rows, width]` or `[n_tokens, width]`. With
    /// `keep`, [`Shard::backward`] can follow; `grads` are then what it will be given.
    pub(super) fn forward(&mut self, trunk: Trunk, tokens: &[u32], want: Want, keep: bool, grads: &mut Grads) {
        self.states(trunk, tokens, want, keep, grads);
        let (width, cols) = (trunk.map.width, self.cols());
        let columns = if trunk.map.causal && want == Want::Features { Cols { n: self.n_rows() } } else { cols };
        if trunk.map.causal || want == Want::States {
            to_tokens(self.how.par, &self.y, width, columns, room(&mut self.rows, width * columns.n));
            return;
        }
        let states = room(&mut self.work.tokens, width * cols.n);
        to_tokens(self.how.par, &self.y, width, cols, states);
        let features = room(&mut self.rows, width * self.last.len());
        pool(trunk.map.pooling, states, width, &self.offsets, features);
    }

    /// The backward pass after [`Shard::forward`] for features with `keep`. `d_features` is this shard's, row-major.
    /// Leaves [`Shard::d_tokens`].
    pub(super) fn backward(&mut self, trunk: Trunk, d_features: &[f32], grads: &mut Grads) {
        let (width, cols) = (trunk.map.width, self.cols());
        let n_rows = self.n_rows();
        let columns = if trunk.map.causal { Cols { n: n_rows } } else { cols };
        let d_rows = room(&mut self.work.tokens, width * columns.n + LANES);
        if trunk.map.causal {
            d_rows[..width * n_rows].copy_from_slice(d_features);
        } else {
            pool_gradient(trunk.map.pooling, d_features, width, &self.offsets, &mut d_rows[..width * cols.n]);
        }
        from_tokens(self.how.par, d_rows, width, columns, room(&mut self.d, columns.len(width)));
        self.descend(trunk, Want::Features, grads);
    }

    /// Sum of the next-token cross-entropies, of those tokens alone that are `counted` where that is said; with `scale`, their
    /// gradients for the loss times that too, which are set ([`Shard::d_tokens`] then is that of the embeddings' sum).
    pub(super) fn next_token(
        &mut self,
        trunk: Trunk,
        tokens: &[u32],
        counted: Option<&[bool]>,
        scale: Option<f32>,
        grads: &mut Grads,
    ) -> f64 {
        self.states(trunk, tokens, Want::States, scale.is_some(), grads);
        let (width, cols) = (trunk.map.width, self.cols());
        let mut targets: Vec<u32> = tokens.iter().skip(1).copied().chain([NO_TARGET]).collect();
        self.last.iter().for_each(|&last| targets[last] = NO_TARGET);
        if let Some(counted) = counted {
            let next = counted.iter().skip(1);
            targets.iter_mut().zip(next).filter(|(_, counts)| !**counts).for_each(|(target, _)| *target = NO_TARGET);
        }
        let (map, unembed) = (trunk.map, &trunk.map.unembed);
        let embed = &trunk.params[unembed.clone()];
        let Some(scale) = scale else {
            return entropy::next_token(self.how.par, embed, width, &self.y, cols, &targets, 0.0, &mut self.head, None);
        };
        let d_embed = grads.free(unembed.start, unembed.end);
        zero(self.how.par, d_embed);
        let d = room(&mut self.d, cols.len(width));
        let both = Some((d_embed, d));
        let loss =
            entropy::next_token(self.how.par, embed, width, &self.y, cols, &targets, scale, &mut self.head, both);
        self.descend(trunk, Want::States, grads);
        if map.unembed != map.token {
            // Nothing was added to the token embedding's yet.
            zero(self.how.par, grads.free(map.token.start, map.token.end));
        }
        loss
    }

    /// Final states in `self.y`; for causal features only those of the rows' last tokens.
    fn states(&mut self, trunk: Trunk, tokens: &[u32], want: Want, keep: bool, grads: &mut Grads) {
        let map = trunk.map;
        let (width, cols) = (map.width, self.cols());
        let again = keep && self.how.recompute;
        let n_saved = if keep && !again { map.layers.len() } else { 1 };
        if again && self.inputs.len() < map.layers.len() {
            self.inputs.resize_with(map.layers.len(), Vec::new);
        }
        if self.saved.len() < n_saved {
            self.saved.resize_with(n_saved, Saved::default);
        }

        let longest = self.offsets.windows(2).map(|row| row[1] - row[0]).max().unwrap_or(0);
        self.distances.unroll(&trunk.params[map.relative.clone()], map.n_heads, longest);
        self.places.lay(self.how.par, map, &self.offsets, &[], longest);
        let sum = room(&mut self.work.tokens, width * cols.n + LANES);
        embed::sum(self.how.par, trunk, tokens, &self.offsets, &[], sum);
        let y = room(&mut self.y, cols.len(width));
        if map.causal {
            from_tokens(self.how.par, sum, width, cols, y);
        } else {
            from_tokens(self.how.par, sum, width, cols, room(&mut self.outer, cols.len(width)));
            trunk.norm(&map.norm).forward(self.how.par, &self.outer, cols, &mut self.outer_stats, y);
        }
        if let Some(drops) = drops(&self.dropout, &self.offsets, Site::Embeddings, false) {
            drops.apply(self.how.par, width, cols, y);
        }

        // The embedding of a model that is trained on next tokens gets its gradient first.
        let mut free = if want == Want::States { map.tokens_end() } else { 0 }.max(grads.from);
        for (idx, layer) in map.layers.iter().enumerate() {
            let place = if keep && !again { idx } else { 0 };
            if again {
                let n = cols.len(width);
                room(&mut self.inputs[idx], n).copy_from_slice(&self.y[..n]);
            }
            let mut saved = std::mem::take(&mut self.saved[place]);
            std::mem::swap(&mut saved.x, &mut self.y);
            saved.free = free;
            let pooled = map.causal && want == Want::Features && idx + 1 == map.layers.len();
            let lent = if self.how.lent && keep { grads.free(free, layer.start()) } else { &mut [][..] };
            free += self.block(trunk, layer, &mut saved, pooled, lent);
            self.saved[place] = saved;
        }

        if map.causal {
            std::mem::swap(&mut self.outer, &mut self.y);
            let mut columns = cols;
            if want == Want::Features {
                columns = Cols { n: self.n_rows() };
                if map.layers.is_empty() {
                    gather(&self.outer, width, cols, &self.last, room(&mut self.work.a, columns.len(width)));
                    std::mem::swap(&mut self.outer, &mut self.work.a);
                }
            }
            let y = room(&mut self.y, columns.len(width));
            trunk.norm(&map.norm).forward(self.how.par, &self.outer, columns, &mut self.outer_stats, y);
        } else if map.pre {
            std::mem::swap(&mut self.ended, &mut self.y);
            let y = room(&mut self.y, cols.len(width));
            trunk.norm(&map.ends).forward(self.how.par, &self.ended, cols, &mut self.ended_stats, y);
        }
    }

    /// From `self.d` (gradient of the final states, or of the pooled ones) down to [`Shard::d_tokens`].
    fn descend(&mut self, trunk: Trunk, want: Want, grads: &mut Grads) {
        let map = trunk.map;
        let (width, cols) = (map.width, self.cols());
        let How { par, recompute, lent, set } = self.how;
        if map.causal {
            if set {
                grads.free(map.norm.weight.start, map.norm.bias.end).fill(0.0);
            }
            let pooled = want == Want::Features;
            let columns = if pooled { Cols { n: self.n_rows() } } else { cols };
            self.outer_norm(trunk, columns, grads);
            if pooled && map.layers.is_empty() {
                let d = room(&mut self.work.a, cols.len(width));
                d.fill(0.0);
                scatter_add(&self.d, width, &self.last, cols, d);
                std::mem::swap(&mut self.d, &mut self.work.a);
            }
        }
        if map.pre && !map.causal {
            if set {
                grads.free(map.ends.weight.start, map.ends.bias.end).fill(0.0);
            }
            let (dw, db) = grads.pair(&map.ends);
            let dx = room(&mut self.work.a, cols.len(width));
            let norm = trunk.norm(&map.ends);
            norm.backward(par, &self.ended, cols, &mut self.ended_stats, &self.d, dw, db, false, dx);
            std::mem::swap(&mut self.d, &mut self.work.a);
        }
        room(&mut self.d_distances, self.distances.len()).fill(0.0);
        for (idx, layer) in map.layers.iter().enumerate().rev() {
            let place = if recompute { 0 } else { idx };
            let mut saved = std::mem::take(&mut self.saved[place]);
            let last = idx + 1 == map.layers.len();
            let pooled = map.causal && want == Want::Features && last;
            if recompute && !last {
                // The last block's forward pass is the one that was kept.
                std::mem::swap(&mut saved.x, &mut self.inputs[idx]);
                self.block(trunk, layer, &mut saved, false, &mut []);
            }
            // Below the block's own gradients lies what was kept, of this block and of those below.
            let (kept, own) = grads.values.split_at_mut(layer.start() - grads.from);
            if set {
                // The weights' products are set, everything else is added up.
                layer
                    .sums()
                    .into_iter()
                    .for_each(|sums| own[sums.start - layer.start()..sums.end - layer.start()].fill(0.0));
            }
            let free = if lent { &mut kept[saved.free - grads.from..] } else { &mut [][..] };
            let own = &mut Grads { values: own, from: layer.start() };
            if map.pre {
                self.causal_block_backward(trunk, layer, &mut saved, pooled, free, own);
            } else {
                self.bert_block_backward(trunk, layer, &mut saved, free, own);
            }
            self.saved[place] = saved;
        }
        if set {
            // The embeddings, and BERT's norm after them; that of the tokens is there already when they are predicted.
            let first = if want == Want::States { map.tokens_end() } else { 0 }.max(grads.from);
            zero(par, grads.free(first, map.blocks_start()));
        }
        if !map.relative.is_empty() {
            let d_lines = &self.d_distances[..self.distances.len()];
            self.distances.gradient(d_lines, grads.free(map.relative.start, map.relative.end));
        }
        if let Some(drops) = drops(&self.dropout, &self.offsets, Site::Embeddings, false) {
            drops.apply(par, width, cols, &mut self.d);
        }
        if !map.causal {
            self.outer_norm(trunk, cols, grads);
        }
        to_tokens(par, &self.d, width, cols, room(&mut self.work.tokens, width * cols.n));
    }

    /// `self.d` through the norm outside the blocks.
    fn outer_norm(&mut self, trunk: Trunk, columns: Cols, grads: &mut Grads) {
        let pair = &trunk.map.norm;
        let (dw, db) = grads.pair(pair);
        let dx = room(&mut self.work.a, columns.len(trunk.map.width));
        let norm = trunk.norm(pair);
        norm.backward(self.how.par, &self.outer, columns, &mut self.outer_stats, &self.d, dw, db, false, dx);
        std::mem::swap(&mut self.d, &mut self.work.a);
    }

    fn attention_rows<'b>(
        offsets: &'b [usize],
        bias: Option<Bias<'b>>,
        map: &Map,
        nth: usize,
        last_only: bool,
    ) -> Rows<'b> {
        let (&Map { causal, n_heads, n_kv_heads, .. }, window) = (map, map.window_of(nth));
        Rows { offsets, last_only, causal, window, n_heads, n_kv_heads, width: map.q_width(), bias }
    }

    /// The forward pass of a block, from `saved.x` to `self.y`; how much of `free` it keeps something in. `pooled`: only
    /// the rows' last tokens go on after attention.
    fn block(&mut self, trunk: Trunk, layer: &Layer, saved: &mut Saved, pooled: bool, free: &mut [f32]) -> usize {
        if trunk.map.pre {
            self.causal_block(trunk, layer, saved, pooled, free)
        } else {
            self.bert_block(trunk, layer, saved, free)
        }
    }

    /// The columns after a pooled block's attention.
    fn pooled_cols(&self, pooled: bool) -> Option<Cols> {
        pooled.then_some(Cols { n: self.last.len() })
    }

    fn causal_block(
        &mut self,
        trunk: Trunk,
        layer: &Layer,
        saved: &mut Saved,
        pooled: bool,
        free: &mut [f32],
    ) -> usize {
        let (par, map, cols) = (self.how.par, trunk.map, self.cols());
        let (width, inner, q_width) = (map.width, map.inner, map.q_width());
        let columns = self.pooled_cols(pooled).unwrap_or(cols);
        let Kept { qkv, up, o, mid, normed: stream, end, q, raw_q, raw_k, n_lent } =
            saved.own.kept(map, cols, self.pooled_cols(pooled), free);
        let Work { a, b, c, inner: bent, .. } = &mut self.work;
        let bare = map.norm_after || layer.norm1.weight.is_empty();
        let normed = if bare {
            &saved.x[..]
        } else {
            let normed = room(a, cols.len(width));
            trunk.norm(&layer.norm1).forward(par, &saved.x, cols, &mut saved.stats1, normed);
            normed
        };

        let weight = trunk.weight(&layer.qkv);
        let (n_qkv, kv) = (map.n_qkv(), map.kv());
        let rows = Self::attention_rows(&self.offsets, self.distances.bias(), map, layer.nth, pooled);
        let (q_rstd, k_rstd) = (&mut saved.q_rstd, &mut saved.k_rstd);
        if pooled {
            let last = room(b, columns.len(width));
            gather(normed, width, cols, &self.last, last);
            let [of_q, of_kv] = trunk.onto_split(&layer.qkv, q_width);
            product(par, Left::weight(weight, q_width, width), last, columns, of_q, q);
            let weight = &weight[q_width * width..];
            product(par, Left::weight(weight, 2 * kv, width), normed, cols, of_kv, qkv);
            trunk.norm_heads(par, &layer.q_norm, q, &Place::all(q_width), columns, q_rstd, Some(raw_q));
            let keys = Place { rows: 2 * kv, features: 0..kv };
            trunk.norm_heads(par, &layer.k_norm, qkv, &keys, cols, k_rstd, Some(raw_k));
            self.places.turn_last(par, map, q, columns, false);
            self.places.turn(par, map, layer.nth, qkv, 2 * kv, 0..kv, cols, false);
            let q = Part { values: q, rows: q_width, first: 0 };
            let [k, v] = [0, kv].map(|first| Part { values: qkv, rows: 2 * kv, first });
            attention::forward(par, rows, q, k, v, &mut saved.softmax, o);
        } else {
            product(par, Left::weight(weight, n_qkv, width), normed, cols, trunk.onto(&layer.qkv), qkv);
            let [queries, keys] = [0..q_width, q_width..q_width + kv].map(|features| Place { rows: n_qkv, features });
            trunk.norm_heads(par, &layer.q_norm, qkv, &queries, cols, q_rstd, Some(raw_q));
            trunk.norm_heads(par, &layer.k_norm, qkv, &keys, cols, k_rstd, Some(raw_k));
            self.places.turn(par, map, layer.nth, qkv, n_qkv, 0..q_width + kv, cols, false);
            let [q, k, v] = [0, q_width, q_width + kv].map(|first| Part { values: qkv, rows: n_qkv, first });
            attention::forward(par, rows, q, k, v, &mut saved.softmax, o);
        }
        zero_padding(q_width, columns, o);

        let residual = if pooled {
            let last = room(b, columns.len(width));
            gather(&saved.x, width, cols, &self.last, last);
            last
        } else {
            &saved.x[..columns.len(width)]
        };
        let drops = |site: fn(usize) -> Site| drops(&self.dropout, &self.offsets, site(layer.nth), pooled);
        // What the feed-forward layer reads, and what its output is added to.
        let (fed, stream): (&[f32], &[f32]) = if map.norm_after {
            product(par, trunk.left(&layer.out, q_width), o, columns, trunk.onto(&layer.out), mid);
            trunk.norm(&layer.norm1).forward(par, mid, columns, &mut saved.stats1, stream);
            add_to(par, (width, columns), residual, drops(Site::Attention), stream);
            let stream = &*stream;
            (stream, stream)
        } else {
            let normed = room(a, columns.len(width));
            let stream = if map.parallel {
                mid.copy_from_slice(residual);
                let stream = room(c, columns.len(width));
                added((par, columns), trunk, &layer.out, o, residual, drops(Site::Attention), stream);
                stream
            } else {
                added((par, columns), trunk, &layer.out, o, residual, drops(Site::Attention), mid);
                &*mid
            };
            trunk.norm(&layer.norm2).forward(par, mid, columns, &mut saved.stats2, normed);
            (normed, stream)
        };
        let onto = trunk.onto(&layer.up);
        product(par, Left::weight(trunk.weight(&layer.up), map.n_up(), width), fed, columns, onto, up);
        let bent = room(bent, columns.len(inner));
        match map.feed {
            Feed::Bent(activation) => gelu(par, activation, up, bent),
            Feed::Gated(kind) => gate(par, kind, up, inner, columns, bent),
        }
        let y = room(&mut self.y, columns.len(width));
        if map.norm_after {
            product(par, trunk.left(&layer.down, inner), bent, columns, trunk.onto(&layer.down), end);
            trunk.norm(&layer.norm2).forward(par, end, columns, &mut saved.stats2, y);
            add_to(par, (width, columns), stream, drops(Site::FeedForward), y);
        } else {
            added((par, columns), trunk, &layer.down, bent, stream, drops(Site::FeedForward), y);
        }
        n_lent
    }

    fn causal_block_backward(
        &mut self,
        trunk: Trunk,
        layer: &Layer,
        saved: &mut Saved,
        pooled: bool,
        free: &mut [f32],
        grads: &mut Grads,
    ) {
        let How { par, set, .. } = self.how;
        let (map, cols) = (trunk.map, self.cols());
        let (width, q_width) = (map.width, map.q_width());
        let columns = self.pooled_cols(pooled).unwrap_or(cols);
        let kept = saved.own.kept(map, cols, self.pooled_cols(pooled), free);
        self.feed_forward_backward(trunk, layer, &kept, [&mut saved.stats1, &mut saved.stats2], columns, grads);

        let Work { a, b, c, tokens, inner, d_inner, dropped } = &mut self.work;
        let d = &mut self.d;
        // What attention added has the gradient that was left there; where a norm followed, behind that norm.
        let d_added: &[f32] = match (map.norm_after, self.dropout.is_some()) {
            (true, _) => a,
            (false, true) => dropped,
            (false, false) => d,
        };
        // `inner` takes the gradients of q, k, v; `d_inner` that of the pooled queries.
        let (rows, softmax) =
            (Self::attention_rows(&self.offsets, self.distances.bias(), map, layer.nth, pooled), &mut saved.softmax);
        let d_out = room(b, columns.len(q_width));
        let out = Left::transposed(trunk.weight(&layer.out), q_width, width);
        product(par, out, d_added, columns, Onto::Nothing, d_out);
        if map.parallel {
            // What the other half left for the block's input.
            add((par, columns.len(width)), c, d);
        }
        let bare = map.norm_after || layer.norm1.weight.is_empty();
        let normed = if bare {
            &saved.x[..]
        } else {
            let normed = room(a, cols.len(width));
            trunk.norm(&layer.norm1).again(par, &saved.x, cols, &mut saved.stats1, normed);
            normed
        };
        let weight = trunk.weight(&layer.qkv);
        let (n_qkv, kv) = (map.n_qkv(), map.kv());
        if !pooled {
            let d_qkv = room(inner, cols.len(n_qkv));
            let [q, k, v] = [0, q_width, q_width + kv].map(|first| Part { values: kept.qkv, rows: n_qkv, first });
            let values = Raw::new(d_qkv);
            let [dq, dk, dv] = [0, q_width, q_width + kv].map(|first| Into { values, rows: n_qkv, first });
            attention::backward(par, rows, q, k, v, softmax, d_out, dq, dk, dv, &mut self.d_distances);
            zero_padding(n_qkv, cols, d_qkv);
            self.places.turn(par, map, layer.nth, d_qkv, n_qkv, 0..q_width + kv, cols, true);
            if map.qk_norm {
                let [queries, keys] =
                    [0..q_width, q_width..q_width + kv].map(|features| Place { rows: n_qkv, features });
                let (q, k) = (trunk.groups(&layer.q_norm), trunk.groups(&layer.k_norm));
                let gains = grads.range(&layer.q_norm);
                q.backward(par, kept.raw_q, d_qkv, &queries, cols, &mut saved.q_rstd, gains);
                let gains = grads.range(&layer.k_norm);
                k.backward(par, kept.raw_k, d_qkv, &keys, cols, &mut saved.k_rstd, gains);
            }
            let (dw, db) = grads.pair(&layer.qkv);
            weight_gradient(par, d_qkv, n_qkv, normed, width, cols, set, dw, some(db), tokens);
            let qkv = Left::transposed(weight, width, n_qkv);
            if bare {
                product(par, qkv, d_qkv, cols, Onto::Itself, d);
                return;
            }
            let d_normed = room(b, cols.len(width));
            product(par, qkv, d_qkv, cols, Onto::Nothing, d_normed);
            let (dw, db) = grads.pair(&layer.norm1);
            let norm = trunk.norm(&layer.norm1);
            norm.backward(par, &saved.x, cols, &mut saved.stats1, d_normed, dw, db, true, d);
            return;
        }

        let (d_q, d_kv) = (room(d_inner, columns.len(q_width)), room(inner, cols.len(2 * kv)));
        let q = Part { values: kept.q, rows: q_width, first: 0 };
        let [k, v] = [0, kv].map(|first| Part { values: kept.qkv, rows: 2 * kv, first });
        let dq = Into { values: Raw::new(d_q), rows: q_width, first: 0 };
        let values = Raw::new(d_kv);
        let [dk, dv] = [0, kv].map(|first| Into { values, rows: 2 * kv, first });
        attention::backward(par, rows, q, k, v, softmax, d_out, dq, dk, dv, &mut self.d_distances);
        zero_padding(q_width, columns, d_q);
        zero_padding(2 * kv, cols, d_kv);
        self.places.turn_last(par, map, d_q, columns, true);
        self.places.turn(par, map, layer.nth, d_kv, 2 * kv, 0..kv, cols, true);
        if map.qk_norm {
            let (q, k) = (trunk.groups(&layer.q_norm), trunk.groups(&layer.k_norm));
            let gains = grads.range(&layer.q_norm);
            q.backward(par, kept.raw_q, d_q, &Place::all(q_width), columns, &mut saved.q_rstd, gains);
            let keys = Place { rows: 2 * kv, features: 0..kv };
            k.backward(par, kept.raw_k, d_kv, &keys, cols, &mut saved.k_rstd, grads.range(&layer.k_norm));
        }
        let (dw, db) = grads.pair(&layer.qkv);
        let (dw_q, dw_kv) = dw.split_at_mut(q_width * width);
        let (db_q, db_kv) = db.split_at_mut(q_width.min(db.len()));
        weight_gradient(par, d_kv, 2 * kv, normed, width, cols, set, dw_kv, some(db_kv), tokens);
        let last = room(b, columns.len(width));
        gather(normed, width, cols, &self.last, last);
        weight_gradient(par, d_q, q_width, last, width, columns, set, dw_q, some(db_q), tokens);

        let d_last = room(a, columns.len(width));
        product(par, Left::transposed(weight, width, q_width), d_q, columns, Onto::Nothing, d_last);
        let d_normed = room(b, cols.len(width));
        let weight = &weight[q_width * width..];
        product(par, Left::transposed(weight, width, 2 * kv), d_kv, cols, Onto::Nothing, d_normed);
        scatter_add(d_last, width, &self.last, cols, d_normed);
        if map.norm_after {
            scatter_add(d, width, &self.last, cols, d_normed);
            std::mem::swap(d, b);
            return;
        }
        let (dw, db) = grads.pair(&layer.norm1);
        let d_x = room(c, cols.len(width));
        let norm = trunk.norm(&layer.norm1);
        norm.backward(par, &saved.x, cols, &mut saved.stats1, d_normed, dw, db, false, d_x);
        scatter_add(d, width, &self.last, cols, d_x);
        std::mem::swap(d, c);
    }

    /// A block's second half: `self.d` from its output to the stream after attention, and the gradients of `out`. `stats`
    /// are of the block's norms. Where both halves read the block's input, `self.d` stays, and `work.c` has what this half
    /// leaves for the input; where norms follow, `work.a` has the gradient of what attention gave its norm.
    fn feed_forward_backward(
        &mut self,
        trunk: Trunk,
        layer: &Layer,
        kept: &Kept,
        [stats1, stats2]: [&mut Stats; 2],
        columns: Cols,
        grads: &mut Grads,
    ) {
        let (How { par, set, .. }, map) = (self.how, trunk.map);
        let (width, inner) = (map.width, map.inner);
        // Where all rows have one token, a pooled block has the same columns as any other.
        let pooled = columns != self.cols();
        let Work { a, b, c, inner: bent, d_inner, tokens, dropped } = &mut self.work;
        let d = &mut self.d;
        let drops = |site: fn(usize) -> Site| drops(&self.dropout, &self.offsets, site(layer.nth), pooled);
        let n_up = map.n_up();
        let (bent, d_up) = (room(bent, columns.len(inner)), room(d_inner, columns.len(n_up)));
        let down = Left::transposed(trunk.weight(&layer.down), inner, width);
        let mut d_added = gradient_of_added((par, columns), width, d, drops(Site::FeedForward), dropped);
        if map.norm_after {
            let d_end = room(a, columns.len(width));
            let (dw, db) = grads.pair(&layer.norm2);
            trunk.norm(&layer.norm2).backward(par, kept.end, columns, stats2, d_added, dw, db, false, d_end);
            d_added = d_end;
        }
        match map.feed {
            Feed::Bent(activation) => {
                product(par, down, d_added, columns, Onto::Nothing, d_up);
                gelu_gradient(par, activation, kept.up, bent, d_up);
            }
            Feed::Gated(kind) => {
                product(par, down, d_added, columns, Onto::Nothing, bent);
                gate_gradient(par, kind, kept.up, inner, columns, bent, d_up);
            }
        }
        let (dw, db) = grads.pair(&layer.down);
        weight_gradient(par, d_added, width, bent, inner, columns, set, dw, some(db), tokens);

        let fed = if map.pre && !map.norm_after {
            let normed = room(a, columns.len(width));
            trunk.norm(&layer.norm2).again(par, kept.mid, columns, stats2, normed);
            normed
        } else {
            &*kept.normed
        };
        let (dw, db) = grads.pair(&layer.up);
        weight_gradient(par, d_up, n_up, fed, width, columns, set, dw, some(db), tokens);
        let up = Left::transposed(trunk.weight(&layer.up), width, n_up);
        let d_fed = room(b, columns.len(width));
        if map.pre && !map.norm_after {
            product(par, up, d_up, columns, Onto::Nothing, d_fed);
            let (dw, db) = grads.pair(&layer.norm2);
            let (norm, beside) = (trunk.norm(&layer.norm2), map.parallel);
            let d_mid = if beside { room(c, columns.len(width)) } else { &mut d[..] };
            norm.backward(par, kept.mid, columns, stats2, d_fed, dw, db, !beside, d_mid);
        } else {
            product(par, up, d_up, columns, Onto::Itself, d);
        }
        if !map.pre {
            let (dw, db) = grads.pair(&layer.norm1);
            let norm = trunk.norm(&layer.norm1);
            norm.backward(par, kept.mid, columns, stats1, d, dw, db, false, d_fed);
            std::mem::swap(d, b);
        }

        let mut d_added = gradient_of_added((par, columns), width, d, drops(Site::Attention), dropped);
        if map.norm_after {
            let d_mid = room(a, columns.len(width));
            let (dw, db) = grads.pair(&layer.norm1);
            trunk.norm(&layer.norm1).backward(par, kept.mid, columns, stats1, d_added, dw, db, false, d_mid);
            d_added = d_mid;
        }
        let (dw, db) = grads.pair(&layer.out);
        weight_gradient(par, d_added, width, kept.o, map.q_width(), columns, set, dw, some(db), tokens);
    }

    fn bert_block(&mut self, trunk: Trunk, layer: &Layer, saved: &mut Saved, free: &mut [f32]) -> usize {
        let (par, map, cols) = (self.how.par, trunk.map, self.cols());
        let (width, inner) = (map.width, map.inner);
        let Kept { qkv, up, o, mid, normed, end, n_lent, .. } = saved.own.kept(map, cols, None, free);
        let (weight, bias) = (trunk.weight(&layer.qkv), trunk.bias(&layer.qkv));
        product(par, Left::weight(weight, 3 * width, width), &saved.x, cols, Onto::Bias(bias), qkv);
        let rows = Self::attention_rows(&self.offsets, self.distances.bias(), map, layer.nth, false);
        let [q, k, v] = [0, width, 2 * width].map(|first| Part { values: qkv, rows: 3 * width, first });
        attention::forward(par, rows, q, k, v, &mut saved.softmax, o);
        zero_padding(width, cols, o);
        let drops = |site: fn(usize) -> Site| drops(&self.dropout, &self.offsets, site(layer.nth), false);
        added((par, cols), trunk, &layer.out, o, &saved.x, drops(Site::Attention), mid);
        trunk.norm(&layer.norm1).forward(par, mid, cols, &mut saved.stats1, normed);

        let onto = Onto::Bias(trunk.bias(&layer.up));
        product(par, Left::weight(trunk.weight(&layer.up), inner, width), normed, cols, onto, up);
        let bent = room(&mut self.work.inner, cols.len(inner));
        match map.feed {
            Feed::Bent(activation) => gelu(par, activation, up, bent),
            Feed::Gated(kind) => gate(par, kind, up, inner, cols, bent),
        }
        added((par, cols), trunk, &layer.down, bent, normed, drops(Site::FeedForward), end);
        let y = room(&mut self.y, cols.len(width));
        trunk.norm(&layer.norm2).forward(par, end, cols, &mut saved.stats2, y);
        n_lent
    }

    fn bert_block_backward(
        &mut self,
        trunk: Trunk,
        layer: &Layer,
        saved: &mut Saved,
        free: &mut [f32],
        grads: &mut Grads,
    ) {
        let How { par, set, .. } = self.how;
        let (map, cols) = (trunk.map, self.cols());
        let kept = saved.own.kept(map, cols, None, free);
        let width = map.width;
        let (dw, db) = grads.pair(&layer.norm2);
        let d_end = room(&mut self.work.a, cols.len(width));
        let norm = trunk.norm(&layer.norm2);
        norm.backward(par, kept.end, cols, &mut saved.stats2, &self.d, dw, db, false, d_end);
        std::mem::swap(&mut self.d, &mut self.work.a);
        self.feed_forward_backward(trunk, layer, &kept, [&mut saved.stats1, &mut saved.stats2], cols, grads);

        let Work { b, inner, tokens, dropped, .. } = &mut self.work;
        let d = &mut self.d;
        let d_added: &[f32] = if self.dropout.is_some() { dropped } else { d };
        let d_out = room(b, cols.len(width));
        product(par, Left::transposed(trunk.weight(&layer.out), width, width), d_added, cols, Onto::Nothing, d_out);
        let rows = Self::attention_rows(&self.offsets, self.distances.bias(), map, layer.nth, false);
        let d_qkv = room(inner, cols.len(3 * width));
        let [q, k, v] = [0, width, 2 * width].map(|first| Part { values: kept.qkv, rows: 3 * width, first });
        let values = Raw::new(d_qkv);
        let [dq, dk, dv] = [0, width, 2 * width].map(|first| Into { values, rows: 3 * width, first });
        let d_lines = &mut self.d_distances[..self.distances.len()];
        attention::backward(par, rows, q, k, v, &mut saved.softmax, d_out, dq, dk, dv, d_lines);
        zero_padding(3 * width, cols, d_qkv);
        let (dw, db) = grads.pair(&layer.qkv);
        weight_gradient(par, d_qkv, 3 * width, &saved.x, width, cols, set, dw, Some(db), tokens);
        let weight = Left::transposed(trunk.weight(&layer.qkv), width, 3 * width);
        product(par, weight, d_qkv, cols, Onto::Itself, d);
    }
}
