//! polars' verbs on tidy frames. Every order is fixed: rows keep theirs, groups come as they first appear.

use super::Frame;
use super::content::Kind;
use super::error::FrameError;
use super::expr::Expr;
use super::guard::{Panicked, guarded};
use crate::core::random::Random;
use polars::prelude::{
    self as pl, Column, DataFrame, Expr as Plan, IntoLazy, JoinCoalesce, JoinType, LazyFrame, MaintainOrderJoin,
    SortMultipleOptions, UniqueKeepStrategy,
};
use std::collections::{BTreeSet, HashMap};

/// The most rows of a frame that a verb makes. Arbitrary: above any experiment, below this machine's memory.
pub const MAX_ROWS: usize = 20_000_000;

/// How rows of two frames meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    Inner,
    Left,
    Full,
    Semi,
    Anti,
}

impl Frame {
    /// The results of `exprs`, and nothing else.
    pub fn select(&self, exprs: &[Expr]) -> Result<Frame, FrameError> {
        let plans = self.plans(exprs)?;
        Ok(run(|| self.table().clone().lazy().select(plans).collect())?.inheriting(self, &moved(exprs)))
    }

    /// All columns, with those of `exprs` added or replaced.
    pub fn with_columns(&self, exprs: &[Expr]) -> Result<Frame, FrameError> {
        let plans = self.plans(exprs)?;
        Ok(run(|| self.table().clone().lazy().with_columns(plans).collect())?.inheriting(self, &moved(exprs)))
    }

    /// The rows where `condition` is true; a null is not.
    pub fn filter(&self, condition: &Expr) -> Result<Frame, FrameError> {
        let kinds = self.kinds();
        let (kind, _) = condition.check(&kinds)?;
        if kind != Some(Kind::Bool) {
            let kind = kind.map_or("null".to_owned(), |kind| kind.to_string());
            return Err(FrameError::Expression(format!("`filter` needs a bool, not {kind}, in `{condition}`")));
        }
        let plan = condition.plan(&kinds)?;
        Ok(run(|| self.table().clone().lazy().filter(plan).collect())?.inheriting(self, &[]))
    }

    /// Sorted by `columns`, equal rows in their old order, nulls last.
    pub fn sort(&self, columns: &[String], descending: bool) -> Result<Frame, FrameError> {
        self.known(columns)?;
        if columns.is_empty() {
            return Err(FrameError::Refused("`sort` needs at least one column".to_owned()));
        }
        let options = SortMultipleOptions {
            descending: vec![descending; columns.len()],
            nulls_last: vec![true; columns.len()],
            maintain_order: true,
            ..Default::default()
        };
        Ok(run(|| self.table().sort(columns.iter().map(String::as_str), options))?.inheriting(self, &[]))
    }

    /// One row per group of `keys`: the keys and `exprs`, groups as they first appear.
    pub fn group_by(&self, keys: &[String], exprs: &[Expr]) -> Result<Frame, FrameError> {
        self.known(keys)?;
        if keys.is_empty() {
            return Err(FrameError::Refused("`group_by` needs at least one column".to_owned()));
        }
        let kinds = self.kinds();
        let mut names: BTreeSet<String> = keys.iter().cloned().collect();
        if names.len() < keys.len() {
            return Err(FrameError::Refused("`group_by` names a column twice".to_owned()));
        }
        let mut plans = Vec::with_capacity(exprs.len());
        for expr in exprs {
            expr.check_in_group(&kinds)?;
            if !names.insert(expr.name()) {
                return Err(FrameError::TwoColumns { column: expr.name() });
            }
            plans.push(expr.plan(&kinds)?.alias(expr.name()));
        }
        let keys: Vec<Plan> = keys.iter().map(|key| Plan::Column(key.as_str().into())).collect();
        Ok(run(|| self.table().clone().lazy().group_by_stable(keys).agg(plans).collect())?.inheriting(self, &[]))
    }

    /// Rows of both frames that agree in the columns `on`; a null agrees with nothing. Rows keep the left order, then
    /// the right one. Other columns of the right frame that the left one has too get `suffix`. Classes of the right frame are
    /// brought into the order of the left one's by name.
    pub fn join(&self, other: &Frame, on: &[String], how: How, suffix: &str) -> Result<Frame, FrameError> {
        if on.is_empty() {
            return Err(FrameError::Refused("`join` needs at least one column in `on`".to_owned()));
        }
        self.known(on)?;
        other.known(on)?;
        for column in on {
            let (left, right) = (self.kind(column)?, other.kind(column)?);
            if left != right {
                let (left, right) = (left.to_string(), right.to_string());
                return Err(FrameError::KindMismatch { column: column.clone(), left, right });
            }
        }
        let mut other = other.clone();
        let mut moved = Vec::new();
        if !matches!(how, How::Semi | How::Anti) {
            self.refuse_blow_up(&other, on)?;
            if let Some(names) = self.class_names() {
                other = other.in_classes(names, ("the right frame", "the left frame"))?;
            }
            let mut names: BTreeSet<String> = self.columns().into_iter().collect();
            for column in other.columns().into_iter().filter(|column| !on.contains(column)) {
                let is_taken = self.columns().contains(&column);
                let name = if is_taken { format!("{column}{suffix}") } else { column.clone() };
                if !names.insert(name.clone()) {
                    return Err(FrameError::TwoColumns { column: name });
                }
                moved.push((column, name));
            }
        }
        let keys: Vec<Plan> = on.iter().map(|key| Plan::Column(key.as_str().into())).collect();
        let how = match how {
            How::Inner => JoinType::Inner,
            How::Left => JoinType::Left,
            How::Full => JoinType::Full,
            How::Semi => JoinType::Semi,
            How::Anti => JoinType::Anti,
        };
        let builder = self
            .table()
            .clone()
            .lazy()
            .join_builder()
            .with(other.table().clone().lazy())
            .on(keys)
            .how(how)
            .suffix(suffix)
            .coalesce(JoinCoalesce::CoalesceColumns)
            .maintain_order(MaintainOrderJoin::LeftRight);
        let joined = run(|| builder.finish().collect())?;
        // The left frame's class columns first: where both have names, these are the same by now.
        Ok(joined.inheriting(&other, &moved).inheriting_too(self))
    }

    /// Fails where repeated keys would multiply into more rows than a frame may have.
    fn refuse_blow_up(&self, other: &Frame, on: &[String]) -> Result<(), FrameError> {
        if (self.height() as u128) * (other.height() as u128) <= MAX_ROWS as u128 {
            return Ok(());
        }
        let counted = |frame: &Frame| -> Result<DataFrame, FrameError> {
            let keys: Vec<Plan> = on.iter().map(|key| Plan::Column(key.as_str().into())).collect();
            Ok(frame.table().clone().lazy().group_by(keys).agg([pl::len().alias("__n")]).collect()?)
        };
        let keys: Vec<Plan> = on.iter().map(|key| Plan::Column(key.as_str().into())).collect();
        let (left, right) = (counted(self)?.lazy(), counted(other)?.lazy());
        let met = left.join_builder().with(right).on(keys).how(JoinType::Inner).suffix("_other").finish().collect()?;
        let n_rows: u128 = met
            .column("__n")?
            .u32()?
            .iter()
            .zip(met.column("__n_other")?.u32()?.iter())
            .map(|(a, b)| u128::from(a.unwrap_or(0)) * u128::from(b.unwrap_or(0)))
            .sum();
        if n_rows > MAX_ROWS as u128 {
            return Err(FrameError::TooManyRows { verb: "join", n_rows, most: MAX_ROWS });
        }
        Ok(())
    }

    /// The first `n` rows.
    pub fn head(&self, n: usize) -> Frame {
        Frame::new(self.table().head(Some(n))).inheriting(self, &[])
    }

    /// The last `n` rows.
    pub fn tail(&self, n: usize) -> Frame {
        Frame::new(self.table().tail(Some(n))).inheriting(self, &[])
    }

    /// `n` rows from row `offset` on; a negative offset counts from the end.
    pub fn slice(&self, offset: i64, n: usize) -> Frame {
        Frame::new(self.table().slice(offset, n)).inheriting(self, &[])
    }

    /// The first row of every distinct combination in `columns` (all columns if none is named).
    pub fn unique(&self, columns: &[String]) -> Result<Frame, FrameError> {
        self.known(columns)?;
        if self.width() == 0 {
            return Ok(self.clone());
        }
        let subset = (!columns.is_empty()).then_some(columns);
        Ok(run(|| self.table().unique_stable(subset, UniqueKeepStrategy::First, None))?.inheriting(self, &[]))
    }

    /// All columns but these.
    pub fn drop_columns(&self, columns: &[String]) -> Result<Frame, FrameError> {
        self.known(columns)?;
        Ok(Frame::new(self.table().drop_many(columns.iter().map(String::as_str))).inheriting(self, &[]))
    }

    /// Columns under new names: pairs of old and new.
    pub fn rename(&self, names: &[(String, String)]) -> Result<Frame, FrameError> {
        self.known(&names.iter().map(|(old, _)| old.clone()).collect::<Vec<_>>())?;
        let new: HashMap<&str, &str> = names.iter().map(|(old, new)| (old.as_str(), new.as_str())).collect();
        let columns = self
            .table()
            .columns()
            .iter()
            .map(|column| {
                let mut column = column.clone();
                if let Some(name) = new.get(column.name().as_str()) {
                    column.rename((*name).into());
                }
                column
            })
            .collect();
        Ok(Frame::from_columns(columns)?.inheriting(self, names))
    }

    /// The rows of all frames, one after the other. All must have the same columns, in any order, of the same kinds; an
    /// integer column meets a float column as floats, and a column without any value takes the others' kind. Classes are
    /// brought by name into the order of the first frame that has names.
    pub fn concat(frames: &[Frame]) -> Result<Frame, FrameError> {
        let Some(first) = frames.first() else {
            return Err(FrameError::Refused("`concat` needs at least one frame".to_owned()));
        };
        let n_rows: u128 = frames.iter().map(|frame| frame.height() as u128).sum();
        if n_rows > MAX_ROWS as u128 {
            return Err(FrameError::TooManyRows { verb: "concat", n_rows, most: MAX_ROWS });
        }
        for (at, frame) in frames.iter().enumerate() {
            let (ours, theirs) = (first.columns(), frame.columns());
            if ours.iter().collect::<BTreeSet<_>>() != theirs.iter().collect::<BTreeSet<_>>() {
                let (ours, theirs) = (ours.join(", "), theirs.join(", "));
                return Err(FrameError::Refused(format!("frame 0 has the columns {ours}, frame {at} has {theirs}")));
            }
        }
        let named = frames.iter().find(|frame| frame.class_names().is_some());
        let ordered: Vec<Frame> = match named.and_then(Frame::class_names) {
            None => frames.to_vec(),
            Some(names) => {
                let beside = |(at, frame): (usize, &Frame)| {
                    frame.in_classes(names, (&format!("frame {at}"), "the first frame with names"))
                };
                frames.iter().enumerate().map(beside).collect::<Result<_, _>>()?
            }
        };
        let (frames, first) = (&ordered, ordered.first().unwrap_or(first));
        let mut columns = Vec::with_capacity(first.width());
        for name in first.columns() {
            let parts: Result<Vec<&Column>, FrameError> = frames.iter().map(|frame| frame.column(&name)).collect();
            let parts = parts?;
            let mut kind: Option<Kind> = None;
            for part in parts.iter().filter(|part| part.null_count() < part.len()) {
                let Some(held) = Kind::of(part.dtype()) else { continue };
                kind = match kind {
                    Some(known) if known == held => Some(held),
                    Some(known) if known.is_number() && held.is_number() => Some(Kind::Float),
                    Some(known) => {
                        let (left, right) = (known.to_string(), held.to_string());
                        return Err(FrameError::KindMismatch { column: name, left, right });
                    }
                    None => Some(held),
                };
            }
            let kind = match kind {
                Some(kind) => kind,
                None => first.kind(&name)?,
            };
            let mut joined = Column::new_empty(name.as_str().into(), &kind.dtype());
            for part in parts {
                joined.append(&part.strict_cast(&kind.dtype())?)?;
            }
            columns.push(joined);
        }
        let all = Frame::from_columns(columns)?;
        Ok(frames.iter().fold(all, |all, frame| all.inheriting_too(frame)))
    }

    /// `n` different rows drawn with `seed`, in the frame's order.
    pub fn sample(&self, n: usize, seed: u64) -> Result<Frame, FrameError> {
        if n > self.height() {
            return Err(FrameError::Refused(format!("cannot draw {n} of {} rows without repeats", self.height())));
        }
        let mut order = Random::new(seed, "frame/sample").permutation(self.height());
        order.truncate(n);
        order.sort_unstable();
        self.rows_at(&order)
    }

    /// The rows with these indices, in this order.
    pub fn rows_at(&self, rows: &[usize]) -> Result<Frame, FrameError> {
        let indices: Vec<pl::IdxSize> = rows.iter().filter_map(|row| pl::IdxSize::try_from(*row).ok()).collect();
        Ok(run(|| self.table().take(&pl::IdxCa::from_vec("rows".into(), indices)))?.inheriting(self, &[]))
    }

    /// Per column: count, null_count, mean, std, min, 25%, 50%, 75% and max; null where a statistic does not apply.
    pub fn describe(&self) -> Result<Frame, FrameError> {
        const STATISTICS: [&str; 9] = ["count", "null_count", "mean", "std", "min", "25%", "50%", "75%", "max"];
        let mut columns = vec![Column::new("statistic".into(), STATISTICS)];
        for (name, kind) in self.kinds() {
            if name == "statistic" {
                continue;
            }
            let column = self.column(&name)?;
            let (n_nulls, n) = (column.null_count(), column.len());
            let mut values: Vec<Option<f64>> = vec![Some((n - n_nulls) as f64), Some(n_nulls as f64)];
            if kind == Kind::String {
                values.resize(STATISTICS.len(), None);
            } else {
                let series = column.strict_cast(&pl::DataType::Float64)?;
                let floats = series.f64()?;
                let mut sorted: Vec<f64> = floats.iter().flatten().filter(|value| !value.is_nan()).collect();
                sorted.sort_by(f64::total_cmp);
                values.extend([series.as_materialized_series().mean(), series.as_materialized_series().std(1)]);
                values.extend([0.0, 0.25, 0.5, 0.75, 1.0].map(|q| quantile(&sorted, q)));
            }
            columns.push(Column::new(name.as_str().into(), values));
        }
        Ok(Frame::from_columns(columns)?.made_from(self))
    }

    /// Whether two frames have the same columns and values in the same order; nulls and NaN equal themselves. Frames whose
    /// classes have other names are not equal; a frame without class names may equal one that has some.
    pub fn equals(&self, other: &Frame) -> bool {
        let names = self.class_names().zip(other.class_names());
        names.is_none_or(|(ours, theirs)| ours == theirs) && self.table().equals_missing(other.table())
    }

    /// Builds a frame; fails on columns of different lengths or of one name.
    pub fn from_columns(columns: Vec<Column>) -> Result<Frame, FrameError> {
        let height = columns.first().map_or(0, Column::len);
        let mut names = BTreeSet::new();
        for column in &columns {
            let name = column.name().to_string();
            if column.len() != height {
                return Err(FrameError::Heights { column: name, got: column.len(), expected: height });
            }
            if is_pattern(&name) {
                return Err(FrameError::ColumnName { column: name });
            }
            if !names.insert(name.clone()) {
                return Err(FrameError::TwoColumns { column: name });
            }
        }
        Frame::tidy(DataFrame::new(height, columns)?)
    }

    /// The kind of the column called `name`.
    pub fn kind(&self, name: &str) -> Result<Kind, FrameError> {
        let column = self.column(name)?;
        Kind::of(column.dtype())
            .ok_or_else(|| FrameError::Nested { column: name.to_owned(), holds: column.dtype().to_string() })
    }

    fn known(&self, columns: &[String]) -> Result<(), FrameError> {
        columns.iter().try_for_each(|column| self.column(column).map(|_| ()))
    }

    fn plans(&self, exprs: &[Expr]) -> Result<Vec<Plan>, FrameError> {
        let kinds = self.kinds();
        let mut names = BTreeSet::new();
        let mut plans = Vec::with_capacity(exprs.len());
        for expr in exprs {
            expr.check(&kinds)?;
            let name = expr.name();
            if is_pattern(&name) {
                return Err(FrameError::ColumnName { column: name });
            }
            if !names.insert(name.clone()) {
                return Err(FrameError::TwoColumns { column: name });
            }
            plans.push(expr.plan(&kinds)?.alias(expr.name()));
        }
        Ok(plans)
    }
}

/// Columns that expressions take over as they are: old and new name.
fn moved(exprs: &[Expr]) -> Vec<(String, String)> {
    exprs.iter().filter_map(|expr| Some((expr.source()?.to_owned(), expr.name()))).collect()
}

/// Names that polars takes for patterns over several columns.
fn is_pattern(name: &str) -> bool {
    name == "*" || (name.starts_with('^') && name.ends_with('$'))
}

/// Linear interpolation between the two nearest of sorted values; none of no value.
fn quantile(sorted: &[f64], q: f64) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    let at = q * last as f64;
    let (below, above) = (*sorted.get(at.floor() as usize)?, *sorted.get(at.ceil() as usize)?);
    Some(below + (above - below) * at.fract())
}

/// Runs polars: its errors in plain words, and a panic of its own as an error, for it has some on odd input.
fn run(work: impl FnOnce() -> pl::PolarsResult<DataFrame>) -> Result<Frame, FrameError> {
    match guarded(work) {
        Ok(answer) => Frame::tidy(answer?),
        Err(Panicked) => Err(FrameError::Refused("polars cannot do this with these columns".to_owned())),
    }
}

/// A lazy frame over the same table, for rooms that write plans of their own.
impl From<&Frame> for LazyFrame {
    fn from(frame: &Frame) -> Self {
        frame.table().clone().lazy()
    }
}

#[cfg(test)]
mod tests {
    use super::super::expr::{Aggregate, Binary, Literal};
    use super::*;
    use polars::df;

    fn frame(table: pl::PolarsResult<DataFrame>) -> Frame {
        Frame::tidy(table.expect("columns of one length")).expect("a tidy table")
    }

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn groups_come_as_they_first_appear_and_rows_keep_their_order() {
        let table = frame(df!("g" => ["b", "a", "b", "c", "a"], "x" => [1.0, 2.0, 3.0, 4.0, 6.0]));
        let mean = Expr::column("x").aggregate(Aggregate::Mean).expect("small");
        let grouped = table.group_by(&names(&["g"]), &[mean]).expect("groups");
        assert!(grouped.equals(&frame(df!("g" => ["b", "a", "c"], "x" => [2.0, 4.0, 4.0]))));
        let above = Expr::column("x").binary(Binary::Greater, &Expr::literal(Literal::Int(2))).expect("small");
        let kept = table.filter(&above).expect("filters");
        assert_eq!(kept.floats("x").expect("floats"), [3.0, 4.0, 6.0]);
        let sorted = table.sort(&names(&["g"]), false).expect("sorts");
        assert_eq!(sorted.floats("x").expect("floats"), [2.0, 6.0, 1.0, 3.0, 4.0]);
    }

    #[test]
    fn a_join_meets_by_key_and_refuses_to_explode() {
        let left = frame(df!("id" => ["a", "b", "c"], "x" => [1i64, 2, 3]));
        let right = frame(df!("id" => ["c", "a"], "x" => [30i64, 10]));
        let met = left.join(&right, &names(&["id"]), How::Inner, "_right").expect("joins");
        assert!(met.equals(&frame(df!("id" => ["a", "c"], "x" => [1i64, 3], "x_right" => [10i64, 30]))));
        let left_join = left.join(&right, &names(&["id"]), How::Left, "_right").expect("joins");
        assert_eq!(left_join.height(), 3);
        let full = left.join(&right, &names(&["id"]), How::Full, "_right").expect("joins");
        assert_eq!(full.columns(), ["id", "x", "x_right"]);
        let anti = left.join(&right, &names(&["id"]), How::Anti, "_right").expect("joins");
        assert_eq!(anti.strings("id").expect("ids"), ["b"]);
        let same = frame(df!("id" => vec!["a"; 10_000]));
        let error = same.join(&same, &names(&["id"]), How::Inner, "_right").err().expect("explodes");
        assert_eq!(error.to_string(), "`join` would give 100000000 rows; a frame has at most 20000000");
        let ints = frame(df!("id" => [1i64]));
        let error = left.join(&ints, &names(&["id"]), How::Inner, "_right").err().expect("kinds differ");
        assert_eq!(error.to_string(), "column `id` is string on the left and int on the right");
    }

    #[test]
    fn frames_are_stacked_by_name() {
        let one = frame(df!("a" => [1i64], "b" => ["x"]));
        let two = frame(df!("b" => [None::<&str>], "a" => [2.5]));
        let both = Frame::concat(&[one.clone(), two]).expect("stacks");
        assert!(both.equals(&frame(df!("a" => [1.0, 2.5], "b" => [Some("x"), None]))));
        assert!(Frame::concat(&[one.clone(), frame(df!("a" => [1i64]))]).is_err());
        assert!(Frame::concat(&[one, frame(df!("a" => ["y"], "b" => ["y"]))]).is_err());
    }

    #[test]
    fn a_sample_repeats_and_keeps_the_order() {
        let table = frame(df!("x" => (0..100i64).collect::<Vec<_>>()));
        let one = table.sample(10, 3).expect("draws");
        assert!(one.equals(&table.sample(10, 3).expect("draws")));
        assert!(!one.equals(&table.sample(10, 4).expect("draws")));
        let drawn = one.floats("x").expect("floats");
        assert!(drawn.is_sorted() && drawn.len() == 10);
        assert!(table.sample(101, 0).is_err());
    }

    #[test]
    fn empty_frames_pass_through_every_verb() {
        let empty = frame(df!("id" => Vec::<String>::new(), "x" => Vec::<f64>::new()));
        let mean = Expr::column("x").aggregate(Aggregate::Mean).expect("small");
        assert_eq!(empty.group_by(&names(&["id"]), std::slice::from_ref(&mean)).expect("groups").height(), 0);
        assert_eq!(empty.select(&[mean]).expect("selects").height(), 1);
        assert_eq!(empty.sort(&names(&["x"]), true).expect("sorts").height(), 0);
        assert_eq!(empty.unique(&[]).expect("distinct").height(), 0);
        assert_eq!(empty.join(&empty, &names(&["id"]), How::Full, "_right").expect("joins").height(), 0);
        assert_eq!(empty.describe().expect("describes").height(), 9);
        assert_eq!(empty.sample(0, 0).expect("draws").height(), 0);
    }
}
