"""What is said of one source over its checkpoints, relative to its own epoch 0."""

from collections.abc import Sequence

from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.science.builders import analysis_of
from tuilab.science.analysis import SourceResult

HITS = st.lists(st.one_of(st.none(), st.integers(0, 200)), min_size=2, max_size=8)


def source(*hits: int | None) -> SourceResult:
    return of(hits)


def of(hits: Sequence[int | None]) -> SourceResult:
    return analysis_of({"villain": hits}, range(0, 2 * len(hits), 2)).sources[0]


def test_without_epoch_zero_nothing_relative_is_known() -> None:
    found = source(None, 40, 80)
    assert (found.rise.mean, found.net.mean, found.above_baseline, found.ties) == (None,) * 4
    assert found.leakage.baseline is None and found.fraction_of_rise(2) is None
    assert (found.leakage.peak, found.leakage.final) == (0.4, 0.4)


def test_a_missing_last_epoch_is_no_final_value() -> None:
    found = source(20, 100, None)
    assert found.leakage.final is None and found.net.mean is None


def test_an_unplanned_epoch_is_no_share_of_anything() -> None:
    assert source(20, 100).fraction_of_peak(3) is None


def test_a_peak_of_zero_has_no_fractions() -> None:
    found = source(0, 0, 0)
    assert found.fraction_of_peak(2) is None and found.fraction_of_rise(2) is None
    assert (found.rise.mean, found.net.mean, found.ties) == (0.0, 0.0, 2)


@settings(max_examples=8)
@given(HITS)
@example([20, 40, None])
@example([20, None, 20])
@example([None, 40])
def test_the_fraction_of_rise_is_undefined_exactly_when_there_is_no_rise(
    hits: list[int | None],
) -> None:
    found = of(hits)
    assert found.rise.mean is None or found.rise.mean >= 0
    for point in found.leakage.points:
        known = point.counted is not None and bool(found.rise.mean)
        assert (found.fraction_of_rise(point.epoch) is not None) == known
