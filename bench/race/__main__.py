"""The race: this library against the others that run BERT on a CPU. Started by bench/race.sh."""
import argparse
import contextlib
import datetime
import fcntl
import importlib
import json
import os
import signal
import sys
import time
import traceback

import aims
import draw
import machine
import parts
import pool
import report
from families import FAMILIES
from models import SHAPES, Models
from serving import NAMES

SECTIONS = {name: importlib.import_module(name) for name in parts.PARTS}
FORMAT = 2  # of race.json: what another one wrote is not read
MODELS = ["all-MiniLM-L6-v2", "bert-base", "bert-large"]


class Context:
    """What every part of the race needs to know."""

    def __init__(self, args):
        self.root = os.path.dirname(os.path.dirname(pool.HERE))
        self.out = os.path.join(self.root, "build", "race")
        cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
        self.cache = os.environ.get("BERT_RACE_CACHE") or os.path.join(cache, "bert", "race")
        os.makedirs(self.out, exist_ok=True)
        self.log = open(os.path.join(self.out, "log.txt"), "a")
        try:
            fcntl.lockf(self.log, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            sys.exit("race: another race is running")
        self.threads, self.names, self.shapes, self.data = args.threads, args.models, args.shapes, args.data
        self.quick, self.sentences, self.servers = args.quick, args.sentences, args.servers
        self.budget, self.least_rounds, self.starts = (1.5, 1, 2) if args.quick else (args.seconds, 3, 7)
        self.models = Models(self)
        self.missing, self.began = {}, time.monotonic()

    def say(self, text):
        print(f"[{time.monotonic() - self.began:6.1f} s] {text}", file=sys.stderr, flush=True)

    def absent(self, name, why, *where):
        """Noted for the report: an engine or a model, why, and of an engine at which model that is so."""
        reasons = self.missing.setdefault(name, {})
        if str(why) not in reasons:
            self.say(f"{name} is absent: {why}")
        places = reasons.setdefault(str(why), [])
        places += [w for w in where if w not in places]

    def build(self, name):
        return os.path.join(self.root, "build", name)

    @contextlib.contextmanager
    def with_threads(self, n):
        before, self.threads = self.threads, n
        yield
        self.threads = before

    def find(self, name):
        """A file of the data that the user has."""
        for base in (self.data, os.path.join(self.data, "glue"), os.path.join(self.data, "..")):
            path = os.path.join(base, name)
            if self.data and os.path.exists(path):
                return path
        raise pool.Failed(f"no {name}; make bench DATA=DIRECTORY says where it is (docs/benchmarks.md)")

    def scratch(self, name):
        return os.path.join(self.out, name)

    def config(self, model):
        with open(os.path.join(model, "config.json")) as f:
            return json.load(f)


def arguments():
    p = argparse.ArgumentParser(prog="bench/race.sh", description=__doc__.splitlines()[0])
    parts.add_only(p)
    p.add_argument("--models", type=parts.listed, default=MODELS, metavar="NAME,..",
                   help=", ".join(MODELS) + "; and " + ", ".join(FAMILIES))
    p.add_argument("--shapes", type=parts.listed, default=[], metavar="BxS,..", help=", ".join(SHAPES))
    p.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    p.add_argument("--seconds", type=float, default=6, help="for the rounds of a shape and class (default: 6)")
    p.add_argument("--sentences", type=int, default=10000, metavar="N", help="of SST-2 (default: 10000)")
    p.add_argument("--servers", type=parts.listed, default=[], metavar="NAME,..", help=", ".join(NAMES))
    p.add_argument("--data", default=os.environ.get("DATA", ""), help="directory with SST-2/ and more (default: $DATA)")
    p.add_argument("--quick", action="store_true", help="few rounds, two shapes: does it work?")
    args = p.parse_args()
    models = [m for m in args.models if not os.path.isdir(m)]  # a directory is a model as well
    for option, given, known in (("only", args.only, SECTIONS), ("models", models, [*MODELS, *FAMILIES]),
                                 ("shapes", args.shapes, [*SHAPES, *(s for f in FAMILIES.values() for s in f.shapes)]),
                                 ("servers", args.servers, NAMES)):
        for unknown in set(given) - set(known):
            p.error(f"--{option} {unknown}: there are {', '.join(known)}")
    if args.quick:
        args.shapes = args.shapes or ["1x16", "8x128"]
        args.sentences = min(args.sentences, 640)
    return args


def load(path, about):
    """Results of earlier runs of other parts, if this is still the same machine."""
    try:
        with open(path) as f:
            saved = json.load(f)
        if (saved.get("format"), saved["machine"]) == (FORMAT, about["machine"]):
            return saved["sections"]
    except (OSError, ValueError, KeyError):
        pass
    return {}


def write(path, text):
    with open(path + ".part", "w") as f:
        f.write(text)
    os.replace(path + ".part", path)


def main():
    args = arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    context = Context(args)
    about = {"format": FORMAT, "machine": machine.describe(args.threads),
             "versions": machine.versions(context, parts.packages())}
    saved, skipped = load(context.scratch("race.json"), about), {}
    print(report.header(about["machine"], about["versions"]), flush=True)
    for name in args.only:
        module, start, busy = SECTIONS[name], time.monotonic(), machine.busy()
        context.missing = {}
        try:
            results = module.run(context)
        except Exception as e:  # one part less is no reason to lose the others
            if not isinstance(e, pool.Failed):
                traceback.print_exc()
            context.say(f"{name} is skipped: {e}")
            skipped[name] = str(e)
            continue
        saved[name] = {"date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
                       "bert": about["versions"]["bert"], "minutes": (time.monotonic() - start) / 60,
                       "busy": busy, "quick": args.quick, "absent": context.missing, "results": results}
        print(report.section(name, saved[name], module), flush=True)
        write(context.scratch("race.json"), json.dumps({**about, "sections": saved}, indent=1))
    overview = report.render(*aims.table(saved)) + report.skipped(skipped)
    print(overview, flush=True)
    text = [report.header(about["machine"], about["versions"]), overview]
    text += [report.section(n, saved[n], m) for n, m in SECTIONS.items() if n in saved]
    write(context.scratch("race.md"), "\n".join(text))
    with contextlib.suppress(KeyError, StopIteration, ValueError):
        write(context.scratch("race.svg"), draw.draw({**about, "sections": saved}, "bert-base", "8x128"))
    context.say(f"written: {context.scratch('race.md')}, race.json, race.svg")


if __name__ == "__main__":
    main()
