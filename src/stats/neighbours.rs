//! The nearest rows among some, exactly: every distance is computed.

use super::MetricError;
use super::logistic::dot;
use crate::core::context::Interrupt;

/// How far two rows of features are apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Distance {
    Euclidean,
    /// 1 − cosine of the angle; of a row of zeros 1.
    Cosine,
}

/// For each row of `at` the places in `x` of its `k` nearest rows, nearest first; of equal distances the earlier row. A place that
/// `left_out` names for a row does not count: the row itself, where it is among `x`. Rows have `width` numbers.
pub fn nearest(
    (x, at): (&[f64], &[f64]),
    width: usize,
    k: usize,
    distance: Distance,
    left_out: &[Option<usize>],
    interrupt: &Interrupt,
) -> Result<Vec<Vec<usize>>, MetricError> {
    let rows: Vec<&[f64]> = x.chunks_exact(width.max(1)).collect();
    let norms: Vec<f64> = rows.iter().map(|row| dot(row, row).sqrt()).collect();
    let mut found = Vec::new();
    for (query, own) in at.chunks_exact(width.max(1)).zip(left_out) {
        interrupt.check()?;
        let norm = dot(query, query).sqrt();
        let mut all: Vec<(f64, usize)> = rows
            .iter()
            .zip(&norms)
            .enumerate()
            .filter(|(place, _)| Some(*place) != *own)
            .map(|(place, (row, other))| match distance {
                Distance::Euclidean => (row.iter().zip(query).map(|(a, b)| (a - b) * (a - b)).sum::<f64>(), place),
                Distance::Cosine => (1.0 - cosine(dot(row, query), norm * other), place),
            })
            .collect();
        if all.len() > k {
            all.select_nth_unstable_by(k, |a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
            all.truncate(k);
        }
        all.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        found.push(all.into_iter().map(|(_, place)| place).collect());
    }
    Ok(found)
}

/// The cosine; 0 where a row is all zeros.
pub(super) fn cosine(product: f64, norms: f64) -> f64 {
    if norms > 0.0 { product / norms } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::super::reference::{methods, numbers};
    use super::*;

    /// By scikit-learn's `KNeighborsClassifier` (brute force): `tests/reference/methods.py`.
    #[test]
    fn they_agree_with_scikit_learn() {
        for case in methods("knn") {
            let count = |name: &str| case[name].as_u64().expect("a count") as usize;
            let (x, at, width, k) = (numbers(&case, "x"), numbers(&case, "at"), count("width"), count("k"));
            let distance = if case["metric"] == "cosine" { Distance::Cosine } else { Distance::Euclidean };
            let left_out = vec![None; at.len() / width];
            let found = nearest((&x, &at), width, k, distance, &left_out, &Interrupt::default()).expect("rows");
            let labels = numbers(&case, "labels");
            let p: Vec<f64> =
                found.iter().map(|near| near.iter().map(|place| labels[*place]).sum::<f64>() / k as f64).collect();
            for (found, expected) in p.iter().zip(numbers(&case, "p")) {
                assert!((found - expected).abs() < 1e-12, "{found} instead of {expected}");
            }
        }
    }

    #[test]
    fn ties_go_to_the_earlier_row_and_a_row_is_not_its_own_neighbour() {
        let x = [0.0, 1.0, 1.0, 2.0];
        let near = |k, own| nearest((&x, &[1.0]), 1, k, Distance::Euclidean, &[own], &Interrupt::default());
        assert_eq!(near(2, None).expect("rows"), [[1, 2]]);
        assert_eq!(near(3, Some(1)).expect("rows"), [[2, 0, 3]]);
        assert_eq!(near(9, None).expect("rows"), [[1, 2, 0, 3]]);
    }
}
