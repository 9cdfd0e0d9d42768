#!/usr/bin/env python3
"""Writes tests/golden/metrics.json: random predictions and what scikit-learn and scipy say of them.

numpy 2.4.6, scipy 1.17.1, scikit-learn 1.9.1."""
import json
import sys
import warnings

import numpy as np
from scipy.special import softmax
from scipy.stats import pearsonr, spearmanr
from sklearn import metrics as sk

warnings.simplefilter("ignore")


def averages(truth, predicted, kinds, positive=1):
    out = {}
    for kind in kinds:
        suffix = "" if kind == "binary" else "_" + kind
        p, r, f, _ = sk.precision_recall_fscore_support(truth, predicted, average=kind, zero_division=0,
                                                           pos_label=positive)
        out.update({"precision" + suffix: p, "recall" + suffix: r, "f1" + suffix: f})
    return out


def single(logits, labels):
    n = logits.shape[1]
    predicted = logits.argmax(axis=1)
    out = {"accuracy": sk.accuracy_score(labels, predicted),
           "matthews_correlation": sk.matthews_corrcoef(labels, predicted)}
    out.update(averages(labels, predicted, ["micro", "macro", "weighted"]))
    scores = logits.astype(np.float64)
    if n == 2:
        out.update(averages(labels, predicted, ["binary"]))
        out["roc_auc"] = (sk.roc_auc_score(labels, scores[:, 1] - scores[:, 0])
                          if len(set(labels)) == 2 else float("nan"))
    elif n > 2:
        out["roc_auc_ovr"] = (sk.roc_auc_score(labels, softmax(scores, axis=1), multi_class="ovr")
                              if len(set(labels)) == n else float("nan"))
    return out, sk.confusion_matrix(labels, predicted, labels=range(n)).flatten().tolist()


def multi(logits, targets):
    predicted = (logits > 0).astype(int)
    out = {"accuracy": sk.accuracy_score(targets, predicted)}
    out.update(averages(targets, predicted, ["micro", "macro", "weighted"]))
    both = all(len(set(column)) == 2 for column in targets.T)
    out["roc_auc"] = (sk.roc_auc_score(targets, logits.astype(np.float64), average="macro")
                      if both else float("nan"))
    return out


def regression(x, y):
    x, y = x.astype(np.float64), y.astype(np.float64)
    return {"pearson": pearsonr(x, y).statistic, "spearmanr": spearmanr(x, y).statistic,
            "mse": sk.mean_squared_error(y, x), "mae": sk.mean_absolute_error(y, x)}


def main():
    rng = np.random.default_rng(7)
    cases = []

    def add(name, problem, logits, truth, results, confusion=None):
        clean = {k: None if np.isnan(v) else float(v) for k, v in results.items()}
        cases.append({"name": name, "problem_type": problem, "num_labels": logits.shape[1],
                      "logits": [float(v) for v in logits.flatten()],
                      "truth": [float(v) for v in np.asarray(truth).flatten()],
                      "results": clean, "confusion": confusion})

    def add_single(name, logits, labels):
        add(name, "single_label_classification", logits, labels, *single(logits, labels))
        if logits.shape[1] == 2:  # the same of the first class
            first = averages(labels, logits.argmax(axis=1), ["binary"], positive=0)
            scores = logits.astype(np.float64)
            first["roc_auc"] = (sk.roc_auc_score(labels == 0, scores[:, 0] - scores[:, 1])
                                if len(set(labels)) == 2 else float("nan"))
            cases[-1]["of_first"] = {k: None if np.isnan(v) else float(v) for k, v in first.items()}

    def ties(x):  # quarter steps, exact in float32
        return (np.round(x * 4) / 4).astype(np.float32)

    for n, rows in ((2, 97), (3, 80), (6, 120)):
        labels = rng.integers(0, n, rows)
        logits = ties(rng.normal(size=(rows, n)) + 1.5 * np.eye(n)[labels])
        add_single(f"random, {n} classes, with ties", logits, labels)
        add_single(f"only class {n - 1}, {n} classes", logits, np.full(rows, n - 1))
        add_single(f"only class 0, {n} classes", logits, np.zeros(rows, int))
        constant = np.tile(np.eye(n, dtype=np.float32)[0], (rows, 1))
        add_single(f"one prediction, {n} classes", constant, labels)
    labels = rng.choice([0, 2, 3], 60)
    logits = ties(rng.normal(size=(60, 5)) + np.eye(5)[labels])
    logits[:, 4] = -9  # class 4 neither occurs nor is predicted, class 1 is only predicted
    add_single("absent classes", logits, labels)

    targets = rng.integers(0, 2, (90, 4))
    logits = ties(rng.normal(size=(90, 4)) + targets - 0.5)
    add("multi-label", "multi_label_classification", logits, targets, multi(logits, targets))
    targets = targets.copy()
    targets[:, 2] = 0
    add("multi-label, an empty column", "multi_label_classification", logits, targets,
        multi(logits, targets))

    y = ties(rng.normal(size=100) * 2 + 3)
    x = ties(y + rng.normal(size=100))
    add("regression with ties", "regression", x[:, None], y, regression(x, y))
    add("regression, constant truth", "regression", x[:, None], np.full(100, 2.5),
        regression(x, np.full(100, 2.5)))
    x = (1e4 + rng.normal(size=50)).astype(np.float32)
    y = (1e4 + rng.normal(size=50)).astype(np.float32)
    add("regression far from zero", "regression", x[:, None], y, regression(x, y))

    with open(sys.argv[1] if len(sys.argv) > 1 else "tests/golden/metrics.json", "w") as f:
        f.write("[\n" + ",\n".join(json.dumps(c, separators=(",", ":")) for c in cases) + "\n]\n")


if __name__ == "__main__":
    main()
