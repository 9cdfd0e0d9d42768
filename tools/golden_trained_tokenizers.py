#!/usr/bin/env python3
"""Writes tests/golden/trained_tokenizers.json: a made-up text, the merges that tokenizers' BpeTrainer learns of it, and the bits a
byte that sentencepiece's Unigram needs for it. Numbers as serde_json reads them.

    python tools/golden_trained_tokenizers.py
"""
import io
import json
import os
import random
import struct

import sentencepiece
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

import check_trained_tokenizers as check
import libbert

OUT = os.path.join(libbert.ROOT, "tests", "golden", "trained_tokenizers.json")
SOUNDS = [("k r t s m n l p".split(), "a e i o u".split()), ("к р т с м н л п".split(), "а е и о у".split()),
          ("κ ρ τ σ μ ν λ π".split(), "α ε η ο υ".split())]
HAN = "天地人日月水火木金土山川田中大小上下"


def word(r):
    x = r.random()
    if x < .08:
        return "".join(r.choice(HAN) for _ in range(r.randrange(1, 6)))
    if x < .14:
        return str(r.randrange(10 ** r.randrange(1, 5)))
    consonants, vowels = SOUNDS[0 if x < .7 else 1 if x < .9 else 2]
    w = "".join(r.choice(consonants) + r.choice(vowels) + (r.choice(consonants) if r.random() < .2 else "") for _ in range(r.randrange(1, 4)))
    return w.capitalize() if r.random() < .1 else w


def lines():
    r = random.Random(11)
    words = [word(r) for _ in range(900)]
    weights = [1 / (i + 3) for i in range(len(words))]
    return ["".join(w + r.choice([" "] * 9 + [", ", ". ", " - "]) for w in r.choices(words, weights, k=r.randrange(4, 14))).strip()
            for _ in range(500)]


def merges(text, size):
    t = Tokenizer(models.BPE())
    t.pre_tokenizer, t.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    t.train_from_iterator(text, trainers.BpeTrainer(
        vocab_size=size, min_frequency=2, special_tokens=["<s>", "<pad>", "</s>", "<unk>", "<mask>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False))
    return [" ".join(x) for x in json.loads(t.to_str())["model"]["merges"]]


def bits(text, size):
    out = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(sentence_iterator=iter(text), model_writer=out, vocab_size=size - 2,
                                             normalization_rule_name="nfkc", minloglevel=2)
    m = sentencepiece.SentencePieceProcessor(model_proto=out.getvalue())
    pieces = [("<unk>", 0.)] + [(m.id_to_piece(i), m.get_score(i)) for i in range(3, m.get_piece_size())]
    return check.bits_a_byte(pieces, text)[0]


def read_by_serde():
    """Texts of numbers, and what tokenizers makes of them."""
    r = random.Random(3)
    texts = [repr(-r.random() * 10 ** r.randrange(-3, 3)) for _ in range(20)] + [
        repr(struct.unpack("f", struct.pack("f", -20 * r.random()))[0]) for _ in range(40)] + ["-0.0", "-1", "-1e-05", "-12345678901234567890.5", "-1.5E2"]
    j = {"version": "1.0", "truncation": None, "padding": None, "added_tokens": [], "normalizer": None, "pre_tokenizer": None,
         "post_processor": None, "decoder": None, "model": {"type": "Unigram", "unk_id": 0, "vocab": [], "byte_fallback": False}}
    vocab = ", ".join(f'["t{i}", {t}]' for i, t in enumerate(texts))
    t = Tokenizer.from_str(json.dumps(j).replace('"vocab": []', f'"vocab": [{vocab}]'))
    return [[x, s.hex()] for x, (_, s) in zip(texts, json.loads(t.to_str())["model"]["vocab"])]


def main():
    text = lines()
    golden = {"lines": text, "bpe_size": 700, "merges": merges(text, 700), "unigram_size": 400, "bits_a_byte": bits(text, 400),
              "numbers": read_by_serde()}
    with open(OUT, "w", encoding="utf-8") as f:
        json.dump(golden, f, ensure_ascii=False, indent=0)
        f.write("\n")


main()
