//! The operations. Each says in the table test of `builtins/tensor` whether a gradient flows through it.

use super::{Axis, MAX_DEPTH, MAX_ELEMENTS, Tensor, TensorError};
use candle_core::Tensor as Raw;

type Result<T> = std::result::Result<T, TensorError>;

/// A smallest probability whose logarithm is taken: the smallest normal number, so that x·log x is 0 at 0.
const TINY: f64 = f64::MIN_POSITIVE;

impl Tensor {
    fn after(inner: Raw, parents: &[&Tensor]) -> Result<Tensor> {
        let depth = 1 + parents.iter().map(|parent| parent.depth).max().unwrap_or(0);
        if depth > MAX_DEPTH { Err(TensorError::TooDeep) } else { Ok(Tensor { inner, depth }) }
    }

    fn map(&self, f: impl FnOnce(&Raw) -> candle_core::Result<Raw>) -> Result<Tensor> {
        Tensor::after(f(&self.inner)?, &[self])
    }

    /// The common shape of two tensors: each axis equal, or 1 on one side.
    fn common(&self, other: &Tensor, op: &'static str) -> Result<[usize; 2]> {
        let (left, right) = (self.shape(), other.shape());
        let axis = |a: usize, b: usize| match (a, b) {
            (a, b) if a == b => Some(a),
            (1, b) => Some(b),
            (a, 1) => Some(a),
            _ => None,
        };
        let ([r1, c1], [r2, c2]) = (left, right);
        let shape = axis(r1, r2).zip(axis(c1, c2)).ok_or(TensorError::Shapes { op, left, right })?;
        let (rows, columns) = shape;
        if rows.saturating_mul(columns) > MAX_ELEMENTS {
            return Err(TensorError::TooLarge { rows, columns });
        }
        Ok([rows, columns])
    }

    fn zip(
        &self,
        other: &Tensor,
        op: &'static str,
        f: impl FnOnce(&Raw, &Raw) -> candle_core::Result<Raw>,
    ) -> Result<Tensor> {
        let [rows, columns] = self.common(other, op)?;
        let wide = |tensor: &Tensor| match tensor.shape() == [rows, columns] {
            true => Ok(tensor.inner.clone()),
            false => tensor.inner.broadcast_as((rows, columns)),
        };
        Tensor::after(f(&wide(self)?, &wide(other)?)?, &[self, other])
    }

    /// Sum, number by number.
    pub fn add(&self, other: &Tensor) -> Result<Tensor> {
        self.zip(other, "+", |a, b| a + b)
    }

    /// Difference, number by number.
    pub fn sub(&self, other: &Tensor) -> Result<Tensor> {
        self.zip(other, "-", |a, b| a - b)
    }

    /// Product, number by number.
    pub fn mul(&self, other: &Tensor) -> Result<Tensor> {
        self.zip(other, "*", |a, b| a * b)
    }

    /// Quotient, number by number.
    pub fn div(&self, other: &Tensor) -> Result<Tensor> {
        self.zip(other, "/", |a, b| a / b)
    }

    /// The larger of each pair; a tie shares its gradient.
    pub fn maximum(&self, other: &Tensor) -> Result<Tensor> {
        self.zip(other, "maximum", |a, b| a.maximum(b))
    }

    /// The smaller of each pair; a tie shares its gradient.
    pub fn minimum(&self, other: &Tensor) -> Result<Tensor> {
        self.zip(other, "minimum", |a, b| a.minimum(b))
    }

    /// The negative.
    pub fn neg(&self) -> Result<Tensor> {
        self.map(Raw::neg)
    }

    /// e^x.
    pub fn exp(&self) -> Result<Tensor> {
        self.map(Raw::exp)
    }

    /// The natural logarithm.
    pub fn log(&self) -> Result<Tensor> {
        self.map(Raw::log)
    }

    /// The square root.
    pub fn sqrt(&self) -> Result<Tensor> {
        self.map(Raw::sqrt)
    }

    /// The absolute value; its gradient at 0 is 0.
    pub fn abs(&self) -> Result<Tensor> {
        self.map(|x| x * x.sign()?.detach())
    }

    /// The hyperbolic tangent.
    pub fn tanh(&self) -> Result<Tensor> {
        self.map(Raw::tanh)
    }

    /// 1 / (1 + e^−x), by way of tanh, which does not overflow.
    pub fn sigmoid(&self) -> Result<Tensor> {
        self.map(|x| x.affine(0.5, 0.0)?.tanh()?.affine(0.5, 0.5))
    }

    /// log sigmoid(x) = min(x, 0) − log(1 + e^−|x|), exact for large |x|.
    pub fn log_sigmoid(&self) -> Result<Tensor> {
        self.map(|x| {
            let size = (x * x.sign()?.detach())?;
            x.minimum(&x.zeros_like()?)? - size.neg()?.exp()?.affine(1.0, 1.0)?.log()?
        })
    }

    /// max(x, 0); its gradient at 0 is 0.
    pub fn relu(&self) -> Result<Tensor> {
        self.map(|x| x.gt(0.0)?.where_cond(x, &x.zeros_like()?))
    }

    /// x^exponent.
    pub fn pow(&self, exponent: f64) -> Result<Tensor> {
        if !exponent.is_finite() {
            let got = exponent.to_string();
            return Err(TensorError::Option { option: "exponent", must: "finite", got });
        }
        // The general gradient e · x^(e−1) is NaN at x = 0 for these.
        if exponent == 0.0 {
            return self.map(|x| x.ones_like());
        }
        if exponent == 1.0 {
            return self.map(|x| x.affine(1.0, 0.0));
        }
        self.map(|x| x.powf(exponent))
    }

    /// Each number moved into `[least, most]`; no gradient where it was outside.
    pub fn clamp(&self, least: f64, most: f64) -> Result<Tensor> {
        if least.is_nan() || most.is_nan() || least > most {
            let got = format!("{least}, {most}");
            return Err(TensorError::Option { option: "least, most", must: "in order", got });
        }
        self.map(|x| {
            let x = x.lt(least)?.where_cond(&(x.zeros_like()? + least)?, x)?;
            x.gt(most)?.where_cond(&(x.zeros_like()? + most)?, &x)
        })
    }

    /// The sum.
    pub fn sum(&self, axis: Axis) -> Result<Tensor> {
        self.map(|x| reduce(x, axis))
    }

    /// The mean.
    pub fn mean(&self, axis: Axis) -> Result<Tensor> {
        let [rows, columns] = self.shape();
        let n = match axis {
            Axis::All => rows * columns,
            Axis::Rows => rows,
            Axis::Columns => columns,
        };
        self.map(|x| reduce(x, axis)?.affine(1.0 / n as f64, 0.0))
    }

    /// The largest number; ties share the gradient.
    pub fn max(&self, axis: Axis) -> Result<Tensor> {
        self.map(|x| {
            let most = match axis {
                Axis::All => x.max_keepdim(0)?.max_keepdim(1)?,
                Axis::Rows => x.max_keepdim(0)?,
                Axis::Columns => x.max_keepdim(1)?,
            };
            picked(x, &most.detach(), axis)
        })
    }

    /// The smallest number; ties share the gradient.
    pub fn min(&self, axis: Axis) -> Result<Tensor> {
        self.neg()?.max(axis)?.neg()
    }

    /// log softmax of each row.
    pub fn log_softmax(&self) -> Result<Tensor> {
        self.map(log_softmax)
    }

    /// Softmax of each row.
    pub fn softmax(&self) -> Result<Tensor> {
        self.map(|x| log_softmax(x)?.exp())
    }

    /// Soft-label cross-entropy of each row, these numbers being logits: −Σ target · log softmax. One column.
    pub fn cross_entropy_rows(&self, target: &Tensor) -> Result<Tensor> {
        self.equal_shapes(target, "cross_entropy")?;
        self.log_softmax()?.mul(target)?.sum(Axis::Columns)?.neg()
    }

    /// The entropy of each row's softmax, in nats. One column.
    pub fn entropy_rows(&self) -> Result<Tensor> {
        let log_p = self.log_softmax()?;
        log_p.exp()?.mul(&log_p)?.sum(Axis::Columns)?.neg()
    }

    /// KL(target ‖ softmax) of each row, these numbers being logits. One column.
    pub fn kl_rows(&self, target: &Tensor) -> Result<Tensor> {
        let cross = self.cross_entropy_rows(target)?;
        let own = target.mul(&target.maximum(&Tensor::scalar(TINY)?)?.log()?)?.sum(Axis::Columns)?;
        cross.add(&own)
    }

    fn equal_shapes(&self, other: &Tensor, op: &'static str) -> Result<()> {
        let (left, right) = (self.shape(), other.shape());
        if left == right { Ok(()) } else { Err(TensorError::Shapes { op, left, right }) }
    }

    /// The transpose.
    pub fn transpose(&self) -> Result<Tensor> {
        self.map(|x| x.t()?.contiguous())
    }

    /// Column `at`; negative counts from the end.
    pub fn column(&self, at: i64) -> Result<Tensor> {
        let [_, columns] = self.shape();
        let at = index("column", at, columns)?;
        self.map(|x| x.narrow(1, at, 1)?.contiguous())
    }

    /// Row `at`; negative counts from the end.
    pub fn row(&self, at: i64) -> Result<Tensor> {
        let [rows, _] = self.shape();
        let at = index("row", at, rows)?;
        self.map(|x| x.narrow(0, at, 1)?.contiguous())
    }

    /// Where this mask is not 0 the number of `yes`, else the number of `no`.
    pub fn choose(&self, yes: &Tensor, no: &Tensor) -> Result<Tensor> {
        let [rows, columns] = self.common(yes, "where")?;
        let shaped = Tensor::after(self.inner.broadcast_as((rows, columns))?, &[self])?;
        let [rows, columns] = shaped.common(no, "where")?;
        let wide = |tensor: &Tensor| tensor.inner.broadcast_as((rows, columns))?.contiguous();
        let mask = wide(self)?.detach().ne(0.0)?;
        Tensor::after(mask.where_cond(&wide(yes)?, &wide(no)?)?, &[yes, no])
    }

    /// 1 where `holds` for the pair, else 0; a constant.
    pub fn compare(&self, other: &Tensor, op: &'static str, holds: fn(&f64, &f64) -> bool) -> Result<Tensor> {
        let [rows, columns] = self.common(other, op)?;
        let wide = |tensor: &Tensor| -> Result<Vec<f64>> {
            Ok(tensor.inner.broadcast_as((rows, columns))?.flatten_all()?.to_vec1()?)
        };
        let (left, right) = (wide(self)?, wide(other)?);
        Tensor::new(left.iter().zip(&right).map(|(a, b)| f64::from(u8::from(holds(a, b)))).collect(), columns)
    }

    /// The column of each row's largest number (the first of ties), a constant column.
    pub fn argmax(&self) -> Result<Tensor> {
        let [_, columns] = self.shape();
        let best = self.values()?.chunks(columns).map(|row| crate::frames::argmax(row) as f64).collect();
        Tensor::new(best, 1)
    }

    /// 1 at each row's largest number (the first of ties), else 0; a constant.
    pub fn hard(&self) -> Result<Tensor> {
        let [_, columns] = self.shape();
        let values = self.values()?;
        let hard = values.chunks(columns).flat_map(|row| {
            let best = crate::frames::argmax(row);
            (0..row.len()).map(move |column| f64::from(u8::from(column == best)))
        });
        Tensor::new(hard.collect(), columns)
    }

    /// The `share` quantile by linear interpolation, as `numpy.quantile`; a constant.
    pub fn quantile(&self, share: f64, axis: Axis) -> Result<Tensor> {
        if !(0.0..=1.0).contains(&share) {
            return Err(TensorError::Option { option: "share", must: "from 0 to 1", got: share.to_string() });
        }
        let [_, columns] = self.shape();
        let values = self.values()?;
        match axis {
            Axis::All => Tensor::scalar(quantile(values, share)),
            Axis::Columns => Tensor::new(values.chunks(columns).map(|row| quantile(row.to_vec(), share)).collect(), 1),
            Axis::Rows => {
                let column = |at| values.iter().skip(at).step_by(columns).copied().collect();
                Tensor::new((0..columns).map(|at| quantile(column(at), share)).collect(), columns)
            }
        }
    }
}

/// Sum over an axis, which stays with length 1.
fn reduce(x: &Raw, axis: Axis) -> candle_core::Result<Raw> {
    match axis {
        Axis::All => x.sum_keepdim(0)?.sum_keepdim(1),
        Axis::Rows => x.sum_keepdim(0),
        Axis::Columns => x.sum_keepdim(1),
    }
}

/// The numbers equal to `extreme` averaged over `axis`: the value is `extreme`, the gradient is shared among ties.
fn picked(x: &Raw, extreme: &Raw, axis: Axis) -> candle_core::Result<Raw> {
    let mask = x.eq(&extreme.broadcast_as(x.shape())?)?;
    let ties = reduce(&mask.to_dtype(x.dtype())?, axis)?.detach();
    reduce(&mask.where_cond(x, &x.zeros_like()?)?, axis)? / ties
}

/// x − max − log Σ e^(x − max), the maximum a constant.
fn log_softmax(x: &Raw) -> candle_core::Result<Raw> {
    let shifted = x.broadcast_sub(&x.max_keepdim(1)?.detach())?;
    shifted.broadcast_sub(&shifted.exp()?.sum_keepdim(1)?.log()?)
}

fn index(what: &'static str, at: i64, n: usize) -> Result<usize> {
    let from_start = if at < 0 { at.checked_add(n as i64) } else { Some(at) };
    match from_start.and_then(|at| usize::try_from(at).ok()) {
        Some(at) if at < n => Ok(at),
        _ => Err(TensorError::Index { what, got: at, n }),
    }
}

fn quantile(mut values: Vec<f64>, share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let place = share * values.len().saturating_sub(1) as f64;
    let at = |idx: f64| values.get(idx as usize).copied().unwrap_or(f64::NAN);
    let (below, above) = (at(place.floor()), at(place.ceil()));
    below + (above - below) * (place - place.floor())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[f64], columns: usize) -> Tensor {
        Tensor::new(values.to_vec(), columns).expect("valid")
    }

    #[test]
    fn shapes_broadcast_or_are_refused() {
        let table = of(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], 2);
        let (column, row) = (of(&[1.0, 2.0, 3.0], 1), of(&[10.0, 20.0], 2));
        assert_eq!(table.mul(&column).expect("fits").values().expect("there"), [1.0, 2.0, 6.0, 8.0, 15.0, 18.0]);
        assert_eq!(table.add(&row).expect("fits").row(2).expect("there").values().expect("there"), [15.0, 26.0]);
        assert_eq!(column.add(&row).expect("fits").shape(), [3, 2]);
        let error = table.add(&of(&[0.0; 4], 2)).err().expect("refused").to_string();
        assert_eq!(error, "`+` cannot broadcast [3, 2] with [2, 2]: each axis must be equal, or 1 on one side");
        let long = of(&vec![0.0; 1 << 13], 1);
        assert!(matches!(long.add(&long.transpose().expect("fits")), Err(TensorError::TooLarge { .. })));
        assert!(matches!(table.cross_entropy_rows(&row), Err(TensorError::Shapes { .. })));
    }

    #[test]
    fn chains_are_bounded_and_detaching_starts_anew() {
        let mut sum = Tensor::variable(vec![1.0], 1).expect("valid");
        let one = Tensor::scalar(1.0).expect("valid");
        for _ in 0..MAX_DEPTH {
            sum = sum.add(&one).expect("short enough");
        }
        assert!(matches!(sum.add(&one), Err(TensorError::TooDeep)));
        assert!(sum.detach().add(&one).is_ok());
    }

    #[test]
    fn a_gradient_exists_only_where_the_result_depends_on_the_variable() {
        let x = Tensor::variable(vec![1.0, 2.0], 2).expect("valid");
        let loss = x.mul(&x).expect("fits").sum(Axis::All).expect("sums");
        assert_eq!(loss.gradient(&x).expect("one number"), Some(vec![2.0, 4.0]));
        let cut = x.detach().sum(Axis::All).expect("sums");
        assert_eq!(cut.gradient(&x).expect("one number"), None);
        assert!(matches!(x.gradient(&x), Err(TensorError::NotOne { .. })));
    }

    #[test]
    fn extreme_numbers_stay_right() {
        let x = of(&[1000.0, -1000.0], 2);
        assert_eq!(x.softmax().expect("ok").values().expect("there"), [1.0, 0.0]);
        assert_eq!(x.log_softmax().expect("ok").values().expect("there"), [0.0, -2000.0]);
        assert_eq!(x.sigmoid().expect("ok").values().expect("there"), [1.0, 0.0]);
        assert_eq!(x.log_sigmoid().expect("ok").values().expect("there"), [0.0, -1000.0]);
        assert_eq!(x.entropy_rows().expect("ok").one().expect("one"), 0.0);
        assert_eq!(x.kl_rows(&of(&[1.0, 0.0], 2)).expect("ok").one().expect("one"), 0.0);
    }

    // numpy.quantile([1, 2, 3, 10], [0, .5, .9, 1]) == [1, 2.5, 7.9, 10]
    #[test]
    fn quantiles_interpolate() {
        let x = of(&[3.0, 10.0, 1.0, 2.0], 1);
        for (share, want) in [(0.0, 1.0), (0.5, 2.5), (0.9, 7.9), (1.0, 10.0)] {
            assert!((x.quantile(share, Axis::All).expect("ok").one().expect("one") - want).abs() < 1e-12);
        }
        assert!(x.quantile(f64::NAN, Axis::All).is_err());
        assert_eq!(
            of(&[1.0, 5.0, 3.0, 9.0], 2).quantile(0.5, Axis::Rows).expect("ok").values().expect("ok"),
            [2.0, 7.0]
        );
        assert!(x.column(1).is_err() && x.row(-5).is_err() && x.row(-4).is_ok());
    }
}
