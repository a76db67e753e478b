//! `sweep`: independent cells of an experiment on the processes of this machine.

mod map;

use crate::bind::Registry;

/// Lists the module's functions.
pub fn register(registry: &mut Registry) {
    registry.module("sweep", "Independent cells of an experiment, side by side on this machine.");
    registry.add(map::function());
}
