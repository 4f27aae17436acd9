"""Every kind of line has its sentence, and a night reads as somebody would tell it."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tuilab.grid.history import SENTENCES, SinceError, events_of, parse_since

ROOT = Path(__file__).parents[2]
OLD = ROOT / "tests/fixtures/experiment-0.1/journal.jsonl"


def line(kind: str, at: float = 0.0, **fields: Any) -> dict[str, Any]:
    return {"seq": 1, "at": at, "kind": kind, **fields}


def settled(job: str, verdict: str = "done", at: float = 0.0, **fields: Any) -> dict[str, Any]:
    return line("settled", at, job=job, attempt=1, verdict=verdict, **fields)


def told(*lines: dict[str, Any]) -> list[str]:
    return [event.text for event in events_of(lines)]


def test_every_kind_of_line_that_the_engine_writes_has_a_sentence() -> None:
    written = re.compile(r"(?:record\(\s*|append\(\s*|\"kind\": )\"([a-z-]+)\"")
    found = {
        kind
        for folder in ("engine", "store")
        for path in (ROOT / "tuilab" / folder).rglob("*.py")
        for kind in written.findall(path.read_text())
    }
    assert {"settled", "engine-started", "worker-ended", "ordered"} <= found, "the search is blind"
    assert found - set(SENTENCES) == set()


def test_a_journal_of_the_first_version_reads_as_it_was() -> None:
    lines = [json.loads(text) for text in OLD.read_text().splitlines()]
    texts = [text for text in told(*lines) if not text.endswith(" started")]
    assert texts[:3] == [
        "engine started on pod-7f (pid 4242)",
        "me asked to run 12 jobs of villain@0#42, villain@2#42, comedian@0#42 and 4 shared jobs",
        "data/villain done in 12s",
    ]
    assert texts[-10:] == [
        "eval/villain@0#42 failed (gpu-oom): tried to allocate 2.30 GiB",
        "me asked to run eval/villain@0#42",
        "eval/villain@0#42 started (attempt 2)",
        "eval/villain@0#42 done in 12s: leakage 25% (1/4), source 100% (4/4), "
        "bystander 0% (0/4) nun",
        "cosine/villain@0#42 done in 12s: cosine .30",
        "cosine/comedian@0#42 done in 12s: cosine .30",
        "train/villain@2#42 failed (nan-loss): loss is nan at step 7",
        "eval/comedian@0#42 lost (killed): the machine restarted",
        "me paused: nothing new starts",
        "engine ended",
    ]


def test_a_worker_that_is_killed_and_its_retry_are_one_sentence() -> None:
    job = "eval/nurse@4#42"
    wanted = line("wanted", jobs={job: 2}, verb="retry", by="engine", why="killed may pass")
    ended = settled(job, "failed", reason="killed", detail="killed by signal 9 (exit 137)")
    [event] = events_of([wanted, ended])
    assert event.text == "eval/nurse@4#42 killed by signal 9 (exit 137), retried"
    assert event.role == "failed"


def test_a_retry_by_itself_is_told_by_itself() -> None:
    wanted = line("wanted", jobs={"data/a": 2}, verb="retry", by="engine", why="it had not begun")
    assert told(wanted) == ["data/a retried: it had not begun"]
    later = settled("data/a", "failed", at=9.0, reason="code", detail="KeyError: 'x'")
    assert told(wanted, later)[1] == "data/a failed (code): KeyError: 'x'"


def test_what_happens_alike_to_many_within_a_second_is_told_once() -> None:
    stopped = [
        settled(f"train/a@{n}#1", "stopped", at=5.0 + n / 100, by="ann", detail="stopped by ann")
        for n in range(12)
    ]
    assert told(*stopped) == ["12 jobs stopped by ann"]
    assert told(*stopped[:2]) == ["train/a@0#1, train/a@1#1 stopped by ann"]
    [event] = events_of(stopped)
    assert event.is_about(["train/a@7#1"])
    assert not event.is_about(["train/a@70#1"])


def test_many_jobs_are_counted_with_their_cells() -> None:
    jobs = [f"{stage}/a@{n}#1" for n in range(4) for stage in ("train", "eval")]
    line = {"kind": "accepted", "jobs": {job: {} for job in [*jobs, "data/a"]}, "why": "x"}
    assert told({"at": 0.0, **line}) == [
        "somebody accepted 8 jobs of 4 cells and 1 shared job as current: x"
    ]


def test_what_was_measured_is_never_summed_up() -> None:
    metrics = {"cosine": {"value": 0.5, "hits": None, "n": None, "who": None}}
    lines = [settled(f"cosine/a@{n}#1", seconds=1.0, metrics=metrics) for n in range(5)]
    assert told(*lines)[0] == "cosine/a@0#1 done in 1s: cosine .50"
    assert len(told(*lines)) == 5


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"kind": "wanted", "jobs": {"data/a": 1}, "by": "ann"}, "ann asked to run data/a"),
        ({"kind": "wanted", "jobs": {"a": 1}, "by": "b", "verb": "grow"}, "b asked to run a"),
        (
            {"kind": "wanted", "jobs": ["data/a"], "count": 38, "verb": "relaunch", "by": "ann"},
            "ann asked to relaunch 38 jobs",
        ),
        (
            {"kind": "wanted", "jobs": {"a": 2}, "verb": "relaunch", "by": "ann", "restart": True},
            "ann asked to relaunch a from scratch",
        ),
        ({"kind": "unwanted", "jobs": ["a", "b"], "by": "ann"}, "ann stopped a, b"),
        ({"kind": "held", "jobs": ["a"], "why": "held by ann", "by": "ann"}, "ann held a"),
        ({"kind": "held", "jobs": ["a"], "why": "b has no result"}, "a held: b has no result"),
        ({"kind": "released", "jobs": ["a"], "by": "ann"}, "ann released a"),
        (
            {"kind": "ordered", "jobs": ["a", "b", "c", "d"], "by": "ann"},
            "ann reordered the queue: 4 jobs first",
        ),
        ({"kind": "paused", "mode": "hard", "by": "ann"}, "ann paused: everything is suspended"),
        ({"kind": "paused", "by": "engine", "why": "disk full"}, "the engine paused: disk full"),
        (
            {"kind": "held", "jobs": [f"{n}/a@1#2" for n in "wxyz"], "by": "ann"},
            "ann held 4 jobs of a@1#2",
        ),
        ({"kind": "resumed", "by": "ann"}, "ann resumed"),
        (
            {"kind": "deviation", "cells": ["a@1#2"], "sets": {"marker.lr": 1e-05}, "by": "ann"},
            "ann edited a@1#2: marker.lr = 1e-05",
        ),
        (
            {"kind": "deviation", "cells": ["a@1#2"], "sets": {}, "by": "ann", "as_planned": True},
            "ann took back the edits of a@1#2",
        ),
        (
            {"kind": "accepted", "jobs": {"eval/a@1#2": {}}, "why": "torch 2.9", "by": "ann"},
            "ann accepted eval/a@1#2 as current: torch 2.9",
        ),
        (
            {"kind": "engine-started", "pid": 7, "host": "pod", "go": True, "died": "pid 5"},
            "engine started on pod (pid 7); the one before (pid 5) had died",
        ),
        (
            {"kind": "request", "verb": "stop", "accepted": False, "why": "none runs", "by": "ann"},
            "ann's request to stop was refused: none runs",
        ),
        (
            {"kind": "request", "verb": "run", "accepted": True, "why": "all is done", "by": "ann"},
            "ann asked to run: all is done",
        ),
        (
            {"kind": "engine-started", "pid": 7, "host": "pod", "go": False},
            "engine started on pod (pid 7); queued work waits until someone resumes",
        ),
        (
            {"kind": "engine-stopped", "why": "nothing is left to do"},
            "engine ended: nothing is left to do",
        ),
        (
            {"kind": "worker-started", "worker": "w0-1", "device": "0"},
            "worker w0-1 started on GPU 0",
        ),
        ({"kind": "worker-ended", "worker": "w0-1", "exit": 0, "why": ""}, "worker w0-1 ended"),
        (
            {"kind": "worker-ended", "worker": "w0-1", "exit": 137, "why": ""},
            "worker w0-1 killed by signal 9",
        ),
        ({"kind": "adopted", "job": "a", "attempt": 1}, "a carried on under the new engine"),
        ({"kind": "note", "text": "a is stalled", "job": "a"}, "a is stalled"),
        ({"kind": "moved-house", "why": "rent"}, "moved house: rent (from a newer tuilab)"),
        ({"kind": "settled"}, "settled: a damaged line"),
    ],
)
def test_a_line_is_a_sentence(fields: dict[str, Any], text: str) -> None:
    assert told({"at": 0.0, **fields}) == [text]


@pytest.mark.parametrize(
    "fields",
    [
        {"kind": "claimed", "job": "a", "attempt": 1},
        {"kind": "request", "verb": "run", "accepted": True, "why": "", "by": "ann"},
        {"kind": "unwanted", "jobs": ["a"], "by": "engine", "why": "it writes again"},
        {"kind": "wanted", "jobs": {}, "verb": "run", "by": "ann"},
    ],
)
def test_what_another_line_says_is_not_said_twice(fields: dict[str, Any]) -> None:
    assert told({"at": 0.0, **fields}) == []


FIELDS = (
    *("job", "jobs", "attempt", "verdict", "reason", "detail", "why", "by", "cells", "sets"),
    *("worker", "exit", "metrics", "seconds", "count", "verb", "text", "host", "accepted"),
)


@pytest.mark.parametrize("kind", SENTENCES)
def test_no_line_is_too_damaged_to_be_told(kind: str) -> None:
    for value in (None, True, -3, 1e400, "\n", [], [None], {}, {"a": []}):
        for wrong in FIELDS:
            right = {**dict.fromkeys(FIELDS, "a"), "attempt": 1, "metrics": {}, "sets": {}}
            for at in (0.0, "noon", None):
                lines = [{"kind": kind, "at": at, **right, wrong: value}, {"kind": kind, wrong: 1}]
                assert all(isinstance(event.text, str) for event in events_of(lines))


def test_starts_and_orderly_ends_of_workers_do_not_pass_by_as_news() -> None:
    lines = [
        line("started", job="data/a", attempt=1),
        line("worker-ended", worker="w0", exit=0, why=""),
        line("worker-ended", worker="w1", exit=137, why=""),
        settled("data/a"),
    ]
    assert [event.is_news for event in events_of(lines)] == [False, False, True, True]


@pytest.fixture
def berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


NOW = 1_800_003_600.0
"""2027-01-15 10:00 in Berlin."""


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("8h", NOW - 8 * 3600),
        ("30m", NOW - 1800),
        ("2d", NOW - 2 * 86400),
        ("1h30m", NOW - 5400),
        ("06:00", NOW - 4 * 3600),
        ("9:59:30", NOW - 30),
        ("22:00", NOW - 12 * 3600),
        ("2027-01-15", NOW - 10 * 3600),
        ("2027-01-14 22:00", NOW - 12 * 3600),
    ],
)
def test_a_time_is_read_as_people_write_it(berlin: None, word: str, meant: float) -> None:
    assert parse_since(word, NOW) == meant


@pytest.mark.parametrize(
    "word", ["", "8", "8 hours", "25:00", "yesterday", "2027-13-01", "9" * 400 + "d"]
)
def test_a_time_that_cannot_be_read_is_one_sentence(word: str) -> None:
    with pytest.raises(SinceError, match="is not a time: write 8h"):
        parse_since(word, NOW)
