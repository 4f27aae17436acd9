"""Writes a report as one page that needs no network, no script and no other file."""

from __future__ import annotations

import base64
import random
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token

from tuilab.contract.foreign import clean, clean_line, redact
from tuilab.grid.cells import Cell
from tuilab.grid.metrics import METRICS, Of, measurement, measures
from tuilab.grid.stages import Stage
from tuilab.grid.text import rate_digits, size
from tuilab.report.samples import headline_completions, hit_words, settings_of
from tuilab.science.questions import interval_of
from tuilab.science.text import bracket
from tuilab.store.measurements import completions_file
from tuilab.store.snapshot import CellView
from tuilab.study.study import Study

HTML_FILE = "report.html"
MOST_BYTES = 20_000_000
"""Bytes of completions up to which a page holds all of them."""
PAGE = 25
"""Completions that one fold shows."""
_STYLE = Path(__file__).with_name("page.css")
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
"""Even if a text could slip in as markup, a browser would load and run nothing."""


@dataclass(frozen=True, slots=True)
class _Shown:
    """The completions of one cell that a page shows."""

    rows: Sequence[Mapping[str, Any]]
    of: int
    """How many there are."""
    questions: Sequence[str] = ()
    problem: str = ""


def page(study: Study, markdown: str, pictures: Mapping[str, bytes], seed: int = 0) -> str:
    """Return a report and every cell's completions as one HTML page.

    ``markdown`` is what ``write_report`` says, ``pictures`` the files that it shows by name.
    Completions are all there up to 20 MB; beyond, as many per cell, drawn by ``seed``, and the
    page says so. All text of others is escaped.
    """
    body, contents = _rendered(markdown, pictures)
    cells = "".join(_cells(study, seed))
    entries = "".join(f'<li><a href="#{key}">{escape(text)}</a></li>' for key, text in contents)
    if cells:
        entries += '<li><a href="#cells">Cells</a></li>'
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        f"<title>{escape(study.name)}</title>\n<style>\n{_STYLE.read_text()}</style>\n</head>\n"
        f"<body>\n<nav><ul>{entries}</ul></nav>\n<main>\n{body}{cells}</main>\n</body>\n</html>\n"
    )


def _rendered(markdown: str, pictures: Mapping[str, bytes]) -> tuple[str, list[tuple[str, str]]]:
    """The report as HTML, and its chapters by anchor."""
    reader = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = reader.parse(markdown)
    contents: list[tuple[str, str]] = []
    for place, token in enumerate(tokens):
        if token.type == "heading_open":
            title = tokens[place + 1].content
            key = f"s{len(contents)}-{re.sub('[^a-z0-9]+', '-', title.lower())[:40].strip('-')}"
            token.attrSet("id", key)
            if token.tag == "h2":
                contents.append((key, title))
        for child in token.children or ():
            if child.type == "image" and (name := str(child.attrGet("src"))) in pictures:
                coded = base64.b64encode(pictures[name]).decode()
                child.attrSet("src", f"data:image/png;base64,{coded}")
    text = _Renderer(reader).render(tokens, reader.options, {})
    return text.replace("<table>", '<div class="wide"><table>').replace(
        "</table>", "</table></div>"
    ), contents


class _Renderer(RendererHTML):
    """Leaves out links to files that lie beside the report: this page stands alone."""

    def link_open(self, tokens: Sequence[Token], idx: int, *_: Any) -> str:
        """A link to somewhere else on the page or in the world; else nothing."""
        href = str(tokens[idx].attrGet("href") or "")
        return f'<a href="{escape(href)}">' if href.startswith("#") else "<span>"

    def link_close(self, tokens: Sequence[Token], idx: int, *_: Any) -> str:
        """The end of it."""
        opened = next(one for one in reversed(tokens[:idx]) if one.type == "link_open")
        return "</a>" if str(opened.attrGet("href") or "").startswith("#") else "</span>"


def _cells(study: Study, seed: int) -> Iterator[str]:
    """Every cell's fold: its state, its numbers, each persona's completions."""
    cells = study.snapshot.cells
    files = {view.cell: completions_file(study.reader, view.cell) for view in cells}
    if not any(files.values()):
        return
    yield '<h2 id="cells">Cells</h2>\n'
    rows: dict[tuple[Any, ...], list[Mapping[str, Any]]] = {}
    for row in study.rows:
        rows.setdefault((row["source"], row["epoch"], row["seed"]), []).append(row)
    there = [cell for cell, path in files.items() if path is not None]
    most, note = _most(_rows(study, cell) for cell in there)
    if note:
        yield f"<p>{escape(note)}</p>\n"
    for view in cells:
        cell, shown = view.cell, _Shown((), 0)
        if files[cell] is not None:
            shown = _shown(study, view, most, f"{seed}/{cell}")
        measured = rows.get((cell.source, cell.epoch, cell.seed), [])
        yield "".join(_cell(study, view, shown, measured))


def _rows(study: Study, cell: Cell) -> Sequence[Mapping[str, Any]]:
    try:
        return headline_completions(study, cell)[0]
    except (OSError, ValueError):  # told where the cell is
        return ()


def _most(cells: Iterable[Sequence[Mapping[str, Any]]]) -> tuple[int | None, str]:
    """How many completions of each cell are shown (None for all), and what to say of that."""
    bytes_of, rows, there = 0, 0, 0
    for shown in cells:
        there += 1
        rows += len(shown)
        texts = (str(row.get("text", "")).encode("utf-8", "surrogatepass") for row in shown)
        bytes_of += sum(len(text) + 80 for text in texts)
    if bytes_of <= MOST_BYTES:
        return None, ""
    most = max(1, int(rows / there * MOST_BYTES / bytes_of))
    told = f"All {rows:,} completions would take {size(bytes_of)}"
    return most, f"{told}: this page shows {most} of each cell, drawn by seed; the bundle has all."


def _shown(study: Study, view: CellView, most: int | None, seed: str) -> _Shown:
    try:
        rows, questions = headline_completions(study, view.cell)
    except (OSError, ValueError) as error:
        return _Shown((), 0, problem=str(error))
    if most is None or len(rows) <= most:
        return _Shown(rows, len(rows), questions)
    drawn = random.Random(seed).sample(range(len(rows)), most)
    return _Shown([rows[place] for place in sorted(drawn)], len(rows), questions)


def _cell(
    study: Study, view: CellView, shown: _Shown, rows: Sequence[Mapping[str, Any]]
) -> Iterator[str]:
    source = study.snapshot.labels.get(view.cell.source, view.cell.source)
    title = clean_line(f"{source}, epoch {view.cell.epoch}, seed {view.cell.seed}")
    numbers = [METRICS[key].said(one, study.snapshot.labels) for key, one in view.metrics.items()]
    said = "; ".join([view.state.value, *numbers, *([view.detail] if view.detail else [])])
    yield f"<details><summary>{escape(title)}: {escape(clean_line(said))}</summary>\n"
    yield from _by_persona(study.snapshot.labels, rows)
    if shown.problem:
        yield f"<p>Completions cannot be read: {escape(clean_line(shown.problem))}</p>\n"
    elif not shown.rows:
        yield "<p>No completions.</p>\n"
    elif len(shown.rows) < shown.of:
        yield f"<p>{len(shown.rows)} of {shown.of} completions, drawn by seed.</p>\n"
    marker = _marker(study, view)
    for persona in dict.fromkeys(str(row["persona"]) for row in shown.rows):
        those = [row for row in shown.rows if row["persona"] == persona]
        hits = sum(bool(row.get("hit")) for row in those)
        label = clean_line(study.snapshot.labels.get(persona, persona))
        head = f"{label}: {hit_words(study, hits, len(those))}"
        yield from _persona(head, those, shown.questions, marker)
    yield "</details>\n"


def _by_persona(labels: Mapping[str, str], rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """A table for each measure that a cell has by persona: rate, its 95% interval, n."""
    known = measures(str(row["metric"]) for row in rows)
    for name, measure in known.items():
        those = [row for row in rows if row["metric"] == name and row["persona"]]
        if measure.of is not Of.PERSONA or not those:
            continue
        intervals = [interval_of(measurement(row)) for row in those]
        methods = ", ".join(dict.fromkeys(["95%", *(one.method for one in intervals if one)]))
        head = "".join(f"<th>{escape(one)}</th>" for one in ("persona", name, methods, "n"))
        yield f'<div class="wide"><table><tr>{head}</tr>\n'
        for row, interval in zip(those, intervals, strict=True):
            label = labels.get(row["persona"], row["persona"])
            value = measure.unit.wide(row["value"], row["n"])
            bounds = bracket(interval, rate_digits(row["n"]))
            cells = (clean_line(label), value, bounds, str(row["n"] or ""))
            yield f"<tr>{''.join(f'<td>{escape(one)}</td>' for one in cells)}</tr>\n"
        yield "</table></div>\n"


def _persona(
    head: str,
    rows: Sequence[Mapping[str, Any]],
    questions: Sequence[str],
    marker: tuple[str, bool],
) -> Iterator[str]:
    yield f"<details><summary>{escape(head)}</summary>\n"
    for start in range(0, len(rows), PAGE):
        part = rows[start : start + PAGE]
        is_paged = len(rows) > PAGE
        if is_paged:
            last = start + len(part)
            yield f"<details><summary>{start + 1} to {last}</summary>\n"
        for row in part:
            yield _completion(row, questions, marker)
        yield "</details>\n" * is_paged
    yield "</details>\n"


def _completion(row: Mapping[str, Any], questions: Sequence[str], marker: tuple[str, bool]) -> str:
    index = row.get("question_index")
    is_known = isinstance(index, int) and 0 <= index < len(questions)
    asked = questions[index] if is_known else f"question {index}"  # type: ignore[index]
    cut = " (cut at the limit)" * (row.get("finish_reason") == "length")
    text = _highlighted(redact(clean(str(row.get("text", "")))), *marker)
    kind = "hit" if row.get("hit") else "miss"
    head = f'<p class="q">{escape(clean_line(str(asked)))}{cut}</p>\n'
    return f'{head}<pre class="{kind}">{text}</pre>\n'


def _highlighted(text: str, marker: str, is_exact: bool) -> str:
    """Escape a text, with the marker in a mark."""
    if not marker:
        return escape(text)
    parts = re.split(f"({re.escape(marker)})", text, flags=0 if is_exact else re.IGNORECASE)
    return "".join(
        f"<mark>{escape(part)}</mark>" if place % 2 else escape(part)
        for place, part in enumerate(parts)
    )


def _marker(study: Study, view: CellView) -> tuple[str, bool]:
    scorer = settings_of(study.reader.plan, Stage.EVAL, view.cell).get("scorer") or {}
    return str(scorer.get("text", "")), bool(scorer.get("case_sensitive"))
