"""Reads a CSV of results, names every problem by its line, and writes a results-only experiment."""

from __future__ import annotations

import csv
import io
import json
import re
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tuilab.contract import atomic
from tuilab.contract.foreign import clean_line
from tuilab.grid.text import count_of
from tuilab.report.table_layouts import Layout, layout_of, separator_of, tidy_rows, unknown_columns
from tuilab.science.frame import REQUIRED
from tuilab.science.schema import COLUMNS, RowProblem
from tuilab.store.find_experiments import DESIGN_FILE, RESULTS_FILE
from tuilab.store.results_only import columns_of
from tuilab.study.table_formats import as_csv

if TYPE_CHECKING:
    import pandas as pd

    from tuilab.science.design import Design


NEEDS = "a header line with source, epoch, metric, and value or hits and n"
_EARLIER = re.compile(r"(?<=repeats )row (\d+)")
_MOST_CAUSES = 200
_NUMBERS = re.compile(r"[-+]?\d[\d.]*(?:e[-+]?\d+)?")
_SHEETS = frozenset({".xlsx", ".xls", ".ods"})


class ImportRefusedError(Exception):
    """The table or the place for it cannot be used; the text says why."""


@dataclass(slots=True)
class CsvTable:
    """The rows of a file as text."""

    header: list[str]
    rows: list[dict[str, str]] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    """Line on which each row begins."""
    problems: list[RowProblem] = field(default_factory=list)
    """Rows that do not fit the header; they are not in ``rows``."""

    def at_line(self, problem: RowProblem) -> RowProblem:
        """Rename a problem of row i (from 1) to the line on which that row begins."""

        def line(row: int) -> int:
            return self.lines[row - 1] if 0 < row <= len(self.lines) else 0

        message = _EARLIER.sub(lambda found: f"line {line(int(found[1]))}", problem.message)
        return RowProblem(line(problem.row), problem.column, message)


def read_csv(path: Path, unit: str = "rate") -> CsvTable:
    """Read a file into tidy rows; ImportRefusedError in one sentence when it is no table at all.

    Fields are separated by commas, semicolons, tabs or bars; a wide table is made tidy, each of its
    rows keeping the line that it is from.
    """
    text = _from_sheet(path) if path.suffix.lower() in _SHEETS else _text(path)
    first = next((line for line in text.splitlines() if line.strip()), "")
    mark = separator_of(first)
    reader = csv.reader(io.StringIO(text, newline=""), strict=True, delimiter=mark)
    table = CsvTable([])
    try:
        header = next((fields for fields in reader if any(map(str.strip, fields))), [])
        header = [name.strip() for name in header]
        layout = layout_of(header)
        table.header = list(layout.header) if layout else header
        _refuse_header(path, table.header, is_known=layout is not None)
        before = reader.line_num
        for fields in reader:
            if any(field.strip() for field in fields):
                _take(table, layout, header, fields, before + 1, unit, mark)
            before = reader.line_num
    except csv.Error as error:
        raise ImportRefusedError(f"{path}, line {reader.line_num}: {error}") from error
    return table


def _from_sheet(path: Path) -> str:
    """The first sheet of a spreadsheet as comma-separated text, where pandas can read it."""
    import pandas as pd

    try:
        if path.suffix.lower() == ".xlsx":
            rows = _shown_in_excel(path)
        else:
            rows = pd.read_excel(path, header=None, dtype=object).values.tolist()
    except ImportError as error:
        named = re.search(r"['`](?:Import )?(\w+)['`]", str(error))
        package = error.name or (named[1] if named else "a package of pandas")
        hint = f"reading it needs {package}: `pip install {package}`, or save the sheet as CSV"
        raise ImportRefusedError(f"{path}: {hint}") from error
    except FileNotFoundError:
        raise ImportRefusedError(f"{path}: there is no such file") from None
    except Exception as error:  # whatever the library meets in a file that is no sheet
        raise ImportRefusedError(f"{path}: cannot be read as a spreadsheet: {error}") from error
    return str(pd.DataFrame(rows).to_csv(index=False, header=False))


def _shown_in_excel(path: Path) -> list[list[Any]]:
    """Return the cells of the first sheet, those that Excel shows as percentages as such.

    It keeps 45.0% as 0.45, which --unit percent would read as half a percent.
    """
    from openpyxl import load_workbook

    def shown(cell: Any) -> Any:
        is_number = isinstance(cell.value, int | float) and not isinstance(cell.value, bool)
        if is_number and "%" in (cell.number_format or ""):
            return f"{100 * cell.value:.12g}%"
        return cell.value

    sheet = load_workbook(path, read_only=True, data_only=True).worksheets[0]
    return [[shown(cell) for cell in row] for row in sheet.iter_rows()]


def refusal(path: Path, problems: list[RowProblem]) -> ImportRefusedError:
    """Say every cause on a line of its own, in the order of the file, with how often it occurs."""
    ordered = sorted(problems, key=lambda problem: problem.row)
    causes: dict[tuple[str, str], list[RowProblem]] = {}
    for one in ordered:
        causes.setdefault((one.column, _NUMBERS.sub("#", one.message)), []).append(one)
    said = []
    for alike in list(causes.values())[:_MOST_CAUSES]:
        rest = len(alike) - 1
        more = f"; {count_of(rest, 'more line')} alike" if rest else ""
        said.append(f"  {_place(alike[0])}: {clean_line(alike[0].message)}{more}")
    if len(causes) > _MOST_CAUSES:
        said.append(f"  and {len(causes) - _MOST_CAUSES} more")
    count = count_of(len(ordered), "problem")
    return ImportRefusedError("\n".join([f"{path}: {count}, nothing was written", *said]))


def _place(problem: RowProblem) -> str:
    where = f"line {problem.row}" if problem.row else ""
    return ", ".join(part for part in (where, problem.column) if part) or "the table"


def _text(path: Path) -> str:
    try:
        raw = path.read_bytes()
        # What spreadsheets call Unicode text is UTF-16.
        text = raw.decode("utf-16" if raw[:2] in (BOM_UTF16_LE, BOM_UTF16_BE) else "utf-8-sig")
    except FileNotFoundError:
        raise ImportRefusedError(f"{path}: there is no such file") from None
    except UnicodeDecodeError as error:
        where = f"byte {error.start + 1} is not {error.encoding.upper()}: save it as UTF-8"
        raise ImportRefusedError(f"{path}: is not a text table ({where})") from error
    except OSError as error:
        raise ImportRefusedError(f"{path}: cannot be read: {error.strerror}") from error
    if "\0" in text:
        raise ImportRefusedError(f"{path}: is not a text table (it holds NUL bytes)")
    if not text.strip():
        raise ImportRefusedError(f"{path}: is empty; it needs {NEEDS}")
    return text


def _refuse_header(path: Path, header: list[str], *, is_known: bool) -> None:
    if repeated := sorted({name for name in header if header.count(name) > 1}):
        raise ImportRefusedError(f"{path}: line 1 names {', '.join(repeated)} more than once")
    if not is_known and not set(REQUIRED) & set(header):
        shown = clean_line(",".join(header), 80)
        raise ImportRefusedError(
            f"{path}: line 1 is not a header ({shown}); the table needs {NEEDS}"
        )
    unknown = [clean_line(name, 40) or "(no name)" for name in unknown_columns(header)]
    if unknown:
        raise ImportRefusedError(
            f"{path}: unknown columns {', '.join(unknown)}; known columns: {', '.join(COLUMNS)}"
        )


def _take(
    table: CsvTable,
    layout: Layout | None,
    header: list[str],
    fields: list[str],
    line: int,
    unit: str,
    mark: str,
) -> None:
    if len(fields) != len(header):
        message = f"{len(fields)} fields, but the header names {len(header)}"
        table.problems.append(RowProblem(line, "", message))
        return
    rows = [dict(zip(header, fields, strict=True))]
    if layout is not None:
        rows = tidy_rows(layout, fields, unit, mark)
    table.rows += rows
    table.lines += [line] * len(rows)


PERCENT_HINT = "(is the table in percent?)"


@dataclass(frozen=True, slots=True, eq=False)
class ReadTable:
    """A file's measurements with the order that people gave them."""

    frame: pd.DataFrame
    """A measurements frame in canonical order."""
    sources: tuple[str, ...]
    """Sources in the order of the file."""
    seed_given: bool
    """Whether any row names a seed."""


def read_table(path: Path, unit: str, target: str) -> ReadTable:
    """Read a tidy CSV into measurements; every problem of the file is named by its line.

    Columns: source, epoch, metric, and value or hits and n; optionally seed, persona, layer, pool,
    model_state, status, reason, edits. ``unit`` is ``rate`` (0..1) or ``percent``.
    Raises ImportRefusedError.
    """
    import pandas as pd

    from tuilab.science.frame import BLANK, measurements
    from tuilab.science.schema import MeasurementsError

    table = read_csv(path, unit)
    raw = pd.DataFrame(table.rows, columns=table.header, dtype="string")
    chosen: Literal["percent", "rate"] = "percent" if unit == "percent" else "rate"
    may_be_empty = bool(table.problems)
    try:
        frame = measurements(raw, unit=chosen, target=target, may_be_empty=may_be_empty)
    except MeasurementsError as error:
        raise refusal(path, [*table.problems, *map(table.at_line, error.problems)]) from error
    if table.problems:
        raise refusal(path, table.problems)
    if not bool(frame["value"].notna().any()):
        raise ImportRefusedError(f"{path}: every value is missing, so there is nothing to show")
    sources = tuple(dict.fromkeys(row["source"].strip() for row in table.rows))
    seeds = (row.get("seed", "").strip().lower() for row in table.rows)
    return ReadTable(frame, sources, not BLANK.issuperset(seeds))


def write_results(
    root: Path, frame: pd.DataFrame, design: Design, provenance: Mapping[str, Any]
) -> Path:
    """Make a results directory, all of it or nothing; refuses a place that is taken."""
    if root.exists():
        raise ImportRefusedError(f"{root} already exists: choose another --name")
    records = frame.to_dict("records")
    columns = columns_of(records)
    rows = [[_written(row[name]) for name in columns] for row in records]
    described = design_document(frame, design, provenance)
    text = json.dumps(described, indent=1, ensure_ascii=False) + "\n"
    with atomic.folder(root) as draft:
        atomic.write_bytes(draft / RESULTS_FILE, (as_csv(columns, rows) + "\n").encode())
        atomic.write_bytes(draft / DESIGN_FILE, text.encode())
    return root


def design_document(
    frame: pd.DataFrame, design: Design, provenance: Mapping[str, Any]
) -> dict[str, Any]:
    """Return design.json's content."""
    from tuilab.science.cosine import scales

    found = scales(frame)
    return {
        "name": design.name,
        "sources": [{"key": one.key, "label": one.label} for one in design.sources],
        "panel": [{"key": one.key, "label": one.label} for one in design.personas],
        "target": design.target.key,
        "target_label": design.target.label,
        "epochs": list(design.epochs),
        "seeds": list(design.seeds),
        **({} if design.seed_given else {"seed_given": False}),
        "reference": None,
        "headline_cosine": asdict(found[0]) if found else {},
        "provenance": dict(provenance),
    }


def _written(value: object) -> str:
    import pandas as pd

    if pd.isna(value):  # type: ignore[call-overload]  # a scalar gives a bool
        return ""
    return repr(value) if isinstance(value, float) else str(value)
