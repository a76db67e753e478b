//! What in a function's syntax tree no digest can cover: an outer variable that it changes, a function called by a name
//! that is made at run time, a clock, code from a text, a file, sealed truth.

use super::scope::walk;
use rhai::{ASTNode, Dynamic, Expr, FnCallExpr, Position, ScriptFuncDef, Stmt};
use std::collections::{BTreeMap, BTreeSet};

/// Rhai's own methods that change what they are called on, in alphabetical order. Others, such as `for_each`, do where the
/// function that they are given does.
const CHANGING: &[&str] = &[
    "append",
    "chop",
    "clear",
    "crop",
    "dedup",
    "drain",
    "fill_with",
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
    ("data::balance", DRAW),
    ("balance", DRAW),
    ("data::halves", DRAW),
    ("halves", DRAW),
    ("data::sample", DRAW),
    ("sample", DRAW),
    ("data::split", DRAW),
    ("split", DRAW),
    ("world::lexicon", "it reads the rule that defines the classes, and each such reading is recorded"),
    ("lexicon", "it reads the rule that defines the classes, and each such reading is recorded"),
    ("world::properties", "it reads the rule that defines the preferences, and each such reading is recorded"),
    ("properties", "it reads the rule that defines the preferences, and each such reading is recorded"),
    ("frame::read_csv", "it reads a file"),
    ("frame::read_json", "it reads a file"),
    ("frame::read_npy", "it reads a file"),
    ("frame::read_parquet", "it reads a file"),
    ("model::load", "it reads a model"),
    ("metric::accuracy", TRUTH),
    ("metric::agreement", TRUTH),
    ("metric::agreement_rates", TRUTH),
    ("metric::auroc", TRUTH),
    ("metric::brier", TRUTH),
    ("metric::capa", TRUTH),
    ("metric::confident_errors", TRUTH),
    ("metric::ece", TRUTH),
    ("metric::calibration_curve", TRUTH),
    ("metric::calibration_error", TRUTH),
    ("metric::interval_bootstrap", TRUTH),
    ("metric::interval_wilson", TRUTH),
    ("metric::log_loss", TRUTH),
    ("metric::mcnemar", TRUTH),
    ("metric::margins", TRUTH),
    ("metric::pgr", TRUTH),
];

const TRUTH: &str = "it may read sealed truth, which every run records";

const DRAW: &str = "it may draw rows by their sealed classes, which every run records";

/// The names in a function that belong to the code around it, each with whether a method can change what it holds: not the
/// values of this program, which are immutable, but Rhai's own.
pub type Names = BTreeMap<String, bool>;

/// Whether a method can change such a value.
pub fn is_changeable(value: &Dynamic) -> bool {
    let fixed = value.is_bool() || value.is_float() || value.is_unit() || value.is_fnptr();
    let own = value.is_array() || value.is_map() || value.is_blob() || value.is_string() || value.is_char();
    // What is neither is a number, or a type of this program: it has no method that changes it.
    !fixed && (own || value.is_int())
}

/// Looks for changes of outer variables.
pub struct Outer<'f, 'a> {
    /// The script's functions by name.
    pub functions: &'f BTreeMap<String, Vec<&'a ScriptFuncDef>>,
}

impl Outer<'_, '_> {
    /// What in `found` has no digest, for a person; `outer` are the names in it that belong to the code around it.
    pub fn loss(&self, found: &ScriptFuncDef, outer: &Names) -> Option<String> {
        self.look(found, outer, &mut BTreeSet::new())
    }

    fn look(&self, found: &ScriptFuncDef, outer: &Names, seen: &mut BTreeSet<(String, Names)>) -> Option<String> {
        if !seen.insert((found.name.to_string(), outer.clone())) {
            return None;
        }
        let mut why = None;
        let mut inner: Vec<(String, Vec<Option<bool>>)> = Vec::new();
        walk(found, &mut |node, scope| {
            let of = |name: &str| outer.get(name).copied().filter(|_| !scope.has(name));
            if why.is_none() {
                why = self.node(found, node, &of);
            }
            if let Some(call) = called(node).filter(|call| call.name == "curry") {
                inner.extend(closure_over(call, &of));
            }
        });
        // A closure inside it that captures an outer variable may change it as well.
        for (name, taken) in inner {
            for closure in self.functions.get(&name).into_iter().flatten() {
                let params = closure.params.iter().zip(&taken);
                let outer = params.filter_map(|(name, kind)| Some((name.to_string(), (*kind)?))).collect();
                why = why.or_else(|| self.look(closure, &outer, seen));
            }
        }
        why
    }

    /// What a node of `found` does that has no digest; `of` answers for a name of the code around it whether methods can
    /// change it.
    fn node(&self, found: &ScriptFuncDef, node: &ASTNode, of: &dyn Fn(&str) -> Option<bool>) -> Option<String> {
        let said = |name: &str, position: Position| format!("it changes the outer variable `{name}`{}", line(position));
        match node {
            ASTNode::Stmt(Stmt::Assignment(parts)) => {
                let (name, position) = root(&parts.1.lhs)?;
                of(name).map(|_| said(name, position))
            }
            ASTNode::Stmt(Stmt::Import(_, position)) => {
                Some(format!("it imports a module while it runs{}", line(*position)))
            }
            ASTNode::Expr(Expr::Dot(parts, ..) | Expr::Index(parts, ..)) => {
                let (name, position) = root(&parts.lhs)?;
                let changeable = of(name)?;
                let method = first_method(&parts.rhs)?;
                // A script's own function may set what it is called on to another value, whatever it is.
                let changes = self.own_changes(&method.name) || (changeable && self.changes(found, method, 0));
                changes.then(|| said(name, position))
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
                    (_, Some(first)) => {
                        let (name, position) = root(first)?;
                        let changes = of(name)? && self.changes(found, call, 1);
                        changes.then(|| said(name, position))
                    }
                    _ => None,
                }
            }
        }
    }

    /// Whether a function changes the value that it is called on.
    pub fn changes_this(&self, found: &ScriptFuncDef) -> bool {
        self.changes_its_this(found, &mut BTreeSet::new())
    }

    fn changes_its_this(&self, found: &ScriptFuncDef, seen: &mut BTreeSet<String>) -> bool {
        if !seen.insert(found.name.to_string()) {
            return false;
        }
        let mut changes = false;
        let mut calls = BTreeSet::new();
        walk(found, &mut |node, _| match node {
            ASTNode::Stmt(Stmt::Assignment(parts)) => changes |= is_this(&parts.1.lhs),
            ASTNode::Expr(Expr::Dot(parts, ..) | Expr::Index(parts, ..)) if is_this(&parts.lhs) => {
                if let Some(method) = first_method(&parts.rhs) {
                    changes |= self.changes(found, method, 0);
                    calls.insert(method.name.to_string());
                }
            }
            other => {
                let call = called(other).filter(|call| call.args.first().is_some_and(is_this));
                changes |= call.is_some_and(|call| self.changes(found, call, 1));
            }
        });
        let called = || calls.iter().flat_map(|name| self.functions.get(name).into_iter().flatten());
        changes || called().any(|function| self.changes_its_this(function, seen))
    }

    /// Whether the script has a function of this name that changes what it is called on.
    fn own_changes(&self, method: &str) -> bool {
        self.functions.get(method).into_iter().flatten().any(|function| self.changes_this(function))
    }

    /// Whether a call of one of Rhai's functions in `found` changes what it is called on: by itself, or because it hands
    /// the parts of that, one after the other, to a function that changes what it is called on. The arguments of the
    /// function begin at `from`.
    fn changes(&self, found: &ScriptFuncDef, call: &FnCallExpr, from: usize) -> bool {
        let hands_on = |arg: &Expr| match function_of(arg) {
            Some(name) => self.own_changes(&name),
            // A function that a name stands for may be any of those made here, or one that came from elsewhere.
            None if matches!(arg, Expr::Variable(..)) => call.name == "for_each" || self.makes_one_that_changes(found),
            None => false,
        };
        CHANGING.contains(&call.name.as_str()) || call.args.iter().skip(from).any(hands_on)
    }

    /// Whether a function is made in `found` that changes what it is called on.
    fn makes_one_that_changes(&self, found: &ScriptFuncDef) -> bool {
        let mut names = BTreeSet::new();
        walk(found, &mut |node, _| {
            if let ASTNode::Expr(expression) = node {
                names.extend(function_of(expression));
            }
        });
        names.iter().any(|name| *name != found.name.as_str() && self.own_changes(name))
    }
}

/// What `found` reads that no digest covers.
pub fn outside(found: &ScriptFuncDef) -> Option<String> {
    let mut why = None;
    walk(found, &mut |node, _| {
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
fn first_method(chain: &Expr) -> Option<&FnCallExpr> {
    match chain {
        Expr::MethodCall(call, _) => Some(call),
        Expr::Dot(parts, ..) | Expr::Index(parts, ..) => first_method(&parts.lhs).or_else(|| first_method(&parts.rhs)),
        _ => None,
    }
}

/// The function that an expression makes or names: a closure, with captures or without, or `Fn("name")`.
fn function_of(expression: &Expr) -> Option<String> {
    match expression {
        Expr::DynamicConstant(value, _) => Some(value.read_lock::<rhai::FnPtr>()?.fn_name().to_owned()),
        Expr::FnCall(call, _) => made_by(call),
        // What a closure captures is made shared first, in a block of its own.
        Expr::Stmt(block) => match block.statements().last()? {
            Stmt::Expr(last) => function_of(last),
            Stmt::FnCall(call, _) => made_by(call),
            _ => None,
        },
        _ => None,
    }
}

/// The function that a call makes.
fn made_by(call: &FnCallExpr) -> Option<String> {
    match (call.name.as_str(), call.args.first()?) {
        ("curry", function) => function_of(function),
        ("Fn", Expr::StringConstant(name, _)) => Some(name.to_string()),
        _ => None,
    }
}

/// A closure that is being made over some outer variables: its name, and for each value that it captures, in the order of its
/// parameters, what is known of the outer variable that it is, if it is one.
fn closure_over(call: &FnCallExpr, of: &dyn Fn(&str) -> Option<bool>) -> Option<(String, Vec<Option<bool>>)> {
    let name = made_by(call)?;
    let given = call.args.iter().skip(1);
    let taken = given.map(|arg| if let Expr::Variable(variable, ..) = arg { of(variable.1.as_str()) } else { None });
    Some((name, taken.collect()))
}
