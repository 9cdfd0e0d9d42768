"""Workers: processes that stand still (SIGSTOP) unless it is their turn, so that one alone has the machine."""
import atexit
import contextlib
import importlib.metadata
import json
import os
import select
import signal
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
PATIENCE = 600  # seconds for an answer: the slowest takes two minutes


running = set()  # a process that stands still does not notice that this one ends


@atexit.register
def end():
    for worker in list(running):
        worker.close()


class Failed(Exception):
    pass


class Hung(Failed):
    def __init__(self):
        super().__init__(f"no answer in {PATIENCE} seconds")


def command(context, engine, model, once=None):
    if engine.ours:
        return [context.build("bench_race_worker"), model, engine.precision, str(context.threads)]
    args = [sys.executable, os.path.join(HERE, "worker.py")] + (["--once"] if once else [])
    return args + [engine.kind, model, engine.precision, str(context.threads)] + ([once] if once else [])


def environment(context, more=None):
    n = str(context.threads)
    # CI: OpenVINO then starts no process that sends telemetry, which would not stand still with its parent.
    return {**os.environ, "CI": "true", "OMP_NUM_THREADS": n, "MKL_NUM_THREADS": n, "RAYON_NUM_THREADS": n,
            "TOKENIZERS_PARALLELISM": "true", "HF_HUB_OFFLINE": "1", **(more or {})}


def run_once(context, command, **pipes):
    """A process that takes no commands, from its start to its end: what subprocess.run() says of it."""
    try:
        return subprocess.run(command, text=True, env=environment(context), timeout=PATIENCE, **pipes)
    except subprocess.TimeoutExpired:
        raise Hung() from None


class Worker:
    def __init__(self, context, engine, model, env=None):
        self.engine = engine
        if engine.ours and not os.path.exists(context.build("bench_race_worker")):
            raise Failed("build/bench_race_worker is not built; make bench builds it")
        self.process = subprocess.Popen(command(context, engine, model), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=context.log, text=True, env=environment(context, env))
        running.add(self)
        try:
            self.answer()
        except Failed:
            self.close()
            raise

    def answer(self):
        if not select.select([self.process.stdout], [], [], PATIENCE)[0]:
            self.process.kill()
            raise Hung()
        line = self.process.stdout.readline()
        if line:
            self.process.send_signal(signal.SIGSTOP)
        got = json.loads(line) if line else {"error": self.last_words()}
        if "error" in got:
            raise Failed(got["error"])
        return got

    def last_words(self):
        code = self.process.wait()
        return f"killed by signal {-code}" if code < 0 else f"the process ended ({code})"

    def ask(self, *words):
        self.process.send_signal(signal.SIGCONT)
        try:
            self.process.stdin.write(" ".join(str(w) for w in words) + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass
        return self.answer()

    def peak_memory(self):
        """Most bytes resident so far."""
        with open(f"/proc/{self.process.pid}/status") as f:
            return next(int(line.split()[1]) * 1024 for line in f if line.startswith("VmHWM"))

    def close(self):
        running.discard(self)
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


def free_memory():
    with open("/proc/meminfo") as f:
        return next(int(line.split()[1]) * 1024 for line in f if line.startswith("MemAvailable"))


def wanted_memory(model):
    """None may make the machine swap: a worker takes up to twice its weights, and something more."""
    path = os.path.join(model, "model.safetensors")
    return 2.2 * os.path.getsize(path) + 3e8 if os.path.exists(path) else 0


def check_installed(package):
    """What bench/race.sh could not install it tells in a file, named like the package."""
    try:
        importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        why = []
        with contextlib.suppress(OSError), open(os.path.join(sys.prefix, "absent", package.replace("_", "-"))) as f:
            why = [line.strip() for line in f if "error" in line.lower()]
        raise Failed(": ".join([f"{package} is not installed", *why[-1:]])[:300])


def make_ready(context, engine, model):
    """All that a worker needs before it can start, or Failed."""
    if engine.package:
        check_installed(engine.package)
    context.models.export(engine, model)


def launch(context, engine, model, env=None):
    make_ready(context, engine, model)
    if (free := free_memory()) < (wanted := wanted_memory(model)):
        raise Failed(f"too little memory: {free / 1e9:.1f} GB are free, {wanted / 1e9:.1f} are wanted")
    return Worker(context, engine, model, env)


def start(context, engine, model, env=None):
    """A worker, or None: the engine is absent, and why is noted."""
    try:
        return launch(context, engine, model, env)
    except Failed as e:
        context.absent(engine.name, e, os.path.basename(model))
        return None
