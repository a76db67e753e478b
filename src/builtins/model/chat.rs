//! `model::chat`

use crate::bind::prelude::*;
use crate::builtins::data::from_value;
use crate::models::Model;
use serde_json::{Map as Fields, Value as Json};

options! {
    /// Options of `model::chat`.
    pub struct ChatOptions {
        /// Whether the beginning of the assistant's next turn follows the messages, so that what the model writes is that turn.
        add_generation_prompt: bool = true,
        /// A chat template in Jinja instead of the model's own.
        template: Option<String> = None,
    }
}

/// The record.
pub fn function() -> Function {
    Function::new("model", "chat", run)
        .about("The text of a conversation, as the model's chat template writes it.")
        .details(
            "The template is that of the checkpoint's `tokenizer_config.json` or `chat_template.jinja`; the text equals that of \
             transformers' `apply_chat_template(messages, tokenize=False, add_generation_prompt=…)`. No time is told: a template \
             that would name today's date names the one that it was written with.",
        )
        .source("Hugging Face transformers, `apply_chat_template`")
        .param::<Model>("model", "a model whose tokenizer has a chat template")
        .param_typed("messages", "array of object map", "each with `role` (`system`, `user` or `assistant`) and `content`")
        .options::<ChatOptions>()
        .returns("string: a prompt")
        .also_method::<Model>()
        .example(
            "let rows = data::of([#{ text: \"good dog\", label: \"yes\" }, #{ text: \"bad dog\", label: \"no\" }], #{ test_share: 0.0 });\n\
             let template = \"{% for m in messages %}{{ m.role }}: {{ m.content }}. {% endfor %}assistant:\";\n\
             model::untrained(rows).chat([#{ role: \"user\", content: \"good\" }], #{ template: template })",
            "user: good. assistant:",
        )
        .fails(
            "let rows = data::of([#{ text: \"good dog\", label: \"yes\" }, #{ text: \"bad dog\", label: \"no\" }], #{ test_share: 0.0 });\n\
             model::untrained(rows).chat([#{ role: \"user\", content: \"good\" }])",
            "has no chat template",
        )
}

fn run(call: &mut Call) -> Answer {
    let (model, given): (Model, Array) = (call.arg(0)?, call.arg(1)?);
    let options: ChatOptions = call.options()?;
    let mut messages = Vec::with_capacity(given.len());
    for (at, message) in given.iter().enumerate() {
        messages.push(fields(message).map_err(|what| {
            let what = format!("message {} of `model::chat`: {what}", at + 1);
            Fault::new("call/argument", what).hint("such as #{ role: \"user\", content: \"Is ice cold?\" }")
        })?);
    }
    Ok(model.chat(&messages, options.add_generation_prompt, options.template.as_deref())?.into())
}

/// A message with a role and something said.
fn fields(message: &Dynamic) -> Result<Fields<String, Json>, String> {
    let Json::Object(fields) = from_value(message)? else {
        return Err(format!("expected an object map, got {}", crate::bind::describe(message)));
    };
    for field in ["role", "content"] {
        if !fields.get(field).is_some_and(Json::is_string) {
            return Err(format!("`{field}` must be a string"));
        }
    }
    Ok(fields)
}
