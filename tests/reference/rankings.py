"""DPO's loss of rankings by Plackett and Luce (Rafailov et al. 2023, arXiv 2305.18290, equation 20), and a policy trained by it.

`python tests/reference/rankings.py > tests/reference/rankings.json`. Written out as the paper has it and differentiated by PyTorch, in double
precision: log-ratios x from the best response to the worst, scores beta times x.
"""

import json
import torch

torch.manual_seed(0)
torch.set_default_dtype(torch.float64)


def loss(beta, x):
    return -sum(beta * x[k] - torch.logsumexp(beta * x[k:], 0) for k in range(len(x)))


losses = []
for k, beta in [(2, 0.7), (3, 0.1), (5, 1.3), (8, 0.5)]:
    x = (3 * torch.randn(k)).requires_grad_()
    value = loss(beta, x)
    value.backward()
    losses.append({"beta": beta, "x": x.tolist(), "value": value.item(), "slopes": x.grad.tolist()})

# Two prompts of five responses, rankings of three in order, batches of two, plain gradient descent.
logits = torch.zeros(2, 5).requires_grad_()
reference = torch.log_softmax(torch.tensor([[0.0, 0.5, -0.5, 0.25, 0.0], [0.1, 0.0, 0.0, -0.3, 0.4]]), 1)
rankings = [(0, [1, 2, 0]), (1, [4, 0, 3]), (0, [3, 1, 4]), (1, [0, 2, 1])]
curve = []
for step in range(4):
    batch = rankings[(2 * step) % 4:(2 * step) % 4 + 2]
    own = torch.log_softmax(logits, 1)
    value = sum(loss(0.5, torch.stack([own[p, y] - reference[p, y] for y in ys])) for p, ys in batch) / 2
    logits.grad = None
    value.backward()
    curve.append(value.item())
    with torch.no_grad():
        logits -= 0.5 * logits.grad
print(json.dumps({"losses": losses, "rankings": rankings, "curve": curve, "logprobs": torch.log_softmax(logits, 1).tolist()}, indent=1))
