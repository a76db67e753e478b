//! What ordered concepts must keep: which nouns a document and a row show, and that the options say how often.

use super::*;
use crate::domains::world::Word;
use std::collections::{BTreeMap, BTreeSet};

fn world(options: WorldOptions) -> World {
    World::new(WorldOptions { n_nouns: 800, ..options }).expect("a world")
}

fn nouns(world: &World) -> BTreeMap<String, Word> {
    world.lexicon().nouns.iter().map(|word| (word.text.clone(), word.clone())).collect()
}

/// Subject and value of every noun of a text.
fn read(nouns: &BTreeMap<String, Word>, text: &str) -> Vec<(usize, usize)> {
    let words = text.split(' ').filter_map(|word| nouns.get(word));
    words.map(|word| (word.subject.expect("nouns have one"), word.value)).collect()
}

#[test]
fn documents_show_two_concepts_of_their_depth_each_with_one_value() {
    for (one_concept, depth) in [(false, 3), (true, 7)] {
        let world = world(WorldOptions { depth: Some(depth), one_concept, ..WorldOptions::default() });
        let nouns = nouns(&world);
        let (mut n_alike, mut n_two, mut n_stray, mut n_said) = (0, 0, 0, 0);
        let mut seen = BTreeSet::new();
        for text in world.texts(0, 2000) {
            // By concept how often each value is said: a noun of another value or concept comes by odds of e^-6.
            let mut said: BTreeMap<usize, [usize; 2]> = BTreeMap::new();
            for (concept, value) in read(&nouns, &text) {
                said.entry(concept).or_default()[value] += 1;
            }
            let mut by_count: Vec<_> = said.into_iter().collect();
            by_count.sort_by_key(|(_, counts)| std::cmp::Reverse(counts.iter().sum::<usize>()));
            n_stray += by_count.iter().skip(2).map(|(_, counts)| counts.iter().sum::<usize>()).sum::<usize>();
            n_stray += by_count.iter().take(2).map(|(_, counts)| counts[0].min(counts[1])).sum::<usize>();
            n_said += by_count.iter().map(|(_, counts)| counts.iter().sum::<usize>()).sum::<usize>();
            if let [(one, a), (two, b), ..] = by_count.as_slice()
                && a[0] + a[1] > 1
                && b[0] + b[1] > 1
            {
                seen.extend([*one, *two]);
                n_two += 1;
                n_alike += usize::from((a[1] > a[0]) == (b[1] > b[0]));
            }
        }
        assert_eq!(seen, (0..=depth).collect(), "the concepts of the depth, and no other");
        // Of 8 x 2 cells one is right, the other value is e^-6, 7 other concepts e^-6 and e^-12: .022.
        assert!((n_stray as f64) < 0.035 * n_said as f64, "{n_stray} of {n_said}");
        let share = n_alike as f64 / n_two as f64;
        if one_concept {
            assert!(share > 0.97, "{share}");
        } else {
            assert!((share - 0.5).abs() < 0.05, "{share}");
        }
    }
}

#[test]
fn rows_hold_neighbours_of_one_value_and_the_habit() {
    let world = world(WorldOptions::default());
    let nouns = nouns(&world);
    let options =
        ConceptOptions { seed: 3, n_train: 2400, n_test: 1200, share: 0.5, n_own: 1, n_next: 1, habit: Some(0.8) };
    let made = concepts(&world, &options).expect("rows");
    let (mut n_right, mut n_habit, mut n) = (0, 0, 0);
    let mut levels: BTreeMap<usize, [usize; 2]> = BTreeMap::new();
    for row in &made.rows {
        let level = (row.difficulty * 6.0).round() as usize;
        levels.entry(level).or_default()[usize::from(row.truth)] += 1;
        let said = read(&nouns, &row.text);
        assert_eq!((said.len(), row.text.split(' ').count()), (3, 4), "{}", row.text);
        let truth = usize::from(row.truth);
        let value = |concept: usize| said.iter().find(|(of, _)| *of == concept).map(|(_, value)| *value);
        // Strays make some three in a hundred rows unreadable.
        if let (Some(one), Some(two), Some(habit)) = (value(level), value(level + 1), value(0)) {
            n += 1;
            n_right += usize::from(one == truth && two == truth);
            n_habit += usize::from(habit == truth);
        }
    }
    assert!(levels.values().all(|[new, old]| new == old), "{levels:?}");
    for (level, [new, _]) in levels {
        // Of 1800 pairs of rows: 1, 1/2, … 1/32 over their sum, 63/32.
        let expected = 1800.0 * 0.5_f64.powi(level as i32 - 1) / (63.0 / 32.0);
        assert!((new as f64 - expected).abs() < 4.0 * expected.sqrt(), "level {level}: {new} of {expected}");
    }
    assert!(n > 3300 && n_right as f64 > 0.98 * n as f64, "{n_right} of {n}");
    assert!((n_habit as f64 / n as f64 - 0.8).abs() < 0.03, "{n_habit} of {n}");
    let texts = |is_test: bool| -> BTreeSet<&str> {
        made.rows.iter().filter(|row| row.is_test == is_test).map(|row| row.text.as_str()).collect()
    };
    assert!(texts(false).is_disjoint(&texts(true)));
    assert!(made.rows.iter().all(|row| row.group == row.text));
}

#[test]
fn fewer_rows_are_a_prefix_and_the_depth_of_the_corpus_changes_none() {
    let world = world(WorldOptions::default());
    let drawn = |world: &World, seed, n_train| {
        concepts(world, &ConceptOptions { seed, n_train, n_test: 10, share: 0.7, n_own: 1, n_next: 2, habit: None })
            .expect("rows")
    };
    let (few, many, other) = (drawn(&world, 0, 40), drawn(&world, 0, 90), drawn(&world, 1, 40));
    assert_eq!((few.rows.get(..40), few.rows.get(40..)), (many.rows.get(..40), many.rows.get(90..)));
    assert!(few.digest != many.digest && few.digest != other.digest && few.rows != other.rows);
    let deep = World::new(WorldOptions { depth: Some(5), ..world.options().clone() }).expect("a world");
    assert_eq!(drawn(&deep, 0, 40).rows, few.rows);
    assert_eq!(deep.vocabulary().json(), world.vocabulary().json());
    assert_ne!(deep.digest(), world.digest());
}
