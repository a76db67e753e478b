//! `script`: help for functions that are written in scripts, the stdlib's among them.

mod digest;
mod error;
mod fold;
mod lineage;
mod options;
mod seeds;
mod w2s_version;
mod warn;

pub use fold::Folded;

use crate::bind::Registry;

/// Lists the module's functions.
pub fn register(registry: &mut Registry) {
    registry.module(
        "script",
        "Help for functions of your own: option maps with unknown keys refused, seeds, digests, folded values.",
    );
    registry.value::<Folded>();
    registry.add(options::function());
    registry.add(digest::function());
    registry.add(lineage::function());
    registry.add(seeds::function());
    registry.add(w2s_version::function());
    registry.add(warn::function());
    error::register(registry);
    fold::register(registry);
}
