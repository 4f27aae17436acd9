"""Decides which sign stands for a state; every state has a glyph as well as a colour."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rich.cells import cell_len

from tuilab.grid.edits import EDITED, EDITED_ASCII
from tuilab.grid.signs import ACCEPTED, ACCEPTED_ASCII, STAGE_SIGNS, STATE_SIGNS
from tuilab.grid.states import State

COUNTED = (
    State.QUEUED,
    State.WAITING,
    State.FAILED,
    State.SUSPECT,
    State.LOST,
    State.STOPPED,
    State.STALE,
    State.IDLE,
)
"""States of cells in the order in which their counts stand, behind what runs."""


@dataclass(frozen=True, slots=True)
class Glyphs:
    """One set of signs, each a single column wide."""

    states: Mapping[State, str]
    stages: Mapping[str, str]
    """What a running cell shows, by stage."""
    stroke: str
    """Horizontal rule."""
    upright: str
    """Vertical rule."""
    levels: str
    """Eight rising heights for sparklines and one-column cells."""
    depths: str
    """Rising sizes of what is below 0; "" where a height is turned over by its colours."""
    tones: str
    """Half-tones, fuller for more; "" where there are none."""
    mark: str
    here: str
    """In front of the row under the cursor."""
    dash: str
    """Between parts of a sentence."""
    full: str
    empty: str
    """Parts of a progress bar."""
    arrow: str
    ellipsis: str
    pause: str
    edited: str
    accepted: str
    """Before a number that ran with settings unlike the config."""
    engine_off: str
    is_ascii: bool = False

    def running(self, stage: str | None) -> str:
        """Sign of a live job at a stage."""
        return self.stages.get(stage or "", self.states[State.RUNNING])


UNICODE = Glyphs(
    states=STATE_SIGNS,
    stages=STAGE_SIGNS,
    stroke="─",
    upright="│",
    levels="▁▂▃▄▅▆▇█",
    depths="",
    tones=" ░▒▓█",
    mark="•",
    here="›",
    dash="·",
    full="█",
    empty="░",
    arrow="→",
    ellipsis="…",
    pause="‖",
    edited=EDITED,
    accepted=ACCEPTED,
    engine_off="■",
)

ASCII = Glyphs(
    states={
        State.IDLE: ".",
        State.WAITING: "w",
        State.QUEUED: "o",
        State.RUNNING: ">",
        State.DONE: "+",
        State.SUSPECT: "?",
        State.FAILED: "x",
        State.LOST: "!",
        State.STOPPED: "#",
        State.STALE: "~",
    },
    stages={"merge": "&", "eval": "@", "cosine": "^"},
    stroke="-",
    upright="|",
    levels="_.-=+*%#",
    depths="'\"!",
    tones="",
    mark="*",
    here=">",
    dash="-",
    full="#",
    empty=".",
    arrow="->",
    ellipsis="~",
    pause="=",
    edited=EDITED_ASCII,
    accepted=ACCEPTED_ASCII,
    engine_off="#",
    is_ascii=True,
)


_IN_ASCII = str.maketrans(
    {
        "…": "~",
        "·": "-",
        "→": ">",
        "–": "-",
        "—": "-",
        "±": "~",
        "•": "*",
        "›": ">",
        EDITED: EDITED_ASCII,
    }
    | {ACCEPTED: ACCEPTED_ASCII}
)


def to_ascii(text: str) -> str:
    """Write a text in ASCII without changing its width; what has no likeness becomes ``?``."""
    text = text.translate(_IN_ASCII)
    if text.isascii():
        return text
    return "".join(sign if sign.isascii() else "?" * cell_len(sign) for sign in text)


def level(share: float, glyphs: Glyphs) -> str:
    """Return the height sign for a share of 0..1; values outside are clipped."""
    last = len(glyphs.levels) - 1
    return glyphs.levels[max(0, min(last, round(share * last)))]
