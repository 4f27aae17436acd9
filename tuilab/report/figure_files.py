"""Draws prepared figures as PNG and PDF by matplotlib; it decides nothing about data."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuilab.grid.edits import EDITED
from tuilab.grid.text import list_of, number, rate_digits
from tuilab.report.figure_fonts import reach_all
from tuilab.science.figures.model import Figure, Matrix, Panel, Series

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas
    from matplotlib.image import AxesImage

FORMATS = ("png", "pdf")
_INK = "#222222"
_FAINT = "#9a9a9a"
_NOTE = "#5f5f5f"
_WIDTH = 8.0
"""Inches."""
_LEADER: dict[str, Any] = {
    "arrowstyle": "-",
    "lw": 0.4,
    "alpha": 0.6,
    "relpos": (-0.1, 0.5),
    "patchA": None,
    "shrinkA": 0,
    "shrinkB": 0,
}
"""From left of a label to its point; to clip it at both would be a third of the drawing."""
_DODGE = 0.4
"""Share of the distance of two epochs over which the lines of a panel stand beside each other."""
_DPI = 160
_MARGIN = 0.1
"""Inches around all that is drawn."""


def save_figure(figure: Figure, folder: Path, *, pictures: bool = True) -> list[Path]:
    """Write KIND.png, KIND.pdf and KIND.csv (the rows drawn) into ``folder``; return the paths.

    Without ``pictures`` the rows alone.
    The files carry no dates, so equal values give equal files.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from")  # the figure's note says it
        made = _draw_to(figure, folder) if pictures else []
    folder.mkdir(parents=True, exist_ok=True)
    rows = folder / f"{figure.kind}.csv"
    figure.rows.to_csv(rows, index=False)
    return [*made, rows]


def _draw_to(figure: Figure, folder: Path) -> list[Path]:
    canvas = draw(figure)
    # Laying out is slow; once, and without a drawing, is enough for both formats.
    if (engine := canvas.get_layout_engine()) is not None:
        engine.execute(canvas)
    _break_lines(canvas)
    # Without an engine, and told what to keep, each format is drawn once; "tight" takes two.
    canvas.set_layout_engine(None)
    kept = canvas.get_tightbbox().padded(_MARGIN)
    folder.mkdir(parents=True, exist_ok=True)
    made = []
    for kind in FORMATS:
        path = folder / f"{figure.kind}.{kind}"
        metadata = {"CreationDate": None} if kind == "pdf" else {"Software": None}
        canvas.savefig(path, dpi=_DPI, metadata=metadata, bbox_inches=kept)
        made.append(path)
    return made


def _break_lines(canvas: Canvas) -> None:
    """Break title and note into lines once: for that they are measured word by word."""
    laid_out_at, canvas.dpi = canvas.dpi, _DPI
    renderer = canvas.canvas.get_renderer()  # type: ignore[attr-defined]  # of Agg, see ``draw``
    for text in canvas.texts:
        text.get_window_extent(renderer)
        text.set_text(text._get_wrapped_text())  # type: ignore[attr-defined]  # not in its stubs
        text.set_wrap(False)
    canvas.dpi = laid_out_at


def draw(figure: Figure) -> Canvas:
    """Return the matplotlib figure, without any window or global state."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure as Canvas

    columns = max(1, min(figure.columns, len(figure.panels) or 1))
    count = max(1, -(-len(figure.panels) // columns))
    canvas = Canvas(figsize=(_WIDTH, _height(figure, count, columns)), layout="constrained")
    FigureCanvasAgg(canvas)
    grid = canvas.subplots(count, columns, squeeze=False)
    places = list(grid.flat)
    image = None
    for index, (place, panel) in enumerate(zip(places, figure.panels, strict=False)):
        image = _draw_panel(place, panel) or image
        if index % columns:
            place.set_ylabel("")
    for place in places[len(figure.panels) :]:
        place.set_axis_off()
    if image is not None:  # all squares of a figure are on one scale
        scale = canvas.colorbar(image, ax=places, label="%", fraction=0.03, pad=0.01)
        scale.ax.tick_params(labelsize=7, colors=_INK)
    canvas.suptitle(figure.title, fontsize=12, color=_INK, x=0.01, ha="left")
    moved = any(any(dodges(panel)) for panel in figure.panels)
    caption = f"{figure.note} Points of one epoch stand side by side." if moved else figure.note
    note = canvas.supxlabel(caption, fontsize=7, color=_NOTE, x=0.01, ha="left", wrap=True)
    if lacking := reach_all(canvas):
        note.set_text(f"{no_font(lacking)}. {caption}")
    return canvas


def no_font(characters: str) -> str:
    """Say that a figure shows boxes for some characters, by their code points, and the way out."""
    codes = list_of([f"U+{ord(char):04X}" for char in characters], 3)
    return f"No font here has {codes}: install one that has, such as Noto Sans CJK"


def _height(figure: Figure, rows: int, columns: int) -> float:
    if any(panel.matrix is not None for panel in figure.panels):
        return 0.9 + sum(
            1.4 + 0.32 * len(panel.matrix.rows) for panel in figure.panels if panel.matrix
        )
    return 1.0 + rows * (4.0 if columns == 1 and rows == 1 else 2.9 if columns == 1 else 2.2)


def _draw_panel(axes: Axes, panel: Panel) -> AxesImage | None:
    """Draw a panel; return the picture of a heatmap, which a scale is made of."""
    axes.set_title(panel.title, fontsize=9, color=_INK, loc="left")
    axes.set_xlabel(panel.x_label, fontsize=8, color=_INK)
    axes.set_ylabel(panel.y_label, fontsize=8, color=_INK)
    axes.tick_params(labelsize=7, colors=_INK)
    if panel.matrix is not None:
        return _draw_matrix(axes, panel.matrix)
    panel = _dodged(panel)
    axes.set_xlim(*panel.x_range)
    axes.set_ylim(*panel.y_range)
    axes.set_xticks([tick.at for tick in panel.x_ticks], [tick.label for tick in panel.x_ticks])
    axes.set_yticks([tick.at for tick in panel.y_ticks], [tick.label for tick in panel.y_ticks])
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#e6e6e6", linewidth=0.6)
    axes.set_axisbelow(True)
    for line in panel.references:
        axes.plot(*zip(line.start, line.end, strict=True), color=_FAINT, lw=0.8, ls=":", zorder=1)
    for band in panel.bands:
        _draw_band(axes, band)
    for series in panel.series:
        _draw_series(axes, series)
    _label_series(axes, panel)
    if not any(point.y is not None for series in panel.series for point in series.points):
        axes.text(0.5, 0.5, "nothing yet", transform=axes.transAxes, ha="center", color=_FAINT)
    return None


def dodges(panel: Panel) -> list[float]:
    """Return how far each series is moved along x, that bars of one epoch do not cover each other.

    One number at least; 0 where nothing could be covered: without bars, or beside no other line.
    """
    barred = [
        place
        for place, series in enumerate(panel.series)
        if series.is_line and any(p.y is not None and p.low is not None for p in series.points)
    ]
    moved = [0.0] * max(1, len(panel.series))
    places = sorted({point.x for series in panel.series for point in series.points})
    if len(barred) < 2 or len(places) < 2:
        return moved
    width = _DODGE * min(later - earlier for earlier, later in pairwise(places))
    for rank, place in enumerate(barred):
        moved[place] = width * (rank / (len(barred) - 1) - 0.5)
    return moved


def _dodged(panel: Panel) -> Panel:
    """Move the series of a panel beside each other, and make room for that at both ends."""
    beside = dodges(panel)
    if not any(beside):
        return panel
    moved = [
        replace(series, points=tuple(replace(point, x=point.x + aside) for point in series.points))
        for series, aside in zip(panel.series, beside, strict=True)
    ]
    low, high = panel.x_range
    return replace(panel, series=tuple(moved), x_range=(low + min(beside), high + max(beside)))


def _draw_band(axes: Axes, band: Series) -> None:
    # A gap is not filled: what is nan has no ground.
    low, high = (
        [math.nan if end is None else end for end in ends]
        for ends in zip(*((point.low, point.high) for point in band.points), strict=True)
    )
    places = [point.x for point in band.points]
    axes.fill_between(places, low, high, color=band.mark.colour, alpha=0.25, lw=0, zorder=0)


def _draw_series(axes: Axes, series: Series) -> None:
    colour, marker = series.mark.colour, series.mark.marker
    if series.is_line:
        # A line never bridges what was not measured.
        heights = [math.nan if p.y is None else p.y for p in series.points]
        axes.plot([p.x for p in series.points], heights, color=colour, lw=1.4, zorder=2)
    # One artist for many points: drawing takes its time by the artist.
    known = [(p.x, p.y, p) for p in series.points if p.y is not None]
    spans = [(p.x, p.low, p.high) for _, _, p in known if p.low is not None and p.high is not None]
    if spans:
        across = [at for x, _, _ in spans for at in (x, x, math.nan)]
        along = [at for _, low, high in spans for at in (low, high, math.nan)]
        axes.plot(across, along, color=colour, lw=0.8, alpha=0.5)
    for is_sound in (True, False):
        points = [(x, y) for x, y, p in known if (p.status == "measured") is is_sound]
        if points:
            fill = colour if is_sound else "white"
            xs, ys = zip(*points, strict=True)
            # Not clipped: the first and last point stand on the edges of the axes.
            axes.plot(
                xs, ys, marker, ms=5, color=colour, mfc=fill, mew=1.0, zorder=3, clip_on=False
            )


def _label_series(axes: Axes, panel: Panel) -> None:
    """Name each line at its end, or each point beside it, pushed apart so that none overlap."""
    ends = [
        (series, last)
        for series in panel.series
        if (last := next((p for p in reversed(series.points) if p.y is not None), None)) is not None
    ]
    if not ends:
        return
    is_lines = any(series.is_line for series, _ in ends)
    low, high = panel.y_range
    gap = (high - low) * 0.055
    placed = spread([point.y or 0.0 for _, point in ends], gap, low, high)
    offset = (panel.x_range[1] - panel.x_range[0]) * 0.02
    for (series, point), height in zip(ends, placed, strict=True):
        axes.annotate(
            series.label,
            xy=(point.x, point.y or 0.0),
            xytext=((panel.x_range[1] if is_lines else point.x) + offset, height),
            fontsize=7.5,
            color=series.mark.colour,
            va="center",
            annotation_clip=False,
            arrowprops=_LEADER | {"color": series.mark.colour},
        )


def spread(places: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Move places apart until neighbours are ``gap`` apart, each as little as its order allows.

    Order is kept. They may leave low..high only when there is no room for all.
    """
    order = sorted(range(len(places)), key=lambda index: places[index])
    clusters: list[list[int]] = []
    for index in order:
        clusters.append([index])
        while len(clusters) > 1 and _bottom(clusters[-1], places, gap) < (
            _bottom(clusters[-2], places, gap) + gap * len(clusters[-2])
        ):
            clusters[-2:] = [clusters[-2] + clusters[-1]]
    wished = [
        _bottom(cluster, places, gap) + step * gap
        for cluster in clusters
        for step in range(len(cluster))
    ]
    for index in range(len(wished)):
        wished[index] = max(wished[index], wished[index - 1] + gap if index else low)
    ceiling = max(high, low + gap * (len(wished) - 1))
    for index in reversed(range(len(wished))):
        wished[index] = min(wished[index], ceiling)
        ceiling = wished[index] - gap
    moved = [0.0] * len(places)
    for index, place in zip(order, wished, strict=True):
        moved[index] = place
    return moved


def _bottom(cluster: Sequence[int], places: Sequence[float], gap: float) -> float:
    """Lowest place of a cluster whose members stand ``gap`` apart around their mean."""
    middle = sum(places[index] for index in cluster) / len(cluster)
    return middle - gap * (len(cluster) - 1) / 2


def _draw_matrix(axes: Axes, matrix: Matrix) -> AxesImage | None:
    import numpy as np

    values = np.array(
        [[np.nan if cell.value is None else cell.value for cell in row] for row in matrix.cells]
    )
    if values.size == 0:
        axes.text(0.5, 0.5, "nothing yet", transform=axes.transAxes, ha="center", color=_FAINT)
        return None
    shades = np.ma.masked_invalid(values)
    image = axes.imshow(shades, cmap="cividis", vmin=0, vmax=100, aspect="auto")
    axes.set_facecolor("white")
    axes.set_xticks(range(len(matrix.columns)), matrix.columns, rotation=35, ha="right")
    kinds = matrix.kinds or [""] * len(matrix.rows)
    labels = [
        f"{row}\n({kind})" if kind else row for row, kind in zip(matrix.rows, kinds, strict=True)
    ]
    axes.set_yticks(range(len(matrix.rows)), labels)
    for row, cells in enumerate(matrix.cells):
        for column, cell in enumerate(cells):
            text = number(cell.value, rate_digits(cell.n))
            mark = {"measured": "", "missing": "", "edited": EDITED}.get(cell.status, "*")
            is_dark = cell.value is not None and cell.value < 55
            colour = _FAINT if cell.value is None else "white" if is_dark else _INK
            axes.text(column, row, text + mark, ha="center", va="center", fontsize=7, color=colour)
    return image
