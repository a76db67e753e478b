//! Fifteen ways to use the truth of test rows: each is refused, or its rows stay test rows, or the record says so.
//!
//! docs/record.md has them as a table. What they have in common: sixteen rows of which four state that they are test rows.

use crate::support::{root, session_in};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use w2s::core::context::{Event, Form, Reading};
use w2s::lang::Session;

/// What came of a script: the error, if there was one, and what was told.
pub struct Told {
    pub error: String,
    pub value: String,
    pub reads: Vec<Reading>,
    /// By which call, and of which split for which purpose.
    pub uses: Vec<(String, String, String)>,
    /// How many rows, known by what, became what.
    pub met: Vec<(usize, &'static str, &'static str)>,
    pub warnings: Vec<String>,
    /// Which opening of a vault, of how many, and whether it was a new one.
    pub opened: Vec<(usize, usize, bool)>,
}

/// The file `rows.csv` of every test here.
pub fn rows_csv() -> String {
    let row = |n: usize| {
        let (word, label) = if n.is_multiple_of(2) { ("good", "yes") } else { ("bad", "no") };
        let split = if n < 12 { "train" } else { "test" };
        format!("r{n},{word} dog number {n},{label},{split}\n")
    };
    format!("id,text,label,split\n{}", (0..16).map(row).collect::<String>())
}

/// What every script begins with.
pub const BEGIN: &str = "let task = data::load(\"rows.csv\");\n\
    let model = model::untrained(task.train, #{ width: 8, layers: 1, seed: 1 });\n\
    let how = #{ steps: 2, seed: 2 };\n";

/// Runs a script behind [`BEGIN`] in a session of its own.
fn tried(code: &str) -> Told {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("rows.csv"), rows_csv()).expect("written");
    told(&mut session_in(folder.path()), &format!("{BEGIN}{code}"))
}

pub fn told(session: &mut Session, code: &str) -> Told {
    let events: Arc<Mutex<Vec<Event>>> = Arc::default();
    let sink = events.clone();
    session.ctx.listen(move |event| sink.lock().expect("whole").push(event));
    let answer = session.eval(code);
    let (mut reads, mut uses, mut met, mut warnings, mut opened) =
        <(Vec<_>, Vec<_>, Vec<_>, Vec<_>, Vec<_>)>::default();
    for event in events.lock().expect("whole").drain(..) {
        match event {
            Event::TruthRead(reading) => reads.push(reading),
            Event::TruthUsed { reading, by, .. } => uses.push((by, reading.split, reading.purpose)),
            Event::TestRows { n_rows, known_by, became, .. } => met.push((n_rows, known_by, became)),
            Event::Warning { text } => warnings.push(text),
            Event::VaultOpened { opening, budget, is_new, .. } => opened.push((opening, budget, is_new)),
            _ => {}
        }
    }
    let value = answer.as_ref().map(ToString::to_string).unwrap_or_default();
    let error = answer.err().map(|error| error.message.clone()).unwrap_or_default();
    Told { error, value, reads, uses, met, warnings, opened }
}

impl Told {
    #[track_caller]
    fn refused(&self, part: &str) -> &Self {
        assert!(self.error.contains(part), "{}", self.error);
        self
    }

    #[track_caller]
    fn ran(&self) -> &Self {
        assert_eq!(self.error, "");
        self
    }

    /// Readings of test rows: by which call, how many rows, for what.
    fn of_test(&self) -> Vec<(&str, usize, &str)> {
        let test = self.reads.iter().filter(|reading| reading.split.contains("test"));
        test.map(|reading| (reading.by.as_str(), reading.n_rows, reading.purpose.as_str())).collect()
    }
}

#[test]
fn way_1_training_on_test_rows_is_refused() {
    tried("model.finetune(task.test, task.test.truth(\"mine\"), how)").refused("test row");
    tried("model.finetune(task, task.truth(\"mine\"), how)").refused("test row");
}

#[test]
fn way_2_rows_made_of_test_rows_and_their_truth_stay_test_rows() {
    let joined = tried(
        "let rows = task.test.frame().drop(\"split\").join(task.test.truth(\"mine\").select([\"id\", \"label\"]));\n\
         let mine = data::of(rows.with_columns((col(\"text\") + \"!\").alias(\"text\")), #{ test_share: 0.0 });\n\
         model.finetune(mine, mine.truth(\"mine\"), how)",
    );
    joined.refused("test row");
    assert_eq!(joined.met, [(4, "id", "test")], "the texts are others, the frame knows the ids");
    assert_eq!(joined.of_test().first(), Some(&("Data.truth", 4, "mine")));
    let by_hand = tried(
        "let truth = task.test.truth(\"mine\").column(\"label\");\n\
         let rows = task.test.frame().column(\"text\").map(|text, at| #{ text: text, label: truth[at] });\n\
         let mine = data::of(rows, #{ test_share: 0.0 });\n\
         model.finetune(mine, mine.truth(\"mine\"), how)",
    );
    by_hand.refused("test row");
    assert_eq!(by_hand.met, [(4, "input", "test")], "no frame, no id: the text");
    assert!(
        by_hand.warnings.iter().any(|text| text.starts_with("4 rows of `rows` are test rows")),
        "{:?}",
        by_hand.warnings
    );
}

#[test]
fn way_3_choosing_and_stopping_by_a_test_metric_is_recorded() {
    let chosen = tried(
        "let best = [1, 2, 3].map(|seed| model.finetune(task.train, task.train.truth(\"supervisor\"), how + #{ seed: seed }));\n\
         best.map(|model| metric::accuracy(model.predict(task.test), task.test))",
    );
    chosen.ran();
    assert_eq!(chosen.of_test(), [("metric::accuracy", 4, "evaluation"); 3]);
    let stopped = tried(
        "model.finetune(task.train, task.train.truth(\"supervisor\"), how + #{ oracle_validation: #{ data: task.test, every: 1 } })",
    );
    stopped.ran();
    assert_eq!(stopped.of_test(), [("model::finetune", 4, "oracle early stopping")]);
    let uses = |split: &str, purpose: &str| ("model::finetune".to_owned(), split.to_owned(), purpose.to_owned());
    let uses: BTreeSet<_> = [uses("train", "supervisor"), uses("test", "oracle early stopping")].into();
    assert_eq!(stopped.uses.into_iter().collect::<BTreeSet<_>>(), uses);
}

#[test]
fn way_4_every_score_against_a_frame_of_truth_is_recorded() {
    let scored = tried(
        "let weak = model.finetune(task.train, task.train.truth(\"supervisor\"), how).predict(task.test);\n\
         let truth = task.test.truth(\"mine\");\n\
         for i in 0..5 { metric::accuracy(weak, truth.sort(\"id\")); }",
    );
    scored.ran();
    assert_eq!(scored.of_test(), [("Data.truth", 4, "mine")]);
    let of_test = scored.uses.iter().filter(|(by, split, purpose)| {
        (by.as_str(), split.as_str(), purpose.as_str()) == ("metric::accuracy", "test", "mine")
    });
    assert_eq!(of_test.count(), 5);
}

#[test]
fn way_5_truth_that_a_loss_captures_is_named_by_the_training() {
    let trained = tried(
        "let truth = task.train.truth(\"captured\"); let weak = model.finetune(task.train, task.train.truth(\"supervisor\"), how);\n\
         let labels = weak.label(task.train);\n\
         let mine = |logits, weak, at| { truth.n_rows; logits.cross_entropy(weak) };\n\
         model.finetune(task.train, labels, how + #{ loss: mine })",
    );
    trained.ran();
    assert!(
        trained.uses.contains(&("model::finetune".into(), "train".into(), "captured".into())),
        "{:?}",
        trained.uses
    );
}

#[test]
fn way_6_truth_that_a_loss_reads_is_recorded_and_nothing_is_looked_up() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("rows.csv"), rows_csv()).expect("written");
    let code = format!(
        "{BEGIN}let labels = task.train.truth(\"supervisor\");\n\
         let mine = |logits, weak, at| {{ task.test.truth(\"inside\"); logits.cross_entropy(weak) }};\n\
         model.finetune(task.train, labels, how + #{{ loss: mine }})"
    );
    for _ in 0..2 {
        let trained = told(&mut session_in(folder.path()), &code);
        trained.ran();
        assert_eq!(trained.of_test(), [("Data.truth", 4, "inside"); 2], "once a step, in a second run too");
    }
}

#[test]
fn way_7_truth_that_goes_through_a_file_of_the_run_keeps_its_readings() {
    for (write, read) in [
        ("write_csv(\"t.csv\")", "frame::read_csv(\"t.csv\")"),
        ("write_parquet(\"t.parquet\")", "frame::read_parquet(\"t.parquet\")"),
    ] {
        let saved = tried(&format!(
            "task.test.frame().drop(\"split\").join(task.test.truth(\"saved\")).{write};\n\
             let weak = model.finetune(task.train, task.train.truth(\"supervisor\"), how).predict(task.test);\n\
             let back = {read};\n\
             metric::accuracy(weak, back.select([\"id\", \"label\"]));\n\
             let mine = data::of(back.with_columns((col(\"text\") + \"!\").alias(\"text\")), #{{ test_share: 0.0 }});\n\
             model.finetune(mine, mine.truth(\"mine\"), how)"
        ));
        saved.refused("test row");
        assert!(saved.uses.contains(&("metric::accuracy".into(), "test".into(), "saved".into())), "{:?}", saved.uses);
        assert_eq!(saved.met, [(4, "id", "test")], "{write}");
    }
    let loaded = tried(
        "task.test.frame().drop(\"split\").join(task.test.truth(\"saved\").select([\"id\", \"label\"])).write_csv(\"t.csv\");\n\
         data::load(\"t.csv\", #{ test_share: 0.0, text: |row| row.text + \"!\" }).train",
    );
    loaded.refused("has no train rows");
}

#[test]
fn way_8_a_file_of_another_run_is_named_and_what_parquet_holds_is_known() {
    let folder = tempfile::tempdir().expect("a folder");
    let other = folder.path().join("runs/other-001");
    std::fs::create_dir_all(&other).expect("made");
    std::fs::write(folder.path().join("rows.csv"), rows_csv()).expect("written");
    let made = told(
        &mut session_in(folder.path()),
        &format!("{BEGIN}task.test.truth(\"left\").write_parquet(\"t.parquet\");"),
    );
    made.ran();
    std::fs::rename(folder.path().join("t.parquet"), other.join("t.parquet")).expect("moved");
    std::fs::write(other.join("record.json"), "{}").expect("written");
    let code = format!(
        "{BEGIN}let weak = model.finetune(task.train, task.train.truth(\"supervisor\"), how).predict(task.test);\n\
         metric::accuracy(weak, frame::read_parquet(\"runs/other-001/t.parquet\"))"
    );
    let read = told(&mut session_in(folder.path()), &code);
    read.ran();
    assert!(read.warnings.iter().any(|text| text.contains("was left by another run")), "{:?}", read.warnings);
    assert!(read.uses.contains(&("metric::accuracy".into(), "test".into(), "left".into())), "{:?}", read.uses);
}

#[test]
fn way_9_the_source_file_read_as_a_table_is_a_reading_of_truth() {
    let after = tried("metric::kappa(frame::read_csv(\"rows.csv\").select([\"id\", \"label\"]), 1)");
    assert_eq!(after.of_test(), [("frame::read_csv", 16, "a table with the classes")]);
    assert_eq!(after.reads[0].form, Form::File);
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("rows.csv"), rows_csv()).expect("written");
    let before = told(&mut session_in(folder.path()), &format!("let table = frame::read_csv(\"rows.csv\"); {BEGIN}"));
    before.ran();
    assert_eq!(before.of_test(), [("frame::read_csv", 16, "a table with the classes")], "told when it is known");
}

#[test]
fn way_10_the_same_file_loaded_again_has_the_same_test_rows() {
    let again =
        "let again = data::load(\"rows.csv\", #{ split: |row| if row.id == \"r15\" { \"test\" } else { \"train\" } });";
    let turned = tried(&format!("{again} [again.train.n_rows, again.test.n_rows]"));
    turned.ran();
    assert_eq!((turned.value.as_str(), &turned.met[..]), ("[12, 4]", &[(3, "id", "test")][..]));
    let reworded = tried(
        "data::load(\"rows.csv\", #{ split: |row| \"train\", text: |row| row.text + \"!\", id: |row| row.id }).test.n_rows",
    );
    assert_eq!((reworded.value.as_str(), &reworded.met[..]), ("4", &[(4, "id", "test")][..]), "by the id");
    let let_in = tried("data::load(\"rows.csv\", #{ split: |row| \"train\", keep_test: false }).train.n_rows");
    assert_eq!((let_in.value.as_str(), &let_in.met[..]), ("16", &[(4, "id", "train")][..]), "asked for, and recorded");
    let same = tried("data::load(\"rows.csv\").train.n_rows");
    assert_eq!((same.value.as_str(), same.met.len(), same.warnings.len()), ("12", 0, 0), "nothing to say");
}

/// Runs a script in a folder with `plain.csv`, whose rows do not say which of them are test rows.
fn tried_plain(code: &str) -> Told {
    let folder = tempfile::tempdir().expect("a folder");
    let row = |n: usize| format!("r{n},{} dog number {n},{}\n", ["good", "bad"][n % 2], ["yes", "no"][n % 2]);
    std::fs::write(folder.path().join("plain.csv"), format!("id,text,label\n{}", (0..60).map(row).collect::<String>()))
        .expect("written");
    told(&mut session_in(folder.path()), code)
}

#[test]
fn another_seed_of_a_drawn_split_is_a_draw_of_its_own() {
    let sizes = "|seed| { let task = data::load(\"plain.csv\", #{ seed: seed }); [task.train.n_rows, task.test.n_rows, script::digest(task)] }";
    let alone = tried_plain(&format!("let of = {sizes}; of.call(2)"));
    let after = tried_plain(&format!("let of = {sizes}; of.call(0); of.call(1); of.call(2)"));
    alone.ran();
    assert_eq!(alone.value, after.value, "the draws before it change nothing");
    assert!(
        after.met.len() == 2 && after.met.iter().all(|(n, by, became)| *n > 0 && (*by, *became) == ("seed", "train"))
    );
    assert_eq!(after.warnings.len(), 0, "{:?}", after.warnings);
    let share = tried_plain(
        "data::load(\"plain.csv\", #{ seed: 0 }); data::load(\"plain.csv\", #{ seed: 0, test_share: 0.0 }).test.n_rows",
    );
    assert_eq!((share.value.as_str(), share.met[0].1), ("12", "id"), "another share is not another draw");
}

#[test]
fn a_model_that_has_seen_a_row_does_not_predict_it_as_a_test_row() {
    let train = "let one = data::load(\"plain.csv\", #{ seed: 0 });\n\
        let other = data::load(\"plain.csv\", #{ seed: 1 });\n\
        let base = model::untrained(one, #{ width: 8, layers: 1, seed: 1 });\n\
        let model = base.finetune(one.train, one.train.truth(\"mine\"), #{ steps: 2, seed: 2 });\n";
    let seen = "of the 12 test rows of `plain.csv`, under another draw of its split";
    for use_of in [
        "model.predict(other.test)",
        "model.label(other)",
        "model.finetune(one.train.take([0]), one.train.truth(\"on\"), #{ steps: 1 }).predict(other.test)",
    ] {
        tried_plain(&format!("{train}{use_of}")).refused(seen);
    }
    for fine in [
        "model.predict(one.test)",
        "model.predict(other.train)",
        "base.finetune(other.train, other.train.truth(\"mine\"), #{ steps: 1 }).predict(other.test)",
    ] {
        tried_plain(&format!("{train}{fine}")).ran();
    }
}

#[test]
fn cells_of_a_sweep_do_not_know_each_others_test_rows() {
    // Each cell's file holds the test rows of the one before as train rows.
    let cells = "|n| { let rows = []; for i in 0..20 { rows.push(#{ id: `r${i}`, text: `dog ${i}`, label: if i % 2 == 0 { \"a\" } else { \"b\" },\n\
        split: if i / 5 == n { \"test\" } else { \"train\" } }); } data::of(rows, #{ name: \"set\" }).test.n_rows }";
    let swept =
        tried_plain(&format!("let at = {cells}; let found = sweep::map([0, 1, 2], at); found.push(at.call(3)); found"));
    swept.ran();
    assert_eq!(swept.value, "[5, 5, 5, 20]", "after the sweep all of them are known");
}

#[test]
fn way_11_every_reading_says_split_rows_and_purpose() {
    let read = tried(
        "task.test.truth(\"one\"); task.test.truth(\"two\"); task.test.take([3]).truth(\"part\"); task.truth(\"all\");",
    );
    read.ran();
    assert_eq!(
        read.of_test(),
        [("Data.truth", 4, "one"), ("Data.truth", 4, "two"), ("Data.truth", 1, "part"), ("Data.truth", 16, "all")]
    );
    assert_eq!(read.reads[3].split, "train and test");
    assert_eq!(read.reads[0].digest, read.reads[1].digest);
    assert_ne!(read.reads[0].digest, read.reads[2].digest);
}

#[test]
fn way_12_a_draw_by_class_is_refused_or_recorded() {
    let chosen = "test rows of `rows.csv` that were chosen one by one are not balanced by class";
    for draw in ["sample(2, 0)", "halves(0)", "split([0.5], 0)", "balance(0)"] {
        let oracle = tried(&format!("task.test.take([0, 1]).{draw}"));
        oracle.refused(chosen);
        assert_eq!(oracle.reads.len(), 0);
    }
    for draw in ["sample(2, 0)", "halves(0)", "split([0.5], 0)", "balance(0)"] {
        let drawn = tried(&format!("task.test.{draw}"));
        drawn.ran();
        let by = format!("data::{}", draw.split('(').next().expect("a name"));
        assert_eq!(drawn.of_test(), [(by.as_str(), 4, "balance by class")]);
        assert_eq!(drawn.reads[0].form, Form::Draw);
        let train = tried(&format!("task.train.take([0, 1]).{draw}"));
        assert_eq!((train.reads[0].split.as_str(), train.reads[0].n_rows), ("train", 2));
    }
    for draw in [
        "sample(2, 0, #{ balanced: false })",
        "halves(0, #{ balanced: false })",
        "split([0.5], 0, #{ balanced: false })",
    ] {
        let blind = tried(&format!("task.test.take([0, 1, 2]).{draw}"));
        blind.ran();
        assert_eq!(blind.reads.len(), 0);
    }
    let small = tried("data::load(\"rows.csv\", #{ n_test: 2, seed: 5 }).test.n_rows");
    assert_eq!(small.of_test(), [("data::load", 4, "balance by class")]);
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("open.csv"), rows_csv().replace("split", "side")).expect("written");
    let drawn = told(&mut session_in(folder.path()), "data::load(\"open.csv\").test.n_rows");
    assert_eq!(drawn.of_test(), [("data::load", 16, "balance by class")], "test rows that the file does not state");
}

#[test]
fn way_13_the_lexicon_is_an_oracle() {
    let words = tried("world::lexicon(world::language()).head(3)");
    words.ran();
    let reading = &words.reads[0];
    assert_eq!((reading.form, reading.by.as_str(), reading.purpose.as_str()), (Form::Rule, "world::lexicon", "oracle"));
    assert_eq!(reading.split, "train and test and vault");
}

#[test]
fn way_14_another_seed_of_a_world_task_is_recorded() {
    let sizes = "n_train: 300, n_test: 300";
    let both = tried(&format!(
        "data::load(\"world/mood\", #{{ version: 1, seed: 0, {sizes} }}); data::load(\"world/mood\", #{{ version: 1, seed: 1, {sizes} }}).train.n_rows"
    ));
    both.ran();
    assert_eq!(both.value, "300", "no row is moved");
    assert!(both.met.iter().all(|(n, by, became)| *n > 50 && *by == "words" && *became == "train"), "{:?}", both.met);
    assert_eq!(both.met.len(), 2, "the words of each decide test rows of the other");
    let one = tried(&format!(
        "for i in 0..2 {{ data::load(\"world/mood\", #{{ {sizes} }}); data::load(\"world/era\", #{{ {sizes} }}); }}"
    ));
    assert_eq!(one.met.len(), 0);
}

#[test]
fn way_15_test_texts_with_labels_of_ones_own_stay_test_rows() {
    let own = tried(
        "let rows = task.test.frame().column(\"text\").map(|text| #{ text: text, label: if text.contains(\"good\") { 1 } else { 0 }, split: \"train\" });\n\
         let mine = data::of(rows); model.finetune(mine, mine.truth(\"mine\"), how)",
    );
    own.refused("test row");
    assert_eq!(own.met, [(4, "input", "test")]);
    let spaced = tried(
        "data::of(task.test.frame().column(\"text\").map(|text| #{ text: \"  \" + text + \" \" }), #{ classes: [\"no\", \"yes\"], test_share: 0.0 }).n_rows",
    );
    assert_eq!(spaced.met, [(4, "input", "test")], "white space at the ends makes no other text");
}

#[test]
fn repeated_texts_stay_on_one_side_or_are_counted() {
    let folder = tempfile::tempdir().expect("a folder");
    let rows: String = (0..40).map(|n| format!("text {},{},g{n}\n", n / 2, n / 2 % 2)).collect();
    std::fs::write(folder.path().join("twice.csv"), format!("text,label,group\n{rows}")).expect("written");
    let code = "let d = data::load(\"twice.csv\", #{ test_share: 0.5 }); let seen = d.train.frame().column(\"text\");\n\
                let halves = d.train.halves(0); let one = halves[0].frame().column(\"text\");\n\
                [d.test.frame().column(\"text\").filter(|text| text in seen).len(), halves[1].frame().column(\"text\").filter(|text| text in one).len()]";
    let drawn = told(&mut session_in(folder.path()), code);
    drawn.ran();
    assert_eq!(drawn.value, "[0, 0]", "groups that hold one text are one group");
    assert_eq!(drawn.warnings.len(), 0, "{:?}", drawn.warnings);
    let stated: String =
        (0..40).map(|n| format!("text {},{},{}\n", n / 2, n / 2 % 2, ["train", "test"][n % 2])).collect();
    std::fs::write(
        folder.path().join("stated.csv"),
        format!("text,label,split\n{stated}").replace("text 19,1,train", "text,1,train"),
    )
    .expect("written");
    let stated = told(&mut session_in(folder.path()), "data::load(\"stated.csv\").test.n_rows");
    let said = "19 test rows of `stated.csv` have the same input as a train row";
    assert!(stated.warnings.iter().any(|text| text.starts_with(said)), "{:?} {}", stated.warnings, stated.error);
}

#[test]
fn the_fifteen_ways_stand_in_the_documentation() {
    let text = std::fs::read_to_string(root().join("docs/record.md")).expect("docs/record.md");
    for way in 1..=15 {
        assert!(text.contains(&format!("| {way} |")), "way {way} is missing");
    }
}
