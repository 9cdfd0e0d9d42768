"""Servers: the same model behind HTTP, the same texts, one client after another or many at once; load by wrk."""
import contextlib
import json
import os
import re
import resource
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import time
import urllib.request

import numpy as np

import pool
from engines import Engine

MODEL = "all-MiniLM-L6-v2"
CLIENTS = [1, 8, 64]
SHORT = ["The gas alarm in the boiler room is ringing.", "A small dog sleeps on the warm stone floor.",
         "Nobody knows when the next train will leave.", "She paid far too much for that old guitar."]
LONG = " ".join(SHORT * 6)
WORDS = LONG.split()
# Of one length, which suits servers that pad; and as sentences are, 3 to 34 words in any order.
LOADS = {"1 short text": lambda i: [SHORT[i % 4]], "32 short texts": lambda i: [f"{SHORT[k % 4]} {i} {k}" for k in range(32)],
         "32 mixed texts": lambda i: [" ".join(WORDS[i + k:i + k + 3 + k * 21 % 32]) for k in range(32)],
         "1 long text": lambda i: [f"{i} {LONG}"]}
PATIENCE = 120  # seconds for a server to start
ROUNDS, LIMIT = 3, 12  # as many answers of each client are waited for, but no longer than these seconds


def gguf(context, model):
    context.models.export(Engine("llama.cpp's server", "f32", "llama", "f32", needs=("mean.gguf",)), model)
    return os.path.join(model, "race", "mean.gguf")


def with_onnx(context, model):
    """A directory of the model with the graph that infinity looks for; what it fuses of it, it keeps there."""
    context.models.export(Engine("infinity ONNX", "f32", "onnxruntime", "f32", needs=("plain.onnx",)), model)
    folder = os.path.join(model, "race", "infinity")
    os.makedirs(folder, exist_ok=True)
    graph = {"model.onnx": os.path.join(model, "race", "plain.onnx")}
    for name, target in {**{f: os.path.join(model, f) for f in os.listdir(model) if f != "race"}, **graph}.items():
        with contextlib.suppress(FileExistsError):
            os.symlink(target, os.path.join(folder, name))
    return folder


def infinity(engine, *more, of=lambda c, m: m):
    return lambda c, m, port: ["-m", "infinity_emb.cli", "v2", "--model-id", of(c, m), "--served-model-name", "m", "--engine", engine,
                               "--device", "cpu", *more, "--port", port]


def openai(texts):
    return {"model": "m", "input": texts}


def tei(texts):
    return {"inputs": texts}


# Who serves: name, what a Python must have for it (its version is that of the first; none: ours), what follows on the
# command line, where it is asked, and with what.
SERVERS = [
    ("bert serve", (), lambda c, m, port: [c.build("bert"), "serve", m, "--port", port, "--quiet", "--max-queue", "4096"], "/embed", tei),
    ("infinity ONNX", ("infinity_emb", "optimum"), infinity("optimum", of=with_onnx), "/embeddings", openai),
    ("infinity torch", ("infinity_emb", "torch"), infinity("torch", "--no-bettertransformer"), "/embeddings", openai),
    ("llama.cpp", ("llama_cpp", "fastapi"), lambda c, m, port: ["-m", "llama_cpp.server", "--model", gguf(c, m), "--embedding", "true",
                                                                         "--n_ctx", "512", "--n_threads", str(c.threads), "--port", port],
     "/v1/embeddings", openai),
    ("sentence-transformers", ("sentence_transformers", "fastapi", "uvicorn"),
     lambda c, m, port: [os.path.join(pool.HERE, "served_sentences.py"), m, port], "/embed", tei),
]
NAMES = [name for name, *_ in SERVERS]
FIND = """import importlib.metadata, importlib.util, sys
if all(map(importlib.util.find_spec, sys.argv[1:])):
    print(importlib.metadata.version(importlib.metadata.packages_distributions()[sys.argv[1]][0]))"""


def python_with(modules):
    """(interpreter, version of the first module): the servers' own environments, where they have what others cannot."""
    pythons = os.environ.get("BERT_RACE_SERVERS", sys.executable).split(":")
    for python in pythons:
        with contextlib.suppress(OSError):
            found = subprocess.run([python, "-c", FIND, *modules], capture_output=True, text=True).stdout.strip()
            if found:
                return python, found
    raise pool.Failed(f"no Python of BERT_RACE_SERVERS has {' and '.join(modules)} ({', '.join(pythons)})")


def processes(pid):
    found = [pid]
    for p in found:
        with contextlib.suppress(OSError), open(f"/proc/{p}/task/{p}/children") as f:
            found += map(int, f.read().split())
    return found


def peak_memory(pid):
    total = 0
    for p in processes(pid):
        with contextlib.suppress(OSError, StopIteration), open(f"/proc/{p}/status") as f:
            total += next(int(line.split()[1]) * 1024 for line in f if line.startswith("VmHWM"))
    return total


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return str(s.getsockname()[1])


class Server:
    def __init__(self, context, modules, command, path, body, model):
        self.body, self.path, port = body, path, free_port()
        python, self.version = python_with(modules) if modules else (None, "")
        words = [python] * bool(python) + command(context, model, port)
        self.url = f"http://127.0.0.1:{port}"
        start = time.perf_counter()
        self.process = subprocess.Popen(words, stdout=context.log, stderr=context.log, env=pool.environment(context),
                                        start_new_session=True)
        try:
            while not self.answers():
                if self.process.poll() is not None:
                    raise pool.Failed(f"it ended with {self.process.returncode} before it answered ({context.log.name})")
                if time.perf_counter() - start > PATIENCE:
                    raise pool.Failed(f"no answer in {PATIENCE} seconds")
                time.sleep(0.002)
        except pool.Failed:
            self.close()
            raise
        self.first_answer = time.perf_counter() - start

    def answers(self):
        request = urllib.request.Request(self.url + self.path, json.dumps(self.body(SHORT[:1])).encode(), {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as got:
                return got.status == 200
        except OSError:
            return False

    def close(self):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


def milliseconds(text):
    number, unit = re.match(r"([\d.]+)(\w+)", text).groups()
    return float(number) * {"us": 1e-3, "ms": 1, "s": 1e3, "m": 6e4}[unit]


def load(context, server, texts, clients, seconds):
    """Requests a second and latencies, as wrk has them, and the processor time that wrk took of the machine."""
    bodies = [json.dumps(server.body(texts(i))) for i in range(16)]
    script = context.scratch("serving.lua")
    with open(script, "w") as f:
        f.write("local bodies = {%s}\nlocal i = 0\nfunction request()\n  i = i %% #bodies + 1\n  return wrk.format('POST', '%s', "
                "{['Content-Type'] = 'application/json'}, bodies[i])\nend\n" % (", ".join(f"[==[{b}]==]" for b in bodies), server.path))
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    run = subprocess.run(["wrk", "-t", "1", "-c", str(clients), "-d", str(seconds), "--timeout", "30", "--latency", "-s", script, server.url],
                         capture_output=True, text=True, timeout=PATIENCE)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    mean = re.search(r"Latency\s+([\d.]+\w+)", run.stdout)
    if not mean or not milliseconds(mean[1]) or "Non-2xx" in run.stdout:
        raise pool.Failed(f"wrk says: {run.stdout.strip().splitlines()[-3:]} {run.stderr[-200:]}")
    taken = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    at = {p: milliseconds(re.search(rf"\s{p}%\s+(\S+)", run.stdout)[1]) for p in (50, 99)}
    # Each client has one request under way: wrk's own count leaves out those at the end, of slow loads a third.
    rate = 1e3 * clients / milliseconds(mean[1])
    # what the machine would have had for the server without its load
    free = seconds * context.threads - taken
    return {"per_second": rate, "without_load": rate * seconds * context.threads / free, "wrk_cpu": taken / seconds, "p50": at[50], "p99": at[99]}


def from_a_file(context, model):
    """Texts a second of `bert embed` over a file of the short texts."""
    path, n = context.scratch("serving.txt"), 2000 if context.quick else 8000
    with open(path, "w") as f:
        f.writelines(SHORT[i % 4] + "\n" for i in range(n))
    start = time.perf_counter()
    run = pool.run_once(context, [context.build("bert"), "embed", model, "-i", path, "-o", context.scratch("serving.npy"), "--quiet",
                                  "--threads", str(context.threads)], stdout=subprocess.PIPE, stderr=context.log)
    if run.returncode:
        raise pool.Failed("bert embed failed")
    return n / (time.perf_counter() - start)


def forward(context, model):
    """Milliseconds of the bare forward pass of a short text, mean over them: what no server can go below."""
    worker, seconds = pool.Worker(context, Engine("bert highest", "f32", "ours", "highest"), model), []
    try:
        for text in SHORT:
            ids = context.models.ids_of(text)
            path = context.models.write("serving-ids.bin", np.array(ids, dtype=np.int32))
            worker.ask("shape", 1, len(ids), path)
            seconds.append(statistics.median(worker.ask("time", 50, 300)["seconds"]))
    finally:
        worker.close()
    return 1e3 * statistics.mean(seconds)


def run(context):
    if not shutil.which("wrk"):
        raise pool.Failed("wrk is not installed (Debian: wrk)")
    model, seconds = context.models.directory(MODEL), 2 if context.quick else 3
    out = {"file": from_a_file(context, model), "forward": forward(context, model), "rows": []}
    for name, modules, command, path, body in SERVERS:
        if context.servers and name not in context.servers:
            continue
        context.say(f"serving: {name}")
        try:
            server = Server(context, modules, command, path, body, model)
        except (pool.Failed, OSError) as e:
            context.absent(name, e)
            continue
        try:
            row = {"server": name, "version": server.version, "first_answer": server.first_answer, "loads": []}
            for what, texts in LOADS.items():
                with contextlib.suppress(pool.Failed):
                    load(context, server, texts, 1, 1)  # warm
                rate = float("inf")
                for clients in CLIENTS:
                    if clients / rate > LIMIT:
                        context.absent(name, f"the answers of all clients take longer than {LIMIT} seconds", f"{what}, {clients} clients")
                        continue
                    try:
                        server.answers()  # what still waits of the load before is computed first
                        got = load(context, server, texts, clients, max(seconds, min(LIMIT, round(ROUNDS * clients / rate))))
                    except pool.Failed as e:
                        context.absent(name, e, f"{what}, {clients} clients")
                        continue
                    rate = got["per_second"]
                    context.say(f"  {what}, {clients} clients: {rate:.1f} requests/s, {got['p50']:.1f} ms")
                    row["loads"].append({"what": what, "clients": clients, "texts": len(texts(0)), **got})
            row["memory"] = peak_memory(server.process.pid)
            out["rows"].append(row)
        finally:
            server.close()
    return [out]


def tables(results):
    for c in results:
        ours = {(x["what"], x["clients"]): x for r in c["rows"] if r["server"] == "bert serve" for x in r["loads"]}
        body = []
        for r in c["rows"]:
            for x in r["loads"]:
                own = ours.get((x["what"], x["clients"]))
                body.append([x["what"], x["clients"], r["server"], f"{x['per_second']:,.1f}", f"{x['per_second'] * x['texts']:,.0f}", f"{x['p50']:,.1f}",
                             f"{x['p99']:,.1f}", f"{x['wrk_cpu']:.2f}", f"{own['per_second'] / x['per_second']:.2f}" if own else ""])
        body.sort(key=lambda row: (list(LOADS).index(row[0]), row[1]))
        yield (f"{MODEL} behind HTTP; `bert embed` over a file of the short texts: {c['file']:,.0f} texts/s, the bare forward "
               f"pass of one: {c['forward']:.2f} ms",
               ["load", "clients", "server", "requests/s", "texts/s", "p50, ms", "p99, ms", "wrk, cores", "ours / theirs"], body)
        yield ("Memory and start", ["server", "version", "peak MB", "first answer, ms"],
               [[r["server"], r["version"], f"{r['memory'] / 1e6:,.0f}", f"{1e3 * r['first_answer']:,.0f}"] for r in c["rows"]])
