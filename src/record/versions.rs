//! The version of every derivation: a digest hashes it, so only a record that states it tells "the version rose" from "made from
//! something else". One table, held against the source by a test.

use super::schema::Record;
use std::collections::BTreeMap;

/// A derivation as `Digest::of` names it, its version in this program, and its version in records that state none: those of
/// `w2s 0.1.0` up to 28 November 2026, and in those that state others and not this one. 0: there was none. Where a version rises, its first number here rises; the second
/// never changes.
pub const DERIVATIONS: &[(&str, u32, u32)] = &[
    ("array", 1, 1),
    ("blob", 1, 1),
    ("bool", 1, 1),
    ("char", 1, 1),
    ("choose", 1, 0),
    ("closure", 3, 3),
    ("data/draw", 1, 0),
    ("data/frame", 1, 1),
    ("data/identity", 1, 0),
    ("data/known", 1, 0),
    ("data/made", 1, 0),
    ("data/source", 1, 1),
    ("data/truth", 1, 1),
    ("data/unnamed", 1, 0),
    ("data/view", 1, 1),
    ("deep", 1, 1),
    ("error", 1, 1),
    ("estimate", 1, 1),
    ("expression", 1, 1),
    ("features", 2, 2),
    ("figure", 2, 1),
    ("finetune", 2, 2),
    ("finetune_generative", 1, 0),
    ("finetune_preferences", 1, 0),
    ("finetune_preferences/state", 1, 0),
    ("finetune_rankings", 1, 0),
    ("float", 1, 1),
    ("folded", 1, 1),
    ("frame/content", 1, 1),
    ("frame/named", 1, 0),
    ("generate", 1, 0),
    ("generate/prompts", 1, 0),
    ("generate/tokens", 1, 0),
    ("group_by", 1, 1),
    ("hidden_states", 1, 0),
    ("integer", 1, 1),
    ("judge/expected", 1, 0),
    ("judge/fit", 1, 0),
    ("judge/hard", 1, 0),
    ("judge/intransitive", 1, 0),
    ("judge/pairs", 1, 0),
    ("judge/pairwise", 1, 0),
    ("judge/ranking_logprobs", 1, 0),
    ("judge/rankings", 1, 0),
    ("judge/relabel", 1, 0),
    ("judge/rewards", 1, 0),
    ("judge/scalar", 1, 0),
    ("judge/scaled", 1, 0),
    ("knn", 1, 0),
    ("label", 3, 3),
    ("logistic", 1, 0),
    ("logprobs", 1, 0),
    ("logprobs/tokens", 1, 0),
    ("loss", 1, 1),
    ("loss/adapt_conf", 2, 1),
    ("loss/batch", 1, 0),
    ("loss/closure", 3, 3),
    ("loss/confidence", 2, 1),
    ("loss/window", 2, 1),
    ("map", 1, 1),
    ("memo/key", 1, 1),
    ("model/adapter", 1, 0),
    ("model/content", 1, 1),
    ("model/curves", 2, 0),
    ("model/first_layers", 1, 1),
    ("model/gguf", 1, 1),
    ("model/hf", 1, 1),
    ("model/in_classes", 1, 0),
    ("model/max_tokens", 1, 1),
    ("model/unpretrained", 1, 0),
    ("model/untrained", 1, 1),
    ("model/validation", 1, 0),
    ("module", 2, 2),
    ("policy/best_of", 1, 0),
    ("policy/checkpoint", 1, 0),
    ("policy/compare", 1, 0),
    ("policy/curve", 2, 0),
    ("policy/features", 1, 0),
    ("policy/finetune", 1, 0),
    ("policy/finetune_online", 1, 0),
    ("policy/finetune_rankings", 1, 0),
    ("policy/identification", 1, 0),
    ("policy/log_linear", 1, 0),
    ("policy/margins", 1, 0),
    ("policy/mixed", 1, 0),
    ("policy/optimise", 1, 0),
    ("policy/optimum", 1, 0),
    ("policy/probabilities", 1, 0),
    ("policy/reinforce", 1, 0),
    ("policy/responses", 1, 0),
    ("policy/sample", 1, 0),
    ("policy/stream", 1, 0),
    ("policy/tabular", 1, 0),
    ("policy/tempered", 1, 0),
    ("policy/top", 1, 0),
    ("predict", 3, 3),
    ("preference/closure", 1, 0),
    ("preference/loss", 1, 0),
    ("preference/margins", 1, 0),
    ("pretrain", 1, 1),
    ("pretrain/models", 1, 1),
    ("range inclusive", 1, 1),
    ("range", 1, 1),
    ("score", 1, 0),
    ("str", 1, 1),
    ("string", 1, 1),
    ("sweep/map", 1, 1),
    ("tensor", 1, 1),
    ("unit", 1, 1),
    ("unknown", 1, 1),
    ("untraceable", 1, 1),
    ("vault/predictions", 1, 0),
    ("when", 1, 1),
    ("world", 1, 1),
    ("world/concepts", 1, 0),
    ("world/lexicon", 1, 1),
    ("world/loss", 1, 1),
    ("world/pairs", 1, 0),
    ("world/properties", 1, 0),
    ("world/task", 1, 1),
];

/// Texts of the program's script modules that records name and that are the program's no more: name and hash. A release adds
/// what it ships. A rerun with a text that is neither here nor the program's own is done once more with the program's own.
pub const EARLIER_MODULES: &[(&str, &str)] = &[
    ("w2s", "ca367368f2defb5944a0a6f8e6f2bdde1c84261c570bc40c2060e43a91458099"),
    ("w2s", "f38c7dbc32ca5eaaa0b49861cfffa7007d8e3f5f50cf98037632e0c66c0ee251"),
];

/// What a record of this program states.
pub fn stated() -> Vec<(String, u32)> {
    let known = DERIVATIONS.iter().filter(|(_, now, _)| *now > 0);
    known.map(|(name, now, _)| ((*name).to_owned(), *now)).collect()
}

/// The versions that a record was made with.
fn of(record: &Record) -> BTreeMap<&str, u32> {
    let all = record.versions.is_empty();
    let first = DERIVATIONS.iter().filter(|(_, now, _)| all || *now > 0).map(|(name, _, then)| (*name, *then));
    let stated = record.versions.iter().map(|(name, version)| (name.as_str(), *version));
    first.chain(stated).collect()
}

/// Whether a record made something of a derivation. Of a loss its operations tell; of all else it is taken for granted.
fn uses(record: &Record, name: &str) -> bool {
    match name.strip_prefix("loss/") {
        None | Some("closure") => true,
        Some(loss) => {
            let call = format!("loss::{loss}(");
            record.operations().any(|(operation, _)| operation.options.contains(&call))
        }
    }
}

/// The derivations whose version is another one in the second record: the two versions, by name. One that only the second
/// record knows made nothing of the first, nor did a loss that none of its operations had.
pub(super) fn moved(old: &Record, new: &Record) -> BTreeMap<String, (u32, u32)> {
    let now = of(new);
    let pairs = of(old).into_iter().map(|(name, then)| (name, (then, now.get(name).copied().unwrap_or(0))));
    let pairs = pairs.filter(|(name, (then, now))| then != now && *then != 0 && uses(old, name));
    pairs.map(|(name, pair)| (name.to_owned(), pair)).collect()
}

/// The derivation that names an operation's result.
pub(super) fn derivation(operation: &str) -> String {
    operation.replace("::", "/")
}

#[cfg(test)]
mod tests {
    use super::super::Recorder;
    use super::*;
    use crate::core::context::{Event, Found};
    use crate::core::operation::Operation;

    /// A record of before there were versions of single losses.
    #[test]
    fn a_loss_moved_where_a_training_had_it() {
        for (options, expected) in
            [("loss::confidence(#{form: \"p\"}), steps 12", Some((1, 2))), ("loss::gce(#{q: 0.7}), steps 12", None)]
        {
            let folder = tempfile::tempdir().expect("a folder");
            let recorder = Recorder::for_tests(folder.path(), &[]);
            let text = String::new;
            let operation = Operation {
                name: "finetune".to_owned(),
                what: text(),
                digest: text(),
                key: text(),
                inputs: Vec::new(),
                options: options.to_owned(),
                seconds: 0.0,
                curve: Vec::new(),
            };
            recorder.note(&Event::Operation { operation, work: 0.0, found: Found::Computed });
            let new = recorder.snapshot();
            let mut old = new.clone();
            old.versions.retain(|(name, _)| !["loss/confidence", "loss/window"].contains(&name.as_str()));
            let expected = expected.map(|pair| ("loss/confidence".to_owned(), pair)).into_iter().collect();
            assert_eq!(moved(&old, &new), expected, "{options}");
        }
    }

    #[test]
    fn a_record_that_states_none_is_of_the_first_versions() {
        let folder = tempfile::tempdir().expect("a folder");
        let new = Recorder::for_tests(folder.path(), &[]).snapshot();
        let mut old = new.clone();
        assert_eq!(moved(&old, &new), BTreeMap::new());
        let place = old.versions.iter_mut().find(|(name, _)| name == "finetune").expect("an operation");
        place.1 = 1;
        old.versions.push(("gone".to_owned(), 7));
        let expected = [("finetune".to_owned(), (1, 2)), ("gone".to_owned(), (7, 0))];
        assert_eq!(moved(&old, &new), BTreeMap::from(expected));
        old.versions.clear();
        let then = moved(&old, &new);
        for (name, now, first) in DERIVATIONS.iter().filter(|(name, ..)| uses(&old, name)) {
            let pair = (now != first && *first != 0).then_some((*first, *now));
            assert_eq!(then.get(*name).copied(), pair, "{name}");
        }
    }
}
