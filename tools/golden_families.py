#!/usr/bin/env python3
"""Writes tests/golden/families.json: what transformers computes, in float64, for a tiny random model of every class of
the families beside BERT, and the gradients of its loss. The weights come from a formula (weight() of golden_models.py,
test_weight() in tests/models.h), so that only names, shapes and results are stored; of a gradient, its length and its
product with a matrix by the same formula.

    pip install torch==2.15.0 transformers==5.24.0 numpy==2.4.6
    python tools/golden_families.py
"""
import copy
import json
import os
import sys
import tempfile

import numpy as np
import torch
import transformers
from safetensors.torch import load_file, save_file

from golden_models import weight

VOCAB, LAYERS = 40, 2
LENGTHS = (1, 7, 20, 5)
SIZES = dict(vocab_size=VOCAB, hidden_size=24, num_hidden_layers=LAYERS, num_attention_heads=3, intermediate_size=36)
ROBERTA = dict(**SIZES, max_position_embeddings=22, type_vocab_size=2, pad_token_id=1, layer_norm_eps=1e-5)
SEQUENCE, TOKEN, QUESTION = "ForSequenceClassification", "ForTokenClassification", "ForQuestionAnswering"
CHOICE, MASKED, PRETRAINING = "ForMultipleChoice", "ForMaskedLM", "ForPreTraining"
COMMON = (SEQUENCE, TOKEN, MASKED, QUESTION, CHOICE)

# variants: what else config.json may say; of them last_hidden_state alone is kept. sequence, masked: the same, of heads.
FAMILIES = {
    "roberta": dict(prefix="Roberta", config=ROBERTA),
    "xlm-roberta": dict(prefix="XLMRoberta", config=ROBERTA, classes=(SEQUENCE,)),
    "camembert": dict(prefix="Camembert", config=ROBERTA, classes=(MASKED,)),
    "distilbert": dict(prefix="DistilBert", types=False, config=dict(
        vocab_size=VOCAB, dim=24, n_layers=LAYERS, n_heads=3, hidden_dim=36, max_position_embeddings=20, pad_token_id=0)),
    "electra": dict(prefix="Electra", classes=COMMON + (PRETRAINING,), config=dict(
        SIZES, embedding_size=16, max_position_embeddings=20, hidden_act="relu"),
        variants=[dict(embedding_size=24)]),
    "mpnet": dict(prefix="MPNet", types=False, config=dict(SIZES, max_position_embeddings=22, layer_norm_eps=1e-5)),
    "albert": dict(prefix="Albert", classes=COMMON + (PRETRAINING,), config=dict(
        SIZES, num_hidden_layers=3, num_hidden_groups=2, embedding_size=16, max_position_embeddings=20),
        variants=[dict(embedding_size=24, num_hidden_groups=1), dict(inner_group_num=2)]),
    "modernbert": dict(prefix="ModernBert", types=False, sequence=[dict(classifier_pooling="mean", classifier_bias=True)],
                       masked=[dict(decoder_bias=False, norm_bias=True)], config=dict(
        SIZES, num_hidden_layers=4, max_position_embeddings=20, local_attention=6, pad_token_id=0, bos_token_id=1,
        eos_token_id=2, cls_token_id=1, sep_token_id=2),
        variants=[dict(norm_bias=True, attention_bias=True, mlp_bias=True, global_attn_every_n_layers=2),
                  dict(layer_types=["sliding_attention"] * 4, local_rope_theta=500.0)]),
    "nomic_bert": dict(prefix="NomicBert", classes=(SEQUENCE, TOKEN, MASKED), config=dict(
        SIZES, max_position_embeddings=20)),
    "gte": dict(prefix="Gte", classes=(SEQUENCE, TOKEN, MASKED), config=dict(
        SIZES, max_position_embeddings=20, type_vocab_size=2), variants=[dict(type_vocab_size=0), dict(type_vocab_size=1), dict(rope_scaling=dict(type="ntk", factor=8.0)),
                  dict(rope_scaling=dict(rope_type="linear", factor=4.0)),
                  dict(rope_scaling=dict(rope_type="dynamic", factor=4.0))]),
    "deberta": dict(prefix="Deberta", classes=(SEQUENCE, TOKEN, MASKED, QUESTION), config=dict(
        SIZES, max_position_embeddings=20, relative_attention=True, max_relative_positions=8, pos_att_type=["c2p", "p2c"],
        position_biased_input=False, cls_dropout=0.2),
        variants=[dict(max_relative_positions=-1, position_biased_input=True, type_vocab_size=2, pos_att_type="p2c")]),
    "deberta-v2": dict(prefix="DebertaV2", config=dict(
        SIZES, max_position_embeddings=20, relative_attention=True, position_buckets=6, norm_rel_ebd="layer_norm",
        pos_att_type=["p2c", "c2p"], share_att_key=True, position_biased_input=False, cls_dropout=0.2),
        masked=[dict(legacy=False)], sequence=[dict(conv_kernel_size=3)], round_trips=[{}, dict(conv_kernel_size=3)],
        variants=[dict(share_att_key=False, position_buckets=-1, max_relative_positions=8, norm_rel_ebd="none",
                       position_biased_input=True, embedding_size=16),
                  dict(share_att_key=False, pos_att_type="c2p"), dict(pos_att_type="p2c"),
                  dict(conv_kernel_size=5, conv_act="gelu", num_hidden_layers=1),
                  dict(relative_attention=False, norm_rel_ebd="none", position_biased_input=True)]),
    "esm": dict(prefix="Esm", types=False, classes=(SEQUENCE, TOKEN, MASKED), config=dict(
        SIZES, max_position_embeddings=22, pad_token_id=1, mask_token_id=9, position_embedding_type="rotary",
        token_dropout=True, layer_norm_eps=1e-5),
        variants=[dict(token_dropout=False, rope_theta=500.0),
                  dict(position_embedding_type="absolute", emb_layer_norm_before=True)]),
    "jina": dict(prefix="JinaBert", classes=(SEQUENCE, TOKEN, MASKED, QUESTION), config=dict(
        SIZES, max_position_embeddings=20, model_type="bert", position_embedding_type="alibi", feed_forward_type="geglu")),
}


YARN = dict(rope_type="yarn", factor=4.0, original_max_position_embeddings=10)
LLAMA3 = dict(rope_type="llama3", factor=4.0, low_freq_factor=0.01, high_freq_factor=4.0, rope_theta=1000.0,
              original_max_position_embeddings=10)
FAMILIES["nomic_bert"]["variants"] = [
    dict(rope_scaling=dict(rope_type="linear", factor=3.0)), dict(rope_scaling=dict(rope_type="dynamic", factor=4.0)),
    dict(rope_theta=500.0, rope_scaling={}), dict(rope_scaling=LLAMA3), dict(rope_scaling=dict(YARN, truncate=False)),
    dict(rope_scaling=dict(rope_type="proportional")),
    dict(rope_scaling=dict(rope_type="linear", factor=3.0), rope_parameters=dict(rope_type="linear", factor=5.0, rope_theta=50.0)),
    dict(rope_parameters=dict(YARN, rope_theta=500.0, mscale=2.0, mscale_all_dim=0.5))]
FAMILIES["gte"]["variants"] += [dict(rope_scaling=dict(YARN, attention_factor=1.5, beta_fast=8.0, beta_slow=0.5))]
FAMILIES["modernbert"]["variants"] += [
    dict(rope_scaling=dict(rope_type="linear", factor=3.0)), dict(rope_scaling=dict(rope_type="default", type="linear", factor=3.0)),
    dict(rope_parameters=dict(full_attention=dict(YARN, rope_theta=500.0), sliding_attention=dict(type="linear", factor=2.0)))]


def flat(tensors):
    return [float(f"{x:.7g}") for t in tensors for x in t.detach().reshape(-1).tolist()]


def stored(path):
    """Of ESM, transformers 5.24 writes LayerNorms under their first names, and the frequencies of rotation."""
    renamed = {k.replace("LayerNorm.gamma", "LayerNorm.weight").replace("LayerNorm.beta", "LayerNorm.bias"): v
               for k, v in load_file(path).items()}
    return {k: v for k, v in renamed.items() if not k.endswith("inv_freq")}


def saved(m):
    """What save_pretrained writes: names and layouts are those of files, not those of modules."""
    with tempfile.TemporaryDirectory() as d:
        m.save_pretrained(d)
        return stored(os.path.join(d, "model.safetensors"))


def turn_in_double(q, k, cos, sin, unsqueeze_dim=1):
    """ESM's rotation, which transformers does in float32 whatever the model is in."""
    def turn(x):
        a, b = x.chunk(2, -1)
        return x * cos.unsqueeze(unsqueeze_dim) + torch.cat((-b, a), -1) * sin.unsqueeze(unsqueeze_dim)
    return turn(q), turn(k)


transformers.models.esm.modeling_esm.apply_rotary_pos_emb = turn_in_double


class Jina:
    """Jina BERT v2 is remote code: transformers' BERT with its positions, its inner layers and its scores replaced."""

    class Nowhere(torch.nn.Module):
        def forward(self, positions):
            return 0.0

    class Gated(torch.nn.Module):
        def __init__(self, c):
            super().__init__()
            self.gated_layers = torch.nn.Linear(c.hidden_size, 2 * c.intermediate_size, bias=False)
            self.wo = torch.nn.Linear(c.intermediate_size, c.hidden_size)
            self.layernorm = torch.nn.LayerNorm(c.hidden_size, eps=c.layer_norm_eps)

        def forward(self, x):
            a, b = self.gated_layers(x).chunk(2, -1)
            return self.layernorm(self.wo(torch.nn.functional.gelu(a) * b) + x)

    @staticmethod
    def build(suffix, c):
        m = getattr(transformers, "Bert" + suffix)(c)
        base = m if suffix == "Model" else m.bert
        base.embeddings.position_embeddings = Jina.Nowhere()
        for layer in base.encoder.layer:
            layer.mlp = Jina.Gated(c)
            del layer.intermediate, layer.output
            layer.feed_forward_chunk = layer.mlp.forward
        m = m.double().eval()
        with torch.no_grad():
            for k, p in m.named_parameters():
                p.copy_(weight(k, tuple(p.shape)))
        return m

    @staticmethod
    def bias(heads, length):
        """Added to scores, as a mask is."""
        def slopes(n):
            return [2 ** (-8 * (i + 1) / n) for i in range(n)]
        p = 2 ** int(np.log2(heads))
        s = slopes(p) + slopes(2 * p)[0::2][:heads - p]
        i = torch.arange(length)
        return -torch.tensor(s).double()[None, :, None, None] * (i[:, None] - i[None, :]).abs()


def build(family, suffix, **more):
    row = FAMILIES[family]
    if family == "jina":
        c = transformers.BertConfig(**{**row["config"], **more})
        c._attn_implementation = "eager"
        return Jina.build(suffix, c)
    cls = getattr(transformers, row["prefix"] + suffix)
    c = getattr(transformers, row["prefix"] + "Config")(**{**row["config"], **more})
    with tempfile.TemporaryDirectory() as d:
        cls(c).double().save_pretrained(d)
        path = os.path.join(d, "model.safetensors")
        tensors = {k: weight(k, tuple(v.shape)) for k, v in stored(path).items()}
        save_file(tensors, path, metadata={"format": "pt"})
        return cls.from_pretrained(d, dtype=torch.float64, attn_implementation="eager").eval()


def has_types(family):
    return FAMILIES[family].get("types", True)


def sequences(family):
    """The second half of each is type 1 where there are types; one token is the padding id."""
    out, k = [], 0
    for length in LENGTHS:
        ids = [(k := k + 1) * 7919 % VOCAB for _ in range(length)]
        out.append(dict(ids=ids, type_ids=[int(has_types(family) and i >= length / 2) for i in range(length)]))
    pad = build(family, "Model").config.pad_token_id
    out[1]["ids"][3] = 0 if pad is None else pad
    return out


def run(family, m, s, **more):
    if family == "jina":
        more["attention_mask"] = Jina.bias(m.config.num_attention_heads, len(s["ids"]))
    if has_types(family):
        more["token_type_ids"] = torch.tensor([s["type_ids"]])
    return m(input_ids=torch.tensor([s["ids"]]), **more)


def tensors(m):
    return {k: list(v.shape) for k, v in saved(m).items()}


def mean(losses, counts):
    """Of the items of all sequences; those of a sequence without any are no number."""
    return sum(l * k for l, k in zip(losses, counts) if k) / sum(counts)


def gradients(m, loss):
    m.zero_grad()
    loss.backward()
    values = copy.deepcopy(m)
    with torch.no_grad():
        for p, g in zip(values.parameters(), m.parameters()):
            p.copy_(torch.zeros_like(g) if g.grad is None else g.grad)
    out = {}
    for k, g in saved(values).items():
        out[k] = [float(f"{x:.7g}") for x in ((g * weight("gradient." + k, tuple(g.shape))).sum(), g.norm())]
    return out


def case(family, kind, suffix, m, inputs, logits, loss, **config):
    return dict(kind=kind, architecture=FAMILIES[family]["prefix"] + suffix, config=config, tensors=tensors(m),
                logits=flat(logits), loss=loss.item(), gradients=gradients(m, loss), **inputs)


def simple(family, kind, suffix, inputs, arguments, counts, **config):
    m = build(family, suffix, **config)
    outs = [run(family, m, s, **a) for s, a in zip(sequences(family), arguments)]
    return case(family, kind, suffix, m, inputs, [o.logits for o in outs], mean([o.loss for o in outs], counts), **config)


def question(family):
    starts, ends = [0, 3, 20, 1], [0, 6, 2, 7]  # 20 and 7 are outside and ignored
    m = build(family, QUESTION)
    outs = [run(family, m, s) for s in sequences(family)]
    log = lambda x, p: -torch.log_softmax(x[0], 0)[p]
    first = [log(o.start_logits, p) for o, p, k in zip(outs, starts, LENGTHS) if p < k]
    last = [log(o.end_logits, p) for o, p, k in zip(outs, ends, LENGTHS) if p < k]
    return case(family, "question-answering", QUESTION, m, dict(start_positions=starts, end_positions=ends),
                [torch.stack([o.start_logits[0], o.end_logits[0]], 1) for o in outs],
                (sum(first) / len(first) + sum(last) / len(last)) / 2)


def choice(family):
    """Two choices of one length, the second with its ids reversed: no padding."""
    m = build(family, CHOICE)
    ids = sequences(family)[1]["ids"]
    both = [ids, ids[::-1]]
    o = m(input_ids=torch.tensor([both]), labels=torch.tensor([1]))
    return case(family, "multiple-choice", CHOICE, m, dict(labels=[1], choices=2, ids=both), [o.logits], o.loss)


def order(family, words, counted):
    """ALBERT's: masked words, and the order of two sentences."""
    m = build(family, PRETRAINING)
    nexts = [0, 1, 1, 0]
    outs = [run(family, m, s) for s in sequences(family)]
    nsp = [torch.nn.functional.cross_entropy(o.sop_logits, torch.tensor([x])) for o, x in zip(outs, nexts)]
    mlm = [torch.nn.functional.cross_entropy(o.prediction_logits[0], torch.tensor(w)) for o, w in zip(outs, words)]
    both = [torch.cat([o.prediction_logits[0], o.sop_logits.expand(k, 2)], 1) for o, k in zip(outs, LENGTHS)]
    return case(family, "pretraining", PRETRAINING, m, dict(labels=sum(words, []), next_sentence_label=nexts), both,
                mean(mlm, counted) + mean(nsp, [1] * len(nexts)))


def cases(family):
    t = torch.tensor
    single, values = [2, 0, 1, 1], [0.5, -1.25, 3.0, 0.0]
    rows = [[1.0, 0.0, 1.0], [0.0, 0.0, 0.0], [0.0, 1.0, 0.0], [1.0, 1.0, 1.0]]
    tokens = [[(7 * i + j) % 3 if (i + j) % 3 else -100 for j in range(k)] for i, k in enumerate(LENGTHS)]
    words = [[(11 * i + 5 * j) % VOCAB if (i + j) % 3 else -100 for j in range(k)] for i, k in enumerate(LENGTHS)]
    replaced = [[(7 * i + j) % 3 % 2 for j in range(k)] for i, k in enumerate(LENGTHS)]
    counted = [sum(x >= 0 for x in row) for row in tokens]
    one = [1] * len(LENGTHS)
    kind = "sequence-classification"
    makers = {
        SEQUENCE: [
            lambda: simple(family, kind, SEQUENCE, dict(labels=single), [dict(labels=t([x])) for x in single], one,
                           num_labels=3, problem_type="single_label_classification"),
            lambda: simple(family, kind, SEQUENCE, dict(targets=values), [dict(labels=t([x]).double()) for x in values],
                           one, num_labels=1),
            lambda: simple(family, kind, SEQUENCE, dict(targets=sum(rows, [])),
                           [dict(labels=t([x]).double()) for x in rows], one, num_labels=3,
                           problem_type="multi_label_classification")],
        TOKEN: [lambda: simple(family, "token-classification", TOKEN, dict(labels=sum(tokens, [])),
                               [dict(labels=t([x])) for x in tokens], counted, num_labels=3)],
        MASKED: [lambda: simple(family, "masked-lm", MASKED, dict(labels=sum(words, [])),
                                [dict(labels=t([x])) for x in words], counted)],
        QUESTION: [lambda: question(family)],
        CHOICE: [lambda: choice(family)],
        PRETRAINING: [lambda: simple(family, "replaced-token-detection", PRETRAINING, dict(labels=sum(replaced, [])),
                                     [dict(labels=t([x])) for x in replaced], LENGTHS)
                      if family == "electra" else order(family, words, counted)],
    }
    out = [make() for suffix in FAMILIES[family].get("classes", COMMON) for make in makers[suffix]]
    for config in FAMILIES[family].get("sequence", []):
        out.append(simple(family, kind, SEQUENCE, dict(labels=single), [dict(labels=t([x])) for x in single], one,
                          num_labels=3, problem_type="single_label_classification", **config))
    for config in FAMILIES[family].get("masked", []):
        out.append(simple(family, "masked-lm", MASKED, dict(labels=sum(words, [])), [dict(labels=t([x])) for x in words],
                          counted, **config))
    return out


def trunk(family):
    m = build(family, "Model")
    outs = [run(family, m, s, output_hidden_states=True, output_attentions=True) for s in sequences(family)]
    r = dict(architecture=FAMILIES[family]["prefix"] + "Model", tensors=tensors(m),
             last_hidden_state=flat(o.last_hidden_state for o in outs),
             hidden_states=[flat(h) for h in zip(*(o.hidden_states for o in outs))],
             attentions=[flat(a) for a in zip(*(o.attentions for o in outs))])
    if getattr(outs[0], "pooler_output", None) is not None:
        r["pooler_output"] = flat(o.pooler_output for o in outs)
    return r


def variant(family, config):
    """Types are of those that there are."""
    remote = config.get("rope_scaling", {}).get("type") == "ntk"
    config, given = copy.deepcopy(config), config  # transformers writes into its dictionaries
    m = build(family, "Model", **({k: v for k, v in config.items() if k != "rope_scaling"} if remote else config))
    if remote:  # remote code's: transformers knows no such type
        f, d = config["rope_scaling"]["factor"], m.config.hidden_size // m.config.num_attention_heads
        theta = m.config.rope_parameters["rope_theta"]
        m.rotary_emb.inv_freq = (theta * f) ** (-torch.arange(0, d, 2) / d) / f ** (2 / d)
    most = getattr(m.config, "type_vocab_size", 2) - 1
    seqs = [dict(s, type_ids=[min(x, max(most, 0)) for x in s["type_ids"]]) for s in sequences(family)]
    return dict(architecture=FAMILIES[family]["prefix"] + "Model", config=given, tensors=tensors(m),
                last_hidden_state=flat(run(family, m, s).last_hidden_state for s in seqs))


def main():
    versions = f"torch {torch.__version__}, transformers {transformers.__version__}, numpy {np.__version__}"
    golden = dict(made_by="tools/golden_families.py", versions=versions, families=[
        dict(model_type=row["config"].get("model_type", f), config=row["config"], sequences=sequences(f), trunk=trunk(f), cases=cases(f),
             variants=[variant(f, v) for v in row.get("variants", [])]) for f, row in FAMILIES.items()])
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tests", "golden", "families.json")
    with open(path, "w") as f:
        json.dump(golden, f, separators=(",", ":"))
        f.write("\n")
    print(path, os.path.getsize(path), "bytes;", versions, file=sys.stderr)


if __name__ == "__main__":
    main()
