//! Large buffers on large pages: a step walks through gigabytes, and with pages of 4 KB a tenth of its time goes to finding
//! them (measured, LOG.md). Linux is asked for pages of 2 MB where a buffer is worth it; elsewhere nothing is asked.

/// Floats from which a buffer is worth large pages. Chosen: two of them.
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
pub(crate) fn empty(n: usize) -> Vec<f32> {
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
        }
    }
}
