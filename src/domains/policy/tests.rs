//! Exact numbers against enumeration elsewhere, optima against closed forms, estimates against exact numbers.

use super::identify::Status;
use super::minimise::Problem;
use super::optimise::{Objective, OnPairs, OptimiseOptions, Source, optimise, packed, unpacked};
use super::*;
use crate::core::context::{Context, Interrupt};
use crate::core::digest::Digest;
use crate::core::explain::Explain;
use crate::core::random::Random;
use serde_json::Value;
use std::sync::Arc;

fn reference() -> Value {
    serde_json::from_str(include_str!("../../../tests/reference/policies.json")).expect("JSON")
}

fn rows(value: &Value) -> Vec<Vec<f64>> {
    let numbers = |row: &Value| row.as_array().expect("a row").iter().map(|x| x.as_f64().expect("a number")).collect();
    value.as_array().expect("rows").iter().map(numbers).collect()
}

fn grid(value: &Value) -> Grid {
    Grid::of_rows(&rows(value), "a table").expect("a table")
}

fn near(got: f64, want: f64) {
    assert!((got - want).abs() < 1e-12 * want.abs().max(1.0), "{got} {want}");
}

fn all_near(policy: &Policy, want: &Value) {
    for (prompt, want) in rows(want).into_iter().enumerate() {
        policy.probabilities(prompt).into_iter().zip(want).for_each(|(got, want)| near(got, want));
    }
}

/// Values by enumeration in numpy: `tests/reference/policies.py`.
#[test]
fn exact_numbers_are_those_of_an_enumeration() {
    let known = reference();
    let number = |name: &str| known[name].as_f64().expect("a number");
    let (p, q) = (Policy::tabular(grid(&known["logits"])), Policy::tabular(grid(&known["others"])));
    let judge = Judge::scalar(grid(&known["rewards"]));
    let idle = Interrupt::default();
    near(p.kl(&q).expect("one shape"), number("kl"));
    near(p.total_variation(&q).expect("one shape"), number("total_variation"));
    near(p.entropy(), number("entropy"));
    near(p.expected_reward(&judge).expect("rewards"), number("expected_reward"));
    near(p.win_rate(&q, &judge, &idle).expect("small"), number("win_rate"));
    near(p.win_rate(&q, &judge.hard(), &idle).expect("small"), number("hard_win_rate"));
    for (found, want) in p.compared(&q).expect("one shape").iter().zip(known["reverse_kl"].as_array().expect("two")) {
        near(found.reverse_kl, want.as_f64().expect("a number"));
    }
    let expected = judge.expected(&q, Psi::Identity, &idle).expect("small");
    for (prompt, want) in rows(&known["expected_identity"]).into_iter().enumerate() {
        let got = expected.rewards("test").expect("rewards").row(prompt).to_vec();
        got.into_iter().zip(want).for_each(|(got, want)| near(got, want));
    }
    all_near(&p.optimum(&judge, 0.7).expect("beta"), &known["optimum"]);
    all_near(&p.tempered(0.5).expect("a temperature"), &known["tempered"]);
    all_near(&p.mixed(&q, 0.3).expect("a share"), &known["mixed"]);
    for (n, want) in known["best_of"].as_object().expect("by n") {
        all_near(&p.best_of(&judge, n.parse().expect("a count")).expect("n"), want);
    }
    // A pairwise judge with the same preferences says the same.
    let n = p.n_responses;
    let square: Vec<f64> =
        (0..p.n_prompts).flat_map(|x| (0..n).flat_map(|y| judge.preferences(x, y)).collect::<Vec<_>>()).collect();
    let pairwise = Judge::pairwise(p.n_prompts, n, &square).expect("probabilities");
    near(p.win_rate(&q, &pairwise, &idle).expect("small"), number("win_rate"));
    near(p.win_rate(&q, &pairwise.hard(), &idle).expect("small"), number("hard_win_rate"));
}

/// Standard normal numbers as logits or rewards.
fn drawn(n_prompts: usize, n_responses: usize, scale: f64, seed: u64) -> Grid {
    let mut random = Random::new(seed, "test");
    let values = (0..n_prompts * n_responses).map(|_| scale * random.normal()).collect();
    Grid::new(n_prompts, n_responses, values, "a table").expect("finite")
}

fn settings(objective: Objective, beta: f64) -> OptimiseOptions {
    OptimiseOptions { objective, beta, tolerance: 1e-14, max_steps: 2000 }
}

/// A reference, a sampler that is not it, a start that is neither, and rewards: 3 prompts of so many responses.
fn laboratory(n: usize) -> (Policy, Policy, Policy, Judge) {
    let policy = |scale, seed| Policy::tabular(drawn(3, n, scale, seed));
    (policy(1.0, 1), policy(0.8, 2), policy(0.5, 3), Judge::scalar(drawn(3, n, 1.0, 4)))
}

#[test]
fn dpo_and_rlhf_reach_the_closed_form_and_ipo_reaches_its_own() {
    let ctx = Context::for_tests();
    let (reference, sampler, start, judge) = laboratory(1000);
    let beta = 0.5;
    let population = Source::Population { judge: &judge, sampler: &sampler };
    let found =
        |objective| optimise(&start, &reference, population, settings(objective, beta), &ctx).expect("converges");
    let apart = |one: &Policy, other: &Policy| {
        one.compared(other).expect("one shape").iter().map(|found| found.total_variation).fold(0.0, f64::max)
    };
    let (dpo, rlhf, ipo) = (found(Objective::Dpo), found(Objective::Rlhf), found(Objective::Ipo));
    let closed = reference.optimum(&judge, beta).expect("beta");
    let of = |psi| {
        let expected = judge.expected(&sampler, psi, &ctx.interrupt).expect("small");
        reference.optimum(&expected, beta).expect("beta")
    };
    let (log_odds, identity) = (of(Psi::LogOdds), of(Psi::Identity));
    for (what, distance) in [
        ("DPO from the closed form", apart(&dpo, &closed)),
        ("RLHF from the closed form", apart(&rlhf, &closed)),
        ("DPO from RLHF", apart(&dpo, &rlhf)),
        ("ΨPO with log-odds from DPO", apart(&log_odds, &dpo)),
        ("IPO from ΨPO with the identity", apart(&ipo, &identity)),
    ] {
        assert!(distance < 1e-3, "{what}: {distance}");
    }
    // They are not all the same distribution.
    assert!(apart(&ipo, &dpo) > 0.1 && apart(&closed, &reference) > 0.1);
    // IPO's optimum belongs to its sampler.
    let other = Source::Population { judge: &judge, sampler: &reference };
    let elsewhere = optimise(&start, &reference, other, settings(Objective::Ipo, beta), &ctx).expect("converges");
    let moved = apart(&elsewhere, &ipo);
    assert!(moved > 1e-3, "{moved}");
    let again = optimise(&start, &reference, other, settings(Objective::Dpo, beta), &ctx).expect("converges");
    assert!(apart(&again, &dpo) < 1e-3, "DPO's does not");
}

/// From far starts, with samplers that hardly draw some responses, for many draws of everything.
#[test]
fn optima_are_found_from_far_away() {
    let ctx = Context::for_tests();
    for seed in 0..20 {
        let table = |scale, more| drawn(2, 120, scale, 100 * seed + more);
        let (reference, sampler, start) =
            (Policy::tabular(table(1.0, 0)), Policy::tabular(table(1.5, 1)), Policy::tabular(table(4.0, 2)));
        let judge = Judge::scalar(table(2.0, 3)).intransitive(2.0, seed).expect("a scale");
        let source = Source::Population { judge: &judge, sampler: &sampler };
        for objective in [Objective::Dpo, Objective::Ipo] {
            let found = optimise(&start, &reference, source, settings(objective, 0.5), &ctx);
            let found = found.unwrap_or_else(|error| panic!("{objective:?}, {seed}: {error}"));
            let again = optimise(&reference, &reference, source, settings(objective, 0.5), &ctx).expect("converges");
            let apart = found.total_variation(&again).expect("one shape");
            assert!(apart < 1e-3, "{objective:?}, {seed}: {apart}");
        }
    }
}

#[test]
fn a_log_linear_policy_that_can_reach_the_optimum_reaches_it() {
    let ctx = Context::for_tests();
    let table = responses(3, 60, 4, 0).expect("a table");
    let features = Arc::new(Features::of_frame(&table, &[]).expect("features"));
    let reference = Policy::tabular(drawn(3, 60, 1.0, 1));
    let rewards = Grid::new(3, 60, features.dot(&[1.0, -0.5, 0.25, 0.0]), "rewards").expect("finite");
    let judge = Judge::scalar(rewards);
    let start = Policy::log_linear(features, vec![0.0; 4], Some(&reference)).expect("weights");
    let closed = reference.optimum(&judge, 0.5).expect("beta");
    for objective in [Objective::Rlhf, Objective::Dpo] {
        let source = Source::Population { judge: &judge, sampler: &reference };
        let found = optimise(&start, &reference, source, settings(objective, 0.5), &ctx).expect("converges");
        assert!(found.total_variation(&closed).expect("one shape") < 1e-6, "{objective:?}");
        let weights = found.parameters();
        assert!((weights[0] - 2.0).abs() < 1e-4 && (weights[1] + 1.0).abs() < 1e-4, "{weights:?}");
    }
}

#[test]
fn circles_separate_ipo_from_dpo() {
    let ctx = Context::for_tests();
    let (reference, sampler, start, judge) = laboratory(40);
    let circles = judge.intransitive(3.0, 0).expect("a scale");
    let apart = |judge: &Judge, objective, psi| {
        let source = Source::Population { judge, sampler: &sampler };
        let found = optimise(&start, &reference, source, settings(objective, 0.5), &ctx).expect("converges");
        let expected = judge.expected(&sampler, psi, &ctx.interrupt).expect("small");
        found.total_variation(&reference.optimum(&expected, 0.5).expect("beta")).expect("one shape")
    };
    // IPO is ΨPO with the identity whatever is preferred; DPO is ΨPO with log-odds only where rewards explain the preferences.
    assert!(
        apart(&judge, Objective::Ipo, Psi::Identity) < 1e-6 && apart(&circles, Objective::Ipo, Psi::Identity) < 1e-6
    );
    assert!(apart(&judge, Objective::Dpo, Psi::LogOdds) < 1e-6);
    let moved = apart(&circles, Objective::Dpo, Psi::LogOdds);
    assert!(moved > 0.05, "{moved}");
}

fn pairs(list: &[(usize, usize, f64)]) -> Pairs {
    let mut pairs = Pairs::none(Digest::of_bytes(format!("{list:?}").as_bytes()));
    list.iter().for_each(|(chosen, rejected, p)| pairs.push(0, (*chosen, *rejected, *p)));
    pairs
}

#[test]
fn what_finite_pairs_leave_open_is_said() {
    let ctx = Context::for_tests();
    let policy = Policy::uniform(1, 7).expect("a size");
    // 0 and 1 beat each other; 2 always beats 3; 4 and 5 have a soft preference; 6 is in no pair.
    let list = [(0, 1, 1.0), (0, 1, 1.0), (1, 0, 1.0), (2, 3, 1.0), (4, 5, 0.8)];
    let found = identify::identify(&pairs(&list), 1, 7).expect("fits");
    let statuses: Vec<Status> = found.iter().map(|found| found.status).collect();
    let [determined, unbounded] = [Status::Determined, Status::Unbounded];
    assert_eq!(statuses, [determined, determined, unbounded, unbounded, determined, determined, Status::NoPair]);
    assert_eq!(found.iter().map(|found| found.part).collect::<Vec<_>>(), [0, 0, 2, 2, 4, 4, 6]);
    let of = |list: &[(usize, usize, f64)], objective| {
        let pairs = pairs(list);
        optimise(&policy, &policy, Source::Pairs(&pairs), settings(objective, 1.0), &ctx)
    };
    let error = of(&list, Objective::Dpo).expect_err("unanimous");
    assert_eq!(error.code(), "policy/unbounded");
    assert!(error.to_string().contains("the pairs of prompt 0 compare response 2"), "{error}");
    // Without them the margins are the log-odds of the counts, and what no chain connects stays as it was.
    let bounded = of(&[list[0], list[1], list[2], list[4]], Objective::Dpo).expect("bounded");
    let margin = |policy: &Policy, one, other| policy.logprob(0, one) - policy.logprob(0, other);
    for (one, other, want) in [(0, 1, 2f64.ln()), (4, 5, 4f64.ln()), (6, 2, 0.0)] {
        let got = margin(&bounded, one, other);
        assert!((got - want).abs() < 1e-6, "{one} {other}: {got} {want}");
    }
    // IPO's margin of a unanimous pair is 1/2β.
    let ipo = of(&list, Objective::Ipo).expect("always bounded");
    assert!((margin(&ipo, 2, 3) - 0.5).abs() < 1e-6);
    assert!(of(&[], Objective::Ipo).expect_err("none").to_string().contains("no pairs"));
}

#[test]
fn gradients_are_finite_differences() {
    let (reference, _, start, judge) = laboratory(6);
    let circles = judge.intransitive(1.0, 1).expect("a scale");
    let given =
        draw_pairs(&circles, &reference, None, PairOptions { n: 40, labels: Labels::Soft, distinct: true, seed: 0 });
    let given = given.expect("pairs");
    let table = responses(3, 6, 3, 0).expect("a table");
    let features = Arc::new(Features::of_frame(&table, &[]).expect("features"));
    let linear = Policy::log_linear(features, vec![0.3, -0.2, 0.1], Some(&start)).expect("weights");
    for policy in [&start, &linear] {
        let on = |objective, l2| OnPairs { policy, reference: &reference, pairs: &given, objective, beta: 0.7, l2 };
        let problems: Vec<Box<dyn Problem + '_>> = vec![
            Box::new(on(Objective::Dpo, 0.0)),
            Box::new(on(Objective::Ipo, 0.1)),
            optimise::testing::population(policy, &reference, &circles, &start, (Objective::Dpo, 0.7)),
            optimise::testing::population(policy, &reference, &circles, &start, (Objective::Ipo, 0.7)),
            optimise::testing::rlhf(policy, &reference, &judge, 0.7),
        ];
        for problem in &problems {
            let x = policy.parameters();
            let (_, gradient) = problem.at(&x).expect("finite");
            for idx in 0..x.len() {
                let moved = |by: f64| {
                    let mut x = x.clone();
                    x[idx] += by;
                    problem.at(&x).expect("finite").0
                };
                let slope = (moved(1e-5) - moved(-1e-5)) / 2e-5;
                assert!((slope - gradient[idx]).abs() < 1e-8, "{} {idx}: {slope} {}", problem.name(), gradient[idx]);
            }
        }
    }
}

/// Rewards without ties and responses without much probability reach both bounds; with one likely response they do not.
#[test]
fn best_of_n_keeps_its_bounds() {
    let idle = Interrupt::default();
    let flat = Policy::uniform(1, 100_000).expect("a size");
    let peaked = Policy::tabular(drawn(1, 1000, 3.0, 0));
    for (policy, tight) in [(&flat, true), (&peaked, false)] {
        let judge = Judge::scalar(drawn(1, policy.n_responses, 1.0, 1));
        for n in [2usize, 16, 128] {
            let best = policy.best_of(&judge, n).expect("n");
            let of = n as f64;
            let (kl, bound) = (best.kl(policy).expect("one shape"), of.ln() - (of - 1.0) / of);
            let wins = best.win_rate(policy, &judge.hard(), &idle).expect("sorted");
            let most = of / (of + 1.0);
            assert!(kl <= bound + 1e-9 && wins <= most + 1e-9, "{n}: {kl} {bound}, {wins} {most}");
            let (kl_gap, win_gap) = (bound - kl, most - wins);
            let fits = if tight { kl_gap < 1e-2 && win_gap < 1e-4 } else { kl_gap > 5e-3 && win_gap > 1e-4 };
            assert!(fits, "{n}: {kl} {bound}, {wins} {most}");
        }
    }
    // A response of hardly any probability and the lowest reward stays a number.
    let odd = Policy::tabular(Grid::of_rows(&[vec![-600.0, 0.0, 0.0]], "logits").expect("finite"));
    let judge = Judge::scalar(Grid::of_rows(&[vec![0.5, 0.0, 1.0]], "rewards").expect("finite"));
    let best = odd.best_of(&judge, 1000).expect("n");
    assert!(best.logprobs().iter().all(|x| x.is_finite()), "{:?}", best.logprobs());
}

/// A million responses: sums over them are exact to twelve digits, and the closed form needs no pair.
#[test]
fn a_million_responses_are_enumerated() {
    let n = MAX_RESPONSES;
    let reference = Policy::tabular(drawn(1, n, 1.0, 0));
    let judge = Judge::scalar(drawn(1, n, 1.0, 1));
    let best = reference.optimum(&judge, 1.0).expect("beta");
    near(best.probabilities(0).iter().sum(), 1.0);
    // KL(best ‖ reference) = E r / β − ln Z, with E r by enumeration and Z = E_ref e^r.
    let z: f64 = reference
        .probabilities(0)
        .iter()
        .zip(judge.rewards("test").expect("rewards").row(0))
        .map(|(p, r)| p * r.exp())
        .sum();
    let expected = best.expected_reward(&judge).expect("rewards");
    let kl = best.kl(&reference).expect("one shape");
    assert!((kl - (expected - z.ln())).abs() < 1e-9, "{kl}");
    assert!(Policy::uniform(1, n + 1).is_err() && Policy::uniform(21, n).is_err());
    let error = best.win_rate(&reference, &judge, &Interrupt::default()).expect_err("too many pairs");
    assert!(error.to_string().contains("exact up to 2000 responses a prompt, got 1000000"), "{error}");
    let estimate = estimate_win_rate(&best, &reference, &judge, 20_000, 0).expect("samples");
    let (low, high) = estimate.bounds.expect("an interval");
    assert!(high - low < 0.02 && low > 0.6, "{estimate}");
}

/// Of 2000 intervals of 95 % at least 93 % and at most 97 % hold the exact number: four standard errors are 1.9 %.
#[test]
fn intervals_of_estimates_cover_the_exact_numbers() {
    let reference = Policy::tabular(drawn(3, 50, 0.5, 1));
    let judge = Judge::scalar(drawn(3, 50, 1.0, 2));
    let policy = reference.optimum(&judge, 2.0).expect("beta");
    let (n, repeats) = (400, 2000u64);
    let covers = |what: &str, exact: f64, estimate: &dyn Fn(u64) -> Result<crate::stats::Estimate, PolicyError>| {
        let hits = (0..repeats).filter(|seed| {
            let (low, high) = estimate(*seed).expect("samples").bounds.expect("an interval");
            low <= exact && exact <= high
        });
        let share = hits.count() as f64 / repeats as f64;
        assert!((0.93..=0.97).contains(&share), "{what}: {share}");
    };
    let kl = policy.kl(&reference).expect("one shape");
    let k = |how| {
        let (policy, reference) = (policy.clone(), reference.clone());
        move |seed| estimate_kl(&policy, &reference, how, n, seed)
    };
    covers("k1", kl, &k(KlEstimator::K1));
    covers("k3", kl, &k(KlEstimator::K3));
    let wins = policy.win_rate(&reference, &judge, &Interrupt::default()).expect("small");
    covers("win rate", wins, &|seed| estimate_win_rate(&policy, &reference, &judge, n, seed));
    // k2 has another mean: its intervals cover that one.
    covers("k2", mean_of(&policy, &reference, KlEstimator::K2), &k(KlEstimator::K2));
}

/// The exact mean of an estimator.
fn mean_of(policy: &Policy, other: &Policy, how: KlEstimator) -> f64 {
    let of = |prompt| {
        let both = policy.row(prompt).iter().zip(other.row(prompt));
        both.map(|(own, other)| own.exp() * how.of(other - own)).sum::<f64>()
    };
    (0..policy.n_prompts).map(of).sum::<f64>() / policy.n_prompts as f64
}

#[test]
fn k1_and_k3_are_unbiased_and_k2_is_not_the_more_the_farther() {
    let reference = Policy::tabular(drawn(3, 50, 0.5, 1));
    let judge = Judge::scalar(drawn(3, 50, 1.0, 2));
    let mut earlier = 0.0;
    for beta in [5.0, 1.0, 0.3] {
        let policy = reference.optimum(&judge, beta).expect("beta");
        let kl = policy.kl(&reference).expect("one shape");
        near(mean_of(&policy, &reference, KlEstimator::K1), kl);
        assert!((mean_of(&policy, &reference, KlEstimator::K3) - kl).abs() < 1e-10);
        let bias = (mean_of(&policy, &reference, KlEstimator::K2) - kl).abs() / kl;
        assert!(bias > earlier, "beta {beta}: KL {kl}, relative bias {bias}");
        earlier = bias;
    }
    assert!(earlier > 0.1, "{earlier}");
}

#[test]
fn a_fitted_judge_comes_near_the_one_who_labelled() {
    let idle = Interrupt::default();
    let table = responses(4, 50, 3, 0).expect("a table");
    let features = Arc::new(Features::of_frame(&table, &[]).expect("features"));
    let golden = Judge::scalar(Grid::new(4, 50, features.dot(&[1.0, -1.0, 0.5]), "rewards").expect("finite"));
    let sampler = Policy::uniform(4, 50).expect("a size");
    let how = PairOptions { n: 20_000, labels: Labels::Drawn, distinct: true, seed: 0 };
    let labelled = draw_pairs(&golden, &sampler, None, how).expect("pairs");
    let options = FitOptions { l2: 0.0, tolerance: 1e-14, max_steps: 500 };
    let proxy = fit(&labelled, Of::Features(features), options, &idle).expect("converges");
    let apart = |prompt: usize, one, other| {
        (proxy.preference(prompt, one, other) - golden.preference(prompt, one, other)).abs()
    };
    let worst = (0..4).flat_map(|x| (0..49).map(move |y| (x, y))).map(|(x, y)| apart(x, y, y + 1)).fold(0.0, f64::max);
    // A weight's standard error at 20 000 pairs is about 0.02.
    assert!(worst < 0.05, "{worst}");
    assert!(fit(&labelled, Of::Table(4, 50), FitOptions { l2: -1.0, ..options }, &idle).is_err());
}

#[test]
fn a_judge_is_symmetrised_and_frames_are_read_in_any_order() {
    let judge = Judge::pairwise(1, 2, &[0.5, 0.9, 0.3, 0.5]).expect("probabilities");
    near(judge.preference(0, 0, 1), 0.8);
    near(judge.preference(0, 0, 1) + judge.preference(0, 1, 0), 1.0);
    let table = responses(2, 3, 1, 0).expect("a table");
    let turned = table.rows_at(&[5, 3, 0, 1, 4, 2]).expect("rows");
    let read = |frame| Grid::of_frame(frame, "f0").expect("whole");
    assert_eq!(read(&table), read(&turned));
    let short = table.rows_at(&[0, 1, 2, 3, 4]).expect("rows");
    assert_eq!(
        Grid::of_frame(&short, "f0").expect_err("one lacks").to_string(),
        "prompt 1, response 2 has 0 rows, expected one"
    );
}

#[test]
fn bits_do_not_depend_on_threads_and_are_kept() {
    let values: Vec<f64> = vec![0.1, -1e300, f64::MIN_POSITIVE, 5e-324, 1.0 / 3.0, f64::MAX];
    assert_eq!(unpacked(&packed(&values)), values);
    let (reference, sampler, start, judge) = laboratory(50);
    let bits = |n_threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(n_threads).build().expect("a pool");
        pool.install(|| {
            let source = Source::Population { judge: &judge, sampler: &sampler };
            let ctx = Context::for_tests();
            let found = optimise(&start, &reference, source, settings(Objective::Dpo, 0.5), &ctx).expect("converges");
            let kl = found.kl(&reference).expect("one shape");
            (found.logprobs().iter().map(|x| x.to_bits()).collect::<Vec<u64>>(), kl.to_bits())
        })
    };
    assert_eq!(bits(1), bits(3));
}
