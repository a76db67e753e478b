use super::super::Encoder;
use serde_json::{Value, json};

/// A small tokenizer with one part changed.
fn with(name: &str, part: Value) -> String {
    let mut file = json!({
        "version": "1.0",
        "truncation": null,
        "padding": null,
        "added_tokens": [],
        "normalizer": null,
        "pre_tokenizer": { "type": "Whitespace" },
        "post_processor": null,
        "decoder": null,
        "model": { "type": "WordLevel", "vocab": { "[UNK]": 0, "a": 1, "b": 2 }, "unk_token": "[UNK]" },
    });
    file[name] = part;
    file.to_string()
}

fn refused(name: &str, part: Value) -> String {
    match Encoder::from_json(with(name, part).as_bytes()) {
        Ok(_) => "taken".to_owned(),
        Err(error) => error.to_string(),
    }
}

fn nested(kind: &str, list: &str, inner: Value, n: usize) -> Value {
    (0..n).fold(inner, |inner, _| json!({ "type": kind, list: [inner] }))
}

#[test]
fn a_good_tokenizer_is_taken() {
    let parts = [
        ("normalizer", nested("Sequence", "normalizers", json!({ "type": "Lowercase" }), 3)),
        ("normalizer", json!({ "type": "Replace", "pattern": { "String": " " }, "content": "▁" })),
        ("pre_tokenizer", json!({ "type": "FixedLength", "length": 2 })),
        (
            "post_processor",
            json!({
                "type": "TemplateProcessing",
                "single": [{ "SpecialToken": { "id": "b", "type_id": 0 } }, { "Sequence": { "id": "A", "type_id": 0 } }],
                "pair": [{ "Sequence": { "id": "A", "type_id": 0 } }, { "Sequence": { "id": "B", "type_id": 1 } }],
                "special_tokens": { "b": { "id": "b", "ids": [2], "tokens": ["b"] } },
            }),
        ),
    ];
    for (name, part) in parts {
        let json = with(name, part);
        let encoder = Encoder::from_json(json.as_bytes()).unwrap_or_else(|error| panic!("{json}: {error}"));
        assert!(encoder.encode("a b", 8, super::super::Keep::End).is_ok(), "{json}");
    }
}

#[test]
fn what_the_library_would_fall_over_is_refused_by_its_field() {
    let says = |name: &str, part: Value, expected: &str| {
        let error = refused(name, part);
        assert!(error.contains(expected), "{error}\ninstead of {expected}");
    };
    says(
        "pre_tokenizer",
        json!({ "type": "FixedLength", "length": 0 }),
        "`pre_tokenizer.length` must be at least 1, got `0`",
    );
    let inner = json!({ "type": "FixedLength", "length": 0 });
    let list = nested("Sequence", "pretokenizers", inner, 2);
    says("pre_tokenizer", list, "`pre_tokenizer.pretokenizers[0].pretokenizers[0].length` must be at least 1");
    let deep = nested("Sequence", "decoders", json!({ "type": "Fuse" }), 100);
    says("decoder", deep, "`tokenizer.json`: `decoder` is nested more than 32 deep");
    let ten = || json!({ "type": "Replace", "pattern": { "String": "a" }, "content": "aaaaaaaaaa" });
    let nine = json!({ "type": "Sequence", "normalizers": (0..9).map(|_| ten()).collect::<Vec<_>>() });
    says(
        "normalizer",
        nine,
        "`normalizer.normalizers[2].content`: with the steps before it, it could make a text 1000 times longer",
    );
    let everywhere = json!({ "type": "Replace", "pattern": { "Regex": "" }, "content": "x".repeat(300) });
    says(
        "normalizer",
        everywhere,
        "`normalizer.content`: with the steps before it, it could make a text 301 times longer",
    );
    says(
        "normalizer",
        json!({ "type": "Precompiled", "precompiled_charsmap": "CAAAAAAAAAAAAAAA" }),
        "`normalizer.precompiled_charsmap` has a trie that leads to place 255, beyond its 2 units",
    );
    let template = |single: Value, tokens: Value| json!({ "type": "TemplateProcessing", "single": single, "pair": [], "special_tokens": tokens });
    let special = json!([{ "SpecialToken": { "id": "[CLS]", "type_id": 0 } }]);
    says(
        "post_processor",
        template(special.clone(), json!({})),
        "`post_processor.single[0]` names the token `[CLS]`, which is not among `special_tokens`",
    );
    says(
        "post_processor",
        template(special, json!({ "[CLS]": { "id": "[CLS]", "ids": [1, 2], "tokens": ["a"] } })),
        "`post_processor.special_tokens.[CLS]` has 2 ids and 1 tokens",
    );
    says(
        "post_processor",
        template(json!([{ "Sequence": { "id": "B", "type_id": 0 } }]), json!({})),
        "`post_processor.single[0]` names the sequence `B`",
    );
    let bpe = |merges: Value| {
        json!({
            "type": "BPE",
            "vocab": { "a": 0, "b": 1, "##b": 2, "ab": 3 },
            "merges": merges,
            "continuing_subword_prefix": "####",
        })
    };
    for merges in [json!(["a b"]), json!([["a", "b"]])] {
        says(
            "model",
            bpe(merges),
            "`model.merges[0]` ends in `b`, which does not begin with `continuing_subword_prefix`, `####`",
        );
    }
    let error = Encoder::from_json(b"{\"model\": [").err().expect("no JSON").to_string();
    assert!(error.starts_with("the tokenizer failed: `tokenizer.json`: it is not a tokenizer's JSON: "), "{error}");
}

/// Patterns that a backtracking engine takes 2^n steps for: the engine ends its search, so that a text costs milliseconds.
#[test]
fn a_pattern_that_backtracks_for_ever_is_given_up() {
    let text = format!("{}d", "a".repeat(4000));
    for pattern in ["(a+a+)+\\1b", "(?=(a+a+)+b)(a)\\2b", "((a|aa)+)\\2\\2\\2b"] {
        let split =
            json!({ "type": "Split", "pattern": { "Regex": pattern }, "behavior": "Isolated", "invert": false });
        let started = std::time::Instant::now();
        let encoder = Encoder::from_json(with("pre_tokenizer", split).as_bytes()).expect("valid");
        assert!(encoder.encode(&text, 1 << 20, super::super::Keep::Start).is_ok(), "{pattern}");
        assert!(started.elapsed().as_secs() < 20, "{pattern}: {:?}", started.elapsed());
    }
}
