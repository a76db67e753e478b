use super::*;
use crate::core::context::Context;
use crate::models::ladder;
use crate::models::testing::{tiny, tiny_bert, tiny_llama};
use crate::models::trunk::{Tape, lm_logits};

const GREEDY: Sampling = Sampling { temperature: 0.0, top_k: 0, top_p: 1.0 };
const DRAWN: Sampling = Sampling { temperature: 1.0, top_k: 9, top_p: 0.9 };

fn settings(sampling: Sampling, max_new_tokens: usize, batch: usize) -> Settings {
    Settings { max_new_tokens, sampling, seed: 3, stops: Stops::default(), batch }
}

fn written(model: &Model, prompts: &[Vec<u32>], settings: &Settings, n_threads: usize) -> Vec<Continuation> {
    let ids: Vec<String> = (0..prompts.len()).map(|idx| format!("r{idx}")).collect();
    let requests: Vec<Request> =
        prompts.iter().zip(&ids).map(|(tokens, id)| Request { id, sample: 0, tokens }).collect();
    let pool = rayon::ThreadPoolBuilder::new().num_threads(n_threads).build().expect("threads");
    pool.install(|| continue_all(model, &requests, settings, &Interrupt::default(), &|_| {})).expect("continues")
}

/// Prompts of very different lengths.
fn prompts(vocab: usize, longest: usize) -> Vec<Vec<u32>> {
    let mut random = Random::new(5, "prompts");
    let lengths = [1, longest, 3, 2, longest / 2 + 1, 1, 5.min(longest)];
    lengths.iter().map(|n| (0..*n).map(|_| random.below(vocab) as u32).collect()).collect()
}

/// The likeliest token and its log-probability, again and again, each time from the whole row.
fn by_whole_rows(model: &Model, prompt: &[u32], n: usize) -> Vec<(u32, f32)> {
    let inner = &model.inner;
    let (mut tokens, mut found, mut tape) = (prompt.to_vec(), Vec::new(), Tape::new());
    for _ in 0..n {
        let logits = lm_logits(&inner.arch, &inner.params.values, &Packed::new([&*tokens]), &mut tape);
        let token = crate::frames::argmax(&logits);
        let exact: f64 = logits.iter().map(|z| f64::from(*z).exp()).sum::<f64>().ln();
        found.push((token as u32, (f64::from(logits[token]) - exact) as f32));
        tokens.push(token as u32);
    }
    found
}

/// Against the forward pass without a cache: the same tokens, log-probabilities to 1e-5.
#[test]
fn a_cache_changes_neither_tokens_nor_probabilities() {
    let rungs = ladder("world", &Context::for_tests()).expect("the shipped ladder");
    for model in [tiny(0), tiny(1), tiny_llama(0), rungs[0].clone(), rungs[5].clone()] {
        let inner = &model.inner;
        let longest = inner.max_tokens / 2;
        let rows = prompts(inner.encoder.n_tokens(), longest);
        let n = inner.max_tokens - longest;
        for (row, found) in rows.iter().zip(written(&model, &rows, &settings(GREEDY, n, 4), 2)) {
            let expected = by_whole_rows(&model, row, n);
            let tokens: Vec<u32> = expected.iter().map(|(token, _)| *token).collect();
            assert_eq!(found.tokens, tokens, "{} behind {} tokens", inner.name, row.len());
            let apart = expected.iter().zip(&found.logprobs).map(|((_, a), b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(apart < 1e-5, "{apart} with {}", inner.name);
            assert_eq!(found.finish, Finish::Length);
        }
    }
}

#[test]
fn neither_batch_nor_company_nor_threads_change_a_bit() {
    for model in [tiny(0), tiny_llama(2)] {
        let rows = prompts(model.inner.encoder.n_tokens(), 9);
        for sampling in [GREEDY, DRAWN] {
            let together = written(&model, &rows, &settings(sampling, 6, 16), 1);
            for (batch, n_threads) in [(1, 1), (2, 3), (3, 2), (100, 4)] {
                assert!(written(&model, &rows, &settings(sampling, 6, batch), n_threads) == together);
            }
            for at in 0..rows.len() {
                let request = Request { id: &format!("r{at}"), sample: 0, tokens: &rows[at] };
                let settings = settings(sampling, 6, 16);
                let alone = continue_all(&model, &[request], &settings, &Interrupt::default(), &|_| {});
                assert!(alone.expect("continues")[0] == together[at], "prompt {at} alone");
            }
        }
    }
}

#[test]
fn what_is_drawn_belongs_to_seed_prompt_and_sample() {
    let model = tiny(0);
    let tokens = [1, 2, 3];
    let drawn = |seed, id: &str, n_samples: usize| {
        let requests: Vec<Request> = (0..n_samples).map(|sample| Request { id, sample, tokens: &tokens }).collect();
        let settings = Settings { seed, ..settings(Sampling { temperature: 2.0, ..GREEDY }, 8, 3) };
        let found = continue_all(&model, &requests, &settings, &Interrupt::default(), &|_| {}).expect("continues");
        found.into_iter().map(|found| found.tokens).collect::<Vec<_>>()
    };
    let five = drawn(0, "a", 5);
    assert!((1..5).all(|at| five[at] != five[0]));
    assert_eq!(drawn(0, "a", 2), five[..2], "more samples leave the first as they are");
    assert!(drawn(1, "a", 1) != five[..1] && drawn(0, "b", 1) != five[..1]);
}

#[test]
fn a_continuation_ends_at_a_stop_or_where_the_model_reads_no_more() {
    let model = tiny(0);
    let encoder = &model.inner.encoder;
    let rows = vec![vec![1, 2, 3]];
    let whole = &written(&model, &rows, &settings(GREEDY, 100, 1), 1)[0];
    assert_eq!((whole.tokens.len(), whole.finish), (13, Finish::Length), "16 in all");
    // What the third token writes ends it there.
    let word = encoder.token_text(whole.tokens[2]);
    let first = whole.tokens.iter().position(|token| *token == whole.tokens[2]).expect("it is there");
    let stops = Stops::new(encoder, std::slice::from_ref(&word)).expect("it can be written");
    let stopped = &written(&model, &rows, &Settings { stops: stops.clone(), ..settings(GREEDY, 100, 1) }, 1)[0];
    assert_eq!((stopped.tokens.as_slice(), stopped.finish), (&whole.tokens[..=first], Finish::Stop));
    let text = encoder.continuation(&rows[0], &stopped.tokens).expect("decodes");
    assert!(text.ends_with(&word) && !stops.cut(&text).0.contains(&word));
    assert_eq!(Stops::new(encoder, &["nothing like it".to_owned()]), Err("nothing like it".to_owned()));
    assert_eq!(Stops::new(encoder, &[String::new()]), Err(String::new()));
}

#[test]
fn prompt_and_text_read_as_a_whole() {
    let encoder = &tiny(0).inner.encoder;
    let prompt = encoder.prompt("w1 w2").expect("encodes");
    let more = encoder.prompt("w3 .").expect("encodes");
    assert_eq!(format!("w1 w2{}", encoder.continuation(&prompt, &more).expect("decodes")), "w1 w2 w3 .");
    assert_eq!(encoder.continuation(&[], &more).expect("decodes"), "w3 .");
}

#[test]
fn what_cannot_be_read_behind_a_cache_is_refused() {
    let model = tiny(0);
    let inner = &model.inner;
    let (arch, params) = (&inner.arch, &inner.params.values);
    let extend = |reader: &Reader, tokens: &[u32], capacity: usize| {
        let mut cache = Cache::new(arch, capacity);
        let batch = Packed::new([tokens]);
        reader
            .extend(false, &batch, &mut [&mut cache], &mut Desk::default(), &Interrupt::default())
            .expect("not stopped")
    };
    let speaking = Reader::speaking(arch, params);
    assert!(extend(&speaking, &[1, 2], 2).is_some());
    assert!(extend(&speaking, &[1, 2, 3], 2).is_none(), "beyond its room");
    assert!(extend(&speaking, &[1; 17], 100).is_none(), "beyond the context");
    assert!(extend(&speaking, &[99], 2).is_none() && extend(&speaking, &[], 2).is_none());
    assert!(extend(&Reader::of_tokens(arch, params, crate::kernels::Precision::F32), &[1], 2).is_none());
    let bert = tiny_bert(0);
    let reader = Reader::speaking(&bert.inner.arch, &bert.inner.params.values);
    let mut cache = Cache::new(&bert.inner.arch, 4);
    let found = reader.extend(
        false,
        &Packed::new([&[1u32][..]]),
        &mut [&mut cache],
        &mut Desk::default(),
        &Interrupt::default(),
    );
    assert!(found.expect("not stopped").is_none());
}

/// A model that diverged says so instead of writing something.
#[test]
fn logits_that_are_no_numbers_are_an_error() {
    let model = tiny(0).with(|model| {
        let mut params = crate::models::arch::Params::clone(&model.params);
        params.values.iter_mut().for_each(|value| *value = f32::NAN);
        model.params = std::sync::Arc::new(params);
    });
    let request = Request { id: "a", sample: 0, tokens: &[1, 2] };
    let found = continue_all(&model, &[request], &settings(GREEDY, 3, 1), &Interrupt::default(), &|_| {});
    assert!(found.expect_err("no numbers").to_string().contains("the logits after the prompt `a`"));
}
