//! How two models agree, and where: the supervisor's errors are what a student should not learn.

use super::scores::{gather, in_order_of, meet, predicted, truth_beside};
use super::{MetricError, mean};
use crate::frames::{Frame, argmax};
use polars::prelude::Column;

/// Two models' classes and the true ones, row by row, in the order of the first model's rows and classes.
struct Beside {
    ids: Vec<String>,
    weak: Vec<usize>,
    student: Vec<usize>,
    truth: Vec<usize>,
}

fn beside(weak: &Frame, student: &Frame, truth: &Frame) -> Result<Beside, MetricError> {
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

/// Cohen's κ between the predicted classes of two models: agreement beyond what their class shares would give.
pub fn kappa(a: &Frame, b: &Frame) -> Result<f64, MetricError> {
    let b = predicted(&in_order_of(a, b, ("the second predictions", "the first predictions"))?)?;
    let a = predicted(a)?;
    let b = gather(&b.classes, &meet(&a.ids, &b.ids, ("first predictions", "second predictions"))?);
    let a = a.classes;
    let n = a.len() as f64;
    let n_classes = a.iter().chain(&b).max().map_or(0, |class| class + 1);
    let (mut shares_a, mut shares_b) = (vec![0.0; n_classes], vec![0.0; n_classes]);
    for (class, shares) in a.iter().map(|class| (class, true)).chain(b.iter().map(|class| (class, false))) {
        let shares = if shares { &mut shares_a } else { &mut shares_b };
        if let Some(share) = shares.get_mut(*class) {
            *share += 1.0 / n;
        }
    }
    let observed = a.iter().zip(&b).filter(|(x, y)| x == y).count() as f64 / n;
    let expected: f64 = shares_a.iter().zip(&shares_b).map(|(x, y)| x * y).sum();
    if 1.0 - expected < 1e-12 {
        return Err(MetricError::Undefined(
            "kappa is undefined: both models always predict the same one class, so agreement by chance is 1".to_owned(),
        ));
    }
    Ok((observed - expected) / (1.0 - expected))
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

/// CAPA κ_p (Goel et al. 2025): chance-adjusted probabilistic agreement. Observed: the mean of Σ_k a_k·b_k. Expected by
/// chance from the mean probabilities ā, b̄ of the right class: ā·b̄ + (1−ā)(1−b̄)/(K−1). κ_p = (obs − exp)/(1 − exp).
pub fn capa(a: &Frame, b: &Frame, truth: &Frame) -> Result<f64, MetricError> {
    let named = if a.class_names().is_some() { a } else { b };
    let truth = truth_beside(named, truth)?;
    let (b_ids, b, b_classes) =
        in_order_of(a, b, ("the second predictions", "the first predictions"))?.exact_probabilities()?;
    let (ids, a, n_classes) = a.exact_probabilities()?;
    if n_classes != b_classes {
        return Err(MetricError::Lengths { a_name: "a", a: n_classes, b_name: "b", b: b_classes });
    }
    let b_rows: Vec<&[f64]> = b.chunks(n_classes).collect();
    let b = gather(&b_rows, &meet(&ids, &b_ids, ("first predictions", "second predictions"))?);
    let truth = gather(&truth.values, &meet(&ids, &truth.ids, ("predictions", "truth"))?);
    let (mut observed, mut right_a, mut right_b) = (Vec::new(), Vec::new(), Vec::new());
    for ((a, b), class) in a.chunks(n_classes).zip(b).zip(&truth) {
        let (Some(right), Some(other)) = (a.get(*class), b.get(*class)) else {
            return Err(MetricError::Class { class: *class, n_classes });
        };
        observed.push(a.iter().zip(b).map(|(x, y)| x * y).sum::<f64>());
        right_a.push(*right);
        right_b.push(*other);
    }
    let (observed, a, b) = (mean(&observed), mean(&right_a), mean(&right_b));
    let expected = a * b + (1.0 - a) * (1.0 - b) / (n_classes as f64 - 1.0);
    if 1.0 - expected < 1e-12 {
        return Err(MetricError::Undefined(
            "CAPA is undefined: both models are always certain and right, so agreement by chance is 1".to_owned(),
        ));
    }
    Ok((observed - expected) / (1.0 - expected))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hard(classes: &[usize]) -> Frame {
        let ids: Vec<String> = (0..classes.len()).map(|row| format!("r{row}")).collect();
        Frame::hard_labels(&ids, classes, 2).expect("labels")
    }

    fn soft(p1: &[f32]) -> Frame {
        let ids: Vec<String> = (0..p1.len()).map(|row| format!("r{row}")).collect();
        Frame::predictions(&ids, &p1.iter().flat_map(|p| [1.0 - p, *p]).collect::<Vec<_>>(), 2).expect("probabilities")
    }

    #[test]
    fn models_meet_by_class_name() {
        let named = |frame: &Frame, names: [&str; 2]| frame.clone().named(&names.map(str::to_owned));
        let (weak, student, truth) = (hard(&[1, 0, 0]), hard(&[0, 1, 0]), hard(&[1, 0, 1]));
        let weak = named(&weak, ["neg", "pos"]);
        let (student, truth) = (named(&student, ["pos", "neg"]), named(&truth, ["neg", "pos"]));
        let rates = rates(&weak, &student, &truth).expect("the same names");
        assert_eq!((rates.n_right, rates.overall), (2, 2.0 / 3.0));
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
            super::rates(&weak, &other, &weak).expect_err("other names").to_string(),
            super::rates(&weak, &weak, &other).expect_err("other names").to_string(),
            kappa(&weak, &other).expect_err("other names").to_string(),
        ] {
            assert!(said.contains("`no`, `yes`") && said.contains("`neg`, `pos`"), "{said}");
        }
    }

    #[test]
    fn agreement_is_split_by_the_supervisor() {
        let rates = rates(&hard(&[1, 1, 0, 0]), &hard(&[1, 0, 0, 1]), &hard(&[1, 1, 1, 1])).expect("the same rows");
        assert_eq!((rates.n_right, rates.n_wrong), (2, 2));
        assert_eq!((rates.overall, rates.when_weak_is_right, rates.when_weak_is_wrong), (0.5, Some(0.5), Some(0.5)));
        let frame = rows(&hard(&[1, 0]), &hard(&[1, 1]), &hard(&[1, 1])).expect("the same rows");
        assert_eq!(frame.columns().len(), 7);
        assert_eq!(frame.height(), 2);
    }

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

    /// ```python
    /// from sklearn.metrics import cohen_kappa_score
    /// cohen_kappa_score([1, 1, 0, 0, 1, 0], [1, 0, 0, 0, 1, 1])  # 0.33333333333333337
    /// ```
    #[test]
    fn kappa_agrees_with_scikit_learn() {
        let kappa = kappa(&hard(&[1, 1, 0, 0, 1, 0]), &hard(&[1, 0, 0, 0, 1, 1])).expect("two classes");
        assert!((kappa - 1.0 / 3.0).abs() < 1e-12, "{kappa}");
        assert!(super::kappa(&hard(&[1, 1]), &hard(&[1, 1])).is_err());
    }

    /// `get_probkappa_mcqs` of the public repository model-similarity/lm-similarity, written out:
    /// ```python
    /// y = [1, 0, 1, 0]; a = [.75, .25, .5, .5]; b = [.5, .25, .75, .125]
    /// obs = sum(p*q + (1-p)*(1-q) for p, q in zip(a, b)) / 4
    /// ra = sum(p if t else 1-p for p, t in zip(a, y)) / 4; rb = sum(p if t else 1-p for p, t in zip(b, y)) / 4
    /// exp = ra*rb + (1-ra)*(1-rb)
    /// (obs - exp) / (1 - exp)  # -0.05263157894736842
    /// ```
    #[test]
    fn capa_agrees_with_its_authors_code() {
        let (a, b) = (soft(&[0.75, 0.25, 0.5, 0.5]), soft(&[0.5, 0.25, 0.75, 0.125]));
        let capa = capa(&a, &b, &hard(&[1, 0, 1, 0])).expect("the same rows");
        assert!((capa + 0.052_631_578_947_368_42).abs() < 1e-12, "{capa}");
    }
}
