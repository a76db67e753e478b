//! Where a batch's tokens stand in their rows, as rotary positions turn them; nothing where an architecture has none.
#![allow(clippy::indexing_slicing)] // Offsets were checked at the trunk's door.

use super::map::Map;
use crate::kernels::panel::Cols;
use crate::kernels::rotary::{Angles, Turns};
use std::ops::Range;

/// The turns of a batch's tokens, and of its rows' last ones.
#[derive(Debug, Default)]
pub(super) struct Places {
    angles: Angles,
    all: Turns,
    last: Turns,
    /// Of the blocks that see a window alone, where they turn by another rope.
    local_angles: Angles,
    local: Turns,
}

impl Places {
    /// Lays out the turns of the rows at `offsets`, of which the longest ends at `longest` tokens. `starts` says how many
    /// tokens stand before those of each row; nothing for none.
    pub(super) fn lay(&mut self, par: bool, map: &Map, offsets: &[usize], starts: &[usize], longest: usize) {
        let Some(rope) = map.rope else { return };
        self.angles.reach(rope, map.n_turned, longest);
        let before = |row: usize| starts.get(row).copied().unwrap_or(0);
        let spans = offsets.windows(2).enumerate().map(|(row, ends)| before(row)..before(row) + ends[1] - ends[0]);
        self.all.lay(par, &self.angles, spans.clone().flatten());
        if let Some(local) = map.local {
            self.local_angles.reach(local.rope, map.n_turned, longest);
            self.local.lay(par, &self.local_angles, spans.clone().flatten());
        }
        self.last.lay(par, &self.angles, spans.map(|span| span.end - 1));
    }

    /// Turns `features` of `x` in block `nth`, which has `rows` of them for each token, or turns them `back`.
    #[allow(clippy::too_many_arguments)]
    pub(super) fn turn(
        &self,
        par: bool,
        map: &Map,
        nth: usize,
        x: &mut [f32],
        rows: usize,
        features: Range<usize>,
        cols: Cols,
        back: bool,
    ) {
        if map.rope.is_some() {
            let turns = if map.is_local(nth) { &self.local } else { &self.all };
            turns.turn(par, x, rows, features, map.head, cols, back);
        }
    }

    /// The same with the queries of the rows' last tokens.
    pub(super) fn turn_last(&self, par: bool, map: &Map, q: &mut [f32], columns: Cols, back: bool) {
        if map.rope.is_some() {
            let n = map.q_width();
            self.last.turn(par, q, n, 0..n, map.head, columns, back);
        }
    }
}
