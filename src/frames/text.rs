//! Separated text (CSV, TSV): the one reader that frames and data sets share, and the encoding of every text format.
//!
//! Fields come out as they are written; what kind a column is, [`Guess`] tells from all of its fields. A file that can be
//! read in two ways is refused with the line and the field, and the error says what to type.

use super::content::Kind;
use std::borrow::Cow;
use std::collections::HashSet;

/// The most columns of a text file. Arbitrary: above any table that is kept as text.
pub const MAX_COLUMNS: usize = 10_000;

/// Beyond this, not every integer is a float of 64 bits: 2^53.
pub(super) const MAX_EXACT: u64 = 1 << 53;

/// What is wrong with a file, and where.
#[derive(Debug, Clone, PartialEq)]
pub struct Misread {
    /// From 1; none where it is about the whole file.
    pub line: Option<usize>,
    pub field: Option<String>,
    pub what: String,
    pub hint: Option<String>,
}

impl Misread {
    /// About the whole file.
    pub fn file(what: impl Into<String>) -> Misread {
        Misread { line: None, field: None, what: what.into(), hint: None }
    }

    /// About one line.
    pub fn at(line: usize, what: impl Into<String>) -> Misread {
        Misread { line: Some(line), ..Misread::file(what) }
    }

    pub fn field(self, field: impl Into<String>) -> Misread {
        Misread { field: Some(field.into()), ..self }
    }

    pub fn hint(self, hint: impl Into<String>) -> Misread {
        Misread { hint: Some(hint.into()), ..self }
    }

    /// "`a.csv` line 3, field `text`".
    pub fn place(&self, name: &str) -> String {
        let line = self.line.map(|line| format!(" line {line}")).unwrap_or_default();
        let field = self.field.as_ref().map(|field| format!(", field `{field}`")).unwrap_or_default();
        format!("`{name}`{line}{field}")
    }
}

/// The text of a file: UTF-8, or UTF-16 with a byte order mark; a mark is taken away.
pub fn decoded(bytes: &[u8]) -> Result<Cow<'_, str>, Misread> {
    match bytes {
        [0xff, 0xfe, 0, 0, ..] | [0, 0, 0xfe, 0xff, ..] => {
            Err(Misread::file("is UTF-32 text").hint("save it as UTF-8"))
        }
        [0xff, 0xfe, rest @ ..] => utf16(rest, u16::from_le_bytes).map(Cow::Owned),
        [0xfe, 0xff, rest @ ..] => utf16(rest, u16::from_be_bytes).map(Cow::Owned),
        [0, other, ..] | [other, 0, ..] if *other != 0 => {
            Err(Misread::file("looks like UTF-16 text without a byte order mark").hint("save it as UTF-8"))
        }
        [0xef, 0xbb, 0xbf, rest @ ..] => utf8(rest),
        _ => utf8(bytes),
    }
}

/// UTF-8 text, or an error with its line.
pub fn utf8(bytes: &[u8]) -> Result<Cow<'_, str>, Misread> {
    std::str::from_utf8(bytes).map(Cow::Borrowed).map_err(|error| {
        let before = bytes.get(..error.valid_up_to()).unwrap_or_default();
        let n_line_feeds = before.iter().filter(|byte| **byte == b'\n').count();
        Misread::at(1 + n_line_feeds, "is not UTF-8 text").hint("save it as UTF-8")
    })
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Result<String, Misread> {
    let (pairs, rest) = bytes.as_chunks::<2>();
    let mut text = String::with_capacity(bytes.len() / 2);
    let mut line = 1;
    for letter in char::decode_utf16(pairs.iter().map(|pair| unit(*pair))) {
        let Ok(letter) = letter else {
            return Err(Misread::at(line, "is not UTF-16 text, which its first bytes say it is"));
        };
        line += usize::from(letter == '\n');
        text.push(letter);
    }
    if rest.is_empty() { Ok(text) } else { Err(Misread::at(line, "ends in half of a UTF-16 character")) }
}

/// How fields are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dialect {
    separator: u8,
    quote: Option<u8>,
    /// Whether the separator was named, so that a header of one field is meant.
    is_stated: bool,
    /// Whether a quoted field may go on over a line end.
    may_span: bool,
    /// Whether a record may be the header again.
    may_repeat: bool,
}

impl Dialect {
    /// What is usual for a file of this name, with what the caller names: one character for each, no quote for an empty
    /// text.
    pub fn of(name: &str, separator: Option<&str>, quote: Option<&str>) -> Result<Dialect, Misread> {
        let ending = name.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase());
        let is_tabbed = matches!(ending.as_deref(), Some("tsv" | "tab"));
        let byte = |what: &str, given: &str| match given.as_bytes() {
            [byte] if byte.is_ascii() && !matches!(byte, b'\n' | b'\r') => Ok(*byte),
            _ => Err(Misread::file(format!("`{what}` must be one ASCII character, got `{}`", given.escape_debug()))
                .hint(format!("such as #{{ {what}: \"{}\" }}", if what == "quote" { "'" } else { ";" }))),
        };
        let named = separator.map(|given| byte("separator", given)).transpose()?;
        let separator = named.unwrap_or(if is_tabbed { b'\t' } else { b',' });
        let named_quote = quote.filter(|given| !given.is_empty()).map(|given| byte("quote", given)).transpose()?;
        if named_quote == Some(separator) {
            return Err(Misread::file("`separator` and `quote` must differ"));
        }
        Ok(Dialect {
            separator,
            quote: if quote.is_some() { named_quote } else { Some(b'"') },
            is_stated: named.is_some(),
            // Tab-separated text has no quoting of its own, so a quote that goes on over a line end is more often a stray
            // one, which would swallow the next row.
            may_span: separator != b'\t' || named_quote.is_some(),
            may_repeat: false,
        })
    }

    /// That of a file which this program wrote: nothing in it is a slip of its author.
    pub fn own() -> Dialect {
        Dialect { separator: b',', quote: Some(b'"'), is_stated: true, may_span: true, may_repeat: true }
    }
}

/// One field of a record.
#[derive(Debug, Clone, PartialEq)]
pub struct Field<'a> {
    pub text: Cow<'a, str>,
    pub is_quoted: bool,
}

impl Field<'_> {
    /// The text; none for a field that is empty and not quoted.
    pub fn value(&self) -> Option<&str> {
        (self.is_quoted || !self.text.is_empty()).then_some(&*self.text)
    }
}

/// How the lines of a file end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LineEnd {
    Lf,
    CrLf,
    Cr,
}

impl LineEnd {
    fn name(self) -> &'static str {
        match self {
            LineEnd::Lf => "a line feed",
            LineEnd::CrLf => "carriage return and line feed",
            LineEnd::Cr => "a carriage return",
        }
    }
}

/// Where a reader stands in a text that comes in pieces.
#[derive(Debug, Clone)]
pub struct Standing {
    /// The first byte of the piece that was not read.
    pub at: usize,
    line: usize,
    line_end: Option<LineEnd>,
    columns: Vec<String>,
}

/// The records of separated text, after RFC 4180: a header, fields in quotes may hold separators, line ends and doubled
/// quotes. Every record has as many fields as the header.
pub struct Separated<'a> {
    text: &'a str,
    at: usize,
    line: usize,
    dialect: Dialect,
    line_end: Option<LineEnd>,
    columns: Vec<String>,
}

impl<'a> Separated<'a> {
    /// Reads the header.
    pub fn open(text: &'a str, dialect: Dialect) -> Result<Separated<'a>, Misread> {
        let mut open = Separated { text, at: 0, line: 1, dialect, line_end: None, columns: Vec::new() };
        let mut fields = Vec::new();
        let Some(line) = open.record(&mut fields)? else { return Err(Misread::file("has no header")) };
        let mut seen = HashSet::new();
        for (idx, field) in fields.iter().enumerate() {
            if field.text.trim().is_empty() && !field.is_quoted {
                return Err(Misread::at(line, format!("column {} has no name", idx + 1))
                    .hint("the first line names the columns"));
            }
            if !seen.insert(&*field.text) {
                return Err(Misread::at(line, format!("the column `{}` occurs twice", field.text))
                    .hint("give each column a different name"));
            }
        }
        if let [field] = fields.as_slice()
            && !dialect.is_stated
            && !field.is_quoted
            && let Some(other) = [',', ';', '\t', '|'].into_iter().find(|other| field.text.contains(*other))
        {
            let what = format!("has one column, `{}`", field.text.escape_debug());
            let hint = format!("name what separates the fields: #{{ separator: \"{}\" }}", other.escape_debug());
            return Err(Misread::at(line, what).hint(hint));
        }
        open.columns = fields.iter().map(|field| field.text.to_string()).collect();
        Ok(open)
    }

    /// Goes on with the next piece of a text, behind what `before` has read.
    pub fn go_on(text: &'a str, dialect: Dialect, before: Standing) -> Separated<'a> {
        let Standing { line, line_end, columns, .. } = before;
        Separated { text, at: 0, line, dialect, line_end, columns }
    }

    /// Where the reader stands.
    pub fn standing(&self) -> Standing {
        Standing { at: self.at, line: self.line, line_end: self.line_end, columns: self.columns.clone() }
    }

    /// The next record as [`Separated::next`] has it, where it ends within this piece for sure. Else the reader stays where it is and
    /// answers nothing: more of the text decides, also where it is malformed so far.
    pub fn next_whole(&mut self, fields: &mut Vec<Field<'a>>) -> Option<usize> {
        let (at, line, line_end) = (self.at, self.line, self.line_end);
        match self.next(fields) {
            Ok(Some(begin)) if self.at < self.text.len() => Some(begin),
            _ => {
                (self.at, self.line, self.line_end) = (at, line, line_end);
                None
            }
        }
    }

    /// The names in the header.
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// Puts the next record into `fields`; the line that it begins on, none after the last. Blank lines are passed over;
    /// where there is one column, a blank line is a record without a value, as a frame writes it.
    pub fn next(&mut self, fields: &mut Vec<Field<'a>>) -> Result<Option<usize>, Misread> {
        let Some(line) = self.record(fields)? else { return Ok(None) };
        if fields.len() != self.columns.len() {
            let fewer = self.columns.get(fields.len());
            let what = format!("has {} fields, the header has {}", fields.len(), self.columns.len());
            let hint = match fewer {
                Some(first) => format!("the field `{first}` and what follows it is missing: write empty fields, too"),
                None => "put fields that hold a separator or a line end in double quotes".to_owned(),
            };
            return Err(Misread::at(line, what).hint(hint));
        }
        let is_header = |(field, column): (&Field, &String)| !field.is_quoted && field.text == *column;
        if !self.dialect.may_repeat && fields.len() > 1 && fields.iter().zip(&self.columns).all(is_header) {
            return Err(Misread::at(line, "repeats the header")
                .hint("leave out the headers of files that were joined; quote a field where it is a row"));
        }
        Ok(Some(line))
    }

    fn record(&mut self, fields: &mut Vec<Field<'a>>) -> Result<Option<usize>, Misread> {
        fields.clear();
        while self.columns.len() != 1 && self.at_line_end() {
            self.end_line(0)?;
        }
        if self.at >= self.text.len() {
            return Ok(None);
        }
        let begin = self.line;
        loop {
            let is_quoted = self.byte().is_some() && self.byte() == self.dialect.quote;
            fields.push(if is_quoted { self.quoted(begin, fields.len())? } else { self.bare() });
            match self.byte() {
                Some(byte) if byte == self.dialect.separator => self.at += 1,
                Some(_) => {
                    self.end_line(fields.len().saturating_sub(1))?;
                    return Ok(Some(begin));
                }
                None => return Ok(Some(begin)),
            }
            if fields.len() >= MAX_COLUMNS {
                return Err(Misread::at(begin, format!("has more than {MAX_COLUMNS} fields")));
            }
        }
    }

    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn at_line_end(&self) -> bool {
        matches!(self.byte(), Some(b'\n' | b'\r'))
    }

    /// Passes over one line end, which must be of the same sort as those before it.
    fn end_line(&mut self, field: usize) -> Result<(), Misread> {
        let (found, length) = match (self.byte(), self.text.as_bytes().get(self.at + 1)) {
            (Some(b'\r'), Some(b'\n')) => (LineEnd::CrLf, 2),
            (Some(b'\r'), _) => (LineEnd::Cr, 1),
            _ => (LineEnd::Lf, 1),
        };
        let usual = *self.line_end.get_or_insert(found);
        if usual != found {
            let what = format!("ends with {}, the lines before it with {}", found.name(), usual.name());
            let hint = "put a field that holds a line end in double quotes, or end all lines alike";
            return Err(Misread::at(self.line, what).field(self.name(field)).hint(hint));
        }
        self.at += length;
        self.line += 1;
        Ok(())
    }

    fn name(&self, field: usize) -> String {
        self.columns.get(field).cloned().unwrap_or_else(|| (field + 1).to_string())
    }

    fn bare(&mut self) -> Field<'a> {
        let separator = self.dialect.separator;
        let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
        let ends = |byte: &u8| *byte == separator || matches!(byte, b'\n' | b'\r');
        let end = self.at + rest.iter().position(ends).unwrap_or(rest.len());
        let text = self.text.get(self.at..end).unwrap_or_default();
        self.at = end;
        Field { text: Cow::Borrowed(text), is_quoted: false }
    }

    fn quoted(&mut self, begin: usize, field: usize) -> Result<Field<'a>, Misread> {
        let quote = self.dialect.quote.unwrap_or(b'"');
        let mut joined: Option<String> = None;
        self.at += 1;
        loop {
            let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
            let Some(length) = rest.iter().position(|byte| *byte == quote) else {
                return Err(self.stray(begin, field, "the quoted field does not end"));
            };
            let piece = self.text.get(self.at..self.at + length).unwrap_or_default();
            let n_lines = piece.bytes().filter(|byte| *byte == b'\n').count();
            let n_lines = if n_lines > 0 { n_lines } else { piece.bytes().filter(|byte| *byte == b'\r').count() };
            if n_lines > 0 && !self.dialect.may_span {
                return Err(self.stray(begin, field, "the quoted field goes on over the line's end"));
            }
            self.line += n_lines;
            self.at += length + 1;
            match self.byte() {
                Some(byte) if byte == quote => {
                    let joined = joined.get_or_insert_default();
                    joined.push_str(piece);
                    joined.push(char::from(quote));
                    self.at += 1;
                }
                Some(byte) if byte != self.dialect.separator && !matches!(byte, b'\n' | b'\r') => {
                    return Err(self.stray(self.line, field, "text follows the end of the quoted field"));
                }
                _ => {
                    let text = match joined {
                        Some(mut joined) => {
                            joined.push_str(piece);
                            Cow::Owned(joined)
                        }
                        None => Cow::Borrowed(piece),
                    };
                    return Ok(Field { text, is_quoted: true });
                }
            }
        }
    }

    fn stray(&self, line: usize, field: usize, what: &str) -> Misread {
        let quote = char::from(self.dialect.quote.unwrap_or(b'"')).escape_debug().to_string();
        let hint = if self.dialect.may_span {
            format!(
                "a quote inside a quoted field is written twice; where quotes are plain text: #{{ separator: \"{}\", quote: \"\" }}",
                char::from(self.dialect.separator).escape_debug()
            )
        } else {
            format!(
                "where quotes are plain text: #{{ quote: \"\" }}; where quoted fields go over lines: #{{ quote: \"{quote}\" }}"
            )
        };
        Misread::at(line, what).field(self.name(field)).hint(hint)
    }
}

/// What kind the fields of a column are, told from all of them: the narrowest that loses nothing.
#[derive(Debug, Clone)]
pub struct Guess {
    is_empty: bool,
    is_bool: bool,
    is_int: bool,
    is_float: bool,
}

impl Default for Guess {
    fn default() -> Self {
        Guess { is_empty: true, is_bool: true, is_int: true, is_float: true }
    }
}

impl Guess {
    /// Takes one more field into account.
    pub fn see(&mut self, text: &str) {
        self.is_empty = false;
        self.is_bool = self.is_bool && matches!(text, "true" | "false");
        if !self.is_int && !self.is_float {
            return;
        }
        let int = if is_plain(text) { text.parse::<i64>().ok() } else { None };
        self.is_int = self.is_int && int.is_some();
        self.is_float = self.is_float
            && match int {
                Some(int) => int.unsigned_abs() <= MAX_EXACT,
                None => is_plain(text) && is_float(text),
            };
    }

    /// The kind of the column called `name`. Ids are names, whatever they look like, and a column without a value is of
    /// floats.
    pub fn kind(&self, name: &str) -> Kind {
        match self {
            _ if name == "id" => Kind::String,
            Guess { is_empty: true, .. } => Kind::Float,
            Guess { is_bool: true, .. } => Kind::Bool,
            Guess { is_int: true, .. } => Kind::Int,
            Guess { is_float: true, .. } => Kind::Float,
            _ => Kind::String,
        }
    }
}

/// Not a number with a sign or zeros in front: `007` is a name.
fn is_plain(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let is_padded = digits.len() > 1 && digits.starts_with('0') && !digits.starts_with("0.");
    !(is_padded || text.starts_with('+'))
}

/// A float whose digits are not those of an integer too large for 64 bits.
fn is_float(text: &str) -> bool {
    if matches!(text, "NaN" | "inf" | "-inf") {
        return true;
    }
    let is_integer = text.strip_prefix('-').unwrap_or(text).bytes().all(|byte| byte.is_ascii_digit());
    let has_letters = !text.bytes().all(|byte| b"0123456789.-+eE".contains(&byte));
    !is_integer && !has_letters && text.parse::<f64>().is_ok_and(f64::is_finite)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(text: &str, dialect: Dialect) -> Result<Vec<Vec<Option<String>>>, Misread> {
        let mut open = Separated::open(text, dialect)?;
        let (mut fields, mut rows) = (Vec::new(), vec![open.columns().iter().cloned().map(Some).collect()]);
        while open.next(&mut fields)?.is_some() {
            rows.push(fields.iter().map(|field| field.value().map(str::to_owned)).collect());
        }
        Ok(rows)
    }

    fn csv(text: &str) -> Result<Vec<Vec<Option<String>>>, Misread> {
        rows(text, Dialect::of("a.csv", None, None).expect("usual"))
    }

    fn tsv(text: &str) -> Result<Vec<Vec<Option<String>>>, Misread> {
        rows(text, Dialect::of("a.tsv", None, None).expect("usual"))
    }

    fn why<T: std::fmt::Debug>(answer: Result<T, Misread>) -> String {
        let why = answer.expect_err("malformed");
        format!("{}: {}", why.place("a"), why.what)
    }

    fn some(cells: &[&str]) -> Vec<Option<String>> {
        cells.iter().map(|cell| Some((*cell).to_owned())).collect()
    }

    #[test]
    fn every_sort_of_line_end_makes_the_same_rows() {
        let expected = [some(&["a", "b"]), some(&["1", "x"]), some(&["2", "y"])];
        for text in
            ["a,b\n1,x\n2,y\n", "a,b\r\n1,x\r\n2,y\r\n", "a,b\r1,x\r2,y\r", "a,b\n\n1,x\n\n\n2,y", "\na,b\n1,x\n2,y"]
        {
            assert_eq!(csv(text).expect("well-formed"), expected, "{text:?}");
        }
        assert_eq!(
            why(csv("a,b\r\n1,x\ny\r\n")),
            "`a` line 2, field `b`: ends with a line feed, the lines before it with carriage return and line feed"
        );
        assert!(why(csv("a,b\n1,x\r2,y\n")).contains("line 2, field `b`: ends with a carriage return"));
        assert!(why(csv("a,b\n1,x\r\n2,y\n")).contains("line 2, field `b`: ends with carriage return and line feed"));
        assert_eq!(csv("a,b\r\n1,\"x\ny\"\r\n").expect("quoted")[1], some(&["1", "x\ny"]));
    }

    #[test]
    fn a_blank_line_is_a_row_only_where_there_is_one_column() {
        assert_eq!(csv("a\n1\n\n2\n").expect("well-formed"), [some(&["a"]), some(&["1"]), vec![None], some(&["2"])]);
        assert_eq!(csv("a,b\n,\"\"\n").expect("well-formed")[1], [None, Some(String::new())]);
    }

    #[test]
    fn rows_of_another_length_are_refused() {
        assert_eq!(why(csv("a,b\n1,2\n1,2,3\n")), "`a` line 3: has 3 fields, the header has 2");
        let short = csv("a,b,c\n1,2\n").expect_err("short");
        assert_eq!(short.what, "has 2 fields, the header has 3");
        assert!(short.hint.expect("a hint").contains("`c`"));
        assert_eq!(why(csv("a,b\n1,x\na,b\n2,y\n")), "`a` line 3: repeats the header");
        assert_eq!(csv("a,b\n\"a\",b\n").expect("quoted")[1], some(&["a", "b"]));
        assert_eq!(why(csv("a,a\n1,2\n")), "`a` line 1: the column `a` occurs twice");
        assert_eq!(why(csv("a,\n1,2\n")), "`a` line 1: column 2 has no name");
        assert_eq!(why(csv("\n\n")), "`a`: has no header");
        assert!(why(csv(&vec!["x"; 20_000].join(","))).contains("more than 10000 fields"));
    }

    #[test]
    fn a_stray_quote_swallows_nothing() {
        assert_eq!(why(csv("a,b\n\"1,2\n3,4\n")), "`a` line 2, field `a`: the quoted field does not end");
        assert_eq!(why(csv("a,b\n\"1\"x,2\n")), "`a` line 2, field `a`: text follows the end of the quoted field");
        let swallowing = "id\ttext\n1\t\"hello\n2\tbye\"\n";
        assert_eq!(why(tsv(swallowing)), "`a` line 2, field `text`: the quoted field goes on over the line's end");
        let plain = Dialect::of("a.tsv", None, Some("")).expect("no quotes");
        assert_eq!(rows(swallowing, plain).expect("plain")[1], some(&["1", "\"hello"]));
        let spanning = Dialect::of("a.tsv", None, Some("\"")).expect("quotes");
        assert_eq!(rows(swallowing, spanning).expect("one row")[1], some(&["1", "hello\n2\tbye"]));
        assert_eq!(tsv("a\tb\n\"x\ty\"\tsay \"hi\"\n").expect("well-formed")[1], some(&["x\ty", "say \"hi\""]));
    }

    #[test]
    fn separators_and_quotes_are_named() {
        let dialect = Dialect::of("a.csv", Some(";"), Some("'")).expect("named");
        assert_eq!(rows("a;b\n'1;2';\"x\n", dialect).expect("well-formed")[1], some(&["1;2", "\"x"]));
        let missed = csv("a;b\n1;2\n").expect_err("one column");
        assert_eq!(missed.hint.expect("a hint"), "name what separates the fields: #{ separator: \";\" }");
        assert!(tsv("a,b\n1,2\n").expect_err("one column").hint.expect("a hint").contains("separator: \",\""));
        let meant = Dialect::of("a.csv", Some(","), None).expect("named");
        assert_eq!(rows("a;b\n1;2\n", meant).expect("one column")[1], some(&["1;2"]));
        for (separator, quote) in
            [(Some("ab"), None), (Some(""), None), (Some("\n"), None), (None, Some("é")), (Some("\""), Some("\""))]
        {
            assert!(Dialect::of("a.csv", separator, quote).is_err(), "{separator:?} {quote:?}");
        }
    }

    #[test]
    fn encodings_are_told_by_their_marks() {
        let utf16 = |text: &str, mark: [u8; 2], bytes: fn(u16) -> [u8; 2]| -> Vec<u8> {
            mark.into_iter().chain(text.encode_utf16().flat_map(bytes)).collect()
        };
        assert_eq!(decoded(&utf16("a,ü\n𝄞", [0xff, 0xfe], u16::to_le_bytes)).expect("UTF-16"), "a,ü\n𝄞");
        assert_eq!(decoded(&utf16("a,ü\n𝄞", [0xfe, 0xff], u16::to_be_bytes)).expect("UTF-16"), "a,ü\n𝄞");
        assert_eq!(decoded(b"\xef\xbb\xbfa").expect("UTF-8"), "a");
        assert_eq!(why(decoded(b"a\0b\0")), "`a`: looks like UTF-16 text without a byte order mark");
        assert_eq!(why(decoded(b"\xff\xfe\0\0a\0\0\0")), "`a`: is UTF-32 text");
        assert_eq!(why(decoded(b"\xff\xfea\0\n\0b")), "`a` line 2: ends in half of a UTF-16 character");
        assert_eq!(
            why(decoded(b"\xff\xfea\0\0\xd8b\0")),
            "`a` line 1: is not UTF-16 text, which its first bytes say it is"
        );
        assert_eq!(why(decoded(b"a\nb\n\xe9t\xe9\n")), "`a` line 3: is not UTF-8 text");
    }

    #[test]
    fn a_kind_is_the_narrowest_that_loses_nothing() {
        let kind = |fields: &[&str]| {
            let mut guess = Guess::default();
            fields.iter().for_each(|field| guess.see(field));
            guess.kind("x").to_string()
        };
        assert_eq!(kind(&[]), "float");
        assert_eq!(kind(&["true", "false"]), "bool");
        assert_eq!(kind(&["1", "-9223372036854775808"]), "int");
        assert_eq!(kind(&["1", "2.5", "1e-3", "NaN", "-inf"]), "float");
        for text in [
            &["007"][..],
            &["+1"],
            &["true", "1"],
            &["9223372036854775808", "9223372036854775809"],
            &["0.5", "9007199254740993"],
            &["1e999"],
            &["2024-01-01"],
            &["1,5"],
            &["0x10"],
            &["--1"],
            &["١"],
        ] {
            assert_eq!(kind(text), "string", "{text:?}");
        }
        let mut ids = Guess::default();
        ids.see("7");
        assert_eq!(ids.kind("id"), Kind::String);
    }
}
