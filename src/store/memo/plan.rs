//! How long work would take, told from how long such work took.

use crate::core::context::Context;
use crate::kernels::{Precision, class_on};
use crate::models::candle;
use crate::models::trunk::{self, Packed, Tape};
use crate::models::{Model, ladder};
use crate::store::{Store, StoreError};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Earlier results that an estimate is the median of, those nearest in size: chosen.
const NEAREST: usize = 9;

/// The least time that the measurement of this machine takes: chosen.
const LONG_ENOUGH: Duration = Duration::from_millis(50);

/// Tokens of a row and rows of the measurement: chosen, as in the generated world's tasks.
const TOKENS: usize = 12;
const ROWS: usize = 128;

/// How long operations took on this kind of machine, as the store remembers.
#[derive(Debug, Default)]
pub struct Past {
    /// Work in floating-point operations, and seconds, by operation.
    known: BTreeMap<String, Vec<(f64, f64)>>,
    /// Floating-point operations per second of this machine, once it was measured.
    rate: Option<f64>,
}

/// About how long something takes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Estimate {
    /// Seconds: the median of earlier results of the same operation and the nearest sizes.
    Remembered(f64),
    /// Seconds, from a short measurement of this machine's forward pass through a small model.
    Measured(f64),
}

impl Estimate {
    pub fn seconds(self) -> f64 {
        match self {
            Estimate::Remembered(seconds) | Estimate::Measured(seconds) => seconds,
        }
    }
}

impl Past {
    /// What the store remembers of this device and class of kernels.
    pub fn of(ctx: &Context) -> Result<Past, StoreError> {
        let mut past = Past::default();
        let device = ctx.settings.device.as_str();
        let here = (device, class_on(device));
        for manifest in Store::of(ctx).results()?.into_iter().filter_map(|listed| listed.manifest.ok()) {
            if (manifest.device.as_str(), manifest.kernels.as_str()) == here {
                past.note(&manifest.operation, manifest.work, manifest.seconds);
            }
        }
        Ok(past)
    }

    fn note(&mut self, operation: &str, work: f64, seconds: f64) {
        if work > 0.0 && work.is_finite() && seconds >= 0.0 {
            self.known.entry(operation.to_owned()).or_default().push((work, seconds));
        }
    }

    /// About how long `operation` takes for so much work.
    pub fn estimate(&mut self, operation: &str, work: f64, ctx: &Context) -> Estimate {
        let work = work.max(1.0);
        if let Some(known) = self.known.get(operation) {
            let mut near: Vec<(f64, f64)> =
                known.iter().map(|(of, seconds)| ((of / work).ln().abs(), seconds / of)).collect();
            near.sort_by(|one, other| one.0.total_cmp(&other.0));
            near.truncate(NEAREST);
            let mut rates: Vec<f64> = near.into_iter().map(|(_, rate)| rate).collect();
            rates.sort_by(f64::total_cmp);
            if let Some(rate) = rates.get(rates.len() / 2) {
                return Estimate::Remembered(rate * work);
            }
        }
        let rate = *self.rate.get_or_insert_with(|| measured(ctx).unwrap_or(f64::INFINITY));
        Estimate::Measured(work / rate)
    }
}

/// Floating-point operations per second of a forward pass of a model of the generated world's ladder.
fn measured(ctx: &Context) -> Option<f64> {
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
    fn an_estimate_is_the_median_of_the_nearest_sizes_or_is_measured() {
        let ctx = Context::for_tests();
        let mut past = Past::default();
        for (work, seconds) in [(1e6, 9.0), (1e9, 1.0), (1e9, 1.2), (1e9, 50.0)] {
            past.note("finetune", work, seconds);
        }
        for _ in 0..NEAREST {
            past.note("finetune", 1e12, 100.0);
        }
        assert_eq!(past.estimate("finetune", 2e12, &ctx), Estimate::Remembered(200.0));
        past.known.get_mut("finetune").expect("noted").truncate(4);
        let near = past.estimate("finetune", 1e9, &ctx).seconds();
        assert!((1.2..=50.0).contains(&near), "{near}");
        let Estimate::Measured(seconds) = past.estimate("predict", 1e9, &ctx) else { panic!("nothing is known of it") };
        assert!(seconds > 0.0 && seconds < 60.0, "{seconds}");
    }
}
