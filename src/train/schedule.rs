//! Learning-rate schedules: a linear warm-up, then a decay.
use super::options::choice;
use crate::core::math::cos;
use std::f64::consts::PI;

choice! {
    /// What the learning rate does after the warm-up.
    pub enum Schedule {
        /// Falls on half a cosine that reaches 0 one step after the last.
        Cosine = "cosine",
        /// Falls on a straight line that reaches 0 one step after the last.
        Linear = "linear",
        /// Stays.
        Constant = "constant",
    }
}

impl Schedule {
    /// The factor of the learning rate at `step` (from 0) of `steps`, after `warmup` steps of rising from
    /// `1 / (warmup + 1)`. It is 1 at step `warmup`.
    pub fn factor(self, step: usize, steps: usize, warmup: usize) -> f64 {
        if step < warmup {
            return (step + 1) as f64 / (warmup + 1) as f64;
        }
        let done = (step - warmup) as f64 / steps.saturating_sub(warmup).max(1) as f64;
        let done = done.min(1.0);
        match self {
            Schedule::Constant => 1.0,
            Schedule::Linear => 1.0 - done,
            Schedule::Cosine => 0.5 * (1.0 + cos(PI * done)),
        }
    }
}

/// The learning rate of pretraining falls to this share of its height: arbitrary.
const LOWEST: f64 = 0.05;

/// The factor of a pretraining's learning rate at `step` (from 0) of `steps`: a rise over the share `warm_up` of the steps,
/// times a cosine that falls from 1 at the start to a twentieth at the last step.
pub(super) fn rise_and_fall(step: usize, steps: usize, warm_up: f64) -> [f64; 2] {
    let done = (step + 1) as f64 / steps as f64;
    let rise = if warm_up > 0.0 { (done / warm_up).min(1.0) } else { 1.0 };
    [rise, LOWEST + (1.0 - LOWEST) * 0.5 * (1.0 + cos(PI * done))]
}

#[cfg(test)]
mod tests {
    use super::super::Choice;
    use super::*;

    const ALL: [Schedule; 3] = [Schedule::Constant, Schedule::Linear, Schedule::Cosine];

    #[test]
    fn warm_up_and_decay_meet_at_one() {
        for schedule in ALL {
            assert_eq!(schedule.factor(0, 100, 9), 0.1);
            assert_eq!(schedule.factor(8, 100, 9), 0.9);
            assert_eq!(schedule.factor(9, 100, 9), 1.0);
            let after = schedule.factor(10, 100, 9);
            assert!((0.98..=1.0).contains(&after), "{schedule:?}: {after}");
            assert_eq!(schedule.factor(0, 100, 0), 1.0, "no warm-up starts at full rate");
        }
    }

    // torch.optim.lr_scheduler.CosineAnnealingLR(AdamW([p], lr=1.), T_max=10): 1.0, .97552826, …, .5 at 5, .02447174 at 9
    #[test]
    fn the_decays_end_near_zero() {
        assert!((Schedule::Cosine.factor(1, 10, 0) - 0.97552826).abs() < 1e-8);
        assert!((Schedule::Cosine.factor(5, 10, 0) - 0.5).abs() < 1e-12);
        assert!((Schedule::Cosine.factor(9, 10, 0) - 0.02447174).abs() < 1e-8);
        assert!((Schedule::Linear.factor(9, 10, 0) - 0.1).abs() < 1e-12);
        assert_eq!(Schedule::Constant.factor(9, 10, 0), 1.0);
    }

    #[test]
    fn all_warm_up_and_one_step_are_no_trap() {
        for schedule in ALL {
            assert_eq!(schedule.factor(0, 1, 0), 1.0);
            assert!((0..5).all(|step| schedule.factor(step, 5, 5) < 1.0));
            assert_eq!(Schedule::parse(schedule.name()), Some(schedule));
        }
        assert_eq!(Schedule::parse("cosin"), None);
    }

    #[test]
    fn pretraining_rises_and_falls() {
        let rate = |step: usize, warm_up| rise_and_fall(step - 1, 100, warm_up).iter().product::<f64>();
        assert!((rate(5, 0.1) - 0.5 * rate(5, 0.0)).abs() < 1e-12);
        // Half way: 0.05 + 0.95 / 2.
        assert!((rate(50, 0.1) - 0.525).abs() < 1e-12);
        assert!((rate(100, 0.1) - LOWEST).abs() < 1e-12);
    }
}
