"""One engine writes, and it can be told which."""

from __future__ import annotations

import fcntl
import multiprocessing
import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from tuilab.contract.identity import Identity, identify, me
from tuilab.grid.engine_view import EngineState, EngineView, Meter
from tuilab.store.engine_file import SILENT_AFTER, judge, read_heartbeat, write_heartbeat
from tuilab.store.journal import Journal, follow
from tuilab.store.layout import Layout
from tuilab.store.lease import GUARD_SECONDS, FencedError, LeaseHeldError, acquire, holder
from tuilab.store.quarantine import quarantined

from .scene import DEAD, ELSEWHERE, NOW, REBOOTED


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(tmp_path)


def test_a_second_engine_is_told_who_holds_the_experiment(layout: Layout) -> None:
    first = acquire(layout, NOW)
    with pytest.raises(LeaseHeldError, match=rf"pid {os.getpid()} on .*--takeover") as caught:
        acquire(layout, NOW)
    assert caught.value.holder == first.holder == holder(layout, NOW)


@pytest.mark.parametrize("gone", [DEAD, REBOOTED])
def test_the_lock_of_a_dead_owner_is_replaced(layout: Layout, gone: Identity) -> None:
    acquire(layout, NOW, identity=gone)
    assert holder(layout, NOW) is None
    assert acquire(layout, NOW).holder.identity == me()


def test_a_silent_owner_on_another_host_is_waited_for(layout: Layout) -> None:
    acquire(layout, NOW, identity=ELSEWHERE).heartbeat(EngineView(), NOW + 100)
    with pytest.raises(LeaseHeldError):
        acquire(layout, NOW + 100 + SILENT_AFTER)
    acquire(layout, NOW + 101 + SILENT_AFTER)


def test_a_takeover_fences_the_first_engine_before_it_can_write(layout: Layout) -> None:
    first = acquire(layout, NOW)
    journal = Journal(layout, first.check)
    journal.append("note", text="mine")
    second = acquire(layout, NOW, takeover=True)
    for write in (lambda: journal.append("note"), lambda: first.heartbeat(EngineView(), NOW)):
        with pytest.raises(FencedError, match="has taken this experiment over"):
            write()
    second.check()
    assert len(follow(layout).read()) == 1


def test_a_fenced_engine_does_not_release_what_is_no_longer_its_own(layout: Layout) -> None:
    first = acquire(layout, NOW)
    second = acquire(layout, NOW, takeover=True)
    first.release(NOW)
    second.check()
    assert holder(layout, NOW) == second.holder


def test_a_released_experiment_is_free_and_says_stopped(layout: Layout) -> None:
    lease = acquire(layout, NOW)
    lease.heartbeat(EngineView(state=EngineState.RUNNING, workers=2), NOW)
    lease.release(NOW + 1)
    assert holder(layout, NOW + 1) is None
    beat = read_heartbeat(layout)
    assert beat is not None and beat.view.state is EngineState.STOPPED
    acquire(layout, NOW + 2)
    assert not list(layout.root.glob(".*.draft"))


@pytest.mark.parametrize("content", [b"", b"{", b'{"token": 3}', b"\x00" * 40, b"[]"])
def test_an_unreadable_lock_of_nobody_is_put_away(layout: Layout, content: bytes) -> None:
    layout.lock.write_bytes(content)
    acquire(layout, NOW).check()
    assert [item.was for item in quarantined(layout)] == ["engine.lock"]


def test_an_unreadable_lock_does_not_let_a_second_engine_in_while_the_first_lives(
    layout: Layout,
) -> None:
    first = acquire(layout, NOW)
    first.heartbeat(EngineView(), NOW)
    layout.lock.write_bytes(b"{")
    with pytest.raises(LeaseHeldError):
        acquire(layout, NOW)
    first.check()
    assert holder(layout, NOW) == first.holder


def test_the_owner_restores_a_lock_that_vanished(layout: Layout) -> None:
    lease = acquire(layout, NOW)
    layout.lock.unlink()
    lease.check()
    with pytest.raises(LeaseHeldError):
        acquire(layout, NOW)


def test_without_hard_links_the_lock_is_still_exclusive(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: Path, target: Path) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    acquire(layout, NOW).check()
    with pytest.raises(LeaseHeldError):
        acquire(layout, NOW)


def _try(root: Path, start: float, results: multiprocessing.Queue[bool]) -> None:
    while time.time() < start:
        pass
    try:
        acquire(Layout(root), NOW)
    except LeaseHeldError:
        results.put(False)
    else:
        results.put(True)
        signal.pause()


def test_of_many_engines_that_start_at_once_exactly_one_wins(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    results: multiprocessing.Queue[bool] = context.Queue()
    acquire(Layout(tmp_path), NOW, identity=DEAD)
    start = time.time() + 0.2
    racers = [context.Process(target=_try, args=(tmp_path, start, results)) for _ in range(6)]
    for racer in racers:
        racer.start()
    won = [results.get(timeout=60) for _ in racers]
    for racer in racers:
        racer.kill()
        racer.join()
    assert won.count(True) == 1


def test_a_lock_changes_hands_only_when_nobody_else_is_at_it(layout: Layout) -> None:
    """Another process, about to remove what it took for a dead owner's lock, is waited for."""
    guard = layout.lock.with_name(f".{layout.lock.name}.guard")
    with guard.open("a") as file, ThreadPoolExecutor(1) as pool:
        fcntl.flock(file, fcntl.LOCK_EX)
        waiting = pool.submit(acquire, layout, NOW)
        with pytest.raises(TimeoutError):
            waiting.result(0.1)
        assert not layout.lock.exists()
        fcntl.flock(file, fcntl.LOCK_UN)
        waiting.result(GUARD_SECONDS).check()


def test_a_volume_without_flock_still_gives_one_lease(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(file: object, operation: int) -> None:
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(fcntl, "flock", refuse)
    acquire(layout, NOW).check()
    with pytest.raises(LeaseHeldError):
        acquire(layout, NOW)


def test_an_engine_that_was_killed_is_seen_as_stopped_even_as_a_zombie(layout: Layout) -> None:
    child = multiprocessing.get_context("fork").Process(target=signal.pause)
    child.start()
    assert child.pid is not None
    who = identify(child.pid)
    assert who is not None
    write_heartbeat(layout, who, "t", EngineView(state=EngineState.RUNNING, workers=3), NOW)
    assert judge(read_heartbeat(layout), NOW).state is EngineState.RUNNING
    os.kill(child.pid, signal.SIGKILL)
    deadline = time.monotonic() + 60
    while judge(read_heartbeat(layout), NOW).state is EngineState.RUNNING:
        assert time.monotonic() < deadline
    assert judge(read_heartbeat(layout), NOW).pid is None
    child.join()


def test_an_engine_elsewhere_that_fell_silent_is_unknown(layout: Layout) -> None:
    write_heartbeat(layout, ELSEWHERE, "t", EngineView(state=EngineState.RUNNING), NOW)
    beat = read_heartbeat(layout)
    assert judge(beat, NOW + 10).state is EngineState.RUNNING
    assert judge(beat, NOW + SILENT_AFTER + 1).state is EngineState.UNKNOWN


def test_an_engine_view_survives_the_file(layout: Layout) -> None:
    meter = Meter(12.5, 10, 20, ({"index": 0, "percent": 97},))
    view = EngineView(
        EngineState.PAUSED,
        note="disk",
        pause="soft",
        workers=2,
        eta_seconds=7.5,
        meter=meter,
        history=(meter, Meter()),
    )
    write_heartbeat(layout, me(), "t", view, NOW)
    beat = read_heartbeat(layout)
    assert beat is not None
    assert replace(beat.view, pid=None, host=None) == view
