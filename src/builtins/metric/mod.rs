//! `metric`: how good, how sure, how much recovered.

mod accuracy;
mod agreement;
mod auroc;
mod brier;
mod calibration_error;
mod ece;
mod equivalence;
mod estimate;
mod holm;
mod intervals;
mod log_loss;
mod margins;
mod pgr;
mod pgr_percent;
mod power;
mod slope;
mod t_test;
mod truth;
mod two_proportions;
mod vault;

use crate::bind::Registry;

/// Lists the module's functions.
pub fn register(registry: &mut Registry) {
    registry.module("metric", "Metrics and intervals: accuracy, AUROC, log loss, PGR.");
    estimate::register(registry);
    registry.add(accuracy::function());
    registry.add(auroc::function());
    registry.add(log_loss::function());
    registry.add(margins::function());
    registry.add(brier::function());
    registry.add(ece::function());
    registry.add(calibration_error::function());
    agreement::register(registry);
    pgr::register(registry);
    registry.add(pgr_percent::function());
    intervals::register(registry);
    registry.add(holm::function());
    registry.add(t_test::function());
    registry.add(equivalence::function());
    power::register(registry);
    registry.add(slope::function());
    registry.add(two_proportions::function());
    registry.add(vault::function());
}
