//! `features`: classifiers and measures on frames of features, such as `model.features` gives.

mod knn;
mod linear;
mod logistic;
mod overlap;

use crate::bind::Registry;

/// Lists the module's functions.
pub fn register(registry: &mut Registry) {
    registry.module("features", "On frames of features: nearest neighbours, linear and logistic regression, overlap.");
    registry.add(knn::function());
    registry.add(linear::function());
    registry.add(logistic::function());
    registry.add(overlap::function());
}
