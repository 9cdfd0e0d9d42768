"""A rival in the race: one process that does what it is told on standard input, as bench/race_worker.c does for us.

    worker.py KIND MODEL PRECISION THREADS            commands on standard input, an answer a line
    worker.py --once KIND MODEL PRECISION THREADS TEXT  prints the vector of one text (cold start)
"""
import importlib
import json
import os
import sys
import time

from models import PIXELS, reads_pictures


def batches(texts, order, size=32):
    """Places of the texts of each batch; sorted as sentence-transformers does: by length, longest first."""
    places = list(range(len(texts)))
    if order == "sorted":
        places.sort(key=lambda i: -len(texts[i]))
    return [places[i:i + size] for i in range(0, len(places), size)]


class Tokenizer:
    """Texts to ids padded to the longest, with the tokenizers library, as every one of the rivals' users does."""

    def __init__(self, model):
        import tokenizers
        self.tokenizer = tokenizers.Tokenizer.from_file(os.path.join(model, "tokenizer.json"))
        self.tokenizer.enable_padding()
        self.tokenizer.enable_truncation(256)

    def __call__(self, texts):
        import numpy as np
        rows = self.tokenizer.encode_batch(texts)
        ids = np.array([r.ids for r in rows], dtype=np.int64)
        mask = np.array([r.attention_mask for r in rows], dtype=np.int64)
        return ids, mask


class Worker:
    def __init__(self, rival, model):
        self.rival, self.model, self.tokenizer = rival, model, None

    def shape(self, batch, seq, path):
        import numpy as np
        if reads_pictures(self.model):
            pixels = np.fromfile(path, dtype=np.float32).reshape(int(batch), *PIXELS)
            self.inputs = self.rival.prepare_pixels(pixels)
            return {"ok": True}
        ids = np.fromfile(path, dtype=np.int32, count=int(batch) * int(seq)).reshape(int(batch), int(seq))
        self.inputs = self.rival.prepare(ids.astype(np.int64), None)
        return {"ok": True}

    def time(self, warm, runs):
        seconds = []
        for i in range(-int(warm), int(runs)):
            start = time.perf_counter()
            self.rival.run(self.inputs)
            if i >= 0:
                seconds.append(time.perf_counter() - start)
        return {"seconds": seconds}

    def save(self, path):
        import numpy as np
        start = time.perf_counter()
        result = self.rival.run(self.inputs)
        seconds = time.perf_counter() - start
        np.asarray(self.rival.numpy(result), dtype=np.float32).tofile(path)
        return {"seconds": [seconds]}

    def vectors(self, texts):
        ids, mask = self.tokenizer(texts)
        return self.rival.pool(self.rival.run(self.rival.prepare(ids, mask)), mask), int(mask.sum())

    def embed(self, path, out, order):
        import numpy as np
        with open(path, encoding="utf-8") as f:
            texts = f.read().splitlines()
        self.tokenizer = self.tokenizer or Tokenizer(self.model)
        self.vectors(texts[:32])
        result, tokens = None, 0
        start = time.perf_counter()
        for places in batches(texts, order):
            rows, n = self.vectors([texts[i] for i in places])
            if result is None:
                result = np.empty((len(texts), rows.shape[1]), dtype=np.float32)
            result[places] = rows
            tokens += n
        seconds = time.perf_counter() - start
        result.tofile(out)
        return {"seconds": [seconds], "tokens": tokens}

    def tokenize(self, path, what, passes):
        with open(path, encoding="utf-8", newline="\n") as f:
            lines = f.read().rstrip("\n").split("\n")
        seconds = []
        for i in range(-1, int(passes)):
            result = None  # the latest one is taken apart outside of the time
            start = time.perf_counter()
            result = self.rival.tokenize(path, lines)
            if i >= 0:
                seconds.append(time.perf_counter() - start)
        return {"seconds": seconds, "tokens": self.rival.count(result)}


def reason(e):
    return (str(e) if type(e) is RuntimeError and str(e) else f"{type(e).__name__}: {e}")[:300]


def main():
    once = sys.argv[1] == "--once"
    kind, model, precision, threads = sys.argv[1 + once:5 + once]
    # What libraries print to standard output must not stand among the answers.
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)

    def answer(line):
        answers.write(json.dumps(line) + "\n")

    try:
        rival = importlib.import_module(f"rival_{kind}").Rival(model, precision, int(threads))
        w = Worker(rival, model)
        if once:
            w.tokenizer = Tokenizer(model)
            answer({"embedding": [float(x) for x in w.vectors([sys.argv[6]])[0][0]]})
            return
        answer({"ready": True})
    except Exception as e:
        answer({"error": reason(e)})
        return
    for line in sys.stdin:
        name, *rest = line.split()
        try:
            answer(getattr(w, name)(*rest))
        except Exception as e:
            answer({"error": reason(e)})


if __name__ == "__main__":
    main()
