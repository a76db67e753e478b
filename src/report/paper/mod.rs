//! The appendix of a paper: script, tables, figures and where they come from, as LaTeX and as Markdown.
//!
//! `appendix.tex` is a body: a paper reads it with `\input` after `\appendix`, and two packages (`booktabs`, `tikz`) are all that
//! it needs. It sets itself into a column of a two-column class as well as into a page.

mod tables;

use super::listing;
use super::tikz;
use crate::core::latex;
use crate::frames::{Frame, escape_markdown};
use std::fmt::Write;

/// What an appendix is made of.
#[derive(Clone, Default)]
pub struct Appendix {
    /// The script's file name.
    pub title: String,
    /// A word that is a file name and a LaTeX label: the run's.
    pub name: String,
    /// How, when and on what it ran: sentences.
    pub about: String,
    /// The script and the modules that it imported, the script first.
    pub scripts: Vec<Script>,
    /// What the script kept, in its order.
    pub kept: Vec<Kept>,
    /// Where it comes from: a word such as `Seeds`, and sentences.
    pub facts: Vec<(String, String)>,
    /// The command that runs it again and compares every number.
    pub verify: String,
}

/// A script's text.
#[derive(Debug, Clone)]
pub struct Script {
    pub name: String,
    pub text: String,
    /// The blake3 hash of the text.
    pub digest: String,
}

/// Something that a script kept.
#[derive(Clone)]
pub enum Kept {
    /// An empty `caption` is one that the script did not give.
    Table { name: String, caption: String, frame: Frame },
    /// `tikz` is the drawing for LaTeX, if the run has one; `file` the SVG's name, `svg` its text.
    Figure { name: String, caption: String, file: String, svg: String, tikz: Option<String> },
    /// What cannot be shown here.
    Files { name: String, files: Vec<String> },
}

/// The body for `\input`.
pub fn latex(appendix: &Appendix) -> String {
    let mut out = format!(
        "% The appendix of a run of {}, written by w2s: \\input it after \\begin{{document}}, usually after \\appendix.\n\
         % The preamble needs \\usepackage{{booktabs,tikz}} and nothing else. Labels: app:{}, and tab: and fig: of the names below.\n",
        one_line(&appendix.title),
        label(&appendix.name)
    );
    out.push_str(listing::PREAMBLE);
    let _ = writeln!(
        out,
        "\\section{{Experiment: {}}}\\label{{app:{}}}",
        latex::text(&appendix.title),
        label(&appendix.name)
    );
    paragraph(&mut out, &flow(&appendix.about));
    paragraph(&mut out, &note_on_scripts(appendix).map(|note| flow(&note)).join(" "));
    for (idx, script) in appendix.scripts.iter().enumerate() {
        let heading = if idx == 0 { "Script".to_owned() } else { format!("Imported: {}", flow(&script.name)) };
        let _ = writeln!(out, "\\wtshead{{{heading}}}\n{}", listing::listing(&script.text));
    }
    // The heading goes to the next page with what it is the heading of.
    match appendix.kept.first() {
        Some(Kept::Table { .. } | Kept::Figure { tikz: Some(_), .. }) => {
            out.push_str("\\par\\wtsbreak\\wtshead{Tables and figures}\\wtsjoin\n");
        }
        Some(_) => out.push_str("\\wtshead{Tables and figures}\n"),
        None => {}
    }
    for kept in &appendix.kept {
        match kept {
            Kept::Table { name, caption, frame } => {
                out.push_str(&tables::latex(name, &label(name), caption, frame));
            }
            Kept::Figure { name, caption, tikz: Some(drawing), .. } => figure(&mut out, name, caption, drawing),
            Kept::Figure { name, file, tikz: None, .. } => {
                paragraph(&mut out, &flow(&format!("Figure {name} is kept as {file} only.")));
            }
            Kept::Files { name, files } => {
                paragraph(&mut out, &flow(&format!("{name} is kept as {}.", files.join(", "))));
            }
        }
    }
    out.push_str("\\wtshead{Provenance}\n{\\raggedright\\hbadness10000\n");
    for (word, text) in &appendix.facts {
        let _ = writeln!(out, "\\noindent\\textbf{{{}.}} {}\\par", latex::text(word), flow(text));
    }
    for script in &appendix.scripts {
        let _ = writeln!(out, "\\noindent\\textbf{{blake3 of {}.}} {}\\par", flow(&script.name), flow(&script.digest));
    }
    let _ = writeln!(out, "\\noindent\\textbf{{Verify with}}\\par}}\n{}", listing::plain(&appendix.verify));
    out
}

/// A document of its own around the body, which lies beside it as `appendix.tex`.
pub fn standalone(appendix: &Appendix) -> String {
    format!(
        "% {} on its own: pdflatex appendix-standalone.tex\n\
         \\documentclass{{article}}\n\\usepackage{{booktabs,tikz}}\n\\makeatletter\n\
         % A page number that is not copied with the script.\n\
         \\def\\ps@plain{{\\def\\@oddfoot{{\\hfil\\wtsopen{{2020}}\\thepage\\wtsclose\\hfil}}}}\\pagestyle{{plain}}\n\
         \\makeatother\n\\begin{{document}}\n\\appendix\n\\input{{appendix.tex}}\n\\end{{document}}\n",
        one_line(&appendix.title)
    )
}

/// The appendix as Markdown. Figures are read from the SVG files beside it.
pub fn markdown(appendix: &Appendix) -> String {
    let mut out = format!("# Experiment: {}\n\n{}\n\n", plain(&appendix.title), plain(&appendix.about));
    for (idx, script) in appendix.scripts.iter().enumerate() {
        let heading = if idx == 0 { "Script".to_owned() } else { format!("Imported: {}", plain(&script.name)) };
        let fence = fence(&script.text);
        let end = if script.text.ends_with('\n') { "" } else { "\n" };
        let _ = write!(out, "## {heading}\n\n{fence}rhai\n{}{end}{fence}\n\n", script.text);
    }
    if !appendix.kept.is_empty() {
        out.push_str("## Tables and figures\n\n");
    }
    for kept in &appendix.kept {
        let _ = match kept {
            Kept::Table { name, caption, frame } => write!(out, "{}", tables::markdown(name, caption, frame)),
            Kept::Figure { name, caption, file, tikz, .. } => {
                let caption = figure_caption(name, caption, tikz.as_deref().unwrap_or_default());
                write!(out, "![{}]({})\n\n**{}.** {}\n\n", plain(name), address(file), plain(name), plain(&caption))
            }
            Kept::Files { name, files } => write!(out, "{}: {}\n\n", plain(name), plain(&files.join(", "))),
        };
    }
    out.push_str("## Provenance\n\n");
    for (word, text) in &appendix.facts {
        let _ = writeln!(out, "- **{}.** {}", plain(word), plain(text));
    }
    for script in &appendix.scripts {
        let _ = writeln!(out, "- **blake3 of {}.** {}", plain(&script.name), plain(&script.digest));
    }
    let fence = fence(&appendix.verify);
    let _ = write!(out, "\nVerify with\n\n{fence}sh\n{}\n{fence}\n", appendix.verify);
    out
}

/// What a reader must know to copy a script out of the paper.
fn note_on_scripts(appendix: &Appendix) -> [String; 3] {
    let scripts = || appendix.scripts.iter();
    let lacking = scripts().any(|script| latex::lacks(&script.text));
    let cut = scripts().any(|script| !listing::whole(&script.text));
    [
        "The script can be copied out of this document and run.".to_owned(),
        if lacking {
            "Characters that the fonts lack are shown as \\u{…}; what is copied has the characters themselves."
                .to_owned()
        } else {
            String::new()
        },
        if cut {
            "Lines of more than 1500 characters come apart when they are copied; the file that was run has them whole."
                .to_owned()
        } else {
            String::new()
        },
    ]
}

fn paragraph(out: &mut String, text: &str) {
    if !text.trim().is_empty() {
        let _ = writeln!(out, "{{\\raggedright\\hbadness10000 {}\\par}}", text.trim());
    }
}

/// What the script says of a figure, or the heading of its drawing, and what its bars are.
fn figure_caption(name: &str, caption: &str, drawing: &str) -> String {
    let (heading, note) = tikz::head(drawing);
    let said = [caption, &heading, name].into_iter().find(|text| !text.is_empty()).unwrap_or_default();
    if note.is_empty() { said.to_owned() } else { format!("{}. {note}", said.trim_end_matches('.')) }
}

/// Text of one line for Markdown.
fn plain(text: &str) -> String {
    escape_markdown(&text.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// A file's path as a link has it.
fn address(path: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./".contains(&byte);
    path.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

fn figure(out: &mut String, name: &str, caption: &str, drawing: &str) {
    let caption = figure_caption(name, caption, drawing);
    let body: String = drawing.lines().filter(|line| !line.starts_with('%')).flat_map(|line| [line, "\n"]).collect();
    let _ = write!(
        out,
        "\\begin{{wtsblock}}\\wtsfit{{%\n{body}}}\\par\n\\wtscaption{{figure}}{{{}}}{{{}}}\\label{{fig:{}}}\n\\end{{wtsblock}}\n",
        latex::text(name),
        flow(&caption),
        label(name)
    );
}

/// Text that breaks wherever it must: words longer than a narrow column leaves room for may end a line at any character.
fn flow(text: &str) -> String {
    let long = |word: &str| word.chars().count() > 18;
    let word = |word: &str| -> String {
        if !long(word) {
            return latex::text(word);
        }
        let letters = word.chars().map(|c| {
            // Letters over one another stay together: they are set as one by the whole, not one by one.
            latex::text(&c.to_string()) + if c.is_alphanumeric() { "\\wtsb{2000}" } else { "\\wtsb{50}" }
        });
        letters.collect()
    };
    let breaks = |c: char| c.is_whitespace() && c != '\u{a0}';
    text.split(breaks).filter(|part| !part.is_empty()).map(word).collect::<Vec<_>>().join(" ")
}

/// A text as a comment takes it.
fn one_line(text: &str) -> String {
    let plain = |c: char| {
        if c.is_ascii_graphic() {
            c
        } else if c.is_whitespace() {
            ' '
        } else {
            '?'
        }
    };
    text.chars().map(plain).collect()
}

/// A name as a LaTeX label.
fn label(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect()
}

/// A Markdown fence that `text` does not hold.
fn fence(text: &str) -> String {
    let (mut longest, mut run) = (0, 0);
    for c in text.chars() {
        run = if c == '`' { run + 1 } else { 0 };
        longest = longest.max(run);
    }
    "`".repeat(longest.max(2) + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use polars::prelude::df;

    fn appendix() -> Appendix {
        let frame =
            Frame::new(df!("method" => ["naive_%", "b"], "n" => [3i64, 3], "pgr" => [0.5, 0.25]).expect("frame"));
        let text = "let x = \"é 中\";\n```\nprint(x)";
        Appendix {
            title: "a_b.rhai".to_owned(),
            name: "a_b-001".to_owned(),
            about: "Run in 3 s & done.".to_owned(),
            scripts: vec![Script { name: "a_b.rhai".to_owned(), text: text.to_owned(), digest: "0f".repeat(32) }],
            kept: vec![
                Kept::Table { name: "t_1".to_owned(), caption: "What 50 % {say}".to_owned(), frame },
                Kept::Figure {
                    name: "f".to_owned(),
                    caption: String::new(),
                    file: "f) ![x](http:é.svg".to_owned(),
                    svg: String::new(),
                    tikz: Some("% heading: PGR\n% note: Bars.\n\\begin{tikzpicture}\n\\end{tikzpicture}\n".to_owned()),
                },
                Kept::Files { name: "m".to_owned(), files: vec!["m/config.json".to_owned()] },
            ],
            facts: vec![("Seeds".to_owned(), "0 to 9.".to_owned())],
            verify: "w2s verify a_b-001".to_owned(),
        }
    }

    #[test]
    fn the_body_needs_no_more_than_it_says() {
        let text = latex(&appendix());
        assert!(text.is_ascii(), "{text}");
        for part in [
            "\\section{Experiment: a\\_b.rhai}\\label{app:a-b-001}",
            "\\caption",
            "\\label{fig:f}",
            "PGR. Bars.",
            "What 50 \\% $\\{$say$\\}$.",
            "Verify with",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(text.contains("\\$u") || text.contains("shown as"), "the lacking character is spoken of");
        for forbidden in ["\\usepackage", "\\documentclass", "\\begin{document}"] {
            let outside = text.lines().filter(|line| !line.starts_with('%')).any(|line| line.contains(forbidden));
            assert!(!outside, "{forbidden}");
        }
        assert!(standalone(&appendix()).contains("\\usepackage{booktabs,tikz}"));
    }

    #[test]
    fn markdown_keeps_the_script_as_it_is() {
        let text = markdown(&appendix());
        assert!(text.contains("\n````rhai\nlet x = \"é 中\";\n```\nprint(x)\n````\n"), "{text}");
        assert!(text.contains("Verify with") && text.contains("w2s verify a_b-001"), "{text}");
        assert!(text.contains("![f](f%29%20%21%5Bx%5D%28http%3A%C3%A9.svg)\n\n**f.** PGR. Bars."), "{text}");
        assert!(text.contains("**t 1.** What 50 % {say}."), "{text}");
    }
}
