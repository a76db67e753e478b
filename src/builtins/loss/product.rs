//! `loss::product`

use super::built;
use crate::bind::prelude::*;
use crate::train::Product;

options! {
    /// Options of `loss::product`.
    pub struct ProductOptions {
        /// The exponent of the weak label.
        alpha: f64 = 1.0,
        /// The exponent of the student's probability.
        beta: f64 = 1.0,
    }
}

/// The record.
pub fn function() -> Function {
    Function::new("loss", "product", run)
        .about("Cross-entropy against the product of the student's probabilities and the weak labels.")
        .returns("Loss")
        .details("The target `∝ p^β · w^α` is a constant. Any number of classes.")
        .source("openai/weak-to-strong, `product_loss_fn`")
        .options::<ProductOptions>()
        .example("loss::product()", "loss::product(#{alpha: 1.0, beta: 1.0})")
        .fails("loss::product(#{ beta: -1 })", "`beta` of `loss::product` must be from 0 to 100")
}

fn run(call: &mut Call) -> Answer {
    let options: ProductOptions = call.options()?;
    built(Product::new(options.alpha, options.beta))
}
