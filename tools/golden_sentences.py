#!/usr/bin/env python3
"""Writes tests/golden/sentences.json: what sentence-transformers makes, in float64, of tiny random models in every
arrangement of modules, and its scores, similarities and quantized vectors. Weights come from the formula of
golden_models.py; each case holds its files, so that the test writes the same directory.

    pip install torch==2.15.0 transformers==5.24.0 sentence-transformers==6.2.0 numpy==2.4.6
    python tools/golden_sentences.py
"""
import json
import os
import re
import sys
import tempfile

import numpy as np
import sentence_transformers
import torch
import transformers
from golden_models import SIZES, build, weight
from safetensors.torch import save_file
from sentence_transformers import CrossEncoder, SentenceTransformer, SimilarityFunction, util

HERE = os.path.dirname(os.path.abspath(__file__))
TEXTS = ["The cat sat on the mat.", "a dog", "she walked and jumped under the big red tree!"]
OLD = {"": "sentence_transformers.models."}
NEW = dict(Transformer="sentence_transformers.base.modules.transformer.Transformer",
           Dense="sentence_transformers.base.modules.dense.Dense",
           Normalize="sentence_transformers.base.modules.normalize.Normalize",
           Pooling="sentence_transformers.sentence_transformer.modules.pooling.Pooling")
HIDDEN = SIZES["hidden_size"]
ACTIVATIONS = ["Identity", "Tanh", "Sigmoid", "ReLU", "ReLU6", "LeakyReLU", "RReLU", "ELU", "CELU", "SELU", "GELU", "SiLU",
               "Mish", "Softplus", "Softsign", "LogSigmoid", "Tanhshrink", "Hardtanh", "Hardsigmoid", "Hardswish",
               "Hardshrink", "Softshrink"]


def words():
    text = open(os.path.join(HERE, "..", "tests", "models.h")).read()
    return re.findall(r'"([^"]+)"', text[text.index("test_words[TEST_VOCAB] = {"):].split("};")[0])


def pooling(**config):
    return ("Pooling", dict(word_embedding_dimension=HIDDEN, **config), [])


def flags(*names):
    return pooling(**{f"pooling_mode_{n}": True for n in names})


MEAN = flags("mean_tokens")
NORMALIZE = ("Normalize", None, [])
DROPOUT = ("Dropout", dict(dropout=0.5), [])
LAYER_NORM = ("LayerNorm", dict(dimension=HIDDEN), [["norm.weight", HIDDEN, 0], ["norm.bias", HIDDEN, 0]])


def dense(into, out, act="Tanh", bias=True, residual=False):
    tensors = [["linear.weight", out, into]] + [["linear.bias", out, 0]] * bias
    config = dict(in_features=into, out_features=out, bias=bias,
                  activation_function=f"torch.nn.modules.{'linear' if act == 'Identity' else 'activation'}.{act}")
    if residual:
        config["use_residual"] = True
        tensors += [["residual.weight", out, into]] * (into != out)
    return ("Dense", config, tensors)


def case(name, *modules, options=None, limits=None, transformer="", types=OLD, **call):
    """The files of a directory, and what encode() is called with. types: classes by their old names or the new ones."""
    files, tensors = {}, {}
    full = lambda k: types.get(k, OLD[""] + k)
    listed = [dict(idx=0, name="0", path=transformer, type=full("Transformer"))]
    for i, (k, config, stored) in enumerate(modules, 1):
        folder = f"{i}_{k}"
        listed.append(dict(idx=i, name=str(i), path=folder, type=full(k)))
        if config is not None:
            files[f"{folder}/config.json"] = config
        if stored:
            tensors[folder] = stored
    files["modules.json"] = listed
    if options is not None:
        files["config_sentence_transformers.json"] = options
    if limits is not None:
        files[os.path.join(transformer, "sentence_bert_config.json")] = limits
    return dict(name=name, transformer=transformer, files=files, tensors=tensors, call=call)


def encoders():
    every = ["cls_token", "max_tokens", "mean_tokens", "mean_sqrt_len_tokens", "weightedmean_tokens", "lasttoken"]
    prompts = dict(prompts={"query": "the big ", "passage": "walk", "nothing": ""})
    all_modes = pooling(pooling_mode=["cls", "max", "mean", "mean_sqrt_len_tokens", "weightedmean", "lasttoken"],
                        include_prompt=False)
    out = [case(f"pooling {n}", flags(n)) for n in every]
    out += [
        case("all flags", flags(*every)),
        case("no flag", pooling(pooling_mode_mean_tokens=False)),
        case("pooling_mode", pooling(pooling_mode="lasttoken", pooling_mode_mean_tokens=True)),
        case("pooling_mode list", pooling(pooling_mode=["weightedmean", "cls", "mean"]), types=NEW),
        case("Normalize", MEAN, NORMALIZE, types=NEW),
        case("Dense", flags("cls_token"), dense(HIDDEN, 9), NORMALIZE, types=NEW),
        case("Dense without bias", MEAN, dense(HIDDEN, 31, "Identity", bias=False)),
        case("Dense three times", flags("max_tokens", "mean_tokens"), dense(2 * HIDDEN, 7, "ReLU"), dense(7, 13, "GELU"),
             dense(13, 5, "Sigmoid", bias=False)),
        case("Dense residual", MEAN, dense(HIDDEN, HIDDEN, residual=True), dense(HIDDEN, 6, residual=True)),
        case("LayerNorm", MEAN, LAYER_NORM, NORMALIZE),
        case("Dropout", flags("cls_token"), DROPOUT),
        case("in turn", MEAN, NORMALIZE, dense(HIDDEN, HIDDEN, "Tanh"), LAYER_NORM, DROPOUT, dense(HIDDEN, 4, "Identity")),
        case("old layout", flags("cls_token"), transformer="0_Transformer"),
        case("old layout, short", MEAN, transformer="0_Transformer", limits=dict(max_seq_length=6, do_lower_case=False)),
        case("truncate_dim", MEAN, NORMALIZE, options=dict(truncate_dim=5)),
        case("truncate_dim, larger", MEAN, options=dict(truncate_dim=500)),
        case("truncate_dim, other", MEAN, options=dict(truncate_dim=5), truncate_dim=8),
        case("truncate_dim, normalized", MEAN, NORMALIZE, truncate_dim=8, normalize_embeddings=True),
        case("normalized", MEAN, normalize_embeddings=True),
        case("default prompt", MEAN, options=dict(prompts, default_prompt_name="query")),
        case("default prompt, empty", MEAN, options=dict(prompts, default_prompt_name="nothing")),
        case("default prompt, not wanted", MEAN, options=dict(prompts, default_prompt_name="query"), prompt=""),
        case("prompt", MEAN, options=prompts, prompt="a small "),
        case("prompt_name", MEAN, options=dict(prompts, default_prompt_name="query"), prompt_name="passage"),
        case("prompt_name of every model", MEAN, prompt_name="document"),
        case("include_prompt", all_modes, options=dict(prompts, default_prompt_name="query")),
        case("include_prompt, short", all_modes, options=dict(prompts, default_prompt_name="passage"), limits=dict(max_seq_length=5)),
        case("include_prompt, one word", all_modes, options=prompts, prompt_name="passage"),
    ]
    out += [case(f"activation {a}", MEAN, dense(HIDDEN, 6, a)) for a in ACTIVATIONS]
    return out


def write(directory, c, architecture, **config):
    folder = os.path.join(directory, c["transformer"])
    os.makedirs(folder, exist_ok=True)
    build(architecture, **config).float().save_pretrained(folder)
    with open(os.path.join(folder, "vocab.txt"), "w") as f:
        f.write("".join(w + "\n" for w in words()))
    with open(os.path.join(folder, "tokenizer_config.json"), "w") as f:
        json.dump(dict(tokenizer_class="BertTokenizer", model_max_length=SIZES["max_position_embeddings"]), f)
    for path, value in c["files"].items():
        os.makedirs(os.path.dirname(os.path.join(directory, path)), exist_ok=True)
        with open(os.path.join(directory, path), "w") as f:
            json.dump(value, f)
    for path, tensors in c["tensors"].items():
        save_file({n: weight(f"{path}.{n}", (r, k) if k else (r,)).float() for n, r, k in tensors},
                  os.path.join(directory, path, "model.safetensors"))


def encoded(c):
    with tempfile.TemporaryDirectory() as d:
        write(d, c, "BertModel")
        m = SentenceTransformer(d, device="cpu").double()
        return dict(c, vectors=m.encode(TEXTS, **c["call"]).tolist())


def cross_encoders():
    act = lambda n: f"torch.nn.modules.{'linear' if n == 'Identity' else 'activation'}.{n}"
    st6 = lambda a, **more: {
        "modules.json": [dict(idx=0, name="0", path="", type=NEW["Transformer"])],
        "sentence_bert_config.json": dict(transformer_task="sequence-classification", module_output_name="scores",
                                          modality_config=dict(text=dict(method="forward", method_output_name="logits"))),
        "config_sentence_transformers.json": dict(model_type="CrossEncoder", activation_fn=a, **more)}
    rows = [("nothing said", {}, {}), ("old key", dict(sbert_ce_default_activation_function=act("Identity")), {}),
            ("old key, null", dict(sbert_ce_default_activation_function=None), {}),
            ("key", dict(sentence_transformers=dict(activation_fn=act("Tanh"), version="4.1.0")), {}),
            ("file", {}, st6(act("Identity"))), ("file, sigmoid", {}, st6(act("Sigmoid"))),
            ("file before key", dict(sentence_transformers=dict(activation_fn=act("Tanh"))), st6(act("Identity"))),
            ("prompt", {}, st6(act("Identity"), prompts=dict(q="the big "), default_prompt_name="q"))]
    out = []
    for name, config, files in rows:
        c = dict(name=name, transformer="", files=files, tensors={}, config=config)
        with tempfile.TemporaryDirectory() as d:
            write(d, c, "BertForSequenceClassification", num_labels=1, **config)
            scores = CrossEncoder(d, device="cpu").double().predict([(TEXTS[1], t) for t in TEXTS])
        out.append(dict(c, scores=scores.tolist()))
    return out


def vectors(n, dim):
    """The test makes them as well."""
    x = weight("vectors", (n, dim)).float().numpy()
    x[:, 3] = 0.5  # a column without a range
    return x


def similarities():
    a, b = vectors(2, 24)
    return {n: float(SimilarityFunction.to_similarity_fn(n)(a.astype(np.float64), b.astype(np.float64)))
            for n in ("cosine", "dot", "euclidean", "manhattan")}


def quantized():
    x = vectors(120, 19)
    ranges = np.stack([np.full(19, -0.125, np.float32), np.full(19, 0.0625, np.float32)])
    out = {k: util.quantize_embeddings(x, precision=k).reshape(-1).tolist() for k in ("int8", "uint8", "binary", "ubinary")}
    out["int8 of ranges"] = util.quantize_embeddings(x, precision="int8", ranges=ranges).reshape(-1).tolist()
    return out


def plain(x):
    if isinstance(x, dict):
        return {k: plain(v) for k, v in x.items()}
    if isinstance(x, list):
        return [plain(v) for v in x]
    return float(f"{x:.9g}") if isinstance(x, float) else x


def main():
    versions = (f"torch {torch.__version__}, transformers {transformers.__version__}, "
                f"sentence-transformers {sentence_transformers.__version__}, numpy {np.__version__}")
    golden = dict(made_by="tools/golden_sentences.py", versions=versions, texts=TEXTS,
                  encoders=[encoded(c) for c in encoders()], cross_encoders=cross_encoders(), similarities=similarities(),
                  quantized=quantized())
    path = os.path.join(HERE, "..", "tests", "golden", "sentences.json")
    with open(path, "w") as f:
        json.dump(plain(golden), f, separators=(",", ":"))
        f.write("\n")
    print(path, os.path.getsize(path), "bytes;", versions, file=sys.stderr)


if __name__ == "__main__":
    main()
