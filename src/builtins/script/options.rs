//! `script::options`

use crate::bind::accepted;
use crate::bind::prelude::*;

/// The record.
pub fn function() -> Function {
    Function::new("script", "options", run)
        .about("Fills an option map with defaults and refuses keys that are not among them.")
        .details("For functions of your own: write every option once, in the map of defaults, and unknown keys are refused as builtins do it.")
        .param::<String>("what", "the function's name, for messages")
        .param::<Map>("given", "the options that the caller gave")
        .param::<Map>("defaults", "every option with its default")
        .returns("object map: the defaults with the given values in place")
        .example("script::options(\"mine\", #{ hops: 2 }, #{ hops: 3, hard: false })", "#{hard: false, hops: 2}")
        .fails(
            "script::options(\"mine\", #{ hop: 2 }, #{ hops: 3, hard: false })",
            "`mine` has no option `hop`",
        )
}

fn run(call: &mut Call) -> Answer {
    let (what, given, defaults): (String, Map, Map) = (call.arg(0)?, call.arg(1)?, call.arg(2)?);
    let names: Vec<&str> = defaults.keys().map(|key| key.as_str()).collect();
    let given = accepted(&what, &given, &names)?.into_owned();
    let mut filled = defaults.clone();
    filled.extend(given);
    Ok(filled.into())
}
