#!/usr/bin/env python3
"""Writes tests/golden/schedule.json: learning rates of transformers.get_scheduler.

torch 2.15.0, transformers 5.23.0."""
import json
import sys

import torch
from transformers import get_scheduler

CASES = [(name, warmup, total, kwargs)
         for warmup, total in ((0, 20), (5, 23), (7, 7), (30, 20), (1, 1))
         for name, kwargs in (("linear", {}), ("cosine", {}), ("cosine", {"num_cycles": 2}),
                              ("cosine_with_restarts", {}), ("cosine_with_restarts", {"num_cycles": 3}),
                              ("polynomial", {}), ("polynomial", {"power": 2.0, "lr_end": 1e-6}),
                              ("constant", {}), ("constant_with_warmup", {}), ("inverse_sqrt", {}))
         if not (name == "polynomial" and warmup == total)]  # divides by zero there


def main():
    out = []
    for name, warmup, total, kwargs in CASES:
        optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=3e-5)
        schedule = get_scheduler(name, optimizer, warmup, total, kwargs or None)
        rates = []
        for _ in range(total + 4):
            rates.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            schedule.step()
        out.append({"type": name, "warmup_steps": warmup, "total_steps": total, **kwargs, "lr": rates})
    with open(sys.argv[1] if len(sys.argv) > 1 else "tests/golden/schedule.json", "w") as f:
        f.write("[\n" + ",\n".join(json.dumps(c, separators=(",", ":")) for c in out) + "\n]\n")


if __name__ == "__main__":
    main()
