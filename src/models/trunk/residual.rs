//! What is added up or passed on in a trunk, and no matrix product or attention: residuals, what is dropped of them, what an
//! encoder's features are made of.
#![allow(clippy::indexing_slicing)] // Ranges come from the map and the batch, both checked at the trunk's door.

use super::dropout::{Dropout, Drops, Site};
use super::kept::room;
use super::map::Pair;
use super::shard::Trunk;
use crate::kernels::matmul::product;
use crate::kernels::panel::Cols;
use crate::models::arch::Pooling;
use rayon::prelude::*;

/// An encoder's features from each row's final states, row-major `[n_rows, width]`.
pub(super) fn pool(pooling: Pooling, states: &[f32], width: usize, offsets: &[usize], features: &mut [f32]) {
    for (row, feature) in features.chunks_exact_mut(width).enumerate() {
        let (start, end) = (offsets[row], offsets[row + 1]);
        if pooling == Pooling::First {
            feature.copy_from_slice(&states[start * width..(start + 1) * width]);
            continue;
        }
        feature.fill(0.0);
        for state in states[start * width..end * width].chunks_exact(width) {
            feature.iter_mut().zip(state).for_each(|(sum, x)| *sum += x);
        }
        let share = 1.0 / (end - start) as f32;
        feature.iter_mut().for_each(|x| *x *= share);
    }
}

/// The gradient of the states from that of the features.
pub(super) fn pool_gradient(
    pooling: Pooling,
    d_features: &[f32],
    width: usize,
    offsets: &[usize],
    d_states: &mut [f32],
) {
    for (row, d) in d_features.chunks_exact(width).enumerate() {
        let (start, end) = (offsets[row], offsets[row + 1]);
        let states = d_states[start * width..end * width].chunks_exact_mut(width);
        if pooling == Pooling::First {
            states.enumerate().for_each(|(at, state)| if at == 0 { state.copy_from_slice(d) } else { state.fill(0.0) });
            continue;
        }
        let share = 1.0 / (end - start) as f32;
        for state in states {
            state.iter_mut().zip(d).for_each(|(to, d)| *to = d * share);
        }
    }
}

/// What is dropped at a site, if anything is.
pub(super) fn drops<'a>(
    dropout: &'a Option<Dropout>,
    offsets: &'a [usize],
    site: Site,
    pooled: bool,
) -> Option<Drops<'a>> {
    dropout.as_ref().map(|dropout| Drops { dropout, site, offsets, pooled })
}

/// A layer of `x`, of which some may be dropped, and `residual`, into `to`.
pub(super) fn added(
    (par, cols): (bool, Cols),
    trunk: Trunk,
    pair: &Pair,
    x: &[f32],
    residual: &[f32],
    drops: Option<Drops>,
    to: &mut [f32],
) {
    let width = trunk.map.width;
    let left = trunk.left(pair, trunk.weight(pair).len() / width);
    let Some(drops) = drops else {
        product(par, left, x, cols, trunk.onto_and(pair, residual), to);
        return;
    };
    product(par, left, x, cols, trunk.onto(pair), to);
    add_to(par, (width, cols), residual, Some(drops), to);
}

/// Adds the residual to what a layer gave, of which some may be dropped.
pub(super) fn add_to(par: bool, (width, cols): (usize, Cols), residual: &[f32], drops: Option<Drops>, to: &mut [f32]) {
    if let Some(drops) = drops {
        drops.apply(par, width, cols, to);
    }
    add((par, cols.len(width)), residual, to);
}

/// Adds the first `n` of `values` to those of `to`.
pub(super) fn add((par, n): (bool, usize), values: &[f32], to: &mut [f32]) {
    let add = |(to, values): (&mut [f32], &[f32])| to.iter_mut().zip(values).for_each(|(to, value)| *to += value);
    if par {
        to[..n].par_chunks_mut(CLEARED).zip(values[..n].par_chunks(CLEARED)).for_each(add);
    } else {
        add((&mut to[..n], &values[..n]));
    }
}

/// The gradient of what a layer added to the residual stream, from the stream's: the same, or without what was dropped, which
/// then lies in `dropped`.
pub(super) fn gradient_of_added<'a>(
    (par, cols): (bool, Cols),
    width: usize,
    d: &'a [f32],
    drops: Option<Drops>,
    dropped: &'a mut Vec<f32>,
) -> &'a [f32] {
    let Some(drops) = drops else { return d };
    let n = cols.len(width);
    let dropped = room(dropped, n);
    dropped.copy_from_slice(&d[..n]);
    drops.apply(par, width, cols, dropped);
    dropped
}

/// A bias's gradient, if there is a bias.
pub(super) fn some(db: &mut [f32]) -> Option<&mut [f32]> {
    (!db.is_empty()).then_some(db)
}

/// Floats that one task clears.
const CLEARED: usize = 1 << 16;

/// Sets `values` to zero.
pub(super) fn zero(par: bool, values: &mut [f32]) {
    if par && values.len() > CLEARED {
        values.par_chunks_mut(CLEARED).for_each(|chunk| chunk.fill(0.0));
    } else {
        values.fill(0.0);
    }
}
