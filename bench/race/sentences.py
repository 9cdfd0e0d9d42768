"""Real lengths: sentences of SST-2 from text to mean vectors, tokenization included.

Rivals take batches of 32 padded to the longest, once in the order of the file and once sorted by length, as
sentence-transformers does; the better one counts. Ours has two passes as well, of which the better counts.
"""
import numpy as np

import pool
from engines import AGREES, GROUPS, of_group
from room import Room
from throughput import ratio_text, ratios

# Models that take part, and which part of --sentences they embed: the larger one would take minutes an engine.
MODELS = {"all-MiniLM-L6-v2": 1, "bert-base": 20}
ORDERS = ["given", "sorted"]


def sentences(context, n):
    with open(context.find("SST-2/train.tsv"), encoding="utf-8") as f:
        lines = [line.split("\t")[0].strip() for line in f.read().split("\n")[1:]]
    lines = [line for line in lines if line][:n]
    out = context.scratch(f"sentences-{n}.txt")
    with open(out, "w", encoding="utf-8") as f:
        f.write("\n".join(lines) + "\n")
    return out, len(lines)


def cosine(a, b):
    norms = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    return float(np.mean((a * b).sum(1) / np.maximum(norms, 1e-30)))


def embed(context, room, engine, path, order):
    out = context.scratch("vectors.bin")
    got = room.ask(engine, "embed", path, out, *([] if engine.ours else [order]))
    return got["seconds"][0], got["tokens"], np.fromfile(out, dtype=np.float32).astype(np.float64)


def one_class(context, name, group, path, n):
    results = {}
    with Room(context, of_group(group), context.models.directory(name)) as room:
        for order in ORDERS:
            for engine in list(room.engines):
                context.say(f"{name}, {n} sentences, {order} order: {engine.name}")
                try:
                    seconds, tokens, vectors = embed(context, room, engine, path, order)
                except pool.Failed as e:
                    room.lose(engine, e)
                    continue
                r = results.setdefault(engine, {"engine": engine.name, "group": group, "ours": engine.ours})
                r.update({order: seconds, "tokens": tokens, "vectors": vectors.reshape(n, -1)})
    return [r for r in results.values() if all(order in r for order in ORDERS)]


def one_model(context, name, n):
    path, n = sentences(context, n)
    rows = [r for group in GROUPS for r in one_class(context, name, group, path, n)]
    # PyTorch's float32 vectors are what the others are compared with.
    want = next((r["vectors"] for r in rows if r["engine"] == "PyTorch f32"), None)
    for r in rows:
        vectors = r.pop("vectors")
        if want is not None:
            r["cosine"] = cosine(vectors, want)
            r["agrees"] = r["cosine"] >= AGREES[r["group"]]
        r["seconds"] = min(r[o] for o in ORDERS)
        r["tokens_per_second"] = r["tokens"] / r["seconds"]
        r["sentences_per_second"] = n / r["seconds"]
    return {"model": name, "sentences": n, "rows": ratios(rows)}


def run(context):
    return [one_model(context, name, max(32, context.sentences // part)) for name, part in MODELS.items()
            if name in context.names]


def tables(results):
    for c in results:
        body = [[r["engine"] + ("" if r.get("agrees", True) else " (disagrees: not counted)"), r["group"],
                 f"{r['given']:.2f}", f"{r['sorted']:.2f}", f"{r['sentences_per_second']:,.0f}",
                 f"{r['tokens_per_second']:,.0f}", ratio_text(r), f"{r['cosine']:.6f}" if "cosine" in r else ""]
                for r in c["rows"]]
        yield (f"{c['model']}: {c['sentences']:,} sentences of SST-2, from text to mean vectors",
               ["engine", "class", "s, given order", "s, sorted", "sentences/s", "tokens/s", "ours / best rival",
                "cosine with PyTorch f32"], body)
