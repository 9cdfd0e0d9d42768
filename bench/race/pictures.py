"""ViT-base: pictures of 224 x 224 from normalized pixels, from JPEG files to labels, and a training step; in turn."""
import json
import os
import statistics
import subprocess
import sys
import time

import pool
import throughput
from engines import Engine
from throughput import ratio_text, ratios

MODEL, TOKENS = "vit-base", 197
BATCHES = [1, 8, 32]
FILES, STEP = 1000, 16
KINDS = ("ours", "torch", "onnxruntime", "openvino")
ENGINES = [
    Engine("bert highest", "f32", "ours", "highest"),
    Engine("PyTorch f32", "f32", "torch", "f32", "torch"),
    Engine("bert medium", "bf16", "ours", "medium"),
    Engine("PyTorch bf16", "bf16", "torch", "bf16", "torch"),
]


def script(context, model, *args):
    """picture_rival.py: seconds, and what it answered."""
    run = pool.run_once(context, [sys.executable, os.path.join(pool.HERE, "picture_rival.py"), model,
                                  str(context.threads), *map(str, args)], capture_output=True)
    if run.returncode:
        raise pool.Failed((run.stderr.strip() or "no result").splitlines()[-1][:300])
    return json.loads(run.stdout.splitlines()[-1])


def ours(context, *args):
    run = pool.run_once(context, [context.build("bert"), *map(str, args), "--threads", str(context.threads), "--json",
                                  "--quiet"], capture_output=True)
    if run.returncode:
        raise pool.Failed((run.stderr.strip() or "no result").splitlines()[-1][:300])
    return [json.loads(line) for line in run.stdout.splitlines()]


def files(context, engine, model, folder):
    """Ours is a process from its start to its end; PyTorch's imports and opening are left out of its time."""
    if engine.ours:
        begin = time.perf_counter()
        rows = ours(context, "classify", model, "-i", folder, "--precision", engine.precision)
        return time.perf_counter() - begin, {os.path.basename(r["image"]): r["label"] for r in rows}
    got = script(context, model, "files", engine.precision, folder)
    return got["seconds"], got["labels"]


def step(context, engine, model, _):
    if engine.ours:
        row = ours(context, "bench", model, "--train", "--batch", STEP, "--repeat", 3, "--precision", engine.precision)[0]
        return row["ms"] * 1e-3, None
    return script(context, model, "step", engine.precision, STEP)["seconds"], None


def compare(context, what, run_one, model, pictures, more=None):
    taken, answers = {e: [] for e in ENGINES}, {}
    for i in range(1 if context.quick else 2):
        for engine in list(taken):
            context.say(f"{what}, round {i + 1}: {engine.name}")
            try:
                seconds, answers[engine] = run_one(context, engine, model, more)
                taken[engine].append(seconds)
            except pool.Failed as e:
                context.absent(engine.name, e)
                del taken[engine]
    want = answers.get(ENGINES[0]) or {}
    rows = []
    for engine, times in taken.items():
        same = sum(answers[engine].get(k) == v for k, v in want.items()) if want else 0
        rows.append({"engine": engine.name, "group": engine.group, "ours": engine.ours,
                     "seconds": statistics.median(times), "pictures_per_second": pictures / statistics.median(times),
                     "same": f"{same} of {len(want)}" if want else ""})
    return {"what": what, "rows": ratios(rows, "pictures_per_second")}


def make_files(context, count):
    folder = context.scratch(f"jpeg-{count}")
    if not os.path.isdir(folder):
        context.say(f"making {count} JPEG files")
        run = subprocess.run([sys.executable, os.path.join(pool.HERE, "picture_rival.py"), folder, "0", "make",
                              str(count)], capture_output=True, text=True)
        if run.returncode:
            raise pool.Failed((run.stderr.strip() or "no pictures").splitlines()[-1][:300])
    return folder


def run(context):
    batches = BATCHES[:2] if context.quick else BATCHES
    cells = throughput.race(context, MODEL, [f"{b}x{TOKENS}" for b in batches], include=lambda e: e.kind in KINDS)
    model, count = context.models.directory(MODEL), 64 if context.quick else FILES
    others = []
    for what, run_one, pictures, more in (
            (f"{count} JPEG files of 500 x 375 to labels", files, count, lambda: make_files(context, count)),
            (f"training step of {STEP} pictures", step, STEP, lambda: None)):
        try:
            others.append(compare(context, what, run_one, model, pictures, more()))
        except pool.Failed as e:
            context.absent(what, e)
    return {"cells": cells, "others": others}


def tables(results):
    cells = results["cells"]
    yield throughput.summary(cells, "ViT-base-224 from pixels: ours over the best rival in the class (pictures x tokens)")
    for c in cells:
        body = [[r["engine"] + ("" if r["agrees"] else " (disagrees: not counted)"), r["group"], f"{r['ms']:.1f}",
                 f"{r['tokens_per_second'] / TOKENS:.1f}", f"{r['gflops']:,.0f}", ratio_text(r), f"{r['error']:.1e}",
                 f"{r['cosine']:.6f}", r["rounds"]] for r in c["rows"]]
        yield (f"{MODEL}, {c['shape'].split('x')[0]} at once",
               ["engine", "class", "ms", "pictures/s", "GFLOP/s", "ours / best rival", "largest error", "cosine", "rounds"],
               body)
    for part in results["others"]:
        body = [[r["engine"], r["group"], f"{r['seconds']:.2f}", f"{r['pictures_per_second']:.1f}", ratio_text(r),
                 r["same"]] for r in part["rows"]]
        yield (f"{MODEL}: {part['what']}", ["engine", "class", "seconds", "pictures/s", "ours / best rival",
                                           "the label of bert highest"], body)
