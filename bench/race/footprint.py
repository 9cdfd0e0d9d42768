"""Peak resident memory, and cold start: a process from its start to the vector of one sentence."""
import os
import statistics
import subprocess
import time

import pool
from engines import ENGINES
from models import sizes
from throughput import ratio_text, ratios

SENTENCE = "The gas alarm in the boiler room is ringing and the valve will not close."
SHAPE = "8x128"
MODELS = ["all-MiniLM-L6-v2", "bert-base"]


def memory(context, engine, model):
    w = pool.start(context, engine, model)
    if not w:
        return None
    try:
        w.ask("shape", *sizes(SHAPE), context.models.ids(SHAPE))
        w.ask("time", 1, 3)
        return w.peak_memory()
    except pool.Failed as e:
        context.absent(engine.name, e, os.path.basename(model))
        return None
    finally:
        w.close()


def cold_command(context, engine, model):
    if engine.ours:
        return [context.build("bert"), "embed", model, "--precision", engine.precision, "--threads",
                str(context.threads), "--json", SENTENCE]
    return pool.command(context, engine, model, once=SENTENCE)


def cold(context, engine, model):
    start = time.perf_counter()
    run = pool.run_once(context, cold_command(context, engine, model), stdout=subprocess.PIPE, stderr=context.log)
    seconds = time.perf_counter() - start
    return seconds if run.returncode == 0 and '"embedding"' in run.stdout else None


def run(context):
    out = []
    for name in [n for n in context.names if n in MODELS]:
        model = context.models.directory(name)
        weights = os.path.getsize(os.path.join(model, "model.safetensors"))
        rows = []
        for engine in ENGINES:
            context.say(f"{name} memory: {engine.name}")
            if peak := memory(context, engine, model):
                rows.append({"engine": engine.name, "group": engine.group, "ours": engine.ours, "memory": peak,
                             "times_weights": peak / weights})
        # In turn as well, and the first time of each only warms the file cache.
        starts = {r["engine"]: [] for r in rows}
        for i in range(1 + context.starts):
            context.say(f"{name} cold start, round {i} of {context.starts}")
            for engine in ENGINES:
                taken = starts.get(engine.name)
                if taken is None or len(taken) >= 3 and min(taken) > 1:
                    continue  # three are enough of those that take seconds
                try:
                    if (seconds := cold(context, engine, model)) and i:
                        taken.append(seconds)
                except pool.Failed as e:
                    context.absent(engine.name, e, f"{name} cold start")
                    del starts[engine.name]
        for r in rows:
            if starts.get(r["engine"]):
                r["cold_ms"] = 1e3 * statistics.median(starts[r["engine"]])
        out.append({"model": name, "weights": weights, "rows": ratios(rows, "cold_ms", min)})
    return out


def tables(results):
    for c in results:
        body = [[r["engine"], r["group"], f"{r['memory'] / 1e6:,.0f}", f"{r['times_weights']:.2f}",
                 f"{r['cold_ms']:,.0f}" if "cold_ms" in r else "failed", ratio_text(r)] for r in c["rows"]]
        yield (f"{c['model']}: peak memory at {SHAPE} (weights: {c['weights'] / 1e6:,.0f} MB), and cold start to the "
               "vector of one sentence",
               ["engine", "class", "MB", "x weights in f32", "cold start, ms", "best rival / ours, cold start"], body)
