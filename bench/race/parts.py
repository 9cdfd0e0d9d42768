"""The parts of the race, a row each, and what each wants installed. bench/race.sh asks it before anything is there:

    python3 parts.py OPTIONS       a line for each call of pip: the environment (race or servers), and what to install

So nothing is imported here but Python's own.
"""
import argparse
import re
import sys

IDS = ["torch", "transformers", "tokenizers"]  # models, their ids, and what float64 says
ENGINES = [*IDS, "onnx", "onnxruntime", "openvino", "nncf", "ctranslate2", "gguf", "llama-cpp-python"]
# infinity wants these older ones; what is in a line is installed together. sentence-transformers comes with it.
SERVERS = ["torch", "infinity-emb[server,torch,optimum]==0.0.77 optimum<1.25 transformers<4.49 click<8.2 pyarrow<20 datasets<4",
           "llama-cpp-python[server]"]

# The module of that name: run(context) -> results, tables(results) -> (title, columns, rows). What it wants beside
# numpy, and what goes into the servers' environment.
PARTS = {
    "throughput": (ENGINES, []),
    "capped": (ENGINES, []),
    "pictures": ([*IDS, "onnx", "onnxruntime", "openvino", "nncf", "pillow"], []),
    "training": (IDS, []),
    "sentences": (ENGINES, []),
    "footprint": (ENGINES, []),
    "serving": ([*IDS, "onnx", "gguf"], SERVERS),
    "tokens": (["tokenizers", "nanotoken", "sentencepiece", "protobuf", "gigatoken", "rs_bpe", "bpe-openai"], []),
}


def listed(text):
    return text.split(",")


def add_only(parser):
    parser.add_argument("--only", type=listed, default=list(PARTS), metavar="PART,..", help=", ".join(PARTS))


def distribution(requirement):
    """The name that pip knows it by: the first one, without extras and versions."""
    return re.match(r"[\w.-]+", requirement)[0]


def packages():
    """Of the race's own environment, each once."""
    return list(dict.fromkeys(distribution(p) for wanted, _ in PARTS.values() for p in wanted))


def main():
    parser = argparse.ArgumentParser(add_help=False)
    add_only(parser)
    parser.add_argument("-h", "--help", action="store_true")
    args, _ = parser.parse_known_args()
    chosen = [] if args.help else [PARTS[name] for name in args.only if name in PARTS]
    for environment, column in ("race", 0), ("servers", 1):
        wanted = ["numpy"] if environment == "race" else []
        wanted += [p for part in chosen for p in part[column]]
        for requirement in dict.fromkeys(wanted):
            print(environment, distribution(requirement), requirement)


if __name__ == "__main__":
    sys.exit(main())
