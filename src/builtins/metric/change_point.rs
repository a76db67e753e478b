//! `metric::change_point`

use crate::bind::prelude::*;
use crate::stats::MetricError;
use crate::stats::overlap::change_point;

/// The record.
pub fn function() -> Function {
    Function::new("metric", "change_point", run)
        .about("The value at which numbers fall into a lower and a higher group: the least one of the higher group.")
        .details(
            "The numbers are sorted and cut in two so that the squared distances from the two means are least, which is one step of binary \
             segmentation with the cost L2. Equal numbers stay together; of equally good cuts the lowest is taken. `()` where all are equal.",
        )
        .source("Scott and Knott 1974; ruptures' `Binseg(model=\"l2\", min_size=1, jump=1)`; its defaults look at every fifth place alone")
        .param::<Vec<f64>>("values", "numbers, in any order")
        .returns("float, or ()")
        .example("metric::change_point([0.9, 0.1, 0.2, 0.8])", "0.8")
        .example("metric::change_point([0.5, 0.5])", "")
        .fails("metric::change_point([])", "`values` has no value")
}

fn run(call: &mut Call) -> Answer {
    let mut values: Vec<f64> = call.arg(0)?;
    if values.is_empty() {
        return Err(MetricError::NoValues { name: "values" }.into());
    }
    if let Some(value) = values.iter().find(|value| !value.is_finite()) {
        return Err(MetricError::NotFinite { name: "values", value: *value }.into());
    }
    values.sort_by(f64::total_cmp);
    let edge = change_point(&values).and_then(|cut| values.get(cut).copied());
    Ok(edge.map_or(Dynamic::UNIT, Dynamic::from))
}
