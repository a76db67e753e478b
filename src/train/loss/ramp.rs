//! How long a weight rises linearly from 0 to its full value.

use super::At;

/// The length of a ramp.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Ramp {
    /// A share of the steps.
    Share(f64),
    /// So many steps, however long the training is.
    Steps(usize),
}

impl Ramp {
    /// From 0 at the first step to 1; 1 from the start where it has no length.
    pub fn at(self, at: &At) -> f64 {
        match self {
            Ramp::Share(share) => at.ramp(share),
            Ramp::Steps(0) => 1.0,
            Ramp::Steps(n) => (at.step as f64 / n as f64).min(1.0),
        }
    }

    /// The option that makes it.
    pub fn show(self) -> String {
        match self {
            Ramp::Share(share) => format!("warmup: {share:?}"),
            Ramp::Steps(n) => format!("warmup_steps: {n}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ramp_of_steps_does_not_know_how_many_there_are() {
        for steps in [50, 100, 1000] {
            let at = |step| Ramp::Steps(100).at(&At { step, steps, ..At::default() });
            assert_eq!([at(0), at(25), at(100), at(400)], [0.0, 0.25, 1.0, 1.0]);
        }
        assert_eq!(Ramp::Steps(0).at(&At::default()), 1.0);
        assert_eq!(Ramp::Share(0.2).at(&At { step: 10, steps: 100, ..At::default() }), 0.5);
        assert_eq!([Ramp::Share(0.2).show(), Ramp::Steps(7).show()], ["warmup: 0.2", "warmup_steps: 7"]);
    }
}
