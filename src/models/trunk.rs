//! Forward and backward through a trunk over flat buffers: what training and labelling call.

//!
//! A small model's batch is split into a fixed number of shards of rows; each runs its whole pass as one task, and their
//! gradients are added in order. A big model's batch stays whole, and each operation splits its own work. Which of the
//! two, and where the cuts are, follows from the shapes alone, so results do not depend on the number of threads.

mod cache;
mod dropout;
mod embed;
mod kept;
mod likelihood;
mod map;
mod places;
mod reader;
mod residual;
mod shard;
#[cfg(test)]
mod tests;

use super::arch::Arch;
use crate::core::explain::explained;
pub use crate::kernels::packed::Packed;
use crate::kernels::pages;
use crate::kernels::simd::FlushDenormals;
use crate::kernels::tasks::awake;
pub use cache::Cache;
pub use dropout::{Dropout, Site};
pub use likelihood::{logprobs, logprobs_backward};
use map::Map;
use rayon::prelude::*;
pub use reader::{Desk, Reader};
use residual::zero;
use shard::{Grads, How, Shard, Trunk, Want};
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

explained! {
    /// Why a batch cannot go through a trunk.
    #[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
    pub enum TrunkError {
        #[error("the architecture has {what}")]
        #[code("model/architecture")]
        Architecture { what: String },
        #[error("the architecture has {expected} parameters, {found} were given")]
        #[code("model/parameters")]
        Parameters { expected: usize, found: usize },
        #[error("the batch has no rows")]
        #[code("model/no-rows")]
        NoRows,
        #[error("offsets of the batch do not cover its {n_tokens} tokens in order")]
        #[code("model/offsets")]
        Offsets { n_tokens: usize },
        #[error("row {row} has no tokens")]
        #[code("model/empty-row")]
        EmptyRow { row: usize },
        #[error("row {row} has {length} tokens, the model reads {context}")]
        #[code("model/long-row")]
        #[hint("truncate rows to {context} tokens")]
        LongRow { row: usize, length: usize, context: usize },
        #[error("row {row} has token {token}, the vocabulary has {vocab}")]
        #[code("model/unknown-token")]
        #[hint("encode the texts with the tokenizer of this model")]
        UnknownToken { row: usize, token: u32, vocab: usize },
        #[error("a bidirectional encoder does not predict next tokens")]
        #[code("model/not-causal")]
        NotCausal,
        #[error("the checkpoint has no output matrix for next tokens")]
        #[code("model/headless")]
        #[hint(
            "it was saved as a base model: load the checkpoint that has `lm_head.weight`; finetuning on labels works without"
        )]
        Headless,
        #[error("no row has a second token to predict")]
        #[code("model/nothing-to-predict")]
        NothingToPredict,
    }
    from { }
}

/// Whether `batch` may go through a trunk of this architecture with these parameters. Every function below expects
/// that it may; on a batch that fails here they answer NaN instead of panicking.
pub fn check(arch: &Arch, params: &[f32], batch: &Packed) -> Result<(), TrunkError> {
    let (vocab, width, n_heads) = (arch.vocab(), arch.width(), arch.n_heads());
    let is_cut = !matches!(arch, Arch::Llama(config) if config.changes.head.is_some());
    if width == 0 || n_heads == 0 || is_cut && width % n_heads != 0 {
        let what = format!("a width of {width}, not a multiple of its {n_heads} heads");
        return Err(TrunkError::Architecture { what });
    }
    if let Arch::Neox(config) = arch
        && (config.n_turned == 0 || config.n_turned % 2 != 0 || config.n_turned > config.head())
    {
        let what = format!("{} turned features of {} in a head", config.n_turned, config.head());
        return Err(TrunkError::Architecture { what });
    }
    if let Arch::Modern(config) = arch
        && (config.global_every == 0 || config.head() % 2 != 0)
    {
        let what = format!("heads of {} features, and every {}-th block sees all", config.head(), config.global_every);
        return Err(TrunkError::Architecture { what });
    }
    if let Arch::Llama(config) = arch
        && (config.n_kv_heads == 0 || n_heads % config.n_kv_heads != 0 || config.head() % 2 != 0)
    {
        let what = format!("{} heads of {} features for keys, {n_heads} for queries", config.n_kv_heads, config.head());
        return Err(TrunkError::Architecture { what });
    }
    let expected = Map::new(arch).n_params;
    if params.len() != expected {
        return Err(TrunkError::Parameters { expected, found: params.len() });
    }
    if batch.n_rows() == 0 {
        return Err(TrunkError::NoRows);
    }
    let n_tokens = batch.tokens.len();
    if batch.offsets.first() != Some(&0) || batch.offsets.last() != Some(&n_tokens) || !batch.offsets.is_sorted() {
        return Err(TrunkError::Offsets { n_tokens });
    }
    for (row, tokens) in batch.rows().enumerate() {
        if tokens.is_empty() {
            return Err(TrunkError::EmptyRow { row });
        }
        if tokens.len() > arch.context() {
            return Err(TrunkError::LongRow { row, length: tokens.len(), context: arch.context() });
        }
        if let Some(&token) = tokens.iter().find(|&&token| token as usize >= vocab) {
            return Err(TrunkError::UnknownToken { row, token, vocab });
        }
    }
    Ok(())
}

/// As [`check`], for [`lm_step`], [`lm_loss`] and [`lm_logits`].
pub fn check_lm(arch: &Arch, params: &[f32], batch: &Packed) -> Result<(), TrunkError> {
    check(arch, params, batch)?;
    if !arch.is_causal() {
        return Err(TrunkError::NotCausal);
    }
    if !arch.predicts_tokens() {
        return Err(TrunkError::Headless);
    }
    if batch.rows().all(|tokens| tokens.len() < 2) {
        return Err(TrunkError::NothingToPredict);
    }
    Ok(())
}

/// Buffers that a trunk works in. Keep one from step to step: nothing is allocated once it has grown.
#[derive(Debug, Default)]
pub struct Tape {
    shards: Vec<Shard>,
    n_shards: usize,
    /// Whether blocks are computed again for their backward pass.
    recompute: bool,
    /// What passes drop.
    dropout: Option<Dropout>,
    /// What the last forward pass kept.
    kept: Option<Kept>,
}

/// The batch whose passes lie between [`forward`] and [`backward`].
#[derive(Debug)]
struct Kept {
    arch: Arch,
    offsets: Vec<usize>,
    /// Whether the gradients' buffer was lent.
    lent: bool,
}

impl Tape {
    /// An empty tape.
    pub fn new() -> Tape {
        Tape::default()
    }

    /// A tape that keeps of each block its input alone and computes the block a second time for its backward pass: memory
    /// of one block instead of all, a third more work, the same bits.
    pub fn recomputing(recompute: bool) -> Tape {
        Tape { recompute, ..Tape::default() }
    }

    /// What the next forward pass and its backward pass drop; passes drop nothing until they are told to.
    pub fn drop_out(&mut self, dropout: Option<Dropout>) {
        self.dropout = dropout;
    }
}

/// Features, row-major `[n_rows, width]`: the last token after the final norm (causal), or the mean over the tokens or
/// the first one (BERT). Keeps nothing for a backward pass.
pub fn features(arch: &Arch, params: &[f32], batch: &Packed, tape: &mut Tape) -> Vec<f32> {
    run(arch, params, batch, tape, Want::Features, Keep::Nothing)
}

/// The same as [`features`], keeping on the tape what [`backward`] needs.
pub fn forward(arch: &Arch, params: &[f32], batch: &Packed, tape: &mut Tape) -> Vec<f32> {
    run(arch, params, batch, tape, Want::Features, Keep::Apart)
}

/// The same as [`forward`], with the gradients' buffer (`[n_params]`) as memory for what is kept: what it held is lost.
/// [`backward`] must find it as it was left, and then sets it instead of adding to it.
pub fn forward_lent(arch: &Arch, params: &[f32], batch: &Packed, tape: &mut Tape, grads: &mut [f32]) -> Vec<f32> {
    run(arch, params, batch, tape, Want::Features, Keep::In(grads))
}

/// What a forward pass leaves for a backward pass.
#[derive(Debug)]
pub enum Keep<'a> {
    Nothing,
    /// What is needed, in memory of the tape.
    Apart,
    /// What is needed, as far as it fits in the gradients' buffer: see [`forward_lent`].
    In(&'a mut [f32]),
}

/// Final hidden states of all tokens, row-major `[n_tokens, width]`.
pub fn token_states(arch: &Arch, params: &[f32], batch: &Packed, tape: &mut Tape) -> Vec<f32> {
    run(arch, params, batch, tape, Want::States, Keep::Nothing)
}

/// Adds to `grads` (`[n_params]`) the gradients that follow from `d_features` (row-major `[n_rows, width]`); after
/// [`forward_lent`] it sets them. The tape must come from a forward pass with the same parameters and batch; from another
/// one, the gradients become NaN.
pub fn backward(arch: &Arch, params: &[f32], batch: &Packed, tape: &mut Tape, d_features: &[f32], grads: &mut [f32]) {
    let map = Map::new(arch);
    let kept = tape.kept.take().filter(|kept| kept.arch == *arch && kept.offsets == batch.offsets);
    let fits = d_features.len() == batch.n_rows() * map.width && grads.len() == map.n_params;
    let Some(Kept { lent, .. }) = kept.filter(|_| fits && check(arch, params, batch).is_ok()) else {
        grads.fill(f32::NAN);
        return;
    };
    let trunk = Trunk { map: &map, params };
    step(tape, &map, Want::Features, batch, grads, lent, |shard, grads| {
        let rows = shard.first_row..shard.first_row + shard.n_rows();
        let d_features = d_features.get(rows.start * map.width..rows.end * map.width).unwrap_or_default();
        shard.backward(trunk, d_features, grads);
    });
}

/// Mean next-token cross-entropy (nats) over all positions that have a next token, read by the token embedding or, where
/// it is not tied, by the matrix for that; sets `grads` to its gradients.
pub fn lm_step(arch: &Arch, params: &[f32], batch: &Packed, tape: &mut Tape, grads: &mut [f32]) -> f64 {
    lm_step_on(arch, params, batch, None, tape, grads)
}

/// The same, over those tokens alone that `counted` says of all the batch's; a row's first token never counts. NaN where none
/// does.
pub fn lm_step_on(
    arch: &Arch,
    params: &[f32],
    batch: &Packed,
    counted: Option<&[bool]>,
    tape: &mut Tape,
    grads: &mut [f32],
) -> f64 {
    let map = Map::new(arch);
    let n_positions = match counted {
        None => batch.tokens.len().saturating_sub(batch.n_rows()),
        Some(counted) => n_counted(batch, counted),
    };
    if check_lm(arch, params, batch).is_err() || grads.len() != map.n_params || n_positions == 0 {
        return f64::NAN;
    }
    let trunk = Trunk { map: &map, params };
    tape.split(&map, batch, Want::States, true);
    let scale = 1.0 / n_positions as f32;
    let losses = step(tape, &map, Want::States, batch, grads, true, |shard, grads| {
        let range = shard.first_token..shard.first_token + shard.cols().n;
        let counted = counted.map(|counted| counted.get(range).unwrap_or_default());
        shard.next_token(trunk, shard_tokens(shard, batch), counted, Some(scale), grads)
    });
    losses.iter().sum::<f64>() / n_positions as f64
}

/// How many tokens that have one before them are counted; none where it does not say of each token.
fn n_counted(batch: &Packed, counted: &[bool]) -> usize {
    if counted.len() != batch.tokens.len() {
        return 0;
    }
    let of_row = |bounds: &[usize]| match bounds {
        [start, end] => counted.get(start + 1..*end).unwrap_or_default().iter().filter(|counts| **counts).count(),
        _ => 0,
    };
    batch.offsets.windows(2).map(of_row).sum()
}

/// As [`lm_step`], without gradients.
pub fn lm_loss(arch: &Arch, params: &[f32], batch: &Packed, tape: &mut Tape) -> f64 {
    if check_lm(arch, params, batch).is_err() {
        return f64::NAN;
    }
    let map = Map::new(arch);
    let trunk = Trunk { map: &map, params };
    tape.split(&map, batch, Want::States, false);
    let losses = tape.each(|shard| shard.next_token(trunk, shard_tokens(shard, batch), None, None, &mut Grads::none()));
    losses.iter().sum::<f64>() / (batch.tokens.len() - batch.n_rows()) as f64
}

/// Next-token logits at each row's last position, row-major `[n_rows, vocab]`.
pub fn lm_logits(arch: &Arch, params: &[f32], batch: &Packed, tape: &mut Tape) -> Vec<f32> {
    let map = Map::new(arch);
    if !arch.predicts_tokens() || check(arch, params, batch).is_err() {
        return vec![f32::NAN; batch.n_rows() * map.vocab];
    }
    let features = features(arch, params, batch, tape);
    let embed = params.get(map.unembed.clone()).unwrap_or_default();
    let mut logits = vec![0.0; batch.n_rows() * map.vocab];
    logits.par_chunks_mut(map.vocab).zip(features.par_chunks(map.width)).for_each(|(logits, feature)| {
        for (logit, token) in logits.iter_mut().zip(embed.chunks_exact(map.width)) {
            *logit = token.iter().zip(feature).map(|(a, b)| a * b).sum();
        }
    });
    logits
}

/// Tokens × parameters that are worth a second, fourth and eighth shard. Chosen from the cost of handing a task to another
/// thread: below, two threads take longer than one (measured, LOG.md).
const WORTH: [(usize, usize); 3] = [(32_000_000, 8), (16_000_000, 4), (8_000_000, 2)];
/// Parameters of a task that adds the shards' gradients.
const CHUNK: usize = 16_384;
/// Up to so many are added on one thread. Arbitrary: handing over costs more.
const ALONE: usize = 8 * CHUNK;

impl Tape {
    /// Cuts a checked batch into shards. `lent`: a backward pass will set gradients, whose memory is free until then.
    fn split(&mut self, map: &Map, batch: &Packed, want: Want, lent: bool) {
        self.kept = None;
        let with_head = want == Want::States;
        let n_block = map.n_block();
        let par = map.is_big();
        let n_worked = if with_head { n_block + map.unembed.len() } else { n_block };
        let work = batch.tokens.len().saturating_mul(n_worked);
        let n_shards = if par { 1 } else { WORTH.iter().find(|(worth, _)| work >= *worth).map_or(1, |(_, n)| *n) };
        let n_shards = n_shards.min(batch.n_rows());
        if self.shards.len() < n_shards {
            self.shards.resize_with(n_shards, Shard::default);
        }
        self.n_shards = n_shards;
        // Gradients of a shard's own are added to nothing.
        let set = lent || n_shards > 1;
        let how = How { par, recompute: self.recompute, lent: set && !self.recompute, set };
        let mut start = 0;
        for (idx, shard) in self.shards.iter_mut().take(n_shards).enumerate() {
            // Cut where this shard's share of the tokens is reached, leaving a row for each shard after it.
            let share = batch.tokens.len() * (idx + 1) / n_shards;
            let most = batch.n_rows() - (n_shards - 1 - idx);
            let end = batch.offsets.partition_point(|&offset| offset < share).clamp(start + 1, most);
            shard.take(how, &batch.offsets, start..end);
            shard.dropout = self.dropout.as_ref().map(|dropout| dropout.of_rows(start..end));
            start = end;
        }
    }

    /// Runs `work` on each shard; results in order.
    fn each<T: Send>(&mut self, work: impl Fn(&mut Shard) -> T + Sync + Send) -> Vec<T> {
        let shards = self.shards.get_mut(..self.n_shards).unwrap_or_default();
        let run = |shard: &mut Shard| {
            let _flush = FlushDenormals::new();
            work(shard)
        };
        match shards {
            [only] if !only.par() => vec![run(only)],
            // Inside the pool the operations' own tasks start without a hand-over.
            [only] => vec![awake(|| run(only))],
            several => several.par_iter_mut().with_max_len(1).map(run).collect(),
        }
    }

    /// Runs `work` on each shard with the gradients that it may use: one shard's are the caller's, several have their own
    /// for the parameters from `from` on.
    fn each_onto<T: Send>(
        &mut self,
        map: &Map,
        from: usize,
        grads: &mut [f32],
        work: impl Fn(&mut Shard, &mut Grads) -> T + Sync + Send,
    ) -> Vec<T> {
        if self.n_shards == 1 {
            // Nobody else ever waits for the lock.
            let target = Mutex::new(Grads { values: grads, from: 0 });
            return self.each(|shard| work(shard, &mut target.lock().unwrap_or_else(PoisonError::into_inner)));
        }
        self.each(|shard| {
            let mut own = std::mem::take(&mut shard.grads);
            pages::grow(&mut own, map.n_params - from);
            let result = work(shard, &mut Grads { values: &mut own, from });
            shard.grads = own;
            result
        })
    }
}

/// Where the gradients of shards begin. Without next tokens to predict, the token embedding, which comes first, has
/// gradients only in rows that the batch names, what reads next tokens has none, and both stay out of the shards.
fn first_of_shard(map: &Map, want: Want) -> usize {
    if want == Want::Features { map.tokens_end() } else { 0 }
}

/// The tokens of a shard.
fn shard_tokens<'a>(shard: &Shard, batch: &'a Packed) -> &'a [u32] {
    batch.tokens.get(shard.first_token..shard.first_token + shard.cols().n).unwrap_or_default()
}

fn run(arch: &Arch, params: &[f32], batch: &Packed, tape: &mut Tape, want: Want, keep: Keep) -> Vec<f32> {
    let map = Map::new(arch);
    let n = if want == Want::Features { batch.n_rows() } else { batch.tokens.len() };
    if check(arch, params, batch).is_err() {
        return vec![f32::NAN; n * map.width];
    }
    let trunk = Trunk { map: &map, params };
    let lent = matches!(&keep, Keep::In(grads) if grads.len() == map.n_params);
    tape.split(&map, batch, want, lent);
    let pass = |shard: &mut Shard, keep: bool, grads: &mut Grads| {
        shard.forward(trunk, shard_tokens(shard, batch), want, keep, grads);
    };
    let keeps = match keep {
        Keep::Nothing => {
            tape.each(|shard| pass(shard, false, &mut Grads::none()));
            false
        }
        keep => {
            let grads = if let Keep::In(grads) = keep { grads } else { &mut [] };
            tape.each_onto(&map, first_of_shard(&map, want), grads, |shard, grads| pass(shard, true, grads));
            true
        }
    };
    let mut rows = Vec::with_capacity(n * map.width);
    for shard in tape.shards.iter().take(tape.n_shards) {
        let n = if want == Want::Features { shard.n_rows() } else { shard.cols().n };
        rows.extend_from_slice(shard.rows.get(..n * map.width).unwrap_or_default());
    }
    tape.kept = keeps.then(|| Kept { arch: arch.clone(), offsets: batch.offsets.clone(), lent });
    rows
}

/// Runs a gradient pass on each shard and adds what they found to `grads`, in order, or sets it. Then adds the gradients
/// of the embeddings, token by token.
fn step<T: Send>(
    tape: &mut Tape,
    map: &Map,
    want: Want,
    batch: &Packed,
    grads: &mut [f32],
    set: bool,
    work: impl Fn(&mut Shard, &mut Grads) -> T + Sync + Send,
) -> Vec<T> {
    let from = first_of_shard(map, want);
    let results = tape.each_onto(map, from, grads, work);
    let shards = tape.shards.get(..tape.n_shards).unwrap_or_default();
    if shards.len() > 1 {
        let (tokens, block) = grads.split_at_mut(from);
        if set {
            zero(tokens.len() > ALONE, tokens);
        }
        let add = |(idx, sums): (usize, &mut [f32])| {
            let range = idx * CHUNK..idx * CHUNK + sums.len();
            if set {
                sums.fill(0.0);
            }
            for shard in shards {
                let own = shard.grads.get(range.clone()).unwrap_or_default();
                sums.iter_mut().zip(own).for_each(|(sum, gradient)| *sum += gradient);
            }
        };
        if block.len() < ALONE {
            block.chunks_mut(CHUNK).enumerate().for_each(add);
        } else {
            block.par_chunks_mut(CHUNK).enumerate().for_each(add);
        }
    }
    for shard in shards {
        embed::scatter(map, shard, shard_tokens(shard, batch), grads);
    }
    results
}

/// The ranges of the flat buffer that weight decay acts on by custom: weight matrices, not embeddings, biases or norms.
pub fn decayed(arch: &Arch) -> Vec<Range<usize>> {
    let pairs = |layer: map::Layer| [layer.qkv, layer.out, layer.up, layer.down];
    Map::new(arch).layers.into_iter().flat_map(pairs).map(|pair| pair.weight).collect()
}
