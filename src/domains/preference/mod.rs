//! Preferences: which of several continuations of a prompt is the better one.
//!
//! A row holds a prompt with its continuations, its target says which one is preferred, and a model of such data scores each
//! continuation by itself ([`crate::models::HeadKind::Scalar`]). Labels and predictions are frames as for classes: `p0` is
//! the probability that the first continuation is preferred. So every loss, metric and method works on preferences as on
//! classes, and cross-entropy is the likelihood of Bradley and Terry (1952).
//!
//! What lives here: the readers of pairs ([`source`]), the pairs of the generated world ([`of_world`]), what is measured of
//! scores ([`margins`]), what a loss on the log-probabilities of two continuations is ([`loss`]), what is told of its batches ([`measured`]), and that of a ranking
//! of several ([`ranking`]).

mod columns;
pub mod loss;
mod margins;
pub mod measured;
mod pairs;
pub mod ranking;

pub use columns::{Mapping, SEPARATOR, applies, source};
pub use margins::margins;
pub use pairs::of_world;
