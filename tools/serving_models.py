#!/usr/bin/env python3
"""serving_models.py ENCODER DIR: the models that check_serving.py and check_page.py ask, a folder of DIR each.

ENCODER is a directory with a BERT (all-MiniLM-L6-v2, as tools/get_model.sh puts it); each model is it under another
head, whose weights are random from a fixed seed: what they say means nothing, but is always the same. vit is made
from nothing. Made with transformers 5.24.
"""
import os
import sys

import numpy as np
import torch
import transformers
from PIL import Image

ENCODER, DIR = sys.argv[1:]
NAMED = {0: "O", 1: "B-PER", 2: "I-PER", 3: "B-LOC", 4: "I-LOC"}
HEADS = {
    "classifier": ("SequenceClassification", {0: "negative", 1: "neutral", 2: "positive"}),
    "reranker": ("SequenceClassification", {0: "score"}),
    "tagger": ("TokenClassification", NAMED),
    "masked": ("MaskedLM", None),
    "answerer": ("QuestionAnswering", None),
    "inference": ("SequenceClassification", {0: "contradiction", 1: "neutral", 2: "entailment"}),
    "chooser": ("MultipleChoice", None),
    "next": ("NextSentencePrediction", None),
}

tokenizer = transformers.AutoTokenizer.from_pretrained(ENCODER)
for name, (head, labels) in HEADS.items():
    torch.manual_seed(7)
    options = {"id2label": labels, "label2id": {v: k for k, v in labels.items()}, "num_labels": len(labels)} if labels else {}
    model = getattr(transformers, f"BertFor{head}").from_pretrained(ENCODER, **options)
    for module in model.modules():  # surer of something than a new head is
        if isinstance(module, torch.nn.Linear) and module.out_features in (1, 2, 3, 5):
            torch.nn.init.normal_(module.weight, std=0.5)
    model.save_pretrained(os.path.join(DIR, name))
    tokenizer.save_pretrained(os.path.join(DIR, name))
if not os.path.exists(os.path.join(DIR, "embedding")):
    os.symlink(os.path.abspath(ENCODER), os.path.join(DIR, "embedding"))

torch.manual_seed(7)
animals = ["cat", "dog", "horse", "bird", "fish", "cow"]
config = transformers.ViTConfig(hidden_size=48, num_hidden_layers=3, num_attention_heads=3, intermediate_size=96, image_size=32, patch_size=8,
                                initializer_range=0.3, id2label=dict(enumerate(animals)), label2id={a: i for i, a in enumerate(animals)})
vit = os.path.join(DIR, "vit")
transformers.ViTForImageClassification(config).save_pretrained(vit)
with open(os.path.join(vit, "preprocessor_config.json"), "w") as f:
    f.write('{"image_processor_type": "ViTImageProcessor", "do_resize": true, "do_rescale": true, "do_normalize": true, '
            '"size": {"height": 32, "width": 32}, "image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5]}')
y, x = np.mgrid[0:90, 0:120]
Image.fromarray(np.stack([2 * x, 255 - 2 * y, x + y], -1).astype(np.uint8)).save(os.path.join(vit, "picture.jpg"), quality=92)
