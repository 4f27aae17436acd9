"""What a cell measured, beside the grid and on its own screen."""

from __future__ import annotations

from pathlib import Path

from tests.tui.building import LATER
from tests.tui.terminal import ROOT
from tuilab.grid.cells import Cell
from tuilab.grid.metrics import HEADLINE
from tuilab.store.reader import Reader
from tuilab.store.snapshot import Snapshot
from tuilab.tui.cell_look import CellLook, look_at, note_of
from tuilab.tui.present.cell_panel import (
    cosine_lines,
    horizontal,
    panel_lines,
    persona_lines,
)
from tuilab.tui.present.glyphs import ASCII, UNICODE
from tuilab.tui.present.grid_table import find
from tuilab.tui.present.styled_text import plain, width

PUBLISHED = ROOT / "tuilab" / "published"


def panel_of(root: Path, cell: Cell, size: tuple[int, int]) -> list[str]:
    reader = Reader(root)
    snapshot = reader.poll(LATER)
    view = find(snapshot, cell)
    assert view is not None
    lines = panel_lines(snapshot, look_at(reader, view), view, HEADLINE, size, UNICODE)
    assert len(lines) <= size[1] and all(width(line) <= size[0] for line in lines)
    return [plain(line) for line in lines]


def test_imported_results_are_told_with_interval_n_and_why_a_number_is_missing() -> None:
    lines = panel_of(PUBLISHED, Cell("villain", 10, 42), (60, 30))
    assert "leakage by persona" in lines[0]
    assert lines[2].split()[:3] == ["Villain", "n/a", "the"]
    assert lines[3].split() == ["source", "itself", "shows", "the", "marker"], "in full"
    assert lines[4].startswith("  Assistant   73%  [69, 77]   600 ████")
    assert any(line.startswith(" cosine +0.123  layer 15, marked") for line in lines)
    assert any("Per-epoch tables of the published card" in line for line in lines)


def test_a_panel_fits_whatever_room_there_is() -> None:
    for columns in (37, 50, 90):
        for rows in (1, 3, 8, 40):
            panel_of(PUBLISHED, Cell("villain", 10, 42), (columns, rows))


def test_a_failure_is_told_in_full_where_there_are_rows(half_way: Snapshot) -> None:
    view = next(one for one in half_way.cells if one.state == "failed")
    lines = panel_lines(half_way, CellLook(), view, HEADLINE, (38, 20), UNICODE)
    text = " ".join(plain(line).strip() for line in lines)
    assert view.detail in text
    assert not any("…" in plain(line) for line in lines)


def test_personas_stand_in_order_source_target_then_by_rate(half_way: Snapshot) -> None:
    view = next(one for one in half_way.cells if one.state == "done")
    rates = {"nurse": 1, "assistant": 5, "librarian": 9, view.cell.source: 3}
    rows = [
        {"metric": "leakage", "persona": who, "value": hits / 10, "hits": hits, "n": 10}
        for who, hits in rates.items()
    ]
    lines = persona_lines(rows, "leakage", view, half_way, 60, UNICODE)
    assert [plain(line).split()[0] for line in lines] == [
        "persona",
        half_way.labels[view.cell.source].split()[0],
        "Assistant",
        "Librarian",
        "Nurse",
    ]


def test_cosines_of_several_layers_are_a_table() -> None:
    rows = [
        {"metric": "cosine", "layer": layer, "model_state": state, "pool": "panel", "value": value}
        for layer, state, value in ((10, "base", 0.1), (15, "base", -0.2), (15, "marked", 0.25))
    ]
    shown = [plain(line) for line in cosine_lines(rows, 60)]
    assert [line.split() for line in shown] == [
        ["by", "layer", "10", "15"],
        ["cosine", "base,", "panel", "+0.100", "-0.200"],
        ["cosine", "marked,", "panel", "n/a", "+0.250"],
    ]
    assert [plain(line) for line in cosine_lines(rows[:1], 60)] == [
        " cosine +0.100  layer 10, base, panel"
    ]


def test_a_bar_is_exact_to_an_eighth_of_a_column() -> None:
    assert horizontal(1.0, 4, UNICODE) == "████"
    assert horizontal(1 / 32, 4, UNICODE) == "▏   "
    assert horizontal(0.5, 4, ASCII) == "##  "


def test_a_damaged_config_has_no_note(tmp_path: Path) -> None:
    from tuilab.store.layout import Layout

    (tmp_path / "experiment.toml").write_text("note = ")
    assert note_of(Layout(tmp_path)) == ""
    (tmp_path / "experiment.toml").write_text('note = "why we ran it"')
    assert note_of(Layout(tmp_path)) == "why we ran it"
