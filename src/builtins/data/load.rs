//! `data::load`

use super::columns::{ColumnOptions, Columns};
use super::expand::{Files, expanded, in_split, without_test_groups};
use crate::bind::nearest;
use crate::bind::prelude::*;
use crate::builtins::world::pairs::{Weights, golden};
use crate::data::read::{self, Reading, Records};
use crate::data::sets;
use crate::data::{Data, DataError, Origin, Source, VaultSize};
use crate::domains::generated::{self, Asked, GeneratedError};

options! {
    /// Which rows, and what the columns of a file mean.
    pub struct LoadOptions {
        /// Draws the rows, and the test rows where the file does not say which they are.
        seed: Option<u64> = None,
        /// How many training rows, as many of each class: all without it.
        n_train: Option<usize> = None,
        /// How many test rows, as many of each class: all without it.
        n_test: Option<usize> = None,
        /// Files and fetched sets: the share of test rows where no column says which they are, 0 to below 1: 0.2 without it.
        test_share: Option<f64> = None,
        /// World, preference: into how many pools of words the train rows are cut, as `world::pairs` says; 1 without it.
        pools: Option<usize> = None,
        /// World, preference: what is preferred, as `world::pairs` says: a map of properties and their weights.
        properties: Option<Weights> = None,
        /// World, preference: the property in which a pair differs, alone, as `world::pairs` says.
        decides: Option<String> = None,
        /// Files: a function of a row, and of a number drawn for it (0 to below 1), that gives an array of maps: the rows that are
        /// made of it, whose fields the other options name.
        expand: Option<FnPtr> = None,
        /// CSV files: what separates the fields; a tab for `.tsv`, else a comma, without it.
        separator: Option<String> = None,
        /// CSV files: what fields may be quoted with, `""` for nothing; a double quote without it.
        quote: Option<String> = None,
        /// World: its version; left out, the session's (`--world`).
        version: Option<usize> = None,
        /// World: end each row with the question's word, at which the answer is then read.
        ask: bool = false,
        /// Files and fetched sets: rows that are test rows of data that was made before stay test rows; with `false` they may be train rows, and the record says how many are.
        keep_test: bool = true,
        /// How many of the test rows are a vault, whose truth `metric::vault` scores and nothing reads: a share of them, such as 0.25, or about so many rows; whole groups, drawn without a look at classes.
        vault: Option<VaultSize> = None,
    }
    with columns: ColumnOptions
}

/// The record.
pub fn function() -> Function {
    Function::new("data", "load", run)
        .about("A data set: a task of the generated world, a fetched data set, or a file.")
        .details(
            "- `world/TASK`: rows of the generated world, as `world::task` draws them.\n\
             - `world/preference`: pairs of the generated world, as `world::pairs` draws them.\n\
             - `sarcasm`: 28 614 headlines, plain or sarcastic; `w2s fetch sarcasm` brings them.\n\
             - `newsgroups`: 18 821 messages of 20 newsgroups, test rows drawn from all of them; `w2s fetch newsgroups` brings them.\n\
             - a file ending in `.jsonl`, `.ndjson`, `.csv`, `.tsv` or `.parquet`: `text`, `label` and the other options \
             name columns, or are functions of a row. Labels are read in one way for the whole column: by name, or, where \
             `classes` are given and no label is the name of one, by index. Class names that `write_parquet` stored are used. \
             Cells that do not fit are errors with line and field. Files are read as `frame::read_csv` and `frame::read_parquet` \
             read them, and a function of a row sees the same kinds: `|row| row.year > 2000`. A column that is named, not \
             computed, is taken as the file writes it, so a class may be called `1.0`.\n\n\
             With `expand: |row, drawn| […]` a record becomes several rows, such as one for each answer of a question, or none; \
             the other options then name fields of those. `drawn` is a number from 0 to below 1 that the seed decides, for a choice \
             between wrong answers.\n\n\
             A row holds a text, tokens, features, or a prompt with continuations. A file with `chosen` and `rejected` is read as \
             preferences: which of the two comes first is drawn for each row, classes are `first` and `second`, and rows with \
             one prompt are one group.\n\n\
             Truth is sealed: `Data.truth` reads it, on the record.",
        )
        .param_typed("name", "string|object map", "a task, a data set, or a path in the run's folder or else in the project; or a map with the path or paths of `train` and of `test`, or of `rows`")
        .options::<LoadOptions>()
        .returns("Data: all rows, train and test")
        .example("data::load(\"world/subject\", #{ seed: 0, n_train: 8, n_test: 4 }).train.n_rows", "8")
        .fails("data::load(\"wold/subject\")", "there is no data set `wold/subject`")
        .fails("data::load(\"/etc/rows.csv\")", "is outside this script's project")
}

fn run(call: &mut Call) -> Answer {
    let files = Files::of(&call.arg::<Dynamic>(0)?)?;
    let options: LoadOptions = call.options()?;
    let (seed, n_train, n_test) = (call.ctx().seed(options.seed), options.n_train, options.n_test);
    let (test_share, keep_test) = (options.test_share.unwrap_or(TEST_SHARE), options.keep_test);
    let vault = options.vault.map(|size| (size, seed));
    let has_split = options.columns.split.is_some();
    let columns = Columns::from(options.columns);
    let (ask, pools, version) = (options.ask, options.pools, options.version);
    let golden = golden(options.properties, options.decides.as_deref()).map_err(GeneratedError::from)?;
    let asked = Asked { seed, n_train, n_test, ask, pools, golden, version, vault };
    let (expand, mut reading) = (options.expand, Reading::default());
    (reading.separator, reading.quote) = (options.separator, options.quote);
    reading.wanted = columns.wanted().filter(|_| expand.is_none());
    let read = |path: &str| -> Result<Records, Fault> {
        let records = read::read(call.ctx(), path, &reading)?;
        match &expand {
            Some(make) => expanded(call, &records, make, seed),
            None => Ok(records),
        }
    };
    let (name, records) = match files {
        Files::One(name) if is_file(&name) => {
            asked.only(&name, &["vault"])?;
            (name.clone(), Some(read(&name)?))
        }
        Files::One(name) => (name, None),
        Files::Splits(_) if has_split => {
            let what = "option `split` of `data::load` is for one file, and files of `train` and `test` are named";
            return Err(Fault::new("data/split", what).hint("leave it out"));
        }
        Files::Splits(files) => {
            let mut parts = Vec::with_capacity(files.len());
            for (split, path) in &files {
                asked.only(path, &["vault"])?;
                let mut part = read(path)?;
                in_split(&mut part, split)?;
                parts.push(part);
            }
            let mut all = Records::joined(parts);
            without_test_groups(
                call,
                &mut all,
                [columns.name_of("group").as_deref(), columns.name_of("text").as_deref()],
            );
            (all.name.clone(), Some(all))
        }
    };
    if let Some(records) = records {
        let ids_of = columns.has(&records, "id").then(|| name.clone());
        let has_split = columns.has(&records, "split");
        if let Some(share) = options.test_share.filter(|_| has_split) {
            let said = format!("`test_share` is `{share}`, and `{name}` already states its test rows");
            let hint = "leave `test_share` out, or name no column `split`: rename it in the file";
            return Err(Fault::new("data/split", said).hint(hint));
        }
        let is_drawn = test_share > 0.0 && !has_split;
        let drawn = is_drawn.then_some(test_share);
        let origin = Origin { vault, drawn, ..Origin::of_records(&records, ids_of, !keep_test) };
        let source = columns.source(call, records, &name, test_share, seed)?;
        return counted(call, source, &origin, is_drawn, [n_train, n_test], seed);
    }
    let mut given = columns.given();
    given.extend(expand.is_some().then_some("expand"));
    given.extend(reading.separator.is_some().then_some("separator"));
    given.extend(reading.quote.is_some().then_some("quote"));
    if options.test_share.is_some() && sets::find(&name).is_none() {
        given.push("test_share");
    }
    if let Some(option) = given.first() {
        let said = format!("option `{option}` of `data::load` is for files, and `{name}` is none");
        return Err(Fault::new("data/not-a-file", said).hint("files end in .jsonl, .ndjson, .csv, .tsv or .parquet"));
    }
    if let Some((domain, set)) = generated::find(&name) {
        return Ok(Dynamic::from((domain.load)(call.ctx(), set, &asked)?));
    }
    asked.only(&name, &["vault"])?;
    match sets::find(&name) {
        Some(set) => {
            let drawn = (test_share > 0.0).then_some(test_share);
            let origin = Origin { ids_of: Some(name.clone()), lets_in: !keep_test, drawn, vault, ..Origin::default() };
            let source = sets::load(call.ctx(), set, test_share, seed)?;
            counted(call, source, &origin, test_share > 0.0, [n_train, n_test], seed)
        }
        None => Err(unknown(&name)),
    }
}

/// Of rows whose split nobody stated: arbitrary.
const TEST_SHARE: f64 = 0.2;

fn is_file(name: &str) -> bool {
    let ending = name.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase());
    ending.is_some_and(|ending| ["jsonl", "ndjson", "csv", "tsv", "parquet"].contains(&ending.as_str()))
}

/// All rows of the source, or as many of each side as were asked for. Test rows that were drawn were drawn by class.
fn counted(
    call: &Call,
    source: Source,
    origin: &Origin,
    is_drawn: bool,
    [n_train, n_test]: [Option<usize>; 2],
    seed: u64,
) -> Answer {
    let all = Data::entered(call.ctx(), source, origin)?;
    if is_drawn {
        all.note_drawn_split(call.ctx(), &call.function.path());
    }
    if n_train.is_none() && n_test.is_none() {
        return Ok(Dynamic::from(all));
    }
    let side = |side: Data, n: Option<usize>, option: &str, rows: &str| {
        let Some(n) = n else { return Ok(side) };
        side.note_draw(call.ctx(), &call.function.path())?;
        side.sample(n, seed).map_err(|error| match error {
            DataError::TooFewRows { name, asked, n_rows } => {
                Fault::new("data/sample-size", format!("`{option}` is {asked}, `{name}` has {n_rows} {rows} rows"))
                    .hint(format!("at most #{{ {option}: {n_rows} }}; without `{option}` all are taken"))
            }
            other => Fault::from(other),
        })
    };
    let train = side(all.train(), n_train, "n_train", "train")?;
    let test = side(all.test(), n_test, "n_test", "test")?;
    Ok(Dynamic::from(train.concat(&test)?.concat(&all.vault())?))
}

fn unknown(name: &str) -> Fault {
    let names: Vec<String> = generated::names().into_iter().chain(sets::names().map(str::to_owned)).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let hint = match nearest(name, names.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("data sets: {}; or a file that ends in .jsonl, .csv, .tsv or .parquet", names.join(", ")),
    };
    Fault::new("data/unknown", format!("there is no data set `{name}`")).hint(hint)
}
