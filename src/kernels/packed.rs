//! A batch of rows of tokens of different lengths, one after the other: what a pass through a model works at.

/// Rows of different lengths, packed without padding.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Packed {
    /// All tokens, row after row.
    pub tokens: Vec<u32>,
    /// Row `i` is `tokens[offsets[i]..offsets[i + 1]]`; one more entry than rows.
    pub offsets: Vec<usize>,
}

impl Packed {
    /// Packs rows of tokens.
    pub fn new<'a>(rows: impl IntoIterator<Item = &'a [u32]>) -> Self {
        let mut packed = Packed { tokens: Vec::new(), offsets: vec![0] };
        for row in rows {
            packed.tokens.extend_from_slice(row);
            packed.offsets.push(packed.tokens.len());
        }
        packed
    }

    /// The tokens of each row.
    pub fn rows(&self) -> impl Iterator<Item = &[u32]> {
        self.offsets.windows(2).map(|pair| match pair {
            [start, end] => self.tokens.get(*start..*end).unwrap_or_default(),
            _ => &[],
        })
    }

    /// The tokens of one row; none where there is no such row.
    pub fn row(&self, row: usize) -> &[u32] {
        let bounds = self.offsets.get(row).zip(self.offsets.get(row + 1));
        bounds.and_then(|(start, end)| self.tokens.get(*start..*end)).unwrap_or_default()
    }

    /// How many rows.
    pub fn n_rows(&self) -> usize {
        self.offsets.len().saturating_sub(1)
    }
}
