//! Expressions with constants for parameters: rounding to whole numbers, powers, bounds, and classes of size.

use super::{Expr, Literal, Node, Shape, common, kind_name};
use crate::frames::{FrameError, Kind};
use polars::prelude::{self as pl, DataType, Expr as Plan, PlSmallStr};
use std::fmt;

/// The most classes of size. Arbitrary.
const MAX_EDGES: usize = 10_000;

/// What is computed of one operand.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Special {
    Floor,
    Ceil,
    Power(f64),
    Clip(Option<Literal>, Option<Literal>),
    Cut(Edges),
    QuantileCut(Edges, bool),
}

/// Where classes of size end, or at which shares of the rows.
#[derive(Debug, Clone, PartialEq)]
pub struct Edges {
    pub at: Vec<f64>,
    pub labels: Option<Vec<String>>,
    /// Whether a value at an edge belongs to the class above it.
    pub left_closed: bool,
}

impl Expr {
    /// The largest integer that is not above.
    pub fn floor(&self) -> Result<Expr, FrameError> {
        self.special(Special::Floor)
    }

    /// The smallest integer that is not below.
    pub fn ceil(&self) -> Result<Expr, FrameError> {
        self.special(Special::Ceil)
    }

    /// To the power of `exponent`, as a float.
    pub fn pow(&self, exponent: f64) -> Result<Expr, FrameError> {
        if exponent.is_nan() {
            return Err(FrameError::Expression("the exponent of `pow` is a number, not `NaN`".to_owned()));
        }
        self.special(Special::Power(exponent))
    }

    /// Values below `low` as `low`, values above `high` as `high`; a null bound does not bound.
    pub fn clip(&self, low: Literal, high: Literal) -> Result<Expr, FrameError> {
        let number = |value: &Literal| match value {
            Literal::Int(value) => Some(*value as f64),
            Literal::Float(value) => Some(*value),
            _ => None,
        };
        for bound in [&low, &high] {
            if *bound != Literal::Null && number(bound).is_none_or(f64::is_nan) {
                return Err(FrameError::Expression(format!("a bound of `clip` is a number or `()`, not `{bound}`")));
            }
        }
        if let (Some(low), Some(high)) = (number(&low), number(&high))
            && low > high
        {
            return Err(FrameError::Expression(format!(
                "`clip` has the lower bound `{low}` above the upper bound `{high}`"
            )));
        }
        let bound = |value: Literal| (value != Literal::Null).then_some(value);
        self.special(Special::Clip(bound(low), bound(high)))
    }

    /// The class of size between two of `edges`, as text.
    pub fn cut(&self, edges: Edges) -> Result<Expr, FrameError> {
        edges.check("cut")?;
        self.special(Special::Cut(edges))
    }

    /// As [`Expr::cut`] with edges at shares of the rows. Edges that coincide are refused unless `may_coincide`.
    pub fn qcut(&self, edges: Edges, may_coincide: bool) -> Result<Expr, FrameError> {
        edges.check("qcut")?;
        if let Some(share) = edges.at.iter().find(|share| !(**share > 0.0 && **share < 1.0)) {
            return Err(FrameError::Expression(format!("a quantile of `qcut` is between 0 and 1, not `{share}`")));
        }
        self.special(Special::QuantileCut(edges, may_coincide))
    }

    fn special(&self, what: Special) -> Result<Expr, FrameError> {
        Expr::build(Node::Special(what, self.clone()), &[self])
    }
}

impl Edges {
    fn check(&self, verb: &str) -> Result<(), FrameError> {
        let refuse = |what: String| Err(FrameError::Expression(what));
        if self.at.is_empty() || self.at.len() > MAX_EDGES {
            return refuse(format!("`{verb}` needs 1 to {MAX_EDGES} edges, not {}", self.at.len()));
        }
        if !self.at.iter().all(|edge| edge.is_finite()) || !self.at.is_sorted_by(|a, b| a < b) {
            return refuse(format!("the edges of `{verb}` must be finite and rise from one to the next"));
        }
        let Some(labels) = &self.labels else { return Ok(()) };
        if labels.len() != self.at.len() + 1 {
            let (n, needed) = (labels.len(), self.at.len() + 1);
            return refuse(format!("`{verb}` makes {needed} classes and has {n} labels"));
        }
        let mut sorted: Vec<&String> = labels.iter().collect();
        sorted.sort();
        match sorted.windows(2).find(|pair| matches!(pair, [a, b] if a == b)) {
            Some([label, ..]) => refuse(format!("`{verb}` has the label `{label}` twice")),
            _ => Ok(()),
        }
    }

    fn names(&self) -> Option<Vec<PlSmallStr>> {
        self.labels.as_ref().map(|labels| labels.iter().map(|label| label.as_str().into()).collect())
    }
}

impl Special {
    fn word(&self) -> &'static str {
        match self {
            Special::Floor => "floor",
            Special::Ceil => "ceil",
            Special::Power(_) => "pow",
            Special::Clip(..) => "clip",
            Special::Cut(_) => "cut",
            Special::QuantileCut(..) => "qcut",
        }
    }

    /// The result's kind and shape over an operand of these, or what does not fit.
    pub(super) fn check(&self, of: (Option<Kind>, Shape)) -> Result<(Option<Kind>, Shape), String> {
        let (kind, shape) = of;
        let Some(number) = kind.filter(|kind| kind.is_number()) else {
            return Err(format!("`{}` does not take {}", self.word(), kind_name(kind)));
        };
        match self {
            Special::Floor | Special::Ceil => Ok((kind, shape)),
            Special::Power(_) => Ok((Some(Kind::Float), shape)),
            Special::Clip(low, high) => {
                let mut bounds = [low, high].into_iter().flatten().filter_map(Literal::kind);
                let all = bounds.try_fold(Some(number), |all, bound| common(all, Some(bound)));
                Ok((all.flatten(), shape))
            }
            Special::Cut(_) => Ok((Some(Kind::String), shape)),
            Special::QuantileCut(..) if shape == Shape::Rows => Ok((Some(Kind::String), shape)),
            Special::QuantileCut(..) => Err("`qcut` needs a value per row".to_owned()),
        }
    }

    /// polars' expression over `of`, which is of `kind`.
    pub(super) fn plan(&self, of: Plan, kind: Option<Kind>) -> Plan {
        let float = |of: Plan| of.strict_cast(DataType::Float64);
        // polars puts NaN into the last class; it is of no size.
        let sized = |cut: Plan, of: Plan| {
            pl::when(float(of).is_nan()).then(pl::lit(pl::NULL)).otherwise(cut.strict_cast(DataType::String))
        };
        match self {
            Special::Floor | Special::Ceil if kind == Some(Kind::Int) => of,
            Special::Floor => of.floor(),
            Special::Ceil => of.ceil(),
            Special::Power(exponent) => float(of).pow(pl::lit(*exponent)),
            Special::Clip(low, high) => {
                let is_float = [low, high].into_iter().flatten().any(|bound| matches!(bound, Literal::Float(_)));
                let of = if is_float { float(of) } else { of };
                match (low.as_ref().map(Literal::plan), high.as_ref().map(Literal::plan)) {
                    (Some(low), Some(high)) => of.clip(low, high),
                    (Some(low), None) => of.clip_min(low),
                    (None, Some(high)) => of.clip_max(high),
                    (None, None) => of,
                }
            }
            Special::Cut(edges) => {
                let cut = float(of.clone()).cut(edges.at.clone(), edges.names(), edges.left_closed, false);
                sized(cut, of)
            }
            Special::QuantileCut(edges, may_coincide) => {
                let Edges { at, left_closed, .. } = edges;
                let cut = float(of.clone()).qcut(at.clone(), edges.names(), *left_closed, *may_coincide, false);
                sized(cut, of)
            }
        }
    }
}

impl fmt::Display for Special {
    /// As a script would write it behind its operand.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bound = |bound: &Option<Literal>| bound.as_ref().map_or_else(|| "()".to_owned(), Literal::to_string);
        match self {
            Special::Floor | Special::Ceil => write!(f, "{}()", self.word()),
            Special::Power(exponent) => write!(f, "pow({exponent:?})"),
            Special::Clip(low, high) => write!(f, "clip({}, {})", bound(low), bound(high)),
            Special::Cut(edges) | Special::QuantileCut(edges, _) => write!(f, "{}({:?})", self.word(), edges.at),
        }
    }
}
