"""Calls from shells that close, fill, refuse or garble what a program takes for granted."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pexpect
import pytest

from tests.cli.small_grid import SOURCE, call, call_in, write_config
from tests.copies import own_copy, with_own_id


@pytest.fixture(scope="module")
def planned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with runs/micro in it, planned and never run."""
    from tuilab.cli.experiments import make_experiment
    from tuilab.store.replan import read_config

    folder = tmp_path_factory.mktemp("rough")
    make_experiment(read_config(write_config(folder)), folder / "runs" / "micro")
    (folder / "script.py").touch()
    return folder


def shell(command: str, folder: Path, **extra: str) -> subprocess.CompletedProcess[str]:
    """Run a line of shell in which $T is tuilab, with Python's own buffers as users have them."""
    return subprocess.run(
        ["bash", "-c", command],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        env={
            **{name: os.environ[name] for name in os.environ if name != "PYTHONUNBUFFERED"},
            "PYTHONPATH": str(SOURCE),
            "T": f"{sys.executable} -m tuilab",
            "TERM": "dumb",
            **extra,
        },
        stdin=subprocess.DEVNULL,
        timeout=180,
    )


@pytest.mark.parametrize("words", ["status micro", "queue micro"])
def test_a_full_disk_behind_stdout_is_one_sentence(planned: Path, words: str) -> None:
    done = shell(f"$T {words} > /dev/full", planned)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "No space left on device" in done.stderr


def test_closed_streams_are_borne_and_messages_never_mix_with_results(planned: Path) -> None:
    assert shell("$T status micro >&-", planned).returncode == 0
    done = shell("$T status nowhere --json 2>&-", planned)
    assert (done.returncode, done.stdout) == (2, "")


@pytest.mark.parametrize("words", ["status micro", "queue micro"])
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_reader_who_leaves_changes_no_exit_code(
    planned: Path, words: str, unbuffered: str
) -> None:
    """Without a buffer the verb itself meets the closed pipe, with one the end of the program."""
    command = f"(sleep 0.2; $T {words}; echo $? >&2) | true"
    assert shell(command, planned, PYTHONUNBUFFERED=unbuffered).stderr == "0\n"


def test_where_glyphs_cannot_be_written_their_ascii_stands_and_json_is_valid(planned: Path) -> None:
    done = shell("$T status micro", planned, PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.isascii() and "?" not in done.stdout
    done = shell("$T status micro --json", planned, PYTHONIOENCODING="latin-1")
    assert json.loads(done.stdout)["experiment"] == "micro"


def test_a_folder_that_may_only_be_read_shows_and_says_why_it_does_not_run(
    planned: Path, tmp_path: Path
) -> None:
    if os.geteuid() == 0 and not shutil.which("setpriv"):
        pytest.skip("root may write anywhere, and setpriv is not here to give that up")
    shutil.copytree(planned, tmp_path / "locked")
    with_own_id(tmp_path / "locked" / "runs" / "micro")
    as_other = "setpriv --bounding-set=-dac_override,-dac_read_search" * (os.geteuid() == 0)
    shell("chmod -R a-w locked", tmp_path)
    try:
        shown = shell(f"{as_other} $T status micro", tmp_path / "locked")
        assert shown.returncode == 0
        refused = shell(
            f"{as_other} $T run eps109 --dry-run; {as_other} $T resume micro", tmp_path / "locked"
        )
        assert refused.returncode == 1
        assert "Permission denied: ask the owner" in refused.stderr
        assert ".draft" not in refused.stderr
    finally:
        shell("chmod -R u+w locked", tmp_path)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("plan", ""), "the name is empty"),
        (("relaunch", "micro", "villain@1", "--set", "marker.lr=1e999"), "finite number"),
        (("run", "micro", "--dir", "elsewhere"), "micro is already an experiment"),
        (("verify", "nowhere.tar.gz"), "no file nowhere.tar.gz"),
        (("logs", "micro", "engine", "-f", "--json"), "give --follow or --json"),
        (("status", "script.py"), "script.py is neither an experiment's directory nor a config"),
        (("run", "script.py"), "nor a config (.toml)"),
        (("status", "micro.toml"), "micro.toml is a config, not an experiment"),
        (("--read-only", "relaunch", "micro", "villain@1", "-y"), "tuilab open DIR --read-only"),
    ],
)
def test_what_makes_no_sense_is_a_usage_error(
    planned: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], said: str
) -> None:
    monkeypatch.chdir(planned)
    found = call(*words)
    assert (found.exit_code, "unexpected" in found.output) == (2, False)
    assert said in found.stderr


def test_a_config_that_is_no_text_is_a_usage_error(planned: Path, tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    path.write_bytes(b"\xff\xfe\x00n")
    found = call("plan", str(path))
    assert found.exit_code == 2
    assert "not a text file" in found.stderr


@pytest.mark.parametrize("words", ["logs micro engine -f", "relaunch micro villain@0"])
def test_ctrl_c_ends_by_the_signal_and_says_so_without_a_traceback(
    planned: Path, tmp_path: Path, words: str
) -> None:
    root = Path(shutil.copytree(planned, tmp_path / "copy"))
    with_own_id(root / "runs" / "micro")
    engine_log = root / "runs" / "micro" / "engine.log"
    engine_log.write_text("2026-01-01 00:00:00 begun\n")
    child = pexpect.spawn(
        sys.executable,
        ["-m", "tuilab", *words.split()],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(SOURCE), "TERM": "xterm"},
        encoding="utf-8",
        timeout=60,
    )
    child.expect("begun|start these jobs")
    for _ in range(60):  # readline may miss one that comes just before it waits
        child.sendintr()
        if child.expect([pexpect.EOF, pexpect.TIMEOUT], timeout=1) == 0:
            break
    child.close()
    assert child.signalstatus == signal.SIGINT
    assert "Traceback" not in child.before
    assert not list((root / "runs" / "micro" / "requests").iterdir())


@pytest.mark.trial
def test_a_verb_that_starts_work_bears_closed_streams(planned: Path) -> None:
    closed = "<&- >&- 2>&-"
    done = shell(f"$T run micro --dry-run {closed}", planned)
    assert done.returncode == 0 and "unexpected" not in done.stderr
    assert shell(f"$T {closed}", planned).returncode in (0, 1, 2)
    assert "unexpected" not in shell(f"$T open micro {closed}", planned).stderr


def test_a_config_with_a_byte_order_mark_is_read(planned: Path) -> None:
    text = (planned / "micro.toml").read_bytes()
    (planned / "marked.toml").write_bytes(b"\xef\xbb\xbf" + text)
    assert call("plan", str(planned / "marked.toml"), "--no-preview").exit_code == 0


def test_a_command_that_is_shown_can_be_pasted(planned: Path) -> None:
    own_copy(planned / "runs" / "micro", planned / "my; runs" / "a b")
    done = call_in(planned, "status", "my; runs/a b")
    assert "run 'my; runs/a b'`" in done.stdout
