//! A costly operation that was answered, as events tell it, workers pass it on, records keep it and reruns are held against it.

use serde::{Deserialize, Serialize};

/// What was computed, from what, and how it went.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Operation {
    /// `finetune`, `predict`, …
    pub name: String,
    /// For people: on what.
    pub what: String,
    /// The derivation of its result.
    pub digest: String,
    /// What the store looks up; empty where the result cannot be looked up.
    pub key: String,
    /// The digests of its inputs, by name.
    pub inputs: Vec<(String, String)>,
    /// Every option with its settled value.
    pub options: String,
    /// What this run spent on it.
    pub seconds: f64,
    /// The training loss: step (from 1) and value.
    #[serde(with = "curve")]
    pub curve: Vec<(u64, f64)>,
}

/// A curve in JSON, which has no NaN and no infinity: these are the texts `NaN`, `inf` and `-inf`.
mod curve {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    #[serde(untagged)]
    enum Value {
        Number(f64),
        Text(String),
    }

    pub fn serialize<S: Serializer>(curve: &[(u64, f64)], to: S) -> Result<S::Ok, S::Error> {
        let point = |(step, value): &(u64, f64)| {
            let value = if value.is_finite() { Value::Number(*value) } else { Value::Text(value.to_string()) };
            (*step, value)
        };
        to.collect_seq(curve.iter().map(point))
    }

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
}
