//! Rows that are the same to a model, and groups that share such rows: they stay on one side of every split.

use super::{Input, Row, Text, little_endian};
use crate::core::digest::Digest;
use rayon::prelude::*;
use std::collections::HashMap;

/// What tells that two rows are the same to a model: its texts without white space at their ends, continuations in any order;
/// its tokens; its features.
pub(super) fn identity(input: &Input) -> Digest {
    let builder = Digest::of("data/identity", 1);
    match input {
        Input::Tokens(tokens) => {
            builder.bytes("tokens", &little_endian(tokens.iter().map(|token| token.to_le_bytes())))
        }
        Input::Features(features) => {
            builder.bytes("features", &little_endian(features.iter().map(|value| value.to_le_bytes())))
        }
        Input::Text(text) => builder.text("text", text.trim()),
        Input::Prompt(prompt) => {
            let mut continuations: Vec<&str> = prompt.continuations.iter().map(|text| text.trim()).collect();
            continuations.sort_unstable();
            let builder = builder.text("prompt", prompt.text.trim());
            continuations.into_iter().fold(builder, |builder, text| builder.text("continuation", text))
        }
    }
    .finish()
}

/// The identities of rows, in brief.
pub(super) fn identities(rows: &[Row]) -> Vec<u64> {
    rows.par_iter().with_min_len(1024).map(|row| identity(&row.input).brief()).collect()
}

/// What rows have in common that belong together: a text, a prompt, without one the continuations in any order.
pub(super) fn own_group(input: &Input) -> Text {
    let of_bytes = |bytes: Vec<u8>| Text::from(Digest::of_bytes(&bytes).to_hex());
    match input {
        Input::Text(text) => text.clone(),
        Input::Prompt(prompt) if !prompt.text.trim().is_empty() => prompt.text.as_str().into(),
        Input::Prompt(prompt) => {
            let mut texts = prompt.continuations.clone();
            texts.sort();
            of_bytes(texts.join("\n").into_bytes())
        }
        Input::Tokens(tokens) => of_bytes(little_endian(tokens.iter().map(|token| token.to_le_bytes()))),
        Input::Features(features) => of_bytes(little_endian(features.iter().map(|value| value.to_le_bytes()))),
    }
}

/// The number of each row's group, where groups that hold the same row are one: in order of first appearance, so that numbers
/// without such rows stay as they are.
pub(super) fn united(group_of: Vec<u32>, rows: &[Row], identities: &[u64]) -> Vec<u32> {
    let n_groups = group_of.iter().max().map_or(0, |last| *last as usize + 1);
    let mut parent: Vec<u32> = (0..n_groups as u32).collect();
    let mut is_united = false;
    // Rows that are the same side by side, by a table of their numbers: no copy of what they are.
    let mut by_identity: Vec<u32> = (0..identities.len().min(group_of.len()) as u32).collect();
    by_identity.sort_unstable_by_key(|row| identities.get(*row as usize));
    for alike in by_identity.chunk_by(|one, other| identities.get(*one as usize) == identities.get(*other as usize)) {
        if alike.len() < 2 {
            continue;
        }
        let whole = |row: &u32| rows.get(*row as usize).map(|held| (identity(&held.input), *row as usize));
        let mut alike: Vec<(Digest, usize)> = alike.iter().filter_map(whole).collect();
        alike.sort_unstable();
        for pair in alike.windows(2) {
            let [(one, first), (other, second)] = pair else { continue };
            if one != other {
                continue;
            }
            let [a, b] = [*first, *second].map(|row| root(&mut parent, group_of.get(row).copied().unwrap_or_default()));
            if a != b {
                is_united = true;
                if let Some(slot) = parent.get_mut(a.max(b) as usize) {
                    *slot = a.min(b);
                }
            }
        }
    }
    if !is_united {
        return group_of;
    }
    let mut number: HashMap<u32, u32> = HashMap::new();
    group_of
        .into_iter()
        .map(|group| {
            let fresh = number.len() as u32;
            *number.entry(root(&mut parent, group)).or_insert(fresh)
        })
        .collect()
}

/// The group that stands for the one that `group` belongs to; shortens the way for the next time.
fn root(parent: &mut [u32], group: u32) -> u32 {
    let up = |parent: &[u32], at: u32| parent.get(at as usize).copied().unwrap_or(at);
    let mut top = group;
    while up(parent, top) != top {
        top = up(parent, top);
    }
    let mut at = group;
    while at != top {
        let next = up(parent, at);
        if let Some(slot) = parent.get_mut(at as usize) {
            *slot = top;
        }
        at = next;
    }
    top
}

#[cfg(test)]
mod tests {
    use super::super::input::tests::{prompt, rows};
    use super::*;

    #[test]
    fn the_same_row_is_the_same_however_it_is_spaced() {
        let same = |one: Input, other: Input| identity(&one) == identity(&other);
        assert!(same(" a b\n".into(), "a b".into()) && !same("a b".into(), "a  b".into()));
        assert!(same(prompt("p", &["x", " y"]), prompt("p ", &["y", "x"])) && !same(prompt("p", &["x"]), "p".into()));
        assert!(!same(Input::Tokens([1, 2].into()), Input::Tokens([2, 1].into())));
    }

    #[test]
    fn groups_with_a_row_in_common_are_one() {
        let of = |texts: &[&str], groups: &[u32]| {
            let rows = rows(texts.iter().map(|text| (*text).into()).collect());
            let all = united(groups.to_vec(), &rows, &identities(&rows));
            // Rows that are alike in brief are told apart by the whole.
            assert_eq!(united(groups.to_vec(), &rows, &vec![7; rows.len()]), all);
            all
        };
        assert_eq!(of(&["a", "b", "c", "b"], &[0, 1, 2, 1]), [0, 1, 2, 1], "as they were");
        assert_eq!(of(&["a", "b", "a", "c"], &[0, 1, 2, 3]), [0, 1, 0, 2]);
        assert_eq!(of(&["a", "b", "c", "b", "a"], &[0, 1, 2, 2, 3]), [0, 1, 1, 1, 0]);
        let chain: Vec<String> = (0..1000).map(|idx| format!("t{}", idx / 2)).collect();
        let texts: Vec<&str> = chain.iter().map(String::as_str).collect();
        let groups: Vec<u32> = (0..1000u32).map(|idx| idx.div_ceil(2)).collect();
        assert!(of(&texts, &groups).iter().all(|group| *group == 0), "each group shares a text with the next");
    }
}
