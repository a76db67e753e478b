//! Whether a file is a drawing as this room writes it. A run's files may come from a stranger, and an SVG can carry a script, a TikZ
//! picture any command of TeX: a page or a paper takes neither as it is, unless every part of it is one that a drawing has.

use super::canvas::escape;
use super::colour;
use crate::core::latex;

/// Elements of a drawing, and their attributes.
const ELEMENTS: [&str; 7] = ["svg", "title", "style", "rect", "line", "path", "circle"];
const TEXT: &str = "text";
const ATTRIBUTES: [&str; 26] = [
    "xmlns",
    "width",
    "height",
    "viewBox",
    "role",
    "font-family",
    "x",
    "y",
    "x1",
    "y1",
    "x2",
    "y2",
    "cx",
    "cy",
    "r",
    "d",
    "fill",
    "fill-opacity",
    "stroke",
    "stroke-width",
    "stroke-dasharray",
    "transform",
    "font-size",
    "font-weight",
    "font-style",
    "text-anchor",
];

/// Whether `svg` is a drawing: known elements with known attributes, text, and no other style sheet than that of the drawings.
pub fn is_svg(svg: &str) -> bool {
    let Some(mut rest) = svg.trim_end().strip_prefix("<svg ").map(|_| svg.trim_end()) else { return false };
    let mut open: Vec<&str> = Vec::new();
    let mut ended = false;
    while !rest.is_empty() {
        if ended {
            return false;
        }
        let Some(inside) = rest.strip_prefix('<') else {
            let (text, after) = rest.split_at(rest.find('<').unwrap_or(rest.len()));
            let fits = match open.last() {
                Some(&"style") => text == colour::style(),
                Some(&("title" | TEXT)) => is_escaped(text),
                _ => text.trim().is_empty(),
            };
            if !fits {
                return false;
            }
            rest = after;
            continue;
        };
        let Some((tag, after)) = inside.split_once('>') else { return false };
        rest = after;
        if let Some(name) = tag.strip_prefix('/') {
            if open.pop() != Some(name) {
                return false;
            }
            ended = open.is_empty();
            continue;
        }
        let (tag, alone) = tag.strip_suffix('/').map_or((tag, false), |tag| (tag, true));
        let (name, attributes) = tag.split_once(' ').unwrap_or((tag, ""));
        if !(ELEMENTS.contains(&name) || name == TEXT) || !are_attributes(attributes) {
            return false;
        }
        if !alone {
            open.push(name);
        }
    }
    ended
}

/// `a="1" b="2"`: known names, values that are no address.
fn are_attributes(text: &str) -> bool {
    let mut rest = text.trim();
    while !rest.is_empty() {
        let Some((name, after)) = rest.split_once("=\"") else { return false };
        let Some((value, after)) = after.split_once('"') else { return false };
        // The one colon of a drawing is that of its name space.
        let is_plain = !value.contains(':') || (name == "xmlns" && value == "http://www.w3.org/2000/svg");
        if !ATTRIBUTES.contains(&name) || !is_plain || !is_escaped(value) || value.to_lowercase().contains("url") {
            return false;
        }
        rest = after.trim_start();
    }
    true
}

/// Whether a text would come out of [`escape`]: no other character references than its own.
fn is_escaped(text: &str) -> bool {
    let plain = text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&#39;", "'");
    let plain = plain.replace("&amp;", "&");
    // Attributes hold the quotes of font names as they are.
    escape(&plain) == text.replace('\'', "&#39;")
}

/// Whether `tikz` is a picture: shapes and text, and no command that a drawing does not use.
pub fn is_tikz(tikz: &str) -> bool {
    if tikz.chars().any(|c| c.is_control() && c != '\n') {
        return false;
    }
    let mut lines = tikz.lines().skip_while(|line| line.starts_with('%')).peekable();
    let begins = lines.next().is_some_and(|line| {
        line.strip_prefix("\\begin{tikzpicture}[").and_then(|rest| rest.strip_suffix(']')).is_some_and(is_geometry)
    });
    let mut ended = false;
    let all = lines.all(|line| {
        if ended {
            return false;
        }
        ended = line == "\\end{tikzpicture}";
        ended || is_line(line)
    });
    begins && all && ended
}

fn is_line(line: &str) -> bool {
    if let Some(rest) = line.strip_prefix("\\definecolor{wts") {
        let name = rest.get(..6).unwrap_or_default();
        let is_colour = name.len() == 6 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
        return is_colour && rest.get(6..) == Some(&format!("}}{{HTML}}{{{name}}}%"));
    }
    if let Some(rest) = line.strip_prefix("\\node[") {
        let Some((options, text)) = rest.split_once('{') else { return false };
        let Some(text) = text.strip_suffix("};") else { return false };
        return is_geometry(options) && latex::is_text(without_font(text));
    }
    // A long path goes on in lines of its own.
    line.strip_prefix("\\path[").or_else(|| line.strip_prefix("--")).is_some_and(is_geometry)
}

/// The text without the size and the style before it.
fn without_font(text: &str) -> &str {
    let mut rest = text;
    for command in ["\\small", "\\footnotesize", "\\scriptsize", "\\tiny", "\\bfseries", "\\itshape"] {
        rest = rest.strip_prefix(command).unwrap_or(rest);
    }
    rest
}

/// Numbers, names and signs: nothing that begins a command, a group or a comment.
fn is_geometry(text: &str) -> bool {
    text.chars().all(|c| c.is_ascii_alphanumeric() || " =,.;()[]-".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{PgrRow, pgr};

    fn drawing() -> crate::report::Figure {
        let row = |method: &str, pgr: f64| PgrRow {
            method: method.to_owned(),
            gap: "a → b & \"c\" 'd' 中".to_owned(),
            pgr,
            low: pgr - 0.1,
            high: f64::INFINITY,
            reason: "50 % <b>".to_owned(),
        };
        let rows = [row("naïve {x} \\input ^^", 0.3), row(&"long ".repeat(90), 0.2), row("c", f64::NAN)];
        pgr(&rows, "PGR: <i> & \"more\" javascript:x", "", &[]).expect("draws")
    }

    #[test]
    fn what_is_drawn_here_is_a_drawing() {
        let drawing = drawing();
        assert!(is_svg(drawing.svg()), "{}", drawing.svg());
        assert!(is_tikz(drawing.tikz()), "{}", drawing.tikz());
    }

    #[test]
    fn an_svg_that_does_more_than_draw_is_none() {
        let svg = drawing().svg().to_owned();
        let end = "</svg>\n";
        for more in [
            "<script>alert(1)</script>",
            "<image href=\"http://x/y\"/>",
            "<a href=\"javascript:x\"><text x=\"1\" y=\"1\">t</text></a>",
            "<rect onclick=\"x\"/>",
            "<rect fill=\"url(#a)\"/>",
            "<rect fill=\"URL(http://x)\"/>",
            "<text x=\"1\">&unknown;</text>",
            "<style>@import 'x';</style>",
            "<foreignObject></foreignObject>",
            "<!-- c -->",
            "<rect/",
            "text",
            "</svg><svg>",
            "<SCRIPT>x</SCRIPT>",
        ] {
            let bad = svg.replace(end, &format!("{more}{end}"));
            assert!(!is_svg(&bad), "{more}");
        }
        assert!(!is_svg("") && !is_svg("<svg xmlns=\"http://www.w3.org/2000/svg\">") && !is_svg("<svg/>x"));
        assert!(!is_svg(&format!("<?xml version=\"1.0\"?>{svg}")) && !is_svg(&format!("{svg}<p>")));
    }

    #[test]
    fn a_picture_that_says_more_than_shapes_and_text_is_none() {
        let tikz = drawing().tikz().to_owned();
        let end = "\\end{tikzpicture}";
        for more in [
            "\\input{/etc/passwd}",
            "\\write18{ls}",
            "\\node[x] at (1,1) {\\tiny \\input secret};",
            "\\node[x] at (1,1) {\\tiny ^^5cinput};",
            "\\node[x] at (1,1) {\\tiny a};\\input{x}};",
            "\\node[x] at (1,1) {\\tiny a}; % };",
            "\\path[x=\\input] (0,0);",
            "\\path[x] (0,0) node{a};",
            "\\definecolor{wts000000}{HTML}{\\input}%",
            "\\end{tikzpicture}\\input{x}",
            "% comment",
            "",
        ] {
            let bad = tikz.replace(end, &format!("{more}\n{end}"));
            assert!(!is_tikz(&bad), "{more}");
        }
        assert!(!is_tikz("") && !is_tikz("% heading: x\n") && !is_tikz(&format!("{tikz}\\input{{x}}\n")));
        assert!(!is_tikz(&tikz.replace("[x=0.6pt", "[execute at begin picture=\\input x,x=0.6pt")));
        assert!(!is_tikz(&tikz.replace('\n', "\r")));
    }
}
