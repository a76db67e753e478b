//! From a task of the generated world to a data set: here its truth is sealed.

use super::TaskRows;
use crate::data::{Data, DataError, Input, Row, Source, Split};
use std::sync::Arc;

impl Data {
    /// The rows of a generated task, train rows first, truth sealed.
    pub fn of_task(task: TaskRows) -> Result<Data, DataError> {
        let truth = task.rows.iter().map(|row| row.truth).collect();
        let rows = task.rows.into_iter().map(|row| Row {
            id: row.id.into(),
            input: Input::Text(row.text.into()),
            group: row.group.into(),
            split: if row.is_test { Split::Test } else { Split::Train },
            difficulty: row.difficulty,
        });
        Ok(Data::new(Arc::new(Source::new(task.name, rows.collect(), task.classes, Some(truth))?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domains::world::{TaskOptions, World, WorldOptions, task};

    #[test]
    fn a_generated_task_is_a_data_set_with_balanced_halves() {
        let world = World::new(WorldOptions::default()).expect("a world");
        let options = TaskOptions { n_train: 400, n_test: 100, ..TaskOptions::default() };
        let data = Data::of_task(task(&world, "subject", &options).expect("rows")).expect("valid");
        assert_eq!((data.train().len(), data.test().len()), (400, 100));
        let [first, second] = data.train().halves(0).expect("halves");
        let (a, b) = (first.class_counts().expect("known"), second.class_counts().expect("known"));
        assert!(a.iter().zip(&b).all(|(a, b)| a.abs_diff(*b) <= 2), "{a:?} {b:?}");
        let groups: std::collections::BTreeSet<&str> = first.rows().map(|row| &*row.group).collect();
        assert!(second.rows().all(|row| !groups.contains(&*row.group)));
    }
}
