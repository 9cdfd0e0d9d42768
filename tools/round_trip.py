#!/usr/bin/env python3
"""What transformers saves loads here, and what is saved here loads in transformers, of every class of every family: tiny
random models, the largest difference between the two libraries' results.

    pip install torch==2.15.0 transformers==5.24.0
    python tools/round_trip.py [MODEL_TYPE ..]      # LIBBERT and BERT: other builds than build/

Into this library: safetensors, shards, pytorch_model.bin (zip, and as before torch 1.6), LayerNorm's first names and a stored
position_ids, float16. Out of it: bert_model_save(), bert convert, in shards, in bfloat16, and of a .bin. Where transformers has no
class or this library no head, "-" stands. Ends with 1 where results differ or a name is missing or unexpected.
"""
import copy
import os
import subprocess
import sys
import tempfile

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")
import torch
import transformers
from safetensors.torch import load_file
from transformers import AutoConfig

import libbert
from golden_families import FAMILIES, SIZES

HEADS = ("Model", "ForSequenceClassification", "ForTokenClassification", "ForQuestionAnswering", "ForMultipleChoice",
         "ForMaskedLM", "ForNextSentencePrediction", "ForPreTraining")
TOLERANCE = 2e-5
BERT = os.environ.get("BERT", os.path.join(libbert.ROOT, "build", "bert"))
LENGTHS = (1, 7, 15, 4)
LIB = libbert.load()


def batch(choice, types):
    """Sequences of ids and their types; of choices, all of one length."""
    g = torch.Generator().manual_seed(3)
    lengths = (9, 9, 9) if choice else LENGTHS
    ids = [torch.randint(5, SIZES["vocab_size"], (n,), generator=g).tolist() for n in lengths]
    return ids, [[int(types and 2 * j >= len(s)) for j in range(len(s))] for s in ids]


def reference(model, ids, types, takes_types, choice):
    """As Model.run(), one sequence at a time: nothing is padded."""
    hidden, logits = [], []
    model = model.float().eval()
    with torch.no_grad():
        for s, t in ([(ids, types)] if choice else [([a], [b]) for a, b in zip(ids, types)]):
            more = {"token_type_ids": torch.tensor(t)} if takes_types else {}
            tensor = {"input_ids": torch.tensor(s), **more}
            hidden += model.base_model(**tensor).last_hidden_state.reshape(-1).tolist()
            if model is not model.base_model:
                out = model(**({k: v[None] for k, v in tensor.items()} if choice else tensor))
                if hasattr(out, "start_logits"):
                    found = torch.stack([out.start_logits, out.end_logits], -1)
                elif hasattr(out, "prediction_logits"):  # here each token has its sequence's second answer behind it
                    second = out.sop_logits if hasattr(out, "sop_logits") else out.seq_relationship_logits
                    words = out.prediction_logits
                    found = torch.cat([words, second[:, None].expand(-1, words.shape[1], -1)], -1)
                else:
                    found = out.logits
                logits += found.reshape(-1).tolist()
    return hidden, logits or None


def difference(a, b):
    worst = 0.0
    for x, y in zip(a, b):
        if (x is None) != (y is None) or x is not None and len(x) != len(y):
            raise ValueError(f"{len(x or [])} results where the other has {len(y or [])}")
        if x is not None:
            worst = max(worst, (torch.tensor(x) - torch.tensor(y)).abs().max().item())
    return worst


class Case:
    def __init__(self, kind, config, cls, name, where):
        torch.manual_seed(1)
        self.cls, self.name, self.where = cls, name, where
        self.choice = name.endswith("ForMultipleChoice")
        self.model = cls(copy.deepcopy(config)).eval()
        with torch.no_grad():  # nothing is as a new model has it: zeros and ones would hide what is missing
            for p in self.model.parameters():
                p.add_(torch.randn_like(p) * 0.1)
        self.takes_types = FAMILIES.get(kind, {}).get("types", True) and getattr(config, "type_vocab_size", 2) > 1
        self.ids, self.types = batch(self.choice, self.takes_types)
        self.expected = self.results_of(self.model)

    def results_of(self, model):
        return reference(model, self.ids, self.types, self.takes_types, self.choice)

    def path(self, name):
        return os.path.join(self.where, name)

    # ---- into this library

    def here(self, name, expected=None):
        m = libbert.Model(self.path(name), LIB)
        try:
            doubtful = m.names(LIB.bert_model_new_parameter) + m.names(LIB.bert_model_unused_tensor)
            if doubtful:
                raise ValueError("new or unused: " + ", ".join(doubtful[:3]))
            got = m.run(self.ids, self.types)
            return difference(got, expected or self.expected), m.head()
        finally:
            m.close()

    def bin(self, name, state, **options):
        os.makedirs(self.path(name))
        self.model.config.save_pretrained(self.path(name))
        config = self.path(name) + "/config.json"
        text = open(config).read()
        if "architectures" not in text:
            raise ValueError("no class in config.json")
        torch.save(state, self.path(name) + "/pytorch_model.bin", **options)

    def state(self):
        """All names, tied ones twice, as they were before transformers 5 renamed some in memory only."""
        state, files = self.model.state_dict(), load_file(self.path("whole") + "/model.safetensors")
        return state if set(files) <= set(state) else files

    def old_names(self):
        """As the first checkpoints have them."""
        old = {}
        for k, v in self.state().items():
            if k.endswith("LayerNorm.weight") or k.endswith("LayerNorm.bias"):
                k = k.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta")
            old[k] = v
        word = next((k for k in old if k.endswith("word_embeddings.weight")), None)
        if word:
            old[word.replace("word_embeddings.weight", "position_ids")] = torch.arange(20)[None]
        return old

    def into(self):
        self.model.save_pretrained(self.path("whole"))
        state = self.state()
        yield "safetensors", lambda: self.here("whole")[0]
        self.model.save_pretrained(self.path("cut"), max_shard_size="8KB")
        yield "shards", lambda: self.here("cut")[0]
        self.bin("zip", state)
        yield ".bin", lambda: self.here("zip")[0]
        self.bin("legacy", state, _use_new_zipfile_serialization=False)
        yield ".bin<1.6", lambda: self.here("legacy")[0]
        self.bin("old", self.old_names())
        yield "gamma", lambda: self.here("old")[0]
        half = copy.deepcopy(self.model).half()
        half.save_pretrained(self.path("half"))
        yield "f16", lambda: self.here("half", self.results_of(half))[0]

    # ---- out of it

    def there(self, name, expected=None):
        m, info = self.cls.from_pretrained(self.path(name), output_loading_info=True)
        wrong = [k for kind in ("missing_keys", "unexpected_keys", "mismatched_keys") for k in info[kind]]
        if wrong:
            raise ValueError("missing or unexpected: " + ", ".join(map(str, wrong[:3])))
        return difference(self.results_of(m), expected or self.expected)

    def saved(self):
        m = libbert.Model(self.path("whole"), LIB)
        m.save(self.path("saved"))
        m.close()
        return self.there("saved")

    def converted(self, source, to, *options):
        done = subprocess.run([BERT, "convert", self.path(source), "-o", self.path(to), "--quiet", *options],
                              capture_output=True, text=True)
        if done.returncode:
            raise ValueError(done.stderr.strip())
        if "bf16" not in options:
            return self.there(to)
        m = libbert.Model(self.path(to), LIB)
        got = m.run(self.ids, self.types)
        m.close()
        return self.there(to, got)

    def out_of(self):
        yield "save", self.saved
        yield "convert", lambda: self.converted("whole", "converted")
        yield "cut", lambda: self.converted("whole", "converted-cut", "--max-shard-size", "8kB")
        yield "bf16", lambda: self.converted("whole", "converted-bf16", "--dtype", "bf16")
        yield "of .bin", lambda: self.converted("old", "converted-bin")


def families(wanted):
    yield_from = {"bert": dict(prefix="Bert", config=dict(SIZES, max_position_embeddings=20))}
    yield_from.update(FAMILIES)
    for kind, family in yield_from.items():
        for more in family.get("round_trips", [{}]):
            if not wanted or kind in wanted:
                yield kind, dict(family, config=dict(family["config"], **more))


def run(kind, config, cls, name):
    """A cell for each column; the names of columns."""
    cells, columns = [], []
    with tempfile.TemporaryDirectory() as where:
        case = Case(kind, config, cls, name, where)
        case.model.save_pretrained(case.path("probe"))
        m = libbert.Model(case.path("probe"), LIB)
        known = name.endswith("Model") or m.head() != "none"
        m.close()
        if not known:
            return None, None
        for steps in (case.into(), case.out_of()):
            for column, step in steps:
                columns.append(column)
                try:
                    cells.append(step())
                except Exception as e:
                    print(f"{name}, {column}: {e}", file=sys.stderr)
                    cells.append(None)
    return cells, columns


def main():
    torch.set_num_threads(1)  # everything is tiny
    transformers.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    worst, failed, shown = 0.0, 0, False
    for kind, family in families(sys.argv[1:]):
        for head in HEADS:
            name = family["prefix"] + head
            cls = getattr(transformers, name, None)
            if not cls:
                continue
            try:
                config = AutoConfig.for_model(kind, **family["config"], num_labels=1 if head.endswith("Choice") else 2)
            except ValueError:
                continue
            cells, columns = run(kind, config, cls, name)
            if columns and not shown:
                print(f"{'':36}" + "".join(f"{c:>12}" for c in columns))
                shown = True
            if not cells:
                print(f"{name:36}{'-':>12}  no such head here")
                continue
            good = [c for c in cells if c is not None]
            worst = max([worst] + good)
            failed += sum(c is None or not c <= TOLERANCE for c in cells)
            print(f"{name:36}" + "".join(f"{'FAILED':>12}" if c is None else f"{c:12.1e}" for c in cells), flush=True)
    print(f"largest difference {worst:.1e}, tolerance {TOLERANCE:.0e}; {failed} cells failed")
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
