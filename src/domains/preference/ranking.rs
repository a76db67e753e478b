//! Rankings of several continuations: Plackett and Luce's likelihood of an order, and DPO's loss of it (Rafailov et al. 2023, appendix A.3).
//!
//! The first place is drawn with probabilities ∝ e^score, the second likewise of what is left, and so on. Of two it is Bradley and
//! Terry's, and the loss is DPO's to the bit.

use super::loss::ln_1p;
use super::measured::Sums;
use crate::core::math::exp;

/// `−ln p(order)` of scores `scale · x`, `x` from the first place to the last, and its derivatives by x.
pub fn plackett_luce(scale: f64, x: &[f64]) -> (f64, Vec<f64>) {
    let (mut value, mut slopes) = (0.0, vec![0.0; x.len()]);
    for (place, own) in x.iter().enumerate().take(x.len().saturating_sub(1)) {
        let rest = x.get(place..).unwrap_or_default();
        // Scores less that of this place, of which the greatest is taken out of the sum.
        let leads: Vec<f64> = rest.iter().map(|other| scale * (other - own)).collect();
        let greatest = (0..leads.len()).rev().max_by(|a, b| at(&leads, *a).total_cmp(&at(&leads, *b))).unwrap_or(0);
        let most = at(&leads, greatest);
        let tails: Vec<f64> = leads.iter().map(|lead| exp(lead - most)).collect();
        let others: f64 = tails.iter().enumerate().filter(|(idx, _)| *idx != greatest).map(|(_, tail)| tail).sum();
        value += most + ln_1p(others);
        let mut beside = 0.0;
        for (idx, slope) in slopes.iter_mut().skip(place).enumerate().skip(1) {
            let share = scale * (at(&tails, idx) / (1.0 + others));
            *slope += share;
            beside += share;
        }
        if let Some(slope) = slopes.get_mut(place) {
            *slope -= beside;
        }
    }
    (value, slopes)
}

/// What is measured of a ranking, as of a pair of its first response and the mean of all others: of two it is that of the pair. Its weight
/// is half of what pulls at its scores together.
pub fn measured(logprobs: &[f64], ratios: &[f64], slopes: &[f64], beta: f64, loss: f64, weight: f64) -> Sums {
    let ends = |numbers: &[f64]| {
        let others: f64 = numbers.iter().skip(1).sum();
        let n = numbers.len().saturating_sub(1).max(1) as f64;
        (numbers.first().copied().unwrap_or(f64::NAN), others / n)
    };
    let ((chosen, rejected), (own, other)) = (ends(logprobs), ends(ratios));
    let delta = own - other;
    let right = if delta > 0.0 { 1.0 } else { 0.5 * f64::from(u8::from(delta == 0.0)) };
    let pull = slopes.iter().map(|slope| slope.abs()).sum::<f64>() / (2.0 * beta);
    let squares = [delta * delta, pull * pull];
    Sums([
        loss,
        chosen,
        rejected,
        delta,
        right,
        pull,
        1.0,
        squares[0],
        squares[1],
        weight,
        weight * weight,
        weight * pull,
    ])
}

fn at(numbers: &[f64], idx: usize) -> f64 {
    numbers.get(idx).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::super::loss::{logistic, of_margin};
    use super::*;
    use crate::core::random::Random;

    /// Made by `tests/reference/rankings.py`, with PyTorch's autograd in double precision.
    const REFERENCE: &str = include_str!("../../../tests/reference/rankings.json");

    #[test]
    fn value_and_gradient_are_those_of_the_formula() {
        let reference: serde_json::Value = serde_json::from_str(REFERENCE).expect("JSON");
        let cases = reference["losses"].as_array().expect("cases");
        assert_eq!(cases.iter().map(|case| case["x"].as_array().expect("x").len()).collect::<Vec<_>>(), [2, 3, 5, 8]);
        for case in cases {
            let column = |name: &str| -> Vec<f64> {
                case[name].as_array().expect(name).iter().map(|x| x.as_f64().expect("a number")).collect()
            };
            let (value, slopes) = plackett_luce(case["beta"].as_f64().expect("a number"), &column("x"));
            let want = case["value"].as_f64().expect("a number");
            assert!((value - want).abs() < 1e-12 * (1.0 + want), "{value} and {want}");
            slopes
                .iter()
                .zip(column("slopes"))
                .for_each(|(got, want)| assert!((got - want).abs() < 1e-12, "{got} and {want}"));
        }
    }

    #[test]
    fn of_two_it_is_dpo_to_the_bit() {
        let mut random = Random::new(0, "ranking");
        for _ in 0..1000 {
            let (scale, x) = (0.1 + random.uniform(), [5.0 * random.normal(), 5.0 * random.normal()]);
            let (value, slopes) = plackett_luce(scale, &x);
            let dpo = of_margin(scale, logistic(scale * (x[0] - x[1])));
            assert_eq!((value, slopes[0], slopes[1]), (dpo.value, dpo.by_chosen, dpo.by_rejected), "{scale} {x:?}");
        }
        let (value, slopes) = plackett_luce(1.0, &[-1e5, 0.0, 1e5]);
        assert_eq!((value, slopes), (3e5, vec![-1.0, -1.0, 2.0]), "far away nothing overflows");
    }
}
