"""Steps of TRL's BCO: its running mean of rewards, its loss and the gradients, written to bco.json.

Usage: python tests/reference/bco.py PATH/TO/trl-0.19.0 (the unpacked wheel; later versions of TRL have no BCO). `RunningMoments` is executed as it
stands there (`trl/trainer/utils.py`); the three lines of the loss are `BCOTrainer.bco_loss`'s, in double precision, without the
prompts' weights. `update` calls `.float()` on a batch's moments: this file executes the class with that taken out.
"""

import ast
import dataclasses
import json
import pathlib
import sys
import types

import torch
import torch.nn.functional as F

folder = pathlib.Path(sys.argv[1])
source = (folder / "trl/trainer/utils.py").read_text()
found = next(node for node in ast.parse(source).body if isinstance(node, ast.ClassDef) and node.name == "RunningMoments")
code = ast.get_source_segment(source, found)
space = {"torch": torch, "Accelerator": object, "dataclass": dataclasses.dataclass, "dataclasses": dataclasses, "json": json}
exec("@dataclass\n" + code.replace(".float()", ""), space)
running = space["RunningMoments"](types.SimpleNamespace(use_distributed=False))

torch.manual_seed(0)
beta = 0.3
steps = []
for n in [3, 1, 5, 2]:
    draw = lambda: (-5 + 3 * torch.randn(n, dtype=torch.float64))
    chosen, rejected = draw().requires_grad_(), draw().requires_grad_()
    reference_chosen, reference_rejected = draw(), draw()
    chosen_rewards, rejected_rewards = beta * (chosen - reference_chosen), beta * (rejected - reference_rejected)
    running.update(torch.cat((chosen_rewards, rejected_rewards), 0).detach())
    delta = running.mean
    # TRL's loss is over continuations, half of which are chosen; of a pair it is the sum of both.
    loss = (-F.logsigmoid(chosen_rewards - delta) - F.logsigmoid(-(rejected_rewards - delta))).mean()
    loss.backward()
    steps.append({"chosen": chosen.tolist(), "rejected": rejected.tolist(), "reference_chosen": reference_chosen.tolist(),
                  "reference_rejected": reference_rejected.tolist(), "delta": delta, "loss": loss.item(),
                  "by_chosen": chosen.grad.tolist(), "by_rejected": rejected.grad.tolist()})
out = pathlib.Path(__file__).with_suffix(".json")
out.write_text(json.dumps({"trl": "0.19.0", "torch": torch.__version__, "beta": beta, "steps": steps}, indent=1) + "\n")
