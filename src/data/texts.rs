//! The text of a file piece by piece, for readers of JSON lines and of separated text.

use crate::frames::text::{Misread, decoded, utf8};
use crate::frames::{EMPTY, Pieces};
use std::borrow::Cow;

/// The text of a file that comes in pieces, one of which is held at a time and the next one is known.
pub struct Texts<P> {
    pub pieces: P,
    next: Option<Result<Vec<u8>, String>>,
    /// Of the whole file.
    pub n_bytes: usize,
    /// Lines before the next piece.
    n_lines: usize,
    n_given: usize,
}

impl Texts<Pieces> {
    pub fn of(pieces: Pieces) -> Self {
        let n_bytes = pieces.n_bytes as usize;
        Texts::new(pieces, n_bytes)
    }
}

impl Texts<std::iter::Empty<Result<Vec<u8>, String>>> {
    /// Of one piece.
    pub fn one(bytes: &[u8]) -> Self {
        let first = Some(Ok(bytes.to_vec()));
        Texts { pieces: std::iter::empty(), next: first, n_bytes: bytes.len(), n_lines: 0, n_given: 0 }
    }
}

impl<P: Iterator<Item = Result<Vec<u8>, String>>> Texts<P> {
    /// Of pieces that end with a line feed each, but for the last.
    fn new(mut pieces: P, n_bytes: usize) -> Self {
        let next = pieces.next().or_else(|| Some(Err(EMPTY.to_owned())));
        Texts { pieces, next, n_bytes, n_lines: 0, n_given: 0 }
    }

    /// Whether there is another piece.
    pub fn goes_on(&self) -> bool {
        self.next.is_some()
    }
}

impl<P: Iterator<Item = Result<Vec<u8>, String>>> Iterator for Texts<P> {
    type Item = Result<String, Misread>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut piece = match self.next.take()? {
            Ok(piece) => piece,
            Err(reason) => return Some(Err(Misread::file(reason))),
        };
        self.next = self.pieces.next();
        self.n_given += 1;
        if self.n_given == 1 {
            // Text in UTF-16 is one piece: its line feeds are not where bytes seem to say so.
            if !matches!(decoded(&piece), Ok(Cow::Borrowed(_))) {
                while let Some(Ok(more)) = self.next.take() {
                    piece.extend(more);
                    self.next = self.pieces.next();
                }
            }
            self.n_lines += piece.iter().filter(|byte| **byte == b'\n').count();
            return Some(decoded(&piece).map(Cow::into_owned));
        }
        let n_before = self.n_lines;
        self.n_lines += piece.iter().filter(|byte| **byte == b'\n').count();
        Some(String::from_utf8(piece).map_err(|error| match utf8(error.as_bytes()) {
            Err(misread) => Misread { line: misread.line.map(|line| line + n_before), ..misread },
            Ok(_) => Misread::file("is not UTF-8 text"),
        }))
    }
}
