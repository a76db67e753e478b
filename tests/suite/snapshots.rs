//! What the program prints, as transcripts: errors, help, tables. Each file of `snapshots/` is run from its own text and must come out
//! as it stands there.
//!
//! `$ w2s …` runs a command in the transcript's own folder (words may be quoted by `'`), which is called FOLDER. Below stand its standard output, its standard
//! error with `! ` before each line, and `[code]` where it is not 0. `> NAME` begins a file of that folder, whose lines begin with
//! `| `. Other lines that begin with `#` are notes. `W2S_WRITE_SNAPSHOTS=1 cargo test --release --test suite snapshots` writes the
//! transcripts anew: read the difference before it is committed.

use crate::support::root;
use std::fmt::Write;
use std::path::Path;
use std::process::{Command, Stdio};

/// The words of a command: separated by spaces, but within quotes.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut quoted, mut word) = (Vec::new(), false, None::<String>);
    for letter in line.chars() {
        match letter {
            '\'' => {
                quoted = !quoted;
                word.get_or_insert_default();
            }
            ' ' if !quoted => words.extend(word.take()),
            letter => word.get_or_insert_default().push(letter),
        }
    }
    assert!(!quoted, "a quote is open: {line}");
    words.extend(word);
    words
}

/// What a command prints and answers, as a transcript has it.
fn ran(folder: &Path, line: &str) -> String {
    let words = words(line);
    assert_eq!(words.first().map(String::as_str), Some("w2s"), "{line}");
    let mut command = Command::new(env!("CARGO_BIN_EXE_w2s"));
    command.args(&words[1..]).current_dir(folder).stdin(Stdio::null()).env("W2S_STORE", folder.join("store"));
    let answer = command.env_remove("RUST_BACKTRACE").env_remove("COLUMNS").output().expect("runs");
    let place = folder.canonicalize().expect("there").to_str().expect("UTF-8").to_owned();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("UTF-8").replace(&place, "FOLDER");
    let mut said = String::new();
    text(&answer.stdout).lines().for_each(|line| writeln!(said, "{}", line.trim_end()).expect("a string"));
    text(&answer.stderr)
        .lines()
        .for_each(|line| writeln!(said, "{}", format!("! {line}").trim_end()).expect("a string"));
    match answer.status.code() {
        Some(0) => {}
        Some(code) => writeln!(said, "[{code}]").expect("a string"),
        None => panic!("{line} was killed"),
    }
    said
}

/// The transcript as it comes out now.
fn again(transcript: &str) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    let mut out = String::new();
    let mut file: Option<std::path::PathBuf> = None;
    for line in transcript.lines() {
        if let Some(name) = line.strip_prefix("> ") {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().expect("a parent")).expect("made");
            std::fs::write(&path, "").expect("written");
            file = Some(path);
        } else if let Some(content) = line.strip_prefix('|').filter(|_| file.is_some()) {
            let path = file.as_ref().expect("a file");
            let before = std::fs::read_to_string(path).expect("there");
            std::fs::write(path, format!("{before}{}\n", content.strip_prefix(' ').unwrap_or(content)))
                .expect("written");
        } else if let Some(command) = line.strip_prefix("$ ") {
            file = None;
            let before = if out.is_empty() || out.ends_with("\n\n") { "" } else { "\n" };
            let _ = write!(out, "{before}{line}\n{}", ran(folder.path(), command));
            continue;
        } else {
            file = None;
            if line.starts_with("# ") {
                let before = if out.is_empty() || out.ends_with("\n\n") { "" } else { "\n" };
                let _ = writeln!(out, "{before}{line}");
            }
            continue;
        }
        let _ = writeln!(out, "{line}");
    }
    out
}

/// The first lines that differ, behind the command that printed them.
fn first_difference(held: &str, now: &str) -> String {
    let (held, now): (Vec<&str>, Vec<&str>) = (held.lines().collect(), now.lines().collect());
    let at = held.iter().zip(&now).take_while(|(held, now)| held == now).count();
    let command = held[..at.min(held.len())].iter().rev().find(|line| line.starts_with("$ ")).unwrap_or(&"");
    let shown = |sign: char, lines: &[&str]| {
        lines.iter().skip(at).take(8).map(|line| format!("{sign} {line}\n")).collect::<String>()
    };
    format!("{command}\n{}{}", shown('-', &held), shown('+', &now))
}

#[test]
fn what_is_printed_is_what_the_transcripts_say() {
    let folder = root().join("tests/suite/snapshots");
    let mut names: Vec<_> =
        std::fs::read_dir(&folder).expect("the folder").map(|entry| entry.expect("a file").path()).collect();
    names.sort();
    assert!(names.len() >= 4, "{names:?}");
    let mut other = Vec::new();
    for path in names {
        let held = std::fs::read_to_string(&path).expect("a transcript");
        let now = again(&held);
        if now == held {
            continue;
        }
        if std::env::var_os("W2S_WRITE_SNAPSHOTS").is_some() {
            std::fs::write(&path, now).expect("written");
            continue;
        }
        other.push(format!("{}:\n{}", crate::support::shown(&path), first_difference(&held, &now)));
    }
    assert!(other.is_empty(), "W2S_WRITE_SNAPSHOTS=1 takes what is printed now:\n{}", other.join("\n"));
}

#[test]
fn a_transcript_that_lies_is_seen() {
    assert_eq!(again("$ w2s eval '1 + 1'\n3\n"), "$ w2s eval '1 + 1'\n2\n");
    assert_eq!(words("w2s eval 'a b' c ''"), ["w2s", "eval", "a b", "c", ""]);
}
