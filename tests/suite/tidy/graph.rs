//! The graph of rooms, read from the source: which folder of `src` uses which other one. It must have no cycle, and every
//! use must point down the order that is stated here and drawn in `ARCHITECTURE.md`.

use super::{Source, none, sources};
use crate::support::root;
use std::collections::{BTreeMap, BTreeSet};

/// The rooms from the bottom up. Rooms of one line do not use each other.
const ORDER: [&[&str]; 14] = [
    &["core"],
    &["kernels"],
    &["frames", "store"],
    &["autograd", "data"],
    &["models", "stats"],
    // A domain may use models and metrics; pretraining knows the generated world.
    &["domains"],
    &["train"],
    &["report", "sweep"],
    &["record"],
    &["bind"],
    &["builtins"],
    &["lang"],
    &["cli"],
    &["main"],
];

/// How high a room lies.
fn level(room: &str) -> Option<usize> {
    ORDER.iter().position(|rooms| rooms.contains(&room))
}

/// One room's use of another.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Use {
    from: String,
    to: String,
    /// File and line.
    place: String,
}

/// The room of a file: its folder below `src`. A crate's root belongs to none, but the binary does.
fn room_of(path: &str) -> Option<&str> {
    let inner = path.strip_prefix("src/")?;
    match inner.split_once('/') {
        Some((room, _)) => Some(room),
        None => (inner == "main.rs").then_some("main"),
    }
}

/// The names of a file's module, from the crate's root.
fn module_of(path: &str) -> Vec<&str> {
    let inner = path.strip_prefix("src/").unwrap_or(path);
    let inner = inner.strip_suffix(".rs").unwrap_or(inner);
    let mut names: Vec<&str> = inner.split('/').collect();
    if matches!(names.last(), Some(&"mod" | &"lib" | &"main")) {
        names.pop();
    }
    names
}

/// Every use of another room, with macros that are exported counted as their room's.
fn uses(sources: &[Source]) -> Vec<Use> {
    let macros = exported_macros(sources);
    let mut found = Vec::new();
    for source in sources {
        let Some(from) = room_of(&source.path) else { continue };
        for (n, name) in names_at_root(source) {
            let to = macros.get(&name).cloned().unwrap_or(name);
            if to != from {
                found.push(Use { from: from.to_owned(), to, place: format!("{}:{n}", source.path) });
            }
        }
    }
    found
}

/// Exported macros, which are called as if they lay in the crate's root, and the rooms that they lie in.
fn exported_macros(sources: &[Source]) -> BTreeMap<String, String> {
    let mut macros = BTreeMap::new();
    for source in sources {
        let Some(room) = room_of(&source.path) else { continue };
        let mut lines = source.code.iter().map(|(_, line)| line.trim());
        while lines.by_ref().any(|line| line == "#[macro_export]") {
            let named = lines.by_ref().find_map(|line| line.strip_prefix("macro_rules! "));
            macros.extend(named.map(|rest| (identifier(rest).to_owned(), room.to_owned())));
        }
    }
    macros
}

/// The first name below the crate's root of every path that begins with `crate`, enough `super`s, or in the binary `w2s`; with
/// its line.
fn names_at_root(source: &Source) -> Vec<(usize, String)> {
    // Where each line begins, its number, and the module within the file that it lies in.
    let (mut text, mut starts, mut inner) = (String::new(), Vec::new(), None);
    for (n, line) in &source.code {
        inner = inline_module(line).or(inner.filter(|_| !line.starts_with('}')));
        starts.push((text.len(), *n, inner));
        text.push_str(line);
        text.push('\n');
    }
    let line_of = |at: usize| starts[starts.partition_point(|(start, ..)| *start <= at) - 1];
    let mut found = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let name = identifier(&text[at..]);
        let begins = !name.is_empty() && !text[..at].ends_with("::");
        let root: Option<Vec<&str>> = match name {
            "crate" if begins => Some(Vec::new()),
            "w2s" if begins && source.path == "src/main.rs" => Some(Vec::new()),
            "super" if begins => {
                let mut module = module_of(&source.path);
                module.extend(line_of(at).2);
                module.pop();
                Some(module)
            }
            _ => None,
        };
        let after =
            at + name.len().max(text[at..].chars().next().map_or(1, char::len_utf8) * usize::from(name.is_empty()));
        if let Some(base) = root {
            let mut names = Vec::new();
            follow(&text, after, base, &mut names);
            found.extend(names.into_iter().map(|(at, name)| (line_of(at).1, name)));
        }
        at = after;
    }
    found
}

/// The name of the module that this line of a file opens.
fn inline_module(line: &str) -> Option<&str> {
    let (before, name) = line.strip_suffix(" {")?.rsplit_once("mod ")?;
    (before.is_empty() || before.starts_with("pub")).then_some(name)
}

/// Follows a path, whose part before `at` leads to the module `base`, to the names at the crate's root; into braces too.
fn follow<'t>(text: &'t str, at: usize, base: Vec<&'t str>, found: &mut Vec<(usize, String)>) {
    let Some(rest) = text[at..].strip_prefix("::") else { return };
    let at = text.len() - rest.len();
    if rest.starts_with('{') {
        let mut depth = 0;
        let mut element = None;
        for (idx, c) in rest.char_indices() {
            match c {
                '{' | '}' => depth = if c == '{' { depth + 1 } else { depth - 1 },
                _ => {}
            }
            let is_edge = matches!(c, '{' | ',') && depth == 1;
            if is_edge {
                element = Some(idx + 1);
            } else if !c.is_whitespace() && element.is_some_and(|start| rest[start..idx].trim().is_empty()) {
                element = None;
                step(text, at + idx, base.clone(), found);
            }
            if depth == 0 {
                return;
            }
        }
        return;
    }
    step(text, at, base, found);
}

/// As [`follow`], from the beginning of a name.
fn step<'t>(text: &'t str, at: usize, mut base: Vec<&'t str>, found: &mut Vec<(usize, String)>) {
    let name = identifier(&text[at..]);
    match name {
        "" => {}
        "super" => {
            base.pop();
            follow(text, at + name.len(), base, found);
        }
        "self" => follow(text, at + name.len(), base, found),
        _ => found.push((at, base.first().copied().unwrap_or(name).to_owned())),
    }
}

/// The name that the text begins with.
fn identifier(text: &str) -> &str {
    let end = text.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(text.len());
    &text[..end]
}

/// What is wrong with the graph: rooms that the order does not know, uses that climb, cycles.
fn complaints(sources: &[Source]) -> Vec<String> {
    let uses = uses(sources);
    let mut complaints = Vec::new();
    for Use { from, to, place } in &uses {
        match (level(from), level(to)) {
            (Some(own), Some(other)) if other < own => {}
            (Some(own), Some(other)) if other == own => {
                complaints.push(format!("{place}: `{from}` uses `{to}`, which lies beside it"))
            }
            (Some(_), Some(_)) => complaints.push(format!("{place}: `{from}` uses `{to}`, which lies above it")),
            (None, _) => complaints.push(format!("{place}: the room `{from}` is not in the order")),
            (_, None) => complaints.push(format!("{place}: `{to}` is not a room of the order")),
        }
    }
    complaints.extend(cycles(&uses));
    complaints
}

/// Cycles, each use with its place. Of cycles that share a room one is told.
fn cycles(uses: &[Use]) -> Vec<String> {
    let mut edges: BTreeMap<&str, BTreeMap<&str, &str>> = BTreeMap::new();
    for Use { from, to, place } in uses {
        edges.entry(from).or_default().entry(to).or_insert(place);
    }
    let mut told: BTreeSet<&str> = BTreeSet::new();
    let mut complaints = Vec::new();
    for start in edges.keys().copied() {
        // The way from the start to each room that it reaches, the shortest first.
        let mut ways: Vec<Vec<&str>> = vec![vec![start]];
        let mut seen: BTreeSet<&str> = BTreeSet::new();
        let mut next = 0;
        while let Some(way) = ways.get(next).cloned() {
            next += 1;
            let Some(targets) = way.last().and_then(|room| edges.get(room)) else { continue };
            if targets.contains_key(start) {
                if way.iter().all(|room| told.insert(room)) {
                    let steps = way.iter().zip(way.iter().skip(1).chain([&start]));
                    let steps: Vec<String> =
                        steps.map(|(from, to)| format!("{from} → {to} ({})", edges[from][to])).collect();
                    complaints.push(format!("a cycle: {}", steps.join(", ")));
                }
                break;
            }
            ways.extend(targets.keys().filter(|room| seen.insert(room)).map(|room| [&way[..], &[room]].concat()));
        }
    }
    complaints
}

#[test]
fn rooms_use_what_lies_below_them() {
    let sources = sources();
    let found = uses(&sources);
    assert!(found.len() > 300, "{} uses: the source is read wrongly", found.len());
    none(complaints(&sources));
}

#[test]
fn every_room_has_its_place_in_the_order_and_on_the_map() {
    let folders =
        std::fs::read_dir(root().join("src")).expect("the source").map(|entry| entry.expect("an entry").path());
    let name = |path: std::path::PathBuf| path.file_name().expect("a name").to_string_lossy().into_owned();
    let rooms: BTreeSet<String> = folders.filter(|path| path.is_dir()).map(name).collect();
    let ordered: BTreeSet<String> =
        ORDER.concat().into_iter().map(str::to_owned).filter(|room| room != "main").collect();
    assert_eq!(rooms, ordered);
    let map = std::fs::read_to_string(root().join("ARCHITECTURE.md")).expect("the map");
    // The map's rooms stand two spaces in, the highest first.
    let drawn: Vec<&str> = map
        .lines()
        .filter_map(|line| line.strip_prefix("  ").filter(|line| !line.starts_with(' '))?.split_once('/'))
        .map(|(room, _)| room)
        .filter(|room| rooms.contains(*room))
        .collect();
    let falls = drawn.windows(2).all(|pair| level(pair[0]) >= level(pair[1]));
    assert!(falls && drawn.len() == rooms.len(), "ARCHITECTURE.md does not draw the rooms in their order: {drawn:?}");
}

/// A file that only exists here.
fn made_up(path: &str, text: &str) -> Source {
    Source { path: path.to_owned(), text: text.to_owned(), code: super::code(text) }
}

#[test]
fn a_climb_a_cycle_and_a_stranger_are_found_wherever_they_are_written() {
    let of = |files: &[(&str, &str)]| -> String {
        let sources: Vec<Source> = files.iter().map(|(path, text)| made_up(path, text)).collect();
        complaints(&sources).join("\n")
    };
    for climb in [
        "\nuse crate::store::Store;",
        "\nuse crate::{core::digest, store::Store};",
        "use crate::{\ncore::{digest, math}, store};",
        "\nfn f() { super::super::store::open() }",
        "\nuse super::super::{core, store::{Store}};",
        "\nuse super::{Digest, super::store};",
        "\npub(crate) use crate::store as shelf;",
    ] {
        let said = of(&[("src/core/a.rs", climb)]);
        assert_eq!(said, "src/core/a.rs:2: `core` uses `store`, which lies above it", "{climb:?}");
    }
    for fine in [
        "use super::store;\nuse super::{store, x::super_store};",
        "// crate::store",
        "let text = \"see\"; // crate::store",
        "#[cfg(test)]\nuse crate::store::Store;",
        "#[cfg(test)]\nmod tests {\n    use crate::cli;\n}",
        "mod crate_store;\nuse my_crate::store;",
        "mod inner {\n    use super::store;\n}",
    ] {
        assert_eq!(of(&[("src/core/a.rs", fine)]), "", "{fine:?}");
    }
    let nested = "mod inner {\n    use super::super::super::store;\n}\nuse super::super::store;";
    assert_eq!(of(&[("src/core/a.rs", nested)]).matches("`core` uses `store`").count(), 2);
    let said = of(&[("src/core/mod.rs", "#[cfg(test)]\nmod tests;\nuse super::store;")]);
    assert_eq!(said, "src/core/mod.rs:3: `core` uses `store`, which lies above it");
    assert!(
        of(&[("src/frames/a.rs", "use crate::store::x;")])
            .contains("src/frames/a.rs:1: `frames` uses `store`, which lies beside it")
    );
    assert!(of(&[("src/attic/a.rs", "use crate::core::x;")]).contains("the room `attic` is not in the order"));
    assert!(of(&[("src/core/a.rs", "use crate::attic::x;")]).contains("`attic` is not a room of the order"));
    assert!(of(&[("src/main.rs", "fn main() { w2s::cli::main() }"), ("src/cli/mod.rs", "w2s::main::x")]).is_empty());
    let macros =
        [("src/bind/a.rs", "#[macro_export]\nmacro_rules! options {"), ("src/core/a.rs", "use crate::options;")];
    assert_eq!(of(&macros), "src/core/a.rs:1: `core` uses `bind`, which lies above it");
    let cycle = [
        ("src/store/a.rs", "\nuse crate::kernels::x;"),
        ("src/kernels/a.rs", "use crate::core::x;"),
        ("src/core/b.rs", "use crate::store::x;"),
    ];
    let said = of(&cycle);
    let expected = "a cycle: core → store (src/core/b.rs:1), store → kernels (src/store/a.rs:2), kernels → core (src/kernels/a.rs:1)";
    assert!(said.contains(expected), "{said}");
}
