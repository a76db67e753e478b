//! `plot`: figures from frames. What is drawn, and how, is `report`'s; here a frame's columns are read.

mod accuracy;
mod bar;
mod figure;
mod heatmap;
mod histogram;
mod lines;
mod panels;
mod pgr;
mod scatter;

use crate::bind::prelude::*;
use crate::frames::Frame;
use crate::report::{Figure, columns};

/// Lists the module's functions.
pub fn register(registry: &mut Registry) {
    registry.module(
        "plot",
        "Figures from frames: PGR, accuracy, lines with bands, points, bars, histograms, heat maps. `report::figure` keeps them.",
    );
    registry.value::<Figure>();
    registry.add(pgr::function());
    registry.add(accuracy::function());
    registry.add(lines::function());
    registry.add(scatter::function());
    registry.add(bar::function());
    registry.add(histogram::function());
    registry.add(heatmap::function());
    figure::register(registry);
}

impl Value for Figure {
    const NAME: &'static str = "Figure";
    const ABOUT: &'static str = "A finished drawing, made by `plot`, as SVG and as TikZ.";

    fn show(&self) -> String {
        let (width, height) = self.size();
        format!(
            "figure \"{}\" ({width}×{height}); .save(\"NAME.svg\") keeps it, in a script report::figure(…); the prompt needs \
             `w2s --run DIR` for both",
            self.title()
        )
    }

    fn same(&self, other: &Self) -> bool {
        self.digest() == other.digest()
    }

    fn digest(&self, _trace: &mut Trace) -> Digest {
        Figure::digest(self)
    }
}

crate::options! {
    /// How a comparison is drawn.
    pub struct TitleOptions {
        /// The heading; without it, one that names the quantity.
        title: Option<String> = None,
        /// Methods in the order in which they get their colours; others follow.
        order: Vec<String> = vec![],
    }
}

/// One text per row that names its gap: `world/subject: world-0 → world-4 (gap 0.21)`.
fn gaps(table: &Frame) -> Result<Vec<String>, Fault> {
    let (weak, strong) = (columns::texts(table, "weak")?, columns::texts(table, "strong")?);
    let task =
        if columns::has(table, "task") { columns::texts(table, "task")? } else { vec![String::new(); weak.len()] };
    let gap = columns::numbers_or_nan(table, "gap")?;
    let name = |((weak, strong), (task, gap)): ((&String, &String), (&String, &f64))| {
        let task = if task.is_empty() { String::new() } else { format!("{task}: ") };
        let gap = if gap.is_nan() { String::new() } else { format!("  (gap {gap:.3})").replace('-', "−") };
        format!("{task}{weak} → {strong}{gap}")
    };
    Ok(weak.iter().zip(&strong).zip(task.iter().zip(&gap)).map(name).collect())
}

/// "Bars: 95 % … over 5 seeds." where the table says how many.
fn note(table: &Frame, kind: &str) -> Result<String, Fault> {
    let seeds = columns::numbers_or_nan(table, "n_seeds")?;
    let (low, high) = (seeds.iter().copied().fold(f64::MAX, f64::min), seeds.iter().copied().fold(f64::MIN, f64::max));
    Ok(if low > high {
        String::new()
    } else if low == high {
        format!("Bars: 95 % {kind} over {low} paired seeds.")
    } else {
        format!("Bars: 95 % {kind} over {low} to {high} paired seeds.")
    })
}
