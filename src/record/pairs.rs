//! Operations of two runs that are not equal, matched stage by stage.

use std::collections::{HashMap, VecDeque};

/// For each old operation, by name and description, the new one that stands in its place: the next of the same name and
/// description, or else of the same name, that nothing else was matched with.
pub fn pair(old: &[(&str, &str)], new: &[(&str, &str)]) -> Vec<Option<usize>> {
    let mut alike: HashMap<(&str, &str), VecDeque<usize>> = HashMap::new();
    let mut named: HashMap<&str, VecDeque<usize>> = HashMap::new();
    for (idx, (name, what)) in new.iter().enumerate() {
        alike.entry((*name, *what)).or_default().push_back(idx);
        named.entry(*name).or_default().push_back(idx);
    }
    let mut taken = vec![false; new.len()];
    let mut pairs: Vec<Option<usize>> =
        old.iter().map(|key| alike.get_mut(key).and_then(VecDeque::pop_front)).collect();
    for idx in pairs.iter().flatten() {
        if let Some(taken) = taken.get_mut(*idx) {
            *taken = true;
        }
    }
    for ((name, _), place) in old.iter().zip(&mut pairs).filter(|(_, place)| place.is_none()) {
        let Some(rest) = named.get_mut(name) else { continue };
        *place = std::iter::from_fn(|| rest.pop_front()).find(|idx| taken.get(*idx) == Some(&false));
    }
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_descriptions_come_first_then_the_order() {
        let old = [("finetune", "a"), ("finetune", "b"), ("predict", "a"), ("finetune", "c")];
        let new = [("finetune", "b"), ("finetune", "x"), ("label", "a"), ("finetune", "b")];
        assert_eq!(pair(&old, &new), [Some(1), Some(0), None, Some(3)]);
        assert_eq!(pair(&old, &[]), [None; 4]);
    }
}
