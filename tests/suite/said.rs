//! What the program says unasked: warnings of what would else be a wrong number in silence, where files landed, errors at their place.

use crate::support::session_in;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};
use w2s::core::context::Event;
use w2s::lang::Session;

/// A session, and the warnings that it has given.
fn listening(folder: &Path) -> (Session, Arc<Mutex<Vec<String>>>) {
    let session = session_in(folder);
    let said = Arc::new(Mutex::new(Vec::new()));
    let kept = said.clone();
    session.ctx.listen(move |event| {
        if let Event::Warning { text } = event {
            kept.lock().expect("not poisoned").push(text);
        }
    });
    (session, said)
}

/// What the code gives, or its error, and the warnings on the way.
fn says(code: &str) -> (String, Vec<String>) {
    let folder = tempfile::tempdir().expect("a folder");
    let (mut session, said) = listening(folder.path());
    let mut answer = String::new();
    for input in code.split("\n---\n") {
        answer = match session.eval(input) {
            Ok(value) => w2s::bind::show(&value),
            Err(error) => format!("{}: {}", error.code, error.message),
        };
    }
    let said = said.lock().expect("not poisoned").clone();
    (answer, said)
}

#[test]
fn a_field_that_is_not_there_is_said_and_stays_nothing() {
    let (answer, said) =
        says("let found = metric::t_test([0.1, 0.2, 0.4]);\n---\nfound.mena == () || found.mean > 0.0");
    assert_eq!((answer.as_str(), said.len()), ("true", 0), "{said:?}");
    let (answer, said) = says("let found = metric::t_test([0.1, 0.2, 0.4]);\n---\ntype_of([found.mena][0])");
    assert_eq!(answer, "()");
    let expected = "`found` has no field `mena`: reading it gives nothing, `()`; did you mean `mean`?";
    assert!(said.len() == 1 && said[0].starts_with(expected), "{said:?}");
    let (_, said) = says("let found = metric::t_test([0.1, 0.2, 0.4]); [found.pvalue]");
    assert!(said.len() == 1 && said[0].starts_with("`metric::t_test` has no field `pvalue`"), "{said:?}");
}

#[test]
fn signs_that_mean_something_else_elsewhere_are_said() {
    for (code, value, part) in [
        ("7 // 2", "7", "`//` begins a comment"),
        ("3 ^ 2", "1", "`^` is exclusive or"),
        ("let x = 5; x =- 3; x", "-3", "`=+` and `=-` set"),
        ("let x = 3; -x ** 2", "9", "`-x ** 2` is `(-x) ** 2`"),
    ] {
        let (answer, said) = says(code);
        assert_eq!(answer, value, "{code}: what was typed keeps its value");
        assert!(said.len() == 1 && said[0].starts_with(part), "{code}: {said:?}");
    }
}

#[test]
fn classes_that_differ_in_how_they_are_written_are_said() {
    let rows = |a: &str, b: &str| {
        format!(
            "data::of([#{{ id: \"a\", text: \"x\", label: {a} }}, #{{ id: \"b\", text: \"y\", label: {b} }}], #{{ test_share: 0.0 }}).classes.len()"
        )
    };
    for (a, b) in [("\"Yes\"", "\"yes\""), ("\"01\"", "\"1\"")] {
        let (answer, said) = says(&rows(a, b));
        assert_eq!(answer, "2");
        assert!(said.len() == 1 && said[0].contains("where one is meant"), "{a}, {b}: {said:?}");
    }
    for (a, b) in [("\"yes\"", "\"no\""), ("0", "1"), ("\"1\"", "\"2\"")] {
        assert_eq!(says(&rows(a, b)), ("2".to_owned(), Vec::new()), "{a}, {b}");
    }
}

#[test]
fn a_closure_of_another_arity_is_told_as_one() {
    let (answer, _) = says("let f = |a, b| a + b; [1].map(|x| f.call(x))");
    assert_eq!(
        answer,
        "call/arity: a closure of `input` is called with 1 argument (integer), and takes another number of them"
    );
    let (answer, _) = says(
        "w2s::transfer(model::ladder(\"world\")[0], model::ladder(\"world\")[1], || data::load(\"world/subject\"), #{ seeds: [0] })",
    );
    assert!(answer.starts_with("call/arity: a closure of `input` is called with 1 argument (integer)"), "{answer}");
}

#[test]
fn a_ladder_from_strong_to_weak_is_said_once() {
    let code = |order: &str| {
        format!(
            "let l = model::ladder(\"world\"); let pairs = w2s::sweep({order}, data::load(\"world/subject\"), #{{ seeds: [0], n: 20, \
             train: #{{ steps: 2 }} }}); pairs.len()"
        )
    };
    let falls = |said: &[String]| said.iter().filter(|text| text.contains("the ladder of `w2s::sweep` falls")).count();
    let (answer, said) = says(&code("[l[3], l[0]]"));
    assert_eq!((answer.as_str(), falls(&said)), ("1", 1), "{said:?}");
    let (answer, said) = says(&code("[l[0], l[3]]"));
    assert_eq!((answer.as_str(), falls(&said)), ("1", 0), "{said:?}");
}

#[test]
fn nothing_compared_is_refused_by_name() {
    let (answer, _) = says("w2s::compare([])");
    assert!(answer.contains("`experiments` of `w2s::compare` must have at least one experiment"), "{answer}");
}

/// The built program in a folder; its standard output and standard error.
fn program(folder: &Path, args: &[&str]) -> (String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_w2s"));
    let done = command.current_dir(folder).env("W2S_STORE", folder.join("store")).args(args).output().expect("runs");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    (text(done.stdout), text(done.stderr))
}

#[test]
fn a_written_file_is_said_with_its_place() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("main.rhai"), "frame::of(#{ a: [1] }).write_csv(\"t.csv\");").expect("written");
    let (_, err) = program(folder.path(), &["script", "main.rhai"]);
    assert!(err.contains("wrote runs/main-001/t.csv\n"), "{err}");
    assert!(folder.path().join("runs/main-001/t.csv").is_file());
    let (_, err) = program(folder.path(), &["--quiet", "script", "main.rhai"]);
    assert!(!err.contains("wrote"), "{err}");
}

#[test]
fn refused_operators_are_one_line_of_help() {
    let folder = tempfile::tempdir().expect("a folder");
    let (out, _) = program(folder.path(), &["help", "Estimate"]);
    assert_eq!(out.matches("an estimate is not a number").count(), 1, "{out}");
    assert!(out.contains("+ - * / < <= > >= == !="), "{out}");
}
