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

/// Sets a buffer to zero. The memory of a large one goes back to the system until it is touched again.
pub fn clear(buffer: &mut [f32]) {
    #[cfg(target_os = "linux")]
    if buffer.len() >= LARGE {
        // Whole large pages go, what lies before and after is written.
        let (start, page) = (buffer.as_ptr() as usize, 1 << 21);
        let from = start.next_multiple_of(page);
        let to = (start + 4 * buffer.len()) / page * page;
        // Safety: the range lies within this buffer, which came from the allocator and so from private anonymous memory: such
        // pages read as zeros after this advice.
        let gone =
            to > from && unsafe { libc::madvise(from as *mut libc::c_void, to - from, libc::MADV_DONTNEED) } == 0;
        if gone {
            let (before, rest) = buffer.split_at_mut((from - start) / 4);
            let (_, after) = rest.split_at_mut((to - from) / 4);
            before.fill(0.0);
            after.fill(0.0);
            return;
        }
    }
    buffer.fill(0.0);
}

/// Gives a large buffer's memory back to the system; a smaller one's contents become arbitrary.
pub(crate) fn forget(buffer: &mut [f32]) {
    if buffer.len() >= LARGE {
        clear(buffer);
    }
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
            buffer.fill(1.0);
            clear(&mut buffer);
            assert!(buffer.iter().all(|v| *v == 0.0));
        }
    }
}
