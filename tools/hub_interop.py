"""Caches both ways: what `bert pull` leaves is read by huggingface_hub, and what that leaves by bert, from the
hub of build/hub_server on this machine.

    python3 tools/hub_interop.py [BUILD_DIRECTORY]        needs PyPI's huggingface_hub; no network
"""
import json, os, pathlib, subprocess, sys, tempfile

build = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "build").resolve()
root = pathlib.Path(tempfile.mkdtemp(prefix="hub-interop-"))
model = root / "model"
(model / "1_Pooling").mkdir(parents=True)
(model / "config.json").write_text('{"model_type": "bert"}')
(model / "vocab.txt").write_text("[PAD]\n[UNK]\n")
(model / "1_Pooling/config.json").write_text("{}")
(model / "modules.json").write_text('[{"path": ""}, {"path": "1_Pooling"}]')
(model / "model.safetensors").write_bytes(os.urandom(3_000_000))
server = subprocess.Popen([build / "hub_server", f"org/m={model}", f"org/n={model}"], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, text=True)
endpoint = server.stdout.readline().strip()
os.environ.update(HF_ENDPOINT=endpoint, HF_HUB_CACHE=str(root / "cache"), HF_HOME=str(root / "home"),
                  HF_HUB_DISABLE_XET="1", HF_HUB_DISABLE_TELEMETRY="1",
                  BERT_HOME=str(root / "own"))
import huggingface_hub as hub  # noqa: E402  (reads the environment)


def bert(*arguments, **environment):
    r = subprocess.run([build / "bert", *arguments], env={**os.environ, **environment}, capture_output=True, text=True)
    assert r.returncode == 0, r.stderr
    return r.stdout


def same(path):
    for f in model.rglob("*"):
        if f.is_file():
            assert (pathlib.Path(path) / f.relative_to(model)).read_bytes() == f.read_bytes(), f


ours = json.loads(bert("pull", "org/m"))["path"]
same(ours)
offline = hub.snapshot_download("org/m", local_files_only=True)
assert offline == ours, (offline, ours)
assert hub.try_to_load_from_cache("org/m", "config.json") == f"{ours}/config.json"
again = hub.snapshot_download("org/m")  # asks the hub, and has nothing to fetch
assert again == ours
info = hub.scan_cache_dir()
assert not info.warnings, info.warnings
repo, = info.repos
revision, = repo.revisions
assert repo.repo_id == "org/m" and revision.refs == {"main"} and len(revision.files) == 5, repo
print("bert pull -> huggingface_hub: snapshot, files, refs, scan")

theirs = hub.snapshot_download("org/n", allow_patterns=["*.json"])  # a part of it
row, = [json.loads(line) for line in bert("list").splitlines() if '"org/n"' in line]
assert not row["complete"] and row["lacks"] == "model.safetensors", row
theirs = hub.snapshot_download("org/n")
same(theirs)
got = json.loads(bert("pull", "org/n"))
assert got["path"] == theirs and got["fetched"] == 0, got
row, = [json.loads(line) for line in bert("list").splitlines() if '"org/n"' in line]
assert row["complete"], row
print("huggingface_hub -> bert: partial, whole, nothing fetched again")

local = root / "local"
bert("pull", "org/m", "--local-dir", str(local))
before = {f: f.stat().st_mtime_ns for f in local.rglob("*.safetensors")}
hub.snapshot_download("org/m", local_dir=local)
assert before == {f: f.stat().st_mtime_ns for f in local.rglob("*.safetensors")}
print("--local-dir: huggingface_hub takes its notes, and fetches nothing again")

bert("remove", "org/m")
assert {r.repo_id for r in hub.scan_cache_dir().repos} == {"org/n"} and not hub.scan_cache_dir().warnings
hub.scan_cache_dir().delete_revisions(revision.commit_hash).execute()
assert bert("list") == ""
print("each removes what the other has made")
server.stdin.close()
server.wait()
