//! A loss that a script wrote: a closure over tensors, called at every step.

use crate::bind::prelude::*;
use crate::builtins::loss::Loss as BuiltLoss;
use crate::builtins::script::Folded;
use crate::host::autograd::Tensor;
use crate::host::data::Data;
use crate::host::digest::{Digest, DigestBuilder};
use crate::host::frame::Frame;
use crate::host::metric::Estimate;
use crate::host::model::Model;
use crate::host::train::{Loss, LossBatch, LossError, LossValue};
use crate::host::world::World;
use rhai::NativeCallContext;
use std::cell::RefCell;

/// A closure `|logits, weak, at|` as the training loop sees it.
pub struct ClosureLoss<'a, 'c> {
    call: &'a Call<'c>,
    closure: FnPtr,
    digest: Digest,
    /// What the closure raised: the host cannot carry it, so it waits here.
    fault: RefCell<Option<Fault>>,
}

impl<'a, 'c> ClosureLoss<'a, 'c> {
    /// The closure, to be called within `call`. Fails unless it takes three parameters.
    pub fn new(call: &'a Call<'c>, closure: FnPtr) -> Result<Self, Fault> {
        let found = call.context.iter_namespaces().flat_map(|module| module.iter_script_fn_info());
        let named = found.filter(|(_, _, name, ..)| *name == closure.fn_name());
        let taken: Vec<usize> = named.map(|(.., n_params, _)| n_params.saturating_sub(closure.curry().len())).collect();
        if !taken.is_empty() && !taken.contains(&3) {
            let taken = taken.iter().map(usize::to_string).collect::<Vec<_>>().join(" or ");
            let what = format!("a loss takes three parameters, this function takes {taken}");
            return Err(Fault::new("loss/closure", what).hint("|logits, weak, at| logits.cross_entropy(weak)"));
        }
        let digest = closure_digest(call.context, &closure);
        Ok(ClosureLoss { call, closure, digest, fault: RefCell::new(None) })
    }

    /// What the closure raised, if it did.
    pub fn fault(&self) -> Option<Fault> {
        self.fault.borrow_mut().take()
    }

    fn ask(&self, batch: &LossBatch) -> Result<LossValue, Fault> {
        let wide = |values: &[f32]| values.iter().map(|value| f64::from(*value)).collect();
        let logits = Tensor::variable(wide(batch.logits), batch.n_classes)?;
        let weak = Tensor::new(wide(batch.weak), batch.n_classes)?;
        let args = vec![Dynamic::from(logits.clone()), Dynamic::from(weak), at_map(batch).into()];
        let answer = self.call.call_back(&self.closure, args)?;
        let Some(loss) = answer.clone().try_cast::<Tensor>() else {
            return Err(misfit(&format!("it returned {}", crate::bind::describe(&answer))));
        };
        let [rows, columns] = loss.shape();
        if rows * columns != 1 {
            return Err(
                misfit(&format!("it returned one of {rows} × {columns}")).hint("`.mean()` makes one number of it")
            );
        }
        let value = loss.one()?;
        let Some(gradient) = loss.gradient(&logits)? else {
            let why = "what it returned does not depend on them";
            return Err(misfit(why).hint("`.detach()`, `.hard()`, comparisons and `.median()` cut the gradient"));
        };
        Ok(LossValue { value, gradient: gradient.into_iter().map(|slope| slope as f32).collect() })
    }
}

impl Loss for ClosureLoss<'_, '_> {
    fn name(&self) -> String {
        "a loss of the script".to_owned()
    }

    fn show(&self) -> String {
        format!("a loss of the script ({})", self.digest.short())
    }

    fn digest(&self) -> Digest {
        self.digest
    }

    fn step(&self, batch: &LossBatch) -> Result<LossValue, LossError> {
        self.ask(batch).map_err(|fault| {
            let interrupted = fault.interruption;
            let text = fault.message.clone();
            *self.fault.borrow_mut() = Some(fault);
            if interrupted { LossError::Interrupted } else { LossError::Script(text) }
        })
    }
}

fn misfit(why: &str) -> Fault {
    let must = "the loss must return a tensor with one element that depends on `logits`";
    Fault::new("loss/closure", format!("{must}: {why}"))
}

/// What the closure gets as `at`: `step` (from 0), `steps`, `progress` (0 to 1), `epoch` (from 0), `rows` (the ids).
fn at_map(batch: &LossBatch) -> Map {
    let at = &batch.at;
    let rows: Array = at.rows.iter().map(|id| Dynamic::from(ImmutableString::from(*id))).collect();
    let mut map = Map::new();
    map.insert("step".into(), Dynamic::from(at.step as INT));
    map.insert("steps".into(), Dynamic::from(at.steps as INT));
    map.insert("progress".into(), Dynamic::from(at.progress()));
    map.insert("epoch".into(), Dynamic::from(at.epoch as INT));
    map.insert("rows".into(), rows.into());
    map
}

/// A key for what a closure computes: its syntax tree without positions, the values that it captured, the named
/// functions of its script, because it may call them, and the imported modules and global constants that these name.
/// Never its own name, which differs between processes.
pub fn closure_digest(context: &NativeCallContext, closure: &FnPtr) -> Digest {
    let mut named: Vec<(String, String)> = Vec::new();
    for module in context.iter_namespaces() {
        for (_, _, name, n_params, found) in module.iter_script_fn_info() {
            if !name.starts_with(ANONYMOUS) {
                named.push((format!("{name}/{n_params}"), tree(found)));
            }
        }
    }
    named.sort();
    let mut all = String::new();
    let mut builder = function(Digest::of("loss/closure", 2), context, closure, 0, &mut all);
    for (name, tree) in named {
        all.push_str(&tree);
        builder = builder.text("name", &name).text("tree", &tree);
    }
    for (alias, imported) in context.iter_imports().filter(|(alias, _)| all.contains(*alias)) {
        builder = module(builder.text("import", alias), context, imported, 0);
    }
    let constants = context.global_runtime_state().constants.as_ref().filter(|_| all.contains("global"));
    if let Some(constants) = constants.and_then(|constants| rhai::locked_read(constants)) {
        for (name, value) in constants.iter().filter(|(name, _)| all.contains(name.as_str())) {
            builder = captured(builder.text("constant", name), context, value, 0, &mut String::new());
        }
    }
    builder.finish()
}

/// Adds what an imported module holds: its functions, its variables, and the modules that it imports itself.
fn module(mut builder: DigestBuilder, context: &NativeCallContext, held: &rhai::Module, depth: usize) -> DigestBuilder {
    let mut trees: Vec<String> = held
        .iter_script_fn_info()
        .map(|(_, _, name, _, found)| format!("{} {}", place_name(name), tree(found)))
        .collect();
    trees.sort();
    for tree in trees {
        builder = builder.text("tree", &tree);
    }
    let mut variables: Vec<(&str, &Dynamic)> = held.iter_var().collect();
    variables.sort_by_key(|(name, _)| *name);
    for (name, value) in variables {
        builder = captured(builder.text("variable", name), context, value, depth, &mut String::new());
    }
    let mut inner: Vec<(&str, &rhai::Shared<rhai::Module>)> = held.iter_sub_modules().collect();
    inner.sort_by_key(|(name, _)| *name);
    if depth > MAX_DEPTH {
        return builder;
    }
    inner
        .into_iter()
        .fold(builder, |builder, (name, inner)| module(builder.text("module", name), context, inner, depth + 1))
}

/// A function's name, or the same word for every closure.
fn place_name(name: &str) -> &str {
    if name.starts_with(ANONYMOUS) { "closure" } else { name }
}

/// How Rhai names closures; a hash follows.
const ANONYMOUS: &str = "anon$";
/// How deep closures in closures and arrays in arrays are looked into: chosen.
const MAX_DEPTH: usize = 16;

/// Adds a function's tree, those of the closures inside it, and its captured values; collects the trees in `all`.
fn function(
    mut builder: DigestBuilder,
    context: &NativeCallContext,
    closure: &FnPtr,
    depth: usize,
    all: &mut String,
) -> DigestBuilder {
    let mut waiting = vec![closure.fn_name().to_owned()];
    let mut seen: Vec<String> = Vec::new();
    while let Some(name) = waiting.pop() {
        if seen.contains(&name) {
            continue;
        }
        let found = context.iter_namespaces().flat_map(|module| module.iter_script_fn_info());
        match found.map(|(.., found)| found).find(|found| found.name.as_str() == name) {
            Some(found) => {
                let raw = format!("{:?}", found.body);
                waiting.extend(anonymous(&raw));
                let tree = tree(found);
                builder = builder.text("tree", &tree);
                all.push_str(&tree);
            }
            // A builtin, such as `Fn("print")`: its name is its meaning.
            None => builder = builder.text("builtin", &name),
        }
        seen.push(name);
    }
    closure.curry().iter().fold(builder, |builder, value| captured(builder, context, value, depth, all))
}

/// Adds a captured value by its derivation or content.
fn captured(
    builder: DigestBuilder,
    context: &NativeCallContext,
    value: &Dynamic,
    depth: usize,
    all: &mut String,
) -> DigestBuilder {
    let value = value.flatten_clone();
    if depth > MAX_DEPTH {
        return builder.text("deep", &show(&value));
    }
    if let Some(model) = value.clone().try_cast::<Model>() {
        return builder.digest("model", model.inner.digest);
    }
    if let Some(data) = value.clone().try_cast::<Data>() {
        return builder.digest("data", data.digest());
    }
    if let Some(frame) = value.clone().try_cast::<Frame>() {
        return builder.digest("frame", frame.digest());
    }
    if let Some(loss) = value.clone().try_cast::<BuiltLoss>() {
        return builder.digest("loss", loss.0.digest());
    }
    if let Some(estimate) = value.clone().try_cast::<Estimate>() {
        // Printed for people it is rounded.
        return builder.text("estimate", &format!("{estimate:?}"));
    }
    if let Some(folded) = value.clone().try_cast::<Folded>() {
        return captured(builder.text("folded", &folded.show()), context, folded.whole(), depth + 1, all);
    }
    if let Some(world) = value.clone().try_cast::<World>() {
        return builder.digest("world", world.digest());
    }
    if let Some(tensor) = value.clone().try_cast::<Tensor>() {
        let bytes: Vec<u8> =
            tensor.values().unwrap_or_default().iter().flat_map(|v| v.to_bits().to_le_bytes()).collect();
        return builder.text("shape", &format!("{:?}", tensor.shape())).bytes("tensor", &bytes);
    }
    if let Some(inner) = value.clone().try_cast::<FnPtr>() {
        return function(builder, context, &inner, depth + 1, all);
    }
    if let Some(items) = value.clone().try_cast::<Array>() {
        let builder = builder.int("array", items.len() as i64);
        return items.iter().fold(builder, |builder, item| captured(builder, context, item, depth + 1, all));
    }
    if let Some(map) = value.clone().try_cast::<Map>() {
        let builder = builder.int("map", map.len() as i64);
        return map
            .iter()
            .fold(builder, |builder, (key, item)| captured(builder.text("key", key), context, item, depth + 1, all));
    }
    match value.as_float() {
        Ok(float) => builder.float("float", float),
        Err(_) => builder.text("type", value.type_name()).text("value", &show(&value)),
    }
}

/// The names of closures inside a tree.
fn anonymous(raw: &str) -> Vec<String> {
    let hash = |rest: &str| rest.chars().take_while(char::is_ascii_hexdigit).collect::<String>();
    raw.match_indices(ANONYMOUS)
        .map(|(at, mark)| format!("{mark}{}", hash(raw.get(at + mark.len()..).unwrap_or_default())))
        .collect()
}

/// A function's parameters and syntax tree, without what changes when only its place or its process does.
fn tree(found: &rhai::ScriptFuncDef) -> String {
    plain(&format!("{:?} {:?}", found.params, found.body))
}

/// Rhai's printed tree without positions (` @ 3:29`, `, 3:19)`), hashes (`hash: 78…, name`) and closure names; other
/// texts in quotes stay.
fn plain(raw: &str) -> String {
    let mut kept = String::with_capacity(raw.len());
    let mut rest = raw;
    let place = |text: &str| text.chars().take_while(|c| c.is_ascii_digit() || matches!(c, ':' | '-')).count();
    while let Some(first) = rest.chars().next() {
        let skipped = if let Some(after) = rest.strip_prefix(" @ ") {
            3 + if after.starts_with("none") { 4 } else { place(after) }
        } else if rest.starts_with("hash: ") {
            rest.find("name: ").unwrap_or(0)
        } else if let Some(after) = rest.strip_prefix(", ") {
            let n = place(after);
            let is_place = n > 2
                && after.get(..n).is_some_and(|p| p.contains(':'))
                && after.get(n..).is_some_and(|r| r.starts_with(')'));
            if is_place { 2 + n } else { 0 }
        } else {
            0
        };
        if skipped > 0 {
            rest = rest.get(skipped..).unwrap_or_default();
            continue;
        }
        let taken = if first == '"' { quoted(rest) } else { first.len_utf8() };
        let (text, after) = rest.split_at_checked(taken).unwrap_or((rest, ""));
        kept.push_str(if text.starts_with("\"anon$") { "closure" } else { text });
        rest = after;
    }
    kept
}

/// The length of the quoted text at the start of `rest`, quotes included.
fn quoted(rest: &str) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            '"' if !escaped => return at + 1,
            '\\' if !escaped => escaped = true,
            _ => escaped = false,
        }
    }
    rest.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(code: &str) -> String {
        let mut engine = rhai::Engine::new();
        engine.register_fn("digest", |context: NativeCallContext, closure: FnPtr| {
            closure_digest(&context, &closure).to_hex()
        });
        engine.eval::<String>(code).expect("runs")
    }

    #[test]
    fn a_closure_keeps_its_key_wherever_it_stands() {
        let base =
            digest("let k = 2.5; digest(|x, y| { let t = x + k; if t > 1 { [1].map(|v| v * 2) } else { `a ${t}` } })");
        let moved = "let other = |q| q;\n\n let k = 2.5;\n digest(|x, y| {\n let t = x + k;\n if t > 1 { [1].map(|v| v * 2) }\n else { `a ${t}` } })";
        assert_eq!(base, digest(moved));
        assert_eq!(
            base,
            digest(
                "let z = 1; let k = 2.5; let f = |x, y| { let t = x + k; if t > 1 { [1].map(|v| v * 2) } else { `a ${t}` } }; digest(f)"
            )
        );
    }

    #[test]
    fn whatever_changes_the_value_changes_the_key() {
        let base = digest("let k = 2.5; digest(|x, y| x + k)");
        let others = [
            "let k = 2.25; digest(|x, y| x + k)",
            "let k = 2.5; digest(|x, y| x - k)",
            "let k = 2.5; digest(|x, y| y + k)",
            "let k = 2.5; digest(|x, y| x + k + 3)",
            "let k = [2.5]; digest(|x, y| x + k)",
            "fn help(a) { a } let k = 2.5; digest(|x, y| x + k)",
        ];
        assert!(others.iter().all(|code| digest(code) != base));
        assert_ne!(digest("digest(|x| x.map(|v| v * 2))"), digest("digest(|x| x.map(|v| v * 3))"));
        assert_ne!(digest("digest(|x| x + \" @ 1:2\")"), digest("digest(|x| x + \" @ 1:3\")"));
        assert_ne!(digest("digest(|x| x + 12)"), digest("digest(|x| x + 13)"));
        assert_ne!(
            digest("let a = [[1.0, 2.0]]; digest(|x| x + a)"),
            digest("let a = [[1.0, 3.0]]; digest(|x| x + a)")
        );
    }

    /// The key of a loss that calls a function of the module `lib`.
    fn with_module(lib: &str, code: &str) -> String {
        let mut engine = rhai::Engine::new();
        let ast = engine.compile(lib).expect("compiles");
        let held = rhai::Module::eval_ast_as_new(rhai::Scope::new(), &ast, &engine).expect("runs");
        let mut resolver = rhai::module_resolvers::StaticModuleResolver::new();
        resolver.insert("lib", held);
        engine.set_module_resolver(resolver);
        engine.register_fn("digest", |context: NativeCallContext, closure: FnPtr| {
            closure_digest(&context, &closure).to_hex()
        });
        engine.eval::<String>(code).expect("runs")
    }

    #[test]
    fn what_a_closure_reaches_changes_its_key() {
        let code = "import \"lib\" as lib; digest(|x| lib::half(x))";
        let base = with_module("fn half(x) { x * 0.5 }", code);
        assert_eq!(base, with_module("\n\nfn half(x) {\n x * 0.5 }", code), "places do not count");
        assert_ne!(base, with_module("fn half(x) { x * 0.25 }", code), "a function of an imported module");
        let code = "import \"lib\" as lib; digest(|x| x * lib::K)";
        assert_ne!(with_module("export const K = 1;", code), with_module("export const K = 2;", code), "its constant");
        let code = "import \"lib\" as lib; fn help(x) { lib::half(x) } digest(|x| help(x))";
        let through = |lib: &str| with_module(lib, code);
        assert_ne!(through("fn half(x) { x * 0.5 }"), through("fn half(x) { x * 0.25 }"), "through a named function");
        let idle = "import \"lib\" as lib; digest(|x| x * 2)";
        assert_eq!(
            with_module("fn half(x) { 1 }", idle),
            with_module("fn half(x) { 2 }", idle),
            "not named: not counted"
        );
        let constant = |value: &str| digest(&format!("const K = {value}; digest(|x| x * global::K)"));
        assert_eq!(constant("0.5"), constant("0.5"));
        assert_ne!(constant("0.5"), constant("0.25"), "a global constant");
    }

    #[test]
    fn captured_numbers_count_to_the_last_bit() {
        let key = |value: Dynamic| {
            let mut engine = rhai::Engine::new();
            engine.register_fn("digest", |context: NativeCallContext, closure: FnPtr| {
                closure_digest(&context, &closure).to_hex()
            });
            let mut scope = rhai::Scope::new();
            scope.push_dynamic("held", value);
            engine.eval_with_scope::<String>(&mut scope, "digest(|x| held)").expect("runs")
        };
        let estimate = |value: f64| Dynamic::from(Estimate::plain("mean", value));
        assert_eq!(key(estimate(0.5)), key(estimate(0.5)));
        assert_ne!(key(estimate(0.500_001)), key(estimate(0.500_002)), "both print as 0.5000");
        let folded = |value: f64| Dynamic::from(Folded::new(Dynamic::from(value), "a number"));
        assert_ne!(key(folded(1.0)), key(folded(2.0)), "both print as a number");
    }

    #[test]
    fn places_go_and_texts_stay() {
        let raw = r#"Block[Var(("t" @ 3:23, FnCallExpr { hash: 78 (native only), name: "+", args: [1 @ 3:4] } @ 3:36, None), , 3:19), "a \" @ 1:2" @ 1:1, Fn*("anon$67ab") @ 3:62] @ 3:17-93"#;
        assert_eq!(
            plain(raw),
            r#"Block[Var(("t", FnCallExpr { name: "+", args: [1] }, None), ), "a \" @ 1:2", Fn*(closure)]"#
        );
    }
}
