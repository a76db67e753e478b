//! `script::warn`

use crate::bind::prelude::*;

/// The most characters of a warning: arbitrary, a paragraph.
const MAX_TEXT: usize = 2000;

/// The record.
pub fn function() -> Function {
    Function::new("script", "warn", run)
        .about("Prints a warning and keeps it in the run's record and report; the script continues.")
        .details("For functions of your own whose result may mislead. In a session the same text is told once.")
        .param::<String>("text", "what may mislead, and what to do")
        .returns("(): nothing")
        .example("script::warn(\"half of the rows have no label\")", "")
        .fails("script::warn(\"\")", "a warning needs a text")
}

fn run(call: &mut Call) -> Answer {
    let text: String = call.arg(0)?;
    if text.trim().is_empty() {
        return Err(Fault::new("script/warning", "a warning needs a text"));
    }
    if text.chars().count() > MAX_TEXT {
        return Err(Fault::new("script/warning", format!("a warning has at most {MAX_TEXT} characters")));
    }
    call.ctx().warn_once(&text, &text);
    Ok(Dynamic::UNIT)
}
