//! `model::coverage`

use crate::bind::prelude::*;
use crate::data::Data;
use crate::models::Model;

/// The record.
pub fn function() -> Function {
    Function::new("model", "coverage", run)
        .about("How much of a data set's text a model reads: tokens unknown to its tokenizer, rows longer than its limit.")
        .details(
            "`n_checked` rows are looked at, at most 2 000, spread evenly over the data set that `data` is a part of; `n_tokens` are \
             the tokens of their text, `n_unknown` those that the tokenizer does not know and reads all as the same token, \
             `unknown_share` their share, `n_cut` the rows of which the model reads a part. Where more than 5 % of the tokens are \
             unknown, or rows are cut, a warning says so, once in a session. From 60 % unknown tokens on, training and prediction refuse \
             the data, for a model learns nothing from such text; this function measures it all the same, and warns.",
        )
        .param::<Model>("model", "the model")
        .param::<Data>("data", "the data set, or a part of it")
        .returns("object map: `n_checked`, `n_tokens`, `n_unknown`, `unknown_share`, `n_cut`")
        .also_method::<Model>()
        .example("model::ladder(\"world\")[0].coverage(data::load(\"world/subject\", #{ seed: 0, n_train: 8, n_test: 4 })).n_unknown", "0")
        .example(
            "let rows = data::of([#{ text: \"a quiet film\", label: 1 }, #{ text: \"what nonsense\", label: 0 }], #{ test_share: 0.0 });\n\
             model::ladder(\"world\")[0].coverage(rows).unknown_share > 0.6",
            "true",
        )
        .fails("model::ladder(\"world\")[0].coverage(5)", "`data` of `model::coverage` must be")
}

fn run(call: &mut Call) -> Answer {
    let (model, data): (Model, Data) = (call.arg(0)?, call.arg(1)?);
    let found = model.coverage(&data)?;
    if let Err(refused) = model.check_coverage(&data, call.ctx()) {
        call.ctx().warn(format!("training and prediction refuse such data: {refused}"));
    }
    let count = |n: usize| Dynamic::from(n as INT);
    let map: Map = [
        ("n_checked".into(), count(found.n_checked)),
        ("n_tokens".into(), count(found.n_tokens)),
        ("n_unknown".into(), count(found.n_unknown)),
        ("unknown_share".into(), Dynamic::from(found.unknown_share())),
        ("n_cut".into(), count(found.n_cut)),
    ]
    .into_iter()
    .collect();
    Ok(Dynamic::from(map))
}
