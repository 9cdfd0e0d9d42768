"""The engines of a class, each with its worker; as many of these are in memory as fit."""
import os

import pool


class Room:
    """Asked like a worker, for an engine. Where not all fit, one leaves and comes back when it is its turn."""

    def __init__(self, context, engines, model, env=None):
        self.context, self.model, self.env = context, model, env
        self.engines, self.workers = list(engines), {}  # the workers in the order of their latest turns
        self.shape = ()
        # To export takes more memory than to run: all of it is done while nobody is here yet.
        for prepare in (lambda e: pool.make_ready(context, e, model), self.enter):
            for engine in list(self.engines):
                try:
                    prepare(engine)
                except pool.Failed as e:
                    self.lose(engine, e)

    def enter(self, engine):
        while self.workers and pool.free_memory() < pool.wanted_memory(self.model):
            # The latest: of those in turn it is the one whose next turn is the furthest away.
            other, worker = self.workers.popitem()
            self.context.say(f"{other.name} makes room for {engine.name}")
            worker.close()
        self.workers[engine] = pool.launch(self.context, engine, self.model, self.env)

    def ask(self, engine, *words):
        if engine not in self.workers:
            self.enter(engine)
            if self.shape and words[0] != "shape":  # where it was when it left, and warm again
                self.workers[engine].ask(*self.shape)
                self.workers[engine].ask("time", 0, 1)
        self.workers[engine] = self.workers.pop(engine)
        if words[0] == "shape":
            self.shape = words
        return self.workers[engine].ask(*words)

    def lose(self, engine, why):
        shape = "x".join(str(n) for n in self.shape[1:3])
        self.context.absent(engine.name, why, f"{os.path.basename(self.model)} {shape}".strip())
        self.engines.remove(engine)
        if engine in self.workers:
            self.workers.pop(engine).close()

    def names(self):
        return ", ".join(e.name for e in self.engines)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for worker in self.workers.values():
            worker.close()
