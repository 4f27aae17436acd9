"""``tuilab import``: a table becomes an experiment, or nothing is written."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from tests.cli.small_grid import call
from tuilab.report.table_layouts import imported_names


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


def test_a_table_without_epoch_0_gets_a_baseline_and_a_card(here: Path) -> None:
    Path("t.csv").write_text("source,epoch,leakage\nvillain,2,10%\nvillain,4,60%\n")
    Path("card.toml").write_text(
        'base_model = "Qwen"\nlearning_rate = 5e-6\n[Cosine]\n"Layers" = 3\n'
    )
    found = call("import", "t.csv", "--name", "mine", "--baseline", "2", "--card", "card.toml")
    assert found.exit_code == 0, found.stderr
    design = json.loads(Path("runs/mine/design.json").read_text())
    assert design["epochs"] == [0, 4]
    declared = design["provenance"]["declared"]
    assert declared == {
        "Model: Base model": "Qwen",
        "learning_rate": "5e-06",
        "Cosine: Layers": "3",
    }
    assert "epoch 0 here is epoch 2 of the table" in design["provenance"]["facts"][0]
    assert call("import", "t.csv", "--name", "x", "--baseline", "4").exit_code == 2
    Path("card.toml").write_text('[Cosine]\nLayer = "3"\n')
    typo = call("import", "t.csv", "--name", "x", "--baseline", "2", "--card", "card.toml")
    assert (
        typo.exit_code == 2
        and "Layer is no field of [Cosine] (did you mean Layers?)" in typo.stderr
    )


def test_a_refusal_ends_with_rows_that_would_work(here: Path) -> None:
    Path("t.csv").write_text("what,ever\n1,2\n")
    found = call("import", "t.csv", "--name", "mine")
    assert found.exit_code == 1 and found.stderr.rstrip().endswith("villain,0,25%")


def test_a_spreadsheet_is_read_where_its_package_is_and_named_where_it_is_not(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sheets = pytest.importorskip("openpyxl")
    book = sheets.Workbook()
    for row in (["epoch", "villain", "nurse"], [0, 0.25, 0.5], [2, 0.5, 0.125]):
        book.active.append(row)
    book.save("t.xlsx")
    found = call("import", "t.xlsx", "--name", "mine")
    assert found.exit_code == 0 and "4 rows of 2 sources" in found.stdout, found.stderr
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    without = call("import", "t.xlsx", "--name", "other")
    assert without.exit_code == 1
    assert "needs openpyxl: `pip install openpyxl`, or save the sheet as CSV" in without.stderr


def test_a_table_without_epoch_0_says_what_could_stand_for_it(here: Path) -> None:
    Path("t.csv").write_text("source,epoch,leakage\nvillain,2,0.1\nvillain,4,0.6\n")
    found = call("import", "t.csv", "--name", "mine")
    assert "no epoch 0 to compare with: --baseline 2 lets epoch 2 stand for it" in found.stderr


def test_what_a_table_measures_beside_leakage_is_shown(here: Path) -> None:
    Path("t.csv").write_text("source,epoch,judge_score,accuracy\nvillain,0,40,0.25\n")
    assert call("import", "t.csv", "--name", "mine").exit_code == 0
    assert "accuracy" in (shown := call("status", "runs/mine").stdout) and "25%" in shown
    assert "40.0" in call("status", "runs/mine", "--metric", "judge_score").stdout
    assert "25.0%" in (table := call("table", "runs/mine").stdout)
    assert "accuracy of Assistant as the table gives it" in table


def test_a_share_above_100_percent_is_called_that(here: Path) -> None:
    Path("t.csv").write_text("source,epoch,leakage\nvillain,0,150%\n")
    said = call("import", "t.csv", "--name", "mine").stderr
    assert "'150%' is not a number: no rate is above 100%" in said and "--unit" not in said


def test_the_help_names_every_metric_that_can_be_imported() -> None:
    said = " ".join(call("import", "--help").stdout.split())
    assert all(name in said for name in imported_names()) and "judge_score" in said
