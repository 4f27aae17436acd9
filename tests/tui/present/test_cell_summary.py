"""One cell in three lines."""

from __future__ import annotations

from tuilab.grid.cells import Cell
from tuilab.store.snapshot import Snapshot
from tuilab.tui.present.cell_summary import story
from tuilab.tui.present.glyphs import UNICODE
from tuilab.tui.present.grid_table import find
from tuilab.tui.present.styled_text import plain


def test_stories_say_why_and_what_next(half_way: Snapshot) -> None:
    def told(cell: Cell) -> str:
        one = find(half_way, cell)
        assert one is not None
        return " ".join(plain(line) for line in story(half_way, one, UNICODE))

    failed = told(Cell("medical_doctor", 16, 42))
    assert "gpu-oom in eval after 3m12s, attempt 2" in failed
    assert "CUDA out of memory" in failed
    assert "lower the batch size" in failed
    assert "the merged model equals its base" in told(Cell("nurse", 14, 42))
    assert "R relaunches all lost cells" in told(Cell("nurse", 16, 42))
    assert "stopped by ada@pod" in told(Cell("nurse", 18, 42))
    assert "queued, 2 of 17: the slot is busy" in told(Cell("villain", 20, 42))
    assert "stale: the config or the runner code" in told(Cell("comedian", 4, 42))
    assert "edited: marker.lr=1e-05" in told(Cell("comedian", 4, 42))
    assert "eval 62% for" in told(Cell("villain", 18, 42))
    assert "leakage 73% (146/200)  source 97%" in told(Cell("villain", 10, 42))
