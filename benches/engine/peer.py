"""The peer of `cargo bench --bench engine`: the same work in PyTorch, as a PyTorch user would write it.

`peer.py FOLDER choose|limit|VARIANT`. The folder holds what the driver wrote: `work.json`, parameters, tokens, labels.
`choose` times every variant and prints the seconds of each; `limit` times PyTorch's matrix products; a variant's name
makes the process a worker that computes a round for each line `go` and reports its memory at `end`.
"""

import gc
import json
import os
import sys
import time

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

FOLDER, MODE = sys.argv[1], sys.argv[2]
torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))


def tell(**values):
    print(json.dumps(values), flush=True)


def memory(what):
    """Megabytes of this process: `VmRSS` now, `VmHWM` at its greatest."""
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) / 1024 for line in status if line.startswith(what + ":"))


def start_memory():
    """What the imports take; the greatest size counts from here on."""
    gc.collect()
    try:
        with open("/proc/self/clear_refs", "w") as refs:
            refs.write("5")
    except OSError:
        pass
    return memory("VmRSS")


class Rows:
    def __init__(self, work):
        self.tokens = np.fromfile(f"{FOLDER}/tokens.u32", dtype=np.uint32).astype(np.int64)
        self.offsets = np.fromfile(f"{FOLDER}/offsets.u32", dtype=np.uint32).astype(np.int64)
        labels = np.fromfile(f"{FOLDER}/labels.u32", dtype=np.uint32)
        self.labels = torch.from_numpy(labels.astype(np.int64))
        self.batches = work["batches"]

    def padded(self, rows):
        """Tokens padded to the longest of these rows, and the mask of the real ones (`None` if no row is shorter)."""
        lengths = self.offsets[np.array(rows) + 1] - self.offsets[rows]
        longest = int(lengths.max())
        ids = np.zeros((len(rows), longest), dtype=np.int64)
        for at, row in enumerate(rows):
            ids[at, : lengths[at]] = self.tokens[self.offsets[row] : self.offsets[row + 1]]
        mask = None if (lengths == longest).all() else torch.from_numpy(np.arange(longest) < lengths[:, None])
        return torch.from_numpy(ids), mask


class Weights:
    """The driver's initial parameters, by the names of its layout."""

    def __init__(self, work):
        values = np.memmap(f"{FOLDER}/params.f32", dtype=np.float32, mode="r")
        self.tensors = {
            entry["name"]: np.asarray(values[entry["offset"] : entry["offset"] + int(np.prod(entry["shape"]))]).reshape(
                entry["shape"]
            )
            for entry in work["entries"]
        }

    def copy(self, target, *names):
        for part in ("weight", "bias"):
            found = [torch.from_numpy(np.array(self.tensors[f"{name}.{part}"])) for name in names]
            getattr(target, part).data.copy_(torch.cat(found))


class Block(nn.Module):
    def __init__(self, work):
        super().__init__()
        width, inner = work["width"], work["inner"]
        self.heads, self.causal, self.activation = work["heads"], work["causal"], work["activation"]
        self.norm1 = nn.LayerNorm(width, eps=work["eps"])
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.norm2 = nn.LayerNorm(width, eps=work["eps"])
        self.up = nn.Linear(width, inner)
        self.down = nn.Linear(inner, width)

    def attention(self, x, mask):
        rows, tokens, width = x.shape
        q, k, v = self.qkv(x).view(rows, tokens, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        o = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=self.causal)
        return self.out(o.transpose(1, 2).reshape(rows, tokens, width))

    def forward(self, x, mask):
        if self.causal:
            x = x + self.attention(self.norm1(x), mask)
            return x + self.down(F.gelu(self.up(self.norm2(x)), approximate=self.activation))
        x = self.norm1(x + self.attention(x, mask))
        return self.norm2(x + self.down(F.gelu(self.up(x), approximate=self.activation)))


class Own(nn.Module):
    """The trunk in PyTorch's modules, with its fused attention, and the head."""

    def __init__(self, work):
        super().__init__()
        width = work["width"]
        self.causal = work["causal"]
        self.token = nn.Embedding(work["vocab"], width)
        self.position = nn.Embedding(work["context"], width)
        self.kind = None if self.causal else nn.Embedding(work["token_types"], width)
        self.norm = nn.LayerNorm(width, eps=work["eps"])
        self.blocks = nn.ModuleList(Block(work) for _ in range(work["layers"]))
        self.head = nn.Linear(width, work["classes"], bias=False)

    def load(self, weights):
        with torch.no_grad():
            self.token.weight.copy_(torch.from_numpy(np.array(weights.tensors["embed.token"])))
            self.position.weight.copy_(torch.from_numpy(np.array(weights.tensors["embed.position"])))
            self.head.weight.copy_(torch.from_numpy(np.array(weights.tensors["head"])))
            weights.copy(self.norm, "norm" if self.causal else "embed.norm")
            if self.kind is not None:
                self.kind.weight.copy_(torch.from_numpy(np.array(weights.tensors["embed.type"])))
            for idx, block in enumerate(self.blocks):
                for name in ("norm1", "qkv", "out", "norm2", "up", "down"):
                    weights.copy(getattr(block, name), f"{idx}.{name}")

    def forward(self, ids, mask):
        x = self.token(ids) + self.position.weight[: ids.shape[1]]
        if not self.causal:
            x = self.norm(x + self.kind.weight[0])
        seen = None if mask is None else mask[:, None, None, :]
        for block in self.blocks:
            x = block(x, seen)
        if self.causal:
            return self.head(self.norm(x[:, -1]))
        return self.head(mean(x, mask))


def mean(x, mask):
    if mask is None:
        return x.mean(1)
    return (x * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)


class HuggingFace(nn.Module):
    """The same from transformers' classes."""

    def __init__(self, work):
        super().__init__()
        from transformers import BertConfig, BertModel, GPT2Config, GPT2Model

        self.causal, self.width = work["causal"], work["width"]
        if self.causal:
            config = GPT2Config(
                vocab_size=work["vocab"], n_positions=work["context"], n_embd=work["width"], n_layer=work["layers"],
                n_head=work["heads"], n_inner=work["inner"], activation_function="gelu_new", resid_pdrop=0.0,
                embd_pdrop=0.0, attn_pdrop=0.0, layer_norm_epsilon=work["eps"], use_cache=False, bos_token_id=None, eos_token_id=None,
                attn_implementation="sdpa",
            )
            self.trunk = GPT2Model(config)
        else:
            config = BertConfig(
                vocab_size=work["vocab"], max_position_embeddings=work["context"], hidden_size=work["width"],
                num_hidden_layers=work["layers"], num_attention_heads=work["heads"], intermediate_size=work["inner"],
                hidden_act="gelu", hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
                layer_norm_eps=work["eps"], type_vocab_size=work["token_types"], attn_implementation="sdpa",
            )
            self.trunk = BertModel(config, add_pooling_layer=False)
        self.head = nn.Linear(work["width"], work["classes"], bias=False)

    def load(self, weights):
        named, trunk = weights.tensors, self.trunk
        with torch.no_grad():
            self.head.weight.copy_(torch.from_numpy(np.array(named["head"])))
            if self.causal:
                trunk.wte.weight.copy_(torch.from_numpy(np.array(named["embed.token"])))
                trunk.wpe.weight.copy_(torch.from_numpy(np.array(named["embed.position"])))
                weights.copy(trunk.ln_f, "norm")
                for idx, block in enumerate(trunk.h):
                    weights.copy(block.ln_1, f"{idx}.norm1")
                    weights.copy(block.ln_2, f"{idx}.norm2")
                    for target, name in (
                        (block.attn.c_attn, "qkv"), (block.attn.c_proj, "out"),
                        (block.mlp.c_fc, "up"), (block.mlp.c_proj, "down"),
                    ):
                        target.weight.copy_(torch.from_numpy(np.array(named[f"{idx}.{name}.weight"])).t())
                        target.bias.copy_(torch.from_numpy(np.array(named[f"{idx}.{name}.bias"])))
                return
            trunk.embeddings.word_embeddings.weight.copy_(torch.from_numpy(np.array(named["embed.token"])))
            trunk.embeddings.position_embeddings.weight.copy_(torch.from_numpy(np.array(named["embed.position"])))
            trunk.embeddings.token_type_embeddings.weight.copy_(torch.from_numpy(np.array(named["embed.type"])))
            weights.copy(trunk.embeddings.LayerNorm, "embed.norm")
            for idx, layer in enumerate(trunk.encoder.layer):
                attention = layer.attention.self
                for third, target in enumerate((attention.query, attention.key, attention.value)):
                    some = slice(third * self.width, (third + 1) * self.width)
                    for part in ("weight", "bias"):
                        found = torch.from_numpy(np.array(named[f"{idx}.qkv.{part}"][some]))
                        getattr(target, part).copy_(found)
                weights.copy(layer.attention.output.dense, f"{idx}.out")
                weights.copy(layer.attention.output.LayerNorm, f"{idx}.norm1")
                weights.copy(layer.intermediate.dense, f"{idx}.up")
                weights.copy(layer.output.dense, f"{idx}.down")
                weights.copy(layer.output.LayerNorm, f"{idx}.norm2")

    def forward(self, ids, mask):
        x = self.trunk(input_ids=ids, attention_mask=mask).last_hidden_state
        return self.head(x[:, -1] if self.causal else mean(x, mask))


class Worker:
    """One variant: `MODEL[-compiled][-fused]`, the model `own` or `transformers`."""

    def __init__(self, work, variant):
        self.work, self.rows, self.weights = work, Rows(work), Weights(work)
        self.model = (HuggingFace if variant.startswith("transformers") else Own)(work)
        self.compiled = self.model
        if "compiled" in variant:
            self.compiled = torch.compile(self.model, dynamic=not work["one_length"])
        self.fused = "fused" in variant
        self.at = 0
        self.reset()

    def reset(self):
        self.model.load(self.weights)
        if self.work["kind"] != "label":
            betas = tuple(self.work["betas"])
            options = dict(lr=self.work["lr"][0], betas=betas, eps=1e-8, weight_decay=self.work["weight_decay"])
            if self.fused:
                options["fused"] = True
            self.optimizer = torch.optim.AdamW(self.model.parameters(), **options)

    def step(self, rows, lr):
        ids, mask = self.rows.padded(rows)
        for group in self.optimizer.param_groups:
            group["lr"] = lr
        self.optimizer.zero_grad(set_to_none=True)
        loss = F.cross_entropy(self.compiled(ids, mask), self.rows.labels[rows])
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.work["clip"])
        self.optimizer.step()
        return loss.item()

    def label(self):
        """Logits of all rows: batches sorted by length, as sentence-transformers does."""
        order = np.argsort(self.rows.offsets[1:] - self.rows.offsets[:-1], kind="stable")
        logits = torch.empty(len(order), self.work["classes"])
        with torch.inference_mode():
            for start in range(0, len(order), self.work["batch"]):
                some = order[start : start + self.work["batch"]]
                logits[torch.from_numpy(some)] = self.compiled(*self.rows.padded(some))
        return logits

    def round(self, n_steps=None):
        """Seconds of one round, the loss at its end."""
        if self.work["kind"] == "train":
            n_steps = n_steps or self.work["steps"]
            start = time.perf_counter()
            for _ in range(n_steps):
                loss = self.step(self.work["batches"][self.at % len(self.work["batches"])], self.work["lr"][0])
                self.at += 1
            return (time.perf_counter() - start) / n_steps, loss
        if self.work["kind"] == "finetune":
            self.reset()
            n_steps = n_steps or len(self.work["batches"])
            start = time.perf_counter()
            for rows, lr in list(zip(self.work["batches"], self.work["lr"]))[:n_steps]:
                self.step(rows, lr)
            seconds = time.perf_counter() - start
            rows = list(range(64))
            with torch.no_grad():
                loss = F.cross_entropy(self.model(*self.rows.padded(rows)), self.rows.labels[rows]).item()
            return seconds, loss
        start = time.perf_counter()
        logits = self.label()
        seconds = time.perf_counter() - start
        logits.numpy().tofile(f"{FOLDER}/peer.f32")
        return seconds, F.cross_entropy(logits, self.rows.labels).item()


def choose(work):
    """Seconds of every variant; one that this machine cannot run (no compiler, say) is named with the reason."""
    seconds, refused = {}, {}
    for variant in work["variants"]:
        try:
            worker = Worker(work, variant)
            worker.round(work["probe"])
            seconds[variant] = min(worker.round(work["probe"])[0] for _ in range(2))
        except Exception as error:
            refused[variant] = f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error) else ''}"[:200]
        worker = None
        gc.collect()
    tell(seconds=seconds, refused=refused)


def limit(work):
    """Least seconds of each product `[batch, m, n, k, a_transposed, b_transposed]`."""
    found = []
    for batch, m, n, k, a_t, b_t in work["products"]:
        lead = [] if batch == 1 else [batch]
        a = torch.randn(lead + ([k, m] if a_t else [m, k]))
        b = torch.randn(lead + ([n, k] if b_t else [k, n]))
        a, b = a.mT if a_t else a, b.mT if b_t else b
        c = torch.empty(lead + [m, n])
        with torch.inference_mode():
            torch.matmul(a, b, out=c)
            start = time.perf_counter()
            torch.matmul(a, b, out=c)
            n_times = max(1, min(1000, int(0.02 / max(time.perf_counter() - start, 1e-7))))
            least = float("inf")
            for _ in range(5):
                start = time.perf_counter()
                for _ in range(n_times):
                    torch.matmul(a, b, out=c)
                least = min(least, (time.perf_counter() - start) / n_times)
        found.append(least)
    tell(seconds=found)


def main():
    with open(f"{FOLDER}/work.json") as file:
        work = json.load(file)
    if MODE == "choose":
        return choose(work)
    if MODE == "limit":
        return limit(work)
    if MODE.startswith("transformers"):
        import transformers.models.bert.modeling_bert  # noqa: F401
        import transformers.models.gpt2.modeling_gpt2  # noqa: F401
    base = start_memory()
    worker = Worker(work, MODE)
    if "compiled" in MODE:
        worker.round(1)
        worker.reset()
        worker.at = 0
    tell(ready=True, torch=torch.__version__)
    for line in sys.stdin:
        if line.strip() == "go":
            seconds, loss = worker.round()
            tell(seconds=seconds, loss=loss)
        else:
            break
    tell(base=base, peak=memory("VmHWM"))


main()
