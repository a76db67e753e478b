//! `metric::confident_errors`

use super::agreement::{of_two, three};
use super::{map, number};
use crate::bind::prelude::*;
use crate::frames::{Frame, argmax};
use crate::stats::MetricError;
use crate::stats::scores::{gather, in_order_of, meet, truth_beside};

options! {
    /// Options of `metric::confident_errors`.
    pub struct ConfidentOptions {
        /// From this probability on a model is called sure. Arbitrary.
        threshold: f64 = 0.75,
    }
}

/// The record.
pub fn function() -> Function {
    of_two(Function::new("metric", "confident_errors", |call| {
        let options: ConfidentOptions = call.options()?;
        let [weak, student, truth] = three(call, ["`weak`", "`student`"])?;
        let found = confident_errors(&weak, &student, &truth, options.threshold)?;
        Ok(Dynamic::from(map([
            ("n_wrong", Dynamic::from(found.n_wrong as INT)),
            ("imitated", number(found.imitated)),
            ("student_is_sure", number(found.student_is_sure)),
            ("both_are_sure", number(found.both_are_sure)),
        ])))
    }))
    .about("How sure a student is of its supervisor's errors.")
    .details(
        "Of the `n_wrong` rows on which the supervisor is wrong: `imitated` is the share on which the student says the same wrong class, \
         `student_is_sure` that on which it also gives that class `threshold` or more, `both_are_sure` that on which the \
         supervisor does so too. `()` where the supervisor is never wrong. A class is the first largest probability.",
    )
    .options::<ConfidentOptions>()
    .source("error imitation: Burns et al. 2023, section 5.1.3; the threshold is ours")
    .returns("object map: a count and shares")
    .example(
        "let weak = frame::of(#{ id: [\"a\", \"b\"], p0: [0.25, 0.125], p1: [0.75, 0.875] });\n\
         let student = frame::of(#{ id: [\"a\", \"b\"], p0: [0.375, 0.125], p1: [0.625, 0.875] });\n\
         let found = metric::confident_errors(weak, student, frame::of(#{ id: [\"a\", \"b\"], label: [0, 0] }));\n\
         [found.imitated, found.student_is_sure]",
        "[1.0, 0.5]",
    )
    .fails(
        "let p = frame::of(#{ id: [\"a\"], p0: [0.25], p1: [0.75] });\n\
         metric::confident_errors(p, p, frame::of(#{ id: [\"a\"], label: [0] }), #{ threshold: 1.5 })",
        "`threshold` must be a probability from 0 to 1, got `1.5`",
    )
}

/// How sure a student is where it says what its supervisor gets wrong.
#[derive(Debug, Clone, PartialEq)]
pub struct ConfidentErrors {
    /// Rows on which the supervisor is wrong.
    pub n_wrong: usize,
    /// Of these, how often the student says the same; none where there are none, and so below.
    pub imitated: Option<f64>,
    /// And gives it the threshold or more.
    pub student_is_sure: Option<f64>,
    /// And so does the supervisor.
    pub both_are_sure: Option<f64>,
}

/// Agreement on the supervisor's errors, by how sure both are of them.
pub fn confident_errors(
    weak: &Frame,
    student: &Frame,
    truth: &Frame,
    threshold: f64,
) -> Result<ConfidentErrors, MetricError> {
    if !(0.0..=1.0).contains(&threshold) {
        return Err(MetricError::Probability { name: "threshold", value: threshold });
    }
    let named = if weak.class_names().is_some() { weak } else { student };
    let student = in_order_of(weak, student, ("the student's predictions", "the supervisor's predictions"))?;
    let (student_ids, student, n_student) = student.exact_probabilities()?;
    let truth = truth_beside(named, truth)?;
    let (ids, weak, n_classes) = weak.exact_probabilities()?;
    if n_classes != n_student {
        return Err(MetricError::Lengths { a_name: "weak", a: n_classes, b_name: "student", b: n_student });
    }
    let rows: Vec<&[f64]> = student.chunks(n_classes).collect();
    let student = gather(&rows, &meet(&ids, &student_ids, ("supervisor's predictions", "student's predictions"))?);
    let truth = gather(&truth.values, &meet(&ids, &truth.ids, ("predictions", "truth"))?);
    let (mut n_wrong, mut imitated, mut sure, mut both) = (0usize, 0usize, 0usize, 0usize);
    for ((weak, student), truth) in weak.chunks(n_classes).zip(student).zip(truth) {
        let class = argmax(weak);
        if class == truth {
            continue;
        }
        n_wrong += 1;
        if argmax(student) != class {
            continue;
        }
        imitated += 1;
        let of = |row: &[f64]| row.get(class).is_some_and(|p| *p >= threshold);
        sure += usize::from(of(student));
        both += usize::from(of(student) && of(weak));
    }
    let share = |n: usize| (n_wrong > 0).then(|| n as f64 / n_wrong as f64);
    Ok(ConfidentErrors { n_wrong, imitated: share(imitated), student_is_sure: share(sure), both_are_sure: share(both) })
}

#[cfg(test)]
mod tests {
    use super::super::tests::{hard, soft};
    use super::*;

    #[test]
    fn sure_errors_are_counted_among_the_supervisors_errors() {
        // By hand: the supervisor is wrong in rows 0, 1, 2 and 4; the student says the same in 0, 1 and 4, is sure in 0 and 4,
        // and of these the supervisor only in 0.
        let (weak, student) = (soft(&[0.9, 0.8, 0.2, 0.9, 0.6]), soft(&[0.95, 0.6, 0.7, 0.1, 0.9]));
        let truth = hard(&[0, 0, 1, 1, 0]);
        let found = confident_errors(&weak, &student, &truth, 0.75).expect("the same rows");
        assert_eq!((found.n_wrong, found.imitated), (4, Some(0.75)));
        assert_eq!((found.student_is_sure, found.both_are_sure), (Some(0.5), Some(0.25)));
        let right = confident_errors(&weak, &student, &hard(&[1, 1, 0, 1, 1]), 0.75).expect("no errors");
        assert_eq!((right.n_wrong, right.imitated), (0, None));
        assert!(confident_errors(&weak, &student, &truth, 1.5).is_err());
    }
}
