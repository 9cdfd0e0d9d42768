"""Draws a shape of build/race/race.json as bars, an engine each: draw.py [JSON [SVG [MODEL SHAPE]]]

Colours are mid-tones on nothing, which can be read on GitHub's light and dark pages alike.
"""
import html
import json
import os
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CLASSES = {"f32": "float32 accuracy", "bf16": "bfloat16", "int8": "int8"}
NAMES = {"all-MiniLM-L6-v2": "all-MiniLM-L6-v2", "bert-base": "BERT-base", "bert-large": "BERT-large"}
OURS, RIVAL, TEXT = "#2f81f7", "#8b949e", "#7d8590"
WIDTH, LEFT, RIGHT, ROW, BAR = 760, 168, 172, 26, 16


def text(x, y, what, size=13, fill=TEXT, anchor="start", weight="normal"):
    return (f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" fill="{fill}" text-anchor="{anchor}" '
            f'font-weight="{weight}">{html.escape(what)}</text>')


def bar(y, row, scale):
    ours, length = row["ours"], max(2.0, row["tokens_per_second"] * scale)
    colour, weight = (OURS, "600") if ours else (TEXT, "normal")
    value = text(LEFT + length + 8, y + ROW / 2 + 4.5, f"{row['tokens_per_second']:,.0f}", fill=colour, weight=weight)
    if "ratio" in row:
        beside = f"{row['ratio']:.1f}× {row['best_rival'].rsplit(' ', 1)[0]}"
        value = value.replace("</text>", f'<tspan dx="10" font-weight="normal">{html.escape(beside)}</tspan></text>')
    middle = y + ROW / 2
    return [text(LEFT - 10, middle + 4.5, row["engine"], fill=colour, anchor="end", weight=weight),
            f'<rect x="{LEFT}" y="{middle - BAR / 2}" width="{length:.1f}" height="{BAR}" rx="3" '
            f'fill="{OURS if ours else RIVAL}" fill-opacity="{1 if ours else 0.55}"/>',
            value]


def draw(saved, model, shape):
    cell = next(c for c in saved["sections"]["throughput"]["results"] if (c["model"], c["shape"]) == (model, shape))
    rows = [r for r in cell["rows"] if r["agrees"]]
    machine = saved["machine"]
    scale = (WIDTH - LEFT - RIGHT) / max(r["tokens_per_second"] for r in rows)
    batch, seq = shape.split("x")
    units = [name for name, flag in (("AVX2", "avx2"), ("AVX-512", "avx512f"), ("AMX", "amx_tile"))
             if flag in machine["instruction_sets"]]
    title = f"{NAMES.get(model, model)}, {batch} × {seq} tokens: tokens per second"
    about = (f"{machine['cpu']}, {machine['threads']} threads, {units[-1] if units else 'no vector units'}. "
             "Same weights, same input, in turn; longer is better.")
    parts = [text(0, 20, title, 17, weight="600"), text(0, 40, about, 12)]
    y = 58
    for group, title in CLASSES.items():
        mine = sorted((r for r in rows if r["group"] == group),
                      key=lambda r: 0 if r["ours"] else 1 / r["tokens_per_second"])
        if not mine:
            continue
        parts.append(text(0, y + 14, title, 12, weight="600"))
        parts.append(f'<line x1="0" x2="{WIDTH}" y1="{y + 21}" y2="{y + 21}" stroke="{RIVAL}" stroke-opacity="0.35"/>')
        y += 26
        for r in mine:
            parts += bar(y, r, scale)
            y += ROW
        y += 12
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y}" width="{WIDTH}" height="{y}" role="img" '
        f'aria-label="{html.escape(model)} {shape}: tokens per second of each engine" '
        'font-family="-apple-system, BlinkMacSystemFont, Segoe UI, Noto Sans, Helvetica, Arial, sans-serif">', *parts,
        "</svg>"]) + "\n"


def main():
    given = dict(enumerate(sys.argv[1:]))
    source = given.get(0) or os.path.join(ROOT, "build", "race", "race.json")
    target = given.get(1) or os.path.join(ROOT, "build", "race", "race.svg")
    with open(source) as f:
        picture = draw(json.load(f), given.get(2, "bert-base"), given.get(3, "8x128"))
    with open(target, "w") as f:
        f.write(picture)


if __name__ == "__main__":
    main()
