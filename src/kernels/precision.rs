//! Which numbers matrix products are made of.

/// What the operands of a matrix product are rounded to; its sums, and all that is not a matrix product, stay fp32.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Precision {
    /// Single precision.
    #[default]
    F32,
    /// The 8 leading bits of each operand's mantissa (bfloat16, ties to even).
    Bf16,
}

impl Precision {
    /// As scripts and records call it.
    pub fn name(self) -> &'static str {
        match self {
            Precision::F32 => "fp32",
            Precision::Bf16 => "bf16",
        }
    }

    /// The one of this name.
    pub fn parse(name: &str) -> Option<Precision> {
        [Precision::F32, Precision::Bf16].into_iter().find(|precision| precision.name() == name)
    }
}

/// The nearest number that bfloat16 has, of two equally near the one whose last bit is 0.
#[inline(always)]
pub(crate) fn to_bf16(x: f32) -> f32 {
    let bits = x.to_bits();
    if x.is_nan() {
        return x;
    }
    f32::from_bits(bits.wrapping_add(0x7fff + (bits >> 16 & 1)) & 0xffff_0000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounding_keeps_eight_bits_to_the_nearest_even() {
        let cases = [
            (0x3f80_0000, 0x3f80_0000),
            (0x3f80_7fff, 0x3f80_0000),
            (0x3f80_8000, 0x3f80_0000),
            (0x3f80_8001, 0x3f81_0000),
            (0x3f81_8000, 0x3f82_0000),
            (0xbf81_8000, 0xbf82_0000),
            (0x7f7f_ffff, 0x7f80_0000),
            (0x7f80_0000, 0x7f80_0000),
            (0x8000_0000, 0x8000_0000),
        ];
        for (from, to) in cases {
            assert_eq!(to_bf16(f32::from_bits(from)).to_bits(), to, "{from:x}");
        }
        assert!(to_bf16(f32::from_bits(0x7fff_ffff)).is_nan());
    }

    #[test]
    fn names_are_read_back() {
        for precision in [Precision::F32, Precision::Bf16] {
            assert_eq!(Precision::parse(precision.name()), Some(precision));
        }
        assert_eq!(Precision::parse("fp16"), None);
    }
}
