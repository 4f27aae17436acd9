"""``tuilab import``: a table becomes an experiment, or nothing is written."""

from __future__ import annotations

from pathlib import Path

from tests.cli.small_grid import call


def test_import_then_table_claims_and_plot(here: Path) -> None:
    (here / "t.csv").write_text(
        "source,epoch,metric,hits,n\nvillain,2,leakage,60,100\nvillain,0,leakage,1,100\n"
    )
    made = call("import", "t.csv", "--name", "my results")
    assert made.exit_code == 0, made.stderr
    root = made.stdout.split(":")[0]
    assert (here / root / "design.json").is_file()
    assert "59.0 pp" in call("table", root).stdout
    assert "not measured" in call("claims", root).stdout
    assert call("plot", root).exit_code == 0
    again = call("import", "t.csv", "--name", "my results")
    assert again.exit_code == 1 and "choose another --name" in again.stderr


def test_an_import_that_is_refused_writes_nothing(here: Path) -> None:
    (here / "t.csv").write_text("source,epoch,metric,value\nvillain,0,leakage,45\n")
    found = call("import", "t.csv", "--name", "mine")
    assert found.exit_code == 1
    assert "line 2, value" in found.stderr and "--unit percent" in found.stderr
    assert call("import", "t.csv", "--name", "mine", "--unit", "parts").exit_code == 2
    assert call("import", "t.csv", "--name", " ").exit_code == 2
    assert not (here / "runs").exists()
