//! Fields of maps that builtins and the script stdlib return, read under a name that no such map has: `result.acuracy` is nothing,
//! `()`, and nobody says so. Scripts are read as text, before they run; at the prompt the map is there and is asked.

use crate::bind::{Registry, nearest};
use rhai::{AST, ASTFlags, ASTNode, Array, Dynamic, Expr, Map, Position, Scope, Stmt, Token};
use std::collections::{BTreeMap, BTreeSet};

/// A field that is read and is not there.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Missing {
    pub field: String,
    /// Whose answer the map is, or which variable.
    pub of: String,
    /// The field that was probably meant.
    pub near: Option<String>,
    pub position: Position,
}

impl Missing {
    /// What is said of it.
    pub fn message(&self) -> String {
        format!("`{}` has no field `{}`: reading it gives nothing, `()`", self.of, self.field)
    }

    /// What to write.
    pub fn hint(&self) -> String {
        match &self.near {
            Some(near) => format!("did you mean `{near}`? A field that may be missing is read with `?? ()`"),
            None => "a field that may be missing is read with `?? ()`".to_owned(),
        }
    }
}

/// Names that the maps of a function may have, `None` where nothing is known of it. Arguments: module and function.
pub(super) type FieldsOf<'a> = &'a dyn Fn(&str, &str) -> Option<BTreeSet<String>>;

/// Fields of a builtin's map, off its record: every name in backticks.
pub(super) fn of_builtin(registry: &Registry, module: &str, name: &str) -> Option<BTreeSet<String>> {
    let function = registry.functions.iter().find(|f| f.module == module && f.name == name)?;
    let is_map = function.returns.starts_with("object map: ") && !function.returns.contains(" by ");
    let quoted = |text: &str| -> Vec<String> {
        text.split('`').skip(1).step_by(2).filter(|word| is_name(word)).map(str::to_owned).collect()
    };
    is_map.then(|| quoted(function.returns).into_iter().chain(quoted(function.details)).collect())
}

fn is_name(word: &str) -> bool {
    word.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// Every name that a text gives to a field, or may give: keys of maps, properties, texts.
pub(super) fn names_in(ast: &AST) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    ast.walk(&mut |path: &[ASTNode]| {
        match path.last() {
            Some(ASTNode::Expr(Expr::Map(map, _))) => names.extend(map.0.iter().map(|(key, _)| key.name.to_string())),
            Some(ASTNode::Expr(Expr::StringConstant(text, _))) if is_name(text) => {
                names.insert(text.to_string());
            }
            Some(ASTNode::Expr(Expr::DynamicConstant(value, _))) => add_names(value, &mut names),
            Some(ASTNode::Stmt(Stmt::Assignment(parts))) => names.extend(last_property(&parts.1.lhs)),
            _ => {}
        }
        true
    });
    names
}

fn add_names(value: &Dynamic, names: &mut BTreeSet<String>) {
    if let Some(map) = value.read_lock::<Map>() {
        names.extend(map.keys().map(ToString::to_string));
        map.values().for_each(|value| add_names(value, names));
    } else if let Some(array) = value.read_lock::<Array>() {
        array.iter().for_each(|value| add_names(value, names));
    } else if value.is_string() {
        names.insert(value.to_string());
    }
}

fn last_property(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Dot(parts, ..) | Expr::Index(parts, ..) => last_property(&parts.rhs),
        Expr::Property(property, _) => Some(property.2.to_string()),
        _ => None,
    }
}

/// A chain of fields and places in arrays that begins at a variable or a call.
struct Chain<'a> {
    root: &'a Expr,
    steps: Vec<Step<'a>>,
}

enum Step<'a> {
    Field(&'a str, Position),
    /// A place in an array or map, if it is written out.
    At(Option<&'a Expr>),
}

/// The chain that starts here, up to its first method.
fn chain(expr: &Expr) -> Option<Chain<'_>> {
    let mut steps = Vec::new();
    let (root, mut rest, mut is_index, mut ends) = match expr {
        Expr::Dot(parts, flags, _) => (&parts.lhs, &parts.rhs, false, flags.contains(ASTFlags::BREAK)),
        Expr::Index(parts, flags, _) => (&parts.lhs, &parts.rhs, true, flags.contains(ASTFlags::BREAK)),
        _ => return None,
    };
    loop {
        // What an index ends with is a whole expression, even where it is a chain of its own.
        let (head, next) = match rest {
            Expr::Dot(parts, flags, _) if !(is_index && ends) => {
                (&parts.lhs, Some((&parts.rhs, false, flags.contains(ASTFlags::BREAK))))
            }
            Expr::Index(parts, flags, _) if !(is_index && ends) => {
                (&parts.lhs, Some((&parts.rhs, true, flags.contains(ASTFlags::BREAK))))
            }
            other => (other, None),
        };
        match head {
            at if is_index => steps.push(Step::At(at.is_constant().then_some(at))),
            Expr::Property(property, position) => steps.push(Step::Field(&property.2, *position)),
            _ => break,
        }
        let Some(next) = next else { break };
        (rest, is_index, ends) = next;
    }
    Some(Chain { root, steps })
}

/// Whether the script asks itself whether the value is there.
fn is_asked(expr: &Expr, around: &[ASTNode]) -> bool {
    match around.last() {
        // `x.field ?? other`, of which the last is not a question.
        Some(ASTNode::Expr(Expr::Coalesce(parts, _))) => {
            parts.split_last().is_some_and(|(_, asked)| asked.iter().any(|part| std::ptr::eq(part, expr)))
        }
        Some(ASTNode::Expr(Expr::FnCall(call, _)) | ASTNode::Stmt(Stmt::FnCall(call, _))) => {
            let compares = matches!(call.op_token, Some(Token::EqualsTo | Token::NotEqualsTo));
            let with_nothing = call.args.iter().any(|arg| matches!(arg, Expr::Unit(_)));
            (compares && with_nothing) || call.name == "type_of"
        }
        Some(ASTNode::Stmt(Stmt::Assignment(parts))) => std::ptr::eq(&raw const parts.1.lhs, expr),
        _ => false,
    }
}

/// Chains of a text that read something, the asked ones left out.
fn for_each_chain(ast: &AST, mut found: impl FnMut(&Chain)) {
    ast.walk(&mut |path: &[ASTNode]| {
        if let Some((ASTNode::Expr(expr), around)) = path.split_last()
            && let Some(chain) = chain(expr)
            && !is_asked(expr, around)
        {
            found(&chain);
        }
        true
    });
}

/// Fields that a script reads of what a known function returned, and that no map of that function has.
pub(super) fn missing(ast: &AST, fields_of: FieldsOf) -> Vec<Missing> {
    let made = made_by_calls(ast);
    let mut own = None;
    let mut found: Vec<Missing> = Vec::new();
    for_each_chain(ast, |chain| {
        let call = match chain.root {
            Expr::Variable(parts, ..) => made.get(parts.1.as_str()).cloned(),
            other => called(other),
        };
        let Some((module, name)) = call else { return };
        let Some(fields) = fields_of(&module, &name) else { return };
        for step in &chain.steps {
            let Step::Field(field, position) = step else { continue };
            // A field that the script gives itself somewhere, it may have given to this map.
            let own = own.get_or_insert_with(|| names_in(ast));
            if fields.contains(*field) || own.contains(*field) || fields.iter().any(|part| is_part(part, field)) {
                continue;
            }
            let near = nearest(field, fields.iter().map(String::as_str)).map(str::to_owned);
            let of = format!("{module}::{name}");
            found.push(Missing { field: (*field).to_owned(), of, near, position: *position });
            break;
        }
    });
    found.dedup();
    found
}

/// Whether `part` is a text that names are made with, as `"_low"` in `name + "_low"`.
fn is_part(part: &str, field: &str) -> bool {
    (part.starts_with('_') && field.ends_with(part)) || (part.ends_with('_') && field.starts_with(part))
}

/// The function of a module that an expression calls.
fn called(expr: &Expr) -> Option<(String, String)> {
    let Expr::FnCall(call, _) = expr else { return None };
    let module: Vec<&str> = call.namespace.path.iter().map(|part| part.name.as_str()).collect();
    (!module.is_empty()).then(|| (module.join("::"), call.name.to_string()))
}

/// Variables that hold what one function of a module returned, wherever the text sets them.
fn made_by_calls(ast: &AST) -> BTreeMap<String, (String, String)> {
    let mut made: BTreeMap<String, Option<(String, String)>> = BTreeMap::new();
    let mut set = |name: &str, call: Option<(String, String)>| {
        let held = made.entry(name.to_owned()).or_insert_with(|| call.clone());
        if *held != call {
            *held = None;
        }
    };
    ast.walk(&mut |path: &[ASTNode]| {
        match path.last() {
            Some(ASTNode::Stmt(Stmt::Var(parts, ..))) => set(&parts.0.name, called(&parts.1)),
            Some(ASTNode::Stmt(Stmt::Assignment(parts))) => {
                if let Expr::Variable(name, ..) = &parts.1.lhs {
                    set(&name.1, called(&parts.1.rhs));
                }
            }
            Some(ASTNode::Stmt(Stmt::For(parts, _))) => {
                set(&parts.0.name, None);
                parts.1.iter().for_each(|counter| set(&counter.name, None));
            }
            Some(ASTNode::Stmt(Stmt::TryCatch(parts, _))) => {
                if let Expr::Variable(name, ..) = &parts.expr {
                    set(&name.1, None);
                }
            }
            _ => {}
        }
        true
    });
    let closures = ast.iter_functions().filter(|function| !function.name.contains('$'));
    closures.for_each(|function| function.params.iter().for_each(|name| set(name, None)));
    made.into_iter().filter_map(|(name, call)| Some((name, call?))).collect()
}

/// Fields that an input reads of the maps in `scope`, and that these do not have.
pub(super) fn missing_now(ast: &AST, scope: &Scope) -> Vec<Missing> {
    let mut set = BTreeSet::new();
    ast.walk(&mut |path: &[ASTNode]| {
        match path.last() {
            Some(ASTNode::Stmt(Stmt::Var(parts, ..))) => {
                set.insert(parts.0.name.to_string());
            }
            Some(ASTNode::Stmt(Stmt::For(parts, _))) => {
                set.insert(parts.0.name.to_string());
            }
            Some(ASTNode::Stmt(Stmt::Assignment(parts))) => {
                if let Some(ASTNode::Expr(Expr::Variable(name, ..))) = root(&parts.1.lhs) {
                    set.insert(name.1.to_string());
                }
            }
            _ => {}
        }
        true
    });
    ast.iter_functions().for_each(|function| set.extend(function.params.iter().map(|name| (*name).to_owned())));
    let mut found: Vec<Missing> = Vec::new();
    for_each_chain(ast, |chain| {
        let Expr::Variable(parts, ..) = chain.root else { return };
        let name = parts.1.as_str();
        // What this input sets may have the field by then.
        if !set.contains(name)
            && let Some(value) = scope.get(name)
        {
            found.extend(missing_in(value, name, &chain.steps));
        }
    });
    found.dedup();
    found
}

fn root(expr: &Expr) -> Option<ASTNode<'_>> {
    match expr {
        Expr::Dot(parts, ..) | Expr::Index(parts, ..) => root(&parts.lhs),
        other => Some(ASTNode::Expr(other)),
    }
}

/// Follows a chain from a value to the first field that is not there.
fn missing_in(value: &Dynamic, of: &str, steps: &[Step]) -> Option<Missing> {
    let (step, rest) = steps.split_first()?;
    match step {
        Step::Field(field, position) => {
            let map = value.read_lock::<Map>()?;
            if let Some(inner) = map.get(*field) {
                return missing_in(inner, &format!("{of}.{field}"), rest);
            }
            // A map without fields, and one of numbered or foreign keys, is filled as a script likes.
            let near = nearest(field, map.keys().map(|key| key.as_str())).map(str::to_owned)?;
            Some(Missing { field: (*field).to_owned(), of: of.to_owned(), near: Some(near), position: *position })
        }
        Step::At(Some(Expr::IntegerConstant(at, _))) => {
            let array = value.read_lock::<Array>()?;
            let from_end = usize::try_from(at.unsigned_abs()).ok().and_then(|n| array.len().checked_sub(n));
            let at = if *at < 0 { from_end } else { usize::try_from(*at).ok() };
            missing_in(array.get(at?)?, of, rest)
        }
        Step::At(Some(Expr::StringConstant(key, _))) => {
            missing_in(value.read_lock::<Map>()?.get(key.as_str())?, of, rest)
        }
        Step::At(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rhai::{Engine, OptimizationLevel};

    fn engine() -> Engine {
        let mut engine = Engine::new();
        engine.set_optimization_level(OptimizationLevel::None);
        engine
    }

    fn read(text: &str) -> Vec<(String, Option<String>)> {
        let known = |module: &str, _: &str| {
            let names = ["accuracy", "runs", "weak_accuracy", "_low", "0"];
            (module == "w2s").then(|| names.iter().map(|name| (*name).to_owned()).collect())
        };
        let ast = engine().compile(text).expect("compiles");
        missing(&ast, &known).into_iter().map(|found| (found.field, found.near)).collect()
    }

    #[test]
    fn a_field_that_no_answer_has_is_found_and_the_near_one_named() {
        let near = |field: &str, near: &str| vec![(field.to_owned(), Some(near.to_owned()))];
        assert_eq!(read("let r = w2s::f(1); print(r.acuracy);"), near("acuracy", "accuracy"));
        assert_eq!(read("w2s::f(1).runs[0].weak_acuracy"), near("weak_acuracy", "weak_accuracy"));
        assert_eq!(read("let r = w2s::f(1); let i = #{ n: 0 }; r.runs[i.n].acuracy + 1"), near("acuracy", "accuracy"));
        assert_eq!(read("let r = w2s::f(1); [1].map(|x| x + r.acuracy)"), near("acuracy", "accuracy"));
        assert_eq!(read("let r = w2s::f(1); r.nothing_like_it"), [("nothing_like_it".to_owned(), None)]);
    }

    #[test]
    fn what_a_script_asks_for_gives_or_has_from_elsewhere_is_left_alone() {
        for fine in [
            "let r = w2s::f(1); r.accuracy + r.runs[0].weak_accuracy",
            "let r = w2s::f(1); r.acuracy ?? 0",
            "let r = w2s::f(1); if r.acuracy == () { 1 }",
            "let r = w2s::f(1); r.acuracy = 1; r.acuracy",
            "let r = w2s::f(1); r += #{ acuracy: 1 }; r.acuracy",
            "let r = w2s::f(1); r[\"acuracy\"] = 1; r.acuracy",
            "let r = w2s::f(1); r = #{}; r.acuracy",
            "let r = other::f(1); r.acuracy",
            "let r = w2s::f(1); r.accuracy_low",
            "let r = w2s::f(1); r.rows(2)[0].anything",
            "let r = #{ a: 1 }; r.acuracy",
            "fn f(r) { r.acuracy } let r = w2s::f(1); r",
        ] {
            assert_eq!(read(fine), [], "{fine}");
        }
    }

    #[test]
    fn at_the_prompt_the_map_itself_is_asked() {
        let mut scope = Scope::new();
        let made = engine().eval::<Dynamic>("#{ accuracy: 1, runs: [#{ seed: 3 }], by: #{ name: 1 } }");
        scope.push("r", made.expect("a map"));
        let now = |text: &str| {
            let ast = engine().compile_with_scope(&scope, text).expect("compiles");
            let found = missing_now(&ast, &scope);
            found.into_iter().map(|found| (found.of, found.field, found.near.expect("near"))).collect::<Vec<_>>()
        };
        let said = |of: &str, field: &str, near: &str| vec![(of.to_owned(), field.to_owned(), near.to_owned())];
        assert_eq!(now("r.acuracy"), said("r", "acuracy", "accuracy"));
        assert_eq!(now("print(r.runs[-1].sed)"), said("r.runs", "sed", "seed"));
        assert_eq!(now("r[\"by\"].nane + 1"), said("r", "nane", "name"));
        for fine in [
            "r.accuracy",
            "r.runs[0].seed",
            "r.other",
            "r.acuracy ?? 1",
            "r.acuracy = 2",
            "let r = 1; r",
            "r.runs.len()",
            "r.runs[7].sed",
        ] {
            assert_eq!(now(fine), [], "{fine}");
        }
    }
}
