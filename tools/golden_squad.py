#!/usr/bin/env python3
"""Writes tests/golden/squad.json: SQuAD's normalisation by the definition of its evaluation scripts, of every code
point alone and among letters, articles and sigmas (checksums of blocks of code points), and exact match and F1
of random answers in many scripts. Like src/text/python_tables.c it is of Python 3.11, whose Unicode is 14.0:

    python3.11 tools/golden_squad.py
"""
import json
import os
import random
import sys
import unicodedata
import zlib

from golden_task_metrics import f1, normalize

HERE = os.path.dirname(os.path.abspath(__file__))
BLOCK = 0x4000
CONTEXTS = ["{}", "x {}the{} y", "x{}an", "b{}c d{}", "Α{}Σ", "ΑΣ{}Α", "{}Σ"]


def checksums(context):
    out = []
    for block in range(0, 0x110000, BLOCK):
        points = (c for c in range(block, block + BLOCK) if not 0xD800 <= c <= 0xDFFF)
        texts = "".join(normalize(context.replace("{}", chr(c))) + "\n" for c in points)
        out.append(zlib.crc32(texts.encode()))
    return out


WORDS = ["the", "A", "an", "THE", "the\u0301", "a\u00b2", "the\u2082", "a\u20dd", "a_", "a\u203f", "\u216bthe", "an\u00a0", "a\x1cthe",
         "a\u200bthe", "an\u2028a", "a\u3000", "\x85the", "ΟΔΟΣ", "ΟΔΟΣ.", "ΟΔΟΣ’Α", "Σ", "ΣΣ", "Σ\u00ad", "aΣ\u0301", "İstanbul", "I\u0307",
         "ẞ", "ß", "Ⱥ", "ǅ", "ΐ", "ﬁ", "Ꭰ", "ꭰ", "Ⴀ", "\u1c89", "١٢", "½", "a½", "北京", "、", "«the»", "“an”", "x'a'y", "a-b", "the.a",
         "\0", "a\0", "🙂", "the🙂", "a️", "", " "]


def cases(rng):
    def text():
        return rng.choice([" ", ""]).join(rng.choice(WORDS) for _ in range(rng.randint(0, 5)))

    def one():
        answer, gold = text(), [text() for _ in range(rng.randint(1, 3))]
        if rng.random() < 0.5:
            gold[0] = rng.choice([str.lower, str.upper, str.title])(answer)
        worded = [g for g in gold if normalize(g)] or [""]
        exact = [max(float(normalize(answer) == normalize(g)) for g in golds) for golds in (gold, worded)]
        return dict(answer=answer, gold=gold, normalized=normalize(answer), exact=exact,
                    f1=[max(f1(answer, g, v2) for g in golds) for v2, golds in ((False, gold), (True, worded))])

    return [one() for _ in range(200)]


def main():
    with open(os.path.join(HERE, "..", "tests", "golden", "squad.json"), "w") as f:
        json.dump(dict(python=sys.version.split()[0], unicode=unicodedata.unidata_version, block=BLOCK,
                       contexts=[dict(context=c, crc32=checksums(c)) for c in CONTEXTS], cases=cases(random.Random(2))),
                  f, ensure_ascii=False, separators=(",", ":"))
        f.write("\n")


if __name__ == "__main__":
    main()
