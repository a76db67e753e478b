//! Readers: a file (JSON lines, CSV, Parquet) as records with named cells, and where each record stands in it.
//!
//! How text is split and Parquet decoded is in [`crate::frames`], which reads tables by the same rules; what a cell means
//! is decided in [`super::columns`].

use super::arena::Arena;
use super::cell::{self, Cell};
use super::texts::Texts;
use super::{DataError, MAX_ROWS};
use crate::core::context::{Context, Event};
use crate::core::digest::Digest;
use crate::core::explain::Explain;
use crate::frames::json::{Fault, Reader, Token};
use crate::frames::text::{Dialect, Field, Guess, MAX_COLUMNS, Misread, Separated, Standing};
use crate::frames::{self, CLASSES, Frame, FrameError, Kind, SEALED, Sealed, Sources, parquet, stored_sealed};
use crate::store::hub::HubId;
use polars::prelude::{AnyValue, DataFrame, Series};
use rayon::prelude::*;
use serde_json::Value;
use std::collections::HashMap;
use std::path::Path;

/// Bytes of a file that are held at once beside the records. Arbitrary: room for sixteen [`PIECE`]s.
const HELD: usize = 4 << 20;

/// Bytes of JSON lines that are read in one piece. Tuned by hand: large against a piece's overhead.
const PIECE: usize = 1 << 18;

/// How many pieces are read between two looks at the interrupt. Arbitrary.
const WINDOW: usize = 32;

/// From how many bytes on a file's reading is shown as it goes. Arbitrary: about half a second.
const SHOWN: usize = 64 << 20;

/// How many cells records may have beyond [`PER_VALUE`] for each value: about 300 MB. Arbitrary.
const FREE_CELLS: usize = 4 << 20;

/// Cells per value from which on records are mostly holes. Arbitrary.
const PER_VALUE: usize = 32;

/// A table of loosely typed cells, by column: of a million records each costs what its cells cost.
#[derive(Debug, Clone, PartialEq)]
pub struct Records {
    /// What errors call it: the path as the script gave it.
    pub name: String,
    /// Those that have cells, and after them those that were passed over.
    pub columns: Vec<String>,
    /// Of each column that has cells, the cell of every record.
    cells: Vec<Vec<Cell>>,
    /// The line (text) or the row (otherwise) where each record begins, from 1.
    places: Vec<u32>,
    /// What [`Records::at`] counts: `line` or `row`.
    pub counted: &'static str,
    /// Whether every cell is text as the file has it, so that a function of a row sees [`Records::kinds`].
    pub is_text: bool,
    /// The hash of the content of each file that they come from.
    pub content: Vec<Digest>,
    /// What the file or the frame that they come from has of sealed data.
    pub sealed: Sealed,
}

/// What a caller says about a file.
#[derive(Debug, Clone, Default)]
pub struct Reading {
    /// CSV: what separates fields.
    pub separator: Option<String>,
    /// CSV: what fields may be quoted with; empty for nothing.
    pub quote: Option<String>,
    /// The columns that are needed, where that is known; others are passed over.
    pub wanted: Option<Vec<String>>,
}

impl Records {
    /// No records yet.
    pub fn new(name: &str, counted: &'static str) -> Records {
        Records {
            name: name.to_owned(),
            columns: Vec::new(),
            cells: Vec::new(),
            places: Vec::new(),
            counted,
            is_text: false,
            content: Vec::new(),
            sealed: Sealed::default(),
        }
    }

    /// Records from rows of named cells, in order; columns in order of first appearance.
    pub fn from_rows(
        name: &str,
        counted: &'static str,
        rows: impl IntoIterator<Item = (usize, serde_json::Map<String, Value>)>,
    ) -> Records {
        let mut records = Records::new(name, counted);
        let mut column_of: HashMap<String, usize> = HashMap::new();
        for (at, row) in rows {
            for (key, value) in row {
                let column = match column_of.get(&key) {
                    Some(column) => *column,
                    None => {
                        column_of.insert(key.clone(), records.columns.len());
                        records.columns.push(key);
                        records.columns.len() - 1
                    }
                };
                put(&mut records.cells, column, records.places.len(), value.into());
            }
            records.places.push(at as u32);
        }
        records.filled()
    }

    /// The records of several files, one after the other; their places are those in their own file. Named after the first,
    /// and how many there are.
    pub fn joined(parts: Vec<Records>) -> Records {
        let name = match parts.as_slice() {
            [] => String::new(),
            [one] => one.name.clone(),
            [first, others @ ..] => format!("{} and {} more", first.name, others.len()),
        };
        let mut joined = Records::new(&name, parts.first().map_or("row", |first| first.counted));
        joined.is_text = parts.iter().all(|part| part.is_text);
        joined.content = parts.iter().flat_map(|part| part.content.iter().copied()).collect();
        joined.sealed = parts.iter().fold(Sealed::default(), |all, part| all.and(&part.sealed));
        let mut passed: Vec<String> = Vec::new();
        for part in parts {
            let n = joined.places.len();
            let kept = part.cells.len();
            let mut names = part.columns;
            passed.extend(names.split_off(kept.min(names.len())));
            let places = places_of(&mut joined.columns, names);
            behind(&mut joined.cells, n, places, part.cells);
            joined.places.extend(part.places);
        }
        let passed: Vec<String> = passed.into_iter().filter(|name| !joined.columns.contains(name)).collect();
        let mut joined = joined.filled();
        passed.into_iter().for_each(|name| {
            places_of(&mut joined.columns, vec![name]);
        });
        joined
    }

    /// With a cell of every column for each record.
    fn filled(mut self) -> Records {
        let n = self.places.len();
        self.cells.iter_mut().for_each(|cells| cells.resize(n, Cell::Missing));
        self
    }

    /// How many records.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// The line (text) or the row (otherwise) where a record begins, from 1.
    pub fn at(&self, record: usize) -> usize {
        self.places.get(record).map_or(record + 1, |at| *at as usize)
    }

    /// What a record has in a column.
    pub fn cell(&self, record: usize, column: usize) -> &Cell {
        self.cells.get(column).and_then(|cells| cells.get(record)).unwrap_or(&Cell::Missing)
    }

    /// The columns that have cells, each with that of a record.
    pub fn row(&self, record: usize) -> impl Iterator<Item = (&str, &Cell)> {
        self.columns.iter().enumerate().take(self.cells.len()).map(move |(idx, name)| (&**name, self.cell(record, idx)))
    }

    /// Adds a column of as many cells as there are records.
    pub fn add(&mut self, name: &str, cells: Vec<Cell>) {
        self.columns.insert(self.cells.len().min(self.columns.len()), name.to_owned());
        self.cells.push(cells);
    }

    /// Lets the cells of a column go: its records then have none there.
    pub fn forget(&mut self, column: usize) {
        if let Some(cells) = self.cells.get_mut(column) {
            *cells = Vec::new();
        }
    }

    /// Keeps the records that `keep` says, by number.
    pub fn retain(&mut self, keep: impl Fn(usize) -> bool) {
        let mut nth = 0..;
        self.places.retain(|_| nth.next().is_some_and(&keep));
        for cells in &mut self.cells {
            let mut nth = 0..;
            cells.retain(|_| nth.next().is_some_and(&keep));
        }
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
        DataError::Malformed {
            place: format!("`{}` {} {}, field `{field}`", self.name, self.counted, self.at(record)),
            what: format!("expected {expected}, got {got}"),
            hint: None,
        }
    }

    /// What kind each column is: of text as the file has it the kind that a frame would have, of other cells none.
    pub fn kinds(&self) -> Vec<Option<Kind>> {
        if !self.is_text {
            return vec![None; self.columns.len()];
        }
        let kind = |(name, cells): (&String, &Vec<Cell>)| {
            let mut guess = Guess::default();
            for cell in cells {
                match cell {
                    Cell::Text(text) => guess.see(text),
                    // What a function of a row gave is as it is.
                    Cell::Null | Cell::Missing => {}
                    _ => guess.see("text"),
                }
            }
            Some(guess.kind(name))
        };
        let mut kinds: Vec<Option<Kind>> = self.columns.iter().zip(&self.cells).map(kind).collect();
        kinds.resize(self.columns.len(), None);
        kinds
    }
}

/// Puts a cell of the record numbered `record` into its column, where it has none yet.
fn put(cells: &mut Vec<Vec<Cell>>, column: usize, record: usize, cell: Cell) -> bool {
    if cells.len() <= column {
        cells.resize_with(column + 1, Vec::new);
    }
    let Some(held) = cells.get_mut(column).filter(|held| held.len() <= record) else { return false };
    held.resize(record, Cell::Missing);
    held.push(cell);
    true
}

/// Where each of the names stands among `columns`, which get those that they lack.
fn places_of(columns: &mut Vec<String>, names: Vec<String>) -> Vec<usize> {
    let place = |name: String| match columns.iter().position(|known| *known == name) {
        Some(place) => place,
        None => {
            columns.push(name);
            columns.len() - 1
        }
    };
    names.into_iter().map(place).collect()
}

/// Puts columns behind the `n` records of others.
fn behind(cells: &mut Vec<Vec<Cell>>, n: usize, places: Vec<usize>, more: Vec<Vec<Cell>>) {
    for (place, more) in places.into_iter().zip(more) {
        if cells.len() <= place {
            cells.resize_with(place + 1, Vec::new);
        }
        if let Some(held) = cells.get_mut(place) {
            held.resize(n, Cell::Missing);
            held.extend(more);
        }
    }
}

/// A cell of a text file as a value of the column's kind; none where there is no such field.
pub fn typed(cell: &Cell, kind: Option<Kind>) -> Option<Value> {
    let Cell::Text(text) = cell else { return cell.to_value() };
    let value = match kind {
        Some(Kind::Bool) => text.parse::<bool>().ok().map(Value::from),
        Some(Kind::Int) => text.parse::<i64>().ok().map(Value::from),
        Some(Kind::Float) => text.parse::<f64>().ok().map(number),
        Some(Kind::String) | None => None,
    };
    Some(value.unwrap_or_else(|| Value::from(&**text)))
}

/// Reads the file that a script calls `path`: `.jsonl` or `.ndjson`, `.csv`, `.tsv`, `.parquet`.
pub fn read(ctx: &Context, path: &str, reading: &Reading) -> Result<Records, DataError> {
    if let Some((id, file)) = path.split_once('#').filter(|(id, _)| id.starts_with("hub:")) {
        // A fetched data set's file, as `data::files` names it.
        let bytes = HubId::parse(id)?.read_for(ctx, file)?;
        return read_parquet(ctx, path, bytes, reading.wanted.as_deref());
    }
    let real = ctx.readable(path)?;
    read_file(ctx, path, &real, reading)
}

/// Reads the file at `real`, which errors call `name`. The caller has checked that it may be read.
pub fn read_file(ctx: &Context, name: &str, real: &Path, reading: &Reading) -> Result<Records, DataError> {
    let fails = |reason: String, hint: Option<String>| DataError::File { path: name.to_owned(), reason, hint };
    // Links of the hub's cache lead to files without an ending: it is the name's that counts.
    let ending = Path::new(name).extension().or(real.extension());
    let format = ending.and_then(|ext| ext.to_str()).map(str::to_ascii_lowercase).unwrap_or_default();
    if !["jsonl", "ndjson", "csv", "tsv", "parquet"].contains(&format.as_str()) {
        let hint = "formats by ending: .jsonl, .ndjson, .csv, .tsv, .parquet";
        return Err(fails(format!("the ending `.{format}` names no format"), Some(hint.into())));
    }
    let is_separated = format == "csv" || format == "tsv";
    let given = [("separator", reading.separator.is_some()), ("quote", reading.quote.is_some())];
    if let Some((option, _)) = given.iter().find(|(_, given)| *given && !is_separated) {
        return Err(fails(format!("`{option}` is for .csv and .tsv"), Some(format!("leave out `{option}`"))));
    }
    let told = |error: FrameError| match error {
        FrameError::File { path, reason } if reason.contains("at most") => {
            let hint = "take a part of it, or convert it to Parquet with the needed columns only";
            DataError::File { path, reason, hint: Some(hint.into()) }
        }
        FrameError::File { path, reason } => DataError::File { path, reason, hint: None },
        other => other.into(),
    };
    let wanted = reading.wanted.as_deref();
    let (records, content) = if format == "parquet" {
        let bytes = frames::content(ctx, name, real).map_err(told)?;
        let content = Digest::of_bytes(&bytes);
        (read_parquet(ctx, name, bytes, wanted)?, content)
    } else {
        let mut texts = Texts::of(frames::Pieces::open(ctx, name, real, HELD).map_err(told)?);
        let records = if is_separated {
            let dialect = Dialect::of(name, reading.separator.as_deref(), reading.quote.as_deref());
            dialect
                .map_err(|misread| malformed(name, misread))
                .and_then(|dialect| parse_separated(ctx, name, &mut texts, dialect, wanted))
        } else {
            parse_lines(ctx, name, &mut texts, wanted)
        };
        // Whatever came of it, the file was read.
        let content = texts.pieces.note(ctx).map_err(told)?;
        (records?, content)
    };
    let sealed = records.sealed.clone().and(&ctx.state::<Sources>().of(content));
    Ok(Records { content: vec![content], sealed, ..records })
}

fn read_parquet(ctx: &Context, name: &str, bytes: Vec<u8>, wanted: Option<&[String]>) -> Result<Records, DataError> {
    let fails = |reason: String, hint: Option<String>| DataError::File { path: name.to_owned(), reason, hint };
    let choice = parquet::Choice { only: wanted, nested: true, lenient: true };
    let stored = parquet::read(bytes, choice).map_err(|error| {
        let hint = match &error {
            FrameError::Unheld { .. } => Some("store it as text or numbers".to_owned()),
            _ => None,
        };
        fails(error.to_string(), hint)
    })?;
    ctx.interrupt.check()?;
    // Class indices of a table with class names are labels by name.
    let table = match stored.note(CLASSES) {
        Some(names) => Frame::spelled_by(stored.table.clone(), names),
        None => Ok(stored.table.clone()),
    };
    let table = table.map_err(|error| fails(error.to_string(), error.hint()))?;
    let mut records = from_table(ctx, name, &table)?;
    if let Some(sealed) = stored.note(SEALED) {
        records.sealed = stored_sealed(sealed).map_err(|error| fails(error.to_string(), error.hint()))?;
    }
    if wanted.is_some() {
        let others: Vec<String> = stored.names.into_iter().filter(|name| !records.columns.contains(name)).collect();
        records.columns.extend(others);
    }
    Ok(records)
}

/// One JSON object per line; blank lines are skipped.
pub fn parse_jsonl(ctx: &Context, name: &str, bytes: &[u8]) -> Result<Records, DataError> {
    parse_lines(ctx, name, &mut Texts::one(bytes), None)
}

fn parse_lines(
    ctx: &Context,
    name: &str,
    texts: &mut Texts<impl Iterator<Item = Result<Vec<u8>, String>>>,
    wanted: Option<&[String]>,
) -> Result<Records, DataError> {
    let refuse = |misread| malformed(name, misread);
    let shown = (texts.n_bytes >= SHOWN).then(|| Shown::begin(ctx, name, texts.n_bytes >> 20));
    let mut all = Lines::default();
    let mut n_read = 0;
    // Several pieces are cut at line feeds.
    let mut is_cut = false;
    while let Some(text) = texts.next() {
        let text = text.map_err(refuse)?;
        is_cut = is_cut || texts.goes_on();
        let line_end = if is_cut || text.contains('\n') { '\n' } else { '\r' };
        for window in pieces(&text, line_end).chunks(WINDOW) {
            ctx.interrupt.check()?;
            let read: Vec<Result<Lines, Misread>> =
                window.par_iter().map(|piece| Lines::read(piece, line_end, wanted)).collect();
            for lines in read {
                let n_before = all.n_lines;
                let lines = lines.map_err(|misread| {
                    let line = misread.line.map(|line| line + n_before);
                    refuse(Misread { line, ..misread })
                })?;
                all.append(lines).map_err(refuse)?;
                check_count(all.places.len())?;
            }
            n_read += window.iter().map(|piece| piece.len()).sum::<usize>();
            if let Some(shown) = &shown {
                shown.done((n_read >> 20) as u64);
            }
        }
    }
    let columns = all.kept.into_iter().chain(all.passed).collect();
    let records = Records { columns, cells: all.cells, places: all.places, ..Records::new(name, "line") };
    not_empty(name, records.filled())
}

/// The text cut at line ends into pieces of about [`PIECE`] bytes.
fn pieces(text: &str, line_end: char) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let tail = rest.as_bytes().get(PIECE..).unwrap_or_default();
        let length = tail.iter().position(|byte| char::from(*byte) == line_end).map(|at| PIECE + at + 1);
        // A line end is one byte, so a cut behind it is between characters.
        let (piece, others) = rest.split_at_checked(length.unwrap_or(rest.len())).unwrap_or((rest, ""));
        pieces.push(piece);
        rest = others;
    }
    pieces
}

/// A bar for a file that takes a while.
struct Shown<'a> {
    ctx: &'a Context,
    what: String,
}

impl<'a> Shown<'a> {
    fn begin(ctx: &'a Context, name: &str, n_pieces: usize) -> Shown<'a> {
        let what = format!("load {name}");
        ctx.tell(Event::Started { what: what.clone(), total: n_pieces as u64 });
        Shown { ctx, what }
    }

    fn done(&self, done: u64) {
        self.ctx.tell(Event::Progress { what: self.what.clone(), done, note: "MiB".to_owned() });
    }
}

impl Drop for Shown<'_> {
    fn drop(&mut self) {
        self.ctx.tell(Event::Ended { what: self.what.clone() });
    }
}

/// Records of JSON lines as they are gathered.
#[derive(Default)]
struct Lines {
    /// The columns that have cells, in order of first appearance.
    kept: Vec<String>,
    /// The columns that were passed over.
    passed: Vec<String>,
    /// The cells of the columns that have some; a column may lack those of the last records.
    cells: Vec<Vec<Cell>>,
    places: Vec<u32>,
    n_lines: usize,
    n_values: usize,
}

impl Lines {
    /// Reads some whole lines; errors count from the first of them.
    fn read(text: &str, line_end: char, wanted: Option<&[String]>) -> Result<Lines, Misread> {
        let mut lines = Lines::default();
        // What is kept of the text is hardly longer than it.
        let mut arena = Arena::with_room(text.len());
        // Where each name stands, in the order of the first line that has it: lines mostly agree in it.
        let mut order: Vec<(String, Option<usize>)> = Vec::new();
        let mut places: HashMap<String, usize> = HashMap::new();
        for line in text.split_terminator(line_end) {
            lines.n_lines += 1;
            let at = lines.n_lines;
            let misread =
                |fault: Fault| Misread::at(at, format!("is not JSON: {} at column {}", fault.what, fault.at + 1));
            let mut reader = Reader::new(line);
            if reader.end().is_ok() {
                continue;
            }
            let first = reader.token().map_err(misread)?;
            if first != Token::Object {
                let hint = (first == Token::Array).then_some("one object per line, not one array");
                let value = reader.rest(first).map_err(misread)?;
                reader.end().map_err(misread)?;
                let what = format!("expected an object, got {}", describe(&value));
                return Err(Misread { hint: hint.map(str::to_owned), ..Misread::at(at, what) });
            }
            let (record, mut n_values) = (lines.places.len(), 0);
            let mut next = 0;
            reader
                .fields(|reader, name| {
                    let place = match order.get(next) {
                        Some((known, _)) if *known == *name => next,
                        _ => match places.get(&*name) {
                            Some(place) => *place,
                            None => {
                                let is_kept = wanted.is_none_or(|wanted| wanted.iter().any(|wanted| *wanted == *name));
                                let names = if is_kept { &mut lines.kept } else { &mut lines.passed };
                                names.push(name.to_string());
                                order.push((name.to_string(), is_kept.then(|| lines.kept.len() - 1)));
                                places.insert(name.to_string(), order.len() - 1);
                                order.len() - 1
                            }
                        },
                    };
                    next = place + 1;
                    let Some((_, Some(column))) = order.get(place) else { return reader.skip() };
                    let begin = reader.place();
                    let token = reader.token()?;
                    let value = match cell::whole(&token, &mut arena) {
                        Some(whole) => whole,
                        None => Cell::of(reader.rest(token)?, &mut arena),
                    };
                    n_values += 1;
                    match put(&mut lines.cells, *column, record, value) {
                        true => Ok(()),
                        false => Err(Fault { at: begin, what: format!("the field `{name}` occurs twice") }),
                    }
                })
                .map_err(misread)?;
            reader.end().map_err(misread)?;
            lines.places.push(at as u32);
            lines.check(at, n_values)?;
        }
        Ok(lines)
    }

    /// Counts further values, and fails where there are too many columns, or mostly holes.
    fn check(&mut self, at: usize, n_values: usize) -> Result<(), Misread> {
        self.n_values += n_values;
        let n_columns = self.kept.len() + self.passed.len();
        if n_columns > MAX_COLUMNS {
            return Err(Misread::at(at, format!("adds a field to {MAX_COLUMNS}, the most that are read")));
        }
        if self.places.len() * self.kept.len() > FREE_CELLS + PER_VALUE * self.n_values {
            let n = self.kept.len();
            return Err(Misread::at(at, format!("is one of many lines that have few of {n} different fields")).hint(
                "name the columns that are needed in place of functions of a row, or give all lines the same fields",
            ));
        }
        Ok(())
    }

    /// Puts the lines that follow behind these.
    fn append(&mut self, other: Lines) -> Result<(), Misread> {
        let (n, n_lines) = (self.places.len(), self.n_lines);
        let places = places_of(&mut self.kept, other.kept);
        places_of(&mut self.passed, other.passed);
        self.places.extend(other.places.iter().map(|at| at + n_lines as u32));
        self.n_lines += other.n_lines;
        // Before there is room made for holes.
        self.check(self.n_lines, other.n_values)?;
        behind(&mut self.cells, n, places, other.cells);
        Ok(())
    }
}

/// Separated text; every cell is text, or nothing where the field is empty and not quoted.
pub fn parse_csv(
    ctx: &Context,
    name: &str,
    bytes: &[u8],
    dialect: Dialect,
    wanted: Option<&[String]>,
) -> Result<Records, DataError> {
    parse_separated(ctx, name, &mut Texts::one(bytes), dialect, wanted)
}

fn parse_separated(
    ctx: &Context,
    name: &str,
    texts: &mut Texts<impl Iterator<Item = Result<Vec<u8>, String>>>,
    dialect: Dialect,
    wanted: Option<&[String]>,
) -> Result<Records, DataError> {
    let refuse = |misread| malformed(name, misread);
    let shown = (texts.n_bytes >= SHOWN).then(|| Shown::begin(ctx, name, texts.n_bytes >> 20));
    let mut names: Vec<String> = Vec::new();
    let mut is_kept: Vec<bool> = Vec::new();
    let mut records = Records::new(name, "line");
    let mut standing: Option<Standing> = None;
    // What was not read of the pieces before, and the piece that follows it.
    let mut text = String::new();
    let mut n_read = 0;
    while let Some(piece) = texts.next() {
        let piece = piece.map_err(refuse)?;
        let is_last = !texts.goes_on();
        if text.is_empty() {
            text = piece;
        } else {
            text.push_str(&piece);
        }
        let mut rows = match standing.take() {
            Some(before) => Separated::go_on(&text, dialect, before),
            None => match Separated::open(&text, dialect) {
                Ok(rows) => rows,
                Err(_) if !is_last => continue,
                Err(misread) => return Err(refuse(misread)),
            },
        };
        if names.is_empty() {
            names = rows.columns().to_vec();
            is_kept = names.iter().map(|column| wanted.is_none_or(|wanted| wanted.contains(column))).collect();
        }
        let mut fields: Vec<Field> = Vec::new();
        let mut arena = Arena::with_room(text.len());
        loop {
            // What ends with the piece may go on in the next one.
            let next = if is_last { rows.next(&mut fields).map_err(refuse)? } else { rows.next_whole(&mut fields) };
            let Some(at) = next else { break };
            if records.len().is_multiple_of(4096) {
                ctx.interrupt.check()?;
            }
            check_count(records.len() + 1)?;
            let kept = fields.drain(..).zip(&is_kept).filter(|(_, is_kept)| **is_kept);
            for (column, (field, _)) in kept.enumerate() {
                let cell = if field.value().is_some() { Cell::Text(arena.keep(&field.text)) } else { Cell::Null };
                put(&mut records.cells, column, records.places.len(), cell);
            }
            records.places.push(at as u32);
        }
        let stands = rows.standing();
        let rest = text.get(stands.at..).unwrap_or_default().to_owned();
        n_read += text.len() - rest.len();
        text = rest;
        standing = Some(stands);
        if let Some(shown) = &shown {
            shown.done((n_read >> 20) as u64);
        }
    }
    let of = |side: bool| names.iter().zip(&is_kept).filter(move |(_, kept)| **kept == side);
    let columns = of(true).chain(of(false)).map(|(column, _)| column.clone()).collect();
    not_empty(name, Records { columns, is_text: true, ..records.filled() })
}

/// The rows of a polars table. Fails on types that have no plain value, such as dates: cast them first.
pub fn from_table(ctx: &Context, name: &str, table: &DataFrame) -> Result<Records, DataError> {
    check_count(table.height())?;
    let mut records = Records { places: (1..=table.height() as u32).collect(), ..Records::new(name, "row") };
    for column in table.columns() {
        ctx.interrupt.check()?;
        let mut cells = Vec::with_capacity(table.height());
        let mut arena = Arena::default();
        for value in plain_values(column.as_materialized_series()) {
            let value = value.ok_or_else(|| DataError::Malformed {
                place: format!("`{name}` row {}, field `{}`", cells.len() + 1, column.name()),
                what: format!("values of the type `{}` are not read", column.dtype()),
                hint: Some("leave the column out, or store it as text or numbers".into()),
            })?;
            cells.push(Cell::of(value, &mut arena));
        }
        records.add(column.name(), cells);
    }
    not_empty(name, records.filled())
}

/// A cell in an error message: what it is, and itself if it is short.
pub fn described(cell: &Cell) -> String {
    cell.to_value().map_or_else(|| "no such field".to_owned(), |value| describe(&value))
}

fn describe(value: &Value) -> String {
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

/// The values of a column; none for those that have no plain value. A struct is an object of its fields.
fn plain_values(series: &Series) -> Box<dyn Iterator<Item = Option<Value>> + '_> {
    let Ok(structs) = series.struct_() else {
        return Box::new((0..series.len()).map(|row| plain_value(&series.get(row).ok()?)));
    };
    let is_null = series.is_null();
    let fields = structs.fields_as_series();
    Box::new((0..series.len()).map(move |row| {
        if is_null.get(row) == Some(true) {
            return Some(Value::Null);
        }
        let field =
            |field: &Series| Some((field.name().to_string(), plain_values(&field.slice(row as i64, 1)).next()??));
        fields.iter().map(field).collect::<Option<_>>().map(Value::Object)
    }))
}

fn plain_value(value: &AnyValue) -> Option<Value> {
    Some(match value {
        AnyValue::Null => Value::Null,
        AnyValue::Boolean(value) => Value::Bool(*value),
        AnyValue::String(text) => Value::String((*text).to_owned()),
        AnyValue::StringOwned(text) => Value::String(text.to_string()),
        AnyValue::List(items) | AnyValue::Array(items, _) => Value::Array(plain_values(items).collect::<Option<_>>()?),
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

fn not_empty(name: &str, records: Records) -> Result<Records, DataError> {
    if records.is_empty() {
        return Err(DataError::NoRows { name: name.to_owned(), what: "rows".into() });
    }
    Ok(records)
}

fn check_count(n: usize) -> Result<(), DataError> {
    if n > MAX_ROWS { Err(DataError::TooMany { what: "rows".into(), n, most: MAX_ROWS }) } else { Ok(()) }
}

fn malformed(name: &str, misread: Misread) -> DataError {
    match misread.line {
        Some(_) => DataError::Malformed { place: misread.place(name), what: misread.what, hint: misread.hint },
        None => DataError::File { path: name.to_owned(), reason: misread.what, hint: misread.hint },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn jsonl(text: &str) -> Result<Records, DataError> {
        parse_jsonl(&Context::for_tests(), "a.jsonl", text.as_bytes())
    }

    fn values(records: &Records, row: usize) -> Vec<Option<Value>> {
        records.row(row).map(|(_, cell)| cell.to_value()).collect()
    }

    fn usual() -> Dialect {
        Dialect::of("a.csv", None, None).expect("usual")
    }

    fn csv(text: &str) -> Result<Records, DataError> {
        parse_csv(&Context::for_tests(), "a.csv", text.as_bytes(), usual(), None)
    }

    fn why<T: std::fmt::Debug>(answer: Result<T, DataError>) -> String {
        answer.expect_err("malformed").to_string()
    }

    #[test]
    fn json_lines_keep_types_order_and_line_numbers() {
        let records =
            jsonl("\u{feff}{\"b\": 1, \"a\": \"x\"}\n\n{\"a\": null, \"c\": [true]}\r\n").expect("well-formed");
        assert_eq!(records.columns, ["b", "a", "c"]);
        assert_eq!(values(&records, 0), [Some(json!(1)), Some(json!("x")), None]);
        assert_eq!(values(&records, 1), [None, Some(Value::Null), Some(json!([true]))]);
        assert_eq!(records.at(1), 3);
    }

    #[test]
    fn malformed_json_lines_name_the_line() {
        assert_eq!(
            why(jsonl("{\"a\": 1}\n{\"a\": \n")),
            "`a.jsonl` line 2: is not JSON: eof while parsing a value at column 7"
        );
        assert_eq!(why(jsonl("{\"a\": 1}\n3\n")), "`a.jsonl` line 2: expected an object, got the number `3`");
        assert!(why(jsonl("[{\"a\": 1}]")).contains("got an array of 1 items"));
        assert_eq!(why(jsonl("\n \n")), "`a.jsonl` has no rows");
        let ctx = Context::for_tests();
        assert_eq!(why(parse_jsonl(&ctx, "a.jsonl", b"{}\n\xff\xfe")), "`a.jsonl` line 2: is not UTF-8 text");
        assert!(why(jsonl("{\"a\": 1, \"a\": 2}")).contains("line 1: is not JSON: the field `a` occurs twice"));
        let deep = "[".repeat(100_000);
        assert!(why(jsonl(&deep)).contains("nested more than 128 deep"));
        ctx.interrupt.raise();
        assert_eq!(why(parse_jsonl(&ctx, "a.jsonl", b"{}")), "interrupted");
    }

    #[test]
    fn csv_fields_may_hold_separators_quotes_and_line_ends() {
        let records = csv("text,label\r\n\"a, \"\"b\"\"\nc\",1\r\n\r\nd,\r\n").expect("well-formed");
        assert_eq!(records.columns, ["text", "label"]);
        assert_eq!(values(&records, 0), [Some(json!("a, \"b\"\nc")), Some(json!("1"))]);
        assert_eq!(values(&records, 1), [Some(json!("d")), Some(Value::Null)]);
        assert_eq!([records.at(0), records.at(1)], [2, 5]);
    }

    /// What is read of a file in pieces is what is read of it at once, errors and their lines too.
    #[test]
    fn a_file_in_pieces_is_the_same_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let ctx = Context::for_tests();
        let in_pieces = |name: &str, text: &[u8], size: usize| {
            let real = folder.path().join(name);
            std::fs::write(&real, text).expect("written");
            let open = || frames::Pieces::open(&ctx, name, &real, size).expect("opened");
            let pieces: Vec<Vec<u8>> = open().collect::<Result<_, _>>().expect("read");
            assert_eq!(pieces.concat(), text);
            assert!(pieces.iter().rev().skip(1).all(|piece| piece.ends_with(b"\n")));
            let mut texts = Texts::of(open());
            let read = if name.ends_with("csv") {
                parse_separated(&ctx, name, &mut texts, usual(), None)
            } else {
                parse_lines(&ctx, name, &mut texts, None)
            };
            assert_eq!(texts.pieces.note(&ctx).expect("read"), Digest::of_bytes(text));
            read.map_err(|error| error.to_string())
        };
        let utf16: Vec<u8> =
            [0xfeff].into_iter().chain("a,b\n1,x\n2,y\n".encode_utf16()).flat_map(u16::to_le_bytes).collect();
        for (name, text) in [
            ("a.csv", "\u{feff}a,\"b\nc\"\r\n1,\"x, \"\"y\"\"\r\nz\"\r\n\r\n2,\"\nü\"\r\n3,\r\n".as_bytes()),
            ("b.csv", b"a\n1\n\n2\n\n\n3"),
            ("c.csv", b"a,b\r1,x\r2,y\r"),
            ("d.csv", &utf16),
            ("e.csv", b"a,b\n1,x\n2,\"y\n3,z\n4,w\n"),
            ("f.csv", b"a,b\n1,x\n2,y,z\n3,w\n"),
            ("g.csv", b"a,b\n1,x\n2,y\n3,\xff\n4,v\n"),
            ("h.csv", b"a,b\n1,x\n2,y\r\n3,w\n"),
            ("i.csv", b"\n\n"),
            ("a.jsonl", b"{\"a\": 1, \"b\": \"x\"}\n\n{\"b\": \"y\", \"c\": [1]}\r\n{\"a\": 2}"),
            ("d.jsonl", b"{\"a\": 1}\n{\"a\": 2}\r{\"a\": 3}"),
            ("b.jsonl", b"{\"a\": 1}\n{\"a\": 2}\n{\"a\": }\n{\"a\": 3}\n"),
            ("c.jsonl", b"{\"a\": 1}\n{\"a\": 2}\n{\"a\": \"\xff\"}\n{\"a\": 3}\n"),
        ] {
            let whole = in_pieces(name, text, usize::MAX);
            for size in [1, 2, 3, 5, 8, 13, 21] {
                assert_eq!(in_pieces(name, text, size), whole, "{name} in pieces of {size}");
            }
        }
    }

    #[test]
    fn malformed_csv_names_the_line() {
        assert_eq!(why(csv("a,b\n1,2\n1,2,3\n")), "`a.csv` line 3: has 3 fields, the header has 2");
        assert_eq!(why(csv("a,b\n1\n")), "`a.csv` line 2: has 1 fields, the header has 2");
        assert_eq!(why(csv("a,b\n\"1,2\n3,4\n")), "`a.csv` line 2, field `a`: the quoted field does not end");
        assert_eq!(why(csv("a,b\n\"1\"x,2\n")), "`a.csv` line 2, field `a`: text follows the end of the quoted field");
        assert_eq!(why(csv("a,a\n1,2\n")), "`a.csv` line 1: the column `a` occurs twice");
        assert_eq!(why(csv("a,\n1,2\n")), "`a.csv` line 1: column 2 has no name");
        assert_eq!(why(csv("a,b\n")), "`a.csv` has no rows");
        assert_eq!(why(csv("\n\n")), "`a.csv`: has no header");
        let ctx = Context::for_tests();
        assert_eq!(why(parse_csv(&ctx, "a.csv", b"a\nx\n\xff\n", usual(), None)), "`a.csv` line 3: is not UTF-8 text");
    }

    #[test]
    fn files_are_read_by_their_ending_and_refused_with_a_reason() {
        use polars::prelude::Column;
        use polars_io::prelude::ParquetWriter;
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str| folder.path().join(name);
        let ctx = Context::for_tests();
        let read = |name: &str| read_file(&ctx, name, &path(name), &Reading::default());
        std::fs::write(path("a.tsv"), "a\tb\n1\tx,y\n").expect("written");
        assert_eq!(values(&read("a.tsv").expect("read"), 0)[1], Some(json!("x,y")));
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
        assert_eq!(values(&records, 1), [Some(json!("y")), Some(json!(1)), Some(Value::Null)]);
        let bytes = std::fs::read(path("a.parquet")).expect("read");
        std::fs::write(path("cut.parquet"), &bytes[..bytes.len() / 2]).expect("written");
        assert!(why(read("cut.parquet")).starts_with("`cut.parquet`: is not readable as Parquet"));
        let mut damaged = bytes.clone();
        damaged[10..30].fill(0xff);
        std::fs::write(path("damaged.parquet"), damaged).expect("written");
        assert!(why(read("damaged.parquet")).starts_with("`damaged.parquet`: is not readable as Parquet"));
    }
}
