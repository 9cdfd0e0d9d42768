#!/usr/bin/env python3
"""tests/golden/images.json: pictures as Pillow 13 reads and resizes them, and what transformers' Pillow processors make of them.

Needs Pillow 13, numpy, torch, transformers 5.24. Pictures are of the formula in tests/pictures.h; results are kept as FNV-1a hashes
of their bytes, small JPEG and WebP files as hexadecimal digits."""
import io, json, os
import numpy as np
from PIL import Image, ImageOps
from transformers.models.bit.image_processing_pil_bit import BitImageProcessorPil
from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil


def picture(w, h, channels, seed):
    y, x, c = np.meshgrid(np.arange(h), np.arange(w), np.arange(channels), indexing="ij")
    noise = ((x * 7919 + y * 104729 + c * 1299709 + seed * 15485863) * 2654435761) & 0xFFFFFFFF
    wave = (x * (3 + c) + y * (5 - c) + seed * 11) % 256
    fold = np.where(wave < 128, wave, 255 - wave)
    v = 2 * fold - 20 + (noise >> 27) + np.where((x + y) % 40 < 20, 30, 0)
    return np.clip(v, 0, 255).astype(np.uint8)


def fnv(data):
    h = 0xCBF29CE484222325
    for b in data:
        h = ((h ^ b) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return f"{h:016x}"


out = {"resize": [], "process": [], "files": [], "grey": []}
sizes = [(61, 47, 32, 32), (40, 60, 24, 24), (3, 200, 20, 31), (200, 3, 31, 20), (17, 23, 50, 41), (64, 64, 64, 20), (33, 33, 11, 33),
         (90, 400, 30, 30), (1, 1, 5, 7), (400, 90, 7, 80)]
for seed, (w, h, nw, nh) in enumerate(sizes):
    for channels in (1, 3):
        a = picture(w, h, channels, seed)
        im = Image.fromarray(a[..., 0] if channels == 1 else a)
        for f in range(6):
            out["resize"].append([w, h, channels, seed, nw, nh, f, fnv(np.asarray(im.resize((nw, nh), resample=f)).tobytes())])
for w, h in ((37, 29), (8, 50)):
    out["grey"].append([w, h, fnv(np.asarray(Image.fromarray(picture(w, h, 3, 3)).convert("L")).tobytes())])
clip = dict(image_mean=[0.485, 0.456, 0.406], image_std=[0.229, 0.224, 0.225])
configs = [
    (ViTImageProcessorPil, dict(image_processor_type="ViTImageProcessor", size={"height": 32, "width": 24}, resample=2)),
    (ViTImageProcessorPil, dict(feature_extractor_type="ViTFeatureExtractor", size=20, resample=3, **clip)),
    (BitImageProcessorPil, dict(image_processor_type="BitImageProcessorFast", size={"shortest_edge": 40}, crop_size={"height": 32, "width": 32}, resample=3, **clip)),
    (BitImageProcessorPil, dict(image_processor_type="BitImageProcessor", size=24, crop_size=[30, 29], resample=2)),
    (ViTImageProcessorPil, dict(do_resize=False, do_center_crop=True, crop_size={"height": 33, "width": 34})),
    (ViTImageProcessorPil, dict(size={"height": 16, "width": 16}, do_normalize=False)),
    (ViTImageProcessorPil, dict(size={"height": 16, "width": 16}, do_rescale=False, image_mean=[127.5] * 3, image_std=[127.5] * 3)),
    (ViTImageProcessorPil, dict(size={"height": 20, "width": 25}, do_center_crop=True, crop_size={"height": 29, "width": 28}, rescale_factor=0.01)),
]
for cls, k in configs:
    given = {a: b for a, b in k.items() if not a.endswith("_type")}
    for seed, (w, h) in enumerate(((61, 47), (40, 90), (7, 33))):
        v = np.asarray(cls(**given)(images=Image.fromarray(picture(w, h, 3, seed)), return_tensors="np")["pixel_values"])[0].astype(np.float32)
        out["process"].append([k, w, h, seed, list(v.shape), fnv(v.tobytes())])


def add(name, im, **save):
    b = io.BytesIO()
    im.save(b, **save)
    rgb = ImageOps.exif_transpose(Image.open(io.BytesIO(b.getvalue()))).convert("RGB")
    out["files"].append([name, b.getvalue().hex(), rgb.width, rgb.height, fnv(np.asarray(rgb).tobytes())])


def turned(k):
    exif = Image.Exif()
    exif[0x0112] = k
    return exif


photo = Image.fromarray(picture(21, 14, 3, 5))
add("420.jpg", photo, format="JPEG", quality=80, subsampling="4:2:0")
add("progressive.jpg", photo, format="JPEG", quality=90, progressive=True)
add("grey.jpg", photo.convert("L"), format="JPEG", quality=90)
add("cmyk.jpg", Image.merge("CMYK", [Image.fromarray(picture(12, 9, 4, 6)[..., i].copy()) for i in range(4)]), format="JPEG")
for k in range(2, 9):
    add(f"turned{k}.jpg", Image.fromarray(picture(9, 6, 3, 7)), format="JPEG", quality=70, exif=turned(k))
add("lossless.webp", photo, format="WEBP", lossless=True)
add("lossy.webp", photo, format="WEBP", quality=70)
add("alpha.webp", Image.fromarray(picture(11, 8, 4, 8), "RGBA"), format="WEBP", lossless=True, exact=True)
add("turned.webp", photo, format="WEBP", lossless=True, exif=turned(6).tobytes())
add("animated.webp", photo, format="WEBP", lossless=True, save_all=True, append_images=[photo.rotate(180)])
xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="8"/></x:xmpmeta>'
add("xmp.jpg", Image.fromarray(picture(9, 6, 3, 7)), format="JPEG", quality=70, xmp=xmp)
path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tests", "golden", "images.json")
with open(path, "w") as f:
    f.write("{\n" + ",\n".join(f' "{k}": [\n' + ",\n".join("  " + json.dumps(r) for r in v) + "\n ]" for k, v in out.items()) + "\n}\n")
print({k: len(v) for k, v in out.items()}, os.path.getsize(path), "bytes")
