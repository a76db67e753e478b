//! How fast this machine computes, from a short measurement: what a plan tells where nothing is remembered.

use super::trunk::{self, Packed, Tape};
use super::{Model, candle, ladder};
use crate::core::context::Context;
use crate::kernels::Precision;
use std::time::{Duration, Instant};

/// The least time that the measurement takes. Arbitrary.
const LONG_ENOUGH: Duration = Duration::from_millis(50);

/// Tokens of a row and rows of the measurement, as in the generated world's tasks.
const TOKENS: usize = 12;
const ROWS: usize = 128;

/// Floating-point operations per second of a forward pass of a model of the generated world's ladder, on the context's device.
pub fn flops_per_second(ctx: &Context) -> Option<f64> {
    let models: Vec<Model> = ladder("world", ctx).ok()?;
    let model = models.get(models.len() / 2)?;
    let (arch, params) = (&model.inner.arch, &model.inner.params.values);
    let n_tokens = TOKENS.min(arch.context()) * ROWS;
    let packed = Packed {
        tokens: (0..n_tokens).map(|at| (at % arch.vocab()) as u32).collect(),
        offsets: (0..=ROWS).map(|row| row * n_tokens / ROWS).collect(),
    };
    trunk::check(arch, params, &packed).ok()?;
    let device = candle::device(&ctx.settings.device).ok()?;
    let mut tape = Tape::new();
    let mut pass = || match &device {
        None => Some(trunk::features(arch, params, &packed, &mut tape)),
        Some(on) => candle::read(arch, params, Precision::F32, &packed, on, &ctx.interrupt, &|_| ()).ok(),
    };
    // The first pass makes the buffers.
    pass()?;
    let (started, mut n_passes) = (Instant::now(), 0u32);
    while started.elapsed() < LONG_ENOUGH {
        pass()?;
        n_passes += 1;
    }
    let work = 2.0 * model.n_params() as f64 * n_tokens as f64 * f64::from(n_passes);
    Some(work / started.elapsed().as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_processor_computes_more_than_a_million_operations_a_second() {
        let rate = flops_per_second(&Context::for_tests()).expect("the ladder comes with the program");
        assert!(rate > 1e6 && rate < 1e16, "{rate}");
    }
}
