//! A function's syntax tree as text, without what changes when only its place or its process does.

use rhai::ScriptFuncDef;

/// The guard that a value passes on its way into a text, and the one that an error passes in `catch`: put in before a text is
/// compiled, and no part of what a function does.
pub const TEXT_GUARD: &str = "__text";
pub const CATCH_GUARD: &str = "__caught";

/// How Rhai names closures; a hash follows.
pub const ANONYMOUS: &str = "anon$";

/// The tree as Rhai prints it.
pub fn raw(found: &ScriptFuncDef) -> String {
    format!("{:?} {:?}", found.params, found.body)
}

/// The names of closures inside a tree, in the order in which they stand there.
pub fn anonymous(raw: &str) -> Vec<String> {
    let hash = |rest: &str| rest.chars().take_while(char::is_ascii_hexdigit).collect::<String>();
    raw.match_indices(ANONYMOUS)
        .map(|(at, mark)| format!("{mark}{}", hash(raw.get(at + mark.len()..).unwrap_or_default())))
        .collect()
}

/// Rhai's printed tree without positions (` @ 3:29`, `, 3:19)`), hashes (`hash: 78…, name`), guards and closure names;
/// other texts in quotes stay.
pub fn plain(raw: &str) -> String {
    let mut kept = String::with_capacity(raw.len());
    let mut rest = raw;
    // How many lists are open, and which of them are the arguments of a guard.
    let (mut depth, mut guards) = (0usize, Vec::new());
    let place = |text: &str| text.chars().take_while(|c| c.is_ascii_digit() || matches!(c, ':' | '-')).count();
    while let Some(first) = rest.chars().next() {
        if let Some((name, args)) = guard(rest) {
            if name == CATCH_GUARD {
                // It is a statement, `FnCall(FnCallExpr { … }, 3:19)`, whose argument is a name.
                rest = args.split_once(')').and_then(|(_, rest)| rest.split_once(')')).map_or("", |(_, rest)| rest);
                rest = rest.strip_prefix(", ").unwrap_or(rest);
            } else {
                depth += 1;
                guards.push(depth);
                rest = args;
            }
            continue;
        }
        if first == ']' && guards.last() == Some(&depth) {
            guards.pop();
            depth -= 1;
            rest = rest.strip_prefix("] }").unwrap_or(rest);
            continue;
        }
        let skipped = if let Some(after) = rest.strip_prefix(" @ ") {
            3 + if after.starts_with("none") { 4 } else { place(after) }
        } else if rest.starts_with("hash: ") {
            rest.find("name: ").unwrap_or(0)
        } else if let Some(after) = rest.strip_prefix(", ") {
            let n = place(after);
            let is_place = n > 2
                && after.get(..n).is_some_and(|p| p.contains(':'))
                && after.get(n..).is_some_and(|r| r.starts_with(')'));
            if is_place { 2 + n } else { 0 }
        } else {
            0
        };
        if skipped > 0 {
            rest = rest.get(skipped..).unwrap_or_default();
            continue;
        }
        match first {
            '[' => depth += 1,
            ']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        let taken = if first == '"' { quoted(rest) } else { first.len_utf8() };
        let (text, after) = rest.split_at_checked(taken).unwrap_or((rest, ""));
        kept.push_str(if text.starts_with("\"anon$") { "closure" } else { text });
        rest = after;
    }
    kept
}

/// The name of the guard that is called at the start of `rest`, and the text from its arguments on.
fn guard(rest: &str) -> Option<(&'static str, &str)> {
    let statement = rest.strip_prefix("FnCall(");
    let after = statement.unwrap_or(rest).strip_prefix("FnCallExpr { hash: ")?;
    let named = after.get(after.find("name: \"")? + 7..)?;
    [TEXT_GUARD, CATCH_GUARD].into_iter().find_map(|name| {
        let args = named.strip_prefix(name)?.strip_prefix("\", args: [")?;
        (statement.is_none() || name == CATCH_GUARD).then_some((name, args))
    })
}

/// The length of the quoted text at the start of `rest`, quotes included.
fn quoted(rest: &str) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            '"' if !escaped => return at + 1,
            '\\' if !escaped => escaped = true,
            _ => escaped = false,
        }
    }
    rest.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_go_and_texts_stay() {
        let raw = r#"Block[Var(("t" @ 3:23, FnCallExpr { hash: 78 (native only), name: "+", args: [1 @ 3:4] } @ 3:36, None), , 3:19), "a \" @ 1:2" @ 1:1, Fn*("anon$67ab") @ 3:62] @ 3:17-93"#;
        assert_eq!(
            plain(raw),
            r#"Block[Var(("t", FnCallExpr { name: "+", args: [1] }, None), ), "a \" @ 1:2", Fn*(closure)]"#
        );
    }
}
