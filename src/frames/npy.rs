//! NumPy's format for one array: features as rows × features. Written as NumPy writes it, byte for byte; objects in it, which are
//! pickles, are never read.

use super::features::matrix_columns;
use super::text::MAX_COLUMNS;
use super::{Frame, FrameError, MAX_ROWS};
use half::f16;
use polars::prelude::Column;

const MAGIC: &[u8] = b"\x93NUMPY";
/// Digits that NumPy keeps free for the number of rows (`GROWTH_AXIS_MAX_DIGITS` of numpy/lib/format.py).
const GROWTH: usize = 21;
/// What the header's length is a multiple of (`ARRAY_ALIGN` there).
const ALIGN: usize = 64;
/// The longest header that is read: arbitrary, NumPy's own safe limit.
const MAX_HEADER: usize = 10_000;
/// The most numbers of an array that is read. Arbitrary: 640 MB as columns.
const MAX_NUMBERS: usize = 80_000_000;

/// The features of a frame as an array of 32-bit floats, rows × features.
pub(super) fn to_npy(frame: &Frame) -> Result<Vec<u8>, FrameError> {
    let (matrix, n) = frame.feature_matrix()?;
    let rows = frame.height().to_string();
    let mut header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({rows}, {n}), }}");
    header.push_str(&" ".repeat(GROWTH.saturating_sub(rows.len())));
    let before = MAGIC.len() + 4;
    let padding = ALIGN - (before + header.len() + 1) % ALIGN;
    header.push_str(&" ".repeat(padding));
    header.push('\n');
    let mut bytes = Vec::with_capacity(before + header.len() + 4 * matrix.len());
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&[1, 0]);
    bytes.extend_from_slice(&(header.len() as u16).to_le_bytes());
    bytes.extend_from_slice(header.as_bytes());
    matrix.iter().for_each(|value| bytes.extend_from_slice(&value.to_le_bytes()));
    Ok(bytes)
}

/// A frame of `x0`, `x1`, … from an array of one or two dimensions, and of `id` before them where ids are given.
pub(super) fn from_npy(bytes: &[u8], ids: Option<&[String]>) -> Result<Frame, FrameError> {
    let header = Header::read(bytes)?;
    let [n_rows, n] = header.shape;
    let mut columns = Vec::new();
    if let Some(ids) = ids {
        if ids.len() != n_rows {
            return Err(FrameError::Refused(format!("has {n_rows} rows, `ids` has {}", ids.len())));
        }
        columns.push(Column::new("id".into(), ids));
    }
    let values = header.kind.values(header.data, header.is_swapped);
    columns.extend(matrix_columns((0..n).map(|at| {
        let (first, step) = if header.is_fortran { (at * n_rows, 1) } else { (at, n) };
        values.iter().skip(first).step_by(step).take(n_rows).copied().collect()
    })));
    Frame::from_columns(columns)
}

/// Sorts of numbers that are read; all of their values are exact in a float of 64 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Number {
    F16,
    F32,
    F64,
    I8,
    I16,
    I32,
    U8,
    U16,
    U32,
}

impl Number {
    fn named(name: &str) -> Option<Number> {
        Some(match name {
            "f2" => Number::F16,
            "f4" => Number::F32,
            "f8" => Number::F64,
            "i1" => Number::I8,
            "i2" => Number::I16,
            "i4" => Number::I32,
            "u1" => Number::U8,
            "u2" => Number::U16,
            "u4" => Number::U32,
            _ => return None,
        })
    }

    /// Bytes of one.
    fn size(self) -> usize {
        match self {
            Number::I8 | Number::U8 => 1,
            Number::F16 | Number::I16 | Number::U16 => 2,
            Number::F32 | Number::I32 | Number::U32 => 4,
            Number::F64 => 8,
        }
    }

    fn values(self, data: &[u8], is_swapped: bool) -> Vec<f64> {
        let size = self.size();
        let value = |bytes: &[u8]| {
            // Little-endian, with nothing behind a short number.
            let mut own = [0u8; 8];
            own.iter_mut().zip(bytes).for_each(|(own, byte)| *own = *byte);
            if is_swapped {
                own[..size.min(8)].reverse();
            }
            let [a, b, c, d, ..] = own;
            match self {
                Number::F16 => f64::from(f16::from_le_bytes([a, b])),
                Number::F32 => f64::from(f32::from_le_bytes([a, b, c, d])),
                Number::F64 => f64::from_le_bytes(own),
                Number::I8 => f64::from(a as i8),
                Number::I16 => f64::from(i16::from_le_bytes([a, b])),
                Number::I32 => f64::from(i32::from_le_bytes([a, b, c, d])),
                Number::U8 => f64::from(a),
                Number::U16 => f64::from(u16::from_le_bytes([a, b])),
                Number::U32 => f64::from(u32::from_le_bytes([a, b, c, d])),
            }
        };
        data.chunks_exact(size).map(value).collect()
    }
}

/// What an array's file says of it, and its numbers.
#[derive(Debug)]
struct Header<'a> {
    kind: Number,
    /// Whether the bytes of a number come in the other order.
    is_swapped: bool,
    /// Whether the numbers of a column lie side by side, not those of a row.
    is_fortran: bool,
    /// Rows and columns; an array of one dimension is one column.
    shape: [usize; 2],
    data: &'a [u8],
}

fn damaged(why: &str) -> FrameError {
    FrameError::Refused(format!("is not readable as a NumPy array: {why}"))
}

impl<'a> Header<'a> {
    fn read(bytes: &'a [u8]) -> Result<Header<'a>, FrameError> {
        let cut = || damaged("it ends within its header");
        let rest = bytes.strip_prefix(MAGIC).ok_or_else(|| damaged("it does not begin with `\\x93NUMPY`"))?;
        let (n, rest) = match rest {
            [1, _, a, b, rest @ ..] => (usize::from(u16::from_le_bytes([*a, *b])), rest),
            [2 | 3, _, a, b, c, d, rest @ ..] => (u32::from_le_bytes([*a, *b, *c, *d]) as usize, rest),
            [0 | 4.., _, ..] => return Err(damaged("its version is not 1, 2 or 3")),
            _ => return Err(cut()),
        };
        if n > MAX_HEADER {
            return Err(damaged(&format!("its header has {n} bytes, at most {MAX_HEADER} are read")));
        }
        let (header, data) = rest.split_at_checked(n).ok_or_else(cut)?;
        let header = std::str::from_utf8(header).map_err(|_| damaged("its header is not a text"))?;
        let said = Said::read(header).ok_or_else(|| {
            damaged(
                "its header is not a dictionary of `descr`, `fortran_order` and `shape`, or the array has named fields",
            )
        })?;
        Header::checked(&said, data)
    }

    fn checked(said: &Said, data: &'a [u8]) -> Result<Header<'a>, FrameError> {
        let (order, name) = said.descr.split_at_checked(1).unwrap_or_default();
        let Some(kind) = Number::named(name).filter(|_| matches!(order, "<" | ">" | "|" | "=")) else {
            let held = if name.starts_with('O') {
                "objects, which are never unpickled".to_owned()
            } else {
                format!("`{}`", said.descr)
            };
            return Err(FrameError::Refused(format!(
                "holds {held}; floats of 16, 32 and 64 bits and integers of up to 32 bits are read"
            )));
        };
        let shape = match said.shape[..] {
            [n_rows] => [n_rows, 1],
            [n_rows, n] => [n_rows, n],
            ref other => {
                let what = format!("has {} dimensions; features have two: rows and features", other.len());
                return Err(FrameError::Refused(what));
            }
        };
        let [n_rows, n] = shape;
        if n_rows > MAX_ROWS || n > MAX_COLUMNS || n_rows.saturating_mul(n) > MAX_NUMBERS {
            return Err(FrameError::Refused(format!(
                "has {n_rows} rows of {n} numbers; at most {MAX_ROWS} rows, {MAX_COLUMNS} columns and {MAX_NUMBERS} numbers are read"
            )));
        }
        let n_bytes = n_rows * n * kind.size();
        if data.len() != n_bytes {
            return Err(damaged(&format!("{n_rows} × {n} numbers take {n_bytes} bytes, it has {}", data.len())));
        }
        // `=` is the order of the machine that wrote it, which NumPy never leaves in a file.
        Ok(Header { kind, is_swapped: order == ">", is_fortran: said.is_fortran, shape, data })
    }
}

/// The dictionary in a header.
#[derive(Debug, Default)]
struct Said {
    descr: String,
    is_fortran: bool,
    shape: Vec<usize>,
}

impl Said {
    /// Reads the Python literal: three keys, each once, in any order.
    fn read(header: &str) -> Option<Said> {
        let mut rest = header.trim().strip_prefix('{')?.strip_suffix('}')?.trim_start();
        let (mut descr, mut is_fortran, mut shape) = (None, None, None);
        while !rest.is_empty() {
            let (key, behind) = quoted(rest)?;
            let value = behind.trim_start().strip_prefix(':')?.trim_start();
            rest = match key {
                "descr" if descr.is_none() => {
                    let (text, behind) = quoted(value)?;
                    descr = Some(text.to_owned());
                    behind
                }
                "fortran_order" if is_fortran.is_none() => {
                    let (word, behind) = value.split_at_checked(if value.starts_with('T') { 4 } else { 5 })?;
                    is_fortran = Some(match word {
                        "True" => true,
                        "False" => false,
                        _ => return None,
                    });
                    behind
                }
                "shape" if shape.is_none() => {
                    let (inner, behind) = value.strip_prefix('(')?.split_once(')')?;
                    let sizes = inner.split(',').map(str::trim).filter(|size| !size.is_empty());
                    shape = Some(sizes.map(|size| size.parse().ok()).collect::<Option<Vec<usize>>>()?);
                    behind
                }
                _ => return None,
            };
            rest = rest.trim_start();
            rest = match rest.strip_prefix(',') {
                Some(behind) => behind.trim_start(),
                None if rest.is_empty() => rest,
                None => return None,
            };
        }
        Some(Said { descr: descr?, is_fortran: is_fortran?, shape: shape? })
    }
}

/// A text in quotes at the beginning, and what follows it.
fn quoted(text: &str) -> Option<(&str, &str)> {
    let quote = text.chars().next().filter(|first| matches!(first, '\'' | '"'))?;
    text.get(1..)?.split_once(quote)
}

#[cfg(test)]
mod tests {
    use super::*;
    use polars::df;
    use serde_json::Value;

    /// Arrays as NumPy wrote them, and what is in them; tests/reference/npy.py made them.
    fn references() -> Vec<Value> {
        let text = include_str!("../../tests/reference/npy.json");
        serde_json::from_str(text).expect("the reference is JSON")
    }

    fn bytes_of(case: &Value) -> Vec<u8> {
        let text = case["bytes"].as_str().expect("bytes in hexadecimal");
        (0..text.len() / 2).map(|at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).expect("digits")).collect()
    }

    fn rows_of(case: &Value) -> Vec<Vec<f64>> {
        let rows = case["rows"].as_array().expect("rows").iter();
        rows.map(|row| row.as_array().expect("a row").iter().map(|x| x.as_f64().expect("a number")).collect()).collect()
    }

    fn cells(frame: &Frame) -> Vec<Vec<f64>> {
        let columns: Vec<Vec<f64>> = frame.columns().iter().map(|name| frame.floats(name).expect("floats")).collect();
        (0..frame.height()).map(|row| columns.iter().map(|column| column[row]).collect()).collect()
    }

    #[test]
    fn arrays_of_numpy_are_read_and_those_of_32_bits_written_with_the_same_bytes() {
        let mut n_written = 0;
        for case in references() {
            let (name, bytes) = (case["name"].as_str().expect("a name"), bytes_of(&case));
            let frame = from_npy(&bytes, None).expect(name);
            assert_eq!(cells(&frame), rows_of(&case), "{name}");
            if case["ours"] == Value::Bool(true) {
                n_written += 1;
                assert_eq!(to_npy(&frame).expect("written"), bytes, "{name}");
            }
        }
        assert_eq!(n_written, 3);
    }

    #[test]
    fn a_frame_comes_back_and_ids_are_given_to_its_rows() {
        let table = df!("id" => ["a", "b"], "x0" => [1.5, -2.0], "x1" => [f64::INFINITY, 0.25]).expect("columns");
        let frame = Frame::tidy(table).expect("tidy");
        let bytes = to_npy(&frame).expect("written");
        let ids = ["a".to_owned(), "b".to_owned()];
        assert!(from_npy(&bytes, Some(&ids)).expect("read").equals(&frame));
        let why = from_npy(&bytes, Some(&ids[..1])).err().expect("too few").to_string();
        assert_eq!(why, "has 2 rows, `ids` has 1");
    }

    #[test]
    fn what_is_no_array_of_features_says_why() {
        let with = |header: &str, n: usize| {
            let mut bytes = [MAGIC, &[1, 0], &(header.len() as u16).to_le_bytes(), header.as_bytes()].concat();
            bytes.resize(bytes.len() + n, 0);
            bytes
        };
        let dict =
            |descr: &str, shape: &str| format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n");
        let cases = [
            (b"PK\x03\x04".to_vec(), "it does not begin with `\\x93NUMPY`"),
            (MAGIC.to_vec(), "it ends within its header"),
            ([MAGIC, &[9, 0, 0, 0]].concat(), "its version is not 1, 2 or 3"),
            (with(&dict("|O", "(2,)"), 16), "holds objects, which are never unpickled"),
            (with(&dict("<c8", "(2,)"), 16), "holds `<c8`"),
            (with(&dict("<i8", "(2,)"), 16), "holds `<i8`"),
            (with(&dict("<f4", "(1, 2, 3)"), 24), "has 3 dimensions"),
            (with(&dict("<f4", "()"), 4), "has 0 dimensions"),
            (with(&dict("<f4", "(2, 3)"), 23), "2 × 3 numbers take 24 bytes, it has 23"),
            (with(&dict("<f4", "(99999999999, 99999999999)"), 0), "numbers are read"),
            (with("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2,), }", 8), "named fields"),
            (with("{'descr': '<f4', 'descr': '<f4', 'shape': (2,)}", 8), "not a dictionary"),
        ];
        for (bytes, expected) in cases {
            let why = from_npy(&bytes, None).err().expect(expected).to_string();
            assert!(why.contains(expected), "{why}");
        }
    }

    #[test]
    fn no_damaged_file_panics() {
        for case in references() {
            let bytes = bytes_of(&case);
            for length in 0..bytes.len() {
                assert!(from_npy(&bytes[..length], None).is_err(), "cut to {length}");
            }
            for at in 0..bytes.len().min(128) {
                for byte in [0, b'9', b'\'', b')', 0xff] {
                    let mut changed = bytes.clone();
                    changed[at] = byte;
                    // It may be another array, or none; it comes back.
                    let _ = from_npy(&changed, None);
                }
            }
        }
    }
}
