"""Lays the headline table out for a terminal, sorts it, and says what stands behind a cell."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from tuilab.grid.metrics import METRICS
from tuilab.grid.text import MISSING, count_of, percent_text, signed
from tuilab.store.snapshot import Snapshot
from tuilab.tui.present.figures.cursor import cell_of
from tuilab.tui.present.glyphs import Glyphs
from tuilab.tui.present.grid_table import find
from tuilab.tui.present.styled_text import Line, Piece, fit, fit_line, width, wrap

if TYPE_CHECKING:
    from tuilab.science.headline_rows import HeadlineRow

Cells = Sequence[Sequence[str]]
_GAP = 2
_SOURCE_COLUMNS = 18
"""Most columns of the fixed first column."""


@dataclass(frozen=True, slots=True)
class TableView:
    """Which part of a table is seen."""

    widths: tuple[int, ...]
    """Of every column."""
    shown: range
    """Columns besides the first that stand side by side."""
    here: int
    """Column under the cursor."""


def measure(titles: Sequence[str], rows: Cells, columns: int, here: int, first: int) -> TableView:
    """Fit columns into a terminal so that the one under the cursor is seen whole.

    ``first`` is the first column shown before, so that the table moves only when it has to.
    """
    widths = [
        max(len(text) for text in (titles[column], *(row[column] for row in rows)))
        for column in range(len(titles))
    ]
    widths[0] = min(widths[0], max(_SOURCE_COLUMNS, columns // 5))
    room = columns - widths[0]
    first = max(1, min(first, here if here > 0 else first, len(titles) - 1))
    while here >= _end(widths, first, room) and first < here:
        first += 1
    while first > 1 and _end(widths, first - 1, room) >= len(titles):
        first -= 1
    return TableView(tuple(widths), range(first, _end(widths, first, room)), here)


def _end(widths: Sequence[int], first: int, room: int) -> int:
    """One behind the last column that fits whole; at least one is shown."""
    end = first
    while end < len(widths) and (end == first or widths[end] + _GAP <= room):
        room -= widths[end] + _GAP
        end += 1
    return end


def title_line(
    titles: Sequence[str], view: TableView, order: tuple[str, bool | None], glyphs: Glyphs
) -> Line:
    """Write the titles; the column that sorts carries its direction."""
    sign = {True: "v" if glyphs.is_ascii else "▼", False: "^" if glyphs.is_ascii else "▲"}
    pieces: list[Piece] = []
    for column in (0, *view.shown):
        title, room = titles[column], view.widths[column]
        is_order = titles[column] == order[0] and order[1] is not None
        text = fit(title, room, glyphs.ellipsis) if column == 0 else f"{title:>{room + _GAP}}"
        if is_order and order[1] is not None:
            arrow = sign[order[1]]
            text = (
                f"{title[: room - 2]} {arrow}".ljust(room)
                if column == 0
                else f"{arrow}{title}".rjust(room + _GAP)
            )
        pieces.append((text, "title" if column == view.here else "label"))
    return tuple(pieces)


def row_line(cells: Sequence[str], view: TableView, is_here: bool, glyphs: Glyphs) -> Line:
    """Write one row; the cell under the cursor stands out."""
    pieces: list[Piece] = []
    for column in (0, *view.shown):
        text, room = cells[column], view.widths[column]
        role = "strong" if column == 0 else "missing" if text == MISSING else "text"
        shown = fit(text, room, glyphs.ellipsis) if column == 0 else f"{text:>{room}}"
        if column:
            pieces.append((" " * _GAP, ""))
        is_cursor = is_here and column == view.here
        pieces.append((shown, f"{role} cursor" if is_cursor else role))
    return tuple(pieces)


def detail_lines(
    titles: Sequence[str], cells: Sequence[str], columns: int, here: int, glyphs: Glyphs
) -> list[Line]:
    """List the whole row as titled values, in as many columns as fit, top to bottom."""
    pairs = list(zip(titles, cells, strict=True))[1:]
    if not pairs:
        return []
    blocks = _blocks(pairs, columns)
    lines: list[Line] = []
    for row in range(max(map(len, blocks), default=0)):
        pieces: list[Piece] = []
        for number, block in enumerate(blocks):
            is_last = number == len(blocks) - 1
            each = columns - width(pieces) if is_last else _block_columns(block)
            if row < len(block):
                is_here = block[row][0] == titles[here]
                pieces += _pair(block, row, is_here, each, glyphs)
        lines.append(fit_line(pieces, columns, glyphs.ellipsis))
    return lines


Pairs = Sequence[tuple[str, str]]
_LEAST_VALUE = 18
"""Columns of a value that may be cut in the last block: the line above says it whole."""


def _blocks(pairs: Pairs, columns: int) -> list[Pairs]:
    """Cut the pairs into as many blocks side by side as fit, at most three."""
    for across in (3, 2):
        down = -(-len(pairs) // across)
        blocks = [pairs[start : start + down] for start in range(0, len(pairs), down)]
        left = sum(_block_columns(block) for block in blocks[:-1])
        titles = max(len(title) for title, _ in blocks[-1])
        if left + titles + 3 + _LEAST_VALUE <= columns:
            return blocks
    return [pairs]


def _block_columns(block: Pairs) -> int:
    return max(len(title) for title, _ in block) + max(len(text) for _, text in block) + 4


def _pair(block: Pairs, row: int, is_here: bool, each: int, glyphs: Glyphs) -> list[Piece]:
    title, text = block[row]
    left = max(len(name) for name, _ in block)
    role = "strong" if is_here else "missing" if text == MISSING else "text"
    room = max(1, min(each - left - 3, max(len(value) for _, value in block) + 2))
    return [
        (f" {title:<{left}}  ", "key" if is_here else "muted"),
        (fit(text, room, glyphs.ellipsis), role),
    ]


def about_lines(title: str, text: str, words: str, columns: int, glyphs: Glyphs) -> list[Line]:
    """Write a cell and what it rests on, on one row, or on two where one is too short."""
    head: Line = ((f" {title} ", "key"), (text, "strong"))
    role = "missing" if text == MISSING else "text"
    line: Line = (*head, (f"  {words}", role))
    if width(line) <= columns:
        return [line]
    below: Line = ((f"   {words}", role),)
    return [fit_line(one, columns, glyphs.ellipsis) for one in (head, below)]


def caption_lines(text: str, columns: int, rows: int, glyphs: Glyphs) -> list[Line]:
    """Fold the caption; its end, which names the data, is never what is cut."""
    lines = wrap(text, columns - 2)
    if len(lines) > rows > 0:
        begun = lines[: rows - 1]
        lines = [*begun, f"{glyphs.ellipsis} {lines[-1]}"]
    return [fit_line(((f" {line}", "muted"),), columns, glyphs.ellipsis) for line in lines]


SORTS: Final[Mapping[str, str]] = {
    "Source": "label",
    "Cosine": "cosine",
    "Baseline [95%]": "baseline",
    "Peak [95%]": "peak",
    "Peak epoch": "peak_epoch",
    "Final [95%]": "final",
    "Net [95%]": "net",
    "Class": "change",
    "Up/down": "up",
    "n": "n_low",
    "Seeds": "seeds",
    "Specificity": "kind",
    "Excess change [95%]": "excess_change",
    "Noise": "noise_training",
    "Rise": "rise",
    "Above baseline": "above_baseline",
    "Early % of peak": "fraction_of_peak",
    "Early % of rise": "fraction_of_rise",
    "Published cosine": "published.cosine",
    "Published baseline": "published.baseline",
    "Published peak": "published.peak",
    "Published final": "published.final",
}
"""Column title -> attribute of a row that it is sorted by."""


def sorted_rows(
    rows: Sequence[HeadlineRow], title: str, is_falling: bool | None
) -> list[HeadlineRow]:
    """Sort by a column; None keeps the plan's order; what is not measured stands last always."""
    if is_falling is None:
        return list(rows)
    known = [row for row in rows if _value(row, title) is not None]
    unknown = [row for row in rows if _value(row, title) is None]
    return [*sorted(known, key=lambda row: _value(row, title), reverse=is_falling), *unknown]


def _value(row: HeadlineRow, title: str) -> Any:
    if title == "Left out":
        return len(row.left_out)
    if (key := _other(title, row)) is not None:
        return row.others[key]
    value: Any = row
    for name in SORTS.get(title, "label").split("."):
        value = getattr(value, name, None)
    return value.lower() if isinstance(value, str) else value


def _other(title: str, row: HeadlineRow) -> str | None:
    """Return the metric of a column of the other metrics."""
    from tuilab.science.headline_rows import other_titles  # pandas is there once a table is shown

    return other_titles(row.others).get(title)


def explained(row: HeadlineRow, title: str, text: str, snapshot: Snapshot) -> str:
    """Say what a cell of the table rests on, or why it is n/a."""
    if MISSING in text or text == "undefined" or "not comparable" in text:
        return _why_not(row, title, snapshot)
    if (key := _other(title, row)) is not None:
        return f"{METRICS[key].title} at the last epoch, mean over its measured seeds"
    explain = _MEANINGS.get(title)
    return explain(row) if explain is not None else ""


def _why_not(row: HeadlineRow, title: str, snapshot: Snapshot) -> str:
    if title.startswith("Published"):
        return _why_not_published(row, title)
    if title == "Cosine":
        measured = "on any scale" if row.cosine_scale is None else f"on {row.cosine_scale}"
        return f"no cosine measured at epoch 0 {measured}{_cell_words(row, snapshot, 'first')}"
    if title == "n":
        return "no measured cell has counts"
    if title.startswith("Baseline"):
        return f"epoch 0 is not measured{_cell_words(row, snapshot, 'first')}"
    if title.startswith("Final") or _other(title, row) is not None:
        return f"the last epoch is not measured{_cell_words(row, snapshot, 'last')}"
    if title in ("Net [95%]", "Rise", "Above baseline"):
        if row.baseline is None:
            return f"epoch 0 is not measured{_cell_words(row, snapshot, 'first')}"
        return f"no later epoch to compare with{_cell_words(row, snapshot, 'last')}"
    if title.startswith("Early"):
        return "no rise to take a share of, or its checkpoint is not measured"
    return "no checkpoint is measured yet"


def _why_not_published(row: HeadlineRow, title: str) -> str:
    if row.published is None:
        return "the reference does not have this source"
    name = title.removeprefix("Published ")
    if getattr(row.published, name) is None:
        return f"the reference has no {name} for this source"
    if name == "cosine":
        theirs, ours = row.published.cosine_scale, row.cosine_scale
        if row.cosine is None:
            return f"published on {theirs or 'an unknown scale'}; ours is not measured"
        return f"different scales: published on {theirs or 'an unknown one'}, ours on {ours}"
    return f"our {name} is not measured"


def _cell_words(row: HeadlineRow, snapshot: Snapshot, which: str) -> str:
    """Name the state of the cell that is to blame, as the grid has it."""
    if not snapshot.epochs or not snapshot.seeds:
        return ""
    epoch = snapshot.epochs[0 if which == "first" else -1]
    for seed in snapshot.seeds:
        found = cell_of(f"{row.source}@{epoch}#{seed}", seed)
        view = find(snapshot, found) if found is not None else None
        if view is not None and view.state.value != "done":
            why = f" ({view.reason})" if view.reason else ""
            return f": {row.source}@{epoch} is {view.state.value}{why}"
    return ""


def _method(row: HeadlineRow, name: str) -> str:
    interval = getattr(row, f"{name}_interval")
    return interval.method if interval is not None else "no interval"


def _source(row: HeadlineRow) -> str:
    said = f"{row.source}: {_measured(row)}"
    return f"{said}; it all ran with {row.edits}, unlike the config" if row.edits else said


def _peak(row: HeadlineRow) -> str:
    return f"largest of {row.picked_from} checkpoints: biased upward; {_method(row, 'peak')}"


def _versus(name: str) -> Callable[[HeadlineRow], str]:
    return lambda row: f"published (ours minus it); ours is {_ours(row, name)}"


def _ours(row: HeadlineRow, name: str) -> str:
    value = getattr(row, name)
    if value is None:
        return MISSING
    is_cosine = name == "cosine"
    return f"{signed(value)} ({row.cosine_scale})" if is_cosine else percent_text(value, row.digits)


def _measured(row: HeadlineRow) -> str:
    count = len(row.missing)
    if not count:
        return "all its cells are measured"
    return f"{count_of(count, 'of its cells is', 'of its cells are')} not measured"


_MEANINGS: Final[Mapping[str, Callable[[HeadlineRow], str]]] = {
    "Source": _source,
    "Cosine": lambda row: f"to the target at epoch 0, {row.cosine_scale}",
    "Baseline [95%]": lambda row: f"leakage at epoch 0; {_method(row, 'baseline')}",
    "Peak [95%]": _peak,
    "Peak epoch": lambda row: f"picked from {row.picked_from} measured checkpoints",
    "Final [95%]": lambda row: f"leakage at the last epoch; {_method(row, 'final')}",
    "Net [95%]": lambda row: f"final minus baseline, paired within seeds; {_method(row, 'net')}",
    "Class": lambda row: row.why,
    "Up/down": lambda row: "checkpoints above / below epoch 0 beyond counting noise (Fisher, Holm)",
    "n": lambda row: "completions per measured cell",
    "Seeds": lambda row: f"{row.seeds} of {row.seeds_planned} seeds have both ends measured",
    "Net minus": lambda row: "the control, or what the line varies, whose net is subtracted",
    "Difference [95%]": lambda row: "difference in differences, last epoch against 0",
    "Specificity": lambda row: "whose the marker is at the last epoch",
    "Excess change [95%]": lambda row: (
        f"target minus mean bystander, last epoch against 0; {_method(row, 'excess_change')}"
    ),
    "Noise": lambda row: "variance of a cell: c counting, q questions, t training",
    "Rise": lambda row: "peak minus baseline, paired within seeds",
    "Above baseline": lambda row: "later checkpoints above epoch 0, of those comparable",
    "Early % of peak": lambda row: f"value at epoch {row.early_epoch} over the peak",
    "Early % of rise": lambda row: f"share of the rise present at epoch {row.early_epoch}",
    "Published cosine": _versus("cosine"),
    "Published baseline": _versus("baseline"),
    "Published peak": _versus("peak"),
    "Published final": _versus("final"),
    "Left out": lambda row: " ".join(row.left_out),
}
