//! The one-file HTML report of a run: what was asked, what came out, what was read of the truth, what was warned of.
//!
//! Everything is inline: the page can be mailed. Nothing in it is fetched, and every text that came from a script is escaped.

use super::axis;
use super::canvas::{escape, num};
use super::scan::{Kind, Scan};
use crate::frames::Frame;
use polars::prelude::{AnyValue, Column, DataFrame};
use std::fmt::Write;

/// The most rows of a table on the page (chosen); its files hold all of them.
pub const MAX_TABLE_ROWS: usize = 200;

/// One reading of sealed truth.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TruthRead {
    pub data: String,
    pub n_rows: usize,
    /// The call that read it.
    pub by: String,
    pub purpose: String,
}

/// One costly operation.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Operation {
    pub name: String,
    /// On what.
    pub what: String,
    /// Such as `computed` or `stored`.
    pub found: String,
    /// What this run spent on it.
    pub seconds: f64,
    /// The derivation of its result.
    pub digest: String,
    /// The training loss: step and value.
    pub curve: Vec<(u64, f64)>,
}

/// What a page is made of. Parts that are empty are left out.
#[derive(Debug, Clone, Default)]
pub struct Page {
    /// The script's file name.
    pub title: String,
    /// Such as `w2s 0.1.0`.
    pub version: String,
    /// Names and values for the head: seed, threads, device, wall time.
    pub facts: Vec<(String, String)>,
    /// Tables and figures in the order in which the script kept them: fragments from [`table`] and [`figure`].
    pub kept: Vec<String>,
    /// What the script printed.
    pub output: String,
    /// How many operations were computed and how many stored, and what that took and saved: a sentence.
    pub account: String,
    pub operations: Vec<Operation>,
    pub truth: Vec<TruthRead>,
    pub warnings: Vec<String>,
    /// The command that runs it again and compares every number.
    pub verify: String,
    /// The error that ended the run, if one did.
    pub error: String,
    /// The script and all that it imported: name and text.
    pub scripts: Vec<(String, String)>,
}

/// A drawing (SVG text) as a fragment of the page.
pub fn figure(name: &str, svg: &str) -> String {
    format!("<figure id=\"{0}\">\n{svg}<figcaption>{0}</figcaption>\n</figure>\n", escape(name))
}

/// Files that the page only names.
pub fn files(name: &str, files: &[String]) -> String {
    format!("<p id=\"{0}\">{0}: <code>{1}</code></p>\n", escape(name), escape(&files.join(", ")))
}

/// A frame as a fragment of the page: its first [`MAX_TABLE_ROWS`] rows. `x`, `x_low` and `x_high` become one column.
pub fn table(name: &str, frame: &Frame) -> String {
    let table = frame.table();
    let mut html = format!("<h3 id=\"{0}\">{0}</h3>\n<div class=\"wide\"><table>\n<thead><tr>", escape(name));
    let columns = shown(table);
    for shown in &columns {
        let _ = write!(html, "<th{}>{}</th>", class(shown.is_number()), escape(shown.column.name()));
    }
    html.push_str("</tr></thead>\n<tbody>\n");
    for row in 0..table.height().min(MAX_TABLE_ROWS) {
        html.push_str("<tr>");
        for shown in &columns {
            let _ = write!(html, "<td{}>{}</td>", class(shown.is_number()), escape(&shown.cell(row)));
        }
        html.push_str("</tr>\n");
    }
    html.push_str("</tbody></table></div>\n");
    if table.height() > MAX_TABLE_ROWS {
        let _ =
            writeln!(html, "<p class=\"note\">{MAX_TABLE_ROWS} of {} rows; the files hold all.</p>", table.height());
    }
    html
}

/// A column and, where the table has them, the ends of its interval.
struct Shown<'a> {
    column: &'a Column,
    ends: Option<(&'a Column, &'a Column)>,
}

impl Shown<'_> {
    fn is_number(&self) -> bool {
        self.column.dtype().is_primitive_numeric()
    }

    fn cell(&self, row: usize) -> String {
        let value = cell(self.column, row);
        let ends = self.ends.map(|(low, high)| (cell(low, row), cell(high, row)));
        match ends {
            Some((low, high)) if value != NONE && low != NONE && high != NONE => format!("{value} [{low}, {high}]"),
            _ => value,
        }
    }
}

/// The columns to show: those that are an interval's end stand with the column that they belong to.
fn shown(table: &DataFrame) -> Vec<Shown<'_>> {
    let find = |name: String| table.column(&name).ok().filter(|column| column.dtype().is_primitive_numeric());
    let ends = |column: &Column| find(format!("{}_low", column.name())).zip(find(format!("{}_high", column.name())));
    let is_end = |column: &Column| {
        let name = column.name().as_str();
        let stem = name.strip_suffix("_low").or_else(|| name.strip_suffix("_high"));
        stem.and_then(|stem| table.column(stem).ok()).is_some_and(|whole| ends(whole).is_some())
    };
    let columns = table.columns().iter().filter(|column| !is_end(column));
    columns.map(|column| Shown { column, ends: ends(column) }).collect()
}

fn class(numeric: bool) -> &'static str {
    if numeric { " class=\"n\"" } else { "" }
}

/// A null.
const NONE: &str = "–";

fn cell(column: &Column, row: usize) -> String {
    match column.get(row) {
        Ok(AnyValue::Null) | Err(_) => NONE.to_owned(),
        Ok(AnyValue::String(text)) => text.to_owned(),
        Ok(AnyValue::StringOwned(text)) => text.to_string(),
        Ok(AnyValue::Float64(value)) => decimal(value),
        Ok(AnyValue::Float32(value)) => decimal(f64::from(value)),
        Ok(value) => value.to_string(),
    }
}

/// Four decimals, as much as an accuracy over ten thousand rows can say; more where the number is small.
fn decimal(value: f64) -> String {
    if value.is_infinite() {
        return if value > 0.0 { "∞".to_owned() } else { "−∞".to_owned() };
    }
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value != 0.0 && (value.abs() < 1e-3 || value.abs() >= 1e7) {
        return axis::minus(&format!("{value:.3e}"));
    }
    axis::minus(&format!("{value:.4}"))
}

const CSS: &str = "\
body{font:15px/1.5 Helvetica,Arial,'Liberation Sans',sans-serif;color:#1a1a1a;background:#fff;max-width:1080px;margin:32px auto;padding:0 20px}\
h1{font-size:24px;margin:0 0 4px}h2{font-size:18px;margin:36px 0 8px;border-bottom:1px solid #ddd}h3{font-size:15px;margin:20px 0 6px}\
dl{display:grid;grid-template-columns:max-content 1fr;gap:2px 18px;margin:12px 0}dt{color:#666}dd{margin:0}\
table{border-collapse:collapse;font-size:13px;font-variant-numeric:tabular-nums}th,td{padding:3px 10px;text-align:left;white-space:nowrap}\
th{border-bottom:1.5px solid #888}td{border-bottom:1px solid #eee}.n{text-align:right}.wide{overflow-x:auto}\
pre{background:#f6f6f6;padding:12px 14px;overflow-x:auto;font:12.5px/1.45 Menlo,Consolas,'Liberation Mono',monospace}\
figure{margin:18px 0;overflow-x:auto}figcaption,.note{color:#666;font-size:13px}.error{border-left:4px solid #D55E00;padding-left:12px}\
details{margin:8px 0}summary{cursor:pointer;color:#0b5394}.curves{display:grid;grid-template-columns:repeat(auto-fill,minmax(280px,1fr));gap:4px 16px}\
.curves figure{margin:8px 0}.k{color:#7a2e8e}.t{color:#1e6b2e}.d{color:#9a4a00}.c{color:#5f5f5f}";

/// The whole page.
pub fn page(page: &Page) -> String {
    let mut html = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>{0}</title>\n<style>{CSS}</style>\n</head>\n<body>\n\
         <h1>{0}</h1>\n<p class=\"note\">{1}</p>\n",
        escape(&page.title),
        escape(&page.version)
    );
    if !page.facts.is_empty() {
        html.push_str("<dl>\n");
        for (name, value) in &page.facts {
            let _ = writeln!(html, "<dt>{}</dt><dd>{}</dd>", escape(name), escape(value));
        }
        html.push_str("</dl>\n");
    }
    if !page.error.is_empty() {
        let _ = write!(html, "<h2>The run failed</h2>\n<pre class=\"error\">{}</pre>\n", escape(&page.error));
    }
    if !page.kept.is_empty() {
        html.push_str("<h2>Tables and figures</h2>\n");
        for fragment in &page.kept {
            html.push_str(fragment);
        }
    }
    if !page.output.is_empty() {
        let _ = write!(html, "<h2>Output</h2>\n<pre>{}</pre>\n", escape(&page.output));
    }
    operations(&mut html, page);
    truth(&mut html, &page.truth);
    if !page.warnings.is_empty() {
        html.push_str("<h2>Warnings</h2>\n<ul>\n");
        for warning in &page.warnings {
            let _ = writeln!(html, "<li>{}</li>", escape(warning));
        }
        html.push_str("</ul>\n");
    }
    if !page.verify.is_empty() {
        let _ = write!(html, "<h2>Verify</h2>\n<pre>{}</pre>\n", escape(&page.verify));
    }
    for (idx, (name, text)) in page.scripts.iter().enumerate() {
        let open = if idx == 0 { " open" } else { "" };
        let name = escape(name);
        let _ = write!(
            html,
            "<h2>{name}</h2>\n<details{open}><summary>source</summary>\n<pre>{}</pre></details>\n",
            coloured(text)
        );
    }
    html.push_str("</body>\n</html>\n");
    html
}

/// The most operations and the most loss curves on the page (chosen); the record has all.
const MAX_OPERATIONS: usize = 500;
const MAX_CURVES: usize = 120;

/// The account of operations: what each kind took, each of them, and the loss curves, folded away.
fn operations(html: &mut String, page: &Page) {
    if page.operations.is_empty() {
        return;
    }
    let _ = write!(html, "<h2>Operations</h2>\n<p>{}</p>\n", escape(&page.account));
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
    html.push_str(
        "<div class=\"wide\"><table>\n<thead><tr><th>operation</th><th>found</th><th class=\"n\">times</th>\
         <th class=\"n\">seconds in all</th></tr></thead>\n<tbody>\n",
    );
    for (name, found, times, seconds) in kinds {
        let _ = writeln!(
            html,
            "<tr><td>{}</td><td>{}</td><td class=\"n\">{times}</td><td class=\"n\">{seconds:.2}</td></tr>",
            escape(name),
            escape(found)
        );
    }
    html.push_str("</tbody></table></div>\n");
    let curves: Vec<&Operation> = page.operations.iter().filter(|operation| operation.curve.len() > 1).collect();
    if !curves.is_empty() {
        let shown = if curves.len() > MAX_CURVES { format!(", the first {MAX_CURVES}") } else { String::new() };
        let _ = write!(
            html,
            "<details><summary>training loss by step: {} curves{shown}</summary>\n<div class=\"curves\">\n",
            curves.len()
        );
        for operation in curves.iter().take(MAX_CURVES) {
            let what = format!("{} {}", operation.name, operation.what);
            let _ = writeln!(
                html,
                "<figure>{}<figcaption>{}</figcaption></figure>",
                curve(&operation.curve),
                escape(&what)
            );
        }
        html.push_str("</div></details>\n");
    }
    let n = page.operations.len();
    let shown = if n > MAX_OPERATIONS { format!(", the first {MAX_OPERATIONS}") } else { String::new() };
    let _ = write!(
        html,
        "<details><summary>each of the {n} operations{shown}</summary>\n<div class=\"wide\"><table>\n<thead><tr><th>operation</th>\
         <th>on</th><th>found</th><th class=\"n\">seconds</th><th>digest</th></tr></thead>\n<tbody>\n",
    );
    for operation in page.operations.iter().take(MAX_OPERATIONS) {
        let digest: String = operation.digest.chars().take(12).collect();
        let _ = writeln!(
            html,
            "<tr><td>{}</td><td>{}</td><td>{}</td><td class=\"n\">{:.3}</td><td><code>{}</code></td></tr>",
            escape(&operation.name),
            escape(&operation.what),
            escape(&operation.found),
            operation.seconds,
            escape(&digest)
        );
    }
    html.push_str("</tbody></table></div></details>\n");
}

/// A small figure of a training loss: the line, its highest and its last value.
fn curve(points: &[(u64, f64)]) -> String {
    const WIDTH: f64 = 210.0;
    const HEIGHT: f64 = 76.0;
    let finite = || points.iter().filter(|(_, loss)| loss.is_finite());
    let (low, high) = finite().fold((f64::MAX, f64::MIN), |(low, high), (_, loss)| (low.min(*loss), high.max(*loss)));
    let (Some((first, _)), Some((last, end))) = (points.first(), points.last()) else { return String::new() };
    if low > high {
        return "<p class=\"note\">no loss was a number</p>".to_owned();
    }
    let (low, span) = (low.min(0.0), (high - low.min(0.0)).max(1e-12));
    let x = |step: u64| step.saturating_sub(*first) as f64 / (last - first).max(1) as f64 * WIDTH;
    let y = |loss: f64| 4.0 + (1.0 - (loss - low) / span) * (HEIGHT - 8.0);
    let line: Vec<String> = finite().map(|(step, loss)| format!("{},{}", num(x(*step)), num(y(*loss)))).collect();
    let zero = num(y(0.0));
    // Beside the end of the line, under the highest value.
    let beside = if end.is_finite() { (y(*end) + 4.0).clamp(26.0, HEIGHT) } else { HEIGHT };
    let end = if end.is_finite() { decimal(*end) } else { end.to_string() };
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0}\" height=\"{1}\" viewBox=\"0 0 {0} {1}\" role=\"img\" \
         font-family=\"Helvetica,Arial,sans-serif\" font-size=\"11\"><line x1=\"0\" y1=\"{zero}\" x2=\"{WIDTH}\" y2=\"{zero}\" \
         stroke=\"#b5b5b5\"/><polyline points=\"{2}\" fill=\"none\" stroke=\"#0072B2\" stroke-width=\"1.5\"/>\
         <text x=\"{3}\" y=\"12\" fill=\"#666\">{4}</text><text x=\"{3}\" y=\"{5}\" fill=\"#1a1a1a\">{6}</text>\
         <text x=\"0\" y=\"{7}\" fill=\"#666\">step {first}</text>\
         <text x=\"{WIDTH}\" y=\"{7}\" fill=\"#666\" text-anchor=\"end\">{last}</text></svg>",
        WIDTH + 60.0,
        HEIGHT + 14.0,
        line.join(" "),
        WIDTH + 6.0,
        decimal(high),
        num(beside),
        end,
        HEIGHT + 12.0
    )
}

/// A script with its parts coloured.
fn coloured(text: &str) -> String {
    let scan = Scan::new(text);
    let mut html = String::with_capacity(text.len() * 2);
    let mut at = 0;
    for token in &scan.tokens {
        html.push_str(&escape(text.get(at..token.start).unwrap_or_default()));
        at = token.end;
        let shown = escape(scan.text(token));
        let class = match token.kind {
            Kind::Keyword => "k",
            Kind::Text => "t",
            Kind::Number => "d",
            Kind::Comment => "c",
            Kind::Name | Kind::Open | Kind::Close | Kind::Operator => {
                html.push_str(&shown);
                continue;
            }
        };
        let _ = write!(html, "<span class=\"{class}\">{shown}</span>");
    }
    html.push_str(&escape(text.get(at..).unwrap_or_default()));
    html
}

/// Readings of one data set by one call for one purpose, added up: how often, and how many rows in all. A sweep reads the test
/// split hundreds of times.
pub fn sums(reads: &[TruthRead]) -> Vec<(&TruthRead, usize, usize)> {
    let mut sums: Vec<(&TruthRead, usize, usize)> = Vec::new();
    for read in reads {
        let like = |seen: &&mut (&TruthRead, usize, usize)| {
            (&seen.0.data, &seen.0.by, &seen.0.purpose) == (&read.data, &read.by, &read.purpose)
        };
        match sums.iter_mut().find(like) {
            Some(seen) => {
                seen.1 += 1;
                seen.2 += read.n_rows;
            }
            None => sums.push((read, 1, read.n_rows)),
        }
    }
    sums
}

fn truth(html: &mut String, reads: &[TruthRead]) {
    if reads.is_empty() {
        return;
    }
    let sums = sums(reads);
    html.push_str(
        "<h2>Truth that was read</h2>\n<div class=\"wide\"><table>\n<thead><tr><th>data</th><th>by</th><th>purpose</th>\
         <th class=\"n\">times</th><th class=\"n\">rows in all</th></tr></thead>\n<tbody>\n",
    );
    for (read, times, rows) in sums {
        let _ = writeln!(
            html,
            "<tr><td>{}</td><td>{}</td><td>{}</td><td class=\"n\">{times}</td><td class=\"n\">{rows}</td></tr>",
            escape(&read.data),
            escape(&read.by),
            escape(&read.purpose)
        );
    }
    html.push_str("</tbody></table></div>\n");
}

#[cfg(test)]
mod tests {
    use super::*;
    use polars::prelude::df;

    #[test]
    fn a_page_is_one_file_and_escapes_what_scripts_say() {
        let read =
            TruthRead { data: "d".into(), n_rows: 10, by: "metric::accuracy".into(), purpose: "evaluation".into() };
        let page = page(&Page {
            title: "<script>alert(1)</script>".into(),
            output: "a < b".into(),
            truth: vec![read.clone(), read],
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
        });
        assert!(!page.contains("<script>") && !page.contains("src=") && !page.contains("href="), "{page}");
        assert!(
            page.contains("a &lt; b") && page.contains("&amp;&amp; <span class=\"t\">&quot;&lt;b&gt;&quot;</span>"),
            "{page}"
        );
        assert!(page.contains("training loss by step: 2 curves") && page.contains("w2s verify x-001"), "{page}");
        assert!(page.contains("<td>finetune</td><td></td><td class=\"n\">2</td><td class=\"n\">2.00</td>"), "{page}");
        assert_eq!(page.matches("<polyline").count(), 2);
        assert!(page.contains("<td class=\"n\">2</td><td class=\"n\">20</td>"), "{page}");
    }

    #[test]
    fn an_interval_stands_with_its_number() {
        let frame = Frame::new(
            df!("v" => [0.5, 0.25], "v_low" => [Some(0.4), None], "v_high" => [0.6, 1.0], "alone_low" => [1i64, 2])
                .expect("frame"),
        );
        let html = table("t", &frame);
        assert!(html.contains(">0.5000 [0.4000, 0.6000]<") && html.contains(">0.2500<"), "{html}");
        assert!(!html.contains("v_low") && html.contains("alone_low"), "{html}");
    }

    #[test]
    fn a_table_shows_nulls_infinities_and_at_most_its_rows() {
        let frame = Frame::new(df!("m" => ["<x>", "y"], "v" => [Some(0.25), None]).expect("frame"));
        let html = table("t", &frame);
        assert!(html.contains("&lt;x&gt;") && html.contains(">0.2500<") && html.contains(">–<"), "{html}");
        assert_eq!(decimal(f64::INFINITY), "∞");
        assert_eq!(decimal(-0.00001), "−1.000e−5");
        let long = Frame::new(df!("v" => (0..300i64).collect::<Vec<_>>()).expect("frame"));
        assert_eq!(table("t", &long).matches("<tr><td").count(), MAX_TABLE_ROWS);
    }
}
