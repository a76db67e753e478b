//! A loss that a script wrote: a closure over tensors, called at every step.

use crate::bind::prelude::*;
use crate::builtins::loss::Loss as BuiltLoss;
use crate::host::autograd::Tensor;
use crate::host::data::Data;
use crate::host::digest::{Digest, DigestBuilder};
use crate::host::frame::Frame;
use crate::host::model::Model;
use crate::host::train::{Loss, LossBatch, LossError, LossValue};
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

/// A key for what a closure computes: its syntax tree without positions, the values that it captured, and the
/// named functions of its script, because it may call them. Never its name, which differs between processes.
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
    let mut builder = function(Digest::of("loss/closure", 1), context, closure, 0);
    for (name, tree) in named {
        builder = builder.text("name", &name).text("tree", &tree);
    }
    builder.finish()
}

/// How Rhai names closures; a hash follows.
const ANONYMOUS: &str = "anon$";
/// How deep closures in closures and arrays in arrays are looked into: chosen.
const MAX_DEPTH: usize = 16;

/// Adds a function's tree, those of the closures inside it, and its captured values.
fn function(mut builder: DigestBuilder, context: &NativeCallContext, closure: &FnPtr, depth: usize) -> DigestBuilder {
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
                builder = builder.text("tree", &tree(found));
            }
            // A builtin, such as `Fn("print")`: its name is its meaning.
            None => builder = builder.text("builtin", &name),
        }
        seen.push(name);
    }
    closure.curry().iter().fold(builder, |builder, value| captured(builder, context, value, depth))
}

/// Adds a captured value by its derivation or content.
fn captured(builder: DigestBuilder, context: &NativeCallContext, value: &Dynamic, depth: usize) -> DigestBuilder {
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
    if let Some(tensor) = value.clone().try_cast::<Tensor>() {
        let bytes: Vec<u8> =
            tensor.values().unwrap_or_default().iter().flat_map(|v| v.to_bits().to_le_bytes()).collect();
        return builder.text("shape", &format!("{:?}", tensor.shape())).bytes("tensor", &bytes);
    }
    if let Some(inner) = value.clone().try_cast::<FnPtr>() {
        return function(builder, context, &inner, depth + 1);
    }
    if let Some(items) = value.clone().try_cast::<Array>() {
        let builder = builder.int("array", items.len() as i64);
        return items.iter().fold(builder, |builder, item| captured(builder, context, item, depth + 1));
    }
    if let Some(map) = value.clone().try_cast::<Map>() {
        let builder = builder.int("map", map.len() as i64);
        return map
            .iter()
            .fold(builder, |builder, (key, item)| captured(builder.text("key", key), context, item, depth + 1));
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

    #[test]
    fn places_go_and_texts_stay() {
        let raw = r#"Block[Var(("t" @ 3:23, FnCallExpr { hash: 78 (native only), name: "+", args: [1 @ 3:4] } @ 3:36, None), , 3:19), "a \" @ 1:2" @ 1:1, Fn*("anon$67ab") @ 3:62] @ 3:17-93"#;
        assert_eq!(
            plain(raw),
            r#"Block[Var(("t", FnCallExpr { name: "+", args: [1] }, None), ), "a \" @ 1:2", Fn*(closure)]"#
        );
    }
}
