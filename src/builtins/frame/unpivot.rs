//! `Frame.unpivot`

use super::convert::Names;
use crate::bind::prelude::*;
use crate::frames::Frame;

options! {
    /// What stays, and what the new columns are called.
    pub struct UnpivotOptions {
        /// The columns that are repeated beside every value; none without it.
        index: Option<Names> = None,
        /// The column that says which column a value was in.
        variable_name: String = "variable".to_owned(),
        /// The column of the values.
        value_name: String = "value".to_owned(),
    }
}

/// The record.
pub fn function() -> Function {
    Function::method::<Frame>("unpivot", run)
        .about("From wide to long: a row for each value of the columns `on`.")
        .details("The values of the first column come first. Integers beside floats become floats.")
        .source("polars")
        .optional::<Names>("on", "the columns whose values become rows; all that are not in `index` unless given")
        .options::<UnpivotOptions>()
        .returns("Frame: `index`, then `variable` and `value`")
        .example(
            "frame::of(#{ seed: [0, 1], weak: [0.6, 0.7], strong: [0.8, 0.9] })\n    \
             .unpivot([\"weak\", \"strong\"], #{ index: \"seed\", variable_name: \"model\" }).row(3)",
            "#{model: \"strong\", seed: 1, value: 0.9}",
        )
        .fails(
            "frame::of(#{ a: [1], b: [\"x\"] }).unpivot([\"a\", \"b\"])",
            "column `b` is int on the left and string on the right",
        )
}

fn run(call: &mut Call) -> Answer {
    let frame: Frame = call.receiver()?;
    let options: UnpivotOptions = call.options()?;
    let index = options.index.unwrap_or_default().0;
    let on = call.optional::<Names>(0)?.unwrap_or_default();
    Ok(Dynamic::from(frame.unpivot(&on.0, &index, &options.variable_name, &options.value_name)?))
}
