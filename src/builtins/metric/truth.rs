//! What the functions of the module take: truth, and values by seed.

use crate::bind::prelude::*;
use crate::builtins::data::{note_use, readings_of};
use crate::builtins::frame::warn_of_indices;
use crate::data::Data;
use crate::frames::Frame;
use crate::stats::Scored;

/// Where truth comes from: data, whose truth is sealed, or a frame with `id` and `label`.
pub enum Truth {
    Data(Data),
    Frame(Frame),
}

impl FromDynamic for Truth {
    fn type_name() -> String {
        "Data|Frame".to_owned()
    }
    fn from_dynamic(value: &Dynamic) -> Result<Self, Mismatch> {
        if let Some(data) = value.clone().try_cast::<Data>() {
            return Ok(Truth::Data(data));
        }
        value.clone().try_cast::<Frame>().map(Truth::Frame).ok_or_else(|| Self::mismatch(value))
    }
}

impl Truth {
    /// The labels. Data's truth is read under the running function's name, and the record keeps it; of a frame it keeps
    /// that the truth in it was used.
    pub fn labels(self, call: &Call) -> Result<Frame, Fault> {
        match self {
            Truth::Data(data) => Ok(data.truth(call.ctx(), &call.function.path(), "evaluation")?),
            Truth::Frame(frame) => {
                note_use(call, readings_of(&frame), "");
                Ok(frame)
            }
        }
    }
}

/// Predictions (parameter 0) beside truth (parameter 1).
pub fn scored(call: &Call) -> Result<Scored, Fault> {
    let (predictions, truth): (Frame, Truth) = (call.arg(0)?, call.arg(1)?);
    let truth = truth.labels(call)?;
    warn_of_indices(call, &[("`predictions`", &predictions), ("`truth`", &truth)]);
    Ok(Scored::new(&predictions, &truth)?)
}
