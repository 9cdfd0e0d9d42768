#!/usr/bin/env python3
"""Writes tests/golden/task_metrics.json: entity scores of seqeval, and SQuAD's exact match and F1 by the
definitions of its evaluation scripts, on random labels and answers.

    pip install seqeval==1.2.2 numpy==2.4.6 scikit-learn
    python tools/golden_task_metrics.py
"""
import collections
import json
import os
import random
import re
import string

from seqeval.metrics import accuracy_score, f1_score, precision_score, recall_score
from seqeval.scheme import IOB2

HERE = os.path.dirname(os.path.abspath(__file__))
LABELS = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC", "B-x-y", "I-x-y"]


def entities(rng):
    out = []
    for sentences in (1, 3, 8, 20):
        truth = [[rng.choice(LABELS) for _ in range(rng.randint(1, 12))] for _ in range(sentences)]
        predicted = [[t if rng.random() < 0.6 else rng.choice(LABELS) for t in s] for s in truth]
        strict = dict(mode="strict", scheme=IOB2, zero_division=0)
        scores = [f(truth, predicted, zero_division=0) for f in (precision_score, recall_score, f1_score)]
        scores.append(accuracy_score(truth, predicted))
        scores += [f(truth, predicted, **strict) for f in (precision_score, recall_score, f1_score)]
        out.append(dict(truth=truth, predicted=predicted, scores=[float(s) for s in scores]))
    return out


def normalize(s):
    s = "".join(c for c in s.lower() if c not in set(string.punctuation))
    return " ".join(re.sub(r"\b(a|an|the)\b", " ", s).split())


def f1(answer, gold, version_2):
    a, g = normalize(answer).split(), normalize(gold).split()
    if version_2 and (not a or not g):
        return float(a == g)
    same = sum((collections.Counter(a) & collections.Counter(g)).values())
    if not same:
        return 0.0
    p, r = same / len(a), same / len(g)
    return 2 * p * r / (p + r)


WORDS = ["the", "a", "an", "The", "An", "cat", "Cats!", "don't", "U.S.", "theatre", "the.", "a-b", "É", "ÉCOLE", "été", "(an)",
         "12", "the12", "北京", "«a»", "", " ", "\u00a0", "—", "a_the", "Straße", "ΑΒ"]


def answers(rng):
    out = []
    for _ in range(300):
        text = lambda: " ".join(rng.choice(WORDS) for _ in range(rng.randint(0, 5)))
        answer, gold = text(), [text() for _ in range(rng.randint(1, 3))]
        if rng.random() < 0.5:
            gold[0] = answer + rng.choice(["", " the", "!", " cat"])
        worded = [g for g in gold if normalize(g)] or [""]  # as SQuAD 2.0's script
        exact = lambda golds: max(float(normalize(answer) == normalize(g)) for g in golds)
        out.append(dict(answer=answer, gold=gold, normalized=normalize(answer), exact=exact(gold),
                        exact_version_2=exact(worded), f1=max(f1(answer, g, False) for g in gold),
                        f1_version_2=max(f1(answer, g, True) for g in worded)))
    return out


def main():
    rng = random.Random(1)
    with open(os.path.join(HERE, "..", "tests", "golden", "task_metrics.json"), "w") as f:
        json.dump(dict(labels=LABELS, entities=entities(rng), answers=answers(rng)), f, ensure_ascii=False,
                  separators=(",", ":"))
        f.write("\n")


if __name__ == "__main__":
    main()
