//! `sort` and its kin: numbers of both kinds in one array, comparators that return floats, and errors that say what cannot
//! be ordered. Rhai's own take a float for "equal" and answer the error of a comparator with an order by type.

use crate::bind::{Fault, describe};
use rhai::{Array, Dynamic, Engine, EvalAltResult, FnPtr, NativeCallContext, Position};
use std::cmp::Ordering;

type Sorted<T> = Result<T, Box<EvalAltResult>>;

/// Registers the functions.
pub fn apply(engine: &mut Engine) {
    engine.register_fn("sort", |context: NativeCallContext, items: &mut Array| sort(&context, items, false));
    engine.register_fn("sort_desc", |context: NativeCallContext, items: &mut Array| sort(&context, items, true));
    for name in ["sort", "sort_by"] {
        engine.register_fn(name, |context: NativeCallContext, items: &mut Array, comparator: FnPtr| {
            sort_by(&context, items, &comparator)
        });
    }
    engine.register_fn("order", |context: NativeCallContext, items: &mut Array| {
        copy(items, |it| sort(&context, it, false))
    });
    engine.register_fn("order_desc", |context: NativeCallContext, items: &mut Array| {
        copy(items, |it| sort(&context, it, true))
    });
    for name in ["order", "order_by"] {
        engine.register_fn(name, |context: NativeCallContext, items: &mut Array, comparator: FnPtr| {
            copy(items, |it| sort_by(&context, it, &comparator))
        });
    }
}

fn copy(items: &Array, work: impl FnOnce(&mut Array) -> Sorted<()>) -> Sorted<Array> {
    let mut copy = items.clone();
    work(&mut copy)?;
    Ok(copy)
}

fn sort(context: &NativeCallContext, items: &mut Array, descending: bool) -> Sorted<()> {
    if let Some(nan) = items.iter().find(|item| item.as_float().is_ok_and(f64::is_nan)) {
        return refuse(context, format!("`{}` cannot be ordered", crate::bind::show(nan)));
    }
    let pairs = items.iter().zip(items.iter().skip(1));
    if let Some((a, b)) = pairs.into_iter().find(|(a, b)| natural(a, b).is_none()) {
        return refuse(context, format!("{} and {} cannot be ordered", describe(a), describe(b)));
    }
    let order = |a: &Dynamic, b: &Dynamic| natural(a, b).unwrap_or(Ordering::Equal);
    items.sort_by(|a, b| if descending { order(b, a) } else { order(a, b) });
    Ok(())
}

fn refuse<T>(context: &NativeCallContext, what: String) -> Sorted<T> {
    let fault = Fault::new("call/order", what)
        .hint("`sort` orders numbers, texts, characters or truth values; `sort(|a, b| …)` orders by a number: below zero where `a` comes first");
    Err(fault.into_rhai(context.call_position()))
}

/// The order of two values of one kind.
fn natural(a: &Dynamic, b: &Dynamic) -> Option<Ordering> {
    if let (Ok(a), Ok(b)) = (a.as_int(), b.as_int()) {
        return Some(a.cmp(&b));
    }
    if let (Some(a), Some(b)) = (number(a), number(b)) {
        return a.partial_cmp(&b);
    }
    if let (Ok(a), Ok(b)) = (a.as_immutable_string_ref(), b.as_immutable_string_ref()) {
        return Some(a.cmp(&b));
    }
    if let (Ok(a), Ok(b)) = (a.as_char(), b.as_char()) {
        return Some(a.cmp(&b));
    }
    if let (Ok(a), Ok(b)) = (a.as_bool(), b.as_bool()) {
        return Some(a.cmp(&b));
    }
    (a.is_unit() && b.is_unit()).then_some(Ordering::Equal)
}

fn number(value: &Dynamic) -> Option<f64> {
    value.as_float().ok().or_else(|| value.as_int().ok().map(|int| int as f64))
}

fn sort_by(context: &NativeCallContext, items: &mut Array, comparator: &FnPtr) -> Sorted<()> {
    let comes_first = |a: &Dynamic, b: &Dynamic| -> Sorted<bool> {
        let answer = comparator.call_within_context::<Dynamic>(context, (b.clone(), a.clone()))?;
        // `b` before `a` only where the comparator says so: what is equal keeps its order.
        match (number(&answer), answer.as_bool()) {
            (Some(order), _) if !order.is_nan() => Ok(order < 0.0),
            (_, Ok(before)) => Ok(before),
            _ => {
                let what = format!("the comparator returned {}", describe(&answer));
                let fault = Fault::new("call/order", what)
                    .hint("it returns a number, below zero where the first comes first: `sort(|a, b| a - b)`");
                Err(fault.into_rhai(Position::NONE))
            }
        }
    };
    let sorted = merge_sort(items.clone(), &comes_first).map_err(|mut error| {
        if error.position().is_none() {
            error.set_position(context.call_position());
        }
        error
    })?;
    *items = sorted;
    Ok(())
}

/// A merge sort whose comparator may fail, and may contradict itself. `second_first(a, b)` says whether `b` comes before `a`.
fn merge_sort(mut items: Array, second_first: &dyn Fn(&Dynamic, &Dynamic) -> Sorted<bool>) -> Sorted<Array> {
    if items.len() < 2 {
        return Ok(items);
    }
    let rest = items.split_off(items.len() / 2);
    let left = merge_sort(items, second_first)?;
    let right = merge_sort(rest, second_first)?;
    let mut merged = Array::with_capacity(left.len() + right.len());
    let (mut left, mut right) = (left.into_iter().peekable(), right.into_iter().peekable());
    while let (Some(a), Some(b)) = (left.peek(), right.peek()) {
        let next = if second_first(a, b)? { right.next() } else { left.next() };
        merged.extend(next);
    }
    merged.extend(left);
    merged.extend(right);
    Ok(merged)
}
