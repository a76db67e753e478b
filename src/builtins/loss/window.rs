//! `loss::window`

use super::built;
use crate::bind::prelude::*;
use crate::train::Window;

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
