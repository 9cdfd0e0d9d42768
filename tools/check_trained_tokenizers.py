#!/usr/bin/env python3
"""What `bert train-tokenizer` learns, beside what sentencepiece and tokenizers learn of the same files.

    python tools/check_trained_tokenizers.py unigram FILE [VOCAB_SIZE [HELD_OUT]]   bits a byte, and ids in tokenizers
    python tools/check_trained_tokenizers.py bpe FILE [VOCAB_SIZE]                  merges, one by one
    python tools/check_trained_tokenizers.py threads FILE [VOCAB_SIZE]              the same files for 1 to 5 threads

Bits a byte: of the likeliest pieces, by probabilities that add up to 1, of the text in NFKC; both with <unk> as dear as it is there.
"""
import io
import json
import math
import os
import subprocess
import sys
import tempfile
import unicodedata

os.environ["TOKENIZERS_PARALLELISM"] = "false"
import sentencepiece  # noqa: E402
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers  # noqa: E402

import libbert  # noqa: E402

BERT = os.environ.get("BERT", os.path.join(libbert.ROOT, "build", "bert"))


def train(file, out, *options):
    subprocess.run([BERT, "train-tokenizer", file, "-o", out, "--quiet", "--json", *options], check=True, stdout=subprocess.DEVNULL)


def lines_of(file):
    with open(file, encoding="utf-8", errors="replace", newline="\n") as f:
        return [line for line in f.read().split("\n") if line.strip()]


def bits_a_byte(pieces, lines):
    """pieces: (text, score), the first one <unk>."""
    least = min(s for _, s in pieces)
    whole = math.log(sum(math.exp(s) for _, s in pieces[1:]))
    scores = [s - whole for _, s in pieces]
    scores[0] = least - 10 - whole
    t = Tokenizer(models.Unigram([(p, s) for (p, _), s in zip(pieces, scores)], 0, False))
    t.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace(prepend_scheme="always")])
    bits = tokens = size = unknown = 0
    for i in range(0, len(lines), 1000):
        batch = [unicodedata.normalize("NFKC", line) for line in lines[i:i + 1000]]
        size += sum(len(" ".join(line.split()).encode()) for line in batch)
        for e in t.encode_batch(batch):
            tokens += len(e.ids)
            unknown += e.ids.count(0)
            bits -= sum(scores[k] for k in e.ids) / math.log(2)
    return bits / size, tokens / size, unknown / tokens


def unigram(file, size="8000", held_out=None):
    lines, test = lines_of(file), lines_of(held_out or file)
    out = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines), model_writer=out, vocab_size=int(size) - 2, normalization_rule_name="nfkc", minloglevel=2,
        max_sentence_length=1 << 30, hard_vocab_limit=False, num_threads=2)
    m = sentencepiece.SentencePieceProcessor(model_proto=out.getvalue())
    theirs = [("<unk>", 0.)] + [(m.id_to_piece(i), m.get_score(i)) for i in range(m.get_piece_size()) if not m.is_control(i) and not m.is_unknown(i)]
    with tempfile.TemporaryDirectory() as d:
        train(file, d, "--model", "unigram", "--vocab-size", size)
        with open(d + "/tokenizer.json", encoding="utf-8") as f:
            vocab = json.load(f)["model"]["vocab"]
        mine = [("<unk>", 0.)] + [tuple(x) for x in vocab if x[0] not in ("<s>", "<pad>", "</s>", "<unk>", "<mask>")]
        a, b = bits_a_byte(mine, test), bits_a_byte(theirs, test)
        common = len({p for p, _ in mine} & {p for p, _ in theirs})
        print(f"{file} {size}: {len(mine)} pieces here, {len(theirs)} there, {common} of them the same\n"
              f"  bits a byte   {a[0]:.4f}  sentencepiece {b[0]:.4f}  ratio {a[0] / b[0]:.4f}\n"
              f"  pieces a byte {a[1]:.4f}                {b[1]:.4f}  unknown {a[2]:.5f} {b[2]:.5f}")
        o, t = Tokenizer.from_file(d + "/tokenizer.json"), libbert.Tokenizer(d)
        bad = sum(e.ids != t.encode(s)[0][0] for s, e in zip(test[:20000], o.encode_batch(test[:20000])))
        print(f"  {min(len(test), 20000)} lines in tokenizers: {bad} differences")
    return bad or a[0] > 1.01 * b[0]


def bpe(file, size="8000"):
    t = Tokenizer(models.BPE())
    t.pre_tokenizer, t.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    t.train_from_iterator(lines_of(file), trainers.BpeTrainer(
        vocab_size=int(size), min_frequency=2, special_tokens=["<s>", "<pad>", "</s>", "<unk>", "<mask>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False))
    theirs = json.loads(t.to_str())["model"]
    with tempfile.TemporaryDirectory() as d:
        train(file, d, "--model", "bpe", "--vocab-size", size)
        with open(d + "/tokenizer.json", encoding="utf-8") as f:
            mine = json.load(f)["model"]
    merges = [list(x) == list(y) for x, y in zip(mine["merges"], theirs["merges"])]
    bad = len(mine["merges"]) != len(theirs["merges"]) or not all(merges) or mine["vocab"] != theirs["vocab"]
    print(f"{file} {size}: {len(theirs['merges'])} merges, {len(mine['merges'])} here, the first {(merges + [False]).index(False)} alike; "
          f"vocabulary {'alike' if mine['vocab'] == theirs['vocab'] else 'different'}")
    return bad


def threads(file, size="4000"):
    bad = 0
    for model in ("wordpiece", "bpe", "unigram"):
        seen = set()
        for n in range(1, 6):
            with tempfile.TemporaryDirectory() as d:
                train(file, d, "--model", model, "--vocab-size", size, "--threads", str(n))
                with open(d + "/tokenizer.json", "rb") as f:
                    seen.add(f.read())
        print(f"{file} {model}: {len(seen)} different files of 5")
        bad += len(seen) > 1
    return bad


if __name__ == "__main__":
    sys.exit(1 if globals()[sys.argv[1]](*sys.argv[2:]) else 0)
