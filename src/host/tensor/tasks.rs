//! Splitting work: the tasks of an operation are fixed by its shape; only who runs them depends on threads.

use super::simd::FlushDenormals;
use rayon::prelude::*;
use std::marker::PhantomData;

/// Runs `work(0..n)`: on the pool if `par`, in order on this thread otherwise. Each index must write to its own place.
pub(crate) fn tasks(par: bool, n: usize, work: impl Fn(usize) + Sync + Send) {
    if par && n > 1 {
        (0..n).into_par_iter().with_max_len(1).for_each(|idx| {
            let _flush = FlushDenormals::new();
            work(idx);
        });
    } else {
        (0..n).for_each(work);
    }
}

/// A mutable buffer that several tasks write, each in its own place.
#[derive(Clone, Copy)]
pub(crate) struct Raw<'a> {
    start: *mut f32,
    len: usize,
    buffer: PhantomData<&'a mut [f32]>,
}

// Safety: `at` is unsafe, and its callers promise that tasks write disjoint places.
unsafe impl Send for Raw<'_> {}
unsafe impl Sync for Raw<'_> {}

impl<'a> Raw<'a> {
    pub(crate) fn new(buffer: &'a mut [f32]) -> Self {
        Raw { start: buffer.as_mut_ptr(), len: buffer.len(), buffer: PhantomData }
    }

    /// A pointer to element `idx`.
    ///
    /// # Safety
    /// No two tasks may use overlapping places of the buffer through it, unless both only read.
    #[inline(always)]
    pub(crate) unsafe fn at(self, idx: usize) -> *mut f32 {
        debug_assert!(idx <= self.len);
        unsafe { self.start.add(idx) }
    }
}
