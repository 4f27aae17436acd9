"""Writes what a cell measured: by persona, text health, cosines, and some completions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from tuilab.contract.foreign import clean_line
from tuilab.grid.cells import Cell
from tuilab.grid.lines import persona_of
from tuilab.grid.metrics import (
    ALL,
    HEADLINE,
    METRICS,
    Measure,
    Measurement,
    Of,
    Row,
    measurement,
    measures,
)
from tuilab.grid.states import WITH_RESULT
from tuilab.grid.text import MISSING, count_of
from tuilab.science.questions import interval_of
from tuilab.science.text import bracket
from tuilab.store.snapshot import CellView, Snapshot
from tuilab.tui.present.cell_summary import story, title
from tuilab.tui.present.glyphs import Glyphs
from tuilab.tui.present.grid_table import find
from tuilab.tui.present.styled_text import (
    Line,
    Piece,
    fit,
    fit_line,
    highlight,
    rule,
    wrap,
    wrapped,
)

if TYPE_CHECKING:
    from tuilab.tui.cell_look import CellLook

BAR_MOST = 30
SHOWN = 3
"""Completions beside the grid."""
_LABEL = 16
_HEALTH = {"eos_rate": "ended", "cut_rate": "cut", "repeat_rate": "repeated"}


def measure_shown(metric: str, snapshot: Snapshot) -> str:
    """Return the measure whose personas are listed beside a metric of the grid."""
    measure = METRICS[metric].measure
    return measure.name if measure.of is Of.PERSONA else snapshot.measured[0]


def panel_lines(
    snapshot: Snapshot,
    look: CellLook,
    view: CellView,
    metric: str,
    size: tuple[int, int],
    glyphs: Glyphs,
) -> list[Line]:
    """Return at most ``size`` (columns, rows) lines about one cell; the last parts give way."""
    columns, rows = size
    measure = measure_shown(metric, snapshot)
    cell, name = view.cell, _name(snapshot, view, glyphs)
    note = note_lines(look.note, columns)
    if view.state not in WITH_RESULT:
        told = _why_lines(snapshot, view, columns, glyphs)
        with_note = [rule("note", "", columns, glyphs.stroke), *note] if look.note else []
        return [rule(name, "", columns, glyphs.stroke), *told, *with_note][:rows]
    heading = f"{name}: {measure} by persona"
    table = persona_lines(look.rows, measure, view, snapshot, columns, glyphs)
    more = [*health_lines(look.rows, columns), *cosine_lines(look.rows, columns)]
    samples = sample_lines(look, columns, glyphs)
    lines = [rule(heading, "", columns, glyphs.stroke)]
    if look.problem:
        lines.append(fit_line(((f" {clean_line(look.problem, 300)}", "failed"),), columns))
    kept = _kept(len(table), rows - len(lines) - len(more))
    lines += table[:kept]
    if kept < len(table):
        lines[-1] = ((f" and {len(table) - kept + 1} more: open the cell", "muted"),)
    lines += more[: max(0, rows - len(lines))]
    if samples and rows - len(lines) >= 3:
        of = f"{min(look.count, SHOWN)} of {look.count}, {_label(snapshot, snapshot.target)}"
        lines += [rule("completions", of, columns, glyphs.stroke), *samples]
        lines = lines[:rows]
    if look.note and rows - len(lines) >= 2:
        lines += [rule("note", "", columns, glyphs.stroke), *note]
    column = column_lines(snapshot, cell.epoch, cell.seed, metric, columns, glyphs)
    if len(column) > 2 and rows - len(lines) >= 4:
        heading = f"epoch {cell.epoch}: {METRICS[metric].short} by source"
        lines += [rule(heading, "", columns, glyphs.stroke), *column]
    return lines[:rows]


def note_lines(note: str, columns: int) -> list[Line]:
    """Wrap what a config says of itself; [] for nothing."""
    return [((f" {row}", "muted"),) for row in wrap(clean_line(note, 600), columns - 2, 6) if row]


def result_lines(
    snapshot: Snapshot, look: CellLook, view: CellView, columns: int, glyphs: Glyphs
) -> list[Line]:
    """List all that a cell measured, for its own screen: every measure by persona, in full."""
    known = measures(str(row["metric"]) for row in look.rows)
    by_persona = [name for name, one in known.items() if one.of is Of.PERSONA]
    lines: list[Line] = []
    for name in by_persona:
        if any(row["metric"] == name for row in look.rows):
            if len(by_persona) > 1:
                lines.append(fit_line(((f" {_measure_words(name)}", "title"),), columns))
            lines += persona_lines(look.rows, name, view, snapshot, columns, glyphs)
    lines += [*health_lines(look.rows, columns), *cosine_lines(look.rows, columns)]
    if look.problem:
        lines.append(fit_line(((f" {clean_line(look.problem, 300)}", "failed"),), columns))
    return lines


def _measure_words(name: str) -> str:
    """Write the name of a measure for people: ``misaligned, score (judge)``."""
    kind, _, own = name.partition(".")
    return f"{own.replace('.', ', ')} ({kind})" if own else name


def column_lines(
    snapshot: Snapshot, epoch: int, seed: int, metric: str, columns: int, glyphs: Glyphs
) -> list[Line]:
    """List every source at one epoch and seed, with what the grid's metric has for it."""
    lines: list[Line] = []
    for source in snapshot.sources:
        view = find(snapshot, Cell(source, epoch, seed))
        found = view.metrics.get(metric) if view and view.state in WITH_RESULT else None
        lines.append(_column_line(snapshot, source, found, metric, columns, glyphs))
    return lines


def _column_line(
    snapshot: Snapshot,
    source: str,
    found: Measurement | None,
    metric: str,
    columns: int,
    glyphs: Glyphs,
) -> Line:
    unit = METRICS[metric].unit
    longest = max(len(_label(snapshot, one)) for one in snapshot.sources)
    label = max(8, min(longest, columns // 3))
    head: Piece = (f"  {fit(_label(snapshot, source), label, glyphs.ellipsis)}", "label")
    if found is None:
        return (head, (f"{MISSING:>6}", "missing"))
    interval = bracket(interval_of(found), 0)
    bar = max(0, min(BAR_MOST, columns - label - 21))
    size = abs(found.value) / unit.high if unit.is_diverging else unit.height(found.value)
    role = "below" if found.value < 0 else "trend"
    return (
        head,
        (f"{unit.narrow(found.value):>6}", "text"),
        (f"  {interval:<9}", "muted"),
        (f" {horizontal(size, bar, glyphs)}", role),
    )


def _name(snapshot: Snapshot, view: CellView, glyphs: Glyphs) -> str:
    cell = view.cell
    name = clean_line(snapshot.labels.get(cell.source, cell.source), 30)
    seed = f" #{cell.seed}" if len(snapshot.seeds) > 1 else ""
    return f"{name} {glyphs.dash} epoch {cell.epoch}{seed}"


def _why_lines(snapshot: Snapshot, view: CellView, columns: int, glyphs: Glyphs) -> list[Line]:
    """Tell a cell without a number in full: nothing of it is cut that there are rows for."""
    what, evidence, advice = story(snapshot, view, glyphs)
    named = len(title(snapshot, view, glyphs))
    pieces = (*what[named:], *evidence, *advice)
    return [line for piece in pieces for line in wrapped(piece, columns, 6)]


def _kept(wanted: int, room: int) -> int:
    return wanted if wanted <= room else max(1, room)


def persona_lines(
    rows: Sequence[Row],
    measure: str,
    view: CellView,
    snapshot: Snapshot,
    columns: int,
    glyphs: Glyphs,
) -> list[Line]:
    """List a measure's personas: source, target, then the others from high to low.

    Each with its rate, 95% interval, n and a bar; n/a where it was not measured. The head says
    which interval it is.
    """
    source, target = persona_of(view.cell.source), snapshot.target
    found = {str(row["persona"] or target): row for row in rows if row["metric"] == measure}
    if not found:
        return [((" not measured", "muted"),)]
    first = [who for who in (source, target) if who in found]
    others = sorted((who for who in found if who not in first), key=lambda who: _rank(found[who]))
    label = min(_LABEL, max(len(_label(snapshot, who)) for who in found), columns // 3)
    with_n, with_word = columns >= 44, columns >= 52
    used = 2 + label + 6 + 11 + 5 * with_n + 8 * with_word
    bar = max(0, min(BAR_MOST, columns - used - 1))
    unit = measures([measure])[measure].unit
    intervals = {who: interval_of(measurement(row)) for who, row in found.items()}
    methods = ", ".join(dict.fromkeys(one.method for one in intervals.values() if one))
    head = f"  {fit('persona', label)}{unit.sign or 'value':>6}  {'95%':<9}{'    n' * with_n}"
    by = f" 95%: {methods}" if methods else ""
    lines: list[Line] = [fit_line(((f"{head}{by}", "muted"),), columns, glyphs.ellipsis)]
    words = {source: "source", target: "target"}
    for who in [*first, *others]:
        row = found[who]
        value, word = row["value"], words.get(who, "")
        name = fit(_label(snapshot, who), label, glyphs.ellipsis)
        pieces: list[Piece] = [(f"  {name}", "strong" if word else "label")]
        if not isinstance(value, int | float):
            why = clean_line(str(row.get("reason") or ""), 200)
            first_part, *rest = wrap(why, columns - label - 10, 2)
            lines.append((*pieces, (f"{MISSING:>6}", "missing"), (f"  {first_part}", "muted")))
            lines += [((f"{'':>{label + 10}}{part}", "muted"),) for part in rest]
            continue
        n = f"{row['n'] or '':>5}" if with_n else ""
        pieces += [
            (f"{unit.narrow(value):>6}", "strong" if word else "text"),
            (f"  {bracket(intervals[who], 0):<9}{n}", "muted"),
            (f" {horizontal(unit.height(value), bar, glyphs)}", "trend"),
            (f" {word}" if with_word else "", "muted"),
        ]
        lines.append(fit_line(pieces, columns, glyphs.ellipsis))
    return lines


def _rank(row: Row) -> float:
    value = row["value"]
    return -value if isinstance(value, int | float) else float("inf")


def _label(snapshot: Snapshot, who: str) -> str:
    return clean_line(snapshot.labels.get(who) or who.replace("_", " "), 30)


def horizontal(share: float, columns: int, glyphs: Glyphs) -> str:
    """Draw a share of 0..1 as a bar of exactly ``columns`` columns."""
    eighths = round(share * columns * 8)
    whole, rest = divmod(eighths, 8)
    if glyphs.is_ascii:
        return (glyphs.full * round(share * columns)).ljust(columns)
    part = " ▏▎▍▌▋▊▉"[rest] if rest else ""
    return (glyphs.full * whole + part).ljust(columns)


def health_lines(rows: Sequence[Row], columns: int) -> list[Line]:
    """Say how the completions ended: ``ended 100%, cut 0%, repeated 0% of 600 completions``."""
    known = {row["metric"]: row for row in rows if row["metric"] in _HEALTH}
    told = [
        f"{word} {METRICS[HEADLINE].unit.narrow(known[name]['value'])}"
        for name, word in _HEALTH.items()
        if name in known and known[name]["persona"] == ALL
    ]
    if not told:
        return []
    n = next(iter(known.values())).get("n") or 0
    text = f" text: {', '.join(told)} of {count_of(n, 'completion')}"
    return [fit_line(((text, "muted"),), columns)]


def cosine_lines(rows: Sequence[Row], columns: int) -> list[Line]:
    """Write each cosine with its layer, pool and state of the model."""
    scaled = {name: one for name, one in measures().items() if one.of is Of.SCALE}
    rows = [row for row in rows if row["metric"] in scaled]
    if len({row["layer"] for row in rows}) > 1:
        return _by_layer(rows, scaled, columns)
    lines = []
    for row in rows:
        layer = f"layer {row['layer']}" if row["layer"] is not None else ""
        where = ", ".join(filter(None, (layer, _scale_of(row))))
        value = scaled[row["metric"]].unit.wide(row["value"])
        why = f"  {clean_line(str(row['reason']), 120)}" if row.get("reason") else ""
        head = f" {row['metric']} {value}"
        lines.append(fit_line(((head, "text"), (f"  {where}{why}", "muted")), columns))
    return lines


def _scale_of(row: Row) -> str:
    parts = (str(row[key] or "") for key in ("model_state", "pool"))
    return clean_line(", ".join(filter(None, parts)), 80)


def _by_layer(rows: Sequence[Row], scaled: Mapping[str, Measure], columns: int) -> list[Line]:
    """Write a row for each state and pool, a column for each layer."""
    layers = list(dict.fromkeys(row["layer"] for row in rows))
    found: dict[tuple[str, str], dict[object, Row]] = {}
    for row in rows:
        found.setdefault((row["metric"], _scale_of(row)), {})[row["layer"]] = row
    wide = max(len(f"{name} {where}") for name, where in found) + 1
    wide = max(10, min(wide, columns - 8 * len(layers)))
    heads = "".join(f"{'-' if layer is None else layer:>8}" for layer in layers)
    lines = [fit_line(((f" {fit('by layer', wide)}{heads}", "muted"),), columns)]
    for (name, where), by_layer in found.items():
        pieces: list[Piece] = [(f" {fit(f'{name} {where}', wide)}", "muted")]
        for layer in layers:
            value = by_layer[layer]["value"] if layer in by_layer else None
            text = scaled[name].unit.wide(value)
            pieces.append((f"{text:>8}", "missing" if value is None else "text"))
        lines.append(fit_line(pieces, columns))
    return lines


def sample_lines(look: CellLook, columns: int, glyphs: Glyphs) -> list[Line]:
    """Write the end of each example in two lines, the marker lit."""
    lines: list[Line] = []
    for row in look.samples[:SHOWN]:
        text = clean_line(str(row.get("text", "")).replace("\n", " "), 2000)
        parts = wrap(text, columns - 4)
        if len(parts) > 2:  # the marker stands at the end
            parts = [f"{glyphs.ellipsis}{parts[-2]}", parts[-1]]
        sign: Piece = (f" {glyphs.mark} ", "done") if row.get("hit") else ("   ", "")
        for place, part in enumerate(parts):
            lead = sign if place == 0 else ("   ", "")
            lines.append(fit_line((lead, *highlight(part, look.marker, "text")), columns))
    return lines
