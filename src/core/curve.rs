//! A training curve in JSON, which has no NaN and no infinity: these are the texts `NaN`, `inf` and `-inf`. For serde's
//! `with`.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Value {
    Number(f64),
    Text(String),
}

/// Writes steps and values.
pub fn serialize<S: Serializer>(curve: &[(u64, f64)], to: S) -> Result<S::Ok, S::Error> {
    let point = |(step, value): &(u64, f64)| {
        let value = if value.is_finite() { Value::Number(*value) } else { Value::Text(value.to_string()) };
        (*step, value)
    };
    to.collect_seq(curve.iter().map(point))
}

/// Reads what [`serialize`] wrote.
pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<(u64, f64)>, D::Error> {
    let points: Vec<(u64, Value)> = Vec::deserialize(from)?;
    let point = |(step, value)| match value {
        Value::Number(value) => Ok((step, value)),
        Value::Text(text) => match text.as_str() {
            "NaN" => Ok((step, f64::NAN)),
            "inf" => Ok((step, f64::INFINITY)),
            "-inf" => Ok((step, f64::NEG_INFINITY)),
            _ => Err(serde::de::Error::custom(format!("`{text}` is not a loss"))),
        },
    };
    points.into_iter().map(point).collect()
}
