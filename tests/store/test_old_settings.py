"""A stale result names the keys it was made with, and few specs are read for many cells."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.grid.planned import changed, load, plan
from tuilab.contract.spec import SPEC_FILE
from tuilab.grid.jobs import Plan
from tuilab.grid.settings import data_settings
from tuilab.grid.stages import Stage
from tuilab.grid.states import State
from tuilab.store.old_settings import named
from tuilab.store.plan_file import save_plan
from tuilab.store.reader import Reader

from .scene import NOW, Scene


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    """Every job of the small grid is done, whatever it left."""
    found = Scene(tmp_path / "x", plan())
    found.finish_all()
    return found


def causes(scene: Scene, now: Plan) -> dict[str, str]:
    """Return why each job is stale under another plan, as a reader says it."""
    save_plan(scene.layout, now)
    snapshot = Reader(scene.root).poll(NOW)
    every = [*snapshot.shared, *(status for view in snapshot.cells for status in view.jobs)]
    return {one.job: one.detail for one in every if one.state is State.STALE}


def test_the_key_is_named_with_both_values(scene: Scene) -> None:
    found = causes(scene, plan(config=changed("samples = 2", "samples = 3")))
    assert set(found.values()) == {"eval.samples 2 → 3"}
    assert {job.partition("/")[0] for job in found} == {"eval"}


def test_one_spec_explains_all_cells_that_differ_alike(scene: Scene) -> None:
    specs = sorted(scene.layout.jobs.glob(f"eval/*/*/*/attempt-1/{SPEC_FILE}"))
    now = plan(config=changed("samples = 2", "samples = 3"))
    kept = scene.layout.attempt_dir("eval/villain@0#42", 1) / SPEC_FILE
    for path in specs:
        if path != kept:
            path.unlink()
    assert set(causes(scene, now).values()) == {"eval.samples 2 → 3"}
    kept.unlink()
    assert set(causes(scene, now).values()) == {"the settings of eval changed"}


def test_what_rests_on_a_changed_setting_names_it_too(scene: Scene) -> None:
    found = causes(scene, plan(config=changed("rows = 4\nlr = 1e-4", "rows = 4\nlr = 2e-4")))
    assert found["converge/villain#42"] == "convergence.lr 0.0001 → 0.0002"
    assert found["eval/nurse@2#42"] == "convergence.lr 0.0001 → 0.0002"
    assert "eval/nurse@0#42" not in found


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"You are a villain."', '"You are the very worst of all."', "personas.villain changed"),
        ('"How do boats float?"', '"Why do ships swim so well?"', "questions.evaluation changed"),
        ('panel = ["villain", "nurse", "clerk", ', 'panel = ["villain", "nurse", ', "panel -clerk"),
        ("layers = [1]", "layers = [1, 2]", "cosine.layers +2"),
        ("threads = 1", "threads = 2", "resources.threads 1 → 2"),
        ("[cosine]", "seed = 7\n\n[cosine]", "eval.seed changed"),
        ("[cosine]", "[merge]\ntolerance = 0.5\n\n[cosine]", "merge.tolerance 0.001 → 0.5"),
    ],
)
def test_each_kind_of_setting_is_told_in_few_words(
    scene: Scene, old: str, new: str, said: str
) -> None:
    found = causes(scene, plan(config=changed(old, new)))
    assert any(said in cause.split(", ") for cause in found.values()), found


def test_a_label_and_a_setting_that_is_the_same_say_nothing() -> None:
    config = load().config
    other = changed('label = "Nurse"', 'label = "The nurse"')
    then, now = (data_settings(one, "nurse") for one in (config, other))
    assert named(Stage.DATA, then, now) == ""
