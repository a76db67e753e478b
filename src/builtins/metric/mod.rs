//! `metric`: how good, how sure, how much recovered.

mod pgr_percent;

use crate::bind::Registry;

/// Lists the module's functions.
pub fn register(registry: &mut Registry) {
    registry.module("metric", "Metrics and intervals: accuracy, AUROC, log loss, PGR.");
    registry.add(pgr_percent::function());
}
