//! How fast a model writes, against the memory's bandwidth: a token cannot come before every weight was read once.
//!
//! `cargo bench --bench generation` measures the bandwidth (the best of five sums over 1 GiB), then the time of a token at
//! several batches on random weights of SmolLM2-135M's shape, the time of a prompt's token, and the memory. Ratios are what to
//! read: weights' bytes over bandwidth, divided by the time of a pass. 1 is the limit at batch 1; a batch of n passes may stay
//! near it and give n tokens.
//!
//! `cargo bench --bench generation -- ladder` measures policies of the generated world's ladder instead, which are bound by what a
//! token costs and not by memory: tokens a millisecond at batch 256, drawn at temperature 1, to the full length and to a stop.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, clippy::disallowed_methods)]

use rayon::prelude::*;
use std::hint::black_box;
use std::time::Instant;
use tokenizers::models::wordlevel::WordLevel;
use w2s::core::context::Interrupt;
use w2s::core::digest::Digest;
use w2s::core::random::Random;
use w2s::models::arch::{Arch, Changes, LlamaConfig, Rope};
use w2s::models::generation::{Request, Settings, Stops, continue_all};
use w2s::models::sampling::Sampling;
use w2s::models::{Encoder, Model, world_ladder};

/// Tokens of a prompt, and those that follow it.
const PROMPT: usize = 32;
const NEW: usize = 25;
/// Rounds of each measurement: arbitrary, odd.
const ROUNDS: usize = 5;

fn main() {
    if std::env::args().any(|argument| argument == "ladder") {
        return ladder();
    }
    let model = model();
    let weights = 4.0 * model.n_params() as f64;
    let bandwidth = bandwidth();
    println!(
        "{} threads, weights {:.0} MB, bandwidth {:.1} GB/s",
        rayon::current_num_threads(),
        weights / 1e6,
        bandwidth / 1e9
    );
    let limit = weights / bandwidth;
    // Forget the array that the bandwidth was measured on.
    let _ = std::fs::write("/proc/self/clear_refs", "5");
    for batch in [1, 4, 16] {
        // The first token comes with the prompt.
        let pass = best(|| seconds(&model, batch, PROMPT, NEW) - seconds(&model, batch, PROMPT, 1)) / (NEW - 1) as f64;
        println!(
            "batch {batch:2}: {:6.1} ms a pass, {:5.2} of the bandwidth, {:6.1} tokens/s",
            1e3 * pass,
            limit / pass,
            batch as f64 / pass
        );
    }
    let read = best(|| seconds(&model, 1, 512, 1));
    let flops = 2.0 * 512.0 * (model.n_params() - 49_152 * 576) as f64;
    println!("prompt of 512: {:.0} tokens/s, {:.0} GFLOP/s", 512.0 / read, flops / read / 1e9);
    if let Some(peak) = peak_memory() {
        // 30 layers × 2 × 192 features, at batch 16.
        let caches = 16.0 * (PROMPT + NEW) as f64 * 30.0 * 2.0 * 192.0 * 4.0;
        println!("peak memory {:.0} MB: {:.2} of weights and caches", peak / 1e6, peak / (weights + caches));
    }
}

/// Sequences at work together, sequences in all, and tokens of a prompt and behind it, where policies of the ladder write.
const POLICY: [usize; 4] = [256, 2048, 10, 32];
/// Rungs of version 2 that are measured, and tokens a millisecond that are wanted of each on two cores.
const WANTED: [(&str, f64); 4] = [("16x1-2000", 300.0), ("32x2-4000", 0.0), ("64x2-2000", 100.0), ("64x2-4000", 100.0)];

/// Tokens a millisecond of policies of the ladder.
fn ladder() {
    let [batch, n, prompt, new] = POLICY;
    println!("{} threads, batch {batch}, {n} sequences, load {}", rayon::current_num_threads(), load());
    let rungs = world_ladder(2, 0).unwrap();
    for (name, wanted) in WANTED {
        let model = rungs.iter().find(|rung| rung.inner.name == name).unwrap();
        let vocab = model.inner.encoder.n_tokens();
        let tokens: Vec<Vec<u32>> =
            (0..n).map(|row| (0..prompt).map(|at| ((row * 31 + at * 7) % vocab) as u32).collect()).collect();
        let requests: Vec<Request> = tokens.iter().map(|tokens| Request { id: "", sample: 0, tokens }).collect();
        for stops in [Vec::new(), vec![".".to_owned()]] {
            let what = if stops.is_empty() { "full length" } else { "to a stop" };
            let stops = Stops::new(&model.inner.encoder, &stops).unwrap();
            let sampling = Sampling { temperature: 1.0, top_k: 0, top_p: 1.0 };
            let settings = Settings { max_new_tokens: new, sampling, seed: 0, stops, batch };
            let mut rates: Vec<f64> = (0..ROUNDS)
                .map(|_| {
                    let started = Instant::now();
                    let found = continue_all(model, &requests, &settings, &Interrupt::default(), &|_| {}).unwrap();
                    found.iter().map(|one| one.tokens.len()).sum::<usize>() as f64
                        / started.elapsed().as_secs_f64()
                        / 1e3
                })
                .collect();
            rates.sort_by(f64::total_cmp);
            println!(
                "{name:9} {what:11}: {:6.1} tokens/ms (median of {ROUNDS}, {:.1} to {:.1}), wanted {wanted}",
                rates[ROUNDS / 2],
                rates[0],
                rates[ROUNDS - 1]
            );
        }
    }
}

/// The machine's load over a minute, where the system says.
fn load() -> String {
    let read = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    read.split_whitespace().next().unwrap_or("unknown").to_owned()
}

/// Random weights of SmolLM2-135M's shape.
fn model() -> Model {
    let arch = Arch::Llama(LlamaConfig {
        vocab: 49_152,
        context: 2048,
        width: 576,
        n_layers: 30,
        n_heads: 9,
        n_kv_heads: 3,
        inner: 1536,
        norm_eps: 1e-5,
        rope: Rope { theta: 1e5, scaling: None },
        qkv_bias: false,
        tied: true,
        changes: Changes::default(),
    });
    let mut random = Random::new(0, "bench");
    let values = (0..arch.layout().n_params).map(|_| (random.bits() as f32 / u32::MAX as f32 - 0.5) * 0.05).collect();
    let vocab = [("[UNK]".to_owned(), 0), ("a".to_owned(), 1)].into_iter().collect();
    let words = WordLevel::builder().vocab(vocab).unk_token("[UNK]".to_owned()).build().unwrap();
    let encoder = Encoder::new(&tokenizers::Tokenizer::new(words)).unwrap();
    Model::new("random", arch, values, encoder, Digest::of("bench", 1).finish(), "random numbers").unwrap()
}

/// Seconds of continuing so many prompts.
fn seconds(model: &Model, batch: usize, prompt: usize, max_new_tokens: usize) -> f64 {
    let tokens: Vec<Vec<u32>> =
        (0..batch).map(|row| (0..prompt).map(|at| ((row * 31 + at * 7) % 40_000) as u32).collect()).collect();
    let requests: Vec<Request> = tokens.iter().map(|tokens| Request { id: "", sample: 0, tokens }).collect();
    let sampling = Sampling { temperature: 0.0, top_k: 0, top_p: 1.0 };
    let settings = Settings { max_new_tokens, sampling, seed: 0, stops: Stops::default(), batch };
    let started = Instant::now();
    black_box(continue_all(model, &requests, &settings, &Interrupt::default(), &|_| {}).unwrap());
    started.elapsed().as_secs_f64()
}

/// The least of some measurements.
fn best(measure: impl Fn() -> f64) -> f64 {
    (0..ROUNDS).map(|_| measure()).fold(f64::INFINITY, f64::min)
}

/// Bytes a second: the best of five sums over 1 GiB.
fn bandwidth() -> f64 {
    let numbers = vec![1.0f32; 1 << 28];
    let sum = |part: &[f32]| {
        let mut lanes = [0.0f32; 64];
        part.chunks_exact(64).for_each(|some| lanes.iter_mut().zip(some).for_each(|(lane, x)| *lane += x));
        lanes.iter().sum::<f32>()
    };
    let seconds = (0..5).map(|_| {
        let started = Instant::now();
        black_box(numbers.par_chunks(1 << 20).map(sum).sum::<f32>());
        started.elapsed().as_secs_f64()
    });
    4.0 * numbers.len() as f64 / seconds.fold(f64::INFINITY, f64::min)
}

/// The most bytes that the process had resident since the mark was reset, where the system says.
fn peak_memory() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    Some(1024.0 * line.split_whitespace().nth(1)?.parse::<f64>().ok()?)
}
