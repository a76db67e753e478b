//! Weights made ready once for many products: what labelling multiplies by, batch after batch.

use super::matmul::{Left, Onto, product};
use super::panel::Cols;
use super::precision::{Precision, to_bf16};
use super::tasks::{Raw, tasks};
use std::borrow::Cow;
use std::cell::Cell;

/// A row-major weight `[rows, depth]` as products of one precision read it.
#[derive(Debug)]
pub(crate) struct Prepared<'a> {
    values: Cow<'a, [f32]>,
    rows: usize,
    depth: usize,
    precision: Precision,
}

thread_local! {
    /// This thread's rounded copy of a right operand; taken while a product uses it.
    static ROUNDED: Cell<Vec<f32>> = const { Cell::new(Vec::new()) };
}

/// Floats of a task that rounds. Chosen: a few microseconds of work.
const CHUNK: usize = 16_384;

impl<'a> Prepared<'a> {
    pub(crate) fn new(values: &'a [f32], rows: usize, depth: usize, precision: Precision) -> Self {
        assert!(values.len() >= rows * depth);
        let values = match precision {
            Precision::F32 => Cow::Borrowed(values),
            Precision::Bf16 => {
                let mut rounded = Vec::new();
                round(true, &values[..rows * depth], &mut rounded);
                Cow::Owned(rounded)
            }
        };
        Prepared { values, rows, depth, precision }
    }

    /// As [`product`], with this weight on the left.
    pub(crate) fn times(&self, par: bool, x: &[f32], cols: Cols, onto: Onto, y: &mut [f32]) {
        let left = Left::weight(&self.values, self.rows, self.depth);
        match self.precision {
            Precision::F32 => product(par, left, x, cols, onto, y),
            Precision::Bf16 => {
                let mut rounded = ROUNDED.take();
                round(par, &x[..cols.len(self.depth)], &mut rounded);
                product(par, left, &rounded, cols, onto, y);
                ROUNDED.set(rounded);
            }
        }
    }
}

/// `x`, each number rounded to bfloat16.
fn round(par: bool, x: &[f32], to: &mut Vec<f32>) {
    super::pages::grow(to, x.len());
    let target = Raw::new(to);
    tasks(par, x.len().div_ceil(CHUNK), |task| {
        let at = task * CHUNK;
        let from = &x[at..x.len().min(at + CHUNK)];
        // Safety: the buffer is as long as `x`; tasks write their own chunks.
        let to = unsafe { std::slice::from_raw_parts_mut(target.at(at), from.len()) };
        to.iter_mut().zip(from).for_each(|(to, x)| *to = to_bf16(*x));
    });
}
