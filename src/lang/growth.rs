//! Arrays and maps that grow: the bounds on sizes, kept at a cost that does not grow with what is there.
//!
//! Rhai walks a whole array after each method on it, so that filling it item by item takes quadratic time. The methods that
//! add one item are written anew here: they look at what they add, and at the whole each time that it has grown by a
//! sixteenth. What grows without a method, `map[key] = value`, is looked at from time to time.

use super::limits::Limits;
use crate::bind::Fault;
use rhai::{
    Array, Dynamic, Engine, EvalAltResult, FnPtr, FuncRegistration, Map, Module, NativeCallContext, Position, RhaiFunc,
};
use std::any::TypeId;
use std::cell::Cell;
use std::sync::Arc;
use std::time::{Duration, Instant};

type Answer = Result<Dynamic, Box<EvalAltResult>>;

/// The bounds on sizes.
#[derive(Debug, Clone, Copy)]
struct Bounds {
    items: usize,
    entries: usize,
    bytes: usize,
    /// Entries of one map, those of nested maps not included.
    widest: usize,
}

/// What a value holds, itself included.
#[derive(Debug, Clone, Copy, Default)]
struct Size {
    items: usize,
    entries: usize,
    bytes: usize,
}

/// How deep values in values are looked into: beyond, the parser's own bound on nesting has been met.
const MAX_DEPTH: usize = 256;

/// How deep closures may hold closures: far below what the stack of [`super::stack`] lets go of, some million.
const MAX_CHAIN: usize = 300_000;

/// Values that a look for chains of closures looks at. Arbitrary: it takes some milliseconds.
const MAX_LOOKED_AT: usize = 1 << 20;

/// An item that weighs this much (items, entries, or 64 bytes of text) makes the whole be looked at. Arbitrary.
const HEAVY: usize = 256;

impl Bounds {
    fn of(limits: &Limits) -> Self {
        let widest = limits.array_size.min(limits.map_size);
        Bounds { items: limits.array_size, entries: limits.map_size, bytes: limits.string_size, widest }
    }

    fn check(&self, size: &Size) -> Result<(), Box<EvalAltResult>> {
        let over = if size.bytes > self.bytes {
            "Length of string"
        } else if size.items > self.items {
            "Size of array/BLOB"
        } else if size.entries > self.entries {
            "Size of object map"
        } else {
            return Ok(());
        };
        Err(EvalAltResult::ErrorDataTooLarge(over.to_owned(), Position::NONE).into())
    }

    fn exceeded(&self, size: &Size) -> bool {
        size.bytes > self.bytes || size.items > self.items || size.entries > self.entries
    }

    /// Adds what `value` holds to `size`; stops where a bound is exceeded.
    fn add(&self, value: &Dynamic, size: &mut Size, depth: usize) {
        if depth > MAX_DEPTH || self.exceeded(size) || value.is_shared() && value.is_locked() {
            return;
        }
        if let Some(items) = value.read_lock::<Array>() {
            size.items += items.len();
            items.iter().for_each(|item| self.add(item, size, depth + 1));
        } else if let Some(map) = value.read_lock::<Map>() {
            // A map that is too wide is over the bound whatever else there is.
            size.entries += if map.len() > self.widest { self.entries + 1 } else { map.len() };
            map.values().for_each(|item| self.add(item, size, depth + 1));
        } else if let Some(text) = value.read_lock::<rhai::ImmutableString>() {
            size.bytes += text.len();
        } else if let Some(bytes) = value.read_lock::<rhai::Blob>() {
            size.items += bytes.len();
        }
    }

    /// Counts the closures that a closure holds by value: `f = f.curry(f)` doubles them at each step. What a closure captured
    /// is shared and counts as nothing.
    fn count_curried(&self, value: &Dynamic, n: &mut usize, depth: usize) -> Result<(), Box<EvalAltResult>> {
        *n += 1;
        if *n > self.items || depth > MAX_DEPTH {
            return self.check(&Size { items: self.items + 1, ..Size::default() });
        }
        let held = if value.is_shared() { None } else { value.read_lock::<FnPtr>() };
        held.map_or(Ok(()), |held| {
            let closures = held.curry().iter().filter(|item| item.is_fnptr());
            closures.into_iter().try_for_each(|item| self.count_curried(item, n, depth + 1))
        })
    }

    /// Refuses closures that hold closures that hold closures, which are let go one within the other, on the stack. Captured ones
    /// are followed, and arrays and maps on the way; `left` values are looked at.
    fn check_chain(&self, value: &Dynamic, left: &mut usize, depth: usize) -> Result<(), Box<EvalAltResult>> {
        if *left == 0 || value.is_locked() {
            return Ok(());
        }
        *left -= 1;
        if depth > MAX_CHAIN {
            let said = format!("closures hold one another more than {MAX_CHAIN} deep");
            let hint = "keep what is needed in an array, rather than in a closure over the closure before";
            return Err(Fault::new("limit/closures", said).hint(hint).into_rhai(Position::NONE));
        }
        if let Some(held) = value.read_lock::<FnPtr>() {
            return held.curry().iter().try_for_each(|item| self.check_chain(item, left, depth + 1));
        }
        if let Some(items) = value.read_lock::<Array>() {
            return items.iter().try_for_each(|item| self.check_chain(item, left, depth));
        }
        if let Some(map) = value.read_lock::<Map>() {
            return map.values().try_for_each(|item| self.check_chain(item, left, depth));
        }
        Ok(())
    }

    fn size(&self, value: &Dynamic) -> Size {
        let mut size = Size::default();
        self.add(value, &mut size, 0);
        size
    }

    /// Refuses `item` where it is too large, or `whole`, which has come to `n` with it. The whole is walked at each sixteenth
    /// that it grows by, and for a heavy item.
    fn admit(&self, whole: &Dynamic, n: usize, item: &Size) -> Result<(), Box<EvalAltResult>> {
        self.check(item)?;
        let is_array = whole.is_array();
        let entries = if is_array {
            0
        } else if n > self.widest {
            self.entries + 1
        } else {
            n
        };
        self.check(&Size { items: if is_array { n } else { 0 }, entries, bytes: 0 })?;
        let step = (n.next_power_of_two() / 16).max(64);
        if n.is_multiple_of(step) || item.items + item.entries + item.bytes / 64 >= HEAVY {
            self.check(&self.size(whole))?;
        }
        Ok(())
    }
}

/// Registers the methods that add to arrays and maps.
pub fn apply(engine: &mut Engine, limits: &Limits) {
    let bounds = Bounds::of(limits);
    let mut module = Module::new();
    let (array, map, any) = (TypeId::of::<Array>(), TypeId::of::<Map>(), TypeId::of::<Dynamic>());
    let text = TypeId::of::<rhai::ImmutableString>();
    put(&mut module, "push", vec![array, any], move |args| {
        let item = taken(args, 1);
        let size = bounds.size(&item);
        let n = change(args, |items: &mut Array| {
            items.push(item);
            items.len()
        });
        admitted(&bounds, args, n, &size)
    });
    put(&mut module, "append", vec![array, array], move |args| {
        let more = taken(args, 1);
        let size = bounds.size(&more);
        bounds.check(&size)?;
        let n = change(args, |items: &mut Array| {
            items.extend(more.cast::<Array>());
            items.len()
        });
        admitted(&bounds, args, n, &size)
    });
    put(&mut module, "insert", vec![array, TypeId::of::<i64>(), any], move |args| {
        let (at, item) = (taken(args, 1).as_int().unwrap_or_default(), taken(args, 2));
        let size = bounds.size(&item);
        let n = change(args, |items: &mut Array| {
            items.insert(index(at, items.len()), item);
            items.len()
        });
        admitted(&bounds, args, n, &size)
    });
    put(&mut module, "set", vec![map, text, any], move |args| {
        let (key, value) = (taken(args, 1).to_string(), taken(args, 2));
        let size = bounds.size(&value);
        let n = change(args, |map: &mut Map| {
            map.insert(key.as_str().into(), value);
            map.len()
        });
        admitted(&bounds, args, n, &size)
    });
    engine.register_global_module(module.into());
}

fn put(
    module: &mut Module,
    name: &str,
    types: Vec<TypeId>,
    run: impl Fn(&mut [&mut Dynamic]) -> Answer + Send + Sync + 'static,
) {
    let run = move |_: Option<NativeCallContext>, args: &mut [&mut Dynamic]| run(args);
    FuncRegistration::new(name).set_into_module_raw(
        module,
        types,
        RhaiFunc::Method { func: Arc::new(run), has_context: false, is_pure: false, is_volatile: false },
    );
}

/// The argument at `idx`, taken out of its place.
fn taken(args: &mut [&mut Dynamic], idx: usize) -> Dynamic {
    args.get_mut(idx).map(|arg| std::mem::take(*arg)).unwrap_or_default().flatten()
}

/// Changes the receiver and answers how many items it holds now.
fn change<T: rhai::Variant + Clone>(args: &mut [&mut Dynamic], work: impl FnOnce(&mut T) -> usize) -> usize {
    args.first_mut().and_then(|first| first.write_lock::<T>().map(|mut held| work(&mut held))).unwrap_or_default()
}

fn admitted(bounds: &Bounds, args: &mut [&mut Dynamic], n: usize, size: &Size) -> Answer {
    if let Some(first) = args.first() {
        bounds.admit(first, n, size)?;
    }
    // After a method, Rhai walks the first argument: it finds the second, which has been taken out.
    args.swap(0, 1);
    Ok(Dynamic::UNIT)
}

/// Where `insert` puts an item: from the end where it is negative, at an end where it is beyond.
fn index(at: i64, n: usize) -> usize {
    let (at, n) = (i128::from(at), n as i128);
    let at = if at < 0 { n + at } else { at };
    usize::try_from(at.clamp(0, n)).unwrap_or_default()
}

/// Uses of variables between two looks, where there is time for one. Arbitrary: a look takes as long as some hundred uses.
const USES: u32 = 1024;

/// A look at everything may take one part in so many of the time.
const SHARE: u32 = 20;

thread_local! {
    static USED: Cell<u32> = const { Cell::new(0) };
    static DUE: Cell<Option<Instant>> = const { Cell::new(None) };
}

/// Looks from time to time at the size of every variable in reach.
pub fn watch(engine: &mut Engine, limits: &Limits) {
    let bounds = Bounds::of(limits);
    #[expect(deprecated, reason = "not deprecated: Rhai marks what may change")]
    engine.on_var(move |_, index, context| {
        let used_now = index.checked_sub(1).and_then(|at| context.scope().iter_raw().nth(at));
        if let Some((.., value)) = used_now.filter(|(.., value)| value.is_fnptr()) {
            let mut n = 0;
            bounds.count_curried(value, &mut n, 0)?;
        }
        let used = USED.get().wrapping_add(1);
        USED.set(used);
        if !used.is_multiple_of(USES) {
            return Ok(None);
        }
        let start = Instant::now();
        if DUE.get().is_some_and(|due| start < due) {
            return Ok(None);
        }
        let mut left = MAX_LOOKED_AT;
        for (.., value) in context.scope().iter_raw() {
            bounds.check(&bounds.size(value))?;
            bounds.check_chain(value, &mut left, 0)?;
        }
        DUE.set(Some(start + (start.elapsed() * SHARE).min(Duration::from_secs(2))));
        Ok(None)
    });
}
