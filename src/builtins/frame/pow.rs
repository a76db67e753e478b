//! `Expr.pow`

use crate::bind::prelude::*;
use crate::frames::expr::Expr;

/// The record.
pub fn function() -> Function {
    Function::method::<Expr>("pow", |call| Ok(Dynamic::from(call.receiver::<Expr>()?.pow(call.arg::<f64>(0)?)?)))
        .about("The value to the power of `exponent`, as a float.")
        .details("A negative number to a broken power is NaN. Of integers polars gives integers, which wrap around; here they become floats.")
        .source("polars, on floats")
        .param::<f64>("exponent", "a number")
        .returns("Expr: as many floats")
        .example("frame::of(#{ x: [3, 0.5] }).select(col(\"x\").pow(2)).column(\"x\")", "[9.0, 0.25]")
        .fails("frame::of(#{ x: [\"a\"] }).select(col(\"x\").pow(2))", "`pow` does not take string")
}
