"""The exact test of many tables at once against scipy's of one."""

from __future__ import annotations

import random

from hypothesis import example, given, settings
from hypothesis import strategies as st
from pytest import approx
from scipy import stats

from tuilab.science.fisher import Table, fisher_p_values


def scipys(table: Table) -> float:
    hits, n, other_hits, other_n = table
    rows = [[hits, n - hits], [other_hits, other_n - other_hits]]
    return float(stats.fisher_exact(rows).pvalue)


@st.composite
def tables(draw: st.DrawFn, most: int = 60) -> Table:
    n, other_n = draw(st.integers(1, most)), draw(st.integers(1, most))
    return draw(st.integers(0, n)), n, draw(st.integers(0, other_n)), other_n


@settings(max_examples=25)
@given(st.lists(tables() | tables(most=5_000), max_size=8))
@example([(0, 5, 0, 7), (5, 5, 7, 7), (0, 5, 7, 7), (5, 5, 0, 7)])
@example([(3, 10, 3, 10), (3, 10, 7, 10), (7, 10, 3, 10), (1, 1, 0, 1)])
def test_each_table_of_many_gets_the_p_value_of_scipy(drawn: list[Table]) -> None:
    assert fisher_p_values(drawn) == approx([scipys(table) for table in drawn], rel=1e-8)


def test_a_grid_of_200_completions_a_cell_gets_the_p_values_of_scipy() -> None:
    draw = random.Random(5)
    grid = [(draw.randint(0, 200), 200, draw.randint(0, 200), 200) for _ in range(120)]
    assert fisher_p_values(grid) == approx([scipys(table) for table in grid], rel=1e-9)


def test_tables_that_repeat_are_answered_in_their_order() -> None:
    first, second = (20, 200, 36, 200), (1, 4, 3, 4)
    p, other = fisher_p_values([first, second])
    assert fisher_p_values([second, first, first, second]) == [other, p, p, other]
    assert fisher_p_values([]) == []
