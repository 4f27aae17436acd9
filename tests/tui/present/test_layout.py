"""How the grid screen shares its rows and columns."""

from __future__ import annotations

from tuilab.tui.present.layout import share_rows


def test_rows_are_shared_so_that_nothing_is_lost() -> None:
    for rows in range(12, 100):
        for table_rows in (1, 7, 300):
            for columns in (40, 80, 140):
                shares = share_rows(columns, rows, table_rows)
                used = (
                    shares.grid + shares.trajectory + shares.story + shares.log + shares.event + 4
                )  # header, two rules, keys
                assert used == rows, (rows, table_rows, columns)
                assert shares.grid >= 2


def test_the_right_pane_takes_what_the_table_leaves() -> None:
    assert share_rows(140, 45, 7, 70).side == 70
    assert share_rows(240, 60, 7, 70).side == 92
    assert share_rows(140, 45, 7, 93).side == 47
    assert share_rows(140, 45, 7, 500).side == 38


def test_results_from_elsewhere_have_no_empty_log_rows() -> None:
    small = share_rows(80, 24, 7, has_events=False, has_log=False)
    assert (small.log, small.trajectory) == (0, 11)
    large = share_rows(200, 60, 7, has_events=False, has_log=False)
    assert (large.log, large.trajectory) == (0, 45)
