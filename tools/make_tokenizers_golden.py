#!/usr/bin/env python3
"""Writes tests/golden/tokenizers.json: what PyPI `tokenizers` 0.23.3 makes of 4,000 made-up strings with small byte-level BPE and
Unigram tokenizers of our own making, shaped as those of the published families; cases are those of make_tokenizer_golden.py.

    python tools/make_tokenizers_golden.py > tests/golden/tokenizers.json
"""
import base64
import contextlib
import io
import json
import random
import sys

import tokenizers
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

with contextlib.redirect_stdout(io.StringIO()):
    import make_text_tables
    import make_tokenizer_golden as made

RULES = {"ﬁ": "fi", "½": "1/2", "①": "1", "Ａ": "A", "e\u0301": "é", "u\u0308": "ü", "\u200b": " ", "\u3000": " ", "\t": " ",
         "\n": " ", "\u00ad": "", "\u0001": "", "\u212b": "\u00c5", "中\u0301": "中", "☺": ":)", "ñ": "n", "가": "ga"}
ROBERTA = ["<s>", "<pad>", "</s>", "<unk>"]
BERT = ["[PAD]", "[CLS]", "[SEP]", "[UNK]"]


def bpe(name, prefix=False, nfc=False, roberta=True, alphabet=True):
    t = Tokenizer(models.BPE(unk_token=None if alphabet else "<unk>"))
    if nfc:
        t.normalizer = normalizers.NFC()
    t.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=prefix)
    t.decoder = decoders.ByteLevel()
    specials = ROBERTA if roberta else BERT
    text = [" ".join(made.WORDS[i::5]) + " " + made.EXTRA for i in range(5)] + ["It's they're I'll we've", "12 345", "  a\n\n b"]
    t.train_from_iterator(text, trainers.BpeTrainer(vocab_size=620, special_tokens=specials, show_progress=False,
                                                    initial_alphabet=pre_tokenizers.ByteLevel.alphabet() if alphabet else []))
    cls, sep = (("<s>", 0), ("</s>", 2)) if roberta else (("[CLS]", 1), ("[SEP]", 2))
    if roberta:
        t.post_processor = processors.RobertaProcessing(sep, cls, True, prefix)
        t.add_special_tokens([AddedToken("<mask>", lstrip=True)])
    else:
        single, pair = "[CLS] $A [SEP]", "[CLS] $A [SEP] $B:1 [SEP]:1" if nfc else "[CLS] $A [SEP] [SEP] $B [SEP]"
        t.post_processor = processors.TemplateProcessing(single=single, pair=pair, special_tokens=[cls, sep])
        t.add_tokens([AddedToken(" " * n, normalized=True) for n in (2, 3, 4)])
        t.add_special_tokens([AddedToken("[MASK]", lstrip=True)])
    j = json.loads(t.to_str())
    j["model"]["ignore_merges"] = nfc
    j["model"]["fuse_unk"] = not alphabet
    return j


def unigram(r, shape):
    roberta = shape in ("xlmr", "camembert")
    specials = ROBERTA if roberta else (["<pad>"] + BERT[1:] if shape == "albert" else BERT)
    pieces = {}
    for w in made.WORDS:
        pieces["▁" + w] = pieces[w] = 0
    for p in made.PIECES + list(made.EXTRA) + list("abcdefghijklmnopqrstuvwxyzABCDEFG0123456789.,:/()'\"-é") + ["▁", "▁▁", "ab"]:
        pieces[p] = 0
    vocab = [(s, 0.0) for s in specials] + [(p, -3 - 9 * r.random()) for p in pieces] + [("ab", -4.5)]
    vocab += [("<mask>" if roberta else "[MASK]", 0.0)]
    precompiled = normalizers.Precompiled(make_text_tables.charsmap(RULES))
    split = pre_tokenizers.Metaspace(prepend_scheme={"first": "first"}.get(shape, "always"))
    if shape in ("xlmr", "camembert", "albert"):
        split = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), split])
    if shape == "first":
        split = pre_tokenizers.Sequence([pre_tokenizers.Punctuation("isolated"), split])
    spaces = normalizers.Replace(Regex(" {2,}"), " ")
    normalizer = {
        "xlmr": precompiled,
        "camembert": normalizers.Sequence([precompiled, spaces]),
        "albert": normalizers.Sequence([normalizers.Replace("``", '"'), normalizers.Replace("''", '"'), normalizers.NFKD(),
                                        normalizers.StripAccents(), normalizers.Lowercase(), precompiled, spaces]),
        "deberta": normalizers.Sequence([normalizers.Strip(), precompiled, spaces]),
        "first": normalizers.Sequence([normalizers.Replace(Regex(r"\s{2,}|[\n\r\t]"), " "), normalizers.NFC(),
                                       normalizers.Strip(left=False)]),
    }[shape]
    t = Tokenizer(models.Unigram(vocab, 3, False))
    t.normalizer, t.pre_tokenizer = normalizer, split
    t.decoder = decoders.Metaspace(prepend_scheme="always")
    t.add_special_tokens(specials + [AddedToken("<mask>" if roberta else "[MASK]", lstrip=True)])
    t.add_tokens([AddedToken("<x>", normalized=shape == "camembert"), AddedToken("[NEW]", rstrip=True, normalized=False)])
    cls, sep = specials[0 if roberta else 1], specials[2]
    t.post_processor = processors.TemplateProcessing(
        single=f"{cls} $A {sep}", pair=f"{cls} $A {sep} {sep} $B {sep}" if roberta else f"{cls} $A {sep} $B:1 {sep}:1",
        special_tokens=[(x, t.token_to_id(x)) for x in (cls, sep)])
    return json.loads(t.to_str())


def everything(r):
    yield bpe("roberta")
    yield bpe("prefix", prefix=True, alphabet=False)
    yield bpe("deberta", roberta=False)
    yield bpe("modern", roberta=False, nfc=True)
    for shape in ("xlmr", "camembert", "albert", "deberta", "first"):
        yield unigram(r, shape)


def piece(r):
    x = r.random()
    if x < .08: return r.choice(list(RULES))
    if x < .12: return r.choice(["<mask>", " <mask> ", "``a''", "  ", " \t", "\n", "'s", "'re", "'LL", "▁", "▁the", "abab"])
    return made.piece(r)


def main(cases=4000):
    assert tokenizers.__version__ == "0.23.3", tokenizers.__version__
    r = random.Random(1852)
    all_ = list(everything(r))
    oracles = [Tokenizer.from_str(json.dumps(t)) for t in all_]
    out = []
    while len(out) < cases:
        k = r.randrange(len(all_))
        text = "".join(piece(r) for _ in range(r.randrange(9)))
        pair = "".join(piece(r) for _ in range(r.randrange(6))) if r.random() < .3 else None
        options = [int(r.random() < .8), 0, 0, 0, 0, int(r.random() < .2)]
        if r.random() < .35:
            options[1:5] = [r.choice([1, 1, 2, 3]), r.randrange(4, 20), r.choice([0, 0, 1, 2, 5]), int(r.random() < .3)]
        if len(text) + len(pair or "") > 60:
            continue
        try:
            windows = made.windows_of(oracles[k], text, pair, options)
        except BaseException:  # refused: windows null
            out.append([k, text, pair, options, None, "", ""])
            continue
        h = made.fnv(x for w in windows for x in [len(w[0])] + [x for part in w for x in part])
        out.append([k, text, pair, options, windows[0][0], h, oracles[k].decode(windows[0][0])])
    sys.stdout.write('{"made_with": "tokenizers 0.23.3",\n"tokenizers": ' + json.dumps(all_, ensure_ascii=False) + ',\n"cases": [\n')
    sys.stdout.write(",\n".join(json.dumps(c, ensure_ascii=True, separators=(",", ":")) for c in out))
    sys.stdout.write("\n]}\n")


main()
