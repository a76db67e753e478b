//! Non-interference: what does not follow a recorded reading of held-out truth does not hang on it.
//!
//! A session of these tests can exchange the classes of test and vault rows behind the digests of its data sets
//! ([`ExchangedTruth`], which no command lends). A script runs as it is and so; what it computed, printed and wrote must be the same up
//! to the first recorded reading of test rows, and every operation that no recorded use of truth names must be the same throughout.

use crate::peeking::{BEGIN, rows_csv};
use crate::support::{files_below, root, shown};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex};
use w2s::core::context::{Access, Context, Event, Memo, Settings};
use w2s::core::digest::Digest;
use w2s::data::ExchangedTruth;
use w2s::lang::{Session, Setup};
use w2s::store::StoreSession;

/// Something that came out of a run, in order.
#[derive(Debug, Clone, PartialEq)]
enum Item {
    /// A costly operation: name, digest, digests of its inputs, hash of its result.
    Operation {
        name: String,
        digest: String,
        inputs: Vec<String>,
        content: String,
    },
    Line(String),
    /// A file: its name and the hash of its content.
    File(String, String),
    Warning(String),
    /// A recorded reading of truth of these rows.
    Read {
        split: String,
    },
    /// A recorded use of truth of these rows, by which the value `result` was made.
    Used {
        split: String,
        result: String,
    },
}

fn is_held_out(split: &str) -> bool {
    split.contains("test") || split.contains("vault")
}

/// Runs a script in a folder with a store of its own; what came out, and how it ended.
fn run(folder: &Path, project: &Path, code: &str, args: &[&str], exchanged: Option<u64>) -> (Vec<Item>, String) {
    let settings = Settings {
        seed_offset: 0,
        n_threads: 2,
        device: "cpu".to_owned(),
        store: folder.join("store"),
        bucket: None,
        memo: Memo::On,
        checkpoint: None,
        run_dir: Some(folder.to_owned()),
        ..Context::for_tests().settings
    };
    let access = Access {
        read: vec![folder.to_owned(), project.to_owned()],
        write: vec![folder.to_owned()],
        project: project.to_owned(),
        ..Access::default()
    };
    let mut ctx = Arc::new(StoreSession::default()).lend(Context::new(settings, access));
    if let Some(seed) = exchanged {
        ctx = ctx.with(Arc::new(ExchangedTruth(seed)));
    }
    let items: Arc<Mutex<Vec<Item>>> = Arc::default();
    let (printed, told) = (items.clone(), items.clone());
    let store = folder.join("store");
    ctx.listen(move |event| {
        let item = match event {
            Event::Operation { operation, .. } => {
                let content = content_of(&store, &operation.key);
                let inputs = operation.inputs.into_iter().map(|(_, digest)| digest).collect();
                Item::Operation { name: operation.name, digest: operation.digest, inputs, content }
            }
            Event::TruthRead(reading) => Item::Read { split: reading.split },
            Event::TruthUsed { reading, result, .. } => Item::Used { split: reading.split, result },
            Event::Warning { text } => Item::Warning(text),
            Event::Written { files, .. } => {
                let mut all = told.lock().expect("whole");
                for file in
                    files.iter().flat_map(|path| if path.is_dir() { files_of(path) } else { vec![path.clone()] })
                {
                    let hash = Digest::of_bytes(&std::fs::read(&file).expect("written")).to_hex();
                    all.push(Item::File(file.file_name().expect("a name").to_string_lossy().into_owned(), hash));
                }
                return;
            }
            _ => return,
        };
        told.lock().expect("whole").push(item);
    });
    let setup = Setup {
        args: args.iter().map(|arg| (*arg).to_owned()).collect(),
        output: Arc::new(move |text| printed.lock().expect("whole").push(Item::Line(text.to_owned()))),
        ..Setup::default()
    };
    let answer = Session::with(Arc::new(ctx), setup).eval(code);
    let end = answer.map_or_else(|error| error.message.clone(), |value| value.to_string());
    let items = items.lock().expect("whole").clone();
    (items, end)
}

fn files_of(folder: &Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    let mut files: Vec<_> = entries.filter(|path| path.is_file()).collect();
    files.sort();
    files
}

/// The hash of the result that the store has under a key; empty for what is not kept.
fn content_of(store: &Path, key: &str) -> String {
    let Some(start) = key.get(..2) else { return String::new() };
    let text = std::fs::read_to_string(store.join(format!("keys/{start}/{key}.json"))).expect("a manifest");
    let (_, text) = text.split_once('\n').expect("a hash in the first line");
    let manifest: serde_json::Value = serde_json::from_str(text).expect("json");
    manifest["content"].as_str().expect("a hash").to_owned()
}

/// What came out before the first recorded reading of held-out rows.
fn before_reading(items: &[Item]) -> &[Item] {
    let is_reading = |item: &Item| matches!(item, Item::Read { split } if is_held_out(split));
    items.split(is_reading).next().unwrap_or_default()
}

/// Results that no use of held-out truth names, by digest: not their own, nor that of what they were made from.
fn untouched(items: &[Item]) -> BTreeMap<&str, &str> {
    let used = items.iter().filter_map(|item| match item {
        Item::Used { split, result } if is_held_out(split) => Some(result.as_str()),
        _ => None,
    });
    let mut touched: BTreeSet<&str> = used.collect();
    let mut results = BTreeMap::new();
    for item in items {
        if let Item::Operation { digest, inputs, content, .. } = item {
            if inputs.iter().any(|input| touched.contains(input.as_str())) {
                touched.insert(digest);
            }
            results.insert(digest.as_str(), content.as_str());
        }
    }
    results.retain(|digest, _| !touched.contains(digest));
    results
}

/// What hangs on held-out truth without a recorded reading; none where nothing does.
fn interference(plain: &[Item], exchanged: &[Item]) -> Option<String> {
    let (one, other) = (before_reading(plain), before_reading(exchanged));
    for at in 0..one.len().max(other.len()) {
        if one.get(at) != other.get(at) {
            return Some(format!("{:?} against {:?}", one.get(at), other.get(at)));
        }
    }
    let (one, other) = (untouched(plain), untouched(exchanged));
    let differs = |(digest, content): (&&str, &&str)| other.get(*digest).is_some_and(|other| other != content);
    one.iter().find(|(digest, content)| differs((digest, content))).map(|(digest, _)| format!("the result {digest}"))
}

fn both(project: &Path, code: &str, args: &[&str]) -> [(Vec<Item>, String); 2] {
    [None, Some(7)].map(|exchanged| {
        let folder = tempfile::tempdir().expect("a folder");
        run(folder.path(), project, code, args, exchanged)
    })
}

#[test]
fn no_script_hangs_on_test_truth_that_it_did_not_read() {
    for path in files_below(&root().join("scripts"), "rhai") {
        let text = std::fs::read_to_string(&path).expect("text");
        if text.lines().any(|line| line.starts_with("// Needs:")) {
            continue;
        }
        let [(plain, end), (exchanged, other_end)] = both(&root().join("scripts"), &text, &["--smoke"]);
        assert_eq!(end, other_end, "{}", shown(&path));
        assert_eq!(interference(&plain, &exchanged), None, "{}", shown(&path));
        let all = |items: &[Item]| {
            untouched(items).into_iter().map(|(d, c)| (d.to_owned(), c.to_owned())).collect::<Vec<_>>()
        };
        assert_eq!(all(&plain), all(&exchanged), "{}: which results there are", shown(&path));
        // Where test rows were scored, the exchange must be seen: otherwise this test could not fail.
        let scored = plain.iter().any(|item| matches!(item, Item::Read { split } if is_held_out(split)));
        assert!(!scored || plain != exchanged, "{}: the classes were not exchanged", shown(&path));
        assert!(plain.iter().any(|item| matches!(item, Item::Operation { .. })), "{}", shown(&path));
    }
}

/// What each of the fifteen ways tries, as prints that would tell the classes of test rows.
const WAYS: [(&str, &str); 15] = [
    (
        "train on test rows",
        "try { model.finetune(task.test, task.test.truth(\"a test\"), how); } catch (e) { print(e.code); }",
    ),
    (
        "rows made of test rows and their truth",
        "let rows = task.test.frame().drop(\"split\").join(task.test.truth(\"a test\").select([\"id\", \"label\"]));\n\
         let mine = data::of(rows, #{ test_share: 0.0 }); try { model.finetune(mine, mine.truth(\"a test\"), how); } catch (e) { print(e.code); }",
    ),
    (
        "choose and stop by a test metric",
        "let labels = task.train.truth(\"supervisor\");\n\
         print([1, 2].map(|seed| metric::accuracy(model.finetune(task.train, labels, how + #{ seed: seed }).predict(task.test), task.test)));\n\
         model.finetune(task.train, labels, how + #{ lr: 0.05, oracle_validation: #{ data: task.test, every: 1, keep: \"best\" } });",
    ),
    (
        "score against a frame",
        "let weak = model.finetune(task.train, task.train.truth(\"supervisor\"), how).predict(task.test); print(weak.column(\"p1\"));\n\
         let truth = task.test.truth(\"a test\"); for i in 0..5 { print(metric::log_loss(weak, truth)); }",
    ),
    (
        "a loss that captures truth",
        "let truth = task.test.truth(\"captured\"); let labels = task.train.truth(\"supervisor\"); let share = truth.row(0).label * 1.0;\n\
         model.finetune(task.train, labels, how + #{ loss: |logits, weak, at| { truth.n_rows; logits.cross_entropy(weak) * (1.0 + share) } });",
    ),
    (
        "a loss that reads truth",
        "let labels = task.train.truth(\"supervisor\");\n\
         model.finetune(task.train, labels, how + #{ loss: |logits, weak, at| { let first = task.test.truth(\"inside\").row(0).label * 1.0; logits.cross_entropy(weak) * (1.0 + first) } });",
    ),
    (
        "a file of the run",
        "task.test.truth(\"saved\").write_csv(\"t.csv\"); print(frame::read_csv(\"t.csv\").column(\"label\"));",
    ),
    ("a file of another run", "print(\"nothing here\");"),
    ("the source file", "print(frame::read_csv(\"rows.csv\").column(\"label\"));"),
    (
        "the file again",
        "let again = data::load(\"rows.csv\", #{ split: |row| if row.id in [\"r0\", \"r1\"] { \"test\" } else { \"train\" } }); print(again);\n\
         model.finetune(again.train, again.train.truth(\"supervisor\"), how);",
    ),
    ("truth for a part", "for at in 0..4 { print(task.test.take([at]).truth(\"part\").row(0).label); }"),
    (
        "draws as an oracle",
        "print(task); print(task.test); print(script::digest(task.test)); print(task.test.shuffle(1).frame().column(\"id\"));\n\
         for at in 1..4 { try { task.test.take([0, at]).sample(2, 0); print(`${at} differs`); } catch (e) { print(e.code); } }\n\
         print(task.test.take([0, 1]).sample(1, 0, #{ balanced: false }).frame().column(\"id\"));\n\
         print(task.test.halves(3, #{ balanced: false })[0].frame().column(\"id\"));\n\
         print(task.test.halves(3)[0].frame().column(\"id\")); print(task.test.sample(2, 4).frame().column(\"id\"));",
    ),
    (
        "the lexicon",
        "print(world::lexicon(world::language()).n_rows);\n\
         print(world::properties(world::language(), task.test.frame().column(\"text\")).column(\"verdict\"));",
    ),
    (
        "another seed of a world task",
        "let n = #{ n_train: 60, n_test: 60 }; let one = data::load(\"world/mood\", n + #{ seed: 0 }); let two = data::load(\"world/mood\", n + #{ seed: 1 });\n\
         print(one); print(two.train.frame().column(\"text\")); print(one.test);",
    ),
    (
        "test texts relabelled",
        "let mine = data::of(task.test.frame().column(\"text\").map(|text, at| #{ text: text, label: at % 2, split: \"train\" })); print(mine);\n\
         try { model.finetune(mine, mine.truth(\"mine\"), how); } catch (e) { print(e.code); }",
    ),
];

#[test]
fn none_of_the_fifteen_ways_gets_at_test_truth_past_the_record() {
    let project = tempfile::tempdir().expect("a folder");
    std::fs::write(project.path().join("rows.csv"), rows_csv()).expect("written");
    for (way, code) in WAYS {
        let [(plain, end), (exchanged, other)] = both(project.path(), &format!("{BEGIN}{code}\n()"), &[]);
        assert_eq!(interference(&plain, &exchanged), None, "{way}");
        assert_eq!(end, "", "{way}");
        assert_eq!(end, other, "{way}");
    }
}

#[test]
fn the_exchange_is_seen_where_truth_is_read_and_a_leak_would_be_found() {
    let project = tempfile::tempdir().expect("a folder");
    std::fs::write(project.path().join("rows.csv"), rows_csv()).expect("written");
    let code = format!(
        "{BEGIN}print(task.test.truth(\"a test\").column(\"label\")); print(task.train.truth(\"a test\").column(\"label\"));"
    );
    let [(plain, _), (exchanged, _)] = both(project.path(), &code, &[]);
    let lines = |items: &[Item]| -> Vec<String> {
        items.iter().filter_map(|item| if let Item::Line(line) = item { Some(line.clone()) } else { None }).collect()
    };
    let (one, other) = (lines(&plain), lines(&exchanged));
    assert_ne!(one[0], other[0], "test rows have other classes");
    assert_eq!(one[1], other[1], "train rows have their own");
    let sorted = |line: &str| {
        let mut parts: Vec<_> = line.trim_matches(['[', ']']).split(", ").map(str::to_owned).collect();
        parts.sort();
        parts
    };
    assert_eq!(sorted(&one[0]), sorted(&other[0]), "and as many of each");
    let unrecorded =
        |items: &[Item]| items.iter().filter(|item| !matches!(item, Item::Read { .. })).cloned().collect::<Vec<_>>();
    let found =
        interference(&unrecorded(&plain), &unrecorded(&exchanged)).expect("what is printed hangs on the classes");
    assert!(found.contains("Line"), "{found}");
    let made = |content: &str| Item::Operation {
        name: "finetune".into(),
        digest: "d".into(),
        inputs: Vec::new(),
        content: content.into(),
    };
    let read = || Item::Read { split: "test".into() };
    assert!(interference(&[read(), made("a")], &[read(), made("b")]).is_some(), "a result that names no use");
    let used = || Item::Used { split: "test".into(), result: "d".into() };
    assert!(interference(&[read(), made("a"), used()], &[read(), made("b"), used()]).is_none());
}

#[test]
fn a_file_with_other_test_classes_gives_the_same_models_and_predictions() {
    let flipped: String = rows_csv()
        .lines()
        .map(|line| match line.strip_suffix(",test").and_then(|rest| rest.rsplit_once(',')) {
            Some((rest, label)) => format!("{rest},{},test\n", if label == "yes" { "no" } else { "yes" }),
            None => format!("{line}\n"),
        })
        .collect();
    assert_ne!(flipped, rows_csv());
    let code = format!(
        "{BEGIN}let trained = model.finetune(task.train, task.train.truth(\"supervisor\"), how);\n\
         trained.save(\"trained\"); print(trained.predict(task.test).to_csv()); print(task); print(task.test.halves(1, #{{ balanced: false }})[0].frame().to_csv());"
    );
    let run_on = |rows: &str| {
        let (project, folder) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
        std::fs::write(project.path().join("rows.csv"), rows).expect("written");
        let (items, end) = run(folder.path(), project.path(), &code, &[], None);
        assert_eq!(end, "");
        items
    };
    let (plain, other) = (run_on(&rows_csv()), run_on(&flipped));
    // Digests are names and cover all classes of the file; contents, lines and files are what came out.
    let out = |items: Vec<Item>| -> Vec<String> {
        let named = |item| match item {
            Item::Operation { name, content, .. } => Some(format!("{name} {content}")),
            Item::Line(line) => Some(line),
            Item::File(name, hash) if name.ends_with(".safetensors") => Some(format!("{name} {hash}")),
            _ => None,
        };
        items.into_iter().filter_map(named).collect()
    };
    let (plain, other) = (out(plain), out(other));
    assert!(plain.len() >= 6, "{plain:?}");
    assert_eq!(plain, other);
}
