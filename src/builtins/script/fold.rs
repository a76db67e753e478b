//! Folded values: what a map carries along without printing it.

use crate::bind::prelude::*;

/// A value that prints as a few words. An experiment keeps its models and predictions so.
#[derive(Clone)]
pub struct Folded {
    value: Dynamic,
    words: String,
}

impl Folded {
    /// `value`, printed as `words`.
    pub fn new(value: Dynamic, words: impl Into<String>) -> Self {
        Folded { value, words: words.into() }
    }

    /// The value that was folded.
    pub fn whole(&self) -> &Dynamic {
        &self.value
    }
}

impl Value for Folded {
    const NAME: &'static str = "Folded";
    const ABOUT: &'static str = "A value that prints as a few words; `.value` is the whole of it.";

    fn show(&self) -> String {
        format!("‹{}›", self.words)
    }

    fn same(&self, other: &Self) -> bool {
        self.words == other.words && show(&self.value) == show(&other.value)
    }

    fn digest(&self, trace: &mut Trace) -> Digest {
        Digest::of("folded", 1).text("words", &self.words).digest("value", trace.value(&self.value)).finish()
    }
}

/// Lists the function and the getter.
pub fn register(registry: &mut Registry) {
    registry.add(
        Function::new("script", "fold", fold)
            .about("Wraps a value so that it prints as a few words.")
            .param::<Dynamic>("value", "any value")
            .param::<String>("words", "what to print instead")
            .returns("Folded: the wrapped value")
            .example("#{ rows: script::fold([1, 2, 3], \"3 rows\") }", "#{rows: ‹3 rows›}")
            .fails("script::fold([1, 2, 3], 3)", "`words` of `script::fold` must be a string"),
    );
    registry.add(
        Function::getter::<Folded>("value", |call| Ok(call.receiver::<Folded>()?.value))
            .about("The value that was folded.")
            .returns("any: the value")
            .example("script::fold([1, 2, 3], \"3 rows\").value", "[1, 2, 3]"),
    );
}

fn fold(call: &mut Call) -> Answer {
    Ok(Dynamic::from(Folded::new(call.arg(0)?, call.arg::<String>(1)?)))
}
