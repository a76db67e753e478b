//! `Frame.with_note`

use crate::bind::prelude::*;
use crate::frames::Frame;

/// The record.
pub fn function() -> Function {
    Function::method::<Frame>("with_note", |call| {
        Ok(Dynamic::from(call.receiver::<Frame>()?.with_note(&call.arg::<String>(0)?)))
    })
    .about("The same frame with a text that is printed below it.")
    .details("The text is not part of the data: it changes neither digest nor equality, no file has it, and no verb keeps it.")
    .param::<String>("note", "what to print below; empty for nothing")
    .returns("Frame: the same rows and columns")
    .example("frame::of(#{ a: [1] }).with_note(\"Of one seed.\").to_string().ends_with(\"Of one seed.\")", "true")
    .example("frame::of(#{ a: [1] }).with_note(\"x\") == frame::of(#{ a: [1] })", "true")
    .fails("frame::of(#{ a: [1] }).with_note(1)", "`note` of `Frame.with_note` must be a string")
}
