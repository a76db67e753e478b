"""Reference values of the losses of preference learning.

Usage: python preference_losses.py > preference_losses.json. Made with TRL 1.16.0, transformers 5.24.0 and torch 2.15.0 on CPU in
double precision. Where TRL has the loss, its own code is called: `DPOTrainer._compute_loss` (sigmoid, ipo, hinge, robust,
bco_pair), `KTOTrainer._compute_loss` (kto), `CPOTrainer.cpo_loss` (simpo), `ORPOTrainer.odds_ratio_loss` (orpo); the model that they
ask is a stand-in that returns the given log-probabilities. Other losses, and forms that TRL does not have, are the papers' formulas
in torch: cDPO (Mitchell 2023), IPO on sums (Azar et al. 2023, equation 17) and scaled (Tang et al. 2024), ORPO's own likelihood of
the response (Hong et al. 2024), best of two. Gradients are torch's autograd.

The test makes each loss by its `call` and compares loss and gradients on the same batch.
"""

import contextlib
import json
import warnings
from types import SimpleNamespace

import torch
import torch.nn.functional as F

warnings.filterwarnings("ignore")
from trl import DPOTrainer, KTOTrainer  # noqa: E402
from trl.experimental.cpo import CPOTrainer  # noqa: E402
from trl.experimental.orpo import ORPOTrainer  # noqa: E402

torch.set_default_dtype(torch.float64)

# Pairs: right and wrong by the reference, alike, far apart; lengths that differ.
CHOSEN = [-12.5, -3.25, -40.0, -7.75, -0.5]
REJECTED = [-14.0, -2.5, -310.0, -7.75, -95.0]
REF_CHOSEN = [-13.0, -2.0, -44.5, -7.75, -60.0]
REF_REJECTED = [-13.5, -3.5, -52.0, -9.0, -1.25]
N_CHOSEN = [5, 2, 11, 3, 1]
N_REJECTED = [4, 2, 17, 6, 9]
PROMPT = [-9.0, -4.5, -20.25, -1.0, -33.0]
N_PROMPT = [3, 2, 8, 1, 12]
KL = 0.75


def leaf(numbers):
    return torch.tensor(numbers, dtype=torch.float64, requires_grad=True)


class Metrics(dict):
    def __missing__(self, key):
        self[key] = []
        return self[key]


class Accelerator:
    device = torch.device("cpu")

    def gather_for_metrics(self, x):
        return x

    gather = gather_for_metrics


class StandIn:
    """Answers the log-probabilities of tokens: each sequence's sum spread evenly over the tokens of its completion."""

    training = True

    def __init__(self, sums, lengths, width):
        self.sums, self.lengths, self.width = sums, lengths, width

    def __call__(self, **_):
        mask = completion_mask(self.lengths, self.width)[:, 1:].double()
        spread = mask * (self.sums / mask.sum(1))[:, None]
        flat = torch.zeros_like(mask)
        return SimpleNamespace(log_probs=spread, entropy=flat, mean_logits=flat, is_top1=flat.bool(), aux_loss=None)


def completion_mask(lengths, width):
    # One token of prompt, then the completion.
    mask = torch.zeros(len(lengths), width, dtype=torch.long)
    for row, n in enumerate(lengths):
        mask[row, 1 : 1 + n] = 1
    return mask


def trl_dpo(loss_type, beta, smoothing=0.0):
    """TRL's DPOTrainer on the batch."""

    def run(chosen, rejected):
        lengths = N_CHOSEN + N_REJECTED
        width = 1 + max(lengths)
        mask = completion_mask(lengths, width)
        trainer = SimpleNamespace(
            accelerator=Accelerator(),
            model=SimpleNamespace(training=True),
            aux_loss_enabled=False,
            ld_alpha=None,
            precompute_ref_logps=True,
            f_divergence_type="reverse_kl",
            loss_types=[loss_type],
            loss_weights=[1.0],
            beta=beta,
            label_smoothing=smoothing,
            use_weighting=False,
            _metrics={"train": Metrics()},
            _total_train_tokens=0,
            _tp_size=1,
        )
        inputs = {
            "input_ids": torch.zeros_like(mask),
            "attention_mask": torch.ones_like(mask),
            "completion_mask": mask,
            "ref_chosen_logps": torch.tensor(REF_CHOSEN),
            "ref_rejected_logps": torch.tensor(REF_REJECTED),
        }
        model = StandIn(torch.cat([chosen, rejected]), lengths, width)
        return DPOTrainer._compute_loss(trainer, model, inputs, False)

    return run


def trl_kto(beta, desirable, undesirable):
    def run(chosen, rejected):
        lengths = N_CHOSEN + N_REJECTED
        width = 1 + max(lengths)
        mask = completion_mask(lengths, width)
        n = len(CHOSEN)
        trainer = SimpleNamespace(
            accelerator=Accelerator(),
            model=SimpleNamespace(training=True),
            aux_loss_enabled=False,
            precompute_ref_logps=True,
            calculate_KL=True,
            loss_type="kto",
            beta=beta,
            desirable_weight=desirable,
            undesirable_weight=undesirable,
            _metrics={"train": Metrics()},
            _total_train_tokens=0,
            _tp_size=1,
            _compute_kl_logps=lambda model, batch: torch.full((2 * n,), KL),
        )
        inputs = {
            "input_ids": torch.zeros_like(mask),
            "attention_mask": torch.ones_like(mask),
            "completion_mask": mask,
            "label": torch.tensor([True] * n + [False] * n),
            "ref_logps": torch.tensor(REF_CHOSEN + REF_REJECTED),
            "ref_KL_logps": torch.zeros(2 * n),
        }
        model = StandIn(torch.cat([chosen, rejected]), lengths, width)
        return KTOTrainer._compute_loss(trainer, model, inputs, False)

    return run


def trl_simpo(beta, gamma):
    trainer = SimpleNamespace(
        accelerator=Accelerator(), alpha=0.0, loss_type="simpo", simpo_gamma=gamma, beta=beta, label_smoothing=0.0
    )

    def run(chosen, rejected):
        means = chosen / torch.tensor(N_CHOSEN), rejected / torch.tensor(N_REJECTED)
        return CPOTrainer.cpo_loss(trainer, *means)[0].mean()

    return run


class Double(torch.Tensor):
    """A tensor whose `.float()` stays in double precision, which ORPOTrainer asks for."""

    def float(self):
        return self


def orpo(beta, nll):
    trainer = SimpleNamespace(accelerator=Accelerator(), beta=beta)

    def run(chosen, rejected, prompt):
        means = chosen / torch.tensor(N_CHOSEN), rejected / torch.tensor(N_REJECTED)
        losses = ORPOTrainer.odds_ratio_loss(trainer, *(mean.as_subclass(Double) for mean in means))[0]
        losses = losses.as_subclass(torch.Tensor)
        if nll == "sequence":
            # CrossEntropyLoss over all tokens of the chosen texts, as ORPOTrainer.concatenated_forward has it.
            likelihood = -(prompt.sum() + chosen.sum()) / (sum(N_PROMPT) + sum(N_CHOSEN))
        else:
            likelihood = -means[0].mean()
        return likelihood - losses.mean()

    return run


def delta(chosen, rejected):
    return (chosen - torch.tensor(REF_CHOSEN)) - (rejected - torch.tensor(REF_REJECTED))


def cdpo(beta, eps):
    def run(c, r):
        d = beta * delta(c, r)
        return (-(1 - eps) * F.logsigmoid(d) - eps * F.logsigmoid(-d)).mean()

    return run


def ipo(beta, scaled):
    def run(c, r):
        d = delta(c, r)
        return ((beta * d - 0.5) ** 2 if scaled else (d - 1 / (2 * beta)) ** 2).mean()

    return run


CASES = [
    ("preference::dpo()", "trl", trl_dpo("sigmoid", 0.1)),
    ("preference::dpo(#{ beta: 1.5 })", "trl", trl_dpo("sigmoid", 1.5)),
    ('preference::ipo(#{ form: "means" })', "trl", trl_dpo("ipo", 0.1)),
    ('preference::ipo(#{ beta: 0.5, form: "means" })', "trl", trl_dpo("ipo", 0.5)),
    ("preference::ipo(#{ beta: 0.25 })", "formula", ipo(0.25, False)),
    ('preference::ipo(#{ beta: 0.25, form: "scaled" })', "formula", ipo(0.25, True)),
    ("preference::cdpo(#{ beta: 0.5, epsilon: 0.2 })", "formula", cdpo(0.5, 0.2)),
    ("preference::robust(#{ beta: 0.5, epsilon: 0.2 })", "trl", trl_dpo("robust", 0.5, 0.2)),
    ("preference::hinge(#{ beta: 0.5 })", "trl", trl_dpo("hinge", 0.5)),
    ("preference::bco_pair(#{ beta: 0.3 })", "trl", trl_dpo("bco_pair", 0.3)),
    ("preference::kto(#{ beta: 0.2, desirable: 1.25, undesirable: 0.5 })", "trl", trl_kto(0.2, 1.25, 0.5)),
    ("preference::simpo(#{ beta: 2.0, gamma: 1.0 })", "trl", trl_simpo(2.0, 1.0)),
    ("preference::simpo()", "trl", trl_simpo(0.1, 0.5)),
    ("preference::best_of_2()", "formula", lambda c, r: -c.mean()),
    ("preference::orpo()", "trl", orpo(0.1, "sequence")),
    ('preference::orpo(#{ beta: 0.5, nll: "response" })', "formula", orpo(0.5, "response")),
]


def main():
    cases = []
    for call, by, loss in CASES:
        chosen, rejected, prompt = leaf(CHOSEN), leaf(REJECTED), leaf(PROMPT)
        with contextlib.redirect_stdout(None):
            value = loss(chosen, rejected, prompt) if "orpo" in call else loss(chosen, rejected)
        value.backward()
        slopes = [x.grad.tolist() if x.grad is not None else [0.0] * len(CHOSEN) for x in (chosen, rejected, prompt)]
        cases.append(
            {"call": call, "by": by, "value": value.item(), "chosen": slopes[0], "rejected": slopes[1], "prompt": slopes[2]}
        )
    batch = {
        "chosen": CHOSEN,
        "rejected": REJECTED,
        "reference_chosen": REF_CHOSEN,
        "reference_rejected": REF_REJECTED,
        "n_chosen": N_CHOSEN,
        "n_rejected": N_REJECTED,
        "prompt": PROMPT,
        "n_prompt": N_PROMPT,
        "kl": KL,
    }
    print(json.dumps({"batch": batch, "cases": cases}, indent=1))


if __name__ == "__main__":
    main()
