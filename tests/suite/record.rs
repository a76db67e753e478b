//! Runs as they are kept: what `record.json` holds, and how runs are listed, shown and compared.

use crate::support::{files_below, root};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::{Command, Stdio};

/// The program in a folder, with a store of its own.
pub fn w2s(folder: &Path, args: &[&str]) -> (i32, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_w2s"))
        .current_dir(folder)
        .env("W2S_STORE", folder.join("store"))
        .args(["--threads", "2"])
        .args(args)
        .stdin(Stdio::null())
        .output()
        .expect("runs");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    (output.status.code().unwrap_or(-1), text(output.stdout), text(output.stderr))
}

/// A small experiment: a file of rows, an import, a training, a table with an interval, a figure, a warning.
const MAIN: &str = "import \"part\" as part;\n\
    let rows = data::load(\"rows.csv\", #{ seed: script::seeds(1)[0], test_share: 0.25 });\n\
    let model = model::untrained(rows.train, #{ width: 8, layers: 1, seed: 1 });\n\
    let trained = model.finetune(rows.train, rows.train.truth(\"supervisor\"), #{ epochs: 4, batch: 4, lr: part::lr(), seed: 2 });\n\
    let right = metric::log_loss(trained.predict(rows.test), rows.test);\n\
    print(`log loss ${right}`);\n\
    report::table(frame::of([#{ method: \"naive\", loss: right, loss_low: right - 0.1, loss_high: right + 0.1, alone: right }]), #{ name: \"results\" });\n\
    report::figure(plot::lines(frame::of([#{ x: 0, y: 0.5 }, #{ x: 1, y: right }])), #{ name: \"curve\" });\n\
    trained.save(\"trained\");\n\
    w2s_version(\"7.0\");\n";

/// The experiment in the folder `exp` below a new folder.
pub fn experiment() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let exp = folder.path().join("exp");
    std::fs::create_dir(&exp).expect("made");
    let row = |n: usize| {
        format!("{} dog number {n},{}\n", if n.is_multiple_of(2) { "good" } else { "bad" }, ["yes", "no"][n % 2])
    };
    let rows: String = (0..16).map(row).collect();
    for (name, text) in [
        ("main.rhai", MAIN),
        ("part.rhai", "fn lr() { 0.01 }\n"),
        ("rows.csv", &format!("text,label\n{rows}")),
        ("fails.rhai", "print(\"first\");\nlet n = metric::accuracy(1, 2);\n"),
        (
            "again.rhai",
            "let rows = data::load(\"rows.csv\", #{ seed: 1 });\ndata::of(rows.frame(), #{ classes: [\"no\", \"yes\"], split: |row| \"train\" });\n\
             let task = data::load(\"rows.csv\", #{ seed: 1, test_share: 0.5, vault: 0.5 });\n\
             let ids = task.vault.frame().column(\"id\");\n\
             metric::vault(frame::of(#{ id: ids, prediction: ids.map(|id| 0) }), task);\n",
        ),
        ("fetched.rhai", "try { model::load(\"hub:o/n\"); } catch (e) { print(e.code); }\n"),
    ] {
        std::fs::write(exp.join(name), text).expect("written");
    }
    folder
}

/// Runs a script of the experiment; its run folder.
pub fn run(folder: &Path, script: &str, args: &[&str]) -> String {
    let name = format!("run-{}", std::fs::read_dir(folder).expect("there").count());
    let all = [&["script", "--quiet", "--run", &name, script], args].concat();
    let (_, _, err) = w2s(folder, &all);
    assert!(folder.join(&name).join("record.json").exists(), "{err}");
    name
}

pub fn record(folder: &Path, run: &str) -> serde_json::Value {
    let text = std::fs::read_to_string(folder.join(run).join("record.json")).expect("a record");
    serde_json::from_str(&text).expect("json")
}

/// A fetched model that is none: enough to be read.
pub fn fetch_something(folder: &Path) {
    let hub = folder.join("store/hub/o--n@main");
    std::fs::create_dir_all(&hub).expect("made");
    let sum = w2s::store::sha256_of(b"{}");
    let files = ["config.json", "tokenizer.json", "model.safetensors"];
    files.iter().for_each(|file| std::fs::write(hub.join(file), "{}").expect("written"));
    let digests: serde_json::Map<_, _> = files.iter().map(|file| ((*file).to_owned(), sum.clone().into())).collect();
    std::fs::write(hub.join("digests.json"), serde_json::to_string(&digests).expect("text")).expect("written");
}

/// The fields of a record as its documentation calls them.
fn fields(value: &serde_json::Value, path: &str, found: &mut BTreeSet<String>) {
    match value {
        serde_json::Value::Object(map) => {
            let event = map.get("event").and_then(|event| event.as_str());
            let of_event = event.map(|event| path.replace("[]", &format!("[{event}]")));
            for (key, value) in map {
                let shared = ["event", "at"].contains(&key.as_str());
                let path = of_event.as_deref().filter(|_| !shared).unwrap_or(path);
                fields(value, &if path.is_empty() { key.clone() } else { format!("{path}.{key}") }, found);
            }
        }
        serde_json::Value::Array(items) if items.iter().any(serde_json::Value::is_object) => {
            items.iter().for_each(|item| fields(item, &format!("{path}[]"), found));
        }
        // An empty list of objects says nothing about them; lists of plain values are fields.
        serde_json::Value::Array(items) if items.is_empty() && ["reads", "fetched", "events"].contains(&path) => {}
        _ => {
            found.insert(path.to_owned());
        }
    }
}

#[test]
fn every_field_of_a_record_is_documented_and_every_documented_field_exists() {
    let folder = experiment();
    let folder = folder.path();
    fetch_something(folder);
    let runs = [
        run(folder, "exp/main.rhai", &["--", "a"]),
        run(folder, "exp/main.rhai", &[]),
        run(folder, "exp/fails.rhai", &[]),
        run(folder, "exp/fetched.rhai", &[]),
        run(folder, "exp/again.rhai", &[]),
    ];
    let mut found = BTreeSet::new();
    for run in &runs {
        fields(&record(folder, run), "", &mut found);
    }
    let text = std::fs::read_to_string(crate::support::root().join("docs/record.md")).expect("docs/record.md");
    let row =
        |line: &str| line.strip_prefix("| `").and_then(|rest| rest.split_once("` |")).map(|(name, _)| name.to_owned());
    let section =
        text.split("## Fields").nth(1).and_then(|rest| rest.split("## ").next()).expect("a section of fields");
    let documented: BTreeSet<String> = section.lines().filter_map(row).collect();
    let undocumented: Vec<&String> = found.difference(&documented).collect();
    let invented: Vec<&String> = documented.difference(&found).collect();
    assert!(undocumented.is_empty() && invented.is_empty(), "undocumented: {undocumented:?}, invented: {invented:?}");
    assert!(text.contains(&format!("The schema is `{}`", w2s::record::SCHEMA)));
}

#[test]
fn a_record_holds_what_a_rerun_needs_and_no_path_of_this_machine() {
    let folder = experiment();
    let folder = folder.path().canonicalize().expect("real");
    fetch_something(&folder);
    let whole = folder.join("exp/main.rhai");
    let name = run(&folder, whole.to_str().expect("text"), &["--seed", "5"]);
    let held = record(&folder, &name);
    let text = held.to_string();
    assert!(!text.contains(folder.to_str().expect("text")), "{text}");
    assert_eq!((&held["script"], &held["project"]), (&"main.rhai".into(), &"../exp".into()));
    assert_eq!(held["sources"][1]["path"], "part.rhai");
    assert_eq!(held["seeds"], serde_json::json!([1, 2, 5]));
    let rows = std::fs::read(folder.join("exp/rows.csv")).expect("there");
    assert_eq!((&held["reads"][0]["path"], &held["reads"][0]["root"]), (&"rows.csv".into(), &"project".into()));
    assert_eq!(held["reads"][0]["blake3"], w2s::core::digest::Digest::of_bytes(&rows).to_hex());
    assert!(held["printed"]["lines"][0].as_str().expect("text").starts_with("log loss "));
    let written: Vec<&str> =
        held["events"].as_array().expect("events").iter().filter_map(|e| e["kind"].as_str()).collect();
    assert_eq!(written, ["table", "figure", "model"]);
    let fails = folder.join("exp/fails.rhai");
    let failed = record(&folder, &run(&folder, fails.to_str().expect("text"), &[]));
    assert_eq!(
        (&failed["outcome"]["kind"], &failed["outcome"]["place"]),
        (&"failed".into(), &"fails.rhai:2:17".into())
    );
    assert!(!failed.to_string().contains(folder.to_str().expect("text")), "{failed}");
    let fetched = record(&folder, &run(&folder, "exp/fetched.rhai", &[]));
    assert_eq!(
        (&fetched["fetched"][0]["id"], fetched["fetched"].as_array().map(Vec::len)),
        (&"hub:o/n".into(), Some(3))
    );
}

#[test]
fn runs_are_listed_and_shown() {
    let folder = experiment();
    let folder = folder.path();
    let (first, second) = (run(folder, "exp/main.rhai", &[]), run(folder, "exp/main.rhai", &[]));
    std::fs::create_dir(folder.join("broken")).expect("made");
    std::fs::write(folder.join("broken/record.json"), "{\"schema\": \"w2s-run/1\"}").expect("written");
    let (code, out, err) = w2s(folder, &["runs", "."]);
    assert_eq!(code, 0, "{err}");
    assert!(err.contains("error[record/older]") && err.contains("w2s-run/1"), "{err}");
    let line = |run: &str| out.lines().find(|line| line.contains(run)).unwrap_or_else(|| panic!("{out}")).to_owned();
    let columns = |run: &str| line(run).split_whitespace().skip(2).map(str::to_owned).collect::<Vec<_>>().join(" ");
    assert!(columns(&first).starts_with("exp/main.rhai done") && columns(&first).ends_with("2 0 results"), "{out}");
    assert!(columns(&second).ends_with("0 2 results"), "{out}");
    let (_, json, _) = w2s(folder, &["runs", ".", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&json).expect("json");
    assert_eq!((json[0]["computed"].as_u64(), json[1]["stored"].as_u64()), (Some(2), Some(2)));
    let (code, out, err) = w2s(folder, &["show", &first]);
    assert_eq!(code, 0, "{err}");
    for part in [
        "2 operations: 2 computed",
        "supervisor",
        "metric::log_loss",
        "table `results`",
        "naive",
        "rows.csv",
        "the script was written for w2s 7.0",
    ] {
        assert!(out.contains(part), "{part}: {out}");
    }
    let (code, _, err) = w2s(folder, &["show", "exp"]);
    assert_eq!(code, 3);
    assert!(err.contains("error[record/none]"), "{err}");
}

#[test]
fn a_difference_names_option_data_code_and_numbers() {
    let folder = experiment();
    let folder = folder.path();
    let first = run(folder, "exp/main.rhai", &[]);
    let same = run(folder, "exp/main.rhai", &[]);
    let (code, out, err) = w2s(folder, &["diff", &first, &same]);
    assert_eq!((code, out.contains("nothing differs but times")), (0, true), "{out}{err}");
    std::fs::write(folder.join("exp/part.rhai"), "fn lr() { 0.02 }\n").expect("written");
    let second = run(folder, "exp/main.rhai", &[]);
    let (code, out, err) = w2s(folder, &["diff", &first, &second]);
    assert_eq!(code, 1, "{err}");
    for part in [
        "code: exp/part.rhai",
        "- fn lr() { 0.01 }",
        "+ fn lr() { 0.02 }",
        "lr: 0.01 → 0.02",
        "within noise",
        "no interval",
    ] {
        assert!(out.contains(part), "{part}: {out}");
    }
    assert!(!out.contains("\ndata\n"), "{out}");
    let rows = std::fs::read_to_string(folder.join("exp/rows.csv")).expect("there");
    std::fs::write(folder.join("exp/rows.csv"), rows.replace("number 3", "number three")).expect("written");
    let third = run(folder, "exp/main.rhai", &[]);
    let (_, json, _) = w2s(folder, &["diff", &second, &third, "--json"]);
    let json: serde_json::Value = serde_json::from_str(&json).expect("json");
    assert_eq!((&json["schema"], &json["data"][0]["what"]), (&"w2s-diff/2".into(), &"rows.csv".into()));
    assert_eq!((json["code"].as_array().map(Vec::len), &json["operations"][0]["name"]), (Some(0), &"finetune".into()));
}

/// The number that a constant of this name has in a file, or in the `mod.rs` beside it.
fn constant(path: &Path, name: &str) -> Option<u32> {
    let of = |path: &Path| {
        let text = std::fs::read_to_string(path).ok()?;
        let (_, rest) = text.split_once(&format!("const {name}: u32 = "))?;
        rest.split_once(';')?.0.parse().ok()
    };
    of(path).or_else(|| of(&path.parent()?.join("mod.rs")))
}

#[test]
fn the_table_of_versions_is_that_of_the_source() {
    let mut found: BTreeMap<String, u32> = BTreeMap::new();
    for path in files_below(&root().join("src"), "rs").into_iter().filter(|path| !path.ends_with("tests.rs")) {
        let text = std::fs::read_to_string(&path).expect("text");
        let code = text.split("#[cfg(test)]").next().expect("a beginning");
        let code: String = code.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
        for call in code.split("Digest::of(").skip(1) {
            // A name that is not a literal belongs to a value without a digest, version 0.
            let Some((name, rest)) = call.trim_start().strip_prefix('"').and_then(|call| call.split_once('"')) else {
                continue;
            };
            let version = rest.trim_start_matches([',', ' ']).split([')', ',']).next().expect("a version").trim();
            let version = version.parse().ok().or_else(|| constant(&path, version));
            let version =
                version.unwrap_or_else(|| panic!("{}: the version of `{name}` is not a number", path.display()));
            if version > 0 {
                let before = found.insert(name.to_owned(), version);
                assert!(before.is_none_or(|before| before == version), "`{name}` has two versions");
            }
        }
    }
    let found: BTreeMap<&str, u32> = found.iter().map(|(name, version)| (name.as_str(), *version)).collect();
    let table: BTreeMap<&str, u32> =
        w2s::record::versions::DERIVATIONS.iter().map(|(name, now, _)| (*name, *now)).collect();
    let missing: Vec<String> = found
        .iter()
        .filter(|(name, version)| table.get(*name) != Some(version))
        .map(|(name, version)| {
            let then = w2s::record::versions::DERIVATIONS.iter().find(|line| line.0 == *name).map_or(0, |line| line.2);
            format!("    (\"{name}\", {version}, {then}),")
        })
        .collect();
    let gone: Vec<&str> =
        table.into_iter().filter(|(name, now)| *now > 0 && !found.contains_key(name)).map(|(name, _)| name).collect();
    assert!(
        missing.is_empty() && gone.is_empty(),
        "src/record/versions.rs must say the same as the source. Set these lines:\n{}\nand for what is no more, set the first \
         number to 0: {gone:?}",
        missing.join("\n")
    );
}
