"""Signs of states."""

from __future__ import annotations

import pytest

from tuilab.grid.states import State
from tuilab.tui.present.glyphs import ASCII, UNICODE


@pytest.mark.parametrize("glyphs", [UNICODE, ASCII])
def test_every_state_has_a_glyph_of_its_own(glyphs: object) -> None:
    signs = [glyphs.states[state] for state in State]  # type: ignore[attr-defined]
    assert len(set(signs)) == len(State)
    assert all(len(sign) == 1 for sign in signs)


def test_ascii_glyphs_are_ascii() -> None:
    for name in ASCII.__dataclass_fields__:
        assert str(getattr(ASCII, name)).isascii(), name
