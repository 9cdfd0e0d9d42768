#!/usr/bin/env python3
"""Compares libbert's tokenizer with PyPI `tokenizers` (0.23.x): ids, offsets, word ids, type ids,
sequence ids, special masks, decoding. Prints the cases compared and the differences (none).

    python tools/check_tokenizer.py sweep DIR              every scalar value, every flag combination
    python tools/check_tokenizer.py scalars DIR [STEP]     every (STEP-th) scalar value, alone and in context
    python tools/check_tokenizer.py fuzz DIR [N [SEED [FILE..]]]   N made-up strings, of pieces of DIR's vocabulary and of the files, too
    python tools/check_tokenizer.py pairs DIR [N [SEED]]   pairs, truncation, windows
    python tools/check_tokenizer.py added DIR [N [SEED]]   added tokens with every flag
    python tools/check_tokenizer.py text DIR FILE...       every line of real text
    python tools/check_tokenizer.py save DIR [N]           a saved copy against the original

DIR holds tokenizer.json or vocab.txt.
"""
import itertools
import json
import os
import random
import sys
import tempfile

os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["RUST_BACKTRACE"] = "0"  # its panics are expected, and long
from tokenizers import AddedToken, Tokenizer, normalizers  # noqa: E402
from tokenizers.implementations import BertWordPieceTokenizer  # noqa: E402

import libbert  # noqa: E402

MARKS = [0x300, 0x301, 0x307, 0x308, 0x315, 0x316, 0x323, 0x327, 0x328, 0x334, 0x344, 0x345, 0x591,
         0x5b0, 0x653, 0x8d4, 0x8e2, 0x93c, 0x94d, 0xe38, 0xf71, 0xf72, 0xf73, 0x1dfb, 0x302a, 0x302e, 0x302f,
         0x3099, 0x1d165, 0x1d166, 0x1d16d, 0x1d16e, 0x11442, 0x11446, 0x1e000, 0x1e944, 0x20d0, 0x20dd, 0xfe20]
ODD = [0x2581, 0x120, 0x10a, 0, 1, 8, 9, 0xa, 0xb, 0xc, 0xd, 0x1f, 0x7f, 0x85, 0xa0, 0xad, 0xb2, 0xdf, 0x130, 0x131, 0x149, 0x17f,
       0x1c5, 0x1f0, 0x34f, 0x37e, 0x387, 0x390, 0x3a3, 0x3c2, 0x489, 0x600, 0x61c, 0x6dd, 0x70f, 0x901, 0x9cb,
       0xb4b, 0xe33, 0xf43, 0x1100, 0x1160, 0x11a8, 0x1680, 0x180e, 0x1e9b, 0x1e9e, 0x1f80, 0x1fef, 0x2000,
       0x200b, 0x200c, 0x200d, 0x2010, 0x2019, 0x2028, 0x202e, 0x203c, 0x20ac, 0x2126, 0x212a, 0x212b, 0x2160,
       0x2329, 0x24b6, 0x2adc, 0x3000, 0x3001, 0x304c, 0x3400, 0x4dbf, 0x4dc0, 0x4e00, 0x9fff, 0xa7d2, 0xab70,
       0xac00, 0xac01, 0xd7a3, 0xd7fb, 0xe000, 0xf8ff, 0xf900, 0xfa0e, 0xfb1d, 0xfb2a, 0xfdfa, 0xfe0f, 0xfe33,
       0xfeff, 0xff01, 0xff21, 0xfff9, 0xfffc, 0xfffd, 0xfffe, 0x10400, 0x105c9, 0x1109a, 0x110bd, 0x16fe4,
       0x16ff0, 0x1bca0, 0x1d15e, 0x1d160, 0x1d173, 0x1d400, 0x1e900, 0x1f1e6, 0x1f3fb, 0x1f600, 0x1f971, 0x20000,
       0x2a6df, 0x2a6e0, 0x2b73f, 0x2b81f, 0x2b820, 0x2b920, 0x2ceaf, 0x2ceb0, 0x2f800, 0x30000, 0xe0001,
       0xe0100, 0xf0000, 0x10ffff]
WORDS = ["[MASK]", "[SEP]", "[CLS]", "[PAD]", "[UNK]", "[mask]", "[MAS", "##ing", "unaffable", "Straße", "naïve",
         "résumé", "İstanbul", "https://a.b/c?d=1", "x" * 16, "x" * 100, "y" * 101, "e\u0301" * 50, "e\u0301" * 51,
         "한국어", "가" * 34, "don\u2019t", "日本語", "Ａ", "ﬁ", "o\u0302\u0323", "\U0001f468\u200d\U0001f469\u200d\U0001f467",
         "the", "The", "of", "и", "Привет", "नमस्ते", "สวัสดี", "שלום", "مرحبا", "Ελληνικά", "international", "a", "I",
         "1999", "3.14", "\ufffd", "antidisestablishmentarianism", "Donaudampfschifffahrtsgesellschaft", " ", "  ", ".", ","]
PUNCTUATION = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"


def scalar(r):
    while True:
        c = r.randrange(0x110000)
        if not 0xD800 <= c <= 0xDFFF:
            return c


def piece(r):
    x = r.random()
    if x < .15: return chr(r.choice(MARKS))
    if x < .30: return chr(r.choice(ODD))
    if x < .42: return chr(r.randrange(32, 127))
    if x < .48: return r.choice(PUNCTUATION)
    if x < .55: return chr(r.randrange(0xa0, 0x250))
    if x < .62: return chr(r.randrange(0x300, 0x3000))
    if x < .66: return chr(r.randrange(0x3000, 0xd7ff))
    if x < .74: return " "
    if x < .96: return r.choice(WORDS)
    return chr(scalar(r))


def string(r, most=14):
    return "".join(piece(r) for _ in range(r.randrange(most)))


def vocabulary_pieces(o):
    """What a text must hold to become a token, for each of them, and whether spaces are spelled out."""
    bytes_of = {v: k for k, v in bytes_to_unicode().items()}
    found = []
    for token in o.get_vocab():
        if all(c in bytes_of for c in token) and any(ord(c) > 0xff for c in token):
            token = bytes(bytes_of[c] for c in token).decode(errors="ignore")
        found.append(token.removeprefix("##").replace("\u2581", " "))
    return sorted(filter(None, found))


def bytes_to_unicode():
    plain = [*range(0x21, 0x7f), *range(0xa1, 0xad), *range(0xae, 0x100)]
    rest = [b for b in range(256) if b not in plain]
    return {b: chr(b) for b in plain} | {b: chr(256 + i) for i, b in enumerate(rest)}


def cut(r, line):
    """A slice of a line."""
    i = r.randrange(len(line))
    return line[i:i + r.randrange(1, 12)]


def made_up(r, pieces, lines):
    """A string of odd characters, of pieces of the vocabulary (runs of them: ties), of slices of text, or of all of them."""
    x = r.random()
    if x < .1: return "".join(r.choice(pieces)[:r.randrange(1, 4)] * r.randrange(1, 20) for _ in range(r.randrange(4)))
    if x < .4: return string(r)
    if x < .6: return "".join(r.choice(pieces) for _ in range(r.randrange(9)))
    if x < .8 and lines: return r.choice(["", " "]).join(cut(r, r.choice(lines)) for _ in range(r.randrange(6)))
    return "".join(r.choice([piece(r), r.choice(pieces), cut(r, r.choice(lines)) if lines else " "]) for _ in range(r.randrange(12)))


def flat(e):
    """An oracle's encoding as libbert.Tokenizer.window() gives it."""
    none = lambda xs: [-1 if x is None else x for x in xs]
    return (e.ids, e.type_ids, none(e.word_ids), none(e.sequence_ids),
            [x for p in e.offsets for x in p], e.special_tokens_mask)


class Report:
    def __init__(self, what):
        self.what, self.n, self.bad = what, 0, 0

    def same(self, case, mine, theirs):
        self.n += 1
        if mine != theirs:
            self.bad += 1
            if self.bad <= 5:
                print("DIFFERENT", ascii(case), "\n  libbert   ", ascii(mine), "\n  tokenizers", ascii(theirs))

    def end(self):
        print(f"{self.what}: {self.n} cases, {self.bad} differences", flush=True)
        return self.bad


def plain(o):
    """Without the padding and truncation that its file asks for: here a text has its own tokens, all of them."""
    o.no_padding()
    o.no_truncation()
    return o


def oracle(directory):
    path = os.path.join(directory, "tokenizer.json")
    if os.path.exists(path):
        return plain(Tokenizer.from_file(path)), path
    path = os.path.join(directory, "vocab.txt")
    return Tokenizer.from_str(BertWordPieceTokenizer(path).to_str()), path


def sweep(directory):
    o, path = oracle(directory)
    bad = 0
    for lower, strip, chinese in itertools.product((0, 1), repeat=3):
        m = libbert.Tokenizer(path, lower, strip, chinese)
        o.normalizer = normalizers.BertNormalizer(lowercase=bool(lower), strip_accents=bool(strip),
                                                  handle_chinese_chars=bool(chinese))
        report = Report(f"sweep lower={lower} strip={strip} chinese={chinese}")
        for c in range(0x110000):
            if 0xD800 <= c <= 0xDFFF:
                continue
            for s in (chr(c), "a" + chr(c) + "b", chr(c) * 2):
                report.same(s, m.encode(s)[0], flat(o.encode(s)))
        bad += report.end()
        m.close()
    return bad


def scalars(directory, step="1", first="0"):
    """For tokenizers of any kind: alone; in a word, after a space and doubled, under a mark, over one, at both ends."""
    o, path = oracle(directory)
    m = libbert.Tokenizer(path)
    report = Report(f"scalars {directory}")
    batch = []
    for c in range(int(first), 0x110000, int(step)):
        if not 0xD800 <= c <= 0xDFFF:
            x = chr(c)
            batch += [x, f"a{x}b {x}{x} e{x}\u0301b 1e{x}\u0308 ", f"{x} q\u0327{x}"]
        if len(batch) >= 1200:
            compare(m, o, batch, report)
            batch = []
    compare(m, o, batch, report)
    m.close()
    return report.end()


def compare(m, o, batch, report):
    """Ids, offsets and word ids; of every third text all else that an encoding has, the fast path of ids alone, and decoding, with
    and without the special tokens."""
    encodings = o.encode_batch(batch)
    thirds = encodings[::3]
    skip = report.n // 3 % 2 == 0
    texts = iter(o.decode_batch([e.ids for e in thirds], skip_special_tokens=skip))
    for k, (s, e) in enumerate(zip(batch, encodings)):
        w = m.raw(s)
        n, ids, offsets = w.n, e.ids, e.offsets
        report.n += 1
        if n != len(ids) or w.ids[:n] != ids or w.offsets[:2 * n] != [x for p in offsets for x in p] or w.word_ids[:n] != [
                -1 if x is None else x for x in e.word_ids]:
            report.n -= 1
            report.same(s, m.window(), flat(e))
        if k % 3:
            continue
        mine, text = m.window(), next(texts)
        if mine != flat(e):
            report.same(("all", s), mine, flat(e))
        inner = [x for x, special in zip(ids, e.special_tokens_mask) if not special]
        if ids[1:1 + len(inner)] == inner and inner != m.ids(s):
            report.same(("ids", s), m.ids(s), inner)
        if m.decode(ids, skip) != text:
            report.same(("decode", ids, skip), m.decode(ids, skip), text)


def fuzz(directory, n="1000000", seed="1", *files):
    r = random.Random(int(seed))
    o, path = oracle(directory)
    m = libbert.Tokenizer(path)
    pieces, lines = vocabulary_pieces(o), []
    for name in files:
        with open(name, encoding="utf-8", errors="replace") as f:
            lines += [line for line in f.read().split("\n") if line]
    report = Report(f"fuzz {directory} seed {seed}")
    while report.n < int(n):
        compare(m, o, [made_up(r, pieces, lines) for _ in range(500)], report)
    return report.end()


STRATEGIES = {1: "longest_first", 2: "only_first", 3: "only_second"}


def pairs(directory, n="100000", seed="1"):
    r = random.Random(int(seed))
    o, path = oracle(directory)
    m = libbert.Tokenizer(path)
    report = Report(f"pairs {directory} seed {seed}")
    failures = 0
    while report.n < int(n):
        a = string(r, 20)
        b = string(r, 20) if r.random() < .7 else None
        special = r.random() < .8
        how, length, left = r.choice(list(STRATEGIES)), r.randrange(4, 40), r.random() < .3
        stride = r.randrange(6) if r.random() < .7 else 0
        options = libbert.EncodeOptions(special, how, length, stride, True, left, False)
        case = (a, b, special, STRATEGIES[how], length, stride, left)
        try:
            o.enable_truncation(length, stride=stride, strategy=STRATEGIES[how], direction="left" if left else "right")
            e = o.encode(a, b, add_special_tokens=special)
            theirs = [flat(x) for x in [e] + e.overflowing]
        except BaseException as x:  # it panics where stride leaves no room
            theirs = type(x).__name__
        try:
            mine = m.encode(a, b, options)
        except libbert.Failed:
            mine = None
        if isinstance(theirs, str):
            failures += 1
            report.same(case, mine, None)
            continue
        report.same(case, mine, theirs)
    print(f"  {failures} of them refused by both")
    return report.end()


def random_added(r, i):
    content = r.choice(["foo", "Bar", "été", "<x>", "[new]", "hello world", "a", " b", "中", "##x", "e\u0301", "ing",
                        "Été", "\u200bz", "don't", "  "]) + r.choice(["", "", str(i), "!", " "])
    return AddedToken(content, single_word=r.random() < .3, lstrip=r.random() < .4, rstrip=r.random() < .4,
                      normalized=r.random() < .5, special=r.random() < .3)


def added(directory, n="100000", seed="1"):
    r = random.Random(int(seed))
    report = Report(f"added {directory} seed {seed}")
    while report.n < int(n):
        o, path = oracle(directory)
        encode_special = r.random() < .3
        tokens, seen = [], set()
        for i in range(r.randrange(1, 6)):
            t = random_added(r, i)
            # The library refuses to build its matcher for two that look alike.
            look = o.normalizer.normalize_str(t.content) if o.normalizer and t.normalized else t.content
            if (look, t.normalized) not in seen and look:
                seen.add((look, t.normalized))
                tokens.append(t)
        o.add_tokens(tokens)
        with tempfile.TemporaryDirectory() as d:
            file = os.path.join(d, "tokenizer.json")
            o.save(file)
            o = Tokenizer.from_file(file)  # it keeps stale forms of tokens that were added twice
            m = libbert.Tokenizer(file, encode_special_tokens=encode_special)
        o.encode_special_tokens = encode_special
        for _ in range(2000):
            s = "".join(r.choice([piece(r), r.choice(tokens).content if tokens else "", " ", r.choice(["x", "é", "FOO", "bar"])])
                        for _ in range(r.randrange(8)))
            try:
                theirs = flat(o.encode(s))
            except BaseException as x:
                print("the reference fails:", ascii(s), tokens, x)
                continue
            mine = m.encode(s)[0]
            report.same((s, tokens), mine, theirs)
            if mine == theirs:
                skip = r.random() < .5
                a, b = m.decode(mine[0], skip), o.decode(theirs[0], skip_special_tokens=skip)
                if a != b:
                    report.same(("decode", s, tokens), a, b)
        m.close()
    return report.end()


def text(directory, *files):
    o, path = oracle(directory)
    m = libbert.Tokenizer(path)
    report = Report(f"text {directory}, {len(files)} files")
    size = 0
    for name in files:
        with open(name, "rb") as f:
            data = f.read()
        size += len(data)
        lines = data.decode("utf-8", "replace").split("\n")
        raw = data.split(b"\n")
        for s, bytes_, e in zip(lines, raw, o.encode_batch(lines)):
            report.same(s, m.encode(bytes_)[0], flat(e))
    print(f"  {size / 1e6:.1f} MB")
    return report.end()


def save(directory, n="20000"):
    r = random.Random(3)
    o, path = oracle(directory)
    m = libbert.Tokenizer(path)
    report = Report(f"save {directory}")
    with tempfile.TemporaryDirectory() as d:
        m.save(d)
        a = plain(Tokenizer.from_file(os.path.join(d, "tokenizer.json")))
        b = libbert.Tokenizer(d)
        lines = os.path.join(d, "vocab.txt")  # of WordPiece and WordLevel
        copies = [b] + ([libbert.Tokenizer(lines)] if os.path.exists(lines) else [])
        if path.endswith("json"):
            report.same("tokenizer.json", json.loads(a.to_str()), json.loads(o.to_str()))
        from transformers import AutoTokenizer
        f = AutoTokenizer.from_pretrained(d)
        for _ in range(int(n)):
            s = string(r)
            want = flat(o.encode(s))
            for mine in [flat(a.encode(s))] + [copy.encode(s)[0] for copy in copies]:
                report.same(s, mine, want)
            report.same(("transformers", s), f(s)["input_ids"], want[0])
    return report.end()


if __name__ == "__main__":
    sys.exit(1 if globals()[sys.argv[1]](*sys.argv[2:]) else 0)
