//! The page headers of a Parquet file, looked at before its pages are decoded: what they claim is what the decoder asks
//! memory for.

/// How deep a header may lie in itself. Arbitrary: those of the format are three deep.
const MAX_DEPTH: usize = 8;

/// Prefixes and suffixes of texts: their lengths are known only when they are decoded, and the decoder trusts them.
const DELTA_BYTE_ARRAY: i64 = 7;

/// Where a column's pages lie, and what its metadata says of them.
#[derive(Debug, Clone, Copy)]
pub struct Chunk {
    pub offset: u64,
    pub length: u64,
    pub n_values: u64,
}

/// The sum of all sizes after decompression, at most `most`; or what is wrong.
pub fn check(file: &[u8], chunk: Chunk, most: u64) -> Result<u64, String> {
    let end = chunk.offset.checked_add(chunk.length).and_then(|end| usize::try_from(end).ok());
    let bytes = end.and_then(|end| file.get(usize::try_from(chunk.offset).ok()?..end));
    let mut header = Thrift { bytes: bytes.ok_or("lies outside of the file")?, at: 0 };
    let (mut n_seen, mut sum) = (0, 0);
    while n_seen < chunk.n_values {
        let page = header.page().ok_or("has a page header that cannot be read")?;
        let [uncompressed, compressed, n_values] =
            [page.uncompressed, page.compressed, page.n_values].map(u64::try_from);
        let (Ok(uncompressed), Ok(compressed), Ok(n_values)) = (uncompressed, compressed, n_values) else {
            return Err("has a page with a size below zero".to_owned());
        };
        sum += uncompressed;
        if sum > most {
            return Err(format!("has pages of more than {} MiB", most >> 20));
        }
        if page.is_dictionary {
            if n_values > uncompressed {
                return Err(format!("has a dictionary of {n_values} values in {uncompressed} bytes"));
            }
        } else {
            if page.encoding == DELTA_BYTE_ARRAY {
                return Err(
                    "is encoded as DELTA_BYTE_ARRAY, which is not read: store it in another encoding".to_owned()
                );
            }
            n_seen += n_values;
            if n_seen > chunk.n_values {
                return Err(format!("has pages of more values than its {}", chunk.n_values));
            }
        }
        let next = usize::try_from(compressed).ok().and_then(|length| header.at.checked_add(length));
        header.at = next.filter(|next| *next <= header.bytes.len()).ok_or("has a page beyond its end")?;
    }
    Ok(sum)
}

/// What a page header says.
#[derive(Debug, Default)]
struct Page {
    is_dictionary: bool,
    uncompressed: i64,
    compressed: i64,
    n_values: i64,
    encoding: i64,
}

/// A reader of Thrift's compact protocol.
/// Source: <https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md>, and `parquet.thrift` for the
/// numbers of fields.
struct Thrift<'a> {
    bytes: &'a [u8],
    at: usize,
}

/// The sorts of values that the compact protocol tells apart.
mod sort {
    pub const TRUE: u8 = 1;
    pub const FALSE: u8 = 2;
    pub const BYTE: u8 = 3;
    pub const I16: u8 = 4;
    pub const I64: u8 = 6;
    pub const DOUBLE: u8 = 7;
    pub const BINARY: u8 = 8;
    pub const LIST: u8 = 9;
    pub const SET: u8 = 10;
    pub const MAP: u8 = 11;
    pub const STRUCT: u8 = 12;
}

impl Thrift<'_> {
    fn page(&mut self) -> Option<Page> {
        let mut page = Page::default();
        let mut id = 0;
        while let Some(sort) = self.field(&mut id)? {
            match id {
                1 => page.is_dictionary = self.int()? == 2,
                2 => page.uncompressed = self.int()?,
                3 => page.compressed = self.int()?,
                // The headers of a data page, a dictionary and a data page of version 2.
                5 | 7 | 8 if sort == sort::STRUCT => {
                    let encoding = if id == 8 { 4 } else { 2 };
                    let mut inner = 0;
                    while let Some(sort) = self.field(&mut inner)? {
                        match inner {
                            1 => page.n_values = self.int()?,
                            inner if inner == encoding => page.encoding = self.int()?,
                            _ => self.skip(sort, 1)?,
                        }
                    }
                }
                _ => self.skip(sort, 0)?,
            }
        }
        Some(page)
    }

    /// The sort of the next field of a struct, whose number goes into `id`; the inner none at its end.
    fn field(&mut self, id: &mut i64) -> Option<Option<u8>> {
        let byte = self.byte()?;
        if byte == 0 {
            return Some(None);
        }
        let step = i64::from(byte >> 4);
        *id = if step == 0 { self.int()? } else { *id + step };
        Some(Some(byte & 15))
    }

    fn byte(&mut self) -> Option<u8> {
        let byte = *self.bytes.get(self.at)?;
        self.at += 1;
        Some(byte)
    }

    fn length(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }

    /// An integer with a sign: 0, −1, 1, −2, … as 0, 1, 2, 3, …
    fn int(&mut self) -> Option<i64> {
        let value = self.length()?;
        Some((value >> 1) as i64 ^ -((value & 1) as i64))
    }

    fn pass(&mut self, n: u64) -> Option<()> {
        self.at = self.at.checked_add(usize::try_from(n).ok()?).filter(|at| *at <= self.bytes.len())?;
        Some(())
    }

    fn skip(&mut self, sort: u8, depth: usize) -> Option<()> {
        if depth > MAX_DEPTH {
            return None;
        }
        match sort {
            sort::TRUE | sort::FALSE => Some(()),
            sort::BYTE => self.pass(1),
            sort::I16..=sort::I64 => self.length().map(|_| ()),
            sort::DOUBLE => self.pass(8),
            sort::BINARY => {
                let length = self.length()?;
                self.pass(length)
            }
            sort::LIST | sort::SET => {
                let byte = self.byte()?;
                let length = if byte >> 4 == 15 { self.length()? } else { u64::from(byte >> 4) };
                (0..length).try_for_each(|_| self.skip_item(byte & 15, depth))
            }
            sort::MAP => {
                let length = self.length()?;
                let sorts = if length == 0 { 0 } else { self.byte()? };
                (0..length).try_for_each(|_| {
                    self.skip_item(sorts >> 4, depth)?;
                    self.skip_item(sorts & 15, depth)
                })
            }
            sort::STRUCT => {
                let mut id = 0;
                while let Some(sort) = self.field(&mut id)? {
                    self.skip(sort, depth + 1)?;
                }
                Some(())
            }
            _ => None,
        }
    }

    /// A value in a list or map, where a truth value is a byte.
    fn skip_item(&mut self, sort: u8, depth: usize) -> Option<()> {
        if matches!(sort, sort::TRUE | sort::FALSE) { self.pass(1) } else { self.skip(sort, depth + 1) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A data page of version 1: sizes 10 and 5, `n_values` values in `encoding`, then five bytes.
    fn page(n_values: u8, encoding: u8) -> Vec<u8> {
        let mut bytes =
            vec![0x15, 0, 0x15, 20, 0x15, 10, 0x2c, 0x15, 2 * n_values, 0x15, 2 * encoding, 0x15, 6, 0x15, 6, 0, 0];
        bytes.extend([7; 5]);
        bytes
    }

    fn of(bytes: &[u8], n_values: u64, most: u64) -> Result<u64, String> {
        check(bytes, Chunk { offset: 0, length: bytes.len() as u64, n_values }, most)
    }

    #[test]
    fn pages_are_counted() {
        let two = [page(3, 0), page(4, 0)].concat();
        assert_eq!(of(&two, 7, 100), Ok(20));
        assert_eq!(of(&two, 3, 100), Ok(10), "what follows the last value is not looked at");
        assert_eq!(of(&two, 8, 100).expect_err("too few"), "has a page header that cannot be read");
        assert_eq!(of(&two, 6, 100).expect_err("too many"), "has pages of more values than its 6");
        assert_eq!(of(&two, 7, 19).expect_err("too large"), "has pages of more than 0 MiB");
        assert!(of(&page(3, 7), 3, 100).expect_err("refused").contains("DELTA_BYTE_ARRAY"));
        assert_eq!(of(&two[..20], 3, 100).expect_err("cut"), "has a page beyond its end");
        assert!(check(&two, Chunk { offset: 40, length: 40, n_values: 1 }, 100).is_err());
    }

    #[test]
    fn a_dictionary_has_no_more_values_than_bytes() {
        // Sizes 10 and 5, a dictionary of 10 or 11 values.
        let dictionary =
            |n: u8| [&[0x15, 4, 0x15, 20, 0x15, 10, 0x4c, 0x15, 2 * n, 0x15, 0, 0, 0][..], &[7; 5]].concat();
        assert_eq!(of(&[dictionary(10), page(3, 8)].concat(), 3, 100), Ok(20));
        let why = of(&[dictionary(11), page(3, 8)].concat(), 3, 100).expect_err("too many");
        assert_eq!(why, "has a dictionary of 11 values in 10 bytes");
    }

    #[test]
    fn no_header_runs_away() {
        for byte in 0..=255u8 {
            for tail in [0u8, 0x0c, 0x19, 0x7f, 0xff] {
                let bytes = [vec![byte; 3], vec![tail; 200]].concat();
                let _ends = of(&bytes, 1, u64::MAX);
            }
        }
    }
}
