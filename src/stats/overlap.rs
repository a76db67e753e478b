//! Overlap detection (Shin et al. 2024, arXiv 2412.03881): which rows hold what the weak model knows, what only the strong one
//! can use, or both.

use super::MetricError;
use super::logistic::dot;
use super::neighbours::cosine;
use crate::core::context::Interrupt;

/// What a row holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pattern {
    /// The weak model is unsure: what decides the row is out of its reach.
    HardOnly,
    /// The weak model is sure, and the strong model sees what hard rows have.
    Overlapping,
    /// The weak model is sure, and the strong model sees nothing of hard rows.
    EasyOnly,
}

impl Pattern {
    /// As the column has it.
    pub fn name(self) -> &'static str {
        match self {
            Pattern::HardOnly => "hard-only",
            Pattern::Overlapping => "overlapping",
            Pattern::EasyOnly => "easy-only",
        }
    }
}

/// How alike two rows are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Similarity {
    Cosine,
    /// The cosine's size, without its sign.
    AbsoluteCosine,
    /// The inner product.
    Inner,
}

/// Where rising values are cut in two so that the squares around the two means are least: the number of values below the cut. Equal
/// values stay together; of equally good cuts the first. None where all values are equal.
pub fn change_point(rising: &[f64]) -> Option<usize> {
    let n = rising.len();
    let centre = super::mean(rising);
    let total: f64 = rising.iter().map(|value| value - centre).sum();
    let mut best: Option<(usize, f64)> = None;
    let mut left = 0.0;
    for (at, pair) in rising.windows(2).enumerate() {
        let [below, above] = pair else { continue };
        left += below - centre;
        if below == above {
            continue;
        }
        let (n_left, right) = ((at + 1) as f64, total - left);
        // Σ x² is the same for every cut: what is least is where this is largest.
        let gain = left * left / n_left + right * right / (n as f64 - n_left);
        if best.is_none_or(|(_, most)| gain > most) {
            best = Some((at + 1, gain));
        }
    }
    best.map(|(cut, _)| cut)
}

/// Each row's score (the largest similarity to a hard-only row; none of hard-only rows themselves) and pattern. `confidence` is
/// 2·|p − ½| of the weak label; `x` are the strong model's features, `width` a row.
pub fn patterns(
    confidence: &[f64],
    x: &[f64],
    width: usize,
    similarity: Similarity,
    interrupt: &Interrupt,
) -> Result<Vec<(Option<f64>, Pattern)>, MetricError> {
    let rows: Vec<&[f64]> = x.chunks_exact(width.max(1)).collect();
    let is_hard = |value: f64, edge: f64| value < edge;
    let edge = cut(confidence.iter().copied()).ok_or_else(|| {
        MetricError::Undefined("overlap is undefined: the weak labels are equally sure of every row".to_owned())
    })?;
    let hard: Vec<(&[f64], f64)> = rows
        .iter()
        .zip(confidence)
        .filter(|(_, c)| is_hard(**c, edge))
        .map(|(row, _)| (*row, dot(row, row).sqrt()))
        .collect();
    let mut scores = Vec::with_capacity(rows.len());
    for (row, c) in rows.iter().zip(confidence) {
        interrupt.check()?;
        let norm = dot(row, row).sqrt();
        let alike = |(other, other_norm): &(&[f64], f64)| {
            let product = dot(row, other);
            match similarity {
                Similarity::Inner => product,
                Similarity::Cosine => cosine(product, norm * other_norm),
                Similarity::AbsoluteCosine => cosine(product, norm * other_norm).abs(),
            }
        };
        let score = hard.iter().map(alike).fold(f64::NEG_INFINITY, f64::max);
        scores.push((!is_hard(*c, edge)).then_some(score));
    }
    let edge = cut(scores.iter().filter_map(|score| *score)).ok_or_else(|| {
        MetricError::Undefined(
            "overlap is undefined: all rows that the weak model is sure of are equally like the hard ones".to_owned(),
        )
    })?;
    let pattern = |score: Option<f64>| match score {
        None => Pattern::HardOnly,
        Some(score) if score >= edge => Pattern::Overlapping,
        Some(_) => Pattern::EasyOnly,
    };
    Ok(scores.into_iter().map(|score| (score, pattern(score))).collect())
}

/// The least value above the cut.
fn cut(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut rising: Vec<f64> = values.collect();
    rising.sort_by(f64::total_cmp);
    change_point(&rising).and_then(|at| rising.get(at).copied())
}

#[cfg(test)]
mod tests {
    use super::super::reference::{methods, numbers};
    use super::*;

    /// By ruptures' `Binseg(model="l2", min_size=1, jump=1)` with one break: `tests/reference/methods.py`.
    #[test]
    fn cuts_agree_with_ruptures() {
        for case in methods("change_point") {
            let found = change_point(&numbers(&case, "values"));
            assert_eq!(found, case["cut"].as_u64().map(|at| at as usize), "{case}");
        }
        assert_eq!((change_point(&[]), change_point(&[1.0]), change_point(&[2.0, 2.0])), (None, None, None));
    }

    /// Hard rows lie along one axis, easy ones along another, overlapping ones between.
    #[test]
    fn patterns_are_found_where_they_were_put() {
        let of = |x: f64, y: f64, n: usize| std::iter::repeat_n([x, y], n).flatten();
        let x: Vec<f64> = of(1.0, 0.0, 4).chain(of(1.0, 1.0, 3)).chain(of(0.0, 1.0, 5)).collect();
        let confidence: Vec<f64> =
            (0..12).map(|row| if row < 4 { 0.05 } else { 0.9 + f64::from(row) * 1e-3 }).collect();
        let found = patterns(&confidence, &x, 2, Similarity::Cosine, &Interrupt::default()).expect("three kinds");
        let n = |wanted: Pattern| found.iter().filter(|(_, pattern)| *pattern == wanted).count();
        assert_eq!((n(Pattern::HardOnly), n(Pattern::Overlapping), n(Pattern::EasyOnly)), (4, 3, 5));
        assert!(found.iter().take(4).all(|(score, _)| score.is_none()));
        let flat = patterns(&[0.5; 12], &x, 2, Similarity::Inner, &Interrupt::default()).expect_err("equally sure");
        assert!(flat.to_string().contains("equally sure"));
    }
}
