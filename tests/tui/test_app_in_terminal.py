"""In a real pty: signals, hang-up, crashes, bytes; work continues, the terminal is restored."""

from __future__ import annotations

import json
import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from tests.ending import end_engine, engine_pid, lease_of
from tests.tui.changing import ENDED
from tests.tui.played import APP, one_cell
from tests.tui.terminal import DEADLINE, OPEN, ROOT, Terminal, opened, typed
from tuilab.store.engine_file import read_heartbeat, write_heartbeat
from tuilab.store.layout import Layout

PUBLISHED = ROOT / "tuilab" / "published"
HEAVY = ("numpy", "pandas", "scipy", "matplotlib", "pydantic", "typer", "torch")


@pytest.fixture
def live(copy_of: Callable[[str], Path]) -> Path:
    """The small experiment, its engine's heartbeat a moment old."""
    root = copy_of("small")
    layout = Layout(root)
    beat = read_heartbeat(layout)
    assert beat is not None
    write_heartbeat(layout, beat.identity, beat.token, beat.view, time.time())
    return root


def files_of(root: Path) -> dict[str, int]:
    """Every file below a directory with the time of its last change."""
    return {str(path): path.stat().st_mtime_ns for path in root.rglob("*") if path.is_file()}


def test_q_leaves_a_clean_terminal_says_that_work_goes_on_and_changed_nothing(
    live: Path, tmp_path: Path
) -> None:
    before = files_of(live)
    report = f"print('loaded', [name for name in {HEAVY!r} if name in sys.modules]); "
    with Terminal(opened(live, after=report), tmp_path) as terminal:
        terminal.wait_for("3/6")
        assert terminal.process.children() == []
        terminal.press("q")
        assert terminal.end() == 0
        assert terminal.is_restored()
        last = terminal.output[terminal.output.rfind(b"\x1b[?1049l") :].decode()
    assert "1 job is still running; 3 of 6 cells are done." in last
    assert "tuilab open runs/small" in last
    assert "loaded []" in last
    assert files_of(live) == before


@pytest.mark.trial
def test_a_hang_up_by_signal_gives_the_terminal_back(live: Path, tmp_path: Path) -> None:
    with Terminal(opened(live), tmp_path) as terminal:
        terminal.wait_for("3/6")
        os.kill(terminal.child.pid, signal.SIGHUP)
        assert terminal.end() == 128 + 1
        assert terminal.is_restored()


DEAF = "import signal; signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGHUP]); "


@pytest.mark.parametrize("first", ["", DEAF], ids=["by a signal", "without one"])
def test_a_terminal_that_goes_ends_the_app_and_leaves_the_experiment_alone(
    live: Path, tmp_path: Path, first: str
) -> None:
    before = files_of(live)
    with Terminal(first + opened(live), tmp_path) as terminal:
        terminal.wait_for("3/6")
        hang_up(terminal)
    assert files_of(live) == before


def test_bare_tuilab_opens_the_only_one_edits_its_config_suspends_and_leaves_by_ctrl_c_twice(
    live: Path, tmp_path: Path
) -> None:
    half_a_line = "sh -c 'echo lr = >>$0'"
    with Terminal(typed(), tmp_path, VISUAL=half_a_line) as terminal:
        terminal.wait_for("3/6")
        terminal.press("\x0f")
        terminal.wait_for("experiment.toml cannot be read")
        terminal.press("\x1a")
        deadline = time.monotonic() + DEADLINE
        while terminal.process.status() != psutil.STATUS_STOPPED:
            assert time.monotonic() < deadline
            terminal.read()
        terminal.drain()
        assert terminal.is_restored()
        terminal.screen.reset()
        terminal.process.send_signal(signal.SIGCONT)
        terminal.wait_for("3/6")
        terminal.press("\x03")
        terminal.wait_for("Ctrl+C again to leave")
        terminal.press("\x03")
        assert terminal.end() == 0
        assert terminal.is_restored()


def test_a_command_of_ones_own_is_in_the_palette_and_runs_in_this_terminal(
    live: Path, tmp_path: Path
) -> None:
    config = tmp_path / "config" / "tuilab" / "config.toml"
    config.parent.mkdir(parents=True)
    config.write_text(
        '[commands]\n"size of a cell" = "echo {cell} in $(basename {dir})"\n'
        '[keys]\n"commands.size of a cell" = "f5"\n'
    )
    with Terminal(typed(), tmp_path, XDG_CONFIG_HOME=str(tmp_path / "config")) as terminal:
        terminal.wait_for("3/6")
        terminal.press(":")
        terminal.wait_for("Search for commands")
        terminal.press("size of")
        terminal.wait_for("$ echo 'villain@0#42' in")
        for key, cell in (("\r", "villain@0#42"), ("\x1b[C\x1b[15~", "villain@2#42")):
            terminal.press(key)
            terminal.wait_for(f"{cell} in {live.name}")
            terminal.wait_for("exit code 0; Enter goes back")
            terminal.press("\r")
            terminal.wait_for("3/6")


def test_a_crash_shows_a_plain_traceback_without_locals(live: Path, tmp_path: Path) -> None:
    code = f"""
import os, sys
os.environ["TEXTUAL_ANIMATIONS"] = "none"
from pathlib import Path
from tuilab.tui.app import TuilabApp
def crash(self):
    token = "hf_" + "abcdefghijkl"
    raise RuntimeError("boom [/x] [rank0]")
TuilabApp.action_help = crash
app = TuilabApp(Path({str(live)!r}))
app.run()
sys.exit(app.return_code)
"""
    with Terminal(code, tmp_path) as terminal:
        terminal.wait_for("3/6")
        terminal.press("?")
        assert terminal.end() == 1
        assert terminal.is_restored()
        shown = terminal.output.decode(errors="replace")
    assert "RuntimeError: boom [/x] [rank0]" in shown
    assert "abcdefghijkl" not in shown.replace('"hf_" + "abcdefghijkl"', "")


def test_no_foreign_sequence_reaches_the_terminal(
    copy_of: Callable[[str], Path], tmp_path: Path
) -> None:
    root = copy_of("hostile")
    with Terminal(opened(root), tmp_path) as terminal:
        terminal.wait_for("evil")
        for key, word in (("\r", "[log]"), ("w", "wrap"), ("u", "engine"), ("5", "experiments")):
            terminal.press(key)
            terminal.wait_for(word)
        terminal.press("q")
        terminal.end()
    # Textual itself sets the shape of the mouse pointer.
    sent = re.sub(rb"\x1b\]22;[a-z]+\x07", b"", terminal.output)
    for harm in (b"\x1b]", b"\x07", b"\x1b[2J\x1b[31m", b"hf_abcdefghijkl", "\u202e".encode()):
        assert harm not in sent


def colours_in(output: bytes) -> set[bytes]:
    """Every number of a sequence that sets a colour."""
    numbers = {
        part
        for sequence in output.split(b"\x1b[")[1:]
        for part in sequence.split(b"m")[0].split(b";")
        if b"m" in sequence[:20]
    }
    sixteen = {str(n).encode() for n in (*range(30, 38), *range(40, 48), *range(90, 108))}
    return numbers & {b"38", b"48", *sixteen}


def test_no_color_sends_no_colour_from_dialogs_plots_and_table(live: Path, tmp_path: Path) -> None:
    both = f"{OPEN}run(Path({str(live)!r})); run(Path({str(PUBLISHED)!r}))"
    with Terminal(both, tmp_path, NO_COLOR="1") as terminal:
        terminal.wait_for("3/6")
        terminal.press("jje")
        terminal.wait_for("gpu-oom")
        terminal.press("r")
        terminal.wait_for("Relaunch")
        terminal.press("\x1b")
        terminal.wait_for("following")
        terminal.press("q")
        terminal.wait_for("77/77")
        for key, word in (("p", "Bars:"), ("N", "squares are n/a"), ("t", "Baseline [95%]")):
            terminal.press(key)
            terminal.wait_for(word)
            terminal.press("j")
            terminal.drain()
    assert colours_in(terminal.output) == set()


def test_ascii_sends_ascii_only_and_a_signal_gives_the_terminal_back(
    live: Path, tmp_path: Path
) -> None:
    with Terminal(opened(live, ", ascii=True"), tmp_path) as terminal:
        terminal.wait_for("3/6")
        for key, word in (("e", "gpu-oom"), ("r", "Relaunch"), ("\x1b", "following")):
            terminal.press(key)
            terminal.wait_for(word)
        terminal.drain()
        os.kill(terminal.child.pid, signal.SIGTERM)
        assert terminal.end() == 128 + 15
        assert terminal.is_restored()
    assert terminal.output.decode().isascii()


def test_an_idle_app_sends_nothing_and_follows_the_disk_within_a_moment(
    live: Path, tmp_path: Path
) -> None:
    from tuilab.store.journal import Journal

    with Terminal(opened(live), tmp_path) as terminal:
        terminal.wait_for("3/6")
        terminal.drain()
        assert terminal.read(2.0) == 0
        job = "train/villain@4#42"
        Journal(Layout(live)).append(
            "settled", job=job, attempt=1, verdict="failed", reason="nan-loss", detail="loss is nan"
        )
        terminal.wait_for("✗2")
        terminal.press("q")
        assert terminal.end() == 0


def test_bare_tuilab_lists_several_experiments_and_opens_the_chosen_one(
    copy_of: Callable[[str], Path], tmp_path: Path
) -> None:
    for age, name in enumerate(("unfinished", "small")):
        os.utime(copy_of(name) / "journal.jsonl", (time.time() - age,) * 2)
    with Terminal(typed(), tmp_path) as terminal:
        terminal.wait_for("2 in ")
        shown = terminal.wait_for("unfinished")
        assert "tuilab experiments" in shown
        terminal.press("\r")
        terminal.wait_for("1/2")
        terminal.press("q")
        assert terminal.end() == 0


@pytest.mark.trial
def test_bare_tuilab_where_nothing_is_says_how_to_begin(tmp_path: Path) -> None:
    with Terminal(typed(), tmp_path, size=(80, 45)) as terminal:
        assert terminal.end() == 0
    assert "no experiment here yet" in terminal.text
    assert "tuilab demo" in terminal.text
    lines = terminal.text.splitlines()
    assert all(line.startswith("  tuilab ") for line in lines[1:] if line), "none is folded"


def changed(last: int, at_once: bool) -> str:
    """The program that shows a grid after some changes: seen one by one, or only their outcome."""
    return f"""
import os
os.environ["TEXTUAL_ANIMATIONS"] = "none"
from pathlib import Path
from tests.tui.changing import changing
from tuilab.tui.app import TuilabApp
source = changing(12, 11, {last})
while {at_once} and source.snapshot.sequence < {last}:
    source.poll(0.0)
TuilabApp(Path.cwd(), source=lambda root: source, poll_seconds=0.02).run()
"""


@pytest.mark.trial
def test_what_is_painted_piece_by_piece_is_what_is_painted_at_once(tmp_path: Path) -> None:
    last, moves = 60, "jjlllkj"
    screens = []
    for at_once in (False, True):
        with Terminal(changed(last, at_once), tmp_path) as terminal:
            terminal.wait_for("persona 000")
            for key in moves:
                terminal.press(key)
                terminal.drain_for(0.1)
            terminal.wait_for(ENDED)
            terminal.drain()
            screens.append([dict(terminal.screen.buffer[y]) for y in range(24)])
    assert screens[0] == screens[1]


RIGHT = "\x1b[C"


@pytest.fixture
def gate(tmp_path: Path) -> Path:
    """A file for which the training of the cell waits."""
    return tmp_path / "gate"


@pytest.fixture
def working(tmp_path: Path, gate: Path) -> Iterator[Path]:
    """An experiment of one cell whose training goes on until the gate is open."""
    root = one_cell(tmp_path, train={"do": "done", "until": str(gate)})
    yield root
    gate.touch()
    end_engine(root)


def kill(terminal: Terminal) -> None:
    """End the app in a way that it cannot catch."""
    os.kill(terminal.child.pid, signal.SIGKILL)
    assert terminal.end() == -1


def hang_up(terminal: Terminal) -> None:
    process = terminal.process
    terminal.hang_up()
    process.wait(timeout=DEADLINE)


def runner_pid(root: Path) -> int:
    [folder] = Layout(root).workers.iterdir()
    lease = lease_of(folder)
    assert lease is not None and lease.runner is not None
    return lease.runner.pid


def claims(root: Path) -> list[tuple[str, int]]:
    lines = map(json.loads, (root / "journal.jsonl").read_text().splitlines())
    return [(line["job"], line["attempt"]) for line in lines if line["kind"] == "claimed"]


@pytest.mark.parametrize(
    "end",
    [
        pytest.param(kill, id="killed"),
        pytest.param(hang_up, id="hung up", marks=pytest.mark.trial),
    ],
)
def test_however_the_app_dies_work_goes_on_and_the_next_one_shows_it(
    working: Path, gate: Path, tmp_path: Path, end: Callable[[Terminal], None]
) -> None:
    with Terminal(APP, tmp_path) as terminal:
        terminal.wait_for("0/1")
        terminal.press("r")
        terminal.wait_for("jobs run as new attempts")
        terminal.press(RIGHT)
        terminal.press("\r")
        terminal.wait_for("▶ train")
        before = engine_pid(working), runner_pid(working), claims(working)
        end(terminal)
    assert before[0] is not None
    with Terminal(APP, tmp_path) as again:
        again.wait_for("▶ train")
        assert (engine_pid(working), runner_pid(working), claims(working)) == before
        assert psutil.pid_exists(before[0])
        gate.touch()
        again.wait_for("1/1")
        again.press("q")
        assert again.end() == 0
    train = [number for job, number in claims(working) if job.startswith("train/")]
    assert train == [1]
