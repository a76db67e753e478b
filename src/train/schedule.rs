//! Learning-rate schedules: a linear warm-up, then a decay.
use crate::core::math::cos;

/// What the learning rate does after the warm-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Schedule {
    /// Stays.
    Constant,
    /// Falls on a straight line that reaches 0 one step after the last.
    Linear,
    /// Falls on half a cosine that reaches 0 one step after the last.
    Cosine,
}

impl Schedule {
    /// The schedule called `name`.
    pub fn parse(name: &str) -> Option<Schedule> {
        match name {
            "constant" => Some(Schedule::Constant),
            "linear" => Some(Schedule::Linear),
            "cosine" => Some(Schedule::Cosine),
            _ => None,
        }
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Schedule::Constant => "constant",
            Schedule::Linear => "linear",
            Schedule::Cosine => "cosine",
        }
    }

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
            Schedule::Cosine => 0.5 * (1.0 + cos(std::f64::consts::PI * done)),
        }
    }
}

#[cfg(test)]
mod tests {
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
}
