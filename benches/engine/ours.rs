//! Our side of a work: a process that computes a round for each line `go` and reports its memory at `end`.

use super::work::{self, CLASSES, Input, Kind, Sheet, Work};
use serde_json::json;
use std::io::{BufRead, Write};
use std::ops::Range;
use std::path::Path;
use std::time::Instant;
use w2s::core::context::Context;
use w2s::frames::Frame;
use w2s::kernels::Precision;
use w2s::kernels::optim::{AdamW, AdamWOptions};
use w2s::kernels::{Kernels, kernels_of, pages};
use w2s::models::trunk::{self, Packed, Tape};
use w2s::models::{Head, HeadKind, Model};
use w2s::train::{CrossEntropy, finetune, logits};

/// Runs the worker until its input ends.
pub fn worker(work: &Work, store: &Path, folder: &Path) -> Result<(), String> {
    // The greatest size counts from here on. Where that cannot be asked for, it counts from the start.
    let _ = std::fs::write("/proc/self/clear_refs", "5");
    if let Ok(name) = std::env::var("W2S_BENCH_KERNELS") {
        let chosen = kernels_of(&name).is_some_and(Kernels::choose);
        chosen.then_some(()).ok_or_else(|| format!("this processor has no kernels called `{name}`"))?;
    }
    let base = memory("VmRSS")?;
    let text = std::fs::read(folder.join("work.json")).map_err(|error| error.to_string())?;
    let sheet: Sheet = serde_json::from_slice(&text).map_err(|error| error.to_string())?;
    let mut side: Box<dyn Side> = match work.kind {
        Kind::Train => Box::new(Training::new(work, &sheet, folder)?),
        Kind::Finetune | Kind::Label => Box::new(Real::new(work, store, folder)?),
    };
    tell(&json!({"ready": true}))?;
    for line in std::io::stdin().lock().lines() {
        if line.map_err(|error| error.to_string())?.trim() != "go" {
            break;
        }
        let (seconds, loss) = side.round()?;
        tell(&json!({"seconds": seconds, "loss": loss}))?;
    }
    tell(&json!({"base": base, "peak": memory("VmHWM")?}))
}

fn tell(value: &serde_json::Value) -> Result<(), String> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{value}").and_then(|()| out.flush()).map_err(|error| error.to_string())
}

/// Megabytes of this process: `VmRSS` now, `VmHWM` at its greatest.
fn memory(what: &str) -> Result<f64, String> {
    let status = std::fs::read_to_string("/proc/self/status").map_err(|error| error.to_string())?;
    let line = status.lines().find_map(|line| line.strip_prefix(what)?.strip_prefix(':')).ok_or("no such line")?;
    let kilobytes: f64 = line.trim().trim_end_matches(" kB").parse().map_err(|_| "not a number".to_owned())?;
    Ok(kilobytes / 1024.0)
}

trait Side {
    /// Seconds and the loss at the end.
    fn round(&mut self) -> Result<(f64, f64), String>;
}

/// The step of `finetune` on an untrained trunk, without what surrounds it.
struct Training {
    input: Input,
    batches: Vec<Packed>,
    labels: Vec<Vec<u32>>,
    lr: f64,
    clip: f64,
    steps: usize,
    grads: Vec<f32>,
    adam: AdamW,
    tape: Tape,
    at: usize,
}

impl Training {
    fn new(work: &Work, sheet: &Sheet, folder: &Path) -> Result<Self, String> {
        let tokens = work::read(folder, "tokens.u32", u32::from_le_bytes)?;
        let labels = work::read(folder, "labels.u32", u32::from_le_bytes)?;
        let params = pages::joined(&[&work::read(folder, "params.f32", f32::from_le_bytes)?]);
        let row = |row: &u32| &tokens[*row as usize * work.tokens..][..work.tokens];
        let batches = sheet.batches.iter().map(|rows| Packed::new(rows.iter().map(row))).collect();
        let labels = sheet.batches.iter().map(|rows| rows.iter().map(|row| labels[*row as usize]).collect()).collect();
        let [beta1, beta2] = sheet.betas;
        let options = AdamWOptions { beta1, beta2, eps: 1e-8, weight_decay: sheet.weight_decay };
        Ok(Training {
            batches,
            labels,
            lr: sheet.lr[0],
            clip: sheet.clip,
            steps: sheet.steps,
            grads: pages::zeros(params.len()),
            adam: AdamW::new(params.len(), options),
            tape: Tape::new(),
            at: 0,
            input: Input { arch: work::causal(work), params, packed: Packed::default(), labels: Vec::new() },
        })
    }

    fn step(&mut self) -> f64 {
        let batch = &self.batches[self.at % self.batches.len()];
        let labels = &self.labels[self.at % self.batches.len()];
        self.at += 1;
        let Input { arch, params, .. } = &mut self.input;
        let (n_params, width) = (params.len(), arch.width());
        let n_trunk = n_params - CLASSES * width;
        let (trunk_params, head) = params.split_at(n_trunk);
        let (trunk_grads, head_grads) = self.grads.split_at_mut(n_trunk);
        let features = trunk::forward_lent(arch, trunk_params, batch, &mut self.tape, trunk_grads);
        head_grads.fill(0.0);
        let (loss, d_features) = classify(&features, head, labels, head_grads);
        trunk::backward(arch, trunk_params, batch, &mut self.tape, &d_features, trunk_grads);
        let whole: Vec<Range<usize>> = std::iter::once(0..n_params).collect();
        self.adam.step(params, &self.grads, self.lr, Some(self.clip), &whole);
        loss
    }
}

/// Mean cross-entropy of a linear head and its gradients: the head's are added, those of the features given back.
fn classify(features: &[f32], head: &[f32], labels: &[u32], head_grads: &mut [f32]) -> (f64, Vec<f32>) {
    let width = head.len() / CLASSES;
    let mut d_features = vec![0.0f32; features.len()];
    let mut loss = 0.0;
    let rows = features.chunks_exact(width).zip(d_features.chunks_exact_mut(width));
    for ((feature, d_feature), label) in rows.zip(labels) {
        let dot = |class: &[f32]| class.iter().zip(feature).map(|(w, x)| w * x).sum::<f32>();
        let logits: Vec<f64> = head.chunks_exact(width).map(|class| f64::from(dot(class))).collect();
        let most = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = logits.iter().map(|z| (z - most).exp()).sum();
        loss += sum.ln() + most - logits[*label as usize];
        for (class, z) in logits.iter().enumerate() {
            let hit = f64::from(u8::from(class == *label as usize));
            let d = (((z - most).exp() / sum - hit) / labels.len() as f64) as f32;
            let (own, own_grads) = (&head[class * width..][..width], &mut head_grads[class * width..][..width]);
            own_grads.iter_mut().zip(feature).for_each(|(g, x)| *g += d * x);
            d_feature.iter_mut().zip(own).for_each(|(f, w)| *f += d * w);
        }
    }
    (loss / labels.len() as f64, d_features)
}

impl Side for Training {
    fn round(&mut self) -> Result<(f64, f64), String> {
        let start = Instant::now();
        let mut loss = 0.0;
        for _ in 0..self.steps {
            loss = self.step();
        }
        Ok((start.elapsed().as_secs_f64() / self.steps as f64, loss))
    }
}

/// The product's own calls on MiniLM and headlines. Their tokens are kept after the first round, as in a script.
struct Real {
    work: Work,
    ctx: Context,
    model: Model,
    data: w2s::data::Data,
    truth: Frame,
    labels: Vec<u32>,
    folder: std::path::PathBuf,
}

impl Real {
    fn new(work: &Work, store: &Path, folder: &Path) -> Result<Self, String> {
        let ctx = work::ctx(store);
        let (mut model, data) = work::real(work, &ctx)?;
        let truth = data.truth(&ctx, "bench", "labels to train on").map_err(|error| error.to_string())?;
        let labels = work::read(folder, "labels.u32", u32::from_le_bytes)?;
        if work.kind == Kind::Label {
            let weight = work::made_up_head(model.inner.arch.width());
            model = model.with(|inner| {
                inner.head =
                    Some(std::sync::Arc::new(Head { weight, n_classes: CLASSES, kind: HeadKind::Class, classes: None }))
            });
        }
        model.encode(&data, &ctx).map_err(|error| error.to_string())?;
        Ok(Real { work: *work, ctx, model, data, truth, labels, folder: folder.to_owned() })
    }

    fn loss(&self, logits: &[f32]) -> f64 {
        let rows: Vec<f64> = logits
            .chunks_exact(CLASSES)
            .zip(&self.labels)
            .map(|(row, label)| {
                let most = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                let sum: f64 = row.iter().map(|z| f64::from(z - most).exp()).sum();
                sum.ln() + f64::from(most - row[*label as usize])
            })
            .collect();
        rows.iter().sum::<f64>() / rows.len() as f64
    }
}

impl Side for Real {
    fn round(&mut self) -> Result<(f64, f64), String> {
        let Real { work, ctx, model, data, truth, .. } = self;
        let said = |error: w2s::train::TrainError| error.to_string();
        let start = Instant::now();
        if work.kind == Kind::Finetune {
            let trained = finetune(model, data, truth, &CrossEntropy, &work::recipe(work), ctx).map_err(said)?;
            let seconds = start.elapsed().as_secs_f64();
            let (found, _) = logits(&trained, &data.head(64), Precision::F32, ctx).map_err(said)?;
            return Ok((seconds, self.loss(&found)));
        }
        let (found, _) = logits(model, data, work.precision, ctx).map_err(said)?;
        let seconds = start.elapsed().as_secs_f64();
        let bytes: Vec<u8> = found.iter().flat_map(|v| v.to_le_bytes()).collect();
        std::fs::write(self.folder.join("ours.f32"), bytes).map_err(|error| error.to_string())?;
        Ok((seconds, self.loss(&found)))
    }
}
