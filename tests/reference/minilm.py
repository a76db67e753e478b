"""Reference embeddings of all-MiniLM-L6-v2: transformers' BertModel, mean over tokens, not normalised.

Usage: python minilm.py FOLDER > minilm.json, where FOLDER holds config.json, model.safetensors and tokenizer.json
(`w2s fetch minilm` puts them into the store). Made with transformers 4.57.6, torch 2.9.1, fp32 on CPU. Each layer
count k keeps the first k layers. Texts are cut at 256 tokens, the length that sentence-transformers sets for this
model, by the tokenizer that comes with it.
"""

import json
import sys

import torch
from tokenizers import Tokenizer
from transformers import BertModel

TEXTS = [
    "hair loss",
    "thirtysomething scientists unveil doomsday clock of hair loss",
    "Café naïve – Ünïcödé: 東京 is Tokyo, Москва is Moscow, 🙂 is a face\u200b.",
    "a",
    "the committee that met in the old town hall was not hardly convinced, but it was wrong. " * 40,
]

folder = sys.argv[1]
tokenizer = Tokenizer.from_file(f"{folder}/tokenizer.json")
tokenizer.no_padding()
tokenizer.enable_truncation(256)
model = BertModel.from_pretrained(folder, attn_implementation="eager").eval()
cases = []
for layers in (1, 3, 6):
    short = BertModel.from_pretrained(folder, attn_implementation="eager", num_hidden_layers=layers).eval()
    for text in TEXTS:
        ids = tokenizer.encode(text).ids
        with torch.no_grad():
            states = short(input_ids=torch.tensor([ids])).last_hidden_state[0]
        features = states.mean(0).tolist()
        cases.append({"layers": layers, "text": text, "tokens": ids, "features": [float(f"{x:.7g}") for x in features]})
json.dump(cases, sys.stdout, ensure_ascii=False, indent=None)
