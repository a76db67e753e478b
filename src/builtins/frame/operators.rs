//! Operators between expressions and constants, in both orders. `&&`, `||` and `if` belong to Rhai and take plain truth
//! values only: expressions are joined by `&` and `|`.

use super::convert::Operand;
use crate::bind::prelude::*;
use crate::frames::expr::{Binary, Expr, Unary};

type Row = (&'static str, fn(&mut Call) -> Answer, fn(&mut Call) -> Answer, &'static str, &'static str, &'static str);

/// Lists the operators.
pub fn register(registry: &mut Registry) {
    let numbers: [Row; 5] = [
        (
            "+",
            |c| forward(c, Binary::Add),
            |c| reverse(c, Binary::Add),
            "Adds; joins two texts.",
            "frame::of(#{ x: [1, 2] }).select(col(\"x\") + 0.5).column(\"x\")",
            "[1.5, 2.5]",
        ),
        (
            "-",
            subtract,
            |c| reverse(c, Binary::Subtract),
            "Subtracts; with one operand, changes the sign.",
            "frame::of(#{ x: [1, 2] }).select(1 - (-col(\"x\"))).column(\"x\")",
            "[2, 3]",
        ),
        (
            "*",
            |c| forward(c, Binary::Multiply),
            |c| reverse(c, Binary::Multiply),
            "Multiplies.",
            "frame::of(#{ x: [1, 2] }).select(2 * col(\"x\")).column(\"x\")",
            "[2, 4]",
        ),
        (
            "/",
            |c| forward(c, Binary::Divide),
            |c| reverse(c, Binary::Divide),
            "Divides; the result is a float, of integers too.",
            "frame::of(#{ x: [1, 2] }).select(1 / col(\"x\")).column(\"x\")",
            "[1.0, 0.5]",
        ),
        (
            "%",
            |c| forward(c, Binary::Modulo),
            |c| reverse(c, Binary::Modulo),
            "The remainder of a division.",
            "frame::of(#{ x: [5, 6] }).select(col(\"x\") % 3).column(\"x\")",
            "[2, 0]",
        ),
    ];
    for row in numbers {
        both_ways(
            registry,
            row,
            "frame::of(#{ x: [1] }).select(col(\"x\") * \"a\")",
            "`*` does not take int and string",
        );
    }
    let comparisons: [Row; 6] = [
        (
            "==",
            |c| forward(c, Binary::Equal),
            |c| reverse(c, Binary::Equal),
            "Whether two values are equal; an expression, not a truth value.",
            "frame::of(#{ x: [1, 2] }).select(col(\"x\") == 2).column(\"x\")",
            "[false, true]",
        ),
        (
            "!=",
            |c| forward(c, Binary::NotEqual),
            |c| reverse(c, Binary::NotEqual),
            "Whether two values differ; an expression, not a truth value.",
            "frame::of(#{ x: [\"a\", \"b\"] }).filter(col(\"x\") != \"a\").height",
            "1",
        ),
        (
            "<",
            |c| forward(c, Binary::Less),
            |c| reverse(c, Binary::Less),
            "Whether the left value is the smaller.",
            "frame::of(#{ x: [1, 2] }).select(1 < col(\"x\")).column(\"x\")",
            "[false, true]",
        ),
        (
            "<=",
            |c| forward(c, Binary::LessEqual),
            |c| reverse(c, Binary::LessEqual),
            "Whether the left value is not the larger.",
            "frame::of(#{ x: [1, 2] }).filter(col(\"x\") <= 1.5).height",
            "1",
        ),
        (
            ">",
            |c| forward(c, Binary::Greater),
            |c| reverse(c, Binary::Greater),
            "Whether the left value is the larger.",
            "frame::of(#{ p1: [0.2, 0.9] }).filter(col(\"p1\") > 0.5).height",
            "1",
        ),
        (
            ">=",
            |c| forward(c, Binary::GreaterEqual),
            |c| reverse(c, Binary::GreaterEqual),
            "Whether the left value is not the smaller.",
            "frame::of(#{ p1: [0.5, 0.9] }).filter(col(\"p1\") >= 0.5).height",
            "2",
        ),
    ];
    for row in comparisons {
        both_ways(
            registry,
            row,
            "frame::of(#{ x: [1] }).filter(col(\"x\") == \"a\")",
            "`==` does not take int and string",
        );
    }
    let logic: [Row; 2] = [
        (
            "&",
            |c| forward(c, Binary::And),
            |c| reverse(c, Binary::And),
            "Whether both hold. Put each comparison in parentheses; `&&` cannot join expressions.",
            "frame::of(#{ x: [1, 2, 3] }).filter((col(\"x\") > 1) & (col(\"x\") < 3)).height",
            "1",
        ),
        (
            "|",
            |c| forward(c, Binary::Or),
            |c| reverse(c, Binary::Or),
            "Whether one of them holds. Put each comparison in parentheses; `||` cannot join expressions.",
            "frame::of(#{ x: [1, 2, 3] }).filter((col(\"x\") < 2) | (col(\"x\") > 2)).height",
            "2",
        ),
    ];
    for (name, run, reversed, about, code, result) in logic {
        let failing =
            ("frame::of(#{ x: [1] }).filter((col(\"x\") > 0) & col(\"x\"))", "`&` does not take bool and int");
        registry.add(record(Function::operator::<Expr>(name, run), about, code, result, failing));
        let mirrored = Function::reverse_operator::<bool, Expr>(name, reversed);
        registry.add(record(mirrored, about, code, result, failing));
    }
    registry.add(
        Function::operator::<Expr>("!", |call| Ok(Dynamic::from(call.receiver::<Expr>()?.unary(Unary::Not)?)))
            .about("Whether the truth value is false.")
            .source("polars")
            .returns("Expr: a truth value per row")
            .example("frame::of(#{ x: [1, 2] }).filter(!(col(\"x\") == 1)).height", "1")
            .fails("frame::of(#{ x: [1] }).filter(!col(\"x\"))", "`!` does not take int"),
    );
}

fn both_ways(registry: &mut Registry, row: Row, bad: &'static str, message: &'static str) {
    let (name, run, reversed, about, code, result) = row;
    let mut first = record(Function::operator::<Expr>(name, run), about, code, result, (bad, message));
    if name == "-" {
        first.params.iter_mut().for_each(|param| param.optional = true);
    }
    registry.add(first);
    for mirrored in [
        Function::reverse_operator::<f64, Expr>(name, reversed),
        Function::reverse_operator::<INT, Expr>(name, reversed),
        Function::reverse_operator::<ImmutableString, Expr>(name, reversed),
    ] {
        registry.add(record(mirrored, about, code, result, (bad, message)));
    }
}

fn record(
    function: Function,
    about: &'static str,
    code: &'static str,
    result: &'static str,
    failing: (&'static str, &'static str),
) -> Function {
    function
        .about(about)
        .details("Null where an operand is null. The result is named after the first column.")
        .source("polars")
        .param::<Operand>("other", "an expression or a constant")
        .returns("Expr: one value per row")
        .example(code, result)
        .fails(failing.0, failing.1)
}

/// `a - b`, or `-a`.
fn subtract(call: &mut Call) -> Answer {
    if call.args.len() == 1 {
        Ok(Dynamic::from(call.receiver::<Expr>()?.unary(Unary::Negate)?))
    } else {
        forward(call, Binary::Subtract)
    }
}

fn forward(call: &Call, op: Binary) -> Answer {
    Ok(Dynamic::from(call.receiver::<Expr>()?.binary(op, &call.arg::<Operand>(0)?.0)?))
}

fn reverse(call: &Call, op: Binary) -> Answer {
    Ok(Dynamic::from(call.receiver::<Operand>()?.0.binary(op, &call.arg::<Operand>(0)?.0)?))
}
