//! Which worker gets which cell: neighbours share most of what they need, so each worker takes a stretch of its own and
//! only then helps another, from that one's end. So two rarely want the same result at the same time.

use std::collections::VecDeque;

/// Cells that wait, in stretches.
pub struct Queue {
    stretches: Vec<VecDeque<usize>>,
}

impl Queue {
    /// `cells` in `n` stretches of nearly equal length.
    pub fn new(cells: &[usize], n: usize) -> Queue {
        let n = n.max(1);
        let stretch = |idx: usize| {
            let (from, to) = (cells.len() * idx / n, cells.len() * (idx + 1) / n);
            cells.get(from..to).unwrap_or_default().iter().copied().collect()
        };
        Queue { stretches: (0..n).map(stretch).collect() }
    }

    /// The next cell for `worker`.
    pub fn next(&mut self, worker: usize) -> Option<usize> {
        let n = self.stretches.len().max(1);
        if let Some(cell) = self.stretches.get_mut(worker % n).and_then(VecDeque::pop_front) {
            return Some(cell);
        }
        self.stretches.iter_mut().max_by_key(|stretch| stretch.len()).and_then(VecDeque::pop_back)
    }

    /// Puts a cell back, to be the next of `worker`'s stretch.
    pub fn put_back(&mut self, worker: usize, cell: usize) {
        let n = self.stretches.len().max(1);
        if let Some(stretch) = self.stretches.get_mut(worker % n) {
            stretch.push_front(cell);
        }
    }

    /// Forgets all that wait.
    pub fn clear(&mut self) {
        self.stretches.iter_mut().for_each(VecDeque::clear);
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn len(&self) -> usize {
        self.stretches.iter().map(VecDeque::len).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_worker_walks_its_stretch_and_then_helps() {
        let mut queue = Queue::new(&[10, 11, 12, 13, 14], 2);
        assert_eq!([queue.next(0), queue.next(1), queue.next(0)], [Some(10), Some(12), Some(11)]);
        assert_eq!(queue.next(0), Some(14), "from the other's end");
        queue.put_back(1, 12);
        assert_eq!([queue.next(1), queue.next(1), queue.next(1)], [Some(12), Some(13), None]);
        assert!(queue.is_empty());
        assert_eq!(Queue::new(&[], 3).next(0), None);
    }
}
