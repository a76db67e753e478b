//! Checkpoints as transformers reads them: the parameters under a family's names, its `config.json`, and what a tokenizer
//! and sentence-transformers need beside it. [`super::families`] names the tensors.

use super::arch::Pooling;
use super::checkpoint::{CONFIG, Precision, TOKENIZER, WEIGHTS, weights_file};
use super::families::{FAMILIES, Family};
use super::hf::{POOLING, SCORE, SENTENCE};
use super::{Head, HeadKind, Model, ModelError};
use serde_json::{Value, json};

/// A file with its name in the folder.
pub type NamedFile = (String, Vec<u8>);

impl Model {
    /// The files of a folder that transformers loads, of the family that has this architecture. A head is written where it
    /// is transformers' own: of a causal model, which is read at its last token without a bias.
    pub fn to_transformers(&self, precision: Precision) -> Result<Vec<NamedFile>, ModelError> {
        let inner = &self.inner;
        let arch = &inner.arch;
        let (family, config) = self.family()?;
        self.check_head()?;
        let head = inner.head.as_deref();
        let mut files = vec![
            (CONFIG.to_owned(), pretty(&self.hf_config(family, config, precision))),
            (WEIGHTS.to_owned(), self.hf_weights(family, head, precision)?),
            (TOKENIZER.to_owned(), self.tokenizer_file()?),
            ("tokenizer_config.json".to_owned(), pretty(&self.tokenizer_config())),
        ];
        if let Some(pooling) = arch.pooling() {
            files.extend(sentence_files(inner.max_tokens, arch.width(), pooling));
        }
        Ok(files)
    }

    /// The family that writes this architecture, and its `config.json`.
    pub(super) fn family(&self) -> Result<(&'static Family, Value), ModelError> {
        let arch = &self.inner.arch;
        let written = FAMILIES.iter().find_map(|family| Some((family, (family.config)(arch)?)));
        written.ok_or_else(|| self.refused(format!("no family of it has this {} architecture", arch.kind())))
    }

    /// Refuses a head that transformers has no place for.
    pub(super) fn check_head(&self) -> Result<(), ModelError> {
        if self.inner.head.is_some() && !self.inner.arch.is_causal() {
            return Err(
                self.refused("its classes of encoders have other heads than one matrix on the pooled states".into())
            );
        }
        Ok(())
    }

    fn refused(&self, reason: String) -> ModelError {
        ModelError::NotWritten { what: format!("`{}`", self.inner.name), reason }
    }

    fn hf_config(&self, family: &Family, mut config: Value, precision: Precision) -> Value {
        let [trunk, tokens, classes] = family.classes;
        let head = self.inner.head.as_deref();
        let class = match head {
            Some(_) => classes,
            None if self.inner.arch.predicts_tokens() => tokens,
            None => trunk,
        };
        config["model_type"] = json!(family.model_type);
        config["architectures"] = json!([class]);
        config["torch_dtype"] = json!(if precision == Precision::F16 { "float16" } else { "float32" });
        // Tokens that begin, end and fill rows are the tokenizer's business; the family's defaults name others.
        for token in ["bos_token_id", "eos_token_id", "pad_token_id"] {
            if config.get(token).is_none() {
                config[token] = Value::Null;
            }
        }
        if let Some(head) = head {
            let names: Vec<String> = match &head.classes {
                Some(names) => names.to_vec(),
                None => (0..head.n_classes).map(|class| format!("LABEL_{class}")).collect(),
            };
            let indexed = || names.iter().enumerate();
            config["id2label"] = indexed().map(|(idx, name)| (idx.to_string(), json!(name))).collect();
            config["label2id"] = indexed().map(|(idx, name)| (name.clone(), json!(idx))).collect();
            config["num_labels"] = json!(head.n_classes);
            if head.kind == HeadKind::Scalar {
                config["problem_type"] = json!("regression");
            }
        }
        config
    }

    fn hf_weights(&self, family: &Family, head: Option<&Head>, precision: Precision) -> Result<Vec<u8>, ModelError> {
        let inner = &self.inner;
        // transformers keeps a trunk below a head under the prefix, and one alone without it.
        let is_below = head.is_some() || inner.arch.predicts_tokens();
        let mut tensors: Vec<(String, Vec<usize>, Vec<f32>)> = Vec::new();
        let mut at = 0;
        for piece in (family.pieces)(&inner.arch) {
            let ours = inner.params.values.get(at..at + piece.n()).unwrap_or_default();
            at += piece.n();
            // What reads next tokens is not read by a classifying model.
            if !piece.in_trunk && head.is_some() {
                continue;
            }
            let prefix = if is_below && piece.in_trunk { family.prefix } else { "" };
            let name = format!("{prefix}{}", piece.name);
            tensors.push((name, piece.form.stored_shape(&piece.shape), piece.form.theirs(ours, &piece.shape)));
        }
        if let Some(head) = head {
            tensors.push((SCORE.to_owned(), vec![head.n_classes, inner.arch.width()], head.weight.clone()));
        }
        weights_file(
            tensors.iter().map(|(name, shape, values)| (name.as_str(), shape.clone(), values.as_slice())),
            precision,
        )
    }

    fn tokenizer_config(&self) -> Value {
        let side = if self.inner.arch.is_causal() { "left" } else { "right" };
        let mut config = json!({
            "tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": self.inner.max_tokens,
            "truncation_side": side, "clean_up_tokenization_spaces": false,
        });
        for (name, said) in self.inner.chat.iter().flat_map(|chat| chat.config()) {
            config[name] = json!(said);
        }
        config
    }
}

/// What sentence-transformers reads beside an encoder.
fn sentence_files(max_tokens: usize, width: usize, pooling: Pooling) -> [NamedFile; 3] {
    let modules = json!([
        {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
        {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
    ]);
    let pooling = json!({
        "word_embedding_dimension": width, "pooling_mode_cls_token": pooling == Pooling::First,
        "pooling_mode_mean_tokens": pooling == Pooling::Mean, "pooling_mode_max_tokens": false,
        "pooling_mode_mean_sqrt_len_tokens": false,
    });
    [
        (SENTENCE.to_owned(), pretty(&json!({"max_seq_length": max_tokens, "do_lower_case": false}))),
        (POOLING.to_owned(), pretty(&pooling)),
        ("modules.json".to_owned(), pretty(&modules)),
    ]
}

pub(super) fn pretty(json: &Value) -> Vec<u8> {
    // A value that was made here has no key that is not text.
    serde_json::to_vec_pretty(json).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::super::hf::hf_files;
    use super::super::testing::{tiny, tiny_bert, tiny_llama, tiny_mpnet, tiny_others};
    use super::*;
    use crate::models::arch::Arch;
    use crate::store::StoreError;
    use std::collections::BTreeMap;
    use std::sync::Arc;

    fn back(files: Vec<NamedFile>) -> Model {
        let held: BTreeMap<String, Vec<u8>> = files.into_iter().collect();
        let missing = || ModelError::Store(StoreError::Missing { id: "toy".into() });
        let files = hf_files(|file| held.get(file).cloned().ok_or_else(missing)).expect("whole");
        Model::from_hf("back", &files).expect("reads")
    }

    #[test]
    fn every_architecture_comes_back_from_transformers_files() {
        let models = [tiny(3), tiny_bert(3), tiny_mpnet(3), tiny_llama(3)].into_iter().chain(tiny_others(3));
        for model in models {
            let files = model.to_transformers(Precision::F32).expect("written");
            let read = back(files);
            assert_eq!(read.inner.arch, model.inner.arch, "{}", model.inner.name);
            assert_eq!(read.inner.params.values, model.inner.params.values, "{}", model.inner.name);
            assert_eq!(read.inner.encoder.digest(), model.inner.encoder.digest());
        }
    }

    #[test]
    fn a_head_at_the_last_token_comes_back_with_its_names() {
        let names = ["no".to_owned(), "yes".to_owned()];
        for model in tiny_others(3).into_iter().chain([tiny(3), tiny_llama(3)]) {
            let weight: Vec<f32> = (0..2 * 16).map(|at| at as f32 / 7.0).collect();
            let headed = model.with(|m| m.head = Some(Arc::new(Head::new(weight.clone(), &names))));
            let files = headed.to_transformers(Precision::F32);
            if !model.inner.arch.is_causal() {
                let error = files.expect_err("no place for the head").to_string();
                assert!(error.contains("encoders have other heads"), "{error}");
                continue;
            }
            let read = back(files.expect("written"));
            assert_eq!(read.inner.head.as_ref().expect("a head").weight, weight);
            assert_eq!(read.classes(), Some(&names[..]));
        }
    }

    #[test]
    fn a_chat_template_goes_along_in_both_formats() {
        let config = br#"{"chat_template": "{{ bos_token }}{{ messages[0].content }}", "bos_token": "<s>"}"#;
        let chat = super::super::Chat::read(Some(config), None).expect("reads").map(Arc::new);
        let model = tiny(3).with(|m| m.chat = chat);
        let said = serde_json::from_str(r#"{"role": "user", "content": "hi"}"#).expect("a message");
        let own = model.to_bytes(Precision::F32).expect("written");
        let own = Model::from_bytes(None, &own.config, &own.weights, &own.tokenizer).expect("reads");
        for read in [own, back(model.to_transformers(Precision::F32).expect("written"))] {
            assert_eq!(read.chat(std::slice::from_ref(&said), true, None).expect("renders"), "<s>hi");
        }
        let error = tiny(3).chat(&[said], true, None).expect_err("no template").to_string();
        assert_eq!(error, "`tiny` has no chat template");
    }

    #[test]
    fn an_architecture_that_no_family_has_is_refused() {
        let Arch::Llama(config) = &tiny_llama(3).inner.arch else { panic!("a Llama") };
        let mut config = config.clone();
        // Biases, and norms that follow.
        config.changes.norm_after = true;
        let model = tiny_llama(3).with(|m| m.arch = Arch::Llama(config));
        let error = model.to_transformers(Precision::F32).expect_err("refused");
        assert_eq!(
            error.to_string(),
            "`tiny-llama` cannot be written as transformers reads it: no family of it has this llama architecture"
        );
    }
}
