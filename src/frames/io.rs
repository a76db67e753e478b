//! Frames to and from Parquet, CSV and JSON: bytes in, bytes out; files only where the context grants them.
#![allow(clippy::disallowed_methods)] // A loader: paths come from `ctx.access`.

use super::classes::KEY;
use super::content::Kind;
use super::error::FrameError;
use super::json::{Fault, Reader, Token};
use super::sealed;
use super::sources::Sources;
use super::text::{Dialect, Field, Guess, MAX_COLUMNS, Misread, Separated, decoded};
use super::{Frame, MAX_ROWS, features, npy, parquet};
use crate::core::context::{Context, Interrupt, plain};
use crate::core::digest::{Digest, Parts};
use crate::core::files;
use polars::prelude::Column;
use polars_io::SerWriter;
use polars_io::csv::write::CsvWriter;
use polars_io::parquet::write::{KeyValueMetadata, ParquetWriter};
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// The largest file that is read: 2 GiB. Arbitrary; it is read whole.
pub const MAX_FILE: u64 = 2 << 30;

/// The most cells of a table that is read from text. Arbitrary: about 2 GiB as they are gathered.
const MAX_CELLS: usize = 80_000_000;

/// How a table is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Keeps every kind and every null, and class names in the file's metadata. The other two have no place for names.
    Parquet,
    /// Text with a header; kinds are told from the values, the column `id` is always text.
    Csv,
    /// An array of objects, or one object per line.
    Json,
    /// NumPy's array: the features `x0`, `x1`, … alone, in 32 bits.
    Npy,
}

impl Format {
    /// What the name of a file that a script writes must end in.
    pub fn endings(self) -> &'static [&'static str] {
        match self {
            Format::Parquet => &["parquet"],
            Format::Csv => &["csv"],
            Format::Json => &["json"],
            Format::Npy => &["npy"],
        }
    }
}

/// What the caller says about a file.
#[derive(Debug, Clone, Default)]
pub struct Reading {
    /// CSV: what separates fields.
    pub separator: Option<String>,
    /// CSV: what fields may be quoted with; empty for nothing.
    pub quote: Option<String>,
    /// Parquet: the columns that are read.
    pub columns: Option<Vec<String>>,
    /// Parquet: the column of lists or arrays that becomes `x0`, `x1`, ….
    pub features: Option<String>,
    /// NumPy: the rows' ids.
    pub ids: Option<Vec<String>>,
}

/// The bytes of the file at `real`, which errors call `name`. The caller has checked that it may be read.
pub fn content(ctx: &Context, name: &str, real: &Path) -> Result<Vec<u8>, FrameError> {
    let mut pieces = Pieces::open(ctx, name, real, usize::MAX)?;
    let bytes = pieces.next().transpose().map_err(|reason| FrameError::File { path: name.to_owned(), reason })?;
    pieces.note(ctx)?;
    ctx.interrupt.check()?;
    let bytes = bytes.filter(|bytes| !bytes.is_empty());
    bytes.ok_or_else(|| FrameError::File { path: name.to_owned(), reason: EMPTY.to_owned() })
}

/// What is wrong with a file without a byte.
pub const EMPTY: &str = "is empty";

/// The bytes of a file, in pieces of about so many bytes that end with a line feed, of which one is held at a time. A line that is longer makes
/// its piece longer.
pub struct Pieces {
    name: String,
    real: PathBuf,
    file: File,
    size: usize,
    /// How many bytes the file had when it was opened.
    pub n_bytes: u64,
    hasher: Parts,
    n_read: u64,
    /// Read behind the last line feed.
    rest: Vec<u8>,
    is_done: bool,
}

impl Pieces {
    /// Opens the file at `real`, which errors call `name`. The caller has checked that it may be read, and calls [`Pieces::note`].
    pub fn open(ctx: &Context, name: &str, real: &Path, size: usize) -> Result<Pieces, FrameError> {
        let fails = |reason: String| FrameError::File { path: name.to_owned(), reason };
        let metadata = std::fs::metadata(real).map_err(|error| fails(plain(&error)))?;
        if !metadata.is_file() {
            return Err(fails("is not a file".to_owned()));
        }
        let n_bytes = metadata.len();
        if n_bytes > MAX_FILE {
            return Err(fails(format!("has {n_bytes} bytes, at most {MAX_FILE} are read")));
        }
        let file = File::open(real).map_err(|error| fails(plain(&error)))?;
        warn_of_another_run(ctx, name, real);
        let size = size.min(n_bytes as usize + 1);
        let (name, real, hasher) = (name.to_owned(), real.to_owned(), Parts::default());
        Ok(Pieces { name, real, file, size, n_bytes, hasher, n_read: 0, rest: Vec::new(), is_done: false })
    }

    /// Tells the context that the whole file was read, what was not asked for included; the hash of its content.
    pub fn note(mut self, ctx: &Context) -> Result<Digest, FrameError> {
        while let Some(piece) = self.next() {
            piece.map_err(|reason| FrameError::File { path: self.name.clone(), reason })?;
        }
        let hash = self.hasher.finish();
        ctx.note_content(&self.real, hash, self.n_read);
        Ok(hash)
    }
}

impl Iterator for Pieces {
    type Item = Result<Vec<u8>, String>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut piece = std::mem::take(&mut self.rest);
        while !self.is_done {
            let begin = piece.len();
            piece.reserve_exact(self.size);
            let n = match self.file.by_ref().take(self.size as u64).read_to_end(&mut piece) {
                Ok(n) => n,
                Err(error) => {
                    self.is_done = true;
                    return Some(Err(plain(&error)));
                }
            };
            let read = piece.get(begin..).unwrap_or_default();
            self.hasher.add(read);
            self.n_read += n as u64;
            if n < self.size {
                self.is_done = true;
            } else if let Some(end) = read.iter().rposition(|byte| *byte == b'\n').map(|at| begin + at + 1) {
                self.rest = piece.split_off(end);
                return Some(Ok(piece));
            }
        }
        (!piece.is_empty()).then_some(Ok(piece))
    }
}

/// Warns of a file that another run left: what is in it of sealed truth, that run's record says.
fn warn_of_another_run(ctx: &Context, name: &str, real: &Path) {
    let own = ctx.settings.run_dir.as_ref().and_then(|folder| folder.canonicalize().ok());
    let folders = real.ancestors().skip(1).take_while(|folder| *folder != ctx.access.project);
    let mut others = folders.filter(|folder| own.as_deref() != Some(*folder) && folder.join("record.json").is_file());
    if others.next().is_some() {
        ctx.warn(format!("`{name}` was left by another run: its readings of sealed truth are in that run's record"));
    }
}

impl Frame {
    /// Reads a file that the context grants, found as [`Context::readable`] finds it.
    pub fn read(ctx: &Context, path: &str, format: Format, reading: &Reading) -> Result<Frame, FrameError> {
        let real = ctx.readable(path)?;
        let bytes = content(ctx, path, &real)?;
        let hash = Digest::of_bytes(&bytes);
        let frame = parsed(path, bytes, format, reading, &ctx.interrupt).map_err(|error| match error {
            FrameError::Refused(reason) => FrameError::File { path: path.to_owned(), reason },
            FrameError::TooManyRows { .. } => FrameError::File { path: path.to_owned(), reason: error.to_string() },
            other => other,
        })?;
        let by = match format {
            Format::Csv => "frame::read_csv",
            Format::Json => "frame::read_json",
            Format::Parquet => "frame::read_parquet",
            Format::Npy => "frame::read_npy",
        };
        Ok(ctx.state::<Sources>().note_table(ctx, hash, by, frame))
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
        ctx.spend(path, bytes.len())?;
        files::write(&real, &bytes).map_err(|error| {
            let reason = format!("could not be written: {}", plain(&error));
            FrameError::File { path: path.to_owned(), reason }
        })?;
        ctx.state::<Sources>().note_written(Digest::of_bytes(&bytes), self);
        ctx.note_written("frame", path, vec![real]);
        Ok(())
    }

    /// Reads a stored table.
    pub fn from_bytes(bytes: Vec<u8>, format: Format) -> Result<Frame, FrameError> {
        let interrupt = Interrupt::default();
        match format {
            Format::Csv => from_csv("the table", &bytes, Dialect::own(), &interrupt),
            _ => parsed("the table", bytes, format, &Reading::default(), &interrupt),
        }
    }

    /// The table as a file holds it. The same frame gives the same bytes.
    pub fn to_bytes(&self, format: Format) -> Result<Vec<u8>, FrameError> {
        let mut bytes = Vec::new();
        let mut table = self.table().clone();
        match format {
            Format::Parquet => {
                let names = self.stored_names()?.map(|names| (KEY.to_owned(), names));
                let sealed = self.stored_sealed()?.map(|sealed| (sealed::KEY.to_owned(), sealed));
                let notes: Vec<(String, String)> = names.into_iter().chain(sealed).collect();
                ParquetWriter::new(&mut bytes)
                    .with_key_value_metadata((!notes.is_empty()).then(|| KeyValueMetadata::from_static(notes)))
                    .set_parallel(false)
                    .finish(&mut table)?;
            }
            Format::Csv => {
                CsvWriter::new(&mut bytes).n_threads(1).finish(&mut table)?;
            }
            Format::Json => bytes = to_json(self)?,
            Format::Npy => bytes = npy::to_npy(self)?,
        }
        Ok(bytes)
    }

    /// The table as comma-separated text with a header. A null is empty, an empty text `""`.
    pub fn to_csv(&self) -> Result<String, FrameError> {
        let bytes = self.to_bytes(Format::Csv)?;
        String::from_utf8(bytes).map_err(|_| FrameError::Refused("the table is not UTF-8 text".to_owned()))
    }
}

fn parsed(
    name: &str,
    bytes: Vec<u8>,
    format: Format,
    reading: &Reading,
    interrupt: &Interrupt,
) -> Result<Frame, FrameError> {
    match format {
        Format::Parquet => from_parquet(bytes, reading.columns.as_deref(), reading.features.as_deref()),
        Format::Npy => npy::from_npy(&bytes, reading.ids.as_deref()),
        Format::Csv => {
            let dialect = Dialect::of(name, reading.separator.as_deref(), reading.quote.as_deref());
            from_csv(name, &bytes, dialect.map_err(|misread| malformed(name, misread))?, interrupt)
        }
        Format::Json => from_json(name, &bytes, interrupt),
    }
}

fn malformed(name: &str, misread: Misread) -> FrameError {
    FrameError::Malformed { place: misread.place(name), what: misread.what, hint: misread.hint }
}

fn from_parquet(bytes: Vec<u8>, only: Option<&[String]>, features: Option<&str>) -> Result<Frame, FrameError> {
    let nested = features.is_some();
    let mut stored = parquet::read(bytes, parquet::Choice { only, nested, ..parquet::Choice::default() })?;
    if let Some(name) = features {
        if stored.table.column(name).is_err() {
            return Err(FrameError::NoColumn {
                column: name.to_owned(),
                columns: only.map_or(stored.names, <[String]>::to_vec),
            });
        }
        stored.table = features::expanded(&stored.table, name)?;
    }
    let class_names = stored.note(KEY).map(str::to_owned);
    let sealed = stored.note(sealed::KEY).map(sealed::stored).transpose()?;
    let mut frame = Frame::tidy(stored.table)?.with_sealed(sealed.unwrap_or_default());
    if let Some(names) = class_names {
        frame = frame.with_stored_names(&names)?;
    }
    let Some(only) = only else { return Ok(frame) };
    if let Some(column) = only.iter().find(|column| !stored.names.contains(column)) {
        return Err(FrameError::NoColumn { column: column.clone(), columns: stored.names });
    }
    // In the order in which they were asked for.
    let n_others = only.iter().filter(|name| features != Some(name.as_str())).count();
    let n_features = frame.width().saturating_sub(n_others);
    let columns = only.iter().flat_map(|name| match features == Some(name.as_str()) {
        true => (0..n_features).map(|at| format!("x{at}")).collect(),
        false => vec![name.clone()],
    });
    let columns: Result<Vec<Column>, FrameError> = columns.map(|name| frame.column(&name).cloned()).collect();
    Ok(Frame::from_columns(columns?)?.made_from(&frame))
}

/// Fails where a table of text would be too large; `line` is where it was seen.
fn check_cells(n_rows: usize, n_columns: usize, line: usize) -> Result<(), Misread> {
    if n_rows > MAX_ROWS {
        return Err(Misread::at(line, format!("is beyond row {MAX_ROWS}, more are not read")));
    }
    if n_rows.saturating_mul(n_columns) > MAX_CELLS {
        return Err(Misread::at(line, format!("is beyond {MAX_CELLS} cells, more are not read"))
            .hint("take a part of it, or store it as Parquet"));
    }
    Ok(())
}

fn from_csv(name: &str, bytes: &[u8], dialect: Dialect, interrupt: &Interrupt) -> Result<Frame, FrameError> {
    let refuse = |misread| malformed(name, misread);
    let text = decoded(bytes).map_err(refuse)?;
    let mut rows = Separated::open(&text, dialect).map_err(refuse)?;
    let names = rows.columns().to_vec();
    let mut columns: Vec<(Guess, Vec<Option<Cow<str>>>)> = vec![(Guess::default(), Vec::new()); names.len()];
    let mut fields: Vec<Field> = Vec::new();
    let mut n_rows = 0;
    while let Some(line) = rows.next(&mut fields).map_err(refuse)? {
        n_rows += 1;
        check_cells(n_rows, names.len(), line).map_err(refuse)?;
        if n_rows % 4096 == 0 {
            interrupt.check()?;
        }
        for (field, (guess, cells)) in fields.drain(..).zip(&mut columns) {
            let is_value = field.is_quoted || !field.text.is_empty();
            if is_value {
                guess.see(&field.text);
            }
            cells.push(is_value.then_some(field.text));
        }
    }
    let columns = names.iter().zip(columns).map(|(name, (guess, cells))| typed(name, guess.kind(name), &cells));
    Frame::from_columns(columns.collect())
}

/// A column of texts as the kind that holds all of them.
fn typed(name: &str, kind: Kind, cells: &[Option<Cow<str>>]) -> Column {
    let name = name.into();
    let texts = cells.iter().map(Option::as_deref);
    match kind {
        Kind::String => Column::new(name, texts.collect::<Vec<_>>()),
        Kind::Bool => Column::new(name, texts.map(|text| text.map(|text| text == "true")).collect::<Vec<_>>()),
        Kind::Int => Column::new(name, texts.map(|text| text?.parse::<i64>().ok()).collect::<Vec<_>>()),
        Kind::Float => Column::new(name, texts.map(|text| text?.parse::<f64>().ok()).collect::<Vec<_>>()),
    }
}

/// One column of JSON as it is gathered.
#[derive(Default)]
struct Gathered<'a> {
    /// Rows before the first value: a field that comes late costs nothing for them.
    n_before: usize,
    cells: Vec<Option<Token<'a>>>,
    /// What the values are, nulls aside.
    sort: Option<Sort>,
}

/// What the values of one field are together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sort {
    Bool,
    Int,
    Float,
    Text,
    /// Integers, of which some are beyond 64 bits: their digits are kept as text.
    Wide,
}

impl Sort {
    fn of(token: &Token) -> Option<Sort> {
        Some(match token {
            Token::Bool(_) => Sort::Bool,
            Token::Int(_) => Sort::Int,
            Token::Wide(_) => Sort::Wide,
            Token::Float(_) => Sort::Float,
            Token::Text(_) => Sort::Text,
            Token::Null | Token::Array | Token::Object => return None,
        })
    }

    fn name(self) -> &'static str {
        match self {
            Sort::Bool => "bool",
            Sort::Int => "int",
            Sort::Float => "float",
            Sort::Text => "string",
            Sort::Wide => "an integer beyond 64 bits",
        }
    }

    /// What holds values of both.
    fn with(self, other: Sort) -> Option<Sort> {
        match (self, other) {
            (a, b) if a == b => Some(a),
            (Sort::Int | Sort::Float, Sort::Int | Sort::Float) => Some(Sort::Float),
            (Sort::Int | Sort::Wide, Sort::Int | Sort::Wide) => Some(Sort::Wide),
            _ => None,
        }
    }
}

/// The columns of a JSON file as they are gathered.
#[derive(Default)]
struct Rows<'a> {
    names: Vec<String>,
    place: HashMap<String, usize>,
    columns: Vec<Gathered<'a>>,
    n_rows: usize,
    n_cells: usize,
}

/// A fault of the text, or of what it says about one field.
struct Refused {
    fault: Fault,
    field: Option<String>,
}

impl From<Fault> for Refused {
    fn from(fault: Fault) -> Self {
        Refused { fault, field: None }
    }
}

impl<'a> Rows<'a> {
    /// Reads the object that begins here as one row.
    fn read(&mut self, reader: &mut Reader<'a>) -> Result<(), Refused> {
        let at = reader.place();
        let refuse = |what: String| Refused { fault: Fault { at, what }, field: None };
        match reader.token()? {
            Token::Object => {}
            other => return Err(refuse(format!("expected an object, got {}", token_name(&other)))),
        }
        let row = self.n_rows;
        self.n_rows += 1;
        if self.n_rows > MAX_ROWS {
            return Err(refuse(format!("is beyond row {MAX_ROWS}, more are not read")));
        }
        reader.fields(|reader, name| {
            reader.blanks();
            let at = reader.place();
            let field = name.to_string();
            let refuse = |what: String| Refused { fault: Fault { at, what }, field: Some(field.clone()) };
            let token = reader.token()?;
            let sort = Sort::of(&token);
            if sort.is_none() && token != Token::Null {
                return Err(refuse(format!("{} does not fit into a column", token_name(&token))));
            }
            let column = match self.place.get(&*name) {
                Some(column) => *column,
                None if self.names.len() >= MAX_COLUMNS => {
                    return Err(refuse(format!("is one field more than {MAX_COLUMNS}, the most that are read")));
                }
                None => {
                    self.place.insert(name.to_string(), self.names.len());
                    self.names.push(name.to_string());
                    self.columns.push(Gathered { n_before: row, ..Gathered::default() });
                    self.names.len() - 1
                }
            };
            let Some(column) = self.columns.get_mut(column) else { return Ok(()) };
            let n_known = column.n_before + column.cells.len();
            if n_known > row {
                return Err(refuse("occurs twice in one object".to_owned()));
            }
            self.n_cells += row + 1 - n_known;
            if self.n_cells > MAX_CELLS {
                return Err(refuse(format!("is beyond {MAX_CELLS} cells, more are not read")));
            }
            column.cells.resize(row - column.n_before, None);
            if let (Some(known), Some(held)) = (column.sort, sort) {
                let both = known.with(held);
                column.sort = both;
                if both.is_none() {
                    return Err(refuse(format!("is {}, rows above hold {}", held.name(), known.name())));
                }
            }
            column.sort = column.sort.or(sort);
            column.cells.push(sort.map(|_| token));
            Ok(())
        })
    }

    fn frame(self) -> Result<Frame, FrameError> {
        let n_rows = self.n_rows;
        if n_rows.saturating_mul(self.names.len()) > MAX_CELLS {
            let n = self.names.len();
            return Err(FrameError::Refused(format!(
                "has {n_rows} rows of {n} fields, at most {MAX_CELLS} cells are read"
            )));
        }
        let columns = self.names.into_iter().zip(self.columns).map(|(name, column)| column.column(&name, n_rows));
        Frame::from_columns(columns.collect::<Result<_, _>>()?)
    }
}

impl Gathered<'_> {
    fn column(self, name: &str, n_rows: usize) -> Result<Column, FrameError> {
        let is_loss = |cell: &&Option<Token>| matches!(cell, Some(Token::Int(value)) if value.unsigned_abs() > super::text::MAX_EXACT);
        if self.sort == Some(Sort::Float)
            && let Some(Some(Token::Int(value))) = self.cells.iter().find(is_loss)
        {
            return Err(FrameError::Refused(format!(
                "field `{name}` holds floats and the integer `{value}`, which no float holds exactly"
            )));
        }
        let name = name.into();
        Ok(match self.sort {
            Some(Sort::Bool) => Column::new(
                name,
                self.spread(n_rows, |cell| match cell {
                    Token::Bool(value) => Some(*value),
                    _ => None,
                }),
            ),
            Some(Sort::Int) => Column::new(
                name,
                self.spread(n_rows, |cell| match cell {
                    Token::Int(value) => Some(*value),
                    _ => None,
                }),
            ),
            Some(Sort::Text | Sort::Wide) => Column::new(
                name,
                self.spread(n_rows, |cell| match cell {
                    Token::Text(text) => Some(text.to_string()),
                    Token::Int(value) => Some(value.to_string()),
                    Token::Wide(digits) => Some((*digits).to_owned()),
                    _ => None,
                }),
            ),
            Some(Sort::Float) | None => Column::new(
                name,
                self.spread(n_rows, |cell| match cell {
                    Token::Float(value) => Some(*value),
                    Token::Int(value) => Some(*value as f64),
                    _ => None,
                }),
            ),
        })
    }

    /// A value or a null for each of `n_rows` rows.
    fn spread<T>(&self, n_rows: usize, value: impl Fn(&Token) -> Option<T>) -> Vec<Option<T>> {
        let mut values = Vec::with_capacity(n_rows);
        values.resize_with(self.n_before, || None);
        values.extend(self.cells.iter().map(|cell| cell.as_ref().and_then(&value)));
        values.resize_with(n_rows, || None);
        values
    }
}

fn token_name(token: &Token) -> &'static str {
    match token {
        Token::Null => "null",
        Token::Array => "an array",
        Token::Object => "an object",
        other => Sort::of(other).map_or("null", Sort::name),
    }
}

/// An array of objects, or objects one after the other.
fn from_json(name: &str, bytes: &[u8], interrupt: &Interrupt) -> Result<Frame, FrameError> {
    let text = decoded(bytes).map_err(|misread| malformed(name, misread))?;
    let mut reader = Reader::new(&text);
    let mut rows = Rows::default();
    let read = (|| -> Result<(), Refused> {
        reader.blanks();
        if text.as_bytes().get(reader.place()) == Some(&b'[') {
            reader.token()?;
            reader.items(|reader| {
                reader.blanks();
                stop(interrupt, reader.place(), rows.n_rows)?;
                rows.read(reader)
            })?;
            return Ok(reader.end()?);
        }
        while reader.end().is_err() {
            stop(interrupt, reader.place(), rows.n_rows)?;
            rows.read(&mut reader)?;
        }
        Ok(())
    })();
    interrupt.check()?;
    read.map_err(|Refused { fault, field }| {
        let before = text.as_bytes().get(..fault.at.min(text.len())).unwrap_or_default();
        let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
        let what = if field.is_none() && !fault.what.starts_with("expected an object") && !fault.what.starts_with("is ")
        {
            let column = 1 + before.iter().rev().take_while(|byte| **byte != b'\n').count();
            format!("is not JSON: {} at column {column}", fault.what)
        } else {
            fault.what
        };
        malformed(name, Misread { field, ..Misread::at(line, what) })
    })?;
    rows.frame()
}

/// Ends the reading where a stop was asked for; the caller looks at the interrupt again.
fn stop(interrupt: &Interrupt, at: usize, n_rows: usize) -> Result<(), Fault> {
    if n_rows.is_multiple_of(4096) && interrupt.is_raised() {
        return Err(Fault { at, what: "interrupted".to_owned() });
    }
    Ok(())
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
            "text" => [Some("x, \"y\"\nz"), Some("ü\rnï"), Some("null"), None],
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
        let cases: [(&[u8], Format, &str); 13] = [
            (b"", Format::Csv, "`the table`: has no header"),
            (b"a,b\n1,2,3\n", Format::Csv, "`the table` line 2: has 3 fields, the header has 2"),
            (b"a\n\xff\n", Format::Csv, "`the table` line 2: is not UTF-8 text"),
            (b"a,a\n1,2\n", Format::Csv, "the column `a` occurs twice"),
            (b"PAR1 is not enough", Format::Parquet, "is not readable as Parquet"),
            (b"", Format::Parquet, "is not readable as Parquet"),
            (b"[1]", Format::Json, "line 1: expected an object, got int"),
            (b"{\"a\": 1}\n{\"a\": \"x\"}\n", Format::Json, "line 2, field `a`: is string, rows above hold int"),
            (b"{\"a\": [1]}", Format::Json, "line 1, field `a`: an array does not fit into a column"),
            (b"{\"a\": 1", Format::Json, "line 1: is not JSON: eof while parsing an object at column 8"),
            (b"{\"a\": 1, \"a\": 2}", Format::Json, "line 1, field `a`: occurs twice in one object"),
            (
                b"[{\"a\": 1.5}, {\"a\": 9007199254740993}]",
                Format::Json,
                "`9007199254740993`, which no float holds exactly",
            ),
            (
                b"{\"a\": 0.5}\n{\"a\": 9223372036854775808}",
                Format::Json,
                "an integer beyond 64 bits, rows above hold float",
            ),
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
        assert!(Frame::read(&ctx, path, Format::Csv, &Reading::default()).is_err());
    }

    #[test]
    fn kinds_are_told_from_values() {
        let csv = b"id,zip,n,x,flag,none\n1,007,3,1e-3,true,\n2,123,4,5,false,\n";
        let frame = Frame::from_bytes(csv.to_vec(), Format::Csv).expect("reads");
        let kinds: Vec<String> = frame.kinds().iter().map(|(name, kind)| format!("{name}:{kind}")).collect();
        assert_eq!(kinds, ["id:string", "zip:string", "n:int", "x:float", "flag:bool", "none:float"]);
    }

    fn read(bytes: &[u8], format: Format) -> Frame {
        Frame::from_bytes(bytes.to_vec(), format).expect("reads")
    }

    #[test]
    fn json_is_read_whatever_its_shape_and_keeps_every_digit() {
        let lines = read(b"\xef\xbb\xbf{\"a\": 1, \"b\": 0.1}\n\n {\"b\": 2, \"c\": \"x\"}\r\n", Format::Json);
        let array = read(b"[{\"a\": 1, \"b\": 0.1}, {\"b\": 2, \"c\": \"x\", \"a\": null}]", Format::Json);
        assert!(lines.equals(&array));
        assert_eq!(lines.columns(), ["a", "b", "c"]);
        assert_eq!(lines.floats("b").expect("floats"), [0.1, 2.0]);
        let wide = read(b"{\"a\": 9223372036854775808}\n{\"a\": 9223372036854775809}\n{\"a\": 7}", Format::Json);
        assert_eq!(wide.strings("a").expect("text"), ["9223372036854775808", "9223372036854775809", "7"]);
        assert_eq!(read(b"[]", Format::Json).height(), 0);
        let exact = read(b"[{\"x\": 122.416294033786585}]", Format::Json);
        assert_eq!(exact.floats("x").expect("floats"), ["122.416294033786585".parse::<f64>().expect("a float")]);
    }

    #[test]
    fn what_was_written_comes_back_though_a_stranger_would_be_asked() {
        for table in [
            df!("a" => ["a"], "b" => ["b"]),
            df!("a;b" => [1i64, 2]),
            df!("a" => [Some(1i64), None, Some(3), None]),
            df!("a" => ["", "\r\n", "\t", " "], "b" => ["\"", "\"\"", ",", "\r"]),
        ] {
            let frame = Frame::tidy(table.expect("columns of one length")).expect("a tidy table");
            let text = frame.to_csv().expect("writes");
            assert!(read(text.as_bytes(), Format::Csv).equals(&frame), "{text:?}");
        }
    }

    #[test]
    fn integers_beyond_64_bits_stay_different_in_csv() {
        let frame = read(b"n\n9223372036854775808\n9223372036854775809\n", Format::Csv);
        assert_eq!(frame.strings("n").expect("text"), ["9223372036854775808", "9223372036854775809"]);
    }

    #[test]
    fn many_new_fields_are_bounded() {
        let rows: Vec<String> = (0..20_000).map(|idx| format!("{{\"k{idx}\": 1}}")).collect();
        let error = Frame::from_bytes(rows.join("\n").into_bytes(), Format::Json).err().expect("too many");
        assert!(error.to_string().contains("line 10001, field `k10000`: is one field more than 10000"), "{error}");
        let rows: Vec<String> = (0..10_000).map(|idx| format!("{{\"k{idx}\": 1}}")).collect();
        let error = Frame::from_bytes(rows.join("\n").into_bytes(), Format::Json).err().expect("too many");
        assert!(error.to_string().contains("10000 rows of 10000 fields"), "{error}");
    }
}
