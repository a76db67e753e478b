//! Updates of low rank as PEFT stores them: `adapter_config.json` and `adapter_model.safetensors` beside a base model.
//!
//! A training with `lora` merges its update into the trunk, and the model keeps the factors beside it ([`Adapter`]), so that they can be
//! written apart. Matrices that lie in one of ours share `A`: its rows of `B` are cut where the family's tensors are. Reading merges
//! `W + scale · B · A` into a base model, tensor by tensor, whatever program made the adapter.

use super::arch::Layout;
use super::checkpoint::{Precision, weights_file};
use super::export::{NamedFile, pretty};
use super::families::{FAMILIES, Piece, Stored, unusable};
use super::hf::SCORE;
use super::{Head, Model, ModelError};
use crate::core::digest::Digest;
use rayon::prelude::*;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The files of a folder.
pub const ADAPTER_CONFIG: &str = "adapter_config.json";
pub const ADAPTER_WEIGHTS: &str = "adapter_model.safetensors";
/// What stands before the name of a module in PEFT's file.
const BEFORE: &str = "base_model.model.";

/// One adapted matrix: its place in the trunk, and that of its factors among the adapters.
#[derive(Debug, Clone)]
pub struct Site {
    /// Row-major `[n_out, n_in]` from here in the trunk's parameters.
    pub weight: usize,
    pub n_out: usize,
    pub n_in: usize,
    /// `A`, row-major `[rank, n_in]`, from here among the adapters; `B`, row-major `[n_out, rank]`, behind it.
    pub factors: usize,
}

/// Where updates of one rank lie: of all weight matrices of the blocks; embeddings are left alone.
pub fn sites(layout: &Layout, rank: usize) -> (Vec<Site>, usize) {
    let (mut sites, mut n) = (Vec::new(), 0);
    for entry in layout.entries.iter().filter(|entry| !entry.name.starts_with("embed.")) {
        if let [n_out, n_in] = *entry.shape.as_slice() {
            sites.push(Site { weight: entry.offset, n_out, n_in, factors: n });
            n += rank * (n_out + n_in);
        }
    }
    (sites, n)
}

/// Numbers of a matrix from which on its rows are shared out: arbitrary, the work that pays for handing it over.
pub(crate) const WORTH_SHARING: usize = 1 << 16;

/// Writes `from + scale · B · A` into `to`, both `[rows, n_in]`, `a` `[rank, n_in]`, `b` `[rows, rank]`.
pub fn merge(scale: f32, from: &[f32], (a, b): (&[f32], &[f32]), n_in: usize, to: &mut [f32]) {
    let rank = a.len() / n_in.max(1);
    let row = |((to, from), b): ((&mut [f32], &[f32]), &[f32])| {
        to.copy_from_slice(from);
        for (b, a) in b.iter().zip(a.chunks_exact(n_in)) {
            let factor = scale * b;
            to.iter_mut().zip(a).for_each(|(w, a)| *w += factor * a);
        }
    };
    if to.len() < WORTH_SHARING {
        to.chunks_exact_mut(n_in).zip(from.chunks_exact(n_in)).zip(b.chunks_exact(rank)).for_each(row);
    } else {
        to.par_chunks_exact_mut(n_in).zip(from.par_chunks_exact(n_in)).zip(b.par_chunks_exact(rank)).for_each(row);
    }
}

/// The update that a model's last training merged into its trunk.
#[derive(Debug, Clone, PartialEq)]
pub struct Adapter {
    pub rank: usize,
    pub alpha: f64,
    /// As [`sites`] has them.
    pub values: Vec<f32>,
    /// The name of the model before.
    pub base: String,
}

/// What is read of `adapter_config.json`.
#[derive(Debug, Deserialize)]
struct Config {
    peft_type: String,
    r: usize,
    lora_alpha: f64,
    #[serde(default)]
    use_rslora: bool,
    #[serde(default)]
    use_dora: bool,
    bias: Option<String>,
    #[serde(default)]
    rank_pattern: BTreeMap<String, Value>,
    #[serde(default)]
    alpha_pattern: BTreeMap<String, Value>,
}

/// A tensor of the family's within one of our matrices.
struct Part<'a> {
    piece: &'a Piece,
    /// Rows before it in our matrix.
    row: usize,
    rows: usize,
}

/// The family's tensors in our matrix, in order.
fn parts<'a>(pieces: &'a [Piece], site: &Site) -> Vec<Part<'a>> {
    let (mut at, mut found) = (0, Vec::new());
    for piece in pieces {
        if (site.weight..site.weight + site.n_out * site.n_in).contains(&at) {
            found.push(Part { piece, row: (at - site.weight) / site.n_in, rows: piece.n() / site.n_in });
        }
        at += piece.n();
    }
    found
}

impl Model {
    /// The files of a folder that PEFT loads over the model before the last training, which was by updates of low rank. An encoder's head is left out.
    pub fn to_peft(&self, precision: Precision) -> Result<Vec<NamedFile>, ModelError> {
        let inner = &self.inner;
        let (family, _) = self.family()?;
        let Some(adapter) = &inner.adapter else {
            let reason = "its last training had no `lora`, or a file that holds the whole model was loaded".to_owned();
            return Err(ModelError::NoAdapter { name: inner.name.clone(), reason });
        };
        let head = inner.head.as_deref().filter(|_| inner.arch.is_causal());
        let pieces = (family.pieces)(&inner.arch);
        let prefix = if head.is_some() || inner.arch.predicts_tokens() { family.prefix } else { "" };
        let (rank, mut targets) = (adapter.rank, BTreeSet::new());
        let mut tensors: Vec<(String, Vec<usize>, Vec<f32>)> = Vec::new();
        for site in sites(&inner.params.layout, rank).0 {
            let behind = site.factors + rank * site.n_in;
            let a = adapter.values.get(site.factors..behind).unwrap_or_default();
            let b = adapter.values.get(behind..behind + rank * site.n_out).unwrap_or_default();
            for Part { piece, row, rows } in parts(&pieces, &site) {
                let module = piece.name.trim_end_matches(".weight");
                let b = b.get(row * rank..(row + rows) * rank).unwrap_or_default();
                let shape = [rows, rank];
                tensors.push((format!("{BEFORE}{prefix}{module}.lora_A.weight"), vec![rank, site.n_in], a.to_vec()));
                let b = piece.form.theirs_of_rows(b, &shape);
                tensors.push((format!("{BEFORE}{prefix}{module}.lora_B.weight"), shape.to_vec(), b));
                targets.insert(within_layer(module).to_owned());
            }
        }
        if let Some(head) = head {
            tensors.push((format!("{BEFORE}{SCORE}"), vec![head.n_classes, inner.arch.width()], head.weight.clone()));
        }
        let task = match head {
            Some(_) => "SEQ_CLS",
            None if inner.arch.predicts_tokens() => "CAUSAL_LM",
            None => "FEATURE_EXTRACTION",
        };
        let config = json!({
            "peft_type": "LORA", "task_type": task, "base_model_name_or_path": adapter.base, "r": rank,
            "lora_alpha": adapter.alpha, "lora_dropout": 0.0, "bias": "none", "target_modules": targets,
            "fan_in_fan_out": family.model_type == "gpt2", "inference_mode": true,
            "modules_to_save": head.map(|_| ["score"]), "use_rslora": false, "use_dora": false,
        });
        let named = tensors.iter().map(|(name, shape, values)| (name.as_str(), shape.clone(), values.as_slice()));
        Ok(vec![
            (ADAPTER_WEIGHTS.to_owned(), weights_file(named, precision)?),
            (ADAPTER_CONFIG.to_owned(), pretty(&config)),
        ])
    }

    /// This model with the update of an adapter's files merged in; `name` is what the new one is called.
    pub fn with_adapter(&self, name: &str, config: &[u8], weights: &[u8]) -> Result<Model, ModelError> {
        let inner = &self.inner;
        let (family, _) = self.family()?;
        let read: Config = serde_json::from_slice(config).map_err(|e| unusable(ADAPTER_CONFIG, &e.to_string()))?;
        let scale = read.scale()?;
        let stored = Stored::new([(ADAPTER_WEIGHTS, weights)])?;
        let pieces = (family.pieces)(&inner.arch);
        let mut values = inner.params.values.clone();
        let mut used: BTreeSet<String> = BTreeSet::new();
        for site in sites(&inner.params.layout, read.r).0 {
            for Part { piece, row, rows } in parts(&pieces, &site) {
                let module = piece.name.trim_end_matches(".weight");
                let prefixes = FAMILIES.iter().map(|family| family.prefix).chain([""]);
                let names =
                    prefixes.map(|prefix| ["A", "B"].map(|f| format!("{BEFORE}{prefix}{module}.lora_{f}.weight")));
                let Some([name_a, name_b]) = names.into_iter().find(|[a, _]| stored.has(a)) else { continue };
                let a = stored.tensor(&name_a, &[read.r, site.n_in])?;
                let b = piece.form.ours_of_rows(stored.tensor(&name_b, &[rows, read.r])?, &[rows, read.r]);
                let place = site.weight + row * site.n_in..site.weight + (row + rows) * site.n_in;
                if let (Some(from), Some(to)) = (inner.params.values.get(place.clone()), values.get_mut(place)) {
                    merge(scale, from, (&a, &b), site.n_in, to);
                }
                used.extend([name_a, name_b]);
            }
        }
        let mut head = inner.head.clone();
        let score = format!("{BEFORE}{SCORE}");
        if let Some(shape) = stored.shape(&score) {
            let n = shape.first().copied().unwrap_or(0);
            head = Some(Arc::new(self.scored(stored.tensor(&score, &[n, inner.arch.width()])?)));
            used.insert(score);
        }
        if let Some(other) = stored.names().filter(|name| !used.contains(*name)).min() {
            let reason = format!("`{}` has no matrix for its tensor `{other}`", inner.name);
            return Err(unusable(ADAPTER_WEIGHTS, &reason));
        }
        if used.is_empty() {
            return Err(unusable(ADAPTER_WEIGHTS, "it holds nothing"));
        }
        let made = Digest::of("model/adapter", 1).digest("base", inner.digest);
        let digest = made.bytes("config", config).bytes("weights", weights).finish();
        Ok(self.with(|changed| {
            changed.name = name.to_owned();
            changed.params = Arc::new(super::arch::Params { layout: inner.params.layout.clone(), values });
            changed.head = head;
            changed.digest = digest;
            changed.lineage = format!("{}, with the adapter `{name}`", inner.lineage);
            (changed.recipe, changed.validation, changed.curves) = (String::new(), None, None);
            changed.adapter = None;
        }))
    }

    /// A head with this weight: its classes are those of the model's own head, if it has as many.
    fn scored(&self, weight: Vec<f32>) -> Head {
        let n = weight.len() / self.inner.arch.width().max(1);
        if n == 1 {
            return Head::scalar(weight);
        }
        let own = self.classes().filter(|names| names.len() == n).map(<[String]>::to_vec);
        Head::new(weight, &own.unwrap_or_else(|| (0..n).map(|class| format!("LABEL_{class}")).collect::<Vec<_>>()))
    }
}

impl Config {
    /// What `B · A` is multiplied by; refuses what is not read.
    fn scale(&self) -> Result<f32, ModelError> {
        let must = |what: &str, got: &dyn std::fmt::Display| unusable(ADAPTER_CONFIG, &format!("{what}, got `{got}`"));
        if self.peft_type != "LORA" {
            return Err(must("`peft_type` must be LORA", &self.peft_type));
        }
        if self.r == 0 || self.r > super::arch::MAX_CONTEXT {
            return Err(must("`r` must be a whole number above 0", &self.r));
        }
        if !(self.lora_alpha.is_finite() && self.lora_alpha > 0.0) {
            return Err(must("`lora_alpha` must be a number above 0", &self.lora_alpha));
        }
        if self.use_dora {
            return Err(must("`use_dora` must be false", &true));
        }
        if let Some(bias) = self.bias.as_ref().filter(|bias| *bias != "none") {
            return Err(must("`bias` must be none", bias));
        }
        if let Some(name) = self.rank_pattern.keys().chain(self.alpha_pattern.keys()).next() {
            return Err(must("`rank_pattern` and `alpha_pattern` must be empty", name));
        }
        let r = self.r as f64;
        Ok((self.lora_alpha / if self.use_rslora { r.sqrt() } else { r }) as f32)
    }
}

/// A module's name behind the number of its layer.
fn within_layer(module: &str) -> &str {
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let mut from = 0;
    let mut at = 0;
    for part in module.split('.') {
        at += part.len() + 1;
        if is_number(part) {
            from = at;
        }
    }
    module.get(from..).unwrap_or(module)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{tiny, tiny_bert, tiny_llama, tiny_mpnet, tiny_others};
    use super::*;
    use crate::core::random::Random;
    use crate::models::arch::Params;

    /// The model with a drawn update merged in, as a training leaves it.
    fn adapted(model: &Model, rank: usize, alpha: f64) -> Model {
        let inner = &model.inner;
        let (sites, n) = sites(&inner.params.layout, rank);
        let mut random = Random::new(7, "adapter");
        let factors: Vec<f32> = (0..n).map(|_| 0.1 * random.normal() as f32).collect();
        let mut values = inner.params.values.clone();
        for site in &sites {
            let place = site.weight..site.weight + site.n_out * site.n_in;
            let behind = site.factors + rank * site.n_in;
            let both = (&factors[site.factors..behind], &factors[behind..behind + rank * site.n_out]);
            merge(
                (alpha / rank as f64) as f32,
                &inner.params.values[place.clone()],
                both,
                site.n_in,
                &mut values[place],
            );
        }
        let adapter = Adapter { rank, alpha, values: factors, base: inner.name.clone() };
        model.with(|changed| {
            changed.params = Arc::new(Params { layout: inner.params.layout.clone(), values });
            changed.adapter = Some(Arc::new(adapter));
        })
    }

    fn back(base: &Model, files: Vec<NamedFile>) -> Result<Model, ModelError> {
        let held: BTreeMap<String, Vec<u8>> = files.into_iter().collect();
        base.with_adapter("mine", &held[ADAPTER_CONFIG], &held[ADAPTER_WEIGHTS])
    }

    /// Written and loaded over the base, the same parameters to the bit, for every family: fused matrices, rows by head, turned ones.
    #[test]
    fn every_family_comes_back_over_its_base() {
        let models = [tiny(3), tiny_bert(3), tiny_mpnet(3), tiny_llama(3)].into_iter().chain(tiny_others(3));
        for base in models {
            let trained = adapted(&base, 3, 6.0);
            let name = &base.inner.name;
            assert_ne!(trained.inner.params.values, base.inner.params.values);
            let files = trained.to_peft(Precision::F32).expect("written");
            let read = back(&base, files.clone()).expect("read");
            assert!(read.inner.params.values == trained.inner.params.values, "{name}");
            assert!(read.inner.digest != base.inner.digest && read.inner.lineage.ends_with("with the adapter `mine`"));
            // Nothing of the base is in the file.
            let held = SafeTensorsOf(&files[0].1).shapes();
            let n: usize = held.values().map(|shape| shape.iter().product::<usize>()).sum();
            assert!(held.keys().all(|tensor| tensor.contains(".lora_A.weight") || tensor.contains(".lora_B.weight")));
            assert!(n >= sites(&base.inner.params.layout, 3).1, "{name}");
        }
    }

    struct SafeTensorsOf<'a>(&'a [u8]);
    impl SafeTensorsOf<'_> {
        fn shapes(&self) -> BTreeMap<String, Vec<usize>> {
            let read = safetensors::SafeTensors::deserialize(self.0).expect("reads");
            read.tensors().into_iter().map(|(name, view)| (name, view.shape().to_vec())).collect()
        }
    }

    /// The names and shapes that PEFT 0.21.2 writes for these modules (`get_peft_model(…).save_pretrained`).
    #[test]
    fn names_are_those_of_peft() {
        let shapes = |model: &Model| {
            SafeTensorsOf(&adapted(model, 2, 2.0).to_peft(Precision::F32).expect("written")[0].1).shapes()
        };
        let gpt2 = shapes(&tiny(3));
        assert_eq!(gpt2["base_model.model.transformer.h.0.attn.c_attn.lora_A.weight"], [2, 16]);
        assert_eq!(gpt2["base_model.model.transformer.h.0.attn.c_attn.lora_B.weight"], [48, 2]);
        let llama = shapes(&tiny_llama(3));
        for module in [
            "self_attn.q_proj",
            "self_attn.k_proj",
            "self_attn.v_proj",
            "self_attn.o_proj",
            "mlp.gate_proj",
            "mlp.up_proj",
            "mlp.down_proj",
        ] {
            assert!(llama.contains_key(&format!("base_model.model.model.layers.0.{module}.lora_B.weight")), "{module}");
        }
        let bert = shapes(&tiny_bert(3));
        assert!(bert.contains_key("base_model.model.encoder.layer.0.attention.self.query.lora_A.weight"));
        assert_eq!(within_layer("gpt_neox.layers.11.attention.query_key_value"), "attention.query_key_value");
    }

    #[test]
    fn a_causal_head_goes_along_and_an_encoders_is_left_out() {
        let names = ["no".to_owned(), "yes".to_owned()];
        for base in [tiny(3), tiny_llama(3), tiny_bert(3)] {
            let weight: Vec<f32> = (0..2 * base.inner.arch.width()).map(|at| at as f32 / 7.0).collect();
            let headed = adapted(&base, 2, 2.0).with(|m| m.head = Some(Arc::new(Head::new(weight.clone(), &names))));
            let files = headed.to_peft(Precision::F32).expect("written");
            let read = back(&base, files.clone()).expect("read");
            assert!(read.inner.params.values == headed.inner.params.values);
            let is_there = SafeTensorsOf(&files[0].1).shapes().contains_key("base_model.model.score.weight");
            assert_eq!(is_there, base.inner.arch.is_causal(), "{}", base.inner.name);
            assert_eq!(read.inner.head.as_ref().map(|head| head.weight.clone()), is_there.then_some(weight));
        }
    }

    /// An adapter of another program: each matrix with its own A, and not all of them.
    #[test]
    fn a_matrix_within_one_of_ours_has_its_own_factors() {
        let base = tiny_llama(3);
        let width = base.inner.arch.width();
        let layout = &base.inner.params.layout;
        let module = "base_model.model.model.layers.0.self_attn.k_proj";
        let pieces = (base.family().expect("a family").0.pieces)(&base.inner.arch);
        let k = pieces.iter().find(|piece| piece.name == "layers.0.self_attn.k_proj.weight").expect("there");
        let rows = k.shape[0];
        let (a, b): (Vec<f32>, Vec<f32>) =
            ((0..width).map(|x| x as f32).collect(), (0..rows).map(|x| 0.5 * x as f32).collect());
        let (name_a, name_b) = (format!("{module}.lora_A.weight"), format!("{module}.lora_B.weight"));
        let file = |name_a: &str| {
            let tensors = [(name_a, vec![1, width], a.as_slice()), (name_b.as_str(), vec![rows, 1], b.as_slice())];
            weights_file(tensors, Precision::F32).expect("a file")
        };
        let config = |more: &str| format!(r#"{{"peft_type": "LORA", "r": 1, "lora_alpha": 4{more}}}"#).into_bytes();
        let read = base.with_adapter("k", &config(""), &file(&name_a)).expect("read");
        let qkv = layout.find("0.qkv.weight").expect("there");
        let q_rows =
            pieces.iter().find(|piece| piece.name.ends_with("layers.0.self_attn.q_proj.weight")).expect("there").shape
                [0];
        for (at, (got, was)) in read.inner.params.values.iter().zip(&base.inner.params.values).enumerate() {
            let within = at.checked_sub(qkv.offset + q_rows * width).filter(|at| *at < rows * width);
            let want = within.map_or(0.0, |at| 4.0 * b[at / width] * a[at % width]);
            assert!((got - was - want).abs() < 1e-5 * (1.0 + want.abs()), "{at}");
        }
        let fails =
            |config: Vec<u8>, file: Vec<u8>| base.with_adapter("k", &config, &file).err().expect("refused").to_string();
        assert!(
            fails(config(r#", "use_dora": true"#), file(&name_a)).ends_with("`use_dora` must be false, got `true`")
        );
        assert!(fails(config(r#", "bias": "all""#), file(&name_a)).ends_with("`bias` must be none, got `all`"));
        let other = fails(config(""), file("base_model.model.lm_head.lora_A.weight"));
        assert!(other.ends_with("has no matrix for its tensor `base_model.model.lm_head.lora_A.weight`"), "{other}");
        let none = base.to_peft(Precision::F32).expect_err("refused").to_string();
        assert!(none.starts_with("`tiny-llama` has no adapter: its last training had no `lora`"), "{none}");
    }
}
