//! `loss::product`

use super::built;
use crate::bind::prelude::*;
use crate::core::math::{exp, ln};
use crate::train::loss::{cross_entropy_row, in_range, mean_over_rows, times_log};
use crate::train::{Loss, LossBatch, LossError, LossValue};

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

/// Cross-entropy against the constant target `∝ p^β · w^α` (openai/weak-to-strong, `product_loss_fn`).
#[derive(Debug, Clone, PartialEq)]
pub struct Product {
    alpha: f64,
    beta: f64,
}

impl Product {
    /// Exponents of the weak label (`alpha`) and of the model's probability (`beta`), each from 0 to 100.
    pub fn new(alpha: f64, beta: f64) -> Result<Self, LossError> {
        in_range("loss::product", "alpha", alpha, 0.0..=100.0, "from 0 to 100")?;
        in_range("loss::product", "beta", beta, 0.0..=100.0, "from 0 to 100")?;
        Ok(Product { alpha, beta })
    }
}

impl Loss for Product {
    fn name(&self) -> String {
        "product".to_owned()
    }

    fn show(&self) -> String {
        format!("loss::product(#{{alpha: {:?}, beta: {:?}}})", self.alpha, self.beta)
    }

    fn step(&self, batch: &LossBatch) -> Result<LossValue, LossError> {
        let mut target = Vec::with_capacity(batch.n_classes);
        mean_over_rows(batch, |_, log_p, weak, slope| {
            // In logarithms, because p alone underflows at extreme logits. One class has w > 0, so the maximum is finite.
            target.clear();
            target.extend(
                log_p.iter().zip(weak).map(|(lp, w)| self.beta * lp + times_log(self.alpha, ln(f64::from(*w)))),
            );
            let most = target.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let total: f64 = target.iter().map(|t| exp(t - most)).sum();
            target.iter_mut().for_each(|t| *t = exp(*t - most) / total);
            cross_entropy_row(log_p, |class| target.get(class).copied().unwrap_or(0.0), slope)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::loss::CrossEntropy;
    use crate::train::loss::testing::*;

    // z, w as in cross_entropy.rs
    // t = z.softmax(1) ** 1.0 * w ** 1.0; t = (t / t.sum(1, keepdim=True)).detach()
    // l = F.cross_entropy(z, t); l.backward(); print(l.item(), z.grad)
    #[test]
    fn equals_the_reference() {
        reference(
            &Product::new(1.0, 1.0).expect("valid"),
            0,
            0.43812945,
            &[-0.06159513, 0.06159513, 0.00000000, -0.00000000, 0.16666667, -0.16666667],
        );
    }

    #[test]
    fn with_no_weight_on_itself_it_is_cross_entropy() {
        let product = Product::new(1.0, 0.0).expect("valid");
        let batch = batch(&LOGITS3, &WEAK3, 3, 0);
        let (got, want) = (product.step(&batch).expect("computes"), CrossEntropy.step(&batch).expect("computes"));
        close(got.value, want.value);
        got.gradient.iter().zip(&want.gradient).for_each(|(g, w)| close(f64::from(*g), f64::from(*w)));
    }

    #[test]
    fn its_gradient_is_right_with_the_target_held() {
        let product = Product::new(1.0, 1.0).expect("valid");
        let got = product.step(&batch(&LOGITS3, &WEAK3, 3, 0)).expect("computes");
        let target: Vec<f32> = LOGITS3
            .chunks(3)
            .zip(WEAK3.chunks(3))
            .flat_map(|(z, w)| {
                let raw: Vec<f64> = z.iter().zip(w).map(|(z, w)| f64::from(*z).exp() * f64::from(*w)).collect();
                let total: f64 = raw.iter().sum();
                raw.into_iter().map(move |r| (r / total) as f32).collect::<Vec<_>>()
            })
            .collect();
        finite_differences(3, &LOGITS3, &got.gradient, |moved| {
            CrossEntropy.step(&batch(moved, &target, 3, 0)).expect("computes").value
        });
        survives_extremes(&product);
        assert!(Product::new(f64::NAN, 1.0).is_err() && Product::new(1.0, -1.0).is_err());
    }
}
