//! Soft-label cross-entropy.

use super::{Loss, LossBatch, LossError, LossValue, cross_entropy_row, mean_over_rows};

/// Mean of `−Σ w · log softmax(z)` (Burns et al. 2023, arXiv 2312.09390).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CrossEntropy;

impl Loss for CrossEntropy {
    fn name(&self) -> String {
        "cross_entropy".to_owned()
    }

    fn show(&self) -> String {
        "loss::cross_entropy()".to_owned()
    }

    fn step(&self, batch: &LossBatch) -> Result<LossValue, LossError> {
        mean_over_rows(batch, |_, log_p, weak, slope| {
            cross_entropy_row(log_p, |class| weak.get(class).map_or(0.0, |w| f64::from(*w)), slope)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::*;

    // import torch; import torch.nn.functional as F
    // z = torch.tensor([[.5, -.25], [-1.5, 2.], [.125, .125]], dtype=torch.float64, requires_grad=True)
    // w = torch.tensor([[.75, .25], [.5, .5], [0., 1.]], dtype=torch.float64)
    // l = F.cross_entropy(z, w); l.backward(); print(l.item(), z.grad)
    #[test]
    fn equals_the_reference() {
        reference(
            &CrossEntropy,
            0,
            1.01575620,
            &[-0.02360710, 0.02360710, -0.15689592, 0.15689592, 0.16666667, -0.16666667],
        );
    }

    #[test]
    fn its_gradient_is_right() {
        differentiates(&CrossEntropy);
        survives_extremes(&CrossEntropy);
    }
}
