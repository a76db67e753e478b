//! A minimum of a smooth function of many numbers, to a stated tolerance: L-BFGS (Nocedal and Wright 2006, algorithms 7.4 and
//! 7.5) from a diagonal that the problem may give, with a line search for the weak Wolfe conditions.

use super::PolicyError;
use crate::core::context::Interrupt;
use std::collections::VecDeque;

/// What is minimised.
pub trait Problem {
    /// As errors call it.
    fn name(&self) -> &'static str;

    /// Its value and its gradient.
    fn at(&self, x: &[f64]) -> Result<(f64, Vec<f64>), PolicyError>;

    /// An approximate diagonal of the inverse Hessian. Where it is known, the tolerance is about the value: ½ gᵀDg is what a
    /// Newton step would gain.
    fn diagonal(&self, x: &[f64]) -> Option<Vec<f64>>;
}

/// When to stop.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Until {
    /// Of what another step would gain, ½ gᵀDg.
    pub tolerance: f64,
    pub max_steps: usize,
}

/// What was found.
#[derive(Debug, Clone, PartialEq)]
pub struct Minimum {
    pub x: Vec<f64>,
    pub value: f64,
    pub steps: usize,
    /// ½ gᵀDg there.
    pub gain: f64,
}

/// How many earlier steps the approximation of the Hessian has. Usual: 3 to 20.
const MEMORY: usize = 12;

/// Halvings or doublings of a step before the search is over.
const MAX_TRIES: usize = 60;

/// Minimises from `x` on.
pub fn minimise(
    problem: &dyn Problem,
    mut x: Vec<f64>,
    until: Until,
    interrupt: &Interrupt,
) -> Result<Minimum, PolicyError> {
    let (mut value, mut gradient) = problem.at(&x)?;
    let mut earlier: VecDeque<(Vec<f64>, Vec<f64>, f64)> = VecDeque::new();
    let mut steps = 0;
    loop {
        interrupt.check()?;
        let diagonal = problem.diagonal(&x);
        let scaled = scaled(&gradient, diagonal.as_deref());
        let gain = 0.5 * dot(&gradient, &scaled);
        if gain <= until.tolerance {
            return Ok(Minimum { x, value, steps, gain });
        }
        let not_converged =
            || PolicyError::NotConverged { what: problem.name(), steps, gradient: gain, tolerance: until.tolerance };
        if steps >= until.max_steps || !value.is_finite() {
            return Err(not_converged());
        }
        let mut direction = along(&gradient, &earlier, diagonal.as_deref());
        if dot(&direction, &gradient) >= 0.0 {
            earlier.clear();
            direction = scaled.iter().map(|slope| -slope).collect();
        }
        let Some((next, found, slopes)) = search(problem, &x, value, &gradient, &direction)? else {
            if earlier.is_empty() {
                return Err(not_converged());
            }
            // The approximation misled: begin again from the diagonal.
            earlier.clear();
            continue;
        };
        let step: Vec<f64> = next.iter().zip(&x).map(|(new, old)| new - old).collect();
        let change: Vec<f64> = slopes.iter().zip(&gradient).map(|(new, old)| new - old).collect();
        let curvature = dot(&step, &change);
        if curvature > 1e-14 * dot(&change, &change).sqrt() * dot(&step, &step).sqrt() {
            earlier.push_back((step, change, 1.0 / curvature));
            if earlier.len() > MEMORY {
                earlier.pop_front();
            }
        }
        (x, value, gradient) = (next, found, slopes);
        steps += 1;
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

fn scaled(gradient: &[f64], diagonal: Option<&[f64]>) -> Vec<f64> {
    match diagonal {
        Some(diagonal) => gradient.iter().zip(diagonal).map(|(slope, scale)| slope * scale).collect(),
        None => gradient.to_vec(),
    }
}

/// −H g by the two loops.
fn along(gradient: &[f64], earlier: &VecDeque<(Vec<f64>, Vec<f64>, f64)>, diagonal: Option<&[f64]>) -> Vec<f64> {
    let mut q = gradient.to_vec();
    let mut kept = Vec::with_capacity(earlier.len());
    for (step, change, rho) in earlier.iter().rev() {
        let a = rho * dot(step, &q);
        q.iter_mut().zip(change).for_each(|(q, y)| *q -= a * y);
        kept.push(a);
    }
    q = scaled(&q, diagonal);
    if let (None, Some((step, change, _))) = (diagonal, earlier.back()) {
        let scale = dot(step, change) / dot(change, change);
        q.iter_mut().for_each(|q| *q *= scale);
    }
    for ((step, change, rho), a) in earlier.iter().zip(kept.into_iter().rev()) {
        let b = rho * dot(change, &q);
        q.iter_mut().zip(step).for_each(|(q, s)| *q += (a - b) * s);
    }
    q.iter_mut().for_each(|q| *q = -*q);
    q
}

/// A point along the direction with enough descent and curvature, by bisection: the point, its value, its gradient.
type Point = (Vec<f64>, f64, Vec<f64>);

fn search(
    problem: &dyn Problem,
    x: &[f64],
    value: f64,
    gradient: &[f64],
    direction: &[f64],
) -> Result<Option<Point>, PolicyError> {
    let slope = dot(gradient, direction);
    let (mut low, mut high, mut length) = (0.0, f64::INFINITY, 1.0);
    let mut best: Option<Point> = None;
    for _ in 0..MAX_TRIES {
        let point: Vec<f64> = x.iter().zip(direction).map(|(x, d)| x + length * d).collect();
        let (found, slopes) = problem.at(&point)?;
        // Near the minimum a descent is below the rounding of the value: then the slope decides.
        let rounding = 1e-14 * value.abs().max(1.0);
        let descends = found.is_finite() && found <= value + 1e-4 * length * slope + rounding;
        let along = dot(&slopes, direction);
        if !descends {
            high = length;
        } else if along < 0.9 * slope {
            low = length;
            best = Some((point, found, slopes));
        } else {
            return Ok(Some((point, found, slopes)));
        }
        length = if high.is_finite() { 0.5 * (low + high) } else { 2.0 * length };
    }
    Ok(best)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rosenbrock's valley, whose minimum is 0 at (1, …, 1).
    struct Valley;

    impl Problem for Valley {
        fn name(&self) -> &'static str {
            "the valley"
        }

        fn at(&self, x: &[f64]) -> Result<(f64, Vec<f64>), PolicyError> {
            let (a, b) = (x[0], x[1]);
            let value = (1.0 - a).powi(2) + 100.0 * (b - a * a).powi(2);
            Ok((value, vec![-2.0 * (1.0 - a) - 400.0 * a * (b - a * a), 200.0 * (b - a * a)]))
        }

        fn diagonal(&self, _: &[f64]) -> Option<Vec<f64>> {
            None
        }
    }

    #[test]
    fn it_finds_the_end_of_a_curved_valley() {
        let until = Until { tolerance: 1e-20, max_steps: 200 };
        let found = minimise(&Valley, vec![-1.2, 1.0], until, &Interrupt::default()).expect("converges");
        assert!(found.x.iter().all(|x| (x - 1.0).abs() < 1e-8), "{found:?}");
        let short = Until { max_steps: 3, ..until };
        let error = minimise(&Valley, vec![-1.2, 1.0], short, &Interrupt::default()).expect_err("too short");
        assert!(error.to_string().contains("the valley did not converge: after 3 steps"), "{error}");
    }
}
