"""Makes the checked-in experiment of release 0.1: python -m tests.store.old_experiment DIR

Run once per release, into fixtures/experiment-<release>; a fixture that exists is never remade,
because it is what people have on disk.
"""

from __future__ import annotations

import sys
from pathlib import Path

from tuilab.contract.identity import Identity
from tuilab.grid.engine_view import EngineState, EngineView
from tuilab.grid.request import Request
from tuilab.store.lease import acquire
from tuilab.store.requests import leave

from . import artefacts as made
from .scene import NOW, Scene, fold_journal, small_plan

POD = Identity("pod-7f", "0c9c3a51-7c1f-4a52-9d36-0d3c8f3f1a5e", 4242, 123456)


def make(root: Path) -> Scene:
    """Play the history: a retry that worked, a failure, a lost eval, and cells nobody asked for."""
    scene = Scene(root, small_plan(settings=made.SETTINGS))
    engine = acquire(scene.layout, NOW, identity=POD)
    scene.journal.append("engine-started", pid=POD.pid, host=POD.host, go=True, at=NOW)
    scene.want(*(job for job in scene.plan.by_id if "comedian@2" not in job))
    scene.worker("w1", POD)
    for source in ("villain", "comedian"):
        finish(scene, f"data/{source}")
        finish(scene, f"converge/{source}#42")
        finish(scene, f"train/{source}@0#42")
        finish(scene, f"merge/{source}@0#42")
    fail(scene, "eval/villain@0#42", "gpu-oom", "tried to allocate 2.30 GiB")
    scene.want("eval/villain@0#42")
    for job in ("eval/villain@0#42", "cosine/villain@0#42", "cosine/comedian@0#42"):
        finish(scene, job)
    fail(scene, "train/villain@2#42", "nan-loss", "loss is nan at step 7")
    scene.claim("eval/comedian@0#42")
    scene.begin("eval/comedian@0#42")
    scene.settle("eval/comedian@0#42", "lost", reason="killed", detail="the machine restarted")
    scene.journal.append("paused", mode="soft", by="me", at=NOW)
    leave(scene.layout, Request("relaunch", cells=("villain@2#42",), by="me@pod"), at=NOW)
    scene.journal.append("engine-stopped", at=NOW)
    engine.heartbeat(EngineView(state=EngineState.RUNNING, workers=1), NOW)
    engine.release(NOW)
    fold_journal(scene.layout)
    return scene


def finish(scene: Scene, job: str) -> None:
    """Let a job end well, with artefacts that stand up to verification."""
    folder = scene.claim(job)
    scene.begin(job)
    stage = scene.plan.by_id[job].stage.value
    files, metrics, checks = made.write_stage(stage, folder)
    outcome = scene.outcome(job, files=files, metrics=metrics, checks=checks)
    scene.settle(job, "done", **scene.told_by(outcome))


def fail(scene: Scene, job: str, reason: str, detail: str) -> None:
    """Let a job fail with a reason of its runner's own."""
    scene.claim(job)
    scene.begin(job)
    scene.outcome(job, "failed", reason=reason, detail=detail)
    scene.settle(job, "failed", reason=reason, detail=detail)


if __name__ == "__main__":
    make(Path(sys.argv[1]))
