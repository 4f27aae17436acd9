"""The journal's meaning is a fold: line by line, in any portions, with nothing read twice."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tuilab.grid.ledger import Ledger
from tuilab.grid.states import Verdict

A, B = "data/villain", "train/villain@0#42"


def claimed(number: int, job: str = A) -> dict[str, Any]:
    told = {"token": f"t{number}", "fingerprint": "f", "inputs": {B: "h"}, "worker": "w"}
    return {"kind": "claimed", "job": job, "attempt": number, **told}


def settled(number: int, verdict: str, **fields: Any) -> dict[str, Any]:
    return {"kind": "settled", "job": A, "attempt": number, "verdict": verdict, **fields}


def fold(*lines: dict[str, Any]) -> Ledger:
    ledger = Ledger()
    ledger.fold([{"seq": number, **line} for number, line in enumerate(lines, start=1)])
    return ledger


def test_an_attempt_goes_from_claimed_over_running_to_its_verdict() -> None:
    ledger = Ledger()
    assert ledger.fold([{"seq": 1, "kind": "wanted", "jobs": {A: 1}, "verb": "run"}]) == {A}
    assert ledger.of(A).is_due
    ledger.fold([{"seq": 2, **claimed(1)}])
    assert ledger.of(A).last is not None
    assert ledger.of(A).last.verdict is Verdict.CLAIMED  # type: ignore[union-attr]
    assert not ledger.of(A).is_due
    start = {"seq": 3, "kind": "started", "job": A, "attempt": 1, "started_at": 5.0}
    ledger.fold([start])
    assert ledger.of(A).last.verdict is Verdict.RUNNING  # type: ignore[union-attr]
    numbers = {"seconds": 2.5, "output_hash": "o", "metrics": {"final_loss": 0.1}}
    ledger.fold([{"seq": 4, **settled(1, "done", **numbers)}])
    done = ledger.of(A).last_done
    assert done is not None
    assert (done.seconds, done.output_hash) == (2.5, "o")
    found = ledger.attempt(A, 1)
    assert found is not None and found.numbers == {"final_loss": 0.1}
    assert (done.token, done.inputs, done.worker, done.started_at) == ("t1", {B: "h"}, "w", 5.0)


def test_a_lost_attempt_may_come_back_and_then_carries_no_old_reason() -> None:
    ledger = fold(
        claimed(1),
        settled(1, "lost", reason="killed", detail="silent"),
        {"kind": "started", "job": A, "attempt": 1},
    )
    assert ledger.of(A).last.verdict is Verdict.RUNNING  # type: ignore[union-attr]
    ledger.fold([{"seq": 9, **settled(1, "done", detail="")}])
    last = ledger.of(A).last
    assert last is not None
    assert (last.verdict, last.reason, last.detail) == (Verdict.DONE, None, "")


def test_a_late_start_does_not_undo_a_verdict() -> None:
    late = {"kind": "started", "job": A, "attempt": 1}
    for verdict in ("done", "failed", "suspect", "stopped"):
        assert fold(claimed(1), settled(1, verdict), late).of(A).last.verdict == verdict  # type: ignore[union-attr]


def test_attempts_are_kept_apart_and_old_numbers_are_not_claimed_again() -> None:
    ledger = fold(claimed(1), settled(1, "failed"), claimed(2), claimed(1))
    assert [(a.number, a.verdict) for a in ledger.of(A).attempts] == [(1, "failed"), (2, "claimed")]


def test_holds_wishes_order_and_pauses() -> None:
    ledger = fold(
        {"kind": "wanted", "jobs": {A: 1, B: 1}, "verb": "run"},
        {"kind": "held", "jobs": [A], "why": "three times gpu-oom"},
        {"kind": "unwanted", "jobs": [B]},
        {"kind": "ordered", "jobs": [B, A]},
        {"kind": "paused", "mode": "hard"},
    )
    assert ledger.of(A).held == "three times gpu-oom"
    assert not ledger.of(B).is_due
    assert (ledger.order, ledger.pause) == ((B, A), "hard")
    ledger.fold([{"seq": 6, "kind": "released", "jobs": [A]}, {"seq": 7, "kind": "resumed"}])
    assert (ledger.of(A).held, ledger.pause, ledger.go) == ("", "", True)


def test_a_new_wish_releases_a_hold() -> None:
    wish = {"kind": "wanted", "jobs": {A: 2}, "verb": "relaunch"}
    assert fold({"kind": "held", "jobs": [A]}, wish).of(A).held == ""


def test_an_engine_goes_on_only_when_a_person_asked() -> None:
    started = {"kind": "engine-started", "go": False}
    retry = {"kind": "wanted", "jobs": {A: 1}, "verb": "retry"}
    assert not fold(started, retry).go
    assert fold(started, retry | {"verb": "run"}).go
    assert not fold(retry | {"verb": "run"}, started).go


def test_answered_requests_are_remembered() -> None:
    ledger = fold(
        {"kind": "wanted", "jobs": {A: 1}, "verb": "run", "request": "r1"},
        {"kind": "request", "id": "r2", "accepted": False},
    )
    assert ledger.answered == {"r1", "r2"}


def test_a_line_is_never_counted_twice() -> None:
    ledger = fold(claimed(1), settled(1, "done"))
    assert ledger.fold([{"seq": 2, **settled(1, "failed")}, {"seq": 1, **claimed(7)}]) == set()
    assert [a.verdict for a in ledger.of(A).attempts] == [Verdict.DONE]


@pytest.mark.parametrize(
    "line",
    [
        {"kind": "hologram", "jobs": [A]},
        {"jobs": [A]},
        {"kind": "note", "text": "hello"},
        {"kind": "settled", "job": A, "attempt": 9, "verdict": "done"},
    ],
)
def test_lines_of_a_newer_program_or_about_nothing_change_nothing(line: dict[str, Any]) -> None:
    before = fold(claimed(1))
    assert fold(claimed(1), line).of(A) == before.of(A)


@pytest.mark.parametrize(
    "line",
    [
        {"kind": "wanted"},
        {"kind": "wanted", "jobs": [A]},
        {"kind": "wanted", "jobs": {A: None}},
        {"kind": "claimed", "job": A},
        {"kind": "settled", "job": A, "attempt": 1, "verdict": "splendid"},
        {"kind": "settled", "job": A, "attempt": "x", "verdict": "done"},
        {"kind": "started", "job": A},
        {"kind": "held", "jobs": None},
        {"kind": "request"},
    ],
)
def test_a_damaged_line_is_counted_and_the_next_one_still_read(line: dict[str, Any]) -> None:
    ledger = fold(claimed(1), line, settled(1, "done"))
    assert ledger.skipped == [2]
    assert ledger.of(A).last.verdict is Verdict.DONE  # type: ignore[union-attr]


kinds = st.one_of(
    st.builds(lambda n: claimed(n), st.integers(1, 4)),
    st.builds(
        lambda n, v: settled(n, v), st.integers(1, 4), st.sampled_from(["done", "failed", "lost"])
    ),
    st.builds(lambda n: {"kind": "started", "job": A, "attempt": n}, st.integers(1, 4)),
    st.builds(lambda n: {"kind": "wanted", "jobs": {A: n}, "verb": "run"}, st.integers(0, 5)),
    st.sampled_from([{"kind": "paused"}, {"kind": "resumed"}, {"kind": "held", "jobs": [A]}]),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(kinds, max_size=25), st.data())
def test_portions_and_repetitions_make_no_difference(
    history: list[dict[str, Any]], data: st.DataObject
) -> None:
    whole = fold(*history)
    lines = [{"seq": number, **line} for number, line in enumerate(history, start=1)]
    pieces = Ledger()
    place = 0
    while place < len(lines):
        step = data.draw(st.integers(1, 5))
        back = data.draw(st.integers(0, place))
        pieces.fold(lines[back : place + step])
        place += step
    assert pieces == whole
