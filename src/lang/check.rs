//! Reads a script without running it: syntax, names of variables, imports, functions and methods by name, arity, and the
//! keys of literal option maps.

use super::diagnostic::{Diagnostic, Place, Severity};
use super::dropped::dropped;
use super::explain::{unknown_global, unknown_in_module, wrong_arity};
use super::known::{Callable, Known, SYNTACTIC, is_guard};
use super::resolve::{Target, functions_of};
use super::shares::cut_shares;
use super::slips::slips;
use super::{Session, source};
use crate::bind::{nearest, renamed};
use rhai::{AST, ASTNode, Expr, FnCallExpr, OptimizationLevel, Position, Stmt};
use std::collections::BTreeSet;
use std::path::Path;

/// Checks the script at `path` and the files that it imports. No finding means that every name it uses exists.
pub(super) fn check(session: &mut Session, path: &Path) -> Result<Vec<Diagnostic>, Box<Diagnostic>> {
    let name = path.display().to_string();
    let text =
        source::read_script(path).map_err(|why| Box::new(Diagnostic::new("script/read", format!("`{name}` {why}"))))?;
    let real = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    session.sources.keep(&name, &text, Some(&real));
    // The optimiser would fold calls away before they are seen.
    session.engine.set_optimization_level(OptimizationLevel::None);
    let mut findings = Findings { session, found: Vec::new(), seen: BTreeSet::new() };
    match findings.session.compile_text(&name, &text, false) {
        Ok(mut ast) => {
            ast.set_source(&name);
            findings.source(&name, &ast);
        }
        Err(explained) => findings.found.push(*explained),
    }
    let mut found = findings.found;
    let key = |finding: &Diagnostic| {
        finding.place.as_ref().map(|place| (place.source.clone(), place.line, place.column, finding.message.clone()))
    };
    found.sort_by_key(key);
    found.dedup();
    Ok(found)
}

struct Findings<'a> {
    session: &'a Session,
    found: Vec<Diagnostic>,
    seen: BTreeSet<String>,
}

/// How a call is written.
enum Style<'a> {
    Function,
    Method,
    In(&'a str),
}

impl Findings<'_> {
    fn source(&mut self, name: &str, ast: &AST) {
        if !self.seen.insert(name.to_owned()) {
            return;
        }
        let known = Known::of(self.session, name, &functions_of(ast));
        let fields = fields_of(ast);
        let mut imports: Vec<(String, Position)> = Vec::new();
        ast.walk(&mut |path: &[ASTNode]| {
            match path.last() {
                Some(ASTNode::Stmt(Stmt::Import(import, _))) => {
                    if let Expr::StringConstant(path, position) = &import.0 {
                        imports.push((path.to_string(), *position));
                    }
                }
                Some(ASTNode::Stmt(Stmt::FnCall(call, position)) | ASTNode::Expr(Expr::FnCall(call, position))) => {
                    let segments: Vec<&str> = call.namespace.path.iter().map(|part| part.name.as_str()).collect();
                    let module = segments.join("::");
                    let style = if module.is_empty() { Style::Function } else { Style::In(&module) };
                    self.call(name, &known, call, *position, &style);
                }
                Some(ASTNode::Expr(Expr::MethodCall(call, position))) if !fields.contains(call.name.as_str()) => {
                    self.call(name, &known, call, *position, &Style::Method);
                }
                _ => {}
            }
            true
        });
        for (path, position) in imports {
            self.import(name, &path, position);
        }
        for (method, position) in dropped(ast) {
            let finding = Diagnostic::new(
                "check/dropped",
                format!("the result of `{method}` is not used, and it changes nothing in place"),
            )
            .hint("values are never changed: `let sorted = frame.sort(…);`");
            self.add(name, position, Diagnostic { severity: Severity::Warning, ..finding });
        }
        for missing in self.session.missing_fields(name, ast) {
            let finding = Diagnostic::new("check/no-field", missing.message()).hint(missing.hint());
            self.add(name, missing.position, Diagnostic { severity: Severity::Warning, ..finding });
        }
        let text = self.session.sources.find(name).map(|source| source.text).unwrap_or_default();
        for slip in slips(&text) {
            let before = text.get(..slip.start).unwrap_or_default();
            let line = 1 + before.matches('\n').count();
            let column = 1 + before.rsplit('\n').next().unwrap_or_default().chars().count();
            let place = Place { source: name.to_owned(), line, column, text: self.session.sources.line(name, line) };
            let finding = Diagnostic::new("check/sign", slip.message.to_owned()).hint(slip.hint);
            self.found.push(Diagnostic { severity: Severity::Warning, place: Some(place), ..finding });
        }
        for position in cut_shares(ast) {
            let finding = Diagnostic::new("check/integer-division", "`/` of two integers drops the fraction")
                .hint("a share is `right.to_float() / n`; where a whole number is meant, `n - n % k` says so");
            self.add(name, position, Diagnostic { severity: Severity::Warning, ..finding });
        }
    }

    fn import(&mut self, from: &str, path: &str, position: Position) {
        let target = match self.session.resolver.target(Some(from), path) {
            Ok(target) => target,
            Err(fault) => {
                let hint = fault.hint.clone();
                self.add(from, position, Diagnostic { hint, ..Diagnostic::new(&fault.code, fault.message) });
                return;
            }
        };
        match self.session.resolver.compile(&self.session.engine, &target) {
            Ok(ast) => {
                if let Target::File(name, _) = &target {
                    self.source(name, &ast);
                }
            }
            Err(mut error) => {
                if error.position().is_none() {
                    error.set_position(position);
                }
                let explained = *self.session.explain(error, from);
                self.found.push(explained);
            }
        }
    }

    fn call(&mut self, source: &str, known: &Known, call: &FnCallExpr, position: Position, style: &Style) {
        let name = call.name.as_str();
        let n_args = call.args.len();
        if call.op_token.is_some() || name.contains('$') || SYNTACTIC.contains(&name) || is_guard(name) {
            return;
        }
        // Candidates with the fewest and most arguments that this way of writing them takes.
        let candidates: Vec<(&Callable, (usize, usize))> = match style {
            Style::In(module) => (known.functions(Some(module)).filter(|callable| callable.name == name))
                .map(|callable| (callable, callable.arity))
                .collect(),
            Style::Method => (known.named(name).filter(|callable| callable.module.is_none()))
                .map(|callable| (callable, callable.arity))
                .collect(),
            Style::Function => (known.named(name).filter(|callable| callable.module.is_none()))
                .map(|callable| {
                    let first = usize::from(callable.receiver.is_some());
                    (callable, (callable.arity.0 + first, callable.arity.1 + first))
                })
                .collect(),
        };
        if candidates.is_empty() {
            let path = match style {
                Style::In(module) => format!("{module}::{name}"),
                Style::Function => name.to_owned(),
                Style::Method => format!(".{name}"),
            };
            if let Some(new) = renamed::function(&path, renamed::FUNCTIONS) {
                let finding = Diagnostic::new("call/renamed", format!("`{path}` has another name now"));
                return self.add(source, position, finding.hint(format!("write `{new}`; the old name still works")));
            }
            let finding = match style {
                Style::In(module) if !known.modules.contains(*module) => return,
                Style::In(module) => unknown_in_module(known, module, name, n_args),
                Style::Function => unknown_global(known, name, &vec!["any".to_owned(); n_args]),
                Style::Method => unknown_method_name(known, name),
            };
            self.add(source, position, finding);
            return;
        }
        let fitting: Vec<&Callable> = candidates
            .iter()
            .filter(|(_, (least, most))| (*least..=*most).contains(&n_args))
            .map(|(callable, _)| *callable)
            .collect();
        if fitting.is_empty() {
            let there: Vec<Callable> =
                candidates.iter().map(|(callable, arity)| Callable { arity: *arity, ..(*callable).clone() }).collect();
            self.add(source, position, wrong_arity(&there.iter().collect::<Vec<_>>(), n_args));
            return;
        }
        self.options(source, &fitting, call);
    }

    /// Literal keys of an option map in the last place, where every function that fits knows its options.
    fn options(&mut self, source: &str, fitting: &[&Callable], call: &FnCallExpr) {
        let Some(Expr::Map(map, _)) = call.args.last() else { return };
        let Some(sets) = fitting.iter().map(|callable| callable.keys.as_ref()).collect::<Option<Vec<_>>>() else {
            return;
        };
        let names: Vec<&str> = sets.into_iter().flatten().map(String::as_str).collect();
        let path = fitting.first().map(|callable| callable.path()).unwrap_or_default();
        for (key, _) in &map.0 {
            if let Some(new) = renamed::option(&path, &key.name, renamed::OPTIONS) {
                let said = format!("the option `{}` of `{path}` has another name now", key.name);
                let finding = Diagnostic::new("call/renamed", said);
                self.add(source, key.pos, finding.hint(format!("write `{new}`; the old name still works")));
            } else if !names.contains(&key.name.as_str()) {
                let finding = Diagnostic::new("call/unknown-option", format!("`{path}` has no option `{}`", key.name));
                // Of a function that is written in Rhai only a larger set is known: good for a typo, not for a list.
                let list = if fitting.iter().any(|callable| callable.is_script) {
                    String::new()
                } else {
                    format!("options of `{path}`: {}", names.join(", "))
                };
                let hint = match nearest(&key.name, names.iter().copied()) {
                    Some(near) => format!("did you mean `{near}`? {list}").trim_end().to_owned(),
                    None if names.is_empty() => format!("`{path}` has no options"),
                    None if list.is_empty() => format!("see `w2s help {path}`"),
                    None => list,
                };
                self.add(source, key.pos, finding.hint(hint));
            }
        }
    }

    fn add(&mut self, source: &str, position: Position, finding: Diagnostic) {
        let place = position.line().map(|line| Place {
            source: source.to_owned(),
            line,
            column: (position.position()).map_or(0, |column| self.session.sources.written_column(source, line, column)),
            text: self.session.sources.line(source, line),
        });
        self.found.push(Diagnostic { place, ..finding });
    }
}

/// A method of no type at all; whose type the receiver is, only a run can say.
fn unknown_method_name(known: &Known, name: &str) -> Diagnostic {
    let diagnostic = Diagnostic::new("call/unknown-method", format!("no type has a method `{name}`"));
    if let Some(property) = known.properties.iter().find(|property| property.name == name && !property.is_plain) {
        let of = property.receiver.as_deref().unwrap_or_default();
        return diagnostic.hint(format!("`{name}` is a property of {of}: write it without brackets"));
    }
    let methods: Vec<&str> = known
        .callables
        .iter()
        .filter(|callable| callable.module.is_none())
        .map(|callable| callable.name.as_str())
        .collect();
    match nearest(name, methods) {
        Some(near) => diagnostic.hint(format!("did you mean `.{near}(…)`?")),
        None => diagnostic,
    }
}

/// Keys of map literals and properties that are set: a function kept in one of them is called like a method.
fn fields_of(ast: &AST) -> BTreeSet<String> {
    let mut fields = BTreeSet::new();
    ast.walk(&mut |path: &[ASTNode]| {
        match path.last() {
            Some(ASTNode::Expr(Expr::Map(map, _))) => fields.extend(map.0.iter().map(|(key, _)| key.name.to_string())),
            Some(ASTNode::Expr(Expr::Property(property, _))) => {
                fields.insert(property.2.to_string());
            }
            _ => {}
        }
        true
    });
    fields
}

#[cfg(test)]
mod tests {
    use crate::core::context::{Access, Context};
    use crate::lang::Session;
    use std::sync::Arc;

    fn findings(script: &str, library: &str) -> Vec<(String, String, usize, String)> {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path().canonicalize().expect("real");
        std::fs::write(root.join("library.rhai"), library).expect("written");
        std::fs::write(root.join("script.rhai"), script).expect("written");
        let access = Access { read: vec![root.clone()], project: root.clone(), ..Access::default() };
        let ctx = Arc::new(Context::new(Context::for_tests().settings, access));
        let found = Session::for_scripts(ctx).check(&root.join("script.rhai")).expect("read");
        let short = |source: &str| source.rsplit('/').next().unwrap_or_default().to_owned();
        found
            .into_iter()
            .map(|finding| {
                let place = finding.place.expect("a place");
                (finding.code, short(&place.source), place.line, finding.message)
            })
            .collect()
    }

    #[test]
    fn a_right_script_has_no_findings() {
        let script = "import \"library\" as lib;\nlet m = #{ f: |x| x + 1 };\nprint(m.f(2));\nlib::twice(3);\n\
                      let a = [1, 2].map(|x| x.to_float());\nprint(metric::pgr_percent(0.1, a[0], args.len()));\n\
                      fn own(x) { this + x }\n5.own(1);\nown(2);\nif is_def_fn(\"own\", 1) { a.push(1); }";
        assert_eq!(findings(script, "fn twice(x) { 2 * x }"), []);
    }

    #[test]
    fn wrong_names_arities_and_imports_are_found_without_running() {
        let script = "import \"library\" as lib;\nimport \"nosuch\" as no;\nlib::twise(3);\nlib::twice();\n\
                      metric::pgr_percnt(1, 2, 3);\nmetric::pgr_percent(1);\nnothing_such(1);\n[1].pusch(2);\n\
                      fn f(x) { x }\nf(1, 2);";
        let found = findings(script, "fn twice(x) { missing(x) }");
        let codes: Vec<(&str, &str, usize)> =
            found.iter().map(|(code, source, line, _)| (code.as_str(), source.as_str(), *line)).collect();
        assert_eq!(
            codes,
            [
                ("call/unknown-function", "library.rhai", 1),
                ("import/not-found", "script.rhai", 2),
                ("call/unknown-function", "script.rhai", 3),
                ("call/arity", "script.rhai", 4),
                ("call/unknown-function", "script.rhai", 5),
                ("call/arity", "script.rhai", 6),
                ("call/unknown-function", "script.rhai", 7),
                ("call/unknown-method", "script.rhai", 8),
                ("call/arity", "script.rhai", 10),
            ]
        );
    }

    #[test]
    fn a_share_of_integers_is_warned_of_and_closures_in_variables_are_known() {
        let script = "let right = 0;\nlet n = 4;\nprint(right / n);\nlet f = |x| x + 1;\nprint(f(2));\nprint(`${f(1)} and ${n}`);";
        let found = findings(script, "");
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!((found[0].0.as_str(), found[0].2), ("check/integer-division", 3));
    }

    #[test]
    fn signs_of_other_languages_are_warned_of() {
        let found = findings("let n = 7;\nlet half = n // 2;\n;\nprint(half ^ 2);", "");
        let found: Vec<(&str, usize)> = found.iter().map(|(code, _, line, _)| (code.as_str(), *line)).collect();
        assert_eq!(found, [("check/sign", 2), ("check/sign", 4)]);
    }

    #[test]
    fn a_field_that_no_answer_has_is_warned_of() {
        let script = "import \"w2s\" as w2s;\nlet t = metric::t_test([0.1, 0.2, 0.4]);\nprint(t.pvalue);\nprint(t.p_greater);\n\
                      let r = w2s::transfer(1, 2, 3);\nprint(r.runs[0].weak_acuracy);\nprint(r.runs[0].weak_accuracy);";
        let found: Vec<(String, usize, String)> =
            findings(script, "").into_iter().map(|(code, _, line, message)| (code, line, message)).collect();
        let said = |line, of: &str, field: &str| {
            let message = format!("`{of}` has no field `{field}`: reading it gives nothing, `()`");
            ("check/no-field".to_owned(), line, message)
        };
        assert_eq!(found, [said(3, "metric::t_test", "pvalue"), said(6, "w2s::transfer", "weak_acuracy")]);
    }

    #[test]
    fn literal_option_keys_are_checked() {
        let found = findings("data::load(\"world/subject\", #{ seed: 0, sede: 1 });", "");
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!((found[0].0.as_str(), found[0].2), ("call/unknown-option", 1));
        let library = "fn common() { #{ seeds: [0] } }\n\
                       fn go_on(x, options) { script::options(\"go_on\", options, common() + #{ rows: 1 }) }";
        let script =
            "import \"library\" as lib;\nlib::go_on(1, #{ seeds: [1], rows: 2 });\nlib::go_on(1, #{ seds: [1] });";
        let found = findings(script, library);
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!((found[0].0.as_str(), found[0].2), ("call/unknown-option", 3));
    }

    #[test]
    fn syntax_errors_are_findings_here_and_in_imports() {
        assert_eq!(findings("let x = ;", "")[0].0, "script/syntax");
        let found = findings("import \"library\" as lib;", "fn f( {");
        assert_eq!((found[0].0.as_str(), found[0].1.as_str()), ("script/syntax", "library.rhai"));
        assert_eq!(findings("let x = 1; y", "")[0].0, "script/unknown-variable");
    }
}
