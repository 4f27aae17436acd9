"""The table of a worker's phase: files first, then the word of its place, by our own clock."""

from __future__ import annotations

import pytest

from tuilab.contract.identity import Identity
from tuilab.contract.reasons import Exit
from tuilab.contract.worker import Lease
from tuilab.engine.decide.phase import (
    IN_USE,
    Opinion,
    Phase,
    Sighting,
    Signs,
    Word,
    phase_of,
)

FENCE = 30.0
HELD = Lease(Identity("node1", "boot", 7, 11))
RETIRED = Lease(retired=True)
BEATS = {"has_beaten": True, "has_moved": True}
ELSEWHERE = [Word.WAITING, Word.RUNNING, Word.ENDED, Word.UNKNOWN, Word.UNREACHABLE]


def seen(word: Word, *, why: str = "", **signs: object) -> Sighting:
    """Return what signs with a word of the place come to."""
    return phase_of(Signs(Opinion(word, why), **signs), FENCE)  # type: ignore[arg-type]


@pytest.mark.parametrize("word", Word)
def test_a_record_of_its_end_outranks_every_word(word: Word) -> None:
    end = Exit(0)
    assert seen(word, exit=end, lease=HELD, **BEATS) == Sighting(Phase.GONE, end)


@pytest.mark.parametrize("word", Word)
def test_a_retired_lease_means_that_it_never_came_up(word: Word) -> None:
    found = seen(word, lease=RETIRED)
    assert (found.phase, found.exit) == (Phase.GONE, Exit(why="it never came up"))


@pytest.mark.parametrize("word", ELSEWHERE)
def test_a_fresh_beat_outranks_every_opinion(word: Word) -> None:
    assert seen(word, lease=HELD, **BEATS, silent=FENCE).phase is Phase.ALIVE


@pytest.mark.parametrize(
    ("word", "waited", "phase"),
    [
        (Word.WAITING, 0.0, Phase.PENDING),
        (Word.WAITING, 1e6, Phase.PENDING),
        (Word.RUNNING, 0.0, Phase.STARTING),
        (Word.UNREACHABLE, 1e6, Phase.PENDING),
        (Word.ENDED, 10.0, Phase.PENDING),
        (Word.UNKNOWN, 10.0, Phase.PENDING),
        (Word.ENDED, 10.1, Phase.UNBORN),
        (Word.UNKNOWN, 10.1, Phase.UNBORN),
        (Word.UNKNOWN, float("inf"), Phase.UNBORN),
    ],
)
def test_without_a_lease_the_place_is_believed_once_it_must_know(
    word: Word, waited: float, phase: Phase
) -> None:
    assert seen(word, waited=waited).phase is phase


@pytest.mark.parametrize(
    ("word", "silent", "phase"),
    [
        (Word.RUNNING, 30.1, Phase.SILENT),
        (Word.RUNNING, 1e6, Phase.SILENT),
        (Word.WAITING, 1e6, Phase.SILENT),  # a second start of it waits: the first may live
        (Word.UNREACHABLE, 30.1, Phase.SILENT),
        (Word.UNREACHABLE, 600.0, Phase.SILENT),
        (Word.UNREACHABLE, 600.1, Phase.FOREIGN),
        (Word.ENDED, 30.1, Phase.SILENT),
        (Word.ENDED, 60.0, Phase.SILENT),
        (Word.ENDED, 60.1, Phase.GONE),
        (Word.UNKNOWN, 60.0, Phase.SILENT),
        (Word.UNKNOWN, 60.1, Phase.GONE),
    ],
)
def test_a_silent_worker_is_gone_only_when_it_has_fenced_itself_and_its_place_has_no_hope(
    word: Word, silent: float, phase: Phase
) -> None:
    assert seen(word, lease=HELD, **BEATS, silent=silent).phase is phase


@pytest.mark.parametrize(
    ("word", "silent", "phase"),
    [
        (Word.RUNNING, 5.0, Phase.STARTING),
        (Word.ENDED, 5.0, Phase.STARTING),
        (Word.RUNNING, 31.0, Phase.SILENT),
        (Word.ENDED, 61.0, Phase.GONE),
        (Word.UNREACHABLE, 0.0, Phase.FOREIGN),  # a shim of another machine that never beats
    ],
)
def test_a_lease_without_a_beat_counts_from_its_appearance(
    word: Word, silent: float, phase: Phase
) -> None:
    assert seen(word, lease=HELD, silent=silent).phase is phase


def test_an_old_beat_of_a_machine_that_nobody_can_ask_about_proves_nothing() -> None:
    found = seen(Word.UNREACHABLE, lease=HELD, has_beaten=True, silent=0.0)
    assert found.phase is Phase.FOREIGN


def test_what_this_machine_sees_is_more_than_an_opinion() -> None:
    assert seen(Word.SEEN, lease=HELD, silent=1e6).phase is Phase.ALIVE
    assert seen(Word.ORPHANED, lease=HELD, **BEATS).phase is Phase.ORPHANED
    gone = seen(Word.DEAD, why="killed", lease=HELD, **BEATS)
    assert gone == Sighting(Phase.GONE, Exit(why="killed"))


def test_the_end_says_why() -> None:
    found = seen(Word.ENDED, why="NODE_FAIL", lease=HELD, **BEATS, silent=61.0)
    assert found.exit == Exit(why="NODE_FAIL, and no sign of it for 60 s")


@pytest.mark.parametrize("phase", Phase)
def test_a_slot_is_free_only_when_its_worker_is_gone_or_given_up(phase: Phase) -> None:
    assert (phase in IN_USE) is (phase not in (Phase.GONE, Phase.FOREIGN))


def test_what_runs_and_never_takes_its_lease_is_given_up_after_minutes() -> None:
    """Its time in the queue does not count."""
    assert seen(Word.RUNNING, waited=1e6, running=600.0).phase is Phase.STARTING
    assert seen(Word.RUNNING, waited=1e6, running=601.0).phase is Phase.UNBORN
    assert seen(Word.RUNNING, lease=HELD, running=601.0).phase is Phase.STARTING
