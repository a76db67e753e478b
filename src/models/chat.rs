//! Chat templates: what a model's tokenizer says about how a conversation is written for it, in Jinja.
//!
//! A template is a stranger's program: it sees the messages and the names of two tokens and nothing else, and it may take a
//! bounded number of steps. Time is not told: `strftime_now` is not defined, and templates that ask whether it is fall back on
//! the date that they were written with.

use super::ModelError;
use super::families::unusable;
use minijinja::value::{Kwargs, Value, ValueKind};
use minijinja::{Environment, Error, ErrorKind, State, UndefinedBehavior};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

/// What a tokenizer says of conversations.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Chat {
    template: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    bos: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    eos: Option<String>,
}

/// The file that says it.
pub const TOKENIZER_CONFIG: &str = "tokenizer_config.json";
/// The template where it has a file of its own.
pub const TEMPLATE: &str = "chat_template.jinja";
/// The most steps of one conversation: arbitrary, some hundred times what the longest published template takes for a message.
const STEPS: u64 = 2_000_000;
/// The most bytes of a conversation's text: arbitrary, above any context.
const MAX_TEXT: usize = 8 << 20;

impl Chat {
    /// Reads `tokenizer_config.json` and, where there is one, `chat_template.jinja`; nothing where neither has a template.
    pub fn read(config: Option<&[u8]>, template: Option<&[u8]>) -> Result<Option<Chat>, ModelError> {
        let broken = |error: &dyn std::fmt::Display| unusable(TOKENIZER_CONFIG, &error.to_string());
        let config: Map<String, Json> = match config {
            Some(bytes) => serde_json::from_slice(bytes).map_err(|error| broken(&error))?,
            None => Map::new(),
        };
        let template = match template {
            Some(bytes) => Some(String::from_utf8(bytes.to_vec()).map_err(|_| unusable(TEMPLATE, "it is not text"))?),
            None => named_template(&config),
        };
        let token = |name: &str| match config.get(name)? {
            Json::String(text) => Some(text.clone()),
            Json::Object(token) => token.get("content")?.as_str().map(str::to_owned),
            _ => None,
        };
        let Some(template) = template else { return Ok(None) };
        let chat = Chat { template, bos: token("bos_token"), eos: token("eos_token") };
        chat.check()?;
        Ok(Some(chat))
    }

    /// Another template with the tokens of `own`.
    pub fn with(template: &str, own: Option<&Chat>) -> Result<Chat, ModelError> {
        let token = |of: fn(&Chat) -> &Option<String>| own.and_then(|own| of(own).clone());
        let chat = Chat { template: template.to_owned(), bos: token(|own| &own.bos), eos: token(|own| &own.eos) };
        chat.check()?;
        Ok(chat)
    }

    /// The text of a conversation: `messages` are maps with `role` and `content`. With `generate` the beginning of the
    /// assistant's next turn follows.
    pub fn render(&self, messages: &[Map<String, Json>], generate: bool) -> Result<String, ModelError> {
        #[derive(Serialize)]
        struct Given<'a> {
            messages: &'a [Map<String, Json>],
            add_generation_prompt: bool,
            #[serde(skip_serializing_if = "Option::is_none")]
            bos_token: Option<&'a str>,
            #[serde(skip_serializing_if = "Option::is_none")]
            eos_token: Option<&'a str>,
            // transformers defines them whatever they are.
            tools: Option<()>,
            documents: Option<()>,
        }
        let given = Given {
            messages,
            add_generation_prompt: generate,
            bos_token: self.bos.as_deref(),
            eos_token: self.eos.as_deref(),
            tools: None,
            documents: None,
        };
        let refused = |error: Error| ModelError::Chat { reason: said(&error) };
        let environment = self.environment().map_err(refused)?;
        let text = environment.get_template("chat").and_then(|template| template.render(given)).map_err(refused)?;
        match text.len() <= MAX_TEXT {
            true => Ok(text),
            false => Err(ModelError::Chat { reason: format!("its text has more than {MAX_TEXT} bytes") }),
        }
    }

    /// Fails where the template is none.
    pub fn check(&self) -> Result<(), ModelError> {
        self.environment().map(|_| ()).map_err(|error| unusable(TEMPLATE, &said(&error)))
    }

    /// What a `tokenizer_config.json` says of it.
    pub fn config(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let tokens = [("bos_token", &self.bos), ("eos_token", &self.eos)];
        let tokens = tokens.into_iter().filter_map(|(name, token)| Some((name, token.as_deref()?)));
        tokens.chain([("chat_template", self.template.as_str())])
    }

    /// Jinja as transformers sets it up.
    fn environment(&self) -> Result<Environment<'_>, Error> {
        let mut environment = Environment::new();
        environment.set_trim_blocks(true);
        environment.set_lstrip_blocks(true);
        environment.set_undefined_behavior(UndefinedBehavior::Lenient);
        environment.set_fuel(Some(STEPS));
        environment.add_function("raise_exception", |what: String| -> Result<Value, Error> {
            Err(Error::new(ErrorKind::InvalidOperation, what))
        });
        environment.add_filter("tojson", to_json);
        environment.set_unknown_method_callback(method);
        environment.add_template("chat", &self.template)?;
        Ok(environment)
    }
}

/// The template of a `tokenizer_config.json`: a text, or the one called `default` of several.
fn named_template(config: &Map<String, Json>) -> Option<String> {
    match config.get("chat_template")? {
        Json::String(text) => Some(text.clone()),
        Json::Array(named) => {
            let default = |one: &&Json| one.get("name").and_then(Json::as_str) == Some("default");
            named.iter().find(default)?.get("template")?.as_str().map(str::to_owned)
        }
        _ => None,
    }
}

/// What Jinja says, in one line.
fn said(error: &Error) -> String {
    let line = error.line().map_or(String::new(), |line| format!(" (line {line} of the template)"));
    let what = error.detail().map_or_else(|| error.kind().to_string(), str::to_owned);
    format!("{what}{line}")
}

/// Python's `json.dumps`, which writes a space after `,` and `:`.
fn to_json(value: Value, options: Kwargs) -> Result<String, Error> {
    let indent: Option<usize> = options.get("indent")?;
    let _: Option<Value> = options.get("ensure_ascii")?;
    options.assert_all_used()?;
    let json =
        serde_json::to_value(&value).map_err(|error| Error::new(ErrorKind::InvalidOperation, error.to_string()))?;
    let mut out = String::new();
    dump(&json, indent, 0, &mut out);
    Ok(out)
}

fn dump(json: &Json, indent: Option<usize>, depth: usize, out: &mut String) {
    let line = |depth: usize, out: &mut String| {
        if let Some(indent) = indent {
            out.push('\n');
            out.push_str(&" ".repeat(indent * depth));
        }
    };
    let between = if indent.is_some() { "," } else { ", " };
    match json {
        Json::Array(items) if !items.is_empty() => {
            out.push('[');
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    out.push_str(between);
                }
                line(depth + 1, out);
                dump(item, indent, depth + 1, out);
            }
            line(depth, out);
            out.push(']');
        }
        Json::Object(fields) if !fields.is_empty() => {
            out.push('{');
            for (at, (key, item)) in fields.iter().enumerate() {
                if at > 0 {
                    out.push_str(between);
                }
                line(depth + 1, out);
                out.push_str(&format!("{}: ", Json::from(key.as_str())));
                dump(item, indent, depth + 1, out);
            }
            line(depth, out);
            out.push('}');
        }
        other => out.push_str(&other.to_string()),
    }
}

/// The methods of Python's texts and dictionaries that templates call.
fn method(_: &State, of: &Value, name: &str, args: &[Value]) -> Result<Value, Error> {
    let unknown =
        || Error::new(ErrorKind::UnknownMethod, format!("a chat template calls `{name}`, which is not known"));
    if of.kind() == ValueKind::Map {
        let pairs = || -> Result<Vec<(Value, Value)>, Error> {
            of.try_iter()?.map(|key| Ok((key.clone(), of.get_item(&key)?))).collect()
        };
        return match (name, args) {
            ("items", []) => Ok(pairs()?.into_iter().map(|(key, item)| Value::from(vec![key, item])).collect()),
            ("keys", []) => Ok(pairs()?.into_iter().map(|(key, _)| key).collect()),
            ("values", []) => Ok(pairs()?.into_iter().map(|(_, item)| item).collect()),
            ("get", [key]) => Ok(of.get_item(key).ok().filter(|item| !item.is_undefined()).unwrap_or(Value::from(()))),
            ("get", [key, other]) => {
                Ok(of.get_item(key).ok().filter(|item| !item.is_undefined()).unwrap_or(other.clone()))
            }
            _ => Err(unknown()),
        };
    }
    let Some(text) = of.as_str() else { return Err(unknown()) };
    let one = args.first().and_then(Value::as_str);
    let cut = |c: char| one.map_or_else(|| c.is_whitespace(), |set| set.contains(c));
    Ok(match (name, args.len()) {
        ("strip", 0 | 1) => text.trim_matches(cut).into(),
        ("lstrip", 0 | 1) => text.trim_start_matches(cut).into(),
        ("rstrip", 0 | 1) => text.trim_end_matches(cut).into(),
        ("split", 0) => text.split_whitespace().map(Value::from).collect(),
        ("split", 1) => text.split(one.ok_or_else(unknown)?).map(Value::from).collect(),
        ("startswith", 1) => text.starts_with(one.ok_or_else(unknown)?).into(),
        ("endswith", 1) => text.ends_with(one.ok_or_else(unknown)?).into(),
        ("upper", 0) => text.to_uppercase().into(),
        ("lower", 0) => text.to_lowercase().into(),
        ("title", 0) => titled(text).into(),
        ("capitalize", 0) => capitalized(text).into(),
        ("replace", 2) => {
            let other = args.get(1).and_then(Value::as_str).ok_or_else(unknown)?;
            text.replace(one.ok_or_else(unknown)?, other).into()
        }
        _ => return Err(unknown()),
    })
}

fn capitalized(text: &str) -> String {
    let mut letters = text.chars();
    letters
        .next()
        .map_or_else(String::new, |first| first.to_uppercase().chain(letters.flat_map(char::to_lowercase)).collect())
}

fn titled(text: &str) -> String {
    let mut begins = true;
    let mut titled = String::with_capacity(text.len());
    for letter in text.chars() {
        match begins {
            true => titled.extend(letter.to_uppercase()),
            false => titled.extend(letter.to_lowercase()),
        }
        begins = !letter.is_alphabetic();
    }
    titled
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    /// What `tests/reference/chat.py` wrote.
    #[derive(Deserialize)]
    struct Reference {
        configs: BTreeMap<String, Json>,
        cases: Vec<Case>,
    }

    #[derive(Deserialize)]
    struct Case {
        template: String,
        messages: Vec<Map<String, Json>>,
        generate: bool,
        /// Nothing where the template refuses.
        text: Option<String>,
    }

    fn reference() -> Reference {
        serde_json::from_str(include_str!("../../tests/reference/chat.json")).expect("the reference values")
    }

    #[test]
    fn conversations_are_written_as_transformers_writes_them() {
        let Reference { configs, cases } = reference();
        assert!(configs.len() >= 6 && cases.len() >= 30);
        for case in cases {
            let config = configs[&case.template].to_string();
            let chat = Chat::read(Some(config.as_bytes()), None).expect("reads").expect("has a template");
            let text = chat.render(&case.messages, case.generate);
            match &case.text {
                Some(expected) => {
                    assert_eq!(text.as_ref().map_err(ToString::to_string), Ok(expected), "{}", case.template);
                }
                None => assert!(text.is_err(), "{} refuses {:?}", case.template, case.messages),
            }
        }
    }

    #[test]
    fn templates_are_found_where_files_have_them() {
        let read = |config: &str, template: Option<&str>| {
            Chat::read(Some(config.as_bytes()), template.map(str::as_bytes)).expect("reads")
        };
        let hello = |chat: Option<Chat>| chat.expect("a template").render(&[], false).expect("renders");
        assert_eq!(read("{}", None), None);
        assert_eq!(
            hello(read(r#"{"chat_template": "{{ bos_token }}a", "bos_token": {"content": "<s>"}}"#, None)),
            "<s>a"
        );
        let several =
            r#"{"chat_template": [{"name": "tool_use", "template": "t"}, {"name": "default", "template": "d"}]}"#;
        assert_eq!(hello(read(several, None)), "d");
        assert_eq!(hello(read(several, Some("own"))), "own", "a file of its own comes first");
        let error = Chat::read(Some(b"{\"chat_template\": \"{% if %}\"}"), None).expect_err("broken").to_string();
        assert!(error.contains("`chat_template.jinja`") && error.contains("line 1"), "{error}");
    }

    #[test]
    fn a_template_that_does_not_end_is_stopped_and_what_it_raises_is_said() {
        let with = |template: &str| {
            let config = serde_json::json!({ "chat_template": template }).to_string();
            Chat::read(Some(config.as_bytes()), None).expect("reads").expect("a template").render(&[], true)
        };
        let endless = "{% for i in range(100000) %}{% for j in range(100000) %}{% endfor %}{% endfor %}";
        assert!(with(endless).is_err());
        let error = with("{{ raise_exception('roles must alternate') }}").expect_err("raises").to_string();
        assert_eq!(error, "the chat template fails: roles must alternate (line 1 of the template)");
        assert!(with("{{ 'a'.encode() }}").expect_err("unknown").to_string().contains("calls `encode`"));
        assert_eq!(with("{% if strftime_now is defined %}now{% else %}then{% endif %}").expect("renders"), "then");
    }
}
