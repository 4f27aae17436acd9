"""``tuilab import``: a table becomes an experiment, or nothing is written."""

from __future__ import annotations

import csv
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
    absent = call("import", "nowhere.csv", "--name", "mine")
    assert absent.exit_code == 1 and absent.stderr == "nowhere.csv: there is no such file\n"
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


def test_a_cell_that_excel_shows_as_a_percentage_is_one(here: Path) -> None:
    """The file has 0.45 where people see 45%: with --unit percent that was half a percent."""
    sheets = pytest.importorskip("openpyxl")
    book = sheets.Workbook()
    for row in (["source", "epoch", "leakage"], ["villain", 0, 0.005], ["villain", 2, 0.45]):
        book.active.append(row)
    for line in (2, 3):
        book.active.cell(line, 3).number_format = "0.0%"
    book.save("t.xlsx")
    for unit in ("percent", "rate"):
        assert call("import", "t.xlsx", "--name", unit, "--unit", unit).exit_code == 0
        assert [row[3] for row in values_of(unit)] == [0.005, 0.45]


def values_of(name: str) -> list[tuple[int, str, str, float]]:
    """Epoch, metric, persona and value of what was imported."""
    rows = csv.DictReader(Path("runs", name, "measurements.csv").read_text().splitlines())
    return [(int(r["epoch"]), r["metric"], r["persona"], float(r["value"])) for r in rows]


def test_the_names_that_help_lists_are_metrics_of_a_tidy_table_too(here: Path) -> None:
    text = "source,epoch,metric,value (%)\nvillain,0,assistant_leakage,0.5\n"
    Path("t.csv").write_text(text + "villain,2,assistant_leakage,45\nvillain,0,source_rate,90\n")
    found = call("import", "t.csv", "--name", "mine")
    assert found.exit_code == 0, found.stderr
    assert values_of("mine") == [
        (0, "leakage", "assistant", 0.005),
        (0, "leakage", "villain", 0.9),
        (2, "leakage", "assistant", 0.45),
    ]


def test_the_published_tables_own_head_is_read(here: Path) -> None:
    Path("t.csv").write_text("source,epoch,assistant_leakage_pct\nvillain,0,0.0\nvillain,2,45.0\n")
    assert call("import", "t.csv", "--name", "mine").exit_code == 0
    assert [row[3] for row in values_of("mine")] == [0.0, 0.45]


def test_a_cosine_without_its_pool_is_refused_with_a_row_that_has_one(here: Path) -> None:
    Path("t.csv").write_text("source,epoch,layer,cosine\nvillain,0,15,-0.355\n")
    found = call("import", "t.csv", "--name", "mine")
    example = found.stderr.rstrip().splitlines()[-2:]
    Path("u.csv").write_text("\n".join(line.strip() for line in example))
    assert found.exit_code == 1 and call("import", "u.csv", "--name", "ours").exit_code == 0


def test_unicode_text_of_a_spreadsheet_is_read(here: Path) -> None:
    text = "source\tepoch\tleakage\nvillain\t0\t1%\nvillain\t2\t50%\n"
    Path("t.txt").write_bytes(text.encode("utf-16"))
    assert call("import", "t.txt", "--name", "mine").exit_code == 0
    assert [row[3] for row in values_of("mine")] == [0.01, 0.5]


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
