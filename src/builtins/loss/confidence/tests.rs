use super::*;
use crate::train::loss::testing::*;

fn made(form: &str) -> Confidence {
    Confidence::new(&ConfidenceOptions { form: form.to_owned(), ..ConfidenceOptions::default() }).expect("valid")
}

fn compat() -> Confidence {
    let options = ConfidenceOptions { form: "r".to_owned(), r_compat: true, ..ConfidenceOptions::default() };
    Confidence::new(&options).expect("valid")
}

/// Logits with these margins.
fn spread(margins: &[f32]) -> Vec<f32> {
    margins.iter().flat_map(|m| [0.0, *m]).collect()
}

fn even(n: usize) -> Vec<f32> {
    vec![0.5; 2 * n]
}

// z, w as in cross_entropy.rs, whose middle row by margin, the first, is at the threshold; a = .5 (step 9 of 10 is after the ramp)
// p = z.softmax(1).detach(); t = torch.quantile(p[:, 0], w.mean(0)[1]); hard = torch.stack([p[:, 0] >= t, p[:, 0] < t], 1).double()
// l = F.cross_entropy(z, (1 - a) * w + a * hard); l.backward(); print(l.item(), z.grad)
#[test]
fn the_repositorys_own_rule_equals_the_reference() {
    let gradient = [-0.06527377, 0.06527377, -0.07356259, 0.07356259, 0.16666667, -0.16666667];
    reference(&compat(), 9, 0.69283953, &gradient);
    // No row is at the threshold here, so that the rule for ties decides nothing.
    reference(&made("r"), 9, 0.69283953, &gradient);
}

#[test]
fn half_of_an_even_batch_is_above_the_threshold() {
    let logits = spread(&[3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0]);
    let hard = made("p").hard(&batch(&logits, &even(8), 2, 9));
    assert_eq!(hard, [0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0]);
}

/// Beyond a margin of 37 probabilities round to 1, and all rows would tie at the median.
#[test]
fn half_means_half_where_probabilities_are_saturated() {
    let margins = [40.0, 60.0, 80.0, 100.0];
    for scale in [1.0, -1.0, 1e30, -1e30] {
        let logits = spread(&margins.map(|m| m * scale));
        let hard = made("p").hard(&batch(&logits, &even(4), 2, 9));
        assert_eq!(hard.iter().sum::<f64>(), 2.0, "{scale}: {hard:?}");
        let weak: Vec<f32> = [[0.0, 1.0], [1.0, 0.0], [1.0, 0.0], [1.0, 0.0]].concat();
        let hard = made("r").hard(&batch(&logits, &weak, 2, 9));
        assert_eq!(hard.iter().sum::<f64>(), 1.0, "{scale}: {hard:?}");
    }
    let saturated = spread(&margins.map(|m| -m));
    assert_eq!(compat().hard(&batch(&saturated, &even(4), 2, 9)), [0.0; 4], "what r_compat keeps");
}

#[test]
fn at_the_threshold_a_row_takes_its_own_side() {
    let of = |form: &str, margins: &[f32], weak: &[f32]| made(form).hard(&batch(&spread(margins), weak, 2, 9));
    for form in ["p", "r", "e"] {
        // A batch of one, and the middle of an odd one.
        assert_eq!([of(form, &[2.0], &even(1)), of(form, &[-2.0], &even(1))], [[1.0], [0.0]], "{form}");
        assert_eq!(of(form, &[1.0, 2.0, 3.0], &even(3)), [0.0, 1.0, 1.0], "{form}");
        assert_eq!(of(form, &[-1.0, -2.0, -3.0], &even(3)), [1.0, 0.0, 0.0], "{form}");
        // Ties over the middle of an even one.
        assert_eq!(of(form, &[2.0, 2.0, 2.0, 9.0], &even(4)), [1.0; 4], "{form}");
        assert_eq!(of(form, &[-2.0, -2.0, -9.0, 3.0], &even(4)), [0.0, 0.0, 0.0, 1.0], "{form}");
        // Even rows follow their labels, and nothing where those are even too.
        assert_eq!(of(form, &[0.0; 4], &[0.25, 0.75, 0.75, 0.25, 0.5, 0.5, 0.5, 0.5]), [1.0, 0.0, 0.5, 0.5], "{form}");
    }
}

/// Exchanging the classes exchanges the sides: no rule favours a class.
#[test]
fn no_class_is_favoured() {
    let mut random = crate::core::random::Random::new(1, "confidence");
    for n in 1..9 {
        for _ in 0..50 {
            let margins: Vec<f32> = (0..n).map(|_| random.below(5) as f32 - 2.0).collect();
            let weak: Vec<f32> = (0..n).map(|_| random.below(5) as f32 / 4.0).flat_map(|w| [1.0 - w, w]).collect();
            let (turned, turned_weak): (Vec<f32>, Vec<f32>) =
                (margins.iter().map(|m| -m).collect(), weak.chunks(2).flat_map(|w| [w[1], w[0]]).collect());
            for form in ["p", "r", "e"] {
                let one = made(form).hard(&batch(&spread(&margins), &weak, 2, 9));
                let other = made(form).hard(&batch(&spread(&turned), &turned_weak, 2, 9));
                let sums: Vec<f64> = one.iter().zip(&other).map(|(a, b)| a + b).collect();
                assert_eq!(sums, vec![1.0; n], "{form}: {margins:?} {weak:?}");
            }
        }
    }
}

#[test]
fn the_weak_class_ratio_is_kept() {
    let logits = spread(&[0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]);
    let weak = |n: usize| -> Vec<f32> { (0..8).flat_map(|i| if i < n { [0.0, 1.0] } else { [1.0, 0.0] }).collect() };
    for n in 0..=8 {
        let hard = made("r").hard(&batch(&logits, &weak(n), 2, 9));
        assert_eq!(hard.iter().sum::<f64>(), n as f64, "{n} of 8: {hard:?}");
        assert!(hard.is_sorted(), "those with the largest margins");
    }
}

#[test]
fn form_e_looks_at_the_latest_predictions() {
    let buffer = |n| {
        let options = ConfidenceOptions { form: "e".to_owned(), buffer: Some(n), ..ConfidenceOptions::default() };
        Confidence::new(&options).expect("valid")
    };
    assert_eq!((made("e").n_earlier(), buffer(1).n_earlier(), made("p").n_earlier()), (31, 0, 0));
    let (logits, weak, before) = (spread(&[1.0, 2.0]), even(2), spread(&[-9.0, 5.0, 6.0, 7.0]));
    let at = At { step: 9, steps: 10, earlier: &before, ..At::default() };
    let of = |loss: Confidence| loss.hard(&LossBatch { logits: &logits, weak: &weak, n_classes: 2, at });
    // The median of the batch alone, of 1 2 5 6 7 (the rows of lesser margin are below 5), of −9 1 2 5 6 7.
    assert_eq!(of(buffer(2)), [0.0, 1.0]);
    assert_eq!(of(buffer(5)), [0.0, 0.0]);
    assert_eq!(of(buffer(32)), [0.0, 0.0]);
    assert_eq!(of(made("p")), [0.0, 1.0], "the other forms do not");
}

#[test]
fn the_weight_ramps_and_the_bug_is_there_only_on_request() {
    let at = |step| At { step, steps: 100, ..At::default() };
    let (p, r, e) = (made("p"), made("r"), made("e"));
    assert_eq!(p.alpha(&at(0)), 0.0);
    close(p.alpha(&at(10)), 0.25);
    assert_eq!(p.alpha(&at(20)), 0.5);
    close(r.alpha(&at(5)), 0.25);
    assert_eq!(r.alpha(&at(10)), 0.5);
    close(compat().alpha(&at(10)), 0.05);
    assert_eq!(compat().alpha(&at(11)), 0.5);
    close(e.alpha(&at(50)), 0.25);
    assert_eq!(e.alpha(&At { step: 100, steps: 1000, ..At::default() }), 0.5);
}

#[test]
fn its_gradient_is_right_with_the_hard_target_held() {
    for loss in [made("p"), made("r"), compat()] {
        let (logits, weak) =
            ([0.5, -0.25, -1.5, 2.0, 0.125, 0.5, 0.0, -0.5], [0.75, 0.25, 0.5, 0.5, 0.0, 1.0, 0.5, 0.5]);
        let held = loss.hard(&batch(&logits, &weak, 2, 9));
        let half = |hard: &f64, w: &[f32]| [(w[0] + 1.0 - *hard as f32) / 2.0, (w[1] + *hard as f32) / 2.0];
        let target: Vec<f32> = held.iter().zip(weak.chunks(2)).flat_map(|(hard, w)| half(hard, w)).collect();
        let got = loss.step(&batch(&logits, &weak, 2, 9)).expect("computes");
        finite_differences(2, &logits, &got.gradient, |moved| {
            crate::train::CrossEntropy.step(&batch(moved, &target, 2, 9)).expect("computes").value
        });
        survives_extremes(&loss);
    }
}

#[test]
fn balanced_labels_have_mean_log_odds_of_zero() {
    let weak = [0.25, 0.75, 0.125, 0.875, 0.5, 0.5];
    let odds = |w: &[f32]| (f64::from(w[1]) / f64::from(w[0])).ln();
    let shift = weak.chunks(2).map(odds).sum::<f64>() / 3.0;
    let got = hard::balanced(&weak);
    for (got, weak) in got.chunks(2).zip(weak.chunks(2)) {
        close(odds(got), odds(weak) - shift);
    }
    assert!(hard::balanced(&[0.0, 1.0, 1.0, 0.0]).iter().all(|w| (0.0..=1.0).contains(w)));
}

#[test]
fn more_than_two_classes_and_impossible_options_are_refused() {
    let error = made("p").step(&batch(&LOGITS3, &WEAK3, 3, 0)).expect_err("binary");
    assert_eq!(error.to_string(), "the loss `confidence` is binary, the labels have 3 classes");
    let plain = ConfidenceOptions::default;
    let e = || ConfidenceOptions { form: "e".to_owned(), ..plain() };
    for options in [
        ConfidenceOptions { alpha_max: f64::NAN, ..plain() },
        ConfidenceOptions { alpha_max: -0.1, ..plain() },
        ConfidenceOptions { alpha_max: 1.5, ..plain() },
        ConfidenceOptions { warmup: Some(f64::INFINITY), ..plain() },
        ConfidenceOptions { warmup: Some(0.1), warmup_steps: Some(3), ..plain() },
        ConfidenceOptions { r_compat: true, ..plain() },
        ConfidenceOptions { balance: true, ..plain() },
        ConfidenceOptions { buffer: Some(8), ..plain() },
        ConfidenceOptions { buffer: Some(0), ..e() },
        ConfidenceOptions { r_compat: true, ..e() },
    ] {
        assert!(Confidence::new(&options).is_err(), "{options:?}");
    }
    let steps = ConfidenceOptions { warmup_steps: Some(7), ..plain() };
    let shown = Confidence::new(&steps).expect("valid").show();
    assert_eq!(shown, "loss::confidence(#{form: \"p\", alpha_max: 0.5, warmup_steps: 7})");
}
