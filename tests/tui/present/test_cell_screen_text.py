"""Words of the cell screen."""

from __future__ import annotations

from tuilab.tui.present.cell_screen_text import difference_words


def test_settings_that_differ_are_counted_as_people_count() -> None:
    assert difference_words({"a": "1"}, {"a": "2"}, "epoch 0") == "1 setting differs from epoch 0"
    assert difference_words({}, {}, "epoch 0") == "epoch 0 has no settings yet"
