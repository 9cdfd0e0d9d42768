"""Tokenizers, in turn, on lines of English and of many languages: megabytes a second, from text to ids."""
import json
import os
import random
import statistics

import pool
from engines import Engine

ENGINES = [  # name, what it gives, kind, precision of the worker, argument of "tokenize"
    ("bert_tokenize_batch", "ids, offsets, words", "ours", "none", "all"),
    ("tokenizers", "ids, offsets, words", "tokenizers", "lines", "all"),
    ("bert_tokenize_ids", "ids", "ours", "none", "ids"),
    ("nanotoken, of lines", "ids", "nanotoken", "lines", "ids"),
    ("nanotoken, of a file", "ids", "nanotoken", "file", "ids"),
]
BYTES = 8_000_000


def repeated(lines):
    size = sum(len(line.encode()) + 1 for line in lines)
    return lines * max(1, round(BYTES / size))


def english(context):
    """The paragraphs of SQuAD."""
    lines = []
    for name in ("train-half.json", "dev-half.json"):
        with open(context.find(f"squad/{name}"), encoding="utf-8") as f:
            lines += [" ".join(p["context"].split()) for a in json.load(f)["data"] for p in a["paragraphs"]]
    return lines


def mixed(context):
    """Reviews in Chinese between lines of words from the vocabulary of multilingual BERT, 104 languages."""
    with open(context.find("vocab/bert-base-multilingual-cased/vocab.txt"), encoding="utf-8") as f:
        words = [w for w in f.read().split("\n")[106:] if w]
    with open(context.find("chinese/train.tsv"), encoding="utf-8") as f:
        chinese = [line.split("\t")[0] for line in f.read().split("\n")[1:]]
    draw, lines = random.Random(1), []
    for i in range(12000):
        text = " ".join(draw.choice(words) for _ in range(30)).replace(" ##", "").replace("##", "")
        lines += [text, chinese[i // 6 % len(chinese)]] if i % 6 == 0 else [text]
    return lines


# what is read -> (the lines, the directory of the tokenizer)
TEXTS = {
    "English": (english, lambda c: c.models.directory("all-MiniLM-L6-v2")),
    "many languages": (mixed, lambda c: os.path.dirname(c.find("vocab/bert-base-multilingual-cased/tokenizer.json"))),
    "English, byte-level BPE": (english, lambda c: os.path.dirname(c.find("vocab/roberta-base/tokenizer.json"))),
    "many languages, byte-level BPE": (mixed, lambda c: os.path.dirname(c.find("vocab/roberta-base/tokenizer.json"))),
}


def one_text(context, text):
    lines, tokenizer = TEXTS[text][0](context), TEXTS[text][1](context)
    path = context.scratch(f"lines-{text.replace(',', '').replace(' ', '-').lower()}.txt")
    with open(path, "w", encoding="utf-8") as f:
        f.write("\n".join(repeated([line for line in lines if line])) + "\n")
    size = os.path.getsize(path)
    rows = []
    for threads in sorted({1, context.threads}):
        runners = []
        for name, gives, kind, precision, what in ENGINES:
            if what == "ids" and kind == "ours" and threads > 1:
                continue  # one thread is what it has; bert_tokenize_batch is for more
            with context.with_threads(threads):
                w = pool.start(context, Engine(name, "", kind, precision), tokenizer)
            if w:
                runners.append((w, what, {"text": text, "engine": name, "gives": gives, "threads": threads}))
        times = {w: [] for w, _, _ in runners}
        for i in range(2 if context.quick else 7):
            for w, what, row in runners:
                if i >= 3 and w.engine.kind == "tokenizers":
                    continue  # takes seconds a pass
                context.say(f"{text}, {threads} threads, round {i + 1}: {row['engine']}")
                try:
                    got = w.ask("tokenize", path, what, 3)
                except pool.Failed as e:
                    context.absent(w.engine.name, e)
                    continue
                times[w].append(statistics.median(got["seconds"]))
                row["tokens"] = got["tokens"]
        for w, _, row in runners:
            w.close()
            if times[w]:
                rows.append({**row, "mb_per_second": size / statistics.median(times[w]) * 1e-6})
    return rows


def run(context):
    return [row for text in TEXTS for row in one_text(context, text)]


def tables(rows):
    for text in dict.fromkeys(r["text"] for r in rows):
        mine = [r for r in rows if r["text"] == text]
        body = [[r["engine"], r["gives"], r["threads"], f"{r['mb_per_second']:,.1f}", f"{r['tokens']:,}"] for r in mine]
        yield f"Tokenizers: {text}", ["engine", "gives", "threads", "MB/s", "tokens"], body
