//! Colours that stay apart for colour-blind readers and in print.

/// Okabe and Ito's palette without its yellow, which is too pale for lines on white, in an order that keeps neighbours far apart.
/// Source: Okabe & Ito 2008, "Color Universal Design".
pub const SERIES: [&str; 7] = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000"];

/// Body text.
pub const INK: &str = "#1a1a1a";
/// Secondary text: contrast 5.7 : 1 on white.
pub const GREY: &str = "#666666";
/// Axes and separators.
pub const RULE: &str = "#b5b5b5";
/// Grid lines.
pub const GRID: &str = "#e8e8e8";

/// The colour of the `idx`th series.
pub fn series(idx: usize) -> &'static str {
    SERIES.get(idx % SERIES.len()).copied().unwrap_or(INK)
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
    fn the_ends_and_the_middle_are_the_stops() {
        assert_eq!(sequential(0.0).0, "#f7fbff");
        assert_eq!(sequential(2.0), ("#08306b".to_owned(), true));
        assert_eq!(diverging(0.0).0, "#f7f7f7");
        assert_eq!(diverging(-1.0).0, "#b35806");
    }
}
