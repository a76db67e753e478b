use super::*;

#[test]
fn the_logistic_function_is_exact_far_out() {
    assert_eq!(logistic(0.0), [std::f64::consts::LN_2, -0.5]);
    assert_eq!(logistic(-800.0), [800.0, -1.0]);
    let [value, slope] = logistic(40.0);
    // e⁻⁴⁰ to all digits: −log σ(x) = e⁻ˣ − e⁻²ˣ/2 + ….
    assert!((value / 4.248_354_255_291_589e-18 - 1.0).abs() < 1e-14, "{value:e}");
    assert!((slope / -4.248_354_255_291_589e-18 - 1.0).abs() < 1e-14, "{slope:e}");
    assert_eq!((sigmoid(800.0), sigmoid(-800.0)), (1.0, 0.0));
}

#[test]
fn the_logarithm_near_one_keeps_its_digits() {
    for (x, want) in [
        (1e-18, 1e-18),
        (1e-10, 9.999_999_999_5e-11),
        (-1e-10, -1.000_000_000_05e-10),
        (0.5, 0.405_465_108_108_164_4),
        (-0.999, -6.907_755_278_982_136),
    ] {
        let got = ln_1p(x);
        assert!((got / want - 1.0).abs() < 1e-14, "ln(1 + {x}): {got:e} instead of {want:e}");
    }
    assert_eq!(ln_1p(-1.0), f64::NEG_INFINITY);
}

#[test]
fn what_has_no_share_is_not_asked() {
    let forwards = || OfPair { value: 2.0, by_chosen: 1.0, by_rejected: -3.0, pull: 4.0 };
    let never = || panic!("asked");
    assert_eq!(mixed(1.0, forwards, never), forwards());
    let backwards = OfPair { value: 2.0, by_chosen: -3.0, by_rejected: 1.0, pull: -4.0 };
    assert_eq!(mixed(0.0, never, forwards), backwards);
}
