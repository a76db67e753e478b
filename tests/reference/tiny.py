"""Reference states of tiny models of several architectures, made of drawn weights: transformers' own classes.

Usage: python tiny.py > tiny.json. Made with transformers 5.23.0, torch 2.15.0, fp32 on CPU. A weight is named by its
tensor's Hugging Face name and its place in it, through a hash, so that the test makes the same ones; those of norms are
drawn around 1. Of each row the mean of the final states over its tokens, the last token's, and where the model predicts
tokens the logits there are kept.
"""

import json
import sys

import torch
from transformers import LlamaConfig, LlamaForCausalLM, MPNetConfig, MPNetModel, Qwen2Config, Qwen2ForCausalLM

MASK = (1 << 64) - 1
ROWS = [[2, 7, 1, 39, 7], [3], [(5 * i * i + i) % 40 for i in range(60)]]


def mix(x):
    """SplitMix64's output function (Steele, Lea and Flood 2014)."""
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & MASK
    return x ^ (x >> 31)


def drawn(name, shape):
    seed = 0xCBF29CE484222325
    for byte in name.encode():
        seed = ((seed ^ byte) * 0x100000001B3) & MASK
    n = 1
    for size in shape:
        n *= size
    unit = [(mix((seed + i * 0x9E3779B97F4A7C15) & MASK) >> 40) / (1 << 23) - 1.0 for i in range(n)]
    centre = 1.0 if "orm" in name and name.endswith("weight") else 0.0
    return torch.tensor([centre + 0.5 * u for u in unit], dtype=torch.float32).reshape(shape)


COMMON = {"vocab_size": 40, "hidden_size": 24, "num_hidden_layers": 2, "intermediate_size": 44}
LLAMA = {**COMMON, "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 64}
LLAMA3 = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
          "original_max_position_embeddings": 16}
MODELS = {
    "mpnet": (MPNetModel, MPNetConfig(**COMMON, num_attention_heads=3, max_position_embeddings=66)),
    "llama": (LlamaForCausalLM, LlamaConfig(**LLAMA, rms_norm_eps=1e-5, tie_word_embeddings=True,
                                            rope_parameters={"rope_type": "default", "rope_theta": 500.0})),
    "llama-untied": (LlamaForCausalLM, LlamaConfig(**LLAMA, tie_word_embeddings=False,
                                                   rope_parameters={**LLAMA3, "rope_theta": 10000.0})),
    "qwen2": (Qwen2ForCausalLM, Qwen2Config(**LLAMA, tie_word_embeddings=True,
                                            rope_parameters={"rope_type": "default", "rope_theta": 10000.0})),
}

cases = []
for name, (kind, config) in MODELS.items():
    config._attn_implementation = "eager"
    model = kind(config).eval()
    drawn_state = {key: drawn(key, value.shape) for key, value in model.state_dict().items()}
    if config.tie_word_embeddings and "lm_head.weight" in drawn_state:
        drawn_state["lm_head.weight"] = drawn_state["model.embed_tokens.weight"]
    model.load_state_dict(drawn_state)
    short = lambda values: [float(f"{x:.7g}") for x in values.tolist()]
    for row in ROWS:
        # To MPNet token 1 is padding, which has no place in a packed row.
        row = [6 if name == "mpnet" and token == 1 else token for token in row]
        with torch.no_grad():
            out = model(input_ids=torch.tensor([row]), output_hidden_states=True)
        states = out.last_hidden_state[0] if name == "mpnet" else out.hidden_states[-1][0]
        case = {"model": name, "tokens": row, "mean": short(states.mean(0)), "last": short(states[-1])}
        if name != "mpnet":
            case["logits"] = short(out.logits[0, -1])
        cases.append(case)
configs = {name: config.to_dict() for name, (_, config) in MODELS.items()}
json.dump({"configs": configs, "cases": cases}, sys.stdout)
