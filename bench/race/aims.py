"""What the race is run for, beside what it showed: a ratio to the best rival of the class in each place."""

LARGE = ["8x128", "32x128"]


def results(sections, name):
    return sections.get(name, {}).get("results", [])


def precision(row):
    return row["engine"].split()[1]


# Each of these gives (model or other place, what was measured there, ratio).
def passes(shapes, *engines):
    def look(sections):
        for cell in results(sections, "throughput"):
            if cell["shape"] in shapes:
                for r in cell["rows"]:
                    if r["engine"] in engines and "ratio" in r:
                        yield cell["model"], cell["shape"] if len(engines) == 1 else precision(r), r["ratio"]
    return look


def rows(section, *engines):
    """Of sections whose results have rows, or are rows."""
    def look(sections):
        for part in results(sections, section):
            for r in part.get("rows", [part]):
                if "ratio" in r and (not engines or r["engine"] in engines):
                    yield part.get("cap", part.get("model", "")), precision(r), r["ratio"]
    return look


def tokenizers(sections):
    best = {}
    for r in results(sections, "tokens"):
        who = "nanotoken" if r["engine"].startswith("nanotoken") else r["engine"]
        key = (r["text"], r["threads"], who)
        best[key] = max(best.get(key, 0), r["mb_per_second"])
    for (text, threads, who), speed in best.items():
        if who == "bert_tokenize_batch" and (text, threads, "nanotoken") in best:
            yield text, f"{threads} thread{'s'[:threads > 1]}", speed / best[text, threads, "nanotoken"]


# Of servers: a number from the part's results and a server's row, more is better; 0 where it was not measured.
def rate(what, clients=None, key="per_second"):
    """Requests a second, with so many clients or the best."""
    return lambda part, row: max((x[key] for x in row["loads"] if x["what"] == what and clients in (None, x["clients"])), default=0)


def alone(part, row):
    """How often the p50 of one client with a short text goes into a second."""
    return next((1e3 / x["p50"] for x in row["loads"] if x["what"] == SHORT_TEXT and x["clients"] == 1), 0)


def lean(part, row):
    return 1 / row["memory"]


SHORT_TEXT, BATCHES = "1 short text", ("32 short texts", "32 mixed texts")


def served(value, *rivals):
    """Ours over each rival's, or, without one, over what the part itself has measured: value(part, None)."""
    def look(sections):
        for part in results(sections, "serving"):
            rows = {r["server"]: value(part, r) for r in part["rows"]}
            if not rivals and rows.get("bert serve"):
                yield "bert serve", "alone", rows["bert serve"]
            for name in rivals:
                if rows.get("bert serve") and rows.get(name):
                    yield "bert serve", name, rows["bert serve"] / rows[name]
    return look


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
    ("server, 64 clients, over texts/s from a file", 0.9, served(lambda part, row: rate(SHORT_TEXT, 64, "without_load")(part, row) / part["file"])),
    ("server, single texts, 64 clients, over infinity ONNX", 2.2, served(rate(SHORT_TEXT, 64), "infinity ONNX")),
    ("server, single texts, 64 clients", 5, served(rate(SHORT_TEXT, 64), "infinity torch", "llama.cpp")),
    *((f"server, {batch}, over {rival}", wanted, served(rate(batch), rival))
      for batch in BATCHES for rival, wanted in (("infinity ONNX", 1.8), ("infinity torch", 3.8), ("llama.cpp", 5))),
    ("server, one client: 1.3 forward passes + 0.2 ms over p50", 1,
     served(lambda part, row: (1.3 * part["forward"] + 0.2) * alone(part, row) / 1e3)),
    ("server, one client: p50", 3.3, served(alone, "infinity ONNX", "infinity torch", "llama.cpp", "sentence-transformers")),
    ("server, memory, over llama.cpp", 1.67, served(lean, "llama.cpp")),
    ("server, memory, over infinity", 10, served(lean, "infinity ONNX", "infinity torch")),
    ("server, 100 ms over the first answer", 1, served(lambda part, row: 0.1 / row["first_answer"])),
]


def table(sections):
    body = []
    for what, wanted, look in AIMS:
        found = list(look(sections))
        for where in dict.fromkeys(place for place, _, _ in found):
            here = [(label, ratio) for place, label, ratio in found if place == where]
            reached = sum(ratio >= wanted for _, ratio in here)
            body.append([what, where, f"{wanted:g}", f"{reached} of {len(here)}",
                         ", ".join(f"{label} {ratio:.2f}" for label, ratio in here)])
    return "Aims: ours over the best rival of the class", ["what", "where", "wanted", "reached", "measured"], body
