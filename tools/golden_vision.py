#!/usr/bin/env python3
"""Writes tests/golden/vision.json: what transformers computes, in float64, for tiny models of pictures. Weights and pixels come from a
formula (weight() of golden_models.py, test_weight() in tests/models.h), so that only names, shapes and results are stored.

    pip install torch==2.15.0 transformers==5.24.0 numpy==2.4.6
    python tools/golden_vision.py
"""
import json
import os

import torch
import transformers
from safetensors import safe_open

from golden_models import flat, weight

BASE = dict(hidden_size=12, num_hidden_layers=2, num_attention_heads=3, intermediate_size=20, image_size=12, patch_size=4, num_labels=3)
DINO = dict(hidden_size=12, num_hidden_layers=2, num_attention_heads=3, mlp_ratio=2, image_size=12, patch_size=4, num_labels=3)
CASES = [
    ("vit", "ViTModel", "ViTConfig", dict(BASE, pooler_output_size=5, pooler_act="relu"), [(12, 12), (16, 8), (20, 20), (8, 8)]),
    ("vit", "ViTModel", "ViTConfig", dict(BASE, image_size=[8, 12], patch_size=[4, 6], qkv_bias=False, num_channels=1), [(8, 12)]),
    ("vit", "ViTForImageClassification", "ViTConfig", dict(BASE, layer_norm_eps=1e-6), [(12, 12), (14, 19)]),
    ("deit", "DeiTForImageClassification", "DeiTConfig", BASE, [(12, 12), (16, 20)]),
    ("deit", "DeiTForImageClassificationWithTeacher", "DeiTConfig", BASE, [(12, 12)]),
    ("dinov2", "Dinov2ForImageClassification", "Dinov2Config", DINO, [(12, 12), (20, 12)]),
    ("dinov2", "Dinov2ForImageClassification", "Dinov2Config", dict(DINO, use_swiglu_ffn=True), [(12, 12)]),
    ("dinov2_with_registers", "Dinov2WithRegistersForImageClassification", "Dinov2WithRegistersConfig", dict(DINO, num_register_tokens=2),
     [(12, 12), (20, 12), (8, 4)]),
]
N = 2
out = []
for model_type, cls, config, keys, sizes in CASES:
    c = getattr(transformers, config)(**keys)
    c._attn_implementation = "eager"
    m = getattr(transformers, cls)(c).double().eval()
    m.save_pretrained("/tmp/golden_vision", safe_serialization=True)
    with safe_open("/tmp/golden_vision/model.safetensors", "pt") as f:
        shapes = {k: list(f.get_slice(k).get_shape()) for k in f.keys() if not k.endswith("mask_token")}
    # under the names of files: load them back
    from safetensors.torch import save_file
    save_file({k: torch.as_tensor(weight(k, tuple(s))).float().contiguous() for k, s in shapes.items()}, "/tmp/golden_vision/model.safetensors",
              metadata={"format": "pt"})
    m = getattr(transformers, cls).from_pretrained("/tmp/golden_vision", attn_implementation="eager").double().eval()
    case = dict(model_type=model_type, architecture=cls, config=keys, tensors=shapes, results=[])
    channels = keys.get("num_channels", 3)
    for h, w in sizes:
        x = torch.as_tensor(weight("pixels", (N, channels, h, w))).double() * 4
        more = {}
        declared = keys["image_size"] if isinstance(keys["image_size"], list) else [keys["image_size"]] * 2
        if not model_type.startswith("dinov2") and [h, w] != declared:
            more["interpolate_pos_encoding"] = True
        with torch.no_grad():
            o = m(x, output_hidden_states=True, output_attentions=True, **more)
            base = m.base_model(x, **more) if cls != m.base_model.__class__.__name__ else o
        r = dict(height=h, width=w, last_hidden_state=flat(base.last_hidden_state))
        if getattr(base, "pooler_output", None) is not None and cls.endswith("Model"):
            r["pooler_output"] = flat(base.pooler_output)
        if "logits" in o:
            r["logits"] = flat(o.logits)
        if (h, w) == sizes[0]:
            r["hidden_states"] = [flat(v) for v in o.hidden_states]
            r["attentions"] = [flat(v) for v in o.attentions]
        case["results"].append(r)
    out.append(case)
path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tests", "golden", "vision.json")
with open(path, "w") as f:
    f.write("[\n" + ",\n".join(json.dumps(c) for c in out) + "\n]\n")
print(os.path.getsize(path), "bytes")
