//! Divisions of integers whose result is meant as a share: `right / n` is 0 until all are right. Types are read off the text:
//! a name that every assignment in the file sets to an integer is one.

use rhai::{AST, ASTNode, Expr, FnCallExpr, Position, Stmt, Token};
use std::collections::{BTreeMap, BTreeSet};

/// Methods and properties that answer an integer.
const INTEGERS: &[&str] = &[
    "len",
    "to_int",
    "height",
    "width",
    "n_rows",
    "n_params",
    "n_classes",
    "round_to_int",
    "count",
    "step",
    "steps",
    "epoch",
];

/// Methods that take a whole number, so that a cut one is meant.
const TAKE_WHOLE: &[&str] =
    &["take", "head", "tail", "extract", "truncate", "pad", "range", "sample", "row", "split_off", "chop"];

/// Where a division of two integers is used as if it had a fraction.
pub(super) fn cut_shares(ast: &AST) -> Vec<Position> {
    let integers = integers(ast);
    let mut found = Vec::new();
    ast.walk(&mut |path: &[ASTNode]| {
        if let Some((last, around)) = path.split_last()
            && let Some((call, position)) = called(last)
            && let Some([a, b]) = operands(call, &Token::Divide)
            && is_integer(a, &integers)
            && is_integer(b, &integers)
            && is_share(a, b, around, &integers)
        {
            found.push(position);
        }
        true
    });
    found
}

/// Whether the quotient of these two, inside `around`, is meant to have a fraction.
fn is_share(a: &Expr, b: &Expr, around: &[ASTNode], integers: &BTreeSet<String>) -> bool {
    if let (Expr::IntegerConstant(a, _), Expr::IntegerConstant(b, _)) = (a, b) {
        return *b != 0 && a % b != 0;
    }
    // Met by a float, it is a number with a fraction.
    let meets_float = around.iter().rev().take(2).filter_map(called).any(|(call, _)| {
        let is_own = |arg: &Expr| matches!(arg, Expr::FloatConstant(..));
        call.op_token.is_some() && call.args.iter().any(is_own)
    });
    if meets_float {
        return true;
    }
    if matches!(b, Expr::IntegerConstant(..)) {
        return false;
    }
    // An index, a bound of a range, a remainder, a number of rows.
    let is_whole = around.iter().rev().take(3).any(|node| match node {
        ASTNode::Expr(Expr::Index(..)) | ASTNode::Stmt(Stmt::For(..)) => true,
        node => called(node).is_some_and(|(call, _)| {
            let whole = [Token::ExclusiveRange, Token::InclusiveRange, Token::Modulo];
            let with_integer = call.op_token.is_some() && call.args.iter().all(|arg| is_integer(arg, integers));
            call.op_token.as_ref().is_some_and(|token| whole.contains(token))
                || TAKE_WHOLE.contains(&call.name.as_str())
                || (with_integer && matches!(call.op_token, Some(Token::Multiply)))
        }),
    });
    !is_whole
}

fn called<'n>(node: &'n ASTNode) -> Option<(&'n FnCallExpr, Position)> {
    match node {
        ASTNode::Stmt(Stmt::FnCall(call, position))
        | ASTNode::Expr(Expr::FnCall(call, position) | Expr::MethodCall(call, position)) => Some((call, *position)),
        _ => None,
    }
}

fn operands<'e>(call: &'e FnCallExpr, token: &Token) -> Option<&'e [Expr; 2]> {
    (call.op_token.as_ref() == Some(token)).then(|| call.args[..].try_into().ok()).flatten()
}

/// Names that hold integers wherever the file sets them.
fn integers(ast: &AST) -> BTreeSet<String> {
    let mut set: BTreeMap<String, Vec<Expr>> = BTreeMap::new();
    let mut other: BTreeSet<String> = BTreeSet::new();
    ast.iter_functions().for_each(|function| other.extend(function.params.iter().map(|name| (*name).to_owned())));
    ast.walk(&mut |path: &[ASTNode]| {
        match path.last() {
            Some(ASTNode::Stmt(Stmt::Var(parts, ..))) => {
                set.entry(parts.0.name.to_string()).or_default().push(parts.1.clone());
            }
            Some(ASTNode::Stmt(Stmt::Assignment(parts))) => {
                if let Expr::Variable(name, ..) = &parts.1.lhs {
                    set.entry(name.1.to_string()).or_default().push(parts.1.rhs.clone());
                }
            }
            Some(ASTNode::Stmt(Stmt::For(parts, _))) => {
                other.insert(parts.0.name.to_string());
            }
            _ => {}
        }
        true
    });
    let mut names: BTreeSet<String> = set.keys().filter(|name| !other.contains(*name)).cloned().collect();
    // Names that are set from each other: taken for integers until one is not.
    loop {
        let still: BTreeSet<String> = names
            .iter()
            .filter(|name| set.get(*name).into_iter().flatten().all(|value| is_integer(value, &names)))
            .cloned()
            .collect();
        if still.len() == names.len() {
            return names;
        }
        names = still;
    }
}

fn is_integer(expression: &Expr, integers: &BTreeSet<String>) -> bool {
    match expression {
        Expr::IntegerConstant(..) => true,
        Expr::Variable(name, ..) => name.2.is_empty() && integers.contains(name.1.as_str()),
        Expr::FnCall(call, _) => match &call.op_token {
            Some(Token::Plus | Token::Minus | Token::Multiply | Token::Divide | Token::Modulo) => {
                call.args.iter().all(|arg| is_integer(arg, integers))
            }
            Some(_) => false,
            None => call.namespace.is_empty() && matches!(call.name.as_str(), "len" | "parse_int" | "to_int"),
        },
        Expr::Dot(parts, ..) => match &parts.rhs {
            Expr::MethodCall(call, _) => INTEGERS.contains(&call.name.as_str()),
            Expr::Property(property, _) => INTEGERS.contains(&property.2.as_str()),
            rest @ Expr::Dot(..) => is_integer(rest, integers),
            _ => false,
        },
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Columns at which a text is warned of.
    fn warned(text: &str) -> Vec<usize> {
        let mut engine = rhai::Engine::new();
        engine.set_optimization_level(rhai::OptimizationLevel::None);
        let ast = engine.compile(text).expect("compiles");
        cut_shares(&ast).iter().filter_map(|position| position.position()).collect()
    }

    #[test]
    fn shares_are_told_from_halves() {
        for wrong in [
            "let right = 0; right += 1; let n = 7; print(right / n)",
            "let rows = [1]; let right = 3; let share = right / rows.len();",
            "let n = [1, 2].len(); if n / 2 > 0.5 { }",
            "1 / 2",
            "let loss = |z, w, at| at.step / at.steps;",
            "fn f(rows) { let n = 0; for r in rows { n += 1; } n / rows.len() }",
        ] {
            assert_eq!(warned(wrong), [wrong.find('/').expect("divides") + 1], "{wrong}");
        }
        for right in [
            "let n = 10; let half = n / 2;",
            "4 / 2",
            "let a = [1, 2, 3]; let n = 2; a[a.len() / n]",
            "let n = 9; let k = 3; for i in 0..n / k { }",
            "let right = 1.0; let n = 7; right / n",
            "let n = 7; let right = 3; right.to_float() / n",
            "fn f(a, b) { a / b }",
            "let x = 3; x = 1.5; let n = 2; x / n",
        ] {
            assert_eq!(warned(right), [0usize; 0], "{right}");
        }
    }
}
