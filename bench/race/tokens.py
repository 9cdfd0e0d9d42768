"""Tokenizers, in turn, on lines of English and of many languages: megabytes a second, from text to ids."""
import json
import os
import random
import statistics

import pool
from engines import Engine

WORDPIECE, BPE, UNIGRAM = "WordPiece", "BPE", "Unigram"
ENGINES = [  # name, what it gives, kind, precision of the worker, argument of "tokenize", package, of which models
    ("bert_tokenize_batch", "ids, offsets, words", "ours", "none", "all", "", (WORDPIECE, BPE, UNIGRAM)),
    ("tokenizers", "ids, offsets, words", "tokenizers", "lines", "all", "tokenizers", (WORDPIECE, BPE, UNIGRAM)),
    ("bert_tokenize_ids", "ids", "ours", "none", "ids", "", (WORDPIECE, BPE, UNIGRAM)),
    ("nanotoken, of lines", "ids", "nanotoken", "lines", "ids", "nanotoken", (WORDPIECE,)),
    ("nanotoken, of a file", "ids", "nanotoken", "file", "ids", "nanotoken", (WORDPIECE,)),
    ("gigatoken, of lines", "ids", "gigatoken", "lines", "ids", "gigatoken", (BPE,)),
    ("gigatoken, of a file", "ids", "gigatoken", "file", "ids", "gigatoken", (BPE,)),
    ("rs_bpe, with cl100k", "ids", "rs_bpe", "lines", "ids", "rs_bpe", (BPE,)),
    ("bpe-openai, with cl100k", "ids", "bpe_openai", "lines", "ids", "bpe-openai", (BPE,)),
    ("sentencepiece", "ids", "sentencepiece", "lines", "ids", "sentencepiece", (UNIGRAM,)),
]
SLOW = ("tokenizers", "rs_bpe", "bpe_openai", "sentencepiece")  # seconds a pass
PIECES = 16000
BYTES = 8_000_000


def repeated(lines):
    size = sum(len(line.encode()) + 1 for line in lines)
    return lines * max(1, round(BYTES / size))


def english(context):
    """The paragraphs of SQuAD."""
    lines = []
    for name in ("train-half.json", "dev-half.json"):
        with open(context.find(f"squad/{name}"), encoding="utf-8") as f:
            lines += [" ".join(p["context"].split()) for a in json.load(f)["data"] for p in a["paragraphs"]]
    return lines


def mixed(context):
    """Reviews in Chinese between lines of words from the vocabulary of multilingual BERT, 104 languages."""
    with open(context.find("vocab/bert-base-multilingual-cased/vocab.txt"), encoding="utf-8") as f:
        words = [w for w in f.read().split("\n")[106:] if w]
    with open(context.find("chinese/train.tsv"), encoding="utf-8") as f:
        chinese = [line.split("\t")[0] for line in f.read().split("\n")[1:]]
    draw, lines = random.Random(1), []
    for i in range(12000):
        text = " ".join(draw.choice(words) for _ in range(30)).replace(" ##", "").replace("##", "")
        lines += [text, chinese[i // 6 % len(chinese)]] if i % 6 == 0 else [text]
    return lines


def unigram(context):
    """A Unigram shaped as XLM-R's (no published one is small), learned from both texts, as .model and tokenizer.json."""
    import sentencepiece
    from sentencepiece import sentencepiece_model_pb2
    import tokenizers
    directory = context.scratch("unigram")
    os.makedirs(directory, exist_ok=True)
    lines = [line[:400] for line in english(context) + mixed(context)]
    random.Random(1).shuffle(lines)
    context.say(f"a Unigram of {PIECES:,} pieces is learned")
    prefix = os.path.join(directory, "sentencepiece.bpe")
    sentencepiece.SentencePieceTrainer.train(sentence_iterator=iter(lines[:15000]), model_prefix=prefix, vocab_size=PIECES,
                                             normalization_rule_name="nmt_nfkc", minloglevel=2)
    proto = sentencepiece_model_pb2.ModelProto()
    with open(f"{prefix}.model", "rb") as f:
        proto.ParseFromString(f.read())
    specials = ["<s>", "<pad>", "</s>", "<unk>"]
    t = tokenizers.Tokenizer(tokenizers.models.Unigram(
        [(x, 0.) for x in specials] + [(p.piece, p.score) for p in proto.pieces[3:]] + [("<mask>", 0.)], 3, False))
    t.normalizer = tokenizers.normalizers.Precompiled(proto.normalizer_spec.precompiled_charsmap)
    t.pre_tokenizer = tokenizers.pre_tokenizers.Sequence(
        [tokenizers.pre_tokenizers.WhitespaceSplit(), tokenizers.pre_tokenizers.Metaspace(prepend_scheme="always")])
    t.add_special_tokens([*specials, "<mask>"])
    t.post_processor = tokenizers.processors.TemplateProcessing(single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)])
    t.save(os.path.join(directory, "tokenizer.json"))
    return directory


def minilm(context):
    return context.models.directory("all-MiniLM-L6-v2")


def vocabulary(name):
    return lambda context: os.path.dirname(context.find(f"vocab/{name}/tokenizer.json"))


# what is read -> (the lines, the tokenizer's model, its directory)
TEXTS = {
    "English": (english, WORDPIECE, minilm),
    "many languages": (mixed, WORDPIECE, vocabulary("bert-base-multilingual-cased")),
    "English, byte-level BPE": (english, BPE, vocabulary("roberta-base")),
    "many languages, byte-level BPE": (mixed, BPE, vocabulary("roberta-base")),
    "English, Unigram": (english, UNIGRAM, unigram),
    "many languages, Unigram": (mixed, UNIGRAM, unigram),
}


def one_text(context, text):
    lines_of, model, tokenizer_of = TEXTS[text]
    lines = lines_of(context)
    try:
        tokenizer = tokenizer_of(context)
    except ImportError as e:
        context.absent(model, e)
        return []
    path = context.scratch(f"lines-{text.replace(',', '').replace(' ', '-').lower()}.txt")
    with open(path, "w", encoding="utf-8") as f:
        f.write("\n".join(repeated([line for line in lines if line])) + "\n")
    size = os.path.getsize(path)
    rows = []
    for threads in sorted({1, context.threads}):
        runners = []
        for name, gives, kind, precision, what, package, models in ENGINES:
            if model not in models or (what == "ids" and kind == "ours" and threads > 1):
                continue  # one thread is what bert_tokenize_ids has; bert_tokenize_batch is for more
            with context.with_threads(threads):
                w = pool.start(context, Engine(name, "", kind, precision, package), tokenizer)
            if w:
                runners.append((w, what, {"text": text, "engine": name, "gives": gives, "threads": threads}))
        times = {w: [] for w, _, _ in runners}
        for i in range(2 if context.quick else 7):
            for w, what, row in runners:
                if i >= 3 and w.engine.kind in SLOW:
                    continue
                context.say(f"{text}, {threads} threads, round {i + 1}: {row['engine']}")
                try:
                    got = w.ask("tokenize", path, what, 3)
                except pool.Failed as e:
                    context.absent(w.engine.name, e)
                    continue
                times[w].append(statistics.median(got["seconds"]))
                row["tokens"] = got["tokens"]
        for w, _, row in runners:
            w.close()
            if times[w]:
                rows.append({**row, "mb_per_second": size / statistics.median(times[w]) * 1e-6})
    return rows


def run(context):
    return [row for text in TEXTS for row in one_text(context, text)]


def tables(rows):
    for text in dict.fromkeys(r["text"] for r in rows):
        mine = [r for r in rows if r["text"] == text]
        ours = {r["threads"]: r["mb_per_second"] for r in mine if r["engine"] == "bert_tokenize_batch"}
        body = [[r["engine"], r["gives"], r["threads"], f"{r['mb_per_second']:,.1f}", f"{r['tokens']:,}",
                 f"{ours[r['threads']] / r['mb_per_second']:.2f}" if r["threads"] in ours else ""] for r in mine]
        yield (f"Tokenizers: {text}", ["engine", "gives", "threads", "MB/s", "tokens", "bert_tokenize_batch is so many times as fast"],
               body)
