//! Log-probabilities of a batch's tokens with a way back: what a loss on the likelihood of texts sees of a causal trunk.

use super::map::Map;
use super::shard::{Grads, Shard, Trunk, Want};
use super::{Kept, Packed, Tape, check_lm, shard_tokens, step};
use crate::models::arch::Arch;

/// The log-probability (nats) of each token that is `counted`, given those before it; 0 for the others and for rows' first tokens.
/// NaN where the batch cannot go through the trunk. With `grads` (`[n_params]`), whose content is lost, [`logprobs_backward`] can
/// follow.
pub fn logprobs(
    arch: &Arch,
    params: &[f32],
    batch: &Packed,
    counted: &[bool],
    tape: &mut Tape,
    grads: Option<&mut [f32]>,
) -> Vec<f64> {
    let map = Map::new(arch);
    let fits = grads.as_ref().is_none_or(|grads| grads.len() == map.n_params);
    if check_lm(arch, params, batch).is_err() || counted.len() != batch.tokens.len() || !fits {
        return vec![f64::NAN; batch.tokens.len()];
    }
    let trunk = Trunk { map: &map, params };
    let keep = grads.is_some();
    tape.split(&map, batch, Want::States, keep);
    let pass = |shard: &mut Shard, grads: &mut Grads| {
        let own = of_shard(shard, counted);
        shard.logprobs(trunk, shard_tokens(shard, batch), own, keep, grads)
    };
    let found: Vec<Vec<f64>> = match grads {
        None => tape.each(|shard| pass(shard, &mut Grads::none())),
        Some(grads) => tape.each_onto(&map, 0, grads, pass),
    };
    tape.kept = keep.then(|| Kept { arch: arch.clone(), offsets: batch.offsets.clone(), lent: true });
    found.concat()
}

/// Sets `grads`, which must be as [`logprobs`] left them, to the gradients of a loss that has `slopes` by the tokens' log-probabilities;
/// slopes of tokens that do not count are not looked at. Without `head`, the gradient of what reads next tokens is left out, which
/// adapters of the blocks do not need. The tape must come from [`logprobs`] with the same parameters and batch; from another pass, the
/// gradients become NaN.
pub fn logprobs_backward(
    arch: &Arch,
    params: &[f32],
    batch: &Packed,
    (counted, slopes): (&[bool], &[f32]),
    head: bool,
    tape: &mut Tape,
    grads: &mut [f32],
) {
    let map = Map::new(arch);
    let kept = tape.kept.take().filter(|kept| kept.arch == *arch && kept.offsets == batch.offsets && kept.lent);
    let n = batch.tokens.len();
    let fits = counted.len() == n && slopes.len() == n && grads.len() == map.n_params;
    if kept.is_none() || !fits || check_lm(arch, params, batch).is_err() {
        grads.fill(f32::NAN);
        return;
    }
    let trunk = Trunk { map: &map, params };
    step(tape, &map, Want::States, batch, grads, true, |shard, grads| {
        let (counted, slopes) = (of_shard(shard, counted), of_shard(shard, slopes));
        shard.logprobs_backward(trunk, shard_tokens(shard, batch), counted, slopes, head, grads);
    });
}

/// What is a shard's of something that the batch has for each token.
fn of_shard<'a, T>(shard: &Shard, all: &'a [T]) -> &'a [T] {
    all.get(shard.first_token..shard.first_token + shard.cols().n).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::random::Random;
    use crate::models::testing::{tiny, tiny_llama, tiny_others};
    use crate::models::trunk::{lm_loss, lm_step_on};

    fn batch(n_rows: usize) -> (Packed, Vec<bool>) {
        let mut random = Random::new(0, "tokens");
        let rows: Vec<Vec<u32>> =
            (0..n_rows).map(|row| (0..1 + (3 + 5 * row) % 13).map(|_| random.below(16) as u32).collect()).collect();
        let packed = Packed::new(rows.iter().map(Vec::as_slice));
        let counted = (0..packed.tokens.len()).map(|at| at % 3 != 1).collect();
        (packed, counted)
    }

    /// The mean of −log p over counted tokens is the language model's loss, and so is its gradient.
    #[test]
    fn with_equal_slopes_it_is_the_loss_of_a_language_model() {
        for model in [tiny(0), tiny_llama(1)].into_iter().chain(tiny_others(2)) {
            let (arch, params) = (&model.inner.arch, &model.inner.params.values);
            if !arch.is_causal() {
                continue;
            }
            for (n_rows, recompute) in [(9, false), (9, true), (70, false)] {
                let (batch, counted) = batch(n_rows);
                let mut tape = Tape::recomputing(recompute);
                let (mut grads, mut want) = (vec![7.0; params.len()], vec![0.0; params.len()]);
                let found = logprobs(arch, params, &batch, &counted, &mut tape, Some(&mut grads));
                assert_eq!(found, logprobs(arch, params, &batch, &counted, &mut Tape::new(), None));
                let n = found.iter().filter(|logprob| **logprob != 0.0).count();
                let slopes = vec![-1.0 / n as f32; found.len()];
                logprobs_backward(arch, params, &batch, (&counted, &slopes), true, &mut tape, &mut grads);
                let loss = lm_step_on(arch, params, &batch, Some(&counted), &mut Tape::new(), &mut want);
                assert!((loss + found.iter().sum::<f64>() / n as f64).abs() < 1e-6, "{}", model.inner.name);
                let most = want.iter().fold(0.0f32, |most, g| most.max(g.abs()));
                for (at, (got, want)) in grads.iter().zip(&want).enumerate() {
                    assert!((got - want).abs() < 1e-4 * most, "{} [{at}]: {got} instead of {want}", model.inner.name);
                }
                let all = vec![true; counted.len()];
                let every = logprobs(arch, params, &batch, &all, &mut tape, None);
                let mean = -every.iter().sum::<f64>() / (batch.tokens.len() - batch.n_rows()) as f64;
                assert!((mean - lm_loss(arch, params, &batch, &mut tape)).abs() < 1e-6);
            }
        }
    }

    /// Slopes of their own for each token, against differences of the loss along directions in each tensor.
    #[test]
    fn gradients_are_right_for_any_slopes() {
        for model in [tiny(0), tiny_llama(1)] {
            let (arch, params) = (&model.inner.arch, &model.inner.params.values);
            let (batch, counted) = batch(9);
            let mut random = Random::new(1, "slopes");
            let slopes: Vec<f32> = (0..counted.len()).map(|_| random.normal() as f32).collect();
            let loss = |params: &[f32]| -> f64 {
                let found = logprobs(arch, params, &batch, &counted, &mut Tape::new(), None);
                found.iter().zip(&slopes).map(|(logprob, slope)| logprob * f64::from(*slope)).sum()
            };
            let (mut tape, mut grads) = (Tape::new(), vec![0.0; params.len()]);
            logprobs(arch, params, &batch, &counted, &mut tape, Some(&mut grads));
            logprobs_backward(arch, params, &batch, (&counted, &slopes), true, &mut tape, &mut grads);
            for entry in arch.layout().entries {
                let place = entry.offset..entry.offset + entry.shape.iter().product::<usize>();
                let (mut up, mut down) = (params.clone(), params.clone());
                for at in place.clone() {
                    let by = 4e-3 * random.normal() as f32;
                    up[at] += by;
                    down[at] -= by;
                }
                let moved = |at: usize| f64::from(up[at]) - f64::from(down[at]);
                let along: f64 = place.clone().map(|at| f64::from(grads[at]) * moved(at)).sum();
                let size: f64 = place.map(|at| (f64::from(grads[at]) * moved(at)).abs()).sum();
                let numeric = loss(&up) - loss(&down);
                assert!((along - numeric).abs() < 1e-2 * size + 1e-4, "{}: {along} {numeric}", entry.name);
            }
        }
    }

    #[test]
    fn the_head_alone_is_left_out_where_it_is_not_wanted_and_misfits_are_nan() {
        let model = tiny_llama(1);
        let (arch, params) = (&model.inner.arch, &model.inner.params.values);
        let (batch, counted) = batch(9);
        let slopes = vec![1.0; counted.len()];
        let run = |head: bool| {
            let (mut tape, mut grads) = (Tape::new(), vec![0.0; params.len()]);
            logprobs(arch, params, &batch, &counted, &mut tape, Some(&mut grads));
            logprobs_backward(arch, params, &batch, (&counted, &slopes), head, &mut tape, &mut grads);
            grads
        };
        let (whole, blocks) = (run(true), run(false));
        for entry in arch.layout().entries {
            let place = entry.offset..entry.offset + entry.shape.iter().product::<usize>();
            let alike = whole[place.clone()] == blocks[place.clone()];
            assert_eq!(alike, entry.name != "embed.out", "{}", entry.name);
            assert!(alike || blocks[place].iter().all(|gradient| *gradient == 0.0));
        }
        let (mut tape, mut grads) = (Tape::new(), vec![0.0; params.len()]);
        assert!(logprobs(arch, params, &batch, &counted[1..], &mut tape, None).iter().all(|logprob| logprob.is_nan()));
        logprobs_backward(arch, params, &batch, (&counted, &slopes), true, &mut tape, &mut grads);
        assert!(grads.iter().all(|gradient| gradient.is_nan()), "no pass was kept");
    }
}
