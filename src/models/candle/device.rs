//! Where candle computes, by the name that `--device` gives it.

use crate::models::ModelError;
use candle_core::Device;
use std::sync::OnceLock;

/// The device of a name: `None` for `cpu`, where the own kernels compute and candle does not. A graphics processor is
/// opened once; among several the first is taken (`CUDA_VISIBLE_DEVICES` chooses which that is).
pub fn device(name: &str) -> Result<Option<Device>, ModelError> {
    static CUDA: OnceLock<Result<Device, ModelError>> = OnceLock::new();
    static METAL: OnceLock<Result<Device, ModelError>> = OnceLock::new();
    let opened = |found: candle_core::Result<Device>| {
        let reason = |text: String| match text.contains("CUDA_ERROR_NO_DEVICE") {
            true => "the driver finds no graphics processor".to_owned(),
            false => text,
        };
        found.map_err(|error| ModelError::Device { name: name.to_owned(), reason: reason(plain(&error)) })
    };
    let missing = |feature: &'static str| ModelError::NotBuilt { name: name.to_owned(), feature };
    match name {
        "cpu" => Ok(None),
        "candle" => Ok(Some(Device::Cpu)),
        "cuda" if cfg!(feature = "cuda") => CUDA.get_or_init(|| opened(Device::new_cuda(0))).clone().map(Some),
        "cuda" => Err(missing("cuda")),
        "metal" if cfg!(feature = "metal") => METAL.get_or_init(|| opened(Device::new_metal(0))).clone().map(Some),
        "metal" => Err(missing("metal")),
        _ => Err(ModelError::Device { name: name.to_owned(), reason: "there is no such device".to_owned() }),
    }
}

/// The first line of an error of candle's: below it may stand where in the program it arose.
pub(super) fn plain(error: &candle_core::Error) -> String {
    let text = error.to_string();
    text.lines().next().unwrap_or("unknown error").trim().to_owned()
}

/// The devices of candle's that this build knows and this machine has: `candle`, and whatever card there is.
#[cfg(test)]
pub fn present() -> Vec<(&'static str, Device)> {
    let opened = |name| Some((name, device(name).ok()??));
    ["candle", "cuda", "metal"].into_iter().filter_map(opened).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::explain::Explain;

    #[test]
    fn a_device_is_there_or_its_absence_is_explained() {
        assert!(device("cpu").expect("there").is_none());
        assert!(device("candle").expect("there").is_some_and(|device| device.is_cpu()));
        assert_eq!(present().first().map(|(name, _)| *name), Some("candle"));
        assert_eq!(device("quantum").expect_err("none").code(), "model/device");
        for (name, is_built) in [("cuda", cfg!(feature = "cuda")), ("metal", cfg!(feature = "metal"))] {
            match device(name) {
                Ok(device) => assert!(is_built && device.is_some_and(|device| !device.is_cpu())),
                Err(error) if is_built => assert_eq!(error.code(), "model/device"),
                Err(error) => {
                    let hint = error.hint().expect("the build line");
                    assert!(hint.contains(&format!("--features {name}")), "{hint}");
                }
            }
        }
    }
}
