"""Gives roles their colours: a dark, a light and an explicit 16-colour theme."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from rich.style import Style
from textual.theme import Theme

from tuilab.tui.present.value_colour import ON_DARK, ON_LIGHT, roles

DARK, LIGHT, ANSI16 = "dark", "light", "ansi16"

_DARK = {
    "text": "#cdd6f4",
    "strong": "bold #cdd6f4",
    "muted": "#9ca0b5",
    "rule": "#45475a",
    "key": "bold #89b4fa",
    "label": "#bac2de",
    "trend": "#74c7ec",
    "below": "#cba6f7",
    "peak": "#94e2d5",
    "missing": "#9fa2b4",
    "warn": "#f9c74f",
    "cursor-mark": "bold #f5f5ff",
    "match": "#11111b on #f9c74f",
    "queued": "#56b4e9",
    "running": "#f0e442",
    "done": "#2fbf8f",
    "suspect": "bold #f5a97f",
    "failed": "bold #ff7253",
    "stopped": "#c6a0f6",
    "stale": "#c9b37e",
    "field": "#cdd6f4 on #313244",
    "marked-ground": "on #2f3350",
    "cursor-ground": "on #2a2c3e",
    "series-0": "#f17f41",
    "series-1": "#6ea6e0",
    "series-2": "#2fbf8f",
    "series-3": "#e59bc5",
    "series-4": "#f2b134",
    "series-5": "#7fd3f7",
    "series-6": "#a6a6b0",
}
_LIGHT = {
    "text": "#2f3146",
    "strong": "bold #1e2030",
    "muted": "#595b6f",
    "rule": "#acb0be",
    "key": "bold #1956d0",
    "label": "#3c3f58",
    "trend": "#0e688b",
    "below": "#7a3fb0",
    "peak": "#12666a",
    "missing": "#5b5e71",
    "warn": "bold #8f5200",
    "cursor-mark": "bold #1e2030",
    "match": "#ffffff on #8f5200",
    "queued": "#005f9b",
    "running": "#8328d6",
    "done": "#00614a",
    "suspect": "bold #9a4a00",
    "failed": "bold #ae370a",
    "stopped": "#9a3f75",
    "stale": "#6f5b0e",
    "field": "#1e2030 on #ccd0da",
    "marked-ground": "on #d6dcf2",
    "cursor-ground": "on #e2e5ec",
    "series-0": "#a54200",
    "series-1": "#005f99",
    "series-2": "#00694d",
    "series-3": "#9a3f75",
    "series-4": "#835500",
    "series-5": "#584dcb",
    "series-6": "#5f5f66",
}
_ANSI16 = {
    "text": "default",
    "strong": "bold",
    "muted": "bright_black",
    "rule": "bright_black",
    "key": "bold blue",
    "label": "default",
    "trend": "cyan",
    "below": "magenta",
    "peak": "cyan",
    "missing": "bright_black",
    "warn": "bold yellow",
    "cursor-mark": "bold",
    "match": "black on yellow",
    "queued": "blue",
    "running": "yellow",
    "done": "green",
    "suspect": "bold magenta",
    "failed": "bold red",
    "stopped": "default",
    "stale": "cyan",
    "field": "reverse",
    "marked-ground": "underline",
    "cursor-ground": "reverse",
    "series-0": "red",
    "series-1": "blue",
    "series-2": "green",
    "series-3": "magenta",
    "series-4": "yellow",
    "series-5": "cyan",
    "series-6": "default",
}


_ALIKE = {
    "title": "strong",
    "brand": "key",
    "lost": "failed",
    "idle": "missing",
    "waiting": "missing",
}
"""Roles that look like another in every theme."""


@dataclass(frozen=True)
class Palette:
    """Styles by role, with the modifiers cursor, marked, here and dim."""

    name: str
    roles: Mapping[str, str]

    def __hash__(self) -> int:
        return hash(self.name)

    def style(self, role: str) -> Style:
        """Return the style of a role such as ``failed cursor``; an unknown one is plain text."""
        return _style(self, role)

    def colour(self, role: str) -> str:
        """Return the ink of a role as a style sheet names it."""
        ink = self.roles[role].rpartition(" ")[2]
        return ink if ink.startswith("#") else f"ansi_{ink}"

    def on(self, role: str, ground: Style) -> Style:
        """Return the style of a role laid over a ground."""
        return _on(self, role, ground)


@lru_cache(maxsize=2048)
def _on(palette: Palette, role: str, ground: Style) -> Style:
    return ground + _style(palette, role)


@lru_cache(maxsize=1024)
def _style(palette: Palette, role: str) -> Style:
    name, *modifiers = role.split(" ") if role else ("text",)
    style = Style.parse(palette.roles.get(_ALIKE.get(name, name), palette.roles["text"]))
    for modifier in modifiers:
        if modifier == "cursor":
            style += Style(reverse=True, bold=True)
        elif modifier == "marked" and style.bgcolor is None:
            style += Style.parse(palette.roles["marked-ground"])
        elif modifier == "hang":
            style += Style(reverse=True)
        elif modifier == "here":
            style += Style(bold=True)
        elif modifier == "ground" and style.bgcolor is None:
            # What has a ground of its own, such as the marker, would not be legible on another.
            # Reversed inks of 16 colours would make the row a patchwork: there it has none.
            plain = style.without_color if palette.name == ANSI16 else style
            style = plain + Style.parse(palette.roles["cursor-ground"])
        elif modifier == "dim":
            style = Style.parse(palette.roles["rule"])
    if palette.name == ANSI16 and {"cursor", "ground"} <= set(modifiers):
        # The whole row is reversed there: its one cell stands out by not being so.
        style += Style(reverse=False, bold=True, underline=True)
    return style


PALETTES = {
    DARK: Palette(DARK, _DARK | roles(ON_DARK)),
    LIGHT: Palette(LIGHT, _LIGHT | roles(ON_LIGHT)),
    ANSI16: Palette(ANSI16, _ANSI16),
}

TEXTUAL_THEMES = (
    Theme(
        name=DARK,
        primary="#89b4fa",
        secondary="#56b4e9",
        accent="#89b4fa",
        warning="#f9c74f",
        error="#ff6b4a",
        success="#2fbf8f",
        foreground="#cdd6f4",
        background="#181825",
        surface="#1e1e2e",
        panel="#313244",
        dark=True,
        variables={"border": "#585b70", "border-blurred": "#45475a"},
    ),
    Theme(
        name=LIGHT,
        primary="#1e66f5",
        secondary="#0077c2",
        accent="#1e66f5",
        warning="#8f5200",
        error="#b83a0b",
        success="#00614a",
        foreground="#2f3146",
        background="#f4f5f8",
        surface="#eff1f5",
        panel="#dce0e8",
        dark=False,
        variables={"border": "#8c8fa1", "border-blurred": "#acb0be"},
    ),
    Theme(
        name=ANSI16,
        ansi=True,
        primary="ansi_blue",
        secondary="ansi_cyan",
        accent="ansi_blue",
        warning="ansi_yellow",
        error="ansi_red",
        success="ansi_green",
        foreground="ansi_default",
        background="ansi_default",
        surface="ansi_default",
        panel="ansi_default",
        boost="ansi_default",
        dark=True,
        variables={
            "ansi-background": "ansi_black",
            "ansi-foreground": "ansi_white",
            "border": "ansi_blue",
            "border-blurred": "ansi_bright_black",
            "block-cursor-foreground": "ansi_black",
            "block-cursor-background": "ansi_white",
            "input-cursor-background": "ansi_white",
            "input-cursor-foreground": "ansi_black",
            "input-cursor-text-style": "none",
            "input-selection-background": "ansi_bright_blue",
            "input-selection-foreground": "ansi_black",
        },
    ),
)
