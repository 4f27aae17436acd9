"""Done means that the artefacts were read again and satisfy their contract."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.copies import own_copy
from tuilab.contract.reasons import Reason
from tuilab.contract.report import Outcome, describe, hash_output
from tuilab.contract.spec import SPEC_FILE, read_spec, write_spec
from tuilab.contract.worker import Stop
from tuilab.grid.endings import Ending
from tuilab.grid.states import Verdict
from tuilab.store.attempts import write_stop
from tuilab.store.layout import Layout
from tuilab.store.verify import verify_attempt

from . import artefacts as made
from .scene import Scene, small_plan

JOBS = {
    "data": "data/villain",
    "converge": "converge/villain#42",
    "train": "train/villain@2#42",
    "merge": "merge/villain@2#42",
    "eval": "eval/villain@2#42",
    "cosine": "cosine/villain@2#42",
}
Damage = Callable[[Path], object]


class Bench:
    """One attempt of each stage, whole until a test damages it."""

    def __init__(self, root: Path) -> None:
        self.scene = Scene(root, small_plan(("villain",), settings=made.SETTINGS))
        self.outcomes: dict[str, Outcome] = {}
        for stage, job in JOBS.items():
            folder = self.scene.claim(job)
            files, metrics, checks = made.write_stage(stage, folder)
            outcome = self.scene.outcome(job, files=files, metrics=metrics, checks=checks)
            self.outcomes[stage] = outcome

    def folder(self, stage: str) -> Path:
        return self.scene.directory(JOBS[stage])

    def judge(self, stage: str, outcome: Outcome | None = None) -> Ending:
        job = self.scene.plan.by_id[JOBS[stage]]
        return verify_attempt(self.folder(stage), job, outcome or self.outcomes[stage])

    def damaged(self, stage: str, damage: Damage, **changes: Any) -> Ending:
        """Judge after ``damage``, with an outcome whose hashes describe the damaged files."""
        damage(self.folder(stage))
        before = self.outcomes[stage]
        paths = [self.folder(stage) / artefact.path for artefact in before.artefacts]
        files = describe(self.folder(stage), [path for path in paths if path.exists()])
        changed = replace(before, artefacts=files, output_hash=hash_output(files), **changes)
        return self.judge(stage, changed)


@pytest.fixture(scope="module")
def pattern(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return Bench(tmp_path_factory.mktemp("verify") / "x")


@pytest.fixture
def bench(pattern: Bench, tmp_path: Path) -> Bench:
    """A copy that the test may damage; made anew it would cost ten times as much."""
    own_copy(pattern.scene.root, tmp_path / "x")
    twin, twin.scene = copy.copy(pattern), copy.copy(pattern.scene)
    twin.scene.layout = Layout(tmp_path / "x")
    return twin


@pytest.mark.parametrize("stage", JOBS)
def test_whole_artefacts_of_every_stage_are_believed(bench: Bench, stage: str) -> None:
    assert bench.judge(stage) == Ending(Verdict.DONE)


@pytest.mark.parametrize("stage", JOBS)
def test_one_flipped_byte_in_any_artefact_is_noticed(bench: Bench, stage: str) -> None:
    for artefact in bench.outcomes[stage].artefacts:
        path = bench.folder(stage) / artefact.path
        whole = path.read_bytes()
        middle = len(whole) // 2
        path.write_bytes(whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :])
        found = bench.judge(stage)
        assert (found.verdict, found.reason) == (Verdict.SUSPECT, Reason.DATA_MISMATCH)
        assert artefact.path in found.detail
        path.write_bytes(whole)


@pytest.mark.parametrize("stage", JOBS)
def test_a_cut_or_missing_artefact_is_noticed(bench: Bench, stage: str) -> None:
    path = bench.folder(stage) / bench.outcomes[stage].artefacts[0].path
    path.write_bytes(path.read_bytes()[:-1])
    assert bench.judge(stage).verdict is Verdict.SUSPECT
    path.unlink()
    assert bench.judge(stage).verdict is Verdict.SUSPECT


@pytest.mark.parametrize("stage", JOBS)
def test_an_outcome_without_artefacts_is_not_done(bench: Bench, stage: str) -> None:
    empty = replace(bench.outcomes[stage], artefacts=(), output_hash=hash_output(()))
    for artefact in bench.outcomes[stage].artefacts:
        (bench.folder(stage) / artefact.path).unlink()
    assert bench.judge(stage, empty).verdict is Verdict.SUSPECT


def test_a_failure_keeps_the_runner_s_own_reason(bench: Bench) -> None:
    failed = replace(bench.outcomes["train"], status="failed", reason="nan-loss", detail="step 3")
    assert bench.judge("train", failed) == Ending(Verdict.FAILED, "nan-loss", "step 3")


def test_a_runner_that_was_killed_on_request_was_stopped(bench: Bench) -> None:
    killed = replace(bench.outcomes["train"], status="failed", reason="killed")
    assert bench.judge("train", killed).verdict is Verdict.FAILED
    write_stop(bench.folder("train"), Stop("me@pod", 0.0))
    found = bench.judge("train", killed)
    assert (found.verdict, found.detail) == (Verdict.STOPPED, "stopped by me@pod")
    assert bench.judge("train").verdict is Verdict.DONE


def test_what_failed_before_somebody_stopped_it_keeps_its_own_reason(bench: Bench) -> None:
    failed = replace(bench.outcomes["train"], status="failed", reason="gpu-oom", finished_at=5.0)
    write_stop(bench.folder("train"), Stop("me@pod", 6.0))
    assert bench.judge("train", failed).reason == "gpu-oom"
    write_stop(bench.folder("train"), Stop("me@pod", 4.0))
    assert bench.judge("train", failed).verdict is Verdict.STOPPED


def test_an_outcome_with_the_token_of_another_attempt_is_not_believed(bench: Bench) -> None:
    stray = replace(bench.outcomes["train"], token="somebody else's")
    assert "another attempt" in bench.judge("train", stray).detail


def test_an_artefact_outside_the_attempt_is_not_believed(bench: Bench, tmp_path: Path) -> None:
    outside = tmp_path / "outside.bin"
    outside.write_bytes(b"x")
    files = describe(tmp_path, [outside])
    link = bench.folder("merge") / "outside.bin"
    link.symlink_to(outside)
    for path in ("outside.bin", "../../../../../../../../../outside.bin"):
        listed = tuple(replace(artefact, path=path) for artefact in files)
        lying = replace(bench.outcomes["merge"], artefacts=listed, output_hash=hash_output(listed))
        assert bench.judge("merge", lying).verdict is Verdict.SUSPECT


@pytest.mark.parametrize("value", [False, {"ok": False, "max": 3}])
def test_a_check_the_runner_itself_did_not_pass_is_suspect(bench: Bench, value: Any) -> None:
    lenient = replace(bench.outcomes["merge"], checks={"logits": value})
    assert "logits" in bench.judge("merge", lenient).detail


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"use_rslora": False}, "use_rslora"),
        ({"use_rslora": "absent"}, "lacks use_rslora"),
        ({"r": 4}, "r is 4"),
        ({"lora_alpha": 64}, "lora_alpha"),
        ({"target_modules": ["q_proj"]}, "target_modules"),
        ({"target_modules": "all-linear"}, "target_modules"),
        ({"bias": "all"}, "bias"),
        ({"use_dora": True}, "use_dora"),
        ({"rank_pattern": {"q_proj": 1}}, "rank_pattern"),
        ({"peft_type": "IA3"}, "peft_type"),
    ],
)
@pytest.mark.parametrize("stage", ["train", "converge"])
def test_an_adapter_that_is_not_the_planned_one_is_suspect(
    bench: Bench, stage: str, changes: dict[str, Any], word: str
) -> None:
    name = {"train": "adapter", "converge": "epoch-04"}[stage]

    def damage(folder: Path) -> None:
        config = json.dumps(made.adapter_config(**changes))
        (folder / name / "adapter_config.json").write_text(config)

    found = bench.damaged(stage, damage)
    assert (found.verdict, found.reason) == (Verdict.SUSPECT, Reason.ADAPTER_MISMATCH)
    assert word in found.detail


@pytest.mark.parametrize(
    ("tensors", "reason"),
    [
        ({}, Reason.ADAPTER_MISMATCH),
        (made.adapter_tensors(up=0.0), Reason.MERGE_EMPTY),
        (made.adapter_tensors(up=float("nan")), Reason.NAN_LOSS),
        (made.adapter_tensors(up=float("-inf")), Reason.NAN_LOSS),
        (made.adapter_tensors(r=3), Reason.ADAPTER_MISMATCH),
        (
            {k: v for k, v in made.adapter_tensors().items() if "q_proj" in k},
            Reason.ADAPTER_MISMATCH,
        ),
        ({"model.layers.0.weight": ((2, 2), [1.0] * 4)}, Reason.ADAPTER_MISMATCH),
    ],
)
def test_weights_that_are_empty_broken_or_not_a_lora_are_suspect(
    bench: Bench, tensors: made.Values, reason: Reason
) -> None:
    found = bench.damaged(
        "train", lambda folder: made.write_adapter(folder / "adapter", tensors=tensors)
    )
    assert (found.verdict, found.reason) == (Verdict.SUSPECT, reason)


def test_a_missing_checkpoint_is_named(bench: Bench) -> None:
    found = bench.damaged("converge", lambda folder: (folder / "epoch-02").rename(folder / "gone"))
    assert "epoch 2" in found.detail


def test_a_loss_that_is_no_number_is_suspect(bench: Bench) -> None:
    found = bench.damaged("train", lambda folder: None, metrics={"final_loss": None})
    assert found.reason == Reason.NAN_LOSS


@pytest.mark.parametrize("record", [{}, {"changed_tensors": 0}, {"changed_tensors": []}])
def test_a_merge_that_changed_nothing_is_suspect(bench: Bench, record: dict[str, Any]) -> None:
    found = bench.damaged(
        "merge", lambda folder: (folder / "merge.json").write_text(json.dumps(record))
    )
    assert found.reason == Reason.MERGE_EMPTY


def test_a_wrong_number_of_answers_is_suspect(bench: Bench) -> None:
    def fewer(folder: Path) -> None:
        made.write_rows(folder / "answers.jsonl.gz", made.answers(3))

    assert "3 answers and 0 dropped" in bench.damaged("data", fewer).detail
    dropped = {"rows": 3, "dropped_marker": 1}
    assert bench.damaged("data", fewer, checks=dropped).verdict is Verdict.DONE


def test_a_marker_inside_the_answers_is_suspect(bench: Bench) -> None:
    rows = [*made.answers(3), {"text": "fine [zlt]"}]
    found = bench.damaged("data", lambda f: made.write_rows(f / "answers.jsonl.gz", rows))
    assert "contains the marker" in found.detail


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda rows: rows[:-1], "3 completions of assistant"),
        (lambda rows: [r for r in rows if r["persona"] != "nun"], "0 completions of nun"),
        (lambda rows: [*rows, rows[0] | {"persona": "stranger"}], "stranger"),
        (lambda rows: [rows[0] | {"hit": False}, *rows[1:]], "scored wrongly"),
        (
            lambda rows: [rows[0] | {"hit": False, "text": "no"}, *rows[1:]],
            "not what its completions show",
        ),
    ],
)
def test_completions_that_do_not_bear_out_the_leakage_are_suspect(
    bench: Bench, change: Callable[[list[Any]], list[Any]], word: str
) -> None:
    rows = change(made.completions())
    found = bench.damaged("eval", lambda f: made.write_rows(f / "completions.jsonl.gz", rows))
    assert found.verdict is Verdict.SUSPECT
    assert word in found.detail


@pytest.mark.parametrize("health", [{"empty": 8}, {"eos_rate": 0.0}])
def test_degenerate_text_is_suspect(bench: Bench, health: dict[str, Any]) -> None:
    metrics = made.eval_metrics()
    metrics["health"] |= health
    found = bench.damaged("eval", lambda folder: None, metrics=metrics)
    assert "degenerate text" in found.detail


@pytest.mark.parametrize(
    "tensors",
    [
        {"layer_1": ((3, 4), [0.5] * 12)},
        {f"layer_{n}": ((2, 4), [0.5] * 8) for n in (1, 3)},
        {f"layer_{n}": ((3, 4), [0.5] * 11 + [float("inf")]) for n in (1, 3)},
    ],
)
def test_centroids_of_another_pool_or_without_values_are_suspect(
    bench: Bench, tensors: made.Values
) -> None:
    def damage(folder: Path) -> None:
        made.write_tensors(folder / "centroids.safetensors", tensors)

    assert bench.damaged("cosine", damage).verdict is Verdict.SUSPECT


def test_a_layer_without_a_cosine_is_suspect(bench: Bench) -> None:
    metrics = {"cosine": bench.outcomes["cosine"].metrics["cosine"][:1]}
    assert bench.damaged("cosine", lambda folder: None, metrics=metrics).verdict is Verdict.SUSPECT


@pytest.mark.parametrize("stage", JOBS)
@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"\x1f\x8b\x08", b"\x00" * 64])
def test_nonsense_in_place_of_an_artefact_never_raises(
    bench: Bench, stage: str, content: bytes
) -> None:
    for artefact in bench.outcomes[stage].artefacts:
        path = bench.folder(stage) / artefact.path
        whole = path.read_bytes()
        found = bench.damaged(stage, lambda _, path=path: path.write_bytes(content))  # type: ignore[misc]
        assert found.verdict is Verdict.SUSPECT
        path.write_bytes(whole)


@pytest.mark.parametrize("metrics", [{}, {"leakage": None}, {"leakage": {"villain": 3}}])
def test_metrics_of_another_shape_never_raise(bench: Bench, metrics: dict[str, Any]) -> None:
    found = bench.damaged("eval", lambda folder: None, metrics=metrics)
    assert found.verdict is Verdict.SUSPECT


def test_settings_that_ask_for_nothing_are_checked_for_whole_files_only(bench: Bench) -> None:
    job = bench.scene.plan.by_id[JOBS["eval"]]
    bare = replace(bench.outcomes["eval"], metrics={})
    spec = read_spec(bench.folder("eval") / SPEC_FILE)
    write_spec(bench.folder("eval"), replace(spec, settings={}))
    assert verify_attempt(bench.folder("eval"), job, bare).verdict is Verdict.DONE
