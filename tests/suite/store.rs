//! The store from outside: runs that share it, plans, collections, checks, archives, a full disk.

use crate::operations::{computed_once, count, found};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// A supervisor, its labels, a student and its predictions, all small.
const SCRIPT: &str = r#"
    let rows = [];
    for i in 0..40 { rows.push(#{ text: if i % 2 == 0 { `good dog ${i}` } else { `bad cat ${i}` }, label: if i % 2 == 0 { "yes" } else { "no" } }); }
    let task = data::of(rows, #{ test_share: 0.25 });
    let model = model::untrained(task);
    let seeds = if "more" in args { [0, 1, 2] } else { [0, 1] };
    for seed in seeds {
        let weak = model::finetune(model, task.train, task.train.truth("supervisor"), #{ steps: 4, seed: seed });
        let labels = model::label(weak, task.train);
        let student = model::finetune(model, task.train, labels, #{ steps: 4, seed: seed });
        let table = model::predict(student, task.test);
        print(table.height);
        report::table(table, #{ name: `predictions-${seed}` });
        table.write_csv(`predictions-${seed}-too.csv`);
    }
"#;

/// A folder with the script.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("main.rhai"), SCRIPT.replace("in args", "in args.to_string()")).expect("written");
    folder
}

fn w2s(folder: &Path, store: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_w2s"));
    command.current_dir(folder).env("W2S_STORE", store).env_remove("W2S_STORE_MAX").stdin(Stdio::null()).args(args);
    command
}

fn run(folder: &Path, store: &Path, args: &[&str]) -> (i32, String, String) {
    let Output { status, stdout, stderr } = w2s(folder, store, args).output().expect("runs");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    (status.code().unwrap_or(-1), text(stdout), text(stderr))
}

/// Runs the script and answers how often each key was found how.
fn operations(folder: &Path, store: &Path, run_name: &str, args: &[&str]) -> Vec<(String, String)> {
    let (code, _, err) = run(folder, store, &[&["script", "main.rhai", "--run", run_name], args].concat());
    assert_eq!(code, 0, "{err}");
    found(&folder.join(run_name))
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    crate::support::files_below(folder, "json")
        .into_iter()
        .chain(crate::support::files_below(folder, "safetensors"))
        .collect()
}

#[test]
fn a_second_run_computes_nothing_and_writes_the_same_tables() {
    let folder = folder();
    let store = folder.path().join("store");
    let first = operations(folder.path(), &store, "one", &[]);
    assert_eq!((first.len(), count(&first, "computed")), (8, 8), "{first:?}");
    let second = operations(folder.path(), &store, "two", &[]);
    assert_eq!((second.len(), count(&second, "stored")), (8, 8), "{second:?}");
    let read = |run: &str| std::fs::read(folder.path().join(run).join("predictions-1.csv")).expect("there");
    assert_eq!(read("one"), read("two"));
    // Only what is new is computed.
    let third = operations(folder.path(), &store, "three", &["--", "more"]);
    assert_eq!((count(&third, "stored"), count(&third, "computed")), (8, 4), "{third:?}");
    let (code, out, _) = run(folder.path(), &store, &["store", "check"]);
    assert!(code == 0 && out.contains("checked 12 results") && out.contains("all whole"), "{out}");
}

#[test]
fn eight_processes_on_one_empty_store_compute_each_stage_once() {
    let folder = folder();
    let store = folder.path().join("store");
    let names: Vec<String> = (0..8).map(|at| format!("run-{at}")).collect();
    let begun: Vec<_> = names
        .iter()
        .map(|name| {
            let mut command = w2s(folder.path(), &store, &["script", "main.rhai", "--threads", "1", "--run", name]);
            command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("starts")
        })
        .collect();
    assert_eq!(computed_once(begun, names.iter().map(|name| folder.path().join(name))), 8);
    let locks = std::fs::read_dir(store.join("locks")).expect("a folder").count();
    assert_eq!(locks, 1, "only the one that is held while something is added");
}

#[test]
fn any_damaged_file_is_named_and_computed_again() {
    let folder = folder();
    let store = folder.path().join("store");
    operations(folder.path(), &store, "whole", &[]);
    let table = std::fs::read(folder.path().join("whole/predictions-1.csv")).expect("there");
    let files = files_below(&store);
    assert_eq!(files.len(), 16);
    for (at, path) in files.iter().enumerate() {
        let mut bytes = std::fs::read(path).expect("there");
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::write(path, bytes).expect("damaged");
        let name = path.file_name().expect("a name").to_string_lossy();
        if at == 0 {
            let (code, out, _) = run(folder.path(), &store, &["store", "check"]);
            assert!(code == 1 && out.contains(&*name) && out.contains("1 file damaged"), "{out}");
        }
    }
    let again = operations(folder.path(), &store, "again", &[]);
    assert_eq!(count(&again, "computed"), 8, "{again:?}");
    let record = std::fs::read_to_string(folder.path().join("again/record.json")).expect("there");
    let keys = files.iter().filter(|path| path.starts_with(store.join("keys")));
    for path in keys {
        let name = path.file_name().expect("a name").to_string_lossy();
        assert!(record.contains(&*name), "{name} is not named");
    }
    assert_eq!(std::fs::read(folder.path().join("again/predictions-1.csv")).expect("there"), table);
    let (code, out, _) = run(folder.path(), &store, &["store", "check"]);
    assert_eq!(code, 0, "{out}");
}

#[test]
fn a_plan_says_what_would_be_done_and_does_nothing() {
    let folder = folder();
    let store = folder.path().join("store");
    let (code, out, err) = run(folder.path(), &store, &["script", "--plan", "main.rhai", "--threads", "1"]);
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    let all = out.lines().find(|line| line.starts_with("in all")).expect("a total");
    assert_eq!(all.split_whitespace().skip(2).take(2).collect::<Vec<_>>(), ["0", "8"], "{out}");
    assert!(out.contains("a short measurement of this machine"), "{out}");
    let entries: Vec<_> = std::fs::read_dir(folder.path()).expect("there").flatten().map(|e| e.file_name()).collect();
    assert_eq!(entries, ["main.rhai"], "neither a run nor a store");
    operations(folder.path(), &store, "one", &[]);
    let before = files_below(&store);
    let (_, out, _) = run(folder.path(), &store, &["script", "--plan", "main.rhai", "--", "more"]);
    let all = out.lines().find(|line| line.starts_with("in all")).expect("a total");
    assert_eq!(all.split_whitespace().skip(2).take(2).collect::<Vec<_>>(), ["8", "4"], "{out}");
    assert!(out.contains("Times are those of earlier results"), "{out}");
    let (_, out, _) = run(folder.path(), &store, &["script", "--plan", "main.rhai"]);
    assert!(out.ends_with("Everything is in the store: a run trains nothing.\n"), "{out}");
    assert_eq!(files_below(&store), before);
    // What one run would compute twice it computes once.
    let twice = format!("{SCRIPT}\n{SCRIPT}").replace("in args", "in args.to_string()");
    std::fs::write(folder.path().join("twice.rhai"), twice).expect("written");
    let empty = folder.path().join("empty");
    let (_, out, _) = run(folder.path(), &empty, &["script", "--plan", "twice.rhai"]);
    let all = out.lines().find(|line| line.starts_with("in all")).expect("a total");
    assert_eq!(all.split_whitespace().skip(2).take(2).collect::<Vec<_>>(), ["8", "8"], "{out}");
    let (code, _, err) = run(folder.path(), &store, &["script", "--plan", "--no-memo", "main.rhai"]);
    assert!(code == 2 && err.contains("leave one of them out"), "{err}");
}

#[test]
fn results_are_listed_shown_and_taken_elsewhere() {
    let folder = folder();
    let store = folder.path().join("store");
    let found = operations(folder.path(), &store, "one", &[]);
    let (code, out, _) = run(folder.path(), &store, &["store", "ls"]);
    assert!(code == 0 && out.contains("8 results") && out.contains("finetune"), "{out}");
    let (_, out, _) = run(folder.path(), &store, &["store", "ls", "--operation", "label"]);
    assert!(out.contains("2 results") && !out.contains("finetune"), "{out}");
    let (_, out, _) = run(folder.path(), &store, &["store", "ls", "--since", "1h"]);
    assert!(out.contains("8 results"), "{out}");
    // The student's predictions come from the student, whose labels come from the supervisor.
    let (_, out, _) = run(folder.path(), &store, &["store", "ls", "--operation", "predict"]);
    let key = out.lines().nth(1).and_then(|line| line.split_whitespace().next()).expect("a key").to_owned();
    let (code, out, _) = run(folder.path(), &store, &["store", "show", &key]);
    assert!(code == 0 && out.contains("whole: probabilities"), "{out}");
    let depth =
        |what: &str| out.lines().find(|line| line.contains(what)).map(|line| line.len() - line.trim_start().len());
    assert_eq!((depth("  finetune "), depth("  label ")), (Some(2), Some(4)), "{out}");
    let (code, _, err) = run(folder.path(), &store, &["store", "show", "zzz"]);
    assert!(code == 3 && err.contains("store/no-result"), "{err}");
    let (code, _, err) = run(folder.path(), &store, &["store", "show", ""]);
    assert!(code == 3 && err.contains("store/ambiguous"), "{err}");
    std::fs::create_dir(folder.path().join("runs")).expect("made");
    operations(folder.path(), &store, "runs/below", &[]);
    for kept in ["one", "one/record.json", "below"] {
        let (code, out, err) = run(folder.path(), &store, &["store", "export", "all.zip", "--run", kept]);
        assert!(code == 0 && out.contains("8 results"), "{kept}: {out}{err}");
    }
    for none in ["nosuch", "runs"] {
        let (code, out, err) = run(folder.path(), &store, &["store", "export", "none.zip", "--run", none]);
        assert!(code == 3 && err.contains("error[record/"), "{none}: {out}{err}");
    }
    let other = folder.path().join("other");
    let (code, out, err) = run(folder.path(), &other, &["store", "import", "all.zip"]);
    assert!(code == 0 && out.starts_with("8 results new"), "{out}{err}");
    let again = operations(folder.path(), &other, "two", &[]);
    assert_eq!(count(&again, "stored"), 8);
    // What nobody here computed says so: in the record, when it is shown, in the appendix.
    let record = std::fs::read_to_string(folder.path().join("two/record.json")).expect("a record");
    assert_eq!(record.matches("\"imported\": true").count(), 8, "{record}");
    let (_, shown, _) = run(folder.path(), &other, &["show", "two"]);
    assert!(shown.contains("8 of those were imported from an archive"), "{shown}");
    let appendix = std::fs::read_to_string(folder.path().join("two/appendix.md")).expect("an appendix");
    assert!(appendix.contains("8 of those were imported from an archive"), "{appendix}");
    let (_, shown, _) = run(folder.path(), &other, &["store", "show", &key]);
    assert!(shown.contains("imported   out of an archive"), "{shown}");
    let keys = |found: &[(String, String)]| found.iter().map(|(key, _)| key.clone()).collect::<BTreeSet<_>>();
    assert_eq!(keys(&again), keys(&found));
    std::fs::write(folder.path().join("odd.zip"), "not a zip").expect("written");
    let (code, _, err) = run(folder.path(), &other, &["store", "import", "odd.zip"]);
    assert!(code == 3 && err.contains("store/archive"), "{err}");
}

#[test]
fn a_collection_keeps_what_kept_runs_need() {
    let folder = folder();
    let store = folder.path().join("store");
    operations(folder.path(), &store, "one", &[]);
    let (code, out, _) = run(folder.path(), &store, &["store", "gc", "--max-size", "0"]);
    assert!(code == 0 && out.contains("removed 0 results") && out.contains("needed by 1 kept run"), "{out}");
    assert!(out.contains("remove run folders"), "{out}");
    std::fs::remove_dir_all(folder.path().join("one")).expect("removed");
    let (_, out, _) = run(folder.path(), &store, &["store", "gc", "--max-size", "0", "--dry-run"]);
    assert!(out.contains("would remove 8 results"), "{out}");
    let (_, out, _) = run(folder.path(), &store, &["store", "gc", "--max-size", "0"]);
    assert!(out.contains("removed 8 results") && out.contains("left: 0 results, 0 B"), "{out}");
    assert!(files_below(&store).is_empty());
    // A run over the cap makes room by itself, but not with what it needs.
    operations(folder.path(), &store, "two", &[]);
    std::fs::remove_dir_all(folder.path().join("two")).expect("removed");
    let mut command =
        w2s(folder.path(), &store, &["script", "main.rhai", "--run", "three", "--seed", "7", "--", "more"]);
    let answer = command.env("W2S_STORE_MAX", "1kB").output().expect("runs");
    let err = String::from_utf8_lossy(&answer.stderr);
    // The seed made other data and with it other results.
    assert!(err.contains("12 of them") && err.contains("needed by 1 running process"), "{err}");
    assert!(answer.status.success() && err.contains("the store had more than 1.0 kB: removed 8 results"), "{err}");
    let (code, _, err) = {
        let answer = w2s(folder.path(), &store, &["store", "gc"]).env("W2S_STORE_MAX", "lots").output().expect("runs");
        (answer.status.code(), (), String::from_utf8_lossy(&answer.stderr).into_owned())
    };
    assert!(code == Some(3) && err.contains("store/setting"), "{err}");
}

/// A file system of its own in a folder, taken away when dropped.
#[cfg(target_os = "linux")]
struct Mounted(PathBuf);

#[cfg(target_os = "linux")]
impl Mounted {
    fn tmpfs(at: &Path, options: &str) -> Option<Mounted> {
        std::fs::create_dir_all(at).expect("made");
        let mount = Command::new("mount").args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(at).output();
        mount.is_ok_and(|answer| answer.status.success()).then(|| Mounted(at.to_owned()))
    }
}

#[cfg(target_os = "linux")]
impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).output();
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_said_clearly_and_costs_nothing_that_was_there() {
    let folder = folder();
    let store = folder.path().join("store");
    let Some(_mounted) = Mounted::tmpfs(&store, "size=256k") else {
        crate::support::skipped("only root may mount a small file system");
        return;
    };
    let filler = store.join("filler");
    // First nothing fits, then a little.
    for room in [0, 8 << 10, 24 << 10, 40 << 10] {
        let _ = std::fs::remove_file(&filler);
        let mut bytes = vec![0u8; 256 << 10];
        while std::fs::write(&filler, &bytes).is_err() {
            let shorter = bytes.len().saturating_sub(4 << 10);
            bytes.truncate(shorter);
        }
        bytes.truncate(bytes.len().saturating_sub(room));
        std::fs::write(&filler, &bytes).expect("fits");
        let (code, _, err) = run(folder.path(), &store, &["script", "main.rhai", "--run", "after"]);
        assert_eq!(code, 1, "{room}: {err}");
        assert!(
            err.contains("store/full") && err.contains("w2s store gc") && err.contains("--no-memo"),
            "{room}: {err}"
        );
        std::fs::remove_file(&filler).expect("there");
        let (code, out, _) = run(folder.path(), &store, &["store", "check"]);
        assert_eq!(code, 0, "{room}: {out}");
    }
    // The same command takes the folder over that the full disk stopped.
    let after = operations(folder.path(), &store, "after", &[]);
    assert_eq!(after.len(), 8);
    let (code, out, _) = run(folder.path(), &store, &["store", "check"]);
    assert!(code == 0 && out.contains("checked 8 results"), "{out}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_store_that_is_read_only_answers_and_says_that_it_keeps_nothing() {
    let folder = folder();
    let store = folder.path().join("store");
    let Some(mounted) = Mounted::tmpfs(&store, "size=4m") else {
        crate::support::skipped("only root may mount a file system");
        return;
    };
    operations(folder.path(), &store, "one", &[]);
    let answer = Command::new("mount").args(["-o", "remount,ro"]).arg(&mounted.0).output().expect("runs");
    assert!(answer.status.success());
    let second = operations(folder.path(), &store, "two", &[]);
    assert_eq!(count(&second, "stored"), 8);
    let (code, _, err) = run(folder.path(), &store, &["script", "main.rhai", "--", "more"]);
    assert!(code == 1 && err.contains("store/read-only") && err.contains("--store DIR"), "{err}");
}

#[test]
fn a_setting_that_cannot_be_read_is_said_before_the_run() {
    let folder = folder();
    let mut command = w2s(folder.path(), &folder.path().join("store"), &["script", "main.rhai"]);
    let Output { status, stdout, stderr } = command.env("W2S_STORE_MAX", "banana").output().expect("runs");
    let err = String::from_utf8_lossy(&stderr);
    assert!(status.code() == Some(2) && stdout.is_empty(), "{err}");
    assert!(err.contains("store/setting") && err.contains("invalid size `banana`") && err.contains("20GB"), "{err}");
    assert!(!folder.path().join("runs").exists() && !folder.path().join("store").exists(), "nothing was begun");
}

#[test]
fn a_folder_in_a_files_place_does_not_end_the_run() {
    let folder = folder();
    let store = folder.path().join("store");
    operations(folder.path(), &store, "one", &[]);
    for path in files_below(&store) {
        std::fs::remove_file(&path).expect("there");
        std::fs::create_dir(&path).expect("made");
    }
    let (code, out, _) = run(folder.path(), &store, &["store", "check"]);
    assert!(code == 0 || out.contains("damaged"), "{out}");
    let again = operations(folder.path(), &store, "two", &[]);
    assert_eq!(count(&again, "computed"), 8, "{again:?}");
    let third = operations(folder.path(), &store, "three", &[]);
    assert_eq!(count(&third, "stored"), 8, "{third:?}");
    let (code, out, _) = run(folder.path(), &store, &["store", "check"]);
    assert!(code == 0 && out.contains("checked 8 results"), "{out}");
}

#[cfg(not(feature = "object_store"))]
#[test]
fn a_build_without_buckets_says_how_to_build_one_with_them() {
    let folder = folder();
    for args in [&["script", "main.rhai"][..], &["store", "ls"], &["eval", "1"]] {
        let (code, _, err) = run(folder.path(), Path::new("s3://team/w2s"), args);
        assert!(code == 3 && err.contains("store/no-buckets") && err.contains("--features object_store"), "{err}");
    }
    assert!(!folder.path().join("runs").exists());
}

#[cfg(unix)]
#[test]
fn an_archive_leaves_no_progress_on_the_terminal() {
    let folder = folder();
    let store = folder.path().join("store");
    operations(folder.path(), &store, "one", &[]);
    run(folder.path(), &store, &["store", "export", "all.zip"]);
    let mut command = w2s(folder.path(), &folder.path().join("other"), &["store", "import", "all.zip"]);
    // A terminal takes the place of the input.
    command.stdin(Stdio::inherit()).env("TERM", "xterm");
    let mut session = rexpect::session::spawn_command(command, Some(60_000)).expect("starts");
    let text = session.exp_eof().expect("ends");
    let (_, after) = text.rsplit_once("\u{1b}[2K").unwrap_or(("", &text));
    assert!(!after.contains("check all.zip") && !after.contains("import all.zip"), "{text:?}");
    assert!(after.contains("8 results new"), "{text:?}");
}

#[test]
fn predictions_that_are_no_probabilities_are_computed_again() {
    use w2s::core::digest::Digest;
    let folder = folder();
    let code = "let rows = data::of([#{ text: \"good dog\", label: 1 }, #{ text: \"bad dog\", label: 0 }], #{ test_share: 0.0 });\n\
        model::untrained(rows).finetune(rows, rows.truth(\"a test\"), #{ steps: 2 }).predict(rows).column(\"p1\")";
    let whole = crate::peeking::told(&mut crate::support::session_in(folder.path()), code);
    assert!(whole.error.is_empty() && whole.warnings.is_empty(), "{} {:?}", whole.error, whole.warnings);
    let store = folder.path().join("store");
    let is_prediction = |path: &PathBuf| std::fs::read_to_string(path).is_ok_and(|text| text.contains("\"predict\""));
    let manifests = crate::support::files_below(&store.join("keys"), "json");
    let manifest = manifests.into_iter().find(is_prediction).expect("the manifest of a prediction");
    let text = std::fs::read_to_string(&manifest).expect("text");
    let (_, text) = text.split_once('\n').expect("a hash in the first line");
    let held: serde_json::Value = serde_json::from_str(text).expect("json");
    let content = held["content"].as_str().expect("a hash");
    let place = |hash: &str| store.join(format!("objects/{}/{hash}.safetensors", &hash[..2]));
    let mut bytes = std::fs::read(place(content)).expect("there");
    let at = bytes.len() - 4;
    bytes[at..].copy_from_slice(&f32::NAN.to_le_bytes());
    let hash = Digest::of_bytes(&bytes).to_hex();
    std::fs::create_dir_all(place(&hash).parent().expect("a folder")).expect("made");
    std::fs::write(place(&hash), bytes).expect("written");
    let text = text.replace(content, &hash);
    std::fs::write(&manifest, format!("{}\n{text}", Digest::of_bytes(text.as_bytes()).to_hex())).expect("written");
    let again = crate::peeking::told(&mut crate::support::session_in(folder.path()), code);
    assert_eq!((again.value, again.error.as_str()), (whole.value, ""));
    assert!(
        again.warnings.iter().any(|text| text.contains("does not fit and is computed again")),
        "{:?}",
        again.warnings
    );
}
