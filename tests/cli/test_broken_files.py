"""Whatever lies in place of a state file, every verb answers in a sentence and a known code."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.small_grid import call
from tests.copies import own_copy
from tests.engine.conftest import trials
from tests.engine.trials import Trial

DAMAGE = {
    "nothing": b"",
    "bytes": b"\x00\xff{[",
    "half": b'{"schema": 1, "jo',
    "a list": b"[]",
    "null": b"null",
    "a number": b"7",
    "an object": b"{}",
    "depth": b"[" * 100_000,
    "no number": b'{"at": NaN, "view": 1e999}',
    "a folder": None,
}
PLANNED = ("experiment.toml", "plan.json", "journal.jsonl", "engine.json", "folded.bin",
           "deviations.json")  # fmt: skip
OF_AN_ATTEMPT = ("outcome.json", "spec.json", "claim.json", "events.jsonl", "log.txt",
                 "completions.jsonl.gz")  # fmt: skip
KNOWN_CODES = {0, 1, 2, 3}


@pytest.fixture(scope="module")
def finished() -> Iterator[Trial]:
    """A finished grid of played runners."""
    with trials() as make:
        grid = make()
        grid.ask("run")
        assert grid.run("--go") == 0
        yield grid


def put(path: Path, content: bytes | None) -> None:
    """Put something else in a file's place; None, the last, is a folder."""
    path.unlink(missing_ok=True)
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content)


def assert_sentences(root: Path, *calls: tuple[str, ...]) -> None:
    """Call verbs on an experiment; none may fail in a way that nobody foresaw."""
    for verb, *rest in calls:
        found = call(verb, str(root), *rest)
        assert found.exit_code in KNOWN_CODES, (verb, found.output)
        assert "unexpected" not in found.output, (verb, found.output)
        assert "Traceback" not in found.output, (verb, found.output)


@pytest.mark.parametrize("name", PLANNED)
def test_every_verb_answers_in_a_sentence_whatever_is_broken(
    planned: Path, tmp_path: Path, name: str
) -> None:
    root = own_copy(planned, tmp_path / "micro")
    for content in DAMAGE.values():
        put(root / name, content)
        assert_sentences(root, ("status", "--json"), ("logs", "villain@0"), ("gc", "--dry-run"))


@pytest.mark.parametrize("damage", ["bytes", "an object", "depth", "a folder"])
@pytest.mark.parametrize("name", ["experiment.toml", "plan.json", "deviations.json"])
def test_a_verb_that_plans_anew_says_what_it_cannot_read(
    planned: Path, tmp_path: Path, name: str, damage: str
) -> None:
    root = own_copy(planned, tmp_path / "micro")
    put(root / name, DAMAGE[damage])
    assert_sentences(root, ("relaunch", "--failed", "--dry-run"))


@pytest.mark.parametrize("name", OF_AN_ATTEMPT)
def test_a_broken_file_of_an_attempt_costs_no_verb(
    finished: Trial, tmp_path: Path, name: str
) -> None:
    attempt = Path("jobs/eval/villain/seed-42/epoch-0/attempt-1")
    root = own_copy(finished.layout.root, tmp_path / "trial")
    for damage, content in DAMAGE.items():
        put(root / attempt / name, content)
        assert_sentences(root, ("status", "--json"), ("logs", "villain@0", "--stage", "eval"))
        if name == "outcome.json" and damage in ("bytes", "an object"):
            assert_sentences(root, ("table", "--format", "csv"))


@pytest.mark.parametrize(
    "verb",
    [("run", "--dry-run"), ("plan",), ("relaunch", "--stale"), ("accept", "*", "--why", "x")],
    ids=lambda words: words[0],
)
def test_no_verb_replaces_the_plan_of_a_newer_program(
    planned: Path, tmp_path: Path, verb: tuple[str, ...]
) -> None:
    root = own_copy(planned, tmp_path / "micro")
    newer = json.dumps(json.loads((root / "plan.json").read_text()) | {"schema": 99})
    (root / "plan.json").write_text(newer)
    said = call(verb[0], str(root), *verb[1:])
    assert said.exit_code == 1
    assert "newer than this program's" in said.stderr and "update tuilab" in said.stderr
    assert (root / "plan.json").read_text() == newer
