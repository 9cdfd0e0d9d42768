#!/usr/bin/env python3
"""Writes tests/golden/families.json: what transformers computes, in float64, for a tiny random model of every class of
the families beside BERT. The weights come from a formula (weight() of golden_models.py, test_weight() in
tests/models.h), so that only names, shapes and results are stored.

    pip install torch==2.15.0 transformers==5.24.0 numpy==2.4.6
    python tools/golden_families.py
"""
import json
import os
import sys

import numpy as np
import torch
import transformers

from golden_models import flat, mean_loss, weight

VOCAB, LAYERS = 40, 2
FAMILIES = {
    "roberta": dict(prefix="Roberta", config=dict(
        vocab_size=VOCAB, hidden_size=24, num_hidden_layers=LAYERS, num_attention_heads=3, intermediate_size=36,
        max_position_embeddings=22, type_vocab_size=2, pad_token_id=1, layer_norm_eps=1e-5)),
    "distilbert": dict(prefix="DistilBert", config=dict(
        vocab_size=VOCAB, dim=24, n_layers=LAYERS, n_heads=3, hidden_dim=36, max_position_embeddings=20, pad_token_id=0)),
}
LENGTHS = (1, 7, 20, 5)


def build(family, suffix, **more):
    row = FAMILIES[family]
    c = getattr(transformers, row["prefix"] + "Config")(**row["config"], **more)
    c._attn_implementation = "eager"
    m = getattr(transformers, row["prefix"] + suffix)(c).double().eval()
    with torch.no_grad():
        for k, p in m.named_parameters():
            p.copy_(weight(k, tuple(p.shape)))
    return m


def sequences(family):
    """The second half of each is type 1 where there are types; one token is the padding id."""
    out, k = [], 0
    types = family != "distilbert"
    for length in LENGTHS:
        ids = [(k := k + 1) * 7919 % VOCAB for _ in range(length)]
        out.append(dict(ids=ids, type_ids=[int(types and i >= length / 2) for i in range(length)]))
    out[1]["ids"][3] = FAMILIES[family]["config"]["pad_token_id"]
    return out


def run(family, m, s, **more):
    if family != "distilbert":
        more["token_type_ids"] = torch.tensor([s["type_ids"]])
    return m(input_ids=torch.tensor([s["ids"]]), **more)


def tensors(m):
    tied = {id(p) for _, p in m.named_parameters()}
    assert tied
    return {k: list(p.shape) for k, p in m.named_parameters()}


def case(family, kind, suffix, inputs, arguments, count, logits=lambda o: o.logits, **config):
    m = build(family, suffix, **config)
    seqs = sequences(family)
    outs = [run(family, m, s, **a) for s, a in zip(seqs, arguments)]
    return dict(kind=kind, architecture=FAMILIES[family]["prefix"] + suffix, config=config, tensors=tensors(m),
                logits=flat(logits(o) for o in outs), loss=mean_loss([o.loss for o in outs], count), **inputs)


def question(family):
    starts, ends = [0, 3, 20, 1], [0, 6, 2, 7]  # 20 and 7 are outside and ignored
    m = build(family, "ForQuestionAnswering")
    outs = [run(family, m, s) for s in sequences(family)]
    log = lambda x, p: -torch.log_softmax(x[0], 0)[p]
    first = [log(o.start_logits, p) for o, p, k in zip(outs, starts, LENGTHS) if p < k]
    last = [log(o.end_logits, p) for o, p, k in zip(outs, ends, LENGTHS) if p < k]
    return dict(kind="question-answering", architecture=FAMILIES[family]["prefix"] + "ForQuestionAnswering", config={},
                tensors=tensors(m), start_positions=starts, end_positions=ends,
                logits=flat(torch.stack([o.start_logits[0], o.end_logits[0]], 1) for o in outs),
                loss=float((sum(first) / len(first) + sum(last) / len(last)) / 2))


def choice(family):
    """Two choices of one length, the second with its ids reversed: no padding."""
    m = build(family, "ForMultipleChoice")
    ids = sequences(family)[1]["ids"]
    both = [ids, ids[::-1]]
    o = m(input_ids=torch.tensor([both]), labels=torch.tensor([1]))
    return dict(kind="multiple-choice", architecture=FAMILIES[family]["prefix"] + "ForMultipleChoice", config={},
                tensors=tensors(m), labels=[1], choices=2, ids=both, logits=flat([o.logits]), loss=float(o.loss))


def cases(family):
    t = torch.tensor
    single, values = [2, 0, 1, 1], [0.5, -1.25, 3.0, 0.0]
    rows = [[1.0, 0.0, 1.0], [0.0, 0.0, 0.0], [0.0, 1.0, 0.0], [1.0, 1.0, 1.0]]
    tokens = [[(7 * i + j) % 3 if (i + j) % 3 else -100 for j in range(k)] for i, k in enumerate(LENGTHS)]
    words = [[(11 * i + 5 * j) % VOCAB if (i + j) % 3 else -100 for j in range(k)] for i, k in enumerate(LENGTHS)]
    counted = [sum(x >= 0 for x in row) for row in tokens]
    one = [1] * len(LENGTHS)
    seq, kind = "ForSequenceClassification", "sequence-classification"
    out = [
        case(family, kind, seq, dict(labels=single), [dict(labels=t([x])) for x in single], one, num_labels=3,
             problem_type="single_label_classification"),
        case(family, kind, seq, dict(targets=values), [dict(labels=t([x]).double()) for x in values], one, num_labels=1),
        case(family, kind, seq, dict(targets=sum(rows, [])), [dict(labels=t([x]).double()) for x in rows], one,
             num_labels=3, problem_type="multi_label_classification"),
        case(family, "token-classification", "ForTokenClassification", dict(labels=sum(tokens, [])),
             [dict(labels=t([x])) for x in tokens], counted, num_labels=3),
        case(family, "masked-lm", "ForMaskedLM", dict(labels=sum(words, [])), [dict(labels=t([x])) for x in words],
             counted),
        question(family),
        choice(family),
    ]
    return out


def trunk(family):
    m = build(family, "Model")
    outs = [run(family, m, s, output_hidden_states=True, output_attentions=True) for s in sequences(family)]
    r = dict(architecture=FAMILIES[family]["prefix"] + "Model", tensors=tensors(m),
             last_hidden_state=flat(o.last_hidden_state for o in outs),
             hidden_states=[flat(o.hidden_states[i] for o in outs) for i in range(LAYERS + 1)],
             attentions=[flat(o.attentions[i] for o in outs) for i in range(LAYERS)])
    if getattr(outs[0], "pooler_output", None) is not None:
        r["pooler_output"] = flat(o.pooler_output for o in outs)
    return r


def main():
    versions = f"torch {torch.__version__}, transformers {transformers.__version__}, numpy {np.__version__}"
    golden = dict(made_by="tools/golden_families.py", versions=versions, families=[
        dict(model_type=f, config=FAMILIES[f]["config"], sequences=sequences(f), trunk=trunk(f), cases=cases(f))
        for f in FAMILIES])
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tests", "golden", "families.json")
    with open(path, "w") as f:
        json.dump(golden, f, separators=(",", ":"))
        f.write("\n")
    print(path, os.path.getsize(path), "bytes;", versions, file=sys.stderr)


if __name__ == "__main__":
    main()
