//! Large matrix products with AVX-512: strips of 14 rows × 2 vectors of columns, the sums in 28 of the 32 registers.
//!
//! A strip of the left operand is packed, so that it stays in a first-level cache while it meets a group of panels; the
//! group's slice stays in a second-level cache while strip after strip meets it. The compiler spills 28 sums, so the
//! inner loop is written out. What is computed is the same as in [`super::matmul`]: each output is summed along the inner
//! dimension in order, slice by slice, and slices follow from the shape alone.

use super::Precision;
#[cfg(target_arch = "x86_64")]
use super::amx;
use super::gelu::Activation;
use super::matmul::{Tile, block};
use super::panel::PANEL;
use super::simd::{Kernels, LANES};
use super::tasks::tasks;
use std::cell::Cell;

/// Rows of a strip: with two vectors of columns, as many as registers hold.
pub(crate) const STRIP: usize = 14;
/// The longest slice of the inner dimension. Arbitrary: a strip of it takes half of a first-level cache; for tiles from 64 to 768:
/// see LOG.md.
const SLICE: usize = 384;
/// Floats from one packed row to the next. Not a power of two, so that rows do not meet in the same lines of the cache.
const STRIDE: usize = 400;
/// Panels of a group. Arbitrary: their slice (0.8 MB) stays in a second-level cache.
const GROUP: usize = 8;
/// Strips of a task.
const STRIPS: usize = 14;

/// Whether a product of this shape is worth packing, and this processor has the instructions.
pub(crate) fn suits(rows: usize, depth: usize, cols: usize) -> bool {
    match Kernels::in_use() {
        Kernels::Amx => rows >= 64 && depth >= 64 && cols >= PANEL,
        Kernels::Avx512 => rows >= 8 * STRIP && depth >= 128 && cols >= 2 * PANEL,
        Kernels::Avx2 | Kernels::Portable => false,
    }
}

#[cfg(target_arch = "x86_64")]
pub(crate) use super::amx::{Ready, Shelf};
/// A left operand packed for many products: no kernel of this processor takes one.
#[cfg(not(target_arch = "x86_64"))]
pub(crate) enum Ready {}
/// Where it would go.
#[cfg(not(target_arch = "x86_64"))]
#[derive(Default)]
pub(crate) struct Shelf;

/// A row-major left operand packed for all its products, where that is worth it and the kernels in use take one. Products
/// with it go through the large kernel however few their columns are.
#[cfg_attr(not(target_arch = "x86_64"), allow(unused_variables))]
pub(crate) fn ready(
    values: &[f32],
    rows: usize,
    depth: usize,
    precision: Precision,
    shelf: &mut Shelf,
) -> Option<Ready> {
    #[cfg(target_arch = "x86_64")]
    if Kernels::in_use() == Kernels::Amx && suits(rows, depth, PANEL) {
        return Some(Ready::new(values, rows, depth, precision, shelf));
    }
    None
}

/// A product of `rows × depth` and `depth × columns`, these in panels.
#[derive(Clone, Copy)]
pub(crate) struct Shape {
    pub rows: usize,
    pub depth: usize,
    /// To whole vectors or not: as the last panel's [`Tile`] says.
    pub columns: usize,
    /// What becomes of the sums; only where [`packs_both`].
    pub activation: Option<Activation>,
}

/// Lines `line..line + n_lines`, rows of a left operand or columns of a right one, and inner steps `from..from + n_deep`.
#[derive(Clone, Copy)]
pub(crate) struct Part {
    pub line: usize,
    pub n_lines: usize,
    pub from: usize,
    pub n_deep: usize,
}

/// The rows of a left operand or the columns of a right one, as they lie in memory.
#[derive(Clone, Copy)]
pub(crate) struct Lines<F> {
    /// Where element `(line, k)` is.
    pub at: F,
    /// Whether a line's inner steps follow each other, [`PANEL`] of them from each multiple of it on, or what is left of
    /// them; otherwise lines do, 16 from each multiple of 16 on, or what is left.
    pub along: bool,
}

/// Slices of the inner dimension: as long as each other, whole panels each, because the gradient of a weight sums over panels
/// of tokens.
pub(super) fn slice_of(depth: usize) -> usize {
    depth.div_ceil(depth.div_ceil(SLICE)).next_multiple_of(PANEL)
}

/// Whether the kernels in use pack operands that lie either way: others want rows along and columns across.
pub(crate) fn packs_both() -> bool {
    Kernels::in_use() == Kernels::Amx
}

thread_local! {
    /// This thread's strip; taken while a task uses it.
    static PACK: Cell<Vec<f32>> = const { Cell::new(Vec::new()) };
}

/// Computes a product for which [`suits`] holds. `ready` is the left operand, packed before. `tile` says where a panel's
/// part of the product lies: a [`Tile`] without its left operand, which is overwritten. Unless [`packs_both`], its right
/// one is read, and not `right`.
///
/// # Safety
/// The pointers must be valid for their shapes, and no two parts may write the same place. Unless [`packs_both`], the left
/// operand lies along.
pub(crate) unsafe fn strips(
    par: bool,
    precision: Precision,
    shape: Shape,
    left: Lines<impl Fn(usize, usize) -> *const f32 + Sync + Send>,
    right: Lines<impl Fn(usize, usize) -> *const f32 + Sync + Send>,
    ready: Option<&Ready>,
    tile: impl Fn(Part, usize) -> Tile + Sync + Send,
) {
    #[cfg(target_arch = "x86_64")]
    if Kernels::in_use() == Kernels::Amx {
        // Safety: promised by the caller; the tiles are there.
        return unsafe { amx::strips(par, precision, shape, left, right, ready, tile) };
    }
    let _ = (precision, right, ready);
    let left = left.at;
    let Shape { rows, depth, columns, .. } = shape;
    let n_panels = columns.div_ceil(PANEL);
    let n_chunks = rows.div_ceil(STRIP * STRIPS);
    let slice = slice_of(depth);
    tasks(par, n_chunks * n_panels.div_ceil(GROUP), |task| {
        let (first, group) = (task % n_chunks * STRIP * STRIPS, task / n_chunks * GROUP);
        let mut packed = PACK.take();
        packed.resize(STRIP * STRIDE, 0.0);
        for from in (0..depth).step_by(slice) {
            let n_deep = (depth - from).min(slice);
            for row in (first..rows.min(first + STRIP * STRIPS)).step_by(STRIP) {
                let part = Part { line: row, n_lines: (rows - row).min(STRIP), from, n_deep };
                for (i, k) in (0..part.n_lines).flat_map(|i| (0..n_deep).step_by(PANEL).map(move |k| (i, k))) {
                    // Safety: promised by the caller; a row of the strip holds a slice.
                    unsafe {
                        let to = packed.as_mut_ptr().add(i * STRIDE + k);
                        std::ptr::copy_nonoverlapping(left(row + i, from + k), to, (n_deep - k).min(PANEL));
                    }
                }
                for p in group..n_panels.min(group + GROUP) {
                    // Safety: promised by the caller; the strip holds `n_rows` rows of `n_deep` floats.
                    unsafe { strip(Tile { a: packed.as_ptr(), a_rows: STRIDE, a_cols: 1, ..tile(part, p) }) };
                }
            }
        }
        PACK.set(packed);
    });
}

/// A strip times a panel: vectors of columns by twos, a last one alone.
unsafe fn strip(tile: Tile) {
    let n_pairs = if cfg!(target_arch = "x86_64") { tile.cols.next_multiple_of(LANES) / (2 * LANES) } else { 0 };
    unsafe {
        #[cfg(target_arch = "x86_64")]
        for pair in 0..n_pairs {
            x86::pair(&tile, pair * 2 * LANES);
        }
        let col = n_pairs * 2 * LANES;
        if col < tile.cols {
            let residual = if tile.residual.is_null() { tile.residual } else { tile.residual.add(col) };
            block(Tile { b: tile.b.add(col), c: tile.c.add(col), residual, cols: tile.cols - col, ..tile });
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::{STRIDE, STRIP, Tile};
    use crate::kernels::simd::LANES;
    use std::arch::asm;
    use std::arch::x86_64::*;

    /// One row's step: its left value times both vectors.
    macro_rules! line {
        ($row:literal, $left:literal, $sum0:literal, $sum1:literal, $step:literal) => {
            concat!(
                "vbroadcastss zmm",
                $left,
                ", dword ptr [{a} + ",
                $row,
                " * {bytes} + ",
                $step,
                " * 4]\n",
                "vfmadd231ps zmm",
                $sum0,
                ", zmm",
                $left,
                ", zmm0\n",
                "vfmadd231ps zmm",
                $sum1,
                ", zmm",
                $left,
                ", zmm1\n"
            )
        };
    }

    /// One step along the inner dimension.
    macro_rules! step {
        ($step:literal) => {
            concat!(
                "vmovups zmm0, zmmword ptr [{b}]\n",
                "vmovups zmm1, zmmword ptr [{b} + 64]\n",
                "add {b}, {stride}\n",
                line!(0, 2, 4, 5, $step),
                line!(1, 3, 6, 7, $step),
                line!(2, 2, 8, 9, $step),
                line!(3, 3, 10, 11, $step),
                line!(4, 2, 12, 13, $step),
                line!(5, 3, 14, 15, $step),
                line!(6, 2, 16, 17, $step),
                line!(7, 3, 18, 19, $step),
                line!(8, 2, 20, 21, $step),
                line!(9, 3, 22, 23, $step),
                line!(10, 2, 24, 25, $step),
                line!(11, 3, 26, 27, $step),
                line!(12, 2, 28, 29, $step),
                line!(13, 3, 30, 31, $step),
            )
        };
    }

    /// Columns `col..col + 32` of a strip times a panel.
    #[target_feature(enable = "avx512f")]
    pub(super) unsafe fn pair(t: &Tile, col: usize) {
        unsafe {
            for row in 0..t.rows {
                for n in 0..2 {
                    let at = t.c.wrapping_add(row * t.c_stride + col + n * LANES);
                    _mm_prefetch::<_MM_HINT_T0>(at.cast());
                }
            }
            let sums = sums(t.a, t.b.add(col), t.b_stride, t.depth);
            for (row, sums) in sums.iter().enumerate().take(t.rows) {
                for (n, sum) in sums.iter().enumerate() {
                    let place = row * t.c_stride + col + n * LANES;
                    let n_left = t.cols.saturating_sub(col + n * LANES);
                    let mask: __mmask16 = if n_left >= LANES { !0 } else { (1 << n_left) - 1 };
                    let mut value = *sum;
                    if !t.bias.is_null() {
                        value = _mm512_add_ps(value, _mm512_set1_ps(*t.bias.add(row)));
                    }
                    if !t.residual.is_null() {
                        value = _mm512_add_ps(value, _mm512_maskz_loadu_ps(mask, t.residual.add(place)));
                    }
                    _mm512_mask_storeu_ps(t.c.add(place), mask, value);
                }
            }
        }
    }

    /// `Σ_k a[row, k] · b[k, 0..32]` for all rows of a packed strip; rows that it does not have are summed like the others.
    #[target_feature(enable = "avx512f")]
    #[inline]
    unsafe fn sums(a: *const f32, b: *const f32, stride: usize, depth: usize) -> [[__m512; 2]; STRIP] {
        let mut r = [[_mm512_setzero_ps(); 2]; STRIP];
        // Safety: reads `depth` steps of the strip and of the panel, which the caller vouches for.
        unsafe {
            asm!(
                "test {fours}, {fours}",
                "jz 3f",
                "2:",
                step!(0),
                step!(1),
                step!(2),
                step!(3),
                "add {a}, 16",
                "dec {fours}",
                "jnz 2b",
                "3:",
                "test {rest}, {rest}",
                "jz 5f",
                "4:",
                step!(0),
                "add {a}, 4",
                "dec {rest}",
                "jnz 4b",
                "5:",
                a = inout(reg) a => _,
                b = inout(reg) b => _,
                stride = in(reg) stride * 4,
                fours = inout(reg) depth / 4 => _,
                rest = inout(reg) depth % 4 => _,
                bytes = const STRIDE * 4,
                out("zmm0") _, out("zmm1") _, out("zmm2") _, out("zmm3") _,
                inout("zmm4") r[0][0], inout("zmm5") r[0][1], inout("zmm6") r[1][0], inout("zmm7") r[1][1],
                inout("zmm8") r[2][0], inout("zmm9") r[2][1], inout("zmm10") r[3][0], inout("zmm11") r[3][1],
                inout("zmm12") r[4][0], inout("zmm13") r[4][1], inout("zmm14") r[5][0], inout("zmm15") r[5][1],
                inout("zmm16") r[6][0], inout("zmm17") r[6][1], inout("zmm18") r[7][0], inout("zmm19") r[7][1],
                inout("zmm20") r[8][0], inout("zmm21") r[8][1], inout("zmm22") r[9][0], inout("zmm23") r[9][1],
                inout("zmm24") r[10][0], inout("zmm25") r[10][1], inout("zmm26") r[11][0], inout("zmm27") r[11][1],
                inout("zmm28") r[12][0], inout("zmm29") r[12][1], inout("zmm30") r[13][0], inout("zmm31") r[13][1],
                options(nostack, readonly)
            );
        }
        r
    }
}
