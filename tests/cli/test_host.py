"""Any verb on another machine: ssh runs it there, and nothing else is needed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tuilab.cli.host import asks_for_host, ssh_command

STAND_IN = '#!/bin/sh\necho "$@" >> "$SSH_LOG"\nfor last; do :; done\nexec sh -c "$last"\n'


@pytest.fixture
def pod(tmp_path: Path) -> Path:
    """A folder with a program, reached by an ssh that stays on this machine."""
    (tmp_path / "bin").mkdir()
    ssh = tmp_path / "bin" / "ssh"
    ssh.write_text(STAND_IN)
    ssh.chmod(0o755)
    there = tmp_path / "a pod"
    (there / ".venv" / "bin").mkdir(parents=True)
    program = there / ".venv" / "bin" / "tuilab"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m tuilab "$@"\n')
    program.chmod(0o755)
    return there


def on(pod: Path, *words: str) -> subprocess.CompletedProcess[str]:
    here = pod.parent
    path = f"{here / 'bin'}:{os.environ['PATH']}"
    source = str(Path(__file__).parents[2])
    environment = {**os.environ, "PATH": path, "SSH_LOG": str(here / "log"), "SHELL": "/bin/sh"}
    return subprocess.run(
        [sys.executable, "-m", "tuilab", *words],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        env={**environment, "PYTHONPATH": source},
    )


def test_a_verb_runs_there_with_its_words_and_its_exit_code(pod: Path) -> None:
    done = on(pod, "--host", f"gpu1:{pod}", "status", "no such experiment", "--json")
    assert done.returncode != 0
    assert "no such experiment" in done.stdout + done.stderr
    told = (pod.parent / "log").read_text()
    assert told.startswith("gpu1 exec")
    assert "-t" not in told.split()[:2]
    assert "tuilab" in on(pod, f"--host=gpu1:{pod}", "--version").stdout


@pytest.mark.parametrize("place", [0, 1, 2])
def test_the_host_may_stand_before_or_behind_the_verb(pod: Path, place: int) -> None:
    words = ["--ascii", "--version"]
    words[place:place] = ["--host", f"gpu1:{pod}"]
    assert "tuilab" in on(pod, *words).stdout
    assert "--ascii --version" in (pod.parent / "log").read_text()


def test_a_word_behind_two_strokes_is_no_host() -> None:
    assert not asks_for_host(["note", "runs/tiny", "--", "--host"])


def test_a_terminal_goes_along_and_words_keep_their_spaces() -> None:
    command = ssh_command("pod", "~/tuilab", ["run", "runs/a b", "villain@*"], with_terminal=True)
    assert command[:3] == ["ssh", "-t", "pod"]
    assert "cd ~/tuilab &&" in command[3]
    assert "runs/a b" in command[3]


def test_a_host_without_the_program_says_where_one_may_be(tmp_path: Path) -> None:
    *_, login = ssh_command("pod", "", ["status"], with_terminal=False)
    bare = {"PATH": "/usr/bin:/bin", "SHELL": "/bin/sh", "HOME": str(tmp_path)}
    done = subprocess.run(["sh", "-c", login], capture_output=True, text=True, env=bare)
    assert done.returncode == 127
    assert "no tuilab on pod: --host pod:DIR takes the one in the .venv" in done.stderr


@pytest.mark.parametrize("host", [[], ["-oProxyCommand=sh"], [":folder"]])
def test_what_is_no_host_is_refused(pod: Path, host: list[str]) -> None:
    done = on(pod, "--host", *host)
    assert done.returncode == 2
    assert "needs a host" in done.stderr
    assert not (pod.parent / "log").exists()
