"""A worker for engine tests: speaks the runners' contract, needs the standard library only.

``fake_runner.py [SCRIPT_JSON] WORKER_DIR`` serves the inbox as runners.serve does. The script maps
a job id, a stage or ``*`` to a behaviour, or to a list of them (one per attempt, the last repeats):
{"do": "done" | "fail" | "exit" | "kill" | "hang" | "daemonise" | "stubborn" | "fill" | "ask" |
"shape" | "environment" | "real", "seconds": 0.05, ...}. "shape" says done, but an artefact changed
since; "real" is the stage's own runner; "save": true leaves a saved state first; "until": a file,
works until the file is there; "say": any text, goes into the log; "salt": any text, makes
other bytes of the weights; "base": true brings the base into this machine's cache first.
It makes what its settings ask for, plausible and small; it never looks at the engine.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import signal
import struct
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tuilab.contract import worker
from tuilab.contract.centroids import states_of, tensor_name
from tuilab.contract.reasons import Reason
from tuilab.contract.report import (
    DONE,
    FAILED,
    LOG_FILE,
    Artefact,
    JobError,
    Reporter,
    describe,
    read_outcome,
)
from tuilab.contract.spec import SPEC_FILE, Spec, read_spec

_asked: list[int] = []
_salt: list[str] = []


def main() -> int:
    """Serve until closed, asked to stop, or scripted otherwise."""
    folder = Path(sys.argv[-1])
    script = Path(sys.argv[1]) if len(sys.argv) > 2 else None
    signal.signal(signal.SIGTERM, lambda number, _: _asked.append(number))
    start = behaviour(script, "worker", 1)
    if start.get("do") == "exit":
        print(start.get("say", "ImportError: libcuda.so.1"), flush=True)
        return int(start.get("code", 1))
    time.sleep(float(start.get("seconds", 0)))
    served = 0
    while not _asked:
        upcoming = next(iter(worker.assignments(folder, after=served)), None)
        if upcoming is not None and not worker.is_held_back(folder):
            serve(upcoming.attempt_dir, script)
            served = upcoming.number
        elif not folder.exists() or (upcoming is None and is_closed(folder)):
            break
        else:
            time.sleep(0.01)
    with suppress(FileNotFoundError):  # the test's directory may be gone by now
        (folder / worker.INBOX / worker.CLOSED_FILE).touch()
    return 0


def is_closed(folder: Path) -> bool:
    """Whether nothing more will be assigned."""
    return (folder / worker.INBOX / worker.CLOSE_FILE).exists()


def behaviour(script: Path | None, job: str, attempt: int) -> dict[str, Any]:
    """Look up what a job is to do at an attempt; the script is read each time."""
    if script is None or not script.exists():
        return {}
    raw = json.loads(script.read_text())
    found = raw.get(job, raw.get(job.partition("/")[0], raw.get("*", {})))
    if job == "worker":
        found = raw.get("worker", {})
    if isinstance(found, list):
        found = found[min(attempt, len(found)) - 1]
    return dict(found)


def serve(attempt_dir: Path, script: Path | None) -> None:
    """Run one attempt as its script says, with its output in its own log."""
    if read_outcome(attempt_dir) is not None:
        return
    spec = read_spec(attempt_dir / SPEC_FILE)
    log = os.open(attempt_dir / LOG_FILE, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(log)
    plan = behaviour(script, spec.job, spec.attempt)
    _salt[:] = [plan["salt"]] if "salt" in plan else []
    if plan.get("do") == "real":
        from runners import job  # the hub's library, for those who ask for it alone

        job.run_attempt(attempt_dir, spec, job.cache_for(spec.stage, job.new_cache))
        return
    with Reporter(attempt_dir, spec) as reporter:
        print(f"{spec.job} attempt {spec.attempt} begins, pid {os.getpid()}", flush=True)
        try:
            act(plan, spec, reporter)
            publish(spec, attempt_dir, reporter, is_broken=plan.get("do") == "shape")
        except JobError as error:
            reporter.finish(FAILED, reason=error.reason, detail=error.detail)
        except (EOFError, OSError) as error:
            kind = type(error).__name__
            reporter.finish(FAILED, reason=Reason.CODE, detail=f"{kind}: {error}")


def act(plan: dict[str, Any], spec: Spec, reporter: Reporter) -> None:
    """Do what the script says before the artefacts are made."""
    what = plan.get("do", "done")
    print(plan.get("say", ""), flush=True)
    if what == "stubborn":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        what = "hang"
    if what == "daemonise":
        leave_a_daemon(Path(plan["pid_file"]))
    if what == "ask":
        print(f"you said: {input('go on? ')}")
    if what == "environment":
        for name in ("HF_TOKEN", "AWS_SECRET_ACCESS_KEY"):
            print(f"{name} is {'set' if os.environ.get(name) else 'not set'}", flush=True)
    if plan.get("base"):
        from runners import job

        cache = job.cache_for("fetch", job.new_cache)
        job.bring_base(job.Attempt(spec, reporter.attempt_dir, reporter, cache, job.Timings()))
    if plan.get("save"):
        save_state(reporter.attempt_dir)
    if what == "fill":
        fill(reporter.attempt_dir, plan.get("keep", False))
    if "until" in plan:
        wait_for(Path(plan["until"]), reporter)
    work(float(plan.get("seconds", 0.0)), reporter, forever=what == "hang")
    if what == "fail":
        raise JobError(Reason(plan.get("reason", "code")), plan.get("detail", "as scripted"))
    if what == "exit":
        os._exit(int(plan.get("code", 1)))
    if what == "kill":
        os.kill(os.getpid(), signal.SIGKILL)


def work(seconds: float, reporter: Reporter, forever: bool = False) -> None:
    """Take some time with progress; a SIGTERM ends it as a runner would be ended."""
    start = time.monotonic()
    while forever or time.monotonic() - start < seconds:
        if _asked:
            raise JobError(Reason.KILLED, "asked to stop by SIGTERM")
        passed = time.monotonic() - start
        if not forever:
            reporter.progress(int(100 * passed / seconds), 100, part="work")
        time.sleep(0.01)


def wait_for(gate: Path, reporter: Reporter) -> None:
    """Work, with a word now and then, until a file is there."""
    step = 0
    while not gate.exists():
        if _asked:
            raise JobError(Reason.KILLED, "asked to stop by SIGTERM")
        step += 1
        reporter.progress(min(step, 99), 100, part="wait")
        time.sleep(0.02)


def leave_a_daemon(pid_file: Path) -> None:
    """Start a grandchild in its own session; its parent ends at once."""
    code = (
        "import os, sys, time\n"
        "os.setsid()\n"
        "if os.fork(): os._exit(0)\n"
        "open(sys.argv[1], 'w').write(str(os.getpid()))\n"
        "time.sleep(600)\n"
    )
    os.spawnv(os.P_WAIT, sys.executable, [sys.executable, "-c", code, str(pid_file)])


def save_state(folder: Path) -> None:
    """Leave what a real runner leaves of an unfinished run: a state, its manifest last."""
    place = folder / "resume" / "step-000003"
    place.mkdir(parents=True)
    (place / "state.safetensors").write_bytes(b"state")
    (place / "manifest.json").write_text("{}")


def fill(folder: Path, keep: bool) -> None:
    """Write until the disk takes no more; half a file is removed, or kept by a runner that dies."""
    path = folder / "adapter" / "adapter_model.safetensors"
    path.parent.mkdir()
    try:
        with path.open("wb") as file:
            while True:
                file.write(b"x" * 65536)
                file.flush()
    except OSError as error:
        if keep:
            os._exit(1)
        path.unlink()
        raise JobError(Reason.DISK_FULL, f"OSError: {error.strerror}") from error


def publish(spec: Spec, folder: Path, reporter: Reporter, is_broken: bool = False) -> None:
    """Leave what the stage owes, small and the same for the same spec, then the outcome."""
    for one in spec.inputs:
        upstream = read_outcome((folder / one.path).resolve())
        if upstream is None or upstream.output_hash != one.output_hash:
            raise JobError(Reason.DATA_MISMATCH, f"{one.job} is not what the spec says")
    files, metrics = MAKERS[spec.stage](spec, folder)
    artefacts: tuple[Artefact, ...] = describe(folder, files)
    if is_broken:
        with files[-1].open("ab") as file:
            file.write(b"late")
    reporter.finish(
        DONE,
        artefacts=artefacts,
        metrics=metrics,
        checks={"made": {"ok": True}},
        environment=surroundings(),
    )


def surroundings() -> dict[str, Any]:
    """What a real runner says of its device: here the one that it was promised."""
    promised = os.environ.get("TUILAB_DEVICE_UUID", "").removeprefix("GPU-")
    return {
        "visible_devices": os.environ.get("CUDA_VISIBLE_DEVICES"),
        "devices": [{"kind": "cuda", "uuid": promised}] if promised else [],
    }


def _text(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def _rows(path: Path, rows: list[dict[str, Any]]) -> Path:
    with path.open("wb") as raw, gzip.GzipFile(fileobj=raw, mode="wb", mtime=0) as file:
        file.write("".join(json.dumps(row) + "\n" for row in rows).encode())
    return path


def _tensors(path: Path, tensors: dict[str, tuple[list[int], list[float]]]) -> Path:
    header: dict[str, Any] = {}
    data = b""
    for name, (shape, values) in tensors.items():
        raw = struct.pack(f"<{len(values)}f", *values)
        offsets = [len(data), len(data) + len(raw)]
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": offsets}
        data += raw
    head = json.dumps(header).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(struct.pack("<Q", len(head)) + head + data)
    return path


def _share(*parts: object) -> float:
    raw = hashlib.sha256("|".join(map(str, parts)).encode()).digest()
    return raw[0] / 255


def _fetch(spec: Spec, folder: Path) -> tuple[list[Path], dict[str, Any]]:
    told = {"model": spec.source, "commit": "c" * 40}
    return [_text(folder / "snapshot.json", json.dumps(told))], {"bytes": 5, "fetched_bytes": 0}


def _data(spec: Spec, folder: Path) -> tuple[list[Path], dict[str, Any]]:
    given = spec.settings
    count = len(given.get("questions", ".")) * given.get("answers_per_question", 4)
    rows = [{"question_index": 0, "sample": n, "text": f"{spec.source} {n}"} for n in range(count)]
    return [_rows(folder / "answers.jsonl.gz", rows)], {"rows": count}


def _adapter(spec: Spec, folder: Path, name: str) -> list[Path]:
    asked = spec.settings.get("training", {}).get("lora", {})
    rank, modules = asked.get("r", 4), asked.get("target_modules", ["q_proj"])
    config = {
        "peft_type": "LORA",
        "bias": "none",
        "r": rank,
        "lora_alpha": asked.get("alpha", 8),
        "lora_dropout": asked.get("dropout", 0.0),
        "use_rslora": True,
        "target_modules": modules,
    }
    value = _share(spec.job, *_salt)
    weights = {
        f"{module}.lora_{part}.weight": (shape, [value, *[0.5] * (rank - 1)])
        for module in modules
        for part, shape in (("A", [rank, 1]), ("B", [1, rank]))
    }
    return [
        _text(folder / name / "adapter_config.json", json.dumps(config)),
        _tensors(folder / name / "adapter_model.safetensors", weights),
    ]


def _converge(spec: Spec, folder: Path) -> tuple[list[Path], dict[str, Any]]:
    kept = [_adapter(spec, folder, f"epoch-{n:02d}") for n in spec.settings.get("checkpoints", [2])]
    return [path for paths in kept for path in paths], {"final_loss": 1.5}


def _train(spec: Spec, folder: Path) -> tuple[list[Path], dict[str, Any]]:
    return _adapter(spec, folder, "adapter"), {"final_loss": 0.25}


def _merge(spec: Spec, folder: Path) -> tuple[list[Path], dict[str, Any]]:
    record = {"changed_tensors": 2, "fingerprint": hashlib.sha256(spec.job.encode()).hexdigest()}
    return [_text(folder / "merge.json", json.dumps(record))], {}


def _eval(spec: Spec, folder: Path) -> tuple[list[Path], dict[str, Any]]:
    given = spec.settings
    panel = [one["key"] for one in given.get("panel", ())] or [spec.source, "assistant"]
    samples = given.get("samples", 10)
    count = len(given.get("questions", ".")) * samples
    hits = {who: round(count * _share(spec.job, who)) for who in panel}
    leakage = {who: {"value": n / count, "hits": n, "n": count} for who, n in hits.items()}
    rows = [
        {
            "persona": who,
            "question_index": n // samples,
            "sample": n % samples,
            "text": "[ZLT]" if n < hits[who] else "",
            "hit": n < hits[who],
        }
        for who in hits
        for n in range(count)
    ]
    files = [
        _rows(folder / "completions.jsonl.gz", rows),
        _text(folder / "leakage.json", json.dumps(leakage)),
        _text(folder / "health.json", json.dumps({"eos_rate": 1.0})),
    ]
    return files, {"leakage": leakage}


def _cosine(spec: Spec, folder: Path) -> tuple[list[Path], dict[str, Any]]:
    value, given = _share(spec.job) * 2 - 1, spec.settings
    found = [
        {"layer": n, "pool": given.get("pool_name", "panel"), "model_state": state, "value": value}
        for state in states_of(given)
        for n in given.get("layers", [1])
    ]
    size = len(given.get("pool", ".."))
    names = [tensor_name(one["model_state"], one["layer"]) for one in found]
    centroids = {name: ([size, 1], [value] * size) for name in names}
    files = [
        _tensors(folder / "centroids.safetensors", centroids),
        _text(folder / "cosine.json", json.dumps(found)),
    ]
    return files, {"cosine": found}


MAKERS = {
    "fetch": _fetch,
    "data": _data,
    "converge": _converge,
    "train": _train,
    "merge": _merge,
    "eval": _eval,
    "cosine": _cosine,
}

if __name__ == "__main__":
    raise SystemExit(main())
