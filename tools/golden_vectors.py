#!/usr/bin/env python3
"""Writes tests/golden/vectors.json: sparse vectors and vectors of tokens that sentence-transformers' SparseEncoder and
MultiVectorEncoder make, in float64, of tiny random models in every arrangement of files, and MaxSim; bge-m3's by its
formulas. Weights come from the formula of golden_models.py; each case holds its files.

    pip install torch==2.15.0 transformers==5.24.0 sentence-transformers==6.2.0 numpy==2.4.6
    python tools/golden_vectors.py
"""
import json
import os
import sys
import tempfile

import numpy as np
import sentence_transformers
import torch
import transformers
from golden_models import SIZES, build, weight
from golden_sentences import plain, words
from safetensors.torch import save_file
from sentence_transformers import MultiVectorEncoder, SparseEncoder

HERE = os.path.dirname(os.path.abspath(__file__))
TEXTS = ["The cat sat, on the mat.", "a dog!", "she walked and jumped under the big red tree!"]
HIDDEN = SIZES["hidden_size"]
TRANSFORMER = "sentence_transformers.base.modules.transformer.Transformer"
SPARSE = "sentence_transformers.sparse_encoder.models."
NEW = dict(Dense="sentence_transformers.base.modules.dense.Dense", Normalize="sentence_transformers.base.modules.normalize.Normalize",
           MultiVectorMask="sentence_transformers.multi_vector_encoder.modules.multi_vector_mask.MultiVectorMask")
TOKENS = dict(module_input_name="token_embeddings", module_output_name="token_embeddings")
IDENTITY = "torch.nn.modules.linear.Identity"
MARKED = ["[unused0]" if w == "she" else "[unused1]" if w == "they" else w for w in words()]


def case(name, *modules, transformer=TRANSFORMER, limits=None, options=None, more=None, tensors=None, words=None, **rest):
    """modules: (type, config, tensors); more: further files; rest: what is done with it."""
    files, stored = dict(more or {}), dict(tensors or {})
    if modules:
        listed = [dict(idx=0, name="0", path="", type=transformer)]
        for i, (kind, config, t) in enumerate(modules, 1):
            folder = f"{i}_{kind.rsplit('.', 1)[-1]}"
            listed.append(dict(idx=i, name=str(i), path=folder, type=kind))
            files[f"{folder}/config.json"] = config
            if t:
                stored[folder] = t
        files["modules.json"] = listed
    if options:
        files["config_sentence_transformers.json"] = options
    if limits:
        files["sentence_bert_config.json"] = limits
    return dict(name=name, files=files, tensors=stored, words=words, **rest)


def dense(out, kind=NEW["Dense"], names=TOKENS, bias=False):
    config = dict(in_features=HIDDEN, out_features=out, bias=bias, activation_function=IDENTITY, **names)
    return (kind, config, [["linear.weight", out, HIDDEN]] + [["linear.bias", out, 0]] * bias)


def mask(**config):
    return (NEW["MultiVectorMask"], config, [])


NORMALIZE = (NEW["Normalize"], TOKENS, [])


def splade(strategy, act):
    return (SPARSE + "SpladePooling", dict(pooling_strategy=strategy, activation_function=act, word_embedding_dimension=None), [])


def sparse_cases():
    task = dict(transformer_task="fill-mask", module_output_name="token_embeddings",
                modality_config=dict(text=dict(method="forward", method_output_name="logits")))
    kind = dict(model_type="SparseEncoder")
    return [
        case("SPLADE", splade("max", "relu"), transformer=SPARSE + "MLMTransformer", options=kind),
        case("SPLADE, sum", splade("sum", "relu"), limits=task, options=kind),
        case("SPLADE, twice", splade("max", "log1p_relu"), limits=task, options=kind),
        case("SPLADE, sum twice", splade("sum", "log1p_relu"), limits=task, options=kind),
        case("a head of masked words alone"),
        case("max_active_dims", splade("max", "relu"), limits=task, options=dict(kind, max_active_dims=7)),
        case("prompts", splade("max", "relu"), limits=task, options=dict(kind, prompts=dict(query="the big ", document=""))),
    ]


def multi_cases():
    kind = dict(model_type="MultiVectorEncoder")
    fixed = lambda **k: dict(query_expansion=dict(strategy="fixed", length=12, **k))
    pylate = dict(query_prefix="[unused0] ", document_prefix="[unused1] ", query_length=13, document_length=9)
    old = dense(6, "pylate.models.Dense.Dense", {})
    skip = mask(skiplist_words=[".", "!", "nowhere"])
    return [
        case("as they are", dense(6), options=kind),
        case("normalized", dense(6, bias=True), NORMALIZE, options=kind),
        case("lengths", dense(6), NORMALIZE, options=kind, limits=dict(query_length=7, document_length=5)),
        case("skiplist", dense(6), skip, NORMALIZE, options=dict(kind, similarity_fn_name="meanmaxsim")),
        case("skiplist of both", dense(6), mask(skiplist_words=["the", "."], skiplist_tasks=["query", "document"]), NORMALIZE,
             options=kind),
        case("only some", dense(6), mask(keep_only_token_ids=[2, 5, 7]), NORMALIZE, options=kind),
        case("expanded", dense(6), skip, NORMALIZE, options=kind, limits=fixed()),
        case("expanded, seen", dense(6), skip, NORMALIZE, options=kind, limits=fixed(attend=True)),
        case("expanded by a token", dense(6), skip, NORMALIZE, options=kind, limits=fixed(token="[SEP]")),
        case("expanded at least", dense(6), skip, NORMALIZE, options=kind, limits=dict(query_expansion=dict(strategy="min", length=6))),
        case("prompts", dense(6), skip, NORMALIZE, options=dict(kind, prompts=dict(query="the ", document="a big "))),
        case("PyLate", old, options=dict(pylate, model_type="ColBERT"), words=MARKED),
        case("PyLate, seen", old, options=dict(pylate, model_type="ColBERT", attend_to_expansion_tokens=True, skiplist_words=["the"]),
             words=MARKED),
        case("PyLate, not expanded", old, options=dict(pylate, model_type="ColBERT", do_query_expansion=False), words=MARKED),
        case("PyLate, prompts", old, options=dict(pylate, prompts=dict(query="[unused0] the ", document="a ")), words=MARKED),
        case("PyLate, markers that are text", old, options=dict(pylate, query_prefix="the big ", document_prefix="Nowhere: ")),
        case("ColBERT", more={"artifact.metadata": dict(query_maxlen=11, doc_maxlen=12, query_token_id="[unused0]",
                                                         doc_token_id="[unused1]", mask_punctuation=True)}, words=MARKED, linear=6),
    ]


def write(directory, c, architecture):
    m = build(architecture)
    if c.get("linear"):
        state = {f"bert.{k}": v.float().contiguous() for k, v in m.state_dict().items() if "position_ids" not in k}
        state["linear.weight"] = weight("linear.weight", (c["linear"], HIDDEN)).float()
        save_file(state, os.path.join(directory, "model.safetensors"))
        m.config.architectures = ["HF_ColBERT"]
        m.config.save_pretrained(directory)
    else:
        m.float().save_pretrained(directory)
    with open(os.path.join(directory, "vocab.txt"), "w") as f:
        f.write("".join(w + "\n" for w in c["words"] or words()))
    with open(os.path.join(directory, "tokenizer_config.json"), "w") as f:
        json.dump(dict(tokenizer_class="BertTokenizer", model_max_length=SIZES["max_position_embeddings"]), f)
    for path, value in c["files"].items():
        os.makedirs(os.path.dirname(os.path.join(directory, path)), exist_ok=True)
        with open(os.path.join(directory, path), "w") as f:
            json.dump(value, f)
    for path, tensors in c["tensors"].items():
        save_file({n: weight(f"{path}.{n}", (r, k) if k else (r,)).float() for n, r, k in tensors},
                  os.path.join(directory, path, "model.safetensors"))


def sparse(c):
    with tempfile.TemporaryDirectory() as d:
        write(d, c, "BertForMaskedLM")
        m = SparseEncoder(d, device="cpu").double()
        rows = lambda x: [[[int(i), float(v)] for i, v in enumerate(r) if v > 0] for r in x.to_dense().tolist()]
        return dict(c, encode=rows(m.encode(TEXTS)), query=rows(m.encode_query(TEXTS)), document=rows(m.encode_document(TEXTS)),
                    scores=m.similarity(m.encode_query(TEXTS[1:2]), m.encode_document(TEXTS)).reshape(-1).tolist())


def multi(c):
    with tempfile.TemporaryDirectory() as d:
        write(d, c, "BertModel")
        m = MultiVectorEncoder(d, device="cpu").double()
        q, r = m.encode_query(TEXTS), m.encode_document(TEXTS)
        return dict(c, query=[x.tolist() for x in q], document=[x.tolist() for x in r],
                    scores=m.similarity(q[1:2], r).reshape(-1).tolist())


def bge():
    """FlagEmbedding's BGEM3FlagModel: relu(sparse_linear) of each token, the largest of each id, cls, eos, pad and unk left out;
    colbert_linear of all tokens but the first, normalized; colbert_score is the mean of the largest products."""
    m = build("BertModel")
    ids = transformers.BertTokenizer(vocab={w: i for i, w in enumerate(words())})(TEXTS)["input_ids"]
    ws, bs = weight("sparse_linear.weight", (1, HIDDEN)), weight("sparse_linear.bias", (1,))
    wc, bc = weight("colbert_linear.weight", (HIDDEN, HIDDEN)), weight("colbert_linear.bias", (HIDDEN,))
    sparse, vectors, dense = [], [], []
    for row in ids:
        h = m(input_ids=torch.tensor([row])).last_hidden_state[0].detach()
        w = {}
        for i, x in zip(row, torch.relu(h @ ws.T + bs).reshape(-1).tolist()):
            if i not in (0, 1, 2, 3) and x > 0:
                w[i] = max(w.get(i, 0), x)
        sparse.append([[i, w[i]] for i in sorted(w)])
        vectors.append(torch.nn.functional.normalize(h[1:] @ wc.T + bc, dim=-1))
        dense.append(torch.nn.functional.normalize(h[0], dim=-1).tolist())
    scores = [float((vectors[1] @ v.T).max(-1).values.mean()) for v in vectors]
    return dict(sparse=sparse, multi=[v.tolist() for v in vectors], dense=dense, scores=scores)


def main():
    versions = (f"torch {torch.__version__}, transformers {transformers.__version__}, "
                f"sentence-transformers {sentence_transformers.__version__}, numpy {np.__version__}")
    golden = dict(made_by="tools/golden_vectors.py", versions=versions, texts=TEXTS, sparse=[sparse(c) for c in sparse_cases()],
                  multi=[multi(c) for c in multi_cases()], bge=bge())
    path = os.path.join(HERE, "..", "tests", "golden", "vectors.json")
    with open(path, "w") as f:
        json.dump(plain(golden), f, separators=(",", ":"))
        f.write("\n")
    print(path, os.path.getsize(path), "bytes;", versions, file=sys.stderr)


if __name__ == "__main__":
    main()
