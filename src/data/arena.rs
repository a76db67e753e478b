//! Texts of rows. Many of them lie one behind the other in one piece of memory, which each of them holds on to: of a million texts each costs
//! its bytes and sixteen more. Whoever keeps one text keeps the piece that it lies in, of a file at most about [`PIECE`] bytes or the text's own.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Deref;
use std::sync::{Arc, OnceLock};

/// How large a piece grows before the next one begins. Arbitrary: large against what a piece costs, small against a file.
const PIECE: usize = 1 << 20;

/// A text that cannot change, cheap to clone.
#[derive(Clone)]
pub struct Text {
    piece: Arc<OnceLock<Box<str>>>,
    at: u32,
    len: u32,
}

impl Text {
    /// The text.
    pub fn as_str(&self) -> &str {
        debug_assert!(self.piece.get().is_some(), "a text is looked at when its arena has been let go");
        let (at, len) = (self.at as usize, self.len as usize);
        self.piece.get().and_then(|piece| piece.get(at..at + len)).unwrap_or_default()
    }
}

/// Puts texts into pieces. What it has given can be looked at once the arena is let go.
#[derive(Default)]
pub struct Arena {
    held: String,
    piece: Arc<OnceLock<Box<str>>>,
}

impl Arena {
    /// Makes room for so many bytes, up to a piece.
    pub fn with_room(n_bytes: usize) -> Arena {
        Arena { held: String::with_capacity(n_bytes.min(PIECE)), piece: Arc::default() }
    }

    /// The text, in the arena.
    pub fn keep(&mut self, text: &str) -> Text {
        if !self.held.is_empty() && self.held.len() + text.len() > PIECE {
            self.seal();
            self.held.reserve_exact(PIECE.max(text.len()));
        }
        // A piece is at most `PIECE` long, or one text, which no reader has of 4 GiB: the limit of a file is 2.
        let at = self.held.len() as u32;
        self.held.push_str(text);
        Text { piece: self.piece.clone(), at, len: text.len() as u32 }
    }

    fn seal(&mut self) {
        let (held, piece) = (std::mem::take(&mut self.held), std::mem::take(&mut self.piece));
        // Nobody else sets it.
        let _ = piece.set(held.into_boxed_str());
    }
}

impl Drop for Arena {
    fn drop(&mut self) {
        self.seal();
    }
}

impl Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl AsRef<str> for Text {
    fn as_ref(&self) -> &str {
        self
    }
}

impl Borrow<str> for Text {
    fn borrow(&self) -> &str {
        self
    }
}

impl From<String> for Text {
    fn from(text: String) -> Text {
        let len = text.len() as u32;
        Text { piece: Arc::new(OnceLock::from(text.into_boxed_str())), at: 0, len }
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Text {
        text.to_owned().into()
    }
}

impl From<&String> for Text {
    fn from(text: &String) -> Text {
        text.clone().into()
    }
}

impl PartialEq for Text {
    fn eq(&self, other: &Text) -> bool {
        let is_same = Arc::ptr_eq(&self.piece, &other.piece) && (self.at, self.len) == (other.at, other.len);
        is_same || **self == **other
    }
}

impl Eq for Text {}

impl PartialOrd for Text {
    fn partial_cmp(&self, other: &Text) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Text {
    fn cmp(&self, other: &Text) -> Ordering {
        self.as_str().cmp(other.as_str())
    }
}

impl PartialEq<str> for Text {
    fn eq(&self, other: &str) -> bool {
        **self == *other
    }
}

impl PartialEq<&str> for Text {
    fn eq(&self, other: &&str) -> bool {
        **self == **other
    }
}

impl Hash for Text {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (**self).hash(state);
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        fmt::Display::fmt(&**self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_an_arena_are_what_was_put_in() {
        assert_eq!(size_of::<Text>(), 16);
        let long = "ä".repeat(PIECE);
        let given = ["", "a", "ü𝄞", &long, "b", "", &long[..10]];
        let mut arena = Arena::with_room(3);
        let kept: Vec<Text> = given.iter().map(|text| arena.keep(text)).collect();
        drop(arena);
        assert_eq!(kept, given);
        assert!(Arc::ptr_eq(&kept[0].piece, &kept[2].piece), "side by side");
        assert!(!Arc::ptr_eq(&kept[2].piece, &kept[4].piece), "what does not fit begins a piece");
        assert_eq!(kept[1], Text::from("a"), "wherever it lies");
        assert_ne!(kept[1], kept[4]);
        let state = std::hash::RandomState::new();
        let hash = |text: &Text| std::hash::BuildHasher::hash_one(&state, text);
        assert_eq!(hash(&kept[2]), std::hash::BuildHasher::hash_one(&state, "ü𝄞"), "as its letters");
        assert!(kept[0] < kept[1] && kept[1] < kept[4]);
    }
}
