//! The engine room: matrix products, norms, attention and the optimiser over flat `f32` buffers, and a plain
//! reference to hold them against. What a trunk is made of lies in [`super::model::trunk`]; nothing here knows models
//! beyond their shapes.

pub mod optim;
pub mod reference;
