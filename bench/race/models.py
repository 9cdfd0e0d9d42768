"""The models of the race, what rivals load of them, ids, and what transformers computes of those in float64."""
import csv
import hashlib
import os
import subprocess
import sys

import numpy as np

import families
import pool

PICTURES = "vit"  # what the names of models of pictures begin with; tokens of a picture: 14 x 14 patches and [CLS]
PIXELS = (3, 224, 224)
SHAPES = ["1x16", "1x128", "1x512", "8x128", "32x128"]
CHECKED = 2  # sequences of a batch that are compared with float64


def shapes_of(model):
    row = families.family(model)
    return list(row.shapes) if row else SHAPES


def sizes(shape):
    return tuple(int(x) for x in shape.split("x"))


def reads_pictures(model):
    return os.path.basename(model).startswith(PICTURES)


class Models:
    def __init__(self, context):
        self.context, self.known, self.failed, self.tokens = context, {}, {}, None

    def tool(self, *args, env=None):
        """Runs export.py, in a process of its own: the libraries that it loads stay out of this one."""
        run = subprocess.run([sys.executable, os.path.join(pool.HERE, "export.py"), *args], stdout=self.context.log,
                             stderr=subprocess.PIPE, text=True, env={**pool.environment(self.context), **(env or {})})
        if run.returncode:
            self.context.log.write(run.stderr)
            killed = f"killed by signal {-run.returncode}" if run.returncode < 0 else "failed"
            raise pool.Failed((run.stderr.strip() or killed).splitlines()[-1][:300])

    def directory(self, name):
        if name not in self.known:
            self.known[name] = self.find(name)
        return self.known[name]

    def find(self, name):
        if os.path.isdir(name):
            return name
        if name not in families.FAMILIES and not name.startswith(("bert-", PICTURES)):
            return self.linked(name)
        path = os.path.join(self.context.cache, "models", name)
        whole = "preprocessor_config.json" if reads_pictures(name) else "tokenizer.json"
        if not os.path.exists(os.path.join(path, whole)):
            self.context.say(f"making {name}")
            self.tool("model", name, path, self.directory("all-MiniLM-L6-v2"))
        return path

    def linked(self, name):
        """A model of the cache, in a directory of our own: exports are put beside it."""
        run = subprocess.run([os.path.join(self.context.root, "tools", "get_model.sh"), name], capture_output=True,
                             text=True)
        if run.returncode:
            raise pool.Failed(run.stderr.strip())
        source, path = run.stdout.strip(), os.path.join(self.context.cache, "models", name)
        os.makedirs(path, exist_ok=True)
        for file in os.listdir(source):
            target = os.path.join(path, file)
            if not os.path.lexists(target):
                os.symlink(os.path.join(source, file), target)
        return path

    def export(self, engine, model):
        for name in engine.needs:
            path = os.path.join(model, "race", name)
            if path in self.failed:
                raise pool.Failed(self.failed[path])
            if os.path.exists(path):
                continue
            self.context.say(f"exporting {name} of {os.path.basename(model)}")
            try:
                self.tool(name, model, env={"RACE_IDS": self.calibration(model)})
            except pool.Failed as e:
                self.failed[path] = f"{name}: {e}"
                raise pool.Failed(self.failed[path])

    def tokenizer(self):
        import tokenizers
        tokenizer = tokenizers.Tokenizer.from_file(os.path.join(self.directory("all-MiniLM-L6-v2"), "tokenizer.json"))
        tokenizer.no_truncation()
        tokenizer.no_padding()
        return tokenizer

    def ids_of(self, text):
        return self.tokenizer().encode(text).ids

    def stream(self):
        """Tokens of real text: the reports of the demo, end to end."""
        if self.tokens is None:
            tokenizer = self.tokenizer()
            texts = []
            for name in ("train.csv", "validation.csv", "test.csv"):
                with open(os.path.join(self.context.root, "demo", name), encoding="utf-8", newline="") as f:
                    texts += [row["text"] for row in csv.DictReader(f)]
            rows = tokenizer.encode_batch(texts, add_special_tokens=False)
            self.tokens = [i for row in rows for i in row.ids]
        return self.tokens

    def rows(self, batch, seq, skip=0):
        tokens, n = self.stream(), seq - 2
        if skip + batch * n > len(tokens):
            raise pool.Failed(f"{batch}x{seq}: more tokens than the text has")
        return np.array([[101, *tokens[skip + i * n:skip + (i + 1) * n], 102] for i in range(batch)], dtype=np.int32)

    def write(self, name, rows):
        path = os.path.join(self.context.out, name)
        rows.tofile(path)
        return path

    def pixels(self, name, count, seed):
        """Normalized pictures: slow waves and noise, float32 [count, 3, 224, 224]."""
        random, (_, h, w) = np.random.default_rng(seed), PIXELS
        y, x = np.mgrid[:h, :w] / h
        out = np.empty((count, *PIXELS), dtype=np.float32)
        for plane in out.reshape(-1, h, w):
            a, b, c, d = random.uniform(-9, 9, 4)
            plane[:] = np.sin(a * x + b * y + c) + 0.3 * d / 9 + 0.1 * random.standard_normal((h, w))
        return self.write(name, out)

    def ids(self, shape, model=""):
        if reads_pictures(model):
            return self.pixels(f"pixels-{shape}.bin", sizes(shape)[0], 1)
        return self.write(f"ids-{shape}.bin", self.rows(*sizes(shape)))

    def calibration(self, model):
        """For engines that want to see data before they quantize: what the race does not use."""
        if reads_pictures(model):
            return self.pixels("calibration-pixels.bin", 24, 2)
        return self.write("calibration.bin", self.rows(48, 64, len(self.stream()) - 48 * 62))

    def reference(self, model, shape):
        """last_hidden_state in float64 of the first sequences of a shape: [sequences, seq, hidden]."""
        batch, seq = sizes(shape)
        rows = min(batch, CHECKED)
        path = self.ids(shape, model)
        with open(path, "rb") as f:
            key = hashlib.sha256(f.read(rows * seq * 4)).hexdigest()[:12]
        folder = os.path.join(model, "race")
        os.makedirs(folder, exist_ok=True)
        out = os.path.join(folder, f"reference-{rows}x{seq}-{key}.bin")
        if not os.path.exists(out):
            self.context.say(f"computing {os.path.basename(model)} {shape} in float64")
            self.tool("reference", model, path, str(rows), str(seq), out)
        return np.fromfile(out, dtype=np.float64).reshape(rows, seq, -1)
