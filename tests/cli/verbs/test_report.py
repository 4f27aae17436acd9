"""``tuilab report`` and ``tuilab verify``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.small_grid import call


def test_report_bundle_and_verify(here: Path, ran: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tuilab.science.figures.kinds.KINDS", ("leakage",))  # drawing is slow
    found = call("report", str(ran), "--out", "r", "--bundle", "--strict", "--json")
    told = json.loads(found.stdout)
    assert found.exit_code == 1
    assert told["empty"] == ["Convergence LoRA: Steps", "Marker LoRA: Steps"]
    assert "Steps" in found.stderr
    assert Path(told["report"]).is_file()
    assert call("verify", told["bundle"]).exit_code == 0
    whole_bundle = Path(told["bundle"]).read_bytes()
    Path("cut.tar.gz").write_bytes(whole_bundle[: len(whole_bundle) // 2])
    cut = call("verify", "cut.tar.gz")
    assert cut.exit_code == 1 and "cut.tar.gz" in cut.stderr
    assert call("verify", "none.tar.gz").exit_code == 2


@pytest.mark.parametrize("verb", ["report", "plot"])
def test_a_file_is_no_folder_to_write_to(here: Path, ran: Path, verb: str) -> None:
    Path("taken").touch()
    found = call(verb, str(ran), "--out", "taken")
    assert found.exit_code == 2 and found.stderr == "--out taken is a file: name a folder\n"


def test_a_bundle_of_a_table_is_not_called_true(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tuilab.science.figures.kinds.KINDS", ("leakage",))
    Path("t.csv").write_text("source,epoch,leakage\nvillain,0,1%\nvillain,2,50%\n")
    call("import", "t.csv", "--name", "mine")
    bundle = json.loads(call("report", "mine", "--out", "r", "--bundle", "--json").stdout)["bundle"]
    found = call("verify", bundle, "--recompute")
    assert found.exit_code == 0, found.stdout
    assert "its report is what its table gives" in found.stdout
    assert "nothing raw stands behind that" in found.stdout and "true" not in found.stdout
