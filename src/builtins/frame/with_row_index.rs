//! `Frame.with_row_index`

use crate::bind::prelude::*;
use crate::frames::Frame;

/// The record.
pub fn function() -> Function {
    Function::method::<Frame>("with_row_index", |call| {
        let name = call.optional::<String>(0)?.unwrap_or_else(|| "index".to_owned());
        let offset = call.optional::<i64>(1)?.unwrap_or(0);
        Ok(Dynamic::from(call.receiver::<Frame>()?.with_row_index(&name, offset)?))
    })
    .about("Adds a first column that numbers the rows.")
    .source("polars")
    .optional::<String>("name", "`index` unless given")
    .optional::<i64>("offset", "the first number, 0 unless given")
    .returns("Frame: one column more")
    .example("frame::of(#{ a: [\"x\", \"y\"] }).with_row_index(\"n\", 1).row(1)", "#{a: \"y\", n: 2}")
    .fails("frame::of(#{ index: [1] }).with_row_index()", "two columns would be called `index`")
}
