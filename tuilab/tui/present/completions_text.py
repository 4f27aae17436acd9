"""Writes completions: one line each in a list, and one in full with its marker lit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import zip_longest
from typing import Any

from tuilab.contract.foreign import clean, clean_line
from tuilab.grid.endings import ending_words
from tuilab.grid.states import LIVE, Attempt
from tuilab.tui.present.glyphs import Glyphs
from tuilab.tui.present.styled_text import (
    Line,
    fit,
    fit_line,
    highlight,
    width,
    wrap,
)

Completion = Mapping[str, Any]
Questions = Mapping[str, Sequence[str]]
"""What an eval asks, by set: "" its own questions, others those of measures."""
Place = tuple[str, int]
"""A set and the number of a question in it."""
_PAIR_LEAST = 60
"""Columns from which two answers stand side by side."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What the completions answer."""

    labels: Mapping[str, str] = field(default_factory=dict)
    marker: str = ""
    questions: Questions = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Choice:
    """Which completions are listed."""

    persona: str | None = None
    question: Place | None = None
    hits_only: bool = False
    needle: str = ""


@dataclass(frozen=True, slots=True)
class Beside:
    """The completions of another epoch, to be read beside those of a cell."""

    name: str
    here: str
    """How the cell itself is called there: ``epoch 4``."""
    rows: Sequence[Completion] = ()

    def same(self, row: Completion) -> Completion | None:
        """Return the answer of the same persona to the same question, of the same number."""
        keys = ("persona", "set", "question_index", "sample")
        return next((one for one in self.rows if all(one.get(k) == row.get(k) for k in keys)), None)


def is_hit(row: Completion) -> bool:
    """Whether a completion has the marker, or counts for any measure."""
    return bool(row.get("hit") or row.get("hits"))


class Shelf:
    """Completions as they are looked through: put in order and in lower case once, not a key."""

    def __init__(self, rows: Sequence[Completion] = ()) -> None:
        self.rows = rows
        self._order = sorted(range(len(rows)), key=lambda place: _order(rows[place]))
        self._texts = [str(row.get("text", "")).lower() for row in rows]

    def chosen(self, choice: Choice) -> list[int]:
        """Return the places of the completions to list, by persona, question and sample."""
        needle, texts, rows = choice.needle.lower(), self._texts, self.rows
        found = [place for place in self._order if needle in texts[place]]
        if choice.persona is not None:
            found = [place for place in found if rows[place].get("persona") == choice.persona]
        if choice.question is not None:
            asked = choice.question
            found = [place for place in found if place_of(rows[place]) == asked]
        return [place for place in found if is_hit(rows[place]) or not choice.hits_only]


def place_of(row: Completion) -> Place:
    """Return which question a completion answers."""
    return str(row.get("set", "")), _whole(row.get("question_index"))


def _order(row: Completion) -> tuple[str, Place, int]:
    return str(row.get("persona")), place_of(row), _whole(row.get("sample"))


def _whole(raw: Any) -> int:
    return raw if isinstance(raw, int) else -1


def next_persona(rows: Sequence[Completion], choice: Choice) -> Choice:
    """Go from all personas to each single one and back."""
    stops = [None, *dict.fromkeys(str(row.get("persona")) for row in rows)]
    here = stops.index(choice.persona) if choice.persona in stops else 0
    return replace(choice, persona=stops[(here + 1) % len(stops)])


def next_question(rows: Sequence[Completion], choice: Choice) -> Choice:
    """Go from all questions to each single one and back."""
    stops = [None, *sorted({place_of(row) for row in rows})]
    here = stops.index(choice.question) if choice.question in stops else 0
    return replace(choice, question=stops[(here + 1) % len(stops)])


def why_none(is_imported: bool, attempt: Attempt | None) -> str:
    """Say why there are no completions to read."""
    if is_imported:
        return "imported: the completions are not here"
    if attempt is None:
        return "no completions yet: the eval stage writes them"
    before = " ([ shows earlier ones)" if attempt.number > 1 else ""
    if attempt.verdict in LIVE:
        return f"no completions yet{before}: the eval stage writes them when it ends"
    why = clean_line(ending_words(attempt), 300)
    return f"attempt {attempt.number} left no completions{before}: {why}"


def list_line(row: Completion, asked: Asked, columns: int, glyphs: Glyphs) -> Line:
    """Write one completion in one line: hit, persona, question, sample, finish reason, text."""
    persona = str(row.get("persona", ""))
    sign = (glyphs.mark, "match") if is_hit(row) else (" ", "")
    place = f"q{row.get('question_index', '?')} s{row.get('sample', '?')}"
    text = clean_line(str(row.get("text", "")).replace("\n", " "), 400)
    return fit_line(
        (
            sign,
            (
                " " + fit(clean_line(asked.labels.get(persona, persona), 30), 12, glyphs.ellipsis),
                "label",
            ),
            (f" {place:<8}", "muted"),
            (f" {finish(row)[0]:<7} ", finish(row)[1]),
            *highlight(text, asked.marker, "text"),
        ),
        columns,
    )


def finish(row: Completion) -> tuple[str, str]:
    """Return (words, role) of how a completion ended; cut ones cannot show an end marker."""
    reason = str(row.get("finish_reason", "?"))
    if reason in ("stop", "eos"):
        return "ended", "done"
    return ("cut", "warn") if reason == "length" else (clean_line(reason, 7), "warn")


def full_text(row: Completion, asked: Asked, columns: int, rows: int) -> list[Line]:
    """Write the question and the wrapped answer in at most ``rows`` lines; the marker is lit."""
    text = clean(str(row.get("text", "")), 20_000)
    head = question_lines(row, asked, columns)
    if names := row.get("hits"):
        head.append(fit_line(((f" counts as {', '.join(map(str, names))}", "match"),), columns))
    lines: list[Line] = [
        ((" ", ""), *highlight(part, asked.marker, "text")) for part in wrap(text, columns - 2)
    ]
    room = rows - len(head)
    if len(lines) > room:
        # The marker stands at the end: when the text is too long, its beginning gives way.
        lines = [((" ...", "muted"),), *lines[-(room - 1) :]]
    return [*head, *lines]


def question_lines(row: Completion, asked: Asked, columns: int) -> list[Line]:
    """Write what a completion answers in one line; [] where that is not known."""
    name, number = place_of(row)
    known = asked.questions.get(name, ())
    if not 0 <= number < len(known):
        return []
    question = clean_line(str(known[number]), 300)
    return [fit_line(((f" {question}", "title"),), columns)]


def side_by_side(
    row: Completion, beside: Beside | None, asked: Asked, columns: int, rows: int
) -> list[Line]:
    """Write one completion, and right of it what another epoch answered to the same."""
    if beside is None or columns < _PAIR_LEAST:
        return full_text(row, asked, columns, rows)
    head = [*question_lines(row, asked, columns), *headed(beside, columns)]
    return [*head, *pair_lines(row, beside, asked, columns, max(1, rows - len(head)))][:rows]


def headed(beside: Beside | None, columns: int) -> list[Line]:
    """Write which epoch stands at which side; [] where one stands alone."""
    if beside is None or columns < _PAIR_LEAST:
        return []
    return [((fit(f" {beside.here}", columns // 2, ""), "label"), (f"  {beside.name}", "label"))]


def pair_lines(
    row: Completion, beside: Beside | None, asked: Asked, columns: int, rows: int
) -> list[Line]:
    """Write two answers to one question in columns of their own, or the one that there is."""
    alone = replace(asked, questions={})
    if beside is None or columns < _PAIR_LEAST:
        return full_text(row, alone, columns, rows)
    half, other = columns // 2, beside.same(row)
    left = full_text(row, alone, half, rows)
    right: list[Line] = [((" no such answer there", "muted"),)]
    if other is not None:
        right = full_text(other, alone, half - 1, rows)
    return [
        (*mine, (" " * max(0, half - width(mine)), ""), ("│", "rule"), *theirs)
        for mine, theirs in zip_longest(left, right, fillvalue=())
    ]


def words(
    rows: Sequence[Completion],
    places: Sequence[int],
    choice: Choice,
    labels: Mapping[str, str] | None = None,
) -> str:
    """Say what is listed, the search first: it goes on choosing until it is taken back."""
    if not rows:
        return "no completions"
    hits = sum(1 for place in places if is_hit(rows[place]))
    parts = [f'"{clean_line(choice.needle, 30)}"'] if choice.needle else []
    what = "that count" if any("hits" in row for row in rows) else "with the marker"
    parts.append(f"{len(places)} of {len(rows)}, {hits} {what}")
    if choice.persona is not None:
        parts.append(clean_line((labels or {}).get(choice.persona, choice.persona), 30))
    if choice.question is not None:
        name, number = choice.question
        parts.append(f"question {number}" + f" of set {clean_line(name, 12)}" * bool(name))
    if choice.hits_only:
        parts.append("hits only")
    return "  ".join(parts)
