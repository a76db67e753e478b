//! The digest of a closure: its syntax tree without positions, the functions of its script that it reaches, the imported
//! modules and global constants that these name, and the values that it captured. Never its own name.

use super::losses::{Names, Outer, is_changeable, outside};
use super::tree::{ANONYMOUS, anonymous, plain, raw};
use super::{ScriptModules, Trace};
use crate::core::digest::{Digest, DigestBuilder};
use rhai::{Dynamic, FnPtr, Module, NativeCallContext, ScriptFuncDef};
use std::collections::{BTreeMap, BTreeSet};

/// How deep modules in modules are looked into: arbitrary.
const MAX_MODULES: usize = 16;

/// Script functions by name.
type Functions<'a> = BTreeMap<String, Vec<&'a ScriptFuncDef>>;

/// The script functions of these modules.
fn by_name<'a>(modules: impl IntoIterator<Item = &'a Module>) -> Functions<'a> {
    let mut functions = Functions::new();
    for (.., found) in modules.into_iter().flat_map(Module::iter_script_fn_info) {
        functions.entry(found.name.to_string()).or_default().push(found);
    }
    functions
}

/// What a closure reaches, while it is walked.
struct Reach<'a> {
    /// Functions of the script and of the modules that the call came through, by name.
    functions: Functions<'a>,
    /// The trees so far: which names stand in them.
    trees: String,
    /// Closures that are being walked, so that none is walked in itself.
    open: BTreeSet<String>,
}

impl Trace<'_> {
    /// The digest of a closure or a named function, captures included.
    pub fn closure(&mut self, closure: &FnPtr) -> Digest {
        let context: &NativeCallContext = self.context;
        let functions = by_name(context.iter_namespaces());
        let mut reach = Reach { functions, trees: String::new(), open: BTreeSet::new() };
        let mut made = Digest::of("closure", 3);
        made = self.function(made, &mut reach, closure.fn_name(), closure.curry());
        let mut named: BTreeSet<String> = BTreeSet::from([closure.fn_name().to_owned()]);
        while let Some(name) = reach.next_named(&named) {
            made = self.function(made.text("name", &name), &mut reach, &name, &[]);
            named.insert(name);
        }
        let trees = std::mem::take(&mut reach.trees);
        // Modules by the names that the running code calls them: the session's, and those that it imported itself.
        let session = context.engine().default_tag().clone().try_cast::<ScriptModules>().unwrap_or_default();
        let mut modules: BTreeMap<&str, &Module> =
            session.0.iter().map(|(name, module)| (name.as_str(), &**module)).collect();
        modules.extend(context.iter_imports());
        for (alias, module) in modules.into_iter().filter(|(alias, _)| trees.contains(alias)) {
            made = made.text("import", alias).digest("module", self.module(module, 0));
            self.reached(module, &mut trees.clone(), 0);
        }
        let constants = context.global_runtime_state().constants.as_ref().filter(|_| trees.contains("global"));
        if let Some(constants) = constants.and_then(|constants| rhai::locked_read(constants)) {
            for (name, value) in constants.iter().filter(|(name, _)| trees.contains(name.as_str())) {
                made = made.text("constant", name).digest("value", self.value(value));
            }
        }
        self.n_holders += 1;
        let captured = closure.curry().iter();
        let made = captured.fold(made, |made, value| made.digest("captured", self.value(value)));
        self.n_holders -= 1;
        made.finish()
    }

    /// Adds the functions called `name`, each with the closures inside it, and notes what cannot be digested in them.
    fn function(&mut self, made: DigestBuilder, reach: &mut Reach, name: &str, captured: &[Dynamic]) -> DigestBuilder {
        let Some(found) = reach.functions.get(name).cloned() else {
            // A builtin, such as `Fn("print")`: its name is its meaning.
            return made.text("builtin", name);
        };
        let mut trees: Vec<(String, String, &ScriptFuncDef)> =
            found.into_iter().map(|found| (plain(&raw(found)), raw(found), found)).collect();
        trees.sort_by(|a, b| a.0.cmp(&b.0));
        trees.dedup_by(|a, b| a.0 == b.0);
        let mut made = made;
        for (tree, raw, found) in trees {
            let params = found.params.iter().zip(captured);
            let outer = params.map(|(name, value)| (name.to_string(), is_changeable(&value.flatten_clone()))).collect();
            self.look(&reach.functions, found, &outer, "");
            // Called on what holds it, it changes a captured value.
            if self.n_holders > 0 && (Outer { functions: &reach.functions }).changes_this(found) {
                self.lose("a function among the values that it captured changes what it is called on");
            }
            made = made.text("tree", &tree);
            reach.trees.push_str(&tree);
            for inner in anonymous(&raw) {
                if reach.open.insert(inner.clone()) {
                    made = self.function(made, reach, &inner, &[]);
                    reach.open.remove(&inner);
                }
            }
        }
        made
    }

    /// Notes what no digest covers in a function; `place` stands before the reason.
    fn look(&mut self, functions: &Functions, found: &ScriptFuncDef, outer: &Names, place: &str) {
        if let Some(why) = (Outer { functions }).loss(found, outer) {
            self.lose(format!("{place}{why}"));
        }
        if let Some(why) = outside(found) {
            self.outside.get_or_insert(format!("{place}{why}"));
        }
    }

    /// Notes what cannot be digested in the functions of a module that `trees` name, and in those that these name.
    fn reached(&mut self, held: &Module, trees: &mut String, depth: usize) {
        if depth > MAX_MODULES {
            return;
        }
        let functions = by_name([held]);
        let mut done: BTreeSet<String> = BTreeSet::new();
        // Closures are named by what holds them, in the tree as Rhai prints it.
        let next = |trees: &str, done: &BTreeSet<String>| {
            let waiting = functions.keys().filter(|name| !done.contains(*name));
            waiting.into_iter().find(|name| trees.contains(&format!("\"{name}\""))).cloned()
        };
        while let Some(name) = next(trees, &done) {
            for found in functions.get(&name).into_iter().flatten() {
                self.look(&functions, found, &Names::new(), &format!("in the module's function `{name}`, "));
                trees.push_str(&raw(found));
            }
            done.insert(name);
        }
        for (_, inner) in held.iter_sub_modules() {
            self.reached(inner, trees, depth + 1);
        }
    }

    /// The digest of an imported module: its functions, its variables, and the modules that it imports itself.
    fn module(&mut self, held: &Module, depth: usize) -> Digest {
        let mut trees: Vec<String> = held
            .iter_script_fn_info()
            .map(|(_, _, name, _, found)| {
                let name = if name.starts_with(ANONYMOUS) { "closure" } else { name };
                format!("{name} {}", plain(&raw(found)))
            })
            .collect();
        trees.sort();
        let mut made = trees.iter().fold(Digest::of("module", 2), |made, tree| made.text("tree", tree));
        let variables: BTreeMap<&str, &rhai::Dynamic> = held.iter_var().collect();
        for (name, value) in variables {
            made = made.text("variable", name).digest("value", self.value(value));
        }
        let inner: BTreeMap<&str, &rhai::Shared<Module>> = held.iter_sub_modules().collect();
        if depth > MAX_MODULES {
            self.lose("its modules import each other too deeply");
            return made.finish();
        }
        for (name, module) in inner {
            made = made.text("module", name).digest("content", self.module(module, depth + 1));
        }
        made.finish()
    }
}

impl Reach<'_> {
    /// A named function that the trees so far name and that is not among `done`: the first in the alphabet.
    fn next_named(&self, done: &BTreeSet<String>) -> Option<String> {
        let waiting = self.functions.keys().filter(|name| !name.starts_with(ANONYMOUS) && !done.contains(*name));
        waiting.into_iter().find(|name| self.trees.contains(&format!("\"{name}\""))).cloned()
    }
}
