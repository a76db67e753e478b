//! Training as a script sees it: losses of one's own, their keys and errors, interruption, models in files.

use crate::support::session_in;
use w2s::bind::show;
use w2s::core::context::{Event, Reading};
use w2s::lang::Session;
use w2s::models::Model;

/// Twelve rows whose class is one word, a model that reads them, and their truth.
const SET_UP: &str = "let rows = [];\n\
    for i in 0..12 { rows.push(#{ text: if i % 2 == 0 { `good dog ${i} .` } else { `bad dog ${i} .` }, label: if i % 2 == 0 { \"yes\" } else { \"no\" } }); }\n\
    let data = data::of(rows, #{ test_share: 0.0 });\n\
    let model = model::untrained(data, #{ width: 8, layers: 1, seed: 1 });\n\
    let truth = data.truth(\"test\");\n";

fn eval(session: &mut Session, code: &str) -> String {
    match session.eval(&format!("{SET_UP}{code}")) {
        Ok(value) => show(&value),
        Err(error) => panic!("{code}: {error}"),
    }
}

fn model(session: &mut Session, code: &str) -> Model {
    session.eval(&format!("{SET_UP}{code}")).unwrap_or_else(|error| panic!("{code}: {error}")).cast::<Model>()
}

fn fails(code: &str) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    let error =
        session_in(folder.path()).eval(&format!("{SET_UP}{code}")).err().unwrap_or_else(|| panic!("{code} runs"));
    assert!(error.place.is_some(), "{code}: no position");
    format!("{}: {}", error.code, error.message)
}

#[test]
fn a_closure_trains_as_the_built_in_that_it_spells_out() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut session = session_in(folder.path());
    let built = model(&mut session, "model.finetune(data, truth, #{ epochs: 4, batch: 4 })");
    let mine = "model.finetune(data, truth, #{ epochs: 4, batch: 4, loss: |logits, weak, at| -(weak * logits.log_softmax()).sum(1).mean() })";
    let own = model(&mut session, mine);
    for (a, b) in own.inner.params.values.iter().zip(&built.inner.params.values) {
        assert!((a - b).abs() < 1e-4, "{a} {b}");
    }
    assert_ne!(own.inner.digest, built.inner.digest);
    let other = tempfile::tempdir().expect("a folder");
    let again = model(&mut session_in(other.path()), &format!("\n\n{mine}"));
    assert_eq!(own.inner.digest, again.inner.digest, "the key of a closure does not depend on place or process");
    assert_eq!(own.inner.params.values, again.inner.params.values);
}

#[test]
fn a_closure_is_told_where_training_stands_and_keeps_what_it_captured() {
    let folder = tempfile::tempdir().expect("a folder");
    let code = "let weight = 0.5;\n\
        let loss = |logits, weak, at| {\n\
            if at.rows.len != weak.shape[0] || at.steps != 6 || at.progress != at.step / 6.0 || at.epoch != at.step / 3 { throw `at: ${at}` }\n\
            weight * logits.cross_entropy(weak)\n\
        };\n\
        model.finetune(data, truth, #{ epochs: 2, batch: 4, loss: loss }).n_classes";
    assert_eq!(eval(&mut session_in(folder.path()), code), "2");
}

#[test]
fn a_closure_passes_through_a_function_of_another_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let module = "fn train(model, data, labels, loss) { model.finetune(data, labels, #{ steps: 3, loss: loss }) }";
    std::fs::write(folder.path().join("mine.rhai"), module).expect("writes");
    let code = "import \"mine\" as mine;\n\
        fn half(x) { x * 0.5 }\n\
        mine::train(model, data, truth, |logits, weak, at| half(logits.cross_entropy(weak))).n_classes";
    assert_eq!(eval(&mut session_in(folder.path()), code), "2");
}

#[test]
fn a_loss_that_is_none_is_explained() {
    let with = |loss: &str| fails(&format!("model.finetune(data, truth, #{{ loss: {loss} }})"));
    let must = "the loss must return a tensor with one element that depends on `logits`";
    for loss in [
        "|logits, weak, at| 1.0",
        "|logits, weak, at| ()",
        "|logits, weak, at| logits",
        "|logits, weak, at| weak.sum()",
    ] {
        let said = with(loss);
        assert!(said.contains(must), "{loss}: {said}");
    }
    assert!(with("|logits, weak, at| logits.detach().sum()").contains("does not depend"));
    assert!(with("|logits, weak, at| logits.cross_entropy(weak.column(0))").contains("cannot broadcast"));
    assert!(with("|logits, weak, at| (logits.sum() - logits.sum()).log()").contains("diverged at step 1"));
    assert!(with("|logits| logits.sum()").contains("takes three parameters, this function takes 1"));
    assert!(with("1").contains("must be one of Loss, function"));
    assert!(with("|logits, weak, at| no_such(logits)").contains("no_such"));
}

#[test]
fn options_and_rows_that_cannot_be_are_refused() {
    let with = |options: &str| fails(&format!("model.finetune(data, truth, #{{ {options} }})"));
    assert!(with("lr: 0.0 / 0.0").starts_with("train/option"));
    assert!(with("epochs: -1").contains("must not be negative"));
    assert!(with("epochs: 0").starts_with("train/option"));
    assert!(with("steps: 1, epochs: 1").contains("one of `epochs` and `steps`"));
    assert!(with("betas: [0.9]").contains("must be two numbers, got 1"));
    assert!(with("max_tokens: 1000").starts_with("model/max-tokens"));
    assert!(with("head: \"keep\"").contains("has no head"));
    assert!(with("head: 1").contains("must be \"zero\" or \"keep\", got an integer `1`"));
    assert!(with("optimizer: \"adamm\"").contains("must be \"adamw\" or \"adam\", got `adamm`"));
    assert!(with("lora: #{ rnk: 3 }").contains("has no option `rnk` (did you mean `rank`?"));
    assert!(with("validation: #{ labels: truth }").contains("`validation` of `model::finetune` needs `data`"));
    assert!(
        with("validation: #{ data: data, labels: truth, metric: \"f1\" }")
            .contains("\"accuracy\", \"auroc\" or \"loss\"")
    );
    assert!(with("oracle_validation: #{ data: data, patience: 0 }").contains("`patience` must be from 1"));
    assert!(with("learning_rate: 1").contains("no option `learning_rate`"));
    assert!(fails("model.finetune(data, truth.head(3))").starts_with("train/missing-labels"));
    assert!(fails("model.predict(data)").starts_with("model/no-head"));
}

#[test]
fn ctrl_c_ends_a_finetuning_and_no_try_swallows_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut session = session_in(folder.path());
    let interrupt = session.ctx.interrupt.clone();
    session.ctx.listen(move |event| {
        if matches!(event, Event::Progress { .. }) {
            interrupt.raise();
        }
    });
    let code = format!(
        "{SET_UP} let kept = 7; try {{ model.finetune(data, truth, #{{ steps: 100000 }}); }} catch {{ kept = 8; }}"
    );
    let error = session.eval(&code).expect_err("is interrupted");
    assert!(error.interrupted, "{error}");
    session.ctx.interrupt.clear();
    assert_eq!(show(&session.eval("kept").expect("the session goes on")), "7");
}

#[test]
fn a_trained_model_survives_a_folder() {
    let folder = tempfile::tempdir().expect("a folder");
    let code = "let trained = model.finetune(data, truth, #{ steps: 5 });\n\
        trained.save(\"one\");\n\
        let back = model::load(\"one\", #{ max_tokens: 8 });\n\
        [back.n_classes, back.max_tokens, back.lineage == trained.lineage, back.predict(data) == trained.predict(data)]";
    let shown = eval(&mut session_in(folder.path()), code);
    assert!(shown.starts_with("[2, 8, true, "), "{shown}");
}

#[test]
fn a_training_with_a_loss_of_ones_own_goes_on_to_the_same_bits() {
    use w2s::core::context::{Access, Context, Memo};
    let code = format!(
        "{SET_UP}let loss = |logits, weak, at| logits.cross_entropy(weak * (1.0 - 0.5 * at.progress) + logits.softmax().detach() * (0.5 * at.progress));\n\
         model.finetune(data, truth, #{{ steps: 20, batch: 4, loss: loss }})"
    );
    let bits = |model: Model| model.inner.params.values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
    let session = |folder: &std::path::Path| {
        let mut ctx = Context::new(Context::for_tests().settings, Access::default());
        ctx.settings.store = folder.to_owned();
        ctx.settings.memo = Memo::On;
        ctx.settings.checkpoint = Some(std::time::Duration::ZERO);
        let ctx = std::sync::Arc::new(ctx);
        (Session::with(ctx.clone(), w2s::lang::Setup::default()), ctx)
    };
    let folder = tempfile::tempdir().expect("a folder");
    let whole = bits(session(folder.path()).0.eval(&code).expect("trains").cast::<Model>());
    for end in [1, 9, 19] {
        let folder = tempfile::tempdir().expect("a folder");
        let (mut stopped, ctx) = session(folder.path());
        let interrupt = ctx.interrupt.clone();
        ctx.listen(move |event| {
            if matches!(event, Event::Progress { done, .. } if done == end) {
                interrupt.raise();
            }
        });
        stopped.eval(&code).expect_err("stops");
        let (mut again, ctx) = session(folder.path());
        let first = std::sync::Arc::new(std::sync::Mutex::new(None));
        let held = first.clone();
        ctx.listen(move |event| {
            if let Event::Progress { done, .. } = event {
                held.lock().expect("whole").get_or_insert(done);
            }
        });
        assert_eq!(bits(again.eval(&code).expect("goes on").cast::<Model>()), whole, "ended at {end}");
        assert_eq!(*first.lock().expect("whole"), Some(end + 1), "it went on, it did not begin anew");
    }
}

#[test]
fn a_closure_typed_later_has_the_digest_of_what_it_reaches_in_an_imported_file() {
    let digest = |module: &str| {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("mine.rhai"), module).expect("written");
        let mut session = session_in(folder.path());
        let _ = session.eval("import \"mine\" as mine;").expect("imports");
        show(&session.eval("script::digest(|x| mine::half(x))").expect("a digest"))
    };
    let half = "fn half(x) { x * 0.5 }";
    assert_eq!(digest(half), digest(&format!("\n\n{half}")));
    assert_ne!(digest(half), digest("fn half(x) { x * 0.25 }"));
}

#[test]
fn a_loss_that_changes_an_outer_variable_is_trained_again_and_says_why() {
    use std::sync::{Arc, Mutex};
    let folder = tempfile::tempdir().expect("a folder");
    let mut session = session_in(folder.path());
    let told = Arc::new(Mutex::new(Vec::new()));
    let sink = told.clone();
    session.ctx.listen(move |event| {
        if matches!(event, Event::Warning { .. } | Event::Operation { .. }) {
            sink.lock().expect("whole").push(event);
        }
    });
    let code = "let seen = 0;\n\
        let train = || { let kept = []; model.finetune(data, truth, #{ steps: 3, loss: |z, w, at| { kept.push(at.step); z.cross_entropy(w) } }) };\n\
        let twice = [train.call(), train.call()]; twice[0] == twice[1]";
    assert_eq!(eval(&mut session, code), "true");
    let told = told.lock().expect("whole");
    let warned =
        |event: &&Event| matches!(event, Event::Warning { text } if text.contains("changes the outer variable `kept`"));
    let computed =
        |event: &&Event| matches!(event, Event::Operation { found: w2s::core::context::Found::Computed, .. });
    assert_eq!((told.iter().filter(warned).count(), told.iter().filter(computed).count()), (2, 2));
}

#[test]
fn weights_reach_a_closure_and_mean_what_they_mean_to_a_built_in() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut session = session_in(folder.path());
    let with = |loss: &str| {
        format!(
            "let weighted = truth.with_columns((col(\"label\") * 3 + 1).alias(\"weight\"));\n\
             model.finetune(data, weighted, #{{ steps: 6, batch: 4{loss} }})"
        )
    };
    let built = model(&mut session, &with(""));
    let mine = "|logits, weak, at| (at.weights * -(weak * logits.log_softmax()).sum(1)).sum() / at.weights.sum()";
    let own = model(&mut session, &with(&format!(", loss: {mine}")));
    let far = |other: &Model| {
        let both = built.inner.params.values.iter().zip(&other.inner.params.values);
        both.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
    };
    assert!(far(&own) < 1e-4, "{}", far(&own));
    let plain = model(&mut session, "model.finetune(data, truth, #{ steps: 6, batch: 4 })");
    assert!(far(&plain) > 1e-3, "weights count: {}", far(&plain));
}

#[test]
fn the_truth_that_an_oracle_reads_is_told_even_where_the_store_answers() {
    use std::sync::{Arc, Mutex};
    let folder = tempfile::tempdir().expect("a folder");
    let code = "let test = data::of(rows, #{ test_share: 0.0, name: \"others\" });\n\
        model.finetune(data, truth, #{ steps: 4, oracle_validation: #{ data: test, every: 2 } }).validation.column(\"watch\")";
    for _ in 0..2 {
        let mut session = session_in(folder.path());
        let purposes = Arc::new(Mutex::new(Vec::new()));
        let sink = purposes.clone();
        session.ctx.listen(move |event| {
            if let Event::TruthRead(Reading { by, purpose, .. }) = event {
                sink.lock().expect("whole").push(format!("{by}: {purpose}"));
            }
        });
        assert_eq!(eval(&mut session, code), "[\"oracle\", \"oracle\"]");
        assert!(purposes.lock().expect("whole").contains(&"model::finetune: oracle early stopping".to_owned()));
    }
}
