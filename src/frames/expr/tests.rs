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
