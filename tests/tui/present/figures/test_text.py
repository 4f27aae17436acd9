"""Captions and labels of figures at the sizes of real terminals."""

from __future__ import annotations

import pytest

from tests.tui.conftest import app_of, numbers_shown, press, text_of
from tuilab.store.shipped import published_dir
from tuilab.tui.present.figures.labels import Wish, line_ends
from tuilab.tui.present.figures.text import note_lines, note_rows
from tuilab.tui.present.glyphs import UNICODE
from tuilab.tui.present.styled_text import plain

CAPTION = (
    "Cosine at epoch 0 against peak: Spearman rho -0.31, p = 0.564, N = 6, without Nurse; Holm "
    "over 4 correlations. Each peak is the largest of 11 checkpoints, so it is biased upward; bars "
    "are 95% intervals. One seed (42): no replication. Synthetic model."
)


@pytest.mark.parametrize("columns", [80, 100, 140])
def test_a_caption_is_whole_on_a_screen_of_24_lines(columns: int) -> None:
    rows = note_rows(CAPTION, columns, 24)
    shown = [plain(line).strip() for line in note_lines(CAPTION, columns, rows, UNICODE)]
    assert " ".join(shown) == CAPTION


def test_a_label_that_is_cut_says_so() -> None:
    wishes = [Wish(tuple("▲ Med Doctor"), 0, 0), Wish(("■", " ", "医", "", "生", ""), 0, 1)]
    assert ["".join(label.text) for label in line_ends(wishes, 0, 9, 4)] == ["▲ Med Do…", "■ 医生"]
    assert ["".join(label.text) for label in line_ends(wishes, 0, 4, 4)] == ["▲ M…", "■  …"]


async def test_labels_between_panels_are_whole_at_80_columns() -> None:
    async with app_of(published_dir()).run_test(size=(80, 24)) as pilot:
        await press(pilot, "p", *"nnnn")
        await numbers_shown(pilot)
        assert "■ Med Doctor  " in text_of(pilot.app)  # type: ignore[arg-type]
