"""Reference values of features::logistic, features::linear, features::knn, the cut of features::overlap, metric::mcnemar.

    pip install scikit-learn scipy statsmodels ruptures && python methods.py > methods.json

Features are normal draws of different scales; labels are noisy, balanced or not; degenerate: one feature, equal features, ties, all values
equal, no row that differs. Soft labels of two classes are given to scikit-learn as each row twice, with the probabilities as weights.
"""
import json

import numpy as np
import ruptures
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.neighbors import KNeighborsClassifier
from statsmodels.stats.contingency_tables import mcnemar as mcnemar_of

rng = np.random.default_rng(11)
flat = lambda a: [float(x) for x in np.asarray(a, dtype=float).ravel()]


def logistic(n, width, n_classes, c, soft=False, scale=1.0, weighted=False, separable=False):
    x = (rng.normal(size=(n, width)) * np.exp(rng.normal(size=width) * scale)).round(3)
    z = x @ rng.normal(size=(width, n_classes)) + (0.0 if separable else 1.5) * rng.normal(size=(n, n_classes))
    y = z.argmax(1)
    y[:n_classes] = np.arange(n_classes)
    weights = rng.integers(0, 4, size=n).astype(float) if weighted else np.ones(n)
    weights[:n_classes] = 1.0
    at = (rng.normal(size=(7, width)) * 2).round(3)
    model = LogisticRegression(C=c, tol=1e-10, max_iter=200000)
    if soft:
        p = np.clip(rng.beta(0.7, 0.7, size=n), 0.01, 0.99).round(3)
        labels = np.stack([1 - p, p], 1)
        model.fit(np.concatenate([x, x]), np.repeat([0, 1], n), sample_weight=np.concatenate([weights * (1 - p), weights * p]))
    else:
        labels = np.eye(n_classes)[y]
        model.fit(x, y, sample_weight=weights)
    coefficients = np.concatenate([model.coef_, model.intercept_[:, None]], 1)
    return {"x": flat(x), "labels": flat(labels), "weights": flat(weights), "width": width, "n_classes": n_classes, "c": c,
            "at": flat(at), "p": flat(model.predict_proba(at)), "coefficients": flat(coefficients)}


fits = [logistic(40, 3, 2, 1.0), logistic(60, 8, 2, 0.1), logistic(30, 1, 2, 10.0), logistic(25, 30, 2, 1.0),
        logistic(60, 4, 3, 1.0), logistic(80, 5, 5, 0.5), logistic(50, 4, 2, 1.0, soft=True),
        logistic(50, 4, 2, 2.0, soft=True, weighted=True), logistic(60, 3, 2, 1.0, weighted=True),
        logistic(40, 5, 3, 1.0, weighted=True), logistic(40, 3, 2, 100.0, separable=True), logistic(60, 6, 2, 1.0, scale=1.5)]

knn = []
for n, width, k, metric in [(20, 2, 1, "euclidean"), (50, 3, 5, "euclidean"), (50, 3, 50, "euclidean"), (80, 10, 7, "euclidean"),
                            (50, 3, 5, "cosine"), (80, 10, 3, "cosine"), (9, 1, 2, "euclidean"), (200, 16, 15, "cosine")]:
    x, at = rng.normal(size=(n, width)).round(3), rng.normal(size=(9, width)).round(3)
    y = rng.integers(0, 2, size=n)
    y[:2] = [0, 1]
    model = KNeighborsClassifier(n_neighbors=k, metric=metric, algorithm="brute").fit(x, y)
    knn.append({"x": flat(x), "at": flat(at), "labels": flat(y), "width": width, "k": k, "metric": metric,
                "p": flat(model.predict_proba(at)[:, 1])})

cuts = []
for values in [rng.uniform(size=30), np.concatenate([rng.normal(0, .1, 20), rng.normal(1, .1, 8)]), rng.beta(.5, .5, size=200),
               rng.exponential(size=100), [0.0, 1.0], [0.0, 0.0, 5.0], rng.normal(size=500) ** 2, [1.0, 2.0, 3.0, 10.0]]:
    rising = np.sort(np.asarray(values, dtype=float).round(4))
    search = ruptures.Binseg(model="l2", min_size=1, jump=1).fit(rising)
    cuts.append({"values": flat(rising), "cut": int(search.predict(n_bkps=1)[0])})
cuts.append({"values": [0.5] * 6, "cut": None})

pairs = [(0, 0), (1, 0), (5, 5), (3, 12), (40, 22), (0, 9), (200, 260), (1, 1)]
mcnemar = []
for a, b in pairs:
    exact = mcnemar_of([[3, a], [b, 4]], exact=True)
    row = {"only_a": a, "only_b": b, "p": float(exact.pvalue), "chi2": None, "chi2_p": None}
    if a + b > 0:
        chi = mcnemar_of([[3, a], [b, 4]], exact=False, correction=True)
        row.update(chi2=float(chi.statistic), chi2_p=float(chi.pvalue))
    mcnemar.append(row)
squares = []
for n, width, penalty, weighted in [(10, 1, 0, False), (30, 3, 0, False), (40, 8, 0, True), (25, 5, 1.5, False), (12, 20, .3, False),
                                    (60, 10, 0, False), (50, 4, 10, True), (9, 2, 0, False)]:
    x, y = rng.normal(size=(n, width)).round(3), rng.uniform(size=n).round(3)
    weights = rng.integers(1, 4, size=n).astype(float) if weighted else np.ones(n)
    if penalty:
        model = Ridge(alpha=penalty, solver="svd").fit(x, y, sample_weight=weights)
        found = np.append(model.coef_, model.intercept_)
    else:
        root = np.sqrt(weights)
        found = np.linalg.lstsq(np.concatenate([x, np.ones((n, 1))], 1) * root[:, None], y * root, rcond=None)[0]
    squares.append({"x": flat(x), "y": flat(y), "weights": flat(weights), "width": width, "penalty": penalty, "coefficients": flat(found)})
print(json.dumps({"logistic": fits, "knn": knn, "change_point": cuts, "mcnemar": mcnemar, "least_squares": squares}))
