//! Embeddings: their sum on the way in, their gradients on the way back.
#![allow(clippy::indexing_slicing)] // Ranges come from the map and the batch, both checked at the trunk's door.

use super::map::Map;
use super::shard::{Shard, Trunk};
use crate::kernels::panel::PANEL;
use crate::kernels::tasks::{Raw, tasks};
use std::ops::Range;

/// Features of a task that adds gradients. Arbitrary: a few cache lines.
const FEATURES: usize = 64;

/// The sum of each token's embeddings, row-major `[tokens, width]`, into `sum`. `starts` says how many tokens stand before
/// those of each row; nothing for none.
pub(super) fn sum(par: bool, trunk: Trunk, tokens: &[u32], offsets: &[usize], starts: &[usize], sum: &mut [f32]) {
    let Trunk { map, params } = trunk;
    let width = map.width;
    let of = |range: &Range<usize>, row: usize| &params[range.start + row * width..][..width];
    let n = tokens.len();
    assert!(sum.len() >= n * width);
    let sum = Raw::new(sum);
    tasks(par, n.div_ceil(PANEL), |task| {
        let first = task * PANEL;
        let mut row = offsets.partition_point(|&offset| offset <= first);
        for (at, &token) in tokens.iter().enumerate().skip(first).take(PANEL) {
            while offsets.get(row).is_some_and(|&offset| offset <= at) {
                row += 1;
            }
            let start = row.checked_sub(1).and_then(|row| offsets.get(row)).copied().unwrap_or(0);
            // Safety: the length was checked above; each token is one task's.
            let to = unsafe { std::slice::from_raw_parts_mut(sum.at(at * width), width) };
            let own = of(&map.token, token as usize);
            if map.position.is_empty() {
                to.copy_from_slice(own);
            } else {
                let before = row.checked_sub(1).and_then(|row| starts.get(row)).copied().unwrap_or(0);
                let both = own.iter().zip(of(&map.position, before + at - start));
                to.iter_mut().zip(both).for_each(|(to, (token, position))| *to = token + position);
            }
            if !map.types.is_empty() {
                to.iter_mut().zip(of(&map.types, 0)).for_each(|(to, kind)| *to += kind);
            }
        }
    });
}

/// Adds the gradient of each token's summed embedding to the embeddings that it was summed from, token after token.
pub(super) fn scatter(map: &Map, shard: &Shard, tokens: &[u32], grads: &mut [f32]) {
    let (width, d_tokens) = (map.width, shard.d_tokens(map.width));
    assert!(grads.len() >= map.n_params && d_tokens.len() == width * tokens.len());
    let grads = Raw::new(grads);
    let part = if shard.par() { FEATURES } else { width };
    tasks(shard.par(), width.div_ceil(part), |task| {
        let features = task * part..width.min((task + 1) * part);
        let add = |range: &Range<usize>, row: usize, d: &[f32]| {
            // Safety: rows lie within their embedding, which the batch's check promises; each feature is one task's.
            let at = unsafe { grads.at(range.start + row * width + features.start) };
            let sums = unsafe { std::slice::from_raw_parts_mut(at, features.len()) };
            sums.iter_mut().zip(d).for_each(|(sum, d)| *sum += d);
        };
        for row in shard.offsets().windows(2) {
            for at in row[0]..row[1] {
                let d = &d_tokens[at * width..(at + 1) * width][features.clone()];
                add(&map.token, tokens[at] as usize, d);
                if !map.position.is_empty() {
                    add(&map.position, at - row[0], d);
                }
                if !map.types.is_empty() {
                    add(&map.types, 0, d);
                }
            }
        }
    });
}
