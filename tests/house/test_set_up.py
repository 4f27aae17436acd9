"""`make` sets up with the Python that is there, and says in one sentence what keeps it from it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

MAKEFILE = Path(__file__).parents[2] / "Makefile"
INSTALLS = """#!/bin/sh
case "$*" in
  *venv*) mkdir -p venv/bin && cp "$0" venv/bin/python ;;
  *torch*) printf '%s\\n' "{page}" "{page}" "ERROR: torch" ; exit 1 ;;
esac
"""
"""Stands for a Python that makes environments and whose pip ends with a page."""


def make(tmp_path: Path, *words: str, path: str = os.environ["PATH"]) -> list[str]:
    for name in ("pyproject.toml", "constraints.txt"):
        (tmp_path / name).touch()
    done = subprocess.run(
        ["make", "-f", str(MAKEFILE), "demo", "VENV=venv", "UV=", *words],
        cwd=tmp_path,
        env={"PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    *said, _ = done.stderr.splitlines()  # make itself ends with "Error 1"
    return said


def test_an_old_python_is_refused_before_anything_is_downloaded(tmp_path: Path) -> None:
    [said] = make(tmp_path, "PYTHON=false")
    assert said == (
        "tuilab needs Python 3.11 or newer, and false is not: install one, or name it: "
        "make demo PYTHON=/path/to/python3.12"
    )


def test_a_new_python_is_found_behind_an_old_one(tmp_path: Path) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("make", "sh", "uname"):
        (programs / name).symlink_to(str(shutil.which(name)))
    (programs / "python3").symlink_to(str(shutil.which("false")))
    [said] = make(tmp_path, path=str(programs))
    assert "what is on the PATH is not" in said
    (programs / "python3.12").symlink_to(sys.executable)
    asked = ["make", "-n", "-f", str(MAKEFILE), "UV=", "VENV=venv", "setup"]
    told = subprocess.run(
        asked,
        cwd=tmp_path,
        env={"PATH": str(programs)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "python3.12 -m venv" in told.stdout


@pytest.mark.parametrize(
    ("page", "said"),
    [
        (
            "Retrying after connection broken by ProxyError",
            "A package index cannot be reached: check the network, HTTPS_PROXY and TORCH_INDEX, "
            "then give the same command again (venv/setup.log has the details).",
        ),
        ("No space left on device", "Setting up failed; all of it is in venv/setup.log."),
    ],
)
def test_what_pip_wrote_becomes_a_sentence(tmp_path: Path, page: str, said: str) -> None:
    python = tmp_path / "python3"
    python.write_text(INSTALLS.replace("{page}", page))
    python.chmod(0o755)
    assert make(tmp_path, f"PYTHON={python}")[-1] == said
    assert page in (tmp_path / "venv" / "setup.log").read_text()
