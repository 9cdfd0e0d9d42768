#!/usr/bin/env python3
"""soak_serving.py BERT MODEL [SECONDS [CLIENTS]]: `bert serve` for a while (600 s, 24 clients), three of ten requests hostile.

Honest requests are answered as they were alone, to the byte, or with 429; each hostile kind by one of its statuses, or by
nothing where the client left. /health answers within a second all the while, memory stays bounded, at the end nothing waits and
SIGTERM is exit code 0. Prints counts by kind and status; exit code 1 where something was not so. Standard library only; loopback only.
"""
import base64
import collections
import json
import multiprocessing
import random
import signal
import socket
import struct
import subprocess
import sys
import threading
import time

BERT, MODEL = sys.argv[1:3]
SECONDS = float(sys.argv[3]) if len(sys.argv) > 3 else 600
CLIENTS = int(sys.argv[4]) if len(sys.argv) > 4 else 24
TEXTS = ["word " * n + "number %d" % n for n in (0, 1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144, 300)]
HOSTILE = 0.3

server = subprocess.Popen([BERT, "serve", MODEL, "--port", "0", "--quiet", "--max-queue", "256"], stdout=subprocess.PIPE, text=True)
PORT = int(server.stdout.readline().rsplit(":", 1)[1])
counts, wrong, lock, end = collections.Counter(), [], threading.Lock(), time.monotonic() + SECONDS


def connect():
    s = socket.create_connection(("127.0.0.1", PORT), timeout=60)
    return s


def read_all(s):
    got = b""
    try:
        while b := s.recv(1 << 16):
            got += b
    except OSError:
        pass
    return got


def head(path, n, method="POST", more=""):
    return (f"{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n{more}"
            f"Content-Length: {n}\r\n\r\n").encode()


def send(data):
    with connect() as s:
        try:
            s.sendall(data)
        except OSError:
            pass  # refused before all was sent
        return read_all(s)


def post(path, body, **options):
    body = body if isinstance(body, bytes) else json.dumps(body).encode()
    return send(head(path, len(body), **options) + body)


def status(answer):
    return int(answer[9:12]) if answer.startswith(b"HTTP/1.") else 0


def content(answer):
    return answer.split(b"\r\n\r\n", 1)[1]


def count(kind, got, allowed, what=b""):
    with lock:
        counts[kind, got] += 1
        if got not in allowed and len(wrong) < 20:
            wrong.append(f"{kind}: {got}, not {sorted(allowed)}: {what[:300]!r}")


# ---- Honest: what each answer is, from a server that did nothing else

ALONE = [content(post("/embed", {"inputs": t}))[1:-1] for t in TEXTS]
FLOATS = [struct.pack(f"<{len(v)}f", *v) for v in map(json.loads, ALONE)]


def honest(r):
    some = [r.randrange(len(TEXTS)) for _ in range(r.randint(1, 8))]
    texts = [TEXTS[i] for i in some]
    if r.random() < 0.7:
        answer, good = post("/embed", {"inputs": texts}), lambda a: content(a) == b"[" + b",".join(ALONE[i] for i in some) + b"]"
        kind = "embed"
    else:
        answer = post("/v1/embeddings", {"input": texts, "encoding_format": "base64"})
        good = lambda a: [base64.b64decode(d["embedding"]) for d in json.loads(content(a))["data"]] == [FLOATS[i] for i in some]
        kind = "openai"
    if status(answer) == 200 and not good(answer):
        count(kind + " has other bits", 0, {200}, answer)
    else:
        count(kind, status(answer), {200, 429}, answer)


# ---- Hostile: bytes, and what may be answered

def body_of(b):
    return lambda r: post("/embed", b)


def vanish(r):
    with connect() as s:
        whole = head("/embed", 40) + b'{"inputs": "%s"}' % (b"a" * 26)
        s.sendall(whole[:r.randint(0, len(whole))])
    return b""


def vanish_before_the_answer(r):
    s = connect()
    body = json.dumps({"inputs": [TEXTS[-1]] * 32}).encode()
    s.sendall(head("/embed", len(body)) + body)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", r.randint(0, 1), 0))
    s.close()
    return b""


def half_close(r):
    with connect() as s:
        body = b'{"inputs": "a"}'
        s.sendall(head("/embed", len(body)) + body)
        s.shutdown(socket.SHUT_WR)
        return read_all(s)


def read_slowly(r):
    with connect() as s:
        body = json.dumps({"inputs": [TEXTS[-1]] * 8}).encode()
        s.sendall(head("/embed_all", len(body)) + body)
        time.sleep(r.random() * 3)
        return s.recv(1000)


def idle_crowd(r):
    crowd = [connect() for _ in range(60)]
    time.sleep(0.5)
    for s in crowd:
        s.close()
    return b""


def pipeline(r):
    one = b"POST /tokenize HTTP/1.1\r\nHost: x\r\nContent-Length: 15\r\n\r\n" + b'{"inputs": "a"}'
    last = b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    answer = send(one * 10 + last)
    return answer if answer.count(b"HTTP/1.1 200") == 11 else b"HTTP/1.1 999 " + answer


def noise(r):
    return send(r.randbytes(r.randint(1, 3000)) + b"\r\n\r\n")


def trickle(front, gap):
    def run(r):
        with connect() as s:
            try:
                s.sendall(front)
                while time.monotonic() < end + 40:
                    s.sendall(b"a")
                    s.settimeout(gap)
                    try:
                        if got := s.recv(4000):
                            return got
                        return b""
                    except TimeoutError:
                        pass
            except OSError:
                pass
        return b""
    return run


KINDS = {
    "not JSON": (body_of(b'{"inputs": '), {400}),
    "no UTF-8": (body_of(b'{"inputs": "\xff\xfe"}'), {400}),
    "lone surrogate": (body_of(b'{"inputs": "\\ud800"}'), {400}),
    "deep": (body_of(b'{"inputs": ' + b"[" * 5000), {400}),
    "many lists": (body_of(b'{"inputs": "a", "x": [' + b"[]," * 50000 + b"[]]}"), {422}),
    "huge number": (body_of(b'{"inputs": [1e999]}'), {400}),
    "huge ids": (body_of(b'{"inputs": [99999999999, 1]}'), {422}),
    "wrong type": (body_of(b'{"inputs": {"a": 1}}'), {422}),
    "too many texts": (body_of(json.dumps({"inputs": ["a"] * 1000}).encode()), {422}),
    "NUL": (body_of(b'{"inputs": "a\\u0000b"}'), {200, 422, 429}),
    "a long text": (body_of(json.dumps({"inputs": "word " * 300000}).encode()), {200, 429}),
    "a million ids": (body_of(json.dumps({"inputs": [1] * 600000}).encode()), {200, 422, 429}),
    "tokens of a long text": (lambda r: post("/tokenize", {"inputs": "a " * 900000}), {200, 429}),
    "no such head": (lambda r: post("/answer", {"inputs": {"question": "a", "context": "b"}}), {424}),
    "no such route": (lambda r: post("/nothing", b"{}"), {404}),
    "wrong method": (lambda r: send(b"GET /embed HTTP/1.0\r\n\r\n"), {405}),
    "no such method": (lambda r: send(b"BREW / HTTP/1.1\r\nHost: x\r\n\r\n"), {501}),
    "flood of headers": (lambda r: send(b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 20000 + b"\r\n"), {431, 0}),
    "two lengths": (lambda r: send(b"POST /embed HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}"), {400}),
    "smuggled": (lambda r: send(b"POST /embed HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), {400}),
    "bad chunk": (lambda r: send(b"POST /embed HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n"), {400}),
    "a body of 9 GB": (lambda r: send(head("/embed", 9000000000) + b"{"), {413}),
    "noise": (noise, {400, 431, 501, 0}),
    "vanishes": (vanish, {0}),
    "vanishes before the answer": (vanish_before_the_answer, {0}),
    "half-closed": (half_close, {200, 429, 0}),
    "reads slowly": (read_slowly, {200, 429}),
    "an idle crowd": (idle_crowd, {0}),
    "pipelines": (pipeline, {200}),
}
SLOW = {
    "slow head": (trickle(b"GET / HTTP/1.1\r\nA: ", 1), {408}),
    "slow body": (trickle(head("/embed", 1000), 1), {408}),
}


def client(number):
    r = random.Random(number)
    while time.monotonic() < end:
        try:
            if r.random() >= HOSTILE:
                honest(r)
                continue
            kind = r.choice(list(KINDS))
            answer = KINDS[kind][0](r)
            count(kind, status(answer), KINDS[kind][1], answer)
        except OSError as e:
            count("the client", 0, {1}, repr(e).encode())


def slow_client(kind):
    run, allowed = SLOW[kind]
    while time.monotonic() < end - 35:
        answer = run(random)
        count(kind, status(answer), allowed, answer)


def memory():
    with open(f"/proc/{server.pid}/status") as f:
        return next(int(line.split()[1]) / 1e3 for line in f if line.startswith("VmRSS"))


def probe(pipe):
    """In a process of its own: the clients' threads share one interpreter, which would be measured instead of the server. How much
    later than asked a nap ends is what the machine's other work takes."""
    statuses, seconds, late, most = collections.Counter(), [], 0, 0
    while time.monotonic() < end:
        start = time.monotonic()
        statuses[status(send(b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"))] += 1
        seconds.append(time.monotonic() - start)
        most, start = max(most, memory()), time.monotonic()
        time.sleep(0.1)
        late = max(late, time.monotonic() - start - 0.1)
    pipe.send((statuses, sorted(seconds), late, most))


from_probe, to_parent = multiprocessing.Pipe(duplex=False)
prober = multiprocessing.get_context("fork").Process(target=probe, args=(to_parent,))
prober.start()
threads = [threading.Thread(target=client, args=(i,)) for i in range(CLIENTS)]
threads += [threading.Thread(target=slow_client, args=(kind,)) for kind in SLOW]
first_memory = memory()
for t in threads:
    t.start()
for t in threads:
    t.join()
statuses, health, late, most_memory = from_probe.recv()
prober.join()
for got, n in statuses.items():
    counts["health", got] = n
if set(statuses) != {200} or health[-1] > 1:
    wrong.append(f"/health: {dict(statuses)}, {health[-1]:.2f} s at most")
for _ in range(100):  # who vanished last is seen when his turn comes
    metrics = content(send(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")).decode()
    if "te_queue_size 0\n" in metrics:
        break
    time.sleep(0.1)
else:
    wrong.append("the queue is not empty at the end")
last_memory = memory()
server.send_signal(signal.SIGTERM)
if code := server.wait(60):
    wrong.append(f"it ended with {code}")
for (kind, got), n in sorted(counts.items()):
    print(f"{n:8d}  {kind}: {got or 'no answer'}")
total, good = sum(counts.values()), sum(n for (kind, got), n in counts.items() if kind in ("embed", "openai") and got == 200)
print(f"{total} requests in {SECONDS:.0f} s, {good} honest ones answered to the byte; /health: median {1e3 * health[len(health) // 2]:.1f} ms, "
      f"at most {1e3 * health[-1]:.0f} ms (a nap of 100 ms was up to {1e3 * late:.0f} ms late); memory "
      f"{first_memory:.0f} MB at first, {most_memory:.0f} MB at most, {last_memory:.0f} MB at the end")
for line in wrong:
    print("WRONG", line)
sys.exit(bool(wrong))
