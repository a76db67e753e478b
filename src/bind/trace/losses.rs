//! What in a function's syntax tree no digest can cover: an outer variable that it changes, a function called by a name
//! that is made at run time, a clock, code from a text, a file, sealed truth.

use rhai::{AST, ASTNode, Expr, FnCallExpr, Module, Position, ScriptFuncDef, Stmt};
use std::collections::{BTreeMap, BTreeSet};

/// Rhai's own methods that change what they are called on, in alphabetical order.
const CHANGING: &[&str] = &[
    "append",
    "chop",
    "clear",
    "crop",
    "dedup",
    "drain",
    "fill_with",
    "for_each",
    "insert",
    "make_lower",
    "make_upper",
    "mixin",
    "order",
    "order_by",
    "order_desc",
    "pad",
    "pop",
    "push",
    "remove",
    "replace",
    "retain",
    "reverse",
    "set",
    "set_bit",
    "set_bits",
    "set_tag",
    "shift",
    "sort",
    "sort_by",
    "sort_desc",
    "splice",
    "take",
    "trim",
    "truncate",
    "write_ascii",
    "write_be",
    "write_le",
    "write_utf8",
];

/// Calls that read what no digest of a closure covers, and what that is.
pub const OUTSIDE: &[(&str, &str)] = &[
    ("data::load", "it reads a data set"),
    ("truth", TRUTH),
    ("frame::read_csv", "it reads a file"),
    ("frame::read_json", "it reads a file"),
    ("frame::read_parquet", "it reads a file"),
    ("model::load", "it reads a model"),
    ("metric::accuracy", TRUTH),
    ("metric::agreement", TRUTH),
    ("metric::agreement_rates", TRUTH),
    ("metric::auroc", TRUTH),
    ("metric::brier", TRUTH),
    ("metric::capa", TRUTH),
    ("metric::ece", TRUTH),
    ("metric::interval_bootstrap", TRUTH),
    ("metric::log_loss", TRUTH),
    ("metric::pgr", TRUTH),
];

const TRUTH: &str = "it may read sealed truth, which every run records";

/// Looks for changes of outer variables.
pub struct Outer<'f, 'a> {
    /// The script's functions by name.
    pub functions: &'f BTreeMap<String, Vec<&'a ScriptFuncDef>>,
}

impl Outer<'_, '_> {
    /// What in `found` has no digest, for a person; `outer` are the names in it that belong to the code around it.
    pub fn loss(&self, found: &ScriptFuncDef, outer: &BTreeSet<String>) -> Option<String> {
        self.look(found, outer, &mut BTreeSet::new())
    }

    fn look(
        &self,
        found: &ScriptFuncDef,
        outer: &BTreeSet<String>,
        seen: &mut BTreeSet<(String, Vec<String>)>,
    ) -> Option<String> {
        if !seen.insert((found.name.to_string(), outer.iter().cloned().collect())) {
            return None;
        }
        let mut why = None;
        let mut inner: Vec<(String, BTreeSet<usize>)> = Vec::new();
        walk(found, &mut |node| {
            if why.is_none() {
                why = self.node(node, outer);
            }
            if let Some(call) = called(node).filter(|call| call.name == "curry") {
                inner.extend(closure_over(call, outer));
            }
        });
        // A closure inside it that captures an outer variable may change it as well.
        for (name, taken) in inner {
            for closure in self.functions.get(&name).into_iter().flatten() {
                let params = closure.params.iter().enumerate().filter(|(idx, _)| taken.contains(idx));
                let outer = params.map(|(_, name)| name.to_string()).collect();
                why = why.or_else(|| self.look(closure, &outer, seen));
            }
        }
        why
    }

    fn node(&self, node: &ASTNode, outer: &BTreeSet<String>) -> Option<String> {
        let changed = |name: &str, position: Position| {
            outer.contains(name).then(|| format!("it changes the outer variable `{name}`{}", line(position)))
        };
        match node {
            ASTNode::Stmt(Stmt::Assignment(parts)) => {
                let (name, position) = root(&parts.1.lhs)?;
                changed(name, position)
            }
            ASTNode::Stmt(Stmt::Import(_, position)) => {
                Some(format!("it imports a module while it runs{}", line(*position)))
            }
            ASTNode::Expr(Expr::Dot(parts, ..) | Expr::Index(parts, ..)) => {
                let (name, position) = root(&parts.lhs)?;
                let method = first_method(&parts.rhs)?;
                if self.changes_its_object(method) { changed(name, position) } else { None }
            }
            _ => {
                let (call, position) = (called(node)?, place(node));
                if !call.namespace.is_empty() {
                    return None;
                }
                match (call.name.as_str(), call.args.first()) {
                    ("Fn", Some(Expr::StringConstant(..))) => None,
                    ("Fn", _) => {
                        Some(format!("it calls a function by a name that is made at run time{}", line(position)))
                    }
                    ("eval", _) => Some(format!("it runs code from a text{}", line(position))),
                    ("timestamp", _) => Some(format!("it reads a clock{}", line(position))),
                    (name, Some(first)) if CHANGING.contains(&name) => {
                        let (name, position) = root(first)?;
                        changed(name, position)
                    }
                    _ => None,
                }
            }
        }
    }

    /// Whether a method of this name changes what it is called on.
    fn changes_its_object(&self, method: &str) -> bool {
        let own = self.functions.get(method).into_iter().flatten().any(|found| changes_this(found));
        own || CHANGING.contains(&method)
    }
}

/// Whether a function changes the value that it is called on.
pub fn changes_this(found: &ScriptFuncDef) -> bool {
    let mut changes = false;
    walk(found, &mut |node| match node {
        ASTNode::Stmt(Stmt::Assignment(parts)) => changes |= is_this(&parts.1.lhs),
        ASTNode::Expr(Expr::Dot(parts, ..) | Expr::Index(parts, ..)) if is_this(&parts.lhs) => {
            changes |= first_method(&parts.rhs).is_some_and(|name| CHANGING.contains(&name));
        }
        _ => {}
    });
    changes
}

/// What `found` reads that no digest covers.
pub fn outside(found: &ScriptFuncDef) -> Option<String> {
    let mut why = None;
    walk(found, &mut |node| {
        let call = match node {
            ASTNode::Expr(Expr::MethodCall(call, _)) => Some(&**call),
            other => called(other),
        };
        let Some(call) = call.filter(|_| why.is_none()) else { return };
        let parts = call.namespace.path.iter().map(|part| part.name.as_str()).chain([call.name.as_str()]);
        let path = parts.collect::<Vec<_>>().join("::");
        let known = OUTSIDE.iter().find(|(name, _)| *name == path);
        why = known.map(|(name, what)| format!("{what} (`{name}`{})", line(place(node))));
    });
    why
}

/// Visits every node of a function's body.
fn walk(found: &ScriptFuncDef, visit: &mut dyn FnMut(&ASTNode)) {
    let mut alone = Module::new();
    alone.set_script_fn(found.clone());
    AST::new(std::iter::empty::<Stmt>(), alone).walk(&mut |path: &[ASTNode]| {
        path.last().into_iter().for_each(&mut *visit);
        true
    });
}

fn called<'n>(node: &'n ASTNode) -> Option<&'n FnCallExpr> {
    match node {
        ASTNode::Stmt(Stmt::FnCall(call, _)) | ASTNode::Expr(Expr::FnCall(call, _)) => Some(call),
        _ => None,
    }
}

fn place(node: &ASTNode) -> Position {
    match node {
        ASTNode::Stmt(statement) => statement.position(),
        ASTNode::Expr(expression) => expression.position(),
        _ => Position::NONE,
    }
}

fn line(position: Position) -> String {
    position.line().map_or_else(String::new, |line| format!(", line {line}"))
}

/// The variable that an expression is a part of.
fn root(expression: &Expr) -> Option<(&str, Position)> {
    match expression {
        Expr::Variable(variable, _, position) => Some((variable.1.as_str(), *position)),
        Expr::Dot(parts, ..) | Expr::Index(parts, ..) => root(&parts.lhs),
        _ => None,
    }
}

fn is_this(expression: &Expr) -> bool {
    match expression {
        Expr::ThisPtr(_) => true,
        Expr::Dot(parts, ..) | Expr::Index(parts, ..) => is_this(&parts.lhs),
        _ => false,
    }
}

/// The first method in a chain behind a variable: only it acts on the variable itself.
fn first_method(chain: &Expr) -> Option<&str> {
    match chain {
        Expr::MethodCall(call, _) => Some(call.name.as_str()),
        Expr::Dot(parts, ..) | Expr::Index(parts, ..) => first_method(&parts.lhs).or_else(|| first_method(&parts.rhs)),
        _ => None,
    }
}

/// A closure that is being made over some of the `outer` variables: its name, and which of its parameters they are.
fn closure_over(call: &FnCallExpr, outer: &BTreeSet<String>) -> Option<(String, BTreeSet<usize>)> {
    let Some(Expr::DynamicConstant(value, _)) = call.args.first() else { return None };
    let name = value.read_lock::<rhai::FnPtr>()?.fn_name().to_owned();
    let given = call.args.iter().skip(1).enumerate();
    let taken =
        given.filter(|(_, arg)| matches!(arg, Expr::Variable(variable, ..) if outer.contains(variable.1.as_str())));
    Some((name, taken.map(|(idx, _)| idx).collect()))
}
