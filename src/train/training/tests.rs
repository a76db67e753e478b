//! What the loop does besides steps: dropout, averages, weights of rows; and that it trains for any objective.

use super::super::finetune::tests::task;
use super::super::job::{Job, Own, Probe};
use super::super::objective::{Moment, Objective};
use super::super::{Batches, CrossEntropy, LossError, LossValue, Recipe, Schedule, Warmup, finetune, predict};
use super::*;
use crate::data::Data;
use crate::frames::Frame;
use crate::kernels::Precision;
use crate::kernels::optim::AdamWOptions;
use crate::models::Model;
use crate::models::testing::{tiny, tiny_bert};

fn bits(model: &Model) -> Vec<u32> {
    let head = &model.inner.head.as_ref().expect("a head").weight;
    model.inner.params.values.iter().chain(head).map(|v| v.to_bits()).collect()
}

#[test]
fn the_average_forgets_its_start_fast() {
    assert_eq!(average_decay(0.999, 0), 0.1);
    assert_eq!(average_decay(0.999, 8), 0.5);
    assert_eq!(average_decay(0.9, 1_000), 0.9);
    assert_eq!(average_decay(0.0, 5), 0.0);
}

/// The mean squared distance of one output from a number that is known of each row: nothing of classes.
struct Squared(Vec<f32>);

impl Objective for Squared {
    fn n_outputs(&self) -> usize {
        1
    }

    fn ask(&mut self, rows: &[u32], outputs: &[f32], _: Moment) -> Result<LossValue, LossError> {
        let n = rows.len() as f32;
        let away: Vec<f32> = rows.iter().zip(outputs).map(|(row, y)| y - self.0[*row as usize]).collect();
        let value = away.iter().map(|d| f64::from(d * d)).sum::<f64>() / f64::from(n);
        Ok(LossValue { value, gradient: away.iter().map(|d| 2.0 * d / n).collect() })
    }
}

#[test]
fn another_objective_needs_no_other_loop() {
    let (ctx, partial, width) = (Context::for_tests(), Partial::none(), 3);
    let mut random = Random::new(4, "rows");
    let features: Vec<f32> = (0..40 * width).map(|_| random.normal() as f32).collect();
    let wanted = [0.5, -1.0, 0.25];
    let known = features.chunks(width).map(|row| row.iter().zip(wanted).map(|(x, w)| x * w).sum()).collect();
    let recipe = Recipe { steps: Some(300), batch: Some(8), lr: Some(0.05), accumulate: 2, ..Recipe::default() };
    let plan = recipe.plan(&tiny(0), 40).expect("valid");
    let course = Course {
        what: "squares".to_owned(),
        of: Digest::of("test", 1).finish(),
        steps: plan.steps,
        lr: plan.lr,
        lr_at: &|step| plan.lr_at(step),
        clip: 0.0,
        ema: 0.0,
        kept_at: &[1],
        watches: &[],
        ctx: &ctx,
        partial: &partial,
    };
    let mut learner = Own::new(Probe::new(&features, width, width), vec![0.0; width], AdamWOptions::default());
    let rows: Vec<u32> = (0..40).collect();
    let mut job = Job {
        learner: &mut learner,
        objective: &mut Squared(known),
        plan: &plan,
        batches: Batches::new(vec![1; 40], 8, 1, 0),
        rows: &rows,
        held_out: &[],
        ctx: &ctx,
        buffers: Default::default(),
    };
    let ran = course.run(&mut job, Random::new(0, "test")).expect("trains");
    assert!(ran.params.iter().zip(wanted).all(|(got, want)| (got - want).abs() < 1e-3), "{:?}", ran.params);
    assert_eq!((ran.step, ran.kept.len(), ran.kept[0].len()), (300, 1, width));
    assert!(ran.curve.first().expect("a point").1 > 10.0 * ran.curve.last().expect("a point").1);
}

#[test]
fn dropout_drops_in_training_alone_and_the_same_however_it_is_computed() {
    let (data, labels) = task(60, 0);
    for model in [tiny(0), tiny_bert(0)] {
        let run = |recipe: Recipe| {
            let recipe = Recipe { steps: Some(4), lr: Some(1e-3), ..recipe };
            finetune(&model, &data, &labels, &CrossEntropy, &recipe, &Context::for_tests()).expect("trains")
        };
        let plain = || Recipe { dropout: 0.3, ..Recipe::default() };
        let dropped = run(plain());
        assert_ne!(bits(&dropped), bits(&run(Recipe::default())));
        assert_eq!(bits(&dropped), bits(&run(Recipe { recompute: true, ..plain() })));
        assert_ne!(bits(&dropped), bits(&run(Recipe { seed: 1, ..plain() })));
        // A row loses the same in whichever part of its batch it goes.
        let parts = run(Recipe { accumulate: 5, ..plain() });
        let far = dropped.inner.params.values.iter().zip(&parts.inner.params.values);
        let far = far.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(far < 1e-4, "{far}");
        let ask = || predict(&dropped, &data, Precision::F32, &Context::for_tests()).expect("predicts").digest();
        assert_eq!(ask(), ask());
    }
}

#[test]
fn what_is_returned_is_the_average() {
    let (data, labels) = task(40, 0);
    let model = tiny(0);
    let run = |steps, ema| {
        // A rate that stays: fewer steps are the first of more.
        let schedule = Schedule::Constant;
        let warmup = Warmup::Share(0.0);
        let recipe = Recipe { steps: Some(steps), schedule, warmup, ema, ..Recipe::default() };
        let trained = finetune(&model, &data, &labels, &CrossEntropy, &recipe, &Context::for_tests());
        trained.expect("trains").inner.params.values.clone()
    };
    let mut expected = model.inner.params.values.clone();
    for step in 1..=3 {
        let decay = 0.25f64.min((1.0 + step as f64) / (10.0 + step as f64)) as f32;
        expected.iter_mut().zip(&run(step, 0.0)).for_each(|(a, p)| *a = decay * *a + (1.0 - decay) * p);
    }
    let far = run(3, 0.25).iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(far < 1e-6, "{far}");
}

#[test]
fn a_row_of_weight_0_might_as_well_not_be_there() {
    let (data, labels) = task(40, 0);
    let weights = |of: fn(usize) -> f64| {
        let mut table = labels.table().clone();
        let column = (0..40).map(of).collect::<Vec<f64>>();
        table.with_column(polars::prelude::Column::new("weight".into(), column)).expect("as many rows");
        Frame::new(table)
    };
    let recipe = Recipe { epochs: Some(3), batch: Some(8), ..Recipe::default() };
    let run = |data: &Data, labels: &Frame| {
        finetune(&tiny(0), data, labels, &CrossEntropy, &recipe, &Context::for_tests()).expect("trains")
    };
    let ids: Vec<String> = (0..40).filter(|row| row % 5 != 0).map(|row| format!("r{row}")).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let some = data.filter(ids).expect("known");
    let without = run(&data, &weights(|row| f64::from(u8::from(row % 5 != 0))));
    assert_eq!(bits(&without), bits(&run(&some, &labels)));
    assert!(without.inner.lineage.contains("on 32 rows of toy"), "{}", without.inner.lineage);
    assert!(without.inner.recipe.ends_with("weights of 32 rows"), "{}", without.inner.recipe);
    // Whatever all weights are multiplied by.
    let (one, other) =
        (run(&data, &weights(|row| 1.0 + row as f64)), run(&data, &weights(|row| 4.0 + 4.0 * row as f64)));
    assert_eq!(bits(&one), bits(&other));
    assert_ne!(bits(&one), bits(&run(&data, &labels)));
    assert_ne!(one.inner.digest, other.inner.digest);
}
