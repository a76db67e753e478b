"""Reference values of enumerable policies: `python tests/reference/policies.py > tests/reference/policies.json`.

Written out with numpy in double precision, by enumeration; trainings with PyTorch's autograd and Adam. numpy 2, torch 2.
"""

import json
import numpy as np
import torch

rng = np.random.default_rng(0)
X, Y = 2, 5
logits = rng.normal(size=(X, Y)).round(3)
others = rng.normal(size=(X, Y)).round(3)
rewards = rng.normal(size=(X, Y)).round(1)  # two digits: ties
rewards[0, 1] = rewards[0, 3]
softmax = lambda z: np.exp(z) / np.exp(z).sum(-1, keepdims=True)
p, q = softmax(logits), softmax(others)
sigma = lambda x: 1 / (1 + np.exp(-x))
prefer = sigma(rewards[:, :, None] - rewards[:, None, :])
hard = 0.5 * (1 + np.sign(rewards[:, :, None] - rewards[:, None, :]))


def best_of(p, r, n):
    """By enumeration of all n-tuples: the first of the largest rewards is taken."""
    found = np.zeros_like(p)
    for draws in np.ndindex(*([len(p)] * n)):
        best = max(draws, key=lambda y: r[y])  # the first of equal ones
        found[best] += np.prod(p[list(draws)])
    return found


beta = 0.7
optimum = p * np.exp(rewards / beta)
optimum /= optimum.sum(-1, keepdims=True)

pairs = [(0, 1, 2, 1.0, 1.0), (0, 3, 0, 0.75, 1.0), (1, 4, 1, 1.0, 2.0), (1, 0, 2, 0.5, 1.0), (0, 2, 4, 1.0, 0.5), (1, 3, 4, 0.9, 1.0)]


def trained(kind, features=None):
    """Three epochs of batches of two in order, Adam with lr 0.1, DPO with beta 0.5 or best-of-2."""
    reference = torch.log_softmax(torch.tensor(others), -1)
    if features is None:
        x = torch.log_softmax(torch.tensor(logits), -1).clone().requires_grad_()
    else:
        x = torch.zeros(features.shape[-1], dtype=torch.float64, requires_grad=True)
    adam = torch.optim.Adam([x], lr=0.1)
    losses = []
    for _ in range(3):
        for start in range(0, len(pairs), 2):
            table = x if features is None else torch.tensor(features) @ x + torch.log_softmax(torch.tensor(logits), -1)
            logprobs = torch.log_softmax(table, -1)
            total, weight = 0, 0
            for prompt, one, other, preference, w in pairs[start : start + 2]:
                def loss(a, b):
                    if kind == "best_of_2":
                        return -logprobs[prompt, a]
                    delta = logprobs[prompt, a] - logprobs[prompt, b] - reference[prompt, a] + reference[prompt, b]
                    return -torch.nn.functional.logsigmoid(0.5 * delta)
                total = total + w * (preference * loss(one, other) + (1 - preference) * loss(other, one))
                weight += w
            adam.zero_grad()
            (total / weight).backward()
            losses.append(float((total / weight).detach()))
            adam.step()
    table = x if features is None else torch.tensor(features) @ x + torch.log_softmax(torch.tensor(logits), -1)
    return {"logprobs": torch.log_softmax(table, -1).detach().numpy().ravel().tolist(), "losses": losses}


features = rng.normal(size=(X, Y, 3)).round(3)
json.dump(
    {
        "logits": logits.tolist(),
        "others": others.tolist(),
        "rewards": rewards.tolist(),
        "kl": float((p * np.log(p / q)).sum(-1).mean()),
        "reverse_kl": (q * np.log(q / p)).sum(-1).tolist(),
        "total_variation": float(0.5 * np.abs(p - q).sum(-1).mean()),
        "entropy": float(-(p * np.log(p)).sum(-1).mean()),
        "expected_reward": float((p * rewards).sum(-1).mean()),
        "win_rate": float(np.einsum("xa,xb,xab->x", p, q, prefer).mean()),
        "hard_win_rate": float(np.einsum("xa,xb,xab->x", p, q, hard).mean()),
        "expected_identity": np.einsum("xb,xab->xa", q, prefer).tolist(),
        "optimum": optimum.tolist(),
        "best_of": {str(n): [best_of(p[x], rewards[x], n).tolist() for x in range(X)] for n in (1, 2, 5)},
        "tempered": softmax(logits / 0.5).tolist(),
        "mixed": (0.7 * p + 0.3 * q).tolist(),
        "pairs": pairs,
        "features": features.tolist(),
        "trained": {"dpo": trained("dpo"), "best_of_2": trained("best_of_2"), "log_linear": trained("dpo", features)},
    },
    fp=__import__("sys").stdout,
    indent=1,
)
print()
