use super::super::checkpoint::testing::{heard, lab_in, on, state_file, stop_at};
use super::super::options::Says;
use super::*;
use crate::builtins::preference::{
    bco_pair::BcoPair, best_of_2::BestOf2, cdpo::Cdpo, dpo::Dpo, hinge::Hinge, ipo::Ipo, kto::Kto, orpo::Orpo,
    robust::Robust, simpo::Simpo,
};
use crate::core::context::{Access, Event};
use crate::core::explain::Explain;
use crate::data::{Input, Source, Split, Target};
use crate::domains::preference::loss::PairValue;
use crate::models::testing::{prompt, rows as plain_rows, tiny, tiny_bert, tiny_llama};
use std::sync::Arc;

/// Rows of prompts with two continuations; the first is the better one where its number is even.
fn pairs(n: usize) -> (Data, Frame) {
    let row = |n: usize| {
        let good = format!(" w{} w{} .", 10 + n % 4, 12 + n % 3);
        let bad = format!(" w{} .", 14 + n % 5);
        let both = if n.is_multiple_of(2) { [good, bad] } else { [bad, good] };
        prompt(&format!("w{} w{}", n % 7, 5 + n % 4), &[&both[0], &both[1]])
    };
    data((0..n).map(row).collect(), (0..n).map(|n| n % 2).collect())
}

fn data(inputs: Vec<Input>, better: Vec<usize>) -> (Data, Frame) {
    let rows = crate::data::tests::rows(inputs);
    let data =
        Data::new(Arc::new(Source::with_target("toy", rows, Target::Preference { truth: None }).expect("valid")));
    let ids: Vec<String> = data.rows().map(|row| row.id.to_string()).collect();
    let labels = Frame::hard_labels(ids.iter().map(String::as_str), &better, 2).expect("labels");
    (data, labels.named(&["first".to_owned(), "second".to_owned()]))
}

fn soft(data: &Data, p: impl Fn(usize) -> f32) -> Frame {
    let values: Vec<f32> = (0..data.len()).flat_map(|row| [p(row), 1.0 - p(row)]).collect();
    let ids: Vec<String> = data.rows().map(|row| row.id.to_string()).collect();
    let labels = Frame::labels(ids.iter().map(String::as_str), &values, 2).expect("labels");
    labels.named(&["first".to_owned(), "second".to_owned()])
}

fn dpo() -> Dpo {
    Dpo::new(0.5).expect("valid")
}

fn recipe() -> PreferenceRecipe {
    PreferenceRecipe { epochs: Some(10), batch: 8, lr: Some(3e-3), ..PreferenceRecipe::default() }
}

fn trained(model: &Model, data: &Data, labels: &Frame, loss: &dyn PairLoss, recipe: &PreferenceRecipe) -> Model {
    finetune_preferences(model, data, labels, loss, None, recipe, &Context::for_tests()).expect("trains")
}

fn curve(model: &Model, name: &str) -> Vec<f64> {
    model.inner.curves.as_ref().expect("measured").floats(name).expect("numbers")
}

/// A training of one batch of all pairs, before its first step.
struct Bench {
    model: Model,
    data: Data,
    pairs: Pairs,
    reference: Reference,
    recipe: PreferenceRecipe,
    adapters: Option<Adapters>,
    ctx: Context,
}

impl Bench {
    fn new(model: &Model, reference: &Model, lora: Option<Lora>, needs: Needs) -> Bench {
        let (data, _) = pairs(6);
        let labels = soft(&data, |row| if row.is_multiple_of(2) { 0.75 } else { 0.0 });
        let ctx = Context::for_tests();
        let read = Labels::read(&data, &labels).expect("labels");
        let pairs = Pairs::of(model, &data, &read, &ctx).expect("pairs");
        let mut reference = Reference::of(reference, &data, &pairs, needs, None, &ctx).expect("read");
        if let Some(mismatched) = &mut reference.mismatched {
            // An estimate below 0, which counts as 0: no gradient flows through it, and differences would see it move.
            mismatched.logprobs.iter_mut().for_each(|logprob| *logprob += 1e3);
        }
        let recipe = PreferenceRecipe { batch: 6, steps: Some(1), lora, ..PreferenceRecipe::default() };
        let adapters = lora.map(|lora| Adapters::new(&model.inner.params.layout, lora));
        Bench { model: model.clone(), data, pairs, reference, recipe, adapters, ctx }
    }

    /// The loss at these parameters and its gradient.
    fn at(&self, params: &[f32], loss: &dyn PairLoss) -> (f64, Vec<f32>) {
        let Bench { model, pairs, reference, recipe, adapters, ctx, .. } = self;
        let ids: Vec<&str> = self.data.rows().map(|row| row.id.as_str()).collect();
        let mut training = Bench::training(model, pairs, reference, recipe, adapters.as_ref(), loss, &ids, params, ctx);
        let value = training.gradient(0, &mut Random::new(0, "nothing")).expect("a step");
        (value, gradient_of(&training))
    }

    #[allow(clippy::too_many_arguments)]
    fn training<'a>(
        model: &'a Model,
        pairs: &'a Pairs,
        reference: &'a Reference,
        recipe: &PreferenceRecipe,
        adapters: Option<&'a Adapters>,
        loss: &'a dyn PairLoss,
        ids: &'a [&'a str],
        params: &[f32],
        ctx: &'a Context,
    ) -> OnPairs<'a> {
        let engine =
            engine::of(Trained { model, adapters }, params.to_vec(), recipe, None, &ctx.interrupt).expect("an engine");
        OnPairs {
            arch: &model.inner.arch,
            engine,
            pairs,
            reference,
            loss,
            needs: loss.needs(),
            ids,
            batches: Batches::new(pairs.lengths(), pairs.all.len(), 1, 0),
            curves: Curves::new(1),
            carried: Vec::new(),
            steps: 1,
            lr: 0.0,
            work: Work::default(),
        }
    }
}

fn gradient_of(training: &OnPairs) -> Vec<f32> {
    match &training.engine {
        Engine::Own { weights, .. } | Engine::Adapted { weights, .. } => weights.grads.clone(),
        Engine::Device(_) => panic!("on the CPU"),
    }
}

fn losses() -> Vec<Box<dyn PairLoss>> {
    vec![
        Box::new(Dpo::new(0.7).expect("valid")),
        Box::new(Cdpo::new(0.7, 0.2).expect("valid")),
        Box::new(Robust::new(0.7, 0.2).expect("valid")),
        Box::new(Hinge::new(0.3).expect("valid")),
        Box::new(Ipo::new(0.5, "sums").expect("valid")),
        Box::new(Ipo::new(0.5, "means").expect("valid")),
        Box::new(Ipo::new(0.5, "scaled").expect("valid")),
        Box::new(Kto::new(0.7, 1.0, 1.5).expect("valid")),
        Box::new(BcoPair::new(0.7, 0.1).expect("valid")),
        Box::new(Simpo::new(2.0, 0.5).expect("valid")),
        Box::new(Orpo::new(0.5, "sequence").expect("valid")),
        Box::new(Orpo::new(0.5, "response").expect("valid")),
        Box::new(BestOf2),
    ]
}

/// Of every loss, through the whole model and through adapters, against differences along a direction in each tensor.
#[test]
fn gradients_through_the_model_equal_finite_differences() {
    for (model, other) in [(tiny(0), tiny(1)), (tiny_llama(0), tiny_llama(1))] {
        for lora in [None, Some(Lora { rank: 2, alpha: 3.0 })] {
            for loss in losses() {
                let bench = Bench::new(&model, &other, lora, loss.needs());
                let mut random = Random::new(3, "directions");
                let (params, pieces): (Vec<f32>, Vec<std::ops::Range<usize>>) = match &bench.adapters {
                    None => {
                        let entries = model.inner.arch.layout().entries;
                        let place =
                            |e: &crate::models::arch::Entry| e.offset..e.offset + e.shape.iter().product::<usize>();
                        (model.inner.params.values.clone(), entries.iter().map(place).collect())
                    }
                    Some(adapters) => {
                        let values = (0..adapters.n).map(|_| 0.3 * random.normal() as f32).collect();
                        let cut = adapters.n / 6;
                        (values, (0..6).map(|at| at * cut..(at + 1) * cut).collect())
                    }
                };
                let (_, grads) = bench.at(&params, &*loss);
                for place in pieces {
                    let (mut up, mut down) = (params.clone(), params.clone());
                    for at in place.clone() {
                        let by = 2e-3 * random.normal() as f32;
                        up[at] += by;
                        down[at] -= by;
                    }
                    let moved = |at: usize| f64::from(up[at]) - f64::from(down[at]);
                    let along: f64 = place.clone().map(|at| f64::from(grads[at]) * moved(at)).sum();
                    let size: f64 = place.clone().map(|at| (f64::from(grads[at]) * moved(at)).abs()).sum();
                    let numeric = bench.at(&up, &*loss).0 - bench.at(&down, &*loss).0;
                    let told = format!("{} {lora:?} {place:?}: {along} against {numeric}", loss.show());
                    assert!((along - numeric).abs() < 1e-2 * size + 3e-5, "{told}");
                }
            }
        }
    }
}

/// Before the first step the policy is its reference: every margin is nothing, but for the rounding of two ways to read.
#[test]
fn training_begins_at_the_reference() {
    let (data, labels) = pairs(6);
    let once = PreferenceRecipe { steps: Some(1), epochs: None, batch: 6, ..recipe() };
    let model = trained(&tiny(0), &data, &labels, &dpo(), &once);
    assert!((curve(&model, "loss")[0] - std::f64::consts::LN_2).abs() < 1e-6, "{:?}", curve(&model, "loss"));
    assert!(curve(&model, "margin")[0].abs() < 1e-5);
    assert!((curve(&model, "weight")[0] - 0.5).abs() < 1e-6);
    assert_eq!(["counted", "effective"].map(|name| (curve(&model, name)[0] * 1e4).round()), [5e3, 1e4]);
}

#[test]
fn a_preference_is_learned_by_every_loss_with_and_without_adapters() {
    let (rows, labels) = pairs(32);
    for model in [tiny(0), tiny_llama(0)] {
        for loss in losses() {
            let tuned = trained(&model, &rows, &labels, &*loss, &recipe());
            let (margins, right) = (curve(&tuned, "margin"), curve(&tuned, "accuracy"));
            assert!(margins.last() > margins.first(), "{}: {margins:?}", loss.show());
            // The likelihood of the winner raises the loser's too.
            let enough = if ["best_of_2", "orpo"].contains(&&*loss.name()) { 0.7 } else { 0.9 };
            let late = right.iter().rev().take(8).sum::<f64>() / 8.0;
            assert!(late > enough, "{}: {right:?}", loss.show());
            assert!(tuned.inner.head.is_none() && tuned.inner.recipe.starts_with(&loss.show()));
        }
        let lora = Some(Lora { rank: 4, alpha: 8.0 });
        let adapted = trained(&model, &rows, &labels, &dpo(), &PreferenceRecipe { lora, lr: Some(3e-2), ..recipe() });
        assert!(curve(&adapted, "accuracy").last().is_some_and(|right| *right > 0.9));
        let embeddings = model.inner.arch.vocab() * model.inner.arch.width();
        assert_eq!(adapted.inner.params.values[..embeddings], model.inner.params.values[..embeddings]);
    }
}

/// Labels the other way round negate every margin, to the bit at the first step.
#[test]
fn exchanged_labels_negate_the_margin() {
    let (rows, labels) = pairs(6);
    let (model, reference) = (tiny(0), tiny(1));
    let other: Vec<usize> = labels.classes("label").expect("labels").values.iter().map(|label| 1 - label).collect();
    let ids: Vec<String> = rows.rows().map(|row| row.id.to_string()).collect();
    let exchanged = Frame::hard_labels(ids.iter().map(String::as_str), &other, 2).expect("labels");
    let once = PreferenceRecipe { steps: Some(1), epochs: None, batch: 6, ..recipe() };
    let margin = |labels: &Frame| {
        let ctx = Context::for_tests();
        let tuned = finetune_preferences(&model, &rows, labels, &dpo(), Some(&reference), &once, &ctx).expect("trains");
        (curve(&tuned, "margin")[0], curve(&tuned, "accuracy")[0])
    };
    let ((one, right), (negated, wrong)) = (margin(&labels), margin(&exchanged));
    assert!(one != 0.0 && (one + negated).abs() < 1e-12, "{one} {negated}");
    assert!((right + wrong - 1.0).abs() < 1e-12);
}

/// A soft label is the mean of both hard ones, so one of ½ leaves DPO's gradient at the reference at nothing.
#[test]
fn an_even_preference_teaches_nothing() {
    let (rows, _) = pairs(8);
    let model = tiny(0);
    let ids: Vec<String> = rows.rows().map(|row| row.id.to_string()).collect();
    let even = Frame::labels(ids.iter().map(String::as_str), &[0.5; 16], 2).expect("labels");
    let once = PreferenceRecipe { steps: Some(1), epochs: None, batch: 8, clip: 0.0, ..recipe() };
    let tuned = trained(&model, &rows, &even, &dpo(), &once);
    assert!(curve(&tuned, "weight")[0].abs() < 1e-6);
}

#[test]
fn weights_count_and_rows_of_weight_nothing_are_left_out() {
    let (rows, labels) = pairs(8);
    let weighted = |weights: Vec<f64>| {
        let mut table = labels.table().clone();
        table.with_column(polars::prelude::Column::new("weight".into(), weights)).expect("as many rows");
        Frame::new(table).named(&["first".to_owned(), "second".to_owned()])
    };
    let once = PreferenceRecipe { steps: Some(1), epochs: None, batch: 8, ..recipe() };
    let ask = |labels: &Frame| trained(&tiny(0), &rows, labels, &dpo(), &once).inner.params.values.clone();
    let distance = |one: &[f32], other: &[f32]| one.iter().zip(other).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(distance(&ask(&weighted(vec![3.0; 8])), &ask(&labels)) < 1e-6);
    let half: Vec<f64> = (0..8).map(|row| f64::from(u8::from(row < 4))).collect();
    let few = rows.rows().take(4).map(|row| row.input.clone()).collect();
    let (few, few_labels) = data(few, (0..4).map(|n| n % 2).collect());
    let alone = trained(&tiny(0), &few, &few_labels, &dpo(), &once).inner.params.values.clone();
    assert!(distance(&ask(&weighted(half)), &alone) < 1e-5);
}

/// The first step's curve is what single pairs say at the model before it.
#[test]
fn weights_of_single_pairs_are_those_of_the_first_step() {
    let (rows, _) = pairs(6);
    let labels = soft(&rows, |row| [0.75, 0.0, 1.0, 0.4, 0.5, 0.9][row]);
    let given = [1.0, 2.0, 0.5, 1.0, 1.0, 3.0];
    let mut table = labels.table().clone();
    table.with_column(polars::prelude::Column::new("weight".into(), given.to_vec())).expect("as many rows");
    let labels = Frame::new(table).named(&["first".to_owned(), "second".to_owned()]);
    let (model, reference, ctx) = (tiny(0), tiny(1), Context::for_tests());
    let once = PreferenceRecipe { steps: Some(1), epochs: None, batch: 6, ..recipe() };
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let kto = Kto::new(0.5, 1.0, 1.0).expect("valid");
    let losses: [(&dyn PairLoss, Option<&Model>); 3] =
        [(&dpo(), Some(&reference)), (&kto, Some(&reference)), (&Simpo::new(2.0, 0.5).expect("valid"), None)];
    for (loss, reference) in losses {
        let tuned = finetune_preferences(&model, &rows, &labels, loss, reference, &once, &ctx).expect("trains");
        let single = pair_weights(&model, &rows, &labels, loss, reference, None, &ctx).expect("pairs");
        let of = |name: &str| single.floats(name).expect("numbers");
        let (weights, margins) = (of("weight"), of("margin"));
        let sd = |values: &[f64]| {
            let m = mean(values);
            mean(&values.iter().map(|x| (x - m) * (x - m)).collect::<Vec<f64>>()).sqrt()
        };
        let counted = weights.iter().zip(of("given")).map(|(pull, weight)| pull * weight).sum::<f64>() / 8.5;
        let want = [
            ("chosen", mean(&of("logprob_chosen"))),
            ("rejected", mean(&of("logprob_rejected"))),
            ("margin", mean(&margins)),
            ("margin_sd", sd(&margins)),
            ("weight", mean(&weights)),
            ("weight_sd", sd(&weights)),
            ("counted", counted),
            // (Σ w)² / (n Σ w²) of 1, 2, ½, 1, 1, 3.
            ("effective", 8.5 * 8.5 / (6.0 * 16.25)),
        ];
        for (name, want) in want {
            assert!(
                (curve(&tuned, name)[0] - want).abs() < 1e-4,
                "{} {name}: {} {want}",
                loss.name(),
                curve(&tuned, name)[0]
            );
        }
        // What the second continuation is preferred in is chosen there.
        assert_eq!(of("chosen"), [0.0, 1.0, 0.0, 1.0, 0.0, 0.0]);
    }
    let of_dpo = pair_weights(&model, &rows, &labels, &dpo(), Some(&model), None, &ctx).expect("pairs");
    for (pull, p) in of_dpo.floats("weight").expect("numbers").iter().zip(of_dpo.floats("preference").expect("numbers"))
    {
        assert!((pull - (p - 0.5)).abs() < 1e-6, "at the reference σ(0) is a half: {pull} {p}");
    }
    let n_tokens = curve(&trained(&model, &rows, &labels, &dpo(), &once), "n_tokens")[0];
    let read: usize = (0..12).map(|row| model.encode(&rows, &ctx).expect("encodes").row(row).len()).sum();
    assert_eq!(n_tokens, read as f64);
}

fn ranked(data: &Data, orders: &[&[i64]]) -> Frame {
    let ids: Vec<String> = data.rows().map(|row| row.id.to_string()).collect();
    let mut columns = vec![polars::prelude::Column::new("id".into(), ids)];
    for place in 0..orders[0].len() {
        let of_place: Vec<i64> = orders.iter().map(|order| order[place]).collect();
        columns.push(polars::prelude::Column::new(format!("rank{}", place + 1).into(), of_place));
    }
    Frame::new(polars::prelude::DataFrame::new(orders.len(), columns).expect("columns of one length"))
}

/// Rows of prompts with three continuations.
fn triples(n: usize) -> Data {
    let row = |n: usize| {
        let texts =
            [format!(" w{} w{} .", 10 + n % 4, 12 + n % 3), format!(" w{} .", 14 + n % 5), " w3 w3 .".to_owned()];
        prompt(&format!("w{} w{}", n % 7, 5 + n % 4), &[&texts[0], &texts[1], &texts[2]])
    };
    data((0..n).map(row).collect(), vec![0; n]).0
}

#[test]
fn rankings_of_two_are_pairs_to_the_bit() {
    let ((rows, labels), ctx) = (pairs(12), Context::for_tests());
    let orders: Vec<Vec<i64>> = (0..12).map(|row| vec![row % 2, 1 - row % 2]).collect();
    let rankings = ranked(&rows, &orders.iter().map(Vec::as_slice).collect::<Vec<_>>());
    let lora = Some(Lora { rank: 2, alpha: 2.0 });
    for recipe in [recipe(), PreferenceRecipe { lora, ..recipe() }] {
        let (model, reference) = (tiny(0), tiny(1));
        let paired =
            finetune_preferences(&model, &rows, &labels, &dpo(), Some(&reference), &recipe, &ctx).expect("trains");
        let ranked = finetune_rankings(&model, &rows, &rankings, 0.5, Some(&reference), &recipe, &ctx).expect("trains");
        assert!(paired.inner.params.values == ranked.inner.params.values && paired.inner.digest != ranked.inner.digest);
        for name in ["step", "loss", "chosen", "margin", "accuracy", "weight", "margin_sd", "n_tokens"] {
            for (one, other) in curve(&paired, name).iter().zip(curve(&ranked, name)) {
                assert!((one - other).abs() < 1e-9, "{name}: {one} {other}");
            }
        }
    }
}

/// The loss by exponentials as they stand in the formula, and its gradient by central differences along itself.
#[test]
fn a_ranking_of_three_has_the_loss_and_gradient_of_plackett_and_luce() {
    let (rows, ctx, beta) = (triples(4), Context::for_tests(), 0.5);
    let rankings = ranked(&rows, &[&[0, 1, 2], &[2, 0, 1], &[1, 2, 0], &[2, 1, 0]]);
    let (model, other) = (tiny(0), tiny(1));
    let read = Rankings::of(&model, &rows, &rankings, &ctx).expect("rankings");
    let needs = Needs { reference: true, ..Needs::default() };
    let reference = Reference::of(&other, &rows, &read.sequences, needs, None, &ctx).expect("read");
    let recipe = PreferenceRecipe { batch: 4, steps: Some(1), ..PreferenceRecipe::default() };
    let at = |params: &[f32]| {
        let of = Trained { model: &model, adapters: None };
        let mut training = OnRankings {
            arch: &model.inner.arch,
            engine: engine::of(of, params.to_vec(), &recipe, None, &ctx.interrupt).expect("an engine"),
            rankings: &read,
            reference: &reference,
            beta,
            batches: Batches::new(read.lengths(), 4, 1, 0),
            curves: Curves::new(1),
            steps: 1,
            lr: 0.0,
            work: Work::default(),
        };
        let value = training.gradient(0, &mut Random::new(0, "nothing")).expect("a step");
        let gradient = match &training.engine {
            Engine::Own { weights, .. } | Engine::Adapted { weights, .. } => weights.grads.clone(),
            Engine::Device(_) => panic!("on the CPU"),
        };
        (value, gradient)
    };
    let start = model.inner.params.values.clone();
    let (value, gradient) = at(&start);
    let own = Reference::of(&model, &rows, &read.sequences, needs, None, &ctx).expect("read");
    let score = |at: usize| (beta * (own.of_sequence(at) - reference.of_sequence(at))).exp();
    let loss = |row: usize, order: [usize; 3]| {
        let [a, b, c] = order.map(|place| score(3 * row + place));
        -(a / (a + b + c) * b / (b + c)).ln()
    };
    let want = (loss(0, [0, 1, 2]) + loss(1, [2, 0, 1]) + loss(2, [1, 2, 0]) + loss(3, [2, 1, 0])) / 4.0;
    assert!((value - want).abs() < 1e-4, "{value} {want}");
    let norm = gradient.iter().map(|g| f64::from(*g) * f64::from(*g)).sum::<f64>().sqrt();
    let moved = |by: f64| -> Vec<f32> {
        start.iter().zip(&gradient).map(|(x, g)| (f64::from(*x) + by * f64::from(*g) / norm) as f32).collect()
    };
    let slope = (at(&moved(1e-2)).0 - at(&moved(-1e-2)).0) / 2e-2;
    assert!((slope - norm).abs() < 0.01 * norm, "{slope} {norm}");
}

#[test]
fn rankings_are_learned_and_wrong_ones_refused() {
    let (rows, ctx) = (triples(8), Context::for_tests());
    let orders: Vec<&[i64]> = (0..8).map(|_| [1, 2, 0].as_slice()).collect();
    let good = ranked(&rows, &orders);
    let model = tiny(0);
    let tuned = finetune_rankings(&model, &rows, &good, 0.5, None, &recipe(), &ctx).expect("trains");
    let losses = curve(&tuned, "loss");
    // At the reference all six orders are alike.
    assert!((losses[0] - 6.0_f64.ln()).abs() < 1e-5 && losses.last().is_some_and(|last| *last < 1.0), "{losses:?}");
    let few = finetune_rankings(&model, &rows, &ranked(&rows, &[[2, 0].as_slice(); 8]), 0.5, None, &recipe(), &ctx);
    assert!((curve(&few.expect("trains"), "loss")[0] - 2.0_f64.ln()).abs() < 1e-5, "the best two of three");
    let why = |frame: &Frame| {
        finetune_rankings(&model, &rows, frame, 0.5, None, &recipe(), &ctx)
            .map(|_| ())
            .expect_err("refused")
            .to_string()
    };
    let mut twice = orders.clone();
    twice[3] = &[1, 1, 0];
    assert!(why(&ranked(&rows, &twice)).contains("names a continuation twice"));
    twice[3] = &[1, 3, 0];
    assert!(why(&ranked(&rows, &twice)).contains("is `3`, and it has the continuations 0 to 2"));
    let part = ranked(&data(rows.rows().take(7).map(|row| row.input.clone()).collect(), vec![0; 7]).0, &orders[..7]);
    assert!(why(&part).contains("has none"), "{}", why(&part));
    let beta = finetune_rankings(&model, &rows, &good, -1.0, None, &recipe(), &ctx).map(|_| ()).expect_err("refused");
    assert_eq!(beta.to_string(), "`beta` must be from 0.000000001 to 1000000000, got `-1`");
}

#[test]
fn a_run_that_was_ended_goes_on_to_the_same_bits_on_any_number_of_threads() {
    let (model, (rows, labels)) = (tiny(0), pairs(32));
    let bits = |model: &Model| model.inner.params.values.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
    let kto = Kto::new(0.5, 1.0, 1.0).expect("valid");
    let cases: [(&(dyn PairLoss + Sync), Option<Lora>); 3] =
        [(&dpo(), None), (&dpo(), Some(Lora { rank: 2, alpha: 2.0 })), (&kto, None)];
    for (loss, lora) in cases {
        let recipe = PreferenceRecipe { lora, epochs: Some(16), ..recipe() };
        let run = |recipe: &PreferenceRecipe, ctx: &Context| {
            finetune_preferences(&model, &rows, &labels, loss, None, recipe, ctx)
        };
        let whole = on(1, || trained(&model, &rows, &labels, loss, &recipe));
        assert!(bits(&on(3, || trained(&model, &rows, &labels, loss, &recipe))) == bits(&whole));
        let again = trained(&model, &rows, &labels, loss, &PreferenceRecipe { recompute: true, ..recipe.clone() });
        assert!(bits(&again) == bits(&whole));
        let folder = tempfile::tempdir().expect("a folder");
        let ctx = lab_in(folder.path());
        stop_at(&ctx, 30);
        assert!(run(&recipe, &ctx).is_err_and(|error| error.is_interruption()));
        assert!(state_file(folder.path()).is_some());
        for _ in 0..2 {
            let again = run(&recipe, &lab_in(folder.path())).expect("goes on, then stored");
            assert!(bits(&again) == bits(&whole));
            for name in [
                "step",
                "loss",
                "chosen",
                "rejected",
                "margin",
                "accuracy",
                "weight",
                "margin_sd",
                "weight_sd",
                "counted",
                "effective",
                "n_tokens",
            ] {
                assert_eq!(curve(&again, name), curve(&whole, name), "{name}");
            }
        }
    }
}

#[test]
fn another_engine_comes_to_the_same() {
    let (rows, labels) = pairs(16);
    let kto = Kto::new(0.5, 1.0, 1.0).expect("valid");
    let orpo = Orpo::new(0.5, "sequence").expect("valid");
    let lora = Some(Lora { rank: 3, alpha: 6.0 });
    let plain = PreferenceRecipe { epochs: Some(2), ..recipe() };
    let cases: [(&dyn PairLoss, PreferenceRecipe); 5] = [
        (&dpo(), plain.clone()),
        (&dpo(), PreferenceRecipe { lora, ..plain.clone() }),
        (&kto, PreferenceRecipe { recompute: true, ..plain.clone() }),
        (&orpo, PreferenceRecipe { weight_decay: 0.1, ..plain.clone() }),
        (&orpo, PreferenceRecipe { lora, weight_decay: 0.1, ..plain }),
    ];
    for model in [tiny(0), tiny_llama(0)] {
        for (loss, recipe) in &cases {
            let mut settings = Context::for_tests().settings;
            settings.device = "candle".to_owned();
            let ctx = Context::new(settings, Access::default());
            let there = finetune_preferences(&model, &rows, &labels, *loss, None, recipe, &ctx).expect("trains");
            let here = trained(&model, &rows, &labels, *loss, recipe);
            let both = here.inner.params.values.iter().zip(&there.inner.params.values);
            let off = both.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(off < 3e-4, "{} {:?}: {off}", loss.show(), recipe.lora);
            for (one, other) in curve(&here, "margin").iter().zip(curve(&there, "margin")) {
                assert!((one - other).abs() < 1e-3, "{}: {one} {other}", loss.show());
            }
        }
    }
}

#[test]
fn pairs_that_read_alike_are_left_out_and_told() {
    // Words that the tokenizer does not know are one token.
    let alike = || prompt("w1 w2", &[" here .", " there ."]);
    let good = |n: usize| prompt(&format!("w{n} w2"), &[" w3 .", " w4 ."]);
    let (rows, labels) = data(vec![good(1), alike(), good(2), alike()], vec![0; 4]);
    let ctx = Context::for_tests();
    let events = heard(&ctx);
    let tuned = finetune_preferences(&tiny(0), &rows, &labels, &dpo(), None, &recipe(), &ctx).expect("trains");
    assert!(tuned.inner.recipe.contains("2 pairs alike left out"), "{}", tuned.inner.recipe);
    assert!(tuned.inner.lineage.ends_with("finetuned on 2 preferences of toy by dpo"), "{}", tuned.inner.lineage);
    let said = events.lock().expect("whole").iter().any(
        |event| matches!(event, Event::Warning { text } if text.starts_with("2 of 4 pairs are left out, the first with id `r1`")),
    );
    assert!(said);
    let (rows, labels) = data(vec![alike(), alike()], vec![0, 1]);
    let refused = finetune_preferences(&tiny(0), &rows, &labels, &dpo(), None, &recipe(), &ctx).err().expect("refused");
    assert!(refused.to_string().starts_with("in every one of the 2 pairs, the first with id `r0`"), "{refused}");
    // Cut to two tokens both continuations are the same.
    let long = prompt("w1", &[" w2 w3 .", " w4 w3 ."]);
    let (rows, labels) = data(vec![long], vec![0]);
    let short = PreferenceRecipe { max_tokens: Some(2), ..recipe() };
    let refused = finetune_preferences(&tiny(0), &rows, &labels, &dpo(), None, &short, &ctx).err().expect("refused");
    assert!(refused.hint().is_some_and(|hint| hint.contains("`max_tokens`")), "{refused}");
}

#[test]
fn what_cannot_be_trained_on_is_refused() {
    let (rows, labels) = pairs(6);
    let why = |model: &Model, data: &Data, labels: &Frame, loss: &dyn PairLoss, reference: Option<&Model>| {
        let ctx = Context::for_tests();
        finetune_preferences(model, data, labels, loss, reference, &recipe(), &ctx).err().expect("refused").to_string()
    };
    assert!(why(&tiny_bert(0), &rows, &labels, &dpo(), None).contains("a bidirectional encoder"));
    let texts = plain_rows(vec!["w1 w2".into()], Split::Train);
    assert!(why(&tiny(0), &texts, &labels, &dpo(), None).contains("has 1 continuations a row"));
    let test = plain_rows(vec![prompt("w1", &[" w2", " w3"])], Split::Test);
    assert!(why(&tiny(0), &test, &labels, &dpo(), None).contains("test rows"));
    assert!(why(&tiny(0), &rows, &labels, &BestOf2, Some(&tiny(1))).contains("uses no reference"));
    let one: Vec<Input> = (0..3).map(|n| prompt("w1 w2", &[&format!(" w{n}"), " w9"])).collect();
    let (one, labels_of_one) = data(one, vec![0; 3]);
    let kto = Kto::new(0.1, 1.0, 1.0).expect("valid");
    assert!(why(&tiny(0), &one, &labels_of_one, &kto, None).contains("all pairs have the same prompt"));
    let (mute, labels_of_mute) = data(vec![prompt("", &["w2", "w3"])], vec![0]);
    assert!(why(&tiny(0), &mute, &labels_of_mute, &dpo(), None).contains("no token of the row `r0`"));
}

/// A loss that gives what a training must not go along with.
struct Broken(f64, usize);

impl PairLoss for Broken {
    fn name(&self) -> String {
        "broken".to_owned()
    }
    fn show(&self) -> String {
        "broken".to_owned()
    }
    fn needs(&self) -> Needs {
        Needs::default()
    }
    fn step(&self, _batch: &PairBatch) -> Result<PairValue, crate::domains::preference::loss::PairLossError> {
        let by = vec![0.0; self.1];
        Ok(PairValue { value: self.0, by_chosen: by.clone(), by_rejected: by, ..PairValue::default() })
    }
}

#[test]
fn a_loss_that_is_no_number_or_too_short_ends_the_training() {
    let (rows, labels) = pairs(8);
    let why = |loss: &dyn PairLoss| {
        let ctx = Context::for_tests();
        finetune_preferences(&tiny(0), &rows, &labels, loss, None, &recipe(), &ctx).err().expect("ends").to_string()
    };
    assert!(why(&Broken(f64::NAN, 8)).contains("training diverged at step 1 of 10: the loss is not finite"));
    assert!(why(&Broken(1.0, 3)).contains("the loss gave 3 gradients for 8"));
}

#[test]
fn every_option_is_in_the_derivation() {
    let (model, (rows, labels)) = (tiny(0), pairs(8));
    let ctx = Context::for_tests();
    let read = Labels::read(&rows, &labels).expect("labels");
    let pairs = Pairs::of(&model, &rows, &read, &ctx).expect("pairs");
    let digest = |recipe: &PreferenceRecipe, loss: &dyn PairLoss, reference: &Model| {
        let (recipe, data, labels) = (&recipe.settled(&model, 8).expect("fits"), &rows, &labels);
        let (model, goal) = (&model, Goal::Pairs { pairs: &pairs, loss });
        Preferences { of: Trained { model, adapters: None }, data, labels, goal, reference, recipe }.digest()
    };
    let first = PreferenceRecipe { epochs: None, steps: Some(7), ..recipe() };
    for (name, says, changed) in first.variants() {
        let changed = if name == "epochs" { PreferenceRecipe { steps: None, ..changed } } else { changed };
        let same = digest(&changed, &dpo(), &model) == digest(&first, &dpo(), &model);
        assert_eq!(same, says == Says::NoDigest, "`{name}`");
    }
    let simpo = Simpo::new(1.0, 0.0).expect("valid");
    let (plain, other) = (digest(&first, &dpo(), &model), tiny(1));
    assert_ne!(plain, digest(&first, &simpo, &model));
    assert_ne!(plain, digest(&first, &dpo(), &other));
    assert_eq!(digest(&first, &simpo, &model), digest(&first, &simpo, &other), "it has no reference");
}

/// Every prompt gets the continuations of the next row with another prompt.
#[test]
fn mismatched_rows_have_another_prompts_continuations() {
    let row = |prompt_of: &str, one: &str| prompt(prompt_of, &[one, " w9"]);
    let (rows, labels) = data(vec![row("w1", " w2"), row("w1", " w3"), row("w4", " w5"), row("w1", " w6")], vec![0; 4]);
    let (model, ctx) = (tiny(0), Context::for_tests());
    let read = Labels::read(&rows, &labels).expect("labels");
    let pairs = Pairs::of(&model, &rows, &read, &ctx).expect("pairs");
    let needs = Needs { kl: true, ..Needs::default() };
    let reference = Reference::of(&model, &rows, &pairs, needs, None, &ctx).expect("read");
    let mismatched = reference.mismatched.expect("asked for");
    let firsts: Vec<&[u32]> = (0..4).map(|row| mismatched.packed.row(2 * row)).collect();
    let ids = |text: &str| model.inner.encoder.encode(text, 9, crate::models::Keep::End).expect("encodes").0;
    assert_eq!(firsts, [&ids("w1 w5")[..], &ids("w1 w5"), &ids("w4 w6"), &ids("w1 w5")]);
}

/// One step on a tiny Llama against TRL's `DPOTrainer` on transformers' class (`tests/reference/preference_step.py`): log-probabilities, the
/// loss, the gradient's norm, the loss after a step of AdamW; and through adapters the gradient of every factor.
#[test]
fn a_step_equals_that_of_the_common_library() {
    use serde_json::Value as Json;
    let reference: Json =
        serde_json::from_str(include_str!("../../../tests/reference/preference_step.json")).expect("JSON");
    let numbers = |held: &Json| -> Vec<f64> {
        held.as_array().expect("numbers").iter().map(|number| number.as_f64().expect("a number")).collect()
    };
    let number = |held: &Json| held.as_f64().expect("a number");
    let close = |got: f64, want: f64, within: f64, what: &str| {
        assert!((got - want).abs() <= within * want.abs().max(1e-3), "{what}: {got} instead of {want}");
    };
    let shapes: Vec<(String, Vec<usize>)> = serde_json::from_value(reference["shapes"].clone()).expect("shapes");
    let model = crate::models::testing::drawn_model("llama", &shapes, "");
    let rows = |name: &str| -> Vec<Vec<u32>> { serde_json::from_value(reference[name].clone()).expect("tokens") };
    let (prompts, chosen, rejected) = (rows("prompts"), rows("chosen"), rows("rejected"));
    let (mut sequences, mut starts) = (Vec::new(), Vec::new());
    for ((prompt, chosen), rejected) in prompts.iter().zip(&chosen).zip(&rejected) {
        for answer in [chosen, rejected] {
            sequences.push([prompt.as_slice(), answer.as_slice()].concat());
            starts.push(prompt.len() as u32);
        }
    }
    let pairs = Pairs::of_tokens(&sequences, &starts);
    // The reference has all chosen ones first.
    let in_pairs = |values: Vec<f64>| -> Vec<f64> { (0..6).map(|at| values[at / 2 + 3 * (at % 2)]).collect() };
    let held = Reference { logprobs: in_pairs(numbers(&reference["reference"])), mismatched: None };
    let loss = Dpo::new(number(&reference["beta"])).expect("valid");
    let (ctx, ids) = (Context::for_tests(), ["a", "b", "c"]);
    let recipe = PreferenceRecipe::default();
    let params = &model.inner.params.values;
    let sums = |params: &[f32]| -> Vec<f64> {
        let counted: Vec<bool> = sequences
            .iter()
            .zip(&starts)
            .flat_map(|(row, start)| (0..row.len()).map(move |at| at >= *start as usize))
            .collect();
        let (arch, batch) = (&model.inner.arch, &pairs.packed);
        let found = crate::models::trunk::logprobs(arch, params, batch, &counted, &mut Default::default(), None);
        batch.offsets.windows(2).map(|ends| found[ends[0]..ends[1]].iter().sum()).collect()
    };
    for (got, want) in sums(params).iter().zip(in_pairs(numbers(&reference["logprobs"]))) {
        close(*got, want, 1e-5, "a log-probability");
    }

    let mut training = Bench::training(&model, &pairs, &held, &recipe, None, &loss, &ids, params, &ctx);
    let value = training.gradient(0, &mut Random::new(0, "nothing")).expect("a step");
    close(value, number(&reference["loss"]), 1e-5, "the loss");
    let norm = gradient_of(&training).iter().map(|g| f64::from(*g).powi(2)).sum::<f64>().sqrt();
    let gradients = reference["gradients"].as_object().expect("gradients").values();
    let want = gradients.map(|gradient| number(&gradient["norm"]).powi(2)).sum::<f64>().sqrt();
    close(norm, want, 1e-4, "the gradient's norm");
    training.weights().step(number(&reference["lr"]), None).expect("a step");
    let after = training.gradient(1, &mut Random::new(0, "nothing")).expect("a step");
    close(after, number(&reference["after"]), 5e-3, "the loss after a step");

    let lora = Lora { rank: reference["rank"].as_u64().expect("a rank") as usize, alpha: number(&reference["alpha"]) };
    let adapters = Adapters::new(&model.inner.params.layout, lora);
    let drawn = |name: String, n: usize| -> Vec<f32> {
        let tensor = crate::models::testing::drawn(&name, &[n]);
        tensor.to_vec1::<f32>().expect("numbers").iter().map(|value| 0.5 * value).collect()
    };
    let factors = reference["adapted"]["factors"].as_array().expect("factors");
    let (mut values, mut want): (Vec<f32>, Vec<f64>) = Default::default();
    for factor in factors {
        for part in ["a", "b"] {
            let slopes = numbers(&factor[part]);
            values.extend(drawn(format!("{}.{part}", factor["name"].as_str().expect("a name")), slopes.len()));
            want.extend(slopes);
        }
    }
    assert_eq!(values.len(), adapters.n);
    let mut training = Bench::training(&model, &pairs, &held, &recipe, Some(&adapters), &loss, &ids, &values, &ctx);
    let value = training.gradient(0, &mut Random::new(0, "nothing")).expect("a step");
    close(value, number(&reference["adapted"]["loss"]), 1e-5, "the loss through adapters");
    let greatest = want.iter().fold(0.0f64, |most, slope| most.max(slope.abs()));
    for (at, (got, want)) in gradient_of(&training).iter().zip(&want).enumerate() {
        assert!((f64::from(*got) - want).abs() < 1e-4 * greatest, "factor {at}: {got} instead of {want}");
    }
}
