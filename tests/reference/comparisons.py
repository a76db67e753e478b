"""Reference values of metric::holm, metric::two_proportions and metric::paired, by statsmodels and scipy.

    pip install statsmodels==0.15.0 scipy==1.17.1 && python comparisons.py > comparisons.json

Families are random (seeded), with ties, with zeros and ones, and of one; proportions are random, equal, all right and all wrong;
pairs are random accuracies over 2 to 12 seeds, without ties (scipy's exact Wilcoxon has none), and one side constant.
"""
import json
import math
import random

from scipy import stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportions_ztest

draw = random.Random(7)
families = [[draw.random() ** 3 for _ in range(n)] for n in (2, 3, 5, 10, 40)]
families += [[0.03], [0.0, 0.0], [1.0, 1.0, 1.0], [0.02, 0.02, 0.02], [0.05, 0.0, 1.0, 0.05, 1e-300], [0.9, 0.001, 0.9]]
holm = [{"p": p, "corrected": [float(x) for x in multipletests(p, method="holm")[1]]} for p in families]

cases = [(710, 1000, 1840, 3000), (5, 10, 5, 10), (0, 7, 3, 9), (1, 1, 0, 1), (10, 10, 20, 20), (0, 5, 0, 50)]
for _ in range(8):
    of_a, of_b = draw.randint(2, 900), draw.randint(2, 4000)
    cases.append((draw.randint(0, of_a), of_a, draw.randint(0, of_b), of_b))
two = []
for n_a, of_a, n_b, of_b in cases:
    pooled = (n_a + n_b) / (of_a + of_b)
    z, p = proportions_ztest([n_a, n_b], [of_a, of_b]) if 0 < pooled < 1 else (math.nan, math.nan)
    known = lambda x: None if math.isnan(x) else float(x)
    two.append({"n_a": n_a, "of_a": of_a, "n_b": n_b, "of_b": of_b, "z": known(z), "p": known(p)})

pairs = []
for n in (2, 3, 4, 5, 5, 7, 10, 12):
    # Multiples of 1/3000 that differ from each other by different amounts: accuracies on 3 000 rows.
    a = [draw.randint(1500, 2900) for _ in range(n)]
    gaps = draw.sample(range(1, 400), n)
    b = [x + g * draw.choice((-1, 1, 1)) for x, g in zip(a, gaps)]
    pairs.append(([x / 3000 for x in a], [x / 3000 for x in b]))
pairs.append(([0.5, 0.5, 0.5, 0.5], [0.6, 0.7, 0.5 + 1 / 64, 0.9]))
paired = []
for a, b in pairs:
    d = [round(x - y, 12) for x, y in zip(a, b)]
    t = stats.ttest_rel(a, b)
    w = stats.wilcoxon(d, method="exact")
    above = sum(x > 0 for x in d)
    sign = stats.binomtest(above, len(d)).pvalue
    paired.append({"a": a, "b": b, "t": float(t.statistic), "t_p": float(t.pvalue), "above": above, "sign_p": float(sign),
                   "w": float(w.statistic), "w_p": float(w.pvalue)})
print(json.dumps({"holm": holm, "two_proportions": two, "paired": paired}))
