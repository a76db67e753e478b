//! What went wrong, as data: message, stable code, hint, place and call trace. The CLI draws it.

use std::fmt;

/// A place in a script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The source's name: `scripts/bootstrap.rhai`, `w2s`, `input`.
    pub source: String,
    /// From 1.
    pub line: usize,
    /// From 1, in characters; 0 where only the line is known.
    pub column: usize,
    /// The whole line, if the text is known.
    pub text: Option<String>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.column {
            0 => write!(f, "{}:{}", self.source, self.line),
            column => write!(f, "{}:{}:{column}", self.source, self.line),
        }
    }
}

/// One step of the way to an error: "in `helper`, called at …".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// `in `helper``, `importing `methods.rhai``.
    pub what: String,
    /// Where that call or import stands.
    pub place: Option<Place>,
}

/// Whether it ends the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    Error,
    Warning,
}

/// An error or a warning, ready to be drawn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    pub severity: Severity,
    /// Stable: `call/unknown-option`, `script/syntax`. Scripts and tests may rely on it.
    pub code: String,
    /// Lower case, without a full stop.
    pub message: String,
    /// What to type instead.
    pub hint: Option<String>,
    /// Where it happened.
    pub place: Option<Place>,
    /// The calls that led there, innermost first.
    pub trace: Vec<Step>,
    /// Whether the user stopped the run (Ctrl-C).
    pub interrupted: bool,
}

impl Diagnostic {
    /// An error without a place.
    pub fn new(code: &str, message: impl Into<String>) -> Self {
        Diagnostic {
            severity: Severity::Error,
            code: code.to_owned(),
            message: message.into(),
            hint: None,
            place: None,
            trace: Vec::new(),
            interrupted: false,
        }
    }

    /// Adds what to type instead.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Something that must not happen whatever the input.
    pub fn defect(what: &str) -> Self {
        let fault = crate::bind::Fault::defect(what);
        Diagnostic { hint: fault.hint, ..Diagnostic::new(&fault.code, fault.message) }
    }

    /// From an error of the host, without a place.
    pub fn from_explained(error: &impl crate::core::explain::Explain) -> Self {
        Diagnostic {
            hint: error.hint(),
            interrupted: error.is_interruption(),
            ..Diagnostic::new(error.code(), error.to_string())
        }
    }

    /// The same place, where another reason than the user's wish ended the work.
    #[must_use]
    pub fn because(self, fault: &crate::bind::Fault) -> Self {
        let (code, message, hint) = (fault.code.to_string(), fault.message.clone(), fault.hint.clone());
        Diagnostic { code, message, hint, interrupted: false, ..self }
    }

    /// Line of the place, from 1.
    pub fn line(&self) -> Option<usize> {
        self.place.as_ref().map(|place| place.line)
    }

    /// Column of the place in characters, from 1.
    pub fn column(&self) -> Option<usize> {
        self.place.as_ref().map(|place| place.column)
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Diagnostic {}
