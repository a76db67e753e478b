"""PPO's clipped objective on pairs of samples: `python tests/reference/ppo.py > tests/reference/ppo.json`.

The formula of Schulman et al. 2017 (equation 7) on whole continuations, with advantages A and −A of a pair, differentiated by PyTorch in double precision.
A soft preference is the expectation over a drawn label.
"""

import json
import torch

torch.manual_seed(0)
torch.set_default_dtype(torch.float64)
n = 9
reference_chosen, reference_rejected = -10 * torch.rand(n), -10 * torch.rand(n)
chosen = (reference_chosen + 0.4 * torch.randn(n)).requires_grad_()
rejected = (reference_rejected + 0.4 * torch.randn(n)).requires_grad_()
weights = 3 * torch.rand(n)


def sample(log_ratio, advantage, clip):
    ratio = log_ratio.exp()
    return -torch.minimum(ratio * advantage, ratio.clamp(1 - clip, 1 + clip) * advantage)


cases = []
for clip, p in [(0.2, torch.ones(n)), (0.1, torch.zeros(n)), (0.3, torch.tensor([1, .75, 0, .5, 1, .25, 1, 0, .9]))]:
    both = lambda a: sample(chosen - reference_chosen, a, clip) + sample(rejected - reference_rejected, -a, clip)
    value = (0.5 * (p * both(weights) + (1 - p) * both(-weights))).mean()
    chosen.grad = rejected.grad = None
    value.backward()
    cases.append({"clip": clip, "preference": p.tolist(), "value": value.item(), "by_chosen": chosen.grad.tolist(),
                  "by_rejected": rejected.grad.tolist()})
columns = {"chosen": chosen, "rejected": rejected, "reference_chosen": reference_chosen, "reference_rejected": reference_rejected,
           "weights": weights}
print(json.dumps({"torch": torch.__version__, **{name: x.tolist() for name, x in columns.items()}, "cases": cases}, indent=1))
