//! SentencePiece's compiled character map: a trie as a double array behind its length, then the replacements, each ended by a zero
//! byte. The library follows it without looking where it leads.

/// A unit of the double array, as Darts-clone packs it.
#[derive(Clone, Copy)]
struct Unit(u32);

impl Unit {
    fn has_leaf(self) -> bool {
        (self.0 >> 8) & 1 == 1
    }

    fn value(self) -> usize {
        (self.0 & 0x7fff_ffff) as usize
    }

    fn label(self) -> u32 {
        self.0 & (1 << 31 | 0xff)
    }

    fn offset(self) -> usize {
        ((self.0 >> 10) as usize) << ((self.0 & (1 << 9)) >> 6)
    }
}

/// Why the map cannot be followed, if it cannot: every place that some text leads to lies in the array, and every value at
/// the beginning of a character of the replacements.
pub fn check(base64: &str) -> Result<(), String> {
    let bytes = decoded(base64).ok_or("is not base64")?;
    let (size, rest) = bytes.split_first_chunk::<4>().ok_or("is shorter than its length field")?;
    let size = u32::from_le_bytes(*size) as usize / 4 * 4;
    let (trie, texts) =
        rest.split_at_checked(size).ok_or_else(|| format!("states {size} bytes of trie and has {}", rest.len()))?;
    let texts = std::str::from_utf8(texts).map_err(|_| "has replacements that are no UTF-8")?;
    let units: Vec<Unit> = trie.as_chunks::<4>().0.iter().map(|unit| Unit(u32::from_le_bytes(*unit))).collect();
    let first = units.first().copied().ok_or("has an empty trie")?;
    let mut seen = vec![false; units.len()];
    let mut waiting = vec![first.offset()];
    while let Some(base) = waiting.pop() {
        if (base | 0xff) >= units.len() {
            return Err(format!("has a trie that leads to place {}, beyond its {} units", base | 0xff, units.len()));
        }
        for byte in 1..=255u32 {
            let at = base ^ byte as usize;
            let Some((unit, seen)) = units.get(at).zip(seen.get_mut(at)) else { continue };
            if unit.label() != byte || std::mem::replace(seen, true) {
                continue;
            }
            let next = at ^ unit.offset();
            let leaf = units.get(next).copied();
            if unit.has_leaf() && !leaf.is_some_and(|leaf| texts.is_char_boundary(leaf.value())) {
                return Err("has a trie that leads outside its replacements".to_owned());
            }
            waiting.push(next);
        }
    }
    Ok(())
}

/// The bytes of base64 in its usual alphabet, padded.
fn decoded(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| match byte {
        b'A'..=b'Z' => Some(u32::from(byte - b'A')),
        b'a'..=b'z' => Some(u32::from(byte - b'a') + 26),
        b'0'..=b'9' => Some(u32::from(byte - b'0') + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    };
    let digits = text.trim_end_matches('=').as_bytes();
    if !text.len().is_multiple_of(4) || text.len() - digits.len() > 2 || digits.len() % 4 == 1 {
        return None;
    }
    let mut bytes = Vec::with_capacity(digits.len() * 3 / 4);
    for group in digits.chunks(4) {
        let mut bits = 0;
        for byte in group {
            bits = bits << 6 | digit(*byte)?;
        }
        bits <<= 6 * (4 - group.len() as u32);
        bytes.extend(bits.to_be_bytes().into_iter().skip(1).take(group.len() - 1));
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(bytes: &[u8]) -> String {
        const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let group = |bytes: &[u8]| {
            let whole = [bytes, &[0, 0]].concat();
            let bits = u32::from_be_bytes([0, whole[0], whole[1], whole[2]]);
            let of = |nth: u32| DIGITS[(bits >> (18 - 6 * nth) & 63) as usize] as char;
            (0..4).map(|nth| if nth as usize <= bytes.len() { of(nth) } else { '=' }).collect::<String>()
        };
        bytes.chunks(3).map(group).collect()
    }

    #[test]
    fn base64_is_read_as_it_is_written() {
        for n in 0..20u8 {
            let bytes: Vec<u8> = (0..n).map(|b| b.wrapping_mul(37)).collect();
            assert_eq!(decoded(&encoded(&bytes)), Some(bytes));
        }
        for bad in ["A", "AAA", "AA-A", "A===", "AAAA=", "AA A"] {
            assert_eq!(decoded(bad), None, "{bad}");
        }
    }

    /// A trie of 512 units in which `a` has a leaf.
    fn map(leaf: u32, offset: u32, texts: &[u8]) -> String {
        let mut units = vec![0u32; 512];
        // The root's children lie at 256; `a` there has a leaf at its own base.
        units[0] = 256 << 10;
        units[256 ^ 0x61] = offset << 10 | 1 << 8 | 0x61;
        units[(256 ^ 0x61) ^ 256] = leaf;
        let bytes: Vec<u8> = units.into_iter().flat_map(u32::to_le_bytes).collect();
        encoded(&[&(bytes.len() as u32).to_le_bytes()[..], &bytes, texts].concat())
    }

    #[test]
    fn a_map_that_leads_outside_is_refused() {
        assert_eq!(check(&map(0, 256, b"bc\0")), Ok(()));
        assert_eq!(check(&map(3, 256, b"bc\0")), Ok(()));
        let says = |text: &str, part: &str| {
            let error = check(text).expect_err("refused");
            assert!(error.contains(part), "{error}");
        };
        says(&map(4, 256, b"bc\0"), "outside its replacements");
        says(&map(1, 256, "é\0".as_bytes()), "outside its replacements");
        says(&map(0, 1 << 20, b"bc\0"), "outside its replacements");
        says(&encoded(&[&8u32.to_le_bytes()[..], &[0; 8]].concat()), "beyond its 2 units");
        says(&encoded(&[0; 4]), "empty trie");
        says(&encoded(&u32::MAX.to_le_bytes()), "states 4294967292 bytes of trie and has 0");
        says("AA", "not base64");
    }
}
