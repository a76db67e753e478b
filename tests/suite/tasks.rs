//! The task files of the script stdlib: a few rows of each data set in the hub's schema, written here, and what they become;
//! the layouts that a copy may have; what is said where something is missing.

use crate::support::session_in;
use polars_io::prelude::{JsonFormat, JsonReader, ParquetWriter, SerReader};
use serde::Deserialize;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Cursor;
use std::path::Path;
use w2s::lang::Session;
use w2s::lang::resolve::TASKS;

/// A task of `tests/reference/tasks.json`.
#[derive(Deserialize)]
struct Task {
    /// The rows of each split of the hub.
    splits: BTreeMap<String, Vec<Value>>,
    /// What becomes of the train rows: the class, and the text or those of which one is drawn.
    train: Vec<(String, Vec<String>)>,
    /// How many test rows there are then; -1 where they are drawn.
    n_test: i64,
}

fn tasks() -> BTreeMap<String, Task> {
    serde_json::from_str(include_str!("../reference/tasks.json")).expect("the tasks")
}

fn lines(rows: &[Value]) -> String {
    rows.iter().map(|row| format!("{row}\n")).collect()
}

/// Writes rows as Parquet, nested values as they are.
fn parquet(rows: &[Value], path: &Path) {
    std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
    let text = lines(rows);
    let reader = JsonReader::new(Cursor::new(text.as_bytes())).with_json_format(JsonFormat::JsonLines);
    let mut table = reader.finish().expect("a table");
    ParquetWriter::new(std::fs::File::create(path).expect("a file")).finish(&mut table).expect("written");
}

fn strings(value: rhai::Dynamic) -> Vec<String> {
    value.into_array().expect("an array").into_iter().map(|item| item.to_string()).collect()
}

/// Texts and classes of the train rows, and how many test rows there are.
fn loaded(session: &mut Session, name: &str) -> (Vec<String>, Vec<String>, i64) {
    let column = if name == "anthropic_hh" { "prompt" } else { "text" };
    let code = format!(
        "import \"tasks/{name}\" as task; let loaded = task::load(#{{ folder: \"{name}\", seed: 3 }}); \
         let names = loaded.classes; \
         [loaded.train.frame().column(\"{column}\"), loaded.train.truth(\"check\").column(\"label\").map(|at| names[at]), loaded.test.n_rows]"
    );
    let value = session.eval(&code).unwrap_or_else(|error| panic!("{name}: {} ({:?})", error.message, error.hint));
    let mut parts = value.into_array().expect("three").into_iter();
    let mut next = || parts.next().expect("three");
    let (texts, labels) = (strings(next()), strings(next()));
    (texts, labels, next().as_int().expect("a number"))
}

fn holds(session: &mut Session, name: &str, task: &Task) {
    let (texts, labels, n_test) = loaded(session, name);
    if task.n_test >= 0 {
        assert_eq!(n_test, task.n_test, "{name}");
        assert_eq!(texts.len(), task.train.len(), "{name}: {texts:#?}");
    } else {
        // A fifth of the rows is drawn as test rows: the others are among those that there are.
        assert_eq!((n_test, texts.len()), (4, 16), "{name}");
    }
    for (at, (text, label)) in texts.iter().zip(&labels).enumerate() {
        let (class, allowed) = match task.n_test {
            -1 => task.train.iter().find(|(_, allowed)| allowed.contains(text)).expect("a row of the file"),
            _ => &task.train[at],
        };
        assert!(allowed.contains(text), "{name}, row {at}: {text:?} is not of {allowed:#?}");
        match class.as_str() {
            // Which of the two comes first is drawn, and the class says which.
            "either" => assert_eq!(label == "yes", *text == allowed[0], "{name}, row {at}"),
            "pair" => assert!(label == "first" || label == "second"),
            class => assert_eq!(label, class, "{name}, row {at}: {text:?}"),
        }
    }
}

#[test]
fn every_task_makes_its_rows_of_json_lines() {
    let (folder, tasks) = (tempfile::tempdir().expect("a folder"), tasks());
    let shipped: BTreeSet<String> =
        TASKS.iter().map(|(name, _)| name.trim_start_matches("tasks/").to_owned()).collect();
    assert_eq!(shipped, tasks.keys().cloned().collect(), "every task file has rows, and none has no file");
    assert_eq!(shipped.len(), 29);
    let mut session = session_in(folder.path());
    for (name, task) in &tasks {
        std::fs::create_dir(folder.path().join(name)).expect("made");
        for (split, rows) in &task.splits {
            std::fs::write(folder.path().join(name).join(format!("{split}.jsonl")), lines(rows)).expect("written");
        }
        holds(&mut session, name, task);
    }
    // Which scenario comes first was drawn both ways, and another seed draws otherwise.
    let (_, labels, _) = loaded(&mut session, "ethics_utilitarianism");
    assert_eq!(labels.iter().collect::<BTreeSet<_>>().len(), 2);
}

#[test]
fn every_task_makes_the_same_rows_of_parquet_however_the_hub_lays_it_out() {
    let tasks = tasks();
    let layouts: [fn(&str) -> String; 4] = [
        |split| format!("default/{split}/0000.parquet"),
        |split| format!("data/{split}-00000-of-00001.parquet"),
        |split| format!("{split}-00000-of-00001.parquet"),
        |split| format!("{split}.parquet"),
    ];
    let folder = tempfile::tempdir().expect("a folder");
    let mut session = session_in(folder.path());
    let with_config =
        |text: &str| text.split("config: \"").nth(1).and_then(|rest| rest.split('"').next()).map(str::to_owned);
    for (at, (name, task)) in tasks.iter().enumerate() {
        let (_, text) = TASKS.iter().find(|(own, _)| own.trim_start_matches("tasks/") == name).expect("shipped");
        let config = with_config(text).expect("a configuration");
        for (split, rows) in &task.splits {
            let place = layouts[at % layouts.len()](split);
            let place = if config == "default" { place } else { place.replace("default/", &format!("{config}/")) };
            parquet(rows, &folder.path().join(name).join(place));
        }
        holds(&mut session, name, task);
    }
}

#[test]
fn a_folder_of_the_hubs_cache_is_read_at_its_main_revision() {
    let folder = tempfile::tempdir().expect("a folder");
    let task = tasks().remove("boolq").expect("there");
    let cache = folder.path().join("boolq");
    for (split, rows) in &task.splits {
        parquet(rows, &cache.join(format!("snapshots/abc123/data/{split}-00000-of-00001.parquet")));
    }
    std::fs::create_dir_all(cache.join("refs")).expect("made");
    std::fs::write(cache.join("refs/main"), "abc123").expect("written");
    holds(&mut session_in(folder.path()), "boolq", &task);
}

fn refused(session: &mut Session, code: &str) -> String {
    match session.eval(code) {
        Ok(value) => panic!("{code} gave {}", w2s::bind::show(&value)),
        Err(error) => format!("{} / {}", error.message, error.hint.clone().unwrap_or_default()),
    }
}

#[test]
fn what_is_missing_is_said() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut session = session_in(folder.path());
    let load = |name: &str| format!("import \"tasks/{name}\" as task; task::load(#{{ folder: \"{name}\" }})");
    assert!(refused(&mut session, "import \"tasks/boolq\" as task; task::load(#{})").contains(
        "`hub:datasets/google/boolq` was not fetched into the store / type: w2s fetch hub:datasets/google/boolq"
    ));
    assert!(refused(&mut session, &load("boolq")).contains("`boolq`: no such file or folder"));
    let write = |place: &str, text: &str| {
        let path = folder.path().join(place);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        std::fs::write(path, text).expect("written");
    };
    write("boolq/train.jsonl", "{\"question\": \"q\", \"passge\": \"p\", \"answer\": true}\n");
    assert!(refused(&mut session, &load("boolq")).contains("no files of the split `validation`"));
    write("boolq/validation.jsonl", "{\"question\": \"r\", \"passage\": \"p\", \"answer\": true}\n");
    let said = refused(&mut session, &load("boolq"));
    assert!(said.contains("no field `passage`") && said.contains("did you mean `row.passge`?"), "{said}");
    // What nobody stated is said with the error.
    write("twitter_sentiment/train.jsonl", "{\"tweet\": \"x\", \"label\": 1}\n");
    write("twitter_sentiment/test.jsonl", "{\"tweet\": \"y\", \"label\": 1}\n");
    let said = refused(&mut session, &load("twitter_sentiment"));
    assert!(said.contains("no field `text`") && said.contains("is unverified: that label 1 is positive"), "{said}");
    // Shards count themselves.
    let rows = [serde_json::json!({"question": "q", "passage": "p", "answer": true})];
    parquet(&rows, &folder.path().join("boolq/data/train-00000-of-00002.parquet"));
    assert!(refused(&mut session, &load("boolq")).contains("has 1 of 2 files: train-00000-of-00002.parquet"));
}

#[test]
fn train_rows_whose_question_is_tested_are_left_out() {
    let folder = tempfile::tempdir().expect("a folder");
    let row =
        |question: &str, answer: bool| serde_json::json!({"question": question, "passage": "p", "answer": answer});
    let text = lines(&[row("a", true), row("b", false), row("c", true), row("d", false)]);
    std::fs::write(folder.path().join("train.jsonl"), text).expect("written");
    std::fs::write(folder.path().join("validation.jsonl"), lines(&[row("b", true)])).expect("written");
    let mut session = session_in(folder.path());
    let code =
        "import \"tasks/boolq\" as boolq; let t = boolq::load(#{ folder: \".\" }); [t.train.n_rows, t.test.n_rows]";
    let value = session.eval(code).unwrap_or_else(|error| panic!("{}", error.message));
    assert_eq!(w2s::bind::show(&value), "[3, 1]");
}

#[test]
fn expand_and_maps_of_files_refuse_what_they_cannot_mean() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("a.jsonl"), "{\"q\": \"x\", \"label\": 1}\n{\"q\": \"y\", \"label\": 0}\n")
        .expect("written");
    let mut session = session_in(folder.path());
    let fails = |session: &mut Session, code: &str| refused(session, code);
    let said = fails(&mut session, "data::load(\"a.jsonl\", #{ expand: |row, drawn| row.q })");
    assert!(
        said.contains("line 1: the function for `expand` must return an array of object maps, got a string `x`"),
        "{said}"
    );
    let said = fails(&mut session, "data::load(\"a.jsonl\", #{ expand: |row, drawn| [row.qq] })");
    assert!(said.contains("no field `qq`"), "{said}");
    assert!(fails(&mut session, "data::load(#{ valid: \"a.jsonl\" })").contains("there is no split `valid`"));
    assert!(fails(&mut session, "data::load(#{})").contains("no file is named"));
    assert!(fails(&mut session, "data::load(#{ train: 3 })").contains("`train` must be a path or an array of paths"));
    assert!(
        fails(&mut session, "data::load(#{ rows: \"a.jsonl\", test: \"a.jsonl\" })").contains("whose split is drawn")
    );
    assert!(fails(&mut session, "data::load(5)").contains("must be a string or an object map, got"));
    let said = fails(&mut session, "data::load(\"world/subject\", #{ expand: |row, drawn| [] })");
    assert!(said.contains("option `expand` of `data::load` is for files"), "{said}");
    let twice = "data::load(\"a.jsonl\", #{ text: \"t\", test_share: 0.0, \
                 expand: |row, drawn| [#{ t: row.q, label: row.label }, #{ t: `${row.q}!`, label: row.label }] }).n_rows";
    assert_eq!(w2s::bind::show(&session.eval(twice).unwrap_or_else(|error| panic!("{}", error.message))), "4");
}

#[test]
fn a_run_with_a_task_names_its_module_and_verifies() {
    let folder = tempfile::tempdir().expect("a folder");
    let task = tasks().remove("boolq").expect("there");
    for (split, rows) in &task.splits {
        std::fs::write(folder.path().join(format!("{split}.jsonl")), lines(rows)).expect("written");
    }
    let script = "import \"tasks/boolq\" as boolq;\nprint(boolq::load(#{ folder: \".\" }).train.n_rows);\n";
    std::fs::write(folder.path().join("s.rhai"), script).expect("written");
    let run = |arguments: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_w2s"));
        command.current_dir(folder.path()).env("W2S_STORE", folder.path().join("store")).args(arguments);
        let done = command.output().expect("runs");
        assert!(done.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
    };
    run(&["script", "s.rhai", "--quiet", "--run", "r"]);
    let record: Value =
        serde_json::from_slice(&std::fs::read(folder.path().join("r/record.json")).expect("a record")).expect("JSON");
    let names = record["stdlib"].as_array().expect("modules").iter().map(|library| &library["name"]);
    assert_eq!(
        names.collect::<Vec<_>>(),
        ["w2s", "claims", "errors", "prefer", "prefer_lm", "prompt", "tasks", "tasks/boolq"],
        "and none that was not imported"
    );
    run(&["verify", "r"]);
}
