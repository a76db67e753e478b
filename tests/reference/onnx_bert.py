"""A tiny BERT as PyTorch's exporter writes it, and its states: tests/reference/onnx_bert.onnx and onnx_bert.json.

python tests/reference/onnx_bert.py (torch, transformers and onnx; versions are written into the JSON)
"""

import json
import warnings
from pathlib import Path

import onnx
import torch
import transformers

warnings.simplefilter("ignore")
HERE = Path(__file__).parent
CONFIG = dict(vocab_size=12, hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16, max_position_embeddings=8,
              type_vocab_size=2, hidden_act="gelu", layer_norm_eps=1e-12)

torch.manual_seed(0)
model = transformers.BertModel(transformers.BertConfig(**CONFIG, attn_implementation="eager"), add_pooling_layer=False).eval()
for parameter in model.parameters():
    torch.nn.init.normal_(parameter, std=0.3)


class Wrapped(torch.nn.Module):
    """The trunk below other names, as sentence-transformers has it."""

    def __init__(self, trunk):
        super().__init__()
        self.auto_model = trunk

    def forward(self, input_ids, attention_mask):
        return self.auto_model(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state


rows = torch.tensor([[1, 7, 3, 11, 0]])
# The exporter leaves what it exported as it found it: a wrapper in training would bring dropout back.
wrapped = Wrapped(model).eval()
with torch.no_grad():
    torch.onnx.export(wrapped, (rows, torch.ones_like(rows)), HERE / "onnx_bert.onnx", input_names=["input_ids", "attention_mask"], dynamo=False,
                      dynamic_axes={"input_ids": {0: "b", 1: "n"}, "attention_mask": {0: "b", 1: "n"}})
    states = model(input_ids=rows).last_hidden_state[0]
graph = onnx.load(HERE / "onnx_bert.onnx").graph
names = [tensor.name for tensor in graph.initializer]
assert any(name.startswith("onnx::MatMul_") for name in names), names
found = {"versions": {"torch": torch.__version__, "transformers": transformers.__version__, "onnx": onnx.__version__},
         "config": {"model_type": "bert", **CONFIG}, "tokens": rows[0].tolist(), "states": [[round(float(x), 7) for x in row] for row in states]}
(HERE / "onnx_bert.json").write_text(json.dumps(found, indent=1) + "\n")
