//! Which rows form which batch: shuffled by a seed each epoch, optionally bucketed by length.

use crate::core::random::Random;

/// Batches without end: epoch after epoch, each row once per epoch. The last batch of an epoch may be smaller.
pub struct Batches {
    lengths: Vec<u32>,
    batch: usize,
    bucket: usize,
    random: Random,
    order: Vec<u32>,
    /// Where each batch of this epoch starts in `order`, in the order in which they come.
    starts: Vec<usize>,
    next: usize,
    epoch: usize,
}

impl Batches {
    /// Batches over rows with these lengths. Rows are cut into batches of `batch` from pools of `bucket` batches sorted
    /// by length; the batches of an epoch then come in random order. With `bucket` 1 rows come as shuffled.
    pub fn new(lengths: Vec<u32>, batch: usize, bucket: usize, seed: u64) -> Self {
        let order = (0..lengths.len() as u32).collect();
        let random = Random::new(seed, "order of rows");
        let mut batches = Batches {
            lengths,
            batch: batch.max(1),
            bucket: bucket.max(1),
            random,
            order,
            starts: Vec::new(),
            next: 0,
            epoch: 0,
        };
        batches.shuffle();
        batches
    }

    /// The next batch's row numbers and the epoch (from 0) that it belongs to.
    pub fn draw(&mut self) -> (&[u32], usize) {
        if self.next == self.starts.len() {
            self.epoch += 1;
            self.shuffle();
        }
        let start = self.starts.get(self.next).copied().unwrap_or(0);
        self.next += 1;
        let end = (start + self.batch).min(self.order.len());
        (self.order.get(start..end).unwrap_or_default(), self.epoch)
    }

    fn shuffle(&mut self) {
        self.random.shuffle(&mut self.order);
        self.starts = (0..self.order.len()).step_by(self.batch).collect();
        self.next = 0;
        if self.bucket > 1 {
            for pool in self.order.chunks_mut(self.batch.saturating_mul(self.bucket)) {
                pool.sort_by_key(|row| self.lengths.get(*row as usize).copied().unwrap_or(0));
            }
            self.random.shuffle(&mut self.starts);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn epoch(batches: &mut Batches, n: usize) -> Vec<Vec<u32>> {
        (0..n).map(|_| batches.draw().0.to_vec()).collect()
    }

    #[test]
    fn each_row_comes_once_per_epoch_and_orders_differ() {
        for bucket in [1, 3] {
            let lengths: Vec<u32> = (0..23).map(|i| i % 7).collect();
            let mut batches = Batches::new(lengths.clone(), 4, bucket, 5);
            let (first, second) = (epoch(&mut batches, 6), epoch(&mut batches, 6));
            assert_ne!(first, second);
            for seen in [&first, &second] {
                let mut rows: Vec<u32> = seen.iter().flatten().copied().collect();
                rows.sort();
                assert_eq!(rows, (0..23).collect::<Vec<_>>());
            }
            assert_eq!(batches.draw().1, 2, "the third epoch");
            assert_eq!(epoch(&mut Batches::new(lengths.clone(), 4, bucket, 5), 6), first, "a seed fixes the order");
            assert_ne!(epoch(&mut Batches::new(lengths, 4, bucket, 6), 6), first);
        }
    }

    #[test]
    fn buckets_hold_rows_of_like_length() {
        let lengths: Vec<u32> = (0..64).map(|i| (i * 29) % 64).collect();
        let spread = |bucket| {
            let mut batches = Batches::new(lengths.clone(), 8, bucket, 0);
            epoch(&mut batches, 8)
                .iter()
                .map(|rows| {
                    let of = |row: &u32| lengths[*row as usize];
                    rows.iter().map(of).max().expect("rows") - rows.iter().map(of).min().expect("rows")
                })
                .sum::<u32>()
        };
        assert_eq!(spread(8), 8 * 7, "one pool: fully sorted");
        assert!(spread(1) > 4 * spread(8));
    }
}
