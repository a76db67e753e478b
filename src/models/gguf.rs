//! GGUF, one file with weights, shape and tokenizer: Llama and Qwen2, as llama.cpp writes them. Quantised weights become
//! 32-bit numbers; a byte-level BPE tokenizer is built from the tokens and merges in the file.

use super::arch::{Arch, Changes, LlamaConfig, MAX_CONTEXT, Rope};
use super::families::{in_layer, llama};
use super::{Encoder, Model, ModelError};
use crate::core::digest::Digest;
use crate::core::explain::first_line;
use crate::core::guard::guarded;
use candle_core::Device;
use candle_core::quantized::gguf_file::{Content, Value};
use serde_json::json;
use std::io::Cursor;

/// What a file is called in a store.
pub const FILE: &str = "model.gguf";

/// llama.cpp's kinds of tokens: control tokens, and those that a user added.
const CONTROL: i64 = 3;
const USER_DEFINED: i64 = 4;

impl Model {
    /// A model without a head from a GGUF file. Its digest is that of the file's content.
    pub fn from_gguf(name: &str, bytes: &[u8]) -> Result<Model, ModelError> {
        let mut reader = Cursor::new(bytes);
        // The library divides by the alignment that the file names.
        let content = guarded(|| Content::read(&mut reader));
        let content = content.map_err(|_| unusable("its header cannot be read"))?;
        let content = content.map_err(|error| unusable(&first_line(&error)))?;
        let file = File { content };
        let config = file.config()?;
        let arch = Arch::Llama(config.clone());
        arch.check()?;
        // llama.cpp turns neighbouring features of Llama's heads, and has their rows in that order.
        let turned = file.kind()? == "llama";
        let values = llama::values(&config, |piece, shape| {
            let tensor_name = gguf_name(piece);
            let broken = |reason: &str| unusable(&format!("the tensor `{tensor_name}` {reason}"));
            // Before it is read: the library multiplies the lengths of a shape without looking whether they fit.
            let found = file.content.tensor_infos.get(&tensor_name).map(|info| info.shape.dims().to_vec());
            if let Some(found) = found.filter(|found| found.as_slice() != shape) {
                return Err(broken(&format!("has shape {found:?}, expected {shape:?}")));
            }
            let tensor = file.content.tensor(&mut reader, &tensor_name, &Device::Cpu);
            let tensor = tensor.and_then(|tensor| tensor.dequantize(&Device::Cpu));
            let tensor = tensor.map_err(|error| broken(&format!("cannot be read: {}", first_line(&error))))?;
            let values = tensor.flatten_all().and_then(|flat| flat.to_vec1::<f32>());
            let values = values.map_err(|error| broken(&first_line(&error)))?;
            if !values.iter().all(|value| value.is_finite()) {
                return Err(broken("holds NaN or infinity"));
            }
            let is_turned = turned && (piece.contains(".q.") || piece.contains(".k."));
            let n_in = shape.get(1).copied().unwrap_or(1);
            Ok(if is_turned { in_halves(&values, config.head(), n_in) } else { values })
        })?;
        let encoder = Encoder::from_json(file.tokenizer()?.as_bytes())?;
        let digest = Digest::of("model/gguf", 1).bytes("file", bytes).finish();
        let model = Model::new(name, arch, values, encoder, digest, "pretrained")?;
        Ok(model.with(|model| model.digest = digest))
    }
}

/// Rows of heads whose pairs are neighbours, `[rows, n_in]`, in the order in which the pairs' first features come first.
fn in_halves(values: &[f32], head: usize, n_in: usize) -> Vec<f32> {
    let mut ordered = Vec::with_capacity(values.len());
    for rows in values.chunks(head * n_in) {
        let row = |at: usize| rows.get(at * n_in..(at + 1) * n_in).unwrap_or_default();
        (0..2).for_each(|side| (0..head / 2).for_each(|pair| ordered.extend_from_slice(row(2 * pair + side))));
    }
    ordered
}

/// An opened file.
struct File {
    content: Content,
}

impl File {
    fn value(&self, key: &str) -> Result<&Value, ModelError> {
        self.content.metadata.get(key).ok_or_else(|| unusable(&format!("it has no `{key}`")))
    }

    fn text(&self, key: &str) -> Result<&str, ModelError> {
        match self.value(key)? {
            Value::String(text) => Ok(text),
            _ => Err(unusable(&format!("`{key}` is not a text"))),
        }
    }

    fn whole(&self, key: &str) -> Result<usize, ModelError> {
        let n = integer(self.value(key)?).and_then(|n| usize::try_from(n).ok());
        n.ok_or_else(|| unusable(&format!("`{key}` is not a whole number from 0 on")))
    }

    fn real(&self, key: &str) -> Result<f32, ModelError> {
        match self.value(key)? {
            Value::F32(x) => Ok(*x),
            Value::F64(x) => Ok(*x as f32),
            _ => Err(unusable(&format!("`{key}` is not a number"))),
        }
    }

    fn list(&self, key: &str) -> Result<&[Value], ModelError> {
        match self.value(key)? {
            Value::Array(values) => Ok(values),
            _ => Err(unusable(&format!("`{key}` is not a list"))),
        }
    }

    fn texts(&self, key: &str) -> Result<Vec<&str>, ModelError> {
        let mut texts = Vec::new();
        for value in self.list(key)? {
            let Value::String(text) = value else {
                return Err(unusable(&format!("`{key}` holds something else than texts")));
            };
            texts.push(text.as_str());
        }
        Ok(texts)
    }

    fn kind(&self) -> Result<&str, ModelError> {
        match self.text("general.architecture")? {
            kind @ ("llama" | "qwen2") => Ok(kind),
            other => Err(unusable(&format!("its architecture must be llama or qwen2, got `{other}`"))),
        }
    }

    fn config(&self) -> Result<LlamaConfig, ModelError> {
        let kind = self.kind()?;
        let at = |key: &str| format!("{kind}.{key}");
        let has = |tensor: &str| self.content.tensor_infos.contains_key(tensor);
        let scaled = self.content.metadata.get(&at("rope.scaling.type"));
        let scaled = scaled.is_some_and(|kind| !matches!(kind, Value::String(kind) if kind == "none"));
        if scaled || has("rope_freqs.weight") {
            return Err(unusable("its rotary positions are scaled, which is read from Hugging Face checkpoints alone"));
        }
        let (width, n_heads) = (self.whole(&at("embedding_length"))?, self.whole(&at("attention.head_count"))?);
        let n_turned = self.content.metadata.get(&at("rope.dimension_count")).and_then(integer);
        if n_heads == 0 || n_turned.is_some_and(|n| usize::try_from(n) != Ok(width / n_heads)) {
            return Err(unusable("only a part of each head is turned by its position"));
        }
        Ok(LlamaConfig {
            vocab: self.list("tokenizer.ggml.tokens")?.len(),
            context: self.whole(&at("context_length"))?.min(MAX_CONTEXT),
            width,
            n_layers: self.whole(&at("block_count"))?,
            n_heads,
            n_kv_heads: self.whole(&at("attention.head_count_kv")).unwrap_or(n_heads),
            inner: self.whole(&at("feed_forward_length"))?,
            norm_eps: self.real(&at("attention.layer_norm_rms_epsilon"))?,
            // The format's default where none is named.
            rope: Rope { theta: self.real(&at("rope.freq_base")).unwrap_or(10_000.0), scaling: None },
            qkv_bias: kind == "qwen2",
            tied: !has("output.weight"),
            changes: Changes::default(),
        })
    }

    /// The tokenizer as a `tokenizer.json`.
    fn tokenizer(&self) -> Result<String, ModelError> {
        let kind = self.text("tokenizer.ggml.model")?;
        if kind != "gpt2" {
            return Err(unusable(&format!("its tokenizer must be a byte-level BPE (gpt2), got `{kind}`")));
        }
        if matches!(self.value("tokenizer.ggml.add_bos_token"), Ok(Value::Bool(true))) {
            return Err(unusable(
                "its tokenizer puts a token before each text, which is read from a tokenizer.json alone",
            ));
        }
        let bytes = json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true});
        let before = match self.text("tokenizer.ggml.pre")? {
            "gpt-2" => bytes.clone(),
            "smollm" => {
                let digits = json!({"type": "Digits", "individual_digits": true});
                json!({"type": "Sequence", "pretokenizers": [digits, bytes.clone()]})
            }
            other => {
                let reason = format!("its tokenizer must split texts as gpt-2 or smollm, got `{other}`");
                return Err(unusable(&reason));
            }
        };
        let tokens = self.texts("tokenizer.ggml.tokens")?;
        let kinds: Vec<Option<i64>> = self.list("tokenizer.ggml.token_type")?.iter().map(integer).collect();
        let added: Vec<serde_json::Value> = tokens
            .iter()
            .zip(kinds)
            .enumerate()
            .filter(|(_, (_, kind))| matches!(kind, Some(CONTROL | USER_DEFINED)))
            .map(|(id, (token, kind))| {
                json!({"id": id, "content": token, "single_word": false, "lstrip": false, "rstrip": false,
                       "normalized": false, "special": kind == Some(CONTROL)})
            })
            .collect();
        let vocab: serde_json::Map<String, serde_json::Value> =
            tokens.iter().enumerate().map(|(id, token)| ((*token).to_owned(), json!(id))).collect();
        let merges = self.texts("tokenizer.ggml.merges")?;
        let json = json!({
            "version": "1.0",
            "added_tokens": added,
            "normalizer": null,
            "pre_tokenizer": before,
            "post_processor": null,
            "decoder": bytes,
            "model": {"type": "BPE", "vocab": vocab, "merges": merges},
        });
        Ok(json.to_string())
    }
}

fn integer(value: &Value) -> Option<i64> {
    match *value {
        Value::U8(n) => Some(n.into()),
        Value::I8(n) => Some(n.into()),
        Value::U16(n) => Some(n.into()),
        Value::I16(n) => Some(n.into()),
        Value::U32(n) => Some(n.into()),
        Value::I32(n) => Some(n.into()),
        Value::U64(n) => n.try_into().ok(),
        Value::I64(n) => Some(n),
        _ => None,
    }
}

/// The name in the file of one of the pieces that [`llama::values`] asks for.
fn gguf_name(piece: &str) -> String {
    match piece {
        "embed.token" => return "token_embd.weight".into(),
        "embed.out" => return "output.weight".into(),
        "norm.weight" => return "output_norm.weight".into(),
        _ => (),
    }
    let [layer, part, kind] = in_layer(piece);
    let place = match part {
        "norm1" => "attn_norm",
        "q" => "attn_q",
        "k" => "attn_k",
        "v" => "attn_v",
        "out" => "attn_output",
        "norm2" => "ffn_norm",
        "gate" => "ffn_gate",
        "up" => "ffn_up",
        "down" => "ffn_down",
        other => other,
    };
    format!("blk.{layer}.{place}.{kind}")
}

fn unusable(reason: &str) -> ModelError {
    ModelError::File { file: FILE.to_owned(), reason: reason.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::super::trunk::{Packed, Tape, features};
    use super::*;
    use crate::core::random::Random;
    use crate::models::Keep;
    use candle_core::Tensor;
    use candle_core::quantized::{GgmlDType, QTensor, gguf_file};

    const WIDTH: usize = 8;

    /// The tensors of a tiny Llama of two layers with two heads, one of keys, by the names that [`llama::values`] asks for.
    fn pieces() -> Vec<(String, Tensor)> {
        let mut random = Random::new(3, "gguf");
        let mut tensor = |name: String, shape: &[usize]| {
            let n = shape.iter().product();
            let values: Vec<f32> = (0..n).map(|_| 0.4 * random.normal() as f32).collect();
            (name, Tensor::from_vec(values, shape, &Device::Cpu).expect("a tensor"))
        };
        let mut pieces = vec![tensor("embed.token".into(), &[262, WIDTH]), tensor("norm.weight".into(), &[WIDTH])];
        for layer in 0..2 {
            for (part, shape) in [
                ("norm1", &[WIDTH][..]),
                ("q", &[WIDTH, WIDTH]),
                ("k", &[WIDTH / 2, WIDTH]),
                ("v", &[WIDTH / 2, WIDTH]),
                ("out", &[WIDTH, WIDTH]),
                ("norm2", &[WIDTH]),
                ("gate", &[12, WIDTH]),
                ("up", &[12, WIDTH]),
                ("down", &[WIDTH, 12]),
            ] {
                pieces.push(tensor(format!("{layer}.{part}.weight"), shape));
            }
        }
        pieces
    }

    /// llama.cpp's own order of a head's rows.
    fn as_neighbours(tensor: &Tensor) -> Tensor {
        let (rows, n_in) = tensor.dims2().expect("a matrix");
        let halves = tensor.reshape((rows / 4, 2, 2, n_in)).and_then(|t| t.transpose(1, 2));
        halves.and_then(|t| t.contiguous()?.reshape((rows, n_in))).expect("whole heads")
    }

    /// GPT-2's characters for all bytes.
    fn byte_tokens() -> Vec<String> {
        let mut others = 256..;
        (0u32..256)
            .map(|byte| {
                let plain = (33..127).contains(&byte) || (161..173).contains(&byte) || (174..256).contains(&byte);
                let code = if plain { byte } else { others.next().expect("endless") };
                char::from_u32(code).expect("a character").to_string()
            })
            .collect()
    }

    fn metadata() -> Vec<(&'static str, Value)> {
        let texts = |list: &[String]| Value::Array(list.iter().cloned().map(Value::String).collect());
        let mut tokens = vec!["<|end|>".to_owned()];
        tokens.extend(byte_tokens());
        tokens.extend(["th", "the", "Ġthe", "12", "<user>"].map(str::to_owned));
        let kind = |token: &String| match token.as_str() {
            "<|end|>" => 3,
            "<user>" => 4,
            _ => 1,
        };
        let kinds = tokens.iter().map(|token| Value::I32(kind(token))).collect();
        let merges = ["t h", "th e", "Ġ the", "1 2"].map(str::to_owned);
        vec![
            ("general.architecture", Value::String("llama".into())),
            ("llama.embedding_length", Value::U32(WIDTH as u32)),
            ("llama.attention.head_count", Value::U32(2)),
            ("llama.attention.head_count_kv", Value::U32(1)),
            ("llama.block_count", Value::U32(2)),
            ("llama.context_length", Value::U32(32)),
            ("llama.feed_forward_length", Value::U32(12)),
            ("llama.attention.layer_norm_rms_epsilon", Value::F32(1e-5)),
            ("llama.rope.dimension_count", Value::U32(4)),
            ("tokenizer.ggml.model", Value::String("gpt2".into())),
            ("tokenizer.ggml.pre", Value::String("smollm".into())),
            ("tokenizer.ggml.tokens", texts(&tokens)),
            ("tokenizer.ggml.token_type", Value::Array(kinds)),
            ("tokenizer.ggml.merges", texts(&merges)),
        ]
    }

    fn file(metadata: &[(&str, Value)], skipped: &str) -> Vec<u8> {
        let tensors: Vec<(String, QTensor)> = pieces()
            .into_iter()
            .filter(|(piece, _)| piece != skipped)
            .map(|(piece, tensor)| {
                let turned = piece.contains(".q.") || piece.contains(".k.");
                let tensor = if turned { as_neighbours(&tensor) } else { tensor };
                (gguf_name(&piece), QTensor::quantize(&tensor, GgmlDType::F32).expect("plain numbers"))
            })
            .collect();
        let metadata: Vec<(&str, &Value)> = metadata.iter().map(|(key, value)| (*key, value)).collect();
        let tensors: Vec<(&str, &QTensor)> = tensors.iter().map(|(name, tensor)| (name.as_str(), tensor)).collect();
        let mut bytes = Cursor::new(Vec::new());
        gguf_file::write(&mut bytes, &metadata, &tensors).expect("written");
        bytes.into_inner()
    }

    #[test]
    fn a_file_gives_the_model_that_it_was_made_of() {
        let bytes = file(&metadata(), "");
        let model = Model::from_gguf("toy", &bytes).expect("usable");
        let Arch::Llama(config) = &model.inner.arch else { panic!("a Llama") };
        assert_eq!((config.vocab, config.context, config.n_kv_heads, config.tied), (262, 32, 1, true));
        let mut made = pieces();
        let expected = llama::values(config, |piece, shape| {
            let at = made.iter().position(|(name, _)| name == piece).expect("asked for once");
            let (_, tensor) = made.swap_remove(at);
            assert_eq!(tensor.dims(), shape);
            Ok(tensor.flatten_all().and_then(|flat| flat.to_vec1()).expect("numbers"))
        });
        assert_eq!(model.inner.params.values, expected.expect("all are there"));
        assert!(made.is_empty());
        let packed = Packed::new([&[5u32, 7, 1][..]]);
        let read = features(&model.inner.arch, &model.inner.params.values, &packed, &mut Tape::new());
        assert!(read.iter().all(|x| x.is_finite()) && read.len() == WIDTH);
        assert_eq!(Model::from_gguf("other", &bytes).expect("usable").inner.digest, model.inner.digest);
    }

    #[test]
    fn its_tokenizer_merges_bytes_and_takes_digits_one_by_one() {
        let model = Model::from_gguf("toy", &file(&metadata(), "")).expect("usable");
        let tokens = |text: &str| model.inner.encoder.encode(text, 32, Keep::End).expect("encodes").0;
        let byte = |byte: u8| 1 + u32::from(byte);
        assert_eq!(tokens("the the"), [258, 259]);
        assert_eq!(tokens("12<|end|>"), [byte(b'1'), byte(b'2'), 0], "digits stay apart, control tokens whole");
        assert_eq!(tokens("<user>é"), [261, byte(0xc3), byte(0xa9)]);
    }

    #[test]
    fn what_cannot_be_used_is_named() {
        let fails = |bytes: &[u8]| Model::from_gguf("toy", bytes).err().expect("broken").to_string();
        let with = |key: &str, value: Value| {
            let mut metadata = metadata();
            metadata.retain(|(name, _)| *name != key);
            metadata.push((Box::leak(key.to_owned().into_boxed_str()), value));
            fails(&file(&metadata, ""))
        };
        let text = |text: &str| Value::String(text.to_owned());
        assert!(fails(b"GGUF").contains("`model.gguf`"));
        assert!(fails(&file(&metadata(), "")[..4000]).contains("`model.gguf`"));
        assert!(fails(&file(&metadata(), "1.up.weight")).contains("`blk.1.ffn_up.weight`"));
        assert!(with("general.architecture", text("gemma")).contains("llama or qwen2, got `gemma`"));
        assert!(with("llama.rope.scaling.type", text("yarn")).contains("scaled"));
        assert!(with("llama.rope.dimension_count", Value::U32(2)).contains("only a part"));
        assert!(with("llama.block_count", Value::F32(2.0)).contains("not a whole number"));
        assert!(with("llama.block_count", Value::U32(3)).contains("`blk.2."));
        assert!(with("llama.feed_forward_length", Value::U32(13)).contains("has shape"));
        assert!(with("llama.attention.head_count_kv", Value::U32(3)).contains("`n_kv_heads`"));
        assert!(with("tokenizer.ggml.model", text("llama")).contains("byte-level BPE"));
        assert!(with("tokenizer.ggml.pre", text("qwen2")).contains("gpt-2 or smollm, got `qwen2`"));
        assert!(with("tokenizer.ggml.add_bos_token", Value::Bool(true)).contains("before each text"));
        assert!(with("tokenizer.ggml.tokens", Value::U32(1)).contains("not a list"));
    }

    /// Found by fuzzing: the library panics on both.
    #[test]
    fn a_shape_beyond_all_memory_and_an_alignment_of_nothing_are_refused() {
        let fails = |bytes: &[u8]| Model::from_gguf("toy", bytes).err().expect("broken").to_string();
        let mut bytes = file(&metadata(), "");
        let name = b"blk.0.attn_norm.weight";
        let at = bytes.windows(name.len()).position(|part| part == name).expect("named");
        // Behind the name stand the number of lengths and the length: its bytes times four are none in 64 bits.
        let length = at + name.len() + 4;
        assert_eq!(bytes[length..length + 8], 8u64.to_le_bytes());
        bytes[length..length + 8].copy_from_slice(&(1u64 << 63).to_le_bytes());
        let error = fails(&bytes);
        assert!(error.contains("`blk.0.attn_norm.weight` has shape [9223372036854775808], expected [8]"), "{error}");
        let mut metadata = metadata();
        metadata.push(("general.alignment", Value::U32(0)));
        let mut bytes = Vec::new();
        let mut cursor = Cursor::new(&mut bytes);
        let metadata: Vec<(&str, &Value)> = metadata.iter().map(|(key, value)| (*key, value)).collect();
        gguf_file::write(&mut cursor, &metadata, &[]).expect("written");
        assert!(fails(&bytes).contains("its header cannot be read"));
    }
}
