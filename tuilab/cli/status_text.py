"""Words for the state of a grid: the table of values, and what wants attention; pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from tuilab.cli.output import plain
from tuilab.grid.edits import EDITED, LEGEND, behind, edits_text, listed
from tuilab.grid.metrics import HEADLINE, METRICS, counts_text
from tuilab.grid.signs import ACCEPTED, KEPT, sign_of
from tuilab.grid.text import MISSING, columns_of, count_of, duration, padded
from tuilab.store.program_name import program, quoted

SYNTHETIC = (
    "synthetic model: these numbers show that the pipeline works and say nothing about real models"
)
_TROUBLE = ("failed", "lost", "suspect", "stopped")

Cell = Mapping[str, Any]
Status = Mapping[str, Any]


def as_text(status: Status, metric: str = "") -> Iterator[str]:
    """Yield the lines of ``tuilab status``; its grid shows one metric, "" for the headline."""
    engine = status["engine"]
    metric = metric or _keys(status["cells"])[0]
    failures = status.get("jobs_failed", ())
    counts = [f"{word} {number}" for word, number in status["counts"].items()] or ["no cells"]
    if failures:
        counts.append(f"shared jobs failed {len(failures)}")
    yield f"{plain(status['experiment'])}  {'  '.join(counts)}"
    if status.get("read_only"):
        yield "results only: there is nothing to run"
    else:
        yield _engine_line(engine, status["root"], bool(status.get("copy_of")))
    if status.get("synthetic"):
        yield SYNTHETIC
    yield ""
    seen = _Remarks(metric)
    yield from grid(map(seen.look, status["cells"]), metric=metric)
    yield from _edited_lines(seen)
    if seen.queued:
        yield ""
        yield from _queued_lines(seen.queued)
    if seen.troubles or failures:
        yield ""
        yield from map(failed_job, failures)
        yield from _trouble_lines(seen.troubles)
    for base in status.get("bases_stale", ()):
        yield f"stale: {plain(base['job'])}: {plain(base['detail'])}"
    for problem in status.get("problems", ()):
        yield f"problem: {plain(problem)}"


class _Remarks:
    """What is to be said of cells beside their numbers, taken down while they pass."""

    def __init__(self, metric: str = HEADLINE) -> None:
        self._metric = metric
        self.queued: Counter[str] = Counter()
        """Cells that are queued, by the reason."""
        self.troubles: list[Cell] = []
        self.ran: list[tuple[str, str]] = []
        """Cells whose number ran unlike the config, with their edits."""
        self.kept: list[tuple[str, str]] = []
        """Cells whose number is stale and kept by a person, with what was said."""

    def look(self, cell: Cell) -> Cell:
        """Take down one cell and return it."""
        state = cell["state"]
        if state == "queued":
            self.queued[str(cell["detail"])] += 1
        elif state in _TROUBLE:
            self.troubles.append(cell)
        if cell.get("edits") and (edits := _edits(cell, self._metric)):
            self.ran.append((_name(cell), edits_text(edits)))
        if state == "done" and cell.get("accepted") and (word := _accepted(cell, self._metric)):
            self.kept.append((_name(cell), word))
        return cell


def _name(cell: Cell) -> str:
    return f"{cell['source']}@{cell['epoch']}#{cell['seed']}"


def grid(cells: Iterable[Cell], metric: str = HEADLINE) -> Iterator[str]:
    """Yield one row per source and seed, one column per epoch: a value or a state."""
    yield from _table(cells, f"{METRICS[metric].heading} epoch", _mark, metric, {})


def metric_tables(status: Status, labels: Mapping[str, str] | None = None) -> Iterator[str]:
    """Yield each measured metric with n, source by epoch; what is not measured is n/a, never 0."""
    cells = status["cells"]
    measured = {key for cell in cells for key, found in cell["metrics"].items() if found}
    first, *_ = keys = _keys(cells)
    for key in keys:
        if key in measured or key == first:
            yield from _table(cells, f"{METRICS[key].title}, epoch", _value, key, labels or {})
            yield ""
    seen = _Remarks()
    for cell in cells:
        seen.look(cell)
    yield from _edited_lines(seen)
    yield "(hits/n) counts completions; ~ marks a stale result, n/a one that was not measured"
    if status.get("synthetic"):
        yield SYNTHETIC


def _keys(cells: Sequence[Cell]) -> list[str]:
    """The metrics of an experiment as its cells have them, the headline first."""
    keys = dict.fromkeys(key for cell in cells[:1] for key in cell["metrics"])
    return list(keys) or [HEADLINE]


def _table(
    cells: Iterable[Cell],
    heading: str,
    write: Callable[[Cell | None, str], str],
    metric: str,
    labels: Mapping[str, str],
) -> Iterator[str]:
    rows: dict[tuple[str, int], dict[int, str]] = {}
    for cell in cells:
        rows.setdefault((cell["source"], cell["seed"]), {})[cell["epoch"]] = write(cell, metric)
    epochs = sorted({epoch for row in rows.values() for epoch in row})
    many, none = len({seed for _, seed in rows}) > 1, write(None, metric)
    lines = [(heading, [str(epoch) for epoch in epochs])]
    for (source, seed), row in rows.items():
        name = plain(labels.get(source) or source, 40) + f" #{seed}" * many
        lines.append((name, [row.get(epoch, none) for epoch in epochs]))
    label = max(columns_of(name) for name, _ in lines)
    wide = max(6, *map(columns_of, {text for _, texts in lines for text in texts}))
    for name, texts in lines:
        yield " ".join([padded(name, label), *(padded(text, wide, right=True) for text in texts)])


def _value(cell: Cell | None, metric: str) -> str:
    found = (cell or {}).get("metrics", {}).get(metric)
    if not cell or found is None:
        return MISSING
    counts = counts_text(found["hits"], found["n"])
    return f"{_sign(cell, metric)}{METRICS[metric].unit.wide(found['value'], found['n'])}{counts}"


def _sign(cell: Cell, metric: str) -> str:
    if cell["state"] == "stale":
        return sign_of("stale")
    edited = EDITED if _edits(cell, metric) else ""
    return edited + (ACCEPTED if _accepted(cell, metric) else "")


def _mark(cell: Cell | None, metric: str) -> str:
    if cell is None:
        return ""
    if cell["state"] not in ("done", "stale"):
        return sign_of(cell["state"], cell["stage"])
    found = cell["metrics"].get(metric)
    return _sign(cell, metric) + METRICS[metric].unit.narrow(found and found["value"])


def _edits(cell: Cell, metric: str) -> Mapping[str, Any]:
    """Edits that a number of a cell ran with."""
    return behind(cell.get("edits") or {}, METRICS[metric].measure.stage)


def _accepted(cell: Cell, metric: str) -> str:
    """What was stale of a number of a cell, and who keeps it as current."""
    return str((cell.get("accepted") or {}).get(METRICS[metric].measure.stage or "", ""))


def _edited_lines(seen: _Remarks) -> Iterator[str]:
    """Name the cells whose number ran unlike the config, or is stale and kept by a person."""
    if seen.ran:
        yield f"{EDITED} {LEGEND}: {plain(listed(seen.ran), 2000)}"
    if seen.kept:
        yield f"{ACCEPTED} {KEPT}: {plain(listed(seen.kept), 2000)}"


def failed_job(job: Mapping[str, Any]) -> str:
    """Say what became of a shared job and how many cells cannot go on without it."""
    reason = f" ({job['reason']})" if job.get("reason") else ""
    number = job["cells_waiting"]
    waiting = f"; {count_of(number, 'cell waits', 'cells wait')} for it" if number else ""
    return (
        f"{sign_of(job['state'])} {plain(job['job'])} {job['state']}{reason}, "
        f"attempt {job['attempt']}: {plain(job['detail'] or 'no detail', 160)}{waiting}"
    )


def _engine_line(engine: Mapping[str, Any], root: str, is_copy: bool) -> str:
    state = engine["state"]
    if is_copy:
        return plain(engine["note"])
    if state == "stopped":
        told = f"engine: not running (`{program()} run {quoted(plain(root))}` starts it)"
        return f"{told}; {plain(engine['note'])}" if engine.get("note") else told
    words = [f"engine: {plain(engine['note']) if state == 'unknown' else state}"]
    if engine.get("pid"):
        words.append(f"pid {engine['pid']} on {plain(str(engine.get('host')))}")
    if engine.get("eta_seconds") is not None:
        words.append(f"about {duration(engine['eta_seconds'])} left")
    if engine.get("note") and state != "unknown":
        words.append(plain(engine["note"]))
    return ", ".join(words)


def _queued_lines(reasons: Counter[str]) -> Iterator[str]:
    """Say why cells are queued, once for each reason."""
    for why, number in reasons.most_common(5):
        yield f"{sign_of('queued')} {number} queued: {plain(why or 'no reason is known', 160)}"


def _trouble_lines(cells: Sequence[Cell]) -> Iterator[str]:
    for cell in cells[:20]:
        name = plain(_name(cell))
        reason = f" ({cell['reason']})" if cell.get("reason") else ""
        yield (
            f"{sign_of(cell['state'])} {name} {cell['state']} in {cell['stage']}{reason}, "
            f"attempt {cell['attempt']}: {plain(cell['detail'] or 'no detail', 160)}"
        )
    if len(cells) > 20:
        yield f"... and {len(cells) - 20} more (--json lists all)"
