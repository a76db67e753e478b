//! `metric::pgr`, `metric::gap`, `metric::interval_fieller`

use super::truth::Truth;
use crate::bind::prelude::*;
use crate::builtins::frame::warn_of_indices;
use crate::frames::Frame;
use crate::stats::intervals::LEVEL;
use crate::stats::{Estimate, Scored, pgr};

options! {
    /// How sure an interval is.
    pub struct LevelOptions {
        /// The interval's coverage.
        level: f64 = LEVEL,
    }
}

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

/// The records.
pub fn register(registry: &mut Registry) {
    registry.add(function());
    registry.add(gap());
    registry.add(fieller());
}

fn function() -> Function {
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
            None => Err(Fault::new("metric/no-truth", "predictions need truth to be measured by")
                .hint("metric::pgr(weak, student, ceiling, task.test)")),
        }
    };
    let estimate = match (call.arg(0)?, call.arg(1)?, call.arg(2)?) {
        (Measured::Number(weak), Measured::Number(student), Measured::Number(ceiling)) => {
            pgr::of_numbers(weak, student, ceiling)?
        }
        (Measured::Numbers(weak), Measured::Numbers(student), Measured::Numbers(ceiling)) => {
            pgr::of_seeds(&weak, &student, &ceiling, options.level)?
        }
        (Measured::Predictions(weak), Measured::Predictions(student), Measured::Predictions(ceiling)) => {
            let truth = labels(truth)?;
            warn_of_indices(
                call,
                &[("`weak`", &weak), ("`student`", &student), ("`ceiling`", &ceiling), ("`truth`", &truth)],
            );
            let scored = |frame: &Frame| Scored::new(frame, &truth);
            pgr::of_rows(&scored(&weak)?, &scored(&student)?, &scored(&ceiling)?, options.level)?
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
                frames.iter().map(|frame| Ok(Scored::new(frame, &truth)?.accuracy()?)).collect()
            };
            pgr::of_seeds(&accuracies(&weak)?, &accuracies(&student)?, &accuracies(&ceiling)?, options.level)?
        }
        _ => {
            return Err(Fault::new("metric/pgr", "`weak`, `student` and `ceiling` must be of one kind")
                .hint("three numbers, three arrays of numbers, three frames, or three arrays of frames"));
        }
    };
    Ok(Dynamic::from(estimate))
}

fn gap() -> Function {
    Function::new("metric", "gap", |call| {
        let (weak, ceiling): (Vec<f64>, Vec<f64>) = (call.arg(0)?, call.arg(1)?);
        let gap = pgr::gap_of_seeds(&weak, &ceiling)?;
        let map: Map = [
            ("value".into(), Dynamic::from(gap.value)),
            ("p".into(), gap.p.map_or(Dynamic::UNIT, Dynamic::from)),
            ("significant".into(), Dynamic::from(gap.is_significant)),
            ("reason".into(), Dynamic::from(gap.reason)),
        ]
        .into_iter()
        .collect();
        Ok(Dynamic::from(map))
    })
    .about("Whether the ceiling is above the weak model: the gap over seeds and its one-sided paired t test.")
    .details("`value` is mean(ceiling) − mean(weak); `p` is `()` where the seeds have no spread; significant at 5 %.")
    .param::<Vec<f64>>("weak", "accuracies, one per seed")
    .param::<Vec<f64>>("ceiling", "accuracies, paired by position")
    .returns("object map: `value`, `p`, `significant`, `reason`")
    .example("metric::gap([0.60, 0.62, 0.61], [0.80, 0.82, 0.84]).significant", "true")
    .example("metric::gap([0.6], [0.8]).reason", "gap not significant: one seed cannot tell a gap of 0.2000 from noise")
    .fails("metric::gap([], [])", "`weak` has no value")
}

fn fieller() -> Function {
    Function::new("metric", "interval_fieller", |call| {
        let options: LevelOptions = call.options()?;
        let (weak, student, ceiling): (Vec<f64>, Vec<f64>, Vec<f64>) = (call.arg(0)?, call.arg(1)?, call.arg(2)?);
        let estimate: Estimate = pgr::with_fieller(&weak, &student, &ceiling, options.level)?;
        Ok(Dynamic::from(estimate))
    })
    .about("PGR over seeds with Fieller's interval, whether or not the gap is significant.")
    .details(
        "All ratios θ for which `mean(student − weak) − θ·mean(ceiling − weak)` is within t standard errors of zero. Where \
         the gap itself could be zero, the interval has no bounds, and says so. `metric::pgr` gives the same interval where \
         the gap is significant, and no number elsewhere.",
    )
    .source("Fieller 1954")
    .param::<Vec<f64>>("weak", "accuracies, one per seed")
    .param::<Vec<f64>>("student", "accuracies, paired by position")
    .param::<Vec<f64>>("ceiling", "accuracies, paired by position")
    .options::<LevelOptions>()
    .returns("Estimate: the ratio with its interval")
    .example("metric::interval_fieller([0.60, 0.62, 0.58], [0.61, 0.60, 0.59], [0.62, 0.61, 0.60]).reason", "")
    .example("metric::interval_fieller([0.5, 0.5, 0.5], [0.6, 0.6, 0.6], [0.6, 0.7, 0.2]).defined", "false")
    .fails("metric::interval_fieller([0.6], [0.7], [0.8, 0.9])", "`weak` has 1 values, `ceiling` has 2")
}
