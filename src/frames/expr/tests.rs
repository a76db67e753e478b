//! Expressions: how they read, what is checked, how large they may be.

use super::*;

fn col(name: &str) -> Expr {
    Expr::column(name)
}

fn half() -> Expr {
    Expr::literal(Literal::Float(0.5))
}

#[test]
fn an_expression_reads_as_it_was_written() {
    let above = col("p1").binary(Binary::Greater, &half()).expect("small");
    let both = above.binary(Binary::And, &col("right")).expect("small");
    assert_eq!(both.to_string(), "(col(\"p1\") > 0.5) & col(\"right\")");
    let share = above.aggregate(Aggregate::Mean).expect("small").alias("share").expect("small");
    assert_eq!(share.to_string(), "(col(\"p1\") > 0.5).mean().alias(\"share\")");
    assert_eq!(share.name(), "share");
    assert_eq!(above.name(), "p1");
}

#[test]
fn kinds_are_checked_before_polars_sees_them() {
    let columns = [("p1".to_owned(), Kind::Float), ("id".to_owned(), Kind::String)];
    let sum = col("p1").binary(Binary::Add, &col("id")).expect("small");
    let error = sum.check(&columns).expect_err("a text and a number");
    assert_eq!(error.to_string(), "`+` does not take float and string, in `col(\"p1\") + col(\"id\")`");
    let error = col("p2").check(&columns).expect_err("unknown");
    assert_eq!(error.to_string(), "there is no column `p2`");
    let twice = col("p1").aggregate(Aggregate::Mean).expect("small").aggregate(Aggregate::Sum).expect("small");
    assert!(twice.check(&columns).is_err());
    assert!(col("p1").check_in_group(&columns).is_err());
}

#[test]
fn growth_is_bounded() {
    let mut doubled = col("a");
    let refused = (0..100).find_map(|_| match doubled.binary(Binary::Add, &doubled) {
        Ok(next) => {
            doubled = next;
            None
        }
        Err(error) => Some(error),
    });
    assert!(refused.is_some_and(|error| error.to_string().contains("at most 5000 parts")));
}

/// A frame with integers, numbers with a NaN and a null, and groups.
fn table() -> crate::frames::Frame {
    let csv = "k,n,x\na,1,0.5\na,2,NaN\nb,9223372036854775807,\n";
    crate::frames::Frame::from_bytes(csv.into(), crate::frames::Format::Csv).expect("a table")
}

fn column(frame: &crate::frames::Frame, name: &str) -> Vec<String> {
    let column = frame.table().column(name).expect("there");
    (0..column.len()).map(|row| column.get(row).expect("there").to_string()).collect()
}

#[test]
fn not_a_number_is_above_and_below_nothing() {
    let half =
        |op| col("x").binary(op, &Expr::literal(Literal::Float(0.25))).expect("small").alias("y").expect("small");
    for (op, first) in [
        (Binary::Greater, "true"),
        (Binary::GreaterEqual, "true"),
        (Binary::Less, "false"),
        (Binary::LessEqual, "false"),
    ] {
        let found = table().with_columns(&[half(op)]).expect("computed");
        // As IEEE 754, NumPy and pandas have it.
        assert_eq!(column(&found, "y"), [first, "false", "null"], "{}", op.word());
    }
    assert_eq!(table().filter(&half(Binary::Greater)).expect("filtered").table().height(), 1);
    let none = table()
        .filter(&col("k").binary(Binary::Equal, &Expr::literal(Literal::String("c".to_owned()))).expect("small"));
    assert_eq!(none.expect("filtered").with_columns(&[half(Binary::Less)]).expect("computed").table().height(), 0);
}

#[test]
fn integers_that_overflow_are_refused_and_others_add_up() {
    let one = Expr::literal(Literal::Int(1));
    let more = |of: &Expr, op| of.binary(op, &one).expect("small").alias("y").expect("small");
    let error = table().with_columns(&[more(&col("n"), Binary::Add)]).err().expect("too large").to_string();
    assert!(error.contains("`9223372036854775807 + 1` is not an integer of 64 bits"), "{error}");
    let less = table().with_columns(&[more(&col("n"), Binary::Subtract)]).expect("computed");
    assert_eq!(column(&less, "y"), ["0", "1", "9223372036854775806"]);
    assert!(
        table()
            .with_columns(&[col("n").binary(Binary::Multiply, &col("n")).expect("small").alias("y").expect("small")])
            .is_err()
    );
    let sum = col("n").aggregate(Aggregate::Sum).expect("small");
    assert!(table().select(&[sum.alias("y").expect("small")]).is_err());
    let each = table()
        .group_by(&["k".to_owned()], &[more(&col("n").aggregate(Aggregate::Min).expect("small"), Binary::Subtract)]);
    assert_eq!(column(&each.expect("grouped"), "y"), ["0", "9223372036854775806"]);
}
