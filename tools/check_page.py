#!/usr/bin/env python3
"""check_page.py BERT DIR [SHOTS]: the page at / of `bert serve`, in headless Chromium, as a person uses it.

DIR has the models of serving_models.py. Every task is typed, asked by keyboard, and what the page shows is compared with what
the tool says of the same input; nothing is written to the console, nothing is asked of another host, and no page is wider than its
window. Screenshots of each task at a desktop's and a phone's width go into SHOTS. Needs playwright (PyPI) and Debian's chromium.
"""
import json
import os
import subprocess
import sys

from playwright.sync_api import sync_playwright

BERT, DIR = sys.argv[1], os.path.abspath(sys.argv[2])
SHOTS = sys.argv[3] if len(sys.argv) > 3 else None
PLACE = "Ada Lovelace lived in London, near Zoë's café 🙂 in Paris."
TEXTS = ["The quick brown fox.", "A dog is lazy.", "Bonjour le monde"]


def tool(*args):
    got = subprocess.run([BERT, *args, "--json"], capture_output=True, text=True, check=True).stdout
    return [json.loads(line) for line in got.splitlines()]


def percent(x):
    return f"{100 * x:.1f} %"


def bars(page):
    return [row.locator("span").all_inner_texts() for row in page.locator("#out .bar").all()]


def similarity(page, model):
    v = [r["embedding"] for r in tool("embed", model, "--normalize", *TEXTS)]
    own = [f"{sum(a * b for a, b in zip(x, y)):.3f}" for x in v for y in v]
    got = page.locator("#out td").all_inner_texts()
    assert all(abs(float(a) - float(b)) <= 0.0011 for a, b in zip(got, own)) and len(got) == len(own), (got, own)


def labels(page, model):
    own = [sorted(([k, percent(s)] for k, s in r["scores"].items()), key=lambda x: -float(x[1][:-2]))
           for r in tool("classify", model, *TEXTS)]
    got = bars(page)
    assert sorted(map(tuple, got)) == sorted(tuple(x) for row in own for x in row), (got, own)


def entities(page, model):
    own = [(e["word"], e["entity"]) for e in tool("tag", model, "--aggregation", "simple", PLACE)]
    got = [(m.evaluate("e => e.firstChild.data"), m.locator("sub").inner_text()) for m in page.locator("#out mark").all()]
    # the page shows the text itself where the tool has the tokens put together
    assert [e for _, e in got] == [e for _, e in own] and got, (got, own)
    assert page.locator("#out p").first.evaluate("e => [...e.childNodes].map(n => n.firstChild ? n.firstChild.data : n.data).join('')") == PLACE


def masked(page, model):
    own = [[r["token"], percent(r["score"])] for r in tool("fill", model, "-k", "5", "Paris is the [MASK] of France.")]
    assert bars(page) == own, (bars(page), own)


def answer(page, model):
    own = tool("answer", model, "--question", "Where?", "--context", PLACE)[0]
    mark = page.locator("#out mark")
    assert mark.evaluate("e => e.firstChild.data") == own["answer"], own
    assert mark.locator("sub").inner_text() == percent(own["score"])


def choice(page, model):
    own = tool("choose", model, "The cat", "sat down.", "is a fish.")[0]["scores"]
    assert bars(page) == [[t, percent(s)] for t, s in zip(("sat down.", "is a fish."), own)], (bars(page), own)


def next_sentence(page, model):
    own = tool("next-sentence", model, "It rains.", "We go in.")[0]
    score = own["score"] if own["is_next"] else 1 - own["score"]
    assert bars(page) == [["the next one" if own["is_next"] else "not the next one", percent(score)]], bars(page)


def picture(page, model):
    own = tool("classify", model, os.path.join(model, "picture.jpg"), "-k", "5")[0]
    assert bars(page)[0] == [own["label"], percent(own["score"])], (bars(page), own)
    assert page.locator("#out img").evaluate("e => e.complete && e.naturalWidth") == 120


def words(page, model):
    own = sorted(tool("embed", model, "--vectors", "sparse", "--ids", TEXTS[0])[0]["sparse"]["values"], reverse=True)[:12]
    assert [s for _, s in bars(page)] == [f"{x:.3f}" for x in own], (bars(page), own)


def tokens(page, model):
    own = [t for r in tool("tokenize", model, *TEXTS) for t in r["ids"]]
    got = [int(t.get_attribute("title").split()[-1]) for t in page.locator("#out .token").all()]
    assert got == own, (got, own)


# model, task, what is typed into the boxes, and what is looked at
ROWS = [
    ("embedding", "similarity", "\n".join(TEXTS), None, similarity),
    ("embedding", "tokens", "\n".join(TEXTS), None, tokens),
    ("classifier", "labels", "\n".join(TEXTS), None, labels),
    ("tagger", "entities", PLACE, None, entities),
    ("masked", "weighed words", TEXTS[0], None, words),
    ("masked", "masked words", "Paris is the [MASK] of France.", None, masked),
    ("answerer", "answer", "Where?", PLACE, answer),
    ("chooser", "which of these", "The cat", "sat down.\nis a fish.", choice),
    ("next", "next sentence", "It rains.", "We go in.", next_sentence),
    ("vit", "picture", None, None, picture),
]


def wait(page):
    page.wait_for_function("() => document.querySelector('#out').textContent.endsWith(' ms') || document.querySelector('#out .error')")
    assert not page.locator("#out .error").count(), page.locator("#out").inner_text()


def walk(page, url, width):
    said, asked = [], []
    page.on("console", lambda m: said.append(m.text))
    page.on("pageerror", lambda e: said.append(str(e)))
    page.on("request", lambda r: asked.append(r.url))
    page.goto(url)
    page.wait_for_function("() => document.querySelector('#task').options.length")
    for name, task, first, second, check in ROWS:
        path = os.path.join(DIR, name)
        page.select_option("#model", path)
        page.select_option("#task", task)
        if first is None:
            page.set_input_files("#picture", os.path.join(path, "picture.jpg"))
            page.focus("#go")
            page.keyboard.press("Enter")
        else:  # by keyboard alone: from the task's box to the texts, and away
            page.focus("#task")
            page.keyboard.press("Tab")
            page.keyboard.press("Control+A")
            page.keyboard.insert_text(first)
            if second:
                page.keyboard.press("Tab")
                page.keyboard.press("Control+A")
                page.keyboard.insert_text(second)
            page.keyboard.press("Control+Enter")
        wait(page)
        check(page, path)
        wide = page.evaluate("() => document.documentElement.scrollWidth - innerWidth")
        assert wide <= 0, f"{task}: {wide} pixels wider than a window of {width}"
        if SHOTS:
            page.screenshot(path=os.path.join(SHOTS, f"{width}-{name}-{task.replace(' ', '-')}.png"), full_page=True)
        print(f"ok  {width} pixels: {task}")
    page.select_option("#model", os.path.join(DIR, "classifier"))  # without a text: it is said what is needed
    page.fill("#text", "")
    page.click("#go")
    page.wait_for_selector("#out .error")
    assert not said, said
    assert all(u.startswith(url) or u.startswith(("data:", "blob:")) for u in asked), asked
    # what the policy forbids is refused by the browser, too
    assert page.evaluate("() => fetch('http://127.0.0.1:1/').then(() => 'sent', e => e.name)") == "TypeError"
    assert any("Content Security Policy" in s for s in said), said


server = subprocess.Popen([BERT, "serve", "--port", "0", "--quiet", *(os.path.join(DIR, n) for n in dict.fromkeys(r[0] for r in ROWS))],
                          stdout=subprocess.PIPE, text=True)
try:
    url = server.stdout.readline().split()[-1] + "/"
    with sync_playwright() as p:
        browser = p.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        for width, height in ((1280, 800), (375, 700)):
            walk(browser.new_page(viewport={"width": width, "height": height}), url, width)
        browser.close()
finally:
    server.terminate()
sys.exit(server.wait(60))
