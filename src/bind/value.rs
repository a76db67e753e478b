//! The laboratory's own types as script values, and how any value is shown to a person.

use super::trace::Trace;
use crate::core::digest::Digest;
use rhai::{Array, Dynamic, Map};
use std::any::TypeId;
use std::sync::{OnceLock, RwLock};

/// A host type that a script can hold. Cheap to clone (an `Arc` inside), immutable, comparable.
pub trait Value: Clone + Send + Sync + 'static {
    /// The type's name in scripts, signatures and errors.
    const NAME: &'static str;
    /// One sentence for the reference.
    const ABOUT: &'static str;

    /// Whether `==` and `!=` are [`Value::same`]. A type that gives them another meaning (an expression, whose `==` is
    /// a comparison yet to be made) says `false` and registers both itself.
    const EQUATES: bool = true;

    /// How the value prints: a frame as a table, a model as name, shape and parameters.
    fn show(&self) -> String;

    /// Equality for `==` in a script; by content or derivation, never by address.
    fn same(&self, other: &Self) -> bool;

    /// What tells the value from every other: its derivation, or its content to the last bit. `trace` digests what it
    /// holds, and is told where something cannot be.
    fn digest(&self, trace: &mut Trace) -> Digest;
}

type Shower = fn(&Dynamic) -> Option<String>;

/// How a value of a registered type is digested.
pub(super) type Digester = fn(&Dynamic, &mut Trace) -> Digest;

/// What is known of a registered type.
#[derive(Clone, Copy)]
struct Known {
    id: TypeId,
    show: Shower,
    digest: Digester,
}

fn known() -> &'static RwLock<Vec<Known>> {
    static KNOWN: OnceLock<RwLock<Vec<Known>>> = OnceLock::new();
    KNOWN.get_or_init(RwLock::default)
}

fn of_type(id: TypeId) -> Option<Known> {
    let known = known().read().unwrap_or_else(std::sync::PoisonError::into_inner);
    known.iter().find(|known| known.id == id).copied()
}

/// How `value`, which is not shared, is digested, if its type is registered.
pub(super) fn digester(value: &Dynamic) -> Option<Digester> {
    of_type(value.type_id()).map(|known| known.digest)
}

/// Makes [`show`] and [`Trace`] know the type. Called once per registered type; calling again does nothing.
pub(super) fn know<T: Value>() {
    let id = TypeId::of::<T>();
    let mut known = known().write().unwrap_or_else(std::sync::PoisonError::into_inner);
    if !known.iter().any(|known| known.id == id) {
        let show: Shower = |value| value.read_lock::<T>().map(|held| held.show());
        let digest: Digester = |value, trace| match value.read_lock::<T>() {
            Some(held) => held.digest(trace),
            None => {
                trace.lose(format!("a `{}` could not be read", T::NAME));
                Digest::of(T::NAME, 0).finish()
            }
        };
        known.push(Known { id, show, digest });
    }
}

/// The most items of an array or map that are shown.
const MAX_SHOWN: usize = 50;

/// Any value as a person wants to see it. Floats keep a decimal point; arrays and maps show their items.
pub fn show(value: &Dynamic) -> String {
    show_nested(value, 0)
}

fn show_nested(value: &Dynamic, depth: usize) -> String {
    if depth > 6 {
        return "…".to_owned();
    }
    let id = if value.is_shared() { value.clone().flatten().type_id() } else { value.type_id() };
    if let Some(text) = of_type(id).and_then(|known| (known.show)(value)) {
        return text;
    }
    if let Some(items) = value.read_lock::<Array>() {
        let mut parts: Vec<String> = items.iter().take(MAX_SHOWN).map(|item| quoted(item, depth)).collect();
        if items.len() > MAX_SHOWN {
            parts.push(format!("… {} more", items.len() - MAX_SHOWN));
        }
        // A list of what takes half a line each (arbitrary: 40 columns) reads better as lines.
        let long = parts.len() > 1 && parts.iter().any(|part| part.chars().count() > 40);
        return if long || parts.iter().any(|part| part.contains('\n')) {
            format!("[\n{}\n]", parts.join(",\n"))
        } else {
            format!("[{}]", parts.join(", "))
        };
    }
    if let Some(map) = value.read_lock::<Map>() {
        let parts: Vec<String> =
            map.iter().take(MAX_SHOWN).map(|(k, v)| format!("{k}: {}", quoted(v, depth))).collect();
        return if parts.iter().any(|part| part.contains('\n')) {
            format!(
                "#{{\n{}\n}}",
                parts.join(",\n").lines().map(|line| format!("  {line}\n")).collect::<String>().trim_end()
            )
        } else {
            format!("#{{{}}}", parts.join(", "))
        };
    }
    if let Ok(float) = value.as_float() {
        return show_float(float);
    }
    // The name that Rhai gives to a closure differs from run to run.
    if let Some(function) = value.read_lock::<rhai::FnPtr>() {
        let name = function.fn_name();
        return if name.contains('$') { "closure".to_owned() } else { format!("Fn(\"{name}\")") };
    }
    value.to_string()
}

fn quoted(value: &Dynamic, depth: usize) -> String {
    if value.is_string() {
        format!("{:?}", value.to_string())
    } else if value.is_unit() {
        "()".to_owned()
    } else {
        show_nested(value, depth + 1)
    }
}

/// A float in full precision, always recognisable as one.
pub fn show_float(float: f64) -> String {
    if float.is_finite() && float.fract() == 0.0 && float.abs() < 1e15 {
        format!("{float:.1}")
    } else if float != 0.0 && float.is_finite() && (float.abs() < 1e-4 || float.abs() >= 1e15) {
        format!("{float:e}")
    } else {
        format!("{float}")
    }
}
