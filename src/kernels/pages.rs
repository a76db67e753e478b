//! Large buffers on large pages: a step walks through gigabytes, and with pages of 4 KB a tenth of its time goes to finding
//! them (measured, LOG.md). Linux is asked for pages of 2 MB where a buffer is worth it; elsewhere nothing is asked.

/// Floats from which a buffer is worth large pages. Arbitrary: two of them.
const LARGE: usize = 1 << 20;

/// `n` zeros.
pub fn zeros(n: usize) -> Vec<f32> {
    let mut buffer = empty(n);
    buffer.resize(n, 0.0);
    buffer
}

/// The parts one after the other.
pub fn joined(parts: &[&[f32]]) -> Vec<f32> {
    let mut buffer = empty(parts.iter().map(|part| part.len()).sum());
    parts.iter().for_each(|part| buffer.extend_from_slice(part));
    buffer
}

/// At least `n` floats in `buffer`; what is new is zero.
pub(crate) fn grow(buffer: &mut Vec<f32>, n: usize) {
    if n <= buffer.len() {
        return;
    }
    if n >= LARGE && n > buffer.capacity() {
        let mut larger = empty(n);
        larger.extend_from_slice(buffer);
        *buffer = larger;
    }
    buffer.resize(n, 0.0);
}

/// Room for `n` floats, not yet touched.
fn empty(n: usize) -> Vec<f32> {
    let buffer = Vec::with_capacity(n);
    #[cfg(target_os = "linux")]
    if n >= LARGE {
        // Advice must start at a page: whole ones within the buffer are named.
        let page = 4096;
        let start = (buffer.as_ptr() as usize).next_multiple_of(page);
        let end = (buffer.as_ptr() as usize + 4 * n) / page * page;
        // Safety: the range lies within memory of this buffer; the advice changes no contents. A refusal costs only time.
        unsafe { libc::madvise(start as *mut libc::c_void, end - start, libc::MADV_HUGEPAGE) };
    }
    buffer
}

/// Bytes of a large page.
const PAGE: usize = 2 << 20;

/// Memory that begins at a large page, for operands that are packed and read through pointers.
pub(crate) struct Pages {
    start: std::ptr::NonNull<u8>,
    layout: std::alloc::Layout,
}

// Safety: it owns its memory; whoever writes through pointers sees to it that nobody else does so at the same place.
unsafe impl Send for Pages {}
unsafe impl Sync for Pages {}

impl Pages {
    /// At least so many bytes, contents arbitrary.
    pub(crate) fn new(n_bytes: usize) -> Pages {
        // Safety: the alignment is a power of two, and no operand comes near the greatest size.
        unsafe {
            let layout = std::alloc::Layout::from_size_align_unchecked(n_bytes.max(1).next_multiple_of(PAGE), PAGE);
            let Some(start) = std::ptr::NonNull::new(std::alloc::alloc(layout)) else {
                std::alloc::handle_alloc_error(layout)
            };
            #[cfg(target_os = "linux")]
            libc::madvise(start.as_ptr().cast(), layout.size(), libc::MADV_HUGEPAGE);
            Pages { start, layout }
        }
    }

    /// Bytes.
    pub(crate) fn len(&self) -> usize {
        self.layout.size()
    }

    /// The first byte.
    pub(crate) fn start(&self) -> *mut u8 {
        self.start.as_ptr()
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        // Safety: allocated with this layout.
        unsafe { std::alloc::dealloc(self.start.as_ptr(), self.layout) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_are_what_they_would_be_on_small_pages() {
        for n in [0, 5, LARGE - 1, LARGE, 3 * LARGE + 7] {
            assert!(zeros(n).len() == n && zeros(n).iter().all(|v| *v == 0.0));
            let mut buffer = vec![1.0, 2.0];
            grow(&mut buffer, n);
            assert_eq!(buffer.len(), n.max(2));
            assert_eq!(buffer.iter().sum::<f32>(), 3.0);
            assert_eq!(joined(&[&buffer, &[4.0]]).iter().sum::<f32>(), 7.0);
            let pages = Pages::new(n);
            assert!(pages.len() >= n && (pages.start() as usize).is_multiple_of(PAGE));
        }
    }
}
