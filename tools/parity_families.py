#!/usr/bin/env python3
"""Error and speed of each family at the shape of its base model: random weights, a few layers, one text. Prints, of the
last hidden state, the largest difference from transformers in float64, ours and PyTorch's own in float32, our cosines
in bf16 and int8, and the time of a pass beside PyTorch's.

    pip install torch==2.15.0 transformers==5.24.0 numpy==2.4.6
    python tools/parity_families.py [TOKENS [LAYERS [FAMILY..]]]
"""
import ctypes as c
import json
import os
import sys
import tempfile
import time

import numpy as np
import torch
import transformers
from safetensors.torch import save_file

from golden_families import Jina, turn_in_double

transformers.models.esm.modeling_esm.apply_rotary_pos_emb = turn_in_double  # it would turn in float32

BASE = dict(hidden_size=768, num_attention_heads=12, intermediate_size=3072, vocab_size=1000)
FAMILIES = {
    "bert": ("Bert", BASE),
    "roberta": ("Roberta", dict(BASE, pad_token_id=1, layer_norm_eps=1e-5, max_position_embeddings=514)),
    "distilbert": ("DistilBert", dict(dim=768, n_heads=12, hidden_dim=3072, vocab_size=1000)),
    "electra": ("Electra", dict(BASE, embedding_size=768)),
    "albert": ("Albert", dict(BASE, embedding_size=128)),
    "mpnet": ("MPNet", dict(BASE, layer_norm_eps=1e-5, max_position_embeddings=514)),
    "modernbert": ("ModernBert", dict(BASE, intermediate_size=1152, pad_token_id=0, bos_token_id=1, eos_token_id=2,
                                      cls_token_id=1, sep_token_id=2)),
    "nomic_bert": ("NomicBert", BASE),
    "gte": ("Gte", BASE),
    "deberta-v2": ("DebertaV2", dict(BASE, relative_attention=True, position_buckets=256, norm_rel_ebd="layer_norm",
                                     pos_att_type=["p2c", "c2p"], share_att_key=True, position_biased_input=False)),
    "esm": ("Esm", dict(BASE, pad_token_id=1, mask_token_id=9, position_embedding_type="rotary", token_dropout=True,
                        layer_norm_eps=1e-5, max_position_embeddings=1026)),
    "jina": ("JinaBert", dict(BASE, model_type="bert", position_embedding_type="alibi", feed_forward_type="geglu",
                              max_position_embeddings=8192)),
    "deberta": ("Deberta", dict(BASE, relative_attention=True, max_relative_positions=512, pos_att_type=["c2p", "p2c"],
                                position_biased_input=False, type_vocab_size=0, layer_norm_eps=1e-7)),
}
F, I = c.POINTER(c.c_float), c.POINTER(c.c_int32)


class Error(c.Structure):
    _fields_ = [("code", c.c_int), ("message", c.c_char * 500)]


class SessionOptions(c.Structure):
    _fields_ = [("threads", c.c_int), ("precision", c.c_int), ("batch_tokens", c.c_int32), ("shared", c.c_void_p)]


class Inputs(c.Structure):
    _fields_ = [("n", c.c_int32), ("start", I), ("ids", I), ("type_ids", I), ("logit_tokens", I),
                ("logit_tokens_count", c.c_int32), ("columns", c.c_void_p), ("column_count", c.c_int32),
                ("embeds", c.c_void_p), ("attended", c.c_void_p)]


class Outputs(c.Structure):
    _fields_ = [("tokens", c.c_int32), ("hidden_size", c.c_int32), ("layers", c.c_int32), ("heads", c.c_int32),
                ("last_hidden_state", F), ("rest", c.c_void_p * 16)]


ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
lib = c.CDLL(os.environ.get("LIBBERT", os.path.join(ROOT, "build", "libbert.so")))
lib.bert_model_open.restype = lib.bert_session_new.restype = c.c_void_p
lib.bert_model_open.argtypes = [c.c_char_p, c.c_void_p, c.POINTER(Error)]
lib.bert_session_new.argtypes = [c.c_void_p, c.POINTER(SessionOptions), c.POINTER(Error)]
lib.bert_session_run.argtypes = [c.c_void_p, c.POINTER(Inputs), c.c_uint, c.POINTER(Outputs), c.POINTER(Error)]
lib.bert_session_free.argtypes = lib.bert_model_close.argtypes = [c.c_void_p]


def ours(directory, ids, precision, repeats):
    e, out = Error(), Outputs()
    m = lib.bert_model_open(directory.encode(), None, c.byref(e))
    s = m and lib.bert_session_new(m, c.byref(SessionOptions(threads=1, precision=precision)), c.byref(e))
    if not s:
        sys.exit(e.message.decode())
    n = len(ids)
    inputs = Inputs(n=1, start=(c.c_int32 * 2)(0, n), ids=(c.c_int32 * n)(*ids))
    times = []
    for _ in range(repeats + 2):
        t = time.perf_counter()
        if lib.bert_session_run(s, c.byref(inputs), 0, c.byref(out), c.byref(e)):
            sys.exit(e.message.decode())
        times.append(time.perf_counter() - t)
    x = np.ctypeslib.as_array(out.last_hidden_state, (n, out.hidden_size)).copy()
    lib.bert_session_free(s)
    lib.bert_model_close(m)
    return x, min(times[2:])


def cosine(a, b):
    return ((a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)).min()


def timed(model, ids, **more):
    """Its hidden states, and the least time of a pass."""
    times = []
    for _ in range(4):
        begin = time.perf_counter()
        hidden = model(torch.tensor([ids]), **more).last_hidden_state[0].numpy()
        times.append(time.perf_counter() - begin)
    return hidden, min(times[1:])


def jina(directory, config, ids):
    """Remote code: of golden_families, with weights as transformers would begin with."""
    c = transformers.BertConfig(**config)
    c._attn_implementation = "eager"
    model = Jina.build("Model", c)
    for p in model.parameters():
        p.normal_(0, c.initializer_range) if p.dim() > 1 else p.fill_(0)
    for m in model.modules():
        if isinstance(m, torch.nn.LayerNorm):
            m.weight.fill_(1)
    save_file({k: v.float().contiguous() for k, v in model.state_dict().items()},
              os.path.join(directory, "model.safetensors"))
    with open(os.path.join(directory, "config.json"), "w") as f:
        json.dump(dict(config, architectures=["JinaBertModel"]), f)
    bias = Jina.bias(c.num_attention_heads, len(ids))
    f32 = timed(model.float(), ids, attention_mask=bias.float())
    return f32, timed(model.double(), ids, attention_mask=bias)[0]


def theirs(name, directory, config, ids):
    """Saves a model, and gives its hidden states and time in float32, and the former in float64."""
    if name == "jina":
        return jina(directory, config, ids)
    prefix = FAMILIES[name][0]
    cls = getattr(transformers, prefix + "Model")
    cls(getattr(transformers, prefix + "Config")(**config)).save_pretrained(directory)
    f32 = timed(cls.from_pretrained(directory, dtype=torch.float32).eval(), ids)
    f64 = cls.from_pretrained(directory, dtype=torch.float64, attn_implementation="eager").eval()
    return f32, f64(torch.tensor([ids])).last_hidden_state[0].numpy()


def main():
    tokens, layers = (int(x) for x in (sys.argv[1:3] + ["128", "4"][len(sys.argv) - 1:]))
    torch.set_num_threads(1)
    print(f"{tokens} tokens, {layers} layers, one thread; torch {torch.__version__}")
    print("family        error: ours     PyTorch's  ratio  cosine: bf16     int8        ms: ours  PyTorch's  bf16   int8")
    for name in sys.argv[3:] or FAMILIES:
        torch.manual_seed(0)
        # as wide as trained weights' hidden states are: the initial 0.02 would leave attention flat
        config = dict(FAMILIES[name][1], num_hidden_layers=layers, initializer_range=0.05)
        ids = [3 + i * 7919 % 990 for i in range(tokens)]
        with tempfile.TemporaryDirectory() as d, torch.no_grad():
            (f32, time_f32), f64 = theirs(name, d, config, ids)
            x, time_x = ours(d, ids, 0, 4)
            b, time_b = ours(d, ids, 2, 4)
            q, time_q = ours(d, ids, 3, 4)
        own, its = np.abs(x - f64).max(), np.abs(f32 - f64).max()
        print(f"{name:12}  {own:11.2e}  {its:11.2e}  {own / its:5.2f}  {cosine(b, f64):11.6f}  {cosine(q, f64):9.6f}"
              f"  {time_x * 1e3:9.1f}  {time_f32 * 1e3:9.1f}  {time_b * 1e3:5.1f}  {time_q * 1e3:5.1f}", flush=True)


if __name__ == "__main__":
    main()
