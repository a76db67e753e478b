//! What other languages mean by the same signs, and what it does here without a word: `7 // 2` is 7 with a comment behind it, `3 ^ 2` is
//! 1, `x =+ 1` sets x to 1, `-x ** 2` is the square of −x. Read off the tokens of the text.

use crate::report::scan::{Kind, Scan, Token};

/// A sign that probably means something else than was meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Slip {
    pub message: &'static str,
    pub hint: &'static str,
    /// Where it starts, in bytes of the text.
    pub start: usize,
}

/// Every slip of a text.
pub(super) fn slips(text: &str) -> Vec<Slip> {
    let scan = Scan::new(text);
    let tokens: Vec<&Token> = scan.tokens.iter().collect();
    let mut found = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        let word = scan.text(token);
        let before = at.checked_sub(1).and_then(|at| tokens.get(at)).copied();
        let next = tokens.get(at + 1).copied();
        let mut add = |message, hint| found.push(Slip { message, hint, start: token.start });
        let operand = |token: Option<&Token>| token.is_some_and(|token| ends_operand(&scan, token));
        match word {
            _ if token.kind == Kind::Comment => {
                let same_line = |before: &Token| text.get(before.end..token.start).is_some_and(|s| !s.contains('\n'));
                // A number behind the last item of a list is a number of the list's.
                let ends = word.trim_end().ends_with([';', ')']) || next.is_none_or(|next| scan.text(next) == "}");
                if ends && is_divisor(word) && operand(before) && before.is_some_and(same_line) {
                    add(
                        "`//` begins a comment: nothing is divided",
                        "`/` of two integers is whole division, of floats it keeps the fraction",
                    );
                }
            }
            "^" if operand(before) && next.is_some_and(|next| is_number(&scan, next)) => {
                add("`^` is exclusive or: `3 ^ 2` is 1", "a power is written `x ** 2`");
            }
            "=" => {
                let sign = next.filter(|next| next.start == token.end && ["+", "-"].contains(&scan.text(next)));
                let apart = |sign: &Token| tokens.get(at + 2).is_some_and(|after| after.start > sign.end);
                if sign.is_some_and(apart) {
                    add("`=+` and `=-` set the variable anew", "write `+=` or `-=` to change it, or `= -1` to set it");
                }
            }
            "-" if !operand(before) && is_power_of(&scan, &tokens, at) => {
                add("`-x ** 2` is `(-x) ** 2` here, which is positive", "write `-(x ** 2)`, or brackets round `-x`");
            }
            _ => {}
        }
    }
    found
}

/// Whether an operand may end here, so that what follows is an operator.
fn ends_operand(scan: &Scan, token: &Token) -> bool {
    let word = scan.text(token);
    let is_keyword = ["return", "in", "if", "while", "throw", "let", "const", "switch", "until", "else", "do", "loop"]
        .contains(&word);
    [")", "]"].contains(&word) || (!is_keyword && (is_number(scan, token) || is_name(word)))
}

fn is_number(scan: &Scan, token: &Token) -> bool {
    scan.text(token).starts_with(|c: char| c.is_ascii_digit())
}

fn is_name(word: &str) -> bool {
    word.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

/// Whether a comment is nothing but a number, as `// 2;` is.
fn is_divisor(comment: &str) -> bool {
    let rest = comment.trim_start_matches('/').trim().trim_end_matches([';', ')', ',']).trim();
    comment.starts_with("//") && !comment.starts_with("///") && !rest.is_empty() && rest.parse::<f64>().is_ok()
}

/// Whether a sign stands before a number or a name, with its fields, that is raised to a power.
fn is_power_of(scan: &Scan, tokens: &[&Token], minus: usize) -> bool {
    let mut at = minus + 1;
    let word = |at: usize| tokens.get(at).map(|token| scan.text(token)).unwrap_or_default();
    if !word(at).starts_with(|c: char| c.is_alphanumeric() || c == '_') {
        return false;
    }
    at += 1;
    while word(at) == "." && is_name(word(at + 1)) {
        at += 2;
    }
    // `-1 ** n`, the sign of an alternating sum, is meant as it is; an even number of times it would not be.
    word(at) == "**" && word(minus + 1) != "1" && word(minus + 1) != "1.0"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signs(text: &str) -> Vec<&str> {
        slips(text).into_iter().map(|slip| text[slip.start..].split_whitespace().next().expect("a sign")).collect()
    }

    #[test]
    fn signs_of_other_languages_are_found() {
        assert_eq!(signs("7 // 2"), ["//"]);
        assert_eq!(signs("let half = n // 2;\nhalf"), ["//"]);
        assert_eq!(signs("let y = (a + b) // 2.0"), ["//"]);
        assert_eq!(signs("let y = 3 ^ 2; x.error^2"), ["^", "^2"]);
        assert_eq!(signs("x =+ 1; y =- 2.5;"), ["=+", "=-"]);
        assert_eq!(signs("let e = -x ** 2; f(-row.a.b ** 2); return -3 ** 2"), ["-x", "-row.a.b", "-3"]);
    }

    #[test]
    fn what_is_meant_so_is_left_alone() {
        for fine in [
            "let x = 1; // 2 rows\nx",
            "let x = 1; // two",
            "let x = 1 // the 2\n;",
            "[0.1, // 1\n 0.2 // 2\n]",
            "// 2\n7",
            "7\n// 2\n",
            "let a = b ^ mask; !a",
            "x = -1; x=-1; x = - 1; x += 1; y == -x",
            "a - b ** 2; (a) - b ** 2; x[0] - 2 ** 3; -(x ** 2); (-x) ** 2; -1 ** n; 2 ** -1",
            "\"7 // 2\" + `3 ^ 2`",
        ] {
            assert_eq!(signs(fine), [""; 0], "{fine}");
        }
    }
}
