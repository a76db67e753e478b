//! Splitting work: the tasks of an operation are fixed by its shape; only who runs them depends on threads.

use super::simd::FlushDenormals;
use rayon::prelude::*;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicBool, Ordering};

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

/// Runs `work` in the pool, whose other threads stay awake for its tasks: falling asleep and waking costs as much as a
/// small operation, and a step has hundreds of them.
pub(crate) fn awake<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    /// Says that the work is over, even if it panics.
    struct Over<'a>(&'a AtomicBool);
    impl Drop for Over<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Release);
        }
    }
    let over = &AtomicBool::new(false);
    rayon::scope(|scope| {
        let here = rayon::current_thread_index();
        for _ in 1..rayon::current_num_threads() {
            scope.spawn(move |_| {
                let mut n_idle = 0;
                // The thread of the work itself may come by while it waits for a task: it must not wait here.
                while rayon::current_thread_index() != here && !over.load(Ordering::Acquire) {
                    if rayon::yield_now() == Some(rayon::Yield::Executed) {
                        n_idle = 0;
                        continue;
                    }
                    n_idle += 1;
                    if n_idle < PATIENCE { std::hint::spin_loop() } else { std::thread::yield_now() }
                }
            });
        }
        let _over = Over(over);
        work()
    })
}

/// How often a thread looks for a task before it lets other processes have its core. Arbitrary: some microseconds.
const PATIENCE: usize = 100;

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
