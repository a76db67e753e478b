//! Fuzz targets of every reader of strangers' bytes. How to run them is in `README.md` beside this crate.

pub mod entry;
pub mod seeds;
