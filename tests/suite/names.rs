//! Classes have names, and whatever meets, meets by them: data, labels, models, predictions, truth, files.

use crate::support::session_in;
use std::sync::{Arc, Mutex};
use w2s::bind::show;
use w2s::core::context::Event;
use w2s::lang::Session;

/// The same twelve rows with their classes in either order and under other names; a model that was trained on the first.
const SET_UP: &str = "let rows = [];\n\
    for i in 0..12 { rows.push(#{ text: if i % 2 == 0 { `good dog ${i} .` } else { `bad dog ${i} .` }, label: if i % 2 == 0 { \"pos\" } else { \"neg\" } }); }\n\
    let ahead = data::of(rows, #{ test_share: 0.0, classes: [\"neg\", \"pos\"] });\n\
    let back = data::of(rows, #{ test_share: 0.0, classes: [\"pos\", \"neg\"] });\n\
    let other = data::of(rows.map(|row| #{ text: row.text, label: if row.label == \"pos\" { \"yes\" } else { \"no\" } }), #{ test_share: 0.0 });\n\
    let model = model::untrained(ahead, #{ width: 8, layers: 1, seed: 1 });\n\
    let how = #{ epochs: 20, batch: 4, lr: 1e-2, seed: 0 };\n\
    let trained = model.finetune(ahead, ahead.truth(\"supervisor\"), how);\n";

fn eval(session: &mut Session, code: &str) -> String {
    match session.eval(&format!("{SET_UP}{code}")) {
        Ok(value) => show(&value),
        Err(error) => panic!("{code}: {error}"),
    }
}

fn run(code: &str) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    eval(&mut session_in(folder.path()), code)
}

/// Code and message of the error, and its hint.
fn fails(code: &str) -> (String, String) {
    let folder = tempfile::tempdir().expect("a folder");
    let failed = session_in(folder.path()).eval(&format!("{SET_UP}{code}"));
    let error = failed.err().unwrap_or_else(|| panic!("{code} runs"));
    (format!("{}: {}", error.code, error.message), error.hint.clone().unwrap_or_default())
}

/// The warnings of `code`, and what it gives.
fn warned(code: &str) -> (Vec<String>, String) {
    let folder = tempfile::tempdir().expect("a folder");
    let mut session = session_in(folder.path());
    let warnings: Arc<Mutex<Vec<String>>> = Arc::default();
    let seen = warnings.clone();
    session.ctx.listen(move |event| {
        if let Event::Warning { text } = event {
            seen.lock().expect("no panic").push(text);
        }
    });
    let shown = eval(&mut session, code);
    let warnings = warnings.lock().expect("no panic").clone();
    (warnings, shown)
}

#[test]
fn a_model_scores_alike_whatever_the_order_of_the_classes() {
    let code = "[metric::accuracy(trained.predict(ahead), ahead), metric::accuracy(trained.predict(back), back),\n\
        metric::accuracy(trained.predict(back), ahead), metric::accuracy(trained.predict(ahead), back.truth(\"test\")),\n\
        metric::auroc(trained.predict(ahead), back), metric::kappa(trained.predict(ahead), trained.predict(back)),\n\
        metric::agreement_rates(trained.predict(ahead), trained.predict(back), back).overall,\n\
        trained.predict(back).classes, trained.classes]";
    let (warnings, shown) = warned(code);
    assert_eq!(shown, "[1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, [\"pos\", \"neg\"], [\"neg\", \"pos\"]]");
    assert!(warnings.is_empty(), "{warnings:?}");
    let same = "let one = trained.predict(ahead); let two = trained.predict(back);\n\
        (one.column(\"p1\")[3] - two.column(\"p0\")[3]).abs() < 1e-6 && one.column(\"prediction\")[3] == 1 - two.column(\"prediction\")[3]";
    assert_eq!(run(same), "true");
}

#[test]
fn other_names_are_refused_wherever_two_sides_meet() {
    for code in [
        "trained.predict(other)",
        "trained.label(other)",
        "trained.finetune(other, other.truth(\"test\"), #{ head: \"keep\", steps: 1 })",
    ] {
        let (said, hint) = fails(code);
        assert!(said.ends_with("was trained on the classes `neg`, `pos`, `rows` has `no`, `yes`"), "{code}: {said}");
        assert!(hint.contains("#{ classes: [\"neg\", \"pos\"] }"), "{hint}");
    }
    for code in [
        "model.finetune(other, ahead.truth(\"test\"), how)",
        "metric::accuracy(trained.predict(ahead), other)",
        "metric::ece(trained.predict(ahead), other)",
        "metric::interval_bootstrap(trained.predict(ahead), other)",
        "metric::agreement(trained.predict(ahead), other.truth(\"test\"), ahead)",
        "metric::capa(trained.predict(ahead), trained.predict(ahead), other)",
        "metric::kappa(trained.predict(ahead), other.truth(\"test\"))",
        "metric::pgr(trained.predict(ahead), trained.predict(ahead), trained.predict(ahead), other)",
        "trained.predict(ahead).join(other.truth(\"test\"))",
        "frame::concat([ahead.truth(\"test\"), other.truth(\"test\")])",
    ] {
        let (said, hint) = fails(code);
        assert!(said.starts_with("frame/other-classes"), "{code}: {said}");
        assert!(said.contains("`neg`, `pos`") && said.contains("`no`, `yes`"), "{code}: {said}");
        assert!(hint.contains("with_classes(["), "{code}: {hint}");
    }
    assert_eq!(
        run("metric::accuracy(trained.predict(ahead), other.truth(\"test\").with_classes([\"neg\", \"pos\"]))"),
        "1.0"
    );
}

#[test]
fn labels_in_another_order_train_the_same_and_have_a_key_of_their_own() {
    let code = "let again = model.finetune(ahead, back.truth(\"supervisor\"), how);\n\
        let turned = model.finetune(ahead, ahead.truth(\"supervisor\").with_classes([\"pos\", \"neg\"]), how);\n\
        let kept = trained.finetune(back, back.truth(\"supervisor\"), #{ head: \"keep\", steps: 1, lr: 0.0 });\n\
        [again.predict(ahead) == trained.predict(ahead), metric::accuracy(again.predict(ahead), ahead),\n\
         metric::accuracy(turned.predict(ahead), ahead), metric::accuracy(kept.predict(back), ahead), kept.classes]";
    assert_eq!(run(code), "[true, 1.0, 0.0, 1.0, [\"pos\", \"neg\"]]");
}

#[test]
fn a_frame_without_names_is_read_by_index_and_the_record_says_so() {
    let by_hand = "let by_hand = frame::of(#{ id: ahead.frame().column(\"id\"), label: rows.map(|row| if row.label == \"pos\" { 1 } else { 0 }) });\n";
    let (warnings, shown) = warned(&format!("{by_hand}metric::accuracy(trained.predict(ahead), by_hand)"));
    assert_eq!(shown, "1.0");
    assert_eq!(warnings, ["`truth` has no class names: its classes are read by index, 0 is `neg`, 1 is `pos`"]);
    let hard = "let hard = by_hand.with_columns([(col(\"label\") == 0).cast(\"float\").alias(\"p0\"), (col(\"label\") == 1).cast(\"float\").alias(\"p1\")]);\n";
    let (warnings, shown) =
        warned(&format!("{by_hand}{hard}metric::accuracy(model.finetune(ahead, hard, how).predict(ahead), ahead)"));
    assert_eq!((shown.as_str(), warnings.len()), ("1.0", 1));
    assert!(warnings[0].starts_with("`labels` has no class names"), "{warnings:?}");
    let (said, hint) = fails(&format!("{by_hand}model.finetune(ahead, by_hand, how)"));
    assert!(said.contains("there are no probabilities: columns `p0`, `p1` are missing"), "{said}");
    assert!(hint.contains("(col(\"label\") == 1).cast(\"float\").alias(\"p1\")"), "what `hard` above is: {hint}");
    let (warnings, _) = warned(&format!("{by_hand}metric::accuracy(by_hand, by_hand)"));
    assert!(warnings.is_empty(), "no side has names: {warnings:?}");
}

#[test]
fn names_survive_files() {
    let code = "trained.save(\"one\"); let loaded = model::load(\"one\");\n\
        ahead.truth(\"test\").write_parquet(\"t.parquet\"); ahead.truth(\"test\").write_csv(\"t.csv\");\n\
        let read = frame::read_parquet(\"t.parquet\");\n\
        [loaded.classes, metric::accuracy(loaded.predict(back), ahead), read.classes, frame::read_csv(\"t.csv\").classes,\n\
         metric::accuracy(trained.predict(back), read)]";
    assert_eq!(run(code), "[[\"neg\", \"pos\"], 1.0, [\"neg\", \"pos\"], (), 1.0]");
    let code = "let table = back.truth(\"test\").select([\"id\", \"label\"]).join(back.frame().select([\"id\", \"text\"]));\n\
        table.write_parquet(\"rows.parquet\");\n\
        let again = data::of(table, #{ test_share: 0.0 }); let loaded = data::load(\"rows.parquet\", #{ test_share: 0.0 });\n\
        [again.classes, metric::accuracy(trained.predict(again), again), loaded.classes, metric::accuracy(trained.predict(loaded), loaded)]";
    assert_eq!(run(code), "[[\"pos\", \"neg\"], 1.0, [\"neg\", \"pos\"], 1.0]");
}

#[test]
fn an_ensemble_by_arithmetic_keeps_the_names() {
    let code = "let both = trained.predict(ahead).drop(\"prediction\").join(trained.predict(back));\n\
        let mean = both.select([\"id\", ((col(\"p0\") + col(\"p0_right\")) / 2.0).alias(\"p0\"), ((col(\"p1\") + col(\"p1_right\")) / 2.0).alias(\"p1\")]);\n\
        [mean.classes, metric::accuracy(mean, back), metric::accuracy(mean, ahead)]";
    assert_eq!(run(code), "[[\"neg\", \"pos\"], 1.0, 1.0]");
    let (said, _) = fails(
        "metric::accuracy(trained.predict(ahead).with_columns([(1.0 - col(\"p0\")).alias(\"p0\"), (1.0 - col(\"p1\")).alias(\"p1\")]), ahead)",
    );
    assert!(said.contains("its `prediction` is"), "{said}");
}

#[test]
fn ids_of_integers_are_read_as_their_digits() {
    let code = "let ids = frame::of(#{ id: [0, 1], prediction: [1, 0] }).with_classes([\"neg\", \"pos\"]);\n\
        metric::accuracy(ids, ahead.take([0, 1]))";
    assert_eq!(run(code), "1.0");
    let (said, hint) = fails("frame::of(#{ id: [0, 1] }).join(ahead.frame())");
    assert!(said.contains("is int on the left and string on the right"), "{said}");
    assert!(hint.contains("col(\"id\").cast(\"string\")"), "{hint}");
    let (said, hint) = fails("metric::accuracy(frame::of(#{ id: [0.0], prediction: [1] }), ahead.head(1))");
    assert!(
        said.contains("column `id` must hold string, but holds float") && hint.contains("cast(\"string\")"),
        "{said} {hint}"
    );
}

#[test]
fn an_interval_without_bounds_says_so() {
    let code = "let table = frame::of(#{ method: [\"a\", \"b\", \"c\"], weak: [\"x\", \"x\", \"x\"], strong: [\"y\", \"y\", \"y\"],\n\
        weak_accuracy: [0.5, 0.5, 0.5], weak_accuracy_low: [(), (), ()], weak_accuracy_high: [(), (), ()],\n\
        student_accuracy: [0.5, 0.5, 0.5], student_accuracy_low: [(), (), ()], student_accuracy_high: [(), (), ()],\n\
        ceiling_accuracy: [0.5, 0.5, 0.5], ceiling_accuracy_low: [(), (), ()], ceiling_accuracy_high: [(), (), ()],\n\
        pgr: [0.39, 0.5, ()], pgr_low: [-1.0 / 0.0, 0.25, ()], pgr_high: [1.0 / 0.0, 0.75, ()], reason: [(), (), \"no gap\"] });\n\
        import \"w2s\" as w2s; w2s::summary(table).column(\"pgr\")";
    assert_eq!(run(code), "[\"0.39 unbounded\", \"0.50 [0.25, 0.75]\", \"undefined: no gap\"]");
}

#[test]
fn a_head_that_scores_has_no_class_names_and_needs_none() {
    let code = "let pairs = data::load(\"world/preference\", #{ n_train: 24, n_test: 8 });\n\
        let judge = model::ladder(\"world\")[0].finetune(pairs.train, pairs.train.truth(\"supervisor\"), #{ steps: 2 });\n\
        let kept = judge.finetune(pairs.train, judge.label(pairs.train), #{ steps: 2, head: \"keep\" });\n\
        [kept.predict(pairs.test).classes, kept.classes]";
    let (warnings, shown) = warned(code);
    assert!(warnings.is_empty(), "{warnings:?}");
    assert_eq!(shown, "[[\"first\", \"second\"], ()]");
}
