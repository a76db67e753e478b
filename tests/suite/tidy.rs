//! Reads the source and holds the house rules that the compiler does not: layers, printing, files, panics, names.

mod graph;

use crate::support::{files_below, root, shown};

/// A source file: path from the root, and its lines without tests and comments.
struct Source {
    path: String,
    text: String,
    /// Number (from 1) and text of each line of code outside `#[cfg(test)]`.
    code: Vec<(usize, String)>,
}

fn sources() -> Vec<Source> {
    let read = |path: std::path::PathBuf| {
        let text = std::fs::read_to_string(&path).expect("source is UTF-8");
        Source { path: shown(&path), code: code(&text), text }
    };
    let files = files_below(&root().join("src"), "rs").into_iter();
    let found: Vec<Source> = files.filter(|path| !path.ends_with("tests.rs")).map(read).collect();
    assert!(found.len() > 20, "the source is somewhere else");
    found
}

/// Lines of code: comments gone, and items that only tests have.
fn code(text: &str) -> Vec<(usize, String)> {
    let mut code = Vec::new();
    let mut lines = text.lines().enumerate().map(|(idx, line)| (idx + 1, strip_comment(line).trim_end()));
    while let Some((n, line)) = lines.next() {
        let item = line.trim_start();
        if !item.starts_with("#[cfg(test)]") && !item.starts_with("#[cfg(all(test") {
            code.push((n, line.to_owned()));
            continue;
        }
        // The item ends with its first line, or with the first brace that closes as far left as it begins.
        let indent = &line[..line.len() - item.len()];
        let is_attribute = |line: &str| line.trim_start().starts_with("#[");
        let Some((_, first)) = lines.by_ref().find(|(_, line)| !is_attribute(line)) else { break };
        let ends = |line: &str| line.strip_prefix(indent).is_some_and(|line| line.starts_with('}'));
        if !first.ends_with([';', '}', ',']) {
            lines.by_ref().find(|(_, line)| ends(line));
        }
    }
    code
}

/// The line without a `//` comment. A `//` inside a string literal stays: an even number of quotes must stand before.
fn strip_comment(line: &str) -> &str {
    let mut from = 0;
    while let Some(found) = line[from..].find("//") {
        let at = from + found;
        let quotes =
            line[..at].matches('"').count() - line[..at].matches("\\\"").count() - line[..at].matches("'\"'").count();
        if quotes.is_multiple_of(2) {
            return &line[..at];
        }
        from = at + 2;
    }
    line
}

/// Fails with every complaint at once.
fn none(complaints: Vec<String>) {
    assert!(complaints.is_empty(), "{} complaints:\n{}", complaints.len(), complaints.join("\n"));
}

/// Lines of the files for which `of` holds and that have one of `words`.
fn lines_with(words: &[&str], of: impl Fn(&Source) -> bool) -> Vec<String> {
    let mut complaints = Vec::new();
    for source in sources().iter().filter(|source| of(source)) {
        for (n, line) in &source.code {
            for word in words.iter().filter(|word| has_word(line, word)) {
                complaints.push(format!("{}:{n} has `{word}`: {}", source.path, line.trim()));
            }
        }
    }
    complaints
}

/// Whether `word` stands in `line` and is not the end of a longer name.
fn has_word(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        !before.is_some_and(|c| c.is_alphanumeric() || c == '_')
    })
}

/// The rooms with Rhai in them.
const OF_RHAI: [&str; 4] = ["src/bind/", "src/builtins/", "src/lang/", "src/cli/"];

#[test]
fn rhai_stays_in_its_rooms() {
    let has_rhai = |source: &Source| OF_RHAI.iter().any(|room| source.path.starts_with(room));
    none(lines_with(&["rhai::", "use rhai"], |source| !has_rhai(source)));
}

#[test]
fn nothing_prints_outside_the_cli() {
    let words = ["println!", "eprintln!", "print!", "eprint!", "dbg!", "stdout()", "stderr()"];
    none(lines_with(&words, |source| !source.path.starts_with("src/cli/") && source.path != "src/main.rs"));
}

/// Who may touch files, and why.
const MAY_TOUCH_FILES: [(&str, &str); 9] = [
    ("src/cli/", "does what the person at the keyboard says"),
    ("src/lang/source.rs", "reads the script and what it imports"),
    ("src/core/context/", "resolves paths before they are compared with the grants"),
    ("src/core/files.rs", "writes files for the rooms above"),
    ("src/core/memory.rs", "asks the system how much memory there is"),
    ("src/data/", "reads data sets, after `access.readable`"),
    ("src/frames/", "reads and writes tables, after `access.readable` and `access.writable`"),
    ("src/models/", "reads and writes checkpoints, after `access.readable` and `access.writable`"),
    ("src/store/", "keeps fetched artefacts"),
];

/// The same for rooms that write a run's folder.
const MAY_WRITE_RUNS: [(&str, &str); 2] =
    [("src/record/", "writes the run's folder"), ("src/report/", "writes figures and pages into the run's folder")];

#[test]
fn files_are_touched_in_few_rooms() {
    let rooms = || MAY_TOUCH_FILES.iter().chain(&MAY_WRITE_RUNS);
    assert!(rooms().all(|(_, reason)| !reason.is_empty()));
    let words = ["std::fs", "fs::", "File::open", "File::create", "read_to_string(", "OpenOptions"];
    none(lines_with(&words, |source| !rooms().any(|(room, _)| source.path.starts_with(room))));
}

#[test]
fn files_are_written_whole_in_one_place() {
    let words = ["tempfile_in(", "NamedTempFile::new", "fs::rename"];
    // The store moves a folder aside that lies in the place of a file.
    let may = |source: &Source| ["src/core/files.rs", "src/store/mod.rs"].contains(&source.path.as_str());
    none(lines_with(&words, |source| !may(source)));
}

#[test]
fn no_process_and_no_network_outside_fetch() {
    // `w2s fetch` works through `store`: it calls the package installer, and the hub.
    let words = ["std::process::Command", "Command::new", "ureq", "TcpStream", "TcpListener", "UdpSocket"];
    // `sweep` starts this program again.
    let rooms = ["src/store/", "src/sweep/", "src/cli/"];
    let may = |source: &Source| rooms.iter().any(|room| source.path.starts_with(room));
    none(lines_with(&words, |source| !may(source)));
}

#[test]
fn input_cannot_make_it_panic() {
    let words = ["unwrap()", "expect(", "panic!", "todo!", "unimplemented!", "unreachable!"];
    none(
        lines_with(&words, |_| true)
            .into_iter()
            .filter(|line| !line.contains(" fn expect(") && !line.contains("#[expect("))
            .collect(),
    );
}

#[test]
fn every_file_says_what_lives_in_it_and_is_one_idea() {
    let mut complaints = Vec::new();
    for source in sources() {
        if !source.text.starts_with("//! ") {
            complaints.push(format!("{}: does not begin with a `//!` paragraph", source.path));
        }
        let n_lines = source.text.lines().count();
        if n_lines > 900 {
            complaints.push(format!("{}: {n_lines} lines are more than one idea", source.path));
        }
    }
    none(complaints);
}

#[test]
fn nothing_is_left_to_do_and_no_machine_is_named() {
    let mut complaints = Vec::new();
    let mut files = files_below(&root().join("src"), "rs");
    for (folder, extension) in [
        ("tests", "rs"),
        ("benches", "rs"),
        ("stdlib", "rhai"),
        ("scripts", "rhai"),
        ("examples", "rhai"),
        ("docs", "md"),
    ] {
        files.extend(files_below(&root().join(folder), extension));
    }
    let top = std::fs::read_dir(root()).expect("the repository").map(|entry| entry.expect("an entry").path());
    files.extend(top.filter(|path| path.extension().is_some_and(|e| e == "md")));
    for path in files.iter().filter(|path| !path.ends_with("tests/suite/tidy.rs")) {
        let text = std::fs::read_to_string(path).expect("text");
        for (idx, line) in text.lines().enumerate() {
            for word in ["TODO", "FIXME", "XXX", "/home/", "/root/", "/work/", "/Users/", "C:\\Users"] {
                if line.contains(word) {
                    complaints.push(format!("{}:{} has `{word}`", shown(path), idx + 1));
                }
            }
        }
    }
    none(complaints);
}

#[test]
fn a_builtin_has_a_file_of_its_name() {
    let mut complaints = Vec::new();
    for source in sources().iter().filter(|source| source.path.starts_with("src/builtins/")) {
        let stem = source.path.rsplit('/').next().unwrap_or("").trim_end_matches(".rs");
        if stem == "mod" {
            continue;
        }
        let names: Vec<&str> = source
            .text
            .match_indices("Function::new(\"")
            .filter_map(|(at, found)| source.text[at + found.len()..].split('"').nth(2))
            .collect();
        let members = ["Function::method", "Function::getter", "Function::operator", "Function::reverse_operator"];
        let has_members = members.iter().any(|maker| source.text.contains(maker));
        if let [name] = names.as_slice()
            && !has_members
            && *name != stem
        {
            complaints.push(format!("{}: holds `{name}` alone and is not called after it", source.path));
        }
    }
    none(complaints);
}

#[test]
fn every_room_is_on_the_map() {
    let map = std::fs::read_to_string(root().join("ARCHITECTURE.md")).expect("ARCHITECTURE.md");
    let mut complaints = Vec::new();
    for floor in ["src", "src/domains", "src/cli"] {
        for entry in std::fs::read_dir(root().join(floor)).expect("a floor").map(|entry| entry.expect("an entry")) {
            let name = entry.file_name().to_string_lossy().into_owned();
            let named = map.lines().any(|line| line.trim_start().starts_with(&format!("{name}/")));
            // A folder inside the CLI is named where the CLI's commands are listed.
            if entry.path().is_dir() && !named && !(floor == "src/cli" && map.contains(&name)) {
                complaints.push(format!("{floor}/{name} is not in ARCHITECTURE.md"));
            }
        }
    }
    none(complaints);
}

#[test]
fn comments_are_told_from_strings() {
    assert_eq!(strip_comment("let url = \"https://x\"; // note"), "let url = \"https://x\"; ");
    assert_eq!(strip_comment("f('\"'); // panic!"), "f('\"'); ");
    assert!(has_word("use rhai::Engine;", "rhai::") && !has_word("myrhai::x", "rhai::"));
    assert_eq!(code("a\n#[cfg(test)]\nmod tests {}").len(), 1);
    let text =
        "a\n    #[cfg(test)]\n    #[must_use]\n    fn f() {\n        b\n    }\nc\n#[cfg(test)]\nmod tests;\nd // e";
    let kept: Vec<(usize, String)> = [(1, "a"), (7, "c"), (10, "d")].map(|(n, line)| (n, line.to_owned())).into();
    assert_eq!(code(text), kept);
}

/// The sections of a manifest that say how the release profile compiles, without w2s itself.
fn release_profile(manifest: &str) -> Vec<String> {
    let text = std::fs::read_to_string(root().join(manifest)).expect("a manifest");
    let mut found = Vec::new();
    let mut inside = false;
    for line in
        text.lines().map(|line| line.split('#').next().unwrap_or_default().trim()).filter(|line| !line.is_empty())
    {
        if line.starts_with('[') {
            inside = line.starts_with("[profile.release") && line != "[profile.release.package.w2s]";
        }
        if inside {
            found.push(line.to_owned());
        }
    }
    found
}

#[test]
fn fuzzing_compiles_the_dependencies_as_the_program_does() {
    let program = release_profile("Cargo.toml");
    assert!(program.len() > 10, "{program:?}");
    assert_eq!(program, release_profile("fuzz/Cargo.toml"), "change both together");
}
