//! What finite pairs determine of a policy that is free in every response.
//!
//! Comparisons of a prompt make a graph. Between responses that no chain of comparisons connects nothing is determined. Within
//! a connected part the likelihood of Bradley and Terry has a maximum exactly where the part is strongly connected by "was
//! preferred to" (Zermelo 1929; Ford 1957): where one side always won, its margin grows without bound.

use super::{Pairs, PolicyError};
use std::collections::BTreeMap;

/// How far pairs determine a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// In no pair with a weight: nothing is known of it.
    NoPair,
    /// Its margins to the others of its part have a best value.
    Determined,
    /// Its part falls into groups of which one was always preferred: the best margin is infinite.
    Unbounded,
}

impl Status {
    /// As frames call it.
    pub fn name(self) -> &'static str {
        match self {
            Status::NoPair => "in no pair",
            Status::Determined => "determined",
            Status::Unbounded => "unbounded",
        }
    }
}

/// One response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found {
    pub n_pairs: usize,
    /// The part of the prompt's graph: its first response.
    pub part: usize,
    pub status: Status,
}

/// Every response of every prompt, row-major.
pub fn identify(pairs: &Pairs, n_prompts: usize, n_responses: usize) -> Result<Vec<Found>, PolicyError> {
    pairs.check(n_prompts, n_responses)?;
    let mut edges: BTreeMap<usize, Vec<(usize, usize)>> = BTreeMap::new();
    let mut counts = vec![0usize; n_prompts * n_responses];
    let judged = pairs.preferences.iter().zip(&pairs.weights);
    for ((prompt, chosen, rejected), (p, weight)) in pairs.places().zip(judged) {
        if *weight == 0.0 || chosen == rejected {
            continue;
        }
        for response in [chosen, rejected] {
            if let Some(n) = counts.get_mut(prompt * n_responses + response) {
                *n += 1;
            }
        }
        let of_prompt = edges.entry(prompt).or_default();
        if *p > 0.0 {
            of_prompt.push((chosen, rejected));
        }
        if *p < 1.0 {
            of_prompt.push((rejected, chosen));
        }
    }
    let mut found: Vec<Found> = Vec::with_capacity(counts.len());
    for prompt in 0..n_prompts {
        let of_prompt = edges.get(&prompt).map(Vec::as_slice).unwrap_or_default();
        let parts = parts(n_responses, of_prompt);
        let groups = groups(n_responses, of_prompt);
        // A part is determined if all its responses are in one group.
        let mut of_part: BTreeMap<usize, (usize, bool)> = BTreeMap::new();
        for (part, group) in parts.iter().zip(&groups) {
            let entry = of_part.entry(*part).or_insert((*group, true));
            entry.1 &= entry.0 == *group;
        }
        for (response, part) in parts.iter().enumerate() {
            let n_pairs = counts.get(prompt * n_responses + response).copied().unwrap_or(0);
            let is_one = of_part.get(part).is_some_and(|(_, is_one)| *is_one);
            let status = match (n_pairs, is_one) {
                (0, _) => Status::NoPair,
                (_, true) => Status::Determined,
                (_, false) => Status::Unbounded,
            };
            found.push(Found { n_pairs, part: *part, status });
        }
    }
    Ok(found)
}

/// The smallest response that each is connected to, in either direction.
fn parts(n: usize, edges: &[(usize, usize)]) -> Vec<usize> {
    let mut root: Vec<usize> = (0..n).collect();
    fn find(root: &mut [usize], mut at: usize) -> usize {
        while let Some(above) = root.get(at).copied().filter(|above| *above != at) {
            let next = root.get(above).copied().unwrap_or(above);
            if let Some(slot) = root.get_mut(at) {
                *slot = next;
            }
            at = next;
        }
        at
    }
    for (one, other) in edges {
        let (a, b) = (find(&mut root, *one), find(&mut root, *other));
        if let Some(slot) = root.get_mut(a.max(b)) {
            *slot = a.min(b);
        }
    }
    (0..n).map(|at| find(&mut root, at)).collect()
}

/// Numbers of strongly connected components (Kosaraju's two passes, without recursion).
fn groups(n: usize, edges: &[(usize, usize)]) -> Vec<usize> {
    let (mut forward, mut back) = (vec![Vec::new(); n], vec![Vec::new(); n]);
    for (from, to) in edges {
        if let (Some(out), Some(into)) = (forward.get_mut(*from), back.get_mut(*to)) {
            out.push(*to);
            into.push(*from);
        }
    }
    let mut seen = vec![false; n];
    let mut order = Vec::with_capacity(n);
    for start in 0..n {
        walk(start, &forward, &mut seen, &mut order);
    }
    let (mut seen, mut group) = (vec![false; n], vec![0; n]);
    for start in order.into_iter().rev() {
        let mut reached = Vec::new();
        walk(start, &back, &mut seen, &mut reached);
        for at in reached {
            if let Some(slot) = group.get_mut(at) {
                *slot = start;
            }
        }
    }
    group
}

/// Visits what is reached from `start` and was not seen; `order` gets each when all beyond it is done.
fn walk(start: usize, edges: &[Vec<usize>], seen: &mut [bool], order: &mut Vec<usize>) {
    let mut enter = |at: usize| seen.get_mut(at).is_some_and(|seen| !std::mem::replace(seen, true));
    if !enter(start) {
        return;
    }
    let mut open = vec![(start, 0)];
    while let Some((at, next)) = open.last_mut() {
        match edges.get(*at).and_then(|targets| targets.get(*next)) {
            Some(to) => {
                *next += 1;
                if enter(*to) {
                    open.push((*to, 0));
                }
            }
            None => {
                order.push(*at);
                open.pop();
            }
        }
    }
}
