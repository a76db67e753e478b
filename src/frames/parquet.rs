//! The one Parquet reader: what a stranger's file may claim is checked before anything is decoded, columns that are not
//! needed are not decoded, and no panic of the decoder gets out.

use super::content::Kind;
use super::error::FrameError;
use super::guard::{guarded, guarded_apart};
use super::{MAX_ROWS, pages, text};
use polars::prelude::{ChunkApply, Column, DataFrame, DataType, IntoColumn};
use polars_io::SerReader;
use polars_io::parquet::read::{FileMetadata, ParquetReader};
use std::io::Cursor;

/// The most bytes that a file may become: 2 GiB, as much as the largest file that is read. Arbitrary.
const MAX_DECODED: u64 = 2 << 30;

/// Which columns are read.
#[derive(Debug, Clone, Copy, Default)]
pub struct Choice<'a> {
    /// These, where the file has them; without it all.
    pub only: Option<&'a [String]>,
    /// Lists and structs of plain values are read, too.
    pub nested: bool,
    /// Of all columns, those that cannot be read are left out.
    pub lenient: bool,
}

/// What a file holds.
#[derive(Debug, Clone, Default)]
pub struct Stored {
    /// Columns of the four kinds and, where they are asked for, lists and structs.
    pub table: DataFrame,
    /// The names of all columns of the file.
    pub names: Vec<String>,
    /// What the file says about itself, by key.
    pub notes: Vec<(String, Option<String>)>,
}

impl Stored {
    /// What the file says about itself under `key`.
    pub fn note(&self, key: &str) -> Option<&str> {
        self.notes.iter().find(|(name, _)| name == key).and_then(|(_, note)| note.as_deref())
    }
}

/// Reads a file of `bytes`.
///
/// Categories become text, dates and times ISO text (those with a zone in UTC), decimals of at most 15 digits floats and
/// longer ones text, unsigned integers integers or, beyond 64 bits with a sign, text.
pub fn read(bytes: Vec<u8>, choice: Choice) -> Result<Stored, FrameError> {
    guarded_apart(|| decode(bytes, choice)).unwrap_or_else(|_| Err(unreadable("it is damaged")))
}

fn unreadable(why: &str) -> FrameError {
    FrameError::Refused(format!("is not readable as Parquet: {why}"))
}

fn decode(bytes: Vec<u8>, choice: Choice) -> Result<Stored, FrameError> {
    let failed = |error| unreadable(&FrameError::from(error).to_string());
    let mut reader = ParquetReader::new(Cursor::new(bytes.as_slice()));
    let metadata = reader.get_metadata().map_err(failed)?.clone();
    check_rows(&metadata)?;
    let schema = reader.schema().map_err(failed)?;
    let columns: Vec<Claimed> = schema
        .iter_values()
        .map(|field| {
            // polars panics on types that it was built without.
            let dtype = guarded(|| DataType::from_arrow_field(field)).ok();
            let shown =
                dtype.as_ref().map_or_else(|| format!("{:?}", field.dtype()).to_lowercase(), DataType::to_string);
            Claimed { name: field.name.to_string(), dtype, shown }
        })
        .collect();
    if columns.len() > text::MAX_COLUMNS {
        return Err(FrameError::Refused(format!(
            "has {} columns, at most {} are read",
            columns.len(),
            text::MAX_COLUMNS
        )));
    }
    let chosen = chosen(&columns, choice)?;
    check_sizes(&metadata, &chosen, &bytes)?;
    let names: Vec<String> = chosen.iter().map(|(name, _)| (*name).to_owned()).collect();
    let notes = metadata.key_value_metadata().iter().flatten();
    let notes = notes.map(|pair| (pair.key.clone(), pair.value.clone())).collect();
    let table = if names.is_empty() {
        DataFrame::empty()
    } else {
        held(&reader.with_columns(Some(names)).finish().map_err(failed)?, metadata.num_rows)?
    };
    Ok(Stored { table, names: columns.into_iter().map(|column| column.name).collect(), notes })
}

/// A column as the file's schema has it.
struct Claimed {
    name: String,
    /// None for a type that polars was built without.
    dtype: Option<DataType>,
    shown: String,
}

/// The rows that the file claims.
fn check_rows(metadata: &FileMetadata) -> Result<(), FrameError> {
    let n_rows = metadata.num_rows;
    if n_rows > MAX_ROWS {
        return Err(FrameError::TooManyRows { verb: "reading", n_rows: n_rows as u128, most: MAX_ROWS });
    }
    let sum: u128 = metadata.row_groups.iter().map(|group| group.num_rows() as u128).sum();
    if sum != n_rows as u128 {
        return Err(unreadable(&format!("its header gives {n_rows} rows, its row groups {sum}")));
    }
    Ok(())
}

/// The columns that are decoded.
fn chosen<'a>(columns: &'a [Claimed], choice: Choice) -> Result<Vec<(&'a str, &'a DataType)>, FrameError> {
    let is_asked = |column: &&Claimed| choice.only.is_none_or(|only| only.contains(&column.name));
    let can = |column: &'a Claimed| column.dtype.as_ref().filter(|dtype| width(dtype, choice.nested).is_some());
    let mut chosen = Vec::new();
    for column in columns.iter().filter(is_asked) {
        if let Some(dtype) = can(column) {
            chosen.push((column.name.as_str(), dtype));
        } else if !(choice.lenient && choice.only.is_none()) {
            let others = columns.iter().filter(|column| can(column).is_some()).map(|column| column.name.clone());
            let (column, dtype) = (column.name.clone(), column.shown.clone());
            return Err(FrameError::Unheld { column, dtype, others: others.collect() });
        }
    }
    Ok(chosen)
}

/// About how many bytes a value takes in memory; none for what is not read.
fn width(dtype: &DataType, nested: bool) -> Option<u64> {
    match dtype {
        DataType::Boolean | DataType::Null => Some(8),
        dtype if dtype.is_integer() || dtype.is_float() => Some(8),
        DataType::String | DataType::Categorical(..) | DataType::Enum(..) => Some(16),
        // As text: 16 bytes that point to up to 32.
        DataType::Date | DataType::Datetime(..) | DataType::Time | DataType::Decimal(..) => Some(48),
        DataType::List(inner) if nested => width(inner, nested).filter(|_| is_plain(inner)).map(|width| width + 8),
        DataType::Array(inner, _) if nested => width(inner, nested).filter(|_| is_plain(inner)).map(|width| width + 8),
        DataType::Struct(fields) if nested => {
            let widths = fields.iter().map(|field| width(field.dtype(), nested).filter(|_| is_plain(field.dtype())));
            widths.collect::<Option<Vec<u64>>>().map(|widths| widths.into_iter().max().unwrap_or_default() + 8)
        }
        _ => None,
    }
}

/// Whether values within lists and structs are of a kind, or lists and structs again.
fn is_plain(dtype: &DataType) -> bool {
    Kind::of(dtype).is_some() || dtype.is_nested()
}

/// The sizes that the file claims for what is decoded, in its footer and before every page, against its length and against
/// the memory that it would take.
fn check_sizes(metadata: &FileMetadata, chosen: &[(&str, &DataType)], file: &[u8]) -> Result<(), FrameError> {
    let mut decoded: u128 = 0;
    for group in &metadata.row_groups {
        for (name, dtype) in chosen {
            let chunks =
                group.columns_under_root_iter(name).ok_or_else(|| unreadable("a column is missing in a part"))?;
            for chunk in chunks {
                let offset = chunk.dictionary_page_offset().unwrap_or_else(|| chunk.data_page_offset());
                let sizes = [offset, chunk.compressed_size(), chunk.num_values()].map(u64::try_from);
                let [Ok(offset), Ok(length), Ok(n_values)] = sizes else {
                    return Err(unreadable(&format!("column `{name}` has a size below zero")));
                };
                if !dtype.is_nested() && n_values != group.num_rows() as u64 {
                    let n_rows = group.num_rows();
                    return Err(unreadable(&format!("column `{name}` has {n_values} values for {n_rows} rows")));
                }
                let chunk = pages::Chunk { offset, length, n_values };
                let n_bytes = pages::check(file, chunk, MAX_DECODED);
                let n_bytes = n_bytes.map_err(|why| unreadable(&format!("column `{name}` {why}")))?;
                let width = width(dtype, true).unwrap_or(16);
                decoded += u128::from(n_values) * u128::from(width) + u128::from(n_bytes);
            }
        }
    }
    if decoded > u128::from(MAX_DECODED) {
        let what = format!("would take about {} MiB as a table, at most {} are read", decoded >> 20, MAX_DECODED >> 20);
        return Err(FrameError::Refused(what));
    }
    Ok(())
}

/// The table with columns of the four kinds, lists and structs aside; all of `n_rows` rows.
fn held(table: &DataFrame, n_rows: usize) -> Result<DataFrame, FrameError> {
    let mut columns = Vec::with_capacity(table.width());
    let mut n_bytes = 0;
    for column in table.columns() {
        if column.len() != n_rows {
            let (name, got) = (column.name(), column.len());
            return Err(unreadable(&format!("column `{name}` has {got} values for {n_rows} rows")));
        }
        let impossible = || {
            FrameError::Refused(format!("column `{}` holds a value that `{}` has not", column.name(), column.dtype()))
        };
        let column = guarded(|| held_column(column)).map_err(|_| impossible())?.map_err(|_| impossible())?;
        if let Ok(texts) = column.str() {
            n_bytes += texts.iter().flatten().map(|text| text.len() as u64).sum::<u64>();
        }
        // Values of a dictionary are stored once and may be meant many times.
        if n_bytes > MAX_DECODED {
            let what = format!("has more than {} MiB of text with column `{}`", MAX_DECODED >> 20, column.name());
            return Err(FrameError::Refused(what));
        }
        columns.push(column);
    }
    Ok(DataFrame::new(n_rows, columns)?)
}

fn held_column(column: &Column) -> Result<Column, FrameError> {
    let target = match column.dtype() {
        // 15 digits are exact in a float of 64 bits, and so is the power of ten below them.
        DataType::Decimal(precision, _) if *precision <= 15 => DataType::Float64,
        DataType::UInt64 => {
            let is_wide = column.u64()?.iter().flatten().any(|value| i64::try_from(value).is_err());
            if is_wide { DataType::String } else { DataType::Int64 }
        }
        // polars' own cast leaves out parts of a second.
        DataType::Time => return Ok(column.as_materialized_series().time()?.to_string("%T%.f").into_column()),
        // What is stored is the time in UTC; the zone says how to show it.
        DataType::Datetime(unit, Some(_)) => {
            let naive = column.cast(&DataType::Datetime(*unit, None))?.strict_cast(&DataType::String)?;
            let texts = naive.str()?.apply_values(|text| format!("{text}+00:00").into());
            return Ok(texts.into_column());
        }
        dtype if dtype.is_nested() => return Ok(column.clone()),
        dtype if dtype.is_float() => DataType::Float64,
        dtype => Kind::of(dtype).map_or(DataType::String, Kind::dtype),
    };
    Ok(if *column.dtype() == target { column.clone() } else { column.strict_cast(&target)? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use polars_io::parquet::write::ParquetWriter;

    fn written(columns: Vec<Column>) -> Vec<u8> {
        let height = columns.first().map_or(0, Column::len);
        let mut bytes = Vec::new();
        let mut table = DataFrame::new(height, columns).expect("columns of one length");
        ParquetWriter::new(&mut bytes).finish(&mut table).expect("written");
        bytes
    }

    fn column(values: [i64; 2], dtype: DataType) -> Column {
        Column::new("x".into(), values).cast(&dtype).expect("cast")
    }

    fn texts(bytes: Vec<u8>) -> Vec<Option<String>> {
        let table = read(bytes, Choice::default()).expect("reads").table;
        table.columns()[0].str().expect("text").iter().map(|text| text.map(str::to_owned)).collect()
    }

    #[test]
    fn a_value_that_its_type_has_not_is_an_error() {
        let days = written(vec![Column::new("x".into(), [0, i32::MAX]).cast(&DataType::Date).expect("cast")]);
        let why = read(days, Choice::default()).expect_err("no such day").to_string();
        assert_eq!(why, "column `x` holds a value that `date` has not");
    }

    #[test]
    fn a_column_that_is_not_asked_for_is_not_looked_at() {
        let other = Column::new("y".into(), [1i64, 2]);
        let lists = column([1, 2], DataType::List(Box::new(DataType::Int64)));
        let bytes = written(vec![lists, other]);
        let why = read(bytes.clone(), Choice::default()).expect_err("a list").to_string();
        assert_eq!(why, "column `x` has the type `list[i64]`, which a frame cannot hold");
        let only = ["y".to_owned(), "z".to_owned()];
        let stored = read(bytes.clone(), Choice { only: Some(&only), ..Choice::default() }).expect("reads");
        assert_eq!((stored.table.width(), stored.names), (1, vec!["x".to_owned(), "y".to_owned()]));
        let lenient = read(bytes.clone(), Choice { lenient: true, ..Choice::default() }).expect("reads");
        assert_eq!(lenient.table.width(), 1);
        assert_eq!(read(bytes, Choice { nested: true, ..Choice::default() }).expect("reads").table.width(), 2);
    }

    #[test]
    fn an_empty_table_and_a_cut_file_are_told_apart() {
        let bytes = written(vec![Column::new("x".into(), Vec::<i64>::new())]);
        assert_eq!(read(bytes.clone(), Choice::default()).expect("reads").table.shape(), (0, 1));
        for length in [0, 4, 11, bytes.len() - 1] {
            let why = read(bytes[..length].to_vec(), Choice::default()).expect_err("cut").to_string();
            assert!(why.starts_with("is not readable as Parquet"), "{why}");
        }
    }

    #[test]
    fn decimals_beyond_15_digits_keep_them() {
        let narrow = written(vec![column([1, -25], DataType::Decimal(15, 2))]);
        let table = read(narrow, Choice::default()).expect("reads").table;
        assert_eq!(table.columns()[0].f64().expect("floats").iter().collect::<Vec<_>>(), [Some(1.0), Some(-25.0)]);
        let wide = written(vec![column([1, -25], DataType::Decimal(16, 2))]);
        assert_eq!(texts(wide), [Some("1.00".to_owned()), Some("-25.00".to_owned())]);
    }
}
