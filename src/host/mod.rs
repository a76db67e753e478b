//! The laboratory itself: models, data, training, metrics. No Rhai in it, and nothing here prints.
//!
//! A room per noun. Whatever a room wants to say to the outside (progress, a read of truth, a warning)
//! leaves as an [`lab::Event`] through the [`lab::Lab`] that its functions are given.

pub mod autograd;
pub mod data;
pub mod digest;
pub mod explain;
pub mod frame;
pub mod lab;
pub mod latex;
pub mod math;
pub mod metric;
pub mod model;
pub mod random;
pub mod record;
pub mod report;
pub mod store;
pub mod sweep;
pub mod tensor;
pub mod train;
pub mod world;
