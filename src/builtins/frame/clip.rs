//! `Expr.clip`

use super::convert::literal;
use crate::bind::describe;
use crate::bind::prelude::*;
use crate::frames::expr::{Expr, Literal};

/// The record.
pub fn function() -> Function {
    Function::method::<Expr>("clip", |call| {
        let (low, high) = (bound(call, 0, "lower_bound")?, bound(call, 1, "upper_bound")?);
        Ok(Dynamic::from(call.receiver::<Expr>()?.clip(low, high)?))
    })
    .about("Values below the lower bound as that bound, values above the upper bound as that one.")
    .details("`()` does not bound. A null stays null and NaN stays NaN. An integer with a float bound becomes a float.")
    .source("polars")
    .param_typed("lower_bound", "float|integer|()", "the least value, or `()`")
    .param_typed("upper_bound", "float|integer|()", "the largest value, or `()`")
    .returns("Expr: as many values")
    .example("frame::of(#{ x: [-1, 5, 20] }).select(col(\"x\").clip(0, 10)).column(\"x\")", "[0, 5, 10]")
    .example("frame::of(#{ x: [-1.5, ()] }).select(col(\"x\").clip(0, ())).column(\"x\")", "[0.0, ()]")
    .fails("col(\"x\").clip(1, 0)", "`clip` has the lower bound `1` above the upper bound `0`")
    .fails("col(\"x\").clip(\"a\", 0)", "`lower_bound` of `clip` must be a number or `()`")
}

fn bound(call: &Call, at: usize, name: &str) -> Result<Literal, Fault> {
    let value: Dynamic = call.arg(at)?;
    let known = literal(&value).filter(|bound| matches!(bound, Literal::Null | Literal::Int(_) | Literal::Float(_)));
    known.ok_or_else(|| {
        let what = format!("`{name}` of `clip` must be a number or `()`, got {}", describe(&value));
        Fault::new("call/type", what)
    })
}
