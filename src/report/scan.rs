//! Reads input as tokens, however unfinished it is: what highlighting, completion, hints, what is written out before a text
//! is compiled, and the question "is more to come?" are made from. Rhai's own parser gives up at the first error; a line
//! that is being typed always has one. That both read the same tokens is held by a test in `lang`.

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Keyword,
    Name,
    Number,
    /// A string or character literal, or a part of an interpolated one.
    Text,
    Comment,
    Open,
    Close,
    Operator,
}

/// A token as a range of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Token {
    pub kind: Kind,
    pub start: usize,
    pub end: usize,
}

/// What the input ends in the middle of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Within {
    /// A `"…"` string whose content starts at the byte.
    Text(usize),
    /// A `` `…` `` or `#"…"#` string, which may go over lines.
    LongText,
    Comment,
}

/// Input as tokens.
pub struct Scan<'a> {
    pub source: &'a str,
    pub tokens: Vec<Token>,
    /// What the end of the input is inside of.
    pub within: Option<Within>,
}

/// Words of the language that are not names.
pub const KEYWORDS: [&str; 26] = [
    "let", "const", "fn", "private", "if", "else", "switch", "while", "loop", "for", "in", "do", "until", "continue",
    "break", "return", "throw", "try", "catch", "import", "export", "as", "global", "this", "true", "false",
];

/// Longest first, so that `==` is not read as two `=`.
const OPERATORS: [&str; 27] = [
    "**=", "..=", "<<=", ">>=", "::", "==", "!=", "<=", ">=", "&&", "||", "??", "?.", "=>", "->", "+=", "-=", "*=",
    "/=", "%=", "&=", "|=", "^=", "**", "<<", ">>", "..",
];

impl<'a> Scan<'a> {
    /// Reads `source`.
    pub fn new(source: &'a str) -> Self {
        let mut reader = Reader { source, at: 0, tokens: Vec::new(), templates: Vec::new(), within: None };
        reader.read();
        Scan { source, tokens: reader.tokens, within: reader.within }
    }

    /// The text of a token.
    pub fn text(&self, token: &Token) -> &'a str {
        self.source.get(token.start..token.end).unwrap_or_default()
    }

    /// The tokens that are not comments.
    pub fn code(&self) -> impl DoubleEndedIterator<Item = &Token> {
        self.tokens.iter().filter(|token| token.kind != Kind::Comment)
    }

    /// Indices (into `tokens`) of the brackets that are open at the end; `None` if a closing one does not match.
    pub fn open_brackets(&self) -> Option<Vec<usize>> {
        let mut open: Vec<usize> = Vec::new();
        for (idx, token) in self.tokens.iter().enumerate() {
            match token.kind {
                Kind::Open => open.push(idx),
                Kind::Close => {
                    let opened = open.pop().and_then(|idx| self.tokens.get(idx))?;
                    let wanted = match self.text(opened) {
                        "(" => ")",
                        "[" | "?[" => "]",
                        _ => "}",
                    };
                    if self.text(token) != wanted {
                        return None;
                    }
                }
                _ => {}
            }
        }
        Some(open)
    }

    fn kind(&self, idx: usize) -> Option<Kind> {
        self.tokens.get(idx).map(|token| token.kind)
    }

    fn word(&self, idx: usize) -> &'a str {
        self.tokens.get(idx).map_or("", |token| self.text(token))
    }

    /// Where the expression that ends before the token `end` starts: back over names, dots, calls, indices.
    pub fn chain_start(&self, end: usize) -> Option<usize> {
        let mut at = end;
        loop {
            let last = at.checked_sub(1)?;
            match self.kind(last)? {
                Kind::Close => {
                    at = self.opening(last)?;
                    // `f(…)`, `a[…]`: what is called or indexed stands directly before; else the bracket starts the chain.
                    if !self.is_joined(at) {
                        return Some(at);
                    }
                    continue;
                }
                Kind::Name | Kind::Text => at = last,
                _ => return None,
            }
            let before = at.checked_sub(1).map_or("", |before| self.word(before));
            if !matches!(before, "." | "?." | "::") {
                return Some(at);
            }
            at -= 1;
        }
    }

    /// Where the expression that starts at the token `start` ends: on over names, dots, calls, indices.
    pub fn chain_end(&self, start: usize) -> Option<usize> {
        let n = self.tokens.len();
        let mut at = match (self.kind(start)?, self.word(start)) {
            (Kind::Name, _) => start + 1,
            (Kind::Open, "(" | "[") => self.after_bracket(start, n)?,
            _ => return None,
        };
        loop {
            match self.word(at) {
                "." | "?." | "::" if self.kind(at + 1) == Some(Kind::Name) => at += 2,
                "(" | "[" | "?[" if self.is_joined(at) => at = self.after_bracket(at, n)?,
                _ => return Some(at),
            }
        }
    }

    /// Whether the bracket at `open` stands directly behind what is called or indexed.
    fn is_joined(&self, open: usize) -> bool {
        let Some(before) = open.checked_sub(1).and_then(|before| self.tokens.get(before)) else { return false };
        let touches = self.tokens.get(open).is_some_and(|open| open.start == before.end);
        touches && matches!(before.kind, Kind::Name | Kind::Close)
    }

    /// The bracket that the closing one at `close` closes.
    pub fn opening(&self, close: usize) -> Option<usize> {
        let mut depth = 0usize;
        for idx in (0..=close).rev() {
            match self.kind(idx)? {
                Kind::Close => depth += 1,
                Kind::Open => {
                    depth = depth.checked_sub(1)?;
                    if depth == 0 {
                        return Some(idx);
                    }
                }
                _ => {}
            }
        }
        None
    }

    /// The token after the bracket that opens at `open` and closes before `end`.
    pub fn after_bracket(&self, open: usize, end: usize) -> Option<usize> {
        let mut depth = 0usize;
        for idx in open..end {
            match self.kind(idx)? {
                Kind::Open => depth += 1,
                Kind::Close => depth = depth.checked_sub(1)?,
                _ => {}
            }
            if depth == 0 {
                return Some(idx + 1);
            }
        }
        None
    }

    /// Whether a person who pressed Enter here means to go on in the next line.
    pub fn wants_more(&self) -> bool {
        match self.within {
            Some(Within::LongText | Within::Comment) => return true,
            // A `"…"` string goes on only after a backslash; else Rhai says that it is not terminated.
            Some(Within::Text(_)) => return self.source.ends_with('\\'),
            None => {}
        }
        match self.open_brackets() {
            None => return false,
            Some(open) if !open.is_empty() => return true,
            Some(_) => {}
        }
        let Some(last) = self.code().next_back() else {
            return false;
        };
        let dangling = match last.kind {
            Kind::Operator => self.text(last) != ";",
            Kind::Keyword => {
                ["else", "in", "as", "let", "const", "fn", "if", "while", "for"].contains(&self.text(last))
            }
            _ => false,
        };
        dangling || self.ends_in_head()
    }

    /// Whether the last statement is the head of a block that has not begun: `fn f(x)`, `while x > 0`.
    fn ends_in_head(&self) -> bool {
        let mut depth = 0usize;
        let mut head = false;
        for token in self.code() {
            let text = self.text(token);
            match token.kind {
                Kind::Open => {
                    head &= depth > 0 || text != "{";
                    depth += 1;
                }
                Kind::Close => depth = depth.saturating_sub(1),
                Kind::Keyword if depth == 0 => {
                    head |= ["fn", "while", "for", "switch", "if", "loop", "try", "do"].contains(&text);
                }
                Kind::Operator if depth == 0 => head &= text != ";",
                _ => {}
            }
        }
        head
    }
}

struct Reader<'a> {
    source: &'a str,
    at: usize,
    tokens: Vec<Token>,
    /// How many braces were open around each `${…}` that is open.
    templates: Vec<usize>,
    within: Option<Within>,
}

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a str {
        self.source.get(self.at..).unwrap_or_default()
    }

    fn push(&mut self, kind: Kind, start: usize) {
        self.tokens.push(Token { kind, start, end: self.at });
    }

    fn read(&mut self) {
        // Open braces inside the innermost interpolation.
        let mut depth = 0usize;
        while let Some(first) = self.rest().chars().next() {
            let start = self.at;
            let rest = self.rest();
            if first.is_whitespace() {
                self.at += first.len_utf8();
            } else if rest.starts_with("//") {
                self.at += rest.find('\n').unwrap_or(rest.len());
                self.push(Kind::Comment, start);
            } else if rest.starts_with("/*") {
                self.block_comment();
            } else if first == '"' {
                self.quoted();
            } else if first == '`' {
                self.at += 1;
                if self.template(start) {
                    self.templates.push(std::mem::take(&mut depth));
                }
            } else if first == '\'' {
                self.character();
            } else if first == '#' && rest.trim_start_matches('#').starts_with('"') {
                self.raw();
            } else if first.is_ascii_digit() {
                self.number();
            } else if first.is_alphabetic() || first == '_' {
                self.at += rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
                let word = self.source.get(start..self.at).unwrap_or_default();
                self.push(if KEYWORDS.contains(&word) { Kind::Keyword } else { Kind::Name }, start);
            } else if let Some(open) = ["#{", "?[", "(", "[", "{"].into_iter().find(|open| rest.starts_with(open)) {
                self.at += open.len();
                depth += usize::from(open.ends_with('{'));
                self.push(Kind::Open, start);
            } else if matches!(first, ')' | ']' | '}') {
                self.at += 1;
                self.push(Kind::Close, start);
                if first == '}' {
                    match depth.checked_sub(1) {
                        Some(less) => depth = less,
                        None => self.go_on_with_template(&mut depth),
                    }
                }
            } else {
                let operator = OPERATORS.into_iter().find(|operator| rest.starts_with(operator));
                self.at += operator.map_or(first.len_utf8(), str::len);
                self.push(Kind::Operator, start);
            }
        }
        if !self.templates.is_empty() {
            self.within = self.within.or(Some(Within::LongText));
        }
    }

    /// After the `}` of an interpolation: the string goes on.
    fn go_on_with_template(&mut self, depth: &mut usize) {
        if let Some(outer) = self.templates.pop() {
            if self.template(self.at) {
                self.templates.push(outer);
            } else {
                *depth = outer;
            }
        }
    }

    /// Reads an interpolated string on from its content; true if it stopped after a `${`.
    fn template(&mut self, start: usize) -> bool {
        while let Some(c) = self.rest().chars().next() {
            if self.rest().starts_with("${") {
                self.push(Kind::Text, start);
                let open = self.at;
                self.at += 2;
                self.push(Kind::Open, open);
                return true;
            }
            self.at += c.len_utf8();
            if c == '\\' {
                self.at += self.rest().chars().next().map_or(0, char::len_utf8);
            } else if c == '`' {
                self.push(Kind::Text, start);
                return false;
            }
        }
        self.push(Kind::Text, start);
        self.within = Some(Within::LongText);
        false
    }

    fn block_comment(&mut self) {
        let start = self.at;
        let mut depth = 0usize;
        while let Some(c) = self.rest().chars().next() {
            if self.rest().starts_with("/*") {
                depth += 1;
                self.at += 2;
            } else if self.rest().starts_with("*/") {
                depth = depth.saturating_sub(1);
                self.at += 2;
                if depth == 0 {
                    return self.push(Kind::Comment, start);
                }
            } else {
                self.at += c.len_utf8();
            }
        }
        self.push(Kind::Comment, start);
        self.within = Some(Within::Comment);
    }

    fn quoted(&mut self) {
        let start = self.at;
        self.at += 1;
        while let Some(c) = self.rest().chars().next() {
            if c == '\n' {
                // Not closed on its line: the rest is code again, so that one missing quote does not swallow it all.
                return self.push(Kind::Text, start);
            }
            self.at += c.len_utf8();
            match c {
                '\\' => self.at += self.rest().chars().next().map_or(0, char::len_utf8),
                '"' => return self.push(Kind::Text, start),
                _ => {}
            }
        }
        self.push(Kind::Text, start);
        self.within = Some(Within::Text(start + 1));
    }

    fn character(&mut self) {
        let start = self.at;
        let mut chars = self.rest().char_indices().skip(1);
        let mut last = chars.next();
        if last.is_some_and(|(_, c)| c == '\\') {
            last = chars.next();
        }
        // The longest escape is `\U00000000`.
        let closed = chars.take(9).take_while(|(_, c)| *c != '\n').find(|(_, c)| *c == '\'');
        self.at += match (closed, last) {
            (Some((offset, _)), _) => offset + 1,
            (None, Some((offset, c))) => offset + c.len_utf8(),
            (None, None) => 1,
        };
        self.push(Kind::Text, start);
    }

    fn raw(&mut self) {
        let start = self.at;
        let hashes = self.rest().len() - self.rest().trim_start_matches('#').len();
        let close = format!("\"{}", "#".repeat(hashes));
        self.at += hashes + 1;
        match self.rest().find(&close) {
            Some(offset) => self.at += offset + close.len(),
            None => {
                self.at = self.source.len();
                self.within = Some(Within::LongText);
            }
        }
        self.push(Kind::Text, start);
    }

    fn number(&mut self) {
        let start = self.at;
        let hexadecimal = self.rest().starts_with("0x");
        let (mut before, mut seen_point) = ('0', false);
        while let Some(c) = self.rest().chars().next() {
            let point = c == '.' && !seen_point && self.rest().chars().nth(1).is_some_and(|next| next.is_ascii_digit());
            let sign = matches!(c, '+' | '-') && matches!(before, 'e' | 'E') && !hexadecimal;
            if !(c.is_ascii_alphanumeric() || c == '_' || point || sign) {
                break;
            }
            seen_point |= c == '.';
            before = c;
            self.at += 1;
        }
        self.push(Kind::Number, start);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(source: &str) -> Vec<(Kind, &str)> {
        let scan = Scan::new(source);
        scan.tokens.iter().map(|token| (token.kind, scan.text(token))).collect()
    }

    #[test]
    fn tokens_are_what_a_reader_sees() {
        use Kind::*;
        let seen = texts("let x = 1.5e-3..2; // c");
        let wanted = [
            (Keyword, "let"),
            (Name, "x"),
            (Operator, "="),
            (Number, "1.5e-3"),
            (Operator, ".."),
            (Number, "2"),
            (Operator, ";"),
            (Comment, "// c"),
        ];
        assert_eq!(seen, wanted);
        let seen = texts("f(`a ${x + \"}\"} b`)");
        let wanted = [
            (Name, "f"),
            (Open, "("),
            (Text, "`a "),
            (Open, "${"),
            (Name, "x"),
            (Operator, "+"),
            (Text, "\"}\""),
            (Close, "}"),
            (Text, " b`"),
            (Close, ")"),
        ];
        assert_eq!(seen, wanted);
        assert_eq!(texts("m::f('\\'')").get(4), Some(&(Text, "'\\''")));
        assert_eq!(texts("#\"a\"b\"#"), [(Text, "#\"a\"b\"#")]);
    }

    #[test]
    fn unfinished_input_wants_more_and_finished_does_not() {
        let more = [
            "f(",
            "[1,",
            "#{a: 1,",
            "let f = |x| {",
            "`text",
            "1 +",
            "let x =",
            "/* note",
            "fn f(x)",
            "if a {} else",
            "x.",
            "`a ${ b",
            "while x > 1",
            "\"line \\",
            "#\"raw",
        ];
        for source in more {
            assert!(Scan::new(source).wants_more(), "{source}");
        }
        let done = [
            "",
            "f()",
            "let x = 1;",
            "// comment",
            "fn f(x) { x }",
            "`a ${b}`",
            "\"open",
            "f(]",
            "\"}\"",
            "'{'",
            "if a { 1 } else { 2 }",
            "x // (",
            "for i in 0..3 { print(i) }",
            "#{a: 1}",
            "let f = |x| { x };",
        ];
        for source in done {
            assert!(!Scan::new(source).wants_more(), "{source}");
        }
    }

    #[test]
    fn no_input_makes_it_fail_or_leave_out_text() {
        let pieces =
            ["\"", "`", "${", "}", "'", "\\", "#", "/*", "*/", "ä", "1.", "e", "(", "\n", "0x", "..", "_", "['"];
        let n = pieces.len();
        for idx in 0..n * n * n {
            let source = format!("{}{}{}", pieces[idx % n], pieces[idx / n % n], pieces[idx / n / n]);
            let scan = Scan::new(&source);
            let mut at = 0;
            for token in &scan.tokens {
                let skipped = source.get(at..token.start).expect("tokens are in order, on character boundaries");
                assert!(skipped.trim().is_empty(), "{source:?} leaves out {skipped:?}");
                at = token.end;
            }
            assert!(source.get(at..).expect("inside").trim().is_empty(), "{source:?}");
            let _ = scan.wants_more();
        }
    }
}
