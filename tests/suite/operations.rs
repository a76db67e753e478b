//! What the record of a run says of its operations.

use serde_json::Value;
use std::path::Path;

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
