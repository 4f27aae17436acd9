"""Wherever the number of an edited cell stands, it is marked and its settings are named."""

from __future__ import annotations

import csv
import io
import json
import math
from pathlib import Path

import pytest

from tests.report.ran_here import edit, finish, whole
from tuilab.cli.status_text import as_text
from tuilab.report.caveats import caveats
from tuilab.report.folder import make_report
from tuilab.report.markdown import ReportParts, write_report
from tuilab.science.claims.standard import standard_claims
from tuilab.store.status import status
from tuilab.study.comparability import comparability, record_of
from tuilab.study.comparison import compare, same_cells
from tuilab.study.comparison_text import as_document, as_lines
from tuilab.study.headline_table import provenance_hash, render
from tuilab.study.study import Study, open_study
from tuilab.tui.present.compare_text import compare_lines
from tuilab.tui.present.glyphs import ASCII, UNICODE
from tuilab.tui.present.grid_lines import cell_text
from tuilab.tui.present.grid_table import View, Zoom, arrange, peak
from tuilab.tui.present.grid_view import words

SETS = {"marker.lr": 0.002}
CELL = "villain@2#42"
NAMED = "villain@2#42 (marker.lr=0.002)"


@pytest.fixture(scope="module")
def edited(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """One cell of two of a source ran with another learning rate."""
    scene = whole(tmp_path_factory.mktemp("edited") / "x")
    edit(scene, SETS, CELL)
    return open_study(scene.root)


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return open_study(whole(tmp_path_factory.mktemp("plain") / "x").root)


def test_rows_of_the_edited_cell_carry_its_settings(edited: Study, plain: Study) -> None:
    told = {(row["source"], row["epoch"]) for row in edited.rows if row["edits"]}
    assert told == {("villain", 2)}
    assert {row["edits"] for row in edited.rows} == {None, "marker.lr=0.002"}
    assert provenance_hash(edited) != provenance_hash(plain)


@pytest.mark.parametrize("layout", ["text", "md", "json"])
def test_the_table_counts_and_names_it_in_every_layout(edited: Study, layout: str) -> None:
    assert (
        f"1 cell ran with settings unlike the config and is kept out of every number: {NAMED}"
        in (render(edited, layout))
    )


def test_latex_and_csv_name_it_too(edited: Study, plain: Study) -> None:
    assert r"$\dagger$ 1 cell ran" in render(edited, "latex")
    rows = {row["source"]: row for row in csv.DictReader(io.StringIO(render(edited, "csv")))}
    assert rows["villain"]["edited"] == CELL and rows["comedian"]["edited"] == ""
    assert json.loads(render(edited, "json"))["edited"] == {
        "left_out": {CELL: "marker.lr=0.002"},
        "whole_sources": {},
    }
    assert "edited" not in render(plain, "text") and "†" not in render(plain, "md")


def test_status_names_it_in_json_and_in_text(edited: Study, plain: Study) -> None:
    document = status(edited.root)
    found = {f"{c['source']}@{c['epoch']}#{c['seed']}": c["edits"] for c in document["cells"]}
    assert found.pop(CELL) == SETS and set(map(str, found.values())) == {"{}"}
    text = "\n".join(as_text(document))
    assert "†75%" in text and f"† ran with settings unlike the config: {NAMED}" in text
    assert "†" not in "\n".join(as_text(status(plain.root)))


def test_the_grid_marks_it_with_a_legend_and_the_peak_passes_it_over(edited: Study) -> None:
    snapshot = edited.snapshot
    [view] = [one for one in snapshot.cells if str(one.cell) == CELL]
    for zoom, glyphs, text in (
        (Zoom.VALUE, UNICODE, "†75%"),
        (Zoom.VALUE, ASCII, "e75%"),
        (Zoom.DIGITS, UNICODE, "†75"),
    ):
        assert cell_text(view, "assistant_leakage", zoom, glyphs) == (text, "done")
    table = arrange(snapshot, View())
    seen = range(len(table.rows)), range(len(table.epochs))
    assert words(View(), table, frozenset(), seen)[1] == "† edited"
    assert words(View(), table, frozenset(), (range(1, 2), seen[1]))[1] == "rows 2-2 of 2"
    best = peak(table.rows[0], "assistant_leakage")
    assert best is not None and (math.isclose(best[0], 0.05), best[1]) == (True, 0)


def test_a_stale_value_is_not_said_to_have_run_with_what_is_planned_now(tmp_path: Path) -> None:
    scene = whole(tmp_path / "x")
    edit(scene, SETS, CELL)
    finish(scene, "train/villain@2#42", checks={"positives": 7})
    [view] = [one for one in open_study(scene.root).snapshot.cells if str(one.cell) == CELL]
    assert (view.state.value, dict(view.edits), dict(view.deviation)) == ("stale", {}, SETS)


def test_the_report_marks_the_number_and_a_caveat_names_the_cell(edited: Study) -> None:
    said = caveats(edited, [])
    assert f"1 cell ran with settings unlike the config: {NAMED}." in said
    assert any("1 edited cell is kept out of every number" in one for one in said)
    report = write_report(edited, ReportParts((), standard_claims(edited.analysis), said, (), ()))
    assert "†75% (30/40)" in report


def test_the_reports_rows_have_a_column_of_edits_only_where_there_are_any(
    edited: Study, plain: Study, tmp_path: Path
) -> None:
    for study, name in ((edited, "edited"), (plain, "plain")):
        made = make_report(study, tmp_path / name, kinds=())
        header, *lines = (made.report.parent / "measurements.csv").read_text().splitlines()
        assert header.endswith(",edits") is (name == "edited")
        assert any("marker.lr=0.002" in line for line in lines) is (name == "edited")


def test_a_comparison_marks_it_and_names_whose_it_is(edited: Study, plain: Study) -> None:
    one, other = plain.snapshot, edited.snapshot
    found = compare(one, other, "assistant_leakage")
    records = record_of(plain.reader, "plain"), record_of(edited.reader, "edited")
    apart = comparability(records, same_cells(one, other))
    text = "\n".join(as_lines(found, apart))
    assert "†+0" in text
    assert (
        f"† ran with settings unlike the config of their experiment: {other.name} {NAMED}." in text
    )
    cells = {(c["source"], c["epoch"]): c["edits"] for c in as_document(found, apart)["cells"]}
    assert cells["villain", 2] == {"one": None, "other": "marker.lr=0.002"}
    assert cells["villain", 0] == {"one": None, "other": None}
    lines = ["".join(text for text, _ in line) for line in compare_lines(found, 120)]
    assert any("†+0" in line for line in lines) and NAMED in lines[-1]
