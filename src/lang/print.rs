//! How scripts print, and what of Rhai's own library is taken away.

use super::Output;
use crate::bind::{Fault, show};
use rhai::{Array, Dynamic, Engine, ImmutableString, Map, NativeCallContext};

/// Routes `print` and `debug` to `output`, and shows values as the prompt does.
pub fn apply(engine: &mut Engine, output: &Output) {
    let out = output.clone();
    engine.on_print(move |text| out(text));
    let out = output.clone();
    engine.on_debug(move |text, source, position| {
        let source = source.unwrap_or("input");
        match position.line() {
            Some(line) => out(&format!("{source}:{line}: {text}")),
            None => out(&format!("{source}: {text}")),
        }
    });
    engine.register_fn("print", |value: Dynamic| -> ImmutableString { show(&value).into() });
    engine.register_fn("print", |value: f64| -> ImmutableString { show(&value.into()).into() });
    engine.register_fn("print", |value: Map| -> ImmutableString { show(&value.into()).into() });
    engine.register_fn("print", |value: Array| -> ImmutableString { show(&value.into()).into() });
    engine.register_fn("debug", |value: Dynamic| -> ImmutableString { quoted(&value).into() });
    engine.register_fn("to_string", |value: &mut Array| -> ImmutableString { show(&value.clone().into()).into() });
    engine.register_fn("to_string", |value: &mut Map| -> ImmutableString { show(&value.clone().into()).into() });
    engine.register_fn("to_string", |value: f64| -> ImmutableString { show(&value.into()).into() });
}

/// A string with its quotes, anything else as it is shown.
fn quoted(value: &Dynamic) -> String {
    if value.is_string() { format!("{:?}", value.to_string()) } else { show(value) }
}

/// Rhai's functions that a script must not have, with why and what instead.
pub const REMOVED: &[(&str, &str)] = &[
    ("sleep", "a script has no reason to wait"),
    (
        "timestamp",
        "a script's result must not depend on a clock; the run record keeps times, and the prompt has `:time`",
    ),
    ("eval", "a script must not run text made at run time; write a function or a closure `|x| …`"),
];

/// Replaces what is removed by errors that say so. `eval` is a keyword and is refused by the parser.
pub fn remove(engine: &mut Engine) {
    let refuse = |name: &'static str| {
        move |context: &NativeCallContext| -> Result<Dynamic, Box<rhai::EvalAltResult>> {
            Err(removed(name).into_rhai(context.call_position()))
        }
    };
    let sleep = refuse("sleep");
    engine.register_fn("sleep", move |context: NativeCallContext, _: i64| sleep(&context));
    let sleep = refuse("sleep");
    engine.register_fn("sleep", move |context: NativeCallContext, _: f64| sleep(&context));
    let timestamp = refuse("timestamp");
    engine.register_fn("timestamp", move |context: NativeCallContext| timestamp(&context));
    engine.disable_symbol("eval");
}

/// The fault of calling a removed function.
pub fn removed(name: &str) -> Fault {
    let why = REMOVED.iter().find(|(removed, _)| *removed == name).map_or("it is not part of w2s", |(_, why)| *why);
    Fault::new("sandbox/removed", format!("`{name}` is not available")).hint(why)
}
