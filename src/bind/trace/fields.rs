//! Which fields of a row a script's function reads, and what it compares them with: so that a field that no row has, and a
//! comparison that can never be true, are errors and not silence.

use super::scope::{Scope, walk};
use rhai::{ASTNode, Expr, FnCallExpr, FnPtr, NativeCallContext, Position, ScriptFuncDef, Stmt};
use std::collections::BTreeSet;

/// What a function does with its first parameter, a row.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RowUse {
    /// Fields that are read, each with where.
    pub reads: Vec<(String, Position)>,
    /// Fields that the function adds itself.
    pub sets: BTreeSet<String>,
    pub compares: Vec<Comparison>,
}

/// A comparison of a field with a constant.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    pub field: String,
    /// Whether the constant is a number; else it is a text.
    pub with_number: bool,
    pub position: Position,
}

/// What `function` does with the first argument that it is called with, through the functions that it passes the row on to.
pub fn row_use(context: &NativeCallContext, function: &FnPtr) -> RowUse {
    let modules: Vec<&rhai::Module> = context.iter_namespaces().collect();
    let mut look = Look { modules, used: RowUse::default(), asked: BTreeSet::new(), seen: BTreeSet::new() };
    let n_captured = function.curry().len();
    for found in look.named(function.fn_name()) {
        look.function(&found, n_captured);
    }
    let RowUse { reads, sets, compares } = look.used;
    let is_sure = |field: &String| !sets.contains(field) && !look.asked.contains(field);
    let reads = reads.into_iter().filter(|(field, _)| is_sure(field)).collect();
    RowUse { reads, sets, compares }
}

struct Look<'a> {
    modules: Vec<&'a rhai::Module>,
    used: RowUse,
    /// Fields whose absence the function provides for: it compares them with `()`, or gives what stands for nothing.
    asked: BTreeSet<String>,
    seen: BTreeSet<(String, usize)>,
}

impl Look<'_> {
    fn named(&self, name: &str) -> Vec<ScriptFuncDef> {
        let all = self.modules.iter().flat_map(|module| module.iter_script_fn_info());
        all.filter(|(_, _, found, ..)| *found == name).map(|(.., found)| (**found).clone()).collect()
    }

    /// Looks into a function that gets the row as its parameter `at`.
    fn function(&mut self, found: &ScriptFuncDef, at: usize) {
        let Some(row) = found.params.get(at).map(ToString::to_string) else { return };
        if !self.seen.insert((found.name.to_string(), at)) {
            return;
        }
        // What is set here.
        let mut excused: BTreeSet<(Option<usize>, Option<usize>)> = BTreeSet::new();
        let mut passed: Vec<(String, usize, usize)> = Vec::new();
        let (used, asked) = (&mut self.used, &mut self.asked);
        let key = |position: Position| (position.line(), position.position());
        walk(found, &mut |node, scope| {
            let of = |expression: &Expr| field(expression, &row, scope);
            match node {
                ASTNode::Stmt(Stmt::Assignment(parts)) if !parts.0.is_op_assignment() => {
                    if let Some((name, position)) = of(&parts.1.lhs) {
                        used.sets.insert(name);
                        excused.insert(key(position));
                    }
                }
                ASTNode::Expr(Expr::Coalesce(parts, _)) => {
                    asked.extend(parts.iter().filter_map(of).map(|(field, _)| field));
                }
                ASTNode::Expr(expression @ (Expr::Dot(..) | Expr::Index(..))) => {
                    if let Some((name, position)) =
                        of(expression).filter(|(_, position)| !excused.contains(&key(*position)))
                    {
                        used.reads.push((name, position));
                    }
                }
                _ => {}
            }
            let Some((call, position)) = called(node) else { return };
            if let [a, b] = &call.args[..]
                && matches!(call.name.as_str(), "==" | "!=" | "<" | "<=" | ">" | ">=")
            {
                for (side, other) in [(a, b), (b, a)] {
                    let Some((field, _)) = of(side).filter(|_| is_alone(side)) else { continue };
                    match constant(other) {
                        Some(Constant::Nothing) => {
                            asked.insert(field);
                        }
                        Some(kind) => {
                            let with_number = kind == Constant::Number;
                            used.compares.push(Comparison { field, with_number, position });
                        }
                        None => {}
                    }
                }
            } else if call.namespace.is_empty() {
                let is_row = |arg: &Expr| matches!(arg, Expr::Variable(name, ..) if name.1 == row && !scope.has(&row));
                let given = call.args.iter().enumerate().filter(|(_, arg)| is_row(arg));
                passed.extend(given.map(|(at, _)| (call.name.to_string(), at, call.args.len())));
            }
        });
        for (name, at, n_args) in passed {
            for inner in self.named(&name).into_iter().filter(|inner| inner.params.len() == n_args) {
                self.function(&inner, at);
            }
        }
    }
}

fn called<'n>(node: &'n ASTNode) -> Option<(&'n FnCallExpr, Position)> {
    match node {
        ASTNode::Stmt(Stmt::FnCall(call, position)) | ASTNode::Expr(Expr::FnCall(call, position)) => {
            Some((call, *position))
        }
        _ => None,
    }
}

/// Whether nothing follows the field: `row.text.len()` is another value than the field's.
fn is_alone(expression: &Expr) -> bool {
    let (Expr::Dot(parts, ..) | Expr::Index(parts, ..)) = expression else { return false };
    matches!(&parts.rhs, Expr::Property(..) | Expr::StringConstant(..))
}

/// `row.field` or `row["field"]`, whatever follows: the field and where it stands.
fn field(expression: &Expr, row: &str, scope: &Scope) -> Option<(String, Position)> {
    let (Expr::Dot(parts, ..) | Expr::Index(parts, ..)) = expression else { return None };
    let is_row =
        matches!(&parts.lhs, Expr::Variable(name, ..) if name.1 == row && name.2.is_empty() && !scope.has(row));
    if !is_row {
        return None;
    }
    let first = match &parts.rhs {
        Expr::Dot(rest, ..) | Expr::Index(rest, ..) => &rest.lhs,
        alone => alone,
    };
    match first {
        Expr::Property(property, position) => Some((property.2.to_string(), *position)),
        Expr::StringConstant(name, position) => Some((name.to_string(), *position)),
        _ => None,
    }
}

#[derive(PartialEq)]
enum Constant {
    Number,
    Text,
    Nothing,
}

fn constant(expression: &Expr) -> Option<Constant> {
    match expression {
        Expr::IntegerConstant(..) | Expr::FloatConstant(..) => Some(Constant::Number),
        Expr::StringConstant(..) | Expr::InterpolatedString(..) => Some(Constant::Text),
        Expr::Unit(..) => Some(Constant::Nothing),
        _ => None,
    }
}
