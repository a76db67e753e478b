//! `script::digest`

use crate::bind::prelude::*;

/// The record.
pub fn function() -> Function {
    Function::new("script", "digest", run)
        .about("The digest of any value: a hash of its content, the same on every machine.")
        .details(
            "Of a model, a frame or labels that were computed, it names how they came to be: the operation, its inputs, its options and \
             its seed; of data and tables that were read, their content; of plain values, arrays and maps, every bit; of a closure, its \
             syntax tree without places, the functions that it reaches, and what it captured, as it is now. Equal digests, equal \
             results: this is what the store looks up. A closure has none if it changes a variable outside it, calls a function by \
             a name that is made at run time or reads a clock. What a closure reads when it is called, files, data sets or sealed \
             truth, is not in its digest: a training with such a loss is never looked up.",
        )
        .param::<Dynamic>("value", "any value")
        .returns("string: 64 hexadecimal digits")
        .example("script::digest([1, 2.5, \"a\"]) == script::digest([1, 2.5, \"a\"])", "true")
        .example("let k = 2; let one = script::digest(|x| x * k); k = 3; one == script::digest(|x| x * k)", "false")
        .example("script::digest(loss::cross_entropy()).len", "64")
        .fails("let n = 0; script::digest(|x| { n += x; n })", "it changes the outer variable `n`")
}

fn run(call: &mut Call) -> Answer {
    let value: Dynamic = call.arg(0)?;
    Ok(of(call, &value)?.to_hex().into())
}

/// The digest of a value as the store knows it: that of a derivation for what has one.
pub(super) fn of(call: &Call, value: &Dynamic) -> Result<Digest, Fault> {
    let mut trace = Trace::new(call.context);
    let digest = trace.value(value);
    match trace.lost() {
        None => Ok(digest),
        Some(why) => Err(Fault::new("script/no-digest", format!("this value has no digest: {why}"))),
    }
}
