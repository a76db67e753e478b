//! What a model is to read or continue: a data set, texts, or a frame of prompts.

use crate::bind::describe;
use crate::bind::prelude::*;
use crate::data::{Data, Input, Row, Source, Split, Target};
use crate::frames::Frame;
use std::sync::Arc;

/// Rows to read: a data set as it is, or texts with the ids `0`, `1`, … or those of a frame.
pub struct Prompts(pub Data);

impl FromDynamic for Prompts {
    fn type_name() -> String {
        "Data|Frame|array of string|string".to_owned()
    }

    fn from_dynamic(value: &Dynamic) -> Result<Self, Mismatch> {
        if let Some(data) = value.clone().try_cast::<Data>() {
            return Ok(Prompts(data));
        }
        if let Some(frame) = value.clone().try_cast::<Frame>() {
            return of_frame(&frame);
        }
        if let Ok(text) = value.clone().into_string() {
            return of_texts(vec!["0".to_owned()], vec![text]);
        }
        if !value.is_array() {
            return Err(Mismatch(format!("must be {}, got {}", Self::type_name(), describe(value))));
        }
        let texts = Vec::<String>::from_dynamic(value)?;
        of_texts((0..texts.len()).map(|idx| idx.to_string()).collect(), texts)
    }
}

fn of_frame(frame: &Frame) -> Result<Prompts, Mismatch> {
    let amiss = |error: crate::frames::FrameError| Mismatch(format!("must have `id` and `prompt`: {error}"));
    of_texts(frame.ids().map_err(amiss)?, frame.strings("prompt").map_err(amiss)?)
}

fn of_texts(ids: Vec<String>, texts: Vec<String>) -> Result<Prompts, Mismatch> {
    if texts.is_empty() {
        return Err(Mismatch("has no text: give one or more".to_owned()));
    }
    let row = |(id, text): (String, String)| Row {
        group: id.as_str().into(),
        id: id.into(),
        input: Input::Text(text.into()),
        split: Split::Train,
        difficulty: f32::NAN,
    };
    let rows = ids.into_iter().zip(texts).map(row).collect();
    let source = Source::with_target("prompts", rows, Target::None).map_err(|error| Mismatch(error.to_string()))?;
    Ok(Prompts(Data::new(Arc::new(source))))
}
