"""Every state has a sign, and the docs name it."""

from __future__ import annotations

from pathlib import Path

from tuilab.grid.signs import STAGE_SIGNS, STATE_SIGNS, sign_of
from tuilab.grid.states import State

WORDS = Path(__file__).parents[2] / "docs" / "states.md"


def test_what_runs_shows_its_stage_and_nothing_else_does() -> None:
    assert (sign_of("running", "eval"), sign_of("running", "train")) == ("◐", "▶")
    assert sign_of(State.FAILED, "eval") == "✗"


def test_the_docs_name_every_sign() -> None:
    rows = [line.split("|") for line in WORDS.read_text(encoding="utf-8").splitlines()]
    table = {row[1].strip(): "|".join(row[2:]) for row in rows if len(row) > 3}
    assert set(STATE_SIGNS) == set(State)
    for state, sign in STATE_SIGNS.items():
        assert f"`{sign}`" in table[state.value]
    for stage, sign in STAGE_SIGNS.items():
        assert f"{stage} `{sign}`" in table["running"]
