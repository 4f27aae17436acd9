"""Says what the signs and colours of a screen mean; for the help screen."""

from __future__ import annotations

from dataclasses import dataclass

from tuilab.grid.states import State
from tuilab.tui.present.glyphs import Glyphs
from tuilab.tui.present.styled_text import Line, fit, fit_line
from tuilab.tui.present.value_colour import ARM, STEPS

_STATES = {
    State.IDLE: "idle: nobody has asked for it",
    State.WAITING: "waiting for an earlier stage",
    State.QUEUED: "queued: ready to run, no slot is free yet",
    State.RUNNING: "running; train, with how far it is",
    State.DONE: "done: its files were read again and pass all checks",
    State.SUSPECT: "suspect: it ended well, but what it left fails its checks",
    State.FAILED: "failed",
    State.LOST: "lost: no outcome and no sign of life",
    State.STOPPED: "stopped by a person; a number is from before",
    State.STALE: "stale: done, but an input has changed since",
}
_STAGES = {"merge": "running: merge", "eval": "running: eval", "cosine": "running: cosine"}


@dataclass(frozen=True, slots=True)
class Sign:
    """One sign as it is drawn, and what it means."""

    drawn: Line
    meaning: str


def signs_of(screen: str, glyphs: Glyphs) -> list[Sign]:
    """Return the signs of a screen by its name; [] where all is said in words."""
    states = [
        Sign(((glyphs.states[state], state.value),), meaning) for state, meaning in _STATES.items()
    ]
    stages = [
        Sign(((glyphs.running(stage), "running"),), meaning) for stage, meaning in _STAGES.items()
    ]
    marks = [
        Sign((("n/a", "missing"),), "not measured; never 0"),
        Sign(((f"{glyphs.edited}41%", "done"),), "measured with settings unlike the config's"),
        Sign(((f"{glyphs.accepted}41%", "done"),), "stale, and accepted as current by a person"),
        Sign(((f"{glyphs.mark}41%", "done marked"),), "marked: the next command is about it"),
        Sign((("[41%]", "cursor-mark"),), "under the cursor"),
    ]
    values = [
        Sign(_ramp("value", STEPS), "a rate from 0 to 100%; the scale is under the grid"),
        Sign(_ramp("sign", 2 * ARM + 1), "a cosine or difference, from below 0 to above"),
        Sign(((glyphs.levels, "trend"),), "trend: a row from 0 to its own largest value"),
        Sign(((glyphs.levels[2:5], "below"),), "below 0"),
    ]
    if screen == "grid":
        return [*states, *stages, *marks, *values]
    if screen in ("cell", "queue", "experiments"):
        return [*states, *stages]
    if screen == "plots":
        points = (("~", "a stale value"), ("?", "a suspect value"), (glyphs.edited, "edited"))
        return [*(Sign(((sign, "text"),), meaning) for sign, meaning in points), values[0]]
    return []


def _ramp(name: str, count: int) -> Line:
    return tuple((" ", f"{name}-{step}") for step in range(count))


_ROOM = 18


def legend_lines(signs: list[Sign], columns: int) -> list[Line]:
    """Write one line for each sign."""
    lines = []
    for sign in signs:
        used = sum(len(text) for text, _ in sign.drawn)
        gap = fit("", max(1, _ROOM - used))
        lines.append(
            fit_line((("  ", ""), *sign.drawn, (gap, ""), (sign.meaning, "text")), columns)
        )
    return lines
