//! Every script and every lesson runs, at a size that takes seconds, through the program itself; the script stdlib's own tests run.
//!
//! A script reads `args.contains("--smoke")` to know that it should be small. One whose head says `// Needs:` wants something
//! that must be fetched first, or hours: it is compiled only.

use crate::support::{files_below, root, session_in, shown};
use std::path::Path;
use std::process::Command;

/// The comment lines that a script opens with.
fn head(text: &str) -> Vec<&str> {
    text.lines().take_while(|line| line.starts_with("//")).collect()
}

fn needs_something(text: &str) -> bool {
    head(text).iter().any(|line| line.starts_with("// Needs:"))
}

/// Runs a script in a run folder of its own; what it left there and what it printed.
fn run(script: &Path) -> (Vec<String>, String) {
    let folder = tempfile::tempdir().expect("a folder");
    let output = Command::new(env!("CARGO_BIN_EXE_w2s"))
        .arg("script")
        .arg(script)
        .arg("--quiet")
        .args(["--threads", "2"])
        .arg("--run")
        .arg(folder.path().join("run"))
        .arg("--store")
        .arg(folder.path().join("store"))
        .args(["--", "--smoke"])
        .current_dir(folder.path())
        .output()
        .expect("starts");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{} failed ({}):\n{said}\n{}",
        shown(script),
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    let entries = std::fs::read_dir(folder.path().join("run")).expect("a run folder");
    let mut files: Vec<String> =
        entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
    files.sort();
    (files, said)
}

fn scripts(folder: &str) -> Vec<(std::path::PathBuf, String)> {
    let found = files_below(&root().join(folder), "rhai");
    assert!(!found.is_empty(), "no scripts in {folder}");
    found.into_iter().map(|path| (path.clone(), std::fs::read_to_string(path).expect("text"))).collect()
}

#[test]
fn every_lesson_runs_and_opens_with_what_it_teaches() {
    for (path, text) in scripts("examples") {
        assert!(!head(&text).is_empty(), "{} opens without a sentence that says what it teaches", shown(&path));
        if !needs_something(&text) {
            let (files, said) = run(&path);
            assert!(!said.is_empty(), "{} prints nothing", shown(&path));
            assert!(files.contains(&"report.html".to_owned()), "{}: {files:?}", shown(&path));
        }
    }
}

#[test]
fn every_script_runs_small_and_opens_with_question_expectation_and_cost() {
    for (path, text) in scripts("scripts") {
        for part in ["// Question:", "// Expect:", "// Cost:"] {
            assert!(head(&text).iter().any(|line| line.starts_with(part)), "{} has no line `{part}`", shown(&path));
        }
        if needs_something(&text) {
            let folder = tempfile::tempdir().expect("a folder");
            let compiled = session_in(folder.path()).compile(&text);
            assert!(compiled.is_ok(), "{}: {:?}", shown(&path), compiled.err());
        } else {
            let (_, said) = run(&path);
            assert!(!said.is_empty(), "{} prints nothing", shown(&path));
        }
    }
}

#[test]
fn the_main_script_leaves_its_table_and_figures() {
    let (files, said) = run(&root().join("scripts/bootstrap.rhai"));
    let files_wanted = [
        "comparison.csv",
        "controls.parquet",
        "pgr-era.svg",
        "epochs.svg",
        "differences.csv",
        "record.json",
        "report.html",
    ];
    for file in files_wanted {
        assert!(files.iter().any(|found| found == file), "{file} is missing: {files:?}");
    }
    for word in ["naive", "confidence, α 0.75", "bootstrap, 2 hops", "shuffled"] {
        assert!(said.contains(word), "{word} is missing:\n{said}");
    }
}

/// Runs every test in `stdlib/MODULE_test.rhai`, of which there are so many at least.
fn passes_its_own_tests(module: &str, at_least: usize) {
    let folder = tempfile::tempdir().expect("a folder");
    let mut session = session_in(folder.path());
    let path = root().join(format!("stdlib/{module}_test.rhai"));
    let text = std::fs::read_to_string(path).expect("tests beside the stdlib");
    let _ = session.eval(&text).unwrap_or_else(|error| panic!("{error:?}"));
    let tests: Vec<String> = session
        .functions()
        .into_iter()
        .map(|function| function.name.to_string())
        .filter(|name| name.starts_with("test_"))
        .collect();
    assert!(tests.len() >= at_least, "too few tests were found: {tests:?}");
    for test in tests {
        let _ = session.eval(&format!("{test}()")).unwrap_or_else(|error| panic!("{test}: {error:?}"));
    }
}

#[test]
fn the_script_stdlib_passes_its_own_tests() {
    passes_its_own_tests("w2s", 8);
}

#[test]
fn claims_pass_their_own_tests() {
    passes_its_own_tests("claims", 12);
}

#[test]
fn errors_pass_their_own_tests() {
    passes_its_own_tests("errors", 11);
}

#[test]
fn methods_pass_their_own_tests() {
    passes_its_own_tests("methods", 15);
}

#[test]
fn preference_loops_of_language_models_pass_their_own_tests() {
    passes_its_own_tests("prefer_lm", 9);
}

#[test]
fn prompts_pass_their_own_tests() {
    passes_its_own_tests("prompt", 5);
}

#[test]
fn loops_of_preference_learning_pass_their_own_tests() {
    passes_its_own_tests("prefer", 6);
}
