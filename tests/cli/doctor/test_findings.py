"""The doctor: findings as sentences, one JSON document, and strays found by their marker."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from tests.cli.small_grid import call, wait_until
from tuilab.cli.doctor.findings import (
    find_strays,
    findings_on_cache,
    findings_on_libraries,
    findings_on_requests,
)
from tuilab.cli.runner_programs import ProgramAnswer
from tuilab.contract import atomic
from tuilab.contract.identity import MARKER_VARIABLE, me
from tuilab.contract.worker import LEASE_FILE
from tuilab.grid.checks import Level


def test_the_doctor_speaks_in_findings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_TOKEN", "hf_verysecretvalue123")
    found = call("doctor", "--no-probe", "--json")
    document = json.loads(found.stdout)
    names = {one["name"] for one in document["findings"]}
    assert {"python", "app", "disk", "token", "cache"} <= names
    assert "hf_verysecretvalue123" not in found.output
    assert any("HF_TOKEN is set" in one["sentence"] for one in document["findings"])


def test_missing_libraries_block_and_say_how_to_get_them() -> None:
    answer = ProgramAnswer({"libraries": {"torch": None, "transformers": "5", "peft": "0.21"}})
    found = [one for one in findings_on_libraries(answer) if one.name == "runners"]
    assert found[0].level is Level.BLOCKING
    assert "torch missing" in found[0].sentence


def test_runners_that_do_not_answer_are_a_warning_with_the_reason() -> None:
    [found] = [
        one for one in findings_on_libraries(ProgramAnswer(None, "broken")) if one.name == "runners"
    ]
    assert (found.level, "broken" in found.sentence) == (Level.WARNING, True)


def test_a_cache_that_is_a_link_to_a_larger_volume_has_the_size_of_what_is_there(
    tmp_path: Path,
) -> None:
    model = tmp_path / "volume" / "models--org--name"
    model.mkdir(parents=True)
    (model / "weights").write_bytes(b"x" * 3_000_000)
    (tmp_path / "hub").symlink_to(tmp_path / "volume")
    found = next(iter(findings_on_cache({"HF_HOME": str(tmp_path)})))
    assert "org/name, 3.0 MB;" in found.sentence


def test_a_process_of_a_dead_worker_is_named(tmp_path: Path) -> None:
    worker = tmp_path / "w0-x"
    worker.mkdir()
    dead = replace(me(), start_ticks=me().start_ticks + 1)
    atomic.write_json(worker / LEASE_FILE, {"shim": asdict(dead)})
    child = subprocess.Popen(
        [sys.executable, "-c", "input()"],
        stdin=subprocess.PIPE,
        env={**os.environ, MARKER_VARIABLE: str(worker)},
    )
    try:
        wait_until(lambda: any(f"pid {child.pid} " in text for text in find_strays()))
        atomic.write_json(worker / LEASE_FILE, {"shim": asdict(me())})
        assert not any(f"pid {child.pid} " in text for text in find_strays())
    finally:
        child.kill()
        child.wait()


def test_a_folder_of_requests_that_others_may_write_is_told(tmp_path: Path) -> None:
    folder = tmp_path / "requests"
    folder.mkdir(mode=0o755)
    folder.chmod(0o755)
    assert list(findings_on_requests(tmp_path)) == []
    folder.chmod(0o775)
    [found] = findings_on_requests(tmp_path)
    assert found.level is Level.WARNING and "commands the engine" in found.sentence
