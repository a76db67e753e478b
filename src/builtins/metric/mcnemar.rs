//! `metric::mcnemar`

use super::truth::Truth;
use crate::bind::prelude::*;
use crate::builtins::frame::warn_of_indices;
use crate::frames::Frame;
use crate::stats::{Scored, mcnemar::mcnemar};

/// The record.
pub fn function() -> Function {
    Function::new("metric", "mcnemar", run)
        .about("Whether one of two models is right more often on the same rows: McNemar's test, exact and by χ².")
        .details(
            "`n_both`, `n_only_a`, `n_only_b` and `n_neither` count rows by who is right. `p` is exact and two-sided: the binomial test that \
             of the rows on which one alone is right half are either's; 1 where there is none. `chi2` is (|n_only_a − n_only_b| − 1)² / \
             (n_only_a + n_only_b), with `chi2_p`; `()` where there is none. It is about these two models and these rows: over seeds \
             `metric::paired` tests.",
        )
        .source("McNemar 1947; statsmodels' `mcnemar`")
        .param::<Frame>("a", "the first model's predictions")
        .param::<Frame>("b", "the second model's predictions, on the same rows")
        .param::<Truth>("truth", "data, whose truth is read and the read recorded, or a frame with `id` and `label`")
        .returns("object map: counts, `p`, `chi2`, `chi2_p`")
        .example(
            "let ids = [\"a\", \"b\", \"c\", \"d\"];\n\
             let truth = frame::of(#{ id: ids, label: [1, 1, 1, 1] });\n\
             let found = metric::mcnemar(frame::of(#{ id: ids, prediction: [1, 1, 1, 0] }), frame::of(#{ id: ids, prediction: [1, 0, 0, 0] }), truth);\n\
             [found.n_only_a, found.n_only_b, found.chi2]",
            "[2, 0, 0.5]",
        )
        .fails(
            "let a = frame::of(#{ id: [\"a\"], prediction: [1] });\n\
             metric::mcnemar(a, frame::of(#{ id: [\"b\"], prediction: [1] }), frame::of(#{ id: [\"a\"], label: [1] }))",
            "1 rows of the truth are missing, the first with id `b`",
        )
}

fn run(call: &mut Call) -> Answer {
    let (a, b, truth): (Frame, Frame, Truth) = (call.arg(0)?, call.arg(1)?, call.arg(2)?);
    let truth = truth.labels(call)?;
    warn_of_indices(call, &[("`a`", &a), ("`b`", &b), ("`truth`", &truth)]);
    let found = mcnemar(&Scored::new(&a, &truth)?, &Scored::new(&b, &truth)?)?;
    let number = |value: Option<f64>| value.map_or(Dynamic::UNIT, Dynamic::from);
    let map: Map = [
        ("n_both".into(), Dynamic::from(found.n_both as INT)),
        ("n_only_a".into(), Dynamic::from(found.n_only_a as INT)),
        ("n_only_b".into(), Dynamic::from(found.n_only_b as INT)),
        ("n_neither".into(), Dynamic::from(found.n_neither as INT)),
        ("p".into(), Dynamic::from(found.p)),
        ("chi2".into(), number(found.chi2)),
        ("chi2_p".into(), number(found.chi2_p)),
    ]
    .into_iter()
    .collect();
    Ok(Dynamic::from(map))
}
