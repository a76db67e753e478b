//! Functions of the language on floats that give a wrong number without a word: `to_int` of NaN, which would be 0, `range` with a step
//! whose sum misses the end by rounding, which would have one number too many, and `log`, which is to base 10 here, of numbers alone.

use crate::bind::Fault;
use crate::core::context::Context;
use rhai::{Array, Dynamic, Engine, EvalAltResult, INT, NativeCallContext};
use std::sync::Arc;

/// The part of a step by which the last number may miss the end and still be it. Arbitrary: far above rounding, far below any step.
const SLACK: f64 = 1e-9;

/// Registers the functions.
pub fn apply(engine: &mut Engine, ctx: &Arc<Context>) {
    let told = ctx.clone();
    engine.register_fn("log", move |x: f64| {
        told.warn_once(
            "log to base 10",
            "`log` of a number is to base 10, that of a tensor or a column is natural; `x.ln()` is natural, `x.log(10.0)` says its base",
        );
        x.log10()
    });
    engine.register_fn("to_int", |context: NativeCallContext, x: f64| -> Result<INT, Box<EvalAltResult>> {
        // The largest float below 2⁶³, and −2⁶³ itself.
        let fits = x >= INT::MIN as f64 && x < -(INT::MIN as f64);
        if fits {
            Ok(x as INT)
        } else {
            refuse(&context, format!("`{}` is not an integer of 64 bits", crate::bind::show(&x.into())))
        }
    });
    engine.register_fn("range", |context: NativeCallContext, from: f64, to: f64, step: f64| {
        range(&context, from, to, step)
    });
}

/// The numbers from `from` on, each `step` beyond the one before, up to `to` and without it.
fn range(context: &NativeCallContext, from: f64, to: f64, step: f64) -> Result<Array, Box<EvalAltResult>> {
    let n_steps = (to - from) / step;
    if step == 0.0 || !n_steps.is_finite() {
        return refuse(context, format!("`range({from}, {to}, {step})` has no end"));
    }
    let most = context.engine().max_array_size();
    if most > 0 && n_steps > most as f64 {
        return refuse(context, format!("`range({from}, {to}, {step})` has more than {most} numbers"));
    }
    let mut numbers = Array::new();
    let mut at = from;
    while (to - at) / step > SLACK {
        numbers.push(Dynamic::from(at));
        at += step;
    }
    Ok(numbers)
}

fn refuse<T>(context: &NativeCallContext, what: String) -> Result<T, Box<EvalAltResult>> {
    Err(Fault::new("script/arithmetic", what).into_rhai(context.call_position()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn engine() -> Engine {
        let mut engine = Engine::new();
        engine.set_max_array_size(1000);
        apply(&mut engine, &Arc::new(Context::for_tests()));
        engine
    }

    #[test]
    fn a_range_of_floats_ends_before_its_end() {
        // As NumPy's `arange(0, 1, .1)`, whose numbers are made otherwise: ten of them.
        let numbers = engine().eval::<Array>("range(0.0, 1.0, 0.1)").expect("numbers");
        let numbers: Vec<f64> = numbers.into_iter().map(|x| x.as_float().expect("a float")).collect();
        assert_eq!(numbers.len(), 10);
        assert!(numbers.iter().enumerate().all(|(i, x)| (x - i as f64 * 0.1).abs() < 1e-12), "{numbers:?}");
        let n = |code: &str| engine().eval::<Array>(code).expect("numbers").len();
        assert_eq!(
            [
                n("range(0.0, 0.3, 0.1)"),
                n("range(1.0, 0.0, -0.25)"),
                n("range(0.0, 1.0, 0.3)"),
                n("range(1.0, 0.0, 0.5)")
            ],
            [3, 4, 4, 0]
        );
        assert!(engine().eval::<INT>("let n = 0; for x in range(0.0, 2.0, 0.5) { n += 1; } n").is_ok_and(|n| n == 4));
        for wrong in ["range(0.0, 1.0, 0.0)", "range(0.0, 1.0, 1e-9)", "range(0.0, 1.0 / 0.0, 1.0)"] {
            assert!(engine().eval::<Array>(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_logarithm_keeps_its_base_and_says_it_once() {
        let ctx = Arc::new(Context::for_tests());
        let said = Arc::new(std::sync::Mutex::new(0));
        let kept = said.clone();
        ctx.listen(move |_| *kept.lock().expect("not poisoned") += 1);
        let mut engine = Engine::new();
        apply(&mut engine, &ctx);
        assert_eq!(engine.eval::<f64>("log(1000.0) + 100.0.log()").expect("a number"), 5.0);
        assert_eq!(*said.lock().expect("not poisoned"), 1);
        assert_eq!(engine.eval::<f64>("8.0.log(2.0)").expect("a number"), 3.0);
        assert_eq!(*said.lock().expect("not poisoned"), 1);
    }

    #[test]
    fn what_is_no_integer_is_refused() {
        let int = |code: &str| engine().eval::<INT>(code);
        assert_eq!(int("(-2.75).to_int()").expect("an integer"), -2);
        assert_eq!(int("9223372036854774784.0.to_int()").expect("an integer"), 9_223_372_036_854_774_784);
        assert_eq!(int("(-9223372036854775808.0).to_int()").expect("an integer"), INT::MIN);
        for wrong in
            ["(0.0 / 0.0).to_int()", "(1.0 / 0.0).to_int()", "9223372036854775808.0.to_int()", "1e300.to_int()"]
        {
            assert!(int(wrong).is_err(), "{wrong}");
        }
    }
}
