"""The same cells in every layout; a narrow terminal gets several tables, never a cut cell."""

from __future__ import annotations

import csv
import io

from hypothesis import given
from hypothesis import strategies as st

from tuilab.study.table_formats import as_csv, as_latex, as_markdown, as_text

TITLES = ["Source", "Peak [95%]", "n"]
ROWS = [["Villain", "73.2% [69.5, 76.6]", "600"], ["a|b & c_d", "n/a", "200"]]


def test_text_aligns_the_first_column_left_and_the_others_right() -> None:
    assert as_text(TITLES, ROWS).splitlines() == [
        "Source             Peak [95%]    n",
        "Villain    73.2% [69.5, 76.6]  600",
        "a|b & c_d                 n/a  200",
    ]


def test_a_character_of_two_columns_counts_as_two() -> None:
    assert as_text(["Name", "n"], [["悪役", "1"], ["a", "2"]]).splitlines() == [
        "Name  n",
        "悪役  1",
        "a     2",
    ]


@given(st.integers(1, 60))
def test_a_narrow_terminal_gets_every_cell_in_some_block(width: int) -> None:
    text = as_text(TITLES, ROWS, width)
    for cell in [*TITLES, *ROWS[0], *ROWS[1]]:
        assert cell in text
    whole = as_text(TITLES, ROWS)
    if width >= max(map(len, whole.splitlines())):
        assert text == whole


def test_markdown_keeps_a_bar_inside_its_cell() -> None:
    assert as_markdown(TITLES, ROWS).splitlines()[-1] == r"| a\|b & c_d | n/a | 200 |"


def test_csv_reads_back_as_it_was() -> None:
    assert list(csv.reader(io.StringIO(as_csv(TITLES, ROWS)))) == [TITLES, *ROWS]


def test_latex_escapes_what_latex_would_eat() -> None:
    text = as_latex(TITLES, ROWS, "50% of {all}")
    assert r"a|b \& c\_d & n/a & 200 \\" in text
    assert r"\caption{50\% of \{all\}}" in text
