#!/usr/bin/env python3
"""Writes tests/golden/torch/: small files as torch.save writes them (today's zip archives, those of torch 1.6 and of
before), and what is in them, in torch.json.

    pip install torch==2.15.0
    python tools/golden_torch.py
"""
import collections
import io
import json
import os
import zipfile

import torch

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tests", "golden", "torch")


def numbers(n, dtype=torch.float32, scale=8):
    return ((torch.arange(n) * 37 % 101 - 50).double() / scale).to(dtype)


def tensors():
    """Every type and every way for a tensor to lie in its storage."""
    table = numbers(40).reshape(8, 5)
    shared = numbers(60, scale=4)
    return collections.OrderedDict([
        ("plain", table),
        ("tied", table),
        ("transposed", numbers(12).reshape(3, 4).t()),
        ("permuted", numbers(24).reshape(2, 3, 4).permute(2, 0, 1)),
        ("expanded", numbers(3).reshape(1, 3).expand(4, 3)),
        ("column", numbers(20).reshape(5, 4)[:, 1]),
        ("every second", numbers(20)[1::2]),
        ("query", shared[:20].reshape(4, 5)),
        ("key", shared[20:40].reshape(4, 5)),
        ("value", shared[40:].reshape(4, 5)),
        ("double", numbers(6, torch.float64, 7)),
        ("half", numbers(6, torch.float16)),
        ("bfloat16", numbers(6, torch.bfloat16)),
        ("bfloat16 transposed", numbers(6, torch.bfloat16).reshape(2, 3).t()),
        ("scalar", torch.tensor(2.5)),
        ("empty", torch.zeros(0, 3)),
        ("parameter", torch.nn.Parameter(numbers(4))),
        ("position_ids", torch.arange(6).expand(1, -1)),
        ("int", torch.arange(3, dtype=torch.int32)),
        ("short", torch.arange(3, dtype=torch.int16)),
        ("char", torch.arange(3, dtype=torch.int8)),
        ("byte", torch.arange(3, dtype=torch.uint8)),
        ("bool", torch.tensor([True, False, True])),
        ("größe", numbers(2)),
    ])


def with_metadata():
    d = tensors()
    d._metadata = collections.OrderedDict([("", {"version": 1}), ("encoder", {"version": 2})])
    return d


def without(data, *names):
    """The archive without members that older versions do not write."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as new:
        for name in old.namelist():
            if not name.endswith(names):
                new.writestr(name, old.read(name))
    return out.getvalue()


def saved(value, **arguments):
    out = io.BytesIO()
    torch.save(value, out, **arguments)
    return out.getvalue()


def checkpoint(key):
    return {"epoch": 3, "lr": 2e-5, "done": False, "note": None, "args": ("a", ["b", 2**40, -7]), key: with_metadata(),
            "optimizer": {"state": {0: {"step": torch.tensor(1.0)}}}}


def main():
    os.makedirs(HERE, exist_ok=True)
    old = dict(_use_new_zipfile_serialization=False)
    files = {
        "zip.bin": saved(with_metadata()),
        "zip_1_6.bin": without(saved(with_metadata()), "byteorder", ".format_version", ".storage_alignment",
                               "serialization_id"),
        "legacy.bin": saved(with_metadata(), **old),
        "state_dict.bin": saved(checkpoint("state_dict")),
        "model.bin": saved(checkpoint("model"), **old),
    }
    for name, data in files.items():
        with open(os.path.join(HERE, name), "wb") as f:
            f.write(data)
    loaded = torch.load(io.BytesIO(files["legacy.bin"]), weights_only=True)
    golden = dict(made_by="tools/golden_torch.py", versions=f"torch {torch.__version__}", files=sorted(files), tensors=[
        dict(name=k, dtype=str(v.dtype).split(".")[1], shape=list(v.shape), values=v.double().flatten().tolist())
        for k, v in loaded.items()])
    with open(os.path.join(HERE, "torch.json"), "w") as f:
        json.dump(golden, f, separators=(",", ":"))
        f.write("\n")
    for name, data in files.items():
        print(name, len(data), "bytes")


if __name__ == "__main__":
    main()
