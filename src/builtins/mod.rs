//! Everything that a script can call: a folder per script module, a file per function.
//!
//! A function's file holds its record (documentation, parameters, examples), its options and its Rust code;
//! the folder's `mod.rs` lists them. Laboratory code belongs in `host`, conversion in `bind`.
#![cfg_attr(not(test), deny(clippy::indexing_slicing))]

pub mod data;
pub mod features;
pub mod frame;
pub mod judge;
pub mod loss;
pub mod metric;
pub mod model;
pub mod plot;
pub mod policy;
pub mod preference;
pub mod report;
pub mod script;
pub mod sweep;
pub mod tensor;
pub mod world;

use crate::bind::Registry;

/// Every function and type of the laboratory.
pub fn registry() -> Registry {
    let mut registry = Registry::default();
    data::register(&mut registry);
    features::register(&mut registry);
    frame::register(&mut registry);
    judge::register(&mut registry);
    loss::register(&mut registry);
    metric::register(&mut registry);
    model::register(&mut registry);
    plot::register(&mut registry);
    policy::register(&mut registry);
    preference::register(&mut registry);
    report::register(&mut registry);
    script::register(&mut registry);
    sweep::register(&mut registry);
    tensor::register(&mut registry);
    world::register(&mut registry);
    registry
}
