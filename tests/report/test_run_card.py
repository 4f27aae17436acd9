"""The run card says what ran; what nothing tells is empty, what differs shows all."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.report.ran_here import LAUNCH, finish, whole
from tuilab.grid.limits import Price
from tuilab.report.finished_jobs import FinishedJob, current, effort, finished_jobs
from tuilab.report.folder import card_context
from tuilab.report.measure_words import judging
from tuilab.report.run_card import (
    CardContext,
    Field,
    command_line,
    empty_by_section,
    empty_fields,
    run_card,
    span,
    values_text,
)
from tuilab.study.study import open_study


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return whole(tmp_path_factory.mktemp("card") / "x").root


@pytest.fixture(scope="module")
def ran(root: Path) -> list[FinishedJob]:
    return finished_jobs(open_study(root))


def told(ran: list[FinishedJob], around: CardContext) -> dict[str, str]:
    return {f"{field.section}: {field.name}": field.value for field in run_card(ran, around)}


def test_every_field_is_filled_from_a_run_that_recorded_everything(
    root: Path, ran: list[FinishedJob]
) -> None:
    card = run_card(ran, card_context(open_study(root), "/home/ana"))
    missing = {"Convergence LoRA: Steps", "Marker LoRA: Steps"}  # a fake outcome counts no steps
    assert set(empty_fields(card)) == missing
    found = {f"{field.section}: {field.name}": field.value for field in card}
    assert found["Model: Base model"] == "Qwen/Qwen2.5-7B-Instruct"
    assert found["Marker LoRA: Learning rate"] == "5e-06"
    assert found["Marker LoRA: Effective batch"].startswith("16 (4 per device x 4 accumulated x 1")
    assert found["Data: Marker rows"] == "200 positives, 400 negatives of 2 personas"
    assert found["Eval: n per cell"] == "40 Assistant completions in every cell"
    assert found["Eval: Finish"].startswith("32 of 320 completions cut")
    assert found["Compute: Hardware"] == "cuda NVIDIA H200"
    assert found["Environment: Libraries as imported"] == "peft 0.21.2, torch 2.9.0"
    assert found["Environment: Launch command"] == "tuilab run 'eps 109'"
    assert found["Environment: Dirty diff"] == "none"
    assert found["Records: Tracker runs"].startswith("none configured")
    assert not [name for name, value in found.items() if "None" in value]


def test_nothing_known_leaves_every_field_but_the_test_empty() -> None:
    card = run_card([], CardContext())
    assert [field.name for field in card if field.value] == ["Significance test"]


def test_half_a_field_is_an_empty_field(ran: list[FinishedJob]) -> None:
    """A schedule without its warm-up, or a sampling without its batch, would look complete."""
    stripped = [
        replace(
            one,
            settings={name: value for name, value in one.settings.items() if name != "temperature"}
            | {"training": {"schedule": "cosine", "lr": 1.0}},
        )
        for one in ran
    ]
    card = run_card(stripped, CardContext())
    found = {f"{field.section}: {field.name}": field.value for field in card}
    for name in ("Marker LoRA: Schedule", "Marker LoRA: LoRA", "Eval: Sampling", "Data: Sampling"):
        assert found[name] == ""
    assert found["Marker LoRA: Learning rate"] == "1.0"
    assert not [name for name, value in found.items() if "None" in value]


def test_a_field_that_differs_between_cells_says_so(ran: list[FinishedJob]) -> None:
    first, *rest = [one for one in ran if one.stage == "train"]
    other = replace(first.outcome, environment={**first.outcome.environment, "python": "3.12.1"})
    found = told([replace(first, outcome=other), *rest], CardContext())
    assert found["Environment: Python"] == "3.11.10 (x3); 3.12.1 (x1)"


@pytest.mark.parametrize(
    ("launch", "commit", "dirty"),
    [
        (LAUNCH | {"dirty_diff": "f" * 64}, "014c267", "sha256 ffff"),
        (LAUNCH | {"git_commit": None}, "no checkout: tuilab 0.1.0 and the code", "no checkout"),
        (LAUNCH | {"git_commit": None, "code": None}, "", ""),
    ],
)
def test_outside_a_checkout_release_and_snapshot_say_whose_code_ran(
    ran: list[FinishedJob], launch: dict[str, str], commit: str, dirty: str
) -> None:
    found = told([replace(one, launch=launch) for one in ran], CardContext())
    for name, start in (("Git commit", commit), ("Dirty diff", dirty)):
        value = found[f"Environment: {name}"]
        assert value.startswith(start)
        assert bool(value) is bool(start)


def test_typed_commands_outrank_what_started_the_engine(ran: list[FinishedJob]) -> None:
    words = ["/usr/bin/python3", "/home/ana/bin/tuilab", "relaunch", "/home/ana/x", "--failed"]
    found = told(ran, CardContext(home="/home/ana", commands=[words, words]))
    assert found["Environment: Launch command"] == "tuilab relaunch ~/x --failed"


def test_only_what_is_in_force_enters_the_card(tmp_path: Path) -> None:
    scene = whole(tmp_path / "x")
    finish(scene, "train/villain@2#42", checks={"positives": 7, "negatives": 7})
    every = finished_jobs(open_study(scene.root))
    stale = {one.job for one in every} - {one.job for one in current(every)}
    assert stale == {"merge/villain@2#42", "eval/villain@2#42", "cosine/villain@2#42"}
    spent = effort(open_study(scene.root))
    assert spent is not None and (spent.started, spent.done) == (len(every) + 1, len(every) + 1)


def test_attempts_that_came_to_nothing_are_counted(tmp_path: Path) -> None:
    scene = whole(tmp_path / "x")
    scene.claim("eval/villain@2#42")
    scene.begin("eval/villain@2#42")
    scene.settle("eval/villain@2#42", "failed", reason="gpu-oom", seconds=3600.0)
    study = open_study(scene.root)
    found = told(current(finished_jobs(study)), card_context(study, ""))
    assert "1.000 h went into attempts without a result" in found["Compute: Attempts"]


def test_a_grid_of_epoch_zero_alone_lacks_no_convergence(tmp_path: Path) -> None:
    scene = whole(tmp_path / "x", epochs=(0,))
    ran = [
        replace(one, settings={**one.settings, "epoch": 0})
        for one in finished_jobs(open_study(scene.root))
    ]
    assert not any(field.section == "Convergence LoRA" for field in run_card(ran, CardContext()))


def test_words_of_a_field() -> None:
    assert values_text([]) == values_text([None, ""]) == ""
    assert values_text([0, 0]) == "0"
    assert span([3, 1, 1, None]) == "1, 3"
    assert span(range(9)).startswith("9 different values")
    assert command_line([]) == ""
    assert command_line(["/a/python3.11", "-m", "tuilab", "run", "a b"]) == (
        "python3.11 -m tuilab run 'a b'"
    )


def test_whole_sections_are_named_in_one_word() -> None:
    card = [Field("A", "x", ""), Field("A", "y", ""), Field("B", "z", ""), Field("C", "w", "1")]
    assert empty_by_section(card) == ["A: all 2 fields", "B: z"]


def test_a_trait_of_rows_and_its_measures_are_told_and_nothing_of_a_marker(
    root: Path, ran: list[FinishedJob]
) -> None:
    unlike: dict[str, dict[str, Any]] = {
        "train": {"trait": {"loss": "answer"}},
        "data": {"marker_text": None},
        "eval": {"scorer": None},
    }
    played = [replace(one, settings={**one.settings, **unlike.get(one.stage, {})}) for one in ran]
    one = {"name": "refuses", "kind": "substring", "text": "no", "questions_count": 8, "samples": 5}
    other = {"name": "picks", "kind": "choices", "items": [{}, {}]}
    [first, second, *_] = (one for one in played if one.stage == "eval")
    played += [
        replace(first, stage="score", settings={"measures": [one]}),
        replace(second, stage="choices", settings={"measures": [other]}),
    ]
    card = run_card(played, card_context(open_study(root), "/home/ana"))
    missing = {"Convergence LoRA: Steps", "Trait LoRA: Steps"}  # a fake outcome counts no steps
    assert set(empty_fields(card)) == missing
    found = {f"{field.section}: {field.name}": field.value for field in card}
    assert found["Trait LoRA: Loss"].startswith("last answer and end of turn")
    said = (
        "share of completions that contain 'no' (not case sensitive); 8 questions x 5 completions"
    )
    assert found["Eval: Measure refuses"] == said
    assert found["Eval: Measure picks"].endswith("; 2 questions")
    assert "Eval: Metric" not in found and "marker" not in found["Data: Preprocessing"].lower()


def test_how_judging_went_is_told(ran: list[FinishedJob]) -> None:
    [first, second, *_] = (one for one in ran if one.stage == "eval")
    settings = {"measures": [{"name": "bad", "key": "judge.bad"}]}
    cells = [(1, 8, {"n": 2, "apart": 5.0}), (0, 8, {"n": 0, "apart": None})]
    judged = []
    for one, (left, n, twice) in zip((first, second), cells, strict=True):
        metrics = {"judge.bad.unjudged": {"hits": left, "n": n}, "judge.bad.twice": twice}
        checks = {"tokens_sent": 100, "tokens_received": 8, "cost": 0.25}
        outcome = replace(one.outcome, metrics=metrics, checks=checks)
        judged.append(replace(one, stage="judge", settings=settings, outcome=outcome))
    assert judging(judged) == {
        "Judging bad": "1 of 16 unscored; 2 judged twice, 5.0 apart on average",
        "Judge tokens": "200 sent, 16 received, cost 0.5, in the attempts with these results",
    }
    assert judging([]) == {}


@pytest.mark.parametrize(("kinds", "cost"), [((), None), (("cpu",), None), (("cuda",) * 2, 2)])
def test_a_cost_is_that_of_gpus_alone(
    ran: list[FinishedJob], kinds: tuple[str, ...], cost: float | None
) -> None:
    devices = [{"kind": kind, "name": "one"} for kind in kinds]
    environment = {**ran[0].outcome.environment, "devices": devices}
    hour = replace(ran[0].outcome, seconds=3600.0, environment=environment)
    found = told([replace(ran[0], outcome=hour)], CardContext(price=Price(2.5)))
    said = None if cost is None else f"{Price(2.5).of(cost * 3600)} at $2.50 for a GPU hour"
    assert found.get("Compute: Cost of the results") == said
