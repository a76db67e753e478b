"""Reference continuations of SmolLM2-135M-Instruct from GGUF: transformers' greedy `generate`, 64 tokens or to the turn's end.

Usage: python smollm2_generation.py FILE > smollm2_generation.json, where FILE is the model.gguf that `w2s fetch smollm2` puts
into the store. Made with transformers 5.24.0 and its reader of GGUF (gguf 0.19.0), torch 2.15.0, fp32 on CPU. Of each prompt
the next tokens and their log-probabilities are kept, and by how much the likeliest logit is above the second at the least.
"""

import json
import os
import sys

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

PROMPTS = [
    "The capital of France is",
    "Once upon a time, in a small village by the sea,",
    "<|im_start|>user\nName three colours.<|im_end|>\n<|im_start|>assistant\n",
]
# <|endoftext|> and <|im_end|>
ENDS = [0, 2]

folder, file = os.path.split(os.path.abspath(sys.argv[1]))
tokenizer = AutoTokenizer.from_pretrained(folder, gguf_file=file)
model = AutoModelForCausalLM.from_pretrained(folder, gguf_file=file, dtype=torch.float32).eval()
cases = []
for prompt in PROMPTS:
    ids = torch.tensor([tokenizer(prompt, add_special_tokens=False).input_ids])
    with torch.no_grad():
        out = model.generate(ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=64,
                             eos_token_id=ENDS, pad_token_id=2, return_dict_in_generate=True, output_logits=True)
    tokens = out.sequences[0, ids.shape[1]:].tolist()
    logits = [step[0] for step in out.logits]
    logprobs = [float(f"{torch.log_softmax(z.double(), -1)[t].item():.7g}") for z, t in zip(logits, tokens)]
    margin = min((z.topk(2).values[0] - z.topk(2).values[1]).item() for z in logits)
    text = tokenizer.decode(tokens, skip_special_tokens=True)
    cases.append({"prompt": prompt, "tokens": tokens, "logprobs": logprobs, "margin": round(margin, 6), "text": text})
json.dump(cases, sys.stdout, ensure_ascii=False)
