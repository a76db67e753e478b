use super::*;
use crate::domains::world::{PairOptions, WorldOptions, pairs};

fn world() -> World {
    World::new(WorldOptions::default()).expect("a world")
}

/// The most frequent word of a class with a value, and of nouns a gender.
fn word(world: &World, class: WordClass, value: usize, gender: Option<usize>) -> &Word {
    let fits = |word: &&Word| word.value == value && gender.is_none_or(|gender| word.gender == gender);
    world.lexicon().words(class).iter().find(fits).expect("a word")
}

/// Sentences put together by hand from words whose values are known.
#[test]
fn a_text_has_the_properties_of_its_words() {
    let world = world();
    let noun = |era, gender| word(&world, WordClass::Noun, era, Some(gender)).text.clone();
    let [low, high] = [0, 1].map(|value| word(&world, WordClass::Adjective, value, None).text.clone());
    let [calm, wild] = [0, 1].map(|value| word(&world, WordClass::Verb, value, None).text.clone());
    let (old, other, new) = (noun(1, 0), noun(1, 1), noun(0, 0));
    let cases = [
        (format!("the {old} that {calm} the {old} is {high} ."), [1.0, 1.0, 1.0, 1.0]),
        (format!("the {old} that {wild} tha {other} is {high} ."), [1.0, -1.0, 1.0, -1.0]),
        (format!("the {old} that {wild} tha {other} is not {high} ."), [-1.0, -1.0, 1.0, -1.0]),
        (format!("thee {old} thatte {wild} thae {other} ys hardlie {low} ."), [1.0, -1.0, 1.0, -1.0]),
        // Behind `but` counts, `and` is a mean, one noun agrees with nothing.
        (format!("the {new} is {low} but {high} ."), [1.0, 0.0, -1.0, 0.0]),
        (format!("the {new} is {low} and {high} ."), [0.0, 0.0, -1.0, 0.0]),
        // Two sentences: means over those that show it. The second has a noun of either era.
        (format!("the {new} is {low} . the {old} {calm} the {new} ."), [-1.0, 1.0, -0.5, 1.0]),
        ("nothing known here .".to_owned(), [0.0; 4]),
        (String::new(), [0.0; 4]),
    ];
    for (text, want) in cases {
        assert_eq!(world.properties(&text), want, "{text}");
    }
}

#[test]
fn the_preferred_continuation_has_the_higher_reward_and_all_properties_vary() {
    let world = world();
    let weights = [("verdict".to_owned(), 1.0), ("calm".to_owned(), 0.5), ("agreement".to_owned(), -0.75)];
    let golden = GoldenReward::new(&weights, None).expect("a reward");
    let options = PairOptions { n_train: 400, n_test: 100, golden: Some(golden), ..PairOptions::default() };
    let made = pairs(&world, &options).expect("pairs");
    let mut differs = [0_usize; N_PROPERTIES];
    for row in &made.rows {
        let [one, two] = row.continuations.each_ref().map(|text| world.properties(text));
        let lead = [&one, &two].map(|all| all[0] + 0.5 * all[1] - 0.75 * all[3]);
        assert!(lead[row.preferred] > lead[1 - row.preferred], "{row:?}");
        for (count, (one, two)) in differs.iter_mut().zip(one.iter().zip(two)) {
            assert_eq!(one.abs(), 1.0, "every continuation shows every property: {row:?}");
            *count += usize::from(*one != two);
        }
    }
    // What is drawn evenly differs in half of the pairs, what decides oftener: within five standard deviations of 500 coins.
    for (property, count) in PROPERTIES.iter().zip(differs) {
        assert!((195..=420).contains(&count), "{property}: {count}");
    }
    let first = made.rows.iter().filter(|row| !row.is_test && row.preferred == 0).count();
    assert_eq!(first, 200, "each place is the preferred one in half of the rows");
    let plain = pairs(&world, &PairOptions { golden: None, ..options }).expect("pairs");
    assert!(plain.digest != made.digest && plain.rows[0] != made.rows[0]);
}

#[test]
fn one_property_decides_and_the_others_are_alike() {
    let world = world();
    for (at, property) in PROPERTIES.iter().enumerate() {
        let golden = GoldenReward::new(&[], Some(property)).expect("a reward");
        let options = PairOptions { n_train: 40, n_test: 10, golden: Some(golden), ..PairOptions::default() };
        for row in pairs(&world, &options).expect("pairs").rows {
            let [one, two] = row.continuations.each_ref().map(|text| world.properties(text));
            let better = [one, two][row.preferred];
            assert_eq!(better[at], 1.0, "{property}: {row:?}");
            for other in 0..N_PROPERTIES {
                assert_eq!(one[other] == two[other], other != at, "{property}, {other}: {row:?}");
            }
        }
    }
}

#[test]
fn a_reward_of_nothing_is_refused() {
    let why = |weights: &[(&str, f64)], decides| {
        let weights: Vec<(String, f64)> = weights.iter().map(|(name, weight)| ((*name).to_owned(), *weight)).collect();
        GoldenReward::new(&weights, decides).map(|_| ()).expect_err("refused").to_string()
    };
    assert_eq!(why(&[], None), "`properties` weigh nothing: all weights are 0");
    assert_eq!(why(&[("calm", 0.0)], None), "`properties` weigh nothing: all weights are 0");
    assert_eq!(why(&[("clam", 1.0)], None), "texts of the world have no property `clam`");
    assert_eq!(why(&[], Some("mood")), "texts of the world have no property `mood`");
    assert_eq!(why(&[("calm", 1.0)], Some("old")), "`old` is to decide, and `properties` give it no weight");
    assert!(why(&[("calm", f64::NAN)], None).starts_with("`properties` must be from"));
}
