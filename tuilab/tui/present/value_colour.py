"""Turns a value into a colour: one ramp for grid and heatmap, on the scale of the value's unit."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum

from tuilab.grid.text import number
from tuilab.grid.units import Unit
from tuilab.tui.present.styled_text import Line

Scale = tuple[float, float]
"""Values at both ends of a ramp."""
STEPS = 16
"""Colours of a ramp from low to high."""
ARM = 8
"""Colours on each side of 0, where both signs mean something."""
_VIRIDIS = (
    "440154 482677 424086 3a538b 31668e 2a778e 23898e 1f9a8a "
    "24aa83 37b878 52c569 70cf57 93d741 b5de2b d8e219 fde725"
)
_YLGNBU = (
    "ffffd9 f3fabd dbf1b2 b9e4b5 97d6b9 73c8bd 4ebbc2 35aac3 "
    "2397c1 1e83ba 206eb0 225ca7 24489d 253494 172976 081d58"
)
_MANAGUA = (
    "81e7ff 77cbee 6db1de 6497cd 597bb8 505e9d 4c447d 4e315e 572949 "
    "662a3d 7c3639 95483c af6042 c67b4b da9654 eeb35e ffcf67"
)
_PUOR = (
    "3c0f63 552889 644395 745ea2 867ab0 a39bc7 bdb9d9 d7d8ea f6f6f7 "
    "fbead2 fedbac fdca88 fdb965 ee9b39 d97b12 b75c07 934607"
)
# Sampled at equal distances in CIELAB from matplotlib's tables: viridis (van der Walt and Smith),
# managua (Crameri 2018), YlGnBu and PuOr (Brewer). Each can be read with any colour vision.
# More stands out more: on a dark ground it is lighter, on a light one darker.
ON_DARK = {"value": _VIRIDIS.split(), "sign": _MANAGUA.split()}
ON_LIGHT = {"value": _YLGNBU.split(), "sign": _PUOR.split()}


class Tint(Enum):
    """How values are told apart at a glance."""

    GROUND = "colour"
    """A ground in colour behind each value."""
    TONE = "half-tones"
    """A sign that is fuller for more, where a terminal has 16 colours."""
    NONE = "off"


def roles(ramps: Mapping[str, list[str]]) -> dict[str, str]:
    """Return the style of each role ``value-0`` to ``value-15`` and ``sign-0`` to ``sign-16``."""
    return {
        f"{name}-{step}": f"{ink(ground)} on #{ground}"
        for name, ramp in ramps.items()
        for step, ground in enumerate(ramp)
    }


def ink(ground: str) -> str:
    """Return black or white, whichever reads better on a ground: at least 4.5 to 1 on any."""
    # At this luminance black and white are equally far away (WCAG 2: (L + .05) / (l + .05)).
    return "#000000" if luminance(ground) > 0.179 else "#ffffff"


def luminance(colour: str) -> float:
    """Return the relative luminance of a colour such as ``3a538b`` by WCAG 2, 0 to 1."""
    red, green, blue = (_linear(int(colour[at : at + 2], 16) / 255) for at in (0, 2, 4))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _linear(part: float) -> float:
    return part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4


def role_of(value: float, unit: Unit, scale: Scale) -> str:
    """Return the role that paints a value; beyond the scale it is painted as its end."""
    low, high = scale
    if unit.is_diverging:
        share = max(-1.0, min(1.0, value / (max(abs(low), abs(high)) or 1.0)))
        return f"sign-{ARM + round(share * ARM)}"
    share = (value - low) / (high - low) if high > low else 0.0
    return f"value-{max(0, min(STEPS - 1, int(share * STEPS)))}"


def tone_of(value: float, unit: Unit, scale: Scale, tones: str) -> str:
    """Return the sign that is fuller for more; of a signed value its size counts."""
    low, high = (0.0, max(map(abs, scale))) if unit.is_diverging else scale
    share = (abs(value) - low) / (high - low) if high > low else 0.0
    return tones[max(0, min(len(tones) - 1, int(share * len(tones))))]


def legend(unit: Unit, scale: Scale, tint: Tint, tones: str) -> Line:
    """Write what the colours mean: ``0% ████████ 100%``; () where nothing is coloured."""
    low, high = scale
    if tint is Tint.GROUND:
        name, count = ("sign", 2 * ARM + 1) if unit.is_diverging else ("value", STEPS)
        body: Line = tuple((" ", f"{name}-{step}") for step in range(count))
    elif tint is Tint.TONE and tones:
        body = ((tones, "text"),)
    else:
        return ()
    first, last = unit.narrow(low), unit.narrow(high)
    if unit.is_diverging:
        first, last = (number(end * unit.scale, 0, "+") + unit.sign for end in (low, high))
        if tint is Tint.TONE:
            first, last = "0", last.replace("+", "±")
    return ((f"{first} ", "muted"), *body, (f" {last}", "muted"))
