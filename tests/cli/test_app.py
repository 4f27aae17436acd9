"""Calls that start nothing: help, plans, refusals, exit codes; never a traceback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.cli.small_grid import CONFIG, SOURCE, call, write_config
from tests.copies import own_copy
from tuilab import __version__
from tuilab.cli import main
from tuilab.cli.verbs import VERBS

HEAVY = {
    "textual",
    "pandas",
    "numpy",
    "scipy",
    "matplotlib",
    "pydantic",
    "torch",
    "rich",
}


@pytest.fixture
def idle(planned: Path, tmp_path: Path) -> Path:
    """A fresh copy of it."""
    return own_copy(planned, tmp_path / "runs" / "micro")


def test_the_version_is_printed_by_both_spellings(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"tuilab {__version__}\n"
    assert main(["-V"]) == 0


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help_with_an_example(verb: str) -> None:
    found = call(verb, *(["refill"] if verb == "track" else []), "-h")
    assert found.exit_code == 0
    assert f"  tuilab {verb}" in found.stdout


def test_the_list_of_verbs_is_whole_lines() -> None:
    listed = call("-h").stdout.partition("Commands:\n")[2]
    wide = max(len(name) for name, _ in shown())
    assert listed.split("\n")[:-1] == [f"  {name:<{wide}}  {line}" for name, (_, line) in shown()]


def shown() -> list[tuple[str, tuple[str, str]]]:
    return [(name, verb) for name, verb in VERBS.items() if verb[1]]


def test_help_and_completion_import_no_verb() -> None:
    complete = {"_TUILAB_COMPLETE": "complete_bash", "COMP_WORDS": "tuilab st", "COMP_CWORD": "1"}
    for modules, text in (loaded_by(("--help",)), loaded_by((), **complete)):
        assert {"status", "stop"} <= set(text.split())
        verbs = {name for name in modules if name.startswith("tuilab.cli.verbs.")}
        assert verbs == {"tuilab.cli.verbs.arguments"}


def test_a_verb_imports_no_other_verb_that_it_does_not_call() -> None:
    modules, _ = loaded_by(("pause", "-h"))
    assert "tuilab.cli.verbs.control" in modules
    assert "tuilab.cli.verbs.run" not in modules


def test_an_unknown_verb_or_option_is_a_usage_error() -> None:
    assert call("plann").exit_code == 2
    assert call("status", "--jsn").exit_code == 2


def loaded_by(*calls: Sequence[str], **environment: str) -> tuple[set[str], str]:
    """Return the modules that a fresh interpreter holds after some commands, and stdout."""
    code = (
        "import sys\nfrom tuilab.cli import main\n"
        f"codes = [main(words) for words in {[list(words) for words in calls]!r}]\n"
        "print(*sys.modules, file=sys.stderr)\nsys.exit(any(codes))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=SOURCE,
        env={**os.environ, **environment},
    )
    return set(done.stderr.split()), done.stdout


def test_the_status_loads_nothing_heavy_as_json_or_plain(idle: Path) -> None:
    modules, text = loaded_by(("status", str(idle), "--json"), ("status", str(idle)))
    assert modules & HEAVY == set()
    document, end = json.JSONDecoder().raw_decode(text)
    assert document["counts"] == {"idle": 2}
    assert "micro  idle 2" in text[end:]


def test_planning_loads_no_model_library_and_no_science(tmp_path: Path) -> None:
    modules, _ = loaded_by(("plan", str(write_config(tmp_path)), "--no-preview"))
    assert modules & {"torch", "transformers", "pandas", "textual", "matplotlib"} == set()


def test_plan_shows_jobs_time_disk_and_checks(tmp_path: Path) -> None:
    found = call("plan", str(write_config(tmp_path)), "--no-preview", "--jobs")
    assert found.exit_code == 0
    for words in (
        "1 source x 2 epochs x 1 seed = 2 cells",
        "(synthetic model)",
        "n = 4 per persona and cell",
        "every source is evaluated",
        "train/villain@1#42",
        "<- converge/villain#42, data/villain, data/police_officer",
        "none sampled yet",
    ):
        assert words in found.stdout


def test_plan_as_json_is_one_document(tmp_path: Path) -> None:
    found = call("plan", str(write_config(tmp_path)), "--no-preview", "--json")
    document = json.loads(found.stdout)
    assert document["cells"] == 2
    assert {job["id"] for job in document["jobs"]} >= {"data/villain", "cosine/villain@1#42"}
    assert document["blocked"] is False
    assert document["expected"]["seconds"] > 0
    assert all(folder["survival"] for folder in document["folders"])


def test_the_published_grid_is_planned_without_gpu_or_weights() -> None:
    found = call("plan", "eps109", "--json")
    document = json.loads(found.stdout)
    assert document["cells"] == 77
    assert document["preview"] is None
    assert "not on this machine" in document["why_no_preview"]
    assert 4 * 3600 < document["expected"]["seconds"] < 13 * 3600


def test_a_blocked_config_starts_nothing_and_exits_2(tmp_path: Path) -> None:
    path = write_config(tmp_path)
    path.write_text(path.read_text().replace('panel = ["villain", ', "panel = ["))
    for words in (("plan", str(path)), ("run", str(path), "--dir", str(tmp_path / "r"))):
        found = call(*words)
        assert found.exit_code == 2
        assert "source-in-panel" in found.stderr
    assert not (tmp_path / "r").exists()


def test_a_bad_config_lists_every_problem_and_exits_2(tmp_path: Path) -> None:
    path = tmp_path / "bad.toml"
    path.write_text(CONFIG.replace("samples", "sampels").replace("seeds", "seed"))
    found = call("run", str(path), "--dir", str(tmp_path / "r"))
    assert found.exit_code == 2
    lines = found.stderr.splitlines()
    assert f"{path}: eval.sampels: unknown key (did you mean samples?)" in lines
    assert f"{path}: seed: unknown key (did you mean seeds?)" in lines
    assert not (tmp_path / "r").exists()


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("status", "nowhere"), 2, "no experiment or config named nowhere"),
        (("plan", "eps190"), 2, "did you mean eps109?"),
        (("run", "missing.toml"), 2, "no experiment or config named missing.toml"),
        (("status", "tiny"), 2, "tuilab run tiny"),
    ],
)
def test_what_is_not_there_is_said_in_one_sentence(
    words: tuple[str, ...],
    code: int,
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    found = call(*words)
    assert found.exit_code == code
    assert said in found.stderr
    assert len(found.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("relaunch", "villian@1"), 2, "names no cell of this grid (sources villain"),
        (("relaunch", "villain@1", "--from", "evall"), 2, "unknown stage 'evall'"),
        (("relaunch", "villain@1", "--set", "marker.lrr=1"), 2, "did you mean marker.lr?"),
        (("relaunch", "villain@1", "--set", "convergence.rows=4", "--dry-run"), 0, ""),
        (("relaunch", "villain@1", "--set", "data.seed=1"), 2, "is shared by 2 cells"),
        (("relaunch",), 2, "name cells"),
        (("relaunch", "villain@1", "--failed"), 2, "give either cells, --failed or --stale"),
        (("relaunch", "--failed"), 0, "no job is failed"),
        (("stop",), 1, "none of these is running"),
        (("pause",), 1, "no engine is running"),
        (("logs", "villain@1"), 1, "has not run yet (idle)"),
        (("logs", "villain"), 2, "names 2 cells"),
        (("logs", "villain@1", "--stage", "data"), 2, "unknown stage 'data': a cell has train"),
        (("logs", "engine"), 1, "no engine has run"),
    ],
)
def test_what_cannot_be_done_says_why(
    words: tuple[str, ...], code: int, said: str, idle: Path
) -> None:
    found = call(words[0], str(idle), *words[1:])
    assert found.exit_code == code
    assert said in found.stderr
    assert "Traceback" not in found.output
    assert not list((idle / "requests").iterdir())


def test_a_dry_run_of_a_config_creates_nothing(tmp_path: Path) -> None:
    root = tmp_path / "r"
    found = call("run", str(write_config(tmp_path)), "--dir", str(root), "--dry-run", "--json")
    document = json.loads(found.stdout)
    assert [one["job"] for one in document["jobs"]][:3] == [
        "data/villain",
        "data/police_officer",
        "train/villain@0#42",
    ]
    assert not root.exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--on", "kubernetes"), "there is no place 'kubernetes' to run on"),
        (("vilain@0",), "'vilain@0' names no cell of this grid"),
        (("--until", "never"), "'never' is not a time to come"),
    ],
)
def test_a_run_that_is_refused_leaves_no_experiment(
    tmp_path: Path, words: tuple[str, ...], said: str
) -> None:
    root = tmp_path / "r"
    found = call("run", str(write_config(tmp_path)), "--dir", str(root), *words)
    assert (found.exit_code, said in found.stderr) == (2, True)
    assert not root.exists()


def test_a_dry_run_of_one_cell_names_exactly_what_it_needs(idle: Path) -> None:
    found = call("run", str(idle), "*@0", "--dry-run", "--json")
    jobs = {one["job"] for one in json.loads(found.stdout)["jobs"]}
    assert "converge/villain#42" not in jobs
    assert {"data/villain", "cosine/villain@0#42"} <= jobs


def test_an_edited_experiment_is_seen_by_plan_and_left_alone(idle: Path) -> None:
    config = idle / "experiment.toml"
    config.write_text(config.read_text().replace("samples = 2", "samples = 3"))
    before = (idle / "plan.json").read_bytes()
    found = call("plan", str(idle), "--no-preview")
    assert "experiment.toml has changed since this grid was planned" in found.stderr
    assert "no finished cell changes" in found.stderr
    assert (idle / "plan.json").read_bytes() == before


def test_a_dry_run_of_a_config_whose_experiment_exists_leaves_that_alone(
    idle: Path, tmp_path: Path
) -> None:
    text = (idle / "plan.json").read_text()
    old = json.loads(text)
    old["tables"]["prints"][0] = "of older code"
    (idle / "plan.json").write_text(json.dumps(old))
    config = write_config(tmp_path)
    found = call("run", str(config), "--dir", str(idle), "--dry-run")
    assert (found.exit_code, "applies that" in found.stderr) == (0, True)
    assert "of older code" in (idle / "plan.json").read_text()


def test_a_damaged_plan_is_made_again_from_the_config(idle: Path) -> None:
    (idle / "plan.json").write_text("{")
    assert call("status", str(idle)).exit_code in (0, 1)
    assert call("plan", str(idle), "--no-preview").exit_code == 0
    assert json.loads(call("status", str(idle), "--json").stdout)["counts"] == {"idle": 2}


def test_a_dry_run_over_a_damaged_plan_writes_nothing(idle: Path) -> None:
    (idle / "plan.json").write_text("{")
    found = call("run", str(idle), "--dry-run")
    assert found.exit_code == 0
    assert "a run makes it again from experiment.toml" in found.stderr
    assert (idle / "plan.json").read_text() == "{"


def test_status_says_that_the_config_was_edited_and_where_it_is_no_toml(idle: Path) -> None:
    config = idle / "experiment.toml"
    text = config.read_text()
    config.write_text(text.replace("samples = 2", "samples = 3"))
    for words in (("status", str(idle)), ("status", str(idle), "--json")):
        assert "experiment.toml has changed since this grid was planned" in call(*words).stdout
    config.write_text(text + "[[[")
    assert "experiment.toml cannot be read: " in call("status", str(idle)).stdout
    config.write_text(text)
    assert "experiment.toml" not in call("status", str(idle)).stdout
    config.unlink()
    for words in (("run",), ("plan",), ("relaunch", "villain@0")):
        found = call(words[0], str(idle), *words[1:])
        assert found.exit_code == 2 and "experiment.toml is missing: copy back" in found.stderr


def test_the_config_that_an_experiment_grew_from_still_means_it(idle: Path, tmp_path: Path) -> None:
    config, first = idle / "experiment.toml", write_config(tmp_path)
    config.write_text(config.read_text().replace("seeds = [42]", "seeds = [42, 43]"))
    found = call("run", str(first), "--dir", str(idle), "--dry-run")
    assert (found.exit_code, "has grown since it was made" in found.stderr) == (0, True)
    assert "would run: 20 jobs" in found.stdout


def test_another_config_does_not_take_over_a_directory(idle: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.toml"
    other.write_text(CONFIG.replace("samples = 2", "samples = 3"))
    found = call("run", str(other), "--dir", str(idle), "--dry-run")
    assert found.exit_code == 2
    assert "is another experiment than this config asks for" in found.stderr
    assert "a `name` of its own in the config" in found.stderr


def test_bare_tuilab_lists_what_is_here_or_says_how_to_begin(
    idle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert "runs/micro" in call().stdout
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    found = call()
    assert found.exit_code == 0
    assert "tuilab demo" in found.stdout
    assert "eps109-smoke" in found.stdout


def test_open_without_a_terminal_prints_the_state(idle: Path) -> None:
    found = call("open", str(idle))
    assert found.exit_code == 0
    assert "engine: not running" in found.stdout


def test_the_table_shows_n_a_where_nothing_was_measured(idle: Path) -> None:
    found = call("table", str(idle))
    assert found.exit_code == 0
    assert "0%" not in found.stdout


def test_gc_removes_nothing_without_being_told(idle: Path) -> None:
    draft = idle / "workers" / "old"
    draft.mkdir()
    found = call("gc", str(idle), "--json", "--dry-run")
    assert json.loads(found.stdout)["removed"] is False
    assert draft.exists()


def test_no_colour_and_no_escape_reaches_a_pipe(idle: Path) -> None:
    for words in (("status", str(idle)), ("plan", str(idle), "--no-preview"), ("-h",)):
        assert "\x1b" not in call(*words).output


def test_an_unexpected_failure_is_one_sentence_unless_debugging(idle: Path) -> None:
    (idle / "deviations.json").write_text('[{"cells": 3, "sets": {}}]')
    found = call("plan", str(idle), "--no-preview")
    assert (found.exit_code, len(found.stderr.splitlines())) == (1, 1)
    assert "deviations.json" in found.stderr
    loud = call("plan", str(idle), "--no-preview", TUILAB_DEBUG="1")
    assert loud.exception is not None and not isinstance(loud.exception, SystemExit)
