//! A fault: an error with a stable code, a hint, and, once Rhai has carried it up, a position.

use crate::core::digest::Digest;
use crate::core::explain::Explain;
use rhai::{Dynamic, EvalAltResult, Position};
use std::fmt;

/// An error on its way to the user. In a script's `catch (e)`, it has `e.message`, `e.code` and `e.hint`.
#[derive(Debug, Clone, PartialEq)]
pub struct Fault {
    pub code: String,
    pub message: String,
    pub hint: Option<String>,
    /// Whether this is Ctrl-C, which becomes Rhai's termination.
    pub interruption: bool,
    /// An error that a callback of the script raised: passed on as it is, with its own position.
    pub(super) inner: Option<CallbackError>,
}

/// Rhai's own error, kept whole. Two are equal if they read the same.
#[derive(Clone)]
pub(super) struct CallbackError(pub std::sync::Arc<std::sync::Mutex<Option<Box<EvalAltResult>>>>, pub String);

impl fmt::Debug for CallbackError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.1)
    }
}

impl PartialEq for CallbackError {
    fn eq(&self, other: &Self) -> bool {
        self.1 == other.1
    }
}

impl Fault {
    /// A fault with a stable code and a message in lower case, without a full stop.
    pub fn new(code: &str, message: impl Into<String>) -> Self {
        Fault { code: code.to_owned(), message: message.into(), hint: None, interruption: false, inner: None }
    }

    /// Adds what to type instead.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Ctrl-C.
    pub fn interrupted() -> Self {
        Fault { interruption: true, ..Fault::new("run/interrupted", "interrupted") }
    }

    /// Something that must not happen whatever the input: a panic below, a broken invariant.
    pub fn defect(what: impl Into<String>) -> Self {
        Fault::new("w2s/defect", what)
            .hint("this is a defect of w2s, not of your script: please report it with the script that shows it")
    }

    /// Wraps what a script's callback raised.
    pub fn from_callback(error: Box<EvalAltResult>) -> Self {
        let text = error.to_string();
        let interruption = matches!(error.unwrap_inner(), EvalAltResult::ErrorTerminated(..));
        let inner = CallbackError(std::sync::Arc::new(std::sync::Mutex::new(Some(error))), text.clone());
        Fault { interruption, inner: Some(inner), ..Fault::new("script/callback", text) }
    }

    /// Says of what a callback raised where it was at work: "row 3: …". Errors of the language itself stay as they are.
    #[must_use]
    pub fn at_work(self, on: &str) -> Self {
        fn note(error: &mut EvalAltResult, on: &str) {
            match error {
                EvalAltResult::ErrorInFunctionCall(_, _, inner, _) | EvalAltResult::ErrorInModule(_, inner, _) => {
                    note(inner, on);
                }
                EvalAltResult::ErrorRuntime(value, _) => {
                    if let Some(mut fault) = value.write_lock::<Fault>() {
                        fault.message = format!("{on}: {}", fault.message);
                        return;
                    }
                    // What a script throws as a text.
                    if let Ok(text) = value.clone().into_string() {
                        *value = Dynamic::from(format!("{on}: {text}"));
                    }
                }
                _ => {}
            }
        }
        if let Some(inner) = &self.inner
            && let Some(error) = inner.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).as_mut()
        {
            note(error, on);
        }
        self
    }

    /// The fault as a value of its own: what a callback raised as the script's `catch` would see it.
    #[must_use]
    pub fn settled(self) -> Self {
        let Some(error) = self
            .inner
            .as_ref()
            .and_then(|inner| inner.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take())
        else {
            return self;
        };
        match error.unwrap_inner() {
            EvalAltResult::ErrorRuntime(value, _) => match value.read_lock::<Fault>() {
                Some(fault) => fault.clone(),
                None => Fault::new("script/thrown", super::value::show(value)),
            },
            other => Fault::new("script/error", other.to_string()),
        }
    }

    /// The Rhai error that carries this fault from `position` on, where the builtin `path` was called.
    pub(super) fn into_rhai_of(self, path: &str, position: Position) -> Box<EvalAltResult> {
        let passed_on = self.inner.is_some() && !self.interruption;
        let error = self.into_rhai(position);
        if passed_on {
            return Box::new(EvalAltResult::ErrorInFunctionCall(path.to_owned(), String::new(), error, position));
        }
        error
    }

    /// The Rhai error that carries this fault from `position` on.
    pub fn into_rhai(self, position: Position) -> Box<EvalAltResult> {
        if let Some(inner) = &self.inner
            && let Some(error) = inner.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take()
        {
            return error;
        }
        if self.interruption {
            return Box::new(EvalAltResult::ErrorTerminated(Dynamic::from("interrupted"), position));
        }
        Box::new(EvalAltResult::ErrorRuntime(Dynamic::from(self), position))
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl super::value::Value for Fault {
    const NAME: &'static str = "Error";
    const ABOUT: &'static str = "What a failed call leaves in `catch (e)`: message, code and hint.";

    fn show(&self) -> String {
        self.message.clone()
    }

    fn same(&self, other: &Self) -> bool {
        self == other
    }

    fn digest(&self, _trace: &mut super::trace::Trace) -> Digest {
        let made = Digest::of("error", 1).text("code", &self.code).text("message", &self.message);
        made.text("hint", self.hint.as_deref().unwrap_or_default()).finish()
    }
}

impl<E: Explain> From<E> for Fault {
    fn from(error: E) -> Self {
        Fault {
            hint: error.hint(),
            interruption: error.is_interruption(),
            ..Fault::new(error.code(), without_backtrace(&error.to_string()))
        }
    }
}

/// The text up to a backtrace, which candle appends to its errors where `RUST_BACKTRACE` is set.
fn without_backtrace(text: &str) -> String {
    let is_frame = |line: &str| {
        let (number, rest) = line.trim_start().split_once(": ").unwrap_or_default();
        !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()) && rest.contains("::")
    };
    let kept: Vec<&str> = text.lines().take_while(|line| !is_frame(line)).collect();
    kept.join("\n").trim_end().to_owned()
}
