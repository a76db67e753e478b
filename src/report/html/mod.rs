//! The one-file HTML report of a run: what was asked, what came out, what was read of the truth, what was warned of.
//!
//! Everything is inline: the page can be mailed. It fetches nothing and runs nothing, which its content policy says to the browser too;
//! every text that came from a script is escaped, and no drawing is taken in that is not one.

mod claims;
mod curves;
mod table;

use super::scan::{Kind, Scan};
use super::{colour, grammar};
use crate::core::visible::visible;
use crate::frames::Frame;
use maud::{DOCTYPE, Markup, PreEscaped, html};

/// Readings of sealed truth that differ in their rows alone.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TruthRead {
    pub data: String,
    /// On which side the rows are, and what came of them if not classes.
    pub split: String,
    /// How often.
    pub times: usize,
    /// Rows in all.
    pub n_rows: usize,
    /// The call that read it.
    pub by: String,
    pub purpose: String,
    /// The trainings and scores that used it.
    pub used_by: String,
}

/// One costly operation.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Operation {
    pub name: String,
    /// On what.
    pub what: String,
    /// Every option with its value.
    pub options: String,
    /// Such as `computed` or `stored`.
    pub found: String,
    /// What this run spent on it.
    pub seconds: f64,
    /// The derivation of its result.
    pub digest: String,
    /// The training loss: step and value.
    pub curve: Vec<(u64, f64)>,
}

/// Something that the script kept.
#[derive(Clone)]
pub enum Kept {
    Table {
        name: String,
        caption: String,
        frame: Frame,
    },
    /// A drawing as SVG.
    Figure {
        name: String,
        caption: String,
        svg: String,
    },
    /// Files that the page only names, and why if that is not their nature.
    Files {
        name: String,
        files: Vec<String>,
        why: String,
    },
}

/// What a page is made of. Parts that are empty are left out.
#[derive(Clone, Default)]
pub struct Page {
    /// The script's file name.
    pub title: String,
    /// Such as `w2s 0.1.0`.
    pub version: String,
    /// Names and values for the head: seed, threads, device, wall time.
    pub facts: Vec<(String, String)>,
    /// Tables and figures in the order in which the script kept them.
    pub kept: Vec<Kept>,
    /// What the script printed.
    pub output: String,
    /// How many operations were computed and how many stored, and what that took and saved: a sentence.
    pub account: String,
    pub operations: Vec<Operation>,
    pub truth: Vec<TruthRead>,
    /// Openings of a vault, a sentence each.
    pub vault: Vec<String>,
    pub warnings: Vec<String>,
    /// The command that runs it again and compares every number.
    pub verify: String,
    /// The error that ended the run, if one did.
    pub error: String,
    /// The script and all that it imported: name and text.
    pub scripts: Vec<(String, String)>,
}

/// Nothing is fetched, sent or run; styles stand in the page.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

/// How the page looks, in light and dark.
const STYLE: &str = include_str!("page.css");

/// The most operations that the page lists (arbitrary); the record has all.
const MAX_OPERATIONS: usize = 500;

/// A part of the page: its anchor, its heading, what the contents list below it, and itself.
struct Section {
    id: String,
    heading: String,
    parts: Vec<(String, String)>,
    body: Markup,
}

impl Section {
    fn new(id: &str, heading: &str, body: Markup) -> Section {
        Section { id: id.to_owned(), heading: heading.to_owned(), parts: Vec::new(), body }
    }
}

/// The whole page.
pub fn page(page: &Page) -> String {
    let sections = sections(page);
    let markup = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (page.title) }
                style { (PreEscaped(STYLE)) (PreEscaped(colour::style())) }
            }
            body {
                header {
                    h1 { (page.title) }
                    p.note { (page.version) }
                    @if !page.facts.is_empty() {
                        dl { @for (name, value) in &page.facts { div { dt { (name) } dd { (value) } } } }
                    }
                }
                nav aria-label="Contents" {
                    h2 { "Contents" }
                    ul {
                        @for section in &sections {
                            li {
                                a href={ "#" (section.id) } { (section.heading) }
                                @if !section.parts.is_empty() {
                                    ul { @for (id, name) in &section.parts { li { a href={ "#" (id) } { (name) } } } }
                                }
                            }
                        }
                    }
                }
                main {
                    @for section in &sections {
                        section id=(section.id) { h2 { (section.heading) } (section.body) }
                    }
                }
            }
        }
    };
    visible(&markup.into_string()).into_owned()
}

fn sections(page: &Page) -> Vec<Section> {
    let mut sections = Vec::new();
    if !page.error.is_empty() {
        sections.push(Section::new("failed", "The run failed", html! { pre.error { (page.error) } }));
    }
    sections.extend(kept(page));
    if !page.output.is_empty() {
        sections.push(Section::new("output", "Output", html! { pre { (page.output) } }));
    }
    if !page.operations.is_empty() {
        sections.push(Section::new("operations", "Operations", operations(page)));
    }
    if !page.truth.is_empty() {
        sections.push(Section::new("truth", "Truth that was read", truth(&page.truth)));
    }
    if !page.vault.is_empty() {
        let body = html! { ul { @for opening in &page.vault { li { (opening) } } } };
        sections.push(Section::new("vault", "Openings of a vault", body));
    }
    if !page.warnings.is_empty() {
        let body = html! { ul { @for warning in &page.warnings { li { (warning) } } } };
        sections.push(Section::new("warnings", "Warnings", body));
    }
    if !page.verify.is_empty() {
        sections.push(Section::new("verify", "Verify", html! { pre { (page.verify) } }));
    }
    for (idx, (name, text)) in page.scripts.iter().enumerate() {
        let body = html! { details open[idx == 0] { summary { "source" } pre { (coloured(text)) } } };
        sections.push(Section::new(&format!("script-{idx}"), name, body));
    }
    sections
}

/// Tables and figures, numbered each by kind. A table of claims comes first, with what was kept about each claim below its row.
fn kept(page: &Page) -> Vec<Section> {
    let mut shown = Numbered::default();
    let mut all: Vec<(&str, String, String, Markup)> = page.kept.iter().map(|kept| shown.item(kept)).collect();
    let mut sections = Vec::new();
    if let Some((place, frame)) = claims::find(&page.kept) {
        all.remove(place);
        let mut below = Vec::new();
        for number in claims::numbers(frame) {
            let (of_claim, rest) = all.into_iter().partition(|(name, ..)| claims::belongs(name, &number));
            let of_claim: Vec<_> = of_claim;
            below.push(html! { @for (_, _, _, body) in &of_claim { (body) } });
            all = rest;
        }
        let name = |idx| format!("script-{idx}");
        let scripts: Vec<_> =
            page.scripts.iter().enumerate().map(|(idx, (script, _))| (script.clone(), name(idx))).collect();
        sections.push(Section::new("claims", "Claims", claims::rows(frame, &below, &scripts)));
    }
    if !all.is_empty() {
        let parts = all
            .iter()
            .filter(|(_, id, ..)| !id.starts_with("files"))
            .map(|(_, id, title, _)| (id.clone(), title.clone()));
        let parts = parts.collect();
        let body = html! { @for (_, _, _, body) in &all { (body) } };
        sections.push(Section { parts, ..Section::new("kept", "Tables and figures", body) });
    }
    sections
}

/// How many of each kind there were so far.
#[derive(Default)]
struct Numbered {
    tables: usize,
    figures: usize,
    files: usize,
}

impl Numbered {
    /// Something kept: its name, its anchor, what the contents call it, and itself.
    fn item<'a>(&mut self, kept: &'a Kept) -> (&'a str, String, String, Markup) {
        match kept {
            Kept::Table { name, caption, frame } => {
                self.tables += 1;
                let (id, number) = (format!("table-{}", self.tables), format!("Table {}", self.tables));
                let body = html! { div.kept id=(id) { (said(&number, name, caption)) (table::table(frame)) } };
                (name, id, format!("{number}: {name}"), body)
            }
            Kept::Figure { name, caption, svg } if grammar::is_svg(svg) => {
                self.figures += 1;
                let (id, number) = (format!("figure-{}", self.figures), format!("Figure {}", self.figures));
                let body = html! {
                    figure.kept id=(id) { (PreEscaped(svg)) figcaption { (said(&number, name, caption)) } }
                };
                (name, id, format!("{number}: {name}"), body)
            }
            Kept::Figure { name, .. } => {
                let why = "not shown: it is not a drawing of this program";
                self.named(name, &[format!("{name}.svg")], why)
            }
            Kept::Files { name, files: paths, why } => self.named(name, paths, why),
        }
    }

    fn named<'a>(&mut self, name: &'a str, paths: &[String], why: &str) -> (&'a str, String, String, Markup) {
        self.files += 1;
        let id = format!("files-{}", self.files);
        let body = files(&id, name, paths, why);
        (name, id, name.to_owned(), body)
    }
}

/// `Figure 2: pgr-era. What the script says of it.`
fn said(number: &str, name: &str, caption: &str) -> Markup {
    html! { p.caption { b { (number) } ": " code { (name) } @if !caption.is_empty() { ". " (caption) } } }
}

fn files(id: &str, name: &str, files: &[String], why: &str) -> Markup {
    html! {
        p.kept id=(id) {
            (name) ": " code { (files.join(", ")) }
            @if !why.is_empty() { span.note { " (" (why) ")" } }
        }
    }
}

/// The account of operations: what each kind took, the loss curves, and each of them, folded away.
fn operations(page: &Page) -> Markup {
    // Of each kind in the order of its first appearance: how often, how it was found, and how long.
    let mut kinds: Vec<(&str, &str, usize, f64)> = Vec::new();
    for operation in &page.operations {
        let like = |kind: &&mut (&str, &str, usize, f64)| (kind.0, kind.1) == (&*operation.name, &*operation.found);
        match kinds.iter_mut().find(like) {
            Some(kind) => {
                kind.2 += 1;
                kind.3 += operation.seconds;
            }
            None => kinds.push((&operation.name, &operation.found, 1, operation.seconds)),
        }
    }
    let n = page.operations.len();
    let first = if n > MAX_OPERATIONS { format!(", the first {MAX_OPERATIONS}") } else { String::new() };
    html! {
        p { (page.account) }
        div.wide { table {
            thead { tr { th { "operation" } th { "found" } th.n { "times" } th.n { "seconds in all" } } }
            tbody { @for (name, found, times, seconds) in kinds {
                tr { td { (name) } td { (found) } td.n { (times) } td.n { (format!("{seconds:.2}")) } }
            } }
        } }
        (curves::curves(&page.operations))
        details {
            summary { "each of the " (n) " operations" (first) }
            div.wide { table {
                thead { tr { th { "operation" } th { "on" } th { "found" } th.n { "seconds" } th { "digest" } } }
                tbody { @for operation in page.operations.iter().take(MAX_OPERATIONS) {
                    tr {
                        td { (operation.name) }
                        td { (operation.what) }
                        td { (operation.found) }
                        td.n { (format!("{:.3}", operation.seconds)) }
                        td { code { (operation.digest.chars().take(12).collect::<String>()) } }
                    }
                } }
            } }
        }
    }
}

/// A script with its parts coloured.
fn coloured(text: &str) -> Markup {
    let scan = Scan::new(text);
    let starts = std::iter::once(0).chain(scan.tokens.iter().map(|token| token.end));
    let end = scan.tokens.last().map_or(0, |token| token.end);
    html! {
        @for (at, token) in starts.zip(&scan.tokens) {
            (text.get(at..token.start).unwrap_or_default())
            @match token.kind {
                Kind::Keyword => span.k { (scan.text(token)) },
                Kind::Text => span.t { (scan.text(token)) },
                Kind::Number => span.d { (scan.text(token)) },
                Kind::Comment => span.c { (scan.text(token)) },
                Kind::Name | Kind::Open | Kind::Close | Kind::Operator => (scan.text(token)),
            }
        }
        (text.get(end..).unwrap_or_default())
    }
}

fn truth(reads: &[TruthRead]) -> Markup {
    html! {
        div.wide { table {
            thead { tr {
                th { "data" } th { "split" } th { "by" } th { "purpose" } th.n { "times" } th.n { "rows in all" } th { "used by" }
            } }
            tbody { @for read in reads {
                tr {
                    td { (read.data) } td { (read.split) } td { (read.by) } td { (read.purpose) }
                    td.n { (read.times) } td.n { (read.n_rows) } td { (read.used_by) }
                }
            } }
        } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{PgrRow, pgr};

    fn drawing() -> String {
        let row =
            PgrRow {
                method: "naive".into(), gap: "a → b".into(), pgr: 0.5, low: 0.4, high: 0.6, ..PgrRow::default()
            };
        pgr(&[row], "PGR", "", &[]).expect("draws").svg().to_owned()
    }

    fn whole() -> Page {
        let read = TruthRead {
            data: "d".into(),
            split: "test".into(),
            times: 2,
            n_rows: 20,
            by: "metric::accuracy".into(),
            purpose: "evaluation".into(),
            used_by: String::new(),
        };
        Page {
            title: "<script>alert(1)</script>".into(),
            kept: vec![
                Kept::Figure { name: "f".into(), caption: "Over <b> gaps".into(), svg: drawing() },
                Kept::Figure { name: "g".into(), caption: String::new(), svg: "<svg><script>x</script></svg>".into() },
                Kept::Files { name: "m".into(), files: vec!["m/\"x".into()], why: String::new() },
            ],
            output: "a < b \u{1b}[2J".into(),
            truth: vec![read],
            scripts: vec![("x.rhai".into(), "let x = 1 && \"<b>\"; // so".into())],
            account: "2 computed".into(),
            operations: vec![
                Operation {
                    name: "finetune".into(),
                    what: "<m>".into(),
                    seconds: 1.0,
                    curve: vec![(1, 0.9), (9, 0.25)],
                    ..Operation::default()
                };
                2
            ],
            verify: "w2s verify x-001".into(),
            ..Page::default()
        }
    }

    #[test]
    fn a_page_is_one_file_and_escapes_what_scripts_say() {
        let page = page(&whole());
        assert!(!page.contains("<script>") && !page.contains("src=") && !page.contains('\u{1b}'), "{page}");
        assert_eq!(page.matches("href=").count(), page.matches("href=\"#").count(), "it leads nowhere else");
        assert!(page.contains("default-src 'none'"), "{page}");
        for part in ["a &lt; b ␛[2J", "&amp;&amp; <span class=\"t\">&quot;&lt;b&gt;&quot;</span>", "w2s verify x-001"]
        {
            assert!(page.contains(part), "{part}: {page}");
        }
        assert!(page.contains("<td>finetune</td><td></td><td class=\"n\">2</td><td class=\"n\">2.00</td>"), "{page}");
        assert!(page.contains("<td class=\"n\">2</td><td class=\"n\">20</td>"), "{page}");
    }

    #[test]
    fn the_contents_lead_to_what_is_there() {
        let page = page(&whole());
        for link in page.split("href=\"#").skip(1) {
            let id = link.split('"').next().expect("an end");
            assert_eq!(page.matches(&format!("id=\"{id}\"")).count(), 1, "{id}: {page}");
        }
        assert!(page.contains("Figure 1: f</a>") && page.contains("<code>f</code>. Over &lt;b&gt; gaps"), "{page}");
        assert_eq!(page.matches("<svg").count(), 2, "a drawing and a curve");
        assert!(page.contains("it is not a drawing of this program"), "{page}");
    }
}
