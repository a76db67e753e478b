//! Frames and metrics as a script meets them.

use crate::support::session_in;
use std::sync::{Arc, Mutex};
use w2s::bind::show;
use w2s::core::context::{Event, Reading};

/// What `code` gives, or the message that it fails with.
fn run(code: &str) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    match session_in(folder.path()).eval(code) {
        Ok(value) => show(&value),
        Err(error) => format!("error: {}", error.message),
    }
}

#[test]
fn pgr_over_no_gap_is_undefined_and_says_why() {
    assert_eq!(
        run("metric::pgr(0.5, 0.5, 0.5)"),
        "undefined: no gap to recover: the ceiling `0.5` equals the weak model `0.5`"
    );
    let noise = run("metric::pgr([0.50, 0.52, 0.49], [0.6, 0.6, 0.6], [0.51, 0.50, 0.52])");
    assert!(noise.starts_with("undefined: gap not significant"), "{noise}");
    let shown = run("frame::of(#{ m: [\"a\", \"b\"], pgr: [metric::pgr(0.5, 0.6, 0.7), metric::pgr(0.5, 0.6, 0.5)] })");
    assert!(shown.contains("null  no gap to recover"), "{shown}");
}

#[test]
fn the_worked_table_comes_out_to_the_digit() {
    let table = "[[0.65, 0.78, 0.88, 0.95], [0.45, 0.52, 0.68, 0.85], [0.55, 0.58, 0.72, 0.90]]";
    let percent = |at: usize| {
        run(&format!(
            "let rows = {table}.map(|t| #{{ x: metric::pgr_percent(t[0], t[{at}], t[3]) }});\n\
             frame::of(rows).select(col(\"x\").round(1)).column(\"x\")"
        ))
    };
    assert_eq!(percent(1), "[43.3, 17.5, 8.6]");
    assert_eq!(percent(2), "[76.7, 57.5, 48.6]");
}

#[test]
fn a_metric_reads_truth_in_the_open() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut session = session_in(folder.path());
    let reads: Arc<Mutex<Vec<String>>> = Arc::default();
    let seen = reads.clone();
    session.ctx.listen(move |event| {
        if let Event::TruthRead(Reading { n_rows, by, purpose, .. }) = event {
            seen.lock().expect("no panic").push(format!("{n_rows} rows by {by} for {purpose}"));
        }
    });
    let code = "let data = data::of([#{ id: \"a\", text: \"x\", label: 1 }, #{ id: \"b\", text: \"y\", label: 0 }],\n\
                                    #{ test_share: 0.0 });\n\
                let p = frame::of(#{ id: [\"b\", \"a\"], p0: [0.75, 0.25], p1: [0.25, 0.75] });\n\
                [metric::accuracy(p, data), metric::auroc(p, data)]";
    let value = session.eval(code).expect("runs");
    assert_eq!(show(&value), "[1.0, 1.0]");
    assert_eq!(
        *reads.lock().expect("no panic"),
        ["2 rows by metric::accuracy for evaluation", "2 rows by metric::auroc for evaluation"]
    );
}

#[test]
fn expressions_are_checked_before_they_run() {
    let cases = [
        ("frame::of(#{ p1: [0.5] }).filter(col(\"p1\") > \"a\")", "`>` does not take float and string"),
        ("frame::of(#{ p1: [0.5] }).select(col(\"P1\"))", "there is no column `P1`"),
        ("frame::of(#{ p1: [0.5] }).filter(|row| row.p1 > 0.5)", "must be an Expr"),
        ("frame::of(#{ p1: [0.5] }).select(col(\"^p.*$\"))", "there is no column `^p.*$`"),
        ("frame::of(#{ p1: [0.5] }).select(col(\"p1\").alias(\"*\"))", "a column cannot be named `*`"),
        ("let e = col(\"a\"); for i in 0..1000 { e = e + 1; } e", "nested at most 200 deep"),
        ("let e = col(\"a\"); for i in 0..100 { e = e + e; } e", "at most 5000 parts"),
        ("frame::of(#{ a: [1, 2] }).select(col(\"a\").cast(\"string\").sum())", "`sum` does not take string"),
    ];
    for (code, message) in cases {
        let said = run(code);
        assert!(said.contains(message) && !said.contains("defect"), "{code}\n{said}");
    }
}

#[test]
fn deep_but_allowed_expressions_run() {
    let code = "let e = col(\"a\"); for i in 0..190 { e = e + 1; } frame::of(#{ a: [1] }).select(e).item()";
    assert_eq!(run(code), "191");
}

#[test]
fn groups_and_windows_keep_their_order() {
    let code = "let f = frame::of(#{ g: [\"b\", \"a\", \"b\", \"c\"], x: [1, 2, 3, 4] });\n\
                [f.group_by(\"g\").agg([col(\"x\").sum(), (col(\"x\") > 1).mean().alias(\"share\")]).rows(),\n\
                 f.with_columns((col(\"x\") - col(\"x\").mean().over(\"g\")).alias(\"d\")).column(\"d\")]";
    assert_eq!(
        run(code),
        "[\n[#{g: \"b\", share: 0.5, x: 4}, #{g: \"a\", share: 1.0, x: 2}, #{g: \"c\", share: 1.0, x: 4}],\n\
         [-1.0, 0.0, 1.0, 0.0]\n]"
    );
}

#[test]
fn null_is_no_value_in_every_verb() {
    let code = "let f = frame::of(#{ x: [1, (), 3], t: [\"a\", (), \"\"] });\n\
                [f.filter(col(\"x\") > 1).height, f.filter(!(col(\"x\") > 1)).height, f.select(col(\"x\").mean()).item(),\n\
                 f.sort(\"x\").column(\"x\"), f.select(col(\"t\").fill_null(\"none\")).column(\"t\"),\n\
                 f.filter(col(\"x\").is_in([1, 2.5])).height]";
    assert_eq!(run(code), "[1, 1, 2.0, [1, 3, ()], [\"a\", \"none\", \"\"], 1]");
}

#[test]
fn a_file_cannot_be_written_outside_the_run() {
    for path in ["../t.csv", "/tmp/t.csv", "", "no/such/folder/t.csv", "."] {
        let said = run(&format!("frame::of(#{{ a: [1] }}).write_csv(\"{path}\")"));
        assert!(said.starts_with("error: writing") || said.starts_with("error: `"), "{path}: {said}");
    }
}
