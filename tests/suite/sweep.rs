//! `sweep::map` on worker processes: the answers of a plain loop, failures, deaths, interruption and going on.
#![cfg(unix)]

use serde_json::Value;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// A model, rows and their truth; `cell` trains with a seed for some steps.
const SET_UP: &str = "let rows = [];\n\
    for i in 0..16 { rows.push(#{ text: if i % 2 == 0 { `good dog ${i} .` } else { `bad dog ${i} .` }, label: if i % 2 == 0 { \"yes\" } else { \"no\" } }); }\n\
    let data = data::of(rows, #{ test_share: 0.0 });\n\
    let model = model::untrained(data, #{ width: 16, layers: 2, seed: 1 });\n\
    let truth = data.truth(\"test\");\n\
    fn trained(model, data, truth, seed, steps) { model.finetune(data, truth, #{ steps: steps, batch: 8, seed: seed, lr: 1e-3 }) }\n";

fn w2s(folder: &Path, code: &str, flags: &[&str]) -> Command {
    std::fs::write(folder.join("s.rhai"), format!("{SET_UP}{code}")).expect("written");
    let mut command = Command::new(env!("CARGO_BIN_EXE_w2s"));
    command.current_dir(folder).args(["--store", "store", "--threads", "2"]).args(flags).args(["script", "s.rhai"]);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn run(folder: &Path, code: &str, flags: &[&str]) -> Output {
    w2s(folder, code, flags).output().expect("starts")
}

fn said(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr))
}

/// How the operations of the run numbered `number` were found, those called `name` alone.
fn found(folder: &Path, number: usize, name: &str) -> Vec<String> {
    let text = std::fs::read_to_string(folder.join(format!("runs/s-{number:03}/record.json"))).expect("a record");
    let record: Value = serde_json::from_str(&text).expect("json");
    let events = record["events"].as_array().expect("events").iter();
    let operations = events.filter(|event| event["event"] == "operation" && event["name"] == name);
    operations.map(|event| event["found"]["kind"].as_str().expect("a kind").to_owned()).collect()
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a folder")
}

const EIGHT: &str = "let answers = CALL;\n\
    print(answers.map(|answer| script::digest(answer.predict(data)) + \" \" + answer.predict(data).row(0).p0));\n";

#[test]
fn eight_cells_on_two_workers_are_those_of_a_plain_loop() {
    let cells = "[0, 1, 2, 3, 4, 5, 6, 7]";
    let closure = "|seed| { print(`cell ${seed}`); trained(model, data, truth, seed % 6, 40) }";
    let (one, two) = (folder(), folder());
    let plain = run(one.path(), &EIGHT.replace("CALL", &format!("{cells}.map({closure})")), &[]);
    let call = EIGHT.replace("CALL", &format!("sweep::map({cells}, {closure}, #{{ workers: 2 }})"));
    let swept = run(two.path(), &call, &[]);
    assert!(plain.status.success() && swept.status.success(), "{:?}", said(&swept));
    assert_eq!(said(&plain).0, said(&swept).0, "what it prints, in the same order");
    assert!(said(&swept).1.lines().all(|line| line.starts_with("record:")), "{}", said(&swept).1);
    // Two cells ask for what others have: each training is computed once, by a worker.
    let mut kinds = found(two.path(), 1, "finetune");
    kinds.sort();
    assert_eq!(kinds.join(" "), "stored stored worker worker worker worker worker worker");
    assert!(found(one.path(), 1, "finetune").iter().filter(|kind| *kind == "computed").count() == 6);
    let again = run(two.path(), &call, &[]);
    assert_eq!(said(&again).0, said(&swept).0);
    assert!(found(two.path(), 2, "finetune").iter().all(|kind| kind == "stored"));
}

#[test]
fn workers_compute_where_the_first_process_does() {
    let here = folder();
    let call = "sweep::map([0, 1, 2, 3], |seed| trained(model, data, truth, seed, 4).n_classes, #{ workers: 2 })";
    let swept = run(here.path(), &format!("print({call});"), &["--device", "candle"]);
    assert_eq!(said(&swept).0, "[2, 2, 2, 2]\n", "{}", said(&swept).1);
    // They are found under keys that name the device.
    assert_eq!(found(here.path(), 1, "finetune").join(" "), "worker worker worker worker");
}

#[test]
fn a_failing_cell_stops_or_is_passed() {
    let here = folder();
    let code = |on_error: &str| {
        format!(
            "let answers = sweep::map([0, 1, 2, 3], |n| {{ let made = trained(model, data, truth, n, 40); if n == 2 {{ throw \"cell two\" }}\n made.n_classes }},\n #{{ workers: 2, on_error: \"{on_error}\" }});\n\
             print(answers.map(|answer| if type_of(answer) == \"Error\" {{ answer.message }} else {{ answer }}));"
        )
    };
    let stopped = run(here.path(), &code("stop"), &[]);
    let (out, err) = said(&stopped);
    assert_eq!(stopped.status.code(), Some(1));
    assert!(
        out.is_empty() && err.contains("cell two") && err.contains("s.rhai:") && err.contains("cell 2 of 4"),
        "{err}"
    );
    let passed = run(here.path(), &code("go_on"), &[]);
    let (out, err) = said(&passed);
    assert!(passed.status.success() && err.contains("cell 2 of 4 (`2`) failed: cell two"), "{err}");
    assert_eq!(out, "[2, 2, \"cell two\", 2]\n");
}

/// Processes that `parent` started.
fn children(parent: u32) -> Vec<u32> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    let ids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
    let of_parent = |id: &u32| {
        let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
        let after = stat.rsplit(')').next().unwrap_or_default();
        after.split_whitespace().nth(1) == Some(&parent.to_string())
    };
    ids.filter(of_parent).collect()
}

/// Waits for `ready` to answer something; fails after half a minute.
fn wait_for<T>(what: &str, mut ready: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(answer) = ready() {
            return answer;
        }
        assert!(began.elapsed() < Duration::from_secs(30), "{what} does not come");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn n_kept(folder: &Path) -> usize {
    crate::support::files_below(&folder.join("store/keys"), "json").len()
}

const LONG: &str = "let answers = sweep::map([0, 1, 2, 3, 4, 5], |seed| trained(model, data, truth, seed, 2000), #{ workers: 2 });\n\
    print(answers.map(|answer| script::digest(answer.predict(data)) + \" \" + answer.predict(data).row(0).p0));";

fn started(folder: &Path) -> Child {
    w2s(folder, LONG, &[]).spawn().expect("starts")
}

#[cfg(target_os = "linux")]
#[test]
fn a_killed_worker_costs_nothing_but_time() {
    let here = folder();
    let child = started(here.path());
    wait_for("a first result", || (n_kept(here.path()) > 0).then_some(()));
    let victim = wait_for("a worker", || children(child.id()).first().copied());
    let _ = Command::new("kill").args(["-9", &victim.to_string()]).status().expect("kills");
    let ended = child.wait_with_output().expect("ends");
    let (out, err) = said(&ended);
    assert!(ended.status.success(), "{err}");
    assert!(err.contains("died; the cell is retried (signal: 9"), "{err}");
    let other = folder();
    assert_eq!(out, said(&run(other.path(), &LONG.replace("workers: 2", "workers: 1"), &[])).0);
}

#[cfg(target_os = "linux")]
#[test]
fn an_interrupted_sweep_goes_on_with_what_is_missing() {
    let here = folder();
    let child = started(here.path());
    wait_for("a second result", || (n_kept(here.path()) > 1).then_some(()));
    let workers = children(child.id());
    assert!(!workers.is_empty());
    let _ = Command::new("kill").args(["-INT", &child.id().to_string()]).status().expect("interrupts");
    let ended = child.wait_with_output().expect("ends");
    assert_eq!(ended.status.code(), Some(130), "{:?}", said(&ended));
    wait_for("the end of the workers", || {
        workers.iter().all(|id| !Path::new(&format!("/proc/{id}")).exists()).then_some(())
    });
    let n_before = n_kept(here.path());
    assert!((2..6).contains(&n_before), "{n_before}");
    // What the workers computed is in the record, though the script did not come to it.
    let kinds = found(here.path(), 1, "finetune");
    assert_eq!(kinds, vec!["ahead"; n_before]);
    let mut shown = Command::new(env!("CARGO_BIN_EXE_w2s"));
    let shown = shown.current_dir(here.path()).args(["show", "s-001"]).output().expect("shows");
    let counted = format!("{n_before} operations: {n_before} computed in");
    assert!(said(&shown).0.contains(&counted), "{:?}", said(&shown));
    let on = run(here.path(), LONG, &[]);
    assert!(on.status.success(), "{:?}", said(&on));
    let kinds = found(here.path(), 2, "finetune");
    assert_eq!(kinds.iter().filter(|kind| *kind == "stored").count(), n_before, "{kinds:?}");
    assert_eq!(kinds.len(), 6);
    let other = folder();
    assert_eq!(said(&on).0, said(&run(other.path(), &LONG.replace("workers: 2", "workers: 1"), &[])).0);
}

#[test]
fn where_no_worker_can_help_one_process_does_it() {
    let cases = [
        // A worker may not write there, so it does not come to the call.
        (
            "truth.write_csv(\"PROJECT/out.csv\");",
            "|n| trained(model, data, truth, n, 30).n_classes",
            "found other cells",
        ),
        ("let sum = 0;", "|n| { sum += n; trained(model, data, truth, n, 30).n_classes }", "outer variable `sum`"),
        (
            "let sum = 0; model.finetune(data, truth, #{ steps: 2, loss: |z, w, at| { sum += 1; z.cross_entropy(w) } });",
            "|n| trained(model, data, truth, n, 30).n_classes",
            "something before it",
        ),
    ];
    for (before, closure, why) in cases {
        let here = folder();
        let project = here.path().canonicalize().expect("real").display().to_string();
        let before = before.replace("PROJECT", &project);
        let code = format!("{before}\nprint(sweep::map([0, 1, 2], {closure}, #{{ workers: 2 }}));");
        let ended = run(here.path(), &code, &["--allow-write", &project]);
        let (out, err) = said(&ended);
        assert!(ended.status.success() && out == "[2, 2, 2]\n", "{err}");
        assert!(err.contains(why), "{why}: {err}");
        assert!(found(here.path(), 1, "finetune").iter().all(|kind| kind == "computed"));
    }
    let here = folder();
    let nested = "print(sweep::map([0, 1], |n| sweep::map([n, n + 2], |m| trained(model, data, truth, m, 30).n_classes), #{ workers: 2 }));";
    assert_eq!(said(&run(here.path(), nested, &[])).0, "[[2, 2], [2, 2]]\n");
    assert_eq!(found(here.path(), 1, "finetune").join(" "), "worker worker worker worker");
    let here = folder();
    let untraceable = "let n_steps = 0;\nprint(sweep::map([0, 1], |n| { let mine = [0]; model.finetune(data, truth, #{ seed: n, steps: 3, loss: |z, w, at| { mine[0] += 1; z.cross_entropy(w) } }).n_classes }, #{ workers: 2 }));";
    let ended = run(here.path(), untraceable, &[]);
    assert_eq!(said(&ended).0, "[2, 2]\n", "{}", said(&ended).1);
    assert!(
        said(&ended)
            .1
            .contains("is neither looked up nor stored: of the loss, it changes the outer variable `mine`, line")
    );
    assert_eq!(found(here.path(), 1, "finetune").join(" "), "computed computed");
}

/// The first word of a worker that is given this task.
fn first_word(folder: &Path, task: &Value) -> Value {
    let mut command = Command::new(env!("CARGO_BIN_EXE_w2s"));
    command.current_dir(folder).args(["--threads", "1", "worker"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().expect("starts");
    let mut stdin = child.stdin.take().expect("input");
    writeln!(stdin, "{task}").expect("told");
    let lines = BufReader::new(child.stdout.take().expect("output")).lines();
    let word = lines
        .map_while(Result::ok)
        .map(|line| serde_json::from_str::<Value>(&line).expect("a word"))
        .find(|word| word["word"] == "refused" || word["word"] == "arrived");
    drop(stdin);
    let _ = child.wait();
    word.expect("a word")
}

#[test]
fn a_worker_checks_that_it_stands_at_the_same_cells() {
    let here = folder();
    let project = here.path().canonicalize().expect("real");
    std::fs::write(project.join("s.rhai"), "sweep::map([1, 2], |n| n);").expect("written");
    let task = |call: usize, digest: &str| {
        serde_json::json!({
            "settings": { "seed_offset": 0, "n_threads": 1, "device": "cpu", "store": project.join("store"), "memo": "On", "run_dir": project },
            "access": { "read": [project], "write": [], "project": project },
            "script": { "file": project.join("s.rhai"), "args": [], "texts": [["s", "sweep::map([1, 2], |n| n + 1);", project.join("s.rhai")]] },
            "call": call, "digest": digest,
        })
    };
    let other = first_word(&project, &task(0, "0"));
    assert_eq!(
        (other["word"].as_str(), other["why"].as_str()),
        (Some("refused"), Some("its cells or its function have another digest"))
    );
    let none = first_word(&project, &task(1, "0"));
    assert_eq!(none["why"], "the script ended before the call");
    // It runs the text that it was handed, not what the file holds by now.
    let code = "import_free();";
    std::fs::write(project.join("s.rhai"), code).expect("written");
    assert_eq!(first_word(&project, &task(1, "0"))["why"], "the script ended before the call");
}
