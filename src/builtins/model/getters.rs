//! What a model tells about itself.

use crate::bind::prelude::*;
use crate::models::Model;

/// The records.
pub fn functions() -> Vec<Function> {
    let getter = |name, run, about, returns| Function::getter::<Model>(name, run).about(about).returns(returns);
    vec![
        getter("name", |call| Ok(call.receiver::<Model>()?.inner.name.clone().into()), "The model's name, which training keeps.", "string")
            .example("let rows = data::of([#{ text: \"good dog\", label: \"yes\" }, #{ text: \"bad dog\", label: \"no\" }], #{ test_share: 0.0 });\n model::untrained(rows).name", "untrained-16x2"),
        getter("n_params", |call| Ok(Dynamic::from(call.receiver::<Model>()?.n_params() as INT)), "How many numbers the trunk and the head have.", "integer")
            .example("let rows = data::of([#{ text: \"good dog\", label: \"yes\" }, #{ text: \"bad dog\", label: \"no\" }], #{ test_share: 0.0 });\n model::untrained(rows).n_params", ""),
        getter("width", |call| Ok(Dynamic::from(call.receiver::<Model>()?.inner.arch.width() as INT)), "Numbers per token between blocks: the length of a feature.", "integer")
            .example("let rows = data::of([#{ text: \"good dog\", label: \"yes\" }, #{ text: \"bad dog\", label: \"no\" }], #{ test_share: 0.0 });\n model::untrained(rows).width", "16"),
        getter("n_layers", |call| Ok(Dynamic::from(call.receiver::<Model>()?.inner.arch.n_layers() as INT)), "How many blocks the trunk has.", "integer")
            .example("let rows = data::of([#{ text: \"good dog\", label: \"yes\" }, #{ text: \"bad dog\", label: \"no\" }], #{ test_share: 0.0 });\n model::untrained(rows).n_layers", "2"),
        getter("max_tokens", |call| Ok(Dynamic::from(call.receiver::<Model>()?.inner.max_tokens as INT)), "The longest row in tokens; longer ones are cut.", "integer")
            .example("let rows = data::of([#{ text: \"good dog\", label: \"yes\" }, #{ text: \"bad dog\", label: \"no\" }], #{ test_share: 0.0 });\n model::untrained(rows).max_tokens", "64"),
        getter("n_classes", n_classes, "The number of classes of the head, 1 for a scalar head; `()` without a head.", "any: an integer, or `()` without a head")
            .example("let rows = data::of([#{ text: \"good dog\", label: \"yes\" }, #{ text: \"bad dog\", label: \"no\" }], #{ test_share: 0.0 });\n model::untrained(rows).n_classes", ""),
        getter("classes", classes, "The names of the head's classes in index order; `()` without a head.", "any: an array of strings, or `()`")
            .example("let rows = data::of([#{ text: \"good dog\", label: \"yes\" }, #{ text: \"bad dog\", label: \"no\" }], #{ test_share: 0.0 });\n model::untrained(rows).finetune(rows, rows.truth(\"example\"), #{ steps: 1 }).classes", "[\"no\", \"yes\"]"),
        getter("digest", |call| Ok(call.receiver::<Model>()?.inner.digest.to_hex().into()), "The key of how the model came to be, 64 hexadecimal digits.", "string")
            .example("let rows = data::of([#{ text: \"good dog\", label: \"yes\" }, #{ text: \"bad dog\", label: \"no\" }], #{ test_share: 0.0 });\n model::untrained(rows).digest.len", "64"),
        getter("lineage", |call| Ok(call.receiver::<Model>()?.inner.lineage.clone().into()), "How the model came to be, for a person.", "string")
            .example("let rows = data::of([#{ text: \"good dog\", label: \"yes\" }, #{ text: \"bad dog\", label: \"no\" }], #{ test_share: 0.0 });\n model::untrained(rows).lineage", "random parameters of seed 0"),
        getter("recipe", |call| Ok(call.receiver::<Model>()?.inner.recipe.clone().into()), "The last training's loss and every settled option; empty before one.", "string")
            .example("let rows = data::of([#{ text: \"good dog\", label: \"yes\" }, #{ text: \"bad dog\", label: \"no\" }], #{ test_share: 0.0 });\n model::untrained(rows).recipe", ""),
        getter("pretrained_tokens", |call| Ok(call.receiver::<Model>()?.inner.pretrained_tokens.map_or(Dynamic::UNIT, |n| Dynamic::from(n as INT))), "How many tokens pretraining read at most, repeats counted: steps × documents × tokens. `()` where that is not known, as of models from files.", "any: an integer, or `()`")
            .example("model::ladder(\"world\")[0].pretrained_tokens", "3840000"),
        getter("validation", validation, "What the last training's evaluations on held-out rows found; `()` where it had none, and in a model from a file.", "any: a Frame with `step`, `watch` (`validation` or `oracle`), `loss`, `accuracy`, `auroc` and `kept` (whether the model is that step's), or `()`")
            .example("let rows = data::of([#{ text: \"good dog\", label: \"yes\" }, #{ text: \"bad dog\", label: \"no\" }], #{ test_share: 0.0 });\n model::untrained(rows).validation", ""),
        getter("curves", curves, "What was measured of the steps of the last training, if that was `finetune_preferences`; `()` after others, and in a model from a file.", "any: a Frame with `step` (the last of a stretch, at most 50) the means over its pairs of `loss`, `chosen`, `rejected`, `margin`, `accuracy` and `weight`, the standard deviations `margin_sd` and `weight_sd`, `counted` (the mean weight with each pair counted by its given weight), `effective` ((Σ w)² / (n Σ w²) of the given weights) and `n_tokens` (read until then), or `()`")
            .example("model::ladder(\"world\")[0].curves", ""),
    ]
}

fn validation(call: &mut Call) -> Answer {
    Ok(call.receiver::<Model>()?.inner.validation.clone().map_or(Dynamic::UNIT, Dynamic::from))
}

fn curves(call: &mut Call) -> Answer {
    Ok(call.receiver::<Model>()?.inner.curves.clone().map_or(Dynamic::UNIT, Dynamic::from))
}

fn n_classes(call: &mut Call) -> Answer {
    Ok(call.receiver::<Model>()?.n_classes().map_or(Dynamic::UNIT, |n| Dynamic::from(n as INT)))
}

fn classes(call: &mut Call) -> Answer {
    let names = |names: &[String]| Dynamic::from(names.iter().cloned().map(Dynamic::from).collect::<Array>());
    Ok(call.receiver::<Model>()?.classes().map_or(Dynamic::UNIT, names))
}
