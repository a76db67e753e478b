//! A drawing for LaTeX: a `tikzpicture`, so that its text is set in the paper's fonts and its authors can change it.
//!
//! `NAME.tikz` opens with its heading and note as comments, which [`head`] reads back: they belong into a caption.

use super::canvas::{Anchor, Canvas, Element, Paint, SMALL, Style, TEXT, num};
use crate::core::latex;
use std::fmt::Write;

/// Points of a paper to one pixel: 13 pixels are LaTeX's `\footnotesize` in a paper of 10 points.
const UNIT: f64 = 0.6;

/// The whole file.
pub(super) fn tikz(canvas: &Canvas, title: &str, note: &str) -> String {
    let line = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut out = format!("% heading: {}\n% note: {}\n% Needs \\usepackage{{tikz}}.\n", line(title), line(note));
    let _ = writeln!(out, "\\begin{{tikzpicture}}[x={UNIT}pt,y=-{UNIT}pt,line cap=butt,line join=miter]");
    for name in colours(canvas) {
        let _ = writeln!(
            out,
            "\\definecolor{{{}}}{{HTML}}{{{}}}%",
            wts(&name),
            name.trim_start_matches('#').to_uppercase()
        );
    }
    for element in &canvas.elements {
        put(element, &mut out);
    }
    out.push_str("\\end{tikzpicture}\n");
    out
}

/// Heading and note of a `.tikz` file.
pub fn head(tikz: &str) -> (String, String) {
    let after = |mark: &str| {
        let line = tikz.lines().take(4).find_map(|line| line.strip_prefix(mark));
        line.map_or_else(String::new, |text| text.trim().to_owned())
    };
    (after("% heading:"), after("% note:"))
}

/// What a colour such as `#0072B2` is called.
fn wts(colour: &str) -> String {
    format!("wts{}", colour.trim_start_matches('#').to_uppercase())
}

/// Every colour once, in the order of first use.
fn colours(canvas: &Canvas) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for element in &canvas.elements {
        let of_paint = |paint: &Paint| {
            let stroke = paint.stroke.as_ref().map(|(colour, ..)| colour.clone());
            paint.fill.clone().into_iter().chain(stroke).collect()
        };
        let used: Vec<String> = match element {
            Element::Line { paint, .. }
            | Element::Rect { paint, .. }
            | Element::Path { paint, .. }
            | Element::Circle { paint, .. } => of_paint(paint),
            Element::Text { style, .. } => vec![style.colour.to_owned()],
        };
        for colour in used {
            if !found.iter().any(|other| wts(other) == wts(&colour)) {
                found.push(colour);
            }
        }
    }
    found
}

fn put(element: &Element, out: &mut String) {
    let at = |(x, y): (f64, f64)| format!("({},{})", num(x), num(y));
    // A write to a string cannot fail.
    let _ = match element {
        Element::Line { from, to, paint } => writeln!(out, "\\path[{}] {} -- {};", painted(paint), at(*from), at(*to)),
        Element::Rect { at: corner, size, paint } => {
            let other = (corner.0 + size.0, corner.1 + size.1);
            writeln!(out, "\\path[{}] {} rectangle {};", painted(paint), at(*corner), at(other))
        }
        Element::Circle { at: centre, radius, paint } => {
            writeln!(out, "\\path[{}] {} circle[radius={}pt];", painted(paint), at(*centre), num(radius * UNIT))
        }
        Element::Path { points, closed, paint } => {
            let _ = write!(out, "\\path[{}] ", painted(paint));
            for (idx, point) in points.iter().enumerate() {
                // Lines of a length that an editor shows.
                let join = if idx == 0 {
                    ""
                } else if idx % 6 == 0 {
                    "\n--"
                } else {
                    "--"
                };
                let _ = write!(out, "{join}{}", at(*point));
            }
            writeln!(out, "{};", if *closed { "--cycle" } else { "" })
        }
        Element::Text { at: point, text, style, upwards, .. } => writeln!(
            out,
            "\\node[inner sep={}pt,outer sep=0pt,anchor={}{},text={}] at {} {{{}{}}};",
            if style.backed { "1.5" } else { "0" },
            match style.anchor {
                Anchor::Start => "base west",
                Anchor::Middle => "base",
                Anchor::End => "base east",
            },
            match (upwards, style.backed) {
                (true, _) => ",rotate=90",
                (_, true) => ",fill=white",
                _ => "",
            },
            wts(style.colour),
            at(*point),
            font(*style),
            latex::text(text)
        ),
    };
}

/// The nearest of LaTeX's sizes, which every font has.
fn font(style: Style) -> String {
    let size = match style.size {
        size if size > TEXT => "\\small",
        size if size > SMALL => "\\footnotesize",
        size if size >= SMALL => "\\scriptsize",
        _ => "\\tiny",
    };
    let bold = if style.bold { "\\bfseries" } else { "" };
    let italic = if style.italic { "\\itshape" } else { "" };
    format!("{size}{bold}{italic} ")
}

fn painted(paint: &Paint) -> String {
    let mut parts = Vec::new();
    if let Some(fill) = &paint.fill {
        parts.push(format!("fill={}", wts(fill)));
        if paint.opacity < 1.0 {
            parts.push(format!("fill opacity={}", num(paint.opacity)));
        }
    }
    if let Some((colour, width, dash)) = &paint.stroke {
        parts.push(format!("draw={},line width={}pt", wts(colour), num(width * UNIT)));
        let lengths: Vec<f64> = dash.split(' ').filter_map(|length| length.parse().ok()).collect();
        if !lengths.is_empty() {
            let pattern: Vec<String> = lengths
                .iter()
                .enumerate()
                .map(|(idx, length)| format!("{} {}pt", if idx % 2 == 0 { "on" } else { "off" }, num(length * UNIT)))
                .collect();
            parts.push(format!("dash pattern={}", pattern.join(" ")));
        }
    }
    parts.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drawing_is_a_picture_with_its_heading_in_a_comment() {
        let mut canvas = Canvas::new(10.0, 10.0);
        canvas.line((0.0, 1.0), (2.5, 1.0), "#0072B2", 2.0, "4 3");
        canvas.text((1.0, 2.0), "50% → é", Style::new(TEXT).bold().anchor(Anchor::End));
        let tikz = tikz(&canvas, "PGR on\nera", "Bars: 95 %");
        assert_eq!(head(&tikz), ("PGR on era".to_owned(), "Bars: 95 %".to_owned()));
        assert!(
            tikz.contains("\\path[draw=wts0072B2,line width=1.2pt,dash pattern=on 2.4pt off 1.8pt] (0,1) -- (2.5,1);"),
            "{tikz}"
        );
        assert!(
            tikz.contains("anchor=base east")
                && tikz.contains("{\\footnotesize\\bfseries 50\\% $\\rightarrow$ \\'{e}}"),
            "{tikz}"
        );
        assert_eq!(tikz.matches("\\definecolor").count(), 2);
    }
}
