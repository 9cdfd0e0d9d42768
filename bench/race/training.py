"""A training step of BERT-base, 16 x 128 tokens: forward, backward, clipping and AdamW, with dropout; in turn."""
import os
import re
import statistics
import sys

import pool
from engines import Engine
from throughput import ratio_text, ratios

BATCH, SEQ = 16, 128
ENGINES = [
    Engine("bert highest", "f32", "ours", "highest"),
    Engine("bert high", "f32", "ours", "high"),
    Engine("PyTorch f32", "f32", "torch", "highest"),
    Engine("bert medium", "bf16", "ours", "medium"),
    Engine("PyTorch bf16 autocast", "bf16", "torch", "medium"),
]
PARTS = ["forward", "backward", "optimizer", "step"]


def step(context, engine, steps):
    """Milliseconds of each part, and megabytes."""
    shape = [str(x) for x in (12, 768, 12, BATCH, SEQ, context.threads, steps)]
    if engine.ours:
        command = [context.build("bench_training_step"), *shape, "0", engine.precision]
    else:
        command = [sys.executable, os.path.join(pool.HERE, "training_step.py"), *shape, engine.precision]
    run = pool.run_once(context, command, capture_output=True)
    found = dict(re.findall(r"^(\w+) +([\d.]+) ms", run.stdout, re.M))
    memory = re.search(r"^peak memory (\d+) MB", run.stdout, re.M)
    if run.returncode or not memory or any(p not in found for p in PARTS):
        raise pool.Failed((run.stderr.strip() or "no result").splitlines()[-1][:300])
    return {**{p: float(found[p]) for p in PARTS}, "memory_mb": int(memory.group(1))}


def run(context):
    rounds, steps = (1, 1) if context.quick else (2, 3)
    taken = {e: [] for e in ENGINES}
    for i in range(rounds):
        for engine in list(taken):
            context.say(f"training step, round {i + 1} of {rounds}: {engine.name}")
            try:
                taken[engine].append(step(context, engine, steps))
            except pool.Failed as e:
                context.absent(engine.name, e)
                del taken[engine]
    rows = []
    for engine, got in taken.items():
        row = {key: statistics.median(g[key] for g in got) for key in got[0]}
        rows.append({"engine": engine.name, "group": engine.group, "ours": engine.ours, **row,
                     "tokens_per_second": BATCH * SEQ / row["step"] * 1e3})
    return ratios(rows)


def tables(rows):
    body = [[r["engine"], r["group"], *(f"{r[p]:,.0f}" for p in PARTS), f"{r['tokens_per_second']:,.0f}",
             ratio_text(r), f"{r['memory_mb']:,.0f}"] for r in rows]
    yield (f"Training step, BERT-base, {BATCH}x{SEQ}, dropout on, AdamW (milliseconds)",
           ["engine", "class", *PARTS, "tokens/s", "ours / best rival", "peak memory, MiB"], body)
