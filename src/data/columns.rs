//! From records to a data set: which columns are the input, the target, the id, the group, the split, the difficulty.

use super::arena::Arena;
use super::cell::Cell;
use super::read::{Records, described};
use super::same::own_group;
use super::target::ordinal;
use super::{Data, DataError, Input, MAX_CLASSES, MAX_NAME, MAX_TEXT, Prompt, Row, Source, Split, Target, Text};
use serde_json::Value;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

/// Which columns mean what. A column that is not named is used under its own name where there is one, an answer's only
/// where it is named.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Mapping {
    pub text: Option<String>,
    /// Token ids: an array of integers, or text with spaces between them.
    pub tokens: Option<String>,
    /// An array of numbers, or text with spaces between them.
    pub features: Option<String>,
    pub prompt: Option<String>,
    /// An array of texts.
    pub continuations: Option<String>,
    pub label: Option<String>,
    /// The preferred continuation, by index or by name (`first`, …), or a probability for each continuation.
    pub preference: Option<String>,
    pub answer: Option<String>,
    pub id: Option<String>,
    pub group: Option<String>,
    pub split: Option<String>,
    pub difficulty: Option<String>,
    /// Class names in order; without them the labels' own values, sorted.
    pub classes: Option<Vec<String>>,
}

/// A data set from records.
///
/// Labels are read in one way for the whole column: by name if each is the name of a class, or by index if names are given,
/// each is an index and none is a name. A column that needs both readings is refused. Without ids rows are numbered from 0 in file order;
/// without groups rows with the same input (of prompts: the same prompt) are one group, so that no text is on two sides
/// of a split. Without a split column about `test_share` of the rows, by group, balanced by class and drawn by `seed`, are test rows.
pub fn source(
    mut records: Records,
    name: &str,
    mapping: &Mapping,
    test_share: f64,
    seed: u64,
) -> Result<Source, DataError> {
    check_test_share(test_share)?;
    let input = InputColumns::of(&records, mapping)?;
    let places = Places::of(&records, mapping)?;
    let asked = TargetColumn::of(&records, mapping, &input)?;
    let n = records.len();
    // Classes become numbers before there are rows, so that their cells need not be held beside these; what is wrong with a row is said first.
    let classes = match asked {
        TargetColumn::Classes(Some(column)) => {
            let classes = Cells { records: &records }.classes(column, mapping.classes.as_deref());
            if classes.is_ok() && !places.need(column) && !input.needs(column) {
                records.forget(column);
            }
            Some(classes)
        }
        _ => None,
    };
    let cells = Cells { records: &records };
    let mut rows = Vec::with_capacity(n);
    let mut names = Arena::default();
    for idx in 0..n {
        rows.push(places.row(&cells, idx, input.read(&cells, idx)?, &mut names)?);
    }
    drop(names);
    let n_sequences = rows.first().map_or(1, |row: &Row| row.input.n_sequences());
    let target = match asked {
        TargetColumn::Classes(_) => match classes {
            Some(classes) => {
                let (names, truth) = classes?;
                Target::Classes { names, truth: Some(truth) }
            }
            None => Target::Classes { names: mapping.classes.clone().unwrap_or_default(), truth: None },
        },
        TargetColumn::Preference(column) => {
            let rows = (0..n).map(|idx| cells.preference(idx, column, n_sequences));
            Target::Preference { truth: Some(rows.collect::<Result<Vec<_>, _>>()?.concat()) }
        }
        TargetColumn::Answer(column) => {
            Target::Answer { truth: (0..n).map(|idx| cells.named(idx, column)).collect::<Result<_, _>>()? }
        }
        TargetColumn::Unnamed if n_sequences > 1 => Target::Preference { truth: None },
        TargetColumn::Unnamed => Target::None,
    };
    // Rows share the texts, and need nothing else of the records.
    drop(records);
    let all_train = Source::unnamed(name, rows, target)?;
    refuse_one_class(&all_train)?;
    if places.split.is_some() || test_share == 0.0 {
        Ok(all_train.named())
    } else {
        with_test_rows(all_train, test_share, seed)
    }
}

/// Fails unless it is at least 0 and below 1.
pub fn check_test_share(share: f64) -> Result<(), DataError> {
    if (0.0..1.0).contains(&share) { Ok(()) } else { Err(DataError::TestShare { share }) }
}

fn refuse_one_class(source: &Source) -> Result<(), DataError> {
    let Some([first, rest @ ..]) = source.truth.classes.as_deref() else { return Ok(()) };
    if rest.iter().any(|class| class != first) {
        return Ok(());
    }
    Err(DataError::OneClass { name: source.name.clone(), class: source.classes.get(usize::from(*first)).cloned() })
}

/// Makes about `share` of the rows test rows, by group and balanced by class. Gives the data set its digest.
pub fn with_test_rows(source: Source, share: f64, seed: u64) -> Result<Source, DataError> {
    let n_groups = source.group_of.iter().max().map_or(0, |last| *last as usize + 1);
    let fails = || DataError::NoSide { share, n_groups };
    let source = Arc::new(source);
    let mut is_test = vec![false; source.rows.len()];
    let parts = Data::new(source.clone()).split(&[share, 1.0 - share], seed).map_err(|_| fails())?;
    for place in parts.first().map(Data::places).unwrap_or_default() {
        if let Some(slot) = is_test.get_mut(*place as usize) {
            *slot = true;
        }
    }
    drop(parts);
    // The parts are gone, so the source is held once and need not be copied.
    let source = Arc::into_inner(source).ok_or_else(fails)?;
    source.with_splits(|idx, _| if is_test.get(idx) == Some(&true) { Split::Test } else { Split::Train })
}

/// The columns that say where a row belongs.
pub struct Places {
    id: Option<usize>,
    group: Option<usize>,
    /// Where the rows say themselves on which side they are.
    pub split: Option<usize>,
    difficulty: Option<usize>,
}

impl Places {
    /// The named columns, and the rest under their own names.
    pub fn of(records: &Records, mapping: &Mapping) -> Result<Places, DataError> {
        Ok(Places {
            id: named(records, &mapping.id, "id")?,
            group: named(records, &mapping.group, "group")?,
            split: named(records, &mapping.split, "split")?,
            difficulty: named(records, &mapping.difficulty, "difficulty")?,
        })
    }

    /// Whether a row's place is told by this column.
    fn need(&self, column: usize) -> bool {
        [self.id, self.group, self.split, self.difficulty].contains(&Some(column))
    }

    /// The row of a record; names that are not in the records go to the arena.
    pub fn row(&self, cells: &Cells, idx: usize, input: Input, names: &mut Arena) -> Result<Row, DataError> {
        let number = match self.id {
            None => names.keep(&idx.to_string()),
            Some(column) => cells.name(idx, column, names)?,
        };
        Ok(Row {
            id: number,
            group: self.group.map_or_else(|| Ok(own_group(&input)), |column| cells.name(idx, column, names))?,
            split: self.split.map_or(Ok(Split::Train), |column| cells.split(idx, column))?,
            difficulty: self.difficulty.map_or(Ok(f32::NAN), |column| cells.difficulty(idx, column))?,
            input,
        })
    }
}

/// The column that is named, or the one that has the name `own`.
pub fn named(records: &Records, given: &Option<String>, own: &str) -> Result<Option<usize>, DataError> {
    match given {
        Some(column) => records.column(column).map(Some),
        None => Ok(records.column(own).ok()),
    }
}

/// The columns that a row's input is in.
enum InputColumns {
    Text(usize),
    Tokens(usize),
    Features(usize),
    Prompt { prompt: Option<usize>, continuations: usize },
}

impl InputColumns {
    fn of(records: &Records, mapping: &Mapping) -> Result<InputColumns, DataError> {
        let Mapping { text, tokens, features, prompt, continuations, .. } = mapping;
        let of_prompt = if continuations.is_some() { "continuations" } else { "prompt" };
        let given = [
            ("text", text.is_some()),
            ("tokens", tokens.is_some()),
            ("features", features.is_some()),
            (of_prompt, prompt.is_some() || continuations.is_some()),
        ];
        let chosen = one_of(&given)?;
        let own = ["text", "tokens", "features", "continuations"].into_iter().find(|own| records.column(own).is_ok());
        let column = |given: &Option<String>, own| records.column(given.as_deref().unwrap_or(own));
        Ok(match chosen.or(own) {
            Some("tokens") => InputColumns::Tokens(column(tokens, "tokens")?),
            Some("features") => InputColumns::Features(column(features, "features")?),
            Some("prompt" | "continuations") => InputColumns::Prompt {
                prompt: named(records, prompt, "prompt")?,
                continuations: column(continuations, "continuations")?,
            },
            _ => InputColumns::Text(column(text, "text")?),
        })
    }

    /// Whether an input is made of this column.
    fn needs(&self, column: usize) -> bool {
        match self {
            InputColumns::Text(own) | InputColumns::Tokens(own) | InputColumns::Features(own) => *own == column,
            InputColumns::Prompt { prompt, continuations } => *prompt == Some(column) || *continuations == column,
        }
    }

    fn read(&self, cells: &Cells, idx: usize) -> Result<Input, DataError> {
        Ok(match *self {
            InputColumns::Text(column) => Input::Text(cells.text(idx, column)?),
            InputColumns::Tokens(column) => Input::Tokens(cells.tokens(idx, column)?.into()),
            InputColumns::Features(column) => Input::Features(cells.features(idx, column)?.into()),
            InputColumns::Prompt { prompt, continuations } => {
                let text = prompt
                    .map_or_else(|| Ok(String::new()), |column| cells.text(idx, column).map(|text| text.to_string()))?;
                let continuations = cells.texts(idx, continuations)?;
                Input::Prompt(Box::new(Prompt { text, continuations }))
            }
        })
    }
}

/// The column that the truth is in.
enum TargetColumn {
    /// Without a column the classes are known and the truth is not.
    Classes(Option<usize>),
    Preference(usize),
    Answer(usize),
    /// Continuations and nothing about them.
    Unnamed,
}

impl TargetColumn {
    fn of(records: &Records, mapping: &Mapping, input: &InputColumns) -> Result<TargetColumn, DataError> {
        let Mapping { label, preference, answer, classes, .. } = mapping;
        let given = [("label", label.is_some()), ("preference", preference.is_some()), ("answer", answer.is_some())];
        let of_prompt = matches!(input, InputColumns::Prompt { .. });
        let own = |name: &str| records.column(name).is_ok();
        match one_of(&given)? {
            Some("answer") => Ok(TargetColumn::Answer(records.column(answer.as_deref().unwrap_or("answer"))?)),
            Some("preference") => {
                Ok(TargetColumn::Preference(records.column(preference.as_deref().unwrap_or("preference"))?))
            }
            None if of_prompt && own("preference") => Ok(TargetColumn::Preference(records.column("preference")?)),
            None if of_prompt && classes.is_none() && !own("label") => Ok(TargetColumn::Unnamed),
            // Without names, `label` must be there: the error says which columns are.
            None if classes.is_some() && !own("label") => Ok(TargetColumn::Classes(None)),
            _ => Ok(TargetColumn::Classes(Some(records.column(label.as_deref().unwrap_or("label"))?))),
        }
    }
}

/// The option that was given; two are refused.
fn one_of(options: &[(&'static str, bool)]) -> Result<Option<&'static str>, DataError> {
    let mut given = options.iter().filter(|(_, given)| *given).map(|(name, _)| *name);
    match (given.next(), given.next()) {
        (Some(first), Some(second)) => Err(DataError::OneOf { first, second }),
        (first, _) => Ok(first),
    }
}

/// The cells of records, read as what they are meant to be.
pub struct Cells<'a> {
    pub records: &'a Records,
}

impl Cells<'_> {
    fn cell(&self, record: usize, column: usize) -> &Cell {
        self.records.cell(record, column)
    }

    /// An error at a cell that is not what was expected.
    pub fn misfit(&self, record: usize, column: usize, expected: &str) -> DataError {
        let got = described(self.cell(record, column));
        self.misfit_of(record, column, expected, &got)
    }

    fn misfit_of(&self, record: usize, column: usize, expected: &str, got: &str) -> DataError {
        let field = self.records.columns.get(column).map_or("", String::as_str);
        self.records.misfit(record, field, expected, got)
    }

    /// A text with something in it.
    pub fn text(&self, record: usize, column: usize) -> Result<Text, DataError> {
        match self.cell(record, column) {
            Cell::Text(text) if text.len() > MAX_TEXT => {
                let field = self.records.columns.get(column).map_or("", String::as_str);
                let expected = format!("text of at most {MAX_TEXT} bytes");
                Err(self.records.misfit(record, field, &expected, &format!("{} bytes", text.len())))
            }
            Cell::Text(text) if !text.trim().is_empty() => Ok(text.clone()),
            _ => Err(self.misfit(record, column, "text")),
        }
    }

    /// One text or several.
    pub fn texts(&self, record: usize, column: usize) -> Result<Vec<String>, DataError> {
        let text = |item: &str| (!item.trim().is_empty()).then(|| item.to_owned());
        let texts = match self.cell(record, column) {
            Cell::Nested(value) => match &**value {
                Value::Array(items) if !items.is_empty() => {
                    items.iter().map(|item| item.as_str().and_then(text)).collect()
                }
                _ => None,
            },
            item => item.as_str().and_then(text).map(|text| vec![text]),
        };
        texts.ok_or_else(|| self.misfit(record, column, "texts: an array of them, none empty"))
    }

    fn tokens(&self, record: usize, column: usize) -> Result<Vec<u32>, DataError> {
        let token =
            |value: f64| (value.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(&value)).then_some(value as u32);
        let tokens = self.numbers(record, column).and_then(|numbers| numbers.into_iter().map(token).collect());
        tokens.ok_or_else(|| self.misfit(record, column, "tokens: an array of integers, 0 or above"))
    }

    fn features(&self, record: usize, column: usize) -> Result<Vec<f32>, DataError> {
        let numbers = self.numbers(record, column).ok_or_else(|| self.misfit(record, column, "an array of numbers"))?;
        Ok(numbers.into_iter().map(|number| number as f32).collect())
    }

    /// An array of numbers, or text with spaces or commas between them.
    fn numbers(&self, record: usize, column: usize) -> Option<Vec<f64>> {
        let numbers: Vec<f64> = match self.cell(record, column) {
            Cell::Nested(value) => value.as_array()?.iter().map(Value::as_f64).collect::<Option<_>>()?,
            Cell::Text(text) => {
                let parts = text.split([' ', ',']).filter(|part| !part.is_empty());
                parts.map(|part| part.parse().ok()).collect::<Option<_>>()?
            }
            _ => return None,
        };
        (!numbers.is_empty()).then_some(numbers)
    }

    /// A probability for each of `n` continuations: as they stand there, or 1 for the one that is named.
    fn preference(&self, record: usize, column: usize, n: usize) -> Result<Vec<f32>, DataError> {
        let expected = || {
            let names: Vec<String> = (0..n.min(4)).map(ordinal).collect();
            let more = if n > 4 { ", …" } else { "" };
            let last = n.saturating_sub(1);
            format!("the preferred continuation, {}{more} or 0..{last}, or {n} probabilities", names.join(", "))
        };
        let values = match self.cell(record, column) {
            Cell::Nested(value) if value.is_array() => self.numbers(record, column).filter(|values| values.len() == n),
            _ => self.scalar(record, column).and_then(|named| {
                let by_name = (0..n).find(|idx| ordinal(*idx) == named);
                let chosen = by_name.or_else(|| named.parse().ok().filter(|idx| *idx < n))?;
                Some((0..n).map(|idx| f64::from(u8::from(idx == chosen))).collect())
            }),
        };
        let values = values.ok_or_else(|| self.misfit(record, column, &expected()))?;
        Ok(values.into_iter().map(|value| value as f32).collect())
    }

    /// An id or a group, text or an integer: the record's own text, or one in the arena.
    fn name(&self, record: usize, column: usize, names: &mut Arena) -> Result<Text, DataError> {
        match self.cell(record, column) {
            Cell::Text(text) if !text.is_empty() && text.len() <= MAX_NAME && text.trim() == &**text => {
                Ok(text.clone())
            }
            _ => self.named(record, column).map(|name| names.keep(&name)),
        }
    }

    /// The same as a text of its own.
    fn named(&self, record: usize, column: usize) -> Result<String, DataError> {
        self.scalar(record, column).ok_or_else(|| self.misfit(record, column, "text or an integer"))
    }

    /// Text, an integer or a truth value as text; `None` for anything else, also for empty or overlong text.
    fn scalar(&self, record: usize, column: usize) -> Option<String> {
        match self.cell(record, column) {
            Cell::Text(text) if !text.trim().is_empty() && text.len() <= MAX_NAME => Some(text.trim().to_owned()),
            Cell::Number(number) if number.is_i64() || number.is_u64() => Some(number.to_string()),
            // Tables of other programs hold integers as floats once a value is missing.
            Cell::Number(number) => {
                number.as_f64().filter(|value| value.fract() == 0.0 && value.abs() < 1e15).map(|v| format!("{v:.0}"))
            }
            Cell::Bool(value) => Some(value.to_string()),
            _ => None,
        }
    }

    fn split(&self, record: usize, column: usize) -> Result<Split, DataError> {
        match self.scalar(record, column).as_deref().map(str::to_ascii_lowercase).as_deref() {
            Some("train") => Ok(Split::Train),
            Some("test") => Ok(Split::Test),
            Some("vault") => Ok(Split::Vault),
            _ => Err(self.misfit(record, column, "`train`, `test` or `vault`")),
        }
    }

    fn difficulty(&self, record: usize, column: usize) -> Result<f32, DataError> {
        let value = match self.cell(record, column) {
            Cell::Missing | Cell::Null => return Ok(f32::NAN),
            Cell::Number(number) => number.as_f64(),
            Cell::Text(text) if text.trim().is_empty() => return Ok(f32::NAN),
            Cell::Text(text) => text.trim().parse().ok(),
            Cell::Bool(_) | Cell::Nested(_) => None,
        };
        let value = value.filter(|value: &f64| (0.0..=1.0).contains(value));
        value.map(|value| value as f32).ok_or_else(|| self.misfit(record, column, "a number between 0 and 1"))
    }

    /// Class names and the class index of every record.
    fn classes(&self, column: usize, given: Option<&[String]>) -> Result<(Vec<String>, Vec<u16>), DataError> {
        let n = self.records.len();
        let labels = (0..n).map(|idx| {
            self.scalar(idx, column)
                .ok_or_else(|| self.misfit(idx, column, "a class: text, an integer or true or false"))
        });
        // Each label once: what every record has is a number.
        let mut known: Vec<String> = Vec::new();
        let mut number_of: HashMap<String, u32> = HashMap::new();
        let mut labels_of: Vec<u32> = Vec::with_capacity(n);
        for label in labels {
            let label = label?;
            let number = match number_of.get(&label) {
                Some(number) => *number,
                None => {
                    known.push(label.clone());
                    number_of.insert(label, known.len() as u32 - 1);
                    known.len() as u32 - 1
                }
            };
            labels_of.push(number);
        }
        let Some(given) = given else {
            let classes = self.found_classes(column, &known, &labels_of)?;
            let class_of: Vec<Option<u16>> = known.iter().map(|label| index_of(&classes, label)).collect();
            let truth = labels_of.iter().filter_map(|at| *class_of.get(*at as usize)?).collect();
            return Ok((classes, truth));
        };
        let each = |class: &dyn Fn(&str) -> Option<u16>| -> Vec<Option<u16>> {
            let class_of: Vec<Option<u16>> = known.iter().map(|label| class(label)).collect();
            labels_of.iter().map(|at| class_of.get(*at as usize).copied().flatten()).collect()
        };
        let by_name = each(&|label| index_of(given, label));
        let by_index = each(&|label| class_index(label, given.len()));
        let named = by_name.iter().position(Option::is_some);
        if let Some(misfit) = (0..n).find(|idx| [&by_name, &by_index].iter().all(|all| all.get(*idx) == Some(&None))) {
            let most = given.len().saturating_sub(1);
            let expected = format!("one of {}, or an index 0..{most}", given.join(", "));
            return Err(self.misfit(misfit, column, &expected));
        }
        let unnamed = by_name.iter().position(Option::is_none);
        match (named, unnamed) {
            (Some(named), Some(unnamed)) => {
                Err(self.mixed(column, (named, "the name of a class"), (unnamed, "an index")))
            }
            (None, _) => Ok((given.to_vec(), by_index.into_iter().flatten().collect())),
            (Some(_), None) => Ok((given.to_vec(), by_name.into_iter().flatten().collect())),
        }
    }

    /// The error for a column that is read in one way in one row and in another way in another.
    fn mixed(&self, column: usize, one: (usize, &str), other: (usize, &str)) -> DataError {
        let at = |record: usize| self.records.at(record);
        let label = |record: usize| self.scalar(record, column).unwrap_or_default();
        let [(first, first_is), (second, second_is)] = if one.0 < other.0 { [one, other] } else { [other, one] };
        let expected = format!(
            "labels that are read in one way: `{}` of {} {} is {first_is}",
            label(first),
            self.records.counted,
            at(first)
        );
        let got = format!("`{}`, which is {second_is}", label(second));
        match self.misfit_of(second, column, &expected, &got) {
            DataError::Malformed { place, what, .. } => DataError::Malformed {
                place,
                what,
                hint: Some(
                    "write names in every row, or indices in every row with names that are not numbers: \
                     #{ classes: [\"no\", \"yes\"] }; where the labels are names of their own, list them all in `classes`"
                        .to_owned(),
                ),
            },
            error => error,
        }
    }

    /// The distinct labels: by number if all are integers, else by text. Integers beside words are refused: the words may be names
    /// for the integers, and every one would be a class of its own.
    fn found_classes(&self, column: usize, known: &[String], labels_of: &[u32]) -> Result<Vec<String>, DataError> {
        let distinct: BTreeSet<&str> = known.iter().map(String::as_str).collect();
        if distinct.len() > MAX_CLASSES {
            return Err(DataError::TooMany { what: "different labels".into(), n: distinct.len(), most: MAX_CLASSES });
        }
        let mut classes: Vec<String> = distinct.into_iter().map(str::to_owned).collect();
        let is_integer: Vec<bool> = known.iter().map(|label| label.parse::<i64>().is_ok()).collect();
        let first = |is: bool| labels_of.iter().position(|at| is_integer.get(*at as usize) == Some(&is));
        let (word, integer) = (first(false), first(true));
        match (word, integer) {
            (Some(word), Some(integer)) => Err(self.mixed(column, (word, "a word"), (integer, "an integer"))),
            (Some(_), None) => Ok(classes),
            (None, _) => {
                classes.sort_by_key(|class| class.parse::<i64>().unwrap_or_default());
                Ok(classes)
            }
        }
    }
}

fn index_of(classes: &[String], label: &str) -> Option<u16> {
    classes.iter().position(|class| class == label).and_then(|class| u16::try_from(class).ok())
}

/// The index that a label spells in the usual way; `01` and `+1` are none.
fn class_index(label: &str, n_classes: usize) -> Option<u16> {
    label.parse::<u16>().ok().filter(|class| usize::from(*class) < n_classes && class.to_string() == label)
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
        source(records(lines), "a", mapping, 0.0, 0)
    }

    fn why(lines: &[&str], mapping: &Mapping) -> String {
        made(lines, mapping).map(|_| ()).expect_err("misfit").to_string()
    }

    const TWO: [&str; 2] = [r#"{"headline": "x", "is_sarcastic": 0}"#, r#"{"headline": "y", "is_sarcastic": 1}"#];

    #[test]
    fn columns_are_mapped_and_classes_found() {
        let source = made(&TWO, &mapping("headline", "is_sarcastic")).expect("fits");
        assert_eq!(source.classes, ["0", "1"]);
        assert_eq!(source.truth.classes, Some(vec![0, 1]));
        assert_eq!(source.rows[1].id, "1");
        let classes = Some(vec!["plain".to_owned(), "sarcastic".to_owned()]);
        let source = made(&TWO, &Mapping { classes, ..mapping("headline", "is_sarcastic") }).expect("fits");
        assert_eq!((source.classes[1].as_str(), source.truth.classes), ("sarcastic", Some(vec![0, 1])));
        let lines = [r#"{"text": "x", "label": "10"}"#, r#"{"text": "y", "label": "9"}"#];
        assert_eq!(made(&lines, &Mapping::default()).expect("fits").classes, ["9", "10"]);
    }

    #[test]
    fn a_column_of_labels_is_read_in_one_way() {
        let rows = |labels: &[&str]| -> Vec<String> {
            labels
                .iter()
                .enumerate()
                .map(|(at, label)| format!("{{\"text\": \"t{at}\", \"label\": {label}}}"))
                .collect()
        };
        let read = |labels: &[&str], classes: Option<&[&str]>| {
            let lines = rows(labels);
            let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
            let classes = classes.map(|names| names.iter().map(|name| (*name).to_owned()).collect());
            made(&lines, &Mapping { classes, ..Mapping::default() })
        };
        let truth = |labels: &[&str], classes: &[&str]| read(labels, Some(classes)).expect("one reading").truth.classes;
        assert_eq!(truth(&["0", "1", "2"], &["a", "b", "c"]), Some(vec![0, 1, 2]), "by index");
        assert_eq!(truth(&["\"b\"", "\"a\""], &["a", "b"]), Some(vec![1, 0]), "by name");
        assert_eq!(truth(&["3", "1", "2"], &["1", "2", "3"]), Some(vec![2, 0, 1]), "by name, though names are numbers");
        assert_eq!(truth(&["1", "0"], &["1", "0"]), Some(vec![0, 1]), "names before indices");
        let why = |labels: &[&str], classes: Option<&[&str]>| {
            let error = read(labels, classes).map(|_| ()).expect_err("two readings");
            (error.to_string(), crate::core::explain::Explain::hint(&error).unwrap_or_default())
        };
        type Case<'a> = (&'a [&'a str], Option<&'a [&'a str]>, &'a str);
        let cases: [Case; 6] = [
            (
                &["0", "1", "2"],
                Some(&["1", "2", "3"]),
                "line 2, field `label`: expected labels that are read in one way: `0` of line 1 is an index, got `1`, which is the name of a class",
            ),
            (
                &["\"yes\"", "0", "1"],
                Some(&["no", "yes"]),
                "line 2, field `label`: expected labels that are read in one way: `yes` of line 1 is the name of a class, got `0`, which is an index",
            ),
            (&["1", "\"no\""], Some(&["no", "yes"]), "`1` of line 1 is an index, got `no`"),
            (
                &["\"yes\"", "\"no\"", "1"],
                None,
                "line 3, field `label`: expected labels that are read in one way: `yes` of line 1 is a word, got `1`, which is an integer",
            ),
            (&["0", "true"], None, "`0` of line 1 is an integer, got `true`, which is a word"),
            (&["\"01\"", "0"], Some(&["no", "yes"]), "expected one of no, yes, or an index 0..1"),
        ];
        for (labels, classes, part) in cases {
            let (said, hint) = why(labels, classes);
            assert!(said.contains(part), "{said}");
            assert!(part.contains("0..1") || hint.contains("classes: ["), "{hint}");
        }
        assert!(read(&["\"1\"", "\"other\"", "2"], Some(&["1", "2", "other"])).is_ok(), "all are names");
    }

    #[test]
    fn own_columns_are_used_where_there_are_any() {
        let lines = [
            r#"{"text": "x", "label": true, "id": "a", "group": 1, "split": "train", "difficulty": 0.25}"#,
            r#"{"text": "y", "label": false, "id": "b", "group": 2, "split": "Test", "difficulty": null}"#,
        ];
        let source = source(records(&lines), "a", &Mapping::default(), 0.2, 0).expect("fits");
        assert_eq!(source.classes, ["false", "true"]);
        let row = &source.rows[0];
        assert_eq!((row.id.as_str(), &*row.group, row.difficulty), ("a", "1", 0.25));
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
        assert!(why(&TWO, &split).contains("expected `train`, `test` or `vault`, got the number `0`"));
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
    fn inputs_are_read_from_their_columns() {
        let read = |line: &str, mapping: Mapping| made(&[line], &mapping).map(|source| source.rows[0].input.clone());
        let tokens = read(r#"{"ids": [3, 1]}"#, Mapping { tokens: Some("ids".into()), ..unlabelled() });
        assert_eq!(tokens.expect("fits"), Input::Tokens([3, 1].into()));
        let spaced = read(r#"{"tokens": "3 1"}"#, unlabelled()).expect("fits");
        assert_eq!(spaced, Input::Tokens([3, 1].into()), "as a frame shows them");
        let features = read(r#"{"features": [0.5, -2]}"#, unlabelled()).expect("fits");
        assert_eq!(features, Input::Features([0.5, -2.0].into()));
        let prompt = read(r#"{"prompt": "q", "continuations": [" a", " b"]}"#, Mapping::default()).expect("fits");
        assert_eq!(prompt.texts().collect::<Vec<_>>(), ["q", " a", " b"]);
        let cases = [
            (
                r#"{"tokens": [1.5]}"#,
                "field `tokens`: expected tokens: an array of integers, 0 or above, got an array of 1",
            ),
            (r#"{"tokens": []}"#, "field `tokens`: expected tokens"),
            (r#"{"features": ["x"]}"#, "field `features`: expected an array of numbers, got an array of 1 items"),
            (r#"{"features": [null]}"#, "field `features`: expected an array of numbers"),
            (r#"{"continuations": ["a", 3]}"#, "field `continuations`: expected texts: an array of them, none empty"),
        ];
        for (line, part) in cases {
            let said = read(line, unlabelled()).expect_err("misfit").to_string();
            assert!(said.contains(part), "{said}");
        }
        let both = Mapping { text: Some("a".into()), features: Some("b".into()), ..Mapping::default() };
        assert_eq!(
            read(r#"{"a": "x", "b": [1]}"#, both).expect_err("both").to_string(),
            "give one of `text` and `features`"
        );
    }

    fn unlabelled() -> Mapping {
        Mapping { classes: Some(vec!["no".into(), "yes".into()]), ..Mapping::default() }
    }

    #[test]
    fn targets_are_read_from_their_columns() {
        use crate::data::TargetKind;
        let line =
            |preference: &str| format!(r#"{{"prompt": "q", "continuations": ["a", "b"], "preference": {preference}}}"#);
        let read = |preferences: &[&str], mapping: &Mapping| {
            let lines: Vec<String> = preferences.iter().map(|preference| line(preference)).collect();
            made(&lines.iter().map(String::as_str).collect::<Vec<_>>(), mapping)
        };
        let named = read(&["1", "\"first\"", "[0.25, 0.75]"], &Mapping::default()).expect("fits");
        assert_eq!((named.kind, named.truth.classes), (TargetKind::Preference, Some(vec![1, 0, 1])));
        assert_eq!(named.truth.soft, Some(vec![0.0, 1.0, 1.0, 0.0, 0.25, 0.75]));
        let why =
            |preference| read(&["0", preference], &Mapping::default()).map(|_| ()).expect_err("misfit").to_string();
        for wrong in ["2", "\"third\"", "null", "[1.0]", "0.5"] {
            let said = why(wrong);
            assert!(
                said.contains(
                    "line 2, field `preference`: expected the preferred continuation, first, second or 0..1, or 2"
                ),
                "{said}"
            );
        }
        assert_eq!(why("[0.5, 0.5]"), "row 2 prefers no continuation: 0.5, 0.5");
        assert!(
            read(&["0", "0"], &Mapping::default())
                .map(|_| ())
                .expect_err("one place")
                .to_string()
                .contains("only one class, `first`")
        );
        let open = made(&[r#"{"prompt": "q", "continuations": ["a", "b"]}"#], &Mapping::default()).expect("fits");
        assert_eq!((open.kind, open.has_truth()), (TargetKind::Preference, false));
        let single = made(&[r#"{"prompt": "q", "continuations": ["a"]}"#], &Mapping::default()).expect("fits");
        assert_eq!(single.kind, TargetKind::None);
        let labelled = made(&[r#"{"continuations": ["a", "b"], "label": 1}"#], &Mapping::default());
        assert!(labelled.map(|_| ()).expect_err("of which?").to_string().contains("2 continuations per row"));
        let answer = Mapping { answer: Some("a".into()), ..Mapping::default() };
        let answers = made(&[r#"{"text": "2 + 2", "a": 4}"#], &answer).expect("fits");
        assert_eq!((answers.kind, answers.truth.answers), (TargetKind::Answer, Some(vec!["4".into()])));
        let two = Mapping { label: Some("a".into()), ..answer };
        assert_eq!(
            made(&[r#"{"text": "x", "a": 4}"#], &two).map(|_| ()).expect_err("two").to_string(),
            "give one of `label` and `answer`"
        );
    }

    #[test]
    fn rows_with_one_input_are_one_group() {
        let groups = |lines: &[&str]| {
            let source = made(lines, &unlabelled()).expect("fits");
            source.rows.iter().map(|row| row.group.clone()).collect::<Vec<_>>()
        };
        let tokens = groups(&[r#"{"tokens": [1, 2]}"#, r#"{"tokens": "1 2"}"#, r#"{"tokens": [12]}"#]);
        assert!(tokens[0] == tokens[1] && tokens[0] != tokens[2]);
        let features = groups(&[r#"{"features": [1, 2]}"#, r#"{"features": [2, 1]}"#]);
        assert_ne!(features[0], features[1]);
        let prompts = [r#"{"prompt": "q", "continuations": ["a"]}"#, r#"{"prompt": "q", "continuations": ["b"]}"#];
        let source = made(&prompts, &Mapping::default()).expect("fits");
        assert!(source.rows.iter().all(|row| &*row.group == "q"));
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
            let source = source(records(&lines), "a", &Mapping::default(), 0.2, seed).expect("fits");
            Data::new(Arc::new(source))
        };
        let (train, test) = (data(0).train(), data(0).test());
        assert_eq!((train.len(), test.len()), (160, 40));
        assert_eq!(test.class_counts(), Some(vec![20, 20]));
        let texts: BTreeSet<&str> = train.rows().flat_map(|row| row.input.texts()).collect();
        assert!(test.rows().flat_map(|row| row.input.texts()).all(|text| !texts.contains(text)));
        assert_ne!(data(0).digest(), data(1).digest());
        assert!(source(records(&lines), "a", &Mapping::default(), 1.0, 0).is_err());
        let few = source(records(&lines[..4]), "a", &Mapping::default(), 0.01, 0).map(|_| ()).expect_err("too few");
        assert_eq!(few.to_string(), "a test share of `0.01` leaves one side of 2 groups without rows");
        assert!(source(records(&lines), "a", &Mapping::default(), f64::NAN, 0).is_err());
    }
}
