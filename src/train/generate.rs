//! Generation as an operation: what a causal model writes behind each prompt, looked up in the store.

use super::TrainError;
use super::likelihood::speaks;
use super::options::{declare, derived_text, other_text};
use super::predict::Bar;
use crate::core::context::Context;
use crate::core::digest::Digest;
use crate::core::random::Random;
use crate::data::{Data, Input, InputKind};
use crate::frames::{Frame, FrameError};
use crate::models::generation::{Continuation, Finish, Request, Settings, Stops, continue_all};
use crate::models::sampling::Sampling;
use crate::models::{Model, ModelError};
use crate::store::memo::{Content, Done, Operation, Partial, Step, perform};
use polars::prelude::{Column, DataFrame};
use std::sync::atomic::{AtomicU64, Ordering};

/// The most tokens, samples and sequences at work: arbitrary, beyond what fits into memory or a day.
const MAX_TOKENS: usize = 65_536;
const MAX_SAMPLES: usize = 100_000;
const MAX_BATCH: usize = 4096;

/// The options of a generation, for a macro that makes something of them.
macro_rules! generate_options {
    ($make:path) => {
        $make! {
            /// How a model continues prompts.
            GenerateOptions {
                /// The most tokens of a continuation.
                max_new_tokens: usize = 32, [1..=MAX_TOKENS], Always;
                /// Logits are divided by it; 0 takes the likeliest token, the first of equals.
                temperature: f64 = 0.0, [0.0..=1e3], Always;
                /// Draws from so many of the likeliest tokens; 0 from all.
                top_k: usize = 0, [0..=MAX_TOKENS * 16], Always;
                /// Draws from the likeliest tokens that together have this probability.
                top_p: f64 = 1.0, [1e-9..=1.0], Always;
                /// Continuations of each prompt.
                n_samples: usize = 1, [1..=MAX_SAMPLES], Always;
                /// Texts that end a continuation; its `text` ends before them.
                stop: Vec<String> = vec![], [], Always;
                /// What is drawn: with the prompt's id and the sample it decides every token. Left out, the session's.
                seed: u64 = 0, [], Always;
                /// Sequences that are at work together. It changes memory and speed, and no result.
                batch: usize = 16, [1..=MAX_BATCH], NoDigest;
            }
        }
    };
}
pub(crate) use generate_options;

generate_options!(declare);

impl GenerateOptions {
    /// The same, without what decides nothing where nothing is drawn.
    fn settled(&self) -> GenerateOptions {
        if self.temperature > 0.0 {
            return self.clone();
        }
        GenerateOptions { temperature: 0.0, top_k: 0, top_p: 1.0, seed: 0, ..self.clone() }
    }
}

/// What the frame of a generation shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct GenerateShown {
    /// Whether it repeats each prompt's text.
    pub prompt: bool,
    /// Whether it has a row for each token instead of one for each continuation.
    pub per_token: bool,
}

/// What the model writes behind each prompt: a frame with `id`, `sample`, (`prompt`,) `text`, `n_tokens`, `logprob`, `finish`;
/// token by token with `id`, `sample`, `position`, `token`, `text`, `logprob`.
pub fn generate(
    model: &Model,
    prompts: &Data,
    options: &GenerateOptions,
    shown: GenerateShown,
    ctx: &Context,
) -> Result<Frame, TrainError> {
    options.check()?;
    let name = &model.inner.name;
    speaks(model, "generate", ctx)?;
    if prompts.is_empty() {
        return Err(TrainError::NoRows { of: "prompts" });
    }
    if options.temperature == 0.0 && options.n_samples > 1 {
        ctx.warn(format!("at temperature 0 the {} samples of a prompt are the same", options.n_samples));
    }
    let options = options.settled();
    let stops = Stops::new(&model.inner.encoder, &options.stop)
        .map_err(|stop| TrainError::Stop { stop, model: name.clone() })?;
    let tokens = prompt_tokens(model, prompts)?;
    let generation = Generation { model, prompts, options: &options, tokens: &tokens, stops: &stops };
    let found = perform(&generation, ctx)?;
    if shown.per_token { generation.token_frame(&found) } else { generation.frame(&found, shown) }
}

/// The tokens of each prompt. A prompt with continuations is its text alone.
fn prompt_tokens(model: &Model, prompts: &Data) -> Result<Vec<Vec<u32>>, TrainError> {
    let inner = &model.inner;
    if prompts.input() == InputKind::Features {
        let (name, data) = (inner.name.clone(), prompts.name().to_owned());
        return Err(ModelError::Input { name, data, held: InputKind::Features.name() }.into());
    }
    let n_known = inner.encoder.n_tokens();
    let of_row = |row: &crate::data::Row| {
        let id = || row.id.to_string();
        let tokens = match &row.input {
            Input::Text(text) => inner.encoder.prompt(text)?,
            Input::Prompt(prompt) => inner.encoder.prompt(&prompt.text)?,
            Input::Tokens(tokens) => tokens.to_vec(),
            Input::Features(_) => Vec::new(),
        };
        if let Some(token) = tokens.iter().copied().find(|token| *token as usize >= n_known) {
            return Err(ModelError::Token { id: id(), token, n_tokens: n_known }.into());
        }
        match tokens.len() {
            0 => Err(TrainError::EmptyPrompt { id: id() }),
            n if n >= inner.max_tokens => {
                let (model, max_tokens) = (inner.name.clone(), inner.max_tokens);
                Err(TrainError::LongPrompt { id: id(), n_tokens: n, model, max_tokens })
            }
            _ => Ok(tokens),
        }
    };
    prompts.rows().map(of_row).collect()
}

/// A generation before it is computed.
struct Generation<'a> {
    model: &'a Model,
    prompts: &'a Data,
    /// Settled.
    options: &'a GenerateOptions,
    /// Of each prompt.
    tokens: &'a [Vec<u32>],
    stops: &'a Stops,
}

impl Generation<'_> {
    fn digest(&self) -> Digest {
        let (model, prompts) = (self.model.inner.digest, self.prompts.digest());
        self.options.add_to(Digest::of("generate", 1).digest("model", model).digest("prompts", prompts)).finish()
    }

    /// Every sample of every prompt.
    fn requests(&self) -> Vec<Request<'_>> {
        let rows = self.prompts.rows().zip(self.tokens);
        let samples = |(row, tokens)| {
            let (row, tokens): (&crate::data::Row, &Vec<u32>) = (row, tokens);
            (0..self.options.n_samples).map(move |sample| Request { id: &row.id, sample, tokens })
        };
        rows.flat_map(samples).collect()
    }

    fn frame(&self, found: &[Continuation], shown: GenerateShown) -> Result<Frame, TrainError> {
        let requests = self.requests();
        let encoder = &self.model.inner.encoder;
        let texts: Result<Vec<String>, ModelError> = requests
            .iter()
            .zip(found)
            .map(|(request, found)| {
                let text = encoder.continuation(request.tokens, &found.tokens)?;
                Ok(self.stops.cut(&text).0.to_owned())
            })
            .collect();
        let total = |found: &Continuation| found.logprobs.iter().map(|p| f64::from(*p)).sum::<f64>();
        let mut columns = vec![
            Column::new("id".into(), requests.iter().map(|request| request.id).collect::<Vec<_>>()),
            Column::new("sample".into(), requests.iter().map(|request| request.sample as i64).collect::<Vec<_>>()),
        ];
        if shown.prompt {
            let text = |row: &crate::data::Row| row.input.texts().next().unwrap_or_default().to_owned();
            let each = self.prompts.rows().flat_map(|row| std::iter::repeat_n(text(row), self.options.n_samples));
            columns.push(Column::new("prompt".into(), each.collect::<Vec<_>>()));
        }
        columns.extend([
            Column::new("text".into(), texts?),
            Column::new("n_tokens".into(), found.iter().map(|found| found.tokens.len() as i64).collect::<Vec<_>>()),
            Column::new("logprob".into(), found.iter().map(total).collect::<Vec<_>>()),
            Column::new("finish".into(), found.iter().map(|found| found.finish.name()).collect::<Vec<_>>()),
        ]);
        let table = DataFrame::new(found.len(), columns).map_err(FrameError::from)?;
        let digest = match shown.prompt {
            false => self.digest(),
            true => Digest::of("generate/prompts", 1).digest("generate", self.digest()).finish(),
        };
        Ok(Frame::derived(table, digest))
    }

    fn token_frame(&self, found: &[Continuation]) -> Result<Frame, TrainError> {
        let requests = self.requests();
        let encoder = &self.model.inner.encoder;
        let (mut ids, mut samples, mut places): (Vec<&str>, Vec<i64>, Vec<i64>) = Default::default();
        let (mut tokens, mut texts, mut logprobs): (Vec<i64>, Vec<String>, Vec<f64>) = Default::default();
        for (request, found) in requests.iter().zip(found) {
            for (place, (token, logprob)) in found.tokens.iter().zip(&found.logprobs).enumerate() {
                ids.push(request.id);
                samples.push(request.sample as i64);
                places.push(place as i64);
                tokens.push(i64::from(*token));
                texts.push(encoder.token_text(*token));
                logprobs.push(f64::from(*logprob));
            }
        }
        let n = tokens.len();
        let columns = vec![
            Column::new("id".into(), ids),
            Column::new("sample".into(), samples),
            Column::new("position".into(), places),
            Column::new("token".into(), tokens),
            Column::new("text".into(), texts),
            Column::new("logprob".into(), logprobs),
        ];
        let table = DataFrame::new(n, columns).map_err(FrameError::from)?;
        Ok(Frame::derived(table, Digest::of("generate/tokens", 1).digest("generate", self.digest()).finish()))
    }
}

/// The value is the continuations of [`Generation::requests`], in order.
impl Operation for Generation<'_> {
    type Value = Vec<Continuation>;
    type Error = TrainError;

    fn step(&self) -> Step {
        let told = self.options.told();
        let (derived, other) = (derived_text(&told), other_text(&told));
        let n_read: usize = self.tokens.iter().map(Vec::len).sum();
        let n_written = self.tokens.len() * self.options.n_samples * self.options.max_new_tokens;
        Step {
            operation: "generate",
            what: format!("{} prompts of {} with {}", self.prompts.len(), self.prompts.name(), self.model.inner.name),
            digest: self.digest(),
            inputs: vec![("model", self.model.inner.digest), ("prompts", self.prompts.digest())],
            options: if other.is_empty() { derived } else { format!("{derived}, {other}") },
            // Forward alone, two for a parameter and a token.
            work: 2.0 * self.model.n_params() as f64 * (n_read + n_written) as f64,
            untraceable: None,
        }
    }

    fn compute(&self, ctx: &Context, _partial: &Partial) -> Result<Done<Vec<Continuation>>, TrainError> {
        let options = self.options;
        let requests = self.requests();
        let most = (requests.len() * options.max_new_tokens) as u64;
        let bar = Bar::start(ctx, format!("generate with {}", self.model.inner.name), most);
        let n_written = AtomicU64::new(0);
        let told = AtomicU64::new(0);
        let done = |n: usize| {
            let n = n_written.fetch_add(n as u64, Ordering::Relaxed) + n as u64;
            // A short message for each hundredth.
            let part = n * 100 / most.max(1);
            if told.fetch_max(part, Ordering::Relaxed) < part {
                bar.progress(n, || format!("{n} tokens"));
            }
        };
        let settings = Settings {
            max_new_tokens: options.max_new_tokens,
            sampling: Sampling { temperature: options.temperature, top_k: options.top_k, top_p: options.top_p },
            seed: options.seed,
            stops: self.stops.clone(),
            batch: options.batch,
        };
        let value = continue_all(self.model, &requests, &settings, &ctx.interrupt, &done)?;
        Ok(Done { value, curve: Vec::new() })
    }

    /// Tokens are numbers below 2^24, which a 32-bit float holds exactly.
    fn pack(&self, value: &Vec<Continuation>) -> Content {
        let n = value.len();
        let lengths = value.iter().map(|found| found.tokens.len() as f32).collect();
        let stopped = value.iter().map(|found| f32::from(u8::from(found.finish == Finish::Stop))).collect();
        let tokens: Vec<f32> = value.iter().flat_map(|found| &found.tokens).map(|token| *token as f32).collect();
        let logprobs: Vec<f32> = value.iter().flat_map(|found| &found.logprobs).copied().collect();
        let n_tokens = tokens.len();
        Content::default()
            .tensor("lengths", &[n], lengths)
            .tensor("stopped", &[n], stopped)
            .tensor("tokens", &[n_tokens], tokens)
            .tensor("logprobs", &[n_tokens], logprobs)
    }

    fn unpack(&self, mut content: Content) -> Result<Vec<Continuation>, String> {
        let n = self.tokens.len() * self.options.n_samples;
        let (lengths, stopped) = (content.take("lengths", &[n])?, content.take("stopped", &[n])?);
        let n_tokens = lengths.iter().map(|n| *n as usize).sum();
        let (tokens, logprobs) = (content.take("tokens", &[n_tokens])?, content.take("logprobs", &[n_tokens])?);
        let mut at = 0;
        let each = |(length, stopped): (f32, f32)| {
            let range = at..at + length as usize;
            at = range.end;
            Continuation {
                tokens: tokens.get(range.clone()).unwrap_or_default().iter().map(|token| *token as u32).collect(),
                logprobs: logprobs.get(range).unwrap_or_default().to_vec(),
                finish: if stopped == 1.0 { Finish::Stop } else { Finish::Length },
            }
        };
        Ok(lengths.into_iter().zip(stopped).map(each).collect())
    }

    fn stand_in(&self) -> Vec<Continuation> {
        let mut random = Random::new(0, &self.digest().to_hex());
        let vocab = self.model.inner.encoder.n_tokens();
        let any = |_| {
            let (tokens, logprobs) = (vec![random.below(vocab) as u32], vec![-(random.uniform() as f32)]);
            Continuation { tokens, logprobs, finish: Finish::Length }
        };
        (0..self.tokens.len() * self.options.n_samples).map(any).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::options::Says;
    use super::*;
    use crate::core::explain::Explain;
    use crate::data::Split;
    use crate::models::testing::{rows, tiny};

    fn prompts(texts: &[&str]) -> Data {
        rows(texts.iter().map(|text| (*text).into()).collect(), Split::Train)
    }

    fn digest(options: &GenerateOptions) -> Digest {
        let (model, prompts, options) = (tiny(0), prompts(&["w1"]), options.settled());
        let (tokens, stops) = (Vec::new(), Stops::default());
        Generation { model: &model, prompts: &prompts, options: &options, tokens: &tokens, stops: &stops }.digest()
    }

    #[test]
    fn every_option_that_decides_something_is_in_the_derivation() {
        let drawn = GenerateOptions { temperature: 1.0, ..GenerateOptions::default() };
        let variants = drawn.variants();
        assert_eq!(variants.len(), 8);
        for (name, says, changed) in variants {
            assert_eq!(digest(&changed) == digest(&drawn), says == Says::NoDigest, "`{name}`");
        }
        let greedy = GenerateOptions::default();
        let seeded = GenerateOptions { seed: 7, top_k: 3, top_p: 0.5, ..greedy.clone() };
        assert_eq!(digest(&seeded), digest(&greedy), "nothing is drawn");
    }

    #[test]
    fn a_generation_is_kept_to_the_bit_and_shown_in_three_ways() {
        let folder = tempfile::tempdir().expect("a folder");
        let ctx = super::super::checkpoint::testing::lab_in(folder.path());
        let (model, asked) = (tiny(0), prompts(&["w1 w2", "w3 . w4 w5"]));
        let options =
            GenerateOptions { max_new_tokens: 4, temperature: 1.0, n_samples: 2, ..GenerateOptions::default() };
        let made = |ctx: &Context, shown| generate(&model, &asked, &options, shown, ctx).expect("generated");
        let plain = GenerateShown::default();
        let computed = made(&Context::for_tests(), plain);
        for _ in 0..2 {
            assert!(made(&ctx, plain).table().equals(computed.table()), "computed, then looked up");
        }
        assert_eq!(computed.columns(), ["id", "sample", "text", "n_tokens", "logprob", "finish"]);
        assert_eq!(computed.strings("id").expect("ids"), ["r0", "r0", "r1", "r1"]);
        let each = made(&ctx, GenerateShown { per_token: true, ..plain });
        let (sums, logprobs) = (computed.floats("logprob").expect("sums"), each.floats("logprob").expect("numbers"));
        assert_eq!(logprobs.len(), 16);
        assert!(sums.iter().zip(logprobs.chunks(4)).all(|(sum, each)| (sum - each.iter().sum::<f64>()).abs() < 1e-12));
        let with = made(&ctx, GenerateShown { prompt: true, ..plain });
        assert_eq!(with.strings("prompt").expect("texts")[2], "w3 . w4 w5");
        assert_ne!(with.digest(), computed.digest());
    }

    #[test]
    fn what_cannot_be_continued_is_refused_and_ctrl_c_stops() {
        let ctx = Context::for_tests();
        let fails = |texts: &[&str], options: GenerateOptions| {
            generate(&tiny(0), &prompts(texts), &options, GenerateShown::default(), &ctx).err().expect("refused")
        };
        let plain = GenerateOptions::default;
        assert_eq!(
            fails(&["w1", " "], plain()).to_string(),
            "the prompt `r1` has no tokens: there is nothing to continue"
        );
        let long = fails(&["w1 w1 w1 w1 w1 w1 w1 w1 w1 w1 w1 w1 w1 w1 w1 w1"], plain()).to_string();
        assert!(long.contains("has 16 tokens, and `tiny` reads 16"), "{long}");
        let stop = fails(&["w1"], GenerateOptions { stop: vec!["zz".to_owned()], ..plain() }).to_string();
        assert_eq!(stop, "`stop` has \"zz\", which the tokenizer of `tiny` never writes");
        assert!(fails(&["w1"], GenerateOptions { n_samples: 0, ..plain() }).to_string().contains("`n_samples`"));
        assert!(
            fails(&["w1"], GenerateOptions { temperature: f64::NAN, ..plain() }).to_string().contains("`temperature`")
        );
        ctx.interrupt.raise();
        assert!(fails(&["w1"], plain()).is_interruption());
    }
}
