//! How long work would take, told from how long such work took.

use crate::core::context::Context;
use crate::kernels::class_on;
use crate::store::{Store, StoreError};
use std::collections::BTreeMap;

/// Earlier results that an estimate is the median of, those nearest in size. Arbitrary.
const NEAREST: usize = 9;

/// How long operations took on this kind of machine, as the store remembers.
#[derive(Debug, Default)]
pub struct Past {
    /// Work in floating-point operations, and seconds, by operation.
    known: BTreeMap<String, Vec<(f64, f64)>>,
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

    /// About how many seconds `operation` takes for so much work: the median of earlier results of the nearest sizes. `None`
    /// where there is no such result.
    pub fn seconds(&self, operation: &str, work: f64) -> Option<f64> {
        let work = work.max(1.0);
        let known = self.known.get(operation)?;
        let mut near: Vec<(f64, f64)> =
            known.iter().map(|(of, seconds)| ((of / work).ln().abs(), seconds / of)).collect();
        near.sort_by(|one, other| one.0.total_cmp(&other.0));
        near.truncate(NEAREST);
        let mut rates: Vec<f64> = near.into_iter().map(|(_, rate)| rate).collect();
        rates.sort_by(f64::total_cmp);
        rates.get(rates.len() / 2).map(|rate| rate * work)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_estimate_is_the_median_of_the_nearest_sizes() {
        let mut past = Past::default();
        for (work, seconds) in [(1e6, 9.0), (1e9, 1.0), (1e9, 1.2), (1e9, 50.0)] {
            past.note("finetune", work, seconds);
        }
        for _ in 0..NEAREST {
            past.note("finetune", 1e12, 100.0);
        }
        assert_eq!(past.seconds("finetune", 2e12), Some(200.0));
        past.known.get_mut("finetune").expect("noted").truncate(4);
        let near = past.seconds("finetune", 1e9).expect("known");
        assert!((1.2..=50.0).contains(&near), "{near}");
        assert_eq!(past.seconds("predict", 1e9), None);
    }
}
