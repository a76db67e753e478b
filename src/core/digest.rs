//! Digests: a value knows where it came from.
//!
//! A digest is the blake3 hash of a derivation: the operation's name and version, and its named inputs in order.
//! Two values with one digest were made in the same way from the same things.

use std::fmt;

/// 32 bytes that name a value by its derivation or its content.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest([u8; 32]);

impl Digest {
    /// Starts the digest of `operation`. Raise `version` whenever the operation's result changes for equal inputs.
    pub fn of(operation: &str, version: u32) -> DigestBuilder {
        DigestBuilder { hasher: blake3::Hasher::new() }.text("operation", operation).int("version", i64::from(version))
    }

    /// The digest of raw bytes.
    pub fn of_bytes(bytes: &[u8]) -> Digest {
        Digest(*blake3::hash(bytes).as_bytes())
    }

    /// The full digest, 64 hexadecimal characters.
    pub fn to_hex(self) -> String {
        blake3::Hash::from_bytes(self.0).to_hex().to_string()
    }

    /// The digest that [`Digest::to_hex`] writes as `hex`; `None` for any other text.
    pub fn from_hex(hex: &str) -> Option<Digest> {
        let is_lower = !hex.bytes().any(|byte| byte.is_ascii_uppercase());
        blake3::Hash::from_hex(hex).ok().filter(|_| is_lower).map(|hash| Digest(*hash.as_bytes()))
    }

    /// Its first eight bytes, as a number: where these are equal, the whole is asked.
    pub fn brief(&self) -> u64 {
        u64::from_le_bytes(self.0.first_chunk().copied().unwrap_or_default())
    }

    /// As [`short`] of its text.
    pub fn short(self) -> String {
        short(&self.to_hex()).to_owned()
    }
}

/// The digest of raw bytes that come in parts, as [`Digest::of_bytes`] of all of them.
#[derive(Clone, Default)]
pub struct Parts(blake3::Hasher);

impl Parts {
    /// The next part.
    pub fn add(&mut self, part: &[u8]) {
        self.0.update(part);
    }

    /// Of the parts so far.
    pub fn finish(&self) -> Digest {
        Digest(*self.0.finalize().as_bytes())
    }
}

/// Any bytes in hexadecimal, in lower case.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The first 12 characters of a digest in hexadecimal: enough for a person.
pub fn short(hex: &str) -> &str {
    hex.get(..12).unwrap_or(hex)
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_hex())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({})", self.short())
    }
}

/// Collects named inputs. Names and lengths are hashed too, so that no two different lists collide.
#[derive(Clone)]
pub struct DigestBuilder {
    hasher: blake3::Hasher,
}

impl DigestBuilder {
    /// Adds raw bytes under a name.
    pub fn bytes(self, name: &str, bytes: &[u8]) -> Self {
        self.begin(name, bytes.len()).go_on(bytes)
    }

    /// Begins bytes that are added part by part, of so many in all.
    pub fn begin(mut self, name: &str, n_bytes: usize) -> Self {
        self.hasher.update(&(name.len() as u64).to_le_bytes());
        self.hasher.update(name.as_bytes());
        self.hasher.update(&(n_bytes as u64).to_le_bytes());
        self
    }

    /// The next part of them.
    pub fn go_on(mut self, part: &[u8]) -> Self {
        self.hasher.update(part);
        self
    }

    /// Adds a text.
    pub fn text(self, name: &str, text: &str) -> Self {
        self.bytes(name, text.as_bytes())
    }

    /// Adds an integer.
    pub fn int(self, name: &str, value: i64) -> Self {
        self.bytes(name, &value.to_le_bytes())
    }

    /// Adds a float by its bits.
    pub fn float(self, name: &str, value: f64) -> Self {
        self.bytes(name, &value.to_bits().to_le_bytes())
    }

    /// Adds another value's digest.
    pub fn digest(self, name: &str, digest: Digest) -> Self {
        self.bytes(name, &digest.0)
    }

    /// Ends the derivation.
    pub fn finish(self) -> Digest {
        Digest(*self.hasher.finalize().as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_read_as_it_was_written() {
        let digest = Digest::of_bytes(b"x");
        assert_eq!(Digest::from_hex(&digest.to_hex()), Some(digest));
        for wrong in ["", "ab", &digest.to_hex().to_uppercase(), &format!("{digest}0"), &"g".repeat(64)] {
            assert_eq!(Digest::from_hex(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_digest_depends_on_names_values_and_order() {
        let one = Digest::of("op", 1).text("a", "xy").text("b", "z").finish();
        let again = Digest::of("op", 1).text("a", "xy").text("b", "z").finish();
        let shifted = Digest::of("op", 1).text("a", "x").text("b", "yz").finish();
        let newer = Digest::of("op", 2).text("a", "xy").text("b", "z").finish();
        assert_eq!(one, again);
        assert_ne!(one, shifted);
        assert_ne!(one, newer);
    }
}
