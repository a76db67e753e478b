//! `loss::window`

use super::built;
use crate::bind::prelude::*;
use crate::train::loss::{cross_entropy_row, in_range, mean_over_rows};
use crate::train::{Loss, LossBatch, LossError, LossValue};

options! {
    /// Options of `loss::window`.
    pub struct WindowOptions {
        /// Rows whose largest weak probability is below 0.5 + radius are kept.
        radius: f64 = 0.15,
    }
}

/// The record.
pub fn function() -> Function {
    Function::new("loss", "window", run)
        .about("Cross-entropy on the rows of which the supervisor is unsure.")
        .returns("Loss")
        .details("Only rows whose largest weak probability is below `0.5 + radius`; the mean is over those. A batch without one is skipped.")
            .source("EleutherAI/w2s")
            .options::<WindowOptions>()
            .example("loss::window()", "loss::window(#{radius: 0.15})")
            .fails("loss::window(#{ radius: 0.7 })", "`radius` of `loss::window` must be from 0 to 0.5")
}

fn run(call: &mut Call) -> Answer {
    let options: WindowOptions = call.options()?;
    built(Window::new(options.radius))
}

/// Cross-entropy over the rows whose largest weak probability is below `0.5 + radius`; the mean is over those rows
/// (EleutherAI/w2s). A batch without such a row has loss 0 and no gradient.
#[derive(Debug, Clone, PartialEq)]
pub struct Window {
    radius: f64,
}

impl Window {
    /// `radius` from 0 to 0.5.
    pub fn new(radius: f64) -> Result<Self, LossError> {
        in_range("loss::window", "radius", radius, 0.0..=0.5, "from 0 to 0.5")?;
        Ok(Window { radius })
    }

    fn keeps(&self, weak: &[f32]) -> bool {
        weak.iter().all(|w| f64::from(*w) < 0.5 + self.radius)
    }
}

impl Loss for Window {
    fn name(&self) -> String {
        "window".to_owned()
    }

    fn show(&self) -> String {
        format!("loss::window(#{{radius: {:?}}})", self.radius)
    }

    fn step(&self, batch: &LossBatch) -> Result<LossValue, LossError> {
        let kept = batch.rows().enumerate().filter(|(_, (_, weak))| self.keeps(weak));
        let kept: f64 = kept.map(|(row, _)| batch.weight(row)).sum();
        let scale = if kept > 0.0 { batch.total_weight() / kept } else { 0.0 };
        mean_over_rows(batch, |_, log_p, weak, slope| {
            if !self.keeps(weak) {
                return 0.0;
            }
            let target = |class: usize| scale * weak.get(class).map_or(0.0, |w| f64::from(*w));
            cross_entropy_row(log_p, target, slope)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::loss::testing::*;

    // z, w as in cross_entropy.rs; keep = w.max(1).values < .8
    // l = F.cross_entropy(z[keep], w[keep]); l.backward(); print(l.item(), z.grad)
    #[test]
    fn equals_the_reference() {
        reference(
            &Window::new(0.3).expect("valid"),
            0,
            1.17706071,
            &[-0.03541065, 0.03541065, -0.23534388, 0.23534388, 0.00000000, 0.00000000],
        );
    }

    #[test]
    fn its_gradient_is_right_and_an_empty_window_is_silent() {
        differentiates(&Window::new(0.3).expect("valid"));
        survives_extremes(&Window::new(0.3).expect("valid"));
        let none = Window::new(0.15).expect("valid").step(&batch(&LOGITS, &[1.0, 0.0, 0.0, 1.0, 1.0, 0.0], 2, 0));
        let none = none.expect("computes");
        assert_eq!(none.value, 0.0);
        assert!(none.gradient.iter().all(|g| *g == 0.0));
        assert!(Window::new(0.6).is_err() && Window::new(f64::NAN).is_err());
    }
}
