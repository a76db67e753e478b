//! The engine room: matrix products, norms, attention and the optimiser over flat `f32` buffers. What a trunk is made of
//! them lies in [`super::model::trunk`]; nothing here knows models beyond their shapes.

#[cfg(target_arch = "x86_64")]
mod amx;
pub(crate) mod attention;
pub(crate) mod entropy;
pub(crate) mod gelu;
pub(crate) mod matmul;
pub(crate) mod norm;
pub mod optim;
pub mod pages;
pub(crate) mod panel;
mod precision;
pub(crate) mod prepared;
pub(crate) mod simd;
mod strip;
pub(crate) mod tasks;

pub use precision::Precision;
pub use simd::Kernels;
use std::sync::LazyLock;

/// The class and version of the kernels in use: equal inputs give equal bits within one.
pub fn kernel_class() -> &'static str {
    class_of(Kernels::in_use())
}

/// Every kind of kernels, the best first.
pub const KINDS: [Kernels; 4] = [Kernels::Amx, Kernels::Avx512, Kernels::Avx2, Kernels::Portable];

/// The class of these kernels: their name, a version, and for plain code the processor family. Raise the version whenever
/// a kernel's bits change for equal inputs. Plain code runs on every processor: only x86-64 treats denormal numbers as
/// zero here, and what the compiler and the system's mathematics make of it differs as well.
pub fn class_of(kernels: Kernels) -> &'static str {
    static PORTABLE: LazyLock<String> = LazyLock::new(|| format!("portable-2-{}", std::env::consts::ARCH));
    match kernels {
        Kernels::Amx => "amx-2",
        Kernels::Avx512 => "avx512-3",
        Kernels::Avx2 => "avx2-2",
        Kernels::Portable => &PORTABLE,
    }
}

/// The kernels that a class is of, of whatever version; `None` where this program knows none of that name.
pub fn kernels_of(class: &str) -> Option<Kernels> {
    let name = class.split('-').next()?;
    KINDS.into_iter().find(|kernels| kernels.name() == name)
}
