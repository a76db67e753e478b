//! `w2s store show`: one result with everything that the store knows of where it came from.

use super::{draw, exit, units};
use crate::core::digest::short;
use crate::store::Store;
use crate::store::memo::Listed;

/// The page, and the exit code: a damaged result is a finding.
pub fn page(store: &Store, listed: &Listed) -> (String, u8) {
    let manifest = match &listed.manifest {
        Ok(manifest) => manifest,
        Err(why) => return (format!("{}  damaged: {why}", listed.key), exit::SCRIPT),
    };
    let mut text = String::new();
    let mut line = |name: &str, value: &str| {
        text.push_str(&format!("{}\n", format!("{name:<10} {}", draw::plain(value)).trim_end()))
    };
    line("operation", &manifest.operation);
    line("what", &manifest.what);
    line("key", &listed.key.to_hex());
    line("digest", &manifest.digest);
    if !manifest.options.is_empty() {
        line("options", &manifest.options);
    }
    let took = units::seconds(manifest.seconds);
    let used = units::ago(listed.used);
    line(
        "made",
        &format!("in {took} by {} on {}, {} kernels; used {used}", manifest.program, manifest.device, manifest.kernels),
    );
    if manifest.imported {
        line("imported", "out of an archive: that its numbers are those of the derivation, nobody here checked");
    }
    let (content, code) = match store.content(manifest) {
        Ok(content) => {
            let arrays = content.tensors.iter().map(|(name, shape, _)| format!("{name} {shape:?}"));
            let arrays = arrays.collect::<Vec<_>>().join(", ");
            (format!("{} {}, whole: {arrays}", short(&manifest.content), units::size(manifest.bytes)), exit::OK)
        }
        Err(why) => (format!("{} damaged: {why}", short(&manifest.content)), exit::SCRIPT),
    };
    line("content", &content);
    if let Some(curve) = curve(&manifest.curve) {
        line("loss", &curve);
    }
    if !manifest.inputs.is_empty() {
        line("inputs", "");
        match store.lineage() {
            Ok(lineage) => {
                text.extend(lineage.inputs(manifest).lines().flat_map(|line| [draw::plain(line), "\n".to_owned()]))
            }
            Err(error) => text.push_str(&format!("  not known: {error}\n")),
        }
    }
    (text.trim_end().to_owned(), code)
}

/// The losses as a line of bars, the first and the last as numbers.
fn curve(points: &[(u64, f64)]) -> Option<String> {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let (first, last) = (points.first()?, points.last()?);
    let finite = points.iter().map(|(_, loss)| *loss).filter(|loss| loss.is_finite());
    let (low, high) = finite.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), x| (low.min(x), high.max(x)));
    let bar = |loss: f64| {
        let at = if high > low { (loss - low) / (high - low) * 7.0 } else { 0.0 };
        // What is not a number is not a height.
        if loss.is_finite() { BARS.get(at.round() as usize).copied().unwrap_or('?') } else { '?' }
    };
    let bars: String = points.iter().map(|(_, loss)| bar(*loss)).collect();
    Some(format!("{bars}  {:.3} (step {}) to {:.3} (step {})", first.1, first.0, last.1, last.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_curve_is_a_line_of_bars() {
        assert_eq!(curve(&[]), None);
        let shown = curve(&[(1, 1.0), (2, 0.5), (3, f64::NAN), (4, 0.0)]).expect("points");
        assert_eq!(shown, "█▅?▁  1.000 (step 1) to 0.000 (step 4)");
        assert!(curve(&[(1, 2.0)]).expect("a point").starts_with('▁'));
    }
}
