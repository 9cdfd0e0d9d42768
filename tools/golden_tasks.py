#!/usr/bin/env python3
"""Writes tests/golden/tasks.json: what the last transformers with these pipelines gives for tiny random
models (tools/golden_models.py's formula; the vocabulary of tests/models.h).

    pip install torch==2.15.0 transformers==4.57.6 tokenizers==0.22.2 numpy==2.4.6
    python tools/golden_tasks.py
"""
import json
import os
import re
import tempfile

import torch
import transformers
from golden_models import SIZES, build
from transformers import BertTokenizerFast, pipeline

HERE = os.path.dirname(os.path.abspath(__file__))
LABELS = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]
NLI = ["contradiction", "neutral", "entailment"]
TEXTS = ["The cat sat on the mat.", "walked, jumped and played!", "He sleeps under the BIG red tree",
         "strange words? the dogs", "a", "Is it the café? the cat."]
CONTEXT = "The dog ran. The small cat sat on the big red mat and slept; the house was blue, " \
          "they walked and jumped under a tree. It played!"


def tokenizer():
    text = open(os.path.join(HERE, "..", "tests", "models.h")).read()
    words = re.findall(r'"([^"]+)"', text[text.index("test_words[TEST_VOCAB] = {"):].split("};")[0])
    assert len(words) == SIZES["vocab_size"]
    path = os.path.join(tempfile.mkdtemp(), "vocab.txt")
    open(path, "w").write("".join(w + "\n" for w in words))
    return BertTokenizerFast(vocab_file=path, model_max_length=SIZES["max_position_embeddings"])


def model(name, labels=None, **config):
    if labels:
        config["id2label"] = dict(enumerate(labels))
        config["label2id"] = {l: i for i, l in enumerate(labels)}
    return build(name, **config).float()


def plain(x):
    if isinstance(x, dict):
        return {k: plain(v) for k, v in x.items()}
    if isinstance(x, list):
        return [plain(v) for v in x]
    return float(f"{x:.7g}") if hasattr(x, "dtype") or isinstance(x, float) else x


def fill(tok):
    p = pipeline("fill-mask", model=model("BertForMaskedLM"), tokenizer=tok)
    out = []
    for text, k, targets in [("the [MASK] sat on the mat.", 5, None), ("[MASK] cat [MASK]!", 3, None),
                             ("a [MASK]", 2, ["cat", "dog", "house"])]:
        more = dict(targets=targets) if targets else {}
        r = p(text, top_k=k, **more)
        rows = r if isinstance(r[0], list) else [r]
        out.append(dict(text=text, top_k=k, targets=targets or [],
                        results=[dict(mask=i, token=x["token"], score=x["score"], text=x["sequence"])
                                 for i, row in enumerate(rows) for x in row]))
    return out


def tag(tok):
    m = model("BertForTokenClassification", LABELS)
    out = []
    for how in ("none", "simple", "first", "average", "max"):
        p = pipeline("token-classification", model=m, tokenizer=tok, aggregation_strategy=how)
        for text in TEXTS:
            out.append(dict(text=text, aggregation=how, max_length=0, stride=0, entities=p(text)))
    tok.model_max_length = 10
    for how in ("simple", "average"):
        p = pipeline("token-classification", model=m, tokenizer=tok, aggregation_strategy=how, stride=3)
        out.append(dict(text=CONTEXT, aggregation=how, max_length=10, stride=3, entities=p(CONTEXT)))
    tok.model_max_length = SIZES["max_position_embeddings"]
    for c in out:
        c["entities"] = [dict(entity=e.get("entity", e.get("entity_group")), score=e["score"], index=e.get("index", -1),
                              start=e["start"], end=e["end"], word=e["word"]) for e in c["entities"]]
    return out


def answer(tok):
    p = pipeline("question-answering", model=model("BertForQuestionAnswering"), tokenizer=tok)
    out = []
    for q, c, options in [("who sat?", "The cat sat on the mat.", {}), ("was it red?", CONTEXT, {}),
                          ("was it red?", CONTEXT, dict(top_k=4)), ("he?", CONTEXT, dict(top_k=3, max_answer_len=2)),
                          ("he?", CONTEXT, dict(top_k=3, align_to_words=False, doc_stride=4)),
                          ("who played?", CONTEXT, dict(top_k=50, handle_impossible_answer=True, max_seq_len=15))]:
        r = p(question=q, context=c, **options)
        out.append(dict(question=q, context=c, options=options, answers=r if isinstance(r, list) else [r]))
    return out


def zero_shot(tok):
    p = pipeline("zero-shot-classification", model=model("BertForSequenceClassification", NLI), tokenizer=tok)
    out = []
    for text, labels, template, multi in [("the cat sat.", ["cat", "dog", "tree"], "This example is {}.", False),
                                          ("the cat sat.", ["cat", "dog"], "it is {} and {}!".replace(" and {}", ""), True),
                                          ("it ran", ["red"], "it was {}", False)]:
        r = p(text, labels, hypothesis_template=template, multi_label=multi)
        score = dict(zip(r["labels"], r["scores"]))
        out.append(dict(text=text, labels=labels, template=template, multi_label=multi, scores=[score[l] for l in labels]))
    return out


def choose(tok):
    m, out = model("BertForMultipleChoice"), []
    for prompt, endings in [("the cat sat", ["on the mat.", "and ran!", "?"]), ("he is", ["big", "not"])]:
        enc = tok([prompt] * len(endings), endings, padding=True, return_tensors="pt")
        with torch.no_grad():
            logits = m(**{k: v[None] for k, v in enc.items()}).logits
        out.append(dict(prompt=prompt, endings=endings, scores=logits.softmax(-1)[0].tolist()))
    return out


def main():
    tok = tokenizer()
    data = dict(versions=dict(torch=torch.__version__.split("+")[0], transformers=transformers.__version__),
                labels=LABELS, nli=NLI, fill=fill(tok), tag=tag(tok), answer=answer(tok), zero_shot=zero_shot(tok),
                choose=choose(tok))
    with open(os.path.join(HERE, "..", "tests", "golden", "tasks.json"), "w") as f:
        json.dump(plain(data), f, ensure_ascii=False, separators=(",", ":"))
        f.write("\n")


if __name__ == "__main__":
    main()
