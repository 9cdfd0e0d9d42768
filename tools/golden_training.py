#!/usr/bin/env python3
"""Writes tests/golden/training.json: losses and gradient norms of 100 steps of a two-layer BERT in
PyTorch, whose weights, rows and order come from formulas that tests/tiny.h and src/ share.

torch 2.15.0, transformers 5.23.0, numpy 2.4.6."""
import json
import math
import sys

import numpy as np
import torch
from transformers import BertConfig, BertForSequenceClassification, get_scheduler

WORDS, ROWS, STEPS, BATCH = 35, 64, 100, 8
MASK32 = 0xFFFFFFFF


def hashed(seed, i):
    h = (seed + i * 0x9E3779B9) & MASK32
    h = ((h ^ h >> 16) * 0x85EBCA6B) & MASK32
    h = ((h ^ h >> 13) * 0xC2B2AE35) & MASK32
    return h ^ h >> 16


def stream(name):  # FNV-1a
    h = 0xCBF29CE484222325
    for c in name.encode():
        h = ((h ^ c) * 0x100000001B3) & (2 ** 64 - 1)
    return h


def set_weights(model):
    with torch.no_grad():
        for name, p in model.named_parameters():
            one = "LayerNorm.weight" in name
            values = [(hashed(stream(name) & MASK32, i) / 2147483648.0 - 1) * 0.1 + one
                      for i in range(p.numel())]
            p.copy_(torch.from_numpy(np.array(values).astype(np.float32)).view_as(p))


def philox(seed, stream_, counter):
    k0, k1 = seed & MASK32, seed >> 32
    c = [counter & MASK32, counter >> 32, stream_ & MASK32, stream_ >> 32]
    for _ in range(10):
        p0, p1 = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [(p1 >> 32) ^ c[1] ^ k0, p1 & MASK32, (p0 >> 32) ^ c[3] ^ k1, p0 & MASK32]
        k0, k1 = (k0 + 0x9E3779B9) & MASK32, (k1 + 0xBB67AE85) & MASK32
    return c


def order_of(seed, epoch):
    s, drawn = (stream("order of rows") + epoch) & (2 ** 64 - 1), 0
    items = list(range(ROWS))
    for i in range(ROWS - 1, 0, -1):
        n = i + 1
        while True:
            m = philox(seed, s, drawn // 4)[drawn % 4] * n
            drawn += 1
            if m & MASK32 >= (2 ** 32 - n) % n:
                break
        j = m >> 32
        items[i], items[j] = items[j], items[i]
    return items


def words(row):
    return [hashed(77, row * 32 + i) % WORDS for i in range(3 + hashed(5, row) % 12)]


def target(problem, first):
    if problem == "regression":
        return float("%.2f" % (first / 10.0 - 1.5))
    if problem == "multi_label_classification":
        return [float(first % 2 != 0), float(first % 3 != 0), float(first % 5 < 2)]
    return first % 3


def batch_of(rows, problem):
    texts = [[2] + [w + 5 for w in words(r)] + [3] for r in rows]
    longest = max(map(len, texts))
    ids = torch.tensor([t + [0] * (longest - len(t)) for t in texts])
    mask = torch.tensor([[1] * len(t) + [0] * (longest - len(t)) for t in texts])
    dtype = torch.long if problem == "single_label_classification" else torch.float32
    return ids, mask, torch.tensor([target(problem, words(r)[0]) for r in rows], dtype=dtype)


def loss_sum(problem, logits, labels, weights, smoothing):
    """The sum over items, and how many items there are."""
    if problem == "regression":
        return torch.nn.MSELoss(reduction="sum")(logits.squeeze(-1), labels), labels.numel()
    if problem == "multi_label_classification":
        return torch.nn.BCEWithLogitsLoss(reduction="sum")(logits, labels), labels.numel()
    loss = torch.nn.CrossEntropyLoss(weights, reduction="sum", label_smoothing=smoothing)
    return loss(logits, labels), len(labels) if weights is None else float(weights[labels].sum())


def train(problem, args):
    labels = 1 if problem == "regression" else 3
    config = BertConfig(vocab_size=WORDS + 5, hidden_size=32, num_hidden_layers=2, num_attention_heads=4,
                        intermediate_size=64, max_position_embeddings=20, hidden_dropout_prob=0.0,
                        attention_probs_dropout_prob=0.0, num_labels=labels)
    model = BertForSequenceClassification(config)
    set_weights(model)
    model.train()
    lr, accumulation = float(args["learning_rate"]), int(args.get("gradient_accumulation_steps", 1))
    decayed = [p for n, p in model.named_parameters() if not n.endswith("bias") and "LayerNorm" not in n]
    others = [p for n, p in model.named_parameters() if n.endswith("bias") or "LayerNorm" in n]
    optimizer = torch.optim.AdamW([{"params": decayed, "weight_decay": float(args["weight_decay"])},
                                   {"params": others, "weight_decay": 0.0}], lr=lr)
    warmup = math.ceil(STEPS * float(args.get("warmup_ratio", 0)))
    schedule = get_scheduler(args["lr_scheduler_type"], optimizer, warmup, STEPS)
    weights = None
    if args.get("class_weights"):
        count = np.bincount([target(problem, words(r)[0]) for r in range(ROWS)], minlength=labels)
        weights = torch.tensor(ROWS / (labels * count), dtype=torch.float32)
    smoothing = float(args.get("label_smoothing_factor", 0))
    batches = math.ceil(ROWS / BATCH)
    per_epoch = math.ceil(batches / accumulation)
    losses, norms = [], []
    for step in range(STEPS):
        order = order_of(42, step // per_epoch)
        first = step % per_epoch * accumulation
        parts = [batch_of(order[i * BATCH:(i + 1) * BATCH], problem)
                 for i in range(first, min(first + accumulation, batches))]
        optimizer.zero_grad()
        sums, items = [], 0
        for ids, mask, labels_ in parts:
            s, n = loss_sum(problem, model(ids, attention_mask=mask).logits, labels_, weights, smoothing)
            sums.append(s)
            items += n
        loss = sum(sums) / items
        loss.backward()
        norms.append(float(torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)))
        optimizer.step()
        schedule.step()
        losses.append(float(loss))
    return {"problem_type": problem, "num_labels": labels, "args": args, "loss": losses, "grad_norm": norms}


def main():
    torch.manual_seed(0)
    base = {"learning_rate": "1e-3", "weight_decay": "0.01", "warmup_ratio": "0.1",
            "lr_scheduler_type": "linear"}
    cases = [
        ("single_label_classification", {}),
        ("single_label_classification", {"gradient_accumulation_steps": "3", "class_weights": "auto",
                                         "label_smoothing_factor": "0.1"}),
        ("multi_label_classification", {"lr_scheduler_type": "cosine"}),
        ("regression", {"gradient_accumulation_steps": "2", "lr_scheduler_type": "polynomial"}),
    ]
    out = [train(problem, {**base, **extra}) for problem, extra in cases]
    with open(sys.argv[1] if len(sys.argv) > 1 else "tests/golden/training.json", "w") as f:
        f.write("[\n" + ",\n".join(json.dumps(c, separators=(",", ":")) for c in out) + "\n]\n")
    for c in out:
        print(c["problem_type"], c["loss"][0], c["loss"][-1])


if __name__ == "__main__":
    main()
