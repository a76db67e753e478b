//! Large matrix products on AMX, the matrix unit of newer x86-64 processors: tiles of 16 rows of bfloat16, sums in `f32`.
//!
//! A `f32` has 24 significant bits, a bfloat16 eight: each operand is split into three bfloat16 that sum to it exactly, and
//! of their nine products the six that matter are taken (those left out are below 2⁻²⁴ of the whole; Henry, Tang and
//! Heinecke 2019, "Leveraging the bfloat16 Artificial Intelligence Datatype For Higher-Precision Computations"). The unit
//! sums 32 steps before it rounds to the output's size, so the error is smaller than that of a chain of fused
//! multiply-adds, and six products here still take less time than one there (both measured, LOG.md). With
//! [`Precision::Bf16`] the first parts alone are multiplied: what a product in bfloat16 is.
//!
//! The left operand is cut into strips of 32 rows, the right one into blocks of 32 columns; both are packed, slice by slice
//! of the inner dimension, so that a group of columns stays in a second-level cache while strip after strip meets it.
//!
//! The unit works by itself while the core's other units have little to do: between a block's steps the core writes the
//! block before (bias, residual, activation) and packs, or asks for, what is multiplied next. So packing and writing cost
//! next to nothing (measured, LOG.md).

use super::Precision;
use super::gelu::bent;
use super::matmul::Tile;
use super::pages::Pages;
use super::panel::PANEL;
use super::simd::{Avx512, LANES, turn};
use super::strip::{Lines, Part, Shape, slice_of};
use super::tasks::tasks;
use crate::host::model::arch::Activation;
use std::arch::asm;
use std::arch::x86_64::*;
use std::cell::Cell;
use std::ops::Range;
use std::sync::Arc;

/// Rows of a strip and columns of a block: two tiles.
const SIDE: usize = 2 * LANES;
/// Blocks of a panel.
const HALVES: usize = PANEL / SIDE;
/// Lines of 64 bytes of a strip's and a block's sums.
const SUMS: usize = SIDE * SIDE * 4 / 64;
/// Inner steps that one tile holds.
const STEP: usize = 32;
/// Bytes of a tile.
const TILE: usize = 1024;
/// Panels of a group. Chosen: their slice, packed, takes half of a second-level cache.
const GROUP: usize = 8;

/// How many times 32 inner steps are asked for ahead of those that are packed. Chosen.
const AHEAD: usize = 2;

/// Whether this processor has the tiles, and the system lets this process use them.
pub(crate) fn is_there() -> bool {
    let wide = std::arch::is_x86_feature_detected!("avx512f") && std::arch::is_x86_feature_detected!("avx512bw");
    // CPUID leaf 7: bit 24 of EDX are tiles, bit 22 their bfloat16 products (Intel's manual, volume 2, CPUID).
    let features = if wide && __cpuid(0).eax >= 7 { __cpuid_count(7, 0).edx } else { 0 };
    features >> 22 & 1 == 1 && features >> 24 & 1 == 1 && permitted()
}

/// Asks Linux for the tiles' registers, which it saves only for processes that do
/// (Documentation/arch/x86/xstate.rst: `ARCH_REQ_XCOMP_PERM`, `XFEATURE_XTILEDATA`).
#[cfg(target_os = "linux")]
fn permitted() -> bool {
    const ARCH_REQ_XCOMP_PERM: libc::c_long = 0x1023;
    const XFEATURE_XTILEDATA: libc::c_long = 18;
    // Safety: changes nothing but what this process may use.
    unsafe { libc::syscall(libc::SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) == 0 }
}

#[cfg(not(target_os = "linux"))]
fn permitted() -> bool {
    false
}

/// This thread's tiles, configured as eight of 16 rows × 64 bytes; given back when dropped, so that the system need not
/// save them.
struct Tiles;

impl Tiles {
    fn new() -> Tiles {
        #[repr(C, align(64))]
        struct Config {
            palette: u8,
            start_row: u8,
            reserved: [u8; 14],
            bytes_per_row: [u16; 16],
            rows: [u8; 16],
        }
        let mut config = Config { palette: 1, start_row: 0, reserved: [0; 14], bytes_per_row: [0; 16], rows: [0; 16] };
        config.bytes_per_row[..8].fill(64);
        config.rows[..8].fill(16);
        // Safety: called only where `is_there`; a valid configuration of 64 bytes.
        unsafe { asm!("ldtilecfg [{}]", in(reg) &raw const config, options(nostack, readonly, preserves_flags)) };
        Tiles
    }
}

impl Drop for Tiles {
    fn drop(&mut self) {
        // Safety: the tiles were configured above.
        unsafe { asm!("tilerelease", options(nomem, nostack, preserves_flags)) };
    }
}

thread_local! {
    /// This thread's packed operands; taken while a task uses them.
    static PACKED: Cell<Option<Pages>> = const { Cell::new(None) };
}

/// As [`super::strip::strips`], with `precision`.
///
/// # Safety
/// As there; the processor has the tiles.
pub(super) unsafe fn strips(
    par: bool,
    precision: Precision,
    shape: Shape,
    left: Lines<impl Fn(usize, usize) -> *const f32 + Sync + Send>,
    right: Lines<impl Fn(usize, usize) -> *const f32 + Sync + Send>,
    ready: Option<&Ready>,
    tile: impl Fn(Part, usize) -> Tile + Sync + Send,
) {
    // Safety: promised by the caller.
    unsafe {
        match precision {
            Precision::F32 => parts::<3>(par, shape, left, right, ready, tile),
            Precision::Bf16 => parts::<1>(par, shape, left, right, ready, tile),
        }
    }
}

/// Lines of 64 bytes of one strip or block of a slice.
fn lines_of<const PARTS: usize>(slice: usize) -> usize {
    slice.div_ceil(STEP) * PARTS * SIDE
}

/// Where packed operands go, one behind the other.
#[derive(Default)]
pub(crate) struct Shelf {
    pages: Option<Arc<Pages>>,
    /// Bytes of them that are taken.
    used: usize,
}

/// Bytes of a shelf's board. Chosen: large pages that are not touched take no memory.
const BOARD: usize = 32 << 20;

impl Shelf {
    fn take(&mut self, n_bytes: usize) -> (Arc<Pages>, usize) {
        let left = self.pages.take().filter(|pages| pages.len() - self.used >= n_bytes);
        if left.is_none() {
            self.used = 0;
        }
        let pages = left.unwrap_or_else(|| Arc::new(Pages::new(n_bytes.max(BOARD))));
        let at = self.used;
        self.used += n_bytes;
        self.pages = Some(pages.clone());
        (pages, at)
    }
}

/// A row-major left operand packed for all the products that it will be in.
pub(crate) struct Ready {
    /// Slice by slice, strip by strip, from the byte `at` on.
    pages: Arc<Pages>,
    at: usize,
    /// Bytes from one slice and from one strip to the next.
    slice_stride: usize,
    strip_stride: usize,
}

impl Ready {
    /// Packs `rows × depth`.
    pub(crate) fn new(values: &[f32], rows: usize, depth: usize, precision: Precision, shelf: &mut Shelf) -> Ready {
        assert!(values.len() >= rows * depth);
        match precision {
            Precision::F32 => Self::packed::<3>(values, rows, depth, shelf),
            Precision::Bf16 => Self::packed::<1>(values, rows, depth, shelf),
        }
    }

    fn packed<const PARTS: usize>(values: &[f32], rows: usize, depth: usize, shelf: &mut Shelf) -> Ready {
        let (slice, n_strips) = (slice_of(depth), rows.div_ceil(SIDE));
        let strip_stride = 64 * lines_of::<PARTS>(slice);
        let slice_stride = n_strips * strip_stride;
        let (pages, at) = shelf.take(depth.div_ceil(slice) * slice_stride);
        let ready = Ready { pages, at, slice_stride, strip_stride };
        let shared = &ready;
        tasks(true, n_strips, move |strip| {
            let row = strip * SIDE;
            for from in (0..depth).step_by(slice) {
                // Safety: the operand was checked above; the shelf has room for every strip of every slice, and each task
                // writes its own.
                unsafe {
                    let lines = Lines { at: |row, k| values.as_ptr().add(row * depth + k), along: true };
                    let part = Part { line: row, n_lines: rows - row, from, n_deep: (depth - from).min(slice) };
                    pack::<PARTS, true>(&lines, part, 0..n_places(part), shared.strip(from / slice, strip));
                }
            }
        });
        ready
    }

    /// Where a strip of a slice lies.
    ///
    /// # Safety
    /// There are so many slices and strips.
    unsafe fn strip(&self, slice: usize, strip: usize) -> *mut __m512i {
        let at = self.at + slice * self.slice_stride + strip * self.strip_stride;
        unsafe { self.pages.start().add(at).cast() }
    }
}

unsafe fn parts<const PARTS: usize>(
    par: bool,
    shape: Shape,
    left: Lines<impl Fn(usize, usize) -> *const f32 + Sync + Send>,
    right: Lines<impl Fn(usize, usize) -> *const f32 + Sync + Send>,
    ready: Option<&Ready>,
    tile: impl Fn(Part, usize) -> Tile + Sync + Send,
) {
    let (group, chunk) = split(par, shape.rows, shape.n_panels);
    let n_chunks = shape.rows.div_ceil(chunk);
    tasks(par, n_chunks * shape.n_panels.div_ceil(group), |task| {
        let (first, group_start) = (task % n_chunks * chunk, task / n_chunks * group);
        let panels = group_start..shape.n_panels.min(group_start + group);
        // Safety: promised by the caller.
        unsafe { rectangle::<PARTS>(shape, first..shape.rows.min(first + chunk), panels, &left, &right, ready, &tile) };
    });
}

/// These rows and panels of a product.
#[target_feature(enable = "avx512f,avx512bw")]
unsafe fn rectangle<const PARTS: usize>(
    Shape { rows: all_rows, depth, activation, .. }: Shape,
    rows: Range<usize>,
    panels: Range<usize>,
    left: &Lines<impl Fn(usize, usize) -> *const f32>,
    right: &Lines<impl Fn(usize, usize) -> *const f32>,
    ready: Option<&Ready>,
    tile: &impl Fn(Part, usize) -> Tile,
) {
    // Slices, and so sums, follow from the shape; how the rest is split does not show in the result.
    let slice = slice_of(depth);
    let lines = lines_of::<PARTS>(slice);
    let part = |row: usize, from: usize| Part {
        line: row,
        n_lines: (all_rows - row).min(SIDE),
        from,
        n_deep: (depth - from).min(slice),
    };
    let place = |part: Part, block: usize| (tile(part, panels.start + block / HALVES), block % HALVES * SIDE);
    let n_columns = (panels.len() - 1) * PANEL + tile(part(rows.start, 0), panels.end - 1).cols;
    let n_blocks = n_columns.div_ceil(SIDE);
    // A block's sums, which are finished during the next block's steps, before that one's are stored; two strips, of which
    // one is used while the other is packed; the blocks: a slice's first may be packed over the slice before's, since a step's
    // places come after the step and the next slice is not longer.
    let n_bytes = 64 * (SUMS + lines * (2 + n_blocks));
    let packed = PACKED.take().filter(|packed| packed.len() >= n_bytes).unwrap_or_else(|| Pages::new(n_bytes));
    let _tiles = Tiles::new();
    // Safety: the pages hold what was counted above; the operands are as the caller promises.
    unsafe {
        let sums: *mut f32 = packed.start().cast();
        let strips = packed.start().cast::<__m512i>().add(SUMS);
        let strip = |n: usize| strips.add(n % 2 * lines);
        let block = |idx: usize| strips.add((2 + idx) * lines);
        let steps = |part: Part| part.n_deep.div_ceil(STEP);
        let columns_of = |rows: Part, idx: usize| {
            let line = panels.start * PANEL + idx * SIDE;
            Part { line, n_lines: n_columns - idx * SIDE, ..rows }
        };

        let start = part(rows.start, 0);
        pack::<PARTS, false>(right, columns_of(start, 0), 0..n_places(start), block(0));
        if ready.is_none() {
            pack::<PARTS, true>(left, start, 0..n_places(start), strip(0));
        }
        let (mut n_strips, mut pending) = (0, None);
        for (idx, from) in (0..depth).step_by(slice).enumerate() {
            for row in rows.clone().step_by(SIDE) {
                let (this, is_last) = (part(row, from), row + SIDE >= rows.end);
                let next = if is_last {
                    (from + slice < depth).then(|| part(rows.start, from + slice))
                } else {
                    Some(part(row + SIDE, from))
                };
                let a = ready.map_or(strip(n_strips).cast_const(), |ready| ready.strip(idx, row / SIDE).cast_const());
                n_strips += 1;
                let next_packed = next.zip(ready).map(|(next, ready)| ready.strip(next.from / slice, next.line / SIDE));
                for at in 0..n_blocks {
                    // Blocks are packed while the first strip meets those before them.
                    let next_block = if row == rows.start && at + 1 < n_blocks {
                        Some((columns_of(this, at + 1), block(at + 1)))
                    } else {
                        let next = next.filter(|_| is_last && at + 1 == n_blocks);
                        next.map(|next| (columns_of(next, 0), block(0)))
                    };
                    let n_next = next.map_or(0, n_places);
                    let share = |n: usize, done: usize, of: usize| n * done / of..n * (done + 1) / of;
                    let meanwhile = |step: usize| {
                        if let Some((tile, col, activation)) = &pending {
                            finish(tile, *col, sums, *activation, share(SIDE, step, steps(this)));
                        }
                        if let Some((columns, to)) = next_block {
                            let places = share(n_places(columns), step, steps(this));
                            pack::<PARTS, false>(right, columns, places, to);
                        }
                        let units = n_blocks * steps(this);
                        let places = |each: usize| share(each * n_next, at * steps(this) + step, units);
                        match (next, next_packed) {
                            (Some(_), Some(packed)) => {
                                for line in places(PARTS * LANES) {
                                    _mm_prefetch::<_MM_HINT_T1>(packed.add(line).cast());
                                }
                            }
                            (Some(next), None) => pack::<PARTS, true>(left, next, places(1), strip(n_strips)),
                            (None, _) => {}
                        }
                    };
                    sum::<PARTS>(a.cast(), block(at).cast(), steps(this), sums, meanwhile);
                    let (tile, col) = place(this, at);
                    pending = Some((tile, col, activation.filter(|_| from + slice >= depth)));
                }
            }
        }
        if let Some((tile, col, activation)) = &pending {
            finish(tile, *col, sums, *activation, 0..SIDE);
        }
    }
    PACKED.set(Some(packed));
}

/// Panels of a group and rows of a task: enough tasks for the threads, the smaller operand packed more than once.
fn split(par: bool, rows: usize, n_panels: usize) -> (usize, usize) {
    let n_groups = n_panels.div_ceil(GROUP);
    let wanted = if par { rayon::current_num_threads().div_ceil(n_groups) } else { 1 };
    if rows <= n_panels * PANEL {
        (n_panels.div_ceil(n_groups * wanted), rows.next_multiple_of(SIDE))
    } else {
        (n_panels.div_ceil(n_groups), rows.div_ceil(wanted).next_multiple_of(SIDE))
    }
}

/// The bits of `PARTS` bfloat16, each in the upper half of its lane, that sum to `x`: rounded, but for the third of three,
/// which is what is left, exactly. A single one is rounded to even.
#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
fn split_up<const PARTS: usize>(x: __m512) -> [__m512i; PARTS] {
    let upper = _mm512_set1_epi32(0xffff_0000_u32.cast_signed());
    let mut rest = x;
    std::array::from_fn(|part| {
        let bits = _mm512_castps_si512(rest);
        if PARTS > 1 && part + 1 == PARTS {
            return bits;
        }
        let half = if PARTS == 1 {
            // One more than half where the last bit kept is set.
            let odd = _mm512_and_si512(_mm512_srli_epi32::<16>(bits), _mm512_set1_epi32(1));
            _mm512_add_epi32(_mm512_set1_epi32(0x7fff), odd)
        } else {
            _mm512_set1_epi32(0x8000)
        };
        let rounded = _mm512_and_si512(_mm512_add_epi32(bits, half), upper);
        rest = _mm512_sub_ps(rest, _mm512_castsi512_ps(rounded));
        rounded
    })
}

/// Lanes below `n`.
fn below(n: usize) -> __mmask16 {
    if n >= LANES { !0 } else { (1 << n) - 1 }
}

/// Places of a part, packed: 32 inner steps of 16 lines each.
fn n_places(part: Part) -> usize {
    2 * part.n_deep.div_ceil(STEP)
}

/// Packs places of a strip (`LEFT`) or of a block, which are a part's first 32 lines: a tile for each of the `PARTS`. A row
/// of a strip's tile holds 32 inner steps of a row; one of a block's tile two inner steps of each of 16 columns. Zeros where
/// the operand ends.
#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
unsafe fn pack<const PARTS: usize, const LEFT: bool>(
    lines: &Lines<impl Fn(usize, usize) -> *const f32>,
    part: Part,
    places: Range<usize>,
    to: *mut __m512i,
) {
    // Upper halves of two registers' lanes, in order.
    const UPPER: [u16; 32] = {
        let mut odd = [0; 32];
        let mut i = 0;
        while i < 32 {
            odd[i] = 2 * i as u16 + 1;
            i += 1;
        }
        odd
    };
    // Safety: reads what the caller of `strips` promises, writes a place.
    unsafe {
        for place in places {
            let (k, line) = (place / 2 * STEP, place % 2 * LANES);
            let (n_deep, n_lines) = (part.n_deep - k, part.n_lines.saturating_sub(line));
            let at = |line_in: usize, k_in: usize| (lines.at)(part.line + line + line_in, part.from + k + k_in);
            let to = |part: usize, row: usize| to.add((place / 2 * PARTS + part) * SIDE + line + row);
            if lines.along {
                let upper = _mm512_loadu_si512(UPPER.as_ptr().cast());
                for row in 0..LANES {
                    let (mut low, mut high) = (_mm512_setzero_ps(), _mm512_setzero_ps());
                    if row < n_lines {
                        let from = at(row, 0);
                        // Lines lie far apart: the processor does not foresee them by itself.
                        _mm_prefetch::<_MM_HINT_T0>(from.wrapping_add(AHEAD * STEP).cast());
                        _mm_prefetch::<_MM_HINT_T0>(from.wrapping_add(AHEAD * STEP + LANES).cast());
                        low = _mm512_maskz_loadu_ps(below(n_deep), from);
                        high = _mm512_maskz_loadu_ps(below(n_deep.saturating_sub(LANES)), from.wrapping_add(LANES));
                    }
                    let (low, high) = (split_up::<PARTS>(low), split_up::<PARTS>(high));
                    for part in 0..PARTS {
                        _mm512_store_si512(to(part, row), _mm512_permutex2var_epi16(low[part], upper, high[part]));
                    }
                }
            } else {
                let mask = below(n_lines);
                let upper = _mm512_set1_epi32(0xffff_0000_u32.cast_signed());
                let load = |k: usize| {
                    if k >= n_deep || n_lines == 0 {
                        return [_mm512_setzero_si512(); PARTS];
                    }
                    _mm_prefetch::<_MM_HINT_T0>(at(0, k + AHEAD * STEP).cast());
                    split_up::<PARTS>(_mm512_maskz_loadu_ps(mask, at(0, k)))
                };
                for pair in 0..LANES {
                    let (even, odd) = (load(2 * pair), load(2 * pair + 1));
                    for part in 0..PARTS {
                        let even = _mm512_srli_epi32::<16>(even[part]);
                        _mm512_store_si512(to(part, pair), _mm512_or_si512(even, _mm512_and_si512(odd[part], upper)));
                    }
                }
            }
            if lines.along != LEFT {
                for part in 0..PARTS {
                    let tile: *mut [__m512; LANES] = to(part, 0).cast();
                    turn(&mut *tile);
                }
            }
        }
    }
}

/// Rows `rows` of columns `col..col + 32` of a strip's product go where they belong, with bias and residual,
/// through the activation if there is one.
#[target_feature(enable = "avx512f")]
#[inline]
unsafe fn finish(t: &Tile, col: usize, sums: *const f32, activation: Option<Activation>, rows: Range<usize>) {
    // Safety: the tile's pointers are valid for its shape.
    unsafe {
        for row in rows.start..rows.end.min(t.rows) {
            let bias = _mm512_set1_ps(if t.bias.is_null() { 0.0 } else { *t.bias.add(row) });
            for half in (0..2).filter(|half| col + half * LANES < t.cols) {
                let place = row * t.c_stride + col + half * LANES;
                let mask = below(t.cols - col - half * LANES);
                let mut value = _mm512_add_ps(_mm512_load_ps(sums.add(row * SIDE + half * LANES)), bias);
                if !t.residual.is_null() {
                    value = _mm512_add_ps(value, _mm512_maskz_loadu_ps(mask, t.residual.add(place)));
                }
                if let Some(activation) = activation {
                    value = bent::<Avx512>(activation, value);
                }
                _mm512_mask_storeu_ps(t.c.add(place), mask, value);
            }
        }
    }
}

/// The product of a strip and a block over `n` steps of 32 (at least one), into 32 rows of 32 sums. `meanwhile` is called
/// after each step's instructions, which the unit is still busy with then: what it does for the blocks before and after
/// costs next to nothing.
///
/// # Safety
/// The tiles are configured; the operands hold `n` steps.
#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
unsafe fn sum<const PARTS: usize>(a: *const u8, b: *const u8, n: usize, to: *mut f32, meanwhile: impl Fn(usize)) {
    // Safety: promised by the caller; nothing between these blocks touches the tiles.
    unsafe {
        asm!(
            "tilezero tmm0",
            "tilezero tmm1",
            "tilezero tmm2",
            "tilezero tmm3",
            options(nomem, nostack, preserves_flags)
        );
        for step in 0..n {
            let at = step * PARTS * 2 * TILE;
            if PARTS == 1 {
                one(a.add(at), b.add(at));
            } else {
                six(a.add(at), b.add(at));
            }
            meanwhile(step);
        }
        asm!(
            "tilestored [{to} + 2 * {line}], tmm0",
            "tilestored [{to} + 2 * {line} + 64], tmm1",
            "tilestored [{to} + 2 * {line} + 2048], tmm2",
            "tilestored [{to} + 2 * {line} + 2112], tmm3",
            to = in(reg) to, line = in(reg) 64usize, options(nostack, preserves_flags)
        );
    }
}

/// Two tiles of the strip into registers.
macro_rules! left {
    ($at:literal) => {
        concat!("tileloadd tmm4, [{a} + {line} + ", $at, "]\n", "tileloadd tmm5, [{a} + {line} + ", $at, " + 1024]\n")
    };
}

/// Two tiles of the block.
macro_rules! right {
    ($at:literal) => {
        concat!("tileloadd tmm6, [{b} + {line} + ", $at, "]\n", "tileloadd tmm7, [{b} + {line} + ", $at, " + 1024]\n")
    };
}

/// Each of the two times each of the two.
macro_rules! products {
    () => {
        "tdpbf16ps tmm0, tmm4, tmm6\ntdpbf16ps tmm1, tmm4, tmm7\ntdpbf16ps tmm2, tmm5, tmm6\ntdpbf16ps tmm3, tmm5, tmm7\n"
    };
}

/// A step, written as the macros above.
macro_rules! step {
    ($a:ident, $b:ident, $($part:expr),*) => {
        asm!($($part,)* a = in(reg) $a, b = in(reg) $b, line = in(reg) 64usize, options(nostack, readonly, preserves_flags))
    };
}

/// Adds a step of a strip and a block of one part each to the sums in the tiles.
///
/// # Safety
/// The tiles are configured; the operands hold a step.
#[inline(always)]
unsafe fn one(a: *const u8, b: *const u8) {
    unsafe { step!(a, b, left!(0), right!(0), products!()) };
}

/// The same of three parts each: the six products that matter, small ones first.
///
/// # Safety
/// As for [`one`].
#[inline(always)]
unsafe fn six(a: *const u8, b: *const u8) {
    unsafe {
        step!(
            a,
            b,
            left!(0),
            right!(4096),
            products!(),
            right!(2048),
            products!(),
            left!(2048),
            products!(),
            right!(0),
            products!(),
            left!(4096),
            products!(),
            left!(0),
            products!()
        )
    };
}
