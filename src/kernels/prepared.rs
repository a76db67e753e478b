//! Weights made ready once for many products: what labelling multiplies by, batch after batch.

use super::dots::product_by_dots;
use super::matmul::{Left, Onto, product};
use super::panel::Cols;
use super::precision::{Precision, to_bf16};
pub(crate) use super::strip::Shelf;
use super::strip::{Ready, ready};
use super::tasks::{Raw, tasks};
use std::borrow::Cow;
use std::cell::Cell;

/// A row-major weight `[rows, depth]` as products of one precision read it.
pub(crate) struct Prepared<'a> {
    /// Rounded where nothing is packed.
    values: Cow<'a, [f32]>,
    packed: Option<Ready>,
    rows: usize,
    depth: usize,
    precision: Precision,
    /// Whether products are made dot by dot: see [`super::dots`].
    by_dots: bool,
}

thread_local! {
    /// This thread's rounded copy of a right operand; taken while a product uses it.
    static ROUNDED: Cell<Vec<f32>> = const { Cell::new(Vec::new()) };
}

/// Floats of a task that rounds. Arbitrary: a few microseconds of work.
const CHUNK: usize = 16_384;

impl<'a> Prepared<'a> {
    pub(crate) fn new(values: &'a [f32], rows: usize, depth: usize, precision: Precision, shelf: &mut Shelf) -> Self {
        assert!(values.len() >= rows * depth);
        let packed = ready(values, rows, depth, precision, shelf);
        let values = if precision == Precision::F32 || packed.is_some() {
            Cow::Borrowed(values)
        } else {
            let mut rounded = Vec::new();
            round(true, &values[..rows * depth], &mut rounded);
            Cow::Owned(rounded)
        };
        Prepared { values, packed, rows, depth, precision, by_dots: false }
    }

    /// The same as it lies in memory, for few columns: no column's bits depend on those beside it.
    pub(crate) fn by_dots(values: &'a [f32], rows: usize, depth: usize) -> Self {
        assert!(values.len() >= rows * depth);
        let (values, packed, precision) = (Cow::Borrowed(values), None, Precision::F32);
        Prepared { values, packed, rows, depth, precision, by_dots: true }
    }

    /// As [`product`], with this weight on the left.
    pub(crate) fn times(&self, par: bool, x: &[f32], cols: Cols, onto: Onto, y: &mut [f32]) {
        if self.by_dots {
            return product_by_dots(par, &self.values, self.rows, self.depth, x, cols, onto, y);
        }
        let (precision, ready) = (self.precision, self.packed.as_ref());
        let left = Left { precision, ready, ..Left::weight(&self.values, self.rows, self.depth) };
        if precision == Precision::F32 || ready.is_some() {
            product(par, left, x, cols, onto, y);
            return;
        }
        // Kernels that round nothing multiply what was rounded before.
        let mut rounded = ROUNDED.take();
        round(par, &x[..cols.len(self.depth)], &mut rounded);
        product(par, left, &rounded, cols, onto, y);
        ROUNDED.set(rounded);
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

#[cfg(test)]
mod tests {
    use super::super::gelu::{Activation, gelu_in_place};
    use super::super::panel::{from_tokens, to_tokens};
    use super::super::simd::{FlushDenormals, LANES};
    use super::*;
    use crate::core::random::Random;

    fn normal(n: usize, seed: u64) -> Vec<f32> {
        let mut random = Random::new(seed, "prepared");
        (0..n).map(|_| random.normal() as f32).collect()
    }

    /// Shapes that are packed and shapes that are not, and few columns and many.
    #[test]
    fn a_prepared_weight_gives_the_product() {
        // As in every pass: an activation's tail has none.
        let _flush = FlushDenormals::new();
        let shapes = [(70, 130, 5), (64, 900, 20), (64, 770, 44), (96, 900, 200), (1152, 384, 65), (40, 24, 33)];
        for (rows, depth, n) in shapes {
            let cols = Cols { n };
            let (w, x, bias) = (normal(rows * depth, 1), normal(depth * n + LANES, 2), normal(rows, 3));
            let mut panels = vec![0.0; cols.len(depth)];
            from_tokens(false, &x, depth, cols, &mut panels);
            let tokens = |of: &dyn Fn(&mut [f32])| {
                let (mut y, mut tokens) = (vec![f32::NAN; cols.len(rows)], vec![0.0; n * rows]);
                of(&mut y);
                to_tokens(false, &y, rows, cols, &mut tokens);
                tokens
            };
            let onto = |precision, par, onto: Onto| {
                let weight = Prepared::new(&w, rows, depth, precision, &mut Shelf::default());
                tokens(&|y| weight.times(par, &panels, cols, onto, y))
            };
            let times = |precision, par| onto(precision, par, Onto::Bias(&bias));
            let exact = |of: fn(f32) -> f32| -> Vec<f64> {
                let at = |t: usize, o: usize| {
                    let pairs = w[o * depth..][..depth].iter().zip(&x[t * depth..][..depth]);
                    pairs.map(|(a, b)| of(*a) as f64 * of(*b) as f64).sum::<f64>() + bias[o] as f64
                };
                (0..n * rows).map(|i| at(i / rows, i % rows)).collect()
            };
            let apart = |a: &[f32], b: &[f64]| {
                a.iter().zip(b).map(|(a, b)| (*a as f64 - b).abs()).fold(0.0, f64::max) / (depth as f64).sqrt()
            };
            let (fine, coarse) = (times(Precision::F32, false), times(Precision::Bf16, false));
            assert!(apart(&fine, &exact(|x| x)) < 3e-6, "{rows} {depth} {n}");
            assert!(apart(&coarse, &exact(to_bf16)) < 3e-6, "{rows} {depth} {n}");
            assert!(apart(&coarse, &exact(|x| x)) > 1e-4, "{rows} {depth} {n}: nothing was rounded");
            assert!(times(Precision::F32, true) == fine && times(Precision::Bf16, true) == coarse);
            for activation in [Activation::GeluErf, Activation::GeluTanh] {
                let mut bent = fine.clone();
                bent.resize(bent.len().next_multiple_of(LANES), 0.0);
                gelu_in_place(false, activation, &mut bent);
                assert!(onto(Precision::F32, true, Onto::Bent(Some(&bias), activation)) == bent[..fine.len()]);
            }
        }
    }

    /// More weights than one board holds, and weights where others were before.
    #[test]
    fn weights_on_one_shelf_do_not_touch_each_other() {
        let (side, n) = (1024, 32);
        let cols = Cols { n };
        let mut panels = vec![0.0; cols.len(side)];
        from_tokens(false, &normal(side * n + LANES, 9), side, cols, &mut panels);
        let times = |weight: &Prepared| {
            let mut y = vec![f32::NAN; cols.len(side)];
            weight.times(true, &panels, cols, Onto::Nothing, &mut y);
            y
        };
        let values: Vec<Vec<f32>> = (0..8).map(|seed| normal(side * side, seed)).collect();
        let (first, last) = values.split_at(7);
        let mut shelf = Shelf::default();
        let of = |values, shelf: &mut Shelf| Prepared::new(values, side, side, Precision::F32, shelf);
        let together: Vec<Prepared> = first.iter().map(|values| of(values, &mut shelf)).collect();
        drop(shelf);
        let later = of(&last[0], &mut Shelf::default());
        let got: Vec<Vec<f32>> = together.iter().chain([&later]).map(&times).collect();
        drop((together, later));
        for (idx, values) in values.iter().enumerate() {
            assert!(got[idx] == times(&of(values, &mut Shelf::default())), "weight {idx}");
        }
    }

    /// What lies behind an operand is not read.
    #[test]
    fn nothing_behind_a_weight_gets_in() {
        for (rows, depth) in [(64, 65), (65, 97)] {
            let cols = Cols { n: 64 };
            let mut w = vec![1.0; rows * depth];
            w.extend([f32::NAN; 64]);
            let (x, mut y) = (vec![1.0; cols.len(depth)], vec![f32::NAN; cols.len(rows)]);
            let weight = Prepared::new(&w[..rows * depth], rows, depth, Precision::F32, &mut Shelf::default());
            weight.times(false, &x, cols, Onto::Nothing, &mut y);
            assert!(y.iter().all(|y| *y == depth as f32), "{rows} × {depth}");
        }
    }
}
