//! From Rhai's error to a diagnostic: place, trace, code, hint, and, for a wrong call, what exists instead.

use super::Session;
use super::diagnostic::{Diagnostic, Place, Step};
use crate::bind::Fault;
use rhai::{Dynamic, EvalAltResult, Position};

/// Explains `error`, which left the source called `root`.
pub(super) fn explain(session: &Session, error: &EvalAltResult, root: &str) -> Diagnostic {
    let mut trace = Vec::new();
    let (inner, source) = walk(session, error, root, &mut trace);
    trace.reverse();
    let place = place(session, &source, inner.position());
    let mut diagnostic = said(inner);
    if let Some(at) = super::stack::last_panic().filter(|_| diagnostic.code == "w2s/defect") {
        diagnostic.message.push_str(&format!(" at {at}"));
    }
    Diagnostic { place, trace, ..diagnostic }
}

/// Follows wrapped errors inward, noting each call and import; the innermost error and its source.
fn walk<'e>(
    session: &Session,
    error: &'e EvalAltResult,
    source: &str,
    trace: &mut Vec<Step>,
) -> (&'e EvalAltResult, String) {
    match error {
        EvalAltResult::ErrorInFunctionCall(name, inside, inner, position) => {
            let what = if name.contains('$') { "in a closure".to_owned() } else { format!("in `{name}`") };
            trace.push(Step { what, place: place(session, source, *position) });
            walk(session, inner, if inside.is_empty() { source } else { inside }, trace)
        }
        EvalAltResult::ErrorInModule(name, inner, position) => {
            trace.push(Step { what: format!("importing `{name}`"), place: place(session, source, *position) });
            walk(session, inner, name, trace)
        }
        other => (other, source.to_owned()),
    }
}

fn place(session: &Session, source: &str, position: Position) -> Option<Place> {
    let line = position.line()?;
    let text = session.sources.line(source, line);
    Some(Place { source: source.to_owned(), line, column: position.position().unwrap_or(0), text })
}

fn said(error: &EvalAltResult) -> Diagnostic {
    match error {
        EvalAltResult::ErrorRuntime(value, _) | EvalAltResult::ErrorTerminated(value, _) => {
            let stopped = matches!(error, EvalAltResult::ErrorTerminated(..));
            thrown(value, stopped)
        }
        other => Diagnostic::new("script/error", other.to_string()),
    }
}

fn thrown(value: &Dynamic, stopped: bool) -> Diagnostic {
    if let Some(fault) = value.read_lock::<Fault>() {
        return Diagnostic {
            hint: fault.hint.clone(),
            interrupted: fault.interruption,
            ..Diagnostic::new(&fault.code, fault.message.clone())
        };
    }
    if stopped {
        return Diagnostic { interrupted: true, ..Diagnostic::new("run/interrupted", "interrupted") };
    }
    Diagnostic::new("script/thrown", crate::bind::show(value))
}
