//! The generated reference is what the records say now.

use crate::support::{files_below, root, shown};
use std::collections::BTreeMap;
use std::path::PathBuf;
use w2s::cli::help::{GENERATED, Reference};

/// What to type when the reference is stale.
const COMMAND: &str = "cargo run --release -- docs";

#[test]
fn the_generated_reference_is_not_stale() {
    let wanted: BTreeMap<PathBuf, String> = Reference::shipped().files().into_iter().collect();
    let mut complaints = Vec::new();
    for (path, content) in &wanted {
        match std::fs::read_to_string(root().join("docs").join(path)) {
            Ok(found) if found == *content => {}
            Ok(_) => complaints.push(format!("docs/{} is stale", path.display())),
            Err(_) => complaints.push(format!("docs/{} is missing", path.display())),
        }
    }
    for folder in GENERATED {
        for path in ["md", "rhai"].iter().flat_map(|e| files_below(&root().join("docs").join(folder), e)) {
            let below = path.strip_prefix(root().join("docs")).expect("below docs");
            if !wanted.contains_key(below) {
                complaints.push(format!("{} belongs to nothing", shown(&path)));
            }
        }
    }
    assert!(complaints.is_empty(), "run `{COMMAND}`:\n{}", complaints.join("\n"));
}

#[test]
fn every_link_in_the_reference_leads_somewhere() {
    let files: BTreeMap<PathBuf, String> = Reference::shipped().files().into_iter().collect();
    let mut complaints = Vec::new();
    for (path, content) in &files {
        for link in content.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let (file, anchor) = link.split_once('#').map_or((link, None), |(file, anchor)| (file, Some(anchor)));
            if link.starts_with("http") || link.starts_with("../../../") {
                continue;
            }
            let mut target = path.parent().expect("a folder").to_owned();
            for part in file.split('/') {
                match part {
                    ".." => assert!(target.pop(), "{link}"),
                    part => target.push(part),
                }
            }
            let there = files.get(&target).is_some_and(|page| {
                anchor.is_none_or(|anchor| page.lines().any(|line| line.starts_with('#') && fragment(line) == anchor))
            });
            if !there {
                complaints.push(format!("{}: {link}", path.display()));
            }
        }
    }
    assert!(complaints.is_empty(), "links that lead nowhere:\n{}", complaints.join("\n"));
}

/// The fragment that Markdown readers make of a heading.
fn fragment(heading: &str) -> String {
    let text = heading.trim_start_matches('#').trim().to_lowercase();
    text.chars().filter(|c| c.is_alphanumeric() || *c == '_' || *c == '-').collect()
}

#[test]
fn editor_definitions_name_every_function() {
    let reference = Reference::shipped();
    let files: BTreeMap<PathBuf, String> = w2s::cli::help::definitions(&reference).into_iter().collect();
    for function in reference.registry.functions.iter().filter(|f| f.kind == w2s::bind::Kind::Function) {
        let home = if function.module.is_empty() { "static" } else { function.module };
        let file = files.get(&PathBuf::from(format!("definitions/{home}.d.rhai"))).expect("a file for each module");
        assert!(file.contains(&format!("fn {}(", function.name)), "{}", function.path());
    }
}
