"""Plans: jobs in launch order, their parents, settings and fingerprints."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.grid.planned import SMALL, changed, load, plan
from tuilab.grid.cells import Cell
from tuilab.grid.edits import Deviation, EditError
from tuilab.grid.fingerprint import SHORT, digest
from tuilab.grid.jobs import ancestors, descendants
from tuilab.grid.planning import PlanError, make_plan
from tuilab.grid.settings import CELL_SETTINGS, deciding, own_settings
from tuilab.grid.stages import Stage
from tuilab.store.layout import Layout
from tuilab.store.plan_file import load_plan, save_plan


def prints(made: object) -> dict[str, str]:
    return {job.id: job.fingerprint for job in made.jobs}  # type: ignore[attr-defined]


def test_the_first_cell_comes_before_the_convergence_run() -> None:
    names = [job.id for job in plan().jobs]
    assert names[:8] == [
        "data/villain",
        "data/clerk",
        "train/villain@0#42",
        "merge/villain@0#42",
        "eval/villain@0#42",
        "cosine/villain@0#42",
        "converge/villain#42",
        "train/villain@1#42",
    ]
    assert len(names) == len(set(names)) == 3 + 2 + 2 * 3 * 4


def test_parents_come_before_their_children_and_in_the_agreed_order() -> None:
    made = plan()
    seen: set[str] = set()
    for job in made.jobs:
        assert seen.issuperset(job.parents)
        seen.add(job.id)
    by_id = made.by_id
    assert by_id["train/villain@0#42"].parents == ("data/villain", "data/clerk")
    assert by_id["train/nurse@2#42"].parents == ("converge/nurse#42", "data/nurse", "data/clerk")
    assert by_id["merge/nurse@2#42"].parents == ("train/nurse@2#42", "converge/nurse#42")
    eval_parents = ("merge/nurse@2#42", "train/nurse@2#42", "converge/nurse#42")
    assert by_id["eval/nurse@2#42"].parents == eval_parents
    assert by_id["cosine/nurse@2#42"].parents == eval_parents
    assert by_id["converge/nurse#42"].parents == ("data/nurse",)


def test_the_generic_control_trains_on_the_targets_own_answers() -> None:
    made = make_plan(changed("rows = 4", 'rows = 4\nvoice = "target"'), "v")
    assert made.by_id["converge/villain#42"].parents == ("data/assistant",)
    assert "data/assistant" in made.by_id


def test_a_whole_seed_is_finished_before_the_next_and_shares_the_data() -> None:
    made = make_plan(changed("seeds = [42]", "seeds = [42, 137]"), "v")
    seeds = [job.seed for job in made.jobs if job.seed is not None]
    assert seeds == sorted(seeds)
    assert sum(job.stage is Stage.DATA for job in made.jobs) == 3
    train = made.by_id["train/villain@1#137"]
    assert train.settings == made.by_id["train/villain@1#42"].settings
    assert train.fingerprint != made.by_id["train/villain@1#42"].fingerprint


def test_settings_are_plain_json_and_complete() -> None:
    made = plan()
    settings = made.settings[made.by_id["eval/villain@1#42"].settings]
    assert json.loads(json.dumps(settings)) == settings
    assert settings["scorer"] == {"kind": "substring", "text": "[ZLT]", "case_sensitive": False}
    assert [one["key"] for one in settings["panel"]] == ["villain", "nurse", "clerk", "assistant"]
    assert settings["base"]["threads"] == 1
    assert settings["top_k"] == 0
    train = made.settings[made.by_id["train/villain@0#42"].settings]
    assert train["convergence_lora"] is None
    assert train["marker"] == {"text": "[ZLT]", "separator": "\n\n", "loss": "tail"}
    assert train["training"]["lora"]["use_rslora"] is True
    converge = made.settings[made.by_id["converge/villain#42"].settings]
    assert converge["checkpoints"] == [1, 2]
    merge = made.settings[made.by_id["merge/villain@1#42"].settings]
    assert all(chat[0]["role"] == "system" for chat in merge["check_prompts"])


def test_each_cell_is_sampled_with_a_seed_of_its_own_that_never_changes() -> None:
    made = plan()
    seeds = [made.settings[job.settings]["seed"] for job in made.jobs if job.stage is Stage.EVAL]
    assert len(set(seeds)) == len(seeds)
    assert seeds[0] == 1217139432
    again = plan()
    assert [
        again.settings[j.settings]["seed"] for j in again.jobs if j.stage is Stage.EVAL
    ] == seeds


def test_the_same_config_gives_the_same_fingerprints_however_it_is_written() -> None:
    words = SMALL.replace('name = "small"\n', "").replace("[base]", "[base]  # a comment")
    head, tables = words.split("[base]", 1)
    reordered = head + 'name = "small"\ntarget = "assistant"\n[base]' + tables
    assert prints(make_plan(load(reordered).config, "v1")) == prints(plan())


def test_an_edit_changes_the_parts_of_its_own_stage_alone() -> None:
    before = prints(plan())
    after = prints(make_plan(changed("samples = 2", "samples = 3"), "v1"))
    assert {job.partition("/")[0] for job in before if before[job] != after[job]} == {"eval"}
    after = prints(make_plan(changed("rows = 4", "rows = 2"), "v1"))
    touched = {job for job in before if before[job] != after[job]}
    assert touched == {"converge/villain#42", "converge/nurse#42"}


def test_what_a_run_keeps_and_how_people_call_a_persona_decide_no_result() -> None:
    before = plan().by_id
    more = make_plan(changed("epochs = [0, 1, 2]", "epochs = [0, 2]"), "v1").by_id
    run = "converge/villain#42"
    assert (before[run].checkpoints, more[run].checkpoints) == ((1, 2), (2,))
    assert before[run].parts == more[run].parts
    assert before[run].fingerprint != more[run].fingerprint, "a resumed run would lack one"
    named = make_plan(changed('label = "Nurse"', 'label = "The nurse"'), "v1").by_id
    assert [job.parts for job in named.values()] == [job.parts for job in before.values()]


def test_the_length_of_a_run_decides_its_checkpoints_where_the_rate_follows_it() -> None:
    def parts(schedule: str, epochs: int) -> object:
        words = f"epochs = {epochs}\nschedule = {schedule}\n\n[marker]"
        made = make_plan(changed("epochs = 2\n\n[marker]", words), "v1")
        return made.by_id["converge/villain#42"].parts

    assert parts('"cosine"', 2) != parts('"cosine"', 3)
    assert parts('"constant"', 2) != parts('"constant"', 3), "the warm-up is a share of the whole"
    flat = '"constant"\nwarmup_ratio = 0.0'
    assert parts(flat, 2) == parts(flat, 3)


def test_the_code_of_one_stage_touches_that_stage() -> None:
    before = prints(plan(code={"eval": "a", "train": "t"}))
    after = prints(plan(code={"eval": "b", "train": "t"}))
    assert {job.partition("/")[0] for job in before if before[job] != after[job]} == {"eval"}


def test_another_base_of_the_same_name_changes_everything() -> None:
    before, after = prints(plan()), prints(plan(base_hash="other"))
    assert all(before[job] != after[job] for job in before)


def test_resources_that_decide_nothing_leave_fingerprints_alone() -> None:
    after = make_plan(changed("workers = 2", "workers = 7"), "v1")
    assert prints(after) == prints(plan())
    assert after.resources["workers"] == 7
    threads = make_plan(changed("threads = 1", "threads = 2"), "v1")
    assert prints(threads) != prints(plan())


def test_a_blocked_config_is_not_planned() -> None:
    with pytest.raises(PlanError, match="never evaluated"):
        make_plan(changed('panel = ["villain", ', "panel = ["), "v")


def test_an_edit_of_one_cell_stays_in_that_cell() -> None:
    edit = Deviation(("villain@1#42",), {"marker.lr": 1e-5})
    made = plan(deviations=[edit])
    before = prints(plan())
    touched = {job for job, found in prints(made).items() if found != before[job]}
    assert touched == {"train/villain@1#42"}
    train = made.by_id["train/villain@1#42"]
    assert made.settings[train.settings]["training"]["lr"] == 1e-5
    assert train.deviation == {"marker.lr": 1e-5}
    assert made.by_id["eval/villain@1#42"].deviation == {}


def test_an_edit_of_the_convergence_needs_the_whole_row() -> None:
    row = tuple(f"villain@{epoch}#42" for epoch in (1, 2))
    made = plan(deviations=[Deviation(row, {"convergence.lr": 2e-4})])
    settings = made.settings[made.by_id["converge/villain#42"].settings]
    assert settings["training"]["lr"] == 2e-4
    with pytest.raises(PlanError, match=r"converge/villain#42 is shared by 2 cells.*villain@2#42"):
        plan(deviations=[Deviation(("villain@1#42",), {"convergence.lr": 2e-4})])


def test_an_edit_of_the_data_needs_every_cell_that_reads_them() -> None:
    villain = tuple(f"villain@{epoch}#42" for epoch in (0, 1, 2))
    with pytest.raises(PlanError, match="data/clerk is shared by 6 cells"):
        plan(deviations=[Deviation(villain, {"data.temperature": 0.5})])
    everyone = tuple(str(cell) for cell in plan().cells)
    made = plan(deviations=[Deviation(everyone, {"data.temperature": 0.5})])
    assert made.settings[made.by_id["data/clerk"].settings]["temperature"] == 0.5


def test_a_later_edit_lies_over_an_earlier_one() -> None:
    cell = ("nurse@0#42",)
    edits = [Deviation(cell, {"eval.samples": 3}), Deviation(cell, {"eval.samples": 5})]
    made = plan(deviations=edits)
    assert made.settings[made.by_id["eval/nurse@0#42"].settings]["samples"] == 5


def test_an_edit_that_breaks_the_schema_is_refused_when_planned() -> None:
    with pytest.raises(EditError, match=r"eval\.samples"):
        plan(deviations=[Deviation(("nurse@0#42",), {"eval.samples": 0})])


def test_ancestors_and_descendants_follow_the_inputs() -> None:
    made = plan()
    assert ancestors(made, ["eval/villain@0#42"]) == {
        "merge/villain@0#42",
        "train/villain@0#42",
        "data/villain",
        "data/clerk",
    }
    below = descendants(made, ["converge/nurse#42"])
    assert {job.partition("@")[2] for job in below} == {"1#42", "2#42"}


def test_a_grid_of_hundreds_of_cells_shares_its_settings_between_seeds() -> None:
    text = SMALL.replace("epochs = [0, 1, 2]", f"epochs = {list(range(12))}")
    text = text.replace("lr = 1e-4\nepochs = 2\n\n[marker]", "lr = 1e-4\nepochs = 11\n\n[marker]")
    text = text.replace("seeds = [42]", f"seeds = {list(range(10))}")
    made = make_plan(load(text).config, "v")
    assert len(made.cells) == 2 * 12 * 10
    assert len(made.jobs) == 3 + 2 * 10 + 4 * len(made.cells)
    trains = {job.settings for job in made.jobs if job.stage is Stage.TRAIN}
    assert len(trains) == 2 * 12


def test_settings_are_hashed_as_they_would_be_written_out() -> None:
    made = plan()
    for job in made.jobs:
        decides = deciding(job.stage, made.settings[job.settings])
        assert job.parts is not None
        assert job.parts.settings == digest(decides)[:SHORT], job.id


def test_a_panel_is_one_list_in_all_cells_and_is_written_once(tmp_path: Path) -> None:
    """Written out for each cell, a panel of 100 in a grid of 100,000 cells takes gigabytes."""
    made = plan()
    for stage, name in ((Stage.EVAL, "panel"), (Stage.COSINE, "pool")):
        keys = {job.settings for job in made.jobs if job.stage is stage}
        assert len(keys) > 1
        assert len({id(made.settings[key][name]) for key in keys}) == 1
    layout = Layout(tmp_path)
    save_plan(layout, made)
    assert load_plan(tmp_path).settings == made.settings
    texts = layout.plan.read_text().split('"jobs": [')
    assert texts[0].count('"pool":[') + texts[0].count('"panel":[') == 0


def test_the_settings_of_a_cell_are_those_that_its_stage_asks_for() -> None:
    """They are made once for a source and vary by what ``own_settings`` says alone."""
    config = changed("seeds = [42]", "seeds = [42, 137]")
    made = make_plan(config, "v")
    for job in made.jobs:
        if job.cell is not None:
            asked = CELL_SETTINGS[job.stage](config, job.cell)
            assert made.settings[job.settings] == asked, job.id


@pytest.mark.parametrize("stage", list(CELL_SETTINGS))
def test_cells_of_a_source_differ_by_their_own_settings_alone(stage: Stage) -> None:
    config = changed("seeds = [42]", "seeds = [42, 7]")
    one, other = (
        CELL_SETTINGS[stage](config, Cell("nurse", epoch, seed))
        for epoch, seed in ((1, 42), (2, 7))
    )
    own = own_settings(config, stage, Cell("nurse", 2, 7))
    assert {**one, **own} == other
