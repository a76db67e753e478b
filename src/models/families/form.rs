//! How a checkpoint's tensor lies beside ours: turned over, with rows in another order, or with rows before it.

/// The form of a stored tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    Plain,
    /// `[in, out]` instead of `[out, in]` (GPT-2's `Conv1D`).
    Turned,
    /// Rows by head and within a head by part (query, key, value), instead of by part and within it by head (GPT-NeoX).
    Heads {
        n_heads: usize,
        n_parts: usize,
    },
    /// Behind so many rows that no token reads (positions that are counted from after that of padding).
    Behind(usize),
}

impl Form {
    /// The shape in the checkpoint of what has this shape here.
    pub fn stored_shape(self, shape: &[usize]) -> Vec<usize> {
        let mut stored = shape.to_vec();
        match self {
            Form::Plain | Form::Heads { .. } => (),
            Form::Turned => stored.reverse(),
            Form::Behind(n) => stored.iter_mut().take(1).for_each(|rows| *rows += n),
        }
        stored
    }

    /// Stored numbers in our order.
    pub fn ours(self, stored: Vec<f32>, shape: &[usize]) -> Vec<f32> {
        let (n_rows, n_columns) = sides(shape);
        match self {
            Form::Plain => stored,
            Form::Turned => turned(&stored, n_columns, n_rows),
            Form::Heads { n_heads, n_parts } => swapped(&stored, n_columns, [n_heads, n_parts], n_rows),
            Form::Behind(n) => stored.into_iter().skip(n * n_columns).collect(),
        }
    }

    /// What has these rows as [`Form::theirs`] orders them, columns of its own (the factor `B` of an update); never turned over.
    pub fn theirs_of_rows(self, ours: &[f32], shape: &[usize]) -> Vec<f32> {
        if self == Form::Turned { ours.to_vec() } else { self.theirs(ours, shape) }
    }

    /// And as [`Form::ours`] does.
    pub fn ours_of_rows(self, stored: Vec<f32>, shape: &[usize]) -> Vec<f32> {
        if self == Form::Turned { stored } else { self.ours(stored, shape) }
    }

    /// Our numbers as a checkpoint stores them; rows that no token reads are 0.
    pub fn theirs(self, ours: &[f32], shape: &[usize]) -> Vec<f32> {
        let (n_rows, n_columns) = sides(shape);
        match self {
            Form::Plain => ours.to_vec(),
            Form::Turned => turned(ours, n_rows, n_columns),
            Form::Heads { n_heads, n_parts } => swapped(ours, n_columns, [n_parts, n_heads], n_rows),
            Form::Behind(n) => std::iter::repeat_n(0.0, n * n_columns).chain(ours.iter().copied()).collect(),
        }
    }
}

/// Rows and numbers in a row; a bias has rows of one.
fn sides(shape: &[usize]) -> (usize, usize) {
    (shape.first().copied().unwrap_or(1), shape.iter().skip(1).product())
}

/// `[n_rows, n_columns]` turned over.
fn turned(values: &[f32], n_rows: usize, n_columns: usize) -> Vec<f32> {
    let at = |to: usize| values.get(to % n_rows.max(1) * n_columns + to / n_rows.max(1)).copied().unwrap_or(0.0);
    (0..n_rows * n_columns).map(at).collect()
}

/// Rows that lie as `[outer, inner, rest]` in the order `[inner, outer, rest]`.
fn swapped(values: &[f32], n_columns: usize, [outer, inner]: [usize; 2], n_rows: usize) -> Vec<f32> {
    let block = n_rows / (outer * inner).max(1) * n_columns;
    let mut moved = Vec::with_capacity(values.len());
    for i in 0..inner {
        for o in 0..outer {
            let at = (o * inner + i) * block;
            moved.extend_from_slice(values.get(at..at + block).unwrap_or_default());
        }
    }
    moved
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_comes_back() {
        let forms = [Form::Plain, Form::Turned, Form::Heads { n_heads: 2, n_parts: 3 }, Form::Behind(2)];
        for (form, shape) in forms.into_iter().flat_map(|form| [(form, vec![12, 5]), (form, vec![12])]) {
            let ours: Vec<f32> = (0..shape.iter().product::<usize>()).map(|at| at as f32).collect();
            let theirs = form.theirs(&ours, &shape);
            assert_eq!(theirs.len(), form.stored_shape(&shape).iter().product::<usize>());
            assert_eq!(form.ours(theirs, &shape), ours, "{form:?} {shape:?}");
        }
    }

    #[test]
    fn forms_are_what_they_say() {
        assert_eq!(Form::Turned.ours(vec![0.0, 1.0, 2.0, 3.0, 4.0, 5.0], &[3, 2]), [0.0, 3.0, 1.0, 4.0, 2.0, 5.0]);
        // Two heads of one feature: q0 k0 v0 q1 k1 v1 becomes q0 q1 k0 k1 v0 v1.
        let heads = Form::Heads { n_heads: 2, n_parts: 3 };
        assert_eq!(heads.ours(vec![0.0, 1.0, 2.0, 3.0, 4.0, 5.0], &[6]), [0.0, 3.0, 1.0, 4.0, 2.0, 5.0]);
        assert_eq!(Form::Behind(1).ours(vec![7.0, 8.0, 1.0, 2.0], &[1, 2]), [1.0, 2.0]);
        assert_eq!(Form::Behind(1).stored_shape(&[3, 2]), [4, 2]);
    }
}
