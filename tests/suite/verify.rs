//! Runs verified: rerun from nothing and compared, whole, moved, tampered with, from strangers.

use crate::kept::forge;
use crate::record::{experiment, fetch_something, record, run, w2s};
use crate::support::root;
use std::io::Write;
use std::path::Path;
use w2s::record::What;

/// Verifies; the exit code, what was said, and the report.
fn verify(folder: &Path, run: &str, args: &[&str]) -> (i32, String, serde_json::Value) {
    let json = folder.join("report.json");
    let _ = std::fs::remove_file(&json);
    let all = [&["verify", run, "--json", "report.json"], args].concat();
    let (code, out, err) = w2s(folder, &all);
    let report =
        std::fs::read(&json).map_or(serde_json::Value::Null, |bytes| serde_json::from_slice(&bytes).expect("json"));
    (code, format!("{out}{err}"), report)
}

/// Replaces a text in a file of the run, which must be there.
fn tamper(folder: &Path, file: &str, from: &str, to: &str) {
    let path = folder.join(file);
    let text = std::fs::read_to_string(&path).expect("text");
    assert!(text.contains(from), "{file} has no {from}: {text}");
    std::fs::write(path, text.replacen(from, to, 1)).expect("written");
}

#[test]
fn a_run_verifies_and_so_does_its_bundle_elsewhere() {
    let folder = experiment();
    let folder = folder.path();
    let name = run(folder, "exp/main.rhai", &["--seed", "3", "--", "--an-option"]);
    let (code, said, report) = verify(folder, &name, &[]);
    assert_eq!((code, &report["verdict"], &report["same_machine_type"]), (0, &"equal".into(), &true.into()), "{said}");
    assert!(said.contains("verified: everything is equal"), "{said}");
    let (code, _, err) = w2s(folder, &["bundle", &name]);
    let (again, _, _) = w2s(folder, &["bundle", &name, "-o", "again.zip"]);
    assert_eq!((code, again), (0, 0), "{err}");
    let bundle = std::fs::read(folder.join(format!("{name}.w2s.zip"))).expect("a bundle");
    assert_eq!(bundle, std::fs::read(folder.join("again.zip")).expect("a bundle"));
    // Nothing of the first place is needed.
    let elsewhere = tempfile::tempdir().expect("a folder");
    std::fs::write(elsewhere.path().join("b.zip"), bundle).expect("written");
    let (code, said, report) = verify(elsewhere.path(), "b.zip", &[]);
    assert_eq!((code, &report["verdict"]), (0, &"equal".into()), "{said}");
    let left: Vec<_> =
        std::fs::read_dir(elsewhere.path()).expect("there").map(|e| e.expect("an entry").file_name()).collect();
    assert_eq!(left.len(), 2, "the bundle and the report: {left:?}");
    let (code, out, err) = w2s(elsewhere.path(), &["show", "b.zip"]);
    assert!(code == 0 && out.contains("table `results`"), "{err}");
}

#[test]
fn data_that_is_left_out_is_asked_for_and_only_the_recorded_content_is_taken() {
    let folder = experiment();
    let folder = folder.path();
    let name = run(folder, "exp/main.rhai", &[]);
    assert_eq!(w2s(folder, &["bundle", &name, "--no-data", "-o", "b.zip"]).0, 0);
    let (code, said, _) = verify(folder, "b.zip", &[]);
    assert_eq!(code, 3, "{said}");
    assert!(
        said.contains("error[record/data]") && said.contains("`rows.csv`") && said.contains("--project DIR"),
        "{said}"
    );
    let (code, said, _) = verify(folder, "b.zip", &["--project", "exp"]);
    assert_eq!(code, 0, "{said}");
    tamper(folder, "exp/rows.csv", "number 3", "number 4");
    for run in ["b.zip", &name] {
        let (code, said, _) = verify(folder, run, &["--project", "exp"]);
        assert_eq!(code, 3, "{said}");
    }
}

#[test]
fn whatever_was_changed_is_named() {
    let folder = experiment();
    let folder = folder.path();
    let name = run(folder, "exp/main.rhai", &[]);
    let held = record(folder, &name);
    let keep = folder.join("kept");
    let files = ["record.json", "results.csv", "script.rhai", "curve.svg"];
    std::fs::create_dir(&keep).expect("made");
    let run_folder = folder.join(&name);
    let copy = |from: &Path, to: &Path| {
        for file in files {
            std::fs::copy(from.join(file), to.join(file)).expect("copied");
        }
    };
    copy(&run_folder, &keep);
    let restore = || copy(&keep, &run_folder);
    let csv = std::fs::read_to_string(keep.join("results.csv")).expect("text");
    let cell = csv.lines().nth(1).and_then(|line| line.split(',').nth(1)).expect("a number").to_owned();
    let event = |kind: &str| {
        held["events"].as_array().expect("events").iter().find(|e| e["event"] == kind).expect("one").clone()
    };
    let operation = event("operation");
    let point = operation["curve"].as_array().and_then(|curve| curve.last()).expect("a loss").clone();
    let number = |value: &serde_json::Value| value.to_string();
    let rows = number(&event("truth_read")["n_rows"]);
    let table = &event("written")["files"][0];
    let changes: Vec<(&str, String, String, &str)> = vec![
        ("results.csv", cell.clone(), "0.123".to_owned(), "`results.csv`, row `naive`, column `alone`"),
        ("curve.svg", "<svg".to_owned(), "<svg id=\"x\"".to_owned(), "the file `curve.svg` was changed after the run"),
        ("script.rhai", "lr()".to_owned(), "lr( )".to_owned(), "the text of `exp/main.rhai`"),
        ("record.json", number(&point[1]), "0.5".to_owned(), "loss at step"),
        ("record.json", format!("log loss {cell}"), "log loss 0.5".to_owned(), "printed text 1"),
        ("record.json", format!("\"n_rows\": {rows}"), "\"n_rows\": 7".to_owned(), "reading 1 of truth, rows"),
        ("record.json", operation["digest"].as_str().expect("text").to_owned(), "0".repeat(64), "digest"),
        ("record.json", "lr 0.01".to_owned(), "lr 0.02".to_owned(), "options"),
        ("record.json", table["blake3"].as_str().expect("text").to_owned(), "0".repeat(64), "its hash in the record"),
        ("record.json", "\"seed_offset\": 0".to_owned(), "\"seed_offset\": 1".to_owned(), "seed"),
        (
            "record.json",
            "\"kind\": \"done\"".to_owned(),
            "\"kind\": \"failed\", \"code\": \"a\", \"message\": \"b\", \"place\": null".to_owned(),
            "how the run ended",
        ),
    ];
    for (file, from, to, named) in &changes {
        restore();
        tamper(folder, &format!("{name}/{file}"), from, to);
        let (code, said, report) = verify(folder, &name, &[]);
        assert_eq!((code, &report["verdict"]), (1, &"differs".into()), "{named}: {said}");
        assert!(said.contains(named), "{named}: {said}");
    }
    restore();
    std::fs::remove_file(folder.join(&name).join("results.md")).expect("removed");
    let (code, said, _) = verify(folder, &name, &[]);
    assert!(code == 1 && said.contains("`results.md`"), "{said}");
}

/// Plain names mean a version of the world. The record names it, and the rerun takes it.
#[test]
fn a_run_verifies_in_the_world_that_it_was_made_in() {
    let folder = experiment();
    let folder = folder.path();
    let script = "print(model::ladder(\"world\").len());\nprint(data::load(\"world/era\", #{ n_train: 2, n_test: 2 }).digest);\n\
                  print(world::language().lexicon().height);";
    std::fs::write(folder.join("world.rhai"), script).expect("written");
    for (args, version, printed) in [(&["--world", "1"][..], 1, "670"), (&[][..], 2, "2600")] {
        let name = run(folder, "world.rhai", args);
        let held = record(folder, &name);
        assert_eq!(held["settings"]["world"], version);
        assert_eq!(held["printed"]["lines"][2], printed);
        let (code, said, report) = verify(folder, &name, &[]);
        assert_eq!((code, &report["verdict"]), (0, &"equal".into()), "{said}");
        // The other version is another result.
        forge(folder, &name, |record| record.settings.world = 3 - version);
        assert_eq!(verify(folder, &name, &[]).0, 1);
    }
    let (code, _, err) = w2s(folder, &["--world", "3", "eval", "1"]);
    assert!(code == 2 && err.contains("3 is not in 1..=2"), "{err}");
}

#[test]
fn a_failed_run_verifies_and_an_unfinished_one_is_refused() {
    let folder = experiment();
    let folder = folder.path();
    let failed = run(folder, "exp/fails.rhai", &[]);
    let (code, said, report) = verify(folder, &failed, &[]);
    assert_eq!((code, &report["verdict"]), (0, &"equal".into()), "{said}");
    for kind in ["interrupted", "running"] {
        let name = run(folder, "exp/fails.rhai", &[]);
        let path = folder.join(&name).join("record.json");
        let mut held = record(folder, &name);
        held["outcome"] = serde_json::json!({ "kind": kind });
        std::fs::write(path, held.to_string()).expect("written");
        let (code, said, _) = verify(folder, &name, &[]);
        assert!(code == 3 && said.contains("error[verify/unfit]"), "{kind}: {said}");
        assert_eq!(w2s(folder, &["show", &name]).0, 0);
    }
}

#[test]
fn fetched_artefacts_are_lent_and_results_are_not() {
    let folder = experiment();
    let folder = folder.path();
    fetch_something(folder);
    let fetched = run(folder, "exp/fetched.rhai", &[]);
    let (code, said, report) = verify(folder, &fetched, &[]);
    assert_eq!((code, &report["verdict"]), (0, &"equal".into()), "{said}");
    std::fs::remove_dir_all(folder.join("store/hub")).expect("removed");
    let (code, said, _) = verify(folder, &fetched, &[]);
    assert!(code == 3 && said.contains("w2s fetch hub:o/n"), "{said}");
}

#[cfg(target_arch = "x86_64")]
#[test]
fn on_another_type_of_machine_numbers_are_judged_by_their_intervals() {
    if !is_x86_feature_detected!("avx2") || !is_x86_feature_detected!("fma") {
        return crate::support::skipped("this processor has no AVX2");
    }
    let folder = experiment();
    let folder = folder.path();
    let name = run(folder, "exp/main.rhai", &["--kernels", "portable"]);
    let (code, said, report) = verify(folder, &name, &[]);
    assert_eq!((code, &report["verdict"]), (0, &"equal".into()), "the recorded kernels are taken again: {said}");
    let (code, said, report) = verify(folder, &name, &["--kernels", "avx2"]);
    assert_eq!(
        (code, &report["same_machine_type"], &report["verdict"]),
        (4, &false.into(), &"within".into()),
        "{said}"
    );
    let of = |column: &str| {
        let findings = report["findings"].as_array().expect("findings");
        let ending = format!("`results.parquet`, row `naive`, column `{column}`");
        findings.iter().find(|finding| finding["what"] == ending.as_str()).map(|finding| finding["judgement"].clone())
    };
    let judged = [of("loss"), of("alone"), of("loss_low")];
    assert_eq!(judged, [Some("within".into()), Some("not_judged".into()), None], "{said}");
}

/// A bundle with members replaced or added.
fn forged(folder: &Path, from: &str, to: &str, change: impl Fn(&str, String) -> String, extra: &[(&str, &str)]) {
    let file = std::fs::File::open(folder.join(from)).expect("a bundle");
    let mut old = zip::ZipArchive::new(file).expect("a zip");
    let mut new = zip::ZipWriter::new(std::fs::File::create(folder.join(to)).expect("made"));
    for idx in 0..old.len() {
        let mut member = old.by_index(idx).expect("a member");
        let name = member.name().expect("a name").into_owned();
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut member, &mut bytes).expect("reads");
        let bytes = match String::from_utf8(bytes) {
            Ok(text) => change(&name, text).into_bytes(),
            Err(binary) => binary.into_bytes(),
        };
        new.start_file(name, zip::write::SimpleFileOptions::default()).expect("started");
        new.write_all(&bytes).expect("written");
    }
    for (name, text) in extra {
        new.start_file(*name, zip::write::SimpleFileOptions::default()).expect("started");
        new.write_all(text.as_bytes()).expect("written");
    }
    new.finish().expect("finished");
}

#[test]
fn a_strangers_bundle_writes_nowhere_and_reads_nothing() {
    let folder = experiment();
    let folder = folder.path().canonicalize().expect("real");
    let folder = folder.as_path();
    let name = run(folder, "exp/fails.rhai", &[]);
    assert_eq!(w2s(folder, &["bundle", &name, "-o", "good.zip"]).0, 0);
    let keep = |_: &str, text: String| text;
    for member in ["../evil", "/tmp/w2s-evil", "run/../../evil", "run/evil.rhai"] {
        forged(folder, "good.zip", "bad.zip", keep, &[(member, "x")]);
        let (code, said, _) = verify(folder, "bad.zip", &[]);
        assert!(code == 3 && said.contains("error[bundle/broken]"), "{member}: {said}");
    }
    let in_record = |from: &'static str, to: String| {
        move |name: &str, text: String| if name == "run/record.json" { text.replace(from, &to) } else { text }
    };
    // Paths that would leave, and a script that would be an option of the command line.
    for path in ["../../../../../../../../etc/x.rhai", "/etc/x.rhai", "a\\\\b.rhai"] {
        let to = format!("\"path\": \"{path}\"");
        forged(folder, "good.zip", "bad.zip", in_record("\"path\": \"fails.rhai\"", to), &[]);
        let (code, said, _) = verify(folder, "bad.zip", &[]);
        assert!(code != 0 && !Path::new("/etc/x.rhai").exists(), "{path}: {said}");
    }
    std::fs::write(folder.join("secret.csv"), "text,label\nkeep this,a\n").expect("written");
    let secret = folder.join("secret.csv").display().to_string();
    let script =
        format!("try {{ print(frame::read_csv(\"{secret}\").column(\"text\")); }} catch (e) {{ print(e.code); }}\n");
    std::fs::write(folder.join("exp/fails.rhai"), &script).expect("written");
    let spy = run(folder, "exp/fails.rhai", &["--allow-read", "secret.csv"]);
    assert_eq!(record(folder, &spy)["printed"]["lines"][0], "[\"keep this\"]");
    assert_eq!(w2s(folder, &["bundle", &spy, "-o", "spy.zip"]).0, 0);
    let options =
        in_record("\"script\": \"exp/fails.rhai\"", format!("\"script\": \"--allow-read={secret}/fails.rhai\""));
    forged(folder, "spy.zip", "spy2.zip", options, &[]);
    for bundle in ["spy.zip", "spy2.zip"] {
        let (code, said, _) = verify(folder, bundle, &[]);
        assert_eq!(code, 1, "{said}");
        assert!(said.contains("access/read"), "{said}");
    }
    // The user may give the grant again.
    let (code, said, _) = verify(folder, "spy.zip", &["--allow-read", "secret.csv"]);
    assert_eq!(code, 0, "{said}");
}

#[cfg(unix)]
#[test]
fn ctrl_c_ends_a_verification_and_its_rerun() {
    use std::process::{Command, Stdio};
    let folder = experiment();
    let folder = folder.path();
    // The rerun takes as long as its arguments say; the record is of a short one.
    std::fs::write(folder.join("exp/long.rhai"), "let n = parse_int(args[0]); let i = 0; while i < n { i += 1; }")
        .expect("written");
    let name = run(folder, "exp/long.rhai", &["--", "10"]);
    tamper(folder, &format!("{name}/record.json"), "\"10\"", "\"4000000000\"");
    let temporary = folder.join("temporary");
    std::fs::create_dir(&temporary).expect("made");
    let child = Command::new(env!("CARGO_BIN_EXE_w2s"))
        .current_dir(folder)
        .env("W2S_STORE", folder.join("store"))
        .env("TMPDIR", &temporary)
        .args(["verify", &name])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("starts");
    let entries = || std::fs::read_dir(&temporary).expect("there").map(|entry| entry.expect("an entry").path());
    let start = std::time::Instant::now();
    while !entries().any(|place| place.join("run/record.json").exists()) {
        assert!(start.elapsed() < std::time::Duration::from_secs(30), "no rerun began");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    // SAFETY: the process is our own child and has not been waited for.
    assert_eq!(unsafe { libc::kill(child.id().cast_signed(), libc::SIGINT) }, 0);
    let start = std::time::Instant::now();
    let status = child.wait_with_output().expect("ends").status;
    assert_eq!(status.code(), Some(130));
    assert!(start.elapsed() < std::time::Duration::from_secs(5), "took {:?}", start.elapsed());
    assert_eq!(entries().count(), 0, "nothing is left behind");
}

/// Bundles that earlier programs made, and that every later one verifies.
const BUNDLES: [&str; 3] = ["bootstrap-001", "04_own_loss-001", "05_own_data-001"];

/// What of them cannot be judged any more: the bundle, what the finding is called, and why that is right.
const NOT_JUDGED: [(&str, &str, &str); 0] = [];

/// What whoever changed the program is to do about it.
const ADVICE: &str = "\nWhat an earlier program recorded must come out again, whatever words, columns and layout do.\n\
    - If equal inputs now give another result on purpose, raise the version in its `Digest::of` and in \
    src/record/versions.rs: it is told as `not judged`, with an exit code of its own.\n\
    - If a function or an option has another name now, keep what the recorded script module calls working, or name the new \
    one in src/bind/renamed.rs.\n\
    - If a page or a printed text leaves a number out on purpose, add the finding to NOT_JUDGED in tests/suite/verify.rs \
    with the reason.\n\
    - Otherwise it is a defect of the change. Do not make the bundles anew.";

#[test]
fn the_bundles_of_earlier_programs_verify() {
    for bundle in BUNDLES {
        let folder = tempfile::tempdir().expect("a folder");
        let path = root().join("tests/reference/bundles").join(format!("{bundle}.w2s.zip"));
        let (code, said, report) = verify(folder.path(), path.to_str().expect("text"), &[]);
        let is_same = report["same_machine_type"] == true;
        assert!([0, 4, 5].contains(&code), "{bundle} does not verify, exit code {code}:\n{said}{ADVICE}");
        assert!(is_same || code != 0, "{said}");
        let findings = report["findings"].as_array().expect("findings");
        for finding in findings.iter().filter(|finding| is_same && finding["judgement"] == "not_judged") {
            let what = finding["what"].as_str().expect("text");
            let is_known =
                NOT_JUDGED.iter().any(|(of, begin, why)| *of == bundle && what.starts_with(begin) && !why.is_empty());
            // A version that rose says so itself.
            assert!(is_known || what.contains(" version "), "{bundle}, not judged: {what}\n{said}{ADVICE}");
        }
    }
}

/// A run of which another build is said to be the maker.
fn of_another_build(folder: &Path, name: &str) {
    forge(folder, name, |r| r.build = "0123456789abcdef".to_owned());
}

fn write(folder: &Path, file: &str, text: &str) {
    std::fs::write(folder.join(file), text).expect("written");
}

fn text(folder: &Path, file: &str) -> String {
    std::fs::read_to_string(folder.join(file)).expect("text")
}

/// Gives a page another text, and its hash to the record.
fn forge_page(folder: &Path, name: &str, page: &str, text: &str) {
    write(folder, &format!("{name}/{page}"), text);
    forge(folder, name, |r| {
        let held = r.pages.iter_mut().find(|held| held.path == page).expect("named");
        (held.blake3, held.bytes) = (blake3::hash(text.as_bytes()).to_hex().to_string(), text.len() as u64);
    });
}

#[test]
fn another_builds_words_and_layout_are_told_and_its_numbers_come_again() {
    let folder = experiment();
    let folder = folder.path();
    let name = run(folder, "exp/main.rhai", &[]);
    let page = text(folder, &format!("{name}/report.html"));
    let other = page.replace("<body", "<body class=\"wide\"").replace("Operations", "What was computed");
    assert_ne!(other, page);
    // By the same build it is a change of the page.
    forge_page(folder, &name, "report.html", &other);
    let (code, said, _) = verify(folder, &name, &[]);
    assert!(code == 1 && said.contains("`report.html`, made anew"), "{said}");
    of_another_build(folder, &name);
    forge(folder, &name, |r| {
        r.printed.lines[0] = r.printed.lines[0].replace("log loss ", "the loss is ");
        for event in &mut r.events {
            if let What::Operation { operation, .. } = &mut event.what {
                operation.options = operation.options.replace("lr ", "learning rate ");
                operation.what = operation.what.replace(" on ", " with ");
            }
        }
    });
    // The page shows what the script printed.
    let (code, said, report) = verify(folder, &name, &[]);
    assert_eq!((code, &report["verdict"]), (0, &"equal".into()), "{said}");
    for told in ["printed text 1", "options", "what", "`report.html`", "another build, whose words"] {
        assert!(said.contains(told), "{told}: {said}");
    }
    assert!(
        report["counts"]["told"].as_u64() > Some(4) && said.contains("everything that is judged is equal"),
        "{said}"
    );
    // A number is not a word, wherever it stands.
    forge_page(folder, &name, "report.html", &other.replace("</body>", "<p>accuracy 0.98765</p></body>"));
    let (code, said, report) = verify(folder, &name, &[]);
    assert_eq!((code, &report["verdict"]), (5, &"not_judged".into()), "{said}");
    assert!(said.contains("`report.html`, made anew from the record and the run's files: 0.98765 does not"), "{said}");
    forge_page(folder, &name, "report.html", &other);
    for change in ["lr 0.01", "learning rate 0.01"] {
        forge(folder, &name, |r| {
            for event in &mut r.events {
                if let What::Operation { operation, .. } = &mut event.what {
                    operation.options = operation.options.replace(change, "lr 0.0123");
                }
            }
        });
    }
    let (code, said, _) = verify(folder, &name, &[]);
    assert!(code == 5 && said.contains("options: 0.0123 does not come again"), "{said}");
    // Values are values in every build.
    forge(folder, &name, |r| {
        for event in &mut r.events {
            if let What::Operation { operation, .. } = &mut event.what
                && let Some(point) = operation.curve.last_mut()
            {
                point.1 = 0.25;
            }
        }
    });
    let (code, said, _) = verify(folder, &name, &[]);
    assert!(code == 1 && said.contains("loss at step"), "{said}");
}

#[test]
fn a_version_that_rose_is_not_judged_and_has_an_exit_code_of_its_own() {
    let folder = experiment();
    let folder = folder.path();
    let name = run(folder, "exp/main.rhai", &[]);
    let digest = w2s::core::digest::Digest::of("finetune", 1).finish();
    let rise = |r: &mut w2s::record::Record, version: u32| {
        r.build = "0123456789abcdef".to_owned();
        r.versions.iter_mut().find(|(name, _)| name == "finetune").expect("stated").1 = version;
        let key = w2s::store::memo::key_of(digest, &r.settings.device, &r.settings.kernels).to_hex();
        for event in &mut r.events {
            if let What::Operation { operation, .. } = &mut event.what
                && operation.name == "finetune"
            {
                (operation.digest, operation.key) = (digest.to_hex(), key.clone());
                operation.curve.last_mut().expect("a loss").1 = 0.25;
            }
        }
    };
    forge(folder, &name, |r| rise(r, 1));
    let (code, said, report) = verify(folder, &name, &[]);
    assert_eq!((code, &report["verdict"]), (5, &"not_judged".into()), "{said}");
    assert!(said.contains("version 1 → 2") && said.contains("NOT fully verified"), "{said}");
    assert!(said.contains("loss at step"), "a loss of it that moved cannot be judged either: {said}");
    // Of the same version it is another result.
    forge(folder, &name, |r| rise(r, 2));
    let (code, said, _) = verify(folder, &name, &[]);
    assert_eq!(code, 1, "{said}");
}

#[test]
fn the_recorded_modules_run_and_made_up_ones_are_found_out() {
    let folder = experiment();
    let folder = folder.path();
    write(folder, "exp/lib.rhai", "import \"w2s\" as w2s;\nprint(w2s::rungs(model::ladder(\"world\"), 3));\n");
    let name = run(folder, "exp/lib.rhai", &[]);
    assert_eq!(verify(folder, &name, &[]).0, 0);
    let own = text(folder, &format!("{name}/imports/w2s.rhai"));
    let module = |text: &str, printed: Option<&str>| {
        write(folder, &format!("{name}/imports/w2s.rhai"), text);
        let hash = |text: &str| blake3::hash(text.as_bytes()).to_hex().to_string();
        forge(folder, &name, |r| {
            r.build = "0123456789abcdef".to_owned();
            r.pages.clear();
            r.stdlib[0].digest = hash(text);
            let kept = r.sources.iter_mut().find(|source| source.file == "imports/w2s.rhai");
            kept.expect("the module").digest = hash(text);
            if let Some(printed) = printed {
                r.printed.lines = vec![printed.to_owned()];
                r.printed.blake3 = hash(&format!("{printed}\n"));
            }
        });
    };
    module(&format!("{own}\n// Other words.\n"), None);
    let (code, said, report) = verify(folder, &name, &[]);
    assert_eq!((code, &report["verdict"]), (0, &"equal".into()), "{said}");
    assert!(
        said.contains("is of no release, and so it ran with this program's own as well: nothing differs"),
        "{said}"
    );
    // The text that was recorded gives what was recorded, and the program's own does not.
    module(&own.replace("fn rungs(ladder, hops) {", "fn rungs(ladder, hops) { return [0, 7];"), Some("[0, 7]"));
    let (code, said, report) = verify(folder, &name, &[]);
    assert_eq!((code, &report["verdict"]), (5, &"not_judged".into()), "{said}");
    assert!(said.contains("is of no release"), "{said}");
    // A module's text is held by its hash like every other.
    write(folder, &format!("{name}/imports/w2s.rhai"), &own);
    assert_eq!(verify(folder, &name, &[]).0, 1);
}

#[test]
fn no_check_is_switched_off_by_leaving_something_out() {
    let folder = experiment();
    let folder = folder.path();
    let name = run(folder, "exp/main.rhai", &[]);
    let kept = text(folder, &format!("{name}/record.json"));
    let restore = || write(folder, &format!("{name}/record.json"), &kept);
    // Without its key an operation would not say on which machine it was computed.
    forge(folder, &name, |r| {
        for event in &mut r.events {
            if let What::Operation { operation, .. } = &mut event.what {
                operation.key.clear();
            }
        }
    });
    let (code, said, _) = verify(folder, &name, &[]);
    assert!(code == 1 && said.contains("never looked up"), "{said}");
    restore();
    // Without its hash a file could be any.
    forge(folder, &name, |r| {
        for event in &mut r.events {
            if let What::Written { files, .. } = &mut event.what {
                files.iter_mut().for_each(|file| file.blake3.clear());
            }
        }
    });
    let (code, said, _) = verify(folder, &name, &[]);
    assert!(code == 1 && said.contains("its hash in the record"), "{said}");
    let (_, _, err) = w2s(folder, &["show", &name]);
    assert!(err.contains("warning[record/altered]") && err.contains("`results.parquet`"), "{err}");
    restore();
    // Another program's version is not another build.
    forge(folder, &name, |r| r.program = "w2s 0.0.9".to_owned());
    let (code, said, _) = verify(folder, &name, &[]);
    assert!(code == 1 && said.contains("the program's version"), "{said}");
    restore();
    // A reading of truth that is left out.
    forge(folder, &name, |r| {
        r.build = "0123456789abcdef".to_owned();
        let at = r.events.iter().rposition(|event| matches!(event.what, What::TruthRead(_))).expect("one");
        r.events.remove(at);
        r.pages.clear();
    });
    let (code, said, _) = verify(folder, &name, &[]);
    assert!(code == 5 && said.contains("a reading of truth that was not recorded"), "{said}");
}

#[cfg(unix)]
#[test]
fn links_are_not_followed_and_pipes_are_not_waited_for() {
    let folder = experiment();
    let folder = folder.path();
    let name = run(folder, "exp/main.rhai", &[]);
    let pipe = |path: &Path| {
        let path = std::ffi::CString::new(path.to_str().expect("text")).expect("no zero");
        // SAFETY: the path is a text that ends with a zero.
        assert_eq!(unsafe { libc::mkfifo(path.as_ptr(), 0o600) }, 0);
    };
    let started = std::time::Instant::now();
    let import = record(folder, &name)["sources"][1]["file"].as_str().expect("text").to_owned();
    for file in ["curve.svg", "results.parquet", &import, "report.html"] {
        let path = folder.join(&name).join(file);
        let before = std::fs::read(&path).expect("there");
        for is_pipe in [false, true] {
            std::fs::remove_file(&path).expect("removed");
            if is_pipe {
                pipe(&path)
            } else {
                std::os::unix::fs::symlink("/dev/zero", &path).expect("linked")
            }
            let (code, said, _) = verify(folder, &name, &[]);
            assert!(code == 1 && said.contains(&format!("`{file}`")), "{file}: {said}");
            assert_eq!(w2s(folder, &["show", &name]).0, 0);
        }
        std::fs::remove_file(&path).expect("removed");
        std::fs::write(&path, before).expect("restored");
    }
    pipe(&folder.join("pipe"));
    let (code, said, _) = verify(folder, "pipe", &[]);
    assert!(code == 3 && said.contains("is not a file"), "{said}");
    assert!(started.elapsed() < std::time::Duration::from_secs(100), "it waited");
    assert_eq!(verify(folder, &name, &[]).0, 0);
}
