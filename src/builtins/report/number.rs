//! `report::number`

use crate::bind::prelude::*;

/// The most decimals (a double has no more).
const MAX_DECIMALS: usize = 17;

/// The record.
pub fn function() -> Function {
    Function::new("report", "number", run)
        .about("A number as text with a fixed number of decimals.")
        .param_typed("value", "float|()", "the number; `()` and NaN give a dash")
        .optional::<usize>("decimals", "how many, 0 to 17; 3 if left out")
        .returns("string: the text; infinities as ∞")
        .example("report::number(0.76543, 2)", "0.77")
        .example("report::number(())", "–")
        .fails("report::number(0.5, 99)", "`decimals` must be at most 17, got `99`")
}

fn run(call: &mut Call) -> Answer {
    let (value, decimals): (Option<f64>, Option<usize>) = (call.arg(0)?, call.optional(1)?);
    let decimals = decimals.unwrap_or(3);
    if decimals > MAX_DECIMALS {
        let message = format!("`decimals` must be at most {MAX_DECIMALS}, got `{decimals}`");
        return Err(Fault::new("report/decimals", message));
    }
    Ok(crate::report::number(value.unwrap_or(f64::NAN), decimals).into())
}
