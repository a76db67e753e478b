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

/// The kernels' class and version: equal inputs give equal bits within one. Raise the version whenever a kernel's bits
/// change for equal inputs.
pub fn kernel_class() -> &'static str {
    match Kernels::in_use() {
        Kernels::Avx512 => "avx512-2",
        Kernels::Avx2 => "avx2-1",
        Kernels::Portable => "portable-1",
    }
}
