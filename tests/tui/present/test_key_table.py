"""Bindings as a table."""

from __future__ import annotations

from tuilab.tui.present.key_table import key_rows, markdown


def test_the_key_table_joins_keys_of_one_action() -> None:
    from tuilab.tui import keys

    rows = key_rows(keys.GRID)  # type: ignore[arg-type]
    [left] = [row for row in rows if row.meaning == "one cell to the left"]
    assert left.keys == "h ←"
    [rectangle] = [row for row in rows if row.meaning == "mark a rectangle"]
    assert rectangle.keys == "shift+arrows"
    assert "| `R` | relaunch all failed cells, or all stale ones |" in markdown(rows)
