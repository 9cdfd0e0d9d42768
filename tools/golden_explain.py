#!/usr/bin/env python3
"""Writes tests/golden/explain.json: what captum makes of the tiny models of golden_families.py, golden_models.py and
golden_vision.py, in float64 (captum's weights of the points are float32: 1e-7 of a score): integrated gradients and gradient x
input of words' embeddings, summed over their columns, and of pixels, summed over each patch; and attention rollout (Abnar and
Zuidema 2020) of transformers' attentions.

    pip install torch==2.15.0 transformers==5.24.0 numpy==2.4.6 captum==0.9.0 matplotlib
    python tools/golden_explain.py
"""
import json
import os
import tempfile

import captum
import torch
import transformers
from captum.attr import InputXGradient, IntegratedGradients, LayerGradientXActivation, LayerIntegratedGradients
from safetensors import safe_open
from safetensors.torch import save_file

import golden_families as families
import golden_models
from golden_models import weight

A, B = [5, 7, 9, 11, 5, 13, 32], [6, 8, 10]  # "the cat sat on the mat .", "a dog ran" of tests/models.h
CLS, SEP, PAD, MASK = 2, 3, 0, 4
LABEL, TAG, TOKEN, ANSWER, WORD = 1, 2, 3, 10, 8
RULES = ["gausslegendre", "riemann_trapezoid", "riemann_left", "riemann_middle", "riemann_right"]


def numbers(x):
    return [float(f"{v:.8g}") for v in x.detach().reshape(-1).tolist()]


def base_of(ids):
    return [i if i in (CLS, SEP) else PAD for i in ids]


def model_of(family, suffix, **config):
    return golden_models.build("Bert" + suffix, **config) if family == "bert" else families.build(family, suffix, **config)


def forward_of(family, m, types, output):
    """The function of ids that is explained: captum passes copies of them."""
    def forward(ids):
        more = {}
        if family == "jina":
            more["attention_mask"] = families.Jina.bias(m.config.num_attention_heads, ids.shape[1])
        if family == "bert" or families.has_types(family):
            more["token_type_ids"] = torch.tensor([types] * len(ids))
        return output(m(input_ids=ids, **more))
    return forward


def integrated(m, forward, ids, method="gausslegendre", steps=50):
    lig = LayerIntegratedGradients(forward, m.get_input_embeddings())
    x, delta = lig.attribute(torch.tensor([ids]), baselines=torch.tensor([base_of(ids)]), n_steps=steps, method=method,
                             return_convergence_delta=True)
    return x.sum(-1), delta


def rolled(attentions):
    r = torch.eye(attentions[0].shape[-1]).double()
    for a in attentions:
        a = (a[0].mean(0) + torch.eye(a.shape[-1])) / 2
        r = (a / a.sum(-1, keepdim=True)) @ r
    return r


def texts(family):
    one, pair = [CLS, *A, SEP], [CLS, *A, SEP, *B, SEP]
    none, both = [0] * len(one), [0] * len(one) + [1] * (len(B) + 1)
    out = dict(model_type=family)
    m = model_of(family, families.SEQUENCE, num_labels=3)
    f = forward_of(family, m, none, lambda o: o.logits[:, LABEL])
    ids = torch.tensor([one])
    scores, delta = integrated(m, f, one)
    few, few_delta = integrated(m, f, one, steps=3)
    attentions = forward_of(family, m, none, lambda o: o.attentions)
    m.config.output_attentions = True
    maps = [a.double() for a in attentions(ids)]
    m.config.output_attentions = False
    mean = getattr(m.config, "classifier_pooling", "cls") == "mean"
    out["classification"] = dict(
        architecture=m.__class__.__name__ if family != "jina" else "JinaBertForSequenceClassification",
        output=f(ids).item(), integrated=numbers(scores), few=numbers(few), few_delta=few_delta.item(),
        gradient=numbers(LayerGradientXActivation(f, m.get_input_embeddings()).attribute(ids).sum(-1)),
        attention=numbers(maps[-1][0].mean(0)[0]), rollout=numbers(rolled(maps)[0]))
    assert not mean
    if family == "bert":
        out["rules"] = {r: numbers(integrated(m, f, one, r, 7)[0]) for r in RULES}
    f = forward_of(family, m, both, lambda o: o.logits[:, LABEL])
    out["pair"] = numbers(integrated(m, f, pair)[0])
    classes = families.COMMON if family == "bert" else families.FAMILIES[family].get("classes", families.COMMON)
    if families.TOKEN in classes:
        m = model_of(family, families.TOKEN, num_labels=3)
        f = forward_of(family, m, none, lambda o: o.logits[:, TOKEN, TAG])
        out["tag"] = numbers(integrated(m, f, one)[0])
    if families.QUESTION in classes:
        m = model_of(family, families.QUESTION)
        f = forward_of(family, m, both, lambda o: o.start_logits[:, ANSWER])
        out["answer"] = numbers(integrated(m, f, pair)[0])
    if families.MASKED in classes:
        masked = [CLS, 5, MASK, 9, SEP]
        m = model_of(family, families.MASKED)
        f = forward_of(family, m, [0] * len(masked), lambda o: o.logits[:, 2, WORD])
        out["word"] = numbers(integrated(m, f, masked)[0])
    return out


def pictures():
    """The models of tests/golden/vision.json that classify, on their first picture."""
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tests", "golden", "vision.json")
    for number, c in enumerate(json.load(open(path))):
        if "Classification" not in c["architecture"]:
            continue
        config = transformers.AutoConfig.for_model(c["model_type"], **c["config"])
        with tempfile.TemporaryDirectory() as d:
            getattr(transformers, c["architecture"])(config).save_pretrained(d)
            file = os.path.join(d, "model.safetensors")
            with safe_open(file, "pt") as f:
                kept = {k: f.get_tensor(k) for k in f.keys() if k not in c["tensors"]}
            save_file({**kept, **{k: weight(k, tuple(s)).float() for k, s in c["tensors"].items()}}, file, metadata={"format": "pt"})
            m = getattr(transformers, c["architecture"]).from_pretrained(d, attn_implementation="eager").double().eval()
        x = weight("pixels", (2, 3, 12, 12)).double()[:1] * 4
        f = lambda v: m(v).logits[:, LABEL]
        patches = lambda v: v.reshape(3, 3, 4, 3, 4).sum((0, 2, 4))
        scores = IntegratedGradients(f).attribute(x, baselines=0.0, n_steps=50)
        yield dict(case=number, output=f(x).item(), integrated=numbers(patches(scores[0])),
                   gradient=numbers(patches(InputXGradient(f).attribute(x.requires_grad_())[0])))


def main():
    versions = f"torch {torch.__version__}, transformers {transformers.__version__}, captum {captum.__version__}"
    names = ["bert"] + [f for f, row in families.FAMILIES.items() if families.SEQUENCE in row.get("classes", families.COMMON)]
    golden = dict(made_by="tools/golden_explain.py", versions=versions, families=[texts(f) for f in names], pictures=list(pictures()))
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tests", "golden", "explain.json")
    with open(path, "w") as f:
        json.dump(golden, f, separators=(",", ":"))
        f.write("\n")
    print(path, os.path.getsize(path), "bytes;", versions)


if __name__ == "__main__":
    main()
