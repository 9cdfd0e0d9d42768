#!/usr/bin/env python3
"""Writes tests/golden/recipe.json: heads of recipes as PyTorch has them (nn.Sequential over pooled and combined views of a
two-layer BERT whose weights come from the formula of tests/tiny.h): gradients of the head, and the losses of ten steps of SGD and
of AdamW. Dropout is off.

torch 2.15.0, transformers 5.24.0, numpy 2.4.6."""
import json
import sys

import torch
from golden_training import hashed, stream, MASK32, words
from torch import nn
from transformers import BertConfig, BertModel

ROWS, STEPS = 6, 10
TEXTS = [{"text": c} for c in "abc"]
CASES = [
    {"inputs": TEXTS[:1], "pooling": "cls", "head": [{"dropout": 0.2}, {"linear": 1}], "problem_type": "regression"},
    {"inputs": TEXTS[:2], "pooling": "mean", "combine": ["u", "v", "|u-v|", "u*v"],
     "head": [{"linear": 16}, "layer_norm", "gelu", {"dropout": 0.1}, {"linear": 3}],
     "problem_type": "single_label_classification", "loss_weight": 0.5},
    {"inputs": TEXTS, "pooling": "cls", "combine": "max", "head": [{"dropout": 0.5}, {"linear": 1}],
     "problem_type": "multi_label_classification"},
    {"inputs": TEXTS[:2], "pooling": ["pooler", "max"], "combine": "concatenate",
     "head": [{"linear": [128, 8]}, "tanh", {"linear": {"out": 2, "bias": False}}],
     "problem_type": "multi_label_classification"},
    {"inputs": TEXTS[:2], "pooling": ["sum", "lasttoken"], "combine": "mean",
     "head": [{"layer_norm": {"eps": 1e-3}}, {"linear": 2}], "problem_type": "single_label_classification"},
    {"inputs": TEXTS[:2], "pooling": "mean", "combine": ["u-v", "u"], "head": [{"linear": 4}, "relu", {"linear": 2}],
     "problem_type": "single_label_classification"},
    {"inputs": TEXTS[:2], "pooling": "mean", "combine": "sum", "head": [{"linear": 4}, "silu", {"linear": 2}],
     "problem_type": "single_label_classification"},
]


def fill(name, p):
    one = "LayerNorm.weight" in name
    with torch.no_grad():
        v = [(hashed(stream(name) & MASK32, i) / 2147483648.0 - 1) * 0.1 + one for i in range(p.numel())]
        p.copy_(torch.tensor(v, dtype=torch.float64).float().view_as(p))


class Classifier(nn.Module):
    def __init__(self, r):
        super().__init__()
        self.r = r
        self.bert = BertModel(BertConfig(vocab_size=40, hidden_size=32, num_hidden_layers=2, num_attention_heads=4,
                                         intermediate_size=64, max_position_embeddings=20, hidden_dropout_prob=0.0,
                                         attention_probs_dropout_prob=0.0), add_pooling_layer="pooler" in r["pooling"])
        poolings = r["pooling"] if isinstance(r["pooling"], list) else [r["pooling"]]
        combine = r.get("combine")
        width = 32 * len(poolings)
        width *= len(combine) if isinstance(combine, list) else len(r["inputs"]) if combine == "concatenate" else 1
        layers = []
        for item in r["head"]:
            kind, v = (item, None) if isinstance(item, str) else next(iter(item.items()))
            if kind == "dropout":
                layers.append(nn.Dropout(0))
            elif kind == "linear":
                out = v[1] if isinstance(v, list) else v["out"] if isinstance(v, dict) else v
                layers.append(nn.Linear(width, out, bias=not isinstance(v, dict) or v.get("bias", True)))
                width = out
            elif kind == "layer_norm":
                layers.append(nn.LayerNorm(width, **(v or {})))
            else:
                layers.append({"gelu": nn.GELU, "tanh": nn.Tanh, "relu": nn.ReLU, "silu": nn.SiLU}[kind]())
        self.classifier = nn.Sequential(*layers)
        for name, p in self.named_parameters():
            fill(name, p)

    def vector(self, ids):
        o = self.bert(ids.unsqueeze(0))
        h = o.last_hidden_state[0]
        of = {"cls": lambda: h[0], "mean": lambda: h.mean(0), "max": lambda: h.max(0).values, "sum": lambda: h.sum(0),
              "lasttoken": lambda: h[-1], "pooler": lambda: o.pooler_output[0]}
        p = self.r["pooling"]
        return torch.cat([of[k]() for k in (p if isinstance(p, list) else [p])])

    def row(self, views):
        x, c = torch.stack([self.vector(v) for v in views]), self.r.get("combine")
        if isinstance(c, list):
            u, v = x
            return torch.cat([{"u": u, "v": v, "|u-v|": (u - v).abs(), "u*v": u * v, "u-v": u - v}[k] for k in c])
        return {None: lambda: x[0], "max": lambda: torch.max(x, 0).values, "mean": lambda: x.mean(0), "sum": lambda: x.sum(0),
                "concatenate": lambda: x.flatten()}[c]()

    def forward(self, rows):
        return self.classifier(torch.stack([self.row(v) for v in rows]))


def labels_of(r, outputs):
    first = [words(i * len(r["inputs"]))[0] for i in range(ROWS)]
    if r["problem_type"] == "regression":
        return torch.tensor([[f / 10 - 1.5] for f in first])
    if r["problem_type"] == "multi_label_classification":
        return torch.tensor([[float(f % (2 + k) == 0) for k in range(outputs)] for f in first])
    return torch.tensor([f % outputs for f in first])


def run(r, optimizer_of):
    model = Classifier(r).train()
    views = len(r["inputs"])
    rows = [[torch.tensor([2] + [w + 5 for w in words(i * views + v)] + [3]) for v in range(views)] for i in range(ROWS)]
    outputs = [m for m in model.classifier if isinstance(m, nn.Linear)][-1].out_features
    labels = labels_of(r, outputs)
    loss_of = {"regression": nn.MSELoss(), "multi_label_classification": nn.BCEWithLogitsLoss(),
               "single_label_classification": nn.CrossEntropyLoss()}[r["problem_type"]]
    optimizer, losses, grads = optimizer_of(model), [], {}
    for step in range(STEPS):
        optimizer.zero_grad()
        loss = loss_of(model(rows), labels) * r.get("loss_weight", 1)
        loss.backward()
        if not step:
            grads = {n: p.grad.flatten().tolist() for n, p in model.named_parameters() if n.startswith("classifier")}
        optimizer.step()
        losses.append(loss.item())
    return losses, grads, outputs


def adamw(model):
    norms = {p for m in model.modules() if isinstance(m, nn.LayerNorm) for p in m.parameters()}
    free = [p for n, p in model.named_parameters() if n.endswith("bias") or p in norms]
    decayed = [p for n, p in model.named_parameters() if not n.endswith("bias") and p not in norms]
    return torch.optim.AdamW([{"params": decayed, "weight_decay": 0.01}, {"params": free, "weight_decay": 0.0}], lr=1e-3)


out = []
for r in CASES:
    sgd, grads, outputs = run(r, lambda m: torch.optim.SGD(m.parameters(), lr=0.01))
    out.append({"recipe": r, "outputs": outputs, "sgd": sgd, "adamw": run(r, adamw)[0], "grad": grads})
with open(sys.argv[1] if len(sys.argv) > 1 else "tests/golden/recipe.json", "w") as f:
    f.write("[\n" + ",\n".join(json.dumps(c, separators=(",", ":")) for c in out) + "\n]\n")
