//! How likely a causal model finds texts: log-probabilities of continuations, perplexity, the choice among continuations,
//! and the likeliest next tokens.

use super::options::choice;
use super::predict::{Bar, forward_work};
use super::{Choice, TrainError, trained};
use crate::core::context::Context;
use crate::core::digest::Digest;
use crate::core::math::exp;
use crate::core::random::Random;
use crate::data::{Data, ordinal};
use crate::frames::{Frame, FrameError};
use crate::kernels::Precision;
use crate::kernels::log_sum::log_sum_exp;
use crate::models::trunk::{Cache, Desk, Packed, Reader, check};
use crate::models::{Encoded, Model, ModelError};
use crate::store::memo::{Content, Done, Operation, Partial, Step, perform};
use polars::prelude::{Column, DataFrame};
use std::sync::Mutex;
use std::sync::PoisonError;

/// Tokens whose logits are computed together. Arbitrary: 6 MB of a vocabulary of 50 000.
const TOKENS: usize = 32;
/// Tokens from which reading is long enough for a progress bar. Arbitrary, half a second of a small model.
const LONG: usize = 1 << 14;

choice! {
    /// What log-probabilities of continuations are divided by before they are compared.
    pub enum Normalize {
        /// Nothing: the probability of the whole continuation.
        Sum = "sum",
        /// The number of its tokens.
        Tokens = "tokens",
        /// The number of its bytes, whatever the tokenizer (lm-evaluation-harness' `acc_norm`).
        Bytes = "bytes",
    }
}

/// Log-probabilities: a frame with `id`, `continuation` (0 for the first, or for the row itself), `n_tokens`, `logprob` (their
/// sum) and `mean_logprob`.
pub fn logprobs(model: &Model, data: &Data, ctx: &Context) -> Result<Frame, TrainError> {
    let scoring = Likelihood::of(model, data, ctx)?;
    let found = perform(&scoring, ctx)?;
    let (ids, continuations) = scoring.places();
    let sums: Vec<f64> = found.iter().map(|logprobs| sum(logprobs)).collect();
    let means: Vec<f64> = sums.iter().zip(&found).map(|(sum, logprobs)| sum / logprobs.len() as f64).collect();
    let columns = vec![
        Column::new("id".into(), ids),
        Column::new("continuation".into(), continuations),
        Column::new("n_tokens".into(), found.iter().map(|logprobs| logprobs.len() as i64).collect::<Vec<_>>()),
        Column::new("logprob".into(), sums),
        Column::new("mean_logprob".into(), means),
    ];
    let table = DataFrame::new(found.len(), columns).map_err(FrameError::from)?;
    Ok(Frame::derived(table, scoring.digest()))
}

/// The log-probability of each sequence's continuation, row after row.
pub(super) fn sequence_logprobs(model: &Model, data: &Data, ctx: &Context) -> Result<Vec<f64>, TrainError> {
    let found = perform(&Likelihood::of(model, data, ctx)?, ctx)?;
    Ok(found.iter().map(|logprobs| sum(logprobs)).collect())
}

/// The same token by token: `id`, `continuation`, `position` (from 0), `token`, `text`, `logprob`.
pub fn token_logprobs(model: &Model, data: &Data, ctx: &Context) -> Result<Frame, TrainError> {
    let scoring = Likelihood::of(model, data, ctx)?;
    let found = perform(&scoring, ctx)?;
    let Encoded { packed, starts, .. } = model.encoded(data, ctx)?;
    let (ids, continuations) = scoring.places();
    let (mut row_ids, mut numbers, mut places): (Vec<&str>, Vec<i64>, Vec<i64>) = Default::default();
    let (mut tokens, mut texts, mut values): (Vec<i64>, Vec<String>, Vec<f64>) = Default::default();
    for (row, logprobs) in found.iter().enumerate() {
        let read = packed.row(row).iter().skip(first_predicted(&starts, row));
        for (place, (token, logprob)) in read.zip(logprobs).enumerate() {
            row_ids.push(ids.get(row).copied().unwrap_or_default());
            numbers.push(continuations.get(row).copied().unwrap_or_default());
            places.push(place as i64);
            tokens.push(i64::from(*token));
            texts.push(model.inner.encoder.token_text(*token));
            values.push(f64::from(*logprob));
        }
    }
    let n = tokens.len();
    let columns = vec![
        Column::new("id".into(), row_ids),
        Column::new("continuation".into(), numbers),
        Column::new("position".into(), places),
        Column::new("token".into(), tokens),
        Column::new("text".into(), texts),
        Column::new("logprob".into(), values),
    ];
    let table = DataFrame::new(n, columns).map_err(FrameError::from)?;
    Ok(Frame::derived(table, Digest::of("logprobs/tokens", 1).digest("logprobs", scoring.digest()).finish()))
}

/// `exp` of the mean negative log-probability of every predicted token: of each row's continuation, or of each text but its
/// first token.
pub fn perplexity(model: &Model, data: &Data, ctx: &Context) -> Result<f64, TrainError> {
    let found = perform(&Likelihood::of(model, data, ctx)?, ctx)?;
    let n_tokens: usize = found.iter().map(Vec::len).sum();
    let total: f64 = found.iter().map(|logprobs| sum(logprobs)).sum();
    Ok(exp(-total / n_tokens as f64))
}

/// Predictions by likelihood: for each row the softmax of its continuations' log-probabilities, as classes called `names`,
/// or the data's own, or `first`, `second`, ….
pub fn choose(
    model: &Model,
    data: &Data,
    normalize: Normalize,
    names: &[String],
    ctx: &Context,
) -> Result<Frame, TrainError> {
    let n = data.n_sequences();
    if n < 2 {
        return Err(TrainError::OneContinuation { data: data.name().to_owned() });
    }
    trained::refuse_seen(ctx, model, data)?;
    let own: Vec<String> = match (names, data.classes()) {
        ([], []) => (0..n).map(ordinal).collect(),
        ([], own) => own.to_vec(),
        (names, _) => names.to_vec(),
    };
    if own.len() != n {
        return Err(FrameError::NameCount { n_names: own.len(), n_classes: n }.into());
    }
    let scoring = Likelihood::of(model, data, ctx)?;
    let found = perform(&scoring, ctx)?;
    let mut probabilities = Vec::with_capacity(found.len());
    for (row, logprobs) in data.rows().zip(found.chunks_exact(n)) {
        let texts = row.input.texts().skip(1);
        let score = |(logprobs, text): (&Vec<f32>, &str)| match normalize {
            Normalize::Sum => sum(logprobs),
            Normalize::Tokens => sum(logprobs) / logprobs.len() as f64,
            Normalize::Bytes => sum(logprobs) / text.len() as f64,
        };
        let scores: Vec<f64> = logprobs.iter().zip(texts).map(score).collect();
        let most = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let total: f64 = scores.iter().map(|score| exp(score - most)).sum();
        probabilities.extend(scores.iter().map(|score| (exp(score - most) / total) as f32));
    }
    let frame = Frame::predictions(data.rows().map(|row| row.id.as_str()), &probabilities, n)?;
    let digest = Digest::of("choose", 1).digest("logprobs", scoring.digest()).text("normalize", normalize.name());
    Ok(Frame::derived(frame.table().clone(), digest.finish()).named(&own))
}

/// The `top` likeliest tokens behind a text: a frame with `token`, `text`, `p` and `logprob`, the likeliest first.
pub fn next_tokens(model: &Model, prompt: &str, top: usize, ctx: &Context) -> Result<Frame, TrainError> {
    speaks(model, "say what comes next", ctx)?;
    let inner = &model.inner;
    let tokens = inner.encoder.prompt(prompt)?;
    let id = || "prompt".to_owned();
    if tokens.is_empty() {
        return Err(TrainError::EmptyPrompt { id: id() });
    }
    if tokens.len() > inner.max_tokens {
        let (model, max_tokens) = (inner.name.clone(), inner.max_tokens);
        return Err(TrainError::LongPrompt { id: id(), n_tokens: tokens.len(), model, max_tokens });
    }
    let reader = Reader::speaking(&inner.arch, &inner.params.values);
    let mut cache = Cache::new(&inner.arch, tokens.len());
    let batch = Packed::new([&*tokens]);
    check(&inner.arch, &inner.params.values, &batch)?;
    let par = reader.is_big();
    let states = reader.extend(par, &batch, &mut [&mut cache], &mut Desk::default(), &ctx.interrupt)?;
    let mut logits = Vec::new();
    reader.next_logits(&states.unwrap_or_default(), &mut logits);
    let whole = log_sum_exp(&logits);
    let mut order: Vec<(u32, f32)> = (0u32..).zip(logits.iter().copied()).collect();
    order.sort_unstable_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    order.truncate(top);
    let logprobs: Vec<f64> = order.iter().map(|(_, logit)| f64::from(*logit) - whole).collect();
    let columns = vec![
        Column::new("token".into(), order.iter().map(|(token, _)| i64::from(*token)).collect::<Vec<_>>()),
        Column::new("text".into(), order.iter().map(|(token, _)| inner.encoder.token_text(*token)).collect::<Vec<_>>()),
        Column::new("p".into(), logprobs.iter().map(|logprob| exp(*logprob)).collect::<Vec<_>>()),
        Column::new("logprob".into(), logprobs),
    ];
    Ok(Frame::new(DataFrame::new(order.len(), columns).map_err(FrameError::from)?))
}

/// Refuses what cannot speak, or not here.
pub(super) fn speaks(model: &Model, asked: &'static str, ctx: &Context) -> Result<(), TrainError> {
    if !model.inner.arch.is_causal() {
        return Err(TrainError::Speechless { model: model.inner.name.clone(), asked });
    }
    match crate::models::candle::device(&ctx.settings.device)? {
        None => Ok(()),
        Some(_) => Err(TrainError::CpuOnly { asked, device: ctx.settings.device.clone() }),
    }
}

fn sum(logprobs: &[f32]) -> f64 {
    logprobs.iter().map(|logprob| f64::from(*logprob)).sum()
}

/// The place of the first token of a sequence that is predicted: of a text the second.
fn first_predicted(starts: &[u32], row: usize) -> usize {
    starts.get(row).map_or(1, |start| (*start as usize).max(1))
}

/// Log-probabilities of a model on data before they are computed.
struct Likelihood<'a> {
    model: &'a Model,
    data: &'a Data,
}

impl<'a> Likelihood<'a> {
    fn of(model: &'a Model, data: &'a Data, ctx: &Context) -> Result<Self, TrainError> {
        speaks(model, "say how likely a text is", ctx)?;
        if data.is_empty() {
            return Err(TrainError::NoRows { of: "data" });
        }
        Ok(Likelihood { model, data })
    }

    fn digest(&self) -> Digest {
        let (model, data) = (self.model.inner.digest, self.data.digest());
        Digest::of("logprobs", 1).digest("model", model).digest("data", data).finish()
    }

    /// Id and number of each sequence.
    fn places(&self) -> (Vec<&'a str>, Vec<i64>) {
        let n = self.data.n_sequences();
        let ids = self.data.rows().flat_map(|row| std::iter::repeat_n(row.id.as_str(), n)).collect();
        (ids, (0..self.data.len()).flat_map(|_| 0..n as i64).collect())
    }

    fn n_sequences(&self) -> usize {
        self.data.len() * self.data.n_sequences()
    }

    /// Log-probabilities of the predicted tokens of some rows, from the states of all their tokens.
    fn of_rows(&self, reader: &Reader, read: &Encoded, rows: std::ops::Range<usize>, states: &[f32]) -> Vec<Vec<f32>> {
        let Encoded { packed, starts, .. } = read;
        let width = self.model.inner.arch.width();
        let first = packed.offsets.get(rows.start).copied().unwrap_or(0);
        let (mut places, mut found): (Vec<(usize, u32)>, Vec<f32>) = Default::default();
        let mut lengths = Vec::with_capacity(rows.len());
        for row in rows {
            let at = packed.offsets.get(row).copied().unwrap_or(0) - first;
            let from = first_predicted(starts, row);
            let before = places.len();
            // The state before a token predicts it.
            places.extend(packed.row(row).iter().enumerate().skip(from).map(|(place, token)| (at + place - 1, *token)));
            lengths.push(places.len() - before);
        }
        let (mut asked, mut logits): (Vec<f32>, Vec<f32>) = Default::default();
        for some in places.chunks(TOKENS) {
            asked.clear();
            for (state, _) in some {
                asked.extend_from_slice(states.get(state * width..(state + 1) * width).unwrap_or_default());
            }
            reader.next_logits(&asked, &mut logits);
            let vocab = logits.len() / some.len();
            found.extend(some.iter().zip(logits.chunks_exact(vocab.max(1))).map(|((_, token), logits)| {
                let logit = logits.get(*token as usize).copied().unwrap_or(f32::NAN);
                (f64::from(logit) - log_sum_exp(logits)) as f32
            }));
        }
        let mut left = &found[..];
        let part = |n: usize| {
            let (own, rest) = left.split_at_checked(n).unwrap_or_default();
            left = rest;
            own.to_vec()
        };
        lengths.into_iter().map(part).collect()
    }
}

/// The value is the log-probabilities of each sequence's predicted tokens, in order of [`Likelihood::places`].
impl Operation for Likelihood<'_> {
    type Value = Vec<Vec<f32>>;
    type Error = TrainError;

    fn step(&self) -> Step {
        Step {
            operation: "logprobs",
            what: format!("{} rows of {} with {}", self.data.len(), self.data.name(), self.model.inner.name),
            digest: self.digest(),
            inputs: vec![("model", self.model.inner.digest), ("data", self.data.digest())],
            options: String::new(),
            work: forward_work(self.model, self.data.n_bytes()),
            untraceable: None,
        }
    }

    fn compute(&self, ctx: &Context, _partial: &Partial) -> Result<Done<Vec<Vec<f32>>>, TrainError> {
        let inner = &self.model.inner;
        let read = self.model.encoded(self.data, ctx)?;
        let packed = &read.packed;
        let n_sequences = self.data.n_sequences();
        let is_mute = |row: &usize| packed.row(*row).len() <= first_predicted(&read.starts, *row);
        if let Some(row) = (0..packed.n_rows()).find(is_mute) {
            let id = self.data.rows().nth(row / n_sequences).map(|row| row.id.to_string()).unwrap_or_default();
            return Err(TrainError::NothingPredicted { id, n_rows: self.data.len() });
        }
        check(&inner.arch, &inner.params.values, packed)?;
        let told = packed.tokens.len() > LONG;
        let bar = told.then(|| Bar::start(ctx, format!("score with {}", inner.name), packed.n_rows() as u64));
        let so_far = Mutex::new(0);
        let reader = Reader::of_tokens(&inner.arch, &inner.params.values, Precision::F32);
        let each = |rows: std::ops::Range<usize>, states: &[f32]| {
            let n = rows.len() as u64;
            let found = self.of_rows(&reader, &read, rows, states);
            if let Some(bar) = &bar {
                // Told under the lock, so that numbers rise.
                let mut so_far = so_far.lock().unwrap_or_else(PoisonError::into_inner);
                *so_far += n;
                bar.progress(*so_far, String::new);
            }
            found
        };
        let found = reader.states(packed, inner.arch.n_layers(), &ctx.interrupt, &each)?;
        let value: Vec<Vec<f32>> = found.unwrap_or_default().into_iter().flatten().collect();
        if value.len() != packed.n_rows() || value.iter().flatten().any(|logprob| !logprob.is_finite()) {
            let what = format!("the logits of `{}` are not finite numbers", inner.name);
            return Err(ModelError::Engine(what).into());
        }
        Ok(Done { value, curve: Vec::new() })
    }

    fn pack(&self, value: &Vec<Vec<f32>>) -> Content {
        let lengths = value.iter().map(|logprobs| logprobs.len() as f32).collect();
        let all: Vec<f32> = value.iter().flatten().copied().collect();
        let n = all.len();
        Content::default().tensor("lengths", &[value.len()], lengths).tensor("logprobs", &[n], all)
    }

    fn unpack(&self, mut content: Content) -> Result<Vec<Vec<f32>>, String> {
        let lengths = content.take("lengths", &[self.n_sequences()])?;
        let n = lengths.iter().map(|n| *n as usize).sum();
        let all = content.take("logprobs", &[n])?;
        let mut at = 0;
        let part = |length: f32| {
            let range = at..at + length as usize;
            at = range.end;
            all.get(range).unwrap_or_default().to_vec()
        };
        Ok(lengths.into_iter().map(part).collect())
    }

    fn stand_in(&self) -> Vec<Vec<f32>> {
        let mut random = Random::new(0, &self.digest().to_hex());
        (0..self.n_sequences()).map(|_| vec![-(random.uniform() as f32) - 1e-3]).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Split;
    use crate::models::testing::{prompt, rows, tiny, tiny_bert, tiny_llama};
    use crate::models::trunk::{Tape, lm_loss};

    fn data(inputs: Vec<crate::data::Input>) -> Data {
        rows(inputs, Split::Train)
    }

    /// By the loss that training has, which comes from other kernels.
    #[test]
    fn the_sum_is_what_the_language_loss_says() {
        let ctx = Context::for_tests();
        for model in [tiny(0), tiny_llama(1)] {
            let texts = ["w1 w2 w3 . w4", "w5 w5", "w9 w8 w7 w6 w5 w4 w3 w2 w1 w0 . ."];
            let rows = data(texts.map(Into::into).to_vec());
            let frame = logprobs(&model, &rows, &ctx).expect("scored");
            let (sums, packed) = (frame.floats("logprob").expect("numbers"), model.encode(&rows, &ctx).expect("read"));
            let inner = &model.inner;
            for (row, (tokens, sum)) in packed.rows().zip(&sums).enumerate() {
                let loss = lm_loss(&inner.arch, &inner.params.values, &Packed::new([tokens]), &mut Tape::new());
                let n = (tokens.len() - 1) as f64;
                assert!((sum + n * loss).abs() < 1e-5, "row {row}: {sum} and {}", -n * loss);
            }
            let n: usize = packed.rows().map(|tokens| tokens.len() - 1).sum();
            let exact = (-sums.iter().sum::<f64>() / n as f64).exp();
            assert!((perplexity(&model, &rows, &ctx).expect("scored") - exact).abs() < 1e-9 * exact);
        }
    }

    #[test]
    fn a_continuation_counts_alone_and_the_softmax_chooses() {
        let ctx = Context::for_tests();
        let model = tiny(3);
        let rows = data(vec![prompt("w1 w2", &[" w3", " w4 w5"]), prompt("w6", &[" w7", " w8 ."])]);
        let tokens = token_logprobs(&model, &rows, &ctx).expect("scored");
        assert_eq!(tokens.strings("text").expect("texts"), ["w3", "w4", "w5", "w7", "w8", "."]);
        let each = tokens.floats("logprob").expect("numbers");
        let sums = logprobs(&model, &rows, &ctx).expect("scored").floats("logprob").expect("numbers");
        assert!((sums[1] - each[1] - each[2]).abs() < 1e-12 && sums[0] == each[0]);
        // Of the whole text, what the prompt has is not counted.
        let whole = data(vec!["w1 w2 w4 w5".into()]);
        let all = token_logprobs(&model, &whole, &ctx).expect("scored").floats("logprob").expect("numbers");
        assert!((all[1] - each[1]).abs() < 1e-5 && (all[2] - each[2]).abs() < 1e-5);

        let p0 = |normalize| {
            let frame = choose(&model, &rows, normalize, &[], &ctx).expect("chosen");
            assert_eq!(frame.class_names().expect("named"), ["first", "second"]);
            frame.floats("p0").expect("numbers")[0]
        };
        let softmax = |a: f64, b: f64| a.exp() / (a.exp() + b.exp());
        assert!((p0(Normalize::Sum) - softmax(sums[0], sums[1])).abs() < 1e-6);
        assert!((p0(Normalize::Tokens) - softmax(sums[0], sums[1] / 2.0)).abs() < 1e-6);
        assert!((p0(Normalize::Bytes) - softmax(sums[0] / 3.0, sums[1] / 6.0)).abs() < 1e-6);
        let three = ["a".to_owned(), "b".to_owned(), "c".to_owned()];
        assert!(choose(&model, &rows, Normalize::Sum, &three, &ctx).is_err());
    }

    #[test]
    fn next_tokens_are_those_of_the_softmax() {
        let ctx = Context::for_tests();
        let frame = next_tokens(&tiny_llama(0), "w1 w2", 22, &ctx).expect("read");
        let (p, logprob) = (frame.floats("p").expect("numbers"), frame.floats("logprob").expect("numbers"));
        assert!((p.iter().sum::<f64>() - 1.0).abs() < 1e-6 && p.is_sorted_by(|a, b| a >= b));
        assert!(p.iter().zip(&logprob).all(|(p, logprob)| (p.ln() - logprob).abs() < 1e-9));
        let word = frame.strings("text").expect("texts")[4].clone();
        let rows = data(vec![prompt("w1 w2", &[&format!(" {word}")])]);
        let alone = logprobs(&tiny_llama(0), &rows, &ctx).expect("scored").floats("logprob").expect("numbers");
        assert!((alone[0] - logprob[4]).abs() < 1e-5);
    }

    #[test]
    fn what_predicts_nothing_is_refused() {
        let ctx = Context::for_tests();
        let rows = data(vec!["w1 w2".into(), "w3".into()]);
        let error = logprobs(&tiny(0), &rows, &ctx).err().expect("one token").to_string();
        assert!(error.starts_with("no token of the row `r1` has one before it"), "{error}");
        let error = logprobs(&tiny_bert(0), &rows, &ctx).err().expect("an encoder").to_string();
        assert!(error.contains("`tiny-bert` is a bidirectional encoder"), "{error}");
    }
}
