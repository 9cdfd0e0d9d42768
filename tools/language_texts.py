#!/usr/bin/env python3
"""Text in more than a hundred languages, a file for each: what the translated messages (GNU .mo) of this machine and of Python packages
say, and babel's names of languages, territories, currencies, months and days.

    python tools/language_texts.py DIR [BYTES]      at most so many bytes of each language (100000)

Needs babel; django, if it is installed, has whole sentences of a hundred languages.
"""
import gettext
import importlib.util
import os
import random
import sys

import babel
from babel.localedata import locale_identifiers


def catalogues():
    roots = ["/usr/share/locale"]
    found = importlib.util.find_spec("django")
    if found:
        base = os.path.dirname(found.origin)
        roots += [os.path.join(d, "locale") for d, dirs, _ in os.walk(base) if "locale" in dirs]
    for root in roots:
        for language in sorted(os.listdir(root)):
            folder = os.path.join(root, language, "LC_MESSAGES")
            if os.path.isdir(folder):
                for name in sorted(os.listdir(folder)):
                    if name.endswith(".mo"):
                        yield language, os.path.join(folder, name)


def messages(path):
    try:
        with open(path, "rb") as f:
            catalogue = gettext.GNUTranslations(f)._catalog
    except (OSError, LookupError, ValueError):  # a broken one
        return
    for original, text in catalogue.items():
        if original and isinstance(text, str):
            for line in text.split("\n"):
                if line.strip() and line.strip() != original:
                    yield line.strip()


def names(language):
    try:
        locale = babel.Locale.parse(language.split("@")[0].split(".")[0])
    except (babel.UnknownLocaleError, ValueError):
        return
    for table in (locale.languages, locale.territories, locale.scripts, locale.currencies):
        yield from table.values()
    for table in (locale.months, locale.days):
        for width in table["format"].values():
            yield " ".join(map(str, width.values()))


def main(directory, most="100000"):
    texts = {}
    for language in locale_identifiers():
        if "_" not in language:
            texts.setdefault(language, dict.fromkeys(names(language)))
    for language, path in catalogues():
        texts.setdefault(language.split("_")[0].split("@")[0], {}).update(dict.fromkeys(messages(path)))
    os.makedirs(directory, exist_ok=True)
    kept = 0
    for language, lines in sorted(texts.items()):
        lines = list(lines)
        random.Random(7).shuffle(lines)
        size, out = 0, []
        for line in lines:
            size += len(line.encode(errors="ignore")) + 1
            if size > int(most):
                break
            out.append(line)
        if sum(map(len, out)) < 1000:
            continue
        kept += 1
        with open(os.path.join(directory, language + ".txt"), "w", encoding="utf-8", errors="ignore") as f:
            f.write("\n".join(out) + "\n")
    print(kept, "languages in", directory)


if __name__ == "__main__":
    main(*sys.argv[1:])
