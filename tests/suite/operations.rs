//! What the record of a run says of its operations.

use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Child;

/// Key and kind of every operation in a run's record.
pub fn found(run: &Path) -> Vec<(String, String)> {
    let text = std::fs::read_to_string(run.join("record.json")).expect("a record");
    let record: Value = serde_json::from_str(&text).expect("json");
    let events = record["events"].as_array().expect("events").iter();
    let operations = events.filter(|event| event["event"] == "operation");
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    operations.map(|event| (text(&event["key"]), text(&event["found"]["kind"]))).collect()
}

/// How many were found so.
pub fn count(found: &[(String, String)], kind: &str) -> usize {
    found.iter().filter(|(_, how)| how == kind).count()
}

/// Waits for processes that started one script at the same time, in these run folders: all end well, and each operation was
/// computed by exactly one of them. How many operations there were.
pub fn computed_once(begun: Vec<Child>, runs: impl Iterator<Item = PathBuf>) -> usize {
    for child in begun {
        let answer = child.wait_with_output().expect("ends");
        assert!(answer.status.success(), "{}", String::from_utf8_lossy(&answer.stderr));
    }
    let mut times: BTreeMap<String, usize> = BTreeMap::new();
    for (key, how) in runs.flat_map(|run| found(&run)) {
        *times.entry(key).or_default() += usize::from(how == "computed");
    }
    assert!(times.values().all(|n_times| *n_times == 1), "{times:?}");
    times.len()
}
