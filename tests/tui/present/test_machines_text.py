"""Workers on other machines, as the queue and the header show them."""

from __future__ import annotations

from typing import Any

from tuilab.grid.engine_view import EngineState, EngineView
from tuilab.tui.present.glyphs import UNICODE as GLYPHS
from tuilab.tui.present.machines_text import hosts_piece, machines_lines
from tuilab.tui.present.styled_text import Line

GPU = {"percent": 97.0, "memory_used": 61 << 30, "memory_total": 140 << 30}


def engine(*machines: dict[str, Any]) -> EngineView:
    return EngineView(EngineState.RUNNING, place="Slurm", machines=machines)


def machine(host: str, phase: str = "alive", **more: Any) -> dict[str, Any]:
    return {"worker": f"w-{host}", "host": host, "phase": phase, "job": "", "devices": [], **more}


def text(line: Line) -> str:
    return "".join(piece for piece, _ in line)


def test_nothing_is_said_where_all_workers_are_on_this_machine() -> None:
    assert machines_lines(engine(), {}, 80, GLYPHS) == []
    assert hosts_piece(engine()) is None


def test_each_worker_has_its_host_gpu_job_and_last_sign() -> None:
    job = "train/kindergarten_teacher@2#42"
    busy = machine("node1", job=job, devices=[GPU], silent_seconds=3)
    idle = machine("node2", silent_seconds=1)
    silent = machine("node3", "silent", job=job, silent_seconds=43)
    title, *lines = machines_lines(engine(busy, idle, silent), {}, 80, GLYPHS)
    assert "machines on Slurm" in text(title) and "last sign" in text(title)
    for part in ("node1", "97%", "61/140G", job):
        assert part in text(lines[0])
    assert "idle" in text(lines[1]) and "alive" not in text(lines[1])
    assert [text(line).split("  ")[-1].strip() for line in lines[:2]] == ["3s ago", "just now"]
    assert {len(text(line)) for line in lines} == {79}, "the last column is straight"


def test_silence_is_amber_and_counted_from_the_last_sign() -> None:
    silent = machine("node2", "silent", silent_seconds=43)
    line = machines_lines(engine(silent), {}, 80, GLYPHS)[1]
    assert "no sign for 43s" in text(line)
    assert [role for _, role in line] == ["warn", "muted", "warn", "warn"]
    assert hosts_piece(engine(silent, machine("node1"))) == ("on 2 hosts, 1 silent", "warn")


def test_pending_workers_are_one_line_with_the_schedulers_reason() -> None:
    waiting = [machine("", "pending", why="Resources"), machine("", "pending", why="Resources")]
    lines = machines_lines(engine(*waiting), {}, 80, GLYPHS)
    assert text(lines[1]) == " 2 workers pending: Resources"
    assert hosts_piece(engine(*waiting)) is None
