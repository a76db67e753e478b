//! From records to a data set: which column is the text, the label, the id, the group, the split, the difficulty.

use super::read::{Records, describe};
use super::{Data, DataError, MAX_CLASSES, MAX_NAME, MAX_TEXT, Row, Source, Split};
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Which columns mean what. A column that is not named is used under its own name (`text`, `label`, `id`, `group`,
/// `split`, `difficulty`) where there is one.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Mapping {
    pub text: Option<String>,
    pub label: Option<String>,
    pub id: Option<String>,
    pub group: Option<String>,
    pub split: Option<String>,
    pub difficulty: Option<String>,
    /// Class names in order; without them the labels' own values, sorted.
    pub classes: Option<Vec<String>>,
}

/// A data set from records.
///
/// A label is a class name, or an index where names are given. Without ids rows are numbered from 0 in file order;
/// without groups rows with the same text are one group, so that no text is on two sides of a split. Without a split
/// column about `test_share` of the rows, by group, balanced by class and drawn by `seed`, are test rows.
pub fn source(
    records: &Records,
    name: &str,
    mapping: &Mapping,
    test_share: f64,
    seed: u64,
) -> Result<Source, DataError> {
    if !(0.0..1.0).contains(&test_share) {
        return Err(DataError::TestShare { share: test_share });
    }
    let text = records.column(mapping.text.as_deref().unwrap_or("text"))?;
    let named = |given: &Option<String>, own: &str| match given {
        Some(column) => records.column(column).map(Some),
        None => Ok(records.column(own).ok()),
    };
    let (id, group) = (named(&mapping.id, "id")?, named(&mapping.group, "group")?);
    let (split, difficulty) = (named(&mapping.split, "split")?, named(&mapping.difficulty, "difficulty")?);
    let label = named(&mapping.label, "label")?;
    if label.is_none() && mapping.classes.is_none() {
        // Says which columns there are.
        records.column("label")?;
    }
    let cells = Cells { records };
    let mut rows = Vec::with_capacity(records.records.len());
    for idx in 0..records.records.len() {
        let text = cells.text(idx, text)?;
        rows.push(Row {
            id: id.map_or_else(|| Ok(idx.to_string()), |column| cells.name(idx, column))?,
            group: group.map_or_else(|| Ok(text.clone()), |column| cells.name(idx, column))?,
            split: split.map_or(Ok(Split::Train), |column| cells.split(idx, column))?,
            difficulty: difficulty.map_or(Ok(f32::NAN), |column| cells.difficulty(idx, column))?,
            text,
        });
    }
    let (classes, truth) = match label {
        Some(column) => cells.classes(column, mapping.classes.as_deref()).map(|(c, t)| (c, Some(t)))?,
        None => (mapping.classes.clone().unwrap_or_default(), None),
    };
    if let (Some(truth), Some(first)) = (&truth, truth.as_ref().and_then(|truth| truth.first()))
        && truth.iter().all(|class| class == first)
    {
        return Err(DataError::OneClass { name: name.into(), class: classes.get(usize::from(*first)).cloned() });
    }
    let all_train = Source::new(name, rows, classes, truth)?;
    if split.is_some() || test_share == 0.0 { Ok(all_train) } else { with_test_rows(all_train, test_share, seed) }
}

/// Makes about `share` of the rows test rows, by group and balanced by class.
pub fn with_test_rows(source: Source, share: f64, seed: u64) -> Result<Source, DataError> {
    let source = Arc::new(source);
    let n_groups = source.group_of.iter().max().map_or(0, |last| *last as usize + 1);
    let parts = Data::new(source.clone()).split(&[share, 1.0 - share], seed);
    let test = parts.map_err(|_| DataError::NoSide { share, n_groups })?.into_iter().next();
    let test: BTreeSet<&str> = test.iter().flat_map(|data| data.rows()).map(|row| row.id.as_str()).collect();
    let rows = source.rows.iter().cloned().map(|mut row| {
        row.split = if test.contains(row.id.as_str()) { Split::Test } else { Split::Train };
        row
    });
    Source::new(source.name.clone(), rows.collect(), source.classes.clone(), source.truth.clone())
}

/// The cells of records, read as what they are meant to be.
struct Cells<'a> {
    records: &'a Records,
}

impl Cells<'_> {
    fn cell(&self, record: usize, column: usize) -> Option<&Value> {
        self.records.records.get(record)?.cells.get(column)?.as_ref()
    }

    fn misfit(&self, record: usize, column: usize, expected: &str) -> DataError {
        let field = self.records.columns.get(column).map_or("", String::as_str);
        let got = self.cell(record, column).map_or_else(|| "no such field".to_owned(), describe);
        self.records.misfit(record, field, expected, &got)
    }

    fn text(&self, record: usize, column: usize) -> Result<String, DataError> {
        match self.cell(record, column) {
            Some(Value::String(text)) if text.len() > MAX_TEXT => {
                let field = self.records.columns.get(column).map_or("", String::as_str);
                let expected = format!("text of at most {MAX_TEXT} bytes");
                Err(self.records.misfit(record, field, &expected, &format!("{} bytes", text.len())))
            }
            Some(Value::String(text)) if !text.trim().is_empty() => Ok(text.clone()),
            _ => Err(self.misfit(record, column, "text")),
        }
    }

    /// An id or a group: text or an integer.
    fn name(&self, record: usize, column: usize) -> Result<String, DataError> {
        self.scalar(record, column).ok_or_else(|| self.misfit(record, column, "text or an integer"))
    }

    /// Text, an integer or a truth value as text; `None` for anything else, also for empty or overlong text.
    fn scalar(&self, record: usize, column: usize) -> Option<String> {
        match self.cell(record, column)? {
            Value::String(text) if !text.trim().is_empty() && text.len() <= MAX_NAME => Some(text.trim().to_owned()),
            Value::Number(number) if number.is_i64() || number.is_u64() => Some(number.to_string()),
            // Tables of other programs hold integers as floats once a value is missing.
            Value::Number(number) => {
                number.as_f64().filter(|value| value.fract() == 0.0 && value.abs() < 1e15).map(|v| format!("{v:.0}"))
            }
            Value::Bool(value) => Some(value.to_string()),
            _ => None,
        }
    }

    fn split(&self, record: usize, column: usize) -> Result<Split, DataError> {
        match self.scalar(record, column).as_deref().map(str::to_ascii_lowercase).as_deref() {
            Some("train") => Ok(Split::Train),
            Some("test") => Ok(Split::Test),
            _ => Err(self.misfit(record, column, "`train` or `test`")),
        }
    }

    fn difficulty(&self, record: usize, column: usize) -> Result<f32, DataError> {
        let value = match self.cell(record, column) {
            None | Some(Value::Null) => return Ok(f32::NAN),
            Some(Value::Number(number)) => number.as_f64(),
            Some(Value::String(text)) if text.trim().is_empty() => return Ok(f32::NAN),
            Some(Value::String(text)) => text.trim().parse().ok(),
            Some(_) => None,
        };
        let value = value.filter(|value: &f64| (0.0..=1.0).contains(value));
        value.map(|value| value as f32).ok_or_else(|| self.misfit(record, column, "a number between 0 and 1"))
    }

    /// Class names and the class index of every record.
    fn classes(&self, column: usize, given: Option<&[String]>) -> Result<(Vec<String>, Vec<u16>), DataError> {
        let n = self.records.records.len();
        let labels = (0..n).map(|idx| {
            self.scalar(idx, column)
                .ok_or_else(|| self.misfit(idx, column, "a class: text, an integer or true or false"))
        });
        let labels: Vec<String> = labels.collect::<Result<_, _>>()?;
        let classes = match given {
            Some(classes) => classes.to_vec(),
            None => found_classes(&labels)?,
        };
        let expected = || {
            let indices = if given.is_some() {
                format!(", or an index 0..{}", classes.len().saturating_sub(1))
            } else {
                String::new()
            };
            format!("one of {}{indices}", classes.join(", "))
        };
        let index = |(idx, label): (usize, &String)| {
            let by_name = classes.iter().position(|class| class == label);
            let by_index = || label.parse::<usize>().ok().filter(|class| *class < classes.len());
            let class = by_name.or_else(by_index).and_then(|class| u16::try_from(class).ok());
            class.ok_or_else(|| self.misfit(idx, column, &expected()))
        };
        let truth = labels.iter().enumerate().map(index).collect::<Result<_, _>>()?;
        Ok((classes, truth))
    }
}

/// The distinct labels: by number if all are numbers, else by text.
fn found_classes(labels: &[String]) -> Result<Vec<String>, DataError> {
    let distinct: BTreeSet<&String> = labels.iter().collect();
    if distinct.len() > MAX_CLASSES {
        return Err(DataError::TooMany { what: "different labels".into(), n: distinct.len(), most: MAX_CLASSES });
    }
    let mut classes: Vec<String> = distinct.into_iter().cloned().collect();
    if classes.iter().all(|class| class.parse::<i64>().is_ok()) {
        classes.sort_by_key(|class| class.parse::<i64>().unwrap_or_default());
    }
    Ok(classes)
}

#[cfg(test)]
mod tests {
    use super::super::read::parse_jsonl;
    use super::*;
    use crate::core::context::Context;

    fn records(lines: &[&str]) -> Records {
        parse_jsonl(&Context::for_tests(), "a.jsonl", lines.join("\n").as_bytes()).expect("well-formed")
    }

    fn mapping(text: &str, label: &str) -> Mapping {
        Mapping { text: Some(text.into()), label: Some(label.into()), ..Mapping::default() }
    }

    fn made(lines: &[&str], mapping: &Mapping) -> Result<Source, DataError> {
        source(&records(lines), "a", mapping, 0.0, 0)
    }

    fn why(lines: &[&str], mapping: &Mapping) -> String {
        made(lines, mapping).map(|_| ()).expect_err("misfit").to_string()
    }

    const TWO: [&str; 2] = [r#"{"headline": "x", "is_sarcastic": 0}"#, r#"{"headline": "y", "is_sarcastic": 1}"#];

    #[test]
    fn columns_are_mapped_and_classes_found() {
        let source = made(&TWO, &mapping("headline", "is_sarcastic")).expect("fits");
        assert_eq!(source.classes, ["0", "1"]);
        assert_eq!(source.truth, Some(vec![0, 1]));
        assert_eq!(source.rows[1].id, "1");
        let classes = Some(vec!["plain".to_owned(), "sarcastic".to_owned()]);
        let source = made(&TWO, &Mapping { classes, ..mapping("headline", "is_sarcastic") }).expect("fits");
        assert_eq!((source.classes[1].as_str(), source.truth), ("sarcastic", Some(vec![0, 1])));
        let lines = [r#"{"text": "x", "label": "10"}"#, r#"{"text": "y", "label": "9"}"#];
        assert_eq!(made(&lines, &Mapping::default()).expect("fits").classes, ["9", "10"]);
    }

    #[test]
    fn own_columns_are_used_where_there_are_any() {
        let lines = [
            r#"{"text": "x", "label": true, "id": "a", "group": 1, "split": "train", "difficulty": 0.25}"#,
            r#"{"text": "y", "label": false, "id": "b", "group": 2, "split": "Test", "difficulty": null}"#,
        ];
        let source = source(&records(&lines), "a", &Mapping::default(), 0.2, 0).expect("fits");
        assert_eq!(source.classes, ["false", "true"]);
        let row = &source.rows[0];
        assert_eq!((row.id.as_str(), row.group.as_str(), row.difficulty), ("a", "1", 0.25));
        assert_eq!((source.rows[1].split, source.rows[1].difficulty.is_nan()), (Split::Test, true));
    }

    #[test]
    fn misfits_name_row_field_and_what_was_expected() {
        let cases = [
            (r#"{"headline": 3, "is_sarcastic": 1}"#, "line 3, field `headline`: expected text, got the number `3`"),
            (r#"{"headline": " ", "is_sarcastic": 1}"#, "line 3, field `headline`: expected text, got empty text"),
            (r#"{"is_sarcastic": 1}"#, "line 3, field `headline`: expected text, got no such field"),
            (r#"{"headline": "z", "is_sarcastic": null}"#, "line 3, field `is_sarcastic`: expected a class"),
            (r#"{"headline": "z", "is_sarcastic": 0.5}"#, "got the number `0.5`"),
            (r#"{"headline": "z", "is_sarcastic": [1]}"#, "got an array of 1 items"),
        ];
        for (line, part) in cases {
            let said = why(&[TWO[0], TWO[1], line], &mapping("headline", "is_sarcastic"));
            assert!(said.contains(part), "{said}");
        }
        let split = Mapping { split: Some("is_sarcastic".into()), ..mapping("headline", "is_sarcastic") };
        assert!(why(&TWO, &split).contains("expected `train` or `test`, got the number `0`"));
        let classes = Some(vec!["a".to_owned(), "b".to_owned()]);
        let lines = [TWO[0], r#"{"headline": "z", "is_sarcastic": 7}"#];
        let said = why(&lines, &Mapping { classes, ..mapping("headline", "is_sarcastic") });
        assert!(
            said.contains("line 2, field `is_sarcastic`: expected one of a, b, or an index 0..1, got the number `7`"),
            "{said}"
        );
        let difficulty = Mapping { difficulty: Some("headline".into()), ..mapping("headline", "is_sarcastic") };
        assert!(why(&TWO, &difficulty).contains("a number between 0 and 1"));
    }

    #[test]
    fn a_missing_column_lists_those_there_are() {
        use crate::core::explain::Explain;
        let error = made(&TWO, &mapping("title", "is_sarcastic")).map(|_| ()).expect_err("no such column");
        assert_eq!(error.to_string(), "there is no column `title`");
        assert_eq!(error.hint().as_deref(), Some("columns: headline, is_sarcastic"));
        let unlabelled = Mapping { text: Some("headline".into()), ..Mapping::default() };
        assert_eq!(why(&TWO, &unlabelled), "there is no column `label`");
        let classes = Some(vec!["a".to_owned(), "b".to_owned()]);
        assert!(!made(&TWO, &Mapping { classes, ..unlabelled }).expect("unlabelled").has_truth());
    }

    #[test]
    fn one_class_and_repeated_ids_are_refused() {
        let lines = [TWO[0], TWO[0]];
        assert!(why(&lines, &mapping("headline", "is_sarcastic")).contains("only one class, `0`"));
        let id = Mapping { id: Some("k".into()), ..Mapping::default() };
        let lines = [r#"{"text": "x", "label": 0, "k": 5}"#, r#"{"text": "y", "label": 1, "k": 5}"#];
        assert_eq!(why(&lines, &id), "the id `5` occurs twice: rows 1 and 2");
    }

    #[test]
    fn a_test_split_is_drawn_by_text_and_class() {
        let lines: Vec<String> =
            (0..200).map(|idx| format!(r#"{{"text": "t{}", "label": {}}}"#, idx / 2, (idx / 2) % 2)).collect();
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        let data = |seed| {
            let source = source(&records(&lines), "a", &Mapping::default(), 0.2, seed).expect("fits");
            Data::new(Arc::new(source))
        };
        let (train, test) = (data(0).train(), data(0).test());
        assert_eq!((train.len(), test.len()), (160, 40));
        assert_eq!(test.class_counts(), Some(vec![20, 20]));
        let texts: BTreeSet<String> = train.rows().map(|row| row.text.clone()).collect();
        assert!(test.rows().all(|row| !texts.contains(&row.text)));
        assert_ne!(data(0).digest(), data(1).digest());
        assert!(source(&records(&lines), "a", &Mapping::default(), 1.0, 0).is_err());
        let few = source(&records(&lines[..4]), "a", &Mapping::default(), 0.01, 0).map(|_| ()).expect_err("too few");
        assert_eq!(few.to_string(), "a test share of `0.01` leaves one side of 2 groups without rows");
        assert!(source(&records(&lines), "a", &Mapping::default(), f64::NAN, 0).is_err());
    }
}
