//! `script::lineage`

use crate::bind::prelude::*;
use crate::store::Store;

/// The record.
pub fn function() -> Function {
    Function::new("script", "lineage", run)
        .about("Where a model, predictions or labels came from: the operation, and the tree of its inputs.")
        .details(
            "Read off the store, for a person: one line per input, with the first twelve digits of its digest and, if an operation \
             made it whose result is kept, which. Inputs without one were loaded, drawn or written down. `w2s store show DIGEST` \
             tells more of each.",
        )
        .param::<Dynamic>("value", "any value")
        .returns("string: some lines")
        .example("script::lineage(5).contains(\"no operation\")", "true")
        .example(
            "let rows = data::of([#{ text: \"good dog\", label: \"yes\" }, #{ text: \"bad dog\", label: \"no\" }], #{ test_share: 0.0 });\n\
             let teacher = model::untrained(rows).finetune(rows, rows.truth(\"example\"), #{ steps: 2 });\n\
             script::lineage(teacher.label(rows)).contains(\"finetune untrained-16x2\")",
            "true",
        )
        .fails("let n = 0; script::lineage(|x| { n += x; n })", "it changes the outer variable `n`")
}

fn run(call: &mut Call) -> Answer {
    let value: Dynamic = call.arg(0)?;
    let digest = super::digest::of(call, &value)?;
    let lineage = Store::of(call.ctx()).lineage()?;
    let Some(made) = lineage.of(digest) else {
        return Ok(format!("{}  made by no operation whose result the store keeps", digest.short()).into());
    };
    let text = format!("{}  {} {}\n{}", digest.short(), made.operation, made.what, lineage.inputs(made));
    Ok(text.trim_end().into())
}
