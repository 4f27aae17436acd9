"""Events while it works, one outcome at its end, and the outcome means that the rest is there."""

from __future__ import annotations

import hashlib
import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from tuilab.contract.reasons import Reason
from tuilab.contract.report import (
    DONE,
    FAILED,
    Artefact,
    JobError,
    Reporter,
    describe,
    digest,
    hash_output,
    read_outcome,
)
from tuilab.contract.spec import Spec, write_spec


@pytest.fixture
def spec(tmp_path: Path) -> Spec:
    spec = Spec("data/villain", "data", 1, "token-1", "print", {})
    write_spec(tmp_path, spec)
    return spec


def events(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]


def test_events_are_numbered_dated_and_end_with_the_outcome(tmp_path: Path, spec: Spec) -> None:
    with Reporter(tmp_path, spec) as reporter:
        reporter.progress(1, 2, part="sample")
        reporter.metric(1, loss=0.5)
        reporter.note("hello")
        assert not (tmp_path / "outcome.json").exists()
        reporter.finish(DONE)
    told = events(tmp_path)
    assert [event["kind"] for event in told] == [
        "started",
        "progress",
        "metric",
        "note",
        "finished",
    ]
    assert [event["seq"] for event in told] == [1, 2, 3, 4, 5]
    assert all(event["at"] > 0 and event["t"] >= 0 for event in told)


def test_a_loss_that_is_no_number_becomes_null_and_never_breaks_a_line(
    tmp_path: Path, spec: Spec
) -> None:
    with Reporter(tmp_path, spec) as reporter:
        reporter.metric(1, loss=float("nan"), grad_norm=float("inf"))
    assert events(tmp_path)[1]["loss"] is None
    assert events(tmp_path)[1]["grad_norm"] is None


def test_progress_is_told_rarely_but_its_end_always(tmp_path: Path, spec: Spec) -> None:
    with Reporter(tmp_path, spec) as reporter:
        for step in range(1, 1001):
            reporter.progress(step, 1000)
    steps = [event["step"] for event in events(tmp_path) if event["kind"] == "progress"]
    assert steps[-1] == 1000
    assert len(steps) < 500


def test_an_outcome_comes_back_as_it_was_published(tmp_path: Path, spec: Spec) -> None:
    (tmp_path / "rows.txt").write_text("abc")
    with Reporter(tmp_path, spec) as reporter:
        files = describe(tmp_path, [tmp_path / "rows.txt"])
        written = reporter.finish(DONE, artefacts=files, metrics={"rows": 3}, checks={"rows": 3})
    found = read_outcome(tmp_path)
    assert found == written
    assert found is not None
    assert (found.job, found.attempt, found.token, found.status) == (
        "data/villain",
        1,
        "token-1",
        DONE,
    )
    assert found.artefacts == (Artefact("rows.txt", 3, digest(tmp_path / "rows.txt")),)
    assert found.output_hash == hash_output(files)
    assert found.peak_memory["host"] > 0


def test_a_failure_names_its_reason_and_has_no_output_hash(tmp_path: Path, spec: Spec) -> None:
    with Reporter(tmp_path, spec) as reporter:
        reporter.finish(FAILED, reason=Reason.NAN_LOSS, detail="step 7")
    found = read_outcome(tmp_path)
    assert found is not None
    assert (found.status, found.reason, found.detail, found.output_hash) == (
        "failed",
        "nan-loss",
        "step 7",
        "",
    )


def test_equal_results_hash_equally_whatever_their_order() -> None:
    one, two = Artefact("a", 1, "x"), Artefact("b", 2, "y")
    assert hash_output([one, two]) == hash_output([two, one])
    assert hash_output([one, two]) != hash_output([one])
    assert hash_output([Artefact("a", 1, "xb")]) != hash_output([Artefact("a x", 1, "b")])


def test_a_large_file_that_changes_has_another_digest_whatever_its_time_says(
    tmp_path: Path,
) -> None:
    path = tmp_path / "adapter"
    path.write_bytes(b"a" * 2_000_000)
    os.utime(path, (1e9, 1e9))
    time.sleep(0.2)  # older than a tick of the file system's clock
    first = digest(path)
    assert digest(path) == first == hashlib.sha256(b"a" * 2_000_000).hexdigest()
    with path.open("r+b") as file:
        file.write(b"b")
    os.utime(path, (1e9, 1e9))
    assert digest(path) == hashlib.sha256(path.read_bytes()).hexdigest() != first


def test_an_attempt_that_lost_its_directory_publishes_nothing(tmp_path: Path, spec: Spec) -> None:
    with Reporter(tmp_path, spec) as reporter:
        write_spec(tmp_path, Spec("data/villain", "data", 1, "token-2", "print", {}))
        with pytest.raises(JobError, match="another attempt") as caught:
            reporter.finish(DONE)
    assert caught.value.reason is Reason.KILLED
    assert read_outcome(tmp_path) is None


def test_an_outcome_cut_at_any_byte_is_broken_and_never_none(tmp_path: Path, spec: Spec) -> None:
    with Reporter(tmp_path, spec) as reporter:
        reporter.finish(DONE)
    path = tmp_path / "outcome.json"
    whole = path.read_bytes().rstrip()
    for cut in range(len(whole)):
        path.write_bytes(whole[:cut])
        with pytest.raises(ValueError, match=r".*"):
            read_outcome(tmp_path)


@pytest.mark.parametrize("raw", ["[]", "3", '{"job": "x"}', '{"artefacts": [{"a": 1}]}'])
def test_an_outcome_of_another_shape_is_broken(tmp_path: Path, raw: str) -> None:
    (tmp_path / "outcome.json").write_text(raw)
    with pytest.raises(ValueError, match=r"outcome\.json"):
        read_outcome(tmp_path)


def test_an_outcome_of_a_newer_program_with_more_in_it_is_read(tmp_path: Path, spec: Spec) -> None:
    with Reporter(tmp_path, spec) as reporter:
        reporter.finish(DONE)
    path = tmp_path / "outcome.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"carbon": 3}))
    assert read_outcome(tmp_path) is not None
