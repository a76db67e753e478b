//! Every `rhai` fence in the Markdown runs: a reader's first paste must work.
//!
//! A fence marked `rhai` must run, `rhai,fails` must fail, `rhai,no_run` (long experiments, files of one's own) must
//! compile. The pages under `docs/reference` are left out: their fences are the records' examples, which run from there.

use crate::support::{files_below, root, session_in, shown};
use std::path::PathBuf;

/// A fence: file, line of its first line, marks, code.
struct Fence {
    place: String,
    marks: Vec<String>,
    code: String,
}

fn fences(place: &str, text: &str) -> Vec<Fence> {
    let mut found: Vec<Fence> = Vec::new();
    let mut open: Option<Fence> = None;
    for (idx, line) in text.lines().enumerate() {
        match (line.trim().strip_prefix("```"), open.take()) {
            (Some(_), Some(fence)) => found.push(fence),
            (Some(marks), None) => {
                let marks: Vec<String> = marks.split([',', ' ']).map(|mark| mark.trim().to_owned()).collect();
                open = Some(Fence { place: format!("{place}:{}", idx + 2), marks, code: String::new() });
            }
            (None, Some(mut fence)) => {
                fence.code.push_str(line);
                fence.code.push('\n');
                open = Some(fence);
            }
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "{place}: a fence is not closed");
    found.retain(|fence| fence.marks.first().is_some_and(|language| language == "rhai"));
    found
}

fn markdown_files() -> Vec<PathBuf> {
    let top = std::fs::read_dir(root()).expect("the repository").map(|entry| entry.expect("an entry").path());
    let mut files: Vec<PathBuf> = top.filter(|path| path.extension().is_some_and(|e| e == "md")).collect();
    for folder in ["docs", "examples", "scripts", "stdlib"] {
        files.extend(files_below(&root().join(folder), "md"));
    }
    files.retain(|path| !path.starts_with(root().join("docs/reference")));
    files.sort();
    files
}

/// The doc comments of the script stdlib as Markdown, lines kept.
fn stdlib_comments() -> Vec<(String, String)> {
    let comment = |line: &str| line.trim().strip_prefix("///").unwrap_or("").to_owned() + "\n";
    files_below(&root().join("stdlib"), "rhai")
        .into_iter()
        .map(|path| (shown(&path), std::fs::read_to_string(&path).expect("text").lines().map(comment).collect()))
        .collect()
}

#[test]
fn every_fence_does_what_it_says() {
    let mut sources: Vec<(String, String)> = markdown_files()
        .iter()
        .map(|path| (shown(path), std::fs::read_to_string(path).expect("Markdown is UTF-8")))
        .collect();
    sources.extend(stdlib_comments());
    let mut complaints = Vec::new();
    for fence in sources.iter().flat_map(|(place, text)| fences(place, text)) {
        let folder = tempfile::tempdir().expect("a folder");
        let mut session = session_in(folder.path());
        let marked = |mark: &str| fence.marks.iter().any(|found| found == mark);
        let complaint = if marked("no_run") {
            session.compile(&fence.code).err().map(|error| format!("does not compile: {error}"))
        } else {
            match (session.eval(&fence.code), marked("fails")) {
                (Ok(_), true) => Some("is marked as failing and does not".to_owned()),
                (Err(error), false) => Some(format!("fails: {error}")),
                _ => None,
            }
        };
        complaints.extend(complaint.map(|what| format!("{} {what}", fence.place)));
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

#[test]
fn fences_are_found_with_their_marks() {
    let text = "a\n```rhai,no_run\nlet x = 1;\n```\n```sh\nls\n```\n```rhai\n2\n```\n";
    let found = fences("x.md", text);
    assert_eq!(found.len(), 2);
    assert_eq!((found[0].place.as_str(), found[0].code.as_str()), ("x.md:3", "let x = 1;\n"));
    assert_eq!(found[0].marks, ["rhai", "no_run"]);
}
