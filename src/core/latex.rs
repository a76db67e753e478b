//! Text that LaTeX sets as it is: with pdflatex and the fonts that every installation has, in any encoding, without a package.
//!
//! What those fonts lack (Chinese, emoji) stands as an escape that a person can read, `\u{4e2d}`; [`lacks`] tells whether
//! there is such a character. Letters with accents are set as base and accent, signs as mathematics.

use std::collections::BTreeSet;
use std::sync::LazyLock;

/// How a character is set that is not ASCII.
enum Form {
    /// An accent command over a letter.
    Accent(&'static str, char),
    /// Text in a font of the roman family.
    Text(&'static str),
    /// Mathematics.
    Math(&'static str),
    /// A blank; whether a line may end there.
    Blank(bool),
    /// Nothing that can be seen, and nothing lost.
    Nothing,
}

/// Accent commands that OT1 and T1 share, the letters that have them, and what stands below.
const ACCENTS: [(&str, &str, &str); 12] = [
    ("`", "àèìòùÀÈÌÒÙǹ", "aeiouAEIOUn"),
    ("'", "áéíóúýćńśźĺŕÁÉÍÓÚÝĆŃŚŹĹŔ", "aeiouycnszlrAEIOUYCNSZLR"),
    ("^", "âêîôûŵŷĉĝĥĵŝÂÊÎÔÛŴŶĈĜĤĴŜ", "aeiouwycghjsAEIOUWYCGHJS"),
    ("~", "ãñõĩũÃÑÕĨŨ", "anoiuANOIU"),
    ("\"", "äëïöüÿÄËÏÖÜŸ", "aeiouyAEIOUY"),
    ("r", "åůÅŮ", "auAU"),
    ("c", "çşţÇŞŢ", "cstCST"),
    ("v", "čďěňřšťžǎǐǒǔČĎĚŇŘŠŤŽ", "cdenrstzaiouCDENRSTZ"),
    ("=", "āēīōūĀĒĪŌŪ", "aeiouAEIOU"),
    (".", "ċėġżĊĖĠŻİ", "cegzCEGZI"),
    ("u", "ăĕğĭŏŭĂĔĞĬŎŬ", "aegiouAEGIOU"),
    ("H", "őűŐŰ", "ouOU"),
];

/// Combining marks, in the order of [`ACCENTS`].
const COMBINING: [char; 12] = [
    '\u{300}', '\u{301}', '\u{302}', '\u{303}', '\u{308}', '\u{30a}', '\u{327}', '\u{30c}', '\u{304}', '\u{307}',
    '\u{306}', '\u{30b}',
];

/// Letters and marks of the text fonts.
const LETTERS: [(char, &str); 20] = [
    ('ß', "\\ss{}"),
    ('æ', "\\ae{}"),
    ('Æ', "\\AE{}"),
    ('œ', "\\oe{}"),
    ('Œ', "\\OE{}"),
    ('ø', "\\o{}"),
    ('Ø', "\\O{}"),
    ('ł', "\\l{}"),
    ('Ł', "\\L{}"),
    ('ı', "\\i{}"),
    ('–', "\\textendash{}"),
    ('—', "\\textemdash{}"),
    ('‘', "\\textquoteleft{}"),
    ('’', "\\textquoteright{}"),
    ('“', "\\textquotedblleft{}"),
    ('”', "\\textquotedblright{}"),
    ('…', "..."),
    ('‐', "-"),
    ('‑', "-"),
    ('½', "1/2"),
];

/// Signs of the mathematical fonts of plain LaTeX. Greek capitals that look like Latin ones are set as those.
const SIGNS: &str = "←\\leftarrow →\\rightarrow ↑\\uparrow ↓\\downarrow ↔\\leftrightarrow ⇐\\Leftarrow ⇒\\Rightarrow \
    ⇔\\Leftrightarrow ↦\\mapsto ∞\\infty ≤\\leq ≥\\geq ≠\\neq ≈\\approx ≡\\equiv ∼\\sim ≃\\simeq ≅\\cong ∝\\propto ≪\\ll ≫\\gg \
    ∑\\sum ∏\\prod ∫\\int √\\surd ∂\\partial ∇\\nabla ∈\\in ∉\\notin ∋\\ni ⊂\\subset ⊃\\supset ⊆\\subseteq ⊇\\supseteq ∪\\cup \
    ∩\\cap ∅\\emptyset ∀\\forall ∃\\exists ¬\\neg ∧\\wedge ∨\\vee ⊕\\oplus ⊗\\otimes ⊥\\perp ∥\\parallel −- ×\\times ÷\\div \
    ±\\pm ∓\\mp ·\\cdot ∘\\circ •\\bullet ∗\\ast ⋅\\cdot ⋯\\cdots ⋮\\vdots ′' ″^{\\prime\\prime} ⟨\\langle ⟩\\rangle ⌊\\lfloor ⌋\\rfloor \
    ⌈\\lceil ⌉\\rceil ⁰^0 ¹^1 ²^2 ³^3 ⁴^4 ⁵^5 ⁶^6 ⁷^7 ⁸^8 ⁹^9 ⁻^- ₀_0 ₁_1 ₂_2 ₃_3 ₄_4 ₅_5 ₆_6 ₇_7 ₈_8 ₉_9 ℓ\\ell °^\\circ \
    §\\mathsection ¶\\mathparagraph µ\\mu ★\\star ☆\\star ✓\\surd △\\triangle ◇\\diamond ─- │|";

/// Greek, in alphabetical order from U+0391 and U+03B1. `ς` stands between rho and sigma.
const CAPITALS: &str =
    "A B \\Gamma \\Delta E Z H \\Theta I K \\Lambda M N \\Xi O \\Pi P ? \\Sigma T \\Upsilon \\Phi X \\Psi \\Omega";
const SMALL: &str = "\\alpha \\beta \\gamma \\delta \\epsilon \\zeta \\eta \\theta \\iota \\kappa \\lambda \\mu \\nu \\xi o \\pi \\rho \
    \\varsigma \\sigma \\tau \\upsilon \\phi \\chi \\psi \\omega";

fn form(c: char) -> Option<Form> {
    for (accent, letters, bases) in ACCENTS {
        if let Some((_, base)) = letters.chars().zip(bases.chars()).find(|(letter, _)| *letter == c) {
            return Some(Form::Accent(accent, base));
        }
    }
    if let Some((_, text)) = LETTERS.iter().find(|(letter, _)| *letter == c) {
        return Some(Form::Text(text));
    }
    match c {
        '\u{a0}' | '\u{2007}' | '\u{202f}' => return Some(Form::Blank(false)),
        '\u{2000}'..='\u{200a}' | '\u{205f}' | '\u{3000}' => return Some(Form::Blank(true)),
        '\u{ad}' | '\u{200b}' | '\u{2060}' | '\u{feff}' => return Some(Form::Nothing),
        '\u{391}'..='\u{3a9}' => return nth(CAPITALS, c, 0x391).map(Form::Math),
        '\u{3b1}'..='\u{3c9}' => return nth(SMALL, c, 0x3b1).map(Form::Math),
        'ϵ' => return Some(Form::Math("\\epsilon")),
        _ => {}
    }
    SIGNS.split_whitespace().find_map(|sign| sign.strip_prefix(c)).map(Form::Math)
}

fn nth(names: &'static str, c: char, first: u32) -> Option<&'static str> {
    let at = u32::from(c).checked_sub(first)?;
    names.split(' ').filter(|name| !name.is_empty()).nth(usize::try_from(at).ok()?).filter(|name| *name != "?")
}

/// Whether `text` has a character that stands as an escape.
pub fn lacks(text: &str) -> bool {
    let mut before = None;
    text.chars().any(|c| {
        let combined = COMBINING.contains(&c) && before.is_some_and(char::is_alphabetic);
        before = Some(c);
        !c.is_ascii() && !combined && form(c).is_none()
    })
}

/// Text for a sentence, a heading or a cell.
pub fn text(text: &str) -> String {
    let set = dressed(text, |c, out| match c {
        '\\' => out.push_str("$\\backslash$"),
        '{' => out.push_str("$\\{$"),
        '}' => out.push_str("$\\}$"),
        '|' => out.push_str("$|$"),
        '<' => out.push_str("$<$"),
        '>' => out.push_str("$>$"),
        '~' => out.push_str("$\\sim$"),
        '^' => out.push_str("\\^{}"),
        '`' => out.push_str("\\`{}"),
        // Some languages of babel make the quote a command.
        '"' => out.push_str("{\\char34}"),
        '&' | '%' | '$' | '#' | '_' => {
            out.push('\\');
            out.push(c);
        }
        // At the start of a row LaTeX would take a bracket for an option of `\\`.
        '[' => out.push_str("{[}"),
        ']' => out.push_str("{]}"),
        c => out.push(c),
    });
    // Two of them would become one longer dash or one quote.
    let mut apart = String::with_capacity(set.len());
    for c in set.chars() {
        if matches!(c, '-' | '\'' | ',') && apart.ends_with(c) {
            apart.push_str("{}");
        }
        apart.push(c);
    }
    apart
}

/// Whether `tex` is text as [`text`] sets it: letters, accents and signs, and no other command. What a stranger's file calls text may be
/// anything.
pub fn is_text(tex: &str) -> bool {
    if !tex.is_ascii() || tex.contains("^^") {
        return false;
    }
    let (mut depth, mut mathematics) = (0usize, false);
    let mut rest = tex;
    while let Some(c) = rest.chars().next() {
        rest = rest.get(1..).unwrap_or_default();
        match c {
            '\\' => {
                let end = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
                let (word, after) = rest.split_at(end.max(usize::from(!rest.is_empty())));
                let is_sign = word.len() == 1 && "&%$#_^`'~\"=.{}".contains(word);
                let is_quote = word == "char" && after.starts_with("34}");
                if !(is_sign || is_quote || WORDS.contains(word)) {
                    return false;
                }
                rest = after;
            }
            '{' => depth += 1,
            '}' => match depth.checked_sub(1) {
                Some(less) => depth = less,
                None => return false,
            },
            '$' => mathematics = !mathematics,
            '%' | '#' | '&' => return false,
            c if c.is_control() => return false,
            _ => {}
        }
    }
    depth == 0 && !mathematics
}

/// Every command of letters that [`text`] writes.
static WORDS: LazyLock<BTreeSet<&'static str>> = LazyLock::new(|| {
    let tables = [SIGNS, CAPITALS, SMALL].into_iter().chain(LETTERS.iter().map(|(_, text)| *text));
    let commands = tables.flat_map(|table| table.split('\\').skip(1));
    let words = commands.map(|command| command.split(|c: char| !c.is_ascii_alphabetic()).next().unwrap_or_default());
    let accents = ACCENTS.iter().map(|(accent, ..)| *accent);
    let more = ["backslash", "sim", "rmfamily", "i", "j"];
    words.chain(accents).chain(more).filter(|word| !word.is_empty()).collect()
});

/// Text in a typewriter font, whose ASCII slots are those of ASCII in OT1, T1 and Unicode fonts alike. `\wtsquote` and
/// `\wtsgrave` (which the room `report` defines) are the straight quotes.
pub fn code(text: &str) -> String {
    dressed(text, |c, out| match c {
        '\'' => out.push_str("\\wtsquote{}"),
        '`' => out.push_str("\\wtsgrave{}"),
        c if c.is_ascii_alphanumeric()
            || matches!(c, ' ' | '.' | ';' | ':' | '(' | ')' | '/' | '*' | '+' | '=' | '|' | '@') =>
        {
            out.push(c);
        }
        c => {
            out.push_str("{\\char");
            out.push_str(&u32::from(c).to_string());
            out.push('}');
        }
    })
}

/// Each character through `ascii` or its [`Form`]; control characters as blanks, what has no form as an escape.
fn dressed(text: &str, ascii: impl Fn(char, &mut String)) -> String {
    let mut out = String::with_capacity(text.len() * 2);
    let mut letters = text.chars().peekable();
    while let Some(c) = letters.next() {
        let mark = letters.peek().and_then(|next| COMBINING.iter().position(|mark| mark == next));
        if let Some((accent, ..)) = mark.filter(|_| c.is_ascii_alphabetic()).and_then(|at| ACCENTS.get(at)) {
            letters.next();
            accented(accent, c, &mut out);
        } else if c.is_ascii_control() {
            out.push(' ');
        } else if c.is_ascii() {
            ascii(c, &mut out);
        } else {
            match form(c) {
                Some(Form::Accent(accent, base)) => accented(accent, base, &mut out),
                Some(Form::Text(text)) => {
                    out.push_str("{\\rmfamily ");
                    out.push_str(text);
                    out.push('}');
                }
                Some(Form::Math(sign)) => {
                    out.push('$');
                    out.push_str(sign);
                    out.push('$');
                }
                Some(Form::Blank(breaks)) => out.push(if breaks { ' ' } else { '~' }),
                Some(Form::Nothing) => {}
                None => {
                    for c in format!("\\u{{{:x}}}", u32::from(c)).chars() {
                        ascii(c, &mut out);
                    }
                }
            }
        }
    }
    out
}

fn accented(accent: &str, base: char, out: &mut String) {
    // The accent takes the dot's place.
    let base = match base {
        'i' => "\\i".to_owned(),
        'j' => "\\j".to_owned(),
        base => base.to_string(),
    };
    out.push_str(&format!("\\{accent}{{{base}}}"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_printable_ascii_character_has_a_form() {
        for c in ' '..='~' {
            let (set, coded) = (text(&c.to_string()), code(&c.to_string()));
            assert!(set.is_ascii() && coded.is_ascii() && !set.is_empty() && !coded.is_empty());
            // What LaTeX reads as a command, an argument or a comment never stands alone.
            if "\\{}$&#^_%~".contains(c) {
                assert!(set.starts_with('\\') || set.starts_with('$'), "{c}: {set}");
                assert!(coded.starts_with("{\\char"), "{c}: {coded}");
            } else if c.is_ascii_alphanumeric() || c == ' ' {
                assert_eq!((set, coded), (c.to_string(), c.to_string()));
            }
        }
        assert_eq!(text("--''"), "-{}-'{}'");
        assert_eq!(code("a-'`"), "a{\\char45}\\wtsquote{}\\wtsgrave{}");
    }

    #[test]
    fn unicode_is_set_or_shown_as_an_escape() {
        assert_eq!(text("é → ñ ∞"), "\\'{e} $\\rightarrow$ \\~{n} $\\infty$");
        assert_eq!(text("e\u{301}"), text("é"));
        assert_eq!(text("−0.5 Σσς Ω α"), "$-$0.5 $\\Sigma$$\\sigma$$\\varsigma$ $\\Omega$ $\\alpha$");
        assert_eq!(text("中"), "$\\backslash$u$\\{$4e2d$\\}$");
        assert_eq!(code("😀"), "{\\char92}u{\\char123}1f600{\\char125}");
        assert!(lacks("中") && lacks("x\u{20d7}") && !lacks("é → e\u{301} “so” ½"));
        for c in ('\u{80}'..'\u{3000}').step_by(1) {
            assert!(text(&c.to_string()).is_ascii(), "{c}");
        }
    }

    #[test]
    fn what_is_set_here_is_text_and_no_other_command_is() {
        for c in (' '..='~').chain('\u{80}'..'\u{3000}') {
            assert!(is_text(&text(&c.to_string())), "{c}");
        }
        assert!(is_text(&text("^^ -- '' \\input{x} %&#$_ e\u{301} i\u{301} 中 “so”")));
        for bad in [
            "\\input x",
            "\\write18",
            "a}",
            "{a",
            "$a",
            "% c",
            "a & b",
            "#1",
            "^^5cinput",
            "\\char92 input",
            "\\char34",
            "\\",
            "\\textbf{x}",
            "é",
            "\\csname input\\endcsname",
            "\n",
            "\\\n",
            "\\inputi",
            "\\@",
        ] {
            assert!(!is_text(bad), "{bad}");
        }
    }

    #[test]
    fn accents_have_as_many_letters_as_bases() {
        for (accent, letters, bases) in ACCENTS {
            assert_eq!(letters.chars().count(), bases.chars().count(), "{accent}");
        }
        assert_eq!(CAPITALS.split(' ').count(), 25);
        assert_eq!(SMALL.split_whitespace().count(), 25);
        assert!(matches!(form('İ'), Some(Form::Accent(".", 'I'))));
    }
}
