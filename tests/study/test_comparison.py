"""Two experiments side by side: which cells meet, and what is said of them."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from tests.report.ran_here import QUESTIONS, whole
from tuilab.cli.resolve import published_dir
from tuilab.grid.metrics import Measurement, time_of
from tuilab.grid.states import State
from tuilab.store.reader import Reader
from tuilab.store.snapshot import CellView, Snapshot
from tuilab.study.comparability import Comparability
from tuilab.study.comparison import compare, paired, shared_questions
from tuilab.study.comparison_text import as_document, as_lines

LEAKAGE = "assistant_leakage"
SAME = Comparability(77, {})


@pytest.fixture(scope="module")
def card() -> Snapshot:
    return Reader(published_dir()).poll(0.0)


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return whole(tmp_path_factory.mktemp("ran") / "x").root


def changed(snapshot: Snapshot, name: str, **views: CellView) -> Snapshot:
    """Return a copy with another name and other views of some cells."""
    cells = tuple(views.get(f"{v.cell.source}_{v.cell.epoch}", v) for v in snapshot.cells)
    return replace(snapshot, name=name, cells=cells)


def view(snapshot: Snapshot, source: str, epoch: int) -> CellView:
    return next(v for v in snapshot.cells if (v.cell.source, v.cell.epoch) == (source, epoch))


def test_an_experiment_is_no_different_from_itself(card: Snapshot) -> None:
    found = compare(card, card, LEAKAGE)
    assert len(found.cells) == len(found.measured) == 77
    assert found.beyond_chance == []
    assert {each.difference for each in found.measured} == {0.0}


def test_a_cell_that_is_not_done_or_not_measured_is_missing_and_never_zero(card: Snapshot) -> None:
    failed = replace(view(card, "villain", 0), state=State.FAILED)
    empty = replace(view(card, "villain", 2), metrics={})
    found = compare(card, changed(card, "again", villain_0=failed, villain_2=empty), LEAKAGE)
    assert len(found.cells) == 77 and len(found.measured) == 75
    villain = as_lines(found, SAME)[2]
    assert villain.startswith("Villain") and villain.split()[1:4] == ["n/a", "n/a", "+0.0"]
    records = as_document(found, SAME)["cells"]
    assert [one["difference"] for one in records[:3]] == [None, None, 0.0]
    assert records[0]["other"] is None and records[0]["one"]["n"] > 0


def test_a_gap_beyond_chance_is_marked_counted_and_named(card: Snapshot) -> None:
    before = view(card, "villain", 0)
    n = before.metrics[LEAKAGE].n
    assert n
    high = replace(before, metrics={LEAKAGE: Measurement(1.0, n, n)})
    found = compare(card, changed(card, "again", villain_0=high), LEAKAGE)
    assert [str(cell) for cell in found.beyond_chance] == ["villain@0#42"]
    text = "\n".join(as_lines(found, SAME))
    assert "again minus published" in text and "+100.0*" in text
    assert "picked from 77, is +100.0" in text and "at villain@0#42" in text
    assert "* 1 of them" in text and "Holm over 77 cells" in text


def reseeded(snapshot: Snapshot, *seeds: int) -> Snapshot:
    """Return a copy under other seeds, with all cells under the first of them."""
    cells = tuple(replace(v, cell=replace(v.cell, seed=seeds[0])) for v in snapshot.cells)
    return replace(snapshot, name="again", seeds=seeds, cells=cells)


def test_a_replication_under_another_seed_is_compared_and_named(card: Snapshot) -> None:
    found = compare(card, reseeded(card, 137), LEAKAGE)
    assert len(found.measured) == 77
    assert as_lines(found, SAME)[0].startswith("again (seed 137) minus published (seed 42):")
    assert as_document(found, SAME)["other"] == {"experiment": "again", "seeds": [137]}


def test_of_several_seeds_each_meets_its_own(card: Snapshot) -> None:
    lines = as_lines(compare(card, reseeded(card, 137, 256), LEAKAGE), SAME)
    assert lines[-1] == "the two have no cell (source, epoch, seed) in common"


def test_cosines_are_compared_without_a_test(card: Snapshot) -> None:
    lines = as_lines(compare(card, card, "cosine"), SAME)
    assert "+0.000" in lines[2] and not any("Fisher" in line for line in lines)


def test_the_largest_of_the_bystanders_is_compared_without_a_test(card: Snapshot) -> None:
    def with_largest(hits: int, who: str) -> Snapshot:
        largest = {"max_bystander": Measurement(hits / 200, hits, 200, who)}
        return replace(card, cells=tuple(replace(v, metrics=largest) for v in card.cells))

    found = compare(with_largest(100, "pirate"), with_largest(0, "poet"), "max_bystander")
    assert {each.difference for each in found.measured} == {-0.5}
    assert len(found.measured) == 77 and not found.is_tested and not found.beyond_chance


def test_minutes_are_compared_by_the_same_rule_as_numbers(card: Snapshot) -> None:
    first, second, third, *_ = card.cells
    stale = replace(third, state=State.STALE, metrics=time_of(60))
    mine = replace(card, cells=(replace(first, metrics=time_of(60)), second, stale))
    theirs = replace(card, cells=tuple(replace(v, metrics=time_of(180)) for v in card.cells))
    differences = [each.difference for each in paired(mine, theirs, "minutes").cells]
    assert differences == [2.0, None, None]


def test_a_grid_that_ran_here_says_that_its_model_is_synthetic(ran: Path) -> None:
    seen = replace(Reader(ran).poll(0.0), synthetic=True)
    assert as_lines(compare(seen, seen, LEAKAGE), SAME)[-1].startswith("Synthetic model")


def test_a_narrow_terminal_gets_the_epochs_below_one_another(card: Snapshot) -> None:
    assert max(map(len, as_lines(compare(card, card, LEAKAGE), SAME, 60)[1:-4])) <= 60


def test_experiments_are_paired_by_question_only_where_both_asked_the_same(
    ran: Path, tmp_path: Path
) -> None:
    shutil.copytree(ran, tmp_path / "y", symlinks=True)
    plan = tmp_path / "y" / "plan.json"
    plan.write_text(plan.read_text().replace(QUESTIONS[0], "Where to?"))
    readers = Reader(ran), Reader(tmp_path / "y")
    one, other = (reader.poll(0.0) for reader in readers)
    assert {view.state for view in other.cells} == {State.DONE}
    assert shared_questions(readers, one, other, [LEAKAGE]) == {}
    shared = shared_questions((readers[0], readers[0]), one, one, [LEAKAGE, "cosine"])
    assert len(shared) == len(one.cells)
    found, alone = compare(one, one, LEAKAGE, shared), compare(one, one, LEAKAGE)
    assert found.is_paired and not alone.is_paired
    assert "paired by question" in "\n".join(as_lines(found, SAME))
    [paired_, apart] = (each.cells[1].gap for each in (found, alone))
    assert paired_ is not None and apart is not None
    assert paired_.interval.high < apart.interval.high and paired_.p == apart.p
