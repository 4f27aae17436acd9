"""The command line that does what a key does."""

from __future__ import annotations

from tuilab.grid.cells import Cell


def test_cells_are_named_by_as_few_selectors_as_the_grid_allows() -> None:
    from tuilab.tui.present.cli_equivalent import selectors

    grid = [Cell(source, epoch, 42) for source in ("a", "b") for epoch in (0, 2)]
    assert selectors(grid[:2], grid) == ["a@*"]
    assert selectors(grid[1:3], grid) == ["a@2", "b@0"]
    two_seeds = [*grid, Cell("a", 0, 43)]
    assert selectors(grid[:1], two_seeds) == ["a@0#42"]
