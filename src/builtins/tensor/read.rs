//! Numbers out of tensors.

use crate::autograd::Tensor;
use crate::bind::prelude::*;

/// The records.
pub fn functions() -> Vec<Function> {
    vec![
        Function::getter::<Tensor>("shape", shape)
            .about("Rows and columns.")
            .returns("array of integer: `[rows, columns]`")
            .example("tensor::of([1, 2, 3]).shape", "[3, 1]"),
        Function::method::<Tensor>("to_array", to_array)
            .about("The numbers as an array of rows.")
            .returns("array of array of float")
            .example("tensor::of([[1, 2], [3, 4]]).to_array()", "[[1.0, 2.0], [3.0, 4.0]]"),
        Function::method::<Tensor>("to_float", |call| Ok(Dynamic::from(call.receiver::<Tensor>()?.one()?)))
            .about("The number of a tensor that holds one.")
            .returns("float")
            .example("tensor::of([1, 2]).sum().to_float()", "3.0")
            .fails("tensor::of([1, 2]).to_float()", "a tensor of shape [2, 1] is not one number"),
    ]
}

fn shape(call: &mut Call) -> Answer {
    let shape = call.receiver::<Tensor>()?.shape();
    Ok(shape.map(|n| Dynamic::from(n as INT)).to_vec().into())
}

fn to_array(call: &mut Call) -> Answer {
    let tensor = call.receiver::<Tensor>()?;
    let [_, columns] = tensor.shape();
    let values = tensor.values()?;
    let rows: Array = values
        .chunks(columns.max(1))
        .map(|row| row.iter().map(|v| Dynamic::from(*v)).collect::<Array>().into())
        .collect();
    Ok(rows.into())
}
