//! `Expr.floor`

use crate::bind::prelude::*;
use crate::frames::expr::Expr;

/// The record.
pub fn function() -> Function {
    Function::method::<Expr>("floor", |call| Ok(Dynamic::from(call.receiver::<Expr>()?.floor()?)))
        .about("The largest integer that is not above the value; an integer stays what it is.")
        .source("polars")
        .returns("Expr: as many values, of the same kind")
        .example("frame::of(#{ x: [-1.5, 2.5] }).select(col(\"x\").floor()).column(\"x\")", "[-2.0, 2.0]")
        .fails("frame::of(#{ x: [\"a\"] }).select(col(\"x\").floor())", "`floor` does not take string")
}
