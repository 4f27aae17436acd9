"""The shim alone: real trees of processes, started, reaped, ended and recorded."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.ending import read_identity
from tests.engine.trials import DEADLINE, SOURCE
from tuilab.contract import identity
from tuilab.contract.identity import Identity
from tuilab.contract.reasons import without_outcome
from tuilab.contract.worker import read_exit
from tuilab.engine.host import process_tree

DAEMON = (
    "import os, sys, time\n"
    "os.setsid()\n"
    "if os.fork(): os._exit(0)\n"
    "open('daemon.pid.draft', 'w').write(str(os.getpid()))\n"
    "os.rename('daemon.pid.draft', 'daemon.pid')\n"
    "time.sleep(600)\n"
)


class Held:
    """One shim under test."""

    def __init__(self, folder: Path, code: str, grace: float = 20.0, **command: Any) -> None:
        self.folder = folder
        folder.mkdir()
        argv = [sys.executable, "-c", code, str(folder)]
        content = {
            "argv": argv,
            "cwd": str(folder),
            "grace_seconds": grace,
            "stray_seconds": 0.2,
            **command,
        }
        (folder / "command.json").write_text(json.dumps(content))
        self.process = self.launch()

    def launch(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-m", "tuilab.engine.shim", str(self.folder)],
            env={**os.environ, "PYTHONPATH": str(SOURCE)},
            stdin=subprocess.DEVNULL,
        )

    def exit(self) -> dict[str, Any]:
        """Wait for the end and return its record."""
        self.process.wait(DEADLINE)
        return json.loads((self.folder / "exit.json").read_text())

    def runner(self) -> Identity:
        """Wait for the lease's runner."""
        return wait(lambda: read_identity(self._lease().get("runner")))

    def _lease(self) -> dict[str, Any]:
        path = self.folder / "lease.json"
        return json.loads(path.read_text()) if path.exists() else {}

    def wait_for(self, name: str) -> str:
        """Wait for a file of the runner and return its text."""
        path = self.folder / name
        wait(path.exists)
        return path.read_text()


def naps(pid: int) -> int:
    """How often a process has gone to sleep."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("\nvoluntary_ctxt_switches:")[1].split()[0])


def wait(until: Callable[[], Any], seconds: float = DEADLINE) -> Any:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := until():
            return found
        time.sleep(0.005)
    raise AssertionError("it did not come about")


@pytest.fixture
def hold(tmp_path: Path) -> Iterator[Callable[..., Held]]:
    made: list[Held] = []

    def make(code: str, **parts: Any) -> Held:
        made.append(Held(tmp_path / f"w{len(made)}-{os.getpid()}", code, **parts))
        return made[-1]

    yield make
    for held in made:
        held.process.kill()
        held.process.wait()
        for who in process_tree.members(held.folder, ""):
            process_tree.send(who, signal.SIGKILL)


def test_an_orderly_end_is_recorded(hold) -> None:
    end = hold("print('hello')").exit()
    assert (end["exit_code"], end["signal"], end["strays"]) == (0, None, [])


def test_output_goes_to_the_log_and_stdin_is_closed(hold) -> None:
    held = hold("print('asking'); input('go on? ')")
    assert held.exit()["exit_code"] == 1
    log = (held.folder / "log.txt").read_text()
    assert "asking" in log
    assert "EOFError" in log


def test_a_death_by_signal_is_recorded_as_a_shell_would(hold) -> None:
    end = hold("import os; os.kill(os.getpid(), 9)").exit()
    assert (end["exit_code"], end["signal"]) == (137, 9)


def test_a_program_that_does_not_exist_is_127_with_its_name_in_the_log(tmp_path, hold) -> None:
    held = hold("", argv=["/no/such/program"])
    assert held.exit()["exit_code"] == 127
    assert "/no/such/program" in (held.folder / "log.txt").read_text()


def test_sigterm_ends_the_tree_with_time_to_say_goodbye(hold) -> None:
    held = hold(
        "import signal, sys, time\n"
        "def bye(*_): open('bye', 'w').write('x'); sys.exit(3)\n"
        "signal.signal(signal.SIGTERM, bye)\n"
        "open('up', 'w').write('x')\n"
        "time.sleep(600)"
    )
    held.wait_for("up")
    held.process.terminate()
    end = held.exit()
    assert (end["exit_code"], end["asked"]) == (3, True)
    assert (held.folder / "bye").exists()


def test_a_runner_that_ignores_sigterm_is_killed_after_the_grace(hold) -> None:
    held = hold(
        "import signal, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "open('up', 'w').write('x')\n"
        "time.sleep(600)",
        grace=0.2,
    )
    held.wait_for("up")
    held.process.terminate()
    assert held.exit()["signal"] == 9


def test_each_process_is_asked_once_only(hold) -> None:
    """A runner's second SIGTERM ends it without its grace."""
    held = hold(
        "import os, signal, time\n"
        "count = []\n"
        "signal.signal(signal.SIGTERM, lambda *_: count.append(1))\n"
        "open('up', 'w').write('x')\n"
        "while not count: time.sleep(0.01)\n"
        "time.sleep(0.5)\n"
        "os._exit(10 + len(count))",
    )
    held.wait_for("up")
    held.process.terminate()
    assert held.exit()["exit_code"] == 11


def test_a_daemonised_grandchild_is_found_ended_and_named(hold) -> None:
    code = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {DAEMON!r}])\n"
    code += "import os, time\nwhile not os.path.exists('daemon.pid'): time.sleep(0.01)"
    held = hold(code)
    daemon = int(held.wait_for("daemon.pid"))
    end = held.exit()
    assert end["exit_code"] == 0
    assert [stray.split()[0] for stray in end["strays"]] == [str(daemon)]
    assert identity.identify(daemon) is None


def test_a_grandchild_without_the_marker_is_still_found(hold) -> None:
    clean = (
        f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {DAEMON!r}], env={{}})\n"
    )
    clean += "import os, time\nwhile not os.path.exists('daemon.pid'): time.sleep(0.01)"
    held = hold(clean)
    daemon = int(held.wait_for("daemon.pid"))
    assert len(held.exit()["strays"]) == 1
    assert identity.identify(daemon) is None


def test_orphans_are_reaped_and_not_left_as_zombies(hold) -> None:
    held = hold(
        "import os, time\n"
        "if os.fork() == 0:\n"
        "    if os.fork() == 0:\n"
        "        os._exit(0)\n"
        "    time.sleep(0.05); os._exit(0)\n"
        "os.wait()\n"
        "open('up', 'w').write('x')\n"
        "time.sleep(600)"
    )
    held.wait_for("up")
    shim = held.process.pid
    wait(lambda: zombies_below(shim) == [])
    held.process.terminate()
    held.exit()


def zombies_below(parent: int) -> list[int]:
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if fields[0] == "Z" and int(fields[1]) == parent:
            found.append(int(path.parent.name))
    return found


def test_a_suspended_tree_can_still_be_ended(hold) -> None:
    held = hold("import time\nopen('up', 'w').write('x')\ntime.sleep(600)")
    held.wait_for("up")
    runner = held.runner()
    process_tree.send(runner, signal.SIGSTOP)
    held.process.terminate()
    assert held.exit()["signal"] == 15


def test_a_second_shim_for_the_same_worker_leaves_without_starting_anything(hold) -> None:
    held = hold("import time\nopen('up', 'a').write('x')\ntime.sleep(600)")
    held.wait_for("up")
    runner = held.runner()
    assert held.launch().wait(DEADLINE) == 3
    assert identity.is_alive(runner)
    assert (held.folder / "up").read_text() == "x"


def test_hangup_and_interrupt_of_the_terminal_do_not_reach_the_worker(hold) -> None:
    held = hold("import time\nopen('up', 'w').write('x')\ntime.sleep(600)")
    held.wait_for("up")
    runner = held.runner()
    for number in (signal.SIGHUP, signal.SIGINT):
        held.process.send_signal(number)
    os.kill(held.process.pid, 0)
    held.process.terminate()
    assert held.exit()["asked"] is True
    assert identity.is_alive(runner) is False


def test_the_oom_counter_is_read_before_and_after(hold, tmp_path: Path) -> None:
    counter = tmp_path / "memory.events"
    counter.write_text("low 0\noom 0\noom_kill 4\noom_group_kill 0\n")
    held = hold(
        f"import os\nopen({str(counter)!r}, 'w').write('oom_kill 5\\n')\nos.kill(os.getpid(), 9)",
        memory_events=str(counter),
    )
    end = held.exit()
    assert (end["exit_code"], end["oom_kills"]) == (137, 1)


def test_a_signal_is_never_sent_to_a_stranger_with_the_same_pid() -> None:
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]) as sleeper:
        real = wait(lambda: identity.identify(sleeper.pid))
        stranger = Identity(real.host, real.boot_id, real.pid, real.start_ticks - 1)
        assert process_tree.send(stranger, signal.SIGKILL) is False
        assert identity.is_alive(real)
        assert process_tree.send(real, signal.SIGKILL) is True
        sleeper.wait()
        assert process_tree.send(real, signal.SIGKILL) is False


def test_a_volume_that_is_away_when_the_runner_ends_is_recorded_once_it_is_back(
    tmp_path: Path,
) -> None:
    code = (
        "import os, pathlib, sys\n"
        "folder = pathlib.Path(sys.argv[1])\n"
        "while 'runner' not in (folder / 'lease.json').read_text(): pass\n"
        "os.rename(folder, folder.with_name('away'))\n"
        "sys.exit(1)\n"
    )
    held = Held(tmp_path / "w1", code)
    wait((tmp_path / "away").exists)
    seen = naps(held.process.pid)  # it sleeps until the runner ends, then tries to record that
    wait(lambda: naps(held.process.pid) > seen + 3)
    (tmp_path / "away").rename(tmp_path / "w1")
    assert held.exit()["away"] == "No such file or directory"
    end = read_exit(tmp_path / "w1")
    assert end is not None and end.exit_code == 1
    death = without_outcome(end, ["training"])
    assert death.is_lost and "the volume was away or its mount stale" in death.detail
