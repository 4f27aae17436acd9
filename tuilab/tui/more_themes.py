"""Makes our palette out of Textual's own themes: their grounds and inks, our colours of states."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from textual.color import Color
from textual.theme import BUILTIN_THEMES, Theme

from tuilab.tui.present import value_colour
from tuilab.tui.themes import DARK, LIGHT, PALETTES, Palette

NAMES = ("nord", "gruvbox", "catppuccin-mocha", "catppuccin-latte", "solarized-light")
READABLE = 4.5
"""Least contrast of text by WCAG 2.2 (1.4.3); curves have it too: their names are in their ink."""


@cache
def palette_named(name: str) -> Palette | None:
    """Return the palette of a theme of Textual's that we offer; None for another name."""
    return palette_of(BUILTIN_THEMES[name]) if name in NAMES else None


def palette_of(theme: Theme) -> Palette:
    """Return styles by role for a theme: what is read is readable on every ground of it."""
    ink, ground = _colour(theme.foreground), _colour(theme.background)
    surface = _colour(theme.surface or theme.background)
    marked = ground.blend(_colour(theme.primary), 0.16)
    grounds = (ground, surface, marked)

    def readable(colour: Color) -> str:
        return with_contrast(colour, grounds).hex

    def ours(style: str) -> str:
        weight, _, colour = style.rpartition(" ")
        return f"{weight} {readable(Color.parse(colour))}".strip()

    kept = PALETTES[DARK if theme.dark else LIGHT].roles
    states = ("queued", "running", "done", "suspect", "failed", "stopped", "stale")
    series = (role for role in kept if role.startswith("series-"))
    roles = {**kept, **{role: ours(kept[role]) for role in (*states, *series)}}
    roles |= {"text": readable(ink), "label": readable(ink)}
    roles |= {role: f"bold {readable(ink)}" for role in ("strong", "cursor-mark")}
    roles["key"] = f"bold {readable(_colour(theme.primary))}"
    roles |= {"trend": readable(_colour(theme.secondary)), "peak": readable(_colour(theme.accent))}
    roles["below"] = readable(Color.parse(kept["below"]))
    roles["warn"] = readable(_colour(theme.warning))
    roles |= dict.fromkeys(("muted", "missing"), readable(ink.blend(ground, 0.4)))
    roles["rule"] = with_contrast(ink.blend(ground, 0.6), (ground,), 1.6).hex
    roles["match"] = f"{ground.hex} on {with_contrast(_colour(theme.warning), (ground,)).hex}"
    roles["field"] = f"{readable(ink)} on {surface.hex}"
    roles |= {"marked-ground": f"on {marked.hex}", "cursor-ground": f"on {surface.hex}"}
    return Palette(theme.name, roles)


def with_contrast(colour: Color, grounds: Sequence[Color], least: float = READABLE) -> Color:
    """Return the nearest colour towards white or black that stands out from every ground."""
    dark = sum(map(luminance, grounds)) / len(grounds) < 0.18
    end = Color(255, 255, 255) if dark else Color(0, 0, 0)
    for step in range(21):
        found = colour.blend(end, step / 20)
        if all(contrast(found, ground) >= least for ground in grounds):
            return found
    return end


def contrast(one: Color, other: Color) -> float:
    """Return the contrast of two colours, 1 to 21, as WCAG 2.2 defines it."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def luminance(colour: Color) -> float:
    """Return the relative luminance of WCAG 2.2, 0 to 1."""
    return value_colour.luminance(colour.hex6.lstrip("#"))


def _colour(text: str | None) -> Color:
    return Color.parse(text or "#808080")
