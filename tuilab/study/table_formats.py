"""Lays the same titled cells out as text, Markdown, CSV or LaTeX; it formats no number."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from rich.cells import cell_len

from tuilab.grid.text import padded

Rows = Sequence[Sequence[str]]
FORMATS = ("text", "md", "csv", "latex", "json")


def as_text(titles: Sequence[str], rows: Rows, width: int | None = None) -> str:
    """Align columns with two spaces between; the first to the left, the others to the right.

    With ``width`` (columns of a terminal) a wider table is cut into several, one below the other,
    each with the first column again.
    """
    table = [list(titles), *[list(row) for row in rows]]
    widths = [max(cell_len(row[column]) for row in table) for column in range(len(titles))]
    blocks = _blocks(widths, width)
    return "\n\n".join(
        "\n".join(_line(row, widths, columns) for row in table) for columns in blocks
    )


def _line(row: Sequence[str], widths: Sequence[int], columns: Sequence[int]) -> str:
    cells = (padded(row[column], widths[column], right=column > 0) for column in columns)
    return "  ".join(cells).rstrip()


def _blocks(widths: Sequence[int], width: int | None) -> list[list[int]]:
    """Columns that fit side by side, column 0 leading every block."""
    if width is None or not widths:
        return [list(range(len(widths)))]
    blocks = [[0]]
    used = widths[0]
    for column in range(1, len(widths)):
        if used + 2 + widths[column] > width and len(blocks[-1]) > 1:
            blocks.append([0])
            used = widths[0]
        blocks[-1].append(column)
        used += 2 + widths[column]
    return blocks


def as_markdown(titles: Sequence[str], rows: Rows, is_prose: bool = False) -> str:
    """Write a GitHub table; bars inside cells are escaped; prose columns stand to the left."""

    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"

    rule = ["---", *["---" if is_prose else "---:"] * (len(titles) - 1)]
    return "\n".join([line(titles), line(rule), *[line(row) for row in rows]])


def as_csv(titles: Sequence[str], rows: Rows) -> str:
    """Write RFC 4180 lines ending in LF."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(titles)
    writer.writerows(rows)
    return out.getvalue().rstrip("\n")


_LATEX = str.maketrans(
    {
        "\\": r"\textbackslash{}",
        "&": r"\&",
        "%": r"\%",
        "$": r"\$",
        "#": r"\#",
        "_": r"\_",
        "{": r"\{",
        "}": r"\}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "✗": r"$\times$",
        "†": r"$\dagger$",
    }
)


def as_latex(titles: Sequence[str], rows: Rows, caption: str = "") -> str:
    """Write a booktabs table with its caption."""

    def line(cells: Sequence[str]) -> str:
        return " & ".join(cell.translate(_LATEX) for cell in cells) + r" \\"

    return "\n".join(
        [
            r"\begin{table}",
            r"\centering",
            r"\caption{" + caption.translate(_LATEX) + "}",
            r"\begin{tabular}{l" + "r" * (len(titles) - 1) + "}",
            r"\toprule",
            line(titles),
            r"\midrule",
            *[line(row) for row in rows],
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
        ]
    )
