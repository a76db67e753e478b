//! What people who come from Python or JavaScript write, and how it is written here: hints for errors, nothing more.

use super::diagnostic::Diagnostic;
use crate::report::scan::{Kind, Scan};

/// Names that stand for a value elsewhere.
pub(super) fn of_variable(name: &str) -> Option<&'static str> {
    Some(match name {
        "True" => "write `true`",
        "False" => "write `false`",
        "None" | "null" | "nil" | "undefined" => "nothing is written `()`",
        "nan" | "NaN" | "inf" | "Infinity" => "write `0.0 / 0.0` for NaN, `1.0 / 0.0` for infinity",
        "self" => "what a method is called on is `this`",
        "exit" | "quit" => "at the prompt `exit` alone leaves; in a script `return;` ends it",
        "not" => "write `!x`",
        "and" => "write `a && b`",
        "or" => "write `a || b`",
        "numpy" | "np" | "pandas" | "pd" | "torch" | "sklearn" | "polars" | "pl" | "math" | "random" | "json"
        | "os" => LIBRARIES,
        "console" => "write `print(x)`",
        "Math" => "write `x.abs()`, `x.sqrt()`, `max(a, b)`",
        "sys" => "the script's arguments are `args`",
        _ => return None,
    })
}

const LIBRARIES: &str = "frames, models, losses and metrics are there without an import: `w2s help` lists them; \
                         files are imported by name, `import \"library\" as library;`";

/// Modules of elsewhere: `np::mean`.
pub(super) fn of_module(name: &str) -> Option<&'static str> {
    let is_library = ["np", "numpy", "pd", "pandas", "torch", "sklearn", "pl", "polars", "nn", "optim"].contains(&name);
    is_library.then_some(LIBRARIES)
}

/// Functions of elsewhere, by how many arguments they were given.
pub(super) fn of_function(name: &str, n_args: usize) -> Option<&'static str> {
    Some(match (name, n_args) {
        ("range", 1) => "`0..n` goes from 0 to n - 1: `for i in 0..10 { … }`",
        ("range", _) => "`a..b` goes from a to b - 1, `range(a, b, step)` in steps",
        ("enumerate", _) => "`for (item, index) in items { … }` counts along",
        ("zip", _) => "`items.zip(others, |a, b| …)` pairs two arrays; `for (item, i) in items { … others[i] … }`",
        ("sorted", _) => "`items.order()` is a sorted copy; `items.sort();` sorts in place",
        ("reversed", _) => "`items.reverse();` turns it around in place",
        ("sum", _) => "`items.reduce(|sum, x| sum + x, 0)` adds up an array; a frame's column has `.sum()`",
        ("str" | "String" | "repr", _) => "write `x.to_string()`, or put it into a text: `` `${x}` ``",
        ("int" | "parseInt" | "Number", _) => "write `parse_int(text)` for a text, `x.to_int()` for a number",
        ("float" | "parseFloat", _) => "write `parse_float(text)` for a text, `x.to_float()` for an integer",
        ("bool", _) => "compare: `x != 0`, `!text.is_empty()`",
        ("list" | "tuple", _) => "an array is written `[a, b]`",
        ("dict" | "set", _) => "an object map is written `#{ key: value }`",
        ("isinstance" | "type" | "typeof", _) => "`type_of(x)` is the name of its type",
        ("len", _) => "write `items.len()`; a frame has `.height`, a data set `.len()`",
        ("print", _) => "`print` takes one value: `` print(`${a} ${b}`) `` or `print([a, b])`",
        ("input", _) => "a script cannot ask for input: pass arguments after `--` and read `args`",
        ("open", _) => "`frame::read_csv(\"file.csv\")` and `data::load(\"file.jsonl\")` read files",
        ("exit" | "quit", _) => "at the prompt `exit` leaves; in a script `return;` ends it, `throw \"why\"` fails",
        ("require", _) => "write `import \"file\" as name;` at the top",
        ("lambda", _) => "write `|x| x + 1`",
        ("not", _) => "write `!x`",
        ("any", _) => "write `items.some(|x| …)`",
        ("map" | "filter", _) => "write `items.map(|x| …)`, `items.filter(|x| …)`",
        ("round", 2) => "`x.round(digits)` is not there: `(x * 100.0).round() / 100.0`",
        ("help", _) => "`help NAME` is a command of the prompt; in a shell: `w2s help NAME`",
        _ => return None,
    })
}

const JOIN: &str = "write `items.reduce(|text, x| if text == \"\" { x } else { text + \", \" + x }, \"\")`";

/// Methods of elsewhere.
pub(super) fn of_method(receiver: &str, name: &str) -> Option<&'static str> {
    let is_array = receiver.starts_with("array");
    Some(match (receiver, name) {
        _ if is_array && name == "append" => {
            "`items.push(x)` adds one item; `items.append([a, b])` adds those of an array"
        }
        _ if is_array && name == "extend" => "write `items.append(others)` or `items += others`",
        _ if is_array && name == "join" => JOIN,
        _ if is_array && matches!(name, "forEach" | "foreach") => "write `for x in items { … }`",
        _ if is_array && matches!(name, "size" | "length" | "count") => "write `items.len()`",
        _ if is_array && name == "includes" => "write `x in items`, or `items.contains(x)`",
        _ if is_array && name == "mean" => "write `items.reduce(|sum, x| sum + x, 0.0) / items.len()`",
        _ if is_array && name == "sum" => "write `items.reduce(|sum, x| sum + x, 0)`",
        ("string", "upper" | "toUpperCase") => "write `text.to_upper()`",
        ("string", "lower" | "toLowerCase") => "write `text.to_lower()`",
        ("string", "strip") => "write `text.trim();` as a separate statement: it changes the text in place",
        ("string", "startswith" | "startsWith") => "write `text.starts_with(\"…\")`",
        ("string", "endswith" | "endsWith") => "write `text.ends_with(\"…\")`",
        ("string", "format") => "values go into a text as `` `loss ${x}` ``",
        ("string", "join") => JOIN,
        ("object map", "items") => "write `for key in map.keys() { … map[key] … }`",
        ("object map", "has_key" | "hasOwnProperty") => "write `\"key\" in map`",
        ("object map", "update") => "write `map += other`",
        _ => return None,
    })
}

/// Properties of elsewhere.
pub(super) fn of_property(receiver: &str, name: &str) -> Option<&'static str> {
    Some(match (receiver, name) {
        ("Data", "labels" | "label" | "targets" | "target" | "y") => {
            "truth is sealed: `data.truth(\"what for\")` reads it and is recorded; `model::label(model, data)` makes labels"
        }
        ("Data", "text" | "texts" | "inputs" | "x") => "`data.frame()` shows ids and texts",
        (kind, "length" | "size") if kind.starts_with("array") || kind == "string" => "write `.len()`",
        ("Frame", "shape") => "a frame has `.height` and `.width`",
        ("Frame", "values") => "write `frame.column(\"name\")`",
        _ => return None,
    })
}

/// What stands in a line that the parser refused at `column`.
pub(super) fn in_line(line: &str, column: usize) -> Option<Diagnostic> {
    let scan = Scan::new(line);
    let word = |idx: usize| scan.tokens.get(idx).map_or("", |token| scan.text(token));
    let kind = |idx: usize| scan.tokens.get(idx).map(|token| token.kind);
    let n = scan.tokens.len();
    let said = |message: &str, hint: &str| Some(Diagnostic::new("script/syntax", message).hint(hint));
    match (word(0), kind(1)) {
        ("import", Some(Kind::Name)) => {
            return said(&format!("`import` takes a text, not `{}`", word(1)), LIBRARIES);
        }
        ("from", Some(Kind::Name)) => return said("`from … import` is not part of the language", LIBRARIES),
        ("def" | "function" | "func" | "function*", Some(Kind::Name)) => {
            return said(
                &format!("`{}` is not part of the language", word(0)),
                "a function is written `fn name(x) { x + 1 }`",
            );
        }
        ("class", Some(Kind::Name)) => {
            return said(
                "there are no classes",
                "an object map holds values and closures: `#{ name: \"a\", f: |x| x }`",
            );
        }
        ("var", Some(Kind::Name)) => {
            return said("`var` is not part of the language", "a variable is declared as `let x = 1;`");
        }
        _ => {}
    }
    // A line of a call that goes over several: it closes what it has not opened, or ends in a comma.
    let ends_in_comma = scan.code().next_back().is_some_and(|token| scan.text(token) == ",");
    let is_inside_call = scan.open_brackets().is_none() || ends_in_comma;
    let after_close = |idx: usize| idx == 0 || word(idx - 1) == "}";
    for idx in 0..n {
        let joined = scan.tokens.get(idx).zip(scan.tokens.get(idx + 1)).is_some_and(|(a, b)| a.end == b.start);
        let between_values = idx > 0
            && matches!(kind(idx - 1), Some(Kind::Name | Kind::Number | Kind::Text | Kind::Close | Kind::Keyword))
            && kind(idx + 1).is_some_and(|next| next != Kind::Operator);
        match word(idx) {
            "f" | "r" | "b"
                if joined && kind(idx + 1) == Some(Kind::Text) && word(idx + 1).starts_with(['"', '\'']) =>
            {
                let said_so = format!("`{}` before a text is not part of the language", word(idx));
                return said(&said_so, "values go into a text between backticks: `` `loss ${x}` ``");
            }
            "elif" if after_close(idx) => return said("`elif` is not part of the language", "write `else if x { … }`"),
            "lambda" if kind(idx + 1) == Some(Kind::Name) || word(idx + 1) == ":" => {
                return said("`lambda` is not part of the language", "a closure is written `|x| x + 1`");
            }
            "and" if between_values => return said("`and` is not part of the language", "write `a && b`"),
            "or" if between_values => return said("`or` is not part of the language", "write `a || b`"),
            "not" if kind(idx + 1) == Some(Kind::Name) || word(idx + 1) == "(" => {
                return said("`not` is not part of the language", "write `!x`");
            }
            "=>" if idx > 0 && !line.contains("switch") && matches!(word(idx - 1), ")") => {
                return said("`(x) => …` is not part of the language", "a closure is written `|x| x + 1`");
            }
            text if text.starts_with('\'') && kind(idx) == Some(Kind::Text) => {
                let content = text.trim_matches('\'');
                if content.chars().count() > 1 && !content.starts_with('\\') {
                    return said(
                        "single quotes hold one character",
                        &format!("a text is written in double quotes: `\"{content}\"`"),
                    );
                }
            }
            "=" if kind(idx.wrapping_sub(1)) == Some(Kind::Name)
                && (idx == 1 && is_inside_call || idx > 1 && matches!(word(idx - 2), "," | "(")) =>
            {
                let name = word(idx - 1);
                let is_here = scan.tokens.get(idx - 1).is_some_and(|token| {
                    let at = line.get(..token.start).map_or(0, |before| before.chars().count()) + 1;
                    column + 1 >= at
                });
                if is_here {
                    return said(
                        &format!("`{name} = …` is not an argument"),
                        &format!("options go in a map at the end: `f(x, #{{ {name}: … }})`"),
                    );
                }
            }
            "+" if joined && word(idx + 1) == "+" => return said("there is no `++`", "write `x += 1`"),
            _ => {}
        }
    }
    let last = scan.code().next_back().map_or("", |token| scan.text(token));
    if last == ":" && matches!(word(0), "for" | "if" | "while" | "else" | "try" | "elif") {
        return said(
            &format!("`{} … :` is not part of the language", word(0)),
            "a block is written in braces: `for x in items { … }`",
        );
    }
    if word(0) == "#" && !line.trim_start().starts_with("#{") {
        return said("`#` begins no comment", "a comment begins with `//`");
    }
    None
}
