"""Reference of a step of preference finetuning on a tiny Llama of drawn weights: transformers' class and TRL's `DPOTrainer`.

Usage: python preference_step.py > preference_step.json. Made with TRL 1.16.0, transformers 5.24.0 and torch 2.15.0 on CPU in
double precision. The model is `llama` of tiny.py, its weights drawn as there; the reference model's are drawn from names that
begin with "reference.". `DPOTrainer._compute_loss` is called on log-probabilities that the model gives (log_softmax of its logits at
each completion's tokens); gradients are torch's. Kept are the log-probabilities, the loss, gradients' norms and some entries, and
the loss after one step of AdamW without clipping. With adapters, the effective weights are W + (alpha / rank) B A, one pair of
factors for the queries, keys and values of a block together and one for its gate and up projections, as the program packs them; A
and B are drawn, so that no gradient is zero.
"""

import contextlib
import io
import json
import sys
import warnings

import torch
from torch.func import functional_call

warnings.filterwarnings("ignore")
with contextlib.redirect_stdout(io.StringIO()):
    import preference_losses as losses
    import tiny
    from trl import DPOTrainer

from types import SimpleNamespace  # noqa: E402

from transformers import LlamaConfig, LlamaForCausalLM  # noqa: E402

PROMPTS = [[2, 7, 1], [3, 11, 5, 6], [9]]
CHOSEN = [[39, 7], [12, 30, 4], [21, 22, 23, 24]]
REJECTED = [[8, 1, 14], [12, 31], [25]]
BETA = 0.5
LR = 1e-2
RANK, ALPHA = 2, 3.0


def model():
    config = LlamaConfig(**tiny.LLAMA, rms_norm_eps=1e-5, tie_word_embeddings=True,
                         rope_parameters={"rope_type": "default", "rope_theta": 500.0})
    config._attn_implementation = "eager"
    torch.set_default_dtype(torch.float32)
    made = LlamaForCausalLM(config).eval().double()
    torch.set_default_dtype(torch.float64)
    return made


def weights(made, prefix=""):
    state = {name: tiny.drawn(prefix + name, value.shape).double() for name, value in made.named_parameters()}
    return state


def logprobs(made, state, prompts, answers):
    """Per-token log-probabilities padded to one width, as a batch of completions behind one token has them."""
    rows = []
    for prompt, answer in zip(prompts, answers):
        ids = torch.tensor([prompt + answer])
        logits = functional_call(made, state, (ids,)).logits
        found = torch.log_softmax(logits[0, :-1], -1).gather(1, ids[0, 1:, None])[:, 0]
        rows.append(found[len(prompt) - 1:])
    return rows


class Model:
    training = True

    def __init__(self, rows, width):
        self.rows, self.width = rows, width

    def __call__(self, **_):
        padded = [torch.cat([row, torch.zeros(self.width - 1 - len(row))]) for row in self.rows]
        flat = torch.zeros(len(self.rows), self.width - 1)
        return SimpleNamespace(log_probs=torch.stack(padded), entropy=flat, mean_logits=flat, is_top1=flat.bool())


def dpo(made, state, reference):
    answers = CHOSEN + REJECTED
    rows = logprobs(made, state, PROMPTS + PROMPTS, answers)
    lengths = [len(answer) for answer in answers]
    width = 1 + max(lengths)
    mask = losses.completion_mask(lengths, width)
    trainer = SimpleNamespace(
        accelerator=losses.Accelerator(), model=SimpleNamespace(training=True), aux_loss_enabled=False, ld_alpha=None,
        precompute_ref_logps=True, f_divergence_type="reverse_kl", loss_types=["sigmoid"], loss_weights=[1.0], beta=BETA,
        label_smoothing=0.0, use_weighting=False, _metrics={"train": losses.Metrics()}, _total_train_tokens=0, _tp_size=1)
    n = len(CHOSEN)
    inputs = {"input_ids": torch.zeros_like(mask), "attention_mask": torch.ones_like(mask), "completion_mask": mask,
              "ref_chosen_logps": reference[:n], "ref_rejected_logps": reference[n:]}
    loss = DPOTrainer._compute_loss(trainer, Model(rows, width), inputs, False)
    return loss, torch.stack([row.sum() for row in rows])


def packed(layer):
    """The matrices that one pair of factors is of, in the order in which they are packed."""
    at = f"model.layers.{layer}."
    return [
        ("qkv", [at + f"self_attn.{part}_proj.weight" for part in "qkv"]),
        ("out", [at + "self_attn.o_proj.weight"]),
        ("up", [at + "mlp.gate_proj.weight", at + "mlp.up_proj.weight"]),
        ("down", [at + "mlp.down_proj.weight"]),
    ]


def told(values):
    return [float(f"{x:.9g}") for x in values.flatten().tolist()]


def main():
    made = model()
    state = {name: value.clone().requires_grad_() for name, value in weights(made).items()}
    with torch.no_grad():
        answers = CHOSEN + REJECTED
        reference = torch.stack([row.sum() for row in logprobs(made, weights(made, "reference."), PROMPTS * 2, answers)])
    loss, sums = dpo(made, state, reference)
    loss.backward()
    tensors = {name: {"norm": value.grad.norm().item(), "first": told(value.grad.flatten()[:6])} for name, value in state.items()}
    optimizer = torch.optim.AdamW(state.values(), lr=LR, weight_decay=0.0)
    optimizer.step()
    after, _ = dpo(made, state, reference)

    factors, names = [], []
    base = weights(made)
    for layer in range(2):
        for kind, parts in packed(layer):
            n_out, n_in = sum(base[part].shape[0] for part in parts), base[parts[0]].shape[1]
            a = (0.5 * tiny.drawn(f"{layer}.{kind}.a", (RANK, n_in)).double()).requires_grad_()
            b = (0.5 * tiny.drawn(f"{layer}.{kind}.b", (n_out, RANK)).double()).requires_grad_()
            factors.append((parts, a, b))
            names.append(f"{layer}.{kind}")
    effective = dict(base)
    for parts, a, b in factors:
        update = (ALPHA / RANK) * b @ a
        at = 0
        for part in parts:
            n = base[part].shape[0]
            effective[part] = base[part] + update[at:at + n]
            at += n
    adapted, adapted_sums = dpo(made, effective, reference)
    adapted.backward()
    json.dump({
        "shapes": [[name, list(value.shape)] for name, value in base.items()],
        "prompts": PROMPTS, "chosen": CHOSEN, "rejected": REJECTED, "beta": BETA, "lr": LR, "rank": RANK, "alpha": ALPHA,
        "logprobs": sums.tolist(), "reference": reference.tolist(), "loss": loss.item(), "after": after.item(),
        "gradients": tensors,
        "adapted": {"loss": adapted.item(), "logprobs": adapted_sums.tolist(),
                    "factors": [{"name": name, "a": told(a.grad), "b": told(b.grad)} for name, (_, a, b) in zip(names, factors)]},
    }, sys.stdout, indent=1)


if __name__ == "__main__":
    main()
