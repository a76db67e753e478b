//! The appendix of a run: what is in it, that LaTeX takes it without a word, and that a reader can copy the script out of the PDF
//! and run it. What needs TeX or poppler is skipped, and says so, where they are not installed.

use std::path::Path;
use std::process::{Command, Output, Stdio};

/// A script with every printable ASCII character, letters that pdflatex has, letters that it lacks, lines longer than any
/// column, tabs, a wide table with intervals and nulls, and each kind of figure.
fn script() -> String {
    let ascii: String = (' '..='~').filter(|c| *c != '`').collect();
    format!(
        r##"// Question: does {ascii} survive? é ü ñ ß œ → ≤ ∞ α “so” – and 中文, 😀, e{acute}, {long}
import "part" as part;
/* a comment
   of two lines -- and `quotes' */
let name = "naïve → 中文 😀 'single' \"double\" \\ % # $ & _ {{}} ~ ^";
let text = `grave ${{1 + 1}} -- fi fl ffi ?` + "<< >> ,, ''" + "{long}";
	let indented = part::one();   
let rows = [];
for (method, idx) in ["naive", "confidence_50%", "chain of {{hops}} & more"] {{
    for task in ["era", "verdict"] {{
        if idx > 0 {{                                                                              // far to the right
            rows.push(#{{ task: task, method: method, weak: "world-1", strong: "world-5", weak_accuracy: 0.6, weak_accuracy_low: 0.55, weak_accuracy_high: 0.65, student_accuracy: 0.7 + idx * 0.01, student_accuracy_low: 0.66, student_accuracy_high: 0.74, ceiling_accuracy: 0.9, ceiling_accuracy_low: 0.88, ceiling_accuracy_high: 0.92, pgr: 0.33 * idx, pgr_low: -0.1, pgr_high: 0.7, reason: "a reason that goes on for more than a narrow column has room for, with an_identifier_that_is_long" }});
        }}
    }}
}}
rows = rows.filter(|row| row.task == "era") + rows.filter(|row| row.task == "verdict");
let table = frame::of(rows);
report::table(table, #{{ name: "comparison_of_methods", caption: "Three methods, 50 % {{of}} two tasks" }});
report::figure(plot::pgr(table, #{{ title: "PGR of 50% & <more> → 中" }}));
report::figure(plot::accuracy(table), #{{ caption: "Who stands where & why <b>" }});
report::figure(plot::bar(table.filter(col("task") == "era"), #{{ y: "student_accuracy", y_limits: [0, 1] }}));
report::figure(plot::scatter(table, #{{ x: "weak_accuracy", y: "student_accuracy", by: "method", facet: "task" }}));
report::figure(plot::histogram(table, #{{ x: "pgr", by: "task", bins: 5 }}));
report::figure(plot::heatmap(table.filter(col("task") == "era"), #{{ x: "method", y: "task" }}));
let curve = [];
for x in 1..200 {{ curve.push(#{{ x: x, y: 1.0 / x, by: if x % 2 == 0 {{ "even" }} else {{ "odd" }} }}); }}
report::figure(plot::lines(frame::of(curve), #{{ by: "by", log_x: true }}));
print(name); print(text); print(indented - 1 -
    2);
"##,
        acute = '\u{301}',
        long = "long words and more of them ".repeat(8).trim_end()
    )
}

fn w2s(folder: &Path, args: &[&str]) -> (i32, String, String) {
    let Output { status, stdout, stderr } = Command::new(env!("CARGO_BIN_EXE_w2s"))
        .current_dir(folder)
        .env("W2S_STORE", folder.join("store"))
        .stdin(Stdio::null())
        .args(args)
        .output()
        .expect("runs");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    (status.code().unwrap_or(-1), text(stdout), text(stderr))
}

/// A folder with the script, which has run; what it printed.
fn run() -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("part.rhai"), "// imported\nfn one() { 1 }\n").expect("written");
    std::fs::write(folder.path().join("main_é.rhai"), script()).expect("written");
    let (code, out, err) = w2s(folder.path(), &["script", "--quiet", "--run", "run", "main_é.rhai", "--", "--x"]);
    assert_eq!(code, 0, "{err}");
    (folder, out)
}

/// Whether a program is there; if not, says that the test is skipped.
fn there(program: &str, argument: &str) -> bool {
    let found = Command::new(program).arg(argument).stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok();
    if !found {
        crate::support::skipped(&format!("`{program}` is not installed"));
    }
    found
}

#[test]
fn a_finished_run_leaves_its_appendix_and_the_command_writes_it_again() {
    let (folder, _) = run();
    let at = |name: &str| folder.path().join(name);
    let read = |path: &str| std::fs::read_to_string(at(path)).expect("there");
    let tex = read("run/appendix.tex");
    assert!(tex.is_ascii(), "pdflatex sets ASCII alone");
    for part in [
        "Imported: part.rhai",
        "strong world-5",
        "shown as",
        "773273207665726966792072756E",
        "Verify with",
        "Three methods, 50 \\% $\\{$of$\\}$ two tasks. In all rows",
        "Who stands where \\& why $<$b$>$",
    ] {
        assert!(tex.contains(part), "{part}");
    }
    let markdown = read("run/appendix.md");
    for part in [
        &script(),
        "fn one() { 1 }",
        "![pgr](pgr.svg)",
        "w2s verify run",
        "with the arguments --x",
        "Who stands where \\& why \\<b\\>",
    ] {
        assert!(markdown.contains(part), "{part} is missing: {markdown}");
    }
    let (code, out, err) = w2s(folder.path(), &["appendix", "run", "-o", "paper"]);
    assert_eq!(code, 0, "{err}");
    assert!(out.contains("appendix.tex") && out.contains("heatmap.svg"), "{out}");
    assert_eq!(read("paper/appendix.tex"), tex);
    assert_eq!(read("paper/pgr.svg"), read("run/pgr.svg"));
    let page = read("run/report.html");
    assert!(page.contains("w2s verify run") && page.contains("<span class=\"k\">let</span>"));
    assert!(
        page.contains("Who stands where &amp; why &lt;b&gt;") && page.contains("Three methods, 50 % {of} two tasks")
    );
    assert_eq!(page.matches("<figure class=\"kept\"").count(), 7, "every figure is shown");
    assert_eq!(tex.matches("\\begin{tikzpicture}").count(), 7);
}

#[test]
fn what_is_no_run_is_refused() {
    let (folder, _) = run();
    let (code, _, err) = w2s(folder.path(), &["appendix", "nosuch"]);
    assert_eq!(code, 3);
    assert!(err.contains("error[record/read]") && err.contains("no such file or folder"), "{err}");
    std::fs::write(folder.path().join("run/record.json"), "{}").expect("written");
    let (code, _, err) = w2s(folder.path(), &["appendix", "run"]);
    assert_eq!(code, 3);
    assert!(err.contains("error[record/"), "{err}");
}

#[test]
fn latex_takes_it_without_a_word_and_the_script_is_copied_out_of_the_pdf() {
    if !there("pdflatex", "--version") {
        return;
    }
    let (folder, printed) = run();
    let paper = folder.path().join("run");
    for (name, class) in [("one", "\\documentclass{article}"), ("two", "\\documentclass[twocolumn]{article}")] {
        let text = format!(
            "{class}\n\\usepackage{{booktabs,tikz}}\n\\begin{{document}}\n\\appendix\n\\input{{appendix.tex}}\n\\end{{document}}\n"
        );
        std::fs::write(paper.join(format!("{name}.tex")), text).expect("written");
    }
    for name in ["one", "two", "appendix-standalone"] {
        for _ in 0..2 {
            let mut tex = Command::new("pdflatex");
            let tex = tex.current_dir(&paper).args(["-interaction=nonstopmode", "-halt-on-error", name]);
            assert!(tex.stdin(Stdio::null()).output().expect("runs").status.success(), "{name}: {}", log(&paper, name));
        }
        let log = log(&paper, name);
        for word in ["Warning", "Overfull", "Underfull", "Missing character", "undefined"] {
            assert!(!log.contains(word), "{name}: {word} in\n{log}");
        }
    }
    if !there("pdftotext", "-v") {
        return;
    }
    for name in ["one", "two", "appendix-standalone"] {
        // In which order other modes read two columns is theirs to say.
        for mode in ["-raw", "-nopgbrk"].into_iter().take(if name == "two" { 1 } else { 2 }) {
            let mut reader = Command::new("pdftotext");
            let out = reader.current_dir(&paper).args([mode, "-nopgbrk", &format!("{name}.pdf"), "-"]).output();
            let copied = String::from_utf8(out.expect("runs").stdout).expect("UTF-8");
            let lines = |text: &str| -> Vec<String> {
                let kept = text.lines().map(|line| line.trim_end().to_owned());
                // A paper's page numbers come along with what stands around them.
                kept.filter(|line| !line.is_empty() && line.parse::<u32>().is_err()).collect()
            };
            let (copied, wanted) = (lines(&copied), lines(&script()));
            let start =
                copied.iter().position(|line| *line == wanted[0]).unwrap_or_else(|| panic!("{name}: {copied:#?}"));
            assert_eq!(copied[start..start + wanted.len()], wanted, "{name} {mode}");
            if (name, mode) == ("two", "-raw") {
                std::fs::write(folder.path().join("copied.rhai"), wanted.join("\n")).expect("written");
                let (code, again, err) = w2s(folder.path(), &["script", "--quiet", "copied.rhai", "--", "--x"]);
                assert_eq!((code, again), (0, printed.clone()), "{err}");
            }
        }
    }
}

fn log(folder: &Path, name: &str) -> String {
    let text = std::fs::read(folder.join(format!("{name}.log"))).unwrap_or_default();
    String::from_utf8_lossy(&text).into_owned()
}

#[test]
fn a_script_reads_what_it_wrote_and_else_its_project() {
    let folder = tempfile::tempdir().expect("a folder");
    let text = "let a = frame::of([#{ x: 1 }]);\n\
        print(frame::read_csv(\"t.csv\").column(\"x\"));\na.write_csv(\"t.csv\");\nprint(frame::read_csv(\"t.csv\").column(\"x\"));\n\
        let rows = data::of([#{ text: \"good dog\", label: \"yes\" }, #{ text: \"bad dog\", label: \"no\" }], #{ test_share: 0.0 });\n\
        let m = model::untrained(rows);\nm.save(\"m\");\nprint(model::load(\"m\").n_params == m.n_params);\n\
        try { frame::read_csv(\"../t.csv\"); } catch (e) { print(\"refused\"); }";
    std::fs::create_dir(folder.path().join("exp")).expect("made");
    std::fs::write(folder.path().join("exp/main.rhai"), text).expect("written");
    std::fs::write(folder.path().join("exp/t.csv"), "x\n7\n").expect("written");
    std::fs::write(folder.path().join("t.csv"), "x\n8\n").expect("written");
    let (code, out, err) = w2s(folder.path(), &["script", "--quiet", "--run", "run", "exp/main.rhai"]);
    assert_eq!((code, out.as_str()), (0, "[7]\n[1]\ntrue\nrefused\n"), "{err}");
}

/// Runs a script in a new folder; the folder, what it printed, its errors.
fn ran(text: &str) -> (tempfile::TempDir, String, String) {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("x.rhai"), text).expect("written");
    let (code, out, err) = w2s(folder.path(), &["script", "--quiet", "--run", "run", "x.rhai"]);
    assert_eq!(code, 0, "{err}");
    (folder, out, err)
}

#[test]
fn a_script_writes_over_nothing_that_the_program_or_report_wrote() {
    let (folder, out, _) = ran(r#"
        let frame = frame::of([#{ x: "<script>alert(1)</script>" }]);
        let drawing = plot::lines(frame::of([#{ x: 0, y: 1 }, #{ x: 1, y: 2 }]));
        let model = model::untrained(data::of([#{ text: "a b", label: 0 }, #{ text: "c d", label: 1 }], #{ test_share: 0.0 }), #{ width: 8, layers: 1 });
        report::figure(drawing, #{ name: "f" });
        report::table(frame, #{ name: "t" });
        let refused = 0;
        for path in ["f.svg", "F.svg", "f.tikz", "t.csv", "T.CSV", "./t.csv", "report.html", "record.json", "script.rhai", "imports/x.csv",
                "appendix.tex", "appendix.md", ".latexmkrc", "booktabs.sty", "a:b.csv", "a\\b.csv", "a\nb.csv", "x.csv.html"] {
            try { frame.write_csv(path); print(`written: ${path}`); } catch (e) { if e.code.starts_with("access/") { refused += 1; } else { print(e.message); } }
        }
        for path in ["t.parquet", "report.html"] {
            try { frame.write_parquet(path); print(`written: ${path}`); } catch (e) { if e.code == "access/name" { refused += 1; } }
        }
        for path in ["f.svg", "f.tikz", "curve.png", "appendix.tikz.tex"] {
            try { drawing.save(path); print(`written: ${path}`); } catch (e) { if e.code == "access/name" { refused += 1; } }
        }
        for path in ["report.html", "imports", ".", "f.svg", ".git"] {
            try { model.save(path); print(`saved: ${path}`); } catch (e) { if e.code.starts_with("access/") { refused += 1; } }
        }
        print(refused);
        drawing.save("mine.svg"); drawing.save("mine.tikz"); frame.write_csv("mine.csv"); model.save("mine");
    "#);
    assert_eq!(out, "29\n", "18 + 2 + 4 + 5, and none was written");
    let read = |path: &str| std::fs::read_to_string(folder.path().join(path)).expect("there");
    assert!(!read("run/report.html").contains("<script>") && read("run/f.svg").starts_with("<svg "));
    assert!(read("run/mine.svg").starts_with("<svg ") && read("run/mine.tikz").contains("\\begin{tikzpicture}"));
    let (code, _, err) = w2s(folder.path(), &["bundle", "run"]);
    assert_eq!(code, 0, "whatever a script could write can be bundled: {err}");
}

/// A file of a run, and what becomes of its text.
type Change<'a> = (&'a str, &'a dyn Fn(&str) -> String);

/// Changes files of a run and names their new hashes in its record, which is sealed anew: as a stranger would.
fn forge(run: &Path, files: &[Change]) {
    let text = std::fs::read(run.join("record.json")).expect("a record");
    let mut record = w2s::record::Record::parse("record.json", &text).expect("reads");
    for (name, change) in files {
        let text = change(&std::fs::read_to_string(run.join(name)).expect("there"));
        std::fs::write(run.join(name), &text).expect("written");
        for event in &mut record.events {
            if let w2s::record::What::Written { files, .. } = &mut event.what {
                for file in files.iter_mut().filter(|file| file.path == *name) {
                    file.blake3 = blake3::hash(text.as_bytes()).to_hex().to_string();
                    file.bytes = text.len() as u64;
                }
            }
        }
    }
    std::fs::write(run.join("record.json"), record.to_text().expect("text")).expect("written");
}

#[test]
fn a_sealed_record_makes_no_drawing_of_a_stranger_s_file() {
    let (folder, ..) = ran(
        "for name in [\"f\", \"g\", \"h\"] { report::figure(plot::lines(frame::of([#{ x: 0, y: 1 }, #{ x: 1, y: 2 }])), #{ name: name }); }",
    );
    let run = folder.path().join("run");
    let reads = |tikz: &str| tikz.replace("\\end{tikz", "\\input{/etc/passwd}\n\\end{tikz");
    let speaks = |tikz: &str| tikz.replace("{\\scriptsize ", "{\\scriptsize \\write18{id}");
    let runs = |svg: &str| svg.replace("</svg>", "<script>alert(1)</script></svg>");
    forge(&run, &[("f.tikz", &reads), ("g.tikz", &speaks), ("h.svg", &runs)]);
    let (code, _, err) = w2s(folder.path(), &["appendix", "run", "-o", "paper"]);
    assert_eq!(code, 0, "{err}");
    let tex = std::fs::read_to_string(folder.path().join("paper/appendix.tex")).expect("there");
    assert!(!tex.contains("/etc/passwd") && !tex.contains("write18") && !tex.contains("tikzpicture"), "{tex}");
    assert!(tex.contains("Figure f is kept as f.svg only.") && folder.path().join("paper/f.svg").exists(), "{tex}");
    assert!(!folder.path().join("paper/h.svg").exists(), "no SVG that runs is handed on");
}

#[test]
fn what_a_script_prints_steers_no_terminal_and_no_page() {
    let (folder, out, _) = ran("print(\"a\\x1b[2J\\x1b]52;c;eA==\\x07b\"); print(#{ \"k\\x1b[31m\": \"\\u202e\" });");
    assert!(!out.contains(['\u{1b}', '\u{7}', '\u{202e}']) && out.contains("a␛[2J␛]52;c;eA==␇b"), "{out:?}");
    let page = std::fs::read_to_string(folder.path().join("run/report.html")).expect("there");
    assert!(!page.contains(['\u{1b}', '\u{7}', '\u{202e}']) && page.contains("a␛[2J"), "{page}");
    let (_, shown, _) = w2s(folder.path(), &["eval", "\"\\x1b[2J\""]);
    assert_eq!(shown, "␛[2J\n");
}

#[test]
fn runs_of_earlier_programs_have_an_appendix_with_their_drawings() {
    let bundles = crate::support::root().join("tests/reference/bundles");
    let folder = tempfile::tempdir().expect("a folder");
    let mut n_drawings = 0;
    for bundle in std::fs::read_dir(bundles).expect("bundles").map(|entry| entry.expect("an entry").path()) {
        let bundle = bundle.display().to_string();
        let (code, _, err) = w2s(folder.path(), &["show", &bundle]);
        assert_eq!(code, 0, "{bundle}: {err}");
        let (code, out, err) = w2s(folder.path(), &["appendix", &bundle, "-o", "paper"]);
        assert_eq!(code, 0, "{bundle}: {err}");
        let tex = std::fs::read_to_string(folder.path().join("paper/appendix.tex")).expect("there");
        assert!(!tex.contains(".svg only"), "{bundle}: {tex}");
        n_drawings += tex.matches("\\begin{tikzpicture}").count();
        assert_eq!(out.matches(".svg").count(), tex.matches("\\begin{tikzpicture}").count(), "{out}");
    }
    assert!(n_drawings >= 4, "{n_drawings}");
}

#[cfg(unix)]
#[test]
fn a_run_writes_through_no_link() {
    use std::os::unix::fs::symlink;
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    std::fs::write(at("x.rhai"), "print(1);").expect("written");
    std::fs::create_dir_all(at("out")).expect("made");
    std::fs::create_dir_all(at("elsewhere")).expect("made");
    symlink(at("elsewhere"), at("out/imports")).expect("linked");
    symlink(at("elsewhere"), at("runs")).expect("linked");
    for args in [&["script", "--quiet", "--run", "out", "x.rhai"][..], &["script", "--quiet", "x.rhai"]] {
        let (code, _, err) = w2s(folder.path(), args);
        assert!(
            code != 0 && err.contains("error[record/link]") && err.contains("hint: remove the link"),
            "{code}: {err}"
        );
    }
    assert_eq!(std::fs::read_dir(at("elsewhere")).expect("there").count(), 0);
}
