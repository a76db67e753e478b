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
    let takes_train = defaults.contains_key("train");
    let of_train = |key: &str| crate::builtins::model::is_training_option(key);
    if let Some(key) = given.keys().find(|key| takes_train && !defaults.contains_key(*key) && of_train(key)) {
        let value = given.get(key).map_or_else(|| "…".to_owned(), show);
        return Err(Fault::new("call/unknown-option", format!("`{what}` has no option `{key}`"))
            .hint(format!("it is one of training: #{{ train: #{{ {key}: {value} }} }}")));
    }
    let given = accepted(&what, &given, &names)?.into_owned();
    let mut filled = defaults.clone();
    filled.extend(given);
    Ok(filled.into())
}
