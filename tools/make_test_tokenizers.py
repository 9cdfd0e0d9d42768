#!/usr/bin/env python3
"""Trains the tokenizers that check_tokenizers.py compares, into a directory: four byte-level BPE and four Unigram ones, shaped as
those of the published families are.

    python tools/make_test_tokenizers.py DIR TEXT..     TEXT: files to learn from

BPE: RoBERTa's pipeline, with add_prefix_space, DeBERTa's template, ModernBERT's (NFC, ignore_merges, runs of spaces). Unigram (by
sentencepiece, with its nmt_nfkc and nmt_nfkc_cf charsmaps): XLM-R, CamemBERT, ALBERT, DeBERTa v2.
"""
import base64
import io
import json
import os
import random
import sys

import sentencepiece
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers.utils import sentencepiece_model_pb2_new as pb

ROBERTA = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
BERT = ["[PAD]", "[CLS]", "[SEP]", "[UNK]", "[MASK]"]


def lines_of(paths, most=60000):
    lines = []
    for path in paths:
        with open(path, encoding="utf-8", errors="replace") as f:
            lines += [line.strip() for line in f if line.strip()]
    random.Random(5).shuffle(lines)
    return [line[:1000] for line in lines[:most]]


def save(t, directory, name):
    os.makedirs(f"{directory}/{name}", exist_ok=True)
    t.save(f"{directory}/{name}/tokenizer.json")


def bpe(lines, directory, name, size, prefix=False, nfc=False, specials=ROBERTA, alphabet=True):
    t = Tokenizer(models.BPE())
    if nfc:
        t.normalizer = normalizers.NFC()
    t.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=prefix)
    t.decoder = decoders.ByteLevel()
    start = pre_tokenizers.ByteLevel.alphabet() if alphabet else []
    t.train_from_iterator(lines, trainers.BpeTrainer(vocab_size=size, special_tokens=specials, initial_alphabet=start,
                                                     show_progress=False))
    cls, sep = (specials[0], specials[2]) if specials is ROBERTA else (specials[1], specials[2])
    ends = [(x, t.token_to_id(x)) for x in (cls, sep)]
    if nfc:
        j = json.loads(t.to_str())
        j["model"]["ignore_merges"] = True
        t = Tokenizer.from_str(json.dumps(j))
        t.add_tokens([AddedToken(" " * n, normalized=True) for n in range(2, 25)])
        t.add_special_tokens([AddedToken("[MASK]", lstrip=True)])
    if specials is ROBERTA:
        t.post_processor = processors.RobertaProcessing(ends[1], ends[0], True, prefix)
        t.add_special_tokens([AddedToken("<mask>", lstrip=True)])
    else:
        t.post_processor = processors.TemplateProcessing(
            single=f"{cls} $A {sep}", pair=f"{cls} $A {sep} {sep} $B {sep}" if not nfc else f"{cls} $A {sep} $B:1 {sep}:1",
            special_tokens=ends)
    save(t, directory, name)


def unigram(lines, directory, name, size, rule, shape):
    out = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(sentence_iterator=iter(lines), model_writer=out, vocab_size=size,
                                             normalization_rule_name=rule, character_coverage=.98, minloglevel=2,
                                             unk_id=0, bos_id=1, eos_id=2, user_defined_symbols=["<x>"] if shape == "deberta" else [])
    os.makedirs(f"{directory}/{name}", exist_ok=True)
    proto = sentencepiece.SentencePieceProcessor(model_proto=out.getvalue()).serialized_model_proto()
    with open(f"{directory}/{name}/spm.model.made", "wb") as f:
        f.write(proto)
    m = pb.ModelProto()
    m.ParseFromString(proto)
    precompiled = normalizers.Precompiled(m.normalizer_spec.precompiled_charsmap)
    pieces = [(p.piece, p.score) for p in m.pieces][3:]
    from tokenizers import Regex
    space = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace(prepend_scheme="always")])
    if shape in ("xlmr", "camembert"):
        vocab = [("<s>", 0.), ("<pad>", 0.), ("</s>", 0.), ("<unk>", 0.)] + pieces + [("<mask>", 0.)]
        specials, cls, sep, unk, mask = ["<s>", "<pad>", "</s>", "<unk>"], "<s>", "</s>", 3, "<mask>"
        normalizer, split = precompiled, space
    elif shape == "albert":
        vocab = [("<pad>", 0.), ("<unk>", 0.), ("[CLS]", 0.), ("[SEP]", 0.), ("[MASK]", 0.)] + pieces
        specials, cls, sep, unk, mask = ["<pad>", "<unk>", "[CLS]", "[SEP]"], "[CLS]", "[SEP]", 1, "[MASK]"
        normalizer = normalizers.Sequence([
            normalizers.Replace("``", '"'), normalizers.Replace("''", '"'), normalizers.NFKD(), normalizers.StripAccents(),
            normalizers.Lowercase(), precompiled, normalizers.Replace(Regex(" {2,}"), " ")])
        split = space
    else:
        vocab = [("[PAD]", 0.), ("[CLS]", 0.), ("[SEP]", 0.), ("[UNK]", 0.)] + pieces + [("[MASK]", 0.)]
        specials, cls, sep, unk, mask = ["[PAD]", "[CLS]", "[SEP]", "[UNK]"], "[CLS]", "[SEP]", 3, "[MASK]"
        normalizer = normalizers.Sequence([normalizers.Strip(), precompiled, normalizers.Replace(Regex(" {2,}"), " ")])
        split = pre_tokenizers.Metaspace(prepend_scheme="always")
    t = Tokenizer(models.Unigram(vocab, unk, False))
    t.normalizer, t.pre_tokenizer = normalizer, split
    t.decoder = decoders.Metaspace(prepend_scheme="always")
    t.add_special_tokens(specials + [AddedToken(mask, lstrip=True)])
    if shape == "deberta":
        t.add_tokens([AddedToken("<x>", normalized=False)])
    ends = [(x, t.token_to_id(x)) for x in (cls, sep)]
    pair = f"{cls} $A {sep} {sep} $B {sep}" if cls == "<s>" else f"{cls} $A {sep} $B:1 {sep}:1"
    t.post_processor = processors.TemplateProcessing(single=f"{cls} $A {sep}", pair=pair, special_tokens=ends)
    save(t, directory, name)


def main(directory, *paths):
    lines = lines_of(paths)
    bpe(lines, directory, "bpe-roberta", 8000)
    bpe(lines[:20000], directory, "bpe-prefix", 3000, prefix=True, alphabet=False)
    bpe(lines[:20000], directory, "bpe-deberta", 5000, specials=BERT)
    bpe(lines, directory, "bpe-modern", 8000, nfc=True, specials=BERT)
    unigram(lines[:6000], directory, "unigram-xlmr", 8000, "nmt_nfkc", "xlmr")
    unigram(lines[:2500], directory, "unigram-camembert", 6000, "nfkc", "camembert")
    unigram(lines[:2500], directory, "unigram-albert", 5000, "nmt_nfkc_cf", "albert")
    unigram(lines[:6000], directory, "unigram-deberta", 8000, "nmt_nfkc", "deberta")


main(*sys.argv[1:])
