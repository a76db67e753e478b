//! Statements whose value nobody takes, though making it is all that they do: `frame.sort("x");` gives a new frame and changes
//! nothing.

use rhai::{AST, ASTNode, Expr, Position, Stmt};

/// Methods that change nothing, of frames, data, models and arrays alike. `sort` and `reverse` of an array do, so they count only with
/// a column's name.
const PURE: &[&str] = &[
    "agg",
    "alias",
    "balance",
    "cast",
    "concat",
    "drop_nulls",
    "filter",
    "finetune",
    "finetune_generative",
    "group_by",
    "halves",
    "head",
    "join",
    "label",
    "map",
    "pivot",
    "predict",
    "rename",
    "sample",
    "select",
    "tail",
    "unique",
    "unpivot",
    "with_classes",
    "with_columns",
    "with_note",
    "with_row_index",
];

/// The calls whose answers are dropped, by name.
pub(super) fn dropped(ast: &AST) -> Vec<(String, Position)> {
    let mut found = Vec::new();
    in_block(ast.statements(), &mut found);
    ast.walk(&mut |path: &[ASTNode]| {
        match path.last() {
            Some(ASTNode::Stmt(Stmt::Block(block))) => in_block(block.statements(), &mut found),
            Some(ASTNode::Stmt(Stmt::If(flow, _) | Stmt::While(flow, _) | Stmt::Do(flow, ..))) => {
                in_block(flow.body.statements(), &mut found);
                in_block(flow.branch.statements(), &mut found);
            }
            Some(ASTNode::Stmt(Stmt::For(parts, _))) => in_block(parts.2.body.statements(), &mut found),
            _ => {}
        }
        true
    });
    found
}

/// Statements that are followed by another one: the last one's value is the block's.
fn in_block(statements: &[Stmt], found: &mut Vec<(String, Position)>) {
    let Some((_, before)) = statements.split_last() else { return };
    for statement in before {
        let Stmt::Expr(expression) = statement else { continue };
        let mut last = &**expression;
        while let Expr::Dot(parts, ..) = last {
            last = &parts.rhs;
        }
        let Expr::MethodCall(call, position) = last else { continue };
        let by_column = call.args.iter().any(|arg| matches!(arg, Expr::StringConstant(..)));
        // A closure may do something itself, as in `cells.map(|cell| print(cell))`.
        let is_function = |arg: &Expr| match arg {
            Expr::FnCall(call, _) => call.op_token.is_none(),
            Expr::Variable(..) | Expr::DynamicConstant(..) => true,
            _ => false,
        };
        let does = matches!(call.name.as_str(), "map" | "filter") && call.args.iter().any(is_function);
        let is_pure = PURE.contains(&call.name.as_str()) || (call.name == "sort" && by_column);
        if is_pure && !does {
            found.push((call.name.to_string(), *position));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_value_that_nobody_takes_is_found() {
        let mut engine = rhai::Engine::new();
        engine.set_optimization_level(rhai::OptimizationLevel::None);
        let names = |text: &str| -> Vec<String> {
            dropped(&engine.compile(text).expect("compiles")).into_iter().map(|(name, _)| name).collect()
        };
        assert_eq!(names("let f = 1; f.sort(\"x\"); f.with_columns(1); f"), ["sort", "with_columns"]);
        assert_eq!(
            names("let f = 1; if f > 0 { f.head(3); print(f) } for x in 0..2 { f.select([\"a\"]); x }"),
            ["head", "select"]
        );
        assert_eq!(names("let f = 1; f.a.filter(f.b > 1); f"), ["filter"]);
        for fine in [
            "let f = 1; let g = f.sort(\"x\"); g",
            "let a = [2, 1]; a.sort(); a.push(3); a",
            "let a = [2, 1]; a.map(|x| print(x)); a",
            "let f = 1; f.sort(\"x\")",
        ] {
            assert_eq!(names(fine), [""; 0], "{fine}");
        }
    }
}
