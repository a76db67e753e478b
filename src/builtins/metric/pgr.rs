//! `metric::pgr`
//!
//! A ratio is reported only where its denominator, the gap, is above zero, and, where there are seeds or rows to tell, significantly
//! so (one-sided t test, 5 %).

use super::accuracy::Accuracy;
use super::gap::{gap, is_no_gap, no_gap};
use super::interval_fieller::{check_lengths, ratio};
use super::truth::Truth;
use super::{LevelOptions, Metric};
use crate::bind::prelude::*;
use crate::builtins::frame::warn_of_indices;
use crate::frames::Frame;
use crate::stats::intervals::{check, check_level};
use crate::stats::{Estimate, MetricError, Scored};

/// What a model is measured by: accuracies, or predictions that give them.
enum Measured {
    Number(f64),
    Numbers(Vec<f64>),
    Predictions(Frame),
    PredictionsBySeed(Vec<Frame>),
}

impl FromDynamic for Measured {
    fn type_name() -> String {
        "float|array of float|Frame|array of Frame".to_owned()
    }
    fn from_dynamic(value: &Dynamic) -> Result<Self, Mismatch> {
        if let Some(frame) = value.clone().try_cast::<Frame>() {
            return Ok(Measured::Predictions(frame));
        }
        if let Ok(number) = f64::from_dynamic(value) {
            return Ok(Measured::Number(number));
        }
        if !value.is_array() {
            return Err(Self::mismatch(value));
        }
        match Vec::<Frame>::from_dynamic(value) {
            Ok(frames) if !frames.is_empty() => Ok(Measured::PredictionsBySeed(frames)),
            _ => Vec::<f64>::from_dynamic(value).map(Measured::Numbers),
        }
    }
}

/// The record.
pub fn function() -> Function {
    Function::new("metric", "pgr", run)
        .about("Performance gap recovered: (student − weak) / (ceiling − weak), never clamped.")
        .details(
            "From three numbers of one scale on which more is better: undefined where the ceiling is not above the weak model \
             by more than rounding. From arrays with one value per \
             seed, paired by position: the ratio of the mean differences with Fieller's interval; undefined where the gap \
             is not significantly above zero (one-sided t test, 5 %). From predictions with truth: the same over the test \
             rows of one seed, and the interval covers the draw of those rows only; from arrays of predictions, one per \
             seed, accuracies are taken first. An undefined value prints its reason, and is null in a frame.",
        )
        .source("Burns et al. 2023; Fieller 1954")
        .param::<Measured>("weak", "the supervisor")
        .param::<Measured>("student", "the student")
        .param::<Measured>("ceiling", "the strong model trained on truth")
        .optional::<Truth>("truth", "for predictions: data, whose truth is read and the read recorded, or a frame")
        .options::<LevelOptions>()
        .returns("Estimate: the fraction with its interval, or the reason why it is undefined")
        .example("metric::pgr(0.65, 0.78, 0.95)", "0.4333")
        .example(
            "metric::pgr(0.5, 0.5, 0.5)",
            "undefined: no gap to recover: the ceiling `0.5` equals the weak model `0.5`",
        )
        .example("metric::pgr(0.3, 0.4, 0.1 + 0.2).defined", "false")
        .example("metric::pgr([0.60, 0.62, 0.61], [0.70, 0.71, 0.73], [0.80, 0.82, 0.83])", "0.5000 [0.3630, 0.6075] (95 %, Fieller, 3 seeds)")
        .fails("metric::pgr([0.6, 0.6], [0.7], [0.8, 0.8])", "`weak` has 2 values, `student` has 1")
        .fails("metric::pgr(0.65, \"0.78\", 0.95)", "`student` of `metric::pgr` must be one of float")
}

fn run(call: &mut Call) -> Answer {
    let options: LevelOptions = call.options()?;
    let truth = call.optional::<Truth>(3)?;
    let labels = |what: Option<Truth>| -> Result<Frame, Fault> {
        match what {
            Some(truth) => truth.labels(call),
            None => Err(Fault::new("metric/no-truth", "predictions are measured against truth, and none was given")
                .hint("metric::pgr(weak, student, ceiling, task.test)")),
        }
    };
    let estimate = match (call.arg(0)?, call.arg(1)?, call.arg(2)?) {
        (Measured::Number(weak), Measured::Number(student), Measured::Number(ceiling)) => {
            of_numbers(weak, student, ceiling)?
        }
        (Measured::Numbers(weak), Measured::Numbers(student), Measured::Numbers(ceiling)) => {
            of_seeds(&weak, &student, &ceiling, options.level)?
        }
        (Measured::Predictions(weak), Measured::Predictions(student), Measured::Predictions(ceiling)) => {
            let truth = labels(truth)?;
            warn_of_indices(
                call,
                &[("`weak`", &weak), ("`student`", &student), ("`ceiling`", &ceiling), ("`truth`", &truth)],
            );
            let scored = |frame: &Frame| Scored::new(frame, &truth);
            of_rows(&scored(&weak)?, &scored(&student)?, &scored(&ceiling)?, options.level)?
        }
        (
            Measured::PredictionsBySeed(weak),
            Measured::PredictionsBySeed(student),
            Measured::PredictionsBySeed(ceiling),
        ) => {
            let truth = labels(truth)?;
            let sides = [("`weak`", weak.first()), ("`student`", student.first()), ("`ceiling`", ceiling.first())];
            let sides = sides.into_iter().filter_map(|(side, frame)| Some((side, frame?)));
            warn_of_indices(call, &sides.chain([("`truth`", &truth)]).collect::<Vec<_>>());
            let accuracies = |frames: &[Frame]| -> Result<Vec<f64>, Fault> {
                frames.iter().map(|frame| Ok(Accuracy.value(&Scored::new(frame, &truth)?)?)).collect()
            };
            of_seeds(&accuracies(&weak)?, &accuracies(&student)?, &accuracies(&ceiling)?, options.level)?
        }
        _ => {
            return Err(Fault::new("metric/pgr", "`weak`, `student` and `ceiling` must be of the same kind")
                .hint("three numbers, three arrays of numbers, three frames, or three arrays of frames"));
        }
    };
    Ok(Dynamic::from(estimate))
}

/// PGR of three numbers on one scale where more is better: there is nothing to test, so it is undefined only where the
/// ceiling is not above the weak model, by more than rounding.
pub fn of_numbers(weak: f64, student: f64, ceiling: f64) -> Result<Estimate, MetricError> {
    for (name, value) in [("weak", weak), ("student", student), ("ceiling", ceiling)] {
        check(name, &[value])?;
    }
    if is_no_gap(weak, ceiling) {
        return Ok(Estimate::undefined("PGR", no_gap(weak, ceiling)));
    }
    let value = (student - weak) / (ceiling - weak);
    check("student", &[value])?;
    Ok(Estimate::plain("PGR", value))
}

/// PGR over seeds, paired by position: the ratio of mean differences, with Fieller's interval.
pub fn of_seeds(weak: &[f64], student: &[f64], ceiling: &[f64], level: f64) -> Result<Estimate, MetricError> {
    of_pairs(weak, student, ceiling, level, "seed")
}

/// PGR within one seed: every test row is a unit, right or wrong in each of the three models. The interval covers the
/// draw of test rows and nothing else.
pub fn of_rows(weak: &Scored, student: &Scored, ceiling: &Scored, level: f64) -> Result<Estimate, MetricError> {
    let (_, weak) = by_id(weak);
    let (_, student) = by_id(student);
    let (_, ceiling) = by_id(ceiling);
    of_pairs(&weak, &student, &ceiling, level, "test row")
}

/// Rows in the order of their ids, so that three models' rows stand beside one another.
fn by_id(scored: &Scored) -> (Vec<String>, Vec<f64>) {
    let mut rows: Vec<(String, f64)> = scored.ids.iter().cloned().zip(scored.is_right()).collect();
    rows.sort_by(|a, b| a.0.cmp(&b.0));
    rows.into_iter().unzip()
}

fn of_pairs(weak: &[f64], student: &[f64], ceiling: &[f64], level: f64, unit: &str) -> Result<Estimate, MetricError> {
    check_level(level)?;
    check_lengths(weak, student, ceiling)?;
    let gap = gap(weak, ceiling, unit)?;
    if !gap.is_significant {
        return Ok(Estimate::undefined("PGR", gap.reason));
    }
    ratio(weak, student, ceiling, level, unit)
}

#[cfg(test)]
mod tests {
    use super::super::interval_fieller::with_fieller;
    use super::super::tests::scored;
    use super::*;

    #[test]
    fn three_numbers_are_never_clamped() {
        let of = |weak, student, ceiling| of_numbers(weak, student, ceiling).expect("numbers").value;
        assert!(of(0.65, 0.78, 0.95).is_some_and(|value| (value - 13.0 / 30.0).abs() < 1e-12));
        assert!(of(0.65, 0.6, 0.95).is_some_and(|value| value < 0.0));
        assert!(of(0.65, 0.99, 0.95).is_some_and(|value| value > 1.0));
        let equal = of_numbers(0.5, 0.5, 0.5).expect("numbers");
        assert_eq!(equal.to_string(), "undefined: no gap to recover: the ceiling `0.5` equals the weak model `0.5`");
        assert!(of_numbers(0.6, 0.7, 0.5).expect("numbers").to_string().contains("is below"));
        assert!(of_numbers(f64::NAN, 0.7, 0.5).is_err());
        assert!(of_numbers(0.0, 1e308, 1e-308).is_err(), "the ratio overflows");
        let rounding = of_numbers(0.3, 0.4, 0.1 + 0.2).expect("numbers");
        assert!(rounding.to_string().contains("is, but for rounding, the weak model `0.3`"), "{rounding}");
        assert!(of(0.3, 0.4, 0.3 + 1e-9).is_some_and(|value| (value / 1e8 - 1.0).abs() < 1e-6), "small, and a gap");
        let cancels = with_fieller(&[0.5; 3], &[0.6; 3], &[0.6, 0.7, 0.2], 0.95).expect("paired");
        assert_eq!(cancels.value, None, "{cancels}");
    }

    #[test]
    fn a_gap_of_noise_has_no_ratio() {
        let weak = [0.50, 0.52, 0.49, 0.51, 0.50];
        let chance = [0.51, 0.50, 0.50, 0.50, 0.51];
        let pgr = of_seeds(&weak, &[0.51; 5], &chance, 0.95).expect("paired");
        assert_eq!(pgr.value, None);
        assert!(
            pgr.to_string().contains("gap not significant (ceiling − weak = 0.0000, one-sided p = 0.5000"),
            "{pgr}"
        );
        let one = of_seeds(&[0.5], &[0.6], &[0.9], 0.95).expect("paired");
        assert!(one.to_string().contains("one seed cannot tell"), "{one}");
    }

    #[test]
    fn a_clear_gap_has_a_ratio_with_an_interval_around_it() {
        let pgr = of_seeds(
            &[0.65, 0.66, 0.64, 0.65, 0.67],
            &[0.78, 0.77, 0.79, 0.76, 0.78],
            &[0.95, 0.94, 0.95, 0.96, 0.94],
            0.95,
        )
        .expect("paired");
        let (low, high) = pgr.bounds.expect("an interval");
        assert!(pgr.value.is_some_and(|value| low < value && value < high));
        assert!(pgr.to_string().contains("(95 %, Fieller, 5 seeds)"), "{pgr}");
    }

    #[test]
    fn a_gap_that_is_barely_there_has_a_ratio_without_bounds() {
        // One-sided p between 0.025 and 0.05: the ratio is reported, Fieller's two-sided interval has no bounds.
        let ceiling = [0.56, 0.50, 0.55, 0.50, 0.55];
        let pgr = of_seeds(&[0.5; 5], &[0.51, 0.5, 0.52, 0.5, 0.51], &ceiling, 0.95).expect("paired");
        assert!(gap(&[0.5; 5], &ceiling, "seed").expect("paired").p.is_some_and(|p| p > 0.025 && p < 0.05));
        assert_eq!(pgr.bounds, Some((f64::NEG_INFINITY, f64::INFINITY)));
        assert!(pgr.to_string().contains("has no bounds"), "{pgr}");
    }

    #[test]
    fn rows_are_paired_by_id() {
        let truth: Vec<usize> = (0..100).map(|row| row % 2).collect();
        let right = |share: usize| -> Vec<f32> {
            (0..100).map(|row| if (row % 10 < share) == (row % 2 == 1) { 0.75 } else { 0.25 }).collect()
        };
        let (weak, student, ceiling) =
            (scored(&right(6), &truth), scored(&right(8), &truth), scored(&right(10), &truth));
        let pgr = of_rows(&weak, &student, &ceiling, 0.95).expect("rows");
        assert!(pgr.value.is_some_and(|value| (value - 0.5).abs() < 1e-12), "{pgr}");
        assert!(pgr.to_string().contains("100 test rows, within one seed"), "{pgr}");
    }
}
