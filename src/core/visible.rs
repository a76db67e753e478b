//! Text that cannot steer what shows it. Scripts, files and records come from strangers: an escape sequence in a printed text would
//! clear a terminal or write to its clipboard, a sign that turns the direction of writing would show another text than there is.

use std::borrow::Cow;

/// Control characters other than line end and tab, and those that turn the direction of writing.
pub fn is_hidden(c: char) -> bool {
    let turns = matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    (c.is_control() && c != '\n' && c != '\t') || turns
}

/// The text with what is hidden made visible: control characters as their pictures (`␛` for escape), the rest as `�`. Line ends stay,
/// those of two characters too.
pub fn visible(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_hidden) {
        return Cow::Borrowed(text);
    }
    let mut letters = text.chars().peekable();
    let mut shown = String::with_capacity(text.len());
    while let Some(c) = letters.next() {
        shown.push(if c == '\r' && letters.peek() == Some(&'\n') { c } else { picture(c) });
    }
    Cow::Owned(shown)
}

/// JSON text with what is hidden in its strings as escapes, which whoever reads it gets back. serde escapes what is below a blank itself.
pub fn visible_json(json: &str) -> String {
    let mut shown = String::with_capacity(json.len());
    for c in json.chars() {
        if is_hidden(c) && c >= '\u{7f}' {
            shown.push_str(&format!("\\u{:04x}", u32::from(c)));
        } else {
            shown.push(c);
        }
    }
    shown
}

fn picture(c: char) -> char {
    match u32::from(c) {
        _ if !is_hidden(c) => c,
        code @ 0..=0x1f => char::from_u32(0x2400 + code).unwrap_or('\u{fffd}'),
        0x7f => '\u{2421}',
        _ => '\u{fffd}',
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_keeps_what_it_says() {
        let text = "a\u{1b}\u{9b}\u{7f}\u{202e} ä";
        let json = visible_json(&serde_json::to_string(text).expect("text"));
        assert_eq!(json, "\"a\\u001b\\u009b\\u007f\\u202e ä\"");
        assert_eq!(serde_json::from_str::<String>(&json).expect("reads"), text);
    }

    #[test]
    fn nothing_is_left_that_a_terminal_obeys() {
        // Clears the screen, sets the clipboard (OSC 52), a C1 sequence, a carriage return over what stood there, and a turn.
        let text = "a\u{1b}[2J\u{1b}]52;c;eA==\u{7} \u{9b}31m 100%\r0 \u{202e}b\u{7f}";
        assert_eq!(visible(text), "a␛[2J␛]52;c;eA==␇ \u{fffd}31m 100%␍0 \u{fffd}b␡");
        assert_eq!(visible("a\r\nb\rc"), "a\r\nb␍c");
        assert!(matches!(visible("naïve\t中 → 😀\nx"), Cow::Borrowed(_)));
        for code in 0..0x3000 {
            let Some(c) = char::from_u32(code) else { continue };
            assert!(!visible(&c.to_string()).chars().any(is_hidden), "{code:x}");
        }
    }
}
