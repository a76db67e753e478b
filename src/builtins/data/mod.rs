//! `data`: data sets, their splits and samples, and the one door to truth.

mod columns;
mod expand;
mod files;
mod getters;
mod load;
mod of;
mod rows;
mod truth;
mod used;
mod vault;
mod views;

pub use used::{note_use, readings_in, readings_of};

use crate::bind::Registry;
use crate::bind::prelude::{Digest, Trace, Value};
use crate::data::{Data, Split, TargetKind};
pub(super) use rows::from_value;

/// Lists the module's functions.
pub fn register(registry: &mut Registry) {
    registry.module("data", "Data sets: load them, divide them, draw from them, and read truth on the record.");
    registry.value::<Data>();
    registry.add(load::function());
    registry.add(files::function());
    registry.add(of::function());
    views::functions().into_iter().for_each(|function| registry.add(function));
    registry.add(truth::function());
    getters::functions().into_iter().for_each(|function| registry.add(function));
}

impl Value for Data {
    const NAME: &'static str = "Data";
    const ABOUT: &'static str = "Rows of a data set with inputs, ids, groups and splits; their truth is sealed.";

    fn show(&self) -> String {
        let sides = [(Split::Train, self.train()), (Split::Test, self.test()), (Split::Vault, self.vault())];
        let sides = sides.iter().filter(|(_, side)| !side.is_empty()).map(|(split, side)| {
            let balance = side.class_counts().map(|counts| {
                let counts = self.classes().iter().zip(counts).map(|(class, n)| format!("{class} {n}"));
                format!(" ({})", counts.collect::<Vec<_>>().join(", "))
            });
            format!("{} {}{}", split.name(), side.len(), balance.unwrap_or_default())
        });
        let sides: Vec<String> = sides.collect();
        let sides = if sides.is_empty() { "no rows".to_owned() } else { sides.join(", ") };
        let unlabelled = if self.has_truth() || self.target() == TargetKind::None { "" } else { ", no truth" };
        format!("{}: {sides}{unlabelled}", self.name())
    }

    fn same(&self, other: &Self) -> bool {
        self.digest() == other.digest()
    }

    fn digest(&self, _trace: &mut Trace) -> Digest {
        Data::digest(self)
    }
}
