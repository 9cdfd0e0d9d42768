#!/usr/bin/env python3
"""Writes tests/golden/trainer_events.json: which callbacks transformers' Trainer calls at which step.

    pip install torch==2.15.0 transformers==5.24.0 accelerate
    python tools/golden_trainer_events.py

Numbers in "arguments" are TrainingArguments; "rows" and "held" are the sizes of the data. An event is [name, global_step]."""
import json
import os
import tempfile

import torch
import transformers
from transformers import BertConfig, BertForSequenceClassification, Trainer, TrainerCallback, TrainingArguments

HERE = os.path.dirname(os.path.abspath(__file__))
EVENTS = [name for name in dir(TrainerCallback) if name.startswith("on_") and name != "on_push_begin"]
CASES = [
    dict(num_train_epochs=2),
    dict(num_train_epochs=1.5, eval_strategy="epoch", save_strategy="epoch", logging_strategy="epoch"),
    dict(max_steps=5, logging_steps=2, eval_strategy="steps", eval_steps=2, save_strategy="steps", save_steps=2),
    dict(num_train_epochs=1, gradient_accumulation_steps=2, logging_steps=1, logging_first_step=True,
         eval_strategy="epoch", save_strategy="no"),
    dict(num_train_epochs=2, eval_strategy="steps", eval_steps=3, logging_steps=3, save_strategy="best",
         learning_rate=0, metric_for_best_model="loss", eval_on_start=True),
    dict(num_train_epochs=3, eval_strategy="epoch", eval_delay=2, save_strategy="no", logging_strategy="no"),
    dict(max_steps=9, logging_steps=0.5, eval_strategy="steps", eval_steps=0.3, save_strategy="steps", save_steps=0.6),
    dict(num_train_epochs=1, eval_strategy="epoch", save_strategy="epoch", load_best_model_at_end=True),
    dict(num_train_epochs=2, stop_at=2, eval_strategy="epoch", save_strategy="epoch", logging_steps=3),
]
ROWS, HELD = 22, 10


class Recorder(TrainerCallback):
    def __init__(self, events, stop_at):
        for name in EVENTS:
            setattr(self, name, lambda args, state, control, name=name, **_: self.seen(name, state, control))
        self.events, self.stop_at = events, stop_at

    def seen(self, name, state, control):
        self.events.append([name[3:], state.global_step])
        if name == "on_step_end" and state.global_step == self.stop_at:
            control.should_training_stop = True
        return control


def record(case):
    case = dict(case)
    torch.manual_seed(0)
    config = BertConfig(vocab_size=20, hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8,
                        max_position_embeddings=8)
    data = [dict(input_ids=[2, 3 + i % 9, 3], labels=i % 2) for i in range(ROWS + HELD)]
    events = []
    with tempfile.TemporaryDirectory() as out:
        stop_at = case.pop("stop_at", 0)
        args = TrainingArguments(output_dir=out, per_device_train_batch_size=5, per_device_eval_batch_size=5, report_to="none",
                                 use_cpu=True, disable_tqdm=True, **case)
        t = Trainer(BertForSequenceClassification(config), args, train_dataset=data[:ROWS], eval_dataset=data[ROWS:],
                    callbacks=[Recorder(events, stop_at)])
        t.train()
    return events


def main():
    out = dict(transformers=transformers.__version__, rows=ROWS, held=HELD,
               cases=[dict(arguments={k: str(v).lower() for k, v in c.items() if k != "stop_at"}, stop_at=c.get("stop_at", 0),
                           events=record(c)) for c in CASES])
    with open(os.path.join(HERE, "..", "tests", "golden", "trainer_events.json"), "w") as f:
        f.write(json.dumps(out, separators=(",", ":")).replace('{"arguments"', '\n{"arguments"') + "\n")


if __name__ == "__main__":
    main()
