//! `frame`: polars' tables and expressions.

mod ceil;
mod classes;
mod clip;
mod convert;
mod cut;
mod drop_nulls;
mod expr;
mod files;
mod floor;
mod of;
mod operators;
mod pivot;
mod pow;
mod qcut;
mod unpivot;
mod values;
mod verbs;
mod with_note;
mod with_row_index;

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
    let functions = [
        pivot::function(),
        unpivot::function(),
        drop_nulls::function(),
        with_row_index::function(),
        with_note::function(),
        floor::function(),
        ceil::function(),
        pow::function(),
        clip::function(),
        cut::function(),
        qcut::function(),
    ];
    functions.into_iter().for_each(|function| registry.add(function));
}
