//! Sixteen lanes at a time, on whatever the processor has.
//!
//! A kernel is written once over [`Simd`] and compiled for AVX-512, for AVX2 with FMA, and plainly (which the compiler
//! vectorises as far as the target allows, NEON included); [`dispatch`] makes the entry that chooses at run time. All
//! three have sixteen lanes and sum them in the same order, so they differ only in whether a product is rounded before it
//! is added.

/// Lanes of a vector.
pub(crate) const LANES: usize = 16;

/// Vector operations. Pointers need no alignment; `load`/`store` touch sixteen floats, `load_n`/`store_n` the first `n`.
///
/// # Safety
/// Callers guarantee that the pointers may be read or written so far, and that the processor has the instructions.
pub(crate) trait Simd: Copy {
    type V: Copy;
    /// How many vectors of columns a matrix tile holds at once.
    const COLS: usize;

    unsafe fn splat(x: f32) -> Self::V;
    unsafe fn load(from: *const f32) -> Self::V;
    unsafe fn store(to: *mut f32, v: Self::V);
    unsafe fn load_n(from: *const f32, n: usize) -> Self::V;
    unsafe fn store_n(to: *mut f32, n: usize, v: Self::V);
    unsafe fn add(a: Self::V, b: Self::V) -> Self::V;
    unsafe fn sub(a: Self::V, b: Self::V) -> Self::V;
    unsafe fn mul(a: Self::V, b: Self::V) -> Self::V;
    unsafe fn div(a: Self::V, b: Self::V) -> Self::V;
    /// `a * b + c`.
    unsafe fn fma(a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    unsafe fn max(a: Self::V, b: Self::V) -> Self::V;
    unsafe fn min(a: Self::V, b: Self::V) -> Self::V;
    unsafe fn sqrt(a: Self::V) -> Self::V;
    /// `1 / a` for `a > 0`, to about 1e-7 relative.
    #[inline(always)]
    unsafe fn reciprocal(a: Self::V) -> Self::V {
        unsafe { Self::div(Self::splat(1.0), a) }
    }
    /// `1 / sqrt(a)` for normal `a > 0`, to about 1e-7 relative.
    #[inline(always)]
    unsafe fn reciprocal_sqrt(a: Self::V) -> Self::V {
        unsafe { Self::div(Self::splat(1.0), Self::sqrt(a)) }
    }
    /// Asks for the cache line at `at`, which may be any address.
    #[inline(always)]
    fn prefetch(_at: *const f32) {}
    /// To the nearest integer; |a| below 2^22.
    unsafe fn round(a: Self::V) -> Self::V;
    /// `a * 2^n` for whole `n` in -126..=127.
    unsafe fn scale2(a: Self::V, n: Self::V) -> Self::V;
    /// Lane by lane: `a < b ? x : y`.
    unsafe fn select_lt(a: Self::V, b: Self::V, x: Self::V, y: Self::V) -> Self::V;
    /// The lanes as an array.
    unsafe fn to_array(a: Self::V) -> [f32; LANES] {
        let mut lanes = [0.0; LANES];
        unsafe { Self::store(lanes.as_mut_ptr(), a) };
        lanes
    }

    /// The sum of the lanes: halves folded onto each other, 8, 4, 2, 1.
    #[inline(always)]
    unsafe fn sum(a: Self::V) -> f32 {
        let mut lanes = unsafe { Self::to_array(a) };
        for half in [8, 4, 2, 1] {
            for lane in 0..half {
                lanes[lane] += lanes[lane + half];
            }
        }
        lanes[0]
    }

    /// Transposes `rows` rows of sixteen floats into `cols` rows of `rows` floats (both at most sixteen).
    #[inline(always)]
    unsafe fn transpose(from: *const f32, stride: usize, rows: usize, to: *mut f32, to_stride: usize, cols: usize) {
        for col in 0..cols {
            for row in 0..rows {
                unsafe { *to.add(col * to_stride + row) = *from.add(row * stride + col) };
            }
        }
    }

    /// `e^x` to about 1e-7 relative (Cephes' `expf`); 0 below -87, so that nothing becomes denormal; x at most 88.
    #[inline(always)]
    unsafe fn exp(x: Self::V) -> Self::V {
        unsafe {
            let low = Self::splat(-87.0);
            let clamped = Self::min(Self::max(x, low), Self::splat(88.0));
            let n = Self::round(Self::mul(clamped, Self::splat(std::f32::consts::LOG2_E)));
            // ln 2 in two parts, the first exact in few bits.
            let r = Self::fma(n, Self::splat(-0.693_359_4), clamped);
            let r = Self::fma(n, Self::splat(2.121_944_4e-4), r);
            let mut y = Self::splat(1.987_569_1e-4);
            for coefficient in [1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5] {
                y = Self::fma(y, r, Self::splat(coefficient));
            }
            let y = Self::add(Self::fma(Self::mul(r, r), y, r), Self::splat(1.0));
            Self::select_lt(x, low, Self::splat(0.0), Self::scale2(y, n))
        }
    }
}

/// Arrays of sixteen, for the compiler to vectorise.
#[derive(Clone, Copy)]
pub(crate) struct Plain;

/// Adding this rounds to an integer in the low bits of the mantissa.
const MAGIC: f32 = 12_582_912.0;

#[inline(always)]
fn zip(a: [f32; LANES], b: [f32; LANES], op: impl Fn(f32, f32) -> f32) -> [f32; LANES] {
    std::array::from_fn(|lane| op(a[lane], b[lane]))
}

impl Simd for Plain {
    type V = [f32; LANES];
    const COLS: usize = 1;

    #[inline(always)]
    unsafe fn splat(x: f32) -> Self::V {
        [x; LANES]
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self::V {
        unsafe { from.cast::<Self::V>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn store(to: *mut f32, v: Self::V) {
        unsafe { to.cast::<Self::V>().write_unaligned(v) }
    }
    #[inline(always)]
    unsafe fn load_n(from: *const f32, n: usize) -> Self::V {
        std::array::from_fn(|lane| if lane < n { unsafe { *from.add(lane) } } else { 0.0 })
    }
    #[inline(always)]
    unsafe fn store_n(to: *mut f32, n: usize, v: Self::V) {
        for (lane, &value) in v.iter().enumerate().take(n) {
            unsafe { *to.add(lane) = value };
        }
    }
    #[inline(always)]
    unsafe fn add(a: Self::V, b: Self::V) -> Self::V {
        zip(a, b, |a, b| a + b)
    }
    #[inline(always)]
    unsafe fn sub(a: Self::V, b: Self::V) -> Self::V {
        zip(a, b, |a, b| a - b)
    }
    #[inline(always)]
    unsafe fn mul(a: Self::V, b: Self::V) -> Self::V {
        zip(a, b, |a, b| a * b)
    }
    #[inline(always)]
    unsafe fn div(a: Self::V, b: Self::V) -> Self::V {
        zip(a, b, |a, b| a / b)
    }
    #[inline(always)]
    unsafe fn fma(a: Self::V, b: Self::V, c: Self::V) -> Self::V {
        // Without the instruction `mul_add` would be a library call.
        if cfg!(target_arch = "aarch64") {
            std::array::from_fn(|lane| a[lane].mul_add(b[lane], c[lane]))
        } else {
            std::array::from_fn(|lane| a[lane] * b[lane] + c[lane])
        }
    }
    #[inline(always)]
    unsafe fn max(a: Self::V, b: Self::V) -> Self::V {
        zip(a, b, |a, b| if a > b { a } else { b })
    }
    #[inline(always)]
    unsafe fn min(a: Self::V, b: Self::V) -> Self::V {
        zip(a, b, |a, b| if a < b { a } else { b })
    }
    #[inline(always)]
    unsafe fn sqrt(a: Self::V) -> Self::V {
        a.map(f32::sqrt)
    }
    #[inline(always)]
    unsafe fn round(a: Self::V) -> Self::V {
        a.map(|a| (a + MAGIC) - MAGIC)
    }
    #[inline(always)]
    unsafe fn scale2(a: Self::V, n: Self::V) -> Self::V {
        zip(a, n, |a, n| a * f32::from_bits((n + MAGIC).to_bits().wrapping_add(127) << 23))
    }
    #[inline(always)]
    unsafe fn select_lt(a: Self::V, b: Self::V, x: Self::V, y: Self::V) -> Self::V {
        std::array::from_fn(|lane| if a[lane] < b[lane] { x[lane] } else { y[lane] })
    }
}

#[cfg(target_arch = "x86_64")]
pub(crate) use x86::{Avx2, Avx512, turn};

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::{LANES, Simd};
    use std::arch::x86_64::*;

    /// The transpose of 16 vectors.
    #[target_feature(enable = "avx512f")]
    #[inline]
    pub(crate) fn turn(r: &mut [__m512; LANES]) {
        let mut t = [_mm512_setzero_ps(); LANES];
        // Pairs of rows, then fours: each quarter register then holds four rows of one column.
        for i in 0..8 {
            t[2 * i] = _mm512_unpacklo_ps(r[2 * i], r[2 * i + 1]);
            t[2 * i + 1] = _mm512_unpackhi_ps(r[2 * i], r[2 * i + 1]);
        }
        for i in 0..4 {
            let (a, b, c, d) = (t[4 * i], t[4 * i + 1], t[4 * i + 2], t[4 * i + 3]);
            r[4 * i] = _mm512_shuffle_ps::<0x44>(a, c);
            r[4 * i + 1] = _mm512_shuffle_ps::<0xee>(a, c);
            r[4 * i + 2] = _mm512_shuffle_ps::<0x44>(b, d);
            r[4 * i + 3] = _mm512_shuffle_ps::<0xee>(b, d);
        }
        for i in 0..4 {
            t[i] = _mm512_shuffle_f32x4::<0x88>(r[i], r[4 + i]);
            t[4 + i] = _mm512_shuffle_f32x4::<0xdd>(r[i], r[4 + i]);
            t[8 + i] = _mm512_shuffle_f32x4::<0x88>(r[8 + i], r[12 + i]);
            t[12 + i] = _mm512_shuffle_f32x4::<0xdd>(r[8 + i], r[12 + i]);
        }
        for i in 0..4 {
            r[i] = _mm512_shuffle_f32x4::<0x88>(t[i], t[8 + i]);
            r[8 + i] = _mm512_shuffle_f32x4::<0xdd>(t[i], t[8 + i]);
            r[4 + i] = _mm512_shuffle_f32x4::<0x88>(t[4 + i], t[12 + i]);
            r[12 + i] = _mm512_shuffle_f32x4::<0xdd>(t[4 + i], t[12 + i]);
        }
    }

    /// One 512-bit register.
    #[derive(Clone, Copy)]
    pub(crate) struct Avx512;

    #[inline(always)]
    fn mask(n: usize) -> __mmask16 {
        if n >= LANES { !0 } else { (1 << n) - 1 }
    }

    impl Simd for Avx512 {
        type V = __m512;
        const COLS: usize = 4;

        #[inline(always)]
        unsafe fn splat(x: f32) -> __m512 {
            unsafe { _mm512_set1_ps(x) }
        }
        #[inline(always)]
        unsafe fn load(from: *const f32) -> __m512 {
            unsafe { _mm512_loadu_ps(from) }
        }
        #[inline(always)]
        unsafe fn store(to: *mut f32, v: __m512) {
            unsafe { _mm512_storeu_ps(to, v) }
        }
        #[inline(always)]
        unsafe fn load_n(from: *const f32, n: usize) -> __m512 {
            unsafe { _mm512_maskz_loadu_ps(mask(n), from) }
        }
        #[inline(always)]
        unsafe fn store_n(to: *mut f32, n: usize, v: __m512) {
            unsafe { _mm512_mask_storeu_ps(to, mask(n), v) }
        }
        #[inline(always)]
        unsafe fn add(a: __m512, b: __m512) -> __m512 {
            unsafe { _mm512_add_ps(a, b) }
        }
        #[inline(always)]
        unsafe fn sub(a: __m512, b: __m512) -> __m512 {
            unsafe { _mm512_sub_ps(a, b) }
        }
        #[inline(always)]
        unsafe fn mul(a: __m512, b: __m512) -> __m512 {
            unsafe { _mm512_mul_ps(a, b) }
        }
        #[inline(always)]
        unsafe fn div(a: __m512, b: __m512) -> __m512 {
            unsafe { _mm512_div_ps(a, b) }
        }
        #[inline(always)]
        unsafe fn fma(a: __m512, b: __m512, c: __m512) -> __m512 {
            unsafe { _mm512_fmadd_ps(a, b, c) }
        }
        #[inline(always)]
        unsafe fn max(a: __m512, b: __m512) -> __m512 {
            unsafe { _mm512_max_ps(a, b) }
        }
        #[inline(always)]
        unsafe fn min(a: __m512, b: __m512) -> __m512 {
            unsafe { _mm512_min_ps(a, b) }
        }
        #[inline(always)]
        unsafe fn sqrt(a: __m512) -> __m512 {
            unsafe { _mm512_sqrt_ps(a) }
        }
        #[inline(always)]
        fn prefetch(at: *const f32) {
            // Safety: a prefetch never faults.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(at.cast()) };
        }
        // Both start from 14 bits and take one step of Newton's: several times cheaper than the exact instructions.
        #[inline(always)]
        unsafe fn reciprocal(a: __m512) -> __m512 {
            unsafe {
                let r = _mm512_rcp14_ps(a);
                _mm512_mul_ps(r, _mm512_fnmadd_ps(a, r, _mm512_set1_ps(2.0)))
            }
        }
        #[inline(always)]
        unsafe fn reciprocal_sqrt(a: __m512) -> __m512 {
            unsafe {
                let r = _mm512_rsqrt14_ps(a);
                let half = _mm512_mul_ps(a, _mm512_set1_ps(0.5));
                let step = _mm512_fnmadd_ps(_mm512_mul_ps(half, r), r, _mm512_set1_ps(1.5));
                _mm512_mul_ps(r, step)
            }
        }
        #[inline(always)]
        unsafe fn round(a: __m512) -> __m512 {
            unsafe { _mm512_roundscale_ps::<0>(a) }
        }
        #[inline(always)]
        unsafe fn scale2(a: __m512, n: __m512) -> __m512 {
            unsafe { _mm512_scalef_ps(a, n) }
        }
        #[inline(always)]
        unsafe fn select_lt(a: __m512, b: __m512, x: __m512, y: __m512) -> __m512 {
            unsafe { _mm512_mask_blend_ps(_mm512_cmp_ps_mask::<_CMP_LT_OQ>(a, b), y, x) }
        }
        #[inline(always)]
        unsafe fn sum(a: __m512) -> f32 {
            unsafe {
                let high = _mm512_castps512_ps256(_mm512_shuffle_f32x4::<0b_01_00_11_10>(a, a));
                let a = _mm256_add_ps(_mm512_castps512_ps256(a), high);
                let a = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps::<1>(a));
                let a = _mm_add_ps(a, _mm_movehl_ps(a, a));
                _mm_cvtss_f32(_mm_add_ss(a, _mm_movehdup_ps(a)))
            }
        }

        #[inline(always)]
        unsafe fn transpose(from: *const f32, stride: usize, rows: usize, to: *mut f32, to_stride: usize, cols: usize) {
            unsafe {
                let mut r = [_mm512_setzero_ps(); LANES];
                for (row, r) in r.iter_mut().enumerate() {
                    if row < rows {
                        *r = _mm512_loadu_ps(from.add(row * stride));
                    }
                }
                turn(&mut r);
                if rows == LANES && cols == LANES {
                    for (col, r) in r.iter().enumerate() {
                        _mm512_storeu_ps(to.add(col * to_stride), *r);
                    }
                } else {
                    let mask = mask(rows);
                    for (col, r) in r.iter().enumerate() {
                        if col < cols {
                            _mm512_mask_storeu_ps(to.add(col * to_stride), mask, *r);
                        }
                    }
                }
            }
        }
    }

    /// Two 256-bit registers.
    #[derive(Clone, Copy)]
    pub(crate) struct Avx2;

    #[inline(always)]
    unsafe fn both(a: [__m256; 2], b: [__m256; 2], op: impl Fn(__m256, __m256) -> __m256) -> [__m256; 2] {
        [op(a[0], b[0]), op(a[1], b[1])]
    }

    impl Simd for Avx2 {
        type V = [__m256; 2];
        const COLS: usize = 1;

        #[inline(always)]
        unsafe fn splat(x: f32) -> Self::V {
            unsafe { [_mm256_set1_ps(x); 2] }
        }
        #[inline(always)]
        unsafe fn load(from: *const f32) -> Self::V {
            unsafe { [_mm256_loadu_ps(from), _mm256_loadu_ps(from.add(8))] }
        }
        #[inline(always)]
        unsafe fn store(to: *mut f32, v: Self::V) {
            unsafe {
                _mm256_storeu_ps(to, v[0]);
                _mm256_storeu_ps(to.add(8), v[1]);
            }
        }
        #[inline(always)]
        unsafe fn load_n(from: *const f32, n: usize) -> Self::V {
            let mut lanes = [0.0f32; LANES];
            unsafe {
                std::ptr::copy_nonoverlapping(from, lanes.as_mut_ptr(), n.min(LANES));
                Self::load(lanes.as_ptr())
            }
        }
        #[inline(always)]
        unsafe fn store_n(to: *mut f32, n: usize, v: Self::V) {
            let mut lanes = [0.0f32; LANES];
            unsafe {
                Self::store(lanes.as_mut_ptr(), v);
                std::ptr::copy_nonoverlapping(lanes.as_ptr(), to, n.min(LANES));
            }
        }
        #[inline(always)]
        unsafe fn add(a: Self::V, b: Self::V) -> Self::V {
            unsafe { both(a, b, |a, b| _mm256_add_ps(a, b)) }
        }
        #[inline(always)]
        unsafe fn sub(a: Self::V, b: Self::V) -> Self::V {
            unsafe { both(a, b, |a, b| _mm256_sub_ps(a, b)) }
        }
        #[inline(always)]
        unsafe fn mul(a: Self::V, b: Self::V) -> Self::V {
            unsafe { both(a, b, |a, b| _mm256_mul_ps(a, b)) }
        }
        #[inline(always)]
        unsafe fn div(a: Self::V, b: Self::V) -> Self::V {
            unsafe { both(a, b, |a, b| _mm256_div_ps(a, b)) }
        }
        #[inline(always)]
        unsafe fn fma(a: Self::V, b: Self::V, c: Self::V) -> Self::V {
            unsafe { [_mm256_fmadd_ps(a[0], b[0], c[0]), _mm256_fmadd_ps(a[1], b[1], c[1])] }
        }
        #[inline(always)]
        unsafe fn max(a: Self::V, b: Self::V) -> Self::V {
            unsafe { both(a, b, |a, b| _mm256_max_ps(a, b)) }
        }
        #[inline(always)]
        unsafe fn min(a: Self::V, b: Self::V) -> Self::V {
            unsafe { both(a, b, |a, b| _mm256_min_ps(a, b)) }
        }
        #[inline(always)]
        unsafe fn sqrt(a: Self::V) -> Self::V {
            unsafe { [_mm256_sqrt_ps(a[0]), _mm256_sqrt_ps(a[1])] }
        }
        #[inline(always)]
        unsafe fn round(a: Self::V) -> Self::V {
            unsafe { [_mm256_round_ps::<8>(a[0]), _mm256_round_ps::<8>(a[1])] }
        }
        #[inline(always)]
        unsafe fn scale2(a: Self::V, n: Self::V) -> Self::V {
            unsafe {
                both(a, n, |a, n| {
                    let power =
                        _mm256_slli_epi32::<23>(_mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127)));
                    _mm256_mul_ps(a, _mm256_castsi256_ps(power))
                })
            }
        }
        #[inline(always)]
        unsafe fn select_lt(a: Self::V, b: Self::V, x: Self::V, y: Self::V) -> Self::V {
            unsafe {
                let pick = |i: usize| _mm256_blendv_ps(y[i], x[i], _mm256_cmp_ps::<_CMP_LT_OQ>(a[i], b[i]));
                [pick(0), pick(1)]
            }
        }
    }
}

/// Makes `unsafe fn name(args)` that runs `generic::<S>(args)` on the best instructions the processor has.
macro_rules! dispatch {
    ($(#[$meta:meta])* $name:ident = $generic:ident($($arg:ident: $ty:ty),* $(,)?)) => {
        $(#[$meta])*
        #[inline]
        pub(crate) unsafe fn $name($($arg: $ty),*) {
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx512f,avx2,fma")]
                unsafe fn avx512($($arg: $ty),*) {
                    unsafe { $generic::<$crate::kernels::simd::Avx512>($($arg),*) }
                }
                #[target_feature(enable = "avx2,fma")]
                unsafe fn avx2($($arg: $ty),*) {
                    unsafe { $generic::<$crate::kernels::simd::Avx2>($($arg),*) }
                }
                match $crate::kernels::simd::Kernels::in_use() {
                    $crate::kernels::simd::Kernels::Amx | $crate::kernels::simd::Kernels::Avx512 => {
                        return unsafe { avx512($($arg),*) };
                    }
                    $crate::kernels::simd::Kernels::Avx2 => return unsafe { avx2($($arg),*) },
                    $crate::kernels::simd::Kernels::Portable => {}
                }
            }
            unsafe { $generic::<$crate::kernels::simd::Plain>($($arg),*) }
        }
    };
}
pub(crate) use dispatch;

/// Which set of kernels computes; each next one needs what the one before it needs, and more. Results differ between them
/// in the last bits, so the class is part of whatever names a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kernels {
    /// What the compiler makes of plain code: the slowest, and on every processor.
    Portable,
    Avx2,
    Avx512,
    /// AVX-512, and large matrix products on tiles.
    Amx,
}

/// Chosen once for the process.
static IN_USE: std::sync::OnceLock<Kernels> = std::sync::OnceLock::new();

impl Kernels {
    /// The best that the processor has.
    pub fn best() -> Kernels {
        #[cfg(target_arch = "x86_64")]
        {
            if super::amx::is_there() {
                return Kernels::Amx;
            }
            if std::arch::is_x86_feature_detected!("avx512f") {
                return Kernels::Avx512;
            }
            if std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma") {
                return Kernels::Avx2;
            }
        }
        Kernels::Portable
    }

    /// Chooses for the whole process, before anything is computed. `false` if the processor lacks them or something was
    /// chosen before.
    pub fn choose(self) -> bool {
        self <= Kernels::best() && *IN_USE.get_or_init(|| self) == self
    }

    /// What computes in this process: the best, unless another set was chosen.
    #[inline]
    pub fn in_use() -> Kernels {
        *IN_USE.get_or_init(Kernels::by_default)
    }

    #[cfg(not(test))]
    fn by_default() -> Kernels {
        Kernels::best()
    }

    /// Unit tests run on the kernels that `W2S_TEST_KERNELS` names, so that those of other processors are tested here.
    #[cfg(test)]
    fn by_default() -> Kernels {
        let Ok(name) = std::env::var("W2S_TEST_KERNELS") else { return Kernels::best() };
        let named = super::KINDS.into_iter().find(|kernels| kernels.name() == name).expect("the name of kernels");
        assert!(named <= Kernels::best(), "this processor has no kernels `{name}`");
        named
    }

    /// As keys and records call it.
    pub fn name(self) -> &'static str {
        match self {
            Kernels::Amx => "amx",
            Kernels::Avx512 => "avx512",
            Kernels::Avx2 => "avx2",
            Kernels::Portable => "portable",
        }
    }
}

/// While it lives, this thread treats denormal numbers as zero (x86-64; elsewhere it does nothing). Saturated softmax and
/// GELU would otherwise run many times slower.
pub(crate) struct FlushDenormals {
    #[cfg(target_arch = "x86_64")]
    before: u32,
}

impl FlushDenormals {
    pub(crate) fn new() -> Self {
        #[cfg(target_arch = "x86_64")]
        {
            let mut before = 0u32;
            // Safety: reads and writes this thread's floating-point control word; only FTZ (bit 15) and DAZ (bit 6) change.
            unsafe {
                std::arch::asm!("stmxcsr [{}]", in(reg) &raw mut before, options(nostack, preserves_flags));
                let during = before | 0x8040;
                std::arch::asm!("ldmxcsr [{}]", in(reg) &raw const during, options(nostack, preserves_flags));
            }
            FlushDenormals { before }
        }
        #[cfg(not(target_arch = "x86_64"))]
        FlushDenormals {}
    }
}

impl Drop for FlushDenormals {
    fn drop(&mut self) {
        // Safety: puts back what `new` read.
        #[cfg(target_arch = "x86_64")]
        unsafe {
            std::arch::asm!("ldmxcsr [{}]", in(reg) &raw const self.before, options(nostack, preserves_flags));
        }
    }
}
