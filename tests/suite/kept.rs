//! Runs that are not what they were: changed after they were made, edited records, folders of runs that were killed, names
//! and sizes that the commands must cope with.

use crate::record::{experiment, record, run, w2s};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use w2s::record::{How, Record, What};

fn read(folder: &Path, file: &str) -> Vec<u8> {
    std::fs::read(folder.join(file)).expect("there")
}

fn parsed(folder: &Path, run: &str) -> Record {
    Record::parse(run, &read(folder, &format!("{run}/record.json"))).expect("a record")
}

/// Changes a record as one would who knows how it is sealed.
pub fn forge(folder: &Path, run: &str, change: impl Fn(&mut Record)) {
    let mut held = parsed(folder, run);
    change(&mut held);
    std::fs::write(folder.join(run).join("record.json"), held.to_text().expect("text")).expect("written");
}

/// Verifies; the exit code, what was said, and the report.
fn verify(folder: &Path, run: &str, args: &[&str]) -> (i32, String, serde_json::Value) {
    let _ = std::fs::remove_file(folder.join("report.json"));
    let (code, out, err) = w2s(folder, &[&["verify", run, "--json", "report.json"], args].concat());
    (code, format!("{out}{err}"), serde_json::from_slice(&read(folder, "report.json")).expect("JSON"))
}

#[test]
fn a_changed_file_is_named_by_every_command() {
    let folder = experiment();
    let folder = folder.path();
    let (name, other) = (run(folder, "exp/main.rhai", &[]), run(folder, "exp/main.rhai", &[]));
    assert_eq!(w2s(folder, &["bundle", &name, "-o", "whole.zip"]).0, 0);
    for command in [&["show", &name][..], &["diff", &name, &other], &["appendix", &name, "-o", "paper"]] {
        let (code, _, err) = w2s(folder, command);
        assert_eq!((code, err.as_str()), (0, ""), "{command:?}");
    }
    let import = parsed(folder, &name).sources[1].file.clone();
    let files = ["results.parquet", "results.csv", "curve.svg", "script.rhai", &import, "record.json"];
    let pages = ["report.html", "appendix.tex", "appendix.md"];
    for file in files.iter().chain(&pages) {
        let path = folder.join(&name).join(file);
        let before = std::fs::read(&path).expect("there");
        std::fs::write(&path, [&before[..], b" "].concat()).expect("changed");
        let named = format!("`{file}`");
        for command in [&["show", &name][..], &["diff", &name, &other], &["diff", &other, &name]] {
            let (code, _, err) = w2s(folder, command);
            assert!(err.contains("warning[record/altered]") && err.contains(&named), "{file}, {command:?}: {err}");
            assert!(code == 0 || command[0] == "diff", "{file}, {command:?}: {err}");
        }
        let (_, json, _) = w2s(folder, &["diff", &name, &other, "--json"]);
        let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
        assert_eq!(
            (&json["altered"]["before"][0]["path"], json["altered"]["after"].as_array().map(Vec::len)),
            (&(*file).into(), Some(0))
        );
        let (code, _, err) = w2s(folder, &["bundle", &name, "-o", "b.zip"]);
        assert!(code == 3 && err.contains("error[record/altered]") && err.contains(&named), "{file}: {err}");
        assert!(!folder.join("b.zip").exists());
        let (code, _, err) = w2s(folder, &["appendix", &name, "-o", "other"]);
        if pages.contains(file) {
            assert_eq!(code, 0, "it is made anew: {err}");
            assert_eq!(w2s(folder, &["appendix", &name]).0, 0);
            assert_eq!(std::fs::read(&path).expect("there"), before, "in its place, as it was");
        } else {
            assert!(code == 3 && err.contains("error[record/altered]") && err.contains(&named), "{file}: {err}");
            assert!(err.contains("w2s verify"), "a hint: {err}");
        }
        std::fs::write(&path, before).expect("restored");
    }
    std::fs::remove_file(folder.join(&name).join("results.tex")).expect("removed");
    for command in ["show", "bundle", "appendix"] {
        let (_, _, err) = w2s(folder, &[command, &name]);
        assert!(err.contains("record/altered") && err.contains("`results.tex`"), "{command}: {err}");
    }
}

#[test]
fn an_edited_record_is_noticed_and_judges_no_more_laxly_in_silence() {
    let folder = experiment();
    let folder = folder.path();
    let name = run(folder, "exp/main.rhai", &[]);
    let text = read(folder, &format!("{name}/record.json"));
    // Without sealing it anew: noticed whatever it is, a blank at the end included.
    std::fs::write(folder.join(&name).join("record.json"), [&text[..], b"\n"].concat()).expect("written");
    let (code, said, _) = verify(folder, &name, &[]);
    assert!(code == 1 && said.contains("`record.json`, its seal"), "{said}");
    type Change = fn(&mut Record);
    let refused: [(&str, Change); 7] = [
        ("the kernels `fast-1`, which this program does not know", |r| r.settings.kernels = "fast-1".to_owned()),
        ("the kernels `portable`, and no program had such", |r| r.settings.kernels = "portable".to_owned()),
        ("the kernels `avx2-0`, and no program had such", |r| r.settings.kernels = "avx2-0".to_owned()),
        ("which only a later program has", |r| r.settings.kernels = "avx2-99".to_owned()),
        ("the kernels `candle-9-x86_64-0.11.1`, which only", |r| {
            r.settings.kernels = "candle-9-x86_64-0.11.1".to_owned()
        }),
        ("on the device `candle`, where they never are", |r| r.settings.device = "candle".to_owned()),
        ("and no such machine has them", |r| r.machine.arch = "riscv64".to_owned()),
    ];
    for (why, change) in refused {
        forge(folder, &name, change);
        let (code, said, report) = verify(folder, &name, &[]);
        assert!(code == 3 && said.contains("error[verify/unfit]") && said.contains(why), "{why}: {said}");
        assert_eq!((&report["verdict"], &report["reason"]["code"]), (&"unknown".into(), &"verify/unfit".into()));
        assert!(report["reason"]["message"].as_str().is_some_and(|message| message.contains(why)), "{report}");
        std::fs::write(folder.join(&name).join("record.json"), &text).expect("restored");
    }
    // Operations said to be only planned, or not come to, are compared all the same.
    for found in [How::Planned, How::Ahead { seconds: 1.0 }] {
        forge(folder, &name, |r| {
            for event in &mut r.events {
                if let What::Operation { found: how, operation } = &mut event.what {
                    *how = found.clone();
                    operation.curve.clear();
                }
            }
        });
        let (code, said, _) = verify(folder, &name, &[]);
        assert!(code == 1 && said.contains("NOT verified"), "{found:?}: {said}");
    }
    std::fs::write(folder.join(&name).join("record.json"), &text).expect("restored");
    // An appendix that tells something else, under a hash of its own.
    let appendix =
        String::from_utf8(read(folder, &format!("{name}/appendix.md"))).expect("text").replace("naive", "ours");
    std::fs::write(folder.join(&name).join("appendix.md"), &appendix).expect("written");
    forge(folder, &name, |r| {
        let page = r.pages.iter_mut().find(|page| page.path == "appendix.md").expect("named");
        (page.blake3, page.bytes) = (blake3::hash(appendix.as_bytes()).to_hex().to_string(), appendix.len() as u64);
    });
    let (code, said, _) = verify(folder, &name, &[]);
    assert!(code == 1 && said.contains("the file `appendix.md`, made anew from the record"), "{said}");
}

#[cfg(target_arch = "x86_64")]
#[test]
fn what_is_judged_by_intervals_says_so_and_why() {
    if !is_x86_feature_detected!("avx512f") {
        return crate::support::skipped("this processor has no AVX-512");
    }
    let folder = experiment();
    let folder = folder.path();
    let name = run(folder, "exp/main.rhai", &["--kernels", "avx512"]);
    // There was such a class: then intervals judge. The keys of the operations tell that it was another one.
    forge(folder, &name, |r| r.settings.kernels = "avx512-1".to_owned());
    let (code, said, report) = verify(folder, &name, &[]);
    assert!(
        said.contains("COMPARED WITHIN INTERVALS, not to the bit, because of\n  the kernels: recorded `avx512-1`"),
        "{said}"
    );
    assert!(report["within_because"][0].as_str().is_some_and(|why| why.contains("`avx512-1`")), "{report}");
    assert!(code == 1 && said.contains("its key on cpu with avx512-1"), "{said}");
    assert_eq!(report["same_machine_type"], false);
}

#[test]
fn a_bundle_carries_the_appendix_and_an_unfinished_run_makes_none() {
    let folder = experiment();
    let folder = folder.path();
    let name = run(folder, "exp/main.rhai", &[]);
    assert_eq!(w2s(folder, &["bundle", &name, "-o", "b.zip"]).0, 0);
    let archive = zip::ZipArchive::new(std::fs::File::open(folder.join("b.zip")).expect("there")).expect("a zip");
    let members: Vec<String> = archive.file_names().map(|name| name.expect("a name").into_owned()).collect();
    for page in ["report.html", "appendix.tex", "appendix-standalone.tex", "appendix.md"] {
        assert!(members.contains(&format!("run/{page}")), "{page}: {members:?}");
    }
    let (code, said, _) = verify(folder, "b.zip", &[]);
    assert_eq!(code, 0, "{said}");
    let (code, _, err) = w2s(folder, &["appendix", "b.zip", "-o", "paper"]);
    assert_eq!(code, 0, "{err}");
    assert_eq!(
        read(folder, "paper/appendix.tex"),
        read(folder, &format!("{name}/appendix.tex")),
        "by its name of then"
    );
    for kind in ["interrupted", "running"] {
        forge(folder, &name, |r| {
            r.outcome = serde_json::from_value(serde_json::json!({ "kind": kind })).expect("an outcome");
        });
        let (code, _, err) = w2s(folder, &["bundle", &name, "-o", "c.zip"]);
        assert!(code == 3 && err.contains("error[verify/unfit]") && err.contains("run its script again"), "{err}");
        let (code, said, report) = verify(folder, &name, &[]);
        assert_eq!((code, &report["reason"]["code"]), (3, &"verify/unfit".into()), "{said}");
    }
    let (code, said, report) = verify(folder, "nothing", &[]);
    assert_eq!(
        (code, &report["verdict"], &report["reason"]["code"]),
        (3, &"unknown".into(), &"record/read".into()),
        "{said}"
    );
    assert_eq!((&report["run"], &report["script"]), (&"nothing".into(), &serde_json::Value::Null));
}

#[test]
fn a_name_below_runs_is_enough() {
    let folder = experiment();
    let folder = folder.path();
    for _ in 0..2 {
        assert_eq!(w2s(folder, &["script", "--quiet", "exp/fails.rhai"]).0, 1);
    }
    for command in [
        &["show", "fails-001"][..],
        &["diff", "fails-001", "fails-002"],
        &["verify", "fails-001"],
        &["bundle", "fails-001"],
        &["appendix", "fails-002"],
    ] {
        let (code, out, err) = w2s(folder, command);
        assert_eq!(code, 0, "{command:?}: {out}{err}");
    }
    assert!(folder.join("fails-001.w2s.zip").exists());
    let (code, _, err) = w2s(folder, &["show", "fails-003"]);
    assert!(code == 3 && err.contains("`fails-003`"), "{err}");
}

#[test]
fn a_large_run_is_summed_up() {
    let folder = experiment();
    let folder = folder.path();
    let many = "let rows = data::load(\"rows.csv\", #{ seed: 1, test_share: 0.25 });\n\
        let model = model::untrained(rows.train, #{ width: 8, layers: 1, seed: 1 });\n\
        let truth = rows.train.truth(\"many\");\n\
        for seed in 0..20 { model.finetune(rows.train, truth, #{ steps: 2 + seed, batch: 4, seed: seed }).predict(rows.test); }\n\
        print(1);\n";
    std::fs::write(folder.join("exp/many.rhai"), many).expect("written");
    let name = run(folder, "exp/many.rhai", &[]);
    let (code, out, err) = w2s(folder, &["show", &name]);
    assert_eq!(code, 0, "{err}");
    assert!(out.contains("40 operations: 40 computed in"), "{out}");
    let line = |word: &str| out.lines().find(|line| line.trim_start().starts_with(word)).expect("a line").to_owned();
    let cells = |word: &str| line(word).split_whitespace().take(4).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(
        (cells("finetune"), cells("predict")),
        (
            vec!["finetune".into(), "20".into(), "0".into(), "0".into()],
            vec!["predict".into(), "20".into(), "0".into(), "0".into()]
        )
    );
    assert!(out.contains("the slowest 10") && out.contains("`--operations` lists all"), "{out}");
    let n_listed = |out: &str| out.lines().filter(|line| line.contains("many") || line.contains(" of ")).count();
    let (_, all, _) = w2s(folder, &["show", &name, "--operations"]);
    assert!(all.lines().count() > out.lines().count() + 20 && n_listed(&all) >= n_listed(&out), "{all}");
}

/// A script that goes on until it is stopped, with a table at once.
const ENDLESS: &str = "report::table(frame::of([#{ x: args.len() }]), #{ name: \"early\" });\nlet rows = data::load(\"rows.csv\", #{ seed: 1 });\nprint(\"begun\");\nlet i = 0; while !(args.contains(\"short\")) { i += 1; }\n";

#[cfg(unix)]
fn started(folder: &Path, args: &[&str]) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_w2s"));
    command.current_dir(folder).env("W2S_STORE", folder.join("store")).args([
        "script",
        "--run",
        "mine",
        "exp/endless.rhai",
        "--",
    ]);
    let child = command.args(args).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    let began = Instant::now();
    while std::fs::read(folder.join("mine/early.md")).is_err() || !w2s(folder, &["runs", "."]).1.contains("running") {
        assert!(began.elapsed() < Duration::from_secs(30), "it does not begin");
        std::thread::sleep(Duration::from_millis(10));
    }
    child.expect("starts")
}

#[cfg(unix)]
#[test]
fn the_same_command_takes_over_what_a_killed_one_left() {
    let folder = experiment();
    let folder = folder.path();
    std::fs::write(folder.join("exp/endless.rhai"), ENDLESS).expect("written");
    let again = |args: &[&str]| w2s(folder, &[&["script", "--run", "mine", "exp/endless.rhai", "--"], args].concat());
    for signal in ["-KILL", "-INT"] {
        let mut child = started(folder, &["long"]);
        let (code, _, err) = again(&["long"]);
        assert!(code == 3 && err.contains("error[record/live]"), "{err}");
        let (_, out, _) = w2s(folder, &["runs", "."]);
        assert!(out.contains("running"), "{out}");
        let _ = Command::new("kill").args([signal, &child.id().to_string()]).status().expect("kills");
        assert!(!child.wait().expect("ends").success());
        let (_, out, _) = w2s(folder, &["runs", "."]);
        assert!(out.contains(if signal == "-KILL" { "killed" } else { "interrupted" }), "{out}");
        let (code, _, err) = again(&["other"]);
        assert!(
            code == 3 && err.contains("error[record/other-command]") && err.contains("`exp/endless.rhai -- long`"),
            "{err}"
        );
    }
    // The command's own words decide, so what it does is changed here: it ends.
    std::fs::write(folder.join("exp/endless.rhai"), ENDLESS.replace("while", "if")).expect("written");
    let (code, out, err) = again(&["long"]);
    assert_eq!((code, out.as_str()), (0, "begun\n"), "{err}");
    assert!(err.contains("continues the run of ") && err.contains(", which was interrupted"), "{err}");
    assert_eq!(record(folder, "mine")["outcome"]["kind"], "done");
    let (code, _, err) = again(&["long"]);
    assert!(code == 3 && err.contains("error[record/taken]") && err.contains("--run DIR"), "{err}");
    assert_eq!(verify(folder, "mine", &[]).0, 0);
}
