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
//! The unit works by itself while the core's other units have little to do: between the thirds of a block's steps the core
//! writes the block before (bias, residual, activation) and packs, or asks for, what is multiplied next, a little each time,
//! so that the unit's next instructions are never far behind what it is busy with. So packing and writing cost next to
//! nothing (measured, LOG.md).

use super::Precision;
use super::gelu::{Activation, bent};
use super::matmul::Tile;
use super::pages::Pages;
use super::panel::PANEL;
use super::simd::{Avx512, LANES, turn};
use super::strip::{Lines, Part, Shape, slice_of};
use super::tasks::tasks;
use std::arch::asm;
use std::arch::x86_64::*;
use std::cell::Cell;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

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
/// Panels of a group. Arbitrary: their slice, packed, takes half of a second-level cache.
const GROUP: usize = 8;

/// Slots of a step of three parts, between which other work is done.
const THIRDS: usize = 3;

/// Slots of so many steps.
fn n_slots<const PARTS: usize>(n_steps: usize) -> usize {
    if PARTS == 1 { n_steps } else { THIRDS * n_steps }
}

/// How many times 32 inner steps are asked for ahead of those that are packed. Arbitrary.
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
    board: Option<Arc<Board>>,
    /// Bytes of it that are taken.
    used: usize,
}

/// Pages that are kept for the next shelf when nobody needs them any more: the system takes longer to clear new ones than
/// the weights of a small model take to be packed (measured, LOG.md).
struct Board(Option<Pages>);

/// Bytes of a board. Arbitrary: large pages that are not touched take no memory.
const BOARD: usize = 32 << 20;
/// Boards that are kept, resident until the process ends. Arbitrary: the weights of MiniLM need two and a half.
const SPARES: usize = 3;

static SPARE: Mutex<Vec<Pages>> = Mutex::new(Vec::new());

impl Board {
    fn new(n_bytes: usize) -> Board {
        let spare = if n_bytes <= BOARD { spare().pop() } else { None };
        Board(Some(spare.unwrap_or_else(|| Pages::new(n_bytes.max(BOARD)))))
    }

    fn len(&self) -> usize {
        self.0.as_ref().map_or(0, Pages::len)
    }

    fn start(&self) -> *mut u8 {
        self.0.as_ref().map_or(std::ptr::null_mut(), Pages::start)
    }
}

fn spare() -> MutexGuard<'static, Vec<Pages>> {
    SPARE.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Drop for Board {
    fn drop(&mut self) {
        let mut spare = spare();
        if self.len() == BOARD && spare.len() < SPARES {
            spare.extend(self.0.take());
        }
    }
}

impl Shelf {
    fn take(&mut self, n_bytes: usize) -> (Arc<Board>, usize) {
        let left = self.board.take().filter(|board| board.len() - self.used >= n_bytes);
        if left.is_none() {
            self.used = 0;
        }
        let board = left.unwrap_or_else(|| Arc::new(Board::new(n_bytes)));
        let at = self.used;
        self.used += n_bytes;
        self.board = Some(board.clone());
        (board, at)
    }
}

/// A row-major left operand packed for all the products that it will be in.
pub(crate) struct Ready {
    /// Slice by slice, strip by strip, from the byte `at` on.
    board: Arc<Board>,
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
        let (board, at) = shelf.take(depth.div_ceil(slice) * slice_stride);
        let ready = Ready { board, at, slice_stride, strip_stride };
        let shared = &ready;
        tasks(true, n_strips, move |strip| {
            let row = strip * SIDE;
            for from in (0..depth).step_by(slice) {
                // Safety: the operand was checked above; the shelf has room for every strip of every slice, and each task
                // writes its own.
                unsafe {
                    let lines = Lines { at: |row, k| values.as_ptr().add(row * depth + k), along: true };
                    let part = Part { line: row, n_lines: rows - row, from, n_deep: (depth - from).min(slice) };
                    pack::<PARTS, true>(&lines, part, 0..LANES * n_places(part), shared.strip(from / slice, strip));
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
        unsafe { self.board.start().add(at).cast() }
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
    let (group, chunk) = split(par, shape.rows, shape.columns);
    let (n_chunks, n_panels) = (shape.rows.div_ceil(chunk), shape.columns.div_ceil(PANEL));
    tasks(par, n_chunks * n_panels.div_ceil(group), |task| {
        let (first, group_start) = (task % n_chunks * chunk, task / n_chunks * group);
        let panels = group_start..n_panels.min(group_start + group);
        // Safety: promised by the caller.
        unsafe { rectangle::<PARTS>(shape, first..shape.rows.min(first + chunk), panels, &left, &right, ready, &tile) };
    });
}

/// These rows and panels of a product.
#[target_feature(enable = "avx512f,avx512bw")]
unsafe fn rectangle<const PARTS: usize>(
    Shape { rows: all_rows, depth, columns, activation }: Shape,
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
    let n_columns = columns.min(panels.end * PANEL) - panels.start * PANEL;
    let n_blocks = n_columns.div_ceil(SIDE);
    // A block's sums, which are finished during the next block's steps, before that one's are stored; two strips, of which
    // one is used while the other is packed; the blocks, and one more, since a slice's first is packed while the slice before
    // may still use its own.
    let n_bytes = 64 * (SUMS + lines * (2 + n_blocks + 1));
    let packed = PACKED.take().filter(|packed| packed.len() >= n_bytes).unwrap_or_else(|| Pages::new(n_bytes));
    let _tiles = Tiles::new();
    // Safety: the pages hold what was counted above; the operands are as the caller promises.
    unsafe {
        let sums: *mut f32 = packed.start().cast();
        let strips = packed.start().cast::<__m512i>().add(SUMS);
        let strip = |n: usize| strips.add(n % 2 * lines);
        let block = |slice: usize, idx: usize| {
            strips.add(lines * (2 + if idx == 0 && slice % 2 == 1 { n_blocks } else { idx }))
        };
        let steps = |part: Part| part.n_deep.div_ceil(STEP);
        let columns_of = |rows: Part, idx: usize| {
            let line = panels.start * PANEL + idx * SIDE;
            Part { line, n_lines: n_columns - idx * SIDE, ..rows }
        };

        let start = part(rows.start, 0);
        for place in 0..n_places(start) {
            let units = place * LANES..(place + 1) * LANES;
            pack::<PARTS, false>(right, columns_of(start, 0), units.clone(), block(0, 0));
            match ready {
                None => pack::<PARTS, true>(left, start, units, strip(0)),
                Some(ready) => ask(ready.strip(0, rows.start / SIDE), PARTS * units.start..PARTS * units.end),
            }
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
                let n_slots = n_slots::<PARTS>(steps(this));
                let n_units = next.map_or(0, |next| n_places(next) * LANES);
                let asked = Pace::new(PARTS * n_units, n_slots * n_blocks);
                let packed_strip = Pace::new(n_units, n_slots * n_blocks);
                for at in 0..n_blocks {
                    // Blocks are packed while the first strip meets those before them.
                    let next_block = if row == rows.start && at + 1 < n_blocks {
                        Some((columns_of(this, at + 1), block(idx, at + 1)))
                    } else {
                        let next = next.filter(|_| is_last && at + 1 == n_blocks);
                        next.map(|next| (columns_of(next, 0), block(idx + 1, 0)))
                    };
                    let packed_block = Pace::new(next_block.map_or(0, |(of, _)| n_places(of) * LANES), n_slots);
                    let written = Pace::new(2 * SIDE, n_slots);
                    let here = Place::new(tile(this, panels.start + at / HALVES), at % HALVES * SIDE);
                    let meanwhile = |slot: usize| {
                        if let Some((place, activation)) = &pending {
                            finish(place, sums, *activation, written.share(slot));
                        }
                        if let Some((columns, to)) = next_block {
                            pack::<PARTS, false>(right, columns, packed_block.share(slot), to);
                        }
                        let slot = at * n_slots + slot;
                        match (next, next_packed) {
                            (Some(_), Some(strip)) => ask(strip, asked.share(slot)),
                            (Some(next), None) => {
                                pack::<PARTS, true>(left, next, packed_strip.share(slot), strip(n_strips))
                            }
                            (None, _) => {}
                        }
                    };
                    let is_half = n_columns - at * SIDE <= LANES;
                    sum::<PARTS>(a.cast(), block(idx, at).cast(), steps(this), is_half, sums, meanwhile);
                    pending = Some((here, activation.filter(|_| from + slice >= depth)));
                }
            }
        }
        if let Some((place, activation)) = &pending {
            finish(place, sums, *activation, 0..2 * SIDE);
        }
    }
    PACKED.set(Some(packed));
}

/// Work that is done bit by bit, as much in each slot.
#[derive(Clone, Copy)]
struct Pace {
    n: usize,
    /// Of each slot, times 2¹⁶.
    rate: usize,
}

impl Pace {
    fn new(n: usize, n_slots: usize) -> Pace {
        Pace { n, rate: (n << 16).div_ceil(n_slots) }
    }

    /// What a slot does.
    fn share(self, slot: usize) -> Range<usize> {
        let done = |slot: usize| ((slot * self.rate) >> 16).min(self.n);
        done(slot)..done(slot + 1)
    }
}

/// Asks for lines of a packed operand.
fn ask(packed: *mut __m512i, lines: Range<usize>) {
    for line in lines {
        // Safety: only asks.
        unsafe { _mm_prefetch::<_MM_HINT_T1>(packed.wrapping_add(line).cast()) };
    }
}

/// Panels of a group and rows of a task, for this many columns: what leaves the busiest thread the least to do.
fn split(par: bool, rows: usize, columns: usize) -> (usize, usize) {
    let n_threads = if par { rayon::current_num_threads() } else { 1 };
    let (n_strips, n_blocks, n_panels) = (rows.div_ceil(SIDE), columns.div_ceil(SIDE), columns.div_ceil(PANEL));
    let n_groups = n_panels.div_ceil(GROUP);
    let splits = (1..=n_threads.min(n_strips)).flat_map(|n_chunks| {
        let wanted = n_threads.div_ceil(n_chunks);
        [n_groups.max(wanted), n_groups.next_multiple_of(wanted)]
            .map(|n| (n_strips.div_ceil(n_chunks), n_panels.div_ceil(n)))
    });
    let work = |&(strips, group): &(usize, usize)| {
        let blocks = n_blocks.min(group * HALVES);
        let n_tasks = n_strips.div_ceil(strips) * n_panels.div_ceil(group);
        // A strip or a block takes about as long to pack as to multiply once (measured, LOG.md).
        n_tasks.div_ceil(n_threads) * (strips * blocks + strips + blocks)
    };
    let (strips, group) = splits.min_by_key(work).unwrap_or((n_strips, n_panels));
    (group, strips * SIDE)
}

/// The bits of `PARTS` bfloat16, each in the upper half of its lane, that sum to `x`: rounded, but for the third of three,
/// which is what is left, exactly. A single one is rounded to even, and stays what it is if it is not a number. Of three, the
/// first of a number beyond 3.39e38 is infinite, and what is left of an infinite one is not a number.
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
        // Rounding carries some of what is not a number into what is: those keep a bit that cannot be lost.
        let quiet = _mm512_set1_epi32(0x7fc0_0000);
        let rounded = match PARTS {
            1 => _mm512_mask_mov_epi32(rounded, _mm512_cmp_ps_mask::<_CMP_UNORD_Q>(rest, rest), quiet),
            _ => rounded,
        };
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

/// Packs units of a strip (`LEFT`) or of a block: sixteenths of its places, each place a tile for each of the `PARTS`. A row
/// of a strip's tile holds 32 inner steps of a row; one of a block's tile two inner steps of each of 16 columns. Zeros where
/// the operand ends. A place's last unit turns it if it must be turned, so a place's units are packed in order.
#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
unsafe fn pack<const PARTS: usize, const LEFT: bool>(
    lines: &Lines<impl Fn(usize, usize) -> *const f32>,
    of: Part,
    units: Range<usize>,
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
        for unit in units {
            let (place, unit) = (unit / LANES, unit % LANES);
            let (k, line) = (place / 2 * STEP, place % 2 * LANES);
            let (n_deep, n_lines) = (of.n_deep - k, of.n_lines.saturating_sub(line));
            let to = |part: usize, row: usize| to.add((place / 2 * PARTS + part) * SIDE + line + row);
            if lines.along {
                let upper = _mm512_loadu_si512(UPPER.as_ptr().cast());
                let (mut low, mut high) = (_mm512_setzero_ps(), _mm512_setzero_ps());
                if unit < n_lines {
                    let at = |k_in: usize| (lines.at)(of.line + line + unit, of.from + k + k_in);
                    if n_deep > AHEAD * STEP {
                        // Lines lie far apart: the processor does not foresee them by itself.
                        let ahead = at(AHEAD * STEP);
                        _mm_prefetch::<_MM_HINT_T0>(ahead.cast());
                        _mm_prefetch::<_MM_HINT_T0>(ahead.wrapping_add(LANES).cast());
                    }
                    low = _mm512_maskz_loadu_ps(below(n_deep), at(0));
                    high = _mm512_maskz_loadu_ps(below(n_deep.saturating_sub(LANES)), at(0).wrapping_add(LANES));
                }
                let (low, high) = (split_up::<PARTS>(low), split_up::<PARTS>(high));
                for part in 0..PARTS {
                    _mm512_store_si512(to(part, unit), _mm512_permutex2var_epi16(low[part], upper, high[part]));
                }
            } else {
                let (mask, pair) = (below(n_lines), 2 * unit);
                let upper = _mm512_set1_epi32(0xffff_0000_u32.cast_signed());
                let at = |k_in: usize| (lines.at)(of.line + line, of.from + k + pair + k_in);
                let (first, second) = (at(0), at(1));
                let further = (AHEAD * STEP).wrapping_mul(second.addr().wrapping_sub(first.addr()));
                let load = |k_in: usize, from: *const f32| {
                    if pair + k_in >= n_deep || n_lines == 0 {
                        return [_mm512_setzero_si512(); PARTS];
                    }
                    _mm_prefetch::<_MM_HINT_T0>(from.wrapping_byte_add(further).cast());
                    split_up::<PARTS>(_mm512_maskz_loadu_ps(mask, from))
                };
                let (even, odd) = (load(0, first), load(1, second));
                for part in 0..PARTS {
                    let even = _mm512_srli_epi32::<16>(even[part]);
                    _mm512_store_si512(to(part, unit), _mm512_or_si512(even, _mm512_and_si512(odd[part], upper)));
                }
            }
            if lines.along != LEFT && unit + 1 == LANES {
                for part in 0..PARTS {
                    let tile: *mut [__m512; LANES] = to(part, 0).cast();
                    turn(&mut *tile);
                }
            }
        }
    }
}

/// Where the sums of a strip and a block belong.
struct Place {
    tile: Tile,
    /// Those of its columns, for each vector.
    masks: [__mmask16; 2],
}

impl Place {
    /// Columns `col..col + 32` of a tile.
    fn new(tile: Tile, col: usize) -> Place {
        let masks = [0, 1].map(|half| below(tile.cols.saturating_sub(col + half * LANES)));
        let residual = if tile.residual.is_null() { tile.residual } else { tile.residual.wrapping_add(col) };
        Place { tile: Tile { c: tile.c.wrapping_add(col), residual, ..tile }, masks }
    }
}

/// These vectors of a strip's product, two of each row, go where they belong, with bias and residual, through the activation
/// if there is one.
#[target_feature(enable = "avx512f")]
#[inline]
unsafe fn finish(place: &Place, sums: *const f32, activation: Option<Activation>, vectors: Range<usize>) {
    let t = &place.tile;
    // Safety: the tile's pointers are valid for its shape.
    unsafe {
        for vector in vectors.start..vectors.end.min(2 * t.rows) {
            let (row, half) = (vector / 2, vector % 2);
            let mask = place.masks[half];
            let at = row * t.c_stride + half * LANES;
            let bias = _mm512_set1_ps(if t.bias.is_null() { 0.0 } else { *t.bias.add(row) });
            let mut value = _mm512_add_ps(_mm512_load_ps(sums.add(vector * LANES)), bias);
            if !t.residual.is_null() {
                value = _mm512_add_ps(value, _mm512_maskz_loadu_ps(mask, t.residual.wrapping_add(at)));
            }
            if let Some(activation) = activation {
                value = bent::<Avx512>(activation, value);
            }
            _mm512_mask_storeu_ps(t.c.wrapping_add(at), mask, value);
        }
    }
}

/// The product of a strip and a block over `n` steps of 32 (at least one), into 32 rows of 32 sums; with `is_half` of the
/// block's first 16 columns alone. `meanwhile` is called after each slot's instructions, which the unit is still busy with
/// then: what it does for the blocks before and after costs next to nothing.
///
/// # Safety
/// The tiles are configured; the operands hold `n` steps.
#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
unsafe fn sum<const PARTS: usize>(
    a: *const u8,
    b: *const u8,
    n: usize,
    is_half: bool,
    to: *mut f32,
    meanwhile: impl Fn(usize),
) {
    // Safety: promised by the caller; nothing between these blocks touches the tiles.
    unsafe {
        asm!(
            "tilezero tmm0",
            "tilezero tmm1",
            "tilezero tmm2",
            "tilezero tmm3",
            options(nomem, nostack, preserves_flags)
        );
        for slot in 0..n_slots::<PARTS>(n) {
            let (step, third) = if PARTS == 1 { (slot, 0) } else { (slot / THIRDS, slot % THIRDS) };
            let at = step * PARTS * 2 * TILE;
            let (a, b) = (a.add(at), b.add(at));
            match (third, is_half) {
                (0, false) if PARTS == 1 => whole::one(a, b),
                (0, true) if PARTS == 1 => half::one(a, b),
                (0, false) => whole::small(a, b),
                (0, true) => half::small(a, b),
                (1, false) => whole::middle(a, b),
                (1, true) => half::middle(a, b),
                (_, false) => whole::great(a, b),
                (_, true) => half::great(a, b),
            }
            meanwhile(slot);
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

/// A function that runs these instructions on a step of a strip and of a block.
macro_rules! instructions {
    ($(#[$doc:meta])* $name:ident: $($line:expr),*) => {
        $(#[$doc])*
        ///
        /// # Safety
        /// The tiles are configured; the operands hold a step.
        #[inline(always)]
        pub(super) unsafe fn $name(a: *const u8, b: *const u8) {
            // Safety: promised by the caller.
            unsafe {
                asm!($($line,)* "/* {b} */", a = in(reg) a, b = in(reg) b, line = in(reg) 64usize, options(nostack, readonly, preserves_flags));
            }
        }
    };
}

/// The products of a step, of one part or of three: the six products that matter, small ones first.
macro_rules! products {
    ($right:ident, $times:ident) => {
        use std::arch::asm;

        instructions! {
            /// Adds the product of the only parts to the sums in the tiles.
            one: left!(0), $right!(0), $times!()
        }
        instructions! {
            /// Adds the products of the first part with the third and the second.
            small: left!(0), $right!(4096), $times!(), $right!(2048), $times!()
        }
        instructions! {
            /// Adds, after those, the products of the second part with the second and the first.
            middle: left!(2048), $times!(), $right!(0), $times!()
        }
        instructions! {
            /// Adds, after those, the products of the third and of the first part with the first.
            great: left!(4096), $times!(), left!(0), $times!()
        }
    };
}

/// Strips of 32 rows times whole blocks of 32 columns.
mod whole {
    macro_rules! right {
        ($at:literal) => {
            concat!(
                "tileloadd tmm6, [{b} + {line} + ",
                $at,
                "]\n",
                "tileloadd tmm7, [{b} + {line} + ",
                $at,
                " + 1024]\n"
            )
        };
    }

    macro_rules! times {
        () => {
            "tdpbf16ps tmm0, tmm4, tmm6\ntdpbf16ps tmm1, tmm4, tmm7\ntdpbf16ps tmm2, tmm5, tmm6\ntdpbf16ps tmm3, tmm5, tmm7\n"
        };
    }

    products!(right, times);
}

/// Strips times a block's first 16 columns.
mod half {
    macro_rules! right {
        ($at:literal) => {
            concat!("tileloadd tmm6, [{b} + {line} + ", $at, "]\n")
        };
    }

    macro_rules! times {
        () => {
            "tdpbf16ps tmm0, tmm4, tmm6\ntdpbf16ps tmm2, tmm5, tmm6\n"
        };
    }

    products!(right, times);
}

#[cfg(test)]
mod tests {
    use super::super::precision::to_bf16;
    use super::super::simd::Kernels;
    use super::*;

    #[test]
    fn tasks_are_even_and_fit_the_caches() {
        for n_threads in [1, 2, 3, 5, 16] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(n_threads).build().expect("a pool");
            for (rows, columns) in
                [(64, 64), (384, 477), (384, 1536), (1152, 341), (1536, 384), (768, 1024), (3072, 4000)]
            {
                let (group, chunk) = pool.install(|| split(true, rows, columns));
                assert!((1..=GROUP).contains(&group) && chunk.is_multiple_of(SIDE) && chunk > 0);
                let (n_strips, n_blocks) = (rows.div_ceil(SIDE), columns.div_ceil(SIDE));
                let n_tasks = rows.div_ceil(chunk) * columns.div_ceil(PANEL).div_ceil(group);
                let busiest = n_tasks.div_ceil(n_threads) * (chunk / SIDE) * n_blocks.min(group * HALVES);
                let total = n_strips * n_blocks;
                let is_even = 2 * busiest * n_threads <= 3 * total;
                assert!(
                    is_even || total < 8 * n_threads,
                    "{rows} × {columns}, {n_threads} threads: {busiest} of {total}"
                );
            }
        }
    }

    #[test]
    fn a_single_part_is_rounded_as_everywhere() {
        if Kernels::in_use() != Kernels::Amx {
            return;
        }
        let bits = [0, 0x3f80_8000, 0x3f81_8000, 0xbf80_8001, 0x7f7f_ffff, 0x7f80_0000, 0xff80_0000, 0x7fff_ffff];
        let more =
            [0xffff_ffff, 0x7f80_0001, 0x7fc0_0000, 0x8000_0000, 0x3f80_0001, 0x4049_0fdb, 0xc2f6_e979, 0x0080_0000];
        let mut values = [0.0f32; LANES];
        values.iter_mut().zip(bits.into_iter().chain(more)).for_each(|(value, bits)| *value = f32::from_bits(bits));
        let mut parts = [0.0f32; LANES];
        // Safety: the processor has the instructions; both arrays are vectors.
        unsafe {
            let [part] = split_up::<1>(_mm512_loadu_ps(values.as_ptr()));
            _mm512_storeu_ps(parts.as_mut_ptr(), _mm512_castsi512_ps(part));
        }
        for (value, part) in values.iter().zip(parts) {
            let expected = to_bf16(*value);
            assert!(part.to_bits() == expected.to_bits() || part.is_nan() && expected.is_nan(), "{value}: {part}");
        }
    }
}
