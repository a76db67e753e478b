"""Reference continuations of the tiny causal models of tiny.py: transformers' own greedy `generate`.

Usage: python generation.py > generation.json. Made with transformers 5.24.0, torch 2.15.0, fp32 on CPU. Of each prompt the
next tokens and their log-probabilities are kept, and by how much the likeliest logit is above the second at the least.
"""

import contextlib
import io
import json
import sys

import torch

with contextlib.redirect_stdout(io.StringIO()):
    import tiny

PROMPTS = [[2, 7, 1, 39, 7], [3], [(5 * i * i + i) % 40 for i in range(30)]]
N = 24

cases = []
for name, (kind, config) in tiny.MODELS.items():
    if not hasattr(kind, "generate") or not kind.__name__.endswith("ForCausalLM"):
        continue
    config._attn_implementation = "eager"
    model = kind(config).eval()
    drawn = {key: tiny.drawn(key, value.shape) for key, value in model.state_dict().items()}
    if config.tie_word_embeddings and "lm_head.weight" in drawn:
        drawn["lm_head.weight"] = drawn["model.embed_tokens.weight"]
    model.load_state_dict(drawn)
    for prompt in PROMPTS:
        with torch.no_grad():
            ids = torch.tensor([prompt])
            out = model.generate(ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=N,
                                 eos_token_id=None, pad_token_id=0, return_dict_in_generate=True, output_logits=True)
        tokens = out.sequences[0, len(prompt):].tolist()
        logits = [step[0] for step in out.logits]
        logprobs = [float(f"{torch.log_softmax(z.double(), -1)[t].item():.7g}") for z, t in zip(logits, tokens)]
        margin = min((z.topk(2).values[0] - z.topk(2).values[1]).item() for z in logits)
        cases.append({"model": name, "prompt": prompt, "tokens": tokens, "logprobs": logprobs, "margin": round(margin, 6)})
json.dump(cases, sys.stdout)
