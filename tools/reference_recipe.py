"""The figure of a recipe in PyTorch: transformers' Trainer on the same files, with the arguments of recipes/run.sh.

    python tools/reference_recipe.py cola|rte|sst2 DATA MODEL [SEED] [ARGUMENT=VALUE..]

DATA holds train.tsv and dev.tsv as recipes/run.sh takes them; ARGUMENT is one of TrainingArguments' names. Prints the
metrics after each epoch. Made with torch 2.15.0, transformers 5.24.0, scikit-learn 1.9.
"""
import ast
import csv
import sys

import numpy
import torch
import transformers
from sklearn.metrics import accuracy_score, matthews_corrcoef

# name: has a heading, columns of text, column of the label, TrainingArguments beside the common ones
RECIPES = {
    "cola": (False, [3], 1, {}),
    "rte": (True, [1, 2], 3, {}),
    "sst2": (True, [0], 1, {"num_train_epochs": 1, "per_device_train_batch_size": 32}),
}


class Rows(torch.utils.data.Dataset):
    def __init__(self, path, recipe, tokenizer, names):
        heading, texts, label, _ = recipe
        with open(path, encoding="utf-8", newline="") as f:
            rows = list(csv.reader(f, delimiter="\t", quoting=csv.QUOTE_NONE))[int(heading):]
        self.labels = [row[label] for row in rows]
        self.names = names or sorted(set(self.labels))
        self.encoded = tokenizer(*([row[c] for row in rows] for c in texts), truncation=True)

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, i):
        return {k: v[i] for k, v in self.encoded.items()} | {"labels": self.names.index(self.labels[i])}


def metrics(predicted):
    labels, found = predicted.label_ids, numpy.argmax(predicted.predictions, -1)
    return {"accuracy": accuracy_score(labels, found), "matthews_correlation": matthews_corrcoef(labels, found)}


def main(name, data, model, seed="42", *arguments):
    recipe = RECIPES[name]
    tokenizer = transformers.AutoTokenizer.from_pretrained(model)
    train = Rows(f"{data}/train.tsv", recipe, tokenizer, None)
    dev = Rows(f"{data}/dev.tsv", recipe, tokenizer, train.names)
    transformers.set_seed(int(seed))
    network = transformers.AutoModelForSequenceClassification.from_pretrained(model, num_labels=len(train.names))
    values = {"per_device_train_batch_size": 16, "learning_rate": 5e-5, "num_train_epochs": 3} | recipe[3]
    values |= {k: ast.literal_eval(v) for k, v in (a.split("=", 1) for a in arguments)}
    trainer = transformers.Trainer(
        network, transformers.TrainingArguments("reference", seed=int(seed), eval_strategy="epoch", save_strategy="no", report_to="none",
                                                use_cpu=True, **values),
        train_dataset=train, eval_dataset=dev, compute_metrics=metrics, data_collator=transformers.DataCollatorWithPadding(tokenizer))
    trainer.train()


if __name__ == "__main__":
    if len(sys.argv) < 4 or sys.argv[1] not in RECIPES:
        sys.exit(__doc__)
    main(*sys.argv[1:])
