//! A stranger's `tokenizer.json`, looked through before the library builds a tokenizer of it: the library trusts the file, and what
//! is wrong in it ends in a panic, in unbounded memory, or in bytes that are no text. Every fault names its field.

mod charsmap;

use serde::Deserialize;
use serde_json::Value;

/// Brackets within brackets. Arbitrary: shipped files have 7 at most, and each part within a part takes two.
const MAX_NESTING: usize = 32;
/// How much longer a text may become by replacements. Arbitrary: shipped ones replace a character by one of 3 bytes.
const MAX_GROWTH: f64 = 256.0;

/// What is read of the file: not the vocabulary, which may be large and cannot do harm.
#[derive(Deserialize)]
struct File {
    normalizer: Option<Value>,
    pre_tokenizer: Option<Value>,
    post_processor: Option<Value>,
    decoder: Option<Value>,
    model: Option<Model>,
}

#[derive(Deserialize)]
struct Model {
    continuing_subword_prefix: Option<String>,
}

/// The merges alone, of a model whose pieces have a prefix.
#[derive(Deserialize)]
struct Merges {
    model: MergesOfModel,
}

#[derive(Deserialize)]
struct MergesOfModel {
    #[serde(default)]
    merges: Vec<Merge>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Merge {
    Pair([String; 2]),
    Text(String),
}

/// Why the file cannot be used, if it cannot.
pub fn check(json: &[u8]) -> Result<(), String> {
    check_nesting(json)?;
    let file: File = serde_json::from_slice(json).map_err(|error| format!("it is not a tokenizer's JSON: {error}"))?;
    let parts = [
        ("normalizer", &file.normalizer),
        ("pre_tokenizer", &file.pre_tokenizer),
        ("post_processor", &file.post_processor),
        ("decoder", &file.decoder),
    ];
    for (name, part) in parts {
        let Some(part) = part else { continue };
        let mut growth = 1.0;
        check_part(name, part, &mut growth)?;
    }
    match file.model.and_then(|model| model.continuing_subword_prefix) {
        Some(prefix) if !prefix.is_empty() => check_merges(json, &prefix),
        _ => Ok(()),
    }
}

/// Counts brackets outside strings, before any parser recurses over them; the field is the last key of the outermost object.
fn check_nesting(json: &[u8]) -> Result<(), String> {
    let (mut depth, mut text, mut field) = (0usize, None, String::new());
    let mut bytes = json.iter().enumerate();
    while let Some((at, byte)) = bytes.next() {
        match (text, byte) {
            (Some(_), b'\\') => _ = bytes.next(),
            (Some(start), b'"') => {
                if depth == 1 {
                    field = String::from_utf8_lossy(json.get(start..at).unwrap_or_default()).into_owned();
                }
                text = None;
            }
            (Some(_), _) => {}
            (None, b'"') => text = Some(at + 1),
            (None, b'{' | b'[') => depth += 1,
            (None, b'}' | b']') => depth = depth.saturating_sub(1),
            (None, _) => {}
        }
        if depth > MAX_NESTING {
            let what = if field.is_empty() { "it".to_owned() } else { format!("`{field}`") };
            return Err(format!("{what} is nested more than {MAX_NESTING} deep"));
        }
    }
    Ok(())
}

/// One part with those in it. `growth` is how much longer the parts before it may have made a text.
fn check_part(at: &str, part: &Value, growth: &mut f64) -> Result<(), String> {
    match part.get("type").and_then(Value::as_str) {
        Some("Sequence") => {
            for list in ["normalizers", "pretokenizers", "processors", "decoders"] {
                let parts = part.get(list).and_then(Value::as_array).into_iter().flatten();
                for (nth, part) in parts.enumerate() {
                    check_part(&format!("{at}.{list}[{nth}]"), part, growth)?;
                }
            }
            Ok(())
        }
        Some("FixedLength") if part.get("length").and_then(Value::as_u64) == Some(0) => {
            Err(format!("`{at}.length` must be at least 1, got `0`"))
        }
        Some("Replace") => check_growth(at, part, growth),
        Some("Prepend") => {
            // At worst before each piece of one character.
            grow(at, "prepend", 1.0 + length_of(part.get("prepend")) as f64, growth)
        }
        Some("Precompiled") => match part.get("precompiled_charsmap").and_then(Value::as_str) {
            Some(text) => charsmap::check(text).map_err(|why| format!("`{at}.precompiled_charsmap` {why}")),
            None => Ok(()),
        },
        Some("TemplateProcessing") => check_template(at, part),
        _ => Ok(()),
    }
}

fn length_of(text: Option<&Value>) -> usize {
    text.and_then(Value::as_str).map_or(0, str::len)
}

fn check_growth(at: &str, part: &Value, growth: &mut f64) -> Result<(), String> {
    let content = length_of(part.get("content"));
    let pattern = part.get("pattern");
    let factor = match pattern.and_then(|pattern| pattern.get("String")) {
        Some(text) => content as f64 / length_of(Some(text)).max(1) as f64,
        // A regular expression may match nothing, before every character.
        None => 1.0 + content as f64,
    };
    grow(at, "content", factor, growth)
}

fn grow(at: &str, field: &str, factor: f64, growth: &mut f64) -> Result<(), String> {
    *growth *= factor.max(1.0);
    if *growth <= MAX_GROWTH {
        return Ok(());
    }
    Err(format!(
        "`{at}.{field}`: with the steps before it, it could make a text {growth:.0} times longer; {MAX_GROWTH:.0} at most"
    ))
}

/// Every special token of a template must be among its tokens, with as many ids as texts, and of one text the second sequence
/// is none.
fn check_template(at: &str, part: &Value) -> Result<(), String> {
    let tokens = part.get("special_tokens").and_then(Value::as_object);
    for (name, token) in tokens.into_iter().flatten() {
        let n = |field: &str| token.get(field).and_then(Value::as_array).map_or(0, Vec::len);
        let (n_ids, n_tokens) = (n("ids"), n("tokens"));
        if n_ids != n_tokens {
            return Err(format!("`{at}.special_tokens.{name}` has {n_ids} ids and {n_tokens} tokens"));
        }
    }
    for list in ["single", "pair"] {
        for (nth, piece) in part.get(list).and_then(Value::as_array).into_iter().flatten().enumerate() {
            let id_of = |kind: &str| piece.get(kind)?.get("id")?.as_str();
            if let Some(id) = id_of("SpecialToken")
                && !tokens.is_some_and(|tokens| tokens.contains_key(id))
            {
                return Err(format!(
                    "`{at}.{list}[{nth}]` names the token `{id}`, which is not among `special_tokens`"
                ));
            }
            if list == "single" && id_of("Sequence") == Some("B") {
                return Err(format!("`{at}.single[{nth}]` names the sequence `B`, and there is one sequence only"));
            }
        }
    }
    Ok(())
}

/// The library cuts the prefix off the second piece of every merge, whether it is there or not.
fn check_merges(json: &[u8], prefix: &str) -> Result<(), String> {
    let file: Merges =
        serde_json::from_slice(json).map_err(|error| format!("`model.merges` cannot be read: {error}"))?;
    for (nth, merge) in file.model.merges.iter().enumerate() {
        let second = match merge {
            Merge::Pair([_, second]) => second,
            Merge::Text(text) => text.split_once(' ').map_or("", |(_, second)| second),
        };
        if !second.starts_with(prefix) {
            return Err(format!(
                "`model.merges[{nth}]` ends in `{second}`, which does not begin with `continuing_subword_prefix`, `{prefix}`"
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
