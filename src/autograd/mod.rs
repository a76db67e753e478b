//! Differentiable tables of numbers for losses that a script writes.
//!
//! A [`Tensor`] has rows and columns, in double precision; one number is a 1 × 1 table. It wraps a candle tensor, but
//! offers only operations whose gradient was checked by finite differences: candle cuts the gradient of some silently
//! (`softmax_last_dim`, its layer norms, `floor`), so those are composed here from ones that are right. Reductions keep
//! the reduced axis with length 1, so that what was summed over columns broadcasts against the rows it came from.
//! Models never pass through here: only the small `[batch, classes]` graph above the logits does.

mod ops;

use crate::core::explain::{explained, first_line};
use candle_core::{DType, Device, Var};

/// The most numbers of one tensor: arbitrary, 128 MB.
pub const MAX_ELEMENTS: usize = 1 << 24;
/// The longest chain of operations between a tensor and the logits: arbitrary, because the backward pass recurses.
pub const MAX_DEPTH: usize = 1000;

/// An immutable table of numbers that knows how it was computed.
#[derive(Clone)]
pub struct Tensor {
    inner: candle_core::Tensor,
    /// The longest chain of operations below.
    depth: usize,
}

/// Which way a reduction goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Axis {
    /// Over all numbers: a 1 × 1 tensor.
    All,
    /// Over the rows: one row is left.
    Rows,
    /// Over the columns: one column is left.
    Columns,
}

explained! {
    /// What can be wrong with a tensor operation.
    #[derive(Debug, Clone, PartialEq, thiserror::Error)]
    pub enum TensorError {
        #[error("`{op}` cannot broadcast {left:?} with {right:?}: each axis must be equal, or 1 on one side")]
        #[code("tensor/shapes")]
        Shapes { op: &'static str, left: [usize; 2], right: [usize; 2] },
        #[error("a tensor has at least one number")]
        #[code("tensor/empty")]
        Empty,
        #[error("row {row} has {got} numbers, the first has {expected}")]
        #[code("tensor/ragged")]
        Ragged { row: usize, got: usize, expected: usize },
        #[error("a tensor of {rows} × {columns} numbers is larger than {MAX_ELEMENTS}")]
        #[code("tensor/too-large")]
        TooLarge { rows: usize, columns: usize },
        #[error("more than {MAX_DEPTH} operations are chained")]
        #[code("tensor/too-deep")]
        #[hint("`.detach()` cuts the chain where no gradient is needed")]
        TooDeep,
        #[error("the {what} `{got}` is outside the tensor, which has {n}")]
        #[code("tensor/index")]
        Index { what: &'static str, got: i64, n: usize },
        #[error("`{option}` must be {must}, got `{got}`")]
        #[code("tensor/option")]
        Option { option: &'static str, must: &'static str, got: String },
        #[error("a tensor of shape {shape:?} is not one number")]
        #[code("tensor/not-one")]
        #[hint("`.mean()` or `.sum()` makes one number of it")]
        NotOne { shape: [usize; 2] },
        #[error("the tensor engine failed: {0}")]
        #[code("tensor/engine")]
        Engine(text: String),
    }
    from { }
}

impl From<candle_core::Error> for TensorError {
    fn from(error: candle_core::Error) -> Self {
        TensorError::Engine(first_line(&error))
    }
}

impl Tensor {
    /// A constant with `columns` numbers a row, row-major.
    pub fn new(values: Vec<f64>, columns: usize) -> Result<Tensor, TensorError> {
        if values.is_empty() || columns == 0 || !values.len().is_multiple_of(columns) {
            return Err(TensorError::Empty);
        }
        let rows = values.len() / columns;
        if values.len() > MAX_ELEMENTS {
            return Err(TensorError::TooLarge { rows, columns });
        }
        Ok(Tensor { inner: candle_core::Tensor::from_vec(values, (rows, columns), &Device::Cpu)?, depth: 0 })
    }

    /// A 1 × 1 constant.
    pub fn scalar(value: f64) -> Result<Tensor, TensorError> {
        Tensor::new(vec![value], 1)
    }

    /// A tensor by which others can be differentiated.
    pub fn variable(values: Vec<f64>, columns: usize) -> Result<Tensor, TensorError> {
        let constant = Tensor::new(values, columns)?;
        Ok(Tensor { inner: Var::from_tensor(&constant.inner)?.as_tensor().clone(), depth: 0 })
    }

    /// Rows and columns.
    pub fn shape(&self) -> [usize; 2] {
        match self.inner.dims() {
            [rows, columns] => [*rows, *columns],
            _ => [0, 0],
        }
    }

    /// All numbers, row-major.
    pub fn values(&self) -> Result<Vec<f64>, TensorError> {
        Ok(self.inner.to_dtype(DType::F64)?.flatten_all()?.to_vec1()?)
    }

    /// The number of a 1 × 1 tensor.
    pub fn one(&self) -> Result<f64, TensorError> {
        match (self.shape(), self.values()?.as_slice()) {
            (_, [value]) => Ok(*value),
            (shape, _) => Err(TensorError::NotOne { shape }),
        }
    }

    /// The same numbers as constants.
    #[must_use]
    pub fn detach(&self) -> Tensor {
        Tensor { inner: self.inner.detach(), depth: 0 }
    }

    /// The gradient of this 1 × 1 tensor by `variable`, row-major; `None` if it does not depend on it.
    pub fn gradient(&self, variable: &Tensor) -> Result<Option<Vec<f64>>, TensorError> {
        self.one()?;
        let gradients = self.inner.backward()?;
        match gradients.get(&variable.inner) {
            Some(found) => Ok(Some(found.flatten_all()?.to_vec1()?)),
            None => Ok(None),
        }
    }

    /// Whether shape and numbers are equal, NaN to NaN.
    pub fn same(&self, other: &Tensor) -> bool {
        let bits = |tensor: &Tensor| -> Option<Vec<u64>> {
            let values = tensor.values().ok()?;
            Some(
                values.into_iter().map(|v| if v.is_nan() { f64::NAN.to_bits() } else { (v + 0.0).to_bits() }).collect(),
            )
        };
        self.shape() == other.shape() && bits(self) == bits(other)
    }
}
