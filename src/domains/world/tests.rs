//! What a world must keep: balance, groups, determinism, and truth that its words decide. Of version 1, where `natural` does not
//! say the same of version 2.

use super::lexicon::{Particle, QUESTIONS};
use super::*;
use std::collections::{BTreeMap, BTreeSet};

fn first() -> WorldOptions {
    WorldOptions::of(1).expect("a version")
}

fn world() -> World {
    World::new(first()).expect("the first world")
}

fn rows(name: &str, options: &TaskOptions) -> TaskRows {
    task(&world(), name, options).expect("a task")
}

#[test]
fn the_classes_of_each_split_are_balanced() {
    for about in tasks() {
        let options = TaskOptions { n_train: 301, n_test: 100, ..TaskOptions::default() };
        let rows = rows(about.name, &options).rows;
        for is_test in [false, true] {
            let split: Vec<_> = rows.iter().filter(|row| row.is_test == is_test).collect();
            let ones = split.iter().filter(|row| row.truth == 1).count();
            assert!(ones.abs_diff(split.len() - ones) <= 1, "{}: {ones} of {}", about.name, split.len());
        }
    }
}

#[test]
fn groups_never_cross_the_split_and_ids_are_unique() {
    for about in tasks() {
        let rows = rows(about.name, &TaskOptions::default()).rows;
        let groups = |is_test: bool| -> BTreeSet<String> {
            rows.iter().filter(|row| row.is_test == is_test).map(|row| row.group.clone()).collect()
        };
        let (train, test) = (groups(false), groups(true));
        assert!(train.is_disjoint(&test), "{}", about.name);
        assert!(train.len() > 60 && test.len() > 60, "{}: {} and {} groups", about.name, train.len(), test.len());
        let ids: BTreeSet<&str> = rows.iter().map(|row| row.id.as_str()).collect();
        assert_eq!(ids.len(), rows.len());
        assert!(rows.iter().all(|row| (0.0..=1.0).contains(&row.difficulty)), "{}", about.name);
    }
}

#[test]
fn no_word_that_decides_a_test_row_decides_a_train_row() {
    for about in tasks() {
        let world = world();
        let rows = rows(about.name, &TaskOptions::default()).rows;
        let decisive: BTreeSet<&str> =
            world.lexicon().words(about.decided_by).iter().map(|word| word.text.as_str()).collect();
        let seen = |is_test: bool| -> BTreeSet<&str> {
            let texts = rows.iter().filter(|row| row.is_test == is_test).map(|row| row.text.as_str());
            texts.flat_map(|text| text.split(' ')).filter(|word| decisive.contains(word)).collect()
        };
        assert!(seen(false).is_disjoint(&seen(true)), "{}", about.name);
    }
}

#[test]
fn the_same_seed_gives_the_same_rows_and_fewer_rows_are_a_prefix() {
    let few = rows("verdict", &TaskOptions { n_train: 40, n_test: 10, ..TaskOptions::default() });
    let many = rows("verdict", &TaskOptions { n_train: 90, n_test: 10, ..TaskOptions::default() });
    assert_eq!(few.rows.get(..40), many.rows.get(..40));
    assert_eq!(few.rows.get(40..), many.rows.get(90..));
    let other = rows("verdict", &TaskOptions { seed: 1, n_train: 40, n_test: 10, ..TaskOptions::default() });
    assert_ne!(few.rows.first().map(|row| &row.text), other.rows.first().map(|row| &row.text));
    assert_ne!(few.digest, other.digest);
    assert_ne!(few.digest, many.digest);
}

#[test]
fn every_word_is_a_token_and_text_comes_back() {
    let world = world();
    let vocabulary = world.vocabulary();
    assert_eq!(vocabulary.tokenizer().get_vocab_size(true), vocabulary.len());
    let mut random = Random::new(3, "test");
    for _ in 0..200 {
        let tokens = world.document(&mut random);
        let encoded = vocabulary.tokenizer().encode(vocabulary.text(&tokens), false).expect("encodes");
        assert_eq!(encoded.get_ids(), tokens);
        assert!(!tokens.contains(&Lexicon::UNKNOWN));
    }
    for about in tasks() {
        for row in rows(about.name, &TaskOptions { ask: true, ..TaskOptions::default() }).rows {
            let encoded = vocabulary.tokenizer().encode(row.text.as_str(), false).expect("encodes");
            assert!(!encoded.get_ids().contains(&Lexicon::UNKNOWN), "{}", row.text);
        }
    }
    let encoded = vocabulary.tokenizer().encode("the xylophone .", false).expect("encodes");
    assert_eq!(encoded.get_ids().get(1), Some(&Lexicon::UNKNOWN));
}

/// What a reader who knows every word would answer: votes of the decisive words, signs flipped by `not`, `hardly`
/// and before `but`. With `naive`, signs are not flipped.
fn oracle(world: &World, name: &str, text: &str, naive: bool) -> Option<u16> {
    let words: BTreeMap<&str, &Word> = [WordClass::Noun, WordClass::Adjective, WordClass::Verb]
        .into_iter()
        .flat_map(|class| world.lexicon().words(class))
        .map(|word| (word.text.as_str(), word))
        .collect();
    let decided_by = about(name).expect("a task").decided_by;
    let parts: Vec<&str> = text.split(' ').collect();
    let but = parts.iter().position(|part| matches!(*part, "but" | "butte"));
    let mut votes = 0.0;
    for (at, part) in parts.iter().enumerate() {
        let Some(word) = words.get(part).filter(|word| word.class == decided_by) else { continue };
        let says = if name == "subject" { word.subject.map_or(0, |subject| subject % 2) } else { word.value };
        let mut sign = if says == 1 { 1.0 } else { -1.0 };
        let before = at.checked_sub(1).and_then(|at| parts.get(at)).copied().unwrap_or_default();
        let negated = matches!(before, "not" | "nott" | "hardly" | "hardlie");
        if !naive && negated {
            sign = -sign;
        }
        if !naive && decided_by == WordClass::Adjective && but.is_some_and(|but| at < but) {
            sign = -sign;
        }
        // The last word breaks ties.
        votes += sign * (1.0 + at as f64 * 1e-3);
    }
    if votes == 0.0 { None } else { Some(u16::from(votes > 0.0)) }
}

fn oracle_accuracy(name: &str, naive: bool) -> f64 {
    let world = world();
    let rows = rows(name, &TaskOptions { n_train: 0, n_test: 2000, ..TaskOptions::default() }).rows;
    let right = rows.iter().filter(|row| oracle(&world, name, &row.text, naive) == Some(row.truth)).count();
    right as f64 / rows.len() as f64
}

#[test]
fn who_knows_the_words_knows_the_truth() {
    // At strength 6 a word is of another value with odds of e^-6 a value: 0.25 % for two values, 1 % for the half of
    // eight subjects that changes the class.
    for (name, least) in [("era", 0.99), ("subject", 0.975), ("mood", 0.99), ("verdict", 0.985), ("contrast", 0.98)] {
        let accuracy = oracle_accuracy(name, false);
        assert!(accuracy >= least, "{name}: {accuracy}");
    }
}

#[test]
fn who_ignores_negation_and_but_fails_at_contrast() {
    let verdict = oracle_accuracy("verdict", true);
    assert!((0.55..0.85).contains(&verdict), "{verdict}");
    let contrast = oracle_accuracy("contrast", true);
    assert!((0.2..0.6).contains(&contrast), "{contrast}");
}

#[test]
fn documents_have_the_shares_that_the_options_ask_for() {
    let world = world();
    let mut random = Random::new(0, "test");
    let (mut n_adjectives, mut n_negated, mut n_tokens, mut openings) = (0_usize, 0_usize, 0_usize, 0_usize);
    let adjectives: BTreeSet<u32> = world.lexicon().adjectives.iter().map(|word| word.token).collect();
    let negations: BTreeSet<u32> = [Particle::Not, Particle::Hardly]
        .into_iter()
        .flat_map(|particle| [0, 1].map(|register| Lexicon::particle(register, particle)))
        .collect();
    let questions: BTreeSet<u32> = (0..QUESTIONS.len()).map(|asked| Lexicon::question(asked, 0)[0]).collect();
    for _ in 0..5000 {
        let tokens = world.document(&mut random);
        n_tokens += tokens.len();
        n_adjectives += tokens.iter().filter(|token| adjectives.contains(token)).count();
        n_negated += tokens.iter().filter(|token| negations.contains(token)).count();
        openings += usize::from(tokens.first().is_some_and(|token| questions.contains(token)));
    }
    // Kinds and, but, act, that, not at .36 .08 .28 .22 .06: 1.16 adjectives a sentence, of them .06 negated always
    // and 12 % of the other 1.10; 1.5 nouns a sentence, of them 35 % with an adjective, never negated.
    let expected = (0.06 + 0.12 * 1.10) / (1.16 + 0.35 * 1.5);
    let share = n_negated as f64 / n_adjectives as f64;
    assert!((share - expected).abs() < 0.01, "{share} against {expected}");
    // One or two lines, each opening with probability .5: 1 - (.5 + .25) / 2.
    let opened = openings as f64 / 5000.0;
    assert!((opened - 0.625).abs() < 0.03, "{opened}");
    let mean = n_tokens as f64 / 5000.0;
    assert!((20.0..40.0).contains(&mean), "{mean} tokens a document");
}

#[test]
fn without_question_lines_no_question_is_ever_said() {
    let world = World::new(WorldOptions { questions: false, ..first() }).expect("a world");
    for text in world.texts(0, 500) {
        assert!(!text.split(' ').any(|word| QUESTIONS.contains(&word)), "{text}");
    }
}

#[test]
fn words_are_different_and_frequencies_fall() {
    let world = world();
    let texts: BTreeSet<&str> = world.lexicon().texts().collect();
    assert_eq!(texts.len(), world.vocabulary().len());
    let mut random = Random::new(1, "test");
    let mut counts = vec![0_usize; world.vocabulary().len()];
    for _ in 0..20_000 {
        for token in world.document(&mut random) {
            if let Some(count) = counts.get_mut(token as usize) {
                *count += 1;
            }
        }
    }
    let count = |words: &[Word]| -> usize { words.iter().filter_map(|word| counts.get(word.token as usize)).sum() };
    let nouns = &world.lexicon().nouns;
    // 1 / (rank + 2.7), ranks 1 to 16 against 161 to 320: 1.79 to 0.68; the deck gives each cell its share of both.
    let ratio = count(&nouns[..16]) as f64 / count(&nouns[160..]) as f64;
    assert!((2.2..3.1).contains(&ratio), "{ratio}");
}

#[test]
fn another_seed_or_option_is_another_world() {
    let one = world();
    let two = World::new(WorldOptions { seed: 1, ..first() }).expect("a world");
    assert_ne!(one.digest(), two.digest());
    assert_ne!(one.texts(0, 3), two.texts(0, 3));
    assert_ne!(one.vocabulary().json(), two.vocabulary().json());
    assert_eq!(one.texts(0, 3), world().texts(0, 3));
    let calm = World::new(WorldOptions { negation: 0.0, ..first() }).expect("a world");
    assert_ne!(one.digest(), calm.digest());
}

#[test]
fn what_describes_no_world_is_refused() {
    let fails = |options: WorldOptions| World::new(options).err().map(|error| error.to_string()).unwrap_or_default();
    let default = first;
    assert_eq!(fails(WorldOptions { n_nouns: 0, ..default() }), "`n_nouns` must be from `32` to `20000`, got `0`");
    assert!(fails(WorldOptions { n_verbs: 1 << 40, ..default() }).contains("`n_verbs`"));
    assert!(fails(WorldOptions { strength: f64::NAN, ..default() }).contains("got `NaN`"));
    assert!(fails(WorldOptions { zipf_shift: f64::INFINITY, ..default() }).contains("`zipf_shift`"));
    assert!(fails(WorldOptions { n_subjects: 3, ..default() }).contains("must be even"));
    assert!(fails(WorldOptions { kinds: [0.0; 5], ..default() }).contains("all zero"));
    assert!(fails(WorldOptions { max_sentences: 1, ..default() }).contains("`max_sentences`"));
}

#[test]
fn pairs_are_balanced_and_the_higher_verdict_is_preferred() {
    let (world, options) = (world(), PairOptions { n_train: 301, n_test: 400, ..PairOptions::default() });
    let rows = pairs(&world, &options).expect("pairs").rows;
    let mut n_right = 0;
    for is_test in [false, true] {
        let split: Vec<_> = rows.iter().filter(|row| row.is_test == is_test).collect();
        let n_second = split.iter().filter(|row| row.preferred == 1).count();
        assert!(n_second.abs_diff(split.len() - n_second) <= 1);
    }
    let adjectives: BTreeSet<&str> = world.lexicon().adjectives.iter().map(|word| word.text.as_str()).collect();
    let adjectives_of = |text: &str| -> BTreeSet<String> {
        text.split(' ').filter(|word| adjectives.contains(word)).map(str::to_owned).collect()
    };
    for row in &rows {
        assert!(adjectives_of(&row.prompt).is_empty(), "the prompt judges nothing: {}", row.prompt);
        assert_ne!(row.continuations[0], row.continuations[1]);
        let says = |place: usize| oracle(&world, "verdict", &row.continuations[place], false);
        n_right += usize::from(says(row.preferred) == Some(1) && says(1 - row.preferred) == Some(0));
    }
    // A word is of the other verdict with odds of e^-6, and there are four or so in a pair.
    assert!(n_right as f64 > 0.96 * rows.len() as f64, "{n_right} of {}", rows.len());
    let sides = [false, true].map(|is_test| {
        let of = rows.iter().filter(move |row| row.is_test == is_test);
        let words: BTreeSet<String> =
            of.clone().flat_map(|row| row.continuations.iter().flat_map(|text| adjectives_of(text))).collect();
        (of.map(|row| row.prompt.clone()).collect::<BTreeSet<_>>(), words)
    });
    assert!(sides[0].0.is_disjoint(&sides[1].0), "prompts");
    assert!(sides[0].1.is_disjoint(&sides[1].1), "adjectives");
}

#[test]
fn fewer_pairs_are_a_prefix_and_seeds_differ() {
    let world = world();
    let options = PairOptions::default();
    let made = |seed, n_train| pairs(&world, &PairOptions { seed, n_train, n_test: 10, ..options }).expect("pairs");
    let (few, many, other) = (made(0, 40), made(0, 90), made(1, 40));
    assert_eq!((few.rows.get(..40), few.rows.get(40..)), (many.rows.get(..40), many.rows.get(90..)));
    assert!(few.digest != many.digest && few.digest != other.digest);
    assert_ne!(few.rows.first().map(|row| &row.prompt), other.rows.first().map(|row| &row.prompt));
    assert!(pairs(&world, &PairOptions { n_train: 0, n_test: 0, ..options }).is_err());
    assert!(pairs(&world, &PairOptions { n_train: 1 << 40, ..options }).is_err());
    let mute = World::new(WorldOptions { kinds: [0.0, 0.0, 1.0, 0.0, 0.0], ..first() }).expect("a world");
    assert!(pairs(&mute, &PairOptions::default()).is_err_and(|error| error.to_string().contains("no sentence")));
}

#[test]
fn pools_share_no_adjective_and_no_prompt() {
    let world = world();
    let rows = |pools| pairs(&world, &PairOptions { n_train: 600, n_test: 60, pools, ..PairOptions::default() });
    let adjectives: BTreeSet<&str> = world.lexicon().adjectives.iter().map(|word| word.text.as_str()).collect();
    type Pool = (BTreeSet<String>, BTreeSet<String>, [usize; 2]);
    let mut pools: BTreeMap<String, Pool> = BTreeMap::new();
    for row in rows(3).expect("pairs").rows.into_iter().filter(|row| !row.is_test) {
        let (words, prompts, places) = pools.entry(row.group).or_default();
        let said = row.continuations.iter().flat_map(|text| text.split(' ')).filter(|word| adjectives.contains(word));
        words.extend(said.map(str::to_owned));
        prompts.insert(row.prompt);
        places[row.preferred] += 1;
    }
    let pools: Vec<_> = pools.into_values().collect();
    assert_eq!(pools.iter().map(|pool| pool.2).collect::<Vec<_>>(), [[100; 2]; 3]);
    for (at, one) in pools.iter().enumerate() {
        assert!(one.0.len() > 24, "{} adjectives", one.0.len());
        assert!(pools[..at].iter().all(|other| one.0.is_disjoint(&other.0) && one.1.is_disjoint(&other.1)));
    }
    let refused = rows(100).expect_err("too many").to_string();
    assert!(refused.starts_with("`pools` must be from `1` to `"), "{refused}");
    assert!(rows(0).is_err());
}

#[test]
fn what_describes_no_task_is_refused() {
    let world = world();
    let fails = |world: &World, name: &str, options: TaskOptions| {
        task(world, name, &options).err().map(|error| error.to_string()).unwrap_or_default()
    };
    assert_eq!(fails(&world, "colour", TaskOptions::default()), "the world has no task `colour`");
    let none = TaskOptions { n_train: 0, n_test: 0, ..TaskOptions::default() };
    assert!(fails(&world, "era", none).contains("got `0`"));
    let huge = TaskOptions { n_test: 1 << 40, ..TaskOptions::default() };
    assert!(fails(&world, "era", huge).contains("`n_test`"));
    let flat = WorldOptions { negation: 0.0, kinds: [1.0, 0.0, 1.0, 1.0, 0.0], ..first() };
    let flat = World::new(flat).expect("a world");
    assert!(fails(&flat, "contrast", TaskOptions::default()).contains("no sentence"));
}

#[test]
fn episodes_ask_one_question_of_unrelated_sentences() {
    let world = World::new(WorldOptions { episodes: 1.0, ..WorldOptions::default() }).expect("a world");
    let mut asked = BTreeSet::new();
    let (mut n_right, mut n_said, mut n_changes) = (0, 0, 0);
    for text in world.texts(0, 400) {
        let lines: Vec<&str> = text.split(" . ").map(|line| line.trim_end_matches(" .")).collect();
        assert_eq!(lines.len(), 12, "six sentences, each with its answer: {text}");
        let answers: Vec<(&str, &str)> =
            lines.chunks(2).map(|item| item[1].split_once(' ').expect("question and answer")).collect();
        assert!(answers.iter().all(|(question, _)| *question == answers[0].0), "{text}");
        asked.insert(answers[0].0.to_owned());
        n_changes += answers.windows(2).filter(|pair| pair[0].1 != pair[1].1).count();
        if answers[0].0 != "subject" {
            for (item, (question, answer)) in lines.chunks(2).zip(&answers) {
                let about = about(question).expect("a task");
                let told = oracle(&world, question, item[0], false);
                n_said += 1;
                n_right += usize::from(told.and_then(|told| about.classes.get(usize::from(told))) == Some(answer));
            }
        }
    }
    assert_eq!(asked, QUESTIONS.map(str::to_owned).into());
    // Answers of neighbours differ in half of the cases, of the eight subjects in seven eighths: (3 / 2 + 7 / 8) / 4 = .59.
    assert!((n_changes as f64 / 2000.0 - 0.59).abs() < 0.06, "{n_changes}");
    assert!(n_right as f64 > 0.95 * n_said as f64, "{n_right} of {n_said}");
}

#[test]
fn worlds_without_episodes_and_concepts_keep_their_names_and_documents() {
    // From before there were either (`w2s eval 'world::language().digest'` and the first document then).
    for version in [1, 2] {
        let plain = WorldOptions::of(version).expect("a version");
        let none = WorldOptions { episodes: 0.0, depth: None, ..plain.clone() };
        assert_eq!(none.digest(), plain.digest());
        assert_ne!(WorldOptions { episodes: 0.2, ..plain.clone() }.digest(), plain.digest());
        assert_ne!(WorldOptions { depth: Some(2), ..plain.clone() }.digest(), plain.digest());
    }
    let mixed = World::new(WorldOptions { episodes: 0.25, ..WorldOptions::default() }).expect("a world");
    let n_episodes = mixed.texts(0, 2000).iter().filter(|text| text.matches(" .").count() == 12).count();
    assert!((n_episodes as f64 / 2000.0 - 0.25).abs() < 0.03, "{n_episodes}");
}
