//! Pairs of the generated world as data: here their truth is sealed.

use super::columns::{SEPARATOR, joined};
use crate::data::{Data, DataError, Row, Source, Split, Target};
use crate::domains::world::PairRows;
use std::sync::Arc;

/// The pairs as a data set, train rows first, truth sealed.
pub fn of_world(pairs: PairRows) -> Result<Data, DataError> {
    let (mut rows, mut truth) = (Vec::with_capacity(pairs.rows.len()), Vec::with_capacity(2 * pairs.rows.len()));
    for row in pairs.rows {
        truth.extend((0..row.continuations.len()).map(|idx| f32::from(u8::from(idx == row.preferred))));
        rows.push(Row {
            id: row.id.into(),
            group: row.group.into(),
            input: joined(row.prompt, row.continuations.to_vec(), SEPARATOR),
            split: if row.is_test { Split::Test } else { Split::Train },
            difficulty: row.difficulty,
        });
    }
    Ok(Data::new(Arc::new(Source::with_target(pairs.name, rows, Target::Preference { truth: Some(truth) })?)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{InputKind, TargetKind};
    use crate::domains::world::{PairOptions, World, WorldOptions, pairs};
    use std::collections::BTreeSet;

    #[test]
    fn generated_pairs_are_a_balanced_data_set_of_preferences() {
        let world = World::new(WorldOptions::default()).expect("a world");
        let options = PairOptions { n_train: 400, n_test: 100, ..PairOptions::default() };
        let data = of_world(pairs(&world, &options).expect("rows")).expect("valid");
        assert_eq!(
            (data.name(), data.input(), data.target()),
            ("world/preference", InputKind::Prompt, TargetKind::Preference)
        );
        assert_eq!((data.train().class_counts(), data.test().class_counts()), (Some(vec![200; 2]), Some(vec![50; 2])));
        assert_eq!(data.classes(), ["first", "second"]);
        let groups = |data: &Data| data.rows().map(|row| row.group.clone()).collect::<BTreeSet<_>>();
        assert!(groups(&data.train()).is_disjoint(&groups(&data.test())));
        let [one, two] = data.train().halves(0).expect("halves");
        assert!(groups(&one).is_disjoint(&groups(&two)));
    }
}
