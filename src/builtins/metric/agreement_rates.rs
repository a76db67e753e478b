//! `metric::agreement_rates`

use super::agreement::{Beside, beside, of_two, three};
use super::{map, number};
use crate::bind::prelude::*;
use crate::frames::Frame;
use crate::stats::{MetricError, mean};

/// The record.
pub fn function() -> Function {
    of_two(Function::new("metric", "agreement_rates", |call| {
        let [weak, student, truth] = three(call, ["`weak`", "`student`"])?;
        let found = rates(&weak, &student, &truth)?;
        Ok(Dynamic::from(map([
            ("overall", Dynamic::from(found.overall)),
            ("when_weak_is_right", number(found.when_weak_is_right)),
            ("when_weak_is_wrong", number(found.when_weak_is_wrong)),
            ("n_right", Dynamic::from(found.n_right as INT)),
            ("n_wrong", Dynamic::from(found.n_wrong as INT)),
        ])))
    }))
    .about("How often the student agrees with its supervisor, separately where the supervisor is right and where it is wrong.")
    .details(
        "`overall`, `when_weak_is_right`, `when_weak_is_wrong` (the rate at which errors are imitated) in 0..1, `()` where \
         there is no such row; `n_right` and `n_wrong` count the rows.",
    )
    .source("Burns et al. 2023")
    .returns("object map: shares and counts")
    .example(
        "let weak = frame::of(#{ id: [\"a\", \"b\"], prediction: [1, 0] });\n\
         let student = frame::of(#{ id: [\"a\", \"b\"], prediction: [1, 1] });\n\
         metric::agreement_rates(weak, student, frame::of(#{ id: [\"a\", \"b\"], label: [1, 1] })).when_weak_is_wrong",
        "0.0",
    )
    .fails(
        "let none = frame::of(#{ id: [\"a\"], prediction: [1] }).head(0);\n\
         metric::agreement_rates(none, none, frame::of(#{ id: [\"a\"], label: [1] }).head(0))",
        "there is no row to measure",
    )
}

/// How often a student says what its supervisor says.
#[derive(Debug, Clone, PartialEq)]
pub struct Rates {
    pub overall: f64,
    /// None where the supervisor is never right.
    pub when_weak_is_right: Option<f64>,
    /// None where the supervisor is never wrong. This is the rate at which errors are imitated.
    pub when_weak_is_wrong: Option<f64>,
    pub n_right: usize,
    pub n_wrong: usize,
}

/// Agreement over all rows, and split by the supervisor right and wrong.
pub fn rates(weak: &Frame, student: &Frame, truth: &Frame) -> Result<Rates, MetricError> {
    let Beside { weak, student, truth, .. } = beside(weak, student, truth)?;
    let (mut right, mut wrong, mut all) = (Vec::new(), Vec::new(), Vec::new());
    for ((weak, student), truth) in weak.iter().zip(&student).zip(&truth) {
        let agrees = f64::from(u8::from(weak == student));
        all.push(agrees);
        if weak == truth { right.push(agrees) } else { wrong.push(agrees) }
    }
    let of = |values: &[f64]| (!values.is_empty()).then(|| mean(values));
    Ok(Rates {
        overall: mean(&all),
        when_weak_is_right: of(&right),
        when_weak_is_wrong: of(&wrong),
        n_right: right.len(),
        n_wrong: wrong.len(),
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::hard;
    use super::*;

    #[test]
    fn agreement_is_split_by_the_supervisor() {
        let found = rates(&hard(&[1, 1, 0, 0]), &hard(&[1, 0, 0, 1]), &hard(&[1, 1, 1, 1])).expect("the same rows");
        assert_eq!((found.n_right, found.n_wrong), (2, 2));
        assert_eq!((found.overall, found.when_weak_is_right, found.when_weak_is_wrong), (0.5, Some(0.5), Some(0.5)));
    }
}
