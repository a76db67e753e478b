//! The engine room: matrix products, norms, attention and the optimiser over flat `f32` buffers, and a plain
//! reference to hold them against. What a trunk is made of lies in [`super::model::trunk`]; nothing here knows models
//! beyond their shapes.

pub(crate) mod attention;
pub(crate) mod entropy;
pub(crate) mod gelu;
pub(crate) mod matmul;
pub(crate) mod norm;
pub mod optim;
pub mod pages;
pub(crate) mod panel;
pub mod reference;
pub(crate) mod simd;
mod strip;
pub(crate) mod tasks;

pub use simd::Kernels;
use std::sync::LazyLock;

/// The kernels' class and version: equal inputs give equal bits within one. Raise the version whenever a kernel's bits
/// change for equal inputs. Plain code runs on every processor and its class names the family: only x86-64 treats
/// denormal numbers as zero here, and what the compiler and the system's mathematics make of it differs as well.
pub fn kernel_class() -> &'static str {
    static PORTABLE: LazyLock<String> = LazyLock::new(|| format!("portable-1-{}", std::env::consts::ARCH));
    match Kernels::in_use() {
        Kernels::Avx512 => "avx512-2",
        Kernels::Avx2 => "avx2-1",
        Kernels::Portable => &PORTABLE,
    }
}
