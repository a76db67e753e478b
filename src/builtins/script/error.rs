//! What `catch (e)` holds after a failed call of w2s.

use crate::bind::prelude::*;

/// Lists the getters.
pub fn register(registry: &mut Registry) {
    registry.value::<Fault>();
    registry.add(
        Function::getter::<Fault>("message", |call| Ok(call.receiver::<Fault>()?.message.into()))
            .about("What went wrong, in one sentence.")
            .returns("string: the message")
            .example(
                "let said = (); try { metric::pgr_percent(1, 2, \"x\") } catch (e) { said = e.message; } said",
                "`ceiling` of `metric::pgr_percent` must be a float, got a string `x`",
            ),
    );
    registry.add(
        Function::getter::<Fault>("code", |call| Ok(call.receiver::<Fault>()?.code.into()))
            .about("The stable code of the error, `room/what`: it never changes with the wording.")
            .returns("string: the code")
            .example(
                "let said = (); try { metric::pgr_percent(1, 2, \"x\") } catch (e) { said = e.code; } said",
                "call/argument",
            ),
    );
    registry.add(
        Function::getter::<Fault>("hint", |call| {
            Ok(call.receiver::<Fault>()?.hint.map_or(Dynamic::UNIT, Dynamic::from))
        })
        .about("What to type instead, or `()`.")
        .returns("string: the hint")
        .example(
            "let said = (); try { metric::pgr_percent(1, 2, \"x\") } catch (e) { said = e.hint; } said",
            "metric::pgr_percent(weak: float, student: float, ceiling: float) -> float",
        ),
    );
}
