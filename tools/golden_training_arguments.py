#!/usr/bin/env python3
"""Writes tests/golden/training_arguments.json: every argument of transformers' TrainingArguments with its default.

    pip install torch==2.15.0 transformers==5.24.0 accelerate
    python tools/golden_training_arguments.py"""
import json
import os

from transformers import TrainingArguments

HERE = os.path.dirname(os.path.abspath(__file__))


def main():
    saved = json.loads(TrainingArguments(output_dir="out", use_cpu=True).to_json_string())
    saved["output_dir"] = ""
    with open(os.path.join(HERE, "..", "tests", "golden", "training_arguments.json"), "w") as f:
        json.dump(saved, f, indent=0, sort_keys=True)
        f.write("\n")


if __name__ == "__main__":
    main()
