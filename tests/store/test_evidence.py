"""Attempt directories alone tell what the journal tells, whatever the history."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tuilab.contract.report import LOG_FILE
from tuilab.contract.worker import Stop
from tuilab.grid.ledger import Ledger
from tuilab.grid.states import Attempt, Verdict
from tuilab.store.attempts import write_stop
from tuilab.store.evidence import missing_lines, scan
from tuilab.store.journal import follow
from tuilab.store.reader import Reader
from tuilab.store.recovery import recover

from .scene import ALIVE, DEAD, NOW, Scene, small_plan

ENDINGS = [
    "done",
    "failed",
    "stopped",
    "stopped-without-outcome",
    "suspect",
    "lost",
    "never-begun",
    "oom",
    "log",
    "running",
    "claimed",
]
JOBS = ["data/villain", "train/villain@0#42", "eval/villain@0#42", "cosine/villain@0#42"]
"""A parent, and children of several stages, whose attempts may follow one another in any order."""


def play(scene: Scene, place: int, job: str, ending: str) -> None:
    """Let one attempt end in a given way on its own worker; the journal is told in plain words."""
    worker = f"w{place}"
    scene.worker(worker, ALIVE if ending in ("running", "claimed") else DEAD)
    scene.claim(job, worker)
    if ending not in ("never-begun", "claimed"):
        scene.begin(job)
    folder = scene.directory(job)
    if ending == "done":
        outcome = scene.outcome(job)
        scene.settle(job, "done", **times(outcome), metrics=expected_metrics(job))
    elif ending == "failed":
        outcome = scene.outcome(job, "failed", reason="nan-loss", detail="step 7")
        told = times(outcome) | {"metrics": {}}
        scene.settle(job, "failed", reason="nan-loss", detail="step 7", **told)
    elif ending == "suspect":
        outcome = scene.outcome(job)
        (folder / "result.bin").write_bytes(b"half")
        told = times(outcome) | {"output_hash": "", "metrics": expected_metrics(job)}
        scene.settle(job, "suspect", reason="data-mismatch", **told)
    elif ending == "stopped":
        write_stop(folder, Stop("me", NOW))
        outcome = scene.outcome(job, "failed", reason="killed")
        scene.settle(job, "stopped", by="me", **times(outcome) | {"metrics": {}})
    elif ending == "stopped-without-outcome":
        write_stop(folder, Stop("me", NOW))
        scene.settle(job, "stopped", by="me")
    elif ending == "oom":
        scene.end_worker(worker, 137, oom_kills=1)
        scene.settle(job, "failed", reason="host-oom")
    elif ending == "log":
        (folder / LOG_FILE).write_text("x\ntorch.OutOfMemoryError: CUDA out of memory\n")
        scene.end_worker(worker, 1)
        scene.settle(job, "failed", reason="gpu-oom")
    elif ending == "never-begun":
        scene.settle(job, "lost")
    elif ending == "lost":
        scene.settle(job, "lost", reason="killed")


def times(outcome: Any) -> dict[str, Any]:
    names = ("seconds", "started_at", "finished_at", "output_hash")
    return {name: getattr(outcome, name) for name in names}


def expected_metrics(job: str) -> dict[str, Any]:
    """What the scene's outcomes measure, written out by hand."""
    unasked = {"who": None, "questions": None, "squares": None}
    uncounted = {"hits": None, "n": None, **unasked}
    if job.startswith("eval"):
        asked = {"who": None, "questions": 2, "squares": 36**2 + 37**2}
        return {
            "assistant_leakage": {"value": 0.365, "hits": 73, "n": 200, **asked},
            "source_rate": {"value": 0.9, "hits": 180, "n": 200, **unasked},
            "max_bystander": {"value": 0.06, "hits": 12, "n": 200, **unasked, "who": "pirate"},
            "target_excess": {"value": 0.365 - (0.06 + 0.015) / 2, **uncounted},
        }
    if job.startswith("cosine"):
        return {"cosine": {"value": -0.36, **uncounted}}
    return {"final_loss": 0.25}


def gist(attempt: Attempt) -> dict[str, Any]:
    """All that decides about an attempt; sentences for people may be worded differently."""
    begun = attempt.verdict not in (Verdict.CLAIMED, Verdict.LOST, Verdict.FAILED, Verdict.STOPPED)
    return {
        "number": attempt.number,
        "token": attempt.token,
        "fingerprint": attempt.fingerprint,
        "inputs": dict(attempt.inputs),
        "worker": attempt.worker,
        "verdict": attempt.verdict,
        "reason": attempt.reason,
        "output_hash": attempt.output_hash,
        "seconds": attempt.seconds,
        "by": attempt.by,
        "started_at": attempt.started_at if begun else None,
    }


def gists(ledger: Ledger) -> dict[str, list[dict[str, Any]]]:
    return {job: [gist(a) for a in found.attempts] for job, found in ledger.evidence.items()}


histories = st.lists(
    st.tuples(st.sampled_from(JOBS), st.sampled_from(ENDINGS)), min_size=1, max_size=6
)


def told(scene: Scene) -> Ledger:
    ledger = Ledger()
    ledger.fold(follow(scene.layout).read())
    return ledger


@settings(max_examples=10, deadline=None)
@given(histories)
def test_attempts_alone_tell_what_the_journal_tells(history: list[tuple[str, str]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        scene = Scene(Path(folder) / "x", small_plan(("villain",), (0,)))
        for place, (job, ending) in enumerate(history):
            play(scene, place, job, ending)
        found = scan(scene.layout, scene.plan)
        assert gists(found) == gists(told(scene))
        assert missing_lines(told(scene), found) == []


@settings(max_examples=5, deadline=None)
@given(histories, st.data())
def test_whatever_the_journal_forgot_is_filled_in_again(
    history: list[tuple[str, str]], data: st.DataObject
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        scene = Scene(Path(folder) / "x", small_plan(("villain",), (0,)))
        for place, (job, ending) in enumerate(history):
            play(scene, place, job, ending)
        whole = told(scene)
        truth = gists(whole)
        lines = scene.layout.journal.read_bytes().splitlines(keepends=True)
        kept = data.draw(st.integers(0, len(lines)))
        scene.layout.journal.write_bytes(b"".join(lines[:kept]))
        ledger = recover(scene.layout, scene.plan, NOW).ledger
        after = gists(ledger)
        # An attempt whose end the cut took is live again, for the engine to settle; else equal.
        for job, attempts in truth.items():
            for before, now in zip(attempts, after[job], strict=True):
                if now["verdict"] in (Verdict.CLAIMED, Verdict.RUNNING):
                    continue
                assert now == before
                if now["verdict"] is Verdict.DONE:
                    made, there = (one.attempt(job, now["number"]) for one in (ledger, whole))
                    assert made and there and made.numbers and made.numbers == there.numbers


@settings(max_examples=8, deadline=None)
@given(histories, st.data())
def test_a_reader_that_followed_sees_what_a_fresh_one_sees(
    history: list[tuple[str, str]], data: st.DataObject
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        scene = Scene(Path(folder) / "x", small_plan(("villain",), (0,)))
        follower = Reader(scene.root)
        follower.poll(NOW)
        for place, (job, ending) in enumerate(history):
            if data.draw(st.booleans()):
                scene.want(job)
            play(scene, place, job, ending)
            followed = follower.poll(NOW)
            fresh = Reader(scene.root).poll(NOW)
            assert (followed.cells, followed.shared) == (fresh.cells, fresh.shared)
            assert (followed.counts, followed.queue) == (fresh.counts, fresh.queue)
            assert followed.engine == fresh.engine
            assert follower.poll(NOW) is followed
