//! The guards that are put in before a text is compiled: nothing, `()`, does not go into a text, and an error of the
//! language has a code in `catch (e)` as a builtin's has.

use crate::bind::Fault;
use crate::bind::trace;
use rhai::{Dynamic, Engine, EvalAltResult, Map, NativeCallContext};

/// What a value passes on its way into a text.
pub const TEXT: &str = trace::TEXT_GUARD;

/// What an error passes at the head of `catch (e) { … }`.
pub const CAUGHT: &str = trace::CATCH_GUARD;

/// Methods of the language that change what they are called on and return nothing.
pub const RETURNS_NOTHING: &[&str] = &[
    "append",
    "chop",
    "clear",
    "crop",
    "dedup",
    "fill_with",
    "insert",
    "make_lower",
    "make_upper",
    "mixin",
    "pad",
    "push",
    "replace",
    "reverse",
    "set",
    "sort",
    "sort_by",
    "sort_desc",
    "splice",
    "trim",
    "truncate",
];

/// The code of nothing in a text.
pub const NOTHING: &str = "script/nothing";

/// Registers the guards.
pub fn apply(engine: &mut Engine) {
    engine.register_fn(TEXT, |context: NativeCallContext, value: Dynamic| -> Result<Dynamic, Box<EvalAltResult>> {
        if value.is_unit() {
            let fault = Fault::new(NOTHING, "nothing, `()`, would be put into a text")
                .hint("a map has no such entry, or a function returned nothing: `x ?? \"none\"` is `\"none\"` where `x` is nothing");
            return Err(fault.into_rhai(context.call_position()));
        }
        Ok(value)
    });
    engine.register_fn(CAUGHT, |error: &mut Dynamic| {
        if let Some(mut map) = error.write_lock::<Map>()
            && let Some(kind) = map.get("error").map(ToString::to_string)
            && map.contains_key("message")
            && !map.contains_key("code")
        {
            let what = map.get("type").map(ToString::to_string).unwrap_or_default();
            map.insert("code".into(), code(&kind, &what).into());
        }
    });
}

/// What a method that returns nothing is told in the line of `at`: its name, if one is called there.
pub fn changing_method(line: &str, column: usize) -> Option<&'static str> {
    let rest: String = line.chars().skip(column.saturating_sub(1)).collect();
    let at = |name: &str| rest.find(&format!(".{name}("));
    RETURNS_NOTHING.iter().copied().filter(|name| at(name).is_some()).min_by_key(|name| at(name))
}

/// The code of an error of the language; the same as where it ends the script.
fn code(kind: &str, what: &str) -> &'static str {
    match kind {
        "ErrorArithmetic" => "script/arithmetic",
        "ErrorArrayBounds" | "ErrorStringBounds" | "ErrorBitFieldBounds" | "ErrorIndexNotFound" => "script/bounds",
        "ErrorIndexingType" => "script/not-indexable",
        "ErrorFor" => "script/not-iterable",
        "ErrorVariableNotFound" => "script/unknown-variable",
        "ErrorModuleNotFound" => "script/unknown-module",
        "ErrorFunctionNotFound" => "call/types",
        "ErrorDotExpr" | "ErrorPropertyNotFound" => "script/unknown-property",
        "ErrorMismatchDataType" | "ErrorMismatchOutputType" => "script/type",
        "ErrorAssignmentToConstant" | "ErrorNonPureMethodCallOnConstant" => "script/constant",
        "ErrorUnboundThis" => "script/this",
        "ErrorVariableExists" => "script/variable-exists",
        "ErrorForbiddenVariable" => "script/name",
        "ErrorDataRace" => "script/shared",
        "ErrorParsing" => "script/syntax",
        "ErrorTooManyVariables" => "limit/variables",
        "ErrorTooManyModules" => "limit/modules",
        "ErrorStackOverflow" => "limit/call-depth",
        "ErrorTooManyOperations" => "limit/operations",
        "ErrorDataTooLarge" if !what.is_empty() => "limit/size",
        _ => "script/error",
    }
}
