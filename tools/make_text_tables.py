#!/usr/bin/env python3
"""Writes src/text/text_tables.c: what the tokenizers of BERT's relatives know of each code point.

As make_unicode_tables.py does, it asks PyPI `tokenizers` 0.23.3 code point by code point: letters, numbers and white space of
its byte-level expression, marks that StripAccents drops, NFKD, and what NFC composes. What joins a grapheme cluster comes from
PyPI `regex`, and is held against the clusters that the library's Precompiled normalizer sees (through a charsmap made here with
`sentencepiece`); where they differ the library is right. Run it once:

    python tools/make_text_tables.py > src/text/text_tables.c
"""
import io
import sys
import tempfile

import regex
import sentencepiece
import tokenizers
from tokenizers import normalizers, pre_tokenizers

BLOCK, PAGE = 128, 64
LETTER, NUMBER, SPACE, MARK, CONSONANT, LINKER, JOINS, HARD = (1 << i for i in range(8))
CLUSTER = ["Other", "CR", "LF", "Control", "Extend", "ZWJ", "Regional_Indicator", "Prepend", "SpacingMark", "L", "V", "T", "LV",
           "LVT", "Pictographic"]
SCALARS = [c for c in range(0x110000) if not 0xD800 <= c <= 0xDFFF]
HANGUL = range(0xAC00, 0xD7A4)
split = pre_tokenizers.ByteLevel(add_prefix_space=False).pre_tokenize_str
nfd, nfc = normalizers.NFD().normalize_str, normalizers.NFC().normalize_str
nfkd = normalizers.NFKD().normalize_str
strip = normalizers.StripAccents().normalize_str


def charsmap(rules):
    """The charsmap of {from: to}, of sentencepiece's own making."""
    with tempfile.TemporaryDirectory() as d:
        with open(d + "/rules.tsv", "w") as f:
            for a, b in rules.items():
                f.write(" ".join(f"{ord(x):X}" for x in a) + "\t" + " ".join(f"{ord(x):X}" for x in b) + "\n")
        out = io.BytesIO()
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(["a b c d e f g"] * 20), model_writer=out, vocab_size=12, normalization_rule_tsv=d + "/rules.tsv",
            minloglevel=2)
        model = sentencepiece.SentencePieceProcessor(model_proto=out.getvalue()).serialized_model_proto()
    from transformers.utils import sentencepiece_model_pb2_new as pb
    m = pb.ModelProto()
    m.ParseFromString(model)
    return m.normalizer_spec.precompiled_charsmap


def flags_of(c):
    s, f = chr(c), 0
    if len(split("a" + s)) == 1:
        return LETTER
    if len(split("1" + s)) == 1:
        return NUMBER
    if len(split("!" + s)) == 2:
        f |= SPACE
    return f


def clusters():
    """{code point: index in CLUSTER}"""
    known = {}
    for i, name in enumerate(CLUSTER[1:-1], 1):
        pattern = regex.compile(r"\p{GCB=%s}" % name)
        known.update({c: i for c in SCALARS if pattern.match(chr(c))})
    pictographic = regex.compile(r"\p{Extended_Pictographic}")
    known.update({c: 14 for c in SCALARS if c not in known and pictographic.match(chr(c))})
    # What the library sees: Q and a mark are one cluster, which becomes R; a prepended letter and Q likewise.
    sees = normalizers.Precompiled(charsmap({"Q": "R"})).normalize_str
    extends = {CLUSTER.index(x) for x in ("Extend", "SpacingMark", "ZWJ")}
    for c in SCALARS:
        joins = len(sees("Q" + chr(c))) == 1
        if joins != (known.get(c, 0) in extends):
            print(f"U+{c:04X}: {CLUSTER[known.get(c, 0)]}, but the library {'joins' if joins else 'does not join'} it",
                  file=sys.stderr)
            if joins:
                known[c] = CLUSTER.index("Extend")
            else:
                known.pop(c, None)
    prepended = [c for c in SCALARS if known.get(c) == CLUSTER.index("Prepend")]
    sees = normalizers.Precompiled(charsmap({chr(c): "R" for c in prepended})).normalize_str
    for c in prepended:
        assert sees(chr(c) + "Q") == "R", hex(c)
    return known


def compositions(decomposed):
    pairs = {}
    for c in SCALARS:
        d = decomposed[c]
        if c in HANGUL or len(d) < 2:
            continue
        first = nfc(d[:-1])
        if len(first) == 1 and nfc(first + d[-1]) == chr(c):
            pairs[ord(first), ord(d[-1])] = c
    return pairs


def kinds(flags):
    """Pages of 64 code points: bits of letters and white space, of numbers and white space; and which page is where."""
    pages, where = {}, []
    for b in range(0, len(flags), PAGE):
        x = flags[b:b + PAGE]
        page = tuple(sum(1 << i for i, f in enumerate(x) if f & (one | SPACE)) for one in (LETTER, NUMBER))
        where.append(pages.setdefault(page, len(pages)))
    return pages, where


def rows(values, per_line):
    return "\n".join("    " + ", ".join(values[i:i + per_line]) + "," for i in range(0, len(values), per_line))


def main():
    assert tokenizers.__version__ == "0.23.3", tokenizers.__version__
    cluster = clusters()
    consonant, linker = regex.compile(r"\p{InCB=Consonant}"), regex.compile(r"\p{InCB=Linker}")
    decomposed = {c: nfd(chr(c)) for c in SCALARS}
    pairs = compositions(decomposed)
    second = {b for _, b in pairs}
    pool, records, index = [], {}, []
    for c in range(0x110000):
        record = (0, 0, 0, 0)
        if not 0xD800 <= c <= 0xDFFF:
            s = chr(c)
            f = flags_of(c)
            if strip(s) == "":
                f |= MARK
            if consonant.match(s):
                f |= CONSONANT
            if linker.match(s):
                f |= LINKER
            if c in second or 0x1161 <= c <= 0x1175 or 0x11A8 <= c <= 0x11C2:
                f |= JOINS
            if nfc(s) != s:
                f |= HARD
            d = [] if c in HANGUL else [ord(x) for x in nfkd(s)]
            length, at = 0, 0
            if d and d != [c]:
                length, at = len(d), len(pool)
                pool += d
            record = (f, cluster.get(c, 0), length, at)
        index.append(records.setdefault(record, len(records)))
    blocks, stage1, stage2 = {}, [], []
    for b in range(0, 0x110000, BLOCK):
        block = tuple(index[b:b + BLOCK])
        if block not in blocks:
            blocks[block] = len(blocks)
            stage2 += block
        stage1.append(blocks[block])
    flags = [r[0] for r in records]
    pages, where = kinds([flags[i] for i in index])
    assert len(records) < 65536 and len(blocks) < 65536 and len(pool) < 65536
    out = sys.stdout
    out.write(f"""/* Generated by tools/make_text_tables.py from tokenizers {tokenizers.__version__} and regex {regex.__version__}. Do not edit.
 * {len(records)} records, {len(blocks)} blocks of {BLOCK}. */
#include "text/text_tables.h"
/* clang-format off */

const uint16_t bert_letters_stage1[{len(stage1)}] = {{
{rows([str(x) for x in stage1], 24)}
}};

const uint16_t bert_letters_stage2[{len(stage2)}] = {{
{rows([str(x) for x in stage2], 20)}
}};

/* flags, kind in a grapheme cluster, length and place of NFKD */
const bert_letter bert_letters[{len(records)}] = {{
{rows(["{%d,%d,%d,%d}" % r for r in records], 8)}
}};

const uint32_t bert_letters_nfkd[{len(pool)}] = {{
{rows([hex(x) for x in pool], 12)}
}};

/* first, second, both; in order of the first two */
const uint32_t bert_compositions[{len(pairs)}][3] = {{
{rows(["{%#x,%#x,%#x}" % (a, b, c) for (a, b), c in sorted(pairs.items())], 4)}
}};
const int bert_compositions_n = {len(pairs)};

/* By {PAGE} code points: the page that has their kinds. */
const uint16_t bert_kinds_pages[{len(where)}] = {{
{rows([str(x) for x in where], 24)}
}};

const uint64_t bert_kinds[{len(pages)}][2] = {{
{rows(["{%#x,%#x}" % p for p in pages], 4)}
}};
""")


if __name__ == "__main__":
    main()
