//! The vault: what can be seen of it, how it is scored, and what the store, the record and `verify` keep of that.

use crate::peeking::told;
use crate::record::w2s;
use crate::support::session_in;
use std::path::Path;
use w2s::data::Split;

const BEGIN: &str = "let task = data::load(\"rows.csv\", #{ vault: 0.5 });\n\
    let always = |class| { let ids = task.vault.frame().column(\"id\"); frame::of(#{ id: ids, prediction: ids.map(|id| class) }) };\n";

/// Forty rows, of which sixteen state that they are test rows.
fn rows() -> String {
    let row =
        |n: usize| format!("r{n},text number {n},{},{}\n", ["no", "yes"][n % 2], if n < 24 { "train" } else { "test" });
    format!("id,text,label,split\n{}", (0..40).map(row).collect::<String>())
}

fn tried(folder: &Path, code: &str) -> (String, String, crate::peeking::Told) {
    std::fs::write(folder.join("rows.csv"), rows()).expect("written");
    let told = told(&mut session_in(folder), &format!("{BEGIN}{code}"));
    (told.value.clone(), told.error.clone(), told)
}

#[test]
fn a_vault_is_a_part_of_the_test_rows_and_is_not_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let value = |code: &str| tried(folder.path(), code).0;
    assert_eq!(value("[task.train.n_rows, task.test.n_rows, task.vault.n_rows]"), "[24, 8, 8]");
    assert_eq!(value("`${task}`"), "rows.csv: train 24 (no 12, yes 12), test 8 (no 4, yes 4), vault 8");
    assert_eq!(value("task.vault.frame().column(\"text\").len()"), "8");
    let four = told(&mut session_in(folder.path()), "data::load(\"rows.csv\", #{ vault: 4 }).vault.n_rows");
    assert_eq!(four.value, "4");
    assert_eq!(
        value("data::load(\"rows.csv\", #{ vault: 4 }).vault.n_rows"),
        "8",
        "those of the first vault stay there"
    );
    let refused = |code: &str| tried(folder.path(), code).1;
    let read = "would read the classes of";
    for code in [
        "task.vault.truth(\"mine\")",
        "task.truth(\"mine\")",
        "metric::accuracy(always.call(0), task.vault)",
        "task.vault.sample(2, 0)",
        "task.vault.halves(0)",
        "task.balance(0)",
    ] {
        assert!(refused(code).contains(read), "{code}: {}", refused(code));
    }
    assert!(refused("let m = model::untrained(task.train, #{ width: 8, layers: 1 }); m.finetune(task.vault, always.call(0), #{ steps: 1 })").contains("test row"));
    assert!(refused("data::load(\"rows.csv\", #{ vault: 1.5 })").contains("does not fit into the 16 test rows"));
    assert!(refused("data::load(\"rows.csv\", #{ vault: 16 })").contains("does not fit into the 16 test rows"));
    assert!(refused("data::load(\"rows.csv\", #{ vault: \"all\" })").contains("vault"));
}

#[test]
fn who_was_in_a_vault_stays_there() {
    let folder = tempfile::tempdir().expect("a folder");
    for code in [
        "data::load(\"rows.csv\").truth(\"again\")",
        "data::load(\"rows.csv\", #{ split: |row| \"test\", keep_test: false }).truth(\"again\")",
        "data::of(task.vault.frame().column(\"text\").map(|text, at| #{ text: text, label: at % 2 }), #{ test_share: 0.0 }).truth(\"mine\")",
        "data::of(task.vault.frame().drop(\"split\").with_columns((col(\"text\") + \"!\").alias(\"text\")), #{ classes: [\"no\", \"yes\"] }).vault.truth(\"mine\")",
    ] {
        let (_, error, told) = tried(folder.path(), code);
        assert!(error.contains("vault rows of") && error.contains("never read"), "{code}: {error}");
        assert!(told.met.iter().any(|(n, _, became)| *n == 8 && *became == "vault"), "{code}: {:?}", told.met);
    }
    let world = told(
        &mut session_in(folder.path()),
        "let n = #{ n_train: 40, n_test: 40 }; let first = data::load(\"world/mood\", n + #{ vault: 0.5 });\n\
         [first.vault.n_rows, data::load(\"world/mood\", n).vault.n_rows]",
    );
    let numbers: Vec<&str> = world.value.trim_matches(['[', ']']).split(", ").collect();
    assert!(numbers.len() == 2 && numbers[0] == numbers[1] && numbers[0] != "0", "{} {}", world.value, world.error);
    let drawn = rows().replace("split", "side");
    std::fs::write(folder.path().join("drawn.csv"), drawn).expect("written");
    let of_drawn = told(
        &mut session_in(folder.path()),
        "data::load(\"drawn.csv\", #{ test_share: 0.5, vault: 0.5 }).vault.n_rows",
    );
    assert_eq!((of_drawn.value.as_str(), of_drawn.reads[0].split.as_str()), ("10", "train and test and vault"));
    let stated = rows().replace("r39,text number 39,yes,test", "r39,text number 39,yes,vault");
    std::fs::write(folder.path().join("stated.csv"), stated).expect("written");
    let of_file = told(&mut session_in(folder.path()), "data::load(\"stated.csv\").vault.n_rows");
    assert_eq!(of_file.value, "1");
}

#[test]
fn openings_are_counted_by_what_was_predicted() {
    let folder = tempfile::tempdir().expect("a folder");
    let opened = |code: &str| {
        let (value, error, told) = tried(folder.path(), code);
        (value, error, told.opened)
    };
    let first = opened("metric::vault(always.call(0), task)");
    assert_eq!((first.0.as_str(), first.2.as_slice()), ("0.5", &[(1, 3, true)][..]));
    let again = opened(
        "metric::vault(always.call(0).sort(\"id\", #{ descending: true }), task.vault, #{ metric: \"accuracy\" })",
    );
    assert_eq!(again.2, [(1, 3, false)], "another order is the same opening");
    let more = opened("[0, 1, 1].map(|class| metric::vault(always.call(class), task))");
    assert_eq!(more.2, [(1, 3, false), (2, 3, true), (2, 3, false)]);
    let whole = "let own = always.call(0).with_columns(when(col(\"id\") > \"r30\").then(1).otherwise(0).alias(\"prediction\"));";
    assert_eq!(opened(&format!("{whole} metric::vault(own, task)")).2, [(3, 3, true)]);
    let spent = opened(
        "let own = always.call(0).with_columns(when(col(\"id\") > \"r25\").then(1).otherwise(0).alias(\"prediction\")); metric::vault(own, task)",
    );
    assert!(spent.1.contains("3 are its budget") && spent.2.is_empty(), "{}", spent.1);
    assert_eq!(opened("metric::vault(always.call(1), task)").2, [(2, 3, false)], "what was scored stays free");
    let raised = opened("metric::vault(always.call(1), task, #{ budget: 9 })");
    assert!(raised.1.contains("a budget of 3 when it was first opened"), "{}", raised.1);
    let missing = opened("metric::vault(always.call(0).head(2), task)");
    assert!(missing.1.contains("missing"), "{}", missing.1);
    assert_eq!(Split::Vault.name(), "vault");
}

#[test]
fn record_page_and_appendix_say_which_opening_it_was_and_verify_counts_anew() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    std::fs::write(folder.join("rows.csv"), rows()).expect("written");
    for (script, class) in [("a.rhai", 0), ("b.rhai", 1)] {
        let code = format!("{BEGIN}print(metric::vault(always.call({class}), task));");
        std::fs::write(folder.join(script), code).expect("written");
        let (code, _, err) = w2s(folder, &["script", "--quiet", script]);
        assert_eq!(code, 0, "{err}");
    }
    let said = "opening 2 of 3 in this store: accuracy on the 8 vault rows of rows.csv";
    for file in ["report.html", "appendix.md"] {
        let text = std::fs::read_to_string(folder.join("runs/b-001").join(file)).expect("written");
        assert!(text.contains(said), "{file}");
    }
    let (_, shown, _) = w2s(folder, &["show", "b-001"]);
    assert!(shown.contains("openings of a vault") && shown.contains("2 of 3"), "{shown}");
    let (code, out, err) = w2s(folder, &["verify", "b-001"]);
    assert_eq!(code, 0, "{out}{err}");
    let (code, _, err) = w2s(folder, &["script", "--quiet", "--plan", "b.rhai"]);
    assert_eq!(code, 0, "{err}");
    let ledgers: Vec<_> = std::fs::read_dir(folder.join("store/ledger")).expect("there").collect();
    let ledger = ledgers.iter().flatten().find(|entry| entry.path().extension().is_some_and(|ending| ending == "json"));
    let text = std::fs::read_to_string(ledger.expect("one").path()).expect("text");
    let ledger: serde_json::Value = serde_json::from_str(&text).expect("json");
    assert_eq!(ledger["openings"].as_array().map(Vec::len), Some(2), "neither a rerun nor a plan opened it: {text}");
    assert_eq!(w2s(folder, &["store", "gc", "--max-size", "1KB"]).0, 0);
    assert!(folder.join("store/ledger").is_dir(), "a collection leaves it");
}
