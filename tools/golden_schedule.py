#!/usr/bin/env python3
"""Writes tests/golden/schedule.json: learning rates of transformers.get_scheduler.

torch 2.15.0, transformers 5.24.0."""
import json
import sys

import torch
from transformers import get_scheduler

CASES = [(name, warmup, total, kwargs)
         for warmup, total in ((0, 20), (5, 23), (7, 7), (30, 20), (1, 1))
         for name, kwargs in (("linear", {}), ("cosine", {}), ("cosine", {"num_cycles": 2}),
                              ("cosine_with_restarts", {}), ("cosine_with_restarts", {"num_cycles": 3}),
                              ("polynomial", {}), ("polynomial", {"power": 2.0, "lr_end": 1e-6}),
                              ("constant", {}), ("constant_with_warmup", {}), ("inverse_sqrt", {}),
                              ("inverse_sqrt", {"timescale": 40}), ("cosine_with_min_lr", {"min_lr": 1e-6}),
                              ("cosine_with_min_lr", {"min_lr_rate": 0.25, "num_cycles": 1.5}),
                              ("cosine_warmup_with_min_lr", {"min_lr_rate": 0.1}),
                              ("cosine_warmup_with_min_lr", {"min_lr": 0, "warmup_lr_rate": 0.3}),
                              ("warmup_stable_decay", {"num_decay_steps": 4}),
                              ("warmup_stable_decay", {"num_decay_steps": 6, "num_stable_steps": 3, "min_lr_ratio": 0.1,
                                                       "decay_type": "linear", "warmup_type": "cosine"}),
                              ("warmup_stable_decay", {"num_decay_steps": 5, "decay_type": "1-sqrt",
                                                       "warmup_type": "1-sqrt"}),
                              # zero is zero, not "not given"
                              ("cosine", {"num_cycles": 0}), ("cosine_with_restarts", {"num_cycles": 0}),
                              ("polynomial", {"power": 0}), ("polynomial", {"lr_end": 0}),
                              ("cosine_warmup_with_min_lr", {"min_lr_rate": 0, "warmup_lr_rate": 0}),
                              ("warmup_stable_decay", {"num_decay_steps": 4, "num_stable_steps": 0}),
                              ("warmup_stable_decay", {"num_decay_steps": 0, "min_lr_ratio": 0.2}),
                              ("warmup_stable_decay", {"num_decay_steps": 0, "num_stable_steps": 0}))
         if not (name == "polynomial" and warmup == total)]  # divides by zero there
METRICS = [.9, .7, .7, .71, .69995, .8, .8, .5, .6, .6, .6, .6, .6, .4, .41, .42, .43, .44, .45, .46]
PLATEAUS = [{"patience": 1}, {"patience": 0, "factor": 0.5, "min_lr": 1e-5}, {"patience": 1, "cooldown": 2, "threshold": 0},
            {"patience": 2, "mode": "max", "threshold_mode": "abs", "threshold": 0.05}, {"patience": 0, "eps": 1e-5}, {}]


def plateau(kwargs):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=3e-5)
    schedule = get_scheduler("reduce_lr_on_plateau", optimizer, scheduler_specific_kwargs=kwargs)
    rates = []
    for metric in METRICS:
        schedule.step(metric)
        rates.append(optimizer.param_groups[0]["lr"])
    return {"type": "reduce_lr_on_plateau", "kwargs": kwargs, "metrics": METRICS, "lr": rates}


def main():
    out = [plateau(kwargs) for kwargs in PLATEAUS]
    for name, warmup, total, kwargs in CASES:
        optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=3e-5)
        schedule = get_scheduler(name, optimizer, warmup, total, kwargs or None)
        rates = []
        for _ in range(total + 4):
            rates.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            schedule.step()
        out.append({"type": name, "warmup_steps": warmup, "total_steps": total, "kwargs": kwargs, "lr": rates})
    with open(sys.argv[1] if len(sys.argv) > 1 else "tests/golden/schedule.json", "w") as f:
        f.write("[\n" + ",\n".join(json.dumps(c, separators=(",", ":")) for c in out) + "\n]\n")


if __name__ == "__main__":
    main()
