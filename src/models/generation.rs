//! Generation: prompts go through a causal trunk once, and then one token of each at a time, behind what its cache remembers.
//!
//! Sequences that are at work share passes, and one that ended makes room for the next. Neither the batch that a sequence
//! happens to share nor the number of threads changes one bit of it: passes compute each row by itself
//! ([`Reader::extend`]), and what is drawn belongs to seed, prompt and sample.

use super::sampling::Sampling;
use super::trunk::{Cache, Desk, Packed, Reader};
use super::{Encoder, Model, ModelError};
use crate::core::context::Interrupt;
use crate::core::explain::first_line;
use crate::core::random::Random;
use crate::kernels::log_sum::log_sum_exp;
use crate::kernels::simd::FlushDenormals;
use crate::kernels::tasks::awake;
use std::sync::{Mutex, PoisonError};

/// Tokens of a pass through prompts. Tuned by hand on world-4: from 64 to 256 make no difference.
const PASS: usize = 128;
/// Sequences that one thread has at work, at most, where each thread has its own. Arbitrary: a panel of the kernels, whose caches and logits stay in
/// a second-level cache of today.
const AT_WORK: usize = 64;
/// The part of its sequences that a thread lets end before it takes new ones: a few prompts alone fill no vectors. Arbitrary.
const REFILL: usize = 4;
/// Tokens of a prompt that are decoded before what follows it: a tokenizer may write a token by those before it. Arbitrary.
const BEFORE: usize = 8;

/// Tokens that tokenizers of published models end a text or a turn with.
const ENDS: [&str; 10] = [
    "<|endoftext|>",
    "<|end_of_text|>",
    "<|im_end|>",
    "<|eot_id|>",
    "<|end|>",
    "</s>",
    "<eos>",
    "<end_of_turn>",
    "[EOS]",
    "<|endofturn|>",
];

/// What is to be continued.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The prompt's id: with seed and sample it decides what is drawn.
    pub id: &'a str,
    pub sample: usize,
    /// Not empty.
    pub tokens: &'a [u32],
}

/// How to continue.
#[derive(Debug, Clone)]
pub struct Settings {
    pub max_new_tokens: usize,
    pub sampling: Sampling,
    pub seed: u64,
    pub stops: Stops,
    /// Sequences that are at work together.
    pub batch: usize,
}

/// What ends a continuation.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Stops {
    /// Each of these tokens.
    pub tokens: Vec<u32>,
    /// Each of these texts, wherever it comes.
    pub texts: Vec<String>,
    /// Of each token whether a text may end with it; empty where any may. Known of tokenizers that write words one behind the other.
    may_end: Vec<bool>,
}

/// Why a continuation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finish {
    /// By a token or text that ends it.
    Stop,
    /// As many tokens as were asked for, or as the model reads.
    Length,
}

impl Finish {
    /// `stop` or `length`.
    pub fn name(self) -> &'static str {
        match self {
            Finish::Stop => "stop",
            Finish::Length => "length",
        }
    }
}

/// A continuation.
#[derive(Debug, Clone, PartialEq)]
pub struct Continuation {
    /// All tokens, those that ended it included.
    pub tokens: Vec<u32>,
    /// The logarithm of each one's probability under the model itself, whatever was drawn from.
    pub logprobs: Vec<f32>,
    pub finish: Finish,
}

impl Encoder {
    /// The tokens that end a text by their names; none in a tokenizer of mere words.
    pub fn end_tokens(&self) -> Vec<u32> {
        ENDS.iter().filter_map(|name| self.tokenizer().token_to_id(name)).collect()
    }

    /// What `continuation` reads as behind `prompt`, without special tokens.
    pub fn continuation(&self, prompt: &[u32], continuation: &[u32]) -> Result<String, ModelError> {
        let before = prompt.get(prompt.len().saturating_sub(BEFORE)..).unwrap_or_default();
        let read = |tokens: &[u32]| {
            self.tokenizer().decode(tokens, true).map_err(|error| ModelError::Tokenizer(first_line(&*error)))
        };
        let (known, all) = (read(before)?, read(&[before, continuation].concat())?);
        // A character whose bytes lie on both sides is not known yet.
        let same = known.chars().zip(all.chars()).take_while(|(a, b)| a == b);
        let n_bytes: usize = same.map(|(a, _)| a.len_utf8()).sum();
        Ok(all.get(n_bytes..).unwrap_or_default().to_owned())
    }

    /// A token by itself, as its text or, where it has none alone, its name in the vocabulary.
    pub fn token_text(&self, token: u32) -> String {
        let text = self.tokenizer().decode(&[token], false).unwrap_or_default();
        let is_whole = !text.is_empty() && !text.contains('\u{fffd}');
        if is_whole { text } else { self.tokenizer().id_to_token(token).unwrap_or_default() }
    }

    /// The tokens of a prompt: those of its text, without special ones that the tokenizer puts behind a text.
    pub fn prompt(&self, text: &str) -> Result<Vec<u32>, ModelError> {
        let encoded =
            self.tokenizer().encode_fast(text, true).map_err(|error| ModelError::Tokenizer(first_line(&*error)))?;
        let n_last = encoded.get_special_tokens_mask().iter().rev().take_while(|flag| **flag == 1).count();
        let ids = encoded.get_ids();
        // A text of nothing but what the tokenizer adds is a beginning, not an end.
        let n = if n_last == ids.len() { n_last } else { ids.len() - n_last };
        Ok(ids.iter().take(n).copied().collect())
    }
}

impl Stops {
    /// What ends a continuation besides the tokenizer's own end of a text; the first text that the tokenizer can never write
    /// is the error.
    pub fn new(encoder: &Encoder, texts: &[String]) -> Result<Stops, String> {
        let mut stops = Stops { tokens: encoder.end_tokens(), ..Stops::default() };
        for text in texts {
            if let Some(token) = encoder.tokenizer().token_to_id(text) {
                stops.tokens.push(token);
            }
            let written = encoder.tokenizer().encode_fast(text.as_str(), false).ok();
            let read = written.and_then(|written| encoder.tokenizer().decode(written.get_ids(), false).ok());
            if text.is_empty() || !read.is_some_and(|read| read.contains(text.trim())) {
                return Err(text.clone());
            }
            stops.texts.push(text.clone());
        }
        let lasts: Vec<char> = stops.texts.iter().filter_map(|text| text.chars().last()).collect();
        if encoder.tokenizer().get_decoder().is_none() && !lasts.iter().any(|last| last.is_whitespace()) {
            // Tokens are joined by spaces, so that the last character of a stop is one of the token that completes it.
            let holds = |token| encoder.tokenizer().id_to_token(token).is_none_or(|text| text.contains(&*lasts));
            stops.may_end = (0..encoder.n_tokens() as u32).map(holds).collect();
        }
        Ok(stops)
    }

    /// Whether a continuation may have come to a text that ends it with this token.
    fn may_end(&self, token: u32) -> bool {
        !self.texts.is_empty() && self.may_end.get(token as usize).copied().unwrap_or(true)
    }

    /// `text` up to what ends it, and whether something does.
    pub fn cut<'t>(&self, text: &'t str) -> (&'t str, bool) {
        let first = self.texts.iter().filter_map(|stop| text.find(stop.as_str())).min();
        (first.and_then(|at| text.get(..at)).unwrap_or(text), first.is_some())
    }
}

/// A sequence at work.
struct Sequence<'a> {
    /// Its place among the requests.
    at: usize,
    request: Request<'a>,
    cache: Cache,
    random: Random,
    /// The most tokens that it may get.
    room: usize,
    found: Continuation,
}

/// Continues each request, in order. A request must leave room for a token in what the model reads. `done` hears of
/// each token.
pub fn continue_all(
    model: &Model,
    requests: &[Request],
    settings: &Settings,
    interrupt: &Interrupt,
    done: &(dyn Fn(usize) + Sync),
) -> Result<Vec<Continuation>, ModelError> {
    let inner = &model.inner;
    let reader = Reader::speaking(&inner.arch, &inner.params.values);
    let waiting = &Mutex::new(requests.iter().copied().enumerate());
    let work = |at_work: usize| {
        let _flush = FlushDenormals::new();
        let mut speaker = Speaker { model, reader: &reader, settings, interrupt, done, at_work, desk: Desk::default() };
        let found = speaker.run(waiting);
        if found.is_err() {
            // The others need not begin anything any more.
            waiting.lock().unwrap_or_else(PoisonError::into_inner).by_ref().for_each(drop);
        }
        found
    };
    let batch = settings.batch.max(1);
    let mut found = if reader.is_big() {
        // Each pass spread over the threads.
        awake(|| work(batch))?
    } else {
        // Whoever has room takes the next ones: with whom a sequence shares its passes changes no bit.
        let share = batch.div_ceil(rayon::current_num_threads()).min(AT_WORK);
        let parts: Result<Vec<Numbered>, ModelError> = rayon::broadcast(|_| work(share)).into_iter().collect();
        parts?.concat()
    };
    found.sort_unstable_by_key(|(at, _)| *at);
    if found.len() < requests.len() {
        return Err(ModelError::Engine("a prompt was not continued".to_owned()));
    }
    Ok(found.into_iter().map(|(_, found)| found).collect())
}

/// Continuations, each with the place of its request.
type Numbered = Vec<(usize, Continuation)>;

/// What continues requests on one thread.
struct Speaker<'m> {
    model: &'m Model,
    reader: &'m Reader<'m>,
    settings: &'m Settings,
    interrupt: &'m Interrupt,
    done: &'m (dyn Fn(usize) + Sync),
    /// Sequences at a time.
    at_work: usize,
    desk: Desk,
}

impl Speaker<'_> {
    /// Continues what waits, until nothing does.
    fn run<'r>(&mut self, waiting: &Mutex<impl Iterator<Item = (usize, Request<'r>)>>) -> Result<Numbered, ModelError> {
        let mut ended = Numbered::new();
        let (mut working, mut logits): (Vec<Sequence>, Vec<f32>) = (Vec::new(), Vec::new());
        loop {
            let room = self.at_work - working.len();
            let is_worth = working.is_empty() || room >= self.at_work.div_ceil(REFILL);
            let taken: Vec<(usize, Request)> = match is_worth {
                true => waiting.lock().unwrap_or_else(PoisonError::into_inner).by_ref().take(room).collect(),
                false => Vec::new(),
            };
            let fresh: Vec<Sequence> = taken.into_iter().map(|(at, request)| self.sequence(at, request)).collect();
            let mut states = self.step(&mut working)?;
            let (fresh, first) = self.begin(fresh)?;
            working.extend(fresh);
            states.extend(first);
            if working.is_empty() {
                break;
            }
            self.reader.next_logits(&states, &mut logits);
            let vocab = logits.len() / working.len();
            for (sequence, logits) in working.iter_mut().zip(logits.chunks_exact(vocab.max(1))) {
                sequence.take(logits, self.settings, &self.model.inner.encoder)?;
            }
            (self.done)(working.len());
            for sequence in working.extract_if(.., |sequence| sequence.room == 0) {
                ended.push((sequence.at, sequence.found));
            }
        }
        Ok(ended)
    }

    fn sequence<'a>(&self, at: usize, request: Request<'a>) -> Sequence<'a> {
        let Settings { max_new_tokens, seed, .. } = *self.settings;
        let inner = &self.model.inner;
        let room = inner.max_tokens.saturating_sub(request.tokens.len()).min(max_new_tokens);
        // The last token is not read any more.
        let cache = Cache::new(&inner.arch, request.tokens.len() + room.saturating_sub(1));
        let random = Random::new(seed, &format!("generate\0{}\0{}", request.id, request.sample));
        let found = Continuation { tokens: Vec::new(), logprobs: Vec::new(), finish: Finish::Length };
        Sequence { at, request, cache, random, room, found }
    }

    /// Reads the last token of each sequence; the states behind them.
    fn step(&mut self, working: &mut [Sequence]) -> Result<Vec<f32>, ModelError> {
        let last: Vec<u32> =
            working.iter().map(|sequence| sequence.found.tokens.last().copied().unwrap_or_default()).collect();
        let mut rows: Vec<(&mut Cache, &[u32])> = working
            .iter_mut()
            .zip(&last)
            .map(|(sequence, last)| (&mut sequence.cache, std::slice::from_ref(last)))
            .collect();
        self.feed(&mut rows)
    }

    /// Reads the prompts of new sequences, each once where several samples of one begin together.
    fn begin<'a>(&mut self, mut fresh: Vec<Sequence<'a>>) -> Result<(Vec<Sequence<'a>>, Vec<f32>), ModelError> {
        let same = |a: &Sequence, b: &Sequence| std::ptr::eq(a.request.tokens, b.request.tokens);
        let mut rows: Vec<(&mut Cache, &[u32])> = fresh
            .chunk_by_mut(same)
            .filter_map(|run| run.first_mut())
            .map(|sequence| (&mut sequence.cache, sequence.request.tokens))
            .collect();
        let found = self.feed(&mut rows)?;
        let width = self.model.inner.arch.width();
        let mut states = Vec::with_capacity(fresh.len() * width);
        let runs = fresh.chunk_by_mut(same);
        for (run, state) in runs.zip(found.chunks_exact(width.max(1))) {
            run.iter().for_each(|_| states.extend_from_slice(state));
            if let Some((first, others)) = run.split_first_mut() {
                others.iter_mut().for_each(|other| other.cache.copy_from(&first.cache));
            }
        }
        Ok((fresh, states))
    }

    /// Reads rows behind their caches, in passes of some tokens; the states behind each row's last, row-major.
    fn feed(&mut self, rows: &mut [(&mut Cache, &[u32])]) -> Result<Vec<f32>, ModelError> {
        let width = self.model.inner.arch.width();
        let mut states = vec![0.0; rows.len() * width];
        let (mut row, mut from) = (0, 0);
        while row < rows.len() {
            // Rows from `row` on, as far as a pass goes; the first and the last may be cut.
            let (first, mut left) = (row, PASS);
            let mut pieces: Vec<&[u32]> = Vec::new();
            while let Some((_, tokens)) = rows.get(row).filter(|_| left > 0) {
                let piece = tokens.get(from..tokens.len().min(from + left)).unwrap_or_default();
                pieces.push(piece);
                left -= piece.len();
                from += piece.len();
                if from < tokens.len() {
                    break;
                }
                (row, from) = (row + 1, 0);
            }
            let n_pieces = pieces.len();
            let batch = Packed::new(pieces);
            let some = rows.get_mut(first..first + n_pieces).unwrap_or_default();
            let mut caches: Vec<&mut Cache> = some.iter_mut().map(|(cache, _)| &mut **cache).collect();
            let par = self.reader.is_big();
            let found = self.reader.extend(par, &batch, &mut caches, &mut self.desk, self.interrupt)?;
            let found = found.ok_or_else(|| ModelError::Engine("a prompt does not fit into its cache".to_owned()))?;
            // A row that was cut is written again when the rest of it was read.
            if let Some(to) = states.get_mut(first * width..(first + n_pieces) * width) {
                to.copy_from_slice(&found);
            }
        }
        Ok(states)
    }
}

impl Sequence<'_> {
    /// Takes the next token.
    fn take(&mut self, logits: &[f32], settings: &Settings, encoder: &Encoder) -> Result<(), ModelError> {
        let token = settings.sampling.pick(logits, &mut self.random);
        let logit = logits.get(token as usize).copied().unwrap_or(f32::NAN);
        let logprob = (f64::from(logit) - log_sum_exp(logits)) as f32;
        if !logprob.is_finite() {
            let id = self.request.id;
            return Err(ModelError::Engine(format!("the logits after the prompt `{id}` are not finite numbers")));
        }
        self.found.tokens.push(token);
        self.found.logprobs.push(logprob);
        self.room = self.room.saturating_sub(1);
        let stops = &settings.stops;
        let is_end = stops.tokens.contains(&token)
            || stops.may_end(token) && stops.cut(&encoder.continuation(self.request.tokens, &self.found.tokens)?).1;
        if is_end {
            (self.room, self.found.finish) = (0, Finish::Stop);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
