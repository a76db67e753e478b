//! The built program from outside: what it prints where, its sandbox, its run folders. Errors and exit codes of wrong commands are in `snapshots`.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

/// The program in a folder of its own, with a store that does not exist.
fn w2s(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_w2s"));
    command
        .current_dir(folder)
        .env("W2S_STORE", folder.join("store"))
        .env_remove("RUST_BACKTRACE")
        .stdin(Stdio::null());
    command
}

fn folder_with(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, text) in files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("made");
        std::fs::write(path, text).expect("written");
    }
    folder
}

fn run(folder: &Path, args: &[&str]) -> (i32, String, String) {
    let Output { status, stdout, stderr } = w2s(folder).args(args).output().expect("runs");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    (status.code().unwrap_or(-1), text(stdout), text(stderr))
}

#[test]
fn eval_prints_the_value_and_nothing_else() {
    let folder = folder_with(&[]);
    let (code, out, err) = run(folder.path(), &["eval", "metric::pgr_percent(0.65, 0.78, 0.95)"]);
    assert_eq!((code, out.as_str(), err.as_str()), (0, "43.33333333333334\n", ""));
    let (code, out, _) = run(folder.path(), &["eval", "-1 + 3"]);
    assert_eq!((code, out.as_str()), (0, "2\n"));
    let (code, out, _) = run(folder.path(), &["eval", "print(\"a\"); ()"]);
    assert_eq!((code, out.as_str()), (0, "a\n"));
    let entries = std::fs::read_dir(folder.path()).expect("there").count();
    assert_eq!(entries, 0, "eval leaves no files");
}

#[test]
fn a_run_leaves_its_record_and_copies() {
    let folder = folder_with(&[
        ("exp/main.rhai", "import \"part\" as p;\nprint(args[1] + p::one());\nw2s_version(\"7.0\");"),
        ("exp/part.rhai", "fn one() { 1 }"),
    ]);
    let (code, out, err) = run(folder.path(), &["script", "exp/main.rhai", "--seed", "5", "--", "a", "--b"]);
    assert_eq!((code, out.as_str()), (0, "--b1\n"), "{err}");
    assert!(err.contains("warning: the script was written for w2s 7.0"), "{err}");
    let run_folder = folder.path().join("runs/main-001");
    let record = std::fs::read_to_string(run_folder.join("record.json")).expect("a record");
    let record: serde_json::Value = serde_json::from_str(&record).expect("json");
    assert_eq!(record["outcome"]["kind"], "done");
    assert_eq!(record["arguments"], serde_json::json!(["a", "--b"]));
    assert_eq!(record["settings"]["seed_offset"], 5);
    assert_eq!(record["events"][0]["event"], "warning");
    let names: Vec<&str> =
        record["sources"].as_array().expect("sources").iter().filter_map(|s| s["name"].as_str()).collect();
    assert_eq!(names, ["exp/main.rhai", "exp/part.rhai"]);
    assert!(run_folder.join("script.rhai").exists());
    // The next run gets a folder of its own; a named one is never written over.
    run(folder.path(), &["script", "exp/main.rhai", "--", "a", "b"]);
    assert!(folder.path().join("runs/main-002/record.json").exists());
    let (code, ..) = run(folder.path(), &["script", "--run", "mine", "exp/main.rhai", "--", "a", "b"]);
    assert_eq!(code, 0);
    let (code, _, err) = run(folder.path(), &["script", "--run", "mine", "exp/main.rhai", "--", "a", "b"]);
    assert_eq!(code, 3);
    assert!(err.contains("error[record/taken]"), "{err}");
}

#[test]
fn commands_that_run_nothing_leave_no_run() {
    let folder = folder_with(&[("latin.rhai", ""), ("good.rhai", "1")]);
    std::fs::write(folder.path().join("latin.rhai"), b"let x = \"\xe9\";").expect("written");
    for (args, expected) in [
        (&["script", "latin.rhai"][..], 3),
        (&["--help"], 0),
        (&["--version"], 0),
        (&["help"], 0),
        (&["check", "good.rhai"], 0),
        (&["completions", "bash"], 0),
    ] {
        let (code, _, err) = run(folder.path(), args);
        assert_eq!(code, expected, "{args:?}: {err}");
    }
    assert!(!folder.path().join("runs").exists(), "nothing ran");
}

#[test]
fn a_model_is_saved_into_the_run_folder_and_past_no_link() {
    let save = "model::ladder(\"world\")[0].save(\"mine\");";
    let folder = folder_with(&[("save.rhai", save)]);
    let (code, _, err) = run(folder.path(), &["script", "save.rhai", "--run", "out"]);
    assert_eq!(code, 0, "{err}");
    assert!(folder.path().join("out/mine/model.safetensors").is_file());
    #[cfg(unix)]
    {
        let victim = folder.path().join("victim");
        std::fs::write(&victim, "kept").expect("written");
        std::fs::create_dir_all(folder.path().join("laid/mine")).expect("made");
        std::os::unix::fs::symlink(&victim, folder.path().join("laid/mine/config.partial")).expect("linked");
        let (code, _, err) = run(folder.path(), &["script", "save.rhai", "--run", "laid"]);
        assert!(code == 3 && err.contains("error[record/link]: `mine/config.partial`"), "{code}: {err}");
        assert_eq!(std::fs::read_to_string(&victim).expect("there"), "kept");
    }
}

#[test]
fn a_chain_of_closures_is_let_go_without_a_crash() {
    // Each closure holds the one before it; letting go of the last recurses through all.
    let chain = "let f = || 0; for i in 0..200000 { let g = f; f = || g.call() + 1; }";
    let shown = format!("{chain} f");
    let folder = folder_with(&[("kept.rhai", chain), ("answered.rhai", &shown)]);
    for args in [&["script", "kept.rhai"][..], &["script", "answered.rhai"], &["eval", &shown]] {
        let (code, _, err) = run(folder.path(), args);
        assert_eq!(code, 0, "{args:?}: {err}");
    }
}

#[test]
fn a_byte_order_mark_windows_line_ends_and_unicode_names_are_fine() {
    let folder = folder_with(&[("müll 日.rhai", "\u{feff}let a = \"é\";\r\nprint(a);\r\n")]);
    let (code, out, err) = run(folder.path(), &["script", "müll 日.rhai"]);
    assert_eq!((code, out.as_str()), (0, "é\n"), "{err}");
    assert!(folder.path().join("runs/müll-日-001/record.json").exists(), "{err}");
}

#[test]
fn an_empty_script_is_done_at_once() {
    let folder = folder_with(&[("empty.rhai", "")]);
    let fastest = (0..5).map(|_| {
        let start = Instant::now();
        assert_eq!(run(folder.path(), &["script", "empty.rhai"]).0, 0);
        start.elapsed()
    });
    let fastest = fastest.min().expect("five runs");
    assert!(fastest < Duration::from_millis(100), "took {fastest:?}");
}

#[test]
fn scripts_stay_in_their_project() {
    let folder = folder_with(&[
        ("secret.rhai", "fn leak() { 1 }"),
        ("secret.jsonl", "{\"id\": \"1\", \"text\": \"t\", \"label\": \"a\"}\n"),
        ("inner/up.rhai", "import \"../secret\" as s;"),
        ("inner/read.rhai", "data::load(\"../secret.jsonl\");"),
        ("inner/cycle.rhai", "import \"cycle_b\" as b;"),
        ("inner/cycle_b.rhai", "import \"cycle\" as a;"),
        ("inner/self.rhai", "import \"self\" as me;"),
    ]);
    let refused = |script: &str, code: &str| {
        let (exit, _, err) = run(folder.path(), &["script", script]);
        assert_eq!(exit, 1, "{script}: {err}");
        assert!(err.contains(&format!("error[{code}]")), "{script}: {err}");
    };
    refused("inner/up.rhai", "access/read");
    refused("inner/read.rhai", "access/read");
    refused("inner/cycle.rhai", "import/cycle");
    refused("inner/self.rhai", "import/cycle");
    let (exit, _, err) = run(folder.path(), &["script", "--project", ".", "inner/up.rhai"]);
    assert_eq!(exit, 0, "{err}");
    let (exit, _, err) = run(folder.path(), &["script", "--allow-read", "secret.rhai", "inner/up.rhai"]);
    assert_eq!(exit, 0, "{err}");
}

#[cfg(unix)]
#[test]
fn links_do_not_lead_out_of_the_project() {
    let folder =
        folder_with(&[("outside/secret.rhai", "fn leak() { 1 }"), ("inner/main.rhai", "import \"link/secret\" as s;")]);
    std::os::unix::fs::symlink(folder.path().join("outside"), folder.path().join("inner/link")).expect("linked");
    let (exit, _, err) = run(folder.path(), &["script", "inner/main.rhai"]);
    assert_eq!(exit, 1);
    assert!(err.contains("error[access/read]"), "{err}");
}

#[cfg(unix)]
#[test]
fn ctrl_c_stops_a_run_and_its_record_says_so() {
    let folder = folder_with(&[("long.rhai", "print(\"begun\");\ntry { loop {} } catch { print(\"swallowed\"); }\n")]);
    let mut child = w2s(folder.path())
        .args(["script", "long.rhai"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("starts");
    let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    assert_eq!(lines.next().expect("a line").expect("text"), "begun");
    let start = Instant::now();
    // SAFETY: the process is our own child and has not been waited for.
    assert_eq!(unsafe { libc::kill(child.id().cast_signed(), libc::SIGINT) }, 0);
    let status = child.wait().expect("ends");
    assert!(start.elapsed() < Duration::from_secs(2), "took {:?}", start.elapsed());
    assert_eq!(status.code(), Some(130));
    assert!(lines.next().is_none(), "nothing was swallowed");
    let record = std::fs::read_to_string(folder.path().join("runs/long-001/record.json")).expect("a record");
    assert!(record.contains("\"kind\": \"interrupted\""), "{record}");
}

#[cfg(unix)]
#[test]
fn a_reader_that_goes_away_stops_the_run_quietly() {
    let folder = folder_with(&[("chatty.rhai", "let n = 0; loop { n += 1; print(n); }")]);
    let mut child = w2s(folder.path())
        .args(["script", "chatty.rhai"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("starts");
    let mut out = BufReader::new(child.stdout.take().expect("a pipe"));
    let mut line = String::new();
    out.read_line(&mut line).expect("a line");
    drop(out);
    let answer = child.wait_with_output().expect("ends");
    assert_eq!(answer.status.code(), Some(141));
    assert!(!String::from_utf8_lossy(&answer.stderr).contains("panicked"), "{answer:?}");
}

#[test]
fn a_script_runs_from_its_name_alone_and_from_standard_input() {
    let folder = folder_with(&[("own.rhai", "print(args.len());"), ("part.rhai", "fn one() { 41 }")]);
    let (code, out, err) = run(folder.path(), &["own.rhai", "--", "a", "b"]);
    assert_eq!((code, out.as_str()), (0, "2\n"), "{err}");
    let mut command = w2s(folder.path());
    command.args(["script", "-"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("starts");
    let script = b"import \"part\" as part;\nprint(sweep::map([1, 2], |x| part::one() + x));\nnothing_such();\n";
    child.stdin.take().expect("a pipe").write_all(script).expect("written");
    let answer = child.wait_with_output().expect("ends");
    let err = String::from_utf8_lossy(&answer.stderr).into_owned();
    assert_eq!(answer.status.code(), Some(1), "{err}");
    assert_eq!(String::from_utf8_lossy(&answer.stdout), "[42, 43]\n", "{err}");
    assert!(err.contains("stdin.rhai:3:1"), "{err}");
}

#[test]
fn typed_code_can_come_through_a_pipe() {
    let folder = folder_with(&[]);
    let mut child =
        w2s(folder.path()).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("starts");
    child.stdin.take().expect("a pipe").write_all(b"let a = 20;\nprint(a * 2 + 2);\n").expect("written");
    let answer = child.wait_with_output().expect("ends");
    assert!(String::from_utf8_lossy(&answer.stdout).contains("42"), "{answer:?}");
    assert_eq!(answer.status.code(), Some(0), "{answer:?}");
}

#[test]
fn threads_do_not_change_results_and_quiet_is_quiet() {
    let folder = folder_with(&[("s.rhai", "print(metric::pgr_percent(0.1, 0.2, 0.7));")]);
    let one = run(folder.path(), &["--threads", "1", "--quiet", "script", "s.rhai"]);
    let two = run(folder.path(), &["--threads", "2", "--quiet", "script", "s.rhai"]);
    assert_eq!(one, two);
    assert_eq!(one.2, "");
}
