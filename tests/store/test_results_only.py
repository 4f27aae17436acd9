"""Tables without a plan open as a read-only experiment."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from tuilab.grid.cells import Cell
from tuilab.grid.metrics import COLUMNS
from tuilab.grid.states import State
from tuilab.store.find_experiments import find_experiments, is_experiment
from tuilab.store.measurements import completions, measurement_rows
from tuilab.store.reader import Reader
from tuilab.store.results_only import ResultsError
from tuilab.store.status import status

from .scene import NOW

DESIGN = {
    "name": "published",
    "sources": [{"key": "villain", "label": "Villain"}, {"key": "nurse", "label": "Nurse"}],
    "target": "assistant",
    "target_label": "Assistant",
    "epochs": [0, 2],
    "seeds": [42],
    "reference": "eps109",
    "headline_cosine": {"layer": 15, "pool": "11 personas", "model_state": "marked"},
    "provenance": {"card": "EPS-109"},
}
ROWS: list[dict[str, Any]] = [
    {"epoch": 0, "metric": "leakage", "persona": "assistant", "value": 0.0, "hits": 0, "n": 600},
    {"epoch": 2, "metric": "leakage", "persona": "assistant", "value": 0.45, "n": 600},
    {"epoch": 2, "metric": "leakage", "persona": "villain", "value": 0.95},
    {"epoch": 2, "metric": "leakage", "persona": "comedian", "value": 0.2},
    {"epoch": 2, "metric": "leakage", "persona": "police", "value": 0.3},
    {
        "epoch": 2,
        "metric": "cosine",
        "value": 0.102,
        "layer": 15,
        "pool": "11 personas",
        "model_state": "marked",
    },
    {
        "epoch": 2,
        "metric": "cosine",
        "value": 0.9,
        "layer": 20,
        "pool": "11 personas",
        "model_state": "marked",
    },
    {
        "source": "nurse",
        "epoch": 0,
        "metric": "leakage",
        "persona": "nurse",
        "status": "missing",
        "reason": "not in the evaluated panel",
    },
    {"source": "nurse", "epoch": 2, "metric": "leakage", "status": "failed", "reason": "gpu-oom"},
]


def write(root: Path, rows: list[dict[str, Any]] = ROWS, design: Any = DESIGN) -> Path:
    root.mkdir(exist_ok=True)
    (root / "design.json").write_text(json.dumps(design))
    with (root / "measurements.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows({"source": "villain", "seed": 42, **row} for row in rows)
    return root


def test_tables_open_as_done_cells_with_their_numbers(tmp_path: Path) -> None:
    snapshot = Reader(write(tmp_path)).poll(NOW)
    assert snapshot.read_only
    assert snapshot.imported_from == "measurements.csv of card EPS-109"
    assert (snapshot.name, snapshot.target, snapshot.reference) == (
        "published",
        "assistant",
        "eps109",
    )
    assert snapshot.labels == {"villain": "Villain", "nurse": "Nurse", "assistant": "Assistant"}
    assert snapshot.counts == {"idle": 1, "done": 2, "failed": 1}
    view = snapshot.cells[1]
    assert view.cell == Cell("villain", 2, 42)
    assert view.metrics["assistant_leakage"].value == 0.45
    assert view.metrics["source_rate"].value == 0.95
    assert (view.metrics["max_bystander"].value, view.metrics["max_bystander"].who) == (
        0.3,
        "police",
    )
    assert view.metrics["cosine"].value == 0.102


def test_what_was_never_evaluated_is_not_zero(tmp_path: Path) -> None:
    nurse = Reader(write(tmp_path)).poll(NOW).cells[2]
    assert nurse.state is State.IDLE
    assert nurse.metrics == {}
    assert nurse.detail == "not in the evaluated panel"


def test_a_true_zero_stays_a_zero(tmp_path: Path) -> None:
    view = Reader(write(tmp_path)).poll(NOW).cells[0]
    assert view.metrics["assistant_leakage"].value == 0.0


def test_tables_give_the_same_picture_each_time(tmp_path: Path) -> None:
    reader = Reader(write(tmp_path))
    assert reader.poll(NOW) is reader.poll(NOW + 9)
    assert measurement_rows(reader, NOW)[1]["value"] == 0.45
    assert list(completions(reader, Cell("villain", 0, 42))) == []


def test_tables_are_found_and_have_a_status(tmp_path: Path) -> None:
    write(tmp_path / "published")
    assert is_experiment(tmp_path / "published")
    assert [found.root.name for found in find_experiments(tmp_path)] == ["published"]
    assert status(tmp_path / "published", NOW)["read_only"] is True


def test_rows_of_an_unplanned_cell_are_reported(tmp_path: Path) -> None:
    extra = {"source": "pirate", "epoch": 0, "metric": "leakage", "value": 0.1}
    assert "pirate@0#42" in Reader(write(tmp_path, [*ROWS, extra])).poll(NOW).problems[0]


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"epoch": "two"}, "row 2"),
        ({"value": "many"}, "row 2"),
        ({"value": "nan"}, "row 2.*finite"),
        ({"value": "inf"}, "row 2.*finite"),
        ({"metric": ""}, "row 2.*needs"),
        ({"hits": "1.5"}, "row 2"),
    ],
)
def test_a_bad_row_is_named(tmp_path: Path, change: dict[str, Any], word: str) -> None:
    with pytest.raises(ResultsError, match=rf"measurements\.csv, {word}"):
        Reader(write(tmp_path, [ROWS[0] | change]))


@pytest.mark.parametrize("part", ["name", "sources", "target", "epochs", "seeds"])
def test_a_design_that_lacks_a_part_is_refused_in_words(tmp_path: Path, part: str) -> None:
    with pytest.raises(ResultsError, match=part):
        Reader(write(tmp_path, design={k: v for k, v in DESIGN.items() if k != part}))


@pytest.mark.parametrize("name", ["design.json", "measurements.csv"])
def test_tables_cut_anywhere_never_crash(tmp_path: Path, name: str) -> None:
    path = write(tmp_path) / name
    whole = path.read_bytes()
    for cut in range(0, len(whole), 7):
        path.write_bytes(whole[:cut])
        try:
            Reader(tmp_path).poll(NOW)
        except ResultsError as error:
            assert name in str(error)
