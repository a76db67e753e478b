//! A result or a state as the store holds it: named arrays and a few facts in one safetensors file.
//!
//! The file is read in pieces that are hashed while the next one is read, straight into the arrays: reading a checked
//! content costs about as much as reading its bytes.

use super::source::{Source, floats};
use crate::host::store::StoreError;
use blake3::Hasher;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::io::{Read, Write};

/// Bytes that are read or written at once, while the piece before is hashed: chosen, small enough for a processor's cache.
const PIECE: usize = 1 << 20;

/// Contents with fewer bytes are read and hashed by one thread: chosen, as measured by `cargo bench --bench store`.
const SHARED: usize = 8 << 20;

/// Bytes that are read before it is known what lies where: chosen, as many as BLAKE3 hashes at once, so that what follows is
/// hashed as fast.
const FIRST: usize = 16 << 10;

/// The longest header that is read: what the safetensors library allows.
const MAX_HEADER: u64 = 100_000_000;

/// The name of our facts in a safetensors header.
const FACTS: &str = "w2s";

/// Small facts beside arrays.
pub type Facts = Map<String, Value>;

/// An array to be written: name, shape, values (row-major).
pub(super) type Row<'a> = (&'a str, &'a [usize], &'a [f32]);

/// Named arrays of 32-bit floats, and a few facts.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Content {
    /// Name, shape, values (row-major).
    pub tensors: Vec<(String, Vec<usize>, Vec<f32>)>,
    /// Small facts besides the arrays.
    pub facts: Facts,
}

/// An array as the header describes it.
#[derive(Deserialize)]
struct Entry {
    dtype: String,
    shape: Vec<usize>,
    data_offsets: (u64, u64),
}

impl Content {
    /// Adds an array.
    #[must_use]
    pub fn tensor(mut self, name: &str, shape: &[usize], values: Vec<f32>) -> Content {
        self.tensors.push((name.to_owned(), shape.to_vec(), values));
        self
    }

    /// Takes the array called `name` out; it must have `shape`.
    pub fn take(&mut self, name: &str, shape: &[usize]) -> Result<Vec<f32>, String> {
        let found = self.tensors.iter_mut().find(|(held, ..)| held == name);
        let (_, held, values) = found.ok_or_else(|| format!("it has no array `{name}`"))?;
        if held != shape {
            return Err(format!("`{name}` has the shape {held:?}, expected {shape:?}"));
        }
        Ok(std::mem::take(values))
    }

    /// As one safetensors file, the facts as JSON text in its header.
    pub fn to_bytes(&self) -> Result<Vec<u8>, StoreError> {
        let mut bytes = Vec::new();
        let failed = |error: &std::io::Error| broken(&error.to_string());
        self.write_hashed(&mut bytes, &mut Hasher::new(), failed)?;
        Ok(bytes)
    }

    /// What [`Content::to_bytes`] made.
    pub fn from_bytes(bytes: &[u8]) -> Result<Content, String> {
        from_slice(bytes)
    }

    /// Writes the file and hashes it on the way; its length.
    pub(super) fn write_hashed(
        &self,
        to: &mut (impl Write + Send),
        hasher: &mut Hasher,
        fails: impl Fn(&std::io::Error) -> StoreError,
    ) -> Result<u64, StoreError> {
        let rows: Vec<Row> = self.tensors.iter().map(|(name, shape, values)| (&**name, &**shape, &**values)).collect();
        write_hashed(&self.facts, &rows, to, hasher, fails)
    }
}

/// Writes facts and arrays as a safetensors file and hashes it on the way; its length.
pub(super) fn write_hashed(
    facts: &Facts,
    rows: &[Row],
    to: &mut (impl Write + Send),
    hasher: &mut Hasher,
    fails: impl Fn(&std::io::Error) -> StoreError,
) -> Result<u64, StoreError> {
    let header = header(facts, rows)?;
    let mut n_bytes = header.len() as u64;
    to.write_all(&header).map_err(|error| fails(&error))?;
    hasher.update(&header);
    for (.., values) in rows {
        n_bytes += size_of_val(*values) as u64;
        let is_large = size_of_val(*values) >= SHARED;
        for piece in values.chunks(PIECE / 4) {
            let bytes = le_bytes(piece);
            both(is_large, || to.write_all(&bytes), || hasher.update(&bytes)).map_err(|error| fails(&error))?;
        }
    }
    Ok(n_bytes)
}

/// Length and JSON of the header, padded to eight bytes.
fn header(facts: &Facts, rows: &[Row]) -> Result<Vec<u8>, StoreError> {
    let facts = serde_json::to_string(facts).map_err(|error| broken(&error.to_string()))?;
    let mut entries = Map::new();
    entries.insert("__metadata__".to_owned(), json!({ FACTS: facts }));
    let mut start = 0u64;
    for (name, shape, values) in rows {
        if shape.iter().product::<usize>() != values.len() {
            return Err(broken(&format!("`{name}` has {} values, its shape is {shape:?}", values.len())));
        }
        let end = start + size_of_val(*values) as u64;
        let entry = json!({ "dtype": "F32", "shape": shape, "data_offsets": [start, end] });
        if entries.insert((*name).to_owned(), entry).is_some() {
            return Err(broken(&format!("it has two arrays `{name}`")));
        }
        start = end;
    }
    let mut text = serde_json::to_vec(&entries).map_err(|error| broken(&error.to_string()))?;
    text.resize(text.len().next_multiple_of(8), b' ');
    Ok([&(text.len() as u64).to_le_bytes()[..], &text].concat())
}

/// Reads a content of `n_bytes` bytes and feeds every one of them to `hasher`. Nothing in it is to be believed before the
/// hash is compared; a wrong header costs no more memory than the file has bytes.
pub(super) fn read_hashed(mut from: impl Source, n_bytes: u64, hasher: &mut Hasher) -> Result<Content, String> {
    let failed = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::UnexpectedEof => "it is too short".to_owned(),
        _ => crate::host::lab::plain(&error),
    };
    if n_bytes <= PIECE as u64 {
        return read_small(from, n_bytes as usize, hasher).map_err(failed)?;
    }
    let mut length = [0u8; 8];
    from.read_exact(&mut length).map_err(failed)?;
    let n_header = header_length(length, n_bytes)?;
    let mut header = vec![0u8; 8 + n_header];
    header.splice(..8, length);
    from.read_exact(header.get_mut(8..).unwrap_or_default()).map_err(failed)?;
    hasher.update(&header);
    let (facts, layout) = layout(header.get(8..).unwrap_or_default(), n_bytes - header.len() as u64)?;
    let mut at = header.len();
    let mut tensors = Vec::with_capacity(layout.len());
    for (name, shape, n_values) in layout {
        let mut values = vec![0f32; n_values];
        fill(&mut from, &mut values, at, hasher).map_err(failed)?;
        at += 4 * n_values;
        tensors.push((name, shape, values));
    }
    Ok(Content { tensors, facts })
}

/// A content of at most a piece: what lies beyond its first bytes is read straight into its arrays.
fn read_small(mut from: impl Source, n_bytes: usize, hasher: &mut Hasher) -> std::io::Result<Result<Content, String>> {
    let mut first = vec![0; n_bytes.min(FIRST)];
    from.read_exact(&mut first)?;
    let length = first.first_chunk::<8>().map(|length| header_length(*length, n_bytes as u64));
    let n_header = match length {
        Some(Ok(n_header)) => 8 + n_header,
        Some(Err(why)) => return Ok(Err(why)),
        None => return Ok(Err("it is too short".to_owned())),
    };
    if let Some(n_more) = n_header.checked_sub(first.len()) {
        Read::by_ref(&mut from).take(n_more as u64).read_to_end(&mut first)?;
    }
    hasher.update(&first);
    let (Some(header), Some(mut data)) = (first.get(8..n_header), first.get(n_header..)) else {
        return Ok(Err("it is too short".to_owned()));
    };
    let (facts, layout) = match layout(header, (n_bytes - n_header) as u64) {
        Ok(read) => read,
        Err(why) => return Ok(Err(why)),
    };
    let mut tensors = Vec::with_capacity(layout.len());
    for (name, shape, n_values) in layout {
        let values = if let Some((own, rest)) = data.split_at_checked(4 * n_values) {
            data = rest;
            floats(own)
        } else {
            let head = std::mem::take(&mut data);
            let values = from.read_values(head, n_values)?;
            hasher.update(le_bytes(&values).get(head.len()..).unwrap_or_default());
            values
        };
        tensors.push((name, shape, values));
    }
    Ok(Ok(Content { tensors, facts }))
}

/// A content that lies in memory.
fn from_slice(bytes: &[u8]) -> Result<Content, String> {
    let short = || "it is too short".to_owned();
    let (length, rest) = bytes.split_first_chunk::<8>().ok_or_else(short)?;
    let (header, mut data) = rest.split_at_checked(header_length(*length, bytes.len() as u64)?).ok_or_else(short)?;
    let (facts, layout) = layout(header, data.len() as u64)?;
    let mut tensors = Vec::with_capacity(layout.len());
    for (name, shape, n_values) in layout {
        let (values, rest) = data.split_at_checked(4 * n_values).ok_or_else(short)?;
        tensors.push((name, shape, floats(values)));
        data = rest;
    }
    Ok(Content { tensors, facts })
}

/// Bytes of the header, from the first eight bytes of a file.
fn header_length(length: [u8; 8], n_bytes: u64) -> Result<usize, String> {
    let n_header = u64::from_le_bytes(length);
    let fits = n_header <= MAX_HEADER && n_bytes.checked_sub(8).is_some_and(|rest| n_header <= rest);
    if fits { Ok(n_header as usize) } else { Err("its header does not fit into it".to_owned()) }
}

/// Name, shape and count of an array to be read.
type Array = (String, Vec<usize>, usize);

/// The facts, and the arrays in the order in which they fill `n_data` bytes.
fn layout(header: &[u8], n_data: u64) -> Result<(Facts, Vec<Array>), String> {
    let mut facts = Facts::new();
    let mut entries: Vec<(String, Entry)> = Vec::new();
    let read: BTreeMap<String, Value> = serde_json::from_slice(header).map_err(|error| error.to_string())?;
    for (name, value) in read {
        if name == "__metadata__" {
            let text = value.get(FACTS).and_then(Value::as_str).unwrap_or("{}");
            facts = serde_json::from_str(text).map_err(|error| error.to_string())?;
        } else {
            entries.push((name, serde_json::from_value(value).map_err(|error| error.to_string())?));
        }
    }
    entries.sort_by_key(|(_, entry)| entry.data_offsets);
    let mut at = 0u64;
    let mut arrays = Vec::with_capacity(entries.len());
    for (name, entry) in entries {
        let n_values = entry.shape.iter().try_fold(1u64, |n, axis| n.checked_mul(*axis as u64));
        let end = n_values.and_then(|n| n.checked_mul(4)).and_then(|n| n.checked_add(at)).filter(|end| *end <= n_data);
        let (Some(n_values), Some(end)) = (n_values, end) else {
            return Err(format!("`{name}` is longer than the file"));
        };
        if entry.dtype != "F32" || entry.data_offsets != (at, end) {
            return Err(format!("`{name}` does not lie where its header says"));
        }
        arrays.push((name, entry.shape, n_values as usize));
        at = end;
    }
    if at != n_data {
        return Err("it has bytes that belong to no array".to_owned());
    }
    Ok((facts, arrays))
}

/// Fills the array, which begins `at` bytes from the file's start, piece by piece; while one is read the one before is
/// hashed. Pieces end where whole subtrees of BLAKE3 do, which are the fastest to hash.
fn fill(mut from: impl Source, values: &mut [f32], at: usize, hasher: &mut Hasher) -> std::io::Result<()> {
    let is_large = size_of_val(values) >= SHARED;
    let (first, rest) = values.split_at_mut((at.next_multiple_of(PIECE) - at).div_ceil(4).min(values.len()));
    let mut read: &[u8] = &[];
    for piece in std::iter::once(first).chain(rest.chunks_mut(PIECE / 4)) {
        let bytes = bytes_of(piece);
        both(is_large && !read.is_empty(), || from.read_exact(bytes), || hasher.update(read))?;
        read = bytes;
    }
    hasher.update(read);
    // Read as bytes, meant as little-endian numbers: nothing to do but on a big-endian machine.
    #[cfg(target_endian = "big")]
    values.iter_mut().for_each(|value| *value = f32::from_bits(value.to_bits().swap_bytes()));
    Ok(())
}

/// Does both, at the same time where there is enough to hash.
fn both<'h, T: Send>(
    is_large: bool,
    io: impl FnOnce() -> std::io::Result<T> + Send,
    hash: impl FnOnce() -> &'h mut Hasher + Send,
) -> std::io::Result<T> {
    if !is_large {
        hash();
        return io();
    }
    rayon::join(io, || {
        hash();
    })
    .0
}

fn broken(reason: &str) -> StoreError {
    StoreError::Content { what: "it".to_owned(), reason: reason.to_owned() }
}

/// The array's memory, to be written to.
fn bytes_of(values: &mut [f32]) -> &mut [u8] {
    let n_bytes = size_of_val(values);
    // SAFETY: the memory is the array's own, borrowed for as long; any bytes are a valid `f32` and bytes need no alignment.
    unsafe { std::slice::from_raw_parts_mut(values.as_mut_ptr().cast::<u8>(), n_bytes) }
}

/// The array as little-endian bytes, without a copy where the machine is little-endian.
#[cfg(target_endian = "little")]
fn le_bytes(values: &[f32]) -> std::borrow::Cow<'_, [u8]> {
    // SAFETY: the memory is the array's own, borrowed for as long; bytes need no alignment.
    let bytes = unsafe { std::slice::from_raw_parts(values.as_ptr().cast::<u8>(), size_of_val(values)) };
    std::borrow::Cow::Borrowed(bytes)
}

#[cfg(target_endian = "big")]
fn le_bytes(values: &[f32]) -> std::borrow::Cow<'_, [u8]> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use safetensors::SafeTensors;

    fn example() -> Content {
        let n_values = SHARED / 4 + 3;
        let mut content = Content::default()
            .tensor("zebra", &[2, 3], vec![1.0, -2.5, f32::MIN_POSITIVE, 0.0, -0.0, f32::INFINITY])
            .tensor("none", &[0], Vec::new())
            .tensor("a", &[n_values], (0..n_values).map(|at| at as f32).collect());
        content.facts.insert("step".to_owned(), json!(7));
        content
    }

    #[test]
    fn what_was_written_is_read_and_hashed_on_the_way() {
        let content = example();
        let (mut bytes, mut hasher) = (Vec::new(), Hasher::new());
        let n_bytes = content.write_hashed(&mut bytes, &mut hasher, |error| broken(&error.to_string())).expect("fits");
        assert_eq!((n_bytes, hasher.finalize()), (bytes.len() as u64, blake3::hash(&bytes)));
        let mut hasher = Hasher::new();
        assert_eq!(read_hashed(bytes.as_slice(), n_bytes, &mut hasher).expect("whole"), content);
        assert_eq!(hasher.finalize(), blake3::hash(&bytes));
    }

    #[test]
    fn the_file_is_one_that_safetensors_reads() {
        let content = example();
        let bytes = content.to_bytes().expect("fits");
        let read = SafeTensors::deserialize(&bytes).expect("safetensors");
        assert_eq!(read.len(), 3);
        let zebra = read.tensor("zebra").expect("there");
        assert_eq!((zebra.shape(), zebra.data()), (&[2, 3][..], &*le_bytes(&content.tensors[0].2)));
    }

    #[test]
    fn a_file_with_a_wrong_header_is_refused() {
        let bytes = Content::default().tensor("a", &[2], vec![1.0, 2.0]).to_bytes().expect("fits");
        let text = String::from_utf8_lossy(&bytes).into_owned();
        for (from, to) in [("[2]", "[3]"), ("[0,8]", "[0,4]"), ("[0,8]", "[4,8]"), ("F32", "F64"), ("\"a\"", "\"a'")] {
            let start = text.find(from).expect("there");
            let mut changed = bytes.clone();
            changed.splice(start..start + from.len(), to.bytes());
            assert!(Content::from_bytes(&changed).is_err(), "{from} → {to}");
        }
        assert!(Content::from_bytes(&bytes[..bytes.len() - 1]).is_err());
        assert!(Content::from_bytes(&[&bytes[..], b"x"].concat()).is_err());
        assert!(Content::from_bytes(&u64::MAX.to_le_bytes()).is_err());
        let two = Content::default().tensor("a", &[0], Vec::new()).tensor("a", &[0], Vec::new());
        assert!(two.to_bytes().is_err());
        assert!(Content::default().tensor("a", &[3], vec![1.0]).to_bytes().is_err());
    }
}
