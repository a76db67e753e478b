//! From records with a chosen and a rejected text to a data set of preferences.

use crate::core::random::Random;
use crate::data::columns::{self, Cells, Places, check_test_share, named, with_test_rows};
use crate::data::read::Records;
use crate::data::{Arena, DataError, Input, Prompt, Row, Source, Target};

/// Which columns mean what. A column that is not named is used under its own name.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Mapping {
    pub prompt: Option<String>,
    pub chosen: Option<String>,
    /// One text, or an array of several.
    pub rejected: Option<String>,
    /// Stands between a prompt and a continuation where neither has white space there: [`SEPARATOR`] without it.
    pub between: Option<String>,
    /// Where a row belongs: its `id`, `group`, `split` and `difficulty`.
    pub places: columns::Mapping,
}

/// What stands between a prompt and a continuation where nothing else is said.
pub const SEPARATOR: &str = " ";

/// Whether records are pairs by their own columns: they have `chosen` and `rejected`, and no `label`.
pub fn applies(records: &Records) -> bool {
    let has = |column| records.column(column).is_ok();
    has("chosen") && has("rejected") && !has("label")
}

/// A data set of preferences from records.
///
/// Which continuation comes first is drawn by `seed` row by row, so that its place says nothing. Without groups rows with
/// the same prompt are one group; without prompts, rows with the same continuations in any order. So neither both orders
/// of a pair nor two pairs of one prompt are on two sides of a split.
pub fn source(
    records: &Records,
    name: &str,
    mapping: &Mapping,
    test_share: f64,
    seed: u64,
) -> Result<Source, DataError> {
    check_test_share(test_share)?;
    let column = |given: &Option<String>, own: &str| records.column(given.as_deref().unwrap_or(own));
    let (chosen, rejected) = (column(&mapping.chosen, "chosen")?, column(&mapping.rejected, "rejected")?);
    let prompt = named(records, &mapping.prompt, "prompt")?;
    let places = Places::of(records, &mapping.places)?;
    let separator = mapping.between.as_deref().unwrap_or(SEPARATOR);
    let cells = Cells { records };
    let mut random = Random::new(seed, "preference/order");
    let (mut rows, mut truth): (Vec<Row>, Vec<f32>) = (Vec::new(), Vec::new());
    let mut names = Arena::default();
    for idx in 0..records.len() {
        let text =
            prompt.map_or_else(|| Ok(String::new()), |column| cells.text(idx, column).map(|text| text.to_string()))?;
        let preferred = cells.text(idx, chosen)?.to_string();
        let mut texts = cells.texts(idx, rejected)?;
        if texts.iter().any(|text| text.trim() == preferred.trim()) {
            return Err(cells.misfit(idx, rejected, "another text than the chosen one"));
        }
        let at = random.below(texts.len() + 1);
        texts.insert(at, preferred);
        truth.extend((0..texts.len()).map(|idx| f32::from(u8::from(idx == at))));
        rows.push(places.row(&cells, idx, joined(text, texts, separator), &mut names)?);
    }
    drop(names);
    let source = Source::unnamed(name, rows, Target::Preference { truth: Some(truth) })?;
    if places.split.is_some() || test_share == 0.0 {
        Ok(source.named())
    } else {
        with_test_rows(source, test_share, seed)
    }
}

/// A prompt with its continuations, the separator before each where there is no white space.
pub(super) fn joined(text: String, mut continuations: Vec<String>, separator: &str) -> Input {
    let is_open = !text.is_empty() && !text.ends_with(char::is_whitespace);
    for continuation in &mut continuations {
        if is_open && !continuation.starts_with(char::is_whitespace) {
            continuation.insert_str(0, separator);
        }
    }
    Input::Prompt(Box::new(Prompt { text, continuations }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::context::Context;
    use crate::data::read::{parse_csv, parse_jsonl};
    use crate::data::{Data, Split};
    use crate::frames::text::Dialect;
    use std::collections::BTreeSet;
    use std::sync::Arc;

    fn jsonl(lines: &[String]) -> Records {
        parse_jsonl(&Context::for_tests(), "a.jsonl", lines.join("\n").as_bytes()).expect("well-formed")
    }

    fn pair(prompt: &str, chosen: &str, rejected: &str) -> String {
        format!(r#"{{"prompt": "{prompt}", "chosen": "{chosen}", "rejected": "{rejected}"}}"#)
    }

    fn why(lines: &[String]) -> String {
        source(&jsonl(lines), "a", &Mapping::default(), 0.0, 0).map(|_| ()).expect_err("misfit").to_string()
    }

    fn texts(row: &Row) -> Vec<&str> {
        row.input.texts().collect()
    }

    #[test]
    fn the_order_of_a_row_is_drawn_and_the_truth_goes_with_it() {
        let lines: Vec<String> = (0..400).map(|idx| pair(&format!("q{idx}"), "good", "bad")).collect();
        let made = |seed| {
            let source = source(&jsonl(&lines), "a", &Mapping::default(), 0.0, seed).expect("fits");
            Data::new(Arc::new(source))
        };
        let data = made(0);
        let truth = data.truth(&Context::for_tests(), "test", "a test").expect("known");
        let labels = truth.classes("label").expect("labels").values;
        for (row, label) in data.rows().zip(&labels) {
            assert_eq!(texts(row)[1 + label], " good", "{row:?}");
            assert_eq!(texts(row)[2 - label], " bad", "{row:?}");
        }
        let n_first = labels.iter().filter(|label| **label == 0).count();
        // Half of 400, within four standard deviations of 10.
        assert!((160..=240).contains(&n_first), "{n_first}");
        assert_ne!(made(1).digest(), data.digest());
        assert_eq!(made(0).digest(), data.digest());
    }

    #[test]
    fn white_space_between_prompt_and_continuation_is_added_where_there_is_none() {
        let lines = [pair("q", "a", " b"), pair("q ", "a", "b"), r#"{"chosen": "a", "rejected": "b"}"#.to_owned()];
        let rows =
            |lines: &[String], mapping: &Mapping| source(&jsonl(lines), "a", mapping, 0.0, 0).expect("fits").rows;
        let sorted = |row: &Row| texts(row).into_iter().map(str::to_owned).collect::<BTreeSet<String>>();
        let set = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<BTreeSet<_>>();
        let read = rows(&lines[..2], &Mapping::default());
        assert_eq!(sorted(&read[0]), set(&["q", " a", " b"]));
        assert_eq!(sorted(&read[1]), set(&["q ", "a", "b"]));
        let mapping = Mapping { between: Some("\n\n".into()), ..Mapping::default() };
        assert_eq!(sorted(&rows(&lines[..1], &mapping)[0]), set(&["q", "\n\na", " b"]));
        let bare = rows(&lines[2..], &Mapping::default());
        assert_eq!(sorted(&bare[0]), set(&["", "a", "b"]));
    }

    #[test]
    fn misfits_name_line_and_field() {
        let good = || pair("q", "a", "b");
        let part = |line: &str| why(&[good(), line.to_owned()]);
        assert_eq!(
            part(r#"{"prompt": "q", "chosen": "x", "rejected": "x "}"#),
            "`a.jsonl` line 2, field `rejected`: expected another text than the chosen one, got the text `x `"
        );
        assert!(
            part(r#"{"prompt": "q", "chosen": " ", "rejected": "x"}"#)
                .contains("line 2, field `chosen`: expected text, got empty")
        );
        assert!(part(r#"{"prompt": "q", "chosen": "x"}"#).contains("line 2, field `rejected`: expected texts"));
        assert!(part(r#"{"prompt": "q", "chosen": "x", "rejected": ["y", ""]}"#).contains("line 2, field `rejected`"));
        assert!(
            part(r#"{"prompt": 3, "chosen": "x", "rejected": "y"}"#)
                .contains("field `prompt`: expected text, got the number `3`")
        );
        assert!(part(r#"{"prompt": "q", "chosen": "x", "rejected": ["y", "z"]}"#).contains("3 continuations, row 1 2"));
        assert!(why(&[r#"{"chosen": "x"}"#.to_owned()]).contains("there is no column `rejected`"));
    }

    #[test]
    fn several_rejected_texts_and_tables_of_text_are_read() {
        let lines = [r#"{"prompt": "q", "chosen": "a", "rejected": ["b", "c"], "id": "k"}"#.to_owned()];
        let read = source(&jsonl(&lines), "a", &Mapping::default(), 0.0, 3).expect("fits");
        assert_eq!(read.classes, ["first", "second", "3rd"]);
        assert_eq!(read.rows[0].id, "k");
        let csv = "question,better,worse,split\nq,a,b,train\nr,c,d,test\n";
        let records = parse_csv(
            &Context::for_tests(),
            "a.csv",
            csv.as_bytes(),
            Dialect::of("a.csv", None, None).expect("CSV"),
            None,
        )
        .expect("well-formed");
        let mapping = Mapping {
            prompt: Some("question".into()),
            chosen: Some("better".into()),
            rejected: Some("worse".into()),
            ..Mapping::default()
        };
        let read = source(&records, "a", &mapping, 0.2, 0).expect("fits");
        assert_eq!(read.rows.iter().map(|row| row.split).collect::<Vec<_>>(), [Split::Train, Split::Test]);
        assert!(!applies(&records) && applies(&jsonl(&lines)));
    }

    #[test]
    fn pairs_of_one_prompt_and_both_orders_of_a_pair_never_straddle_a_split() {
        let mut lines = Vec::new();
        for idx in 0..60 {
            lines.push(pair(&format!("q{}", idx / 3), &format!("a{idx}"), &format!("b{idx}")));
        }
        let mut bare = Vec::new();
        for idx in 0..60 {
            // Both orders of a pair, as annotators who disagree give them.
            let (one, two) = (format!("a{}", idx / 2), format!("b{}", idx / 2));
            let (one, two) = if idx % 2 == 0 { (one, two) } else { (two, one) };
            bare.push(format!(r#"{{"chosen": "{one}", "rejected": "{two}"}}"#));
        }
        for (lines, size) in [(lines, 3), (bare, 2)] {
            for seed in 0..5 {
                let data =
                    Data::new(Arc::new(source(&jsonl(&lines), "a", &Mapping::default(), 0.3, seed).expect("fits")));
                let groups = |data: &Data| data.rows().map(|row| row.group.clone()).collect::<BTreeSet<_>>();
                assert_eq!(groups(&data).len(), 60 / size);
                assert!(groups(&data.train()).is_disjoint(&groups(&data.test())));
                let [one, two] = data.train().halves(seed).expect("halves");
                assert!(groups(&one).is_disjoint(&groups(&two)));
            }
        }
    }
}
