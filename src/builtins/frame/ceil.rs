//! `Expr.ceil`

use crate::bind::prelude::*;
use crate::frames::expr::Expr;

/// The record.
pub fn function() -> Function {
    Function::method::<Expr>("ceil", |call| Ok(Dynamic::from(call.receiver::<Expr>()?.ceil()?)))
        .about("The smallest integer that is not below the value; an integer stays what it is.")
        .source("polars")
        .returns("Expr: as many values, of the same kind")
        .example("frame::of(#{ x: [-1.5, 2.5] }).select(col(\"x\").ceil()).column(\"x\")", "[-1.0, 3.0]")
        .fails("frame::of(#{ x: [\"a\"] }).select(col(\"x\").ceil())", "`ceil` does not take string")
}
