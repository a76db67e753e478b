//! Log-probabilities of a shard's tokens, with a way back for a loss that is a function of them. Only tokens that are counted go
//! through the head.

use super::{Grads, Shard, Trunk, Want, room};
use crate::kernels::entropy::{self, Head};
use crate::kernels::panel::{Cols, gather, scatter_add};
use crate::models::trunk::residual::zero;

/// The counted tokens of a shard: where each is predicted from, and which it is.
struct Counted {
    places: Vec<usize>,
    targets: Vec<u32>,
}

impl Counted {
    fn cols(&self) -> Cols {
        Cols { n: self.places.len() }
    }
}

impl Shard {
    /// The log-probability (nats) of each counted token, 0 for the others. With `keep`, [`Shard::logprobs_backward`] can follow;
    /// `grads` are then what it will be given.
    pub(in crate::models::trunk) fn logprobs(
        &mut self,
        trunk: Trunk,
        tokens: &[u32],
        counted: &[bool],
        keep: bool,
        grads: &mut Grads,
    ) -> Vec<f64> {
        self.states(trunk, tokens, Want::States, keep, grads);
        let asked = self.counted(tokens, counted);
        let mut found = vec![0.0; asked.places.len()];
        if !asked.places.is_empty() {
            let (width, cols) = (trunk.map.width, self.cols());
            let x = room(&mut self.work.a, asked.cols().len(width));
            gather(&self.y, width, cols, &asked.places, x);
            entropy::logprobs(
                self.head_of(trunk),
                &self.work.a,
                asked.cols(),
                &asked.targets,
                &mut self.head,
                &mut found,
            );
        }
        let mut all = vec![0.0; tokens.len()];
        for (place, logprob) in asked.places.iter().zip(found) {
            all[place + 1] = logprob;
        }
        all
    }

    /// The backward pass after [`Shard::logprobs`] with `keep`: sets the gradients of a loss with these `slopes` by the tokens'
    /// log-probabilities. Without `head`, those of what reads next tokens are left out.
    pub(in crate::models::trunk) fn logprobs_backward(
        &mut self,
        trunk: Trunk,
        tokens: &[u32],
        counted: &[bool],
        slopes: &[f32],
        head: bool,
        grads: &mut Grads,
    ) {
        let (map, width, cols, par) = (trunk.map, trunk.map.width, self.cols(), self.how.par);
        let asked = self.counted(tokens, counted);
        let d_embed = grads.free(map.unembed.start, map.unembed.end);
        zero(par, d_embed);
        zero(par, room(&mut self.d, cols.len(width)));
        if !asked.places.is_empty() {
            let n = asked.cols().len(width);
            let slopes: Vec<f32> = asked.places.iter().map(|place| slopes[place + 1]).collect();
            gather(&self.y, width, cols, &asked.places, room(&mut self.work.a, n));
            let dx = room(&mut self.work.b, n);
            let of = Head { par, embed: &trunk.params[map.unembed.clone()], width };
            let d_embed = head.then_some(d_embed);
            let (x, targets) = (&self.work.a, &asked.targets);
            entropy::logprobs_gradient(of, x, asked.cols(), targets, &slopes, &mut self.head, d_embed, dx);
            scatter_add(dx, width, &asked.places, cols, &mut self.d);
        }
        self.descend(trunk, Want::States, grads);
        if map.unembed != map.token {
            // Nothing was added to the token embedding's yet.
            zero(par, grads.free(map.token.start, map.token.end));
        }
    }

    fn head_of<'a>(&self, trunk: Trunk<'a>) -> Head<'a> {
        Head { par: self.how.par, embed: &trunk.params[trunk.map.unembed.clone()], width: trunk.map.width }
    }

    /// A row's first token has none before it and never counts.
    fn counted(&self, tokens: &[u32], counted: &[bool]) -> Counted {
        let mut found = Counted { places: Vec::new(), targets: Vec::new() };
        for bounds in self.offsets.windows(2) {
            for (at, token) in tokens.iter().enumerate().take(bounds[1]).skip(bounds[0] + 1) {
                if counted.get(at) == Some(&true) {
                    found.places.push(at - 1);
                    found.targets.push(*token);
                }
            }
        }
        found
    }
}
