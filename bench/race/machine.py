"""What machine this is, and which versions race."""
import importlib.metadata
import os
import platform
import re
import subprocess
import time

FLAGS = ["avx2", "fma", "f16c", "avx512f", "avx512_vnni", "avx_vnni", "avx512_bf16", "amx_tile", "amx_bf16", "amx_int8"]


def read(path):
    try:
        with open(path) as f:
            return f.read()
    except OSError:
        return ""


def field(text, name):
    found = re.search(rf"^{name}\s*:\s*(.*)$", text, re.M)
    return found.group(1).strip() if found else ""


def describe(threads):
    cpu = read("/proc/cpuinfo")
    flags = field(cpu, "flags").split()
    return {
        "cpu": field(cpu, "model name") or platform.machine(),
        "family_model_stepping": "/".join(field(cpu, k) for k in ("cpu family", "model", "stepping")),
        "cores": len(os.sched_getaffinity(0)),
        "threads": threads,
        "instruction_sets": [f for f in FLAGS if f in flags],
        "memory_gb": round(int(field(read("/proc/meminfo"), "MemTotal").split()[0] or 0) / 2**20, 1),
        "system": platform.release(),
    }


def busy(seconds=1):
    """Cores that others use now. A load average would tell of the part of the race before, too."""
    def used():
        user, nice, system, _, _, irq, softirq, steal = (int(x) for x in read("/proc/stat").split()[1:9])
        return user + nice + system + irq + softirq + steal
    before = used()
    time.sleep(seconds)
    return (used() - before) / os.sysconf("SC_CLK_TCK") / seconds


def versions(context, packages):
    out = {}
    for package in packages:
        try:
            out[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            out[package] = "absent"
    git = subprocess.run(["git", "-C", context.root, "describe", "--always", "--dirty"], capture_output=True, text=True)
    compiler = subprocess.run(["cc", "--version"], capture_output=True, text=True)
    return {"bert": git.stdout.strip() or "unknown", "compiler": (compiler.stdout.splitlines() or [""])[0],
            "python": platform.python_version(), **out}
