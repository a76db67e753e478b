//! A JSON reader over text that is in memory: values as they come, with the place of each.
//!
//! `serde_json` with the features at hand rounds some floats by one unit in the last place, makes floats of integers
//! beyond 64 bits and lets a repeated field win over the first. Here floats are exact, such integers keep their digits, a
//! repeated field is refused, and what is not asked for is passed over without being built.

use serde_json::{Map, Value};
use std::borrow::Cow;

/// How deep arrays and objects may lie in each other. As `serde_json` has it.
pub const MAX_DEPTH: usize = 128;

/// What is wrong, and the byte where it was seen.
#[derive(Debug, Clone, PartialEq)]
pub struct Fault {
    pub at: usize,
    pub what: String,
}

/// The beginning of a value: all of it, or an opened array or object.
#[derive(Debug, Clone, PartialEq)]
pub enum Token<'a> {
    Null,
    Bool(bool),
    Int(i64),
    /// An integer beyond 64 bits with a sign, in its digits.
    Wide(&'a str),
    Float(f64),
    Text(Cow<'a, str>),
    Array,
    Object,
}

/// Reads one text from its begin to its end.
pub struct Reader<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
}

impl<'a> Reader<'a> {
    pub fn new(text: &'a str) -> Reader<'a> {
        Reader { text, at: 0, depth: 0 }
    }

    /// The byte that is read next.
    pub fn place(&self) -> usize {
        self.at
    }

    /// Fails unless only blanks are left.
    pub fn end(&mut self) -> Result<(), Fault> {
        self.blanks();
        if self.byte().is_none() { Ok(()) } else { Err(self.fault("trailing characters")) }
    }

    /// The next value, or the begin of it: after an opened array or object, [`Reader::items`] or [`Reader::fields`] must
    /// follow.
    pub fn token(&mut self) -> Result<Token<'a>, Fault> {
        self.blanks();
        match self.byte() {
            Some(b'"') => self.text().map(Token::Text),
            Some(b'{') => self.open(Token::Object),
            Some(b'[') => self.open(Token::Array),
            Some(b't') => self.word("true", Token::Bool(true)),
            Some(b'f') => self.word("false", Token::Bool(false)),
            Some(b'n') => self.word("null", Token::Null),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(_) => Err(self.fault("expected value")),
            None => Err(self.fault("eof while parsing a value")),
        }
    }

    /// Calls `each` before every item of an opened array; it must read the item.
    pub fn items<E: From<Fault>>(&mut self, mut each: impl FnMut(&mut Self) -> Result<(), E>) -> Result<(), E> {
        self.blanks();
        if self.passed(b']') {
            self.depth -= 1;
            return Ok(());
        }
        loop {
            each(self)?;
            self.blanks();
            if self.passed(b',') {
                continue;
            }
            if self.passed(b']') {
                self.depth -= 1;
                return Ok(());
            }
            return Err(self
                .fault(if self.byte().is_none() { "eof while parsing a list" } else { "expected `,` or `]`" })
                .into());
        }
    }

    /// Calls `each` with every name in an opened object; it must read the value.
    pub fn fields<E: From<Fault>>(
        &mut self,
        mut each: impl FnMut(&mut Self, Cow<'a, str>) -> Result<(), E>,
    ) -> Result<(), E> {
        self.blanks();
        if self.passed(b'}') {
            self.depth -= 1;
            return Ok(());
        }
        loop {
            self.blanks();
            match self.byte() {
                Some(b'"') => {}
                Some(_) => return Err(self.fault("expected a name in double quotes").into()),
                None => return Err(self.fault("eof while parsing an object").into()),
            }
            let name = self.text()?;
            self.blanks();
            if !self.passed(b':') {
                return Err(self.fault("expected `:`").into());
            }
            each(self, name)?;
            self.blanks();
            if self.passed(b',') {
                continue;
            }
            if self.passed(b'}') {
                self.depth -= 1;
                return Ok(());
            }
            let what = if self.byte().is_none() { "eof while parsing an object" } else { "expected `,` or `}`" };
            return Err(self.fault(what).into());
        }
    }

    /// The next value, whole. An integer beyond 64 bits is the text of its digits.
    pub fn value(&mut self) -> Result<Value, Fault> {
        let token = self.token()?;
        self.rest(token)
    }

    /// The value that begins with `token`.
    pub fn rest(&mut self, token: Token<'a>) -> Result<Value, Fault> {
        Ok(match token {
            Token::Null => Value::Null,
            Token::Bool(value) => Value::Bool(value),
            Token::Int(value) => Value::from(value),
            Token::Wide(digits) => match digits.parse::<u64>() {
                Ok(value) => Value::from(value),
                Err(_) => Value::from(digits),
            },
            Token::Float(value) => Value::from(value),
            Token::Text(text) => Value::String(text.into_owned()),
            Token::Array => {
                let mut items = Vec::new();
                self.items(|reader| {
                    items.push(reader.value()?);
                    Ok::<(), Fault>(())
                })?;
                Value::Array(items)
            }
            Token::Object => {
                let mut fields = Map::new();
                self.fields(|reader, name| {
                    let at = reader.at;
                    match fields.insert(name.to_string(), reader.value()?) {
                        None => Ok(()),
                        Some(_) => Err(Fault { at, what: format!("the field `{name}` occurs twice") }),
                    }
                })?;
                Value::Object(fields)
            }
        })
    }

    /// Passes over the next value.
    pub fn skip(&mut self) -> Result<(), Fault> {
        match self.token()? {
            Token::Array => self.items(Reader::skip),
            Token::Object => self.fields(|reader, _| reader.skip()),
            _ => Ok(()),
        }
    }

    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn passed(&mut self, byte: u8) -> bool {
        let is_here = self.byte() == Some(byte);
        self.at += usize::from(is_here);
        is_here
    }

    /// Passes over what stands between values.
    pub fn blanks(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.byte() {
            self.at += 1;
        }
    }

    fn fault(&self, what: impl Into<String>) -> Fault {
        Fault { at: self.at, what: what.into() }
    }

    fn open(&mut self, token: Token<'a>) -> Result<Token<'a>, Fault> {
        if self.depth >= MAX_DEPTH {
            return Err(self.fault(format!("nested more than {MAX_DEPTH} deep")));
        }
        self.depth += 1;
        self.at += 1;
        Ok(token)
    }

    fn word(&mut self, word: &str, token: Token<'a>) -> Result<Token<'a>, Fault> {
        if self.text.as_bytes().get(self.at..self.at + word.len()) != Some(word.as_bytes()) {
            return Err(self.fault("expected value"));
        }
        self.at += word.len();
        Ok(token)
    }

    fn number(&mut self) -> Result<Token<'a>, Fault> {
        let begin = self.at;
        self.passed(b'-');
        if self.passed(b'0') {
            if self.byte().is_some_and(|byte| byte.is_ascii_digit()) {
                return Err(self.fault("a number with a zero in front"));
            }
        } else {
            self.digits()?;
        }
        let mut is_int = true;
        if self.passed(b'.') {
            is_int = false;
            self.digits()?;
        }
        if self.passed(b'e') || self.passed(b'E') {
            is_int = false;
            let _sign = self.passed(b'+') || self.passed(b'-');
            self.digits()?;
        }
        let digits = self.text.get(begin..self.at).unwrap_or_default();
        // A negative zero is a float: no integer is.
        if is_int && digits != "-0" {
            return Ok(digits.parse().map_or(Token::Wide(digits), Token::Int));
        }
        match digits.parse::<f64>() {
            Ok(value) if value.is_finite() => Ok(Token::Float(value)),
            _ => Err(Fault { at: begin, what: "number out of range".to_owned() }),
        }
    }

    /// One digit or more.
    fn digits(&mut self) -> Result<(), Fault> {
        let begin = self.at;
        while self.byte().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        if self.at > begin { Ok(()) } else { Err(self.fault("invalid number")) }
    }

    fn text(&mut self) -> Result<Cow<'a, str>, Fault> {
        self.at += 1;
        let mut joined: Option<String> = None;
        loop {
            let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
            let ends = |byte: &u8| matches!(byte, b'"' | b'\\') || *byte < b' ';
            let Some(length) = rest.iter().position(ends) else {
                self.at = self.text.len();
                return Err(self.fault("eof while parsing a string"));
            };
            let piece = self.text.get(self.at..self.at + length).unwrap_or_default();
            self.at += length;
            match self.byte() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(match joined {
                        Some(mut joined) => {
                            joined.push_str(piece);
                            Cow::Owned(joined)
                        }
                        None => Cow::Borrowed(piece),
                    });
                }
                Some(b'\\') => {
                    self.at += 1;
                    let letter = self.escaped()?;
                    let joined = joined.get_or_insert_default();
                    joined.push_str(piece);
                    joined.push(letter);
                }
                _ => return Err(self.fault("a control character in a string: write it with a backslash")),
            }
        }
    }

    /// What stands after a backslash.
    fn escaped(&mut self) -> Result<char, Fault> {
        let byte = self.byte();
        self.at += 1;
        Ok(match byte {
            Some(byte @ (b'"' | b'\\' | b'/')) => char::from(byte),
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                let first = self.unit()?;
                if !(0xd800..0xdc00).contains(&first) {
                    return char::from_u32(first).ok_or_else(|| self.fault("half of a surrogate pair"));
                }
                if !(self.passed(b'\\') && self.passed(b'u')) {
                    return Err(self.fault("half of a surrogate pair"));
                }
                let second = self.unit()?;
                let is_pair = (0xdc00..0xe000).contains(&second);
                let letter = 0x10000 + ((first & 0x3ff) << 10) + (second & 0x3ff);
                return char::from_u32(letter)
                    .filter(|_| is_pair)
                    .ok_or_else(|| self.fault("half of a surrogate pair"));
            }
            _ => return Err(Fault { at: self.at - 1, what: "invalid escape".to_owned() }),
        })
    }

    /// Four hexadecimal digits.
    fn unit(&mut self) -> Result<u32, Fault> {
        let digits = self.text.as_bytes().get(self.at..self.at + 4);
        let digits = digits.filter(|digits| digits.iter().all(u8::is_ascii_hexdigit));
        let value = digits.and_then(|digits| std::str::from_utf8(digits).ok());
        let value = value.and_then(|digits| u32::from_str_radix(digits, 16).ok());
        let value = value.ok_or_else(|| self.fault("invalid escape"))?;
        self.at += 4;
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::random::Random;

    fn read(text: &str) -> Result<Value, Fault> {
        let mut reader = Reader::new(text);
        let value = reader.value()?;
        reader.end()?;
        Ok(value)
    }

    #[test]
    fn values_are_those_that_serde_json_reads() {
        let texts = [
            "null",
            " true ",
            "[]",
            "{}",
            "[1, -2, 0, -0, 2.5, 1e3, -1.5E-3, 0.1]",
            "\"a\\n\\u00e9\\ud834\\udd1e\\/\"",
            "{\"a\": [{\"b\": null}], \"c\": \"ü\"}",
            "18446744073709551615",
            "-9223372036854775808",
            "\"\u{7f}\"",
        ];
        for text in texts {
            let ours = read(text).expect(text);
            assert_eq!(ours, serde_json::from_str::<Value>(text).expect("JSON"), "{text}");
        }
    }

    #[test]
    fn what_serde_json_refuses_is_refused() {
        let texts = [
            "",
            "nul",
            "[1,]",
            "{,}",
            "{\"a\" 1}",
            "{\"a\":1,}",
            "[1 2]",
            "01",
            "-",
            "1.",
            ".5",
            "1e",
            "+1",
            "\"",
            "\"\\x\"",
            "\"\\u12\"",
            "\"\\ud800\"",
            "\"\\ud800\\u0041\"",
            "\"\\udc00\"",
            "\"\n\"",
            "1 2",
            "{a: 1}",
            "['a']",
            "NaN",
            "1e999",
            "[",
            "{\"a\":",
            "tru",
            "\u{feff}1",
        ];
        for text in texts {
            assert!(serde_json::from_str::<Value>(text).is_err(), "{text}");
            assert!(read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn mutated_texts_are_read_or_refused_as_by_serde_json() {
        let seed = b"{\"id\": \"r1\", \"x\": [1, -2.5e3, true, null], \"t\": \"a\\u00e9\\\\ \\\"q\\\"\", \"o\": {\"k\": 0.25}}";
        let mut random = Random::new(1, "json");
        let mut n_read = 0;
        for _ in 0..20_000 {
            let mut bytes = seed.to_vec();
            for _ in 0..=random.below(3) {
                let at = random.below(bytes.len());
                let letters = b"{}[]:,\"\\u0129eE+-. ntf\na";
                bytes[at] = letters[random.below(letters.len())];
            }
            let text = String::from_utf8(bytes).expect("ASCII");
            match (read(&text), serde_json::from_str::<Value>(&text)) {
                (Ok(ours), Ok(theirs)) => {
                    n_read += 1;
                    // A float may differ in its last bit: `serde_json` is the one that rounds.
                    if ours != theirs {
                        let rounded = |value: &Value| serde_json::from_str::<Value>(&value.to_string()).expect("JSON");
                        assert_eq!(rounded(&ours), theirs, "{text}");
                    }
                }
                (Err(_), Err(_)) => {}
                (Err(fault), Ok(_)) => assert!(fault.what.contains("occurs twice"), "{text}: {}", fault.what),
                (Ok(_), Err(error)) => panic!("{text}: {error}"),
            }
        }
        assert!(n_read > 1000, "{n_read} of the mutations are JSON");
    }

    #[test]
    fn floats_are_exact_and_integers_keep_their_digits() {
        for text in ["0.30000000000000004", "122.416294033786585", "5e-324", "1.7976931348623157e308"] {
            assert_eq!(
                read(text).expect("a float").as_f64().map(f64::to_bits),
                text.parse::<f64>().ok().map(f64::to_bits)
            );
        }
        assert_eq!(Reader::new("9223372036854775808").token().expect("wide"), Token::Wide("9223372036854775808"));
        assert_eq!(read("36893488147419103232").expect("wide"), Value::from("36893488147419103232"));
        assert_eq!(read("{\"a\": 1, \"a\": 2}").expect_err("twice").what, "the field `a` occurs twice");
    }

    #[test]
    fn depth_is_bounded_read_or_skipped() {
        for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
            let text = |n: usize| format!("{}1{}", open.repeat(n), close.repeat(n));
            assert!(read(&text(MAX_DEPTH)).is_ok() && Reader::new(&text(MAX_DEPTH)).skip().is_ok());
            assert!(read(&text(MAX_DEPTH + 1)).is_err());
            assert!(Reader::new(&text(100_000)).skip().expect_err("deep").what.contains("more than 128 deep"));
        }
    }
}
