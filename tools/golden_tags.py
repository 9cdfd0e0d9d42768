#!/usr/bin/env python3
"""Writes tests/golden/tags.json: what seqeval makes of random tags of every scheme, valid and not, in its default mode
and in its mode "strict"; of tags without prefixes, what it makes of them with I- in front, and scikit-learn of classes.

    pip install seqeval==1.2.2 numpy==2.4.6 scikit-learn==1.9.0
    python tools/golden_tags.py
"""
import json
import os
import random
import warnings

from seqeval.metrics import accuracy_score, classification_report, f1_score, precision_score, recall_score
from seqeval.scheme import BILOU, IOB1, IOB2, IOBES, IOE1, IOE2
from sklearn.metrics import f1_score as class_f1

HERE = os.path.dirname(os.path.abspath(__file__))
TYPES = ["PER", "LOC", "x-y"]
# name here, seqeval's scheme, prefixes in the order of begin, inside, end, alone
SCHEMES = [("IOB1", IOB1, "IIII", "IB"), ("IOB2", IOB2, "BIIB", "IB"), ("IOE1", IOE1, "IIII", "IE"), ("IOE2", IOE2, "IIEE", "IE"),
           ("IOBES", IOBES, "BIES", "IBES"), ("BILOU", BILOU, "BILU", "IBLU")]


def valid(rng, letters, types, n):
    out = []
    while len(out) < n:
        if rng.random() < 0.4:
            out.append("O")
            continue
        t, k = rng.choice(types), rng.randint(1, 3)
        place = [letters[0]] + [letters[1]] * (k - 2) + [letters[2]] if k > 1 else [letters[3]]
        out += [p + "-" + t for p in place]
    return out[:n]


def noisy(rng, sequence, labels, rate):
    return [rng.choice(labels) if rng.random() < rate else t for t in sequence]


def scores(truth, predicted, **how):
    return [float(f(truth, predicted, zero_division=0, **how)) for f in (precision_score, recall_score, f1_score)]


def report(truth, predicted, **how):
    return {k: [float(v[m]) for m in ("precision", "recall", "f1-score", "support")] for k, v in
            classification_report(truth, predicted, output_dict=True, zero_division=0, **how).items()}


def turned(tag):
    return tag if tag == "O" else tag[2:] + "-" + tag[0]


def has_entities(truth, predicted, **how):
    return any(scores(a, a, **how)[1] for a in (truth, predicted))


def case(name, labels, truth, predicted, seen=None, suffix=False, strict=None):
    seen = seen or (truth, predicted)  # what seqeval is shown
    c = dict(scheme=name, labels=labels, truth=truth, predicted=predicted, accuracy=float(accuracy_score(truth, predicted)),
             default=scores(*seen, suffix=suffix))
    if has_entities(*seen, suffix=suffix):
        c["report"] = report(*seen, suffix=suffix)
    if strict:
        c["strict"] = scores(*seen, suffix=suffix, mode="strict", scheme=strict)
    return c


def prefixed(rng):
    out = []
    for name, scheme, letters, all_letters in SCHEMES:
        for suffix in (False, True):
            for rate in (0, 0.1, 0.5, 1):
                # A dash in a type is read otherwise by suffix and default, as seqeval has it.
                labels = ["O"] + [p + "-" + t for t in TYPES for p in all_letters]
                truth = [valid(rng, letters, TYPES, rng.randint(1, 12)) for _ in range(12)]
                truth = [noisy(rng, s, labels, rate / 2) for s in truth]
                predicted = [noisy(rng, s, labels, max(rate, 0.2)) for s in truth]
                if suffix:
                    labels = list(map(turned, labels))
                    truth, predicted = ([list(map(turned, s)) for s in x] for x in (truth, predicted))
                out.append(case(name, labels, truth, predicted, suffix=suffix, strict=scheme))
    return out


def odd(rng):
    """Tags that no scheme has, in the default mode."""
    out = []
    for labels in (["O", "B", "I", "B-A", "I-A", "X", "PAD"], ["O", "U-A", "L-A", "B-A", "I-A", "U-B", "M-A", "W-B"],
                   ["O", "B-A", "I-A", "B-", "I-", "E-A", "S-A", ".", "Ö", "Ö-A"], ["O", "B_A", "I_A", "B_B", "I_B", "S_A"]):
        for _ in range(4):
            truth = [[rng.choice(labels) for _ in range(rng.randint(1, 12))] for _ in range(10)]
            out.append(case(None, labels, truth, [noisy(rng, s, labels, 0.4) for s in truth]))
    return out


def unprefixed(rng):
    out = []
    for labels in (["O", "ORG", "PER", "Loc"], ["O", "B", "X-ray", "other", "I/O"]):
        for _ in range(4):
            truth = [[rng.choice(labels) for _ in range(rng.randint(1, 12))] for _ in range(10)]
            predicted = [noisy(rng, s, labels, 0.3) for s in truth]
            seen = tuple([["O" if t == "O" else "I-" + t for t in s] for s in x] for x in (truth, predicted))
            out.append(case("IO", labels, truth, predicted, seen))
    return out


def classes(rng):
    out = []
    for labels in (["NOUN", "VERB", "ADJ", "X", "PUNCT"], ["N", "V", "O", "B", "S", "E", "^", "A", "!", "D", "P", "&", "T", "#"]):
        truth = [[rng.choice(labels[:-1]) for _ in range(rng.randint(1, 12))] for _ in range(10)]
        predicted = [noisy(rng, s, labels[:-2], 0.3) for s in truth]
        flat = [[t for s in x for t in s] for x in (truth, predicted)]
        out.append(dict(scheme="classes", labels=labels, truth=truth, predicted=predicted,
                        accuracy=float(accuracy_score(truth, predicted)),
                        f1_macro=float(class_f1(*flat, average="macro", zero_division=0))))
    return out


def main():
    warnings.simplefilter("ignore")  # seqeval's, of tags that are none
    rng = random.Random(1)
    with open(os.path.join(HERE, "..", "tests", "golden", "tags.json"), "w") as f:
        json.dump(prefixed(rng) + odd(rng) + unprefixed(rng) + classes(rng), f, ensure_ascii=False, separators=(",", ":"))
        f.write("\n")


if __name__ == "__main__":
    main()
