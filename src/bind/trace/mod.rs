//! The digest of any value that a script holds, and why there is none where there is none.
//!
//! Costly values carry the digest of their derivation; plain ones are digested by content, to the last bit; a closure by
//! its syntax tree, the functions that it reaches and the values that it captured, as they are at the call ([`closure`]).

mod closure;
mod fields;
mod losses;
mod scope;
mod tree;

pub use fields::{Comparison, RowUse, row_use};
pub use losses::OUTSIDE;
pub use tree::{CATCH_GUARD, TEXT_GUARD};

use super::value::digester;
use crate::core::digest::Digest;
use rhai::{Array, Blob, Dynamic, FnPtr, Map, Module, NativeCallContext, Shared};
use std::collections::BTreeMap;
use std::sync::Arc;

/// How deep values in values are looked into (arbitrary: far above what anyone writes, far below what a stack holds).
const MAX_DEPTH: usize = 64;

/// How many values one digest looks into (chosen): beyond, values hold each other over and over.
const MAX_VALUES: usize = 1 << 22;

/// A digest in the making.
pub struct Trace<'a> {
    context: &'a NativeCallContext<'a>,
    /// Why the digest does not tell two values apart, where it does not.
    lost: Option<String>,
    /// Why the digest of a closure does not cover what it does, although it tells closures apart.
    outside: Option<String>,
    /// How many closures hold the value that is being looked at.
    n_holders: usize,
    depth: usize,
    n_values: usize,
}

/// Modules that a session imported for every later input, by the names that scripts call them. An engine carries them as
/// its tag, because it does not tell which modules were registered with it.
#[derive(Clone, Default)]
pub struct ScriptModules(pub Arc<BTreeMap<String, Shared<Module>>>);

impl<'a> Trace<'a> {
    /// A trace within a running call, whose script's functions it can see.
    pub fn new(context: &'a NativeCallContext<'a>) -> Self {
        Trace { context, lost: None, outside: None, n_holders: 0, depth: 0, n_values: 0 }
    }

    /// Why what was digested has no digest, if that is so: the digest that was answered must not name it.
    pub fn lost(&self) -> Option<&str> {
        self.lost.as_deref()
    }

    /// Why a closure's result must not be taken from an earlier call, if that is so: it has no digest, or it reads what
    /// no digest covers.
    pub fn untraceable(&self) -> Option<&str> {
        self.lost.as_deref().or(self.outside.as_deref())
    }

    /// Notes why there is no digest. The first reason stays.
    pub fn lose(&mut self, why: impl Into<String>) {
        self.lost.get_or_insert_with(|| why.into());
    }

    /// The digest of `value`.
    pub fn value(&mut self, value: &Dynamic) -> Digest {
        self.n_values += 1;
        if self.depth > MAX_DEPTH || self.n_values > MAX_VALUES {
            self.lose("its values are nested too deeply or hold each other");
            return Digest::of("deep", 1).finish();
        }
        self.depth += 1;
        let digest = self.nested(&value.flatten_clone());
        self.depth -= 1;
        digest
    }

    fn nested(&mut self, value: &Dynamic) -> Digest {
        if let Some(digest) = digester(value) {
            return digest(value, self);
        }
        if let Some(items) = value.read_lock::<Array>() {
            let start = Digest::of("array", 1).int("length", items.len() as i64);
            return items.iter().fold(start, |made, item| made.digest("item", self.value(item))).finish();
        }
        if let Some(map) = value.read_lock::<Map>() {
            let start = Digest::of("map", 1).int("length", map.len() as i64);
            return map
                .iter()
                .fold(start, |made, (key, item)| made.text("key", key).digest("item", self.value(item)))
                .finish();
        }
        if let Some(closure) = value.read_lock::<FnPtr>() {
            return self.closure(&closure);
        }
        if let Some(bytes) = value.read_lock::<Blob>() {
            return Digest::of("blob", 1).bytes("bytes", &bytes).finish();
        }
        if let Some(range) = value.read_lock::<std::ops::Range<i64>>() {
            return Digest::of("range", 1).int("start", range.start).int("end", range.end).finish();
        }
        if let Some(range) = value.read_lock::<std::ops::RangeInclusive<i64>>() {
            return Digest::of("range inclusive", 1).int("start", *range.start()).int("end", *range.end()).finish();
        }
        match value.type_name() {
            "()" => Digest::of("unit", 1).finish(),
            "bool" => Digest::of("bool", 1).int("value", i64::from(value.as_bool().unwrap_or_default())).finish(),
            "i64" => Digest::of("integer", 1).int("value", value.as_int().unwrap_or_default()).finish(),
            "f64" => Digest::of("float", 1).float("value", value.as_float().unwrap_or_default()).finish(),
            "char" => Digest::of("char", 1).text("value", &value.to_string()).finish(),
            "string" => Digest::of("string", 1).text("value", &value.to_string()).finish(),
            other => {
                let name = other.rsplit("::").next().unwrap_or(other);
                self.lose(format!("a value of the type `{name}` has no digest"));
                Digest::of("unknown", 1).text("type", name).finish()
            }
        }
    }
}

/// Makes the names that Rhai gives to closures, and the labels of its `switch`, the same in every process, so that what
/// is keyed by a tree is found again. Called before the first engine is built.
pub fn steady_names() {
    // Arbitrary, any four numbers would do. Refused where it was set before, which is to the same.
    let _ = rhai::config::hashing::set_hashing_seed(Some([0x77, 0x32, 0x73, 0x01]));
}

/// The tree of a function as it is digested.
#[cfg(test)]
pub fn tree_of(ast: &rhai::AST, name: &str) -> String {
    let functions = ast.shared_lib().iter_script_fn_info().map(|(.., found)| found);
    functions.filter(|found| found.name == name).map(|found| tree::plain(&tree::raw(found))).collect()
}

#[cfg(test)]
mod tests;
