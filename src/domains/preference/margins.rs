//! By how much the preferred continuation is scored above the others.

use crate::core::digest::Digest;
use crate::frames::{Frame, FrameError};
use polars::prelude::{Column, DataFrame};
use std::collections::HashMap;

/// The margin of every row: the score of the preferred continuation minus the highest of the others.
///
/// `scores` has `id`, `continuation` and `score`, a line for each continuation, as [`crate::train::score`] gives them; `truth`
/// has `id` and `label`. Of two continuations the margin is the argument of the logistic function in the probability that
/// the preferred one wins (Bradley and Terry 1952), so it is positive exactly where the pair is ranked right.
pub fn margins(scores: &Frame, truth: &Frame) -> Result<Frame, FrameError> {
    let labels = truth.classes("label")?;
    let (ids, values) = (scores.strings("id")?, scores.floats("score")?);
    let places = scores.floats("continuation")?;
    let mut by_id: HashMap<&str, Vec<(f64, f64)>> = HashMap::new();
    for ((id, place), value) in ids.iter().zip(places).zip(values) {
        by_id.entry(id).or_default().push((place, value));
    }
    let mut margins = Vec::with_capacity(labels.ids.len());
    for (id, label) in labels.ids.iter().zip(&labels.values) {
        let unknown = || FrameError::UnknownId { id: id.clone(), n_missing: 1, n_rows: by_id.len() };
        let rows = by_id.get(id.as_str()).ok_or_else(unknown)?;
        let own = |place: &f64| *place == *label as f64;
        let class = || FrameError::Class { class: *label as i64, n_classes: rows.len() };
        let preferred = rows.iter().find(|(place, _)| own(place)).ok_or_else(class)?.1;
        let others = rows.iter().filter(|(place, _)| !own(place)).map(|(_, value)| *value);
        margins.push(preferred - others.fold(f64::NEG_INFINITY, f64::max));
    }
    let columns = vec![Column::new("id".into(), &labels.ids), Column::new("margin".into(), margins)];
    let digest = Digest::of("preference/margins", 1).digest("scores", scores.digest()).digest("truth", truth.digest());
    Ok(Frame::derived(DataFrame::new(labels.ids.len(), columns)?, digest.finish()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use polars::df;

    fn frame(table: polars::prelude::PolarsResult<DataFrame>) -> Frame {
        Frame::tidy(table.expect("columns of one length")).expect("a tidy table")
    }

    #[test]
    fn a_margin_is_the_lead_over_the_best_of_the_others() {
        let scores = frame(df!(
            "id" => ["a", "a", "b", "b", "b"],
            "continuation" => [0i64, 1, 0, 1, 2],
            "score" => [1.0, 3.5, 2.0, -1.0, 4.0],
        ));
        let truth = Frame::hard_labels(["b", "a"], &[0, 1], 3).expect("labels");
        let found = margins(&scores, &truth).expect("margins");
        assert_eq!(found.strings("id").expect("ids"), ["b", "a"]);
        assert_eq!(found.floats("margin").expect("numbers"), [-2.0, 2.5]);
    }

    #[test]
    fn rows_without_scores_are_named() {
        let scores = frame(df!("id" => ["a", "a"], "continuation" => [0i64, 1], "score" => [1.0, 2.0]));
        let other = Frame::hard_labels(["z"], &[0], 2).expect("labels");
        assert!(margins(&scores, &other).err().expect("unknown").to_string().contains("`z`"));
        let beyond = Frame::hard_labels(["a"], &[2], 3).expect("labels");
        assert!(margins(&scores, &beyond).is_err());
    }
}
