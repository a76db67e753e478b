//! A script as LaTeX sets it: coloured, long lines broken, and such that a reader copies out of the PDF what the script says.
//!
//! Text taken out of a PDF loses indentation, and what a line break was nobody can tell. So each line of the script is one
//! marked span whose `ActualText` (PDF 32000-1, 14.9.4) is the line itself, characters that the fonts lack included: readers
//! that know it (poppler, Chrome, Acrobat) give the line, however it was broken. For those that do not, what is seen is
//! good as well: straight quotes, no ligatures, blanks that are characters, breaks between tokens, and a comment that goes on in
//! the next line begins there with `//` again.

use super::scan::{Kind, Scan};
use crate::core::latex;
use std::fmt::Write;

/// Definitions that [`listing`] uses. They hold from there on and are made once in a paper.
pub const PREAMBLE: &str = r"\makeatletter
\ifdefined\wtsline\else
\newdimen\wtscell
\def\wtsOT{OT1}
% Marked content, whose ActualText is what a reader copies; nothing where the output is no PDF of pdfTeX or LuaTeX.
\def\wtsraw#1{}\def\wtsspace{}
\ifdefined\pdfliteral\ifnum\pdfoutput>0 \def\wtsraw#1{\pdfliteral page{#1}}%
  \ifdefined\pdffakespace\def\wtsspace{\pdffakespace}\fi\fi
\else\ifdefined\pdfextension\def\wtsraw#1{\pdfextension literal page{#1}}\fi\fi
\def\wtsopen#1{\wtsraw{/Span<</ActualText<#1>>>BDC}}
\def\wtsclose{\wtsraw{EMC}}
% The straight quotes; in OT1 typewriter fonts they have slots of their own.
\def\wtsquote{\ifx\f@encoding\wtsOT\char13 \else\textquotesingle\fi}
\def\wtsgrave{\ifx\f@encoding\wtsOT\char18 \else\textasciigrave\fi}
% A blank: one at which no line ends, one at which a line may end, one within a text, one within a comment.
\def\wtss{\hbox to\wtscell{\wtsspace\hss}}
\def\wtsg{\discretionary{\wtss}{}{\wtss}}
\def\wtst{\discretionary{}{}{\wtss}}
\def\wtsc{\discretionary{\wtss}{\hbox{{\color{wtsC}//\wtss}}}{\wtss}}
\def\wtsb#1{\penalty#1\hskip0pt\relax}
\def\wtsK#1{{\color{wtsK}#1}}\def\wtsF#1{{\color{wtsF}#1}}\def\wtsT#1{{\color{wtsT}#1}}
\def\wtsN#1{{\color{wtsN}#1}}\def\wtsC#1{{\color{wtsC}#1}}
\def\wtsstrut{\vrule height.7\baselineskip depth.3\baselineskip width0pt\relax}
% A line: what is copied, by how many blanks its rest is indented, what is seen.
\def\wtsline#1#2#3{\vbox{\hsize\linewidth\hangindent#2\wtscell\hangafter1
  \noindent\wtsstrut\wtsopen{#1}#3\wtsclose\wtsstrut\par}\wtsbreak\nointerlineskip}
% A page may end here, and then need not be full.
\def\wtsbreak{\vskip0pt plus1fil\penalty0\vskip0pt plus-1fil\relax}
% Between a block and what stands before it: a break, unless that is its heading.
\let\wtsnext\wtsbreak\def\wtsjoin{\global\let\wtsnext\relax}
\newenvironment{wtsscript}{\par\addvspace{\medskipamount}\begingroup\ttfamily
  \ifdim\linewidth<300pt\fontsize{7}{8}\else\fontsize{8}{9}\fi\selectfont
  \definecolor{wtsK}{HTML}{7A2E8E}\definecolor{wtsF}{HTML}{1B4F9C}\definecolor{wtsT}{HTML}{1E6B2E}%
  \definecolor{wtsN}{HTML}{9A4A00}\definecolor{wtsC}{HTML}{5F5F5F}%
  \wtscell\fontdimen2\font \parindent0pt\parskip0pt\leftskip0pt\rightskip0pt plus.4\linewidth\parfillskip0pt plus1fil\relax
  \spaceskip0pt\xspaceskip0pt\frenchspacing\tolerance10000\pretolerance-1\hbadness10000\vbadness10000\hfuzz.5pt
  \hyphenpenalty50\exhyphenpenalty3000\doublehyphendemerits0\finalhyphendemerits0\adjdemerits0\hyphenchar\font-1
  \nointerlineskip}{\par\endgroup\addvspace{\medskipamount}}
\def\wtsfit#1{\leavevmode\setbox0\hbox{#1}\ifdim\wd0>\linewidth\resizebox{\linewidth}{!}{\box0}\else\box0\fi}
% A number with its interval under it.
\def\wtspair#1#2{\begin{tabular}[t]{@{}r@{}}#1\\[-2pt]{\fontsize{6}{7}\selectfont#2\vrule depth2.5pt width0pt}\end{tabular}}
% A heading, on a line of its own in every class, with what follows it.
\def\wtshead#1{\par\vskip0pt plus8\baselineskip\penalty-100\vskip0pt plus-8\baselineskip\addvspace{\bigskipamount}%
  {\noindent\raggedright\hbadness10000\large\bfseries#1\par}\nobreak\addvspace{\smallskipamount}}
% Drawing or table and caption on one page, where they are read.
\newenvironment{wtsblock}{\par\wtsnext\global\let\wtsnext\wtsbreak\addvspace{\bigskipamount}\noindent\minipage{\linewidth}\centering}{\endminipage\par
  \addvspace{\bigskipamount}}
\def\wtscaption#1#2#3{\def\@captype{#1}%
  \ifdefined\captionsetup\captionsetup{hypcap=false}\fi\caption[#2]{#3}}
\fi
\makeatother
";

/// The most characters of a line that is copied whole: its lines stand on one page (chosen).
const MAX_WHOLE: usize = 1500;

/// The most blanks at the start of a line that are shown; the copied text has all.
const MAX_INDENT: usize = 24;

/// The script as the environment `wtsscript`.
pub fn listing(script: &str) -> String {
    set(lines(script))
}

/// Text of another language, without colours.
pub fn plain(text: &str) -> String {
    set(text.lines().map(|line| (line, vec![(None, line)])).collect())
}

fn set(lines: Vec<(&str, Vec<(Colour, &str)>)>) -> String {
    let mut out = String::from("\\begin{wtsscript}\n");
    for (text, parts) in lines {
        if text.chars().count() <= MAX_WHOLE {
            line(text, &parts, &mut out);
            continue;
        }
        // Nobody reads such a line; it is cut where it must be.
        let letters: Vec<char> = text.chars().collect();
        for piece in letters.chunks(MAX_WHOLE) {
            let piece: String = piece.iter().collect();
            line(&piece, &[(None, &piece)], &mut out);
        }
    }
    out.push_str("\\end{wtsscript}\n");
    out
}

/// Whether every line is copied whole.
pub fn whole(script: &str) -> bool {
    script.lines().all(|line| line.trim_end().chars().count() <= MAX_WHOLE)
}

/// How a part is coloured: keyword, function, text, number or comment; none for the rest.
type Colour = Option<char>;

/// Each line without the blanks at its end, and its coloured parts.
fn lines(script: &str) -> Vec<(&str, Vec<(Colour, &str)>)> {
    let scan = Scan::new(script);
    let mut spans: Vec<(usize, usize, Colour)> = Vec::new();
    for (idx, token) in scan.tokens.iter().enumerate() {
        let called = scan.tokens.get(idx + 1).is_some_and(|next| scan.text(next) == "(" && next.start == token.end);
        let colour = match token.kind {
            Kind::Keyword => Some('K'),
            Kind::Text => Some('T'),
            Kind::Number => Some('N'),
            Kind::Comment => Some('C'),
            Kind::Name if called => Some('F'),
            _ => None,
        };
        spans.push((token.start, token.end, colour));
    }
    let mut lines = Vec::new();
    let mut start = 0;
    let mut spans = spans.into_iter().peekable();
    for raw in script.split_inclusive('\n') {
        let text = raw.trim_end();
        let (end, next) = (start + text.len(), start + raw.len());
        let mut parts: Vec<(Colour, &str)> = Vec::new();
        let mut at = start;
        while let Some((from, to, colour)) = spans.peek().copied() {
            if from >= end {
                break;
            }
            let (from, to_here) = (from.max(at), to.min(end));
            parts.push((None, script.get(at..from).unwrap_or_default()));
            parts.push((colour, script.get(from..to_here).unwrap_or_default()));
            at = to_here.max(at);
            if to > end {
                break;
            }
            spans.next();
        }
        // A token that goes on in the next line stays; one that ends within the blanks at the end is over.
        while spans.peek().is_some_and(|(_, to, _)| *to <= next) {
            spans.next();
        }
        parts.push((None, script.get(at..end).unwrap_or_default()));
        parts.retain(|(_, text)| !text.is_empty());
        lines.push((text, parts));
        start = next;
    }
    lines
}

fn line(text: &str, parts: &[(Colour, &str)], out: &mut String) {
    if text.is_empty() {
        // Two blanks: one alone would be dropped, and the empty line with it.
        out.push_str("\\wtsline{2020}{0}{\\wtss}%\n");
        return;
    }
    let indent = text.chars().take_while(|c| c.is_whitespace()).map(|c| if c == '\t' { 4 } else { 1 }).sum::<usize>();
    let indent = indent.min(MAX_INDENT);
    let comment = text.trim_start().starts_with("//");
    let hang = if comment { indent } else { indent + 4 };
    let _ = writeln!(out, "\\wtsline{{{}}}{{{hang}}}{{{}%", actual(text), "\\wtss".repeat(indent));
    let mut leading = true;
    for (colour, part) in parts {
        let part = if leading { part.trim_start() } else { part };
        if part.is_empty() {
            continue;
        }
        leading = false;
        let seen = seen(part, *colour);
        let _ = match colour {
            Some(colour) => write!(out, "\\wts{colour}{{{seen}}}"),
            None => write!(out, "{seen}"),
        };
    }
    out.push_str("}%\n");
}

/// What is copied, in hexadecimal: ASCII as it is, anything else as UTF-16.
fn actual(text: &str) -> String {
    // A reader that joins words broken by a hyphen would swallow one at the end of a line.
    let text = if text.ends_with('-') { format!("{text} ") } else { text.to_owned() };
    if text.is_ascii() {
        return text.bytes().map(|byte| format!("{byte:02X}")).collect();
    }
    let units = text.encode_utf16().map(|unit| format!("{unit:04X}"));
    std::iter::once("FEFF".to_owned()).chain(units).collect()
}

/// What is seen of a part, with the places at which a line may end.
fn seen(part: &str, colour: Colour) -> String {
    let blank = match colour {
        Some('C') => "\\wtsc{}",
        Some('T') => "\\wtst{}",
        _ => "\\wtsg{}",
    };
    let mut out = String::new();
    let mut letters = part.chars().peekable();
    let mut run = String::new();
    while let Some(c) = letters.next() {
        if c == ' ' || c == '\t' {
            out.push_str(&if c == '\t' { blank.repeat(4) } else { blank.to_owned() });
            continue;
        }
        // A letter and the marks over it are one.
        run.clear();
        run.push(c);
        while let Some(mark) = letters.next_if(|next| ('\u{300}'..='\u{36f}').contains(next)) {
            run.push(mark);
        }
        out.push_str(&latex::code(&run));
        let next = letters.peek().copied();
        if colour == Some('C') && c == '/' && next == Some('/') {
            // The sign of a comment stays whole.
        } else if next.is_some_and(|next| next != ' ' && next != '\t') {
            let good = colour.is_none() && matches!(c, ',' | '(' | '{' | '[' | ';');
            out.push_str(if good { "\\wtsb{200}" } else { "\\wtsb{5000}" });
        } else if next.is_none() && colour.is_none() {
            out.push_str("\\wtsb{300}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The copied texts of a listing.
    fn copied(listing: &str) -> Vec<String> {
        let hex = |hex: &str| -> Vec<u8> {
            (0..hex.len() / 2).map(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).expect("hex")).collect()
        };
        let text = |line: &str| {
            let bytes = hex(line.split(['{', '}']).nth(1).expect("an argument"));
            match bytes.strip_prefix(&[0xfe, 0xff]) {
                Some(wide) => {
                    let units: Vec<u16> = wide.chunks(2).map(|two| u16::from_be_bytes([two[0], two[1]])).collect();
                    String::from_utf16(&units).expect("UTF-16")
                }
                None => String::from_utf8(bytes).expect("ASCII"),
            }
        };
        listing.lines().filter(|line| line.starts_with("\\wtsline{")).map(text).collect()
    }

    #[test]
    fn what_is_copied_is_the_script_but_for_blanks_at_line_ends() {
        let all: String = (' '..='~').collect();
        let script = format!(
            "// {all}\nlet x = \"é → 中文 😀 e\u{301}\";  \n\n\tlet y = `a\n  b ${{x}}\n`; /* c\r\n d */ f(x) -\n{}\n",
            "x".repeat(400)
        );
        let copied = copied(&listing(&script));
        let wanted: Vec<&str> = script.lines().map(str::trim_end).collect();
        assert_eq!(copied.iter().map(|line| line.trim_end()).collect::<Vec<_>>(), wanted);
        assert!(listing(&script).is_ascii());
        assert!(copied.contains(&"  ".to_owned()), "an empty line is two blanks");
        assert!(copied.iter().any(|line| line.ends_with("- ")), "no hyphen ends a line");
    }

    #[test]
    fn parts_have_their_colours_over_several_lines() {
        let script = "let f = g(1); // c\nlet t = `a\nb`; x";
        let seen = listing(script);
        for part in ["\\wtsK{l", "\\wtsF{g}", "\\wtsN{1}", "\\wtsC{//"] {
            assert!(seen.contains(part), "{part}: {seen}");
        }
        let last = seen.lines().rev().nth(1).expect("a line");
        assert!(last.starts_with("\\wtsT{b\\wtsb{5000}\\wtsgrave{}}"), "{last}");
    }

    #[test]
    fn whatever_the_script_nothing_is_lost() {
        let pieces =
            ["\"", "`", "${", "}", "'", "\\", "#", "/*", "*/", "ä", "1.", " ", "(", "\n", "\r\n", "\t", "_", "{"];
        let n = pieces.len();
        for idx in 0..n * n * n {
            let script = format!("{}{}{}", pieces[idx % n], pieces[idx / n % n], pieces[idx / n / n]);
            let copied: Vec<String> = copied(&listing(&script)).iter().map(|line| line.trim_end().to_owned()).collect();
            let wanted: Vec<String> = script.split_inclusive('\n').map(|line| line.trim_end().to_owned()).collect();
            assert_eq!(copied, wanted, "{script:?}");
            for (text, parts) in lines(&script) {
                assert_eq!(parts.iter().map(|(_, part)| *part).collect::<String>(), text, "{script:?}");
            }
        }
    }

    #[test]
    fn a_line_without_end_is_cut_and_said_to_be() {
        let script = "y".repeat(4000);
        assert!(!whole(&script) && whole("short"));
        assert_eq!(copied(&listing(&script)).concat(), script);
    }
}
