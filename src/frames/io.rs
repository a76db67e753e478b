//! Frames to and from Parquet, CSV and JSON: bytes in, bytes out; files only where the context grants them.
#![allow(clippy::disallowed_methods)] // A loader: paths come from `ctx.access`.

use super::classes::KEY;
use super::content::Kind;
use super::error::FrameError;
use super::{Frame, MAX_ROWS};
use crate::core::context::{Context, plain};
use crate::core::files;
use polars::prelude::{self as pl, Column, Schema};
use polars_io::SerReader;
use polars_io::SerWriter;
use polars_io::csv::read::CsvReadOptions;
use polars_io::csv::write::CsvWriter;
use polars_io::json::{JsonFormat, JsonReader};
use polars_io::parquet::read::ParquetReader;
use polars_io::parquet::write::{KeyValueMetadata, ParquetWriter};
use serde_json::{Map, Value};
use std::collections::HashMap;
use std::io::Cursor;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// The largest file that is read: 1 GiB. Chosen: it is read whole.
const MAX_BYTES: u64 = 1 << 30;

/// How a table is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Keeps every kind and every null, and class names in the file's metadata. The other two have no place for names.
    Parquet,
    /// Text with a header; kinds are told from the values, the column `id` is always text.
    Csv,
    /// An array of objects, or one object per line.
    Json,
}

impl Format {
    /// What the name of a file that a script writes must end in.
    pub fn endings(self) -> &'static [&'static str] {
        match self {
            Format::Parquet => &["parquet"],
            Format::Csv => &["csv"],
            Format::Json => &["json"],
        }
    }
}

impl Frame {
    /// Reads a file that the context grants, found as [`Context::readable`] finds it.
    pub fn read(ctx: &Context, path: &str, format: Format) -> Result<Frame, FrameError> {
        let real = ctx.readable(path)?;
        let fails = |reason: String| FrameError::File { path: path.to_owned(), reason };
        let metadata = std::fs::metadata(&real).map_err(|error| fails(plain(&error)))?;
        if !metadata.is_file() {
            return Err(fails("is not a file".to_owned()));
        }
        if metadata.len() > MAX_BYTES {
            return Err(fails(format!("has {} bytes, at most {MAX_BYTES} are read", metadata.len())));
        }
        let bytes = std::fs::read(&real).map_err(|error| fails(plain(&error)))?;
        ctx.note_read(&real, &bytes);
        ctx.interrupt.check()?;
        Frame::from_bytes(bytes, format).map_err(|error| match error {
            FrameError::Interrupted | FrameError::Access(_) => error,
            other => fails(other.to_string()),
        })
    }

    /// Writes a file, whole or not at all, where the context grants it. A plain name or relative path goes into the run's
    /// folder; without a run it starts at the project. A plan writes nothing.
    pub fn write(&self, ctx: &Context, path: &str, format: Format) -> Result<(), FrameError> {
        if ctx.writes_nothing() {
            return Ok(());
        }
        let real = ctx.output(path, format.endings())?;
        let bytes = self.to_bytes(format)?;
        ctx.interrupt.check()?;
        files::write(&real, &bytes).map_err(|error| {
            let reason = format!("could not be written: {}", plain(&error));
            FrameError::File { path: path.to_owned(), reason }
        })?;
        ctx.note_written("frame", path, vec![real]);
        Ok(())
    }

    /// Reads a stored table.
    pub fn from_bytes(bytes: Vec<u8>, format: Format) -> Result<Frame, FrameError> {
        match format {
            Format::Parquet => from_parquet(bytes),
            Format::Csv => from_csv(bytes),
            Format::Json => from_json(&bytes),
        }
    }

    /// The table as a file holds it. The same frame gives the same bytes.
    pub fn to_bytes(&self, format: Format) -> Result<Vec<u8>, FrameError> {
        let mut bytes = Vec::new();
        let mut table = self.table().clone();
        match format {
            Format::Parquet => {
                let names = self.stored_names()?.map(|names| vec![(KEY.to_owned(), names)]);
                ParquetWriter::new(&mut bytes)
                    .with_key_value_metadata(names.map(KeyValueMetadata::from_static))
                    .set_parallel(false)
                    .finish(&mut table)?;
            }
            Format::Csv => {
                CsvWriter::new(&mut bytes).n_threads(1).finish(&mut table)?;
            }
            Format::Json => bytes = to_json(self)?,
        }
        Ok(bytes)
    }

    /// The table as comma-separated text with a header. A null is empty, an empty text `""`.
    pub fn to_csv(&self) -> Result<String, FrameError> {
        let bytes = self.to_bytes(Format::Csv)?;
        String::from_utf8(bytes).map_err(|_| FrameError::Refused("the table is not UTF-8 text".to_owned()))
    }
}

fn from_parquet(bytes: Vec<u8>) -> Result<Frame, FrameError> {
    let damaged = |what: &str| FrameError::Refused(format!("is not readable as Parquet: {what}"));
    // The decoder panics on some damaged files.
    let read = catch_unwind(AssertUnwindSafe(|| {
        let mut reader = ParquetReader::new(Cursor::new(bytes));
        let n_rows = reader.num_rows()?;
        if n_rows > MAX_ROWS {
            return Ok(Err(n_rows));
        }
        let names = stored_names(&mut reader)?;
        reader.finish().map(|table| Ok((table, names)))
    }));
    match read {
        Ok(Ok(Ok((table, None)))) => Frame::tidy(table),
        Ok(Ok(Ok((table, Some(names))))) => Frame::tidy(table)?.with_stored_names(&names),
        Ok(Ok(Err(n_rows))) => Err(FrameError::TooManyRows { verb: "reading", n_rows: n_rows as u128, most: MAX_ROWS }),
        Ok(Err(error)) => Err(damaged(&FrameError::from(error).to_string())),
        Err(_) => Err(damaged("it is damaged")),
    }
}

/// The class names in a Parquet file's metadata, as [`Frame::spelled_by`] takes them.
pub fn stored_names(reader: &mut ParquetReader<Cursor<Vec<u8>>>) -> pl::PolarsResult<Option<String>> {
    let mut metadata = reader.get_metadata()?.key_value_metadata().iter().flatten();
    Ok(metadata.find(|pair| pair.key == KEY).and_then(|pair| pair.value.clone()))
}

fn from_csv(bytes: Vec<u8>) -> Result<Frame, FrameError> {
    if bytes.trim_ascii().is_empty() {
        return Err(FrameError::Refused("has no header".to_owned()));
    }
    let read = catch_unwind(AssertUnwindSafe(|| {
        CsvReadOptions::default()
            .with_infer_schema_length(Some(0))
            .with_n_threads(Some(1))
            .into_reader_with_file_handle(Cursor::new(bytes))
            .finish()
    }));
    let table = match read {
        Ok(table) => table?,
        Err(_) => return Err(FrameError::Refused("is not readable as CSV".to_owned())),
    };
    let columns: Result<Vec<Column>, FrameError> = table.columns().iter().map(typed).collect();
    Frame::from_columns(columns?)
}

/// A text column as the narrowest kind that holds all its values.
fn typed(column: &Column) -> Result<Column, FrameError> {
    let texts = column.as_materialized_series().rechunk();
    let texts = texts.str()?;
    let kind = if column.name() == "id" { Kind::String } else { kind_of(&texts.iter().flatten().collect::<Vec<_>>()) };
    let name = column.name().clone();
    Ok(match kind {
        Kind::String => column.clone(),
        Kind::Bool => Column::new(name, texts.iter().map(|text| text.map(|text| text == "true")).collect::<Vec<_>>()),
        Kind::Int => Column::new(name, texts.iter().map(|text| text?.parse::<i64>().ok()).collect::<Vec<_>>()),
        Kind::Float => Column::new(name, texts.iter().map(|text| text?.parse::<f64>().ok()).collect::<Vec<_>>()),
    })
}

fn kind_of(texts: &[&str]) -> Kind {
    if texts.is_empty() {
        return Kind::Float;
    }
    // `007` is a name, not a number.
    let is_plain = |text: &str| {
        let digits = text.trim_start_matches('-');
        let is_padded = digits.len() > 1 && digits.starts_with('0') && !digits.starts_with("0.");
        !(is_padded || text.starts_with('+'))
    };
    let is_float = |text: &str| {
        let is_word = matches!(text, "NaN" | "inf" | "-inf");
        is_word || (text.bytes().all(|byte| b"0123456789.-+eE".contains(&byte)) && text.parse::<f64>().is_ok())
    };
    if texts.iter().all(|text| matches!(*text, "true" | "false")) {
        Kind::Bool
    } else if texts.iter().all(|text| is_plain(text) && text.parse::<i64>().is_ok()) {
        Kind::Int
    } else if texts.iter().all(|text| is_plain(text) && is_float(text)) {
        Kind::Float
    } else {
        Kind::String
    }
}

fn from_json(bytes: &[u8]) -> Result<Frame, FrameError> {
    let rows = json_rows(bytes)?;
    if rows.len() > MAX_ROWS {
        return Err(FrameError::TooManyRows { verb: "reading", n_rows: rows.len() as u128, most: MAX_ROWS });
    }
    let mut names: Vec<String> = Vec::new();
    let mut place: HashMap<String, usize> = HashMap::new();
    for row in &rows {
        for name in row.keys() {
            if !place.contains_key(name) {
                place.insert(name.clone(), names.len());
                names.push(name.clone());
            }
        }
    }
    let columns: Result<Vec<Column>, FrameError> = names.iter().map(|name| json_column(name, &rows)).collect();
    exact_floats(Frame::from_columns(columns?)?, bytes)
}

/// Floats to the last bit: `serde_json` rounds some of them by one unit in the last place, polars' reader
/// does not. Where polars reads less than `serde_json` does (blank lines, say), the rounded floats stay.
fn exact_floats(frame: Frame, bytes: &[u8]) -> Result<Frame, FrameError> {
    if frame.height() == 0 || frame.kinds().iter().all(|(_, kind)| *kind != Kind::Float) {
        return Ok(frame);
    }
    let schema: Schema = frame.kinds().into_iter().map(|(name, kind)| (name.into(), kind.dtype())).collect();
    let is_array = bytes.trim_ascii_start().first() == Some(&b'[');
    let read = catch_unwind(AssertUnwindSafe(|| {
        JsonReader::new(Cursor::new(bytes))
            .with_json_format(if is_array { JsonFormat::Json } else { JsonFormat::JsonLines })
            .with_schema(Arc::new(schema))
            .finish()
    }));
    let Ok(Ok(exact)) = read else { return Ok(frame) };
    if exact.height() != frame.height() {
        return Ok(frame);
    }
    let columns = frame.kinds().into_iter().map(|(name, kind)| match exact.column(&name) {
        Ok(column) if kind == Kind::Float => Ok(column.clone()),
        _ => frame.column(&name).cloned(),
    });
    let columns: Result<Vec<Column>, FrameError> = columns.collect();
    Frame::from_columns(columns?)
}

fn json_rows(bytes: &[u8]) -> Result<Vec<Map<String, Value>>, FrameError> {
    let refuse = |what: String| Err(FrameError::Refused(what));
    let said = |error: serde_json::Error| error.to_string().to_lowercase();
    if bytes.trim_ascii_start().first() == Some(&b'[') {
        let rows: Vec<Value> = match serde_json::from_slice(bytes) {
            Ok(rows) => rows,
            Err(error) => return refuse(format!("is not JSON: {}", said(error))),
        };
        let object = |(at, row)| match row {
            Value::Object(row) => Ok(row),
            other => Err(FrameError::Refused(format!("row {at} must be an object, got {}", json_kind(&other)))),
        };
        return rows.into_iter().enumerate().map(object).collect();
    }
    let mut rows = Vec::new();
    for (at, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
        if line.trim_ascii().is_empty() {
            continue;
        }
        match serde_json::from_slice(line) {
            Ok(Value::Object(row)) => rows.push(row),
            Ok(other) => return refuse(format!("line {} must be an object, got {}", at + 1, json_kind(&other))),
            Err(error) => return refuse(format!("line {} is not JSON: {}", at + 1, said(error))),
        }
    }
    Ok(rows)
}

fn json_kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_f64() => "float",
        Value::Number(_) => "int",
        Value::String(_) => "string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

fn json_column(name: &str, rows: &[Map<String, Value>]) -> Result<Column, FrameError> {
    let mut kind: Option<Kind> = None;
    for (at, row) in rows.iter().enumerate() {
        let held = match row.get(name) {
            None | Some(Value::Null) => continue,
            Some(Value::Bool(_)) => Kind::Bool,
            Some(Value::Number(number)) if number.is_i64() => Kind::Int,
            Some(Value::Number(number)) if number.is_f64() => Kind::Float,
            Some(Value::String(_)) => Kind::String,
            Some(other) => {
                let got = json_kind(other);
                let what = format!("row {at}, field `{name}`: {got} does not fit into a column");
                return Err(FrameError::Refused(what));
            }
        };
        kind = match kind {
            None => Some(held),
            Some(known) if known == held => Some(held),
            Some(known) if known.is_number() && held.is_number() => Some(Kind::Float),
            Some(known) => {
                return Err(FrameError::Refused(format!(
                    "row {at}, field `{name}` is {held}, rows above hold {known}"
                )));
            }
        };
    }
    let values = rows.iter().map(|row| row.get(name));
    Ok(match kind {
        Some(Kind::Bool) => Column::new(name.into(), values.map(|v| v?.as_bool()).collect::<Vec<_>>()),
        Some(Kind::Int) => Column::new(name.into(), values.map(|v| v?.as_i64()).collect::<Vec<_>>()),
        Some(Kind::String) => Column::new(name.into(), values.map(|v| v?.as_str()).collect::<Vec<_>>()),
        Some(Kind::Float) | None => Column::new(name.into(), values.map(|v| v?.as_f64()).collect::<Vec<_>>()),
    })
}

/// One object per line within an array. JSON has no NaN and no infinity: a frame that holds one is refused.
fn to_json(frame: &Frame) -> Result<Vec<u8>, FrameError> {
    let mut rows: Vec<Map<String, Value>> = vec![Map::new(); frame.height()];
    for (name, kind) in frame.kinds() {
        let column = frame.column(&name)?.strict_cast(&kind.dtype())?;
        let series = column.as_materialized_series().rechunk();
        let values: Result<Vec<Value>, FrameError> = match kind {
            Kind::Bool => Ok(series.bool()?.iter().map(Value::from).collect()),
            Kind::Int => Ok(series.i64()?.iter().map(Value::from).collect()),
            Kind::String => Ok(series.str()?.iter().map(Value::from).collect()),
            Kind::Float => series
                .f64()?
                .iter()
                .enumerate()
                .map(|(row, value)| match value {
                    Some(value) if !value.is_finite() => Err(FrameError::Refused(format!(
                        "column `{name}` holds `{value}` in row {row}, which JSON cannot say: write CSV or Parquet"
                    ))),
                    value => Ok(Value::from(value)),
                })
                .collect(),
        };
        for (row, value) in rows.iter_mut().zip(values?) {
            row.insert(name.clone(), value);
        }
    }
    let lines: Result<Vec<String>, serde_json::Error> = rows.iter().map(serde_json::to_string).collect();
    let lines = lines.map_err(|error| FrameError::Refused(error.to_string()))?;
    Ok(if lines.is_empty() { b"[]\n".to_vec() } else { format!("[\n{}\n]\n", lines.join(",\n")).into_bytes() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use polars::df;

    fn table() -> Frame {
        let table = df!(
            "id" => [Some("a"), Some(""), None, Some("007")],
            "text" => [Some("x, \"y\"\nz"), Some("ünï"), Some("null"), None],
            "b" => [Some(true), Some(false), None, Some(true)],
            "i" => [Some(i64::MAX), Some(i64::MIN), None, Some(0)],
            "f" => [Some(0.1 + 0.2), Some(-1.5e-300), None, Some(1.0)],
        );
        Frame::tidy(table.expect("columns of one length")).expect("a tidy table")
    }

    #[test]
    fn every_kind_and_null_comes_back() {
        for format in [Format::Parquet, Format::Csv, Format::Json] {
            let bytes = table().to_bytes(format).expect("writes");
            assert_eq!(bytes, table().to_bytes(format).expect("writes"), "{format:?}: the same frame, the same bytes");
            let back = Frame::from_bytes(bytes, format).expect("reads");
            assert!(back.equals(&table()), "{format:?}\n{}", back.show(crate::frames::BOUNDS));
            assert_eq!(back.digest(), table().digest());
        }
    }

    #[test]
    fn what_is_no_finite_number_comes_back_or_is_refused() {
        let odd = Frame::from_columns(vec![Column::new("x".into(), [f64::NAN, f64::INFINITY, f64::NEG_INFINITY])]);
        let odd = odd.expect("a frame");
        for format in [Format::Parquet, Format::Csv] {
            let back = Frame::from_bytes(odd.to_bytes(format).expect("writes"), format).expect("reads");
            assert!(back.equals(&odd), "{format:?}");
        }
        assert!(odd.to_bytes(Format::Json).expect_err("JSON has no NaN").to_string().contains("JSON cannot say"));
    }

    #[test]
    fn an_empty_table_keeps_its_columns() {
        let empty = table().head(0);
        for format in [Format::Parquet, Format::Csv] {
            let back = Frame::from_bytes(empty.to_bytes(format).expect("writes"), format).expect("reads");
            assert_eq!((back.height(), back.columns()), (0, empty.columns()), "{format:?}");
        }
    }

    #[test]
    fn malformed_files_are_explained() {
        let cases: [(&[u8], Format, &str); 9] = [
            (b"", Format::Csv, "has no header"),
            (b"a,b\n1,2,3\n", Format::Csv, ""),
            (b"a\n\xff\n", Format::Csv, ""),
            (b"PAR1 is not enough", Format::Parquet, "is not readable as Parquet"),
            (b"", Format::Parquet, "is not readable as Parquet"),
            (b"[1]", Format::Json, "row 0 must be an object, got int"),
            (b"{\"a\": 1}\n{\"a\": \"x\"}\n", Format::Json, "row 1, field `a` is string, rows above hold int"),
            (b"{\"a\": [1]}", Format::Json, "row 0, field `a`: an array does not fit into a column"),
            (b"{\"a\": 1", Format::Json, "line 1 is not JSON"),
        ];
        for (bytes, format, message) in cases {
            let error = Frame::from_bytes(bytes.to_vec(), format).err().expect(message);
            assert!(error.to_string().contains(message), "{error}");
        }
    }

    #[test]
    fn files_outside_the_grants_are_neither_read_nor_written() {
        let folder = tempfile::tempdir().expect("a folder");
        let ctx = Context::for_tests();
        let path = folder.path().join("t.csv");
        let path = path.to_str().expect("a path");
        assert!(table().write(&ctx, path, Format::Csv).is_err());
        assert!(!std::path::Path::new(path).exists());
        assert!(Frame::read(&ctx, path, Format::Csv).is_err());
    }

    #[test]
    fn kinds_are_told_from_values() {
        let csv = b"id,zip,n,x,flag,none\n1,007,3,1e-3,true,\n2,123,4,5,false,\n";
        let frame = Frame::from_bytes(csv.to_vec(), Format::Csv).expect("reads");
        let kinds: Vec<String> = frame.kinds().iter().map(|(name, kind)| format!("{name}:{kind}")).collect();
        assert_eq!(kinds, ["id:string", "zip:string", "n:int", "x:float", "flag:bool", "none:float"]);
    }
}
