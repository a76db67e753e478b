"""Reference embeddings of all-mpnet-base-v2: transformers' MPNetModel, mean over tokens, not normalised.

Usage: python mpnet.py FOLDER > mpnet.json, where FOLDER holds config.json, model.safetensors and tokenizer.json
(`w2s fetch mpnet` puts them into the store). Made with transformers 5.23.0, torch 2.15.0, fp32 on CPU. Each layer
count k keeps the first k layers. Texts are cut at 384 tokens, the length that sentence-transformers sets for this
model, by the tokenizer that comes with it.
"""

import json
import sys

import torch
from tokenizers import Tokenizer
from transformers import MPNetModel

TEXTS = [
    "hair loss",
    "Café naïve – Ünïcödé: 東京 is Tokyo, Москва is Moscow, 🙂 is a face\u200b.",
    "a",
    "the committee that met in the old town hall was not hardly convinced, but it was wrong. " * 40,
]

folder = sys.argv[1]
tokenizer = Tokenizer.from_file(f"{folder}/tokenizer.json")
tokenizer.no_padding()
tokenizer.enable_truncation(384)
cases = []
for layers in (1, 12):
    model = MPNetModel.from_pretrained(folder, num_hidden_layers=layers, dtype=torch.float32).eval()
    for text in TEXTS:
        ids = tokenizer.encode(text).ids
        with torch.no_grad():
            states = model(input_ids=torch.tensor([ids])).last_hidden_state[0]
        features = states.mean(0).tolist()
        cases.append({"layers": layers, "text": text, "tokens": ids, "features": [float(f"{x:.7g}") for x in features]})
json.dump(cases, sys.stdout, ensure_ascii=False, indent=None)
