//! What every room stands on: the context that functions are given, digests, random numbers, portable mathematics, files
//! that are written whole, and what errors have in common. Nothing here knows models, data or Rhai.

pub mod context;
pub mod curve;
pub mod digest;
pub mod explain;
pub mod files;
pub mod guard;
pub mod latex;
pub mod math;
pub mod memory;
pub mod operation;
pub mod outputs;
pub mod random;
pub mod visible;
