"""Reference values of tiny models of the families, made of drawn weights: transformers' own classes.

Usage: python families.py > families.json. Made with transformers 5.24.0, torch 2.15.0, fp32 on CPU. A weight is named by
its tensor's Hugging Face name and its place in it, through a hash (`drawn`, as in tiny.py), so that the test makes the same
ones. Of each row the states of the first and the last token, their mean, and the next-token logits at the last are kept; of
each parameter the gradient's norm and some of its entries: of the mean next-token loss over all rows, and of an encoder of
the sum over rows of the mean state, each times a drawn vector.
"""

import json
import sys

import torch
import transformers as t

MASK = (1 << 64) - 1
ROWS = [[2, 7, 1, 39, 7], [3, 11], [(5 * i * i + i) % 40 for i in range(60)]]
N_ENTRIES = 5


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
    centre = 1.0 if is_gain(name) else 0.0
    return torch.tensor([centre + 0.5 * u for u in unit], dtype=torch.float32).reshape(shape)


def is_gain(name):
    return name.endswith("weight") and ("orm" in name or ".ln_" in name)


def rope(theta, **more):
    return {"rope_type": "default", "rope_theta": theta, **more}


SMALL = {"vocab_size": 40, "hidden_size": 24, "num_hidden_layers": 2, "intermediate_size": 44}
LLAMA = {**SMALL, "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 64}
LLAMA3 = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
          "original_max_position_embeddings": 16, "rope_theta": 10000.0}
GPT2 = {"vocab_size": 40, "n_embd": 24, "n_layer": 2, "n_head": 3, "n_positions": 64}
NEOX = {**SMALL, "num_attention_heads": 3, "max_position_embeddings": 64, "hidden_size": 48}
BERT = {**SMALL, "num_attention_heads": 3}
MODERN = {"vocab_size": 40, "hidden_size": 24, "intermediate_size": 20, "num_attention_heads": 3, "max_position_embeddings": 64,
          "pad_token_id": 0, "eos_token_id": 1, "bos_token_id": 2, "cls_token_id": 2, "sep_token_id": 1}
MODELS = {
    "gpt2": (t.GPT2LMHeadModel, t.GPT2Config(**GPT2)),
    "gpt2-wide": (t.GPT2LMHeadModel, t.GPT2Config(**GPT2, n_inner=36, activation_function="gelu")),
    "neox": (t.GPTNeoXForCausalLM, t.GPTNeoXConfig(**NEOX, rotary_pct=0.25, tie_word_embeddings=False)),
    "neox-serial": (t.GPTNeoXForCausalLM, t.GPTNeoXConfig(
        **NEOX, use_parallel_residual=False, tie_word_embeddings=True, hidden_act="gelu_new",
        rope_parameters=rope(500.0, partial_rotary_factor=1.0))),
    "llama3": (t.LlamaForCausalLM, t.LlamaConfig(**LLAMA, tie_word_embeddings=False, rope_parameters=LLAMA3)),
    "llama-linear": (t.LlamaForCausalLM, t.LlamaConfig(
        **LLAMA, tie_word_embeddings=True, head_dim=8,
        rope_parameters={"rope_type": "linear", "factor": 4.0, "rope_theta": 500.0})),
    "mistral": (t.MistralForCausalLM, t.MistralConfig(
        **LLAMA, sliding_window=7, tie_word_embeddings=False, rope_parameters=rope(10000.0))),
    "qwen2": (t.Qwen2ForCausalLM, t.Qwen2Config(**LLAMA, tie_word_embeddings=True, rope_parameters=rope(1e6))),
    "qwen3": (t.Qwen3ForCausalLM, t.Qwen3Config(
        **LLAMA, head_dim=8, tie_word_embeddings=True, rope_parameters=rope(1e6))),
    "qwen3-untied": (t.Qwen3ForCausalLM, t.Qwen3Config(
        **LLAMA, head_dim=4, tie_word_embeddings=False, rope_parameters=rope(1e4))),
    "olmo2": (t.Olmo2ForCausalLM, t.Olmo2Config(**LLAMA, tie_word_embeddings=False, rope_parameters=rope(5e5))),
    "bert": (t.BertModel, t.BertConfig(**BERT, max_position_embeddings=64)),
    "roberta": (t.RobertaModel, t.RobertaConfig(**BERT, max_position_embeddings=66, type_vocab_size=1)),
    "modernbert": (t.ModernBertModel, t.ModernBertConfig(
        **MODERN, num_hidden_layers=4, global_attn_every_n_layers=3, local_attention=8, classifier_pooling="mean")),
    "modernbert-wide": (t.ModernBertModel, t.ModernBertConfig(
        **MODERN, num_hidden_layers=3, global_attn_every_n_layers=2, local_attention=40, classifier_pooling="mean",
        hidden_activation="gelu_pytorch_tanh", norm_eps=1e-6,
        rope_parameters={"full_attention": rope(500.0), "sliding_attention": rope(100.0)})),
    "distilbert": (t.DistilBertModel, t.DistilBertConfig(
        vocab_size=40, dim=24, n_layers=2, n_heads=3, hidden_dim=44, max_position_embeddings=64)),
}

short = lambda values: [float(f"{x:.7g}") for x in values.tolist()]
models = {}
for name, (kind, config) in MODELS.items():
    config._attn_implementation = "eager"
    for dropout in [key for key in config.to_dict() if "drop" in key and "classifier" not in key]:
        setattr(config, dropout, 0.0)
    is_encoder = "LM" not in kind.__name__
    model = kind(config, add_pooling_layer=False) if name in ("bert", "roberta") else kind(config)
    model = model.eval()
    # As files name them.
    stored = lambda key: key.replace("lm_head", "embed_out") if name.startswith("neox") else key
    with torch.no_grad():
        for key, parameter in model.named_parameters():
            parameter.copy_(drawn(stored(key), parameter.shape))
    rows = []
    total, n_targets = 0.0, 0
    for row in ROWS:
        # Padding has no place in a packed row, and its embedding no gradient.
        row = [6 if token == config.pad_token_id else token for token in row]
        ids = torch.tensor([row])
        out = model(input_ids=ids, output_hidden_states=True)
        states = out.last_hidden_state[0] if is_encoder else out.hidden_states[-1][0]
        case = {"tokens": row, "mean": short(states.mean(0)), "first": short(states[0]), "last": short(states[-1])}
        if is_encoder:
            total = total + (states.mean(0) * drawn("direction", states[0].shape)).sum()
        else:
            case["logits"] = short(out.logits[0, -1])
            total = total + torch.nn.functional.cross_entropy(out.logits[0, :-1], ids[0, 1:], reduction="sum")
            n_targets += len(row) - 1
        rows.append(case)
    loss = total if is_encoder else total / n_targets
    loss.backward()
    gradients = {}
    for key, parameter in model.named_parameters():
        gradient = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
        flat = gradient.flatten()
        places = [(i * 7919 + 13) % flat.numel() for i in range(N_ENTRIES)]
        gradients[stored(key)] = {"norm": float(f"{flat.norm():.7g}"), "entries": short(flat[places])}
    shapes = {stored(key): list(parameter.shape) for key, parameter in model.named_parameters()}
    full = config.to_dict()
    # What decides the architecture.
    keep = ["vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads", "head_dim",
            "intermediate_size", "max_position_embeddings", "hidden_act", "rms_norm_eps", "layer_norm_eps", "layer_norm_epsilon",
            "rope_parameters", "rotary_pct", "use_parallel_residual", "attention_bias", "tie_word_embeddings", "sliding_window",
            "use_sliding_window", "type_vocab_size", "pad_token_id", "n_embd", "n_layer", "n_head", "n_positions", "n_inner",
            "activation_function", "hidden_activation", "norm_eps", "norm_bias", "mlp_bias", "layer_types", "local_attention",
            "global_attn_every_n_layers", "classifier_pooling", "dim", "n_layers", "n_heads", "hidden_dim", "activation", "model_type"]
    config = {key: full[key] for key in keep if full.get(key) is not None}
    models[name] = {"config": config, "shapes": shapes, "rows": rows, "loss": float(f"{loss:.9g}"), "gradients": gradients}
json.dump(models, sys.stdout)
