"""Values in colour: legible, even, and on the scale of the metric's unit."""

from __future__ import annotations

from itertools import pairwise
from math import dist

import pytest

from tuilab.grid.units import COSINE, MINUTES, RATE, Unit
from tuilab.tui.present.glyphs import UNICODE
from tuilab.tui.present.styled_text import plain
from tuilab.tui.present.value_colour import (
    ON_DARK,
    ON_LIGHT,
    Tint,
    ink,
    legend,
    luminance,
    role_of,
    tone_of,
)

RAMPS = [(name, ramp) for ramps in (ON_DARK, ON_LIGHT) for name, ramp in ramps.items()]
# Machado, Oliveira and Fernandes 2009: a full loss of one kind of cone, on linear RGB.
LOSSES = {
    "protan": ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216)),
    "deutan": ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413)),
}
_BLUE = {
    "protan": (-0.003882, -0.048116, 1.051998),
    "deutan": (-0.011820, 0.042940, 0.968881),
}


def linear(colour: str) -> list[float]:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    return [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]


def lab(rgb: list[float]) -> tuple[float, float, float]:
    """CIELAB of linear sRGB under D65."""
    to_xyz = ((0.4124, 0.3576, 0.1805), (0.2126, 0.7152, 0.0722), (0.0193, 0.1192, 0.9505))
    white = (0.95047, 1.0, 1.08883)
    x, y, z = (
        max(0.0, sum(a * b for a, b in zip(row, rgb, strict=True))) / w
        for row, w in zip(to_xyz, white, strict=True)
    )
    f = [c ** (1 / 3) if c > 0.008856 else 7.787 * c + 16 / 116 for c in (x, y, z)]
    return 116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])


def seen_by(loss: str, colour: str) -> tuple[float, float, float]:
    rgb = linear(colour)
    rows = (*LOSSES[loss], _BLUE[loss])
    return lab([sum(a * b for a, b in zip(row, rgb, strict=True)) for row in rows])


@pytest.mark.parametrize(("name", "ramp"), RAMPS)
def test_digits_are_legible_on_every_colour(name: str, ramp: list[str]) -> None:
    for ground in ramp:
        light, dark = sorted((luminance(ground), luminance(ink(ground)[1:])), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 4.5, ground


@pytest.mark.parametrize(("name", "ramp"), RAMPS)
def test_steps_of_a_ramp_look_equally_large(name: str, ramp: list[str]) -> None:
    steps = [dist(lab(linear(one)), lab(linear(other))) for one, other in pairwise(ramp)]
    assert sorted(steps)[1] > 0.7 * max(steps)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize(("name", "ramp"), RAMPS)
def test_a_ramp_keeps_its_order_for_people_with_colour_blindness(
    name: str, ramp: list[str], loss: str
) -> None:
    seen = [seen_by(loss, colour) for colour in ramp]
    lightness = [one[0] for one in seen]
    arms = [lightness] if name == "value" else [lightness[:9][::-1], lightness[8:]]
    for arm in arms:
        change = [later - earlier for earlier, later in pairwise(arm)]
        assert all(step > 0 for step in change) or all(step < 0 for step in change)
    if name == "sign":
        assert all(dist(seen[8 - step], seen[8 + step]) > 10 for step in range(2, 9))


@pytest.mark.parametrize(
    ("value", "unit", "scale", "role"),
    [
        (0.0, RATE, (0.0, 1.0), "value-0"),
        (1.0, RATE, (0.0, 1.0), "value-15"),
        (0.5, RATE, (0.0, 1.0), "value-8"),
        (7.0, MINUTES, (0.0, 14.0), "value-8"),
        (0.0, COSINE, (-1.0, 1.0), "sign-8"),
        (-1.0, COSINE, (-1.0, 1.0), "sign-0"),
        (0.5, COSINE, (-1.0, 1.0), "sign-12"),
        (99.0, COSINE, (-1.0, 1.0), "sign-16"),
        (3.0, MINUTES, (0.0, 0.0), "value-0"),
    ],
)
def test_a_colour_is_a_place_on_the_scale_of_the_unit(
    value: float, unit: Unit, scale: tuple[float, float], role: str
) -> None:
    assert role_of(value, unit, scale) == role


def test_half_tones_are_fuller_for_more_and_of_a_signed_value_for_its_size() -> None:
    assert [tone_of(v, RATE, (0, 1), UNICODE.tones) for v in (0.0, 0.3, 0.5, 0.7, 1.0)] == [
        *UNICODE.tones
    ]
    assert tone_of(-0.9, COSINE, (-1, 1), UNICODE.tones) == UNICODE.tones[-1]


def test_the_legend_says_what_both_ends_mean() -> None:
    assert plain(legend(RATE, (0.0, 1.0), Tint.GROUND, "")) == "0% " + " " * 16 + " 100%"
    assert plain(legend(COSINE, (-1.0, 1.0), Tint.GROUND, "")) == "-1 " + " " * 17 + " +1"
    assert plain(legend(COSINE, (-1.0, 1.0), Tint.TONE, UNICODE.tones)) == "0  ░▒▓█ ±1"
    assert legend(RATE, (0.0, 1.0), Tint.NONE, UNICODE.tones) == ()
