"""Forward passes at a shape: each engine in turn, a few runs a round; the median over the rounds counts."""
import statistics
import time

import numpy as np

import families
import pool
from engines import AGREES, GROUPS, of_group
from models import shapes_of, sizes
from room import Room


def flops(config, batch, seq):
    """Multiplications and additions of the encoder's matrix products."""
    if "local_attention" in config:
        return families.flops(config, batch, seq)
    h, f = config["hidden_size"], config["intermediate_size"]
    return config["num_hidden_layers"] * batch * seq * (8 * h * h + 4 * h * f + 4 * seq * h)


def agreement(got, want):
    """Largest error, and mean cosine over the tokens."""
    got = got.reshape(-1, want.shape[-1])[:want.shape[0] * want.shape[1]].astype(np.float64)
    want = want.reshape(got.shape)
    norms = np.linalg.norm(got, axis=1) * np.linalg.norm(want, axis=1)
    cosine = float(np.mean((got * want).sum(1) / np.maximum(norms, 1e-30)))
    return float(np.abs(got - want).max()), cosine if np.isfinite(cosine) else 0.0


LONG = 10  # seconds of a round that is not repeated for engines which are LAPPED times slower than the best
LAPPED = 3
LIMIT = 100  # seconds of a shape and class after which no round begins: the race has to end


def plan(first, budget, least):
    """Rounds, and (warm, runs) of each engine in a round, out of what a run took."""
    turns = [(1 if t < 1 else 0, max(1, min(50, int(0.1 / t)))) for t in first]
    seconds = sum(t * (warm + runs) for t, (warm, runs) in zip(first, turns))
    return max(min(least, 2) if seconds > LONG else least, min(15, int(budget / seconds))), seconds > LONG, turns


def prepare(context, room, engine, shape, path, want):
    """Tells an engine the shape and looks at what it computes: (seconds of a run, the beginning of its row)."""
    out = context.scratch("hidden.bin")
    room.ask(engine, "shape", *sizes(shape), path)
    seconds = room.ask(engine, "save", out)["seconds"][0]
    error, cosine = agreement(np.fromfile(out, dtype=np.float32), want)
    if seconds < 1:  # the first run packs, compiles and takes memory
        seconds = room.ask(engine, "time", 0, 1)["seconds"][0]
    return seconds, {"error": error, "cosine": cosine, "agrees": cosine >= AGREES[engine.group]}


def rounds(room, first, budget, least):
    """Seconds of a run in each round, of each engine that gets through its turns."""
    count, long, turns = plan(list(first.values()), budget, least)
    turn, times, end = dict(zip(first, turns)), {e: [] for e in first}, time.monotonic() + LIMIT
    for i in range(count):
        if i and time.monotonic() > end:
            break
        for engine in list(times):
            if i and long and min(times[engine]) > LAPPED * min(first.values()):
                continue
            try:
                times[engine].append(statistics.median(room.ask(engine, "time", *turn[engine])["seconds"]))
            except pool.Failed as e:
                room.lose(engine, e)
                del times[engine]
    return times


def measure(context, room, shape, budget):
    """Rows of a shape, an engine each. One that fails is out of the room from then on."""
    batch, seq = sizes(shape)
    path, want = context.models.ids(shape, room.model), context.models.reference(room.model, shape)
    rows, first = {}, {}
    for engine in list(room.engines):
        try:
            first[engine], rows[engine] = prepare(context, room, engine, shape, path, want)
        except pool.Failed as e:
            room.lose(engine, e)
    for engine, times in rounds(room, first, budget, context.least_rounds).items() if first else ():
        seconds = statistics.median(times)
        rows[engine].update(
            engine=engine.name, group=engine.group, ours=engine.ours, ms=1e3 * seconds, best_ms=1e3 * min(times),
            rounds=len(times), tokens_per_second=batch * seq / seconds,
            gflops=flops(context.config(room.model), batch, seq) / seconds * 1e-9)
    return [row for row in rows.values() if "ms" in row]


def ratios(rows, key="tokens_per_second", better=max):
    """Ours over the best rival that agrees, within each class: more is better for us."""
    for group in GROUPS:
        rivals = [r for r in rows if r["group"] == group and not r["ours"] and r.get("agrees", True) and r.get(key)]
        if rivals:
            best = better(rivals, key=lambda r: r[key])
            for r in rows:
                if r["group"] == group and r["ours"] and r.get(key):
                    ratio = r[key] / best[key]
                    r["ratio"], r["best_rival"] = ratio if better is max else 1 / ratio, best["engine"]
    return rows


def race(context, name, shapes, groups=GROUPS, env=None, include=lambda engine: True):
    """One model: the classes one after the other, so that no more engines are in memory than meet."""
    model = context.models.directory(name)
    for shape in shapes:  # in float64: memory that is there only while no engine is
        context.models.reference(model, shape)
    cells = {shape: [] for shape in shapes}
    for group in groups:
        with Room(context, filter(include, of_group(group)), model, env) as room:
            for shape in shapes:
                context.say(f"{name} {shape} {group}: {room.names()}")
                cells[shape] += measure(context, room, shape, context.budget)
    return [{"model": name, "shape": shape, "rows": ratios(rows)} for shape, rows in cells.items()]


def run(context):
    cells = []
    for name in context.names:
        shapes = [s for s in shapes_of(name) if not context.shapes or s in context.shapes]
        try:
            cells += race(context, name, shapes)
        except pool.Failed as e:
            context.absent(name, e)
    return cells


def ratio_text(row):
    return f"{row['ratio']:.2f} x {row['best_rival']}" if "ratio" in row else ""


def table(rows, title):
    body = [[r["engine"] + ("" if r["agrees"] else " (disagrees: not counted)"), r["group"], f"{r['ms']:.2f}",
             f"{r['tokens_per_second']:,.0f}", f"{r['gflops']:,.0f}", ratio_text(r), f"{r['error']:.1e}",
             f"{r['cosine']:.6f}", r["rounds"]] for r in rows]
    return title, ["engine", "class", "ms", "tokens/s", "GFLOP/s", "ours / best rival", "largest error", "cosine",
                   "rounds"], body


def summary(cells, title):
    """Ratios at a glance: a row for each of our precisions and models, a column a shape."""
    shapes = list(dict.fromkeys(c["shape"] for c in cells))
    lines = {}
    for c in cells:
        for r in c["rows"]:
            if r["ours"]:
                text = f"{r['ratio']:.2f}" if "ratio" in r else "no rival"
                lines.setdefault((c["model"], r["engine"], r["group"]), {})[c["shape"]] = text
    body = [[*key, *(line.get(s, "") for s in shapes)] for key, line in lines.items()]
    return title, ["model", "engine", "class", *shapes], body


def tables(cells):
    yield summary(cells, "Throughput: tokens/s of ours over those of the best rival in the class")
    for c in cells:
        yield table(c["rows"], f"{c['model']}, {c['shape']}")
