"""Reference features of SmolLM2-135M-Instruct from GGUF: transformers' LlamaForCausalLM, the last token's final state.

Usage: python smollm2.py FILE > smollm2.json, where FILE is the model.gguf that `w2s fetch smollm2` puts into the store.
Made with transformers 5.23.0 and its reader of GGUF (gguf 0.19.0), torch 2.15.0, fp32 on CPU. Tokens are those of
transformers' conversion of the tokenizer in the file. Of the logits for the next token the five greatest are kept.
"""

import json
import os
import sys

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

TEXTS = [
    "The capital of France is",
    "In 1969, 3 men flew 384400 km; Café naïve 東京 🙂\n\n  two  spaces, don't they've",
    "a",
    "the committee that met in the old town hall was not hardly convinced, but it was wrong. " * 12,
    "<|im_start|>user\nIs it 12?<|im_end|>\n",
]

folder, file = os.path.split(os.path.abspath(sys.argv[1]))
tokenizer = AutoTokenizer.from_pretrained(folder, gguf_file=file)
model = AutoModelForCausalLM.from_pretrained(folder, gguf_file=file, dtype=torch.float32).eval()
cases = []
for text in TEXTS:
    ids = tokenizer(text, add_special_tokens=False).input_ids
    with torch.no_grad():
        out = model(input_ids=torch.tensor([ids]), output_hidden_states=True)
    features = [float(f"{x:.7g}") for x in out.hidden_states[-1][0, -1].tolist()]
    best = torch.topk(out.logits[0, -1], 5)
    cases.append({"text": text, "tokens": ids, "features": features, "next": best.indices.tolist(),
                  "logits": [float(f"{x:.7g}") for x in best.values.tolist()]})
json.dump(cases, sys.stdout, ensure_ascii=False)
