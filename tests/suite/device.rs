//! `--device` from outside: candle's operations through the command line, records that name it, devices that are not there.

use crate::kept::forge;
use crate::record::{experiment, record, run, w2s};
use crate::support::root;
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;

/// Where the operations of a run came from, by their kind: `computed`, `stored`, `worker`.
fn found(folder: &Path, run: &str) -> Vec<String> {
    let record = record(folder, run);
    let events = record["events"].as_array().expect("events").iter();
    let operations = events.filter(|event| event["event"] == "operation");
    operations.map(|event| event["found"]["kind"].as_str().expect("a word").to_owned()).collect()
}

/// What a run looked up.
fn keys(folder: &Path, run: &str) -> BTreeSet<String> {
    let record = record(folder, run);
    let events = record["events"].as_array().expect("events").iter();
    events.filter_map(|event| Some(event["key"].as_str()?.to_owned())).collect()
}

/// The number in the experiment's table.
fn loss(folder: &Path, run: &str) -> f64 {
    let table = std::fs::read_to_string(folder.join(run).join("results.csv")).expect("a table");
    let row = table.lines().nth(1).expect("a row");
    row.split(',').nth(1).and_then(|cell| cell.parse().ok()).expect("a number")
}

#[test]
fn a_run_on_candle_is_recorded_as_such_and_answers_for_no_other_device() {
    let folder = experiment();
    let folder = folder.path();
    let on_candle = ["--device", "candle"];
    let own = run(folder, "exp/main.rhai", &[]);
    let (code, plan, err) = w2s(folder, &["--device", "candle", "script", "--plan", "exp/main.rhai"]);
    assert!(code == 0 && plan.contains("compute"), "nothing of the CPU's answers: {plan}{err}");
    let one = run(folder, "exp/main.rhai", &on_candle);
    let two = run(folder, "exp/main.rhai", &on_candle);
    assert!(found(folder, &own).iter().chain(&found(folder, &one)).all(|found| found == "computed"));
    assert!(found(folder, &two).iter().all(|found| found == "stored"));
    let settings = record(folder, &one)["settings"].clone();
    assert_eq!(settings["device"], "candle");
    let kernels = settings["kernels"].as_str().expect("a class").to_owned();
    assert!(kernels.starts_with(&format!("candle-1-{}-", std::env::consts::ARCH)), "{kernels}");
    // The same numbers but for rounding; a few steps of training apart.
    let (mine, other) = (loss(folder, &own), loss(folder, &one));
    assert!((mine - other).abs() < 1e-4, "{mine} {other}");
    assert_eq!(loss(folder, &two), other);

    let (_, shown, _) = w2s(folder, &["show", &one]);
    assert!(shown.contains("device candle") && shown.contains(&kernels), "{shown}");
    let (_, differ, _) = w2s(folder, &["diff", &own, &one]);
    assert!(differ.contains("device") && differ.contains("candle"), "{differ}");
    let (code, said, _) = w2s(folder, &["verify", &one, "--json", "report.json"]);
    assert_eq!(code, 0, "{said}");
    let report: Value =
        serde_json::from_slice(&std::fs::read(folder.join("report.json")).expect("a report")).expect("JSON");
    assert_eq!((&report["verdict"], &report["same_machine_type"]), (&"equal".into(), &true.into()), "{said}");
    let (_, listed, _) = w2s(folder, &["store", "ls"]);
    let key = listed.split_whitespace().find(|word| word.len() >= 8 && word.chars().all(|c| c.is_ascii_hexdigit()));
    let (_, result, err) = w2s(folder, &["store", "show", key.expect("a key")]);
    assert!(result.contains("candle"), "{result}{err}");
}

#[test]
fn a_record_of_candle_is_held_to_the_bit_on_its_own_machine_alone() {
    let folder = experiment();
    let folder = folder.path();
    let name = run(folder, "exp/main.rhai", &["--device", "candle"]);
    forge(folder, &name, |r| r.machine.n_cores += 1);
    let (_, said, _) = w2s(folder, &["verify", &name]);
    let why = "the machine: candle's operations promise equal bits on one alone";
    assert!(said.contains("COMPARED WITHIN INTERVALS") && said.contains(why), "{said}");
    // Made on a device that this build does not know.
    forge(folder, &name, |r| r.settings.device = "metal".to_owned());
    let (code, said, err) = w2s(folder, &["verify", &name]);
    if !cfg!(feature = "metal") {
        assert!(code == 3 && err.contains("models cannot compute on `metal`"), "{code} {said}{err}");
    }
}

#[test]
fn a_whole_script_runs_on_candle() {
    let folder = tempfile::tempdir().expect("a folder");
    let script = root().join("scripts/sweep.rhai");
    let script = script.to_str().expect("UTF-8");
    let args = |device| ["--quiet", "--device", device, "script", "--run", device, script, "--", "--smoke"];
    for device in ["candle", "cpu"] {
        let (code, out, err) = w2s(folder.path(), &args(device));
        assert!(code == 0 && out.contains("64x2-4000"), "{out}{err}");
        assert_eq!(record(folder.path(), device)["settings"]["device"], device);
    }
    let (candle, cpu) = (keys(folder.path(), "candle"), keys(folder.path(), "cpu"));
    assert!(candle.len() > 20 && candle.len() == cpu.len() && candle.is_disjoint(&cpu), "each computed its own");
}

#[test]
fn a_device_that_is_not_there_is_refused_with_what_to_do() {
    let folder = tempfile::tempdir().expect("a folder");
    for (device, is_built) in [("cuda", cfg!(feature = "cuda")), ("metal", cfg!(feature = "metal"))] {
        if is_built {
            continue;
        }
        let (code, _, err) = w2s(folder.path(), &["--device", device, "eval", "1"]);
        assert_eq!(code, 2, "{err}");
        let refused = format!("error[usage/device]: models cannot compute on `{device}`: this build of w2s");
        let line = format!("cargo build --release --features {device}");
        assert!(err.contains(&refused) && err.contains(&line), "{err}");
    }
    let (code, _, err) = w2s(folder.path(), &["--device", "candle", "--kernels", "portable", "eval", "1"]);
    assert!(
        code == 2 && err.contains("error[usage/kernels]") && err.contains("leave --kernels or --device out"),
        "{err}"
    );
}
