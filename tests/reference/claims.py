"""Reference values of metric::t_test, equivalence, power, seeds_needed and slope, by scipy and statsmodels.

    pip install statsmodels==0.15.0 scipy==1.17.1 && python claims.py > claims.json
"""
import json
import math
import random

import numpy as np
from scipy import integrate, stats
from statsmodels.stats.power import TTestPower
from statsmodels.stats.weightstats import DescrStatsW

draw = random.Random(11)
samples = [[draw.gauss(shift, 0.1) for _ in range(n)] for n in (2, 3, 5, 10, 20) for shift in (0.0, 0.08)]
samples.append([0.9, 1.0, 1.1, 1.0, 0.95])

t_tests, equivalences = [], []
for values in samples:
    n = len(values)
    t = stats.ttest_1samp(values, 0)
    low, high = stats.t.interval(0.95, n - 1, loc=np.mean(values), scale=stats.sem(values))
    one = lambda side: float(stats.ttest_1samp(values, 0, alternative=side).pvalue)
    t_tests.append({"values": values, "t": float(t.statistic), "p": float(t.pvalue), "p_greater": one("greater"), "p_less": one("less"),
                    "low": float(low), "high": float(high)})
    for margin in (0.05, 0.2):
        p, (_, lower, _), (_, upper, _) = DescrStatsW(values).ttost_mean(-margin, margin)
        equivalences.append({"values": values, "margin": margin, "p": float(p), "p_lower": float(lower), "p_upper": float(upper)})


def equivalence_power(effect, sd, n, alpha):
    """The chance that both one-sided tests reject where the true mean is zero, by integrating over the sample deviation."""
    shift, critical = effect * math.sqrt(n) / sd, stats.t.ppf(1 - alpha, n - 1)
    density = lambda s: 2 * s * (n - 1) * stats.chi2.pdf((n - 1) * s * s, n - 1)
    given = lambda s: max(0.0, 2 * stats.norm.cdf(shift - critical * s) - 1)
    return integrate.quad(lambda s: density(s) * given(s), 0, shift / critical, epsabs=1e-12, limit=400)[0]


def t_power(effect, sd, n, alpha):
    return float(TTestPower().power(effect_size=effect / sd, nobs=n, alpha=alpha, alternative="two-sided"))


def needed(power, *rest):
    effect, sd, alpha = rest
    return next(n for n in range(2, 100_000) if power(effect, sd, n, alpha) >= 0.8)


powers = []
for effect, sd, n, alpha in [(0.1, 0.1, 10, 0.05), (0.1, 0.2, 10, 0.05), (0.05, 0.2, 10, 0.05), (0.1, 0.05, 3, 0.05), (0.3, 0.1, 2, 0.05),
                             (0.1, 0.15, 25, 0.01), (0.02, 0.1, 150, 0.05), (0.5, 0.2, 5, 0.001)]:
    for equivalence, power in ((False, t_power), (True, equivalence_power)):
        powers.append({"effect": effect, "sd": sd, "n": n, "alpha": alpha, "equivalence": equivalence,
                       "power": power(effect, sd, n, alpha), "needed": needed(power, effect, sd, alpha)})

slopes = []
for n in (3, 4, 6, 9, 12, 12, 30, 5):
    x = [draw.choice((1.0, 2.0, 2.5, 4.0)) + (0.001 * i if n < 5 else 0) for i in range(n)]
    y = [0.3 * v + draw.gauss(0, 0.5) for v in x]
    line = stats.linregress(x, y)
    half = stats.t.ppf(0.975, n - 2) * line.stderr
    slopes.append({"x": x, "y": y, "slope": float(line.slope), "intercept": float(line.intercept), "error": float(line.stderr),
                   "p": float(line.pvalue), "low": float(line.slope - half), "high": float(line.slope + half)})
print(json.dumps({"t_test": t_tests, "equivalence": equivalences, "power": powers, "slope": slopes}))
