//! Where the cursor stands in what is typed: which names fit there, and in which argument of which call.

use super::names::Names;
use crate::lang::known::Callable;
use crate::report::scan::{Kind, Scan, Within};

/// What is being typed.
#[derive(Debug, Clone, PartialEq)]
pub enum Place {
    /// A member of a value of this type (`None`: nothing is known of it), and the keys of a map.
    Member(Option<String>, Vec<(String, String)>),
    /// A function of a module.
    Path(String),
    /// The name of an option in the map of a known call; those that are there already.
    Option(Callable, Vec<String>),
    /// A name that stands for itself.
    Free,
    /// A `"…"` string whose content starts at the byte, and whether it is the path of an `import`.
    Text(usize, bool),
    /// Nothing that could be completed.
    Nothing,
}

/// The place at the end of `typed`, and the byte where the word that is being typed starts.
pub fn place(names: &Names, typed: &str) -> (Place, usize) {
    let scan = Scan::new(typed);
    match scan.within {
        Some(Within::Text(start)) => {
            let before = scan.tokens.len().checked_sub(2).and_then(|idx| scan.tokens.get(idx));
            let import = before.is_some_and(|token| scan.text(token) == "import");
            return (Place::Text(start, import), start);
        }
        Some(Within::LongText | Within::Comment) => return (Place::Nothing, typed.len()),
        None => {}
    }
    let mut end = scan.tokens.len();
    let mut start = typed.len();
    if let Some(last) = scan.tokens.last()
        && last.end == typed.len()
    {
        match last.kind {
            Kind::Name | Kind::Keyword => {
                start = last.start;
                end -= 1;
            }
            Kind::Comment | Kind::Number | Kind::Text | Kind::Close => return (Place::Nothing, typed.len()),
            _ => {}
        }
    }
    let before = end.checked_sub(1).and_then(|idx| scan.tokens.get(idx)).map_or("", |token| scan.text(token));
    let found = match before {
        "." | "?." => {
            let variable = end.checked_sub(2).and_then(|idx| scan.tokens.get(idx)).map_or("", |token| scan.text(token));
            let alone = end.checked_sub(3).and_then(|idx| scan.tokens.get(idx)).is_none_or(|t| scan.text(t) != ".");
            let keys = names.variable(variable).filter(|_| alone).map(|v| v.keys.clone()).unwrap_or_default();
            Place::Member(names.type_before(&scan, end - 1), keys)
        }
        "::" => match end.checked_sub(2).and_then(|idx| scan.tokens.get(idx)) {
            Some(module) => Place::Path(scan.text(module).to_owned()),
            None => Place::Nothing,
        },
        "let" | "const" | "fn" | "as" | "for" => Place::Nothing,
        _ => match map_of_call(names, &scan, end) {
            Some((callable, at_key, there)) if at_key => Place::Option(callable, there),
            _ => Place::Free,
        },
    };
    (found, start)
}

/// The call whose option map is open before the token `end`, whether a key is expected, and the keys so far.
pub fn map_of_call(names: &Names, scan: &Scan, end: usize) -> Option<(Callable, bool, Vec<String>)> {
    let open: Vec<usize> = scan.open_brackets()?.into_iter().filter(|idx| *idx < end).collect();
    let (map, call) = (*open.last()?, *open.get(open.len().checked_sub(2)?)?);
    if scan.text(scan.tokens.get(map)?) != "#{" || scan.text(scan.tokens.get(call)?) != "(" {
        return None;
    }
    let callable = names.callee(scan, call).filter(|callable| !callable.options.is_empty())?;
    let mut there = Vec::new();
    let (mut depth, mut at_key) = (0usize, true);
    for idx in map + 1..end {
        let token = scan.tokens.get(idx)?;
        match token.kind {
            Kind::Open => depth += 1,
            Kind::Close => depth = depth.saturating_sub(1),
            Kind::Name if depth == 0 && at_key => there.push(scan.text(token).to_owned()),
            Kind::Operator if depth == 0 => match scan.text(token) {
                ":" => at_key = false,
                "," => at_key = true,
                _ => {}
            },
            _ => {}
        }
    }
    Some((callable, at_key, there))
}

/// The innermost known call that is open at the end, the index of its argument, and whether that has begun.
pub fn open_call(names: &Names, scan: &Scan) -> Option<(Callable, usize, bool)> {
    let open = *scan.open_brackets()?.last()?;
    if scan.text(scan.tokens.get(open)?) != "(" {
        return None;
    }
    let callable = names.callee(scan, open)?;
    let (mut depth, mut nth, mut begun, mut in_closure_head) = (0usize, 0usize, false, false);
    for token in scan.tokens.get(open + 1..)?.iter().filter(|token| token.kind != Kind::Comment) {
        let text = scan.text(token);
        match token.kind {
            Kind::Open => depth += 1,
            Kind::Close => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 && text == "|" {
            // The bars of a closure: commas between them separate its own parameters.
            in_closure_head = !in_closure_head && !begun;
        }
        if depth == 0 && text == "," && !in_closure_head {
            nth += 1;
            begun = false;
        } else {
            begun = true;
        }
    }
    Some((callable, nth, begun))
}
