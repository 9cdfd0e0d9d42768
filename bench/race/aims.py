"""What the race is run for, beside what it showed: a ratio to the best rival of the class in each place."""

LARGE = ["8x128", "32x128"]


def results(sections, name):
    return sections.get(name, {}).get("results", [])


def passes(shapes, *engines):
    def look(sections):
        for cell in results(sections, "throughput"):
            if cell["shape"] in shapes:
                for r in cell["rows"]:
                    if r["engine"] in engines and "ratio" in r:
                        yield f"{cell['model']} {cell['shape']} {r['engine'].split()[1]}", r["ratio"]
    return look


def rows(section, *engines):
    """Of sections whose results have rows, or are rows."""
    def look(sections):
        for part in results(sections, section):
            for r in part.get("rows", [part]):
                if "ratio" in r and (not engines or r["engine"] in engines):
                    where = " ".join(part[k] for k in ("cap", "model") if k in part)
                    yield f"{where} {r['engine'].split()[1]}".strip(), r["ratio"]
    return look


def tokenizers(sections):
    best = {}
    for r in results(sections, "tokens"):
        who = "nanotoken" if r["engine"].startswith("nanotoken") else r["engine"]
        key = (r["text"], r["threads"], who)
        best[key] = max(best.get(key, 0), r["mb_per_second"])
    for (text, threads, who), speed in best.items():
        if who == "bert_encode_batch" and (text, threads, "nanotoken") in best:
            yield f"{text}, threads: {threads}", speed / best[text, threads, "nanotoken"]


# what, the ratio that is wanted, and where it is found
AIMS = [
    ("forward, `highest`", 2, passes(LARGE, "bert highest")),
    ("forward, `high`", 3, passes(LARGE, "bert high")),
    ("forward, `medium`", 1.5, passes(LARGE, "bert medium")),
    ("forward, `int8`", 1.5, passes(LARGE, "bert int8")),
    ("one sentence of 16 tokens", 1, passes(["1x16"], "bert highest", "bert high", "bert medium", "bert int8")),
    ("training step, f32", 3, rows("training", "bert highest", "bert high")),
    ("training step, bf16", 2, rows("training", "bert medium")),
    ("sentences of real lengths", 4, rows("sentences")),
    ("capped instruction sets", 1, rows("capped", "bert highest")),
    ("cold start", 1, rows("footprint")),
    ("tokenizer, with offsets, over nanotoken without", 1, tokenizers),
]


def table(sections):
    body = []
    for what, wanted, look in AIMS:
        found = list(look(sections))
        if found:
            reached = sum(ratio >= wanted for _, ratio in found)
            body.append([what, f"{wanted:g}", f"{reached} of {len(found)}",
                         ", ".join(f"{where} {ratio:.2f}" for where, ratio in found)])
    return "Aims: ours over the best rival of the class", ["what", "wanted", "reached", "measured"], body
