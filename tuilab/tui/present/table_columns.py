"""Says what a column of the headline table sorts by, and what stands behind one of its cells."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from tuilab.grid.text import percent_text
from tuilab.store.snapshot import Snapshot
from tuilab.tui.present.figure_cursor import cell_of
from tuilab.tui.present.grid_table import find

if TYPE_CHECKING:
    from tuilab.science.headline import HeadlineRow

NOT_AVAILABLE: Final = "n/a"

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
    value: Any = row
    for name in SORTS.get(title, "label").split("."):
        value = getattr(value, name, None)
    return value.lower() if isinstance(value, str) else value


def explained(row: HeadlineRow, title: str, text: str, snapshot: Snapshot) -> str:
    """Say what a cell of the table rests on, or why it is n/a."""
    if NOT_AVAILABLE in text or text == "undefined" or "not comparable" in text:
        return _why_not(row, title, snapshot)
    explain = _MEANINGS.get(title)
    return explain(row) if explain is not None else ""


def _why_not(row: HeadlineRow, title: str, snapshot: Snapshot) -> str:
    if title.startswith("Published"):
        return _why_not_published(row, title)
    if title == "Cosine":
        measured = "on any scale" if row.cosine_scale is None else f"on {row.cosine_scale}"
        return f"no cosine of epoch 0 is measured {measured}{_cell_words(row, snapshot, 'first')}"
    if title == "n":
        return "no measured cell carries counts"
    if title.startswith("Baseline"):
        return f"epoch 0 is not measured{_cell_words(row, snapshot, 'first')}"
    if title.startswith("Final"):
        return f"the last epoch is not measured{_cell_words(row, snapshot, 'last')}"
    if title in ("Net [95%]", "Rise", "Above baseline"):
        if row.baseline is None:
            return f"epoch 0 is not measured{_cell_words(row, snapshot, 'first')}"
        return f"nothing later to compare with{_cell_words(row, snapshot, 'last')}"
    if title.startswith("Early"):
        return "there is no rise to take a share of, or its checkpoint is not measured"
    return "no checkpoint is measured yet"


def _why_not_published(row: HeadlineRow, title: str) -> str:
    if row.published is None:
        return "the reference has no such source"
    name = title.removeprefix("Published ")
    if getattr(row.published, name) is None:
        return f"the reference gives no {name} for this source"
    if name == "cosine":
        theirs, ours = row.published.cosine_scale, row.cosine_scale
        if row.cosine is None:
            return f"published on {theirs or 'an unknown scale'}; ours is not measured"
        return f"other scales: published on {theirs or 'an unknown one'}, ours on {ours}"
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
    return f"{said}; all of it ran with {row.edits}, unlike the config" if row.edits else said


def _peak(row: HeadlineRow) -> str:
    return f"largest of {row.picked_from} checkpoints: biased upward; {_method(row, 'peak')}"


def _versus(name: str) -> Callable[[HeadlineRow], str]:
    return lambda row: f"published (ours minus it); ours is {_ours(row, name)}"


def _ours(row: HeadlineRow, name: str) -> str:
    value = getattr(row, name)
    if value is None:
        return NOT_AVAILABLE
    return f"{value:+.3f} ({row.cosine_scale})" if name == "cosine" else percent_text(value, 1)


def _measured(row: HeadlineRow) -> str:
    count = len(row.missing)
    if not count:
        return "all its cells are measured"
    return f"{count} of its cells {'is' if count == 1 else 'are'} not measured"


_MEANINGS: Final[Mapping[str, Callable[[HeadlineRow], str]]] = {
    "Source": _source,
    "Cosine": lambda row: f"to the target at epoch 0, {row.cosine_scale}",
    "Baseline [95%]": lambda row: f"leakage at epoch 0; {_method(row, 'baseline')}",
    "Peak [95%]": _peak,
    "Peak epoch": lambda row: f"picked from {row.picked_from} measured checkpoints",
    "Final [95%]": lambda row: f"leakage at the last epoch; {_method(row, 'final')}",
    "Net [95%]": lambda row: f"final minus baseline, paired within seeds; {_method(row, 'net')}",
    "Class": lambda row: "Fisher against epoch 0, Holm over checkpoints",
    "Up/down": lambda row: "checkpoints significantly above / below epoch 0",
    "n": lambda row: "completions per measured cell",
    "Seeds": lambda row: f"{row.seeds} of {row.seeds_planned} seeds have both ends measured",
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
