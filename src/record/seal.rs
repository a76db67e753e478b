//! The seal of a record: the hash of its own text as its last field, so that a record which was changed by hand is noticed.
//! It is not a signature: whoever changes a record may seal it anew, and only a rerun tells.

/// What stands before the hash.
const BEFORE: &str = ",\n  \"seal\": \"";

/// What stands behind it.
const BEHIND: &str = "\"\n}\n";

/// A pretty JSON object with its seal as the last field.
pub fn seal(object: &str) -> String {
    let body = object.trim_end();
    let body = body.strip_suffix('}').unwrap_or(body).trim_end();
    format!("{body}{BEFORE}{}{BEHIND}", blake3::hash(body.as_bytes()).to_hex())
}

/// Whether a record's text is the one that was sealed, to the byte.
pub fn is_whole(text: &[u8]) -> bool {
    let held = || {
        let (body, hash) = text.strip_suffix(BEHIND.as_bytes())?.split_last_chunk::<64>()?;
        Some((body.strip_suffix(BEFORE.as_bytes())?, hash))
    };
    held().is_some_and(|(body, hash)| blake3::hash(body).to_hex().as_bytes() == hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_changed_byte_is_noticed() {
        let sealed = seal("{\n  \"a\": \"} \\\"seal\\\"\",\n  \"b\": {}\n}\n");
        assert!(is_whole(sealed.as_bytes()) && sealed.contains("\"b\": {},\n"), "{sealed}");
        let value: serde_json::Value = serde_json::from_str(&sealed).expect("JSON");
        assert_eq!(value["seal"].as_str().map(str::len), Some(64));
        for idx in 0..sealed.len() {
            let mut changed = sealed.clone().into_bytes();
            changed[idx] ^= 1;
            assert!(!is_whole(&changed), "{idx}");
        }
        for other in ["", "{}", "{\n  \"a\": 1\n}\n", sealed.trim_end()] {
            assert!(!is_whole(other.as_bytes()), "{other}");
        }
    }
}
