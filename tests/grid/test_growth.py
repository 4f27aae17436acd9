"""What another plan changes is told by the evidence under both."""

from __future__ import annotations

from tuilab.grid.edits import Deviation
from tuilab.grid.experiment_state import ExperimentState
from tuilab.grid.growth import (
    Growth,
    as_record,
    edits_of_new_cells,
    growth,
    growth_lines,
    what_changed,
)
from tuilab.grid.jobs import Plan
from tuilab.grid.ledger import Ledger
from tuilab.grid.states import Verdict

from .planned import all_done, changed, plan, settle, states_of

EPOCHS = "epochs = [0, 1, 2]"


def of(made: Plan, ledger: Ledger) -> ExperimentState:
    return ExperimentState(made, ledger, states_of(made, ledger))


def between(before: Plan, now: Plan, ledger: Ledger | None = None) -> Growth:
    known = ledger or all_done(before)
    return growth(of(before, known), of(now, known))


def with_epochs(epochs: str) -> Plan:
    return plan(config=changed(EPOCHS, f"epochs = {epochs}"))


def names(found: Growth) -> list[str]:
    return [one.job for one in found.run.jobs]


def test_an_epoch_within_the_convergence_runs_that_again_and_changes_no_cell() -> None:
    found = between(with_epochs("[0, 2]"), plan())
    assert [str(cell) for cell in found.new] == ["villain@1#42", "nurse@1#42"]
    assert found.added == {"epochs": (1,)}
    assert (found.kept, found.stale, found.gone) == (4, {}, ())
    assert names(found)[:2] == ["converge/villain#42", "train/villain@1#42"]
    assert found.again == ("converge/villain#42 (for epoch 1)", "converge/nurse#42 (for epoch 1)")
    assert found.seconds > 0
    assert found.bytes > 0


def test_a_seed_touches_nothing_that_is_there() -> None:
    found = between(plan(), plan(config=changed("seeds = [42]", "seeds = [42, 43]")))
    assert (len(found.new), found.kept, found.stale, found.again) == (6, 6, {}, ())
    assert all(name.endswith("#43") for name in names(found)), "the answers are there"


def test_a_source_touches_nothing_that_is_there() -> None:
    before = plan(config=changed('["villain", "nurse"]\npanel', '["villain"]\npanel'))
    found = between(before, plan())
    assert (len(found.new), found.kept, found.stale, found.again) == (3, 3, {}, ())
    assert not any("villain" in name for name in names(found))


def test_a_longer_convergence_says_what_it_makes_stale() -> None:
    longer = changed("epochs = 2\n\n[marker]", "epochs = 3\n\n[marker]")
    found = between(plan(), plan(config=longer))
    [(cause, cells)] = found.stale.items()
    assert cause == "the settings of converge changed"
    assert {cell.epoch for cell in cells} == {1, 2}
    assert found.kept == 2


def test_cells_that_leave_are_named_if_anything_of_them_is_on_disk() -> None:
    found = between(plan(), with_epochs("[0, 2]"))
    assert [str(cell) for cell in found.gone] == ["villain@1#42", "nurse@1#42"]
    assert (found.kept, found.new) == (4, ())
    lines = list(growth_lines(found, "`gc`"))
    assert lines[-1] == (
        "no longer planned: villain@1#42, nurse@1#42; the files stay (`gc` removes them)"
    )
    assert between(plan(), with_epochs("[0, 2]"), Ledger()).gone == ()


def test_cells_that_come_back_have_their_results_and_need_no_run() -> None:
    found = between(with_epochs("[0, 2]"), plan(), all_done(plan()))
    assert (len(found.new), names(found)) == (2, [])


def test_a_change_that_is_taken_back_makes_cells_current_again() -> None:
    other = plan(config=changed("samples = 2", "samples = 3"))
    assert len(between(other, plan(), all_done(plan())).current) == 6


def test_a_convergence_under_way_runs_once_more_for_what_it_will_not_keep() -> None:
    before = with_epochs("[0, 2]")
    ledger = all_done(before)
    settle(ledger, before, "converge/villain#42", Verdict.RUNNING)
    found = between(before, plan(), ledger)
    [again] = [one for one in found.run.jobs if one.job == "converge/villain#42"]
    assert (again.attempt, again.why) == (3, "for epoch 1")
    ledger = Ledger()
    settle(ledger, plan(), "converge/villain#42", Verdict.RUNNING)
    assert "converge/villain#42" not in names(between(before, plan(), ledger)), "it keeps them all"


def test_what_made_it_another_plan_is_named() -> None:
    since = "since this grid was planned"
    assert what_changed(plan(), plan(), is_edited=True) == ""
    other = plan(code="v2", config=changed("samples = 2", "samples = 3"))
    both = f"experiment.toml and the runner code have changed {since}"
    assert what_changed(plan(), other, is_edited=True) == both
    defaults = f"tuilab's defaults and the runner code have changed {since}"
    assert what_changed(plan(), other, is_edited=False) == defaults
    base = plan(base_hash="b")
    assert what_changed(plan(), base, is_edited=False) == f"the base model has changed {since}"


def test_the_lines_say_all_of_it_or_that_nothing_changes() -> None:
    assert list(growth_lines(Growth(), "")) == ["no finished cell changes"]
    found = between(with_epochs("[0, 2]"), plan())
    assert list(growth_lines(found, "")) == [
        "new: villain@1#42, nurse@1#42",
        "to run for them: 10 jobs, about 10s, 6.0 MB of disk",
        "runs again: converge/villain#42 (for epoch 1)",
        "runs again: converge/nurse#42 (for epoch 1)",
        "stay as they are: 4 finished cells",
    ]
    assert as_record(found)["new"] == ["villain@1#42", "nurse@1#42"]


def test_a_new_cell_shares_the_edits_of_the_jobs_that_it_shares() -> None:
    old = with_epochs("[0, 2]").cells
    new = [cell for cell in plan().cells if cell not in old]
    row = Deviation(("villain@2#42",), {"convergence.lr": 2e-4, "marker.lr": 1e-5})
    assert edits_of_new_cells([row], old, new) == (
        Deviation(("villain@1#42",), {"convergence.lr": 2e-4}),
    )
    every = Deviation(tuple(map(str, old)), {"data.temperature": 1.0})
    assert [one.cells for one in edits_of_new_cells([every], old, new)] == [
        ("villain@1#42",),
        ("nurse@1#42",),
    ]
    assert edits_of_new_cells([], old, new) == ()
