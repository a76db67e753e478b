//! `data::load`

use super::columns::{Column, columns_of};
use crate::bind::nearest;
use crate::bind::prelude::*;
use crate::data::read::{self, Reading};
use crate::data::sets;
use crate::data::{Data, DataError, Source};
use crate::domains::preference;
use crate::domains::world::{self, PAIRS, PairOptions, TaskOptions, World, WorldOptions};
use std::sync::Arc;

options! {
    /// Which rows, and what the columns of a file mean.
    pub struct LoadOptions {
        /// Draws the rows, and the test rows where the file does not say which they are.
        seed: Option<u64> = None,
        /// How many training rows, as many of each class: all without it.
        n_train: Option<usize> = None,
        /// How many test rows, as many of each class: all without it.
        n_test: Option<usize> = None,
        /// Files: the column, or the function of a row, that gives the text: `text` without it.
        text: Option<Column> = None,
        /// Files: the column or function that gives token ids of the model's tokenizer, an array of integers, instead of text.
        tokens: Option<Column> = None,
        /// Files: the column or function that gives features, an array of numbers, instead of text.
        features: Option<Column> = None,
        /// Files: the column or function that gives the prompt before continuations: `prompt` if there is one.
        prompt: Option<Column> = None,
        /// Files: the column or function that gives continuations of the prompt, an array of texts.
        continuations: Option<Column> = None,
        /// Files: the column or function that gives the preferred continuation of a pair: `chosen` if there is one.
        chosen: Option<Column> = None,
        /// Files: the column or function that gives the other continuation, or an array of several: `rejected` if there is one.
        rejected: Option<Column> = None,
        /// Files: what stands between a prompt and `chosen` or `rejected` where neither has white space: a space without it.
        between: Option<String> = None,
        /// Files: the column or function that says which of `continuations` is preferred: its index, or a probability for each.
        preference: Option<Column> = None,
        /// Files: the column or function that gives an answer as text, sealed like a label.
        answer: Option<Column> = None,
        /// Files: the column or function that gives the class, by name in every row or by index in every row: `label` without it.
        label: Option<Column> = None,
        /// Files: the column or function that gives the id: `id` if there is one, else the row's number.
        id: Option<Column> = None,
        /// Files: the column or function that gives the group: `group` if there is one, else rows with the same text.
        group: Option<Column> = None,
        /// Files: the column or function that says `train` or `test`: `split` if there is one, else it is drawn.
        split: Option<Column> = None,
        /// Files: the column or function that gives the difficulty, 0 to 1: `difficulty` if there is one.
        difficulty: Option<Column> = None,
        /// Files: class names in order of their index; without them the labels themselves, sorted.
        classes: Option<Vec<String>> = None,
        /// Files and fetched sets: the share of test rows where no column says which they are, 0 to below 1: 0.2 without it.
        test_share: Option<f64> = None,
        /// World, preference: into how many pools of words the train rows are cut, as `world::pairs` says; 1 without it.
        pools: Option<usize> = None,
        /// CSV files: what separates the fields; a tab for `.tsv`, else a comma, without it.
        separator: Option<String> = None,
        /// CSV files: what fields may be quoted with, `""` for nothing; a double quote without it.
        quote: Option<String> = None,
        /// World: its version; left out, the session's (`--world`).
        version: Option<usize> = None,
        /// World: end each row with the question's word, at which the answer is then read.
        ask: bool = false,
    }
}

/// The record.
pub fn function() -> Function {
    Function::new("data", "load", run)
        .about("A data set: a task of the generated world, a fetched data set, or a file.")
        .details(
            "- `world/TASK`: rows of the generated world, as `world::task` draws them.\n\
             - `world/preference`: pairs of the generated world, as `world::pairs` draws them.\n\
             - `sarcasm`: 28 614 headlines, plain or sarcastic; `w2s fetch sarcasm` brings them.\n\
             - a file ending in `.jsonl`, `.ndjson`, `.csv`, `.tsv` or `.parquet`: `text`, `label` and the other options \
             name columns, or are functions of a row. Labels are read in one way for the whole column: by name, or, where \
             `classes` are given and no label is the name of one, by index. Class names that `write_parquet` stored are used. \
             Cells that do not fit are errors with line and field. Files are read as `frame::read_csv` and `frame::read_parquet` \
             read them, and a function of a row sees the same kinds: `|row| row.year > 2000`. A column that is named, not \
             computed, is taken as the file writes it, so a class may be called `1.0`.\n\n\
             A row holds a text, tokens, features, or a prompt with continuations. A file with `chosen` and `rejected` is read as \
             preferences: which of the two comes first is drawn for each row, classes are `first` and `second`, and rows with \
             one prompt are one group.\n\n\
             Truth is sealed: `Data.truth` reads it, on the record.",
        )
        .param::<String>("name", "a task, a data set, or a path in the run's folder or else in the project")
        .options::<LoadOptions>()
        .returns("Data: all rows, train and test")
        .example("data::load(\"world/subject\", #{ seed: 0, n_train: 8, n_test: 4 }).train.n_rows", "8")
        .fails("data::load(\"wold/subject\")", "there is no data set `wold/subject`")
        .fails("data::load(\"/etc/rows.csv\")", "is outside this script's project")
}

fn run(call: &mut Call) -> Answer {
    let name: String = call.arg(0)?;
    let options: LoadOptions = call.options()?;
    let (seed, n_train, n_test) = (call.ctx().seed(options.seed), options.n_train, options.n_test);
    let test_share = options.test_share.unwrap_or(TEST_SHARE);
    let columns = columns_of!(options);
    if options.version.is_some() && !name.starts_with("world/") {
        let said = format!("option `version` of `data::load` is for `world/TASK`, and `{name}` is another data set");
        return Err(Fault::new("data/not-the-world", said).hint("leave it out"));
    }
    if is_file(&name) {
        let reading = Reading { separator: options.separator, quote: options.quote, wanted: columns.wanted() };
        let mut records = read::read(call.ctx(), &name, &reading)?;
        return counted(columns.source(call, &mut records, &name, test_share, seed)?, n_train, n_test, seed);
    }
    let mut given = columns.given();
    given.extend(options.separator.is_some().then_some("separator"));
    given.extend(options.quote.is_some().then_some("quote"));
    if options.test_share.is_some() && sets::find(&name).is_none() {
        given.push("test_share");
    }
    if options.pools.is_some() && name != format!("world/{PAIRS}") {
        let said = format!("option `pools` of `data::load` is for `world/{PAIRS}`, and `{name}` is another data set");
        return Err(Fault::new("data/not-pairs", said).hint("leave it out"));
    }
    if let Some(option) = given.first() {
        let said = format!("option `{option}` of `data::load` is for files, and `{name}` is none");
        return Err(Fault::new("data/not-a-file", said).hint("files end in .jsonl, .ndjson, .csv, .tsv or .parquet"));
    }
    if let Some(task) = name.strip_prefix("world/") {
        let chosen = TaskOptions::default();
        let (n_train, n_test) = (n_train.unwrap_or(chosen.n_train), n_test.unwrap_or(chosen.n_test));
        let version = options.version.unwrap_or(call.ctx().settings.world);
        let world = World::new(WorldOptions::of(version)?)?;
        if task == PAIRS {
            if options.ask {
                let said = "option `ask` of `data::load` is for tasks with classes, and `world/preference` has pairs";
                return Err(Fault::new("data/not-a-task", said).hint("leave it out"));
            }
            return Ok(Dynamic::from(preference::of_world(world::pairs(
                &world,
                &PairOptions { seed, n_train, n_test, pools: options.pools.unwrap_or(1) },
            )?)?));
        }
        let rows = world::task(&world, task, &TaskOptions { seed, n_train, n_test, ask: options.ask })?;
        return Ok(Dynamic::from(Data::of_task(rows)?));
    }
    match sets::find(&name) {
        Some(set) => counted(sets::load(call.ctx(), set, test_share, seed)?, n_train, n_test, seed),
        None => Err(unknown(&name)),
    }
}

/// Of rows whose split nobody stated: chosen.
const TEST_SHARE: f64 = 0.2;

fn is_file(name: &str) -> bool {
    let ending = name.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase());
    ending.is_some_and(|ending| ["jsonl", "ndjson", "csv", "tsv", "parquet"].contains(&ending.as_str()))
}

/// All rows of the source, or as many of each side as were asked for.
fn counted(source: Source, n_train: Option<usize>, n_test: Option<usize>, seed: u64) -> Answer {
    let all = Data::new(Arc::new(source));
    if n_train.is_none() && n_test.is_none() {
        return Ok(Dynamic::from(all));
    }
    let side = |side: Data, n: Option<usize>, option: &str, rows: &str| match n {
        None => Ok(side),
        Some(n) => side.sample(n, seed).map_err(|error| match error {
            DataError::TooFewRows { name, asked, n_rows } => {
                Fault::new("data/sample-size", format!("`{option}` is {asked}, `{name}` has {n_rows} {rows} rows"))
                    .hint(format!("at most #{{ {option}: {n_rows} }}; without `{option}` all are taken"))
            }
            other => other.into(),
        }),
    };
    let train = side(all.train(), n_train, "n_train", "train")?;
    let test = side(all.test(), n_test, "n_test", "test")?;
    Ok(Dynamic::from(train.concat(&test)?))
}

fn unknown(name: &str) -> Fault {
    let tasks = world::tasks().iter().map(|task| task.name).chain([PAIRS]).map(|task| format!("world/{task}"));
    let names: Vec<String> = tasks.chain(sets::names().map(str::to_owned)).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let hint = match nearest(name, names.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("data sets: {}; or a file that ends in .jsonl, .csv, .tsv or .parquet", names.join(", ")),
    };
    Fault::new("data/unknown", format!("there is no data set `{name}`")).hint(hint)
}
