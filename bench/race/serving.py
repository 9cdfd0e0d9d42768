"""Servers: the same model behind HTTP, the same texts, one client after another or many at once; load by wrk."""
import contextlib
import json
import os
import re
import resource
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request

import pool
from engines import Engine

MODEL = "all-MiniLM-L6-v2"
CLIENTS = [1, 8, 64]
SHORT = ["The gas alarm in the boiler room is ringing.", "A small dog sleeps on the warm stone floor.",
         "Nobody knows when the next train will leave.", "She paid far too much for that old guitar."]
LONG = " ".join(SHORT * 6)
LOADS = {"1 short text": lambda i: [SHORT[i % 4]], "32 short texts": lambda i: [f"{SHORT[k % 4]} {i} {k}" for k in range(32)],
         "1 long text": lambda i: [f"{i} {LONG}"]}
PATIENCE = 120  # seconds for a server to start


def python(*args):
    """The servers' own interpreter: what they want is older than what the rest of the race takes."""
    return [os.environ.get("BERT_RACE_SERVERS", sys.executable), *args]


def gguf(context, model):
    context.models.export(Engine("llama.cpp's server", "f32", "llama", "f32", needs=("mean.gguf",)), model)
    return os.path.join(model, "race", "mean.gguf")


def openai(texts):
    return {"model": "m", "input": texts}


# Who serves: name, its command line, where it is asked, and with what.
SERVERS = [
    ("bert serve", lambda c, m, port: [c.build("bert"), "serve", m, "--port", port, "--quiet", "--max-queue", "4096"], "/embed", lambda texts: {"inputs": texts}),
    ("infinity, ONNX", lambda c, m, port: python("-m", "infinity_emb.cli", "v2", "--model-id", m, "--served-model-name", "m", "--engine", "optimum",
                                                 "--device", "cpu", "--port", port), "/embeddings", openai),
    ("infinity, torch", lambda c, m, port: python("-m", "infinity_emb.cli", "v2", "--model-id", m, "--served-model-name", "m", "--engine", "torch",
                                                  "--device", "cpu", "--no-bettertransformer", "--port", port), "/embeddings", openai),
    ("llama.cpp's server", lambda c, m, port: python("-m", "llama_cpp.server", "--model", gguf(c, m), "--embedding", "true",
                                                     "--n_ctx", "512", "--n_threads", str(c.threads), "--port", port), "/v1/embeddings", openai),
    ("sentence-transformers, uvicorn", lambda c, m, port: python(os.path.join(pool.HERE, "served_sentences.py"), m, port), "/embed",
     lambda texts: {"inputs": texts}),
]


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
    def __init__(self, context, name, command, path, body, model):
        self.body, self.path, port = body, path, free_port()
        self.url = f"http://127.0.0.1:{port}"
        start = time.perf_counter()
        self.process = subprocess.Popen(command(context, model, port), stdout=context.log, stderr=context.log, env=pool.environment(context),
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
    rate = re.search(r"Requests/sec:\s+([\d.]+)", run.stdout)
    if not rate or not float(rate[1]) or "Non-2xx" in run.stdout:
        raise pool.Failed(f"wrk says: {run.stdout.strip().splitlines()[-3:]} {run.stderr[-200:]}")
    taken = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    at = {p: milliseconds(re.search(rf"\s{p}%\s+(\S+)", run.stdout)[1]) for p in (50, 99)}
    # what the machine would have had for the server without its load
    free = seconds * context.threads - taken
    return {"per_second": float(rate[1]), "without_load": float(rate[1]) * seconds * context.threads / free, "wrk_cpu": taken / seconds,
            "p50": at[50], "p99": at[99]}


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


def run(context):
    if not shutil.which("wrk"):
        raise pool.Failed("wrk is not installed (Debian: wrk)")
    model, seconds = context.models.directory(MODEL), 2 if context.quick else 3
    out = {"file": from_a_file(context, model), "rows": []}
    for name, command, path, body in SERVERS:
        context.say(f"serving: {name}")
        try:
            server = Server(context, name, command, path, body, model)
        except (pool.Failed, OSError) as e:
            context.absent(name, e)
            continue
        try:
            row = {"server": name, "first_answer": server.first_answer, "loads": []}
            for what, texts in LOADS.items():
                for clients in CLIENTS:
                    with contextlib.suppress(pool.Failed):
                        load(context, server, texts, clients, 1)  # warm
                    try:
                        server.answers()  # what still waits of the load before is computed first
                        row["loads"].append({"what": what, "clients": clients, "texts": len(texts(0)),
                                             **load(context, server, texts, clients, seconds)})
                    except pool.Failed as e:
                        context.absent(name, e, f"{what}, {clients} clients")
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
        yield (f"{MODEL} behind HTTP; `bert embed` over a file of the short texts: {c['file']:,.0f} texts/s",
               ["load", "clients", "server", "requests/s", "texts/s", "p50, ms", "p99, ms", "wrk, cores", "ours / theirs"], body)
        yield ("Memory and start", ["server", "peak MB", "first answer, ms"],
               [[r["server"], f"{r['memory'] / 1e6:,.0f}", f"{1e3 * r['first_answer']:,.0f}"] for r in c["rows"]])
