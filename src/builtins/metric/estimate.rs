//! `Estimate` as a script value: a number that keeps its doubt, and is no number itself.

use crate::bind::prelude::*;
use crate::stats::Estimate;

impl Value for Estimate {
    const NAME: &'static str = "Estimate";
    const ABOUT: &'static str = "A measured number with its interval, or the reason why there is none.";

    fn show(&self) -> String {
        self.to_string()
    }

    fn same(&self, other: &Self) -> bool {
        self == other
    }

    fn digest(&self, _trace: &mut Trace) -> Digest {
        Digest::of("estimate", 1).text("all", &format!("{self:?}")).finish()
    }
}

/// Lists the type's getters, and the operators that it refuses.
pub fn register(registry: &mut Registry) {
    registry.value::<Estimate>();
    registry.add(
        getter("value", |call| Ok(of(call.receiver::<Estimate>()?.value)))
            .about("The number; `()` where it is undefined.")
            .returns("float or (): the number")
            .example("metric::pgr(0.5, 0.75, 1.0).value", "0.5")
            .example("metric::pgr(0.5, 0.5, 0.5).value == ()", "true"),
    );
    registry.add(
        getter("low", |call| Ok(of(call.receiver::<Estimate>()?.bounds.map(|(low, _)| low))))
            .about("The interval's lower bound; −∞ where it has none, `()` where there is no interval.")
            .returns("float or (): the bound")
            .example("metric::mean([0.5, 0.7, 0.6]).low < 0.6", "true"),
    );
    registry.add(
        getter("high", |call| Ok(of(call.receiver::<Estimate>()?.bounds.map(|(_, high)| high))))
            .about("The interval's upper bound; ∞ where it has none, `()` where there is no interval.")
            .returns("float or (): the bound")
            .example("metric::mean([0.5, 0.7, 0.6]).high > 0.6", "true"),
    );
    registry.add(
        getter("level", |call| {
            let estimate: Estimate = call.receiver()?;
            Ok(of(estimate.bounds.map(|_| estimate.level)))
        })
        .about("The interval's coverage; `()` where there is no interval.")
        .returns("float or (): such as 0.95")
        .example("metric::mean([0.5, 0.7]).level", "0.95"),
    );
    registry.add(
        getter("over", |call| Ok(Dynamic::from(call.receiver::<Estimate>()?.over)))
            .about("What the interval covers: seeds, or the test rows of one seed.")
            .returns("string: empty where there is no interval")
            .example("metric::mean([0.5, 0.7]).over", "2 seeds"),
    );
    registry.add(
        getter("reason", |call| Ok(call.receiver::<Estimate>()?.reason.map_or(Dynamic::UNIT, Dynamic::from)))
            .about("Why there is no number, no interval or no bound; `()` otherwise.")
            .returns("string or (): the reason")
            .example(
                "metric::pgr(0.5, 0.6, 0.5).reason",
                "no gap to recover: the ceiling `0.5` equals the weak model `0.5`",
            ),
    );
    registry.add(
        getter("defined", |call| Ok(Dynamic::from(call.receiver::<Estimate>()?.is_defined())))
            .about("Whether there is a number.")
            .returns("bool: false where it is undefined")
            .example("metric::pgr(0.5, 0.5, 0.5).defined", "false"),
    );
    for (name, code) in [
        ("+", "let code = (); try { metric::pgr(0.5, 0.6, 0.7) + 1; } catch (error) { code = error.code; } code"),
        ("-", "let code = (); try { metric::pgr(0.5, 0.6, 0.7) - 1; } catch (error) { code = error.code; } code"),
        ("*", "let code = (); try { metric::pgr(0.5, 0.6, 0.7) * 100; } catch (error) { code = error.code; } code"),
        ("/", "let code = (); try { metric::pgr(0.5, 0.6, 0.7) / 2; } catch (error) { code = error.code; } code"),
        ("<", "let code = (); try { metric::pgr(0.5, 0.6, 0.7) < 1; } catch (error) { code = error.code; } code"),
        ("<=", "let code = (); try { metric::pgr(0.5, 0.6, 0.7) <= 1; } catch (error) { code = error.code; } code"),
        (">", "let code = (); try { metric::pgr(0.5, 0.6, 0.7) > 0.2; } catch (error) { code = error.code; } code"),
        (">=", "let code = (); try { metric::pgr(0.5, 0.6, 0.7) >= 0.2; } catch (error) { code = error.code; } code"),
        ("==", "let code = (); try { metric::pgr(0.5, 0.6, 0.7) == 0.5; } catch (error) { code = error.code; } code"),
        ("!=", "let code = (); try { metric::pgr(0.5, 0.6, 0.7) != 0.5; } catch (error) { code = error.code; } code"),
    ] {
        registry.add(refused(Function::operator::<Estimate>(name, refuse), code));
        registry.add(refused(Function::reverse_operator::<f64, Estimate>(name, refuse), code));
        registry.add(refused(Function::reverse_operator::<INT, Estimate>(name, refuse), code));
    }
}

fn getter(name: &'static str, run: fn(&mut Call) -> Answer) -> Function {
    Function::getter::<Estimate>(name, run)
}

fn of(value: Option<f64>) -> Dynamic {
    value.map_or(Dynamic::UNIT, Dynamic::from)
}

fn refused(function: Function, code: &'static str) -> Function {
    function
        .about("Refused: an estimate is not a number; arithmetic would lose its interval.")
        .param::<Dynamic>("other", "anything")
        .returns("any: nothing, it fails")
        .example(code, "metric/estimate")
        .fails("metric::pgr(0.5, 0.6, 0.7) * 100", "an estimate is not a number")
}

fn refuse(call: &mut Call) -> Answer {
    Err(Fault::new(
        "metric/estimate",
        format!("an estimate is not a number: `{}` is not defined for it", call.function.name),
    )
    .hint("take its `.value`, which is `()` where it is undefined, or compare methods with `metric::paired`"))
}
