//! Functions whose last bit decides results: the same on every machine.
//!
//! The standard library's come from the system, whose versions differ in the last bit, even by processor. These are
//! portable code in double precision, correct to within a unit in the last place.

/// e to the power of `x`.
pub fn exp(x: f64) -> f64 {
    libm::exp(x)
}

/// The natural logarithm.
pub fn ln(x: f64) -> f64 {
    libm::log(x)
}

/// ln(1 + x), exact to the last place where `x` is small.
pub fn ln_1p(x: f64) -> f64 {
    libm::log1p(x)
}

/// e^x − 1, exact to the last place where `x` is small.
pub fn exp_m1(x: f64) -> f64 {
    libm::expm1(x)
}

/// The cosine of `x` radians.
pub fn cos(x: f64) -> f64 {
    libm::cos(x)
}

/// The sine of `x` radians.
pub fn sin(x: f64) -> f64 {
    libm::sin(x)
}

/// `x` to the power of `y`.
pub fn pow(x: f64, y: f64) -> f64 {
    libm::pow(x, y)
}

/// The hyperbolic tangent.
pub fn tanh(x: f64) -> f64 {
    libm::tanh(x)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_what_they_are_called() {
        for at in -400..400 {
            let x = f64::from(at) / 37.0;
            for (got, want) in [
                (exp(x), x.exp()),
                (ln(x.abs() + 0.01), (x.abs() + 0.01).ln()),
                (cos(x), x.cos()),
                (sin(x), x.sin()),
                (pow(x.abs() + 0.01, 0.7), (x.abs() + 0.01).powf(0.7)),
                (tanh(x), x.tanh()),
                (ln_1p(x.abs()), x.abs().ln_1p()),
                (exp_m1(x), x.exp_m1()),
            ] {
                assert!((got - want).abs() <= 4.0 * f64::EPSILON * want.abs().max(1e-300), "{x}: {got} {want}");
            }
        }
        assert_eq!((exp(f64::NEG_INFINITY), ln(0.0)), (0.0, f64::NEG_INFINITY));
        assert!(exp(1e4).is_infinite() && ln(-1.0).is_nan());
    }

    // The bits themselves, so that another implementation under the same name is noticed.
    #[test]
    fn their_bits_are_these() {
        let mut hasher = blake3::Hasher::new();
        for at in 1..2000 {
            let x = f64::from(at) / 91.0;
            for value in [exp(-x), ln(x), cos(x), pow(x, -0.3), tanh(x)] {
                hasher.update(&value.to_bits().to_le_bytes());
            }
        }
        assert_eq!(hasher.finalize().to_hex().get(..16), Some("92b41b354af0e8e3"));
    }
}
