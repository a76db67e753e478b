//! A result or a state as the store holds it: named arrays and a few facts in one safetensors file.
//!
//! The file is read straight into the arrays, by all threads, in pieces that are hashed while they are in a core's cache:
//! reading a checked content costs no more than reading its bytes and hashing them.

use super::source::{Pieces, Source, read};
use crate::store::StoreError;
use crate::store::hash::hash_of;
use blake3::{Hash, Hasher};
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::{Map, Value, json};
use std::borrow::Cow;
use std::fmt;
use std::io::Write;
use std::marker::PhantomData;
use std::mem::MaybeUninit;

/// Bytes that are written at once, while they are hashed: small enough for a processor's cache.
const PIECE: usize = 1 << 20;

/// Arrays with fewer bytes are written and hashed by one thread. Arbitrary.
const SHARED: usize = 8 << 20;

/// Bytes that are read before it is known what lies where: as many as BLAKE3 hashes at once, so that what follows is
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

/// The header of a safetensors file, as far as it is ours: arrays by name in the order in which they are listed.
#[derive(Default)]
struct Header<'h> {
    facts: Option<String>,
    entries: Vec<(String, Entry<'h>)>,
}

/// An array as the header describes it.
#[derive(Deserialize)]
struct Entry<'h> {
    #[serde(borrow)]
    dtype: Cow<'h, str>,
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
        read_hashed(bytes, bytes.len() as u64, &[]).map(|(content, _)| content)
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

/// Reads a content, the source's first `n_bytes` bytes, and hashes on the way what comes `before` it and all of them.
/// Nothing in it is to be believed before the hash is compared; a wrong header costs no more memory than the file has bytes.
pub(super) fn read_hashed(
    from: &(impl Source + ?Sized),
    n_bytes: u64,
    before: &[u8],
) -> Result<(Content, Hash), String> {
    let failed = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::UnexpectedEof => "it is too short".to_owned(),
        _ => crate::core::files::plain(&error),
    };
    let mut memory = [MaybeUninit::uninit(); FIRST];
    let n_first = n_bytes.min(FIRST as u64) as usize;
    let mut first = from.fill(memory.get_mut(..n_first).unwrap_or_default(), 0).map_err(failed)?;
    let length = first.first_chunk::<8>().ok_or("it is too short")?;
    let n_header = 8 + header_length(*length, n_bytes)?;
    let longer;
    if n_header > first.len() {
        longer = read(from, n_header).map_err(failed)?;
        first = &longer;
    }
    let (header, mut data) = first.split_at_checked(n_header).ok_or("it is too short")?;
    let (facts, layout) = layout(header.get(8..).unwrap_or_default(), n_bytes - n_header as u64)?;
    let mut arrays: Vec<Vec<f32>> = layout.iter().map(|(.., n_values)| Vec::with_capacity(*n_values)).collect();
    let mut pieces = Pieces::of(from);
    pieces.known(before);
    pieces.known(first);
    let mut at = first.len() as u64;
    for (values, (.., n_values)) in arrays.iter_mut().zip(&layout) {
        let (known, awaited) = room(values, *n_values).split_at_mut(data.len().min(4 * n_values));
        let (own, rest) = data.split_at(known.len());
        known.write_copy_of_slice(own);
        data = rest;
        let n_awaited = awaited.len() as u64;
        pieces.awaited(awaited, at);
        at += n_awaited;
    }
    let hash = hash_of(pieces).map_err(failed)?;
    let tensors = layout.into_iter().zip(arrays).map(|((name, shape, n_values), mut values)| {
        // SAFETY: there is room for as many, all of their bytes were copied or read, and any four bytes are a float.
        unsafe { values.set_len(n_values) };
        // Read as bytes, meant as little-endian numbers: nothing to do but on a big-endian machine.
        #[cfg(target_endian = "big")]
        values.iter_mut().for_each(|value| *value = f32::from_bits(value.to_bits().swap_bytes()));
        (name, shape, values)
    });
    Ok((Content { tensors: tensors.collect(), facts }, hash))
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
    let Header { facts, mut entries } = serde_json::from_slice(header).map_err(|error| error.to_string())?;
    let facts = facts.map_or_else(|| Ok(Facts::new()), |text| serde_json::from_str(&text));
    let facts = facts.map_err(|error| error.to_string())?;
    entries.sort_by(|(one, _), (other, _)| one.cmp(other));
    if let Some([(name, _), _]) = entries.array_windows().find(|[(one, _), (other, _)]| one == other) {
        return Err(format!("it has two arrays `{name}`"));
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
            return Err(format!("`{name}` is not at the offset in its header"));
        }
        arrays.push((name, entry.shape, n_values as usize));
        at = end;
    }
    if at != n_data {
        return Err("it has bytes that belong to no array".to_owned());
    }
    Ok((facts, arrays))
}

/// Read piece by piece, without a tree of values in between: a small result costs little more than its header.
impl<'de: 'h, 'h> Deserialize<'de> for Header<'h> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Metadata {
            #[serde(rename = "w2s")]
            facts: Option<String>,
        }
        struct Reader<'h>(PhantomData<&'h str>);
        impl<'de: 'h, 'h> Visitor<'de> for Reader<'h> {
            type Value = Header<'h>;

            fn expecting(&self, to: &mut fmt::Formatter) -> fmt::Result {
                to.write_str("the header of a safetensors file")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Header<'h>, A::Error> {
                let mut header = Header::default();
                while let Some(name) = map.next_key::<String>()? {
                    if name == "__metadata__" {
                        header.facts = map.next_value::<Metadata>()?.facts;
                    } else {
                        header.entries.push((name, map.next_value()?));
                    }
                }
                Ok(header)
            }
        }
        from.deserialize_map(Reader(PhantomData))
    }
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

/// The memory of an empty array for the bytes of `n_values` values.
fn room(values: &mut Vec<f32>, n_values: usize) -> &mut [MaybeUninit<u8>] {
    let memory = values.spare_capacity_mut().get_mut(..n_values).unwrap_or_default();
    // SAFETY: the memory is the array's own, borrowed for as long; bytes need no alignment.
    unsafe { std::slice::from_raw_parts_mut(memory.as_mut_ptr().cast(), size_of_val(memory)) }
}

/// The array as little-endian bytes, without a copy where the machine is little-endian.
#[cfg(target_endian = "little")]
fn le_bytes(values: &[f32]) -> Cow<'_, [u8]> {
    // SAFETY: the memory is the array's own, borrowed for as long; bytes need no alignment.
    let bytes = unsafe { std::slice::from_raw_parts(values.as_ptr().cast::<u8>(), size_of_val(values)) };
    Cow::Borrowed(bytes)
}

#[cfg(target_endian = "big")]
fn le_bytes(values: &[f32]) -> Cow<'_, [u8]> {
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
        let mut file = tempfile::tempfile().expect("a file");
        file.write_all(&bytes).expect("written");
        for before in [&b""[..], b"before"] {
            let hash = blake3::hash(&[before, &bytes].concat());
            assert_eq!(read_hashed(&bytes[..], n_bytes, before).expect("whole"), (content.clone(), hash));
            assert_eq!(read_hashed(&file, n_bytes, before).expect("whole"), (content.clone(), hash));
        }
        // Headers longer than what is read at first.
        let content = (0..2000)
            .fold(Content::default(), |content, n| content.tensor(&format!("array {n}"), &[1], vec![n as f32]));
        let bytes = content.to_bytes().expect("fits");
        let mut read = Content::from_bytes(&bytes).expect("whole");
        read.tensors.sort_by(|one, other| one.2.partial_cmp(&other.2).expect("numbers"));
        assert_eq!(read, content);
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
