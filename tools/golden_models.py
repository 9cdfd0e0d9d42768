#!/usr/bin/env python3
"""Writes tests/golden/models.json: what transformers computes, in float64, for a tiny random model of
every class. The weights come from a formula (weight() here, test_weight() in tests/models.h), so that
only results are stored.

    pip install torch==2.15.0 transformers==5.23.0 numpy==2.4.6
    python tools/golden_models.py
"""
import json
import os
import sys

import numpy as np
import torch
import transformers
from transformers import BertConfig

SIZES = dict(vocab_size=40, hidden_size=24, num_hidden_layers=2, num_attention_heads=3, intermediate_size=36,
             max_position_embeddings=20, type_vocab_size=2)
MASK64 = (1 << 64) - 1


def weight(name, shape):
    """Uniform in [-1, 1) by 24 bits of splitmix64(fnv1a(name) + i); LayerNorm weights around 1."""
    h = 0xCBF29CE484222325
    for b in name.encode():
        h = ((h ^ b) * 0x100000001B3) & MASK64
    n = int(np.prod(shape))
    with np.errstate(over="ignore"):
        z = np.uint64(h) + np.arange(1, n + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = z ^ (z >> np.uint64(31))
    u = (z >> np.uint64(40)).astype(np.float32) / np.float32(1 << 23) - np.float32(1)
    w = np.float32(1) + np.float32(0.25) * u if name.endswith("LayerNorm.weight") else np.float32(0.25) * u
    return torch.from_numpy(w.astype(np.float32)).reshape(shape).double()


def build(name, **config):
    c = BertConfig(**SIZES, **config)
    c._attn_implementation = "eager"
    m = getattr(transformers, name)(c).double().eval()
    with torch.no_grad():
        for k, p in m.named_parameters():
            p.copy_(weight(k, tuple(p.shape)))
    return m


def sequences():
    """Four sequences, the longest as long as the model takes; the second half of each is type 1."""
    out, k = [], 0
    for length in (1, 7, 20, 5):
        ids = [(k := k + 1) * 7919 % SIZES["vocab_size"] for _ in range(length)]
        out.append(dict(ids=ids, type_ids=[int(i >= length / 2) for i in range(length)]))
    return out


SEQUENCES = sequences()


def run(m, s, **more):
    return m(input_ids=torch.tensor([s["ids"]]), token_type_ids=torch.tensor([s["type_ids"]]), **more)


def flat(tensors):
    return [float(f"{x:.9g}") for t in tensors for x in t.detach().reshape(-1).tolist()]


def trunk():
    m = build("BertModel")
    outs = [run(m, s, output_hidden_states=True, output_attentions=True) for s in SEQUENCES]
    layers = SIZES["num_hidden_layers"]
    return dict(last_hidden_state=flat(o.last_hidden_state for o in outs), pooler_output=flat(o.pooler_output for o in outs),
                hidden_states=[flat(o.hidden_states[i] for o in outs) for i in range(layers + 1)],
                attentions=[flat(o.attentions[i] for o in outs) for i in range(layers)])


def activations():
    """last_hidden_state of the first sequences under every hidden_act."""
    return {act: flat(run(build("BertModel", hidden_act=act), s).last_hidden_state for s in SEQUENCES[:2])
            for act in ("gelu", "gelu_new", "relu", "silu")}


def mean_loss(losses, counts):
    """Of the whole batch, from those of its sequences: each is a mean over `count` items."""
    return sum(float(l) * n for l, n in zip(losses, counts) if n) / max(1, sum(counts))


def case(name, labels, count, logits=lambda o: o.logits, **config):
    """labels: one dict of transformers' arguments a sequence; count: items in each one's loss."""
    m = build(name, **config)
    outs = [run(m, s, **l) for s, l in zip(SEQUENCES, labels)]
    return dict(architecture=name, config=config, logits=flat(logits(o) for o in outs),
                loss=mean_loss([o.loss for o in outs], count))


def cases():
    n, lengths = len(SEQUENCES), [len(s["ids"]) for s in SEQUENCES]
    single = [2, 0, 1, 1]
    values = [0.5, -1.25, 3.0, 0.0]
    rows = [[1.0, 0.0, 1.0], [0.0, 0.0, 0.0], [0.0, 1.0, 0.0], [1.0, 1.0, 1.0]]
    tokens = [[(7 * i + j) % 3 if (i + j) % 3 else -100 for j in range(k)] for i, k in enumerate(lengths)]
    words = [[(11 * i + 5 * j) % SIZES["vocab_size"] if (i + j) % 3 else -100 for j in range(k)]
             for i, k in enumerate(lengths)]
    counted = [sum(x >= 0 for x in row) for row in tokens]
    starts, ends = [0, 3, 20, 1], [0, 6, 2, 7]  # 20 and 7 are outside and ignored
    nexts = [0, 1, 1, 0]
    one = [1] * n
    t = torch.tensor
    out = []

    def add(kind, inputs, *args, **kw):
        out.append(dict(kind=kind, **inputs, **case(*args, **kw)))

    seq = "BertForSequenceClassification"
    add("sequence-classification", dict(labels=single), seq, [dict(labels=t([x])) for x in single], one, num_labels=3,
        problem_type="single_label_classification")
    add("sequence-classification", dict(targets=values), seq, [dict(labels=t([x]).double()) for x in values], one,
        num_labels=1)
    add("sequence-classification", dict(targets=sum(rows, [])), seq, [dict(labels=t([x]).double()) for x in rows], one,
        num_labels=3, problem_type="regression")
    add("sequence-classification", dict(targets=sum(rows, [])), seq, [dict(labels=t([x]).double()) for x in rows], one,
        num_labels=3, problem_type="multi_label_classification")
    add("next-sentence", dict(labels=nexts), "BertForNextSentencePrediction", [dict(labels=t([x])) for x in nexts], one)
    add("token-classification", dict(labels=sum(tokens, [])), "BertForTokenClassification",
        [dict(labels=t([x])) for x in tokens], counted, num_labels=3)
    add("masked-lm", dict(labels=sum(words, [])), "BertForMaskedLM", [dict(labels=t([x])) for x in words], counted)

    # Start and end have counts of their own, so each is a case of its own and the mean is taken here.
    m = build("BertForQuestionAnswering")
    outs = [run(m, s) for s in SEQUENCES]
    log = lambda x, p: -torch.log_softmax(x[0], 0)[p]
    first = [log(o.start_logits, p) for o, p, k in zip(outs, starts, lengths) if p < k]
    last = [log(o.end_logits, p) for o, p, k in zip(outs, ends, lengths) if p < k]
    own = run(m, SEQUENCES[1], start_positions=t([starts[1]]), end_positions=t([ends[1]])).loss
    assert abs(own - (first[1] + last[1]) / 2) < 1e-12
    out.append(dict(kind="question-answering", architecture="BertForQuestionAnswering", config={}, start_positions=starts,
                    end_positions=ends, logits=flat(torch.stack([o.start_logits[0], o.end_logits[0]], 1) for o in outs),
                    loss=float((sum(first) / len(first) + sum(last) / len(last)) / 2)))

    m = build("BertForPreTraining")
    outs = [run(m, s, labels=t([w]), next_sentence_label=t([x])) for s, w, x in zip(SEQUENCES, words, nexts)]
    nsp = [torch.nn.functional.cross_entropy(o.seq_relationship_logits, t([x])) for o, x in zip(outs, nexts)]
    mlm = [o.loss - x if k else torch.tensor(0.) for o, x, k in zip(outs, nsp, counted)]
    both = [torch.cat([o.prediction_logits[0], o.seq_relationship_logits.expand(k, 2)], 1) for o, k in zip(outs, lengths)]
    out.append(dict(kind="pretraining", architecture="BertForPreTraining", config={}, labels=sum(words, []),
                    next_sentence_label=nexts, logits=flat(both), loss=mean_loss(mlm, counted) + mean_loss(nsp, one)))

    # Choices of one length, so that transformers' batch needs no padding either: the same ids, other types.
    m = build("BertForMultipleChoice")
    s = SEQUENCES[1]
    types = [[0] * 7, s["type_ids"]]
    o = m(input_ids=t([[s["ids"]] * 2]), token_type_ids=t([types]), labels=t([1]))
    out.append(dict(kind="multiple-choice", architecture="BertForMultipleChoice", config={}, labels=[1], choices=2,
                    choice_types=types, logits=flat([o.logits]), loss=float(o.loss)))
    return out


def main():
    versions = f"torch {torch.__version__}, transformers {transformers.__version__}, numpy {np.__version__}"
    golden = dict(made_by="tools/golden_models.py", versions=versions, sizes=SIZES, sequences=SEQUENCES, trunk=trunk(),
                  activations=activations(), cases=cases())
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tests", "golden", "models.json")
    with open(path, "w") as f:
        json.dump(golden, f, separators=(",", ":"))
        f.write("\n")
    print(path, os.path.getsize(path), "bytes;", versions, file=sys.stderr)


if __name__ == "__main__":
    main()
