//! Dividing groups of rows into parts with given shares, balanced by class as well as whole groups allow.

use crate::core::random::Random;

/// One group of a view: which positions, and how many rows of each class.
pub(super) struct Group {
    /// Positions in the view, ascending.
    pub positions: Vec<u32>,
    /// Rows per class; one entry with all rows where truth is unknown.
    pub counts: Vec<usize>,
}

impl Group {
    /// Counts rows without a look at their classes.
    pub fn forget_classes(&mut self) {
        self.counts = vec![self.positions.len()];
    }

    fn len(&self) -> usize {
        self.positions.len()
    }
}

/// Divides `groups` into parts: part `i` gets about `shares[i]` of every class. What the shares leave over stays out.
///
/// Large groups are placed first, each where the squared distance of class counts and row counts from their targets
/// falls most; ties and the order among groups of a size are drawn. With groups of one row every part's class counts
/// are within one row of their share.
pub(super) fn divide(groups: &[Group], shares: &[f64], random: &mut Random) -> Vec<Vec<u32>> {
    let n_classes = groups.first().map_or(0, |group| group.counts.len());
    let totals: Vec<f64> = (0..n_classes).map(|class| class_total(groups, class) as f64).collect();
    let rest = 1.0 - shares.iter().sum::<f64>();
    let all_shares: Vec<f64> = shares.iter().copied().chain((rest > 1e-9).then_some(rest)).collect();
    let mut missing: Vec<Vec<f64>> =
        all_shares.iter().map(|share| totals.iter().map(|total| share * total).collect()).collect();
    let mut parts: Vec<Vec<u32>> = vec![Vec::new(); all_shares.len()];
    for idx in drawn_order(groups, random) {
        let Some(group) = groups.get(idx) else { continue };
        let costs: Vec<f64> = missing.iter().map(|missing| added_cost(missing, group)).collect();
        let best = costs.iter().copied().fold(f64::INFINITY, f64::min);
        let ties: Vec<usize> =
            (0..costs.len()).filter(|at| costs.get(*at).is_some_and(|c| *c <= best + 1e-9)).collect();
        let chosen = ties.get(random.below(ties.len())).copied().unwrap_or(0);
        if let (Some(part), Some(missing)) = (parts.get_mut(chosen), missing.get_mut(chosen)) {
            part.extend(&group.positions);
            missing.iter_mut().zip(&group.counts).for_each(|(m, n)| *m -= *n as f64);
        }
    }
    parts.truncate(shares.len());
    parts.iter_mut().for_each(|part| part.sort_unstable());
    parts
}

/// The change of Σ missing² over the classes and over the rows in all when `group` joins a part.
fn added_cost(missing: &[f64], group: &Group) -> f64 {
    let change = |missing: f64, n: f64| n * n - 2.0 * missing * n;
    let classes: f64 = missing.iter().zip(&group.counts).map(|(m, n)| change(*m, *n as f64)).sum();
    classes + change(missing.iter().sum(), group.len() as f64)
}

/// Draws `targets[class]` rows of each class: whole groups, in drawn order, as long as they fit, then single rows of
/// the others. Positions, ascending; `class_at` tells the class at a position.
pub(super) fn take(
    groups: &[Group],
    targets: &[usize],
    class_at: impl Fn(u32) -> usize,
    random: &mut Random,
) -> Vec<u32> {
    let mut left = targets.to_vec();
    let mut taken = Vec::new();
    let mut skipped = Vec::new();
    for idx in random.permutation(groups.len()) {
        let Some(group) = groups.get(idx) else { continue };
        if group.counts.iter().zip(&left).all(|(n, left)| n <= left) {
            left.iter_mut().zip(&group.counts).for_each(|(left, n)| *left -= n);
            taken.extend(&group.positions);
        } else {
            skipped.extend(&group.positions);
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
pub(super) fn class_total(groups: &[Group], class: usize) -> usize {
    groups.iter().filter_map(|group| group.counts.get(class)).sum()
}

/// Groups from large to small; groups of one size in drawn order.
fn drawn_order(groups: &[Group], random: &mut Random) -> Vec<usize> {
    let mut order = random.permutation(groups.len());
    order.sort_by_key(|idx| std::cmp::Reverse(groups.get(*idx).map_or(0, Group::len)));
    order
}
