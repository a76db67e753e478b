//! `frame`: polars' tables and expressions.

mod classes;
mod convert;
mod expr;
mod files;
mod of;
mod operators;
mod values;
mod verbs;

pub use classes::warn_of_indices;
pub use convert::{Names, to_array, to_column, to_map};

use crate::bind::Registry;
use crate::frames::Frame;
use crate::frames::expr::Expr;

/// Lists the module's functions and types.
pub fn register(registry: &mut Registry) {
    registry.module("frame", "Tables: built, read, written, joined, grouped.");
    registry.value::<Frame>();
    registry.value::<Expr>();
    registry.value::<values::StrExpr>();
    registry.value::<values::When>();
    registry.value::<values::GroupBy>();
    registry.add(of::function());
    files::register(registry);
    expr::register(registry);
    operators::register(registry);
    verbs::register(registry);
    classes::register(registry);
}
