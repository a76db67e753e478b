//! `Data.truth`

use crate::bind::prelude::*;
use crate::data::Data;

/// The record.
pub fn function() -> Function {
    Function::method::<Data>("truth", run)
        .about("Reads the sealed truth of all rows, for a purpose that the record keeps.")
        .details(
            "Labels as `finetune` takes them: `id`, `p0`, `p1`, … (1 for the row's class, else 0) and `label`. Say what it \
             is for: `supervisor`, `ceiling`, `oracle`. How many rows a class has is not a secret: it prints with the data.",
        )
        .param::<String>("purpose", "what the truth is read for")
        .returns("Frame: labels, a row per row of the data")
        .example(
            "let data = data::of([#{ text: \"good\", label: 1 }, #{ text: \"bad\", label: 0 }], #{ test_share: 0.0 });\n\
             data.truth(\"ceiling\")",
            "",
        )
        .fails(
            "let data = data::of([#{ text: \"good\", label: 1 }, #{ text: \"bad\", label: 0 }], #{ test_share: 0.0 });\n\
             data.truth(\"\")",
            "reading truth needs a purpose",
        )
        .fails("data::of([#{ text: \"good\" }], #{ classes: [\"no\", \"yes\"], test_share: 0.0 }).truth(\"ceiling\")", "has no truth")
}

fn run(call: &mut Call) -> Answer {
    let (data, purpose): (Data, String) = (call.receiver()?, call.arg(0)?);
    Ok(Dynamic::from(data.truth(call.ctx(), "Data.truth", &purpose)?))
}
