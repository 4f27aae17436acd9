"""Draws prepared figures as lines of text: lines from the canvas, points and labels on top."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

from tuilab.grid.text import MISSING, number
from tuilab.grid.units import RATE
from tuilab.tui.present.figures.canvas import Axes, axes_of, canvas_rows, finite
from tuilab.tui.present.figures.labels import Label, Wish, beside_points, line_ends
from tuilab.tui.present.figures.look import (
    Look,
    Sign,
    Spot,
    glyph_of,
    joined,
    mark_of,
    role_of,
    signs_of,
)
from tuilab.tui.present.styled_text import Line, fit, fit_line, plain
from tuilab.tui.present.styled_text import width as width_of
from tuilab.tui.present.value_colour import ON_DARK, ink, tone_of
from tuilab.tui.present.value_colour import role_of as role_of_value

if TYPE_CHECKING:
    from tuilab.science.figures.model import Figure, HeatCell, Matrix, Panel, Series

_PANEL = (36, 8)
"""Columns and lines that a panel keeps before panels are left out."""
_LABEL_COLUMNS = 16
_GAP = 2
"""Columns between panels: a label must not run into the next panel's axis."""
MOST_SERIES = 40
"""More lines than this in one panel are mush: those around the focused one are drawn."""
_NARROW, _WIDE = 5, 12
"""Least and most columns of one square."""


def figure_pieces(figure: Figure, width: int, height: int, look: Look | None = None) -> list[Line]:
    """Return at most ``height`` lines of at most ``width`` columns.

    Panels stand side by side where each keeps at least 36 columns, otherwise one below the other;
    panels for which there is no room are named in the last line, never the one with the cursor.
    """
    lines = _panels(figure, width, height, look or Look())
    return [fit_line(line, width) for line in lines[:height]]


def _panels(figure: Figure, width: int, height: int, look: Look) -> list[Line]:
    if not figure.panels:
        return [(("nothing yet", "muted"),)]
    across, first, fits, each, numbers = _arranged(figure, width, height, look)
    hidden = [number for number in range(len(figure.panels)) if number not in numbers]
    lines: list[Line] = []
    for row in range(first, first + fits):
        blocks = [
            panel_pieces(figure, number, width // across - _GAP * (across > 1), each, look)
            for number in numbers
            if number // across == row
        ]
        lines += _side_by_side(blocks, width // across)
    if hidden:
        names = [figure.panels[number].title or figure.panels[number].y_label for number in hidden]
        lines.append(((f"(no room for: {', '.join(names)})", "muted"),))
    return lines


def _arranged(
    figure: Figure, width: int, height: int, look: Look
) -> tuple[int, int, int, int, range]:
    """Return panels across, first row of panels, rows, lines of each, and which are shown."""
    count = len(figure.panels)
    across = max(1, min(count, figure.columns, width // _PANEL[0]))
    rows = -(-count // across)
    fits = max(1, min(rows, height // _PANEL[1]))
    here = look.cursor.panel // across if look.cursor else 0
    first = max(0, min(here, rows - fits))
    numbers = range(first * across, min((first + fits) * across, count))
    each = (height - (len(numbers) < count)) // fits
    return across, first, fits, each, numbers


def spot_near(
    figure: Figure, width: int, height: int, look: Look, at: tuple[int, int]
) -> Spot | None:
    """Return the point that is nearest to (column, line) of a figure so drawn; None beside all."""
    if not figure.panels:
        return None
    across, first, _, each, numbers = _arranged(figure, width, height, look)
    place = min(at[0] // (width // across), across - 1)
    number = (first + at[1] // max(1, each)) * across + place
    if number not in numbers:
        return None
    panel, own = figure.panels[number], width // across - _GAP * (across > 1)
    has_foot = each >= _PANEL[1] and not _has_lines(panel)
    axes = axes_of(panel, own, each - 1 - has_foot, _label_room(panel, own))
    if panel.matrix is not None or axes is None:
        return None
    x, y = at[0] - place * (width // across) - axes.left, at[1] % each - 1
    points = [
        (abs(axes.column(a) - x) + 2 * abs(axes.row(b) - y), Spot(number, row, column))
        for row in shown_series(panel, look.focus)
        for column, a, b in finite(panel.series[row].points)
    ]
    return min(points, key=lambda one: one[0])[1] if points else None


def panel_pieces(figure: Figure, number: int, width: int, height: int, look: Look) -> list[Line]:
    """Draw one panel with its title; "nothing yet" where there is no value."""
    panel = figure.panels[number]
    ellipsis = "~" if look.is_ascii else "…"
    title = fit_line(((panel.title or panel.y_label, "title"),), width, ellipsis)
    cursor = look.cursor if look.cursor is not None and look.cursor.panel == number else None
    if panel.matrix is not None:
        return [title, *heat_lines(panel.matrix, width, height - 1, cursor, look)]
    if not any(finite(series.points) for series in panel.series):
        return [title, (("nothing yet", "muted"),)]
    has_foot = height >= _PANEL[1] and not _has_lines(panel)
    rows = _plot(figure, number, (width, height - 1 - has_foot), look, cursor)
    if rows is None:
        return [title, (("no room for a plot", "warn"),)]
    foot = [fit_line(((f"x: {panel.x_label}", "muted"),), width, ellipsis)] if has_foot else []
    return [title, *(joined(row) for row in rows), *foot]


def _plot(
    figure: Figure, number: int, size: tuple[int, int], look: Look, cursor: Spot | None
) -> list[list[Sign]] | None:
    panel = figure.panels[number]
    axes = axes_of(panel, *size, _label_room(panel, size[0]))
    if axes is None:
        return None
    shown = shown_series(panel, look.focus)
    with_all = look.with_intervals and look.focus is None
    base = _base(figure, number, axes, shown, look.is_ascii, with_all)
    rows = [list(row) for row in base]
    if look.focus is not None:
        rows = [[(sign, _dimmed(role)) for sign, role in row] for row in rows]
        _lay_focus(rows, figure, number, axes, look)
    _lay_points(rows, panel, shown, axes, look)
    _lay_labels(rows, panel, shown, axes, look)
    if cursor is not None:
        _lay_cursor(rows, panel, axes, look, cursor)
    return rows


@lru_cache(maxsize=16)
def _base(
    figure: Figure,
    number: int,
    axes: Axes,
    shown: tuple[int, ...],
    is_ascii: bool,
    with_intervals: bool,
) -> tuple[tuple[Sign, ...], ...]:
    """What stays while a cursor moves; drawing lines is what takes time."""
    panel = figure.panels[number]
    drawn = [panel.series[place] for place in shown]
    return tuple(tuple(row) for row in canvas_rows(panel, axes, drawn, is_ascii, with_intervals))


def shown_series(panel: Panel, focus: str | None) -> tuple[int, ...]:
    """Numbers of the series that are drawn: all, or those around the focused one."""
    count = len(panel.series)
    here = next((n for n, series in enumerate(panel.series) if series.key == focus), 0)
    first = max(0, min(here - MOST_SERIES // 2, count - MOST_SERIES))
    return tuple(range(first, min(first + MOST_SERIES, count)))


def _lay_focus(rows: list[list[Sign]], figure: Figure, number: int, axes: Axes, look: Look) -> None:
    """Draw the focused line over all others, whole."""
    panel = figure.panels[number]
    for place, series in enumerate(panel.series):
        if series.key != look.focus:
            continue
        alone = _base(figure, number, axes, (place,), look.is_ascii, look.with_intervals)
        for row, signs in enumerate(alone):
            for column, (sign, role) in enumerate(signs):
                if role == role_of(series):
                    rows[row][column] = (sign, f"{role} here")


def _lay_points(
    rows: list[list[Sign]], panel: Panel, shown: Sequence[int], axes: Axes, look: Look
) -> None:
    for series in sorted((panel.series[n] for n in shown), key=lambda one: one.key == look.focus):
        points = finite(series.points)
        is_dense = len(points) > axes.columns // 3
        for place, (index, x, y) in enumerate(points):
            status = series.points[index].status
            if is_dense and status == "measured" and place not in (0, len(points) - 1):
                continue
            sign = (glyph_of(series, status, look), _role(series, look))
            rows[axes.row(y)][axes.left + axes.column(x)] = sign


def _lay_labels(
    rows: list[list[Sign]], panel: Panel, shown: Sequence[int], axes: Axes, look: Look
) -> None:
    named = [panel.series[n] for n in shown if finite(panel.series[n].points)]
    labels = panel_labels(panel, named, axes, look)
    for label in labels:
        series = named[label.wish] if label.wish >= 0 else None
        is_dim = look.focus is not None and (series is None or series.key != look.focus)
        role = "muted" if series is None or is_dim else _role(series, look)
        _write(rows, axes, label, role)
    for line in panel.references:
        if line.label:
            _write_beside(rows, axes, line.label, line.start, line.end)
    if _has_lines(panel):
        place = slice(-len("epoch"), None)
        if all(sign == " " for sign, _ in rows[-1][-len("epoch") - 2 :]):
            rows[-1][place] = [(sign, "muted") for sign in "epoch"]


def panel_labels(panel: Panel, named: Sequence[Series], axes: Axes, look: Look) -> list[Label]:
    """Place the labels of ``named``, which have at least one point each."""
    points = [(series, finite(series.points)) for series in named]
    ends = [(series, found[-1]) for series, found in points]
    if not _has_lines(panel):
        wishes = [Wish(signs_of(one.label), axes.column(x), axes.row(y)) for one, (_, x, y) in ends]
        return beside_points(wishes, axes.columns, axes.lines)
    column = axes.column(panel.x_range[1]) + 2
    wishes = [
        Wish(signs_of(f"{glyph_of(one, 'measured', look)} {one.label}"), column, axes.row(y))
        for one, (_, _, y) in ends
    ]
    ellipsis = "~" if look.is_ascii else "…"
    first = next((n for n, (series, _) in enumerate(ends) if series.key == look.focus), None)
    return line_ends(wishes, column, axes.columns - column, axes.lines, first, ellipsis)


def _lay_cursor(rows: list[list[Sign]], panel: Panel, axes: Axes, look: Look, cursor: Spot) -> None:
    """Put brackets around the point; a gap has its brackets on the axis."""
    series = panel.series[cursor.row]
    point = series.points[cursor.column]
    drawn = {number: (x, y) for number, x, y in finite(series.points)}
    x, y = drawn.get(cursor.column, (point.x, panel.y_range[0]))
    row, column = rows[axes.row(y)], axes.left + axes.column(x)
    # A gap hides no point of another line that happens to stand there.
    sign = glyph_of(series, point.status, look) if cursor.column in drawn else row[column][0]
    row[column] = (sign, f"{role_of(series)} cursor")
    for side, bracket in ((column - 1, "["), (column + 1, "]")):
        if axes.left <= side < len(row):
            row[side] = (bracket, "cursor-mark")


def _write(rows: list[list[Sign]], axes: Axes, label: Label, role: str) -> None:
    for step, sign in enumerate(label.text):
        rows[label.row][axes.left + label.column + step] = (sign, role)


def _write_beside(
    rows: list[list[Sign]],
    axes: Axes,
    text: str,
    start: tuple[float, float],
    end: tuple[float, float],
) -> None:
    """Write what a sloping reference means left of its upper part, where that is free."""
    x, y = (low + (high - low) * 0.9 for low, high in zip(start, end, strict=True))
    row, foot = rows[axes.row(y)], axes.left + axes.column(x)
    while foot > axes.left and row[foot - 1][0] != " ":  # a flat line takes several columns
        foot -= 1
    begin = foot - len(text) - 2
    if begin > axes.left and all(sign == " " for sign, _ in row[begin - 1 : begin + len(text) + 1]):
        row[begin : begin + len(text)] = [(sign, "muted") for sign in text]


def _label_room(panel: Panel, width: int) -> int:
    if not _has_lines(panel):
        return 0
    widest = max((len(signs_of(one.label)) for one in panel.series), default=0) + 2
    return min(widest, max(_LABEL_COLUMNS, width // 4), width * 2 // 5) + 2


def _has_lines(panel: Panel) -> bool:
    return any(series.is_line for series in panel.series)


def _role(series: Series, look: Look) -> str:
    if look.focus is None:
        return role_of(series)
    return f"{role_of(series)} {'here' if series.key == look.focus else 'dim'}"


def _dimmed(role: str) -> str:
    return f"{role} dim" if role.startswith("series-") else role


def _side_by_side(blocks: Sequence[Sequence[Line]], width: int) -> list[Line]:
    if len(blocks) == 1:
        return list(blocks[0])
    return [tuple(_padded(blocks, row, width)) for row in range(max(map(len, blocks)))]


def _padded(blocks: Sequence[Sequence[Line]], row: int, width: int) -> Iterator[tuple[str, str]]:
    for block in blocks:
        line = block[row] if row < len(block) else ()
        yield from line
        yield " " * (width - width_of(line)), ""


def heat_lines(
    matrix: Matrix, width: int, height: int, cursor: Spot | None, look: Look
) -> list[Line]:
    """Return a header and one line per row; the part around the cursor when not all fits."""
    if not matrix.rows or not matrix.columns or height < 2:
        return [(("nothing yet", "muted"),)]
    ellipsis = "~" if look.is_ascii else "…"
    left = min(14, max(len(row) for row in matrix.rows) + 1)
    each = max(_NARROW, min(_WIDE, (width - left) // len(matrix.columns)))
    columns = _window(len(matrix.columns), (width - left) // each, cursor.column if cursor else 0)
    is_cut = len(columns) < len(matrix.columns) or len(matrix.rows) > height - 1
    rows = _window(len(matrix.rows), height - (2 if is_cut else 1), cursor.row if cursor else 0)
    lines = [_header(matrix, columns, left, each, cursor, ellipsis)]
    for row in rows:
        is_here = cursor is not None and cursor.row == row
        name = fit(matrix.rows[row], left - 1, ellipsis)
        squares = [
            _square(
                matrix.cells[row][column],
                each,
                cursor == Spot(_panel(cursor), row, column),
                look,
            )
            for column in columns
        ]
        lines.append(
            ((name + " ", "strong" if is_here else "label"), *(p for s in squares for p in s))
        )
    if is_cut:
        lines.append(((_what_is_seen(matrix, rows, columns), "muted"),))
    return lines


def _panel(cursor: Spot | None) -> int:
    return cursor.panel if cursor is not None else 0


def _window(count: int, fits: int, here: int) -> range:
    fits = max(1, min(fits, count))
    first = max(0, min(here - fits // 2, count - fits))
    return range(first, first + fits)


def _header(
    matrix: Matrix, columns: range, left: int, each: int, cursor: Spot | None, ellipsis: str
) -> Line:
    names = [
        (
            f"{_short(matrix.columns[column], each - 1, ellipsis).strip():>{each - 1}} ",
            "strong" if cursor is not None and cursor.column == column else "label",
        )
        for column in columns
    ]
    return ((" " * left, ""), *names)


def _short(name: str, columns: int, ellipsis: str) -> str:
    return fit(name, columns, ellipsis if columns > 4 else "")


def _square(cell: HeatCell, each: int, is_here: bool, look: Look) -> Line:
    is_number = cell.value is not None and math.isfinite(cell.value)
    text = f"{mark_of(cell.status, look)}{number(cell.value)}" if is_number else MISSING
    role = role_of_value((cell.value or 0.0) / 100, RATE, (0.0, 1.0)) if is_number else "muted"
    if is_here:
        return ((f"{f'[{text}]':>{each}}", f"{role} cursor"),)
    lead = " "
    if look.tones and cell.value is not None and is_number:
        lead = tone_of(cell.value / 100, RATE, (0.0, 1.0), look.tones)
    # A blank in the ground of the screen keeps neighbours apart.
    return ((lead, ""), (f"{text:>{each - 2}} ", role))


def _what_is_seen(matrix: Matrix, rows: range, columns: range) -> str:
    parts = []
    for name, seen, count in (
        ("rows", rows, len(matrix.rows)),
        ("columns", columns, len(matrix.columns)),
    ):
        if len(seen) < count:
            parts.append(f"{name} {seen.start + 1} to {seen.stop} of {count}")
    return f"({', '.join(parts)})"


def figure_lines(
    figure: Figure, width: int, height: int, look: Look | None = None, has_colour: bool = True
) -> list[str]:
    """Return ``height`` lines or fewer of at most ``width`` columns, with ANSI colours or plain."""
    lines = figure_pieces(figure, width, height, look)
    if not has_colour:
        return [plain(line).rstrip() for line in lines]
    return ["".join(_coloured(text, role) for text, role in line) for line in lines]


def _rgb(code: str) -> str:
    return ";".join(str(int(code[at : at + 2], 16)) for at in (0, 2, 4))


def _coloured(text: str, role: str) -> str:
    from tuilab.science.figures.model import COLOURS

    name, _, number = role.partition(" ")[0].partition("-")
    if name == "series" and not role.endswith("dim"):
        return f"\x1b[38;2;{_rgb(COLOURS[int(number)].lstrip('#'))}m{text}\x1b[0m"
    if name == "value":
        ground = ON_DARK[name][int(number)]
        return f"\x1b[48;2;{_rgb(ground)};38;2;{_rgb(ink(ground)[1:])}m{text}\x1b[0m"
    return f"\x1b[2m{text}\x1b[0m" if name in ("muted", "rule", "series") else text
