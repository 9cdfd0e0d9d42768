"""Time and memory of PyTorch's training step, beside bench_training_step (same first arguments, same output).

    training_step.py [layers hidden heads batch length threads steps [highest|medium]]

highest: float32; medium: bf16 autocast. Dropout on, AdamW as transformers' Trainer uses it, gradients clipped.
"""
import resource
import statistics
import sys
import time

import rival

rival.quiet()
import torch  # noqa: E402
from transformers import BertConfig, BertForSequenceClassification  # noqa: E402

names = ["layers", "hidden", "heads", "batch", "length", "threads", "steps"]
values = [12, 768, 12, 16, 128, 2, 5]
for i, v in enumerate(sys.argv[1:8]):
    values[i] = int(v)
a = dict(zip(names, values))
low = sys.argv[8:] == ["medium"]
torch.set_num_threads(a["threads"])
torch.manual_seed(42)
config = BertConfig(num_hidden_layers=a["layers"], hidden_size=a["hidden"], num_attention_heads=a["heads"],
                    intermediate_size=4 * a["hidden"])
model = BertForSequenceClassification(config).train()
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-5, weight_decay=0.0, fused=True)
ids = (torch.arange(a["batch"] * a["length"]) * 7919 % config.vocab_size).reshape(a["batch"], a["length"])
labels = torch.arange(a["batch"]) % 2
times = []
for step in range(-1, a["steps"]):
    t0 = time.perf_counter()
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=low):
        loss = model(input_ids=ids, labels=labels).loss
    t1 = time.perf_counter()
    loss.backward()
    t2 = time.perf_counter()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    optimizer.zero_grad()
    t3 = time.perf_counter()
    if step >= 0:
        times.append((t1 - t0, t2 - t1, t3 - t2, t3 - t0))
for name, column in zip(("forward", "backward", "optimizer", "step"), zip(*times)):
    print(f"{name:10} {statistics.median(column) * 1e3:8.1f} ms (median of {len(column)})")
print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10} MB")
