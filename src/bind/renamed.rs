//! Names that functions and options had, and the ones that they have now: scripts that were written with the old ones go on
//! working, the recorded modules of old runs among them. Help and completion show the new ones alone.

use super::function::{Function, Kind};
use rhai::Map;
use std::borrow::Cow;
use std::sync::Arc;

/// Functions: the old path and the new one, `module::name`, `Type.method` or `name`. A function keeps what it is: a method stays a
/// method of its type.
pub const FUNCTIONS: &[(&str, &str)] = &[];

/// Options: the function's path, the old name and the new one.
pub const OPTIONS: &[(&str, &str, &str)] = &[];

/// The functions under the names that they had.
pub fn aliases(functions: &[Arc<Function>], table: &[(&'static str, &'static str)]) -> Vec<Arc<Function>> {
    let alias = |(old, new): &(&'static str, &'static str)| -> Vec<Arc<Function>> {
        let named = functions.iter().filter(|function| function.path() == *new);
        let under = |function: &Arc<Function>| {
            let (module, name) = match function.kind {
                Kind::Function => old.rsplit_once("::").unwrap_or(("", old)),
                _ => (function.module, old.rsplit_once('.').map_or(*old, |(_, name)| name)),
            };
            Arc::new(Function { module, name, ..Function::clone(function) })
        };
        named.map(under).collect()
    };
    table.iter().flat_map(alias).collect()
}

/// The present name of a function that is called by an old one; of a method whose type is not known, `.name`.
pub fn function(path: &str, table: &[(&'static str, &'static str)]) -> Option<&'static str> {
    let is_it = |old: &str| old == path || (path.starts_with('.') && old.ends_with(path));
    table.iter().find(|(old, _)| is_it(old)).map(|(_, new)| *new)
}

/// The present name of an option of the function `what` that is given by an old one.
pub fn option(what: &str, name: &str, table: &[(&str, &str, &'static str)]) -> Option<&'static str> {
    table.iter().find(|(of, old, _)| (*of, *old) == (what, name)).map(|(.., new)| *new)
}

/// The options that were given to the function `what`, by the names that they have among `names`. A key that is given under both
/// stays, to be refused as unknown.
pub fn options<'a>(what: &str, given: &'a Map, names: &[&str], table: &[(&str, &str, &str)]) -> Cow<'a, Map> {
    let mut map = Cow::Borrowed(given);
    for (_, old, new) in table.iter().filter(|(of, ..)| *of == what) {
        if !names.contains(old) && names.contains(new) && !given.contains_key(*new) && given.contains_key(*old) {
            let map = map.to_mut();
            if let Some(value) = map.remove(*old) {
                map.insert((*new).into(), value);
            }
        }
    }
    map
}

#[cfg(test)]
mod tests {
    use super::*;
    use rhai::Dynamic;

    #[test]
    fn a_function_is_called_by_the_name_that_it_had() {
        let function = |module, name| Arc::new(Function::new(module, name, |_| Ok(Dynamic::from(7_i64))));
        let functions = [function("metric", "share"), function("", "column")];
        let table = [("stats::portion", "metric::share"), ("col_of", "column"), ("gone", "no::such")];
        let made = aliases(&functions, &table);
        let paths: Vec<String> = made.iter().map(|function| function.path()).collect();
        assert_eq!(paths, ["stats::portion", "col_of"]);
        // Another test may set it between the registration and the call.
        crate::bind::trace::steady_names();
        let engine = &mut rhai::Engine::new();
        let registry = super::super::Registry { functions: made, ..Default::default() };
        registry.install(engine, &Arc::new(crate::core::context::Context::for_tests()));
        assert_eq!(engine.eval::<i64>("stats::portion() + col_of()").expect("both"), 14);
        assert_eq!(super::function("col_of", &table), Some("column"));
        assert_eq!(super::function("column", &table), None);
        assert_eq!(super::function(".cut", &[("Frame.cut", "Frame.head")]), Some("Frame.head"));
    }

    #[test]
    fn an_option_is_given_by_the_name_that_it_had() {
        let table = [("model::finetune", "rate", "lr")];
        let given: Map = [("rate".into(), Dynamic::from(0.5))].into_iter().collect();
        let keys = |what: &str, given: &Map, names: &[&str]| -> Vec<String> {
            options(what, given, names, &table).keys().map(ToString::to_string).collect()
        };
        assert_eq!(keys("model::finetune", &given, &["lr", "steps"]), ["lr"]);
        assert_eq!(option("model::finetune", "rate", &table), Some("lr"));
        assert_eq!(option("model::finetune", "lr", &table), None);
        assert_eq!(keys("model::pretrain", &given, &["lr", "steps"]), ["rate"], "another function's");
        assert_eq!(keys("model::finetune", &given, &["rate"]), ["rate"], "a recorded module of then");
        let both: Map = [("rate".into(), Dynamic::from(0.5)), ("lr".into(), Dynamic::from(0.1))].into_iter().collect();
        assert_eq!(keys("model::finetune", &both, &["lr"]), ["lr", "rate"], "one of them is refused");
    }

    #[test]
    fn every_renamed_function_and_option_is_there_under_its_new_name() {
        for (old, new) in FUNCTIONS {
            assert!(old != new && function(new, FUNCTIONS).is_none(), "`{old}`: name the last name at once");
        }
        for (of, old, new) in OPTIONS {
            assert!(old != new && !of.is_empty(), "`{old}` of `{of}`");
        }
    }
}
