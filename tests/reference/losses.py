"""Reference values of the losses: every formula written out again in numpy, differentiated by HIPS autograd.

Usage: python losses.py > losses.json. Made with numpy 2.4.6 and autograd 1.9.1 in double precision on CPU. The formulas
follow the papers and public code that each loss names: openai/weak-to-strong `weak_to_strong/loss.py` (xent, product,
logconf), EleutherAI/w2s `w2s/loss.py` (logconf with its buffer, entropy, window), ggjy/vision_weak_to_strong
`distillers/adaptconf.py`, Gengze/W2SG-Bregman `weak_to_strong/loss.py` (CACE, SL), Reed et al. 2014, Zhang and Sabuncu
2018, Wang et al. 2019. What a loss takes for a constant is computed from plain numbers before the differentiation.

The test makes each loss by its `call` and compares loss and gradient on the same batch.
"""

import json

import autograd.numpy as np
from autograd import grad


def log_softmax(z):
    m = np.max(z, axis=1, keepdims=True)
    return z - m - np.log(np.sum(np.exp(z - m), axis=1, keepdims=True))


def softmax(z):
    return np.exp(log_softmax(z))


def ce(z, target):
    return -np.sum(target * log_softmax(z), axis=1)


def one_hot(classes, n):
    return np.eye(n)[classes]


def entropy(p):
    return -np.sum(p * np.log(p), axis=1)


def thresholded(p0, pool, share):
    """Class 0 at or above the quantile of class 0's probabilities, as both repositories write it."""
    above = p0 >= np.quantile(pool, share)
    return np.stack([above, ~above], axis=1).astype(float)


def ramp(step, length):
    return min(1.0, step / length) if length > 0 else 1.0


# Each takes (z, w, step, steps, earlier) as plain numbers and gives the loss as a function of z alone.


def cross_entropy(z, w, *_):
    return lambda z: np.mean(ce(z, w))


def confidence_r(alpha, warmup, compat=False):
    def make(z, w, step, steps, _):
        p0 = softmax(z)[:, 0]
        hard = thresholded(p0, p0, np.mean(w[:, 1]))
        done = step / steps
        c = alpha * (1.0 if done > warmup else done) if compat else alpha * ramp(done, warmup)
        return lambda z: np.mean(ce(z, (1 - c) * w + c * hard))

    return make


def confidence_p(alpha, warmup):
    def make(z, w, step, steps, _):
        p1 = softmax(z)[:, 1]
        above = p1 > np.median(p1)
        hard = np.stack([~above, above], axis=1).astype(float)
        c = alpha * ramp(step / steps, warmup)
        return lambda z: np.mean(ce(z, (1 - c) * w + c * hard))

    return make


def balanced(w):
    odds = np.log(w[:, 1] + 1e-7) - np.log(1 - w[:, 1] + 1e-7)
    w1 = 1 / (1 + np.exp(-(odds - np.mean(odds))))
    return np.stack([1 - w1, w1], axis=1)


def eleuther(alpha, warmup, size, balance, harden):
    def make(z, w, step, steps, earlier):
        w = balanced(w) if balance else w
        prior = 0.5 if balance or len(w) == 1 else np.mean(w[:, 1])
        p = softmax(z)
        pool = np.concatenate([softmax(earlier)[:, 0], p[:, 0]])[-size:]
        own = thresholded(p[:, 0], pool, prior) if harden else p
        c = alpha * ramp(step, warmup)
        return lambda z: np.mean(ce(z, (1 - c) * w + c * own))

    return make


def window(radius):
    def make(z, w, *_):
        kept = (np.max(softmax(z), axis=1) < 0.5 + radius).astype(float)
        return lambda z: np.sum(kept * ce(z, w)) / len(w)

    return make


def product(alpha, beta):
    def make(z, w, *_):
        t = softmax(z) ** beta * w**alpha
        t = t / np.sum(t, axis=1, keepdims=True)
        return lambda z: np.mean(ce(z, t))

    return make


def entropy_penalty(coefficient, temperature):
    return lambda z, w, *_: lambda z: np.mean(ce(z, w) + coefficient * entropy(softmax(z / temperature)))


def adapt_conf(tau, sign, soft, warmup):
    def make(z, w, step, steps, _):
        n = w.shape[1]
        hard = one_hot(np.argmax(z, axis=1), n)
        teacher = ce(z, w if soft else one_hot(np.argmax(w, axis=1), n))
        s, t = np.exp(sign * ce(z, hard) / tau), np.exp(sign * teacher / tau)
        a = ramp(step / steps, warmup) * s / (s + t)
        return lambda z: np.mean((1 - a) * ce(z, w) + a * ce(z, hard))

    return make


def reverse_ce(z, w, floor):
    return -np.sum(softmax(z) * np.maximum(np.log(np.maximum(w, 1e-300)), floor), axis=1)


def cace(c):
    def make(z, w, *_):
        sure = (np.max(w, axis=1) - 0.5 >= c).astype(float)
        return lambda z: np.mean(sure * ce(z, w) + (1 - sure) * reverse_ce(z, w, -100.0))

    return make


def symmetric(alpha, beta, floor):
    return lambda z, w, *_: lambda z: np.mean(alpha * ce(z, w) + beta * reverse_ce(z, w, floor))


def reverse_kl(floor):
    def make(z, w, *_):
        return lambda z: np.mean(np.sum(softmax(z) * (log_softmax(z) - np.log(np.maximum(w, floor))), axis=1))

    return make


def gce(q):
    return lambda z, w, *_: lambda z: np.mean(np.sum(w * (1 - softmax(z) ** q) / q, axis=1))


def bootstrap_hard(beta):
    def make(z, w, *_):
        hard = one_hot(np.argmax(z, axis=1), w.shape[1])
        return lambda z: np.mean(ce(z, beta * w + (1 - beta) * hard))

    return make


def bootstrap_soft(beta):
    return lambda z, w, *_: lambda z: np.mean(-np.sum((beta * w + (1 - beta) * softmax(z)) * log_softmax(z), axis=1))


ANY = [
    ("loss::cross_entropy()", cross_entropy),
    ("loss::product()", product(1, 1)),
    ("loss::product(#{ alpha: 0.5, beta: 2.0 })", product(0.5, 2)),
    ("loss::entropy()", entropy_penalty(0.5, 1)),
    ("loss::entropy(#{ coefficient: 0.3, temperature: 2.0 })", entropy_penalty(0.3, 2)),
    ("loss::window(#{ radius: 0.2 })", window(0.2)),
    ("loss::reverse_kl()", reverse_kl(1e-4)),
    ("loss::symmetric()", symmetric(0.1, 1, -4)),
    ("loss::symmetric(#{ alpha: 1.0, beta: 0.1, log_floor: -100.0 })", symmetric(1, 0.1, -100)),
    ("loss::adapt_conf()", adapt_conf(1, 1, False, 0)),
    ("loss::adapt_conf(#{ sign: \"reversed\", temperature: 0.5 })", adapt_conf(0.5, -1, False, 0)),
    ("loss::adapt_conf(#{ labels: \"soft\", warmup: 0.75 })", adapt_conf(1, 1, True, 0.75)),
    ("loss::cace()", cace(0.1)),
    ("loss::cace(#{ threshold: 0.25 })", cace(0.25)),
    ("loss::gce()", gce(0.7)),
    ("loss::bootstrap_hard()", bootstrap_hard(0.8)),
    ("loss::bootstrap_soft()", bootstrap_soft(0.95)),
]
BINARY = [
    ("loss::confidence()", confidence_p(0.5, 0.2)),
    ("loss::confidence(#{ alpha_max: 0.75, warmup: 0.75 })", confidence_p(0.75, 0.75)),
    ("loss::confidence(#{ form: \"r\" })", confidence_r(0.5, 0.1)),
    ("loss::confidence(#{ form: \"r\", r_compat: true, warmup: 0.75 })", confidence_r(0.5, 0.75, True)),
    ("loss::confidence(#{ form: \"e\" })", eleuther(0.5, 100, 32, False, True)),
    ("loss::confidence(#{ form: \"e\", buffer: 7, warmup_steps: 60 })", eleuther(0.5, 60, 7, False, True)),
    ("loss::confidence(#{ form: \"e\", balance: true })", eleuther(0.5, 100, 32, True, True)),
    ("loss::entropy(#{ form: \"e\" })", eleuther(0.5, 100, 32, False, False)),
    ("loss::entropy(#{ form: \"e\", balance: true, warmup_steps: 0 })", eleuther(0.5, 0, 32, True, False)),
]


def drawn(n, k, seed):
    """Multiples of 1/64, which a single holds exactly; no two margins are equal."""
    rng = np.random.RandomState(seed)
    z = rng.permutation(64 * 8)[: n * k].reshape(n, k) / 64.0 - 4.0
    w = rng.randint(1, 20, (n, k)).astype(float)
    w = np.floor(w / np.sum(w, axis=1, keepdims=True) * 64) / 64
    w[:, 0] += 1 - np.sum(w, axis=1)
    w[0] = one_hot(k - 1, k)
    return z, w


def main():
    cases = []
    for n, k, seed in [(8, 2, 0), (6, 2, 1), (1, 2, 2), (5, 3, 3)]:
        z, w = drawn(n, k, seed)
        # As many as make no row stand at the threshold itself, where the rule here is another.
        earlier = drawn(8, k, seed + 10)[0]
        for call, make in ANY + (BINARY if k == 2 and n > 1 else []):
            loss = make(z, w, 50, 100, earlier)
            case = {"call": call, "step": 50, "steps": 100, "n_classes": k, "logits": z, "weak": w, "earlier": earlier}
            case |= {"value": loss(z), "gradient": grad(loss)(z)}
            lists = {name: value.flatten().tolist() if isinstance(value, np.ndarray) else value for name, value in case.items()}
            lists["value"] = float(lists["value"])
            cases.append(lists)
    print("[\n" + ",\n".join(json.dumps(case) for case in cases) + "\n]")


main()
