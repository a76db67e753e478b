//! Valid inputs of every reader: what mutations begin from.

use super::members;
use candle_core::quantized::gguf_file::{self, Value};
use candle_core::quantized::{GgmlDType, QTensor};
use candle_core::{DType, Device, Tensor};
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};
use w2s::core::context::{Access, Context, Memo, Settings};
use w2s::core::random::Random;
use w2s::frames::{Format, Frame};
use w2s::lang::{Session, Setup};
use w2s::models::{Files, HfFiles, Model, Precision};
use w2s::store::{Store, StoreSession};

const CSV: &str = "id,text,label,score\nr1,\"a, quoted \"\"text\"\"\",0,1.5\nr2,plain,1,-2e-3\nr3,\"two\nlines\",0,\nr4,Ünï 漢字,1,0.25\n";
/// A drawing with the parts that figures have.
const SVG: &str = "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 10 10\"><rect x=\"1\" y=\"1\" width=\"2\" height=\"2\"/><text x=\"1\" y=\"9\">a &amp; b</text></svg>\n";
/// Values of every kind, one in the other; names and texts that need escapes; a line of blanks; numbers at the edge.
const NESTED: &str = "{\"id\": 1, \"prompt\": \"p\\u00fc\\ud83d\\ude42\", \"continuations\": [\"a\", \" b\"], \"label\": true, \"deep\": {\"a\": [1, [2.5e-3, null], {}]}}\n\
     \n{\"label\": false, \"prompt\": \"\\\\ \\/ \\b\\f\\n\\r\\t\", \"continuations\": [\"c\", \"d\"], \"id\": 18446744073709551615}\n\
    {\"id\": -9223372036854775808, \"prompt\": \"\", \"continuations\": [\"e\", \"f\"], \"label\": true, \"deep\": 1e308}";
const JSONL: &str = "{\"id\": \"r1\", \"text\": \"a \\\"b\\\" \\u00fc\", \"label\": 0, \"score\": 1.5}\n\
    {\"id\": \"r2\", \"text\": \"plain\", \"label\": 1, \"score\": null}\n\
    {\"id\": \"r3\", \"text\": \"\", \"label\": 0, \"score\": -2e-3}\n";
const SCRIPTS: [&str; 5] = [
    // What is rewritten before it is compiled, and what is said of code without running it.
    "let fs = []; for (x, i) in [3.5, 1] { fs.push(|| x * i); }\nlet f = fs[0]; let share = 1 / 2; let m = #{ a: [1], \"b c\": () };\nprint(`${f()} ${m.a[0]} ${m?.none ?? 7}`); let s = [3.0, 1.0]; s.sort(|x, y| x - y); let x = -2 ** 2; while x > 0 { x -= 1; if x == 3 { break; } } switch x { 1 => \"one\", _ => \"none\" }",
    "import \"w2s\" as w2s;\nlet rows = [#{ year: \"1999\", text: \"a\", label: 0 }, #{ year: \"2001\", text: \"b\", label: 1 }];\nlet d = data::of(rows, #{ text: |row| if parse_int(row.year) > 2000 { row.text } else { `${row.text} old` }, test_share: 0.0 });\nlet found = metric::t_test([0.1, 0.2]); found.mena; try { throw #{ code: \"mine\", message: \"m\" }; } catch (e) { `${d.n_rows} ${e.code}` }",
    "let rows = [];\nfor i in 0..5 { rows.push(#{ id: `r${i}`, text: `a ${i}`, label: i % 2 }); }\nlet d = data::of(rows, #{ test_share: 0.0 });\nprint(d.frame().rows().len());\nd.frame().rows().map(|row| row.text)",
    "fn f(n) { if n < 2 { 1 } else { n * f(n - 1) } }\nlet t = tensor::of([[1, 2], [3, 4]]);\n[f(5), (t * 2.0).softmax().sum().to_float(), metric::mean([0.5, 0.7]).low]",
    "let p = frame::of(#{ id: [\"a\", \"b\"], p0: [0.9, 0.2], p1: [0.1, 0.8] });\ntry { metric::auroc(p, frame::of(#{ id: [\"a\", \"b\"], label: [0, 1] })) } catch (e) { e.code }",
];
/// Scripts that fail, each in a way of its own: what other languages write, limits of the language, errors within functions and imports.
const REFUSED: [&str; 16] = [
    "let x = 1;\nfor i in range(10) { x += i }\nprint(x, 2)",
    "def f(x):\n    return x",
    "let x = None; let y = True and not x;",
    "let a = [1, 2]; a.join(\", \")",
    "let m = #{ a: 1 }; m.items()",
    "import \"w2s\" as w2s; w2s::compare([])",
    "import \"nowhere\" as n; n::f()",
    "fn f(n) { f(n + 1) } f(0)",
    "let a = []; loop { a.push([1, 2, 3]); }",
    "let s = \"ab\"; loop { s += s; }",
    "let t = \"`${()}`\"; let n = (); `${n}`",
    "[3, \"a\", 1].sort(); [#{ a: 1 }, 2].sort_by(|a, b| a - b); [2.5, (), 1].order()",
    "fn inner(x) { x.missing.deeper } fn outer(x) { inner(#{ a: x }) } outer(3)",
    "range(0.0, 1.0, 0.0); (0.0 / 0.0).to_int(); 1 / 0",
    "const A = 1; A = 2; let f = || A; f.call(1, 2); this.x",
    "let d = data::of([#{ id: \"a\", text: \"t\", label: 0 }], #{ tets_share: 0.0 }); d.labels",
];
/// A small training, whose results are the archive.
pub const TRAINING: &str = "let rows = data::of([0, 1, 2, 3, 4, 5, 6, 7].map(|i| #{ id: `r${i}`, text: if i % 2 == 0 { \"a b\" } else { \"c\" }, label: i % 2 }), #{ test_share: 0.0 });\n\
    let trained = model::untrained(rows, #{ width: 8, layers: 1, heads: 2 }).finetune(rows, rows.truth(\"a seed\"), #{ steps: 2, seed: 0 });\n\
    trained.predict(rows)";
const BUNDLES: [&[u8]; 2] = [
    include_bytes!("../../tests/reference/bundles/05_own_data-001.w2s.zip"),
    include_bytes!("../../tests/reference/bundles/04_own_loss-001.w2s.zip"),
];

/// The valid inputs of the reader `name`.
pub fn of(name: &str) -> Vec<Vec<u8>> {
    match name {
        "csv" => vec![
            CSV.into(),
            "\u{feff}id,text,label\r\n1,\"a,b\",yes\r\n\r\n2,c,no\r\n".into(),
            "text\ra\r\rb\r".into(),
            "text,label\na,1\nb,0\n".encode_utf16().fold(vec![0xff, 0xfe], |mut bytes, unit| {
                bytes.extend(unit.to_le_bytes());
                bytes
            }),
        ],
        "tsv" => vec!["id\ttext\tlabel\nr1\ta b\t0\nr2\tÜnï 漢字\t1\nr3\t\t-2e-3\n".into()],
        "jsonl" => vec![JSONL.into(), NESTED.into(), format!("[{}]", JSONL.trim().replace('\n', ",")).into()],
        "parquet" => vec![
            include_bytes!("../../tests/reference/types.parquet").to_vec(),
            Frame::from_bytes(CSV.into(), Format::Csv)
                .and_then(|frame| frame.to_bytes(Format::Parquet))
                .expect("a table"),
        ],
        "safetensors" => {
            let strangers = CHECKPOINTS.iter().flat_map(|files| files.weights.iter().map(|(_, bytes)| bytes.clone()));
            let cast = [DType::F64, DType::F16, DType::BF16].map(in_precision);
            let own = SAVED.iter().map(|files| files.weights.clone());
            strangers.chain(own).chain(cast).chain([ADAPTER[1].clone()]).collect()
        }
        "config" => {
            let strangers = CHECKPOINTS.iter().map(|files| files.config.clone());
            strangers.chain(SAVED.iter().map(|files| files.config.clone())).chain(beside()).collect()
        }
        "gguf" => vec![gguf()],
        "onnx" => vec![include_bytes!("../../tests/reference/onnx_bert.onnx").to_vec()],
        "tokenizer" => tokenizers().into_iter().map(|json| json.to_string().into()).collect(),
        "record" => {
            let small = members::open(&small_bundle()).expect("a zip");
            let small = small.into_iter().find(|(name, _)| name == "run/record.json").expect("in it").1;
            [small].into_iter().chain(BUNDLES.iter().map(|bundle| member(bundle, "run/record.json"))).collect()
        }
        "bundle" => [small_bundle()].into_iter().chain(BUNDLES.iter().map(|bundle| bundle.to_vec())).collect(),
        "archive" => vec![archive()],
        "script" => SCRIPTS.iter().map(|code| code.as_bytes().to_vec()).collect(),
        other => panic!("there is no reader `{other}`"),
    }
}

/// Inputs of the reader `name` that it must refuse, each for another reason: what mutations of valid ones hardly meet.
pub fn refused(name: &str) -> Vec<Vec<u8>> {
    match name {
        "archive" => refused_archives(),
        "bundle" => refused_bundles(),
        "script" => REFUSED.iter().map(|code| code.as_bytes().to_vec()).collect(),
        _ => Vec::new(),
    }
}

/// An archive with a member that belongs nowhere, without a content, with one too many, with one under another's name, and with one that
/// is compressed.
fn refused_archives() -> Vec<Vec<u8>> {
    let whole = members::open(&archive()).expect("a zip");
    let at = whole.iter().position(|(name, _)| name.starts_with("objects/")).expect("a content");
    let bare = || whole.clone();
    let with = |more: (String, Vec<u8>)| whole.iter().cloned().chain([more]).collect();
    let mut without = bare();
    without.remove(at);
    let mut swapped = bare();
    swapped[at].1.push(0);
    let stored = [
        with(("readme.txt".to_owned(), b"none".to_vec())),
        without,
        with((format!("objects/{}.safetensors", "ab".repeat(32)), b"none".to_vec())),
        swapped,
    ];
    let compressed = members::compressed(whole.clone());
    stored.into_iter().map(members::close).chain([compressed]).map(|zip| zip.expect("a zip")).collect()
}

/// A bundle with a file that no record names, with a name that leads out, without its record, and with data that are others.
fn refused_bundles() -> Vec<Vec<u8>> {
    let whole = members::open(&small_bundle()).expect("a zip");
    let with = |more: (String, Vec<u8>)| whole.iter().cloned().chain([more]).collect();
    let but = |prefix: &str| whole.iter().filter(|(name, _)| !name.starts_with(prefix)).cloned().collect();
    let mut others: Vec<(String, Vec<u8>)> = whole.clone();
    let data = others.iter_mut().find(|(name, _)| name.starts_with("data/")).expect("data");
    data.1[0] ^= 1;
    let all = [
        with(("run/foreign.txt".to_owned(), b"none".to_vec())),
        with(("../outside".to_owned(), b"none".to_vec())),
        but("run/record.json"),
        others,
    ];
    all.into_iter().map(|members| members::close(members).expect("a zip")).collect()
}

fn member(zip: &[u8], name: &str) -> Vec<u8> {
    let mut zip = zip::ZipArchive::new(std::io::Cursor::new(zip)).expect("a zip");
    let mut bytes = Vec::new();
    std::io::copy(&mut zip.by_name(name).expect("in it"), &mut bytes).expect("read");
    bytes
}

const WIDTH: usize = 8;
const INNER: usize = 12;
const VOCAB: usize = 6;

fn drawn(random: &mut Random, shape: &[usize]) -> Tensor {
    let values: Vec<f32> = (0..shape.iter().product()).map(|_| random.normal() as f32).collect();
    Tensor::from_vec(values, shape, &Device::Cpu).expect("a tensor")
}

/// A Llama of one layer as Hugging Face has it.
pub fn llama() -> HfFiles {
    let config = json!({
        "model_type": "llama", "vocab_size": VOCAB, "hidden_size": WIDTH, "intermediate_size": INNER, "num_hidden_layers": 1,
        "num_attention_heads": 2, "num_key_value_heads": 1, "max_position_embeddings": 32, "hidden_act": "silu",
        "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "tie_word_embeddings": true, "attention_bias": false, "mlp_bias": false,
    });
    let mut random = Random::new(1, "seeds");
    let mut tensors = BTreeMap::new();
    for (name, shape) in pieces("model.layers.0", VOCAB) {
        tensors.insert(name, drawn(&mut random, &shape));
    }
    HfFiles {
        config: config.to_string().into(),
        weights: vec![(
            "model.safetensors".to_owned(),
            safetensors::serialize(tensors.iter(), None).expect("serialises"),
        )],
        tokenizer: tokenizers()[0].to_string().into(),
        sentence_config: None,
        pooling: None,
        tokenizer_config: None,
        chat_template: None,
    }
}

fn pieces(layer: &str, vocab: usize) -> Vec<(String, Vec<usize>)> {
    let in_layer = |name: &str, shape: &[usize]| (format!("{layer}.{name}.weight"), shape.to_vec());
    vec![
        ("model.embed_tokens.weight".to_owned(), vec![vocab, WIDTH]),
        ("model.norm.weight".to_owned(), vec![WIDTH]),
        in_layer("input_layernorm", &[WIDTH]),
        in_layer("post_attention_layernorm", &[WIDTH]),
        in_layer("self_attn.q_proj", &[WIDTH, WIDTH]),
        in_layer("self_attn.k_proj", &[WIDTH / 2, WIDTH]),
        in_layer("self_attn.v_proj", &[WIDTH / 2, WIDTH]),
        in_layer("self_attn.o_proj", &[WIDTH, WIDTH]),
        in_layer("mlp.gate_proj", &[INNER, WIDTH]),
        in_layer("mlp.up_proj", &[INNER, WIDTH]),
        in_layer("mlp.down_proj", &[WIDTH, INNER]),
    ]
}

/// The same with a head of three named classes, and with one that scores.
fn with_head(n: usize) -> HfFiles {
    let mut files = llama();
    let tensors = safetensors::SafeTensors::deserialize(&files.weights[0].1).expect("its own");
    let head = drawn(&mut Random::new(4, "seeds"), &[n, WIDTH]);
    let mut held: BTreeMap<String, Tensor> = tensors
        .iter()
        .map(|(name, view)| {
            let values: Vec<f32> =
                view.data().chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().expect("four"))).collect();
            (name.to_owned(), Tensor::from_vec(values, view.shape(), &Device::Cpu).expect("a tensor"))
        })
        .collect();
    held.insert("score.weight".to_owned(), head);
    let mut config: serde_json::Value = serde_json::from_slice(&files.config).expect("its own");
    config["id2label"] = json!({ "0": "no", "1": "yes" });
    files.config = config.to_string().into();
    files.weights[0].1 = safetensors::serialize(held.iter(), None).expect("serialises");
    files
}

/// The first checkpoint's weights in another precision.
fn in_precision(dtype: DType) -> Vec<u8> {
    let files = llama();
    let tensors = candle_core::safetensors::load_buffer(&files.weights[0].1, &Device::Cpu).expect("its own");
    let cast: BTreeMap<String, Tensor> =
        tensors.into_iter().map(|(name, tensor)| (name, tensor.to_dtype(dtype).expect("a cast"))).collect();
    safetensors::serialize(cast.iter(), None).expect("serialises")
}

/// An update of rank 2 of the first checkpoint's queries, as PEFT writes it.
pub static ADAPTER: LazyLock<[Vec<u8>; 2]> = LazyLock::new(|| {
    let config = json!({
        "peft_type": "LORA", "task_type": "CAUSAL_LM", "r": 2, "lora_alpha": 4, "lora_dropout": 0.0, "bias": "none",
        "target_modules": ["q_proj"], "use_rslora": false, "use_dora": false, "rank_pattern": {}, "alpha_pattern": {},
    });
    let mut random = Random::new(5, "seeds");
    let name = |factor: &str| format!("base_model.model.model.layers.0.self_attn.q_proj.lora_{factor}.weight");
    let tensors =
        BTreeMap::from([(name("A"), drawn(&mut random, &[2, WIDTH])), (name("B"), drawn(&mut random, &[WIDTH, 2]))]);
    [config.to_string().into(), safetensors::serialize(tensors.iter(), None).expect("serialises")]
});

/// The JSON files beside a checkpoint's configuration: how sentences are pooled and cut, how a conversation is written, which file has a tensor.
fn beside() -> Vec<Vec<u8>> {
    let names = pieces("model.layers.0", VOCAB).into_iter().map(|(name, _)| (name, json!("a.safetensors")));
    let files = [
        json!({ "word_embedding_dimension": WIDTH, "pooling_mode_cls_token": false, "pooling_mode_mean_tokens": true, "pooling_mode_max_tokens": false }),
        json!({ "word_embedding_dimension": WIDTH, "pooling_mode": "lasttoken" }),
        json!({ "max_seq_length": 16, "do_lower_case": false }),
        json!({
            "bos_token": "<s>", "eos_token": { "content": "</s>", "lstrip": false }, "add_bos_token": true,
            "chat_template": "{{ bos_token }}{% for m in messages %}{% if m['role'] == 'user' and loop.first %}[{{ m.content | trim }}]{% else %}{{ m['content'] }}{{ eos_token }}{% endif %}{% endfor %}{% if add_generation_prompt %}>{% endif %}",
        }),
        json!({
            "bos_token": null, "eos_token": "</s>",
            "chat_template": [{ "name": "default", "template": "{% set ns = namespace(n=0) %}{% for m in messages %}{% set ns.n = ns.n + 1 %}{{ ns.n }}{{ m['role'] ~ ':' ~ m['content'] }}{% endfor %}" }, { "name": "tool_use", "template": "" }],
        }),
        json!({ "metadata": { "total_size": 4 }, "weight_map": names.collect::<serde_json::Map<_, _>>() }),
    ];
    files.iter().map(|file| file.to_string().into()).chain([ADAPTER[0].clone()]).collect()
}

/// [`llama`], and a tiny checkpoint of every family, as `tests/reference/families.py` has them.
pub static CHECKPOINTS: LazyLock<Vec<HfFiles>> = LazyLock::new(|| {
    let references: BTreeMap<String, serde_json::Value> =
        serde_json::from_str(include_str!("../../tests/reference/families.json")).expect("the reference values");
    let made = references.into_iter().map(|(name, reference)| {
        let mut random = Random::new(3, &name);
        let shapes: BTreeMap<String, Vec<usize>> =
            serde_json::from_value(reference["shapes"].clone()).expect("shapes of tensors");
        let tensors: BTreeMap<String, Tensor> =
            shapes.into_iter().map(|(name, shape)| (name, drawn(&mut random, &shape))).collect();
        let weights = safetensors::serialize(tensors.iter(), None).expect("serialises");
        let vocab = reference["config"]["vocab_size"].as_u64().expect("a number");
        let words: serde_json::Map<String, serde_json::Value> =
            (0..vocab).map(|id| (if id == 0 { "[UNK]".to_owned() } else { format!("w{id}") }, id.into())).collect();
        let mut tokenizer = tokenizers().remove(0);
        tokenizer["model"]["vocab"] = words.into();
        HfFiles {
            config: reference["config"].to_string().into(),
            weights: vec![("model.safetensors".to_owned(), weights)],
            tokenizer: tokenizer.to_string().into(),
            ..llama()
        }
    });
    [llama()].into_iter().chain(made).chain([with_head(3), with_head(1)]).collect()
});

/// The same as this program saves them.
pub static SAVED: LazyLock<Vec<Files>> = LazyLock::new(|| {
    let read = |files: &HfFiles| Model::from_hf("tiny", files).expect("a checkpoint");
    let saved = |model: Model| model.to_bytes(Precision::F32).expect("written");
    CHECKPOINTS.iter().map(read).map(saved).collect()
});

/// One of each model and of most parts; the first has the tokens of the checkpoint.
fn tokenizers() -> Vec<serde_json::Value> {
    let whole = |normalizer, pre_tokenizer, post_processor, decoder, model| {
        json!({
            "version": "1.0", "truncation": null, "padding": null,
            "added_tokens": [{ "id": 0, "content": "[UNK]", "single_word": false, "lstrip": false, "rstrip": false, "normalized": false, "special": true }],
            "normalizer": normalizer, "pre_tokenizer": pre_tokenizer, "post_processor": post_processor, "decoder": decoder, "model": model,
        })
    };
    let template = json!({
        "type": "TemplateProcessing",
        "single": [{ "SpecialToken": { "id": "[UNK]", "type_id": 0 } }, { "Sequence": { "id": "A", "type_id": 0 } }],
        "pair": [{ "Sequence": { "id": "A", "type_id": 0 } }, { "Sequence": { "id": "B", "type_id": 1 } }],
        "special_tokens": { "[UNK]": { "id": "[UNK]", "ids": [0], "tokens": ["[UNK]"] } },
    });
    let bert = json!({ "type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true, "strip_accents": null, "lowercase": true });
    let replace = json!({ "type": "Sequence", "normalizers": [
        { "type": "Prepend", "prepend": "▁" }, { "type": "Replace", "pattern": { "String": " " }, "content": "▁" }, { "type": "NFKC" },
    ] });
    let split = json!({ "type": "Sequence", "pretokenizers": [
        { "type": "Digits", "individual_digits": true },
        { "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true },
    ] });
    let fixed = json!({ "type": "FixedLength", "length": 3 });
    let decoder = json!({ "type": "Sequence", "decoders": [
        { "type": "Replace", "pattern": { "String": "▁" }, "content": " " }, { "type": "ByteFallback" }, { "type": "Fuse" },
        { "type": "Strip", "content": " ", "start": 1, "stop": 0 },
    ] });
    let none = || serde_json::Value::Null;
    vec![
        whole(
            none(),
            json!({ "type": "Whitespace" }),
            none(),
            none(),
            json!({
                "type": "WordLevel", "vocab": { "[UNK]": 0, "a": 1, "b": 2, "c": 3, "w1": 4, "w2": 5 }, "unk_token": "[UNK]",
            }),
        ),
        whole(
            bert,
            json!({ "type": "BertPreTokenizer" }),
            template,
            json!({ "type": "WordPiece", "prefix": "##", "cleanup": true }),
            json!({
                "type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##", "max_input_chars_per_word": 100,
                "vocab": { "[UNK]": 0, "a": 1, "##a": 2, "b": 3, "w": 4, "##1": 5 },
            }),
        ),
        whole(
            none(),
            split,
            none(),
            json!({ "type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true }),
            json!({
                "type": "BPE", "dropout": null, "unk_token": "[UNK]", "continuing_subword_prefix": null, "end_of_word_suffix": null,
                "fuse_unk": false, "byte_fallback": false, "ignore_merges": false,
                "vocab": { "[UNK]": 0, "a": 1, "aa": 2, "Ġ": 3, "b": 4, "Ġb": 5, "aaaa": 6 },
                "merges": [["a", "a"], ["Ġ", "b"], ["aa", "aa"]],
            }),
        ),
        // A map of characters that maps nothing: a trie of 256 units, and no text.
        whole(
            json!({ "type": "Precompiled", "precompiled_charsmap": format!("AAQA{}AAA=", "A".repeat(1364)) }),
            json!({ "type": "Whitespace" }),
            none(),
            none(),
            json!({ "type": "WordLevel", "vocab": { "[UNK]": 0, "a": 1 }, "unk_token": "[UNK]" }),
        ),
        whole(
            none(),
            fixed,
            none(),
            none(),
            json!({
                "type": "BPE", "unk_token": "[UNK]", "continuing_subword_prefix": "##", "fuse_unk": false, "byte_fallback": false,
                "vocab": { "[UNK]": 0, "a": 1, "##a": 2, "aa": 3 }, "merges": ["a ##a"],
            }),
        ),
        whole(
            replace,
            json!({ "type": "Metaspace", "replacement": "▁", "prepend_scheme": "first", "split": true }),
            none(),
            decoder,
            json!({
                "type": "Unigram", "unk_id": 0, "byte_fallback": true,
                "vocab": [["[UNK]", 0.0], ["▁", -1.5], ["a", -2.0], ["▁a", -2.5], ["b", -3.0], ["<0x41>", -9.0]],
            }),
        ),
    ]
}

/// The same Llama as llama.cpp writes it, with a byte-level tokenizer.
fn gguf() -> Vec<u8> {
    let text = |text: &str| Value::String(text.to_owned());
    let mut tokens: Vec<String> = vec!["<|end|>".to_owned()];
    // The alphabet of byte-level tokens: printable bytes stand for themselves, the others for characters from 256 on.
    let mut others = 256u32;
    for byte in 0..=255u32 {
        let shows = (0x21..=0x7e).contains(&byte) || (0xa1..=0xac).contains(&byte) || byte >= 0xae;
        let shown = if shows { byte } else { others };
        others += u32::from(!shows);
        tokens.extend(char::from_u32(shown).map(String::from));
    }
    tokens.push("th".to_owned());
    let kinds: Vec<Value> = (0..tokens.len()).map(|nth| Value::I32(if nth == 0 { 3 } else { 1 })).collect();
    let vocab = tokens.len();
    let metadata: Vec<(&str, Value)> = vec![
        ("general.architecture", text("llama")),
        ("llama.embedding_length", Value::U32(WIDTH as u32)),
        ("llama.attention.head_count", Value::U32(2)),
        ("llama.attention.head_count_kv", Value::U32(1)),
        ("llama.block_count", Value::U32(1)),
        ("llama.context_length", Value::U32(32)),
        ("llama.feed_forward_length", Value::U32(INNER as u32)),
        ("llama.attention.layer_norm_rms_epsilon", Value::F32(1e-5)),
        ("llama.rope.dimension_count", Value::U32(4)),
        ("tokenizer.ggml.model", text("gpt2")),
        ("tokenizer.ggml.pre", text("smollm")),
        ("tokenizer.ggml.tokens", Value::Array(tokens.iter().map(|token| text(token)).collect())),
        ("tokenizer.ggml.token_type", Value::Array(kinds)),
        ("tokenizer.ggml.merges", Value::Array(vec![text("t h")])),
    ];
    let names = [
        ("model.embed_tokens", "token_embd"),
        ("model.norm", "output_norm"),
        ("input_layernorm", "attn_norm"),
        ("post_attention_layernorm", "ffn_norm"),
        ("self_attn.q_proj", "attn_q"),
        ("self_attn.k_proj", "attn_k"),
        ("self_attn.v_proj", "attn_v"),
        ("self_attn.o_proj", "attn_output"),
        ("mlp.gate_proj", "ffn_gate"),
        ("mlp.up_proj", "ffn_up"),
        ("mlp.down_proj", "ffn_down"),
    ];
    let mut random = Random::new(2, "seeds");
    let tensors: Vec<(String, QTensor)> = pieces("blk.0", vocab)
        .into_iter()
        .map(|(name, shape)| {
            let tensor = QTensor::quantize(&drawn(&mut random, &shape), GgmlDType::F32).expect("plain numbers");
            let name = names.iter().fold(name, |name, (from, to)| name.replace(from, to));
            (name, tensor)
        })
        .collect();
    let metadata: Vec<(&str, &Value)> = metadata.iter().map(|(key, value)| (*key, value)).collect();
    let tensors: Vec<(&str, &QTensor)> = tensors.iter().map(|(name, tensor)| (name.as_str(), tensor)).collect();
    let mut bytes = std::io::Cursor::new(Vec::new());
    gguf_file::write(&mut bytes, &metadata, &tensors).expect("written");
    bytes.into_inner()
}

/// A run with an event of each kind and a table, small enough that mutations meet what matters.
fn small_bundle() -> Vec<u8> {
    let table = Frame::from_bytes(CSV.into(), Format::Csv).and_then(|frame| frame.to_bytes(Format::Parquet));
    let table = table.expect("a table");
    let hash = |bytes: &[u8]| blake3::hash(bytes).to_hex().to_string();
    let digest = hash(b"any");
    let (script, data) = ("print(1);\n", "a\n1\n");
    let file =
        |path: &str, bytes: &[u8]| json!({ "root": "run", "path": path, "blake3": hash(bytes), "bytes": bytes.len() });
    let operation = |name: &str, found: serde_json::Value| {
        json!({
            "at": 0.5, "event": "operation", "name": name, "what": "m on 2 rows of d", "digest": digest, "key": digest,
            "inputs": [["model", digest]], "options": "steps 2, seed 0", "found": found, "seconds": 0.25,
            "curve": [[1, 0.7], [2, 0.6]],
        })
    };
    let reading = |split: &str, form: &str| json!({ "data": "d", "digest": digest, "n_rows": 2, "split": split, "by": "Data.truth", "purpose": "p", "form": form });
    let with = |mut event: serde_json::Value, more: serde_json::Value| {
        let fields = event.as_object_mut().expect("a map");
        fields.extend(more.as_object().expect("a map").clone());
        event
    };
    let events = json!([
        with(reading("train", "classes"), json!({ "at": 0.1, "event": "truth_read" })),
        with(reading("test", "draw"), json!({ "at": 0.1, "event": "truth_read" })),
        json!({ "at": 0.2, "event": "truth_used", "reading": reading("train", "classes"), "by": "finetune", "result": digest }),
        json!({ "at": 0.2, "event": "test_rows", "data": "d", "digest": digest, "n_rows": 1, "known_by": "text", "became": "test" }),
        json!({
            "at": 0.3, "event": "vault_opened", "data": "d", "digest": digest, "n_rows": 2, "predictions": digest,
            "metric": "accuracy", "opening": 1, "budget": 3, "is_new": true,
        }),
        json!({ "at": 0.3, "event": "warning", "text": "two rows are alike" }),
        operation("finetune", json!({ "kind": "computed" })),
        operation("finetune", json!({ "kind": "stored", "seconds": 2.0, "imported": true })),
        operation("predict", json!({ "kind": "worker", "seconds": 1.0 })),
        operation("pretrain", json!({ "kind": "ahead", "seconds": 1.0 })),
        operation("generate", json!({ "kind": "planned" })),
        json!({
            "at": 0.4, "event": "written", "kind": "table", "name": "t", "caption": "A table",
            "files": [file("t.parquet", &table), file("t.csv", CSV.as_bytes())],
        }),
        json!({ "at": 0.4, "event": "written", "kind": "figure", "name": "f", "files": [file("f.svg", SVG.as_bytes())] }),
    ]);
    let record = json!({
        "schema": "w2s-run/3", "program": "w2s 0.1.0", "build": "", "versions": [["finetune", 1]],
        "formats": { "model": 1, "bundle": "w2s-bundle/1" }, "name": "small-001",
        "stdlib": [{ "name": "w2s", "digest": digest }], "script": "small.rhai", "arguments": ["--n=1"],
        "settings": { "seed_offset": 0, "world": 2, "device": "cpu", "kernels": "avx512-3", "n_threads": 2, "memo": "on" },
        "grants": { "read": ["d.csv"], "write": [] }, "project": null,
        "machine": { "os": "linux", "arch": "x86_64", "n_cores": 2, "features": ["avx2"] },
        "started": "2026-11-28T01:51:29Z", "seconds": 0.5, "outcome": { "kind": "done" },
        "sources": [{ "name": "small.rhai", "path": "small.rhai", "file": "script.rhai", "digest": hash(script.as_bytes()) }],
        "reads": [{ "root": "project", "path": "d.csv", "blake3": hash(data.as_bytes()), "bytes": data.len() }],
        "fetched": [{ "id": "pypi:a", "file": "f", "sha256": digest, "bytes": 3 }], "seeds": [0, 1],
        "printed": { "lines": ["1"], "n_lines": 1, "blake3": hash(b"1\n") }, "events": events, "n_events_dropped": 0, "pages": [],
    });
    let record = serde_json::to_string_pretty(&record).expect("text");
    // `members` seals what ends where a record's last field does.
    let record = record.trim_end_matches(['}', '\n']).to_owned();
    let bytes = members::close(vec![
        (format!("data/{}-d.csv", hash(data.as_bytes())), data.into()),
        ("run/f.svg".to_owned(), SVG.into()),
        ("run/record.json".to_owned(), record.into()),
        ("run/script.rhai".to_owned(), script.into()),
        ("run/t.csv".to_owned(), CSV.into()),
        ("run/t.parquet".to_owned(), table),
    ]);
    members::change(&bytes.expect("a zip"), 0, |_| {}).expect("sealed")
}

/// The results of a small training, as `w2s store export` writes them.
fn archive() -> Vec<u8> {
    let folder = tempfile::tempdir().expect("a folder");
    let settings = Settings { store: folder.path().join("store"), memo: Memo::On, ..Context::for_tests().settings };
    let access = Access { read: Vec::new(), write: Vec::new(), project: folder.path().to_owned(), ..Access::default() };
    let ctx = Arc::new(Arc::new(StoreSession::default()).lend(Context::new(settings, access)));
    drop(Session::with(ctx.clone(), Setup::default()).eval(TRAINING).expect("trains"));
    let store = Store::of(&ctx);
    let keys = store
        .results()
        .expect("a store")
        .into_iter()
        .filter_map(|listed| listed.manifest.ok().map(|_| listed.key))
        .collect();
    let to = folder.path().join("results.zip");
    store.export(&keys, &to, &ctx).expect("exported");
    std::fs::read(to).expect("read")
}
