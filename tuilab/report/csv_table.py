"""Reads a CSV with the line of every row, so that every problem can be named by its line."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass, field
from pathlib import Path

from tuilab.contract.foreign import clean_line
from tuilab.grid.text import count_of
from tuilab.science.frame import REQUIRED
from tuilab.science.schema import COLUMNS, Problem

NEEDS = "a header line with source, epoch, metric, and value or hits and n"
_EARLIER = re.compile(r"(?<=repeats )row (\d+)")
_SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "bars"}


class ImportRefusedError(Exception):
    """The table or the place for it cannot be used; the text says why."""


@dataclass(slots=True)
class CsvTable:
    """The rows of a file as text."""

    header: list[str]
    rows: list[dict[str, str]] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    """Line on which each row begins."""
    problems: list[Problem] = field(default_factory=list)
    """Rows that do not fit the header; they are not in ``rows``."""

    def at_line(self, problem: Problem) -> Problem:
        """Rename a problem of row i (from 1) to the line on which that row begins."""

        def line(row: int) -> int:
            return self.lines[row - 1] if 0 < row <= len(self.lines) else 0

        message = _EARLIER.sub(lambda found: f"line {line(int(found[1]))}", problem.message)
        return Problem(line(problem.row), problem.column, message)


def read_csv(path: Path) -> CsvTable:
    """Read a file; ImportRefusedError in one sentence when it is no table at all."""
    reader = csv.reader(io.StringIO(_text(path), newline=""), strict=True)
    table = CsvTable([])
    try:
        table.header = [name.strip() for name in next(reader, [])]
        _refuse_header(path, table.header)
        before = reader.line_num
        for fields in reader:
            _take(table, fields, before + 1)
            before = reader.line_num
    except csv.Error as error:
        raise ImportRefusedError(f"{path}, line {reader.line_num}: {error}") from error
    return table


def refusal(path: Path, problems: list[Problem], limit: int = 200) -> ImportRefusedError:
    """Say every problem on a line of its own, in the order of the file."""
    ordered = sorted(problems, key=lambda problem: problem.row)
    said = [f"  {_place(one)}: {clean_line(one.message)}" for one in ordered[:limit]]
    if len(ordered) > limit:
        said.append(f"  and {len(ordered) - limit} more")
    count = count_of(len(ordered), "problem")
    return ImportRefusedError("\n".join([f"{path}: {count}, nothing was written", *said]))


def _place(problem: Problem) -> str:
    where = f"line {problem.row}" if problem.row else ""
    return ", ".join(part for part in (where, problem.column) if part) or "the table"


def _text(path: Path) -> str:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise ImportRefusedError(f"{path}: there is no such file") from None
    except UnicodeDecodeError as error:
        where = f"byte {error.start + 1} is not UTF-8"
        raise ImportRefusedError(f"{path}: is no text table ({where})") from error
    except OSError as error:
        raise ImportRefusedError(f"{path}: cannot be read: {error.strerror}") from error
    if "\0" in text:
        raise ImportRefusedError(f"{path}: is no text table (it holds NUL bytes)")
    if not text.strip():
        raise ImportRefusedError(f"{path}: is empty; it needs {NEEDS}")
    return text


def _refuse_header(path: Path, header: list[str]) -> None:
    first = ",".join(header)
    for mark, name in _SEPARATORS.items():
        if len(header) == 1 and mark in first:
            raise ImportRefusedError(f"{path}: fields are separated by {name}; use commas")
    if not set(REQUIRED) & set(header):
        shown = clean_line(first, 80)
        raise ImportRefusedError(f"{path}: line 1 is no header ({shown}); it needs {NEEDS}")
    if unknown := [clean_line(name, 40) or "(no name)" for name in header if name not in COLUMNS]:
        raise ImportRefusedError(
            f"{path}: unknown columns {', '.join(unknown)}; known are {', '.join(COLUMNS)}"
        )
    if repeated := sorted({name for name in header if header.count(name) > 1}):
        raise ImportRefusedError(f"{path}: line 1 names {', '.join(repeated)} more than once")


def _take(table: CsvTable, fields: list[str], line: int) -> None:
    if not any(text.strip() for text in fields):
        return
    if len(fields) != len(table.header):
        message = f"{len(fields)} fields where the header names {len(table.header)}"
        table.problems.append(Problem(line, "", message))
        return
    table.rows.append(dict(zip(table.header, fields, strict=True)))
    table.lines.append(line)
