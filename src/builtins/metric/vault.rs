//! `metric::vault`

use super::by_name;
use crate::bind::prelude::*;
use crate::builtins::frame::warn_of_indices;
use crate::core::context::{DryRun, Event};
use crate::core::digest::Digest;
use crate::data::Data;
use crate::frames::Frame;
use crate::stats::Scored;
use crate::store::Store;

options! {
    /// How a vault is scored, and how often.
    pub struct VaultOptions {
        /// `accuracy`, `auroc`, `log_loss`, `brier` or `ece`.
        metric: String = "accuracy".to_owned(),
        /// How many different predictions the store lets be scored against this vault: as the first opening has it.
        budget: usize = 3,
    }
}

/// The record.
pub fn function() -> Function {
    Function::new("metric", "vault", run)
        .about("Scores predictions of a vault's rows: an opening, of which the store counts a few.")
        .details(
            "A vault is a second test split (`vault` of `data::load`): models are chosen on the test split, and the vault says \
             afterwards what the choice was worth. An opening is a vault with predictions, by their digests: the same one again is \
             free, with another metric too; other predictions are the next one. Beyond the budget the call fails. The count is \
             in the store's folder (`ledger`), the record and the page say which opening it was. It counts and does not \
             guard: whoever may write there may delete it, another store has its own, and `w2s verify` counts anew.",
        )
        .source("Blum and Hardt 2015, The Ladder: each adaptive query of a held-out set costs some of its validity")
        .param::<Frame>("predictions", "`id`, `p0`, `p1`, …, as `predict` gives them: a row per vault row, others are passed over")
        .param::<Data>("task", "the data with the vault, or its vault rows")
        .options::<VaultOptions>()
        .returns("float: as the metric has it")
        .example(
            "let task = data::load(\"world/mood\", #{ seed: 0, n_train: 8, n_test: 40, vault: 0.5 });\n\
             let model = model::untrained(task.train).finetune(task.train, task.train.truth(\"example\"), #{ steps: 1 });\n\
             let score = metric::vault(model.predict(task.vault), task);\n\
             score == metric::vault(model.predict(task.vault), task)",
            "true",
        )
        .fails(
            "let task = data::load(\"world/mood\", #{ seed: 0, n_train: 8, n_test: 8 });\n\
             metric::vault(frame::of(#{ id: [\"a\"], prediction: [0] }), task)",
            "`world/mood` has no vault rows",
        )
        .fails(
            "let task = data::load(\"world/mood\", #{ seed: 1, n_train: 8, n_test: 40, vault: 0.5 });\n\
             let ids = task.vault.frame().column(\"id\");\n\
             let always = |class| frame::of(#{ id: ids, prediction: ids.map(|id| class) });\n\
             metric::vault(always.call(0), task, #{ budget: 1 });\n\
             metric::vault(always.call(1), task, #{ budget: 1 })",
            "this vault was opened for 1 different predictions in this store, and 1 are its budget",
        )
}

fn run(call: &mut Call) -> Answer {
    let (predictions, task): (Frame, Data) = (call.arg(0)?, call.arg(1)?);
    let options: VaultOptions = call.options()?;
    let metric = by_name(&options.metric)?;
    if options.budget == 0 {
        return Err(Fault::new("call/option", "`budget` of `metric::vault` must be at least 1, got `0`"));
    }
    warn_of_indices(call, &[("`predictions`", &predictions)]);
    let by = call.function.path();
    let scored = task.score_vault(&by, |vault, truth| -> Result<_, Fault> {
        let scored = Scored::new(&of_rows(&predictions, vault)?, truth)?;
        Ok((metric.value(&scored)?, opened_by(&scored), vault.digest()))
    });
    let ((value, predicted, vault), reading) = scored?;
    let ctx = call.ctx();
    // A plan's predictions are stand-ins: they are no opening.
    if ctx.dry_run() == Some(DryRun::Plan) {
        return Ok(Dynamic::from(value));
    }
    let opening = Store::of(ctx).open_vault(vault, predicted, options.budget)?;
    let told = Event::VaultOpened {
        data: reading.data.clone(),
        digest: reading.digest.clone(),
        n_rows: reading.n_rows,
        predictions: predicted.to_hex(),
        metric: options.metric,
        opening: opening.number,
        budget: opening.budget,
        is_new: opening.is_new,
    };
    ctx.tell(Event::TruthRead(reading));
    ctx.tell(told);
    Ok(Dynamic::from(value))
}

/// The predictions of the vault's rows.
fn of_rows(predictions: &Frame, vault: &Data) -> Result<Frame, Fault> {
    let wanted: std::collections::HashSet<&str> = vault.rows().map(|row| row.id.as_str()).collect();
    let ids = predictions.ids()?;
    let rows: Vec<usize> =
        (0..ids.len()).filter(|row| ids.get(*row).is_some_and(|id| wanted.contains(id.as_str()))).collect();
    Ok(predictions.rows_at(&rows)?)
}

/// What was predicted, whatever the frame's derivation and the order of its rows: classes and probabilities by id.
fn opened_by(scored: &Scored) -> Digest {
    let n = scored.n_classes;
    let mut rows: Vec<usize> = (0..scored.ids.len()).collect();
    rows.sort_by_key(|row| scored.ids.get(*row));
    let builder =
        rows.into_iter().fold(Digest::of("vault/predictions", 1).int("n_classes", n as i64), |builder, row| {
            let class = scored.predicted.get(row).copied().unwrap_or_default();
            let builder = builder.text("id", scored.ids.get(row).map_or("", String::as_str)).int("class", class as i64);
            let probabilities = scored.probabilities.as_deref().ok().and_then(|all| all.get(row * n..(row + 1) * n));
            probabilities.unwrap_or_default().iter().fold(builder, |builder, p| builder.float("p", *p))
        });
    builder.finish()
}
