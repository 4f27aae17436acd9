"""Writes bindings as a table: key, meaning, command-line twin; for help and for the docs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple, Protocol

from tuilab.tui.present.glyphs import Glyphs
from tuilab.tui.present.styled_text import Line, fit, fit_line

TWINS = {
    "app.pause": "tuilab pause | resume DIR",
    "app.start_engine": "tuilab run DIR",
    "app.go('plots')": "tuilab plot DIR",
    "app.go('table')": "tuilab table DIR",
    "app.go('queue')": "tuilab queue DIR",
    "app.go('grid')": "tuilab open DIR",
    "app.go('history')": "tuilab history DIR",
    "app.go('experiments')": "tuilab",
    "app.help": "tuilab -h",
    "grid.metric": "tuilab status DIR --metric METRIC",
    "grid.relaunch": "tuilab relaunch DIR CELL...",
    "grid.relaunch_failed": "tuilab relaunch DIR --failed | --stale",
    "grid.stop": "tuilab stop DIR CELL...",
    "grid.accept": "tuilab accept DIR CELL... --why TEXT",
    "queue.copy": "tuilab logs DIR JOB",
    "grid.note": "tuilab note DIR CELL... --text TEXT",
    "cell.again_or_note": "tuilab note DIR CELL --text TEXT",
    "grid.grow": "tuilab grow DIR --epochs N...",
    "grid.open_log": "tuilab logs DIR CELL",
    "grid.follow": "tuilab logs DIR CELL -f",
    "cell.relaunch": "tuilab relaunch DIR CELL",
    "cell.relaunch_failed": "tuilab relaunch DIR --failed | --stale",
    "cell.stop": "tuilab stop DIR CELL",
    "cell.accept": "tuilab accept DIR CELL --why TEXT",
    "experiments.open": "tuilab open DIR",
    "experiments.rename": "tuilab rename DIR NAME",
    "experiments.archive": "tuilab archive DIR",
    "experiments.delete": "tuilab delete DIR",
    "experiments.compare": "tuilab compare DIR DIR",
    "compare.metric": "tuilab compare DIR DIR --metric METRIC",
    "queue.shift(-1)": "tuilab queue DIR --first JOB...",
    "queue.shift(1)": "tuilab queue DIR --first JOB...",
    "queue.first": "tuilab queue DIR --first JOB",
    "queue.hold": "tuilab queue DIR --hold JOB",
    "queue.stop": "tuilab stop DIR JOB",
    "plots.kind(1)": "tuilab plot DIR KIND",
    "plots.intervals": "tuilab plot DIR KIND --intervals",
    "plots.export": "tuilab plot DIR KIND --out figures",
    "table.copy": "tuilab table DIR --format md",
    "table.full": "tuilab table DIR --full",
}
"""Command line that does the same, by id of the binding."""


class Bound(Protocol):
    """What is read of a binding."""

    @property
    def key(self) -> str: ...
    @property
    def key_display(self) -> str | None: ...
    @property
    def description(self) -> str: ...
    @property
    def tooltip(self) -> str: ...
    @property
    def id(self) -> str | None: ...


class KeyRow(NamedTuple):
    """One line of the table."""

    keys: str
    meaning: str
    twin: str
    group: str
    """Screen that the key belongs to."""


def key_rows(bindings: Iterable[Bound]) -> list[KeyRow]:
    """Return one row per binding that has an id, in order; keys of one action are joined."""
    found: dict[tuple[str, str], list[str]] = {}
    twins: dict[tuple[str, str], str] = {}
    for binding in bindings:
        if not binding.id:
            continue
        group = binding.id.partition(".")[0]
        meaning = binding.tooltip or binding.description
        signs = found.setdefault((group, meaning), [])
        sign = _sign(binding)
        if sign not in signs:
            signs.append(sign)
        twins[group, meaning] = TWINS.get(binding.id, "")
    rows = [
        KeyRow(" ".join(signs), meaning, twins[group, meaning], group)
        for (group, meaning), signs in found.items()
    ]
    return sorted(rows, key=lambda row: _GROUPS.get(row.group, 0))


_GROUPS = {"list": 1, "app": 2}
"""What every screen has stands behind what only this one has."""


_NAMES = {
    "question_mark": "?",
    "slash": "/",
    "dollar_sign": "$",
    "colon": ":",
    "escape": "esc",
    "left": "←",
    "right": "→",
    "up": "↑",
    "down": "↓",
}
_PAIRS = frozenset({"h/l", "j/k"})
"""Signs of the key bar that name a key together with its opposite."""


def _sign(binding: Bound) -> str:
    shown = binding.key_display
    if shown and shown not in _PAIRS:
        return shown
    return key_names(binding.key)


def key_names(keys: str) -> str:
    """Write the keys of a binding, which are separated by commas, as people know them."""
    return " ".join(_NAMES.get(key, key.replace("_", " ")) for key in keys.split(","))


def help_lines(rows: Iterable[KeyRow], columns: int, glyphs: Glyphs) -> list[Line]:
    """Lay rows out for a terminal; the twin stands at the right where there is room."""
    rows = list(rows)
    keys = max((len(row.keys) for row in rows), default=4)
    meaning = max((len(row.meaning) for row in rows), default=10)
    with_twin = columns >= keys + meaning + 34
    lines: list[Line] = []
    group = ""
    for row in rows:
        if row.group != group:
            group = row.group
            lines += [((f" {group}", "title"),)] if not lines else [(), ((f" {group}", "title"),)]
        text = _plain(row.keys) if glyphs.is_ascii else row.keys
        line: Line = (
            (f"  {fit(text, keys)}", "key"),
            (f"  {fit(row.meaning, meaning) if with_twin else row.meaning}", "text"),
        )
        if with_twin and row.twin:
            line = (*line, (f"  $ {row.twin}", "muted"))
        lines.append(fit_line(line, columns))
        if row.twin and not with_twin:
            lines.append(fit_line(((f"  {' ' * keys}    $ {row.twin}", "muted"),), columns))
    return lines


def _plain(keys: str) -> str:
    for sign, word in (("↵", "enter"), ("←", "left"), ("→", "right"), ("↑", "up"), ("↓", "down")):
        keys = keys.replace(sign, word)
    return keys


def markdown(rows: Iterable[KeyRow]) -> str:
    """Write the table for the README."""
    lines = ["| key | what it does | command line |", "|---|---|---|"]
    for row in rows:
        keys = " ".join(f"`{key}`" for key in row.keys.split(" ")).replace("`twice`", "twice")
        twin = row.twin.replace("|", r"\|")  # a bar would end the column, even in code
        lines.append(f"| {keys} | {row.meaning} | {f'`{twin}`' if twin else ''} |")
    return "\n".join(lines) + "\n"
