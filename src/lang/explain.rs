//! From Rhai's error to a diagnostic: place, trace, code, hint, and, for a wrong name or call, what exists instead.

use super::Session;
use super::diagnostic::{Diagnostic, Place, Step};
use super::known::{Callable, Known, declarations, type_word};
use super::print::{REMOVED, removed};
use super::resolve::functions_of;
use super::{guard, habits};
use crate::bind::{Fault, nearest};
use crate::report::scan::Scan;
use rhai::{Dynamic, EvalAltResult, Map, ParseErrorType, Position};

/// Explains `error`, which left the source called `root`.
pub(super) fn explain(session: &Session, error: &EvalAltResult, root: &str) -> Diagnostic {
    let mut trace = Vec::new();
    let (inner, source) = walk(session, error, root, &mut trace);
    trace.reverse();
    let place = place(session, &source, inner.position());
    let mut diagnostic = Scene { session, source: &source, place: place.as_ref() }.said(inner);
    if let Some(at) = super::stack::last_panic().filter(|_| diagnostic.code == "w2s/defect") {
        diagnostic.message.push_str(&format!(" at {at}"));
    }
    blame_caller(inner, Diagnostic { place, trace, ..diagnostic })
}

/// What a function of the script stdlib refuses is its caller's mistake: the place is the call, the stdlib's own line
/// becomes a step of the trace.
fn blame_caller(error: &EvalAltResult, diagnostic: Diagnostic) -> Diagnostic {
    let is_std = |place: &Option<Place>| {
        place.as_ref().is_some_and(|place| super::resolve::shipped().any(|(name, _)| place.source == name))
    };
    let refused = match error {
        EvalAltResult::ErrorRuntime(value, _) => {
            value.read_lock::<Fault>().is_none_or(|fault| fault.code.starts_with("call/"))
        }
        _ => false,
    };
    let caller = diagnostic.trace.iter().position(|step| step.place.is_some() && !is_std(&step.place));
    let Some(caller) = caller.filter(|_| refused && is_std(&diagnostic.place)) else { return diagnostic };
    let inside = Step { what: "refused".to_owned(), place: diagnostic.place };
    let mut trace: Vec<Step> = std::iter::once(inside).chain(diagnostic.trace).collect();
    let place = trace.get(caller + 1).and_then(|step| step.place.clone());
    // The step that has become the place says only in what function the refusal was.
    if let Some(step) = trace.get_mut(caller + 1) {
        step.what = step.what.trim_end_matches(", called").to_owned();
        step.place = None;
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
            let what =
                if name.contains('$') { "in a closure, called".to_owned() } else { format!("in `{name}`, called") };
            trace.push(Step { what, place: place(session, source, *position) });
            // Called from another file, a closure still stands in its own.
            let home = if name.contains('$') { session.sources.home_of(name) } else { None };
            let inside = home.unwrap_or_else(|| if inside.is_empty() { source.to_owned() } else { inside.clone() });
            walk(session, inner, &inside, trace)
        }
        EvalAltResult::ErrorInModule(name, inner, position) => {
            trace.push(Step { what: format!("in `{name}`, imported"), place: place(session, source, *position) });
            walk(session, inner, name, trace)
        }
        other => (other, source.to_owned()),
    }
}

fn place(session: &Session, source: &str, position: Position) -> Option<Place> {
    let line = position.line()?;
    let text = session.sources.line(source, line);
    let column = position.position().map_or(0, |column| session.sources.written_column(source, line, column));
    Some(Place { source: source.to_owned(), line, column, text })
}

/// Where the innermost error happened, and what is known there.
struct Scene<'a> {
    session: &'a Session,
    source: &'a str,
    place: Option<&'a Place>,
}

impl Scene<'_> {
    fn said(&self, error: &EvalAltResult) -> Diagnostic {
        use EvalAltResult as E;
        let limits = &self.session.setup.limits;
        match error {
            E::ErrorRuntime(value, _) => self.nothing_in_text(thrown(value)),
            E::ErrorTerminated(value, _) => match value.read_lock::<Fault>() {
                Some(fault) => of_fault(&fault),
                None => of_fault(&Fault::interrupted()),
            },
            E::ErrorParsing(kind, _) => self.syntax(kind),
            E::ErrorVariableNotFound(name, _) => self.unknown_variable(name),
            E::ErrorModuleNotFound(name, _) => self.unknown_module(name),
            E::ErrorFunctionNotFound(signature, _) => self.unknown_function(signature),
            E::ErrorDotExpr(what, _) => self.unknown_property(what),
            E::ErrorPropertyNotFound(name, _) => {
                Diagnostic::new("script/unknown-property", format!("the object map has no property `{name}`"))
            }
            E::ErrorMismatchDataType(wanted, got, _) => self.wrong_type(wanted, got),
            E::ErrorMismatchOutputType(wanted, got, _) => self.wrong_type(wanted, got),
            E::ErrorArrayBounds(n, idx, _) => {
                Diagnostic::new("script/bounds", format!("index `{idx}` of an array of {}", count(*n, "item")))
                    .hint("the first item is `[0]`, the last is `[-1]`")
            }
            E::ErrorStringBounds(n, idx, _) => {
                Diagnostic::new("script/bounds", format!("index `{idx}` of a string of {}", count(*n, "character")))
            }
            E::ErrorBitFieldBounds(n, idx, _) => {
                Diagnostic::new("script/bounds", format!("bit `{idx}` of a number of {}", count(*n, "bit")))
            }
            E::ErrorIndexNotFound(index, _) => {
                Diagnostic::new("script/bounds", format!("there is no `{}`", crate::bind::show(index)))
            }
            E::ErrorIndexingType(name, _) => {
                let name = type_word(name.split(" [").next().unwrap_or(name));
                Diagnostic::new("script/not-indexable", format!("{} cannot be indexed so", a(&name)))
            }
            E::ErrorFor(_) => Diagnostic::new("script/not-iterable", "`for` cannot go through this value")
                .hint("`for` goes through arrays, strings, object maps (`keys()`, `values()`) and ranges `0..n`"),
            E::ErrorArithmetic(what, _) => Diagnostic::new("script/arithmetic", lower(what)),
            E::ErrorAssignmentToConstant(name, _) if name.is_empty() => {
                Diagnostic::new("script/constant", "a constant cannot be changed")
            }
            E::ErrorAssignmentToConstant(name, _) => {
                Diagnostic::new("script/constant", format!("the constant `{name}` cannot be changed"))
            }
            E::ErrorNonPureMethodCallOnConstant(name, _) => {
                Diagnostic::new("script/constant", format!("`{name}` would change a constant"))
                    .hint("copy it first: `let copy = …;`")
            }
            E::ErrorUnboundThis(_) => Diagnostic::new("script/this", "`this` has no value here"),
            E::ErrorVariableExists(name, _) => {
                Diagnostic::new("script/variable-exists", format!("the variable `{name}` exists already"))
            }
            E::ErrorForbiddenVariable(name, _) => {
                Diagnostic::new("script/name", format!("a variable cannot be called `{name}`"))
            }
            E::ErrorDataRace(name, _) => {
                Diagnostic::new("script/shared", format!("`{name}` is read while it is being changed"))
            }
            E::ErrorTooManyOperations(_) => {
                Diagnostic::new("limit/operations", format!("the script took more than {} steps", limits.operations))
                    .hint("does a loop never end?")
            }
            E::ErrorTooManyVariables(_) => {
                Diagnostic::new("limit/variables", format!("there are more than {} variables", limits.n_variables))
            }
            E::ErrorTooManyModules(_) => {
                Diagnostic::new("limit/modules", format!("there are more than {} imports", limits.n_modules))
            }
            E::ErrorStackOverflow(_) => Diagnostic::new(
                "limit/call-depth",
                format!("functions call each other more than {} deep", limits.call_depth),
            )
            .hint("does a function call itself without end? write a loop instead"),
            E::ErrorDataTooLarge(what, _) => {
                let (most, unit) = match what.as_str() {
                    text if text.contains("string") => (limits.string_size, "bytes of text"),
                    text if text.contains("map") => (limits.map_size, "entries of object maps"),
                    _ => (limits.array_size, "items of arrays"),
                };
                Diagnostic::new("limit/size", format!("a value would have more than {most} {unit}"))
                    .hint("items within items count too; frames and data sets hold millions of rows")
            }
            other => Diagnostic::new("script/error", lower(&without_position(&other.to_string()))),
        }
    }

    /// Nothing that goes into a text because a method changed its receiver and returned nothing.
    fn nothing_in_text(&self, diagnostic: Diagnostic) -> Diagnostic {
        let place = self.place.filter(|_| diagnostic.code == guard::NOTHING);
        let method = place.and_then(|place| guard::changing_method(place.text.as_deref()?, place.column));
        let Some(method) = method else { return diagnostic };
        let message =
            format!("`{method}` changes what it is called on and returns nothing, `()`, which is put into a text");
        let hint = format!("call it in a separate statement, `x.{method}(…);`, and put `x` into the text");
        Diagnostic { message, hint: Some(hint), ..diagnostic }
    }

    fn syntax(&self, kind: &ParseErrorType) -> Diagnostic {
        let place = self.place.and_then(|place| Some((place.text.as_deref()?, place.column)));
        if let Some((line, column)) = place
            && let Some(habit) = habits::in_line(line, column)
        {
            return habit;
        }
        match kind {
            ParseErrorType::VariableUndefined(name) => self.unknown_variable(name),
            ParseErrorType::ModuleUndefined(name) => self.unknown_module(name),
            ParseErrorType::Reserved(word) => {
                if !word.starts_with(char::is_alphabetic) {
                    return Diagnostic::new("script/syntax", format!("`{word}` is not an operator of the language"));
                }
                Diagnostic::new("script/syntax", format!("`{word}` is a word that the language keeps for itself"))
                    .hint(format!("choose another name, such as `my_{word}`"))
            }
            ParseErrorType::ExprTooDeep => {
                let most = self.session.setup.limits.expression_depth;
                Diagnostic::new("limit/expression-depth", format!("expressions are nested more than {most} deep"))
            }
            ParseErrorType::TooManyFunctions => {
                let most = self.session.setup.limits.n_functions;
                Diagnostic::new("limit/functions", format!("there are more than {most} functions"))
            }
            ParseErrorType::LiteralTooLarge(what, most) => {
                Diagnostic::new("limit/size", format!("{} exceeds {most}", what.to_lowercase()))
            }
            ParseErrorType::UnexpectedEOF => Diagnostic::new("script/syntax", "the script ends too early")
                .hint("is a bracket, a brace or a quotation mark left open?"),
            ParseErrorType::MissingToken(token, _) if token == ";" => {
                Diagnostic::new("script/syntax", "a statement ends here without `;`").hint("put `;` before this")
            }
            other => {
                let text = other.to_string();
                if let Some((name, _)) =
                    REMOVED.iter().find(|(name, _)| text.contains(&format!("'{name}' is disabled")))
                {
                    return of_fault(&removed(name));
                }
                Diagnostic::new("script/syntax", lower(&text.replace('\'', "`")))
            }
        }
    }

    fn unknown_variable(&self, name: &str) -> Diagnostic {
        let diagnostic = Diagnostic::new("script/unknown-variable", format!("there is no variable `{name}`"));
        let known = self.known();
        let hint = match name {
            _ if habits::of_variable(name).is_some() => habits::of_variable(name).map(str::to_owned),
            _ if known.modules.contains(name) => {
                Some(format!("`{name}` is a module: write `{name}::…` with two colons"))
            }
            _ if known.functions(None).any(|function| function.name == name) => {
                Some(format!("`{name}` is a function: call it, `{name}(…)`, or pass it on as `Fn(\"{name}\")`"))
            }
            _ => None,
        };
        let hint = hint.or_else(|| {
            let line = self.declared(name)?;
            if !self.session.inputs.text.is_empty() && self.is_outermost(line) {
                return Some(format!(
                    "line {line}, which defines `{name}`, did not come to its end: run it again; or, in a function: it sees \
                     only its parameters"
                ));
            }
            Some(format!(
                "`{name}` is defined in line {line}, which cannot be seen here: a function sees only its parameters (a \
                 closure `|x| …` sees what surrounds it), and what a block defines ends with it"
            ))
        });
        // `x = 1` of a name that is declared nowhere.
        let hint = hint.or_else(|| {
            let line = self.place.and_then(|place| place.text.as_deref())?;
            let value = line.trim_start().strip_prefix(name)?.trim_start().strip_prefix('=')?;
            (!value.starts_with('='))
                .then(|| format!("a variable is declared where it is first set: `let {name} = …;`"))
        });
        let hint = hint.or_else(|| {
            let text = self.text();
            let scope: Vec<&str> = self.session.scope.iter_raw().map(|(name, ..)| name).collect();
            let names: Vec<&str> = declarations(&text).into_iter().map(|(_, name)| name).chain(scope).collect();
            nearest(name, names.iter().copied()).map(|near| format!("did you mean `{near}`?"))
        });
        Diagnostic { hint, ..diagnostic }
    }

    fn unknown_module(&self, name: &str) -> Diagnostic {
        let known = self.known();
        let diagnostic = Diagnostic::new("script/unknown-module", format!("there is no module `{name}` here"));
        if let Some(hint) = habits::of_module(name) {
            return diagnostic.hint(hint);
        }
        if known.not_imported.contains_key(name) {
            return diagnostic.hint(format!("write `import \"{name}\" as {name};` at the top of the script"));
        }
        let names: Vec<&str> = known.modules.iter().map(String::as_str).collect();
        diagnostic.hint(match nearest(name, names.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("modules: {}", names.join(", ")),
        })
    }

    fn unknown_property(&self, what: &str) -> Diagnostic {
        let mut quoted = what.split('\'').skip(1).step_by(2);
        let (Some(name), Some(type_name)) = (quoted.next(), quoted.next()) else {
            return Diagnostic::new("script/unknown-property", lower(what));
        };
        let type_name = type_word(type_name);
        let known = self.known();
        if what.starts_with("No writable") {
            return Diagnostic::new("script/read-only", format!("`{name}` of {} cannot be set", a(&type_name)))
                .hint("values of the laboratory are never changed; a function returns a new one");
        }
        let diagnostic =
            Diagnostic::new("script/unknown-property", format!("{} has no property `{name}`", a(&type_name)));
        if known.methods(&type_name).any(|method| method.name == name) {
            return diagnostic.hint(format!("`{name}` is a method: write `.{name}(…)`"));
        }
        if let Some(hint) = habits::of_property(&type_name, name) {
            return diagnostic.hint(hint);
        }
        let names: Vec<&str> = known.properties(&type_name).map(|property| property.name.as_str()).collect();
        match nearest(name, names.iter().copied()) {
            Some(near) => diagnostic.hint(format!("did you mean `.{near}`?")),
            None if names.is_empty() => diagnostic,
            None => diagnostic.hint(format!("properties of {type_name}: {}", names.join(", "))),
        }
    }

    fn wrong_type(&self, wanted: &str, got: &str) -> Diagnostic {
        let (wanted, got) = (type_word(wanted), type_word(got));
        if let Some(name) = self.called_name().filter(|_| wanted == "function") {
            let got = a(&got);
            let got = got.trim_end_matches(',');
            return Diagnostic::new("call/not-a-function", format!("`{name}` is called like a function, but is {got}"))
                .hint("a variable that holds a closure can be called: `let f = |x| x + 1; f(2)`");
        }
        let diagnostic = Diagnostic::new("script/type", format!("expected {}, got {}", a(&wanted), a(&got)));
        let line = self.place.and_then(|place| place.text.as_deref()).unwrap_or_default();
        if wanted == "bool" && (line.contains("&&") || line.contains("||")) {
            return diagnostic
                .hint("join expressions and frames' conditions by `&` and `|`; `&&` and `||` take bools only");
        }
        diagnostic
    }

    /// The name before the bracket that opens at the place, or right before it: `n` of `n(1)`.
    fn called_name(&self) -> Option<String> {
        let place = self.place?;
        let line = place.text.as_deref()?;
        let before: String = line.chars().take(place.column.saturating_sub(1)).collect();
        let before = before.trim_end().trim_end_matches('(');
        let is_name = |c: char| c.is_alphanumeric() || c == '_';
        let name: String =
            before.chars().rev().take_while(|c| is_name(*c)).collect::<Vec<_>>().into_iter().rev().collect();
        let is_method = before.strip_suffix(&name).is_some_and(|rest| rest.ends_with('.'));
        (!name.is_empty() && !is_method).then_some(name)
    }

    fn unknown_function(&self, signature: &str) -> Diagnostic {
        let (path, types) = read_signature(signature);
        let known = self.known();
        if let Some((module, name)) = path.rsplit_once("::") {
            return unknown_in_module(&known, module, name, types.len());
        }
        if path.contains("anon$") {
            return self.closure_of_other_arity(path, &types);
        }
        if !path.starts_with(|c: char| c.is_alphabetic() || c == '_') {
            return self.unknown_operator(path, &types);
        }
        if self.is_method_call() && !types.is_empty() {
            unknown_method(&known, path, &types)
        } else {
            unknown_global(&known, path, &types)
        }
    }

    /// A closure that is not found by its name and these arguments is there, with other ones.
    fn closure_of_other_arity(&self, closure: &str, types: &[String]) -> Diagnostic {
        let got = format!("{} ({})", count(types.len(), "argument"), types.join(", "));
        let home = self.session.sources.home_of(closure).map(|home| format!(" of `{home}`")).unwrap_or_default();
        let written: Vec<&str> = ["a", "b", "c", "d"].into_iter().cycle().take(types.len()).collect();
        let written = if written.len() == 1 { "x".to_owned() } else { written.join(", ") };
        Diagnostic::new("call/arity", format!("a closure{home} is called with {got}, and takes another number of them"))
            .hint(format!("write it as `|{written}| …`, even if it does not use its parameters"))
    }

    fn unknown_operator(&self, operator: &str, types: &[String]) -> Diagnostic {
        let operator = operator.strip_prefix("index$get$").map_or(operator, |_| "[ ]");
        let operator = operator.strip_prefix("index$set$").map_or(operator, |_| "[ ] =");
        let between: Vec<String> = types.iter().map(|name| a(name)).collect();
        let between = between.join(" and ");
        let between = between.trim_end_matches(',');
        let diagnostic = Diagnostic::new("call/operator", format!("`{operator}` is not defined for {between}"));
        let first = types.first().map(String::as_str).unwrap_or_default();
        let mut defined: Vec<String> = (self.session.registry.functions.iter())
            .filter(|function| function.kind == crate::bind::Kind::Operator && function.module == first)
            .map(|function| format!("`{}`", function.signature()))
            .collect();
        defined.dedup();
        if defined.is_empty() {
            return diagnostic;
        }
        defined.truncate(12);
        diagnostic.hint(format!("operators of {first}: {}", defined.join(", ")))
    }

    /// Whether a point stands before the place: `frame.filtr(…)`.
    fn is_method_call(&self) -> bool {
        let Some(place) = self.place else { return false };
        let text = self.text();
        let start: usize = text.split_inclusive('\n').take(place.line.saturating_sub(1)).map(str::len).sum();
        let line = text.get(start..).unwrap_or_default();
        let at = start + line.chars().take(place.column.saturating_sub(1)).map(char::len_utf8).sum::<usize>();
        let scan = Scan::new(&text);
        let before = scan.code().take_while(|token| token.start < at).last();
        before.is_some_and(|token| matches!(scan.text(token), "." | "?."))
    }

    fn known(&self) -> Known {
        let own = self.session.resolver.loaded().into_iter().find(|loaded| loaded.name == self.source);
        let own = own.map_or_else(|| functions_of(&self.session.functions), |loaded| loaded.functions);
        Known::of(self.session, self.source, &own)
    }

    fn text(&self) -> String {
        self.session.sources.find(self.source).map_or_else(String::new, |source| source.text.to_string())
    }

    /// Whether the line begins with a declaration, outside of every block.
    fn is_outermost(&self, line: usize) -> bool {
        self.text()
            .lines()
            .nth(line.saturating_sub(1))
            .is_some_and(|text| text.starts_with("let ") || text.starts_with("const "))
    }

    /// The line that declares `name`, if this source has one.
    fn declared(&self, name: &str) -> Option<usize> {
        declarations(&self.text()).into_iter().find(|(_, declared)| *declared == name).map(|(line, _)| line)
    }
}

/// `name (type, type)` into its parts.
fn read_signature(signature: &str) -> (&str, Vec<String>) {
    let (path, types) = signature.split_once(" (").unwrap_or((signature, ""));
    let types = types.strip_suffix(')').unwrap_or(types);
    let types = types.split(", ").filter(|name| !name.is_empty()).map(type_word).collect();
    (path, types)
}

pub(super) fn unknown_in_module(known: &Known, module: &str, name: &str, n_args: usize) -> Diagnostic {
    let there: Vec<&Callable> = known.functions(Some(module)).filter(|function| function.name == name).collect();
    if !there.is_empty() {
        return wrong_arity(&there, n_args);
    }
    let diagnostic = Diagnostic::new("call/unknown-function", format!("`{module}` has no function `{name}`"));
    let names: Vec<&str> = known.functions(Some(module)).map(|function| function.name.as_str()).collect();
    if let Some(near) = nearest(name, names.iter().copied()) {
        return with_signatures(diagnostic, known.functions(Some(module)).filter(|f| f.name == near), near);
    }
    if let Some(elsewhere) = known.named(name).find(|function| !function.is_plain) {
        return diagnostic.hint(format!("there is `{}`", elsewhere.signature));
    }
    let mut names = names;
    names.sort_unstable();
    names.dedup();
    if names.is_empty() {
        return diagnostic;
    }
    diagnostic.hint(format!("functions of `{module}`: {}", names.join(", ")))
}

fn unknown_method(known: &Known, name: &str, types: &[String]) -> Diagnostic {
    let (Some(receiver), n_args) = (types.first(), types.len().saturating_sub(1)) else {
        return unknown_global(known, name, types);
    };
    if let Some(hint) = habits::of_method(receiver, name) {
        let what = format!(
            "{} has no method `{name}` that takes ({})",
            a(receiver),
            types.get(1..).unwrap_or_default().join(", ")
        );
        return Diagnostic::new("call/unknown-method", what).hint(hint);
    }
    let there: Vec<&Callable> = known.methods(receiver).filter(|method| method.name == name).collect();
    if there.iter().any(|method| !method.is_plain || method.arity != (n_args, n_args)) && !there.is_empty() {
        return wrong_arity(&there, n_args);
    }
    if !there.is_empty() {
        return wrong_types(&there, name, types);
    }
    let diagnostic = Diagnostic::new("call/unknown-method", format!("{} has no method `{name}`", a(receiver)));
    if known.properties(receiver).any(|property| property.name == name) {
        return diagnostic.hint(format!("`{name}` is a property: write it without brackets"));
    }
    let names: Vec<&str> = known.methods(receiver).map(|method| method.name.as_str()).collect();
    if let Some(near) = nearest(name, names.iter().copied()) {
        return with_signatures(diagnostic, known.methods(receiver).filter(|method| method.name == near), near);
    }
    if let Some(function) = known.named(name).find(|callable| callable.module.is_some()) {
        return diagnostic.hint(format!("there is `{}`", function.signature));
    }
    let mut names: Vec<&str> =
        known.methods(receiver).filter(|method| !method.is_plain).map(|method| method.name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    if names.is_empty() { diagnostic } else { diagnostic.hint(format!("methods of {receiver}: {}", names.join(", "))) }
}

pub(super) fn unknown_global(known: &Known, name: &str, types: &[String]) -> Diagnostic {
    let there: Vec<&Callable> = known.functions(None).filter(|function| function.name == name).collect();
    if !there.is_empty() {
        return wrong_arity(&there, types.len());
    }
    let diagnostic = Diagnostic::new("call/unknown-function", format!("there is no function `{name}`"));
    if let Some(hint) = habits::of_function(name, types.len()) {
        let there = known.named(name).next().is_some();
        let what = if there { format!("no `{name}` takes ({})", types.join(", ")) } else { diagnostic.message.clone() };
        return Diagnostic { message: what, ..diagnostic }.hint(hint);
    }
    if let Some(function) = known.named(name).find(|callable| callable.module.is_some()) {
        return diagnostic.hint(format!("write `{}`: {}", function.path(), function.signature));
    }
    for (module, functions) in &known.not_imported {
        if functions.iter().any(|function| function.name == name) {
            return diagnostic
                .hint(format!("write `import \"{module}\" as {module};` at the top and call `{module}::{name}`"));
        }
    }
    let plain: Vec<&Callable> = known.named(name).collect();
    if !plain.is_empty() {
        return wrong_types(&plain, name, types);
    }
    let names: Vec<&str> = known.callables.iter().map(|callable| callable.name.as_str()).collect();
    match nearest(name, names.iter().copied()) {
        Some(near) => with_signatures(diagnostic, known.named(near), near),
        None => diagnostic.hint("`w2s help` lists every module and function"),
    }
}

pub(super) fn wrong_arity(there: &[&Callable], n_args: usize) -> Diagnostic {
    let least = there.iter().map(|callable| callable.arity.0).min().unwrap_or(0);
    let most = there.iter().map(|callable| callable.arity.1).max().unwrap_or(0);
    let takes = match (least, most) {
        (least, most) if least == most => count(least, "argument"),
        (least, most) => format!("{least} to {most} arguments"),
    };
    let path = there.first().map(|callable| callable.path()).unwrap_or_default();
    let diagnostic = Diagnostic::new("call/arity", format!("`{path}` takes {takes}, got {n_args}"));
    Diagnostic { hint: Some(signatures(there.iter().copied())), ..diagnostic }
}

fn wrong_types(there: &[&Callable], name: &str, types: &[String]) -> Diagnostic {
    let diagnostic = Diagnostic::new("call/types", format!("no `{name}` takes ({})", types.join(", ")));
    Diagnostic { hint: Some(signatures(there.iter().copied())), ..diagnostic }
}

fn with_signatures<'a>(diagnostic: Diagnostic, near: impl Iterator<Item = &'a Callable>, name: &str) -> Diagnostic {
    diagnostic.hint(format!("did you mean `{name}`?\n{}", signatures(near)))
}

/// Up to six signatures, one a line, those of w2s and of scripts first.
fn signatures<'a>(callables: impl Iterator<Item = &'a Callable>) -> String {
    let (own, plain): (Vec<&Callable>, Vec<&Callable>) = callables.partition(|callable| !callable.is_plain);
    let mut lines: Vec<&str> = own.into_iter().chain(plain).map(|callable| callable.signature.as_str()).collect();
    lines.dedup();
    lines.truncate(6);
    lines.join("\n")
}

/// A value that a script threw, or a fault of a builtin.
fn thrown(value: &Dynamic) -> Diagnostic {
    if let Some(fault) = value.read_lock::<Fault>() {
        return of_fault(&fault);
    }
    // A script may throw `#{ code, message, hint }` and is then shown as a builtin is.
    if let Some(map) = value.read_lock::<Map>()
        && let Some(message) = map.get("message").filter(|message| message.is_string())
    {
        let code = map.get("code").map_or_else(|| "script/thrown".to_owned(), ToString::to_string);
        let hint = map.get("hint").filter(|hint| hint.is_string()).map(ToString::to_string);
        return Diagnostic { hint, ..Diagnostic::new(&code, message.to_string()) };
    }
    let text = if value.is_unit() { "thrown".to_owned() } else { crate::bind::show(value) };
    Diagnostic::new("script/thrown", text)
}

fn of_fault(fault: &Fault) -> Diagnostic {
    Diagnostic {
        hint: fault.hint.clone(),
        interrupted: fault.interruption,
        ..Diagnostic::new(&fault.code, fault.message.clone())
    }
}

/// The text without Rhai's own " (line 3, position 9)".
fn without_position(text: &str) -> String {
    match text.rfind(" (line ") {
        Some(at) => text.get(..at).unwrap_or(text).to_owned(),
        None => text.to_owned(),
    }
}

/// The text with a small first letter, unless the first word is written in capitals.
fn lower(text: &str) -> String {
    let mut chars = text.chars();
    match (chars.next(), chars.next()) {
        (Some(first), Some(second)) if !second.is_uppercase() => {
            let rest = text.get(first.len_utf8()..).unwrap_or_default();
            first.to_lowercase().chain(rest.chars()).collect()
        }
        _ => text.to_owned(),
    }
}

fn a(noun: &str) -> String {
    if noun.starts_with("nothing") {
        return noun.to_owned();
    }
    let vowel = noun.starts_with(['a', 'e', 'i', 'o', 'u', 'A', 'E', 'I', 'O']);
    format!("{} {noun}", if vowel { "an" } else { "a" })
}

fn count(n: usize, noun: &str) -> String {
    format!("{n} {noun}{}", if n == 1 { "" } else { "s" })
}
