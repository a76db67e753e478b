//! What every room stands on: the context that functions are given, digests, random numbers, portable mathematics, and
//! what errors have in common. Nothing here knows models, data or Rhai.

pub mod context;
pub mod digest;
pub mod explain;
pub mod latex;
pub mod math;
pub mod outputs;
pub mod random;
pub mod visible;
