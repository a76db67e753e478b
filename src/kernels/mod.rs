//! The engine room: matrix products, norms, attention and the optimiser over flat `f32` buffers. What a trunk is made of
//! them lies in `models::trunk`; nothing here knows models beyond their shapes.

#[cfg(target_arch = "x86_64")]
mod amx;
pub(crate) mod attention;
pub(crate) mod dots;
pub(crate) mod entropy;
pub(crate) mod gate;
pub(crate) mod gelu;
pub(crate) mod log_sum;
pub(crate) mod matmul;
pub(crate) mod norm;
pub mod optim;
pub mod packed;
pub mod pages;
pub(crate) mod panel;
mod precision;
pub(crate) mod prepared;
pub(crate) mod rotary;
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

/// The name of the classes of candle's operations.
const CANDLE: &str = "candle";
/// candle's own version: its operations decide bits as well.
const CANDLE_VERSION: &str = "0.11.1";

/// The class and version of what computes on a device: the own kernels in use on `cpu`, elsewhere candle's operations.
///
/// Their class is a version of how they are put together here (raise it whenever that changes bits for equal inputs), the
/// processor family and candle's version, and on `candle` the instructions that its matrix products choose. Within one,
/// equal inputs give equal bits on one machine: blocks of its products are cut by the size of the caches.
pub fn class_on(device: &str) -> &'static str {
    static ELSEWHERE: LazyLock<String> =
        LazyLock::new(|| format!("{CANDLE}-1-{}-{CANDLE_VERSION}", std::env::consts::ARCH));
    static ON_CPU: LazyLock<String> = LazyLock::new(|| {
        // The products' library knows no tiles.
        let instructions = Kernels::best().min(Kernels::Avx512);
        format!("{}-{}", *ELSEWHERE, instructions.name())
    });
    match device {
        "cpu" => kernel_class(),
        "candle" => &ON_CPU,
        _ => &ELSEWHERE,
    }
}

/// A class of kernels as records name it, taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Class<'a> {
    /// The own kernels that it is of; `None` for candle's operations.
    pub kernels: Option<Kernels>,
    /// From 1 on; `None` where there is no number in its place.
    pub version: Option<u32>,
    /// The processor family that it belongs to, where one is named or implied.
    pub family: Option<&'a str>,
}

impl Class<'_> {
    /// What a class of this name is; `None` where this program knows none of that name.
    pub fn parse(class: &str) -> Option<Class<'_>> {
        let mut parts = class.split('-');
        let (name, version, third) = (parts.next()?, parts.next(), parts.next());
        let kernels = kernels_of(name);
        let family = match kernels {
            None if name != CANDLE => return None,
            None | Some(Kernels::Portable) => third,
            Some(_) => Some("x86_64"),
        };
        Some(Class { kernels, version: version.and_then(|version| version.parse().ok()), family })
    }

    /// The class that this program has of the same name.
    pub fn present(self) -> &'static str {
        self.kernels.map_or_else(|| class_on(CANDLE), class_of)
    }
}

/// The kernels that a class is of, of whatever version; `None` where this program knows none of that name.
pub fn kernels_of(class: &str) -> Option<Kernels> {
    let name = class.split('-').next()?;
    KINDS.into_iter().find(|kernels| kernels.name() == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_read_back_and_name_what_computes() {
        for kernels in KINDS {
            let class = Class::parse(class_of(kernels)).expect("it is known");
            assert_eq!((class.kernels, class.present()), (Some(kernels), class_of(kernels)));
        }
        let own = class_on("cpu");
        for device in ["candle", "cuda", "metal"] {
            let class = Class::parse(class_on(device)).expect("it is known");
            assert_eq!((class.kernels, class.version), (None, Some(1)));
            assert_eq!(class.family, Some(std::env::consts::ARCH));
            assert_ne!(class_on(device), own);
        }
        assert_eq!(Class::parse("candle"), Some(Class { kernels: None, version: None, family: None }));
        assert_eq!(Class::parse("fast-1"), None);
    }

    /// Bits of candle's operations belong to one version of candle.
    #[test]
    fn the_class_names_the_version_of_candle_that_is_built_in() {
        let locked = include_str!("../../Cargo.lock");
        let named = format!("name = \"candle-core\"\nversion = \"{CANDLE_VERSION}\"\n");
        assert!(locked.contains(&named), "CANDLE_VERSION is not that of Cargo.lock");
        let nn = named.replace("candle-core", "candle-nn");
        assert!(locked.contains(&nn));
    }
}
