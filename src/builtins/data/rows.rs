//! Cells of records to script values and back.

use crate::bind::{Fault, describe};
use crate::data::read::Records;
use rhai::{Array, Dynamic, Map};
use serde_json::Value;

/// A cell as a script sees it: `null` is `()`, an object is a map.
pub fn to_value(cell: &Value) -> Dynamic {
    match cell {
        Value::Null => Dynamic::UNIT,
        Value::Bool(value) => Dynamic::from(*value),
        Value::Number(number) => match number.as_i64() {
            Some(int) => Dynamic::from(int),
            // Beyond the script's integers: a float would lose digits.
            None if number.is_u64() => Dynamic::from(number.to_string()),
            None => Dynamic::from(number.as_f64().unwrap_or(f64::NAN)),
        },
        Value::String(text) => Dynamic::from(text.clone()),
        Value::Array(items) => Dynamic::from(items.iter().map(to_value).collect::<Array>()),
        Value::Object(fields) => {
            Dynamic::from(fields.iter().map(|(key, value)| (key.as_str().into(), to_value(value))).collect::<Map>())
        }
    }
}

/// How deep arrays and maps may lie in each other: as deep as in a JSON file.
const MAX_DEPTH: usize = 128;

/// A script value as a cell, or what it is instead.
pub fn from_value(value: &Dynamic) -> Result<Value, String> {
    nested(value, 0)
}

fn nested(value: &Dynamic, depth: usize) -> Result<Value, String> {
    if depth > MAX_DEPTH {
        return Err("values that lie too deep in each other".to_owned());
    }
    if value.is_unit() {
        return Ok(Value::Null);
    }
    if let Ok(value) = value.as_bool() {
        return Ok(Value::Bool(value));
    }
    if let Ok(value) = value.as_int() {
        return Ok(Value::from(value));
    }
    if let Ok(value) = value.as_float() {
        let finite = serde_json::Number::from_f64(value).map(Value::Number);
        return finite.ok_or_else(|| format!("the float `{value}`"));
    }
    if let Ok(text) = value.clone().into_string() {
        return Ok(Value::String(text));
    }
    if let Ok(items) = value.as_array_ref() {
        return items.iter().map(|item| nested(item, depth + 1)).collect::<Result<_, _>>().map(Value::Array);
    }
    match value.as_map_ref() {
        Ok(map) => map.iter().map(|(key, item)| Ok((key.to_string(), nested(item, depth + 1)?))).collect(),
        Err(_) => Err(describe(value)),
    }
}

/// Records from an array of maps.
pub fn from_maps(rows: &[Dynamic]) -> Result<Records, Fault> {
    let mut read = Vec::with_capacity(rows.len());
    for (idx, row) in rows.iter().enumerate() {
        let misfit =
            |got: &str| Fault::new("data/malformed", format!("row {}: expected an object map, got {got}", idx + 1));
        match from_value(row) {
            Ok(Value::Object(row_map)) => read.push((idx + 1, row_map)),
            Ok(_) => return Err(misfit(&describe(row)).hint("such as #{ text: \"…\", label: 0 }")),
            Err(why) => return Err(misfit(&format!("a map that holds {why}"))),
        }
    }
    Ok(Records::from_rows("rows", "row", read))
}
