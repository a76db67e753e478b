//! Logistic regression on features, by the optimum that scikit-learn's defaults define: C · Σ weight · cross-entropy + ½ ‖coefficients‖², the
//! intercepts free.
//!
//! Labels may be probabilities. Two classes have one column of coefficients, more have one each, as in scikit-learn. The optimum is found by
//! Newton's method with conjugate gradients, to a gradient far below what its default tolerance leaves.

use super::MetricError;
use crate::core::context::Interrupt;
use crate::core::math::{exp, ln};

/// What is fitted: row-major `x` of `[n, width]`, `labels` of `[n, n_classes]` that sum to 1, a weight for each row.
#[derive(Debug, Clone, Copy)]
pub struct Problem<'a> {
    pub x: &'a [f64],
    pub width: usize,
    pub labels: &'a [f64],
    pub n_classes: usize,
    pub weights: &'a [f64],
    /// The inverse of the strength of the penalty.
    pub c: f64,
}

/// Fitted coefficients.
#[derive(Debug, Clone, PartialEq)]
pub struct Fit {
    /// For each column of logits `width` coefficients and an intercept.
    pub coefficients: Vec<f64>,
    width: usize,
    n_classes: usize,
}

/// Newton steps, arbitrary: a few dozen suffice from zero.
const MAX_STEPS: usize = 200;
/// A gradient this small, against C · Σ weight, ends the search.
const TOLERANCE: f64 = 1e-9;
/// Where no step lowers the loss by more than its rounding, a gradient this small still counts as the optimum: a hundredth of what
/// scikit-learn's default leaves.
const ROUNDED: f64 = 1e-6;

impl Fit {
    /// The optimum of a problem.
    pub fn new(problem: &Problem, interrupt: &Interrupt) -> Result<Fit, MetricError> {
        let n_columns = n_columns(problem.n_classes);
        let mut fit = Fit {
            coefficients: vec![0.0; n_columns * (problem.width + 1)],
            width: problem.width,
            n_classes: problem.n_classes,
        };
        let scale = problem.c * problem.weights.iter().sum::<f64>().max(f64::MIN_POSITIVE);
        let (mut value, mut p) = fit.loss(problem);
        for _ in 0..MAX_STEPS {
            interrupt.check()?;
            let gradient = fit.gradient(problem, &p);
            let norm = dot(&gradient, &gradient).sqrt();
            if norm <= TOLERANCE * scale {
                return Ok(fit);
            }
            let direction = fit.newton_direction(problem, &p, &gradient, interrupt)?;
            let slope = dot(&gradient, &direction);
            let mut length = 1.0;
            let moved = loop {
                let mut next = fit.clone();
                next.coefficients.iter_mut().zip(&direction).for_each(|(at, step)| *at += length * step);
                let (next_value, next_p) = next.loss(problem);
                if next_value.is_finite() && next_value <= value + 1e-4 * length * slope {
                    break Some((next, next_value, next_p));
                }
                length /= 2.0;
                if length < 1e-12 {
                    break None;
                }
            };
            match moved {
                Some((next, next_value, next_p)) => (fit, value, p) = (next, next_value, next_p),
                // Rounding hides what is left to gain.
                None if norm <= ROUNDED * scale => return Ok(fit),
                None => return Err(unconverged(norm / scale)),
            }
        }
        let gradient = fit.gradient(problem, &p);
        let norm = dot(&gradient, &gradient).sqrt();
        if norm <= ROUNDED * scale { Ok(fit) } else { Err(unconverged(norm / scale)) }
    }

    /// Probabilities of each class, row-major.
    pub fn probabilities(&self, x: &[f64]) -> Vec<f64> {
        let mut found = Vec::with_capacity(x.len() / self.width.max(1) * self.n_classes);
        for row in x.chunks_exact(self.width.max(1)) {
            found.extend(softmax(&self.logits(row)));
        }
        found
    }

    fn columns(&self) -> impl Iterator<Item = &[f64]> {
        self.coefficients.chunks_exact(self.width + 1)
    }

    /// Of two classes the first one's logit is 0.
    fn logits(&self, row: &[f64]) -> Vec<f64> {
        let free = self.columns().map(|column| affine(column, row));
        if self.n_classes == 2 { std::iter::once(0.0).chain(free).collect() } else { free.collect() }
    }

    /// The penalised loss, and the probabilities.
    fn loss(&self, problem: &Problem) -> (f64, Vec<f64>) {
        let mut p = Vec::with_capacity(problem.labels.len());
        let mut sum = 0.0;
        let rows = problem.x.chunks_exact(self.width).zip(problem.labels.chunks_exact(self.n_classes));
        for ((row, labels), weight) in rows.zip(problem.weights) {
            let logits = self.logits(row);
            let most = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let log_sum = most + ln(logits.iter().map(|z| exp(z - most)).sum());
            sum += weight * labels.iter().zip(&logits).map(|(t, z)| t * (log_sum - z)).sum::<f64>();
            p.extend(logits.iter().map(|z| exp(z - log_sum)));
        }
        let penalty: f64 = self.columns().map(|column| slopes(column).iter().map(|w| w * w).sum::<f64>()).sum();
        (problem.c * sum + 0.5 * penalty, p)
    }

    fn gradient(&self, problem: &Problem, p: &[f64]) -> Vec<f64> {
        let errors: Vec<f64> = p.iter().zip(problem.labels).map(|(p, t)| p - t).collect();
        self.pulled_back(problem, &errors, &self.coefficients)
    }

    /// C · Σ weight · `of_logits` · row, and the penalty's part: `of` without its intercepts.
    fn pulled_back(&self, problem: &Problem, of_logits: &[f64], of: &[f64]) -> Vec<f64> {
        let mut found = vec![0.0; of.len()];
        let first = usize::from(self.n_classes == 2);
        let rows = problem.x.chunks_exact(self.width).zip(of_logits.chunks_exact(self.n_classes));
        for ((row, parts), weight) in rows.zip(problem.weights) {
            for (column, part) in found.chunks_exact_mut(self.width + 1).zip(parts.iter().skip(first)) {
                let factor = problem.c * weight * part;
                if let Some((intercept, slopes)) = column.split_last_mut() {
                    slopes.iter_mut().zip(row).for_each(|(sum, x)| *sum += factor * x);
                    *intercept += factor;
                }
            }
        }
        for (column, own) in found.chunks_exact_mut(self.width + 1).zip(of.chunks_exact(self.width + 1)) {
            column.iter_mut().zip(slopes(own)).for_each(|(sum, w)| *sum += w);
        }
        found
    }

    /// The Hessian times `direction`.
    fn curved(&self, problem: &Problem, p: &[f64], direction: &[f64]) -> Vec<f64> {
        let mut moved = Vec::with_capacity(p.len());
        for (row, p) in problem.x.chunks_exact(self.width).zip(p.chunks_exact(self.n_classes)) {
            let free = direction.chunks_exact(self.width + 1).map(|column| affine(column, row));
            let u: Vec<f64> =
                if self.n_classes == 2 { std::iter::once(0.0).chain(free).collect() } else { free.collect() };
            let mean = dot(p, &u);
            moved.extend(p.iter().zip(&u).map(|(p, u)| p * (u - mean)));
        }
        self.pulled_back(problem, &moved, direction)
    }

    /// −H⁻¹ g, by conjugate gradients.
    fn newton_direction(
        &self,
        problem: &Problem,
        p: &[f64],
        gradient: &[f64],
        interrupt: &Interrupt,
    ) -> Result<Vec<f64>, MetricError> {
        let mut found = vec![0.0; gradient.len()];
        let mut residual: Vec<f64> = gradient.iter().map(|g| -g).collect();
        let mut direction = residual.clone();
        let mut square = dot(&residual, &residual);
        let enough = square * 1e-12;
        for _ in 0..4 * gradient.len() + 20 {
            interrupt.check()?;
            let curved = self.curved(problem, p, &direction);
            let curvature = dot(&direction, &curved);
            if curvature <= 0.0 {
                break;
            }
            let length = square / curvature;
            found.iter_mut().zip(&direction).for_each(|(at, d)| *at += length * d);
            residual.iter_mut().zip(&curved).for_each(|(r, c)| *r -= length * c);
            let next = dot(&residual, &residual);
            if next <= enough {
                break;
            }
            direction.iter_mut().zip(&residual).for_each(|(d, r)| *d = r + next / square * *d);
            square = next;
        }
        if dot(&found, gradient) >= 0.0 {
            return Ok(gradient.iter().map(|g| -g).collect());
        }
        Ok(found)
    }
}

fn unconverged(relative: f64) -> MetricError {
    MetricError::Undefined(format!(
        "logistic regression found no optimum: its gradient is still {relative:.1e} of the loss's scale; features of very different sizes \
         are the usual reason"
    ))
}

fn n_columns(n_classes: usize) -> usize {
    if n_classes == 2 { 1 } else { n_classes }
}

/// A column without its intercept.
fn slopes(column: &[f64]) -> &[f64] {
    column.split_last().map_or(&[], |(_, slopes)| slopes)
}

fn affine(column: &[f64], row: &[f64]) -> f64 {
    dot(slopes(column), row) + column.last().copied().unwrap_or(0.0)
}

pub(super) fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

fn softmax(logits: &[f64]) -> Vec<f64> {
    let most = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let powers: Vec<f64> = logits.iter().map(|z| exp(z - most)).collect();
    let sum: f64 = powers.iter().sum();
    powers.iter().map(|power| power / sum).collect()
}

#[cfg(test)]
mod tests {
    use super::super::reference::{methods, numbers};
    use super::*;

    /// By scikit-learn's `LogisticRegression`: `tests/reference/methods.py`, at a tolerance of 1e-10.
    #[test]
    fn it_agrees_with_scikit_learn() {
        for case in methods("logistic") {
            let count = |name: &str| case[name].as_u64().expect("a count") as usize;
            let (x, labels, weights) = (numbers(&case, "x"), numbers(&case, "labels"), numbers(&case, "weights"));
            let (width, n_classes) = (count("width"), count("n_classes"));
            let c = case["c"].as_f64().expect("c");
            let problem = Problem { x: &x, width, labels: &labels, n_classes, weights: &weights, c };
            let fit = Fit::new(&problem, &Interrupt::default()).expect("an optimum");
            let found = fit.probabilities(&numbers(&case, "at"));
            for (found, expected) in found.iter().zip(numbers(&case, "p")) {
                assert!((found - expected).abs() < 1e-5, "{found} instead of {expected}");
            }
            if n_classes == 2 {
                for (found, expected) in fit.coefficients.iter().zip(numbers(&case, "coefficients")) {
                    assert!((found - expected).abs() < 1e-4 * expected.abs().max(1.0), "{found} for {expected}");
                }
            }
        }
    }

    /// Many rows: near the optimum the loss moves by less than its rounding.
    #[test]
    fn many_rows_end_at_the_optimum_too() {
        let mut random = crate::core::random::Random::new(5, "logistic");
        let x: Vec<f64> = (0..4000 * 24).map(|_| random.normal()).collect();
        let labels: Vec<f64> = x
            .chunks_exact(24)
            .flat_map(|row| {
                let one = row.iter().take(4).sum::<f64>() + 2.0 * random.normal() > 0.0;
                [f64::from(u8::from(!one)), f64::from(u8::from(one))]
            })
            .collect();
        let weights = vec![1.0; 4000];
        let problem = Problem { x: &x, width: 24, labels: &labels, n_classes: 2, weights: &weights, c: 1.0 };
        let fit = Fit::new(&problem, &Interrupt::default()).expect("an optimum");
        let (_, p) = fit.loss(&problem);
        let gradient = fit.gradient(&problem, &p);
        assert!(dot(&gradient, &gradient).sqrt() < 1e-6 * 4000.0);
    }

    /// At the optimum no step in any direction is lower, soft labels and weights included.
    #[test]
    fn the_gradient_vanishes() {
        let x: Vec<f64> = (0..60).map(|at| f64::from(at * at % 17) / 5.0 - 1.0).collect();
        let labels: Vec<f64> =
            (0..30).flat_map(|at| [f64::from(at % 4) / 4.0, 1.0 - f64::from(at % 4) / 4.0]).collect();
        let weights: Vec<f64> = (0..30).map(|at| f64::from(at % 3)).collect();
        let problem = Problem { x: &x, width: 2, labels: &labels, n_classes: 2, weights: &weights, c: 3.0 };
        let fit = Fit::new(&problem, &Interrupt::default()).expect("an optimum");
        let least = fit.loss(&problem).0;
        for place in 0..3 {
            for step in [-1e-3, 1e-3] {
                let mut near = fit.clone();
                near.coefficients[place] += step;
                assert!(near.loss(&problem).0 > least);
            }
        }
    }
}
