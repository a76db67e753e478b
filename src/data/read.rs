//! Readers: a file (JSON lines, CSV, Parquet) as records with named cells, and where each record stands in it.
//!
//! Text formats are split into cells here and not by polars, so that an error can name the line and the field; what a
//! cell means is decided in [`super::columns`]. Parquet is read by polars.

use super::{DataError, MAX_ROWS};
use crate::core::context::{Context, plain};
use crate::core::explain::{Explain, first_line};
use crate::frames::Frame;
use polars::prelude::{AnyValue, DataFrame};
use polars_io::prelude::{ParquetReader, SerReader};
use serde_json::Value;
use std::collections::{HashMap, HashSet};
use std::path::Path;

/// The largest file that is read: chosen; everything read is held in memory.
pub const MAX_FILE: u64 = 2 << 30;

/// A table of loosely typed cells.
#[derive(Debug, Clone, PartialEq)]
pub struct Records {
    /// What errors call it: the path as the script gave it.
    pub name: String,
    pub columns: Vec<String>,
    pub records: Vec<Record>,
    /// What [`Record::at`] counts: `line` or `row`.
    pub counted: &'static str,
}

/// One record: a cell per column, `None` where the record has no such field.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// The line (text) or the row (otherwise) where it begins, from 1.
    pub at: usize,
    pub cells: Vec<Option<Value>>,
}

impl Records {
    /// Records from rows of named cells, in order; columns in order of first appearance.
    pub fn from_rows(
        name: &str,
        counted: &'static str,
        rows: impl IntoIterator<Item = (usize, serde_json::Map<String, Value>)>,
    ) -> Records {
        let mut columns: Vec<String> = Vec::new();
        let mut column_of: HashMap<String, usize> = HashMap::new();
        let mut records = Vec::new();
        for (at, row) in rows {
            let mut cells: Vec<Option<Value>> = vec![None; columns.len()];
            for (key, value) in row {
                let column = *column_of.entry(key.clone()).or_insert_with(|| {
                    columns.push(key);
                    columns.len() - 1
                });
                cells.resize(columns.len(), None);
                if let Some(cell) = cells.get_mut(column) {
                    *cell = Some(value);
                }
            }
            records.push(Record { at, cells });
        }
        for record in &mut records {
            record.cells.resize(columns.len(), None);
        }
        Records { name: name.to_owned(), columns, records, counted }
    }

    /// Where the column stands; fails with the columns that there are.
    pub fn column(&self, name: &str) -> Result<usize, DataError> {
        self.columns
            .iter()
            .position(|column| column == name)
            .ok_or_else(|| DataError::NoColumn { column: name.to_owned(), columns: self.columns.join(", ") })
    }

    /// An error at one cell: "`a.jsonl` line 5, field `label`: expected …".
    pub fn misfit(&self, record: usize, field: &str, expected: &str, got: &str) -> DataError {
        let at = self.records.get(record).map_or(record + 1, |record| record.at);
        DataError::Malformed {
            place: format!("`{}` {} {at}, field `{field}`", self.name, self.counted),
            what: format!("expected {expected}, got {got}"),
            hint: None,
        }
    }
}

/// Reads the file that a script calls `path`: `.jsonl` or `.ndjson`, `.csv`, `.tsv`, `.parquet`.
pub fn read(ctx: &Context, path: &str) -> Result<Records, DataError> {
    let real = ctx.readable(path)?;
    read_file(ctx, path, &real)
}

/// Reads the file at `real`, which errors call `name`. The caller has checked that it may be read.
pub fn read_file(ctx: &Context, name: &str, real: &Path) -> Result<Records, DataError> {
    let fails = |reason: String, hint: Option<String>| DataError::File { path: name.to_owned(), reason, hint };
    let format = real.extension().and_then(|ext| ext.to_str()).map(str::to_ascii_lowercase).unwrap_or_default();
    if !["jsonl", "ndjson", "csv", "tsv", "parquet"].contains(&format.as_str()) {
        let hint = "formats by ending: .jsonl, .ndjson, .csv, .tsv, .parquet";
        return Err(fails(format!("the ending `.{format}` names no format"), Some(hint.into())));
    }
    let metadata = std::fs::metadata(real).map_err(|error| fails(plain(&error), None))?;
    if !metadata.is_file() {
        return Err(fails("is not a file".into(), None));
    }
    if metadata.len() > MAX_FILE {
        let hint = "take a part of it, or convert it to Parquet with the needed columns only";
        let reason = format!("has {} bytes, at most {MAX_FILE} are read", metadata.len());
        return Err(fails(reason, Some(hint.into())));
    }
    if metadata.len() == 0 {
        return Err(fails("is empty".into(), None));
    }
    let bytes = std::fs::read(real).map_err(|error| fails(plain(&error), None))?;
    ctx.note_read(real, &bytes);
    if format == "parquet" {
        let file = std::io::Cursor::new(bytes);
        // The decoder panics on some damaged files.
        let read = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let mut reader = ParquetReader::new(file);
            let names = crate::frames::stored_names(&mut reader)?;
            reader.finish().map(|table| (table, names))
        }));
        let table = match read {
            Ok(Ok((table, None))) => table,
            Ok(Ok((table, Some(names)))) => {
                // Class indices of a table with class names are labels by name.
                Frame::spelled_by(table, &names).map_err(|error| fails(error.to_string(), error.hint()))?
            }
            Ok(Err(error)) => return Err(fails(format!("is not readable as Parquet: {}", first_line(&error)), None)),
            Err(_) => return Err(fails("is not readable as Parquet: it is damaged".into(), None)),
        };
        return from_table(ctx, name, &table);
    }
    match format.as_str() {
        "csv" => parse_csv(ctx, name, &bytes, b','),
        "tsv" => parse_csv(ctx, name, &bytes, b'\t'),
        _ => parse_jsonl(ctx, name, &bytes),
    }
}

/// One JSON object per line; blank lines are skipped.
pub fn parse_jsonl(ctx: &Context, name: &str, bytes: &[u8]) -> Result<Records, DataError> {
    let bytes = without_mark(bytes);
    let mut rows = Vec::new();
    for (idx, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
        if idx % 4096 == 0 {
            ctx.interrupt.check()?;
        }
        if line.trim_ascii().is_empty() {
            continue;
        }
        let fails = |what: String, hint: Option<&str>| malformed(name, idx + 1, what, hint);
        let line = std::str::from_utf8(line).map_err(|_| fails("is not UTF-8 text".into(), None))?;
        match serde_json::from_str(line) {
            Ok(Value::Object(row)) => rows.push((idx + 1, row)),
            Ok(other) => {
                let hint = line.trim_start().starts_with('[').then_some("one object per line, not one array");
                return Err(fails(format!("expected an object, got {}", describe(&other)), hint));
            }
            Err(error) => {
                let said = error.to_string();
                let said = said.rsplit_once(" at line ").map_or(said.as_str(), |(what, _)| what).to_lowercase();
                return Err(fails(format!("is not JSON: {said} at column {}", error.column()), None));
            }
        }
        check_count(rows.len())?;
    }
    not_empty(name, Records::from_rows(name, "line", rows))
}

/// Comma- or tab-separated text after RFC 4180: a header, fields in double quotes may hold separators, line ends and
/// doubled quotes. Every record must have as many fields as the header; every cell is text.
pub fn parse_csv(ctx: &Context, name: &str, bytes: &[u8], separator: u8) -> Result<Records, DataError> {
    let text = std::str::from_utf8(without_mark(bytes)).map_err(|error| {
        let line = 1 + bytes.iter().take(error.valid_up_to()).filter(|byte| **byte == b'\n').count();
        malformed(name, line, "is not UTF-8 text".into(), None)
    })?;
    let mut splitter = Splitter { name, text, at: 0, line: 1, separator };
    let Some((_, columns)) = splitter.record()? else {
        return Err(DataError::File { path: name.to_owned(), reason: "has no header".into(), hint: None });
    };
    let mut seen = HashSet::new();
    for (idx, column) in columns.iter().enumerate() {
        if column.trim().is_empty() {
            let hint = "the first line names the columns";
            return Err(malformed(name, 1, format!("column {} has no name", idx + 1), Some(hint)));
        }
        if !seen.insert(column.as_str()) {
            return Err(malformed(name, 1, format!("the column `{column}` occurs twice"), None));
        }
    }
    let mut records = Vec::new();
    while let Some((at, fields)) = splitter.record()? {
        if records.len() % 4096 == 0 {
            ctx.interrupt.check()?;
        }
        if fields.len() != columns.len() {
            let what = format!("has {} fields, the header has {}", fields.len(), columns.len());
            let hint = "put fields that hold a separator or a line end in double quotes";
            return Err(malformed(name, at, what, Some(hint)));
        }
        check_count(records.len() + 1)?;
        records.push(Record { at, cells: fields.into_iter().map(|field| Some(Value::String(field))).collect() });
    }
    not_empty(name, Records { name: name.to_owned(), columns, records, counted: "line" })
}

/// The rows of a polars table. Fails on types that have no plain value, such as dates: cast them first.
pub fn from_table(ctx: &Context, name: &str, table: &DataFrame) -> Result<Records, DataError> {
    check_count(table.height())?;
    let columns: Vec<String> = table.columns().iter().map(|column| column.name().to_string()).collect();
    let mut records: Vec<Record> =
        (0..table.height()).map(|idx| Record { at: idx + 1, cells: Vec::with_capacity(columns.len()) }).collect();
    for column in table.columns() {
        ctx.interrupt.check()?;
        let series = column.as_materialized_series();
        for (record, value) in records.iter_mut().zip(series.rechunk().iter()) {
            let cell = plain_value(&value).ok_or_else(|| DataError::Malformed {
                place: format!("`{name}` row {}, field `{}`", record.at, column.name()),
                what: format!("values of the type `{}` are not read", column.dtype()),
                hint: Some("leave the column out, or store it as text or numbers".into()),
            })?;
            record.cells.push(Some(cell));
        }
    }
    not_empty(name, Records { name: name.to_owned(), columns, records, counted: "row" })
}

/// A cell in an error message: what it is, and itself if it is short.
pub fn describe(value: &Value) -> String {
    let shown = |kind: &str, text: String| {
        if text.chars().count() <= 40 { format!("{kind} `{text}`") } else { kind.to_owned() }
    };
    match value {
        Value::Null => "nothing".into(),
        Value::Bool(value) => format!("`{value}`"),
        Value::Number(number) => format!("the number `{number}`"),
        Value::String(text) if text.trim().is_empty() => "empty text".into(),
        Value::String(text) => shown("the text", text.clone()),
        Value::Array(items) => format!("an array of {} items", items.len()),
        Value::Object(fields) => format!("an object with {} fields", fields.len()),
    }
}

/// Splits text into records of fields.
struct Splitter<'a> {
    name: &'a str,
    text: &'a str,
    at: usize,
    line: usize,
    separator: u8,
}

impl Splitter<'_> {
    /// The next record that is not a blank line, and the line it begins on.
    fn record(&mut self) -> Result<Option<(usize, Vec<String>)>, DataError> {
        let bytes = self.text.as_bytes();
        while let Some(byte) = bytes.get(self.at).filter(|byte| matches!(byte, b'\n' | b'\r')) {
            self.line += usize::from(*byte == b'\n');
            self.at += 1;
        }
        if self.at >= bytes.len() {
            return Ok(None);
        }
        let begin = self.line;
        let mut fields = Vec::new();
        loop {
            fields.push(if bytes.get(self.at) == Some(&b'"') { self.quoted(begin)? } else { self.bare() });
            match bytes.get(self.at) {
                Some(byte) if *byte == self.separator => self.at += 1,
                // The line end; `record` skips it and counts it when it is called again.
                _ => return Ok(Some((begin, fields))),
            }
        }
    }

    fn bare(&mut self) -> String {
        let bytes = self.text.as_bytes();
        let rest = bytes.get(self.at..).unwrap_or_default();
        let ends = |byte: &u8| *byte == self.separator || matches!(byte, b'\n' | b'\r');
        let end = self.at + rest.iter().position(ends).unwrap_or(rest.len());
        let field = self.text.get(self.at..end).unwrap_or_default().to_owned();
        self.at = end;
        field
    }

    fn quoted(&mut self, begin: usize) -> Result<String, DataError> {
        let bytes = self.text.as_bytes();
        let mut field = String::new();
        self.at += 1;
        loop {
            let rest = bytes.get(self.at..).unwrap_or_default();
            let Some(length) = rest.iter().position(|byte| *byte == b'"') else {
                let hint = "a double quote inside a quoted field is written twice";
                return Err(malformed(self.name, begin, "has a quoted field that does not end".into(), Some(hint)));
            };
            let piece = self.text.get(self.at..self.at + length).unwrap_or_default();
            self.line += piece.bytes().filter(|byte| *byte == b'\n').count();
            field.push_str(piece);
            self.at += length + 1;
            match bytes.get(self.at) {
                Some(b'"') => {
                    field.push('"');
                    self.at += 1;
                }
                Some(byte) if *byte != self.separator && !matches!(byte, b'\n' | b'\r') => {
                    let hint = "a double quote inside a quoted field is written twice";
                    let what = "has text after the end of a quoted field".into();
                    return Err(malformed(self.name, self.line, what, Some(hint)));
                }
                _ => return Ok(field),
            }
        }
    }
}

fn plain_value(value: &AnyValue) -> Option<Value> {
    Some(match value {
        AnyValue::Null => Value::Null,
        AnyValue::Boolean(value) => Value::Bool(*value),
        AnyValue::String(text) => Value::String((*text).to_owned()),
        AnyValue::StringOwned(text) => Value::String(text.to_string()),
        AnyValue::List(items) => Value::Array(items.iter().map(|item| plain_value(&item)).collect::<Option<_>>()?),
        AnyValue::Float32(value) => number(f64::from(*value)),
        AnyValue::Float64(value) => number(*value),
        AnyValue::UInt64(value) => Value::from(*value),
        other if other.is_integer() => Value::from(other.extract::<i64>()?),
        _ => return None,
    })
}

/// NaN and infinity have no JSON number: they are null here, and refused where a number is needed.
fn number(value: f64) -> Value {
    serde_json::Number::from_f64(value).map_or(Value::Null, Value::Number)
}

fn without_mark(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes)
}

fn not_empty(name: &str, records: Records) -> Result<Records, DataError> {
    if records.records.is_empty() {
        return Err(DataError::NoRows { name: name.to_owned(), what: "rows".into() });
    }
    Ok(records)
}

fn check_count(n: usize) -> Result<(), DataError> {
    if n > MAX_ROWS { Err(DataError::TooMany { what: "rows".into(), n, most: MAX_ROWS }) } else { Ok(()) }
}

fn malformed(name: &str, line: usize, what: String, hint: Option<&str>) -> DataError {
    DataError::Malformed { place: format!("`{name}` line {line}"), what, hint: hint.map(str::to_owned) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn jsonl(text: &str) -> Result<Records, DataError> {
        parse_jsonl(&Context::for_tests(), "a.jsonl", text.as_bytes())
    }

    fn csv(text: &str) -> Result<Records, DataError> {
        parse_csv(&Context::for_tests(), "a.csv", text.as_bytes(), b',')
    }

    fn why<T: std::fmt::Debug>(answer: Result<T, DataError>) -> String {
        answer.expect_err("malformed").to_string()
    }

    #[test]
    fn json_lines_keep_types_order_and_line_numbers() {
        let records =
            jsonl("\u{feff}{\"b\": 1, \"a\": \"x\"}\n\n{\"a\": null, \"c\": [true]}\r\n").expect("well-formed");
        assert_eq!(records.columns, ["b", "a", "c"]);
        assert_eq!(records.records[0].cells, [Some(json!(1)), Some(json!("x")), None]);
        assert_eq!(records.records[1].cells, [None, Some(Value::Null), Some(json!([true]))]);
        assert_eq!(records.records[1].at, 3);
    }

    #[test]
    fn malformed_json_lines_name_the_line() {
        assert_eq!(
            why(jsonl("{\"a\": 1}\n{\"a\": \n")),
            "`a.jsonl` line 2: is not JSON: eof while parsing a value at column 6"
        );
        assert_eq!(why(jsonl("{\"a\": 1}\n3\n")), "`a.jsonl` line 2: expected an object, got the number `3`");
        assert!(why(jsonl("[{\"a\": 1}]")).contains("got an array of 1 items"));
        assert_eq!(why(jsonl("\n \n")), "`a.jsonl` has no rows");
        let ctx = Context::for_tests();
        assert_eq!(why(parse_jsonl(&ctx, "a.jsonl", b"{}\n\xff\xfe")), "`a.jsonl` line 2: is not UTF-8 text");
        let deep = "[".repeat(100_000);
        assert!(why(jsonl(&deep)).contains("recursion limit"));
        ctx.interrupt.raise();
        assert_eq!(why(parse_jsonl(&ctx, "a.jsonl", b"{}")), "interrupted");
    }

    #[test]
    fn csv_fields_may_hold_separators_quotes_and_line_ends() {
        let records = csv("text,label\r\n\"a, \"\"b\"\"\nc\",1\r\n\nd,\n").expect("well-formed");
        assert_eq!(records.columns, ["text", "label"]);
        assert_eq!(records.records[0].cells, [Some(json!("a, \"b\"\nc")), Some(json!("1"))]);
        assert_eq!(records.records[1].cells, [Some(json!("d")), Some(json!(""))]);
        assert_eq!(records.records.iter().map(|record| record.at).collect::<Vec<_>>(), [2, 5]);
    }

    #[test]
    fn malformed_csv_names_the_line() {
        assert_eq!(why(csv("a,b\n1,2\n1,2,3\n")), "`a.csv` line 3: has 3 fields, the header has 2");
        assert_eq!(why(csv("a,b\n1\n")), "`a.csv` line 2: has 1 fields, the header has 2");
        assert_eq!(why(csv("a,b\n\"1,2\n3,4\n")), "`a.csv` line 2: has a quoted field that does not end");
        assert_eq!(why(csv("a,b\n\"1\"x,2\n")), "`a.csv` line 2: has text after the end of a quoted field");
        assert_eq!(why(csv("a,a\n1,2\n")), "`a.csv` line 1: the column `a` occurs twice");
        assert_eq!(why(csv("a,\n1,2\n")), "`a.csv` line 1: column 2 has no name");
        assert_eq!(why(csv("a,b\n")), "`a.csv` has no rows");
        assert_eq!(why(csv("\n\n")), "`a.csv`: has no header");
        let ctx = Context::for_tests();
        assert_eq!(why(parse_csv(&ctx, "a.csv", b"a\nx\n\xff\n", b',')), "`a.csv` line 3: is not UTF-8 text");
    }

    #[test]
    fn files_are_read_by_their_ending_and_refused_with_a_reason() {
        use polars::prelude::Column;
        use polars_io::prelude::ParquetWriter;
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str| folder.path().join(name);
        let ctx = Context::for_tests();
        let read = |name: &str| read_file(&ctx, name, &path(name));
        std::fs::write(path("a.tsv"), "a\tb\n1\tx,y\n").expect("written");
        assert_eq!(read("a.tsv").expect("read").records[0].cells[1], Some(json!("x,y")));
        std::fs::write(path("empty.csv"), "").expect("written");
        assert_eq!(why(read("empty.csv")), "`empty.csv`: is empty");
        std::fs::write(path("a.xlsx"), "x").expect("written");
        assert_eq!(why(read("a.xlsx")), "`a.xlsx`: the ending `.xlsx` names no format");
        assert_eq!(why(read("none.csv")), "`none.csv`: no such file or folder");
        std::fs::create_dir(path("folder.csv")).expect("made");
        assert_eq!(why(read("folder.csv")), "`folder.csv`: is not a file");
        let columns = vec![
            Column::new("text".into(), ["x", "y"]),
            Column::new("label".into(), [0i32, 1]),
            Column::new("score".into(), [0.5f64, f64::NAN]),
        ];
        let mut table = DataFrame::new(2, columns).expect("a table");
        let file = std::fs::File::create(path("a.parquet")).expect("made");
        ParquetWriter::new(file).finish(&mut table).expect("written");
        let records = read("a.parquet").expect("read");
        assert_eq!(records.records[1].cells, [Some(json!("y")), Some(json!(1)), Some(Value::Null)]);
        let bytes = std::fs::read(path("a.parquet")).expect("read");
        std::fs::write(path("cut.parquet"), &bytes[..bytes.len() / 2]).expect("written");
        assert!(why(read("cut.parquet")).starts_with("`cut.parquet`: is not readable as Parquet"));
        let mut damaged = bytes.clone();
        damaged[10..30].fill(0xff);
        std::fs::write(path("damaged.parquet"), damaged).expect("written");
        assert!(why(read("damaged.parquet")).starts_with("`damaged.parquet`: is not readable as Parquet"));
    }
}
