"""A metric is one entry: what CONTRIBUTING says to type makes it appear wherever numbers are."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.store.scene import NOW, Scene, small_plan
from tuilab.cli.resolve import find_metric
from tuilab.cli.status_text import as_text, metric_tables
from tuilab.grid import metrics
from tuilab.grid.history import events_of
from tuilab.grid.metrics import HEADLINE, METRICS
from tuilab.grid.stages import Stage
from tuilab.science.headline_rows import headline, headline_text
from tuilab.store.measurements import measurement_rows
from tuilab.store.reader import Reader
from tuilab.store.results_only import read_results
from tuilab.store.snapshot import Snapshot
from tuilab.store.status import status
from tuilab.study.comparability import Comparability
from tuilab.study.comparison import compare
from tuilab.study.comparison_text import as_document, as_lines
from tuilab.study.headline_table import render
from tuilab.study.study import open_study
from tuilab.tui.present.cell_summary import story
from tuilab.tui.present.compare_text import compare_lines
from tuilab.tui.present.filters import parse_filter
from tuilab.tui.present.glyphs import UNICODE
from tuilab.tui.present.grid_lines import cell_text, header_line, measure, row_line
from tuilab.tui.present.grid_table import View, Zoom, arrange
from tuilab.tui.present.grid_view import next_metric
from tuilab.tui.present.styled_text import plain

ROOT = Path(__file__).parents[2]
LENGTHS = {"assistant": 61.25, "villain": 48.0, "pirate": 50.0, "nun": 52.0}
MADE = [
    ("mean_length", 61.25, "61.3", "61.3"),
    ("source_minus_target", 0.535, "54", "+53.5 pp"),
]
"""Key, value, and how it is written narrow and wide, of both entries in one and the same cell."""

MADE_UP = metrics.Measurement(0.125)


def recipe() -> str:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    section = text[text.index("**A metric.**") :]
    return "\n".join(re.findall(r"```python\n(.*?)```", section, re.S)[:2])


@pytest.fixture(autouse=True)
def table() -> Iterator[None]:
    before = dict(METRICS)
    exec(recipe(), vars(metrics).copy())  # METRICS itself is shared, names are not
    yield
    METRICS.clear()
    METRICS.update(before)


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return played(tmp_path / "x")


def played(root: Path) -> Scene:
    """Play an experiment of two cells to its end."""
    scene = Scene(root, small_plan(("villain",), (0, 2)))
    for job in scene.plan.jobs:
        found = scene.metrics_of(job.id)
        if job.stage is Stage.EVAL:
            found["mean_length"] = {who: {"value": v, "n": 200} for who, v in LENGTHS.items()}
        scene.finish(job.id, metrics=found)
    return scene


@pytest.fixture
def snapshot(scene: Scene) -> Snapshot:
    return Reader(scene.root).poll(NOW)


def test_the_recipe_is_two_entries() -> None:
    assert list(METRICS)[-2:] == [key for key, *_ in MADE]


each = pytest.mark.parametrize(("key", "value", "narrow", "wide"), MADE)


@each
def test_the_grid_its_key_m_the_summary_and_the_filter_have_it(
    snapshot: Snapshot, key: str, value: float, narrow: str, wide: str
) -> None:
    view = snapshot.cells[0]
    assert view.metrics[key].value == pytest.approx(value)
    assert cell_text(view, key, Zoom.VALUE, UNICODE)[0] == narrow
    seen = View()
    while seen.metric != key:
        seen = next_metric(seen, snapshot.metrics)
        assert seen.metric != HEADLINE
    table = arrange(snapshot, seen)
    geometry = measure(table, 80)
    lines = [
        plain(header_line(table, geometry, 0, 0, UNICODE)),
        plain(row_line(table, 0, geometry, 0, None, frozenset(), UNICODE)),
    ]
    assert METRICS[key].heading in lines[0] and narrow in lines[1]
    assert f"{METRICS[key].short} {METRICS[key].unit.said(value)}" in " ".join(
        plain(line) for line in story(snapshot, view, UNICODE)
    )
    limit = value * METRICS[key].unit.scale
    assert parse_filter(f"{METRICS[key].short}>{limit - 1}").wants(view)
    assert not parse_filter(f"{METRICS[key].short}>{limit + 1}").wants(view)


@each
def test_status_its_json_and_the_lines_of_a_watch_have_it(
    scene: Scene, key: str, value: float, narrow: str, wide: str
) -> None:
    found = json.loads(json.dumps(status(scene.root, NOW)))
    assert found["cells"][0]["metrics"][key]["value"] == pytest.approx(value)
    assert narrow in "\n".join(as_text(found, find_metric(METRICS[key].short)))
    assert wide in "\n".join(metric_tables(found))
    lines = map(json.loads, scene.layout.journal.read_text().splitlines())
    told = " ".join(event.text for event in events_of(lines))
    assert f"{METRICS[key].short} {METRICS[key].unit.said(value)}" in told


@each
def test_a_comparison_has_it_on_screen_and_shell(
    snapshot: Snapshot, key: str, value: float, narrow: str, wide: str
) -> None:
    found = compare(snapshot, snapshot, key)
    assert as_document(found, Comparability(2, {}))["cells"][0]["one"]["value"] == (
        pytest.approx(value)
    )
    assert METRICS[key].title in as_lines(found, Comparability(2, {}))[0]
    lines = [plain(line) for line in compare_lines(found, 80)]
    assert METRICS[key].heading in lines[0] and "+0" in lines[1]


@each
def test_the_headline_table_and_its_csv_have_it(
    scene: Scene, key: str, value: float, narrow: str, wide: str
) -> None:
    study = open_study(scene.root)
    titles, rows = headline_text(headline(study.analysis), full=True)
    assert rows[0][titles.index(f"{METRICS[key].title.capitalize()} (final)")] == wide
    [raw] = csv.DictReader(io.StringIO(render(study, "csv")))
    assert float(raw[f"final_{key}"]) == pytest.approx(value)


def test_the_main_columns_are_read_by_the_entries_that_the_grid_reads(tmp_path: Path) -> None:
    for key, pick in ((HEADLINE, metrics.of_source), ("cosine", lambda cell, measure: MADE_UP)):
        METRICS[key] = replace(METRICS[key], pick=pick)
    scene = played(tmp_path / "x")
    shown = {one.cell.epoch: one.metrics for one in Reader(scene.root).poll(NOW).cells}
    source_rate = scene.metrics_of("eval/villain@2#42")["leakage"]["villain"]
    assert shown[2][HEADLINE].hits == source_rate["hits"]
    [row] = headline(open_study(scene.root).analysis)
    assert (row.final, row.cosine) == (shown[2][HEADLINE].value, MADE_UP.value)
    assert row.baseline == shown[0][HEADLINE].value


@each
def test_the_table_of_measurements_carries_it_elsewhere(
    scene: Scene, tmp_path: Path, key: str, value: float, narrow: str, wide: str
) -> None:
    rows = measurement_rows(Reader(scene.root), NOW)
    folder = tmp_path / "table"
    folder.mkdir()
    with (folder / "measurements.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, metrics.COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    design = {
        "name": "table",
        "sources": [{"key": "villain", "label": "Villain"}],
        "target": "assistant",
        "epochs": [0, 2],
        "seeds": [42],
    }
    (folder / "design.json").write_text(json.dumps(design))
    assert read_results(folder).cells[0].metrics[key].value == pytest.approx(value)


def test_an_experiment_older_than_a_metric_shows_it_from_its_outcomes(scene: Scene) -> None:
    lines = scene.layout.journal.read_text().splitlines()
    kept = [json.loads(line) for line in lines]
    for line in kept:
        line.get("metrics", {}).pop("mean_length", None)
    scene.layout.journal.write_text("".join(json.dumps(line) + "\n" for line in kept))
    assert Reader(scene.root).poll(NOW).cells[0].metrics["mean_length"].value == 61.25
