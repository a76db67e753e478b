//! Data sets from files, through a script: what is read, and what malformed files say.

use crate::support::session_in;
use std::path::Path;
use w2s::lang::Session;

fn session_with(folder: &Path, files: &[(&str, &str)]) -> Session {
    for (name, text) in files {
        std::fs::write(folder.join(name), text).expect("written");
    }
    session_in(folder)
}

fn shown(session: &mut Session, code: &str) -> String {
    match session.eval(code) {
        Ok(value) => w2s::bind::show(&value),
        Err(error) => panic!("{code}: {} ({})", error.message, error.code),
    }
}

fn fails(session: &mut Session, code: &str) -> (String, String) {
    match session.eval(code) {
        Ok(value) => panic!("{code} gave {}", w2s::bind::show(&value)),
        Err(error) => {
            assert!(error.place.is_some(), "{code}: no place");
            (error.code.clone(), format!("{} / {}", error.message, error.hint.clone().unwrap_or_default()))
        }
    }
}

const CSV: &str = "headline,is_sarcastic\n\"man, bored\",1\nplain news,0\nmore news,0\nodd news,1\n";

#[test]
fn files_are_mapped_by_name_and_by_function() {
    let folder = tempfile::tempdir().expect("a folder");
    let jsonl = "{\"q\": {\"text\": \"2 + 2?\"}, \"choices\": [\"4\", \"5\"], \"answer\": 0, \"n\": 1}\n\
                 {\"q\": {\"text\": \"2 + 3?\"}, \"choices\": [\"4\", \"5\"], \"answer\": 1, \"n\": 2}\n";
    let mut session = session_with(folder.path(), &[("h.csv", CSV), ("q.jsonl", jsonl)]);
    let load = "data::load(\"h.csv\", #{ text: \"headline\", label: \"is_sarcastic\", test_share: 0.5, seed: 1 })";
    assert_eq!(shown(&mut session, load), "h.csv: train 2 (0 1, 1 1), test 2 (0 1, 1 1)");
    let load = "let d = data::load(\"q.jsonl\", #{ text: |row| `${row.q.text} ${row.choices[row.answer]}`, \
                label: |row| row.answer == 1, id: |row| `q${row.n}`, test_share: 0.0 });\n\
                [d, d.frame().rows()[1].text, d.frame().rows()[0].id]";
    let said = shown(&mut session, load);
    assert!(said.contains("2 + 3? 5") && said.contains("q1"), "{said}");
    let indices = "data::load(\"h.csv\", #{ text: \"headline\", label: \"is_sarcastic\", classes: [\"plain\", \"odd\"], \
                   test_share: 0.0 }).n_rows";
    assert_eq!(shown(&mut session, indices), "4");
}

#[test]
fn malformed_files_say_where_and_what() {
    let folder = tempfile::tempdir().expect("a folder");
    let files = [
        ("h.csv", CSV),
        ("ragged.csv", "text,label\na,0\nb,1,2\n"),
        ("open.csv", "text,label\n\"a,0\n"),
        ("empty.csv", ""),
        ("header.csv", "text,label\n"),
        ("one.csv", "text,label\na,0\nb,0\n"),
        ("ids.csv", "id,text,label\n7,a,0\n7,b,1\n"),
        ("bad.jsonl", "{\"text\": \"a\", \"label\": 0}\n{\"text\": \"b\", \"label\": \n"),
        ("types.jsonl", "{\"text\": \"a\", \"label\": 0}\n{\"text\": [1], \"label\": 1}\n"),
        ("missing.jsonl", "{\"text\": \"a\", \"label\": 0}\n{\"label\": 1}\n"),
        ("split.csv", "text,label,split\na,0,train\nb,1,dev\n"),
        ("crossing.csv", "text,label,group,split\na,0,g,train\nb,1,g,test\n"),
        ("not.parquet", "PAR1 and nothing else"),
        ("rows.xml", "<a/>"),
    ];
    let mut session = session_with(folder.path(), &files);
    let cases = [
        ("h.csv", "data/no-column", "there is no column `text` / columns: headline, is_sarcastic"),
        ("ragged.csv", "data/malformed", "`ragged.csv` line 3: has 3 fields, the header has 2"),
        ("open.csv", "data/malformed", "`open.csv` line 2, field `text`: the quoted field does not end"),
        ("empty.csv", "data/file", "`empty.csv`: is empty"),
        ("header.csv", "data/no-rows", "`header.csv` has no rows"),
        ("one.csv", "data/one-class", "`one.csv` has only one class, `0`"),
        ("ids.csv", "data/repeated-id", "the id `7` occurs twice: rows 1 and 2"),
        ("bad.jsonl", "data/malformed", "`bad.jsonl` line 2: is not JSON"),
        ("types.jsonl", "data/malformed", "line 2, field `text`: expected text, got an array of 1 items"),
        ("missing.jsonl", "data/malformed", "line 2, field `text`: expected text, got no such field"),
        (
            "split.csv",
            "data/malformed",
            "line 3, field `split`: expected `train`, `test` or `vault`, got the text `dev`",
        ),
        ("crossing.csv", "data/group-crosses-splits", "the group `g` has train rows and test rows"),
        ("not.parquet", "data/file", "`not.parquet`: is not readable as Parquet"),
        ("none.csv", "access/path", "`none.csv`: no such file or folder"),
        ("../up.csv", "access/read", "is outside this script's project"),
        ("rows.xml", "data/unknown", "there is no data set `rows.xml`"),
    ];
    for (file, code, part) in cases {
        let (found, said) = fails(&mut session, &format!("data::load(\"{file}\")"));
        assert_eq!(found, code, "{file}: {said}");
        assert!(said.contains(part), "{file}: {said}");
    }
}

#[test]
fn options_that_cannot_be_meant_are_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut session = session_with(folder.path(), &[("h.csv", CSV)]);
    let named = "text: \"headline\", label: \"is_sarcastic\"";
    let cases = [
        (format!("data::load(\"h.csv\", #{{ {named}, test_share: 1.0 }})"), "the test share must be at least 0"),
        (format!("data::load(\"h.csv\", #{{ {named}, test_share: 0.0/0.0 }})"), "the test share must be at least 0"),
        (format!("data::load(\"h.csv\", #{{ {named}, classes: [\"a\"] }})"), "expected one of a"),
        (format!("data::load(\"h.csv\", #{{ {named}, classes: [\"a\", \"a\"] }})"), "`a` is listed twice"),
        (format!("data::load(\"h.csv\", #{{ {named}, n_train: 100 }})"), "`n_train` is 100, `h.csv` has "),
        ("data::load(\"h.csv\", #{ text: 5 })".into(), "option `text` of `data::load` must be one of string, function"),
        ("data::load(\"h.csv\", #{ texts: \"headline\" })".into(), "has no option `texts`"),
        ("data::load(\"world/era\", #{ text: \"a\" })".into(), "option `text` of `data::load` is for files"),
        (
            "model::load(\"smolm2\")".into(),
            "/ did you mean `smollm2`? models by name: minilm, minilm-l3, mpnet, smollm2; others",
        ),
        ("model::load(\"SmolLM2\")".into(), "/ did you mean `smollm2`?"),
        ("data::load(\"sarcasm\")".into(), "`sarcasm` was not fetched into the store / type: w2s fetch sarcasm"),
        (format!("data::load(\"h.csv\", #{{ {named}, id: |row| row }})"), "expected text or an integer"),
        (
            format!("data::load(\"h.csv\", #{{ {named}, id: |row| row.nothing.more }})"),
            "line 2 has no field `nothing`, and no other row has",
        ),
        (format!("data::load(\"h.csv\", #{{ {named}, id: |row| throw \"mine\" }})"), "mine"),
        (format!("data::load(\"h.csv\", #{{ {named}, difficulty: |row| 2.0 }})"), "a number between 0 and 1"),
    ];
    for (code, part) in cases {
        let (_, said) = fails(&mut session, &code);
        assert!(said.contains(part), "{code}: {said}");
    }
}

#[cfg(unix)]
#[test]
fn a_link_out_of_the_project_is_not_followed() {
    let (folder, outside) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    std::fs::write(outside.path().join("h.csv"), CSV).expect("written");
    std::os::unix::fs::symlink(outside.path().join("h.csv"), folder.path().join("link.csv")).expect("linked");
    let mut session = session_in(folder.path());
    let (code, said) = fails(&mut session, "data::load(\"link.csv\")");
    assert_eq!(code, "access/read", "{said}");
}

#[test]
fn pairs_are_read_from_files_and_trained_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let line =
        |idx: usize| format!("{{\"prompt\": \"the dog {idx}\", \"chosen\": \"is good\", \"rejected\": \"is bad\"}}\n");
    let jsonl: String = (0..20).map(line).collect();
    let csv: String =
        std::iter::once("q,better,worse\n".to_owned()).chain((0..20).map(|idx| format!("q{idx},good,bad\n"))).collect();
    let wrong = format!("{jsonl}{{\"prompt\": \"p\", \"chosen\": \"same\", \"rejected\": \"same\"}}\n");
    let mut session = session_with(folder.path(), &[("p.jsonl", &jsonl), ("p.csv", &csv), ("w.jsonl", &wrong)]);
    let load = "let d = data::load(\"p.jsonl\", #{ test_share: 0.25, seed: 1 });\n\
                [d.input, d.target, d.classes, d.train.n_rows, d.test.n_rows]";
    assert_eq!(shown(&mut session, load), "[\"prompt\", \"preference\", [\"first\", \"second\"], 15, 5]");
    let trained = "let m = model::untrained(d).finetune(d.train, d.train.truth(\"a test\"), #{ epochs: 20, lr: 0.01, seed: 0 });\n\
                   [metric::accuracy(m.predict(d.test), d.test), m.score(d.test).height, m.n_classes]";
    assert_eq!(shown(&mut session, trained), "[1.0, 10, 1]");
    let margins = "metric::margins(m.score(d.test), d.test).select(col(\"margin\").min()).item() > 0.0";
    assert_eq!(shown(&mut session, margins), "true");
    let named = "data::load(\"p.csv\", #{ prompt: \"q\", chosen: \"better\", rejected: |row| row.worse, between: \": \", \
                 test_share: 0.0 }).frame().row(0).continuation0";
    assert!([": good", ": bad"].contains(&shown(&mut session, named).as_str()));
    let cases = [
        (
            "data::load(\"w.jsonl\")",
            "data/malformed",
            "`w.jsonl` line 21, field `rejected`: expected another text than the chosen one",
        ),
        (
            "data::load(\"p.csv\", #{ chosen: \"better\", rejected: \"best\" })",
            "data/no-column",
            "there is no column `best`",
        ),
        (
            "data::load(\"p.csv\", #{ chosen: \"better\", rejected: \"worse\", label: \"q\" })",
            "data/one-of",
            "give one of `chosen` and `label`",
        ),
        ("data::load(\"world/preference\", #{ ask: true })", "data/not-a-task", "leave it out"),
        ("data::load(\"world/preference\", #{ chosen: \"a\" })", "data/not-a-file", "is for files"),
        ("data::load(\"p.csv\", #{ version: 1 })", "data/not-the-world", "does not apply to `p.csv`"),
        ("data::load(\"world/era\", #{ version: 3 })", "world/version", "versions: 1 to 2"),
        (
            "m.predict(data::load(\"world/subject\", #{ seed: 0, n_train: 4, n_test: 2 }))",
            "model/other-head",
            "has a head that scores",
        ),
    ];
    for (code, expected, part) in cases {
        let (found, said) = fails(&mut session, code);
        assert!(found == expected && said.contains(part), "{code}: {found}: {said}");
    }
    let features = "let f = data::of([#{ features: [0.5, 1.0], label: 0 }, #{ features: [1.5, 2.0], label: 1 }], #{ test_share: 0.0 });\n\
                    [f.input, f.frame().row(1).x1]";
    assert_eq!(shown(&mut session, features), "[\"features\", 2.0]");
    let (found, said) = fails(&mut session, "model::ladder(\"world\")[0].finetune(f, f.truth(\"a test\"))");
    assert!(
        found == "model/input" && said.contains("reads text, tokens and prompts, and rows of `rows` hold features"),
        "{said}"
    );
}
