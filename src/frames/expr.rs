//! Expressions over the columns of a frame: what `col("p1") > 0.5` builds.
//!
//! An expression is checked against a frame's columns before polars sees it, so that a misspelt column or an addition of
//! a text and a number is explained in the frame's own words.

mod exact;
mod special;

use super::content::Kind;
use super::error::FrameError;
use crate::core::digest::Digest;
use polars::prelude::{self as pl, DataType, Expr as Plan, NamedFrom, Operator, Series};
pub use special::Edges;
use std::fmt;
use std::sync::Arc;

/// The deepest nesting of an expression. Arbitrary: polars recurses on threads with small stacks.
const MAX_DEPTH: usize = 200;

/// The most parts of one expression. Arbitrary: `e + e` doubles at each step of a loop.
const MAX_PARTS: usize = 5_000;

/// The most values in `is_in`. Arbitrary.
const MAX_LISTED: usize = 1_000_000;

/// A value written in an expression.
#[derive(Debug, Clone, PartialEq)]
pub enum Literal {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    String(String),
}

/// One operand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unary {
    Not,
    Negate,
    Abs,
    Exp,
    Sqrt,
    IsNull,
    IsNotNull,
    IsNan,
    CumSum,
    Lowercase,
    Uppercase,
    LenChars,
}

/// Two operands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Binary {
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    And,
    Or,
    FillNull,
    Contains,
    StartsWith,
    EndsWith,
}

/// Many values to one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Aggregate {
    Mean,
    Sum,
    Min,
    Max,
    Median,
    /// Sample standard deviation, n − 1.
    Std,
    /// Sample variance, n − 1.
    Var,
    /// Values that are not null.
    Count,
    /// Rows, nulls among them.
    Len,
    NUnique,
    First,
    Last,
    /// Linear interpolation between the two nearest values.
    Quantile(f64),
}

/// How equal values are ranked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RankMethod {
    Average,
    Min,
    Max,
    Dense,
    Ordinal,
}

#[derive(Debug, Clone, PartialEq)]
enum Node {
    Column(String),
    Literal(Literal),
    Unary(Unary, Expr),
    Binary(Binary, Expr, Expr),
    Aggregate(Aggregate, Expr),
    Log(Expr, f64),
    Round(Expr, u32),
    IsIn(Expr, Vec<Literal>),
    Alias(Expr, String),
    Cast(Expr, Kind),
    Rank(Expr, RankMethod, bool),
    Over(Expr, Vec<String>),
    Shift(Expr, i64),
    Special(special::Special, Expr),
    When(Vec<(Expr, Expr)>, Expr),
}

/// An expression. Cheap to clone.
#[derive(Clone, PartialEq)]
pub struct Expr {
    node: Arc<Node>,
    depth: usize,
    n_parts: usize,
}

/// How many values an expression has in a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Shape {
    /// A constant: as many as asked for.
    Constant,
    /// One: an aggregate.
    One,
    /// One per row.
    Rows,
}

impl Expr {
    /// What the expression computes.
    pub fn digest(&self) -> Digest {
        Digest::of("expression", 1).text("nodes", &format!("{self:?}")).finish()
    }

    /// The column called `name`.
    pub fn column(name: impl Into<String>) -> Expr {
        Expr { node: Arc::new(Node::Column(name.into())), depth: 1, n_parts: 1 }
    }

    /// A constant.
    pub fn literal(value: Literal) -> Expr {
        Expr { node: Arc::new(Node::Literal(value)), depth: 1, n_parts: 1 }
    }

    /// `op self`.
    pub fn unary(&self, op: Unary) -> Result<Expr, FrameError> {
        Expr::build(Node::Unary(op, self.clone()), &[self])
    }

    /// `self op other`.
    pub fn binary(&self, op: Binary, other: &Expr) -> Result<Expr, FrameError> {
        Expr::build(Node::Binary(op, self.clone(), other.clone()), &[self, other])
    }

    /// All rows, or all of a group, to one value.
    pub fn aggregate(&self, op: Aggregate) -> Result<Expr, FrameError> {
        if let Aggregate::Quantile(q) = op
            && !(0.0..=1.0).contains(&q)
        {
            return Err(FrameError::Expression(format!("a quantile is between 0 and 1, not `{q}`")));
        }
        Expr::build(Node::Aggregate(op, self.clone()), &[self])
    }

    /// Logarithm to `base`.
    pub fn log(&self, base: f64) -> Result<Expr, FrameError> {
        if !(base > 0.0 && base.is_finite() && base != 1.0) {
            return Err(FrameError::Expression(format!("the base of a logarithm is positive and not 1, not `{base}`")));
        }
        Expr::build(Node::Log(self.clone(), base), &[self])
    }

    /// Rounds to `decimals` places, halves away from zero.
    pub fn round(&self, decimals: u32) -> Result<Expr, FrameError> {
        if decimals > 300 {
            return Err(FrameError::Expression(format!("a float has at most 300 decimals, not `{decimals}`")));
        }
        Expr::build(Node::Round(self.clone(), decimals), &[self])
    }

    /// Whether the value is one of `values`.
    pub fn is_in(&self, values: Vec<Literal>) -> Result<Expr, FrameError> {
        if values.len() > MAX_LISTED {
            let n = values.len();
            return Err(FrameError::Expression(format!(
                "`is_in` takes at most {MAX_LISTED} values, not {n}: use a semi join"
            )));
        }
        Expr::build(Node::IsIn(self.clone(), values), &[self])
    }

    /// Names the result.
    pub fn alias(&self, name: impl Into<String>) -> Result<Expr, FrameError> {
        Expr::build(Node::Alias(self.clone(), name.into()), &[self])
    }

    /// Converts to another kind; fails, when run, on a value that has no counterpart.
    pub fn cast(&self, kind: Kind) -> Result<Expr, FrameError> {
        Expr::build(Node::Cast(self.clone(), kind), &[self])
    }

    /// Ranks from 1.
    pub fn rank(&self, method: RankMethod, descending: bool) -> Result<Expr, FrameError> {
        Expr::build(Node::Rank(self.clone(), method, descending), &[self])
    }

    /// Computes within the groups of `keys`, and gives each row its group's result.
    pub fn over(&self, keys: Vec<String>) -> Result<Expr, FrameError> {
        if keys.is_empty() {
            return Err(FrameError::Expression("`over` needs at least one column".to_owned()));
        }
        Expr::build(Node::Over(self.clone(), keys), &[self])
    }

    /// Moves values `n` rows down; null where none comes.
    pub fn shift(&self, n: i64) -> Result<Expr, FrameError> {
        Expr::build(Node::Shift(self.clone(), n), &[self])
    }

    /// The value beside the first condition that holds, else `otherwise`.
    pub fn when(cases: Vec<(Expr, Expr)>, otherwise: Expr) -> Result<Expr, FrameError> {
        if cases.is_empty() {
            return Err(FrameError::Expression("`when` needs a condition and a value: `when(…).then(…)`".to_owned()));
        }
        let parts: Vec<Expr> =
            cases.iter().flat_map(|(when, then)| [when.clone(), then.clone()]).chain([otherwise.clone()]).collect();
        let parts: Vec<&Expr> = parts.iter().collect();
        Expr::build(Node::When(cases, otherwise), &parts)
    }

    fn build(node: Node, parts: &[&Expr]) -> Result<Expr, FrameError> {
        let depth = 1 + parts.iter().map(|part| part.depth).max().unwrap_or(0);
        let n_parts = parts.iter().fold(1usize, |sum, part| sum.saturating_add(part.n_parts));
        if depth > MAX_DEPTH || n_parts > MAX_PARTS {
            return Err(FrameError::Expression(format!(
                "an expression has at most {MAX_PARTS} parts, nested at most {MAX_DEPTH} deep; this one has {n_parts}, {depth} deep"
            )));
        }
        Ok(Expr { node: Arc::new(node), depth, n_parts })
    }

    /// The result's column name: the alias, or the first column that occurs, or `literal`.
    pub fn name(&self) -> String {
        match &*self.node {
            Node::Column(name) | Node::Alias(_, name) => name.clone(),
            Node::Literal(_) => "literal".to_owned(),
            Node::When(cases, _) => cases.first().map_or_else(|| "literal".to_owned(), |(_, then)| then.name()),
            Node::Binary(_, a, b) if matches!(*a.node, Node::Literal(_)) => b.name(),
            Node::Unary(_, of)
            | Node::Binary(_, of, _)
            | Node::Aggregate(_, of)
            | Node::Log(of, _)
            | Node::Round(of, _)
            | Node::IsIn(of, _)
            | Node::Cast(of, _)
            | Node::Rank(of, ..)
            | Node::Over(of, _)
            | Node::Special(_, of)
            | Node::Shift(of, _) => of.name(),
        }
    }

    /// The column that it is, under a name of its own or not.
    pub(super) fn source(&self) -> Option<&str> {
        match &*self.node {
            Node::Column(name) => Some(name),
            Node::Alias(of, _) => of.source(),
            _ => None,
        }
    }

    /// Whether it looks at other groups' rows, which a group cannot.
    fn has_over(&self) -> bool {
        match &*self.node {
            Node::Over(..) => true,
            Node::Column(_) | Node::Literal(_) => false,
            Node::When(cases, otherwise) => {
                otherwise.has_over() || cases.iter().any(|(when, then)| when.has_over() || then.has_over())
            }
            Node::Binary(_, a, b) => a.has_over() || b.has_over(),
            Node::Unary(_, of)
            | Node::Aggregate(_, of)
            | Node::Log(of, _)
            | Node::Round(of, _)
            | Node::IsIn(of, _)
            | Node::Alias(of, _)
            | Node::Cast(of, _)
            | Node::Rank(of, ..)
            | Node::Special(_, of)
            | Node::Shift(of, _) => of.has_over(),
        }
    }

    /// The kind (none for a null) and the shape over columns of these kinds, or what does not fit.
    pub fn check(&self, columns: &[(String, Kind)]) -> Result<(Option<Kind>, Shape), FrameError> {
        let refuse = |what: String| Err(FrameError::Expression(format!("{what}, in `{self}`")));
        match &*self.node {
            Node::Column(name) => match columns.iter().find(|(known, _)| known == name) {
                Some((_, kind)) => Ok((Some(*kind), Shape::Rows)),
                None => Err(no_column(name, columns)),
            },
            Node::Literal(value) => Ok((value.kind(), Shape::Constant)),
            Node::Alias(of, _) => of.check(columns),
            Node::Cast(of, kind) => Ok((Some(*kind), of.check(columns)?.1)),
            Node::Unary(op, of) => {
                let (kind, shape) = of.check(columns)?;
                match (op, kind) {
                    (Unary::IsNull | Unary::IsNotNull, _) => Ok((Some(Kind::Bool), shape)),
                    (Unary::Not, Some(Kind::Bool)) => Ok((kind, shape)),
                    (Unary::Negate | Unary::Abs, Some(Kind::Int | Kind::Float)) => Ok((kind, shape)),
                    (Unary::CumSum, Some(Kind::Int | Kind::Float)) if shape == Shape::Rows => Ok((kind, shape)),
                    (Unary::CumSum, Some(Kind::Bool)) if shape == Shape::Rows => Ok((Some(Kind::Int), shape)),
                    (Unary::Exp | Unary::Sqrt, Some(Kind::Int | Kind::Float)) => Ok((Some(Kind::Float), shape)),
                    (Unary::IsNan, Some(Kind::Int | Kind::Float)) => Ok((Some(Kind::Bool), shape)),
                    (Unary::Lowercase | Unary::Uppercase, Some(Kind::String)) => Ok((kind, shape)),
                    (Unary::LenChars, Some(Kind::String)) => Ok((Some(Kind::Int), shape)),
                    _ => refuse(format!("`{}` does not take {}", op.word(), kind_name(kind))),
                }
            }
            Node::Binary(op, a, b) => {
                let ((left, left_shape), (right, right_shape)) = (a.check(columns)?, b.check(columns)?);
                let shape = left_shape.max(right_shape);
                match op.kind(left, right) {
                    Some(kind) => Ok((kind, shape)),
                    None => {
                        refuse(format!("`{}` does not take {} and {}", op.word(), kind_name(left), kind_name(right)))
                    }
                }
            }
            Node::Aggregate(op, of) => {
                let (kind, shape) = of.check(columns)?;
                if shape != Shape::Rows {
                    return refuse(format!("`{}` needs a value per row, but has one value already", op.word()));
                }
                match op.kind(kind) {
                    Some(kind) => Ok((Some(kind), Shape::One)),
                    None => refuse(format!("`{}` does not take {}", op.word(), kind_name(kind))),
                }
            }
            Node::Log(of, _) => match of.check(columns)? {
                (Some(Kind::Int | Kind::Float), shape) => Ok((Some(Kind::Float), shape)),
                (kind, _) => refuse(format!("`log` does not take {}", kind_name(kind))),
            },
            Node::Round(of, _) => match of.check(columns)? {
                (Some(kind @ (Kind::Int | Kind::Float)), shape) => Ok((Some(kind), shape)),
                (kind, _) => refuse(format!("`round` does not take {}", kind_name(kind))),
            },
            Node::IsIn(of, values) => {
                let (kind, shape) = of.check(columns)?;
                for value in values {
                    if Binary::Equal.kind(kind, value.kind()).is_none() {
                        return refuse(format!(
                            "`is_in` cannot look for `{value}` among values of kind {}",
                            kind_name(kind)
                        ));
                    }
                }
                Ok((Some(Kind::Bool), shape))
            }
            Node::Rank(of, method, _) => match of.check(columns)? {
                (Some(_), Shape::Rows) => {
                    let kind = if *method == RankMethod::Average { Kind::Float } else { Kind::Int };
                    Ok((Some(kind), Shape::Rows))
                }
                _ => refuse("`rank` needs a value per row".to_owned()),
            },
            Node::Over(of, keys) => {
                let (kind, _) = of.check(columns)?;
                if of.has_over() {
                    return refuse("`over` cannot be nested in `over`".to_owned());
                }
                for key in keys {
                    if !columns.iter().any(|(known, _)| known == key) {
                        return Err(no_column(key, columns));
                    }
                }
                Ok((kind, Shape::Rows))
            }
            Node::Special(what, of) => what.check(of.check(columns)?).or_else(refuse),
            Node::Shift(of, _) => match of.check(columns)? {
                (Some(kind), Shape::Rows) => Ok((Some(kind), Shape::Rows)),
                _ => refuse("`shift` needs a value per row".to_owned()),
            },
            Node::When(cases, otherwise) => {
                let (mut kind, mut shape) = otherwise.check(columns)?;
                for (when, then) in cases {
                    let (condition, condition_shape) = when.check(columns)?;
                    if condition != Some(Kind::Bool) {
                        return refuse(format!("`when` needs a bool, not {}", kind_name(condition)));
                    }
                    let (value, value_shape) = then.check(columns)?;
                    shape = shape.max(condition_shape).max(value_shape);
                    kind = match common(kind, value) {
                        Some(kind) => kind,
                        None => {
                            let (a, b) = (kind_name(value), kind_name(kind));
                            return refuse(format!("`then` and `otherwise` must agree, but give {a} and {b}"));
                        }
                    };
                }
                Ok((kind, shape))
            }
        }
    }

    /// As [`Expr::check`] for use in a group: one value per group.
    pub fn check_in_group(&self, columns: &[(String, Kind)]) -> Result<(), FrameError> {
        let (_, shape) = self.check(columns)?;
        if shape != Shape::One {
            return Err(FrameError::Expression(format!(
                "`agg` needs one value per group: aggregate it, such as `.mean()` or `.first()`, in `{self}`"
            )));
        }
        if self.has_over() {
            return Err(FrameError::Expression(format!("`over` cannot be nested in `agg`, in `{self}`")));
        }
        Ok(())
    }

    /// polars' expression. `columns` must be those that the expression was checked against.
    pub fn plan(&self, columns: &[(String, Kind)]) -> Result<Plan, FrameError> {
        let kind_of = |part: &Expr| part.check(columns).map(|(kind, _)| kind);
        Ok(match &*self.node {
            Node::Column(name) => Plan::Column(name.as_str().into()),
            Node::Literal(value) => value.plan(),
            Node::Alias(of, name) => of.plan(columns)?.alias(name.as_str()),
            Node::Cast(of, kind) => {
                let plan = of.plan(columns)?;
                // polars has no direct way from a text to a truth value.
                if kind_of(of)? == Some(Kind::String) && *kind == Kind::Bool {
                    return Err(FrameError::Expression(format!(
                        "a string has no truth value: compare it, in `{self}`"
                    )));
                }
                plan.strict_cast(kind.dtype())
            }
            Node::Unary(op, of) => {
                let (plan, kind) = (of.plan(columns)?, kind_of(of)?);
                match op {
                    Unary::Not => plan.not(),
                    Unary::Negate => -plan,
                    Unary::Abs => plan.abs(),
                    Unary::Exp => plan.strict_cast(DataType::Float64).exp(),
                    Unary::Sqrt => plan.strict_cast(DataType::Float64).sqrt(),
                    Unary::IsNull => plan.is_null(),
                    Unary::IsNotNull => plan.is_not_null(),
                    Unary::IsNan => plan.strict_cast(DataType::Float64).is_nan(),
                    Unary::CumSum if kind == Some(Kind::Bool) => plan.strict_cast(DataType::Int64).cum_sum(false),
                    Unary::CumSum => plan.cum_sum(false),
                    Unary::Lowercase => plan.str().to_lowercase(),
                    Unary::Uppercase => plan.str().to_uppercase(),
                    Unary::LenChars => plan.str().len_chars().strict_cast(DataType::Int64),
                }
            }
            Node::Binary(op, a, b) => {
                let kinds = (kind_of(a)?, kind_of(b)?);
                exact::binary(*op, (a.plan(columns)?, kinds.0), (b.plan(columns)?, kinds.1))
            }
            Node::Aggregate(op, of) => op.plan(of.plan(columns)?, kind_of(of)?),
            Node::Log(of, base) => of.plan(columns)?.strict_cast(DataType::Float64).log(pl::lit(*base)),
            Node::Round(of, decimals) => of.plan(columns)?.round(*decimals, pl::RoundMode::HalfAwayFromZero),
            Node::IsIn(of, values) => {
                let (plan, kind) = (of.plan(columns)?, kind_of(of)?);
                is_in(plan, kind, values)
            }
            Node::Rank(of, method, descending) => {
                let method = match method {
                    RankMethod::Average => pl::RankMethod::Average,
                    RankMethod::Min => pl::RankMethod::Min,
                    RankMethod::Max => pl::RankMethod::Max,
                    RankMethod::Dense => pl::RankMethod::Dense,
                    RankMethod::Ordinal => pl::RankMethod::Ordinal,
                };
                of.plan(columns)?.rank(pl::RankOptions { method, descending: *descending }, None)
            }
            Node::Over(of, keys) => {
                let keys: Vec<Plan> = keys.iter().map(|key| Plan::Column(key.as_str().into())).collect();
                of.plan(columns)?.over(keys)?
            }
            Node::Special(what, of) => what.plan(of.plan(columns)?, kind_of(of)?),
            Node::Shift(of, n) => of.plan(columns)?.shift(pl::lit(*n)),
            Node::When(cases, otherwise) => {
                let mut plan = otherwise.plan(columns)?;
                for (when, then) in cases.iter().rev() {
                    plan = pl::when(when.plan(columns)?).then(then.plan(columns)?).otherwise(plan);
                }
                plan
            }
        })
    }
}

fn no_column(name: &str, columns: &[(String, Kind)]) -> FrameError {
    FrameError::NoColumn { column: name.to_owned(), columns: columns.iter().map(|(known, _)| known.clone()).collect() }
}

fn kind_name(kind: Option<Kind>) -> String {
    kind.map_or_else(|| "null".to_owned(), |kind| kind.to_string())
}

/// The kind that holds values of both; the outer `None` where there is none.
fn common(a: Option<Kind>, b: Option<Kind>) -> Option<Option<Kind>> {
    match (a, b) {
        (None, other) | (other, None) => Some(other),
        (Some(a), Some(b)) if a == b => Some(Some(a)),
        (Some(a), Some(b)) if a.is_number() && b.is_number() => Some(Some(Kind::Float)),
        _ => None,
    }
}

impl Unary {
    fn word(self) -> &'static str {
        match self {
            Unary::Not => "!",
            Unary::Negate => "-",
            Unary::Abs => "abs",
            Unary::Exp => "exp",
            Unary::Sqrt => "sqrt",
            Unary::IsNull => "is_null",
            Unary::IsNotNull => "is_not_null",
            Unary::IsNan => "is_nan",
            Unary::CumSum => "cum_sum",
            Unary::Lowercase => "str.to_lowercase",
            Unary::Uppercase => "str.to_uppercase",
            Unary::LenChars => "str.len_chars",
        }
    }
}

impl Binary {
    fn word(self) -> &'static str {
        match self {
            Binary::Add => "+",
            Binary::Subtract => "-",
            Binary::Multiply => "*",
            Binary::Divide => "/",
            Binary::Modulo => "%",
            Binary::Equal => "==",
            Binary::NotEqual => "!=",
            Binary::Less => "<",
            Binary::LessEqual => "<=",
            Binary::Greater => ">",
            Binary::GreaterEqual => ">=",
            Binary::And => "&",
            Binary::Or => "|",
            Binary::FillNull => "fill_null",
            Binary::Contains => "str.contains",
            Binary::StartsWith => "str.starts_with",
            Binary::EndsWith => "str.ends_with",
        }
    }

    /// The result's kind (the inner `None` for a null); the outer `None` where the operands do not fit.
    fn kind(self, a: Option<Kind>, b: Option<Kind>) -> Option<Option<Kind>> {
        let numbers = matches!((a, b), (Some(a), Some(b)) if a.is_number() && b.is_number());
        match self {
            Binary::FillNull => common(a, b),
            Binary::Add if a == Some(Kind::String) && b == Some(Kind::String) => Some(Some(Kind::String)),
            Binary::Add | Binary::Subtract | Binary::Multiply | Binary::Modulo if numbers => common(a, b),
            Binary::Divide if numbers => Some(Some(Kind::Float)),
            Binary::Equal
            | Binary::NotEqual
            | Binary::Less
            | Binary::LessEqual
            | Binary::Greater
            | Binary::GreaterEqual
                if numbers || (a == b && a.is_some()) =>
            {
                Some(Some(Kind::Bool))
            }
            Binary::And | Binary::Or if a == Some(Kind::Bool) && b == Some(Kind::Bool) => Some(Some(Kind::Bool)),
            Binary::Contains | Binary::StartsWith | Binary::EndsWith
                if a == Some(Kind::String) && b == Some(Kind::String) =>
            {
                Some(Some(Kind::Bool))
            }
            _ => None,
        }
    }

    fn plan(self, a: Plan, b: Plan) -> Plan {
        let operator = match self {
            Binary::Add => Operator::Plus,
            Binary::Subtract => Operator::Minus,
            Binary::Multiply => Operator::Multiply,
            Binary::Divide => Operator::TrueDivide,
            Binary::Modulo => Operator::Modulus,
            Binary::Equal => Operator::Eq,
            Binary::NotEqual => Operator::NotEq,
            Binary::Less => Operator::Lt,
            Binary::LessEqual => Operator::LtEq,
            Binary::Greater => Operator::Gt,
            Binary::GreaterEqual => Operator::GtEq,
            Binary::And => Operator::And,
            Binary::Or => Operator::Or,
            Binary::FillNull => return a.fill_null(b),
            Binary::Contains => return contains(a, b),
            Binary::StartsWith => return a.str().starts_with(b),
            Binary::EndsWith => return a.str().ends_with(b),
        };
        Plan::BinaryExpr { left: Arc::new(a), op: operator, right: Arc::new(b) }
    }
}

/// Whether one text holds another, literally. polars has this only together with its regular expressions.
fn contains(text: Plan, part: Plan) -> Plan {
    text.map_many(
        |columns| {
            let [text, part] = columns else {
                return Err(pl::PolarsError::ComputeError("`contains` has two operands".into()));
            };
            let height = if text.len() == 1 { part.len() } else { text.len() };
            let (texts, parts) = (text.str()?, part.str()?);
            let at = |array: &pl::StringChunked, row: usize| {
                array.get(if array.len() == 1 { 0 } else { row }).map(str::to_owned)
            };
            let found: pl::BooleanChunked =
                (0..height).map(|row| Some(at(texts, row)?.contains(&at(parts, row)?))).collect();
            Ok(pl::IntoColumn::into_column(found.with_name(text.name().clone())))
        },
        &[part],
        |_, fields| {
            Ok(pl::Field::new(fields.first().map(|field| field.name.clone()).unwrap_or_default(), DataType::Boolean))
        },
    )
}

impl Aggregate {
    fn word(self) -> &'static str {
        match self {
            Aggregate::Mean => "mean",
            Aggregate::Sum => "sum",
            Aggregate::Min => "min",
            Aggregate::Max => "max",
            Aggregate::Median => "median",
            Aggregate::Std => "std",
            Aggregate::Var => "variance",
            Aggregate::Count => "count",
            Aggregate::Len => "len",
            Aggregate::NUnique => "n_unique",
            Aggregate::First => "first",
            Aggregate::Last => "last",
            Aggregate::Quantile(_) => "quantile",
        }
    }

    fn kind(self, of: Option<Kind>) -> Option<Kind> {
        let of = of?;
        match self {
            Aggregate::Count | Aggregate::Len | Aggregate::NUnique => Some(Kind::Int),
            Aggregate::First | Aggregate::Last | Aggregate::Min | Aggregate::Max => Some(of),
            Aggregate::Sum if of == Kind::Bool => Some(Kind::Int),
            Aggregate::Sum if of.is_number() => Some(of),
            Aggregate::Sum => None,
            _ if of == Kind::String => None,
            _ => Some(Kind::Float),
        }
    }

    fn plan(self, of: Plan, kind: Option<Kind>) -> Plan {
        let float = |plan: Plan| plan.strict_cast(DataType::Float64);
        match self {
            Aggregate::Mean => float(of).mean(),
            Aggregate::Sum if kind == Some(Kind::Bool) => of.strict_cast(DataType::Int64).sum(),
            Aggregate::Sum if kind == Some(Kind::Int) => exact::sum(of),
            Aggregate::Sum => of.sum(),
            Aggregate::Min => of.min(),
            Aggregate::Max => of.max(),
            Aggregate::Median => float(of).median(),
            Aggregate::Std => float(of).std(1),
            Aggregate::Var => float(of).var(1),
            Aggregate::Count => of.count().strict_cast(DataType::Int64),
            Aggregate::Len => of.len().strict_cast(DataType::Int64),
            Aggregate::NUnique => of.n_unique().strict_cast(DataType::Int64),
            Aggregate::First => of.first(),
            Aggregate::Last => of.last(),
            Aggregate::Quantile(q) => float(of).quantile(pl::lit(q), pl::QuantileMethod::Linear),
        }
    }
}

impl Literal {
    /// The kind; none for a null.
    pub fn kind(&self) -> Option<Kind> {
        match self {
            Literal::Null => None,
            Literal::Bool(_) => Some(Kind::Bool),
            Literal::Int(_) => Some(Kind::Int),
            Literal::Float(_) => Some(Kind::Float),
            Literal::String(_) => Some(Kind::String),
        }
    }

    fn plan(&self) -> Plan {
        match self {
            Literal::Null => pl::lit(pl::NULL),
            Literal::Bool(value) => pl::lit(*value),
            Literal::Int(value) => pl::lit(*value),
            Literal::Float(value) => pl::lit(*value),
            Literal::String(value) => pl::lit(value.as_str()),
        }
    }
}

/// Membership over one typed list; an integer column meets floats as floats.
fn is_in(plan: Plan, kind: Option<Kind>, values: &[Literal]) -> Plan {
    let floats = || -> Vec<f64> {
        values
            .iter()
            .filter_map(|value| match value {
                Literal::Int(value) => Some(*value as f64),
                Literal::Float(value) => Some(*value),
                _ => None,
            })
            .collect()
    };
    let all_ints = values.iter().all(|value| matches!(value, Literal::Int(_)));
    let (plan, list) = match kind {
        Some(Kind::Int) if all_ints => {
            let ints: Vec<i64> = values
                .iter()
                .filter_map(|value| if let Literal::Int(int) = value { Some(*int) } else { None })
                .collect();
            (plan, Series::new("".into(), ints))
        }
        Some(Kind::Int | Kind::Float) => (plan.strict_cast(DataType::Float64), Series::new("".into(), floats())),
        Some(Kind::Bool) => {
            let bools: Vec<bool> =
                values.iter().filter_map(|value| if let Literal::Bool(b) = value { Some(*b) } else { None }).collect();
            (plan, Series::new("".into(), bools))
        }
        _ => {
            let texts: Vec<&str> = values
                .iter()
                .filter_map(|value| if let Literal::String(text) = value { Some(text.as_str()) } else { None })
                .collect();
            (plan, Series::new("".into(), texts))
        }
    };
    plan.is_in(pl::lit(list).implode(true), false)
}

impl fmt::Display for Literal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Literal::Null => f.write_str("()"),
            Literal::Bool(value) => write!(f, "{value}"),
            Literal::Int(value) => write!(f, "{value}"),
            Literal::Float(value) => write!(f, "{value:?}"),
            Literal::String(value) => write!(f, "{value:?}"),
        }
    }
}

impl fmt::Display for Expr {
    /// As a script would write it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.node {
            Node::Column(name) => write!(f, "col({name:?})"),
            Node::Literal(value) => write!(f, "lit({value})"),
            Node::Unary(op @ (Unary::Not | Unary::Negate), of) => write!(f, "{}({of})", op.word()),
            Node::Unary(op, of) => write!(f, "{}.{}()", Atom(of), op.word()),
            Node::Binary(
                op @ (Binary::FillNull | Binary::Contains | Binary::StartsWith | Binary::EndsWith),
                of,
                other,
            ) => write!(f, "{}.{}({})", Atom(of), op.word(), Bare(other)),
            Node::Binary(op, a, b) => write!(f, "{} {} {}", Operand(a), op.word(), Operand(b)),
            Node::Aggregate(Aggregate::Quantile(q), of) => write!(f, "{}.quantile({q:?})", Atom(of)),
            Node::Aggregate(op, of) => write!(f, "{}.{}()", Atom(of), op.word()),
            Node::Log(of, base) if *base == std::f64::consts::E => write!(f, "{}.log()", Atom(of)),
            Node::Log(of, base) => write!(f, "{}.log({base:?})", Atom(of)),
            Node::Round(of, decimals) => write!(f, "{}.round({decimals})", Atom(of)),
            Node::IsIn(of, values) => {
                let listed: Vec<String> = values.iter().take(5).map(Literal::to_string).collect();
                let more = if values.len() > 5 { ", …" } else { "" };
                write!(f, "{}.is_in([{}{more}])", Atom(of), listed.join(", "))
            }
            Node::Alias(of, name) => write!(f, "{}.alias({name:?})", Atom(of)),
            Node::Cast(of, kind) => write!(f, "{}.cast(\"{kind}\")", Atom(of)),
            Node::Rank(of, method, descending) => {
                let method = format!("{method:?}").to_lowercase();
                let descending = if *descending { ", #{descending: true}" } else { "" };
                write!(f, "{}.rank({method:?}{descending})", Atom(of))
            }
            Node::Over(of, keys) => write!(f, "{}.over({keys:?})", Atom(of)),
            Node::Special(what, of) => write!(f, "{}.{what}", Atom(of)),
            Node::Shift(of, n) => write!(f, "{}.shift({n})", Atom(of)),
            Node::When(cases, otherwise) => {
                for (at, (when, then)) in cases.iter().enumerate() {
                    write!(f, "{}when({when}).then({})", if at > 0 { "." } else { "" }, Bare(then))?;
                }
                write!(f, ".otherwise({})", Bare(otherwise))
            }
        }
    }
}

impl fmt::Debug for Expr {
    /// The whole of it: printed for people, long lists are cut.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.node, f)
    }
}

/// An expression before a dot: operators in parentheses.
struct Atom<'a>(&'a Expr);

impl fmt::Display for Atom<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.0.node {
            Node::Binary(op, ..) if op.is_infix() => write!(f, "({})", self.0),
            Node::Unary(Unary::Not | Unary::Negate, _) => write!(f, "({})", self.0),
            _ => write!(f, "{}", self.0),
        }
    }
}

/// An expression beside an operator: other operators in parentheses, constants bare.
struct Operand<'a>(&'a Expr);

impl fmt::Display for Operand<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.0.node {
            Node::Binary(op, ..) if op.is_infix() => write!(f, "({})", self.0),
            _ => write!(f, "{}", Bare(self.0)),
        }
    }
}

/// An expression as an argument: constants without `lit`.
struct Bare<'a>(&'a Expr);

impl fmt::Display for Bare<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.0.node {
            Node::Literal(value) => write!(f, "{value}"),
            _ => write!(f, "{}", self.0),
        }
    }
}

impl Binary {
    fn is_infix(self) -> bool {
        !matches!(self, Binary::FillNull | Binary::Contains | Binary::StartsWith | Binary::EndsWith)
    }
}

#[cfg(test)]
mod tests;
