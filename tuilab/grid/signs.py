"""The sign of each state, on the screen and on the command line alike."""

from __future__ import annotations

from collections.abc import Mapping

from tuilab.grid.states import State

STATE_SIGNS: Mapping[State, str] = {
    State.IDLE: "·", State.WAITING: "◌", State.QUEUED: "○", State.RUNNING: "▶", State.DONE: "●",
    State.SUSPECT: "?", State.FAILED: "✗", State.LOST: "!", State.STOPPED: "■", State.STALE: "~",
}  # fmt: skip
STAGE_SIGNS: Mapping[str, str] = {"merge": "◆", "eval": "◐", "cosine": "◑"}
"""What runs shows these by its stage."""

ACCEPTED, ACCEPTED_ASCII = "‡", "a"
"""Marks a stale number that a person has accepted as current, wherever people read it."""
KEPT = "stale, and accepted as current by a person"
"""What that mark means."""


def sign_of(state: State | str, stage: str | None = None) -> str:
    """Return the sign of a state; what runs shows its stage."""
    state = State(state)
    if state is State.RUNNING:
        return STAGE_SIGNS.get(stage or "", STATE_SIGNS[state])
    return STATE_SIGNS[state]
