//! The engine against candle's operations in double precision: values and gradients, finite differences, extremes, threads, bad batches.

use super::*;
use crate::core::context::Interrupt;
use crate::core::random::Random;
use crate::kernels::Precision;
use crate::models::arch::{
    Activation, BertConfig, CausalConfig, Changes, LlamaConfig, ModernConfig, NeoxConfig, Pooling, QkNorm, Rope,
    Scaling,
};
use crate::models::candle::testing::Reference;
use candle_core::{DType, Device, Tensor};

fn causal(width: usize, n_layers: usize, n_heads: usize, activation: Activation) -> Arch {
    Arch::Causal(CausalConfig {
        vocab: 37,
        context: 150,
        width,
        n_layers,
        n_heads,
        inner: 4 * width,
        activation,
        norm_eps: 1e-5,
    })
}

fn bert(width: usize, n_layers: usize, n_heads: usize) -> Arch {
    Arch::Bert(BertConfig {
        vocab: 37,
        context: 150,
        width,
        n_layers,
        n_heads,
        inner: 3 * width + 5,
        activation: Activation::GeluErf,
        norm_eps: 1e-12,
        n_token_types: 2,
        relative: false,
        pooling: Pooling::Mean,
    })
}

fn mpnet(width: usize, n_layers: usize, n_heads: usize) -> Arch {
    let Arch::Bert(config) = bert(width, n_layers, n_heads) else { panic!("a BERT") };
    Arch::Bert(BertConfig { n_token_types: 0, relative: true, ..config })
}

/// Heads of queries and of keys; untied and with biases as Qwen2 if `qwen`.
fn llama(width: usize, n_layers: usize, n_heads: usize, n_kv_heads: usize, qwen: bool) -> Arch {
    let scaling = Scaling::Llama3 { factor: 8.0, low: 1.0, high: 4.0, original: 16 };
    Arch::Llama(LlamaConfig {
        vocab: 37,
        context: 150,
        width,
        n_layers,
        n_heads,
        n_kv_heads,
        inner: 2 * width + 5,
        norm_eps: 1e-5,
        rope: Rope { theta: 1e3, scaling: qwen.then_some(scaling) },
        qkv_bias: qwen,
        tied: !qwen,
        changes: Changes::default(),
    })
}

/// A Llama as later families changed it.
fn changed(width: usize, n_layers: usize, n_heads: usize, n_kv_heads: usize, changes: Changes) -> Arch {
    let Arch::Llama(config) = llama(width, n_layers, n_heads, n_kv_heads, false) else { panic!("a Llama") };
    Arch::Llama(LlamaConfig { changes, ..config })
}

fn qwen3(width: usize, n_layers: usize, n_heads: usize, n_kv_heads: usize, head: usize) -> Arch {
    let changes = Changes { head: Some(head), qk_norm: QkNorm::Heads, ..Changes::default() };
    changed(width, n_layers, n_heads, n_kv_heads, changes)
}

fn olmo2(width: usize, n_layers: usize, n_heads: usize, n_kv_heads: usize) -> Arch {
    let changes = Changes { norm_after: true, qk_norm: QkNorm::Whole, ..Changes::default() };
    changed(width, n_layers, n_heads, n_kv_heads, changes)
}

fn mistral(width: usize, n_layers: usize, n_heads: usize, n_kv_heads: usize, window: usize) -> Arch {
    changed(width, n_layers, n_heads, n_kv_heads, Changes { window: Some(window), ..Changes::default() })
}

fn neox(width: usize, n_layers: usize, n_heads: usize, n_turned: usize, parallel: bool) -> Arch {
    Arch::Neox(NeoxConfig {
        vocab: 37,
        context: 150,
        width,
        n_layers,
        n_heads,
        inner: 3 * width + 5,
        activation: if parallel { Activation::GeluErf } else { Activation::GeluTanh },
        norm_eps: 1e-5,
        rope: Rope { theta: 1e3, scaling: None },
        n_turned,
        parallel,
        tied: !parallel,
        headless: false,
    })
}

/// A ModernBERT whose every `global_every`-th block sees all and whose others see `window` tokens to either side.
fn modern(width: usize, n_layers: usize, n_heads: usize, global_every: usize, window: usize) -> Arch {
    Arch::Modern(ModernConfig {
        vocab: 37,
        context: 150,
        width,
        n_layers,
        n_heads,
        inner: 2 * width + 5,
        activation: if window > 3 { Activation::GeluErf } else { Activation::GeluTanh },
        norm_eps: 1e-5,
        theta: 1e4,
        local_theta: 1e2,
        global_every,
        window,
        pooling: if window > 3 { Pooling::Mean } else { Pooling::First },
    })
}

/// A BERT that is read at its first token.
fn first_token(width: usize, n_layers: usize, n_heads: usize) -> Arch {
    let Arch::Bert(config) = bert(width, n_layers, n_heads) else { panic!("a BERT") };
    Arch::Bert(BertConfig { pooling: Pooling::First, ..config })
}

/// Parameters of a size that makes every part matter: norms near 1, everything else of standard deviation `scale`.
fn parameters(arch: &Arch, scale: f64, seed: u64) -> Vec<f32> {
    let mut random = Random::new(seed, "parameters");
    let mut params = Vec::new();
    for entry in arch.layout().entries {
        let centre = if entry.name.contains("norm") && entry.name.ends_with("weight") { 1.0 } else { 0.0 };
        params.extend((0..entry.shape.iter().product()).map(|_| (centre + scale * random.normal()) as f32));
    }
    params
}

fn batch(lengths: &[usize], seed: u64) -> Packed {
    let mut random = Random::new(seed, "tokens");
    let rows: Vec<Vec<u32>> = lengths.iter().map(|&n| (0..n).map(|_| random.below(37) as u32).collect()).collect();
    Packed::new(rows.iter().map(Vec::as_slice))
}

fn normal(n: usize, seed: u64) -> Vec<f32> {
    let mut random = Random::new(seed, "gradient");
    (0..n).map(|_| random.normal() as f32).collect()
}

/// Greatest difference, relative to the greatest expected value.
fn distance(got: &[f32], expected: &[f64]) -> f64 {
    assert_eq!(got.len(), expected.len());
    assert!(got.iter().all(|x| x.is_finite()));
    let greatest = expected.iter().fold(0.0f64, |most, x| most.max(x.abs()));
    got.iter().zip(expected).fold(0.0f64, |most, (g, e)| most.max((*g as f64 - e).abs())) / greatest.max(1e-12)
}

fn values(tensor: &Tensor) -> Vec<f64> {
    tensor.flatten_all().and_then(|flat| flat.to_vec1()).expect("an f64 tensor")
}

fn reference(arch: &Arch, params: &[f32]) -> Reference {
    Reference::new(arch, params, DType::F64, &Device::Cpu).expect("the parameters fit")
}

/// Gradients compared tensor by tensor, so that none hides behind a greater one.
fn compare_gradients(arch: &Arch, got: &[f32], expected: &[f64], what: &str) {
    for entry in arch.layout().entries {
        let range = entry.offset..entry.offset + entry.shape.iter().product::<usize>();
        let (got, expected) = (&got[range.clone()], &expected[range]);
        let greatest = expected.iter().fold(0.0f64, |most, x| most.max(x.abs()));
        // The bias of the keys shifts all of a query's scores alike: its gradient is zero, and rounding of the rest.
        let tolerance = 2e-4 * greatest.max(1e-3);
        for (at, (g, e)) in got.iter().zip(expected).enumerate() {
            assert!((*g as f64 - e).abs() <= tolerance, "{what}, {} [{at}]: {g} is not {e}", entry.name);
        }
    }
}

fn shapes() -> Vec<(Arch, Vec<usize>)> {
    vec![
        (causal(8, 1, 1, Activation::GeluTanh), vec![3, 1, 12, 7]),
        (causal(16, 2, 2, Activation::GeluTanh), vec![12; 16]),
        (causal(24, 3, 3, Activation::GeluErf), vec![5, 48, 17, 1, 33, 16]),
        (causal(32, 1, 4, Activation::GeluTanh), vec![130, 64, 65, 2]),
        (causal(16, 0, 1, Activation::GeluTanh), vec![4, 9]),
        (bert(8, 1, 2), vec![1, 2, 19]),
        (bert(24, 2, 3), vec![15, 140, 64, 3, 31]),
        (mpnet(8, 1, 2), vec![1, 2, 19]),
        (mpnet(24, 2, 3), vec![15, 140, 64, 3, 31]),
        // Wide enough for tiles and for weights that are packed beforehand.
        (bert(64, 2, 4), vec![40, 30, 20]),
        (mpnet(64, 2, 4), vec![40, 30, 20]),
        (llama(8, 1, 2, 2, false), vec![3, 1, 12, 7]),
        (llama(24, 2, 4, 2, false), vec![12; 16]),
        (llama(24, 3, 4, 1, true), vec![5, 48, 17, 1, 33, 16]),
        (llama(36, 1, 6, 3, true), vec![130, 64, 65, 2]),
        (llama(16, 0, 1, 1, true), vec![4, 9]),
        (first_token(24, 2, 3), vec![15, 140, 64, 3, 31]),
        // Heads wider and narrower than their share of the width.
        (qwen3(24, 2, 4, 2, 10), vec![5, 48, 17, 1, 33, 16]),
        (qwen3(36, 1, 3, 1, 4), vec![130, 64, 65, 2]),
        (olmo2(24, 2, 4, 2), vec![5, 48, 17, 1, 33, 16]),
        (olmo2(32, 1, 4, 4), vec![130, 64, 65, 2]),
        // Windows within a vector, across vectors, and wider than any row.
        (mistral(24, 2, 4, 2, 3), vec![5, 48, 17, 1, 33, 16]),
        (mistral(16, 2, 2, 1, 1), vec![5, 20, 70]),
        (mistral(32, 2, 4, 4, 40), vec![130, 64, 65, 2]),
        (mistral(16, 1, 2, 2, 1000), vec![12, 30]),
        (neox(24, 2, 3, 2, true), vec![5, 48, 17, 1, 33, 16]),
        (neox(32, 3, 4, 6, true), vec![130, 64, 65, 2]),
        (neox(32, 2, 2, 16, false), vec![12; 16]),
        // Wide enough for tiles and for weights that are packed beforehand.
        (neox(64, 2, 4, 4, true), vec![40, 30, 20]),
        (qwen3(64, 2, 4, 2, 32), vec![40, 30, 20]),
        (olmo2(64, 2, 4, 2), vec![40, 30, 20]),
        // Windows within a vector and across vectors, on either side; blocks that see all alone.
        (modern(24, 4, 3, 3, 2), vec![5, 48, 17, 1, 33, 16]),
        (modern(32, 3, 4, 2, 20), vec![130, 64, 65, 2]),
        (modern(16, 2, 2, 1, 1), vec![12, 30]),
        (modern(64, 2, 4, 2, 7), vec![40, 30, 20]),
    ]
}

#[test]
fn values_and_gradients_equal_the_reference() {
    for (arch, lengths) in shapes() {
        let what = format!("{arch:?} {lengths:?}");
        let (params, batch) = (parameters(&arch, 0.3, 1), batch(&lengths, 2));
        check(&arch, &params, &batch).expect("a good batch");
        let (mut tape, exact) = (Tape::new(), reference(&arch, &params));
        let expected = exact.features(&batch).expect("features");
        let got = features(&arch, &params, &batch, &mut tape);
        assert!(distance(&got, &values(&expected)) < 2e-5, "{what}");
        assert_eq!(got, forward(&arch, &params, &batch, &mut tape), "{what}");

        let d_features = normal(got.len(), 3);
        let mut grads = vec![0.0; params.len()];
        backward(&arch, &params, &batch, &mut tape, &d_features, &mut grads);
        let d = Tensor::from_slice(&d_features, expected.shape(), &Device::Cpu).expect("a tensor");
        let scalar = (expected * d.to_dtype(DType::F64).expect("f64")).and_then(|p| p.sum_all()).expect("a sum");
        compare_gradients(&arch, &grads, &exact.gradients(&scalar).expect("gradients"), &what);

        // Gradients are added, and a tape that was used gives the same bits.
        let mut twice = grads.clone();
        forward(&arch, &params, &batch, &mut tape);
        backward(&arch, &params, &batch, &mut tape, &d_features, &mut twice);
        let greatest = grads.iter().fold(0.0f32, |most, g| most.max(g.abs()));
        assert!(twice.iter().zip(&grads).all(|(t, g)| (t - 2.0 * g).abs() <= 1e-5 * greatest), "{what}");

        let states = token_states(&arch, &params, &batch, &mut tape);
        assert!(distance(&states, &values(&exact.token_states(&batch).expect("states"))) < 2e-5, "{what}");
    }
}

#[test]
fn next_token_loss_equals_the_reference() {
    for (arch, lengths) in shapes().into_iter().filter(|(arch, _)| arch.is_causal()) {
        let what = format!("{arch:?} {lengths:?}");
        let (params, batch) = (parameters(&arch, 0.3, 4), batch(&lengths, 5));
        let (mut tape, exact) = (Tape::new(), reference(&arch, &params));
        let expected = exact.lm_loss(&batch).expect("a loss");
        let mut grads = vec![0.0; params.len()];
        let loss = lm_step(&arch, &params, &batch, &mut tape, &mut grads);
        assert!((loss - values(&expected)[0]).abs() < 1e-5 * loss, "{what}: {loss} {expected}");
        assert!((loss - lm_loss(&arch, &params, &batch, &mut tape)).abs() < 1e-9, "{what}");
        compare_gradients(&arch, &grads, &exact.gradients(&expected).expect("gradients"), &what);
        let logits = lm_logits(&arch, &params, &batch, &mut tape);
        assert!(distance(&logits, &values(&exact.lm_logits(&batch).expect("logits"))) < 2e-5, "{what}");
    }
}

/// Central differences of the reference's f64 forward pass along random directions, each in one row of one tensor.
#[test]
fn gradients_equal_finite_differences_row_by_row() {
    let cases = [
        (causal(8, 2, 2, Activation::GeluTanh), true),
        (causal(8, 2, 2, Activation::GeluErf), false),
        (bert(8, 2, 2), false),
        (mpnet(8, 2, 2), false),
        (llama(12, 2, 2, 1, false), true),
        (llama(12, 2, 2, 1, true), true),
        (llama(12, 2, 3, 3, true), false),
        (first_token(8, 2, 2), false),
        (qwen3(12, 2, 2, 1, 4), true),
        (qwen3(12, 2, 2, 1, 8), false),
        (olmo2(12, 2, 2, 1), true),
        (olmo2(12, 2, 2, 1), false),
        (mistral(12, 2, 2, 1, 4), true),
        (neox(12, 2, 2, 4, true), true),
        (neox(12, 2, 2, 2, true), false),
    ];
    for (arch, lm) in cases {
        let (params, batch) = (parameters(&arch, 0.4, 6), batch(&[9, 4, 1, 18], 7));
        let (mut tape, mut grads) = (Tape::new(), vec![0.0; params.len()]);
        let d_features = normal(batch.n_rows() * arch.width(), 8);
        if lm {
            lm_step(&arch, &params, &batch, &mut tape, &mut grads);
        } else {
            forward(&arch, &params, &batch, &mut tape);
            backward(&arch, &params, &batch, &mut tape, &d_features, &mut grads);
        }
        let loss = |params: &[f32]| {
            let exact = reference(&arch, params);
            if lm {
                return values(&exact.lm_loss(&batch).expect("a loss"))[0];
            }
            let features = values(&exact.features(&batch).expect("features"));
            features.iter().zip(&d_features).map(|(f, d)| f * *d as f64).sum::<f64>()
        };
        let mut random = Random::new(9, "direction");
        for entry in arch.layout().entries {
            let row_len = *entry.shape.last().expect("a shape");
            let n_rows = entry.shape.iter().product::<usize>() / row_len;
            // The first, the last and one in between: q, k and v, and rows of every shard of a tile.
            for row in [0, n_rows / 2, n_rows - 1] {
                let range = entry.offset + row * row_len..entry.offset + (row + 1) * row_len;
                let (mut up, mut down) = (params.clone(), params.clone());
                for at in range.clone() {
                    let step = 1e-3 * random.normal() as f32;
                    up[at] += step;
                    down[at] -= step;
                }
                let along: f64 = range.clone().map(|at| grads[at] as f64 * (up[at] as f64 - down[at] as f64)).sum();
                let difference = loss(&up) - loss(&down);
                let size: f64 = range.map(|at| (grads[at] as f64 * (up[at] as f64 - down[at] as f64)).abs()).sum();
                let tolerance = 2e-3 * size + 2e-7;
                assert!((along - difference).abs() < tolerance, "{} row {row}: {along} {difference}", entry.name);
            }
        }
    }
}

#[test]
fn extremes_stay_finite() {
    for (arch, lengths) in shapes() {
        let (mut params, batch) = (parameters(&arch, 30.0, 10), batch(&lengths, 11));
        params.iter_mut().step_by(7).for_each(|p| *p *= 100.0);
        let (mut tape, mut grads) = (Tape::new(), vec![0.0; params.len()]);
        let features = forward(&arch, &params, &batch, &mut tape);
        assert!(features.iter().all(|x| x.is_finite()), "{arch:?}");
        backward(&arch, &params, &batch, &mut tape, &vec![1.0; features.len()], &mut grads);
        assert!(grads.iter().all(|x| !x.is_nan()), "{arch:?}");
        if arch.is_causal() {
            assert!(lm_loss(&arch, &params, &batch, &mut tape).is_finite(), "{arch:?}");
        }
    }
}

#[test]
fn bits_do_not_depend_on_threads() {
    let big = Arch::Bert(BertConfig {
        vocab: 37,
        context: 64,
        width: 384,
        n_layers: 3,
        n_heads: 6,
        inner: 1536,
        activation: Activation::GeluErf,
        norm_eps: 1e-12,
        n_token_types: 2,
        relative: false,
        pooling: Pooling::Mean,
    });
    let wide = llama(384, 2, 6, 2, true);
    let cases = [
        (causal(32, 2, 2, Activation::GeluTanh), vec![47; 32]),
        (bert(24, 2, 2), vec![30; 40]),
        (mpnet(24, 2, 2), vec![30; 40]),
        (llama(32, 2, 4, 2, false), vec![47; 32]),
        (llama(32, 2, 4, 2, true), vec![47; 32]),
        (qwen3(32, 2, 4, 2, 16), vec![47; 32]),
        (olmo2(32, 2, 4, 2), vec![47; 32]),
        (neox(32, 2, 4, 4, true), vec![47; 32]),
        (neox(384, 1, 6, 16, true), vec![9, 30, 64]),
        (qwen3(384, 1, 6, 2, 32), vec![9, 30, 64]),
        (olmo2(384, 1, 6, 2), vec![9, 30, 64]),
        (wide, vec![9, 30, 64]),
        (big, vec![9, 30, 64]),
    ];
    for (arch, lengths) in cases {
        let (params, batch) = (parameters(&arch, 0.05, 12), batch(&lengths, 13));
        let pass = |n_threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(n_threads).build().expect("a pool");
            pool.install(|| {
                let (mut tape, mut grads) = (Tape::new(), vec![0.0; params.len()]);
                let mut bits: Vec<u32> =
                    forward(&arch, &params, &batch, &mut tape).iter().map(|x| x.to_bits()).collect();
                let d_features = normal(bits.len(), 14);
                backward(&arch, &params, &batch, &mut tape, &d_features, &mut grads);
                if arch.is_causal() {
                    let loss = lm_step(&arch, &params, &batch, &mut tape, &mut grads);
                    bits.extend([loss.to_bits() as u32, (loss.to_bits() >> 32) as u32]);
                }
                bits.extend(grads.iter().map(|x| x.to_bits()));
                (bits, tape.n_shards)
            })
        };
        let (one, n_shards) = pass(1);
        // Both ways of splitting are tested.
        assert_eq!(n_shards == 1, params.len() > map::BIG, "{n_shards} shards");
        assert!(pass(2).0 == one && pass(3).0 == one, "{arch:?}");
    }
}

#[test]
fn computing_blocks_again_changes_no_bit() {
    let cases = [
        (causal(32, 3, 2, Activation::GeluTanh), vec![9; 70]),
        (bert(24, 3, 2), vec![11, 30, 2]),
        (mpnet(24, 3, 2), vec![11, 30, 2]),
        (llama(32, 3, 4, 2, true), vec![9; 70]),
        (qwen3(32, 3, 4, 2, 16), vec![9; 70]),
        (olmo2(32, 3, 4, 2), vec![9; 70]),
        (neox(32, 3, 4, 4, true), vec![9; 70]),
    ];
    for (arch, lengths) in cases {
        let (params, batch) = (parameters(&arch, 0.05, 12), batch(&lengths, 13));
        let pass = |recompute| {
            let (mut tape, mut grads) = (Tape::recomputing(recompute), vec![0.0; params.len()]);
            let mut bits = Vec::new();
            // Twice, because buffers are used again.
            for _ in 0..2 {
                let features = forward(&arch, &params, &batch, &mut tape);
                let d_features = normal(features.len(), 14);
                backward(&arch, &params, &batch, &mut tape, &d_features, &mut grads);
                bits.extend(features.iter().chain(&grads).map(|x| x.to_bits()));
            }
            if arch.is_causal() {
                lm_step(&arch, &params, &batch, &mut tape, &mut grads);
                bits.extend(grads.iter().map(|x| x.to_bits()));
            }
            let n_kept: usize = tape.shards.iter().map(|shard| shard.n_kept()).sum();
            (bits, n_kept)
        };
        let ((kept, n_kept), (again, n_again)) = (pass(false), pass(true));
        assert!(kept == again && 3 * n_again < 2 * n_kept, "{arch:?}: {n_again} floats kept, {n_kept} without");
    }
}

/// One shard and several, with free memory for all, some and none of the blocks' buffers.
#[test]
fn lent_gradients_are_set_to_the_same_bits() {
    let several = [
        (causal(32, 3, 2, Activation::GeluTanh), vec![47; 32]),
        (bert(24, 4, 2), vec![30; 80]),
        (mpnet(24, 4, 2), vec![30; 80]),
        (llama(32, 3, 4, 2, true), vec![47; 32]),
        (qwen3(32, 3, 4, 2, 16), vec![47; 32]),
        (olmo2(32, 3, 4, 2), vec![47; 32]),
        (neox(32, 3, 4, 4, true), vec![47; 32]),
    ];
    for (arch, lengths) in shapes().into_iter().chain(several) {
        let (params, batch) = (parameters(&arch, 0.05, 12), batch(&lengths, 13));
        let (mut tape, mut added) = (Tape::new(), vec![0.0; params.len()]);
        let features = forward(&arch, &params, &batch, &mut tape);
        let d_features = normal(features.len(), 14);
        backward(&arch, &params, &batch, &mut tape, &d_features, &mut added);
        let n_shards = tape.n_shards;
        for recompute in [false, true] {
            let (mut tape, mut set) = (Tape::recomputing(recompute), vec![7.0; params.len()]);
            for _ in 0..2 {
                assert_eq!(forward_lent(&arch, &params, &batch, &mut tape, &mut set), features);
                backward(&arch, &params, &batch, &mut tape, &d_features, &mut set);
                let differ = set.iter().zip(&added).filter(|(a, b)| a.to_bits() != b.to_bits()).count();
                assert_eq!(differ, 0, "{arch:?} {n_shards} shards, recompute {recompute}");
            }
            // Without a forward pass in between nothing is kept.
            backward(&arch, &params, &batch, &mut tape, &d_features, &mut set);
            assert!(set.iter().all(|g| g.is_nan()));
        }
    }
}

fn read(arch: &Arch, params: &[f32], batch: &Packed, precision: Precision) -> Vec<f32> {
    let seen = std::sync::atomic::AtomicUsize::new(0);
    let count = |n| _ = seen.fetch_add(n, std::sync::atomic::Ordering::Relaxed);
    let features = Reader::new(arch, params, precision).features(batch, &Interrupt::default(), &count);
    assert_eq!(seen.into_inner(), batch.n_rows());
    features.expect("nobody stops it")
}

#[test]
fn reading_gives_the_features_of_a_forward_pass() {
    for (arch, lengths) in shapes() {
        let (params, batch) = (parameters(&arch, 0.3, 1), batch(&lengths, 2));
        let fine = read(&arch, &params, &batch, Precision::F32);
        assert_eq!(fine, features(&arch, &params, &batch, &mut Tape::new()), "{arch:?} {lengths:?}");
        let coarse = read(&arch, &params, &batch, Precision::Bf16);
        let apart = distance(&coarse, &fine.iter().map(|x| f64::from(*x)).collect::<Vec<_>>());
        let n_layers = arch.n_layers();
        assert!(apart < 0.1 && (apart > 1e-4) == (n_layers > 0), "{arch:?} {lengths:?}: {apart}");
    }
}

#[test]
fn reading_in_batches_gives_each_row_its_bits_whatever_the_threads() {
    let archs = [
        causal(32, 2, 2, Activation::GeluTanh),
        bert(24, 2, 2),
        mpnet(24, 2, 2),
        llama(32, 2, 4, 2, true),
        first_token(24, 2, 2),
        qwen3(32, 2, 4, 2, 16),
        olmo2(32, 2, 4, 2),
        mistral(32, 2, 4, 2, 11),
        neox(32, 2, 4, 4, true),
    ];
    for arch in archs {
        let lengths: Vec<usize> = (0..700).map(|i| 1 + i * 37 % 90).collect();
        let (params, all) = (parameters(&arch, 0.1, 12), batch(&lengths, 13));
        let with = |n_threads, precision| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(n_threads).build().expect("a pool");
            pool.install(|| read(&arch, &params, &all, precision))
        };
        for precision in [Precision::F32, Precision::Bf16] {
            let one = with(1, precision);
            assert!(with(2, precision) == one && with(3, precision) == one, "{arch:?}");
            let width = arch.width();
            for row in [0, 350, 699] {
                let alone = Packed::new([&all.tokens[all.offsets[row]..all.offsets[row + 1]]]);
                let bits = read(&arch, &params, &alone, precision);
                assert_eq!(one[row * width..(row + 1) * width], bits, "{arch:?}, row {row}");
            }
        }
    }
}

#[test]
fn reading_stops_when_asked_to() {
    let arch = bert(24, 2, 2);
    let (params, batch, stop) = (parameters(&arch, 0.1, 12), batch(&[30; 400], 13), Interrupt::default());
    stop.raise();
    assert!(Reader::new(&arch, &params, Precision::F32).features(&batch, &stop, &|_| {}).is_err());
}

fn read_nothing(arch: &Arch, params: &[f32], batch: &Packed) -> Vec<f32> {
    Reader::new(arch, params, Precision::F32).features(batch, &Interrupt::default(), &|_| {}).expect("nobody stops it")
}

#[test]
fn bad_batches_are_errors_and_nan() {
    let arch = causal(8, 1, 1, Activation::GeluTanh);
    let params = parameters(&arch, 0.3, 15);
    let whole = |tokens: Vec<u32>, offsets: Vec<usize>| Packed { tokens, offsets };
    let cases = [
        (whole(vec![], vec![0]), TrunkError::NoRows),
        (whole(vec![], vec![]), TrunkError::NoRows),
        (whole(vec![1, 2], vec![0, 2, 2]), TrunkError::EmptyRow { row: 1 }),
        (whole(vec![1, 37], vec![0, 1, 2]), TrunkError::UnknownToken { row: 1, token: 37, vocab: 37 }),
        (whole(vec![1; 151], vec![0, 151]), TrunkError::LongRow { row: 0, length: 151, context: 150 }),
        (whole(vec![1, 2], vec![0, 3]), TrunkError::Offsets { n_tokens: 2 }),
        (whole(vec![1, 2], vec![0, 2, 1, 2]), TrunkError::Offsets { n_tokens: 2 }),
    ];
    for (batch, error) in cases {
        assert_eq!(check(&arch, &params, &batch), Err(error.clone()));
        let mut tape = Tape::new();
        assert!(features(&arch, &params, &batch, &mut tape).iter().all(|x| x.is_nan()));
        assert!(read_nothing(&arch, &params, &batch).iter().all(|x| x.is_nan()));
        assert!(lm_loss(&arch, &params, &batch, &mut tape).is_nan(), "{error}");
        assert!(lm_logits(&arch, &params, &batch, &mut tape).iter().all(|x| x.is_nan()));
    }
    let good = batch(&[3, 4], 16);
    let too_few = TrunkError::Parameters { expected: params.len(), found: 5 };
    assert_eq!(check(&arch, &params[..5], &good), Err(too_few));
    assert!(read_nothing(&arch, &params[..5], &good).iter().all(|x| x.is_nan()));
    assert_eq!(check_lm(&arch, &params, &batch(&[1, 1], 17)), Err(TrunkError::NothingToPredict));
    let encoder = bert(8, 1, 2);
    assert_eq!(check_lm(&encoder, &parameters(&encoder, 0.3, 18), &good), Err(TrunkError::NotCausal));

    // A backward pass that no forward pass came before.
    let mut grads = vec![0.0; params.len()];
    backward(&arch, &params, &good, &mut Tape::new(), &[0.0; 16], &mut grads);
    assert!(grads.iter().all(|g| g.is_nan()));
}

/// The scalar `Σ d · features` of the reference.
fn weighed(features: Tensor, d: &[f32]) -> Tensor {
    let d = Tensor::from_slice(d, features.shape(), &Device::Cpu).and_then(|d| d.to_dtype(DType::F64)).expect("f64");
    (features * d).and_then(|product| product.sum_all()).expect("a sum")
}

#[test]
fn dropout_equals_the_reference_and_finite_differences() {
    for (arch, lengths) in shapes() {
        let what = format!("{arch:?} {lengths:?}");
        let (params, batch) = (parameters(&arch, 0.3, 1), batch(&lengths, 2));
        let numbers: Vec<u32> = (0..lengths.len() as u32).map(|row| 3 * row + 1).collect();
        let dropout = Dropout::new(0.3, 5, 2, &numbers);
        let exact = reference(&arch, &params);
        let plain = features(&arch, &params, &batch, &mut Tape::new());
        let expected = exact.features_dropping(&batch, &dropout).expect("features");
        let d_features = normal(plain.len(), 3);
        let run = |recompute: bool, lent: bool| {
            let (mut tape, mut grads) = (Tape::recomputing(recompute), vec![0.0; params.len()]);
            tape.drop_out(Some(dropout.clone()));
            let got = match lent {
                true => forward_lent(&arch, &params, &batch, &mut tape, &mut grads),
                false => forward(&arch, &params, &batch, &mut tape),
            };
            backward(&arch, &params, &batch, &mut tape, &d_features, &mut grads);
            (got, grads)
        };
        let (got, grads) = run(false, false);
        assert!(distance(&got, &values(&expected)) < 2e-5, "{what}");
        assert!(distance(&got, &plain.iter().map(|x| f64::from(*x)).collect::<Vec<_>>()) > 1e-2, "{what}: it drops");
        let scalar = weighed(expected, &d_features);
        compare_gradients(&arch, &grads, &exact.gradients(&scalar).expect("gradients"), &what);
        assert!(run(false, true) == run(true, true), "{what}: computing again drops the same");
        assert_eq!(run(true, false).0, got, "{what}");

        // Along a random direction in each tensor.
        if lengths.len() > 4 {
            continue;
        }
        for entry in arch.layout().entries {
            let range = entry.offset..entry.offset + entry.shape.iter().product::<usize>();
            let direction = normal(range.len(), 11);
            // A step that rounding to single precision leaves as it is.
            let at = |by: f32| {
                let mut moved = params.clone();
                moved[range.clone()].iter_mut().zip(&direction).for_each(|(p, d)| *p += by * d);
                let found = reference(&arch, &moved).features_dropping(&batch, &dropout).expect("features");
                values(&weighed(found, &d_features))[0]
            };
            let step = 1.0 / 1024.0;
            let numeric =
                (8.0 * (at(step) - at(-step)) - (at(2.0 * step) - at(-2.0 * step))) / (12.0 * f64::from(step));
            let slopes = grads[range.clone()].iter().zip(&direction);
            let (mut slope, mut size) = (0.0, 0.0);
            slopes.for_each(|(g, d)| {
                slope += f64::from(*g) * f64::from(*d);
                size += (f64::from(*g) * f64::from(*d)).abs();
            });
            assert!((numeric - slope).abs() < 2e-3 * (size + 0.1), "{what}, {}: {numeric} {slope}", entry.name);
        }
    }
}

#[test]
fn dropout_depends_on_no_thread() {
    let several = (bert(64, 2, 4), vec![40, 30, 20]);
    let big = (causal(256, 2, 4, Activation::GeluTanh), vec![70, 1, 30, 64]);
    for (arch, lengths) in [several, big] {
        let (params, batch) = (parameters(&arch, 0.1, 1), batch(&lengths, 2));
        let dropout = Dropout::new(0.2, 1, 0, &[0, 1, 2, 3][..lengths.len()]);
        let run = |n_threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(n_threads).build().expect("a pool");
            pool.install(|| {
                let (mut tape, mut grads) = (Tape::new(), vec![0.0; params.len()]);
                tape.drop_out(Some(dropout.clone()));
                let found = forward_lent(&arch, &params, &batch, &mut tape, &mut grads);
                backward(&arch, &params, &batch, &mut tape, &found, &mut grads);
                (found, grads)
            })
        };
        let (found, grads) = run(1);
        assert!((found.clone(), grads) == run(3));
        let exact = reference(&arch, &params).features_dropping(&batch, &dropout).expect("features");
        assert!(distance(&found, &values(&exact)) < 2e-5);
    }
}
