//! Making tensors: `tensor::of`, `tensor::full`, `tensor::one_hot`.

use super::answer;
use crate::autograd::{MAX_ELEMENTS, Tensor, TensorError};
use crate::bind::prelude::*;

/// The records.
pub fn functions() -> Vec<Function> {
    vec![
        Function::new("tensor", "of", of)
            .about("A constant tensor from numbers.")
            .details(
                "A number gives one row and one column, an array of numbers a column, an array of arrays its rows.",
            )
            .param_typed("numbers", "float|array", "a number, an array of numbers, or an array of rows of one length")
            .returns("Tensor")
            .example("tensor::of([[1, 2], [3, 4]])", "Tensor 2×2 [[1.0, 2.0], [3.0, 4.0]]")
            .example("tensor::of([1, 2, 3])", "Tensor 3×1 [[1.0], [2.0], [3.0]]")
            .fails("tensor::of([[1, 2], [3]])", "row 1 has 1 numbers, the first has 2"),
        Function::new("tensor", "full", full)
            .about("A constant tensor that holds one number everywhere.")
            .param::<usize>("rows", "how many rows")
            .param::<usize>("columns", "how many columns")
            .param::<f64>("value", "the number")
            .returns("Tensor")
            .example("tensor::full(2, 3, 0.5)", "Tensor 2×3 [[0.5, 0.5, 0.5], [0.5, 0.5, 0.5]]")
            .fails("tensor::full(0, 3, 0.5)", "a tensor has at least one number"),
        Function::new("tensor", "one_hot", one_hot)
            .about("One-hot rows: 1 in the column of each class index, 0 elsewhere.")
            .param::<Vec<usize>>("classes", "class indices from 0")
            .param::<usize>("n_classes", "how many columns")
            .returns("Tensor")
            .example("tensor::one_hot([1, 0], 2)", "Tensor 2×2 [[0.0, 1.0], [1.0, 0.0]]")
            .fails("tensor::one_hot([2], 2)", "the class `2` is outside the tensor, which has 2"),
    ]
}

fn of(call: &mut Call) -> Answer {
    let given = call.arg::<Dynamic>(0)?;
    if let Some(tensor) = given.clone().try_cast::<Tensor>() {
        return answer(tensor);
    }
    let Some(items) = given.clone().try_cast::<Array>() else {
        let number = f64::from_dynamic(&given).map_err(|_| {
            let got = crate::bind::describe(&given);
            call.misfit("`numbers`", &Mismatch(format!("must be a number or an array, got {got}")))
        })?;
        return answer(Tensor::scalar(number)?);
    };
    let misfit = |why: Mismatch| call.misfit("`numbers`", &why);
    if items.iter().any(|item| item.is_array()) {
        let rows = Vec::<Vec<f64>>::from_dynamic(&given).map_err(misfit)?;
        let expected = rows.first().map_or(0, Vec::len);
        if let Some((row, found)) = rows.iter().enumerate().find(|(_, row)| row.len() != expected) {
            return Err(TensorError::Ragged { row, got: found.len(), expected }.into());
        }
        return answer(Tensor::new(rows.concat(), expected)?);
    }
    answer(Tensor::new(Vec::<f64>::from_dynamic(&given).map_err(misfit)?, 1)?)
}

fn full(call: &mut Call) -> Answer {
    let (rows, columns, value): (usize, usize, f64) = (call.arg(0)?, call.arg(1)?, call.arg(2)?);
    answer(Tensor::new(vec![value; bounded(rows, columns)?], columns)?)
}

fn one_hot(call: &mut Call) -> Answer {
    let (classes, n_classes): (Vec<usize>, usize) = (call.arg(0)?, call.arg(1)?);
    let mut values = vec![0.0; bounded(classes.len(), n_classes)?];
    for (row, class) in values.chunks_mut(n_classes.max(1)).zip(&classes) {
        let out_of_range = TensorError::Index { what: "class", got: *class as i64, n: n_classes };
        *row.get_mut(*class).ok_or(out_of_range)? = 1.0;
    }
    answer(Tensor::new(values, n_classes)?)
}

/// The number of elements, if that many may be.
fn bounded(rows: usize, columns: usize) -> Result<usize, TensorError> {
    let n = rows.saturating_mul(columns);
    if n > MAX_ELEMENTS { Err(TensorError::TooLarge { rows, columns }) } else { Ok(n) }
}
