//! Padded batches in single precision against the own kernels: values, gradients, reading.

use super::*;
use crate::core::context::Interrupt;
use crate::core::random::Random;
use crate::kernels::optim::AdamWOptions;
use crate::models::testing::{tiny, tiny_bert, tiny_llama, tiny_mpnet, tiny_others};
use crate::models::trunk::{self, Reader};

fn batch(lengths: &[usize], seed: u64) -> Packed {
    let mut random = Random::new(seed, "tokens");
    let rows: Vec<Vec<u32>> = lengths.iter().map(|&n| (0..n).map(|_| random.below(22) as u32).collect()).collect();
    Packed::new(rows.iter().map(Vec::as_slice))
}

fn normal(n: usize) -> Vec<f32> {
    let mut random = Random::new(3, "gradient");
    (0..n).map(|_| random.normal() as f32).collect()
}

/// Greatest difference, relative to the greatest expected value.
fn distance(got: &[f32], expected: &[f32]) -> f32 {
    assert_eq!(got.len(), expected.len());
    let greatest = expected.iter().fold(1e-6f32, |most, x| most.max(x.abs()));
    got.iter().zip(expected).map(|(g, e)| (g - e).abs()).fold(0.0, f32::max) / greatest
}

fn leaves(arch: &Arch, params: &[f32], on: &Device) -> Leaves {
    let shapes = arch.layout().entries.into_iter().map(|entry| LeafShape { shape: entry.shape, decays: false });
    Leaves::new(shapes, params, AdamWOptions::default(), on).expect("they fit")
}

const LENGTHS: [usize; 6] = [3, 16, 1, 9, 16, 2];

#[test]
fn features_and_gradients_are_those_of_the_own_kernels() {
    let interrupt = Interrupt::default();
    for model in [tiny(1), tiny_bert(1), tiny_mpnet(1), tiny_llama(1)].into_iter().chain(tiny_others(1)) {
        let (arch, params) = (&model.inner.arch, &model.inner.params.values);
        let (batch, mut tape) = (batch(&LENGTHS, 2), trunk::Tape::new());
        let expected = trunk::forward(arch, params, &batch, &mut tape);
        let d = normal(expected.len());
        let mut grads = vec![0.0; params.len()];
        trunk::backward(arch, params, &batch, &mut tape, &d, &mut grads);

        let run = |kept, on: &Device| {
            let mut leaves = leaves(arch, params, on);
            let trunk = Trunk::new(arch, leaves.tensors());
            let padded = trunk.padded(&batch).expect("a batch");
            let end = |x: &Tensor| trunk.pooled(x, &padded);
            let (features, tape) = trunk.pass(&padded, kept, &end, &interrupt).expect("features");
            let n_outputs = if kept == Kept::Everything { arch.n_layers() + 2 } else { 0 };
            assert_eq!(tape.n_outputs(), n_outputs, "what is computed again is not kept");
            let d = Tensor::from_slice(&d, features.shape(), on).expect("a tensor");
            trunk.back(&padded, tape, &end, d, &mut leaves, &interrupt).expect("gradients");
            (values(&features).expect("read"), leaves.gradients().expect("read"))
        };
        for (name, on) in present() {
            let (features, gradients) = run(Kept::Everything, &on);
            assert!(distance(&features, &expected) < 1e-5, "{name}");
            for entry in arch.layout().entries {
                let range = entry.offset..entry.offset + entry.shape.iter().product::<usize>();
                let (got, expected) = (&gradients[range.clone()], &grads[range]);
                let greatest = expected.iter().fold(1e-3f32, |most, x| most.max(x.abs()));
                let apart = got.iter().zip(expected).map(|(g, e)| (g - e).abs()).fold(0.0, f32::max);
                assert!(apart < 1e-4 * greatest, "{name}, {}: {apart}", entry.name);
            }
            assert!(run(Kept::Inputs, &on) == (features.clone(), gradients), "{name}: computing again changes no bit");
            let (without, nothing) = run(Kept::Nothing, &on);
            assert!(without == features && nothing.iter().all(|g| *g == 0.0), "{name}: nothing was kept");
        }
    }
}

#[test]
fn the_next_token_loss_is_that_of_the_own_kernels() {
    let (model, interrupt) = (tiny(1), Interrupt::default());
    let (arch, params) = (&model.inner.arch, &model.inner.params.values);
    let (batch, mut tape) = (batch(&LENGTHS, 5), trunk::Tape::new());
    let mut grads = vec![0.0; params.len()];
    let expected = trunk::lm_step(arch, params, &batch, &mut tape, &mut grads);
    let mut leaves = leaves(arch, params, &Device::Cpu);
    let trunk = Trunk::new(arch, leaves.tensors());
    let padded = trunk.padded(&batch).expect("a batch");
    let end = |x: &Tensor| trunk.next_token_loss(x, &padded);
    let (loss, tape) = trunk.pass(&padded, Kept::Everything, &end, &interrupt).expect("a loss");
    trunk.back(&padded, tape, &end, loss.ones_like().expect("1"), &mut leaves, &interrupt).expect("gradients");
    assert!((f64::from(values(&loss).expect("read")[0]) - expected).abs() < 1e-5);
    assert!(distance(&leaves.gradients().expect("read"), &grads) < 1e-4);
    let logits = values(&trunk.lm_logits(&padded).expect("logits")).expect("read");
    assert!(distance(&logits, &trunk::lm_logits(arch, params, &batch, &mut trunk::Tape::new())) < 1e-5);
}

#[test]
fn many_rows_are_read_in_their_order_and_told_of() {
    let interrupt = Interrupt::default();
    for model in [tiny(1), tiny_bert(1), tiny_mpnet(1), tiny_llama(1)].into_iter().chain(tiny_others(1)) {
        let (arch, params) = (&model.inner.arch, &model.inner.params.values);
        // More than one batch of every length.
        let lengths: Vec<usize> = (0..1500).map(|row| 1 + row * 7 % 16).collect();
        let batch = batch(&lengths, 7);
        for precision in [Precision::F32, Precision::Bf16] {
            let expected = Reader::new(arch, params, precision).features(&batch, &interrupt, &|_| ()).expect("read");
            for (name, on) in present() {
                let told = std::cell::RefCell::new(Vec::new());
                let note = |n| told.borrow_mut().push(n);
                let got = read(arch, params, precision, &batch, &on, &interrupt, &note).expect("read");
                // An operand between two roundings may fall to either: a part in 256 of one of 16 or 24 operands.
                let most = if precision == Precision::F32 { 1e-5 } else { 5e-3 };
                let apart = distance(&got, &expected);
                assert!(apart < most, "{} on {name} in {}: {apart}", model.inner.name, precision.name());
                let told = told.into_inner();
                assert!(told.len() > 1 && told.iter().sum::<usize>() == lengths.len());
            }
        }
    }
}

#[test]
fn work_stops_when_asked_to() {
    let (model, interrupt) = (tiny(1), Interrupt::default());
    let batch = batch(&LENGTHS, 7);
    interrupt.raise();
    let (arch, params) = (&model.inner.arch, &model.inner.params.values);
    let stopped = read(arch, params, Precision::F32, &batch, &Device::Cpu, &interrupt, &|_| ());
    assert!(matches!(stopped, Err(ModelError::Interrupted(_))));
}

#[test]
fn a_missing_tensor_is_an_error() {
    let model = tiny(1);
    let trunk = Trunk::new(&model.inner.arch, []);
    assert!(trunk.padded(&batch(&[1], 0)).is_err());
    assert!(tensors(&model.inner.arch, &[0.0; 3], &Device::Cpu).is_err());
    let error = ModelError::from(candle_core::Error::Msg("first line\nsecond".to_owned()));
    assert_eq!(error.to_string(), "the engine failed: first line");
}
