//! `Frame.drop_nulls`

use super::convert::Names;
use crate::bind::prelude::*;
use crate::frames::Frame;

/// The record.
pub fn function() -> Function {
    Function::method::<Frame>("drop_nulls", |call| {
        let columns = call.optional::<Names>(0)?.unwrap_or_default();
        Ok(Dynamic::from(call.receiver::<Frame>()?.drop_nulls(&columns.0)?))
    })
    .about("The rows that have a value in every column, or in the columns named. NaN is a value.")
    .source("polars")
    .optional::<Names>("columns", "all columns unless given")
    .returns("Frame: some of the rows, in order")
    .example("frame::of(#{ a: [1, (), 3], b: [(), 2, 3] }).drop_nulls(\"a\").column(\"a\")", "[1, 3]")
    .example("frame::of(#{ a: [1, (), 3], b: [(), 2, 3] }).drop_nulls().height", "1")
    .fails("frame::of(#{ a: [1] }).drop_nulls(\"b\")", "there is no column `b`")
}
