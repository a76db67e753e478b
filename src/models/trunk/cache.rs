//! What a causal trunk remembers of a row that it goes on reading: each layer's keys and values.

#![allow(clippy::indexing_slicing)] // Rows and layers were counted at the reader's door.

use super::map::Map;
use crate::kernels::attention::Part;
use crate::kernels::attention::cached::{self, Fresh, KeysValues};
use crate::kernels::panel::Cols;
use crate::models::arch::Arch;

/// The keys and values of a row's tokens so far. Takes memory as it fills, up to [`Cache::n_bytes`].
#[derive(Debug, Clone)]
pub struct Cache {
    pub(super) layers: Vec<KeysValues>,
    pub(super) len: usize,
    capacity: usize,
}

impl Cache {
    /// Room for `capacity` tokens.
    pub fn new(arch: &Arch, capacity: usize) -> Cache {
        let map = Map::new(arch);
        let layer = || KeysValues::new(map.n_kv_heads, map.head, capacity);
        Cache { layers: map.layers.iter().map(|_| layer()).collect(), len: 0, capacity }
    }

    /// Tokens so far.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing was read yet.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The most tokens.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Bytes when full.
    pub fn n_bytes(&self) -> usize {
        self.layers.iter().map(KeysValues::n_bytes).sum()
    }

    /// Takes over what another row of the same trunk remembers, as far as there is room.
    pub fn copy_from(&mut self, other: &Cache) {
        let n = other.len.min(self.capacity);
        for (to, from) in self.layers.iter_mut().zip(&other.layers) {
            to.copy_from(from, n);
        }
        self.len = n;
    }

    /// Forgets all but the first `n` tokens.
    pub fn truncate(&mut self, n: usize) {
        self.len = self.len.min(n);
    }
}

/// The caches of the rows of a pass.
pub(super) struct Past<'p, 'c> {
    /// How many tokens each row had before.
    pub starts: &'p [usize],
    pub caches: &'p mut [&'c mut Cache],
}

impl Past<'_, '_> {
    /// Keeps keys and values of the new tokens at `offsets`, and lets their queries see all that their row has.
    #[allow(clippy::too_many_arguments)]
    pub fn attend(
        &mut self,
        par: bool,
        map: &Map,
        nth: usize,
        offsets: &[usize],
        q: Part,
        k: Part,
        v: Part,
        out: &mut [f32],
    ) {
        let cols = Cols { n: offsets[self.caches.len()] };
        for (r, cache) in self.caches.iter_mut().enumerate() {
            let (start, first) = (self.starts[r], offsets[r]);
            (first..offsets[r + 1]).for_each(|token| cache.layers[nth].put(start + token - first, k, v, cols, token));
        }
        let past: Vec<&KeysValues> = self.caches.iter().map(|cache| &cache.layers[nth]).collect();
        let (n_heads, window) = (map.n_heads, map.window_of(nth));
        let fresh = Fresh { offsets, starts: self.starts, n_heads, width: map.q_width(), window };
        cached::forward(par, fresh, q, &past, out);
    }
}
