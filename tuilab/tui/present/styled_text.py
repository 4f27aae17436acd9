"""Lines as plain values: pieces of text with a role, measured in terminal columns."""

from __future__ import annotations

import re
from collections.abc import Iterable

from rich.cells import cell_len, set_cell_size

from tuilab.contract.foreign import clean_line

Piece = tuple[str, str]
"""(text, role). A role is words such as ``failed`` or ``done cursor``; a palette colours it."""
Line = tuple[Piece, ...]


def width(line: Iterable[Piece]) -> int:
    """Columns that a line takes."""
    return sum(cell_len(text) for text, _ in line)


def fit(text: str, columns: int, ellipsis: str = "…") -> str:
    """Pad or cut ``text`` to exactly ``columns`` columns; what was cut ends in an ellipsis."""
    if columns <= 0:
        return ""
    length = cell_len(text)
    if length == columns:
        return text
    if length < columns:
        return text + " " * (columns - length)
    return set_cell_size(text, columns - cell_len(ellipsis)) + ellipsis


def fit_line(line: Iterable[Piece], columns: int, ellipsis: str = "…") -> Line:
    """Cut a line to at most ``columns`` columns, keeping roles."""
    kept: list[Piece] = []
    room = columns
    for text, role in line:
        length = cell_len(text)
        if length > room:
            if room > 0:
                kept.append((fit(text, room, ellipsis), role))
            return tuple(kept)
        kept.append((text, role))
        room -= length
    return tuple(kept)


def sides(left: Iterable[Piece], right: Iterable[Piece], columns: int) -> Line:
    """Put one line at the left and one at the right end; the left one gives way."""
    right = tuple(right)
    room = columns - width(right)
    if room <= 0:
        return fit_line(right, columns)
    kept = fit_line(left, room)
    return (*kept, (" " * (room - width(kept)), ""), *right)


def tabs(names: Iterable[str], here: str) -> list[Piece]:
    """Write names beside each other; the open one stands out."""
    return [(f"[{name}]", "title") if name == here else (f" {name} ", "muted") for name in names]


def rule(title: str, tail: str, columns: int, stroke: str) -> Line:
    """Draw a rule across ``columns`` with a title near its left and a hint near its right end."""
    left: Line = ((stroke * 2, "rule"),)
    if title:
        left = (*left, (f" {title} ", "title"))
    room = columns - width(left) - 4
    if tail and room < cell_len(tail) + 1 and room < columns // 3:
        tail = ""
    right: Line = ((f" {fit(tail, min(room - 1, cell_len(tail)))} ", "muted"),) if tail else ()
    right = (*right, (stroke * 3, "rule")) if tail else ()
    room = columns - width(right)
    left = fit_line(left, room)
    return (*left, (stroke * (room - width(left)), "rule"), *right)


def plain(line: Iterable[Piece]) -> str:
    """Return the text of a line without roles."""
    return "".join(text for text, _ in line)


def wrap(text: str, columns: int, limit: int = 1000) -> list[str]:
    """Break text into rows of at most ``columns`` columns, between words where it can.

    Where there are more than ``limit`` the last one ends in an ellipsis.
    """
    rows: list[str] = []
    columns = max(1, columns)  # a terminal that is being shrunk may have none
    for paragraph in text.split("\n"):
        if len(rows) >= limit:
            rows.append("")
            break
        row = ""
        for word in paragraph.split(" "):
            candidate = f"{row} {word}" if row else word
            if cell_len(candidate) <= columns:
                row = candidate
                continue
            if row:
                rows.append(row)
            while cell_len(word) > columns:
                head = _head(word, columns)
                rows.append(head)
                word = word[len(head) :]
            row = word
        rows.append(row)
    if len(rows) > limit > 0:
        last = f"{rows[limit - 1]} …"
        rows[limit - 1] = last if cell_len(last) <= columns else fit(last, columns)
    return rows[:limit]


def wrapped(piece: Piece, columns: int, limit: int) -> list[Line]:
    """Write one piece in up to ``limit`` lines; none for a blank one."""
    text = clean_line(piece[0].strip(), 2000)
    return [((f" {row}", piece[1]),) for row in wrap(text, columns - 2, limit) if row]


_SHELL_WORD = re.compile(r"(?:'[^']*'|\"[^\"]*\"|[^\s'\"])+")


def command_lines(command: str, columns: int, most: int = 100) -> list[Line]:
    """Write a command line whole, over several rows where it is long.

    Rows end in a backslash, so that a shell takes them as they stand. A single word that is too
    long, such as a reason, breaks at its blanks.
    """
    room = max(8, columns - 5)
    rows = [""]
    for word in _SHELL_WORD.findall(command):
        if not rows[-1] or cell_len(rows[-1]) + 1 + cell_len(word) <= room:
            rows[-1] = f"{rows[-1]} {word}".lstrip()
        else:
            rows[-1] += " \\"
            rows.append(word)
    broken = [part for row in rows for part in wrap(row, columns - 3)]
    if len(broken) > most:
        broken = [*broken[: most - 1], fit(f"{broken[most - 1]} …", columns - 3).rstrip()]
    return [
        ((f" {'$' if place == 0 else ' '} {row}", "muted"),) for place, row in enumerate(broken)
    ]


def _head(word: str, columns: int) -> str:
    head = word[: max(1, columns)]
    while cell_len(head) > columns and len(head) > 1:
        head = head[:-1]
    return head


def highlight(text: str, needle: str, role: str) -> Line:
    """Split a text so that every occurrence of ``needle`` (any case) has the role ``match``."""
    if not needle:
        return ((text, role),)
    pieces: list[tuple[str, str]] = []
    place = 0
    for match in re.finditer(re.escape(needle), text, re.IGNORECASE):
        pieces += [(text[place : match.start()], role), (match[0], "match")]
        place = match.end()
    return tuple(piece for piece in (*pieces, (text[place:], role)) if piece[0])
