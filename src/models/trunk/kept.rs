//! What a block's backward pass needs of its forward pass, and where it lies.
//!
//! Gradients are written from the last block down, so that the gradient of the blocks below is free memory while the
//! forward pass runs. What a block keeps is laid there as far as it fits: activations then cost little memory of their own.
#![allow(clippy::indexing_slicing)] // Ranges come from the map and the batch, both checked at the trunk's door.

use super::map::Map;
use crate::kernels::attention::Softmax;
use crate::kernels::norm::Stats;
use crate::kernels::pages;
use crate::kernels::panel::Cols;

/// What a block's backward pass needs of its forward pass.
#[derive(Debug, Default)]
pub(super) struct Saved {
    /// The block's input.
    pub x: Vec<f32>,
    pub stats1: Stats,
    pub stats2: Stats,
    /// Reciprocal roots of queries' and keys' norms.
    pub q_rstd: Vec<f32>,
    pub k_rstd: Vec<f32>,
    pub softmax: Softmax,
    pub own: Own,
    /// Where free memory began when the block's buffers were laid out, as an index of a parameter.
    pub free: usize,
}

/// A block's buffers where they do not lie in the gradients.
#[derive(Debug, Default)]
pub(super) struct Own([Vec<f32>; 9]);

/// A block's buffers, each in panels.
pub(super) struct Kept<'a> {
    /// Packed q, k, v; in a pooled block only k, v.
    pub qkv: &'a mut [f32],
    /// Before the activation; where it is gated, the gate's features and behind them those that it opens.
    pub up: &'a mut [f32],
    /// Attention's output.
    pub o: &'a mut [f32],
    /// The residual stream after attention, in BERT before its norm; where both halves of a block read its input, that
    /// input. Where a norm follows attention, what it reads.
    pub mid: &'a mut [f32],
    /// BERT: `mid` after its norm. Where norms follow: the stream after attention.
    pub normed: &'a mut [f32],
    /// What the second norm reads where it follows: in BERT the block's output, else what is added to the stream.
    pub end: &'a mut [f32],
    /// Queries of a pooled block.
    pub q: &'a mut [f32],
    /// Queries and keys before their norms.
    pub raw_q: &'a mut [f32],
    pub raw_k: &'a mut [f32],
    /// How much of the free memory they take.
    pub n_lent: usize,
}

impl Own {
    /// The buffers of a block over `cols` (after attention over `columns`, if it is pooled), in `free` as far as they fit.
    /// The same arguments give the same places.
    pub fn kept<'a>(&'a mut self, map: &Map, cols: Cols, pooled: Option<Cols>, mut free: &'a mut [f32]) -> Kept<'a> {
        let n_free = free.len();
        let mut take = |own: &'a mut Vec<f32>, n: usize| {
            if n > free.len() {
                return room(own, n);
            }
            let (here, rest) = std::mem::take(&mut free).split_at_mut(n);
            free = rest;
            here
        };
        let (width, q_width, columns) = (map.width, map.q_width(), pooled.unwrap_or(cols));
        let (n_q, n_qkv) = pooled.map_or((0, map.n_qkv()), |columns| (columns.len(q_width), 2 * map.kv()));
        let n_after = if map.pre && !map.norm_after { 0 } else { columns.len(width) };
        let (n_raw_q, n_raw_k) = if map.qk_norm { (columns.len(q_width), cols.len(map.kv())) } else { (0, 0) };
        let Own([qkv, up, o, mid, normed, end, q, raw_q, raw_k]) = self;
        let (qkv, up) = (take(qkv, cols.len(n_qkv)), take(up, columns.len(map.n_up())));
        let (o, mid) = (take(o, columns.len(q_width)), take(mid, columns.len(width)));
        let (normed, end, q) = (take(normed, n_after), take(end, n_after), take(q, n_q));
        let (raw_q, raw_k) = (take(raw_q, n_raw_q), take(raw_k, n_raw_k));
        let n_lent = n_free - free.len();
        Kept { qkv, up, o, mid, normed, end, q, raw_q, raw_k, n_lent }
    }

    /// Floats in buffers of its own.
    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.0.iter().map(Vec::len).sum()
    }
}

/// The first `n` floats of a buffer, which grows if it must.
pub(super) fn room(buffer: &mut Vec<f32>, n: usize) -> &mut [f32] {
    pages::grow(buffer, n);
    &mut buffer[..n]
}
