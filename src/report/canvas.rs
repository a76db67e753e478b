//! A drawing: shapes, text, how wide text will be; and the drawing as SVG. As LaTeX it is in [`super::tikz`].

use super::colour;
use std::fmt::Write;

/// Body text, CSS pixels.
pub(super) const TEXT: f64 = 13.0;
/// Axis numbers and notes.
pub(super) const SMALL: f64 = 11.5;
/// The heading.
pub(super) const TITLE: f64 = 16.0;
/// An interval under its number.
pub(super) const TINY: f64 = 9.0;

const FAMILY: &str = "Helvetica, Arial, 'Liberation Sans', sans-serif";

/// Where text is fastened to its point.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

/// How text looks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Style {
    pub size: f64,
    pub colour: &'static str,
    pub anchor: Anchor,
    pub bold: bool,
    pub italic: bool,
    /// White behind the words. Where fonts are known that is a rectangle of its own; in a paper the text brings it along.
    pub backed: bool,
}

impl Style {
    pub fn new(size: f64) -> Self {
        Style { size, colour: colour::INK, anchor: Anchor::Start, bold: false, italic: false, backed: false }
    }

    pub fn colour(mut self, colour: &'static str) -> Self {
        self.colour = colour;
        self
    }

    pub fn anchor(mut self, anchor: Anchor) -> Self {
        self.anchor = anchor;
        self
    }

    pub fn bold(mut self) -> Self {
        self.bold = true;
        self
    }

    pub fn backed(mut self) -> Self {
        self.backed = true;
        self
    }

    pub fn italic(mut self) -> Self {
        self.italic = true;
        self
    }
}

/// A point's shape; shapes differ as well as colours, for readers who cannot tell colours apart.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Shape {
    Circle,
    Diamond,
    Square,
    Triangle,
}

impl Shape {
    pub fn nth(idx: usize) -> Self {
        match idx % 4 {
            0 => Shape::Circle,
            1 => Shape::Diamond,
            2 => Shape::Square,
            _ => Shape::Triangle,
        }
    }
}

/// How an area or a line looks.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Paint {
    pub fill: Option<String>,
    pub opacity: f64,
    /// Colour, width, and dash pattern (empty: none).
    pub stroke: Option<(String, f64, &'static str)>,
}

impl Paint {
    pub fn fill(colour: &str) -> Self {
        Paint { fill: Some(colour.to_owned()), opacity: 1.0, stroke: None }
    }

    pub fn stroke(colour: &str, width: f64, dash: &'static str) -> Self {
        Paint { fill: None, opacity: 1.0, stroke: Some((colour.to_owned(), width, dash)) }
    }

    /// A filled mark with a white rim, so that marks on top of one another stay apart.
    fn rimmed(colour: &str) -> Self {
        Paint { stroke: Some((colour::GROUND.to_owned(), 1.0, "")), ..Paint::fill(colour) }
    }

    /// A mark that is only an outline: a number that its interval does not bound.
    fn hollow(colour: &str) -> Self {
        Paint { stroke: Some((colour.to_owned(), 1.6, "")), ..Paint::fill(colour::GROUND) }
    }

    pub fn opacity(mut self, opacity: f64) -> Self {
        self.opacity = opacity;
        self
    }
}

/// One part of a drawing. Pixels, y downwards.
#[derive(Debug, Clone)]
pub(super) enum Element {
    Line {
        from: (f64, f64),
        to: (f64, f64),
        paint: Paint,
    },
    Rect {
        at: (f64, f64),
        size: (f64, f64),
        paint: Paint,
    },
    Path {
        points: Vec<(f64, f64)>,
        closed: bool,
        paint: Paint,
    },
    Circle {
        at: (f64, f64),
        radius: f64,
        paint: Paint,
    },
    /// Text with its baseline at `at`; `whole` is what it was cut from.
    Text {
        at: (f64, f64),
        text: String,
        whole: Option<String>,
        style: Style,
        upwards: bool,
    },
}

/// What a drawing is made for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Medium {
    /// A page of its own: heading, notes and room.
    Screen,
    /// A column of a paper, whose caption says what heading and notes would.
    Paper,
}

/// The drawing so far.
pub(super) struct Canvas {
    pub width: f64,
    pub height: f64,
    pub elements: Vec<Element>,
}

impl Canvas {
    pub fn new(width: f64, height: f64) -> Self {
        Canvas { width: width.round(), height: height.round(), elements: Vec::new() }
    }

    /// A straight line; `dash` is a dash pattern in pixels, or empty.
    pub fn line(&mut self, from: (f64, f64), to: (f64, f64), colour: &str, width: f64, dash: &'static str) {
        self.elements.push(Element::Line { from, to, paint: Paint::stroke(colour, width, dash) });
    }

    pub fn rect(&mut self, at: (f64, f64), size: (f64, f64), fill: &str) {
        self.area(at, size, Paint::fill(fill));
    }

    /// A filled area that lets through what is behind it.
    pub fn bar(&mut self, at: (f64, f64), size: (f64, f64), fill: &str, opacity: f64) {
        self.area(at, size, Paint::fill(fill).opacity(opacity));
    }

    fn area(&mut self, at: (f64, f64), size: (f64, f64), paint: Paint) {
        self.elements.push(Element::Rect { at, size: (size.0.max(0.0), size.1.max(0.0)), paint });
    }

    /// A polyline or, closed and filled, a band.
    pub fn path(&mut self, points: &[(f64, f64)], closed: bool, paint: Paint) {
        self.elements.push(Element::Path { points: points.to_vec(), closed, paint });
    }

    /// A filled mark.
    pub fn mark(&mut self, shape: Shape, at: (f64, f64), radius: f64, colour: &str) {
        self.shape(shape, at, radius, Paint::rimmed(colour));
    }

    /// The outline of a mark.
    pub fn hollow(&mut self, shape: Shape, at: (f64, f64), radius: f64, colour: &str) {
        self.shape(shape, at, radius, Paint::hollow(colour));
    }

    fn shape(&mut self, shape: Shape, at: (f64, f64), radius: f64, paint: Paint) {
        let (x, y) = at;
        match shape {
            Shape::Circle => self.elements.push(Element::Circle { at, radius, paint }),
            Shape::Square => {
                let half = radius * 0.9;
                self.area((x - half, y - half), (2.0 * half, 2.0 * half), paint);
            }
            Shape::Diamond => {
                let r = radius * 1.3;
                self.path(&[(x, y - r), (x + r, y), (x, y + r), (x - r, y)], true, paint);
            }
            Shape::Triangle => {
                let r = radius * 1.2;
                self.path(&[(x, y - r), (x + r, y + r * 0.8), (x - r, y + r * 0.8)], true, paint);
            }
        }
    }

    /// A small ring: an interval that holds zero, where there is no room to write it.
    pub fn ring(&mut self, at: (f64, f64), radius: f64, colour: &str) {
        self.elements.push(Element::Circle { at, radius, paint: Paint::stroke(colour, 1.0, "") });
    }

    /// A small filled arrow head: an interval that goes on beyond the axis.
    pub fn arrow(&mut self, at: (f64, f64), to_the_right: bool, colour: &str) {
        let (x, y) = at;
        let back = if to_the_right { -7.0 } else { 7.0 };
        self.path(&[(x, y), (x + back, y - 4.0), (x + back, y + 4.0)], true, Paint::fill(colour));
    }

    /// Text with its baseline at `at`.
    pub fn text(&mut self, at: (f64, f64), text: &str, style: Style) {
        self.put(at, text.to_owned(), None, style, false);
    }

    /// Text cut to `room` pixels; the whole text is kept as a tooltip.
    pub fn text_within(&mut self, at: (f64, f64), text: &str, room: f64, style: Style) {
        let shown = cut(text, room, style);
        let whole = (shown != text).then(|| text.to_owned());
        self.put(at, shown, whole, style, false);
    }

    /// A name cut to `room` pixels so that it can be told from the others of its axis or legend; the whole is kept as a tooltip.
    pub fn name<T: AsRef<str>>(&mut self, at: (f64, f64), name: &str, among: &[T], room: f64, style: Style) {
        let shown = cut_among(name, among, room, style);
        let whole = (shown != name).then(|| name.to_owned());
        self.put(at, shown, whole, style, false);
    }

    /// A name as [`Canvas::name`] cuts it, reading upwards.
    pub fn name_upwards<T: AsRef<str>>(&mut self, at: (f64, f64), name: &str, among: &[T], room: f64, style: Style) {
        let shown = cut_among(name, among, room, style);
        let whole = (shown != name).then(|| name.to_owned());
        self.put(at, shown, whole, style, true);
    }

    /// Text that reads upwards, centred on `at`.
    pub fn text_upwards(&mut self, at: (f64, f64), text: &str, style: Style) {
        self.put(at, text.to_owned(), None, style, true);
    }

    fn put(&mut self, at: (f64, f64), text: String, whole: Option<String>, style: Style, upwards: bool) {
        self.elements.push(Element::Text { at, text, whole, style, upwards });
    }

    /// The drawing as an SVG document.
    pub fn svg(&self, title: &str) -> String {
        let (w, h) = (num(self.width), num(self.height));
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{w}\" height=\"{h}\" viewBox=\"0 0 {w} {h}\" role=\"img\" \
             font-family=\"{FAMILY}\">\n<title>{}</title>\n<style>{}</style>\n<rect width=\"{w}\" height=\"{h}\" fill=\"{}\"/>\n",
            escape(title),
            colour::style(),
            colour::GROUND,
        );
        for element in &self.elements {
            element.svg(&mut svg);
            svg.push('\n');
        }
        svg.push_str("</svg>\n");
        svg
    }
}

impl Element {
    fn svg(&self, out: &mut String) {
        // A write to a string cannot fail.
        let _ = match self {
            Element::Line { from, to, paint } => write!(
                out,
                "<line x1=\"{}\" y1=\"{}\" x2=\"{}\" y2=\"{}\"{}/>",
                num(from.0),
                num(from.1),
                num(to.0),
                num(to.1),
                stroked(paint)
            ),
            Element::Rect { at, size, paint } => write!(
                out,
                "<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"{}/>",
                num(at.0),
                num(at.1),
                num(size.0),
                num(size.1),
                painted(paint)
            ),
            Element::Path { points, closed, paint } => {
                let mut d = String::new();
                for (idx, (x, y)) in points.iter().enumerate() {
                    let _ = write!(d, "{}{} {}", if idx == 0 { "M" } else { "L" }, num(*x), num(*y));
                }
                if *closed {
                    d.push('Z');
                }
                write!(out, "<path d=\"{d}\"{}/>", painted(paint))
            }
            Element::Circle { at, radius, paint } => write!(
                out,
                "<circle cx=\"{}\" cy=\"{}\" r=\"{}\"{}/>",
                num(at.0),
                num(at.1),
                num(*radius),
                painted(paint)
            ),
            Element::Text { at, text, style, upwards: true, .. } => write!(
                out,
                "<text transform=\"translate({} {}) rotate(-90)\" {}>{}</text>",
                num(at.0),
                num(at.1),
                attributes(*style),
                escape(text)
            ),
            Element::Text { at, text, whole, style, upwards: false } => {
                let title =
                    whole.as_ref().map_or_else(String::new, |whole| format!("<title>{}</title>", escape(whole)));
                write!(
                    out,
                    "<text x=\"{}\" y=\"{}\" {}>{title}{}</text>",
                    num(at.0),
                    num(at.1),
                    attributes(*style),
                    escape(text)
                )
            }
        };
    }
}

fn painted(paint: &Paint) -> String {
    let mut out = format!(" fill=\"{}\"", paint.fill.as_deref().unwrap_or("none"));
    if paint.opacity < 1.0 {
        let _ = write!(out, " fill-opacity=\"{}\"", num(paint.opacity));
    }
    out.push_str(&stroked(paint));
    out
}

fn stroked(paint: &Paint) -> String {
    let Some((colour, width, dash)) = &paint.stroke else { return String::new() };
    let mut out = format!(" stroke=\"{colour}\" stroke-width=\"{}\"", num(*width));
    if !dash.is_empty() {
        let _ = write!(out, " stroke-dasharray=\"{dash}\"");
    }
    out
}

fn attributes(style: Style) -> String {
    let anchor = match style.anchor {
        Anchor::Start => "",
        Anchor::Middle => " text-anchor=\"middle\"",
        Anchor::End => " text-anchor=\"end\"",
    };
    format!(
        "font-size=\"{}\" fill=\"{}\"{anchor}{}{}",
        num(style.size),
        style.colour,
        if style.bold { " font-weight=\"bold\"" } else { "" },
        if style.italic { " font-style=\"italic\"" } else { "" }
    )
}

/// A coordinate: at most two decimals, no trailing zeros, the same text on every machine.
pub(super) fn num(value: f64) -> String {
    if !value.is_finite() {
        return "0".to_owned();
    }
    let text = format!("{value:.2}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}

/// Text made safe inside an SVG or HTML element or attribute. Characters that XML forbids become U+FFFD.
pub fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            '\n' | '\t' => safe.push(c),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => safe.push('\u{fffd}'),
            c => safe.push(c),
        }
    }
    safe
}

/// `text` cut with an ellipsis so that it takes at most `room` pixels. Line breaks become spaces.
pub(super) fn cut(text: &str, room: f64, style: Style) -> String {
    let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text_width(&text, style) <= room {
        return text;
    }
    let room = room - text_width("…", style);
    let mut kept = String::new();
    let mut used = 0.0;
    for c in text.chars() {
        used += glyph(c) * style.size * if style.bold { BOLD } else { SAFETY } / 1000.0;
        if used > room {
            break;
        }
        kept.push(c);
    }
    format!("{}…", kept.trim_end())
}

/// `text` cut as [`cut`] does it; in the middle where another of `names` would look the same without its end.
pub(super) fn cut_among<T: AsRef<str>>(text: &str, names: &[T], room: f64, style: Style) -> String {
    let shown = cut(text, room, style);
    let mut others = names.iter().map(AsRef::as_ref).filter(|name| *name != text);
    if shown == text || !others.any(|name| cut(name, room, style) == shown) {
        return shown;
    }
    let end: String = text.chars().rev().collect();
    let end = cut(&end, room * 0.6, style);
    let end: String = end.trim_end_matches('…').chars().rev().collect();
    let begin = cut(text, room - text_width(&end, style), style);
    format!("{begin}{}", end.trim_start())
}

/// Fallback fonts are wider than Helvetica: room for them (measured on Liberation and DejaVu Sans, chosen between).
const SAFETY: f64 = 1.06;
const BOLD: f64 = 1.13;

/// How wide text will be, in pixels: Helvetica's advance widths and a margin for fallback fonts.
pub(super) fn text_width(text: &str, style: Style) -> f64 {
    text.chars().map(glyph).sum::<f64>() * style.size * if style.bold { BOLD } else { SAFETY } / 1000.0
}

/// Helvetica's advance width in thousandths of an em (Adobe's font metrics); wide for scripts that it lacks.
fn glyph(c: char) -> f64 {
    match c {
        'i' | 'j' | 'l' | '\'' => 222.0,
        ' ' | '!' | ',' | '.' | '/' | ':' | ';' | 'I' | 'f' | 't' | '[' | ']' | '\\' | '|' => 278.0,
        'r' | '-' | '(' | ')' | '`' | '{' | '}' => 334.0,
        '"' => 355.0,
        '*' => 389.0,
        'c' | 'k' | 's' | 'v' | 'x' | 'y' | 'z' | 'J' | '^' => 500.0,
        'a'
        | 'b'
        | 'd'
        | 'e'
        | 'g'
        | 'h'
        | 'n'
        | 'o'
        | 'p'
        | 'q'
        | 'u'
        | 'L'
        | '0'..='9'
        | '#'
        | '$'
        | '?'
        | '_'
        | '–' => 556.0,
        '+' | '<' | '=' | '>' | '~' | '−' | '±' | '×' => 584.0,
        'F' | 'T' | 'Z' => 611.0,
        '&' | 'A' | 'B' | 'E' | 'K' | 'P' | 'S' | 'V' | 'X' | 'Y' => 667.0,
        'C' | 'D' | 'H' | 'N' | 'R' | 'U' | 'w' => 722.0,
        'G' | 'O' | 'Q' => 778.0,
        'm' | 'M' => 833.0,
        '%' => 889.0,
        'W' => 944.0,
        '→' | '←' | '…' | '@' => 1000.0,
        c if (c as u32) < 0x2000 => 667.0,
        _ => 1000.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_and_never_minus_zero() {
        assert_eq!(num(1.0), "1");
        assert_eq!(num(-0.001), "0");
        assert_eq!(num(12.3456), "12.35");
        assert_eq!(num(f64::NAN), "0");
        assert_eq!(num(100.0), "100");
    }

    #[test]
    fn text_is_escaped_and_cut() {
        assert_eq!(escape("<b a=\"1\">&'\u{1}"), "&lt;b a=&quot;1&quot;&gt;&amp;&#39;\u{fffd}");
        let style = Style::new(13.0);
        let shown = cut("a rather long method name\nwith a break", 80.0, style);
        assert!(shown.ends_with('…') && text_width(&shown, style) <= 80.0, "{shown}");
        assert_eq!(cut("short", 80.0, style), "short");
    }

    #[test]
    fn names_that_differ_at_their_end_alone_keep_it() {
        let style = Style::new(13.0);
        let names: Vec<String> = (0..40).map(|idx| format!("confidence loss with a ramp of {idx} steps")).collect();
        let shown: Vec<String> = names.iter().map(|name| cut_among(name, &names, 120.0, style)).collect();
        let different: std::collections::BTreeSet<&String> = shown.iter().collect();
        assert_eq!(different.len(), 40, "{shown:?}");
        assert!(shown.iter().all(|name| text_width(name, style) <= 120.0 && name.starts_with("conf")), "{shown:?}");
        assert!(shown[7].ends_with("7 steps"), "{}", shown[7]);
        assert_eq!(cut_among("naive", &names, 120.0, style), "naive");
        assert_eq!(cut_among(&names[3], &["naive".to_owned()], 80.0, style), cut(&names[3], 80.0, style));
    }
}
