#!/usr/bin/env python3
"""Writes tests/golden/tokenizer.json: what PyPI `tokenizers` 0.23.3 makes of 5,000 made-up strings with
small tokenizers of our own making, every part and flag of which differs somewhere.

    python tools/make_tokenizer_golden.py > tests/golden/tokenizer.json

A case is [tokenizer, text, pair or null, [add_special_tokens, truncation, max_length, stride, left,
byte_offsets], ids of window 0, hash of all windows, decoded without specials]. The hash is FNV-1a over
32-bit values: of each window n, ids, type ids, word ids, sequence ids, offsets, special mask.
"""
import json
import random
import sys

import tokenizers
from tokenizers import AddedToken, Tokenizer

import check_tokenizer as check

SPECIALS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
WORDS = """the of to and in is it that was he for on are as with his they at be this have from or one had by word but
not what all were we when your can said there use an each which she do how their if will up other about out many then
them these so some her would make like him into time has look two more write go see number no way could people my than
first water been call who its now find long down day did get come made may part night river under over small quiet
stone bridge window garden letter paper lamp ship north south east west hello world rain snow un able aff naive
resume cafe strasse istanbul privet""".split()
PIECES = ["ing", "ed", "er", "ly", "able", "ness", "s", "es", "tion", "aff", "ist", "an", "bul", "ld", "lo"]
EXTRA = ("абвгдежзийклмнопрстуфхцчшщъыьэюяαβγδεζηθικλμνξοπρστυφχψωאבגדהוزحطقनमसतเกขदािु日本語中文字年月人大小上下"
         "ᄀᄂᄃᄅᄆᄇᄉᄋᄌᄒ" "ᅡᅥᅩᅮᅳᅵᅦ" "ᆨᆫᆯᆷᆸᆼ" "가나다한국어ßøłđıßéàüñçÉÀÜÑ€£°²½")


def vocabulary(r):
    tokens = list(SPECIALS)
    tokens += [chr(c) for c in range(33, 127)] + ["##" + c for c in "abcdefghijklmnopqrstuvwxyz0123456789"]
    tokens += WORDS + [w.title() for w in WORDS[::7]] + ["##" + p for p in PIECES]
    tokens += list(EXTRA) + ["##" + c for c in EXTRA]
    tokens += ["\u0301", "##\u0301", "\u302e", "##\u302e", "\u3000", "##", "##\u0307", "‘", "’", "“", "。", "、"]
    seen = {}
    for t in tokens:
        seen.setdefault(t, len(seen))
    return seen


def template(b_first=False):
    cls, sep = {"SpecialToken": {"id": "[CLS]", "type_id": 0}}, lambda t: {"SpecialToken": {"id": "[SEP]", "type_id": t}}
    a, b = {"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}
    pair = [cls, a, sep(0), b, sep(1)]
    if b_first:
        pair = [b, sep(1), {"Sequence": {"id": "A", "type_id": 3}}, sep(2)]
    return {"type": "TemplateProcessing", "single": [cls, a, sep(0)], "pair": pair,
            "special_tokens": {"[CLS]": {"id": "[CLS]", "ids": [2], "tokens": ["[CLS]"]},
                               "[SEP]": {"id": "[SEP]", "ids": [3], "tokens": ["[SEP]"]}}}


def build(vocab, flags=(True, True, None, True), model=None, split="BertPreTokenizer", post=None, added=(), cleanup=True,
          decoder=True):
    wordpiece = {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
                 "max_input_chars_per_word": 100, "vocab": vocab}
    specials = [{"id": i, "content": s, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False,
                 "special": True} for i, s in enumerate(SPECIALS)]
    next_id = len(vocab)
    for content, single, left, right, normalized, special in added:
        id_ = vocab.get(content)
        if id_ is None:
            id_, next_id = next_id, next_id + 1
        specials.append({"id": id_, "content": content, "single_word": single, "lstrip": left, "rstrip": right,
                         "normalized": normalized, "special": special})
    return {"version": "1.0", "truncation": None, "padding": None, "added_tokens": specials,
            "normalizer": flags and {"type": "BertNormalizer", "clean_text": flags[0], "handle_chinese_chars": flags[1],
                                     "strip_accents": flags[2], "lowercase": flags[3]},
            "pre_tokenizer": {"type": split}, "post_processor": post,
            "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": cleanup} if decoder else None,
            "model": {**wordpiece, **(model or {})}}


def all_tokenizers(r):
    v = vocabulary(r)
    bert = {"type": "BertProcessing", "sep": ["[SEP]", 3], "cls": ["[CLS]", 2]}
    level = {"type": "WordLevel", "vocab": v, "unk_token": "[UNK]"}
    added = [("<x>", False, True, True, False, False), ("Hello World", False, False, False, True, False),
             ("river", True, False, False, True, False), ("ÉTÉ", False, False, False, True, True),
             ("[NEW]", False, True, False, False, True), ("up", True, False, False, False, False)]
    yield build(v, post=template())
    yield build(v, post=bert, flags=(True, True, None, False), cleanup=False)
    yield build(v, post=template(), flags=(True, True, False, True))
    yield build(v, post=template(), flags=(True, True, True, False))
    yield build(v, post=template(), flags=(True, False, None, True))
    yield build(v, post=template(), flags=(False, True, None, True))
    yield build(v, post=template(), flags=(False, False, False, False))
    yield build(v, post=template(), added=added)
    yield build(v, post=template(b_first=True), model={"max_input_chars_per_word": 5})
    yield build(v, post=None, model={"continuing_subword_prefix": "", "unk_token": "[MASK]"}, decoder=False)
    yield build(v, post=template(), flags=None)
    for split in ("Whitespace", "WhitespaceSplit", "BertPreTokenizer"):
        t = build(v, post=template(), flags=None if split == "Whitespace" else (True, True, None, True), split=split,
                  decoder=False, added=added if split == "Whitespace" else ())
        t["model"] = level
        yield t


def piece(r):
    x = r.random()
    if x < .35: return r.choice(WORDS) + r.choice(["", "", "s", "ing", "."]) + " "
    if x < .42: return r.choice(WORDS).upper()
    if x < .50: return r.choice(EXTRA)
    if x < .53: return r.choice(["<x>", "hello world", "HELLO WORLD", "river", "été", "[NEW]", " up ", "ups", "Été"])
    if x < .545: return r.choice("xé") * r.choice([15, 16, 17, 99, 100, 101])
    return check.piece(r) if r.random() < .9 else " "


def fnv(values):
    h = 0xcbf29ce484222325
    for v in values:
        h = ((h ^ (v & 0xffffffff)) * 0x100000001b3) & 0xffffffffffffffff
    return f"{h:016x}"


def windows_of(o, text, pair, options):
    special, how, length, stride, left, byte_offsets = options
    o.no_truncation()
    if how:
        o.enable_truncation(length, stride=stride, strategy=check.STRATEGIES[how], direction="left" if left else "right")
    e = o.encode(text, pair, add_special_tokens=bool(special))
    places = [[len(s[:i].encode()) for i in range(len(s) + 1)] if s is not None else None for s in (text, pair)]
    out = []
    for w in [e] + e.overflowing:
        ids, types, words, sequences, offsets, mask = check.flat(w)
        if byte_offsets:
            offsets = [places[sequences[i // 2]][x] if sequences[i // 2] >= 0 else x for i, x in enumerate(offsets)]
        out.append((ids, types, words, sequences, offsets, mask))
    return out


def main(cases=5000):
    assert tokenizers.__version__ == "0.23.3", tokenizers.__version__
    r = random.Random(2311)
    made = list(all_tokenizers(r))
    oracles = [Tokenizer.from_str(json.dumps(t)) for t in made]
    out = []
    while len(out) < cases:
        k = r.randrange(len(made))
        text = "".join(piece(r) for _ in range(r.randrange(9)))
        pair = "".join(piece(r) for _ in range(r.randrange(6))) if r.random() < .3 else None
        options = [int(r.random() < .8), 0, 0, 0, 0, int(r.random() < .2)]
        if r.random() < .35:
            options[1:5] = [r.choice([1, 1, 2, 3]), r.randrange(3, 20), r.choice([0, 0, 1, 2, 5]), int(r.random() < .3)]
        if made[k]["post_processor"] is None and pair is not None:
            options[1] = 0  # the library then forgets the sequence ids of further windows; libbert does not
        if len(text) + len(pair or "") > 60 and r.random() < .7:
            continue
        try:
            windows = windows_of(oracles[k], text, pair, options)
        except BaseException:  # refused: windows null
            out.append([k, text, pair, options, None, "", ""])
            continue
        h = fnv(x for w in windows for x in [len(w[0])] + [x for part in w for x in part])
        decoded = oracles[k].decode(windows[0][0])
        out.append([k, text, pair, options, windows[0][0], h, decoded])
    # One vocabulary serves all of them.
    shared = made[0]["model"]["vocab"]
    for t in made:
        t["model"]["vocab"] = None
    sys.stdout.write('{"made_with": "tokenizers 0.23.3",\n"vocab": ' + json.dumps(shared, ensure_ascii=False) +
                     ',\n"tokenizers": ' + json.dumps(made, ensure_ascii=False) + ',\n"cases": [\n')
    sys.stdout.write(",\n".join(json.dumps(c, ensure_ascii=True, separators=(",", ":")) for c in out))
    sys.stdout.write("\n]}\n")


if __name__ == "__main__":
    main()
