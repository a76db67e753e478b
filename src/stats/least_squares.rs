//! Linear regression by least squares, with intercept: the projection of targets onto the linear functions of features.

use super::MetricError;
use super::logistic::dot;

/// Coefficients and then the intercept that minimise Σ weight · (prediction − target)² + penalty · ‖coefficients‖². `x` is row-major, `width` numbers a row.
pub fn fit(x: &[f64], width: usize, target: &[f64], weights: &[f64], penalty: f64) -> Result<Vec<f64>, MetricError> {
    let size = width + 1;
    let mut matrix = vec![0.0; size * size];
    let mut right = vec![0.0; size];
    for ((row, target), weight) in x.chunks_exact(width.max(1)).zip(target).zip(weights) {
        let with_one: Vec<f64> = row.iter().copied().chain(std::iter::once(1.0)).collect();
        for ((a, line), sum) in with_one.iter().zip(matrix.chunks_exact_mut(size)).zip(right.iter_mut()) {
            line.iter_mut().zip(&with_one).for_each(|(cell, b)| *cell += weight * a * b);
            *sum += weight * a * target;
        }
    }
    for at in 0..width {
        if let Some(cell) = matrix.get_mut(at * size + at) {
            *cell += penalty;
        }
    }
    solved(&matrix, &right).ok_or_else(|| {
        MetricError::Undefined(
            "least squares has no single solution: features depend on each other, or there are fewer rows than features; \
             a `penalty` above 0 makes one"
                .to_owned(),
        )
    })
}

/// The prediction of each row.
pub fn predicted(x: &[f64], width: usize, coefficients: &[f64]) -> Vec<f64> {
    let intercept = coefficients.last().copied().unwrap_or(0.0);
    x.chunks_exact(width.max(1)).map(|row| dot(row, coefficients) + intercept).collect()
}

/// The solution of a symmetric positive definite system, by Cholesky; none where a pivot is rounding.
fn solved(matrix: &[f64], right: &[f64]) -> Option<Vec<f64>> {
    let n = right.len();
    let mut lower: Vec<Vec<f64>> = Vec::with_capacity(n);
    for (row, line) in matrix.chunks_exact(n).enumerate() {
        let mut own: Vec<f64> = Vec::with_capacity(row + 1);
        for column in 0..=row {
            let value = *line.get(column)?;
            if column < row {
                let other = lower.get(column)?;
                let rest = value - dot(&own, other);
                own.push(rest / other.last()?);
            } else {
                let pivot = value - dot(&own, &own);
                // Arbitrary: a pivot that lost twelve of sixteen digits is noise.
                if pivot <= 1e-12 * value || !pivot.is_finite() {
                    return None;
                }
                own.push(pivot.sqrt());
            }
        }
        lower.push(own);
    }
    let mut half: Vec<f64> = Vec::with_capacity(n);
    for (own, value) in lower.iter().zip(right) {
        half.push((value - dot(own, &half)) / own.last()?);
    }
    let mut found = vec![0.0; n];
    for row in (0..n).rev() {
        let below: f64 = (row + 1..n).filter_map(|other| Some(lower.get(other)?.get(row)? * found.get(other)?)).sum();
        let value = (half.get(row)? - below) / lower.get(row)?.last()?;
        *found.get_mut(row)? = value;
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::super::reference::{methods, numbers};
    use super::*;

    /// By `numpy.linalg.lstsq` and scikit-learn's `Ridge`: `tests/reference/methods.py`.
    #[test]
    fn it_agrees_with_numpy_and_scikit_learn() {
        for case in methods("least_squares") {
            let width = case["width"].as_u64().expect("a count") as usize;
            let (x, y, weights) = (numbers(&case, "x"), numbers(&case, "y"), numbers(&case, "weights"));
            let found = fit(&x, width, &y, &weights, case["penalty"].as_f64().expect("a number")).expect("a solution");
            for (found, expected) in found.iter().zip(numbers(&case, "coefficients")) {
                assert!((found - expected).abs() < 1e-8 * expected.abs().max(1.0), "{found} instead of {expected}");
            }
        }
    }

    #[test]
    fn what_has_many_solutions_is_refused() {
        let twice = [1.0, 2.0, 2.0, 4.0, 3.0, 6.0, 5.0, 10.0];
        assert!(fit(&twice, 2, &[1.0, 0.0, 1.0, 0.0], &[1.0; 4], 0.0).is_err());
        assert!(fit(&twice, 2, &[1.0, 0.0, 1.0, 0.0], &[1.0; 4], 0.1).is_ok());
        assert!(fit(&[1.0, 5.0], 2, &[1.0], &[1.0], 0.0).is_err(), "one row");
    }
}
