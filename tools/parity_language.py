"""Losses of masked-lm and pretraining steps from scratch beside PyTorch's on the same weights and batches.

    python tools/parity_language.py DIR TEXT [STEPS]

DIR: config.json and a vocabulary (recipes/run.sh makes one); TEXT: a sentence a line, a blank line between documents.
Measured with torch 2.15.0 and transformers 5.23.0.
"""
import os
import subprocess
import sys
import tempfile

import numpy as np
import torch
from transformers import BertConfig, BertForMaskedLM, BertForPreTraining

directory, text, steps = sys.argv[1], sys.argv[2], int(sys.argv[3]) if len(sys.argv) > 3 else 300
tool = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "build", "bench_language_steps")
torch.set_num_threads(2)


def torch_losses(task, out):
    config = BertConfig.from_pretrained(out, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
    model = (BertForPreTraining if task == "pretraining" else BertForMaskedLM).from_pretrained(out, config=config).train()
    adamw = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.0)
    data, at = np.fromfile(os.path.join(out, "batches.bin"), dtype=np.int32), 0

    def array():
        nonlocal at
        n = data[at]
        at += 1 + n
        return torch.from_numpy(data[at - n:at].astype(np.int64))

    while at < len(data):
        start, ids, types, places, labels, following = (array() for _ in range(6))
        n, longest = len(start) - 1, int((start[1:] - start[:-1]).max())
        batch = {k: torch.full((n, longest), v) for k, v in
                 (("input_ids", 0), ("token_type_ids", 0), ("attention_mask", 0), ("labels", -100))}
        for i in range(n):
            a, z = int(start[i]), int(start[i + 1])
            batch["input_ids"][i, :z - a] = ids[a:z]
            batch["attention_mask"][i, :z - a] = 1
            if len(types):
                batch["token_type_ids"][i, :z - a] = types[a:z]
        row = torch.searchsorted(start, places, right=True) - 1
        batch["labels"][row, places - start[row]] = labels
        if len(following):
            batch["next_sentence_label"] = following
        loss = model(**batch).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        adamw.step()
        adamw.zero_grad()
        yield loss.item()


for task in ("masked-lm", "pretraining"):
    with tempfile.TemporaryDirectory() as out:
        run = subprocess.run([tool, directory, text, task, str(steps), out], stdout=subprocess.PIPE, text=True, check=True)
        ours = [float(x) for x in run.stdout.split()]
        theirs = list(torch_losses(task, out))
    worst = max(abs(a - b) / abs(b) for a, b in zip(ours, theirs))
    print(f"{task}: {len(ours)} steps, loss {ours[0]:.4f} to {ours[-1]:.4f} (PyTorch {theirs[-1]:.4f}), "
          f"largest relative difference {worst:.1e}, of the first 100 "
          f"{max(abs(a - b) / abs(b) for a, b in zip(ours[:100], theirs[:100])):.1e}")
