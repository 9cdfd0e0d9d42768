#!/usr/bin/env python3
"""Compares libbert's tokenizer of a directory without tokenizer.json (vocab.json and merges.txt, a SentencePiece file) with the one
that transformers 5 builds of it: made-up strings, and how the special tokens are found in them.

    python tools/check_tokenizer_files.py DIR [N [charsmap]]

charsmap: DebertaV2Tokenizer as the converter of tokenizer.json makes it (Strip, Precompiled, Replace), not as the class does, which
forgets the charsmap.
"""
import os
import random
import sys

os.environ["TOKENIZERS_PARALLELISM"] = "false"
from tokenizers import Regex, normalizers  # noqa: E402
from transformers import AutoTokenizer  # noqa: E402

import check_tokenizer as check  # noqa: E402
import libbert  # noqa: E402


def charsmap_of(directory):
    from transformers.convert_slow_tokenizer import import_protobuf
    m = import_protobuf().ModelProto()
    with open(os.path.join(directory, "spm.model"), "rb") as f:
        m.ParseFromString(f.read())
    return m.normalizer_spec.precompiled_charsmap


def main(directory, n="20000", special=""):
    o = AutoTokenizer.from_pretrained(directory)._tokenizer
    if special == "charsmap":
        o.normalizer = normalizers.Sequence([normalizers.Strip(), normalizers.Precompiled(charsmap_of(directory)),
                                             normalizers.Replace(Regex(" {2,}"), " ")])
    m, r = libbert.Tokenizer(directory), random.Random(4)
    names = list(o.get_added_tokens_decoder().values())
    report = check.Report(f"files {directory}")
    report.same("size", m.lib.bert_tokenizer_size(m.t), o.get_vocab_size())
    for t in names:
        report.same(str(t), m.lib.bert_token_id(m.t, t.content.encode()), o.token_to_id(t.content))
    for _ in range(int(n)):
        s = "".join(check.piece(r) if r.random() < .9 else r.choice([" ", ""]) + r.choice(names).content for _ in range(r.randrange(14)))
        report.same(s, m.encode(s)[0], check.flat(o.encode(s)))
        pair = check.string(r, 6)
        report.same((s, pair), m.encode(s, pair)[0], check.flat(o.encode(s, pair)))
    return report.end()


if __name__ == "__main__":
    sys.exit(1 if main(*sys.argv[1:]) else 0)
