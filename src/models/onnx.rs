//! ONNX files as checkpoints: the numbers that a graph begins with, under the names that transformers has for them. Of the graph only as much is
//! read as names them; it is never computed.
//!
//! An exporter folds the transposition of a weight into a tensor that it calls `onnx::MatMul_470`. Which weight that is says the bias that is
//! added to its product: `….query.bias` makes it `….query.weight`, turned back. What stands before the names, such as `model.0.auto_model.`, is
//! taken away up to `embeddings.`, where word embeddings are found so. The format is a protobuf message (onnx.proto of the ONNX project, fields of ModelProto,
//! GraphProto, NodeProto and TensorProto).

use super::ModelError;
use half::{bf16, f16};
use safetensors::tensor::{Dtype, TensorView};
use std::collections::{BTreeMap, HashMap};

/// What the file is called in a store, in a folder, and in the hub's folder for exports.
pub const FILE: &str = "model.onnx";
pub const EXPORTED: &str = "onnx/model.onnx";

/// The name by which a trunk is found among other parts of a graph.
const WORDS: &str = "embeddings.word_embeddings.weight";

/// The tensors of an ONNX file as the bytes of a safetensors file, under the names that transformers has for them.
pub fn to_safetensors(file: &str, bytes: &[u8]) -> Result<Vec<u8>, ModelError> {
    let named = tensors(bytes).map_err(|reason| ModelError::File { file: file.to_owned(), reason })?;
    let broken =
        |error: safetensors::SafeTensorError| ModelError::File { file: file.to_owned(), reason: error.to_string() };
    let stored: Vec<(String, Vec<usize>, Vec<u8>)> = named
        .into_iter()
        .map(|(name, Tensor { shape, values })| (name, shape, values.into_iter().flat_map(f32::to_le_bytes).collect()))
        .collect();
    let views: Result<Vec<(&str, TensorView)>, _> = stored
        .iter()
        .map(|(name, shape, bytes)| Ok((name.as_str(), TensorView::new(Dtype::F32, shape.clone(), bytes)?)))
        .collect();
    safetensors::serialize(views.map_err(broken)?, None).map_err(broken)
}

/// Numbers with a shape, row-major.
#[derive(Debug, Clone, PartialEq)]
struct Tensor {
    shape: Vec<usize>,
    values: Vec<f32>,
}

impl Tensor {
    /// A matrix with rows and columns exchanged.
    fn turned(self) -> Result<Tensor, String> {
        let [rows, columns] = self.shape.as_slice() else {
            return Err(format!("is no matrix but has the shape {:?}", self.shape));
        };
        let (rows, columns) = (*rows, *columns);
        let mut values = Vec::with_capacity(self.values.len());
        for column in 0..columns {
            values.extend(self.values.iter().skip(column).step_by(columns.max(1)).take(rows));
        }
        Ok(Tensor { shape: vec![columns, rows], values })
    }
}

/// The tensors by name.
fn tensors(bytes: &[u8]) -> Result<BTreeMap<String, Tensor>, String> {
    let graph = find(bytes, GRAPH).map_err(|reason| format!("it is no ONNX model: {reason}"))?;
    let graph = graph.ok_or("it is no ONNX model: it has no graph")?;
    let (mut stored, mut nodes) = (BTreeMap::new(), Vec::new());
    for field in Fields(graph) {
        match field.map_err(|reason| format!("the graph: {reason}"))? {
            (INITIALIZER, Wire::Bytes(bytes)) => {
                let (name, tensor) = initializer(bytes)?;
                let Some(tensor) = tensor else { continue };
                if stored.insert(name.clone(), tensor).is_some() {
                    return Err(format!("the tensor `{name}` occurs twice"));
                }
            }
            (NODE, Wire::Bytes(bytes)) => {
                nodes.push(Node::read(bytes).map_err(|reason| format!("a node of the graph: {reason}"))?)
            }
            _ => (),
        }
    }
    // The bias that is added to what a node gives.
    let mut bias_of: HashMap<&str, &str> = HashMap::new();
    for node in nodes.iter().filter(|node| node.kind == "Add") {
        let [one, other] = node.inputs.as_slice() else { continue };
        for (product, bias) in [(one, other), (other, one)] {
            if bias.ends_with(".bias") && stored.contains_key(*bias) {
                bias_of.insert(product, bias);
            }
        }
    }
    let mut renamed: Vec<(&str, String)> = Vec::new();
    for node in nodes.iter().filter(|node| node.kind == "MatMul") {
        let ([_, weight], Some(product)) = (node.inputs.as_slice(), node.output) else { continue };
        let Some(bias) = bias_of.get(product).filter(|_| stored.contains_key(*weight)) else { continue };
        renamed.push((weight, format!("{}.weight", bias.trim_end_matches(".bias"))));
    }
    for (anonymous, name) in renamed {
        let Some(tensor) = stored.remove(anonymous) else {
            return Err(format!(
                "the tensor `{anonymous}` is multiplied in several places, which have different names"
            ));
        };
        let tensor =
            tensor.turned().map_err(|reason| format!("the tensor `{anonymous}`, multiplied as `{name}`, {reason}"))?;
        if stored.insert(name.clone(), tensor).is_some() {
            return Err(format!("the tensor `{name}` is there under its name and as `{anonymous}`"));
        }
    }
    let before = stored.keys().find_map(|name| name.strip_suffix(WORDS)).unwrap_or_default().to_owned();
    let short = |name: String| name.strip_prefix(&before).map(str::to_owned).unwrap_or(name);
    Ok(stored.into_iter().map(|(name, tensor)| (short(name), tensor)).collect())
}

/// What is read of a node.
struct Node<'a> {
    kind: &'a str,
    inputs: Vec<&'a str>,
    output: Option<&'a str>,
}

impl<'a> Node<'a> {
    fn read(bytes: &'a [u8]) -> Result<Node<'a>, String> {
        let mut node = Node { kind: "", inputs: Vec::new(), output: None };
        for field in Fields(bytes) {
            match field? {
                (1, Wire::Bytes(name)) => node.inputs.push(text(name)?),
                (2, Wire::Bytes(name)) => node.output = node.output.or(Some(text(name)?)),
                (4, Wire::Bytes(kind)) => node.kind = text(kind)?,
                _ => (),
            }
        }
        Ok(node)
    }
}

// Numbers of fields, as onnx.proto has them.
const GRAPH: u64 = 7;
const NODE: u64 = 1;
const INITIALIZER: u64 = 5;

// Kinds of numbers.
const FLOAT: u64 = 1;
const FLOAT16: u64 = 10;
const DOUBLE: u64 = 11;
const BFLOAT16: u64 = 16;

/// A tensor with its name; none of a kind that holds no parameters, such as integers.
fn initializer(bytes: &[u8]) -> Result<(String, Option<Tensor>), String> {
    let (mut name, mut kind, mut shape, mut raw) = ("", 0, Vec::new(), None);
    let (mut floats, mut is_elsewhere): (Vec<f32>, bool) = (Vec::new(), false);
    let unnamed = |reason: String| format!("a tensor of the graph: {reason}");
    for field in Fields(bytes) {
        match field.map_err(unnamed)? {
            (1, Wire::Number(n)) => shape.push(n),
            (1, Wire::Bytes(packed)) => {
                let mut rest = packed;
                while !rest.is_empty() {
                    shape.push(varint(&mut rest).map_err(unnamed)?);
                }
            }
            (2, Wire::Number(n)) => kind = n,
            (4, Wire::Bytes(packed)) => {
                floats.extend(packed.as_chunks().0.iter().map(|four| f32::from_le_bytes(*four)))
            }
            (4, Wire::Four(four)) => floats.push(f32::from_le_bytes(four)),
            (8, Wire::Bytes(bytes)) => name = text(bytes).map_err(unnamed)?,
            (9, Wire::Bytes(bytes)) => raw = Some(bytes),
            (14, Wire::Number(1)) => is_elsewhere = true,
            _ => (),
        }
    }
    let broken = |reason: String| format!("the tensor `{name}` {reason}");
    let size = match kind {
        FLOAT => 4,
        FLOAT16 | BFLOAT16 => 2,
        DOUBLE => 8,
        _ => return Ok((name.to_owned(), None)),
    };
    if is_elsewhere {
        return Err(broken("lies in a file of its own, and only what the file itself holds is read".to_owned()));
    }
    let lengths: Option<Vec<usize>> = shape.iter().map(|n| usize::try_from(*n).ok()).collect();
    let n = lengths.as_ref().and_then(|lengths| lengths.iter().try_fold(1usize, |n, length| n.checked_mul(*length)));
    let (Some(shape), Some(n)) = (lengths, n) else { return Err(broken(format!("has an impossible shape {shape:?}"))) };
    let values = match raw {
        Some(raw) if n.checked_mul(size) != Some(raw.len()) => {
            return Err(broken(format!(
                "has {} bytes, its shape {shape:?} needs {size} for each of {n} numbers",
                raw.len()
            )));
        }
        Some(raw) => match kind {
            FLOAT => raw.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect(),
            FLOAT16 => raw.as_chunks().0.iter().map(|bytes| f16::from_le_bytes(*bytes).to_f32()).collect(),
            BFLOAT16 => raw.as_chunks().0.iter().map(|bytes| bf16::from_le_bytes(*bytes).to_f32()).collect(),
            _ => raw.as_chunks().0.iter().map(|bytes| f64::from_le_bytes(*bytes) as f32).collect(),
        },
        None if kind == FLOAT && floats.len() == n => floats,
        None => return Err(broken(format!("has {} numbers where its shape {shape:?} needs {n}", floats.len()))),
    };
    Ok((name.to_owned(), Some(Tensor { shape, values })))
}

/// The value of a field of a protobuf message.
enum Wire<'a> {
    Number(u64),
    Bytes(&'a [u8]),
    Four([u8; 4]),
    Eight,
}

/// The fields of a protobuf message, each with its number.
struct Fields<'a>(&'a [u8]);

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u64, Wire<'a>), String>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let field = field(&mut self.0);
        if field.is_err() {
            self.0 = &[];
        }
        Some(field)
    }
}

fn field<'a>(bytes: &mut &'a [u8]) -> Result<(u64, Wire<'a>), String> {
    let tag = varint(bytes)?;
    let value = match tag & 7 {
        0 => Wire::Number(varint(bytes)?),
        1 => {
            taken(bytes, 8)?;
            Wire::Eight
        }
        2 => {
            let length = varint(bytes)?;
            Wire::Bytes(taken(bytes, length)?)
        }
        5 => Wire::Four(taken(bytes, 4)?.first_chunk().copied().unwrap_or_default()),
        other => return Err(format!("a field has the unknown kind {other}")),
    };
    Ok((tag >> 3, value))
}

/// The first bytes field of a message that has this number.
fn find(bytes: &[u8], number: u64) -> Result<Option<&[u8]>, String> {
    for field in Fields(bytes) {
        if let (found, Wire::Bytes(value)) = field?
            && found == number
        {
            return Ok(Some(value));
        }
    }
    Ok(None)
}

fn taken<'a>(bytes: &mut &'a [u8], length: u64) -> Result<&'a [u8], String> {
    let split = usize::try_from(length).ok().and_then(|length| bytes.split_at_checked(length));
    let (value, rest) = split.ok_or_else(|| format!("a field of {length} bytes goes on behind the end"))?;
    *bytes = rest;
    Ok(value)
}

/// A number in groups of seven bits, the lowest first.
fn varint(bytes: &mut &[u8]) -> Result<u64, String> {
    let mut value = 0;
    for at in 0..10 {
        let Some((byte, rest)) = bytes.split_first() else { return Err("it ends within a number".to_owned()) };
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err("a number has more than ten bytes".to_owned())
}

fn text(bytes: &[u8]) -> Result<&str, String> {
    std::str::from_utf8(bytes).map_err(|_| "a name is not UTF-8".to_owned())
}

#[cfg(test)]
mod tests {
    use super::super::testing::words;
    use super::super::trunk::{Packed, Tape, token_states};
    use super::super::{HfFiles, Model};
    use super::*;

    const EXPORTED_BERT: &[u8] = include_bytes!("../../tests/reference/onnx_bert.onnx");

    #[derive(serde::Deserialize)]
    struct Reference {
        config: serde_json::Value,
        tokens: Vec<u32>,
        states: Vec<Vec<f32>>,
    }

    fn number(mut n: u64) -> Vec<u8> {
        let mut bytes = Vec::new();
        while n >= 0x80 {
            bytes.push(n as u8 | 0x80);
            n >>= 7;
        }
        bytes.push(n as u8);
        bytes
    }

    fn counted(field: u64, n: u64) -> Vec<u8> {
        [number(field << 3), number(n)].concat()
    }

    fn held(field: u64, bytes: &[u8]) -> Vec<u8> {
        [&number(field << 3 | 2), &number(bytes.len() as u64), bytes].concat()
    }

    fn tensor(name: &str, kind: u64, shape: &[u64], raw: &[u8]) -> Vec<u8> {
        let shape: Vec<u8> = shape.iter().flat_map(|n| counted(1, *n)).collect();
        held(INITIALIZER, &[shape, counted(2, kind), held(8, name.as_bytes()), held(9, raw)].concat())
    }

    fn node(kind: &str, inputs: [&str; 2], output: &str) -> Vec<u8> {
        let inputs: Vec<u8> = inputs.iter().flat_map(|name| held(1, name.as_bytes())).collect();
        held(NODE, &[inputs, held(2, output.as_bytes()), held(4, kind.as_bytes())].concat())
    }

    fn read(graph: &[Vec<u8>]) -> Result<BTreeMap<String, Tensor>, String> {
        // A version of the format stands before the graph.
        tensors(&[counted(1, 8), held(GRAPH, &graph.concat())].concat())
    }

    fn why(graph: &[Vec<u8>]) -> String {
        read(graph).map(|_| ()).expect_err("broken")
    }

    fn floats(values: &[f32]) -> Vec<u8> {
        values.iter().flat_map(|value| value.to_le_bytes()).collect()
    }

    #[test]
    fn an_exported_bert_computes_what_pytorch_computed() {
        let reference: Reference =
            serde_json::from_str(include_str!("../../tests/reference/onnx_bert.json")).expect("the reference values");
        let list: Vec<String> = (1..12).map(|idx| format!("w{idx}")).collect();
        let list: Vec<&str> = list.iter().map(String::as_str).collect();
        let files = HfFiles {
            config: reference.config.to_string().into_bytes(),
            weights: vec![(FILE.to_owned(), to_safetensors(FILE, EXPORTED_BERT).expect("reads"))],
            tokenizer: words(&list).tokenizer().to_string(false).expect("serialises").into_bytes(),
            sentence_config: None,
            pooling: None,
            tokenizer_config: None,
            chat_template: None,
        };
        let model = Model::from_hf("toy", &files).expect("fits");
        let rows = Packed::new([&reference.tokens[..]]);
        let ours = token_states(&model.inner.arch, &model.inner.params.values, &rows, &mut Tape::new());
        let theirs = reference.states.concat();
        assert_eq!(ours.len(), theirs.len());
        let worst = ours.iter().zip(&theirs).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(worst < 1e-5, "{worst}");
    }

    #[test]
    fn a_weight_has_the_name_of_its_bias_and_is_turned_back() {
        let graph = [
            tensor("m.embeddings.word_embeddings.weight", FLOAT16, &[1, 2], &[0, 0x3c, 0, 0xc0]),
            tensor("m.a.query.bias", FLOAT, &[2], &floats(&[5.0, 6.0])),
            tensor(
                "onnx::MatMul_7",
                BFLOAT16,
                &[3, 2],
                &[0x80, 0x3f, 0, 0x40, 0x40, 0x40, 0x80, 0x40, 0xa0, 0x40, 0xc0, 0x40],
            ),
            tensor("ids", 7, &[1], &[0; 8]),
            node("MatMul", ["x", "onnx::MatMul_7"], "y"),
            node("Add", ["m.a.query.bias", "y"], "z"),
            node("MatMul", ["z", "z"], "u"),
        ];
        let tensors = read(&graph).expect("reads");
        let names: Vec<&str> = tensors.keys().map(String::as_str).collect();
        assert_eq!(names, ["a.query.bias", "a.query.weight", "embeddings.word_embeddings.weight"]);
        assert_eq!(tensors["a.query.weight"], Tensor { shape: vec![2, 3], values: vec![1.0, 3.0, 5.0, 2.0, 4.0, 6.0] });
        assert_eq!(tensors["embeddings.word_embeddings.weight"].values, [1.0, -2.0]);
        let packed = [held(1, &[2]), counted(2, FLOAT), held(8, b"a"), held(4, &floats(&[0.5, 1.0]))].concat();
        assert_eq!(read(&[held(INITIALIZER, &packed)]).expect("reads")["a"].values, [0.5, 1.0]);
        let wide = [1.5f64.to_le_bytes(), (-2.0f64).to_le_bytes()].concat();
        assert_eq!(read(&[tensor("a", DOUBLE, &[2], &wide)]).expect("reads")["a"].values, [1.5, -2.0]);
    }

    #[test]
    fn what_is_wrong_is_named() {
        let bias = || tensor("q.bias", FLOAT, &[1], &floats(&[0.0]));
        let weight = |name| tensor(name, FLOAT, &[1, 1], &floats(&[1.0]));
        let product = || [node("MatMul", ["x", "w"], "y"), node("Add", ["y", "q.bias"], "z")].concat();
        assert!(
            why(&[tensor("a", FLOAT, &[2], &[0; 4])]).starts_with("the tensor `a` has 4 bytes, its shape [2] needs 4")
        );
        assert!(why(&[tensor("a", FLOAT, &[u64::MAX, 8], &[])]).contains("impossible shape"));
        assert_eq!(why(&[weight("a"), weight("a")]), "the tensor `a` occurs twice");
        assert!(why(&[bias(), weight("w"), weight("q.weight"), product()]).contains("under its name and as `w`"));
        assert!(why(&[bias(), tensor("w", FLOAT, &[1], &floats(&[1.0])), product()]).contains("is no matrix"));
        let apart = [counted(1, 1), counted(2, FLOAT), held(8, b"a"), counted(14, 1)].concat();
        assert!(why(&[held(INITIALIZER, &apart)]).contains("lies in a file of its own"));
        let few = [counted(1, 3), counted(2, FLOAT), held(8, b"a"), held(4, &floats(&[0.5]))].concat();
        assert_eq!(why(&[held(INITIALIZER, &few)]), "the tensor `a` has 1 numbers where its shape [3] needs 3");
        assert!(tensors(b"").expect_err("nothing").contains("no graph"));
        assert!(tensors(&[0x3a, 0x80]).expect_err("cut").contains("ends within a number"));
        let error = to_safetensors("some/model.onnx", b"PK").expect_err("no model").to_string();
        assert!(error.contains("some/model.onnx") && error.contains("no ONNX model"), "{error}");
    }

    #[test]
    fn a_file_that_is_cut_or_changed_is_refused_or_read_and_nothing_panics() {
        for length in (0..EXPORTED_BERT.len()).step_by(97) {
            assert!(tensors(&EXPORTED_BERT[..length]).is_err(), "cut at {length}");
        }
        let mut bytes = EXPORTED_BERT.to_vec();
        for at in (0..bytes.len()).step_by(13) {
            let held = bytes[at];
            bytes[at] = held.wrapping_add(0x81);
            let _ = to_safetensors(FILE, &bytes);
            bytes[at] = held;
        }
    }
}
