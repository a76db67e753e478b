//! Colours that stay apart for colour-blind readers, in print and on a dark page; which name has which.

use std::collections::BTreeSet;

/// Okabe and Ito's palette without its yellow, which is too pale for lines on white, in an order that keeps neighbours far apart.
/// Source: Okabe & Ito 2008, "Color Universal Design".
pub const SERIES: [&str; 7] = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000"];

/// The ground of a drawing.
pub const GROUND: &str = "#ffffff";
/// Body text.
pub const INK: &str = "#1a1a1a";
/// Secondary text: contrast 5.7 : 1 on white.
pub const GREY: &str = "#666666";
/// Axes and separators.
pub const RULE: &str = "#b5b5b5";
/// Grid lines.
pub const GRID: &str = "#e8e8e8";
/// What has no name, such as the only line of a figure: no colour that means a method elsewhere.
pub const NEUTRAL: &str = "#4c5a67";
/// A cell whose number is missing or says little.
pub const PALE: &str = "#f3f3f3";
/// Text on a coloured cell. A cell keeps its colour on a dark page, and so does this.
pub const ON_DARK: &str = "#fefefe";
pub const ON_LIGHT: &str = "#111111";

/// What a colour becomes where the reader prefers a dark page. Colours that are not listed stay. Contrast on the dark ground:
/// text 14.6 : 1, secondary text 7.4 : 1, the blue of a series 4.5 : 1.
const DARK: [(&str, &str); 9] = [
    (GROUND, "#14171a"),
    (INK, "#e8e8e8"),
    (GREY, "#a3a8ad"),
    (RULE, "#5c6268"),
    (GRID, "#2b3036"),
    (PALE, "#272c31"),
    (NEUTRAL, "#a9b8c6"),
    ("#0072B2", "#1f88cc"),
    ("#000000", "#f2f2f2"),
];

/// The style sheet that every SVG carries: on a dark page it replaces colours by their names, so that a program which knows no style
/// sheets still draws the light figure.
pub fn style() -> String {
    let rule = |(light, dark): &(&str, &str)| {
        format!("svg [fill=\"{light}\"]{{fill:{dark}}}svg [stroke=\"{light}\"]{{stroke:{dark}}}")
    };
    format!("@media(prefers-color-scheme:dark){{{}}}", DARK.iter().map(rule).collect::<String>())
}

/// The colour of a slot.
pub fn series(slot: usize) -> &'static str {
    SERIES.get(slot % SERIES.len()).copied().unwrap_or(INK)
}

/// Methods and losses that come with the program, by the first word of their name, and their slots.
const KNOWN: [(&str, usize); 12] = [
    ("naive", 0),
    ("cross_entropy", 0),
    ("weak", 6),
    ("confidence", 1),
    ("adapt_conf", 4),
    ("bootstrap", 2),
    ("chain", 2),
    ("product", 3),
    ("ceiling", 5),
    ("entropy", 4),
    ("gce", 3),
    ("symmetric", 5),
];

/// The first slot of names that are not known: the ones before are those of methods that stand in most figures.
const FIRST_OTHER: usize = 3;

/// A slot for each of these names, which are distinct. A name has the same slot in every figure: the one of its place in `order`,
/// else the one that it wants; where another name of the figure took that, the next free one. From the eighth on, dashes
/// tell apart what shares a colour.
pub fn slots(names: &[&str], order: &[String]) -> Vec<usize> {
    let mut slots: Vec<Option<usize>> = names.iter().map(|name| order.iter().position(|other| other == name)).collect();
    let mut taken: BTreeSet<usize> = slots.iter().flatten().copied().collect();
    // Known names choose first, so that an unknown one before them moves none of them.
    for choose in [known, |name: &str| Some(other(name))] {
        for (name, slot) in names.iter().zip(&mut slots).filter(|(_, slot)| slot.is_none()) {
            *slot = choose(name).and_then(|wanted| free(wanted, &taken));
            taken.extend(*slot);
        }
    }
    slots.into_iter().map(Option::unwrap_or_default).collect()
}

/// The wanted slot, or the next one that is free.
fn free(wanted: usize, taken: &BTreeSet<usize>) -> Option<usize> {
    let n = SERIES.len();
    let turns = (0..=taken.len()).flat_map(|round| (0..n).map(move |step| round * n + (wanted + step) % n));
    turns.into_iter().find(|slot| !taken.contains(slot))
}

/// The slot of a name that comes with the program.
fn known(name: &str) -> Option<usize> {
    let first = name.split([',', ' ', '(']).next().unwrap_or_default();
    KNOWN.iter().find(|(known, _)| *known == first).map(|(_, slot)| *slot)
}

/// The slot that another name wants, by its hash (FNV-1a: the same on every machine and in every version).
fn other(name: &str) -> usize {
    let hash = name
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    FIRST_OTHER + (hash % (SERIES.len() - FIRST_OTHER) as u64) as usize
}

type Rgb = [f64; 3];

/// Light to dark blue; lightness falls evenly, so that the order survives grey print. Source: ColorBrewer "Blues", ends and middle.
const SEQUENTIAL: [Rgb; 4] = [[247.0, 251.0, 255.0], [158.0, 202.0, 225.0], [49.0, 130.0, 189.0], [8.0, 48.0, 107.0]];
/// Orange to white to purple. Source: ColorBrewer "PuOr".
const DIVERGING: [Rgb; 5] =
    [[179.0, 88.0, 6.0], [253.0, 184.0, 99.0], [247.0, 247.0, 247.0], [178.0, 171.0, 210.0], [84.0, 39.0, 136.0]];

/// A colour for `share` in 0..1, and whether text on it should be white.
pub fn sequential(share: f64) -> (String, bool) {
    between(&SEQUENTIAL, share)
}

/// A colour for `share` in −1..1, white at 0, and whether text on it should be white.
pub fn diverging(share: f64) -> (String, bool) {
    between(&DIVERGING, (share + 1.0) / 2.0)
}

fn between(stops: &[Rgb], share: f64) -> (String, bool) {
    let at = share.clamp(0.0, 1.0) * (stops.len() - 1) as f64;
    let first = (at.floor() as usize).min(stops.len().saturating_sub(2));
    let rest = at - first as f64;
    let (Some(a), Some(b)) = (stops.get(first), stops.get(first + 1)) else {
        return ("#ffffff".to_owned(), false);
    };
    let [red, green, blue] = [0, 1, 2].map(|i: usize| {
        let (x, y) = (a.get(i).copied().unwrap_or(0.0), b.get(i).copied().unwrap_or(0.0));
        x + (y - x) * rest
    });
    // Rec. 709 luma: enough to choose between black and white text.
    let luma = 0.2126 * red + 0.7152 * green + 0.0722 * blue;
    (format!("#{:02x}{:02x}{:02x}", red.round() as u8, green.round() as u8, blue.round() as u8), luma < 120.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_keeps_its_colour_whatever_stands_beside_it() {
        let both = slots(&["naive", "mine", "confidence"], &[]);
        assert_eq!((both[0], both[2]), (0, 1));
        assert_eq!(slots(&["confidence", "naive"], &[]), [1, 0]);
        assert_eq!(slots(&["mine"], &[])[0], both[1]);
        let order = ["b".to_owned(), "a".to_owned()];
        assert_eq!(slots(&["a", "b"], &order), [1, 0]);
        assert_eq!(slots(&["a"], &order), [1]);
    }

    #[test]
    fn names_of_one_figure_never_share_a_slot() {
        let names: Vec<String> = (0..30).map(|idx| format!("bootstrap, {idx} hops")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let slots = slots(&names, &["bootstrap, 3 hops".to_owned()]);
        assert_eq!(slots.iter().collect::<BTreeSet<_>>().len(), names.len());
        assert!(slots.iter().all(|slot| *slot < 5 * SERIES.len()));
    }

    #[test]
    fn the_ends_and_the_middle_are_the_stops() {
        assert_eq!(sequential(0.0).0, "#f7fbff");
        assert_eq!(sequential(2.0), ("#08306b".to_owned(), true));
        assert_eq!(diverging(0.0).0, "#f7f7f7");
        assert_eq!(diverging(-1.0).0, "#b35806");
    }
}
