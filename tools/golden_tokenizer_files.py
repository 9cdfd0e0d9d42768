#!/usr/bin/env python3
"""Writes tests/golden/tokenizer_files.json: tokenizers of directories without tokenizer.json, as transformers 5 builds them of
vocab.json and merges.txt, or of a SentencePiece file (base64), with what they make of 120 strings each.

    python tools/golden_tokenizer_files.py > tests/golden/tokenizer_files.json

Two differ from transformers on purpose, as its own converters wrote them into the published tokenizer.json files: DebertaV2Tokenizer
keeps its charsmap, and DebertaTokenizer's pairs are BERT's. A case: [text, pair or null, hash of the window, as
make_tokenizer_golden.py has it].
"""
import base64
import contextlib
import io
import json
import os
import random
import sys
import tempfile

import sentencepiece
from tokenizers import Regex, normalizers, processors
from transformers import AutoTokenizer
from transformers.convert_slow_tokenizer import import_protobuf

with contextlib.redirect_stdout(io.StringIO()):
    import make_tokenizer_golden as made

RULES = [("ﬁ", "fi"), ("½", "1/2"), ("Ａ", "A"), ("e\u0301", "é"), ("\u200b", " "), ("\u3000", " "), ("\t", " "), ("\u00ad", "")]


def model(**options):
    out = io.BytesIO()
    with tempfile.TemporaryDirectory() as d:
        with open(d + "/rules.tsv", "w") as f:
            for a, b in RULES:
                f.write(" ".join(f"{ord(x):X}" for x in a) + "\t" + " ".join(f"{ord(x):X}" for x in b) + "\n")
        r = random.Random(3)
        lines = [" ".join(r.choice(made.WORDS) + r.choice(["", "s", ".", ",", " 12"]) for _ in range(20)) for _ in range(300)]
        sentencepiece.SentencePieceTrainer.train(sentence_iterator=iter(lines), model_writer=out, vocab_size=200, minloglevel=2,
                                                 normalization_rule_tsv=d + "/rules.tsv", **options)
    return base64.b64encode(out.getvalue()).decode()


def byte_level():
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers
    t = Tokenizer(models.BPE())
    t.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    t.train_from_iterator([" ".join(made.WORDS)], trainers.BpeTrainer(
        vocab_size=420, special_tokens=["<s>", "<pad>", "</s>", "<unk>"], show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    m = json.loads(t.to_str())["model"]
    merges = [x if isinstance(x, str) else " ".join(x) for x in m["merges"]]
    return json.dumps({**m["vocab"], "<mask>": len(m["vocab"])}), "#version: 0.2\n" + "\n".join(merges) + "\n"


def directories():
    xlmr, vocab, merges = model(), *byte_level()
    spm = dict(pad_id=0, bos_id=1, eos_id=2, unk_id=3, pad_piece="[PAD]", bos_piece="[CLS]", eos_piece="[SEP]", unk_piece="[UNK]",
               user_defined_symbols=["<x>"])
    yield {"sentencepiece.bpe.model": xlmr, "tokenizer_config.json": '{"tokenizer_class": "XLMRobertaTokenizer"}'}
    yield {"sentencepiece.bpe.model": xlmr, "config.json": '{"model_type": "camembert"}'}
    albert = model(pad_id=0, unk_id=1, bos_id=-1, eos_id=-1, control_symbols=["[CLS]", "[SEP]", "[MASK]"])
    yield {"spiece.model": albert, "config.json": '{"model_type": "albert"}'}
    yield {"spiece.model": albert, "tokenizer_config.json":
           '{"tokenizer_class": "AlbertTokenizerFast", "do_lower_case": false, "keep_accents": true}'}
    yield {"spm.model": model(**spm), "config.json": '{"model_type": "deberta-v2"}'}
    yield {"vocab.json": vocab, "merges.txt": merges, "tokenizer_config.json": '{"tokenizer_class": "RobertaTokenizer"}'}
    yield {"vocab.json": vocab, "merges.txt": merges, "tokenizer_config.json":
           '{"tokenizer_class": "RobertaTokenizerFast", "add_prefix_space": true, "mask_token": {"content": "<mask>", "lstrip": true,'
           ' "rstrip": false, "single_word": false, "normalized": true, "__type": "AddedToken"}}'}
    yield {"vocab.json": vocab, "merges.txt": merges, "config.json": '{"model_type": "deberta"}'}


def oracle(files):
    with tempfile.TemporaryDirectory() as d:
        for name, text in files.items():
            with open(os.path.join(d, name), "wb") as f:
                f.write(base64.b64decode(text) if name.endswith(".model") else text.encode())
        fast = AutoTokenizer.from_pretrained(d)
    o = fast._tokenizer
    if "spm.model" in files:
        m = import_protobuf().ModelProto()
        m.ParseFromString(base64.b64decode(files["spm.model"]))
        o.normalizer = normalizers.Sequence([normalizers.Strip(), normalizers.Precompiled(m.normalizer_spec.precompiled_charsmap),
                                             normalizers.Replace(Regex(" {2,}"), " ")])
    if '"deberta"' in files.get("config.json", ""):
        ends = [(x, o.token_to_id(x)) for x in ("[CLS]", "[SEP]")]
        o.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1",
                                                         special_tokens=ends)
    return o


def piece(r):
    x = r.random()
    if x < .2: return r.choice(RULES)[0]
    if x < .4: return r.choice(["<mask>", " [MASK] ", " <mask>", "``a''", "  ", " \t", "\n", "<x>", "▁", "Été", "<s>", "[CLS]", "'s "])
    return made.piece(r)


def main():
    r, out = random.Random(77), []
    for files in directories():
        o, cases = oracle(files), []
        while len(cases) < 120:
            text = "".join(piece(r) for _ in range(r.randrange(9)))
            pair = "".join(piece(r) for _ in range(r.randrange(5))) if r.random() < .4 else None
            w = made.windows_of(o, text, pair, [1, 0, 0, 0, 0, 0])[0]
            cases.append([text, pair, made.fnv([len(w[0])] + [x for part in w for x in part])])
        out.append({"files": files, "cases": cases})
    sys.stdout.write(json.dumps(out, ensure_ascii=True, indent=0) + "\n")


main()
