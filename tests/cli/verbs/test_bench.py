"""``tuilab bench``: what it refuses, and its one document."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.small_grid import call
from tuilab.cli.errors import RefusalError
from tuilab.cli.verbs.bench import as_json_document


def test_bench_refuses_two_models() -> None:
    found = call("bench", "--tiny", "--random-weights")
    assert found.exit_code == 2 and "choose one" in found.stderr


@pytest.mark.parametrize(("exit_code", "writes"), [(0, True), (1, True), (3, False)])
def test_bench_prints_what_was_measured_as_the_one_document(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    exit_code: int,
    writes: bool,
) -> None:
    """A program in the place of the measuring one, so that no torch is loaded here."""
    write = "Path(sys.argv[-1]).write_text('{\"results\": {}}')" if writes else "pass"
    program = f"import sys\nfrom pathlib import Path\nprint('a table')\n{write}\n"
    (tmp_path / "measuring.py").write_text(f"{program}raise SystemExit({exit_code})\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    if not writes:
        with pytest.raises(RefusalError, match="measured nothing") as caught:
            as_json_document(["--tiny"], "measuring")
        assert caught.value.code == exit_code
        return
    assert as_json_document(["--tiny"], "measuring") == exit_code
    printed = capsys.readouterr()
    assert json.loads(printed.out) == {"results": {}}
    assert printed.err == "a table\n"
