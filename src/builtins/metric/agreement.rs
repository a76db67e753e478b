//! `metric::agreement`, and what its neighbours share with it: two models beside truth.

use super::truth::Truth;
use crate::bind::prelude::*;
use crate::builtins::frame::warn_of_indices;
use crate::frames::Frame;
use crate::stats::MetricError;
use crate::stats::scores::{gather, in_order_of, meet, predicted, truth_beside};
use polars::prelude::Column;

/// The record.
pub fn function() -> Function {
    of_two(Function::new("metric", "agreement", |call| {
        let [weak, student, truth] = three(call, ["`weak`", "`student`"])?;
        Ok(Dynamic::from(rows(&weak, &student, &truth)?.made_from(&truth)))
    }))
    .about("The rows of a supervisor and its student beside truth, for grouping.")
    .details(
        "Columns `id`, `weak_prediction`, `student_prediction`, `label`, `weak_is_right`, `student_is_right`, `agrees`. \
         Group by `weak_is_right` to see whether the student learns the supervisor's errors.",
    )
    .source("Burns et al. 2023")
    .returns("Frame: one row per row of the predictions")
    .example(
        "let weak = frame::of(#{ id: [\"a\", \"b\"], prediction: [1, 0] });\n\
         let student = frame::of(#{ id: [\"a\", \"b\"], prediction: [1, 1] });\n\
         let rows = metric::agreement(weak, student, frame::of(#{ id: [\"a\", \"b\"], label: [1, 1] }));\n\
         rows.group_by(\"weak_is_right\").agg(col(\"agrees\").mean()).column(\"agrees\")",
        "[1.0, 0.0]",
    )
    .fails(
        "let p = frame::of(#{ id: [\"a\"], prediction: [1] });\n\
         metric::agreement(p, frame::of(#{ id: [\"b\"], prediction: [1] }), frame::of(#{ id: [\"a\"], label: [1] }))",
        "1 rows of the student's predictions are missing, the first with id `a`",
    )
}

/// The rows of a supervisor and a student beside truth: `id`, `weak_prediction`, `student_prediction`, `label`,
/// `weak_is_right`, `student_is_right`, `agrees`.
pub fn rows(weak: &Frame, student: &Frame, truth: &Frame) -> Result<Frame, MetricError> {
    let names = [weak, student, truth].into_iter().find_map(|frame| frame.class_names().map(<[String]>::to_vec));
    let Beside { ids, weak, student, truth } = beside(weak, student, truth)?;
    let ints = |values: &[usize]| values.iter().map(|value| *value as i64).collect::<Vec<_>>();
    let same = |a: &[usize], b: &[usize]| a.iter().zip(b).map(|(x, y)| x == y).collect::<Vec<bool>>();
    let frame = Frame::from_columns(vec![
        Column::new("id".into(), ids),
        Column::new("weak_prediction".into(), ints(&weak)),
        Column::new("student_prediction".into(), ints(&student)),
        Column::new("label".into(), ints(&truth)),
        Column::new("weak_is_right".into(), same(&weak, &truth)),
        Column::new("student_is_right".into(), same(&student, &truth)),
        Column::new("agrees".into(), same(&weak, &student)),
    ])?;
    Ok(match names {
        Some(names) => frame.named_over(&names, &["weak_prediction", "student_prediction"]),
        None => frame,
    })
}

/// Two models' classes and the true ones, row by row, in the order of the first model's rows and classes.
pub struct Beside {
    pub ids: Vec<String>,
    pub weak: Vec<usize>,
    pub student: Vec<usize>,
    pub truth: Vec<usize>,
}

/// Joins the three by id, and classes by name.
pub fn beside(weak: &Frame, student: &Frame, truth: &Frame) -> Result<Beside, MetricError> {
    const SIDES: (&str, &str) = ("the student's predictions", "the supervisor's predictions");
    // Names that the supervisor does not have may be known to the student.
    let named = if weak.class_names().is_some() { weak } else { student };
    let student = predicted(&in_order_of(weak, student, SIDES)?)?;
    let truth = truth_beside(named, truth)?;
    let weak = predicted(weak)?;
    let student = gather(
        &student.classes,
        &meet(&weak.ids, &student.ids, ("supervisor's predictions", "student's predictions"))?,
    );
    let truth = gather(&truth.values, &meet(&weak.ids, &truth.ids, ("predictions", "truth"))?);
    Ok(Beside { ids: weak.ids, weak: weak.classes, student, truth })
}

/// Two models' predictions and the truth; a side that is read by index is told.
pub fn three(call: &Call, [a_name, b_name]: [&str; 2]) -> Result<[Frame; 3], Fault> {
    let (a, b, truth): (Frame, Frame, Truth) = (call.arg(0)?, call.arg(1)?, call.arg(2)?);
    let truth = truth.labels(call)?;
    warn_of_indices(call, &[(a_name, &a), (b_name, &b), ("`truth`", &truth)]);
    Ok([a, b, truth])
}

/// The parameters of a supervisor, its student and the truth.
pub fn of_two(function: Function) -> Function {
    function
        .param::<Frame>("weak", "the supervisor's predictions")
        .param::<Frame>("student", "the student's predictions, on the same rows")
        .param::<Truth>("truth", "data, whose truth is read and the read recorded, or a frame with `id` and `label`")
}

#[cfg(test)]
mod tests {
    use super::super::agreement_rates::rates;
    use super::super::capa::capa;
    use super::super::kappa::kappa;
    use super::super::tests::{hard, soft};
    use super::*;

    #[test]
    fn models_meet_by_class_name() {
        let named = |frame: &Frame, names: [&str; 2]| frame.clone().named(&names.map(str::to_owned));
        let (weak, student, truth) = (hard(&[1, 0, 0]), hard(&[0, 1, 0]), hard(&[1, 0, 1]));
        let weak = named(&weak, ["neg", "pos"]);
        let (student, truth) = (named(&student, ["pos", "neg"]), named(&truth, ["neg", "pos"]));
        let found = rates(&weak, &student, &truth).expect("the same names");
        assert_eq!((found.n_right, found.overall), (2, 2.0 / 3.0));
        let rows = rows(&weak, &student, &truth).expect("the same names");
        assert_eq!(rows.floats("student_prediction").expect("classes"), [1.0, 0.0, 1.0]);
        assert_eq!(rows.class_names(), Some(&["neg".to_owned(), "pos".to_owned()][..]));
        let again = kappa(&weak, &weak.in_classes(&["pos".into(), "neg".into()], ("a", "b")).expect("turned"));
        assert_eq!(again.expect("two classes"), 1.0);
        let (a, b) = (named(&soft(&[0.75, 0.25]), ["x", "y"]), named(&soft(&[0.25, 0.75]), ["y", "x"]));
        let truth = named(&hard(&[1, 0]), ["x", "y"]);
        let alike = capa(&a, &named(&soft(&[0.75, 0.25]), ["x", "y"]), &truth).expect("the same names");
        assert_eq!(capa(&a, &b, &truth).expect("the same names"), alike);
        let other = named(&hard(&[1, 0, 0]), ["no", "yes"]);
        for said in [
            rates(&weak, &other, &weak).expect_err("other names").to_string(),
            rates(&weak, &weak, &other).expect_err("other names").to_string(),
            kappa(&weak, &other).expect_err("other names").to_string(),
        ] {
            assert!(said.contains("`no`, `yes`") && said.contains("`neg`, `pos`"), "{said}");
        }
    }

    #[test]
    fn rows_stand_beside_truth() {
        let frame = rows(&hard(&[1, 0]), &hard(&[1, 1]), &hard(&[1, 1])).expect("the same rows");
        assert_eq!(frame.columns().len(), 7);
        assert_eq!(frame.height(), 2);
    }
}
