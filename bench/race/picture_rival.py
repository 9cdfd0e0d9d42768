"""PyTorch with Pillow at what pictures.py asks for; an answer as JSON on standard output.

    picture_rival.py FOLDER 0 make COUNT              JPEG files of 500 x 375
    picture_rival.py MODEL THREADS files f32|bf16 FOLDER   {"seconds":s,"labels":{"name":".."}}
    picture_rival.py MODEL THREADS step f32|bf16 BATCH     {"seconds":s}
"""
import concurrent.futures
import json
import os
import statistics
import sys
import time

import numpy as np

import rival

rival.quiet()


def make(folder, count):
    from PIL import Image
    work = folder + ".part"
    os.makedirs(work, exist_ok=True)
    y, x = np.mgrid[:375, :500] / 375
    for i in range(count):
        random = np.random.default_rng(i)
        planes = [np.sin(a * x + b * y + c) * 90 + 128 for a, b, c in random.uniform(-12, 12, (3, 3))]
        pixels = np.stack(planes, -1) + random.normal(0, 6, (375, 500, 1))
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(os.path.join(work, f"{i:04}.jpg"), quality=90)
    os.rename(work, folder)


def decoded(path):
    """What ViTImageProcessor does, by Pillow and numpy."""
    from PIL import Image
    pixels = np.asarray(Image.open(path).convert("RGB").resize((224, 224), Image.BILINEAR))
    return ((pixels.astype(np.float32) / 255 - 0.5) / 0.5).transpose(2, 0, 1)


def classify(model, torch, dtype, folder, batch=32):
    names = sorted(os.listdir(folder))
    pool = concurrent.futures.ThreadPoolExecutor(torch.get_num_threads())
    labels = {}

    def load(at):
        return list(pool.map(decoded, [os.path.join(folder, n) for n in names[at:at + batch]]))

    with torch.inference_mode():
        model(pixel_values=torch.zeros(2, 3, 224, 224, dtype=dtype))
        begin = time.perf_counter()
        ahead = concurrent.futures.ThreadPoolExecutor(1)
        later = ahead.submit(load, 0)
        for at in range(0, len(names), batch):
            pixels = torch.from_numpy(np.stack(later.result())).to(dtype)
            later = ahead.submit(load, at + batch)
            best = model(pixel_values=pixels).logits.float().softmax(-1).argmax(-1).tolist()
            labels.update(zip(names[at:at + batch], (model.config.id2label[i] for i in best)))
        seconds = time.perf_counter() - begin
    return {"seconds": seconds, "labels": labels}


def train(model, torch, low, batch):
    model.train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-5, weight_decay=0.0, fused=True)
    pixels, labels, times = torch.randn(batch, 3, 224, 224), torch.arange(batch) % 2, []
    for step in range(-1, 3):
        begin = time.perf_counter()
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=low):
            loss = model(pixel_values=pixels, labels=labels).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        if step >= 0:
            times.append(time.perf_counter() - begin)
    return {"seconds": statistics.median(times)}


def main():
    path, threads, what, *rest = sys.argv[1:]
    if what == "make":
        return make(path, int(rest[0]))
    import torch
    import transformers
    torch.set_num_threads(int(threads))
    transformers.utils.logging.disable_progress_bar()
    low = rest[0] == "bf16"
    dtype = torch.bfloat16 if low and what == "files" else torch.float32
    model = transformers.ViTForImageClassification.from_pretrained(path, dtype=dtype).eval()
    answer = classify(model, torch, dtype, rest[1]) if what == "files" else train(model, torch, low, int(rest[1]))
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
