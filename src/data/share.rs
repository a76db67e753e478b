//! Dividing groups of rows into parts with given shares, balanced by class as well as whole groups allow.

use crate::core::random::Random;

/// One group of a view: which positions, and how many rows of each class.
pub(super) struct Group<'a> {
    /// Positions in the view, ascending.
    pub positions: &'a [u32],
    /// Rows per class; one entry with all rows where truth is unknown.
    pub counts: &'a [u32],
}

/// The groups of a view, in order of first appearance: three tables, for there may be as many groups as rows.
pub(super) struct Groups {
    /// Positions in the view, group after group.
    positions: Vec<u32>,
    /// Where each group begins among them, and the last one ends.
    starts: Vec<u32>,
    /// Rows of each group and class.
    counts: Vec<u32>,
    pub n_classes: usize,
}

impl Groups {
    /// Of the rows at positions from 0 on, each with the number of its group (below `n_numbers`) and its class (below `n_classes`).
    pub fn of(rows: impl Iterator<Item = (u32, usize)> + Clone, n_numbers: usize, n_classes: usize) -> Groups {
        let none = u32::MAX;
        let mut slot_of = vec![none; n_numbers];
        let (mut starts, mut counts) = (vec![0u32], Vec::new());
        for (number, class) in rows.clone() {
            let Some(slot) = slot_of.get_mut(number as usize) else { continue };
            if *slot == none {
                *slot = starts.len() as u32 - 1;
                starts.push(0);
                counts.extend(std::iter::repeat_n(0u32, n_classes));
            }
            let slot = *slot as usize;
            if let Some(size) = starts.get_mut(slot + 1) {
                *size += 1;
            }
            if let Some(count) = counts.get_mut(slot * n_classes + class) {
                *count += 1;
            }
        }
        let mut n = 0;
        for start in &mut starts {
            n += *start;
            *start = n;
        }
        // Where the next position of each group goes.
        let mut next = starts.clone();
        let mut positions = vec![0; n as usize];
        for (at, (number, _)) in (0u32..).zip(rows) {
            let slot = slot_of.get(number as usize).filter(|slot| **slot != none);
            let Some(place) = slot.and_then(|slot| next.get_mut(*slot as usize)) else { continue };
            if let Some(position) = positions.get_mut(*place as usize) {
                *position = at;
            }
            *place += 1;
        }
        Groups { positions, starts, counts, n_classes }
    }

    /// How many groups.
    pub fn len(&self) -> usize {
        self.starts.len().saturating_sub(1)
    }

    /// The group numbered `idx`, from 0; past the last one a group without rows.
    pub fn get(&self, idx: usize) -> Group<'_> {
        let [from, to] = [idx, idx + 1].map(|at| self.starts.get(at).map_or(self.positions.len(), |at| *at as usize));
        let counts = self.counts.get(idx * self.n_classes..(idx + 1) * self.n_classes);
        Group { positions: self.positions.get(from..to).unwrap_or_default(), counts: counts.unwrap_or_default() }
    }

    /// Counts rows without a look at their classes.
    pub fn forget_classes(&mut self) {
        let sizes = self.starts.windows(2).map(|pair| pair.iter().rev().copied().reduce(|to, from| to - from));
        self.counts = sizes.map(Option::unwrap_or_default).collect();
        self.n_classes = 1;
    }
}

/// Divides `groups` into parts: part `i` gets about `shares[i]` of every class. What the shares leave over stays out.
///
/// Large groups are placed first, each where the squared distance of class counts and row counts from their targets
/// falls most; ties and the order among groups of a size are drawn. With groups of one row every part's class counts
/// are within one row of their share.
pub(super) fn divide(groups: &Groups, shares: &[f64], random: &mut Random) -> Vec<Vec<u32>> {
    let totals: Vec<f64> = (0..groups.n_classes).map(|class| class_total(groups, class) as f64).collect();
    let rest = 1.0 - shares.iter().sum::<f64>();
    let all_shares: Vec<f64> = shares.iter().copied().chain((rest > 1e-9).then_some(rest)).collect();
    let mut missing: Vec<Vec<f64>> =
        all_shares.iter().map(|share| totals.iter().map(|total| share * total).collect()).collect();
    let mut parts: Vec<Vec<u32>> = vec![Vec::new(); all_shares.len()];
    for idx in drawn_order(groups, random) {
        let group = groups.get(idx as usize);
        let costs: Vec<f64> = missing.iter().map(|missing| added_cost(missing, &group)).collect();
        let best = costs.iter().copied().fold(f64::INFINITY, f64::min);
        let ties: Vec<usize> =
            (0..costs.len()).filter(|at| costs.get(*at).is_some_and(|c| *c <= best + 1e-9)).collect();
        let chosen = ties.get(random.below(ties.len())).copied().unwrap_or(0);
        if let (Some(part), Some(missing)) = (parts.get_mut(chosen), missing.get_mut(chosen)) {
            part.extend(group.positions);
            missing.iter_mut().zip(group.counts).for_each(|(m, n)| *m -= f64::from(*n));
        }
    }
    parts.truncate(shares.len());
    parts.iter_mut().for_each(|part| part.sort_unstable());
    parts
}

/// The change of Σ missing² over the classes and over the rows in all when `group` joins a part.
fn added_cost(missing: &[f64], group: &Group) -> f64 {
    let change = |missing: f64, n: f64| n * n - 2.0 * missing * n;
    let classes: f64 = missing.iter().zip(group.counts).map(|(m, n)| change(*m, f64::from(*n))).sum();
    classes + change(missing.iter().sum(), group.positions.len() as f64)
}

/// Draws `targets[class]` rows of each class: whole groups, in drawn order, as long as they fit, then single rows of
/// the others. Positions, ascending; `class_at` tells the class at a position.
pub(super) fn take(
    groups: &Groups,
    targets: &[usize],
    class_at: impl Fn(u32) -> usize,
    random: &mut Random,
) -> Vec<u32> {
    let mut left = targets.to_vec();
    let mut taken = Vec::new();
    let mut skipped = Vec::new();
    for idx in random.order(groups.len() as u32) {
        let group = groups.get(idx as usize);
        if group.counts.iter().zip(&left).all(|(n, left)| *n as usize <= *left) {
            left.iter_mut().zip(group.counts).for_each(|(left, n)| *left -= *n as usize);
            taken.extend(group.positions);
        } else {
            skipped.extend(group.positions);
        }
    }
    for at in skipped {
        if let Some(left) = left.get_mut(class_at(at)).filter(|left| **left > 0) {
            *left -= 1;
            taken.push(at);
        }
    }
    taken.sort_unstable();
    taken
}

/// `n` rows over `n_classes` classes as evenly as possible; who gets the odd rows is drawn.
pub(super) fn even_targets(n: usize, n_classes: usize, random: &mut Random) -> Vec<usize> {
    let n_classes = n_classes.max(1);
    let mut targets = vec![n / n_classes; n_classes];
    for class in random.permutation(n_classes).into_iter().take(n % n_classes) {
        if let Some(target) = targets.get_mut(class) {
            *target += 1;
        }
    }
    targets
}

/// Rows of `class` in all groups.
pub(super) fn class_total(groups: &Groups, class: usize) -> usize {
    groups.counts.iter().skip(class).step_by(groups.n_classes.max(1)).map(|n| *n as usize).sum()
}

/// Groups from large to small; groups of one size in drawn order.
fn drawn_order(groups: &Groups, random: &mut Random) -> Vec<u32> {
    let mut order = random.order(groups.len() as u32);
    let size = |idx: &u32| groups.get(*idx as usize).positions.len();
    // Sorting takes memory of its own, and most groups are single rows.
    if !order.is_sorted_by_key(|idx| std::cmp::Reverse(size(idx))) {
        order.sort_by_key(|idx| std::cmp::Reverse(size(idx)));
    }
    order
}
