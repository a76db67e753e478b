//! `policy`: distributions over the responses of every prompt, small enough to be enumerated.

mod change;
mod estimates;
mod finetune;
mod getters;
mod make;
mod measures;
mod optimise;
mod pairs;

use crate::bind::prelude::*;
use crate::choices;
use crate::domains::policy::optimise::Objective;
use crate::domains::policy::{Form, Grid, KlEstimator, Labels, Policy, Psi};
use crate::frames::Frame;
use crate::train::Choice;

/// Lists the module's functions.
pub fn register(registry: &mut Registry) {
    registry.module(
        "policy",
        "Policies whose responses can be enumerated: exact KL, optima, win rates, and training on preferences.",
    );
    registry.value::<Policy>();
    let families = [
        make::functions(),
        getters::functions(),
        measures::functions(),
        change::functions(),
        estimates::functions(),
        pairs::functions(),
        optimise::functions(),
        finetune::functions(),
    ];
    families.into_iter().flatten().for_each(|function| registry.add(function));
}

impl Value for Policy {
    const NAME: &'static str = "Policy";
    const ABOUT: &'static str = "A distribution over the responses of every prompt, held whole.";

    fn show(&self) -> String {
        let form = match &self.form {
            Form::Tabular => "tabular".to_owned(),
            Form::LogLinear { features, .. } => format!("log-linear in {} features", features.n()),
        };
        format!("Policy: {} prompts of {} responses, {form}", self.n_prompts, self.n_responses)
    }

    fn same(&self, other: &Self) -> bool {
        Policy::digest(self) == Policy::digest(other)
    }

    fn digest(&self, _trace: &mut Trace) -> Digest {
        Policy::digest(self)
    }
}

/// Gives an enum of the room below its names for scripts.
macro_rules! named {
    ($type:ty { $($variant:ident),+ }) => {
        impl Choice for $type {
            const ALL: &'static [(Self, &'static str)] = &[ $( (<$type>::$variant, <$type>::$variant.name()) ),+ ];
        }
    };
}
named!(Labels { Drawn, Soft, Sure });
named!(Psi { Identity, LogOdds });
named!(KlEstimator { K1, K2, K3 });
named!(Objective { Rlhf, Dpo, Ipo });
choices!(Labels, Psi, KlEstimator, Objective);

/// A number for every response of every prompt, as a script gives it.
#[derive(Clone)]
pub enum Given {
    Table(Frame),
    Rows(Vec<Vec<f64>>),
}

impl Given {
    /// The numbers; of a frame those in `column`.
    pub fn grid(&self, column: &str) -> Result<Grid, Fault> {
        Ok(match self {
            Given::Table(frame) => Grid::of_frame(frame, column)?,
            Given::Rows(rows) => Grid::of_rows(rows, column)?,
        })
    }
}

impl FromDynamic for Given {
    fn type_name() -> String {
        "Frame|array of array of float".to_owned()
    }

    fn from_dynamic(value: &Dynamic) -> Result<Self, Mismatch> {
        if let Some(frame) = value.clone().try_cast::<Frame>() {
            return Ok(Given::Table(frame));
        }
        if !value.is_array() {
            return Err(Self::mismatch(value));
        }
        Vec::<Vec<f64>>::from_dynamic(value).map(Given::Rows)
    }
}
