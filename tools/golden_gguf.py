#!/usr/bin/env python3
"""Writes tests/golden/gguf/: tiny models as llama.cpp's converter writes them, tensors of every type with the values
that gguf's numpy code makes of them, and the vectors that llama.cpp computes. The weights come from a formula (weight()
of golden_models.py, test_weight() in tests/models.h).

    pip install gguf==0.19.0 llama-cpp-python==0.3.36 tokenizers==0.23.3 torch==2.15.0 transformers==5.24.0 numpy==2.4.6
    python tools/golden_gguf.py
"""
import json
import os

import gguf
import numpy as np
from gguf import GGMLQuantizationType as T
from gguf.quants import dequantize

from golden_models import weight as torch_weight

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tests", "golden", "gguf")
VOCAB, HIDDEN, LAYERS, HEADS, INNER, POSITIONS = 40, 24, 2, 3, 36, 20
WORDS = ("[PAD] [UNK] [CLS] [SEP] [MASK] the a cat dog sat ran on under mat tree house and or not is was big small red "
         "blue ##s ##ed ##ing play walk jump sleep . , ! ? it he she they").split()
TEXTS = ["The cat sat on the mat.", "she walked"]
QUANTISED = [T.Q8_0, T.Q4_0, T.Q4_1, T.Q5_0, T.Q5_1, T.Q2_K, T.Q3_K, T.Q4_K, T.Q5_K, T.Q6_K]
NAMES = {"bert": {"token_embd": "embeddings.word_embeddings", "position_embd": "embeddings.position_embeddings",
                  "token_types": "embeddings.token_type_embeddings", "token_embd_norm": "embeddings.LayerNorm",
                  "attn_q": "encoder.layer.%d.attention.self.query", "attn_k": "encoder.layer.%d.attention.self.key",
                  "attn_v": "encoder.layer.%d.attention.self.value",
                  "attn_output": "encoder.layer.%d.attention.output.dense",
                  "attn_output_norm": "encoder.layer.%d.attention.output.LayerNorm",
                  "ffn_up": "encoder.layer.%d.intermediate.dense", "ffn_down": "encoder.layer.%d.output.dense",
                  "layer_output_norm": "encoder.layer.%d.output.LayerNorm"},
         "distilbert": {"token_embd": "embeddings.word_embeddings", "position_embd": "embeddings.position_embeddings",
                        "token_embd_norm": "embeddings.LayerNorm", "attn_q": "transformer.layer.%d.attention.q_lin",
                        "attn_k": "transformer.layer.%d.attention.k_lin",
                        "attn_v": "transformer.layer.%d.attention.v_lin",
                        "attn_output": "transformer.layer.%d.attention.out_lin",
                        "attn_output_norm": "transformer.layer.%d.sa_layer_norm",
                        "ffn_up": "transformer.layer.%d.ffn.lin1", "ffn_down": "transformer.layer.%d.ffn.lin2",
                        "layer_output_norm": "transformer.layer.%d.output_layer_norm"},
         "nomic-bert": {"token_embd": "embeddings.word_embeddings", "token_types": "embeddings.token_type_embeddings",
                        "token_embd_norm": "emb_ln", "attn_qkv": "encoder.layers.%d.attn.Wqkv",
                        "attn_output": "encoder.layers.%d.attn.out_proj", "attn_output_norm": "encoder.layers.%d.norm1",
                        "ffn_up": "encoder.layers.%d.mlp.fc11", "ffn_gate": "encoder.layers.%d.mlp.fc12",
                        "ffn_down": "encoder.layers.%d.mlp.fc2", "layer_output_norm": "encoder.layers.%d.norm2"},
         "modern-bert": {"token_embd": "embeddings.tok_embeddings", "token_embd_norm": "embeddings.norm",
                         "attn_norm": "layers.%d.attn_norm", "attn_qkv": "layers.%d.attn.Wqkv",
                         "attn_output": "layers.%d.attn.Wo", "ffn_norm": "layers.%d.mlp_norm", "ffn_up": "layers.%d.mlp.Wi",
                         "ffn_down": "layers.%d.mlp.Wo", "output_norm": "final_norm"}}
NAMES["jina-bert-v2"] = {k: v for k, v in NAMES["bert"].items() if k != "position_embd"} | {
    "ffn_up": "encoder.layer.%d.mlp.gated_layers", "ffn_down": "encoder.layer.%d.mlp.wo",
    "layer_output_norm": "encoder.layer.%d.mlp.layernorm"}
SHAPES = {"token_embd": (VOCAB, HIDDEN), "position_embd": (POSITIONS, HIDDEN), "token_types": (2, HIDDEN),
          "ffn_up": (INNER, HIDDEN), "ffn_down": (HIDDEN, INNER), "ffn_gate": (INNER, HIDDEN),
          "attn_qkv": (3 * HIDDEN, HIDDEN)}


def shape_of(family, part):
    if part == "ffn_up" and family in ("jina-bert-v2", "modern-bert"):
        return 2 * INNER, HIDDEN
    return SHAPES.get(part, (HIDDEN,) if part.endswith("norm") else (HIDDEN, HIDDEN))


def has_bias(family, part):
    if part in ("token_embd", "position_embd", "token_types") or family == "modern-bert":
        return False
    return part.endswith("norm") if family == "nomic-bert" else (family, part) != ("jina-bert-v2", "ffn_up")


def weight(name, shape):
    return torch_weight(name, shape).numpy().astype(np.float32)


def tokens(kind):
    """Words begin with U+2581 and what follows them does not; special names stay."""
    def turn(t):
        if t.startswith("["):
            return t
        return t[2:] if t.startswith("##") else "\u2581" + t
    return [turn(t) for t in WORDS] if kind == "marked" else WORDS


def write(name, family="bert", tensors=None, kind="marked", pooling=gguf.PoolingType.MEAN, labels=None, fused=False,
          half=False, more=()):
    path = os.path.join(HERE, name)
    w = gguf.GGUFWriter(path, family if "-" in family else "bert")
    if family == "nomic-bert":
        w.add_rope_freq_base(1000.0)
    if family == "modern-bert":
        w.add_rope_freq_base(160000.0)
        w.add_rope_freq_base_swa(10000.0)
        w.add_rope_scaling_type(gguf.RopeScalingType.NONE)
        w.add_sliding_window(6)
        w.add_sliding_window_pattern(2)
    w.add_block_count(LAYERS)
    w.add_context_length(POSITIONS)
    w.add_embedding_length(HIDDEN)
    w.add_feed_forward_length(INNER)
    w.add_head_count(HEADS)
    w.add_layer_norm_eps(1e-12)
    w.add_causal_attention(False)
    w.add_pooling_type(pooling)
    if labels:
        w.add_classifier_output_labels(labels)
    w.add_tokenizer_model("bert")
    w.add_tokenizer_pre("default")
    w.add_token_list(tokens(kind))
    w.add_token_types([3 if t.startswith("[") else 1 for t in WORDS])
    w.add_token_type_count(2)
    for add, i in ((w.add_bos_token_id, 2), (w.add_sep_token_id, 3), (w.add_unk_token_id, 1), (w.add_pad_token_id, 0),
                   (w.add_mask_token_id, 4)):
        add(i)
    def put(n, x):
        matrix = x.ndim == 2 and n.startswith("blk")
        w.add_tensor(n, x.astype(np.float16) if half and matrix else x)
    parts = NAMES[family]
    for part, called in parts.items():
        for i in range(LAYERS if "%d" in called else 1):
            own = "blk.%d.%s" % (i, part) if "%d" in called else part
            if part == "attn_norm" and i == 0:
                continue
            if fused and part in ("attn_k", "attn_v"):
                continue
            rows = ["attn_q", "attn_k", "attn_v"] if fused and part == "attn_q" else [part]
            own = "blk.%d.attn_qkv" % i if len(rows) > 1 else own
            shape = shape_of(family, part)
            full = [weight((parts[p] % i if "%d" in called else called) + ".weight", shape) for p in rows]
            put(own + ".weight", np.concatenate(full))
            if has_bias(family, part):
                full = [weight((parts[p] % i if "%d" in called else called) + ".bias", shape[:1]) for p in rows]
                put(own + ".bias", np.concatenate(full))
    for n, x in more:
        w.add_tensor(n, x)
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()
    print(name, os.path.getsize(path), "bytes")
    return path


def blocks(rng, kind):
    """Two blocks of any bits, with scales that are numbers."""
    block, size = gguf.GGML_QUANT_SIZES[kind]
    b = rng.integers(0, 256, (2, size), dtype=np.uint8)
    scales = {T.Q4_1: (0, 2), T.Q5_1: (0, 2), T.Q4_K: (0, 2), T.Q5_K: (0, 2), T.Q2_K: (80, 82), T.Q3_K: (108,),
              T.Q6_K: (208,)}.get(kind, (0,))
    for at in scales:
        b[:, at:at + 2] = rng.normal(0, 0.1, 2).astype(np.float16).reshape(2, 1).view(np.uint8)
    return b


def types():
    rng = np.random.default_rng(7)
    path = os.path.join(HERE, "types.gguf")
    w = gguf.GGUFWriter(path, "bert")
    values = {}
    for kind in QUANTISED:
        b = blocks(rng, kind)
        w.add_tensor(kind.name, b, raw_dtype=kind)
        values[kind.name] = [float(x) for x in dequantize(b, kind).flatten()]
    half = rng.normal(0, 1, 8).astype(np.float16)
    w.add_tensor("F16", half)
    values["F16"] = [float(x) for x in half]
    brain = (rng.normal(0, 1, 8).astype(np.float32).view(np.uint32) >> 16).astype(np.uint16)
    w.add_tensor("BF16", brain.view(np.uint8).reshape(1, 16), raw_dtype=T.BF16)
    values["BF16"] = [float(x) for x in (brain.astype(np.uint32) << 16).view(np.float32)]
    w.add_tensor("IQ4_NL", np.zeros((1, 18), np.uint8), raw_dtype=T.IQ4_NL)
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()
    return values


def tokenizer(name, kind):
    """A file with nothing but a tokenizer, and what the original one makes of texts."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, AddedToken
    modern = kind == "modern"
    special = ["[CLS]", "[PAD]", "[SEP]", "[UNK]", "[MASK]"] if modern else ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    cls, pad, sep, unk, mask = special
    texts = ["The cat sat on the mat.", "  two  spaces", "caf\u00e9 \u00fc na\u00efve", f"a{mask}b {mask}", "\uff21\uff22 \u2460", "e\u0301   a"]
    w = gguf.GGUFWriter(os.path.join(HERE, name), "modern-bert" if modern else "bert")
    w.add_context_length(POSITIONS)
    w.add_tokenizer_model("gpt2" if modern else kind)
    if kind != "t5":
        letters = sorted(pre_tokenizers.ByteLevel.alphabet())
        merges = [("t", "h"), ("th", "e"), ("c", "a"), ("ca", "t"), ("\u0120", "s"), ("\u0120", "the"), ("a", "t")]
        words = special + letters + sorted({a + b for a, b in merges})
        t = Tokenizer(models.BPE({x: i for i, x in enumerate(words)}, merges))
        t.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        if modern:
            t.normalizer = normalizers.NFC()
            t.add_tokens([AddedToken("  ", normalized=True)])
            words = words + ["  "]
        w.add_token_merges([" ".join(m) for m in merges])
        types = [3 if x in special else 4 if x == "  " else 1 for x in words]
    else:
        pieces = [(x, 0.0) for x in special[:4]] + [("\u2581", -2.0), ("\u2581the", -3.0), ("\u2581The", -3.5), ("\u2581cat", -4.0),
                  ("at", -3.0), ("\u2581s", -3.25), ("\u2581m", -3.5), ("\u2581on", -3.75), ("s", -5.0), ("p", -5.0), ("a", -5.0),
                  ("c", -5.0), ("e", -5.0), ("two", -6.0), (".", -4.5), ("A", -6.0), ("B", -6.0), ("1", -6.0), ("<mask>", 0.0)]
        words = [x for x, _ in pieces]
        t = Tokenizer(models.Unigram(pieces, 3, False))
        t.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()])
        w.add_token_scores([s for _, s in pieces])
        types = [2 if x == "<unk>" else 3 if x in special else 1 for x in words]
    t.post_processor = processors.TemplateProcessing("[CLS] $A [SEP]", "[CLS] $A [SEP] $B:1 [SEP]:1", [(cls, 0), (sep, 2)]) \
        if modern else processors.RobertaProcessing((sep, 2), (cls, 0), add_prefix_space=False)
    t.add_special_tokens([AddedToken(x, lstrip=x == mask, special=True, normalized=False) for x in special])
    w.add_token_list(words)
    w.add_token_types(types)
    for add, x in ((w.add_bos_token_id, cls), (w.add_eos_token_id, sep), (w.add_unk_token_id, unk),
                   (w.add_pad_token_id, pad), (w.add_mask_token_id, mask)):
        add(words.index(x))
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.close()
    return [dict(text=x, ids=t.encode(x).ids) for x in texts]


def vectors(path):
    import llama_cpp
    m = llama_cpp.Llama(path, embedding=True, verbose=False, n_ctx=POSITIONS, n_threads=1)
    out = [m.embed(t, normalize=False) for t in TEXTS]
    return [[float(x) for x in np.array(v).flatten()] for v in out]


def main():
    os.makedirs(HERE, exist_ok=True)
    head = [("cls.weight", weight("pooler.dense.weight", (HIDDEN, HIDDEN))),
            ("cls.bias", weight("pooler.dense.bias", (HIDDEN,))),
            ("cls.output.weight", weight("classifier.weight", (3, HIDDEN))),
            ("cls.output.bias", weight("classifier.bias", (3,)))]
    golden = dict(made_by="tools/golden_gguf.py", gguf=gguf.__version__ if hasattr(gguf, "__version__") else "0.19.0",
                  texts=TEXTS, types=types(), vectors={})
    for name, arguments in (("mean.gguf", {}), ("cls.gguf", dict(pooling=gguf.PoolingType.CLS, half=True)),
                            ("fused.gguf", dict(fused=True, kind="raw", pooling=gguf.PoolingType.NONE))):
        path = write(name, **arguments)
        if name != "fused.gguf":
            golden["vectors"][name] = vectors(path)
    for family in ("nomic-bert", "jina-bert-v2", "modern-bert"):
        golden["vectors"][family + ".gguf"] = vectors(write(family + ".gguf", family=family))
    golden["tokenizers"] = {name + ".gguf": tokenizer(name + ".gguf", name) for name in ("gpt2", "t5", "modern")}
    write("distilbert.gguf", family="distilbert")
    write("labels.gguf", more=head, labels=["low", "middle", "high"], pooling=gguf.PoolingType.RANK)
    with open(os.path.join(HERE, "gguf.json"), "w") as f:
        json.dump(golden, f, separators=(",", ":"))
        f.write("\n")


if __name__ == "__main__":
    main()
