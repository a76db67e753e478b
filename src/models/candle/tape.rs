//! A pass and the way back, stage by stage: embeddings, each block, the end.
//!
//! Each stage's graph begins at its own input. So memory is given back block by block, an interrupt is heeded between two
//! blocks, a deep trunk needs no deep stack, and computing a block again for its gradient is keeping less of it.

use super::{Leaves, Padded, Trunk};
use crate::core::context::Interrupt;
use crate::models::ModelError;
use candle_core::{Tensor, Var};

/// What lies behind the last norm: final hidden states to logits, or to a loss.
pub type End<'a> = &'a dyn Fn(&Tensor) -> candle_core::Result<Tensor>;

/// What a pass keeps for the way back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    Nothing,
    /// Each stage's input alone: it is computed again for its gradient, to the same bits.
    Inputs,
    Everything,
}

/// What a pass kept: its stages in order.
#[derive(Debug, Default)]
pub struct Tape(Vec<Stage>);

#[derive(Debug)]
struct Stage {
    /// Where its graph begins; the embeddings have none.
    input: Option<Var>,
    output: Option<Tensor>,
}

impl Tape {
    /// How many stages kept their output, and with it all that they computed.
    #[cfg(test)]
    pub fn n_outputs(&self) -> usize {
        self.0.iter().filter(|stage| stage.output.is_some()).count()
    }
}

impl Trunk {
    /// What `end` makes of the batch's final hidden states, and what [`Trunk::back`] needs.
    pub fn pass(
        &self,
        batch: &Padded,
        kept: Kept,
        end: End,
        interrupt: &Interrupt,
    ) -> Result<(Tensor, Tape), ModelError> {
        let mut tape = Tape::default();
        let mut keep = |input: Option<Var>, output: Tensor| {
            if kept != Kept::Nothing {
                // Without its graph, where that is not wanted: the next stage begins its own in any case.
                tape.0.push(Stage { input, output: (kept == Kept::Everything).then(|| output.clone()) });
            }
            output.detach()
        };
        let mut x = keep(None, self.embedded(batch)?);
        for idx in 0..=self.arch.n_layers() {
            interrupt.check()?;
            let input = if kept == Kept::Nothing { None } else { Some(Var::from_tensor(&x)?) };
            let y = self.stage(idx, input.as_deref().unwrap_or(&x), batch, end)?;
            x = keep(input, y);
        }
        Ok((x, tape))
    }

    /// Adds to the leaves, of which this trunk is made, the gradients that follow from the gradient of what the pass gave.
    pub fn back(
        &self,
        batch: &Padded,
        tape: Tape,
        end: End,
        gradient: Tensor,
        leaves: &mut Leaves,
        interrupt: &Interrupt,
    ) -> Result<(), ModelError> {
        let mut gradient = gradient;
        for (idx, Stage { input, output }) in tape.0.into_iter().enumerate().rev() {
            interrupt.check()?;
            let output = match (output, &input) {
                (Some(output), _) => output,
                (None, Some(input)) => self.stage(idx.saturating_sub(1), input, batch, end)?,
                (None, None) => self.embedded(batch)?,
            };
            let store = (output * &gradient)?.sum_all()?.backward()?;
            leaves.add(&store)?;
            let Some(input) = input else { break };
            gradient = match store.get(&input) {
                Some(found) => found.detach(),
                None => input.zeros_like()?,
            };
        }
        Ok(())
    }

    /// Block `idx`, or behind the last one the end.
    fn stage(&self, idx: usize, x: &Tensor, batch: &Padded, end: End) -> candle_core::Result<Tensor> {
        if idx < self.arch.n_layers() { self.block(idx, x, batch) } else { end(&self.ended(x)?) }
    }
}
