//! The types of the module as script values.

use crate::bind::{Trace, Value};
use crate::core::digest::Digest;
use crate::frames::expr::Expr;
use crate::frames::{BOUNDS, Frame};

impl Value for Frame {
    const NAME: &'static str = "Frame";
    const ABOUT: &'static str =
        "An immutable polars table: columns of bools, integers, floats and strings, with nulls.";

    fn show(&self) -> String {
        Frame::show(self, BOUNDS)
    }

    fn same(&self, other: &Self) -> bool {
        self.equals(other)
    }

    fn digest(&self, _trace: &mut Trace) -> Digest {
        Frame::digest(self)
    }
}

impl Value for Expr {
    const NAME: &'static str = "Expr";
    const ABOUT: &'static str = "A computation over the columns of a frame, such as `col(\"p1\") > 0.5`; it runs when a \
                                 frame's verb is given it.";
    /// `==` between expressions is a comparison yet to be made.
    const EQUATES: bool = false;

    fn show(&self) -> String {
        self.to_string()
    }

    fn same(&self, other: &Self) -> bool {
        self == other
    }

    fn digest(&self, _trace: &mut Trace) -> Digest {
        Expr::digest(self)
    }
}

/// The text functions of an expression, as polars' `.str`.
#[derive(Clone, PartialEq)]
pub struct StrExpr(pub Expr);

impl Value for StrExpr {
    const NAME: &'static str = "StrExpr";
    const ABOUT: &'static str = "The text functions of an expression: `col(\"text\").str.contains(\"not\")`.";

    fn show(&self) -> String {
        format!("{}.str", self.0)
    }

    fn same(&self, other: &Self) -> bool {
        self == other
    }

    fn digest(&self, _trace: &mut Trace) -> Digest {
        Digest::of("str", 1).digest("of", self.0.digest()).finish()
    }
}

/// `when(…).then(…)` before its `otherwise`.
#[derive(Clone, PartialEq)]
pub struct When {
    /// Conditions with their values.
    pub cases: Vec<(Expr, Expr)>,
    /// A condition that still has no value.
    pub open: Option<Expr>,
}

impl Value for When {
    const NAME: &'static str = "When";
    const ABOUT: &'static str = "A choice between values by conditions, ended by `.otherwise(…)`.";

    fn show(&self) -> String {
        let cases: Vec<String> = self.cases.iter().map(|(when, then)| format!("when({when}).then({then})")).collect();
        let open: Vec<String> = self.open.iter().map(|when| format!("when({when})")).collect();
        [cases, open].concat().join(".")
    }

    fn same(&self, other: &Self) -> bool {
        self == other
    }

    fn digest(&self, _trace: &mut Trace) -> Digest {
        let made = self.cases.iter().fold(Digest::of("when", 1), |made, (when, then)| {
            made.digest("when", when.digest()).digest("then", then.digest())
        });
        self.open.iter().fold(made, |made, when| made.digest("open", when.digest())).finish()
    }
}

/// A frame with the columns that its groups agree in.
#[derive(Clone)]
pub struct GroupBy {
    pub frame: Frame,
    pub keys: Vec<String>,
}

impl Value for GroupBy {
    const NAME: &'static str = "GroupBy";
    const ABOUT: &'static str = "The groups of a frame, waiting for `.agg([…])`.";

    fn show(&self) -> String {
        format!("{} rows grouped by {}", self.frame.height(), self.keys.join(", "))
    }

    fn same(&self, other: &Self) -> bool {
        self.keys == other.keys && self.frame.equals(&other.frame)
    }

    fn digest(&self, _trace: &mut Trace) -> Digest {
        let made = Digest::of("group_by", 1).digest("frame", self.frame.digest());
        self.keys.iter().fold(made, |made, key| made.text("key", key)).finish()
    }
}
