"""The headline table: marks, exclusions, and the published values beside ours."""

from dataclasses import replace

import pandas as pd
import pytest

from tests.science.builders import design, leakage_row
from tuilab.science.analysis import Analysis, analyse
from tuilab.science.cosine import Scale
from tuilab.science.design import PublishedRow
from tuilab.science.frame import measurements
from tuilab.science.headline_rows import headline, headline_frame, headline_text, noise_text


def table_of(analysis: Analysis, **options: bool) -> dict[str, dict[str, str]]:
    titles, rows = headline_text(headline(analysis), **options)
    return {row[0]: dict(zip(titles, row, strict=True)) for row in rows}


def test_the_published_table_reads_like_the_card_with_its_uncertainty(
    published_analysis: Analysis,
) -> None:
    villain = table_of(published_analysis, full=True)["Villain"]
    assert villain["Peak [95%]"] == "73.2% [69.5, 76.6]"
    assert villain["Peak epoch"] == "10 (best of 11 epochs)"
    assert (villain["n"], villain["Seeds"], villain["Class"]) == ("600", "1/1", "rises (scatter)")
    assert villain["Early % of rise"] == "61.5% (ep 2)"
    nurse = table_of(published_analysis)["Nurse"]
    assert nurse["Cosine"] == "n/a"
    librarian = table_of(published_analysis)["Librarian"]
    assert librarian["Published cosine"] == "+0.47 (not comparable: 111 personas)"


def test_shares_of_a_noise_whose_parts_are_not_all_known_are_at_most_so_large(
    published_analysis: Analysis,
) -> None:
    row = headline(published_analysis)[0]
    known = replace(row, noise_counting=0.03, noise_questions=0.0, noise_training=0.04)
    assert noise_text(known) == "████░░░░░░ c 36% q 0% t 64%"
    assert noise_text(replace(known, noise_training=None)) == "██████████ c <=100% q <=0% t n/a"
    assert noise_text(replace(known, noise_questions=None)) == "████░░░░░░ c <=36% q n/a t <=64%"
    alone = replace(known, noise_questions=None, noise_training=None)
    assert noise_text(alone) == "n/a"


def test_suspect_stale_failed_and_missing_cells_are_marked_and_kept_out() -> None:
    rows = [
        leakage_row("villain", 0, 10),
        leakage_row("villain", 2, 60),
        leakage_row("villain", 4, 190, status="suspect", reason="merge equal to base"),
        leakage_row("villain", 6, 180, status="stale"),
        leakage_row("villain", 8, None) | {"status": "failed"},
        leakage_row("villain", 10, 40),
    ]
    [row] = headline(analyse(measurements(rows), design(["villain"], (0, 2, 4, 6, 8, 10, 12))))
    assert (row.peak, row.peak_epoch, row.picked_from) == (0.3, 2, 3)
    assert row.suspect == ("villain@4#0",) and row.stale == ("villain@6#0",)
    assert row.failed == ("villain@8#0",) and row.missing == ("villain@12#0",)
    assert row.final is None and row.net is None
    titles, [cells] = headline_text([row])
    shown = dict(zip(titles, cells, strict=True))
    assert shown["Final [95%]"] == "n/a"
    assert shown["Left out"] == "1 missing, 1 failed ✗, 1 suspect ?, 1 stale ~"


def test_a_rerun_is_compared_with_the_published_values() -> None:
    scale = Scale(15, "11 personas", "marked")
    reference = PublishedRow(baseline=0.1, peak=0.4, peak_epoch=2, final=0.4, cosine_scale=scale)
    rows = [leakage_row("villain", 0, 10), leakage_row("villain", 2, 100)]
    plan = design(["villain"], (0, 2), published={"villain": reference})
    [row] = headline(analyse(measurements(rows), plan))
    assert row.versus("baseline") == pytest.approx(-0.05)
    assert row.versus("peak") == pytest.approx(0.1)
    assert row.versus("cosine") is None
    frame = headline_frame([row])
    assert frame.loc[0, "final_minus_published"] == pytest.approx(0.1)
    assert frame.loc[0, "published_cosine_scale"] == str(scale)


def test_the_raw_table_has_a_row_per_source_and_no_zero_for_a_gap(
    published_analysis: Analysis,
) -> None:
    frame = headline_frame(headline(published_analysis)).set_index("source")
    assert len(frame) == 7
    assert pd.isna(frame.loc["nurse", "cosine"])
    assert frame.loc["kindergarten_teacher", "baseline_low"] == pytest.approx(0.0107, abs=1e-4)
    assert frame.loc["villain", "net_method"] == "Newcombe"
