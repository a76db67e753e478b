//! Tasks: one sentence a row, and the question for one of the variables behind it.

use super::grammar::{Facts, Kind, Sentence, Speaker, Tables, draw_kind};
use super::lexicon::{ERAS, Lexicon, MOODS, VERDICTS, Word, WordClass};
use super::{VERSION, World, WorldError, natural};
use crate::core::digest::Digest;
use crate::core::math::ln;
use crate::core::random::Random;
use std::collections::BTreeSet;

/// What a task asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TaskAbout {
    pub name: &'static str,
    /// One sentence.
    pub about: &'static str,
    pub classes: [&'static str; 2],
    /// The words that decide it.
    pub decided_by: WordClass,
}

/// The tasks, in the order in which models of rising compute were seen to learn them.
pub fn tasks() -> &'static [TaskAbout] {
    &TASKS
}

const TASKS: [TaskAbout; 5] = [
    TaskAbout {
        name: "era",
        about: "whether the sentence's nouns are of the new era or the old one",
        classes: ERAS,
        decided_by: WordClass::Noun,
    },
    TaskAbout {
        name: "subject",
        about: "whether the subject is of culture (trade, courts, machines, music) or of nature (stars, storms, \
                beasts, harvest)",
        classes: ["nature", "culture"],
        decided_by: WordClass::Noun,
    },
    TaskAbout {
        name: "mood",
        about: "whether the sentence's verb is calm or wild",
        classes: MOODS,
        decided_by: WordClass::Verb,
    },
    TaskAbout {
        name: "verdict",
        about: "whether the sentence judges low or high; a share of its adjectives is negated or contrasted",
        classes: VERDICTS,
        decided_by: WordClass::Adjective,
    },
    TaskAbout {
        name: "contrast",
        about: "the verdict, only in sentences with a negation or a `but`",
        classes: VERDICTS,
        decided_by: WordClass::Adjective,
    },
];

/// How many rows of a task, and which.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskOptions {
    /// Which of the decisive words are for testing, and the rows.
    pub seed: u64,
    /// Rows of the train split.
    pub n_train: usize,
    /// Rows of the test split.
    pub n_test: usize,
    /// Whether each row ends with the question's word (`… . verdict`), at which the answer is then read.
    pub ask: bool,
}

/// Sizes chosen: two halves from which 800 rows can be drawn with balanced classes, and a test error below a percent and a half.
impl Default for TaskOptions {
    fn default() -> Self {
        TaskOptions { seed: 0, n_train: 2000, n_test: 1500, ask: false }
    }
}

/// One row of a task with its truth; whoever makes a data set of it seals the truth.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskRow {
    /// The same for the same world, task, seed, split and place, whatever the number of rows.
    pub id: String,
    pub text: String,
    /// Rows of one group stay together. Version 1: the word that decides the row. Version 2: the text.
    pub group: String,
    pub is_test: bool,
    /// 0 (frequent words, said plainly) to 1 (rare words, negated and contrasted).
    pub difficulty: f32,
    /// Index into the classes.
    pub truth: u16,
}

/// A task's rows: the train split first.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskRows {
    /// `world/subject`.
    pub name: String,
    pub classes: Vec<String>,
    pub rows: Vec<TaskRow>,
    /// Of world, task and options.
    pub digest: Digest,
}

/// The most rows of a split: arbitrary, some gigabytes of text below exhausting a machine's memory.
const MAX_ROWS: usize = 1_000_000;
/// Version 1 raises frequencies to this power in rows, so that rare words count: the square root.
const FLATNESS: f64 = 0.5;
/// What rarity, a negation and a `but` add to a row's difficulty: arbitrary.
const DIFFICULTY: [f64; 3] = [0.5, 0.3, 0.2];

/// The task called `name`.
pub fn about(name: &str) -> Result<TaskAbout, WorldError> {
    let found = TASKS.iter().find(|task| task.name == name).copied();
    found.ok_or_else(|| WorldError::UnknownTask { name: name.to_owned() })
}

/// Draws the rows of the task `name` (`subject`, not `world/subject`). The classes of each split are balanced to a row.
pub fn task(world: &World, name: &str, options: &TaskOptions) -> Result<TaskRows, WorldError> {
    let about = about(name)?;
    check_counts(options.n_train, options.n_test)?;
    let rows = match world.options().version {
        1 => kept_apart(world, about, options)?,
        _ => natural::rows(world, about, options)?,
    };
    let digest = Digest::of("world/task", VERSION)
        .digest("world", world.digest())
        .text("task", about.name)
        .int("seed", options.seed as i64)
        .int("n_train", options.n_train as i64)
        .int("n_test", options.n_test as i64)
        .int("ask", i64::from(options.ask))
        .finish();
    let classes = about.classes.map(str::to_owned).to_vec();
    Ok(TaskRows { name: format!("world/{}", about.name), classes, rows, digest })
}

/// Rows of version 1: the words that decide test rows decide no train row.
fn kept_apart(world: &World, about: TaskAbout, options: &TaskOptions) -> Result<Vec<TaskRow>, WorldError> {
    let for_test = test_words(world, about, options.seed);
    let mut rows = Vec::with_capacity(options.n_train + options.n_test);
    for (is_test, n_rows) in [(false, options.n_train), (true, options.n_test)] {
        let writer = Writer::new(world, about, options, is_test, Some(&for_test));
        writer.write(n_rows, &mut rows)?;
    }
    Ok(rows)
}

/// Fails on too many rows, and on none.
pub(super) fn check_counts(n_train: usize, n_test: usize) -> Result<(), WorldError> {
    for (name, value) in [("n_train", n_train), ("n_test", n_test)] {
        if value > MAX_ROWS {
            return Err(WorldError::Count { name, value, least: 0, most: MAX_ROWS });
        }
    }
    if n_train + n_test == 0 {
        return Err(WorldError::Count { name: "n_train", value: 0, least: 1, most: MAX_ROWS });
    }
    Ok(())
}

/// The tokens of the decisive words that are kept for testing: half of each cell (subject and value), by chance.
pub(super) fn test_words(world: &World, about: TaskAbout, seed: u64) -> BTreeSet<u32> {
    let mut random = Random::new(seed, "world/test-words");
    let mut cells: Vec<Vec<&Word>> = vec![Vec::new(); 2 * (world.options().n_subjects + 1)];
    for word in world.lexicon().words(about.decided_by) {
        let cell = 2 * word.subject.map_or(0, |subject| subject + 1) + word.value;
        if let Some(cell) = cells.get_mut(cell) {
            cell.push(word);
        }
    }
    let mut tokens = BTreeSet::new();
    for cell in cells {
        // Of each two neighbours in rank one is for testing, so that both sides have frequent and rare words alike.
        for pair in cell.chunks(2) {
            if let Some(word) = pair.get(random.below(2)) {
                tokens.insert(word.token);
            }
        }
    }
    tokens
}

/// Writes the rows of one split: of version 1, and pairs of every version. `for_test` are the deciding words that the test split
/// alone has; without it all splits have all words.
pub(super) struct Writer<'a> {
    world: &'a World,
    about: TaskAbout,
    options: &'a TaskOptions,
    is_test: bool,
    tables: Tables,
    /// Shares of the kinds of sentence that show what is asked.
    kinds: [f64; 5],
}

impl<'a> Writer<'a> {
    pub fn new(
        world: &'a World,
        about: TaskAbout,
        options: &'a TaskOptions,
        is_test: bool,
        for_test: Option<&BTreeSet<u32>>,
    ) -> Self {
        let keep = |word: &Word| {
            word.class != about.decided_by || for_test.is_none_or(|words| words.contains(&word.token) == is_test)
        };
        let flatness = if world.options().version == 1 { FLATNESS } else { 1.0 };
        let tables = Tables::new(world.lexicon(), world.options(), flatness, keep);
        let [and, but, act, that, not] = world.options().kinds;
        let kinds = match about.name {
            "mood" => [0.0, 0.0, act, that, 0.0],
            "verdict" => [and, but, 0.0, that, not],
            // A sentence without a negation is drawn again: see `shows`.
            "contrast" if world.options().negation > 0.0 => [and, but, 0.0, that, not],
            "contrast" => [0.0, but, 0.0, 0.0, not],
            _ => [and, but, act, that, not],
        };
        Writer { world, about, options, is_test, tables, kinds }
    }

    /// Whether some kind of sentence shows what is asked.
    pub fn has_kinds(&self) -> bool {
        self.kinds.iter().sum::<f64>() > 0.0
    }

    fn write(&self, n_rows: usize, rows: &mut Vec<TaskRow>) -> Result<(), WorldError> {
        if n_rows > 0 && !self.has_kinds() {
            return Err(WorldError::NoSentence { task: self.about.name });
        }
        let split = if self.is_test { "test" } else { "train" };
        let purpose = format!("world/task/{}/{split}", self.about.name);
        let mut random = Random::new(self.options.seed, &purpose);
        let mut first = 0;
        for idx in 0..n_rows {
            // Each two rows hold both classes, in a random order.
            first = if idx.is_multiple_of(2) { random.below(2) } else { 1 - first };
            let (sentence, truth) = self.row(first, &mut random)?;
            let id = format!("{}-{}-{split}-{idx}", self.about.name, self.options.seed);
            rows.push(self.finish(id, sentence, truth));
        }
        Ok(())
    }

    /// A sentence of the class, drawn until it shows what is asked.
    fn row(&self, class: usize, random: &mut Random) -> Result<(Sentence<'a>, usize), WorldError> {
        // Sentences with a negation or `but` are never rarer than the options' smallest shares; 10 000 draws without
        // one mean that there are none.
        for _ in 0..10_000 {
            let facts = facts(self.world, self.about, class, random);
            let kind = draw_kind(&self.kinds, random);
            let sentence = self.sentence(kind, facts, random);
            if self.shows(kind, &sentence) {
                return Ok((sentence, class));
            }
        }
        Err(WorldError::NoSentence { task: self.about.name })
    }

    /// A sentence of the kind, plain: no adjectives before nouns, no second verb.
    pub fn sentence(&self, kind: Kind, facts: Facts, random: &mut Random) -> Sentence<'a> {
        let (lexicon, tables, negation) = (self.world.lexicon(), &self.tables, self.world.options().negation);
        Speaker { lexicon, tables, facts, negation, attributes: 0.0, coordination: 0.0, random }.sentence(kind)
    }

    /// A sentence of a kind that shows what is asked.
    pub fn said(&self, facts: Facts, random: &mut Random) -> Sentence<'a> {
        self.sentence(draw_kind(&self.kinds, random), facts, random)
    }

    /// How hard a sentence is by its decisive words.
    pub fn difficulty_of(&self, sentence: &Sentence<'a>) -> f32 {
        difficulty(self.world, self.about, sentence)
    }

    fn decisive<'s>(&self, sentence: &'s Sentence<'a>) -> Vec<&'s &'a Word> {
        decisive(self.about, sentence)
    }

    fn shows(&self, kind: Kind, sentence: &Sentence) -> bool {
        self.about.name != "contrast" || kind == Kind::But || sentence.n_negated > 0
    }

    fn finish(&self, id: String, sentence: Sentence<'a>, truth: usize) -> TaskRow {
        let decisive = self.decisive(&sentence);
        // The last adjective has the last word on the verdict ("but"); for the rest the first word names the row.
        let lead = if self.about.decided_by == WordClass::Adjective { decisive.last() } else { decisive.first() };
        TaskRow {
            id,
            text: text(self.world, self.about, &sentence, self.options.ask),
            group: lead.map_or_else(String::new, |word| word.text.clone()),
            is_test: self.is_test,
            difficulty: difficulty(self.world, self.about, &sentence),
            truth: truth as u16,
        }
    }
}

/// The facts of a document of the class, the others drawn.
pub(super) fn facts(world: &World, about: TaskAbout, class: usize, random: &mut Random) -> Facts {
    let mut facts = Facts::draw(random, world.options().n_subjects);
    match about.name {
        "era" => facts.era = class,
        // Even subjects are nature, odd ones culture.
        "subject" => facts.subject = facts.subject - facts.subject % 2 + class,
        "mood" => facts.mood = class,
        _ => facts.verdict = class,
    }
    facts
}

/// A sentence as a row's text, with the question's word where it is asked.
pub(super) fn text(world: &World, about: TaskAbout, sentence: &Sentence, ask: bool) -> String {
    let mut tokens = sentence.tokens.clone();
    if ask {
        let asked = match about.name {
            "subject" => 0,
            "mood" => 2,
            "era" => 3,
            _ => 1,
        };
        let [question, _] = Lexicon::question(asked, 0);
        tokens.push(question);
    }
    world.vocabulary().text(&tokens)
}

/// The words of a sentence that decide what is asked.
pub(super) fn decisive<'s, 'a>(about: TaskAbout, sentence: &'s Sentence<'a>) -> Vec<&'s &'a Word> {
    sentence.words.iter().filter(|word| word.class == about.decided_by).collect()
}

/// `0.5 · rarity + 0.3 · negated + 0.2 · but`; rarity is the mean of ln(rank) / ln(number of words) over the
/// decisive words. Negation and `but` count only where adjectives decide.
pub(super) fn difficulty(world: &World, about: TaskAbout, sentence: &Sentence) -> f32 {
    let decisive = decisive(about, sentence);
    let most = ln(world.lexicon().words(about.decided_by).len() as f64);
    let sum: f64 = decisive.iter().map(|word| ln(word.rank as f64) / most).sum();
    let rarity = sum / decisive.len().max(1) as f64;
    let judged = about.decided_by == WordClass::Adjective;
    let [rare, negated, but] = DIFFICULTY;
    let structure = if judged {
        negated * f64::from(u8::from(sentence.n_negated > 0)) + but * f64::from(u8::from(sentence.has_but))
    } else {
        // Without structure to be hard in, rarity is the whole scale.
        (1.0 - rare) * rarity
    };
    (rare * rarity + structure) as f32
}
